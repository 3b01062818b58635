#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# debug-kernel.sh: builds the newest packaged source, with ours in it, as a kernel
# for x86 that complains about everything it can: addresses, locks, leaks, sleeps,
# undefined behaviour; and that can make allocations fail. Prints what guest.sh
# needs to boot it, as shell assignments: VMLINUZ=... MODROOT=... APPEND=...
#
# The source is a copy of its own, with patches/ applied: they are for defects of
# the stock kernel that a hostile device would find before it finds any of ours.

. "$(dirname "$0")/lib.sh"

# What a guest needs for the selftests.
DEBUG=("${SMALL[@]}" NR_CPUS=4 PRINTK_TIME=y BUG=y KALLSYMS=y TTY=y
	SERIAL_8250=y SERIAL_8250_CONSOLE=y BLK_DEV_INITRD=y BINFMT_ELF=y
	BINFMT_SCRIPT=y SYSCTL=y DEVTMPFS=y TMPFS=y FUTEX=y EPOLL=y
	POSIX_TIMERS=y TIMERFD=y SIGNALFD=y MULTIUSER=y ADVISE_SYSCALLS=y
	FILE_LOCKING=y AIO=y SYSVIPC=y BLOCK=y BLK_DEV=y EXT4_FS=y
	CC_OPTIMIZE_FOR_PERFORMANCE=y KERNEL_GZIP=y ACPI=y UNIX98_PTYS=y NET=y INET=y
	UNIX=y PACKET=y NAMESPACES=y NET_NS=y
	VT=n INPUT_MOUSE=n INPUT_KEYBOARD=n HID_SUPPORT=n HWMON=n
	NETDEVICES=y ETHERNET=n WLAN=n ACPI_AC=n ACPI_BATTERY=n ACPI_FAN=n
	ACPI_THERMAL=n X86_MCE=n CPU_MITIGATIONS=n)
# Drivers, for the device to be hostile to.
DEBUG+=(VIRTIO_BLK=m HW_RANDOM=y HW_RANDOM_VIRTIO=m VIRTIO_CONSOLE=m VIRTIO_NET=m
	INPUT=y INPUT_EVDEV=m VIRTIO_INPUT=m VIRTIO_BALLOON=m
	VSOCKETS=m VIRTIO_VSOCKETS=m I2C=y I2C_VIRTIO=m GPIOLIB=y GPIO_VIRTIO=m)
# What watches. Frame pointers, as stacks are saved all the time; instrumentation
# inline, as it builds a little longer but runs a lot faster without hardware.
DEBUG+=(DEBUG_KERNEL=y UNWINDER_FRAME_POINTER=y SLUB_TINY=n DEBUG_FS=y
	KASAN=y KASAN_GENERIC=y KASAN_INLINE=y KASAN_VMALLOC=y
	UBSAN=y UBSAN_BOUNDS=y UBSAN_SHIFT=y UBSAN_TRAP=n
	PROVE_LOCKING=y DEBUG_ATOMIC_SLEEP=y DEBUG_LIST=y DEBUG_SG=y
	DEBUG_OBJECTS=y DEBUG_OBJECTS_FREE=y DEBUG_OBJECTS_TIMERS=y
	DEBUG_OBJECTS_WORK=y DEBUG_KMEMLEAK=y DEBUG_KMEMLEAK_AUTO_SCAN=n
	DMA_API_DEBUG=y DETECT_HUNG_TASK=y SOFTLOCKUP_DETECTOR=y
	FAULT_INJECTION=y FAILSLAB=y FAIL_PAGE_ALLOC=y FAULT_INJECTION_DEBUG_FS=y
	FAULT_INJECTION_STACKTRACE_FILTER=y BLK_DEBUG_FS=y
	SWAP=y SUSPEND=y HIBERNATION=y PM_DEBUG=y PM_SLEEP_DEBUG=y)

need_packages "${NEEDS_KERNEL[@]}" patch
with_lock build
eval "$("$HERE/kernels.sh" source)"
tree=$CACHE/debug/$(basename "$(dirname "${SRC:?}")")
out=$CACHE/build/debug

# Before the patches change a file it gets a copy of its own: the tree is made
# of hard links. A tree with other patches than these is made anew.
link_tree() {
	local p f
	rm -rf "$CACHE/debug"
	mkdir -p "$CACHE/debug"
	cp -al "$SRC" "$CACHE/debug/new"
	for p in "$HERE"/patches/*.patch; do
		sed -n 's,^+++ b/,,p' "$p" | while read -r f; do
			cp --remove-destination "$SRC/$f" "$CACHE/debug/new/$f"
		done
		patch -d "$CACHE/debug/new" -p 1 -s <"$p"
	done
	cat "$HERE"/patches/*.patch >"$CACHE/debug/new/patches"
	mv "$CACHE/debug/new" "$tree"
}

build() {
	cmp -s "$tree/patches" <(cat "$HERE"/patches/*.patch) || link_tree
	"$HERE/graft.sh" "$tree" &&
		configure_kernel "$tree" "$out" x86_64 "${DEBUG[@]}" "${SYMBOLS[@]/%/=m}" &&
		nice make -C "$tree" O="$out" ARCH=x86_64 -j"$JOBS" bzImage modules &&
		rm -rf "$out/root" &&
		make -C "$tree" O="$out" ARCH=x86_64 INSTALL_MOD_PATH="$out/root" \
			modules_install
}

run_logged debug-kernel "building a kernel with all that finds errors (ten minutes at first)" \
	build || die "no kernel for debugging"
echo "VMLINUZ='$out/arch/x86/boot/bzImage'"
echo "MODROOT='$out/root'"
echo "APPEND='no5lvl panic_on_warn=1 hung_task_panic=1 softlockup_panic=1 kmemleak=on dma_debug=on'"
