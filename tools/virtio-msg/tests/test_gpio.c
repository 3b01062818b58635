// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * libvmsg tests: GPIO lines and their interrupts.
 */
#include <errno.h>
#include <string.h>
#include <linux/virtio_gpio.h>

#include "spec.h"

#define F_IRQ	VMSG_BIT(VIRTIO_GPIO_F_IRQ)
#define GOOD	VIRTIO_GPIO_STATUS_OK
#define BAD	VIRTIO_GPIO_STATUS_ERR
#define VALID	VIRTIO_GPIO_IRQ_STATUS_VALID
#define INVALID	VIRTIO_GPIO_IRQ_STATUS_INVALID
#define NONE	0xaa

enum { REQUESTS, EVENTS };

#define GET_DIR(r, line)	\
	ask(r, VIRTIO_GPIO_MSG_GET_DIRECTION, line, 0)
#define SET_DIR(r, line, dir)	\
	ask(r, VIRTIO_GPIO_MSG_SET_DIRECTION, line, VIRTIO_GPIO_DIRECTION_##dir)
#define GET(r, line)		ask(r, VIRTIO_GPIO_MSG_GET_VALUE, line, 0)
#define SET(r, line, value)	ask(r, VIRTIO_GPIO_MSG_SET_VALUE, line, value)
#define IRQ(r, line, type)	\
	ask(r, VIRTIO_GPIO_MSG_IRQ_TYPE, line, VIRTIO_GPIO_IRQ_TYPE_##type)

/* Returns the value, or -1 for a request that fails. */
static int ask(struct ring *r, uint16_t type, uint16_t line, uint32_t value)
{
	const struct virtio_gpio_request req = {
		htole16(type), htole16(line), htole32(value),
	};
	const uint8_t *answer = bench_ptr(r->b, IN);

	if (spec_ask(&r[REQUESTS], &req, sizeof(req), 2) != 2)
		return -2;
	if (answer[0] == BAD)
		return -1;
	return answer[0] == GOOD ? answer[1] : -3;
}

/* Each line has a place for its event. */
static void wait_for_event(struct ring *r, uint16_t line)
{
	const struct seg segs[] = {
		{ OUT + 0x1000 + 16 * line, 2, 0 },
		{ IN + 0x1000 + 16 * line, 1, WRITE },
	};

	*(uint16_t *)bench_ptr(r->b, segs[0].addr) = htole16(line);
	*(uint8_t *)bench_ptr(r->b, segs[1].addr) = NONE;
	ring_add(&r[EVENTS], segs, 2, false);
	ring_kick(&r[EVENTS]);
}

/* What has come back for a line; there has to be one buffer, or none. */
static uint8_t event(struct ring *r, uint16_t line)
{
	uint8_t *status = bench_ptr(r->b, IN + 0x1000 + 16 * line);
	uint8_t value = *status;
	uint32_t id, used = 0;
	bool back = ring_used(&r[EVENTS], &id, &used);

	*status = NONE;
	return value == NONE ? back ? 0xff : NONE : used == 1 ? value : 0xff;
}

static int drive(struct bench *b, const char *args)
{
	return spec_tell(b, "gpio", args);
}

static void test_lines(void)
{
	struct virtio_gpio_config config;
	struct ring r[2];
	struct bench b;

	spec_open(&b, "gpio", "lines=3");
	spec_run(&b, r, 2, F_IRQ);
	ok(drv_read_config(&b, 0, 0, &config, sizeof(config)) &&
	   le16toh(config.ngpio) == 3 && !config.gpio_names_size,
	   "three lines without names");
	ok(!drv_write_config(&b, 0, 0, &config, 1), "that cannot be changed");
	ok(GET_DIR(r, 0) == VIRTIO_GPIO_DIRECTION_NONE, "no direction yet");
	ok(!SET_DIR(r, 1, IN) && GET_DIR(r, 1) == VIRTIO_GPIO_DIRECTION_IN &&
	   !GET(r, 1), "an input is low");
	ok(!drive(&b, "1 1") && GET(r, 1) == 1 && !GET(r, 0) && !GET(r, 2),
	   "it is driven from outside, and no other");
	ok(!SET(r, 2, 1) && !SET_DIR(r, 2, OUT) && GET(r, 2) == 1 &&
	   GET_DIR(r, 2) == VIRTIO_GPIO_DIRECTION_OUT, "an output");
	ok(!drive(&b, "") && !strcmp(spec_said, "gpio 0: line 0 unused 0\n"
				     "gpio 0: line 1 in 1\n"
				     "gpio 0: line 2 out 1\n"),
	   "all of that can be seen outside");
	ok(drive(&b, "2 0") == -EBUSY && GET(r, 2) == 1,
	   "an output cannot be driven from outside");
	ok(ask(r, VIRTIO_GPIO_MSG_SET_DIRECTION, 2, 3) == -1 &&
	   SET(r, 2, 2) == -1 && ask(r, 0, 0, 0) == -1 &&
	   ask(r, 7, 0, 0) == -1 && GET(r, 3) == -1 && SET(r, 0xffff, 1) == -1,
	   "requests that are none");
	spec_run(&b, r, 2, F_IRQ);
	ok(!GET_DIR(r, 2) && !SET_DIR(r, 2, OUT) && !GET(r, 2) &&
	   GET(r, 1) == 1, "a reset is not seen outside");
	ok(drive(&b, "3 0") == -EINVAL && drive(&b, "0 2") == -EINVAL &&
	   drive(&b, "0") == -EINVAL && drive(&b, "0 1 0") == -EINVAL &&
	   drive(&b, "x 1") == -EINVAL &&
	   spec_tell(&b, "other", "") == -ENOENT, "commands that are none");
	ok(spec_breaks(r, 7, 2), "a request of 7 bytes");
	spec_run(&b, r, 2, F_IRQ);
	ok(spec_breaks(r, 8, 1), "room for half an answer");
	spec_run(&b, r, 2, F_IRQ);
	ok(spec_breaks(&r[EVENTS], 1, 1), "half an event");
	spec_run(&b, r, 2, F_IRQ);
	ok(spec_breaks(&r[EVENTS], 2, 0), "no room for an event");
	bench_close(&b);
}

static void test_names(void)
{
	const struct virtio_gpio_request req = {
		.type = htole16(VIRTIO_GPIO_MSG_GET_NAMES),
	};
	struct virtio_gpio_config config;
	uint8_t *in;
	struct ring r[2];
	struct bench b;

	spec_open(&b, "gpio", "lines=4,names=door::lamp");
	spec_run(&b, r, 2, F_IRQ);
	in = bench_ptr(&b, IN);
	ok(drv_read_config(&b, 0, 0, &config, sizeof(config)) &&
	   le32toh(config.gpio_names_size) == 12, "12 bytes of names");
	ok(spec_ask(r, &req, sizeof(req), 13) == 13 && in[0] == GOOD &&
	   !memcmp(in + 1, "door\0\0lamp\0\0", 12), "are these");
	ok(spec_ask(r, &req, sizeof(req), 12) == 2 && in[0] == BAD &&
	   in[2] == 0xee, "12 bytes of room are too small");
	bench_close(&b);

	spec_open(&b, "gpio", "lines=2");
	spec_run(&b, r, 2, F_IRQ);
	ok(spec_ask(r, &req, sizeof(req), 13) == 2 &&
	   *(uint8_t *)bench_ptr(&b, IN) == BAD, "no names");
	bench_close(&b);
}

static void test_edges(void)
{
	struct ring r[2];
	struct bench b;

	spec_open(&b, "gpio", "");
	spec_run(&b, r, 2, F_IRQ);
	wait_for_event(r, 0);
	ok(event(r, 0) == INVALID, "an event without an interrupt");
	ok(IRQ(r, 0, EDGE_RISING) == -1, "an interrupt without an input");
	ok(!SET_DIR(r, 0, IN) && !IRQ(r, 0, EDGE_RISING) &&
	   !SET_DIR(r, 1, IN) && !IRQ(r, 1, EDGE_FALLING),
	   "two interrupts");
	wait_for_event(r, 0);
	wait_for_event(r, 1);
	ok(event(r, 0) == NONE && event(r, 1) == NONE, "wait");
	ok(!drive(&b, "1 1") && event(r, 1) == NONE && !drive(&b, "1 0") &&
	   event(r, 1) == VALID, "the second one falls");
	ok(!drive(&b, "0 1") && event(r, 0) == VALID, "the first one rises");
	ok(!drive(&b, "0 1") && !drive(&b, "0 0"), "what is no rising edge");
	wait_for_event(r, 0);
	ok(event(r, 0) == NONE, "is none");
	wait_for_event(r, 0);
	ok(event(r, 0) == INVALID, "a second buffer comes back");
	ok(!drive(&b, "0 1") && event(r, 0) == VALID, "the first one is used");
	drive(&b, "0 0");
	drive(&b, "0 1");
	wait_for_event(r, 0);
	ok(event(r, 0) == VALID, "an edge while there was no buffer");
	wait_for_event(r, 0);
	ok(event(r, 0) == NONE, "is remembered once");
	ok(SET_DIR(r, 0, OUT) == -1 && SET_DIR(r, 0, NONE) == -1 &&
	   !SET_DIR(r, 0, IN), "a line with an interrupt stays an input");
	ok(!IRQ(r, 0, NONE) && event(r, 0) == INVALID, "the interrupt is over");
	ok(!IRQ(r, 0, EDGE_BOTH), "both edges");
	wait_for_event(r, 0);
	ok(!drive(&b, "0 0") && event(r, 0) == VALID, "down");
	wait_for_event(r, 0);
	ok(!drive(&b, "0 1") && event(r, 0) == VALID, "and up");
	wait_for_event(r, 0xfff);
	ok(event(r, 0xfff) == INVALID, "a line that there is not");
	ok(ask(r, VIRTIO_GPIO_MSG_IRQ_TYPE, 0, 5) == -1 &&
	   ask(r, VIRTIO_GPIO_MSG_IRQ_TYPE, 0, 0x104) == -1, "other types");
	bench_close(&b);
}

static void test_levels(void)
{
	struct ring r[2];
	struct bench b;

	spec_open(&b, "gpio", "");
	spec_run(&b, r, 2, F_IRQ);
	SET_DIR(r, 2, IN);
	wait_for_event(r, 2);
	event(r, 2);
	ok(!IRQ(r, 2, LEVEL_HIGH), "interrupt while high");
	wait_for_event(r, 2);
	ok(event(r, 2) == NONE && !drive(&b, "2 1") && event(r, 2) == VALID,
	   "it gets high");
	wait_for_event(r, 2);
	ok(event(r, 2) == VALID, "and still is");
	drive(&b, "2 0");
	wait_for_event(r, 2);
	ok(event(r, 2) == NONE, "and is not any more");
	ok(!IRQ(r, 2, LEVEL_LOW) && event(r, 2) == VALID,
	   "interrupt while low, at once");
	drive(&b, "2 1");
	wait_for_event(r, 2);
	spec_run(&b, r, 2, F_IRQ);
	ok(!drive(&b, "2 0") && event(r, 2) == NONE,
	   "a reset forgets interrupt and buffer");
	spec_run(&b, r, 2, 0);
	ok(!SET_DIR(r, 0, IN) && IRQ(r, 0, EDGE_RISING) == -1,
	   "no interrupts without the feature");
	vmsg_log_name = NULL;
	ok(!drv_negotiate(&b, 0, F_IRQ | VMSG_BIT(VMSG_F_IN_ORDER)),
	   "and none in order");
	bench_close(&b);
}

static void test_refused(void)
{
	static const char * const bad[] = {
		"lines=0", "lines=257", "lines=x", "names=",
		"lines=2,names=a:b:c", "other=1",
	};
	char many[5000] = "lines=256,names=";
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		ok(spec_refused("gpio", bad[i]), "not '%s'", bad[i]);
	memset(many + strlen(many), 'x', 4000);
	ok(spec_refused("gpio", many), "not 4000 bytes of names");
}

int main(void)
{
	test_lines();
	test_names();
	test_edges();
	test_levels();
	test_refused();
	return tap_end();
}
