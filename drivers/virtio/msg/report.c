// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-msg: what a person is told of what goes wrong: a line in the log, the last
 * error in sysfs, and tracepoints.
 *
 * The limit of lines in the log is each bus's own, so that a peer that talks
 * nonsense all the time does not silence the others.
 *
 * Everything here may be called in any context.
 */
#include <kunit/visibility.h>
#include <linux/device.h>
#include <linux/jiffies.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "internal.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

/* Lines in the log for each bus, in so many jiffies. */
#define VMSG_REPORT_LINES	10
#define VMSG_REPORT_PERIOD	(5 * HZ)

/* @vd is NULL for what concerns the bus, or a number without a device. */
static void __printf(4, 0)
vmsg_report(struct virtio_msg_bus *bus, struct vmsg_dev *vd, const char *level,
	    const char *fmt, va_list args)
{
	char text[VMSG_REPORT_MAX];
	int n = 0;

	if (vd)
		n = scnprintf(text, sizeof(text), "device %u: ", vd->num);
	vscnprintf(text + n, sizeof(text) - n, fmt, args);
	scoped_guard(spinlock_irqsave, &bus->report_lock) {
		strscpy(bus->last_error, text);
		if (vd)
			strscpy(vd->last_error, text + n);
	}
	if (__ratelimit(&bus->report_limit))
		dev_printk(level, &bus->dev, "%s\n", text);
}

/**
 * vmsg_bus_err() - something is wrong with a bus
 * @bus: the bus
 * @fmt: what, without a newline
 *
 * Context: Any.
 */
void vmsg_bus_err(struct virtio_msg_bus *bus, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vmsg_report(bus, NULL, KERN_ERR, fmt, args);
	va_end(args);
}

/**
 * vmsg_dev_err() - something is wrong with a device
 * @vd: the device
 * @fmt: what, without a newline
 *
 * Context: Any.
 */
void vmsg_dev_err(struct vmsg_dev *vd, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vmsg_report(vd->bus, vd, KERN_ERR, fmt, args);
	va_end(args);
}

static void __printf(2, 3)
vmsg_bus_warn(struct virtio_msg_bus *bus, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vmsg_report(bus, NULL, KERN_WARNING, fmt, args);
	va_end(args);
}

/**
 * vmsg_bus_drop() - what the device side has sent is not used
 * @bus: the bus
 * @stat: how it is counted
 * @msg: its header, NULL when that is not known
 * @why: what is wrong with it
 *
 * Context: Any.
 */
void vmsg_bus_drop(struct virtio_msg_bus *bus, enum vmsg_stat stat,
		   const struct vmsg_msg *msg, const char *why)
{
	vmsg_bus_count(bus, stat);
	trace_vmsg_drop(bus, msg, why);
	if (msg)
		vmsg_bus_warn(bus, "device %u: message 0x%02x of type %u dropped: %s",
			      msg->dev_num, msg->id, msg->type, why);
	else
		vmsg_bus_warn(bus, "frame dropped: %s", why);
}

/**
 * vmsg_report_show() - the last error, for sysfs
 * @bus: the bus
 * @last_error: its own or that of one of its devices
 * @buf: for sysfs_emit()
 *
 * Context: Any. Takes report_lock.
 * Return: bytes in @buf; an empty line when nothing has been wrong.
 */
ssize_t vmsg_report_show(struct virtio_msg_bus *bus, const char *last_error,
			 char *buf)
{
	guard(spinlock_irqsave)(&bus->report_lock);
	return sysfs_emit(buf, "%s\n", last_error);
}

/**
 * vmsg_report_init() - get ready to report
 * @bus: the bus
 *
 * Context: Any.
 */
void vmsg_report_init(struct virtio_msg_bus *bus)
{
	spin_lock_init(&bus->report_lock);
	ratelimit_state_init(&bus->report_limit, VMSG_REPORT_PERIOD,
			     VMSG_REPORT_LINES);
}
