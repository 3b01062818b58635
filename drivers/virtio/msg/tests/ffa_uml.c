// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-msg: the FF-A bus driver where there is no FF-A.
 *
 * FF-A belongs to 64-bit Arm, but neither the driver nor the bus code that binds
 * it does: here they are compiled for User Mode Linux, as they are. What the
 * driver calls outside of &struct ffa_ops and a test wants to see or to decide,
 * pages and the device tree, is replaced by macros before.
 *
 * Below is what tests may know of the driver's inside.
 */
#include "fake_ffa.h"

#include <linux/bottom_half.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/of.h>
#include <linux/srcu.h>
#include <linux/vmalloc.h>

#undef pr_fmt
#include "../../../firmware/arm_ffa/bus.c"

/* A device tree of one node at most, see &struct fake_ffa_firmware. */
static struct device_node ffa_uml_node;

static struct device_node *ffa_uml_find_node(struct device_node *from,
					     const char *type,
					     const char *compatible)
{
	return fake_firmware.node && !from ? &ffa_uml_node : NULL;
}

static bool ffa_uml_available(const struct device_node *node)
{
	return !fake_firmware.node_off;
}

static int ffa_uml_read_u32(const struct device_node *node, const char *name,
			    u32 *value)
{
	*value = fake_firmware.node_for;
	return 0;
}

static struct device_node *ffa_uml_parse(const struct device_node *node,
					 const char *name, int index)
{
	return &ffa_uml_node;
}

static struct reserved_mem *ffa_uml_region(struct device_node *node)
{
	return fake_firmware.reserved;
}

#define of_find_compatible_node	ffa_uml_find_node
#define of_device_is_available	ffa_uml_available
#define of_property_read_u32	ffa_uml_read_u32
#define of_parse_phandle	ffa_uml_parse
#define of_reserved_mem_lookup	ffa_uml_region
#undef alloc_pages
#define alloc_pages		fake_firmware_alloc_pages
#undef __free_page
#define __free_page		fake_firmware_free_page

#include "../ffa_area.c"
#include "../ffa_msg.c"
#include "../ffa.c"

static int ffa_uml_probed;

static int ffa_uml_probe(struct ffa_device *fdev)
{
	ffa_uml_probed = vmsg_ffa_probe(fdev);
	return ffa_uml_probed;
}

/**
 * ffa_uml_init() - limits for the test that begins
 * @timeout: the driver's timeout_ms
 * @pool: the driver's pool_kb
 */
void ffa_uml_init(unsigned int timeout, unsigned int pool)
{
	timeout_ms = timeout;
	pool_kb = pool;
	vmsg_ffa_driver.probe = ffa_uml_probe;
}

/**
 * ffa_uml_probe_result() - what the last probe said
 *
 * Return: 0 or a negative errno.
 */
int ffa_uml_probe_result(void)
{
	return ffa_uml_probed;
}

/**
 * ffa_uml_partitions() - partitions that the driver knows
 *
 * Return: how many.
 */
unsigned int ffa_uml_partitions(void)
{
	guard(spinlock_irqsave)(&vmsg_ffa_list_lock);
	return list_count_nodes(&vmsg_ffa_list);
}

/**
 * ffa_uml_list() - take a partition out of the driver's list, or put it back
 * @fdev: the partition, bound to the driver and, when it ends, in the list
 * @listed: it is to be in the list
 */
void ffa_uml_list(struct ffa_device *fdev, bool listed)
{
	struct vmsg_ffa *ffa = ffa_dev_get_drvdata(fdev);

	guard(spinlock_irqsave)(&vmsg_ffa_list_lock);
	if (listed)
		list_add(&ffa->node, &vmsg_ffa_list);
	else
		list_del(&ffa->node);
}

/**
 * ffa_uml_poll_ms() - pause before the next look for events
 * @fdev: the partition, bound to the driver
 *
 * Return: milliseconds.
 */
unsigned int ffa_uml_poll_ms(struct ffa_device *fdev)
{
	struct vmsg_ffa *ffa = ffa_dev_get_drvdata(fdev);

	return READ_ONCE(ffa->poll_ms);
}

/**
 * ffa_uml_polls() - is there going to be a look for events?
 * @fdev: the partition, bound to the driver
 *
 * Return: true if there is.
 */
bool ffa_uml_polls(struct ffa_device *fdev)
{
	struct vmsg_ffa *ffa = ffa_dev_get_drvdata(fdev);

	return delayed_work_pending(&ffa->poll_work);
}

/**
 * ffa_uml_postpone() - no look for events without a reason
 * @fdev: the partition, bound to the driver
 *
 * The next one that is due only because time has passed is in an hour.
 */
void ffa_uml_postpone(struct ffa_device *fdev)
{
	struct vmsg_ffa *ffa = ffa_dev_get_drvdata(fdev);

	mod_delayed_work(vmsg_ffa_wq, &ffa->poll_work, 3600 * HZ);
}

/**
 * ffa_uml_bus() - the bus of a partition
 * @fdev: the partition, bound to the driver
 *
 * Return: the bus.
 */
struct virtio_msg_bus *ffa_uml_bus(struct ffa_device *fdev)
{
	struct vmsg_ffa *ffa = ffa_dev_get_drvdata(fdev);

	return ffa->bus;
}

/**
 * ffa_uml_kept() - areas that the firmware has not given back
 *
 * Return: how many.
 */
unsigned int ffa_uml_kept(void)
{
	guard(mutex)(&vmsg_ffa_kept_mutex);
	return list_count_nodes(&vmsg_ffa_kept);
}

/**
 * ffa_uml_flush() - wait until the driver's works have run that were queued
 */
void ffa_uml_flush(void)
{
	flush_workqueue(vmsg_ffa_wq);
}

/**
 * ffa_uml_exit() - what the driver does about memory when its module goes
 */
void ffa_uml_exit(void)
{
	vmsg_ffa_area_exit();
	enable_delayed_work(&vmsg_ffa_reclaim);
	if (ffa_uml_kept())
		schedule_delayed_work(&vmsg_ffa_reclaim, 0);
}
