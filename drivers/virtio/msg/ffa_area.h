/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * virtio-msg over Arm FF-A: memory that is shared with a partition.
 */
#ifndef _VIRTIO_MSG_FFA_AREA_H
#define _VIRTIO_MSG_FFA_AREA_H

#include <linux/list.h>
#include <linux/scatterlist.h>
#include <linux/types.h>

struct device;
struct ffa_device;
struct ffa_ops;

/**
 * struct vmsg_ffa_area - memory that a partition sees, or will see, or has seen
 * @node: in the list of areas that nobody needs any more
 * @vaddr: where this kernel sees it
 * @size: bytes
 * @pages: its pages, NULL when it is a reserved region
 * @num_pages: how many
 * @sgt: where it lies
 * @ops: how to take it back
 * @owner: whose @ops these are
 * @handle: what the firmware calls it
 * @shared: it is shared
 */
struct vmsg_ffa_area {
	struct list_head node;
	void *vaddr;
	size_t size;
	struct page **pages;
	unsigned int num_pages;
	struct sg_table sgt;
	const struct ffa_ops *ops;
	struct module *owner;
	u64 handle;
	bool shared;
};

struct vmsg_ffa_area *vmsg_ffa_area_create(struct ffa_device *fdev, size_t size);
int vmsg_ffa_area_share(struct vmsg_ffa_area *area, struct ffa_device *fdev);
bool vmsg_ffa_area_reclaim(struct vmsg_ffa_area *area);
void vmsg_ffa_area_put(struct vmsg_ffa_area *area);
void vmsg_ffa_area_exit(void);

#endif /* _VIRTIO_MSG_FFA_AREA_H */
