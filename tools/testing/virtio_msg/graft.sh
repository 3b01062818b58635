#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# graft.sh [TREE]: puts the project's files and its hooks (the lines that other
# files of a kernel tree need) into TREE; into a copy of the newest packaged
# source in the cache if no TREE is given. Prints TREE. May be repeated.
#
# compat.h stays out: a kernel tree serves no other kernel than itself. The
# sources never name it (outside of a tree it comes by -include), and the few
# lines that are there for it stay out too.

. "$(dirname "$0")/lib.sh"

# hook FILE LINE SED-SCRIPT: applies SED-SCRIPT, which is to add LINE to FILE.
# sed -i writes a new file, so that one hard-linked from elsewhere is safe.
hook() {
	local f=$tree/$1
	grep -qxF "$2" "$f" && return 0
	sed -i "$3" "$f"
	grep -qxF "$2" "$f" || die "$f is not as expected: no place for \"$2\""
}

tree=${1:-}
if [[ ! $tree ]]; then
	eval "$("$HERE/kernels.sh" source)"
	tree=$CACHE/graft/$(basename "$(dirname "$SRC")")
	if [[ ! -d $tree ]]; then
		say "-- linking a copy of the kernel source"
		rm -rf "$CACHE/graft"
		mkdir -p "$CACHE/graft"
		cp -al "$SRC" "$CACHE/graft/new"
		mv "$CACHE/graft/new" "$tree"
	fi
fi
[[ -e $tree/drivers/virtio/Kconfig ]] || die "$tree is not a kernel source tree"

need_packages unifdef
DROP=VIRTIO_MSG_COMPAT copy_project "$tree" "${KERNEL_PATHS[@]}"
rm -f "$tree/drivers/virtio/msg/compat.h" "$tree.files"

hook drivers/virtio/Kconfig 'source "drivers/virtio/msg/Kconfig"' \
	'/^endif # VIRTIO_MENU/i source "drivers/virtio/msg/Kconfig"\n'
# shellcheck disable=SC2016 # make expands it
hook drivers/virtio/Makefile 'obj-$(CONFIG_VIRTIO_MSG) += msg/' \
	'$a obj-$(CONFIG_VIRTIO_MSG) += msg/'
if [[ -e $tree/Documentation/driver-api/virtio/msg/index.rst ]]; then
	hook Documentation/driver-api/virtio/index.rst '   msg/index' \
		'/^   writing_virtio_drivers/a \   msg/index'
fi
if [[ -e $tree/Documentation/userspace-api/virtio-msg-lb.rst ]]; then
	hook Documentation/userspace-api/index.rst '   virtio-msg-lb' \
		'/^   isapnp/a \   virtio-msg-lb'
fi
if [[ -e $tree/tools/testing/selftests/virtio_msg/Makefile ]]; then
	hook tools/testing/selftests/Makefile 'TARGETS += virtio_msg' \
		'/^TARGETS += vfio/a TARGETS += virtio_msg'
fi

# Our entry goes before the first one whose title comes after it.
title=$(grep -m 1 '^VIRTIO' "$ROOT/MAINTAINERS" 2>/dev/null || true)
if [[ $title ]] && ! grep -qxF "$title" "$tree/MAINTAINERS"; then
	awk -v title="$title" '
		NR == FNR { if ($0 == title) ours = 1; if (ours) entry = entry $0 "\n"; next }
		/^Maintainers List/ { list = 1 }
		list && !done && before == "" && /^[0-9A-Z]/ && $0 > title {
			printf "%s\n", entry
			done = 1
		}
		{ print; before = $0 }' "$ROOT/MAINTAINERS" "$tree/MAINTAINERS" >"$tree/new"
	mv "$tree/new" "$tree/MAINTAINERS"
fi
echo "$tree"
