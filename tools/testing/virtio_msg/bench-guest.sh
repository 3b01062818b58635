#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The guest's side of bench.sh: makes a block device by each of the ways that
# there are, and measures all of them alike. It is started in the folder of the
# selftests, whose lib.sh waits, and starts the programs of ours.
#
# Prints lines for bench.sh, numbers being microseconds of the guest's time:
#
#   blk WAY JOB US        of one I/O
#   left-out WAY WHY      this one could not be measured
#
# A way is three functions: WAY_needs says what is missing, WAY_start makes its
# device and sets DISK, WAY_stop takes it away.

# shellcheck source-path=SCRIPTDIR/../selftests/virtio_msg
. ./lib.sh

# Name, kind, size, depth and number of I/Os: enough for a tenth of a second,
# as fio rounds to milliseconds.
JOBS="read-1 randread 4k 1 8000
write-1 randwrite 4k 1 8000
read-32 randread 4k 32 12000
write-32 randwrite 4k 32 12000
large-8 read 256k 8 1000"

SIZE=1073741824

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
	null_node vduse-blk,name=bench,queue-size=128 &&
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
	null_node "vhost-user-blk,addr.type=unix,addr.path=$TMP/vhost.socket" &&
		wait_for test -S "$TMP/vhost.socket" &&
		spawn vhost_user virtio-msg-vhost-user --socket "$TMP/vhost.socket" &&
		await vhost_user /dev/vda
}

vhost_user_stop() {
	end vhost_user && end storage
}

# --- measuring ------------------------------------------------------------------

# job KIND BLOCK DEPTH COUNT: prints the time of one
job() {
	fio --name=bench --filename="$DISK" --allow_file_create=0 --direct=1 \
		--ioengine=io_uring --rw="$1" --bs="$2" --iodepth="$3" \
		--number_ios="$4" --size=512m --norandommap --randrepeat=1 \
		--minimal --terse-version=3 >"$TMP/fio" 2>"$TMP/fio.err" || {
		cat "$TMP/fio.err"
		return 1
	}
	# KiB and milliseconds of all reads, and of all writes
	awk -F ';' -v kib="${2%k}" '$1 == 3 && $5 == 0 {
		n = ($6 + $47) / kib
		printf "%.2f\n", ($9 + $50) * 1000 / n
		found = 1
	}
	END { exit !found }' "$TMP/fio"
}

# jobs WAY: each one once before it counts
jobs() {
	echo "$JOBS" | while read -r name kind block depth count; do
		case " ${ONLY_JOBS:-$name} " in *" $name "*) ;; *) continue ;; esac
		job "$kind" "$block" "$depth" $((count / 10)) >/dev/null &&
			job_us=$(job "$kind" "$block" "$depth" "$count") </dev/null || {
			tail -n 3 "$TMP/fio.err"
			return 1
		}
		echo "blk $1 $name $job_us" >&3
	done
}

measure() {
	"$1_start" && jobs "$1" && "$1_stop"
}

# way NAME: the word before "is left out" is for people
way() {
	if ! "$1_needs" >"$TMP/why"; then
		echo "left-out $1 $(tail -n 1 "$TMP/why")"
	elif ! measure "$1" >"$TMP/said" 2>&1; then
		sed 's/^/# /' "$TMP/said"
		echo "left-out $1 it has failed: $(tail -n 1 "$TMP/said")"
		return 1
	fi
}

exec 3>&1
for way_name; do
	way "$way_name" || bench_failed=1
done
exit ${bench_failed:-0}
