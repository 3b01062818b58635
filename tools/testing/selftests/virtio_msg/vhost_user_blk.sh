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
	run_back "$1" "$TMP/$1.sock" qemu-storage-daemon \
		--blockdev "driver=file,node-name=file,filename=$3" \
		--blockdev "driver=$2,node-name=disk,file=file,discard=unmap" \
		--chardev "socket,id=qmp,path=$TMP/$1.qmp,server=on,wait=off" \
		--monitor chardev=qmp \
		--export "type=vhost-user-blk,id=e,node-name=disk,writable=on,addr.type=unix,addr.path=$TMP/$1.sock$4"
}

# begin DRIVER FILE EXPORT-OPTIONS OPTION...: a disk and its driver
begin() {
	begin_driver=$1 begin_file=$2 begin_export=$3
	shift 3
	back disk "$begin_driver" "$begin_file" "$begin_export" &&
		front disk --socket "$TMP/disk.sock" "$@" && wait_disk disk 0 || return 1
	DEVICE=$(device disk 0)
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
	out_frames=$(statistic disk frames_tx 2>/dev/null || ls "$CLASS/$(bus disk)/statistics")
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

plan 3 virtio-msg-vhost-user qemu-storage-daemon qemu-img fio mkfs.ext4 fsck.ext4
check "raw file" raw
check "raw file, the program is not in the way" out_of_the_way
check "qcow2, with a file system" qcow2
