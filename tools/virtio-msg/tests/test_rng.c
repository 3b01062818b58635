// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * libvmsg tests: the entropy source.
 */
#include <errno.h>
#include <string.h>

#include "harness.h"
#include "models.h"

#define IN	(POOL_ADDR + 0x80000)
#define WRITE	VRING_DESC_F_WRITE

static void start(struct bench *b, struct ring *r)
{
	drv_negotiate(b, 0, 0);
	ring_place(r, b, 0, 0, 16, false);
	ring_enable(r);
	drv_set_status(b, 0, S_RUNNING);
}

static uint32_t fill(struct ring *r, uint32_t len)
{
	uint32_t id, used = 0;

	memset(bench_ptr(r->b, IN), 0, len + 16);
	ring_add(r, &(struct seg){ IN, len, WRITE }, 1, false);
	ring_kick(r);
	return ring_used(r, &id, &used) ? used : ~0u;
}

static void test_seed(void)
{
	/* The first numbers of xorshift64* that begins with 1. */
	static const uint8_t want[] = {
		0x1d, 0xdd, 0x6c, 0x89, 0x4b, 0xce, 0xe4, 0x47,
		0x1d, 0x65, 0x79, 0xe0, 0xa8, 0xa6, 0xcf, 0xab,
	};
	const struct bench_params params = { 0 };
	struct vmsg_rng_params rng = { .seeded = true, .seed = 1 };
	uint8_t first[64], *in;
	struct bench b;
	struct ring r;

	bench_open(&b, &params);
	if (!vmsg_rng_add(b.bus, 0, &rng))
		return;
	in = bench_ptr(&b, IN);
	start(&b, &r);
	ok(fill(&r, 64) == 64 && !in[64], "64 bytes are filled, and no more");
	memcpy(first, in, 64);
	ok(!memcmp(first, want, sizeof(want)), "with the sequence of the seed");
	ok(fill(&r, 64) == 64 && memcmp(first, in, 64), "the next ones differ");
	start(&b, &r);
	ok(fill(&r, 64) == 64 && !memcmp(first, in, 64),
	   "a reset begins anew");
	ok(fill(&r, 3) == 3, "3 bytes");
	ok(fill(&r, 100000) == 65536, "65536 bytes at most");
	bench_close(&b);
}

static void test_random(void)
{
	const struct bench_params params = { 0 };
	struct vmsg_rng_params rng = { 0 };
	uint8_t first[64], zero[64] = { 0 };
	struct bench b;
	struct ring r;

	bench_open(&b, &params);
	if (!vmsg_rng_add(b.bus, 0, &rng))
		return;
	start(&b, &r);
	ok(fill(&r, 64) == 64, "/dev/urandom");
	memcpy(first, bench_ptr(&b, IN), 64);
	ok(memcmp(first, zero, 64), "is not zero");
	fill(&r, 64);
	ok(memcmp(first, bench_ptr(&b, IN), 64), "nor the same again");
	ring_add(&r, &(struct seg){ IN, 8, 0 }, 1, false);
	ring_kick(&r);
	ok(drv_status(&b, 0) == S_BROKEN, "a buffer that cannot be filled");
	start(&b, &r);
	ok(fill(&r, 64) == 64, "after a reset it works");
	bench_close(&b);
}

static void test_sources(void)
{
	const struct bench_params params = { 0 };
	struct vmsg_rng_params rng = { .source = "/nowhere" };
	struct bench b;
	struct ring r;

	bench_open(&b, &params);
	ok(!vmsg_rng_add(b.bus, 0, &rng) && errno == ENOENT, "no source");
	rng.source = "/dev/null";
	ok(vmsg_rng_add(b.bus, 0, &rng), "an empty source");
	start(&b, &r);
	ok(!fill(&r, 64), "gives no entropy, and says so");
	bench_close(&b);
}

int main(void)
{
	test_seed();
	test_random();
	test_sources();
	return tap_end();
}
