#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# virtio-net over the loopback bus, on a tap and back to back. The driver's
# interface goes into a network namespace of its own, or this kernel would not
# send between the two ends.

. ./lib.sh

MAC=02:11:22:33:44:55
TAP=vmsgtap
A=10.77.0.1 B=10.77.0.2

# A shell of busybox takes its own one, which knows no namespaces.
IP=$(which ip)

ip() {
	"$IP" "$@"
}

ns() {
	ip netns exec "$@"
}

# iface NUM: the interface of a device
iface() {
	iface_path=$(device net "$1") && ls "$iface_path/net" 2>/dev/null
}

# place NUM NAMESPACE ADDRESS: configure a device's interface there; sets IF
place() {
	wait_for iface "$1" >/dev/null || return 1
	IF=$(iface "$1")
	ip link set "$IF" netns "$2" &&
		ns "$2" ip addr add "$3/24" dev "$IF" &&
		ns "$2" ip link set lo up &&
		ns "$2" ip link set "$IF" up
}

# spaces: two fresh namespaces a and b. The tap is in b, and so is its program's
# other end then.
spaces() {
	for spaces_name in a b; do
		! ip netns list | grep -q "^$spaces_name\b" ||
			ip netns del $spaces_name || return 1
		ip netns add $spaces_name || return 1
	done
}

# on_tap NET-OPTIONS OPTION...: a device in namespace a, its tap in b. It does
# not matter to the program where the interface is.
on_tap() {
	on_tap_net=$1
	shift
	spaces && start net --net "tap=$TAP,mac=$MAC$on_tap_net" "$@" &&
		ip link set $TAP netns b &&
		ns b ip addr add $B/24 dev $TAP &&
		ns b ip link set lo up &&
		ns b ip link set $TAP up &&
		place 0 a $A && reaches a $B
}

# back_to_back NET-OPTIONS OPTION...: device 0 in namespace a, 1 in b
back_to_back() {
	back_net=$1
	shift
	spaces && start net --net "pair=x$back_net" --net "pair=x$back_net" "$@" &&
		place 0 a $A && IF_A=$IF && place 1 b $B && IF_B=$IF &&
		reaches a $B
}

# reaches NAMESPACE ADDRESS
reaches() {
	wait_for ns "$1" ping -c 1 -W 1 "$2" >/dev/null
}

pings() {
	ns a ping -c 3 -i 0.1 -s 1000 $B && ns b ping -c 3 -i 0.1 -s 5000 $A
}

# The numbers that iperf3 prints tell nothing about this: it is the emulator.
iperf() {
	ns a iperf3 -s -1 >"$TMP/iperf" 2>&1 &
	iperf_pid=$!
	wait_for iperf_listens || return 1
	ns b iperf3 -c $A -n 2M "$@" || return 1
	wait $iperf_pid
}

iperf_listens() {
	ns a cat /proc/net/tcp6 /proc/net/tcp | grep -q ":1451 .* 0A "
}

iperfs() {
	iperf && iperf -R && iperf -u -b 20M -n 300K -l 1400
}

# transfer FROM TO ADDRESS: a file, which must be the same there; FROM has ADDRESS
transfer() {
	ns "$1" httpd -f -p 7777 -h "$TMP" &
	transfer_pid=$!
	echo $transfer_pid >"$TMP/transfer.load-pid"
	wait_for http_listens "$1" &&
		ns "$2" wget -q -O "$TMP/got" "http://$3:7777/sent" &&
		cmp "$TMP/sent" "$TMP/got" || return 1
	kill $transfer_pid
	wait_for ended $transfer_pid && rm "$TMP/transfer.load-pid"
}

http_listens() {
	ns "$1" cat /proc/net/tcp /proc/net/tcp6 | grep -q ":1E61 .* 0A "
}

files() {
	random_file "$TMP/sent" 600 && transfer a b $A && transfer b a $B
}

properties() {
	same address "$(ns a ip -o link show "$IF" | sed 's,.*link/ether \([^ ]*\).*,\1,')" $MAC &&
		same mtu "$(ns a ip -o link show "$IF" | sed 's/.* mtu \([0-9]*\).*/\1/')" 1400
}

# The process that keeps the tap may outlive the program, and then must not keep
# its bus by a mapping of the pool.
helper() {
	grep -q rw-s "/proc/$(pid net)/maps" || fail "no pool is mapped" || return 1
	helper_pid=$(pidof vmsg-tap) && not grep rw-s "/proc/$helper_pid/maps"
}

# ethtool_has WORD VALUE
ethtool_has() {
	same "$1" "$(ns a ethtool -k "$IF" | sed -n "s/^[[:space:]]*$1: //p")" "$2"
}

with_offloads() {
	ethtool_has tx-checksum-ip-generic on &&
		ethtool_has tx-tcp-segmentation on
}

without_offloads() {
	on_tap ,offloads=off && ethtool_has tx-checksum-ip-generic "off [fixed]" &&
		ethtool_has tx-tcp-segmentation "off [fixed]" &&
		pings && files && stop net
}

carrier() {
	ns "$1" ip -o link show "$2" | grep -q "$3"
}

up_down() {
	tell net "ok link 0" link 0 down &&
		wait_for carrier a "$IF" NO-CARRIER && wait_for carrier b $TAP NO-CARRIER &&
		tell net "ok link 0" link 0 up &&
		wait_for carrier a "$IF" LOWER_UP && wait_for carrier b $TAP LOWER_UP &&
		reaches a $B
}

# IPv6 finds its neighbours by multicast: the driver's table lets it in.
multicast() {
	multicast_address=$(ns a ip -6 -o addr show dev "$IF" | sed 's,.*inet6 \([^/]*\)/.*,\1,')
	wait_for ns b ping -6 -c 1 -W 1 "$multicast_address%$TAP"
}

# Rings of another size, each after a reset of the queue.
ring_sizes() {
	for ring_size in 64 256; do
		ns a ethtool -G "$IF" rx $ring_size tx $ring_size &&
			transfer b a $B && transfer a b $A || return 1
	done
}

# used NUM QUEUE...: packets have gone through all of these
used() {
	used_num=$1
	shift
	tell net "ok stats" stats || return 1
	for used_queue; do
		grep -q "^device $used_num queue $used_queue: buffers [1-9]" "$TMP/net.log" || {
			grep "^device" "$TMP/net.log"
			fail "queue $used_queue was not used"
		} || return 1
	done
}

many_flows() {
	ns a iperf3 -s -1 >"$TMP/iperf" 2>&1 &
	wait_for iperf_listens && ns b iperf3 -c $A -P 12 -n 1M "$@"
}

queue_pairs() {
	on_tap ,queues=4 && ns a ethtool -L "$IF" combined 4 &&
		many_flows && used 0 0 1 2 3 4 5 6 7 8 &&
		ns a ethtool -L "$IF" combined 2 && many_flows -R && files &&
		ns a ethtool -L "$IF" combined 1 && files &&
		same "number of queues" "$(ns a ethtool -l "$IF" |
			sed -n 's/^Combined:[[:space:]]*//p' | tr '\n' ' ')" "4 1 " &&
		! ns a ethtool -L "$IF" combined 5 && stop net
}

ends() {
	pings && iperfs && files
}

pair_up_down() {
	tell net "ok link 1" link 1 down &&
		wait_for carrier a "$IF_A" NO-CARRIER && wait_for carrier b "$IF_B" NO-CARRIER &&
		tell net "ok link 1" link 1 up && wait_for carrier a "$IF_A" LOWER_UP &&
		reaches a $B
}

# One end goes and comes back: that is a cable pulled out for the other one.
pair_remove() {
	tell net "removed 1" remove 1 && wait_for carrier a "$IF_A" NO-CARRIER &&
		tell net "ok added 1" add net pair=x,num=1 && place 1 b $B && IF_B=$IF &&
		wait_for carrier a "$IF_A" LOWER_UP && reaches b $A && files
}

# A receiver that is down takes nothing: the sender must not wait for ever.
pair_asleep() {
	asleep_neigh=$(ns b ip -o link show "$IF_B" | sed 's,.*link/ether \([^ ]*\).*,\1,')
	ns a ip neigh replace $B lladdr "$asleep_neigh" dev "$IF_A" nud permanent &&
		ns b ip link set "$IF_B" down &&
		ns a ping -c 700 -i 0.002 -W 1 $B >/dev/null
	ns b ip link set "$IF_B" up && reaches a $B && files
}

# traffic: as much as there can be, until it is stopped
traffic() {
	ns a iperf3 -s >"$TMP/iperf" 2>&1 &
	echo $! >"$TMP/server.load-pid"
	wait_for iperf_listens || return 1
	ns b iperf3 -c $A -P 2 -b 10M -t 600 --bidir >"$TMP/client" 2>&1 &
	echo $! >"$TMP/client.load-pid"
	traffic_before=$(packets)
	wait_for traffic_runs
}

packets() {
	ns b ip -o -s link show "$1" |
		sed 's/.*RX: *bytes *packets[^\\]*\\ *[0-9]* *\([0-9]*\).*/\1/'
}

traffic_runs() {
	[ "$(packets $TAP)" -gt "$((${traffic_before:-0} + 300))" ]
}

no_traffic() {
	for traffic_name in client server; do
		traffic_pid=$(cat "$TMP/$traffic_name.load-pid")
		kill -KILL "$traffic_pid"
		wait_for ended "$traffic_pid" && rm "$TMP/$traffic_name.load-pid" || return 1
	done
}

killed() {
	on_tap "" && traffic && stop net KILL && no_traffic &&
		wait_for no_buses && wait_for no_stuck_task &&
		on_tap "" && files
}

rebind() {
	traffic || return 1
	rebind_name=$(basename "$(device net 0)")
	for rebind_turn in 1 2; do
		note "turn $rebind_turn"
		echo "$rebind_name" >/sys/bus/virtio/drivers/virtio_net/unbind &&
			echo "$rebind_name" >/sys/bus/virtio/drivers/virtio_net/bind &&
			place 0 a $A && reaches a $B || return 1
	done
	no_traffic && files && stop net
}

end() {
	ip netns del a && ip netns del b && nothing_left
}

for module in tun virtio_net; do
	modprobe $module 2>/dev/null || [ -d /sys/module/$module ] ||
		skip_all "no module $module"
done
ip netns list >/dev/null 2>&1 || skip_all "no ip with network namespaces"
plan 22 virtio-msg-device ip iperf3 ethtool httpd wget
check "a device on a tap" on_tap ,mtu=1400
check "its address and MTU" properties
check "the pool is not the helper's" helper
check "its offloads are on" with_offloads
check "ping" pings
check "iperf3 in both directions" iperfs
check "a file in both directions" files
check "link down and up" up_down
check "multicast" multicast
check "rings of other sizes" ring_sizes
check "it stops" stop net
check "offloads off" without_offloads
check "4 pairs of queues, then fewer" queue_pairs
check "two devices back to back" back_to_back ""
check "ping, iperf3 and a file between them" ends
check "one goes down, one is removed" pair_up_down
check "one is removed and added" pair_remove
check "one is asleep" pair_asleep
check "they stop" stop net
check "killed under traffic, started again" killed
check "unbound and bound under traffic" rebind
check "nothing is left" end
