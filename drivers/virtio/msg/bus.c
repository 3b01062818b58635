// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-msg: a bus instance. Who is waiting for what, and which devices exist.
 *
 * Requests: vmsg_bus_request() takes a place in a small table, whose number and
 * a round counter make the token. The response is copied into the buffer of the
 * waiter and the waiter woken, both under req_lock; a waiter that gives up
 * leaves the table under the same lock. So an answer that is late, or comes
 * twice, finds nobody, and for the next 1022 uses of the place not even its
 * number. This is the only file that waits for the device side.
 *
 * Kicks: vmsg_bus_kick() hands a notification to the bus driver or, when the
 * carrier has no room, leaves a mark in the queue. kick_lock is held around the
 * bus driver's kick() while there are marks, so room that becomes free in
 * between is noticed by the call of virtio_msg_bus_tx_room() that follows it.
 *
 * Devices: which ones there are is the business of hotplug.c. Events find them
 * here, and what concerns all of them starts here.
 *
 * Whatever a peer sends that is not right is counted in statistics and dropped.
 */
#include <kunit/visibility.h>
#include <linux/bitmap.h>
#include <linux/idr.h>
#include <linux/module.h>
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/wait_bit.h>

#include "internal.h"
#include "trace.h"

/* Token: place in the table below, round above; the round is never 0. */
#define VMSG_TOKEN_SHIFT	ilog2(VMSG_REQUESTS)
#define VMSG_ROUND_MAX		(U16_MAX >> VMSG_TOKEN_SHIFT)

static DEFINE_IDA(vmsg_bus_ida);
/* Buses whose memory is not free yet; the module waits for them. */
static atomic_t vmsg_buses = ATOMIC_INIT(0);

/**
 * struct vmsg_request - somebody who waits for a response
 * @done: completed under req_lock, once
 * @msg: the request, then the response
 * @rx: where the response frame is copied to
 * @room: bytes at @rx
 * @result: outcome, valid when @done is completed
 * @token: of this request
 * @type: of the request
 * @id: of the request
 * @dev_num: of the request
 */
struct vmsg_request {
	struct completion done;
	struct vmsg_msg *msg;
	u8 *rx;
	size_t room;
	int result;
	u16 token;
	u8 type;
	u8 id;
	u16 dev_num;
};

/*
 * Requests
 */

static bool vmsg_bus_take_place(struct virtio_msg_bus *bus,
				struct vmsg_request *req)
{
	unsigned int i, n;

	guard(spinlock_irqsave)(&bus->req_lock);
	for (i = 0; i < VMSG_REQUESTS; i++) {
		n = (bus->req_next + i) % VMSG_REQUESTS;
		if (bus->reqs[n])
			continue;
		if (++bus->req_round[n] > VMSG_ROUND_MAX)
			bus->req_round[n] = 1;
		req->token = bus->req_round[n] << VMSG_TOKEN_SHIFT | n;
		bus->reqs[n] = req;
		bus->req_next = n + 1;
		return true;
	}
	return false;
}

/* Ends @req unless it has ended before. Caller holds req_lock. */
static void vmsg_bus_end(struct virtio_msg_bus *bus, struct vmsg_request *req,
			 int result)
{
	unsigned int n = req->token % VMSG_REQUESTS;

	lockdep_assert_held(&bus->req_lock);
	if (bus->reqs[n] != req)
		return;
	bus->reqs[n] = NULL;
	req->result = result;
	complete(&req->done);
	if (wq_has_sleeper(&bus->req_room))
		wake_up(&bus->req_room);
}

static void vmsg_bus_end_locked(struct virtio_msg_bus *bus,
				struct vmsg_request *req, int result)
{
	guard(spinlock_irqsave)(&bus->req_lock);
	vmsg_bus_end(bus, req, result);
}

static int vmsg_bus_send(struct virtio_msg_bus *bus, const struct vmsg_msg *msg,
			 const void *frame, size_t size)
{
	trace_vmsg_tx(bus, msg, size);
	return bus->info.ops->send(bus, frame, size);
}

/**
 * vmsg_bus_request() - ask the device side, and wait for its answer
 * @bus: the bus
 * @vd: the device that asks, NULL for bus messages
 * @msg: the request; on success the response, whose data lies in @frames
 * @frames: room for two frames of @frame_max bytes
 * @frame_max: bytes of the largest frame expected
 *
 * A signal does not end the wait: half a configuration helps nobody, and the
 * wait is bounded by the bus's timeout for a place in the table and once more
 * for the answer.
 *
 * Context: Process context, sleeps. Takes req_lock.
 * Return: 0, -ETIMEDOUT without an answer, -ENODEV when the bus or the device
 * went away, -EMSGSIZE for a request that is too large, or what the bus driver's
 * send() said.
 */
int vmsg_bus_request(struct virtio_msg_bus *bus, struct vmsg_dev *vd,
		     struct vmsg_msg *msg, u8 *frames, size_t frame_max)
{
	unsigned long timeout = msecs_to_jiffies(bus->info.timeout_ms);
	/* Clearing all of it first is a noticeable part of a short request. */
	struct vmsg_request req __uninitialized;
	int size, err;

	init_completion(&req.done);
	req.msg = msg;
	req.rx = frames + frame_max;
	req.room = frame_max;
	req.result = 0;
	req.token = 0;
	req.type = msg->type;
	req.id = msg->id;
	req.dev_num = msg->dev_num;
	if (!wait_event_timeout(bus->req_room,
				READ_ONCE(bus->dead) ||
				vmsg_bus_take_place(bus, &req), timeout))
		return -ETIMEDOUT;
	/* The condition may have been met by the death alone. */
	if (!req.token)
		return -ENODEV;

	msg->token = req.token;
	size = vmsg_wire_encode(bus->dialect, msg, frames, frame_max);
	if (size < 0) {
		vmsg_bus_end_locked(bus, &req, size);
		return size;
	}

	vmsg_bus_count(bus, VMSG_STAT_REQUESTS);
	/* Pairs with those who call vmsg_bus_abort(): one of the two sees it. */
	smp_mb();
	if (READ_ONCE(bus->dead) ||
	    (vd && READ_ONCE(vd->state) == VMSG_DEV_GONE))
		err = -ENODEV;
	else
		err = vmsg_bus_send(bus, msg, frames, size);
	if (err)
		vmsg_bus_end_locked(bus, &req, err);
	if (!wait_for_completion_timeout(&req.done, timeout)) {
		vmsg_bus_end_locked(bus, &req, -ETIMEDOUT);
		if (req.result == -ETIMEDOUT) {
			vmsg_bus_count(bus, VMSG_STAT_TIMEOUTS);
			trace_vmsg_timeout(bus, msg, size);
		}
	}
	return req.result;
}
EXPORT_SYMBOL_IF_KUNIT(vmsg_bus_request);

/**
 * vmsg_bus_abort() - end the requests of a device, or all of them
 * @bus: the bus
 * @dev_num: device number, or -1 for all
 *
 * The waiters get -ENODEV. Who calls it has written before why nobody is to ask
 * any more.
 *
 * Context: Any. Takes req_lock.
 */
void vmsg_bus_abort(struct virtio_msg_bus *bus, int dev_num)
{
	struct vmsg_request *req;
	unsigned int n;

	/* Pairs with vmsg_bus_request(). */
	smp_mb();
	guard(spinlock_irqsave)(&bus->req_lock);
	for (n = 0; n < VMSG_REQUESTS; n++) {
		req = bus->reqs[n];
		if (!req)
			continue;
		if (dev_num < 0 || (!(req->type & VIRTIO_MSG_TYPE_BUS) &&
				    req->dev_num == dev_num))
			vmsg_bus_end(bus, req, -ENODEV);
	}
}
EXPORT_SYMBOL_IF_KUNIT(vmsg_bus_abort);

/**
 * vmsg_bus_set_dialect() - the peer speaks this dialect, if nobody knew before
 * @bus: the bus, which has no devices yet
 * @dialect: not VMSG_DIALECT_UNKNOWN
 *
 * Context: Any. Caller holds req_lock.
 */
void vmsg_bus_set_dialect(struct virtio_msg_bus *bus, enum vmsg_dialect dialect)
{
	lockdep_assert_held(&bus->req_lock);
	if (bus->dialect != VMSG_DIALECT_UNKNOWN)
		return;
	bus->dialect = dialect;
	bus->info.revision = VIRTIO_MSG_REVISION_1;
	if (dialect != VMSG_DIALECT_RFC)
		return;
	bus->frame_max = min_t(size_t, bus->frame_max, VMSG_RFC_MAX_SIZE);
	/* That dialect knows no other profile. */
	bus->info.features |= BIT_ULL(VIRTIO_MSG_F_STRICT_CONFIG_GENERATION);
}

static bool vmsg_bus_matches(const struct vmsg_request *req,
			     const struct vmsg_msg *hdr)
{
	return req && req->id == hdr->id && req->dev_num == hdr->dev_num &&
	       (req->type | VIRTIO_MSG_TYPE_RESPONSE) == hdr->type;
}

/* Finds who waits for a response. Caller holds req_lock. */
static struct vmsg_request *vmsg_bus_find_request(struct virtio_msg_bus *bus,
						  const struct vmsg_msg *hdr)
{
	unsigned int n = array_index_nospec(hdr->token % VMSG_REQUESTS,
					    VMSG_REQUESTS);
	struct vmsg_request *req = bus->reqs[n];

	if (vmsg_bus_matches(req, hdr) && req->token == hdr->token)
		return req;
	if (hdr->token || !(hdr->type & VIRTIO_MSG_TYPE_BUS) ||
	    bus->dialect == VMSG_DIALECT_1)
		return NULL;
	/* The older dialect loses the token; there is one at a time. */
	for (n = 0; n < VMSG_REQUESTS; n++) {
		if (vmsg_bus_matches(bus->reqs[n], hdr))
			return bus->reqs[n];
	}
	return NULL;
}

static int vmsg_bus_take_answer(struct virtio_msg_bus *bus, const void *frame,
				size_t size, const struct vmsg_msg *hdr)
{
	enum vmsg_dialect dialect = bus->dialect;
	struct vmsg_request *req;
	int err;

	guard(spinlock_irqsave)(&bus->req_lock);
	req = vmsg_bus_find_request(bus, hdr);
	if (!req)
		return -ENOENT;
	if (size > req->room)
		return -EMSGSIZE;
	if (dialect == VMSG_DIALECT_UNKNOWN)
		dialect = hdr->token ? VMSG_DIALECT_1 : VMSG_DIALECT_RFC;
	/* A malformed answer leaves the waiter waiting for the right one. */
	memcpy(req->rx, frame, size);
	err = vmsg_wire_decode(dialect, req->rx, size, req->room, req->msg);
	if (err < 0)
		return err;
	vmsg_bus_set_dialect(bus, dialect);
	vmsg_bus_count(bus, VMSG_STAT_RESPONSES);
	vmsg_bus_end(bus, req, 0);
	return 0;
}

static int vmsg_bus_answer(struct virtio_msg_bus *bus, const void *frame,
			   size_t size, const struct vmsg_msg *hdr)
{
	int err = vmsg_bus_take_answer(bus, frame, size, hdr);

	if (err == -ENOENT)
		vmsg_bus_drop(bus, VMSG_STAT_UNEXPECTED, hdr,
			      "nobody waits for this response, perhaps not any more");
	else if (err)
		vmsg_bus_drop(bus, VMSG_STAT_MALFORMED, hdr,
			      "too long, or shorter than its fields say");
	return err;
}

/*
 * Kicks
 */

static int vmsg_bus_send_kick(struct virtio_msg_bus *bus,
			      const struct vmsg_kick *kick, u32 next_offset)
{
	struct vmsg_msg msg = {
		.id = VIRTIO_MSG_EVENT_AVAIL,
		.dev_num = kick->dev_num,
		.vqueue.index = kick->index,
		.vqueue.next_offset = next_offset,
	};
	u8 frame[VIRTIO_MSG_KICK_SIZE] __aligned(8);
	int err;

	vmsg_wire_encode(bus->dialect, &msg, frame, sizeof(frame));
	err = bus->info.ops->kick(bus, kick->dev_num, kick->index, frame);
	trace_vmsg_kick(bus, kick, next_offset, err);
	if (!err)
		vmsg_bus_count(bus, VMSG_STAT_KICKS);
	return err;
}

/* Sends what marks there is room for. Caller holds kick_lock. */
static void vmsg_bus_drain_kicks(struct virtio_msg_bus *bus)
{
	struct vmsg_kick *kick, *next;

	list_for_each_entry_safe(kick, next, &bus->kicks, node) {
		if (vmsg_bus_send_kick(bus, kick, kick->next_offset))
			break;
		list_del_init(&kick->node);
	}
}

/**
 * vmsg_bus_kick() - notify the device side, now or as soon as there is room
 * @bus: the bus
 * @kick: the queue's mark
 * @next_offset: for EVENT_AVAIL
 *
 * Context: Any. Takes kick_lock when there is no room.
 */
void vmsg_bus_kick(struct virtio_msg_bus *bus, struct vmsg_kick *kick,
		   u32 next_offset)
{
	if (READ_ONCE(bus->dead))
		return;
	if (list_empty_careful(&bus->kicks) &&
	    !vmsg_bus_send_kick(bus, kick, next_offset))
		return;

	guard(spinlock_irqsave)(&bus->kick_lock);
	kick->next_offset = next_offset;
	if (list_empty(&kick->node))
		list_add_tail(&kick->node, &bus->kicks);
	else
		vmsg_bus_count(bus, VMSG_STAT_KICKS_MERGED);
	vmsg_bus_drain_kicks(bus);
}
EXPORT_SYMBOL_IF_KUNIT(vmsg_bus_kick);

/**
 * vmsg_bus_cancel_kick() - forget the mark of a queue that ends
 * @bus: the bus
 * @kick: the queue's mark
 *
 * Context: Any. Takes kick_lock.
 */
void vmsg_bus_cancel_kick(struct virtio_msg_bus *bus, struct vmsg_kick *kick)
{
	guard(spinlock_irqsave)(&bus->kick_lock);
	list_del_init(&kick->node);
}
EXPORT_SYMBOL_IF_KUNIT(vmsg_bus_cancel_kick);

/**
 * virtio_msg_bus_tx_room() - the carrier has room for kicks again
 * @bus: the bus
 *
 * To be called after every kick that was refused with -EAGAIN, once a kick
 * would be accepted; without such a kick it does no harm. The bus driver's
 * kick() is called from here, so none of its locks may be held.
 *
 * Context: Any.
 */
void virtio_msg_bus_tx_room(struct virtio_msg_bus *bus)
{
	guard(spinlock_irqsave)(&bus->kick_lock);
	vmsg_bus_drain_kicks(bus);
}
EXPORT_SYMBOL_GPL(virtio_msg_bus_tx_room);

/*
 * Receive
 */

static int vmsg_bus_bus_message(struct virtio_msg_bus *bus,
				const struct vmsg_msg *msg)
{
	int dev_num;

	if (msg->id == VIRTIO_MSG_BUS_EVENT_DEVICE) {
		dev_num = msg->event_device.dev_num;
		switch (msg->event_device.state) {
		case VIRTIO_MSG_DEVICE_ADDED:
			virtio_msg_bus_add_device(bus, dev_num);
			return 0;
		case VIRTIO_MSG_DEVICE_REMOVED:
			virtio_msg_bus_remove_device(bus, dev_num);
			return 0;
		}
	} else if (msg->id == VIRTIO_MSG_BUS_PING) {
		guard(spinlock_irqsave)(&bus->hot_lock);
		if (!bus->ping_wanted && !bus->leaving) {
			bus->ping = *msg;
			bus->ping_wanted = true;
			queue_work(bus->wq, &bus->ping_work);
			return 0;
		}
	}
	vmsg_bus_drop(bus, VMSG_STAT_UNEXPECTED, msg,
		      "not for the driver side, or not now");
	return -EBADMSG;
}

static int vmsg_bus_event(struct virtio_msg_bus *bus,
			  const struct vmsg_msg *msg)
{
	struct vmsg_dev *vd;
	int err = -ENODEV;

	if (msg->id == VIRTIO_MSG_EVENT_USED)
		trace_vmsg_used(bus, msg->dev_num, msg->vqueue.index);
	rcu_read_lock();
	vd = xa_load(&bus->devs, msg->dev_num);
	if (vd)
		err = vmsg_dev_event(vd, msg);
	rcu_read_unlock();
	if (err)
		vmsg_bus_drop(bus, VMSG_STAT_UNEXPECTED, msg,
			      err == -ENODEV ? "no such device" :
					       "no such queue");
	else
		vmsg_bus_count(bus, VMSG_STAT_EVENTS);
	return err;
}

/**
 * virtio_msg_bus_receive() - take one frame from the device side
 * @bus: the bus
 * @frame: the bytes, in memory that the device side cannot change any more
 * @len: bytes that there are; the frame may be shorter
 *
 * What is not right is counted and dropped. The result is for bus drivers that
 * can tell the sender; others ignore it.
 *
 * Driver callbacks run from here. A bus driver that calls it in process context
 * disables bottom halves around it, so that they run when it enables them.
 *
 * Context: Any, also hard interrupt. Takes req_lock.
 * Return: 0, -EMSGSIZE for a frame shorter than it must be or longer than the
 * bus allows, -EBADMSG for a message that does not exist or does not go this
 * way, -ENOENT for a response that nobody waits for, -ENODEV for an event of a
 * device that there is not, -EINVAL for an event of a queue that there is not.
 */
int virtio_msg_bus_receive(struct virtio_msg_bus *bus, const void *frame,
			   size_t len)
{
	/* Filled in by the functions of wire.c, as far as it is looked at. */
	struct vmsg_msg msg __uninitialized;
	int size;

	size = vmsg_wire_frame(frame, len, bus->info.max_msg_size, &msg);
	if (size < 0) {
		vmsg_bus_drop(bus, VMSG_STAT_MALFORMED, NULL,
			      "its size makes no sense");
		return size;
	}
	trace_vmsg_rx(bus, &msg, size);
	if (msg.type & VIRTIO_MSG_TYPE_RESPONSE)
		return vmsg_bus_answer(bus, frame, size, &msg);
	size = vmsg_wire_decode(bus->dialect, frame, size, size, &msg);
	if (size < 0) {
		vmsg_bus_drop(bus, VMSG_STAT_MALFORMED, &msg,
			      size == -EBADMSG ? "no such message" :
						 "shorter than its fields say");
		return size;
	}
	if (msg.type & VIRTIO_MSG_TYPE_BUS)
		return vmsg_bus_bus_message(bus, &msg);
	if (msg.id == VIRTIO_MSG_EVENT_CONFIG || msg.id == VIRTIO_MSG_EVENT_USED)
		return vmsg_bus_event(bus, &msg);
	vmsg_bus_drop(bus, VMSG_STAT_UNEXPECTED, &msg,
		      "not for the driver side");
	return -EBADMSG;
}
EXPORT_SYMBOL_GPL(virtio_msg_bus_receive);

/* Is frame @n an EVENT_USED that a later one says again? */
static bool vmsg_bus_repeated(struct virtio_msg_bus *bus, const u8 *frames,
			      size_t stride, unsigned int num, unsigned int n)
{
	const u8 *frame = frames + n * stride;
	struct vmsg_msg msg;
	int size;

	size = vmsg_wire_frame(frame, stride, bus->info.max_msg_size, &msg);
	if (size < 0 || msg.type || msg.id != VIRTIO_MSG_EVENT_USED)
		return false;
	while (++n < num) {
		if (!memcmp(frame, frames + n * stride, size))
			return true;
	}
	return false;
}

/**
 * virtio_msg_bus_receive_all() - take several frames from the device side
 * @bus: the bus
 * @frames: memory that the device side cannot change any more
 * @stride: bytes from one frame to the next
 * @num: how many frames
 *
 * As virtio_msg_bus_receive() for each, but the callback of a queue runs once
 * however many EVENT_USED there are for it.
 *
 * Context: Any, also hard interrupt; as virtio_msg_bus_receive().
 */
void virtio_msg_bus_receive_all(struct virtio_msg_bus *bus, const void *frames,
				size_t stride, unsigned int num)
{
	unsigned int n;

	for (n = 0; n < num; n++) {
		if (vmsg_bus_repeated(bus, frames, stride, num, n))
			vmsg_bus_count(bus, VMSG_STAT_EVENTS);
		else
			virtio_msg_bus_receive(bus, frames + n * stride, stride);
	}
}
EXPORT_SYMBOL_GPL(virtio_msg_bus_receive_all);

/**
 * virtio_msg_bus_used() - EVENT_USED by other means than a frame
 * @bus: the bus
 * @dev_num: device number
 * @index: queue index
 *
 * Context: Any, also hard interrupt; as virtio_msg_bus_receive().
 * Return: 0, -ENODEV or -EINVAL when there is no such device or queue.
 */
int virtio_msg_bus_used(struct virtio_msg_bus *bus, u16 dev_num, u32 index)
{
	struct vmsg_msg msg = {
		.id = VIRTIO_MSG_EVENT_USED,
		.dev_num = dev_num,
		.vqueue.index = index,
	};

	return vmsg_bus_event(bus, &msg);
}
EXPORT_SYMBOL_GPL(virtio_msg_bus_used);

static void vmsg_bus_ping_work(struct work_struct *work)
{
	struct virtio_msg_bus *bus =
		container_of(work, struct virtio_msg_bus, ping_work);
	u8 frame[sizeof(struct virtio_msg_hdr) +
		 sizeof(struct virtio_msg_ping)] __aligned(8);
	struct vmsg_msg msg;
	int size;

	scoped_guard(spinlock_irqsave, &bus->hot_lock) {
		msg = bus->ping;
		bus->ping_wanted = false;
	}
	msg.type |= VIRTIO_MSG_TYPE_RESPONSE;
	size = vmsg_wire_encode(bus->dialect, &msg, frame, sizeof(frame));
	if (size > 0 && !READ_ONCE(bus->dead))
		vmsg_bus_send(bus, &msg, frame, size);
}

/*
 * Devices
 */

/**
 * virtio_msg_bus_check_queue() - is there such a queue?
 * @bus: the bus
 * @dev_num: device number
 * @index: queue index
 *
 * Context: Any.
 * Return: 0, -ENODEV when there is no such device, -EINVAL when it has no such
 * queue.
 */
int virtio_msg_bus_check_queue(struct virtio_msg_bus *bus, u16 dev_num,
			       u32 index)
{
	struct vmsg_dev *vd;

	guard(rcu)();
	vd = xa_load(&bus->devs, dev_num);
	if (!vd)
		return -ENODEV;
	return index < READ_ONCE(vd->max_vqs) ? 0 : -EINVAL;
}
EXPORT_SYMBOL_GPL(virtio_msg_bus_check_queue);

/* Runs @fn for every device; the table may change meanwhile. */
static int vmsg_bus_for_each(struct virtio_msg_bus *bus,
			     int (*fn)(struct vmsg_dev *vd))
{
	struct vmsg_dev *vd;
	unsigned long n;
	bool more, got;
	int err = 0;

	for (n = 0; !err; n++) {
		rcu_read_lock();
		vd = xa_find(&bus->devs, &n, VMSG_DEVICES - 1, XA_PRESENT);
		more = vd;
		got = vd && kref_get_unless_zero(&vd->ref);
		rcu_read_unlock();
		if (!more)
			break;
		if (!got)
			continue;
		err = fn(vd);
		vmsg_dev_put(vd);
	}
	return err;
}

#ifdef CONFIG_PM_SLEEP
/**
 * virtio_msg_bus_freeze() - the device side is about to lose its state
 * @bus: the bus
 *
 * For a bus driver's suspend. Drivers stop and devices are reset; frames must
 * still travel. When it fails, all devices run as before.
 *
 * Context: Process context, sleeps.
 * Return: 0, or a negative errno of the driver that did not want to.
 */
int virtio_msg_bus_freeze(struct virtio_msg_bus *bus)
{
	int err = vmsg_bus_for_each(bus, vmsg_dev_freeze);

	if (err)
		vmsg_bus_for_each(bus, vmsg_dev_restore);
	return err;
}
EXPORT_SYMBOL_GPL(virtio_msg_bus_freeze);

/**
 * virtio_msg_bus_restore() - the device side is there again
 * @bus: the bus
 *
 * For a bus driver's resume, after frames travel again.
 *
 * Context: Process context, sleeps.
 * Return: 0, or a negative errno of the first device that did not come back.
 */
int virtio_msg_bus_restore(struct virtio_msg_bus *bus)
{
	return vmsg_bus_for_each(bus, vmsg_dev_restore);
}
EXPORT_SYMBOL_GPL(virtio_msg_bus_restore);
#endif

static int vmsg_bus_shutdown_one(struct vmsg_dev *vd)
{
	vmsg_dev_shutdown(vd);
	return 0;
}

/**
 * virtio_msg_bus_shutdown() - the system goes down
 * @bus: the bus
 *
 * For a bus driver's shutdown. Devices are reset, so that none of them writes
 * into the next kernel's memory.
 *
 * Context: Process context, sleeps.
 */
void virtio_msg_bus_shutdown(struct virtio_msg_bus *bus)
{
	vmsg_bus_for_each(bus, vmsg_bus_shutdown_one);
}
EXPORT_SYMBOL_GPL(virtio_msg_bus_shutdown);

/*
 * Life of a bus
 */

static void vmsg_bus_release(struct device *dev)
{
	struct virtio_msg_bus *bus =
		container_of(dev, struct virtio_msg_bus, dev);

	if (bus->num >= 0)
		ida_free(&vmsg_bus_ida, bus->num);
	xa_destroy(&bus->devs);
	bitmap_free(bus->added);
	bitmap_free(bus->removed);
	kfree(bus);
	if (atomic_dec_and_test(&vmsg_buses))
		wake_up_var(&vmsg_buses);
}

static struct class vmsg_bus_class = {
	.name = "virtio_msg",
	.dev_groups = vmsg_bus_groups,
	.dev_release = vmsg_bus_release,
};

static struct virtio_msg_bus *vmsg_bus_alloc(void)
{
	struct virtio_msg_bus *bus = kzalloc(sizeof(*bus), GFP_KERNEL);

	if (!bus)
		return NULL;
	atomic_inc(&vmsg_buses);
	device_initialize(&bus->dev);
	bus->dev.class = &vmsg_bus_class;
	bus->num = -1;
	spin_lock_init(&bus->req_lock);
	vmsg_report_init(bus);
	init_waitqueue_head(&bus->req_room);
	spin_lock_init(&bus->kick_lock);
	INIT_LIST_HEAD(&bus->kicks);
	xa_init(&bus->devs);
	init_waitqueue_head(&bus->dev_gone);
	vmsg_hot_init(bus);
	INIT_WORK(&bus->ping_work, vmsg_bus_ping_work);
	return bus;
}

/**
 * virtio_msg_bus_register() - make a bus instance
 * @info: what it is; copied, the strings and operations it points to are not
 *
 * The bus has no devices yet: see virtio_msg_bus_discover() and
 * virtio_msg_bus_add_device(). The pool must stay until
 * virtio_msg_bus_unregister() has returned.
 *
 * Context: Process context, sleeps.
 * Return: the bus, or an ERR_PTR(): -EINVAL for limits that the proposal does
 * not allow (Bus limits: revision, maximum message size), -ENOMEM.
 */
struct virtio_msg_bus *
virtio_msg_bus_register(const struct virtio_msg_bus_info *info)
{
	struct virtio_msg_bus *bus;
	int err;

	if ((info->revision != VIRTIO_MSG_REVISION_1 &&
	     info->revision != VIRTIO_MSG_REVISION_FIND) ||
	    info->max_msg_size < VIRTIO_MSG_MIN_SIZE ||
	    info->max_msg_size > VIRTIO_MSG_MAX_SIZE || !info->timeout_ms)
		return ERR_PTR(-EINVAL);

	bus = vmsg_bus_alloc();
	if (!bus)
		return ERR_PTR(-ENOMEM);
	bus->info = *info;
	bus->dialect = info->revision == VIRTIO_MSG_REVISION_1 ?
		       VMSG_DIALECT_1 : VMSG_DIALECT_UNKNOWN;
	bus->frame_max = min(info->max_msg_size, VMSG_FRAME_MAX);
	bus->dev.parent = info->parent;
	err = ida_alloc(&vmsg_bus_ida, GFP_KERNEL);
	if (err < 0)
		goto err_put;
	bus->num = err;
	err = dev_set_name(&bus->dev, "%s%d", info->name, bus->num);
	if (err)
		goto err_put;
	err = -ENOMEM;
	bus->added = bitmap_zalloc(VMSG_DEVICES, GFP_KERNEL);
	bus->removed = bitmap_zalloc(VMSG_DEVICES, GFP_KERNEL);
	bus->wq = alloc_workqueue("virtio_msg_%s%d", WQ_UNBOUND, 0, info->name,
				  bus->num);
	if (!bus->added || !bus->removed || !bus->wq)
		goto err_put;
	err = device_add(&bus->dev);
	if (err)
		goto err_put;
	return bus;

err_put:
	if (bus->wq)
		destroy_workqueue(bus->wq);
	put_device(&bus->dev);
	return ERR_PTR(err);
}
EXPORT_SYMBOL_GPL(virtio_msg_bus_register);

/**
 * virtio_msg_bus_dead() - the peer will not answer any more
 * @bus: the bus
 *
 * All who wait are told -ENODEV. In the background the bus driver's cut() runs,
 * then buffers fail and devices go.
 *
 * Context: Any.
 */
void virtio_msg_bus_dead(struct virtio_msg_bus *bus)
{
	scoped_guard(spinlock_irqsave, &bus->hot_lock) {
		if (bus->dead)
			return;
		WRITE_ONCE(bus->dead, true);
		bus->leaving = true;
		queue_work(bus->wq, &bus->hot_work);
	}
	vmsg_bus_abort(bus, -1);
	wake_up(&bus->req_room);
}
EXPORT_SYMBOL_GPL(virtio_msg_bus_dead);

static int vmsg_bus_remove_one(struct vmsg_dev *vd)
{
	vmsg_dev_remove(vd, true);
	return 0;
}

/**
 * virtio_msg_bus_unregister() - end a bus instance
 * @bus: the bus, not to be used any more
 *
 * Devices of a bus that is not dead are reset, so frames must still travel
 * both ways until this returns. It may die meanwhile.
 *
 * Context: Process context, sleeps; not from a function that the core called.
 */
void virtio_msg_bus_unregister(struct virtio_msg_bus *bus)
{
	scoped_guard(spinlock_irqsave, &bus->hot_lock)
		bus->leaving = true;
	flush_work(&bus->scan_work);
	flush_work(&bus->ping_work);
	flush_work(&bus->hot_work);
	if (!READ_ONCE(bus->dead))
		vmsg_bus_for_each(bus, vmsg_bus_remove_one);
	wait_event(bus->dev_gone, !atomic_read(&bus->num_devs));
	if (bus->info.ops->stop)
		bus->info.ops->stop(bus);

	/* With no devices left there is nothing to do about a death. */
	scoped_guard(spinlock_irqsave, &bus->hot_lock)
		WRITE_ONCE(bus->dead, true);
	flush_work(&bus->hot_work);
	vmsg_hot_drop_all(bus);
	device_del(&bus->dev);
	destroy_workqueue(bus->wq);
	put_device(&bus->dev);
}
EXPORT_SYMBOL_GPL(virtio_msg_bus_unregister);

/**
 * virtio_msg_bus_priv() - the bus driver's own data
 * @bus: the bus
 *
 * Context: Any.
 * Return: virtio_msg_bus_info.priv.
 */
void *virtio_msg_bus_priv(struct virtio_msg_bus *bus)
{
	return bus->info.priv;
}
EXPORT_SYMBOL_GPL(virtio_msg_bus_priv);

/**
 * virtio_msg_bus_num() - the number in the name of a bus instance
 * @bus: the bus
 *
 * Context: Any.
 * Return: number of the instance.
 */
int virtio_msg_bus_num(struct virtio_msg_bus *bus)
{
	return bus->num;
}
EXPORT_SYMBOL_GPL(virtio_msg_bus_num);

int __init vmsg_bus_init(void)
{
	return class_register(&vmsg_bus_class);
}

void vmsg_bus_exit(void)
{
	/* A reader of an old sysfs file may hold the last reference. */
	wait_var_event(&vmsg_buses, !atomic_read(&vmsg_buses));
	class_unregister(&vmsg_bus_class);
}
