#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What can be said about the sources without running them: checkpatch,
# kernel-doc, compiler warnings (W=1), sparse, shellcheck. All must be silent.
# A checker that did not run is silent too, so each is shown to have run.
# shellcheck disable=SC2317 # "check" calls the functions

. "$(dirname "$0")/lib.sh"

need_packages "${NEEDS_KERNEL[@]}" "${NEEDS_STATIC[@]}"
eval "$("$HERE/kernels.sh" source)"
eval "$("$HERE/kernels.sh" sparse)"
with_lock build
tree=$("$HERE/graft.sh")
cd "$ROOT"
mapfile -t files < <(project_files . | grep -vE '^(LICENSES|build)/')
mapfile -t c_files < <(printf '%s\n' "${files[@]}" | grep '\.[ch]$')
mapfile -t doc_files < <(printf '%s\n' "${c_files[@]}" | grep -E '^(drivers|include)/')
mapfile -t style_files < <(printf '%s\n' "${files[@]}" |
	grep -E '\.([chS]|sh|rst)$|(^|/)(Kconfig|Makefile|Kbuild)$')
mapfile -t sh_files < <(grep -lE -m 1 '^#! *(/usr)?/bin/(env )?(ba|da)?sh|^# shellcheck shell=' \
	"${files[@]}")

# It would ask git's help for spdxcheck.py, which wants more Python packages.
checkpatch() {
	GIT_DIR=/nowhere "$SRC/scripts/checkpatch.pl" --root="$SRC" --strict --quiet \
		--terse --show-types "$@" | sed '/^total:/d'
}

# compat.h alone may ask for the version of the kernel, in the usual order: that
# is its purpose.
style() {
	local rest=()
	for f in "${style_files[@]}"; do
		[[ $f == */compat.h ]] || rest+=("$f")
	done
	checkpatch -f "${rest[@]}" || return 1
	[[ ! -e drivers/virtio/msg/compat.h ]] ||
		checkpatch --ignore LINUX_VERSION_CODE,CONSTANT_COMPARISON \
			-f drivers/virtio/msg/compat.h
}

# Left out: who signs off is up to the sender, and the last patch of the
# series brings the MAINTAINERS entry for files of earlier ones.
patches() {
	local out
	out=$("$HERE/patch.sh" "$SRC") &&
		checkpatch --ignore MISSING_SIGN_OFF,FILE_PATH_CHANGES "$out"/*.patch
}

kernel_doc() {
	"$SRC/scripts/kernel-doc" -Wall -Werror -none "${doc_files[@]}"
}

kernel_doc_works() {
	printf '/**\n * f - x\n * @a: y\n */\nint f(int a, int b);\n' >"$BUILD/bad.h"
	! "$SRC/scripts/kernel-doc" -Wall -Werror -none "$BUILD/bad.h"
}

# A little-endian field read as a number: what sparse is here for.
sparse_works() {
	cat >"$BUILD/bad.c" <<-'END'
		typedef unsigned int __attribute__((bitwise)) le32;
		unsigned int f(le32 *x);
		unsigned int f(le32 *x) { return *x; }
	END
	"$SPARSE" "$BUILD/bad.c" 2>&1 | grep 'different base types'
}

# silent LOG: a build with W=1 C=2 said nothing, and sparse looked at every file
# that was compiled. Kbuild goes on without sparse where that is too old, and
# exits with 0.
silent() {
	local compiled checked
	compiled=$(sed -n 's,^ *CC .*/msg/\(.*\)\.o$,\1,p' "$1" | grep -v '\.mod$' |
		grep -vFx .module-common | sort)
	checked=$(sed -n 's,^ *CHECK .*/msg/\(.*\)\.c$,\1,p' "$1" | sort)
	echo "compiled: ${compiled//$'\n'/ }"
	echo "looked at by sparse: ${checked//$'\n'/ }"
	! grep -E 'warning|error:|not up to date' "$1" &&
		[[ $checked && $checked == "$compiled" ]]
}

# Objects of an earlier run would hide their warnings. No sparse follows guard(),
# whose end it does not see; newer kernels have given up on that check of it.
warnings_stock() {
	rm -rf "$BUILD/static-stock"
	"$HERE/modules.sh" -o "$BUILD/static-stock" stock W=1 C=2 \
		CHECK="$SPARSE" CF=-Wno-context &&
		silent "$LOGS/modules-static-stock.log"
}

# In the newest source with the KUnit suites, no further than our folder.
warnings_newest() {
	local out=$CACHE/build/static log=$LOGS/static-newest.make rc=1
	: >"$log"
	configure_kernel "$tree" "$out" x86_64 "${SMALL[@]}" KUNIT=y "${SYMBOLS[@]/%/=y}" \
		VIRTIO_MSG_KUNIT_TEST=y &&
		rm -rf "$out/drivers/virtio/msg" &&
		make -C "$tree" O="$out" ARCH=x86_64 -j"$JOBS" W=1 C=2 CHECK="$SPARSE" \
			drivers/virtio/msg/ >"$log" 2>&1 && rc=0
	# Said in any case: the last lines of a make that failed tell little.
	silent "$log" && ((!rc))
}

tools_silent() {
	rm -rf "$BUILD/static-tools"
	build_tools static-tools && ! grep -i 'warning' "$LOGS/static-tools.log"
}

check checkpatch "checkpatch --strict (${#style_files[@]} files)" style
check checkpatch-series "checkpatch --strict (patch series)" patches
check kernel-doc "kernel-doc -Wall (${#doc_files[@]} files)" kernel_doc
check kernel-doc-works "kernel-doc finds what is wrong" kernel_doc_works
check sparse-works "sparse finds what is wrong" sparse_works
check static-stock "W=1 and sparse against Debian's 6.12" warnings_stock
check static-newest "W=1 and sparse in the newest source" warnings_newest
check static-tools-silent "the device programs compile without a warning" tools_silent
check shellcheck "shellcheck (${#sh_files[@]} scripts)" shellcheck -x -P SCRIPTDIR "${sh_files[@]}"
summary
