#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Device programs are killed at random moments, with I/O under way: all of it
# ends in errors, nothing stays behind, and the next program works.
#
# The limit: the close of the descriptor ends everything by itself, no timeout is
# waited for. So the timeouts here are longer than WAIT, which a wait must not
# exceed. CYCLES=200 SEED=7 ./crash.sh makes it longer, and the same again.

. ./lib.sh
. ./life_lib.sh

CYCLES=${CYCLES:-10}

# The program may be killed before its disks are there, or a while later.
crash() {
	pick_ring
	draw 2
	crash_disks=$((DRAWN + 1))
	crash_args=''
	for crash_num in $(seq 0 $((crash_disks - 1))); do
		crash_args="$crash_args --blk file=$TMP/disk$crash_num,size=4M,num=$crash_num"
	done
	# shellcheck disable=SC2086 # words are wanted
	start blk --timeout-ms 60000 --rng num=9 $RING $crash_args || return 1
	crash_loads=''
	draw 5
	if [ "$DRAWN" != 0 ]; then
		for crash_num in $(seq 0 $((crash_disks - 1))); do
			wait_disk blk "$crash_num" || return 1
			crash_loads="$crash_loads $DISK"
		done
		# shellcheck disable=SC2086
		start_load $crash_loads || return 1
	fi
	draw 300000
	usleep "$DRAWN"
	# shellcheck disable=SC2086
	timed stop blk KILL && timed end_load $crash_loads && timed nothing_left &&
		wait_for modules_free
}

# crashes N: so many of them
crashes() {
	for crashes_turn in $(seq "$1"); do
		crash ||
			fail "cycle $crashes_turn of $1, with $RING, SEED=$SEED" || return 1
	done
	memory
}

# The first third warms caches up; a leak grows in each of the others.
killed() {
	crashes $((CYCLES - 2 * (CYCLES / 3))) || return 1
	own_first=$OWN used_first=$USED
	crashes $((CYCLES / 3)) || return 1
	own_second=$OWN used_second=$USED
	crashes $((CYCLES / 3))
}

# grows A B C LIMIT: by more than that a cycle, each time
grows() {
	[ $((($2 - $1) * 3)) -gt $((CYCLES * $4)) ] && [ $((($3 - $2) * 3)) -gt $((CYCLES * $4)) ]
}

# A pool has 32 MiB.
no_leak() {
	echo "KiB of the kernel: $own_first, $own_second, $OWN"
	echo "KiB in use: $used_first, $used_second, $USED"
	! grows "$own_first" "$own_second" "$OWN" 64 &&
		! grows "$used_first" "$used_second" "$USED" 4096
}

# Writers that went through the page cache cannot lose their data unnoticed.
buffered() {
	rm -f "$TMP/disk0"
	start blk --timeout-ms 60000 --blk "file=$TMP/disk0,size=4M" &&
		wait_disk blk 0 || return 1
	(while dd if=/dev/zero of="$DISK" bs=64k count=32 conv=fsync,notrunc; do :; done) \
		>"$TMP/writer" 2>&1 &
	buffered_pid=$!
	echo $buffered_pid >"$TMP/writer.load-pid"
	wait_for has_written &&
		stop blk KILL && wait_for ended $buffered_pid && nothing_left || return 1
	rm "$TMP/writer.load-pid"
	grep -q 'error\|No space\|No such' "$TMP/writer"
}

has_written() {
	[ "$(awk '{ print $5 }' "/sys/block/${DISK##*/}/stat")" -gt 4 ]
}

next() {
	rm -f "$TMP"/disk*
	start blk --blk "file=$TMP/disk0,size=4M" && wait_disk blk 0 &&
		verify_disks "$DISK" && stop blk && nothing_left
}

plan 4 virtio-msg-device fio
note "SEED=$SEED"
check "$CYCLES times SIGKILL at a random moment" killed
note "longest wait: $((LONGEST * 10)) ms, at most ${WAIT}000"
check "no memory is lost" no_leak
check "SIGKILL under writes through the page cache" buffered
check "the next program works" next
