// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * libvmsg: one virtio device, driven by transport messages.
 *
 * Rules that the proposal leaves open, and what is done here:
 *
 * - Every request is answered in any state; what the state does not allow is
 *   simply not done. Only a request whose answer would not fit into a message,
 *   or that asks for no feature blocks, is malformed and dropped.
 * - A configuration access out of range is answered with length 0.
 * - Status bits can be added, but only a reset takes them away. DRIVER_OK
 *   without FEATURES_OK is refused, DEVICE_NEEDS_RESET is ours.
 * - Queues are set up between FEATURES_OK and the reset.
 * - EVENT_AVAIL is ignored for a queue that is not in use: the device looks
 *   into all of its queues at DRIVER_OK anyway.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <linux/virtio_config.h>

#include "internal.h"

/* Status bits that a driver may set. */
#define VMSG_STATUS_DRIVER						\
	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |		\
	 VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK |	\
	 VIRTIO_CONFIG_S_FAILED)

/* Feature blocks of 32 bits that fit into two words. */
#define VMSG_NUM_BLOCKS	4
#define VMSG_MAX_QUEUE_SIZE	32768u

static void vmsg_device_announce(struct vmsg_device *dev)
{
	struct vmsg_msg msg = {
		.type = VIRTIO_MSG_TYPE_BUS,
		.id = VIRTIO_MSG_BUS_EVENT_DEVICE,
		.event_device.dev_num = dev->num,
		.event_device.state = dev->leaving ?
				      VIRTIO_MSG_DEVICE_REMOVED :
				      VIRTIO_MSG_DEVICE_ADDED,
	};

	dev->announce_pending = !vmsg_bus_send_event(dev->bus, &msg);
}

static int vmsg_device_check_desc(const struct vmsg_device_desc *desc)
{
	uint16_t size;
	uint32_t i;

	if (!desc->device_id || !desc->ops->queue ||
	    desc->num_queues > VMSG_MAX_DEVICES ||
	    (desc->config_size && !desc->ops->config_read))
		return -EINVAL;
	for (i = 0; i < desc->num_queues; i++) {
		size = desc->queue_sizes[i];
		if (!size || size > VMSG_MAX_QUEUE_SIZE || size & (size - 1))
			return -EINVAL;
	}
	return 0;
}

/**
 * vmsg_device_add() - put a device onto a bus, and tell the driver side
 * @bus: the bus
 * @num: device number, or VMSG_ANY_NUM
 * @desc: what it is
 *
 * Return: the device, or NULL with errno set: EINVAL for a description that
 * makes no sense, EBUSY for a number in use.
 */
struct vmsg_device *vmsg_device_add(struct vmsg_bus *bus, uint32_t num,
				    const struct vmsg_device_desc *desc)
{
	struct vmsg_device *dev;
	uint32_t i;
	int ret;

	ret = vmsg_device_check_desc(desc);
	if (ret) {
		errno = -ret;
		return NULL;
	}
	if (num == VMSG_ANY_NUM) {
		for (num = 0; vmsg_bus_find(bus, num); num++)
			;
	}
	dev = calloc(1, sizeof(*dev) + desc->num_queues * sizeof(dev->vqs[0]));
	if (!dev)
		return NULL;
	dev->name = strdup(desc->name ? desc->name : "device");
	ret = dev->name ? vmsg_bus_insert(bus, num, dev) : -ENOMEM;
	if (ret) {
		free(dev->name);
		free(dev);
		errno = -ret;
		return NULL;
	}
	dev->bus = bus;
	dev->ops = desc->ops;
	dev->priv = desc->priv;
	dev->num = num;
	dev->device_id = desc->device_id;
	dev->vendor_id = desc->vendor_id;
	memcpy(dev->uuid, desc->uuid, sizeof(dev->uuid));
	dev->config_size = desc->config_size;
	dev->offered[0] = desc->features[0] | bus->params.features;
	dev->offered[1] = desc->features[1];
	dev->generation = 1;
	dev->num_vqs = desc->num_queues;
	for (i = 0; i < dev->num_vqs; i++)
		vmsg_vq_init(&dev->vqs[i], dev, i, desc->queue_sizes[i]);
	vmsg_device_announce(dev);
	return dev;
}

/**
 * vmsg_device_free() - free a device, at once
 * @dev: the device; requests to it are not answered any more
 */
void vmsg_device_free(struct vmsg_device *dev)
{
	uint32_t i;

	for (i = 0; i < dev->num_vqs; i++)
		vmsg_vq_stop(&dev->vqs[i]);
	if (dev->ops->release)
		dev->ops->release(dev);
	for (i = 0; i < dev->num_vqs; i++)
		vmsg_vq_exit(&dev->vqs[i]);
	vmsg_bus_erase(dev->bus, dev->num);
	free(dev->name);
	free(dev);
}

/**
 * vmsg_device_priv() - what the model keeps of a device
 * @dev: the device
 *
 * Return: the priv of its description.
 */
void *vmsg_device_priv(const struct vmsg_device *dev)
{
	return dev->priv;
}

/**
 * vmsg_device_bus() - the bus of a device
 * @dev: the device
 *
 * Return: the bus.
 */
struct vmsg_bus *vmsg_device_bus(const struct vmsg_device *dev)
{
	return dev->bus;
}

/**
 * vmsg_device_ops() - the model of a device
 * @dev: the device
 *
 * Return: the ops of its description.
 */
const struct vmsg_device_ops *vmsg_device_ops(const struct vmsg_device *dev)
{
	return dev->ops;
}

/**
 * vmsg_device_name() - the name of a device
 * @dev: the device
 *
 * Return: the name of its description.
 */
const char *vmsg_device_name(const struct vmsg_device *dev)
{
	return dev->name;
}

/**
 * vmsg_device_num() - the number of a device
 * @dev: the device
 *
 * Return: its device number.
 */
uint16_t vmsg_device_num(const struct vmsg_device *dev)
{
	return dev->num;
}

/**
 * vmsg_device_status() - what the driver gets to see as device status
 * @dev: the device
 *
 * Return: the status; not 0 before a reset is finished.
 */
uint8_t vmsg_device_status(const struct vmsg_device *dev)
{
	if (dev->resetting && !dev->status)
		return VIRTIO_CONFIG_S_ACKNOWLEDGE;
	return dev->status;
}

/**
 * vmsg_device_leaving() - has the device been told to go away?
 * @dev: the device
 *
 * Return: true after vmsg_device_leave().
 */
bool vmsg_device_leaving(const struct vmsg_device *dev)
{
	return dev->leaving;
}

/**
 * vmsg_device_left() - can a leaving device be freed?
 * @dev: the device
 *
 * Return: true if it touches no memory and the driver side has been told.
 */
bool vmsg_device_left(const struct vmsg_device *dev)
{
	return dev->leaving && !dev->resetting && !dev->announce_pending;
}

/**
 * vmsg_device_has_feature() - has a feature been negotiated?
 * @dev: the device
 * @bit: feature bit
 *
 * Return: true if the driver has accepted it.
 */
bool vmsg_device_has_feature(const struct vmsg_device *dev, unsigned int bit)
{
	return bit < 128 && dev->features[bit / 64] & VMSG_BIT(bit % 64);
}

/**
 * vmsg_device_vq() - a queue of a device
 * @dev: the device
 * @index: queue index
 *
 * Return: the queue, or NULL.
 */
struct vmsg_vq *vmsg_device_vq(struct vmsg_device *dev, uint32_t index)
{
	return index < dev->num_vqs ? &dev->vqs[index] : NULL;
}

/**
 * vmsg_device_running() - may the device work on its queues?
 * @dev: the device
 *
 * Return: true after DRIVER_OK.
 */
bool vmsg_device_running(const struct vmsg_device *dev)
{
	const uint8_t bad = VIRTIO_CONFIG_S_NEEDS_RESET |
			    VIRTIO_CONFIG_S_FAILED;

	return (dev->status & (VIRTIO_CONFIG_S_DRIVER_OK | bad)) ==
		       VIRTIO_CONFIG_S_DRIVER_OK &&
	       !dev->resetting;
}

static bool vmsg_device_config_event(struct vmsg_device *dev, uint32_t offset,
				     uint32_t len, enum vmsg_config_form form)
{
	struct vmsg_bus *bus = dev->bus;
	struct vmsg_msg msg = {
		.id = VIRTIO_MSG_EVENT_CONFIG,
		.dev_num = dev->num,
		.event_config.status = vmsg_device_status(dev),
		.event_config.generation = dev->generation,
	};

	/* Data that are sent later must not be older than the others. */
	if (bus->blocked)
		return false;
	if (form != VMSG_CONFIG_GENERIC) {
		msg.event_config.offset = offset;
		msg.event_config.length = len;
	}
	if (form == VMSG_CONFIG_DATA &&
	    len <= vmsg_wire_data_room(bus->dialect, 0, VIRTIO_MSG_EVENT_CONFIG,
				       bus->max_msg_size)) {
		dev->ops->config_read(dev, offset, bus->data, len);
		msg.data = bus->data;
		msg.data_len = len;
	}
	return vmsg_bus_send_event(bus, &msg);
}

/**
 * vmsg_device_config_changed() - the configuration space has changed
 * @dev: the device
 * @offset: first byte that has changed
 * @len: bytes that have changed; the range is inside of the space
 * @form: how to tell the driver
 *
 * For changes by the device only, in the same turn as the change itself.
 */
void vmsg_device_config_changed(struct vmsg_device *dev, uint32_t offset,
				uint32_t len, enum vmsg_config_form form)
{
	dev->generation++;
	if (!dev->status || dev->resetting)
		return;
	if (!vmsg_device_config_event(dev, offset, len, form))
		dev->config_pending = true;
}

/**
 * vmsg_device_needs_reset() - the device cannot go on
 * @dev: the device; its queues stand still until the driver resets it
 */
void vmsg_device_needs_reset(struct vmsg_device *dev)
{
	if (!dev->status || dev->status & VIRTIO_CONFIG_S_NEEDS_RESET)
		return;
	dev->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	if (dev->status & VIRTIO_CONFIG_S_DRIVER_OK &&
	    !vmsg_device_config_event(dev, 0, 0, VMSG_CONFIG_GENERIC))
		dev->config_pending = true;
}

/**
 * vmsg_device_send_pending() - send what had to wait for room
 * @dev: the device
 */
void vmsg_device_send_pending(struct vmsg_device *dev)
{
	uint32_t i;

	/* The end is not announced while the model still touches memory. */
	if (dev->announce_pending && !(dev->leaving && dev->resetting))
		vmsg_device_announce(dev);
	/* Several may have been merged, so it is the form that says least. */
	if (dev->config_pending)
		dev->config_pending =
			!vmsg_device_config_event(dev, 0, 0,
						  VMSG_CONFIG_GENERIC);
	for (i = 0; i < dev->num_vqs; i++)
		vmsg_vq_send_pending(&dev->vqs[i]);
}

/**
 * vmsg_device_reset_done() - the model has forgotten all buffers
 * @dev: the device for which reset() has returned VMSG_LATER
 */
void vmsg_device_reset_done(struct vmsg_device *dev)
{
	uint32_t i;

	if (!dev->resetting)
		return;
	for (i = 0; i < dev->num_vqs; i++) {
		vmsg_vq_reset_done(&dev->vqs[i]);
		vmsg_vq_clear(&dev->vqs[i]);
	}
	dev->features[0] = 0;
	dev->features[1] = 0;
	dev->alien_features = false;
	dev->config_pending = false;
	dev->status = 0;
	dev->resetting = false;
	vmsg_device_send_pending(dev);
	vmsg_bus_settle(dev->bus);
}

/**
 * vmsg_device_reset() - return to the initial state, now or a little later
 * @dev: the device
 */
void vmsg_device_reset(struct vmsg_device *dev)
{
	uint32_t i;
	int ret = 0;

	if (dev->resetting)
		return;
	dev->resetting = true;
	for (i = 0; i < dev->num_vqs; i++)
		vmsg_vq_stop(&dev->vqs[i]);
	if (dev->ops->reset)
		ret = dev->ops->reset(dev);
	if (ret != VMSG_LATER)
		vmsg_device_reset_done(dev);
}

/**
 * vmsg_device_leave() - tell the driver side that a device goes away
 * @dev: the device
 *
 * The driver side may use the memory for something else as soon as it knows, so
 * the device is reset before it is told. Requests are answered until
 * vmsg_device_free(), which is to wait for vmsg_device_left().
 */
void vmsg_device_leave(struct vmsg_device *dev)
{
	if (dev->leaving)
		return;
	dev->leaving = true;
	dev->announce_pending = true;
	vmsg_device_reset(dev);
	vmsg_device_send_pending(dev);
}

static bool vmsg_device_features_ok(struct vmsg_device *dev)
{
	const uint64_t need = VMSG_BIT(VMSG_F_VERSION_1) |
			      VMSG_BIT(VMSG_F_ACCESS_PLATFORM);

	if (dev->alien_features || dev->features[0] & ~dev->offered[0] ||
	    dev->features[1] & ~dev->offered[1])
		return false;
	if ((dev->features[0] & need) != need)
		return false;
	return !dev->ops->features_ok ||
	       dev->ops->features_ok(dev, dev->features) >= 0;
}

static void vmsg_device_start(struct vmsg_device *dev)
{
	struct vmsg_vq *vq;
	uint32_t i;

	for (i = 0; i < dev->num_vqs; i++) {
		vq = &dev->vqs[i];
		if (dev->bus->params.legacy_enable && !vq->enabled &&
		    !vq->resetting &&
		    !vmsg_vq_check(vq, vq->size, vq->addr, true))
			vmsg_vq_enable(vq);
		vmsg_vq_kick(vq);
	}
}

static void vmsg_device_set_status(struct vmsg_device *dev, uint32_t status)
{
	uint8_t added;

	if (!status) {
		vmsg_device_reset(dev);
		return;
	}
	if (dev->resetting || dev->leaving)
		return;
	added = status & VMSG_STATUS_DRIVER & ~dev->status;
	if (added & VIRTIO_CONFIG_S_FEATURES_OK &&
	    !vmsg_device_features_ok(dev))
		added &= ~VIRTIO_CONFIG_S_FEATURES_OK;
	dev->status |= added;
	if (added & VIRTIO_CONFIG_S_DRIVER_OK &&
	    !(dev->status & VIRTIO_CONFIG_S_FEATURES_OK)) {
		added &= ~VIRTIO_CONFIG_S_DRIVER_OK;
		dev->status &= ~VIRTIO_CONFIG_S_DRIVER_OK;
	}
	if (added && dev->ops->status)
		dev->ops->status(dev, dev->status);
	if (added & VIRTIO_CONFIG_S_DRIVER_OK)
		vmsg_device_start(dev);
}

static void vmsg_device_get_info(struct vmsg_device *dev, struct vmsg_msg *msg)
{
	uint32_t blocks = VMSG_NUM_BLOCKS;

	while (!(dev->offered[(blocks - 1) / 2] >> (blocks - 1) % 2 * 32 &
		 UINT32_MAX))
		blocks--;
	msg->info.device_id = dev->device_id;
	msg->info.vendor_id = dev->vendor_id;
	memcpy(msg->info.uuid, dev->uuid, sizeof(msg->info.uuid));
	msg->info.num_feature_blocks = blocks;
	msg->info.config_size = dev->config_size;
	msg->info.max_virtqueues = dev->num_vqs;
}

/* False when the answer would be too large. */
static bool vmsg_device_get_features(struct vmsg_device *dev,
				     struct vmsg_msg *msg)
{
	struct vmsg_bus *bus = dev->bus;
	size_t room = vmsg_wire_data_room(bus->dialect,
					  VIRTIO_MSG_TYPE_RESPONSE, msg->id,
					  bus->max_msg_size);
	uint64_t block;
	uint32_t i;

	if (!msg->features.count ||
	    msg->features.count > room / sizeof(uint32_t))
		return false;
	for (i = 0; i < msg->features.count; i++) {
		block = (uint64_t)msg->features.index + i;
		vmsg_wire_put_block(bus->data, i, block < VMSG_NUM_BLOCKS ?
				    dev->offered[block / 2] >> block % 2 * 32 :
				    0);
	}
	msg->data = bus->data;
	msg->data_len = msg->features.count * sizeof(uint32_t);
	return true;
}

static bool vmsg_device_set_features(struct vmsg_device *dev,
				     struct vmsg_msg *msg)
{
	unsigned int shift;
	uint64_t block;
	uint32_t i, bits;

	if (!msg->features.count)
		return false;
	/* Too late after FEATURES_OK. */
	if (dev->resetting || dev->status & VIRTIO_CONFIG_S_FEATURES_OK)
		return true;
	for (i = 0; i < msg->features.count; i++) {
		block = (uint64_t)msg->features.index + i;
		bits = vmsg_wire_block(msg, i);
		if (block >= VMSG_NUM_BLOCKS) {
			dev->alien_features |= bits;
			continue;
		}
		shift = block % 2 * 32;
		dev->features[block / 2] &= ~((uint64_t)UINT32_MAX << shift);
		dev->features[block / 2] |= (uint64_t)bits << shift;
	}
	return true;
}

static bool vmsg_device_in_config(const struct vmsg_device *dev,
				  const struct vmsg_msg *msg)
{
	return msg->config.offset <= dev->config_size &&
	       msg->config.length <= dev->config_size - msg->config.offset;
}

/* False when the answer would be too large. */
static bool vmsg_device_get_config(struct vmsg_device *dev,
				   struct vmsg_msg *msg)
{
	struct vmsg_bus *bus = dev->bus;

	if (msg->config.length >
	    vmsg_wire_data_room(bus->dialect, VIRTIO_MSG_TYPE_RESPONSE, msg->id,
				bus->max_msg_size))
		return false;
	if (!vmsg_device_in_config(dev, msg))
		msg->config.length = 0;
	if (msg->config.length)
		dev->ops->config_read(dev, msg->config.offset, bus->data,
				      msg->config.length);
	msg->config.generation = dev->generation;
	msg->data = bus->data;
	msg->data_len = msg->config.length;
	return true;
}

static void vmsg_device_set_config(struct vmsg_device *dev,
				   struct vmsg_msg *msg)
{
	bool stale = vmsg_bus_strict(dev->bus) &&
		     msg->config.generation != dev->generation;

	if (stale || !vmsg_device_in_config(dev, msg) || dev->resetting) {
		msg->config.length = 0;
	} else if (msg->config.length) {
		if (dev->ops->config_write &&
		    dev->ops->config_write(dev, msg->config.offset, msg->data,
					   msg->config.length) >= 0)
			dev->generation++;
		else
			msg->config.length = 0;
	}
	msg->config.generation = dev->generation;
	msg->data_len = 0;
}

static void vmsg_device_get_vqueue(struct vmsg_device *dev,
				   struct vmsg_msg *msg)
{
	struct vmsg_vq *vq = vmsg_device_vq(dev, msg->vqueue.index);

	if (!vq)
		return;
	msg->vqueue.max_size = vq->max_size;
	msg->vqueue.size = vq->size;
	/* There the largest size is the one of a queue that has none yet. */
	if (dev->bus->params.rfc && !vq->size)
		msg->vqueue.size = vq->max_size;
	msg->vqueue.flags = vq->enabled ? VIRTIO_MSG_VQUEUE_ENABLED : 0;
	msg->vqueue.desc = vq->addr[VMSG_AREA_DESC];
	msg->vqueue.driver = vq->addr[VMSG_AREA_DRIVER];
	msg->vqueue.device = vq->addr[VMSG_AREA_DEVICE];
}

/* Applied completely or not at all; the driver asks GET_VQUEUE which. */
static void vmsg_device_set_vqueue(struct vmsg_device *dev,
				   const struct vmsg_msg *msg)
{
	struct vmsg_vq *vq = vmsg_device_vq(dev, msg->vqueue.index);
	uint32_t flags = msg->vqueue.flags;
	uint32_t op = flags & VIRTIO_MSG_VQUEUE_OP_MASK;
	uint64_t addr[VMSG_NUM_AREAS];
	uint32_t size;

	if (!vq || vq->resetting || dev->resetting ||
	    !(dev->status & VIRTIO_CONFIG_S_FEATURES_OK))
		return;
	if (msg->vqueue.reserved || flags & ~VIRTIO_MSG_VQUEUE_FLAGS ||
	    op == VIRTIO_MSG_VQUEUE_OP_MASK)
		return;
	/* Nothing about an enabled queue can be changed. */
	if (vq->enabled)
		return;

	size = vq->size;
	memcpy(addr, vq->addr, sizeof(addr));
	if (!(flags & VIRTIO_MSG_VQUEUE_IGN_SIZE)) {
		size = msg->vqueue.size;
		if (!size)
			return;
	}
	if (!(flags & VIRTIO_MSG_VQUEUE_IGN_DESC)) {
		addr[VMSG_AREA_DESC] = msg->vqueue.desc;
		if (!addr[VMSG_AREA_DESC])
			return;
	}
	if (!(flags & VIRTIO_MSG_VQUEUE_IGN_DRIVER)) {
		addr[VMSG_AREA_DRIVER] = msg->vqueue.driver;
		if (!addr[VMSG_AREA_DRIVER])
			return;
	}
	if (!(flags & VIRTIO_MSG_VQUEUE_IGN_DEVICE)) {
		addr[VMSG_AREA_DEVICE] = msg->vqueue.device;
		if (!addr[VMSG_AREA_DEVICE])
			return;
	}
	if (vmsg_vq_check(vq, size, addr, op == VIRTIO_MSG_VQUEUE_OP_ENABLE))
		return;
	vq->size = size;
	memcpy(vq->addr, addr, sizeof(addr));
	if (op == VIRTIO_MSG_VQUEUE_OP_ENABLE)
		vmsg_vq_enable(vq);
}

/* False when the answer comes later. */
static bool vmsg_device_reset_vqueue(struct vmsg_device *dev,
				     const struct vmsg_msg *msg)
{
	struct vmsg_vq *vq = vmsg_device_vq(dev, msg->vqueue.index);
	int ret = 0;

	if (!vq || !(dev->status & VIRTIO_CONFIG_S_FEATURES_OK) ||
	    !vmsg_device_has_feature(dev, VMSG_F_RING_RESET))
		return true;
	vq->reset_token = msg->token;
	if (vq->resetting) {
		/* Whoever asks again has given up on the first answer. */
		vmsg_bus_drop(dev->bus, VMSG_DROP_STATE);
		return false;
	}
	vq->resetting = true;
	/* All of the device will be quiet in a moment, and then this as well. */
	if (dev->resetting)
		return false;
	vmsg_vq_stop(vq);
	if (dev->ops->queue_reset)
		ret = dev->ops->queue_reset(dev, vq);
	/* The model may have said that it is done before it returned. */
	if (ret == VMSG_LATER)
		return false;
	vq->resetting = false;
	vmsg_vq_clear(vq);
	return true;
}

static void vmsg_device_event_avail(struct vmsg_device *dev,
				    const struct vmsg_msg *msg)
{
	struct vmsg_vq *vq = vmsg_device_vq(dev, msg->vqueue.index);

	if (!vq || !vq->enabled || !vmsg_device_running(dev)) {
		vmsg_bus_drop(dev->bus, VMSG_DROP_STATE);
		return;
	}
	vq->num_kicks++;
	vmsg_vq_kick(vq);
}

/**
 * vmsg_device_handle() - handle a transport message of the driver
 * @dev: the device that it names
 * @msg: the message; becomes the answer
 */
void vmsg_device_handle(struct vmsg_device *dev, struct vmsg_msg *msg)
{
	bool good = true;

	switch (msg->id) {
	case VIRTIO_MSG_GET_DEVICE_INFO:
		vmsg_device_get_info(dev, msg);
		break;
	case VIRTIO_MSG_GET_DEVICE_FEATURES:
		good = vmsg_device_get_features(dev, msg);
		break;
	case VIRTIO_MSG_SET_DRIVER_FEATURES:
		good = vmsg_device_set_features(dev, msg);
		msg->data_len = 0;
		break;
	case VIRTIO_MSG_GET_CONFIG:
		good = vmsg_device_get_config(dev, msg);
		break;
	case VIRTIO_MSG_SET_CONFIG:
		vmsg_device_set_config(dev, msg);
		break;
	case VIRTIO_MSG_SET_DEVICE_STATUS:
		vmsg_device_set_status(dev, msg->status);
		msg->status = vmsg_device_status(dev);
		break;
	case VIRTIO_MSG_GET_DEVICE_STATUS:
		msg->status = vmsg_device_status(dev);
		break;
	case VIRTIO_MSG_GET_VQUEUE:
		vmsg_device_get_vqueue(dev, msg);
		break;
	case VIRTIO_MSG_SET_VQUEUE:
		vmsg_device_set_vqueue(dev, msg);
		break;
	case VIRTIO_MSG_RESET_VQUEUE:
		if (!vmsg_device_reset_vqueue(dev, msg))
			return;
		break;
	case VIRTIO_MSG_GET_SHM:
		/* There are none: length 0 says so. */
		break;
	case VIRTIO_MSG_EVENT_AVAIL:
		vmsg_device_event_avail(dev, msg);
		return;
	default:
		/* EVENT_CONFIG and EVENT_USED are for us to send. */
		vmsg_bus_drop(dev->bus, VMSG_DROP_DIRECTION);
		return;
	}
	if (good)
		vmsg_bus_respond(dev->bus, msg);
	else
		vmsg_bus_drop(dev->bus, VMSG_DROP_MALFORMED);
}
