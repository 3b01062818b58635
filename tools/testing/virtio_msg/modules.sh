#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# modules.sh [-o FOLDER] [KDIR [MAKE-ARGUMENT...]]: builds the modules outside
# of a kernel tree, against the build folder KDIR of an installed kernel, or
# against Debian's own 6.12 if KDIR is "stock". Prints where they are.
#
# Kbuild puts objects beside the sources, and older kernels know no other way:
# so a copy is built, and the checkout stays clean.

. "$(dirname "$0")/lib.sh"

out=
if [[ ${1:-} == -o ]]; then
	out=$2
	shift 2
fi
kdir=${1:-/lib/modules/$(uname -r)/build}
shift || true
if [[ $kdir == stock ]]; then
	need_packages "${NEEDS_MODULES[@]}"
	eval "$("$HERE/kernels.sh" stock)"
	kdir=${KDIR:?}
fi
if [[ ! -e $kdir/Makefile ]]; then
	say "There is no kernel build folder $kdir. Either install the headers of your"
	say "kernel (apt-get install linux-headers-$(uname -r)), or say KDIR=stock to"
	say "build against Debian 12's own 6.12 kernel, which is fetched for you."
	exit 1
fi
kver=$(cat "$kdir/include/config/kernel.release" 2>/dev/null) ||
	die "$kdir has not been configured: no include/config/kernel.release"
out=$(realpath -m "${out:-$BUILD/modules/$kver}")
mkdir -p "$out/include/uapi"
compat=$out/drivers/virtio/msg/compat.h
config=("${SYMBOLS[@]/#/CONFIG_}")
(
	# Two runs in one checkout take turns.
	flock 9
	copy_project "$out" drivers/virtio/msg include
	log=modules-$(basename "$out")
	# Without BTF, for which pahole would be needed; nothing here uses it.
	run_logged "$log" "building the modules for $kver" \
		make -C "$kdir" M="$out/drivers/virtio/msg" -j"$JOBS" "${config[@]/%/=m}" \
		CONFIG_DEBUG_INFO_BTF_MODULES= \
		KCFLAGS="-I$out/include -I$out/include/uapi -include $compat" \
		"$@" modules
) 9>"$out/lock" || exit 1
echo "$out/drivers/virtio/msg"
