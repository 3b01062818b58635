// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-msg: tests of pool.c.
 *
 * Buffers are mapped through the operations that the virtio core gets, for a
 * device that exists.
 */
#include <kunit/run-in-irq-context.h>
#include <kunit/test.h>
#include <linux/bitmap.h>
#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>

#include "fake_device.h"

#define GRANULE		512
#define GRANULES	(FAKE_POOL_SIZE / GRANULE)

/**
 * struct pt - what a pool test works with
 * @fb: the bus
 * @fd: its device
 * @drv: the driver's side
 * @vd: the core's side
 * @base: bytes of the pool that the device's ring takes
 */
struct pt {
	struct fake_bus *fb;
	struct fake_dev *fd;
	struct fake_drv *drv;
	struct vmsg_dev *vd;
	size_t base;
};

static int pool_init(struct kunit *test)
{
	struct pt *pt = kunit_kzalloc(test, sizeof(*pt), GFP_KERNEL);

	if (!pt)
		return -ENOMEM;
	fake_driver_register(test);
	pt->fb = fake_bus_default(test);
	pt->fd = fake_dev_create(pt->fb, 3);
	pt->drv = fake_bind(pt->fd);
	pt->vd = fake_vmsg_dev(pt->fd);
	pt->base = vmsg_pool_used(pt->fb->pool);
	test->priv = pt;
	return 0;
}

static dma_addr_t map_attrs(struct pt *pt, void *buf, size_t size,
			    enum dma_data_direction dir, unsigned long attrs)
{
	struct virtio_device *vdev = &pt->vd->vdev;

	return vdev->map->map_page(vdev->vmap, virt_to_page(buf),
				   offset_in_page(buf), size, dir, attrs);
}

static dma_addr_t map(struct pt *pt, void *buf, size_t size,
		      enum dma_data_direction dir)
{
	return map_attrs(pt, buf, size, dir, 0);
}

static void unmap(struct pt *pt, dma_addr_t address, size_t size,
		  enum dma_data_direction dir)
{
	struct virtio_device *vdev = &pt->vd->vdev;

	vdev->map->unmap_page(vdev->vmap, address, size, dir, 0);
}

static bool failed(struct pt *pt, dma_addr_t address)
{
	struct virtio_device *vdev = &pt->vd->vdev;

	return vdev->map->mapping_error(vdev->vmap, address);
}

/* The device's view. */
static u8 *seen(struct pt *pt, dma_addr_t address)
{
	return (u8 *)pt->fb->mem + (address - FAKE_POOL_ADDR);
}

static u8 *new_buf(struct kunit *test, size_t size, u8 fill)
{
	u8 *buf = kunit_kmalloc(test, size, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, buf);
	return memset(buf, fill, size);
}

static bool all_are(const u8 *buf, u8 value, size_t size)
{
	return !memchr_inv(buf, value, size);
}

/*
 * What the device sees
 */

static void pool_to_device(struct kunit *test)
{
	struct pt *pt = test->priv;
	u8 *page = new_buf(test, PAGE_SIZE, 0x99);
	dma_addr_t address;

	/* Neighbours of the buffer hold somebody's secret. */
	memset(page + 100, 0x11, 40);
	address = map(pt, page + 100, 40, DMA_TO_DEVICE);
	KUNIT_ASSERT_FALSE(test, failed(pt, address));
	KUNIT_EXPECT_TRUE(test, all_are(seen(pt, address), 0x11, 40));
	KUNIT_EXPECT_NULL(test, memchr(pt->fb->mem, 0x99, FAKE_POOL_SIZE));
	/* What the device writes there goes nowhere. */
	memset(seen(pt, address), 0x22, 40);
	unmap(pt, address, 40, DMA_TO_DEVICE);
	KUNIT_EXPECT_TRUE(test, all_are(page + 100, 0x11, 40));
	KUNIT_EXPECT_EQ(test, vmsg_pool_used(pt->fb->pool), pt->base);
}

static void pool_from_device(struct kunit *test)
{
	struct pt *pt = test->priv;
	u8 *page = new_buf(test, PAGE_SIZE, 0x99);
	dma_addr_t address;

	address = map(pt, page + 100, 40, DMA_FROM_DEVICE);
	KUNIT_ASSERT_FALSE(test, failed(pt, address));
	/* Neither what is in the buffer nor what was here before. */
	KUNIT_EXPECT_TRUE(test, all_are(seen(pt, address), 0, 40));
	KUNIT_EXPECT_NULL(test, memchr(pt->fb->mem, 0x99, FAKE_POOL_SIZE));
	memset(seen(pt, address), 0x22, GRANULE);
	unmap(pt, address, 40, DMA_FROM_DEVICE);
	KUNIT_EXPECT_TRUE(test, all_are(page + 100, 0x22, 40));
	KUNIT_EXPECT_TRUE(test, all_are(page, 0x99, 100));
	KUNIT_EXPECT_TRUE(test, all_are(page + 140, 0x99, PAGE_SIZE - 140));
}

/* The device wrote less than there was room for. */
static void pool_from_device_short(struct kunit *test)
{
	struct pt *pt = test->priv;
	u8 *buf = new_buf(test, 2000, 0x99);
	dma_addr_t address = map(pt, buf, 2000, DMA_FROM_DEVICE);

	KUNIT_ASSERT_FALSE(test, failed(pt, address));
	memset(seen(pt, address), 0x22, 10);
	unmap(pt, address, 2000, DMA_FROM_DEVICE);
	KUNIT_EXPECT_TRUE(test, all_are(buf, 0x22, 10));
	KUNIT_EXPECT_TRUE(test, all_are(buf + 10, 0, 1990));
}

/* Somebody has asked for it: what was there before is there still. */
static void pool_not_cleared(struct kunit *test)
{
	struct pt *pt = test->priv;
	u8 *buf = new_buf(test, 2000, 0x11);
	dma_addr_t first = map(pt, buf, 2000, DMA_TO_DEVICE), again;

	fake_switch_off(test, &vmsg_pool_clear_buffers);
	unmap(pt, first, 2000, DMA_TO_DEVICE);
	again = map(pt, buf, 2000, DMA_FROM_DEVICE);
	KUNIT_ASSERT_EQ(test, again, first);
	memset(buf, 0, 2000);
	unmap(pt, again, 2000, DMA_FROM_DEVICE);
	KUNIT_EXPECT_TRUE(test, all_are(buf, 0x11, 2000));
}

static void pool_both_ways(struct kunit *test)
{
	struct pt *pt = test->priv;
	u8 *buf = new_buf(test, 1000, 0x11);
	dma_addr_t address = map(pt, buf, 1000, DMA_BIDIRECTIONAL);

	KUNIT_ASSERT_FALSE(test, failed(pt, address));
	KUNIT_EXPECT_TRUE(test, all_are(seen(pt, address), 0x11, 1000));
	memset(seen(pt, address), 0x22, 500);
	unmap(pt, address, 1000, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_TRUE(test, all_are(buf, 0x22, 500));
	KUNIT_EXPECT_TRUE(test, all_are(buf + 500, 0x11, 500));
}

static void pool_skip_sync(struct kunit *test)
{
	struct pt *pt = test->priv;
	struct virtio_device *vdev = &pt->vd->vdev;
	u8 *buf = new_buf(test, 100, 0x99);
	dma_addr_t address;

	address = map_attrs(pt, buf, 100, DMA_BIDIRECTIONAL,
			    DMA_ATTR_SKIP_CPU_SYNC);
	KUNIT_ASSERT_FALSE(test, failed(pt, address));
	KUNIT_EXPECT_TRUE(test, all_are(seen(pt, address), 0, 100));
	memset(seen(pt, address), 0x22, 100);
	vdev->map->unmap_page(vdev->vmap, address, 100, DMA_BIDIRECTIONAL,
			      DMA_ATTR_SKIP_CPU_SYNC);
	KUNIT_EXPECT_TRUE(test, all_are(buf, 0x99, 100));
}

/* The last bytes of a granule are nobody's, and tell nothing. */
static void pool_no_leftovers(struct kunit *test)
{
	struct pt *pt = test->priv;
	u8 *secret = new_buf(test, 3 * GRANULE, 0x99);
	u8 *buf = new_buf(test, 3 * GRANULE, 0x11);
	dma_addr_t a, b;

	a = map(pt, secret, 3 * GRANULE, DMA_TO_DEVICE);
	KUNIT_ASSERT_FALSE(test, failed(pt, a));
	unmap(pt, a, 3 * GRANULE, DMA_TO_DEVICE);
	/* Whoever comes next gets the same place. */
	b = map(pt, buf, 3 * GRANULE - 1, DMA_FROM_DEVICE);
	KUNIT_ASSERT_EQ(test, a, b);
	KUNIT_EXPECT_TRUE(test, all_are(seen(pt, b), 0, 3 * GRANULE - 1));
	unmap(pt, b, 3 * GRANULE - 1, DMA_FROM_DEVICE);
}

struct span {
	unsigned int offset;
	unsigned int size;
};

static const struct span spans[] = {
	{ 0, 1 }, { 1, 511 }, { 1, 512 }, { 1, 513 }, { 511, 2 }, { 4095, 2 },
	{ 4000, 200 }, { 4095, 4097 }, { 100, 8192 }, { 0, 16384 },
	{ 3333, 12000 },
};

static void span_desc(const struct span *s, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%u bytes at %u", s->size,
		 s->offset);
}

KUNIT_ARRAY_PARAM(span, spans, span_desc);

/* Buffers that begin and end anywhere, over more than one page. */
static void pool_span(struct kunit *test)
{
	const struct span *s = test->param_value;
	struct pt *pt = test->priv;
	u8 *pages = new_buf(test, 8 * PAGE_SIZE, 0);
	dma_addr_t address;
	unsigned int i;

	for (i = 0; i < 8 * PAGE_SIZE; i++)
		pages[i] = i * 7 + i / 256;
	address = map(pt, pages + s->offset, s->size, DMA_BIDIRECTIONAL);
	KUNIT_ASSERT_FALSE(test, failed(pt, address));
	KUNIT_EXPECT_MEMEQ(test, seen(pt, address), pages + s->offset, s->size);
	for (i = 0; i < s->size; i++)
		seen(pt, address)[i] ^= 0xff;
	unmap(pt, address, s->size, DMA_BIDIRECTIONAL);
	for (i = 0; i < 8 * PAGE_SIZE; i++)
		pages[i] ^= (u8)(i * 7 + i / 256);
	KUNIT_EXPECT_TRUE(test, all_are(pages, 0, s->offset));
	KUNIT_EXPECT_TRUE(test, all_are(pages + s->offset, 0xff, s->size));
	KUNIT_EXPECT_TRUE(test,
			  all_are(pages + s->offset + s->size, 0,
				  8 * PAGE_SIZE - s->offset - s->size));
}

/* A part of a mapping, from the middle of it. */
static void pool_sync_range(struct kunit *test)
{
	struct pt *pt = test->priv;
	struct virtio_device *vdev = &pt->vd->vdev;
	u8 *buf = new_buf(test, 2000, 0x11);
	dma_addr_t address = map(pt, buf, 2000, DMA_BIDIRECTIONAL);

	KUNIT_ASSERT_FALSE(test, failed(pt, address));
	KUNIT_EXPECT_TRUE(test, vdev->map->need_sync(vdev->vmap, address));
	memset(seen(pt, address), 0x22, 2000);
	vdev->map->sync_single_for_cpu(vdev->vmap, address + 700, 600,
				       DMA_FROM_DEVICE);
	KUNIT_EXPECT_TRUE(test, all_are(buf, 0x11, 700));
	KUNIT_EXPECT_TRUE(test, all_are(buf + 700, 0x22, 600));
	KUNIT_EXPECT_TRUE(test, all_are(buf + 1300, 0x11, 700));

	memset(buf, 0x33, 2000);
	vdev->map->sync_single_for_device(vdev->vmap, address + 1, 1022,
					  DMA_TO_DEVICE);
	KUNIT_EXPECT_TRUE(test, all_are(seen(pt, address), 0x22, 1));
	KUNIT_EXPECT_TRUE(test, all_are(seen(pt, address) + 1, 0x33, 1022));
	KUNIT_EXPECT_TRUE(test, all_are(seen(pt, address) + 1023, 0x22, 977));
	/* Against the direction nothing moves. */
	memset(buf, 0x44, 2000);
	vdev->map->sync_single_for_device(vdev->vmap, address, 2000,
					  DMA_FROM_DEVICE);
	KUNIT_EXPECT_TRUE(test, all_are(seen(pt, address) + 1023, 0x22, 977));
	vdev->map->sync_single_for_cpu(vdev->vmap, address, 2000,
				       DMA_TO_DEVICE);
	KUNIT_EXPECT_TRUE(test, all_are(buf, 0x44, 2000));
	/* Nor anything if it were more than the buffer, as the device side may say. */
	memset(seen(pt, address) + 1900, 0x66, 101);
	vdev->map->sync_single_for_cpu(vdev->vmap, address + 1900, 101,
				       DMA_FROM_DEVICE);
	KUNIT_EXPECT_TRUE(test, all_are(buf, 0x44, 2000));
	vdev->map->sync_single_for_cpu(vdev->vmap, address + 1900, 100,
				       DMA_FROM_DEVICE);
	KUNIT_EXPECT_TRUE(test, all_are(buf, 0x44, 1900));
	KUNIT_EXPECT_TRUE(test, all_are(buf + 1900, 0x66, 100));
	unmap(pt, address, 2000, DMA_BIDIRECTIONAL);
}

/* Wherever a part begins it is found, and its neighbour's is not taken for it. */
static void pool_sync_parts(struct kunit *test)
{
	const struct span *s = test->param_value;
	struct pt *pt = test->priv;
	struct virtio_device *vdev = &pt->vd->vdev;
	u8 *pages = new_buf(test, 8 * PAGE_SIZE, 0x11);
	u8 *small = new_buf(test, GRANULE, 0x33), *buf = pages + s->offset;
	dma_addr_t before, address, after;
	unsigned int i;

	before = map(pt, small, GRANULE, DMA_FROM_DEVICE);
	address = map(pt, buf, s->size, DMA_FROM_DEVICE);
	after = map(pt, small, GRANULE, DMA_FROM_DEVICE);
	KUNIT_ASSERT_FALSE(test, failed(pt, before));
	KUNIT_ASSERT_FALSE(test, failed(pt, address));
	KUNIT_ASSERT_FALSE(test, failed(pt, after));
	for (i = 0; i < s->size; i += 100) {
		seen(pt, address)[i] = 0x22;
		vdev->map->sync_single_for_cpu(vdev->vmap, address + i, 1,
					       DMA_FROM_DEVICE);
		KUNIT_EXPECT_EQ(test, buf[i], 0x22);
		buf[i] = 0x11;
	}
	KUNIT_EXPECT_TRUE(test, all_are(pages, 0x11, 8 * PAGE_SIZE));
	KUNIT_EXPECT_TRUE(test, all_are(small, 0x33, GRANULE));
	unmap(pt, before, GRANULE, DMA_FROM_DEVICE);
	unmap(pt, address, s->size, DMA_FROM_DEVICE);
	unmap(pt, after, GRANULE, DMA_FROM_DEVICE);
}

/*
 * Places
 */

/* Maps buffers of one size until there is no room, and gives them all back. */
static unsigned int fill_and_empty(struct pt *pt, void *buf, size_t size,
				   dma_addr_t *list)
{
	unsigned int i, n;

	for (n = 0; n < GRANULES; n++) {
		list[n] = map(pt, buf, size, DMA_TO_DEVICE);
		if (failed(pt, list[n]))
			break;
	}
	for (i = 0; i < n; i++)
		unmap(pt, list[i], size, DMA_TO_DEVICE);
	return n;
}

/* Room that was used in small pieces is there for large ones, and back. */
static void pool_no_hoarding(struct kunit *test)
{
	static const size_t sizes[] = {
		1, GRANULE, 2 * GRANULE, PAGE_SIZE, 2 * PAGE_SIZE,
	};
	struct pt *pt = test->priv;
	dma_addr_t *list = kunit_kcalloc(test, GRANULES, sizeof(*list),
					 GFP_KERNEL);
	u8 *buf = new_buf(test, FAKE_POOL_SIZE / 16, 0x22);
	unsigned int large, n, i;

	KUNIT_ASSERT_NOT_NULL(test, list);
	large = fill_and_empty(pt, buf, FAKE_POOL_SIZE / 16, list);
	KUNIT_ASSERT_GE(test, large, 8);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		n = fill_and_empty(pt, buf, sizes[i], list);
		KUNIT_EXPECT_GE(test, n, large * (FAKE_POOL_SIZE / 16 /
						  max(sizes[i], GRANULE)));
		KUNIT_EXPECT_EQ(test, fill_and_empty(pt, buf,
						     FAKE_POOL_SIZE / 16, list),
				large);
		KUNIT_EXPECT_EQ(test, fill_and_empty(pt, buf, sizes[i], list), n);
	}
	KUNIT_EXPECT_EQ(test, vmsg_pool_used(pt->fb->pool), pt->base);
}

/* What was one size's place is not taken for a larger one's. */
static void pool_mixed_sizes(struct kunit *test)
{
	struct pt *pt = test->priv;
	u8 *buf = new_buf(test, 9 * GRANULE, 0x11);
	DECLARE_BITMAP(taken, GRANULES) = {};
	dma_addr_t list[9];
	unsigned int i, k;
	unsigned long g;

	for (i = 0; i < ARRAY_SIZE(list); i++) {
		list[i] = map(pt, buf, (i + 1) * GRANULE, DMA_TO_DEVICE);
		KUNIT_ASSERT_FALSE(test, failed(pt, list[i]));
		unmap(pt, list[i], (i + 1) * GRANULE, DMA_TO_DEVICE);
	}
	/* The largest one chooses first. */
	for (i = ARRAY_SIZE(list); i--; ) {
		list[i] = map(pt, buf, (i + 1) * GRANULE, DMA_TO_DEVICE);
		KUNIT_ASSERT_FALSE(test, failed(pt, list[i]));
	}
	for (i = 0; i < ARRAY_SIZE(list); i++) {
		g = (list[i] - FAKE_POOL_ADDR) / GRANULE;
		for (k = 0; k <= i; k++)
			KUNIT_EXPECT_FALSE(test, __test_and_set_bit(g + k, taken));
		unmap(pt, list[i], (i + 1) * GRANULE, DMA_TO_DEVICE);
	}
}

/* Until it is full, and then again: no place twice, none outside, not the first. */
static void pool_exhaustion(struct kunit *test)
{
	struct pt *pt = test->priv;
	unsigned long *taken = kunit_kcalloc(test, BITS_TO_LONGS(GRANULES),
					     sizeof(long), GFP_KERNEL);
	dma_addr_t *list = kunit_kcalloc(test, GRANULES, sizeof(*list),
					 GFP_KERNEL);
	u8 *buf = new_buf(test, 1500, 0x11);
	unsigned int n, i, k, rounds, first = 0;
	unsigned long g;
	dma_addr_t address;

	KUNIT_ASSERT_NOT_NULL(test, taken);
	KUNIT_ASSERT_NOT_NULL(test, list);
	for (rounds = 0; rounds < 3; rounds++) {
		bitmap_zero(taken, GRANULES);
		for (n = 0; n < GRANULES; n++) {
			address = map(pt, buf, 1500, DMA_TO_DEVICE);
			if (failed(pt, address))
				break;
			list[n] = address;
			KUNIT_ASSERT_GE(test, address,
					FAKE_POOL_ADDR + GRANULE);
			KUNIT_ASSERT_LE(test, address + 1500,
					FAKE_POOL_ADDR + FAKE_POOL_SIZE);
			KUNIT_ASSERT_EQ(test, address % GRANULE, 0);
			g = (address - FAKE_POOL_ADDR) / GRANULE;
			for (k = 0; k < 3; k++)
				KUNIT_ASSERT_FALSE(test,
						   __test_and_set_bit(g + k,
								      taken));
		}
		/* Most of it can be used, every time. */
		KUNIT_EXPECT_GE(test, n, GRANULES / 4 * 3 / 4);
		if (!rounds)
			first = n;
		KUNIT_EXPECT_EQ(test, n, first);
		KUNIT_EXPECT_GE(test, vmsg_pool_used(pt->fb->pool),
				pt->base + n * 3 * GRANULE);
		/* A smaller one may still fit; the driver gets an error else. */
		for (i = 0; i < n; i++)
			unmap(pt, list[i], 1500, DMA_TO_DEVICE);
		KUNIT_EXPECT_EQ(test, vmsg_pool_used(pt->fb->pool), pt->base);
	}
}

/* A driver that finds no room gets an error, and its buffer back. */
static void pool_full_queue(struct kunit *test)
{
	struct pt *pt = test->priv;
	dma_addr_t *list = kunit_kcalloc(test, GRANULES, sizeof(*list),
					 GFP_KERNEL);
	u8 *buf = new_buf(test, GRANULE, 0x11);
	unsigned int n;

	KUNIT_ASSERT_NOT_NULL(test, list);
	for (n = 0; n < GRANULES; n++) {
		list[n] = map(pt, buf, GRANULE, DMA_TO_DEVICE);
		if (failed(pt, list[n]))
			break;
	}
	KUNIT_EXPECT_EQ(test, -ENOMEM,
			fake_add_buf(pt->drv->vqs[0], NULL, 0, buf, 16));
	/* Each time is counted: the loop's last one and the driver's. */
	fake_expect_bus_file(pt->fb, NULL, "pool_full", "2\n");
	unmap(pt, list[--n], GRANULE, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, 0,
			fake_add_buf(pt->drv->vqs[0], NULL, 0, buf, 16));
	fake_expect_bus_file(pt->fb, NULL, "pool_full", "2\n");
	while (n--)
		unmap(pt, list[n], GRANULE, DMA_TO_DEVICE);
}

static void pool_odd_sizes(struct kunit *test)
{
	struct pt *pt = test->priv;
	u8 *buf = new_buf(test, 64, 0x11);

	KUNIT_EXPECT_TRUE(test, failed(pt, map(pt, buf, 0, DMA_TO_DEVICE)));
	/* Larger than any spare; the second one, when spares have been dropped. */
	KUNIT_EXPECT_TRUE(test, failed(pt, map(pt, buf, FAKE_POOL_SIZE,
					       DMA_TO_DEVICE)));
	KUNIT_EXPECT_TRUE(test, failed(pt, map(pt, buf, FAKE_POOL_SIZE,
					       DMA_TO_DEVICE)));
	KUNIT_EXPECT_TRUE(test, failed(pt, map(pt, buf, FAKE_POOL_SIZE + 1,
					       DMA_TO_DEVICE)));
	KUNIT_EXPECT_TRUE(test, failed(pt, map(pt, buf, SIZE_MAX,
					       DMA_TO_DEVICE)));
	KUNIT_EXPECT_TRUE(test, failed(pt, map(pt, buf, SIZE_MAX - GRANULE,
					       DMA_FROM_DEVICE)));
	KUNIT_EXPECT_EQ(test, vmsg_pool_used(pt->fb->pool), pt->base);
}

static void pool_max_mapping(struct kunit *test)
{
	struct pt *pt = test->priv;
	struct virtio_device *vdev = &pt->vd->vdev;
	size_t max = vdev->map->max_mapping_size(vdev->vmap);
	u8 *buf = new_buf(test, max, 0x11);
	dma_addr_t a[8];
	unsigned int i;

	KUNIT_EXPECT_EQ(test, max, virtio_max_dma_size(vdev));
	KUNIT_EXPECT_GE(test, max, PAGE_SIZE);
	KUNIT_EXPECT_LE(test, max, FAKE_POOL_SIZE / 8);
	/* A few of the largest find room. */
	for (i = 0; i < ARRAY_SIZE(a); i++) {
		a[i] = map(pt, buf, max, DMA_TO_DEVICE);
		KUNIT_EXPECT_FALSE(test, failed(pt, a[i]));
	}
	for (i = 0; i < ARRAY_SIZE(a); i++)
		unmap(pt, a[i], max, DMA_TO_DEVICE);
}

static void pool_alloc(struct kunit *test)
{
	struct pt *pt = test->priv;
	struct virtio_device *vdev = &pt->vd->vdev;
	dma_addr_t address = 0;
	u8 *place;

	place = vdev->map->alloc(vdev->vmap, 5000, &address, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, place);
	KUNIT_EXPECT_PTR_EQ(test, place, seen(pt, address));
	KUNIT_EXPECT_TRUE(test, all_are(place, 0, 5000));
	KUNIT_EXPECT_GE(test, vmsg_pool_used(pt->fb->pool), pt->base + 5000);
	memset(place, 0x99, 5000);
	vdev->map->free(vdev->vmap, 5000, place, address, 0);
	KUNIT_EXPECT_EQ(test, vmsg_pool_used(pt->fb->pool), pt->base);
	KUNIT_EXPECT_NULL(test, vdev->map->alloc(vdev->vmap,
						 2 * FAKE_POOL_SIZE, &address,
						 GFP_KERNEL));
}

static void pool_vaddr(struct kunit *test)
{
	struct pt *pt = test->priv;
	struct virtio_msg_pool *pool = pt->fb->pool;
	u64 end = FAKE_POOL_ADDR + FAKE_POOL_SIZE;

	KUNIT_EXPECT_PTR_EQ(test, vmsg_pool_vaddr(pool, FAKE_POOL_ADDR, 1),
			    pt->fb->mem);
	KUNIT_EXPECT_PTR_EQ(test,
			    vmsg_pool_vaddr(pool, FAKE_POOL_ADDR,
					    FAKE_POOL_SIZE), pt->fb->mem);
	KUNIT_EXPECT_PTR_EQ(test, vmsg_pool_vaddr(pool, end - 1, 1),
			    pt->fb->mem + FAKE_POOL_SIZE - 1);
	KUNIT_EXPECT_NULL(test, vmsg_pool_vaddr(pool, end - 1, 2));
	KUNIT_EXPECT_NULL(test, vmsg_pool_vaddr(pool, end, 1));
	KUNIT_EXPECT_NULL(test, vmsg_pool_vaddr(pool, FAKE_POOL_ADDR - 1, 1));
	KUNIT_EXPECT_NULL(test, vmsg_pool_vaddr(pool, FAKE_POOL_ADDR - 1, 2));
	KUNIT_EXPECT_NULL(test, vmsg_pool_vaddr(pool, 0, 1));
	KUNIT_EXPECT_NULL(test, vmsg_pool_vaddr(pool, U64_MAX, 1));
	KUNIT_EXPECT_NULL(test, vmsg_pool_vaddr(pool, FAKE_POOL_ADDR + 1,
						SIZE_MAX));
	KUNIT_EXPECT_NULL(test, vmsg_pool_vaddr(pool, FAKE_POOL_ADDR,
						FAKE_POOL_SIZE + 1));
}

static void pool_create_limits(struct kunit *test)
{
	struct pt *pt = test->priv;
	struct virtio_msg_pool *pool;
	static const struct { u64 address; size_t size; } bad[] = {
		{ 0, 0 }, { 0, 100 }, { 0, PAGE_SIZE + 1 }, { 1, PAGE_SIZE },
		{ 0xfffffffffffff000ULL, 2 * PAGE_SIZE },
		{ 0, (size_t)(1ULL << 41) },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		pool = virtio_msg_pool_create(pt->fb->mem, bad[i].address,
					      bad[i].size);
		KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(pool), -EINVAL);
	}
	pool = virtio_msg_pool_create(pt->fb->mem, 0, PAGE_SIZE);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, pool);
	KUNIT_EXPECT_EQ(test, vmsg_pool_used(pool), 0);
	KUNIT_EXPECT_PTR_EQ(test, vmsg_pool_vaddr(pool, 0, PAGE_SIZE),
			    pt->fb->mem);
	virtio_msg_pool_destroy(pool);
	KUNIT_EXPECT_EQ(test, vmsg_pool_used(NULL), 0);
}

/*
 * Trust
 */

/* Nothing new; what comes back is void; its place is kept. */
static void pool_suspect(struct kunit *test)
{
	struct pt *pt = test->priv;
	struct vmsg_pool_client *client = &pt->vd->client;
	struct virtio_device *vdev = &pt->vd->vdev;
	u8 *in = new_buf(test, 700, 0x11), *out = new_buf(test, 700, 0x33);
	dma_addr_t a, b, c, address;
	size_t used;

	a = map(pt, in, 700, DMA_FROM_DEVICE);
	b = map(pt, out, 700, DMA_TO_DEVICE);
	used = vmsg_pool_used(pt->fb->pool);
	memset(seen(pt, a), 0x22, 700);
	WRITE_ONCE(client->state, VMSG_POOL_SUSPECT);
	/* Until its queues are broken buffers are still mapped. */
	c = map(pt, out, 8, DMA_TO_DEVICE);
	KUNIT_ASSERT_FALSE(test, failed(pt, c));
	unmap(pt, c, 8, DMA_TO_DEVICE);
	used = vmsg_pool_used(pt->fb->pool);
	WRITE_ONCE(client->closed, true);

	KUNIT_EXPECT_TRUE(test, failed(pt, map(pt, out, 8, DMA_TO_DEVICE)));
	KUNIT_EXPECT_NULL(test, vdev->map->alloc(vdev->vmap, 100, &address,
						 GFP_KERNEL));
	/* A part of it reads as ones, and nothing besides. */
	vdev->map->sync_single_for_cpu(vdev->vmap, a + 600, 50, DMA_FROM_DEVICE);
	KUNIT_EXPECT_TRUE(test, all_are(in, 0x11, 600));
	KUNIT_EXPECT_TRUE(test, all_are(in + 600, 0xff, 50));
	KUNIT_EXPECT_TRUE(test, all_are(in + 650, 0x11, 50));
	unmap(pt, a, 700, DMA_FROM_DEVICE);
	unmap(pt, b, 700, DMA_TO_DEVICE);
	KUNIT_EXPECT_TRUE(test, all_are(in, 0xff, 700));
	KUNIT_EXPECT_TRUE(test, all_are(out, 0x33, 700));
	KUNIT_EXPECT_EQ(test, vmsg_pool_used(pt->fb->pool), used);
	/* It is the driver's no more. */
	memset(in, 0x11, 700);
	vdev->map->sync_single_for_cpu(vdev->vmap, a, 700, DMA_FROM_DEVICE);
	KUNIT_EXPECT_TRUE(test, all_are(in, 0x11, 700));

	/* After its reset the device is as good as any. */
	WRITE_ONCE(client->state, VMSG_POOL_OK);
	WRITE_ONCE(client->closed, false);
	c = map(pt, in, 700, DMA_FROM_DEVICE);
	KUNIT_ASSERT_FALSE(test, failed(pt, c));
	KUNIT_EXPECT_NE(test, c, a);
	KUNIT_EXPECT_NE(test, c, b);
	vmsg_pool_client_release(client);
	unmap(pt, c, 700, DMA_FROM_DEVICE);
	KUNIT_EXPECT_EQ(test, vmsg_pool_used(pt->fb->pool), pt->base);
	KUNIT_EXPECT_EQ(test, client->keeps, 0);
}

/* Another device of the same bus. */
static struct pt neighbour(struct pt *pt)
{
	struct pt other = *pt;

	other.fd = fake_dev_create(pt->fb, 4);
	other.drv = fake_bind(other.fd);
	other.vd = fake_vmsg_dev(other.fd);
	return other;
}

/* What one device keeps is none of another's business. */
static void pool_suspect_neighbour(struct kunit *test)
{
	struct pt *pt = test->priv, other = neighbour(pt);
	u8 *buf = new_buf(test, 700, 0x11);
	dma_addr_t a, b;

	a = map(pt, buf, 700, DMA_FROM_DEVICE);
	WRITE_ONCE(pt->vd->client.state, VMSG_POOL_SUSPECT);
	unmap(pt, a, 700, DMA_FROM_DEVICE);
	b = map(&other, buf, 700, DMA_FROM_DEVICE);
	KUNIT_EXPECT_FALSE(test, failed(&other, b));
	KUNIT_EXPECT_NE(test, a, b);
	memset(seen(pt, b), 0x22, 700);
	unmap(&other, b, 700, DMA_FROM_DEVICE);
	KUNIT_EXPECT_TRUE(test, all_are(buf, 0x22, 700));
	WRITE_ONCE(pt->vd->client.state, VMSG_POOL_OK);
	vmsg_pool_client_release(&pt->vd->client);
}

/* Cut off: its place is free at once, its contents are void. */
static void pool_dead(struct kunit *test)
{
	struct pt *pt = test->priv;
	u8 *buf = new_buf(test, 700, 0x11);
	dma_addr_t a = map(pt, buf, 700, DMA_BIDIRECTIONAL);

	memset(seen(pt, a), 0x22, 700);
	WRITE_ONCE(pt->vd->client.state, VMSG_POOL_DEAD);
	WRITE_ONCE(pt->vd->client.closed, true);
	KUNIT_EXPECT_TRUE(test, failed(pt, map(pt, buf, 8, DMA_TO_DEVICE)));
	unmap(pt, a, 700, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_TRUE(test, all_are(buf, 0xff, 700));
	KUNIT_EXPECT_EQ(test, vmsg_pool_used(pt->fb->pool), pt->base);
	WRITE_ONCE(pt->vd->client.state, VMSG_POOL_OK);
	WRITE_ONCE(pt->vd->client.closed, false);
}

/* What a driver has left in its queues is its own, but the places are not. */
static void pool_clean(struct kunit *test)
{
	struct pt *pt = test->priv, other = neighbour(pt);
	struct vmsg_pool_client *client = &pt->vd->client;
	struct virtio_device *vdev = &pt->vd->vdev;
	u8 *in = new_buf(test, 700, 0x11), *out = new_buf(test, 700, 0x33);
	u8 *others = new_buf(test, 700, 0x44);
	dma_addr_t a, b, c, ring;
	unsigned int i;
	size_t used;

	KUNIT_ASSERT_NOT_NULL(test, vdev->map->alloc(vdev->vmap, 700, &ring,
						     GFP_KERNEL));
	memset(seen(pt, ring), 0x55, 700);
	used = vmsg_pool_used(pt->fb->pool);
	for (i = 0; i < 2; i++) {
		a = map(pt, in, 700, DMA_FROM_DEVICE);
		b = map(pt, out, 700, DMA_TO_DEVICE);
		c = map(&other, others, 700, DMA_FROM_DEVICE);
		memset(seen(pt, a), 0x22, 700);
		memset(seen(pt, c), 0x66, 700);
		/* The second time the device may still write there. */
		if (i)
			WRITE_ONCE(client->state, VMSG_POOL_SUSPECT);
		vmsg_pool_client_clean(client);
		KUNIT_EXPECT_EQ(test, vmsg_pool_used(pt->fb->pool), used +
				(i ? 3 : 1) * 2 * GRANULE);
		/* Late, and perhaps somebody else is there by now. */
		unmap(pt, a, 700, DMA_FROM_DEVICE);
		unmap(pt, b, 700, DMA_TO_DEVICE);
		unmap(pt, c, 700, DMA_FROM_DEVICE);
		vdev->map->sync_single_for_cpu(vdev->vmap, c, 700,
					       DMA_FROM_DEVICE);
		KUNIT_EXPECT_TRUE(test, all_are(in, 0x11, 700));
		KUNIT_EXPECT_TRUE(test, all_are(out, 0x33, 700));
		KUNIT_EXPECT_TRUE(test, all_are(others, 0x44, 700));
		KUNIT_EXPECT_TRUE(test, all_are(seen(pt, ring), 0x55, 700));
		unmap(&other, c, 700, DMA_FROM_DEVICE);
		KUNIT_EXPECT_TRUE(test, all_are(others, 0x66, 700));
		memset(others, 0x44, 700);
		WRITE_ONCE(client->state, VMSG_POOL_OK);
		vmsg_pool_client_release(client);
		KUNIT_EXPECT_EQ(test, vmsg_pool_used(pt->fb->pool), used);
	}
	vdev->map->free(vdev->vmap, 700, seen(pt, ring), ring, 0);
	KUNIT_EXPECT_LT(test, vmsg_pool_used(pt->fb->pool), used);
}

/* A driver that does not take its buffers out of its queues. */
static void pool_forgotten(struct kunit *test)
{
	struct pt *pt = test->priv;
	struct virtio_device *vdev = &pt->vd->vdev;
	u8 *buf = new_buf(test, 700, 0x11);
	dma_addr_t ring;

	KUNIT_ASSERT_FALSE(test, failed(pt, map(pt, buf, 700, DMA_FROM_DEVICE)));
	KUNIT_ASSERT_NOT_NULL(test, vdev->map->alloc(vdev->vmap, 700, &ring,
						     GFP_KERNEL));
	device_release_driver(&vdev->dev);
	KUNIT_EXPECT_EQ(test, vmsg_pool_used(pt->fb->pool), PAGE_SIZE);
	fake_event_device(pt->fb, 3, VIRTIO_MSG_DEVICE_REMOVED);
	fake_settle(pt->fb);
	KUNIT_EXPECT_EQ(test, vmsg_pool_used(pt->fb->pool), 0);
	KUNIT_EXPECT_TRUE(test, all_are(buf, 0x11, 700));
}

/* What a descriptor says that is not in use, or not any more. */
static void pool_unmap_other(struct kunit *test)
{
	struct pt *pt = test->priv;
	u8 *buf = new_buf(test, 700, 0x11);
	int places = atomic_read(&pt->vd->client.places);
	dma_addr_t a = map(pt, buf, 500, DMA_FROM_DEVICE);
	size_t used = vmsg_pool_used(pt->fb->pool);

	memset(seen(pt, a), 0x22, GRANULE);
	unmap(pt, a, 501, DMA_FROM_DEVICE);
	unmap(pt, a, 499, DMA_FROM_DEVICE);
	unmap(pt, a, 500, DMA_TO_DEVICE);
	unmap(pt, a + GRANULE, 500, DMA_FROM_DEVICE);
	unmap(pt, U64_MAX, 500, DMA_FROM_DEVICE);
	KUNIT_EXPECT_TRUE(test, all_are(buf, 0x11, 700));
	KUNIT_EXPECT_EQ(test, vmsg_pool_used(pt->fb->pool), used);
	unmap(pt, a, 500, DMA_FROM_DEVICE);
	KUNIT_EXPECT_TRUE(test, all_are(buf, 0x22, 500));
	KUNIT_EXPECT_TRUE(test, all_are(buf + 500, 0x11, 200));
	memset(buf, 0x11, 700);
	unmap(pt, a, 500, DMA_FROM_DEVICE);
	KUNIT_EXPECT_TRUE(test, all_are(buf, 0x11, 700));
	KUNIT_EXPECT_EQ(test, vmsg_pool_used(pt->fb->pool), pt->base);
	a = map(pt, buf, 500, DMA_TO_DEVICE);
	memset(seen(pt, a), 0x22, GRANULE);
	unmap(pt, a, 500, DMA_FROM_DEVICE);
	KUNIT_EXPECT_TRUE(test, all_are(buf, 0x11, 700));
	unmap(pt, a, 500, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, vmsg_pool_used(pt->fb->pool), pt->base);
	KUNIT_EXPECT_EQ(test, atomic_read(&pt->vd->client.places), places);
}

/*
 * What a SCSI device leaves behind begins with a length, and its driver has a WARN
 * for one that cannot be.
 */
static void pool_zero_head(struct kunit *test)
{
	static const size_t sizes[] = { 1, 3, 4, 5, GRANULE, 700 };
	struct pt *pt = test->priv, scsi = *pt;
	u8 *buf = new_buf(test, 701, 0x11);
	size_t size, head;
	unsigned int i;
	dma_addr_t a;

	scsi.fd = fake_dev_create(pt->fb, 4);
	scsi.fd->info.info.device_id = VIRTIO_ID_SCSI;
	virtio_msg_bus_add_device(pt->fb->bus, 4);
	fake_settle(pt->fb);
	scsi.vd = fake_vmsg_dev(scsi.fd);
	KUNIT_ASSERT_NOT_NULL(test, scsi.vd);
	for (i = 0; i < 2 * ARRAY_SIZE(sizes); i++) {
		size = sizes[i / 2];
		head = min(size, 4);
		memset(buf, 0x11, 701);
		a = map(&scsi, buf, size, DMA_FROM_DEVICE);
		KUNIT_ASSERT_FALSE(test, failed(&scsi, a));
		memset(seen(pt, a), 0x22, size);
		WRITE_ONCE(scsi.vd->client.state,
			   i % 2 ? VMSG_POOL_DEAD : VMSG_POOL_SUSPECT);
		unmap(&scsi, a, size, DMA_FROM_DEVICE);
		WRITE_ONCE(scsi.vd->client.state, VMSG_POOL_OK);
		KUNIT_EXPECT_TRUE(test, all_are(buf, 0, head));
		KUNIT_EXPECT_TRUE(test, all_are(buf + head, 0xff, size - head));
		KUNIT_EXPECT_TRUE(test, all_are(buf + size, 0x11, 701 - size));
	}
	vmsg_pool_client_release(&scsi.vd->client);
	/* One that lives says what it likes. */
	a = map(&scsi, buf, 700, DMA_FROM_DEVICE);
	KUNIT_ASSERT_FALSE(test, failed(&scsi, a));
	memset(seen(pt, a), 0x22, 700);
	unmap(&scsi, a, 700, DMA_FROM_DEVICE);
	KUNIT_EXPECT_TRUE(test, all_are(buf, 0x22, 700));
	KUNIT_EXPECT_EQ(test, vmsg_pool_used(pt->fb->pool), pt->base);
}

/* A grave is always there, costs nothing, and shares nothing. */
static void pool_grave(struct kunit *test)
{
	struct pt *pt = test->priv;
	struct vmsg_pool_client *client = &pt->vd->client;
	dma_addr_t a;

	client->grave = 0x11;
	WRITE_ONCE(client->closed, true);
	a = map(pt, &client->grave, 1, DMA_FROM_DEVICE);
	KUNIT_EXPECT_FALSE(test, failed(pt, a));
	KUNIT_EXPECT_EQ(test, a, FAKE_POOL_ADDR);
	memset(seen(pt, a), 0x22, 16);
	unmap(pt, a, 1, DMA_FROM_DEVICE);
	KUNIT_EXPECT_EQ(test, client->grave, 0x11);
	KUNIT_EXPECT_EQ(test, vmsg_pool_used(pt->fb->pool), pt->base);
	WRITE_ONCE(client->closed, false);
}

struct storm {
	struct pt *pt;
	u8 *buf;
};

static bool map_storm(void *arg)
{
	struct storm *s = arg;
	dma_addr_t a, b;

	a = map(s->pt, s->buf, 600, DMA_TO_DEVICE);
	if (failed(s->pt, a))
		return false;
	b = map(s->pt, s->buf, 3000, DMA_TO_DEVICE);
	if (failed(s->pt, b) || a == b || seen(s->pt, b)[2999] != 0x11)
		return false;
	unmap(s->pt, a, 600, DMA_TO_DEVICE);
	unmap(s->pt, b, 3000, DMA_TO_DEVICE);
	return true;
}

static void pool_map_anywhere(struct kunit *test)
{
	struct pt *pt = test->priv;
	struct storm s = { .pt = pt, .buf = new_buf(test, 3000, 0x11) };

	kunit_run_irq_test(test, map_storm, 3000, &s);
	KUNIT_EXPECT_EQ(test, vmsg_pool_used(pt->fb->pool), pt->base);
}

/* The device scribbles over all that it sees, and the kernel finds its way. */
static void pool_hostile_device(struct kunit *test)
{
	struct pt *pt = test->priv;
	u8 *a = new_buf(test, 600, 0x11), *b = new_buf(test, 600, 0x11);
	dma_addr_t x = map(pt, a, 600, DMA_FROM_DEVICE);
	dma_addr_t y = map(pt, b, 600, DMA_FROM_DEVICE);
	struct virtio_device *vdev = pt->drv->vdev;

	fake_fill_pool(pt->fb, 0x77);
	unmap(pt, y, 600, DMA_FROM_DEVICE);
	unmap(pt, x, 600, DMA_FROM_DEVICE);
	KUNIT_EXPECT_TRUE(test, all_are(a, 0x77, 600));
	KUNIT_EXPECT_TRUE(test, all_are(b, 0x77, 600));
	fake_event_used(pt->fd, 0);
	device_release_driver(&vdev->dev);
	KUNIT_EXPECT_EQ(test, vmsg_pool_used(pt->fb->pool), 0);
	KUNIT_EXPECT_EQ(test, 1, device_attach(&vdev->dev));
}

static struct kunit_case pool_cases[] = {
	KUNIT_CASE(pool_to_device),
	KUNIT_CASE(pool_from_device),
	KUNIT_CASE(pool_from_device_short),
	KUNIT_CASE(pool_not_cleared),
	KUNIT_CASE(pool_both_ways),
	KUNIT_CASE(pool_skip_sync),
	KUNIT_CASE(pool_no_leftovers),
	KUNIT_CASE_PARAM(pool_span, span_gen_params),
	KUNIT_CASE(pool_sync_range),
	KUNIT_CASE_PARAM(pool_sync_parts, span_gen_params),
	KUNIT_CASE(pool_no_hoarding),
	KUNIT_CASE(pool_mixed_sizes),
	KUNIT_CASE(pool_exhaustion),
	KUNIT_CASE(pool_full_queue),
	KUNIT_CASE(pool_odd_sizes),
	KUNIT_CASE(pool_max_mapping),
	KUNIT_CASE(pool_alloc),
	KUNIT_CASE(pool_vaddr),
	KUNIT_CASE(pool_create_limits),
	KUNIT_CASE(pool_suspect),
	KUNIT_CASE(pool_suspect_neighbour),
	KUNIT_CASE(pool_dead),
	KUNIT_CASE(pool_clean),
	KUNIT_CASE(pool_forgotten),
	KUNIT_CASE(pool_unmap_other),
	KUNIT_CASE(pool_zero_head),
	KUNIT_CASE(pool_grave),
	KUNIT_CASE(pool_map_anywhere),
	KUNIT_CASE(pool_hostile_device),
	{}
};

static struct kunit_suite pool_suite = {
	.name = "virtio_msg_pool",
	.init = pool_init,
	.test_cases = pool_cases,
};

kunit_test_suite(pool_suite);
