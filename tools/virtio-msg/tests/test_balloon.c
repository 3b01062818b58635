// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * libvmsg tests: the memory balloon.
 */
#include <errno.h>
#include <string.h>
#include <linux/virtio_balloon.h>

#include "spec.h"

#define STAT	((uint32_t)sizeof(struct virtio_balloon_stat))

enum { INFLATE, DEFLATE, STATS };

/* @num pages that are nowhere: looking at one of them would be noticed. */
static uint32_t pages(struct ring *r, uint32_t num)
{
	uint32_t pfns[1024];

	memset(pfns, 0xff, sizeof(pfns));
	return spec_ask(r, pfns, num * sizeof(pfns[0]), 0);
}

static bool says(struct bench *b, const char *text)
{
	char line[100];

	snprintf(line, sizeof(line), "balloon 0: %s\n", text);
	return !spec_tell(b, "balloon", "") && !strcmp(spec_said, line);
}

static void test_pages(void)
{
	uint32_t config[2], actual = htole32(7);
	struct vmsg_msg msg;
	struct ring r[3];
	struct bench b;

	spec_open(&b, "balloon", "pages=1000");
	spec_run(&b, r, 3, 0);
	ok(drv_read_config(&b, 0, 0, config, 8) && le32toh(config[0]) == 1000 &&
	   !config[1], "it wants what was asked for");
	ok(!pages(&r[INFLATE], 256) && !pages(&r[INFLATE], 3) &&
	   says(&b, "target 1000 actual 0 pages 259"), "pages go in");
	ok(!pages(&r[DEFLATE], 250) &&
	   says(&b, "target 1000 actual 0 pages 9"), "pages come out");
	ok(!pages(&r[DEFLATE], 10) &&
	   says(&b, "target 1000 actual 0 pages 0"), "no more than there are");
	ok(drv_write_config(&b, 0, 4, &actual, 4) &&
	   says(&b, "target 1000 actual 7 pages 0"),
	   "the driver says how many it has given");
	ok(!drv_write_config(&b, 0, 0, &actual, 4) && !drv_write_config(&b, 0, 0, config, 8) &&
	   !drv_write_config(&b, 0, 5, &actual, 2) && !drv_write_config(&b, 0, 8, &actual, 4) &&
	   says(&b, "target 1000 actual 7 pages 0"), "and nothing else");
	bench_flush(&b);
	ok(!spec_tell(&b, "balloon", "70000") &&
	   bench_get(&b, 0, VIRTIO_MSG_EVENT_CONFIG, &msg) &&
	   msg.data_len == 4 && msg.data[0] == 0x70 && msg.data[1] == 0x11 &&
	   msg.data[2] == 1, "another target is announced");
	pages(&r[INFLATE], 5);
	drv_set_status(&b, 0, 0);
	ok(says(&b, "target 70000 actual 0 pages 0"),
	   "a driver that goes has all of its pages");
	ok(spec_tell(&b, "balloon", "x") == -EINVAL &&
	   spec_tell(&b, "balloon", "4294967296") == -ERANGE &&
	   spec_tell(&b, "air", "") == -ENOENT &&
	   says(&b, "target 70000 actual 0 pages 0"), "no commands");
	bench_close(&b);
}

static void test_bad_pages(void)
{
	struct ring r[3];
	struct bench b;

	spec_open(&b, "balloon", "");
	spec_run(&b, r, 3, 0);
	ok(spec_breaks(&r[INFLATE], 1023, 0), "half a page");
	spec_run(&b, r, 3, 0);
	ok(spec_breaks(&r[INFLATE], 0, 1024), "room instead of pages");
	spec_run(&b, r, 3, 0);
	ok(spec_breaks(&r[DEFLATE], 2, 0), "half a page that comes back");
	spec_run(&b, r, 3, 0);
	ok(!pages(&r[INFLATE], 1) && says(&b, "target 0 actual 0 pages 1"),
	   "after a reset it works");
	bench_close(&b);
}

static void put_stat(void *stats, unsigned int i, uint16_t tag, uint64_t value)
{
	const struct virtio_balloon_stat stat = {
		htole16(tag), htole64(value),
	};

	memcpy((char *)stats + i * STAT, &stat, STAT);
}

static void test_stats(void)
{
	uint8_t stats[65 * STAT];
	uint32_t id, used;
	bool kept;
	struct ring r[3];
	struct bench b;

	memset(stats, 0xff, sizeof(stats));
	put_stat(stats, 0, VIRTIO_BALLOON_S_MEMFREE, 1ULL << 40);
	put_stat(stats, 1, 999, 5);
	put_stat(stats, 2, VIRTIO_BALLOON_S_MEMTOT, ~0ULL);
	spec_open(&b, "balloon", "");
	spec_run(&b, r, 3, VMSG_BIT(VIRTIO_BALLOON_F_STATS_VQ));
	ok(spec_tell(&b, "memory", "") == -EAGAIN,
	   "before there is anything to ask for");
	ok(spec_ask(&r[STATS], stats, 3 * STAT, 0) == KEPT,
	   "the first statistics are kept");
	ok(!spec_tell(&b, "memory", "") && !*spec_said &&
	   ring_used(&r[STATS], &id, &used) && !used,
	   "asking gives the buffer back");
	ok(spec_tell(&b, "memory", "") == -EAGAIN, "asking twice");
	spec_listen();
	kept = spec_ask(&r[STATS], stats, 3 * STAT, 0) == KEPT;
	spec_listened();
	ok(kept && !strcmp(spec_said, "memory 0: free 1099511627776\n"
		   "memory 0: total 18446744073709551615\n"
		   "memory 0: end\n"), "the answer is printed as far as it is known");
	drv_set_status(&b, 0, 0);
	ok(spec_tell(&b, "memory", "") == -EAGAIN, "a reset forgets it");
	spec_run(&b, r, 3, VMSG_BIT(VIRTIO_BALLOON_F_STATS_VQ));
	ok(spec_ask(&r[STATS], stats, 64 * STAT, 0) == KEPT, "64 of them");
	ok(spec_breaks(&r[STATS], STAT, 0), "a second buffer");
	spec_run(&b, r, 3, VMSG_BIT(VIRTIO_BALLOON_F_STATS_VQ));
	ok(spec_breaks(&r[STATS], 65 * STAT, 0), "65 of them");
	spec_run(&b, r, 3, VMSG_BIT(VIRTIO_BALLOON_F_STATS_VQ));
	ok(spec_breaks(&r[STATS], STAT - 1, 0), "one that is not whole");
	bench_close(&b);
}

static void test_features(void)
{
	const uint64_t oom = VMSG_BIT(VIRTIO_BALLOON_F_DEFLATE_ON_OOM);
	const uint64_t never = VMSG_BIT(VIRTIO_BALLOON_F_FREE_PAGE_HINT) |
			       VMSG_BIT(VIRTIO_BALLOON_F_PAGE_POISON) |
			       VMSG_BIT(VIRTIO_BALLOON_F_REPORTING);
	struct bench b;

	spec_open(&b, "balloon", "");
	ok(!(drv_offered(&b, 0) & (oom | never)), "it holds what it has");
	bench_close(&b);
	spec_open(&b, "balloon", "deflate-on-oom");
	ok((drv_offered(&b, 0) & (oom | never)) == oom, "it gives way");
	bench_close(&b);
	ok(spec_refused("balloon", "pages=x") &&
	   spec_refused("balloon", "pages=4294967296") &&
	   spec_refused("balloon", "deflate-on-oom=1") &&
	   spec_refused("balloon", "other"), "not other options");
}

int main(void)
{
	vmsg_log_name = "test";
	test_pages();
	test_bad_pages();
	test_stats();
	test_features();
	return tap_end();
}
