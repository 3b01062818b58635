#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Allocations fail, one at a time. First each one that a call of the device file
# makes: see faults.c. Then some of those that the transport makes, or that others
# make for it, when a disk and an rng come, are used, lose and get their drivers,
# and go: a device may be missing then, and the log says -ENOMEM, but nothing may
# crash, hang or stay behind.
#
# Wants a kernel with FAILSLAB and FAIL_PAGE_ALLOC (make hostile has one).

. ./lib.sh

FAULTS=/sys/kernel/debug
# Turns of each kind, spread evenly over all that is allocated.
TURNS=${TURNS:-30}
SEED=${SEED:-1}
ALL=1000000000

if [ ! -d $FAULTS/failslab ] || [ ! -d $FAULTS/fail_page_alloc ]; then
	skip_all "the kernel cannot make allocations fail"
fi

# set_fault KIND NAME VALUE
set_fault() {
	echo "$3" >"$FAULTS/$1/$2"
}

# Anything below a function of ours, whoever it is that allocates.
prepare() {
	prepare_text=$(awk '/ [tT] .*\[virtio_msg(_loopback)?\]/ { print $1 }' \
		/proc/kallsyms | sort)
	for prepare_kind in failslab fail_page_alloc; do
		set_fault $prepare_kind probability 0
		set_fault $prepare_kind ignore-gfp-wait N
		set_fault $prepare_kind verbose 0
		set_fault $prepare_kind task-filter N
		set_fault $prepare_kind interval 1
		set_fault $prepare_kind stacktrace-depth 32
		set_fault $prepare_kind require-start "0x$(echo "$prepare_text" | head -n 1)"
		set_fault $prepare_kind require-end "0x$(echo "$prepare_text" | tail -n 1)"
	done
	set_fault fail_page_alloc min-order 0
}

# arm KIND SPACE: the first one after SPACE (bytes, or pages) fails
arm() {
	set_fault "$1" space "$2"
	set_fault "$1" times 1
	set_fault "$1" probability 100
}

disarm() {
	set_fault "$1" probability 0
}

# A whole life. Says nothing about what fails on the way, but must end.
live() {
	rm -f "$TMP/live.ctl"
	virtio-msg-device --control "$TMP/live.ctl" --timeout-ms 2000 \
		--blk "file=$TMP/disk,size=1M" --rng seed=1 >"$TMP/live.log" 2>&1 &
	echo $! >"$TMP/live.pid"
	wait_for live_is_ready
	live_disk=
	sed -n 's/^ready: \([^,]*\),.*/\1/p' "$TMP/live.log" >"$TMP/live.bus"
	# shellcheck disable=SC2034 # a count
	for live_turn in 1 2 3 4 5 6 7 8 9 10; do
		live_disk=$(disk live 0 2>/dev/null) && break
		sleep 0.2
	done
	if [ "$live_disk" ]; then
		dd if="/dev/$live_disk" of=/dev/null bs=64k count=4 iflag=direct
		live_path=$(device live 0)
		echo "${live_path##*/}" >/sys/bus/virtio/drivers/virtio_blk/unbind
		echo "${live_path##*/}" >/sys/bus/virtio/drivers/virtio_blk/bind
	fi
	if [ -p "$TMP/live.ctl" ]; then
		echo "add rng num=7" >"$TMP/live.ctl"
		echo "remove 1" >"$TMP/live.ctl"
	fi
	kill "$(pid live)" 2>/dev/null
	wait_for ended "$(pid live)" || return 1
	wait "$(pid live)" 2>/dev/null
	rm -f "$TMP/live.pid"
	nothing_left
}

live_is_ready() {
	start_is_ready live || ended "$(pid live)"
}

# A device that is missing has a reason, and the reason is this one.
explained() {
	[ -z "$live_disk" ] || return 0
	dmesg | sed "1,/] faults: $1\$/d" >"$TMP/dmesg"
	cat "$TMP/live.log" >>"$TMP/dmesg"
	grep -qE -- '-12|ENOMEM|[Nn]o memory|Cannot allocate|Out of memory' "$TMP/dmesg" || {
		tail -n 20 "$TMP/dmesg"
		fail "there is no disk, and nothing says why"
	}
}

# sweep KIND
sweep() {
	set_fault "$1" space $ALL
	set_fault "$1" times 1
	set_fault "$1" probability 100
	live || return 1
	disarm "$1"
	sweep_all=$((ALL - $(cat "$FAULTS/$1/space")))
	[ $sweep_all -gt 0 ] || fail "nothing was allocated below ours" || return 1
	sweep_failed=0
	for sweep_turn in $(seq "$TURNS"); do
		sweep_space=$(((sweep_all * (sweep_turn - 1) + sweep_all * SEED % 97) / TURNS))
		echo "faults: $1 after $sweep_space of $sweep_all" >/dev/kmsg
		arm "$1" $sweep_space
		live || fail "$1 after $sweep_space of $sweep_all" || return 1
		disarm "$1"
		explained "$1 after $sweep_space of $sweep_all" || return 1
		sweep_failed=$((sweep_failed + 1 - $(cat "$FAULTS/$1/times")))
	done
	echo "$sweep_failed" >"$TMP/$1.failed"
	[ $sweep_failed -gt 0 ] || fail "no allocation failed"
}

afterwards() {
	start blk --blk "file=$TMP/disk,size=4M" && wait_disk blk 0 &&
		verify_disks "$DISK" && stop blk && nothing_left
}

# A program with TAP of its own, as one test.
calls() {
	faults >"$TMP/calls" || {
		cat "$TMP/calls"
		return 1
	}
}

plan 4 virtio-msg-device fio faults
prepare
check "each allocation of each call" calls
grep '^# ' "$TMP/calls"
check "objects, from probe to removal" sweep failslab
check "pages, from probe to removal" sweep fail_page_alloc
for kind in failslab fail_page_alloc; do
	note "$kind: $(cat "$TMP/$kind.failed" 2>/dev/null) allocations failed in $TURNS lives"
done
check "and without failures" afterwards
