// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * libvmsg: virtqueues, what split and packed rings have in common.
 *
 * A queue is set up by SET_VQUEUE (vmsg_vq_check(), vmsg_vq_enable()), worked
 * on when the driver has kicked it and the device is running, and stopped by a
 * reset. The model takes buffers with vmsg_vq_pop() and gives them back with
 * vmsg_vq_push().
 *
 * Kicks are asked for only while the model has found the ring empty: the pop
 * that finds nothing arms the kick and looks once more. A model that leaves
 * buffers in the ring on purpose is not called again until it has emptied it.
 * Before that the driver is told what it has got back: buffers that it adds
 * meanwhile need no kick.
 *
 * A ring that makes no sense is never touched again: the queue is broken, the
 * device needs a reset, and all other devices go on.
 */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <endian.h>
#include <linux/virtio_ring.h>

#include "internal.h"

/*
 * Pieces of one buffer. The standard's limit is the size of the queue; drivers
 * are known to exceed it with indirect descriptors.
 */
#define VMSG_MAX_SEGMENTS	1024u
/* Buffers in a row before other queues get their turn. */
#define VMSG_BUDGET		256u

static void vmsg_vq_run(void *arg);
static void vmsg_vq_kick_fd(void *arg, uint32_t events);

/**
 * vmsg_vq_init() - prepare a queue of a new device
 * @vq: the queue, all zero
 * @dev: its device
 * @index: its index
 * @max_size: its largest size
 */
void vmsg_vq_init(struct vmsg_vq *vq, struct vmsg_device *dev, uint32_t index,
		  uint32_t max_size)
{
	vq->dev = dev;
	vq->index = index;
	vq->max_size = max_size;
	vq->kick.fd = -1;
	vq->kick.fn = vmsg_vq_kick_fd;
	vq->kick.arg = vq;
	vq->used_fd = -1;
	vq->work.fn = vmsg_vq_run;
	vq->work.arg = vq;
}

/**
 * vmsg_vq_exit() - give back what a queue holds
 * @vq: the queue, stopped
 */
void vmsg_vq_exit(struct vmsg_vq *vq)
{
	struct vmsg_slot *slot;

	while ((slot = vq->all)) {
		vq->all = slot->all;
		free(slot->iov);
		free(slot);
	}
	if (vq->kick.fd >= 0)
		close(vq->kick.fd);
	if (vq->used_fd >= 0)
		close(vq->used_fd);
}

static bool vmsg_vq_packed(const struct vmsg_vq *vq)
{
	return vmsg_device_has_feature(vq->dev, VMSG_F_RING_PACKED);
}

static const struct vmsg_ring_ops *vmsg_vq_ring(const struct vmsg_vq *vq)
{
	return vmsg_vq_packed(vq) ? &vring_packed_ops : &vring_split_ops;
}

static void *vmsg_vq_map(struct vmsg_vq *vq, uint64_t addr, uint64_t len)
{
	struct vmsg_link *link = vq->dev->bus->link;

	return link->ops->map(link, addr, len);
}

/**
 * vmsg_vq_check() - may a queue be set up like this?
 * @vq: the queue, not enabled
 * @size: number of descriptors, 0 = not known yet
 * @addr: the areas; 0 = not known yet
 * @complete: everything has to be known
 *
 * Return: 0, or -EINVAL.
 */
int vmsg_vq_check(struct vmsg_vq *vq, uint32_t size, const uint64_t *addr,
		  bool complete)
{
	struct vmsg_area area[VMSG_NUM_AREAS];
	int i;

	if (size > vq->max_size)
		return -EINVAL;
	if (size && !vmsg_vq_packed(vq) && (size & (size - 1)))
		return -EINVAL;
	if (complete && !size)
		return -EINVAL;
	vmsg_vq_ring(vq)->layout(size ? size : 1, area);
	for (i = 0; i < VMSG_NUM_AREAS; i++) {
		if (!addr[i] && !complete)
			continue;
		if (!addr[i] || addr[i] % area[i].align)
			return -EINVAL;
		if (!vmsg_vq_map(vq, addr[i], area[i].bytes))
			return -EINVAL;
	}
	return 0;
}

/* Eventfds are made once and live as long as the device. */
static int vmsg_vq_make_fds(struct vmsg_vq *vq)
{
	if (vq->kick.fd < 0)
		vq->kick.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (vq->used_fd < 0)
		vq->used_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return vq->kick.fd < 0 || vq->used_fd < 0 ? -errno : 0;
}

static void vmsg_vq_tie(struct vmsg_vq *vq)
{
	struct vmsg_device *dev = vq->dev;
	struct vmsg_link *link = dev->bus->link;
	bool kick;
	int ret;

	if (!link->ops->queue || dev->bus->params.messages)
		return;
	/* An eventfd cannot carry the data. */
	kick = !vmsg_device_has_feature(dev, VMSG_F_NOTIFICATION_DATA);
	ret = vmsg_vq_make_fds(vq);
	if (!ret && kick) {
		/* Edges are enough: nobody has to read the eventfd then. */
		ret = vmsg_loop_watch(dev->bus->loop, &vq->kick,
				      EPOLLIN | EPOLLET);
		vq->kick_watched = !ret;
	}
	if (!ret)
		ret = link->ops->queue(link, dev->num, vq->index,
				       kick ? vq->kick.fd : -1, vq->used_fd);
	vq->used_by_fd = !ret;
	if (!ret)
		return;
	if (vq->kick_watched)
		vmsg_loop_unwatch(dev->bus->loop, &vq->kick);
	vq->kick_watched = false;
	vmsg_warn("device %u (%s): queue %u has no eventfds: %s; it goes on with messages",
		  dev->num, dev->name, vq->index, strerror(-ret));
}

/**
 * vmsg_vq_enable() - enable a queue that vmsg_vq_check() has found complete
 * @vq: the queue
 */
void vmsg_vq_enable(struct vmsg_vq *vq)
{
	struct vmsg_area area[VMSG_NUM_AREAS];
	struct vmsg_device *dev = vq->dev;
	int i;

	vq->ring = vmsg_vq_ring(vq);
	vq->ring->layout(vq->size, area);
	for (i = 0; i < VMSG_NUM_AREAS; i++)
		vq->area[i] = vmsg_vq_map(vq, vq->addr[i], area[i].bytes);
	vq->indirect = vmsg_device_has_feature(dev, VMSG_F_INDIRECT_DESC);
	vq->event_idx = vmsg_device_has_feature(dev, VMSG_F_EVENT_IDX);
	vq->in_order = vmsg_device_has_feature(dev, VMSG_F_IN_ORDER);
	vq->armed = false;
	vq->broken = false;
	vq->avail = 0;
	vq->used = 0;
	vq->avail_wrap = true;
	vq->used_wrap = true;
	vq->inflight = 0;
	vq->pushed = 0;
	vq->used_pending = false;
	vq->enabled = true;
	vq->ring->start(vq);
	vmsg_vq_tie(vq);
	/* Kicks before DRIVER_OK were ignored, so look for yourself. */
	vmsg_vq_kick(vq);
}

/**
 * vmsg_vq_stop() - touch the ring and its buffers no more
 * @vq: the queue
 *
 * The model may still have buffers; it cannot give them back any more.
 */
void vmsg_vq_stop(struct vmsg_vq *vq)
{
	struct vmsg_loop *loop = vq->dev->bus->loop;

	vmsg_loop_cancel(loop, &vq->work);
	if (vq->kick_watched)
		vmsg_loop_unwatch(loop, &vq->kick);
	vq->kick_watched = false;
	vq->used_by_fd = false;
	vq->used_pending = false;
	vq->enabled = false;
}

/**
 * vmsg_vq_clear() - return to the state before the first SET_VQUEUE
 * @vq: the queue, stopped, and the model has forgotten its buffers
 */
void vmsg_vq_clear(struct vmsg_vq *vq)
{
	struct vmsg_slot *slot;

	vq->size = 0;
	memset(vq->addr, 0, sizeof(vq->addr));
	memset(vq->area, 0, sizeof(vq->area));
	vq->broken = false;
	vq->inflight = 0;
	vq->first = NULL;
	vq->last = NULL;
	vq->free = NULL;
	for (slot = vq->all; slot; slot = slot->all) {
		slot->busy = false;
		slot->next = vq->free;
		vq->free = slot;
	}
}

static bool vmsg_vq_usable(const struct vmsg_vq *vq)
{
	return vq->enabled && !vq->broken;
}

/**
 * vmsg_vq_kick() - the driver says that there are buffers
 * @vq: any queue; nothing happens unless it is in use
 */
void vmsg_vq_kick(struct vmsg_vq *vq)
{
	if (vmsg_vq_usable(vq) && vmsg_device_running(vq->dev))
		vmsg_loop_defer(vq->dev->bus->loop, &vq->work);
}

static void vmsg_vq_kick_fd(void *arg, uint32_t events)
{
	struct vmsg_vq *vq = arg;

	(void)events;
	vq->num_kicks++;
	vmsg_vq_kick(vq);
}

static void vmsg_vq_run(void *arg)
{
	struct vmsg_vq *vq = arg;

	if (!vmsg_vq_usable(vq) || !vmsg_device_running(vq->dev))
		return;
	vq->running = true;
	vq->again = false;
	vq->budget = VMSG_BUDGET;
	vq->dev->ops->queue(vq->dev, vq);
	vq->running = false;
	vmsg_vq_notify(vq);
	if (vq->again)
		vmsg_vq_kick(vq);
}

static struct vmsg_slot *vmsg_vq_slot(struct vmsg_vq *vq)
{
	struct vmsg_slot *slot = vq->free;

	if (slot) {
		vq->free = slot->next;
	} else {
		slot = calloc(1, sizeof(*slot));
		if (!slot)
			return NULL;
		slot->all = vq->all;
		vq->all = slot;
	}
	slot->next = NULL;
	slot->num = 0;
	slot->total = 0;
	slot->done = false;
	slot->elem.out_num = 0;
	slot->elem.in_num = 0;
	slot->elem.out_len = 0;
	slot->elem.in_len = 0;
	return slot;
}

static void vmsg_vq_free_slot(struct vmsg_vq *vq, struct vmsg_slot *slot)
{
	slot->busy = false;
	slot->next = vq->free;
	vq->free = slot;
}

/*
 * The model has come to the end of the ring. A driver that shares the processor
 * with us adds buffers only while it is let run.
 */
static int vmsg_vq_look_again(struct vmsg_vq *vq, struct vmsg_slot *slot)
{
	unsigned int looks = vq->dev->bus->params.looks;
	int ret;

	vmsg_vq_notify(vq);
	ret = vq->ring->pop(vq, slot);
	while (!ret && looks--) {
		sched_yield();
		ret = vq->ring->pop(vq, slot);
	}
	return ret;
}

/**
 * vmsg_vq_pop() - take the next buffer
 * @vq: the queue
 *
 * Return: the buffer, or NULL when there is none: then the model is called
 * again when there may be one.
 */
struct vmsg_elem *vmsg_vq_pop(struct vmsg_vq *vq)
{
	struct vmsg_slot *slot;
	int ret;

	if (!vmsg_vq_usable(vq) || !vmsg_device_running(vq->dev))
		return NULL;
	if (vq->running && !vq->budget) {
		vq->again = true;
		return NULL;
	}
	slot = vmsg_vq_slot(vq);
	if (!slot) {
		vmsg_vq_broken(vq, "no memory for a buffer");
		return NULL;
	}
	ret = vq->ring->pop(vq, slot);
	if (!ret && vq->running && vq->pushed)
		ret = vmsg_vq_look_again(vq, slot);
	if (!ret && !vq->armed) {
		vq->armed = true;
		if (vq->ring->kick_on(vq))
			ret = vq->ring->pop(vq, slot);
	}
	if (ret <= 0) {
		vmsg_vq_free_slot(vq, slot);
		return NULL;
	}
	if (vq->armed) {
		vq->armed = false;
		vq->ring->kick_off(vq);
	}
	if (vq->running)
		vq->budget--;
	vq->num_bufs++;

	slot->busy = true;
	if (vq->in_order) {
		if (vq->first)
			vq->last->next = slot;
		else
			vq->first = slot;
		vq->last = slot;
	}
	slot->elem.out = slot->iov;
	slot->elem.in = slot->iov + slot->elem.out_num;
	return &slot->elem;
}

/**
 * vmsg_vq_push() - give a buffer back
 * @vq: the queue that it came from
 * @elem: the buffer
 * @len: bytes written to it, from the beginning of @elem->in
 *
 * The driver is told after the queue callback of the model, and otherwise by
 * vmsg_vq_notify(). Nothing happens if the queue has been stopped meanwhile.
 */
void vmsg_vq_push(struct vmsg_vq *vq, struct vmsg_elem *elem, uint32_t len)
{
	struct vmsg_slot *slot = VMSG_CONTAINER_OF(elem, struct vmsg_slot,
						   elem);

	if (!slot->busy || slot->done)
		return;
	slot->done = true;
	slot->len = len;
	if (!vmsg_vq_usable(vq))
		return;
	if (!vq->in_order) {
		vq->ring->push(vq, slot);
		vmsg_vq_free_slot(vq, slot);
		return;
	}
	while ((slot = vq->first) && slot->done) {
		vq->first = slot->next;
		vq->ring->push(vq, slot);
		vmsg_vq_free_slot(vq, slot);
	}
}

/**
 * vmsg_vq_send_pending() - send what had to wait
 * @vq: any queue
 */
void vmsg_vq_send_pending(struct vmsg_vq *vq)
{
	struct vmsg_msg used = {
		.id = VIRTIO_MSG_EVENT_USED,
		.dev_num = vq->dev->num,
		.vqueue.index = vq->index,
	};
	struct vmsg_msg answer = {
		.id = VIRTIO_MSG_RESET_VQUEUE,
		.dev_num = vq->dev->num,
		.token = vq->reset_token,
	};

	if (vq->answer_pending && vmsg_bus_respond(vq->dev->bus, &answer))
		vq->answer_pending = false;
	if (vq->used_pending && vmsg_bus_send_event(vq->dev->bus, &used))
		vq->used_pending = false;
}

/**
 * vmsg_vq_reset_done() - the model has forgotten all buffers of a queue
 * @vq: the queue for which queue_reset() has returned VMSG_LATER
 */
void vmsg_vq_reset_done(struct vmsg_vq *vq)
{
	if (!vq->resetting)
		return;
	vq->resetting = false;
	vmsg_vq_clear(vq);
	vq->answer_pending = true;
	vmsg_vq_send_pending(vq);
}

/**
 * vmsg_vq_notify() - tell the driver about buffers given back, if it wants
 * @vq: the queue
 */
void vmsg_vq_notify(struct vmsg_vq *vq)
{
	uint32_t pushed = vq->pushed;
	uint64_t one = 1;

	if (!vmsg_vq_usable(vq) || !pushed)
		return;
	vq->pushed = 0;
	if (!vq->ring->want_notify(vq, pushed))
		return;
	vq->num_used++;
	if (vq->used_by_fd &&
	    write(vq->used_fd, &one, sizeof(one)) == sizeof(one))
		return;
	vq->used_pending = true;
	vmsg_vq_send_pending(vq);
}

/**
 * vmsg_vq_broken() - the driver has done something impossible
 * @vq: the queue; it is stopped until the driver resets the device
 * @fmt: what, as for printf()
 */
void vmsg_vq_broken(struct vmsg_vq *vq, const char *fmt, ...)
{
	char text[160];
	va_list args;

	if (vq->broken)
		return;
	vq->broken = true;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	vmsg_warn("device %u (%s): queue %u: %s; the device is stopped until its driver resets it",
		  vq->dev->num, vq->dev->name, vq->index, text);
	vmsg_device_needs_reset(vq->dev);
}

/**
 * vmsg_vq_index() - the index of a queue
 * @vq: the queue
 *
 * Return: the index.
 */
uint32_t vmsg_vq_index(const struct vmsg_vq *vq)
{
	return vq->index;
}

static uint32_t vmsg_vq_max_segments(const struct vmsg_vq *vq)
{
	return vq->size > VMSG_MAX_SEGMENTS ? vq->size : VMSG_MAX_SEGMENTS;
}

/**
 * vmsg_vq_segment() - add a piece to a buffer
 * @vq: the queue
 * @slot: the buffer
 * @addr: device address
 * @len: bytes
 * @write: the device may write to it
 *
 * Return: 0, or -EINVAL and the queue is broken.
 */
int vmsg_vq_segment(struct vmsg_vq *vq, struct vmsg_slot *slot, uint64_t addr,
		    uint32_t len, bool write)
{
	struct iovec *iov;
	unsigned int room;
	void *ptr;

	if (!len) {
		vmsg_vq_broken(vq, "a descriptor of 0 bytes");
		return -EINVAL;
	}
	if (slot->num >= vmsg_vq_max_segments(vq)) {
		vmsg_vq_broken(vq, "a buffer of more than %u pieces",
			       slot->num);
		return -EINVAL;
	}
	slot->total += len;
	if (slot->total > UINT32_MAX) {
		vmsg_vq_broken(vq, "a buffer of 4 GiB or more");
		return -EINVAL;
	}
	if (!write && slot->elem.in_num) {
		vmsg_vq_broken(vq, "a readable piece behind a writable one");
		return -EINVAL;
	}
	ptr = vmsg_vq_map(vq, addr, len);
	if (!ptr) {
		vmsg_vq_broken(vq, "%u bytes at address %#llx are not in shared memory",
			       len, (unsigned long long)addr);
		return -EINVAL;
	}
	if (slot->num == slot->room) {
		room = slot->room ? 2 * slot->room : 8;
		iov = realloc(slot->iov, room * sizeof(*iov));
		if (!iov) {
			vmsg_vq_broken(vq, "no memory for a buffer");
			return -EINVAL;
		}
		slot->iov = iov;
		slot->room = room;
	}
	slot->iov[slot->num].iov_base = ptr;
	slot->iov[slot->num].iov_len = len;
	slot->num++;
	if (write) {
		slot->elem.in_num++;
		slot->elem.in_len += len;
	} else {
		slot->elem.out_num++;
		slot->elem.out_len += len;
	}
	return 0;
}

/**
 * vmsg_vq_indirect() - add the pieces of a table of descriptors to a buffer
 * @vq: the queue
 * @slot: the buffer
 * @addr: device address of the table
 * @len: bytes of the table
 * @chained: the entries say which one is next (split), or follow each other
 *
 * Return: 0, or -EINVAL and the queue is broken.
 */
int vmsg_vq_indirect(struct vmsg_vq *vq, struct vmsg_slot *slot, uint64_t addr,
		     uint32_t len, bool chained)
{
	uint32_t num = len / sizeof(struct vring_desc);
	struct vring_desc copy;
	uint32_t i = 0, done;
	uint16_t flags;
	char *table;
	int ret;

	if (!vq->indirect) {
		vmsg_vq_broken(vq, "indirect descriptors without having been negotiated");
		return -EINVAL;
	}
	if (!num || len % sizeof(struct vring_desc)) {
		vmsg_vq_broken(vq, "a table of descriptors of %u bytes", len);
		return -EINVAL;
	}
	table = vmsg_vq_map(vq, addr, len);
	if (!table) {
		vmsg_vq_broken(vq, "a table of descriptors at %#llx that is not in shared memory",
			       (unsigned long long)addr);
		return -EINVAL;
	}
	for (done = 0; done < num; done++) {
		/* Read once: the driver can still write there. */
		memcpy(&copy, table + i * sizeof(copy), sizeof(copy));
		__asm__ volatile("" : : "r"(&copy) : "memory");
		/* Packed descriptors have their flags where split have next. */
		flags = le16toh(chained ? copy.flags : copy.next);
		if (flags & VRING_DESC_F_INDIRECT) {
			vmsg_vq_broken(vq, "a table of descriptors in a table of descriptors");
			return -EINVAL;
		}
		ret = vmsg_vq_segment(vq, slot, le64toh(copy.addr),
				      le32toh(copy.len),
				      flags & VRING_DESC_F_WRITE);
		if (ret)
			return ret;
		if (!chained) {
			i++;
			continue;
		}
		if (!(flags & VRING_DESC_F_NEXT))
			return 0;
		i = le16toh(copy.next);
		if (i >= num) {
			vmsg_vq_broken(vq, "descriptor %u of a table of %u", i,
				       num);
			return -EINVAL;
		}
	}
	if (!chained)
		return 0;
	vmsg_vq_broken(vq, "a loop in a table of descriptors");
	return -EINVAL;
}
