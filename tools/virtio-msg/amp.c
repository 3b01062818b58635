// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * libvmsg: the window of an AMP bus, seen from the device side.
 *
 * The two formats differ in where the numbers of the queues lie and how wide
 * they are. Only layout has notification words and a state.
 *
 * What the driver side has written is read once. A number that is too large is
 * taken modulo the slots, so no more than a queue's worth of frames is read,
 * from inside of the window, whatever it says. What we have written ourselves
 * is never read back.
 */
#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "amp.h"

/* The queues of both formats lie between these two. */
#define VMSG_AMP_FROM		VIRTIO_MSG_AMP_LAYOUT
#define VMSG_AMP_TO		0x3000

/* Offsets in the header of format layout, one behind the other. */
#define VMSG_AMP_SLOTS		63
#define VMSG_AMP_QUEUE_BYTES	(VMSG_AMP_SLOTS * VIRTIO_MSG_AMP_SLOT_SIZE)
#define VMSG_AMP_DEV_HEAD	sizeof(struct virtio_msg_amp_layout)
#define VMSG_AMP_DRV_HEAD	\
	(VMSG_AMP_DEV_HEAD + sizeof(struct virtio_msg_amp_queue_head))
#define VMSG_AMP_DEV_SLOTS	\
	(VMSG_AMP_DRV_HEAD + sizeof(struct virtio_msg_amp_queue_head))
#define VMSG_AMP_DRV_SLOTS	(VMSG_AMP_DEV_SLOTS + VMSG_AMP_QUEUE_BYTES)
#define VMSG_AMP_DEV_NOTIF	(VMSG_AMP_DRV_SLOTS + VMSG_AMP_QUEUE_BYTES)
#define VMSG_AMP_DRV_NOTIF	\
	(VMSG_AMP_DEV_NOTIF + sizeof(struct virtio_msg_amp_notif))

static_assert(VMSG_AMP_FROM + VMSG_AMP_DRV_NOTIF +
	      sizeof(struct virtio_msg_amp_notif) <= VMSG_AMP_TO,
	      "a layout that fits");

static void *vmsg_amp_at(const struct vmsg_amp *amp, size_t offset)
{
	return amp->window + VMSG_AMP_FROM + offset;
}

static struct virtio_msg_amp_queue_head *
vmsg_amp_dev_head(const struct vmsg_amp *amp)
{
	return vmsg_amp_at(amp, VMSG_AMP_DEV_HEAD);
}

static struct virtio_msg_amp_queue_head *
vmsg_amp_drv_head(const struct vmsg_amp *amp)
{
	return vmsg_amp_at(amp, VMSG_AMP_DRV_HEAD);
}

static struct virtio_msg_amp_notif *
vmsg_amp_dev_notif(const struct vmsg_amp *amp)
{
	return vmsg_amp_at(amp, VMSG_AMP_DEV_NOTIF);
}

static struct virtio_msg_amp_notif *
vmsg_amp_drv_notif(const struct vmsg_amp *amp)
{
	return vmsg_amp_at(amp, VMSG_AMP_DRV_NOTIF);
}

static uint16_t vmsg_amp_load16(const __le16 *word)
{
	return le16toh(__atomic_load_n(word, __ATOMIC_ACQUIRE));
}

static void vmsg_amp_store16(__le16 *word, uint16_t value)
{
	__atomic_store_n(word, htole16(value), __ATOMIC_RELEASE);
}

static uint64_t vmsg_amp_load_bits(const __le64 *word)
{
	return le64toh(__atomic_load_n(word, __ATOMIC_ACQUIRE));
}

static void vmsg_amp_store_bits(__le64 *word, uint64_t bits)
{
	__atomic_store_n(word, htole64(bits), __ATOMIC_RELEASE);
}

static unsigned int vmsg_amp_load(const struct vmsg_amp *amp, const void *num)
{
	const __le32 *wide = num;
	const __le16 *narrow = num;

	if (amp->spsc)
		return le32toh(__atomic_load_n(wide, __ATOMIC_ACQUIRE)) %
		       amp->slots;
	return vmsg_amp_load16(narrow) % amp->slots;
}

static void vmsg_amp_set(struct vmsg_amp *amp, struct vmsg_amp_queue *queue,
			 unsigned int num)
{
	__le32 *wide = queue->ours;
	__le16 *narrow = queue->ours;

	queue->next = num;
	if (amp->spsc)
		__atomic_store_n(wide, htole32(num), __ATOMIC_RELEASE);
	else
		vmsg_amp_store16(narrow, num);
}

static unsigned int vmsg_amp_after(const struct vmsg_amp *amp, unsigned int num)
{
	return num + 1 == amp->slots ? 0 : num + 1;
}

/* Opening and closing ---------------------------------------------------- */

static struct virtio_msg_amp_layout vmsg_amp_layout(const struct vmsg_amp *amp)
{
	const struct virtio_msg_amp_layout layout = {
		.magic = htole16(VIRTIO_MSG_AMP_LAYOUT_MAGIC),
		.length = htole16(sizeof(layout)),
		.version = htole16(VIRTIO_MSG_AMP_LAYOUT_VERSION),
		.features = htole16(amp->num_notif ?
				    VIRTIO_MSG_AMP_F_NOTIF_MASK : 0),
		.num_notif = amp->num_notif,
		.num_vq_notif_per_device = amp->num_notif ? amp->per_device : 0,
		.num_queue_elements = htole16(VMSG_AMP_SLOTS),
		.size_queue_elements = htole16(VIRTIO_MSG_AMP_SLOT_SIZE),
		.dev_notif = htole64(VMSG_AMP_DEV_NOTIF),
		.dev_queue_head = htole64(VMSG_AMP_DEV_HEAD),
		.dev_queue_elements = htole64(VMSG_AMP_DEV_SLOTS),
		.drv_notif = htole64(VMSG_AMP_DRV_NOTIF),
		.drv_queue_head = htole64(VMSG_AMP_DRV_HEAD),
		.drv_queue_elements = htole64(VMSG_AMP_DRV_SLOTS),
	};

	return layout;
}

static void vmsg_amp_place(struct vmsg_amp *amp)
{
	struct virtio_msg_amp_queue_head *dev = vmsg_amp_dev_head(amp);
	struct virtio_msg_amp_queue_head *drv = vmsg_amp_drv_head(amp);
	struct virtio_msg_amp_spsc *to_driver, *from_driver;

	if (amp->spsc) {
		to_driver = (void *)(amp->window + VIRTIO_MSG_AMP_SPSC_DEVICE);
		from_driver = (void *)(amp->window +
				       VIRTIO_MSG_AMP_SPSC_DRIVER);
		amp->slots = VIRTIO_MSG_AMP_SPSC_SLOTS;
		amp->num_notif = 0;
		amp->tx.slots = to_driver->slots[0];
		amp->tx.ours = &to_driver->head;
		amp->tx.theirs = &to_driver->tail;
		amp->rx.slots = from_driver->slots[0];
		amp->rx.ours = &from_driver->tail;
		amp->rx.theirs = &from_driver->head;
	} else {
		amp->slots = VMSG_AMP_SLOTS;
		amp->tx.slots = vmsg_amp_at(amp, VMSG_AMP_DEV_SLOTS);
		amp->tx.ours = &dev->tail;
		amp->tx.theirs = &drv->head;
		amp->rx.slots = vmsg_amp_at(amp, VMSG_AMP_DRV_SLOTS);
		amp->rx.ours = &dev->head;
		amp->rx.theirs = &drv->tail;
	}
}

/**
 * vmsg_amp_agrees() - does the window look as we would have it?
 * @amp: the window, not open yet
 *
 * Return: true if vmsg_amp_open() will leave things where they are.
 */
bool vmsg_amp_agrees(const struct vmsg_amp *amp)
{
	struct virtio_msg_amp_layout want = vmsg_amp_layout(amp), found;

	memcpy(&found, vmsg_amp_at(amp, 0), sizeof(found));
	if (amp->spsc)
		return found.magic != want.magic;
	return !memcmp(&found, &want, sizeof(want));
}

static void vmsg_amp_set_status(struct vmsg_amp *amp, uint16_t status)
{
	struct virtio_msg_amp_queue_head *head = vmsg_amp_dev_head(amp);

	amp->status = status;
	vmsg_amp_store16(&head->status, status);
	vmsg_amp_store16(&head->magic, VIRTIO_MSG_AMP_QUEUE_MAGIC);
	amp->ring = true;
}

/**
 * vmsg_amp_open() - come up
 * @amp: the window, with the members that the link sets
 *
 * There may have been somebody before us, whose driver side is still there.
 */
void vmsg_amp_open(struct vmsg_amp *amp)
{
	struct virtio_msg_amp_layout layout = vmsg_amp_layout(amp);
	struct virtio_msg_amp_layout *header = vmsg_amp_at(amp, 0);
	const __le16 magic = layout.magic;

	vmsg_amp_place(amp);
	if (!vmsg_amp_agrees(amp)) {
		memset(header, 0, VMSG_AMP_TO - VMSG_AMP_FROM);
		if (!amp->spsc) {
			layout.magic = 0;
			memcpy(header, &layout, sizeof(layout));
			__atomic_store_n(&header->magic, magic,
					 __ATOMIC_RELEASE);
		}
	}
	if (amp->spsc) {
		amp->tx.next = vmsg_amp_load(amp, amp->tx.ours);
		amp->rx.next = vmsg_amp_load(amp, amp->rx.ours);
	} else {
		vmsg_amp_set_status(amp, VIRTIO_MSG_AMP_INIT);
	}
}

/**
 * vmsg_amp_close() - leave in order
 * @amp: the window
 */
void vmsg_amp_close(struct vmsg_amp *amp)
{
	if (!amp->spsc)
		vmsg_amp_set_status(amp, VIRTIO_MSG_AMP_SHUTDOWN);
}

/* State ------------------------------------------------------------------ */

/* As long as it has no magic, the driver side is not there. */
static uint16_t vmsg_amp_drv_status(const struct vmsg_amp *amp)
{
	struct virtio_msg_amp_queue_head *head = vmsg_amp_drv_head(amp);
	uint16_t status = vmsg_amp_load16(&head->status);

	if (vmsg_amp_load16(&head->magic) != VIRTIO_MSG_AMP_QUEUE_MAGIC)
		return VIRTIO_MSG_AMP_DEAD;
	return status & VIRTIO_MSG_AMP_STATUS_MASK;
}

/*
 * A driver side that knows nothing of beginning anew is taken as it stands. Of
 * one in READY nothing is read that it has sent before: it would be taken for
 * one that has been in RUN, again and again.
 */
static void vmsg_amp_get_ready(struct vmsg_amp *amp, uint16_t status)
{
	struct virtio_msg_amp_notif *dev = vmsg_amp_dev_notif(amp);
	struct virtio_msg_amp_notif *drv = vmsg_amp_drv_notif(amp);
	bool anew = status != VIRTIO_MSG_AMP_RUN;
	unsigned int rx = 0;

	if (status != VIRTIO_MSG_AMP_INIT)
		rx = vmsg_amp_load(amp, amp->rx.theirs);
	vmsg_amp_set(amp, &amp->tx, anew ? 0 : vmsg_amp_load(amp,
							     amp->tx.theirs));
	vmsg_amp_set(amp, &amp->rx, rx);
	amp->kicks = 0;
	amp->tx_bits = anew ? 0 : vmsg_amp_load_bits(&drv->rx);
	amp->rx_bits = anew ? 0 : vmsg_amp_load_bits(&drv->tx);
	vmsg_amp_store_bits(&dev->tx, amp->tx_bits);
	vmsg_amp_store_bits(&dev->rx, amp->rx_bits);
	vmsg_amp_store_bits(&dev->mask, 0);
	amp->ran = false;
	vmsg_amp_set_status(amp, VIRTIO_MSG_AMP_READY);
}

/**
 * vmsg_amp_talks() - may frames travel?
 * @amp: the window
 *
 * Return: true if both sides are up, always in format spsc.
 */
bool vmsg_amp_talks(const struct vmsg_amp *amp)
{
	uint16_t drv;

	if (amp->spsc)
		return true;
	if (amp->status != VIRTIO_MSG_AMP_RUN)
		return false;
	drv = vmsg_amp_drv_status(amp);
	return drv == VIRTIO_MSG_AMP_RUN ||
	       (drv == VIRTIO_MSG_AMP_READY && !amp->ran);
}

/**
 * vmsg_amp_step() - look at the driver side's state, and go on if we can
 * @amp: the window
 * @impatient: a driver side in RUN has had enough time to notice us
 *
 * Called whenever something may have changed, and every now and then until
 * vmsg_amp_talks().
 *
 * Return: true if the driver side has gone or begins anew: then all devices have
 * to be reset before the next call.
 */
bool vmsg_amp_step(struct vmsg_amp *amp, bool impatient)
{
	uint16_t drv;

	if (vmsg_amp_talks(amp)) {
		if (!amp->spsc && vmsg_amp_drv_status(amp) ==
				  VIRTIO_MSG_AMP_RUN)
			amp->ran = true;
		return false;
	}
	if (amp->status == VIRTIO_MSG_AMP_RUN) {
		vmsg_amp_set_status(amp, VIRTIO_MSG_AMP_INIT);
		return true;
	}
	drv = vmsg_amp_drv_status(amp);
	if (drv > VIRTIO_MSG_AMP_RUN) {
		if (amp->status == VIRTIO_MSG_AMP_READY)
			vmsg_amp_set_status(amp, VIRTIO_MSG_AMP_INIT);
		return false;
	}
	if (amp->status == VIRTIO_MSG_AMP_INIT) {
		if (drv == VIRTIO_MSG_AMP_RUN && !impatient)
			return false;
		vmsg_amp_get_ready(amp, drv);
	}
	if (drv != VIRTIO_MSG_AMP_INIT)
		vmsg_amp_set_status(amp, VIRTIO_MSG_AMP_RUN);
	return false;
}

/**
 * vmsg_amp_driver_left() - the driver side has died, as somebody else saw
 * @amp: the window
 * @replaced: there is another one, which may have come up already
 *
 * All devices have to be reset.
 */
void vmsg_amp_driver_left(struct vmsg_amp *amp, bool replaced)
{
	struct virtio_msg_amp_queue_head *head = vmsg_amp_drv_head(amp);

	amp->kicks = 0;
	if (amp->spsc) {
		/* The last that it has sent is of no use to the next one. */
		vmsg_amp_set(amp, &amp->rx, vmsg_amp_load(amp,
							  amp->rx.theirs));
		return;
	}
	if (!replaced)
		vmsg_amp_store16(&head->status, VIRTIO_MSG_AMP_DEAD);
	vmsg_amp_set_status(amp, VIRTIO_MSG_AMP_INIT);
}

/* Notifications ---------------------------------------------------------- */

/* The bit of a queue in the notification words, or 0 when it has none. */
static uint64_t vmsg_amp_bit(const struct vmsg_amp *amp, uint32_t dev_num,
			     uint32_t index)
{
	uint32_t bit = dev_num * amp->per_device + index;

	if (index >= amp->per_device || bit >= amp->num_notif)
		return 0;
	return VMSG_BIT(bit);
}

static void vmsg_amp_notify(struct vmsg_amp *amp, uint64_t bit)
{
	struct virtio_msg_amp_notif *dev = vmsg_amp_dev_notif(amp);
	struct virtio_msg_amp_notif *drv = vmsg_amp_drv_notif(amp);

	/*
	 * The other side says that it has seen a bit, and then it looks at the
	 * ring. So if it has not seen ours yet, it will find what is in there.
	 */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if ((amp->tx_bits ^ vmsg_amp_load_bits(&drv->rx)) & bit)
		return;
	amp->tx_bits ^= bit;
	vmsg_amp_store_bits(&dev->tx, amp->tx_bits);
	/* It takes a mask away, and then it looks at our bits. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!(vmsg_amp_load_bits(&drv->mask) & bit))
		amp->ring = true;
}

static void vmsg_amp_see_kicks(struct vmsg_amp *amp)
{
	struct virtio_msg_amp_notif *dev = vmsg_amp_dev_notif(amp);
	struct virtio_msg_amp_notif *drv = vmsg_amp_drv_notif(amp);
	uint64_t bits;

	bits = vmsg_amp_load_bits(&drv->tx) ^ amp->rx_bits;
	if (amp->num_notif < 64)
		bits &= VMSG_BIT(amp->num_notif) - 1;
	if (!bits)
		return;
	amp->kicks = bits;
	amp->rx_bits ^= bits;
	vmsg_amp_store_bits(&dev->rx, amp->rx_bits);
	/* Seen before looked at, see vmsg_amp_notify(). */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* A kick by a bit, as the message that it stands for. */
static ssize_t vmsg_amp_take_kick(struct vmsg_amp *amp, void *buf, size_t room)
{
	struct vmsg_msg msg = { .id = VIRTIO_MSG_EVENT_AVAIL };
	unsigned int bit;

	if (!amp->kicks)
		vmsg_amp_see_kicks(amp);
	if (!amp->kicks)
		return -EAGAIN;
	bit = __builtin_ctzll(amp->kicks);
	amp->kicks &= ~VMSG_BIT(bit);
	msg.dev_num = bit / amp->per_device;
	msg.vqueue.index = bit % amp->per_device;
	return vmsg_wire_encode(VMSG_DIALECT_1, &msg, buf, room);
}

/* Frames ----------------------------------------------------------------- */

static ssize_t vmsg_amp_take_frame(struct vmsg_amp *amp, void *buf, size_t room)
{
	struct vmsg_amp_queue *rx = &amp->rx;

	if (vmsg_amp_load(amp, rx->theirs) == rx->next)
		return -EAGAIN;
	if (room > VIRTIO_MSG_AMP_SLOT_SIZE)
		room = VIRTIO_MSG_AMP_SLOT_SIZE;
	memcpy(buf, rx->slots + rx->next * VIRTIO_MSG_AMP_SLOT_SIZE, room);
	vmsg_amp_set(amp, rx, vmsg_amp_after(amp, rx->next));
	/* A READY that is seen from now on is another one. */
	amp->ran = true;
	return room;
}

/**
 * vmsg_amp_receive() - fetch a frame, or a kick as if it were one
 * @amp: the window; vmsg_amp_talks()
 * @buf: where to
 * @room: bytes that there are
 *
 * Return: bytes, or -EAGAIN when there are none.
 */
ssize_t vmsg_amp_receive(struct vmsg_amp *amp, void *buf, size_t room)
{
	ssize_t ret = -EAGAIN;
	int i;

	/* They take turns, so that neither has to wait for the other's end. */
	for (i = 0; i < 2 && ret == -EAGAIN; i++) {
		amp->turn = !amp->turn;
		ret = amp->turn ? vmsg_amp_take_kick(amp, buf, room) :
				  vmsg_amp_take_frame(amp, buf, room);
	}
	return ret;
}

/**
 * vmsg_amp_send() - send a frame, or set a bit if that says the same
 * @amp: the window; vmsg_amp_talks()
 * @frame: the frame
 * @len: its bytes, no more than a slot has
 *
 * Return: 0, or -EAGAIN when there is no room.
 */
int vmsg_amp_send(struct vmsg_amp *amp, const void *frame, size_t len)
{
	struct vmsg_amp_queue *tx = &amp->tx;
	unsigned int after = vmsg_amp_after(amp, tx->next);
	struct vmsg_msg msg;
	uint64_t bit = 0;
	uint8_t *slot;

	if (vmsg_wire_decode(VMSG_DIALECT_1, frame, len, len, &msg) > 0 &&
	    !msg.type && msg.id == VIRTIO_MSG_EVENT_USED)
		bit = vmsg_amp_bit(amp, msg.dev_num, msg.vqueue.index);
	if (bit) {
		vmsg_amp_notify(amp, bit);
		return 0;
	}
	if (vmsg_amp_load(amp, tx->theirs) == after)
		return -EAGAIN;
	slot = tx->slots + tx->next * VIRTIO_MSG_AMP_SLOT_SIZE;
	memcpy(slot, frame, len);
	memset(slot + len, 0, VIRTIO_MSG_AMP_SLOT_SIZE - len);
	vmsg_amp_set(amp, tx, after);
	amp->ring = true;
	return 0;
}
