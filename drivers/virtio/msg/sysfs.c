// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-msg: what a person sees of buses and devices in sysfs.
 *
 * Only shows what others keep, see Documentation/ABI/testing/sysfs-class-virtio_msg
 * and sysfs-bus-virtio-msg. Called in process context by readers of the files.
 */
#include <linux/device.h>
#include <linux/sysfs.h>
#include <linux/uuid.h>

#include "internal.h"

/*
 * /sys/class/virtio_msg/<bus>/
 */

static struct virtio_msg_bus *dev_to_bus(struct device *dev)
{
	return container_of(dev, struct virtio_msg_bus, dev);
}

static ssize_t revision_show(struct device *dev, struct device_attribute *attr,
			     char *buf)
{
	return sysfs_emit(buf, "%u\n", dev_to_bus(dev)->info.revision);
}
static DEVICE_ATTR_RO(revision);

static ssize_t dialect_show(struct device *dev, struct device_attribute *attr,
			    char *buf)
{
	static const char * const names[] = {
		[VMSG_DIALECT_UNKNOWN] = "unknown",
		[VMSG_DIALECT_1] = "1",
		[VMSG_DIALECT_RFC] = "rfc",
	};

	return sysfs_emit(buf, "%s\n",
			  names[READ_ONCE(dev_to_bus(dev)->dialect)]);
}
static DEVICE_ATTR_RO(dialect);

static ssize_t max_msg_size_show(struct device *dev,
				 struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n", dev_to_bus(dev)->info.max_msg_size);
}
static DEVICE_ATTR_RO(max_msg_size);

static ssize_t features_show(struct device *dev, struct device_attribute *attr,
			     char *buf)
{
	return sysfs_emit(buf, "0x%llx\n", dev_to_bus(dev)->info.features);
}
static DEVICE_ATTR_RO(features);

static ssize_t timeout_ms_show(struct device *dev,
			       struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n", dev_to_bus(dev)->info.timeout_ms);
}
static DEVICE_ATTR_RO(timeout_ms);

static ssize_t pool_used_show(struct device *dev, struct device_attribute *attr,
			      char *buf)
{
	return sysfs_emit(buf, "%zu\n", vmsg_pool_used(dev_to_bus(dev)->info.pool));
}
static DEVICE_ATTR_RO(pool_used);

static ssize_t pool_size_show(struct device *dev, struct device_attribute *attr,
			      char *buf)
{
	return sysfs_emit(buf, "%zu\n", vmsg_pool_size(dev_to_bus(dev)->info.pool));
}
static DEVICE_ATTR_RO(pool_size);

static ssize_t pool_full_show(struct device *dev, struct device_attribute *attr,
			      char *buf)
{
	return sysfs_emit(buf, "%lu\n", vmsg_pool_full(dev_to_bus(dev)->info.pool));
}
static DEVICE_ATTR_RO(pool_full);

static ssize_t vmsg_bus_last_error_show(struct device *dev,
					struct device_attribute *attr, char *buf)
{
	struct virtio_msg_bus *bus = dev_to_bus(dev);

	return vmsg_report_show(bus, bus->last_error, buf);
}

static struct device_attribute vmsg_bus_attr_last_error =
	__ATTR(last_error, 0444, vmsg_bus_last_error_show, NULL);

static struct attribute *vmsg_bus_attrs[] = {
	&dev_attr_revision.attr,
	&dev_attr_dialect.attr,
	&dev_attr_max_msg_size.attr,
	&dev_attr_features.attr,
	&dev_attr_timeout_ms.attr,
	&dev_attr_pool_size.attr,
	&dev_attr_pool_used.attr,
	&dev_attr_pool_full.attr,
	&vmsg_bus_attr_last_error.attr,
	NULL
};

static const struct attribute_group vmsg_bus_group = {
	.attrs = vmsg_bus_attrs,
};

struct vmsg_stat_attr {
	struct device_attribute attr;
	enum vmsg_stat stat;
};

static ssize_t vmsg_stat_show(struct device *dev, struct device_attribute *attr,
			      char *buf)
{
	struct vmsg_stat_attr *sa =
		container_of(attr, struct vmsg_stat_attr, attr);

	return sysfs_emit(buf, "%ld\n",
			  atomic_long_read(&dev_to_bus(dev)->stats[sa->stat]));
}

#define VMSG_STAT_ATTR(_name, _stat)					\
	static struct vmsg_stat_attr vmsg_stat_##_name = {		\
		.attr = __ATTR(_name, 0444, vmsg_stat_show, NULL),	\
		.stat = _stat,						\
	}

VMSG_STAT_ATTR(requests, VMSG_STAT_REQUESTS);
VMSG_STAT_ATTR(responses, VMSG_STAT_RESPONSES);
VMSG_STAT_ATTR(timeouts, VMSG_STAT_TIMEOUTS);
VMSG_STAT_ATTR(events, VMSG_STAT_EVENTS);
VMSG_STAT_ATTR(kicks, VMSG_STAT_KICKS);
VMSG_STAT_ATTR(kicks_merged, VMSG_STAT_KICKS_MERGED);
VMSG_STAT_ATTR(malformed, VMSG_STAT_MALFORMED);
VMSG_STAT_ATTR(unexpected, VMSG_STAT_UNEXPECTED);

static struct attribute *vmsg_stat_attrs[] = {
	&vmsg_stat_requests.attr.attr,
	&vmsg_stat_responses.attr.attr,
	&vmsg_stat_timeouts.attr.attr,
	&vmsg_stat_events.attr.attr,
	&vmsg_stat_kicks.attr.attr,
	&vmsg_stat_kicks_merged.attr.attr,
	&vmsg_stat_malformed.attr.attr,
	&vmsg_stat_unexpected.attr.attr,
	NULL
};

static const struct attribute_group vmsg_stat_group = {
	.name = "statistics",
	.attrs = vmsg_stat_attrs,
};

const struct attribute_group *vmsg_bus_groups[] = {
	&vmsg_bus_group,
	&vmsg_stat_group,
	NULL
};

/*
 * /sys/bus/virtio/devices/virtio<N>/virtio_msg/
 */

static struct vmsg_dev *dev_to_vmsg(struct device *dev)
{
	return to_vmsg_dev(dev_to_virtio(dev));
}

static ssize_t dev_num_show(struct device *dev, struct device_attribute *attr,
			    char *buf)
{
	return sysfs_emit(buf, "%u\n", dev_to_vmsg(dev)->num);
}
static DEVICE_ATTR_RO(dev_num);

static ssize_t uuid_show(struct device *dev, struct device_attribute *attr,
			 char *buf)
{
	return sysfs_emit(buf, "%pUb\n", dev_to_vmsg(dev)->uuid);
}
static DEVICE_ATTR_RO(uuid);

static ssize_t admin_vqs_show(struct device *dev, struct device_attribute *attr,
			      char *buf)
{
	struct vmsg_dev *vd = dev_to_vmsg(dev);

	return sysfs_emit(buf, "%u %u\n", vd->admin_vq_start,
			  vd->admin_vq_count);
}
static DEVICE_ATTR_RO(admin_vqs);

static ssize_t requests_show(struct device *dev, struct device_attribute *attr,
			     char *buf)
{
	return sysfs_emit(buf, "%ld\n",
			  atomic_long_read(&dev_to_vmsg(dev)->requests));
}
static DEVICE_ATTR_RO(requests);

static ssize_t failures_show(struct device *dev, struct device_attribute *attr,
			     char *buf)
{
	return sysfs_emit(buf, "%ld\n",
			  atomic_long_read(&dev_to_vmsg(dev)->failures));
}
static DEVICE_ATTR_RO(failures);

static ssize_t vmsg_dev_last_error_show(struct device *dev,
					struct device_attribute *attr, char *buf)
{
	struct vmsg_dev *vd = dev_to_vmsg(dev);

	return vmsg_report_show(vd->bus, vd->last_error, buf);
}

static struct device_attribute vmsg_dev_attr_last_error =
	__ATTR(last_error, 0444, vmsg_dev_last_error_show, NULL);

static ssize_t state_show(struct device *dev, struct device_attribute *attr,
			  char *buf)
{
	static const char * const names[] = {
		[VMSG_DEV_PROBING] = "probing",
		[VMSG_DEV_RUNNING] = "running",
		[VMSG_DEV_NEEDS_RESET] = "needs reset",
		[VMSG_DEV_GONE] = "gone",
	};

	return sysfs_emit(buf, "%s\n", names[READ_ONCE(dev_to_vmsg(dev)->state)]);
}
static DEVICE_ATTR_RO(state);

static struct attribute *vmsg_dev_attrs[] = {
	&dev_attr_dev_num.attr,
	&dev_attr_uuid.attr,
	&dev_attr_admin_vqs.attr,
	&dev_attr_requests.attr,
	&dev_attr_state.attr,
	&dev_attr_failures.attr,
	&vmsg_dev_attr_last_error.attr,
	NULL
};

static const struct attribute_group vmsg_dev_group = {
	.name = "virtio_msg",
	.attrs = vmsg_dev_attrs,
};

const struct attribute_group *vmsg_dev_groups[] = {
	&vmsg_dev_group,
	NULL
};
