#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Fetches from Debian's archive what modules are built against, what guests
# boot and what the checks need, into the cache:
#
#   kernels.sh stock    Debian 12's own 6.12 kernel: image, modules, headers
#   kernels.sh source   the newest packaged kernel source
#   kernels.sh sparse   a sparse that is new enough for the newest source
#   kernels.sh tfa      the source of TF-A, firmware for arm64
#   kernels.sh arm64    the newest source as a small kernel for arm64, with
#                       FF-A and without our modules; a busybox for it
#   kernels.sh arm64-64k, arm64-debug
#                       the same with pages of 64 KiB, with KASAN, UBSAN, lockdep
#                       and kmemleak
#
# Prints shell assignments (KVER=... KDIR=...) for "eval". Versions move every
# week, so the newest is looked up, and looked up again after two weeks or with
# --refresh. The machine's own package sources and packages stay untouched:
# apt gets folders of its own in the cache, and packages are only unpacked.

. "$(dirname "$0")/lib.sh"

FRESH_DAYS=14

# mirror NAME: where the machine gets Debian's archive "debian" or
# "debian-security" from. apt itself is asked, as it reads every format.
mirror() {
	local uri
	# shellcheck disable=SC2016 # apt expands it
	uri=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
		grep -m 1 "/$1/\$" || true)
	echo "${uri:-http://deb.debian.org/$1/}"
}

# apt_for NAME LINE...: makes apt work on the source lines given, in folders
# of its own; sets APT (options for every apt tool) and updates the lists.
apt_for() {
	local dir=$CACHE/apt/$1 line key=/usr/share/keyrings/debian-archive-keyring.gpg
	local opt=""
	shift
	mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
	: >"$dir/sources.list"
	[[ -e $key ]] && opt="[signed-by=$key] "
	for line; do
		echo "${line%% *} $opt${line#* } main" >>"$dir/sources.list"
	done
	APT=(-q -o "Dir::Etc::sourcelist=$dir/sources.list" -o Dir::Etc::sourceparts=/dev/null
		-o Dir::Etc::preferencesparts=/dev/null -o Dir::Etc::preferences=/dev/null
		-o "Dir::State::Lists=$dir/lists" -o "Dir::Cache=$dir/cache"
		-o Dir::State::status=/dev/null -o "APT::Architecture=${ARCH:-amd64}"
		-o Acquire::Languages=none -o Acquire::Retries=3 -o APT::Sandbox::User=
		-o Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled=false)
	run_logged "apt-${dir##*/}" "reading package lists: ${*##*/ }" apt-get "${APT[@]}" update ||
		return 1
}

# newest REGEX: the newest package name (versions are in the names).
newest() {
	apt-cache "${APT[@]}" pkgnames | grep -E "^$1\$" | sort -V | tail -n 1
}

# In an empty folder: fetch packages and unpack them into ./root.
fetch_unpack() {
	local deb
	apt-get "${APT[@]}" download "$@" && mkdir root || return 1
	for deb in ./*.deb; do
		dpkg -x "$deb" root && rm "$deb" || return 1
	done
}

# Each get_* fills an empty folder $1, which is then renamed to its version, and
# leaves in it the files "version" and "result": the assignments, @ for the folder.

get_stock() {
	local base v
	apt_for stock "deb $(mirror debian-security) bookworm-security" \
		"deb $(mirror debian) bookworm-backports" || return 1
	base=$(newest 'linux-image-6\.12\.[0-9.]+.*-cloud-amd64-unsigned')
	[[ $base ]] || { say "no 6.12 cloud kernel in bookworm-security or backports"; return 1; }
	v=${base#linux-image-} v=${v%-cloud-amd64-unsigned}
	cd "$1"
	run_logged fetch-stock "fetching Debian's kernel $v and its headers (about 50 MB)" \
		fetch_unpack "$base" "linux-headers-$v-cloud-amd64" \
		"linux-headers-$v-common" "linux-kbuild-$v" || return 1
	cat >result <<-END
		KVER=$v-cloud-amd64
		KDIR=@/root/usr/src/linux-headers-$v-cloud-amd64
		VMLINUZ=@/root/boot/vmlinuz-$v-cloud-amd64
		MODROOT=@/root
	END
	PATH=$PATH:/sbin:/usr/sbin depmod -b "$1/root" "$v-cloud-amd64"
	echo "$v" >version
}

# The headers name their common part by its installed path.
finish_stock() {
	local f
	for f in "$1"/root/usr/src/*-cloud-amd64/Makefile; do
		sed -i "s,\([ =]\)/usr/src/,\1$1/root/usr/src/,g" "$f"
	done
}

unpack_source() {
	fetch_unpack "$1" && echo "unpacking" &&
		tar -xf root/usr/src/linux-source-*.tar.xz &&
		mv linux-source-* tree && rm -r root
}

get_source() {
	local suite pkg
	for suite in trixie-backports sid; do
		apt_for "$suite" "deb $(mirror debian) $suite" || return 1
		pkg=$(newest 'linux-source-[0-9]+\.[0-9]+')
		[[ $pkg ]] && break
	done
	[[ $pkg ]] || { say "no linux-source package in trixie-backports or sid"; return 1; }
	cd "$1"
	run_logged fetch-source "fetching and unpacking $pkg (about 150 MB, 1.8 GB unpacked)" \
		unpack_source "$pkg" || return 1
	make -s -C tree kernelversion >version
	echo "SRC=@/tree" >result
}

finish_source() { :; }

# In an empty folder: a source package, without Debian's changes, in ./tree. Unpacked
# by tar, as dpkg-source would need one more package.
fetch_source() {
	apt-get "${APT[@]}" --download-only source "$1" && mkdir tree &&
		tar -xf "$1"_*.orig.tar.* -C tree --strip-components=1 &&
		rm "$1"_*.orig.tar.*
}

build_sparse() {
	fetch_source sparse && make -C tree -j"$JOBS" HAVE_LLVM=no HAVE_GTK=no HAVE_SQLITE=no sparse
}

get_sparse() {
	apt_for sid-src "deb-src $(mirror debian) sid" || return 1
	cd "$1"
	run_logged build-sparse "fetching and building sparse" build_sparse || return 1
	tree/sparse --version >version
	echo "SPARSE=@/tree/sparse" >result
}

finish_sparse() { :; }

get_tfa() {
	apt_for trixie-src "deb-src $(mirror debian) trixie" || return 1
	cd "$1"
	run_logged fetch-tfa "fetching the source of TF-A (8 MB)" \
		fetch_source arm-trusted-firmware || return 1
	sed -n 's/^Version: //p' ./*.dsc | tail -n 1 >version
	echo "TFA_SRC=@/tree" >result
}

finish_tfa() { :; }

# What the drivers of virtio devices in the secure world need, and the tests. IOMMU
# brings IOVA, which no symbol of its own can switch on.
ARM64=(64BIT=y SMP=y NR_CPUS=4 PRINTK=y PRINTK_TIME=y BUG=y KALLSYMS=y TTY=y
	SERIAL_AMBA_PL011=y SERIAL_AMBA_PL011_CONSOLE=y SERIAL_EARLYCON=y
	BLK_DEV_INITRD=y BINFMT_ELF=y BINFMT_SCRIPT=y MODULES=y MODULE_UNLOAD=y
	PROC_FS=y SYSFS=y SYSCTL=y DEVTMPFS=y SHMEM=y TMPFS=y DEBUG_FS=y FUTEX=y
	EPOLL=y POSIX_TIMERS=y MULTIUSER=y ARM_FFA_TRANSPORT=y OF_RESERVED_MEM=y
	IOMMU_SUPPORT=y IOMMU_IOVA=y VIRTIO_MENU=y VIRTIO=y VIRTIO_CONSOLE=y
	HW_RANDOM=y HW_RANDOM_VIRTIO=y BLOCK=y BLK_DEV=y VIRTIO_BLK=y EXT2_FS=y
	SUSPEND=y PM_DEBUG=y PM_SLEEP_DEBUG=y DEBUG_KERNEL=y DETECT_HUNG_TASK=y
	SLUB_TINY=n CC_OPTIMIZE_FOR_PERFORMANCE=y)
declare -A ARM64_MORE=([arm64]="" [arm64-64k]="ARM64_64K_PAGES=y"
	[arm64-debug]="KASAN=y KASAN_GENERIC=y KASAN_INLINE=y PROVE_LOCKING=y
	DEBUG_ATOMIC_SLEEP=y DEBUG_LIST=y DEBUG_OBJECTS=y DEBUG_OBJECTS_WORK=y
	DEBUG_OBJECTS_TIMERS=y DEBUG_OBJECTS_FREE=y STACKTRACE=y FRAME_WARN=4096
	UBSAN=y UBSAN_BOUNDS=y UBSAN_SHIFT=y DEBUG_KMEMLEAK=y
	DEBUG_KMEMLEAK_AUTO_SCAN=n")

build_arm64() {
	local more
	read -rd '' -a more <<<"${ARM64_MORE[$what]}" || true
	export CROSS_COMPILE=aarch64-linux-gnu-
	configure_kernel "$SRC" "$1/build" arm64 "${ARM64[@]}" "${more[@]}" &&
		make -C "$SRC" O="$1/build" ARCH=arm64 -j"$JOBS" Image modules
}

get_arm64() {
	need_packages "${NEEDS_KERNEL[@]}" "${NEEDS_FFA[@]}"
	eval "$("$HERE/kernels.sh" source)"
	with_lock build
	cd "$1"
	run_logged "build-$what" "building a kernel for arm64 (three minutes)" \
		build_arm64 "$1" || return 1
	ARCH=arm64 apt_for arm64 "deb $(mirror debian) bookworm" || return 1
	run_logged fetch-arm64 "fetching busybox for arm64" fetch_unpack busybox-static:arm64 ||
		return 1
	echo "$(make -s -C "$SRC" kernelversion)-$(key_arm64)" >version
	cat >result <<-END
		KEY=$(key_arm64)
		IMAGE=@/build/arch/arm64/boot/Image
		KDIR=@/build
		BUSYBOX=@/root/bin/busybox
	END
}

# Kbuild wrote down where it built.
finish_arm64() {
	sed -i "s,$dir/new/,$1/,g" "$1/build/Makefile"
}

# Another configuration is another kernel.
key_arm64() {
	printf '%s\n' "${ARM64[@]}" "${ARM64_MORE[$what]}" | md5sum | cut -c 1-8
}

same_key() { [[ $what != arm64* ]] || grep -qx "KEY='$(key_arm64)'" "$current"; }

# --- main -------------------------------------------------------------------

refresh=
if [[ ${1:-} == --refresh ]]; then
	refresh=1
	shift
fi
what=${1:-}
[[ $what =~ ^(stock|source|sparse|tfa|arm64(-64k|-debug)?)$ ]] ||
	die "usage: kernels.sh [--refresh] stock|source|sparse|tfa|arm64[-64k|-debug]"
dir=$CACHE/$what
current=$dir/current

mkdir -p "$dir"
with_lock "fetch-$what"

if [[ -s $current && ! $refresh && $(find "$current" -mtime "-$FRESH_DAYS") ]] && same_key; then
	cat "$current"
	exit 0
fi

need_packages "${NEEDS_MODULES[@]}"
# Whatever an interrupted run left behind is under a name that nobody uses.
rm -rf "$dir/new"
mkdir "$dir/new"
set +e # not "if", inside which the shell ignores errors half way
(set -e; "get_${what%%-*}" "$dir/new")
rc=$?
set -e
if ((rc)); then
	if [[ -s $current && ! $refresh ]]; then
		say "   staying with the $what fetched earlier; trying again tomorrow"
		touch -d "$((FRESH_DAYS - 1)) days ago" "$current"
		cat "$current"
		exit 0
	fi
	die "could not fetch the $what: is there a way to Debian's archive? See $LOGS"
fi
version=$(<"$dir/new/version")
if [[ -e $dir/$version ]]; then
	# The same again: keep the one that builds have been made from.
	mv "$dir/new/result" "$dir/$version/result"
	rm -r "$dir/new"
else
	mv "$dir/new" "$dir/$version"
fi
"finish_${what%%-*}" "$dir/$version"
sed "s,@,$dir/$version,; s/=\(.*\)/='\1'/" "$dir/$version/result" >"$current.new"
mv "$current.new" "$current"
# The one before stays, as a run may still be using it; older ones go.
find "$dir" -mindepth 1 -maxdepth 1 -type d -printf '%T@ %p\n' | sort -rn |
	tail -n +3 | cut -d ' ' -f 2- | xargs -r -d '\n' rm -rf
say "   $what: $version"
cat "$current"
