// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * libvmsg tests: a device that does nothing, and the keys of its model.
 */
#include <string.h>

#include "spec.h"

static void test_info(void)
{
	struct vmsg_msg msg = { .id = VIRTIO_MSG_GET_DEVICE_INFO };
	struct bench b;

	spec_open(&b, "none", "type=4000,queues=3,config=64,queue-size=8");
	ok(bench_ask(&b, &msg) && msg.info.device_id == 4000 &&
	   msg.info.max_virtqueues == 3 && msg.info.config_size == 64,
	   "type, queues and configuration are what was asked for");
	ok(drv_get_vq(&b, 0, 2).vqueue.max_size == 8, "so is the queue size");
	bench_close(&b);
}

static void test_use(void)
{
	static const uint8_t zeros[64];
	uint8_t config[64], *in;
	struct ring rings[2];
	struct bench b;

	spec_open(&b, "none", "type=4000,queues=2,config=64");
	spec_run(&b, rings, 2, 0);
	memset(config, 0xee, sizeof(config));
	ok(drv_read_config(&b, 0, 0, config, 64) && !memcmp(config, zeros, 64),
	   "the configuration is zeros");
	ok(!drv_write_config(&b, 0, 0, zeros, 1), "and cannot be written");
	in = bench_ptr(&b, IN);
	ok(!spec_ask(&rings[0], zeros, 16, 16) && in[0] == 0xee,
	   "a buffer comes back empty");
	ok(!spec_ask(&rings[1], NULL, 0, 16) &&
	   !spec_ask(&rings[1], zeros, 16, 0), "of every queue and kind");
	bench_close(&b);

	spec_open(&b, "none", "type=4000");
	spec_run(&b, rings, 0, 0);
	ok(drv_status(&b, 0) == S_RUNNING, "without queues it runs as well");
	bench_close(&b);
}

static void test_refused(void)
{
	static const char * const bad[] = {
		"", "queues=1", "type=0", "type=4294967296", "type=-1", "type",
		"type=9,queues=65", "type=9,config=4097", "type=9,config=x",
		"type=9,queue-size=3", "type=9,queue-size=12",
		"type=9,queue-size=65536", "type=9,other=1",
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		ok(spec_refused("none", bad[i]), "not '%s'", bad[i]);
}

int main(void)
{
	test_info();
	test_use();
	test_refused();
	return tap_end();
}
