#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# bench.sh [--only WAY,...] [--jobs JOB,...]: what an I/O costs when a program is
# the device, by our way and by others, in one guest with Debian's own kernel and
# in QEMU's icount mode, in which a thousand instructions take one microsecond.
#
# Without arguments all is measured and written into Documentation/; with them
# the results are only printed. Ways: null_blk ublk vduse nbd ours vhost_user.
# Jobs: read-1 write-1 read-32 write-32 large-8.

. "$(dirname "$0")/lib.sh"

ways=(null_blk ublk vduse nbd ours vhost_user) jobs='' partial=
while (($#)); do
	case $1 in
	--only)	ways=(${2//,/ }) ;;
	--jobs)	jobs=${2//,/ } ;;
	*)	sed -n '/^# bench/,/^$/s/^# *//p' "$0" >&2; exit 1 ;;
	esac
	(($# > 1)) || die "$1 needs a value"
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
		#define io_uring_setup_buf_ring(ring, n, group, flags, ret) (*(ret) = -ENOSYS, NULL)
		#define io_uring_free_buf_ring(ring, buffers, n, group) ((void)0)
		#endif
	END
	for f in "$from"/*.c; do
		[[ $f == */metadata_size.c ]] || sources+=("$f")
	done
	gcc -O3 -D_GNU_SOURCE -I"$1" -include "$1/liburing-2.3.h" "${sources[@]}" \
		-o "$1/kublk" -luring -lpthread
}

args=(--mod virtio_blk --ko "$ko/virtio_msg.ko" --ko "$ko/virtio_msg_loopback.ko"
	--add "$HERE/bench-guest.sh:/selftests/bench-guest.sh"
	--add "$ROOT/tools/testing/selftests/virtio_msg/lib.sh:/selftests/lib.sh"
	--bin "$BUILD/tools/virtio-msg-device" --bin fio)
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
bring qemu-storage-daemon vdpa nbdkit nbd-client "$BUILD/tools/virtio-msg-vhost-user"
for f in /usr/lib/*/nbdkit/plugins/nbdkit-null-plugin.so; do
	[[ ! -e $f ]] || args+=(--add "$f:$f")
done
if [[ " ${ways[*]} " == *" ublk "* ]]; then
	eval "$("$HERE/kernels.sh" source)"
	mkdir -p "$BUILD/kublk"
	! run_logged kublk "building ublk's device program" build_kublk "$BUILD/kublk" ||
		args+=(--bin "$BUILD/kublk/kublk")
fi

say "-- measuring: ${ways[*]}"
rc=0
"$HERE/guest.sh" --name bench --icount --mem 2G --timeout 300 "${args[@]}" \
	"cd /selftests && ONLY_JOBS='$jobs' sh ./bench-guest.sh ${ways[*]}" |
	tee "$BUILD/bench.results" >&2 || rc=$?
cat "$BUILD/bench.results"
exit $rc
