#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# kernel: kinds
#
# GPIO lines: what the program does outside of the lines is read by the tools of
# everybody (gpiod), what they drive is seen by the program, and edges interrupt.

. ./lib.sh

# The folder of the chip
chip_path() {
	for chip_path in "$(device pins 0)"/gpiochip*; do
		[ -c "/dev/${chip_path##*/}" ] || return 1
		echo "${chip_path##*/}"
	done
}

begin() {
	start pins --gpio "lines=5,names=door::bell:lamp" && wait_for chip_path >/dev/null &&
		CHIP=$(chip_path)
}

# line NUM: what the program says about it
line() {
	tell pins "ok gpio 0" gpio 0 &&
		sed -n "s/^gpio 0: line $1 //p" "$TMP/pins.log" | tail -n 1
}

line_is() {
	same "line $1" "$(line "$1")" "$2"
}

drive() {
	tell pins "ok gpio 0" gpio 0 "$1" "$2"
}

named() {
	gpioinfo "$CHIP" >"$TMP/info"
	cat "$TMP/info"
	same lines "$(grep -c '^	line' "$TMP/info")" 5 &&
		grep -q '^	line *0: *"door"' "$TMP/info" &&
		grep -q '^	line *1: *unnamed' "$TMP/info" &&
		grep -q '^	line *2: *"bell"' "$TMP/info" &&
		grep -q '^	line *3: *"lamp"' "$TMP/info" &&
		grep -q '^	line *4: *unnamed' "$TMP/info"
}

inputs() {
	for inputs_level in 1 0 1; do
		drive 2 $inputs_level &&
			same bell "$(gpioget "$CHIP" 2)" $inputs_level || return 1
	done
	same others "$(gpioget "$CHIP" 0 1 4)" "0 0 0"
}

# The lamp is on as long as somebody holds the line.
outputs() {
	gpioset --mode=signal "$CHIP" 3=1 &
	outputs_pid=$!
	wait_for line_is 3 "out 1" >"$TMP/line" &&
		tell pins "error gpio 0" gpio 0 3 0 &&
		line_is 2 "unused 1" || return 1
	kill $outputs_pid
	wait_for line_is 3 "unused 0" >"$TMP/line"
}

# listen LINE EDGES OPTION...: waits for as many edges of a line
listen() {
	listen_line=$1 listen_edges=$2
	shift 2
	gpiomon --num-events="$listen_edges" --format=%e "$@" "$CHIP" "$listen_line" >"$TMP/edges" &
	listen_pid=$!
	wait_for line_is "$listen_line" "in $(line "$listen_line" | sed 's/.* //')"
}

# heard EDGES: 1 rising, 0 falling
heard() {
	wait_for ended "$listen_pid" || {
		kill "$listen_pid"
		cat "$TMP/edges"
		return 1
	}
	same edges "$(xargs <"$TMP/edges")" "$1"
}

edges() {
	drive 0 0 && listen 0 4 || return 1
	edges_seen=0
	for edges_level in 1 0 1 0; do
		drive 0 $edges_level || return 1
		edges_seen=$((edges_seen + 1))
		[ $edges_seen = 4 ] || wait_for armed || return 1
	done
	heard "1 0 1 0"
}

# The kernel has given the program a buffer for the next edge.
armed() {
	tell pins "ok stats" stats || return 1
	armed_buffers=$(sed -n 's/^device 0 queue 1:* .*buffers \([0-9]*\).*/\1/p' "$TMP/pins.log" |
		tail -n 1)
	[ "$armed_buffers" -gt "$edges_seen" ]
}

rising() {
	drive 0 0 && listen 0 2 --rising-edge || return 1
	for rising_level in 1 0 0 1; do
		drive 0 $rising_level || return 1
	done
	heard "1 1"
}

unbound() {
	unbound_device=$(device pins 0)
	echo "${unbound_device##*/}" >/sys/bus/virtio/drivers/gpio_virtio/unbind || return 1
	! chip_path >/dev/null || fail "the chip is still there"
}

end() {
	stop pins && nothing_left
}

plan 8 virtio-msg-device gpioinfo gpioget gpioset gpiomon
modprobe gpio-virtio 2>/dev/null || skip_all "no module gpio-virtio"
check "five lines" begin
check "their names" named
check "what is outside is read" inputs
check "what is driven is seen outside" outputs
check "each edge interrupts" edges
check "only rising edges do if so asked" rising
check "the driver goes" unbound
check "nothing is left" end
