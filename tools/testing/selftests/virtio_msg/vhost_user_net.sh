#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A network card that is a vhost-user back end: DPDK's testpmd, which answers ARP
# and pings by itself. Its vhost library is a relative of nobody else's.

. ./lib.sh
. ./vhost_user_lib.sh

DRIVER=/sys/bus/virtio/drivers/virtio_net
MAC=52:54:00:12:34:56

# pmd NAME: a driver of DPDK, wherever it is
pmd() {
	for pmd_file in "/usr/bin/librte_$1.so."*.* \
		/usr/lib/*/dpdk/pmds-*/"librte_$1.so."*.*; do
		[ ! -e "$pmd_file" ] || break
	done
	echo "$pmd_file"
}

# It ends with its input, so that is something that never comes.
back() {
	[ -p "$TMP/never" ] || mkfifo "$TMP/never"
	# shellcheck disable=SC2016 # for the other shell
	run_back net "$TMP/net.sock" sh -c 'exec "$@" <>"$0"' "$TMP/never" \
		dpdk-testpmd --no-huge -m 128 --no-pci --no-telemetry --no-shconf -l 0,1 \
		-d "$(pmd mempool_ring)" -d "$(pmd net_vhost)" \
		--vdev "net_vhost0,iface=$TMP/net.sock" -- \
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

begin() {
	back && front net --socket "$TMP/net.sock" --device net --mac $MAC --mtu 1400 \
		--timeout-ms 2000 && wait_card || return 1
	DEVICE=$(device net 0)
	NAME=${DEVICE##*/}
	same address "$(cat "/sys/class/net/$CARD/address")" $MAC &&
		same mtu "$(cat "/sys/class/net/$CARD/mtu")" 1400
}

answers() {
	ping -c 1 -W 1 10.77.0.2
}

works() {
	wait_for answers >/dev/null || {
		cat "$TMP/net.log" "$TMP/net.back.log"
		return 1
	}
	for works_size in 1 56 500 1372; do
		ping -q -c 5 -W 5 -A -s $works_size 10.77.0.2 || return 1
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

killed() {
	stop net.back KILL && back && wait_for is_back || return 1
	same state "$(cat "$DEVICE/virtio_msg/state")" running && works
}

end() {
	stop net && stop net.back KILL && nothing_left
}

[ -e "$(pmd net_vhost)" ] || skip_all "no DPDK driver net_vhost"
modprobe virtio_net 2>/dev/null || [ -d $DRIVER ] || skip_all "no module virtio_net"
plan 5 virtio-msg-vhost-user dpdk-testpmd ip
check "a card with address and MTU" begin
check "ARP and pings of all sizes" works
check "5 times unbind and bind" again
check "back end killed and restarted, and the card stays" killed
check "nothing is left" end
