// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-msg: which devices a bus has.
 *
 * Announcements may come from any context, so they only set bits. hot_work turns
 * the bits into struct vmsg_dev, whose own work then talks to the device: a
 * silent one holds up nobody else. hot_work is the only one that makes entries
 * in the table of devices and takes them out.
 *
 * scan_work asks with GET_DEVICES. On a bus whose peer may be an older one, the
 * first answer tells its dialect, and until then no device is made.
 */
#include <linux/bitmap.h>
#include <linux/export.h>
#include <linux/slab.h>

#include "internal.h"

/* Windows that GET_DEVICES takes at the most, and slots in one of them. */
#define VMSG_WINDOWS		8192
#define VMSG_WINDOW_SLOTS	2048

static void vmsg_hot_mark(struct virtio_msg_bus *bus, u16 dev_num, bool added)
{
	guard(spinlock_irqsave)(&bus->hot_lock);
	if (bus->leaving)
		return;
	if (added) {
		__set_bit(dev_num, bus->added);
	} else {
		/* An announcement that nobody has looked at yet is void. */
		__clear_bit(dev_num, bus->added);
		__set_bit(dev_num, bus->removed);
	}
	queue_work(bus->wq, &bus->hot_work);
}

/**
 * virtio_msg_bus_add_device() - a device number exists
 * @bus: the bus
 * @dev_num: device number
 *
 * What EVENT_DEVICE ADDED does; for buses that know their devices otherwise.
 * A number that exists already is left alone.
 *
 * Context: Any.
 */
void virtio_msg_bus_add_device(struct virtio_msg_bus *bus, u16 dev_num)
{
	vmsg_hot_mark(bus, dev_num, true);
}
EXPORT_SYMBOL_GPL(virtio_msg_bus_add_device);

/**
 * virtio_msg_bus_remove_device() - a device number exists no more
 * @bus: the bus
 * @dev_num: device number
 *
 * What EVENT_DEVICE REMOVED does. Nothing is sent to the device any more.
 *
 * Context: Any.
 */
void virtio_msg_bus_remove_device(struct virtio_msg_bus *bus, u16 dev_num)
{
	vmsg_hot_mark(bus, dev_num, false);
}
EXPORT_SYMBOL_GPL(virtio_msg_bus_remove_device);

/* Gives a device number up, without another word to the device. */
static void vmsg_hot_drop(struct virtio_msg_bus *bus, u16 dev_num)
{
	struct vmsg_dev *vd = xa_erase(&bus->devs, dev_num);

	if (!vd)
		return;
	vmsg_dev_remove(vd, false);
	if (bus->info.ops->device_gone)
		bus->info.ops->device_gone(bus, dev_num);
	vmsg_dev_put(vd);
}

static void vmsg_hot_make(struct virtio_msg_bus *bus, u16 dev_num)
{
	struct vmsg_dev *vd;

	if (xa_load(&bus->devs, dev_num))
		return;
	vd = vmsg_dev_create(bus, dev_num);
	if (!vd || xa_err(xa_store(&bus->devs, dev_num, vd, GFP_KERNEL))) {
		vmsg_bus_err(bus, "device %u: no memory, device ignored",
			     dev_num);
		if (vd)
			vmsg_dev_put(vd);
		return;
	}
	vmsg_dev_start(vd);
}

/**
 * vmsg_hot_drop_all() - give all device numbers up
 * @bus: the bus, which is dead or has no devices
 *
 * Context: Process context, sleeps. From hot_work, or when that runs no more.
 */
void vmsg_hot_drop_all(struct virtio_msg_bus *bus)
{
	struct vmsg_dev *vd;
	unsigned long n;

	xa_for_each(&bus->devs, n, vd)
		vmsg_hot_drop(bus, n);
}

/*
 * Takes the marks of one number, both at once: a removal that comes after the
 * other mark was taken would be acted upon too late.
 */
static bool vmsg_hot_take_marks(struct virtio_msg_bus *bus, unsigned int *n,
				bool *removed, bool *added)
{
	guard(spinlock_irqsave)(&bus->hot_lock);
	*n = min(find_first_bit(bus->removed, VMSG_DEVICES),
		 find_first_bit(bus->added, VMSG_DEVICES));
	if (*n == VMSG_DEVICES)
		return false;
	*removed = __test_and_clear_bit(*n, bus->removed);
	*added = __test_and_clear_bit(*n, bus->added);
	return true;
}

static void vmsg_hot_work(struct work_struct *work)
{
	struct virtio_msg_bus *bus =
		container_of(work, struct virtio_msg_bus, hot_work);
	bool removed, added;
	unsigned int n;

	if (READ_ONCE(bus->dead)) {
		if (bus->info.ops->cut && !bus->cut_off)
			bus->info.ops->cut(bus);
		bus->cut_off = true;
		vmsg_hot_drop_all(bus);
		return;
	}
	/* Before that nobody knows how to talk to a device. */
	if (READ_ONCE(bus->dialect) == VMSG_DIALECT_UNKNOWN)
		return;
	while (vmsg_hot_take_marks(bus, &n, &removed, &added)) {
		/* A removal voids what was announced before it. */
		if (removed)
			vmsg_hot_drop(bus, n);
		if (added)
			vmsg_hot_make(bus, n);
	}
}

/* One GET_DEVICES window. Returns the next offset, 0 = done, or an errno. */
static int vmsg_hot_scan_window(struct virtio_msg_bus *bus, u8 *frames,
				size_t frame_max, u32 offset)
{
	size_t slots = vmsg_wire_window(bus->dialect, frame_max);
	struct vmsg_msg msg = {
		.type = VIRTIO_MSG_TYPE_BUS,
		.id = VIRTIO_MSG_BUS_GET_DEVICES,
		.devices.offset = offset,
		.devices.count = min3(slots, (size_t)VMSG_WINDOW_SLOTS,
				      (size_t)(VMSG_DEVICES - offset)),
	};
	u16 asked = msg.devices.count;
	unsigned int i;
	int err;

	err = vmsg_bus_request(bus, NULL, &msg, frames, frame_max);
	if (err)
		return err;
	if (msg.devices.offset != offset || msg.devices.count > asked)
		return -EPROTO;
	if (msg.devices.next_offset &&
	    (msg.devices.next_offset <= offset ||
	     msg.devices.next_offset < offset + msg.devices.count))
		return -EPROTO;
	for (i = 0; i < msg.devices.count; i++) {
		if (msg.data[i / 8] & BIT(i % 8))
			virtio_msg_bus_add_device(bus, offset + i);
	}
	return msg.devices.next_offset;
}

static void vmsg_hot_scan_work(struct work_struct *work)
{
	struct virtio_msg_bus *bus =
		container_of(work, struct virtio_msg_bus, scan_work);
	size_t frame_max = bus->frame_max;
	int offset = 0, windows = 0;
	u8 *frames;

	frames = kcalloc(2, frame_max, GFP_KERNEL);
	if (!frames)
		return;
	do {
		offset = vmsg_hot_scan_window(bus, frames, frame_max, offset);
	} while (offset > 0 && ++windows < VMSG_WINDOWS);
	kfree(frames);
	if (offset < 0 && !READ_ONCE(bus->dead))
		vmsg_bus_err(bus, "GET_DEVICES failed (%d), only devices that announce themselves are used",
			     offset);

	/* A peer that cannot be asked is taken to be of today. */
	scoped_guard(spinlock_irqsave, &bus->req_lock)
		vmsg_bus_set_dialect(bus, VMSG_DIALECT_1);
	queue_work(bus->wq, &bus->hot_work);
}

/**
 * virtio_msg_bus_discover() - look for devices
 * @bus: the bus
 *
 * Asks with GET_DEVICES, in the background. The first answer also tells which
 * dialect the peer speaks, if nobody has said it.
 *
 * Context: Any.
 */
void virtio_msg_bus_discover(struct virtio_msg_bus *bus)
{
	guard(spinlock_irqsave)(&bus->hot_lock);
	if (!bus->leaving)
		queue_work(bus->wq, &bus->scan_work);
}
EXPORT_SYMBOL_GPL(virtio_msg_bus_discover);

/**
 * vmsg_hot_init() - make the works of a bus that is being made
 * @bus: the bus
 *
 * Context: Any.
 */
void vmsg_hot_init(struct virtio_msg_bus *bus)
{
	spin_lock_init(&bus->hot_lock);
	INIT_WORK(&bus->hot_work, vmsg_hot_work);
	INIT_WORK(&bus->scan_work, vmsg_hot_scan_work);
}
