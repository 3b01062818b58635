/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/*
 * libvmsg: a device whose work is done by a vhost-user back end.
 */
#ifndef _VHOST_USER_H
#define _VHOST_USER_H

#include "vmsg.h"

/**
 * struct vmsg_vhost_params - which back end, and what it does not say itself
 * @path: its socket
 * @device: kind of device, such as "blk" and "net", or NULL = find out
 * @queues: number of queues, 0 = as many as it has; net: of queue pairs, 0 = 1
 * @queue_size: largest size of each, 0 = 256
 * @features: ring features that may be offered, see VMSG_RING_FEATURES
 * @wait_ms: how long the back end may take for what is asked at a time, 0 = 3 s
 * @uuid: UUID, all zero = none
 * @has_mac: there is a @mac
 * @mac: net: address
 * @mtu: net: largest packet, 0 = not said
 * @tag: fs: what to mount it by, up to 36 bytes
 */
struct vmsg_vhost_params {
	const char *path;
	const char *device;
	uint32_t queues;
	uint32_t queue_size;
	uint64_t features;
	uint32_t wait_ms;
	uint8_t uuid[16];
	bool has_mac;
	uint8_t mac[6];
	uint16_t mtu;
	const char *tag;
};

struct vmsg_device *vmsg_vhost_add(struct vmsg_bus *bus, uint32_t num,
				   const struct vmsg_vhost_params *params);

#endif /* _VHOST_USER_H */
