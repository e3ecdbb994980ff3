#!/bin/bash
# dom0's PID 1: brings Xen's userspace up, then runs commands that the host sends over a virtio-serial port, one a line
# ("NUMBER SECONDS BASE64"), each between a BEGIN and an END line with its exit code. The line "end" switches off.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /tmp
mkdir -p /run/xen /run/lock /var/lib/xenstored /var/run
hostname xengt-dom0
ip link set lo up

off() {
  cd / || :
  sync
  echo o >/proc/sysrq-trigger
  sleep 60
}
die() {
  echo "XENGT-DOM0 $*" | tee /dev/console
  off
}

mount -t 9p -o trans=virtio,version=9p2000.L,msize=131072 share /share || die "no share"
mount -t ext4 -o ro,noatime /dev/vdb /opt/xengt || die "no payload disk"
for module in xen-evtchn xen-privcmd xen-gntdev xen-gntalloc xenfs; do modprobe "$module" || die "no module $module"; done
mount -t xenfs xenfs /proc/xen || die "no xenfs"
xen_lib=/usr/lib/xen-4.17/bin
/usr/sbin/xenstored --pid-file /run/xenstored.pid || die "xenstored does not start"
for _ in {1..100}; do
  xenstore-ls / >/dev/null 2>&1 && break
  sleep 0.1
done
"$xen_lib/xen-init-dom0" || die "xen-init-dom0 failed"
xenconsoled --log=guest --log-dir=/share/console --pid-file=/run/xenconsoled.pid || die "xenconsoled does not start"
ln -sfn /share/guests /guests
ip link set eth0 up 2>/dev/null && ip addr add 10.0.2.15/24 dev eth0 && ip route add default via 10.0.2.2

# The host sees by this that the machine runs at all.
(while :; do date +%s >/share/heartbeat; sleep 2; done) &

port=/dev/vport0p1
for port in /dev/vport*; do [ -c "$port" ] && break; done
exec 3<>"$port" || die "no control port"
echo "XENGT-DOM0 READY $(uname -r)" >&3
while read -r number seconds command <&3; do
  [ "$number" = end ] && break
  [ -n "$command" ] || continue
  echo "XENGT BEGIN $number" >&3
  base64 -d <<<"$command" >/run/command
  timeout -k 5 "$seconds" bash /run/command </dev/null >/run/output 2>&1 3>&-
  code=$?
  cat /run/output >&3
  echo "XENGT END $number code=$code" >&3
done
off
