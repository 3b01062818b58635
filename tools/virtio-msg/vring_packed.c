// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * libvmsg: packed rings.
 *
 * Everything in shared memory is read once, by an atomic load or by copying a
 * descriptor, and checked afterwards.
 */
#include <endian.h>
#include <string.h>
#include <linux/virtio_ring.h>

#include "internal.h"

#define VRING_PACKED_AVAIL	VMSG_BIT(VRING_PACKED_DESC_F_AVAIL)
#define VRING_PACKED_USED	VMSG_BIT(VRING_PACKED_DESC_F_USED)
#define VRING_PACKED_WRAP	VMSG_BIT(VRING_PACKED_EVENT_F_WRAP_CTR)

static void vring_packed_layout(uint32_t size,
				struct vmsg_area area[VMSG_NUM_AREAS])
{
	area[VMSG_AREA_DESC].bytes = sizeof(struct vring_packed_desc) * size;
	area[VMSG_AREA_DESC].align = sizeof(struct vring_packed_desc);
	area[VMSG_AREA_DRIVER].bytes = sizeof(struct vring_packed_desc_event);
	area[VMSG_AREA_DRIVER].align = sizeof(struct vring_packed_desc_event);
	area[VMSG_AREA_DEVICE].bytes = sizeof(struct vring_packed_desc_event);
	area[VMSG_AREA_DEVICE].align = sizeof(struct vring_packed_desc_event);
}

static struct vring_packed_desc *vring_packed_desc(struct vmsg_vq *vq,
						   uint32_t i)
{
	return (struct vring_packed_desc *)vq->area[VMSG_AREA_DESC] + i;
}

/* Where the device says when it wants to be kicked. */
static void vring_packed_wish(struct vmsg_vq *vq, uint16_t flags)
{
	struct vring_packed_desc_event *event = vq->area[VMSG_AREA_DEVICE];

	__atomic_store_n(&event->flags, htole16(flags), __ATOMIC_RELEASE);
}

static void vring_packed_start(struct vmsg_vq *vq)
{
	vring_packed_wish(vq, VRING_PACKED_EVENT_FLAG_ENABLE);
}

static bool vring_packed_is_avail(struct vmsg_vq *vq)
{
	struct vring_packed_desc *desc = vring_packed_desc(vq, vq->avail);
	uint16_t flags = le16toh(__atomic_load_n(&desc->flags,
						 __ATOMIC_ACQUIRE));
	bool avail = flags & VRING_PACKED_AVAIL;
	bool used = flags & VRING_PACKED_USED;

	return avail == vq->avail_wrap && used != vq->avail_wrap;
}

static int vring_packed_chain(struct vmsg_vq *vq, struct vmsg_slot *slot)
{
	struct vring_packed_desc copy;
	uint32_t i = vq->avail;
	uint16_t flags;
	int ret;

	for (slot->descs = 1; slot->descs <= vq->size; slot->descs++) {
		memcpy(&copy, vring_packed_desc(vq, i), sizeof(copy));
		/* From here on only the copy is looked at. */
		__asm__ volatile("" : : "r"(&copy) : "memory");
		flags = le16toh(copy.flags);
		/* The last one of a chain has the number of the buffer. */
		slot->id = le16toh(copy.id);
		if (flags & VRING_DESC_F_INDIRECT) {
			if (flags & VRING_DESC_F_NEXT || slot->descs > 1) {
				vmsg_vq_broken(vq, "descriptor %u: indirect and yet chained",
					       i);
				return -1;
			}
			ret = vmsg_vq_indirect(vq, slot, le64toh(copy.addr),
					       le32toh(copy.len), false);
		} else {
			ret = vmsg_vq_segment(vq, slot, le64toh(copy.addr),
					      le32toh(copy.len),
					      flags & VRING_DESC_F_WRITE);
		}
		if (ret)
			return -1;
		if (!(flags & VRING_DESC_F_NEXT))
			return 1;
		if (++i == vq->size)
			i = 0;
	}
	vmsg_vq_broken(vq, "a chain of more than %u descriptors", vq->size);
	return -1;
}

static void vring_packed_advance(struct vmsg_vq *vq, uint16_t *pos, bool *wrap,
				 uint16_t descs)
{
	uint32_t next = (uint32_t)*pos + descs;

	if (next >= vq->size) {
		next -= vq->size;
		*wrap = !*wrap;
	}
	*pos = next;
}

static int vring_packed_pop(struct vmsg_vq *vq, struct vmsg_slot *slot)
{
	/* With all of them in flight, the next one is not the driver's. */
	if (vq->inflight == vq->size || !vring_packed_is_avail(vq))
		return 0;
	if (vring_packed_chain(vq, slot) < 0)
		return -1;
	if (vq->inflight + slot->descs > vq->size) {
		vmsg_vq_broken(vq, "a chain that runs into descriptors in use");
		return -1;
	}
	vring_packed_advance(vq, &vq->avail, &vq->avail_wrap, slot->descs);
	vq->inflight += slot->descs;
	return 1;
}

static void vring_packed_push(struct vmsg_vq *vq, const struct vmsg_slot *slot)
{
	struct vring_packed_desc *desc = vring_packed_desc(vq, vq->used);
	uint16_t flags = vq->used_wrap ?
			 VRING_PACKED_AVAIL | VRING_PACKED_USED : 0;

	if (slot->len)
		flags |= VRING_DESC_F_WRITE;
	__atomic_store_n(&desc->id, htole16(slot->id), __ATOMIC_RELAXED);
	__atomic_store_n(&desc->len, htole32(slot->len), __ATOMIC_RELAXED);
	__atomic_store_n(&desc->flags, htole16(flags), __ATOMIC_RELEASE);
	vring_packed_advance(vq, &vq->used, &vq->used_wrap, slot->descs);
	vq->inflight -= slot->descs;
	vq->pushed += slot->descs;
}

static bool vring_packed_want_notify(struct vmsg_vq *vq, uint32_t pushed)
{
	struct vring_packed_desc_event *event = vq->area[VMSG_AREA_DRIVER];
	uint16_t flags, off_wrap, off;
	bool wrap;

	/* The used descriptors must be out before the wish is read. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	flags = le16toh(__atomic_load_n(&event->flags, __ATOMIC_ACQUIRE));
	if (flags == VRING_PACKED_EVENT_FLAG_DISABLE)
		return false;
	if (flags != VRING_PACKED_EVENT_FLAG_DESC || !vq->event_idx)
		return true;
	if (pushed >= vq->size)
		return true;

	off_wrap = le16toh(__atomic_load_n(&event->off_wrap,
					   __ATOMIC_RELAXED));
	wrap = off_wrap & VRING_PACKED_WRAP;
	off = off_wrap & ~VRING_PACKED_WRAP;
	if (wrap != vq->used_wrap)
		off -= vq->size;
	return vring_need_event(off, vq->used, vq->used - pushed);
}

static bool vring_packed_kick_on(struct vmsg_vq *vq)
{
	struct vring_packed_desc_event *event = vq->area[VMSG_AREA_DEVICE];
	uint16_t off_wrap = vq->avail;

	if (vq->event_idx) {
		if (vq->avail_wrap)
			off_wrap |= VRING_PACKED_WRAP;
		__atomic_store_n(&event->off_wrap, htole16(off_wrap),
				 __ATOMIC_RELAXED);
		vring_packed_wish(vq, VRING_PACKED_EVENT_FLAG_DESC);
	} else {
		vring_packed_wish(vq, VRING_PACKED_EVENT_FLAG_ENABLE);
	}
	/* The wish must be out before the ring is looked at again. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return vq->inflight < vq->size && vring_packed_is_avail(vq);
}

static void vring_packed_kick_off(struct vmsg_vq *vq)
{
	vring_packed_wish(vq, VRING_PACKED_EVENT_FLAG_DISABLE);
}

const struct vmsg_ring_ops vring_packed_ops = {
	.layout = vring_packed_layout,
	.start = vring_packed_start,
	.pop = vring_packed_pop,
	.push = vring_packed_push,
	.want_notify = vring_packed_want_notify,
	.kick_on = vring_packed_kick_on,
	.kick_off = vring_packed_kick_off,
};
