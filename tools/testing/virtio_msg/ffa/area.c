// SPDX-License-Identifier: GPL-2.0
/*
 * The secure side of the FF-A tests: addresses in areas. This is the only way in
 * which devices reach memory: an address that is not in an area is a violation,
 * and one that spans two pieces of memory is followed piece by piece.
 */
#include <string.h>

#include "secure.h"

struct area *area_find(struct partition *p, u16 num)
{
	unsigned int n;

	for (n = 0; n < MAX_AREAS; n++) {
		if (p->areas[n].share && p->areas[n].num == num)
			return &p->areas[n];
	}
	return NULL;
}

/* *@asked says whether all who use it were asked to let go. */
bool area_uses(const struct share *share, bool *asked)
{
	unsigned int i, n;
	bool uses = false;

	*asked = true;
	for (i = 0; i < NUM_PARTITIONS; i++) {
		for (n = 0; n < MAX_AREAS; n++) {
			if (partitions[i].areas[n].share != share)
				continue;
			uses = true;
			*asked = *asked && partitions[i].areas[n].asked;
		}
	}
	return uses;
}

/* The memory at @address, and how many bytes there are in a row. */
static u8 *find(struct partition *p, u64 address, u64 *len)
{
	struct area *area = area_find(p, address >> VIRTIO_MSG_FFA_AREA_SHIFT);
	u64 offset = address & ((1ull << VIRTIO_MSG_FFA_AREA_SHIFT) - 1);
	const struct range *range;
	u32 n;

	for (n = 0; area && n < area->share->num_ranges; n++) {
		range = &area->share->ranges[n];
		if (offset < range->pages * PAGE) {
			*len = range->pages * PAGE - offset;
			return plat_ram(range->address + offset, *len);
		}
		offset -= range->pages * PAGE;
	}
	violation("access of %llx, which is in no area", address);
	return NULL;
}

void *area_at(struct partition *p, u64 address, u32 len)
{
	u64 there = 0;
	u8 *at = find(p, address, &there);

	if (!at || there >= len)
		return at;
	violation("access of %u bytes at %llx: %llu are there", len, address,
		  there);
	return NULL;
}

bool area_copy(struct partition *p, u64 address, void *buf, u32 len, bool write)
{
	u8 *from = buf, *at;
	u64 there = 0;

	while (len) {
		at = find(p, address, &there);
		if (!at)
			return false;
		if (there > len)
			there = len;
		if (write)
			memcpy(at, from, there);
		else
			memcpy(from, at, there);
		address += there;
		from += there;
		len -= there;
	}
	return true;
}
