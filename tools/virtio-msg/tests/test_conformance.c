// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * libvmsg tests: every rule about transport messages that a device has to keep.
 */
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"

/* The requests, with the bytes of their fixed part and one that is right. */
static const struct request {
	const char *name;
	uint8_t id;
	uint8_t fixed;
	uint8_t tail;
	uint8_t payload[48];
} requests[] = {
	{ "GET_DEVICE_INFO", VIRTIO_MSG_GET_DEVICE_INFO, 0, 0, { 0 } },
	{ "GET_DEVICE_FEATURES", VIRTIO_MSG_GET_DEVICE_FEATURES, 8, 0,
	  { 0, 0, 0, 0, 1 } },
	{ "SET_DRIVER_FEATURES", VIRTIO_MSG_SET_DRIVER_FEATURES, 8, 4,
	  { 0, 0, 0, 0, 1 } },
	{ "GET_CONFIG", VIRTIO_MSG_GET_CONFIG, 8, 0, { 0, 0, 0, 0, 4 } },
	{ "SET_CONFIG", VIRTIO_MSG_SET_CONFIG, 12, 2,
	  { 0, 0, 0, 0, 0, 0, 0, 0, 2 } },
	{ "GET_DEVICE_STATUS", VIRTIO_MSG_GET_DEVICE_STATUS, 0, 0, { 0 } },
	{ "SET_DEVICE_STATUS", VIRTIO_MSG_SET_DEVICE_STATUS, 4, 0, { 1 } },
	{ "GET_VQUEUE", VIRTIO_MSG_GET_VQUEUE, 4, 0, { 0 } },
	{ "SET_VQUEUE", VIRTIO_MSG_SET_VQUEUE, 40, 0, { 0 } },
	{ "RESET_VQUEUE", VIRTIO_MSG_RESET_VQUEUE, 4, 0, { 0 } },
	{ "GET_SHM", VIRTIO_MSG_GET_SHM, 4, 0, { 0 } },
};

static size_t build(uint8_t *bytes, uint8_t type, uint8_t id, uint16_t dev,
		    const void *payload, size_t len)
{
	struct virtio_msg_hdr hdr = {
		.type = type,
		.msg_id = id,
		.dev_num = htole16(dev),
		.token = htole16(0x1234),
		.msg_size = htole16(sizeof(hdr) + len),
	};

	memcpy(bytes, &hdr, sizeof(hdr));
	if (len)
		memcpy(bytes + sizeof(hdr), payload, len);
	return sizeof(hdr) + len;
}

/* How many frames does the device side send for this one? */
static unsigned int answers(struct bench *b, uint8_t type, uint8_t id,
			    uint16_t dev, const void *payload, size_t len)
{
	uint8_t bytes[512];

	bench_flush(b);
	bench_put(b, bytes, build(bytes, type, id, dev, payload, len));
	bench_run(b);
	return bench_flush(b);
}

static void test_sizes(void)
{
	const struct bench_params params = { 0 };
	const struct request *req;
	uint8_t payload[128];
	struct bench b;
	struct td td;
	size_t i, extra, len;
	bool good;

	bench_open(&b, &params);
	td_add(&b, &td, 3, 1, 0);
	for (i = 0; i < ARRAY_SIZE(requests); i++) {
		req = &requests[i];
		len = req->fixed + req->tail;
		memset(payload, 0, sizeof(payload));
		memcpy(payload, req->payload, sizeof(req->payload));
		if (req->fixed)
			ok(!answers(&b, 0, req->id, 3, payload, req->fixed - 1),
			   "%s without its last byte is dropped", req->name);
		if (req->tail)
			ok(!answers(&b, 0, req->id, 3, payload, len - 1),
			   "%s without its last data byte is dropped",
			   req->name);
		ok(answers(&b, 0, req->id, 3, payload, len) == 1,
		   "%s is answered once", req->name);
		good = true;
		for (extra = 1; extra <= 16; extra++)
			good &= answers(&b, 0, req->id, 3, payload,
					len + extra) == 1;
		ok(good, "%s with 1 to 16 bytes more is answered", req->name);
		ok(!answers(&b, VIRTIO_MSG_TYPE_RESPONSE, req->id, 3, payload,
			    64),
		   "%s as a response is dropped", req->name);
		ok(!answers(&b, 0, req->id, 4, payload, len),
		   "%s to a device that is not there is dropped", req->name);
		ok(!answers(&b, 0, req->id, 259, payload, len),
		   "%s to another device number with the same low byte is dropped",
		   req->name);
	}
	bench_close(&b);
}

static void test_headers(void)
{
	static const uint8_t unknown[] = {
		0x00, 0x01, 0x0d, 0x3f, 0x43, 0x7f, 0x80, 0xc0, 0xff
	};
	const struct bench_params params = { .max_msg_size = 52 };
	uint8_t bytes[64], zero[64] = { 0 };
	struct vmsg_msg msg;
	struct bench b;
	struct td td;
	size_t i;

	bench_open(&b, &params);
	td_add(&b, &td, 3, 1, 0);
	bench_flush(&b);

	bench_put(&b, bytes, build(bytes, 0xfc, VIRTIO_MSG_GET_DEVICE_STATUS,
				   3, NULL, 0));
	bench_run(&b);
	ok(b.to_driver.first && b.to_driver.first->bytes[0] == 0x01,
	   "reserved type bits are ignored, and 0 in the response");
	ok(bench_get(&b, 1, VIRTIO_MSG_GET_DEVICE_STATUS, &msg) &&
	   msg.token == 0x1234 && msg.dev_num == 3,
	   "the response has the token and the device number of the request");
	for (i = 0; i < sizeof(unknown); i++) {
		ok(!answers(&b, 0, unknown[i], 3, zero, 40),
		   "transport message %#x is dropped", unknown[i]);
		if (unknown[i] != 0x43)
			ok(!answers(&b, 2, unknown[i], 0, zero, 40),
			   "bus message %#x is dropped", unknown[i]);
	}
	ok(!answers(&b, 2, VIRTIO_MSG_GET_DEVICE_STATUS, 3, zero, 0),
	   "a transport message with the bus bit is dropped");
	ok(!answers(&b, 0, VIRTIO_MSG_EVENT_USED, 3, zero, 4),
	   "EVENT_USED from the driver is dropped");
	ok(!answers(&b, 0, VIRTIO_MSG_EVENT_CONFIG, 3, zero, 16),
	   "EVENT_CONFIG from the driver is dropped");
	ok(!answers(&b, 2, VIRTIO_MSG_BUS_EVENT_DEVICE, 0, zero, 4),
	   "EVENT_DEVICE from the driver is dropped");

	bench_put(&b, bytes, 7);
	bench_run(&b);
	ok(!bench_flush(&b), "7 bytes are dropped");
	build(bytes, 0, VIRTIO_MSG_GET_DEVICE_STATUS, 3, NULL, 0);
	bytes[6] = 7;
	bench_put(&b, bytes, 8);
	bench_run(&b);
	ok(!bench_flush(&b), "msg_size 7 is dropped");
	bytes[6] = 9;
	bench_put(&b, bytes, 8);
	bench_run(&b);
	ok(!bench_flush(&b), "a msg_size larger than the frame is dropped");
	ok(answers(&b, 0, VIRTIO_MSG_GET_DEVICE_STATUS, 3, zero, 44) == 1,
	   "a frame of the maximum message size is taken");
	ok(!answers(&b, 0, VIRTIO_MSG_GET_DEVICE_STATUS, 3, zero, 45),
	   "a frame above the maximum message size is dropped");
	ok(b.bus->num_drops[VMSG_DROP_MALFORMED] == 4,
	   "4 malformed frames have been counted");
	ok(drv_status(&b, 3) == 0, "the device still answers");
	bench_close(&b);
}

/* Byte for byte what the reference vectors say. */
static void test_vectors(void)
{
	static const uint8_t info[] = {
		0x01, 0x02, 0x03, 0x00, 0x34, 0x12, 0x34, 0x00,
		0x2a, 0x00, 0x00, 0x00, 0xf4, 0x1a, 0x00, 0x00,
		0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07,
		0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f,
		0x02, 0x00, 0x00, 0x00, 0x2c, 0x01, 0x00, 0x00,
		0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
		0x00, 0x00, 0x00, 0x00,
	};
	static const uint8_t shm[] = {
		0x01, 0x0c, 0x03, 0x00, 0x34, 0x12, 0x20, 0x00,
		0x05, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
		0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
		0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	};
	const struct bench_params params = { 0 };
	uint8_t bytes[64], shmid[4] = { 5 };
	struct frame *frame;
	struct bench b;
	struct td td;
	int i;

	bench_open(&b, &params);
	td_add(&b, &td, 3, 1, 0);
	td.dev->vendor_id = 0x1af4;
	for (i = 0; i < 16; i++)
		td.dev->uuid[i] = i;
	bench_flush(&b);
	bench_put(&b, bytes, build(bytes, 0, VIRTIO_MSG_GET_DEVICE_INFO, 3,
				   NULL, 0));
	bench_run(&b);
	frame = b.to_driver.first;
	ok(frame && frame->len == sizeof(info) &&
	   !memcmp(frame->bytes, info, sizeof(info)),
	   "the GET_DEVICE_INFO response, byte for byte");
	bench_flush(&b);
	bench_put(&b, bytes, build(bytes, 0, VIRTIO_MSG_GET_SHM, 3, shmid, 4));
	bench_run(&b);
	frame = b.to_driver.first;
	ok(frame && frame->len == sizeof(shm) &&
	   !memcmp(frame->bytes, shm, sizeof(shm)),
	   "the GET_SHM response has length 0, byte for byte");
	bench_close(&b);
}

static bool get_features(struct bench *b, uint32_t index, uint32_t count,
			 struct vmsg_msg *msg)
{
	*msg = (struct vmsg_msg){
		.id = VIRTIO_MSG_GET_DEVICE_FEATURES,
		.features.index = index,
		.features.count = count,
	};
	return bench_ask(b, msg);
}

static void set_block(struct bench *b, uint32_t index, uint32_t bits)
{
	uint8_t word[4];
	struct vmsg_msg msg = {
		.id = VIRTIO_MSG_SET_DRIVER_FEATURES,
		.features.index = index,
		.features.count = 1,
		.data = word,
		.data_len = sizeof(word),
	};

	vmsg_wire_put_block(word, 0, bits);
	bench_ask(b, &msg);
}

static void test_features(void)
{
	const struct bench_params params = {
		.ring_features = VMSG_BIT(VMSG_F_EVENT_IDX),
	};
	uint8_t none[8] = { 0 };
	struct vmsg_msg msg;
	struct bench b;
	struct td td;

	bench_open(&b, &params);
	td_add(&b, &td, 0, 1, 0x5);
	ok(drv_offered(&b, 0) == (0x5 | VMSG_BIT(VMSG_F_EVENT_IDX) | F_BASE),
	   "the device offers its features and those of the bus");
	ok(get_features(&b, 1, 1, &msg) && vmsg_wire_block(&msg, 0) == 3,
	   "block 1 alone");
	ok(get_features(&b, 1, 3, &msg) && msg.features.count == 3 &&
	   !vmsg_wire_block(&msg, 1) && !vmsg_wire_block(&msg, 2),
	   "blocks behind the last one are 0");
	ok(get_features(&b, 1000, 2, &msg) && msg.features.index == 1000 &&
	   !vmsg_wire_block(&msg, 0), "block 1000 is 0");
	ok(get_features(&b, 0xffffffff, 2, &msg) && !vmsg_wire_block(&msg, 1),
	   "a block index that overflows is not block 0");
	ok(get_features(&b, 0, 62, &msg), "62 blocks fit into 264 bytes");
	ok(!get_features(&b, 0, 63, &msg), "63 do not: no answer");
	ok(!get_features(&b, 0, 0, &msg), "GET of 0 blocks: no answer");
	ok(!get_features(&b, 0, 0x40000001, &msg),
	   "a count that overflows: no answer");
	ok(!answers(&b, 0, VIRTIO_MSG_SET_DRIVER_FEATURES, 0, none, 8),
	   "SET of 0 blocks: no answer");

	ok(drv_negotiate(&b, 0, 0x4), "a subset is accepted");
	ok(vmsg_device_has_feature(td.dev, 2) &&
	   !vmsg_device_has_feature(td.dev, 0), "and it is the right one");
	drv_accept(&b, 0, 0x1 | F_BASE);
	ok(!vmsg_device_has_feature(td.dev, 0),
	   "features do not change after FEATURES_OK");
	ok(!drv_negotiate(&b, 0, 0x2), "a feature that is not offered refuses");
	ok(drv_status(&b, 0) == S_DRIVER, "FEATURES_OK is not set then");
	ok(drv_set_status(&b, 0, S_RUNNING) == S_DRIVER,
	   "nor can DRIVER_OK be set without it");
	drv_accept(&b, 0, 0x1 | F_BASE);
	ok(drv_set_status(&b, 0, S_FEATURES) == S_FEATURES,
	   "another choice, and FEATURES_OK comes");

	drv_set_status(&b, 0, 0);
	drv_set_status(&b, 0, S_DRIVER);
	drv_accept(&b, 0, VMSG_BIT(VMSG_F_ACCESS_PLATFORM));
	ok(drv_set_status(&b, 0, S_FEATURES) == S_DRIVER,
	   "without VERSION_1 it refuses");
	drv_accept(&b, 0, VMSG_BIT(VMSG_F_VERSION_1));
	ok(drv_set_status(&b, 0, S_FEATURES) == S_DRIVER,
	   "without ACCESS_PLATFORM it refuses");
	drv_accept(&b, 0, F_BASE);
	set_block(&b, 3, 1);
	ok(drv_set_status(&b, 0, S_FEATURES) == S_DRIVER,
	   "a bit in block 3 refuses");
	set_block(&b, 3, 0);
	set_block(&b, 4, 0);
	set_block(&b, 0xffffffff, 0);
	ok(drv_set_status(&b, 0, S_FEATURES) == S_FEATURES,
	   "zeros in unknown blocks do not");
	drv_set_status(&b, 0, 0);
	drv_set_status(&b, 0, S_DRIVER);
	drv_accept(&b, 0, F_BASE);
	set_block(&b, 4, 1);
	ok(drv_set_status(&b, 0, S_FEATURES) == S_DRIVER,
	   "a bit in a block that nobody knows refuses");
	td.refuse_features = true;
	ok(!drv_negotiate(&b, 0, 0), "the model refuses");
	td.refuse_features = false;
	ok(drv_negotiate(&b, 0, 0), "a reset forgets all that");
	bench_close(&b);
}

static void test_status(void)
{
	const struct bench_params params = { 0 };
	struct bench b;
	struct td td;

	bench_open(&b, &params);
	td_add(&b, &td, 0, 1, 0);
	ok(drv_status(&b, 0) == 0, "a new device has status 0");
	ok(drv_set_status(&b, 0, S_ACK) == S_ACK, "ACKNOWLEDGE");
	ok(td.statuses == 1 && td.last_status == S_ACK, "the model is told");
	ok(drv_set_status(&b, 0, S_DRIVER | 0x40) == S_DRIVER,
	   "the driver cannot set DEVICE_NEEDS_RESET");
	ok(drv_set_status(&b, 0, 0xff00 | S_DRIVER) == S_DRIVER,
	   "nor bits that do not exist");
	ok(drv_set_status(&b, 0, S_ACK) == S_DRIVER,
	   "nor take bits away but by a reset");
	drv_accept(&b, 0, F_BASE);
	ok(drv_set_status(&b, 0, S_RUNNING) == S_RUNNING,
	   "FEATURES_OK and DRIVER_OK at once");
	ok(vmsg_device_running(td.dev), "the device runs");
	bench_flush(&b);
	vmsg_device_needs_reset(td.dev);
	ok(!vmsg_device_running(td.dev) && drv_status(&b, 0) == S_BROKEN,
	   "it needs a reset and does not run");
	drv_set_status(&b, 0, S_RUNNING);
	ok(drv_status(&b, 0) == S_BROKEN, "which only a reset changes");
	ok(drv_set_status(&b, 0, 0) == 0 && td.resets == 1, "reset");
	drv_negotiate(&b, 0, 0);
	drv_set_status(&b, 0, S_RUNNING);
	drv_set_status(&b, 0, S_RUNNING | VIRTIO_CONFIG_S_FAILED);
	ok(!vmsg_device_running(td.dev), "FAILED: it does not run");
	bench_close(&b);
}

static void test_async_reset(void)
{
	const struct bench_params params = {
		.ring_features = VMSG_BIT(VMSG_F_RING_RESET),
	};
	struct vmsg_msg msg = { 0 };
	struct bench b;
	struct ring r;
	struct td td;

	bench_open(&b, &params);
	td_add(&b, &td, 0, 1, 0);
	drv_negotiate(&b, 0, VMSG_BIT(VMSG_F_RING_RESET));
	ring_place(&r, &b, 0, 0, 16, false);
	ring_enable(&r);
	drv_set_status(&b, 0, S_RUNNING);
	td.later = true;
	ok(drv_set_status(&b, 0, 0) == S_RUNNING,
	   "a reset that takes time answers with a status that is not 0");
	ok(drv_status(&b, 0) == S_RUNNING, "and stays so");
	ok(!drv_get_vq(&b, 0, 0).vqueue.flags, "queues are stopped at once");
	ok(drv_set_status(&b, 0, S_BROKEN | VIRTIO_CONFIG_S_FAILED) ==
	   S_RUNNING, "a new status has to wait");
	ok(drv_set_status(&b, 0, 0) == S_RUNNING && td.resets == 2,
	   "a second reset does not begin again");
	msg.id = VIRTIO_MSG_SET_CONFIG;
	msg.config.offset = 0;
	msg.config.length = 1;
	msg.data = (const uint8_t *)"x";
	msg.data_len = 1;
	ok(bench_ask(&b, &msg) && !msg.config.length,
	   "the configuration cannot be written meanwhile");
	ring_enable(&r);
	ok(!drv_get_vq(&b, 0, 0).vqueue.flags,
	   "nor can a queue be enabled");
	bench_flush(&b);
	vmsg_device_config_changed(td.dev, 0, 1, VMSG_CONFIG_RANGE);
	ok(!bench_flush(&b), "nor are there events");
	vmsg_device_reset_done(td.dev);
	ok(drv_status(&b, 0) == 0, "done: status 0");
	ok(!drv_get_vq(&b, 0, 0).vqueue.size, "and the queue is as new");
	ok(drv_set_status(&b, 0, 0) == S_ACK,
	   "a reset from status 0 that takes time is not 0 either");
	vmsg_device_reset_done(td.dev);
	td.later = false;

	/* A queue reset that takes time, and a device reset before its end. */
	drv_negotiate(&b, 0, VMSG_BIT(VMSG_F_RING_RESET));
	ring_place(&r, &b, 0, 0, 16, false);
	ring_enable(&r);
	td.later = true;
	msg = (struct vmsg_msg){ .id = VIRTIO_MSG_RESET_VQUEUE };
	ok(!bench_ask(&b, &msg) && td.queue_resets == 1,
	   "RESET_VQUEUE is not answered before the model is done");
	ok(!drv_get_vq(&b, 0, 0).vqueue.flags, "the queue is disabled");
	ring_enable(&r);
	ok(!drv_get_vq(&b, 0, 0).vqueue.flags, "and cannot be enabled yet");
	vmsg_vq_reset_done(td.vq);
	ok(bench_get(&b, 1, VIRTIO_MSG_RESET_VQUEUE, &msg) &&
	   msg.token == b.token - 3, "then it is, with its token");
	vmsg_vq_reset_done(td.vq);
	ok(!bench_get(&b, 1, VIRTIO_MSG_RESET_VQUEUE, &msg), "once");
	ring_enable(&r);
	ok(drv_get_vq(&b, 0, 0).vqueue.flags, "and the queue can be enabled");
	msg = (struct vmsg_msg){ .id = VIRTIO_MSG_RESET_VQUEUE };
	bench_ask(&b, &msg);
	td.later = false;
	ok(drv_set_status(&b, 0, 0) == 0, "a device reset ends a queue reset");
	ok(bench_get(&b, 1, VIRTIO_MSG_RESET_VQUEUE, &msg),
	   "whose request is answered");
	bench_close(&b);
}

static bool get_config(struct bench *b, uint32_t offset, uint32_t length,
		       struct vmsg_msg *msg)
{
	*msg = (struct vmsg_msg){
		.id = VIRTIO_MSG_GET_CONFIG,
		.config.offset = offset,
		.config.length = length,
	};
	return bench_ask(b, msg);
}

static bool set_config(struct bench *b, uint32_t generation, uint32_t offset,
		       const void *data, uint32_t length, struct vmsg_msg *msg)
{
	*msg = (struct vmsg_msg){
		.id = VIRTIO_MSG_SET_CONFIG,
		.config.generation = generation,
		.config.offset = offset,
		.config.length = length,
		.data = data,
		.data_len = length,
	};
	return bench_ask(b, msg);
}

static void test_config(bool strict)
{
	const struct bench_params params = {
		.transport_features = strict,
	};
	const char *profile = strict ? "strict" : "baseline";
	struct vmsg_msg msg;
	uint32_t generation;
	struct bench b;
	struct td td;

	bench_open(&b, &params);
	td_add(&b, &td, 0, 1, 0);
	ok(get_config(&b, 0, 8, &msg) && msg.data_len == 8 &&
	   !memcmp(msg.data, td.config, 8), "%s: GET_CONFIG", profile);
	generation = msg.config.generation;
	ok(get_config(&b, TD_CONFIG - 4, 4, &msg) && msg.config.length == 4 &&
	   !memcmp(msg.data, td.config + TD_CONFIG - 4, 4),
	   "%s: the last bytes", profile);
	ok(get_config(&b, TD_CONFIG, 0, &msg) && !msg.config.length,
	   "%s: 0 bytes at the end", profile);
	ok(get_config(&b, TD_CONFIG - 4, 5, &msg) && !msg.config.length &&
	   msg.config.offset == TD_CONFIG - 4,
	   "%s: one byte across the end: length 0", profile);
	ok(get_config(&b, TD_CONFIG, 1, &msg) && !msg.config.length,
	   "%s: behind the end: length 0", profile);
	ok(get_config(&b, 0xfffffffc, 8, &msg) && !msg.config.length,
	   "%s: offset + length overflows: length 0", profile);
	ok(get_config(&b, 0, 244, &msg) && msg.config.length == 244,
	   "%s: 244 bytes fit into 264", profile);
	ok(!get_config(&b, 0, 245, &msg), "%s: 245 do not: no answer", profile);
	ok(!get_config(&b, 4, 0xfffffffc, &msg), "%s: nor 4 GiB", profile);

	ok(set_config(&b, generation, 32, "abcd", 4, &msg) &&
	   msg.config.length == 4 && msg.config.offset == 32 &&
	   msg.config.generation != generation,
	   "%s: SET_CONFIG is applied and changes the generation", profile);
	ok(!memcmp(td.config + 32, "abcd", 4), "%s: it was", profile);
	generation = msg.config.generation;
	ok(get_config(&b, 32, 4, &msg) && msg.config.generation == generation,
	   "%s: GET_CONFIG has the same generation", profile);
	ok(set_config(&b, generation + 1, 32, "efgh", 4, &msg) &&
	   msg.config.length == (strict ? 0 : 4),
	   "%s: a wrong generation is %s", profile,
	   strict ? "refused" : "ignored");
	ok(msg.config.generation == generation + !strict,
	   "%s: the answer has the current generation", profile);
	generation = msg.config.generation;
	ok(!memcmp(td.config + 32, strict ? "abcd" : "efgh", 4),
	   "%s: and that is what happened", profile);
	ok(set_config(&b, generation, TD_CONFIG - 1, "xy", 2, &msg) &&
	   !msg.config.length && td.config[TD_CONFIG - 1] != 'x',
	   "%s: across the end: not applied at all", profile);
	ok(set_config(&b, generation, 0xffffffff, "xy", 2, &msg) &&
	   !msg.config.length, "%s: overflow: not applied", profile);
	ok(set_config(&b, generation, 0, NULL, 0, &msg) && !msg.config.length,
	   "%s: 0 bytes", profile);
	td.refuse_config = true;
	bench_flush(&b);
	ok(set_config(&b, generation, 0, "x", 1, &msg) && !msg.config.length &&
	   !msg.data_len && msg.config.generation == generation,
	   "%s: the model refuses: length 0, no data, same generation",
	   profile);
	drv_set_status(&b, 0, S_ACK);
	bench_flush(&b);
	vmsg_device_config_changed(td.dev, 0, 4, VMSG_CONFIG_RANGE);
	ok(bench_get(&b, 0, VIRTIO_MSG_EVENT_CONFIG, &msg) &&
	   msg.event_config.generation != generation,
	   "%s: a change of its own changes the generation", profile);
	ok(get_config(&b, 0, 4, &msg) && msg.config.generation != generation,
	   "%s: which GET_CONFIG shows", profile);
	bench_close(&b);
}

static void test_event_config(void)
{
	const struct bench_params params = { 0 };
	struct vmsg_msg msg;
	struct bench b;
	struct td td;

	bench_open(&b, &params);
	td_add(&b, &td, 0, 1, 0);
	bench_flush(&b);
	vmsg_device_config_changed(td.dev, 4, 8, VMSG_CONFIG_DATA);
	ok(!bench_flush(&b), "no EVENT_CONFIG before there is a driver");
	drv_negotiate(&b, 0, 0);
	drv_set_status(&b, 0, S_RUNNING);
	bench_flush(&b);
	vmsg_device_config_changed(td.dev, 4, 8, VMSG_CONFIG_GENERIC);
	ok(b.to_driver.first && b.to_driver.first->len == 24 &&
	   bench_get(&b, 0, VIRTIO_MSG_EVENT_CONFIG, &msg) &&
	   !msg.event_config.offset && !msg.event_config.length &&
	   msg.event_config.status == S_RUNNING && !msg.token,
	   "EVENT_CONFIG, generic");
	vmsg_device_config_changed(td.dev, 4, 8, VMSG_CONFIG_RANGE);
	ok(b.to_driver.first && b.to_driver.first->len == 24 &&
	   bench_get(&b, 0, VIRTIO_MSG_EVENT_CONFIG, &msg) &&
	   msg.event_config.offset == 4 && msg.event_config.length == 8,
	   "EVENT_CONFIG, range");
	vmsg_device_config_changed(td.dev, 4, 8, VMSG_CONFIG_DATA);
	ok(b.to_driver.first && b.to_driver.first->len == 32 &&
	   bench_get(&b, 0, VIRTIO_MSG_EVENT_CONFIG, &msg) &&
	   msg.event_config.offset == 4 && msg.data_len == 8 &&
	   !memcmp(msg.data, td.config + 4, 8), "EVENT_CONFIG, range and data");
	vmsg_device_config_changed(td.dev, 0, 240, VMSG_CONFIG_DATA);
	ok(b.to_driver.first && b.to_driver.first->len == 264,
	   "240 bytes of data fit into 264");
	bench_flush(&b);
	vmsg_device_config_changed(td.dev, 0, 241, VMSG_CONFIG_DATA);
	ok(b.to_driver.first && b.to_driver.first->len == 24,
	   "241 do not: the range alone");
	bench_flush(&b);
	vmsg_device_needs_reset(td.dev);
	ok(bench_get(&b, 0, VIRTIO_MSG_EVENT_CONFIG, &msg) &&
	   msg.event_config.status == S_BROKEN && !msg.event_config.length,
	   "EVENT_CONFIG with DEVICE_NEEDS_RESET");
	vmsg_device_needs_reset(td.dev);
	ok(!bench_flush(&b), "once");
	bench_close(&b);
}

/* SET_VQUEUE requests that must not change anything. */
static void test_set_vqueue(void)
{
	static const struct {
		const char *name;
		uint32_t index;
		uint32_t flags;
		uint32_t size;
		uint32_t reserved;
		uint64_t desc;
		uint64_t driver;
		uint64_t device;
	} bad[] = {
#define D	(POOL_ADDR + 0x1000)
#define A	(POOL_ADDR + 0x2000)
#define U	(POOL_ADDR + 0x3000)
#define END	(POOL_ADDR + POOL_SIZE)
		{ "no such queue", 2, 1, 128, 0, D, A, U },
		{ "no such queue, huge", 0xffffffff, 1, 128, 0, D, A, U },
		{ "reserved field", 0, 1, 128, 1, D, A, U },
		{ "reserved flag 6", 0, 0x41, 128, 0, D, A, U },
		{ "reserved flag 31", 0, 0x80000001, 128, 0, D, A, U },
		{ "operation 3", 0, 3, 128, 0, D, A, U },
		{ "size 0", 0, 1, 0, 0, D, A, U },
		{ "size 0, left disabled", 0, 0, 0, 0, D, A, U },
		{ "size above the largest", 0, 1, 512, 0, D, A, U },
		{ "size above, left disabled", 0, 0, 512, 0, D, A, U },
		{ "size not a power of two", 0, 1, 100, 0, D, A, U },
		{ "descriptors misaligned", 0, 1, 128, 0, D + 8, A, U },
		{ "driver area misaligned", 0, 1, 128, 0, D, A + 1, U },
		{ "device area misaligned", 0, 1, 128, 0, D, A, U + 2 },
		{ "descriptors at 0", 0, 1, 128, 0, 0, A, U },
		{ "driver area at 0", 0, 1, 128, 0, D, 0, U },
		{ "device area at 0", 0, 1, 128, 0, D, A, 0 },
		{ "descriptors below", 0, 1, 128, 0, POOL_ADDR - 16, A, U },
		{ "descriptors past the end", 0, 1, 128, 0, END - 16, A, U },
		{ "driver area past the end", 0, 1, 128, 0, D, END - 16, U },
		{ "device area past the end", 0, 1, 128, 0, D, A, END - 16 },
		{ "descriptors at 2^64", 0, 1, 128, 0, -16ULL, A, U },
		{ "past the end, left disabled", 0, 0, 128, 0, D, A, END },
		{ "enable with size ignored", 0, 0x05, 128, 0, D, A, U },
		{ "enable with desc ignored", 0, 0x09, 128, 0, D, A, U },
		{ "enable with driver ignored", 0, 0x11, 128, 0, D, A, U },
		{ "enable with device ignored", 0, 0x21, 128, 0, D, A, U },
		{ "enable with all ignored", 0, 0x3d, 128, 0, D, A, U },
	};
	const struct bench_params params = { 0 };
	struct vmsg_msg vq, msg;
	struct bench b;
	struct td td;
	size_t i;

	bench_open(&b, &params);
	td_add(&b, &td, 0, 2, 0);
	drv_negotiate(&b, 0, 0);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		msg = (struct vmsg_msg){
			.id = VIRTIO_MSG_SET_VQUEUE,
			.vqueue.index = bad[i].index,
			.vqueue.flags = bad[i].flags,
			.vqueue.size = bad[i].size,
			.vqueue.reserved = bad[i].reserved,
			.vqueue.desc = bad[i].desc,
			.vqueue.driver = bad[i].driver,
			.vqueue.device = bad[i].device,
		};
		ok(bench_ask(&b, &msg), "SET_VQUEUE, %s: answered",
		   bad[i].name);
		vq = drv_get_vq(&b, 0, 0);
		ok(vq.vqueue.max_size == 256 && !vq.vqueue.size &&
		   !vq.vqueue.flags && !vq.vqueue.desc && !vq.vqueue.driver &&
		   !vq.vqueue.device, "SET_VQUEUE, %s: nothing has changed",
		   bad[i].name);
		/* Each on its own. */
		drv_negotiate(&b, 0, 0);
	}
	vq = drv_get_vq(&b, 0, 2);
	ok(vq.vqueue.index == 2 && !vq.vqueue.max_size,
	   "GET_VQUEUE of a queue that does not exist has max_size 0");
	drv_set_status(&b, 0, 0);
	drv_set_status(&b, 0, S_DRIVER);
	msg = (struct vmsg_msg){
		.id = VIRTIO_MSG_SET_VQUEUE,
		.vqueue.flags = 1,
		.vqueue.size = 128,
		.vqueue.desc = D,
		.vqueue.driver = A,
		.vqueue.device = U,
	};
	bench_ask(&b, &msg);
	ok(!drv_get_vq(&b, 0, 0).vqueue.flags, "nothing before FEATURES_OK");
	bench_close(&b);
}

static void set_vq(struct bench *b, uint32_t flags, uint32_t size,
		   uint64_t desc, uint64_t driver, uint64_t device)
{
	struct vmsg_msg msg = {
		.id = VIRTIO_MSG_SET_VQUEUE,
		.vqueue.flags = flags,
		.vqueue.size = size,
		.vqueue.desc = desc,
		.vqueue.driver = driver,
		.vqueue.device = device,
	};

	bench_ask(b, &msg);
}

static bool vq_is(struct bench *b, uint32_t flags, uint32_t size,
		  uint64_t desc, uint64_t driver, uint64_t device)
{
	struct vmsg_msg vq = drv_get_vq(b, 0, 0);

	return vq.vqueue.flags == flags && vq.vqueue.size == size &&
	       vq.vqueue.desc == desc && vq.vqueue.driver == driver &&
	       vq.vqueue.device == device;
}

static void test_ignore_bits(void)
{
	const struct bench_params params = {
		.ring_features = VMSG_BIT(VMSG_F_RING_RESET),
	};
	struct vmsg_msg msg = { .id = VIRTIO_MSG_RESET_VQUEUE };
	struct bench b;
	struct td td;

	bench_open(&b, &params);
	td_add(&b, &td, 0, 1, 0);
	drv_negotiate(&b, 0, 0);
	set_vq(&b, 0x38, 64, D, A, U);
	ok(vq_is(&b, 0, 64, 0, 0, 0), "the size alone");
	set_vq(&b, 0x34, 128, D, A, U);
	ok(vq_is(&b, 0, 64, D, 0, 0), "the descriptors alone");
	set_vq(&b, 0x2c, 128, D + 64, A, U);
	ok(vq_is(&b, 0, 64, D, A, 0), "the driver area alone");
	set_vq(&b, 0x1e, 128, D + 64, A + 64, U);
	ok(vq_is(&b, 0, 64, D, A, U), "the device area alone, keep state");
	set_vq(&b, 0x00, 32, D + 32, A + 32, U + 32);
	ok(vq_is(&b, 0, 32, D + 32, A + 32, U + 32), "all, left disabled");
	set_vq(&b, 0x00, 64, D, A, U + 2);
	ok(vq_is(&b, 0, 32, D + 32, A + 32, U + 32), "one bad: none at all");
	set_vq(&b, 0x3d, 0, 0, 0, 0);
	ok(vq_is(&b, 1, 32, D + 32, A + 32, U + 32), "enable what is there");
	set_vq(&b, 0x3c, 0, 0, 0, 0);
	ok(vq_is(&b, 1, 32, D + 32, A + 32, U + 32),
	   "SET_VQUEUE does not disable");
	set_vq(&b, 0x01, 64, D, A, U);
	ok(vq_is(&b, 1, 32, D + 32, A + 32, U + 32),
	   "nor change an enabled queue");
	set_vq(&b, 0x02, 64, D, A, U);
	ok(vq_is(&b, 1, 32, D + 32, A + 32, U + 32), "nor with keep");

	bench_ask(&b, &msg);
	ok(vq_is(&b, 1, 32, D + 32, A + 32, U + 32) && !td.queue_resets,
	   "RESET_VQUEUE does nothing without RING_RESET");
	drv_negotiate(&b, 0, VMSG_BIT(VMSG_F_RING_RESET));
	ok(vq_is(&b, 0, 0, 0, 0, 0), "a reset makes the queue as new");
	set_vq(&b, 1, 64, D, A, U);
	drv_set_status(&b, 0, S_RUNNING);
	ok(vq_is(&b, 1, 64, D, A, U), "enabled again");
	msg = (struct vmsg_msg){ .id = VIRTIO_MSG_RESET_VQUEUE };
	ok(bench_ask(&b, &msg) && td.queue_resets == 1 &&
	   vq_is(&b, 0, 0, 0, 0, 0), "RESET_VQUEUE makes the queue as new");
	set_vq(&b, 1, 128, D, A, U);
	ok(vq_is(&b, 1, 128, D, A, U), "and it can be enabled again");
	msg = (struct vmsg_msg){
		.id = VIRTIO_MSG_RESET_VQUEUE,
		.vqueue.index = 7,
	};
	ok(bench_ask(&b, &msg), "RESET_VQUEUE of no queue is answered");
	bench_close(&b);
}

static void test_legacy_enable(void)
{
	struct bench_params params = { .legacy_enable = true };
	struct bench b;
	struct td td;

	bench_open(&b, &params);
	td_add(&b, &td, 0, 1, 0);
	drv_negotiate(&b, 0, 0);
	set_vq(&b, 0, 64, D, A, U);
	ok(!drv_get_vq(&b, 0, 0).vqueue.flags, "flags 0 do not enable");
	drv_set_status(&b, 0, S_RUNNING);
	ok(drv_get_vq(&b, 0, 0).vqueue.flags, "legacy: DRIVER_OK does");
	bench_close(&b);

	params.legacy_enable = false;
	bench_open(&b, &params);
	td_add(&b, &td, 0, 1, 0);
	drv_negotiate(&b, 0, 0);
	set_vq(&b, 0, 64, D, A, U);
	drv_set_status(&b, 0, S_RUNNING);
	ok(!drv_get_vq(&b, 0, 0).vqueue.flags, "but only if asked for");
	bench_close(&b);
}

static void test_order(void)
{
	const struct bench_params params = { 0 };
	static const uint16_t devs[] = { 7, 3, 7, 65535, 3 };
	struct virtio_msg_hdr hdr;
	struct td td[3];
	uint8_t bytes[64];
	struct bench b;
	bool good = true;
	size_t i;

	bench_open(&b, &params);
	td_add(&b, &td[0], 3, 1, 0);
	td_add(&b, &td[1], 7, 1, 0);
	td_add(&b, &td[2], 65535, 1, 0);
	bench_flush(&b);
	for (i = 0; i < ARRAY_SIZE(devs); i++) {
		build(bytes, 0, VIRTIO_MSG_GET_DEVICE_STATUS, devs[i], NULL, 0);
		bytes[4] = 0xf0 + i;
		bytes[5] = 0x80;
		bench_put(&b, bytes, 8);
	}
	bench_run(&b);
	for (i = 0; i < ARRAY_SIZE(devs) && b.to_driver.first; i++) {
		struct vmsg_msg msg;

		memcpy(&hdr, b.to_driver.first->bytes, sizeof(hdr));
		good &= le16toh(hdr.token) == 0x80f0 + i &&
			le16toh(hdr.dev_num) == devs[i];
		bench_get(&b, 1, VIRTIO_MSG_GET_DEVICE_STATUS, &msg);
	}
	ok(good && i == ARRAY_SIZE(devs) && !b.to_driver.first,
	   "many requests at once: one answer each, in order, own tokens");
	bench_close(&b);
}

static void test_events_too_early(void)
{
	const struct bench_params params = { 0 };
	static const struct seg segs[] = {
		{ POOL_ADDR + 0x80000, 16, 0 },
		{ POOL_ADDR + 0x81000, 16, VRING_DESC_F_WRITE },
	};
	uint32_t id, len;
	struct bench b;
	struct ring r;
	struct td td;

	bench_open(&b, &params);
	td_add(&b, &td, 0, 2, 0);
	drv_event_avail(&b, 0, 0, 0);
	ok(drv_status(&b, 0) == 0, "EVENT_AVAIL of an inactive device");
	drv_negotiate(&b, 0, 0);
	ring_place(&r, &b, 0, 0, 16, false);
	ring_enable(&r);
	ring_add(&r, segs, 2, false);
	bench_flush(&b);
	ring_kick(&r);
	ok(!td.calls && !ring_used(&r, &id, &len) && !bench_flush(&b),
	   "EVENT_AVAIL before DRIVER_OK is ignored");
	ok(drv_status(&b, 0) == S_FEATURES, "quietly");
	drv_set_status(&b, 0, S_RUNNING);
	ok(ring_used(&r, &id, &len) && len == 16,
	   "but the buffer is found at DRIVER_OK");
	drv_event_avail(&b, 0, 1, 0);
	drv_event_avail(&b, 0, 2, 0);
	drv_event_avail(&b, 0, 0xffffffff, 0);
	drv_event_avail(&b, 1, 0, 0);
	ok(drv_status(&b, 0) == S_RUNNING,
	   "EVENT_AVAIL for queues that are not in use");
	ok(b.bus->num_drops[VMSG_DROP_STATE] == 5 &&
	   b.bus->num_drops[VMSG_DROP_NO_DEVICE] == 1, "is counted");
	bench_close(&b);
}

/* A configuration space larger than a message, changing between its pieces. */
static void test_max_size(size_t max, uint32_t room)
{
	const struct bench_params params = { .max_msg_size = max };
	uint32_t offset, part, first = 0, changes = 0;
	uint8_t copy[TD_CONFIG];
	struct vmsg_msg msg;
	struct bench b;
	struct td td;

	bench_open(&b, &params);
	td_add(&b, &td, 0, 1, 0);
	drv_set_status(&b, 0, S_ACK);
	for (offset = 0; offset < TD_CONFIG; offset += part) {
		part = TD_CONFIG - offset < room ? TD_CONFIG - offset : room;
		if (!get_config(&b, offset, part, &msg) ||
		    msg.config.length != part)
			break;
		memcpy(copy + offset, msg.data, part);
		if (!offset)
			first = msg.config.generation;
		else if (first != msg.config.generation)
			changes++;
		if (offset || room >= TD_CONFIG)
			continue;
		td.config[TD_CONFIG - 1] ^= 0xff;
		vmsg_device_config_changed(td.dev, TD_CONFIG - 1, 1,
					   VMSG_CONFIG_DATA);
	}
	ok(offset == TD_CONFIG && !memcmp(copy, td.config, TD_CONFIG),
	   "%zu: the configuration space in pieces of %u bytes", max, room);
	ok(!!changes == (room < TD_CONFIG),
	   "%zu: a change between the pieces shows in the generation", max);
	if (room < TD_CONFIG)
		ok(!get_config(&b, 0, room + 1, &msg),
		   "%zu: one byte more is not answered", max);
	bench_close(&b);
}

int main(void)
{
	test_sizes();
	test_headers();
	test_vectors();
	test_features();
	test_status();
	test_async_reset();
	test_config(false);
	test_config(true);
	test_event_config();
	test_set_vqueue();
	test_ignore_bits();
	test_legacy_enable();
	test_order();
	test_events_too_early();
	test_max_size(52, 32);
	test_max_size(264, 244);
	test_max_size(65535, 65515);
	return tap_end();
}
