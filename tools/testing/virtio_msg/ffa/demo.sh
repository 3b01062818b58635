# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash source-path=SCRIPTDIR
#
# What demo-ffa.sh does in the guest; every command is shown as it is run. The
# functions are those of guest.sh.

run() {
	echo "\$ $*"
	"$@" || fail "the command above (exit status $?)" || exit 1
}

echo "Partitions of the secure world that this kernel has found:"
for demo_part in /sys/bus/arm_ffa/devices/*; do
	echo "  ${demo_part##*/}: service $(cat "$demo_part/uuid")"
done
run modprobe virtio_msg_ffa
usual || exit 1
for demo_num in 2 5 9; do
	demo_device=/sys/bus/virtio/devices/$(device $demo_num)
	echo "  device $demo_num: $(basename "$(readlink "$demo_device/driver")")," \
		"$(cat "$demo_device/virtio_msg/requests") request/response pairs"
done
echo

run mke2fs -q /dev/vda
run mount -t ext2 /dev/vda /mnt
run dd if=/dev/urandom of=/mnt/file bs=64k count=16 2>/dev/null
demo_sum=$(sha256sum </mnt/file)
run umount /mnt
run mount -t ext2 -o ro /dev/vda /mnt
demo_again=$(sha256sum </mnt/file)
run umount /mnt
echo "  written: ${demo_sum%% *}"
echo "  read:    ${demo_again%% *}"
[ "$demo_sum" = "$demo_again" ] || fail "what was read is not what was written" || exit 1
echo "\$ dd if=/dev/hwrng bs=64 count=1 | od -An -tx1 -w32"
dd if=/dev/hwrng bs=64 count=1 2>/dev/null | od -An -tx1 -w32 || exit 1
rng 5 || exit 1
echo "  ($(cat "$HWRNG"/rng_current); this source counts, so that tests can tell every byte)"
demo_text=
for demo_file in "$CLASS"/ffa0/statistics/*; do
	demo_text="$demo_text, $(cat "$demo_file") ${demo_file##*/}"
done
echo "  messages: ${demo_text#, }"
echo
run rmmod virtio_msg_ffa
wait_for test ! -e /dev/vda || exit 1
echo "The disk is gone, and the secure world has given back all memory."
