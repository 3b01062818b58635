#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# virtio-vsock over the loopback bus: this machine is the guest and the host.
# Whatever goes through AF_VSOCK is on the guest's side, and the UNIX sockets are
# the host's. socat is the program at each end.

. ./lib.sh

# More than the credit of a connection, and than all the buffers on the way.
KIBIBYTES=3000

# bg NAME COMMAND...: in the background; it is killed at the end if need be
bg() {
	bg_name=$1
	shift
	"$@" >"$TMP/$bg_name.said" 2>&1 &
	echo $! >"$TMP/$bg_name.load-pid"
}

# over NAME: has ended. Sets STATUS.
over() {
	over_pid=$(cat "$TMP/$1.load-pid")
	wait_for ended "$over_pid" || {
		cat "$TMP/$1.said" "/proc/$over_pid/stack"
		return 1
	}
	wait "$over_pid"
	STATUS=$?
	rm "$TMP/$1.load-pid"
}

# good NAME: and that without an error
good() {
	over "$1" || return 1
	[ "$STATUS" = 0 ] || {
		cat "$TMP/$1.said"
		fail "$1 ended with $STATUS"
	}
}

broken() {
	over "$1" || return 1
	[ "$STATUS" != 0 ] || fail "$1 has not noticed"
}

# host_listens PORT SOCAT-ARGUMENT...: LISTEN stands for the socket
host_listens() {
	listens_port=$1
	rm -f "$TMP/vs_$1"
	bg "host$1" socat "$2" "$3" "$4" || return 1
	wait_for [ -S "$TMP/vs_$listens_port" ]
}

begin() {
	start vs --vsock "socket=$TMP/vs,cid=77" &&
		wait_for device vs 0 >/dev/null &&
		wait_for [ -e "$(device vs 0)/driver" ] &&
		random_file "$TMP/data" $KIBIBYTES
}

guest_sends() {
	rm -f "$TMP/got"
	host_listens 1000 -u "UNIX-LISTEN:$TMP/vs_1000" "CREATE:$TMP/got" &&
		socat -u "FILE:$TMP/data" VSOCK-CONNECT:2:1000 &&
		good host1000 && cmp "$TMP/data" "$TMP/got"
}

guest_receives() {
	host_listens 1001 -u "FILE:$TMP/data" "UNIX-LISTEN:$TMP/vs_1001" &&
		socat -u VSOCK-CONNECT:2:1001 "CREATE:$TMP/got" &&
		good host1001 && cmp "$TMP/data" "$TMP/got"
}

# Both at once: neither direction may wait for the other.
guest_echoes() {
	host_listens 1002 -t30 "UNIX-LISTEN:$TMP/vs_1002" EXEC:cat &&
		socat -t30 - VSOCK-CONNECT:2:1002 <"$TMP/data" >"$TMP/got" &&
		good host1002 && cmp "$TMP/data" "$TMP/got"
}

# host_asks PORT FILE: the answer, and what the guest sends, in $TMP/answer
host_asks() {
	{
		echo "CONNECT $1"
		cat "$2"
	} | socat -t30 - "UNIX-CONNECT:$TMP/vs" >"$TMP/answer" 2>"$TMP/asks.said"
	grep -a -q -m 1 '^OK [1-9][0-9]*$' "$TMP/answer"
}

# Until it listens it refuses, which ends the program on the host's side.
host_sends() {
	bg guest socat -u VSOCK-LISTEN:2000 "CREATE:$TMP/got" &&
		wait_for host_asks 2000 "$TMP/data" &&
		good guest && cmp "$TMP/data" "$TMP/got"
}

host_receives() {
	bg guest socat -u "FILE:$TMP/data" VSOCK-LISTEN:2001 &&
		wait_for host_asks 2001 /dev/null && good guest || return 1
	sed 1d "$TMP/answer" >"$TMP/got"
	cmp "$TMP/data" "$TMP/got"
}

host_echoes() {
	bg guest socat -t30 VSOCK-LISTEN:2002 EXEC:cat &&
		wait_for host_asks 2002 "$TMP/data" && good guest || return 1
	sed 1d "$TMP/answer" >"$TMP/got"
	cmp "$TMP/data" "$TMP/got"
}

nobody_on_host() {
	! socat -u FILE:/dev/null VSOCK-CONNECT:2:4444 2>"$TMP/refused" ||
		fail "it was accepted" || return 1
	grep -q 'Connection reset' "$TMP/refused" || {
		cat "$TMP/refused"
		fail "it failed in another way"
	}
}

nobody_in_guest() {
	! host_asks 4444 /dev/null || fail "it was accepted" || return 1
	[ ! -s "$TMP/answer" ] || {
		cat "$TMP/answer"
		fail "there was an answer"
	}
}

# The other end takes a part of it, and goes.
host_closes() {
	host_listens 1003 -u "UNIX-LISTEN:$TMP/vs_1003" \
		"SYSTEM:head -c 100000 >$TMP/part" &&
		bg guest socat -u FILE:/dev/zero VSOCK-CONNECT:2:1003 &&
		broken guest && over host1003 &&
		same "bytes that were read" "$(stat -c %s "$TMP/part")" 100000
}

guest_closes() {
	bg guest socat -u VSOCK-LISTEN:2003 "SYSTEM:head -c 100000 >$TMP/part" &&
		wait_for host_asks 2003 /dev/zero && over guest &&
		same "bytes that were read" "$(stat -c %s "$TMP/part")" 100000
}

MANY=40

many() {
	dd if="$TMP/data" of="$TMP/some" bs=1k count=50 2>/dev/null
	host_listens 1004 -t30 "UNIX-LISTEN:$TMP/vs_1004,fork,backlog=64" EXEC:cat ||
		return 1
	for many_turn in $(seq $MANY); do
		bg "many$many_turn" many_one "$many_turn"
	done
	for many_turn in $(seq $MANY); do
		good "many$many_turn" || return 1
	done
	kill "$(cat "$TMP/host1004.load-pid")" && over host1004
}

many_one() {
	socat -t30 - VSOCK-CONNECT:2:1004 <"$TMP/some" >"$TMP/many$1.got" &&
		cmp "$TMP/some" "$TMP/many$1.got" && rm "$TMP/many$1.got"
}

# One connection that goes on until something ends it.
traffic() {
	host_listens 1005 -u "UNIX-LISTEN:$TMP/vs_1005" OPEN:/dev/null &&
		bg guest socat -u FILE:/dev/zero VSOCK-CONNECT:2:1005 &&
		traffic_before=$(traffic_bytes) && wait_for traffic_flows
}

traffic_bytes() {
	awk '/^wchar/ { print $2 }' "/proc/$(cat "$TMP/guest.load-pid")/io"
}

traffic_flows() {
	[ "$(traffic_bytes)" -gt $((traffic_before + 1000000)) ]
}

new_number() {
	traffic && tell vs "ok transport-reset 0" transport-reset 0 78 &&
		broken guest && over host1005 && guest_sends && host_sends
}

unbind() {
	traffic || return 1
	unbind_name=$(device vs 0) unbind_name=${unbind_name##*/}
	unbind_driver=$(readlink -f "$(device vs 0)/driver")
	echo "$unbind_name" >"$unbind_driver/unbind" && broken guest &&
		over host1005 || return 1
	! host_asks 2000 /dev/null || fail "somebody answered" || return 1
	echo "$unbind_name" >"$unbind_driver/bind" && guest_sends && host_sends
}

remove() {
	traffic && tell vs "removed 0" remove 0 && broken guest && over host1005 &&
		[ ! -e "$TMP/vs" ] &&
		tell vs "ok added 0" add vsock "socket=$TMP/vs,num=0" &&
		wait_for device vs 0 >/dev/null &&
		wait_for [ -e "$(device vs 0)/driver" ] && guest_sends && host_sends
}

# What it leaves behind is in nobody's way.
kill_busy() {
	traffic && stop vs KILL && broken guest && over host1005 && nothing_left &&
		[ -S "$TMP/vs" ] && begin && guest_sends && host_sends
}

end() {
	stop vs && [ ! -e "$TMP/vs" ] && nothing_left
}

modprobe vmw_vsock_virtio_transport 2>/dev/null ||
	[ -d /sys/bus/virtio/drivers/vmw_vsock_virtio_transport ] ||
	skip_all "this kernel has no driver for virtio vsock"
plan 17 virtio-msg-device socat
check "a bus with sockets" begin
check "the guest connects and sends" guest_sends
check "the guest connects and receives" guest_receives
check "the guest connects, and all comes back" guest_echoes
check "the host connects and sends" host_sends
check "the host connects and receives" host_receives
check "the host connects, and all comes back" host_echoes
check "nobody listens on the host" nobody_on_host
check "nobody listens in the guest" nobody_in_guest
check "the host closes in the middle" host_closes
check "the guest closes in the middle" guest_closes
check "$MANY connections at once" many
check "the guest gets another number under traffic" new_number
check "the driver is unbound under traffic" unbind
check "the device is removed under traffic" remove
check "SIGKILL under traffic" kill_busy
check "nothing is left" end
