#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Drivers let go of devices and take them again; modules leave and come back.

. ./lib.sh

DRIVER=/sys/bus/virtio/drivers/virtio_blk
BUDGET=16

begin() {
	rm -f "$TMP/disk"
	start blk --blk "file=$TMP/disk,size=4M" "$@" && wait_disk blk 0 || return 1
	DEVICE=$(device blk 0)
	NAME=${DEVICE##*/}
}

unbind() {
	echo "$NAME" >$DRIVER/unbind && [ ! -e "$DEVICE/block" ]
}

bind() {
	echo "$NAME" >$DRIVER/bind && wait_disk blk 0
}

state() {
	cat "$DEVICE/virtio_msg/state"
}

pool_used() {
	cat "$CLASS/$(bus blk)/pool_used"
}

# Found by the bus, its information read, its driver bound.
first_budget() {
	begin && first=$(requests blk 0) || return 1
	most "number of requests" "$first" $BUDGET
}

budget() {
	unbind || return 1
	budget_before=$(requests blk 0)
	bind || return 1
	budget_after=$(requests blk 0)
	most "number of requests" $((budget_after - budget_before)) $BUDGET
}

again() {
	again_used=$(pool_used)
	again_requests=$(requests blk 0)
	for again_turn in $(seq 100); do
		echo "$NAME" >$DRIVER/unbind && [ ! -e "$DEVICE/block" ] &&
			echo "$NAME" >$DRIVER/bind && [ -e "$DEVICE/block" ] &&
			read -r again_now <"$CLASS/$(bus blk)/pool_used" ||
			fail "turn $again_turn" || return 1
		same "pool_used in turn $again_turn" "$again_now" "$again_used" || return 1
	done
	wait_disk blk 0 || return 1
	most "number of requests of 100 turns" $(($(requests blk 0) - again_requests)) \
		$((100 * (BUDGET + 2)))
}

works() {
	verify_disks "$DISK"
}

unbind_busy() {
	for busy_turn in 1 2 3; do
		start_load "$DISK" && unbind && end_load "$DISK" &&
			wait_for no_stuck_task && bind && works ||
			fail "turn $busy_turn" || return 1
	done
}

# While everything is in use, nothing but the driver can go.
refused() {
	for refused_module in virtio_msg virtio_msg_loopback; do
		! rmmod $refused_module || fail "$refused_module went while in use" || return 1
	done
	exec 4<"$DISK"
	! rmmod virtio_blk || {
		exec 4<&-
		fail "virtio_blk went while a disk was open"
		return 1
	}
	exec 4<&-
	works
}

driver_module() {
	rmmod virtio_blk && [ ! -b "$DISK" ] &&
		same state "$(state)" running &&
		modprobe virtio_blk && wait_disk blk 0 && works
}

# The device appears when there is no driver yet.
driver_last() {
	stop blk && rmmod virtio_blk &&
		start blk --blk "file=$TMP/disk" && wait_for device blk 0 || return 1
	! disk blk 0 || fail "there is a disk without a driver" || return 1
	modprobe virtio_blk && wait_disk blk 0 || return 1
	DEVICE=$(device blk 0)
	NAME=${DEVICE##*/}
	works
}

# The bus goes while its driver module is not there.
driver_first() {
	rmmod virtio_blk && stop blk && nothing_left && modprobe virtio_blk
}

bus_modules() {
	for module_turn in 1 2 3; do
		rmmod virtio_msg_loopback && [ ! -e /dev/virtio-msg-lb ] &&
			rmmod virtio_msg && [ ! -e $CLASS ] &&
			modprobe virtio_msg_loopback && [ -c /dev/virtio-msg-lb ] ||
			fail "turn $module_turn" || return 1
	done
	begin && works
}

# An open file without a bus holds the module too.
open_file() {
	stop blk || return 1
	exec 4<>/dev/virtio-msg-lb
	! rmmod virtio_msg_loopback || fail "it went while its file was open" || return 1
	exec 4<&-
	rmmod virtio_msg_loopback && modprobe virtio_msg_loopback
}

needs_reset() {
	begin "$@" && start_load "$DISK" &&
		tell blk "ok needs-reset 0" needs-reset 0 &&
		wait_for is_state "needs reset" &&
		end_load "$DISK" && wait_for no_stuck_task &&
		unbind && bind && same state "$(state)" running && works && stop blk
}

is_state() {
	same state "$(state)" "$1"
}

# The program sleeps when the driver asks: the bind ends, with an error.
asleep() {
	begin --timeout-ms 300 && unbind && kill -STOP "$(pid blk)" || return 1
	asleep_timeouts=$(statistic blk timeouts)
	! echo "$NAME" >$DRIVER/bind || [ ! -e "$DEVICE/block" ] ||
		fail "it was bound without an answer" || return 1
	[ "$(statistic blk timeouts)" -gt "$asleep_timeouts" ] ||
		fail "nothing has timed out" || return 1
	kill -CONT "$(pid blk)" && wait_for awake && bind &&
		same state "$(state)" running && works
}

# Answers that came too late are nobody's.
awake() {
	[ "$(statistic blk unexpected)" -gt 0 ]
}

# The same for an unbind: the reset is not answered, but it ends.
unbind_asleep() {
	kill -STOP "$(pid blk)" && unbind && kill -CONT "$(pid blk)" || return 1
	tell blk "ok stats" stats && bind && same state "$(state)" running && works && stop blk
}

plan 16 virtio-msg-device fio
check "a new device is bound with at most $BUDGET requests" first_budget
check "a known device is bound with at most $BUDGET requests" budget
check "100 times unbind and bind, with the same use of the pool" again
check "unbind under I/O" unbind_busy
check "modules in use cannot be removed" refused
check "driver module removed and loaded under a device" driver_module
check "driver module loaded after the device came" driver_last
check "driver module removed before the bus goes" driver_first
check "bus modules removed and loaded" bus_modules
check "an open file holds the module" open_file
check "device asks for a reset, split ring" needs_reset --features no-packed
check "device asks for a reset, packed ring" needs_reset --features packed
check "bind while the program sleeps" asleep
check "unbind while the program sleeps" unbind_asleep
check "messages only: unbind under I/O, and a reset" needs_reset --messages
check "nothing is left" nothing_left
