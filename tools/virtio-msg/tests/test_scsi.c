// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * libvmsg tests: the SCSI disk.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <linux/types.h>
#include <linux/virtio_types.h>
#include <linux/virtio_scsi.h>

#include "harness.h"
#include "models.h"

#define REQ	(POOL_ADDR + 0x100000)
#define RESP	(POOL_ADDR + 0x110000)
#define DATA	(POOL_ADDR + 0x120000)
#define BLOCKS	4096u
#define WRITE	VRING_DESC_F_WRITE

struct disk {
	char path[64];
	int fd;
	struct bench b;
	struct ring ctrl;
	struct ring r;
	struct vmsg_device *dev;
	struct virtio_scsi_cmd_resp resp;
	uint32_t used;
	uint8_t *data;
};

static void disk_start(struct disk *d)
{
	drv_negotiate(&d->b, 0, 0);
	ring_place(&d->ctrl, &d->b, 0, 0, 16, false);
	ring_place(&d->r, &d->b, 0, 2, 64, false);
	ring_enable(&d->ctrl);
	ring_enable(&d->r);
	drv_set_status(&d->b, 0, S_RUNNING);
}

/* Each block is full of the lower 8 bits of its number. */
static void disk_open(struct disk *d, struct vmsg_scsi_params *params)
{
	const struct bench_params bench_params = { 0 };
	uint8_t block[512];
	unsigned int i;

	snprintf(d->path, sizeof(d->path), "/tmp/vmsg-scsi-XXXXXX");
	d->fd = mkstemp(d->path);
	for (i = 0; i < BLOCKS; i++) {
		memset(block, i, sizeof(block));
		if (write(d->fd, block, sizeof(block)) != sizeof(block))
			abort();
	}
	bench_open(&d->b, &bench_params);
	params->path = d->path;
	d->dev = vmsg_scsi_add(d->b.bus, 0, params);
	if (!d->dev)
		abort();
	disk_start(d);
	d->data = bench_ptr(&d->b, DATA);
}

static void disk_close(struct disk *d)
{
	bench_close(&d->b);
	close(d->fd);
	unlink(d->path);
}

/*
 * A command with @len bytes, in pieces that are nobody's borders; its sense, 0
 * when all is well, or a negative value.
 */
static int ask_lun(struct disk *d, const uint8_t lun[8], const uint8_t *cdb,
		   size_t cdb_len, uint32_t len, bool write)
{
	struct virtio_scsi_cmd_req *req = bench_ptr(&d->b, REQ);
	struct seg segs[6] = { { REQ, 20, 0 }, { REQ + 20, 31, 0 } };
	unsigned int num = 2;
	uint32_t id;

	memset(req, 0, sizeof(*req));
	memcpy(req->lun, lun, 8);
	memcpy(req->cdb, cdb, cdb_len);
	if (write && len)
		segs[num++] = (struct seg){ DATA, len, 0 };
	segs[num++] = (struct seg){ RESP, 7, WRITE };
	segs[num++] = (struct seg){ RESP + 7, 101, WRITE };
	if (!write && len) {
		segs[num++] = (struct seg){ DATA, len, WRITE };
		memset(d->data, 0xee, len);
	}
	memset(bench_ptr(&d->b, RESP), 0xee, sizeof(d->resp));
	ring_add(&d->r, segs, num, false);
	ring_kick(&d->r);
	if (!ring_used(&d->r, &id, &d->used))
		return -1;
	memcpy(&d->resp, bench_ptr(&d->b, RESP), sizeof(d->resp));
	if (d->resp.response)
		return -100 - d->resp.response;
	if (!d->resp.status)
		return 0;
	if (d->resp.status != 2 || le32toh(d->resp.sense_len) != 18 ||
	    d->resp.sense[0] != 0x70)
		return -2;
	return d->resp.sense[2] << 16 | d->resp.sense[12] << 8 |
	       d->resp.sense[13];
}

static const uint8_t lun_0[8] = { 1, 0, 0x40 };

#define ask(d, len, write, ...)						\
	ask_lun(d, lun_0, (const uint8_t[]){ __VA_ARGS__ },		\
		sizeof((const uint8_t[]){ __VA_ARGS__ }), len, write)
#define from_disk(d, len, ...)	ask(d, len, false, __VA_ARGS__)
#define to_disk(d, len, ...)	ask(d, len, true, __VA_ARGS__)

static uint32_t resid(struct disk *d)
{
	return le32toh(d->resp.resid);
}

static bool all(const uint8_t *bytes, uint8_t value, size_t len)
{
	while (len && bytes[len - 1] == value)
		len--;
	return !len;
}

static bool file_is(struct disk *d, unsigned int block, uint8_t value)
{
	uint8_t buf[512];

	return pread(d->fd, buf, sizeof(buf), block * 512) == 512 &&
	       all(buf, value, sizeof(buf));
}

static void test_says(void)
{
	struct vmsg_scsi_params params = { .serial = "abc" };
	struct disk d;

	disk_open(&d, &params);
	ok(!from_disk(&d, 0, 0x00) && d.used == 108, "test unit ready");
	ok(!from_disk(&d, 64, 0x12, 0, 0, 0, 64) && !d.data[0] &&
	   !memcmp(d.data + 8, "VMSG    virtio-msg disk ", 24) &&
	   d.data[4] == 31 && d.data[36] == 0xee && resid(&d) == 28 &&
	   d.used == 108 + 36, "inquiry");
	ok(!from_disk(&d, 64, 0x12, 0, 0, 0, 5) && d.data[5] == 0xee &&
	   resid(&d) == 59, "no more than it asks for");
	ok(!from_disk(&d, 5, 0x12, 0, 0, 0, 64) && !resid(&d),
	   "nor than it has room for");
	ok(from_disk(&d, 64, 0x12, 0, 1, 0, 64) == 0x052400,
	   "a page without EVPD");
	ok(!from_disk(&d, 64, 0x12, 1, 0x00, 0, 64) && d.data[3] == 5 &&
	   d.data[5] == 0x80, "the list of pages");
	ok(!from_disk(&d, 64, 0x12, 1, 0x80, 0, 64) && d.data[3] == 3 &&
	   !memcmp(d.data + 4, "abc", 3), "serial number");
	ok(!from_disk(&d, 64, 0x12, 1, 0x83, 0, 64) && d.data[3] == 15 &&
	   d.data[7] == 11 && !memcmp(d.data + 8, "VMSG    abc", 11), "name");
	ok(!from_disk(&d, 64, 0x12, 1, 0xb0, 0, 64) && d.data[3] == 60 &&
	   d.data[10] == 8 && !d.data[11], "limits");
	ok(!from_disk(&d, 64, 0x12, 1, 0xb1, 0, 64) && d.data[5] == 1,
	   "nothing rotates");
	ok(from_disk(&d, 64, 0x12, 1, 0xb2, 0, 64) == 0x052400,
	   "an unknown page");
	ok(!from_disk(&d, 8, 0x25) && d.data[2] == 0x0f && d.data[3] == 0xff &&
	   d.data[6] == 2, "capacity of 10");
	ok(!from_disk(&d, 32, 0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		      32) && d.data[6] == 0x0f && d.data[7] == 0xff &&
	   d.data[10] == 2 && d.data[13] == 3, "capacity of 16");
	ok(from_disk(&d, 32, 0x9e, 0x11) == 0x052400,
	   "another service action");
	ok(!from_disk(&d, 64, 0x1a, 0, 8, 0, 64) && d.data[0] == 23 &&
	   d.data[2] == 0x10 && d.data[4] == 8 && d.data[6] == 4,
	   "the caching page");
	ok(!from_disk(&d, 64, 0x1a, 0, 0x48, 0, 64) && !d.data[6],
	   "what can be changed of it");
	ok(!from_disk(&d, 64, 0x5a, 0, 0x3f, 0, 0, 0, 0, 0, 64) &&
	   d.data[1] == 26 && d.data[8] == 8, "all pages");
	ok(from_disk(&d, 64, 0x1a, 0, 9, 0, 64) == 0x052400 &&
	   from_disk(&d, 64, 0x1a, 0, 0xc8, 0, 64) == 0x052400,
	   "an unknown page, and saved values");
	ok(!from_disk(&d, 16, 0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 16) &&
	   d.data[3] == 8 && all(d.data + 8, 0, 8), "report luns");
	ok(!from_disk(&d, 18, 0x03, 0, 0, 0, 18) && d.data[0] == 0x70 &&
	   !d.data[2], "request sense");
	ok(from_disk(&d, 0, 0x42) == 0x052000 &&
	   from_disk(&d, 0, 0xff) == 0x052000, "commands that it has not");
	disk_close(&d);
}

static void test_data(void)
{
	struct vmsg_scsi_params params = { 0 };
	struct disk d;

	disk_open(&d, &params);
	ok(!from_disk(&d, 1024, 0x08, 0, 2, 5, 2) && all(d.data, 5, 512) &&
	   all(d.data + 512, 6, 512) && d.used == 108 + 1024 && !resid(&d),
	   "read (6)");
	ok(!from_disk(&d, 256 * 512, 0x08, 0, 0, 0, 0) &&
	   all(d.data + 255 * 512, 255, 512), "of 0 blocks, which are 256");
	ok(!from_disk(&d, 512, 0x28, 0, 0, 0, 0x0f, 0xff, 0, 0, 1) &&
	   all(d.data, 255, 512), "read (10), the last block");
	ok(!from_disk(&d, 1024, 0x88, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0,
		      1) && all(d.data, 9, 512) &&
	   all(d.data + 512, 0xee, 512) && resid(&d) == 512,
	   "read (16), with room for more");
	memset(d.data, 0x77, 1024);
	ok(!to_disk(&d, 1024, 0x0a, 0, 0, 10, 2) && file_is(&d, 9, 9) &&
	   file_is(&d, 10, 0x77) && file_is(&d, 11, 0x77) &&
	   file_is(&d, 12, 12) && d.used == 108, "write (6)");
	ok(!to_disk(&d, 512, 0x2a, 8, 0, 0, 0, 20, 0, 0, 1) &&
	   file_is(&d, 20, 0x77) && file_is(&d, 21, 21), "write (10), FUA");
	ok(!to_disk(&d, 1024, 0x8a, 0, 0, 0, 0, 0, 0, 0, 0, 30, 0, 0, 0,
		    1) && file_is(&d, 30, 0x77) && file_is(&d, 31, 31) &&
	   resid(&d) == 512, "write (16), with data for more");
	ok(!from_disk(&d, 0, 0x35) && !from_disk(&d, 0, 0x91),
	   "synchronize cache");
	ok(!from_disk(&d, 0, 0x28, 0, 0, 0, 0, 1, 0, 0, 0),
	   "nothing, and nowhere");
	disk_close(&d);
}

static void test_bounds(void)
{
	struct vmsg_scsi_params params = { 0 };
	struct disk d;

	disk_open(&d, &params);
	ok(from_disk(&d, 1024, 0x28, 0, 0, 0, 0x0f, 0xff, 0, 0, 2) ==
	   0x052100 && all(d.data, 0xee, 1024), "read across the end");
	ok(to_disk(&d, 1024, 0x2a, 0, 0, 0, 0x0f, 0xff, 0, 0, 2) ==
	   0x052100 && file_is(&d, BLOCKS - 1, 255), "write across the end");
	ok(to_disk(&d, 512, 0x2a, 0, 0, 0, 0x10, 0, 0, 0, 1) == 0x052100,
	   "write behind the end");
	ok(to_disk(&d, 512, 0x8a, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		   0xff, 0, 0, 0, 1) == 0x052100, "write before 0");
	ok(to_disk(&d, 512, 0x8a, 0, 0x00, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		   1) == 0x052100, "a block that overflows in bytes");
	ok(from_disk(&d, 512, 0x28, 0, 0, 0, 0, 0, 0, 0, 2) == 0x052400 &&
	   all(d.data, 0xee, 512), "read of more than there is room for");
	ok(to_disk(&d, 512, 0x2a, 0, 0, 0, 0, 0, 0, 0, 2) == 0x052400 &&
	   file_is(&d, 0, 0), "write of more than there are data");
	ok(to_disk(&d, 0, 0x2a, 0, 0, 0, 0, 0, 0, 0, 1) == 0x052400,
	   "write without data");
	ok(lseek(d.fd, 0, SEEK_END) == BLOCKS * 512, "the file has its size");
	disk_close(&d);

	params.read_only = true;
	disk_open(&d, &params);
	ok(to_disk(&d, 512, 0x2a, 0, 0, 0, 0, 5, 0, 0, 1) == 0x072700 &&
	   file_is(&d, 5, 5), "read-only: write");
	ok(!from_disk(&d, 64, 0x1a, 0, 8, 0, 64) && d.data[2] == 0x90,
	   "read-only: it says so");
	disk_close(&d);

	params.read_only = false;
	disk_open(&d, &params);
	if (ftruncate(d.fd, 1024))
		abort();
	ok(from_disk(&d, 1024, 0x28, 0, 0, 0, 0, 1, 0, 0, 2) == 0x031100,
	   "a file that has shrunk: medium error");
	disk_close(&d);
}

static int manage(struct disk *d, uint32_t type, uint32_t subtype,
		  uint32_t bytes, uint32_t room)
{
	struct virtio_scsi_ctrl_tmf_req *req = bench_ptr(&d->b, REQ);
	uint8_t *resp = bench_ptr(&d->b, RESP);
	const struct seg segs[] = {
		{ REQ, bytes, 0 }, { RESP, room, WRITE },
	};
	uint32_t id, used;

	memset(req, 0, sizeof(*req));
	req->type = htole32(type);
	req->subtype = htole32(subtype);
	memcpy(req->lun, lun_0, 8);
	memset(resp, 0xee, 5);
	ring_add(&d->ctrl, segs, 2, false);
	ring_kick(&d->ctrl);
	if (!ring_used(&d->ctrl, &id, &used))
		return -1;
	return resp[used - 1];
}

static bool set_cdb_size(struct disk *d, uint8_t size)
{
	const uint8_t data[4] = { size };

	return drv_write_config(&d->b, 0,
				offsetof(struct virtio_scsi_config, cdb_size),
				data, sizeof(data));
}

static void test_control(void)
{
	static const uint8_t bad[][8] = {
		{ 1, 1, 0x40 }, { 1, 0, 0x40, 1 }, { 1, 0, 0x41 },
		{ 0, 0, 0x40 }, { 0xc1, 1 }, { 1, 0, 0x80 },
	};
	static const uint8_t inquiry[] = { 0x12, 0, 0, 0, 64 };
	struct vmsg_scsi_params params = { 0 };
	struct disk d;
	size_t i;

	disk_open(&d, &params);
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		ok(ask_lun(&d, bad[i], inquiry, 5, 64, false) ==
		   -100 - VIRTIO_SCSI_S_BAD_TARGET && all(d.data, 0xee, 64),
		   "nobody is at %02x %02x %02x %02x", bad[i][0], bad[i][1],
		   bad[i][2], bad[i][3]);
	for (i = 0; i <= VIRTIO_SCSI_T_TMF_QUERY_TASK_SET; i++)
		ok(!manage(&d, VIRTIO_SCSI_T_TMF, i, 24, 1),
		   "task management %zu", i);
	ok(manage(&d, VIRTIO_SCSI_T_TMF, 99, 24, 1) ==
	   VIRTIO_SCSI_S_FUNCTION_REJECTED, "task management 99");
	ok(!manage(&d, VIRTIO_SCSI_T_AN_SUBSCRIBE, 0, 16, 5), "subscribe");
	ok(set_cdb_size(&d, 32), "commands of 32 bytes");
	ok(!set_cdb_size(&d, 255), "and of no others");
	disk_close(&d);
}

static void test_hostile(void)
{
	struct vmsg_scsi_params params = { 0 };
	uint32_t id, used;
	struct disk d;

	disk_open(&d, &params);
	ring_add(&d.r, (struct seg[]){ { REQ, 50, 0 }, { RESP, 108, WRITE } },
		 2, false);
	ring_kick(&d.r);
	ok(!ring_used(&d.r, &id, &used) && drv_status(&d.b, 0) == S_BROKEN,
	   "half a request");
	disk_start(&d);
	ring_add(&d.r, (struct seg[]){ { REQ, 51, 0 }, { RESP, 107, WRITE } },
		 2, false);
	ring_kick(&d.r);
	ok(!ring_used(&d.r, &id, &used) && drv_status(&d.b, 0) == S_BROKEN,
	   "half a response");
	disk_start(&d);
	ok(manage(&d, VIRTIO_SCSI_T_TMF, 0, 23, 1) == -1 &&
	   drv_status(&d.b, 0) == S_BROKEN, "half a task management");
	disk_start(&d);
	ok(manage(&d, VIRTIO_SCSI_T_AN_QUERY, 0, 16, 4) == -1 &&
	   drv_status(&d.b, 0) == S_BROKEN, "half an answer about events");
	disk_start(&d);
	ok(manage(&d, 77, 0, 24, 5) == -1 && drv_status(&d.b, 0) == S_BROKEN,
	   "control of another kind");
	disk_start(&d);
	ok(!from_disk(&d, 0, 0x00), "after a reset it works");
	disk_close(&d);
}

static void test_refused(void)
{
	const struct bench_params bench_params = { 0 };
	struct vmsg_scsi_params params = { .path = "/nowhere/at/all" };
	struct bench b;
	struct stat st;

	bench_open(&b, &bench_params);
	ok(!vmsg_scsi_add(b.bus, 0, &params) && errno == ENOENT, "no file");
	params.path = "/dev/null";
	ok(!vmsg_scsi_add(b.bus, 0, &params) && errno == ENOTBLK,
	   "a character device");
	params.path = "/tmp/vmsg-scsi-new";
	params.size = 1 << 20;
	ok(vmsg_scsi_add(b.bus, 0, &params) && !stat(params.path, &st) &&
	   st.st_size == 1 << 20, "a file is made");
	unlink(params.path);
	bench_close(&b);
}

int main(void)
{
	test_says();
	test_data();
	test_bounds();
	test_control();
	test_hostile();
	test_refused();
	return tap_end();
}
