#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Keyboard, mouse and tablet: what is typed into the device program arrives at
# /dev/input, each byte of it, and the lights that are switched there are seen
# by the program.

. ./lib.sh

# Places of the 8 bytes that are not a time in a struct input_event, as text.
EVENT=49-72

# input_of NUM: the folder of the input device
input_of() {
	for input_path in "$(device kbd "$1")"/input/input*; do
		[ -e "$input_path/name" ] || return 1
		echo "$input_path"
	done
}

# event_of NUM: eventN
event_of() {
	for event_path in "$(input_of "$1")"/event*; do
		[ -c "/dev/input/${event_path##*/}" ] || return 1
		echo "${event_path##*/}"
	done
}

# has NUM FILE TEXT
has() {
	same "$2" "$(cat "$(input_of "$1")/$2")" "$3"
}

begin() {
	start kbd --input "name=Some keyboard,serial=k-1" \
		--input kind=mouse,queue-size=4 --input kind=tablet || return 1
	for begin_num in 0 1 2; do
		wait_for event_of $begin_num || return 1
	done
}

is_keyboard() {
	has 0 name "Some keyboard" && has 0 uniq k-1 &&
		has 0 id/bustype 0006 && has 0 id/product 0001 &&
		has 0 capabilities/ev 120003 && has 0 capabilities/led 7 &&
		has 0 capabilities/key \
			"1ffffffffffffff ffffffffffffffff ffffffffffffffff fffffffffffffffe"
}

is_mouse() {
	has 1 name mouse && has 1 properties 1 &&
		has 1 capabilities/ev 7 && has 1 capabilities/rel 143 &&
		has 1 capabilities/key "ff0000 0 0 0 0"
}

is_tablet() {
	has 2 name tablet && has 2 properties 2 &&
		has 2 capabilities/ev b && has 2 capabilities/abs 3
}

# listen NUM EVENTS: reads as many events of a device
listen() {
	listen_path=/dev/input/$(event_of "$1")
	dd if="$listen_path" of="$TMP/events" bs=24 count="$2" 2>"$TMP/listen.log" &
	listen_pid=$!
	wait_for listens
}

listens() {
	for listens_fd in "/proc/$listen_pid/fd"/*; do
		[ "$(readlink "$listens_fd")" != "$listen_path" ] || return 0
	done
	return 1
}

# heard TEXT: the bytes of all events that were to be read
heard() {
	wait_for ended "$listen_pid" || {
		kill "$listen_pid"
		return 1
	}
	od -v -A n -t x1 -w24 "$TMP/events" | cut -c "$EVENT" >"$TMP/heard"
	same "what was heard" "$(xargs <"$TMP/heard")" "$1"
}

# Type, code and value, the lowest byte first.
SYN="00 00 00 00 00 00 00 00"

key() {
	listen 0 3 &&
		tell kbd "ok event 0" event 0 1 30 1 1 30 0 &&
		heard "01 00 1e 00 01 00 00 00 01 00 1e 00 00 00 00 00 $SYN"
}

movement() {
	listen 1 4 &&
		tell kbd "ok event 1" event 1 2 0 5 2 1 -3 2 8 1 &&
		heard "02 00 00 00 05 00 00 00 02 00 01 00 fd ff ff ff 02 00 08 00 01 00 00 00 $SYN"
}

# 11 events for a queue of 4: they wait until the driver has taken others.
burst() {
	burst_events='' burst_bytes=''
	for burst_turn in $(seq 10); do
		burst_events="$burst_events 2 1 $burst_turn"
		burst_bytes="$burst_bytes 02 00 01 00 $(printf %02x "$burst_turn") 00 00 00"
	done
	# shellcheck disable=SC2086 # many words
	listen 1 11 &&
		tell kbd "ok event 1" event 1 $burst_events &&
		heard "${burst_bytes# } $SYN"
}

place() {
	listen 2 3 &&
		tell kbd "ok event 2" event 2 3 0 32767 3 1 258 &&
		heard "03 00 00 00 ff 7f 00 00 03 00 01 00 02 01 00 00 $SYN"
}

# A mouse has no keys, and half an event is none.
refused() {
	tell kbd "error event 1" event 1 1 30 1 &&
		tell kbd "error event 0" event 0 1 30 &&
		tell kbd "error event 0" event 0 &&
		tell kbd "error event 0" event 0 0 0 0
}

# EV_LED, LED_CAPSL, on
lights() {
	printf '\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\021\0\001\0\001\0\0\0' \
		>"/dev/input/$(event_of 0)" && wait_for leds_are 0x2 || return 1
	printf '\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\021\0\001\0\0\0\0\0' \
		>"/dev/input/$(event_of 0)" && wait_for leds_are 0x0
}

leds_are() {
	tell kbd "ok leds 0" leds 0 &&
		same leds "$(sed -n 's/^leds 0: //p' "$TMP/kbd.log" | tail -n 1)" "$1"
}

again() {
	again_device=$(device kbd 0)
	echo "${again_device##*/}" >/sys/bus/virtio/drivers/virtio_input/unbind &&
		tell kbd "error event 0" event 0 1 30 1 &&
		echo "${again_device##*/}" >/sys/bus/virtio/drivers/virtio_input/bind &&
		wait_for event_of 0 && key
}

# Somebody waits for the next key when the keyboard goes.
goes() {
	listen 0 3 && tell kbd "removed 0" remove 0 && wait_for ended "$listen_pid" &&
		grep -q 'No such device' "$TMP/listen.log"
}

end() {
	stop kbd && nothing_left
}

plan 13 virtio-msg-device od
for module in virtio_input evdev; do
	modprobe $module 2>/dev/null || skip_all "no module $module"
done
check "three devices" begin
check "a keyboard" is_keyboard
check "a mouse" is_mouse
check "a tablet" is_tablet
check "a key is pressed and released" key
check "the mouse moves" movement
check "more events than the queue has room for" burst
check "a place on the tablet" place
check "events that the devices do not have" refused
check "a light goes on and off" lights
check "the driver goes and comes back" again
check "the keyboard is removed from under a reader" goes
check "nothing is left" end
