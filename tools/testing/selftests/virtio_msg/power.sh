#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The system goes to sleep with I/O under way, as far as the kernel's own test of
# suspend goes: everybody is frozen, then every device is suspended, and back.
# Debian's kernels do not have that test.
# kernel: kinds

. ./lib.sh
. ./life_lib.sh

# suspend LEVEL
suspend() {
	echo "$1" >/sys/power/pm_test
	for _ in 1 2 3; do
		start one --blk "file=$TMP/disk0,size=4M" --rng && wait_disk one 0 &&
			start_load "$DISK" && echo mem >/sys/power/state &&
			end_good_load "$DISK" && VERIFY_SIZE=128k verify_disks "$DISK" &&
			stop one && nothing_left || return 1
	done
}

# A program that does not answer keeps nobody awake, or the suspend fails cleanly.
stopped() {
	start one --timeout-ms 500 --blk "file=$TMP/disk0,size=4M" && wait_disk one 0 ||
		return 1
	kill -STOP "$(pid one)"
	echo mem >/sys/power/state 2>/dev/null
	kill -CONT "$(pid one)"
	stop one && nothing_left
}

[ -e /sys/power/pm_test ] || skip_all "the kernel has no CONFIG_PM_DEBUG"
plan 3 virtio-msg-device fio
check "freezer, three times under I/O" suspend freezer
check "devices, three times under I/O" suspend devices
check "devices, while the program is stopped" stopped
