#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The whole thing once: boots Debian's own kernel in a guest, where a program
# becomes a disk that the kernel's own virtio_blk driver uses.

. "$(dirname "$0")/lib.sh"

cold stock
need_packages "${NEEDS_MODULES[@]}" "${NEEDS_GUEST[@]}"
eval "$("$HERE/kernels.sh" stock)"
ko=$("$HERE/modules.sh" stock)
build_tools tools
say "-- booting Debian's kernel $KVER in QEMU, with no disk but the one to come"
rc=0
"$HERE/guest.sh" --name demo --timeout 90 --mod virtio_blk \
	--ko "$ko/virtio_msg.ko" --ko "$ko/virtio_msg_loopback.ko" \
	--bin "$BUILD/tools/virtio-msg-device" --bin mkfs.ext4 \
	--add "$HERE/demo-guest.sh:/demo" "sh /demo" | sed 's/^/   /' || rc=$?
if ((rc)); then
	say "The demo failed. What the kernel said: $LOGS/demo.console"
	exit 1
fi
took demo
printf 'The demo worked, in %s seconds. Next: make check, and README.md.\n' "$SECONDS"
