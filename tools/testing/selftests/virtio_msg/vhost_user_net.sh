#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A network card that is a vhost-user back end: DPDK's testpmd, which answers ARP
# and pings by itself. Its vhost library is a relative of nobody else's. A reply
# leaves by the queue pair that its request came by.

. ./lib.sh
. ./vhost_user_lib.sh

DRIVER=/sys/bus/virtio/drivers/virtio_net
MAC=52:54:00:12:34:56
TRACE=/sys/kernel/tracing

# pmd NAME: a driver of DPDK, wherever it is
pmd() {
	for pmd_file in "/usr/bin/librte_$1.so."*.* \
		/usr/lib/*/dpdk/pmds-*/"librte_$1.so."*.*; do
		[ ! -e "$pmd_file" ] || break
	done
	echo "$pmd_file"
}

# back QUEUE-PAIRS: it ends with its input, so that is something that never comes.
back() {
	[ -p "$TMP/never" ] || mkfifo "$TMP/never"
	# shellcheck disable=SC2016 # for the other shell
	run_back net "$TMP/net.sock" sh -c 'exec "$@" <>"$0"' "$TMP/never" \
		dpdk-testpmd --no-huge -m 128 --no-pci --no-telemetry --no-shconf -l 0,1 \
		-d "$(pmd mempool_ring)" -d "$(pmd net_vhost)" \
		--vdev "net_vhost0,iface=$TMP/net.sock,queues=$1" -- \
		--rxq="$1" --txq="$1" \
		--forward-mode=icmpecho --auto-start --no-mlockall \
		--total-num-mbufs=4096 --nb-cores=1
}

card() {
	card_path=$(device net 0) || return 1
	for card_path in "$card_path"/net/*; do
		[ -e "$card_path" ] || return 1
		echo "${card_path##*/}"
	done
}

# A new card has neither address nor state.
wait_card() {
	wait_for card >/dev/null || {
		cat "$TMP/net.log" "$TMP/net.back.log"
		fail "there is no card"
	} || return 1
	CARD=$(card)
	ip addr add 10.77.0.1/24 dev "$CARD" && ip link set "$CARD" up
}

# pairs: how many queue pairs there can be, and how many are used
pairs() {
	ethtool -l "$CARD" | sed -n 's/^Combined:[[:space:]]*//p' | tr '\n' ' '
}

# begin QUEUE-PAIRS [OPTION...]: a card, and a back end that serves so many
begin() {
	begin_pairs=$1
	shift
	back "$begin_pairs" && front net --socket "$TMP/net.sock" --device net \
		--mac $MAC --mtu 1400 --timeout-ms 2000 "$@" && wait_card || return 1
	DEVICE=$(device net 0)
	NAME=${DEVICE##*/}
	same address "$(cat "/sys/class/net/$CARD/address")" $MAC &&
		same mtu "$(cat "/sys/class/net/$CARD/mtu")" 1400 &&
		same pairs "$(pairs)" "$begin_pairs $begin_pairs "
}

answers() {
	ping -c 1 -W 1 10.77.0.2
}

# works: pings of both processors, as each has its own queue pair if there are two
works() {
	wait_for answers >/dev/null || {
		cat "$TMP/net.log" "$TMP/net.back.log"
		return 1
	}
	for works_size in 1 56 500 1372; do
		for works_cpu in 1 2; do
			taskset $works_cpu ping -q -c 5 -W 5 -A -s $works_size 10.77.0.2 ||
				return 1
		done
	done
}

again() {
	for again_turn in 1 2 3 4 5; do
		echo "$NAME" >$DRIVER/unbind && [ ! -e "$DEVICE/net" ] &&
			echo "$NAME" >$DRIVER/bind && wait_card ||
			fail "turn $again_turn" || return 1
	done
	works
}

is_back() {
	grep -q 'is there again' "$TMP/net.log"
}

# killed QUEUE-PAIRS: the next back end has as many
killed() {
	stop net.back KILL && back "$1" && wait_for is_back || return 1
	same state "$(cat "$DEVICE/virtio_msg/state")" running && works
}

# events 0|1: note which queue each packet takes, or no more
events() {
	for events_name in net_dev_start_xmit napi_gro_receive_entry; do
		echo "$1" >"$TRACE/events/net/$events_name/enable" || return 1
	done
}

# noted EVENT QUEUE NUMBER: at least so many packets of IPv4, which nobody but ping
# sends, and all by this queue
noted() {
	grep "$1: dev=$CARD .*protocol=0x0800" "$TRACE/trace" >"$TMP/noted"
	noted_all=$(grep -c '' "$TMP/noted")
	noted_here=$(grep -c "queue_mapping=$2\b" "$TMP/noted")
	if [ "$noted_here" -lt "$3" ] || [ "$noted_here" != "$noted_all" ]; then
		cat "$TMP/noted"
		fail "$1: queue $2 has $noted_here of $noted_all packets"
	fi
}

# carries: pings of each processor go and come by its own queue pair. What came
# counts its queues from 1.
carries() {
	for carries_cpu in 0 1; do
		: >"$TRACE/trace"
		events 1 || return 1
		taskset $((carries_cpu + 1)) ping -q -c 20 -W 5 -A 10.77.0.2
		carries_status=$?
		events 0
		[ $carries_status = 0 ] &&
			noted net_dev_start_xmit $carries_cpu 20 &&
			noted napi_gro_receive_entry $((carries_cpu + 1)) 20 ||
			return 1
	done
}

several() {
	begin 2 --queues 2 && works && carries
}

one_of_two() {
	ethtool -L "$CARD" combined 1 && same "pairs then" "$(pairs)" "2 1 " && works &&
		ethtool -L "$CARD" combined 2 && same "pairs again" "$(pairs)" "2 2 " &&
		carries
}

too_many() {
	! ethtool -L "$CARD" combined 3 && carries
}

several_killed() {
	killed 2 && same pairs "$(pairs)" "2 2 " && carries
}

several_again() {
	again && carries
}

end() {
	stop net && stop net.back KILL && nothing_left
}

[ -e "$(pmd net_vhost)" ] || skip_all "no DPDK driver net_vhost"
modprobe virtio_net 2>/dev/null || [ -d $DRIVER ] || skip_all "no module virtio_net"
[ "$(nproc)" -gt 1 ] || skip_all "testpmd needs two processors"
[ -d $TRACE/events ] || mount -t tracefs none $TRACE || skip_all "no tracefs"
plan 11 virtio-msg-vhost-user dpdk-testpmd ip ethtool taskset
check "a card with address and MTU" begin 1
check "ARP and pings of all sizes" works
check "5 times unbind and bind" again
check "back end killed and restarted, and the card stays" killed 1
check "nothing is left" end
check "2 queue pairs, and both carry packets" several
check "1 of the 2, and both again" one_of_two
check "back end killed and restarted, and both go on" several_killed
check "5 times unbind and bind, and both carry packets" several_again
check "3 are refused" too_many
check "nothing is left of that either" end
