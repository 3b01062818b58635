#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# virtio-console over the loopback bus: a terminal (hvc) and ports for data
# (vport), with every byte compared on both ways.
#
# virtio_console writes to a terminal with interrupts off, under a lock, and
# spins until the device has taken it; khvcd, which each open of a terminal wakes,
# and input spin for that lock. If the program is on such a CPU, nobody takes it
# away, and the machine stands still. So data to a terminal go from one CPU, while
# the program has another one, and one way at a time.

. ./lib.sh

BYTES=1048576

# terminal: sets HVC. All nodes are there; one of them has a console behind it.
terminal() {
	for HVC in /dev/hvc[0-7]; do
		stty -F "$HVC" raw -echo 2>/dev/null && return 0
	done
	return 1
}

# port NUM: sets PORT
port() {
	port_path=$(device con 0) &&
		port_path=$(echo "$port_path"/virtio-ports/vport*p"$1") &&
		PORT=/dev/${port_path##*/} && [ -c "$PORT" ]
}

# moved FROM-COMMAND TO-COMMAND: what goes in comes out
moved() {
	random_file "$TMP/sent" $((BYTES / 1024))
	sh -c "$2" >"$TMP/got" &
	moved_pid=$!
	echo $moved_pid >"$TMP/moved.load-pid"
	sh -c "$1" <"$TMP/sent" || return 1
	wait_for ended $moved_pid || fail "$(wc -c <"$TMP/got") bytes arrived" || return 1
	rm "$TMP/moved.load-pid"
	cmp "$TMP/sent" "$TMP/got"
}

# sleeps PID
sleeps() {
	sed 's/.*) //' "/proc/$1/stat" | grep -q '^S'
}

alone() {
	start con --console "pty=$TMP/pty" && wait_for terminal
}

# Both ends are open all the time: a terminal that nobody has loses data, and
# forgets that it is raw.
by_terminal() {
	khvcd=$(grep -lx khvcd /proc/[0-9]*/comm | tr -dc '0-9\n')
	taskset -p 2 "$(pid con)" && taskset -p 1 "$khvcd" || return 1
	exec 4<>"$HVC" 5<>"$TMP/pty"
	stty -F "$HVC" raw -echo &&
		moved "taskset 1 cat >&4" "head -c $BYTES <&5" &&
		moved "cat >&5" "head -c $BYTES <&4"
	terminal_status=$?
	exec 4>&- 5>&-
	return $terminal_status
}

has_size() {
	[ "$(stty -F "$HVC" size)" = "$1" ]
}

# resized COLS ROWS: a terminal that is open, or there is nothing to resize
resized() {
	exec 4<"$HVC"
	tell con "ok resize 0" resize 0 "$1" "$2" && wait_for has_size "$2 $1"
	resized_status=$?
	exec 4<&-
	return $resized_status
}

resize() {
	resized 132 43 && resized 80 25 && stop con
}

ports() {
	start con --console "pty=$TMP/pty,fifo=$TMP/fifo,name=org.test.1,socket=$TMP/socket" &&
		wait_for terminal && wait_for port 1 && wait_for port 2 || return 1
	port 1
	wait_for grep -qx org.test.1 "$port_path/name"
}

# The order of columns and rows in the message has changed in Linux 6.15: it was
# not that of the standard.
resize_message() {
	resized 90 30 || resized 30 90
}

by_fifo() {
	port 1 && moved "cat >$PORT" "head -c $BYTES $TMP/fifo.out" &&
		moved "cat >$TMP/fifo.in" "head -c $BYTES $PORT"
}

# A reader of a port ends at once when nobody is connected; a writer waits.
by_socket() {
	mkfifo "$TMP/to" "$TMP/from" || return 1
	exec 4<>"$TMP/to" 5<>"$TMP/from"
	socat "UNIX-CONNECT:$TMP/socket" - <&4 >&5 &
	socket_pid=$!
	echo $socket_pid >"$TMP/socket.load-pid"
	port 2 && moved "cat >$PORT" "head -c $BYTES <&5" &&
		moved "cat >&4" "head -c $BYTES $PORT"
	socket_status=$?
	exec 4>&- 5>&-
	kill $socket_pid
	# That it has gone is seen when the port is open.
	wait_for ended $socket_pid && rm "$TMP/socket.load-pid" &&
		[ $socket_status = 0 ] && cat "$PORT" >/dev/null
}

said() {
	tail -n "+$((said_lines + 1))" "$TMP/con.log" | grep -qx "$1"
}

# What is sent to a port that nobody has opened is not lost.
open_close() {
	port 1
	said_lines=$(wc -l <"$TMP/con.log")
	echo early >"$TMP/fifo.in"
	exec 4<>"$PORT"
	wait_for said "console 0 port 1: opened" &&
		{ read -r open_line <&4 && same line "$open_line" early; }
	open_status=$?
	exec 4>&-
	[ $open_status = 0 ] && wait_for said "console 0 port 1: closed"
}

# A reader ends when the other side of its port goes away.
host_leaves() {
	port 2
	socat -u EXEC:"sleep 1000" "UNIX-CONNECT:$TMP/socket" &
	leaves_pid=$!
	echo $leaves_pid >"$TMP/leaves.load-pid"
	echo here >"$PORT" && start_reader "$PORT" && kill $leaves_pid &&
		wait_for ended $leaves_pid && rm "$TMP/leaves.load-pid" && end_reader
}

start_reader() {
	cat "$1" >/dev/null 2>&1 &
	echo $! >"$TMP/reader.load-pid"
	wait_for sleeps $!
}

end_reader() {
	reader_pid=$(cat "$TMP/reader.load-pid")
	wait_for ended "$reader_pid" || {
		cat "/proc/$reader_pid/stack"
		return 1
	}
	rm "$TMP/reader.load-pid"
}

removed() {
	port 1 && start_reader "$PORT" && tell con "removed 0" remove 0 &&
		end_reader && not port 1 && stop con
}

# killed NODE: while somebody reads from it
killed() {
	ports && case $1 in
	terminal)	killed_node=$HVC ;;
	port)		port 1 && echo here >"$PORT" && killed_node=$PORT ;;
	esac && start_reader "$killed_node" && stop con KILL && end_reader &&
		wait_for no_buses && wait_for no_stuck_task
}

again() {
	ports && by_fifo && stop con
}

mkdir -p /dev/pts
grep -q ' /dev/pts ' /proc/mounts || mount -t devpts none /dev/pts
[ -d /sys/class/virtio-ports ] || modprobe virtio_console 2>/dev/null ||
	skip_all "no module virtio_console"
[ "$(nproc)" -gt 1 ] || skip_all "a terminal needs a second CPU"
plan 14 virtio-msg-device socat taskset
check "a console alone" alone
check "both ways of a terminal" by_terminal
check "it gets other sizes" resize
check "a console and two ports" ports
check "a size by message" resize_message
check "both ways of a port on FIFOs" by_fifo
check "both ways of a port on a socket" by_socket
check "a port is opened and closed" open_close
check "the other side leaves" host_leaves
check "removed while somebody reads" removed
check "killed while somebody reads from the console" killed terminal
check "killed while somebody reads from a port" killed port
check "it works again" again
check "nothing is left" nothing_left
