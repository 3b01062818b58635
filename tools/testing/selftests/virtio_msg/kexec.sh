#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# One kernel gives way to the next without a reset of the machine, with I/O under
# way: while one device program runs and another one is stopped. No device may
# write into the memory of the next kernel, which has the files of the first one.
#
# guest: --self --bin kexec

. ./lib.sh
. ./life_lib.sh

next_kernel() {
	(cd / && find . -xdev | cpio -o -H newc >/tmp/initrd 2>/dev/null) &&
		kexec -s -l /boot/kernel --initrd=/tmp/initrd \
			--command-line="$(cat /proc/cmdline) selftest=kexec"
}

go_down() {
	load_modules
	next_kernel && start_two && kill -STOP "$(pid two)" && kexec -e
	fail "there was no next kernel"
}

[ -e /boot/kernel ] || skip_all "not a guest that has its own kernel at hand"
grep -q 'selftest=kexec' /proc/cmdline || go_down
plan 2 virtio-msg-device fio
check "kexec under I/O: one program works, one is stopped" true
check "a device works in the next kernel" works
