#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Boots a small arm64 kernel in QEMU, whose secure world (ffa/) has a disk and an
# entropy source, and uses both.

. "$(dirname "$0")/lib.sh"

cold arm64
built=$("$HERE/ffa-guest.sh" --build)
eval "$built"
say "-- booting an arm64 kernel in QEMU, with devices in the secure world only"
rc=0
"$HERE/ffa-guest.sh" --name demo-ffa --timeout 90 --add "$HERE/ffa/demo.sh:/demo.sh" \
	"cd / && . /demo.sh" | sed 's/^/   /' || rc=$?
verdict=$(sed -n 's/^verdict: //p' "$LOGS/demo-ffa.secure")
if ((rc)) || [[ $verdict != "violations 0; left: shares 0, areas 0, notifications 0;"* ]]; then
	say "The demo failed. The secure side says: ${verdict:-nothing}."
	say "What the kernel said: $LOGS/demo-ffa.console"
	exit 1
fi
took demo-ffa
printf 'The demo worked, in %s seconds. The secure side counted: %s.\n' "$SECONDS" "$verdict"
