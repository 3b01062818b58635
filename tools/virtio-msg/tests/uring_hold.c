// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * libvmsg tests: what stands between a program and io_uring.
 */
#include <errno.h>
#include <stdbool.h>

#include "uring_hold.h"

struct hold hold;

int __wrap_io_uring_queue_init(unsigned int entries, struct io_uring *ring,
			       unsigned int flags)
{
	return hold.no_ring ? hold.no_ring :
	       __real_io_uring_queue_init(entries, ring, flags);
}

/* Has the kernel say EAGAIN: from an empty pipe, and it must not wait. */
void hold_make_dry(struct io_uring_sqe *sqe, int fd)
{
	sqe->fd = fd;
	sqe->off = -1;
	sqe->rw_flags = RWF_NOWAIT;
}

/* Take what is prepared out of the ring. */
static unsigned int hold_take(struct io_uring *ring, struct io_uring_sqe *sqes)
{
	unsigned int i, num = io_uring_sq_ready(ring);
	struct io_uring_sq *sq = &ring->sq;

	sq->sqe_tail -= num;
	for (i = 0; i < num; i++)
		sqes[i] = sq->sqes[(sq->sqe_tail + i) & *sq->kring_mask];
	return num;
}

static void hold_prepare(struct io_uring *ring, const struct io_uring_sqe *sqe)
{
	struct io_uring_sqe *place = io_uring_get_sqe(ring);

	*place = *sqe;
}

int __wrap_io_uring_submit(struct io_uring *ring)
{
	static struct io_uring_sqe sqes[512];
	unsigned int i, num;

	hold.ring = ring;
	hold.submits++;
	if (hold.no_submit)
		return hold.no_submit;
	if (hold.fails) {
		hold.fails--;
		return -EBUSY;
	}
	num = hold_take(ring, sqes);
	for (i = 0; i < num; i++) {
		if (hold.dry_fd)
			hold_make_dry(&sqes[i], hold.dry_fd);
		if (hold.on)
			hold.sqes[hold.num++] = sqes[i];
		else
			hold_prepare(ring, &sqes[i]);
	}
	return hold.on ? (int)num : __real_io_uring_submit(ring);
}

/* Give the kernel what was kept from it, and only that; the last one first. */
void hold_let_go(bool on)
{
	static struct io_uring_sqe others[512];
	unsigned int i, num = hold_take(hold.ring, others);

	while (hold.num)
		hold_prepare(hold.ring, &hold.sqes[--hold.num]);
	hold.on = on;
	__real_io_uring_submit(hold.ring);
	for (i = 0; i < num; i++)
		hold_prepare(hold.ring, &others[i]);
}

/* Whoever waits for the kernel gives it time to do something. */
int __wrap___io_uring_get_cqe(struct io_uring *ring, struct io_uring_cqe **cqe,
			      unsigned int submit, unsigned int wait,
			      sigset_t *mask)
{
	if (wait && hold.on)
		hold_let_go(false);
	return __real___io_uring_get_cqe(ring, cqe, submit, wait, mask);
}

int __wrap_sched_yield(void)
{
	hold.yields++;
	return 0;
}
