# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# What the tests in this folder share. Sourced, never run.
#
# Nothing here measures time: whoever waits, waits for a condition, for at most
# WAIT seconds, which is far more than any of them needs.

# The helper programs may lie beside the scripts. sbin: not everybody's PATH.
PATH=$PATH:$(pwd):/usr/sbin:/sbin
CLASS=/sys/class/virtio_msg
WAIT=${WAIT:-30}

test_number=0
test_failed=0
test_loaded=
TMP=$(mktemp -d /tmp/virtio-msg.XXXXXX)

# --- TAP ----------------------------------------------------------------------

# plan N PROGRAM...: N tests will follow; without the programs there are none.
plan() {
	plan_tests=$1
	shift
	echo "TAP version 13"
	for plan_program; do
		command -v "$plan_program" >/dev/null || skip_all "no $plan_program"
	done
	[ "$(id -u)" = 0 ] || skip_all "needs root"
	load_modules
	echo "1..$plan_tests"
}

# run PROGRAM: it speaks TAP by itself
run() {
	command -v "$1" >/dev/null || skip_all "no $1"
	[ "$(id -u)" = 0 ] || skip_all "needs root"
	load_modules
	"$@"
}

load_modules() {
	for plan_module in virtio_msg virtio_msg_loopback; do
		[ ! -d "/sys/module/$plan_module" ] || continue
		modprobe "$plan_module" 2>/dev/null ||
			skip_all "no module $plan_module"
		test_loaded="$plan_module $test_loaded"
	done
	modprobe virtio_blk 2>/dev/null
	modprobe virtio-rng 2>/dev/null
}

skip_all() {
	echo "1..0 # SKIP $*"
	exit 4
}

note() {
	echo "$*" | sed 's/^/# /'
}

# check NAME COMMAND...: a test. What the command says is shown if it fails.
check() {
	check_name=$1
	shift
	test_number=$((test_number + 1))
	if "$@" >"$TMP/said" 2>&1 </dev/null; then
		echo "ok $test_number $check_name"
	else
		test_failed=$((test_failed + 1))
		sed 's/^/# /' "$TMP/said"
		echo "not ok $test_number $check_name"
	fi
}

# fail TEXT...: says why, and is not true.
fail() {
	echo "$*"
	return 1
}

# same WHAT GOT WANTED
same() {
	[ "$2" = "$3" ] || fail "$1 is '$2', not '$3'"
}

# most WHAT GOT LIMIT
most() {
	[ "$2" -le "$3" ] || fail "$1 is $2, more than $3"
}

# wait_for COMMAND...: until it succeeds.
wait_for() {
	wait_turns=$((WAIT * 20))
	until "$@" 2>/dev/null; do
		wait_turns=$((wait_turns - 1))
		[ "$wait_turns" -gt 0 ] || {
			echo "waited in vain (at most $WAIT s) for: $*"
			return 1
		}
		sleep 0.05
	done
}

not() {
	! "$@"
}

# --- device programs ----------------------------------------------------------

# ended PID: gone, or a zombie of ours
ended() {
	[ ! -e "/proc/$1/stat" ] ||
		sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | grep -q '^Z'
}

# start NAME OPTION...: a device program, its bus is made when this returns.
start() {
	start_name=$1
	shift
	# One that a failed test has left.
	[ ! -e "$TMP/$start_name.pid" ] || stop "$start_name" KILL
	rm -f "$TMP/$start_name.bus" "$TMP/$start_name.log"
	virtio-msg-device --control "$TMP/$start_name.ctl" "$@" \
		>"$TMP/$start_name.log" 2>&1 &
	echo $! >"$TMP/$start_name.pid"
	if wait_for start_is_ready "$start_name"; then
		sed -n 's/^ready: \([^,]*\),.*/\1/p' "$TMP/$start_name.log" \
			>"$TMP/$start_name.bus"
	else
		cat "$TMP/$start_name.log"
		return 1
	fi
}

start_is_ready() {
	grep -q '^ready: ' "$TMP/$1.log" || {
		# Gone without a word: no use to wait.
		! ended "$(cat "$TMP/$1.pid")" || wait_turns=1
		return 1
	}
}

# bus NAME: loopbackN
bus() {
	cat "$TMP/$1.bus"
}

pid() {
	cat "$TMP/$1.pid"
}

# stop NAME [SIGNAL]: ends a device program. Fails if it does not end, or if a
# SIGTERM is not a success for it.
stop() {
	stop_pid=$(pid "$1")
	kill "-${2:-TERM}" "$stop_pid" || fail "$1 was gone already"
	wait_for ended "$stop_pid" || return 1
	wait "$stop_pid" 2>/dev/null
	stop_status=$?
	rm -f "$TMP/$1.pid" "$TMP/$1.ctl"
	[ "${2:-TERM}" != TERM ] || [ $stop_status = 0 ] || {
		cat "$TMP/$1.log"
		fail "$1 ended with $stop_status"
	}
}

# tell NAME ANSWER COMMAND...: a command of --control, whose answer must come.
tell() {
	tell_name=$1 tell_answer=$2
	shift 2
	tell_lines=$(wc -l <"$TMP/$tell_name.log")
	echo "$*" >"$TMP/$tell_name.ctl"
	wait_for tell_is_answered || {
		tail -n "+$((tell_lines + 1))" "$TMP/$tell_name.log"
		return 1
	}
}

tell_is_answered() {
	tail -n "+$((tell_lines + 1))" "$TMP/$tell_name.log" |
		grep -q "^$tell_answer"
}

# --- devices ------------------------------------------------------------------

# device NAME NUM: the folder in sysfs of a device
device() {
	for device_path in "$CLASS/$(bus "$1")"/virtio*; do
		[ "$(cat "$device_path/virtio_msg/dev_num" 2>/dev/null)" = "$2" ] || continue
		echo "$device_path"
		return 0
	done
	return 1
}

# disk NAME NUM: vdX
disk() {
	disk_path=$(device "$1" "$2") || return 1
	for disk_path in "$disk_path"/block/vd*; do
		[ -b "/dev/${disk_path##*/}" ] || return 1
		echo "${disk_path##*/}"
	done
}

# wait_disk NAME NUM: sets DISK
# shellcheck disable=SC2034 # for the scripts
wait_disk() {
	wait_for disk "$1" "$2" >/dev/null || return 1
	DISK=/dev/$(disk "$1" "$2")
}

# statistic NAME WHICH
statistic() {
	cat "$CLASS/$(bus "$1")/statistics/$2"
}

# requests NAME NUM: request/response pairs of a device so far
requests() {
	cat "$(device "$1" "$2")/virtio_msg/requests"
}

no_buses() {
	[ -z "$(ls $CLASS)" ]
}

# No process sleeps uninterruptibly, for longer than a moment.
no_stuck_task() {
	! cat /proc/[0-9]*/stat 2>/dev/null | sed 's/.*) //' | grep -q '^D'
}

nothing_left() {
	wait_for no_buses || {
		ls $CLASS
		return 1
	}
	wait_for no_stuck_task || {
		cat /proc/[0-9]*/stat | grep ') D'
		return 1
	}
}

# --- I/O ----------------------------------------------------------------------

# verify_disks DISK...: writes and reads back with checksums, all at the same
# time, each disk from two processes in different halves.
verify_disks() {
	{
		echo "[global]"
		echo "ioengine=libaio"
		echo "direct=1"
		echo "iodepth=16"
		echo "rw=randwrite"
		echo "bsrange=512-${VERIFY_BS:-32k}"
		echo "size=${VERIFY_SIZE:-1m}"
		echo "verify=crc32c"
		echo "verify_fatal=1"
		for verify_disk; do
			for verify_half in 0 1; do
				echo "[${verify_disk##*/}-$verify_half]"
				echo "filename=$verify_disk"
				echo "offset=$((verify_half * 2))m"
			done
		done
	} >"$TMP/verify.fio"
	fio --output="$TMP/verify.out" "$TMP/verify.fio" || {
		head -n 40 "$TMP/verify.out"
		return 1
	}
}

# random_file FILE KIBIBYTES
random_file() {
	dd if=/dev/urandom of="$1" bs=1k count="$2" 2>/dev/null
}

# start_load DISK...: I/O that goes on until it fails
start_load() {
	for load_disk; do
		load_name=${load_disk##*/}
		load_count "$load_name" >"$TMP/$load_name.load-count"
		fio --name="$load_name" --filename="$load_disk" --direct=1 \
			--ioengine=libaio --iodepth=16 --rw=randrw --bs=4k \
			--size=2m --time_based --runtime=600 --allow_file_create=0 \
			>"$TMP/$load_name.load" 2>&1 &
		echo $! >"$TMP/$load_name.load-pid"
	done
	for load_disk; do
		wait_for load_runs "${load_disk##*/}" || return 1
	done
}

load_runs() {
	[ "$(load_count "$1")" -gt $(($(cat "$TMP/$1.load-count") + 100)) ]
}

load_count() {
	awk '{ print $1 + $5 }' "/sys/block/$1/stat"
}

# end_load DISK...: it must have ended by itself, with an error
end_load() {
	for load_disk; do
		load_name=${load_disk##*/}
		load_pid=$(cat "$TMP/$load_name.load-pid")
		wait_for ended "$load_pid" || {
			cat "/proc/$load_pid/stack"
			kill "$load_pid"
			return 1
		}
		rm "$TMP/$load_name.load-pid"
		! wait "$load_pid" || fail "I/O went on as if nothing had happened" || return 1
		grep -q 'Input/output error\|No such device\|err=' "$TMP/$load_name.load" || {
			cat "$TMP/$load_name.load"
			fail "it ended, but not with an I/O error"
		}
	done
}

# --- the end ------------------------------------------------------------------

# Whatever a test left behind is cleaned away here.
clean_up() {
	clean_status=$?
	trap - EXIT
	for clean_file in "$TMP"/*.load-pid "$TMP"/*.pid; do
		[ -e "$clean_file" ] || continue
		kill -CONT "$(cat "$clean_file")" 2>/dev/null
		kill -KILL "$(cat "$clean_file")" 2>/dev/null
		wait "$(cat "$clean_file")" 2>/dev/null
	done
	! grep -q " $TMP/mnt " /proc/mounts || umount "$TMP/mnt"
	for clean_module in $test_loaded; do
		rmmod "$clean_module" || clean_status=1
	done
	rm -rf "$TMP"
	[ "$test_failed" = 0 ] || clean_status=1
	exit $clean_status
}
trap clean_up EXIT
trap 'exit 1' INT TERM
