// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * libvmsg tests: a driver that keeps to no rule, beyond what the tests of each
 * part have. Whatever it does, each request is answered once, memory that it
 * has not given is left alone, and after a reset all is well.
 */
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "amp.h"
#include "peer.h"

#define OUT	(POOL_ADDR + 0x80000)
#define IN	(POOL_ADDR + 0x90000)
#define TABLE	(POOL_ADDR + 0xa0000)
#define END	(POOL_ADDR + POOL_SIZE)

#define WRITE	VRING_DESC_F_WRITE
#define F(n)	VMSG_BIT(VMSG_F_##n)

struct setup {
	struct bench b;
	struct td td;
	struct ring r;
};

static const char *name_of(uint64_t features)
{
	return features & F(RING_PACKED) ? "packed" : "split";
}

static void restart(struct setup *s, uint32_t size, uint64_t features)
{
	drv_negotiate(&s->b, 0, features);
	ring_place(&s->r, &s->b, 0, 0, size, features & F(RING_PACKED));
	ring_enable(&s->r);
	drv_set_status(&s->b, 0, S_RUNNING);
	bench_flush(&s->b);
}

static void setup(struct setup *s, uint32_t size, uint64_t features)
{
	const struct bench_params params = {
		.ring_features = VMSG_RING_FEATURES,
	};

	bench_open(&s->b, &params);
	td_add(&s->b, &s->td, 0, 2, 0);
	restart(s, size, features);
}

/* A good buffer comes back with its bytes. */
static bool echo(struct setup *s)
{
	static uint8_t seed;
	const struct seg segs[] = { { OUT, 16, 0 }, { IN, 16, WRITE } };
	uint32_t id = ~0u, len = 0;
	uint16_t head;

	memset(bench_ptr(&s->b, OUT), ++seed, 16);
	memset(bench_ptr(&s->b, IN), 0, 16);
	head = ring_add(&s->r, segs, 2, false);
	ring_kick(&s->r);
	return ring_used(&s->r, &id, &len) && id == head && len == 16 &&
	       !memcmp(bench_ptr(&s->b, OUT), bench_ptr(&s->b, IN), 16);
}

/* Alive, and well after a reset. */
static void check_well(struct setup *s, uint64_t features, const char *what)
{
	s->td.keep = false;
	s->td.later = false;
	ok(drv_status(&s->b, 0) != ~0u, "%s: %s: it still answers",
	   name_of(features), what);
	restart(s, 16, features);
	ok(echo(s), "%s: %s: after a reset it works", name_of(features), what);
	bench_close(&s->b);
}

/* Requests --------------------------------------------------------------- */

enum state {
	NEW, ACKNOWLEDGED, DRIVER, FEATURES, RUNNING, BROKEN, FAILED, RESETTING,
	LEAVING, NUM_STATES
};

static const char * const state_names[] = {
	"a new device", "ACKNOWLEDGE", "DRIVER", "FEATURES_OK", "DRIVER_OK",
	"NEEDS_RESET", "FAILED", "a reset that takes time", "a leaving device",
};

static void enter(struct setup *s, enum state state)
{
	static const uint8_t statuses[] = { 0, S_ACK, S_DRIVER };

	if (state <= DRIVER) {
		drv_set_status(&s->b, 0, 0);
		drv_set_status(&s->b, 0, statuses[state]);
		return;
	}
	drv_negotiate(&s->b, 0, F(RING_RESET));
	if (state == FEATURES)
		return;
	drv_set_status(&s->b, 0, S_RUNNING);
	if (state == BROKEN)
		vmsg_device_needs_reset(s->td.dev);
	if (state == FAILED)
		drv_set_status(&s->b, 0, S_RUNNING | VIRTIO_CONFIG_S_FAILED);
	s->td.later = state == RESETTING;
	if (state == RESETTING)
		drv_set_status(&s->b, 0, 0);
	if (state == LEAVING)
		vmsg_device_leave(s->td.dev);
}

/* How many answers does a request get? */
static unsigned int ask(struct bench *b, const struct vmsg_msg *msg,
			struct vmsg_msg *answer)
{
	unsigned int num = 0;
	uint8_t bytes[264];

	bench_flush(b);
	bench_put(b, bytes, vmsg_wire_encode(b->dialect, msg, bytes,
					     sizeof(bytes)));
	bench_run(b);
	while (bench_get(b, msg->type | VIRTIO_MSG_TYPE_RESPONSE, msg->id,
			 answer))
		num += answer->token == msg->token;
	return num;
}

static void test_answers(void)
{
	static const uint8_t word[4];
	const struct vmsg_msg requests[] = {
		{ .id = VIRTIO_MSG_GET_DEVICE_INFO },
		{ .id = VIRTIO_MSG_GET_DEVICE_FEATURES, .features.count = 4 },
		{ .id = VIRTIO_MSG_SET_DRIVER_FEATURES, .features.count = 1,
		  .data = word, .data_len = 4 },
		{ .id = VIRTIO_MSG_GET_CONFIG, .config.length = 8 },
		{ .id = VIRTIO_MSG_SET_CONFIG, .config.length = 4,
		  .data = word, .data_len = 4 },
		{ .id = VIRTIO_MSG_GET_VQUEUE },
		{ .id = VIRTIO_MSG_SET_VQUEUE },
		{ .id = VIRTIO_MSG_SET_VQUEUE, .vqueue.flags = 1,
		  .vqueue.size = 16, .vqueue.desc = OUT, .vqueue.driver = OUT,
		  .vqueue.device = OUT },
		{ .id = VIRTIO_MSG_GET_SHM },
		{ .id = VIRTIO_MSG_SET_DEVICE_STATUS, .status = S_ACK },
	};
	struct vmsg_msg msg, answer, info[NUM_STATES];
	enum state state;
	struct setup s;
	bool good;
	size_t i;

	for (state = NEW; state < NUM_STATES; state++) {
		good = true;
		for (i = 0; i < ARRAY_SIZE(requests); i++) {
			setup(&s, 16, 0);
			enter(&s, state);
			msg = requests[i];
			msg.token = 0x100 + i;
			good &= ask(&s.b, &msg, &answer) == 1;
			vmsg_device_reset_done(s.td.dev);
			bench_close(&s.b);
		}
		ok(good, "%s: every request is answered once",
		   state_names[state]);
		setup(&s, 16, 0);
		enter(&s, state);
		info[state] = requests[0];
		good = bench_ask(&s.b, &info[state]);
		info[state].token = 0;
		info[state].data = NULL;
		ok(good && !memcmp(&info[state], &info[0], sizeof(info[0])),
		   "%s: GET_DEVICE_INFO says the same", state_names[state]);
		vmsg_device_reset_done(s.td.dev);
		bench_close(&s.b);
	}
}

static bool reset_vq(struct bench *b, uint16_t token)
{
	const struct vmsg_msg msg = {
		.id = VIRTIO_MSG_RESET_VQUEUE,
		.token = token,
	};
	struct vmsg_msg answer;

	return ask(b, &msg, &answer);
}

/* An answer says that the memory is the driver's again. */
static void test_reset_vq(void)
{
	struct vmsg_msg msg;
	struct setup s;

	setup(&s, 16, F(RING_RESET));
	drv_set_status(&s.b, 0, 0);
	drv_set_status(&s.b, 0, S_DRIVER);
	ok(reset_vq(&s.b, 1) && !s.td.queue_resets,
	   "RESET_VQUEUE before FEATURES_OK is answered and does nothing");
	restart(&s, 16, F(RING_RESET));
	s.td.later = true;
	ok(!reset_vq(&s.b, 1) && s.td.queue_resets == 1,
	   "RESET_VQUEUE that takes time");
	ok(!reset_vq(&s.b, 2) && s.td.queue_resets == 1,
	   "a second one has to wait as well, and the model is not asked again");
	vmsg_vq_reset_done(s.td.vq);
	ok(bench_get(&s.b, 1, VIRTIO_MSG_RESET_VQUEUE, &msg) && msg.token == 2 &&
	   !bench_get(&s.b, 1, VIRTIO_MSG_RESET_VQUEUE, &msg),
	   "the last one gets the answer");
	drv_negotiate(&s.b, 0, F(RING_RESET));
	drv_set_status(&s.b, 0, 0);
	s.td.later = false;
	s.td.queue_resets = 0;
	ok(!reset_vq(&s.b, 3) && !s.td.queue_resets,
	   "nor is one answered while all of the device is reset");
	vmsg_device_reset_done(s.td.dev);
	ok(bench_get(&s.b, 1, VIRTIO_MSG_RESET_VQUEUE, &msg) && msg.token == 3,
	   "but at the end of that");
	check_well(&s, F(RING_RESET), "queue resets that overlap");
}

static void test_bus_dev_num(void)
{
	struct vmsg_msg msg, answer;
	struct setup s;

	setup(&s, 16, 0);
	msg = (struct vmsg_msg){
		.type = VIRTIO_MSG_TYPE_BUS,
		.id = VIRTIO_MSG_BUS_PING,
		.dev_num = 0x1234,
	};
	ok(ask(&s.b, &msg, &answer) == 1 && !answer.dev_num,
	   "the answer to a bus message has no device number");
	bench_close(&s.b);
}

/* Queues ----------------------------------------------------------------- */

static void set_vq(struct bench *b, uint32_t index, uint32_t size, uint64_t desc,
		   uint64_t driver, uint64_t device)
{
	struct vmsg_msg msg = {
		.id = VIRTIO_MSG_SET_VQUEUE,
		.vqueue.index = index,
		.vqueue.flags = VIRTIO_MSG_VQUEUE_OP_ENABLE,
		.vqueue.size = size,
		.vqueue.desc = desc,
		.vqueue.driver = driver,
		.vqueue.device = device,
	};

	bench_ask(b, &msg);
}

/* A queue that is enabled again goes on where it is. */
static void test_twice(uint64_t features)
{
	struct setup s;
	int i;

	setup(&s, 16, features);
	for (i = 0; i < 5; i++)
		echo(&s);
	ring_enable(&s.r);
	ok(echo(&s), "%s: enabled twice, it goes on", name_of(features));
	drv_set_status(&s.b, 0, S_RUNNING);
	ok(echo(&s), "%s: DRIVER_OK twice, it goes on", name_of(features));
	drv_accept(&s.b, 0, 0);
	ok(echo(&s), "%s: nor do later features change it", name_of(features));
	check_well(&s, features, "enabled twice");
}

/* The largest that fit exactly, and one step further. */
static void test_edges(uint64_t features)
{
	const bool packed = features & F(RING_PACKED);
	const uint32_t size = packed ? 3 : 16;
	const uint64_t bytes[] = {
		16 * size, packed ? 4 : 6 + 2 * size, packed ? 4 : 6 + 8 * size
	};
	static const char * const names[] = {
		"descriptors", "driver area", "device area"
	};
	const uint64_t align[] = { 16, packed ? 4 : 2, 4 };
	uint64_t addr[3];
	struct setup s;
	int i;

	for (i = 0; i < 3; i++) {
		setup(&s, 16, features);
		drv_negotiate(&s.b, 0, features);
		ring_place(&s.r, &s.b, 0, 0, size, packed);
		addr[0] = s.r.desc;
		addr[1] = s.r.driver;
		addr[2] = s.r.device;
		addr[i] = (END - bytes[i]) / align[i] * align[i] + align[i];
		set_vq(&s.b, 0, size, addr[0], addr[1], addr[2]);
		ok(!drv_get_vq(&s.b, 0, 0).vqueue.flags,
		   "%s: %s one step past the end", name_of(features), names[i]);
		addr[i] -= align[i];
		s.r.desc = addr[0];
		s.r.driver = addr[1];
		s.r.device = addr[2];
		memset(bench_ptr(&s.b, addr[i]), 0, bytes[i]);
		ring_enable(&s.r);
		drv_set_status(&s.b, 0, S_RUNNING);
		ok(echo(&s) && echo(&s) && echo(&s), "%s: %s up to the end",
		   name_of(features), names[i]);
		bench_close(&s.b);
	}
}

/* Rings that lie over each other, and buffers that lie over rings. */
static void test_overlap(uint64_t features)
{
	const struct seg own[] = {
		{ OUT, 256, 0 },
		{ POOL_ADDR + 0x1000, 0x1000, WRITE },
	};
	struct setup s;
	int i;

	setup(&s, 16, features);
	drv_negotiate(&s.b, 0, features);
	set_vq(&s.b, 0, 16, OUT, OUT, OUT);
	set_vq(&s.b, 1, 16, OUT, OUT, OUT);
	memset(bench_ptr(&s.b, OUT), 1, 512);
	drv_set_status(&s.b, 0, S_RUNNING);
	for (i = 0; i < 32; i++)
		drv_event_avail(&s.b, 0, i % 2, 0);
	check_well(&s, features, "all areas at one address");

	setup(&s, 16, features);
	memset(bench_ptr(&s.b, OUT), 0xff, 256);
	for (i = 0; i < 8; i++)
		ring_add(&s.r, own, 2, false);
	ring_kick(&s.r);
	check_well(&s, features, "a buffer that is the ring itself");
}

/* What the device has taken is its own copy. */
static void test_after_the_fact(uint64_t features)
{
	const struct seg segs[] = { { OUT, 16, 0 }, { IN, 16, WRITE } };
	struct setup s;
	unsigned int i;
	uint16_t head;
	uint32_t *used;

	setup(&s, 16, features);
	s.td.keep = true;
	memset(bench_ptr(&s.b, OUT), 0x5a, 16);
	head = ring_add(&s.r, segs, 2, features & F(INDIRECT_DESC));
	ring_kick(&s.r);
	ok(s.td.num_held == 1, "%s: the device has a buffer",
	   name_of(features));
	memset(bench_ptr(&s.b, s.r.table), 0xff, 1024);
	memset(bench_ptr(&s.b, s.r.desc), 0xff, 16 * 16);
	td_finish(&s.td, 0);
	ok(!memcmp(bench_ptr(&s.b, OUT), bench_ptr(&s.b, IN), 16),
	   "%s: descriptors rewritten: the bytes go where they were to go",
	   name_of(features));
	if (features & F(RING_PACKED)) {
		ok(le16toh(ring_packed_desc(&s.r, 0)->id) == head,
		   "packed: and the buffer has the name it had");
	} else {
		used = bench_ptr(&s.b, s.r.device + 4);
		ok(le32toh(used[0]) == head && le32toh(used[1]) == 16,
		   "split: and the buffer has the name it had");
	}
	/* Our own side of the ring is not read back either. */
	for (i = 0; i < 70; i += 2)
		*ring_u16(&s.r, s.r.device, i) = 0xabcd;
	check_well(&s, features, "descriptors rewritten");
}

/* The same descriptors again and again, all at once. */
static void test_same_head(void)
{
	const struct seg segs[] = { { OUT, 16, 0 }, { IN, 16, WRITE } };
	uint32_t id, len;
	struct setup s;
	int i, num = 0;

	setup(&s, 16, 0);
	s.td.keep = true;
	ring_add(&s.r, segs, 2, false);
	for (i = 0; i < 16; i++)
		*ring_u16(&s.r, s.r.driver, 2 + i) = 0;
	*ring_u16(&s.r, s.r.driver, 1) = htole16(16);
	ring_kick(&s.r);
	ok(s.td.num_held == 16 && drv_status(&s.b, 0) == S_RUNNING,
	   "split: one descriptor made available 16 times");
	while (s.td.num_held)
		td_finish(&s.td, --s.td.num_held);
	while (ring_used(&s.r, &id, &len))
		num += !id;
	ok(num == 16, "split: comes back as often");
	check_well(&s, 0, "the same head");
}

/* The number of a packed buffer is the driver's business. */
static void test_any_id(void)
{
	struct vring_packed_desc *desc;
	struct setup s;

	setup(&s, 16, F(RING_PACKED));
	desc = ring_packed_desc(&s.r, 0);
	desc->addr = htole64(IN);
	desc->len = htole32(16);
	desc->id = htole16(0xffff);
	desc->flags = htole16(WRITE | 1 << VRING_PACKED_DESC_F_AVAIL);
	ring_kick(&s.r);
	ok(le16toh(desc->id) == 0xffff &&
	   le16toh(desc->flags) & 1 << VRING_PACKED_DESC_F_USED,
	   "packed: a buffer called 65535 in a ring of 16");
	check_well(&s, F(RING_PACKED), "buffer 65535");
}

/* Kicks without buffers, with impossible data, for nobody. */
static void test_kicks(uint64_t features)
{
	static const uint32_t next[] = {
		0, 1, 16, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff,
		0x80000000, 0xffffffff
	};
	struct setup s;
	size_t i;

	setup(&s, 16, features | F(NOTIFICATION_DATA));
	for (i = 0; i < ARRAY_SIZE(next); i++)
		drv_event_avail(&s.b, 0, 0, next[i]);
	ok(drv_status(&s.b, 0) == S_RUNNING && echo(&s),
	   "%s: impossible NOTIFICATION_DATA is only a kick",
	   name_of(features));
	check_well(&s, features, "impossible kicks");
}

/* Wishes for notifications that make no sense. */
static void test_wishes(uint64_t features)
{
	static const uint16_t words[] = { 0, 1, 15, 16, 17, 0x7fff, 0x8000,
					  0x8001, 0xffff };
	bool good = true;
	struct setup s;
	size_t i, j;

	setup(&s, 16, features | F(EVENT_IDX));
	for (i = 0; i < ARRAY_SIZE(words); i++) {
		for (j = 0; j < 4; j++) {
			*ring_u16(&s.r, s.r.driver, 0) = htole16(words[i]);
			if (features & F(RING_PACKED))
				*ring_u16(&s.r, s.r.driver, 1) = htole16(j);
			else
				*ring_u16(&s.r, s.r.driver, 2 + 16) =
					htole16(words[i]);
			good &= echo(&s);
		}
	}
	ok(good, "%s: buffers come back whatever the driver wishes",
	   name_of(features));
	check_well(&s, features, "impossible wishes");
}

/* One queue is bad, the other has buffers with the device. */
static void test_other_queue(uint64_t features)
{
	const struct seg good = { IN, 16, WRITE }, bad = { 0, 16, WRITE };
	uint32_t id, len;
	struct setup s;
	struct ring r;

	setup(&s, 16, features);
	drv_negotiate(&s.b, 0, features);
	ring_place(&s.r, &s.b, 0, 0, 16, features & F(RING_PACKED));
	ring_place(&r, &s.b, 0, 1, 16, features & F(RING_PACKED));
	ring_enable(&s.r);
	ring_enable(&r);
	drv_set_status(&s.b, 0, S_RUNNING);
	s.td.keep = true;
	ring_add(&r, &good, 1, false);
	ring_kick(&r);
	ring_add(&s.r, &bad, 1, false);
	ring_kick(&s.r);
	ok(s.td.num_held == 1 && drv_status(&s.b, 0) == S_BROKEN,
	   "%s: queue 0 is broken, queue 1 has a buffer with the device",
	   name_of(features));
	td_finish(&s.td, 0);
	ok(ring_used(&r, &id, &len), "%s: that comes back",
	   name_of(features));
	ring_add(&r, &good, 1, false);
	ring_kick(&r);
	ok(s.td.num_held == 1, "%s: but no other is taken",
	   name_of(features));
	check_well(&s, features, "one of two queues is broken");
}

/* A table that has the ring, or itself, among its buffers. */
static void test_tables(uint64_t features)
{
	const struct seg ring[] = { { TABLE, 16, 0 },
				    { POOL_ADDR + 0x1000, 64, WRITE } };
	const struct seg self = { TABLE, 256, VRING_DESC_F_INDIRECT };
	struct vring_desc *desc;
	struct setup s;
	int i;

	setup(&s, 16, features | F(INDIRECT_DESC));
	ring_add(&s.r, ring, 2, true);
	ring_kick(&s.r);
	check_well(&s, features | F(INDIRECT_DESC), "a table with the ring in it");

	setup(&s, 16, features | F(INDIRECT_DESC));
	desc = bench_ptr(&s.b, TABLE);
	for (i = 0; i < 16; i++) {
		desc[i].addr = htole64(TABLE);
		desc[i].len = htole32(256);
		/* Flags and next of split, number and flags of packed. */
		desc[i].flags = htole16(features & F(RING_PACKED) ? 0 :
					WRITE | VRING_DESC_F_NEXT);
		desc[i].next = htole16(features & F(RING_PACKED) ? WRITE :
				       i + 1);
	}
	desc[15].flags &= ~htole16(VRING_DESC_F_NEXT);
	ring_add(&s.r, &self, 1, false);
	ring_kick(&s.r);
	check_well(&s, features | F(INDIRECT_DESC), "a table that writes itself");
}

/* Window ----------------------------------------------------------------- */

/*
 * A driver side that says READY and has sent frames already, which it cannot
 * have: that is no reason to begin anew without an end.
 */
static void test_ready_with_frames(void)
{
	struct vmsg_amp amp = { .num_notif = 64, .per_device = 4 };
	struct win w = { 0 };
	unsigned int resets = 0;
	uint8_t frame[64];
	int i;

	w.mem = aligned_alloc(64, VIRTIO_MSG_AMP_WINDOW_SIZE);
	memset(w.mem, 0, VIRTIO_MSG_AMP_WINDOW_SIZE);
	amp.window = (uint8_t *)w.mem;
	vmsg_amp_open(&amp);
	win_ready(&w);
	put16(w.mem, L_DRV_HEAD + H_TAIL, 5);
	for (i = 0; i < 100; i++) {
		resets += vmsg_amp_step(&amp, false);
		if (vmsg_amp_talks(&amp))
			vmsg_amp_receive(&amp, frame, sizeof(frame));
	}
	ok(resets < 3, "READY with frames: we begin anew %u times", resets);
	win_ready(&w);
	for (i = 0; i < 4; i++)
		vmsg_amp_step(&amp, false);
	win_status(&w, RUN);
	vmsg_amp_step(&amp, false);
	ok(vmsg_amp_talks(&amp), "and serve the next one");
	free(w.mem);
}

int main(void)
{
	static const uint64_t rings[] = { 0, F(RING_PACKED) };
	size_t i;

	vmsg_log_name = NULL;
	test_answers();
	test_reset_vq();
	test_bus_dev_num();
	for (i = 0; i < ARRAY_SIZE(rings); i++) {
		test_twice(rings[i]);
		test_edges(rings[i]);
		test_overlap(rings[i]);
		test_after_the_fact(rings[i]);
		test_after_the_fact(rings[i] | F(INDIRECT_DESC));
		test_kicks(rings[i]);
		test_wishes(rings[i]);
		test_other_queue(rings[i]);
		test_tables(rings[i]);
	}
	test_same_head();
	test_any_id();
	test_ready_with_frames();
	return tap_end();
}
