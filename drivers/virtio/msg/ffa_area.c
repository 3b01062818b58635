// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-msg over Arm FF-A: memory that is shared with a partition.
 *
 * An area is ordinary pages, as few pieces as there are to be had, or a reserved
 * region that the device tree sets apart for a partition, so that the partition
 * may have it mapped beforehand.
 *
 * What is shared belongs to the partition as well until the firmware agrees to
 * take it back. While it does not, the area is kept in a list and tried again
 * from time to time; its pages are never used for anything else. When the module
 * leaves, what still is in the list is lost for good.
 */
#include <linux/arm_ffa.h>
#include <linux/device.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/of.h>
#include <linux/of_reserved_mem.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>
#include <linux/virtio_msg_ffa.h>

#include "ffa_area.h"

/* Largest piece that is asked for, as a power of two of pages. */
#define VMSG_FFA_ORDER		9
/* How often the firmware is asked again. */
#define VMSG_FFA_RECLAIM_MS	1000

static DEFINE_MUTEX(vmsg_ffa_kept_mutex);
/* Areas that nobody needs and the firmware did not give back. */
static LIST_HEAD(vmsg_ffa_kept);

static void vmsg_ffa_reclaim_work(struct work_struct *work);
static DECLARE_DELAYED_WORK(vmsg_ffa_reclaim, vmsg_ffa_reclaim_work);

static void vmsg_ffa_area_free(struct vmsg_ffa_area *area)
{
	unsigned int n;

	sg_free_table(&area->sgt);
	if (area->pages) {
		vunmap(area->vaddr);
		for (n = 0; n < area->num_pages; n++)
			__free_page(area->pages[n]);
		kvfree(area->pages);
	} else if (area->vaddr) {
		memunmap(area->vaddr);
	}
	kfree(area);
}

/* Adds one piece of at most 2^@order pages. */
static bool vmsg_ffa_area_grow(struct vmsg_ffa_area *area, unsigned int order)
{
	struct page *page;
	unsigned int n;

	page = alloc_pages(GFP_KERNEL | __GFP_ZERO | __GFP_NOWARN |
			   (order ? __GFP_NORETRY : 0), order);
	if (!page)
		return false;
	split_page(page, order);
	for (n = 0; n < BIT(order); n++)
		area->pages[area->num_pages++] = page + n;
	return true;
}

static int vmsg_ffa_area_alloc(struct vmsg_ffa_area *area, size_t size)
{
	unsigned int want = PAGE_ALIGN(size) >> PAGE_SHIFT;
	unsigned int order = min(VMSG_FFA_ORDER, MAX_PAGE_ORDER);

	area->pages = kvcalloc(want, sizeof(*area->pages), GFP_KERNEL);
	if (!area->pages)
		return -ENOMEM;
	while (area->num_pages < want) {
		order = min_t(unsigned int, order,
			      ilog2(want - area->num_pages));
		if (vmsg_ffa_area_grow(area, order))
			continue;
		if (!order)
			return -ENOMEM;
		order--;
	}
	area->size = (size_t)want << PAGE_SHIFT;
	area->vaddr = vmap(area->pages, want, VM_MAP, PAGE_KERNEL);
	if (!area->vaddr)
		return -ENOMEM;
	return sg_alloc_table_from_pages(&area->sgt, area->pages, want, 0,
					 area->size, GFP_KERNEL);
}

/* What the device tree says about a partition. */
static struct device_node *vmsg_ffa_find_node(u16 partition)
{
	struct device_node *node;
	u32 id;

	for_each_compatible_node(node, NULL, "virtio-msg,ffa") {
		if (of_device_is_available(node) &&
		    !of_property_read_u32(node, "partition-id", &id) &&
		    id == partition)
			return node;
	}
	return NULL;
}

/* The region that it sets apart for the partition. */
static struct reserved_mem *vmsg_ffa_find_region(struct device_node *node)
{
	struct device_node *region = of_parse_phandle(node, "memory-region", 0);
	struct reserved_mem *mem = NULL;

	if (region)
		mem = of_reserved_mem_lookup(region);
	of_node_put(region);
	return mem;
}

static int vmsg_ffa_area_reserved(struct vmsg_ffa_area *area,
				  struct ffa_device *fdev,
				  const struct reserved_mem *mem)
{
	int err;

	if (!mem || mem->size > U32_MAX || !PAGE_ALIGNED(mem->base) ||
	    !PAGE_ALIGNED(mem->size) || !pfn_valid(PHYS_PFN(mem->base)) ||
	    !pfn_valid(PHYS_PFN(mem->base + mem->size - 1))) {
		dev_err(&fdev->dev, "memory-region of the device tree has to be there, and to be whole pages of memory, less than 4 GiB\n");
		return -EINVAL;
	}
	area->size = mem->size;
	area->vaddr = memremap(mem->base, mem->size, MEMREMAP_WB);
	if (!area->vaddr)
		return -ENOMEM;
	memset(area->vaddr, 0, area->size);
	err = sg_alloc_table(&area->sgt, 1, GFP_KERNEL);
	if (err)
		return err;
	sg_set_page(area->sgt.sgl, pfn_to_page(PHYS_PFN(mem->base)), mem->size,
		    0);
	return 0;
}

/**
 * vmsg_ffa_area_create() - get memory for a partition
 * @fdev: the partition
 * @size: bytes, if the device tree does not name a region
 *
 * Context: Process context, sleeps.
 * Return: the area, which nobody else sees yet, or an ERR_PTR().
 */
struct vmsg_ffa_area *vmsg_ffa_area_create(struct ffa_device *fdev, size_t size)
{
	struct vmsg_ffa_area *area = kzalloc(sizeof(*area), GFP_KERNEL);
	struct device_node *node;
	int err;

	if (!area)
		return ERR_PTR(-ENOMEM);
	area->ops = fdev->ops;
	if (fdev->dev.parent && fdev->dev.parent->driver)
		area->owner = fdev->dev.parent->driver->owner;
	node = vmsg_ffa_find_node(fdev->vm_id);
	if (node)
		err = vmsg_ffa_area_reserved(area, fdev,
					     vmsg_ffa_find_region(node));
	else
		err = vmsg_ffa_area_alloc(area, size);
	of_node_put(node);
	if (err) {
		vmsg_ffa_area_free(area);
		return ERR_PTR(err);
	}
	return area;
}

/**
 * vmsg_ffa_area_share() - let a partition see an area
 * @area: the area
 * @fdev: the partition
 *
 * Context: Process context, sleeps.
 * Return: 0, or what the firmware said.
 */
int vmsg_ffa_area_share(struct vmsg_ffa_area *area, struct ffa_device *fdev)
{
	struct ffa_mem_region_attributes attrs = {
		.receiver = fdev->vm_id,
		.attrs = FFA_MEM_RW,
	};
	struct ffa_mem_ops_args args = {
		.use_txbuf = true,
		.attrs = &attrs,
		.nattrs = 1,
		.sg = area->sgt.sgl,
	};
	int err = area->ops->mem_ops->memory_share(&args);

	if (err)
		return err;
	area->handle = args.g_handle;
	area->shared = true;
	return 0;
}

/**
 * vmsg_ffa_area_reclaim() - ask the firmware to give an area back
 * @area: the area, which the partition was asked to let go; it stays as it is
 *
 * Context: Process context, sleeps.
 * Return: true if nobody else sees it any more.
 */
bool vmsg_ffa_area_reclaim(struct vmsg_ffa_area *area)
{
	if (area->shared &&
	    area->ops->mem_ops->memory_reclaim(area->handle, 0))
		return false;
	area->shared = false;
	return true;
}

static void vmsg_ffa_reclaim_work(struct work_struct *work)
{
	struct vmsg_ffa_area *area, *next;

	guard(mutex)(&vmsg_ffa_kept_mutex);
	list_for_each_entry_safe(area, next, &vmsg_ffa_kept, node) {
		if (!vmsg_ffa_area_reclaim(area))
			continue;
		list_del(&area->node);
		module_put(area->owner);
		vmsg_ffa_area_free(area);
	}
	if (!list_empty(&vmsg_ffa_kept))
		schedule_delayed_work(&vmsg_ffa_reclaim,
				      msecs_to_jiffies(VMSG_FFA_RECLAIM_MS));
}

/**
 * vmsg_ffa_area_put() - take an area back
 * @area: the area, which the partition was asked to let go; not to be used any
 *	more
 *
 * When the firmware does not agree, the area is kept until it does.
 *
 * Context: Process context, sleeps.
 */
void vmsg_ffa_area_put(struct vmsg_ffa_area *area)
{
	if (vmsg_ffa_area_reclaim(area)) {
		vmsg_ffa_area_free(area);
		return;
	}
	pr_warn("virtio_msg_ffa: the firmware does not give %zu bytes back yet (handle %#llx), they are kept\n",
		area->size, area->handle);
	/* Without the firmware's driver nobody can ask: then it is lost. */
	if (!try_module_get(area->owner))
		return;
	guard(mutex)(&vmsg_ffa_kept_mutex);
	list_add(&area->node, &vmsg_ffa_kept);
	schedule_delayed_work(&vmsg_ffa_reclaim,
			      msecs_to_jiffies(VMSG_FFA_RECLAIM_MS));
}

/**
 * vmsg_ffa_area_exit() - try for the last time
 *
 * Context: Process context, sleeps; nobody uses areas any more.
 */
void vmsg_ffa_area_exit(void)
{
	struct vmsg_ffa_area *area;

	disable_delayed_work_sync(&vmsg_ffa_reclaim);
	vmsg_ffa_reclaim_work(NULL);
	list_for_each_entry(area, &vmsg_ffa_kept, node) {
		pr_warn("virtio_msg_ffa: %zu bytes are lost, the firmware does not give them back (handle %#llx)\n",
			area->size, area->handle);
		module_put(area->owner);
	}
}
