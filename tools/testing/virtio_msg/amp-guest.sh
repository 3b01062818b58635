#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The guest's side of the scripts that have devices on the host (amp-lib.sh):
# runs commands, one a line, in one shell, so that what is begun in one of them
# can be ended in another. What many tests share is in the selftests' lib.sh.
# It is started in their folder, with a pipe to write to: some programs draw
# pictures on a terminal.

# shellcheck source-path=SCRIPTDIR/../selftests/virtio_msg
# shellcheck disable=SC2086 # lists are of words
# shellcheck disable=SC2153 # wait_disk sets DISK
. ./lib.sh

HWRNG=/sys/class/misc/hw_random
DRIVER=/sys/bus/pci/drivers/virtio_msg_amp_pci
# The driver leaves other people's shared memory alone, unless it is told that
# it is ivshmem (2).
IVSHMEM="1af4 1110 ffffffff ffffffff 0 0 2"

# function_is NAME ADDRESS
function_is() {
	echo "$2" >"$TMP/$1.address"
}

address() {
	cat "$TMP/$1.address"
}

# bus NAME: instead of the one of lib.sh, by its PCI function
bus() {
	for bus_path in "$CLASS"/*; do
		case $(readlink -f "$bus_path") in
		*/"$(address "$1")"/*)
			echo "${bus_path##*/}"
			return 0 ;;
		esac
	done
	return 1
}

# take: the driver, for all functions that there are
take() {
	modprobe virtio_msg_amp_pci && echo "$IVSHMEM" >$DRIVER/new_id
}

bind() {
	address "$1" >$DRIVER/bind
}

unbind() {
	address "$1" >$DRIVER/unbind
}

# each COMMAND NAME...
each() {
	each_command=$1
	shift
	for each_name; do
		"$each_command" "$each_name" || return 1
	done
}

# removed NAME: is there no such PCI function any more?
removed() {
	[ ! -e "/sys/bus/pci/devices/$(address "$1")" ]
}

# disks NAME...: waits for their disks, device 0 of each; sets DISKS
disks() {
	DISKS=
	for disks_name; do
		wait_disk "$disks_name" 0 || return 1
		DISKS="$DISKS $DISK"
	done
}

serial_is() {
	same serial "$(cat "/sys/block/${1##*/}/serial")" "$2"
}

# gone NAME [NUM]: is there no such device any more?
gone() {
	! device "$1" "${2:-0}" >/dev/null
}

# load NAME..., loaded NAME...: I/O that runs until it fails, and has it failed?
load() {
	disks "$@" && start_load $DISKS && LOADED=$DISKS
}

loaded() {
	end_load $LOADED && wait_for no_stuck_task
}

# still_loaded DISK...: it goes on, and works
still_loaded() {
	for still_disk; do
		still_name=${still_disk##*/}
		load_count "$still_name" >"$TMP/$still_name.load-count"
		wait_for load_runs "$still_name" || return 1
	done
}

# stop_load DISK...: it has not failed until now
stop_load() {
	for stop_disk; do
		stop_name=${stop_disk##*/}
		stop_pid=$(cat "$TMP/$stop_name.load-pid")
		rm "$TMP/$stop_name.load-pid"
		kill -INT "$stop_pid"
		wait "$stop_pid"
		grep -q 'err= 0' "$TMP/$stop_name.load" || {
			head -n 40 "$TMP/$stop_name.load"
			fail "I/O on $stop_disk has failed"
		} || return 1
	done
}

# rngs SEED...: each rng gives the sequence of one of the seeds, and each seed is
# that of one of them.
rngs() {
	rngs_found=''
	for rngs_name in $(tr ' ' '\n' <$HWRNG/rng_available | grep virtio); do
		echo "$rngs_name" >$HWRNG/rng_current &&
			dd if=/dev/hwrng of="$TMP/rng" bs=1024 count=8 2>/dev/null || return 1
		for rngs_seed in "$@" none; do
			[ "$rngs_seed" != none ] || fail "$rngs_name is no rng of ours" || return 1
			! lbtool rng "$rngs_seed" <"$TMP/rng" >/dev/null || break
		done
		rngs_found="$rngs_found $rngs_seed"
	done
	same seeds "$(echo "$rngs_found" | xargs -n 1 | sort | xargs)" "$*"
}

# Many kinds of requests, written and read back, each kind in a place of its own.
matrix() {
	{
		echo "[global]"
		echo "ioengine=libaio"
		echo "thread=1"
		echo "direct=1"
		echo "rw=randrw"
		echo "size=384k"
		echo "verify=crc32c"
		echo "verify_fatal=1"
		for matrix_disk; do
			matrix_place=0
			for matrix_bs in 512 4k 64k; do
				for matrix_depth in 1 16; do
					echo "[${matrix_disk##*/}-$matrix_bs-$matrix_depth]"
					echo "filename=$matrix_disk"
					echo "bs=$matrix_bs"
					echo "iodepth=$matrix_depth"
					echo "offset=$((matrix_place * 512))k"
					matrix_place=$((matrix_place + 1))
				done
			done
		done
	} >"$TMP/matrix.fio"
	fio --output="$TMP/matrix.out" "$TMP/matrix.fio" || {
		grep -iE 'verify|error|err= *[1-9]' "$TMP/matrix.out"
		return 1
	}
}

# random_data DISK: fills its first 3000 KiB, and says how they look
random_data() {
	random_file "$TMP/random" 3000 &&
		dd if="$TMP/random" of="$1" bs=120k oflag=direct 2>/dev/null &&
		dd if="$1" of="$TMP/back" bs=200k count=15 iflag=direct 2>/dev/null &&
		cmp "$TMP/random" "$TMP/back" && sha256sum <"$TMP/back"
}

# describe DISK, messages NAME: for people
describe() {
	echo "$1, $(($(cat "/sys/block/${1##*/}/size") / 2048)) MiB," \
		"driver $(basename "$(readlink "/sys/block/${1##*/}/device/driver")");" \
		"bound with $(cat "/sys/block/${1##*/}/device/virtio_msg/requests")" \
		"request/response pairs"
}

messages() {
	messages_text=
	for messages_file in "$CLASS/$(bus "$1")"/statistics/*; do
		messages_text="$messages_text, $(cat "$messages_file") ${messages_file##*/}"
	done
	echo "messages: ${messages_text#, }"
}

# by_serial TEXT: a disk
by_serial() {
	for serial_file in /sys/block/vd*/serial; do
		serial_disk=${serial_file%/serial}
		[ "$(cat "$serial_file")" != "$1" ] || echo "/dev/${serial_disk##*/}"
	done
}

# randread DISK DEPTH SECONDS: one line, of which the 8th field is reads a second
randread() {
	fio --minimal --terse-version=3 --name=randread --filename="$1" --readonly \
		--rw=randread --bs=4k --direct=1 --ioengine=libaio --iodepth="$2" \
		--time_based --runtime="$3"
}

# KiB that the kernel uses for itself; some is freed a moment later.
memory() {
	echo 3 >/proc/sys/vm/drop_caches
	sleep 1
	awk '/^(SUnreclaim|VmallocUsed|Percpu|PageTables|KernelStack):/ { n += $2 }
	     END { print n }' /proc/meminfo
}

# growth N COMMAND...: does memory grow with every run of COMMAND, N KiB or more?
# The first run fills caches.
growth() {
	growth_limit=$1
	shift
	"$@" && growth_a=$(memory) && "$@" && growth_b=$(memory) && "$@" &&
		growth_c=$(memory) || return 1
	note "KiB after each third: $growth_a $growth_b $growth_c"
	[ $((growth_b - growth_a)) -lt "$growth_limit" ] ||
		[ $((growth_c - growth_b)) -lt "$growth_limit" ]
}

# rebind NAME N: the driver lets go of the PCI function and takes it again
rebind() {
	for rebind_turn in $(seq "$2"); do
		unbind "$1" && wait_for gone "$1" && bind "$1" && disks "$1" ||
			fail "turn $rebind_turn" || return 1
	done
}

# pull NAME: the function does not answer any more, neither as memory nor
# as a source of interrupts, as if it had been pulled out
pull() {
	printf '\0\0' | dd of="/sys/bus/pci/devices/$(address "$1")/config" bs=1 seek=4 \
		conv=notrunc 2>/dev/null
}

remove() {
	echo 1 >"/sys/bus/pci/devices/$(address "$1")/remove" && removed "$1"
}

# cycles NAME NUM DRIVER N: the driver lets go of a device and takes it again
cycles() {
	cycles_name=$(device "$1" "$2") || return 1
	cycles_name=${cycles_name##*/}
	cycles_used=$CLASS/$(bus "$1")/pool_used
	cycles_first=
	for cycles_turn in $(seq "$4"); do
		echo "$cycles_name" >"/sys/bus/virtio/drivers/$3/unbind" &&
			read -r cycles_now <"$cycles_used" &&
			same "pool_used, turn $cycles_turn" "$cycles_now" \
				"${cycles_first:=$cycles_now}" &&
			echo "$cycles_name" >"/sys/bus/virtio/drivers/$3/bind" &&
			[ -e "/sys/bus/virtio/drivers/$3/$cycles_name" ] ||
			fail "turn $cycles_turn" || return 1
	done
}

# mark TEXT: what the kernel says belongs to this from now on
mark() {
	MARK=$1
	echo "amp: $MARK" >/dev/kmsg
}

kernel_says() {
	dmesg | sed "1,/] amp: $MARK\$/d"
}

# said TEXT: by the kernel, since mark
said() {
	kernel_says | grep -q "$1" || fail "the kernel has not said '$1'"
}

no_complaint() {
	! kernel_says | grep -A 20 -E 'WARNING: |BUG: |BUG! |Oops|INFO: task|stall'
}

modprobe virtio_blk
modprobe virtio-rng
# Nothing here takes so long, and then the kernel says where a task is stuck.
echo 30 >/proc/sys/kernel/hung_task_timeout_secs
echo @up
while read -r length command; do
	[ "${#command}" = "$length" ] || {
		echo @again
		continue
	}
	eval "$command" </dev/null
	echo "@done $?"
done
