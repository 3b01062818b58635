/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/*
 * libvmsg: the window of an AMP bus, seen from the device side.
 *
 * <linux/virtio_msg_amp.h> says what lies where. There is nothing but memory
 * here: a link that has a window calls these functions and rings the doorbell
 * when &vmsg_amp.ring says so.
 */
#ifndef _VMSG_AMP_H
#define _VMSG_AMP_H

#include <linux/virtio_msg_amp.h>

#include "internal.h"

/* Offset of the pool in memory that begins with the window. */
#define VMSG_AMP_POOL	VIRTIO_MSG_AMP_WINDOW_SIZE

/*
 * A queue: the slots, the number that each side keeps for all to see, and what
 * ours is, as nothing that we have written is ever read back.
 */
struct vmsg_amp_queue {
	uint8_t *slots;
	void *ours;
	void *theirs;
	unsigned int next;
};

/**
 * struct vmsg_amp - a window
 * @window: VIRTIO_MSG_AMP_WINDOW_SIZE bytes that the driver side sees as well
 * @spsc: format spsc in place of layout
 * @num_notif: bits of the notification words in use, 0 to 64; 0 in format spsc
 * @per_device: how many of them each device has
 * @ring: the doorbell has to be rung; cleared by the link
 * @status: our VIRTIO_MSG_AMP_*, in format layout
 * @ran: the driver side has been in RUN since we are
 * @turn: whether kicks or frames come first now
 * @tx: queue to the driver side
 * @rx: queue from the driver side
 * @tx_bits: notifications, toggled
 * @rx_bits: kicks that have been seen
 * @kicks: kicks that have been seen and not been handed out yet
 *
 * The link sets the first four; the others belong to amp.c.
 */
struct vmsg_amp {
	uint8_t *window;
	bool spsc;
	unsigned int num_notif;
	unsigned int per_device;

	bool ring;
	uint16_t status;
	bool ran;
	bool turn;
	unsigned int slots;
	struct vmsg_amp_queue tx;
	struct vmsg_amp_queue rx;
	uint64_t tx_bits;
	uint64_t rx_bits;
	uint64_t kicks;
};

bool vmsg_amp_agrees(const struct vmsg_amp *amp);
void vmsg_amp_open(struct vmsg_amp *amp);
void vmsg_amp_close(struct vmsg_amp *amp);
bool vmsg_amp_step(struct vmsg_amp *amp, bool impatient);
bool vmsg_amp_talks(const struct vmsg_amp *amp);
void vmsg_amp_driver_left(struct vmsg_amp *amp, bool replaced);
int vmsg_amp_send(struct vmsg_amp *amp, const void *frame, size_t len);
ssize_t vmsg_amp_receive(struct vmsg_amp *amp, void *buf, size_t room);

#endif /* _VMSG_AMP_H */
