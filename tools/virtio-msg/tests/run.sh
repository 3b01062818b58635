#!/bin/sh
# SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
#
# Run TAP programs one after the other, show what failed, count.
#
#	run.sh PROGRAM...
#
# With V=1 everything they print is shown; with STOP=1 the first one that fails
# is the last one.

passed=0
failed=0
for program; do
	log=$program.tap
	"$program" >"$log" 2>&1
	status=$?
	good=$(grep -c '^ok ' "$log")
	bad=$(grep -c '^not ok ' "$log")
	# One that dies has no plan, or does not keep it.
	plan=$(sed -n 's/^1\.\.//p' "$log")
	if [ "$bad" -eq 0 ] && { [ "$status" -ne 0 ] ||
	   [ "${plan:-none}" != "$((good + bad))" ]; }; then
		bad=1
		echo "not ok - $program ended with status $status:"
		tail -n 30 "$log"
	fi
	if [ -n "$V" ]; then
		cat "$log"
	else
		grep -A1 '^not ok ' "$log"
	fi
	echo "# $(basename "$program"): $good passed, $bad failed"
	passed=$((passed + good))
	failed=$((failed + bad))
	[ -z "$STOP" ] || [ "$failed" -eq 0 ] || break
done
echo "# libvmsg: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
