# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# What the tests about the life of a device share with the soak. Sourced after
# lib.sh, never run.

# What may happen by chance follows SEED, so that it can be had again.
SEED=${SEED:-$(od -An -N2 -tu2 /dev/urandom | tr -d ' ')}
draw_state=$SEED

# draw N: sets DRAWN to a number from 0 to N - 1
draw() {
	draw_state=$(((draw_state * 1103515245 + 12345) & 0x7fffffff))
	DRAWN=$(((draw_state >> 12) % $1))
}

# pick WORD...: sets PICKED to one of them
# shellcheck disable=SC2034 # for the scripts
pick() {
	draw $#
	shift "$DRAWN"
	PICKED=$1
}

# How a ring and its notifications may look, sets RING
pick_ring() {
	pick no-packed packed no-packed,no-indirect no-packed,no-event-idx packed,in-order
	RING="--features $PICKED"
	pick '' '' --messages --kernel-pool
	RING="$RING $PICKED"
	pick '' '' "--max-msg-size 52" "--max-msg-size 65535"
	RING="$RING $PICKED"
}

# Hundredths of a second since the boot, sets NOW
now() {
	read -r NOW _ </proc/uptime
	NOW=${NOW%.*}${NOW#*.}
}

# The longest that timed has seen, in hundredths of a second
LONGEST=0

# timed COMMAND...: the longest of them is kept in LONGEST. It is shown only:
# what fails is the wait, after WAIT seconds.
timed() {
	now
	timed_begin=$NOW
	"$@"
	timed_status=$?
	now
	[ $((NOW - timed_begin)) -le "$LONGEST" ] || LONGEST=$((NOW - timed_begin))
	return $timed_status
}

# Sets OWN to the KiB that the kernel accounts to itself, and USED to those of
# pages that are neither free nor part of a file, as the pages of a pool would be
# that nobody has any more. Free pages are also those that each CPU keeps at hand,
# tens of MiB at times, which meminfo does not count as free. USED varies by more
# than a MiB by itself.
# shellcheck disable=SC2034 # for the scripts
memory() {
	echo 3 >/proc/sys/vm/drop_caches
	OWN=0 USED=0
	memory_at_hand=$(awk '$1 == "count:" { n += $2 } END { print n * 4 }' \
		/proc/zoneinfo)
	while read -r memory_name memory_kib _; do
		case $memory_name in
		SUnreclaim:|VmallocUsed:|Percpu:|PageTables:)
			OWN=$((OWN + memory_kib)) ;;
		MemTotal:)
			USED=$memory_kib ;;
		MemFree:|Buffers:|Cached:|SReclaimable:)
			USED=$((USED - memory_kib)) ;;
		esac
	done </proc/meminfo
	USED=$((USED - memory_at_hand))
}

# Nobody but the tests holds the modules.
modules_free() {
	same "users of virtio_msg_loopback" \
		"$(awk '$1 == "virtio_msg_loopback" { print $3 }' /proc/modules)" 0
}

# Two programs, each with a disk in use
start_two() {
	for two_name in one two; do
		start $two_name --timeout-ms 2000 --rng \
			--blk "file=$TMP/$two_name,size=4M,num=5" &&
			wait_disk $two_name 5 && start_load "$DISK" || return 1
	done
}

# A device works, as it does in a system that has just come up.
works() {
	start blk --blk "file=$TMP/disk,size=4M" && wait_disk blk 0 &&
		VERIFY_SIZE=128k verify_disks "$DISK" && stop blk && nothing_left
}

images() {
	# What is said when there is an image, and nowhere to write it to.
	dmesg | grep -c 'PM: Cannot get swap writer'
}

# Without swap there is nowhere to write the image to, but everybody has been
# frozen for it, and thawed again.
freeze_and_thaw() {
	same "lines of /proc/swaps" "$(grep -c . /proc/swaps)" 1 || return 1
	freeze_images=$(images)
	! echo disk >/sys/power/state || fail "where did it write to?" || return 1
	[ "$(images)" -gt "$freeze_images" ] || fail "nothing was frozen"
}

# runs_on DISK: its load makes progress
runs_on() {
	load_count "${1##*/}" >"$TMP/${1##*/}.load-count" &&
		wait_for load_runs "${1##*/}"
}

# end_good_load DISK: it is still running, without an error
end_good_load() {
	runs_on "$1" || {
		cat "$TMP/${1##*/}.load"
		return 1
	}
	good_pid=$(cat "$TMP/${1##*/}.load-pid")
	kill -INT "$good_pid" && wait_for ended "$good_pid" || return 1
	rm "$TMP/${1##*/}.load-pid"
	! grep -q 'err=[^ ]* *[1-9]\|err= *[1-9]' "$TMP/${1##*/}.load" || {
		cat "$TMP/${1##*/}.load"
		return 1
	}
}
