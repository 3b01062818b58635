#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# virtio-blk over the loopback bus: are the data the same on both sides, for
# every kind of ring and notification, and do the block device's other requests
# arrive?
#
# AIO=uring or AIO=sync says how the files are read and written.

. ./lib.sh

# Places of feature bits in /sys/.../features, from 1.
RING_INDIRECT=29
RING_EVENT_IDX=30
RING_PACKED=35

AIO=${AIO:+,aio=$AIO}
if [ "$AIO" = ,aio=uring ]; then
	virtio-msg-device --help | grep -q aio=uring ||
		skip_all "no virtio-msg-device with liburing"
	[ "$(cat /proc/sys/kernel/io_uring_disabled)" -lt 2 ] ||
		skip_all "no io_uring in this kernel"
fi

# The disk gets random data by dd, which has to be in the file then, each byte
# of it; before that fio has done its own checks.
data_is_right() {
	verify_disks "$DISK" &&
		random_file "$TMP/random" 3000 &&
		dd if="$TMP/random" of="$DISK" bs=120k oflag=direct &&
		cmp -n 3072000 "$TMP/random" "$TMP/file" &&
		dd if="$DISK" of="$TMP/back" bs=200k iflag=direct &&
		cmp "$TMP/back" "$TMP/file"
}

# with BLK-OPTIONS OPTION...: all of it on one disk
with() {
	with_blk=$1
	shift
	rm -f "$TMP/file"
	start blk --blk "file=$TMP/file,size=4M$AIO$with_blk" "$@" &&
		wait_disk blk 0 || return 1
	DEVICE=$(device blk 0)
	data_is_right
}

# matrix RING NOTIFY EXTRAS
matrix() {
	matrix_features=no-ring-reset matrix_notify=
	[ "$1" = split ] || matrix_features=$matrix_features,packed
	[ "$1" != split ] || matrix_features=$matrix_features,no-packed
	case $3 in
	on)	matrix_features=$matrix_features,indirect,event-idx,in-order ;;
	off)	matrix_features=$matrix_features,no-indirect,no-event-idx,no-in-order ;;
	esac
	[ "$2" = eventfds ] || matrix_notify=--messages
	# shellcheck disable=SC2086 # nothing, or one word
	with ,queue-size=64 --features $matrix_features $matrix_notify || return 1

	# Was that really what it says?
	matrix_packed=0 matrix_extras=0
	[ "$1" != packed ] || matrix_packed=1
	[ "$3" != on ] || matrix_extras=1
	same packed "$(cut -c $RING_PACKED "$DEVICE/features")" $matrix_packed &&
		same indirect "$(cut -c $RING_INDIRECT "$DEVICE/features")" $matrix_extras &&
		same event-idx "$(cut -c $RING_EVENT_IDX "$DEVICE/features")" $matrix_extras &&
		notified_by "$2" &&
		stop blk
}

# notified_by eventfds|messages: did events travel as frames?
notified_by() {
	tell blk "ok stats" stats || return 1
	notified_frames=$(awk '/^message EVENT_AVAIL/ { print $4 }' "$TMP/blk.log")
	case $1 in
	messages)
		[ "${notified_frames:-0}" -gt 10 ] ||
			fail "only ${notified_frames:-no} EVENT_AVAIL" ;;
	eventfds)
		most "number of EVENT_AVAIL" "${notified_frames:-0}" 10 ;;
	esac
}

one() {
	with "$@" && stop blk
}

# used_queues N: has every queue moved data?
used_queues() {
	with ",queues=$1,queue-size=32" &&
		tell blk "ok stats" stats || return 1
	[ -d "$DEVICE/block/${DISK##*/}/mq/1" ] ||
		fail "the driver uses one queue only" || return 1
	[ "$(grep -c '^device 0 queue .* buffers [1-9]' "$TMP/blk.log")" -gt 1 ] || {
		grep '^device' "$TMP/blk.log"
		fail "only one queue was used"
	} || return 1
	stop blk
}

# Every GET_CONFIG in pieces, or in one.
sizes() {
	with "" --max-msg-size "$1" &&
		same "maximum message size" "$(cat "$CLASS/$(bus blk)/max_msg_size")" "$1" &&
		stop blk
}

# cache MODE: a write to the configuration space, and what it reads as then
cache() {
	echo "$1" >"/sys/block/${DISK##*/}/cache_type" &&
		same cache_type "$(cat "/sys/block/${DISK##*/}/cache_type")" "$1"
}

# Each resize makes the generation that the driver side knows an old one.
caches() {
	cache "write through" &&
		resized 8388608 data && cache "write back" &&
		resized 4194304 generic && cache "write through"
}

strict() {
	with ,queue-size=16 --strict-generation --max-msg-size 52 &&
		same features "$(cat "$CLASS/$(bus blk)/features")" 0x1 &&
		caches &&
		stop blk
}

# A disk with a file system, for what follows.
begin_fs() {
	rm -f "$TMP/file"
	start blk --blk "file=$TMP/file,size=24M$AIO,serial=vmsg-0123456789abcd" &&
		wait_disk blk 0 &&
		mkdir -p "$TMP/mnt" &&
		mkfs.ext4 -q "$DISK" &&
		mount -t ext4 "$DISK" "$TMP/mnt"
}

file_system() {
	random_file "$TMP/mnt/a" 6000 &&
		file_sum=$(md5sum <"$TMP/mnt/a") &&
		umount "$TMP/mnt" &&
		echo 3 >/proc/sys/vm/drop_caches &&
		fsck.ext4 -fn "$DISK" &&
		mount -t ext4 "$DISK" "$TMP/mnt" &&
		same checksum "$(md5sum <"$TMP/mnt/a")" "$file_sum" &&
		umount "$TMP/mnt" &&
		cmp "$DISK" "$TMP/file"
}

serial() {
	same serial "$(cat "/sys/block/${DISK##*/}/serial")" vmsg-0123456789abcd
}

# What sync makes of it arrives as a request of its own.
flush() {
	flush_before=$(awk '{ print $16 }' "/sys/block/${DISK##*/}/stat")
	dd if=/dev/zero of="$DISK" bs=4k count=1 conv=fsync
	flush_after=$(awk '{ print $16 }' "/sys/block/${DISK##*/}/stat")
	[ "$flush_after" -gt "$flush_before" ] || fail "no flush was made"
}

# The same holes in a copy: then the two files are compared.
punch() {
	random_file "$TMP/copy" 24576 &&
		dd if="$TMP/copy" of="$DISK" bs=256k oflag=direct &&
		cmp "$TMP/copy" "$TMP/file"
}

discard() {
	discard_blocks=$(stat -c %b "$TMP/file")
	blkdiscard -o 1048576 -l 4194304 "$DISK" || return 1
	dd if=/dev/zero of="$TMP/copy" bs=1M seek=1 count=4 conv=notrunc
	same "number of blocks" "$(stat -c %b "$TMP/file")" $((discard_blocks - 8192)) &&
		cmp "$TMP/copy" "$TMP/file"
}

write_zeroes() {
	lbtool zero "$DISK" 8389120 1049088 || return 1
	dd if=/dev/zero of="$TMP/copy" bs=512 seek=16385 count=2049 conv=notrunc
	cmp "$TMP/copy" "$TMP/file"
}

# resized BYTES FORM
resized() {
	tell blk "ok resize 0" resize 0 "$1" "$2" &&
		wait_for resized_to "$1"
}

resized_to() {
	[ "$(cat "/sys/block/${DISK##*/}/size")" = $(($1 / 512)) ]
}

resize() {
	resized 33554432 generic && resized 29360128 range && resized 50331648 data &&
		dd if="$TMP/copy" of="$DISK" bs=1M seek=40 count=8 oflag=direct &&
		cmp "$DISK" "$TMP/file" &&
		stop blk
}

read_only() {
	random_file "$TMP/file" 1024
	start ro --blk "file=$TMP/file,ro$AIO" && wait_disk ro 0 &&
		same ro "$(cat "/sys/block/${DISK##*/}/ro")" 1 &&
		cmp "$DISK" "$TMP/file" || return 1
	! dd if=/dev/zero of="$DISK" bs=4k count=1 oflag=direct ||
		fail "it could be written to" || return 1
	stop ro
}

# A disk whose data are on another disk. Which way they go is not said, and it is
# no file in memory.
two_disks() {
	with "" || return 1
	two_below=$DISK
	start above --blk "file=$two_below" && wait_disk above 0 &&
		dd if="$TMP/random" of="$DISK" bs=120k oflag=direct conv=fsync &&
		cmp -n 3072000 "$TMP/random" "$TMP/file" || return 1
	! virtio-msg-device --help | grep -q aio=uring ||
		[ "$(cat /proc/sys/kernel/io_uring_disabled)" -gt 1 ] ||
		has_ring above || return 1
	stop above && stop blk
}

# has_ring NAME: does the program use io_uring?
has_ring() {
	for has_fd in "/proc/$(pid "$1")/fd"/*; do
		case $(readlink "$has_fd") in
		*io_uring*)	return 0 ;;
		esac
	done
	fail "$1 has no ring"
}

plan 31 virtio-msg-device fio mkfs.ext4 fsck.ext4 lbtool
for ring in split packed; do
	for notify in eventfds messages; do
		for extras in on off; do
			check "$ring ring, $notify, indirect and event index $extras" \
				matrix $ring $notify $extras
		done
	done
done
check "split ring of 4 descriptors" one ,queue-size=4 --features no-indirect,no-packed
check "split ring of 8 descriptors, indirect" one ,queue-size=8 --features no-packed
check "packed ring of 4 descriptors" one ,queue-size=4 --features no-indirect,packed
check "packed ring of 8 descriptors, indirect" one ,queue-size=8 --features packed
check "ring of 1024 descriptors" one ,queue-size=1024
check "2 queues" used_queues 2
check "4 queues" used_queues 4
check "pool made by the kernel" one "" --kernel-pool
check "pool smaller than the I/O under way" one "" --pool-size 256K \
	--features no-packed
check "messages of 52 bytes" sizes 52
check "messages of 65535 bytes" sizes 65535
check "strict configuration generation" strict
check "mkfs and mount" begin_fs
check "a file survives a remount, and fsck is content" file_system
check "serial number" serial
check "flush" flush
check "random data in the whole file" punch
check "discard" discard
check "write zeroes" write_zeroes
check "resize, announced in all three ways" resize
check "read-only" read_only
check "a disk on a disk" two_disks
check "nothing is left" nothing_left
