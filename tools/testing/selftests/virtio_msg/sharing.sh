#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The descriptor of a bus in several hands, and a device program that is asleep
# for longer than anybody waits for it: each with I/O under way.

. ./lib.sh
. ./life_lib.sh

begin() {
	rm -f "$TMP/disk"
	start blk --blk "file=$TMP/disk,size=4M" "$@" && wait_disk blk 0 || return 1
	DEVICE=$(device blk 0)
	NAME=${DEVICE##*/}
}

is_state() {
	same state "$(cat "$DEVICE/virtio_msg/state")" "$1"
}

# --- other hands --------------------------------------------------------------

# hold: another process has the descriptor too
hold() {
	mkfifo "$TMP/holder.in"
	sharing hold "$(pid blk)" <"$TMP/holder.in" >"$TMP/holder" 2>&1 &
	hold_pid=$!
	echo $hold_pid >"$TMP/holder.load-pid"
	exec 5>"$TMP/holder.in"
	rm "$TMP/holder.in"
	wait_for grep -q ready "$TMP/holder" || {
		cat "$TMP/holder"
		return 1
	}
}

# A bus lives as long as somebody has it, though nobody serves it.
held() {
	begin "$@" && start_load "$DISK" && hold && stop blk KILL || return 1
	held_count=$(load_count "${DISK##*/}")
	sleep 1
	[ -e "$DEVICE" ] && is_state running || fail "it died too early" || return 1
	! ended "$(cat "$TMP/${DISK##*/}.load-pid")" || fail "I/O has failed" || return 1
	most "I/O after the death of the program" \
		$(($(load_count "${DISK##*/}") - held_count)) 64 || return 1
	exec 5>&-
	wait_for ended "$hold_pid" && rm "$TMP/holder.load-pid" &&
		end_load "$DISK" && nothing_left && wait_for modules_free
}

# The same with the holder killed in place of a good end.
held_and_killed() {
	begin && start_load "$DISK" && hold && stop blk KILL &&
		kill -KILL "$hold_pid" && wait_for ended "$hold_pid" || return 1
	exec 5>&-
	rm "$TMP/holder.load-pid"
	end_load "$DISK" && nothing_left
}

# --- asleep -------------------------------------------------------------------

stays() {
	stays_count=$(load_count "${DISK##*/}")
	sleep 1
	same "I/O" "$(load_count "${DISK##*/}")" "$stays_count"
}

# Nothing is asked of it: I/O waits, however long, and goes on.
asleep() {
	begin --timeout-ms 300 "$@" && start_load "$DISK" && kill -STOP "$(pid blk)" &&
		wait_for stays && is_state running && kill -CONT "$(pid blk)" || return 1
	load_count "${DISK##*/}" >"$TMP/${DISK##*/}.load-count"
	wait_for load_runs "${DISK##*/}" &&
		same timeouts "$(statistic blk timeouts)" 0 &&
		stop blk && end_load "$DISK" && nothing_left
}

# ask DISK: something that the program must answer. Who asks may wait for long.
ask() {
	echo "write through" >"/sys/block/${1##*/}/cache_type" &
}

# It is asked something, and does not answer in time: that is the end of all I/O,
# and a reset brings the device back.
asked() {
	begin --timeout-ms 300 "$@" && start_load "$DISK" && kill -STOP "$(pid blk)" || return 1
	ask "$DISK"
	wait_for is_state "needs reset" && timed end_load "$DISK" &&
		wait_for no_stuck_task || return 1
	[ "$(statistic blk timeouts)" -gt 0 ] || fail "nothing has timed out" || return 1
	kill -CONT "$(pid blk)" &&
		tell blk "ok stats" stats && is_state "needs reset" &&
		echo "$NAME" >/sys/bus/virtio/drivers/virtio_blk/unbind &&
		echo "$NAME" >/sys/bus/virtio/drivers/virtio_blk/bind &&
		wait_disk blk 0 && is_state running &&
		VERIFY_SIZE=256k verify_disks "$DISK" && stop blk && nothing_left
}

# Only the device that was asked is lost.
neighbour() {
	begin --timeout-ms 300 --blk "file=$TMP/disk1,size=4M" || return 1
	neighbour_asked=$DISK
	wait_disk blk 1 && neighbour_other=$DISK &&
		start_load "$neighbour_asked" "$neighbour_other" &&
		kill -STOP "$(pid blk)" || return 1
	ask "$neighbour_asked"
	wait_for is_state "needs reset" && end_load "$neighbour_asked" &&
		kill -CONT "$(pid blk)" || return 1
	load_count "${neighbour_other##*/}" >"$TMP/${neighbour_other##*/}.load-count"
	wait_for load_runs "${neighbour_other##*/}" &&
		stop blk && end_load "$neighbour_other" && nothing_left
}

plan 11 virtio-msg-device fio sharing
check "passed over a socket, served there, killed in a read" sharing passed
check "nowhere but in the queue of a socket" sharing waiting
check "in the queue of a socket that nobody can read" sharing lost
check "somebody else holds the bus of a killed program" held
check "the same, with messages" held --messages --features packed
check "somebody else is killed too" held_and_killed
check "a program sleeps, and nothing is asked of it" asleep
check "the same, with messages" asleep --messages
check "a program sleeps when it is asked, split ring" asked --features no-packed
check "a program sleeps when it is asked, packed ring and messages" asked \
	--features packed --messages
check "a program sleeps, and the other device does not mind" neighbour
