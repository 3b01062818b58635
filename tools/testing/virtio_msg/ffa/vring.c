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

/* Descriptors: those of the ring, or those that one of them stands for. */
struct table {
	u64 address;
	u32 num;
	bool ring;
};

static bool load_desc(struct partition *p, const struct table *table, u16 index,
		      struct vring_desc *desc)
{
	if (index >= table->num) {
		violation("descriptor %u of %u", index, table->num);
		return false;
	}
	return area_copy(p, table->address + index * sizeof(*desc), desc,
			 sizeof(*desc), false);
}

static bool open_table(struct queue *q, struct table *table,
		       const struct vring_desc *desc)
{
	if (!q->tables || !table->ring || desc->flags != VRING_DESC_F_INDIRECT ||
	    !desc->len || desc->len % sizeof(*desc)) {
		violation("a table of %u bytes, flags %x%s", desc->len,
			  desc->flags, table->ring ? "" : ", in a table");
		return false;
	}
	table->address = desc->addr;
	table->num = desc->len / sizeof(*desc);
	table->ring = false;
	return true;
}

static bool add_piece(struct chain *chain, const struct vring_desc *desc)
{
	struct piece *piece = &chain->pieces[chain->num];

	if (chain->num == MAX_CHAIN ||
	    desc->flags & ~(VRING_DESC_F_NEXT | VRING_DESC_F_WRITE)) {
		violation("descriptor with flags %x, the %u of a chain",
			  desc->flags, chain->num);
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

/* Ends, as a chain has MAX_CHAIN pieces and one table at most. */
static bool load_chain(struct partition *p, struct queue *q, struct chain *chain)
{
	struct table table = { .address = q->desc, .num = q->size, .ring = true };
	u16 index = chain->head;
	struct vring_desc desc;

	for (;;) {
		if (!load_desc(p, &table, index, &desc))
			return false;
		if (desc.flags & VRING_DESC_F_INDIRECT) {
			if (!open_table(q, &table, &desc))
				return false;
			index = 0;
			continue;
		}
		if (!add_piece(chain, &desc))
			return false;
		if (!(desc.flags & VRING_DESC_F_NEXT))
			return true;
		index = desc.next;
	}
}

/*
 * How far has the driver got? A driver with VIRTIO_F_EVENT_IDX kicks for the next
 * buffer only if it is told to, and may have missed that.
 */
static bool load_avail(struct partition *p, struct queue *q, u16 *avail)
{
	if (!load16(p, q->driver + 2, avail))
		return false;
	if (*avail != q->next_avail || !q->event_idx)
		return true;
	if (!store16(p, q->device + 4 + 8 * q->size, q->next_avail))
		return false;
	plat_barrier();
	return load16(p, q->driver + 2, avail);
}

bool vring_pop(struct partition *p, struct queue *q, struct chain *chain)
{
	u16 avail;

	chain->num = 0;
	if (!q->enabled || !load_avail(p, q, &avail) || avail == q->next_avail)
		return false;
	if ((u16)(avail - q->next_avail) > q->size) {
		violation("%u buffers in a ring of %u",
			  (u16)(avail - q->next_avail), q->size);
		q->enabled = false;
		return false;
	}
	plat_barrier();
	if (!load16(p, q->driver + 4 + 2 * (q->next_avail % q->size),
		    &chain->head))
		return false;
	q->next_avail++;
	if (load_chain(p, q, chain))
		return true;
	q->enabled = false;
	return false;
}

/* Does the driver want to hear of the buffer that was used last? */
static bool wants_event(struct partition *p, struct queue *q)
{
	u16 value = 0;

	if (q->event_idx)
		return load16(p, q->driver + 4 + 2 * q->size, &value) &&
		       value == (u16)(q->next_used - 1);
	return load16(p, q->driver, &value) &&
	       !(value & VRING_AVAIL_F_NO_INTERRUPT);
}

bool vring_push(struct partition *p, struct queue *q, const struct chain *chain,
		u32 written)
{
	struct vring_used_elem elem = { .id = chain->head, .len = written };

	if (!area_copy(p, q->device + 4 +
		       sizeof(elem) * (q->next_used % q->size), &elem,
		       sizeof(elem), true))
		return false;
	plat_barrier();
	q->next_used++;
	if (!store16(p, q->device + 2, q->next_used))
		return false;
	plat_barrier();
	return wants_event(p, q);
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
