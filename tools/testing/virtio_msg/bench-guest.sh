#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The guest's side of bench.sh: makes a block device by each of the ways that
# there are, and measures all of them alike. It is started in the folder of the
# selftests, whose lib.sh waits, and starts the programs of ours.
#
#   bench-guest.sh TEST...    blk, bind, net and kill, in this order; or profile
#   WAYS, JOBS                what of it
#
# Prints lines for bench.sh, times being microseconds of the guest:
#
#   blk-JOB WAY US            of one I/O, several times
#   bind WAY US               the driver's, in every turn; with how many
#   pairs WAY N               message pairs and
#   calls WAY N               further system calls
#   kill WAY US               from kill -9 to the first error; or "none"
#   trip, send, receive WAY   network: US there and back, Mbit/s
#   section WAY JOB COUNT     of the profile: as many I/Os between two marks
#   symbol WAY ADDRESS NAME   and what begins there; "program" is the device's,
#                             "user" nobody's
#   left-out TEST WAY WHY     this could not be measured
#
# A way is three functions: WAY_needs says what is missing, WAY_start makes its
# device and sets DISK, WAY_stop takes it away.

# shellcheck source-path=SCRIPTDIR/../selftests/virtio_msg
# shellcheck disable=SC2317 # ways and tests are called by their names
# shellcheck disable=SC2086 # numbers and addresses
. ./lib.sh

# Name, kind, size, depth and number of I/Os: enough for a tenth of a second,
# as fio rounds to milliseconds.
ALL_JOBS="read-1 randread 4k 1 6000
write-1 randwrite 4k 1 6000
read-32 randread 4k 32 8000
write-32 randwrite 4k 32 8000
large-8 read 256k 8 600"

SIZE=1073741824
BIND_TURNS=5
# Nobody needs so long to notice; it is waited for in no time.
KILL_SECONDS=120
A=10.77.0.1 B=10.77.0.2
PORT=7000
TRIPS=5000
STREAM=64M

# Of 2 MiB, for fio.
HUGE_PAGES=8

# --- the ways -------------------------------------------------------------------

# needs WORD...: modules as module:NAME, programs as NAME
needs() {
	for needs_word; do
		case $needs_word in
		module:*)
			[ -d "/sys/module/${needs_word#*:}" ] ||
				modprobe "${needs_word#*:}" 2>/dev/null ||
				fail "no module ${needs_word#*:}" || return 1 ;;
		*)
			command -v "$needs_word" >/dev/null ||
				fail "no program $needs_word" || return 1 ;;
		esac
	done
}

# spawn NAME PROGRAM...: in the background, for "end NAME"
spawn() {
	spawn_name=$1
	shift
	"$@" >"$TMP/$spawn_name.log" 2>&1 &
	echo $! >"$TMP/$spawn_name.pid"
}

end() {
	end_pid=$(pid "$1")
	kill "$end_pid" && wait_for ended "$end_pid" && rm "$TMP/$1.pid"
}

is_disk() {
	[ -b "$1" ] && [ "$(cat "/sys/block/${1##*/}/size")" -gt 0 ]
}

# await NAME DISK: of the program NAME; sets DISK
await() {
	DISK=$2
	wait_for is_disk "$2" || {
		[ ! -e "$TMP/$1.log" ] || tail -n 5 "$TMP/$1.log"
		return 1
	}
}

# The kernel alone: what there is without anybody to ask.
null_blk_needs() {
	[ -d /sys/module/null_blk ] || modprobe null_blk nr_devices=1 queue_mode=2 \
		irqmode=0 gb=1 submit_queues=1 hw_queue_depth=128 2>/dev/null ||
		fail "no module null_blk"
}

null_blk_start() {
	await null_blk /dev/nullb0
}

null_blk_stop() {
	rmmod null_blk
}

ublk_needs() {
	needs module:ublk_drv kublk
}

ublk_start() {
	kublk add -t null -q 1 -d 128 -n 0 >"$TMP/ublk.log" 2>&1
	await ublk /dev/ublkb0
}

ublk_stop() {
	kublk del -n 0 >/dev/null
}

# What another one has left must not be taken for this one's.
no_vda() {
	wait_for not test -e /dev/vda
}

# null_node EXPORT: a block device of QEMU's that does nothing, to be reached so
null_node() {
	spawn storage qemu-storage-daemon \
		--blockdev "null-co,node-name=null,size=$SIZE,read-zeroes=off" \
		--export "$1,id=export,node-name=null,writable=on,num-queues=1"
}

vduse_needs() {
	needs module:vduse module:virtio_vdpa module:virtio_blk qemu-storage-daemon vdpa
}

vduse_start() {
	no_vda && null_node vduse-blk,name=bench,queue-size=128 &&
		wait_for test -e /dev/vduse/bench &&
		vdpa dev add name bench mgmtdev vduse && await storage /dev/vda
}

vduse_stop() {
	vdpa dev del bench && end storage
}

nbd_needs() {
	needs module:nbd nbdkit nbd-client
}

nbd_start() {
	rm -f "$TMP/nbd.socket"
	spawn nbd nbdkit -f -U "$TMP/nbd.socket" null $SIZE
	wait_for test -S "$TMP/nbd.socket" &&
		nbd-client -u "$TMP/nbd.socket" /dev/nbd0 >>"$TMP/nbd.log" 2>&1
	await nbd /dev/nbd0
}

nbd_stop() {
	nbd-client -d /dev/nbd0 >/dev/null && end nbd
}

ours_needs() {
	needs module:virtio_msg_loopback module:virtio_blk virtio-msg-device
}

ours_start() {
	start ours --blk null,size=$SIZE && wait_disk ours 0
}

ours_stop() {
	stop ours
}

vhost_user_needs() {
	needs module:virtio_msg_loopback module:virtio_blk virtio-msg-vhost-user \
		qemu-storage-daemon
}

vhost_user_start() {
	rm -f "$TMP/vhost.socket"
	no_vda && null_node "vhost-user-blk,addr.type=unix,addr.path=$TMP/vhost.socket" &&
		wait_for test -S "$TMP/vhost.socket" &&
		spawn vhost_user virtio-msg-vhost-user --socket "$TMP/vhost.socket" &&
		await vhost_user /dev/vda
}

vhost_user_stop() {
	end vhost_user && end storage
}

# With buffers that are not cleared, as those of VDUSE are not
vhost_raw_needs() {
	vhost_user_needs
}

clear_buffers() {
	echo "$1" >/sys/module/virtio_msg/parameters/clear_buffers
}

vhost_raw_start() {
	clear_buffers N && vhost_user_start
}

vhost_raw_stop() {
	vhost_user_stop && clear_buffers Y
}

# --- measuring ------------------------------------------------------------------

# job KIND BLOCK DEPTH COUNT: prints the time of one. The buffers are huge pages: of
# others a large buffer's are in order in one process and not in the next.
job() {
	fio --name=bench --filename="$DISK" --allow_file_create=0 --direct=1 \
		--ioengine=io_uring --rw="$1" --bs="$2" --iodepth="$3" \
		--number_ios="$4" --size=512m --norandommap --randrepeat=1 \
		--mem=mmaphuge --minimal --terse-version=3 >"$TMP/fio" 2>"$TMP/fio.err" || {
		tail -n 3 "$TMP/fio.err"
		return 1
	} >&2
	# KiB and milliseconds of all reads, and of all writes
	awk -F ';' -v kib="${2%k}" '$1 == 3 && $5 == 0 {
		n = ($6 + $47) / kib
		printf "%.2f\n", ($9 + $50) * 1000 / n
		found = 1
	}
	END { exit !found }' "$TMP/fio"
}

# jobs WAY: each one once before it counts, then some times
jobs() {
	echo "$ALL_JOBS" | while read -r name kind block depth count; do
		case " ${JOBS:-$name} " in *" $name "*) ;; *) continue ;; esac
		job "$kind" "$block" "$depth" $((count / 10)) >/dev/null || return 1
		for _ in 1 2 3; do
			job_us=$(job "$kind" "$block" "$depth" "$count") || return 1
			echo "blk-$name $1 $job_us" >&3
		done
	done
}

blk() {
	"$1_start" && jobs "$1" && "$1_stop"
}

# The kernel's functions, and where the code of a process is
symbols() {
	awk -v way="$1" '$2 ~ /[tTwW]/ { print "symbol", way, $1, $3 $4 }' /proc/kallsyms
	awk -v way="$1" '$2 ~ /x/ {
		split($1, range, "-")
		print "symbol", way, range[1], "program"
		print "symbol", way, range[2], "user"
	}' "/proc/$2/maps"
}

# What carries data, which is not always the program that makes the device.
carrier() {
	case $1 in
	ours)	pid ours ;;
	*)	pid storage ;;
	esac
}

# Each job with a few and with many I/Os, so that what fio does besides is in both.
profile() {
	"$1_start" || return 1
	echo "$ALL_JOBS" | while read -r name kind block depth count; do
		case " ${JOBS:-read-1 large-8} " in *" $name "*) ;; *) continue ;; esac
		job "$kind" "$block" "$depth" $((count / 4)) >/dev/null || return 1
		for profile_num in $((count / 4)) "$count"; do
			bench_tool mark &&
				job "$kind" "$block" "$depth" "$profile_num" >/dev/null &&
				bench_tool mark || return 1
			echo "section $1 $name $profile_num" >&3
		done
	done && symbols "$1" "$(carrier "$1")" >&3 && "$1_stop"
}

# Counts of what a daemon of VDUSE answers and asks. Probes cost time: they are
# there only while they count.
vduse_count() {
	[ -d /sys/kernel/tracing/events ] || mount -t tracefs trace /sys/kernel/tracing
	cd /sys/kernel/tracing || return 1
	echo "p:answers vduse_dev_write_iter" >kprobe_events &&
		echo "p:calls vduse_dev_ioctl" >>kprobe_events &&
		echo 1 >events/kprobes/enable && "$@" || return 1
	pairs=$(awk '$1 == "answers" { print $2 }' kprobe_profile)
	calls=$(awk '$1 == "calls" { print $2 }' kprobe_profile)
	echo 0 >events/kprobes/enable && echo >kprobe_events && cd - >/dev/null
}

vduse_rebind() {
	vduse_count rebind
}

ours_rebind() {
	requests_file=/sys/bus/virtio/devices/$bind_name/virtio_msg/requests
	pairs=$(cat "$requests_file")
	rebind || return 1
	pairs=$(($(cat "$requests_file") - pairs))
	calls=0
}

vhost_user_rebind() {
	ours_rebind
}

# rebind [COMMAND]: virtio_blk lets go of the device and takes it again
rebind() {
	echo "$bind_name" >$bind_driver/unbind &&
		lbtool time "$bind_name" $bind_driver/bind && wait_for is_disk "$DISK"
}

# take_disk WAY: of virtio_blk, for rebind
take_disk() {
	"$1_start" || return 1
	bind_driver=/sys/bus/virtio/drivers/virtio_blk
	bind_name=$(basename "$(readlink -f "/sys/block/${DISK##*/}/device")")
}

bind() {
	take_disk "$1" && rebind >/dev/null || return 1
	for _ in $(seq $BIND_TURNS); do
		bind_us=$(rebind) && echo "bind $1 $bind_us" >&3 || return 1
	done
	"$1_stop"
}

# Apart from the times, as probes in the kernel are not free.
count() {
	take_disk "$1" && "$1_rebind" >/dev/null && echo "pairs $1 $pairs" >&3 &&
		echo "calls $1 $calls" >&3 && "$1_stop"
}

# The program whose death is the device's.
victim() {
	case $1 in
	ublk)	pidof kublk ;;
	vduse)	pid storage ;;
	*)	pid "$1" ;;
	esac
}

# A device that has died may be beyond anybody's help: nothing is taken away.
kill_it() {
	"$1_start" && kill_us=$(bench_tool kill "$(victim "$1")" "$DISK" $KILL_SECONDS) &&
		echo "kill $1 $kill_us" >&3
}

# --- network ----------------------------------------------------------------------

# A shell of busybox takes its own one, which knows no namespaces.
IP=$(which ip)

ip() {
	"$IP" "$@"
}

ns() {
	ip netns exec "$@"
}

# place NAMESPACE INTERFACE ADDRESS
place() {
	ip netns add "$1" && ip link set "$2" netns "$1" &&
		ns "$1" ip addr add "$3/24" dev "$2" && ns "$1" ip link set "$2" up
}

listens() {
	ns b cat /proc/net/tcp6 /proc/net/tcp | grep -q ":1451 .* 0A "
}

# iperf WHAT WAY OPTION...: Mbit/s
iperf() {
	iperf_what=$1 iperf_way=$2
	shift 2
	spawn iperf "$IP" netns exec b iperf3 -s -1
	wait_for listens || return 1
	ns a iperf3 -c $B -n $STREAM -J "$@" >"$TMP/iperf" || {
		grep error "$TMP/iperf"
		return 1
	}
	awk -v "what=$iperf_what $iperf_way" '
		/"sum_received"/ { sum = 1 }
		sum && /"bits_per_second"/ {
			printf "%s %.0f\n", what, $2 / 1e6
			exit
		}' "$TMP/iperf" >&3
	wait_for ended "$(pid iperf)" && rm "$TMP/iperf.pid"
}

tap_net_needs() {
	needs module:tun iperf3
}

tap_net_start() {
	spawn taps bench_tool taps bencha benchb
	IF=bencha
	wait_for grep -q ready "$TMP/taps.log"
}

tap_net_stop() {
	end taps
}

ours_net_needs() {
	needs module:tun module:virtio_net module:virtio_msg_loopback iperf3
}

ours_net_start() {
	start net --net tap=benchb && wait_for ours_net_is_there && IF=$(ours_net_is_there)
}

ours_net_is_there() {
	ls "$(device net 0)/net"
}

ours_net_stop() {
	stop net
}

# Both ends of a wire in which a program is: whoever answers is the same.
net() {
	"$1_start" && place a "$IF" $A && place b benchb $B || return 1
	spawn reflect "$IP" netns exec b bench_tool reflect $PORT
	trip_us=$(ns a bench_tool trips $B $PORT $TRIPS) && echo "trip $1 $trip_us" >&3 &&
		iperf send "$1" && iperf receive "$1" -R && end reflect &&
		"$1_stop" && ip netns del a && ip netns del b
}

# --- all of it ----------------------------------------------------------------------

# try TEST WAY
try() {
	if ! "$2_needs" >"$TMP/why"; then
		echo "left-out $1 $2 $(tail -n 1 "$TMP/why")"
	elif ! "$1" "$2" >"$TMP/said" 2>&1; then
		sed 's/^/# /' "$TMP/said"
		echo "left-out $1 $2 it has failed: $(tail -n 1 "$TMP/said")"
		failed=1
	fi
}

# each TEST WAY...: those of them that are asked for
each() {
	each_test=$1
	shift
	for each_way; do
		case " $WAYS " in *" $each_way "*) try "$each_test" "$each_way" ;; esac
	done
}

# What a kernel still has to do after its start is nobody's cost.
settle() {
	exec 3>/dev/null
	try blk null_blk
	exec 3>&1
}

exec 3>&1
failed=
echo $HUGE_PAGES >/proc/sys/vm/nr_hugepages
for test; do
	case $test in
	blk)
		settle
		each blk null_blk ublk vduse nbd ours vhost_user vhost_raw ;;
	bind)
		each bind vduse ours vhost_user
		each count ours vhost_user vduse ;;
	net)	each net tap_net ours_net ;;
	profile)
		settle
		each profile vduse ours vhost_user vhost_raw ;;
	# The one that nobody survives is the last one.
	kill)	each kill_it ublk nbd ours vhost_user vduse ;;
	esac
done
exit ${failed:-0}
