// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * libvmsg tests: the block device.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <linux/virtio_blk.h>

#include "harness.h"
#include "models.h"

#define HDR	(POOL_ADDR + 0x80000)
#define DATA	(POOL_ADDR + 0x90000)
#define STATUS	(POOL_ADDR + 0xb0000)
#define SECTORS	128u
#define WRITE	VRING_DESC_F_WRITE
#define NO_STATUS	0x5a
/* Features that most of these tests do without. */
#define OFF	(VMSG_BIT(VMSG_F_RING_PACKED) | VMSG_BIT(VMSG_F_IN_ORDER) | \
		 VMSG_BIT(VMSG_F_NOTIFICATION_DATA) | VMSG_BIT(VMSG_F_EVENT_IDX))

struct disk {
	char path[64];
	int fd;
	struct bench b;
	struct ring r;
	struct vmsg_device *dev;
};

static const char *disk_folder = "/tmp";

static void disk_open(struct disk *d, struct vmsg_blk_params *params,
		      uint64_t features)
{
	const struct bench_params bench_params = {
		.ring_features = VMSG_RING_FEATURES,
	};
	char block[512];
	unsigned int i;

	snprintf(d->path, sizeof(d->path), "%s/vmsg-blk-XXXXXX", disk_folder);
	d->fd = mkstemp(d->path);
	for (i = 0; i < SECTORS; i++) {
		memset(block, i, sizeof(block));
		if (write(d->fd, block, sizeof(block)) != sizeof(block))
			abort();
	}
	params->path = params->null ? NULL : d->path;
	bench_open(&d->b, &bench_params);
	d->dev = vmsg_blk_add(d->b.bus, 0, params);
	if (!d->dev)
		abort();
	drv_negotiate(&d->b, 0, features & drv_offered(&d->b, 0));
	ring_place(&d->r, &d->b, 0, 0, 64,
		   features & VMSG_BIT(VMSG_F_RING_PACKED));
	ring_enable(&d->r);
	drv_set_status(&d->b, 0, S_RUNNING);
	bench_flush(&d->b);
}

static void disk_close(struct disk *d)
{
	bench_close(&d->b);
	close(d->fd);
	unlink(d->path);
}

/* A request with @len bytes in up to 2 pieces; returns its status. */
static uint8_t disk_ask(struct disk *d, uint32_t type, uint64_t sector,
			uint32_t len, bool write, uint32_t *used)
{
	struct virtio_blk_outhdr *hdr = bench_ptr(&d->b, HDR);
	uint8_t *status = bench_ptr(&d->b, STATUS);
	uint16_t flags = write ? WRITE : 0;
	struct seg segs[4] = { { HDR, sizeof(*hdr), 0 } };
	unsigned int num = 1;
	uint32_t id, first;

	memset(hdr, 0, sizeof(*hdr));
	hdr->type = htole32(type);
	hdr->sector = htole64(sector);
	*status = NO_STATUS;
	if (len) {
		first = len > 512 ? 512 : len;
		segs[num++] = (struct seg){ DATA, first, flags };
		if (len > first)
			segs[num++] = (struct seg){ DATA + first, len - first,
						    flags };
	}
	segs[num++] = (struct seg){ STATUS, 1, WRITE };
	ring_add(&d->r, segs, num, false);
	ring_kick(&d->r);
	if (!ring_used(&d->r, &id, used))
		return NO_STATUS;
	return *status;
}

static bool all(const uint8_t *bytes, uint8_t value, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		if (bytes[i] != value)
			return false;
	}
	return true;
}

/* Is that sector of the backing file full of this value? */
static bool file_is(struct disk *d, unsigned int sector, uint8_t value)
{
	uint8_t block[512];

	return pread(d->fd, block, sizeof(block), sector * 512) == 512 &&
	       all(block, value, sizeof(block));
}

static void test_read_write(uint64_t features, const char *name)
{
	struct vmsg_blk_params params = { .serial = "serial-0123456789xyz" };
	uint32_t used, i;
	struct disk d;
	uint8_t *data;
	bool good;

	disk_open(&d, &params, ~OFF | features);
	data = bench_ptr(&d.b, DATA);
	good = true;
	for (i = 0; i < SECTORS; i++) {
		memset(data, 0xee, 1024);
		good &= disk_ask(&d, VIRTIO_BLK_T_IN, i, 512, true, &used) ==
				VIRTIO_BLK_S_OK &&
			used == 513 && all(data, i, 512) &&
			all(data + 512, 0xee, 512);
	}
	ok(good, "%s: every sector is read", name);
	ok(disk_ask(&d, VIRTIO_BLK_T_IN, 5, 2048, true, &used) ==
	   VIRTIO_BLK_S_OK && used == 2049 && all(data, 5, 512) &&
	   all(data + 1536, 8, 512), "%s: 4 sectors at once", name);
	memset(data, 0x77, 1024);
	ok(disk_ask(&d, VIRTIO_BLK_T_OUT, 10, 1024, false, &used) ==
	   VIRTIO_BLK_S_OK && used == 1, "%s: 2 sectors are written", name);
	ok(file_is(&d, 9, 9) && file_is(&d, 10, 0x77) &&
	   file_is(&d, 11, 0x77) && file_is(&d, 12, 12),
	   "%s: these and no others", name);
	ok(disk_ask(&d, VIRTIO_BLK_T_FLUSH, 0, 0, false, &used) ==
	   VIRTIO_BLK_S_OK, "%s: flush", name);
	ok(disk_ask(&d, VIRTIO_BLK_T_GET_ID, 0, 20, true, &used) ==
	   VIRTIO_BLK_S_OK && !memcmp(data, "serial-0123456789xyz", 20),
	   "%s: get-id", name);
	memset(data, 0xee, 32);
	ok(disk_ask(&d, VIRTIO_BLK_T_GET_ID, 0, 8, true, &used) ==
	   VIRTIO_BLK_S_OK && !memcmp(data, "serial-0", 8) && data[8] == 0xee,
	   "%s: get-id into 8 bytes", name);
	memset(data, 0xee, 512);
	ok(disk_ask(&d, 0x1234, 0, 512, true, &used) == VIRTIO_BLK_S_UNSUPP &&
	   all(data, 0, 512), "%s: an unknown request", name);
	disk_close(&d);
}

static void test_bounds(void)
{
	struct vmsg_blk_params params = { 0 };
	struct disk d;
	uint32_t used;
	uint8_t *data;

	disk_open(&d, &params, ~OFF);
	data = bench_ptr(&d.b, DATA);
	memset(data, 0xee, 4096);
	ok(disk_ask(&d, VIRTIO_BLK_T_IN, SECTORS - 1, 512, true, &used) ==
	   VIRTIO_BLK_S_OK, "the last sector");
	memset(data, 0xee, 4096);
	ok(disk_ask(&d, VIRTIO_BLK_T_IN, SECTORS - 1, 1024, true, &used) ==
	   VIRTIO_BLK_S_IOERR, "read across the end");
	ok(all(data, 0, 1024), "shows nothing");
	ok(disk_ask(&d, VIRTIO_BLK_T_OUT, SECTORS - 1, 1024, false, &used) ==
	   VIRTIO_BLK_S_IOERR && file_is(&d, SECTORS - 1, SECTORS - 1),
	   "write across the end: not even the first sector");
	ok(disk_ask(&d, VIRTIO_BLK_T_OUT, SECTORS, 512, false, &used) ==
	   VIRTIO_BLK_S_IOERR, "write behind the end");
	ok(disk_ask(&d, VIRTIO_BLK_T_OUT, ~0ULL, 512, false, &used) ==
	   VIRTIO_BLK_S_IOERR, "write to the sector before 0");
	ok(disk_ask(&d, VIRTIO_BLK_T_OUT, 1ULL << 55, 512, false, &used) ==
	   VIRTIO_BLK_S_IOERR, "write to a sector that overflows in bytes");
	ok(disk_ask(&d, VIRTIO_BLK_T_OUT, 0, 511, false, &used) ==
	   VIRTIO_BLK_S_IOERR && file_is(&d, 0, 0), "write of 511 bytes");
	ok(lseek(d.fd, 0, SEEK_END) == SECTORS * 512,
	   "the backing file is as large as before");
	disk_close(&d);
}

static void put_range(void *data, unsigned int i, uint64_t sector,
		      uint32_t num, uint32_t flags)
{
	struct virtio_blk_discard_write_zeroes *range = data;

	range[i].sector = htole64(sector);
	range[i].num_sectors = htole32(num);
	range[i].flags = htole32(flags);
}

static void test_ranges(void)
{
	struct vmsg_blk_params params = { 0 };
	uint32_t used, i;
	struct disk d;
	uint8_t *data;

	disk_open(&d, &params, ~OFF);
	data = bench_ptr(&d.b, DATA);
	put_range(data, 0, 10, 4, 0);
	put_range(data, 1, 20, 1, VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP);
	ok(disk_ask(&d, VIRTIO_BLK_T_WRITE_ZEROES, 0, 32, false, &used) ==
	   VIRTIO_BLK_S_OK, "write-zeroes of 2 ranges");
	ok(file_is(&d, 9, 9) && file_is(&d, 10, 0) && file_is(&d, 13, 0) &&
	   file_is(&d, 14, 14) && file_is(&d, 20, 0) && file_is(&d, 21, 21),
	   "these sectors and no others are zero");
	put_range(data, 0, 30, 2, 0);
	ok(disk_ask(&d, VIRTIO_BLK_T_DISCARD, 0, 16, false, &used) ==
	   VIRTIO_BLK_S_OK && file_is(&d, 29, 29) && file_is(&d, 32, 32),
	   "discard");
	ok(lseek(d.fd, 0, SEEK_END) == SECTORS * 512, "the size stays");
	put_range(data, 0, 40, 1, VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP);
	ok(disk_ask(&d, VIRTIO_BLK_T_DISCARD, 0, 16, false, &used) ==
	   VIRTIO_BLK_S_UNSUPP, "discard with a flag");
	put_range(data, 0, 40, 1, 2);
	ok(disk_ask(&d, VIRTIO_BLK_T_WRITE_ZEROES, 0, 16, false, &used) ==
	   VIRTIO_BLK_S_UNSUPP, "write-zeroes with an unknown flag");
	put_range(data, 0, 40, 1, 0);
	put_range(data, 1, SECTORS - 1, 2, 0);
	ok(disk_ask(&d, VIRTIO_BLK_T_WRITE_ZEROES, 0, 32, false, &used) ==
	   VIRTIO_BLK_S_IOERR && file_is(&d, 40, 40),
	   "one range across the end: none is done");
	put_range(data, 0, ~0ULL, 2, 0);
	ok(disk_ask(&d, VIRTIO_BLK_T_WRITE_ZEROES, 0, 16, false, &used) ==
	   VIRTIO_BLK_S_IOERR, "a range that overflows");
	ok(disk_ask(&d, VIRTIO_BLK_T_WRITE_ZEROES, 0, 17, false, &used) ==
	   VIRTIO_BLK_S_IOERR, "17 bytes of ranges");
	ok(disk_ask(&d, VIRTIO_BLK_T_WRITE_ZEROES, 0, 0, false, &used) ==
	   VIRTIO_BLK_S_IOERR, "no ranges");
	for (i = 0; i < 17; i++)
		put_range(data, i, 41, 1, 0);
	ok(disk_ask(&d, VIRTIO_BLK_T_WRITE_ZEROES, 0, 16 * 17, false, &used) ==
	   VIRTIO_BLK_S_IOERR && file_is(&d, 41, 41), "17 ranges");
	disk_close(&d);
}

static void test_read_only(void)
{
	struct vmsg_blk_params params = { .read_only = true };
	struct disk d;
	uint32_t used;

	disk_open(&d, &params, ~OFF);
	ok(vmsg_device_has_feature(d.dev, VIRTIO_BLK_F_RO) &&
	   !vmsg_device_has_feature(d.dev, VIRTIO_BLK_F_DISCARD),
	   "read-only: it says so");
	ok(disk_ask(&d, VIRTIO_BLK_T_IN, 1, 512, true, &used) ==
	   VIRTIO_BLK_S_OK, "read-only: read");
	ok(disk_ask(&d, VIRTIO_BLK_T_OUT, 1, 512, false, &used) ==
	   VIRTIO_BLK_S_IOERR, "read-only: write");
	put_range(bench_ptr(&d.b, DATA), 0, 1, 1, 0);
	ok(disk_ask(&d, VIRTIO_BLK_T_WRITE_ZEROES, 0, 16, false, &used) ==
	   VIRTIO_BLK_S_IOERR && file_is(&d, 1, 1), "read-only: write-zeroes");
	disk_close(&d);
}

/* Requests that are not requests. */
static void test_null(void)
{
	struct vmsg_blk_params params = { .null = true, .size = 1 << 20 };
	uint8_t *data;
	struct disk d;
	uint32_t used;

	disk_open(&d, &params, 0);
	data = bench_ptr(&d.b, DATA);
	memset(data, 0x77, 1024);
	ok(disk_ask(&d, VIRTIO_BLK_T_OUT, 4, 1024, false, &used) ==
	   VIRTIO_BLK_S_OK && used == 1 && file_is(&d, 4, 4),
	   "null: a write goes nowhere");
	ok(disk_ask(&d, VIRTIO_BLK_T_IN, 2046, 1024, true, &used) ==
	   VIRTIO_BLK_S_OK && used == 1025 && all(data, 0x77, 1024),
	   "null: a read brings nothing");
	ok(disk_ask(&d, VIRTIO_BLK_T_IN, 2047, 1024, true, &used) ==
	   VIRTIO_BLK_S_IOERR, "null: it has an end");
	put_range(data, 0, 0, 8, 0);
	ok(disk_ask(&d, VIRTIO_BLK_T_WRITE_ZEROES, 0, 16, false, &used) ==
	   VIRTIO_BLK_S_OK &&
	   disk_ask(&d, VIRTIO_BLK_T_DISCARD, 0, 16, false, &used) ==
	   VIRTIO_BLK_S_OK &&
	   disk_ask(&d, VIRTIO_BLK_T_FLUSH, 0, 0, false, &used) ==
	   VIRTIO_BLK_S_OK, "null: all other requests work");
	ok(!vmsg_blk_resize(d.dev, 2 << 20, VMSG_CONFIG_DATA) &&
	   disk_ask(&d, VIRTIO_BLK_T_IN, 2048, 1024, true, &used) ==
	   VIRTIO_BLK_S_OK, "null: it can grow");
	disk_close(&d);
}

static void test_bad(void)
{
	static const struct {
		const char *what;
		unsigned int num;
		struct seg segs[3];
	} bad[] = {
		{ "no status byte", 1, { { HDR, 16, 0 } } },
		{ "no header", 1, { { STATUS, 1, WRITE } } },
		{ "15 bytes of header", 2,
		  { { HDR, 15, 0 }, { STATUS, 1, WRITE } } },
	};
	static const struct seg pieces[] = {
		{ HDR, 7, 0 }, { HDR + 7, 9, 0 }, { DATA, 513, WRITE },
	};
	struct vmsg_blk_params params = { 0 };
	uint32_t id, used;
	struct disk d;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		disk_open(&d, &params, ~OFF);
		ring_add(&d.r, bad[i].segs, bad[i].num, false);
		ring_kick(&d.r);
		ok(!ring_used(&d.r, &id, &used) &&
		   drv_status(&d.b, 0) == S_BROKEN,
		   "%s: the device needs a reset", bad[i].what);
		disk_close(&d);
	}
	/* A header in two pieces is none of these. */
	disk_open(&d, &params, ~OFF);
	memset(bench_ptr(&d.b, HDR), 0, 16);
	ring_add(&d.r, pieces, ARRAY_SIZE(pieces), false);
	ring_kick(&d.r);
	ok(ring_used(&d.r, &id, &used) && used == 513 &&
	   all(bench_ptr(&d.b, DATA), 0, 513),
	   "a header in two pieces, data and status in one");
	disk_close(&d);
}

static bool get_config(struct disk *d, uint32_t offset, uint32_t len,
		       void *buf)
{
	struct vmsg_msg msg = {
		.id = VIRTIO_MSG_GET_CONFIG,
		.config.offset = offset,
		.config.length = len,
	};

	if (!bench_ask(&d->b, &msg) || msg.data_len != len)
		return false;
	memcpy(buf, msg.data, len);
	return true;
}

static bool set_wce(struct disk *d, uint8_t value, uint32_t offset)
{
	struct vmsg_msg msg = {
		.id = VIRTIO_MSG_SET_CONFIG,
		.config.offset = offset,
		.config.length = 1,
		.data = &value,
		.data_len = 1,
	};

	return bench_ask(&d->b, &msg) && msg.config.length == 1;
}

static void test_config(void)
{
	const uint32_t wce = offsetof(struct virtio_blk_config, wce);
	struct vmsg_blk_params params = { .queues = 4, .queue_size = 64 };
	struct virtio_blk_config config;
	struct vmsg_msg msg;
	struct disk d;
	uint64_t pool;
	uint32_t used;

	disk_open(&d, &params, ~OFF);
	ok(get_config(&d, 0, sizeof(config), &config) &&
	   le64toh(config.capacity) == SECTORS &&
	   le32toh(config.blk_size) == 512 && le16toh(config.num_queues) == 4,
	   "capacity, block size, queues");
	pool = (uint64_t)le32toh(config.size_max) * le32toh(config.seg_max);
	ok(le32toh(config.seg_max) == 62 && pool <= POOL_SIZE / 4 &&
	   le32toh(config.size_max) >= 4096,
	   "the largest request fits into a quarter of the pool");
	ok(vmsg_device_has_feature(d.dev, VIRTIO_BLK_F_MQ), "MQ");
	ok(config.wce == 1 && set_wce(&d, 0, wce) &&
	   get_config(&d, 0, sizeof(config), &config) && !config.wce,
	   "the cache mode can be chosen");
	ok(disk_ask(&d, VIRTIO_BLK_T_OUT, 1, 512, false, &used) ==
	   VIRTIO_BLK_S_OK, "write-through works");
	ok(!set_wce(&d, 2, wce), "cache mode 2 is refused");
	ok(!set_wce(&d, 0, 0), "the capacity cannot be written");
	bench_flush(&d.b);
	ok(!vmsg_blk_resize(d.dev, 256 * 512, VMSG_CONFIG_DATA) &&
	   bench_get(&d.b, 0, VIRTIO_MSG_EVENT_CONFIG, &msg) &&
	   msg.data_len == 8 && msg.data[1] == 1 && !msg.data[0],
	   "a new capacity is announced");
	ok(disk_ask(&d, VIRTIO_BLK_T_IN, 255, 512, true, &used) ==
	   VIRTIO_BLK_S_OK, "and can be used");
	ok(vmsg_blk_resize(d.dev, 1000, VMSG_CONFIG_DATA) == -EINVAL &&
	   vmsg_blk_resize(d.dev, 0, VMSG_CONFIG_DATA) == -EINVAL,
	   "half a sector, or none, is refused");
	ok(!vmsg_blk_resize(d.dev, 512, VMSG_CONFIG_RANGE) &&
	   disk_ask(&d, VIRTIO_BLK_T_IN, 1, 512, true, &used) ==
	   VIRTIO_BLK_S_IOERR, "a smaller one holds at once");
	drv_set_status(&d.b, 0, 0);
	ok(get_config(&d, 0, sizeof(config), &config) && config.wce == 1,
	   "a reset brings the cache mode back");
	disk_close(&d);
}

static void test_refused(void)
{
	const struct bench_params bench_params = { 0 };
	struct vmsg_blk_params params = { .path = "/nowhere/at/all" };
	struct bench b;
	struct stat st;

	bench_open(&b, &bench_params);
	ok(!vmsg_blk_add(b.bus, 0, &params) && errno == ENOENT, "no file");
	params.path = "/tmp";
	params.read_only = true;
	ok(!vmsg_blk_add(b.bus, 0, &params) && errno == ENOTBLK, "a folder");
	params.path = "/dev/null";
	ok(!vmsg_blk_add(b.bus, 0, &params) && errno == ENOTBLK,
	   "a character device");
	params.read_only = false;
	params.path = "/tmp/vmsg-blk-new";
	params.queue_size = 100;
	ok(!vmsg_blk_add(b.bus, 0, &params) && errno == EINVAL,
	   "a queue of 100");
	params.queue_size = 0;
	params.queues = 257;
	ok(!vmsg_blk_add(b.bus, 0, &params) && errno == EINVAL, "257 queues");
	params.queues = 0;
	params.size = 1 << 20;
	ok(vmsg_blk_add(b.bus, 0, &params) && !stat(params.path, &st) &&
	   st.st_size == 1 << 20, "a file is made");
	ok(!vmsg_blk_add(b.bus, 0, &params) && errno == EBUSY,
	   "the number is in use");
	unlink(params.path);
	bench_close(&b);
}

int main(void)
{
	test_read_write(0, "split");
	test_read_write(VMSG_BIT(VMSG_F_RING_PACKED), "packed");
	test_bounds();
	test_ranges();
	/* tmpfs cannot do all that write-zeroes would like to use. */
	disk_folder = "/dev/shm";
	test_ranges();
	disk_folder = "/tmp";
	test_read_only();
	test_null();
	test_bad();
	test_config();
	test_refused();
	return tap_end();
}
