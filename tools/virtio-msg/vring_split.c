// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * libvmsg: split rings.
 *
 * Everything in shared memory is read once, by an atomic load or by copying a
 * descriptor, and checked afterwards.
 */
#include <endian.h>
#include <string.h>
#include <linux/virtio_ring.h>

#include "internal.h"

/* Bytes before and after the entries of the two rings. */
#define VRING_HEAD	4
#define VRING_TAIL	2

static void vring_split_layout(uint32_t size,
			       struct vmsg_area area[VMSG_NUM_AREAS])
{
	area[VMSG_AREA_DESC].bytes = sizeof(struct vring_desc) * size;
	area[VMSG_AREA_DESC].align = VRING_DESC_ALIGN_SIZE;
	area[VMSG_AREA_DRIVER].bytes =
		VRING_HEAD + sizeof(uint16_t) * size + VRING_TAIL;
	area[VMSG_AREA_DRIVER].align = VRING_AVAIL_ALIGN_SIZE;
	area[VMSG_AREA_DEVICE].bytes =
		VRING_HEAD + sizeof(struct vring_used_elem) * size + VRING_TAIL;
	area[VMSG_AREA_DEVICE].align = VRING_USED_ALIGN_SIZE;
}

/* The fields of the rings. The entry behind the last one is the event. */
static uint16_t *vring_split_avail_flags(struct vmsg_vq *vq)
{
	return vq->area[VMSG_AREA_DRIVER];
}

static uint16_t *vring_split_avail_idx(struct vmsg_vq *vq)
{
	return (uint16_t *)vq->area[VMSG_AREA_DRIVER] + 1;
}

static uint16_t *vring_split_avail_entry(struct vmsg_vq *vq, uint32_t i)
{
	return (uint16_t *)vq->area[VMSG_AREA_DRIVER] + 2 + i;
}

static uint16_t *vring_split_used_flags(struct vmsg_vq *vq)
{
	return vq->area[VMSG_AREA_DEVICE];
}

static uint16_t *vring_split_used_idx(struct vmsg_vq *vq)
{
	return (uint16_t *)vq->area[VMSG_AREA_DEVICE] + 1;
}

static uint32_t *vring_split_used_entry(struct vmsg_vq *vq, uint32_t i)
{
	return (uint32_t *)vq->area[VMSG_AREA_DEVICE] + 1 + 2 * i;
}

static uint16_t *vring_split_avail_event(struct vmsg_vq *vq)
{
	return (uint16_t *)vring_split_used_entry(vq, vq->size);
}

static uint16_t vring_split_load(uint16_t *ptr, int order)
{
	return le16toh(order == __ATOMIC_ACQUIRE ?
		       __atomic_load_n(ptr, __ATOMIC_ACQUIRE) :
		       __atomic_load_n(ptr, __ATOMIC_RELAXED));
}

static void vring_split_start(struct vmsg_vq *vq)
{
	__atomic_store_n(vring_split_used_flags(vq), 0, __ATOMIC_RELAXED);
}

static int vring_split_chain(struct vmsg_vq *vq, struct vmsg_slot *slot,
			     uint32_t i)
{
	struct vring_desc copy;
	uint16_t flags;
	uint32_t done;
	int ret;

	for (done = 0; done < vq->size; done++) {
		if (i >= vq->size) {
			vmsg_vq_broken(vq, "descriptor %u in a queue of %u", i,
				       vq->size);
			return -1;
		}
		memcpy(&copy, (struct vring_desc *)vq->area[VMSG_AREA_DESC] + i,
		       sizeof(copy));
		/* From here on only the copy is looked at. */
		__asm__ volatile("" : : "r"(&copy) : "memory");
		flags = le16toh(copy.flags);
		if (flags & VRING_DESC_F_INDIRECT) {
			if (flags & VRING_DESC_F_NEXT) {
				vmsg_vq_broken(vq, "descriptor %u: indirect and yet chained",
					       i);
				return -1;
			}
			ret = vmsg_vq_indirect(vq, slot, le64toh(copy.addr),
					       le32toh(copy.len), true);
			return ret ? -1 : 1;
		}
		ret = vmsg_vq_segment(vq, slot, le64toh(copy.addr),
				      le32toh(copy.len),
				      flags & VRING_DESC_F_WRITE);
		if (ret)
			return -1;
		if (!(flags & VRING_DESC_F_NEXT))
			return 1;
		i = le16toh(copy.next);
	}
	vmsg_vq_broken(vq, "a loop of descriptors");
	return -1;
}

static int vring_split_pop(struct vmsg_vq *vq, struct vmsg_slot *slot)
{
	uint16_t idx = vring_split_load(vring_split_avail_idx(vq),
					__ATOMIC_ACQUIRE);
	uint16_t num = idx - vq->avail;
	uint16_t head;

	if (!num)
		return 0;
	/* What the device has already counts as well. */
	if (num > vq->size - vq->inflight) {
		vmsg_vq_broken(vq, "available index %u, %u more than there can be",
			       idx, num - (vq->size - vq->inflight));
		return -1;
	}
	head = vring_split_load(vring_split_avail_entry(vq, vq->avail &
							(vq->size - 1)),
				__ATOMIC_RELAXED);
	slot->id = head;
	slot->descs = 1;
	if (vring_split_chain(vq, slot, head) < 0)
		return -1;
	vq->avail++;
	vq->inflight++;
	return 1;
}

static void vring_split_push(struct vmsg_vq *vq, const struct vmsg_slot *slot)
{
	uint32_t *entry = vring_split_used_entry(vq,
						 vq->used & (vq->size - 1));

	__atomic_store_n(entry, htole32(slot->id), __ATOMIC_RELAXED);
	__atomic_store_n(entry + 1, htole32(slot->len), __ATOMIC_RELAXED);
	vq->used++;
	__atomic_store_n(vring_split_used_idx(vq), htole16(vq->used),
			 __ATOMIC_RELEASE);
	vq->inflight--;
	vq->pushed++;
}

static bool vring_split_want_notify(struct vmsg_vq *vq, uint32_t pushed)
{
	uint16_t event;

	/* The used index must be out before the driver's wish is read. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!vq->event_idx)
		return !(vring_split_load(vring_split_avail_flags(vq),
					  __ATOMIC_RELAXED) &
			 VRING_AVAIL_F_NO_INTERRUPT);
	if (pushed > UINT16_MAX)
		return true;
	event = vring_split_load(vring_split_avail_entry(vq, vq->size),
				 __ATOMIC_RELAXED);
	return vring_need_event(event, vq->used, vq->used - pushed);
}

static bool vring_split_kick_on(struct vmsg_vq *vq)
{
	if (vq->event_idx)
		__atomic_store_n(vring_split_avail_event(vq),
				 htole16(vq->avail), __ATOMIC_RELAXED);
	else
		__atomic_store_n(vring_split_used_flags(vq), 0,
				 __ATOMIC_RELAXED);
	/* The wish must be out before the ring is looked at again. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return vring_split_load(vring_split_avail_idx(vq), __ATOMIC_RELAXED) !=
	       vq->avail;
}

static void vring_split_kick_off(struct vmsg_vq *vq)
{
	/* With event index the old wish is behind and harmless. */
	if (!vq->event_idx)
		__atomic_store_n(vring_split_used_flags(vq),
				 htole16(VRING_USED_F_NO_NOTIFY),
				 __ATOMIC_RELAXED);
}

const struct vmsg_ring_ops vring_split_ops = {
	.layout = vring_split_layout,
	.start = vring_split_start,
	.pop = vring_split_pop,
	.push = vring_split_push,
	.want_notify = vring_split_want_notify,
	.kick_on = vring_split_kick_on,
	.kick_off = vring_split_kick_off,
};
