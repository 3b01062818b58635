#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Several devices on a bus, and several buses at the same time.

. ./lib.sh

HWRNG=/sys/class/misc/hw_random

# Three buses: four disks and an rng; two disks and two rngs; one disk.
begin() {
	start a --blk "file=$TMP/a0,size=4M" --blk "file=$TMP/a1,size=4M,queues=2" \
		--rng seed=11 --blk "file=$TMP/a3,size=4M" --blk "file=$TMP/a9,size=4M,num=9" &&
		start b --rng seed=12 --blk "file=$TMP/b1,size=4M" --rng seed=13 \
			--blk "file=$TMP/b300,size=4M,num=300" --messages --features no-packed &&
		start c --blk "file=$TMP/c0,size=4M" --max-msg-size 52 --kernel-pool || return 1
	DISKS=''
	for begin_disk in a0 a1 a3 a9 b1 b300 c0; do
		wait_disk "${begin_disk%"${begin_disk#?}"}" "${begin_disk#?}" || return 1
		DISKS="$DISKS $DISK"
		cp "$DISK" "$TMP/empty" || return 1
	done
	wait_for has_rngs 3 && same "number of buses" "$(find $CLASS/ -name 'loopback*' | wc -l)" 3
}

has_rngs() {
	# shellcheck disable=SC2046 # words are wanted
	set -- "$1" $(tr ' ' '\n' <"$HWRNG/rng_available" | grep virtio)
	[ $# = $(($1 + 1)) ]
}

verify_all() {
	# shellcheck disable=SC2086 # words are wanted
	verify_disks $DISKS
}

# What one disk got is in its own file only.
separate() {
	for separate_name in a0 a1 a3 a9 b1 b300 c0; do
		wait_disk "${separate_name%"${separate_name#?}"}" "${separate_name#?}" || return 1
		echo "this is $separate_name" |
			dd of="$DISK" bs=512 seek=7000 conv=sync oflag=direct || return 1
	done
	for separate_name in a0 a1 a3 a9 b1 b300 c0; do
		dd if="$TMP/$separate_name" bs=512 skip=7000 count=1 |
			grep -qx "this is $separate_name" || fail "$separate_name" || return 1
	done
}

# Each rng gives what its seed says, and each seed belongs to one of them.
rngs() {
	rngs_seeds=''
	for rngs_name in $(tr ' ' '\n' <"$HWRNG/rng_available" | grep virtio); do
		echo "$rngs_name" >"$HWRNG/rng_current" || return 1
		dd if=/dev/hwrng of="$TMP/rng" bs=1024 count=8 || return 1
		for rngs_seed in 11 12 13 none; do
			[ $rngs_seed != none ] || fail "$rngs_name is no rng of ours" || return 1
			! lbtool rng $rngs_seed <"$TMP/rng" || break
		done
		rngs_seeds="$rngs_seeds $rngs_seed"
	done
	same seeds "$(echo "$rngs_seeds" | tr ' ' '\n' | sort | xargs)" "11 12 13"
}

# The others do not notice when a bus dies under I/O.
survive() {
	wait_disk b 1 || return 1
	survive_b=$DISK
	start_load "$survive_b" || return 1
	for survive_disk in a0 a1 c0; do
		wait_disk "${survive_disk%"${survive_disk#?}"}" "${survive_disk#?}" || return 1
		echo "$DISK"
	done >"$TMP/survivors"
	# shellcheck disable=SC2046 # words are wanted
	verify_disks $(cat "$TMP/survivors") >"$TMP/survive.log" &
	survive_pid=$!
	stop b KILL && end_load "$survive_b" || return 1
	wait $survive_pid || {
		cat "$TMP/survive.log"
		return 1
	}
}

finish() {
	stop a && stop c && nothing_left
}

plan 6 virtio-msg-device fio lbtool
check "three buses with four, two and one disks and rngs" begin
check "fio on all disks at the same time" verify_all
check "each disk has its own file" separate
check "each rng gives the bytes of its seed" rngs
check "two buses survive the death of the third" survive
check "nothing is left" finish
