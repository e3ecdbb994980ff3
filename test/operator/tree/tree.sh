#!/bin/sh
# An operator at the mounted tree, with echo, cat and ls alone.
# usage: tree.sh PHASE, in the folder of the mount. Each check prints "ok WHAT" or "FAIL WHAT".
set -u
export LC_ALL=C

UUID=11111111-2222-4333-8444-555555555555
BUSY=99999999-2222-4333-8444-555555555555
PARENT=class/mdev_bus/0000:00:02.0
TYPES=$PARENT/mdev_supported_types
TYPE=$TYPES/i915-GVTg_V5_8

# is WHAT EXPECTED ACTUAL
is() {
  if [ "$2" = "$3" ]; then echo "ok $1"; else echo "FAIL $1: expected '$2', saw '$3'"; fi
}

# put TEXT FILE: what is said of echo's write, empty when it was taken. The program, because the echo that is built into some
# shells does not say which error it was.
put() {
  { /bin/echo "$1" >"$2"; } 2>&1
}

# refused WHAT MESSAGE TEXT FILE
refused() {
  said=$(put "$3" "$4")
  case $said in
    *"$2"*) echo "ok $1: $2" ;;
    *) echo "FAIL $1: expected '$2', saw '$said'" ;;
  esac
}

# unreadable WHAT MESSAGE FILE
unreadable() {
  said=$(cat "$3" 2>&1)
  case $said in
    *"$2"*) echo "ok $1: $2" ;;
    *) echo "FAIL $1: expected '$2', saw '$said'" ;;
  esac
}

create() {
  is 'mdev: types' 'i915-GVTg_V5_1 i915-GVTg_V5_2 i915-GVTg_V5_4 i915-GVTg_V5_8' "$(echo $(ls $TYPES))"
  is 'mdev: files of a type' 'available_instances create description device_api devices name' "$(echo $(ls $TYPE))"
  is 'mdev: name' 'GVTg_V5_8' "$(cat $TYPE/name)"
  is 'mdev: device_api' 'vfio-pci' "$(cat $TYPE/device_api)"
  is 'mdev: description' 'low_gm_size: 64MB high_gm_size: 384MB fence: 4 resolution: 1024x768 weight: 2' "$(echo $(cat $TYPE/description))"
  before=$(cat $TYPE/available_instances)
  is 'mdev: create' '' "$(put $UUID $TYPE/create)"
  is 'mdev: one less fits' "$((before - 1))" "$(cat $TYPE/available_instances)"
  is 'mdev: it is listed with its type' "$UUID $BUSY" "$(echo $(ls $TYPE/devices))"
  is 'mdev: it is on the bus' "$UUID $BUSY" "$(echo $(ls bus/mdev/devices))"
  is 'mdev: files of a device' 'intel_vgpu mdev_type remove xengt' "$(echo $(ls bus/mdev/devices/$UUID/))"
  is 'mdev: vgpu_id' "$(cat $PARENT/$UUID/xengt/id)" "$(cat $PARENT/$UUID/intel_vgpu/vgpu_id)"
  is 'mdev: mdev_type leads to its type' 'GVTg_V5_8' "$(cat $PARENT/$UUID/mdev_type/name)"

  is 'xengt: create' '' "$(put 7,64,384,4,-1,50 control/create_vgt_instance)"
  is 'xengt: files of a VM' 'PORT_B PORT_C PORT_D aperture_sz gm_sz vgt_id xengt' "$(echo $(ls vm7))"
  is 'xengt: gm_sz' '000000001c000000' "$(cat vm7/gm_sz)"
  is 'xengt: aperture_sz' '0000000004000000' "$(cat vm7/aperture_sz)"
  is 'xengt: cap' '50' "$(cat vm7/xengt/cap)"
  is 'xengt: port' 'VGT_DP_D' "$(cat vm7/PORT_D/type)"
  is 'xengt: connection' 'connected' "$(cat vm7/PORT_D/connection)"
  is 'both are among the vGPUs' "$UUID $BUSY vm5 vm7" "$(echo $(ls vgpus))"
}

reweight() {
  is 'mdev: weight' '2' "$(cat $PARENT/$UUID/xengt/weight)"
  is 'mdev: reweight' '' "$(put 9 $PARENT/$UUID/xengt/weight)"
  is 'mdev: new weight' '9' "$(cat vgpus/$UUID/weight)"
  is 'xengt: reweight' '' "$(put 33 vm7/xengt/weight)"
  is 'xengt: new weight' '33' "$(cat vm7/xengt/weight)"
  is 'xengt: disconnect' '' "$(put disconnect vm7/PORT_D/connection)"
  is 'xengt: disconnected' 'disconnected' "$(cat vm7/PORT_D/connection)"
  is 'xengt: foreground' '' "$(put 5 control/foreground_vm)"
  is 'xengt: new foreground' '5' "$(cat control/foreground_vm)"
}

ports() {
  zeros() { head -c "$1" /dev/zero; }
  is 'port: files' 'connection edid edid_text pipe port_override type' "$(echo $(ls vm7/PORT_B))"
  is 'port: an EDID is taken' '' "$({ cat vm7/PORT_D/edid >vm7/PORT_B/edid; } 2>&1)"
  is 'port: a type by its number' '' "$(put 5 vm7/PORT_B/type)"
  is 'port: it is read back by its name' 'VGT_HDMI_B' "$(cat vm7/PORT_B/type)"
  is 'port: nothing of it is applied yet' 'DP disconnected' "$(echo $(cat vm7/xengt/ports/B/type vm7/xengt/ports/B/connection))"
  is 'port: connect' '' "$(put connect vm7/PORT_B/connection)"
  is 'port: now it is' 'HDMI connected' "$(echo $(cat vm7/xengt/ports/B/type vm7/xengt/ports/B/connection))"
  is 'port: a mode line' '' "$(put 1920x1080@60 vm7/xengt/ports/B/mode)"
  is 'port: the mode that its monitor prefers' '1920x1080@60' "$(cat vgpus/vm7/ports/B/mode)"
  case $({ zeros 128 | cat >vm7/PORT_B/edid; } 2>&1) in
    *'Invalid argument'*) echo 'ok port: an EDID that is none: Invalid argument' ;;
    *) echo 'FAIL port: an EDID that is none was taken' ;;
  esac
  case $({ zeros 256 | cat >vm7/PORT_B/edid; } 2>&1) in
    *'File too large'*) echo 'ok port: an EDID of two blocks: File too large' ;;
    *) echo 'FAIL port: an EDID of two blocks was taken' ;;
  esac
  refused 'port: a type that there is not' 'Invalid argument' 0 vm7/PORT_B/type
  refused 'port: another port that is taken' 'Device or resource busy' PORT_B vm7/PORT_C/port_override
  refused 'port: a port that there is not' 'Invalid argument' PORT_A vm7/PORT_C/port_override
  refused 'port: an EDID as too little text' 'Invalid argument' 00ff vm7/PORT_B/edid_text
  refused 'port: a mode that can not be' 'Invalid argument' 1x1@1 vm7/xengt/ports/B/mode
  refused 'port: pipe is not for writing' 'Permission denied' 1 vm7/PORT_B/pipe
  is 'port: all is as it was' 'HDMI connected 1920x1080@60' "$(cd vm7/xengt/ports/B && echo $(cat type connection mode))"
  is 'port: disconnect' '' "$(put disconnect vm7/PORT_B/connection)"
}

errors() {
  refused 'mdev: no UUID' 'Invalid argument' nonsense $TYPE/create
  refused 'mdev: a UUID that is taken' 'File exists' $UUID $TYPE/create
  refused 'mdev: no room' 'No space left on device' 22222222-2222-4333-8444-555555555555 $TYPES/i915-GVTg_V5_1/create
  refused 'mdev: in use' 'Device or resource busy' 1 $PARENT/$BUSY/remove
  refused 'mdev: no number' 'Invalid argument' yes $PARENT/$UUID/remove
  unreadable 'mdev: create is not for reading' 'Permission denied' $TYPE/create
  refused 'mdev: name is not for writing' 'Permission denied' x $TYPE/name
  refused 'weight out of range' 'Invalid argument' 256 $PARENT/$UUID/xengt/weight
  is 'weight is what it was' '9' "$(cat $PARENT/$UUID/xengt/weight)"
  refused 'xengt: too few numbers' 'Invalid argument' 8,64,384 control/create_vgt_instance
  refused 'xengt: a VM that has one' 'Invalid argument' 7,64,384,4 control/create_vgt_instance
  refused 'xengt: no room' 'No space left on device' 8,800,384,4 control/create_vgt_instance
  refused 'xengt: removing what is not there' 'No such device' -99 control/create_vgt_instance
  refused 'xengt: foreground of nobody' 'No such device' 99 control/foreground_vm
  refused 'xengt: foreground of who shows nothing' 'Resource temporarily unavailable' 7 control/foreground_vm
  unreadable 'xengt: create is not for reading' 'Permission denied' control/create_vgt_instance
  refused 'xengt: ctx_switch is not for writing' 'Permission denied' 0 control/ctx_switch
  refused 'a new file' 'Permission denied' x control/new
  unreadable 'what is not there' 'No such file or directory' control/new
  case $(cat xengt/last_refusal) in
    'EAGAIN /control/foreground_vm: VM 7 shows nothing yet') echo 'ok the reason of the last refusal' ;;
    *) echo "FAIL the reason of the last refusal: saw '$(cat xengt/last_refusal)'" ;;
  esac
}

remove() {
  exec 3>"$PARENT/$UUID/xengt/weight"
  is 'mdev: remove' '' "$(put 1 $PARENT/$UUID/remove)"
  is 'mdev: gone' "$BUSY" "$(ls $TYPE/devices)"
  said=$({ /bin/echo 3 >&3; } 2>&1)
  case $said in
    *'No such device'*) echo 'ok a file that was open: No such device' ;;
    *) echo "FAIL a file that was open: expected 'No such device', saw '$said'" ;;
  esac
  is 'xengt: remove' '' "$(put -7 control/create_vgt_instance)"
  is 'both are gone' "$BUSY vm5" "$(echo $(ls vgpus))"
}

"$1"
