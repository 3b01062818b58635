// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * libvmsg tests: device numbers, bus messages, links without room, the end.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"

static bool get_devices(struct bench *b, uint16_t offset, uint16_t count,
			struct vmsg_msg *msg)
{
	*msg = (struct vmsg_msg){
		.type = VIRTIO_MSG_TYPE_BUS,
		.id = VIRTIO_MSG_BUS_GET_DEVICES,
		.devices.offset = offset,
		.devices.count = count,
	};
	return bench_ask(b, msg) && msg->devices.offset == offset;
}

static bool bit(const struct vmsg_msg *msg, unsigned int num)
{
	return msg->data[num / 8] & 1 << num % 8;
}

static const uint16_t nums[] = { 0, 2, 5, 7, 8, 300, 65535 };

static bool is_num(unsigned int num)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(nums); i++) {
		if (nums[i] == num)
			return true;
	}
	return false;
}

/* All numbers in windows of one size. */
static void test_windows(struct bench *b, uint16_t window)
{
	unsigned int rounds = 0, i, offset = 0, seen = 0, wrong = 0;
	struct vmsg_msg msg;

	do {
		if (!get_devices(b, offset, window, &msg) ||
		    msg.devices.count > window || rounds++ > 65536)
			break;
		for (i = 0; i < msg.data_len * 8; i++) {
			if (!bit(&msg, i))
				continue;
			if (i >= msg.devices.count || !is_num(offset + i))
				wrong++;
			else
				seen++;
		}
		if (msg.devices.next_offset &&
		    msg.devices.next_offset < offset + msg.devices.count)
			wrong++;
		offset = msg.devices.next_offset;
	} while (offset);
	ok(!offset && !wrong && seen == ARRAY_SIZE(nums),
	   "GET_DEVICES in windows of %u: %u answers", window, rounds);
}

static void test_get_devices(void)
{
	const struct bench_params params = { 0 };
	struct td td[ARRAY_SIZE(nums)];
	struct vmsg_msg msg;
	struct bench b;
	size_t i;

	bench_open(&b, &params);
	ok(get_devices(&b, 0, 16, &msg) && !msg.devices.next_offset,
	   "GET_DEVICES of an empty bus");
	for (i = 0; i < ARRAY_SIZE(nums); i++)
		td_add(&b, &td[i], nums[i], 1, 0);
	bench_flush(&b);
	test_windows(&b, 1);
	test_windows(&b, 7);
	test_windows(&b, 8);
	test_windows(&b, 9);
	test_windows(&b, 264);
	test_windows(&b, 65535);
	ok(get_devices(&b, 0, 12, &msg) && msg.devices.count == 12 &&
	   msg.data_len == 2 && msg.data[0] == 0xa5 && msg.data[1] == 0x01 &&
	   msg.devices.next_offset >= 12,
	   "12 slots: 2 bytes, unused bits 0, and more to come");
	ok(get_devices(&b, 0, 0, &msg) && !msg.devices.count &&
	   !msg.devices.next_offset, "a count of 0 is answered with 0, 0");
	ok(get_devices(&b, 65535, 65535, &msg) && msg.devices.count == 1 &&
	   bit(&msg, 0) && !msg.devices.next_offset,
	   "the last number, and none behind it");
	ok(get_devices(&b, 0, 65535, &msg) && msg.devices.count == 2000,
	   "2000 slots fit into 264 bytes");
	vmsg_device_leave(td[6].dev);
	ok(get_devices(&b, 8, 1, &msg) && msg.devices.next_offset == 300,
	   "the next number that is in use");
	ok(get_devices(&b, 300, 1, &msg) && !msg.devices.next_offset,
	   "a device that is leaving is not listed");
	ok(get_devices(&b, 65535, 1, &msg) && !bit(&msg, 0),
	   "nor has it a bit");
	bench_close(&b);
}

static void test_ping(void)
{
	const struct bench_params params = { 0 };
	struct vmsg_msg msg = {
		.type = VIRTIO_MSG_TYPE_BUS,
		.id = VIRTIO_MSG_BUS_PING,
		.ping = 0xdeadbeef,
	};
	struct bench b;

	bench_open(&b, &params);
	ok(bench_ask(&b, &msg) && msg.ping == 0xdeadbeef, "PING");
	bench_close(&b);
}

static bool get_event(struct bench *b, uint16_t num, uint16_t state)
{
	struct vmsg_msg msg;

	return bench_get(b, VIRTIO_MSG_TYPE_BUS, VIRTIO_MSG_BUS_EVENT_DEVICE,
			 &msg) &&
	       msg.event_device.dev_num == num &&
	       msg.event_device.state == state && !msg.dev_num && !msg.token;
}

static void test_hotplug(void)
{
	const struct bench_params params = { 0 };
	const struct seg seg = { POOL_ADDR + 0x80000, 8, VRING_DESC_F_WRITE };
	struct vmsg_device_desc desc = { 0 };
	uint32_t id, len;
	struct bench b;
	struct ring r;
	struct td td;

	bench_open(&b, &params);
	td_add(&b, &td, 9, 1, 0);
	ok(get_event(&b, 9, VIRTIO_MSG_DEVICE_ADDED), "EVENT_DEVICE ADDED");
	desc.ops = vmsg_device_ops(td.dev);
	desc.device_id = 1;
	errno = 0;
	ok(!vmsg_device_add(b.bus, 9, &desc) && errno == EBUSY,
	   "a number can be used once");
	ok(!vmsg_device_add(b.bus, 65536, &desc) && errno == ERANGE,
	   "device number 65536 does not exist");
	ok(!b.to_driver.first, "nothing is said about those");
	drv_negotiate(&b, 9, 0);
	ring_place(&r, &b, 9, 0, 16, false);
	ring_enable(&r);
	drv_set_status(&b, 9, S_RUNNING);
	td.keep = true;
	ring_add(&r, &seg, 1, false);
	ring_kick(&r);
	td.later = true;
	bench_flush(&b);
	vmsg_device_leave(td.dev);
	ok(!b.to_driver.first && !vmsg_device_left(td.dev),
	   "REMOVED waits for a model that has buffers");
	td_finish(&td, 0);
	ok(!ring_used(&r, &id, &len), "that it cannot give back any more");
	vmsg_device_reset_done(td.dev);
	ok(get_event(&b, 9, VIRTIO_MSG_DEVICE_REMOVED) &&
	   vmsg_device_left(td.dev), "EVENT_DEVICE REMOVED");
	vmsg_device_leave(td.dev);
	ok(!b.to_driver.first, "once");
	ok(drv_status(&b, 9) == 0, "requests that cross it are answered");
	ok(drv_set_status(&b, 9, S_ACK) == 0, "but do not wake the device up");
	vmsg_device_free(td.dev);
	ok(drv_status(&b, 9) == ~0u, "after that there is nobody");
	td_add(&b, &td, VMSG_ANY_NUM, 1, 0);
	ok(vmsg_device_num(td.dev) == 0, "the lowest number that is free");
	bench_close(&b);
}

/* The link has no room: nothing is read, lost, or piled up. */
static void test_no_room(void)
{
	const struct bench_params params = {
		.ring_features = VMSG_BIT(VMSG_F_RING_RESET),
	};
	const struct seg seg = { POOL_ADDR + 0x80000, 8, VRING_DESC_F_WRITE };
	struct vmsg_msg msg = { .id = VIRTIO_MSG_GET_DEVICE_STATUS };
	unsigned int i, events = 0;
	uint8_t bytes[64];
	struct bench b;
	struct ring r;
	struct td td, other;
	int len;

	bench_open(&b, &params);
	td_add(&b, &td, 0, 1, 0);
	drv_negotiate(&b, 0, 0);
	ring_place(&r, &b, 0, 0, 16, false);
	ring_enable(&r);
	drv_set_status(&b, 0, S_RUNNING);
	bench_flush(&b);

	b.room = 0;
	for (i = 0; i < 3; i++) {
		msg.token = 0x100 + i;
		len = vmsg_wire_encode(b.dialect, &msg, bytes, sizeof(bytes));
		bench_put(&b, bytes, len);
	}
	bench_run(&b);
	ok(!b.to_driver.first && b.to_device.first &&
	   b.to_device.first->next && !b.to_device.first->next->next,
	   "one request is taken, the others wait");
	td.keep = true;
	for (i = 0; i < 5; i++) {
		vmsg_device_config_changed(td.dev, i, 1, VMSG_CONFIG_DATA);
		ring_add(&r, &seg, 1, false);
	}
	vmsg_vq_kick(&td.dev->vqs[0]);
	bench_run(&b);
	for (i = 0; i < 5; i++)
		td_finish(&td, i);
	td_add(&b, &other, 1, 1, 0);
	ok(!b.to_driver.first, "events wait as well");
	b.room = 1;
	bench_run(&b);
	ok(bench_get(&b, 1, VIRTIO_MSG_GET_DEVICE_STATUS, &msg) &&
	   msg.token == 0x100 && !b.to_driver.first,
	   "room for one: the answer that waits");
	b.room = -1;
	bench_run(&b);
	ok(bench_get(&b, 1, VIRTIO_MSG_GET_DEVICE_STATUS, &msg) &&
	   msg.token == 0x101 &&
	   bench_get(&b, 1, VIRTIO_MSG_GET_DEVICE_STATUS, &msg) &&
	   msg.token == 0x102, "room for all: all the answers");
	ok(get_event(&b, 1, VIRTIO_MSG_DEVICE_ADDED), "and the new device");
	while (bench_get(&b, 0, VIRTIO_MSG_EVENT_CONFIG, &msg)) {
		events++;
		if (msg.event_config.length ||
		    msg.event_config.generation != td.dev->generation)
			events += 100;
	}
	ok(events == 1, "one EVENT_CONFIG for all changes, generic");
	events = 0;
	while (bench_get(&b, 0, VIRTIO_MSG_EVENT_USED, &msg))
		events++;
	ok(events == 1, "one EVENT_USED for all buffers");
	ok(!b.to_driver.first, "and nothing else");

	/* An answer that comes late, when there is no room. */
	drv_negotiate(&b, 0, VMSG_BIT(VMSG_F_RING_RESET));
	td.later = true;
	msg = (struct vmsg_msg){ .id = VIRTIO_MSG_RESET_VQUEUE };
	ok(!bench_ask(&b, &msg), "a RESET_VQUEUE that takes time");
	b.room = 0;
	vmsg_device_config_changed(td.dev, 0, 1, VMSG_CONFIG_DATA);
	vmsg_vq_reset_done(td.vq);
	ok(!b.to_driver.first, "its answer waits for room");
	b.room = -1;
	bench_run(&b);
	ok(bench_get(&b, 1, VIRTIO_MSG_RESET_VQUEUE, &msg) &&
	   msg.token == b.token, "and is sent then");
	bench_close(&b);
}

static void test_dead(void)
{
	const struct bench_params params = { 0 };
	struct bench b;
	struct td td;

	bench_open(&b, &params);
	td_add(&b, &td, 0, 1, 0);
	bench_flush(&b);
	b.error = -ENODEV;
	bench_put(&b, "", 0);
	bench_run(&b);
	ok(b.dead, "the end of the link is told");
	vmsg_device_leave(td.dev);
	ok(!b.to_driver.first && vmsg_device_left(td.dev),
	   "nothing is sent any more, and nothing waits");
	bench_close(&b);
}

/* The driver side goes away while models still touch the memory. */
static void test_gone(void)
{
	const struct bench_params params = {
		.ring_features = VMSG_BIT(VMSG_F_RING_RESET),
	};
	const struct seg seg = { POOL_ADDR + 0x80000, 8, VRING_DESC_F_WRITE };
	struct vmsg_msg msg = { .id = VIRTIO_MSG_GET_DEVICE_STATUS };
	struct td slow, slower, quick;
	uint32_t id, len;
	uint8_t bytes[64];
	struct bench b;
	struct ring r;

	bench_open(&b, &params);
	td_add(&b, &quick, 0, 1, 0);
	td_add(&b, &slow, 1, 1, 0);
	td_add(&b, &slower, 2, 1, 0);
	drv_negotiate(&b, 0, 0);
	drv_negotiate(&b, 2, 0);
	drv_negotiate(&b, 1, 0);
	ring_place(&r, &b, 1, 0, 16, false);
	ring_enable(&r);
	drv_set_status(&b, 1, S_RUNNING);
	slow.keep = true;
	ring_add(&r, &seg, 1, false);
	ring_kick(&r);
	slow.later = true;
	slower.later = true;
	quick.resets = 0;
	bench_flush(&b);

	b.gone = true;
	bench_put(&b, bytes, vmsg_wire_encode(b.dialect, &msg, bytes, 64));
	bench_run(&b);
	ok(!b.to_driver.first && b.to_device.first,
	   "the driver side has gone: nobody gets an answer");
	ok(quick.resets == 1 && !vmsg_device_status(quick.dev),
	   "all devices are reset");
	b.num_received = 0;
	bench_run(&b);
	ok(!b.num_received, "nothing is read while models touch memory");
	td_finish(&slow, 0);
	ok(!ring_used(&r, &id, &len), "they cannot give anything back");
	vmsg_device_reset_done(slow.dev);
	bench_run(&b);
	ok(!b.num_received, "until the last one has let go");
	vmsg_device_reset_done(slower.dev);
	bench_run(&b);
	ok(b.num_received && bench_flush(&b) == 1, "then it goes on");
	slow.later = false;
	ok(drv_negotiate(&b, 1, 0), "with the next one");

	b.gone = true;
	slow.later = true;
	bench_put(&b, bytes, vmsg_wire_encode(b.dialect, &msg, bytes, 64));
	bench_run(&b);
	vmsg_device_reset_done(slower.dev);
	vmsg_device_free(slow.dev);
	bench_run(&b);
	ok(bench_flush(&b) == 1, "a device that is cut off is not waited for");
	bench_close(&b);
}

/* What the RFC of late 2025 says in other words. */
static void test_rfc(void)
{
	const struct bench_params params = { .rfc = true };
	struct vmsg_msg msg;
	uint8_t bytes[264] = { 0 }, *frame;
	struct bench b;
	struct td td;

	bench_open(&b, &params);
	td_add(&b, &td, 3, 2, 0);
	ok(get_event(&b, 3, VIRTIO_MSG_DEVICE_ADDED), "RFC: EVENT_DEVICE");
	msg = (struct vmsg_msg){
		.type = VIRTIO_MSG_TYPE_BUS,
		.id = VIRTIO_MSG_BUS_PING,
		.token = 0x1234,
		.ping = 7,
	};
	bench_put(&b, bytes, vmsg_wire_encode(b.dialect, &msg, bytes, 64));
	bench_run(&b);
	ok(bench_get(&b, 3, VIRTIO_MSG_BUS_PING, &msg) && msg.ping == 7 &&
	   !msg.token, "RFC: answers to bus messages have token 0");
	ok(get_devices(&b, 0, 32, &msg) && bit(&msg, 3) &&
	   msg.devices.count == 32, "RFC: GET_DEVICES");
	msg = (struct vmsg_msg){
		.type = VIRTIO_MSG_TYPE_BUS,
		.id = VIRTIO_MSG_BUS_GET_DEVICES,
		.devices.count = 32,
	};
	bench_put(&b, bytes, vmsg_wire_encode(b.dialect, &msg, bytes, 64));
	bench_run(&b);
	frame = b.to_driver.first->bytes;
	ok(frame[10] == 32 && !frame[11] && !frame[12] && frame[14] == 8,
	   "RFC: the count is in front of the next offset");
	bench_flush(&b);
	msg = (struct vmsg_msg){ .dev_num = 3, .id = VIRTIO_MSG_GET_DEVICE_INFO };
	ok(bench_ask(&b, &msg) && msg.info.device_id == 42 &&
	   msg.info.config_size == TD_CONFIG, "RFC: GET_DEVICE_INFO");
	msg = (struct vmsg_msg){ .dev_num = 4, .id = VIRTIO_MSG_GET_DEVICE_INFO };
	ok(bench_ask(&b, &msg) && !msg.info.device_id &&
	   !msg.info.num_feature_blocks && !msg.info.config_size,
	   "RFC: no device is one of zeros");
	ok(drv_status(&b, 4) == ~0u, "RFC: that answers nothing else");
	ok(drv_get_vq(&b, 3, 0).vqueue.size == 256 &&
	   drv_get_vq(&b, 3, 1).vqueue.size == 1024,
	   "RFC: a new queue has its largest size");
	ok(drv_negotiate(&b, 3, 0), "RFC: negotiation");
	msg = (struct vmsg_msg){
		.dev_num = 3,
		.id = VIRTIO_MSG_SET_VQUEUE,
		.vqueue.size = 16,
		.vqueue.desc = POOL_ADDR + 0x1000,
		.vqueue.driver = POOL_ADDR + 0x2000,
		.vqueue.device = POOL_ADDR + 0x3000,
	};
	ok(bench_ask(&b, &msg) && drv_get_vq(&b, 3, 0).vqueue.size == 16 &&
	   td.dev->vqs[0].enabled, "RFC: SET_VQUEUE enables");

	msg = (struct vmsg_msg){
		.dev_num = 3,
		.id = VIRTIO_MSG_GET_CONFIG,
		.config.length = 28,
	};
	ok(bench_ask(&b, &msg) && msg.config.length == 28 &&
	   msg.data_len == 28, "RFC: 28 bytes of configuration fit");
	msg.id = VIRTIO_MSG_SET_CONFIG;
	msg.type = 0;
	msg.config.generation++;
	msg.config.length = 1;
	msg.data = (const uint8_t *)"x";
	msg.data_len = 1;
	ok(bench_ask(&b, &msg) && !msg.config.length && !td.config[0],
	   "RFC: a stale generation is refused");
	msg.type = 0;
	msg.config.length = 1;
	msg.data = (const uint8_t *)"x";
	msg.data_len = 1;
	ok(bench_ask(&b, &msg) && msg.config.length == 1 &&
	   td.config[0] == 'x', "RFC: the right one is not");
	msg = (struct vmsg_msg){
		.dev_num = 3,
		.id = VIRTIO_MSG_GET_CONFIG,
		.config.length = 29,
	};
	ok(!bench_ask(&b, &msg), "RFC: 29 bytes do not fit into 48");
	vmsg_device_config_changed(td.dev, 0, 16, VMSG_CONFIG_DATA);
	ok(b.to_driver.first->len == 40,
	   "RFC: EVENT_CONFIG with 16 bytes");
	bench_flush(&b);
	vmsg_device_config_changed(td.dev, 0, 25, VMSG_CONFIG_DATA);
	ok(b.to_driver.first->len == 24, "RFC: 25 bytes do not fit");
	bench_close(&b);
}

static void bump(void *arg)
{
	++*(int *)arg;
}

struct again {
	struct vmsg_loop *loop;
	struct vmsg_work work;
	int num;
};

static void do_again(void *arg)
{
	struct again *again = arg;

	again->num++;
	vmsg_loop_defer(again->loop, &again->work);
}

static void test_loop(void)
{
	int a_num = 0, b_num = 0;
	struct vmsg_work a = { .fn = bump, .arg = &a_num };
	struct vmsg_work b = { .fn = bump, .arg = &b_num };
	struct again again = { .work.fn = do_again, .work.arg = &again };
	struct vmsg_loop *loop = vmsg_loop_new();

	again.loop = loop;
	vmsg_loop_defer(loop, &a);
	vmsg_loop_defer(loop, &a);
	vmsg_loop_defer(loop, &b);
	vmsg_loop_cancel(loop, &b);
	vmsg_loop_cancel(loop, &b);
	vmsg_loop_once(loop, -1);
	ok(a_num == 1 && !b_num, "work is done once, and not when cancelled");
	vmsg_loop_defer(loop, &again.work);
	vmsg_loop_defer(loop, &a);
	vmsg_loop_once(loop, -1);
	ok(again.num == 1 && a_num == 2, "work that goes on gives way");
	vmsg_loop_cancel(loop, &again.work);
	ok(!vmsg_loop_once(loop, 0) && again.num == 1, "until it is cancelled");
	vmsg_loop_free(loop);
}

int main(void)
{
	test_get_devices();
	test_ping();
	test_hotplug();
	test_no_room();
	test_dead();
	test_gone();
	test_rfc();
	test_loop();
	return tap_end();
}
