#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# kinds-kernel.sh: builds the newest packaged source, with ours in it, as a small
# kernel for x86 that has what Debian's own kernels leave out: the drivers of some
# kinds of devices (I2C, GPIO, virtiofs), and the test of suspend. Prints what
# guest.sh needs to boot it, as shell assignments: VMLINUZ=... MODROOT=...

. "$(dirname "$0")/lib.sh"

KINDS=("${SMALL[@]}" NR_CPUS=4 PRINTK_TIME=y BUG=y KALLSYMS=y TTY=y
	SERIAL_8250=y SERIAL_8250_CONSOLE=y BLK_DEV_INITRD=y BINFMT_ELF=y
	BINFMT_SCRIPT=y SYSCTL=y DEVTMPFS=y TMPFS=y DEBUG_FS=y FUTEX=y EPOLL=y
	POSIX_TIMERS=y TIMERFD=y SIGNALFD=y MULTIUSER=y ADVISE_SYSCALLS=y
	FILE_LOCKING=y AIO=y SYSVIPC=y BLOCK=y BLK_DEV=y DETECT_HUNG_TASK=y DEBUG_KERNEL=y
	SLUB_TINY=n CC_OPTIMIZE_FOR_PERFORMANCE=y ACPI=y UNIX98_PTYS=y
	VIRTIO_BLK=m HW_RANDOM=y HW_RANDOM_VIRTIO=m VIRTIO_CONSOLE=y
	INPUT=y INPUT_EVDEV=m VIRTIO_INPUT=m VIRTIO_BALLOON=m
	I2C=y I2C_CHARDEV=m I2C_VIRTIO=m NVMEM=y EEPROM_AT24=m
	NET=y NET_9P=m NET_9P_VIRTIO=m NETWORK_FILESYSTEMS=y 9P_FS=m
	FUSE_FS=m VIRTIO_FS=m TMPFS_XATTR=y NAMESPACES=y SECCOMP=y SECCOMP_FILTER=y
	GPIOLIB=y GPIO_CDEV=y GPIO_CDEV_V1=y GPIO_VIRTIO=m
	SUSPEND=y PM_DEBUG=y PM_SLEEP_DEBUG=y)

need_packages "${NEEDS_KERNEL[@]}"
with_lock build
tree=$("$HERE/graft.sh")
out=$CACHE/build/kinds

build() {
	configure_kernel "$tree" "$out" x86_64 "${KINDS[@]}" "${SYMBOLS[@]/%/=m}" &&
		make -C "$tree" O="$out" ARCH=x86_64 -j"$JOBS" bzImage modules &&
		rm -rf "$out/root" &&
		make -C "$tree" O="$out" ARCH=x86_64 INSTALL_MOD_PATH="$out/root" \
			modules_install
}

run_logged kinds-kernel "building a kernel with drivers for all kinds (three minutes at first)" \
	build || die "no kernel for I2C and GPIO"
echo "VMLINUZ='$out/arch/x86/boot/bzImage'"
echo "MODROOT='$out/root'"
