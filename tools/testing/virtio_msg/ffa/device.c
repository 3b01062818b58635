// SPDX-License-Identifier: GPL-2.0
/*
 * The secure side of the FF-A tests: transport messages to one device. It is as
 * strict as a device may be: what a driver side must not do is a violation, and
 * is not done.
 */
#include <string.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "secure.h"

#define NUM_BLOCKS	2
/* Data of a message, at most */
#define DATA_SIZE	64

#define ACKNOWLEDGED	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER)
#define RUNNING		(VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK)

static u64 offered(const struct device *dev)
{
	return dev->model->features | 1ull << VIRTIO_F_VERSION_1 |
	       1ull << VIRTIO_F_ACCESS_PLATFORM |
	       (u64)!!knobs.event_idx << VIRTIO_RING_F_EVENT_IDX |
	       (u64)!!knobs.tables << VIRTIO_RING_F_INDIRECT_DESC;
}

void device_init(struct device *dev, u16 num, const struct model *model)
{
	memset(dev, 0, sizeof(*dev));
	dev->present = true;
	dev->num = num;
	dev->model = model;
	device_reset(dev);
}

void device_reset(struct device *dev)
{
	unsigned int n;

	dev->status = 0;
	dev->accepted = 0;
	dev->used = 0;
	dev->config_changed = false;
	memset(dev->queues, 0, sizeof(dev->queues));
	for (n = 0; n < dev->model->queues; n++)
		dev->queues[n].max = QUEUE_SIZE;
}

static struct queue *find_queue(struct device *dev, u32 index)
{
	return index < dev->model->queues ? &dev->queues[index] : NULL;
}

static void get_info(struct device *dev, struct vmsg_msg *msg)
{
	memset(&msg->info, 0, sizeof(msg->info));
	msg->info.device_id = dev->model->type;
	msg->info.vendor_id = 0x1af4;
	msg->info.uuid[0] = dev->num;
	msg->info.uuid[15] = 0xfa;
	msg->info.num_feature_blocks = NUM_BLOCKS;
	msg->info.config_size = dev->model->config_size;
	msg->info.max_virtqueues = dev->model->queues;
}

static void get_features(struct device *dev, struct vmsg_msg *msg, u8 *data)
{
	u32 n, block;

	if (!msg->features.count)
		violation("device %u: no blocks of features asked for", dev->num);
	if (msg->features.count > DATA_SIZE / 4)
		msg->features.count = DATA_SIZE / 4;
	for (n = 0; n < msg->features.count; n++) {
		block = msg->features.index + n;
		vmsg_wire_put_block(data, n, block < NUM_BLOCKS ?
				    offered(dev) >> 32 * block : 0);
	}
	msg->data = data;
	msg->data_len = 4 * msg->features.count;
}

static void set_features(struct device *dev, const struct vmsg_msg *msg)
{
	u64 features = dev->accepted;
	u32 n, block;

	if (dev->status & VIRTIO_CONFIG_S_FEATURES_OK) {
		violation("device %u: features after FEATURES_OK", dev->num);
		return;
	}
	for (n = 0; n < msg->features.count; n++) {
		block = msg->features.index + n;
		if (block >= NUM_BLOCKS) {
			if (vmsg_wire_block(msg, n))
				violation("device %u: features in block %u",
					  dev->num, block);
			continue;
		}
		features &= ~(0xffffffffull << 32 * block);
		features |= (u64)vmsg_wire_block(msg, n) << 32 * block;
	}
	if (features & ~offered(dev)) {
		violation("device %u: features %llx of %llx", dev->num, features,
			  offered(dev));
		return;
	}
	dev->accepted = features;
}

static void get_config(struct device *dev, struct vmsg_msg *msg)
{
	u32 offset = msg->config.offset, len = msg->config.length;
	u32 size = dev->model->config_size;

	if (offset > size || len > size - offset || len > DATA_SIZE) {
		violation("device %u: %u bytes of configuration at %u", dev->num,
			  len, offset);
		len = 0;
	}
	msg->config.generation = dev->generation;
	msg->config.length = len;
	msg->data = dev->config + offset;
	msg->data_len = len;
}

static void set_status(struct device *dev, struct vmsg_msg *msg)
{
	u32 status = msg->status, old = dev->status;

	if (!status) {
		device_reset(dev);
		return;
	}
	if (status & ~(ACKNOWLEDGED | RUNNING | VIRTIO_CONFIG_S_FAILED) ||
	    old & ~status) {
		violation("device %u: status %x after %x", dev->num, status, old);
		msg->status = old;
		return;
	}
	if (status & RUNNING && !(dev->accepted & 1ull << VIRTIO_F_VERSION_1))
		status &= ~RUNNING;
	if (status & VIRTIO_CONFIG_S_DRIVER_OK &&
	    !(status & VIRTIO_CONFIG_S_FEATURES_OK)) {
		violation("device %u: DRIVER_OK without features", dev->num);
		status &= ~VIRTIO_CONFIG_S_DRIVER_OK;
	}
	dev->status = status;
	msg->status = status;
}

static void get_queue(struct device *dev, struct vmsg_msg *msg)
{
	const struct queue *q = find_queue(dev, msg->vqueue.index);
	u32 index = msg->vqueue.index;

	memset(&msg->vqueue, 0, sizeof(msg->vqueue));
	msg->vqueue.index = index;
	if (!q)
		return;
	msg->vqueue.max_size = q->max;
	msg->vqueue.size = q->size;
	msg->vqueue.flags = q->enabled ? VIRTIO_MSG_VQUEUE_ENABLED : 0;
	msg->vqueue.desc = q->desc;
	msg->vqueue.driver = q->driver;
	msg->vqueue.device = q->device;
}

/* Everything of a ring is in memory that is shared: looking there says so. */
static bool check_queue(struct partition *p, const struct queue *q)
{
	/* The index of an event lies behind each of the two rings. */
	u32 more = q->event_idx ? 2 : 0;
	u8 byte;

	return q->size && q->size <= q->max && !(q->size & (q->size - 1)) &&
	       !(q->desc % 16) && !(q->driver % 2) && !(q->device % 4) &&
	       area_copy(p, q->desc + 16 * q->size - 1, &byte, 1, false) &&
	       area_copy(p, q->driver + 2 * q->size + 3 + more, &byte, 1, false) &&
	       area_copy(p, q->device + 8 * q->size + 3 + more, &byte, 1, false);
}

static void set_queue(struct partition *p, struct device *dev,
		      struct vmsg_msg *msg)
{
	struct queue *q = find_queue(dev, msg->vqueue.index), new;
	u32 flags = msg->vqueue.flags;

	if (!q || q->enabled || flags & ~VIRTIO_MSG_VQUEUE_FLAGS ||
	    msg->vqueue.reserved ||
	    !(dev->status & VIRTIO_CONFIG_S_FEATURES_OK)) {
		violation("device %u: SET_VQUEUE %u, flags %x, status %x",
			  dev->num, msg->vqueue.index, flags, dev->status);
		return;
	}
	new = *q;
	if (!(flags & VIRTIO_MSG_VQUEUE_IGN_SIZE))
		new.size = msg->vqueue.size;
	if (!(flags & VIRTIO_MSG_VQUEUE_IGN_DESC))
		new.desc = msg->vqueue.desc;
	if (!(flags & VIRTIO_MSG_VQUEUE_IGN_DRIVER))
		new.driver = msg->vqueue.driver;
	if (!(flags & VIRTIO_MSG_VQUEUE_IGN_DEVICE))
		new.device = msg->vqueue.device;
	new.event_idx = dev->accepted & 1ull << VIRTIO_RING_F_EVENT_IDX;
	new.tables = dev->accepted & 1ull << VIRTIO_RING_F_INDIRECT_DESC;
	if ((flags & VIRTIO_MSG_VQUEUE_OP_MASK) == VIRTIO_MSG_VQUEUE_OP_ENABLE) {
		if (!check_queue(p, &new)) {
			violation("device %u: queue %u of %u at %llx", dev->num,
				  msg->vqueue.index, new.size, new.desc);
			return;
		}
		new.enabled = true;
		new.next_avail = 0;
		new.next_used = 0;
	}
	*q = new;
}

static void reset_queue(struct device *dev, struct vmsg_msg *msg)
{
	struct queue *q = find_queue(dev, msg->vqueue.index);

	violation("device %u: queue reset, which nobody has offered", dev->num);
	if (q) {
		memset(q, 0, sizeof(*q));
		q->max = QUEUE_SIZE;
	}
}

static void kick(struct device *dev, struct vmsg_msg *msg)
{
	struct queue *q = find_queue(dev, msg->vqueue.index);

	if (!q || !q->enabled || msg->vqueue.next_offset) {
		violation("device %u: queue %u is kicked, status %x", dev->num,
			  msg->vqueue.index, dev->status);
		return;
	}
	q->kicked = true;
}

bool device_message(struct partition *p, struct device *dev,
		    struct vmsg_msg *msg, u8 *data)
{
	u32 shm;

	switch (msg->id) {
	case VIRTIO_MSG_GET_DEVICE_INFO:
		get_info(dev, msg);
		break;
	case VIRTIO_MSG_GET_DEVICE_FEATURES:
		get_features(dev, msg, data);
		return true;
	case VIRTIO_MSG_SET_DRIVER_FEATURES:
		set_features(dev, msg);
		break;
	case VIRTIO_MSG_GET_CONFIG:
		get_config(dev, msg);
		return true;
	case VIRTIO_MSG_SET_CONFIG:
		violation("device %u: SET_CONFIG, nothing can be set", dev->num);
		msg->config.length = 0;
		break;
	case VIRTIO_MSG_GET_DEVICE_STATUS:
		msg->status = dev->status;
		break;
	case VIRTIO_MSG_SET_DEVICE_STATUS:
		set_status(dev, msg);
		break;
	case VIRTIO_MSG_GET_VQUEUE:
		get_queue(dev, msg);
		break;
	case VIRTIO_MSG_SET_VQUEUE:
		set_queue(p, dev, msg);
		break;
	case VIRTIO_MSG_RESET_VQUEUE:
		reset_queue(dev, msg);
		break;
	case VIRTIO_MSG_GET_SHM:
		shm = msg->shm.id;
		memset(&msg->shm, 0, sizeof(msg->shm));
		msg->shm.id = shm;
		break;
	case VIRTIO_MSG_EVENT_AVAIL:
		kick(dev, msg);
		break;
	default:
		return false;
	}
	msg->data = NULL;
	msg->data_len = 0;
	return true;
}

/* A queue that the driver fills for us is only looked at with something to say. */
static bool wanted(struct device *dev, unsigned int index)
{
	if (!(dev->status & VIRTIO_CONFIG_S_DRIVER_OK))
		return false;
	if (dev->model->ready && !index)
		return dev->model->ready(dev);
	return dev->queues[index].kicked;
}

bool device_work(struct partition *p, struct device *dev)
{
	static struct chain chain;
	struct queue *q;
	unsigned int n;
	u32 written;

	for (n = 0; n < dev->model->queues; n++) {
		q = &dev->queues[n];
		if (!wanted(dev, n))
			continue;
		if (!vring_pop(p, q, &chain)) {
			q->kicked = false;
			continue;
		}
		written = dev->model->request(p, dev, n, &chain);
		if (vring_push(p, q, &chain, written)) {
			dev->used |= 1u << n;
			partition_tell(p);
		}
		return true;
	}
	return false;
}

/* A device that does nothing, of a type that has no driver */
const struct model idle_model = {
	.type = 999,
	.queues = 0,
};
