// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-msg: virtqueues. Set up, kicked, used, reset, and buried.
 *
 * The queues of a device are one table, made by find_vqs and ended by del_vqs
 * under vq_mutex. Notifications of the device side find their queue under RCU
 * and then hold the queue's own lock around the driver's callback. So callbacks
 * of one queue never overlap, whatever contexts they come from, and once "live"
 * is false under that lock none runs any more. The kick path takes no lock here:
 * drivers kick from within their callbacks and under locks of their own.
 *
 * Only a queue of a device with DRIVER_OK is live. Notifications of either side
 * that come earlier are remembered and happen when it becomes live.
 *
 * Drivers wait for their buffers. When the device side is gone, nobody else
 * gives them back, so vmsg_vq_kill() does it in its place.
 */
#include <linux/delay.h>
#include <linux/interrupt.h>
#include <linux/log2.h>
#include <linux/nospec.h>
#include <linux/rcupdate.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>

#include "internal.h"

/* Largest queue of the virtio specification. */
#define VMSG_VQ_MAX		32768
/* Alignment of the parts of a ring. */
#define VMSG_VQ_ALIGN		SMP_CACHE_BYTES
/* How long drivers get to take a dead device's buffers back. */
#define VMSG_BURY_MS		1000

/**
 * struct vmsg_vq - one queue
 * @vq: the virtqueue, NULL for an index that the driver does not use
 * @vd: its device
 * @kick: the mark that bus.c keeps when there is no room
 * @lock: held around the driver's callback; protects @used_pending
 * @live: callbacks and kicks may happen; written under @lock
 * @used_pending: the device side has used buffers before the queue was live
 * @kick_pending: the driver has kicked before the queue was live
 * @awaited: the driver has said DRIVER_OK and may wait for buffers, whether the
 *	device has heard it or not; under vq_mutex
 * @undertaker: who buries the queue at the moment
 * @buffers: what a dead device has not given back, for @undertaker
 * @num_buffers: how many of them
 * @home: memory of a ring that is not shared any more, see vmsg_vq_take_home()
 * @away: where that ring was before
 */
struct vmsg_vq {
	struct virtqueue *vq;
	struct vmsg_dev *vd;
	struct vmsg_kick kick;
	spinlock_t lock; /* the callback */
	bool live;
	bool used_pending;
	bool kick_pending;
	bool awaited;
	struct task_struct *undertaker;
	void **buffers;
	unsigned int num_buffers;
	void *home;
	struct vring away;
};

/**
 * struct vmsg_vqs - the queues of a device
 * @rcu: delays the free until event handlers are done
 * @num: entries in @vq
 * @vq: queues by index
 */
struct vmsg_vqs {
	struct rcu_head rcu;
	unsigned int num;
	struct vmsg_vq vq[] __counted_by(num);
};

static struct vmsg_vqs *vmsg_vq_table(struct vmsg_dev *vd)
{
	return rcu_dereference_protected(vd->vqs,
					 lockdep_is_held(&vd->vq_mutex));
}

/* The queue after @q, the first one after NULL; NULL at the end. */
static struct vmsg_vq *vmsg_vq_next(struct vmsg_dev *vd, struct vmsg_vq *q)
{
	struct vmsg_vqs *vqs = vmsg_vq_table(vd);

	if (!vqs)
		return NULL;
	q = q ? q + 1 : vqs->vq;
	/* Those that are not there yet are all at the end. */
	return q < vqs->vq + vqs->num && q->vq ? q : NULL;
}

/*
 * Notifications
 */

static void vmsg_vq_callback(struct vmsg_vq *q)
{
	lockdep_assert_held(&q->lock);
	q->used_pending = false;
	if (vring_interrupt(0, q->vq) == IRQ_HANDLED)
		atomic_inc(&q->vd->given_back);
	/*
	 * The core stops using a ring in which it finds nonsense, and leaves
	 * the driver waiting for what is in there.
	 */
	if (unlikely(q->live && virtqueue_is_broken(q->vq))) {
		vmsg_dev_err(q->vd, "queue %u: its ring makes no sense, needs a reset",
			     q->vq->index);
		vmsg_dev_fail(q->vd);
	}
}

/**
 * vmsg_vq_used() - the device side has used buffers
 * @vd: the device
 * @index: queue index, from the peer
 *
 * Context: Any, under RCU. Takes the queue's lock, runs the driver's callback.
 * Return: 0, -EINVAL when the driver has no such queue.
 */
int vmsg_vq_used(struct vmsg_dev *vd, u32 index)
{
	struct vmsg_vqs *vqs = rcu_dereference(vd->vqs);
	struct vmsg_vq *q;

	if (!vqs || index >= vqs->num)
		return -EINVAL;
	q = &vqs->vq[array_index_nospec(index, vqs->num)];
	guard(spinlock_irqsave)(&q->lock);
	if (!q->vq)
		return -EINVAL;
	if (q->live)
		vmsg_vq_callback(q);
	else
		q->used_pending = true;
	return 0;
}

static void vmsg_vq_do_kick(struct vmsg_vq *q, u32 next_offset)
{
	if (likely(READ_ONCE(q->live))) {
		vmsg_bus_kick(q->vd->bus, &q->kick, next_offset);
		return;
	}
	WRITE_ONCE(q->kick_pending, true);
	/* Pairs with vmsg_vq_set_live(): one of the two sends the kick. */
	smp_mb();
	if (READ_ONCE(q->live) && xchg(&q->kick_pending, false))
		vmsg_bus_kick(q->vd->bus, &q->kick, next_offset);
}

static bool vmsg_vq_notify(struct virtqueue *vq)
{
	vmsg_vq_do_kick(vq->priv, 0);
	return true;
}

/* EVENT_AVAIL wants the wrap counter in bit 31, the core has it in bit 15. */
static u32 vmsg_vq_next_offset(struct virtqueue *vq)
{
	u32 next = vring_notification_data(vq) >> 16;

	if (virtio_has_feature(vq->vdev, VIRTIO_F_RING_PACKED) &&
	    (next & BIT(15)))
		next = (next & ~BIT(15)) | VIRTIO_MSG_AVAIL_WRAP;
	return next;
}

static bool vmsg_vq_notify_data(struct virtqueue *vq)
{
	vmsg_vq_do_kick(vq->priv, vmsg_vq_next_offset(vq));
	return true;
}

static void vmsg_vq_set_live(struct vmsg_vq *q)
{
	bool data = virtio_has_feature(&q->vd->vdev, VIRTIO_F_NOTIFICATION_DATA);

	scoped_guard(spinlock_irqsave, &q->lock) {
		WRITE_ONCE(q->live, true);
		if (q->used_pending)
			vmsg_vq_callback(q);
	}
	/* Pairs with vmsg_vq_do_kick(). */
	smp_mb();
	if (xchg(&q->kick_pending, false))
		vmsg_bus_kick(q->vd->bus, &q->kick,
			      data ? vmsg_vq_next_offset(q->vq) : 0);
}

static void vmsg_vq_set_dormant(struct vmsg_vq *q)
{
	scoped_guard(spinlock_irqsave, &q->lock) {
		WRITE_ONCE(q->live, false);
		q->used_pending = false;
	}
	WRITE_ONCE(q->kick_pending, false);
	vmsg_bus_cancel_kick(q->vd->bus, &q->kick);
}

/**
 * vmsg_vq_await() - the driver says DRIVER_OK: it waits for its buffers from now on
 * @vd: the device
 *
 * Not the same as vmsg_vq_start(): a device may die of the message that says so,
 * and the driver is not told.
 *
 * Context: Process context. Takes vq_mutex.
 */
void vmsg_vq_await(struct vmsg_dev *vd)
{
	struct vmsg_vq *q = NULL;

	guard(mutex)(&vd->vq_mutex);
	while ((q = vmsg_vq_next(vd, q)))
		q->awaited = true;
}

/**
 * vmsg_vq_start() - the device has DRIVER_OK: notifications flow
 * @vd: the device
 *
 * Context: Process context. Takes vq_mutex.
 */
void vmsg_vq_start(struct vmsg_dev *vd)
{
	struct vmsg_vq *q = NULL;

	guard(mutex)(&vd->vq_mutex);
	/* Callbacks raise softirqs that are to run right away. */
	local_bh_disable();
	while ((q = vmsg_vq_next(vd, q)))
		vmsg_vq_set_live(q);
	local_bh_enable();
}

/**
 * vmsg_vq_stop() - the device is reset: no callback runs after this
 * @vd: the device
 *
 * Context: Process context. Takes vq_mutex.
 */
void vmsg_vq_stop(struct vmsg_dev *vd)
{
	struct vmsg_vq *q = NULL;

	guard(mutex)(&vd->vq_mutex);
	while ((q = vmsg_vq_next(vd, q))) {
		vmsg_vq_set_dormant(q);
		q->awaited = false;
	}
}

/**
 * vmsg_vq_synchronize() - wait for the callbacks that are running
 * @vd: the device
 *
 * Context: Process context, sleeps. Takes vq_mutex.
 */
void vmsg_vq_synchronize(struct vmsg_dev *vd)
{
	struct vmsg_vq *q = NULL;

	guard(mutex)(&vd->vq_mutex);
	while ((q = vmsg_vq_next(vd, q))) {
		/* The callback runs under the lock: having it is enough. */
		spin_lock_irq(&q->lock);
		spin_unlock_irq(&q->lock);
	}
}

/*
 * Set up and tear down
 */

static int vmsg_vq_get(struct vmsg_dev *vd, u32 index, struct vmsg_msg *msg)
{
	int err;

	*msg = (struct vmsg_msg) {
		.id = VIRTIO_MSG_GET_VQUEUE,
		.vqueue.index = index,
	};
	err = vmsg_dev_ask(vd, msg);
	if (err)
		return err;
	return msg->vqueue.index == index ? 0 : -EPROTO;
}

static int vmsg_vq_enable(struct vmsg_vq *q)
{
	struct vmsg_dev *vd = q->vd;
	struct virtqueue *vq = q->vq;
	const struct vmsg_msg set = {
		.id = VIRTIO_MSG_SET_VQUEUE,
		.vqueue.index = vq->index,
		.vqueue.flags = VIRTIO_MSG_VQUEUE_OP_ENABLE,
		.vqueue.size = virtqueue_get_vring_size(vq),
		.vqueue.desc = virtqueue_get_desc_addr(vq),
		.vqueue.driver = virtqueue_get_avail_addr(vq),
		.vqueue.device = virtqueue_get_used_addr(vq),
	};
	struct vmsg_msg msg = set;
	int err;

	err = vmsg_dev_ask(vd, &msg);
	if (err)
		return err;
	/* The answer carries no verdict, so look. */
	err = vmsg_vq_get(vd, vq->index, &msg);
	if (err)
		return err;
	if (!(msg.vqueue.flags & VIRTIO_MSG_VQUEUE_ENABLED) ||
	    msg.vqueue.size != set.vqueue.size ||
	    msg.vqueue.desc != set.vqueue.desc ||
	    msg.vqueue.driver != set.vqueue.driver ||
	    msg.vqueue.device != set.vqueue.device) {
		vmsg_dev_err(vd, "queue %u: the device did not take its %u descriptors or their addresses",
			     vq->index, set.vqueue.size);
		return -EIO;
	}
	return 0;
}

static int vmsg_vq_setup(struct vmsg_dev *vd, struct vmsg_vq *q, u32 index,
			 const struct virtqueue_info *info)
{
	bool packed = virtio_has_feature(&vd->vdev, VIRTIO_F_RING_PACKED);
	union virtio_map map = {};
	struct virtqueue *vq;
	struct vmsg_msg msg;
	u32 size;
	int err;

	err = vmsg_vq_get(vd, index, &msg);
	if (err)
		return err;
	if (!msg.vqueue.max_size)
		return -ENOENT;
	size = min_t(u32, msg.vqueue.max_size, VMSG_VQ_MAX);
	if (!packed)
		size = rounddown_pow_of_two(size);

	map.dma_dev = vd->client.pool ? &vd->vdev.dev : vd->vdev.dev.parent;
	vq = vring_create_virtqueue_map(index, size, VMSG_VQ_ALIGN, &vd->vdev,
					true, true, info->ctx,
					virtio_has_feature(&vd->vdev, VIRTIO_F_NOTIFICATION_DATA) ?
					vmsg_vq_notify_data : vmsg_vq_notify,
					info->callback, info->name, map);
	if (!vq)
		return -ENOMEM;
	vq->num_max = size;
	vq->priv = q;
	q->kick.dev_num = vd->num;
	q->kick.index = index;
	scoped_guard(spinlock_irqsave, &q->lock)
		q->vq = vq;
	return vmsg_vq_enable(q);
}

static struct vmsg_vqs *vmsg_vq_alloc(struct vmsg_dev *vd, unsigned int num)
{
	struct vmsg_vqs *vqs = kvzalloc(struct_size(vqs, vq, num), GFP_KERNEL);
	unsigned int i;

	if (!vqs)
		return NULL;
	vqs->num = num;
	for (i = 0; i < num; i++) {
		vqs->vq[i].vd = vd;
		spin_lock_init(&vqs->vq[i].lock);
		INIT_LIST_HEAD(&vqs->vq[i].kick.node);
	}
	return vqs;
}

/* Undoes vmsg_vq_take_home(), so that the core frees what it allocated. */
static void vmsg_vq_leave_home(struct vmsg_vq *q)
{
	if (!q->home)
		return;
	*(struct vring *)virtqueue_get_vring(q->vq) = q->away;
	kvfree(q->home);
	q->home = NULL;
}

static void vmsg_vq_del_locked(struct vmsg_dev *vd)
{
	struct vmsg_vqs *vqs = vmsg_vq_table(vd);
	struct vmsg_vq *q = NULL;

	if (!vqs)
		return;
	/* An event may still find a queue here, but not that it is live. */
	while ((q = vmsg_vq_next(vd, q))) {
		vmsg_vq_set_dormant(q);
		vmsg_vq_leave_home(q);
		vring_del_virtqueue(q->vq);
	}
	rcu_assign_pointer(vd->vqs, NULL);
	kvfree_rcu(vqs, rcu);
	vmsg_pool_client_clean(&vd->client);
}

/**
 * vmsg_vq_find() - find_vqs: make the queues that the driver wants
 * @vdev: the virtio device
 * @nvqs: entries in @vqs and @vqs_info
 * @vqs: out: the virtqueues
 * @vqs_info: name, callback and context of each; no name = not wanted, and no
 *	queue index is spent on it
 * @desc: for transports with interrupts of their own, not used
 *
 * Context: Process context, sleeps. Takes vq_mutex.
 * Return: 0, -ENOENT when the device has no such queue, -EIO when it did not
 * take one, or what asking it gave.
 */
int vmsg_vq_find(struct virtio_device *vdev, unsigned int nvqs,
		 struct virtqueue *vqs[], struct virtqueue_info vqs_info[],
		 struct irq_affinity *desc)
{
	struct vmsg_dev *vd = to_vmsg_dev(vdev);
	struct vmsg_vqs *table;
	unsigned int i, index = 0;
	int err = 0;

	mutex_lock(&vd->vq_mutex);
	if (vmsg_vq_table(vd)) {
		err = -EBUSY;
		goto out;
	}
	table = vmsg_vq_alloc(vd, nvqs);
	if (!table) {
		err = -ENOMEM;
		goto out;
	}
	rcu_assign_pointer(vd->vqs, table);
	for (i = 0; i < nvqs && !err; i++) {
		vqs[i] = NULL;
		if (!vqs_info[i].name)
			continue;
		if (index >= vd->max_vqs)
			err = -ENOENT;
		else
			err = vmsg_vq_setup(vd, &table->vq[index], index,
					    &vqs_info[i]);
		if (!err)
			vqs[i] = table->vq[index++].vq;
	}
	if (err) {
		vmsg_dev_err(vd, "queue %u cannot be used (%d)", index, err);
		/*
		 * Some queues may be enabled, and one may be so although the
		 * answer got lost. Their memory goes now.
		 */
		mutex_unlock(&vd->vq_mutex);
		vdev->config->reset(vdev);
		mutex_lock(&vd->vq_mutex);
		vmsg_vq_del_locked(vd);
	}
out:
	mutex_unlock(&vd->vq_mutex);
	return err;
}

/**
 * vmsg_vq_del() - del_vqs: end all queues
 * @vdev: the virtio device, which has been reset
 *
 * Context: Process context, sleeps. Takes vq_mutex.
 */
void vmsg_vq_del(struct virtio_device *vdev)
{
	struct vmsg_dev *vd = to_vmsg_dev(vdev);

	guard(mutex)(&vd->vq_mutex);
	vmsg_vq_del_locked(vd);
}

/**
 * vmsg_vq_disable_and_reset() - take one queue back from the device
 * @vq: the virtqueue
 *
 * Context: Process context, sleeps.
 * Return: 0, -ENOENT when the device cannot do that, or what asking it gave.
 */
int vmsg_vq_disable_and_reset(struct virtqueue *vq)
{
	struct vmsg_vq *q = vq->priv;
	struct vmsg_msg msg = {
		.id = VIRTIO_MSG_RESET_VQUEUE,
		.vqueue.index = vq->index,
	};
	int err;

	/* The burial below uses the core's queue reset, without the device. */
	if (READ_ONCE(q->undertaker) == current)
		return 0;
	if (!virtio_has_feature(vq->vdev, VIRTIO_F_RING_RESET))
		return -ENOENT;
	guard(mutex)(&q->vd->vq_mutex);
	vmsg_vq_set_dormant(q);
	err = vmsg_dev_ask(q->vd, &msg);
	if (err)
		return err;
	vq->reset = true;
	return 0;
}

/**
 * vmsg_vq_enable_after_reset() - give one queue to the device again
 * @vq: the virtqueue
 *
 * Context: Process context, sleeps.
 * Return: 0, -EBUSY when it has not been taken back, -EIO when the device did
 * not take it, or what asking it gave.
 */
int vmsg_vq_enable_after_reset(struct virtqueue *vq)
{
	struct vmsg_vq *q = vq->priv;
	int err;

	if (READ_ONCE(q->undertaker) == current)
		return 0;
	guard(mutex)(&q->vd->vq_mutex);
	if (!vq->reset)
		return -EBUSY;
	err = vmsg_vq_enable(q);
	if (err)
		return err;
	vq->reset = false;
	local_bh_disable();
	vmsg_vq_set_live(q);
	local_bh_enable();
	return 0;
}

/*
 * Burial
 *
 * A driver that waits for its buffers waits for ever when nobody uses them, and
 * most of them cannot be told otherwise: a block device is not removed before
 * all of its requests have ended. So the transport stands in for the device. The
 * core's queue reset hands out every buffer that is still in the queue and
 * starts the ring over; then they are put in again, each with one byte that
 * means nothing, and marked as used with length 0. What drivers find in there
 * reads as ones, which is no valid status of any virtio device.
 *
 * While this goes on mapping fails for everybody else, so the driver's own calls
 * change nothing.
 */

/*
 * The core has a BUG_ON() for descriptors that it has not found in the end, and a
 * device side that changes the flags of a split ring can hide some. They are not
 * lost, as the ring starts over.
 */
static void vmsg_vq_find_all(struct virtqueue *vq)
{
	if (!virtio_has_feature(vq->vdev, VIRTIO_F_RING_PACKED))
		vq->num_free = virtqueue_get_vring_size(vq);
}

static void vmsg_vq_collect(struct virtqueue *vq, void *buf)
{
	struct vmsg_vq *q = vq->priv;

	vmsg_vq_find_all(vq);
	if (q->num_buffers < virtqueue_get_vring_size(vq))
		q->buffers[q->num_buffers++] = buf;
}

/* Marks the first @n descriptors of a ring that has just begun as used. */
static void vmsg_vq_use_split(struct virtqueue *vq, unsigned int n)
{
	const struct vring *vring = virtqueue_get_vring(vq);
	unsigned int i;
	u16 head;

	for (i = 0; i < n; i++) {
		head = virtio16_to_cpu(vq->vdev, vring->avail->ring[i]);
		vring->used->ring[i].id = cpu_to_virtio32(vq->vdev, head);
		vring->used->ring[i].len = 0;
	}
	/* Entries before index. */
	smp_wmb();
	vring->used->idx = cpu_to_virtio16(vq->vdev, n);
}

static void vmsg_vq_use_packed(struct virtio_msg_pool *pool,
			       struct virtqueue *vq, unsigned int n)
{
	unsigned int size = virtqueue_get_vring_size(vq);
	struct vring_packed_desc *desc;

	desc = vmsg_pool_vaddr(pool, virtqueue_get_desc_addr(vq),
			       array_size(size, sizeof(*desc)));
	if (!desc)
		return;
	/* From the last to the first: the driver looks at the first one. */
	while (n--) {
		desc[n].len = 0;
		/* Length before flags. */
		smp_wmb();
		desc[n].flags = cpu_to_le16(BIT(VRING_PACKED_DESC_F_AVAIL) |
					    BIT(VRING_PACKED_DESC_F_USED));
	}
}

static void vmsg_vq_return_buffers(struct vmsg_vq *q)
{
	struct vmsg_dev *vd = q->vd;
	struct virtqueue *vq = q->vq;
	struct scatterlist sg;
	unsigned int i, n = 0;

	__virtqueue_unbreak(vq);
	for (i = 0; i < q->num_buffers; i++) {
		sg_init_one(&sg, &vd->client.grave, sizeof(vd->client.grave));
		if (!virtqueue_add_inbuf(vq, &sg, 1, q->buffers[i], GFP_KERNEL))
			n++;
	}
	if (virtio_has_feature(vq->vdev, VIRTIO_F_RING_PACKED))
		vmsg_vq_use_packed(vd->client.pool, vq, n);
	else
		vmsg_vq_use_split(vq, n);

	local_bh_disable();
	scoped_guard(spinlock_irqsave, &q->lock) {
		vmsg_vq_callback(q);
		/* At once: the driver may have more that waits for this room. */
		if (READ_ONCE(vq->num_free) == virtqueue_get_vring_size(vq))
			__virtqueue_break(vq);
	}
	local_bh_enable();
}

/*
 * Copies the flags of the descriptors. Memory that has been pulled out reads as
 * ones: then there is nothing to copy. Returns false then.
 */
static bool vmsg_vq_copy_flags(struct virtqueue *vq, struct vring_desc *to,
			       const struct vring_desc *from)
{
	const __virtio16 unknown =
		~cpu_to_virtio16(vq->vdev, VRING_DESC_F_NEXT |
				 VRING_DESC_F_WRITE | VRING_DESC_F_INDIRECT);
	unsigned int i, size = virtqueue_get_vring_size(vq);

	for (i = 0; i < size; i++) {
		to[i].flags = READ_ONCE(from[i].flags);
		if (to[i].flags & unknown)
			goto pulled_out;
	}
	return true;

pulled_out:
	for (i = 0; i < size; i++)
		to[i].flags = 0;
	return false;
}

/*
 * Moves a split ring out of shared memory. The core follows a chain of
 * descriptors by the flags in the ring, however often they change meanwhile, so
 * before it takes a queue apart the device side must not reach them any more.
 * Flags that cannot be read are missed in chains only, and where there are
 * indirect descriptors a chain is not made but when memory is short. Without them
 * the status of a request would not be reached, and an old one could say that it
 * went well: better that the driver waits.
 *
 * Returns true when the queue can be taken apart.
 */
static bool vmsg_vq_take_home(struct vmsg_vq *q)
{
	struct vring *vring = (struct vring *)virtqueue_get_vring(q->vq);
	struct virtio_device *vdev = q->vq->vdev;
	struct vring home;

	if (q->home || virtio_has_feature(vdev, VIRTIO_F_RING_PACKED))
		return true;
	q->home = kvzalloc(vring_size(vring->num, VMSG_VQ_ALIGN), GFP_KERNEL);
	if (!q->home)
		return false;
	/*
	 * vring_init() rounds addresses up, and small memory does not begin at
	 * a multiple of VMSG_VQ_ALIGN: the end would lie beyond its own.
	 */
	vring_init(&home, vring->num, q->home, VRING_USED_ALIGN_SIZE);
	if (!vmsg_vq_copy_flags(q->vq, home.desc, vring->desc) &&
	    !virtio_has_feature(vdev, VIRTIO_RING_F_INDIRECT_DESC)) {
		kvfree(q->home);
		q->home = NULL;
		return false;
	}
	q->away = *vring;
	*vring = home;
	return true;
}

static void vmsg_vq_bury(struct vmsg_vq *q)
{
	struct virtqueue *vq = q->vq;
	unsigned int size = virtqueue_get_vring_size(vq);
	int i;

	/* Somebody resets or resizes the queue, and finds it broken. */
	if (vq->reset)
		return;
	/* Without memory the driver's buffers stay in the queue. */
	q->num_buffers = 0;
	q->buffers = kvcalloc(size, sizeof(*q->buffers), GFP_KERNEL);
	if (!q->buffers)
		return;
	WRITE_ONCE(q->undertaker, current);
	vmsg_vq_find_all(vq);
	if (!virtqueue_reset(vq, vmsg_vq_collect, NULL) && q->num_buffers) {
		vmsg_vq_return_buffers(q);
		/* Some drivers take them in a work. Then it ends for good. */
		for (i = 0; vq->callback && i < VMSG_BURY_MS; i++) {
			if (READ_ONCE(vq->num_free) == size)
				break;
			usleep_range(1000, 2000);
		}
		__virtqueue_break(vq);
	}
	q->awaited = false;
	WRITE_ONCE(q->undertaker, NULL);
	kvfree(q->buffers);
	q->buffers = NULL;
}

/**
 * vmsg_vq_kill() - the device is gone: fail all that drivers wait for
 * @vd: the device, whose pool client is not OK any more
 *
 * Context: Process context, sleeps. Takes vq_mutex.
 */
void vmsg_vq_kill(struct vmsg_dev *vd)
{
	struct vmsg_vq *q = NULL;

	guard(mutex)(&vd->vq_mutex);
	while ((q = vmsg_vq_next(vd, q))) {
		vmsg_vq_set_dormant(q);
		__virtqueue_break(q->vq);
	}
	/*
	 * Drivers work on their queues under spinlocks or with preemption
	 * off: wait for those that did not see the queue broken.
	 */
	synchronize_rcu();
	WRITE_ONCE(vd->client.closed, true);
	/* Without a pool the driver's own calls could not be kept away. */
	if (!vd->client.pool)
		return;
	q = NULL;
	while ((q = vmsg_vq_next(vd, q))) {
		/*
		 * Before DRIVER_OK nobody waits, or expects a callback. A
		 * network driver takes its buffers back by itself and keeps a
		 * context with each of them, which is known to nobody else.
		 */
		if (vmsg_vq_take_home(q) && q->awaited &&
		    vd->device_id != VIRTIO_ID_NET)
			vmsg_vq_bury(q);
	}
}
