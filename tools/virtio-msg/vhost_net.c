// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * Queue pairs of a network device whose work is done by a vhost-user back end.
 *
 * A back end knows packets only. The control queue, where the driver says how
 * many pairs it uses, is behind the last pair and is served here. Without
 * VIRTIO_NET_F_MQ it is behind the first one, and the others are nobody's.
 */
#include <linux/virtio_net.h>

#include "internal.h"
#include "net_ctrl.h"
#include "vhost_net.h"

/* The longest command is one that is refused: a table of addresses. */
#define VHOST_NET_COMMAND	4096u

static bool vhost_net_has_control(const struct vhost_net *net)
{
	return net->pairs > 1;
}

/**
 * vhost_net_queues() - how many queues does a device have?
 * @net: its queue pairs
 *
 * Return: the number, with the control queue.
 */
uint32_t vhost_net_queues(const struct vhost_net *net)
{
	return 2 * net->pairs + vhost_net_has_control(net);
}

/**
 * vhost_net_rings() - how many queues are for packets?
 * @net: the queue pairs; the driver has chosen its features
 *
 * Return: the number. The control queue, if there is one, follows on them.
 */
uint32_t vhost_net_rings(const struct vhost_net *net)
{
	return vmsg_device_has_feature(net->dev, VIRTIO_NET_F_MQ) ?
	       2 * net->pairs : 2;
}

/**
 * vhost_net_is_control() - is this the control queue?
 * @net: the queue pairs; the driver has chosen its features
 * @index: a queue
 *
 * Return: true if so.
 */
bool vhost_net_is_control(const struct vhost_net *net, uint32_t index)
{
	return vhost_net_has_control(net) &&
	       vmsg_device_has_feature(net->dev, VIRTIO_NET_F_CTRL_VQ) &&
	       index == vhost_net_rings(net);
}

/**
 * vhost_net_is_active() - does the driver use a queue?
 * @net: the queue pairs
 * @index: a queue for packets
 *
 * Return: true if so.
 */
bool vhost_net_is_active(const struct vhost_net *net, uint32_t index)
{
	return index / 2 < net->active;
}

static bool vhost_net_command(void *arg, uint8_t class, uint8_t cmd,
			      const uint8_t *data, size_t len)
{
	struct vhost_net *net = arg;
	unsigned int before = net->active, pairs;

	if (class != VIRTIO_NET_CTRL_MQ ||
	    !vmsg_device_has_feature(net->dev, VIRTIO_NET_F_MQ))
		return false;
	pairs = vmsg_net_ctrl_pairs(cmd, data, len, net->pairs);
	if (!pairs)
		return false;
	net->active = pairs;
	if (net->activate(net->arg))
		return true;
	net->active = before;
	net->activate(net->arg);
	return false;
}

/**
 * vhost_net_control() - the control queue has commands
 * @net: the queue pairs
 * @vq: the control queue
 */
void vhost_net_control(struct vhost_net *net, struct vmsg_vq *vq)
{
	uint8_t command[VHOST_NET_COMMAND];

	vmsg_net_ctrl_serve(vq, command, sizeof(command), vhost_net_command,
			    net);
}
