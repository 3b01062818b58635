// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * libvmsg tests: devices that are vhost-user back ends. The back end is a
 * thread, vhost_fake.c; the driver side is the harness, with a pool that is a
 * file.
 */
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness.h"
#include "peer.h"
#include "vhost_fake.h"
#include "vhost_kind.h"
#include "vhost_user.h"

#define BLK_SIZE	6
#define BLK_FLUSH	9
#define BLK_TOPOLOGY	10
#define BLK_MQ		12
#define F_BLK	(VMSG_BIT(BLK_SIZE) | VMSG_BIT(BLK_FLUSH) |		\
		 VMSG_BIT(BLK_TOPOLOGY) | VMSG_BIT(BLK_MQ))
#define F_RINGS	(VMSG_BIT(VMSG_F_INDIRECT_DESC) | VMSG_BIT(VMSG_F_EVENT_IDX))
#define F_PROTO	VMSG_BIT(VHOST_F_PROTOCOL_FEATURES)
#define F_V1	VMSG_BIT(VMSG_F_VERSION_1)

#define P(bit)	VMSG_BIT(VHOST_PROTO_ ## bit)
#define P_USUAL	(P(MQ) | P(REPLY_ACK) | P(BACKEND_REQ) | P(CONFIG))

#define CONFIG_LEN	36u
#define OUT	(POOL_ADDR + 0x80000)
#define IN	(POOL_ADDR + 0x90000)
/* For those who never answer; who does has far more time. */
#define SHORT_WAIT_MS	100
/* The same where some answers before it have to be in time. */
#define MEDIUM_WAIT_MS	2000

/* The harness with one device: what it is made of, and its driver's queue. */
struct rig {
	struct bench b;
	struct fake f;
	struct ring r;
	struct vmsg_link_ops ops;
	struct vmsg_device *dev;
	char *heap;
	int pool_fd;
	int files;
};

static struct rig *rig_of(struct vmsg_link *link)
{
	return VMSG_CONTAINER_OF(link, struct rig, b.link);
}

static int rig_memory(struct vmsg_link *link, struct vmsg_memory *memory)
{
	memory->fd = rig_of(link)->pool_fd;
	memory->addr = POOL_ADDR;
	memory->size = POOL_SIZE;
	return 0;
}

static int count_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int num = 0;

	while (readdir(dir))
		num++;
	closedir(dir);
	return num;
}

/* An honest block device. */
static void rig_init(struct rig *t)
{
	memset(t, 0, sizeof(*t));
	t->files = count_files();
	t->f.features = F_BLK | F_RINGS | F_PROTO | F_V1 |
			VMSG_BIT(VMSG_F_ACCESS_PLATFORM) | VMSG_BIT(26);
	t->f.protocol = P_USUAL | VMSG_BIT(1) | VMSG_BIT(63);
	t->f.queue_num = 4;
	t->f.config_size = CONFIG_LEN;
	t->f.config[0] = 7;
	t->f.config[34] = 2;
}

/* Returns false if there is no device. */
static bool rig_open(struct rig *t, struct vmsg_vhost_params *params)
{
	const struct bench_params bench = {
		.eventfds = true,
		.ring_features = VMSG_BIT(VMSG_F_RING_RESET),
	};

	bench_open(&t->b, &bench);
	t->pool_fd = memfd_create("pool", MFD_CLOEXEC);
	if (t->pool_fd < 0 || ftruncate(t->pool_fd, POOL_SIZE))
		abort();
	t->heap = t->b.pool;
	t->b.pool = mmap(NULL, POOL_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
			 t->pool_fd, 0);
	t->ops = *t->b.link.ops;
	t->ops.memory = rig_memory;
	t->b.link.ops = &t->ops;
	t->b.bus->params.messages = true;
	fake_start(&t->f);
	params->path = t->f.path;
	params->features = VMSG_RING_FEATURES_DEFAULT;
	if (!params->wait_ms)
		params->wait_ms = 10000;
	t->dev = vmsg_vhost_add(t->b.bus, 0, params);
	return t->dev;
}

static void rig_close(struct rig *t)
{
	munmap(t->b.pool, POOL_SIZE);
	t->b.pool = t->heap;
	bench_close(&t->b);
	close(t->pool_fd);
	fake_stop(&t->f);
	ok(count_files() == t->files, "no file is left open");
}

static void rig_run(struct rig *t, uint64_t features)
{
	drv_negotiate(&t->b, 0, features);
	ring_place(&t->r, &t->b, 0, 0, 16, false);
	ring_enable(&t->r);
	drv_set_status(&t->b, 0, S_RUNNING);
}

/* Does what is written come back? */
static bool echoes(struct rig *t, const char *text)
{
	const struct seg segs[] = {
		{ OUT, 8, 0 }, { IN, 8, VRING_DESC_F_WRITE },
	};
	uint32_t id, len = 0;

	memset(bench_ptr(&t->b, OUT), 0, 8);
	memcpy(bench_ptr(&t->b, OUT), text, strnlen(text, 8));
	memset(bench_ptr(&t->b, IN), 0, 8);
	ring_add(&t->r, segs, 2, false);
	ring_kick(&t->r);
	return until_do(ring_used(&t->r, &id, &len), bench_run(&t->b)) &&
	       len == 8 && !strncmp(bench_ptr(&t->b, IN), text, 8);
}

static bool used_notified(struct rig *t)
{
	uint64_t count;

	return until(read(t->b.used_fd, &count, sizeof(count)) ==
		     sizeof(count));
}

static bool status_becomes(struct rig *t, uint32_t status)
{
	return until_do(drv_status(&t->b, 0) == status, bench_run(&t->b));
}

static bool reset(struct rig *t)
{
	drv_set_status(&t->b, 0, 0);
	return status_becomes(t, 0);
}

static bool config_byte(struct rig *t, uint32_t offset, uint8_t want)
{
	struct vmsg_msg msg = {
		.id = VIRTIO_MSG_GET_CONFIG,
		.config.offset = offset,
		.config.length = 1,
	};

	return bench_ask(&t->b, &msg) && msg.data_len == 1 &&
	       *(const uint8_t *)msg.data == want;
}

static bool config_set(struct rig *t, uint32_t offset, uint8_t value)
{
	struct vmsg_msg msg = {
		.id = VIRTIO_MSG_SET_CONFIG,
		.config.offset = offset,
		.config.length = 1,
		.data = &value,
		.data_len = 1,
	};

	return bench_ask(&t->b, &msg) && msg.config.length == 1;
}

static bool config_event(struct rig *t)
{
	struct vmsg_msg msg;

	return until_do(bench_get(&t->b, 0, VIRTIO_MSG_EVENT_CONFIG, &msg),
			bench_run(&t->b));
}

/* Everything goes well ----------------------------------------------------- */

static void test_negotiation(struct rig *t)
{
	const uint64_t want = F_BLK | F_RINGS | F_V1;
	struct vmsg_vhost_params params = { 0 };
	struct fake *f = &t->f;

	rig_init(t);
	if (!ok(rig_open(t, &params), "a device"))
		exit(tap_end());
	ok(t->dev->device_id == 2, "its kind is found out");
	ok(t->dev->num_vqs == 2, "with as many queues as it says");
	ok(drv_offered(&t->b, 0) == (want | VMSG_BIT(VMSG_F_RING_RESET) |
				     VMSG_BIT(VMSG_F_ACCESS_PLATFORM)),
	   "it offers what the back end has, and what the bus needs");
	ok(f->got_protocol == P_USUAL, "no unknown protocol features");
	ok(config_byte(t, 0, 7) && config_byte(t, 34, 2),
	   "the configuration space is the back end's");
	rig_run(t, want | VMSG_BIT(VMSG_F_RING_RESET));
	ok(drv_status(&t->b, 0) == S_RUNNING, "it runs");
	ok(f->got_features == (want | F_PROTO),
	   "the back end is told nothing of RING_RESET and ACCESS_PLATFORM");
	ok(f->memory.num == 1 && f->memory.guest == POOL_ADDR &&
	   f->memory.user == POOL_ADDR && f->memory.size == POOL_SIZE &&
	   !f->memory.offset, "it gets the pool");
	ok(f->queues[0].num == 16 && !f->queues[0].base &&
	   f->queues[0].enabled && f->queues[0].addr.desc == t->r.desc &&
	   f->queues[0].addr.avail == t->r.driver &&
	   f->queues[0].addr.used == t->r.device, "and the ring");
	ok(!f->queues[1].enabled, "and not one that the driver does not use");
	ok(echoes(t, "first") && used_notified(t), "data go there and back");
	ok(echoes(t, "second") && used_notified(t), "and again");
	ok(reset(t) && fake_times(f, VHOST_GET_VRING_BASE) == 1,
	   "a reset stops the queue in the back end");
	rig_run(t, want);
	ok(echoes(t, "third"), "another driver");
	vmsg_device_leave(t->dev);
	ok(until_do(vmsg_device_left(t->dev), bench_run(&t->b)),
	   "it leaves when the back end has let go");
	rig_close(t);
}

static void test_no_protocol(struct rig *t)
{
	struct vmsg_vhost_params params = {
		.device = "rng", .uuid = { 1, 2, 3 },
	};

	rig_init(t);
	t->f.features = F_V1 | F_RINGS;
	ok(rig_open(t, &params) && t->dev->device_id == 4,
	   "a back end without protocol features");
	ok(t->dev->num_vqs == 1 && !t->dev->config_size &&
	   t->dev->uuid[2] == 3, "the rest is by its kind and by options");
	rig_run(t, 0);
	ok(until(t->f.got_features == F_V1) && echoes(t, "simple"), "works");
	ok(!fake_times(&t->f, VHOST_SET_VRING_ENABLE) &&
	   !fake_times(&t->f, VHOST_GET_CONFIG) &&
	   !fake_times(&t->f, VHOST_SET_BACKEND_REQ_FD) &&
	   !fake_times(&t->f, VHOST_GET_PROTOCOL_FEATURES),
	   "and is not asked for what it does not know");
	rig_close(t);
}

static void test_config(struct rig *t)
{
	struct vmsg_vhost_params params = { 0 };
	uint32_t generation;
	struct fake *f = &t->f;

	rig_init(t);
	rig_open(t, &params);
	rig_run(t, F_BLK);
	generation = t->dev->generation;
	pthread_mutex_lock(&f->lock);
	f->config[0] = 8;
	pthread_mutex_unlock(&f->lock);
	fake_tell(f, 'c');
	ok(config_event(t), "the back end changes the configuration");
	ok(config_byte(t, 0, 8) && t->dev->generation != generation,
	   "and it has changed");
	ok(!f->num_answers, "it did not want to know");
	generation = t->dev->generation;
	fake_tell(f, 'C');
	ok(until_do(fake_read(f, &f->num_answers) == 1, bench_run(&t->b)) &&
	   !f->last_answer, "now it does");
	ok(t->dev->generation == generation, "nothing was different");
	fake_tell(f, 'u');
	ok(until_do(fake_read(f, &f->num_answers) == 2, bench_run(&t->b)) &&
	   f->last_answer, "what nobody knows is refused");

	ok(config_set(t, 32, 1) && f->config[32] == 1 && config_byte(t, 32, 1),
	   "the driver writes to it");
	f->trick_at = VHOST_SET_CONFIG;
	f->trick = FAKE_REFUSE;
	ok(!config_set(t, 32, 0) && f->config[32] == 0,
	   "the back end refuses that");
	f->trick = FAKE_HONEST;
	ok(echoes(t, "goes on"), "and goes on");

	fake_tell(f, 'h');
	ok(until_do(fake_closed(f, &f->channel), bench_run(&t->b)),
	   "nonsense closes the channel");
	ok(echoes(t, "without"), "and nothing else");
	reset(t);
	pthread_mutex_lock(&f->lock);
	f->config[0] = 9;
	pthread_mutex_unlock(&f->lock);
	rig_run(t, F_BLK);
	ok(config_byte(t, 0, 9), "without a channel every driver looks anew");
	rig_close(t);
}

static void test_queue_reset(struct rig *t)
{
	struct vmsg_vhost_params params = { 0 };
	struct vmsg_msg msg = { .id = VIRTIO_MSG_RESET_VQUEUE };
	uint8_t bytes[64];

	rig_init(t);
	rig_open(t, &params);
	rig_run(t, VMSG_BIT(VMSG_F_RING_RESET));
	ok(echoes(t, "before"), "a queue works");
	msg.token = 0x77;
	bench_put(&t->b, bytes, vmsg_wire_encode(VMSG_DIALECT_1, &msg, bytes,
						 sizeof(bytes)));
	ok(until_do(bench_get(&t->b, VIRTIO_MSG_TYPE_RESPONSE,
			      VIRTIO_MSG_RESET_VQUEUE, &msg),
		    bench_run(&t->b)) && msg.token == 0x77,
	   "is reset");
	ok(fake_times(&t->f, VHOST_GET_VRING_BASE) == 1 &&
	   t->f.queues[0].kick < 0, "in the back end");
	ok(!drv_get_vq(&t->b, 0, 0).vqueue.flags, "and is not enabled");
	ring_place(&t->r, &t->b, 0, 0, 8, false);
	ring_enable(&t->r);
	bench_run(&t->b);
	ok(echoes(t, "after") && t->f.queues[0].num == 8 &&
	   drv_status(&t->b, 0) == S_RUNNING, "enabled again it works");
	rig_close(t);
}

static void test_status(struct rig *t)
{
	struct vmsg_vhost_params params = { 0 };

	rig_init(t);
	t->f.protocol |= P(STATUS) | P(RESET_DEVICE);
	rig_open(t, &params);
	rig_run(t, 0);
	ok(until(t->f.got_status == S_RUNNING), "the back end gets the status");
	reset(t);
	/* The driver has begun with a reset. */
	ok(until(fake_times(&t->f, VHOST_RESET_DEVICE) == 2 &&
		 fake_times(&t->f, VHOST_SET_STATUS) == 4) && !t->f.got_status,
	   "and is reset");
	t->f.trick_at = VHOST_SET_STATUS;
	t->f.trick = FAKE_REFUSE;
	ok(!drv_negotiate(&t->b, 0, 0), "it can refuse features");
	t->f.trick = FAKE_HONEST;
	rig_run(t, 0);
	ok(echoes(t, "content"), "or take them");
	reset(t);
	t->f.trick_at = VHOST_SET_FEATURES;
	t->f.trick = FAKE_REFUSE;
	ok(!drv_negotiate(&t->b, 0, 0), "also in its answer to them");
	rig_close(t);
}

/* Kinds of devices --------------------------------------------------------- */

static void test_kinds(struct rig *t)
{
	struct vmsg_vhost_params params = {
		.has_mac = true, .mac = { 2, 3, 4, 5, 6, 7 }, .mtu = 0x1234,
	};
	const uint64_t net = VMSG_BIT(0) | VMSG_BIT(15);

	rig_init(t);
	t->f.features = F_V1 | F_PROTO | net | VMSG_BIT(17) | VMSG_BIT(22);
	t->f.protocol = P(MQ);
	t->f.queue_num = 1;
	ok(rig_open(t, &params) && t->dev->device_id == 1 &&
	   t->dev->num_vqs == 2, "a network device is found out too");
	ok((drv_offered(&t->b, 0) & 0xffffff) ==
	   (net | VMSG_BIT(5) | VMSG_BIT(3)),
	   "no control queue, but an address and an MTU");
	ok(config_byte(t, 5, 7) && config_byte(t, 10, 0x34) &&
	   config_byte(t, 11, 0x12) && !config_set(t, 0, 1),
	   "in the configuration space, which is ours");
	rig_run(t, net | VMSG_BIT(5));
	ok(until(t->f.got_features == (F_V1 | F_PROTO | net)),
	   "which the back end does not know");
	rig_close(t);

	rig_init(t);
	t->f.features = F_V1 | F_PROTO;
	t->f.protocol = P(MQ) | P(REPLY_ACK);
	params = (struct vmsg_vhost_params){ 0 };
	ok(!rig_open(t, &params) && errno == EINVAL,
	   "a kind that nobody can know");
	rig_close(t);

	rig_init(t);
	t->f.features = F_V1 | F_PROTO;
	t->f.protocol = P(MQ) | P(REPLY_ACK);
	params.device = "fs";
	ok(!rig_open(t, &params), "a shared folder needs a tag");
	rig_close(t);

	rig_init(t);
	t->f.features = F_V1 | F_PROTO;
	t->f.protocol = P(MQ) | P(REPLY_ACK);
	params.tag = "home";
	params.queues = 4;
	ok(rig_open(t, &params) && t->dev->device_id == 26 &&
	   t->dev->num_vqs == 4, "and then it is one");
	ok(config_byte(t, 3, 'e') && config_byte(t, 4, 0) &&
	   config_byte(t, 36, 3), "with 3 queues for requests");
	rig_close(t);

	rig_init(t);
	params = (struct vmsg_vhost_params){ .device = "toaster" };
	ok(!rig_open(t, &params), "nobody knows a toaster");
	rig_close(t);

	rig_init(t);
	params = (struct vmsg_vhost_params){ .queues = 1 };
	ok(rig_open(t, &params) && t->dev->num_vqs == 1 &&
	   config_byte(t, 34, 1), "1 of 2 queues, and the driver knows");
	rig_close(t);

	rig_init(t);
	t->f.config[34] = 0;
	params.queues = 0;
	ok(!rig_open(t, &params), "a block device without queues");
	rig_close(t);

	rig_init(t);
	t->f.config[35] = 0x7f;
	ok(!rig_open(t, &params), "and one with too many");
	rig_close(t);

	rig_init(t);
	t->f.features &= ~F_V1;
	ok(!rig_open(t, &params), "a back end of old");
	rig_close(t);

	ok(vhost_kind_config_size(vhost_kind_find("blk"), 0) == 36 &&
	   vhost_kind_config_size(vhost_kind_find("blk"), VMSG_BIT(13)) == 48 &&
	   vhost_kind_config_size(vhost_kind_find("blk"), VMSG_BIT(14)) == 60 &&
	   vhost_kind_config_size(vhost_kind_find("blk"), VMSG_BIT(16)) == 72 &&
	   vhost_kind_config_size(vhost_kind_find("blk"), VMSG_BIT(17)) == 96,
	   "a block device has more to configure with some features");
}

/* The back end misbehaves --------------------------------------------------- */

static void refused(struct rig *t, uint32_t at, enum fake_trick trick,
		    const char *what)
{
	struct vmsg_vhost_params params = {
		.device = "blk",
		.wait_ms = trick == FAKE_SILENT || trick == FAKE_HALF ?
			   SHORT_WAIT_MS : 0,
	};

	rig_init(t);
	t->f.trick_at = at;
	t->f.trick = trick;
	ok(!rig_open(t, &params), "%s, in its answer to %u: no device", what,
	   at);
	rig_close(t);
}

static void test_hostile_add(struct rig *t)
{
	static const uint32_t numbers[] = {
		VHOST_GET_FEATURES, VHOST_GET_PROTOCOL_FEATURES,
		VHOST_GET_QUEUE_NUM, VHOST_SET_BACKEND_REQ_FD, VHOST_GET_CONFIG,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(numbers); i++) {
		refused(t, numbers[i], FAKE_SILENT, "nothing");
		refused(t, numbers[i], FAKE_CLOSE, "the end");
		refused(t, numbers[i], FAKE_SHORT, "too little");
		refused(t, numbers[i], FAKE_LONG, "too much");
		refused(t, numbers[i], FAKE_HUGE, "2 GiB");
		refused(t, numbers[i], FAKE_WRONG, "something else");
		refused(t, numbers[i], FAKE_NO_REPLY, "a question");
		refused(t, numbers[i], FAKE_VERSION, "another version");
		refused(t, numbers[i], FAKE_HALF, "a half");
	}
	refused(t, VHOST_SET_BACKEND_REQ_FD, FAKE_REFUSE, "a no");
}

/* A driver starts it; the status that it comes to. */
static void started(struct rig *t, uint32_t at, enum fake_trick trick,
		    uint32_t status, const char *what)
{
	struct vmsg_vhost_params params = {
		.wait_ms = trick == FAKE_SILENT ? MEDIUM_WAIT_MS : 0,
	};

	rig_init(t);
	t->f.protocol |= P(INFLIGHT_SHMFD);
	if (!ok(rig_open(t, &params), "a device"))
		exit(tap_end());
	t->f.trick_at = at;
	t->f.trick = trick;
	rig_run(t, 0);
	ok(drv_status(&t->b, 0) == status, "%s, in its answer to %u", what, at);
	t->f.trick = FAKE_HONEST;
	ok(reset(t), "a reset ends all the same");
	rig_close(t);
}

static void test_hostile_start(struct rig *t)
{
	static const uint32_t acks[] = {
		VHOST_SET_MEM_TABLE, VHOST_GET_INFLIGHT_FD,
		VHOST_SET_INFLIGHT_FD, VHOST_SET_VRING_ADDR,
		VHOST_SET_VRING_ENABLE,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(acks); i++) {
		started(t, acks[i], FAKE_CLOSE, S_BROKEN, "the end");
		started(t, acks[i], FAKE_WRONG, S_BROKEN, "something else");
		if (acks[i] != VHOST_GET_INFLIGHT_FD)
			started(t, acks[i], FAKE_REFUSE, S_BROKEN, "a no");
	}
	/* The first and the last; each takes its time. */
	started(t, VHOST_SET_MEM_TABLE, FAKE_SILENT, S_BROKEN, "nothing");
	started(t, VHOST_SET_VRING_ENABLE, FAKE_SILENT, S_BROKEN, "nothing");
	started(t, VHOST_GET_INFLIGHT_FD, FAKE_FILES, S_BROKEN,
		"no file to take notes in");
	started(t, VHOST_SET_MEM_TABLE, FAKE_FILES, S_RUNNING,
		"files that nobody wants");
	started(t, VHOST_SET_FEATURES, FAKE_TWICE, S_BROKEN, "the same twice");
}

/* The memory is not free before the back end says so, or ends. */
static void test_stop(struct rig *t)
{
	static const enum fake_trick tricks[] = {
		FAKE_SHORT, FAKE_WRONG, FAKE_INDEX, FAKE_TWICE,
	};
	struct vmsg_vhost_params params = { .wait_ms = MEDIUM_WAIT_MS };
	unsigned int i;

	rig_init(t);
	rig_open(t, &params);
	rig_run(t, 0);
	t->f.trick_at = VHOST_GET_VRING_BASE;
	t->f.trick = FAKE_SILENT;
	drv_set_status(&t->b, 0, 0);
	usleep(1200 * MEDIUM_WAIT_MS);
	bench_run(&t->b);
	ok(drv_status(&t->b, 0), "no reset while the back end may still write");
	ok(config_byte(t, 0, 7), "questions are answered meanwhile");
	fake_tell(&t->f, 'b');
	ok(status_becomes(t, 0), "but when it has answered");
	rig_run(t, 0);
	ok(echoes(t, "again"), "and it works again");

	t->f.trick = FAKE_SILENT;
	drv_set_status(&t->b, 0, 0);
	ok(drv_status(&t->b, 0), "it does not answer");
	fake_tell(&t->f, 'k');
	ok(status_becomes(t, 0), "and is killed");
	rig_close(t);

	for (i = 0; i < ARRAY_SIZE(tricks); i++) {
		rig_init(t);
		rig_open(t, &params);
		rig_run(t, 0);
		t->f.trick_at = VHOST_GET_VRING_BASE;
		t->f.trick = tricks[i];
		ok(reset(t), "an answer that makes no sense (%u)", tricks[i]);
		t->f.trick = FAKE_HONEST;
		ok(until_do(fake_read(&t->f, &t->f.num_connections) == 2,
			    bench_run(&t->b)), "begins with a new connection");
		rig_close(t);
	}
}

/* The back end leaves -------------------------------------------------------- */

static bool connected_again(struct rig *t, unsigned int times)
{
	fake_tell(&t->f, 'l');
	return until_do(fake_read(&t->f, &t->f.num_connections) == times,
			bench_run(&t->b)) &&
	       until_do(drv_status(&t->b, 0) != S_FEATURES, bench_run(&t->b));
}

static void test_leaves(struct rig *t)
{
	struct vmsg_vhost_params params = { 0 };

	rig_init(t);
	rig_open(t, &params);
	rig_run(t, 0);
	ok(echoes(t, "before"), "without notes");
	fake_tell(&t->f, 'k');
	ok(status_becomes(t, S_BROKEN) && config_event(t),
	   "the back end goes: the device needs a reset");
	ok(reset(t), "which is done at once");
	ok(!drv_negotiate(&t->b, 0, 0), "but no driver can start it");
	ok(connected_again(t, 2), "there is another one");
	rig_run(t, 0);
	ok(echoes(t, "after"), "and it works");
	reset(t);
	fake_tell(&t->f, 'k');
	ok(connected_again(t, 3), "it goes and comes while nobody uses it");
	rig_run(t, 0);
	ok(echoes(t, "unused") && drv_status(&t->b, 0) == S_RUNNING,
	   "and nobody notices");
	rig_close(t);
}

static void test_survives(struct rig *t)
{
	struct vmsg_vhost_params params = { .wait_ms = MEDIUM_WAIT_MS };
	const struct seg segs[] = {
		{ OUT, 8, 0 }, { IN, 8, VRING_DESC_F_WRITE },
	};
	uint32_t id, len;
	unsigned int told;

	rig_init(t);
	t->f.protocol |= P(INFLIGHT_SHMFD);
	rig_open(t, &params);
	rig_run(t, F_BLK);
	ok(echoes(t, "one") && echoes(t, "two") && used_notified(t) &&
	   !t->f.old_notes, "a back end that takes notes");
	t->f.idle = true;
	ring_add(&t->r, segs, 2, false);
	ring_kick(&t->r);
	fake_tell(&t->f, 'k');
	ok(until_do(fake_closed(&t->f, &t->f.sock), bench_run(&t->b)),
	   "goes with a buffer");
	t->f.idle = false;
	t->f.config[0] = 99;
	fake_tell(&t->f, 'l');
	ok(until_do(ring_used(&t->r, &id, &len), bench_run(&t->b)) && len == 8,
	   "the next one gives it back");
	ok(t->f.queues[0].base == 2 && t->f.old_notes &&
	   t->f.got_features == (F_BLK | F_V1 | F_PROTO),
	   "with the notes, and where the last one was");
	ok(used_notified(t), "the driver is told to look");
	ok(config_event(t) && config_byte(t, 0, 99),
	   "a new configuration is told too");
	ok(drv_status(&t->b, 0) == S_RUNNING && echoes(t, "three"),
	   "the device did not stop");
	reset(t);
	rig_run(t, 0);
	ok(!t->f.old_notes && !t->f.queues[0].base,
	   "another driver begins with new notes");

	told = fake_times(&t->f, VHOST_SET_FEATURES);
	t->f.features &= ~VMSG_BIT(BLK_FLUSH);
	fake_tell(&t->f, 'k');
	fake_tell(&t->f, 'l');
	ok(until_do(fake_read(&t->f, &t->f.num_connections) == 3,
		    bench_run(&t->b)), "one that lacks a feature");
	ok(until_do(fake_closed(&t->f, &t->f.sock), bench_run(&t->b)) &&
	   fake_times(&t->f, VHOST_SET_FEATURES) == told, "is not taken");
	t->f.features |= VMSG_BIT(BLK_FLUSH);
	ok(echoes(t, "four") && t->f.num_connections == 4 &&
	   drv_status(&t->b, 0) == S_RUNNING, "but one that has it is");
	rig_close(t);
}

/* A network card's buffers come back in order, so that nobody has to note. */
static void test_net_survives(struct rig *t)
{
	struct vmsg_vhost_params params = { .device = "net" };

	rig_init(t);
	t->f.features = F_V1 | F_PROTO | VMSG_BIT(15);
	t->f.protocol = P(MQ) | P(REPLY_ACK);
	rig_open(t, &params);
	rig_run(t, 0);
	ok(echoes(t, "one") && echoes(t, "two"), "a network card");
	fake_tell(&t->f, 'k');
	fake_tell(&t->f, 'l');
	ok(echoes(t, "three") && t->f.num_connections == 2 &&
	   t->f.queues[0].base == 2 && drv_status(&t->b, 0) == S_RUNNING,
	   "goes on with another back end");
	rig_close(t);
}

static void test_nobody(void)
{
	struct vmsg_vhost_params params = { .path = "/nowhere/at/all" };
	const struct bench_params bench = { .eventfds = true };
	char longer[200] = { 0 };
	static struct rig t;
	struct bench b;

	bench_open(&b, &bench);
	ok(!vmsg_vhost_add(b.bus, 0, &params) && errno == EOPNOTSUPP,
	   "a bus whose memory is no file");
	t.ops = *b.link.ops;
	t.ops.memory = rig_memory;
	b.link.ops = &t.ops;
	ok(!vmsg_vhost_add(b.bus, 0, &params) && errno == ENOENT,
	   "a socket that is not there");
	memset(longer, 'x', sizeof(longer) - 1);
	params.path = longer;
	ok(!vmsg_vhost_add(b.bus, 0, &params) && errno == ENAMETOOLONG,
	   "a socket with a long name");
	bench_close(&b);
}

int main(void)
{
	static struct rig t;

	test_negotiation(&t);
	test_no_protocol(&t);
	test_config(&t);
	test_queue_reset(&t);
	test_status(&t);
	test_kinds(&t);
	test_hostile_add(&t);
	test_hostile_start(&t);
	test_stop(&t);
	test_leaves(&t);
	test_survives(&t);
	test_net_survives(&t);
	test_nobody();
	return tap_end();
}
