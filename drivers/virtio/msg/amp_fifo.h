/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * virtio-msg over shared memory: the queues, whatever their format.
 */
#ifndef _VIRTIO_MSG_AMP_FIFO_H
#define _VIRTIO_MSG_AMP_FIFO_H

#include <linux/iosys-map.h>
#include <linux/types.h>

/**
 * struct vmsg_fifo_queue - one direction
 * @prod: offset of the number that its producer writes
 * @cons: offset of the number that its consumer writes
 * @slots: offset of the first slot
 * @at: this side's own number; it is never read back from shared memory
 * @seen: the other side's number when it was last looked at
 */
struct vmsg_fifo_queue {
	u32 prod;
	u32 cons;
	u32 slots;
	u16 at;
	u16 seen;
};

/**
 * struct vmsg_fifo - both directions
 * @map: the window
 * @layout: format layout, else spsc
 * @found: what memory says about this side was written by this side, earlier
 * @num: slots of each queue, of which one stays empty
 * @stride: bytes of a slot
 * @tx: to the device side
 * @rx: from the device side
 * @own_head: offset of what this side says about itself, format layout
 * @peer_head: the same of the other side
 * @own_notif: offset of this side's notification words
 * @peer_notif: the same of the other side
 * @num_notif: bits in there
 * @per_device: bits of one device
 * @masked: the words have masks
 * @notif_tx: own notifications
 * @notif_rx: notifications that have been seen
 *
 * The caller serialises vmsg_fifo_put() and vmsg_fifo_notify(), and everything
 * about @rx and @notif_rx.
 */
struct vmsg_fifo {
	struct iosys_map map;
	bool layout;
	bool found;
	u16 num;
	u16 stride;
	struct vmsg_fifo_queue tx;
	struct vmsg_fifo_queue rx;
	u32 own_head;
	u32 peer_head;
	u32 own_notif;
	u32 peer_notif;
	u8 num_notif;
	u8 per_device;
	bool masked;
	u64 notif_tx;
	u64 notif_rx;
};

const char *vmsg_fifo_open(struct vmsg_fifo *fifo, const struct iosys_map *map);
void vmsg_fifo_begin(struct vmsg_fifo *fifo, bool anew);
int vmsg_fifo_peer_status(struct vmsg_fifo *fifo);
int vmsg_fifo_own_status(struct vmsg_fifo *fifo);
void vmsg_fifo_set_status(struct vmsg_fifo *fifo, u16 status);

bool vmsg_fifo_has_room(struct vmsg_fifo *fifo);
bool vmsg_fifo_put(struct vmsg_fifo *fifo, const void *frame, size_t size);
bool vmsg_fifo_has_frames(struct vmsg_fifo *fifo);
bool vmsg_fifo_has_spoken(struct vmsg_fifo *fifo);
unsigned int vmsg_fifo_get(struct vmsg_fifo *fifo, void *frames,
			   unsigned int max);

int vmsg_fifo_notif_bit(struct vmsg_fifo *fifo, u16 dev_num, u32 index);
bool vmsg_fifo_notify(struct vmsg_fifo *fifo, int bit);
u64 vmsg_fifo_notified(struct vmsg_fifo *fifo);

#endif /* _VIRTIO_MSG_AMP_FIFO_H */
