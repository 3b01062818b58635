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

#ifndef __printf
#define __printf(a, b)	__attribute__((format(printf, a, b)))
#endif

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

/* TAP */
void plan(unsigned int tests);
void ok(bool good, const char *fmt, ...) __printf(2, 3);
void note(const char *fmt, ...) __printf(1, 2);
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
int lb_event_device(struct lb *lb, int dev_num, int state);
long lb_statistic(struct lb *lb, const char *name);
int lb_read_file(const char *path, char *text, size_t size);

#endif /* _LB_H */
