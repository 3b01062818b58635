#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What devices go through in their life, each time with I/O under way: they come
# and go in a hurry, many at a time, their configuration changes, their queues
# are resized, they are frozen. CYCLES and SEED make the storms longer, and the
# same again.

. ./lib.sh
. ./life_lib.sh

CYCLES=${CYCLES:-24}

gone() {
	not device hot "$1" >/dev/null
}

# --- come and go --------------------------------------------------------------

# storm_turn NUM: as soon as the program says that the number is free, it is
# another device. The driver side is never waited for.
storm_turn() {
	if [ -e "$TMP/storm$1" ]; then
		rm "$TMP/storm$1"
		tell hot "removed $1" remove "$1"
		return
	fi
	touch "$TMP/storm$1"
	pick "rng num=$1" "blk file=$TMP/disk$1,size=1M,num=$1" \
		"none type=63,queues=2,num=$1" "blk file=$TMP/disk$1,size=1M,queues=2,num=$1"
	# shellcheck disable=SC2086 # words are wanted
	tell hot "ok added $1" add $PICKED
}

storm() {
	start hot --blk "file=$TMP/disk0,size=4M" && wait_disk hot 0 || return 1
	storm_disk=$DISK
	storm_pool=$(cat "$CLASS/$(bus hot)/pool_used")
	start_load "$storm_disk" || return 1
	for storm_i in $(seq "$CYCLES"); do
		draw 3
		storm_turn $((DRAWN + 1)) ||
			fail "turn $storm_i of $CYCLES, SEED=$SEED" || return 1
	done
	for storm_i in 1 2 3; do
		[ ! -e "$TMP/storm$storm_i" ] || storm_turn $storm_i || return 1
		wait_for gone $storm_i || return 1
	done
	end_good_load "$storm_disk" && wait_for no_stuck_task &&
		wait_for pool_is "$storm_pool"
}

pool_is() {
	same pool_used "$(cat "$CLASS/$(bus hot)/pool_used")" "$1"
}

# number SIZE: the number is taken again by another disk, the old one is busy.
number() {
	for number_size in 4 5; do
		tell hot "ok added 5" \
			add blk "file=$TMP/n$number_size,size=${number_size}M,num=5" &&
			wait_for size_is $((number_size * 2048)) && wait_disk hot 5 &&
			number_disk=$DISK && start_load "$number_disk" &&
			tell hot "removed 5" remove 5 || return 1
		tell hot "ok added 5" add rng num=5 && end_load "$number_disk" &&
			tell hot "removed 5" remove 5 || return 1
	done
	wait_for gone 5 && wait_for no_stuck_task
}

size_is() {
	size_disk=$(disk hot 5) && same size "$(cat "/sys/block/$size_disk/size")" "$1"
}

# --- configuration ------------------------------------------------------------

sectors_are() {
	same size "$(cat "/sys/block/${DISK##*/}/size")" "$1"
}

# The load stays in the first 2 MiB; what is behind changes all the time.
capacity() {
	wait_disk hot 0 && start_load "$DISK" || return 1
	for _ in $(seq 30); do
		draw 16
		pick generic range data
		echo "resize 0 $((4194304 + DRAWN * 65536)) $PICKED" >"$TMP/hot.ctl"
	done
	tell hot "ok resize 0" resize 0 8388608 && wait_for sectors_are 16384 &&
		dd if=/dev/zero of="$DISK" bs=64k seek=127 count=1 oflag=direct &&
		tell hot "ok resize 0" resize 0 4194304 && wait_for sectors_are 8192 || return 1
	! dd if="$DISK" of="$TMP/beyond" bs=64k skip=127 count=1 iflag=direct ||
		[ ! -s "$TMP/beyond" ] || fail "there is something beyond the end" || return 1
	end_good_load "$DISK"
}

# Two disks say it at the same time, while a third one works.
resets() {
	for resets_num in 11 12; do
		tell hot "ok added $resets_num" \
			add blk "file=$TMP/r$resets_num,size=4M,num=$resets_num" || return 1
	done
	wait_disk hot 0 && resets_other=$DISK && resets_disks='' || return 1
	for resets_num in 11 12; do
		wait_disk hot $resets_num && resets_disks="$resets_disks $DISK" || return 1
	done
	# shellcheck disable=SC2086 # words are wanted
	start_load "$resets_other" $resets_disks || return 1
	for resets_num in 11 12; do
		echo "needs-reset $resets_num" >"$TMP/hot.ctl"
	done
	# shellcheck disable=SC2086
	end_load $resets_disks && resets_disks='' || return 1
	for resets_num in 11 12; do
		resets_name=$(basename "$(device hot $resets_num)")
		echo "$resets_name" >/sys/bus/virtio/drivers/virtio_blk/unbind &&
			echo "$resets_name" >/sys/bus/virtio/drivers/virtio_blk/bind &&
			wait_disk hot $resets_num && resets_disks="$resets_disks $DISK" || return 1
	done
	# shellcheck disable=SC2086
	VERIFY_SIZE=128k verify_disks $resets_disks && end_good_load "$resets_other" &&
		stop hot && nothing_left
}

# --- modules ------------------------------------------------------------------

# While there is I/O nobody goes.
no_order() {
	start hot --blk "file=$TMP/disk0,size=4M" && wait_disk hot 0 &&
		start_load "$DISK" || return 1
	for order_module in virtio_blk virtio_msg_loopback virtio_msg; do
		! rmmod "$order_module" ||
			fail "$order_module went in spite of the I/O" || return 1
	done
	stop hot KILL && end_load "$DISK" && nothing_left
}

# When the program is dead they go in any order in which nobody needs another
# one, and come back in any.
order() {
	start hot --blk "file=$TMP/disk0,size=4M" && wait_disk hot 0 &&
		stop hot KILL || return 1
	order_later=''
	for order_module; do
		rmmod "$order_module" || order_later="$order_later $order_module"
	done
	for order_module in $order_later; do
		rmmod "$order_module" || return 1
	done
	[ ! -e $CLASS ] || fail "the class is still there" || return 1
	for order_module; do
		modprobe "$order_module" || return 1
	done
}

orders() {
	no_order &&
		order virtio_blk virtio_msg_loopback virtio_msg &&
		order virtio_blk virtio_msg virtio_msg_loopback &&
		order virtio_msg virtio_blk virtio_msg_loopback &&
		order virtio_msg virtio_msg_loopback virtio_blk &&
		order virtio_msg_loopback virtio_blk virtio_msg &&
		order virtio_msg_loopback virtio_msg virtio_blk
}

# --- many ---------------------------------------------------------------------

# crowd OPTION...: 64 devices, with numbers from 0 to 65535
crowd() {
	crowd_args=''
	for crowd_i in $(seq 0 63); do
		crowd_num=$((crowd_i * 1040 + crowd_i / 4))
		case $((crowd_i % 8)) in
		0)	crowd_what="--blk file=$TMP/crowd$crowd_i,size=4M" ;;
		*)	crowd_what="--none type=63" ;;
		esac
		crowd_args="$crowd_args $crowd_what,num=$crowd_num"
	done
	rm -f "$TMP"/crowd*
	# shellcheck disable=SC2086 # words are wanted
	start hot $crowd_args "$@" && wait_for crowd_is_there 64 || return 1
	crowd_disks=''
	for crowd_i in 0 56; do
		wait_disk hot $((crowd_i * 1040 + crowd_i / 4)) &&
			crowd_disks="$crowd_disks $DISK" || return 1
	done
	# shellcheck disable=SC2086
	VERIFY_SIZE=64k verify_disks $crowd_disks && start_load "$DISK" &&
		stop hot KILL && end_load "$DISK" && nothing_left
}

crowd_is_there() {
	same "number of devices" "$(find "$CLASS/$(bus hot)/" -name 'virtio[0-9]*' | wc -l)" "$1"
}

# 16 buses, of which every other one dies.
buses() {
	buses_die='' buses_live=''
	for buses_i in $(seq 0 15); do
		start "b$buses_i" --pool-size 2M \
			--blk "file=$TMP/b$buses_i.disk,size=4M" || return 1
	done
	for buses_i in $(seq 0 15); do
		wait_disk "b$buses_i" 0 || return 1
		case $buses_i in
		*[13579])	buses_die="$buses_die $DISK" ;;
		*)		buses_live="$buses_live $DISK" ;;
		esac
	done
	same "number of buses" "$(find $CLASS/ -name 'loopback*' | wc -l)" 16 || return 1
	# shellcheck disable=SC2086 # words are wanted
	set -- $buses_die
	start_load "$8" || return 1
	for buses_i in 1 3 5 7 9 11 13 15; do
		stop "b$buses_i" KILL || return 1
	done
	end_load "$8" || return 1
	# shellcheck disable=SC2086
	set -- $buses_live
	VERIFY_SIZE=64k verify_disks "$1" "$8" || return 1
	for buses_i in 0 2 4 6 8 10 12 14; do
		stop "b$buses_i" || return 1
	done
	nothing_left
}

# --- queues -------------------------------------------------------------------

iface() {
	iface_path=$(device hot "$1") && ls "$iface_path/net" 2>/dev/null
}

# Two network cards with a cable between them, one of them in another world.
# Each new size is a reset of the queue while packets come and go.
queues() {
	modprobe virtio_net 2>/dev/null
	queues_ip=$(which ip)
	! "$queues_ip" netns list | grep -q '^life' || "$queues_ip" netns del life
	start hot --net pair=x --net pair=x && "$queues_ip" netns add life &&
		wait_for iface 0 && wait_for iface 1 || return 1
	queues_a=$(iface 0) queues_b=$(iface 1)
	"$queues_ip" link set "$queues_b" netns life &&
		"$queues_ip" addr add 10.78.0.1/24 dev "$queues_a" &&
		"$queues_ip" link set "$queues_a" up &&
		"$queues_ip" netns exec life "$queues_ip" addr add 10.78.0.2/24 dev "$queues_b" &&
		"$queues_ip" netns exec life "$queues_ip" link set "$queues_b" up &&
		wait_for ping -c 1 -W 1 10.78.0.2 || return 1
	"$queues_ip" netns exec life iperf3 -s >"$TMP/server" 2>&1 &
	echo $! >"$TMP/server.load-pid"
	wait_for listens || return 1
	iperf3 -c 10.78.0.2 -P 2 -t 600 --bidir >"$TMP/client" 2>&1 &
	echo $! >"$TMP/client.load-pid"
	for queues_size in 64 256 32 128; do
		packets_go_on &&
			ethtool -G "$queues_a" rx $queues_size tx $queues_size || return 1
	done
	packets_go_on || return 1
	for queues_i in client server; do
		queues_pid=$(cat "$TMP/$queues_i.load-pid")
		kill -KILL "$queues_pid" && wait_for ended "$queues_pid" &&
			rm "$TMP/$queues_i.load-pid" || return 1
	done
	stop hot && "$queues_ip" netns del life && nothing_left
}

listens() {
	"$queues_ip" netns exec life cat /proc/net/tcp6 /proc/net/tcp | grep -q ":1451 .* 0A "
}

packets_go_on() {
	packets_before=$(cat "/sys/class/net/$queues_a/statistics/rx_packets")
	wait_for more_packets
}

more_packets() {
	[ "$(cat "/sys/class/net/$queues_a/statistics/rx_packets")" -gt \
		$((packets_before + 300)) ]
}

# --- sleep --------------------------------------------------------------------

hibernate() {
	start hot --blk "file=$TMP/disk0,size=4M" --rng && wait_disk hot 0 &&
		start_load "$DISK" || return 1
	freeze_and_thaw && end_good_load "$DISK" &&
		VERIFY_SIZE=128k verify_disks "$DISK" && stop hot && nothing_left
}

plan 10 virtio-msg-device fio
note "SEED=$SEED"
check "$CYCLES devices come and go while a disk is in use" storm
check "a number is another device at once" number
check "capacity changes under I/O" capacity
check "two disks ask for a reset together" resets
check "modules leave and come back in every order" orders
check "64 devices, messages of 52 bytes" crowd --max-msg-size 52
check "64 devices, messages of 65535 bytes" crowd --max-msg-size 65535
check "16 buses, of which 8 are killed" buses
check "rings of a network card are resized under traffic" queues
check "everything is frozen for hibernation under I/O, and thawed" hibernate
