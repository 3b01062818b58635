/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/*
 * libvmsg tests: what stands between a program and io_uring.
 *
 * Takes the place of some functions of liburing (see the Makefile). Requests
 * that are submitted can be held: the program believes that the kernel works on
 * them, and the kernel does not know of them until hold_let_go().
 */
#ifndef _URING_HOLD_H
#define _URING_HOLD_H

#include <stdbool.h>
#include <liburing.h>

struct hold {
	bool on;
	/* Errors: no ring can be had, nothing can be submitted. */
	int no_ring;
	int no_submit;
	/* So many times it has no room: EBUSY. */
	unsigned int fails;
	/* Have the kernel say EAGAIN all the time: an empty pipe. */
	int dry_fd;
	/* The ring that was used last, and what has been submitted to it. */
	struct io_uring *ring;
	struct io_uring_sqe sqes[512];
	unsigned int num;
	unsigned int submits;
	/* How often the processor was given away. */
	unsigned int yields;
};

extern struct hold hold;

void hold_let_go(bool on);
void hold_make_dry(struct io_uring_sqe *sqe, int fd);

int __real_io_uring_queue_init(unsigned int entries, struct io_uring *ring,
			       unsigned int flags);
int __wrap_io_uring_queue_init(unsigned int entries, struct io_uring *ring,
			       unsigned int flags);
int __real_io_uring_submit(struct io_uring *ring);
int __wrap_io_uring_submit(struct io_uring *ring);
int __real___io_uring_get_cqe(struct io_uring *ring, struct io_uring_cqe **cqe,
			      unsigned int submit, unsigned int wait,
			      sigset_t *mask);
int __wrap___io_uring_get_cqe(struct io_uring *ring, struct io_uring_cqe **cqe,
			      unsigned int submit, unsigned int wait,
			      sigset_t *mask);

int __wrap_sched_yield(void);

#endif /* _URING_HOLD_H */
