/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause */
/*
 * virtio-msg over shared memory and a doorbell (AMP): what lies where.
 *
 * Each bus has a window of 16 KiB in memory that both sides see. Frames travel
 * through two queues in there, one a direction; each side has a way to interrupt
 * the other. All numbers are little endian. There are two formats:
 *
 *  - spsc: two queues of 62 slots at fixed places, and nothing else;
 *  - layout: a header says where things are, and both sides have a state.
 *
 * The device side writes the header before the driver side looks, so its magic
 * tells the formats apart.
 */
#ifndef _UAPI_LINUX_VIRTIO_MSG_AMP_H
#define _UAPI_LINUX_VIRTIO_MSG_AMP_H

#include <linux/types.h>

/* Bytes of a window. */
#define VIRTIO_MSG_AMP_WINDOW_SIZE	0x4000
/* Bytes of a slot that holds one frame; what the frame leaves is zero. */
#define VIRTIO_MSG_AMP_SLOT_SIZE	64

/*
 * Format spsc
 */

/* Offsets in the window: frames from the driver side, and from the device side. */
#define VIRTIO_MSG_AMP_SPSC_DRIVER	0x1000
#define VIRTIO_MSG_AMP_SPSC_DEVICE	0x2000
/* Slots of a queue, of which one always stays empty. */
#define VIRTIO_MSG_AMP_SPSC_SLOTS	62

/**
 * struct virtio_msg_amp_spsc - a queue
 * @head: slot that its producer writes next
 * @pad0: zero
 * @tail: slot that its consumer reads next. The queue is empty when it is @head,
 *	and full when it is the one after @head.
 * @pad1: zero
 * @slots: the frames
 *
 * Nobody ever starts over: a side that comes up goes on from the numbers that it
 * finds. A number of VIRTIO_MSG_AMP_SPSC_SLOTS or more is taken modulo that.
 */
struct virtio_msg_amp_spsc {
	__le32 head;
	__u8 pad0[60];
	__le32 tail;
	__u8 pad1[60];
	__u8 slots[VIRTIO_MSG_AMP_SPSC_SLOTS][VIRTIO_MSG_AMP_SLOT_SIZE];
};

/*
 * Format layout
 */

/* Offset of the header in the window. Offsets in the header count from here. */
#define VIRTIO_MSG_AMP_LAYOUT		0x1000

#define VIRTIO_MSG_AMP_LAYOUT_MAGIC	0x4c4f
#define VIRTIO_MSG_AMP_LAYOUT_VERSION	1
#define VIRTIO_MSG_AMP_QUEUE_MAGIC	0x514f

/* virtio_msg_amp_layout.features: notification words have a mask. */
#define VIRTIO_MSG_AMP_F_NOTIF_MASK	0x0001

/**
 * struct virtio_msg_amp_layout - what the device side says about the memory
 * @magic: VIRTIO_MSG_AMP_LAYOUT_MAGIC, written last
 * @length: bytes of this header, at least 64
 * @version: VIRTIO_MSG_AMP_LAYOUT_VERSION
 * @features: VIRTIO_MSG_AMP_F_*
 * @num_notif: bits of the notification words that are used, 0 to 64; 0 = all
 *	notifications are messages
 * @num_vq_notif_per_device: bits that each device has. Bit
 *	device number * num_vq_notif_per_device + queue index is the one of a
 *	queue, if the queue index is smaller than num_vq_notif_per_device and the
 *	bit is one of the @num_notif. Other queues are notified by messages.
 * @num_queue_elements: slots of each queue, of which one always stays empty
 * @size_queue_elements: bytes of each slot
 * @reserved: zero
 * @dev_notif: &struct virtio_msg_amp_notif of the device side
 * @dev_queue_head: &struct virtio_msg_amp_queue_head of the device side
 * @dev_queue_elements: slots that the device side fills
 * @drv_notif: &struct virtio_msg_amp_notif of the driver side
 * @drv_queue_head: &struct virtio_msg_amp_queue_head of the driver side
 * @drv_queue_elements: slots that the driver side fills
 */
struct virtio_msg_amp_layout {
	__le16 magic;
	__le16 length;
	__le16 version;
	__le16 features;
	__u8 num_notif;
	__u8 num_vq_notif_per_device;
	__le16 num_queue_elements;
	__le16 size_queue_elements;
	__le16 reserved;
	__le64 dev_notif;
	__le64 dev_queue_head;
	__le64 dev_queue_elements;
	__le64 drv_notif;
	__le64 drv_queue_head;
	__le64 drv_queue_elements;
};

/*
 * virtio_msg_amp_queue_head.status, bits 0 to 4
 *
 * A side that comes up writes INIT and its magic. It goes on when the other side
 * has its magic and is not beyond RUN: both its numbers become 0, its status
 * READY. When the other side is READY or RUN, its own status becomes RUN, and
 * frames may travel.
 *
 * A side that sees INIT, or READY after RUN, knows that the other one has begun
 * anew, and does so too. One that comes up and finds RUN gives the other side
 * time to notice. If that does not leave RUN, it knows nothing of beginning
 * anew: then the numbers go on from where that side stands.
 */
#define VIRTIO_MSG_AMP_STATUS_MASK	0x001f
#define VIRTIO_MSG_AMP_INIT		0
#define VIRTIO_MSG_AMP_READY		1
#define VIRTIO_MSG_AMP_RUN		2
/* Leaves in order; nothing is sent or taken any more. */
#define VIRTIO_MSG_AMP_SHUTDOWN		3
/* Has died, as somebody else saw and wrote on its behalf. */
#define VIRTIO_MSG_AMP_DEAD		4

/**
 * struct virtio_msg_amp_queue_head - what one side says
 * @magic: VIRTIO_MSG_AMP_QUEUE_MAGIC
 * @status: VIRTIO_MSG_AMP_INIT and so on
 * @tail: slot that this side writes next, in its own slots
 * @head: slot that this side reads next, in the other side's slots
 *
 * Each side writes only its own. A queue is empty when the reader's head is the
 * writer's tail, and full when it is the one after that.
 */
struct virtio_msg_amp_queue_head {
	__le16 magic;
	__le16 status;
	__le16 tail;
	__le16 head;
};

/**
 * struct virtio_msg_amp_notif - notifications of one side
 * @tx: toggled to notify: a bit is pending while it differs from @rx of the
 *	other side
 * @rx: bits of the other side's @tx that have been seen. It is written before
 *	the queues are looked at.
 * @mask: bits of the other side's @tx that need no doorbell, with
 *	VIRTIO_MSG_AMP_F_NOTIF_MASK
 *
 * A bit of the driver side is EVENT_AVAIL with next_offset 0, a bit of the device
 * side is EVENT_USED. All three words are 0 when status becomes READY.
 */
struct virtio_msg_amp_notif {
	__le64 tx;
	__le64 rx;
	__le64 mask;
};

/*
 * Inter-VM shared memory (ivshmem-doorbell)
 *
 * The memory begins with the window of one bus; what follows the window is the
 * pool. A device address is the offset in this memory.
 */

#define VIRTIO_MSG_AMP_IVSHMEM_MAGIC	0x47534d56
#define VIRTIO_MSG_AMP_IVSHMEM_VERSION	1

/**
 * struct virtio_msg_amp_ivshmem - at the start of the memory
 * @magic: VIRTIO_MSG_AMP_IVSHMEM_MAGIC, written last
 * @version: VIRTIO_MSG_AMP_IVSHMEM_VERSION
 * @device_peer: peer id of the device side, whose vector 0 is its doorbell
 * @reserved: zero
 *
 * The device side writes it. The driver side, which the device side finds by the
 * messages of the ivshmem server, is interrupted by its vector 0.
 */
struct virtio_msg_amp_ivshmem {
	__le32 magic;
	__le32 version;
	__le32 device_peer;
	__le32 reserved;
};

#endif /* _UAPI_LINUX_VIRTIO_MSG_AMP_H */
