# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034 # others use what is set here
#
# What every script in this folder shares: where things lie, how progress and
# results are printed, how packages get installed. Sourced, never run.

set -euo pipefail

# Output of tools is parsed; it must not depend on the user's language.
export LC_ALL=C
# Options of the top make are not meant for the makes that are run here.
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
HERE=$ROOT/tools/testing/virtio_msg
# Slow things (downloads, kernel builds) survive in the cache and are shared
# by all checkouts; quick ones live in the checkout's own build folder.
CACHE=${VIRTIO_MSG_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/virtio-msg}
BUILD=$ROOT/build
LOGS=$BUILD/logs
JOBS=$(nproc)
# The modules, by their Kconfig symbols.
SYMBOLS=(VIRTIO_MSG VIRTIO_MSG_LOOPBACK VIRTIO_MSG_AMP VIRTIO_MSG_AMP_PCI)
readonly ROOT HERE CACHE BUILD LOGS JOBS SYMBOLS
mkdir -p "$CACHE" "$LOGS"

# --- talking to the user (stderr: stdout belongs to results) ---------------

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }

# run_quiet NAME TEXT COMMAND...: runs COMMAND with its output in a log, says
# TEXT first and how it stands every 20 seconds.
run_quiet() {
	local text=$2 log=$LOGS/$1.log pid start=$SECONDS next=20
	shift 2
	say "-- $text"
	"$@" >"$log" 2>&1 </dev/null &
	pid=$!
	while kill -0 "$pid" 2>/dev/null; do
		sleep 0.2
		if ((SECONDS - start >= next)); then
			say "   ... $((SECONDS - start)) s:" \
				"$(grep . "$log" | tail -n 1 | cut -c 1-100)"
			((next += 20))
		fi
	done
	wait "$pid"
}

# run_logged, the same: shows the log's end if COMMAND fails.
run_logged() {
	run_quiet "$@" && return 0
	say "   failed; the end of $LOGS/$1.log:"
	tail -n 30 "$LOGS/$1.log" | sed 's/^/   | /' >&2
	return 1
}

# --- results ----------------------------------------------------------------

PASSED=0 FAILED=0 SKIPPED=0

pass() { printf 'ok   %s\n' "$*"; PASSED=$((PASSED + 1)); }
fail() { printf 'FAIL %s\n' "$*"; FAILED=$((FAILED + 1)); }
skip() { printf 'skip %s\n' "$*"; SKIPPED=$((SKIPPED + 1)); }

# check NAME TEXT COMMAND...: one counted test that is a command.
check() {
	local name=$1 text=$2
	shift
	if run_logged "$name" "$@"; then
		pass "$text"
	else
		fail "$text"
	fi
}

# Ends a script that counted tests. check.sh, which adds up several of them,
# collects the counts in a file, so that only its own total stands alone.
summary() {
	local counts="$PASSED passed, $FAILED failed, $SKIPPED skipped"

	if ((PASSED + FAILED + SKIPPED == 0)); then
		FAILED=1 counts="0 passed, 1 failed, 0 skipped"
		say "no test ran: that is a failure too"
	fi
	if [[ ${VIRTIO_MSG_RESULTS:-} ]]; then
		echo "$PASSED $FAILED $SKIPPED" >>"$VIRTIO_MSG_RESULTS"
		printf '   (%s)\n' "$counts"
	else
		printf '%s\n' "$counts"
	fi
	if ((FAILED)); then
		exit 1
	fi
	exit 0
}

# write_figures NAME TITLE COMMAND TEXT: makes the page NAME.rst of the documentation
# from build/NAME, whose lines are a value each and what it is. TEXT goes on after
# the line that says how and when the page was made.
write_figures() {
	local page=$ROOT/Documentation/driver-api/virtio/msg/$1.rst value what
	{
		# As of this file.
		sed -n '1s/^#/../p' "$HERE/lib.sh"
		cat <<-END

		${2//?/=}
		$2
		${2//?/=}

		Written by \`\`$3\`\` on $(date -u +%Y-%m-%d), with $(nproc) processors. $4

		.. list-table::
		   :header-rows: 1

		   * - Measured
		     - What
		END
		while read -r value what; do
			printf '   * - %s\n     - %s\n' "$value" "$what"
		done <"$BUILD/$1"
	} >"$BUILD/$1.rst"
	mv "$BUILD/$1.rst" "$page"
	say "-- written: $page"
}

# cold KIND: this is another figure if KIND is not in the cache yet.
# took NAME: keeps for figures.sh how long this script has been running.
COLD=
cold() { [[ -e $CACHE/$1/current ]] || COLD=-fresh; }
took() {
	local f=$CACHE/times
	touch "$f"
	{ grep -v "^$1$COLD " "$f" || true; echo "$1$COLD $SECONDS"; } >"$f.new"
	mv "$f.new" "$f"
}

# --- the project's files ----------------------------------------------------

# What belongs into a kernel tree; the rest serves this repository only.
KERNEL_PATHS=(drivers/virtio/msg include Documentation tools/virtio-msg
	tools/testing/selftests/virtio_msg)

# project_files PATH...: files below PATH, new ones too, but nothing built.
project_files() {
	if [[ -e $ROOT/.git ]]; then
		git -C "$ROOT" ls-files -co --exclude-standard -- "$@" | sort -u
	else
		(cd "$ROOT"; find "$@" -type f 2>/dev/null || true) | sed 's,^[.]/,,'
	fi | while read -r f; do
		[[ ! -f $ROOT/$f ]] || printf '%s\n' "$f"
	done
}

# copy_project DEST PATH...: brings DEST up to date. Only what differs is
# written, so that make rebuilds no more than it must; a copy replaces the
# file, as the old one may be hard-linked from elsewhere. With DROP=SYMBOL the
# lines that are there for SYMBOL alone stay behind.
copy_project() {
	local dest=$1 f d from
	shift
	project_files "$@" >"$dest.files"
	while read -r f; do
		from=$ROOT/$f
		if [[ ${DROP:-} ]] && grep -qE "^#if.* $DROP$" "$from"; then
			from=$dest.dropped
			unifdef -U"$DROP" -o "$from" "$ROOT/$f" || [[ $? == 1 ]] ||
				die "unifdef does not understand $f"
		fi
		if ! cmp -s "$from" "$dest/$f"; then
			mkdir -p "$dest/${f%/*}"
			cp --remove-destination "$from" "$dest/$f"
			touch "$dest/$f"
		fi
	done <"$dest.files"
	rm -f "$dest.dropped"
	# Sources that the project has dropped go here too.
	for d in drivers/virtio/msg tools/virtio-msg tools/testing/selftests/virtio_msg; do
		[[ ! -d $dest/$d ]] || find "$dest/$d" -name '*.[chS]' -type f -printf "$d/%P\n"
	done | grep -Fxv -f "$dest.files" | grep -v '\.mod\.c$' |
		(cd "$dest" && xargs -r rm -f) || true
}

# build_tools FOLDER: the device library and programs, into build/FOLDER.
build_tools() {
	local out=$BUILD/$1
	mkdir -p "$out"
	run_logged "$1" "building the device programs" flock "$out/lock" \
		make -C "$ROOT/tools/virtio-msg" -j"$JOBS" O="$out"
}

# --- kernels of our own -----------------------------------------------------

# configure_kernel TREE FOLDER ARCH SYMBOL=VALUE...: the smallest configuration
# of TREE that has all that is asked for. Kconfig drops silently what it finds
# no way to, so every symbol is looked up in the result.
configure_kernel() {
	local tree=$1 out=$2 arch=$3 s bad=0
	shift 3
	mkdir -p "$out"
	make -C "$tree" O="$out" ARCH="$arch" tinyconfig
	printf 'CONFIG_%s\n' "$@" >"$out/fragment"
	(cd "$out" && "$tree/scripts/kconfig/merge_config.sh" -m .config fragment)
	make -C "$tree" O="$out" ARCH="$arch" olddefconfig
	for s; do
		case $s in
		*=n) ! grep -q "^CONFIG_${s%=n}=" "$out/.config" ;;
		*)   grep -qx "CONFIG_$s" "$out/.config" ;;
		esac && continue
		echo "the configuration has no $s, but:" \
			"$(grep "CONFIG_${s%=*}[ =]" "$out/.config" || echo nothing)"
		bad=1
	done
	return $bad
}

# What a small kernel needs so that ours can be in it.
SMALL=(64BIT=y SMP=y PRINTK=y SYSFS=y PROC_FS=y MODULES=y MODULE_UNLOAD=y
	SHMEM=y MEMFD_CREATE=y EVENTFD=y VIRTIO_MENU=y PCI=y PCI_MSI=y)

# --- the machine ------------------------------------------------------------

# with_lock NAME: holds a lock until the script ends, so that two runs never
# change the same part of the cache, nor build two kernels at once. Scripts that
# it calls must not want the same lock.
with_lock() {
	local fd
	exec {fd}>"$CACHE/$1.lock"
	if ! flock -n "$fd"; then
		say "-- waiting for another run ($CACHE/$1.lock)"
		flock "$fd"
	fi
}

# Debian packages by purpose. check.sh asks for all of them at once: one call of
# apt is faster than many, and somebody who is not root gets one command.
NEEDS_MODULES=(make gcc libc6-dev libelf1 xz-utils kmod)
NEEDS_KERNEL=("${NEEDS_MODULES[@]}" libelf-dev flex bison bc python3 git unifdef)
NEEDS_GUEST=(qemu-system-x86 cpio kmod xz-utils e2fsprogs)
# Any busybox will do, and the static one would replace another.
command -v busybox >/dev/null || NEEDS_GUEST+=(busybox-static)
NEEDS_TESTS=(fio attr socat iproute2 iperf3 ethtool kexec-tools qemu-utils qemu-system-common
	dpdk-dev librte-net-vhost23 librte-mempool-ring23 liburing-dev pkg-config)
# What others do the same job with, and what it is measured with.
NEEDS_BENCH=(fio iproute2 iperf3 gcc libc6-dev liburing-dev qemu-utils nbdkit nbd-client)
NEEDS_STATIC=(perl shellcheck)
# The C library's headers alone: nothing is linked with it.
NEEDS_FFA=(gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-system-arm cpio)

# need_packages PACKAGE...: installs those that are missing.
need_packages() {
	local p missing=() apt=(apt-get -q -y --no-install-recommends)

	for p in $(printf '%s\n' "$@" | sort -u); do
		dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null |
			grep -qx installed || missing+=("$p")
	done
	((${#missing[@]})) || return 0
	if ((EUID)); then
		say "Some Debian packages are missing. Run this once, then try again:"
		say "    sudo apt-get update && sudo apt-get install ${missing[*]}"
		exit 1
	fi
	# A lock only for as long as this takes: scripts call each other.
	(
		flock 9
		export DEBIAN_FRONTEND=noninteractive
		update=(run_logged apt-update "updating package lists" apt-get -q update)
		install=(run_logged apt-install "installing ${missing[*]}" "${apt[@]}" install
			"${missing[@]}")
		# Lists older than a day name versions that the mirror has dropped.
		[[ $(find /var/lib/apt/lists -name '*Packages*' -mtime -1 2>/dev/null) ]] ||
			"${update[@]}" || true
		"${install[@]}" || { "${update[@]}" && "${install[@]}"; }
	) 9>"$CACHE/packages.lock" || die "apt-get could not install: ${missing[*]}"
}
