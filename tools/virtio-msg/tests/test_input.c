// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * libvmsg tests: keyboard, mouse and tablet.
 */
#include <errno.h>
#include <string.h>
#include <linux/input.h>
#include <linux/virtio_input.h>

#include "spec.h"

#define EVENT	((uint32_t)sizeof(struct virtio_input_event))

/* What the configuration shows for this choice. */
static struct virtio_input_config choose(struct bench *b, uint8_t select,
					 uint8_t subsel)
{
	struct virtio_input_config config;

	memset(&config, 0xee, sizeof(config));
	if (!drv_write_config(b, 0, 0, &select, 1) || !drv_write_config(b, 0, 1, &subsel, 1) ||
	    !drv_read_config(b, 0, 0, &config, sizeof(config)) ||
	    config.select != select || config.subsel != subsel)
		config.size = 0xff;
	return config;
}

static bool text_is(struct bench *b, uint8_t select, const char *text)
{
	struct virtio_input_config config = choose(b, select, 0);

	return config.size == strlen(text) &&
	       !memcmp(config.u.string, text, config.size) &&
	       !config.u.string[config.size];
}

static bool has_bit(const struct virtio_input_config *config, unsigned int bit)
{
	return config->u.bitmap[bit / 8] & 1 << bit % 8;
}

static void test_keyboard(void)
{
	struct virtio_input_config config;
	unsigned int i, others = 0;
	struct bench b;

	spec_open(&b, "input", "name=A name,serial=0123");
	ok(text_is(&b, VIRTIO_INPUT_CFG_ID_NAME, "A name"), "its name");
	ok(text_is(&b, VIRTIO_INPUT_CFG_ID_SERIAL, "0123"), "its serial");
	config = choose(&b, VIRTIO_INPUT_CFG_ID_DEVIDS, 0);
	ok(config.size == 8 && config.u.ids.bustype == BUS_VIRTUAL &&
	   config.u.ids.product == 1, "its ids");
	config = choose(&b, VIRTIO_INPUT_CFG_EV_BITS, EV_KEY);
	ok(config.size == 32 && !has_bit(&config, KEY_RESERVED) &&
	   has_bit(&config, KEY_ESC) && has_bit(&config, KEY_MICMUTE) &&
	   !has_bit(&config, KEY_MICMUTE + 1), "its keys");
	config = choose(&b, VIRTIO_INPUT_CFG_EV_BITS, EV_LED);
	ok(config.size == 1 && config.u.bitmap[0] == 7, "its lights");
	for (i = 0; i < 256; i++)
		others += choose(&b, VIRTIO_INPUT_CFG_EV_BITS, i).size;
	ok(others == 32 + 1 + 1, "no events of other types");
	ok(!choose(&b, VIRTIO_INPUT_CFG_ID_NAME, 1).size &&
	   !choose(&b, VIRTIO_INPUT_CFG_PROP_BITS, 0).size &&
	   !choose(&b, VIRTIO_INPUT_CFG_ABS_INFO, 0).size &&
	   !choose(&b, VIRTIO_INPUT_CFG_UNSET, 0).size &&
	   !choose(&b, 0x99, 0).size, "nothing else to choose");
	ok(!drv_write_config(&b, 0, 2, "x", 1) && !drv_write_config(&b, 0, 0, "xyz", 3) &&
	   !drv_write_config(&b, 0, 8, "x", 1) && !drv_write_config(&b, 0, 1, "xy", 2),
	   "only the choice can be written");
	ok(drv_write_config(&b, 0, 0, "\x11\x11", 2) && drv_read_config(&b, 0, 2, &config, 1) &&
	   config.select == 1, "both bytes of it at once");
	drv_set_status(&b, 0, 0);
	ok(drv_read_config(&b, 0, 0, &config, 2) && !config.select && !config.subsel,
	   "a reset chooses nothing");
	bench_close(&b);
}

static void test_kinds(void)
{
	struct virtio_input_config config;
	struct bench b;

	spec_open(&b, "input", "kind=mouse");
	ok(text_is(&b, VIRTIO_INPUT_CFG_ID_NAME, "mouse") &&
	   text_is(&b, VIRTIO_INPUT_CFG_ID_SERIAL, ""),
	   "a mouse without another name");
	config = choose(&b, VIRTIO_INPUT_CFG_EV_BITS, EV_REL);
	ok(config.size == 2 && config.u.bitmap[0] == 0x43 &&
	   config.u.bitmap[1] == 1, "moves, and has two wheels");
	config = choose(&b, VIRTIO_INPUT_CFG_PROP_BITS, 0);
	ok(config.size == 1 && config.u.bitmap[0] == 1, "is a pointer");
	bench_close(&b);

	spec_open(&b, "input", "kind=tablet");
	config = choose(&b, VIRTIO_INPUT_CFG_EV_BITS, EV_ABS);
	ok(config.size == 1 && config.u.bitmap[0] == 3, "a tablet has places");
	config = choose(&b, VIRTIO_INPUT_CFG_ABS_INFO, ABS_Y);
	ok(config.size == 20 && !config.u.abs.min &&
	   le32toh(config.u.abs.max) == 32767, "in a range");
	ok(!choose(&b, VIRTIO_INPUT_CFG_ABS_INFO, ABS_Z).size, "of two axes");
	bench_close(&b);
}

/* Takes an event that the driver gets; all ones = there is none. */
static struct virtio_input_event take(struct ring *r, uint16_t *given)
{
	struct virtio_input_event event;
	uint32_t id, used = 0;

	memset(&event, 0xff, sizeof(event));
	if (ring_used(r, &id, &used) && used == EVENT)
		memcpy(&event, bench_ptr(r->b, IN + EVENT * (*given)++),
		       EVENT);
	return event;
}

static bool next_is(struct ring *r, uint16_t *given, uint16_t type,
		    uint16_t code, int32_t value)
{
	struct virtio_input_event event = take(r, given);

	return le16toh(event.type) == type && le16toh(event.code) == code &&
	       (int32_t)le32toh(event.value) == value;
}

static void give(struct ring *r, unsigned int from, unsigned int num)
{
	for (; num; num--, from++)
		ring_add(r, &(struct seg){ IN + EVENT * from, EVENT, WRITE }, 1,
			 false);
	ring_kick(r);
}

static void test_events(void)
{
	char many[8192] = "", *end = many;
	uint16_t got = 0;
	struct ring r[2];
	struct bench b;
	int i;

	spec_open(&b, "input", "kind=mouse");
	ok(spec_tell(&b, "event", "2 0 1") == -ENOTCONN, "nobody to tell");
	spec_run(&b, r, 2, 0);
	give(&r[0], 0, 2);
	ok(!spec_tell(&b, "event", "2 0 5  2 1 -7 1 0x110 1"),
	   "three events for two buffers");
	ok(next_is(&r[0], &got, 2, 0, 5) && next_is(&r[0], &got, 2, 1, -7) &&
	   got == 2, "two of them arrive");
	give(&r[0], 2, 5);
	ok(next_is(&r[0], &got, 1, 0x110, 1) && next_is(&r[0], &got, 0, 0, 0),
	   "then the third one, and a SYN_REPORT");
	ok(next_is(&r[0], &got, 0xffff, 0xffff, -1), "and nothing else");
	for (i = 0; i < 254; i++)
		end += sprintf(end, "2 0 %d ", i);
	ok(!spec_tell(&b, "event", many), "254 events wait for buffers");
	for (i = 0; i < 3; i++)
		ok(next_is(&r[0], &got, 2, 0, i), "event %d of them", i);
	/* 3 have gone, and each command has a SYN_REPORT. */
	ok(spec_tell(&b, "event", "2 0 1 2 0 1 2 0 1 2 0 1") == -ENOBUFS &&
	   !spec_tell(&b, "event", "2 0 1 2 0 1 2 0 1") &&
	   spec_tell(&b, "event", "2 0 1") == -ENOBUFS, "then it is full");
	drv_set_status(&b, 0, 0);
	got = 0;
	spec_run(&b, r, 2, 0);
	give(&r[0], 0, 4);
	ok(!spec_tell(&b, "event", "2 8 -1") &&
	   next_is(&r[0], &got, 2, 8, -1) && next_is(&r[0], &got, 0, 0, 0),
	   "a reset forgets what waits");
	bench_close(&b);
}

static void test_not_events(void)
{
	static const char * const bad[] = {
		"", "2", "2 0", "2 0 x", "2 0 1 2", "2 0 1 2 0", "1 30 1",
		"0 0 0", "2 2 1", "3 0 1", "99 0 1", "2 0 2147483648", "2 0 --1",
		"2 0 1 1 30 1", "-1 0 1",
	};
	uint16_t got = 0;
	struct ring r[2];
	struct bench b;
	size_t i;

	spec_open(&b, "input", "kind=mouse");
	spec_run(&b, r, 2, 0);
	give(&r[0], 0, 8);
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		ok(spec_tell(&b, "event", bad[i]) == -EINVAL, "no event: '%s'",
		   bad[i]);
	ok(spec_tell(&b, "leds", "1") == -EINVAL &&
	   spec_tell(&b, "other", "") == -ENOENT, "no commands");
	ok(next_is(&r[0], &got, 0xffff, 0xffff, -1), "nothing of it arrives");
	bench_close(&b);
}

static uint32_t status(struct ring *r, uint16_t type, uint16_t code,
		       uint32_t value)
{
	const struct virtio_input_event event = {
		htole16(type), htole16(code), htole32(value),
	};

	return spec_ask(r, &event, sizeof(event), 0);
}

static void test_lights(void)
{
	struct ring r[2];
	struct bench b;

	spec_open(&b, "input", "");
	spec_run(&b, r, 2, 0);
	ok(!status(&r[1], EV_LED, LED_CAPSL, 1) &&
	   !spec_tell(&b, "leds", "") && !strcmp(spec_said, "leds 0: 0x2\n"),
	   "a light goes on");
	ok(!status(&r[1], EV_LED, LED_NUML, 0x100) &&
	   !status(&r[1], EV_LED, LED_CAPSL, 0) &&
	   !spec_tell(&b, "leds", "") && !strcmp(spec_said, "leds 0: 0x1\n"),
	   "another one, and the first one off");
	ok(!status(&r[1], EV_LED, 3, 1) && !status(&r[1], EV_LED, 0xffff, 1) &&
	   !status(&r[1], EV_LED, 35, 1) && !status(&r[1], EV_SND, 1, 1) &&
	   !spec_tell(&b, "leds", "") && !strcmp(spec_said, "leds 0: 0x1\n"),
	   "lights that there are not");
	spec_run(&b, r, 2, 0);
	ok(!spec_tell(&b, "leds", "") && !strcmp(spec_said, "leds 0: 0x0\n"),
	   "a reset switches all off");
	ok(spec_breaks(&r[1], EVENT - 1, 0), "7 bytes of an event");
	spec_run(&b, r, 2, 0);
	ok(spec_breaks(&r[1], 0, EVENT), "an event without bytes");
	spec_run(&b, r, 2, 0);
	ring_add(&r[0], &(struct seg){ IN, EVENT - 1, WRITE }, 1, false);
	ring_kick(&r[0]);
	vmsg_log_name = NULL;
	ok(!spec_tell(&b, "event", "1 30 1") && drv_status(&b, 0) == S_BROKEN,
	   "room for 7 bytes of an event");
	bench_close(&b);
}

static void test_refused(void)
{
	static const char * const bad[] = {
		"kind=joystick", "kind", "queue-size=0", "queue-size=5",
		"other",
		"name=0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789",
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		ok(spec_refused("input", bad[i]), "not '%.20s'", bad[i]);
}

int main(void)
{
	test_keyboard();
	test_kinds();
	test_events();
	test_not_events();
	test_lights();
	test_refused();
	return tap_end();
}
