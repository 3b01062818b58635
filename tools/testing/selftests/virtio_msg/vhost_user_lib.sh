# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# What the tests of virtio-msg-vhost-user share. Sourced after lib.sh, never run.

# run_back NAME SOCKET PROGRAM...: a back end that listens when this returns;
# "stop NAME.back" ends it.
run_back() {
	back_name=$1 back_socket=$2
	shift 2
	rm -f "$back_socket"
	"$@" >"$TMP/$back_name.back.log" 2>&1 &
	echo $! >"$TMP/$back_name.back.pid"
	wait_for test -S "$back_socket" || {
		cat "$TMP/$back_name.back.log"
		return 1
	}
}

# front NAME OPTION...: virtio-msg-vhost-user; otherwise as start of lib.sh.
front() {
	front_name=$1
	shift
	# The last one was ready too.
	rm -f "$TMP/$front_name.bus" "$TMP/$front_name.log"
	virtio-msg-vhost-user "$@" >"$TMP/$front_name.log" 2>&1 &
	echo $! >"$TMP/$front_name.pid"
	if wait_for start_is_ready "$front_name"; then
		sed -n 's/^ready: \([^,]*\),.*/\1/p' "$TMP/$front_name.log" \
			>"$TMP/$front_name.bus"
	else
		cat "$TMP/$front_name.log" "$TMP/$front_name.back.log"
		return 1
	fi
}
