// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-msg: a bus, devices and a driver that are made up for tests.
 */
#include <kunit/device.h>
#include <linux/bits.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/sysfs.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>
#include <linux/vmalloc.h>

#include "fake_device.h"

/*
 * The device's side of a queue
 */

static void *fake_mem(struct fake_dev *fd, u64 address, u64 size)
{
	u64 offset = address - fd->fb->address;

	if (address < fd->fb->address || size > FAKE_POOL_SIZE ||
	    offset > FAKE_POOL_SIZE - size) {
		KUNIT_FAIL(fd->fb->test, "address 0x%llx is not in the pool",
			   address);
		return NULL;
	}
	return fd->fb->mem + offset;
}

/**
 * struct fake_chain - a buffer on its way through the device
 * @out: bytes that the driver gave, the first of them
 * @out_len: how many there are in @out
 * @in_len: bytes that the device has written
 */
struct fake_chain {
	u8 out[512];
	size_t out_len;
	u32 in_len;
};

/* What the driver gave comes back, and 0x5a behind it. */
static void fake_do_part(struct fake_dev *fd, struct fake_chain *chain,
			 u64 address, u32 len, bool write)
{
	u8 *mem = fake_mem(fd, address, len);
	u32 i;

	if (!mem)
		return;
	for (i = 0; i < len; i++) {
		if (!write) {
			if (chain->out_len < sizeof(chain->out))
				chain->out[chain->out_len++] = mem[i];
		} else {
			mem[i] = chain->in_len < chain->out_len ?
				 chain->out[chain->in_len] : 0x5a;
			chain->in_len++;
		}
	}
}

static void fake_do_split(struct fake_dev *fd, struct fake_chain *chain,
			  struct vring_desc *table, u32 entries, u16 head)
{
	struct vring_desc *desc;
	u32 left = entries;
	u16 flags;

	for (; left && head < entries; left--) {
		desc = &table[head];
		flags = le16_to_cpu((__force __le16)desc->flags);
		if (flags & VRING_DESC_F_INDIRECT) {
			entries = le32_to_cpu((__force __le32)desc->len) /
				  sizeof(*desc);
			table = fake_mem(fd, le64_to_cpu((__force __le64)desc->addr),
					 entries * sizeof(*desc));
			if (!table)
				return;
			head = 0;
			left = entries + 1;
			continue;
		}
		fake_do_part(fd, chain, le64_to_cpu((__force __le64)desc->addr),
			     le32_to_cpu((__force __le32)desc->len),
			     flags & VRING_DESC_F_WRITE);
		if (!(flags & VRING_DESC_F_NEXT))
			return;
		head = le16_to_cpu((__force __le16)desc->next);
	}
	KUNIT_FAIL(fd->fb->test, "a descriptor chain without an end");
}

static bool fake_serve_split(struct fake_dev *fd, struct fake_vq *fq)
{
	struct vring_desc *table;
	struct vring_avail *avail;
	struct vring_used *used;
	struct fake_chain chain = {};
	u16 head;

	table = fake_mem(fd, fq->desc, fq->size * sizeof(*table));
	avail = fake_mem(fd, fq->driver, struct_size(avail, ring, fq->size));
	used = fake_mem(fd, fq->device, struct_size(used, ring, fq->size));
	if (!table || !avail || !used ||
	    fq->next == le16_to_cpu((__force __le16)READ_ONCE(avail->idx)))
		return false;
	/* The index before the entry. */
	smp_rmb();
	head = le16_to_cpu((__force __le16)avail->ring[fq->next % fq->size]);
	fq->next++;
	fake_do_split(fd, &chain, table, fq->size, head);
	used->ring[fq->used % fq->size].id =
		(__force __virtio32)cpu_to_le32(head);
	used->ring[fq->used % fq->size].len =
		(__force __virtio32)cpu_to_le32(chain.in_len);
	/* The entry before the index. */
	smp_wmb();
	fq->used++;
	used->idx = (__force __virtio16)cpu_to_le16(fq->used);
	return true;
}

static bool fake_packed_is_avail(struct fake_vq *fq, u16 flags)
{
	bool avail = flags & BIT(VRING_PACKED_DESC_F_AVAIL);
	bool used = flags & BIT(VRING_PACKED_DESC_F_USED);

	return avail == fq->wrap && used != fq->wrap;
}

static bool fake_serve_packed(struct fake_dev *fd, struct fake_vq *fq)
{
	struct vring_packed_desc *table, *desc, *part;
	struct fake_chain chain = {};
	u16 first = fq->next, flags, id;
	bool wrap = fq->wrap;
	u32 i, n;

	table = fake_mem(fd, fq->desc, fq->size * sizeof(*table));
	if (!table ||
	    !fake_packed_is_avail(fq, le16_to_cpu(READ_ONCE(table[first].flags))))
		return false;
	/* The flags before the rest. */
	smp_rmb();
	do {
		desc = &table[fq->next];
		flags = le16_to_cpu(desc->flags);
		id = le16_to_cpu(desc->id);
		if (flags & VRING_DESC_F_INDIRECT) {
			n = le32_to_cpu(desc->len) / sizeof(*part);
			part = fake_mem(fd, le64_to_cpu(desc->addr),
					n * sizeof(*part));
			for (i = 0; part && i < n; i++)
				fake_do_part(fd, &chain,
					     le64_to_cpu(part[i].addr),
					     le32_to_cpu(part[i].len),
					     le16_to_cpu(part[i].flags) &
					     VRING_DESC_F_WRITE);
		} else {
			fake_do_part(fd, &chain, le64_to_cpu(desc->addr),
				     le32_to_cpu(desc->len),
				     flags & VRING_DESC_F_WRITE);
		}
		if (++fq->next == fq->size) {
			fq->next = 0;
			fq->wrap = !fq->wrap;
		}
	} while (flags & VRING_DESC_F_NEXT);

	table[first].id = cpu_to_le16(id);
	table[first].len = cpu_to_le32(chain.in_len);
	/* The rest before the flags. */
	smp_wmb();
	table[first].flags =
		cpu_to_le16((chain.in_len ? VRING_DESC_F_WRITE : 0) |
			    (wrap ? BIT(VRING_PACKED_DESC_F_AVAIL) |
				    BIT(VRING_PACKED_DESC_F_USED) : 0));
	return true;
}

/**
 * fake_vq_serve() - use what the driver has made available
 * @fd: the device
 * @index: queue index
 * @max: buffers at the most
 *
 * Return: how many buffers were used.
 */
unsigned int fake_vq_serve(struct fake_dev *fd, u32 index, unsigned int max)
{
	struct fake_vq *fq = &fd->vq[index];
	unsigned int n;

	guard(spinlock_irqsave)(&fd->fb->lock);
	if (!(fd->status & VIRTIO_CONFIG_S_DRIVER_OK) || !fq->enabled)
		return 0;
	for (n = 0; n < max; n++) {
		if (fake_accepted(fd, VIRTIO_F_RING_PACKED) ?
		    !fake_serve_packed(fd, fq) : !fake_serve_split(fd, fq))
			break;
	}
	return n;
}

static void fake_serve_work(struct work_struct *work)
{
	struct fake_bus *fb = container_of(work, struct fake_bus, serve_work);
	unsigned int i, q;

	for (i = 0; i < fb->num_devs; i++) {
		for (q = 0; q < FAKE_VQS; q++) {
			if (fake_vq_serve(fb->devs[i], q, UINT_MAX))
				fake_event_used(fb->devs[i], q);
		}
	}
}

/*
 * The device's side of a request
 */

static bool fake_bit(const u32 *blocks, unsigned int bit)
{
	return bit / 32 < FAKE_BLOCKS && (blocks[bit / 32] & BIT(bit % 32));
}

/**
 * fake_offer() - offer a feature, or not
 * @fd: the device
 * @bit: feature bit
 * @on: offer it
 */
void fake_offer(struct fake_dev *fd, unsigned int bit, bool on)
{
	if (on)
		fd->blocks[bit / 32] |= BIT(bit % 32);
	else
		fd->blocks[bit / 32] &= ~BIT(bit % 32);
}

/**
 * fake_accepted() - has the driver accepted a feature?
 * @fd: the device
 * @bit: feature bit
 *
 * Return: true when it has.
 */
bool fake_accepted(struct fake_dev *fd, unsigned int bit)
{
	return fake_bit(fd->driver_blocks, bit);
}

static void fake_vq_clear(struct fake_vq *fq)
{
	fq->size = 0;
	fq->enabled = false;
	fq->desc = 0;
	fq->driver = 0;
	fq->device = 0;
	fq->next = 0;
	fq->used = 0;
	fq->wrap = true;
}

static void fake_finish_reset(struct fake_dev *fd)
{
	unsigned int i;

	fd->resetting = false;
	fd->resets++;
	fd->status = 0;
	memset(fd->driver_blocks, 0, sizeof(fd->driver_blocks));
	for (i = 0; i < FAKE_VQS; i++)
		fake_vq_clear(&fd->vq[i]);
}

static void fake_set_status(struct fake_dev *fd, u32 status)
{
	if (!status) {
		fd->resetting = fd->reset_polls;
		if (!fd->resetting)
			fake_finish_reset(fd);
		return;
	}
	if (fd->refuse_features)
		status &= ~VIRTIO_CONFIG_S_FEATURES_OK;
	fd->status = status | (fd->status & VIRTIO_CONFIG_S_NEEDS_RESET);
}

static void fake_get_status(struct fake_dev *fd)
{
	if (fd->resetting && fd->reset_polls > 0 && !--fd->reset_polls)
		fake_finish_reset(fd);
}

/* All of the proposal's reasons for doing nothing. */
static void fake_set_vqueue(struct fake_dev *fd, const struct vmsg_msg *req)
{
	u32 flags = req->vqueue.flags, op = flags & VIRTIO_MSG_VQUEUE_OP_MASK;
	bool fields = (flags & VIRTIO_MSG_VQUEUE_IGN_MASK) !=
		      VIRTIO_MSG_VQUEUE_IGN_MASK;
	struct fake_vq *fq;

	if (req->vqueue.index >= FAKE_VQS || req->vqueue.reserved ||
	    (flags & ~VIRTIO_MSG_VQUEUE_FLAGS) || op == 3)
		return;
	fq = &fd->vq[req->vqueue.index];
	if (!fq->max_size || fq->deaf || (fq->enabled && (fields || !op)))
		return;
	if (!(flags & VIRTIO_MSG_VQUEUE_IGN_SIZE)) {
		if (!req->vqueue.size || req->vqueue.size > fq->max_size)
			return;
		fq->size = req->vqueue.size;
	}
	if (!(flags & VIRTIO_MSG_VQUEUE_IGN_DESC))
		fq->desc = req->vqueue.desc;
	if (!(flags & VIRTIO_MSG_VQUEUE_IGN_DRIVER))
		fq->driver = req->vqueue.driver;
	if (!(flags & VIRTIO_MSG_VQUEUE_IGN_DEVICE))
		fq->device = req->vqueue.device;
	if (op == VIRTIO_MSG_VQUEUE_OP_ENABLE) {
		fq->enabled = true;
		fq->next = 0;
		fq->used = 0;
		fq->wrap = true;
	}
}

static void fake_get_vqueue(struct fake_dev *fd, u32 index,
			    struct vmsg_msg *resp)
{
	resp->vqueue.index = index;
	if (index >= FAKE_VQS || !fd->vq[index].max_size)
		return;
	resp->vqueue.max_size = fd->vq[index].max_size;
	resp->vqueue.size = fd->vq[index].size;
	/* The older dialect shows the same twice until something is set. */
	if (!resp->vqueue.size && fd->fb->dialect == VMSG_DIALECT_RFC)
		resp->vqueue.size = resp->vqueue.max_size;
	resp->vqueue.flags = fd->vq[index].enabled ? VIRTIO_MSG_VQUEUE_ENABLED : 0;
	resp->vqueue.desc = fd->vq[index].desc;
	resp->vqueue.driver = fd->vq[index].driver;
	resp->vqueue.device = fd->vq[index].device;
}

static void fake_set_config(struct fake_dev *fd, const struct vmsg_msg *req,
			    struct vmsg_msg *resp)
{
	bool strict = fd->fb->dialect == VMSG_DIALECT_RFC ||
		      (fd->fb->info.features &
		       BIT_ULL(VIRTIO_MSG_F_STRICT_CONFIG_GENERATION));
	u32 offset = req->config.offset, length = req->config.length;

	resp->config.offset = offset;
	if (offset <= FAKE_CONFIG && length <= FAKE_CONFIG - offset &&
	    (!strict || req->config.generation == fd->generation)) {
		memcpy(fd->config + offset, req->data, length);
		resp->config.length = length;
	}
	resp->config.generation = fd->generation;
}

/* Answers @req in @resp; @data is room for what follows its fixed part. */
static void fake_transport(struct fake_dev *fd, const struct vmsg_msg *req,
			   struct vmsg_msg *resp, u8 *data)
{
	u32 i;

	switch (req->id) {
	case VIRTIO_MSG_GET_DEVICE_INFO:
		resp->info = fd->info.info;
		break;
	case VIRTIO_MSG_GET_DEVICE_FEATURES:
		resp->features = req->features;
		resp->data_len = req->features.count * sizeof(u32);
		for (i = 0; i < req->features.count && i < 256; i++)
			vmsg_wire_put_block(data, i,
					    req->features.index + i < FAKE_BLOCKS ?
					    fd->blocks[req->features.index + i] : 0);
		break;
	case VIRTIO_MSG_SET_DRIVER_FEATURES:
		for (i = 0; i < req->features.count; i++) {
			if (req->features.index + i < FAKE_BLOCKS)
				fd->driver_blocks[req->features.index + i] =
					vmsg_wire_block(req, i);
		}
		break;
	case VIRTIO_MSG_GET_CONFIG:
		resp->config.generation = fd->generation;
		resp->config.offset = req->config.offset;
		if (req->config.offset <= FAKE_CONFIG &&
		    req->config.length <= FAKE_CONFIG - req->config.offset) {
			resp->config.length = req->config.length;
			resp->data_len = req->config.length;
			memcpy(data, fd->config + req->config.offset,
			       req->config.length);
		}
		break;
	case VIRTIO_MSG_SET_CONFIG:
		fake_set_config(fd, req, resp);
		break;
	case VIRTIO_MSG_GET_DEVICE_STATUS:
		fake_get_status(fd);
		resp->status = fd->status;
		if (resp->status)
			resp->status |= fd->hostile_status;
		break;
	case VIRTIO_MSG_SET_DEVICE_STATUS:
		fake_set_status(fd, req->status);
		resp->status = fd->status;
		if (resp->status)
			resp->status |= fd->hostile_status;
		break;
	case VIRTIO_MSG_GET_VQUEUE:
		fake_get_vqueue(fd, req->vqueue.index, resp);
		break;
	case VIRTIO_MSG_SET_VQUEUE:
		fake_set_vqueue(fd, req);
		break;
	case VIRTIO_MSG_RESET_VQUEUE:
		if (req->vqueue.index < FAKE_VQS &&
		    fake_accepted(fd, VIRTIO_F_RING_RESET))
			fake_vq_clear(&fd->vq[req->vqueue.index]);
		break;
	case VIRTIO_MSG_GET_SHM:
		resp->shm.id = req->shm.id;
		resp->shm.length = fd->shm_length;
		resp->shm.address = fd->shm_address;
		break;
	}
}

/* Numbers beyond the models' are left out. In the RFC there are 32 at the most. */
static void fake_get_devices(struct fake_bus *fb, const struct vmsg_msg *req,
			     struct vmsg_msg *resp, u8 *data)
{
	bool rfc = fb->dialect == VMSG_DIALECT_RFC;
	u32 offset = req->devices.offset, i, n;

	if (rfc)
		n = min_t(u32, req->devices.count, 32 - min(offset, 32));
	else
		n = min(req->devices.count, FAKE_DEVS);
	resp->devices.offset = offset;
	resp->devices.count = n;
	resp->devices.next_offset = rfc && !fb->no_next ? offset + n : 0;
	resp->data_len = (n + 7) / 8;
	memset(data, 0, resp->data_len);
	for (i = 0; i < fb->num_devs; i++) {
		u32 bit = fb->devs[i]->num - offset;

		if (bit < n)
			data[bit / 8] |= BIT(bit % 8);
	}
}

static void fake_bus_message(struct fake_bus *fb, const struct vmsg_msg *req,
			     struct vmsg_msg *resp, u8 *data)
{
	if (req->id == VIRTIO_MSG_BUS_PING)
		resp->ping = req->ping;
	else
		fake_get_devices(fb, req, resp, data);
	if (fb->dialect == VMSG_DIALECT_RFC)
		resp->token = 0;
}

static struct fake_dev *fake_find(struct fake_bus *fb, u16 num)
{
	unsigned int i;

	for (i = 0; i < fb->num_devs; i++) {
		if (fb->devs[i]->num == num)
			return fb->devs[i];
	}
	return NULL;
}

/**
 * fake_answer() - what the models say to a request
 * @fb: the bus
 * @req: the request
 * @frame: out: the answer
 *
 * Return: false when there is nothing to answer.
 */
bool fake_answer(struct fake_bus *fb, const struct vmsg_msg *req,
		 struct fake_frame *frame)
{
	struct vmsg_msg resp = {
		.type = req->type | VIRTIO_MSG_TYPE_RESPONSE,
		.id = req->id,
		.dev_num = req->dev_num,
		.token = req->token,
	};
	bool bus = req->type & VIRTIO_MSG_TYPE_BUS;
	struct fake_dev *fd;
	u8 data[1024];
	int size;

	scoped_guard(spinlock_irqsave, &fb->lock) {
		atomic_inc(&fb->count[bus][req->id]);
		if (fb->num_log < FAKE_LOG)
			fb->log[fb->num_log++] = *req;
		if (req->type & VIRTIO_MSG_TYPE_RESPONSE)
			return false;
		resp.data = data;
		if (bus) {
			fake_bus_message(fb, req, &resp, data);
		} else {
			atomic_inc(&fb->requests);
			fd = fake_find(fb, req->dev_num);
			if (!fd)
				return false;
			fake_transport(fd, req, &resp, data);
		}
	}
	size = vmsg_wire_encode(fb->dialect, &resp, frame->data,
				sizeof(frame->data));
	if (size < 0) {
		KUNIT_FAIL(fb->test, "the model made a bad answer to 0x%02x",
			   req->id);
		return false;
	}
	frame->size = size;
	return true;
}

/*
 * The bus
 */

/**
 * fake_make() - put another answer in the place of the model's
 * @frame: the answer
 * @msg: what it is to say
 */
void fake_make(struct fake_frame *frame, const struct vmsg_msg *msg)
{
	int size = vmsg_wire_encode(VMSG_DIALECT_1, msg, frame->data,
				    sizeof(frame->data));

	frame->size = max(size, 0);
}

/**
 * fake_deliver() - give the kernel under test a frame
 * @fb: the bus
 * @frame: the bytes
 * @size: how many
 *
 * Return: what virtio_msg_bus_receive() said.
 */
int fake_deliver(struct fake_bus *fb, const void *frame, size_t size)
{
	int err;

	if (fb->deliver)
		return fb->deliver(fb, frame, size);
	local_bh_disable();
	err = virtio_msg_bus_receive(fb->bus, frame, size);
	local_bh_enable();
	return err;
}

/**
 * fake_deliver_msg() - the same for a message that is not encoded yet
 * @fb: the bus
 * @msg: the message
 *
 * Return: what virtio_msg_bus_receive() said.
 */
int fake_deliver_msg(struct fake_bus *fb, const struct vmsg_msg *msg)
{
	u8 frame[512] __aligned(8);
	int size = vmsg_wire_encode(fb->dialect, msg, frame, sizeof(frame));

	return size < 0 ? size : fake_deliver(fb, frame, size);
}

/**
 * fake_release() - let a held answer go
 * @fb: the bus
 * @nth: which one, by the order of the requests
 *
 * Return: what virtio_msg_bus_receive() said, -ENOMSG without such an answer.
 */
int fake_release(struct fake_bus *fb, unsigned int nth)
{
	struct fake_frame *frame, *found = NULL;
	int err;

	scoped_guard(spinlock_irqsave, &fb->lock) {
		list_for_each_entry(frame, &fb->held, node) {
			if (nth--)
				continue;
			found = frame;
			list_del(&frame->node);
			fb->num_held--;
			break;
		}
	}
	if (!found)
		return -ENOMSG;
	err = fake_deliver(fb, found->data, found->size);
	kfree(found);
	return err;
}

/**
 * fake_release_all() - let all held answers go, in order
 * @fb: the bus
 */
void fake_release_all(struct fake_bus *fb)
{
	while (fake_release(fb, 0) != -ENOMSG)
		;
}

static struct fake_frame *fake_pop_later(struct fake_bus *fb)
{
	struct fake_frame *frame;

	guard(spinlock_irqsave)(&fb->lock);
	frame = list_first_entry_or_null(&fb->later, struct fake_frame, node);
	if (frame)
		list_del(&frame->node);
	return frame;
}

static void fake_later_work(struct work_struct *work)
{
	struct fake_bus *fb = container_of(work, struct fake_bus, later_work);
	struct fake_frame *frame;

	while ((frame = fake_pop_later(fb))) {
		fake_deliver(fb, frame->data, frame->size);
		kfree(frame);
	}
}

static void fake_irq_work(struct irq_work *work)
{
	struct fake_bus *fb = container_of(work, struct fake_bus, irq_work);
	struct fake_frame *frame;

	while ((frame = fake_pop_later(fb))) {
		if (!in_hardirq())
			KUNIT_FAIL(fb->test, "this is no hard interrupt");
		if (fb->deliver)
			fb->deliver(fb, frame->data, frame->size);
		else
			virtio_msg_bus_receive(fb->bus, frame->data,
					       frame->size);
		kfree(frame);
	}
}

static void fake_note_kick(struct fake_bus *fb, const struct vmsg_msg *msg)
{
	scoped_guard(spinlock_irqsave, &fb->lock) {
		if (fb->num_kicks < FAKE_KICKS)
			fb->kicks[fb->num_kicks] = (struct fake_kick) {
				.dev_num = msg->dev_num,
				.index = msg->vqueue.index,
				.next_offset = msg->vqueue.next_offset,
			};
		fb->num_kicks++;
	}
	if (fb->serve)
		queue_work(fb->wq, &fb->serve_work);
	wake_up(&fb->wait);
}

static int fake_treat(struct fake_bus *fb, const struct vmsg_msg *req)
{
	enum fake_verdict verdict = FAKE_ANSWER;
	struct fake_frame *frame;
	int err = 0;

	frame = kzalloc_obj(*frame, GFP_ATOMIC);
	if (!frame)
		return -ENOMEM;
	if (!fake_answer(fb, req, frame))
		verdict = FAKE_DROP;
	if (fb->filter && !(req->type & VIRTIO_MSG_TYPE_RESPONSE))
		verdict = fb->filter(fb, req, frame);

	switch (verdict) {
	case FAKE_ANSWER:
		fake_deliver(fb, frame->data, frame->size);
		break;
	case FAKE_HOLD:
		scoped_guard(spinlock_irqsave, &fb->lock) {
			list_add_tail(&frame->node, &fb->held);
			fb->num_held++;
		}
		frame = NULL;
		break;
	case FAKE_LATER:
	case FAKE_IRQ:
		scoped_guard(spinlock_irqsave, &fb->lock)
			list_add_tail(&frame->node, &fb->later);
		frame = NULL;
		if (verdict == FAKE_LATER)
			queue_work(fb->wq, &fb->later_work);
		else
			irq_work_queue(&fb->irq_work);
		break;
	case FAKE_DROP:
		break;
	case FAKE_FAIL:
		err = -EIO;
		break;
	}
	kfree(frame);
	wake_up(&fb->wait);
	return err;
}

/**
 * fake_take() - a frame has reached the peer
 * @fb: the bus
 * @data: the bytes
 * @size: how many; the frame must have exactly as many
 *
 * With @fb->deliver this may be called in any context.
 *
 * Return: 0, or a negative errno when the test wants it so.
 */
int fake_take(struct fake_bus *fb, const void *data, size_t size)
{
	struct vmsg_msg msg;

	if (vmsg_wire_decode(fb->dialect, data, size, fb->info.max_msg_size,
			     &msg) != (int)size) {
		KUNIT_FAIL(fb->test, "a malformed frame of %zu bytes was sent",
			   size);
		return 0;
	}
	if (fb->dialect == VMSG_DIALECT_RFC && size > VMSG_RFC_MAX_SIZE)
		KUNIT_FAIL(fb->test, "the RFC has no frame of %zu bytes", size);
	if (msg.type || msg.id != VIRTIO_MSG_EVENT_AVAIL)
		return fake_treat(fb, &msg);
	if (msg.token)
		KUNIT_FAIL(fb->test, "EVENT_AVAIL has a token");
	fake_note_kick(fb, &msg);
	return 0;
}

static int fake_send(struct virtio_msg_bus *bus, const void *data, size_t size)
{
	return fake_take(virtio_msg_bus_priv(bus), data, size);
}

static int fake_kick(struct virtio_msg_bus *bus, u16 dev_num, u32 index,
		     const void *frame)
{
	struct fake_bus *fb = virtio_msg_bus_priv(bus);
	struct vmsg_msg msg;

	if (vmsg_wire_decode(fb->dialect, frame, VIRTIO_MSG_KICK_SIZE,
			     VIRTIO_MSG_KICK_SIZE, &msg) != VIRTIO_MSG_KICK_SIZE ||
	    msg.type || msg.id != VIRTIO_MSG_EVENT_AVAIL || msg.token ||
	    msg.dev_num != dev_num || msg.vqueue.index != index)
		KUNIT_FAIL(fb->test, "a bad EVENT_AVAIL was sent");
	scoped_guard(spinlock_irqsave, &fb->lock) {
		if (!fb->room) {
			fb->refused++;
			return -EAGAIN;
		}
		if (fb->room > 0)
			fb->room--;
	}
	fake_note_kick(fb, &msg);
	return 0;
}

/**
 * fake_room() - there is room for kicks again
 * @fb: the bus
 */
void fake_room(struct fake_bus *fb)
{
	scoped_guard(spinlock_irqsave, &fb->lock)
		fb->room = -1;
	virtio_msg_bus_tx_room(fb->bus);
}

static void fake_synchronize(struct virtio_msg_bus *bus)
{
	struct fake_bus *fb = virtio_msg_bus_priv(bus);

	atomic_inc(&fb->syncs);
}

/* All devices have gone before, all calls into the core are over afterwards. */
static void fake_stop(struct virtio_msg_bus *bus)
{
	struct fake_bus *fb = virtio_msg_bus_priv(bus);

	might_sleep();
	KUNIT_EXPECT_EQ(fb->test, atomic_read(&bus->num_devs), 0);
	if (bus == fb->bus)
		atomic_inc(&fb->stops);
}

static void fake_cut(struct virtio_msg_bus *bus)
{
	struct fake_bus *fb = virtio_msg_bus_priv(bus);

	atomic_inc(&fb->cuts);
}

static void fake_gone(struct virtio_msg_bus *bus, u16 dev_num)
{
	struct fake_bus *fb = virtio_msg_bus_priv(bus);

	atomic_inc(&fb->gones);
	wake_up(&fb->wait);
}

static int fake_shm_region(struct virtio_msg_bus *bus, u64 address, u64 length,
			   phys_addr_t *phys)
{
	struct fake_bus *fb = virtio_msg_bus_priv(bus);

	atomic_inc(&fb->shm_calls);
	if (fb->shm_err)
		return fb->shm_err;
	*phys = address + 0x1000;
	return 0;
}

/* What fake_bus_create() uses by default. */
static const struct virtio_msg_bus_ops fake_bus_ops = {
	.send = fake_send,
	.kick = fake_kick,
	.synchronize = fake_synchronize,
	.stop = fake_stop,
	.cut = fake_cut,
	.device_gone = fake_gone,
};

/* The same with shared memory regions, and without all that is optional. */
const struct virtio_msg_bus_ops fake_shm_ops = {
	.send = fake_send,
	.kick = fake_kick,
	.shm_region = fake_shm_region,
};

static void fake_bus_free(void *arg)
{
	struct fake_bus *fb = arg;
	unsigned int i;

	/* The end of a bus is not the business of most tests. */
	fb->filter = NULL;
	for (i = 0; i < fb->num_devs; i++)
		fb->devs[i]->reset_polls = 0;
	fake_room(fb);
	virtio_msg_bus_unregister(fb->bus);
	if (fb->info.ops == &fake_bus_ops)
		KUNIT_EXPECT_EQ(fb->test, atomic_read(&fb->stops), 1);
	fake_models_release(fb);
	kfree(fb);
}

/**
 * fake_models_init() - a peer without a bus
 * @fb: to be initialized, all zero
 * @test: whose it is
 *
 * For fake_dev_create(), fake_answer() and fake_vq_serve(), after which
 * @fb->mem and @fb->address are to be set.
 */
void fake_models_init(struct fake_bus *fb, struct kunit *test)
{
	fb->test = test;
	fb->room = -1;
	fb->dialect = VMSG_DIALECT_1;
	spin_lock_init(&fb->lock);
	INIT_LIST_HEAD(&fb->held);
	INIT_LIST_HEAD(&fb->later);
	INIT_WORK(&fb->later_work, fake_later_work);
	INIT_WORK(&fb->serve_work, fake_serve_work);
	fb->irq_work = IRQ_WORK_INIT_HARD(fake_irq_work);
	init_waitqueue_head(&fb->wait);
}

/**
 * fake_models_memory() - a pool and somewhere to work
 * @fb: a peer that has been initialized
 *
 * The test ends when there is none.
 */
void fake_models_memory(struct fake_bus *fb)
{
	struct kunit *test = fb->test;

	fb->address = FAKE_POOL_ADDR;
	fb->wq = alloc_workqueue("virtio_msg_fake", WQ_UNBOUND, 0);
	fb->mem = vzalloc(FAKE_POOL_SIZE);
	KUNIT_ASSERT_NOT_NULL(test, fb->wq);
	KUNIT_ASSERT_NOT_NULL(test, fb->mem);
	fb->pool = virtio_msg_pool_create(fb->mem, FAKE_POOL_ADDR,
					  FAKE_POOL_SIZE);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, fb->pool);
	/* Whatever lies in the pool before is not to be seen. */
	fake_fill_pool(fb, 0xc3);
}

/**
 * fake_models_release() - the end of a peer whose bus has ended
 * @fb: the peer, after fake_models_memory()
 */
void fake_models_release(struct fake_bus *fb)
{
	struct fake_frame *frame, *next;
	unsigned int i;

	destroy_workqueue(fb->wq);
	irq_work_sync(&fb->irq_work);
	if (fb->pool) {
		KUNIT_EXPECT_EQ_MSG(fb->test, vmsg_pool_used(fb->pool), 0,
				    "the pool has a leak");
		virtio_msg_pool_destroy(fb->pool);
	}
	list_for_each_entry_safe(frame, next, &fb->held, node)
		kfree(frame);
	for (i = 0; i < fb->num_devs; i++)
		kfree(fb->devs[i]);
	vfree(fb->mem);
}

/**
 * fake_fill_pool() - write all over the pool, as a device could
 * @fb: the bus
 * @with: what to write
 *
 * Page by page, because sparse takes a larger memset() for a mistake.
 */
void fake_fill_pool(struct fake_bus *fb, u8 with)
{
	size_t i;

	for (i = 0; i < FAKE_POOL_SIZE; i += PAGE_SIZE)
		memset(fb->mem + i, with, PAGE_SIZE);
}

/**
 * fake_bus_create() - a bus with a pool and no devices
 * @test: whose it is; it goes when the test ends
 * @info: limits; name, parent, priv and pool are filled in, ops if missing
 *
 * Return: the bus; the test ends when there is none.
 */
struct fake_bus *fake_bus_create(struct kunit *test,
				 const struct virtio_msg_bus_info *info)
{
	struct device *parent = kunit_device_register(test, info->name);
	struct fake_bus *fb = kzalloc_obj(*fb);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, parent);
	KUNIT_ASSERT_NOT_NULL(test, fb);
	fake_models_init(fb, test);
	fake_models_memory(fb);
	fb->info = *info;
	if (!fb->info.ops)
		fb->info.ops = &fake_bus_ops;
	fb->info.parent = parent;
	fb->info.priv = fb;
	fb->info.pool = fb->pool;
	fb->bus = virtio_msg_bus_register(&fb->info);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, fb->bus);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, fake_bus_free, fb));
	return fb;
}

/**
 * fake_bus_end() - unregister a bus before its test ends
 * @fb: the bus, which is gone then
 */
void fake_bus_end(struct fake_bus *fb)
{
	kunit_release_action(fb->test, fake_bus_free, fb);
}

/**
 * fake_bus_default() - a bus like most tests want it
 * @test: whose it is
 *
 * Return: the bus; the test ends when there is none.
 */
struct fake_bus *fake_bus_default(struct kunit *test)
{
	const struct virtio_msg_bus_info info = { FAKE_BUS_DEFAULTS };

	return fake_bus_create(test, &info);
}

/**
 * fake_settle() - wait until bus and peer have nothing to do any more
 * @fb: the bus
 *
 * Works queue works: an announcement, then the device's own, then its removal.
 */
void fake_settle(struct fake_bus *fb)
{
	int i;

	for (i = 0; i < 4; i++) {
		flush_workqueue(fb->bus->wq);
		flush_workqueue(fb->wq);
	}
}

/**
 * fake_stat() - a statistic of the bus
 * @fb: the bus
 * @stat: which
 *
 * Return: its value.
 */
long fake_stat(struct fake_bus *fb, enum vmsg_stat stat)
{
	return atomic_long_read(&fb->bus->stats[stat]);
}

/* Without a mounted sysfs this is how to read it. */
static ssize_t fake_sysfs(struct device *dev,
			  const struct attribute_group *const *groups,
			  const char *group, const char *name, char *buf)
{
	struct device_attribute *attr;
	struct attribute **a;

	for (; *groups; groups++) {
		if (!(*groups)->name != !group ||
		    (group && strcmp((*groups)->name, group)))
			continue;
		for (a = (*groups)->attrs; *a; a++) {
			if (strcmp((*a)->name, name))
				continue;
			attr = container_of(*a, struct device_attribute, attr);
			return attr->show(dev, attr, buf);
		}
	}
	return -ENOENT;
}

static void fake_expect_file(struct kunit *test, struct device *dev,
			     const struct attribute_group *const *groups,
			     const char *group, const char *name,
			     const char *want)
{
	char *buf = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, buf);
	/* sysfs_emit() wants a page of its own. */
	KUNIT_ASSERT_TRUE(test, PAGE_ALIGNED(buf));
	KUNIT_ASSERT_GT_MSG(test, fake_sysfs(dev, groups, group, name, buf), 0,
			    "%s", name);
	KUNIT_EXPECT_STREQ_MSG(test, buf, want, "%s", name);
	kunit_kfree(test, buf);
}

/**
 * fake_expect_bus_file() - a file of the bus in sysfs says what it should
 * @fb: the bus
 * @group: name of the group, NULL = none
 * @name: name of the file
 * @want: what it should say
 */
void fake_expect_bus_file(struct fake_bus *fb, const char *group,
			  const char *name, const char *want)
{
	fake_expect_file(fb->test, &fb->bus->dev,
			 fb->bus->dev.class->dev_groups, group, name, want);
}

/**
 * fake_expect_dev_file() - a file of the device in sysfs says what it should
 * @fd: the device, registered with the virtio core
 * @name: name of the file
 * @want: what it should say
 */
void fake_expect_dev_file(struct fake_dev *fd, const char *name,
			  const char *want)
{
	struct device *dev = &fake_vmsg_dev(fd)->vdev.dev;

	fake_expect_file(fd->fb->test, dev, dev->groups, "virtio_msg", name,
			 want);
}

/**
 * fake_count() - messages that arrived
 * @fb: the bus
 * @bus: bus messages, else transport messages
 * @id: which
 *
 * Return: how many.
 */
int fake_count(struct fake_bus *fb, bool bus, u8 id)
{
	return atomic_read(&fb->count[bus][id]);
}

/**
 * fake_dev_create() - a device that nobody has heard of yet
 * @fb: the bus
 * @num: device number
 *
 * It has two queues of 16, 16 bytes of configuration that count up, and offers
 * what it must.
 *
 * Return: the device; it goes with the bus.
 */
struct fake_dev *fake_dev_create(struct fake_bus *fb, u16 num)
{
	struct fake_dev *fd = kzalloc_obj(*fd);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(fb->test, fd);
	fd->fb = fb;
	fd->num = num;
	fd->info.info.device_id = FAKE_ID;
	fd->info.info.vendor_id = 0x1234;
	fd->info.info.num_feature_blocks = 2;
	fd->info.info.config_size = 16;
	fd->info.info.max_virtqueues = 2;
	for (i = 0; i < FAKE_CONFIG; i++)
		fd->config[i] = i;
	fake_offer(fd, VIRTIO_F_VERSION_1, true);
	fake_offer(fd, VIRTIO_F_ACCESS_PLATFORM, true);
	fd->generation = 7;
	for (i = 0; i < 2; i++)
		fd->vq[i].max_size = 16;
	scoped_guard(spinlock_irqsave, &fb->lock) {
		if (fb->num_devs < FAKE_DEVS)
			fb->devs[fb->num_devs++] = fd;
	}
	return fd;
}

/**
 * fake_event_config() - EVENT_CONFIG
 * @fd: the device
 * @status: in the event
 * @offset: in the event
 * @length: in the event
 * @data: in the event
 * @data_len: bytes of @data
 *
 * Return: what virtio_msg_bus_receive() said.
 */
int fake_event_config(struct fake_dev *fd, u32 status, u32 offset, u32 length,
		      const void *data, size_t data_len)
{
	struct vmsg_msg msg = {
		.id = VIRTIO_MSG_EVENT_CONFIG,
		.dev_num = fd->num,
		.event_config.status = status,
		.event_config.generation = fd->generation,
		.event_config.offset = offset,
		.event_config.length = length,
		.data = data,
		.data_len = data_len,
	};

	return fake_deliver_msg(fd->fb, &msg);
}

/**
 * fake_event_used() - EVENT_USED
 * @fd: the device
 * @index: queue index
 *
 * Return: what virtio_msg_bus_receive() said.
 */
int fake_event_used(struct fake_dev *fd, u32 index)
{
	struct vmsg_msg msg = {
		.id = VIRTIO_MSG_EVENT_USED,
		.dev_num = fd->num,
		.vqueue.index = index,
	};

	return fake_deliver_msg(fd->fb, &msg);
}

/**
 * fake_event_device() - bus EVENT_DEVICE
 * @fb: the bus
 * @num: device number
 * @state: in the event
 *
 * Return: what virtio_msg_bus_receive() said.
 */
int fake_event_device(struct fake_bus *fb, u16 num, u16 state)
{
	struct vmsg_msg msg = {
		.type = VIRTIO_MSG_TYPE_BUS,
		.id = VIRTIO_MSG_BUS_EVENT_DEVICE,
		.event_device.dev_num = num,
		.event_device.state = state,
	};

	return fake_deliver_msg(fb, &msg);
}

/*
 * The driver
 */

struct fake_driver fake_driver;

static void fake_callback(struct virtqueue *vq)
{
	struct fake_drv *drv = vq->vdev->priv;
	unsigned int len;
	void *buf;

	atomic_inc(&drv->calls[vq->index]);
	if (!in_interrupt())
		atomic_inc(&drv->exposed);
	if (!fake_driver.keep) {
		guard(spinlock_irqsave)(&drv->lock);
		while ((buf = virtqueue_get_buf(vq, &len))) {
			if (drv->num_bufs == FAKE_BUFS)
				break;
			drv->bufs[drv->num_bufs] = buf;
			drv->lens[drv->num_bufs++] = len;
		}
	}
	wake_up(&fake_driver.wait);
}

static int fake_find_vqs(struct fake_drv *drv)
{
	struct virtqueue_info info[FAKE_VQS] = {};
	int i;

	for (i = 0; i < fake_driver.nvqs; i++) {
		info[i].name = fake_driver.names[i];
		info[i].callback = fake_callback;
	}
	if (!fake_driver.nvqs)
		return 0;
	return virtio_find_vqs(drv->vdev, fake_driver.nvqs, drv->vqs, info, NULL);
}

static void fake_wait_for_bufs(struct fake_drv *drv)
{
	wait_event_timeout(fake_driver.wait, READ_ONCE(drv->num_bufs) >=
			   fake_driver.patience_for, FAKE_PATIENCE);
}

/* What drivers do with the buffers that never came back. */
static void fake_end_vqs(struct fake_drv *drv)
{
	int i;

	virtio_reset_device(drv->vdev);
	if (!fake_driver.nvqs)
		return;
	for (i = 0; i < fake_driver.nvqs; i++) {
		while (drv->vqs[i] && virtqueue_detach_unused_buf(drv->vqs[i]))
			;
		drv->vqs[i] = NULL;
	}
	drv->vdev->config->del_vqs(drv->vdev);
}

static int fake_do_probe(struct fake_drv *drv)
{
	int err = fake_find_vqs(drv);

	if (err)
		return err;
	if (fake_driver.in_probe)
		err = fake_driver.in_probe(drv);
	if (err) {
		fake_end_vqs(drv);
	} else if (!fake_driver.unready) {
		virtio_device_ready(drv->vdev);
		fake_wait_for_bufs(drv);
	}
	return err;
}

static int fake_validate(struct virtio_device *vdev)
{
	if (fake_driver.no_platform)
		__virtio_clear_bit(vdev, VIRTIO_F_ACCESS_PLATFORM);
	return 0;
}

static int fake_probe(struct virtio_device *vdev)
{
	struct fake_drv *drv = kzalloc_obj(*drv);
	int err;

	if (!drv)
		return -ENOMEM;
	drv->vdev = vdev;
	spin_lock_init(&drv->lock);
	vdev->priv = drv;
	list_add(&drv->node, &fake_driver.drvs);
	err = fake_do_probe(drv);
	if (err)
		drv->vdev = NULL;
	fake_driver.drv = drv;
	fake_driver.probe_err = err;
	atomic_inc(&fake_driver.probes);
	wake_up(&fake_driver.wait);
	return err;
}

static void fake_remove(struct virtio_device *vdev)
{
	struct fake_drv *drv = vdev->priv;

	fake_wait_for_bufs(drv);
	fake_end_vqs(drv);
	drv->removed = true;
	atomic_inc(&fake_driver.removes);
	wake_up(&fake_driver.wait);
}

static void fake_config_changed(struct virtio_device *vdev)
{
	struct fake_drv *drv = vdev->priv;

	atomic_inc(&drv->changes);
	wake_up(&fake_driver.wait);
}

#ifdef CONFIG_PM_SLEEP
static int fake_freeze(struct virtio_device *vdev)
{
	if (fake_driver.freeze_err && !fake_driver.freeze_good--)
		return fake_driver.freeze_err;
	fake_wait_for_bufs(vdev->priv);
	fake_end_vqs(vdev->priv);
	return 0;
}

static int fake_restore(struct virtio_device *vdev)
{
	int err = fake_find_vqs(vdev->priv);

	if (!err)
		virtio_device_ready(vdev);
	return err;
}
#endif

static const struct virtio_device_id fake_id_table[] = {
	{ FAKE_ID, VIRTIO_DEV_ANY_ID },
	/* Of a kind that the core treats in a way of its own. */
	{ VIRTIO_ID_BALLOON, VIRTIO_DEV_ANY_ID },
	/* Of one that this transport does. */
	{ VIRTIO_ID_NET, VIRTIO_DEV_ANY_ID },
	{ 0 },
};

static const unsigned int fake_feature_table[] = { 0, 1, 64, 65, 127 };

static struct virtio_driver fake_virtio_driver = {
	.driver.name = "virtio_msg_fake",
	.id_table = fake_id_table,
	.feature_table = fake_feature_table,
	.feature_table_size = ARRAY_SIZE(fake_feature_table),
	.validate = fake_validate,
	.probe = fake_probe,
	.remove = fake_remove,
	.config_changed = fake_config_changed,
#ifdef CONFIG_PM_SLEEP
	.freeze = fake_freeze,
	.restore = fake_restore,
#endif
};

static void fake_driver_unregister(void *arg)
{
	struct fake_drv *drv, *next;

	unregister_virtio_driver(&fake_virtio_driver);
	list_for_each_entry_safe(drv, next, &fake_driver.drvs, node)
		kfree(drv);
}

/**
 * fake_driver_register() - there is a driver for FAKE_ID until the test ends
 * @test: the test; to be called before it makes buses
 */
void fake_driver_register(struct kunit *test)
{
	memset(&fake_driver, 0, sizeof(fake_driver));
	fake_driver.nvqs = 1;
	fake_driver.names[0] = "first";
	INIT_LIST_HEAD(&fake_driver.drvs);
	init_waitqueue_head(&fake_driver.wait);
	KUNIT_ASSERT_EQ(test, 0, register_virtio_driver(&fake_virtio_driver));
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, fake_driver_unregister,
						  NULL));
}

static void fake_switch_on(void *param)
{
	*(bool *)param = true;
}

/**
 * fake_switch_off() - a parameter of a module is N until the test ends
 * @test: the test
 * @param: the parameter, which is Y
 */
void fake_switch_off(struct kunit *test, bool *param)
{
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action(test, fake_switch_on, param));
	*param = false;
}

/**
 * fake_bind() - announce a device and wait for its driver
 * @fd: the device
 *
 * Return: the driver's data; the test ends when there is none.
 */
struct fake_drv *fake_bind(struct fake_dev *fd)
{
	struct kunit *test = fd->fb->test;
	int probes = atomic_read(&fake_driver.probes);

	virtio_msg_bus_add_device(fd->fb->bus, fd->num);
	KUNIT_ASSERT_TRUE(test,
			  drv_wait(atomic_read(&fake_driver.probes) > probes));
	KUNIT_ASSERT_EQ(test, fake_driver.probe_err, 0);
	/* The virtio core goes on after probe. */
	fake_settle(fd->fb);
	return fake_driver.drv;
}

/**
 * fake_vmsg_dev() - the core's idea of a device
 * @fd: the device
 *
 * Return: what the bus has under that number, NULL = nothing.
 */
struct vmsg_dev *fake_vmsg_dev(struct fake_dev *fd)
{
	return xa_load(&fd->fb->bus->devs, fd->num);
}

/**
 * fake_add_buf() - add a buffer to a queue
 * @vq: the queue
 * @out: what the device reads, or NULL
 * @out_len: bytes
 * @in: what the device writes, or NULL; also the buffer's token
 * @in_len: bytes
 *
 * Return: what the virtio core said.
 */
int fake_add_buf(struct virtqueue *vq, void *out, unsigned int out_len,
		 void *in, unsigned int in_len)
{
	struct scatterlist sg[2], *sgs[2];
	unsigned int n = 0;

	if (out) {
		sg_init_one(&sg[n], out, out_len);
		sgs[n] = &sg[n];
		n++;
	}
	if (in) {
		sg_init_one(&sg[n], in, in_len);
		sgs[n] = &sg[n];
		n++;
	}
	return virtqueue_add_sgs(vq, sgs, !!out, !!in, in ?: out, GFP_ATOMIC);
}
