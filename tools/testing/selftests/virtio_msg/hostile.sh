#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A device side that means harm throws what it can: see hostile.c. More of it, in
# a kernel that looks at everything: make hostile.
# known: blk_validate_limits Linux 6.12 warns of disks with segments below a page

. ./lib.sh

for module in virtio_net virtio_console virtio_input evdev \
	vmw_vsock_virtio_transport virtio_scsi i2c-virtio gpio-virtio; do
	modprobe "$module" 2>/dev/null
done
# shellcheck disable=SC2086 # words are wanted
run hostile ${HOSTILE:-}
