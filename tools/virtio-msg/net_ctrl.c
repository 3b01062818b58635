// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * libvmsg: the control queue of a network device: takes commands out of it,
 * checked and copied, and writes back what became of them. What the commands do
 * is the matter of the device: dev_net.c, vhost_net.c.
 */
#include <linux/virtio_net.h>

#include "net_ctrl.h"

/**
 * vmsg_net_ctrl_serve() - answer all commands in a control queue
 * @vq: the queue
 * @buf: where to put a copy of a command
 * @room: bytes in @buf; a longer command breaks the queue
 * @fn: carries out a command
 * @arg: for @fn
 */
void vmsg_net_ctrl_serve(struct vmsg_vq *vq, uint8_t *buf, size_t room,
			 vmsg_net_ctrl_fn fn, void *arg)
{
	const size_t head = sizeof(struct virtio_net_ctrl_hdr);
	struct vmsg_elem *elem;
	uint8_t ack;
	size_t len;

	while ((elem = vmsg_vq_pop(vq))) {
		if (elem->out_len < head || elem->out_len > room ||
		    !elem->in_len) {
			vmsg_vq_broken(vq, "a request of %zu bytes with %zu bytes of room",
				       elem->out_len, elem->in_len);
			return;
		}
		len = vmsg_iov_read(elem->out, elem->out_num, buf,
				    elem->out_len);
		ack = fn(arg, buf[0], buf[1], buf + head, len - head) ?
		      VIRTIO_NET_OK : VIRTIO_NET_ERR;
		vmsg_iov_write(elem->in, elem->in_num, &ack, sizeof(ack));
		vmsg_vq_push(vq, elem, sizeof(ack));
	}
}

/**
 * vmsg_net_ctrl_pairs() - read a command of class VIRTIO_NET_CTRL_MQ
 * @cmd: which one
 * @data: what follows on its head
 * @len: bytes of it
 * @max: queue pairs that there are
 *
 * Return: how many queue pairs the driver wants to use, 0 = it is refused.
 */
unsigned int vmsg_net_ctrl_pairs(uint8_t cmd, const uint8_t *data, size_t len,
				 unsigned int max)
{
	unsigned int num;

	if (cmd != VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET || len != sizeof(uint16_t))
		return 0;
	num = data[0] | data[1] << 8;
	return num <= max ? num : 0;
}
