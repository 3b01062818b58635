// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * libvmsg tests: the window of an AMP bus, which is nothing but memory.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "amp.h"
#include "peer.h"

#define WINDOW	0x4000

/* Both sides of a window. A byte beside it is noticed by ASan. */
struct both {
	struct vmsg_amp amp;
	struct win w;
};

static void both_open(struct both *b, bool spsc, unsigned int num_notif,
		      unsigned int per_device)
{
	memset(b, 0, sizeof(*b));
	b->w.mem = aligned_alloc(64, WINDOW);
	memset(b->w.mem, 0, WINDOW);
	b->w.spsc = spsc;
	b->amp.window = (uint8_t *)b->w.mem;
	b->amp.spsc = spsc;
	b->amp.num_notif = num_notif;
	b->amp.per_device = per_device;
	vmsg_amp_open(&b->amp);
}

static void both_run(struct both *b)
{
	win_ready(&b->w);
	vmsg_amp_step(&b->amp, false);
	win_status(&b->w, RUN);
	vmsg_amp_step(&b->amp, false);
	b->amp.ring = false;
}

static void both_close(struct both *b)
{
	free(b->w.mem);
}

static bool rings(struct both *b)
{
	bool ring = b->amp.ring;

	b->amp.ring = false;
	return ring;
}

/* Header ----------------------------------------------------------------- */

static void test_header(void)
{
	static const uint8_t want[64] = {
		0x4f, 0x4c, 64, 0, 1, 0, 1, 0, 64, 4, 63, 0, 64, 0, 0, 0,
		0xd0, 0x1f, 0, 0, 0, 0, 0, 0, 64, 0, 0, 0, 0, 0, 0, 0,
		80, 0, 0, 0, 0, 0, 0, 0, 0xe8, 0x1f, 0, 0, 0, 0, 0, 0,
		72, 0, 0, 0, 0, 0, 0, 0, 0x10, 0x10, 0, 0, 0, 0, 0, 0,
	};
	uint8_t plain[64];
	struct both b;

	both_open(&b, false, 64, 4);
	ok(!memcmp(b.w.mem + L_HEADER, want, sizeof(want)),
	   "the header, byte for byte");
	ok(win_seen(&b.w, INIT), "our side is there, in INIT");
	ok(rings(&b), "and rings");
	ok(vmsg_amp_agrees(&b.amp), "it is as we would have it");
	put16(b.w.mem, L_HEADER + 10, 62);
	ok(!vmsg_amp_agrees(&b.amp), "a changed byte is noticed");
	put16(b.w.mem, L_DRV_HEAD + H_MAGIC, 0x514f);
	vmsg_amp_open(&b.amp);
	ok(!memcmp(b.w.mem + L_HEADER, want, sizeof(want)),
	   "and is put right");
	ok(!get16(b.w.mem, L_DRV_HEAD + H_MAGIC),
	   "with nothing left of somebody who believed it");
	win_status(&b.w, RUN);
	vmsg_amp_open(&b.amp);
	ok(get16(b.w.mem, L_DRV_HEAD + H_STATUS) == RUN,
	   "otherwise the driver side's part stays as it is");
	both_close(&b);

	both_open(&b, false, 0, 4);
	memcpy(plain, want, sizeof(plain));
	plain[6] = 0;
	plain[8] = 0;
	plain[9] = 0;
	ok(!memcmp(b.w.mem + L_HEADER, plain, sizeof(plain)),
	   "without notification words");
	both_close(&b);
}

static void test_formats(void)
{
	struct both b;

	both_open(&b, false, 64, 4);
	b.amp.spsc = true;
	ok(!vmsg_amp_agrees(&b.amp), "a layout is not spsc");
	vmsg_amp_open(&b.amp);
	ok(!get32(b.w.mem, S_DRV) && !get32(b.w.mem, S_DRV + 64) &&
	   !get32(b.w.mem, S_DEV) && !get32(b.w.mem, S_DEV + 64),
	   "spsc after layout: both queues are empty");
	put32(b.w.mem, S_DRV, 61);
	ok(vmsg_amp_agrees(&b.amp), "spsc is spsc");
	b.amp.spsc = false;
	ok(!vmsg_amp_agrees(&b.amp), "but no layout");
	vmsg_amp_open(&b.amp);
	ok(get16(b.w.mem, L_HEADER) == 0x4c4f && win_seen(&b.w, INIT),
	   "layout after spsc");
	both_close(&b);
}

/* State ------------------------------------------------------------------ */

#define NO_MAGIC	-1

/*
 * A driver side that is in @drv when we are in INIT, does not change, and gets
 * as much time as it wants or @impatient.
 */
static void test_init(int drv, bool impatient, int want)
{
	/* READY says that they are 0. */
	bool zero = (drv & 31) == READY;
	struct both b;

	both_open(&b, false, 64, 4);
	put16(b.w.mem, L_DEV_HEAD + H_TAIL, 5);
	put16(b.w.mem, L_DEV_HEAD + H_HEAD, 6);
	put16(b.w.mem, L_DRV_HEAD + H_TAIL, zero ? 0 : 17);
	put16(b.w.mem, L_DRV_HEAD + H_HEAD, zero ? 0 : 18);
	memset(b.w.mem + L_DEV_NOTIF, 0x33, 48);
	if (drv != NO_MAGIC)
		win_status(&b.w, drv);
	rings(&b);
	ok(!vmsg_amp_step(&b.amp, impatient) && win_seen(&b.w, want),
	   "driver side in %d, %s: %d after INIT", drv,
	   impatient ? "impatient" : "patient", want);
	ok(rings(&b) == (want != INIT), "it rings for a change only");
	ok(vmsg_amp_talks(&b.amp) == (want == RUN), "it talks in RUN only");
	if (want == INIT) {
		ok(get16(b.w.mem, L_DEV_HEAD + H_TAIL) == 5 &&
		   get16(b.w.mem, L_DEV_HEAD + H_HEAD) == 6,
		   "our numbers have not changed");
	} else if (drv == RUN) {
		ok(get16(b.w.mem, L_DEV_HEAD + H_TAIL) == 18 &&
		   get16(b.w.mem, L_DEV_HEAD + H_HEAD) == 17,
		   "our numbers are those of the driver side");
		ok(get64(b.w.mem, L_DEV_NOTIF + N_TX) ==
		   0x3333333333333333 &&
		   get64(b.w.mem, L_DEV_NOTIF + N_RX) == 0x3333333333333333 &&
		   !get64(b.w.mem, L_DEV_NOTIF + N_MASK),
		   "no notification is pending");
	} else {
		ok(!get32(b.w.mem, L_DEV_HEAD + H_TAIL) &&
		   !get64(b.w.mem, L_DEV_NOTIF + N_TX) &&
		   !get64(b.w.mem, L_DEV_NOTIF + N_RX) &&
		   !get64(b.w.mem, L_DEV_NOTIF + N_MASK),
		   "our numbers and words are 0");
	}
	both_close(&b);
}

/* We are in READY, and the driver side goes to @drv. */
static void test_ready(int drv, int want)
{
	struct both b;

	both_open(&b, false, 64, 4);
	win_status(&b.w, INIT);
	vmsg_amp_step(&b.amp, false);
	rings(&b);
	win_status(&b.w, drv);
	if (drv == NO_MAGIC)
		put16(b.w.mem, L_DRV_HEAD + H_MAGIC, 0);
	ok(!vmsg_amp_step(&b.amp, false) && win_seen(&b.w, want) &&
	   rings(&b) == (want != READY), "READY: driver side in %d: then %d",
	   drv, want);
	both_close(&b);
}

/* We are in RUN and so was, or was not, the driver side; it goes to @drv. */
static void test_run(bool ran, int drv, bool anew)
{
	struct both b;

	both_open(&b, false, 64, 4);
	win_ready(&b.w);
	vmsg_amp_step(&b.amp, false);
	if (ran) {
		win_status(&b.w, RUN);
		vmsg_amp_step(&b.amp, false);
	}
	rings(&b);
	win_status(&b.w, drv);
	if (drv == NO_MAGIC)
		put16(b.w.mem, L_DRV_HEAD + H_MAGIC, 0);
	ok(vmsg_amp_talks(&b.amp) == !anew, "RUN, driver side from %s to %d: %s",
	   ran ? "RUN" : "READY", drv, anew ? "nothing is sent" : "go on");
	ok(vmsg_amp_step(&b.amp, false) == anew && rings(&b) == anew &&
	   win_seen(&b.w, anew ? INIT : RUN), "and %s",
	   anew ? "we begin anew" : "do nothing");
	ok(!vmsg_amp_step(&b.amp, false), "that is said once");
	both_close(&b);
}

static void test_states(void)
{
	static const struct {
		int drv;
		int patient;
		int impatient;
	} init[] = {
		{ NO_MAGIC, INIT, INIT }, { INIT, READY, READY },
		{ READY, RUN, RUN }, { RUN, INIT, RUN },
		{ SHUTDOWN, INIT, INIT }, { DEAD, INIT, INIT },
		{ 31, INIT, INIT }, { 0x8000 | READY, RUN, RUN },
	};
	static const int ends[] = { NO_MAGIC, INIT, SHUTDOWN, DEAD, 5, 31 };
	struct both b;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(init); i++) {
		test_init(init[i].drv, false, init[i].patient);
		test_init(init[i].drv, true, init[i].impatient);
	}
	test_ready(INIT, READY);
	test_ready(READY, RUN);
	test_ready(RUN, RUN);
	test_ready(SHUTDOWN, INIT);
	test_ready(DEAD, INIT);
	test_ready(NO_MAGIC, INIT);
	for (i = 0; i < ARRAY_SIZE(ends); i++) {
		test_run(true, ends[i], true);
		test_run(false, ends[i], true);
	}
	test_run(true, RUN, false);
	test_run(false, READY, false);
	test_run(true, READY, true);

	both_open(&b, false, 64, 4);
	both_run(&b);
	vmsg_amp_close(&b.amp);
	ok(win_seen(&b.w, SHUTDOWN) && rings(&b), "an orderly end");
	both_close(&b);

	both_open(&b, false, 64, 4);
	both_run(&b);
	vmsg_amp_driver_left(&b.amp, false);
	ok(win_seen(&b.w, INIT) && get16(b.w.mem, L_DRV_HEAD + H_STATUS) == DEAD,
	   "a driver side that has left is dead");
	ok(!vmsg_amp_step(&b.amp, true) && win_seen(&b.w, INIT),
	   "and is not taken for one that does not listen");
	win_status(&b.w, INIT);
	vmsg_amp_driver_left(&b.amp, true);
	ok(get16(b.w.mem, L_DRV_HEAD + H_STATUS) == INIT,
	   "unless there is another one already");
	both_close(&b);
}

/* Without ever seeing RUN: a frame shows that it was. */
static void test_quick(void)
{
	uint8_t frame[64] = { 0 };
	struct both b;

	both_open(&b, false, 64, 4);
	win_ready(&b.w);
	vmsg_amp_step(&b.amp, false);
	win_put(&b.w, frame, 8);
	ok(vmsg_amp_receive(&b.amp, frame, 64) == 64, "a frame");
	win_ready(&b.w);
	ok(!vmsg_amp_talks(&b.amp) && vmsg_amp_step(&b.amp, false),
	   "READY after a frame is another READY");
	both_close(&b);
}

/* Frames ----------------------------------------------------------------- */

static unsigned int number_of(const uint8_t *frame)
{
	unsigned int i, number = frame[8] | frame[9] << 8;

	/* All of it is the frame's, and what it does not fill is 0. */
	for (i = 10; i < 64; i++) {
		if (frame[i] != (i < 24 ? (uint8_t)(number + i) : 0))
			return ~0u;
	}
	return number;
}

static const uint8_t *make(unsigned int number)
{
	static uint8_t frame[24] = { 3, 0x03, 0, 0, 0, 0, 24 };
	unsigned int i;

	frame[8] = number;
	frame[9] = number >> 8;
	for (i = 10; i < sizeof(frame); i++)
		frame[i] = number + i;
	return frame;
}

static void test_frames(bool spsc)
{
	const unsigned int room = spsc ? 61 : 62;
	unsigned int i, j, wrong = 0, num = 0;
	const char *name = spsc ? "spsc" : "layout";
	uint8_t frame[64];
	struct both b;

	both_open(&b, spsc, 64, 4);
	both_run(&b);
	ok(vmsg_amp_receive(&b.amp, frame, 64) == -EAGAIN &&
	   !win_get(&b.w, frame), "%s: both queues are empty", name);
	/* A few more each time, so that they wrap everywhere. */
	for (i = 0; i < 200; i++) {
		for (j = 0; j < i % room + 1; j++)
			wrong += vmsg_amp_send(&b.amp, make(num + j), 24) != 0;
		wrong += !rings(&b);
		for (j = 0; j < i % room + 1; j++) {
			wrong += !win_get(&b.w, frame) ||
				 number_of(frame) != num + j;
			wrong += !win_put(&b.w, make(num + j), 24);
		}
		for (j = 0; j < i % room + 1; j++)
			wrong += vmsg_amp_receive(&b.amp, frame, 64) != 64 ||
				 number_of(frame) != num + j;
		wrong += vmsg_amp_receive(&b.amp, frame, 64) != -EAGAIN;
		num += j;
	}
	ok(!wrong, "%s: %u frames each way, round and round", name, num);
	ok(!rings(&b), "%s: nothing rings for what is received", name);

	/* All bytes of all slots, which are not to be found again. */
	memset(frame, 0xff, sizeof(frame));
	frame[1] = VIRTIO_MSG_GET_CONFIG;
	for (i = 0; i < 2 * room; i++) {
		wrong += vmsg_amp_send(&b.amp, frame, 64) != 0;
		wrong += !win_get(&b.w, frame) || frame[63] != 0xff;
	}
	rings(&b);
	ok(vmsg_amp_receive(&b.amp, frame, 64) == -EAGAIN,
	   "%s: they are nothing but frames", name);
	for (i = 0; i < room; i++)
		wrong += vmsg_amp_send(&b.amp, make(i), 24) != 0;
	rings(&b);
	ok(!wrong && vmsg_amp_send(&b.amp, make(i), 24) == -EAGAIN &&
	   !rings(&b), "%s: room for %u", name, room);
	ok(win_get(&b.w, frame) && !number_of(frame) &&
	   !vmsg_amp_send(&b.amp, make(i), 24) &&
	   vmsg_amp_send(&b.amp, make(i), 24) == -EAGAIN,
	   "%s: one is taken: room for one", name);
	for (i = 1; i <= room; i++)
		wrong += !win_get(&b.w, frame) || number_of(frame) != i;
	ok(!wrong && !win_get(&b.w, frame), "%s: nothing was lost", name);
	for (i = 0; i < room; i++)
		wrong += !win_put(&b.w, make(i), 24);
	ok(!wrong && !win_put(&b.w, make(i), 24), "%s: no room", name);
	memset(frame, 0xee, sizeof(frame));
	ok(vmsg_amp_receive(&b.amp, frame, 10) == 10 && !frame[8] &&
	   frame[10] == 0xee && win_put(&b.w, make(i), 24),
	   "%s: a short buffer gets a part", name);
	both_close(&b);
}

/* What the driver side may write into its numbers. */
static const uint32_t odd[] = {
	0, 1, 61, 62, 63, 64, 124, 126, 127, 255, 0x7fff, 0x8000, 0xffff,
	0x10000, 0x7fffffff, 0x80000000, 0xffffffff,
};

static void test_hostile(bool spsc)
{
	const unsigned int slots = spsc ? 62 : 63;
	const char *name = spsc ? "spsc" : "layout";
	unsigned int i, n, sent, got, wrong = 0;
	uint8_t frame[64];
	struct both b;

	for (i = 0; i < ARRAY_SIZE(odd); i++) {
		both_open(&b, spsc, 64, 4);
		both_run(&b);
		n = spsc ? odd[i] % slots : (odd[i] & 0xffff) % slots;
		if (spsc) {
			put32(b.w.mem, S_DRV, odd[i]);
			put32(b.w.mem, S_DEV + 64, odd[i]);
		} else {
			put16(b.w.mem, L_DRV_HEAD + H_TAIL, odd[i]);
			put16(b.w.mem, L_DRV_HEAD + H_HEAD, odd[i]);
		}
		for (got = 0; got < 1000; got++) {
			if (vmsg_amp_receive(&b.amp, frame, 64) == -EAGAIN)
				break;
		}
		for (sent = 0; sent < 1000; sent++) {
			if (vmsg_amp_send(&b.amp, make(sent), 24) == -EAGAIN)
				break;
		}
		wrong += got != n || sent != (n + slots - 1) % slots;
		/* What we have written is not believed either. */
		memset(b.w.mem + (spsc ? S_DEV : L_DEV_HEAD), 0xff,
		       spsc ? 4 : 8);
		if (spsc)
			put32(b.w.mem, S_DRV + 64, ~0u);
		else
			put16(b.w.mem, L_DEV_HEAD + H_STATUS, RUN);
		wrong += vmsg_amp_receive(&b.amp, frame, 64) != -EAGAIN;
		wrong += vmsg_amp_send(&b.amp, make(0), 24) != -EAGAIN;
		both_close(&b);
	}
	ok(!wrong, "%s: impossible numbers", name);
}

/* Format spsc never starts over. */
static void test_go_on(void)
{
	uint8_t frame[64];
	struct both b;

	both_open(&b, true, 0, 0);
	put32(b.w.mem, S_DRV, 12);
	put32(b.w.mem, S_DRV + 64, 10);
	put32(b.w.mem, S_DEV, 62 + 7);
	put32(b.w.mem, S_DEV + 64, 7);
	b.w.tx = 12;
	b.w.rx = 7;
	vmsg_amp_open(&b.amp);
	ok(get32(b.w.mem, S_DEV) == 62 + 7 && get32(b.w.mem, S_DRV + 64) == 10 &&
	   vmsg_amp_talks(&b.amp) && !vmsg_amp_step(&b.amp, true),
	   "spsc: the numbers stay where they are");
	ok(vmsg_amp_receive(&b.amp, frame, 64) == 64 &&
	   vmsg_amp_receive(&b.amp, frame, 64) == 64 &&
	   vmsg_amp_receive(&b.amp, frame, 64) == -EAGAIN,
	   "spsc: frames that waited are taken");
	ok(!vmsg_amp_send(&b.amp, make(77), 24) && win_get(&b.w, frame) &&
	   number_of(frame) == 77, "spsc: and sent behind the last one");
	win_put(&b.w, make(1), 24);
	win_put(&b.w, make(2), 24);
	vmsg_amp_driver_left(&b.amp, false);
	ok(vmsg_amp_receive(&b.amp, frame, 64) == -EAGAIN &&
	   win_put(&b.w, make(3), 24) &&
	   vmsg_amp_receive(&b.amp, frame, 64) == 64 && number_of(frame) == 3,
	   "spsc: what somebody who has left has sent is passed over");
	vmsg_amp_close(&b.amp);
	ok(!memchr(b.w.mem, 0x4f, 0x1080), "spsc: there is no state to write");
	both_close(&b);
}

/* Notifications ---------------------------------------------------------- */

static bool kicked(struct both *b, unsigned int dev, unsigned int index)
{
	struct vmsg_msg msg;
	uint8_t frame[64];
	ssize_t len = vmsg_amp_receive(&b->amp, frame, 64);

	return len > 0 &&
	       vmsg_wire_decode(VMSG_DIALECT_1, frame, len, 64, &msg) == len &&
	       !msg.type && msg.id == VIRTIO_MSG_EVENT_AVAIL &&
	       msg.dev_num == dev && msg.vqueue.index == index &&
	       !msg.vqueue.next_offset;
}

static int send_used(struct both *b, unsigned int dev, unsigned int index)
{
	const struct vmsg_msg msg = {
		.id = VIRTIO_MSG_EVENT_USED,
		.dev_num = dev,
		.vqueue.index = index,
	};
	uint8_t frame[64];

	return vmsg_amp_send(&b->amp, frame,
			     vmsg_wire_encode(VMSG_DIALECT_1, &msg, frame, 64));
}

static void test_kicks(void)
{
	uint64_t bits = 0;
	unsigned int i, wrong = 0;
	uint8_t frame[64];
	struct both b;

	both_open(&b, false, 64, 4);
	both_run(&b);
	for (i = 0; i < 128; i++) {
		bits ^= VMSG_BIT(i % 64);
		put64(b.w.mem, L_DRV_NOTIF + N_TX, bits);
		wrong += !kicked(&b, i % 64 / 4, i % 4);
		wrong += get64(b.w.mem, L_DEV_NOTIF + N_RX) != bits;
		wrong += vmsg_amp_receive(&b.amp, frame, 64) != -EAGAIN;
	}
	ok(!wrong, "each bit is a kick of one queue, on and off");
	put64(b.w.mem, L_DRV_NOTIF + N_TX, bits ^ 0x8000000000000101);
	ok(kicked(&b, 0, 0) && kicked(&b, 2, 0) && kicked(&b, 15, 3) &&
	   vmsg_amp_receive(&b.amp, frame, 64) == -EAGAIN, "several at once");
	ok(!rings(&b), "nothing rings for that");
	both_close(&b);

	both_open(&b, false, 7, 3);
	both_run(&b);
	put64(b.w.mem, L_DRV_NOTIF + N_TX, ~0ULL);
	for (i = 0; i < 7; i++)
		wrong += !kicked(&b, i / 3, i % 3);
	ok(!wrong && vmsg_amp_receive(&b.amp, frame, 64) == -EAGAIN,
	   "7 bits, 3 for each device; others are ignored");
	ok(get64(b.w.mem, L_DEV_NOTIF + N_RX) == 0x7f,
	   "and not said to be seen");
	both_close(&b);

	both_open(&b, false, 0, 4);
	both_run(&b);
	put64(b.w.mem, L_DRV_NOTIF + N_TX, ~0ULL);
	ok(vmsg_amp_receive(&b.amp, frame, 64) == -EAGAIN &&
	   !get64(b.w.mem, L_DEV_NOTIF + N_RX), "without bits there are none");
	both_close(&b);
}

/* Neither kicks nor frames can keep the others out. */
static void test_turns(void)
{
	unsigned int i, kicks = 0, frames = 0;
	uint8_t frame[64];
	uint64_t bits = 0;
	struct both b;

	both_open(&b, false, 64, 4);
	both_run(&b);
	for (i = 0; i < 40; i++) {
		bits = ~bits;
		put64(b.w.mem, L_DRV_NOTIF + N_TX, bits);
		win_put(&b.w, make(i), 24);
		if (vmsg_amp_receive(&b.amp, frame, 64) == 16)
			kicks++;
		else
			frames++;
	}
	ok(kicks == 20 && frames == 20, "kicks and frames take turns");
	both_close(&b);
}

static void test_used(void)
{
	unsigned int i, wrong = 0;
	uint8_t frame[64];
	struct both b;

	both_open(&b, false, 64, 4);
	both_run(&b);
	for (i = 0; i < 64; i++) {
		wrong += send_used(&b, i / 4, i % 4) || !rings(&b);
		wrong += get64(b.w.mem, L_DEV_NOTIF + N_TX) !=
			 (i == 63 ? ~0ULL : VMSG_BIT(i + 1) - 1);
	}
	ok(!wrong && !win_get(&b.w, frame), "a used notification is a bit");
	ok(!send_used(&b, 1, 1) && !rings(&b) &&
	   get64(b.w.mem, L_DEV_NOTIF + N_TX) == ~0ULL,
	   "one that is pending is not changed");
	put64(b.w.mem, L_DRV_NOTIF + N_RX, VMSG_BIT(5));
	ok(!send_used(&b, 1, 1) && rings(&b) &&
	   get64(b.w.mem, L_DEV_NOTIF + N_TX) == ~VMSG_BIT(5),
	   "one that has been seen is toggled");
	put64(b.w.mem, L_DRV_NOTIF + N_RX, VMSG_BIT(63));
	put64(b.w.mem, L_DRV_NOTIF + N_MASK, VMSG_BIT(63));
	ok(!send_used(&b, 15, 3) && !rings(&b) &&
	   get64(b.w.mem, L_DEV_NOTIF + N_TX) ==
	   ~(VMSG_BIT(5) | VMSG_BIT(63)), "one that is masked does not ring");
	put64(b.w.mem, L_DEV_NOTIF + N_TX, 0);
	put64(b.w.mem, L_DRV_NOTIF + N_RX, ~0ULL);
	ok(!send_used(&b, 0, 0) && get64(b.w.mem, L_DEV_NOTIF + N_TX) ==
	   ~(VMSG_BIT(0) | VMSG_BIT(5) | VMSG_BIT(63)),
	   "our own words are not read back");
	ok(!win_get(&b.w, frame), "no message until here");
	ok(!send_used(&b, 0, 4) && win_get(&b.w, frame) &&
	   frame[1] == VIRTIO_MSG_EVENT_USED && rings(&b),
	   "queue 4 of 4 has none: a message");
	ok(!send_used(&b, 16, 0) && win_get(&b.w, frame) &&
	   !send_used(&b, 65535, 3) && win_get(&b.w, frame),
	   "nor have devices 16 and 65535");
	both_close(&b);

	both_open(&b, false, 7, 3);
	both_run(&b);
	ok(!send_used(&b, 2, 0) && !win_get(&b.w, frame) &&
	   !send_used(&b, 2, 1) && win_get(&b.w, frame),
	   "bit 6 of 7 is the last one");
	both_close(&b);

	both_open(&b, true, 64, 4);
	ok(!send_used(&b, 0, 0) && win_get(&b.w, frame) &&
	   frame[1] == VIRTIO_MSG_EVENT_USED, "spsc has messages only");
	both_close(&b);
}

int main(void)
{
	test_header();
	test_formats();
	test_states();
	test_quick();
	test_frames(false);
	test_frames(true);
	test_hostile(false);
	test_hostile(true);
	test_go_on();
	test_kicks();
	test_turns();
	test_used();
	return tap_end();
}
