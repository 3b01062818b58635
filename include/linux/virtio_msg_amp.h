/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * virtio-msg over shared memory and a doorbell: what somebody brings who has
 * both. virtio_msg_amp makes a bus of it.
 *
 * Documentation/driver-api/virtio/msg/amp.rst shows how.
 */
#ifndef _LINUX_VIRTIO_MSG_AMP_H
#define _LINUX_VIRTIO_MSG_AMP_H

#include <linux/bits.h>
#include <linux/iosys-map.h>
#include <linux/types.h>
#include <uapi/linux/virtio_msg_amp.h>

struct device;
struct virtio_msg_amp;
struct virtio_msg_pool;

/* The doorbell may be rung without a message, to show that a status changed. */
#define VIRTIO_MSG_AMP_RING_STATUS	BIT(0)
/*
 * Wait until the device side has sent something: some have a doorbell that must
 * not be rung before there are devices.
 */
#define VIRTIO_MSG_AMP_LISTEN		BIT(1)

/**
 * struct virtio_msg_amp_ops - what the hardware can do
 * @doorbell: Interrupts the device side. The frames that it is to see are in
 *	memory already.
 *	Called in any context, also hard interrupt.
 * @stop: When it returns, no call of virtio_msg_amp_interrupt() is running or
 *	begins any more. Called from virtio_msg_amp_unregister(), if
 *	virtio_msg_amp_start() has been called.
 * @dma: Lets the device side reach this machine's memory, or takes that away
 *	again. Optional.
 *	Called in process context, may sleep.
 */
struct virtio_msg_amp_ops {
	void (*doorbell)(void *priv);
	void (*stop)(void *priv);
	void (*dma)(void *priv, bool on);
};

/**
 * struct virtio_msg_amp_info - what there is
 * @parent: device that it belongs to
 * @ops: what it can do
 * @priv: for @ops
 * @window: the memory of VIRTIO_MSG_AMP_WINDOW_SIZE bytes with the queues
 * @pool: all memory that the devices can see, or NULL when they reach memory
 *	through the DMA API of @parent
 * @flags: VIRTIO_MSG_AMP_RING_STATUS, VIRTIO_MSG_AMP_LISTEN
 * @timeout_ms: milliseconds that an answer may take; 0 = the default
 */
struct virtio_msg_amp_info {
	struct device *parent;
	const struct virtio_msg_amp_ops *ops;
	void *priv;
	struct iosys_map window;
	struct virtio_msg_pool *pool;
	unsigned long flags;
	unsigned int timeout_ms;
};

struct virtio_msg_amp *
virtio_msg_amp_register(const struct virtio_msg_amp_info *info);
void virtio_msg_amp_start(struct virtio_msg_amp *amp);
void virtio_msg_amp_unregister(struct virtio_msg_amp *amp);
void virtio_msg_amp_interrupt(struct virtio_msg_amp *amp);
void virtio_msg_amp_dead(struct virtio_msg_amp *amp);
int virtio_msg_amp_suspend(struct virtio_msg_amp *amp);
int virtio_msg_amp_resume(struct virtio_msg_amp *amp);
void virtio_msg_amp_shutdown(struct virtio_msg_amp *amp);

#endif /* _LINUX_VIRTIO_MSG_AMP_H */
