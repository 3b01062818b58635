// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * libvmsg: how bytes get to and from the file of a block device.
 *
 * There are two ways to make the system calls of a job: one by one, or many at
 * once through io_uring. What their results mean is decided in one place, for
 * both: vmsg_blk_io_result().
 *
 * With io_uring, jobs wait in a list until the ring has room for them, and
 * leave it when the kernel has taken them. So nothing is lost when the ring is
 * full, and no more than fits is ever under way. A ring that takes nothing more
 * is given up, and the list is worked off by plain system calls.
 *
 * The kernel hands to a thread of its own what it cannot do without waiting, or
 * does not know to: all writes on many file systems, and all on a tmpfs. That
 * costs more than the transfer if nothing else can be done meanwhile. Unless
 * the user wants the ring for all, it is for many requests and for files that
 * are on a disk.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <linux/magic.h>

#ifdef VMSG_URING
#include <liburing.h>
#endif

#include "blk_io.h"

/* Jobs that the kernel works on at the same time. */
#define VMSG_BLK_IO_DEPTH	256u
/* How often a system call may come to nothing before that is an error. */
#define VMSG_BLK_IO_TRIES	1000u

struct vmsg_blk_io {
	struct vmsg_loop *loop;
	int fd;
	const struct vmsg_blk_io_ops *ops;
	void *arg;
	bool uring;
	/* Jobs that are over, ever; it may wrap. */
	unsigned int num_over;
#ifdef VMSG_URING
	struct io_uring ring;
	struct vmsg_watch watch;
	/* Even for a request that is alone. */
	bool always;
	/* Jobs that wait, and how many the kernel has. */
	struct vmsg_blk_job *first;
	struct vmsg_blk_job **last;
	unsigned int busy;
#endif
};

/* A system call of a job has returned @res: is the job over? */
static bool vmsg_blk_io_result(struct vmsg_blk_io *io, struct vmsg_blk_job *job,
			       ssize_t res)
{
	if ((res == -EINTR || res == -EAGAIN) &&
	    ++job->tries < VMSG_BLK_IO_TRIES)
		return false;
	if (job->op == VMSG_BLK_SYNC) {
		/* Some files have nothing that could be flushed. */
		if (res == -EINVAL)
			res = 0;
	} else if (!res) {
		/* The end of a file that has become smaller. */
		res = -EIO;
	} else if (res > 0) {
		job->pos += res;
		vmsg_iov_cut_front(&job->iov, &job->num, res);
		if (job->num)
			return false;
	}
	io->num_over++;
	io->ops->over(job, res < 0 ? res : 0);
	return true;
}

static unsigned int vmsg_blk_io_pieces(const struct vmsg_blk_job *job)
{
	return job->num < IOV_MAX ? job->num : IOV_MAX;
}

static ssize_t vmsg_blk_io_call(int fd, const struct vmsg_blk_job *job)
{
	unsigned int num = vmsg_blk_io_pieces(job);
	ssize_t res;

	switch (job->op) {
	case VMSG_BLK_READ:
		res = preadv(fd, job->iov, num, job->pos);
		break;
	case VMSG_BLK_WRITE:
		res = pwritev(fd, job->iov, num, job->pos);
		break;
	default:
		res = fdatasync(fd);
	}
	return res < 0 ? -errno : res;
}

static void vmsg_blk_io_now(struct vmsg_blk_io *io, struct vmsg_blk_job *job)
{
	while (!vmsg_blk_io_result(io, job, vmsg_blk_io_call(io->fd, job)))
		;
}

#ifdef VMSG_URING

static void vmsg_blk_io_wait(struct vmsg_blk_io *io, struct vmsg_blk_job *job)
{
	job->next = NULL;
	*io->last = job;
	io->last = &job->next;
}

static struct vmsg_blk_job *vmsg_blk_io_next(struct vmsg_blk_io *io)
{
	struct vmsg_blk_job *job = io->first;

	io->first = job->next;
	if (!io->first)
		io->last = &io->first;
	return job;
}

static void vmsg_blk_io_prepare(struct vmsg_blk_io *io,
				struct vmsg_blk_job *job)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&io->ring);
	unsigned int num = vmsg_blk_io_pieces(job);

	switch (job->op) {
	case VMSG_BLK_READ:
		io_uring_prep_readv(sqe, io->fd, job->iov, num, job->pos);
		break;
	case VMSG_BLK_WRITE:
		io_uring_prep_writev(sqe, io->fd, job->iov, num, job->pos);
		break;
	default:
		io_uring_prep_fsync(sqe, io->fd, IORING_FSYNC_DATASYNC);
	}
	io_uring_sqe_set_data(sqe, job);
}

static void vmsg_blk_io_ring_exit(struct vmsg_blk_io *io)
{
	vmsg_loop_unwatch(io->loop, &io->watch);
	io_uring_queue_exit(&io->ring);
	io->uring = false;
}

/* Nothing is under way, and nothing more will be: do what waits ourselves. */
static void vmsg_blk_io_give_up(struct vmsg_blk_io *io, int error)
{
	vmsg_warn("blk: io_uring takes no more requests: %s; going on without it",
		  strerror(-error));
	vmsg_blk_io_ring_exit(io);
	while (io->first)
		vmsg_blk_io_now(io, vmsg_blk_io_next(io));
}

/* Is there just one transfer to be done? */
static bool vmsg_blk_io_alone(const struct vmsg_blk_io *io)
{
	return io->first && !io->first->next && !io->busy &&
	       io->first->op != VMSG_BLK_SYNC;
}

static void vmsg_blk_io_submit(struct vmsg_blk_io *io)
{
	/* The first ones are prepared already if they were not taken before. */
	unsigned int ready = io_uring_sq_ready(&io->ring);
	struct vmsg_blk_job *job;
	unsigned int i;
	int ret;

	if (!io->always && !ready && vmsg_blk_io_alone(io))
		vmsg_blk_io_now(io, vmsg_blk_io_next(io));
	job = io->first;
	for (i = io->busy; job && i < VMSG_BLK_IO_DEPTH; i++) {
		if (ready)
			ready--;
		else
			vmsg_blk_io_prepare(io, job);
		job = job->next;
	}
	if (i == io->busy)
		return;
	ret = io_uring_submit(&io->ring);
	for (i = 0; ret > 0 && i < (unsigned int)ret; i++)
		vmsg_blk_io_next(io);
	io->busy += i;
	/* With others under way, their end is the time for the next try. */
	if (!io->busy)
		vmsg_blk_io_give_up(io, ret ? ret : -EAGAIN);
}

/* Returns whether there was something. */
static bool vmsg_blk_io_reap(struct vmsg_blk_io *io)
{
	struct vmsg_blk_job *job;
	struct io_uring_cqe *cqe;
	bool any = false;
	int res;

	while (!io_uring_peek_cqe(&io->ring, &cqe)) {
		job = io_uring_cqe_get_data(cqe);
		res = cqe->res;
		io_uring_cqe_seen(&io->ring, cqe);
		io->busy--;
		if (!vmsg_blk_io_result(io, job, res))
			vmsg_blk_io_wait(io, job);
		any = true;
	}
	return any;
}

/**
 * vmsg_blk_io_run() - let the jobs that were started begin
 * @io: the file
 *
 * Return: true if jobs have come to an end meanwhile.
 */
bool vmsg_blk_io_run(struct vmsg_blk_io *io)
{
	unsigned int num_over = io->num_over;

	while (io->uring) {
		vmsg_blk_io_submit(io);
		if (!io->uring || !vmsg_blk_io_reap(io))
			break;
	}
	return io->num_over != num_over;
}

static void vmsg_blk_io_event(void *arg, uint32_t events)
{
	struct vmsg_blk_io *io = arg;

	(void)events;
	if (vmsg_blk_io_run(io))
		io->ops->pause(io->arg);
}

/**
 * vmsg_blk_io_drain() - wait for all jobs
 * @io: the file
 */
void vmsg_blk_io_drain(struct vmsg_blk_io *io)
{
	struct io_uring_cqe *cqe;

	vmsg_blk_io_run(io);
	while (io->uring && io->busy) {
		io_uring_wait_cqe(&io->ring, &cqe);
		vmsg_blk_io_run(io);
	}
}

static bool vmsg_blk_io_in_memory(int fd)
{
	struct statfs fs;
	struct stat st;

	/* The node of a block device is on a tmpfs, its data are not. */
	return !fstat(fd, &st) && S_ISREG(st.st_mode) && !fstatfs(fd, &fs) &&
	       (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC);
}

static int vmsg_blk_io_ring_init(struct vmsg_blk_io *io, bool always)
{
	int ret;

	if (!always && vmsg_blk_io_in_memory(io->fd))
		return 0;
	ret = io_uring_queue_init(VMSG_BLK_IO_DEPTH, &io->ring, 0);
	if (ret)
		return ret;
	io->always = always;
	io->last = &io->first;
	io->watch.fd = io->ring.ring_fd;
	io->watch.fn = vmsg_blk_io_event;
	io->watch.arg = io;
	ret = vmsg_loop_watch(io->loop, &io->watch, EPOLLIN);
	if (ret)
		io_uring_queue_exit(&io->ring);
	io->uring = !ret;
	return ret;
}

#else /* VMSG_URING */

static void vmsg_blk_io_wait(struct vmsg_blk_io *io, struct vmsg_blk_job *job)
{
	(void)io;
	(void)job;
}

static void vmsg_blk_io_ring_exit(struct vmsg_blk_io *io)
{
	(void)io;
}

bool vmsg_blk_io_run(struct vmsg_blk_io *io)
{
	(void)io;
	return false;
}

void vmsg_blk_io_drain(struct vmsg_blk_io *io)
{
	(void)io;
}

static int vmsg_blk_io_ring_init(struct vmsg_blk_io *io, bool always)
{
	(void)io;
	(void)always;
	return -EOPNOTSUPP;
}

#endif /* VMSG_URING */

/**
 * vmsg_blk_io_new() - prepare to read and write a file
 * @loop: the event loop
 * @fd: the file; it stays the caller's
 * @aio: which way
 * @ops: what to tell the device
 * @arg: for it
 *
 * Return: the file, or NULL with errno set: EOPNOTSUPP = the program was built
 * without io_uring, but that was asked for.
 */
struct vmsg_blk_io *vmsg_blk_io_new(struct vmsg_loop *loop, int fd,
				    enum vmsg_blk_aio aio,
				    const struct vmsg_blk_io_ops *ops,
				    void *arg)
{
	struct vmsg_blk_io *io = calloc(1, sizeof(*io));
	bool always;
	int ret;

	if (!io)
		return NULL;
	io->loop = loop;
	io->fd = fd;
	io->ops = ops;
	io->arg = arg;
	always = aio == VMSG_BLK_AIO_URING;
	ret = aio == VMSG_BLK_AIO_SYNC ? 0 : vmsg_blk_io_ring_init(io, always);
	if (ret && always) {
		free(io);
		errno = -ret;
		return NULL;
	}
	return io;
}

/**
 * vmsg_blk_io_free() - wait for all jobs, and give everything back
 * @io: the file
 */
void vmsg_blk_io_free(struct vmsg_blk_io *io)
{
	vmsg_blk_io_drain(io);
	if (io->uring)
		vmsg_blk_io_ring_exit(io);
	free(io);
}

/**
 * vmsg_blk_io_start() - have something done with the file
 * @io: the file
 * @job: what; it may be over before this returns, and otherwise begins with the
 *	next vmsg_blk_io_run()
 */
void vmsg_blk_io_start(struct vmsg_blk_io *io, struct vmsg_blk_job *job)
{
	job->tries = 0;
	if (io->uring)
		vmsg_blk_io_wait(io, job);
	else
		vmsg_blk_io_now(io, job);
}
