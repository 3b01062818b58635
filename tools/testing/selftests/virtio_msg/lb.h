/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The device side of /dev/virtio-msg-lb by hand: frames as they are, right or
 * wrong. What all the programs in this folder share.
 */
#ifndef _LB_H
#define _LB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <linux/virtio_msg.h>
#include <linux/virtio_msg_lb.h>

#define LB_POOL		0x100000
/* Longest wait, in ms; nothing here depends on how long it is. */
#define LB_WAIT		10000
#define LB_FRAME	1024

/* For functions that take a format like printf(). */
#define LB_ATTRIBUTE(x)	__attribute__((x))
#define LB_PRINTF(fmt, args) \
	LB_ATTRIBUTE(__format__(__printf__, fmt, args))

/**
 * struct lb - a bus
 * @fd: of /dev/virtio-msg-lb
 * @memfd: its pool
 * @pool: the same, mapped
 * @num: number of the bus instance
 */
struct lb {
	int fd;
	int memfd;
	uint8_t *pool;
	unsigned int num;
};

#define LB_VQS		2

/**
 * struct lb_vq - a queue of struct lb_dev, as the driver set it up
 */
struct lb_vq {
	uint32_t size;
	bool enabled;
	uint64_t desc;
	uint64_t driver;
	uint64_t device;
};

/**
 * struct lb_dev - a device that answers all requests and serves no queue
 * @num: device number
 * @id: virtio device type
 * @features: what it offers
 * @config: its configuration space
 * @config_size: bytes of it
 * @max_size: of each queue
 * @num_vqs: queues
 * @status: device status
 * @driver_features: what the driver chose
 * @kicks: EVENT_AVAIL so far
 * @infos: GET_DEVICE_INFO so far
 * @vq: queues
 */
struct lb_dev {
	unsigned int num;
	uint32_t id;
	uint64_t features;
	uint8_t config[96];
	uint32_t config_size;
	uint32_t max_size;
	uint32_t num_vqs;
	uint32_t status;
	uint64_t driver_features;
	unsigned int kicks;
	unsigned int infos;
	struct lb_vq vq[LB_VQS];
};

/* TAP */
void plan(unsigned int tests);
void ok(bool good, const char *fmt, ...) LB_PRINTF(2, 3);
void note(const char *fmt, ...) LB_PRINTF(1, 2);
int finish(void);

/* Buses */
int lb_open(int flags);
int lb_memfd(size_t size, unsigned int seals);
void lb_setup_init(struct virtio_msg_lb_setup *setup, int memfd);
bool lb_start(struct lb *lb, unsigned int timeout_ms);
void lb_stop(struct lb *lb);

/* Frames */
size_t lb_frame(void *frame, int type, int id, int dev_num, int token,
		const void *payload, size_t size);
int lb_send(struct lb *lb, const void *frame, size_t size);
int lb_recv(struct lb *lb, void *frame, int timeout_ms);
int lb_answer(struct lb *lb, const void *request, const void *payload,
	      size_t size);
bool lb_no_devices(struct lb *lb);
bool lb_alive(struct lb *lb);
bool lb_dev_handle(struct lb *lb, struct lb_dev *dev, const void *frame);
bool lb_dev_run(struct lb *lb, struct lb_dev *dev,
		bool (*done)(struct lb *lb, struct lb_dev *dev));
int lb_event_device(struct lb *lb, int dev_num, int state);
long lb_statistic(struct lb *lb, const char *name);
bool lb_exists(unsigned int num);
int lb_read_file(const char *path, char *text, size_t size);

#endif /* _LB_H */
