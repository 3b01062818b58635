#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# ffa-tfa.sh: builds firmware for the guests of ffa-guest.sh that is not ours: TF-A,
# from the source of Debian's package, with the secure side of the FF-A tests as its
# SPM core at S-EL1. Prints where it is, for "eval": TFA, as it comes, forwards
# registers x0 to x7 only; TFA_WIDE has one line changed, and forwards all. Exits
# with 77 when the source cannot be fetched, or a package is missing.

. "$(dirname "$0")/lib.sh"

# The place of ffa/Makefile for sel1.bin, and of ffa-guest.sh for the kernel
ENTRY=0x0e100000 KERNEL_AT=0x40200000

(need_packages "${NEEDS_FFA[@]}" make gcc libc6-dev libssl-dev) || exit 77
source=$("$HERE/kernels.sh" tfa) || exit 77
eval "$source"
if [[ ! ${FFA_KDIR:-} ]]; then
	built=$("$HERE/ffa-guest.sh" --build)
	eval "$built"
fi
dir=$BUILD/ffa/tfa
mkdir -p "$dir"
exec {lock}>"$dir/lock"
flock "$lock"

# What TF-A wants to know about its SPM core
manifest() {
	cat <<END
/dts-v1/;
/ {
	compatible = "arm,ffa-core-manifest-1.0";
	attribute {
		spmc_id = <0x8000>;
		maj_ver = <1>;
		min_ver = <2>;
		exec_state = <0>;
		load_address = <0 $ENTRY>;
		entrypoint = <0 $ENTRY>;
		binary_size = <0xe00000>;
	};
};
END
}

# TF-A itself, in the folder $1; the secure side is put into it later.
compile() {
	manifest >"$1/manifest.dts" && : >"$1/empty" &&
		make -C "$1" -j"$JOBS" PLAT=qemu DEBUG=0 CROSS_COMPILE=aarch64-linux-gnu- \
			DTC="$FFA_KDIR/scripts/dtc/dtc" SPD=spmd SPMD_SPM_AT_SEL2=0 \
			QEMU_USE_GIC_DRIVER=QEMU_GICV3 QEMU_TOS_FW_CONFIG_DTS=manifest.dts \
			ARM_LINUX_KERNEL_AS_BL33=1 PRELOADED_BL33_BASE=$KERNEL_AT \
			BL32=empty BUILD_BASE=build bl1 fip
}

# The one place where the other world's registers are set
widen() {
	local f=$1/services/std_svc/spmd/spmd_main.c
	local edit='/save additional registers x8-x17/s/^#if .*2\n/#if 1\n/'
	sed -i "/^#if SPMD_SPM_AT_SEL2\$/{N;N;$edit}" "$f" &&
		[[ $(grep -c '^#if 1$' "$f") == 1 ]] && return
	echo "there is another TF-A than this script knows: no place to change in $f"
	return 1
}

# For one variant: "cut", or "wide"
build() {
	local tree=$dir/$1
	if [[ ! -e $tree/built || $(<"$tree/built") != "$TFA_SRC" ]]; then
		rm -rf "$tree"
		cp -r "$TFA_SRC" "$tree" || return 1
		[[ $1 == cut ]] || widen "$tree" || return 1
		compile "$tree" || return 1
		echo "$TFA_SRC" >"$tree/built"
	fi
	# As TF-A itself does: the first program, and 256 KiB behind it the others
	cp "$tree/build/qemu/release/fip.bin" "$dir/fip" &&
		"$tree/tools/fiptool/fiptool" update --tos-fw "$BUILD/ffa/sel1.bin" \
			"$dir/fip" &&
		cp "$tree/build/qemu/release/bl1.bin" "$dir/$1.new" &&
		dd if="$dir/fip" of="$dir/$1.new" bs=64k seek=4 &&
		mv "$dir/$1.new" "$dir/$1.bios"
}

all() {
	flock "$BUILD/ffa/lock" make -C "$HERE/ffa" O="$BUILD/ffa" sel1.bin &&
		build cut && build wide
}

run_logged ffa-tfa "building TF-A (half a minute for the first time)" all
echo "TFA='$dir/cut.bios' TFA_WIDE='$dir/wide.bios'"
