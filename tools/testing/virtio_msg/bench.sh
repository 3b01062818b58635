#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# bench.sh [--only WAY,...] [--tests TEST,...] [--jobs JOB,...]: what an I/O costs
# when a program is the device, by our way and by others, in one guest with
# Debian's own kernel and in QEMU's icount mode, in which a thousand instructions
# take one microsecond.
#
# Without arguments all is measured and written into Documentation/; with them
# the results are only printed. Ways: null_blk ublk vduse nbd ours vhost_user
# vhost_raw tap_net ours_net. Tests: blk bind net kill, and profile, which says where
# the instructions go. Jobs of blk and profile: read-1 write-1 read-32 write-32
# large-8. Of several runs the best counts: the others had something in between.

. "$(dirname "$0")/lib.sh"

ways=(null_blk ublk vduse nbd ours vhost_user vhost_raw tap_net ours_net)
tests=(blk bind net kill profile) jobs='' partial=''
while (($#)); do
	(($# > 1)) || set -- --help
	case $1 in
	--only)		IFS=, read -ra ways <<<"$2" ;;
	--tests)	IFS=, read -ra tests <<<"$2" ;;
	--jobs)		jobs=${2//,/ } ;;
	*)		sed -n '/^# bench/,/^$/s/^# *//p' "$0" >&2; exit 1 ;;
	esac
	partial=1
	shift 2
done

need_packages "${NEEDS_MODULES[@]}" "${NEEDS_GUEST[@]}"
# Without them a column is missing.
(need_packages "${NEEDS_BENCH[@]}") || true
eval "$("$HERE/kernels.sh" stock)"
ko=$("$HERE/modules.sh" stock)
build_tools tools

# build_kublk FOLDER: ublk's device program, as the kernel's selftests have it. It
# needs newer headers of the kernel than Debian's, and for a mode of which no use
# is made here two functions that Debian's liburing has not got.
build_kublk() {
	local from=$SRC/tools/testing/selftests/ublk uapi=$SRC/include/uapi/linux f sources=()
	mkdir -p "$1/linux"
	cp -r -t "$1/linux" "$uapi"/{fs.h,io_uring.h,io_uring,ublk_cmd.h}
	cat >"$1/liburing-2.3.h" <<-END
		#include <errno.h>
		#include <linux/io_uring.h>
		#include <liburing.h>
		#ifndef IO_URING_VERSION_MAJOR
		#define io_uring_setup_buf_ring(ring, n, group, flags, ret) \
			(*(ret) = -ENOSYS, NULL)
		#define io_uring_free_buf_ring(ring, buffers, n, group) ((void)0)
		#endif
	END
	for f in "$from"/*.c; do
		[[ $f == */metadata_size.c ]] || sources+=("$f")
	done
	gcc -O3 -D_GNU_SOURCE -I"$1" -include "$1/liburing-2.3.h" "${sources[@]}" \
		-o "$1/kublk" -luring -lpthread
}

# Small ones: of the guest's script, of the selftests, and a plugin of QEMU.
selftests=$ROOT/tools/testing/selftests/virtio_msg
build_small() {
	gcc -O2 -Wall -shared -fPIC -o "$BUILD/bench_plugin.so" "$HERE/bench_plugin.c" &&
		make -C "$selftests" OUTPUT="$BUILD/selftests" "$BUILD/selftests/lbtool" &&
		gcc -O2 -Wall -D_GNU_SOURCE -o "$BUILD/bench_tool" "$HERE/bench_tool.c"
}
run_logged bench-tools "building the programs of the guest" build_small

args=(--mod virtio_blk --mod virtio_net --mod tun
	--ko "$ko/virtio_msg.ko" --ko "$ko/virtio_msg_loopback.ko"
	--add "$HERE/bench-guest.sh:/selftests/bench-guest.sh"
	--add "$selftests/lib.sh:/selftests/lib.sh"
	--bin "$BUILD/tools/virtio-msg-device" --bin "$BUILD/selftests/lbtool"
	--bin "$BUILD/bench_tool" --bin fio --bin ip)
for m in null_blk ublk_drv nbd vduse virtio_vdpa; do
	args+=(--mod "$m")
done

# bring PROGRAM...: those that are there
bring() {
	local p
	for p; do
		! PATH=$PATH:/usr/sbin command -v "$p" >/dev/null || args+=(--bin "$p")
	done
}
bring iperf3 qemu-storage-daemon vdpa nbdkit nbd-client "$BUILD/tools/virtio-msg-vhost-user"
for f in /usr/lib/*/nbdkit/plugins/nbdkit-null-plugin.so; do
	[[ ! -e $f ]] || args+=(--add "$f:$f")
done
if [[ " ${ways[*]} " == *" ublk "* ]]; then
	eval "$("$HERE/kernels.sh" source)"
	source=$(basename "$(dirname "$SRC")")
	mkdir -p "$BUILD/kublk"
	! run_logged kublk "building ublk's device program" build_kublk "$BUILD/kublk" ||
		args+=(--bin "$BUILD/kublk/kublk")
fi

# guest TESTS [OPTION...]: measures in a guest
guest() {
	"$HERE/guest.sh" --name bench --icount --mem 2G --timeout 900 "${args[@]}" \
		"${@:2}" "cd /selftests && WAYS='${ways[*]}' JOBS='$jobs' \
			sh ./bench-guest.sh $1"
}

# Sorted, what has run follows the name of what it belongs to. Addresses are too
# large for awk's numbers and compared as text.
profile() {
	local rc=0
	guest profile --qemu "-plugin $BUILD/bench_plugin.so,out=$work/ran" >"$work/said" ||
		rc=$?
	grep -E '^(left-out|#) ' "$work/said" || true
	((!rc)) || return $rc
	awk '$1 == "section" { way[n + 0] = $2; job[n + 0] = $3; count[n++] = $4 }
		$1 == "symbol" {
			print $2, substr("000000000000", length($3) - 3) $3, 1, $4
		}
		NF == 3 { print way[$1], $2, 2, job[$1], count[$1], $3 }' \
		"$work/said" "$work/ran" | LC_ALL=C sort | awk -f "$HERE/bench-profile.awk"
}

# In two guests: counting what runs takes time, if none of the guest's.
measure() {
	local timed=" ${tests[*]} " rc=0
	timed=${timed/ profile / }
	[[ ! ${timed// } ]] || guest "$timed" || rc=$?
	[[ " ${tests[*]} " != *" profile "* ]] || profile || rc=$?
	return $rc
}

say "-- measuring (${tests[*]}): ${ways[*]}"
rc=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
raw=$work/raw best=$work/best
measure | tee "$raw" >&2 || rc=$?

# Mbit/s are better if there are more of them; times, if there are fewer.
awk '$1 == "#" { next }
	$1 == "left-out" { if (!seen[$0]++) print; next }
	{ key = $1 " " $2 }
	!(key in best) { keys[++n] = key; best[key] = $3; next }
	$3 != "none" && ($1 ~ /send|receive/ ? $3 > best[key] : $3 < best[key]) { best[key] = $3 }
	END { for (i = 1; i <= n; i++) print keys[i], best[keys[i]] }' "$raw" >"$best"
cat "$best"
if [[ $partial ]]; then
	exit $rc
fi
((!rc)) || die "not everything could be measured: nothing is written. See above"

# version PROGRAM OPTION: "" if there is none
version() {
	PATH=$PATH:/usr/sbin "$1" "$2" 2>/dev/null | sed -n '1{s/ *(.*//;p}' || true
}
doc=$ROOT/Documentation/driver-api/virtio/msg
{
	# As of this file.
	sed -n '2s/^#/../p' "$0"
	cat <<-END

	=================
	What an I/O costs
	=================

	Written by \`\`make bench\`\` on $(date -u +%Y-%m-%d), at $(git -C "$ROOT" \
		describe --always --dirty 2>/dev/null || echo "an unknown commit").

	Debian's kernel $KVER in one guest with one processor, in
	$(version qemu-system-x86_64 --version)'s icount mode: a microsecond is a thousand
	instructions, whatever the machine. That leaves out caches and what a context
	switch costs a real processor. Nobody stores anything: each disk takes requests,
	answers them, and neither reads nor writes data. So what is measured is the way
	there and back, with fio and io_uring on top (direct, one process, buffers of huge
	pages: of others those of a large buffer lie in order in one process and not in the
	next, which can make 50 microseconds for 256k). Each job runs four times, the first
	one is thrown away, the best one of the others counts.

	* null_blk is the kernel alone: the floor, without any program.
	* ublk is kublk from the selftests of kernel source ${source:-(left out)}.
	* VDUSE is $(version qemu-storage-daemon --version), null-co.
	* NBD is $(version nbdkit --version) with its plugin null, over a UNIX socket.
	* virtio-msg-device is this project's program, \`\`--blk null\`\`.
	* virtio-msg-vhost-user has the same qemu-storage-daemon behind it as VDUSE.
	* "Not cleared" is the same with clear_buffers=N, a parameter of virtio_msg.

	Measured by $(version fio --version) and $(version iperf3 --version). All
	times are microseconds.

	.. image:: bench.svg
	   :alt: bars of the first table
	END
	awk -v plot="$BUILD/bench.svg" -f "$HERE/bench-page.awk" "$best"
} >"$BUILD/bench.rst"
mv "$BUILD"/bench.{rst,svg} "$doc"
say "-- written: $doc/bench.rst and bench.svg"
