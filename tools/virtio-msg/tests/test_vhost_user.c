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
#include <linux/virtio_blk.h>
#include <linux/virtio_net.h>

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

/*
 * Waits for a buffer to come back. If it does not, what follows would only wait
 * as well, and nobody would see for what.
 */
static uint32_t get_used(struct rig *t, struct ring *r, const char *what)
{
	uint32_t id, len = 0;

	if (until_do(ring_used(r, &id, &len), bench_run(&t->b)))
		return len;
	ok(false, "'%s' comes back in queue %u within %u ms", what, r->index,
	   WAIT_MS);
	exit(tap_end());
}

/* Does what is written into a queue come back? */
static bool echoes_by(struct rig *t, struct ring *r, const char *text)
{
	const struct seg segs[] = {
		{ OUT, 8, 0 }, { IN, 8, VRING_DESC_F_WRITE },
	};

	memset(bench_ptr(&t->b, OUT), 0, 8);
	memcpy(bench_ptr(&t->b, OUT), text, strnlen(text, 8));
	memset(bench_ptr(&t->b, IN), 0, 8);
	ring_add(r, segs, 2, false);
	ring_kick(r);
	return get_used(t, r, text) == 8 &&
	       !strncmp(bench_ptr(&t->b, IN), text, 8);
}

static bool echoes(struct rig *t, const char *text)
{
	return echoes_by(t, &t->r, text);
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

/* Asks for it; returns true when that is done. */
static bool queue_reset(struct rig *t, uint32_t index)
{
	struct vmsg_msg msg = {
		.id = VIRTIO_MSG_RESET_VQUEUE,
		.token = 0x77,
		.vqueue.index = index,
	};
	uint8_t bytes[64];

	bench_put(&t->b, bytes, vmsg_wire_encode(VMSG_DIALECT_1, &msg, bytes,
						 sizeof(bytes)));
	return until_do(bench_get(&t->b, VIRTIO_MSG_TYPE_RESPONSE,
				  VIRTIO_MSG_RESET_VQUEUE, &msg),
			bench_run(&t->b)) && msg.token == 0x77;
}

static bool config_byte(struct rig *t, uint32_t offset, uint8_t want)
{
	uint8_t byte;

	return drv_read_config(&t->b, 0, offset, &byte, 1) && byte == want;
}

static bool config_set(struct rig *t, uint32_t offset, uint8_t value)
{
	return drv_write_config(&t->b, 0, offset, &value, 1);
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

	rig_init(t);
	rig_open(t, &params);
	rig_run(t, VMSG_BIT(VMSG_F_RING_RESET));
	ok(echoes(t, "before"), "a queue works");
	ok(queue_reset(t, 0), "is reset");
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

	rig_init(t);
	t->f.features |= VMSG_BIT(VIRTIO_BLK_F_SIZE_MAX);
	ok(rig_open(t, &params) &&
	   !(t->dev->offered[0] & VMSG_BIT(VIRTIO_BLK_F_SIZE_MAX)),
	   "segments of no bytes at most are no limit");
	rig_close(t);

	rig_init(t);
	t->f.features |= VMSG_BIT(VIRTIO_BLK_F_SIZE_MAX);
	t->f.config[11] = 1;
	ok(rig_open(t, &params) &&
	   t->dev->offered[0] & VMSG_BIT(VIRTIO_BLK_F_SIZE_MAX),
	   "those of 16 MiB are one");
	rig_close(t);

	ok(vhost_kind_config_size(vhost_kind_find("blk"), 0) == 36 &&
	   vhost_kind_config_size(vhost_kind_find("blk"), VMSG_BIT(13)) == 48 &&
	   vhost_kind_config_size(vhost_kind_find("blk"), VMSG_BIT(14)) == 60 &&
	   vhost_kind_config_size(vhost_kind_find("blk"), VMSG_BIT(16)) == 72 &&
	   vhost_kind_config_size(vhost_kind_find("blk"), VMSG_BIT(17)) == 96,
	   "a block device has more to configure with some features");
}

/* Queue pairs of a network device ------------------------------------------- */

#define NET_MQ		VMSG_BIT(VIRTIO_NET_F_MQ)
#define NET_CTRL	VMSG_BIT(VIRTIO_NET_F_CTRL_VQ)
#define NET_BACK	(F_V1 | F_PROTO | NET_MQ | NET_CTRL |		\
			 VMSG_BIT(VIRTIO_NET_F_MRG_RXBUF))
/* What other commands or other fields of the configuration space belong to. */
#define NET_NOT_OURS							\
	(VMSG_BIT(2) | VMSG_BIT(3) | VMSG_BIT(5) | VMSG_BIT(16) |	\
	 VMSG_BIT(18) | VMSG_BIT(19) | VMSG_BIT(20) | VMSG_BIT(21) |	\
	 VMSG_BIT(23) | VMSG_BIT(50) | VMSG_BIT(51) | VMSG_BIT(52) |	\
	 VMSG_BIT(53) | VMSG_BIT(57) | VMSG_BIT(60) | VMSG_BIT(62) |	\
	 VMSG_BIT(63))
/* With two pairs. */
#define NET_QUEUES	5u
#define COMMAND		(POOL_ADDR + 0x100000)
#define ANSWER		(POOL_ADDR + 0x110000)

static struct ring net_rings[NET_QUEUES];

/* Kicks stay messages: the harness knows the eventfd of one queue only. */
static int net_tie(struct vmsg_link *link, uint16_t num, uint32_t index,
		   int kick_fd, int used_fd)
{
	(void)link, (void)num, (void)index, (void)kick_fd, (void)used_fd;
	return 0;
}

/* A network device of two pairs. */
static bool net_open(struct rig *t, uint32_t wait_ms)
{
	struct vmsg_vhost_params params = {
		.device = "net", .queues = 2, .wait_ms = wait_ms,
	};

	rig_init(t);
	t->f.features = NET_BACK;
	t->f.protocol = P(MQ) | P(REPLY_ACK);
	t->f.queue_num = 2;
	if (!rig_open(t, &params))
		return false;
	t->ops.queue = net_tie;
	return true;
}

static void net_enable(struct rig *t, uint32_t index)
{
	ring_place(&net_rings[index], &t->b, 0, index, 16, false);
	ring_enable(&net_rings[index]);
}

static void net_run(struct rig *t, uint64_t features)
{
	uint32_t i;

	drv_negotiate(&t->b, 0, features);
	for (i = 0; i < NET_QUEUES; i++)
		net_enable(t, i);
	drv_set_status(&t->b, 0, S_RUNNING);
}

/* Bit n: the back end works on queue n. */
static unsigned int net_enabled(struct rig *t)
{
	unsigned int i, bits = 0;

	pthread_mutex_lock(&t->f.lock);
	for (i = 0; i < FAKE_QUEUES; i++)
		bits |= t->f.queues[i].enabled << i;
	pthread_mutex_unlock(&t->f.lock);
	return bits;
}

/* A command of any length, with so much room for the answer: sent. */
static void net_send(struct rig *t, struct ring *r, const uint8_t bytes[4],
		     uint32_t len, uint32_t room)
{
	const struct seg segs[] = {
		{ COMMAND, len, 0 }, { ANSWER, room, VRING_DESC_F_WRITE },
	};

	memset(bench_ptr(&t->b, COMMAND), 0, len);
	memcpy(bench_ptr(&t->b, COMMAND), bytes, len < 4 ? len : 4);
	*(uint8_t *)bench_ptr(&t->b, ANSWER) = 0x55;
	ring_add(r, segs, room ? 2 : 1, false);
	ring_kick(r);
}

/* The answer to one. */
static int net_ask(struct rig *t, struct ring *r, const uint8_t bytes[4],
		   uint32_t len)
{
	net_send(t, r, bytes, len, 1);
	return get_used(t, r, "a command") == 1 ?
	       *(uint8_t *)bench_ptr(&t->b, ANSWER) : -1;
}

static int net_pairs(struct rig *t, unsigned int pairs)
{
	const uint8_t bytes[] = {
		VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET,
		pairs & 0xff, pairs >> 8,
	};

	return net_ask(t, &net_rings[4], bytes, sizeof(bytes));
}

static void test_net_offer(struct rig *t)
{
	static const struct {
		const char *what;
		uint64_t have;
		uint64_t lacks;
		uint32_t asked;
		uint32_t pairs;
		uint32_t queues;
	} cases[] = {
		{ "1 pair unless asked", 128, 0, 0, 1, 2 },
		{ "1 when asked for 1", 128, 0, 1, 1, 2 },
		{ "3 of 4", 4, 0, 3, 3, 7 },
		{ "as many as the back end has", 2, 0, 8, 2, 5 },
		{ "and of one only 1", 1, 0, 8, 1, 2 },
		{ "no more than there is room for", 1000, 0, 256, 127, 255 },
		{ "1 without the feature of the device", 4, NET_MQ, 2, 1, 2 },
	};
	struct vmsg_vhost_params params = { .device = "net", .queues = 2 };
	uint64_t both = NET_MQ | NET_CTRL, offered;
	uint32_t i, pairs;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		rig_init(t);
		t->f.features = ~cases[i].lacks;
		t->f.protocol = P(MQ);
		t->f.queue_num = cases[i].have;
		params.queues = cases[i].asked;
		if (!ok(rig_open(t, &params), "a network card"))
			exit(tap_end());
		offered = drv_offered(&t->b, 0);
		ok(t->dev->num_vqs == cases[i].queues, "%s: %u queues, not %u",
		   cases[i].what, cases[i].queues, t->dev->num_vqs);
		pairs = cases[i].pairs;
		if (pairs > 1)
			ok((offered & both) == both && config_byte(t, 8, pairs),
			   "the driver is told of %u pairs", pairs);
		else
			ok(!(offered & both), "the driver is told of no pairs");
		ok(!(offered & NET_NOT_OURS), "and nothing that needs other commands: %#llx",
		   (unsigned long long)(offered & NET_NOT_OURS));
		rig_close(t);
	}

	rig_init(t);
	t->f.features = NET_BACK;
	t->f.protocol = P(REPLY_ACK);
	params.queues = 2;
	ok(rig_open(t, &params) && t->dev->num_vqs == 2,
	   "1 pair if the protocol is without several queues");
	rig_close(t);
}

static void test_net_pairs(struct rig *t)
{
	static const uint8_t refused[][4] = {
		{ 4, 0, 0, 0 }, { 4, 0, 3, 0 }, { 4, 0, 1, 1 },
		{ 4, 0, 0xff, 0xff }, { 4, 1, 1, 0 }, { 4, 2, 1, 0 },
		{ 0, 0, 1 }, { 1, 1, 2, 3 }, { 2, 0, 1, 0 }, { 3, 0 },
		{ 0xff, 0xff, 1, 0 },
	};
	const struct seg segs[] = {
		{ OUT, 8, 0 }, { IN, 8, VRING_DESC_F_WRITE },
	};
	static const uint32_t lengths[] = { 2, 3, 5, 6, 4096 };
	const uint8_t one[] = { 4, 0, 1, 0 };
	struct fake *f = &t->f;
	struct vmsg_msg msg;
	uint32_t id, len;
	unsigned int i;

	ok(net_open(t, 0), "a network card of two pairs");
	net_run(t, NET_MQ | NET_CTRL);
	ok(drv_status(&t->b, 0) == S_RUNNING && net_enabled(t) == 3,
	   "one pair is enabled before the driver asks: %#x", net_enabled(t));
	ok(f->queues[2].num == 16 && f->queues[3].num == 16 &&
	   !f->queues[4].num && f->queues[4].kick < 0,
	   "the other one is set up; the back end has no control queue");
	ok(f->got_features == (F_V1 | F_PROTO | NET_MQ),
	   "nor hears of it: %#llx", (unsigned long long)f->got_features);
	ok(echoes_by(t, &net_rings[0], "first"), "the first pair works");

	ring_add(&net_rings[2], segs, 2, false);
	ring_kick(&net_rings[2]);
	ok(echoes_by(t, &net_rings[1], "other") &&
	   fake_read(f, &f->num_buffers) == 2 &&
	   !ring_used(&net_rings[2], &id, &len), "the second one does not");
	bench_flush(&t->b);
	ok(net_pairs(t, 2) == VIRTIO_NET_OK && net_enabled(t) == 15,
	   "the driver asks for both: %#x", net_enabled(t));
	ok(bench_get(&t->b, 0, VIRTIO_MSG_EVENT_USED, &msg) &&
	   msg.vqueue.index == 4, "and is notified of the answer");
	ok(get_used(t, &net_rings[2], "what has waited") == 8,
	   "what has waited there is worked on");
	ok(echoes_by(t, &net_rings[3], "last"), "all of it works");
	ok(net_pairs(t, 1) == VIRTIO_NET_OK && net_enabled(t) == 3,
	   "one again: %#x", net_enabled(t));
	ok(net_pairs(t, 2) == VIRTIO_NET_OK && net_enabled(t) == 15,
	   "and both: %#x", net_enabled(t));

	for (i = 0; i < ARRAY_SIZE(refused); i++)
		ok(net_ask(t, &net_rings[4], refused[i], 4) ==
		   VIRTIO_NET_ERR && net_enabled(t) == 15,
		   "command %u.%u with %u is refused", refused[i][0],
		   refused[i][1], refused[i][2] | refused[i][3] << 8);
	for (i = 0; i < ARRAY_SIZE(lengths); i++)
		ok(net_ask(t, &net_rings[4], one, lengths[i]) ==
		   VIRTIO_NET_ERR && net_enabled(t) == 15,
		   "so is one of %u bytes", lengths[i]);

	net_pairs(t, 1);
	f->trick_at = VHOST_SET_VRING_ENABLE;
	f->trick = FAKE_REFUSE_ODD;
	ok(net_pairs(t, 2) == VIRTIO_NET_ERR && net_enabled(t) == 3,
	   "the back end refuses a half, and has none: %#x", net_enabled(t));
	f->trick = FAKE_HONEST;
	ok(net_pairs(t, 2) == VIRTIO_NET_OK && net_enabled(t) == 15,
	   "later it does not: %#x", net_enabled(t));

	ok(reset(t), "a reset");
	net_run(t, NET_MQ | NET_CTRL);
	ok(net_enabled(t) == 3, "begins with one pair: %#x", net_enabled(t));
	ok(echoes_by(t, &net_rings[1], "again"), "that works");
	rig_close(t);
}

/* What the driver has chosen decides which queue is the control queue. */
static void test_net_features(struct rig *t)
{
	const uint8_t pairs[] = { 4, 0, 1, 0 };

	net_open(t, 0);
	drv_set_status(&t->b, 0, S_DRIVER);
	drv_accept(&t->b, 0, NET_MQ | NET_CTRL | F_BASE);
	drv_set_status(&t->b, 0, S_FEATURES);
	net_enable(t, 0);
	net_enable(t, 1);
	drv_set_status(&t->b, 0, S_RUNNING);
	ok(net_enabled(t) == 3, "a driver that does not begin with a reset: %#x",
	   net_enabled(t));
	ok(!drv_negotiate(&t->b, 0, NET_MQ),
	   "no driver has pairs without a control queue");
	reset(t);
	net_run(t, NET_CTRL);
	ok(net_enabled(t) == 3 && !t->f.queues[2].num,
	   "without pairs the back end has two queues: %#x", net_enabled(t));
	ok(net_ask(t, &net_rings[2], pairs, 4) == VIRTIO_NET_ERR,
	   "the third is for control, and refuses pairs");
	ok(echoes_by(t, &net_rings[0], "one pair"), "data go on");
	reset(t);
	net_run(t, 0);
	ok(net_enabled(t) == 3 && echoes_by(t, &net_rings[1], "nothing"),
	   "without anything too");
	net_send(t, &net_rings[2], pairs, 4, 1);
	bench_run(&t->b);
	ok(drv_status(&t->b, 0) == S_RUNNING &&
	   *(uint8_t *)bench_ptr(&t->b, ANSWER) == 0x55,
	   "and the third queue is nobody's");
	rig_close(t);
}

static void test_net_hostile(struct rig *t)
{
	static const struct {
		const char *what;
		uint32_t len;
		uint32_t room;
	} cases[] = {
		{ "a command of a byte", 1, 1 },
		{ "no room for the answer", 4, 0 },
		{ "a command of 4 KiB and a byte", 4097, 1 },
	};
	const uint8_t pairs[] = { 4, 0, 2, 0 };
	const struct seg turned[] = {
		{ ANSWER, 8, VRING_DESC_F_WRITE }, { COMMAND, 4, 0 },
	};
	const struct seg outside[] = {
		{ POOL_ADDR + POOL_SIZE - 2, 4, 0 },
		{ ANSWER, 1, VRING_DESC_F_WRITE },
	};
	unsigned int i;

	net_open(t, 0);
	for (i = 0; i < ARRAY_SIZE(cases) + 2; i++) {
		const char *what = "a chain that makes no sense";

		net_run(t, NET_MQ | NET_CTRL);
		if (i < ARRAY_SIZE(cases)) {
			what = cases[i].what;
			net_send(t, &net_rings[4], pairs, cases[i].len,
				 cases[i].room);
		} else {
			ring_add(&net_rings[4], i % 2 ? turned : outside, 2,
				 false);
			ring_kick(&net_rings[4]);
		}
		ok(status_becomes(t, S_BROKEN) && net_enabled(t) == 3,
		   "%s: it needs a reset (%u)", what, i);
		ok(reset(t), "and is reset");
	}
	net_run(t, NET_MQ | NET_CTRL);
	ok(net_pairs(t, 2) == VIRTIO_NET_OK &&
	   echoes_by(t, &net_rings[2], "works"), "the next driver has both");
	rig_close(t);
}

static void test_net_queue_reset(struct rig *t)
{
	net_open(t, 0);
	net_run(t, NET_MQ | NET_CTRL | VMSG_BIT(VMSG_F_RING_RESET));
	net_pairs(t, 2);
	ok(queue_reset(t, 4) && !fake_times(&t->f, VHOST_GET_VRING_BASE),
	   "the control queue is reset, which the back end does not hear of");
	net_enable(t, 4);
	ok(net_pairs(t, 1) == VIRTIO_NET_OK && net_enabled(t) == 3,
	   "and works again: %#x", net_enabled(t));
	ok(queue_reset(t, 3) &&
	   fake_times(&t->f, VHOST_GET_VRING_BASE) == 1,
	   "so is one that is not used");
	ok(net_pairs(t, 2) == VIRTIO_NET_OK && net_enabled(t) == 7,
	   "it stays alone: %#x", net_enabled(t));
	net_enable(t, 3);
	bench_run(&t->b);
	ok(net_enabled(t) == 15 && echoes_by(t, &net_rings[3], "third"),
	   "until it is set up: %#x", net_enabled(t));
	rig_close(t);
}

/* The next back end is told what the last one was. */
static void test_net_reconnect(struct rig *t)
{
	struct fake *f = &t->f;

	net_open(t, MEDIUM_WAIT_MS);
	f->protocol |= P(INFLIGHT_SHMFD);
	/* So that it is asked for that as well. */
	fake_tell(f, 'k');
	fake_tell(f, 'l');
	if (!ok(until_do(fake_read(f, &f->num_connections) == 2,
			 bench_run(&t->b)), "a back end that takes notes"))
		exit(tap_end());
	bench_run(&t->b);
	net_run(t, NET_MQ | NET_CTRL);
	ok(f->num_noted == 4, "of four queues, not %u", f->num_noted);
	net_pairs(t, 2);
	ok(echoes_by(t, &net_rings[3], "both"), "both pairs work");
	fake_tell(f, 'k');
	fake_tell(f, 'l');
	ok(echoes_by(t, &net_rings[2], "next") && net_enabled(t) == 15,
	   "the next back end has both: %#x", net_enabled(t));
	ok(f->num_connections == 3 && f->queues[3].base == 1 &&
	   drv_status(&t->b, 0) == S_RUNNING, "and goes on with them");

	fake_tell(f, 'k');
	ok(until_do(fake_closed(f, &f->sock), bench_run(&t->b)),
	   "it goes again");
	bench_run(&t->b);
	ok(net_pairs(t, 1) == VIRTIO_NET_OK,
	   "the driver asks for one pair while nobody is there");
	fake_tell(f, 'l');
	ok(echoes_by(t, &net_rings[1], "one") && net_enabled(t) == 3,
	   "the next one is told that: %#x", net_enabled(t));

	f->trick_at = VHOST_SET_VRING_ENABLE;
	f->trick = FAKE_DIE;
	ok(net_pairs(t, 2) == VIRTIO_NET_OK && !net_enabled(t),
	   "the driver asks for both, and that ends the back end");
	fake_tell(f, 'l');
	ok(echoes_by(t, &net_rings[2], "two") && net_enabled(t) == 15,
	   "the next one is told as well: %#x", net_enabled(t));

	f->queue_num = 1;
	fake_tell(f, 'k');
	fake_tell(f, 'l');
	ok(until_do(fake_read(f, &f->num_connections) == 6,
		    bench_run(&t->b)), "one with fewer pairs comes");
	ok(until_do(fake_closed(f, &f->sock), bench_run(&t->b)) &&
	   !net_enabled(t), "and is not taken");
	f->queue_num = 3;
	f->protocol &= ~P(MQ);
	ok(until_do(fake_read(f, &f->num_connections) == 7,
		    bench_run(&t->b)), "one comes that has no pairs");
	ok(until_do(fake_closed(f, &f->sock), bench_run(&t->b)) &&
	   !net_enabled(t), "and is not taken either");
	f->protocol |= P(MQ);
	ok(echoes_by(t, &net_rings[0], "more") &&
	   drv_status(&t->b, 0) == S_RUNNING, "one with more is");
	rig_close(t);
}

/* A back end may leave out the last queues of its kind of device. */
static void test_nobodys_queue(struct rig *t)
{
	struct vmsg_vhost_params params = { .device = "vsock" };
	struct fake *f = &t->f;

	rig_init(t);
	f->protocol |= P(INFLIGHT_SHMFD);
	f->queue_num = 2;
	ok(rig_open(t, &params) && t->dev->num_vqs == 3,
	   "a device of 3 queues, with a back end of 2");
	t->ops.queue = net_tie;
	net_run(t, 0);
	ok(net_enabled(t) == 3 && f->num_noted == 2 && !f->queues[2].num,
	   "it hears of those only: %#x", net_enabled(t));
	fake_tell(f, 'k');
	fake_tell(f, 'l');
	ok(echoes_by(t, &net_rings[1], "next") && net_enabled(t) == 3,
	   "the next one is not missing any: %#x", net_enabled(t));
	rig_close(t);
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
	test_net_offer(&t);
	test_net_pairs(&t);
	test_net_features(&t);
	test_net_hostile(&t);
	test_net_queue_reset(&t);
	test_net_reconnect(&t);
	test_nobodys_queue(&t);
	test_hostile_add(&t);
	test_hostile_start(&t);
	test_stop(&t);
	test_leaves(&t);
	test_survives(&t);
	test_net_survives(&t);
	test_nobody();
	return tap_end();
}
