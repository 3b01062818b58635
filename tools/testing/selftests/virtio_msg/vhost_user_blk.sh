#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A disk that is a vhost-user back end: qemu-storage-daemon, by way of
# virtio-msg-vhost-user. Are the data the same on both sides, and what becomes of
# the disk when its driver, its back end or the program in between leaves?

. ./lib.sh
. ./vhost_user_lib.sh

DRIVER=/sys/bus/virtio/drivers/virtio_blk

# back NAME DRIVER FILE [EXPORT-OPTIONS]: qemu-storage-daemon, listening
back() {
	back_export=type=vhost-user-blk,id=e,node-name=disk,writable=on
	back_export=$back_export,addr.type=unix,addr.path=$TMP/$1.sock$4
	run_back "$1" "$TMP/$1.sock" qemu-storage-daemon \
		--blockdev "driver=file,node-name=file,filename=$3" \
		--blockdev "driver=$2,node-name=disk,file=file,discard=unmap" \
		--export "$back_export"
}

# begin DRIVER FILE EXPORT-OPTIONS OPTION...: a disk and its driver
begin() {
	begin_driver=$1 begin_file=$2 begin_export=$3
	shift 3
	back disk "$begin_driver" "$begin_file" "$begin_export" &&
		front disk --socket "$TMP/disk.sock" "$@" && wait_disk disk "${NUM:-0}" || return 1
	DEVICE=$(device disk "${NUM:-0}")
	NAME=${DEVICE##*/}
}

end() {
	stop disk && stop disk.back
}

raw_file() {
	rm -f "$TMP/file"
	dd if=/dev/zero of="$TMP/file" bs=1M count=0 seek="$1"
}

raw() {
	raw_file 8 && begin raw "$TMP/file" "" "$@" && verify_disks "$DISK" &&
		random_file "$TMP/random" 3000 &&
		dd if="$TMP/random" of="$DISK" bs=120k oflag=direct &&
		cmp -n 3072000 "$TMP/random" "$TMP/file" &&
		dd if="$DISK" of="$TMP/back" bs=200k count=15 iflag=direct &&
		cmp -n 3072000 "$TMP/back" "$TMP/random" &&
		end
}

# No kick and no used notification passes through the program.
out_of_the_way() {
	raw_file 8 && begin raw "$TMP/file" "" --stats --device blk || return 1
	out_switches=$(switches)
	verify_disks "$DISK" || return 1
	most "number of switches" $(($(switches) - out_switches)) 20 &&
		end
}

# How often the program has been waited for, or has waited.
switches() {
	awk '/ctxt_switches/ { n += $2 } END { print n }' "/proc/$(pid disk)/status"
}

qcow2() {
	qemu-img create -f qcow2 "$TMP/image" 64M >/dev/null &&
		begin qcow2 "$TMP/image" ",num-queues=2" &&
		mkfs.ext4 -q "$DISK" && mkdir -p "$TMP/mnt" &&
		mount -t ext4 "$DISK" "$TMP/mnt" &&
		random_file "$TMP/mnt/a" 6000 || return 1
	qcow2_sum=$(md5sum <"$TMP/mnt/a")
	umount "$TMP/mnt" && fsck.ext4 -fn "$DISK" && verify_mount "$qcow2_sum" &&
		end && qemu-img check "$TMP/image"
}

verify_mount() {
	echo 3 >/proc/sys/vm/drop_caches
	mount -t ext4 "$DISK" "$TMP/mnt" &&
		same checksum "$(md5sum <"$TMP/mnt/a")" "$1" && umount "$TMP/mnt"
}

# --- the driver leaves --------------------------------------------------------

begin_life() {
	raw_file 8 && begin raw "$TMP/file" "$@"
}

unbind() {
	echo "$NAME" >$DRIVER/unbind && [ ! -e "$DEVICE/block" ]
}

bind() {
	echo "$NAME" >$DRIVER/bind && wait_disk disk 0
}

is_state() {
	same state "$(cat "$DEVICE/virtio_msg/state")" "$1"
}

works() {
	is_state running && VERIFY_SIZE=256k verify_disks "$DISK"
}

again() {
	again_used=$(cat "$CLASS/$(bus disk)/pool_used")
	for again_turn in $(seq 20); do
		unbind && bind || fail "turn $again_turn" || return 1
		same "pool_used in turn $again_turn" \
			"$(cat "$CLASS/$(bus disk)/pool_used")" "$again_used" || return 1
	done
	works
}

unbind_busy() {
	start_load "$DISK" && unbind && end_load "$DISK" &&
		wait_for no_stuck_task && bind && works
}

# --- the configuration changes ------------------------------------------------

cache() {
	for cache_mode in "write through" "write back"; do
		echo "$cache_mode" >"/sys/block/${DISK##*/}/cache_type" &&
			same cache_type "$(cat "/sys/block/${DISK##*/}/cache_type")" \
				"$cache_mode" || return 1
	done
	works
}

# --- the back end leaves ------------------------------------------------------

# Again with the same file; the program notices by itself.
restart() {
	back disk raw "$TMP/file" "" && wait_for is_back "${1:-1}"
}

is_back() {
	[ "$(grep -c 'is there again' "$TMP/disk.log")" -ge "$1" ]
}

killed_idle() {
	unbind && stop disk.back KILL && wait_for grep -q 'has gone' "$TMP/disk.log" || return 1
	! echo "$NAME" >$DRIVER/bind || [ ! -e "$DEVICE/block" ] ||
		fail "it was bound without a back end" || return 1
	restart 1 && bind && works
}

# It keeps no notes that another one could go on from.
killed_busy() {
	start_load "$DISK" && stop disk.back KILL && end_load "$DISK" &&
		wait_for is_state "needs reset" && wait_for no_stuck_task &&
		restart 2 && unbind && bind && works
}

# A back end that sleeps can still write to the memory when it wakes up.
asleep() {
	kill -STOP "$(pid disk.back)" && unbind || return 1
	wait_for grep -q 'not answered GET_VRING_BASE' "$TMP/disk.log" &&
		kill -CONT "$(pid disk.back)" && wait_for bind_quietly && wait_disk disk 0 &&
		works
}

bind_quietly() {
	[ -e "$DEVICE/block" ] || echo "$NAME" >$DRIVER/bind
}

# --- others -------------------------------------------------------------------

program_killed() {
	start_load "$DISK" && stop disk KILL && end_load "$DISK" && nothing_left &&
		stop disk.back
}

# has_queues N: no more than CPUs
has_queues() {
	same queues "$(find "$DEVICE/block/${DISK##*/}/mq/"* -maxdepth 0 | wc -l)" "$1" &&
		works && end
}

queues() {
	queues_most=$(nproc)
	[ "$queues_most" -le 4 ] || queues_most=4
	begin_life ,num-queues=4 && has_queues "$queues_most" &&
		begin_life ,num-queues=4 --queues 1 && has_queues 1
}

two() {
	raw_file 8 && cp "$TMP/file" "$TMP/file2" &&
		back second raw "$TMP/file2" "" || return 1
	NUM=5
	begin raw "$TMP/file" "" --num 5 --socket "$TMP/second.sock" --num 3 || return 1
	NUM=
	wait_disk disk 3 && two_other=$DISK && wait_disk disk 5 &&
		verify_disks "$DISK" "$two_other" &&
		stop disk && stop second.back && stop disk.back
}

plan 14 virtio-msg-vhost-user qemu-storage-daemon qemu-img fio mkfs.ext4 fsck.ext4
check "raw file" raw
check "raw file, the program is not in the way" out_of_the_way
check "qcow2, with a file system" qcow2
check "a disk to be left" begin_life "" --timeout-ms 500
check "20 times unbind and bind, with the same use of the pool" again
check "unbind under I/O" unbind_busy
check "write cache off and on" cache
check "back end killed and restarted without a driver" killed_idle
check "back end killed and restarted under I/O" killed_busy
check "unbind while the back end sleeps" asleep
check "program killed under I/O" program_killed
check "4 queues, and 1 of 4" queues
check "two back ends on one bus" two
check "nothing is left" nothing_left
