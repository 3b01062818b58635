// SPDX-License-Identifier: GPL-2.0
/*
 * The secure side of the FF-A tests: split rings. Everything that the driver side
 * writes is copied before it is looked at, and every chain is bounded.
 */
#include <linux/virtio_ring.h>

#include "secure.h"

/* One aligned access, as the other side may be writing. */
static bool load16(struct partition *p, u64 address, u16 *value)
{
	u16 *at = area_at(p, address, sizeof(*at));

	if (!at)
		return false;
	*value = __atomic_load_n(at, __ATOMIC_RELAXED);
	return true;
}

static bool store16(struct partition *p, u64 address, u16 value)
{
	u16 *at = area_at(p, address, sizeof(*at));

	if (!at)
		return false;
	__atomic_store_n(at, value, __ATOMIC_RELAXED);
	return true;
}

static bool add_piece(struct partition *p, struct queue *q, u16 index,
		      struct chain *chain, struct vring_desc *desc)
{
	struct piece *piece = &chain->pieces[chain->num];

	if (index >= q->size || chain->num == MAX_CHAIN) {
		violation("descriptor %u of %u, the %u of a chain", index,
			  q->size, chain->num);
		return false;
	}
	if (!area_copy(p, q->desc + index * sizeof(*desc), desc, sizeof(*desc),
		       false))
		return false;
	if (desc->flags & ~(VRING_DESC_F_NEXT | VRING_DESC_F_WRITE)) {
		violation("descriptor with flags %x", desc->flags);
		return false;
	}
	piece->address = desc->addr;
	piece->len = desc->len;
	piece->write = desc->flags & VRING_DESC_F_WRITE;
	if (chain->num && piece->write < piece[-1].write) {
		violation("what is to be read comes after what is to be written");
		return false;
	}
	chain->num++;
	return true;
}

bool vring_pop(struct partition *p, struct queue *q, struct chain *chain)
{
	struct vring_desc desc;
	u16 avail, index;

	chain->num = 0;
	if (!q->enabled || !load16(p, q->driver + 2, &avail) ||
	    avail == q->next_avail)
		return false;
	if ((u16)(avail - q->next_avail) > q->size) {
		violation("%u buffers in a ring of %u",
			  (u16)(avail - q->next_avail), q->size);
		q->enabled = false;
		return false;
	}
	plat_barrier();
	if (!load16(p, q->driver + 4 + 2 * (q->next_avail % q->size), &index))
		return false;
	chain->head = index;
	q->next_avail++;
	do {
		if (!add_piece(p, q, index, chain, &desc)) {
			q->enabled = false;
			return false;
		}
		index = desc.next;
	} while (desc.flags & VRING_DESC_F_NEXT);
	return true;
}

bool vring_push(struct partition *p, struct queue *q, const struct chain *chain,
		u32 written)
{
	struct vring_used_elem elem = { .id = chain->head, .len = written };
	u16 flags = 0;

	if (!area_copy(p, q->device + 4 +
		       sizeof(elem) * (q->next_used % q->size), &elem,
		       sizeof(elem), true))
		return false;
	plat_barrier();
	q->next_used++;
	if (!store16(p, q->device + 2, q->next_used))
		return false;
	plat_barrier();
	return load16(p, q->driver, &flags) && !(flags & VRING_AVAIL_F_NO_INTERRUPT);
}

static u32 chain_copy(struct partition *p, const struct chain *chain, u32 from,
		      u8 *buf, u32 len, bool write)
{
	const struct piece *piece;
	u32 n, done = 0;

	for (piece = chain->pieces; piece < chain->pieces + chain->num; piece++) {
		if (piece->write != write)
			continue;
		if (from >= piece->len) {
			from -= piece->len;
			continue;
		}
		n = piece->len - from;
		if (n > len - done)
			n = len - done;
		if (!area_copy(p, piece->address + from, buf + done, n, write))
			break;
		done += n;
		from = 0;
	}
	return done;
}

u32 chain_read(struct partition *p, const struct chain *chain, u32 from,
	       void *buf, u32 len)
{
	return chain_copy(p, chain, from, buf, len, false);
}

u32 chain_write(struct partition *p, const struct chain *chain, u32 from,
		const void *buf, u32 len)
{
	return chain_copy(p, chain, from, (u8 *)buf, len, true);
}

/* Bytes that are to be read, or can be written; bounded, whatever they say. */
u32 chain_len(const struct chain *chain, bool write)
{
	const struct piece *piece;
	u64 len = 0;

	for (piece = chain->pieces; piece < chain->pieces + chain->num; piece++)
		len += piece->write == write ? piece->len : 0;
	return len < 0x10000000 ? len : 0x10000000;
}
