#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# kunit.sh [FILTER]: the unit tests. KUnit suites run in the newest packaged
# kernel, as a User Mode Linux program; FILTER is a glob "suite" or "suite.test"
# for them. Those of the device library run as they are, unless there is a FILTER.

. "$(dirname "$0")/lib.sh"

need_packages "${NEEDS_KERNEL[@]}"
with_lock build
tree=$("$HERE/graft.sh")
log=$LOGS/kunit.log
kunitconfig=drivers/virtio/msg/tests/.kunitconfig
[[ -e $tree/$kunitconfig ]] || die "there is no $kunitconfig"

# kunit.py takes names relative to the tree. It says what it ran in a closing
# line; without that line, or with nothing counted there, nothing was tested.
cd "$tree"
mkdir -p "$CACHE/build/kunit"
ok=1
run_quiet kunit "KUnit under UML, kernel $(basename "$tree") (two minutes the first time)" \
	timeout -k 10 2400 python3 -u tools/testing/kunit/kunit.py run --arch=um --jobs="$JOBS" \
	--build_dir="$CACHE/build/kunit" --kunitconfig="$kunitconfig" \
	--timeout=300 ${1:+"$1"} || ok=0

count() { sed -n "s/.*Testing complete\. Ran.*[ :]$1: \([0-9]*\).*/\1/p" "$log" | tail -n 1; }
PASSED=$(($(count passed) + 0))
FAILED=$(($(count failed) + $(count crashed) + $(count errors) + 0))
SKIPPED=$(($(count skipped) + 0))

if ((FAILED || !ok)); then
	# All that is said between the start of the kernel and the closing line,
	# less the tests that passed.
	sed -n '/Starting KUnit Kernel/,/Testing complete/p' "$log" |
		grep -vE '\[(PASSED|SKIPPED)\]|=== .* ===$' | tail -n 60 || true
	if ! grep -q 'Testing complete' "$log"; then
		tail -n 30 "$log"
	fi
	((FAILED)) || fail "kunit.py stopped before the end"
	say "   the whole log: $log, the kernel's own: $CACHE/build/kunit/test.log"
fi
sed -n 's/^\[[0-9:]*\] //; s/^=* *\(\[[A-Z]*\] [a-z0-9_-]*\) =*$/   \1/p; s/^\[SKIPPED\]/   &/p' \
	"$log"

# --- the device library -------------------------------------------------------

if [[ ! ${1:-} && -d $ROOT/tools/virtio-msg/tests ]]; then
	log=$LOGS/libvmsg-tests.log
	mkdir -p "$BUILD/tools"
	ok=1
	run_quiet libvmsg-tests "tests of the device library" flock "$BUILD/tools/lock" \
		make -C "$ROOT/tools/virtio-msg" -j"$JOBS" O="$BUILD/tools" check || ok=0
	sed -n 's/^# \(test.*:\)/   \1/p' "$log"
	total='^# libvmsg: \([0-9]*\) passed, \([0-9]*\) failed'
	if read -r p f < <(sed -n "s/$total/\1 \2/p" "$log"); then
		PASSED=$((PASSED + p)) FAILED=$((FAILED + f))
		((!f)) || { grep -A 5 '^not ok' "$log" || true; }
		((ok || f)) || fail "the tests of the device library ended early: $log"
	else
		tail -n 20 "$log"
		fail "the tests of the device library did not run: $log"
	fi
fi
summary
