// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * libvmsg tests: split and packed rings, honest and hostile.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"

#define OUT	(POOL_ADDR + 0x80000)
#define IN	(POOL_ADDR + 0x90000)
#define TABLE	(POOL_ADDR + 0xa0000)

#define WRITE	VRING_DESC_F_WRITE
#define NEXT	VRING_DESC_F_NEXT
#define INDIRECT	VRING_DESC_F_INDIRECT

struct variant {
	const char *name;
	bool packed;
	bool indirect;
	bool eventfds;
	uint64_t features;
};

#define F(n)	VMSG_BIT(VMSG_F_##n)

static const struct variant variants[] = {
	{ "split", false, false, false, 0 },
	{ "split, indirect", false, true, false, F(INDIRECT_DESC) },
	{ "split, event index", false, false, false, F(EVENT_IDX) },
	{ "split, in order", false, false, false, F(IN_ORDER) },
	{ "split, eventfds", false, false, true, F(EVENT_IDX) },
	{ "split, all", false, true, true,
	  F(INDIRECT_DESC) | F(EVENT_IDX) | F(IN_ORDER) | F(RING_RESET) },
	{ "packed", true, false, false, F(RING_PACKED) },
	{ "packed, indirect", true, true, false,
	  F(RING_PACKED) | F(INDIRECT_DESC) },
	{ "packed, event index", true, false, false,
	  F(RING_PACKED) | F(EVENT_IDX) },
	{ "packed, in order", true, false, false, F(RING_PACKED) | F(IN_ORDER) },
	{ "packed, eventfds", true, false, true, F(RING_PACKED) | F(EVENT_IDX) },
	{ "packed, all", true, true, true,
	  F(RING_PACKED) | F(INDIRECT_DESC) | F(EVENT_IDX) | F(IN_ORDER) |
	  F(RING_RESET) },
};

struct setup {
	struct bench b;
	struct td td;
	struct ring r;
};

static void setup_ring(struct setup *s, uint32_t size, uint64_t features)
{
	bool packed = features & F(RING_PACKED);

	drv_negotiate(&s->b, 0, features);
	ring_place(&s->r, &s->b, 0, 0, size, packed);
	ring_enable(&s->r);
	drv_set_status(&s->b, 0, S_RUNNING);
	bench_flush(&s->b);
}

static void setup(struct setup *s, uint32_t size, uint64_t features,
		  bool eventfds)
{
	const struct bench_params params = {
		.ring_features = VMSG_RING_FEATURES,
		.eventfds = eventfds,
	};

	bench_open(&s->b, &params);
	td_add(&s->b, &s->td, 0, 2, 0);
	setup_ring(s, size, features);
}

/* How many used notifications since the last call? */
static unsigned int notified(struct setup *s)
{
	struct vmsg_msg msg;
	unsigned int num = 0;
	uint64_t count;

	if (!s->b.has_fds) {
		while (bench_get(&s->b, 0, VIRTIO_MSG_EVENT_USED, &msg))
			num++;
		return num;
	}
	if (read(s->b.used_fd, &count, sizeof(count)) < 0)
		return 0;
	return count;
}

static bool needs_reset(struct setup *s)
{
	return drv_status(&s->b, 0) == S_BROKEN;
}

/* An echo of three pieces into two, with bytes that depend on n. */
static uint16_t echo_add(struct setup *s, bool indirect, unsigned int n)
{
	const struct seg segs[] = {
		{ OUT + 0x100 * (n % 64), 10, 0 },
		{ OUT + 0x100 * (n % 64) + 0x40, 20, 0 },
		{ OUT + 0x100 * (n % 64) + 0x80, 1, 0 },
		{ IN + 0x100 * (n % 64), 5, WRITE },
		{ IN + 0x100 * (n % 64) + 0x40, 100, WRITE },
	};
	uint8_t *out = bench_ptr(&s->b, segs[0].addr);

	memset(out, n, 10);
	memset(out + 0x40, n + 1, 20);
	memset(out + 0x80, n + 2, 1);
	memset(bench_ptr(&s->b, segs[3].addr), 0xee, 0x100);
	return ring_add(&s->r, segs, 5, indirect);
}

static bool echo_good(struct setup *s, unsigned int n)
{
	uint8_t *in = bench_ptr(&s->b, IN + 0x100 * (n % 64));
	uint8_t want[31], got[31];

	memset(want, n, 10);
	memset(want + 10, n + 1, 20);
	memset(want + 30, n + 2, 1);
	memcpy(got, in, 5);
	memcpy(got + 5, in + 0x40, 26);
	return !memcmp(got, want, sizeof(want)) && in[5] == 0xee &&
	       in[0x40 + 26] == 0xee;
}

static void test_echo(const struct variant *v, uint32_t size)
{
	unsigned int n, bad = 0, lost = 0;
	uint32_t id, len;
	struct setup s;
	uint16_t head;

	setup(&s, size, v->features, v->eventfds);
	for (n = 0; n < 3 * size + 7; n++) {
		id = ~0u;
		len = 0;
		head = echo_add(&s, v->indirect, n);
		ring_kick(&s.r);
		if (!ring_used(&s.r, &id, &len) || id != head || len != 31 ||
		    !echo_good(&s, n))
			bad++;
		if (v->features & F(EVENT_IDX) && !v->packed)
			*ring_u16(&s.r, s.r.driver, 2 + size) =
				htole16(s.r.used);
		if (notified(&s) != 1)
			lost++;
	}
	ok(!bad, "%s, size %u: %u buffers come back as they should", v->name,
	   size, n);
	ok(!lost, "%s, size %u: and one notification for each", v->name, size);
	ok(drv_status(&s.b, 0) == S_RUNNING, "%s, size %u: all is well",
	   v->name, size);

	/* Several at once: one notification. */
	for (n = 0; n < 3; n++)
		echo_add(&s, v->indirect, n);
	ring_kick(&s.r);
	for (n = 0; ring_used(&s.r, &id, &len); n++)
		;
	ok(n == 3 && notified(&s) == 1,
	   "%s, size %u: 3 buffers, one notification", v->name, size);
	bench_close(&s.b);
}

static void test_suppress_split(void)
{
	struct setup s;
	uint32_t id, len;

	setup(&s, 16, 0, false);
	ok(!(le16toh(*ring_u16(&s.r, s.r.device, 0)) & VRING_USED_F_NO_NOTIFY),
	   "split: an idle device wants kicks");
	*ring_u16(&s.r, s.r.driver, 0) = htole16(VRING_AVAIL_F_NO_INTERRUPT);
	echo_add(&s, false, 1);
	ring_kick(&s.r);
	ok(ring_used(&s.r, &id, &len) && !notified(&s),
	   "split: NO_INTERRUPT: no notification");
	*ring_u16(&s.r, s.r.driver, 0) = 0;
	echo_add(&s, false, 2);
	ring_kick(&s.r);
	ok(notified(&s) == 1, "split: without it there is one");
	s.td.keep = true;
	echo_add(&s, false, 3);
	ring_kick(&s.r);
	ok(s.td.num_held == 1 &&
	   !(le16toh(*ring_u16(&s.r, s.r.device, 0)) & VRING_USED_F_NO_NOTIFY),
	   "split: kicks are on again when the ring is empty");
	bench_close(&s.b);

	setup(&s, 16, F(EVENT_IDX), false);
	ok(*ring_u16(&s.r, s.r.device, 2 + 4 * 16) == 0,
	   "split: the available event is at the next buffer");
	*ring_u16(&s.r, s.r.driver, 2 + 16) = htole16(2);
	echo_add(&s, false, 1);
	ring_kick(&s.r);
	ok(!notified(&s), "split: used event 2: not after the first");
	ok(le16toh(*ring_u16(&s.r, s.r.device, 2 + 4 * 16)) == 1,
	   "split: the available event moves on");
	echo_add(&s, false, 2);
	ring_kick(&s.r);
	ok(!notified(&s), "split: nor after the second");
	echo_add(&s, false, 3);
	ring_kick(&s.r);
	ok(notified(&s) == 1, "split: but after the third");
	echo_add(&s, false, 4);
	ring_kick(&s.r);
	ok(!notified(&s), "split: and once");
	bench_close(&s.b);
}

static void test_suppress_packed(void)
{
	struct setup s;
	unsigned int n;

	setup(&s, 16, F(RING_PACKED), false);
	ok(*ring_u16(&s.r, s.r.device, 1) == VRING_PACKED_EVENT_FLAG_ENABLE,
	   "packed: an idle device wants kicks");
	*ring_u16(&s.r, s.r.driver, 1) =
		htole16(VRING_PACKED_EVENT_FLAG_DISABLE);
	echo_add(&s, false, 1);
	ring_kick(&s.r);
	ok(!notified(&s), "packed: DISABLE: no notification");
	*ring_u16(&s.r, s.r.driver, 1) = 0;
	echo_add(&s, false, 2);
	ring_kick(&s.r);
	ok(notified(&s) == 1, "packed: ENABLE: one");
	bench_close(&s.b);

	setup(&s, 16, F(RING_PACKED) | F(EVENT_IDX) | F(INDIRECT_DESC), false);
	ok(le16toh(*ring_u16(&s.r, s.r.device, 1)) ==
	   VRING_PACKED_EVENT_FLAG_DESC &&
	   le16toh(*ring_u16(&s.r, s.r.device, 0)) == 0x8000,
	   "packed: the device's event is at the next descriptor");
	*ring_u16(&s.r, s.r.driver, 1) = htole16(VRING_PACKED_EVENT_FLAG_DESC);
	*ring_u16(&s.r, s.r.driver, 0) = htole16(0x8000 | 2);
	for (n = 0; n < 2; n++) {
		echo_add(&s, true, n);
		ring_kick(&s.r);
		ok(!notified(&s), "packed: event 2: not after descriptor %u",
		   n);
	}
	echo_add(&s, true, n);
	ring_kick(&s.r);
	ok(notified(&s) == 1, "packed: but after descriptor 2");
	/* Across the end of the ring: position 1 of the next round. */
	*ring_u16(&s.r, s.r.driver, 0) = htole16(1);
	for (n = 3; n < 17; n++) {
		echo_add(&s, true, n);
		ring_kick(&s.r);
	}
	ok(!notified(&s), "packed: event 1 of the next round: not before");
	ok(le16toh(*ring_u16(&s.r, s.r.device, 0)) == 1,
	   "packed: the device's own event has wrapped");
	echo_add(&s, true, n);
	ring_kick(&s.r);
	ok(notified(&s) == 1, "packed: but then");
	/* Many at once, from position 12 over 14, the event, to position 2. */
	for (n = 2; n < 12; n++) {
		echo_add(&s, true, n);
		ring_kick(&s.r);
	}
	notified(&s);
	*ring_u16(&s.r, s.r.driver, 0) = htole16(14);
	for (n = 12; n < 18; n++)
		echo_add(&s, true, n);
	ring_kick(&s.r);
	ok(notified(&s) == 1, "packed: an event before the end, many at once");
	bench_close(&s.b);
}

/* Buffers that come back later, in another order. */
static void test_later(bool packed, bool in_order)
{
	const char *name = packed ? "packed" : "split";
	uint64_t features = (packed ? F(RING_PACKED) : 0) |
			    (in_order ? F(IN_ORDER) : 0);
	uint32_t id[3], len, num = 0;
	uint16_t head[3];
	struct setup s;
	unsigned int i;

	setup(&s, 16, features, false);
	s.td.keep = true;
	for (i = 0; i < 3; i++)
		head[i] = echo_add(&s, false, i);
	ring_kick(&s.r);
	ok(s.td.num_held == 3 && !ring_used(&s.r, &id[0], &len),
	   "%s: the device has 3 buffers", name);
	td_finish(&s.td, 2);
	td_finish(&s.td, 0);
	while (num < 3 && ring_used(&s.r, &id[num], &len))
		num++;
	if (in_order)
		ok(num == 1 && id[0] == head[0],
		   "%s, in order: the last one waits for the others", name);
	else
		ok(num == 2 && id[0] == head[2] && id[1] == head[0],
		   "%s: 2 come back in their own order", name);
	td_finish(&s.td, 1);
	while (num < 3 && ring_used(&s.r, &id[num], &len))
		num++;
	ok(num == 3 && id[2] == (in_order ? head[2] : head[1]),
	   "%s: and then all of them", name);
	td_finish(&s.td, 1);
	ok(!ring_used(&s.r, &id[0], &len), "%s: none comes back twice", name);

	/* Those that the device has at a reset never come back. */
	echo_add(&s, false, 5);
	ring_kick(&s.r);
	ok(s.td.num_held == 4, "%s: the device has one more", name);
	s.td.later = true;
	drv_set_status(&s.b, 0, 0);
	bench_flush(&s.b);
	td_finish(&s.td, 3);
	ok(!ring_used(&s.r, &id[0], &len) && !notified(&s),
	   "%s: nothing is written after a reset", name);
	vmsg_device_reset_done(s.td.dev);
	s.td.later = false;
	s.td.keep = false;
	setup_ring(&s, 16, features);
	echo_add(&s, false, 6);
	ring_kick(&s.r);
	ok(ring_used(&s.r, &id[0], &len) && echo_good(&s, 6),
	   "%s: and it works again", name);
	bench_close(&s.b);
}

/* A queue cannot keep the others waiting. */
static void test_budget(bool packed)
{
	const struct seg seg = { IN, 8, WRITE };
	struct setup s;
	uint32_t id, len;
	unsigned int i;

	setup(&s, 16, packed ? F(RING_PACKED) : 0, false);
	ring_place(&s.r, &s.b, 0, 1, 1024, packed);
	ring_enable(&s.r);
	s.td.calls = 0;
	for (i = 0; i < 1024; i++)
		ring_add(&s.r, &seg, 1, false);
	drv_event_avail(&s.b, 0, 1, 0);
	for (i = 0; ring_used(&s.r, &id, &len); i++)
		;
	ok(i == 1024 && s.td.calls >= 4 && notified(&s) >= 4,
	   "%s: 1024 buffers are done in several turns",
	   packed ? "packed" : "split");
	bench_close(&s.b);

	setup(&s, 256, packed ? F(RING_PACKED) : 0, false);
	for (i = 0; i < 256; i++)
		ring_add(&s.r, &seg, 1, false);
	drv_event_avail(&s.b, 0, 0, 0);
	for (i = 0; ring_used(&s.r, &id, &len); i++)
		;
	ok(i == 256, "%s: a full ring is emptied", packed ? "packed" : "split");
	for (i = 0; i < 256; i++)
		ring_add(&s.r, &seg, 1, false);
	s.td.keep = true;
	drv_event_avail(&s.b, 0, 0, 0);
	ok(s.td.num_held == 256 && drv_status(&s.b, 0) == S_RUNNING,
	   "%s: all of a full ring can be with the device",
	   packed ? "packed" : "split");
	bench_close(&s.b);
}

static void test_reset_vq(bool packed)
{
	struct vmsg_msg msg = { .id = VIRTIO_MSG_RESET_VQUEUE };
	const char *name = packed ? "packed" : "split";
	uint64_t features = (packed ? F(RING_PACKED) : 0) | F(RING_RESET);
	uint32_t id, len;
	struct setup s;
	int round;

	setup(&s, 16, features, true);
	for (round = 0; round < 3; round++) {
		echo_add(&s, false, round);
		ring_kick(&s.r);
		ok(ring_used(&s.r, &id, &len) && echo_good(&s, round),
		   "%s: round %d works", name, round);
		msg = (struct vmsg_msg){ .id = VIRTIO_MSG_RESET_VQUEUE };
		bench_ask(&s.b, &msg);
		echo_add(&s, false, 9);
		ring_kick(&s.r);
		ok(!ring_used(&s.r, &id, &len),
		   "%s: nothing happens while it is reset", name);
		ring_place(&s.r, &s.b, 0, 0, 32, packed);
		ring_enable(&s.r);
	}
	ok(s.b.num_queue_calls == 4, "%s: eventfds are tied again each time",
	   name);
	bench_close(&s.b);
}

static void test_notifications(void)
{
	const struct bench_params params = {
		.ring_features = VMSG_RING_FEATURES,
		.eventfds = true,
	};
	uint32_t id, len;
	struct setup s;

	setup(&s, 16, F(NOTIFICATION_DATA), true);
	ok(s.b.kick_fd == -1 && s.b.used_fd >= 0,
	   "NOTIFICATION_DATA: no eventfd for kicks");
	echo_add(&s, false, 1);
	drv_event_avail(&s.b, 0, 0, 1);
	ok(ring_used(&s.r, &id, &len) && notified(&s) == 1,
	   "NOTIFICATION_DATA: EVENT_AVAIL with an index");
	bench_close(&s.b);

	bench_open(&s.b, &params);
	s.b.queue_error = -EINVAL;
	td_add(&s.b, &s.td, 0, 2, 0);
	setup_ring(&s, 16, 0);
	echo_add(&s, false, 1);
	ring_kick(&s.r);
	ok(ring_used(&s.r, &id, &len) && notified(&s) == 1,
	   "eventfds that the link refuses: messages instead");
	bench_close(&s.b);
}

/* Hostile drivers -------------------------------------------------------- */

/* After something bad: stopped, said, alive, and well after a reset. */
/* A driver that adds buffers, without a kick, as soon as it is let. */
static struct {
	struct setup *s;
	unsigned int when_told;
	unsigned int when_let_run;
	unsigned int yields;
	const struct vmsg_link_ops *ops;
} busy;

static int busy_send(struct vmsg_link *link, const void *frame, size_t len)
{
	if (busy.when_told) {
		busy.when_told--;
		echo_add(busy.s, false, 0);
	}
	return busy.ops->send(link, frame, len);
}

/* In place of the C library's sched_yield(). */
int __wrap_sched_yield(void);
int __wrap_sched_yield(void)
{
	busy.yields++;
	if (busy.when_let_run) {
		busy.when_let_run--;
		echo_add(busy.s, false, 0);
	}
	return 0;
}

/* How many buffers are used after one of them was added with a kick? */
static unsigned int busy_kick(struct setup *s, unsigned int when_told,
			      unsigned int when_let_run)
{
	unsigned int num = 0;
	uint32_t id, len;

	busy.when_told = when_told;
	busy.when_let_run = when_let_run;
	busy.yields = 0;
	echo_add(s, false, 0);
	ring_kick(&s->r);
	bench_run(&s->b);
	while (ring_used(&s->r, &id, &len))
		num++;
	notified(s);
	return num;
}

static void test_look_again(bool packed)
{
	const char *name = packed ? "packed" : "split";
	struct vmsg_link_ops ops;
	struct setup s = { 0 };
	unsigned int calls;

	setup(&s, 64, packed ? F(RING_PACKED) : 0, false);
	busy.s = &s;
	busy.ops = s.b.link.ops;
	ops = *busy.ops;
	ops.send = busy_send;
	s.b.link.ops = &ops;
	ok(busy_kick(&s, 0, 0) == 1 && !busy.yields,
	   "%s: nobody is let run for nothing", name);
	ok(busy_kick(&s, 3, 0) == 4,
	   "%s: what is added when the driver is told needs no kick", name);
	s.b.bus->params.looks = 3;
	ok(busy_kick(&s, 0, 1) == 2 && busy.yields == 4,
	   "%s: nor what is added when the driver is let run", name);
	calls = s.td.calls;
	/* The ring has come round several times: nothing to be counted there. */
	busy_kick(&s, 0, 1000);
	ok(s.td.calls == calls + 2 && busy.yields < 1000,
	   "%s: but others get their turn", name);
	s.b.link.ops = busy.ops;
	bench_close(&s.b);
}

static void check_broken(struct setup *s, uint64_t features, const char *what)
{
	const char *name = features & F(RING_PACKED) ? "packed" : "split";
	struct vmsg_msg msg;
	uint32_t id, len;

	ok(bench_get(&s->b, 0, VIRTIO_MSG_EVENT_CONFIG, &msg) &&
	   msg.event_config.status == S_BROKEN && needs_reset(s),
	   "%s: %s: the device needs a reset, and says so", name, what);
	ok(!ring_used(&s->r, &id, &len) && !s->td.num_held,
	   "%s: %s: nothing comes back", name, what);
	echo_add(s, false, 1);
	ring_kick(&s->r);
	ok(!s->td.num_held, "%s: %s: the queue stands still", name, what);
	s->td.keep = false;
	setup_ring(s, 16, features);
	echo_add(s, false, 2);
	ring_kick(&s->r);
	ok(ring_used(&s->r, &id, &len) && echo_good(s, 2),
	   "%s: %s: after a reset it works", name, what);
	bench_close(&s->b);
}

/* Buffers that are bad in both kinds of rings. */
static void test_bad_segments(bool packed)
{
	static const struct {
		const char *what;
		unsigned int num;
		struct seg segs[3];
	} bad[] = {
		{ "0 bytes", 1, { { IN, 0, WRITE } } },
		{ "0 bytes, second", 2, { { OUT, 4, 0 }, { IN, 0, WRITE } } },
		{ "4 GiB - 1", 1, { { IN, 0xffffffff, WRITE } } },
		{ "address 0", 1, { { 0, 16, WRITE } } },
		{ "below the pool", 1, { { POOL_ADDR - 1, 16, WRITE } } },
		{ "past the pool", 1,
		  { { POOL_ADDR + POOL_SIZE - 15, 16, WRITE } } },
		{ "behind the pool", 1,
		  { { POOL_ADDR + POOL_SIZE, 1, WRITE } } },
		{ "far away", 1, { { 1ULL << 40, 16, WRITE } } },
		{ "2^64", 1, { { -8ULL, 16, WRITE } } },
		{ "writable before readable", 2,
		  { { IN, 16, WRITE }, { OUT, 16, 0 } } },
		{ "indirect and not in the pool", 1,
		  { { POOL_ADDR + POOL_SIZE - 16, 32, INDIRECT } } },
		{ "indirect, 0 bytes", 1, { { TABLE, 0, INDIRECT } } },
		{ "indirect, 15 bytes", 1, { { TABLE, 15, INDIRECT } } },
		{ "indirect, 17 bytes", 1, { { TABLE, 17, INDIRECT } } },
		{ "indirect and chained", 2,
		  { { TABLE, 16, INDIRECT }, { IN, 16, WRITE } } },
	};
	uint64_t features = (packed ? F(RING_PACKED) : 0) | F(INDIRECT_DESC);
	unsigned int indirect;
	struct vring_desc *desc;
	struct setup s;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		for (indirect = 0; indirect < 2; indirect++) {
			char what[64];

			/* Those are tables already. */
			if (indirect && bad[i].segs[0].flags & INDIRECT)
				continue;
			setup(&s, 16, features, false);
			s.td.keep = true;
			desc = bench_ptr(&s.b, TABLE);
			desc->addr = htole64(IN);
			desc->len = htole32(16);
			*(packed ? &desc->next : &desc->flags) = htole16(WRITE);
			ring_add(&s.r, bad[i].segs, bad[i].num, indirect);
			ring_kick(&s.r);
			snprintf(what, sizeof(what), "%s%s", bad[i].what,
				 indirect ? ", in a table" : "");
			check_broken(&s, features, what);
		}
	}
}

static void test_bad_tables(bool packed)
{
	uint64_t features = (packed ? F(RING_PACKED) : 0) | F(INDIRECT_DESC);
	struct seg segs[] = { { TABLE, 16, INDIRECT } };
	struct vring_desc *desc;
	struct setup s;
	unsigned int i;

	/* A table in a table. */
	setup(&s, 16, features, false);
	s.td.keep = true;
	desc = bench_ptr(&s.b, TABLE);
	desc->addr = htole64(TABLE + 16);
	desc->len = htole32(16);
	*(packed ? &desc->next : &desc->flags) = htole16(INDIRECT);
	ring_add(&s.r, segs, 1, false);
	ring_kick(&s.r);
	check_broken(&s, features, "a table in a table");

	/* Not negotiated. */
	setup(&s, 16, features & ~F(INDIRECT_DESC), false);
	s.td.keep = true;
	desc = bench_ptr(&s.b, TABLE);
	desc->addr = htole64(IN);
	desc->len = htole32(16);
	*(packed ? &desc->next : &desc->flags) = htole16(WRITE);
	ring_add(&s.r, segs, 1, false);
	ring_kick(&s.r);
	check_broken(&s, features & ~F(INDIRECT_DESC),
		     "a table without the feature");

	/* More pieces than anybody needs. */
	setup(&s, 16, features, false);
	s.td.keep = true;
	desc = bench_ptr(&s.b, TABLE);
	for (i = 0; i < 1025; i++) {
		desc[i].addr = htole64(IN);
		desc[i].len = htole32(1);
		if (packed) {
			desc[i].next = htole16(WRITE);
			continue;
		}
		desc[i].flags = htole16(WRITE | (i < 1024 ? NEXT : 0));
		desc[i].next = htole16(i + 1);
	}
	segs[0].len = 1025 * 16;
	ring_add(&s.r, segs, 1, false);
	ring_kick(&s.r);
	check_broken(&s, features, "a table of 1025");

	/* The sum is 4 GiB, and each of the 1024 pieces is in the pool. */
	setup(&s, 16, features, false);
	s.td.keep = true;
	desc = bench_ptr(&s.b, TABLE);
	for (i = 0; i < 1024; i++) {
		desc[i].addr = htole64(POOL_ADDR);
		desc[i].len = htole32(4 << 20);
		desc[i].flags = htole16(packed ? 0 : i < 1023 ? NEXT : 0);
		desc[i].next = htole16(packed ? 0 : i + 1);
	}
	segs[0].len = 1024 * 16;
	ring_add(&s.r, segs, 1, false);
	ring_kick(&s.r);
	check_broken(&s, features, "4 GiB in pieces");

	setup(&s, 16, features, false);
	s.td.keep = true;
	desc = bench_ptr(&s.b, TABLE);
	for (i = 0; i < 1024; i++) {
		desc[i].addr = htole64(POOL_ADDR);
		desc[i].len = htole32((4 << 20) - 1);
		desc[i].flags = htole16(packed ? 0 : i < 1023 ? NEXT : 0);
		desc[i].next = htole16(packed ? 0 : i + 1);
	}
	ring_add(&s.r, segs, 1, false);
	ring_kick(&s.r);
	ok(s.td.num_held == 1 && !needs_reset(&s) &&
	   s.td.held[0]->out_num == 1024,
	   "%s: 1024 pieces of less than that are good",
	   packed ? "packed" : "split");
	bench_close(&s.b);
}

static void test_bad_split(void)
{
	struct seg segs[] = { { TABLE, 32, INDIRECT } };
	struct vring_desc *desc;
	struct setup s;
	int i;

	setup(&s, 16, 0, false);
	s.td.keep = true;
	*ring_u16(&s.r, s.r.driver, 2) = htole16(16);
	*ring_u16(&s.r, s.r.driver, 1) = htole16(1);
	ring_kick(&s.r);
	check_broken(&s, 0, "head 16 of 16");

	setup(&s, 16, 0, false);
	s.td.keep = true;
	*ring_u16(&s.r, s.r.driver, 2) = htole16(0xffff);
	*ring_u16(&s.r, s.r.driver, 1) = htole16(1);
	ring_kick(&s.r);
	check_broken(&s, 0, "head 65535");

	setup(&s, 16, 0, false);
	s.td.keep = true;
	echo_add(&s, false, 1);
	*ring_u16(&s.r, s.r.driver, 1) = htole16(17);
	ring_kick(&s.r);
	check_broken(&s, 0, "available index 17 ahead");

	setup(&s, 16, 0, false);
	s.td.keep = true;
	*ring_u16(&s.r, s.r.driver, 1) = htole16(0xffff);
	ring_kick(&s.r);
	check_broken(&s, 0, "available index behind");

	setup(&s, 16, 0, false);
	s.td.keep = true;
	echo_add(&s, false, 1);
	ring_split_desc(&s.r, 4)->flags |= htole16(NEXT);
	ring_split_desc(&s.r, 4)->next = htole16(16);
	ring_kick(&s.r);
	check_broken(&s, 0, "next 16 of 16");

	setup(&s, 16, 0, false);
	s.td.keep = true;
	echo_add(&s, false, 1);
	ring_split_desc(&s.r, 4)->flags |= htole16(NEXT);
	ring_split_desc(&s.r, 4)->next = htole16(3);
	ring_kick(&s.r);
	check_broken(&s, 0, "a loop");

	setup(&s, 16, 0, false);
	s.td.keep = true;
	echo_add(&s, false, 1);
	ring_split_desc(&s.r, 4)->flags |= htole16(NEXT);
	ring_split_desc(&s.r, 4)->next = htole16(4);
	ring_kick(&s.r);
	check_broken(&s, 0, "a descriptor that is its own next");

	for (i = 0; i < 2; i++) {
		setup(&s, 16, F(INDIRECT_DESC), false);
		s.td.keep = true;
		desc = bench_ptr(&s.b, TABLE);
		desc[0].addr = htole64(IN);
		desc[0].len = htole32(16);
		desc[0].flags = htole16(WRITE | NEXT);
		desc[0].next = htole16(i ? 2 : 1);
		desc[1] = desc[0];
		desc[1].next = htole16(0);
		/* Behind the table: would be good. */
		desc[2] = desc[0];
		desc[2].flags = htole16(WRITE);
		ring_add(&s.r, segs, 1, false);
		ring_kick(&s.r);
		check_broken(&s, F(INDIRECT_DESC), i ?
			     "next 2 in a table of 2" : "a loop in a table");
	}

	/* All 16 with the device, and the driver goes on. */
	setup(&s, 16, 0, false);
	s.td.keep = true;
	for (i = 0; i < 16; i++)
		ring_add(&s.r, &(struct seg){ IN, 8, WRITE }, 1, false);
	ring_kick(&s.r);
	ok(s.td.num_held == 16 && !needs_reset(&s),
	   "split: 16 of 16 are with the device");
	ring_add(&s.r, &(struct seg){ IN, 8, WRITE }, 1, false);
	ring_kick(&s.r);
	ok(s.td.num_held == 16 && needs_reset(&s),
	   "split: one more than there can be");
	bench_close(&s.b);
}

static void test_bad_packed(void)
{
	struct vring_packed_desc *desc;
	const uint64_t f = F(RING_PACKED);
	struct setup s;
	int i;

	/* A chain that has no end. */
	setup(&s, 16, f, false);
	s.td.keep = true;
	for (i = 15; i >= 0; i--) {
		desc = ring_packed_desc(&s.r, i);
		desc->addr = htole64(IN);
		desc->len = htole32(16);
		desc->flags = htole16(WRITE | NEXT |
				      1 << VRING_PACKED_DESC_F_AVAIL);
	}
	ring_kick(&s.r);
	check_broken(&s, f, "a chain around the ring");

	/* A chain into descriptors that the device has. */
	setup(&s, 16, f, false);
	s.td.keep = true;
	for (i = 0; i < 14; i++)
		ring_add(&s.r, &(struct seg){ IN, 8, WRITE }, 1, false);
	ring_kick(&s.r);
	ok(s.td.num_held == 14, "packed: 14 of 16 are with the device");
	for (i = 2; i >= 0; i--) {
		desc = ring_packed_desc(&s.r, (14 + i) % 16);
		desc->addr = htole64(IN);
		desc->len = htole32(16);
		desc->flags = htole16(WRITE | (i < 2 ? NEXT : 0) |
				      1 << VRING_PACKED_DESC_F_AVAIL);
	}
	ring_kick(&s.r);
	ok(s.td.num_held == 14 && needs_reset(&s),
	   "packed: a chain of 3 where 2 are left");
	bench_close(&s.b);

	/* The driver takes back what it has made available: not our problem. */
	setup(&s, 16, f, false);
	s.td.keep = true;
	for (i = 0; i < 16; i++)
		ring_add(&s.r, &(struct seg){ IN, 8, WRITE }, 1, false);
	ring_kick(&s.r);
	for (i = 0; i < 16; i++)
		ring_packed_desc(&s.r, i)->flags =
			htole16(WRITE | 1 << VRING_PACKED_DESC_F_USED);
	ring_kick(&s.r);
	ok(s.td.num_held == 16 && !needs_reset(&s),
	   "packed: nothing is taken while all 16 are with the device");
	bench_close(&s.b);

	/* A used flag that is not the driver's. */
	setup(&s, 16, f, false);
	desc = ring_packed_desc(&s.r, 0);
	desc->addr = htole64(IN);
	desc->len = htole32(16);
	desc->flags = htole16(WRITE | 1 << VRING_PACKED_DESC_F_AVAIL |
			      1 << VRING_PACKED_DESC_F_USED);
	ring_kick(&s.r);
	ok(s.td.calls && !s.b.bus->num_drops[VMSG_DROP_STATE] &&
	   !needs_reset(&s) && !s.td.dev->vqs[0].num_bufs,
	   "packed: a used descriptor is not available");
	bench_close(&s.b);
}

/* Rubbish all over the ring, many times: it must only not crash. */
static void test_noise(bool packed)
{
	uint64_t features = (packed ? F(RING_PACKED) : 0) | F(INDIRECT_DESC) |
			    F(EVENT_IDX);
	unsigned int round, i, resets = 0;
	uint64_t state = 42;
	struct setup s;

	setup(&s, 16, features, false);
	for (round = 0; round < 3000; round++) {
		uint8_t *bytes = bench_ptr(&s.b, s.r.desc);

		for (i = 0; i < s.r.table - s.r.desc; i += 2) {
			state = state * 6364136223846793005ULL + 1442695040888963407ULL;
			if (state >> 62)
				bytes[i] = state >> 33;
			/* Addresses that often are right. */
			if (i % 16 == 0 && state >> 61 & 1)
				*(uint64_t *)(bytes + i) =
					htole64(POOL_ADDR + (state >> 44));
		}
		drv_event_avail(&s.b, 0, 0, 0);
		bench_flush(&s.b);
		if (drv_status(&s.b, 0) == S_BROKEN) {
			resets++;
			setup_ring(&s, 16, features);
		}
	}
	ok(resets > 100, "%s: %u rounds of noise, %u times a reset was needed",
	   packed ? "packed" : "split", round, resets);
	bench_close(&s.b);
}

int main(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(variants); i++) {
		test_echo(&variants[i], 16);
		test_echo(&variants[i], 256);
	}
	test_suppress_split();
	test_suppress_packed();
	for (i = 0; i < 2; i++) {
		test_later(i, false);
		test_later(i, true);
		test_budget(i);
		test_reset_vq(i);
		test_bad_segments(i);
		test_bad_tables(i);
	}
	test_look_again(false);
	test_look_again(true);
	test_notifications();
	test_bad_split();
	test_bad_packed();
	test_noise(false);
	test_noise(true);
	return tap_end();
}
