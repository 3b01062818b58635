#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A memory balloon: this kernel gets along with less memory, and gets it back.

. ./lib.sh

# In KiB; with a page, which is what the device counts in, of 4 KiB.
total() {
	sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo
}

total_is() {
	same MemTotal "$(total)" "$1"
}

# The last line that the program has said about itself.
says() {
	tell air "ok balloon 0" balloon 0 &&
		same balloon "$(sed -n 's/^balloon 0: //p' "$TMP/air.log" | tail -n 1)" "$1"
}

# has PAGES: driver, device and memory agree
has() {
	wait_for total_is $((TOTAL - 4 * $1)) &&
		wait_for says "target $1 actual $1 pages $1"
}

begin() {
	start air --balloon "$@" && wait_for bound
}

bound() {
	[ -e "$(device air 0)/driver" ]
}

none() {
	begin pages=0 && has 0
}

# to PAGES
to() {
	tell air "ok balloon 0" balloon 0 "$1" && has "$1"
}

# memory WHICH: what the driver said about it last
memory() {
	sed -n "s/^memory 0: $1 //p" "$TMP/air.log" | tail -n 1
}

statistics() {
	to 3000 && tell air "memory 0: end" memory 0 &&
		same total "$(memory total)" $(((TOTAL - 4 * 3000) * 1024)) || return 1
	statistics_free=$(memory free)
	[ "$statistics_free" -gt 0 ] && [ "$statistics_free" -lt "$(memory total)" ] ||
		fail "free: $statistics_free" || return 1
	to 23000 && tell air "memory 0: end" memory 0 &&
		same total "$(memory total)" $(((TOTAL - 4 * 23000) * 1024)) || return 1
	[ "$(memory free)" -lt "$statistics_free" ] ||
		fail "free: $(memory free), $statistics_free before"
}

# What its driver has taken is free without a driver, and taken again with one.
again() {
	again_device=$(device air 0)
	echo "${again_device##*/}" >/sys/bus/virtio/drivers/virtio_balloon/unbind &&
		wait_for total_is "$TOTAL" && says "target 23000 actual 0 pages 0" &&
		echo "${again_device##*/}" >/sys/bus/virtio/drivers/virtio_balloon/bind &&
		has 23000
}

# Pages that are in the balloon when its device goes make the driver complain:
# it wants to tell somebody.
removed() {
	to 0 && tell air "removed 0" remove 0 && total_is "$TOTAL"
}

end() {
	stop air && nothing_left && total_is "$TOTAL"
}

to_none() {
	tell air "ok balloon 0" balloon 0 0 &&
		wait_for says "target 0 actual 0 pages 0"
}

# It can be taken back, so it counts as memory that is there.
oom() {
	begin deflate-on-oom && tell air "ok balloon 0" balloon 0 10000 &&
		wait_for says "target 10000 actual 10000 pages 10000" &&
		total_is "$TOTAL" && to_none && stop air
}

plan 8 virtio-msg-device
modprobe virtio_balloon 2>/dev/null || skip_all "no module virtio_balloon"
TOTAL=$(total)
check "an empty balloon" none
# Without a driver there is no use in waiting for it again and again.
[ "$test_failed" = 0 ] || exit 1
check "10000 pages are taken" to 10000
check "8000 of them come back" to 2000
check "statistics follow" statistics
check "the driver goes and comes back" again
check "the balloon is removed" removed
check "all memory is back, and nothing is left" end
check "a balloon that gives way" oom
