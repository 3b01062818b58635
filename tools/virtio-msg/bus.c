// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * libvmsg: the device side of a bus instance.
 *
 * Takes frames from the link, hands them to the device that they name, and
 * answers bus messages itself. When the link has no room, nothing more is read
 * until it has: one answer is kept, and every event leaves a mark at its queue
 * or device, so that nothing is lost and nothing grows.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "internal.h"

/* Frames in a row before other descriptors get their turn. */
#define VMSG_BUS_BATCH	64

static void vmsg_bus_event(void *arg, uint32_t events);
static void vmsg_bus_more(void *arg);
static void vmsg_bus_flush(void *arg);

/**
 * vmsg_bus_new() - make a bus
 * @loop: the event loop that it lives in
 * @link: the carrier; from here on it belongs to the bus
 * @params: what its devices have in common; copied
 *
 * Return: the bus, or NULL with errno set and @link still belongs to the caller.
 */
struct vmsg_bus *vmsg_bus_new(struct vmsg_loop *loop, struct vmsg_link *link,
			      const struct vmsg_bus_params *params)
{
	struct vmsg_bus *bus = calloc(1, sizeof(*bus));
	int ret = -ENOMEM;

	if (!bus)
		return NULL;
	bus->loop = loop;
	bus->link = link;
	bus->params = *params;
	bus->params.features &= VMSG_RING_FEATURES;
	bus->params.features |= VMSG_BIT(VMSG_F_VERSION_1) |
				VMSG_BIT(VMSG_F_ACCESS_PLATFORM);
	bus->dialect = params->rfc ? VMSG_DIALECT_RFC : VMSG_DIALECT_1;
	bus->max_msg_size = link->max_msg_size;
	if (params->rfc && bus->max_msg_size > VMSG_RFC_MAX_SIZE)
		bus->max_msg_size = VMSG_RFC_MAX_SIZE;
	bus->rx = malloc(bus->max_msg_size);
	bus->tx = malloc(bus->max_msg_size);
	bus->data = malloc(bus->max_msg_size);
	if (!bus->rx || !bus->tx || !bus->data)
		goto err;
	bus->watch.fd = link->fd;
	bus->watch.fn = vmsg_bus_event;
	bus->watch.arg = bus;
	bus->more.fn = vmsg_bus_more;
	bus->more.arg = bus;
	bus->flush.fn = vmsg_bus_flush;
	bus->flush.arg = bus;
	ret = vmsg_loop_watch(loop, &bus->watch, EPOLLIN);
	if (ret)
		goto err;
	return bus;

err:
	free(bus->rx);
	free(bus->tx);
	free(bus->data);
	free(bus);
	errno = -ret;
	return NULL;
}

/**
 * vmsg_bus_free() - end a bus
 * @bus: the bus, or NULL; its devices and its link go with it
 */
void vmsg_bus_free(struct vmsg_bus *bus)
{
	struct vmsg_device *dev;
	unsigned int i;

	if (!bus)
		return;
	while ((dev = vmsg_bus_next(bus, 0)))
		vmsg_device_free(dev);
	for (i = 0; i < VMSG_NUM_PAGES; i++)
		free(bus->pages[i]);
	if (!bus->dead)
		vmsg_loop_unwatch(bus->loop, &bus->watch);
	vmsg_loop_cancel(bus->loop, &bus->more);
	vmsg_loop_cancel(bus->loop, &bus->flush);
	bus->link->ops->close(bus->link);
	free(bus->rx);
	free(bus->tx);
	free(bus->data);
	free(bus);
}

/**
 * vmsg_bus_link() - the carrier of a bus
 * @bus: the bus
 *
 * Return: the carrier.
 */
struct vmsg_link *vmsg_bus_link(struct vmsg_bus *bus)
{
	return bus->link;
}

/**
 * vmsg_bus_loop() - the event loop of a bus
 * @bus: the bus
 *
 * Return: the loop.
 */
struct vmsg_loop *vmsg_bus_loop(struct vmsg_bus *bus)
{
	return bus->loop;
}

/**
 * vmsg_bus_find() - find a device
 * @bus: the bus
 * @num: device number
 *
 * Return: the device, also if it is leaving, or NULL.
 */
struct vmsg_device *vmsg_bus_find(struct vmsg_bus *bus, uint32_t num)
{
	struct vmsg_device **page;

	if (num >= VMSG_MAX_DEVICES)
		return NULL;
	page = bus->pages[num / VMSG_PAGE_DEVICES];
	return page ? page[num % VMSG_PAGE_DEVICES] : NULL;
}

/**
 * vmsg_bus_next() - find the next device
 * @bus: the bus
 * @from: smallest device number to consider
 *
 * Return: the device, also if it is leaving, or NULL.
 */
struct vmsg_device *vmsg_bus_next(struct vmsg_bus *bus, uint32_t from)
{
	struct vmsg_device *dev;

	while (from < VMSG_MAX_DEVICES) {
		dev = vmsg_bus_find(bus, from);
		if (dev)
			return dev;
		if (bus->pages[from / VMSG_PAGE_DEVICES])
			from++;
		else
			from = (from / VMSG_PAGE_DEVICES + 1) *
			       VMSG_PAGE_DEVICES;
	}
	return NULL;
}

/**
 * vmsg_bus_insert() - give a device its number
 * @bus: the bus
 * @num: device number that is not in use
 * @dev: the device
 *
 * Return: 0, -ERANGE, -EBUSY or -ENOMEM.
 */
int vmsg_bus_insert(struct vmsg_bus *bus, uint32_t num, struct vmsg_device *dev)
{
	struct vmsg_device ***page;

	if (num >= VMSG_MAX_DEVICES)
		return -ERANGE;
	if (vmsg_bus_find(bus, num))
		return -EBUSY;
	page = &bus->pages[num / VMSG_PAGE_DEVICES];
	if (!*page) {
		*page = calloc(VMSG_PAGE_DEVICES, sizeof(**page));
		if (!*page)
			return -ENOMEM;
	}
	(*page)[num % VMSG_PAGE_DEVICES] = dev;
	return 0;
}

/**
 * vmsg_bus_erase() - take a number back
 * @bus: the bus
 * @num: device number that is in use
 */
void vmsg_bus_erase(struct vmsg_bus *bus, uint32_t num)
{
	bus->pages[num / VMSG_PAGE_DEVICES][num % VMSG_PAGE_DEVICES] = NULL;
	vmsg_bus_settle(bus);
}

/**
 * vmsg_bus_strict() - does the bus have VIRTIO_MSG_F_STRICT_CONFIG_GENERATION?
 * @bus: the bus
 *
 * Return: true in the strict profile, which the RFC has without a name, false in
 * the baseline profile.
 */
bool vmsg_bus_strict(const struct vmsg_bus *bus)
{
	return bus->params.rfc ||
	       bus->link->features &
	       VMSG_BIT(VIRTIO_MSG_F_STRICT_CONFIG_GENERATION);
}

/**
 * vmsg_bus_drop() - count a frame that is not answered
 * @bus: the bus
 * @why: the reason
 */
void vmsg_bus_drop(struct vmsg_bus *bus, enum vmsg_drop why)
{
	bus->num_drops[why]++;
}

static void vmsg_bus_end(struct vmsg_bus *bus, int error)
{
	if (bus->dead)
		return;
	bus->dead = true;
	vmsg_loop_unwatch(bus->loop, &bus->watch);
	if (bus->params.dead)
		bus->params.dead(bus->params.arg, error);
}

/* Wait for what the link can say to somebody in this state. */
static void vmsg_bus_rewatch(struct vmsg_bus *bus)
{
	uint32_t events = EPOLLIN;

	if (bus->settling)
		events = 0;
	else if (bus->blocked && !bus->link->retry)
		events = EPOLLOUT;
	vmsg_loop_rewatch(bus->loop, &bus->watch, events);
}

static void vmsg_bus_block(struct vmsg_bus *bus, bool blocked)
{
	if (bus->blocked == blocked)
		return;
	bus->blocked = blocked;
	vmsg_bus_rewatch(bus);
}

/* One for all that is sent until other work has been done. */
static void vmsg_bus_ring(struct vmsg_bus *bus)
{
	if (bus->link->ops->flush)
		vmsg_loop_defer(bus->loop, &bus->flush);
}

static int vmsg_bus_send(struct vmsg_bus *bus, const struct vmsg_msg *msg)
{
	struct vmsg_link *link = bus->link;
	int len, ret;

	len = vmsg_wire_encode(bus->dialect, msg, bus->tx, bus->max_msg_size);
	if (len < 0)
		return len;
	ret = link->ops->send(link, bus->tx, len);
	if (ret == -EAGAIN) {
		vmsg_bus_block(bus, true);
		return len;
	}
	if (ret) {
		vmsg_bus_end(bus, ret);
		return ret;
	}
	bus->num_tx[msg->type][msg->id]++;
	vmsg_bus_ring(bus);
	return 0;
}

/**
 * vmsg_bus_send_event() - send an event
 * @bus: the bus
 * @msg: the event
 *
 * Return: true if it is done with, false if it has to be sent again, which
 * vmsg_device_send_pending() is asked to do when there is room.
 */
bool vmsg_bus_send_event(struct vmsg_bus *bus, const struct vmsg_msg *msg)
{
	if (bus->dead)
		return true;
	if (bus->blocked)
		return false;
	return vmsg_bus_send(bus, msg) <= 0;
}

/**
 * vmsg_bus_respond() - answer a request
 * @bus: the bus
 * @msg: the answer, with device number and token of the request
 *
 * Return: true if it is done with, false if it has to be given again, which can
 * happen to late answers only.
 */
bool vmsg_bus_respond(struct vmsg_bus *bus, struct vmsg_msg *msg)
{
	int ret;

	if (bus->dead)
		return true;
	if (bus->blocked)
		return false;
	msg->type |= VIRTIO_MSG_TYPE_RESPONSE;
	if (bus->params.rfc && msg->type & VIRTIO_MSG_TYPE_BUS)
		msg->token = 0;
	ret = vmsg_bus_send(bus, msg);
	if (ret > 0) {
		bus->stalled = ret;
		bus->num_tx[msg->type][msg->id]++;
	}
	return true;
}

/* There is room again. */
static void vmsg_bus_unblock(struct vmsg_bus *bus)
{
	struct vmsg_link *link = bus->link;
	struct vmsg_device *dev;
	uint32_t num = 0;
	int ret;

	if (bus->stalled) {
		ret = link->ops->send(link, bus->tx, bus->stalled);
		if (ret == -EAGAIN)
			return;
		if (ret) {
			vmsg_bus_end(bus, ret);
			return;
		}
		bus->stalled = 0;
	}
	vmsg_bus_block(bus, false);
	while (!bus->blocked && !bus->dead &&
	       (dev = vmsg_bus_next(bus, num))) {
		num = dev->num + 1;
		vmsg_device_send_pending(dev);
	}
}

/* Smallest device number from @from on that the driver side may know, or 0. */
static uint32_t vmsg_bus_next_present(struct vmsg_bus *bus, uint32_t from)
{
	struct vmsg_device *dev;

	while ((dev = vmsg_bus_next(bus, from)) && dev->leaving)
		from = dev->num + 1;
	return dev ? dev->num : 0;
}

static void vmsg_bus_get_devices(struct vmsg_bus *bus, struct vmsg_msg *msg)
{
	uint32_t offset = msg->devices.offset;
	uint32_t count = msg->devices.count;
	size_t room = vmsg_wire_data_room(bus->dialect, VIRTIO_MSG_TYPE_BUS |
					  VIRTIO_MSG_TYPE_RESPONSE,
					  VIRTIO_MSG_BUS_GET_DEVICES,
					  bus->max_msg_size);
	struct vmsg_device *dev;
	uint32_t num = offset;

	if (count > room * 8)
		count = room * 8;
	if (count > VMSG_MAX_DEVICES - offset)
		count = VMSG_MAX_DEVICES - offset;
	msg->data = bus->data;
	msg->data_len = (count + 7) / 8;
	memset(bus->data, 0, msg->data_len);
	while ((dev = vmsg_bus_next(bus, num)) && dev->num < offset + count) {
		num = dev->num + 1;
		if (!dev->leaving)
			bus->data[(dev->num - offset) / 8] |=
				1u << (dev->num - offset) % 8;
	}
	msg->devices.count = count;
	msg->devices.next_offset =
		count ? vmsg_bus_next_present(bus, offset + count) : 0;
	vmsg_bus_respond(bus, msg);
}

static void vmsg_bus_handle(struct vmsg_bus *bus, struct vmsg_msg *msg)
{
	/* A bus message has none, whatever the request says. */
	msg->dev_num = 0;
	switch (msg->id) {
	case VIRTIO_MSG_BUS_GET_DEVICES:
		vmsg_bus_get_devices(bus, msg);
		break;
	case VIRTIO_MSG_BUS_PING:
		vmsg_bus_respond(bus, msg);
		break;
	default:
		/* EVENT_DEVICE is for us to send. */
		vmsg_bus_drop(bus, VMSG_DROP_DIRECTION);
	}
}

static void vmsg_bus_frame(struct vmsg_bus *bus, const void *frame, size_t len)
{
	struct vmsg_device *dev;
	struct vmsg_msg msg;
	int ret;

	ret = vmsg_wire_decode(bus->dialect, frame, len, bus->max_msg_size,
			       &msg);
	if (ret < 0) {
		vmsg_bus_drop(bus, ret == -EBADMSG ? VMSG_DROP_UNKNOWN :
						     VMSG_DROP_MALFORMED);
		return;
	}
	if (msg.type & VIRTIO_MSG_TYPE_RESPONSE) {
		vmsg_bus_drop(bus, VMSG_DROP_DIRECTION);
		return;
	}
	bus->num_rx[msg.type][msg.id]++;
	if (msg.type & VIRTIO_MSG_TYPE_BUS) {
		vmsg_bus_handle(bus, &msg);
		return;
	}
	dev = vmsg_bus_find(bus, msg.dev_num);
	if (dev) {
		vmsg_device_handle(dev, &msg);
	} else if (bus->params.rfc && msg.id == VIRTIO_MSG_GET_DEVICE_INFO) {
		/* There a device type of 0 says that there is none. */
		vmsg_bus_respond(bus, &msg);
	} else {
		vmsg_bus_drop(bus, VMSG_DROP_NO_DEVICE);
	}
}

/**
 * vmsg_bus_settle() - go on if all devices have forgotten a driver side
 * @bus: the bus; nothing happens unless its driver side has gone
 */
void vmsg_bus_settle(struct vmsg_bus *bus)
{
	struct vmsg_device *dev;
	uint32_t from;

	if (!bus->settling || bus->dead)
		return;
	for (from = 0; (dev = vmsg_bus_next(bus, from)); from = dev->num + 1) {
		if (dev->resetting)
			return;
	}
	bus->settling = false;
	vmsg_bus_rewatch(bus);
	vmsg_loop_defer(bus->loop, &bus->more);
}

/*
 * The driver side has gone, or begins anew. It may use the memory for something
 * else as soon as the link goes on, so no device may touch that any more.
 */
static void vmsg_bus_driver_gone(struct vmsg_bus *bus)
{
	struct vmsg_device *dev;
	uint32_t from;

	for (from = 0; (dev = vmsg_bus_next(bus, from)); from = dev->num + 1)
		vmsg_device_reset(dev);
	bus->settling = true;
	vmsg_bus_rewatch(bus);
	vmsg_bus_settle(bus);
}

/* Returns how many frames there were. */
static int vmsg_bus_receive(struct vmsg_bus *bus)
{
	struct vmsg_link *link = bus->link;
	ssize_t len;
	int i;

	for (i = 0; i < VMSG_BUS_BATCH && !bus->blocked && !bus->settling &&
	     !bus->dead; i++) {
		len = link->ops->receive(link, bus->rx, bus->max_msg_size);
		if (len == -EAGAIN)
			break;
		if (len >= 0)
			vmsg_bus_frame(bus, bus->rx, len);
		else if (len == -ECONNRESET)
			vmsg_bus_driver_gone(bus);
		else
			vmsg_bus_end(bus, len);
	}
	if (i == VMSG_BUS_BATCH)
		vmsg_loop_defer(bus->loop, &bus->more);
	/* Behind the queues that have been kicked meanwhile. */
	vmsg_bus_ring(bus);
	return i;
}

static void vmsg_bus_more(void *arg)
{
	vmsg_bus_receive(arg);
}

static void vmsg_bus_flush(void *arg)
{
	struct vmsg_bus *bus = arg;

	if (!bus->dead)
		bus->link->ops->flush(bus->link);
}

static void vmsg_bus_event(void *arg, uint32_t events)
{
	struct vmsg_bus *bus = arg;
	struct vmsg_link *link = bus->link;
	int num;

	if (link->ops->wake)
		link->ops->wake(link);
	if (bus->blocked && (link->retry || events & EPOLLOUT))
		vmsg_bus_unblock(bus);
	num = vmsg_bus_receive(bus);
	if (!num && !bus->dead && !(events & (EPOLLIN | EPOLLOUT)))
		vmsg_bus_end(bus, -EPIPE);
}

static const struct {
	uint8_t type;
	uint8_t id;
	const char *name;
} vmsg_bus_names[] = {
	{ 0, VIRTIO_MSG_GET_DEVICE_INFO, "GET_DEVICE_INFO" },
	{ 0, VIRTIO_MSG_GET_DEVICE_FEATURES, "GET_DEVICE_FEATURES" },
	{ 0, VIRTIO_MSG_SET_DRIVER_FEATURES, "SET_DRIVER_FEATURES" },
	{ 0, VIRTIO_MSG_GET_CONFIG, "GET_CONFIG" },
	{ 0, VIRTIO_MSG_SET_CONFIG, "SET_CONFIG" },
	{ 0, VIRTIO_MSG_GET_DEVICE_STATUS, "GET_DEVICE_STATUS" },
	{ 0, VIRTIO_MSG_SET_DEVICE_STATUS, "SET_DEVICE_STATUS" },
	{ 0, VIRTIO_MSG_GET_VQUEUE, "GET_VQUEUE" },
	{ 0, VIRTIO_MSG_SET_VQUEUE, "SET_VQUEUE" },
	{ 0, VIRTIO_MSG_RESET_VQUEUE, "RESET_VQUEUE" },
	{ 0, VIRTIO_MSG_GET_SHM, "GET_SHM" },
	{ 0, VIRTIO_MSG_EVENT_CONFIG, "EVENT_CONFIG" },
	{ 0, VIRTIO_MSG_EVENT_AVAIL, "EVENT_AVAIL" },
	{ 0, VIRTIO_MSG_EVENT_USED, "EVENT_USED" },
	{ VIRTIO_MSG_TYPE_BUS, VIRTIO_MSG_BUS_GET_DEVICES, "GET_DEVICES" },
	{ VIRTIO_MSG_TYPE_BUS, VIRTIO_MSG_BUS_PING, "PING" },
	{ VIRTIO_MSG_TYPE_BUS, VIRTIO_MSG_BUS_EVENT_DEVICE, "EVENT_DEVICE" },
};

static const char * const vmsg_bus_drop_names[] = {
	[VMSG_DROP_MALFORMED] = "malformed",
	[VMSG_DROP_UNKNOWN] = "unknown",
	[VMSG_DROP_DIRECTION] = "wrong-direction",
	[VMSG_DROP_NO_DEVICE] = "no-device",
	[VMSG_DROP_STATE] = "wrong-state",
};

/**
 * vmsg_bus_print_stats() - print what has gone through a bus
 * @bus: the bus
 * @file: where to
 *
 * One line each: a message with the number received and the number sent, then
 * the dropped frames by reason, then each queue.
 */
void vmsg_bus_print_stats(struct vmsg_bus *bus, FILE *file)
{
	const size_t num = ARRAY_SIZE(vmsg_bus_names);
	unsigned long long rx, tx;
	struct vmsg_device *dev;
	struct vmsg_vq *vq;
	uint8_t type, id;
	uint32_t j, from;
	size_t i;

	for (i = 0; i < num; i++) {
		type = vmsg_bus_names[i].type;
		id = vmsg_bus_names[i].id;
		rx = bus->num_rx[type][id];
		tx = bus->num_tx[type][id] +
		     bus->num_tx[type | VIRTIO_MSG_TYPE_RESPONSE][id];
		if (rx || tx)
			fprintf(file, "message %-20s received %llu sent %llu\n",
				vmsg_bus_names[i].name, rx, tx);
	}
	for (i = 0; i < VMSG_NUM_DROPS; i++) {
		if (bus->num_drops[i])
			fprintf(file, "dropped %-20s %llu\n",
				vmsg_bus_drop_names[i],
				(unsigned long long)bus->num_drops[i]);
	}
	for (from = 0; (dev = vmsg_bus_next(bus, from)); from = dev->num + 1) {
		for (j = 0; j < dev->num_vqs; j++) {
			vq = &dev->vqs[j];
			if (!vq->num_kicks && !vq->num_bufs)
				continue;
			fprintf(file, "device %u queue %u: buffers %llu ",
				dev->num, j, (unsigned long long)vq->num_bufs);
			fprintf(file, "kicks %llu used notifications %llu\n",
				(unsigned long long)vq->num_kicks,
				(unsigned long long)vq->num_used);
		}
	}
}
