// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * libvmsg tests: the block device, with its file read and written in both ways.
 *
 * What happens while requests are under way is tested with io_uring alone. To
 * keep them under way, uring_hold.c stands between it and the program.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <linux/magic.h>
#include <linux/virtio_blk.h>

#include "models.h"
#include "peer.h"
#ifdef VMSG_URING
#include "uring_hold.h"
#endif

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
static enum vmsg_blk_aio disk_aio;

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
	params->aio = disk_aio;
	bench_open(&d->b, &bench_params);
	d->dev = vmsg_blk_add(d->b.bus, 0, params);
	if (!d->dev)
		abort();
	drv_negotiate(&d->b, 0, features & drv_offered(&d->b, 0));
	ring_place(&d->r, &d->b, 0, 0,
		   params->queue_size ? params->queue_size : 64,
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

/* Wait for the next used buffer. */
static bool disk_used(struct disk *d, uint32_t *used)
{
	uint32_t id;

	return until_do(ring_used(&d->r, &id, used), bench_run(&d->b));
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
	uint32_t first;

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
	return disk_used(d, used) ? *status : NO_STATUS;
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
	ok(disk_ask(&d, VIRTIO_BLK_T_IN, SECTORS, 0, true, &used) ==
	   VIRTIO_BLK_S_OK && used == 1, "nothing, from the end");
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

/* Requests that are not requests. */
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
	ok(disk_used(&d, &used) && used == 513 &&
	   all(bench_ptr(&d.b, DATA), 0, 513),
	   "a header in two pieces, data and status in one");
	disk_close(&d);
}

static bool set_wce(struct disk *d, uint8_t value, uint32_t offset)
{
	return drv_write_config(&d->b, 0, offset, &value, 1);
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
	ok(drv_read_config(&d.b, 0, 0, &config, sizeof(config)) &&
	   le64toh(config.capacity) == SECTORS &&
	   le32toh(config.blk_size) == 512 && le16toh(config.num_queues) == 4,
	   "capacity, block size, queues");
	pool = (uint64_t)le32toh(config.size_max) * le32toh(config.seg_max);
	ok(le32toh(config.seg_max) == 62 && pool <= POOL_SIZE / 4 &&
	   le32toh(config.size_max) >= 4096,
	   "the largest request fits into a quarter of the pool");
	ok(vmsg_device_has_feature(d.dev, VIRTIO_BLK_F_MQ), "MQ");
	ok(config.wce == 1 && set_wce(&d, 0, wce) &&
	   drv_read_config(&d.b, 0, 0, &config, sizeof(config)) && !config.wce,
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
	ok(drv_read_config(&d.b, 0, 0, &config, sizeof(config)) && config.wce == 1,
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

/* The backing file does not do what it should. */
static void test_file(void)
{
	struct rlimit limit = { 64 * 512, RLIM_INFINITY };
	const struct rlimit none = { RLIM_INFINITY, RLIM_INFINITY };
	struct vmsg_blk_params params = { 0 };
	struct disk d;
	uint32_t used;
	uint8_t *data;

	disk_open(&d, &params, ~OFF);
	data = bench_ptr(&d.b, DATA);
	memset(data, 0x77, 2048);
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &limit);
	ok(disk_ask(&d, VIRTIO_BLK_T_OUT, 100, 1024, false, &used) ==
	   VIRTIO_BLK_S_IOERR && used == 1 && file_is(&d, 100, 100),
	   "the file takes nothing");
	ok(disk_ask(&d, VIRTIO_BLK_T_OUT, 62, 2048, false, &used) ==
	   VIRTIO_BLK_S_IOERR && file_is(&d, 64, 64),
	   "the file does not take all");
	setrlimit(RLIMIT_FSIZE, &none);
	ok(disk_ask(&d, VIRTIO_BLK_T_OUT, 62, 2048, false, &used) ==
	   VIRTIO_BLK_S_OK && file_is(&d, 65, 0x77), "the file takes all");

	if (ftruncate(d.fd, 10 * 512))
		abort();
	memset(data, 0xee, 2560);
	ok(disk_ask(&d, VIRTIO_BLK_T_IN, 9, 2048, true, &used) ==
	   VIRTIO_BLK_S_IOERR && all(data + 512, 0, 1536) &&
	   all(data + 2048, 0xee, 512),
	   "a read across the end of a file that was cut");
	memset(data, 0xee, 1024);
	ok(disk_ask(&d, VIRTIO_BLK_T_IN, 20, 1024, true, &used) ==
	   VIRTIO_BLK_S_IOERR && all(data, 0, 1024), "a read behind that");
	ok(disk_ask(&d, VIRTIO_BLK_T_IN, 8, 1024, true, &used) ==
	   VIRTIO_BLK_S_OK && all(data, 8, 512), "what is left is read");
	disk_close(&d);
}

static void test_all(void)
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
	test_bad();
	test_config();
	test_file();
}

#ifdef VMSG_URING

/* Requests under way --------------------------------------------------------- */

/* Places of a request among many. */
#define MANY(i)		(POOL_ADDR + 0x100000 + 4096 * (i))
#define MANY_STATUS(i)	(MANY(i) + 16)
#define MANY_DATA(i)	(MANY(i) + 512)

/* Makes a request of one sector, in 3 descriptors, available. */
static void disk_add(struct disk *d, unsigned int i, uint32_t type,
		     uint64_t sector)
{
	struct virtio_blk_outhdr *hdr = bench_ptr(&d->b, MANY(i));
	const struct seg segs[] = {
		{ MANY(i), sizeof(*hdr), 0 },
		{ MANY_DATA(i), 512, type == VIRTIO_BLK_T_IN ? WRITE : 0 },
		{ MANY_STATUS(i), 1, WRITE },
	};

	memset(hdr, 0, sizeof(*hdr));
	hdr->type = htole32(type);
	hdr->sector = htole64(sector);
	memset(bench_ptr(&d->b, MANY_DATA(i)), 0xee, 1024);
	*(uint8_t *)bench_ptr(&d->b, MANY_STATUS(i)) = NO_STATUS;
	ring_add(&d->r, segs, ARRAY_SIZE(segs), false);
}

static bool disk_has_read(struct disk *d, unsigned int i, uint8_t value)
{
	const uint8_t *data = bench_ptr(&d->b, MANY_DATA(i));

	return all(data, value, 512) && all(data + 512, 0xee, 512);
}

static uint8_t disk_status(struct disk *d, unsigned int i)
{
	return *(uint8_t *)bench_ptr(&d->b, MANY_STATUS(i));
}

/* Reads of sector 0 and following, so many, which the kernel does not get. */
static void disk_hold(struct disk *d, struct vmsg_blk_params *params,
		      unsigned int num)
{
	unsigned int i;

	disk_open(d, params, ~OFF);
	hold.on = true;
	hold.submits = 0;
	for (i = 0; i < num; i++)
		disk_add(d, i, VIRTIO_BLK_T_IN, i % SECTORS);
	if (num)
		ring_kick(&d->r);
}

/* How many buffers has the device given back, ever? */
static uint16_t disk_num_used(struct disk *d)
{
	return le16toh(*ring_u16(&d->r, d->r.device, 1));
}

static void test_many(void)
{
	struct vmsg_blk_params params = { .queue_size = 1024 };
	unsigned int i, num = 20, right = 0;
	struct vmsg_msg msg;
	struct disk d;
	uint32_t used;

	disk_hold(&d, &params, num);
	ok(hold.num == num && hold.submits == 1 && !disk_num_used(&d),
	   "the requests of a kick are submitted at once");
	hold_let_go(false);
	ok(until(io_uring_cq_ready(hold.ring) == num), "the kernel does them");
	bench_run(&d.b);
	ok(bench_get(&d.b, 0, VIRTIO_MSG_EVENT_USED, &msg) &&
	   !bench_get(&d.b, 0, VIRTIO_MSG_EVENT_USED, &msg) &&
	   disk_num_used(&d) == num, "and the driver is told once");
	for (i = 0; i < num; i++) {
		right += disk_used(&d, &used) && used == 513 &&
			 disk_status(&d, i) == VIRTIO_BLK_S_OK &&
			 disk_has_read(&d, i, i);
	}
	ok(right == num, "all of them are right");
	disk_close(&d);

	num = 300;
	disk_hold(&d, &params, num);
	ok(hold.num == 256, "the kernel has 256 of %u", num);
	hold_let_go(false);
	for (right = 0, i = 0; i < num && disk_used(&d, &used); i++)
		;
	for (i = 0; i < num; i++) {
		right += disk_status(&d, i) == VIRTIO_BLK_S_OK &&
			 disk_has_read(&d, i, i % SECTORS);
	}
	ok(right == num, "the others are not lost");
	disk_close(&d);
}

static void test_reset(void)
{
	struct vmsg_blk_params params = { 0 };
	unsigned int i, right = 0;
	struct disk d;
	uint32_t used;

	disk_hold(&d, &params, 4);
	ok(drv_set_status(&d.b, 0, 0) && drv_status(&d.b, 0),
	   "reset: it waits for what is under way");
	hold_let_go(false);
	ok(until(!drv_status(&d.b, 0)), "reset: and then it is done");
	for (i = 0; i < 4; i++)
		right += disk_has_read(&d, i, i);
	ok(right == 4 && !disk_num_used(&d),
	   "reset: the ring was not touched, and the buffers not later");
	drv_negotiate(&d.b, 0, ~OFF & drv_offered(&d.b, 0));
	ring_place(&d.r, &d.b, 0, 0, 64, false);
	ring_enable(&d.r);
	drv_set_status(&d.b, 0, S_RUNNING);
	ok(disk_ask(&d, VIRTIO_BLK_T_IN, 5, 512, true, &used) ==
	   VIRTIO_BLK_S_OK && used == 513, "reset: it works again");
	disk_close(&d);

	disk_hold(&d, &params, 4);
	vmsg_device_leave(d.dev);
	bench_run(&d.b);
	ok(!vmsg_device_left(d.dev), "leave: not before the last request");
	hold_let_go(false);
	ok(until_do(vmsg_device_left(d.dev), bench_run(&d.b)),
	   "leave: after it");
	disk_close(&d);

	disk_hold(&d, &params, 4);
	vmsg_device_free(d.dev);
	for (right = 0, i = 0; i < 4; i++)
		right += disk_has_read(&d, i, i);
	ok(right == 4 && !hold.on, "free: requests under way are waited for");
	disk_close(&d);
}

static bool disk_reset_queue(struct disk *d, uint32_t index)
{
	struct vmsg_msg msg = {
		.id = VIRTIO_MSG_RESET_VQUEUE,
		.vqueue.index = index,
	};

	return bench_ask(&d->b, &msg);
}

static void test_queue_reset(void)
{
	struct vmsg_blk_params params = { .queues = 2 };
	struct vmsg_msg msg;
	struct disk d;
	uint32_t used;

	disk_hold(&d, &params, 4);
	ok(disk_reset_queue(&d, 1), "queue reset: one that is idle");
	ok(!disk_reset_queue(&d, 0), "queue reset: one that is not waits");
	hold_let_go(false);
	ok(until_do(bench_get(&d.b, VIRTIO_MSG_TYPE_RESPONSE,
			      VIRTIO_MSG_RESET_VQUEUE, &msg),
		    bench_run(&d.b)) &&
	   disk_has_read(&d, 0, 0) && disk_has_read(&d, 3, 3) &&
	   !disk_num_used(&d), "queue reset: and then it is done");
	bench_run(&d.b);
	ok(!bench_get(&d.b, VIRTIO_MSG_TYPE_RESPONSE, VIRTIO_MSG_RESET_VQUEUE,
		      &msg), "queue reset: once");
	ring_place(&d.r, &d.b, 0, 0, 64, false);
	ring_enable(&d.r);
	ok(disk_ask(&d, VIRTIO_BLK_T_IN, 5, 512, true, &used) ==
	   VIRTIO_BLK_S_OK && used == 513, "queue reset: it works again");

	hold.on = true;
	disk_add(&d, 0, VIRTIO_BLK_T_IN, 1);
	ring_kick(&d.r);
	disk_reset_queue(&d, 0);
	drv_set_status(&d.b, 0, 0);
	bench_flush(&d.b);
	hold_let_go(false);
	ok(until(!drv_status(&d.b, 0)) &&
	   bench_get(&d.b, VIRTIO_MSG_TYPE_RESPONSE, VIRTIO_MSG_RESET_VQUEUE,
		     &msg) &&
	   !bench_get(&d.b, VIRTIO_MSG_TYPE_RESPONSE, VIRTIO_MSG_RESET_VQUEUE,
		      &msg), "queue reset, and a reset before it was done");
	disk_close(&d);
}

/* Does the kernel get just this one, sooner or later? */
static bool held_is(struct disk *d, uint8_t opcode, uint64_t pos)
{
	return until_do(hold.num, bench_run(&d->b)) && hold.num == 1 &&
	       hold.sqes[0].opcode == opcode && hold.sqes[0].off == pos;
}

static bool held_is_sync(struct disk *d)
{
	return held_is(d, IORING_OP_FSYNC, 0) &&
	       hold.sqes[0].fsync_flags == IORING_FSYNC_DATASYNC;
}

static void test_order(void)
{
	const uint32_t wce = offsetof(struct virtio_blk_config, wce);
	static const struct seg zeros[] = {
		{ HDR, 16, 0 }, { DATA, 16, 0 }, { STATUS, 1, WRITE },
	};
	struct vmsg_blk_params params = { 0 };
	struct disk d;
	uint32_t used;

	disk_hold(&d, &params, 0);
	disk_add(&d, 0, VIRTIO_BLK_T_OUT, 7);
	ring_kick(&d.r);
	ok(held_is(&d, IORING_OP_WRITEV, 7 * 512), "a write");
	hold_let_go(true);
	ok(disk_used(&d, &used) && file_is(&d, 7, 0xee) && !hold.num,
	   "is over when it is in the file");
	disk_add(&d, 1, VIRTIO_BLK_T_FLUSH, 0);
	ring_kick(&d.r);
	ok(held_is_sync(&d) && disk_num_used(&d) == 1, "a flush");
	hold_let_go(true);
	ok(disk_used(&d, &used) && disk_status(&d, 1) == VIRTIO_BLK_S_OK,
	   "is over when the file is flushed");

	disk_add(&d, 2, VIRTIO_BLK_T_OUT, 8);
	ring_kick(&d.r);
	ok(hold.num == 1 && set_wce(&d, 0, wce),
	   "write-through is chosen while a write is under way");
	hold_let_go(true);
	ok(held_is_sync(&d) && file_is(&d, 8, 0xee) && disk_num_used(&d) == 2,
	   "after that write comes a flush");
	disk_add(&d, 3, VIRTIO_BLK_T_OUT, 9);
	hold_let_go(true);
	ok(disk_used(&d, &used) && disk_status(&d, 2) == VIRTIO_BLK_S_OK,
	   "and then it is over");
	ring_kick(&d.r);
	ok(held_is(&d, IORING_OP_WRITEV, 9 * 512), "the next write");
	hold_let_go(true);
	ok(held_is_sync(&d) && file_is(&d, 9, 0xee) && disk_num_used(&d) == 3,
	   "and a flush");
	hold_let_go(true);
	ok(disk_used(&d, &used) && disk_status(&d, 3) == VIRTIO_BLK_S_OK,
	   "and then it is over as well");

	memset(bench_ptr(&d.b, HDR), 0, 16);
	*(uint32_t *)bench_ptr(&d.b, HDR) = htole32(VIRTIO_BLK_T_WRITE_ZEROES);
	put_range(bench_ptr(&d.b, DATA), 0, 30, 2, 0);
	ring_add(&d.r, zeros, ARRAY_SIZE(zeros), false);
	ring_kick(&d.r);
	ok(held_is_sync(&d) && file_is(&d, 31, 0) && disk_num_used(&d) == 4,
	   "zeros, and a flush");
	hold_let_go(false);
	ok(disk_used(&d, &used) &&
	   *(uint8_t *)bench_ptr(&d.b, STATUS) == VIRTIO_BLK_S_OK,
	   "and then they are written through");
	disk_close(&d);
}

/* The kernel does less than it was asked for. */
static void test_less(void)
{
	static const struct seg segs[] = {
		{ HDR, 16, 0 }, { DATA, 512, WRITE }, { DATA + 512, 512, WRITE },
		{ STATUS, 1, WRITE },
	};
	struct vmsg_blk_params params = { 0 };
	struct disk d;
	uint32_t used;
	uint8_t *data;
	int fds[2];

	if (pipe2(fds, O_CLOEXEC))
		abort();
	disk_hold(&d, &params, 1);
	hold_make_dry(&hold.sqes[0], fds[0]);
	hold_let_go(true);
	ok(held_is(&d, IORING_OP_READV, 0) && !disk_num_used(&d),
	   "EAGAIN: the same once more");
	hold_let_go(false);
	ok(disk_used(&d, &used) && disk_has_read(&d, 0, 0),
	   "EAGAIN: and all is there");

	data = bench_ptr(&d.b, DATA);
	memset(bench_ptr(&d.b, HDR), 0, 16);
	hold.on = true;
	ring_add(&d.r, segs, ARRAY_SIZE(segs), false);
	ring_kick(&d.r);
	hold.sqes[0].len = 1;
	hold_let_go(true);
	ok(held_is(&d, IORING_OP_READV, 512) && all(data, 0, 512),
	   "less than all: the rest is read");
	hold_let_go(false);
	ok(disk_used(&d, &used) && used == 1025 && all(data + 512, 1, 512),
	   "less than all: and all is there");

	/* Else it would be without an end for us as well. */
	alarm(60);
	hold.dry_fd = fds[0];
	ok(disk_ask(&d, VIRTIO_BLK_T_IN, 5, 512, true, &used) ==
	   VIRTIO_BLK_S_IOERR && all(data, 0, 512),
	   "EAGAIN without an end is an error");
	hold.dry_fd = 0;
	alarm(0);
	disk_close(&d);
	close(fds[0]);
	close(fds[1]);
}

static void test_resize(void)
{
	struct vmsg_blk_params params = { 0 };
	struct stat st;
	struct disk d;

	disk_hold(&d, &params, 0);
	disk_add(&d, 0, VIRTIO_BLK_T_OUT, 100);
	ring_kick(&d.r);
	ok(hold.num && !vmsg_blk_resize(d.dev, 10 * 512, VMSG_CONFIG_DATA) &&
	   disk_status(&d, 0) == VIRTIO_BLK_S_OK && disk_num_used(&d) == 1,
	   "a write is over before the file is cut");
	ok(!fstat(d.fd, &st) && st.st_size == 10 * 512, "and it stays cut");
	disk_close(&d);
}

/* Without a ring, or with one that takes nothing. */
static void test_no_ring(void)
{
	struct vmsg_blk_params params = { 0 };
	struct disk d;
	uint32_t used;

	disk_hold(&d, &params, 1);
	hold.no_submit = -EBUSY;
	disk_add(&d, 1, VIRTIO_BLK_T_IN, 1);
	disk_add(&d, 2, VIRTIO_BLK_T_IN, 2);
	ring_kick(&d.r);
	ok(hold.submits > 1 && hold.num == 1 && !disk_num_used(&d),
	   "a ring that takes no more for now");
	hold.no_submit = 0;
	hold_let_go(false);
	ok(disk_used(&d, &used) && disk_used(&d, &used) &&
	   disk_used(&d, &used) && disk_has_read(&d, 0, 0) &&
	   disk_has_read(&d, 1, 1) && disk_has_read(&d, 2, 2),
	   "it does what waited, when it has room again");
	hold.no_submit = -EAGAIN;
	ok(disk_ask(&d, VIRTIO_BLK_T_IN, 5, 512, true, &used) ==
	   VIRTIO_BLK_S_OK && all(bench_ptr(&d.b, DATA), 5, 512),
	   "a ring that takes nothing is not needed");
	hold.no_submit = 0;
	hold.submits = 0;
	ok(disk_ask(&d, VIRTIO_BLK_T_IN, 6, 512, true, &used) ==
	   VIRTIO_BLK_S_OK && !hold.submits, "and not used again");
	disk_close(&d);

	hold.no_ring = -EPERM;
	disk_aio = VMSG_BLK_AIO_BEST;
	disk_folder = "/var/tmp";
	disk_open(&d, &params, ~OFF);
	ok(disk_ask(&d, VIRTIO_BLK_T_IN, 6, 512, true, &used) ==
	   VIRTIO_BLK_S_OK && !hold.submits, "a system that allows no io_uring");
	params.aio = VMSG_BLK_AIO_URING;
	ok(!vmsg_blk_add(d.b.bus, 1, &params) && errno == EPERM,
	   "it was asked for");
	hold.no_ring = 0;
	disk_close(&d);
}

/* When is the ring used if nobody has said? */
static void test_best(void)
{
	struct vmsg_blk_params params = { 0 };
	struct statfs fs;
	struct disk d;
	uint32_t used;

	disk_aio = VMSG_BLK_AIO_BEST;
	disk_folder = "/dev/shm";
	disk_open(&d, &params, ~OFF);
	hold.submits = 0;
	disk_add(&d, 0, VIRTIO_BLK_T_IN, 0);
	disk_add(&d, 1, VIRTIO_BLK_T_IN, 1);
	ring_kick(&d.r);
	ok(disk_num_used(&d) == 2 && disk_has_read(&d, 1, 1) && !hold.submits,
	   "the ring is not for files in memory");
	disk_close(&d);

	disk_folder = "/var/tmp";
	if (statfs(disk_folder, &fs) || fs.f_type == TMPFS_MAGIC) {
		ok(true, "# SKIP /var/tmp is not on a disk");
		return;
	}
	disk_hold(&d, &params, 1);
	ok(disk_num_used(&d) == 1 && disk_has_read(&d, 0, 0) && !hold.submits,
	   "a read that is alone is done at once");
	disk_add(&d, 0, VIRTIO_BLK_T_FLUSH, 0);
	ring_kick(&d.r);
	ok(held_is_sync(&d), "a flush is not");
	disk_add(&d, 1, VIRTIO_BLK_T_IN, 1);
	ring_kick(&d.r);
	ok(hold.num == 2 && disk_num_used(&d) == 1,
	   "nor is a read while there is something else under way");
	hold_let_go(false);
	ok(disk_used(&d, &used) && disk_used(&d, &used) &&
	   disk_used(&d, &used) && disk_has_read(&d, 1, 1), "all are done");
	set_wce(&d, 0, offsetof(struct virtio_blk_config, wce));
	hold.on = true;
	disk_add(&d, 0, VIRTIO_BLK_T_OUT, 3);
	ring_kick(&d.r);
	ok(file_is(&d, 3, 0xee) && held_is_sync(&d),
	   "a write that is alone, but its flush is not");
	hold_let_go(false);
	ok(disk_used(&d, &used), "and then it is over");
	hold.on = true;
	disk_add(&d, 0, VIRTIO_BLK_T_IN, 4);
	disk_add(&d, 1, VIRTIO_BLK_T_IN, 5);
	ring_kick(&d.r);
	ok(hold.num == 2, "reads that are not alone");
	/* Now, and once more before the others are over. */
	hold.fails = 2;
	disk_add(&d, 2, VIRTIO_BLK_T_IN, 6);
	ring_kick(&d.r);
	hold_let_go(true);
	until(io_uring_cq_ready(hold.ring) == 2);
	ok(disk_used(&d, &used) && disk_used(&d, &used), "are done as well");
	ok(held_is(&d, IORING_OP_READV, 6 * 512),
	   "one that the ring did not take at once is left to it");
	hold_let_go(false);
	ok(disk_used(&d, &used) && disk_has_read(&d, 2, 6), "and done");

	d.b.bus->params.looks = 3;
	hold.yields = 0;
	ok(disk_ask(&d, VIRTIO_BLK_T_IN, 7, 512, true, &used) ==
	   VIRTIO_BLK_S_OK && hold.yields == 3,
	   "and then the program looks for more before it sleeps");
	disk_close(&d);
}

static void test_uring(void)
{
	struct io_uring ring;
	int ret = io_uring_queue_init(1, &ring, 0);

	if (ret) {
		ok(true, "# SKIP this kernel has no io_uring: %s",
		   strerror(-ret));
		return;
	}
	io_uring_queue_exit(&ring);
	disk_aio = VMSG_BLK_AIO_URING;
	test_all();
	test_many();
	test_reset();
	test_queue_reset();
	test_order();
	test_less();
	test_resize();
	test_no_ring();
	test_best();
}

#else /* VMSG_URING */

static void test_uring(void)
{
	struct vmsg_blk_params params = { 0 };
	struct disk d;

	disk_open(&d, &params, ~OFF);
	params.aio = VMSG_BLK_AIO_URING;
	ok(!vmsg_blk_add(d.b.bus, 1, &params) && errno == EOPNOTSUPP,
	   "aio=uring without liburing");
	disk_close(&d);
}

#endif /* VMSG_URING */

int main(void)
{
	disk_aio = VMSG_BLK_AIO_SYNC;
	test_all();
	test_null();
	test_refused();
	test_uring();
	return tap_end();
}
