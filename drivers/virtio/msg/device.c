// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-msg: one virtio device per device number.
 *
 * It turns the virtio core's operations into messages, and answers from what it
 * knows already where that is as good: device information and offered features
 * are read once, the status is what the device answered last, and the
 * configuration space is read as a whole and kept until something may have
 * changed it. "Something" is counted in config_seq: EVENT_CONFIG, an own write,
 * a reset, the end of feature negotiation. So nobody ever reads bytes that are
 * older than the last of these.
 *
 * One request at a time is under way for a device, under vd->lock. Nothing here
 * holds a lock around register_virtio_device() or unregister_virtio_device();
 * both run in the device's own work, so they never meet, and a device that makes
 * its driver wait holds up no other.
 *
 * A device that fails is cut off from everything but a reset: its queues are
 * broken, its buffers failed (vq.c), its part of the pool kept apart (pool.c).
 * A reset that succeeds brings it back.
 */
#include <kunit/visibility.h>
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/slab.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>

#include "internal.h"

/* How often the configuration is read again because it changed meanwhile. */
#define VMSG_CONFIG_TRIES	16
/* Milliseconds between looks at a reset that goes on: from, up to. */
#define VMSG_RESET_POLL_MIN	1
#define VMSG_RESET_POLL_MAX	100

/*
 * References
 */

static void vmsg_dev_free(struct kref *ref)
{
	struct vmsg_dev *vd = container_of(ref, struct vmsg_dev, ref);

	kfree(vd->frames);
	kvfree(vd->config);
	put_device(&vd->bus->dev);
	kfree_rcu(vd, rcu);
}

/**
 * vmsg_dev_put() - drop a reference
 * @vd: the device
 *
 * Context: Process context.
 */
void vmsg_dev_put(struct vmsg_dev *vd)
{
	kref_put(&vd->ref, vmsg_dev_free);
}

/*
 * Requests
 */

/* Caller holds vd->lock. */
static int vmsg_dev_ask_locked(struct vmsg_dev *vd, struct vmsg_msg *msg)
{
	int err;

	lockdep_assert_held(&vd->lock);
	if (READ_ONCE(vd->state) == VMSG_DEV_GONE)
		return -ENODEV;
	msg->dev_num = vd->num;
	atomic_long_inc(&vd->requests);
	err = vmsg_bus_request(vd->bus, vd, msg, vd->frames, vd->frame_max);
	if (err == -ETIMEDOUT)
		vmsg_dev_err(vd, "no answer to message 0x%02x within %u ms, needs a reset",
			     msg->id, vd->bus->info.timeout_ms);
	if (err && err != -ENODEV)
		vmsg_dev_fail(vd);
	return err;
}

/**
 * vmsg_dev_ask() - one request to a device
 * @vd: the device
 * @msg: the request, then the response; without data
 *
 * Context: Process context, sleeps. Takes vd->lock.
 * Return: 0, -EIO when the device has failed and needs a reset first, -ENODEV
 * when it is gone, -ETIMEDOUT when it fails now.
 */
int vmsg_dev_ask(struct vmsg_dev *vd, struct vmsg_msg *msg)
{
	guard(mutex)(&vd->lock);
	if (READ_ONCE(vd->state) == VMSG_DEV_NEEDS_RESET)
		return -EIO;
	return vmsg_dev_ask_locked(vd, msg);
}

static size_t vmsg_dev_room(struct vmsg_dev *vd, u8 type, u8 id)
{
	return vmsg_wire_data_room(vd->bus->dialect, type, id,
				   vd->frame_max);
}

/*
 * Failure
 */

static void vmsg_dev_fail_work(struct work_struct *work)
{
	struct vmsg_dev *vd = container_of(work, struct vmsg_dev, fail_work);

	/* A reset may have come first. */
	if (READ_ONCE(vd->state) == VMSG_DEV_NEEDS_RESET)
		vmsg_vq_kill(vd);
	vmsg_dev_put(vd);
}

/**
 * vmsg_dev_fail() - the device did what it must not, or asks for a reset
 * @vd: the device
 *
 * Context: Any. Takes event_lock.
 */
void vmsg_dev_fail(struct vmsg_dev *vd)
{
	guard(spinlock_irqsave)(&vd->event_lock);
	if (vd->state != VMSG_DEV_RUNNING)
		return;
	WRITE_ONCE(vd->state, VMSG_DEV_NEEDS_RESET);
	WRITE_ONCE(vd->client.state, VMSG_POOL_SUSPECT);
	atomic_long_inc(&vd->failures);
	kref_get(&vd->ref);
	if (!queue_work(vd->bus->wq, &vd->fail_work))
		vmsg_dev_put(vd);
}

/*
 * A driver that is to stop, or that has not finished its probe, may wait for its
 * buffers. A device that does not give back a single one within a timeout has lost
 * them, or means harm: it fails, which ends the wait.
 */

static void vmsg_dev_watch_on(struct vmsg_dev *vd)
{
	vd->watch_from = atomic_read(&vd->given_back);
	queue_delayed_work(vd->bus->wq, &vd->watch_work,
			   msecs_to_jiffies(vd->bus->info.timeout_ms));
}

static void vmsg_dev_watch_work(struct work_struct *work)
{
	struct vmsg_dev *vd = container_of(to_delayed_work(work),
					   struct vmsg_dev, watch_work);

	if (atomic_read(&vd->given_back) == vd->watch_from &&
	    READ_ONCE(vd->state) == VMSG_DEV_RUNNING) {
		vmsg_dev_err(vd, "gives no buffers back within %u ms although its driver is to stop, needs a reset",
			     vd->bus->info.timeout_ms);
		vmsg_dev_fail(vd);
	}
	vmsg_dev_watch_on(vd);
}

/* Ends with vmsg_dev_unwatch(); a device that is gone is not waited for. */
static void vmsg_dev_watch(struct vmsg_dev *vd)
{
	guard(spinlock_irqsave)(&vd->event_lock);
	if (vd->state != VMSG_DEV_GONE)
		vmsg_dev_watch_on(vd);
}

static void vmsg_dev_unwatch(struct vmsg_dev *vd)
{
	cancel_delayed_work_sync(&vd->watch_work);
}

/* After a reset: the device is quiet, what it could write to is free again. */
static void vmsg_dev_recover(struct vmsg_dev *vd)
{
	scoped_guard(spinlock_irqsave, &vd->event_lock) {
		if (vd->state == VMSG_DEV_NEEDS_RESET)
			WRITE_ONCE(vd->state, VMSG_DEV_RUNNING);
		if (vd->state == VMSG_DEV_RUNNING) {
			WRITE_ONCE(vd->client.state, VMSG_POOL_OK);
			WRITE_ONCE(vd->client.closed, false);
		}
	}
	vmsg_pool_client_release(&vd->client);
}

/*
 * Events
 */

static void vmsg_dev_config_event(struct vmsg_dev *vd,
				  const struct vmsg_msg *msg)
{
	/* The bytes that the event may carry are not needed: they are re-read. */
	atomic_inc(&vd->config_seq);
	WRITE_ONCE(vd->status_stale, true);
	if (msg->event_config.status & VIRTIO_CONFIG_S_NEEDS_RESET) {
		/* No word to the driver: it would only find nothing to read. */
		vmsg_dev_err(vd, "asks for a reset; unbind and bind its driver");
		vmsg_dev_fail(vd);
		return;
	}
	guard(spinlock_irqsave)(&vd->event_lock);
	if (vd->config_ready)
		virtio_config_changed(&vd->vdev);
	else
		vd->config_pending = true;
}

/**
 * vmsg_dev_event() - EVENT_CONFIG or EVENT_USED
 * @vd: the device
 * @msg: the event
 *
 * Context: Any, under RCU. Takes event_lock or a queue's lock.
 * Return: 0, -EINVAL for a queue that there is not.
 */
int vmsg_dev_event(struct vmsg_dev *vd, const struct vmsg_msg *msg)
{
	if (READ_ONCE(vd->state) == VMSG_DEV_GONE)
		return -ENODEV;
	if (msg->id == VIRTIO_MSG_EVENT_USED)
		return vmsg_vq_used(vd, msg->vqueue.index);
	vmsg_dev_config_event(vd, msg);
	return 0;
}

/*
 * Configuration space
 */

/* Reads all of it once. -EAGAIN when it changed on the way. */
static int vmsg_dev_read_config(struct vmsg_dev *vd)
{
	size_t room = vmsg_dev_room(vd, VIRTIO_MSG_TYPE_RESPONSE,
				    VIRTIO_MSG_GET_CONFIG);
	int seq = atomic_read(&vd->config_seq);
	struct vmsg_msg msg;
	u32 offset = 0, n;
	int err;

	do {
		n = min_t(size_t, vd->config_size - offset, room);
		msg = (struct vmsg_msg) {
			.id = VIRTIO_MSG_GET_CONFIG,
			.config.offset = offset,
			.config.length = n,
		};
		err = vmsg_dev_ask_locked(vd, &msg);
		if (err)
			return err;
		if (msg.config.offset != offset || msg.config.length != n)
			return -EPROTO;
		if (!offset)
			vd->config_gen = msg.config.generation;
		else if (vd->config_gen != msg.config.generation)
			return -EAGAIN;
		memcpy(vd->config + offset, msg.data, n);
		offset += n;
	} while (offset < vd->config_size);

	/* An event that came meanwhile may be about what was read first. */
	if (atomic_read(&vd->config_seq) != seq)
		return -EAGAIN;
	vd->config_at = seq;
	vd->config_valid = true;
	return 0;
}

static int vmsg_dev_fresh_config(struct vmsg_dev *vd)
{
	int tries, err = 0;

	if (vd->config_valid && vd->config_at == atomic_read(&vd->config_seq))
		return 0;
	vd->config_valid = false;
	if (READ_ONCE(vd->state) == VMSG_DEV_NEEDS_RESET)
		return -EIO;
	if (!vd->config_size)
		return 0;
	for (tries = 0; tries < VMSG_CONFIG_TRIES; tries++) {
		err = vmsg_dev_read_config(vd);
		if (err != -EAGAIN)
			break;
	}
	if (err && err != -ENODEV)
		vmsg_dev_err(vd, "configuration cannot be read (%d)", err);
	return err;
}

static void vmsg_dev_get(struct virtio_device *vdev, unsigned int offset,
			 void *buf, unsigned int len)
{
	struct vmsg_dev *vd = to_vmsg_dev(vdev);
	u32 n = 0;

	guard(mutex)(&vd->lock);
	/* What the device does not have, or does not tell, reads as nothing. */
	if (offset < vd->config_size && !vmsg_dev_fresh_config(vd)) {
		n = min(len, vd->config_size - offset);
		memcpy(buf, vd->config + offset, n);
	}
	memset(buf + n, 0, len - n);
}

static int vmsg_dev_write_config(struct vmsg_dev *vd, u32 offset,
				 const void *buf, u32 len)
{
	bool strict = vd->bus->info.features &
		      BIT_ULL(VIRTIO_MSG_F_STRICT_CONFIG_GENERATION);
	struct vmsg_msg msg;
	int tries, err;

	for (tries = 0; tries < VMSG_CONFIG_TRIES; tries++) {
		/* The strict profile wants the generation that was seen last. */
		if (strict) {
			err = vmsg_dev_fresh_config(vd);
			if (err)
				return err;
		}
		msg = (struct vmsg_msg) {
			.id = VIRTIO_MSG_SET_CONFIG,
			.config.generation = strict ? vd->config_gen : 0,
			.config.offset = offset,
			.config.length = len,
			.data = buf,
			.data_len = len,
		};
		err = vmsg_dev_ask_locked(vd, &msg);
		atomic_inc(&vd->config_seq);
		if (err)
			return err;
		if (msg.config.length == len)
			return 0;
		if (msg.config.length)
			return -EPROTO;
		/* Not applied. In the baseline profile that is final. */
		if (!strict)
			return -EPERM;
	}
	return -EAGAIN;
}

static void vmsg_dev_set(struct virtio_device *vdev, unsigned int offset,
			 const void *buf, unsigned int len)
{
	struct vmsg_dev *vd = to_vmsg_dev(vdev);
	size_t room = vmsg_dev_room(vd, 0, VIRTIO_MSG_SET_CONFIG);
	u32 done = 0, n;
	int err = 0;

	guard(mutex)(&vd->lock);
	if (READ_ONCE(vd->state) == VMSG_DEV_NEEDS_RESET)
		return;
	if (offset > vd->config_size || len > vd->config_size - offset)
		err = -EINVAL;
	while (!err && done < len) {
		n = min_t(size_t, len - done, room);
		err = vmsg_dev_write_config(vd, offset + done, buf + done, n);
		done += n;
	}
	if (err && err != -ENODEV)
		vmsg_dev_err(vd, "configuration bytes %u to %u cannot be written (%d)",
			     offset, offset + len - 1, err);
}

static u32 vmsg_dev_generation(struct virtio_device *vdev)
{
	struct vmsg_dev *vd = to_vmsg_dev(vdev);

	/*
	 * Not the device's own: it may stay the same for ever in the baseline
	 * profile. This one moves whenever the copy may have.
	 */
	guard(mutex)(&vd->lock);
	vmsg_dev_fresh_config(vd);
	return vd->config_at;
}

/*
 * Status
 */

/*
 * The device can take back what was written, and ask for a reset. It cannot
 * make up anything else, nor think better of it before the next write: the virtio
 * core relies on that with a WARN(). @known is what could be there at most.
 */
static void vmsg_dev_note_status(struct vmsg_dev *vd, u32 status, u32 known)
{
	vd->status = status & (known | VIRTIO_CONFIG_S_NEEDS_RESET);
	if (status & VIRTIO_CONFIG_S_NEEDS_RESET)
		vmsg_dev_fail(vd);
}

static u8 vmsg_dev_get_status(struct virtio_device *vdev)
{
	struct vmsg_dev *vd = to_vmsg_dev(vdev);
	struct vmsg_msg msg = { .id = VIRTIO_MSG_GET_DEVICE_STATUS };

	guard(mutex)(&vd->lock);
	/* After a reset, even after one that failed, there is no status. */
	if (!vd->status_written)
		return 0;
	if (READ_ONCE(vd->state) == VMSG_DEV_NEEDS_RESET)
		return vd->status | VIRTIO_CONFIG_S_NEEDS_RESET;
	if (READ_ONCE(vd->status_stale)) {
		WRITE_ONCE(vd->status_stale, false);
		if (!vmsg_dev_ask_locked(vd, &msg))
			vmsg_dev_note_status(vd, msg.status, vd->status);
	}
	return vd->status;
}

/* Writes status 0 and waits until the device reads it back. */
static int vmsg_dev_do_reset(struct vmsg_dev *vd)
{
	unsigned long deadline = jiffies +
				 msecs_to_jiffies(vd->bus->info.timeout_ms);
	unsigned int pause = VMSG_RESET_POLL_MIN;
	struct vmsg_msg msg = { .id = VIRTIO_MSG_SET_DEVICE_STATUS };
	int err;

	lockdep_assert_held(&vd->lock);
	err = vmsg_dev_ask_locked(vd, &msg);
	while (!err && msg.status) {
		if (time_after(jiffies, deadline))
			return -ETIMEDOUT;
		fsleep(pause * USEC_PER_MSEC);
		pause = min(2 * pause, VMSG_RESET_POLL_MAX);
		msg = (struct vmsg_msg) { .id = VIRTIO_MSG_GET_DEVICE_STATUS };
		err = vmsg_dev_ask_locked(vd, &msg);
	}
	return err;
}

static void vmsg_dev_reset(struct virtio_device *vdev)
{
	struct vmsg_dev *vd = to_vmsg_dev(vdev);
	int err;

	flush_work(&vd->fail_work);
	vmsg_vq_stop(vd);
	if (vd->bus->info.ops->synchronize)
		vd->bus->info.ops->synchronize(vd->bus);

	guard(mutex)(&vd->lock);
	atomic_inc(&vd->config_seq);
	vd->status_written = 0;
	vd->status = 0;
	WRITE_ONCE(vd->status_stale, false);
	err = vmsg_dev_do_reset(vd);
	if (!err) {
		vmsg_dev_recover(vd);
	} else if (err != -ENODEV) {
		vmsg_dev_err(vd, "does not finish its reset (%d), its memory is kept",
			     err);
		vmsg_dev_fail(vd);
	}
}

/*
 * The virtio core resets a device when its driver goes, but not when a probe has
 * failed. So a status that says no more than DRIVER to a device that failed is
 * the next probe, and needs the reset that never happened.
 */
static bool vmsg_dev_begins_anew(struct vmsg_dev *vd, u8 status)
{
	u8 added = status & ~vd->status & ~VIRTIO_CONFIG_S_NEEDS_RESET;

	if (READ_ONCE(vd->state) != VMSG_DEV_NEEDS_RESET &&
	    !(vd->status & VIRTIO_CONFIG_S_FAILED))
		return false;
	return (status & VIRTIO_CONFIG_S_DRIVER) &&
	       !(added & ~VIRTIO_CONFIG_S_DRIVER);
}

static int vmsg_dev_write_status(struct vmsg_dev *vd, u8 status)
{
	struct vmsg_msg msg = {
		.id = VIRTIO_MSG_SET_DEVICE_STATUS,
		.status = status,
	};
	int err;

	guard(mutex)(&vd->lock);
	vd->status_written = status;
	if (READ_ONCE(vd->state) == VMSG_DEV_NEEDS_RESET) {
		/* The device will not hear it, the core still has to. */
		vd->status |= status & VIRTIO_CONFIG_S_FAILED;
		return -EIO;
	}
	err = vmsg_dev_ask_locked(vd, &msg);
	if (!err)
		vmsg_dev_note_status(vd, msg.status, vd->status_written);
	return err;
}

static void vmsg_dev_set_status(struct virtio_device *vdev, u8 status)
{
	struct vmsg_dev *vd = to_vmsg_dev(vdev);

	if (vmsg_dev_begins_anew(vd, status)) {
		vmsg_dev_reset(vdev);
		status = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;
	}
	if (status & VIRTIO_CONFIG_S_DRIVER_OK)
		vmsg_vq_await(vd);
	if (vmsg_dev_write_status(vd, status))
		return;
	/* What the configuration holds may depend on the features. */
	if ((status & VIRTIO_CONFIG_S_FEATURES_OK) &&
	    !(status & VIRTIO_CONFIG_S_DRIVER_OK))
		atomic_inc(&vd->config_seq);
	if (!(status & VIRTIO_CONFIG_S_DRIVER_OK))
		return;
	if (!(vd->status & VIRTIO_CONFIG_S_DRIVER_OK)) {
		/* The driver is not told, and would wait for its queues. */
		vmsg_dev_err(vd, "does not take DRIVER_OK, needs a reset");
		vmsg_dev_fail(vd);
	} else if (READ_ONCE(vd->state) == VMSG_DEV_RUNNING) {
		vmsg_vq_start(vd);
	}
}

/*
 * Features
 */

static int vmsg_dev_read_features(struct vmsg_dev *vd)
{
	u32 room = vmsg_dev_room(vd, VIRTIO_MSG_TYPE_RESPONSE,
				 VIRTIO_MSG_GET_DEVICE_FEATURES) / sizeof(u32);
	u64 features[VIRTIO_FEATURES_U64S] = {};
	struct vmsg_msg msg;
	u32 block, n, i;
	int err;

	for (block = 0; block < vd->num_blocks; block += n) {
		n = min(vd->num_blocks - block, room);
		msg = (struct vmsg_msg) {
			.id = VIRTIO_MSG_GET_DEVICE_FEATURES,
			.features.index = block,
			.features.count = n,
		};
		err = vmsg_dev_ask_locked(vd, &msg);
		if (err)
			return err;
		if (msg.features.index != block || msg.features.count < n)
			return -EPROTO;
		for (i = 0; i < n; i++)
			features[(block + i) / 2] |=
				(u64)vmsg_wire_block(&msg, i) <<
				(32 * ((block + i) % 2));
	}
	memcpy(vd->features, features, sizeof(features));
	vd->features_valid = true;
	return 0;
}

static void vmsg_dev_get_extended_features(struct virtio_device *vdev,
					   u64 *features)
{
	struct vmsg_dev *vd = to_vmsg_dev(vdev);
	int err = 0;

	guard(mutex)(&vd->lock);
	if (!vd->features_valid && READ_ONCE(vd->state) != VMSG_DEV_NEEDS_RESET)
		err = vmsg_dev_read_features(vd);
	if (err && err != -ENODEV)
		vmsg_dev_err(vd, "features cannot be read (%d)", err);
	memcpy(features, vd->features, sizeof(vd->features));
}

static u64 vmsg_dev_get_features(struct virtio_device *vdev)
{
	u64 features[VIRTIO_FEATURES_U64S];

	vmsg_dev_get_extended_features(vdev, features);
	return features[0];
}

static int vmsg_dev_write_features(struct vmsg_dev *vd, const u64 *features)
{
	u8 words[VMSG_FEATURE_BLOCKS * sizeof(u32)];
	struct vmsg_msg msg = {
		.id = VIRTIO_MSG_SET_DRIVER_FEATURES,
		.features.count = vd->num_blocks,
		.data = words,
		.data_len = vd->num_blocks * sizeof(u32),
	};
	u32 i;

	/* Even the smallest frame has room for all blocks of this kernel. */
	for (i = 0; i < vd->num_blocks; i++)
		vmsg_wire_put_block(words, i, features[i / 2] >> (32 * (i % 2)));
	return vmsg_dev_ask(vd, &msg);
}

/*
 * The core walks a split ring by flags that the device side can change at any time,
 * and so frees what is in use: see "What stands in the way" in overview.rst.
 */
VISIBLE_IF_KUNIT bool vmsg_dev_split_rings = true;
EXPORT_SYMBOL_IF_KUNIT(vmsg_dev_split_rings);
module_param_named(split_rings, vmsg_dev_split_rings, bool, 0644);
MODULE_PARM_DESC(split_rings, "Accept devices without packed rings (default Y). N is for device sides that are not trusted: by the flags of a split ring they can stop a CPU or get freed memory written to");

static int vmsg_dev_finalize_features(struct virtio_device *vdev)
{
	struct vmsg_dev *vd = to_vmsg_dev(vdev);
	bool ring_reset = __virtio_test_bit(vdev, VIRTIO_F_RING_RESET);

	vring_transport_features(vdev);
	/* The core clears what the ring code alone does not know. */
	if (ring_reset)
		__virtio_set_bit(vdev, VIRTIO_F_RING_RESET);
	/*
	 * The core takes buffers for used up to the one that the device names,
	 * and does not look whether there is such a one: a driver that adds
	 * them again goes on for ever. Nor can it reset a split ring like that.
	 */
	__virtio_clear_bit(vdev, VIRTIO_F_IN_ORDER);

	if (!__virtio_test_bit(vdev, VIRTIO_F_VERSION_1)) {
		vmsg_dev_err(vd, "does not offer VIRTIO_F_VERSION_1, legacy devices do not work here");
		return -EINVAL;
	}
	if (!READ_ONCE(vmsg_dev_split_rings) &&
	    !__virtio_test_bit(vdev, VIRTIO_F_RING_PACKED)) {
		vmsg_dev_err(vd, "does not offer VIRTIO_F_RING_PACKED, and split rings are not accepted: see the parameter split_rings of virtio_msg");
		return -EINVAL;
	}
	/*
	 * virtio_balloon takes the bit away, as it names pages by their frame
	 * numbers. Its rings and buffers go through the pool all the same.
	 */
	if (vd->device_id == VIRTIO_ID_BALLOON &&
	    (vd->features[0] & BIT_ULL(VIRTIO_F_ACCESS_PLATFORM)))
		__virtio_set_bit(vdev, VIRTIO_F_ACCESS_PLATFORM);
	if (vd->client.pool &&
	    !__virtio_test_bit(vdev, VIRTIO_F_ACCESS_PLATFORM)) {
		vmsg_dev_err(vd, "does not offer VIRTIO_F_ACCESS_PLATFORM, but sees no memory besides the pool of its bus");
		return -EINVAL;
	}
	return vmsg_dev_write_features(vd, vmsg_dev_driver_features(vd));
}

/*
 * The rest of struct virtio_config_ops
 */

static const char *vmsg_dev_bus_name(struct virtio_device *vdev)
{
	return dev_name(&to_vmsg_dev(vdev)->bus->dev);
}

static void vmsg_dev_synchronize_cbs(struct virtio_device *vdev)
{
	struct vmsg_dev *vd = to_vmsg_dev(vdev);

	if (vd->bus->info.ops->synchronize)
		vd->bus->info.ops->synchronize(vd->bus);
	vmsg_vq_synchronize(vd);
}

static bool vmsg_dev_get_shm_region(struct virtio_device *vdev,
				    struct virtio_shm_region *region, u8 id)
{
	struct vmsg_dev *vd = to_vmsg_dev(vdev);
	const struct virtio_msg_bus_ops *ops = vd->bus->info.ops;
	struct vmsg_msg msg = {
		.id = VIRTIO_MSG_GET_SHM,
		.shm.id = id,
	};
	phys_addr_t phys;

	if (!ops->shm_region || vmsg_dev_ask(vd, &msg))
		return false;
	if (msg.shm.id != id || !msg.shm.length ||
	    msg.shm.address + msg.shm.length < msg.shm.address)
		return false;
	if (ops->shm_region(vd->bus, msg.shm.address, msg.shm.length, &phys))
		return false;
	region->addr = phys;
	region->len = msg.shm.length;
	return true;
}

static const struct virtio_config_ops vmsg_dev_config_ops = {
	.get = vmsg_dev_get,
	.set = vmsg_dev_set,
	.generation = vmsg_dev_generation,
	.get_status = vmsg_dev_get_status,
	.set_status = vmsg_dev_set_status,
	.reset = vmsg_dev_reset,
	.find_vqs = vmsg_vq_find,
	.del_vqs = vmsg_vq_del,
	.synchronize_cbs = vmsg_dev_synchronize_cbs,
	.get_features = vmsg_dev_get_features,
#ifndef VIRTIO_MSG_COMPAT
	.get_extended_features = vmsg_dev_get_extended_features,
#endif
	.finalize_features = vmsg_dev_finalize_features,
	.bus_name = vmsg_dev_bus_name,
	.get_shm_region = vmsg_dev_get_shm_region,
	.disable_vq_and_reset = vmsg_vq_disable_and_reset,
	.enable_vq_after_reset = vmsg_vq_enable_after_reset,
};

/*
 * Life of a device
 */

static int vmsg_dev_read_info(struct vmsg_dev *vd)
{
	struct vmsg_msg msg = { .id = VIRTIO_MSG_GET_DEVICE_INFO };
	int err;

	scoped_guard(mutex, &vd->lock)
		err = vmsg_dev_ask_locked(vd, &msg);
	if (err)
		return err;
	if (!msg.info.device_id)
		return -ENODEV;
	if (msg.info.max_virtqueues > VMSG_DEVICES ||
	    msg.info.admin_vq_count > msg.info.max_virtqueues ||
	    msg.info.admin_vq_start >
	    msg.info.max_virtqueues - msg.info.admin_vq_count)
		return -EPROTO;

	vd->device_id = msg.info.device_id;
	/* Its driver has a WARN for more sense data than there can be. */
	if (vd->device_id == VIRTIO_ID_SCSI)
		vd->client.zero_head = sizeof(__virtio32);
	vd->vendor_id = msg.info.vendor_id;
	memcpy(vd->uuid, msg.info.uuid, sizeof(vd->uuid));
	/* Blocks that this kernel does not know cannot be negotiated. */
	vd->num_blocks = min(msg.info.num_feature_blocks, VMSG_FEATURE_BLOCKS);
	vd->config_size = min(msg.info.config_size, VMSG_CONFIG_MAX);
	WRITE_ONCE(vd->max_vqs, msg.info.max_virtqueues);
	vd->admin_vq_start = msg.info.admin_vq_start;
	vd->admin_vq_count = msg.info.admin_vq_count;
	vd->config = kvzalloc(max(vd->config_size, 1U), GFP_KERNEL);
	return vd->config ? 0 : -ENOMEM;
}

static void vmsg_dev_vdev_release(struct device *dev)
{
	vmsg_dev_put(to_vmsg_dev(dev_to_virtio(dev)));
}

static int vmsg_dev_register(struct vmsg_dev *vd)
{
	struct device *dev = &vd->vdev.dev;
	int err;

	err = vmsg_dev_read_info(vd);
	if (err)
		return err;

	vd->vdev.id.device = vd->device_id;
	vd->vdev.id.vendor = vd->vendor_id;
	vd->vdev.config = &vmsg_dev_config_ops;
	dev->parent = vd->client.pool ? &vd->bus->dev : vd->bus->dev.parent;
	dev->release = vmsg_dev_vdev_release;
	dev->groups = vmsg_dev_groups;
	if (vd->client.pool)
		vmsg_pool_attach(&vd->vdev);

	scoped_guard(spinlock_irqsave, &vd->event_lock) {
		if (vd->state != VMSG_DEV_PROBING)
			return -ENODEV;
		WRITE_ONCE(vd->state, VMSG_DEV_RUNNING);
	}
	/* From here on the virtio core's reference counts as well. */
	kref_get(&vd->ref);
	err = register_virtio_device(&vd->vdev);
	if (err) {
		put_device(dev);
		return err;
	}
	vd->registered = true;

	/* Now its config_lock exists; what came before is delivered here. */
	scoped_guard(spinlock_irqsave, &vd->event_lock) {
		vd->config_ready = true;
		if (vd->config_pending)
			virtio_config_changed(&vd->vdev);
	}
	return 0;
}

static void vmsg_dev_unregister(struct vmsg_dev *vd)
{
	scoped_guard(spinlock_irqsave, &vd->event_lock)
		vd->config_ready = false;
	vd->registered = false;
	unregister_virtio_device(&vd->vdev);
}

/*
 * A driver that is to leave may wait for its buffers before it resets the device.
 * One that has fallen silent, or has begun anew behind our back, never gives them
 * back: find out now.
 */
static void vmsg_dev_check(struct vmsg_dev *vd)
{
	struct vmsg_msg msg = { .id = VIRTIO_MSG_GET_DEVICE_STATUS };

	guard(mutex)(&vd->lock);
	if (!(vd->status_written & VIRTIO_CONFIG_S_DRIVER_OK) ||
	    READ_ONCE(vd->state) != VMSG_DEV_RUNNING)
		return;
	if (!vmsg_dev_ask_locked(vd, &msg) &&
	    !(msg.status & VIRTIO_CONFIG_S_DRIVER_OK))
		vmsg_dev_fail(vd);
}

static void vmsg_dev_finish(struct vmsg_dev *vd)
{
	struct virtio_msg_bus *bus = vd->bus;

	if (vd->registered) {
		vmsg_dev_check(vd);
		vmsg_dev_unregister(vd);
	}
	vmsg_dev_unwatch(vd);
	vmsg_pool_client_exit(&vd->client);
	if (atomic_dec_and_test(&bus->num_devs))
		wake_up(&bus->dev_gone);
}

static void vmsg_dev_work(struct work_struct *work)
{
	struct vmsg_dev *vd = container_of(work, struct vmsg_dev, work);
	int err;

	if (!vd->finished && !vd->tried && !READ_ONCE(vd->leaving)) {
		vd->tried = true;
		err = vmsg_dev_register(vd);
		if (err && READ_ONCE(vd->state) != VMSG_DEV_GONE) {
			vmsg_dev_err(vd, "cannot be used (%d); announce it again to retry",
				     err);
			virtio_msg_bus_remove_device(vd->bus, vd->num);
		}
	}
	if (!vd->finished && READ_ONCE(vd->leaving)) {
		vd->finished = true;
		vmsg_dev_finish(vd);
	}
	vmsg_dev_put(vd);
}

/* Runs vmsg_dev_work() once more, with a reference of its own. */
static void vmsg_dev_queue(struct vmsg_dev *vd)
{
	kref_get(&vd->ref);
	if (!queue_work(vd->bus->wq, &vd->work))
		vmsg_dev_put(vd);
}

/**
 * vmsg_dev_create() - a device number exists
 * @bus: the bus
 * @num: device number
 *
 * Context: Process context.
 * Return: the device with one reference, NULL without memory.
 */
struct vmsg_dev *vmsg_dev_create(struct virtio_msg_bus *bus, u16 num)
{
	struct vmsg_dev *vd = kzalloc(sizeof(*vd), GFP_KERNEL);

	if (!vd)
		return NULL;
	vd->frame_max = bus->frame_max;
	vd->frames = kcalloc(2, vd->frame_max, GFP_KERNEL);
	if (!vd->frames ||
	    vmsg_pool_client_init(&vd->client, bus->info.pool)) {
		kfree(vd->frames);
		kfree(vd);
		return NULL;
	}
	vd->bus = bus;
	get_device(&bus->dev);
	vd->num = num;
	kref_init(&vd->ref);
	INIT_WORK(&vd->work, vmsg_dev_work);
	INIT_DELAYED_WORK(&vd->watch_work, vmsg_dev_watch_work);
	INIT_WORK(&vd->fail_work, vmsg_dev_fail_work);
	spin_lock_init(&vd->event_lock);
	mutex_init(&vd->lock);
	mutex_init(&vd->vq_mutex);
	return vd;
}

/**
 * vmsg_dev_start() - ask the device what it is, and register it
 * @vd: the device, in the bus's table
 *
 * Goes on in the background, until vmsg_dev_remove().
 *
 * Context: Process context.
 */
void vmsg_dev_start(struct vmsg_dev *vd)
{
	atomic_inc(&vd->bus->num_devs);
	vmsg_dev_queue(vd);
}

/**
 * vmsg_dev_remove() - the device goes
 * @vd: the device, which has been started
 * @peer_alive: it can still be reset; else nothing is sent to it any more
 *
 * Goes on in the background. It may be called again when the peer dies.
 *
 * Context: Process context, sleeps.
 */
void vmsg_dev_remove(struct vmsg_dev *vd, bool peer_alive)
{
	bool was_gone;

	if (peer_alive) {
		vmsg_dev_watch(vd);
	} else {
		scoped_guard(spinlock_irqsave, &vd->event_lock) {
			was_gone = vd->state == VMSG_DEV_GONE;
			WRITE_ONCE(vd->state, VMSG_DEV_GONE);
			WRITE_ONCE(vd->client.state, VMSG_POOL_DEAD);
		}
		if (!was_gone) {
			vmsg_bus_abort(vd->bus, vd->num);
			vmsg_vq_kill(vd);
		}
	}
	WRITE_ONCE(vd->leaving, true);
	vmsg_dev_queue(vd);
}

#ifdef CONFIG_PM_SLEEP
/**
 * vmsg_dev_freeze() - stop the driver and reset the device
 * @vd: the device
 *
 * Context: Process context, sleeps.
 * Return: 0, or what the driver said.
 */
int vmsg_dev_freeze(struct vmsg_dev *vd)
{
	int err = 0;

	vmsg_dev_watch(vd);
	flush_work(&vd->work);
	if (vd->registered && !vd->frozen) {
		err = virtio_device_freeze(&vd->vdev);
		vd->frozen = !err;
	}
	vmsg_dev_unwatch(vd);
	return err;
}

/**
 * vmsg_dev_restore() - start the driver again
 * @vd: the device
 *
 * Context: Process context, sleeps.
 * Return: 0, or what the driver said.
 */
int vmsg_dev_restore(struct vmsg_dev *vd)
{
	flush_work(&vd->work);
	if (!vd->registered || !vd->frozen)
		return 0;
	vd->frozen = false;
	return virtio_device_restore(&vd->vdev);
}
#endif

/**
 * vmsg_dev_shutdown() - the system goes down: stop the device for good
 * @vd: the device
 *
 * Context: Process context, sleeps.
 */
void vmsg_dev_shutdown(struct vmsg_dev *vd)
{
	vmsg_dev_watch(vd);
	flush_work(&vd->work);
	vmsg_dev_unwatch(vd);
	if (!vd->registered)
		return;
	virtio_break_device(&vd->vdev);
	vmsg_dev_reset(&vd->vdev);
}

static int __init vmsg_init(void)
{
	return vmsg_bus_init();
}
module_init(vmsg_init);

static void __exit vmsg_exit(void)
{
	vmsg_bus_exit();
}
module_exit(vmsg_exit);

MODULE_DESCRIPTION("virtio transport by messages");
MODULE_LICENSE("GPL");
