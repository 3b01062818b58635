#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# bench-amp.sh: 4 KiB random reads from a disk that is a program on this machine,
# reached over shared memory and a doorbell, and from QEMU's own virtio-blk-pci,
# in one guest. Writes the ratio into Documentation/.
#
# The two take turns, so that whatever else the machine does meets both; of each
# the first run is thrown away and the median counts. QEMU's icount mode, by which
# figures would not depend on the machine, counts instructions of the guest alone
# while another process answers in its own time. So this is wall-clock time, of
# which only the ratio means something, and that only about emulation without
# KVM. The kernel of the guest has no irqsoff tracer, or there would be a figure
# of the time with interrupts off.

. "$(dirname "$0")/lib.sh"
. "$HERE/amp-lib.sh"

# One more than count, which is an odd number.
RUNS=${RUNS:-8}
RUN_SECONDS=${RUN_SECONDS:-2}
AMP_NAME=bench-amp
page=$ROOT/Documentation/driver-api/virtio/msg/amp-figures.rst

need_packages "${NEEDS_MODULES[@]}" "${NEEDS_GUEST[@]}" "${NEEDS_TESTS[@]}"
eval "$("$HERE/kernels.sh" stock)"
ko=$("$HERE/modules.sh" stock)
build_tools tools

# Two copies of the same data, which are in the page cache of this machine.
dd if=/dev/urandom of="$AMP_DIR/ours.img" bs=1M count=64 status=none
cp "$AMP_DIR/ours.img" "$AMP_DIR/stock.img"
peer ours "" --blk file=@/ours.img
say "-- starting the program and a guest"
{ peer_start ours && guest_start --mem 1G --timeout 1200 --ko "$ko/virtio_msg.ko" \
	--ko "$ko/virtio_msg_amp.ko" --ko "$ko/virtio_msg_amp_pci.ko" \
	--qemu "-drive if=none,id=stock,format=raw,file=$AMP_DIR/stock.img" \
	--qemu "-device virtio-blk-pci,drive=stock,serial=stock,addr=0x8" &&
	in_guest "take && disks ours"; } >&2 || die "see $LOGS/$AMP_NAME.console"

# run DISK DEPTH: reads per second
run() {
	local line
	line=$(in_guest "randread $1 $2 $RUN_SECONDS") ||
		die "fio failed in the guest: $line"
	cut -d ';' -f 8 <<<"$line"
}

# median NUMBER...: of an odd number of them
median() {
	printf '%s\n' "$@" | sort -n | sed -n "$((($# + 1) / 2))p"
}

depths=(1 32)
declare -A ours=() stock=()
for ((i = 0; i < RUNS; i++)); do
	for depth in "${depths[@]}"; do
		a=$(run "\$DISK" "$depth") b=$(run "\$(by_serial stock)" "$depth")
		say "   depth $depth: $a and $b reads a second$( ((i)) || echo ", thrown away")"
		((!i)) || ours[$depth]+="$a " stock[$depth]+="$b "
	done
done
guest_end

{
	# As of this file.
	sed -n '2s/^#/../p' "$0"
	cat <<-END

	======================
	Figures of the AMP bus
	======================

	Written by \`\`make bench-amp\`\` on $(date -u +%Y-%m-%d), with $(nproc) processors and
	$(qemu-system-x86_64 --version | sed -n '1s/ (.*//p') without KVM, Debian's kernel
	$KVER in the guest: random reads of 4 KiB by fio, in reads a
	second of wall-clock time, medians of $((RUNS - 1)) runs of $RUN_SECONDS s that took turns.
	Only the ratio means something.

	.. list-table::
	   :header-rows: 1

	   * - Requests at a time
	     - A program, over ivshmem
	     - QEMU's virtio-blk-pci
	     - Ratio
	END
	for depth in "${depths[@]}"; do
		# shellcheck disable=SC2086 # words are wanted
		a=$(median ${ours[$depth]}) b=$(median ${stock[$depth]})
		printf '   * - %s\n     - %s\n     - %s\n     - %s\n' "$depth" "$a" "$b" \
			"$(awk "BEGIN { printf \"%.2f\", $a / $b }")"
	done
} >"$BUILD/amp-figures.rst"
cat "$BUILD/amp-figures.rst"
mv "$BUILD/amp-figures.rst" "$page"
say "-- written: $page"
