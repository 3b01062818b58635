/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/*
 * libvmsg: how bytes get to and from the file of a block device.
 *
 * The device says what is to be done, job by job, and is told when each of them
 * is over: at once if the file is read and written by plain system calls, and
 * whenever that may be if the kernel does it beside us (io_uring).
 */
#ifndef _VMSG_BLK_IO_H
#define _VMSG_BLK_IO_H

#include "models.h"

enum vmsg_blk_op {
	VMSG_BLK_READ,
	VMSG_BLK_WRITE,
	VMSG_BLK_SYNC,
};

/**
 * struct vmsg_blk_job - something to be done with the file
 * @op: what
 * @pos: where in the file; moves on
 * @iov: the pieces, at least one unless it is VMSG_BLK_SYNC; moves on
 * @num: how many pieces; those that are left have not been moved
 * @owner: for the device
 * @tries: private
 * @next: private
 *
 * Belongs to the device again when it is over. Until then it has to stay, with
 * its pieces and the memory that they name.
 */
struct vmsg_blk_job {
	enum vmsg_blk_op op;
	off_t pos;
	struct iovec *iov;
	unsigned int num;
	void *owner;
	unsigned int tries;
	struct vmsg_blk_job *next;
};

/**
 * struct vmsg_blk_io_ops - what the device is told
 * @over: a job is over; @error is 0 or a negative errno value. More jobs may be
 *	started here.
 * @pause: some jobs have come to an end while the device was not looking, and
 *	no other will at the moment
 */
struct vmsg_blk_io_ops {
	void (*over)(struct vmsg_blk_job *job, int error);
	void (*pause)(void *arg);
};

struct vmsg_blk_io;

struct vmsg_blk_io *vmsg_blk_io_new(struct vmsg_loop *loop, int fd,
				    enum vmsg_blk_aio aio,
				    const struct vmsg_blk_io_ops *ops,
				    void *arg);
void vmsg_blk_io_free(struct vmsg_blk_io *io);
void vmsg_blk_io_start(struct vmsg_blk_io *io, struct vmsg_blk_job *job);
bool vmsg_blk_io_run(struct vmsg_blk_io *io);
void vmsg_blk_io_drain(struct vmsg_blk_io *io);

#endif /* _VMSG_BLK_IO_H */
