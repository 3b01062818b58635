#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# check.sh [PART...]: runs the parts, all if none is named, and adds up what
# they counted. A part that dies without counting is one failure.

. "$(dirname "$0")/lib.sh"

all=$((!$#))
cold source
if ((all)); then
	set -- static kunit fuzz intree guest amp ffa
	need_packages "${NEEDS_KERNEL[@]}" "${NEEDS_STATIC[@]}" \
		"${NEEDS_GUEST[@]}" "${NEEDS_TESTS[@]}" "${NEEDS_FFA[@]}"
fi
results=$BUILD/results
failed=()
for part; do
	case $part in
	guest|amp|ffa)	script=$HERE/$part-tests.sh ;;
	*)		script=$HERE/$part.sh ;;
	esac
	printf '\n== %s\n' "$part"
	start=$SECONDS
	: >"$results"
	rc=0
	VIRTIO_MSG_RESULTS=$results "$script" </dev/null 2>&1 || rc=$?
	p=0 f=0 s=0
	read -r p f s <"$results" || true
	if ((rc && !f)); then
		fail "check-$part ended early (exit status $rc)"
	fi
	PASSED=$((PASSED + p)) FAILED=$((FAILED + f)) SKIPPED=$((SKIPPED + s))
	((rc == 0)) || failed+=("check-$part")
	printf '   (%d s)\n' "$((SECONDS - start))"
done
printf '\n'
((!all)) || took check
if ((${#failed[@]})); then
	echo "Something failed. Run one part alone: make ${failed[*]}. Logs: $LOGS"
fi
summary
