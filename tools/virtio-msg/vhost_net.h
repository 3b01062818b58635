/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/*
 * Queue pairs of a network device whose work is done by a vhost-user back end.
 */
#ifndef _VHOST_NET_H
#define _VHOST_NET_H

#include "vmsg.h"

/* So that the control queue, which comes after them, is the 255th. */
#define VHOST_NET_MAX_PAIRS	127u

/**
 * struct vhost_net - the queue pairs of a device
 * @pairs: how many there are; 1 = without a control queue, 0 = no network device
 * @active: how many the driver uses
 * @dev: the device, as soon as there is one
 * @activate: lets the back end serve as many as @active says; false = it refuses
 * @arg: for @activate
 */
struct vhost_net {
	unsigned int pairs;
	unsigned int active;
	const struct vmsg_device *dev;
	bool (*activate)(void *arg);
	void *arg;
};

uint32_t vhost_net_queues(const struct vhost_net *net);
uint32_t vhost_net_rings(const struct vhost_net *net);
bool vhost_net_is_control(const struct vhost_net *net, uint32_t index);
bool vhost_net_is_active(const struct vhost_net *net, uint32_t index);
void vhost_net_control(struct vhost_net *net, struct vmsg_vq *vq);

#endif /* _VHOST_NET_H */
