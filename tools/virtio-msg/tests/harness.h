/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/*
 * libvmsg tests: a driver side in the same process.
 *
 * A memory link carries frames in buffers and has a pool of plain memory; a
 * small driver speaks messages and builds rings in that pool.
 */
#ifndef _HARNESS_H
#define _HARNESS_H

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "internal.h"

/* TAP -------------------------------------------------------------------- */

/* One test. Goes on after a failure. */
#define ok(cond, ...)	tap_ok(cond, __FILE__, __LINE__, __VA_ARGS__)

bool tap_ok(bool good, const char *file, int line, const char *fmt, ...)
	VMSG_PRINTF(4, 5);
int tap_end(void);

/* Memory link ------------------------------------------------------------ */

/* Device address of the pool. */
#define POOL_ADDR	0x10000ULL
#define POOL_SIZE	(5u * 1024 * 1024)

/* Statuses that a driver goes through. */
#define S_ACK		VIRTIO_CONFIG_S_ACKNOWLEDGE
#define S_DRIVER	(S_ACK | VIRTIO_CONFIG_S_DRIVER)
#define S_FEATURES	(S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK)
#define S_RUNNING	(S_FEATURES | VIRTIO_CONFIG_S_DRIVER_OK)
#define S_BROKEN	(S_RUNNING | VIRTIO_CONFIG_S_NEEDS_RESET)

/* What each device offers in these tests, and must be accepted. */
#define F_BASE	(VMSG_BIT(VMSG_F_VERSION_1) | VMSG_BIT(VMSG_F_ACCESS_PLATFORM))

struct frame {
	struct frame *next;
	size_t len;
	uint8_t bytes[];
};

struct frames {
	struct frame *first;
	struct frame **last;
};

struct bench;

/*
 * The driver side of another link than the memory link: sends a frame, kicks a
 * queue, and gives all frames that it finds to bench_arrived().
 */
struct bench_carrier {
	void (*put)(struct bench *b, const void *frame, size_t len);
	void (*kick)(struct bench *b, uint16_t dev, uint32_t index);
	void (*take)(struct bench *b);
};

/* How to set up a bench; all zero is the usual. */
struct bench_params {
	size_t max_msg_size;
	uint64_t transport_features;
	uint64_t ring_features;
	bool eventfds;
	bool legacy_enable;
	bool rfc;
	/* Another link, its driver side, and where POOL_ADDR is in memory. */
	struct vmsg_link *other;
	const struct bench_carrier *carrier;
	void *priv;
	char *pool;
};

struct bench {
	struct vmsg_link link;
	const struct bench_carrier *carrier;
	void *priv;
	enum vmsg_dialect dialect;
	struct vmsg_loop *loop;
	struct vmsg_bus *bus;
	char *pool;
	/* Device to driver, and back; events are kept apart from answers. */
	struct frames to_driver;
	struct frames to_device;
	/* The link takes so many more frames from the device. */
	int room;
	bool has_fds;
	int queue_error;
	/* Say once that the driver side has gone. */
	bool gone;
	unsigned int num_received;
	/* What the last call of the link's queue function was given. */
	int kick_fd;
	int used_fd;
	unsigned int num_queue_calls;
	bool dead;
	int error;
	uint16_t token;
};

void bench_open(struct bench *b, const struct bench_params *params);
void bench_close(struct bench *b);
void bench_run(struct bench *b);
void bench_put(struct bench *b, const void *frame, size_t len);
bool bench_get(struct bench *b, uint8_t type, uint8_t id, struct vmsg_msg *msg);
unsigned int bench_flush(struct bench *b);
void bench_arrived(struct bench *b, const void *frame, size_t len);
bool bench_ask(struct bench *b, struct vmsg_msg *msg);
void *bench_ptr(struct bench *b, uint64_t addr);

/* Driver ----------------------------------------------------------------- */

uint32_t drv_status(struct bench *b, uint16_t dev);
uint32_t drv_set_status(struct bench *b, uint16_t dev, uint32_t status);
uint64_t drv_offered(struct bench *b, uint16_t dev);
void drv_accept(struct bench *b, uint16_t dev, uint64_t features);
bool drv_negotiate(struct bench *b, uint16_t dev, uint64_t features);
bool drv_read_config(struct bench *b, uint16_t dev, uint32_t offset, void *buf,
		     uint32_t len);
bool drv_write_config(struct bench *b, uint16_t dev, uint32_t offset,
		      const void *buf, uint32_t len);
struct vmsg_msg drv_get_vq(struct bench *b, uint16_t dev, uint32_t index);
void drv_event_avail(struct bench *b, uint16_t dev, uint32_t index,
		     uint32_t next);

/* A piece of a buffer. */
struct seg {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
};

/* The driver's half of a queue. */
struct ring {
	struct bench *b;
	uint16_t dev;
	uint32_t index;
	uint32_t size;
	bool packed;
	uint64_t desc;
	uint64_t driver;
	uint64_t device;
	uint64_t table;
	uint16_t next;
	uint16_t avail;
	uint16_t used;
	bool avail_wrap;
	bool used_wrap;
	uint16_t descs[1024];
};

void ring_place(struct ring *r, struct bench *b, uint16_t dev, uint32_t index,
		uint32_t size, bool packed);
void ring_enable(struct ring *r);
uint16_t ring_add(struct ring *r, const struct seg *segs, unsigned int num,
		  bool indirect);
bool ring_used(struct ring *r, uint32_t *id, uint32_t *len);
void ring_kick(struct ring *r);
struct vring_desc *ring_split_desc(struct ring *r, uint16_t i);
struct vring_packed_desc *ring_packed_desc(struct ring *r, uint16_t i);
uint16_t *ring_u16(struct ring *r, uint64_t area, unsigned int i);

/* Test device ------------------------------------------------------------ */

#define TD_CONFIG	300u

/*
 * A device that copies what it may read into what it may write, at once or when
 * td_finish() is called.
 */
struct td {
	struct vmsg_device *dev;
	uint8_t config[TD_CONFIG];
	bool refuse_features;
	bool refuse_config;
	bool later;
	bool keep;
	bool popping;
	unsigned int calls;
	unsigned int resets;
	unsigned int queue_resets;
	unsigned int statuses;
	uint8_t last_status;
	struct vmsg_vq *vq;
	struct vmsg_elem *held[64];
	unsigned int num_held;
};

struct vmsg_device *td_add(struct bench *b, struct td *td, uint32_t num,
			   uint32_t queues, uint64_t features);
void td_finish(struct td *td, unsigned int i);

#endif /* _HARNESS_H */
