#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What a person sees: tracepoints, last errors, and lines in the log.

. ./lib.sh

TRACE=/sys/kernel/tracing
EVENTS=$TRACE/events/virtio_msg

tracing() {
	[ -d $TRACE/events ] || mount -t tracefs none $TRACE || fail "no tracefs" || return 1
	[ -d $EVENTS ] || fail "no tracepoints of virtio_msg" || return 1
	echo >$TRACE/trace && echo 1 >$EVENTS/enable
}

# traced PATTERN...: all of these have been seen
traced() {
	for traced_pattern; do
		grep -q -e "$traced_pattern" $TRACE/trace || {
			grep vmsg_ $TRACE/trace | tail -n 40
			fail "not traced: $traced_pattern"
		} || return 1
	done
}

frames_are_traced() {
	tracing && start blk --blk "file=$TMP/disk,size=4M" && wait_disk blk 0 || return 1
	traced "vmsg_tx: $(bus blk) device=0 GET_DEVICE_INFO request token=[1-9]" \
		"vmsg_rx: $(bus blk) device=0 GET_DEVICE_INFO response token=[1-9]" \
		"vmsg_tx: $(bus blk) device=0 GET_DEVICES request" \
		"vmsg_tx: $(bus blk) device=0 SET_VQUEUE request" \
		"vmsg_tx: $(bus blk) device=0 SET_DEVICE_STATUS request"
}

queues_are_traced() {
	dd if="$DISK" of=/dev/null bs=4k count=8 iflag=direct 2>/dev/null || fail "dd" || return 1
	traced "vmsg_kick: $(bus blk) device=0 queue=0 next=0x[0-9a-f]* result=0" \
		"vmsg_used: $(bus blk) device=0 queue=0"
}

filters_work() {
	echo 'dev_num == 1' >$EVENTS/filter && echo >$TRACE/trace || fail "filter" || return 1
	dd if="$DISK" of=/dev/null bs=4k count=8 iflag=direct 2>/dev/null
	! grep vmsg_ $TRACE/trace && echo 0 >$EVENTS/filter
}

# A program that does not answer any more: the first request ends by time.
timeouts_are_traced() {
	stop blk && start blk --blk "file=$TMP/disk,size=4M" --timeout-ms 300 &&
		wait_disk blk 0 || return 1
	timeouts_dir=$(device blk 0)
	same "last error" "$(cat "$timeouts_dir/virtio_msg/last_error")" "" &&
		same failures "$(cat "$timeouts_dir/virtio_msg/failures")" 0 || return 1
	echo >$TRACE/trace && kill -STOP "$(pid blk)" &&
		echo "${timeouts_dir##*/}" >/sys/bus/virtio/drivers/virtio_blk/unbind
	traced "vmsg_timeout: $(bus blk) device=0 SET_DEVICE_STATUS request" || return 1
	timeouts_last=$(cat "$timeouts_dir/virtio_msg/last_error")
	same "last error" "${timeouts_last%% (*}" "does not finish its reset" &&
		same "last error of the bus" "$(cat "$CLASS/$(bus blk)/last_error")" \
			"device 0: $timeouts_last" &&
		same failures "$(cat "$timeouts_dir/virtio_msg/failures")" 1 || return 1
	dmesg | grep -q "$(bus blk): device 0: no answer to message 0x08" ||
		fail "not in the log" || return 1
	kill -CONT "$(pid blk)"
}

dropped() {
	grep -q "vmsg_drop: $(bus blk) device=0 .*: nobody waits for this response" $TRACE/trace
}

# What it answers afterwards is dropped.
drops_are_traced() {
	wait_for dropped &&
		dmesg | grep -q "$(bus blk): device 0: message 0x.*dropped: nobody waits"
}

pool_is_shown() {
	same pool_size "$(cat "$CLASS/$(bus blk)/pool_size")" 33554432 &&
		same pool_full "$(cat "$CLASS/$(bus blk)/pool_full")" 0
}

plan 6 virtio-msg-device
check "frames" frames_are_traced
check "kicks and notifications" queues_are_traced
check "a filter" filters_work
check "timeouts, and the last error" timeouts_are_traced
check "drops" drops_are_traced
check "size of the pool" pool_is_shown
[ ! -e $EVENTS/enable ] || echo 0 >$EVENTS/enable
stop blk
