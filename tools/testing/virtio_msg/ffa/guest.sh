# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2015,SC3045
#
# What the tests of the FF-A bus do in the guest; sourced there by /init of
# ffa-guest.sh. Every function returns false, and has said why, when something is
# not as it should be.

FFA=/sys/bus/arm_ffa
DRIVER=$FFA/drivers/virtio_msg_ffa
CLASS=/sys/class/virtio_msg
HWRNG=/sys/class/misc/hw_random
# Turns of 20 ms that something may take
PATIENCE=1000

fail() {
	echo "failed: $*"
	return 1
}

# wait_for COMMAND...
wait_for() {
	wait_left=$PATIENCE
	until "$@" >/dev/null 2>&1; do
		wait_left=$((wait_left - 1))
		[ $wait_left -gt 0 ] || fail "waited in vain for: $*" || return 1
		usleep 20000
	done
}

not() {
	! "$@"
}

# device NUM [BUS]: prints its name (virtio0)
device() {
	for device_file in "$CLASS"/ffa"${2:-0}"/virtio*/virtio_msg/dev_num; do
		[ -e "$device_file" ] || continue
		[ "$(cat "$device_file")" != "$1" ] || {
			device_file=${device_file%/virtio_msg/*}
			echo "${device_file##*/}"
			return 0
		}
	done
	return 1
}

# bound NUM [BUS]: has a driver taken it?
bound() {
	bound_name=$(device "$@") && [ -e "/sys/bus/virtio/devices/$bound_name/driver" ]
}

gone() {
	! device "$@" >/dev/null
}

# up: the module is loaded, and the three usual devices are there
up() {
	modprobe virtio_msg_ffa "timeout_ms=${TIMEOUT:-5000}" || fail "modprobe" || return 1
	usual
}

usual() {
	wait_for bound 2 && wait_for bound 5 && wait_for bound 9 &&
		wait_for test -b /dev/vda
}

down() {
	rmmod virtio_msg_ffa || fail "rmmod" || return 1
	[ -z "$(ls /sys/bus/virtio/devices)" ] || fail "devices are left"
}

# disk [MIB [DISK]]: a pattern is written and read back
disk() {
	disk_dev=${2:-/dev/vda}
	dd if=/dev/urandom of=/tmp/pattern bs=64k count=$((${1:-1} * 16)) 2>/dev/null &&
		dd if=/tmp/pattern of="$disk_dev" bs=64k conv=fsync 2>/dev/null &&
		blockdev --flushbufs "$disk_dev" &&
		dd if="$disk_dev" of=/tmp/back bs=64k count=$((${1:-1} * 16)) 2>/dev/null ||
		fail "I/O on the disk" || return 1
	cmp /tmp/pattern /tmp/back || fail "what was read is not what was written"
}

# rng NUM...: entropy sources are these devices and no others, and every word is
# the number of the device and more than the word before. The kernel itself reads
# too, so some are missing. Who reads from a device that needs a reset waits until
# somebody unbinds it.
rng() {
	rng_found=
	for rng_name in $(tr ' ' '\n' <$HWRNG/rng_available | grep virtio); do
		echo "$rng_name" >$HWRNG/rng_current
		timeout $((PATIENCE / 50 + 5)) \
			dd if=/dev/hwrng of=/tmp/rng bs=512 count=4 2>/dev/null &&
			[ "$(stat -c %s /tmp/rng)" = 2048 ] ||
			fail "no bytes from $rng_name" || return 1
		rng_num=$(od -An -v -tu4 -w4 /tmp/rng | awk '
			{ n = int($1 / 16777216); at = $1 % 16777216 }
			NR > 1 && (n != num || at <= last) { exit }
			{ num = n; last = at }
			NR == 512 { print num }')
		[ "$rng_num" ] || fail "wrong bytes from $rng_name" || return 1
		rng_found="$rng_found $rng_num"
	done
	rng_found=$(echo "$rng_found" | xargs -n 1 | sort -n | xargs)
	[ "$rng_found" = "$*" ] || fail "entropy of devices $rng_found, not $*"
}

# console N: lines to the console, and from it
console() {
	exec 4<>/dev/hvc0 || fail "no /dev/hvc0" || return 1
	stty -F /dev/hvc0 raw -echo
	for console_turn in $(seq "$1"); do
		echo "to $console_turn" >&4
		wait_for order "heard to $console_turn" &&
			order "say from $console_turn" || return 1
		console_said=
		read -r -t 10 console_said <&4
		[ "$console_said" = "from $console_turn" ] ||
			fail "the console said in turn $console_turn: $console_said" || return 1
	done
	exec 4>&-
}

# order COMMAND: has the secure side do something, by a sector of its disk
order() {
	echo "!$*" | dd of=/dev/vda bs=512 seek=8000 conv=sync,fsync 2>/dev/null &&
		blockdev --flushbufs /dev/vda &&
		[ "$(dd if=/dev/vda bs=512 skip=8000 count=1 2>/dev/null | head -n 1)" = "done" ] ||
		fail "it does not: $*"
}

works() {
	disk && rng 5
}

# reload N
reload() {
	for reload_turn in $(seq "$1"); do
		down && up && works || fail "reload, turn $reload_turn" || return 1
	done
}

# rings BIT...: the disk's driver has accepted these features
rings() {
	for rings_bit in "$@"; do
		rings_features=/sys/bus/virtio/devices/$(device 2)/features
		[ "$(cut -c $((rings_bit + 1)) "$rings_features")" = 1 ] ||
			fail "the disk works without feature $rings_bit" || return 1
	done
}

# rebind NUM DRIVER: a virtio driver lets go of a device and takes it again
rebind() {
	rebind_name=$(device "$1") || fail "no device $1" || return 1
	echo "$rebind_name" >"/sys/bus/virtio/drivers/$2/unbind" &&
		not bound "$1" &&
		echo "$rebind_name" >"/sys/bus/virtio/drivers/$2/bind" &&
		bound "$1" || fail "rebind of device $1"
}

# the driver of this bus lets go of the partition and takes it again
rebind_partition() {
	rebind_part=$(basename "$DRIVER"/arm-ffa-*)
	echo "$rebind_part" >$DRIVER/unbind && wait_for gone 2 &&
		echo "$rebind_part" >$DRIVER/bind && usual ||
		fail "rebind of the partition"
}

hotplug() {
	order add 40 && wait_for bound 40 && rng 5 40 &&
		order remove 40 && wait_for gone 40 &&
		order remove 5 && wait_for gone 5 &&
		order add 5 && wait_for bound 5 && rng 5 &&
		order resize 9000 && wait_for grep -qx 9000 /sys/block/vda/size &&
		order resize 8192 && wait_for grep -qx 8192 /sys/block/vda/size
}

# doze: devices and buses sleep, the machine does not
doze() {
	echo devices >/sys/power/pm_test && echo freeze >/sys/power/state ||
		fail "the system does not sleep"
}

# leaks: memory that nobody finds any more, if the kernel looks for it. It does not
# judge what is younger than 5 s, and what has changed since it has looked before.
leaks() {
	leaks_file=/sys/kernel/debug/kmemleak
	[ -e $leaks_file ] || return 0
	for _ in 1 2; do
		sleep 6
		echo scan >$leaks_file || fail "no search for leaks" || return 1
	done
	cat $leaks_file
	[ -z "$(head -n 1 $leaks_file)" ] || fail "memory has leaked"
}

# sound: the kernel has nothing to complain of; /init looks after each COMMAND
sound() {
	! dmesg | grep -E 'WARNING|BUG|Oops|UBSAN|INFO: |stall|blocked for more' &&
		leaks
}

# All that a bus and its devices do in their lives
life() {
	up && works && hotplug && rebind 2 virtio_blk && rebind 5 virtio_rng &&
		works && rebind_partition && works && doze && works &&
		reload 2 && down
}

# Under icount a nanosecond is an instruction. The module says what it measures.
costs() {
	costs_file=/sys/bus/virtio/devices/$(device 2)/virtio_msg/requests
	costs_before=$(cat "$costs_file")
	rebind 2 virtio_blk || return 1
	costs_pairs=$(($(cat "$costs_file") - costs_before))
	echo "# figure ffa_bind_pairs $costs_pairs pairs of messages to reset" \
		"virtio_blk and bind it again"
	[ "$costs_pairs" -le 16 ] || fail "more than 16 pairs" || return 1
	modprobe ffa_measure && dmesg | sed -n 's/.*\(# figure \)/\1/p' >/tmp/figures &&
		[ "$(grep -c . /tmp/figures)" = 3 ] || fail "no figures" || return 1
	cat /tmp/figures
	rmmod ffa_measure
	# In a kernel with KASAN and lockdep these are others.
	[ "$1" = none ] || {
		[ $((2 * $(figure ffa_request_ns))) -le $((3 * $(figure ffa_raw_ns))) ] ||
			fail "a request takes more than one and a half times what is needed"
	}
}

# figure NAME: what costs() has measured
figure() {
	sed -n "s/^# figure $1 \([0-9]*\) .*/\1/p" /tmp/figures
}

# --- for what is not as usual ---------------------------------------------------

# said TEXT: by the kernel
said() {
	dmesg | grep -q "$1" || fail "the kernel has not said: $1"
}

# refused TEXT: the driver does not take the partition, and says why
refused() {
	modprobe virtio_msg_ffa || fail "modprobe" || return 1
	said "$1" && [ -z "$(ls "$CLASS")" ] || fail "there is a bus"
}

# release: the driver lets go of the partition
release() {
	release_part=$(basename "$DRIVER"/arm-ffa-*)
	echo "$release_part" >$DRIVER/unbind || fail "unbind"
}

devices_are() {
	[ "$(find /sys/bus/virtio/devices -name 'virtio*' | wc -l)" = "$1" ]
}

# The second partition has an entropy source and a disk.
works_twin() {
	wait_for bound 0 1 && wait_for bound 1 1 && wait_for test -b /dev/vdb &&
		disk && disk 1 /dev/vdb && rng 0 5
}

# dies FAULT: from some time on all requests get that, while somebody reads, who only
# kicks and does not learn of it; the driver lets go nevertheless
dies() {
	order "fault $1@a200x1000000" || return 1
	dd if=/dev/hwrng of=/dev/null bs=64 2>/dev/null &
	wait_for not rebind 9 virtio_console || return 1
	down && said 'bytes are lost'
}

# survive N: loads and unloads until all goes well, N times at most
survive() {
	PATIENCE=15
	for _ in $(seq "$1"); do
		modprobe virtio_msg_ffa timeout_ms=200 || fail "modprobe" || return 1
		if (usual && disk && rng 5) >/tmp/why 2>&1; then
			PATIENCE=1000
			return
		fi
		down || return 1
	done
	cat /tmp/why
	fail "it does not work after $1 turns"
}
