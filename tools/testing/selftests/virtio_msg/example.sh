#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The page about writing a device is true: every command that it shows after "#"
# is run here, and has to say what the page says that it does.

. ./lib.sh

for PAGE in virtio-msg-device.rst \
	../../../../Documentation/userspace-api/virtio-msg-device.rst ''; do
	[ ! -f "$PAGE" ] || break
done

# Has the last command said what it should, and nothing else?
says() {
	tail -n "+$((seen + 1))" "$TMP/screen" | cmp -s - "$TMP/wanted"
}

# The programs lie elsewhere here.
run_step() {
	seen=$(wc -l <"$TMP/screen")
	eval "$(echo "$1" | sed 's,/tmp/vmsg/,,g')" </dev/null >>"$TMP/screen" 2>&1
}

# To look again does no harm: the kernel may need a moment.
looks_right() {
	run_step "$1"
	says
}

# One command of the page, and what it says is in $TMP/wanted.
step() {
	case $1 in
	*\&)	run_step "$1"
		echo $! >"$TMP/example.pid"
		wait_for says ;;
	cat*)	wait_for looks_right "$1" ;;
	*)	looks_right "$1" ;;
	esac && return
	echo "$1"
	echo "says:"
	tail -n "+$((seen + 1))" "$TMP/screen"
	echo "and the page says:"
	cat "$TMP/wanted"
	return 1
}

# A line "# command" in a literal block, and the lines below it.
steps() {
	awk '
		/^[^ ]/ { on = 0 }
		sub(/^    # /, "") { n++; on = 1; print > (dir "/" n ".command"); next }
		on && /^$/ { on = 0 }
		on && sub(/^    /, "") { print > (dir "/" n ".wanted") }
		END { print n + 0 }' dir="$TMP" "$PAGE"
}

gone() {
	wait_for ended "$(pid example)" && rm "$TMP/example.pid" && nothing_left
}

[ "$PAGE" ] || skip_all "no page virtio-msg-device.rst here"
[ ! -e /dev/vda ] || skip_all "there is a /dev/vda already"
STEPS=$(steps)
plan $((STEPS + 1)) example_shout
: >"$TMP/screen"
for number in $(seq "$STEPS"); do
	command=$(cat "$TMP/$number.command")
	touch "$TMP/$number.wanted"
	cp "$TMP/$number.wanted" "$TMP/wanted"
	check "$command" step "$command"
done
check "nothing is left" gone
