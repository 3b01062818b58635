#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The tree as a part of a kernel: grafted into the newest packaged source it
# builds as =y and as =m (there modpost resolves every symbol), for 64 and for
# 32 bit. And out of a tree against the headers of Debian's 6.12.

# shellcheck disable=SC2317 # "check" calls the functions

. "$(dirname "$0")/lib.sh"

MAX_TEXT_KB=200

need_packages "${NEEDS_KERNEL[@]}"
with_lock build
tree=$("$HERE/graft.sh")
version=$(basename "$tree")

# in_kernel VALUE: all of ours as VALUE. One build folder serves both values,
# so that only what depends on them is built twice.
in_kernel() {
	configure_kernel "$tree" "$CACHE/build/intree" x86_64 "${SMALL[@]}" \
		"${SYMBOLS[@]/%/=$1}" KUNIT=y "VIRTIO_MSG_KUNIT_TEST=$1" &&
		make -C "$tree" O="$CACHE/build/intree" ARCH=x86_64 -j"$JOBS" "${@:2}"
}

# One folder only; that needs no more than what "prepare" makes.
in_32bit() {
	local small=("${SMALL[@]/64BIT=y/64BIT=n}")
	configure_kernel "$tree" "$CACHE/build/intree-32" i386 "${small[@]}" "${SYMBOLS[@]/%/=y}" &&
		make -C "$tree" O="$CACHE/build/intree-32" ARCH=i386 -j"$JOBS" drivers/virtio/msg/
}

as_modules() {
	in_kernel m vmlinux modules && ls "$CACHE"/build/intree/drivers/virtio/msg/virtio_msg*.ko
}

# The size that a stock kernel shows for the set of modules.
text_size() {
	local kb
	kb=$(size "$1"/*.ko | awk 'NR > 1 { sum += $1 } END { print int((sum + 1023) / 1024) }')
	echo "text of all modules: $kb KB"
	((kb <= MAX_TEXT_KB))
}

check intree-y "in kernel $version as =y" in_kernel y vmlinux
check intree-m "in kernel $version as =m" as_modules
check intree-32 "in kernel $version for 32 bit" in_32bit
if ko=$("$HERE/modules.sh" stock); then
	pass "outside of a tree, against Debian's 6.12"
	check text-size "the modules have at most $MAX_TEXT_KB KB of text" text_size "$ko"
else
	fail "outside of a tree, against Debian's 6.12"
	fail "the modules have at most $MAX_TEXT_KB KB of text: not built"
fi
summary
