// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-msg: the device side of an AMP link, in plain memory.
 */
#include <kunit/device.h>
#include <linux/bitmap.h>
#include <linux/slab.h>
#include <linux/unaligned.h>
#include <linux/vmalloc.h>

#include "amp_peer.h"

#define HEAD_MAGIC	0
#define HEAD_STATUS	2
#define HEAD_TAIL	4
#define HEAD_HEAD	6
#define NOTIF_TX	0
#define NOTIF_RX	8
#define NOTIF_MASK	16

/* What lies where nobody has any business. */
#define NOBODY		0x99
/* What lies behind a frame of a peer that does not clean its slots. */
#define STALE		0xdd

/*
 * Memory
 */

/**
 * amp_peer_get() - read a number
 * @p: the peer
 * @offset: in the window
 * @width: bytes of it: 2, 4 or 8
 *
 * Return: the number.
 */
u64 amp_peer_get(struct amp_peer *p, u32 offset, unsigned int width)
{
	switch (width) {
	case 2:
		return le16_to_cpu(READ_ONCE(*(__le16 *)(p->window + offset)));
	case 4:
		return le32_to_cpu(READ_ONCE(*(__le32 *)(p->window + offset)));
	default:
		return le64_to_cpu(READ_ONCE(*(__le64 *)(p->window + offset)));
	}
}

/**
 * amp_peer_poke() - write a number, wherever it is
 * @p: the peer
 * @offset: in the window
 * @width: bytes of it: 1, 2, 4 or 8
 * @value: the number
 */
void amp_peer_poke(struct amp_peer *p, u32 offset, unsigned int width, u64 value)
{
	u8 *to = p->window + offset;

	switch (width) {
	case 1:
		WRITE_ONCE(*to, value);
		break;
	case 2:
		WRITE_ONCE(*(__le16 *)to, cpu_to_le16(value));
		break;
	case 4:
		WRITE_ONCE(*(__le32 *)to, cpu_to_le32(value));
		break;
	default:
		WRITE_ONCE(*(__le64 *)to, cpu_to_le64(value));
	}
	for (; width--; value >>= 8)
		p->shadow[offset++] = value;
}

static void peer_write(struct amp_peer *p, u32 offset, const void *from,
		       size_t size)
{
	memcpy(p->window + offset, from, size);
	memcpy(p->shadow + offset, from, size);
}

static void peer_set(struct amp_peer *p, u32 offset, u8 with, size_t size)
{
	memset(p->window + offset, with, size);
	memset(p->shadow + offset, with, size);
}

/*
 * Notes what the driver side has done wrong, in any context. The first of it is
 * told at the end, as it is often told for ever after.
 */
static void complain(struct amp_peer *p, const char *what, u64 about)
{
	guard(spinlock_irqsave)(&p->wrong_lock);
	if (p->wrong)
		return;
	p->wrong_about = about;
	p->wrong = what;
}

static unsigned int number_width(struct amp_peer *p)
{
	return p->format->layout ? 2 : 4;
}

/* A number of the driver side: a good driver side never lets it out of range. */
static u32 driver_number(struct amp_peer *p, u32 offset)
{
	u32 value = amp_peer_get(p, offset, number_width(p));

	if (value >= p->format->num && !READ_ONCE(p->frozen))
		complain(p, "the driver side wrote a number of", value);
	return value % p->format->num;
}

static u32 slot_place(struct amp_peer *p, const struct amp_place *place, u32 n)
{
	return place->slots + n * p->format->stride;
}

static u32 next_slot(struct amp_peer *p, u32 n)
{
	return (n + 1) % p->format->num;
}

/**
 * amp_peer_check() - has the driver side written what is not its own?
 * @p: the peer
 */
void amp_peer_check(struct amp_peer *p)
{
	unsigned int i;

	for_each_clear_bit(i, p->drivers, VIRTIO_MSG_AMP_WINDOW_SIZE) {
		if (p->window[i] != p->shadow[i]) {
			complain(p, "the driver side wrote to", i);
			break;
		}
	}
	if (p->wrong)
		KUNIT_FAIL(p->test, "%s 0x%llx", p->wrong, p->wrong_about);
	p->wrong = NULL;
}

/*
 * States
 */

/**
 * amp_peer_driver_status() - what the driver side says about itself
 * @p: the peer
 *
 * Return: VIRTIO_MSG_AMP_INIT and so on, -1 without magic.
 */
int amp_peer_driver_status(struct amp_peer *p)
{
	if (amp_peer_get(p, p->drv_head + HEAD_MAGIC, 2) !=
	    VIRTIO_MSG_AMP_QUEUE_MAGIC)
		return -1;
	return amp_peer_get(p, p->drv_head + HEAD_STATUS, 2) &
	       VIRTIO_MSG_AMP_STATUS_MASK;
}

/**
 * amp_peer_status() - say anything about this side
 * @p: the peer
 * @magic: VIRTIO_MSG_AMP_QUEUE_MAGIC, or not
 * @status: VIRTIO_MSG_AMP_INIT and so on, or nonsense
 */
void amp_peer_status(struct amp_peer *p, u16 magic, u16 status)
{
	amp_peer_poke(p, p->dev_head + HEAD_STATUS, 2, status);
	amp_peer_poke(p, p->dev_head + HEAD_MAGIC, 2, magic);
}

static void peer_enter(struct amp_peer *p, u16 status)
{
	p->status = status;
	p->ran = false;
	/* What the status promises comes first. */
	smp_wmb();
	amp_peer_status(p, VIRTIO_MSG_AMP_QUEUE_MAGIC, status);
	wake_up(&p->fb.wait);
}

static void peer_numbers(struct amp_peer *p, u32 rx_at, u32 tx_at)
{
	unsigned int width = number_width(p);

	p->rx_at = rx_at;
	p->tx_at = tx_at;
	amp_peer_poke(p, p->to_dev.cons, width, rx_at);
	amp_peer_poke(p, p->to_drv.prod, width, tx_at);
}

static void peer_words(struct amp_peer *p, u64 tx, u64 rx)
{
	p->notif_tx = tx;
	p->notif_rx = rx;
	if (!p->format->num_notif)
		return;
	amp_peer_poke(p, p->dev_notif + NOTIF_TX, 8, tx);
	amp_peer_poke(p, p->dev_notif + NOTIF_RX, 8, rx);
	amp_peer_poke(p, p->dev_notif + NOTIF_MASK, 8, 0);
}

/* The next step towards RUN, if the driver side lets it. Caller holds @lock. */
static bool peer_step(struct amp_peer *p)
{
	int other = amp_peer_driver_status(p);

	switch (p->status) {
	case VIRTIO_MSG_AMP_INIT:
		/* It has to notice that this side has begun anew. */
		if (other < 0 || other >= VIRTIO_MSG_AMP_RUN)
			return false;
		peer_numbers(p, 0, 0);
		peer_words(p, 0, 0);
		peer_enter(p, VIRTIO_MSG_AMP_READY);
		return true;
	case VIRTIO_MSG_AMP_READY:
		if (other != VIRTIO_MSG_AMP_READY && other != VIRTIO_MSG_AMP_RUN)
			return false;
		peer_enter(p, VIRTIO_MSG_AMP_RUN);
		return true;
	case VIRTIO_MSG_AMP_RUN:
		if (other == VIRTIO_MSG_AMP_RUN)
			p->ran = true;
		if (other == VIRTIO_MSG_AMP_RUN ||
		    (other == VIRTIO_MSG_AMP_READY && !p->ran))
			return false;
		if (other == VIRTIO_MSG_AMP_SHUTDOWN && p->ran) {
			p->gone_seen++;
			p->ran = false;
		}
		if (p->stubborn)
			return false;
		peer_enter(p, VIRTIO_MSG_AMP_INIT);
		return true;
	}
	return false;
}

/**
 * amp_peer_begin() - come up, or begin anew
 * @p: the peer
 */
void amp_peer_begin(struct amp_peer *p)
{
	scoped_guard(spinlock_irqsave, &p->lock) {
		if (p->format->layout)
			peer_enter(p, VIRTIO_MSG_AMP_INIT);
	}
	if (p->format->layout && !p->polling) {
		p->polling = true;
		queue_delayed_work(p->fb.wq, &p->poll, 0);
	}
}

/**
 * amp_peer_catch_up() - stand where the driver side does
 * @p: the peer
 *
 * What is under way is passed over.
 */
void amp_peer_catch_up(struct amp_peer *p)
{
	guard(spinlock_irqsave)(&p->lock);
	peer_numbers(p, driver_number(p, p->to_dev.prod),
		     driver_number(p, p->to_drv.cons));
	if (p->format->num_notif)
		peer_words(p, amp_peer_get(p, p->drv_notif + NOTIF_RX, 8),
			   amp_peer_get(p, p->drv_notif + NOTIF_TX, 8));
	p->frames = p->bells;
}

/**
 * amp_peer_stand() - have run for a while already
 * @p: the peer
 * @rx_at: slot that is read next
 * @tx_at: slot that is written next
 *
 * In format layout it is one that never begins anew.
 */
void amp_peer_stand(struct amp_peer *p, u32 rx_at, u32 tx_at)
{
	guard(spinlock_irqsave)(&p->lock);
	peer_numbers(p, rx_at, tx_at);
	peer_words(p, AMP_WORDS_TX, AMP_WORDS_RX);
	if (!p->format->layout)
		return;
	p->stubborn = true;
	peer_enter(p, VIRTIO_MSG_AMP_RUN);
}

static bool peer_runs(struct amp_peer *p)
{
	return !p->format->layout || p->status == VIRTIO_MSG_AMP_RUN;
}

/*
 * Take
 */

/* How many frames the driver side has sent in all. Caller holds @lock. */
static unsigned int peer_sent(struct amp_peer *p)
{
	u32 end = amp_peer_get(p, p->to_dev.prod, number_width(p));

	return p->frames + (end + p->format->num - p->rx_at) % p->format->num;
}

static bool peer_get_frame(struct amp_peer *p, u8 *frame)
{
	guard(spinlock_irqsave)(&p->lock);
	if (!peer_runs(p) || p->rx_at == driver_number(p, p->to_dev.prod) ||
	    (p->format->one_each && !p->unringed))
		return false;
	/* The number before the frame. */
	smp_rmb();
	memcpy(frame, p->window + slot_place(p, &p->to_dev, p->rx_at),
	       p->format->stride);
	/* The frame has been read before its slot is given back. */
	smp_mb();
	p->rx_at = next_slot(p, p->rx_at);
	amp_peer_poke(p, p->to_dev.cons, number_width(p), p->rx_at);
	if (p->unringed)
		p->unringed--;
	p->frames++;
	return true;
}

static void peer_take(struct amp_peer *p, const u8 *frame)
{
	size_t used = min(p->format->stride, VIRTIO_MSG_AMP_SLOT_SIZE);
	size_t size = get_unaligned_le16(frame + 6);

	if (size < VMSG_HDR_SIZE || size > used) {
		complain(p, "a frame has a size of", size);
		return;
	}
	if (memchr_inv(frame + size, 0, used - size))
		complain(p, "no zeros behind a frame of", size);
	if (!READ_ONCE(p->dma) && !frame[0] && frame[1] == VIRTIO_MSG_SET_VQUEUE)
		complain(p, "no DMA, but a queue at", get_unaligned_le64(frame + 24));
	scoped_guard(spinlock_irqsave, &p->lock)
		p->largest = max_t(unsigned int, p->largest, size);
	fake_take(&p->fb, frame, size);
}

static u64 peer_get_bits(struct amp_peer *p)
{
	u64 bits;

	guard(spinlock_irqsave)(&p->lock);
	if (!p->format->num_notif || !peer_runs(p))
		return 0;
	bits = amp_peer_get(p, p->drv_notif + NOTIF_TX, 8) ^ p->notif_rx;
	if (bits & ~GENMASK_ULL(p->format->num_notif - 1, 0))
		complain(p, "there are no such bits as", bits);
	p->notif_rx ^= bits;
	amp_peer_poke(p, p->dev_notif + NOTIF_RX, 8, p->notif_rx);
	p->bits += hweight64(bits);
	/* Seen before the queues are looked at. */
	smp_mb();
	return bits;
}

static void peer_take_bits(struct amp_peer *p)
{
	u64 bits = peer_get_bits(p);
	struct vmsg_msg msg = { .id = VIRTIO_MSG_EVENT_AVAIL };
	u8 frame[VIRTIO_MSG_KICK_SIZE];
	unsigned int bit;

	for (; bits; bits &= bits - 1) {
		bit = __ffs64(bits);
		msg.dev_num = bit / p->format->per_device;
		msg.vqueue.index = bit % p->format->per_device;
		vmsg_wire_encode(VMSG_DIALECT_1, &msg, frame, sizeof(frame));
		fake_take(&p->fb, frame, sizeof(frame));
	}
}

/**
 * amp_peer_run() - look at all that the driver side can have written
 * @p: the peer
 */
void amp_peer_run(struct amp_peer *p)
{
	u8 frame[AMP_STRIDE_MAX];
	bool again = p->format->layout && !READ_ONCE(p->frozen);

	while (again) {
		scoped_guard(spinlock_irqsave, &p->lock)
			again = peer_step(p);
		/* As far as anybody has asked for it, show that it changed. */
		if (again && (p->info.flags & VIRTIO_MSG_AMP_RING_STATUS))
			amp_peer_interrupt(p);
	}
	if (READ_ONCE(p->deaf))
		return;
	peer_take_bits(p);
	while (peer_get_frame(p, frame))
		peer_take(p, frame);
}

static void peer_work(struct work_struct *work)
{
	amp_peer_run(container_of(work, struct amp_peer, work));
}

static void peer_poll(struct work_struct *work)
{
	struct amp_peer *p = container_of(to_delayed_work(work), struct amp_peer,
					  poll);

	amp_peer_run(p);
	queue_delayed_work(p->fb.wq, &p->poll, 1);
}

static void peer_doorbell(void *priv)
{
	struct amp_peer *p = priv;

	scoped_guard(spinlock_irqsave, &p->lock) {
		p->bells++;
		p->unringed++;
		if (p->bells > peer_sent(p))
			p->idle_bells++;
	}
	if (p->format->later)
		queue_work(p->fb.wq, &p->work);
	else
		amp_peer_run(p);
	wake_up(&p->fb.wait);
}

/*
 * Send
 */

/**
 * amp_peer_interrupt() - ring at the driver side
 * @p: the peer
 */
void amp_peer_interrupt(struct amp_peer *p)
{
	guard(spinlock_irqsave)(&p->amp_lock);
	if (p->ringable)
		virtio_msg_amp_interrupt(p->amp);
}

/**
 * amp_peer_fill() - write a frame to a slot without showing it
 * @p: the peer
 * @slot: which one
 * @frame: the bytes
 * @size: how many
 */
void amp_peer_fill(struct amp_peer *p, u32 slot, const void *frame, size_t size)
{
	u32 place = slot_place(p, &p->to_drv, slot);

	peer_write(p, place, frame, size);
	peer_set(p, place + size, p->format->rfc ? STALE : 0,
		 p->format->stride - size);
}

/* Shows so many frames as amp_peer_put() has room for, all at once. */
static int peer_put(struct amp_peer *p, const void *frames, size_t stride,
		    const size_t *sizes, unsigned int num)
{
	u32 at, next, n;

	guard(spinlock_irqsave)(&p->lock);
	at = p->tx_at;
	for (n = 0; n < num; n++) {
		next = next_slot(p, at);
		if (!peer_runs(p) || next == driver_number(p, p->to_drv.cons))
			return -EAGAIN;
		/* It has been read before it is written. */
		smp_mb();
		amp_peer_fill(p, at, frames + n * stride, sizes[n]);
		at = next;
	}
	/* The frames before the number that shows them. */
	smp_wmb();
	p->tx_at = at;
	amp_peer_poke(p, p->to_drv.prod, number_width(p), at);
	return 0;
}

/**
 * amp_peer_put() - send frames, all at once
 * @p: the peer
 * @frames: the frames
 * @stride: bytes from one to the next
 * @sizes: bytes of each
 * @num: how many
 *
 * Return: 0, -EAGAIN when there is not room for all; then none is sent.
 */
int amp_peer_put(struct amp_peer *p, const void *frames, size_t stride,
		 const size_t *sizes, unsigned int num)
{
	int err = peer_put(p, frames, stride, sizes, num);

	if (!err && !READ_ONCE(p->mute))
		amp_peer_interrupt(p);
	return err;
}

/**
 * amp_peer_toggle() - toggle bits, without a look at whether they are pending
 * @p: the peer
 * @bits: which
 */
void amp_peer_toggle(struct amp_peer *p, u64 bits)
{
	scoped_guard(spinlock_irqsave, &p->lock) {
		p->notif_tx ^= bits;
		amp_peer_poke(p, p->dev_notif + NOTIF_TX, 8, p->notif_tx);
	}
	if (!READ_ONCE(p->mute))
		amp_peer_interrupt(p);
}

/* The bit of an EVENT_USED that has one. */
static u64 used_bit(struct amp_peer *p, const u8 *frame)
{
	u32 index = get_unaligned_le32(frame + 8);
	u32 bit = get_unaligned_le16(frame + 2) * p->format->per_device + index;

	if (frame[0] || frame[1] != VIRTIO_MSG_EVENT_USED ||
	    index >= p->format->per_device || bit >= p->format->num_notif)
		return 0;
	return BIT_ULL(bit);
}

/*
 * What the models send waits when there is no room, as in a good device side.
 * What they send while the link is down is lost.
 */
static void peer_keep(struct amp_peer *p, const void *data, size_t size)
{
	struct fake_frame *frame;

	if (!peer_runs(p))
		return;
	frame = kzalloc_obj(*frame, GFP_ATOMIC);
	if (!frame)
		return;
	memcpy(frame->data, data, size);
	frame->size = size;
	scoped_guard(spinlock_irqsave, &p->lock)
		list_add_tail(&frame->node, &p->backlog);
	queue_delayed_work(p->fb.wq, &p->retry, 1);
}

static void peer_retry(struct work_struct *work)
{
	struct amp_peer *p = container_of(to_delayed_work(work), struct amp_peer,
					  retry);
	struct fake_frame *frame;

	for (;;) {
		scoped_guard(spinlock_irqsave, &p->lock)
			frame = list_first_entry_or_null(&p->backlog,
							 struct fake_frame,
							 node);
		if (!frame)
			return;
		if (peer_runs(p) && amp_peer_put(p, frame->data, 0, &frame->size, 1))
			break;
		scoped_guard(spinlock_irqsave, &p->lock)
			list_del(&frame->node);
		kfree(frame);
	}
	queue_delayed_work(p->fb.wq, &p->retry, 1);
}

static int peer_deliver(struct fake_bus *fb, const void *frame, size_t size)
{
	struct amp_peer *p = to_amp_peer(fb);
	u64 bit = used_bit(p, frame);

	if (!bit) {
		if (amp_peer_put(p, frame, 0, &size, 1))
			peer_keep(p, frame, size);
		return 0;
	}
	/* What is pending needs not be said again. */
	if ((p->notif_tx ^ amp_peer_get(p, p->drv_notif + NOTIF_RX, 8)) & bit)
		bit = 0;
	amp_peer_toggle(p, bit);
	return 0;
}

/*
 * Life
 */

static void peer_stop(void *priv)
{
	struct amp_peer *p = priv;

	scoped_guard(spinlock_irqsave, &p->amp_lock)
		p->ringable = false;
	atomic_inc(&p->stops);
}

static void peer_dma(void *priv, bool on)
{
	struct amp_peer *p = priv;

	might_sleep();
	if (xchg(&p->dma, on) == on)
		complain(p, "DMA has been switched already to", on);
	if (!on)
		atomic_inc(&p->cuts);
	wake_up(&p->fb.wait);
}

static const struct virtio_msg_amp_ops peer_ops = {
	.doorbell = peer_doorbell,
	.stop = peer_stop,
	.dma = peer_dma,
};

/**
 * amp_peer_register() - make a link to the peer, without starting it
 * @p: the peer
 *
 * Return: 0, or what virtio_msg_amp_register() said.
 */
int amp_peer_register(struct amp_peer *p)
{
	struct virtio_msg_amp *amp = virtio_msg_amp_register(&p->info);

	KUNIT_ASSERT_NOT_NULL(p->test, amp);
	if (IS_ERR(amp))
		return PTR_ERR(amp);
	p->amp = amp;
	return 0;
}

/**
 * amp_peer_connect() - make a link to the peer and start it
 * @p: the peer
 *
 * It ends with the test, if nothing else ends it. The test ends when there is
 * none.
 */
void amp_peer_connect(struct amp_peer *p)
{
	if (!p->amp)
		KUNIT_ASSERT_EQ(p->test, 0, amp_peer_register(p));
	scoped_guard(spinlock_irqsave, &p->amp_lock)
		p->ringable = true;
	virtio_msg_amp_start(p->amp);
}

/**
 * amp_peer_disconnect() - end the link
 * @p: the peer
 */
void amp_peer_disconnect(struct amp_peer *p)
{
	struct virtio_msg_amp *amp = p->amp;

	if (!amp)
		return;
	p->fb.bus = NULL;
	virtio_msg_amp_unregister(amp);
	p->amp = NULL;
}

/**
 * amp_peer_wait_bus() - wait until there is a bus and has been looked for devices
 * @p: the peer
 * @scans: GET_DEVICES that have been seen before
 *
 * Return: true when there is one; then it is p->fb.bus.
 */
bool amp_peer_wait_bus(struct amp_peer *p, int scans)
{
	struct device *dev;

	if (!peer_wait(p, fake_count(&p->fb, true, VIRTIO_MSG_BUS_GET_DEVICES) >
			  scans))
		return false;
	dev = device_find_any_child(p->info.parent);
	if (!dev)
		return false;
	p->fb.bus = container_of(dev, struct virtio_msg_bus, dev);
	/* The link holds a reference as well. */
	put_device(dev);
	fake_settle(&p->fb);
	return true;
}

static void peer_free(void *arg)
{
	struct amp_peer *p = arg;
	unsigned int i;

	/* The end of a link is not the business of most tests. */
	p->fb.filter = NULL;
	WRITE_ONCE(p->deaf, false);
	for (i = 0; i < p->fb.num_devs; i++)
		p->fb.devs[i]->reset_polls = 0;
	amp_peer_run(p);
	amp_peer_disconnect(p);
	disable_delayed_work_sync(&p->poll);
	disable_delayed_work_sync(&p->retry);
	flush_work(&p->work);
	if (p->dma)
		complain(p, "DMA is still", p->dma);
	list_splice_tail(&p->backlog, &p->fb.held);
	amp_peer_check(p);
	fake_models_release(&p->fb);
	bitmap_free(p->drivers);
	vfree(p->shadow);
	vfree(p->window);
	kfree(p);
}

static void peer_format_spsc(struct amp_peer *p)
{
	p->to_dev.prod = VIRTIO_MSG_AMP_SPSC_DRIVER;
	p->to_dev.cons = VIRTIO_MSG_AMP_SPSC_DRIVER + 0x40;
	p->to_dev.slots = VIRTIO_MSG_AMP_SPSC_DRIVER + 0x80;
	p->to_drv.prod = VIRTIO_MSG_AMP_SPSC_DEVICE;
	p->to_drv.cons = VIRTIO_MSG_AMP_SPSC_DEVICE + 0x40;
	p->to_drv.slots = VIRTIO_MSG_AMP_SPSC_DEVICE + 0x80;
	peer_set(p, VIRTIO_MSG_AMP_SPSC_DRIVER, 0, 0x2000);
}

/* Without words it is what the QEMU model of this format has. */
static void peer_format_layout(struct amp_peer *p)
{
	const struct amp_format *f = p->format;
	bool words = f->num_notif;
	u32 slots = words ? 128 : 80, bytes = f->num * f->stride;
	const struct virtio_msg_amp_layout layout = {
		.magic = cpu_to_le16(VIRTIO_MSG_AMP_LAYOUT_MAGIC),
		.length = cpu_to_le16(64),
		.version = cpu_to_le16(1),
		.features = cpu_to_le16(f->masked ? VIRTIO_MSG_AMP_F_NOTIF_MASK :
						    0),
		.num_notif = f->num_notif,
		.num_vq_notif_per_device = f->per_device,
		.num_queue_elements = cpu_to_le16(f->num),
		.size_queue_elements = cpu_to_le16(f->stride),
		.dev_notif = cpu_to_le64(words ? 80 : 0),
		.dev_queue_head = cpu_to_le64(64),
		.dev_queue_elements = cpu_to_le64(slots),
		.drv_notif = cpu_to_le64(words ? 104 : 0),
		.drv_queue_head = cpu_to_le64(72),
		.drv_queue_elements = cpu_to_le64(slots + bytes),
	};

	p->dev_head = VIRTIO_MSG_AMP_LAYOUT + 64;
	p->drv_head = VIRTIO_MSG_AMP_LAYOUT + 72;
	p->dev_notif = VIRTIO_MSG_AMP_LAYOUT + 80;
	p->drv_notif = VIRTIO_MSG_AMP_LAYOUT + 104;
	p->to_dev.prod = p->drv_head + HEAD_TAIL;
	p->to_dev.cons = p->dev_head + HEAD_HEAD;
	p->to_dev.slots = VIRTIO_MSG_AMP_LAYOUT + slots + bytes;
	p->to_drv.prod = p->dev_head + HEAD_TAIL;
	p->to_drv.cons = p->drv_head + HEAD_HEAD;
	p->to_drv.slots = VIRTIO_MSG_AMP_LAYOUT + slots;
	peer_set(p, VIRTIO_MSG_AMP_LAYOUT, 0, slots + 2 * bytes);
	peer_write(p, VIRTIO_MSG_AMP_LAYOUT, &layout, sizeof(layout));
	bitmap_set(p->drivers, p->drv_head, 8);
	if (words)
		bitmap_set(p->drivers, p->drv_notif, 24);
}

/**
 * amp_peer_create() - a device side that nobody is connected to
 * @test: whose it is; it goes when the test ends
 * @format: how all looks
 *
 * It is not there before amp_peer_begin() or amp_peer_stand().
 *
 * Return: the peer; the test ends when there is none.
 */
struct amp_peer *amp_peer_create(struct kunit *test,
				 const struct amp_format *format)
{
	/* A test may have two, each with a parent of its own. */
	struct device *parent =
		kunit_device_register(test, test->priv ? "virtio_msg_peer2" :
							 "virtio_msg_peer");
	struct amp_peer *p = kzalloc_obj(*p);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, parent);
	KUNIT_ASSERT_NOT_NULL(test, p);
	test->priv = parent;
	p->test = test;
	p->format = format;
	spin_lock_init(&p->amp_lock);
	spin_lock_init(&p->lock);
	spin_lock_init(&p->wrong_lock);
	INIT_WORK(&p->work, peer_work);
	INIT_DELAYED_WORK(&p->poll, peer_poll);
	INIT_DELAYED_WORK(&p->retry, peer_retry);
	INIT_LIST_HEAD(&p->backlog);
	/* The kernel leaves a hole behind every such area. */
	p->window = vmalloc(VIRTIO_MSG_AMP_WINDOW_SIZE);
	p->shadow = vmalloc(VIRTIO_MSG_AMP_WINDOW_SIZE);
	p->drivers = bitmap_zalloc(VIRTIO_MSG_AMP_WINDOW_SIZE, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, p->window);
	KUNIT_ASSERT_NOT_NULL(test, p->shadow);
	KUNIT_ASSERT_NOT_NULL(test, p->drivers);
	peer_set(p, 0, NOBODY, VIRTIO_MSG_AMP_WINDOW_SIZE);
	if (format->layout)
		peer_format_layout(p);
	else
		peer_format_spsc(p);
	bitmap_set(p->drivers, p->to_dev.prod, number_width(p));
	bitmap_set(p->drivers, p->to_drv.cons, number_width(p));
	bitmap_set(p->drivers, p->to_dev.slots, format->num * format->stride);

	fake_models_init(&p->fb, test);
	fake_models_memory(&p->fb);
	p->fb.dialect = format->rfc ? VMSG_DIALECT_RFC : VMSG_DIALECT_1;
	p->fb.info.max_msg_size = format->stride;
	p->fb.deliver = peer_deliver;
	p->fb.serve = true;
	p->info.parent = parent;
	p->info.ops = &peer_ops;
	p->info.priv = p;
	p->info.pool = p->fb.pool;
	p->info.timeout_ms = 5000;
	iosys_map_set_vaddr(&p->info.window, p->window);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, peer_free, p));
	return p;
}
