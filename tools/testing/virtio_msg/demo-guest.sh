#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What demo.sh does inside of the guest. Every command is shown as it is run.

fail() {
	echo "FAILED: $*"
	exit 1
}

run() {
	echo "\$ $*"
	"$@" || fail "the command above (exit status $?)"
}

# wait_for SECONDS TEXT COMMAND...
wait_for() {
	n=$(($1 * 20)) what=$2
	shift 2
	until "$@"; do
		n=$((n - 1))
		[ $n -gt 0 ] || fail "$what"
		sleep 0.05
	done
}

run modprobe virtio_msg_loopback
run modprobe virtio_blk
run truncate -s 64M /disk.img
echo "\$ virtio-msg-device --blk file=/disk.img &"
virtio-msg-device --blk file=/disk.img &
daemon=$!
wait_for 10 "no /dev/vda within 10 s" test -b /dev/vda

driver=$(basename "$(readlink /sys/block/vda/device/driver)")
echo "  /dev/vda, $(($(cat /sys/block/vda/size) / 2048)) MiB, driver $driver;" \
	"bound with $(cat /sys/block/vda/device/virtio_msg/requests) request/response pairs"
echo

run mkfs.ext4 -q /dev/vda
run mount /dev/vda /mnt
run dd if=/dev/urandom of=/mnt/file bs=1M count=16 status=none
sum=$(sha256sum </mnt/file)
run umount /mnt
run mount -o ro /dev/vda /mnt
again=$(sha256sum </mnt/file)
echo "  written: ${sum%% *}"
echo "  read:    ${again%% *}"
[ "$sum" = "$again" ] || fail "what was read is not what was written"
run umount /mnt
echo

read -r reads _ rsect _ writes _ wsect _ </sys/block/vda/stat
echo "  the disk served $reads reads ($((rsect / 2048)) MiB) and $writes writes" \
	"($((wsect / 2048)) MiB)"
text=
for f in /sys/class/virtio_msg/*/statistics/*; do
	text="$text, $(cat "$f") ${f##*/}"
done
echo "  messages: ${text#, }"
echo "\$ kill $daemon"
kill "$daemon"
wait "$daemon" || fail "the device program ended with exit status $?"
wait_for 10 "/dev/vda is still there 10 s after its program has ended" test ! -e /dev/vda
echo "  the program has ended, and the disk is gone"
echo
echo "A program was a disk: formatted, written, read back, verified."
