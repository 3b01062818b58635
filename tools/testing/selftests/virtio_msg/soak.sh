#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# soak.sh SECONDS: up to four device programs are started, loaded, mistreated and
# killed, as SEED has it: one step after the other, each of which has to come out
# as it should. Every 40 steps all of them end, and nothing may be left.
#
# No selftest like the others, as it goes on for as long as one likes; make soak
# runs it in a guest. Its lines begin with @: ok, bad, skip, minute, figure, end.

# shellcheck disable=SC2317 # "pick" chooses what to call
. ./lib.sh
. ./life_lib.sh

SLOTS='a b c d'
ROUND=40
LOADS=3
FAILURES=5

steps=0 bad=0 rounds=0 buses=0 crashes=0 plugs=0 naps=0 resets=0 binds=0 stuck=0 splats=0

# --- what a slot has ----------------------------------------------------------

# Of each device a file $TMP/SLOT.dev.NUM with its kind; of each that is loaded
# with I/O a file $TMP/SLOT.load.NUM with its disk.

alive() {
	[ -e "$TMP/$1.pid" ]
}

# pick_device KIND: sets NUM to one of the slot's, of that kind if it is not empty
pick_device() {
	device_list=''
	for device_file in "$TMP/$SLOT".dev.*; do
		[ -e "$device_file" ] || continue
		read -r device_kind <"$device_file"
		[ -n "$1" ] && [ "$device_kind" != "$1" ] ||
			device_list="$device_list ${device_file##*.}"
	done
	[ -n "$device_list" ] || return 1
	# shellcheck disable=SC2086 # words are wanted
	pick $device_list
	NUM=$PICKED
}

# settled: the driver side has found what is new, and forgotten what was removed;
# for a while there may be two devices of one number.
settled() {
	[ "$(for settled_file in "$TMP/$SLOT".dev.*; do
		[ ! -e "$settled_file" ] || echo "${settled_file##*.}"
	     done | sort)" = \
		"$(cat "$CLASS/$(bus "$SLOT")"/virtio*/virtio_msg/dev_num | sort)" ] &&
		! grep -q gone "$CLASS/$(bus "$SLOT")"/virtio*/virtio_msg/state
}

# wait_blk: sets DISK to that of NUM
wait_blk() {
	timed wait_for settled && timed wait_disk "$SLOT" "$NUM"
}

loaded() {
	[ -e "$TMP/$SLOT.load.$1" ]
}

# end_loads [NUM]: the I/O of a device, or of all of the slot, ends in errors
end_loads() {
	for loads_file in "$TMP/$SLOT".load.${1:-*}; do
		[ -e "$loads_file" ] || continue
		read -r loads_disk <"$loads_file"
		timed end_load "$loads_disk" || return 1
		rm "$loads_file"
	done
}

loads_go_on() {
	for loads_file in "$TMP/$SLOT".load.*; do
		[ -e "$loads_file" ] || continue
		read -r loads_disk <"$loads_file"
		load_count "${loads_disk##*/}" >"$TMP/${loads_disk##*/}.load-count"
		timed wait_for load_runs "${loads_disk##*/}" || return 1
	done
}

bus_gone() {
	[ ! -e "$CLASS/$1" ]
}

# ended_with SIGNAL: the slot's program
ended_with() {
	ended_bus=$(bus "$SLOT")
	timed stop "$SLOT" "$1" && end_loads && timed wait_for bus_gone "$ended_bus" || return 1
	rm -f "$TMP/$SLOT".dev.* "$TMP/$SLOT".load.*
}

# --- kinds of devices ---------------------------------------------------------

# kind_spec KIND NUM: sets SPEC
kind_spec() {
	case $1 in
	blk)	pick '' ',queues=2' ',queue-size=16' ',ro'
		[ "$PICKED" != ',ro' ] || [ -e "$TMP/$SLOT.disk$2" ] || PICKED=
		SPEC="file=$TMP/$SLOT.disk$2,size=4M$PICKED" ;;
	net)	SPEC="pair=$SLOT$(($2 / 2))" ;;
	vsock)	SPEC="socket=$TMP/$SLOT.vsock$2" ;;
	9p)	SPEC="path=$TMP" ;;
	console) SPEC="fifo=$TMP/$SLOT.console$2" ;;
	none)	SPEC=type=63,queues=3 ;;
	scsi)	SPEC="file=$TMP/$SLOT.disk$2,size=4M" ;;
	*)	SPEC= ;;
	esac
	SPEC=$SPEC${SPEC:+,}num=$2
}

# What the program offers, without those whose stock drivers cannot be trusted.
kinds() {
	KINDS='blk rng'
	for kinds_kind in $(virtio-msg-device --help |
			    sed -n 's/^  --\([a-z0-9]*\) .*=.*/\1/p'); do
		case $kinds_kind in
		blk|rng)
			;;
		net|vsock|9p|none|console|input|gpio|i2c|scsi)
			KINDS="$KINDS $kinds_kind" ;;
		balloon)
			echo "@skip balloon: its driver warns when its device dies full" ;;
		[!a-z0-9]*|link|control|features|dialect)
			;;
		*)
			echo "@skip $kinds_kind: a kind that the soak does not know" ;;
		esac
	done
}

# --- steps --------------------------------------------------------------------

step_start() {
	pick_ring
	start_args=''
	draw 4
	for start_num in $(seq 0 "$DRAWN"); do
		# shellcheck disable=SC2086 # words are wanted
		pick $KINDS
		start_kind=$PICKED
		kind_spec "$start_kind" "$start_num"
		start_args="$start_args --$start_kind $SPEC"
		echo "$start_kind" >"$TMP/$SLOT.dev.$start_num"
	done
	buses=$((buses + 1))
	# shellcheck disable=SC2086
	start "$SLOT" --timeout-ms 1000 $RING $start_args || {
		rm -f "$TMP/$SLOT".dev.*
		echo "it was started with $RING $start_args"
		return 1
	}
}

# The driver side is not waited for.
step_plug() {
	draw 8
	NUM=$DRAWN
	plugs=$((plugs + 1))
	if [ -e "$TMP/$SLOT.dev.$NUM" ]; then
		timed tell "$SLOT" "removed $NUM" remove "$NUM" && end_loads "$NUM" &&
			rm "$TMP/$SLOT.dev.$NUM"
		return
	fi
	# shellcheck disable=SC2086
	pick $KINDS
	plug_kind=$PICKED
	kind_spec "$plug_kind" "$NUM"
	tell "$SLOT" "ok added $NUM" add "$plug_kind" "$SPEC" &&
		echo "$plug_kind" >"$TMP/$SLOT.dev.$NUM"
}

# One number is many devices within a moment.
step_storm() {
	for _ in $(seq 20); do
		step_plug || return 1
	done
}

loads_running() {
	set -- "$TMP"/?.load.*
	[ -e "$1" ] || shift
	[ $# -ge "$LOADS" ]
}

step_load() {
	pick_device blk && ! loaded "$NUM" && ! loads_running || return 0
	wait_blk || return 1
	[ "$(cat "/sys/block/${DISK##*/}/ro")" = 0 ] || return 0
	start_load "$DISK" && echo "$DISK" >"$TMP/$SLOT.load.$NUM"
}

step_verify() {
	pick_device blk && ! loaded "$NUM" || return 0
	wait_blk || return 1
	[ "$(cat "/sys/block/${DISK##*/}/ro")" = 0 ] || return 0
	VERIFY_SIZE=64k verify_disks "$DISK"
}

step_entropy() {
	timeout 60 dd if=/dev/hwrng of=/dev/null bs=64 count=8
	[ $? != 143 ] || fail "the entropy source hangs"
}

# wait_device: sets DEVICE to that of NUM
wait_device() {
	timed wait_for settled && timed wait_for device "$SLOT" "$NUM" >/dev/null || return 1
	DEVICE=$(device "$SLOT" "$NUM")
}

# again: its driver lets go of the device and takes it once more
again() {
	again_driver=$(readlink -f "$DEVICE/driver") || return 0
	[ -e "$again_driver/unbind" ] || return 0
	timed eval "echo ${DEVICE##*/} >$again_driver/unbind" && end_loads "$NUM" || return 1
	timed eval "echo ${DEVICE##*/} >$again_driver/bind" || {
		# There is one of them in a system.
		[ "${again_driver##*/}" = vmw_vsock_virtio_transport ]
	}
}

step_bind() {
	pick_device '' || return 0
	wait_device || return 1
	binds=$((binds + 1))
	again
}

is_lost() {
	[ "$(cat "$DEVICE/virtio_msg/state")" = "needs reset" ]
}

step_reset() {
	pick_device blk || return 0
	wait_blk && wait_device || return 1
	resets=$((resets + 1))
	tell "$SLOT" "ok needs-reset $NUM" needs-reset "$NUM" && timed wait_for is_lost &&
		end_loads "$NUM" && again && wait_blk
}

step_nap() {
	naps=$((naps + 1))
	kill -STOP "$(pid "$SLOT")" || return 1
	draw 2500000
	usleep "$DRAWN"
	kill -CONT "$(pid "$SLOT")" && tell "$SLOT" "ok stats" stats && loads_go_on
}

# A disk is asked something while nobody can answer.
step_asleep() {
	pick_device blk || return 0
	wait_blk && wait_device || return 1
	[ "$(cat "/sys/block/${DISK##*/}/ro")" = 0 ] || return 0
	naps=$((naps + 1))
	kill -STOP "$(pid "$SLOT")" || return 1
	echo "write through" >"/sys/block/${DISK##*/}/cache_type" &
	timed wait_for is_lost && end_loads "$NUM" &&
		kill -CONT "$(pid "$SLOT")" && tell "$SLOT" "ok stats" stats &&
		again && wait_blk
}

step_resize() {
	pick_device blk || return 0
	for _ in 1 2 3 4; do
		draw 64
		pick generic range data
		tell "$SLOT" "" resize "$NUM" $((4194304 + DRAWN * 4096)) "$PICKED" || return 1
	done
}

step_kill() {
	draw 200000
	usleep "$DRAWN"
	crashes=$((crashes + 1))
	ended_with KILL
}

step_term() {
	ended_with TERM
}

# Killed while it cannot even be asked.
step_kill_asleep() {
	kill -STOP "$(pid "$SLOT")" && step_kill
}

# Somebody else keeps the bus of a killed program, for a while.
step_hold() {
	rm -f "$TMP/hold.in"
	mkfifo "$TMP/hold.in"
	sharing hold "$(pid "$SLOT")" <"$TMP/hold.in" >"$TMP/hold" 2>&1 &
	hold_pid=$!
	exec 5>"$TMP/hold.in"
	hold_bus=$(bus "$SLOT")
	wait_for grep -q ready "$TMP/hold" && stop "$SLOT" KILL || return 1
	crashes=$((crashes + 1))
	draw 500000
	usleep "$DRAWN"
	! bus_gone "$hold_bus" || fail "the bus has gone too early" || return 1
	exec 5>&-
	wait_for ended "$hold_pid" && end_loads && timed wait_for bus_gone "$hold_bus" || return 1
	rm -f "$TMP/$SLOT".dev.* "$TMP/$SLOT".load.*
}

# All of them, not only this one.
# What is being asked just when the programs are frozen is not answered in time.
step_freeze() {
	for SLOT in $SLOTS; do
		! alive "$SLOT" || timed wait_for settled || return 1
	done
	freeze_and_thaw || return 1
	for SLOT in $SLOTS; do
		! alive "$SLOT" || loads_go_on || return 1
	done
}

# --- rounds -------------------------------------------------------------------

no_new_splats() {
	dmesg | grep -E 'WARNING: |BUG: |BUG! |Oops|INFO: task|stall' >"$TMP/splats"
	splats_before=$splats
	splats=$(wc -l <"$TMP/splats")
	[ "$splats" -le "$splats_before" ] || {
		dmesg | grep -A 25 -E 'WARNING: |BUG: |BUG! |Oops|INFO: task|stall' | tail -n 60
		fail "the kernel complained"
	}
}

round_end() {
	for SLOT in $SLOTS; do
		alive "$SLOT" || continue
		pick step_kill step_term step_kill_asleep
		$PICKED || return 1
	done
	timed nothing_left || {
		stuck=$((stuck + 1))
		return 1
	}
	wait_for modules_free && no_new_splats || return 1
	rounds=$((rounds + 1))
	memory
	echo "$OWN $USED" >>"$TMP/memories"
	rmmod virtio_msg_loopback && rmmod virtio_msg &&
		modprobe virtio_msg && modprobe virtio_msg_loopback
}

# leaked COLUMN: KiB that the smallest use of the second half is above the largest
# of the first, of which the first round does not count: caches fill up.
leaked() {
	awk -v "c=$1" 'NR > 1 { v[++n] = $c }
	     END {
		for (i = 1; i <= n; i++) {
			if (i <= n / 2 && v[i] > max)
				max = v[i]
			if (i > n / 2 && (!min || v[i] < min))
				min = v[i]
		}
		if (n < 4 || min < max)
			min = max
		print min - max
	     }' "$TMP/memories"
}

# After a failure: what there is, and everything away.
wreck() {
	echo "--- tasks that sleep uninterruptibly"
	for wreck_stat in /proc/[0-9]*/stat; do
		grep -q ') D' "$wreck_stat" 2>/dev/null || continue
		stuck=$((stuck + 1))
		cut -d' ' -f1-3 "$wreck_stat"
		cat "${wreck_stat%/stat}/stack"
	done
	echo "--- devices that there should be, and are"
	echo "$TMP"/*.dev.*
	grep -H . "$CLASS"/*/virtio*/virtio_msg/dev_num "$CLASS"/*/virtio*/virtio_msg/state
	echo "--- tasks of the kernel that wait for them"
	for wreck_stack in /proc/[0-9]*/stack; do
		! grep -q 'vmsg_dev_work\|virtio_dev_remove\|virtio_dev_probe' "$wreck_stack" ||
			cat "$wreck_stack"
	done
	echo "--- the kernel"
	dmesg | tail -n 20
	for SLOT in $SLOTS; do
		[ ! -e "$TMP/$SLOT.log" ] || tail -n 5 "$TMP/$SLOT.log"
		! alive "$SLOT" || stop "$SLOT" KILL
	done
	exec 5>&-
	for wreck_file in "$TMP"/*.load-pid; do
		[ ! -e "$wreck_file" ] || kill -KILL "$(cat "$wreck_file")"
	done
	sleep 5
	rm -f "$TMP"/*.load-pid "$TMP"/?.load.* "$TMP"/?.dev.*
}

# --- all of it ----------------------------------------------------------------

# step NAME: what it says is shown if it fails
step() {
	steps=$((steps + 1))
	echo "$steps $SLOT $1" >>"$TMP/steps"
	if "$1" >"$TMP/said" 2>&1 </dev/null; then
		echo "@ok $steps $1"
		return
	fi
	bad=$((bad + 1))
	echo "@bad step $steps, ${1#step_} of program ${SLOT:-none}, SEED=$SEED"
	cat "$TMP/said"
	echo "--- the last steps"
	tail -n 8 "$TMP/steps"
	wreck
	[ $bad -lt $FAILURES ] || finish "$FAILURES failures are enough"
}

minute() {
	now
	[ "$NOW" -ge "$next_minute" ] || return
	next_minute=$((next_minute + 6000))
	echo "@minute $steps steps, $bad failed: $crashes programs killed," \
		"$plugs devices plugged, $rounds rounds, longest wait $((LONGEST * 10)) ms"
}

finish() {
	[ -z "$1" ] || echo "@skip $1"
	[ $plugs -ge 1000 ] || echo "@skip 1000 devices plugged: the time was enough for $plugs"
	[ $crashes -ge 200 ] || echo "@skip 200 programs killed: the time was enough for $crashes"
	echo "@figure $steps steps in $rounds rounds, with $buses buses"
	echo "@figure $plugs devices plugged or unplugged, $binds rebound"
	echo "@figure $resets devices asked for a reset"
	echo "@figure $crashes programs killed, $naps stopped"
	echo "@figure $stuck stuck tasks"
	echo "@figure $splats splats"
	finish_own=$(leaked 1) finish_used=$(leaked 2)
	echo "@figure $((finish_own * 1024)) bytes more for the kernel itself," \
		"$((finish_used * 1024)) in use (leaks are above $OWN_MAX and $USED_MAX KiB)"
	echo "@figure $((LONGEST * 10)) ms was the longest wait, the bound is $((WAIT * 1000)) ms"
	if [ "$finish_own" -gt $OWN_MAX ] || [ "$finish_used" -gt $USED_MAX ]; then
		echo "@bad memory is lost, SEED=$SEED; KiB after each round:"
		cat "$TMP/memories"
	fi
	echo "@end"
	exit 0
}

# KiB by which the use of memory changes by itself
OWN_MAX=1024
USED_MAX=16384

load_modules
for module in virtio_net virtio_input vmw_vsock_virtio_transport; do
	modprobe $module 2>/dev/null
done
: >"$TMP/memories"
kinds
now
end=$((NOW + $1 * 100))
next_minute=$((NOW + 6000))
while [ "$NOW" -lt $end ]; do
	for _ in $(seq $ROUND); do
		minute
		[ "$NOW" -lt $end ] || break
		# shellcheck disable=SC2086 # words are wanted
		pick $SLOTS
		SLOT=$PICKED
		if ! alive "$SLOT"; then
			step step_start
			continue
		fi
		pick step_load step_load step_load step_plug step_plug step_plug step_storm \
			step_verify step_entropy step_bind step_bind step_reset step_nap \
			step_asleep step_resize step_kill step_kill step_term step_kill_asleep \
			step_hold step_freeze
		step "$PICKED"
	done
	SLOT=
	step round_end
	now
done
finish
