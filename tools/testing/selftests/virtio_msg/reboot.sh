#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The system goes down with I/O under way: while one device program runs and
# another one is stopped, and when they have just been killed. It must come up
# again each time. Only for a guest that says that it may be rebooted; a panic on the way
# down must not look like a reboot, so there it ends the guest (panic=0).
#
# The clock survives, and its year counts: 2001 after the first reboot.
#
# guest: --reboot --append selftest=reboot --append panic=0

. ./lib.sh
. ./life_lib.sh

# go_down YEAR COMMAND...: after the command, and does not return
go_down() {
	down_year=$1
	shift
	load_modules
	start_two || exit 1
	date -s "$down_year-06-01 00:00:00" >/dev/null && hwclock -u -w &&
		"$@" && reboot -n -f
	fail "it was not rebooted"
}

# What the program's death breaks is still being cleaned away.
killed() {
	kill -KILL "$(pid one)" "$(pid two)"
}

stopped() {
	kill -STOP "$(pid two)"
}

plan_reboots() {
	grep -q 'selftest=reboot' /proc/cmdline || skip_all "not a guest that may be rebooted"
	case $(date +%Y) in
	2001)	go_down 2002 killed ;;
	2002)	;;
	*)	go_down 2001 stopped ;;
	esac
}

plan_reboots
plan 2 virtio-msg-device fio
check "reboots under I/O: one program stopped, then both killed" \
	same year "$(date +%Y)" 2002
check "a device works after them" works
