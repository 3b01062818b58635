#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The program behind a bus dies, in every way a program can.

. ./lib.sh
. ./life_lib.sh

begin() {
	rm -f "$TMP/disk"
	start blk --blk "file=$TMP/disk,size=16M" "$@" && wait_disk blk 0
}

# kill_busy OPTION...: three times in a row
kill_busy() {
	for kill_turn in 1 2 3; do
		begin "$@" && start_load "$DISK" && stop blk KILL &&
			end_load "$DISK" && nothing_left || fail "turn $kill_turn" || return 1
	done
}

term_idle() {
	begin && kill "$(pid blk)" && wait_for ended "$(pid blk)" || return 1
	[ ! -e "$TMP/blk.ctl" ] || fail "the FIFO is still there" || return 1
	wait "$(pid blk)" || fail "it ended with an error" || return 1
	rm "$TMP/blk.pid"
	nothing_left
}

term_busy() {
	begin && start_load "$DISK" && stop blk && end_load "$DISK" && nothing_left
}

# A program that does not run any more cannot even be asked.
kill_stopped() {
	begin --timeout-ms 60000 && start_load "$DISK" &&
		kill -STOP "$(pid blk)" && stop blk KILL &&
		end_load "$DISK" && nothing_left
}

kill_mounted() {
	begin && mkfs.ext4 -q "$DISK" && mkdir -p "$TMP/mnt" &&
		mount -t ext4 "$DISK" "$TMP/mnt" &&
		random_file "$TMP/mnt/kept" 2000 && sync &&
		kill_sum=$(md5sum <"$TMP/mnt/kept") &&
		random_file "$TMP/mnt/dirty" 2000 &&
		stop blk KILL || return 1
	! dd if=/dev/zero of="$TMP/mnt/more" bs=4k count=10 conv=fsync ||
		fail "writing still works" || return 1
	umount "$TMP/mnt" && nothing_left
}

# What was synced is there for the next program that serves the file.
next_program() {
	start blk --blk "file=$TMP/disk" && wait_disk blk 0 &&
		mount -t ext4 "$DISK" "$TMP/mnt" &&
		same checksum "$(md5sum <"$TMP/mnt/kept")" "$kill_sum" &&
		umount "$TMP/mnt" && fsck.ext4 -fp "$DISK" && stop blk && nothing_left
}

# The program dies when its driver is in the middle of a request to it.
kill_binding() {
	begin --timeout-ms 60000 || return 1
	kill_device=$(device blk 0)
	kill_name=${kill_device##*/}
	echo "$kill_name" >/sys/bus/virtio/drivers/virtio_blk/unbind &&
		kill -STOP "$(pid blk)" || return 1
	kill_before=$(statistic blk requests)
	echo "$kill_name" >/sys/bus/virtio/drivers/virtio_blk/bind &
	kill_bind=$!
	wait_for has_asked &&
		stop blk KILL && wait_for ended $kill_bind || return 1
	! wait $kill_bind || fail "the bind succeeded" || return 1
	nothing_left
}

has_asked() {
	[ "$(statistic blk requests)" -gt "$kill_before" ]
}

# cycles N: KiB of the kernel, and KiB in use, after N buses more that have lived
# and died
cycles() {
	for _ in $(seq "$1"); do
		begin --pool-size 2M >&2 && stop blk KILL >&2 ||
			return 1
	done
	nothing_left >&2
	memory
	echo "$OWN $USED"
}

# grows A B C LIMIT: does each number exceed the one before by LIMIT or more?
grows() {
	[ $(($2 - $1)) -ge "$4" ] && [ $(($3 - $2)) -ge "$4" ]
}

# The first ones fill caches. A leak would grow with every one: a pool has 2 MiB.
leak() {
	cycles 4 >/dev/null || return 1
	leak_first=$(cycles 6) && leak_second=$(cycles 6) && leak_third=$(cycles 6) ||
		return 1
	echo "KiB after 10, 16, 22 buses: $leak_first, $leak_second, $leak_third"
	! grows "${leak_first% *}" "${leak_second% *}" "${leak_third% *}" 300 &&
		! grows "${leak_first#* }" "${leak_second#* }" "${leak_third#* }" 4096
}

plan 11 virtio-msg-device fio mkfs.ext4 fsck.ext4
check "SIGTERM" term_idle
check "SIGTERM under I/O" term_busy
check "SIGKILL under I/O, split ring" kill_busy --features no-packed
check "SIGKILL under I/O, packed ring" kill_busy --features packed
check "SIGKILL under I/O, split ring and messages" kill_busy --features no-packed --messages
check "SIGKILL under I/O, packed ring and messages" kill_busy --features packed --messages
check "SIGKILL of a stopped program under I/O" kill_stopped
check "SIGKILL while a driver waits for an answer" kill_binding
check "SIGKILL while a file system is mounted" kill_mounted
check "another program serves the same file" next_program
check "no memory is lost" leak
