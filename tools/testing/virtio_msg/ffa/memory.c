// SPDX-License-Identifier: GPL-2.0
/*
 * The secure side of the FF-A tests: memory that Linux shares. A description of
 * it comes in the buffer for messages, in fragments if it is long; each is copied
 * before anybody looks at it. It is given back only when no partition uses it.
 */
#include <string.h>

#include "secure.h"

/* Offsets in the description, FF-A 1.1 and later */
#define REGION_SENDER		0
#define REGION_FLAGS		4
#define REGION_HANDLE		8
#define REGION_EP_SIZE		24
#define REGION_EP_COUNT		28
#define REGION_EP_OFFSET	32
#define REGION_SIZE		48
#define EP_RECEIVER		0
#define EP_PERMISSIONS		2
#define EP_COMPOSITE		4
#define EP_SIZE			16
#define COMPOSITE_PAGES		0
#define COMPOSITE_RANGES	4
#define COMPOSITE_SIZE		16
#define RANGE_SIZE		16

#define PERMISSIONS_RW		2

#define MAX_DESCRIPTION	(REGION_SIZE + 64 + COMPOSITE_SIZE + RANGE_SIZE * MAX_RANGES)

static struct share shares[MAX_SHARES];
static u64 next_handle;
static unsigned int refuse;

/* The description that is being received */
static u8 text[MAX_DESCRIPTION];
static u32 have;
static u32 total;
static u64 handle;

void memory_reset(void)
{
	unsigned int n;

	for (n = 0; n < MAX_SHARES; n++)
		shares[n].live = false;
	next_handle = 0x100000001ull;
	refuse = knobs.reclaim;
	have = 0;
	total = 0;
}

struct share *memory_find(u64 wanted)
{
	unsigned int n;

	for (n = 0; n < MAX_SHARES; n++) {
		if (shares[n].live && shares[n].handle == wanted)
			return &shares[n];
	}
	return NULL;
}

unsigned int memory_left(void)
{
	unsigned int n, left = 0;

	for (n = 0; n < MAX_SHARES; n++)
		left += shares[n].live;
	return left;
}

static bool overlap(const struct range *a, const struct range *b)
{
	return a->address < b->address + b->pages * PAGE &&
	       b->address < a->address + a->pages * PAGE;
}

static bool overlaps(const struct share *share, u32 num, const struct range *range)
{
	u32 n;

	for (n = 0; n < num; n++) {
		if (overlap(&share->ranges[n], range))
			return true;
	}
	return false;
}

static bool is_shared(const struct share *new, u32 num, const struct range *range)
{
	unsigned int n;

	for (n = 0; n < MAX_SHARES; n++) {
		if (shares[n].live &&
		    overlaps(&shares[n], shares[n].num_ranges, range))
			return true;
	}
	return overlaps(new, num, range);
}

static int take_range(struct share *share, u32 n, const u8 *from)
{
	struct range *range = &share->ranges[n];

	range->address = get64(from);
	range->pages = get32(from + 8);
	if (!range->pages || range->address % PAGE ||
	    !plat_ram(range->address, range->pages * PAGE)) {
		violation("share of %llu pages at %llx, which is not all memory",
			  range->pages, range->address);
		return FFA_INVALID;
	}
	if (is_shared(share, n, range)) {
		violation("share of %llx, which is shared already",
			  range->address);
		return FFA_DENIED;
	}
	return 0;
}

static int take_ranges(struct share *share, u32 at)
{
	u64 pages = 0;
	u32 n;
	int err;

	share->pages = get32(text + at + COMPOSITE_PAGES);
	share->num_ranges = get32(text + at + COMPOSITE_RANGES);
	at += COMPOSITE_SIZE;
	if (share->num_ranges > MAX_RANGES)
		return FFA_NO_MEMORY;
	if (at + share->num_ranges * RANGE_SIZE != total) {
		violation("share of %u ranges in a description of %u bytes",
			  share->num_ranges, total);
		return FFA_INVALID;
	}
	for (n = 0; n < share->num_ranges; n++) {
		err = take_range(share, n, text + at + n * RANGE_SIZE);
		if (err)
			return err;
		pages += share->ranges[n].pages;
	}
	if (pages == share->pages && pages)
		return 0;
	violation("share of %u pages whose ranges have %llu", share->pages,
		  pages);
	return FFA_INVALID;
}

static int take_description(struct share *share)
{
	u32 ep = get32(text + REGION_EP_OFFSET), at;

	if (get16(text + REGION_SENDER) != OWN_ID || get32(text + REGION_FLAGS) ||
	    get64(text + REGION_HANDLE) || get32(text + REGION_EP_COUNT) != 1 ||
	    get32(text + REGION_EP_SIZE) < EP_SIZE || ep < REGION_SIZE ||
	    ep > total - EP_SIZE) {
		violation("share with a head that makes no sense");
		return FFA_INVALID;
	}
	share->receiver = get16(text + ep + EP_RECEIVER);
	at = get32(text + ep + EP_COMPOSITE);
	if (!partition_find(share->receiver) ||
	    text[ep + EP_PERMISSIONS] != PERMISSIONS_RW || at % 8 ||
	    at < ep + EP_SIZE || at > total - COMPOSITE_SIZE) {
		violation("share with %x, permissions %x", share->receiver,
			  text[ep + EP_PERMISSIONS]);
		return FFA_INVALID;
	}
	return take_ranges(share, at);
}

/* All fragments are there. */
static void finish(u64 *x)
{
	struct share *share = NULL;
	unsigned int n;
	int err;

	for (n = 0; n < MAX_SHARES && !share; n++)
		share = shares[n].live ? NULL : &shares[n];
	err = share ? take_description(share) : FFA_NO_MEMORY;
	total = 0;
	if (err) {
		firmware_error(x, err);
		return;
	}
	share->handle = handle;
	share->live = true;
	log_line(LOG_CALLS, "  shared %u pages in %u ranges with %x, handle %llx",
		 share->pages, share->num_ranges, share->receiver, handle);
	firmware_ok(x);
	x[2] = (u32)handle;
	x[3] = handle >> 32;
}

static void take_fragment(u64 *x, const void *tx, u64 tx_size, u32 len)
{
	if (!tx || len > tx_size || !len || len > total - have) {
		violation("fragment of %u bytes, %u of %u are there", len, have,
			  total);
		total = 0;
		firmware_error(x, FFA_INVALID);
		return;
	}
	memcpy(text + have, tx, len);
	have += len;
	if (have == total) {
		finish(x);
		return;
	}
	firmware_ok(x);
	x[0] = 0x8400007a; /* FFA_MEM_FRAG_RX */
	x[1] = (u32)handle;
	x[2] = handle >> 32;
	x[3] = have;
}

void memory_share(u64 *x, const void *tx, u64 tx_size)
{
	if (x[3] || x[4] || x[1] > MAX_DESCRIPTION ||
	    x[1] < REGION_SIZE + EP_SIZE + COMPOSITE_SIZE) {
		violation("share with a description of %llu bytes", x[1]);
		firmware_error(x, FFA_INVALID);
		return;
	}
	total = x[1];
	have = 0;
	handle = next_handle++;
	take_fragment(x, tx, tx_size, x[2]);
}

void memory_fragment(u64 *x, const void *tx, u64 tx_size)
{
	if (!total || ((u32)x[1] | x[2] << 32) != handle) {
		violation("fragment of what nobody has begun");
		firmware_error(x, FFA_INVALID);
		return;
	}
	take_fragment(x, tx, tx_size, x[3]);
}

void memory_reclaim(u64 *x)
{
	struct share *share = memory_find((u32)x[1] | x[2] << 32);
	bool asked = true;

	if (!share) {
		violation("reclaim of handle %llx, which is none",
			  (u32)x[1] | x[2] << 32);
		firmware_error(x, FFA_INVALID);
		return;
	}
	if (area_uses(share, &asked)) {
		if (!asked)
			violation("reclaim of an area that is in use");
		firmware_error(x, FFA_DENIED);
		return;
	}
	if (refuse) {
		refuse--;
		firmware_error(x, FFA_DENIED);
		return;
	}
	share->live = false;
	firmware_ok(x);
}
