// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-msg over shared memory: the queues, whatever their format.
 *
 * Two formats, one shape: a queue is two numbers and an array of slots, and the
 * formats differ in where these lie. Where they lie is found out once, checked,
 * and remembered here; so are this side's own numbers. What the other side
 * writes is read once, and taken modulo the number of slots: whatever it says,
 * no more than one queue's worth of frames is read, from inside of the window.
 *
 * The functions keep no locks and may be called in any context. The memory may
 * be behind a bus: nothing in it is read that need not be.
 */
#include <linux/build_bug.h>
#include <linux/minmax.h>
#include <linux/string.h>
#include <linux/virtio_msg.h>
#include <linux/virtio_msg_amp.h>

#include "amp_fifo.h"

/* Offset of a member in the window. */
#define SPSC(queue, member) (VIRTIO_MSG_AMP_SPSC_##queue +	\
			     offsetof(struct virtio_msg_amp_spsc, member))
#define HEAD(base, member) \
	((base) + (u32)offsetof(struct virtio_msg_amp_queue_head, member))
#define NOTIF(base, member) \
	((base) + (u32)offsetof(struct virtio_msg_amp_notif, member))

/*
 * Accessors of device memory turn little endian into the CPU's byte order by
 * themselves, those of plain memory do not.
 */

static u16 vmsg_fifo_rd16(struct vmsg_fifo *fifo, u32 offset)
{
	u16 value = iosys_map_rd(&fifo->map, offset, u16);

	return fifo->map.is_iomem ? value :
				    le16_to_cpu((__force __le16)value);
}

static u32 vmsg_fifo_rd32(struct vmsg_fifo *fifo, u32 offset)
{
	u32 value = iosys_map_rd(&fifo->map, offset, u32);

	return fifo->map.is_iomem ? value :
				    le32_to_cpu((__force __le32)value);
}

static void vmsg_fifo_wr16(struct vmsg_fifo *fifo, u32 offset, u16 value)
{
	if (!fifo->map.is_iomem)
		value = (__force u16)cpu_to_le16(value);
	iosys_map_wr(&fifo->map, offset, u16, value);
}

static void vmsg_fifo_wr32(struct vmsg_fifo *fifo, u32 offset, u32 value)
{
	if (!fifo->map.is_iomem)
		value = (__force u32)cpu_to_le32(value);
	iosys_map_wr(&fifo->map, offset, u32, value);
}

/* Bits are independent of each other, so halves may be of different age. */
static u64 vmsg_fifo_rd_bits(struct vmsg_fifo *fifo, u32 offset)
{
	u64 bits = vmsg_fifo_rd32(fifo, offset);

	if (fifo->num_notif > 32)
		bits |= (u64)vmsg_fifo_rd32(fifo, offset + 4) << 32;
	return bits;
}

static void vmsg_fifo_wr_bits(struct vmsg_fifo *fifo, u32 offset, u64 bits)
{
	vmsg_fifo_wr32(fifo, offset, bits);
	if (fifo->num_notif > 32)
		vmsg_fifo_wr32(fifo, offset + 4, bits >> 32);
}

/* The first time, all of the word. */
static void vmsg_fifo_begin_bits(struct vmsg_fifo *fifo, u32 offset, u64 bits)
{
	vmsg_fifo_wr32(fifo, offset, bits);
	vmsg_fifo_wr32(fifo, offset + 4, bits >> 32);
}

static u16 vmsg_fifo_rd_num(struct vmsg_fifo *fifo, u32 offset)
{
	u32 num = fifo->layout ? vmsg_fifo_rd16(fifo, offset) :
				 vmsg_fifo_rd32(fifo, offset);

	return num % fifo->num;
}

static void vmsg_fifo_wr_num(struct vmsg_fifo *fifo, u32 offset, u16 num)
{
	if (fifo->layout)
		vmsg_fifo_wr16(fifo, offset, num);
	else
		vmsg_fifo_wr32(fifo, offset, num);
}

static u16 vmsg_fifo_next(struct vmsg_fifo *fifo, u16 num)
{
	return num + 1 == fifo->num ? 0 : num + 1;
}

/*
 * Where things are
 */

static void vmsg_fifo_open_spsc(struct vmsg_fifo *fifo)
{
	BUILD_BUG_ON(sizeof(struct virtio_msg_amp_spsc) > 0x1000);

	fifo->found = true;
	fifo->num = VIRTIO_MSG_AMP_SPSC_SLOTS;
	fifo->stride = VIRTIO_MSG_AMP_SLOT_SIZE;
	fifo->tx.prod = SPSC(DRIVER, head);
	fifo->tx.cons = SPSC(DRIVER, tail);
	fifo->tx.slots = SPSC(DRIVER, slots);
	fifo->rx.prod = SPSC(DEVICE, head);
	fifo->rx.cons = SPSC(DEVICE, tail);
	fifo->rx.slots = SPSC(DEVICE, slots);
}

/*
 * From an offset in the header to one in the window, if all of what is there
 * lies behind the header and in the window. Returns 0 if not.
 */
static u32 vmsg_fifo_place(__le64 where, u32 size, u32 align)
{
	const u32 room = VIRTIO_MSG_AMP_WINDOW_SIZE - VIRTIO_MSG_AMP_LAYOUT;
	u64 offset = le64_to_cpu(where);

	if (offset < sizeof(struct virtio_msg_amp_layout) || offset % align ||
	    size > room || offset > room - size)
		return 0;
	return VIRTIO_MSG_AMP_LAYOUT + offset;
}

static const char *vmsg_fifo_open_layout(struct vmsg_fifo *fifo)
{
	struct virtio_msg_amp_layout layout;
	u32 bytes;

	/* The magic has been seen: what was written before it is there. */
	rmb();
	iosys_map_memcpy_from(&layout, &fifo->map, VIRTIO_MSG_AMP_LAYOUT,
			      sizeof(layout));
	if (le16_to_cpu(layout.version) != VIRTIO_MSG_AMP_LAYOUT_VERSION)
		return "unknown version";
	if (le16_to_cpu(layout.length) < sizeof(layout))
		return "length of the header";
	fifo->num = le16_to_cpu(layout.num_queue_elements);
	fifo->stride = le16_to_cpu(layout.size_queue_elements);
	if (fifo->num < 2)
		return "number of queue elements";
	if (fifo->stride < VIRTIO_MSG_MIN_SIZE)
		return "size of queue elements";

	/* More than the window has is refused with the place. */
	bytes = (u32)fifo->num * fifo->stride;
	fifo->tx.slots = vmsg_fifo_place(layout.drv_queue_elements, bytes, 4);
	fifo->rx.slots = vmsg_fifo_place(layout.dev_queue_elements, bytes, 4);
	bytes = sizeof(struct virtio_msg_amp_queue_head);
	fifo->own_head = vmsg_fifo_place(layout.drv_queue_head, bytes, 4);
	fifo->peer_head = vmsg_fifo_place(layout.dev_queue_head, bytes, 4);
	if (!fifo->tx.slots || !fifo->rx.slots || !fifo->own_head ||
	    !fifo->peer_head)
		return "place of the queues";
	fifo->found = vmsg_fifo_own_status(fifo) >= 0;
	fifo->tx.prod = HEAD(fifo->own_head, tail);
	fifo->tx.cons = HEAD(fifo->peer_head, head);
	fifo->rx.prod = HEAD(fifo->peer_head, tail);
	fifo->rx.cons = HEAD(fifo->own_head, head);

	fifo->num_notif = layout.num_notif;
	fifo->per_device = layout.num_vq_notif_per_device;
	fifo->masked = le16_to_cpu(layout.features) &
		       VIRTIO_MSG_AMP_F_NOTIF_MASK;
	if (!fifo->num_notif || !fifo->per_device) {
		fifo->num_notif = 0;
		return NULL;
	}
	bytes = sizeof(struct virtio_msg_amp_notif);
	fifo->own_notif = vmsg_fifo_place(layout.drv_notif, bytes, 8);
	fifo->peer_notif = vmsg_fifo_place(layout.dev_notif, bytes, 8);
	if (fifo->num_notif > 64 || !fifo->own_notif || !fifo->peer_notif)
		return "notification words";
	return NULL;
}

/**
 * vmsg_fifo_open() - find out where things are
 * @fifo: the queues
 * @map: the window, VIRTIO_MSG_AMP_WINDOW_SIZE bytes
 *
 * Context: Any.
 * Return: NULL, or what about the device side's header cannot be used.
 */
const char *vmsg_fifo_open(struct vmsg_fifo *fifo, const struct iosys_map *map)
{
	memset(fifo, 0, sizeof(*fifo));
	fifo->map = *map;
	fifo->layout = vmsg_fifo_rd16(fifo, VIRTIO_MSG_AMP_LAYOUT) ==
		       VIRTIO_MSG_AMP_LAYOUT_MAGIC;
	if (fifo->layout)
		return vmsg_fifo_open_layout(fifo);
	vmsg_fifo_open_spsc(fifo);
	return NULL;
}

/**
 * vmsg_fifo_begin() - get ready to send and receive
 * @fifo: the queues
 * @anew: both sides start at 0. Else they go on where they stand: the device side
 *	may still be reading what this side sent last time. What it has sent
 *	before is passed over.
 *
 * Context: Any.
 */
void vmsg_fifo_begin(struct vmsg_fifo *fifo, bool anew)
{
	if (anew)
		fifo->tx.at = 0;
	else if (fifo->found)
		fifo->tx.at = vmsg_fifo_rd_num(fifo, fifo->tx.prod);
	else
		fifo->tx.at = vmsg_fifo_rd_num(fifo, fifo->tx.cons);
	fifo->tx.seen = anew ? 0 : vmsg_fifo_rd_num(fifo, fifo->tx.cons);
	fifo->rx.at = anew ? 0 : vmsg_fifo_rd_num(fifo, fifo->rx.prod);
	vmsg_fifo_wr_num(fifo, fifo->rx.cons, fifo->rx.at);
	/* The device side of format spsc may be reading there right now. */
	if (fifo->layout)
		vmsg_fifo_wr_num(fifo, fifo->tx.prod, fifo->tx.at);
	if (!fifo->num_notif)
		return;
	fifo->notif_tx = anew ? 0 :
		vmsg_fifo_rd_bits(fifo, fifo->found ?
				  NOTIF(fifo->own_notif, tx) :
				  NOTIF(fifo->peer_notif, rx));
	fifo->notif_rx = anew ? 0 :
		vmsg_fifo_rd_bits(fifo, NOTIF(fifo->peer_notif, tx));
	vmsg_fifo_begin_bits(fifo, NOTIF(fifo->own_notif, tx), fifo->notif_tx);
	vmsg_fifo_begin_bits(fifo, NOTIF(fifo->own_notif, rx), fifo->notif_rx);
	vmsg_fifo_begin_bits(fifo, NOTIF(fifo->own_notif, mask), 0);
}

/*
 * States, which only format layout has
 */

static int vmsg_fifo_status(struct vmsg_fifo *fifo, u32 head)
{
	if (!fifo->layout)
		return VIRTIO_MSG_AMP_RUN;
	if (vmsg_fifo_rd16(fifo, HEAD(head, magic)) != VIRTIO_MSG_AMP_QUEUE_MAGIC)
		return -1;
	return vmsg_fifo_rd16(fifo, HEAD(head, status)) &
	       VIRTIO_MSG_AMP_STATUS_MASK;
}

/**
 * vmsg_fifo_peer_status() - what the device side says about itself
 * @fifo: the queues
 *
 * Context: Any.
 * Return: VIRTIO_MSG_AMP_INIT and so on, RUN in format spsc, -1 without magic.
 */
int vmsg_fifo_peer_status(struct vmsg_fifo *fifo)
{
	return vmsg_fifo_status(fifo, fifo->peer_head);
}

/**
 * vmsg_fifo_own_status() - what memory says about this side
 * @fifo: the queues
 *
 * Context: Any.
 * Return: as vmsg_fifo_peer_status().
 */
int vmsg_fifo_own_status(struct vmsg_fifo *fifo)
{
	return vmsg_fifo_status(fifo, fifo->own_head);
}

/**
 * vmsg_fifo_set_status() - say how this side is
 * @fifo: the queues
 * @status: VIRTIO_MSG_AMP_INIT and so on; ignored in format spsc
 *
 * Context: Any.
 */
void vmsg_fifo_set_status(struct vmsg_fifo *fifo, u16 status)
{
	if (!fifo->layout)
		return;
	/* What the status promises comes first. */
	wmb();
	vmsg_fifo_wr16(fifo, HEAD(fifo->own_head, status), status);
	vmsg_fifo_wr16(fifo, HEAD(fifo->own_head, magic),
		       VIRTIO_MSG_AMP_QUEUE_MAGIC);
}

/*
 * Frames
 */

/**
 * vmsg_fifo_has_room() - would vmsg_fifo_put() work?
 * @fifo: the queues
 *
 * Context: Any.
 * Return: true if there is a free slot.
 */
bool vmsg_fifo_has_room(struct vmsg_fifo *fifo)
{
	u16 next = vmsg_fifo_next(fifo, fifo->tx.at);

	/* The other side's number is far away: look only when it matters. */
	if (next == fifo->tx.seen)
		fifo->tx.seen = vmsg_fifo_rd_num(fifo, fifo->tx.cons);
	return next != fifo->tx.seen;
}

/**
 * vmsg_fifo_put() - send one frame
 * @fifo: the queues
 * @frame: the bytes
 * @size: how many, no more than a slot has
 *
 * Context: Any.
 * Return: true, false when there is no room.
 */
bool vmsg_fifo_put(struct vmsg_fifo *fifo, const void *frame, size_t size)
{
	u32 slot = fifo->tx.slots + fifo->tx.at * fifo->stride;
	u8 padded[VIRTIO_MSG_AMP_SLOT_SIZE] = {};

	if (!vmsg_fifo_has_room(fifo))
		return false;
	/* The slot has been read before it is written. */
	mb();
	if (size < sizeof(padded)) {
		memcpy(padded, frame, size);
		frame = padded;
		size = min_t(size_t, sizeof(padded), fifo->stride);
	}
	iosys_map_memcpy_to(&fifo->map, slot, frame, size);
	/* The frame before the number that shows it. */
	wmb();
	fifo->tx.at = vmsg_fifo_next(fifo, fifo->tx.at);
	vmsg_fifo_wr_num(fifo, fifo->tx.prod, fifo->tx.at);
	return true;
}

/**
 * vmsg_fifo_has_frames() - has the device side sent something?
 * @fifo: the queues
 *
 * Context: Any.
 * Return: true if there are frames that nobody has taken.
 */
bool vmsg_fifo_has_frames(struct vmsg_fifo *fifo)
{
	return vmsg_fifo_rd_num(fifo, fifo->rx.prod) != fifo->rx.at;
}

/**
 * vmsg_fifo_has_spoken() - has the device side ever sent something?
 * @fifo: the queues, before vmsg_fifo_begin()
 *
 * Context: Any.
 * Return: true if its number is not the one that memory begins with.
 */
bool vmsg_fifo_has_spoken(struct vmsg_fifo *fifo)
{
	return vmsg_fifo_rd_num(fifo, fifo->rx.prod);
}

/**
 * vmsg_fifo_get() - take frames
 * @fifo: the queues
 * @frames: where to, fifo->stride bytes each
 * @max: how many at the most
 *
 * Context: Any.
 * Return: how many there were.
 */
unsigned int vmsg_fifo_get(struct vmsg_fifo *fifo, void *frames,
			   unsigned int max)
{
	u16 end = vmsg_fifo_rd_num(fifo, fifo->rx.prod);
	unsigned int n;

	if (end == fifo->rx.at)
		return 0;
	/* The number before the frames that it shows. */
	rmb();
	for (n = 0; n < max && fifo->rx.at != end; n++) {
		iosys_map_memcpy_from(frames + n * fifo->stride, &fifo->map,
				      fifo->rx.slots + fifo->rx.at * fifo->stride,
				      fifo->stride);
		fifo->rx.at = vmsg_fifo_next(fifo, fifo->rx.at);
	}
	/* The slots have been read before they are given back. */
	mb();
	vmsg_fifo_wr_num(fifo, fifo->rx.cons, fifo->rx.at);
	return n;
}

/*
 * Notification words
 */

/**
 * vmsg_fifo_notif_bit() - which bit notifies of a queue
 * @fifo: the queues
 * @dev_num: device number
 * @index: queue index
 *
 * Context: Any.
 * Return: number of the bit, or -1 when notifications are messages.
 */
int vmsg_fifo_notif_bit(struct vmsg_fifo *fifo, u16 dev_num, u32 index)
{
	u32 bit = dev_num * fifo->per_device + index;

	if (index >= fifo->per_device || bit >= fifo->num_notif)
		return -1;
	return bit;
}

/**
 * vmsg_fifo_notify() - notify of a queue
 * @fifo: the queues
 * @bit: from vmsg_fifo_notif_bit()
 *
 * Context: Any.
 * Return: true if the doorbell has to be rung.
 */
bool vmsg_fifo_notify(struct vmsg_fifo *fifo, int bit)
{
	/*
	 * The other side marks a bit as seen before it looks into the queue. So
	 * what the caller has put there is found if the bit is still pending.
	 */
	mb();
	if (!((vmsg_fifo_rd_bits(fifo, NOTIF(fifo->peer_notif, rx)) ^
	       fifo->notif_tx) & BIT_ULL(bit))) {
		fifo->notif_tx ^= BIT_ULL(bit);
		vmsg_fifo_wr_bits(fifo, NOTIF(fifo->own_notif, tx),
				  fifo->notif_tx);
	}
	if (!fifo->masked)
		return true;
	/* The bit before the mask: one of the two sides sees the other's. */
	mb();
	return !(vmsg_fifo_rd_bits(fifo, NOTIF(fifo->peer_notif, mask)) &
		 BIT_ULL(bit));
}

/**
 * vmsg_fifo_notified() - what the device side has notified of
 * @fifo: the queues
 *
 * Context: Any.
 * Return: bits of vmsg_fifo_notif_bit(), each one once.
 */
u64 vmsg_fifo_notified(struct vmsg_fifo *fifo)
{
	u64 bits;

	if (!fifo->num_notif)
		return 0;
	bits = vmsg_fifo_rd_bits(fifo, NOTIF(fifo->peer_notif, tx)) ^
	       fifo->notif_rx;
	bits &= GENMASK_ULL(fifo->num_notif - 1, 0);
	if (!bits)
		return 0;
	fifo->notif_rx ^= bits;
	vmsg_fifo_wr_bits(fifo, NOTIF(fifo->own_notif, rx), fifo->notif_rx);
	/* Seen before looking; see vmsg_fifo_notify(). */
	mb();
	return bits;
}
