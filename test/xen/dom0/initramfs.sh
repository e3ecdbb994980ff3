#!/bin/busybox sh
# dom0's first program: finds its disks and hands over to the root file system.
/bin/busybox mkdir -p /proc /sys /dev /root
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs devtmpfs /dev
/bin/busybox --install -s /bin
export PATH=/bin
while read -r module; do insmod "/modules/$module.ko" || echo "XENGT-DOM0 insmod $module failed"; done </modules/order
tries=100
while [ ! -b /dev/vda ] && [ "$tries" -gt 0 ]; do sleep 0.1; tries=$((tries - 1)); done
mount -t ext4 -o noatime /dev/vda /root || { echo "XENGT-DOM0 no root disk"; poweroff -f; }
cp /init-dom0 /root/sbin/init-dom0
umount /proc /sys /dev
exec switch_root /root /bin/bash /sbin/init-dom0
