// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-msg: the AMP bus. Devices are behind shared memory and a doorbell.
 *
 * Somebody else brings the memory, and is asked to ring the doorbell; amp_fifo.c
 * knows the queues in that memory. Here a bus is made of both.
 *
 * Receiving: an interrupt does nothing but start rx_work. That takes at most one
 * queue's worth of frames, hands them to the core and, if there may be more,
 * starts itself again behind whatever else is to run. So neither time with
 * interrupts off nor anything else here depends on how much the peer sends.
 *
 * Sending: one lock, one copy, one doorbell. A kick that finds no room leaves a
 * mark in the core, and room_work looks for room from time to time, as nobody
 * tells when there is some; requests wait for it, but not for ever.
 *
 * The link: link_work takes both sides through the states of format layout and
 * makes a bus instance when both are in RUN. If the peer leaves RUN, the instance
 * dies, and another one is made when the peer is back. In format spsc nobody can
 * tell, so there the instance lives as long as the link. link_work comes by every
 * second to find an interrupt that got lost.
 */
#include <linux/bottom_half.h>
#include <linux/delay.h>
#include <linux/device.h>
#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/virtio_msg.h>
#include <linux/virtio_msg_amp.h>
#include <linux/workqueue.h>

#include "amp_fifo.h"

/* How often the peer is looked at: while it is to come up, and while it runs. */
#define VMSG_AMP_POLL		msecs_to_jiffies(50)
#define VMSG_AMP_WATCH		msecs_to_jiffies(1000)
/*
 * How long a peer in RUN is given to notice that this side begins anew. One that
 * shares a pool may still be writing there for earlier users.
 */
#define VMSG_AMP_LINGER		msecs_to_jiffies(300)
#define VMSG_AMP_LINGER_POOL	msecs_to_jiffies(5000)
/* Longest pause between two looks for room. */
#define VMSG_AMP_ROOM_MAX	msecs_to_jiffies(100)

static unsigned int timeout_ms = 5000;
module_param(timeout_ms, uint, 0644);
MODULE_PARM_DESC(timeout_ms, "Milliseconds that an answer of the device side may take, for buses to come (default 5000)");

/**
 * enum vmsg_amp_state - how far the link is
 * @VMSG_AMP_DOWN: is about to begin
 * @VMSG_AMP_INIT: this side has begun anew, and the peer has to notice
 * @VMSG_AMP_READY: this side is ready, and the peer has to be
 * @VMSG_AMP_RUN: this side runs, and the peer has to notice
 * @VMSG_AMP_UP: both run, and there is a bus
 */
enum vmsg_amp_state {
	VMSG_AMP_DOWN,
	VMSG_AMP_INIT,
	VMSG_AMP_READY,
	VMSG_AMP_RUN,
	VMSG_AMP_UP,
};

/**
 * struct virtio_msg_amp - one link
 * @info: what there is
 * @fifo: the queues; @tx_lock serialises sending, @rx_work receives
 * @link_work: moves @state; the only one to do so
 * @state: see &enum vmsg_amp_state
 * @linger_until: jiffies, in state INIT
 * @adopted: the numbers of the queues go on where the peer stands
 * @dma: the device side may reach this machine's memory
 * @listen: nothing is said before the device side has sent something
 * @started: virtio_msg_amp_start() has been called
 * @gone: the carrier is gone; the memory is not to be touched any more
 * @stopped: the bus instance ends or is dead, so nobody waits for room
 * @bus_lock: protects the making and ending of @bus
 * @bus: the bus instance, or NULL. The works use it without the lock: who ends
 *	it clears it and then waits for them.
 * @wq: where @rx_work and @room_work run; block devices' I/O depends on them
 * @rx_work: takes frames out of the queue
 * @frames: where it puts them
 * @tx_lock: protects sending, @starved and @room_delay
 * @starved: a kick has found no room
 * @room_delay: jiffies to the next look for room
 * @room_work: looks for room
 */
struct virtio_msg_amp {
	struct virtio_msg_amp_info info;
	struct vmsg_fifo fifo;

	struct delayed_work link_work;
	enum vmsg_amp_state state;
	unsigned long linger_until;
	bool adopted;
	bool dma;
	bool listen;
	bool started;
	bool gone;
	bool stopped;

	spinlock_t bus_lock; /* the making and ending of @bus */
	struct virtio_msg_bus *bus;

	struct workqueue_struct *wq;
	struct work_struct rx_work;
	u8 *frames;

	spinlock_t tx_lock; /* sending */
	bool starved;
	unsigned long room_delay;
	struct delayed_work room_work;
};

static void vmsg_amp_ring(struct virtio_msg_amp *amp)
{
	if (!READ_ONCE(amp->gone))
		amp->info.ops->doorbell(amp->info.priv);
}

static void vmsg_amp_set_dma(struct virtio_msg_amp *amp, bool on)
{
	if (amp->info.ops->dma && amp->dma != on)
		amp->info.ops->dma(amp->info.priv, on);
	amp->dma = on;
}

static void vmsg_amp_wake_link(struct virtio_msg_amp *amp, unsigned long delay)
{
	mod_delayed_work(system_long_wq, &amp->link_work, delay);
}

static void vmsg_amp_set_status(struct virtio_msg_amp *amp, u16 status)
{
	/* In DOWN nobody knows where it would have to be written. */
	if (READ_ONCE(amp->gone) || amp->state == VMSG_AMP_DOWN)
		return;
	vmsg_fifo_set_status(&amp->fifo, status);
	if (amp->fifo.layout && (amp->info.flags & VIRTIO_MSG_AMP_RING_STATUS))
		vmsg_amp_ring(amp);
}

/*
 * Bus operations
 */

static bool vmsg_amp_put(struct virtio_msg_amp *amp, const void *frame,
			 size_t size)
{
	guard(spinlock_irqsave)(&amp->tx_lock);
	return vmsg_fifo_put(&amp->fifo, frame, size);
}

static int vmsg_amp_send(struct virtio_msg_bus *bus, const void *frame,
			 size_t size)
{
	struct virtio_msg_amp *amp = virtio_msg_bus_priv(bus);
	unsigned long end = jiffies + msecs_to_jiffies(amp->info.timeout_ms);

	if (size > amp->fifo.stride)
		return -EMSGSIZE;
	while (!READ_ONCE(amp->stopped)) {
		if (vmsg_amp_put(amp, frame, size)) {
			vmsg_amp_ring(amp);
			return 0;
		}
		if (time_after(jiffies, end))
			return -ETIMEDOUT;
		usleep_range(200, 1000);
	}
	return -ENODEV;
}

/* Returns the bit that stands for a kick, or -1: the frame has to be sent. */
static int vmsg_amp_kick_bit(struct virtio_msg_amp *amp, u16 dev_num, u32 index,
			     const void *frame)
{
	const struct virtio_msg_event_avail *event =
		frame + sizeof(struct virtio_msg_hdr);

	if (event->next_offset)
		return -1;
	return vmsg_fifo_notif_bit(&amp->fifo, dev_num, index);
}

static int vmsg_amp_kick(struct virtio_msg_bus *bus, u16 dev_num, u32 index,
			 const void *frame)
{
	struct virtio_msg_amp *amp = virtio_msg_bus_priv(bus);
	int bit = vmsg_amp_kick_bit(amp, dev_num, index, frame);
	bool ring = true;

	if (READ_ONCE(amp->gone))
		return 0;
	scoped_guard(spinlock_irqsave, &amp->tx_lock) {
		if (bit >= 0) {
			ring = vmsg_fifo_notify(&amp->fifo, bit);
		} else if (!vmsg_fifo_put(&amp->fifo, frame,
					  VIRTIO_MSG_KICK_SIZE)) {
			if (!amp->starved) {
				amp->starved = true;
				amp->room_delay = 1;
				queue_delayed_work(amp->wq, &amp->room_work, 1);
			}
			return -EAGAIN;
		}
	}
	if (ring)
		vmsg_amp_ring(amp);
	return 0;
}

static void vmsg_amp_synchronize(struct virtio_msg_bus *bus)
{
	struct virtio_msg_amp *amp = virtio_msg_bus_priv(bus);

	flush_work(&amp->rx_work);
}

static void vmsg_amp_stop(struct virtio_msg_bus *bus)
{
	struct virtio_msg_amp *amp = virtio_msg_bus_priv(bus);

	scoped_guard(spinlock_irqsave, &amp->bus_lock)
		WRITE_ONCE(amp->bus, NULL);
	flush_work(&amp->rx_work);
	cancel_delayed_work_sync(&amp->room_work);
}

static void vmsg_amp_cut(struct virtio_msg_bus *bus)
{
	struct virtio_msg_amp *amp = virtio_msg_bus_priv(bus);

	vmsg_amp_set_dma(amp, false);
}

static const struct virtio_msg_bus_ops vmsg_amp_bus_ops = {
	.send = vmsg_amp_send,
	.kick = vmsg_amp_kick,
	.synchronize = vmsg_amp_synchronize,
	.stop = vmsg_amp_stop,
	.cut = vmsg_amp_cut,
};

/*
 * Room
 */

static bool vmsg_amp_room(struct virtio_msg_amp *amp)
{
	guard(spinlock_irqsave)(&amp->tx_lock);
	if (!amp->starved)
		return false;
	if (vmsg_fifo_has_room(&amp->fifo)) {
		amp->starved = false;
		return true;
	}
	queue_delayed_work(amp->wq, &amp->room_work, amp->room_delay);
	amp->room_delay = min(2 * amp->room_delay, VMSG_AMP_ROOM_MAX);
	return false;
}

static void vmsg_amp_room_work(struct work_struct *work)
{
	struct virtio_msg_amp *amp = container_of(to_delayed_work(work),
						  struct virtio_msg_amp,
						  room_work);
	struct virtio_msg_bus *bus = READ_ONCE(amp->bus);

	if (bus && !READ_ONCE(amp->gone) && vmsg_amp_room(amp))
		virtio_msg_bus_tx_room(bus);
}

/*
 * Receive
 */

/* Tells the core what the notification words say. */
static void vmsg_amp_notified(struct virtio_msg_amp *amp,
			      struct virtio_msg_bus *bus)
{
	u8 per_device = amp->fifo.per_device;
	u64 bits = vmsg_fifo_notified(&amp->fifo);
	unsigned int bit;

	while (bits) {
		bit = __ffs64(bits);
		bits &= bits - 1;
		virtio_msg_bus_used(bus, bit / per_device, bit % per_device);
	}
}

static void vmsg_amp_rx_work(struct work_struct *work)
{
	struct virtio_msg_amp *amp = container_of(work, struct virtio_msg_amp,
						  rx_work);
	struct virtio_msg_bus *bus = READ_ONCE(amp->bus);
	unsigned int n;

	if (READ_ONCE(amp->gone))
		return;
	if (!bus || vmsg_fifo_peer_status(&amp->fifo) != VIRTIO_MSG_AMP_RUN)
		vmsg_amp_wake_link(amp, 0);
	if (!bus)
		return;
	n = vmsg_fifo_get(&amp->fifo, amp->frames, amp->fifo.num);
	if (n && amp->listen) {
		amp->listen = false;
		virtio_msg_bus_discover(bus);
	}
	/* So drivers' callbacks find what they find in an interrupt. */
	local_bh_disable();
	vmsg_amp_notified(amp, bus);
	virtio_msg_bus_receive_all(bus, amp->frames, amp->fifo.stride, n);
	local_bh_enable();
	if (n && vmsg_amp_room(amp))
		virtio_msg_bus_tx_room(bus);
	if (n && vmsg_fifo_has_frames(&amp->fifo))
		queue_work(amp->wq, &amp->rx_work);
}

/**
 * virtio_msg_amp_interrupt() - the device side has rung
 * @amp: the link
 *
 * Context: Any, also hard interrupt.
 */
void virtio_msg_amp_interrupt(struct virtio_msg_amp *amp)
{
	queue_work(amp->wq, &amp->rx_work);
}
EXPORT_SYMBOL_GPL(virtio_msg_amp_interrupt);

/*
 * The link
 */

static int vmsg_amp_up(struct virtio_msg_amp *amp)
{
	const struct virtio_msg_bus_info info = {
		.name = "amp",
		.parent = amp->info.parent,
		.ops = &vmsg_amp_bus_ops,
		.priv = amp,
		.pool = amp->info.pool,
		.revision = VIRTIO_MSG_REVISION_FIND,
		.max_msg_size = amp->fifo.stride,
		.timeout_ms = amp->info.timeout_ms,
	};
	struct virtio_msg_bus *bus;

	WRITE_ONCE(amp->stopped, false);
	amp->starved = false;
	bus = virtio_msg_bus_register(&info);
	if (IS_ERR(bus))
		return PTR_ERR(bus);
	scoped_guard(spinlock_irqsave, &amp->bus_lock) {
		WRITE_ONCE(amp->bus, bus);
		if (amp->gone)
			virtio_msg_bus_dead(bus);
	}
	if (!amp->listen)
		virtio_msg_bus_discover(bus);
	return 0;
}

/* Ends the bus instance; the devices of one that is not dead are reset. */
static void vmsg_amp_down(struct virtio_msg_amp *amp, bool dead)
{
	struct virtio_msg_bus *bus = amp->bus;

	if (!bus)
		return;
	if (dead) {
		WRITE_ONCE(amp->stopped, true);
		virtio_msg_bus_dead(bus);
	}
	virtio_msg_bus_unregister(bus);
	vmsg_amp_set_dma(amp, false);
}

static void vmsg_amp_enter(struct virtio_msg_amp *amp, enum vmsg_amp_state state)
{
	static const u16 status[] = {
		[VMSG_AMP_INIT] = VIRTIO_MSG_AMP_INIT,
		[VMSG_AMP_READY] = VIRTIO_MSG_AMP_READY,
		[VMSG_AMP_RUN] = VIRTIO_MSG_AMP_RUN,
	};

	amp->state = state;
	vmsg_amp_set_status(amp, status[state]);
}

/* The header is read again each time: another program may be behind it. */
static unsigned long vmsg_amp_open(struct virtio_msg_amp *amp)
{
	struct vmsg_fifo fifo;
	const char *bad;
	u8 *frames;

	bad = vmsg_fifo_open(&fifo, &amp->info.window);
	if (bad) {
		dev_err_ratelimited(amp->info.parent, "virtio-msg: the header in shared memory is no good: %s\n",
				    bad);
		return VMSG_AMP_WATCH;
	}
	frames = krealloc(amp->frames, fifo.num * fifo.stride, GFP_KERNEL);
	if (!frames)
		return VMSG_AMP_WATCH;
	amp->frames = frames;
	amp->fifo = fifo;
	amp->linger_until = jiffies + (amp->info.pool ? VMSG_AMP_LINGER_POOL :
							VMSG_AMP_LINGER);
	vmsg_amp_enter(amp, VMSG_AMP_INIT);
	return 0;
}

static unsigned long vmsg_amp_step_init(struct virtio_msg_amp *amp, int peer)
{
	if (amp->fifo.layout) {
		if (peer < 0 || peer > VIRTIO_MSG_AMP_RUN)
			return VMSG_AMP_POLL;
		if (peer == VIRTIO_MSG_AMP_RUN &&
		    time_before(jiffies, amp->linger_until))
			return VMSG_AMP_POLL;
	}
	amp->adopted = peer == VIRTIO_MSG_AMP_RUN;
	vmsg_amp_set_dma(amp, true);
	/* It has spoken before this side came. */
	if (vmsg_fifo_has_spoken(&amp->fifo))
		amp->listen = false;
	vmsg_fifo_begin(&amp->fifo, !amp->adopted);
	vmsg_amp_enter(amp, VMSG_AMP_READY);
	return 0;
}

static unsigned long vmsg_amp_step_ready(struct virtio_msg_amp *amp, int peer)
{
	if (peer < 0 || peer > VIRTIO_MSG_AMP_RUN ||
	    (amp->adopted && peer != VIRTIO_MSG_AMP_RUN)) {
		/* It has noticed after all, or left again. */
		amp->state = VMSG_AMP_DOWN;
		return VMSG_AMP_POLL;
	}
	if (peer == VIRTIO_MSG_AMP_INIT)
		return VMSG_AMP_POLL;
	vmsg_amp_enter(amp, VMSG_AMP_RUN);
	return 0;
}

/* Some device sides must not be rung before they run. */
static unsigned long vmsg_amp_step_run(struct virtio_msg_amp *amp, int peer)
{
	if (peer == VIRTIO_MSG_AMP_READY)
		return VMSG_AMP_POLL;
	if (peer != VIRTIO_MSG_AMP_RUN) {
		amp->state = VMSG_AMP_DOWN;
		return VMSG_AMP_POLL;
	}
	if (vmsg_amp_up(amp)) {
		dev_err_ratelimited(amp->info.parent, "virtio-msg: no memory for a bus, trying again\n");
		return VMSG_AMP_WATCH;
	}
	amp->state = VMSG_AMP_UP;
	return VMSG_AMP_WATCH;
}

static unsigned long vmsg_amp_step_up(struct virtio_msg_amp *amp, int peer)
{
	if (peer == VIRTIO_MSG_AMP_RUN) {
		/* In case that an interrupt got lost. */
		queue_work(amp->wq, &amp->rx_work);
		return VMSG_AMP_WATCH;
	}
	dev_info_ratelimited(amp->info.parent, "virtio-msg: the device side has %s, its devices go\n",
			     peer < 0 || peer >= VIRTIO_MSG_AMP_DEAD ? "died" :
			     peer == VIRTIO_MSG_AMP_SHUTDOWN ? "left" :
							       "begun anew");
	vmsg_amp_down(amp, true);
	amp->state = VMSG_AMP_DOWN;
	return 0;
}

static void vmsg_amp_link_work(struct work_struct *work)
{
	struct virtio_msg_amp *amp = container_of(to_delayed_work(work),
						  struct virtio_msg_amp,
						  link_work);
	unsigned long delay = 0;
	int peer;

	while (!READ_ONCE(amp->gone)) {
		peer = vmsg_fifo_peer_status(&amp->fifo);
		switch (amp->state) {
		case VMSG_AMP_DOWN:
			delay = vmsg_amp_open(amp);
			break;
		case VMSG_AMP_INIT:
			delay = vmsg_amp_step_init(amp, peer);
			break;
		case VMSG_AMP_READY:
			delay = vmsg_amp_step_ready(amp, peer);
			break;
		case VMSG_AMP_RUN:
			delay = vmsg_amp_step_run(amp, peer);
			break;
		case VMSG_AMP_UP:
			delay = vmsg_amp_step_up(amp, peer);
			break;
		}
		if (!delay)
			continue;
		queue_delayed_work(system_long_wq, &amp->link_work, delay);
		return;
	}
	vmsg_amp_down(amp, true);
}

/**
 * virtio_msg_amp_register() - make a link of memory and a doorbell
 * @info: what there is; copied
 *
 * Nothing happens before virtio_msg_amp_start(). The memory must be there until
 * virtio_msg_amp_unregister() has returned.
 *
 * Context: Process context, sleeps.
 * Return: the link, or an ERR_PTR(): -EPROTO when the memory has a header that
 * cannot be used, -ENOMEM.
 */
struct virtio_msg_amp *
virtio_msg_amp_register(const struct virtio_msg_amp_info *info)
{
	struct virtio_msg_amp *amp = kzalloc(sizeof(*amp), GFP_KERNEL);
	const char *bad;

	if (!amp)
		return ERR_PTR(-ENOMEM);
	amp->info = *info;
	if (!amp->info.timeout_ms)
		amp->info.timeout_ms = max(READ_ONCE(timeout_ms), 1U);
	amp->listen = info->flags & VIRTIO_MSG_AMP_LISTEN;
	INIT_DELAYED_WORK(&amp->link_work, vmsg_amp_link_work);
	INIT_DELAYED_WORK(&amp->room_work, vmsg_amp_room_work);
	INIT_WORK(&amp->rx_work, vmsg_amp_rx_work);
	spin_lock_init(&amp->bus_lock);
	spin_lock_init(&amp->tx_lock);

	bad = vmsg_fifo_open(&amp->fifo, &amp->info.window);
	if (bad) {
		dev_err(info->parent, "virtio-msg: the header in shared memory is no good: %s\n",
			bad);
		kfree(amp);
		return ERR_PTR(-EPROTO);
	}
	amp->wq = alloc_workqueue("virtio_msg_amp",
				  WQ_UNBOUND | WQ_HIGHPRI | WQ_MEM_RECLAIM, 0);
	if (!amp->wq) {
		kfree(amp);
		return ERR_PTR(-ENOMEM);
	}
	return amp;
}
EXPORT_SYMBOL_GPL(virtio_msg_amp_register);

/**
 * virtio_msg_amp_start() - let the link begin
 * @amp: the link
 *
 * From here on virtio_msg_amp_interrupt() has to be called when the device side
 * rings.
 *
 * Context: Process context.
 */
void virtio_msg_amp_start(struct virtio_msg_amp *amp)
{
	amp->started = true;
	vmsg_amp_wake_link(amp, 0);
}
EXPORT_SYMBOL_GPL(virtio_msg_amp_start);

/**
 * virtio_msg_amp_unregister() - end a link
 * @amp: the link, not to be used any more
 *
 * The devices are reset if the device side is there.
 *
 * Context: Process context, sleeps.
 */
void virtio_msg_amp_unregister(struct virtio_msg_amp *amp)
{
	disable_delayed_work_sync(&amp->link_work);
	vmsg_amp_down(amp, READ_ONCE(amp->gone));
	if (amp->started) {
		vmsg_amp_set_status(amp, VIRTIO_MSG_AMP_SHUTDOWN);
		amp->info.ops->stop(amp->info.priv);
	}
	destroy_workqueue(amp->wq);
	kfree(amp->frames);
	kfree(amp);
}
EXPORT_SYMBOL_GPL(virtio_msg_amp_unregister);

/**
 * virtio_msg_amp_dead() - memory and doorbell are gone
 * @amp: the link
 *
 * Neither is touched any more. All who wait get errors, and the devices go.
 *
 * Context: Any.
 */
void virtio_msg_amp_dead(struct virtio_msg_amp *amp)
{
	scoped_guard(spinlock_irqsave, &amp->bus_lock) {
		WRITE_ONCE(amp->gone, true);
		WRITE_ONCE(amp->stopped, true);
		if (amp->bus)
			virtio_msg_bus_dead(amp->bus);
	}
	vmsg_amp_wake_link(amp, 0);
}
EXPORT_SYMBOL_GPL(virtio_msg_amp_dead);

/**
 * virtio_msg_amp_suspend() - the device side may lose its state
 * @amp: the link
 *
 * Drivers stop and devices are reset.
 *
 * Context: Process context, sleeps.
 * Return: 0, or a negative errno of the driver that did not want to; then all
 * goes on as before.
 */
int virtio_msg_amp_suspend(struct virtio_msg_amp *amp)
{
	int err = 0;

	disable_delayed_work_sync(&amp->link_work);
#ifdef CONFIG_PM_SLEEP
	if (amp->bus)
		err = virtio_msg_bus_freeze(amp->bus);
#else
	vmsg_amp_down(amp, false);
	amp->state = VMSG_AMP_DOWN;
#endif
	if (err) {
		enable_delayed_work(&amp->link_work);
		vmsg_amp_wake_link(amp, 0);
	}
	return err;
}
EXPORT_SYMBOL_GPL(virtio_msg_amp_suspend);

/* Is everything as it was left? */
static bool vmsg_amp_intact(struct virtio_msg_amp *amp)
{
	return vmsg_fifo_own_status(&amp->fifo) == VIRTIO_MSG_AMP_RUN &&
	       vmsg_fifo_peer_status(&amp->fifo) == VIRTIO_MSG_AMP_RUN;
}

/**
 * virtio_msg_amp_resume() - memory and doorbell are back
 * @amp: the link
 *
 * Where the device side has lost the link, its devices go and come anew.
 *
 * Context: Process context, sleeps.
 * Return: 0, or a negative errno of the first device that did not come back.
 */
int virtio_msg_amp_resume(struct virtio_msg_amp *amp)
{
	int err = 0;

	if (amp->bus && !READ_ONCE(amp->gone)) {
		if (!vmsg_amp_intact(amp)) {
			vmsg_amp_down(amp, true);
			amp->state = VMSG_AMP_DOWN;
		} else if (!amp->fifo.layout) {
			disable_work_sync(&amp->rx_work);
			vmsg_fifo_begin(&amp->fifo, false);
			enable_work(&amp->rx_work);
		}
	}
#ifdef CONFIG_PM_SLEEP
	if (amp->bus && !READ_ONCE(amp->gone))
		err = virtio_msg_bus_restore(amp->bus);
#endif
	enable_delayed_work(&amp->link_work);
	vmsg_amp_wake_link(amp, 0);
	return err;
}
EXPORT_SYMBOL_GPL(virtio_msg_amp_resume);

/**
 * virtio_msg_amp_shutdown() - the system goes down
 * @amp: the link
 *
 * Devices are reset, so that none of them writes into the next kernel's memory.
 *
 * Context: Process context, sleeps.
 */
void virtio_msg_amp_shutdown(struct virtio_msg_amp *amp)
{
	disable_delayed_work_sync(&amp->link_work);
	if (amp->bus)
		virtio_msg_bus_shutdown(amp->bus);
	vmsg_amp_set_status(amp, VIRTIO_MSG_AMP_SHUTDOWN);
	vmsg_amp_set_dma(amp, false);
}
EXPORT_SYMBOL_GPL(virtio_msg_amp_shutdown);

MODULE_DESCRIPTION("virtio-msg AMP bus: virtio devices behind shared memory and a doorbell");
MODULE_LICENSE("GPL");
