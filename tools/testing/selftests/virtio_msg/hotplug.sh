#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Devices come and go while their bus lives.

. ./lib.sh

gone() {
	not device hot "$1" >/dev/null
}

add() {
	tell hot "ok added $1" add blk "file=$TMP/disk$1,size=4M,num=$1" &&
		wait_disk hot "$1"
}

remove() {
	tell hot "removed $1" remove "$1" && wait_for gone "$1"
}

begin() {
	start hot --rng num=3 && wait_for device hot 3
}

add_and_use() {
	add 7 && verify_disks "$DISK"
}

remove_idle() {
	remove 7 && [ ! -b "$DISK" ]
}

same_number() {
	add 7 && verify_disks "$DISK" && cmp "$DISK" "$TMP/disk7"
}

remove_busy() {
	start_load "$DISK" && remove 7 && end_load "$DISK" && wait_for no_stuck_task
}

remove_mounted() {
	tell hot "ok added 8" add blk "file=$TMP/disk8,size=16M,num=8" &&
		wait_disk hot 8 && mkfs.ext4 -q "$DISK" &&
		mkdir -p "$TMP/mnt" && mount -t ext4 "$DISK" "$TMP/mnt" &&
		random_file "$TMP/mnt/file" 1000 && remove 8 || return 1
	! dd if=/dev/zero of="$TMP/mnt/file" bs=4k count=10 conv=fsync ||
		fail "writing still works" || return 1
	umount "$TMP/mnt" && wait_for no_stuck_task
}

loop() {
	loop_pool=$(cat "$CLASS/$(bus hot)/pool_used")
	for loop_turn in $(seq 50); do
		add 9 && remove 9 || fail "turn $loop_turn" || return 1
	done
	same pool_used "$(cat "$CLASS/$(bus hot)/pool_used")" "$loop_pool"
}

# Nobody waits in between: a device may be gone before its driver has seen it.
hasty() {
	for hasty_turn in $(seq 10); do
		echo "add blk file=$TMP/disk11,size=1M,num=11" >"$TMP/hot.ctl"
		echo "remove 11" >"$TMP/hot.ctl"
		tell hot "ok added 12" add rng num=12 && remove 12 ||
			fail "turn $hasty_turn" || return 1
	done
	wait_for gone 11
}

many() {
	for many_num in $(seq 100 109); do
		echo "add blk file=$TMP/disk$many_num,size=1M,num=$many_num" >"$TMP/hot.ctl"
	done
	for many_num in $(seq 100 109); do
		wait_disk hot "$many_num" || return 1
	done
	for many_num in $(seq 100 109); do
		echo "remove $many_num" >"$TMP/hot.ctl"
	done
	for many_num in $(seq 100 109); do
		wait_for gone "$many_num" || return 1
	done
}

# The device that was there all the time has not noticed.
other_device() {
	same state "$(cat "$(device hot 3)/virtio_msg/state")" running &&
		dd if=/dev/hwrng of=/dev/null bs=64 count=4 &&
		stop hot && nothing_left
}

plan 10 virtio-msg-device fio mkfs.ext4
check "a bus with an rng" begin
check "a disk is added and works" add_and_use
check "it is removed while idle" remove_idle
check "its number is used again" same_number
check "it is removed under I/O" remove_busy
check "a disk is removed that is mounted" remove_mounted
check "a disk is added and removed 50 times" loop
check "disks are removed before they are found" hasty
check "10 disks come and go together" many
check "the other device lives, and nothing is left" other_device
