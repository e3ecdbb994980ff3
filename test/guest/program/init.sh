#!/bin/busybox sh
# The guest's init. It does the steps named on the kernel command line (xengt.steps=a,b:ARG,...), each between a BEGIN
# and an END line with its exit code, so that the host can follow on the serial console. In ARG, %XX stands for a byte.
#
#   probe            insert i915 and what it depends on; module parameters come from the command line (i915.x=y)
#   reload[:N]       remove and insert i915 again, N times
#   asleep:SECONDS   suspend to RAM, until the clock wakes the machine
#   exec:N           N submissions over all engines, results checked
#   load:WORDS       xengt-load with these words
#   console:TEXT     clear the text console, write TEXT to it, and report the glyphs it is drawn with
#   display          report what the display is set to
#   share            mount the folder shared with the host
#   picture:FORMAT SEED FILE   show a picture and keep it in FILE, see picture/main.c
#   next-picture     show the next one
#   igt-setup        mount the disk with IGT and the folder shared with the host, insert the second card's module
#   igt:SECONDS TEST [SUBTEST]   one IGT test or subtest for at most so long; its output goes to the shared folder
#   igt-apart:…      the same without the shared folder, for tests that put the machine to sleep
#   igt-list:WORDS, igt-subtests:TEST   what there is, to the shared folder
#   mesa-setup       mount the disk with Mesa and the folder shared with the host
#   program:SECONDS NAME COMMAND   a shell command on the disk for at most so long; its output and the kernel log of that
#                    time go to the shared folder as NAME and NAME.kernel
#   dmesg            the kernel log, between markers
#   sh:COMMAND       any command
#   sleep:SECONDS
#   hold             take steps from the serial console, one a line, until the line "end"
#   poweroff         once the engines are parked, see below

/bin/busybox mkdir -p /proc /sys /dev /tmp /run
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs devtmpfs /dev
/bin/busybox mount -t tmpfs tmpfs /tmp
/bin/busybox --install -s /bin
export PATH=/bin
mount -t debugfs debugfs /sys/kernel/debug 2>/dev/null
exec </dev/ttyS0 >/dev/ttyS0 2>&1
stty -echo -F /dev/ttyS0

decode() {
  # %20 -> \x20, which printf then turns into the byte
  printf '%b' "$(printf '%s' "$1" | sed -e 's/\\/\\\\/g' -e 's/%\([0-9A-Fa-f][0-9A-Fa-f]\)/\\x\1/g')"
}

# As modprobe does: MODULE.name=value on the kernel command line is a parameter of MODULE.
parameters_of() {
  for word in $(cat /proc/cmdline); do
    case $word in
      "$1".*) printf '%s ' "${word#"$1".}" ;;
    esac
  done
}

insert() {
  # A module that is already there is as good as inserted.
  [ -d "/sys/module/$1" ] && return 0
  # Word splitting is wanted: each parameter is an argument of its own.
  insmod "/modules/$1.ko" $(parameters_of "$1")
}

card_is_there() {
  for card in /sys/class/drm/card*/device/driver; do
    case $(readlink "$card") in */i915) return 0 ;; esac
  done
  echo "no display device is bound to i915"
  return 1
}

step_probe() {
  while read -r module; do
    insert "$module" </dev/null || return 1
  done </modules/order
  card_is_there
}

# The text console holds i915 in use while it draws through it.
release_console() {
  for console in /sys/class/vtconsole/*; do
    if grep -q 'frame buffer' "$console/name"; then echo 0 >"$console/bind"; fi
  done
}

step_reload() {
  count=${1:-1}
  while [ "$count" -gt 0 ]; do
    release_console
    rmmod i915 || return 1
    if [ -d /sys/module/i915 ]; then echo "i915 is still there after rmmod"; return 1; fi
    insert i915 || return 1
    card_is_there || return 1
    echo "XENGT RELOADED left=$((count - 1))"
    count=$((count - 1))
  done
}

step_asleep() {
  echo 0 >/sys/class/rtc/rtc0/wakealarm
  echo "+$1" >/sys/class/rtc/rtc0/wakealarm || return 1
  echo mem >/sys/power/state || return 1
  echo "XENGT AWAKE"
}

step_console() {
  [ -e /dev/fb0 ] || { echo "no frame buffer console"; return 1; }
  echo 0 >/sys/class/graphics/fbcon/cursor_blink 2>/dev/null
  # Home, erase all, cursor off; then the text in the upper left corner.
  printf '\033[H\033[2J\033[?25l%s' "$1" >/dev/tty1 || return 1
  xengt-font "$1"
}

step_display() {
  for connector in /sys/class/drm/card*-*; do
    [ -e "$connector/status" ] || continue
    echo "XENGT CONNECTOR ${connector##*/} $(cat "$connector/status") modes=$(tr '\n' ' ' <"$connector/modes" | sed 's/ /,/g')"
  done
  if [ -e /sys/class/graphics/fb0 ]; then
    echo "XENGT FRAMEBUFFER $(cat /sys/class/graphics/fb0/name) size=$(cat /sys/class/graphics/fb0/virtual_size)"
  fi
  # The atomic state of each pipe, where the kernel tells it.
  for state in /sys/kernel/debug/dri/*/state; do
    [ -e "$state" ] || continue
    sed -n -e 's/^crtc\[[0-9]*\]: \(.*\)/XENGT PIPE \1/p' -e 's/^\t*\(enable\|active\|mode\)[=:] *\(.*\)/XENGT PIPE  \1=\2/p' "$state"
    break
  done
}

mount_share() {
  mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144 share /share
}

step_share() {
  while read -r module; do
    insert "$module" </dev/null || return 1
  done </modules/storage
  mkdir -p /share
  mount_share
}

# The disk becomes a root file system at folder $1, with all that a kernel shows in one; the shared folder is at /share.
mount_disk() {
  step_share || return 1
  mkdir -p "$1"
  mount -t ext4 -o ro,noload /dev/vda "$1" || return 1
  mount -t devtmpfs devtmpfs "$1/dev" && mount -t proc proc "$1/proc" && mount -t sysfs sysfs "$1/sys" || return 1
  mount -t debugfs debugfs "$1/sys/kernel/debug" || return 1
  mkdir -p "$1/dev/shm"
  mount -t tmpfs tmpfs "$1/dev/shm" && mount -t tmpfs tmpfs "$1/tmp" && mount -t tmpfs tmpfs "$1/run"
}

step_igt_setup() {
  mount_disk /igt || return 1
  while read -r module; do
    insert "$module" </dev/null || return 1
  done </modules/second-card
  # Tests that load the driver anew find the modules where a system has them.
  local modules="/igt/usr/lib/modules/$(uname -r)"
  mount -t tmpfs tmpfs /igt/usr/lib/modules && mkdir "$modules" && cp /modules/*.ko "$modules" || return 1
  chroot /igt /usr/sbin/depmod
}

# A session of its own: a program that is ended must not take init along.
step_program() {
  local seconds=${1%% *} rest=${1#* } name code mark
  name=${rest%% *}
  mark="xengt program $name $number"
  echo "$mark" >/dev/kmsg
  mkdir -p -m 700 /mesa/run/user
  setsid timeout -k 5 "$seconds" chroot /mesa /usr/bin/env -i PATH=/usr/bin:/bin HOME=/tmp XDG_RUNTIME_DIR=/run/user \
    /bin/sh -c "cd /tmp; ${rest#* }" </dev/null >"/share/$name" 2>&1
  code=$?
  dmesg | sed "1,/$mark/d" >"/share/$name.kernel"
  return $code
}

# Debugfs files of i915's parameters exist where the kernel has them; else a parameter stays as it was at the start.
i915_parameter() {
  for file in /sys/kernel/debug/dri/*/i915_params/"$1"; do
    [ -e "$file" ] && echo "$2" >"$file"
  done
}

step_igt() {
  run_igt /share $1
}

# The device behind the shared folder comes out of a sleep without its queues, for its driver has no part in that: it is
# let go of before, and taken anew.
step_igt_apart() {
  local device code
  mkdir -p /run/apart && cp /share/*.wanted /run/apart 2>/dev/null
  umount /share || return 1
  run_igt /run/apart $1
  code=$?
  for device in /sys/bus/virtio/drivers/9pnet_virtio/virtio*; do
    echo "${device##*/}" >/sys/bus/virtio/drivers/9pnet_virtio/unbind
    echo "${device##*/}" >/sys/bus/virtio/drivers/9pnet_virtio/bind
  done
  mount_share && cp /run/apart/* /share && rm -r /run/apart || return 1
  return $code
}

# FOLDER SECONDS TEST [SUBTEST]. A test has a session of its own: what it does to its process group when it dies must not
# reach init.
run_igt() {
  local folder=$1 seconds=$2 test=$3 subtest=$4 log=$1/$3${4:+@$4} capture=0 patience=20000 code mark
  # Reading out a hung GPU through a trapped aperture is a million accesses: only for tests of what was read.
  case $test@$subtest in gem_exec_capture@* | i915_hangman@ | i915_hangman@+ | i915_hangman@*error-state*) capture=1 patience=0 ;; esac
  i915_parameter error_capture $capture
  # That may take longer than the 20 s after which i915 gives a request up.
  i915_parameter request_timeout_ms $patience
  # A list too long for this line.
  [ "$subtest" = + ] && subtest=$(cat "$folder/$test.wanted")
  mark="xengt $test $number"
  echo "$mark" >/dev/kmsg
  cd /igt/tmp
  HOME=/tmp setsid timeout -k 5 "$seconds" chroot /igt /usr/bin/busybox env PATH=/usr/sbin:/usr/bin "/usr/libexec/igt-gpu-tools/$test" \
    ${subtest:+--run-subtest "$subtest"} </dev/null >"$log" 2>&1
  code=$?
  cd /
  dmesg | sed "1,/$mark/d" >"$log.kernel"
  return $code
}

# All tests whose names begin with one of the words, or the subtests of one test: on the shared folder.
step_igt_list() {
  local word
  for word in $1; do
    for file in /igt/usr/libexec/igt-gpu-tools/"$word"*; do
      [ -f "$file" ] && [ -x "$file" ] && echo "${file##*/}"
    done
  done >/share/tests
}

step_igt_subtests() {
  HOME=/tmp setsid timeout -k 5 30 chroot /igt "/usr/libexec/igt-gpu-tools/$1" --list-subtests </dev/null \
    >"/share/$1.subtests" 2>/dev/null
}

step_dmesg() {
  echo "XENGT DMESG BEGIN"
  dmesg
  echo "XENGT DMESG END"
}

step_hold() {
  echo "XENGT HOLD"
  while read -r line; do
    line=$(printf '%s' "$line" | tr -d '\r')
    [ -z "$line" ] && continue
    [ "$line" = end ] && return 0
    run_step "$line"
  done
}

# i915 parks an engine about a second after its last work. Linux 7.2 turns interrupts off at shutdown before it parks what
# is left, and then waits for ever for a context switch that takes longer than it busy-waits for. An idle machine has none.
step_poweroff() {
  [ -d /sys/module/i915 ] && sleep 2
  sync
  poweroff -f
  # The machine takes a moment to go; nothing may follow.
  sleep 30
}

number=0
run_step() {
  number=$((number + 1))
  local me=$number name=${1%%:*} argument='' code
  case $1 in *:*) argument=$(decode "${1#*:}") ;; esac
  echo "XENGT BEGIN $me $name"
  case $name in
    exec) xengt-exec "$argument" ;;
    load) xengt-load $argument ;;
    picture) xengt-picture $argument ;;
    next-picture) echo next >/tmp/picture && cat /tmp/picture.shown ;;
    sh) sh -c "$argument" </dev/null ;;
    sleep) sleep "$argument" ;;
    igt-setup) step_igt_setup ;;
    igt-apart) step_igt_apart "$argument" ;;
    mesa-setup) mount_disk /mesa ;;
    igt-list) step_igt_list "$argument" ;;
    igt-subtests) step_igt_subtests "$argument" ;;
    probe | reload | asleep | console | display | share | igt | program | dmesg | hold | poweroff) "step_$name" "$argument" ;;
    *) echo "no step is called $name"; false ;;
  esac
  code=$?
  echo "XENGT END $me $name code=$code"
  return $code
}

echo "XENGT INIT $(uname -r)"
steps=hold
for word in $(cat /proc/cmdline); do
  case $word in xengt.steps=*) steps=${word#xengt.steps=} ;; esac
done
for step in $(printf '%s' "$steps" | tr ',' ' '); do
  run_step "$step"
done
run_step poweroff
