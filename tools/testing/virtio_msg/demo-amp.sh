#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The other demo: a program on this machine becomes a disk in a guest, over
# nothing but shared memory with a doorbell (QEMU's ivshmem-doorbell). Every
# command is shown as it is run, with where it is run.

. "$(dirname "$0")/lib.sh"
. "$HERE/amp-lib.sh"

AMP_NAME=demo-amp AMP_SECONDS=30
cold stock
need_packages "${NEEDS_MODULES[@]}" "${NEEDS_GUEST[@]}"
eval "$("$HERE/kernels.sh" stock)"
ko=$("$HERE/modules.sh" stock)
build_tools tools
pci=0000:00:10.0

failed() {
	say "The demo failed. What the kernel in the guest said: $LOGS/$AMP_NAME.console"
	exit 1
}

here() {
	echo "   host$ $1"
}

guest() {
	echo "  guest# $1"
	in_guest "$1" | sed 's/^/         /' || failed
}

quietly() {
	in_guest "$1" | sed 's/^/         /' || failed
}

# Shown are names as anybody would choose them.
peer disk "" --blk file=@/disk.img,size=32M
here "virtio-msg-device --link ivshmem:disk.sock --blk file=disk.img,size=32M &"
peer_start disk || failed
grep "^ready" "$AMP_DIR/disk.log" | sed "s,$AMP_DIR/,,; s/^/         /"
here "qemu-system-x86_64 ... -chardev socket,id=c,path=disk.sock \\"
echo "            -device ivshmem-doorbell,chardev=c,vectors=1"
say "-- booting Debian's kernel $KVER in QEMU, with no disk but the one to come"
guest_start --ko "$ko/virtio_msg.ko" --ko "$ko/virtio_msg_amp.ko" \
	--ko "$ko/virtio_msg_amp_pci.ko" || failed
guest "modprobe virtio_msg_amp_pci"
guest "echo virtio_msg_amp_pci >/sys/bus/pci/devices/$pci/driver_override"
guest "echo $pci >/sys/bus/pci/drivers_probe"
quietly "disks disk && describe \$DISK"
echo
guest "mkfs.ext4 -q /dev/vda"
guest "mount /dev/vda /mnt"
guest "dd if=/dev/urandom of=/mnt/file bs=1M count=8 status=none"
guest "umount /mnt"
guest "sha256sum </dev/vda"
here "sha256sum <disk.img"
sum=$(sha256sum <"$AMP_DIR/disk.img")
echo "         $sum"
quietly "same 'the checksum in the guest' \"\$(sha256sum </dev/vda)\" '$sum'"
echo
quietly "messages disk"
here "kill ${PEER_PID[disk]}"
peer_end disk || failed
quietly "wait_for gone disk && echo the disk is gone"
guest_end
took demo-amp
echo
echo "A program outside of the guest was its disk: formatted, written, verified."
printf 'The demo worked, in %s seconds. Next: make check-amp, and README.md.\n' "$SECONDS"
