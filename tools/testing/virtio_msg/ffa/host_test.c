// SPDX-License-Identifier: GPL-2.0
/*
 * The secure side of the FF-A tests, tested itself, as a program of this machine:
 * a well-behaved driver side has no violations, and every rule, broken once, is
 * one. Then calls and messages at random, for the sanitizers.
 *
 *	host-test [ROUNDS [SEED]]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "secure.h"

#define BASE		0x40000000ull
#define SIZE		(4u << 20)
#define PARTITION	0x8001u
#define RNG		5
#define BLK		2
#define AREA		1

/* Where things lie in memory */
#define TX		0
#define RX		PAGE
#define SHARED		(16 * PAGE)
#define SHARED_PAGES	64
/* Offsets in the area */
#define DESC		0
#define AVAIL		0x1000
#define USED		0x2000
#define DATA		0x3000

/* VIRTIO_F_VERSION_1, VIRTIO_F_ACCESS_PLATFORM */
#define VERSION_1	0x300000000ull

/* And what devices offer of rings */
#define RINGS		(VERSION_1 | knobs.event_idx << VIRTIO_RING_F_EVENT_IDX | \
			 knobs.tables << VIRTIO_RING_F_INDIRECT_DESC)

static u8 ram[SIZE];
static unsigned int interrupts;
static bool loud;
static u64 x[NUM_REGS];
static u8 *const frame = (u8 *)(x + 4);
static unsigned int failures;

/* --- platform.h --------------------------------------------------------------- */

void *plat_ram(u64 address, u64 len)
{
	if (address < BASE || address - BASE >= SIZE || len > SIZE - (address - BASE))
		return NULL;
	return ram + (address - BASE);
}

void plat_log(const char *line)
{
	if (loud)
		printf("# %s\n", line);
}

void plat_interrupt(unsigned int number)
{
	interrupts++;
}

void plat_wake_devices(void)
{
}

void plat_barrier(void)
{
}

/* --- a driver side -------------------------------------------------------------- */

static void call(u32 function, u64 a, u64 b, u64 c, u64 d)
{
	memset(x, 0, sizeof(x));
	x[0] = function;
	x[1] = a;
	x[2] = b;
	x[3] = c;
	x[4] = d;
	firmware_call(x);
}

static bool failed(int code)
{
	return x[0] == 0x84000060 && (u32)x[2] == (u32)code;
}

/* Sends @len bytes of payload; the answer is in @frame. */
static void ask(u8 type, u8 id, u16 dev_num, const void *payload, unsigned int len)
{
	memset(x, 0, sizeof(x));
	x[0] = 0xc400008d;
	x[1] = PARTITION;
	x[2] = partitions[0].uuid[0];
	x[3] = partitions[0].uuid[1];
	frame[0] = type;
	frame[1] = id;
	put16(frame + 2, dev_num);
	put16(frame + 4, 77);
	put16(frame + 6, VMSG_HDR_SIZE + len);
	if (len)
		memcpy(frame + VMSG_HDR_SIZE, payload, len);
	firmware_call(x);
}

static const u8 *answer(void)
{
	return frame + VMSG_HDR_SIZE;
}

static void version(void)
{
	const u32 payload[2] = { VIRTIO_MSG_FFA_VERSION_1_0, VIRTIO_MSG_REVISION_1 };

	ask(VIRTIO_MSG_TYPE_BUS, VIRTIO_MSG_FFA_VERSION, 0, payload, sizeof(payload));
}

/* One range of @pages at @at, described in the buffer */
static u64 share(u64 at, u32 pages)
{
	u8 *d = ram + TX;

	memset(d, 0, 112 + 16);
	put16(d + 2, 0x2f);
	put32(d + 24, 32);
	put32(d + 28, 1);
	put32(d + 32, 48);
	put16(d + 48, PARTITION);
	d[50] = 2;
	put32(d + 52, 80);
	put32(d + 80, pages);
	put32(d + 84, 1);
	put32(d + 96, BASE + at);
	put32(d + 104, pages);
	call(0xc4000073, 112, 112, 0, 0);
	return (u32)x[2] | x[3] << 32;
}

static void area_share(u16 num, u64 handle, u32 pages)
{
	u8 payload[26] = {};

	put16(payload, num);
	put32(payload + 2, handle);
	put32(payload + 6, handle >> 32);
	put32(payload + 18, pages);
	put32(payload + 22, 0x6f4);
	ask(VIRTIO_MSG_TYPE_BUS, VIRTIO_MSG_FFA_AREA_SHARE, 0, payload, sizeof(payload));
}

static void area_unshare(u16 num)
{
	ask(VIRTIO_MSG_TYPE_BUS, VIRTIO_MSG_FFA_AREA_UNSHARE, 0, &num, sizeof(num));
}

static void reclaim(u64 handle)
{
	call(0x84000077, (u32)handle, handle >> 32, 0, 0);
}

static void set_status(u16 dev_num, u32 status)
{
	ask(0, VIRTIO_MSG_SET_DEVICE_STATUS, dev_num, &status, sizeof(status));
}

static void set_features(u16 dev_num, u64 features)
{
	const u32 payload[4] = { 0, 2, features, features >> 32 };

	ask(0, VIRTIO_MSG_SET_DRIVER_FEATURES, dev_num, payload, sizeof(payload));
}

static void set_queue_at(u16 dev_num, u32 index, u32 size, u64 desc, u64 device)
{
	struct virtio_msg_set_vqueue payload = {
		.index = index,
		.flags = VIRTIO_MSG_VQUEUE_OP_ENABLE,
		.size = size,
		.desc = desc,
		.driver = desc + AVAIL,
		.device = device,
	};

	ask(0, VIRTIO_MSG_SET_VQUEUE, dev_num, &payload, sizeof(payload));
}

static void set_queue(u16 dev_num, u32 index, u32 size, u64 desc)
{
	set_queue_at(dev_num, index, size, desc, desc + USED);
}

static void kick(u16 dev_num, u32 index)
{
	const u32 payload[2] = { index, 0 };

	ask(0, VIRTIO_MSG_EVENT_AVAIL, dev_num, payload, sizeof(payload));
}

static u64 bus_address(u64 offset)
{
	return (u64)AREA << VIRTIO_MSG_FFA_AREA_SHIFT | offset;
}

static void descriptor(unsigned int n, u64 address, u32 len, u16 flags, u16 next)
{
	const struct vring_desc desc = { address, len, flags, next };

	memcpy(ram + SHARED + DESC + 16 * n, &desc, sizeof(desc));
}

static void offer(u16 head)
{
	u8 *avail = ram + SHARED + AVAIL;
	u16 index = get16(avail + 2);

	put16(avail + 4 + 2 * (index % QUEUE_SIZE), head);
	put16(avail + 2, index + 1);
}

static u16 used(void)
{
	return get16(ram + SHARED + USED + 2);
}

static u64 handle;

/* Until a bus is there */
static void begin(const char *knobs)
{
	memset(ram, 0, sizeof(ram));
	interrupts = 0;
	secure_reset(knobs);
	call(0xc4000066, BASE + TX, BASE + RX, 1, 0);
	version();
	handle = share(SHARED, SHARED_PAGES);
	area_share(AREA, handle, SHARED_PAGES);
}

/* Until device @dev_num runs with @features, with its queue 0 */
static void run_with(u16 dev_num, u64 features)
{
	set_status(dev_num, 0);
	set_status(dev_num, 1);
	set_status(dev_num, 3);
	set_features(dev_num, features);
	set_status(dev_num, 11);
	set_queue(dev_num, 0, QUEUE_SIZE, bus_address(DESC));
	set_status(dev_num, 15);
}

static void run(u16 dev_num)
{
	run_with(dev_num, VERSION_1);
}

static void end(u16 dev_num)
{
	set_status(dev_num, 0);
	area_unshare(AREA);
	reclaim(handle);
}

/* --- the tests -------------------------------------------------------------------- */

#define check(condition) do {						\
	if (!(condition)) {						\
		printf("# line %d: %s\n", __LINE__, #condition);	\
		failures++;						\
	}								\
} while (0)

static void check_clean(void)
{
	check(!log_violations());
	check(!memory_left());
	check(!partitions_areas_left());
	check(!notify_left());
	check(!fault_unseen());
}

static void test_life(void)
{
	begin("");
	check(get32(answer()) == (AREA | VIRTIO_MSG_FFA_OK << 16));
	run(RNG);
	descriptor(0, bus_address(DATA), 64, VRING_DESC_F_WRITE, 0);
	offer(0);
	kick(RNG, 0);
	check(used() == 1);
	check(get32(ram + SHARED + DATA + 4) == (RNG << 24 | 1));
	ask(VIRTIO_MSG_TYPE_BUS, VIRTIO_MSG_FFA_EVENT_POLL, 0, NULL, 0);
	check(frame[1] == VIRTIO_MSG_EVENT_USED && get16(frame + 2) == RNG);
	ask(VIRTIO_MSG_TYPE_BUS, VIRTIO_MSG_FFA_EVENT_POLL, 0, NULL, 0);
	check(frame[1] == VIRTIO_MSG_FFA_EVENT_POLL && get16(frame + 6) == 8);
	end(RNG);
	check_clean();
}

static void test_disk(void)
{
	struct virtio_blk_outhdr *head = (void *)(ram + SHARED + DATA);
	u8 *data = ram + SHARED + DATA + 512;

	begin("");
	run(BLK);
	descriptor(0, bus_address(DATA), 16, VRING_DESC_F_NEXT, 1);
	descriptor(1, bus_address(DATA + 512), 512, VRING_DESC_F_NEXT, 2);
	descriptor(2, bus_address(DATA + 16), 1, VRING_DESC_F_WRITE, 0);
	head->type = VIRTIO_BLK_T_OUT;
	head->sector = 7;
	memset(data, 0x5a, 512);
	data[-1] = 0xff;
	offer(0);
	kick(BLK, 0);
	descriptor(1, bus_address(DATA + 1024), 512,
		   VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 2);
	head->type = VIRTIO_BLK_T_IN;
	offer(0);
	kick(BLK, 0);
	check(used() == 2);
	check(!memcmp(data, data + 512, 512));
	check(ram[SHARED + DATA + 16] == VIRTIO_BLK_S_OK);
	head->sector = 8;
	offer(0);
	kick(BLK, 0);
	check(used() == 3 && !data[512] && !data[1023]);
	end(BLK);
	check_clean();
}

/* Is there an event? */
static bool event(void)
{
	ask(VIRTIO_MSG_TYPE_BUS, VIRTIO_MSG_FFA_EVENT_POLL, 0, NULL, 0);
	return frame[1] == VIRTIO_MSG_EVENT_USED;
}

static void test_event_idx(void)
{
	u8 *used_event = ram + SHARED + AVAIL + 4 + 2 * QUEUE_SIZE;
	u8 *avail_event = ram + SHARED + USED + 4 + 8 * QUEUE_SIZE;

	begin("vmsg.event_idx=1");
	run_with(RNG, VERSION_1 | 1 << VIRTIO_RING_F_EVENT_IDX);
	descriptor(0, bus_address(DATA), 64, VRING_DESC_F_WRITE, 0);
	put16(used_event, 1);
	offer(0);
	kick(RNG, 0);
	check(used() == 1 && get16(avail_event) == 1);
	check(!event());
	offer(0);
	offer(0);
	kick(RNG, 0);
	check(used() == 3 && get16(avail_event) == 3);
	check(event());
	check(!event());
	end(RNG);
	check_clean();
	/* The area ends with the used ring, and its event lies behind that. */
	begin("vmsg.event_idx=1");
	set_status(RNG, 3);
	set_features(RNG, VERSION_1 | 1 << VIRTIO_RING_F_EVENT_IDX);
	set_status(RNG, 11);
	check(!log_violations());
	set_queue_at(RNG, 0, 4, bus_address(DESC),
		     bus_address(SHARED_PAGES * PAGE - 36));
	check(log_violations());
}

static void test_tables(void)
{
	begin("vmsg.tables=1");
	run_with(RNG, VERSION_1 | 1 << VIRTIO_RING_F_INDIRECT_DESC);
	descriptor(5, bus_address(DESC) + 16 * 70, 32, VRING_DESC_F_INDIRECT, 0);
	descriptor(70, bus_address(DATA), 4, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 1);
	descriptor(71, bus_address(DATA + 64), 4, VRING_DESC_F_WRITE, 0);
	offer(5);
	kick(RNG, 0);
	check(used() == 1);
	check(get32(ram + SHARED + DATA + 64) == (RNG << 24 | 1));
	end(RNG);
	check_clean();
}

static void test_notification(void)
{
	const u8 method[4] = { VIRTIO_MSG_FFA_EVENTS_NOTIF, 0, 9, 0 };

	begin("vmsg.events=npi");
	run(RNG);
	call(0x8400007f, PARTITION << 16, 0, 1 << 9, 0);
	ask(VIRTIO_MSG_TYPE_BUS, VIRTIO_MSG_FFA_EVENT_CONFIGURE, 0, method, 4);
	check(!get16(answer()));
	descriptor(0, bus_address(DATA), 64, VRING_DESC_F_WRITE, 0);
	offer(0);
	kick(RNG, 0);
	check(interrupts == 1);
	call(0x84000082, 0, 5, 0, 0);
	check(x[2] == 1 << 9);
	ask(VIRTIO_MSG_TYPE_BUS, VIRTIO_MSG_FFA_RESET, 0, NULL, 0);
	call(0x84000080, PARTITION << 16, 0, 1 << 9, 0);
	reclaim(handle);
	check_clean();
}

static void send_indirect(const u8 *message, unsigned int size)
{
	u8 *head = ram + TX;

	memset(head, 0, 40 + size);
	put32(head + 8, 40);
	put32(head + 12, PARTITION);
	put32(head + 16, size);
	memcpy(head + 24, partitions[0].uuid, 16);
	memcpy(head + 40, message, size);
	call(0x84000086, 0, 0, 0, 0);
}

static void test_indirect(void)
{
	static const u8 ping[12] = { VIRTIO_MSG_TYPE_BUS, VIRTIO_MSG_BUS_PING,
				     0, 0, 5, 0, 12, 0, 1, 2, 3, 4 };
	const u8 *got = ram + RX;
	unsigned int n;

	begin("vmsg.indirect=1");
	for (n = 0; n < 3; n++)
		send_indirect(ping, sizeof(ping));
	for (n = 0; n < 3; n++) {
		check(get32(got + 16) == 12 && got[40] == 3 && got[51] == 4);
		call(0x84000082, 0, 5, 0, 0);
		check(x[6] == 1);
		memset(ram + RX, 0, 64);
		call(0x84000065, 0, 0, 0, 0);
		check(x[0] == 0x84000061);
	}
	call(0x84000082, 0, 5, 0, 0);
	check(!x[6] && !get32(got + 16));
	for (n = 0; n < MAX_OUT; n++)
		send_indirect(ping, sizeof(ping));
	check(failed(FFA_BUSY));
	end(RNG);
	check(!log_violations());
}

/* 300 ranges: more than the buffer has room for */
static void test_fragments(void)
{
	u8 text[112 + 16 * 300] = {};
	unsigned int n;

	begin("");
	end(RNG);
	share(SHARED, 1);
	memcpy(text, ram + TX, 96);
	reclaim((u32)x[2] | x[3] << 32);
	put32(text + 80, 300);
	put32(text + 84, 300);
	for (n = 0; n < 300; n++) {
		put32(text + 96 + 16 * n, BASE + SHARED + 2 * n * PAGE);
		put32(text + 104 + 16 * n, 1);
	}
	memcpy(ram + TX, text, PAGE);
	call(0xc4000073, sizeof(text) - 16, PAGE, 0, 0);
	check(x[0] == 0x8400007a && x[3] == PAGE);
	handle = x[1] | x[2] << 32;
	memcpy(ram + TX, text + PAGE, sizeof(text) - 16 - PAGE);
	call(0x8400007b, (u32)handle, handle >> 32, sizeof(text) - 16 - PAGE, 0);
	check(x[0] == 0x84000061 && memory_find(handle));
	area_share(AREA, handle, 300);
	check(area_at(&partitions[0], bus_address(299 * PAGE + 8), 8) ==
	      ram + SHARED + 2 * 299 * PAGE + 8);
	end(RNG);
	check_clean();
}

static void test_faults(void)
{
	secure_reset("vmsg.fault=busy@1,token@2,yield@3,event@4");
	version();
	check(failed(FFA_BUSY));
	version();
	check(get16(frame + 4) != 77);
	version();
	check(x[0] == 0x8400006c);
	call(0x8400006d, x[1], 0, 0, 0);
	call(0x8400006d, x[1], 0, 0, 0);
	check(x[0] == 0xc400008e && get16(frame + 4) == 77);
	version();
	check(frame[1] == VIRTIO_MSG_EVENT_USED);
	ask(VIRTIO_MSG_TYPE_BUS, VIRTIO_MSG_FFA_EVENT_POLL, 0, NULL, 0);
	check(frame[1] == VIRTIO_MSG_FFA_VERSION);
	version();
	check(frame[1] == VIRTIO_MSG_FFA_VERSION && get16(frame + 4) == 77);
	check_clean();
}

static void test_hotplug(void)
{
	begin("");
	check(partition_command(&partitions[0], "add 40\n"));
	check(!partition_command(&partitions[0], "add 40"));
	ask(VIRTIO_MSG_TYPE_BUS, VIRTIO_MSG_FFA_EVENT_POLL, 0, NULL, 0);
	check(frame[1] == VIRTIO_MSG_BUS_EVENT_DEVICE && get16(answer()) == 40);
	check(partition_command(&partitions[0], "remove 5"));
	run(RNG);
	end(40);
	check_clean();
}

static void test_truncate(void)
{
	begin("vmsg.truncate=1");
	ask(0, VIRTIO_MSG_GET_DEVICE_INFO, RNG, NULL, 0);
	check(get16(frame + 6) == 52 && !get32(frame + 32));
}

/* Rules, each of which is broken once: one violation, no less and no more. */

static void break_reclaim_early(void)
{
	reclaim(handle);
	check(failed(FFA_DENIED));
}

static void break_reclaim_unknown(void)
{
	reclaim(handle + 5);
	check(failed(FFA_INVALID));
}

static void break_share_twice(void)
{
	share(SHARED + 3 * PAGE, 1);
	check(failed(FFA_DENIED));
}

static void break_share_nowhere(void)
{
	share(SIZE, 4);
}

static void break_share_sum(void)
{
	/* The description of the area is still there, of 64 pages. */
	put32(ram + TX + 96, BASE + SHARED + SHARED_PAGES * PAGE);
	put32(ram + TX + 104, 1);
	call(0xc4000073, 112, 112, 0, 0);
	check(failed(FFA_INVALID));
}

static void break_end(void)
{
	check(!area_at(&partitions[0], bus_address(SHARED_PAGES * PAGE - 4), 8));
}

static void break_area_twice(void)
{
	area_share(AREA, share(SHARED + SHARED_PAGES * PAGE, 1), 1);
	check(get16(answer() + 2) == VIRTIO_MSG_FFA_FAILED);
}

static void break_area_of_nothing(void)
{
	area_share(AREA + 1, handle + 1, 1);
}

static void break_area_size(void)
{
	area_share(AREA + 1, share(SHARED + SHARED_PAGES * PAGE, 2), 3);
}

static void break_unshare(void)
{
	area_unshare(AREA + 3);
}

static void break_access(void)
{
	run(RNG);
	descriptor(0, bus_address(SHARED_PAGES * PAGE - 8), 64, VRING_DESC_F_WRITE, 0);
	offer(0);
	kick(RNG, 0);
}

static void break_access_after(void)
{
	run(RNG);
	area_unshare(AREA);
	kick(RNG, 0);
}

static void break_ring(void)
{
	run(RNG);
	put16(ram + SHARED + AVAIL + 2, 1000);
	kick(RNG, 0);
}

static void break_loop(void)
{
	run(RNG);
	descriptor(0, bus_address(DATA), 4, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 0);
	offer(0);
	kick(RNG, 0);
}

/* One buffer, by a table of @len bytes; the descriptor in it has flags @inner. */
static void table(u64 features, u32 len, u16 flags, u16 inner)
{
	begin("vmsg.tables=1");
	run_with(RNG, VERSION_1 | features);
	descriptor(0, bus_address(DESC) + 16 * 70, len, flags, 0);
	descriptor(70, bus_address(DATA), 16, inner, 0);
	offer(0);
	kick(RNG, 0);
}

static void break_table_refused(void)
{
	table(0, 16, VRING_DESC_F_INDIRECT, VRING_DESC_F_WRITE);
}

static void break_table_size(void)
{
	table(1 << VIRTIO_RING_F_INDIRECT_DESC, 24, VRING_DESC_F_INDIRECT,
	      VRING_DESC_F_WRITE);
}

static void break_table_next(void)
{
	table(1 << VIRTIO_RING_F_INDIRECT_DESC, 16,
	      VRING_DESC_F_INDIRECT | VRING_DESC_F_NEXT, VRING_DESC_F_WRITE);
}

static void break_table_in_table(void)
{
	table(1 << VIRTIO_RING_F_INDIRECT_DESC, 16, VRING_DESC_F_INDIRECT,
	      VRING_DESC_F_INDIRECT);
}

static void break_noise(void)
{
	ask(VIRTIO_MSG_TYPE_BUS, VIRTIO_MSG_FFA_RESET, 0, NULL, 0);
	memset(frame, 0, VIRTIO_MSG_FFA_DIRECT_SIZE);
	frame[0] = VIRTIO_MSG_TYPE_BUS;
	frame[1] = VIRTIO_MSG_FFA_RESET;
	frame[6] = VMSG_HDR_SIZE;
	frame[100] = 1;
	x[0] = 0xc400008d;
	x[1] = PARTITION;
	x[2] = partitions[0].uuid[0];
	x[3] = partitions[0].uuid[1];
	firmware_call(x);
	check(frame[1] == VIRTIO_MSG_FFA_ERROR);
}

static void break_response(void)
{
	ask(VIRTIO_MSG_TYPE_BUS | VIRTIO_MSG_TYPE_RESPONSE, VIRTIO_MSG_FFA_RESET, 0,
	    NULL, 0);
}

static void break_bus_dev_num(void)
{
	ask(VIRTIO_MSG_TYPE_BUS, VIRTIO_MSG_FFA_RESET, 3, NULL, 0);
}

static void break_short(void)
{
	ask(0, VIRTIO_MSG_SET_VQUEUE, RNG, NULL, 0);
}

static void break_unknown(void)
{
	ask(VIRTIO_MSG_TYPE_BUS, 0x99, 0, NULL, 0);
}

static void break_no_device(void)
{
	set_status(77, 0);
}

static void break_status(void)
{
	set_status(RNG, 3);
	set_status(RNG, 1);
}

static void break_features(void)
{
	set_status(RNG, 3);
	set_features(RNG, VERSION_1 | 1);
}

static void break_features_late(void)
{
	run(RNG);
	set_features(RNG, VERSION_1);
}

static void break_queue_early(void)
{
	set_queue(RNG, 0, QUEUE_SIZE, bus_address(DESC));
}

static void break_queue_outside(void)
{
	set_status(RNG, 3);
	set_features(RNG, VERSION_1);
	set_status(RNG, 11);
	set_queue(RNG, 0, 3, bus_address(DESC));
}

static void break_kick(void)
{
	kick(RNG, 0);
}

static void break_config(void)
{
	const u32 payload[2] = { 4000, 4 };

	ask(0, VIRTIO_MSG_GET_CONFIG, BLK, payload, sizeof(payload));
	check(!get32(answer() + 8));
}

static void break_unbind(void)
{
	call(0x84000080, PARTITION << 16, 0, 1, 0);
}

static void break_run(void)
{
	call(0x8400006d, PARTITION << 16, 0, 0, 0);
}

static void break_release(void)
{
	call(0x84000065, 0, 0, 0, 0);
}

static void break_call(void)
{
	call(0x84000099, 0, 0, 0, 0);
}

static void break_partition(void)
{
	call(0xc400008d, 0x9999, 0, 0, 0);
}

static void break_knob(void)
{
	secure_reset("vmsg.evnets=npi");
}

static void break_fault(void)
{
	secure_reset("vmsg.fault=busy@,token@3");
}

static void (*const rules[])(void) = {
	break_reclaim_early, break_reclaim_unknown, break_share_twice,
	break_share_nowhere, break_share_sum, break_end, break_area_twice, break_area_of_nothing,
	break_area_size, break_unshare, break_access, break_access_after, break_ring,
	break_loop, break_table_refused, break_table_size, break_table_next,
	break_table_in_table, break_noise, break_response, break_bus_dev_num, break_short,
	break_unknown, break_no_device, break_status, break_features,
	break_features_late, break_queue_early, break_queue_outside, break_kick,
	break_config, break_unbind, break_run, break_release, break_call,
	break_partition, break_knob, break_fault,
};

static void test_rules(void)
{
	unsigned int n;

	for (n = 0; n < ARRAY_SIZE(rules); n++) {
		begin("");
		check(!log_violations());
		rules[n]();
		if (log_violations() == 1)
			continue;
		printf("# rule %u: %u violations\n", n,
		       log_violations());
		failures++;
	}
}

/* --- at random --------------------------------------------------------------------- */

static u32 number(u32 limit)
{
	return (u32)rand() % limit;
}

/* A number that something may stand for, or any */
static u64 value(void)
{
	static const u64 known[] = {
		0, 1, 2, RNG, BLK, PARTITION, QUEUE_SIZE, 3, 11, 15, BASE,
		BASE + SHARED, 0xffffffff, PARTITION << 16, 112, VERSION_1,
	};

	switch (number(4)) {
	case 0:
		return known[number(ARRAY_SIZE(known))];
	case 1:
		return bus_address(number(SHARED_PAGES * PAGE + 64) & ~15ull);
	case 2:
		return handle;
	default:
		return (u64)rand() << number(34);
	}
}

static void random_message(void)
{
	static const u16 numbers[] = { RNG, BLK, 9, 40, 0 };
	u8 payload[96];
	u32 n;
	u64 v;

	for (n = 0; n < sizeof(payload); n += 4) {
		v = value();
		memcpy(payload + n, &v, 4);
	}
	if (number(3))
		ask(0, 2 + number(9) + 0x3f * !number(6),
		    numbers[number(ARRAY_SIZE(numbers))], payload, number(97));
	else
		ask(VIRTIO_MSG_TYPE_BUS, number(2) ? 0x80 + number(8) : number(256), 0,
		    payload, number(97));
}

static void random_call(void)
{
	call((number(2) ? 0x84000000 : 0xc4000000) + 0x60 + number(0x30), value(),
	     value(), value(), value());
}

static void scribble(u64 from, u64 len)
{
	u64 at = from + number(len - 8), v = value();

	memcpy(ram + at, &v, 8);
}

static void rounds(unsigned int num)
{
	static const char *const knobs_of[] = {
		"", "vmsg.indirect=1 vmsg.twin=1 vmsg.echo=1", "vmsg.chaos=9",
		"vmsg.events=npi vmsg.version=long", "vmsg.many=300 vmsg.truncate=1",
		"vmsg.event_idx=1 vmsg.tables=1",
	};
	unsigned int n;

	for (n = 0; n < num; n++) {
		if (!(n % 2000)) {
			begin(knobs_of[n / 2000 % ARRAY_SIZE(knobs_of)]);
			run_with(number(2) ? RNG : BLK, RINGS);
		}
		if (n % 2000 == 1000)
			run_with(number(2) ? RNG : BLK, RINGS);
		switch (number(6)) {
		case 0:
			random_call();
			break;
		case 1:
			scribble(TX, PAGE);
			break;
		case 2:
			scribble(SHARED, 4 * PAGE);
			if (!number(8))
				send_indirect(ram + SHARED + DATA, number(113));
			break;
		case 3:
			offer(number(QUEUE_SIZE + 2));
			kick(number(2) ? RNG : BLK, number(3));
			break;
		default:
			random_message();
		}
	}
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} tests[] = {
		{ "life", test_life }, { "disk", test_disk },
		{ "event idx", test_event_idx }, { "tables", test_tables },
		{ "notification", test_notification },
		{ "indirect", test_indirect }, { "fragments", test_fragments },
		{ "faults", test_faults },
		{ "hotplug", test_hotplug }, { "truncate", test_truncate },
		{ "rules", test_rules },
	};
	unsigned int n, bad = 0, before;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (n = 0; n < ARRAY_SIZE(tests); n++) {
		before = failures;
		tests[n].run();
		bad += failures != before;
		printf("%sok %u %s\n", failures == before ? "" : "not ", n + 1,
		       tests[n].name);
	}
	srand(argc > 2 ? atoi(argv[2]) : 1);
	rounds(argc > 1 ? atoi(argv[1]) : 200000);
	printf("ok %u random\n1..%u\n", n + 1, n + 1);
	return bad > 0;
}
