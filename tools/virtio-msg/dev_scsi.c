// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * libvmsg: a SCSI host with one disk (virtio-scsi), on a file or a block device.
 *
 * Target 0, LUN 0. Commands are served at once and in order, so that there never
 * is one to be aborted. What the disk does not know is answered with sense data.
 * Its write cache is the system's: SYNCHRONIZE CACHE and FUA flush it.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <linux/types.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_types.h>
#include <linux/virtio_scsi.h>

#include "models.h"

#define VMSG_SCSI_BLOCK		512u
#define VMSG_SCSI_QUEUE_SIZE	128u
#define VMSG_SCSI_MAX_SEGMENTS	126u
/* Blocks of the largest command. */
#define VMSG_SCSI_MAX_BLOCKS	2048u
/* Bytes of the largest answer that is no data of the disk. */
#define VMSG_SCSI_ANSWER	256u
#define VMSG_SCSI_SENSE		18u

enum {
	VMSG_SCSI_CONTROL,
	VMSG_SCSI_EVENT,
	VMSG_SCSI_REQUEST,
	VMSG_SCSI_QUEUES,
};

/* Status of a command. */
#define VMSG_SCSI_GOOD		0x00u
#define VMSG_SCSI_CHECK		0x02u

/* Sense key, additional code and its qualifier: what a command fails with. */
#define VMSG_SCSI_READ_ERROR	0x031100u
#define VMSG_SCSI_WRITE_ERROR	0x030c00u
#define VMSG_SCSI_NO_COMMAND	0x052000u
#define VMSG_SCSI_NO_BLOCK	0x052100u
#define VMSG_SCSI_NO_FIELD	0x052400u
#define VMSG_SCSI_READ_ONLY	0x072700u

struct vmsg_scsi {
	struct vmsg_device *dev;
	int fd;
	bool read_only;
	bool said;
	uint64_t blocks;
	char serial[VMSG_SCSI_SERIAL];
	struct virtio_scsi_config config;
};

/* One command: its data, in one of the directions, and its answer. */
struct vmsg_scsi_cmd {
	uint8_t cdb[VIRTIO_SCSI_CDB_SIZE];
	struct iovec *in;
	unsigned int in_num;
	size_t in_len;
	struct iovec *out;
	unsigned int out_num;
	size_t out_len;
	/* Bytes that have been moved. */
	size_t done;
	uint8_t answer[VMSG_SCSI_ANSWER];
};

static uint64_t vmsg_scsi_get(const uint8_t *from, unsigned int bytes)
{
	uint64_t value = 0;

	while (bytes--)
		value = value << 8 | *from++;
	return value;
}

static void vmsg_scsi_put(uint8_t *to, uint64_t value, unsigned int bytes)
{
	while (bytes--) {
		to[bytes] = value;
		value >>= 8;
	}
}

/* Answer with @len bytes, or as many as were asked for. */
static uint32_t vmsg_scsi_answer(struct vmsg_scsi_cmd *cmd, size_t len,
				 size_t asked)
{
	cmd->done = vmsg_iov_write(cmd->in, cmd->in_num, cmd->answer,
				   len < asked ? len : asked);
	return 0;
}

/* What the disk says of itself ------------------------------------------- */

static size_t vmsg_scsi_page(struct vmsg_scsi *scsi, uint8_t page, uint8_t *to)
{
	static const uint8_t pages[] = { 0x00, 0x80, 0x83, 0xb0, 0xb1 };
	size_t len = strnlen(scsi->serial, sizeof(scsi->serial));

	switch (page) {
	case 0x00:
		memcpy(to, pages, sizeof(pages));
		return sizeof(pages);
	case 0x80:
		memcpy(to, scsi->serial, len);
		return len;
	case 0x83:
		/* One name: text, of the vendor, of the logical unit. */
		to[0] = 2;
		to[1] = 1;
		to[3] = 8 + len;
		memcpy(to + 4, "VMSG    ", 8);
		memcpy(to + 12, scsi->serial, len);
		return 12 + len;
	case 0xb0:
		/* Limits: the largest command, and the best. */
		vmsg_scsi_put(to + 4, le32toh(scsi->config.max_sectors), 4);
		vmsg_scsi_put(to + 8, le32toh(scsi->config.max_sectors), 4);
		return 60;
	case 0xb1:
		/* Nothing rotates. */
		vmsg_scsi_put(to, 1, 2);
		return 60;
	default:
		return 0;
	}
}

static uint32_t vmsg_scsi_inquiry(struct vmsg_scsi *scsi,
				  struct vmsg_scsi_cmd *cmd)
{
	size_t asked = vmsg_scsi_get(cmd->cdb + 3, 2), len;
	uint8_t *to = cmd->answer;

	if (cmd->cdb[1] & 1) {
		len = vmsg_scsi_page(scsi, cmd->cdb[2], to + 4);
		/* Only the serial number can be empty. */
		if (!len && cmd->cdb[2] != 0x80)
			return VMSG_SCSI_NO_FIELD;
		to[1] = cmd->cdb[2];
		vmsg_scsi_put(to + 2, len, 2);
		return vmsg_scsi_answer(cmd, 4 + len, asked);
	}
	if (cmd->cdb[2])
		return VMSG_SCSI_NO_FIELD;
	/* SPC-3, which has the data in this format and commands queued. */
	to[2] = 5;
	to[3] = 0x12;
	to[4] = 31;
	to[7] = 2;
	memcpy(to + 8, "VMSG    virtio-msg disk 1   ", 28);
	return vmsg_scsi_answer(cmd, 36, asked);
}

static uint32_t vmsg_scsi_capacity_10(struct vmsg_scsi *scsi,
				      struct vmsg_scsi_cmd *cmd)
{
	uint64_t last = scsi->blocks - 1;

	/* All ones: too large for this one. */
	vmsg_scsi_put(cmd->answer, last < UINT32_MAX ? last : UINT32_MAX, 4);
	vmsg_scsi_put(cmd->answer + 4, VMSG_SCSI_BLOCK, 4);
	return vmsg_scsi_answer(cmd, 8, 8);
}

static uint32_t vmsg_scsi_capacity_16(struct vmsg_scsi *scsi,
				      struct vmsg_scsi_cmd *cmd)
{
	if ((cmd->cdb[1] & 0x1f) != 0x10)
		return VMSG_SCSI_NO_FIELD;
	vmsg_scsi_put(cmd->answer, scsi->blocks - 1, 8);
	vmsg_scsi_put(cmd->answer + 8, VMSG_SCSI_BLOCK, 4);
	/* Physical blocks of 4 KiB: 2 to the power of 3. */
	cmd->answer[13] = 3;
	return vmsg_scsi_answer(cmd, 32, vmsg_scsi_get(cmd->cdb + 10, 4));
}

/* The caching page is all there is; @hdr bytes come before it. */
static uint32_t vmsg_scsi_mode(struct vmsg_scsi *scsi,
			       struct vmsg_scsi_cmd *cmd, size_t hdr,
			       size_t asked)
{
	uint8_t page = cmd->cdb[2] & 0x3f, *to = cmd->answer;
	/* DPO and FUA are known, and perhaps it is write-protected. */
	uint8_t flags = 0x10 | (scsi->read_only ? 0x80 : 0);
	size_t len = hdr + 20;

	/* Saved values are not kept, and what can be changed is nothing. */
	if (cmd->cdb[2] >> 6 == 3 || (page != 0x08 && page != 0x3f))
		return VMSG_SCSI_NO_FIELD;
	if (hdr == 4) {
		to[0] = len - 1;
		to[2] = flags;
	} else {
		vmsg_scsi_put(to, len - 2, 2);
		to[3] = flags;
	}
	to[hdr] = 0x08;
	to[hdr + 1] = 18;
	/* Written back later. */
	if (cmd->cdb[2] >> 6 != 1)
		to[hdr + 2] = 4;
	return vmsg_scsi_answer(cmd, len, asked);
}

static uint32_t vmsg_scsi_report_luns(struct vmsg_scsi_cmd *cmd)
{
	/* LUN 0 is eight zeros. */
	vmsg_scsi_put(cmd->answer, 8, 4);
	return vmsg_scsi_answer(cmd, 16, vmsg_scsi_get(cmd->cdb + 6, 4));
}

/* Data ------------------------------------------------------------------- */

static uint32_t vmsg_scsi_failed(struct vmsg_scsi *scsi, const char *what,
				 uint64_t block, int error, uint32_t sense)
{
	if (!scsi->said)
		vmsg_warn("device %u (%s): %s at block %llu failed: %s; the driver gets a medium error. Check the backing file. Not said again before the next reset",
			  vmsg_device_num(scsi->dev),
			  vmsg_device_name(scsi->dev), what,
			  (unsigned long long)block, strerror(error));
	scsi->said = true;
	return sense;
}

static uint32_t vmsg_scsi_sync(struct vmsg_scsi *scsi)
{
	if (fdatasync(scsi->fd) && errno != EINVAL)
		return vmsg_scsi_failed(scsi, "a flush", 0, errno,
					VMSG_SCSI_WRITE_ERROR);
	return 0;
}

/* Move data until there are no more, or an error. */
static int vmsg_scsi_move(struct vmsg_scsi *scsi, struct vmsg_scsi_cmd *cmd,
			  bool write, off_t pos, size_t len)
{
	struct iovec *iov = write ? cmd->out : cmd->in;
	unsigned int num = write ? cmd->out_num : cmd->in_num, part;
	ssize_t ret;

	/* What is beyond the blocks stays as it is. */
	vmsg_iov_cut_back(iov, &num, (write ? cmd->out_len : cmd->in_len) -
			  len);
	while (num) {
		part = num < IOV_MAX ? num : IOV_MAX;
		ret = write ? pwritev(scsi->fd, iov, part, pos) :
			      preadv(scsi->fd, iov, part, pos);
		if (ret < 0 && errno == EINTR)
			continue;
		if (ret <= 0)
			return ret ? -errno : -EIO;
		pos += ret;
		vmsg_iov_cut_front(&iov, &num, ret);
	}
	cmd->done = len;
	return 0;
}

static uint32_t vmsg_scsi_transfer(struct vmsg_scsi *scsi,
				   struct vmsg_scsi_cmd *cmd, bool write,
				   uint64_t block, uint64_t blocks)
{
	bool fua = cmd->cdb[0] >= 0x20 && cmd->cdb[1] & 0x08;
	size_t len;
	int ret;

	if (block > scsi->blocks || blocks > scsi->blocks - block)
		return VMSG_SCSI_NO_BLOCK;
	if (write && scsi->read_only)
		return VMSG_SCSI_READ_ONLY;
	/* Not more than there is memory, and not less than was asked for. */
	if (blocks > (write ? cmd->out_len : cmd->in_len) / VMSG_SCSI_BLOCK)
		return VMSG_SCSI_NO_FIELD;
	len = blocks * VMSG_SCSI_BLOCK;
	ret = vmsg_scsi_move(scsi, cmd, write, block * VMSG_SCSI_BLOCK, len);
	if (ret)
		return vmsg_scsi_failed(scsi, write ? "a write" : "a read",
					block, -ret,
					write ? VMSG_SCSI_WRITE_ERROR :
						VMSG_SCSI_READ_ERROR);
	return write && fua ? vmsg_scsi_sync(scsi) : 0;
}

/* 0, or the sense data that it fails with. */
static uint32_t vmsg_scsi_serve(struct vmsg_scsi *scsi,
				struct vmsg_scsi_cmd *cmd)
{
	const uint8_t *cdb = cmd->cdb;

	switch (cdb[0]) {
	case 0x00:	/* TEST UNIT READY */
	case 0x1b:	/* START STOP UNIT */
		return 0;
	case 0x03:	/* REQUEST SENSE: sense data come with each command */
		cmd->answer[0] = 0x70;
		cmd->answer[7] = VMSG_SCSI_SENSE - 8;
		return vmsg_scsi_answer(cmd, VMSG_SCSI_SENSE, cdb[4]);
	case 0x12:	/* INQUIRY */
		return vmsg_scsi_inquiry(scsi, cmd);
	case 0x1a:	/* MODE SENSE (6) */
		return vmsg_scsi_mode(scsi, cmd, 4, cdb[4]);
	case 0x5a:	/* MODE SENSE (10) */
		return vmsg_scsi_mode(scsi, cmd, 8, vmsg_scsi_get(cdb + 7, 2));
	case 0x25:	/* READ CAPACITY (10) */
		return vmsg_scsi_capacity_10(scsi, cmd);
	case 0x9e:	/* READ CAPACITY (16) */
		return vmsg_scsi_capacity_16(scsi, cmd);
	case 0xa0:	/* REPORT LUNS */
		return vmsg_scsi_report_luns(cmd);
	case 0x08:	/* READ (6), WRITE (6): 0 blocks are 256 */
	case 0x0a:
		return vmsg_scsi_transfer(scsi, cmd, cdb[0] == 0x0a,
					  vmsg_scsi_get(cdb + 1, 3) & 0x1fffff,
					  cdb[4] ? cdb[4] : 256);
	case 0x28:	/* READ (10), WRITE (10) */
	case 0x2a:
		return vmsg_scsi_transfer(scsi, cmd, cdb[0] == 0x2a,
					  vmsg_scsi_get(cdb + 2, 4),
					  vmsg_scsi_get(cdb + 7, 2));
	case 0x88:	/* READ (16), WRITE (16) */
	case 0x8a:
		return vmsg_scsi_transfer(scsi, cmd, cdb[0] == 0x8a,
					  vmsg_scsi_get(cdb + 2, 8),
					  vmsg_scsi_get(cdb + 10, 4));
	case 0x35:	/* SYNCHRONIZE CACHE (10), (16) */
	case 0x91:
		return vmsg_scsi_sync(scsi);
	default:
		return VMSG_SCSI_NO_COMMAND;
	}
}

/* Queues ----------------------------------------------------------------- */

/* An address of target @lun[1], in the flat format or the plain one. */
static bool vmsg_scsi_is_disk(const uint8_t lun[8])
{
	return lun[0] == 1 && !lun[1] && !(lun[2] & 0xbf) && !lun[3];
}

static void vmsg_scsi_sense(struct virtio_scsi_cmd_resp *resp, uint32_t sense)
{
	resp->status = VMSG_SCSI_CHECK;
	resp->sense_len = htole32(VMSG_SCSI_SENSE);
	resp->sense[0] = 0x70;
	resp->sense[2] = sense >> 16;
	resp->sense[7] = VMSG_SCSI_SENSE - 8;
	resp->sense[12] = sense >> 8;
	resp->sense[13] = sense;
}

/* Bytes written, or 0 if that is no request at all. */
static uint32_t vmsg_scsi_request(struct vmsg_scsi *scsi,
				  struct vmsg_elem *elem)
{
	struct virtio_scsi_cmd_resp resp = { .response = VIRTIO_SCSI_S_OK };
	/* Where the response goes; a piece has a byte at least. */
	struct iovec head[sizeof(resp)];
	unsigned int head_num;
	struct virtio_scsi_cmd_req req;
	struct vmsg_scsi_cmd cmd = { 0 };
	uint32_t sense = 0;
	size_t data;

	if (elem->out_len < sizeof(req) || elem->in_len < sizeof(resp))
		return 0;
	head_num = elem->in_num < sizeof(resp) ? elem->in_num : sizeof(resp);
	memcpy(head, elem->in, head_num * sizeof(head[0]));
	cmd.out = elem->out;
	cmd.out_num = elem->out_num;
	cmd.out_len = elem->out_len - sizeof(req);
	cmd.in = elem->in;
	cmd.in_num = elem->in_num;
	cmd.in_len = elem->in_len - sizeof(resp);
	data = cmd.out_len ? cmd.out_len : cmd.in_len;
	vmsg_iov_read(cmd.out, cmd.out_num, &req, sizeof(req));
	vmsg_iov_cut_front(&cmd.out, &cmd.out_num, sizeof(req));
	vmsg_iov_cut_front(&cmd.in, &cmd.in_num, sizeof(resp));
	memcpy(cmd.cdb, req.cdb, sizeof(cmd.cdb));

	if (!vmsg_scsi_is_disk(req.lun))
		resp.response = VIRTIO_SCSI_S_BAD_TARGET;
	else
		sense = vmsg_scsi_serve(scsi, &cmd);
	if (sense)
		vmsg_scsi_sense(&resp, sense);
	resp.resid = htole32(data > cmd.done ? data - cmd.done : 0);
	vmsg_iov_write(head, head_num, &resp, sizeof(resp));
	return sizeof(resp) + (cmd.out_len ? 0 : cmd.done);
}

static uint8_t vmsg_scsi_manage(const struct virtio_scsi_ctrl_tmf_req *req)
{
	if (!vmsg_scsi_is_disk(req->lun))
		return VIRTIO_SCSI_S_BAD_TARGET;
	/* No command is under way, so all of them succeed at once. */
	return le32toh(req->subtype) <= VIRTIO_SCSI_T_TMF_QUERY_TASK_SET ?
	       VIRTIO_SCSI_S_OK : VIRTIO_SCSI_S_FUNCTION_REJECTED;
}

static uint32_t vmsg_scsi_control(struct vmsg_elem *elem)
{
	struct virtio_scsi_ctrl_tmf_req tmf = { 0 };
	struct virtio_scsi_ctrl_an_resp none = { .response = VIRTIO_SCSI_S_OK };
	uint8_t response;
	size_t len;

	len = vmsg_iov_read(elem->out, elem->out_num, &tmf, sizeof(tmf));
	if (len < sizeof(struct virtio_scsi_ctrl_an_req))
		return 0;
	switch (le32toh(tmf.type)) {
	case VIRTIO_SCSI_T_TMF:
		if (len < sizeof(tmf) || !elem->in_len)
			return 0;
		response = vmsg_scsi_manage(&tmf);
		return vmsg_iov_write(elem->in, elem->in_num, &response,
				      sizeof(response));
	case VIRTIO_SCSI_T_AN_QUERY:
	case VIRTIO_SCSI_T_AN_SUBSCRIBE:
		/* There are no events to be told of. */
		return elem->in_len < sizeof(none) ? 0 :
		       vmsg_iov_write(elem->in, elem->in_num, &none,
				      sizeof(none));
	default:
		return 0;
	}
}

static void vmsg_scsi_queue(struct vmsg_device *dev, struct vmsg_vq *vq)
{
	struct vmsg_scsi *scsi = vmsg_device_priv(dev);
	struct vmsg_elem *elem;
	uint32_t len;

	/* There is no event yet; its buffers wait. */
	if (vmsg_vq_index(vq) == VMSG_SCSI_EVENT)
		return;
	while ((elem = vmsg_vq_pop(vq))) {
		len = vmsg_vq_index(vq) == VMSG_SCSI_CONTROL ?
		      vmsg_scsi_control(elem) : vmsg_scsi_request(scsi, elem);
		if (!len) {
			vmsg_vq_broken(vq, "a request of %zu bytes with %zu bytes of room",
				       elem->out_len, elem->in_len);
			return;
		}
		vmsg_vq_push(vq, elem, len);
	}
}

static void vmsg_scsi_config_read(struct vmsg_device *dev, uint32_t offset,
				  void *buf, uint32_t len)
{
	struct vmsg_scsi *scsi = vmsg_device_priv(dev);

	memcpy(buf, (const char *)&scsi->config + offset, len);
}

/* Drivers write these two, but there is one size of each. */
static int vmsg_scsi_config_write(struct vmsg_device *dev, uint32_t offset,
				  const void *buf, uint32_t len)
{
	uint32_t value, want;

	(void)dev;
	if (offset == offsetof(struct virtio_scsi_config, sense_size))
		want = VIRTIO_SCSI_SENSE_SIZE;
	else if (offset == offsetof(struct virtio_scsi_config, cdb_size))
		want = VIRTIO_SCSI_CDB_SIZE;
	else
		return -EPERM;
	if (len != sizeof(value))
		return -EPERM;
	memcpy(&value, buf, sizeof(value));
	return le32toh(value) == want ? 0 : -EINVAL;
}

static int vmsg_scsi_reset(struct vmsg_device *dev)
{
	struct vmsg_scsi *scsi = vmsg_device_priv(dev);

	scsi->said = false;
	return 0;
}

static void vmsg_scsi_release(struct vmsg_device *dev)
{
	struct vmsg_scsi *scsi = vmsg_device_priv(dev);

	if (!scsi->read_only)
		vmsg_scsi_sync(scsi);
	close(scsi->fd);
	free(scsi);
}

static const struct vmsg_device_ops vmsg_scsi_ops = {
	.queue = vmsg_scsi_queue,
	.config_read = vmsg_scsi_config_read,
	.config_write = vmsg_scsi_config_write,
	.reset = vmsg_scsi_reset,
	.release = vmsg_scsi_release,
};

/*
 * A quarter of the pool holds the largest command: a driver that bounces its
 * buffers through the pool can always make progress.
 */
static void vmsg_scsi_make_config(struct vmsg_scsi *scsi, uint64_t pool)
{
	struct virtio_scsi_config *config = &scsi->config;
	uint64_t page = sysconf(_SC_PAGESIZE);
	uint64_t blocks = pool / 4 / VMSG_SCSI_BLOCK;
	uint64_t segments = pool / 4 / page;

	if (blocks > VMSG_SCSI_MAX_BLOCKS)
		blocks = VMSG_SCSI_MAX_BLOCKS;
	if (blocks < page / VMSG_SCSI_BLOCK)
		blocks = page / VMSG_SCSI_BLOCK;
	if (segments > VMSG_SCSI_MAX_SEGMENTS)
		segments = VMSG_SCSI_MAX_SEGMENTS;
	if (!segments)
		segments = 1;
	config->num_queues = htole32(VMSG_SCSI_QUEUES - VMSG_SCSI_REQUEST);
	config->seg_max = htole32(segments);
	config->max_sectors = htole32(blocks);
	config->cmd_per_lun = htole32(VMSG_SCSI_QUEUE_SIZE);
	config->event_info_size = htole32(sizeof(struct virtio_scsi_event));
	config->sense_size = htole32(VIRTIO_SCSI_SENSE_SIZE);
	config->cdb_size = htole32(VIRTIO_SCSI_CDB_SIZE);
}

static int vmsg_scsi_open(struct vmsg_scsi *scsi,
			  const struct vmsg_scsi_params *params)
{
	bool write = !params->read_only;
	struct stat st;
	off_t size;

	scsi->fd = open(params->path, O_CLOEXEC | (write ? O_RDWR : O_RDONLY) |
			(write && params->size ? O_CREAT : 0), 0600);
	if (scsi->fd < 0 || fstat(scsi->fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return -ENOTBLK;
	size = lseek(scsi->fd, 0, SEEK_END);
	if (write && S_ISREG(st.st_mode) && params->size > (uint64_t)size) {
		if (ftruncate(scsi->fd, params->size))
			return -errno;
		size = params->size;
	}
	if (size < 0 || params->size > (uint64_t)size)
		return -ENOSPC;
	scsi->blocks = (params->size ? params->size : (uint64_t)size) /
		       VMSG_SCSI_BLOCK;
	return scsi->blocks ? 0 : -ENODATA;
}

/**
 * vmsg_scsi_add() - put a SCSI host with a disk onto a bus
 * @bus: the bus
 * @num: device number, or VMSG_ANY_NUM
 * @params: what it is like
 *
 * Return: the device, or NULL with errno set; what went wrong has been said.
 */
struct vmsg_device *vmsg_scsi_add(struct vmsg_bus *bus, uint32_t num,
				  const struct vmsg_scsi_params *params)
{
	static const uint16_t sizes[VMSG_SCSI_QUEUES] = {
		16, 16, VMSG_SCSI_QUEUE_SIZE,
	};
	struct vmsg_device_desc desc = {
		.name = "scsi",
		.ops = &vmsg_scsi_ops,
		.device_id = VIRTIO_ID_SCSI,
		.config_size = sizeof(struct virtio_scsi_config),
		.num_queues = VMSG_SCSI_QUEUES,
		.queue_sizes = sizes,
	};
	struct vmsg_scsi *scsi = calloc(1, sizeof(*scsi));
	int ret;

	if (!scsi)
		return NULL;
	scsi->read_only = params->read_only;
	ret = vmsg_scsi_open(scsi, params);
	if (ret) {
		vmsg_warn("scsi %s: cannot be used: %s; name a file or block device that is not empty, or give size= to have a file made",
			  params->path, strerror(-ret));
		goto err;
	}
	if (params->serial)
		memcpy(scsi->serial, params->serial,
		       strnlen(params->serial, sizeof(scsi->serial)));
	vmsg_scsi_make_config(scsi, vmsg_bus_link(bus)->pool_size);
	memcpy(desc.uuid, params->uuid, sizeof(desc.uuid));
	desc.priv = scsi;
	scsi->dev = vmsg_device_add(bus, num, &desc);
	if (scsi->dev)
		return scsi->dev;
	ret = -errno;
	vmsg_warn("scsi %s: cannot be device %lld: %s; choose another number",
		  params->path, num == VMSG_ANY_NUM ? -1LL : (long long)num,
		  strerror(-ret));
err:
	if (scsi->fd >= 0)
		close(scsi->fd);
	free(scsi);
	errno = -ret;
	return NULL;
}

static int vmsg_scsi_set(void *params, const char *key, const char *value)
{
	struct vmsg_scsi_params *scsi = params;

	if (!strcmp(key, "file")) {
		scsi->path = value;
		return *value ? 0 : -EINVAL;
	}
	if (!strcmp(key, "size"))
		return vmsg_number(value, INT64_MAX, &scsi->size);
	if (!strcmp(key, "serial")) {
		scsi->serial = value;
		return strlen(value) <= VMSG_SCSI_SERIAL ? 0 : -ERANGE;
	}
	if (!strcmp(key, "ro")) {
		scsi->read_only = true;
		return *value ? -EINVAL : 0;
	}
	return -ENOENT;
}

static struct vmsg_device *vmsg_scsi_make(struct vmsg_bus *bus, uint32_t num,
					  const uint8_t uuid[16], void *params)
{
	struct vmsg_scsi_params *scsi = params;

	if (!scsi->path) {
		vmsg_warn("scsi: there is no backing; say file=PATH");
		errno = EINVAL;
		return NULL;
	}
	memcpy(scsi->uuid, uuid, sizeof(scsi->uuid));
	return vmsg_scsi_add(bus, num, scsi);
}

const struct vmsg_model vmsg_scsi_model = {
	.name = "scsi",
	.help =
"  --scsi file=PATH[,KEY[=VALUE]]...   SCSI host with a disk\n"
"      size=BYTES       make the file, or let it grow, to this size\n"
"      ro               read-only\n"
"      serial=TEXT      serial number, up to 20 bytes\n",
	.ops = &vmsg_scsi_ops,
	.params_size = sizeof(struct vmsg_scsi_params),
	.set = vmsg_scsi_set,
	.add = vmsg_scsi_make,
};
