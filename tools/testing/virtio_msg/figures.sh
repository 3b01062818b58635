#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# figures.sh: measures what the documentation says, and writes it there:
# Documentation/driver-api/virtio/msg/figures.rst. Times of checks are those of
# the last runs with this cache.

. "$(dirname "$0")/lib.sh"

page=$ROOT/Documentation/driver-api/virtio/msg/figures.rst

need_packages "${NEEDS_MODULES[@]}" "${NEEDS_GUEST[@]}" "${NEEDS_TESTS[@]}"
eval "$("$HERE/kernels.sh" stock)"
eval "$("$HERE/kernels.sh" source)"
rm -f "$BUILD/figures"
"$HERE/guest-tests.sh" bind_cost.sh >&2
"$HERE/demo.sh" >/dev/null
"$HERE/ffa-tests.sh" '^figures$' >&2
ko=$("$HERE/modules.sh" stock)

# row VALUE UNIT TEXT
row() {
	printf '   * - %s\n     - %s\n' "${*:3}" "$1 $2"
}

seconds() {
	local s
	s=$(sed -n "s/^$1 //p" "$CACHE/times")
	[[ ! $s ]] || row "$s" s "$2"
}

{
	# As of this file.
	sed -n '2s/^#/../p' "$0"
	cat <<-END

	=======
	Figures
	=======

	Written by \`\`make figures\`\` on $(date -u +%Y-%m-%d), with $(nproc) processors, Debian's
	kernel $KVER, $(qemu-system-x86_64 --version | sed -n '1s/ (.*//p') without KVM, and
	kernel source $(basename "$(dirname "$SRC")") for KUnit.

	Times in microseconds are those of QEMU's icount mode, in which a thousand
	instructions take one microsecond; they are the same on every machine, but
	waiting for a timer counts as well. Instructions are those of the FF-A bus, on
	arm64 and under the secure side of the tests.

	.. list-table::
	   :header-rows: 1

	   * - What
	     - Measured
	END
	while read -r value unit text; do
		row "$value" "$unit" "$text"
	done < <(cat "$BUILD/figures" "$BUILD/ffa/figures")
	size "$ko"/*.ko | awk 'NR > 1 { n += $1 } END { print n }' |
		while read -r n; do row "$n" bytes text of all modules; done
	seconds demo-fresh "make demo, with an empty cache"
	seconds demo "make demo"
	seconds check-fresh "make check, with an empty cache"
	seconds check "make check"
} >"$BUILD/figures.rst"
mv "$BUILD/figures.rst" "$page"
say "-- written: $page"
