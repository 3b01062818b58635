// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-msg: the memory that the devices of a bus can see.
 *
 * A pool is one stretch of memory that this kernel and the peer both reach. A
 * bus driver makes it and says where it lies; rings are allocated in it and
 * buffers are copied through it, so the peer never sees anything else. Mapping
 * runs in any context and never sleeps: addresses come from the kernel's IOVA
 * allocator, by way of spares of the powers of two up to 256 KiB, and when there is
 * no room the driver gets an error and tries again later.
 *
 * The pool belongs to the bus driver, the places in it to whoever mapped them.
 * Each device has a client that says whether its places can be trusted to stay
 * as they are; see &enum vmsg_pool_state.
 *
 * The peer can write to the whole pool at any time. So nothing in it is ever
 * used to find one's way: whose a place is, and what for, is remembered outside.
 */
#include <kunit/visibility.h>
#include <linux/bitfield.h>
#include <linux/dma-mapping.h>
#include <linux/export.h>
#include <linux/highmem.h>
#include <linux/iova.h>
#include <linux/moduleparam.h>
#include <linux/slab.h>

#include "internal.h"

/*
 * Bytes of one granule. Small, because most requests carry a header and a
 * status of a few bytes besides their data.
 */
#define VMSG_GRANULE_SHIFT	9
#define VMSG_GRANULE		BIT(VMSG_GRANULE_SHIFT)
/* What a buffer that the device never filled in reads as: absent hardware. */
#define VMSG_POISON		0xff
/* Granules to look at before somebody else gets the processor. */
#define VMSG_PATIENCE		4096

/* There are spares of 1, 2, 4, ... granules, the largest being 256 KiB. */
#define VMSG_SPARE_ORDERS	10
/* How many, in sets for one processor and those that share it. */
#define VMSG_SPARES		62
#define VMSG_SPARE_SETS		8
/* The spares of a set and size take one part in so many of the pool at most. */
#define VMSG_SPARE_PART		16

/*
 * A device that answers with an error, or with less than was asked for, leaves the
 * rest of a buffer alone, and drivers hand all of it to whoever reads. The device
 * side gains nothing by that, as it sees the pool anyway; other users would.
 */
VISIBLE_IF_KUNIT bool vmsg_pool_clear_buffers = true;
EXPORT_SYMBOL_IF_KUNIT(vmsg_pool_clear_buffers);
module_param_named(clear_buffers, vmsg_pool_clear_buffers, bool, 0644);
MODULE_PARM_DESC(clear_buffers, "Clear what a device may write to before it does (default Y). N: large reads are faster, but what a device leaves out, in a read that fails for instance, shows data of other users");

/**
 * struct vmsg_spares - places that were given back and can be taken at once
 * @num: where the end of the list should be
 * @room: how long it may become
 * @granule: first granule of each, 0 = none; changed by single operations
 *
 * Nobody owns a set, and who finds no room elsewhere takes the spares of all. So
 * @num may be wrong, and then there seems to be no spare, or no room for one.
 */
struct vmsg_spares {
	u32 num;
	u32 room;
	u32 granule[VMSG_SPARES];
} ____cacheline_aligned_in_smp;

/* Of a place: whose it is, what it is for, and how many bytes. */
#define VMSG_PLACE_OWNER	GENMASK_ULL(63, 32)
#define VMSG_PLACE_USE		GENMASK_ULL(31, 29)
#define VMSG_PLACE_SIZE		GENMASK_ULL(28, 0)

enum vmsg_place_use {
	VMSG_PLACE_NOTHING,
	/* A ring. */
	VMSG_PLACE_MEMORY,
	/* A buffer for the device to read, or to write to. */
	VMSG_PLACE_TO_DEVICE,
	VMSG_PLACE_FROM_DEVICE,
	/* Somebody is about to give it back or to keep it, and nobody else may. */
	VMSG_PLACE_CLAIMED,
	/* Given back, but its device may still write there. */
	VMSG_PLACE_KEPT,
};

#define VMSG_PLACE_BUFFERS	(BIT(VMSG_PLACE_TO_DEVICE) | \
				 BIT(VMSG_PLACE_FROM_DEVICE))
#define VMSG_PLACE_ALL		(VMSG_PLACE_BUFFERS | BIT(VMSG_PLACE_MEMORY) | \
				 BIT(VMSG_PLACE_KEPT))

/**
 * struct vmsg_granule - what is remembered of a granule
 * @phys: memory of the driver behind the place that begins here
 * @place: what begins here, VMSG_PLACE_*; 0 = nothing
 *
 * Written by who has taken the granule, @place last. Who ends a place claims it
 * first, as the device side can make the virtio core unmap a buffer twice, on two
 * processors at once: the second one goes on at once.
 */
struct vmsg_granule {
	phys_addr_t phys;
	atomic64_t place;
};

/**
 * struct virtio_msg_pool - memory shared with a peer
 * @vaddr: where this kernel sees it
 * @address: bus address of its first byte
 * @size: bytes
 * @iovad: which granules are taken. Granule 0 never is: an address of 0 would
 *	look like none, and it is what a grave maps to.
 * @spares: places that @iovad takes for taken, by order of size and set
 * @full: how often there was no room
 * @clients: how many there have been
 * @max_place: bytes of the largest place
 * @num_granules: entries in @granules
 * @granules: what is remembered of each; made for the first device
 */
struct virtio_msg_pool {
	void *vaddr;
	u64 address;
	size_t size;
	struct iova_domain iovad;
	struct vmsg_spares spares[VMSG_SPARE_ORDERS][VMSG_SPARE_SETS];
	atomic_long_t full;
	atomic_t clients;
	size_t max_place;
	unsigned long num_granules;
	struct vmsg_granule *granules;
};

static unsigned long vmsg_pool_granules(size_t size)
{
	return DIV_ROUND_UP(size, VMSG_GRANULE);
}

/* Number of the granule that an address lies in. */
static unsigned long vmsg_pool_granule(struct virtio_msg_pool *pool,
				       dma_addr_t address)
{
	return (address - pool->address) >> VMSG_GRANULE_SHIFT;
}

/**
 * vmsg_pool_vaddr() - from a bus address to a kernel address
 * @pool: the pool
 * @address: bus address
 * @size: bytes from there on
 *
 * Context: Any.
 * Return: the kernel address, NULL when not all of it lies in the pool.
 */
void *vmsg_pool_vaddr(struct virtio_msg_pool *pool, u64 address, size_t size)
{
	u64 offset = address - pool->address;

	if (address < pool->address || size > pool->size ||
	    offset > pool->size - size)
		return NULL;
	return pool->vaddr + offset;
}
EXPORT_SYMBOL_IF_KUNIT(vmsg_pool_vaddr);

/* The same for what is known to lie in the pool. */
static void *vmsg_pool_at(struct virtio_msg_pool *pool, dma_addr_t address)
{
	return pool->vaddr + (address - pool->address);
}

/*
 * Spares
 */

/* The spares of @n granules that are nearest, or NULL. */
static struct vmsg_spares *vmsg_pool_spares(struct virtio_msg_pool *pool,
					    unsigned long n)
{
	unsigned int order = __ffs(n), cpu = raw_smp_processor_id();

	if (n >> order != 1 || order >= VMSG_SPARE_ORDERS)
		return NULL;
	return &pool->spares[order][cpu % VMSG_SPARE_SETS];
}

static unsigned long vmsg_pool_take_spare(struct virtio_msg_pool *pool,
					  unsigned long n)
{
	struct vmsg_spares *spares = vmsg_pool_spares(pool, n);
	u32 num;

	if (!spares)
		return 0;
	num = READ_ONCE(spares->num);
	if (!num)
		return 0;
	WRITE_ONCE(spares->num, num - 1);
	return xchg(&spares->granule[num - 1], 0);
}

static bool vmsg_pool_give_spare(struct virtio_msg_pool *pool,
				 unsigned long pfn, unsigned long n)
{
	struct vmsg_spares *spares = vmsg_pool_spares(pool, n);
	u32 num;

	if (!spares)
		return false;
	num = READ_ONCE(spares->num);
	if (num == spares->room)
		return false;
	WRITE_ONCE(spares->num, num + 1);
	return !cmpxchg(&spares->granule[num], 0, pfn);
}

static void vmsg_pool_init_set(struct virtio_msg_pool *pool,
			       struct vmsg_spares *spares, unsigned long n)
{
	spares->room = min(VMSG_SPARES,
			   pool->num_granules / VMSG_SPARE_PART / n);
}

static void vmsg_pool_drop_set(struct virtio_msg_pool *pool,
			       struct vmsg_spares *spares, unsigned long n)
{
	unsigned long pfn;
	unsigned int i;

	for (i = 0; i < spares->room; i++) {
		if (!READ_ONCE(spares->granule[i]))
			continue;
		pfn = xchg(&spares->granule[i], 0);
		if (pfn)
			free_iova_fast(&pool->iovad, pfn, n);
	}
	WRITE_ONCE(spares->num, 0);
}

/* Calls @fn for each set. */
static void vmsg_pool_each_set(struct virtio_msg_pool *pool,
			       void (*fn)(struct virtio_msg_pool *pool,
					  struct vmsg_spares *spares,
					  unsigned long n))
{
	unsigned int order, set;

	for (order = 0; order < VMSG_SPARE_ORDERS; order++)
		for (set = 0; set < VMSG_SPARE_SETS; set++)
			fn(pool, &pool->spares[order][set], BIT(order));
}

/* Not inline, as who gets a spare would pay for its registers. */
static noinline unsigned long vmsg_pool_search(struct virtio_msg_pool *pool,
					       unsigned long n)
{
	unsigned long limit = pool->num_granules - 1;
	unsigned long pfn = alloc_iova_fast(&pool->iovad, n, limit, true);

	if (likely(pfn))
		return pfn;
	vmsg_pool_each_set(pool, vmsg_pool_drop_set);
	return alloc_iova_fast(&pool->iovad, n, limit, true);
}

static unsigned long vmsg_pool_find(struct virtio_msg_pool *pool,
				    unsigned long n)
{
	unsigned long pfn = vmsg_pool_take_spare(pool, n);

	return likely(pfn) ? pfn : vmsg_pool_search(pool, n);
}

/*
 * Places
 */

/* The first granule of a place, 0 without room. */
static __always_inline unsigned long vmsg_pool_take(struct virtio_msg_pool *pool,
						    size_t size)
{
	unsigned long pfn;

	/* The allocator rounds up and would overflow beyond reason. */
	if (!size || size > pool->max_place)
		return 0;
	pfn = vmsg_pool_find(pool, vmsg_pool_granules(size));
	if (!pfn)
		atomic_long_inc(&pool->full);
	return pfn;
}

static void vmsg_pool_give(struct virtio_msg_pool *pool, unsigned long pfn,
			   unsigned long n)
{
	if (!vmsg_pool_give_spare(pool, pfn, n))
		free_iova_fast(&pool->iovad, pfn, n);
}

/*
 * What is remembered of them
 */

/* NULL for what is not in the pool. */
static struct vmsg_granule *vmsg_pool_look(struct virtio_msg_pool *pool,
					   dma_addr_t address)
{
	unsigned long i = vmsg_pool_granule(pool, address);

	return likely(i < pool->num_granules) ? &pool->granules[i] : NULL;
}

static u64 vmsg_pool_describe(struct vmsg_pool_client *client, size_t size,
			      enum vmsg_place_use use)
{
	return FIELD_PREP(VMSG_PLACE_OWNER, client->id) |
	       FIELD_PREP(VMSG_PLACE_USE, use) | size;
}

/* Takes a place for a device. */
static __always_inline dma_addr_t
vmsg_pool_make_place(struct vmsg_pool_client *client, phys_addr_t phys,
		     size_t size, enum vmsg_place_use use)
{
	struct virtio_msg_pool *pool = client->pool;
	unsigned long pfn = vmsg_pool_take(pool, size);
	struct vmsg_granule *g = &pool->granules[pfn];

	if (unlikely(!pfn))
		return DMA_MAPPING_ERROR;
	g->phys = phys;
	atomic_inc(&client->places);
	/* Pairs with vmsg_pool_claim() and vmsg_pool_find_part(). */
	atomic64_set_release(&g->place, vmsg_pool_describe(client, size, use));
	return pool->address + ((u64)pfn << VMSG_GRANULE_SHIFT);
}

/* Is it a place of a device's that has one of these uses? */
static bool vmsg_pool_is_one_of(struct vmsg_pool_client *client, u64 place,
				unsigned long uses)
{
	return FIELD_GET(VMSG_PLACE_OWNER, place) == client->id &&
	       uses & BIT(FIELD_GET(VMSG_PLACE_USE, place));
}

/* To whom it is true, the place is there to end. */
static bool vmsg_pool_claim(struct vmsg_granule *g, u64 place)
{
	u64 claimed = (place & ~VMSG_PLACE_USE) |
		      FIELD_PREP(VMSG_PLACE_USE, VMSG_PLACE_CLAIMED);

	/* Pairs with vmsg_pool_make_place(). */
	return atomic64_cmpxchg(&g->place, place, claimed) == place;
}

/*
 * Claims the place of a device that begins at @address. NULL for a grave, for what
 * has been given back before or is just being, and for what does not fit: the flags
 * of a split ring are the device side's as well, and lead the core to descriptors
 * that are not in use. Those say how it was once.
 */
static struct vmsg_granule *vmsg_pool_claim_at(struct vmsg_pool_client *client,
					       dma_addr_t address, size_t size,
					       enum vmsg_place_use use)
{
	struct vmsg_granule *g = vmsg_pool_look(client->pool, address);
	u64 place = vmsg_pool_describe(client, size, use);

	return g && vmsg_pool_claim(g, place) ? g : NULL;
}

/* Ends a place that was claimed. */
static void vmsg_pool_end_place(struct vmsg_pool_client *client,
				struct vmsg_granule *g, size_t size)
{
	atomic64_set(&g->place, 0);
	atomic_dec(&client->places);
	vmsg_pool_give(client->pool, g - client->pool->granules,
		       vmsg_pool_granules(size));
}

/* The same, or keeps it while its device may still write there. */
static void vmsg_pool_release(struct vmsg_pool_client *client,
			      struct vmsg_granule *g, size_t size)
{
	if (likely(READ_ONCE(client->state) != VMSG_POOL_SUSPECT)) {
		vmsg_pool_end_place(client, g, size);
		return;
	}
	atomic64_set(&g->place,
		     vmsg_pool_describe(client, size, VMSG_PLACE_KEPT));
	/* Pairs with vmsg_pool_client_release(). */
	smp_store_release(&client->keeps, 1);
}

/* Claims places of a device that have one of these uses, and ends them by @end. */
static void vmsg_pool_recall(struct vmsg_pool_client *client, unsigned long uses,
			     void (*end)(struct vmsg_pool_client *client,
					 struct vmsg_granule *g, size_t size))
{
	struct virtio_msg_pool *pool = client->pool;
	struct vmsg_granule *g;
	unsigned long i;
	u64 place;

	for (i = 0; i < pool->num_granules && atomic_read(&client->places); i++) {
		g = &pool->granules[i];
		place = atomic64_read(&g->place);
		if (vmsg_pool_is_one_of(client, place, uses) &&
		    vmsg_pool_claim(g, place))
			end(client, g, FIELD_GET(VMSG_PLACE_SIZE, place));
		if (!(i % VMSG_PATIENCE))
			cond_resched();
	}
}

/*
 * Whole pages have functions of their own, which are made for the processor at
 * hand and never worse than those for any number of bytes.
 */
static bool vmsg_pool_whole_pages(const void *a, const void *b, size_t size)
{
	return PAGE_ALIGNED((unsigned long)a | (unsigned long)b | size);
}

static void vmsg_pool_copy(void *to, void *from, size_t size)
{
	if (!vmsg_pool_whole_pages(to, from, size)) {
		memcpy(to, from, size);
		return;
	}
	for (; size; size -= PAGE_SIZE, to += PAGE_SIZE, from += PAGE_SIZE)
		copy_page(to, from);
}

static void vmsg_pool_clear(void *place, size_t size)
{
	if (!vmsg_pool_whole_pages(place, place, size)) {
		memset(place, 0, size);
		return;
	}
	for (; size; size -= PAGE_SIZE, place += PAGE_SIZE)
		clear_page(place);
}

/* What happens to a driver's buffer. */
enum vmsg_pool_move {
	VMSG_POOL_TO_DEVICE,
	VMSG_POOL_FROM_DEVICE,
	/* Its device is gone and what it wrote is void: it reads as ones. */
	VMSG_POOL_POISON,
	VMSG_POOL_ZERO,
};

static void vmsg_pool_move_piece(void *place, void *buf, size_t size,
				 enum vmsg_pool_move move)
{
	switch (move) {
	case VMSG_POOL_TO_DEVICE:
		vmsg_pool_copy(place, buf, size);
		break;
	case VMSG_POOL_FROM_DEVICE:
		vmsg_pool_copy(buf, place, size);
		break;
	case VMSG_POOL_POISON:
		memset(buf, VMSG_POISON, size);
		break;
	case VMSG_POOL_ZERO:
		memset(buf, 0, size);
		break;
	}
}

/* Between the pool and memory that may be out of the linear map. */
static void vmsg_pool_move(void *place, phys_addr_t phys, size_t size,
			   enum vmsg_pool_move move)
{
	size_t n;
	void *buf;

	if (!PageHighMem(pfn_to_page(PHYS_PFN(phys)))) {
		vmsg_pool_move_piece(place, phys_to_virt(phys), size, move);
		return;
	}
	while (size) {
		n = min(size, PAGE_SIZE - offset_in_page(phys));
		buf = kmap_local_page(pfn_to_page(PHYS_PFN(phys)));
		vmsg_pool_move_piece(place, buf + offset_in_page(phys), n, move);
		kunmap_local(buf);
		place += n;
		phys += n;
		size -= n;
	}
}

/* From the device back to the driver. */
static void vmsg_pool_copy_back(struct vmsg_pool_client *client, void *place,
				phys_addr_t phys, size_t size)
{
	bool ok = READ_ONCE(client->state) == VMSG_POOL_OK;

	vmsg_pool_move(place, phys, size,
		       ok ? VMSG_POOL_FROM_DEVICE : VMSG_POOL_POISON);
	if (!ok && client->zero_head)
		vmsg_pool_move(place, phys, min(size, client->zero_head),
			       VMSG_POOL_ZERO);
}

/*
 * Devices
 */

/* An idle bus does without them. */
static int vmsg_pool_make_granules(struct virtio_msg_pool *pool)
{
	struct vmsg_granule *granules;

	if (READ_ONCE(pool->granules))
		return 0;
	granules = kvcalloc(pool->num_granules, sizeof(*granules),
			    GFP_KERNEL | __GFP_NOWARN);
	if (!granules)
		return -ENOMEM;
	if (cmpxchg(&pool->granules, NULL, granules))
		kvfree(granules);
	return 0;
}

/**
 * vmsg_pool_client_init() - a device gets to use a pool
 * @client: its view of the pool
 * @pool: the pool, or NULL
 *
 * Context: Process context, sleeps.
 * Return: 0, -ENOMEM.
 */
int vmsg_pool_client_init(struct vmsg_pool_client *client,
			  struct virtio_msg_pool *pool)
{
	client->pool = pool;
	client->state = VMSG_POOL_OK;
	if (!pool)
		return 0;
	client->id = atomic_inc_return(&pool->clients);
	return vmsg_pool_make_granules(pool);
}

/**
 * vmsg_pool_client_release() - the device is known not to write any more
 * @client: its view of the pool
 *
 * Gives back the places that were kept.
 *
 * Context: Process context, sleeps.
 */
void vmsg_pool_client_release(struct vmsg_pool_client *client)
{
	/* Pairs with vmsg_pool_release(). */
	if (xchg(&client->keeps, 0))
		vmsg_pool_recall(client, BIT(VMSG_PLACE_KEPT),
				 vmsg_pool_end_place);
}
EXPORT_SYMBOL_IF_KUNIT(vmsg_pool_client_release);

/**
 * vmsg_pool_client_clean() - the driver has no queues any more
 * @client: its view of the pool
 *
 * Gives back what is still mapped: some drivers leave their buffers in the queues,
 * and a device side that changes a split ring makes the virtio core lose some. It
 * is not known whether the driver's memory still is its own, so nothing is copied.
 *
 * Context: Process context, sleeps.
 */
void vmsg_pool_client_clean(struct vmsg_pool_client *client)
{
	if (client->pool)
		vmsg_pool_recall(client, VMSG_PLACE_BUFFERS, vmsg_pool_release);
}
EXPORT_SYMBOL_IF_KUNIT(vmsg_pool_client_clean);

/**
 * vmsg_pool_client_exit() - the device is gone, and so is its driver
 * @client: its view of the pool
 *
 * Gives back what is left.
 *
 * Context: Process context, sleeps.
 */
void vmsg_pool_client_exit(struct vmsg_pool_client *client)
{
	if (client->pool)
		vmsg_pool_recall(client, VMSG_PLACE_ALL, vmsg_pool_end_place);
}

/*
 * Map operations
 */

static struct vmsg_pool_client *vmsg_pool_client(union virtio_map map)
{
	return &to_vmsg_dev(dev_to_virtio(map.dma_dev))->client;
}

static enum vmsg_place_use vmsg_pool_use_of(enum dma_data_direction dir)
{
	return dir == DMA_TO_DEVICE ? VMSG_PLACE_TO_DEVICE :
				      VMSG_PLACE_FROM_DEVICE;
}

static dma_addr_t vmsg_pool_map_page(union virtio_map map, struct page *page,
				     unsigned long offset, size_t size,
				     enum dma_data_direction dir,
				     unsigned long attrs)
{
	struct vmsg_pool_client *client = vmsg_pool_client(map);
	phys_addr_t phys = page_to_phys(page) + offset;
	dma_addr_t address;
	void *place;

	if (unlikely(READ_ONCE(client->closed)))
		return phys == virt_to_phys(&client->grave) ?
			       client->pool->address : DMA_MAPPING_ERROR;
	address = vmsg_pool_make_place(client, phys, size,
				       vmsg_pool_use_of(dir));
	if (unlikely(address == DMA_MAPPING_ERROR))
		return DMA_MAPPING_ERROR;
	/*
	 * What the device does not write must read as nothing, not as what was
	 * here before, and not as what is in the buffer either.
	 */
	place = vmsg_pool_at(client->pool, address);
	if (dir != DMA_FROM_DEVICE && !(attrs & DMA_ATTR_SKIP_CPU_SYNC))
		vmsg_pool_move(place, phys, size, VMSG_POOL_TO_DEVICE);
	else if (likely(READ_ONCE(vmsg_pool_clear_buffers)))
		vmsg_pool_clear(place, size);
	return address;
}

static void vmsg_pool_unmap_page(union virtio_map map, dma_addr_t address,
				 size_t size, enum dma_data_direction dir,
				 unsigned long attrs)
{
	struct vmsg_pool_client *client = vmsg_pool_client(map);
	struct vmsg_granule *g;

	g = vmsg_pool_claim_at(client, address, size, vmsg_pool_use_of(dir));
	if (unlikely(!g))
		return;
	if (dir != DMA_TO_DEVICE && !(attrs & DMA_ATTR_SKIP_CPU_SYNC))
		vmsg_pool_copy_back(client, vmsg_pool_at(client->pool, address),
				    g->phys, size);
	vmsg_pool_release(client, g, size);
}

/*
 * What is behind an address that may be in the middle of a place. NULL if not all
 * of it is one buffer of the device's: some drivers ask for as much as the device
 * side says that it has written.
 */
static void *vmsg_pool_find_part(struct vmsg_pool_client *client,
				 dma_addr_t address, size_t size,
				 phys_addr_t *phys)
{
	struct virtio_msg_pool *pool = client->pool;
	struct vmsg_granule *g = vmsg_pool_look(pool, address);
	size_t offset, end;
	u64 place;

	if (!g)
		return NULL;
	while (!(place = atomic64_read_acquire(&g->place)) && g > pool->granules)
		g--;
	offset = address - pool->address -
		 ((g - pool->granules) << VMSG_GRANULE_SHIFT);
	end = FIELD_GET(VMSG_PLACE_SIZE, place);
	if (!vmsg_pool_is_one_of(client, place, VMSG_PLACE_BUFFERS) ||
	    offset > end || size > end - offset)
		return NULL;
	*phys = g->phys + offset;
	/* Is it still that place's? What is the caller's can be copied to and from. */
	smp_rmb();
	return atomic64_read(&g->place) == place ? vmsg_pool_at(pool, address) :
						   NULL;
}

static void vmsg_pool_sync_for_cpu(union virtio_map map, dma_addr_t address,
				   size_t size, enum dma_data_direction dir)
{
	struct vmsg_pool_client *client = vmsg_pool_client(map);
	phys_addr_t phys;
	void *part = vmsg_pool_find_part(client, address, size, &phys);

	if (part && dir != DMA_TO_DEVICE)
		vmsg_pool_copy_back(client, part, phys, size);
}

static void vmsg_pool_sync_for_device(union virtio_map map, dma_addr_t address,
				      size_t size, enum dma_data_direction dir)
{
	struct vmsg_pool_client *client = vmsg_pool_client(map);
	phys_addr_t phys;
	void *part = vmsg_pool_find_part(client, address, size, &phys);

	if (part && dir != DMA_FROM_DEVICE)
		vmsg_pool_move(part, phys, size, VMSG_POOL_TO_DEVICE);
}

static void *vmsg_pool_alloc(union virtio_map map, size_t size,
			     dma_addr_t *address, gfp_t gfp)
{
	struct vmsg_pool_client *client = vmsg_pool_client(map);
	void *place;

	if (READ_ONCE(client->state) != VMSG_POOL_OK)
		return NULL;
	size = PAGE_ALIGN(size);
	*address = vmsg_pool_make_place(client, 0, size, VMSG_PLACE_MEMORY);
	if (*address == DMA_MAPPING_ERROR)
		return NULL;
	place = vmsg_pool_at(client->pool, *address);
	vmsg_pool_clear(place, size);
	return place;
}

static void vmsg_pool_free(union virtio_map map, size_t size, void *vaddr,
			   dma_addr_t address, unsigned long attrs)
{
	struct vmsg_pool_client *client = vmsg_pool_client(map);
	struct vmsg_granule *g;

	size = PAGE_ALIGN(size);
	g = vmsg_pool_claim_at(client, address, size, VMSG_PLACE_MEMORY);
	if (g)
		vmsg_pool_release(client, g, size);
}

static bool vmsg_pool_need_sync(union virtio_map map, dma_addr_t address)
{
	return true;
}

static int vmsg_pool_mapping_error(union virtio_map map, dma_addr_t address)
{
	return address == DMA_MAPPING_ERROR ? -ENOMEM : 0;
}

/*
 * No buffer larger than this is ever mapped, so that a few of them find room
 * however the pool is cut up already.
 */
static size_t vmsg_pool_max_mapping(struct virtio_msg_pool *pool)
{
	return rounddown_pow_of_two(clamp(pool->size / 16, VMSG_GRANULE,
					  pool->max_place));
}

static size_t vmsg_pool_max_mapping_size(union virtio_map map)
{
	return vmsg_pool_max_mapping(vmsg_pool_client(map)->pool);
}

#ifdef VIRTIO_MSG_COMPAT
size_t vmsg_compat_max_mapping(struct device *bus_dev)
{
	struct virtio_msg_bus *bus =
		container_of(bus_dev, struct virtio_msg_bus, dev);

	return vmsg_pool_max_mapping(bus->info.pool);
}

#endif
static const struct virtio_map_ops vmsg_pool_map_ops = {
	.map_page = vmsg_pool_map_page,
	.unmap_page = vmsg_pool_unmap_page,
	.sync_single_for_cpu = vmsg_pool_sync_for_cpu,
	.sync_single_for_device = vmsg_pool_sync_for_device,
	.alloc = vmsg_pool_alloc,
	.free = vmsg_pool_free,
	.need_sync = vmsg_pool_need_sync,
	.mapping_error = vmsg_pool_mapping_error,
	.max_mapping_size = vmsg_pool_max_mapping_size,
};

/**
 * vmsg_pool_attach() - buffers of a virtio device go through its pool
 * @vdev: the device, not registered yet; its client has a pool
 *
 * Context: Process context.
 */
void vmsg_pool_attach(struct virtio_device *vdev)
{
#ifdef VIRTIO_MSG_COMPAT
	vmsg_compat_attach(vdev, &vmsg_pool_map_ops);
#else
	vdev->map = &vmsg_pool_map_ops;
	vdev->vmap.dma_dev = &vdev->dev;
#endif
}

/**
 * vmsg_pool_used() - how full a pool is
 * @pool: the pool, or NULL
 *
 * Context: Process context, sleeps.
 * Return: bytes that are taken.
 */
size_t vmsg_pool_used(struct virtio_msg_pool *pool)
{
	unsigned long i, n = 0;

	if (!pool || !READ_ONCE(pool->granules))
		return 0;
	for (i = 0; i < pool->num_granules; i++) {
		n += vmsg_pool_granules(FIELD_GET(VMSG_PLACE_SIZE,
						  atomic64_read(&pool->granules[i].place)));
		if (!(i % VMSG_PATIENCE))
			cond_resched();
	}
	return n << VMSG_GRANULE_SHIFT;
}
EXPORT_SYMBOL_IF_KUNIT(vmsg_pool_used);

/**
 * vmsg_pool_size() - how large a pool is
 * @pool: the pool, or NULL
 *
 * Context: Any.
 * Return: bytes.
 */
size_t vmsg_pool_size(struct virtio_msg_pool *pool)
{
	return pool ? pool->size : 0;
}

/**
 * vmsg_pool_full() - how often there was no room
 * @pool: the pool, or NULL
 *
 * Context: Any.
 * Return: mappings that failed so far; drivers try those again.
 */
unsigned long vmsg_pool_full(struct virtio_msg_pool *pool)
{
	return pool ? atomic_long_read(&pool->full) : 0;
}

/**
 * virtio_msg_pool_create() - declare memory as a pool
 * @vaddr: where this kernel sees it, contiguous; stays the caller's
 * @address: bus address of the first byte, as devices will see it
 * @size: bytes; a multiple of the page size
 *
 * With the first device it takes 16 bytes of memory for each granule of 512.
 *
 * Context: Process context, sleeps.
 * Return: the pool, or an ERR_PTR(): -EINVAL for an odd address or size, and from
 * 2 TiB on, -ENOMEM.
 */
struct virtio_msg_pool *virtio_msg_pool_create(void *vaddr, u64 address,
					       size_t size)
{
	struct virtio_msg_pool *pool;
	int err;

	if (!size || !PAGE_ALIGNED(size) || !PAGE_ALIGNED(address) ||
	    address + size < address || vmsg_pool_granules(size) > U32_MAX)
		return ERR_PTR(-EINVAL);
	pool = kvcalloc(1, sizeof(*pool), GFP_KERNEL);
	if (!pool)
		return ERR_PTR(-ENOMEM);
	pool->num_granules = size >> VMSG_GRANULE_SHIFT;
	pool->vaddr = vaddr;
	pool->address = address;
	pool->size = size;
	pool->max_place = min(size, VMSG_PLACE_SIZE);
	vmsg_pool_each_set(pool, vmsg_pool_init_set);

	err = iova_cache_get();
	if (err)
		goto err_free;
	init_iova_domain(&pool->iovad, VMSG_GRANULE, 1);
	err = iova_domain_init_rcaches(&pool->iovad);
	if (err)
		goto err_domain;
	return pool;

err_domain:
	put_iova_domain(&pool->iovad);
	iova_cache_put();
err_free:
	kvfree(pool);
	return ERR_PTR(err);
}
EXPORT_SYMBOL_GPL(virtio_msg_pool_create);

/**
 * virtio_msg_pool_destroy() - end a pool
 * @pool: the pool; no bus uses it any more
 *
 * The memory itself is the caller's business.
 *
 * Context: Process context, sleeps.
 */
void virtio_msg_pool_destroy(struct virtio_msg_pool *pool)
{
	put_iova_domain(&pool->iovad);
	iova_cache_put();
	kvfree(pool->granules);
	kvfree(pool);
}
EXPORT_SYMBOL_GPL(virtio_msg_pool_destroy);
