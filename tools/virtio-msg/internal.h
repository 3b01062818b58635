/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/*
 * libvmsg: what its own files know of each other.
 */
#ifndef _VMSG_INTERNAL_H
#define _VMSG_INTERNAL_H

#include "vmsg.h"
#include "wire.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define VMSG_CONTAINER_OF(ptr, type, member) \
	((type *)((char *)(ptr) - offsetof(type, member)))

/* vring_split.c, vring_packed.c ------------------------------------------ */

/* The three areas of a queue, in the order of the SET_VQUEUE message. */
enum {
	VMSG_AREA_DESC,
	VMSG_AREA_DRIVER,
	VMSG_AREA_DEVICE,
	VMSG_NUM_AREAS,
};

/* An area of a queue: how many bytes, and its alignment in bytes. */
struct vmsg_area {
	uint64_t bytes;
	uint64_t align;
};

/* A buffer, and what the ring needs to know to give it back. */
struct vmsg_slot {
	struct vmsg_elem elem;
	struct vmsg_slot *all;
	struct vmsg_slot *next;
	struct iovec *iov;
	unsigned int num;
	unsigned int room;
	uint64_t total;
	uint32_t len;
	/* What the driver calls it, and how many descriptors it took. */
	uint16_t id;
	uint16_t descs;
	bool busy;
	bool done;
};

/*
 * One kind of ring. All of these are called for enabled queues only. They
 * report a ring that makes no sense with vmsg_vq_broken().
 */
struct vmsg_ring_ops {
	void (*layout)(uint32_t size, struct vmsg_area area[VMSG_NUM_AREAS]);
	void (*start)(struct vmsg_vq *vq);
	/* 1 = there is one, 0 = the ring is empty, -1 = it is broken */
	int (*pop)(struct vmsg_vq *vq, struct vmsg_slot *slot);
	void (*push)(struct vmsg_vq *vq, const struct vmsg_slot *slot);
	bool (*want_notify)(struct vmsg_vq *vq, uint32_t pushed);
	/* Ask for kicks; returns true when there are buffers already. */
	bool (*kick_on)(struct vmsg_vq *vq);
	void (*kick_off)(struct vmsg_vq *vq);
};

extern const struct vmsg_ring_ops vring_split_ops;
extern const struct vmsg_ring_ops vring_packed_ops;

/* vq.c ------------------------------------------------------------------- */

struct vmsg_vq {
	struct vmsg_device *dev;
	uint32_t index;
	uint32_t max_size;

	/* What SET_VQUEUE said. */
	uint32_t size;
	uint64_t addr[VMSG_NUM_AREAS];
	bool enabled;

	/* While enabled. */
	const struct vmsg_ring_ops *ring;
	void *area[VMSG_NUM_AREAS];
	bool indirect;
	bool event_idx;
	bool in_order;
	bool armed;
	bool broken;
	/* Where to read next, and where to write next. */
	uint16_t avail;
	uint16_t used;
	bool avail_wrap;
	bool used_wrap;
	/* Descriptors (packed) or buffers (split) that the device has. */
	uint32_t inflight;
	/* The same, given back since the last decision whether to notify. */
	uint32_t pushed;

	/* All slots; those without a buffer; in order: those in flight. */
	struct vmsg_slot *all;
	struct vmsg_slot *free;
	struct vmsg_slot *first;
	struct vmsg_slot *last;

	/* Notifications. */
	struct vmsg_watch kick;
	struct vmsg_work work;
	int used_fd;
	bool kick_watched;
	bool used_by_fd;
	bool used_pending;

	/* While the device works on it: buffers until others get their turn. */
	bool running;
	bool again;
	uint32_t budget;

	/* RESET_VQUEUE whose answer waits for the model, and then for room. */
	bool resetting;
	bool answer_pending;
	uint16_t reset_token;

	uint64_t num_kicks;
	uint64_t num_used;
	uint64_t num_bufs;
};

void vmsg_vq_init(struct vmsg_vq *vq, struct vmsg_device *dev, uint32_t index,
		  uint32_t max_size);
void vmsg_vq_exit(struct vmsg_vq *vq);
int vmsg_vq_check(struct vmsg_vq *vq, uint32_t size, const uint64_t *addr,
		  bool complete);
void vmsg_vq_enable(struct vmsg_vq *vq);
void vmsg_vq_stop(struct vmsg_vq *vq);
void vmsg_vq_clear(struct vmsg_vq *vq);
void vmsg_vq_kick(struct vmsg_vq *vq);
void vmsg_vq_send_pending(struct vmsg_vq *vq);
int vmsg_vq_segment(struct vmsg_vq *vq, struct vmsg_slot *slot, uint64_t addr,
		    uint32_t len, bool write);
int vmsg_vq_indirect(struct vmsg_vq *vq, struct vmsg_slot *slot, uint64_t addr,
		     uint32_t len, bool chained);

/* bus.c ------------------------------------------------------------------ */

/* Why a frame was dropped. */
enum vmsg_drop {
	VMSG_DROP_MALFORMED,
	VMSG_DROP_UNKNOWN,
	VMSG_DROP_DIRECTION,
	VMSG_DROP_NO_DEVICE,
	VMSG_DROP_STATE,
	VMSG_NUM_DROPS,
};

/* Devices are kept in pages, so that a bus with few of them stays small. */
#define VMSG_PAGE_DEVICES	256u
#define VMSG_NUM_PAGES		(VMSG_MAX_DEVICES / VMSG_PAGE_DEVICES)

struct vmsg_bus {
	struct vmsg_loop *loop;
	struct vmsg_link *link;
	struct vmsg_bus_params params;
	enum vmsg_dialect dialect;
	size_t max_msg_size;
	struct vmsg_device **pages[VMSG_NUM_PAGES];

	struct vmsg_watch watch;
	/* Frames that the last batch has left, and a doorbell to be rung. */
	struct vmsg_work more;
	struct vmsg_work flush;
	uint8_t *rx;
	uint8_t *tx;
	uint8_t *data;
	/* The answer that the link had no room for: nothing is read until then. */
	size_t stalled;
	bool blocked;
	/* The driver side has gone and there are devices that do not know yet. */
	bool settling;
	bool dead;

	uint64_t num_rx[4][256];
	uint64_t num_tx[4][256];
	uint64_t num_drops[VMSG_NUM_DROPS];
};

int vmsg_bus_insert(struct vmsg_bus *bus, uint32_t num,
		    struct vmsg_device *dev);
void vmsg_bus_erase(struct vmsg_bus *bus, uint32_t num);
bool vmsg_bus_send_event(struct vmsg_bus *bus, const struct vmsg_msg *msg);
bool vmsg_bus_respond(struct vmsg_bus *bus, struct vmsg_msg *msg);
void vmsg_bus_drop(struct vmsg_bus *bus, enum vmsg_drop why);
bool vmsg_bus_strict(const struct vmsg_bus *bus);
void vmsg_bus_settle(struct vmsg_bus *bus);

/* device.c --------------------------------------------------------------- */

struct vmsg_device {
	struct vmsg_bus *bus;
	const struct vmsg_device_ops *ops;
	void *priv;
	char *name;
	uint16_t num;
	uint32_t device_id;
	uint32_t vendor_id;
	uint8_t uuid[16];
	uint32_t config_size;

	uint64_t offered[2];
	uint64_t features[2];
	/* The driver has set bits of blocks that nobody knows. */
	bool alien_features;
	uint32_t generation;
	uint8_t status;
	bool resetting;
	bool leaving;

	/* Events that the link had no room for. */
	bool config_pending;
	bool announce_pending;

	uint32_t num_vqs;
	struct vmsg_vq vqs[];
};

bool vmsg_device_running(const struct vmsg_device *dev);
void vmsg_device_handle(struct vmsg_device *dev, struct vmsg_msg *msg);
void vmsg_device_send_pending(struct vmsg_device *dev);
void vmsg_device_reset(struct vmsg_device *dev);

#endif /* _VMSG_INTERNAL_H */
