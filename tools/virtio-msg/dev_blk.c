// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * libvmsg: a block device (virtio-blk) on a file or a block device, or on
 * nothing at all, to measure what lies in front of it.
 *
 * All requests that are there are begun before the driver is notified once of
 * those that are over. How their bytes are moved is up to blk_io.c, which may
 * take its time for that. Everything else is done at once, discard and
 * write-zeroes included.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <linux/falloc.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_ids.h>

#include "blk_io.h"

#define VMSG_BLK_SECTOR		512u
#define VMSG_BLK_QUEUE_SIZE	128u
#define VMSG_BLK_MAX_QUEUES	256u
#define VMSG_BLK_MAX_SEGMENTS	126u
#define VMSG_BLK_MAX_SEGMENT	(1024u * 1024)
/* Limits of discard and write-zeroes: ranges, and sectors of each. */
#define VMSG_BLK_MAX_RANGES	16u
#define VMSG_BLK_MAX_SECTORS	(2048u * 1024)
#define VMSG_BLK_ZEROS		65536u

struct vmsg_blk_req;

struct vmsg_blk {
	struct vmsg_device *dev;
	/* -1 and NULL: nothing is kept, and nothing is read. */
	int fd;
	struct vmsg_blk_io *io;
	bool read_only;
	bool regular;
	bool said;
	uint64_t capacity;
	char serial[VMSG_BLK_SERIAL];
	struct virtio_blk_config config;
	/* Requests that are not over, all of them and by queue. */
	unsigned int busy;
	unsigned int queue_busy[VMSG_BLK_MAX_QUEUES];
	/* Memory of those that are. */
	struct vmsg_blk_req *spare;
};

/* One request; header and status byte are cut off from the pieces of the job. */
struct vmsg_blk_req {
	struct vmsg_blk_job job;
	struct vmsg_blk *blk;
	struct vmsg_vq *vq;
	struct vmsg_elem *elem;
	unsigned int *queue_busy;
	uint8_t *status;
	uint32_t type;
	uint64_t sector;
	size_t len;
	struct vmsg_blk_req *next;
};

/* In place of a status: the request is over when its job is, or was. */
#define VMSG_BLK_STARTED	0x100u

static bool vmsg_blk_writeback(const struct vmsg_blk *blk)
{
	/* Without the feature to choose, writes are flushed by the driver. */
	return !vmsg_device_has_feature(blk->dev, VIRTIO_BLK_F_CONFIG_WCE) ?
	       vmsg_device_has_feature(blk->dev, VIRTIO_BLK_F_FLUSH) :
	       blk->config.wce;
}

static uint8_t vmsg_blk_error(struct vmsg_blk *blk, const char *what,
			      uint64_t sector, int error)
{
	if (!blk->said)
		vmsg_warn("device %u (%s): %s at sector %llu failed: %s; the driver gets an I/O error. Check the backing file. Not said again before the next reset",
			  vmsg_device_num(blk->dev), vmsg_device_name(blk->dev),
			  what, (unsigned long long)sector, strerror(error));
	blk->said = true;
	return VIRTIO_BLK_S_IOERR;
}

static bool vmsg_blk_in_range(const struct vmsg_blk *blk, uint64_t sector,
			      uint64_t sectors)
{
	return sector <= blk->capacity && sectors <= blk->capacity - sector;
}

static uint8_t vmsg_blk_sync(struct vmsg_blk *blk)
{
	if (blk->fd >= 0 && fdatasync(blk->fd) && errno != EINVAL)
		return vmsg_blk_error(blk, "a flush", 0, errno);
	return VIRTIO_BLK_S_OK;
}

static unsigned int vmsg_blk_start(struct vmsg_blk *blk,
				   struct vmsg_blk_req *req,
				   enum vmsg_blk_op op)
{
	req->job.op = op;
	vmsg_blk_io_start(blk->io, &req->job);
	return VMSG_BLK_STARTED;
}

static unsigned int vmsg_blk_transfer(struct vmsg_blk *blk,
				      struct vmsg_blk_req *req, bool write)
{
	if (req->len % VMSG_BLK_SECTOR ||
	    !vmsg_blk_in_range(blk, req->sector, req->len / VMSG_BLK_SECTOR))
		return VIRTIO_BLK_S_IOERR;
	if (write && blk->read_only)
		return VIRTIO_BLK_S_IOERR;
	if (!blk->io || !req->len)
		return VIRTIO_BLK_S_OK;
	req->job.pos = req->sector * VMSG_BLK_SECTOR;
	return vmsg_blk_start(blk, req, write ? VMSG_BLK_WRITE : VMSG_BLK_READ);
}

static int vmsg_blk_write_zeros(struct vmsg_blk *blk, off_t pos, uint64_t len)
{
	static const char zeros[VMSG_BLK_ZEROS];
	ssize_t ret;

	while (len) {
		ret = pwrite(blk->fd, zeros, len < sizeof(zeros) ? len :
			     sizeof(zeros), pos);
		if (ret < 0 && errno == EINTR)
			continue;
		if (ret <= 0)
			return ret ? -errno : -EIO;
		pos += ret;
		len -= ret;
	}
	return 0;
}

static int vmsg_blk_fallocate(struct vmsg_blk *blk, int mode, off_t pos,
			      uint64_t len)
{
	int ret;

	do {
		ret = fallocate(blk->fd, mode | FALLOC_FL_KEEP_SIZE, pos, len);
	} while (ret && errno == EINTR);
	return ret ? -errno : 0;
}

static int vmsg_blk_clear(struct vmsg_blk *blk, uint64_t sector,
			  uint64_t sectors, bool zero, bool unmap)
{
	off_t pos = sector * VMSG_BLK_SECTOR;
	uint64_t len = sectors * VMSG_BLK_SECTOR;
	int ret;

	if (!len || blk->fd < 0)
		return 0;
	ret = vmsg_blk_fallocate(blk, !zero || unmap ? FALLOC_FL_PUNCH_HOLE :
				 FALLOC_FL_ZERO_RANGE, pos, len);
	if (!ret)
		return 0;
	/* A discard is only a hint; zeros have to be there afterwards. */
	return zero ? vmsg_blk_write_zeros(blk, pos, len) : 0;
}

static unsigned int vmsg_blk_ranges(struct vmsg_blk *blk,
				    struct vmsg_blk_req *req)
{
	bool zero = req->type == VIRTIO_BLK_T_WRITE_ZEROES;
	struct virtio_blk_discard_write_zeroes range[VMSG_BLK_MAX_RANGES];
	uint32_t flags, sectors;
	uint64_t sector;
	size_t i, num;
	int ret;

	num = req->len / sizeof(range[0]);
	if (blk->read_only || !num || req->len % sizeof(range[0]) ||
	    num > VMSG_BLK_MAX_RANGES)
		return VIRTIO_BLK_S_IOERR;
	vmsg_iov_read(req->job.iov, req->job.num, range, req->len);
	/* All of them are checked before the first one is done. */
	for (i = 0; i < num; i++) {
		flags = le32toh(range[i].flags);
		if (flags & ~(zero ? VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP : 0u))
			return VIRTIO_BLK_S_UNSUPP;
		sectors = le32toh(range[i].num_sectors);
		if (sectors > VMSG_BLK_MAX_SECTORS ||
		    !vmsg_blk_in_range(blk, le64toh(range[i].sector), sectors))
			return VIRTIO_BLK_S_IOERR;
	}
	for (i = 0; i < num; i++) {
		flags = le32toh(range[i].flags);
		sector = le64toh(range[i].sector);
		ret = vmsg_blk_clear(blk, sector, le32toh(range[i].num_sectors),
				     zero, flags);
		if (ret)
			return vmsg_blk_error(blk, "writing zeros", sector,
					      -ret);
	}
	if (!zero || vmsg_blk_writeback(blk) || !blk->io)
		return VIRTIO_BLK_S_OK;
	return vmsg_blk_start(blk, req, VMSG_BLK_SYNC);
}

/* What a request means: its status, or VMSG_BLK_STARTED. */
static unsigned int vmsg_blk_serve(struct vmsg_blk *blk,
				   struct vmsg_blk_req *req)
{
	switch (req->type) {
	case VIRTIO_BLK_T_IN:
		return vmsg_blk_transfer(blk, req, false);
	case VIRTIO_BLK_T_OUT:
		return vmsg_blk_transfer(blk, req, true);
	case VIRTIO_BLK_T_FLUSH:
		return blk->io ? vmsg_blk_start(blk, req, VMSG_BLK_SYNC) :
				 VIRTIO_BLK_S_OK;
	case VIRTIO_BLK_T_GET_ID:
		vmsg_iov_write(req->job.iov, req->job.num, blk->serial,
			       sizeof(blk->serial));
		return VIRTIO_BLK_S_OK;
	case VIRTIO_BLK_T_DISCARD:
	case VIRTIO_BLK_T_WRITE_ZEROES:
		return vmsg_blk_ranges(blk, req);
	default:
		return VIRTIO_BLK_S_UNSUPP;
	}
}

/* Does the device write to the buffer, beside the status? */
static bool vmsg_blk_writes_buffer(const struct vmsg_blk_req *req)
{
	return req->type != VIRTIO_BLK_T_OUT &&
	       req->type != VIRTIO_BLK_T_DISCARD &&
	       req->type != VIRTIO_BLK_T_WRITE_ZEROES;
}

static struct vmsg_blk_req *vmsg_blk_new_req(struct vmsg_blk *blk,
					     struct vmsg_vq *vq,
					     struct vmsg_elem *elem)
{
	struct vmsg_blk_req *req = blk->spare;

	if (req)
		blk->spare = req->next;
	else
		req = malloc(sizeof(*req));
	if (!req)
		return NULL;
	req->job.owner = req;
	req->blk = blk;
	req->vq = vq;
	req->elem = elem;
	req->queue_busy = &blk->queue_busy[vmsg_vq_index(vq)];
	blk->busy++;
	++*req->queue_busy;
	return req;
}

static void vmsg_blk_end(struct vmsg_blk_req *req, uint8_t status)
{
	struct vmsg_blk *blk = req->blk;

	if (status != VIRTIO_BLK_S_OK && req->type == VIRTIO_BLK_T_IN)
		vmsg_iov_zero(req->job.iov, req->job.num);
	*req->status = status;
	vmsg_vq_push(req->vq, req->elem, req->elem->in_len);
	blk->busy--;
	--*req->queue_busy;
	req->next = blk->spare;
	blk->spare = req;
}

static void vmsg_blk_over(struct vmsg_blk_job *job, int error)
{
	struct vmsg_blk_req *req = job->owner;
	static const char * const what[] = {
		[VMSG_BLK_READ] = "a read",
		[VMSG_BLK_WRITE] = "a write",
		[VMSG_BLK_SYNC] = "a flush",
	};

	if (error)
		vmsg_blk_end(req, vmsg_blk_error(req->blk, what[job->op],
						 req->sector, -error));
	else if (job->op == VMSG_BLK_WRITE && !vmsg_blk_writeback(req->blk))
		vmsg_blk_start(req->blk, req, VMSG_BLK_SYNC);
	else
		vmsg_blk_end(req, VIRTIO_BLK_S_OK);
}

/* Nothing happens if it is not a request at all: then the queue is broken. */
static void vmsg_blk_request(struct vmsg_blk *blk, struct vmsg_vq *vq,
			     struct vmsg_elem *elem)
{
	struct iovec *in = elem->in, *out = elem->out;
	unsigned int in_num = elem->in_num, out_num = elem->out_num;
	struct virtio_blk_outhdr hdr;
	struct vmsg_blk_req *req;
	struct iovec last;
	unsigned int status;

	if (elem->out_len < sizeof(hdr) || !elem->in_len) {
		vmsg_vq_broken(vq, "a request of %zu bytes with %zu bytes of room",
			       elem->out_len, elem->in_len);
		return;
	}
	req = vmsg_blk_new_req(blk, vq, elem);
	if (!req) {
		vmsg_vq_broken(vq, "no memory for a request");
		return;
	}
	vmsg_iov_read(out, out_num, &hdr, sizeof(hdr));
	vmsg_iov_cut_front(&out, &out_num, sizeof(hdr));
	last = in[in_num - 1];
	vmsg_iov_cut_back(in, &in_num, 1);

	req->status = (uint8_t *)last.iov_base + last.iov_len - 1;
	req->type = le32toh(hdr.type);
	req->sector = le64toh(hdr.sector);
	if (vmsg_blk_writes_buffer(req)) {
		req->job.iov = in;
		req->job.num = in_num;
		req->len = elem->in_len - 1;
		/* What stays unwritten must not show what was there before. */
		if (req->type != VIRTIO_BLK_T_IN)
			vmsg_iov_zero(in, in_num);
	} else {
		req->job.iov = out;
		req->job.num = out_num;
		req->len = elem->out_len - sizeof(hdr);
	}
	status = vmsg_blk_serve(blk, req);
	if (status != VMSG_BLK_STARTED)
		vmsg_blk_end(req, status);
}

/* Requests have come to an end: tell those who wait for that. */
static void vmsg_blk_pause(void *arg)
{
	struct vmsg_blk *blk = arg;
	struct vmsg_vq *vq;
	uint32_t i;

	for (i = 0; (vq = vmsg_device_vq(blk->dev, i)); i++) {
		vmsg_vq_notify(vq);
		if (!blk->queue_busy[i])
			vmsg_vq_reset_done(vq);
	}
	if (!blk->busy)
		vmsg_device_reset_done(blk->dev);
}

static const struct vmsg_blk_io_ops vmsg_blk_io_ops = {
	.over = vmsg_blk_over,
	.pause = vmsg_blk_pause,
};

static void vmsg_blk_queue(struct vmsg_device *dev, struct vmsg_vq *vq)
{
	struct vmsg_blk *blk = vmsg_device_priv(dev);
	struct vmsg_elem *elem;
	bool any = false;

	for (;;) {
		while ((elem = vmsg_vq_pop(vq)))
			vmsg_blk_request(blk, vq, elem);
		if (!blk->io || !vmsg_blk_io_run(blk->io))
			break;
		any = true;
	}
	/* The requests may be those of other queues. */
	if (any)
		vmsg_blk_pause(blk);
}

static void vmsg_blk_config_read(struct vmsg_device *dev, uint32_t offset,
				 void *buf, uint32_t len)
{
	struct vmsg_blk *blk = vmsg_device_priv(dev);

	memcpy(buf, (const char *)&blk->config + offset, len);
}

static int vmsg_blk_config_write(struct vmsg_device *dev, uint32_t offset,
				 const void *buf, uint32_t len)
{
	struct vmsg_blk *blk = vmsg_device_priv(dev);
	uint8_t wce;

	/* The cache mode is all that a driver can choose. */
	if (offset != offsetof(struct virtio_blk_config, wce) ||
	    len != sizeof(blk->config.wce) ||
	    !vmsg_device_has_feature(dev, VIRTIO_BLK_F_CONFIG_WCE))
		return -EPERM;
	memcpy(&wce, buf, sizeof(wce));
	if (wce > 1)
		return -EINVAL;
	if (!wce)
		vmsg_blk_sync(blk);
	blk->config.wce = wce;
	return 0;
}

static int vmsg_blk_reset(struct vmsg_device *dev)
{
	struct vmsg_blk *blk = vmsg_device_priv(dev);

	blk->config.wce = 1;
	blk->said = false;
	return blk->busy ? VMSG_LATER : 0;
}

static int vmsg_blk_queue_reset(struct vmsg_device *dev, struct vmsg_vq *vq)
{
	struct vmsg_blk *blk = vmsg_device_priv(dev);

	return blk->queue_busy[vmsg_vq_index(vq)] ? VMSG_LATER : 0;
}

static void vmsg_blk_free(struct vmsg_blk *blk)
{
	struct vmsg_blk_req *req;

	if (blk->io)
		vmsg_blk_io_free(blk->io);
	if (blk->fd >= 0)
		close(blk->fd);
	while ((req = blk->spare)) {
		blk->spare = req->next;
		free(req);
	}
	free(blk);
}

static void vmsg_blk_release(struct vmsg_device *dev)
{
	struct vmsg_blk *blk = vmsg_device_priv(dev);

	if (blk->io)
		vmsg_blk_io_drain(blk->io);
	if (!blk->read_only)
		vmsg_blk_sync(blk);
	vmsg_blk_free(blk);
}

static const struct vmsg_device_ops vmsg_blk_ops = {
	.queue = vmsg_blk_queue,
	.config_read = vmsg_blk_config_read,
	.config_write = vmsg_blk_config_write,
	.reset = vmsg_blk_reset,
	.queue_reset = vmsg_blk_queue_reset,
	.release = vmsg_blk_release,
};

/*
 * Segments and requests are limited so that a quarter of the pool holds the
 * largest request: a driver that bounces its buffers through the pool can
 * always make progress.
 */
static void vmsg_blk_limits(struct vmsg_blk *blk, uint64_t pool,
			    uint32_t queue_size)
{
	uint32_t page = sysconf(_SC_PAGESIZE);
	uint32_t seg_max = VMSG_BLK_MAX_SEGMENTS;
	uint64_t size_max;

	if (seg_max > queue_size - 2)
		seg_max = queue_size - 2;
	if (pool / 4 / page < seg_max)
		seg_max = pool / 4 / page ? pool / 4 / page : 1;
	size_max = pool / 4 / seg_max / page * page;
	if (size_max > VMSG_BLK_MAX_SEGMENT)
		size_max = VMSG_BLK_MAX_SEGMENT;
	if (size_max < page)
		size_max = page;
	blk->config.size_max = htole32(size_max);
	blk->config.seg_max = htole32(seg_max);
}

static void vmsg_blk_make_config(struct vmsg_blk *blk, uint64_t pool,
				 const struct vmsg_device_desc *desc)
{
	struct virtio_blk_config *config = &blk->config;

	config->capacity = htole64(blk->capacity);
	vmsg_blk_limits(blk, pool, desc->queue_sizes[0]);
	config->blk_size = htole32(VMSG_BLK_SECTOR);
	/* Physical blocks of 4 KiB: 2 to the power of 3 sectors. */
	config->physical_block_exp = 3;
	config->min_io_size = htole16(1 << config->physical_block_exp);
	config->opt_io_size = htole32(0);
	config->wce = 1;
	config->num_queues = htole16(desc->num_queues);
	config->max_discard_sectors = htole32(VMSG_BLK_MAX_SECTORS);
	config->max_discard_seg = htole32(VMSG_BLK_MAX_RANGES);
	config->discard_sector_alignment = htole32(1);
	config->max_write_zeroes_sectors = htole32(VMSG_BLK_MAX_SECTORS);
	config->max_write_zeroes_seg = htole32(VMSG_BLK_MAX_RANGES);
	config->write_zeroes_may_unmap = 1;
}

static int vmsg_blk_open(struct vmsg_blk *blk,
			 const struct vmsg_blk_params *params)
{
	int flags = params->read_only ? O_RDONLY : O_RDWR;
	struct stat st;
	off_t size;

	blk->fd = -1;
	if (!params->path) {
		blk->capacity = params->size / VMSG_BLK_SECTOR;
		return blk->capacity ? 0 : -ENODATA;
	}
	if (params->size && !params->read_only)
		flags |= O_CREAT;
	blk->fd = open(params->path, flags | O_CLOEXEC, 0600);
	if (blk->fd < 0 || fstat(blk->fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return -ENOTBLK;
	blk->regular = S_ISREG(st.st_mode);
	if (blk->regular && params->size > (uint64_t)st.st_size &&
	    !params->read_only && ftruncate(blk->fd, params->size))
		return -errno;
	size = lseek(blk->fd, 0, SEEK_END);
	if (size < 0)
		return -errno;
	if (params->size > (uint64_t)size)
		return -ENOSPC;
	if (params->size)
		size = params->size;
	blk->capacity = size / VMSG_BLK_SECTOR;
	return blk->capacity ? 0 : -ENODATA;
}

static bool vmsg_blk_good_sizes(const struct vmsg_blk_params *params)
{
	uint32_t size = params->queue_size;

	return params->queues <= VMSG_BLK_MAX_QUEUES &&
	       (!size || (size >= 4 && size <= 32768 && !(size & (size - 1))));
}

/**
 * vmsg_blk_add() - put a block device onto a bus
 * @bus: the bus
 * @num: device number, or VMSG_ANY_NUM
 * @params: what it is like
 *
 * Return: the device, or NULL with errno set; what went wrong has been said.
 */
struct vmsg_device *vmsg_blk_add(struct vmsg_bus *bus, uint32_t num,
				 const struct vmsg_blk_params *params)
{
	uint16_t sizes[VMSG_BLK_MAX_QUEUES];
	struct vmsg_device_desc desc = {
		.name = "blk",
		.ops = &vmsg_blk_ops,
		.device_id = VIRTIO_ID_BLOCK,
		.features[0] = VMSG_BIT(VIRTIO_BLK_F_SIZE_MAX) |
			       VMSG_BIT(VIRTIO_BLK_F_SEG_MAX) |
			       VMSG_BIT(VIRTIO_BLK_F_BLK_SIZE) |
			       VMSG_BIT(VIRTIO_BLK_F_TOPOLOGY) |
			       VMSG_BIT(VIRTIO_BLK_F_FLUSH),
		.config_size = sizeof(struct virtio_blk_config),
		.num_queues = params->queues ? params->queues : 1,
		.queue_sizes = sizes,
	};
	const char *path = params->path ? params->path : "null";
	struct vmsg_blk *blk;
	int ret = -ENOMEM;
	uint32_t i;

	if (!vmsg_blk_good_sizes(params)) {
		vmsg_warn("blk %s: %u queues of %u descriptors are not possible; choose up to %u queues, and a power of two from 4 to 32768",
			  path, desc.num_queues,
			  params->queue_size ? params->queue_size :
					       VMSG_BLK_QUEUE_SIZE,
			  VMSG_BLK_MAX_QUEUES);
		errno = EINVAL;
		return NULL;
	}
	blk = calloc(1, sizeof(*blk));
	if (!blk)
		return NULL;
	blk->read_only = params->read_only;
	ret = vmsg_blk_open(blk, params);
	if (ret) {
		vmsg_warn("blk %s: cannot be used: %s; name a file or block device that is not empty, or give size= to have a file made",
			  path, strerror(-ret));
		goto err;
	}
	for (i = 0; i < desc.num_queues; i++)
		sizes[i] = params->queue_size ? params->queue_size :
						VMSG_BLK_QUEUE_SIZE;
	if (params->serial)
		memcpy(blk->serial, params->serial,
		       strnlen(params->serial, sizeof(blk->serial)));
	memcpy(desc.uuid, params->uuid, sizeof(desc.uuid));
	if (desc.num_queues > 1)
		desc.features[0] |= VMSG_BIT(VIRTIO_BLK_F_MQ);
	if (blk->read_only)
		desc.features[0] |= VMSG_BIT(VIRTIO_BLK_F_RO);
	else
		desc.features[0] |= VMSG_BIT(VIRTIO_BLK_F_CONFIG_WCE) |
				    VMSG_BIT(VIRTIO_BLK_F_DISCARD) |
				    VMSG_BIT(VIRTIO_BLK_F_WRITE_ZEROES);
	vmsg_blk_make_config(blk, vmsg_bus_link(bus)->pool_size, &desc);
	desc.priv = blk;
	if (params->path) {
		blk->io = vmsg_blk_io_new(vmsg_bus_loop(bus), blk->fd,
					  params->aio, &vmsg_blk_io_ops, blk);
		if (!blk->io) {
			ret = -errno;
			vmsg_warn("blk %s: aio=uring is not possible: %s; leave it out, and requests are served one by one",
				  path, ret == -EOPNOTSUPP ?
				  "this program was built without liburing" :
				  strerror(-ret));
			goto err;
		}
	}
	blk->dev = vmsg_device_add(bus, num, &desc);
	if (blk->dev)
		return blk->dev;
	ret = -errno;
	vmsg_warn("blk %s: cannot be device %lld: %s; choose another number",
		  path, num == VMSG_ANY_NUM ? -1LL : (long long)num,
		  strerror(-ret));

err:
	vmsg_blk_free(blk);
	errno = -ret;
	return NULL;
}

/**
 * vmsg_blk_resize() - change the capacity of a block device
 * @dev: the block device
 * @size: bytes, a multiple of 512 and not 0; a file is cut or grown to it
 * @form: how to tell the driver
 *
 * Return: 0, or a negative errno value.
 */
int vmsg_blk_resize(struct vmsg_device *dev, uint64_t size,
		    enum vmsg_config_form form)
{
	struct vmsg_blk *blk = vmsg_device_priv(dev);
	off_t room = size;

	if (!size || size % VMSG_BLK_SECTOR || size > INT64_MAX)
		return -EINVAL;
	/* What is under way has been checked against the old capacity. */
	if (blk->io) {
		vmsg_blk_io_drain(blk->io);
		vmsg_blk_pause(blk);
	}
	if (blk->regular && !blk->read_only && ftruncate(blk->fd, size))
		return -errno;
	if (blk->fd >= 0)
		room = lseek(blk->fd, 0, SEEK_END);
	if (room < 0)
		return -errno;
	if (size > (uint64_t)room)
		return -ENOSPC;
	blk->capacity = size / VMSG_BLK_SECTOR;
	blk->config.capacity = htole64(blk->capacity);
	vmsg_device_config_changed(dev, offsetof(struct virtio_blk_config,
						 capacity),
				   sizeof(blk->config.capacity), form);
	return 0;
}

static int vmsg_blk_set(void *params, const char *key, const char *value)
{
	struct vmsg_blk_params *blk = params;

	if (!strcmp(key, "file")) {
		blk->path = value;
		return *value ? 0 : -EINVAL;
	}
	if (!strcmp(key, "null")) {
		blk->null = true;
		return *value ? -EINVAL : 0;
	}
	if (!strcmp(key, "size"))
		return vmsg_number(value, INT64_MAX, &blk->size);
	if (!strcmp(key, "queues"))
		return vmsg_number_u32(value, VMSG_BLK_MAX_QUEUES, &blk->queues);
	if (!strcmp(key, "queue-size"))
		return vmsg_number_u32(value, 32768, &blk->queue_size);
	if (!strcmp(key, "serial")) {
		blk->serial = value;
		return strlen(value) <= VMSG_BLK_SERIAL ? 0 : -ERANGE;
	}
	if (!strcmp(key, "aio")) {
		if (!strcmp(value, "uring"))
			blk->aio = VMSG_BLK_AIO_URING;
		else if (!strcmp(value, "sync"))
			blk->aio = VMSG_BLK_AIO_SYNC;
		else
			return -EINVAL;
		return 0;
	}
	if (!strcmp(key, "ro")) {
		blk->read_only = true;
		return *value ? -EINVAL : 0;
	}
	return -ENOENT;
}

static struct vmsg_device *vmsg_blk_make(struct vmsg_bus *bus, uint32_t num,
					 const uint8_t uuid[16], void *params)
{
	struct vmsg_blk_params *blk = params;

	if (!blk->path == !blk->null || (blk->null && !blk->size)) {
		vmsg_warn("blk: say either file=PATH, or null and size=BYTES");
		errno = EINVAL;
		return NULL;
	}
	memcpy(blk->uuid, uuid, sizeof(blk->uuid));
	return vmsg_blk_add(bus, num, blk);
}

/* resize BYTES [generic|range|data] */
static int vmsg_blk_command(struct vmsg_device *dev, const char *word,
			    char *args)
{
	enum vmsg_config_form form = VMSG_CONFIG_DATA;
	const char *bytes, *how;
	uint64_t size;
	char *state;
	int ret;

	if (strcmp(word, "resize"))
		return -ENOENT;
	bytes = strtok_r(args, " \t", &state);
	how = strtok_r(NULL, " \t", &state);
	if (how && !strcmp(how, "generic"))
		form = VMSG_CONFIG_GENERIC;
	else if (how && !strcmp(how, "range"))
		form = VMSG_CONFIG_RANGE;
	else if (!bytes || (how && strcmp(how, "data")))
		return -EINVAL;
	ret = vmsg_number(bytes, INT64_MAX, &size);
	return ret ? ret : vmsg_blk_resize(dev, size, form);
}

const struct vmsg_model vmsg_blk_model = {
	.name = "blk",
	.help =
"  --blk file=PATH[,KEY[=VALUE]]...   block device on a file or block device\n"
"      size=BYTES       make the file, or let it grow, to this size\n"
"      null             in place of file=: keep nothing, read nothing\n"
"      ro               read-only\n"
#ifdef VMSG_URING
"      aio=uring|sync   many requests at once by io_uring, or one by one\n"
#endif
"      queues=N         number of queues (1)\n"
"      queue-size=N     descriptors of each queue (128)\n"
"      serial=TEXT      serial number, up to 20 bytes\n",
	.ops = &vmsg_blk_ops,
	.params_size = sizeof(struct vmsg_blk_params),
	.set = vmsg_blk_set,
	.add = vmsg_blk_make,
	.command = vmsg_blk_command,
};
