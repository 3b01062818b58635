/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * virtio-msg: what older kernels lack.
 *
 * The only file that looks at kernel versions. Builds outside of a kernel tree
 * put it in front of every source file (gcc -include); it is not part of the
 * series for a kernel tree, and neither are the few lines under
 * VIRTIO_MSG_COMPAT.
 */
#ifndef _VIRTIO_MSG_COMPAT_H
#define _VIRTIO_MSG_COMPAT_H

#include <linux/version.h>

/* Before 6.18 a transport maps buffers with dma_map_ops. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 18, 0)
#define VIRTIO_MSG_COMPAT

#include <linux/dma-map-ops.h>
#include <linux/dma-mapping.h>
#include <linux/virtio.h>
#include <linux/virtio_ring.h>

#define VIRTIO_FEATURES_U64S 1

static inline u64 *vmsg_compat_features(struct virtio_device *vdev)
{
	return &vdev->features;
}

union virtio_map {
	struct device *dma_dev;
};

struct virtio_map_ops {
	dma_addr_t (*map_page)(union virtio_map map, struct page *page,
			       unsigned long offset, size_t size,
			       enum dma_data_direction dir, unsigned long attrs);
	void (*unmap_page)(union virtio_map map, dma_addr_t map_handle,
			   size_t size, enum dma_data_direction dir,
			   unsigned long attrs);
	void (*sync_single_for_cpu)(union virtio_map map, dma_addr_t map_handle,
				    size_t size, enum dma_data_direction dir);
	void (*sync_single_for_device)(union virtio_map map,
				       dma_addr_t map_handle, size_t size,
				       enum dma_data_direction dir);
	void *(*alloc)(union virtio_map map, size_t size,
		       dma_addr_t *map_handle, gfp_t gfp);
	void (*free)(union virtio_map map, size_t size, void *vaddr,
		     dma_addr_t map_handle, unsigned long attrs);
	bool (*need_sync)(union virtio_map map, dma_addr_t map_handle);
	int (*mapping_error)(union virtio_map map, dma_addr_t map_handle);
	size_t (*max_mapping_size)(union virtio_map map);
};

static inline struct virtqueue *
vring_create_virtqueue_map(unsigned int index, unsigned int num,
			   unsigned int vring_align, struct virtio_device *vdev,
			   bool weak_barriers, bool may_reduce_num,
			   bool context, bool (*notify)(struct virtqueue *vq),
			   void (*callback)(struct virtqueue *vq),
			   const char *name, union virtio_map map)
{
	return vring_create_virtqueue_dma(index, num, vring_align, vdev,
					  weak_barriers, may_reduce_num,
					  context, notify, callback, name,
					  map.dma_dev);
}

/* pool.c: the largest buffer that the devices of a bus can map. */
size_t vmsg_compat_max_mapping(struct device *bus_dev);

/* The map operations that the dma_map_ops below stand for; pool.c's only. */
static const struct virtio_map_ops *vmsg_compat_ops __maybe_unused;

static __maybe_unused dma_addr_t
vmsg_compat_map_page(struct device *dev, struct page *page,
		     unsigned long offset, size_t size,
		     enum dma_data_direction dir, unsigned long attrs)
{
	return vmsg_compat_ops->map_page((union virtio_map){ dev }, page,
					 offset, size, dir, attrs);
}

static __maybe_unused void
vmsg_compat_unmap_page(struct device *dev, dma_addr_t addr, size_t size,
		       enum dma_data_direction dir, unsigned long attrs)
{
	vmsg_compat_ops->unmap_page((union virtio_map){ dev }, addr, size, dir,
				    attrs);
}

static __maybe_unused void
vmsg_compat_sync_for_cpu(struct device *dev, dma_addr_t addr, size_t size,
			 enum dma_data_direction dir)
{
	vmsg_compat_ops->sync_single_for_cpu((union virtio_map){ dev }, addr,
					     size, dir);
}

static __maybe_unused void
vmsg_compat_sync_for_device(struct device *dev, dma_addr_t addr, size_t size,
			    enum dma_data_direction dir)
{
	vmsg_compat_ops->sync_single_for_device((union virtio_map){ dev }, addr,
						size, dir);
}

static __maybe_unused void *
vmsg_compat_alloc(struct device *dev, size_t size, dma_addr_t *addr, gfp_t gfp,
		  unsigned long attrs)
{
	return vmsg_compat_ops->alloc((union virtio_map){ dev }, size, addr,
				      gfp);
}

static __maybe_unused void
vmsg_compat_free(struct device *dev, size_t size, void *vaddr, dma_addr_t addr,
		 unsigned long attrs)
{
	vmsg_compat_ops->free((union virtio_map){ dev }, size, vaddr, addr,
			      attrs);
}

static const struct dma_map_ops vmsg_compat_dma_ops __maybe_unused = {
	.map_page = vmsg_compat_map_page,
	.unmap_page = vmsg_compat_unmap_page,
	.sync_single_for_cpu = vmsg_compat_sync_for_cpu,
	.sync_single_for_device = vmsg_compat_sync_for_device,
	.alloc = vmsg_compat_alloc,
	.free = vmsg_compat_free,
};

/* Drivers ask the parent of their device how large a buffer may be. */
static const struct dma_map_ops vmsg_compat_bus_ops __maybe_unused = {
	.max_mapping_size = vmsg_compat_max_mapping,
};

static inline void vmsg_compat_set_dma_ops(struct device *dev,
					   const struct dma_map_ops *ops)
{
	dev->coherent_dma_mask = DMA_BIT_MASK(64);
	dev->dma_mask = &dev->coherent_dma_mask;
	set_dma_ops(dev, ops);
}

static inline void vmsg_compat_attach(struct virtio_device *vdev,
				      const struct virtio_map_ops *ops)
{
	vmsg_compat_ops = ops;
	vmsg_compat_set_dma_ops(&vdev->dev, &vmsg_compat_dma_ops);
	vmsg_compat_set_dma_ops(vdev->dev.parent, &vmsg_compat_bus_ops);
}

#endif /* < 6.18 */

/* The flags of shmem_file_setup() were plain bits before. */
#include <linux/mm_types.h>
#ifndef EMPTY_VMA_FLAGS
#define EMPTY_VMA_FLAGS 0
#endif

#endif /* _VIRTIO_MSG_COMPAT_H */
