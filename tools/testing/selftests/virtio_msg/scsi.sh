#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# virtio-scsi over the loopback bus: a disk behind the kernel's SCSI layer.

. ./lib.sh

# sd NAME NUM: sdX
sd() {
	sd_path=$(device "$1" "$2") || return 1
	for sd_path in "$sd_path"/host*/target*/*/block/sd*; do
		[ -b "/dev/${sd_path##*/}" ] || return 1
		echo "${sd_path##*/}"
	done
}

# begin [KEYS [OPTION...]]: sets DISK
begin() {
	begin_keys=$1
	[ $# = 0 ] || shift
	start scsi --scsi "file=$TMP/file,size=24M,serial=vmsg-0123456789abcd$begin_keys" "$@" &&
		wait_for sd scsi 0 >/dev/null || return 1
	DISK=/dev/$(sd scsi 0)
}

appears() {
	begin &&
		same size "$(cat "/sys/block/${DISK##*/}/size")" 49152 &&
		same vendor "$(cat "/sys/block/${DISK##*/}/device/vendor")" "VMSG    " &&
		same cache_type "$(cat /sys/block/"${DISK##*/}"/device/scsi_disk/*/cache_type)" \
			"write back" &&
		same rotational "$(cat "/sys/block/${DISK##*/}/queue/rotational")" 0 &&
		same "physical block" \
			"$(cat "/sys/block/${DISK##*/}/queue/physical_block_size")" 4096 &&
		same serial "$(tail -c +5 "/sys/block/${DISK##*/}/device/vpd_pg80")" \
			vmsg-0123456789abcd
}

# Each byte of the disk, at the same place of the file.
data() {
	verify_disks "$DISK" && random_file "$TMP/random" 3000 &&
		dd if="$TMP/random" of="$DISK" bs=120k oflag=direct &&
		cmp -n 3072000 "$TMP/random" "$TMP/file" &&
		dd if="$DISK" of="$TMP/back" bs=200k iflag=direct &&
		cmp "$TMP/back" "$TMP/file"
}

with() {
	rm -f "$TMP/file"
	begin "" "$@" && data && stop scsi
}

file_system() {
	mkdir -p "$TMP/mnt" && mkfs.ext4 -q "$DISK" &&
		mount -t ext4 "$DISK" "$TMP/mnt" &&
		random_file "$TMP/mnt/a" 6000 &&
		file_sum=$(md5sum <"$TMP/mnt/a") && umount "$TMP/mnt" &&
		echo 3 >/proc/sys/vm/drop_caches && fsck.ext4 -fn "$DISK" &&
		mount -t ext4 "$DISK" "$TMP/mnt" &&
		same checksum "$(md5sum <"$TMP/mnt/a")" "$file_sum" &&
		umount "$TMP/mnt" && cmp "$DISK" "$TMP/file" && stop scsi
}

read_only() {
	begin ,ro && same ro "$(cat "/sys/block/${DISK##*/}/ro")" 1 &&
		cmp "$DISK" "$TMP/file" || return 1
	! dd if=/dev/zero of="$DISK" bs=4k count=1 oflag=direct ||
		fail "it could be written to" || return 1
	stop scsi
}

# What it cannot do is said in a way that the SCSI layer understands.
past_the_end() {
	begin && truncate -s 1M "$TMP/file" || return 1
	! dd if="$DISK" of=/dev/null bs=4k skip=1000 count=1 iflag=direct ||
		fail "what is not there could be read" || return 1
	dmesg | tail -n 20 | grep -q 'Medium Error\|critical medium error' ||
		fail "the kernel knows of no medium error" || return 1
	dd if="$DISK" of=/dev/null bs=4k count=1 iflag=direct && stop scsi
}

unbind_busy() {
	rm -f "$TMP/file"
	begin && start_load "$DISK" || return 1
	unbind_name=$(device scsi 0) unbind_name=${unbind_name##*/}
	echo "$unbind_name" >/sys/bus/virtio/drivers/virtio_scsi/unbind &&
		end_load "$DISK" && wait_for no_stuck_task &&
		echo "$unbind_name" >/sys/bus/virtio/drivers/virtio_scsi/bind &&
		wait_for sd scsi 0 >/dev/null || return 1
	DISK=/dev/$(sd scsi 0)
	data
}

kill_busy() {
	start_load "$DISK" && stop scsi KILL && end_load "$DISK" && nothing_left &&
		rm -f "$TMP/file" && begin && data && stop scsi && nothing_left
}

modprobe virtio_scsi 2>/dev/null || [ -d /sys/bus/virtio/drivers/virtio_scsi ] ||
	skip_all "this kernel has no driver for virtio SCSI"
modprobe sd_mod 2>/dev/null || [ -d /sys/bus/scsi/drivers/sd ] ||
	skip_all "this kernel has no driver for SCSI disks"
plan 8 virtio-msg-device fio mkfs.ext4 fsck.ext4
check "a disk appears, as large as it is" appears
check "the data are the same on both sides" data
check "a file system, and fsck is content" file_system
check "packed ring, messages" with --features packed --messages
check "read-only" read_only
check "a medium error" past_the_end
check "the driver is unbound under I/O" unbind_busy
check "SIGKILL under I/O" kill_busy
