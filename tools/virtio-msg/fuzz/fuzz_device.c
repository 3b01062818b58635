// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * libvmsg fuzzing: a whole device side in memory.
 *
 * The first byte of the input says how the bus is set up, the others are
 * operations of the driver side, of the link, and of a model that takes its
 * time. There are a block device (0), an entropy source (1) and that model (2),
 * and room for two that can be of any other model (3, 4).
 *
 * What has to be so at the end of every input, whatever it has done: devices
 * that have been reset touch no memory, and a driver that knows the rules can
 * reset the entropy source and use it.
 */
#include <endian.h>
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/virtio_blk.h>

#include "fuzz.h"
#include "link.h"
#include "models.h"
#include "opts.h"

enum {
	OP_FRAME,
	OP_WRITE,
	OP_KICK,
	OP_SETUP,
	OP_BUFFER,
	OP_BLK,
	OP_RACE,
	OP_LINK,
	OP_MODEL,
	OP_PLUG,
	OP_QUIET,
	NUM_OPS,
};

enum { BLK, RNG, LAZY, OTHER, NUM_DEVICES = OTHER + 2 };

/* Where buffers are: between the rings of queue 0 and those of queue 1. */
#define DATA		0x10000u
#define RING_SIZE	0x7800u
#define DATA_SIZE	0x10000u
#define DISK_SIZE	0x10000u
#define LAZY_CONFIG	64u
#define LAZY_HELD	32u

struct lazy {
	struct vmsg_device *dev;
	uint8_t config[LAZY_CONFIG];
	bool later;
	bool keep;
	struct {
		struct vmsg_vq *vq;
		struct vmsg_elem *elem;
	} held[LAZY_HELD];
	unsigned int num;
};

struct world {
	struct fuzz_link l;
	struct lazy lazy;
	struct ring rings[NUM_DEVICES][LINK_PER_DEVICE];
};

static int disk = -1;

/* A model that takes its time -------------------------------------------- */

/* Looks at all of a buffer, cuts it up, and writes to what is left. */
static void lazy_finish(struct lazy *lazy, unsigned int i, uint32_t len)
{
	struct vmsg_elem *elem;
	struct vmsg_vq *vq;
	uint8_t bytes[64];

	if (!lazy->num)
		return;
	i %= lazy->num;
	elem = lazy->held[i].elem;
	vq = lazy->held[i].vq;
	lazy->held[i] = lazy->held[--lazy->num];
	/* A stopped queue means that the memory is not ours any more. */
	if (vq->enabled) {
		vmsg_iov_read(elem->out, elem->out_num, bytes, sizeof(bytes));
		vmsg_iov_cut_front(&elem->out, &elem->out_num, len % 512);
		vmsg_iov_cut_front(&elem->in, &elem->in_num, len % 64);
		vmsg_iov_cut_back(elem->in, &elem->in_num, len % 32);
		vmsg_iov_write(elem->in, elem->in_num, bytes, len % 65);
		if (len & 1)
			vmsg_iov_cut_back(elem->in, &elem->in_num, len);
		if (elem->in_num == 1)
			vmsg_iov_zero(elem->in, elem->in_num);
	}
	vmsg_vq_push(vq, elem, len);
	vmsg_vq_notify(vq);
}

static void lazy_forget(struct lazy *lazy, const struct vmsg_vq *vq)
{
	unsigned int i = 0;

	while (i < lazy->num) {
		if (!vq || lazy->held[i].vq == vq)
			lazy->held[i] = lazy->held[--lazy->num];
		else
			i++;
	}
}

static void lazy_queue(struct vmsg_device *dev, struct vmsg_vq *vq)
{
	struct lazy *lazy = vmsg_device_priv(dev);
	struct vmsg_elem *elem;

	while ((elem = vmsg_vq_pop(vq))) {
		lazy->held[lazy->num].vq = vq;
		lazy->held[lazy->num++].elem = elem;
		if (!lazy->keep || lazy->num == LAZY_HELD)
			lazy_finish(lazy, lazy->num - 1, elem->in_len);
	}
}

static void lazy_config_read(struct vmsg_device *dev, uint32_t offset,
			     void *buf, uint32_t len)
{
	struct lazy *lazy = vmsg_device_priv(dev);

	fuzz_require(offset <= LAZY_CONFIG && len <= LAZY_CONFIG - offset);
	memcpy(buf, lazy->config + offset, len);
}

static int lazy_config_write(struct vmsg_device *dev, uint32_t offset,
			     const void *buf, uint32_t len)
{
	struct lazy *lazy = vmsg_device_priv(dev);

	fuzz_require(offset <= LAZY_CONFIG && len <= LAZY_CONFIG - offset);
	memcpy(lazy->config + offset, buf, len);
	return 0;
}

static int lazy_reset(struct vmsg_device *dev)
{
	struct lazy *lazy = vmsg_device_priv(dev);

	if (lazy->later)
		return VMSG_LATER;
	lazy_forget(lazy, NULL);
	return 0;
}

static int lazy_queue_reset(struct vmsg_device *dev, struct vmsg_vq *vq)
{
	struct lazy *lazy = vmsg_device_priv(dev);

	if (lazy->later)
		return VMSG_LATER;
	lazy_forget(lazy, vq);
	return 0;
}

static void lazy_release(struct vmsg_device *dev)
{
	struct lazy *lazy = vmsg_device_priv(dev);

	lazy_forget(lazy, NULL);
	lazy->dev = NULL;
}

static const struct vmsg_device_ops lazy_ops = {
	.queue = lazy_queue,
	.config_read = lazy_config_read,
	.config_write = lazy_config_write,
	.reset = lazy_reset,
	.queue_reset = lazy_queue_reset,
	.release = lazy_release,
};

static void lazy_reset_done(struct lazy *lazy)
{
	if (!lazy->dev)
		return;
	if (lazy->dev->resetting)
		lazy_forget(lazy, NULL);
	vmsg_device_reset_done(lazy->dev);
}

static void lazy_queue_reset_done(struct lazy *lazy, uint32_t index)
{
	struct vmsg_vq *vq;

	if (!lazy->dev)
		return;
	vq = vmsg_device_vq(lazy->dev, index % 2);
	if (vq->resetting)
		lazy_forget(lazy, vq);
	vmsg_vq_reset_done(vq);
}

/* The world -------------------------------------------------------------- */

/* Those that are not there yet are left out. */
static const struct {
	const char *model;
	const char *spec;
} others[] = {
	{ "net", "pair=a,mac=02:00:00:00:00:01" },
	{ "net", "pair=a,mac=02:00:00:00:00:02,queues=2,mtu=1400" },
	{ "balloon", "pages=8,deflate-on-oom" },
	{ "gpio", "lines=16,names=a:b" },
	{ "i2c", "" },
	{ "input", "kind=keyboard,serial=s" },
	{ "input", "kind=tablet,name=n,queue-size=16" },
	{ "none", "type=99,queues=4,config=64" },
	{ "vsock", "cid=5" },
};

static void add_other(struct world *w, unsigned int num, unsigned int which)
{
	struct vmsg_device *dev;
	char spec[128];

	which %= ARRAY_SIZE(others);
	if (!vmsg_model_find(others[which].model))
		return;
	snprintf(spec, sizeof(spec), "num=%u,%s", num, others[which].spec);
	if (!strcmp(others[which].model, "vsock"))
		snprintf(spec, sizeof(spec), "num=%u,socket=/tmp/fuzz-%d-%u",
			 num, getpid(), num);
	fuzz_may_open = true;
	fuzz_require(!opts_add(w->l.bench.bus, others[which].model, spec,
			       &dev));
	fuzz_may_open = false;
}

static void add_device(struct world *w, unsigned int num, unsigned int which)
{
	static const uint16_t sizes[] = { 64, 256 };
	const struct vmsg_device_desc desc = {
		.name = "lazy",
		.ops = &lazy_ops,
		.priv = &w->lazy,
		.device_id = 42,
		.features = { 1, 0x100000001 },
		.config_size = LAZY_CONFIG,
		.num_queues = 2,
		.queue_sizes = sizes,
	};
	const struct vmsg_rng_params rng = { .seeded = true, .seed = 1 };
	struct vmsg_blk_params blk = { .queues = 2, .serial = "fuzz" };
	char path[32];

	if (vmsg_bus_find(w->l.bench.bus, num))
		return;
	if (num >= OTHER) {
		add_other(w, num, which);
		return;
	}
	switch (num) {
	case BLK:
		snprintf(path, sizeof(path), "/proc/self/fd/%d", disk);
		blk.path = path;
		fuzz_may_open = true;
		fuzz_require(vmsg_blk_add(w->l.bench.bus, num, &blk));
		fuzz_may_open = false;
		break;
	case RNG:
		fuzz_require(vmsg_rng_add(w->l.bench.bus, num, &rng));
		break;
	default:
		memset(&w->lazy, 0, sizeof(w->lazy));
		w->lazy.dev = vmsg_device_add(w->l.bench.bus, num, &desc);
		fuzz_require(w->lazy.dev);
	}
}

static void open_world(struct world *w, uint8_t how)
{
	unsigned int i;

	if (disk < 0)
		disk = memfd_create("disk", MFD_CLOEXEC);
	/* As new: what an input has written is nothing to the next one. */
	fuzz_require(disk >= 0 && !ftruncate(disk, 0) &&
		     !ftruncate(disk, DISK_SIZE));
	memset(w, 0, sizeof(*w));
	link_open(&w->l, how);
	for (i = 0; i < OTHER; i++)
		add_device(w, i, 0);
}

/* Operations ------------------------------------------------------------- */

static struct ring *ring_of(struct world *w, const struct fuzz_op *op)
{
	struct ring *r = &w->rings[op->data[0] % NUM_DEVICES]
				  [op->data[0] / NUM_DEVICES % LINK_PER_DEVICE];

	return r->size ? r : NULL;
}

/* Queues 2 and 3 are behind 0 and 1. */
static void place(struct world *w, struct ring *r, unsigned int num,
		  unsigned int index, uint32_t size, bool packed)
{
	uint64_t *area[] = { &r->desc, &r->driver, &r->device, &r->table };
	size_t i;

	ring_place(r, &w->l.bench, num, index % 2, size, packed);
	r->index = index;
	if (index < 2)
		return;
	for (i = 0; i < ARRAY_SIZE(area); i++)
		*area[i] += RING_SIZE;
	memset(w->l.pool + (r->desc - POOL_ADDR), 0, r->table - r->desc);
}

/* Device, features, size, what else: what a driver does to start it. */
static void do_setup(struct world *w, const struct fuzz_op *op)
{
	static const uint16_t sizes[] = { 16, 4, 64, 3, 256, 1, 32, 512 };
	unsigned int num = op->data[0] % NUM_DEVICES, i;
	struct vmsg_device *dev = vmsg_bus_find(w->l.bench.bus, num);
	uint64_t features = fuzz_num(op, 1, 8);
	uint8_t more = op->data[10];
	struct bench *b = &w->l.bench;
	struct ring *r;

	if (dev && !(more & 1))
		features &= dev->offered[0];
	drv_negotiate(b, num, features);
	/* Backwards, as the places of the last ones are made from the others. */
	for (i = LINK_PER_DEVICE; i--;) {
		r = &w->rings[num][i];
		place(w, r, num, i, sizes[op->data[9] % ARRAY_SIZE(sizes)],
		      features & VMSG_BIT(VMSG_F_RING_PACKED));
		/* Right before the end of all memory. */
		if (more & 64)
			r->desc = POOL_ADDR + LINK_POOL - 16 * r->size;
		if (!(more & (2 << i)))
			ring_enable(r);
	}
	if (!(more & 32))
		drv_set_status(b, num, S_RUNNING);
}

static uint64_t data_addr(uint64_t at)
{
	return POOL_ADDR + DATA + at % DATA_SIZE;
}

/* A few descriptors before the end of all memory. */
static uint64_t end_addr(uint64_t at)
{
	return POOL_ADDR + LINK_POOL - 16 * (1 + at % 8);
}

static void add_buffer(struct ring *r, const struct seg *segs, unsigned int num,
		       uint8_t how)
{
	ring_add(r, segs, num, how & 1);
	if (how & 2)
		ring_kick(r);
}

/* Queue, how; and pieces: where, how long, flags. */
static void do_buffer(struct world *w, const struct fuzz_op *op)
{
	struct ring *r = ring_of(w, op);
	unsigned int i, num = 0;
	struct seg segs[50];

	for (i = 2; i + 5 <= op->len && num < ARRAY_SIZE(segs); i += 5, num++) {
		segs[num].addr = op->data[i + 4] & 0x80 ? end_addr(op->data[i]) :
				 data_addr(fuzz_num(op, i, 2));
		segs[num].len = fuzz_num(op, i + 2, 2);
		segs[num].flags = op->data[i + 4] &
				  (VRING_DESC_F_WRITE | VRING_DESC_F_INDIRECT);
	}
	if (r && num)
		add_buffer(r, segs, num, op->data[1]);
}

/* Queue, how, type, sector, length: a request of a block device. */
static void do_blk(struct world *w, const struct fuzz_op *op)
{
	uint32_t type = fuzz_num(op, 2, 1), len = fuzz_num(op, 5, 2);
	const struct virtio_blk_outhdr hdr = {
		.type = htole32(type),
		.sector = htole64(fuzz_num(op, 3, 2)),
	};
	uint16_t flags = type & 1 ? 0 : VRING_DESC_F_WRITE;
	const struct seg segs[] = {
		{ data_addr(0), sizeof(hdr), 0 },
		{ data_addr(64), len, flags },
		{ data_addr(16), 1, VRING_DESC_F_WRITE },
	};
	struct ring *r = ring_of(w, op);

	if (!r)
		return;
	memcpy(w->l.pool + DATA, &hdr, sizeof(hdr));
	if (op->data[1] & 4)
		add_buffer(r, (struct seg[]){ segs[0], segs[2] }, 2,
			   op->data[1]);
	else
		add_buffer(r, segs, 3, op->data[1]);
}

static void do_race(struct world *w, const struct fuzz_op *op)
{
	w->l.race_in = op->data[0];
	w->l.race_at = fuzz_num(op, 1, 4);
	w->l.race_len = op->len > 5 ? op->len - 5 : 0;
	if (w->l.race_len > sizeof(w->l.race))
		w->l.race_len = sizeof(w->l.race);
	memcpy(w->l.race, op->data + 5, w->l.race_len);
}

static void do_link(struct world *w, const struct fuzz_op *op)
{
	switch (op->data[0] % 8) {
	case 0:
		w->l.gone = true;
		break;
	case 1:
		/* The end: seldom. */
		if (op->data[1] == 0xde)
			w->l.error = op->data[2] & 1 ? -EIO : -ENODEV;
		break;
	case 2:
	case 3:
		w->l.room = op->data[1];
		break;
	default:
		w->l.room = -1;
	}
	link_wake(&w->l);
}

/* What the control FIFO may say to a model. */
static void do_command(struct vmsg_device *dev, uint8_t which, uint32_t arg)
{
	static const char * const words[] = {
		"resize", "balloon", "memory", "gpio", "event", "leds", "link",
		"transport-reset",
	};
	static const char * const ends[] = { "", " range", " 1", " 2 3", "512" };
	const struct vmsg_model *model = dev ? vmsg_model_of(dev) : NULL;
	static const char * const starts[] = { "", "up ", "down ", "1 " };
	char args[64];

	if (!model || !model->command)
		return;
	snprintf(args, sizeof(args), "%s%u%s", starts[arg >> 18 & 3],
		 arg & 0x7fff, ends[(arg >> 15) % ARRAY_SIZE(ends)]);
	model->command(dev, words[which % ARRAY_SIZE(words)], args);
}

static void do_model(struct world *w, const struct fuzz_op *op)
{
	struct vmsg_device *dev = vmsg_bus_find(w->l.bench.bus,
						op->data[1] % NUM_DEVICES);
	uint32_t arg = fuzz_num(op, 2, 4);
	struct lazy *lazy = &w->lazy;

	switch (op->data[0] % 8) {
	case 0:
		lazy_finish(lazy, op->data[1], arg);
		break;
	case 1:
		lazy->later = arg & 1;
		lazy->keep = arg & 2;
		break;
	case 2:
		lazy_reset_done(lazy);
		break;
	case 3:
		lazy_queue_reset_done(lazy, arg);
		break;
	case 4:
		if (!dev || !dev->config_size)
			break;
		arg %= dev->config_size;
		vmsg_device_config_changed(dev, arg, dev->config_size - arg,
					   op->data[6] % 3);
		break;
	case 5:
		if (dev)
			vmsg_device_needs_reset(dev);
		break;
	case 6:
		do_command(dev, op->data[2], arg >> 8);
		break;
	default:
		if (lazy->dev)
			vmsg_vq_notify(vmsg_device_vq(lazy->dev, arg % 2));
	}
}

static void free_device(struct world *w, struct vmsg_device *dev)
{
	unsigned int num = vmsg_device_num(dev), i;

	vmsg_device_free(dev);
	for (i = 0; i < LINK_PER_DEVICE; i++)
		w->l.kick_fd[LINK_PER_DEVICE * num + i] = -1;
}

static void do_plug(struct world *w, const struct fuzz_op *op)
{
	unsigned int num = op->data[1] % NUM_DEVICES;
	struct vmsg_device *dev = vmsg_bus_find(w->l.bench.bus, num);

	switch (op->data[0] % 4) {
	case 0:
		if (dev)
			vmsg_device_leave(dev);
		break;
	case 1:
		if (dev && vmsg_device_left(dev))
			free_device(w, dev);
		break;
	case 2:
		if (dev)
			free_device(w, dev);
		break;
	default:
		add_device(w, num, op->data[2]);
	}
}

/* What has to be so whatever the driver side has written. */
static void check_queues(struct world *w)
{
	const struct vmsg_device *dev;
	const struct vmsg_vq *vq;
	unsigned int num, i;

	for (num = 0; num < NUM_DEVICES; num++) {
		dev = vmsg_bus_find(w->l.bench.bus, num);
		for (i = 0; dev && i < dev->num_vqs; i++) {
			vq = &dev->vqs[i];
			if (!vq->enabled)
				continue;
			fuzz_require(vq->size && vq->size <= vq->max_size);
			fuzz_require(vq->inflight <= vq->size);
			if (vq->ring == &vring_packed_ops)
				fuzz_require(vq->avail < vq->size &&
					     vq->used < vq->size);
		}
	}
}

/* Let the model let go, and the link go on. */
static void calm_down(struct world *w)
{
	w->l.race_in = 0;
	w->l.room = -1;
	w->l.gone = false;
	w->lazy.later = false;
	bench_run(&w->l.bench);
	lazy_queue_reset_done(&w->lazy, 0);
	lazy_queue_reset_done(&w->lazy, 1);
	lazy_reset_done(&w->lazy);
	bench_run(&w->l.bench);
	bench_flush(&w->l.bench);
}

/* Devices that have been reset touch no memory. */
static void do_quiet(struct world *w)
{
	static uint8_t before[LINK_POOL];
	struct bench *b = &w->l.bench;
	struct vmsg_device *dev;
	unsigned int i;

	calm_down(w);
	if (b->bus->dead)
		return;
	for (i = 0; i < NUM_DEVICES; i++) {
		dev = vmsg_bus_find(b->bus, i);
		if (dev)
			fuzz_require(!drv_set_status(b, i, 0));
	}
	memcpy(before, w->l.pool, sizeof(before));
	for (i = 0; i < LINK_QUEUES; i++)
		link_kick(b, i / LINK_PER_DEVICE, i % LINK_PER_DEVICE);
	lazy_finish(&w->lazy, 0, 64);
	bench_run(b);
	fuzz_require(!memcmp(before, w->l.pool, sizeof(before)));
}

static void do_op(struct world *w, const struct fuzz_op *op)
{
	struct bench *b = &w->l.bench;
	struct ring *r;
	uint32_t id, len;

	switch (op->code % NUM_OPS) {
	case OP_FRAME:
		bench_put(b, op->data, op->len);
		break;
	case OP_WRITE:
		if (op->len > 4)
			link_write(&w->l, fuzz_num(op, 0, 4), op->data + 4,
				   op->len - 4);
		/* More of them before somebody looks. */
		return;
	case OP_KICK:
		link_kick(b, op->data[0] % NUM_DEVICES,
			  op->data[0] / NUM_DEVICES % LINK_PER_DEVICE);
		break;
	case OP_SETUP:
		do_setup(w, op);
		break;
	case OP_BUFFER:
		do_buffer(w, op);
		break;
	case OP_BLK:
		do_blk(w, op);
		break;
	case OP_RACE:
		do_race(w, op);
		return;
	case OP_LINK:
		do_link(w, op);
		break;
	case OP_MODEL:
		do_model(w, op);
		break;
	case OP_PLUG:
		do_plug(w, op);
		break;
	case OP_QUIET:
		do_quiet(w);
		break;
	}
	vmsg_loop_once(b->loop, 0);
	vmsg_loop_once(b->loop, 0);
	check_queues(w);
	r = ring_of(w, op);
	if (r && r->used < r->size)
		ring_used(r, &id, &len);
	bench_flush(b);
}

/* Whatever has happened: a reset, and it works. */
static void check_alive(struct world *w)
{
	const struct seg seg = { data_addr(0), 32, VRING_DESC_F_WRITE };
	const struct fuzz_op start = { .data = { RNG } };
	struct bench *b = &w->l.bench;
	struct ring *r = &w->rings[RNG][0];
	struct vmsg_device *dev;
	uint32_t id, len;

	calm_down(w);
	dev = vmsg_bus_find(b->bus, RNG);
	if (b->bus->dead || !dev || dev->leaving)
		return;
	do_setup(w, &start);
	fuzz_require(dev->status == S_RUNNING);
	ring_add(r, &seg, 1, false);
	ring_kick(r);
	bench_run(b);
	fuzz_require(ring_used(r, &id, &len) && len == 32);
}

int fuzz_test(const uint8_t *data, size_t size)
{
	static struct world w;
	struct fuzz_in in;
	struct fuzz_op op;
	FILE *null;

	if (!size)
		return 0;
	open_world(&w, data[0]);
	in.data = data + 1;
	in.len = size - 1;
	while (fuzz_next(&in, &op))
		do_op(&w, &op);
	do_quiet(&w);
	check_alive(&w);
	if (data[0] & 0x80) {
		null = fopen("/dev/null", "w");
		vmsg_bus_print_stats(w.l.bench.bus, null);
		fclose(null);
	}
	link_close(&w.l);
	return 0;
}

/* New operations --------------------------------------------------------- */

static uint8_t any_queue(uint64_t *random)
{
	return fuzz_random(random) % LINK_QUEUES;
}

/* All the ring features, most of them, or none. */
static void make_setup(uint64_t *random, struct fuzz_op *op)
{
	uint64_t r = fuzz_random(random);

	fuzz_put(op, r % NUM_DEVICES, 1);
	fuzz_put(op, r & 0x100 ? fuzz_random(random) | fuzz_random(random) :
		 r & 0x200 ? ~0ULL : VMSG_BIT(VMSG_F_RING_RESET), 8);
	fuzz_put(op, r >> 16, 1);
	fuzz_put(op, r & 0x1800 ? (r >> 16 & 1) * 64 : r >> 24, 1);
}

static void make_buffer(uint64_t *random, struct fuzz_op *op)
{
	unsigned int num = 1 + fuzz_random(random) % 6, write;
	uint64_t r;

	write = fuzz_random(random) % (num + 1);
	fuzz_put(op, any_queue(random), 1);
	fuzz_put(op, fuzz_random(random) % 4, 1);
	r = fuzz_random(random);
	if (!(r & 7)) {
		/* A table that ends with the memory, and perhaps behind it. */
		fuzz_put(op, r >> 8, 2);
		fuzz_put(op, 16 * (1 + (r >> 16) % 8), 2);
		fuzz_put(op, 0x80 | VRING_DESC_F_INDIRECT, 1);
		return;
	}
	while (num--) {
		r = fuzz_random(random);
		fuzz_put(op, r, 2);
		fuzz_put(op, r & 0x10000 ? r >> 20 & 0x3f : r >> 20, 2);
		fuzz_put(op, num < write ? VRING_DESC_F_WRITE : 0, 1);
	}
}

static void make_blk(uint64_t *random, struct fuzz_op *op)
{
	static const uint8_t types[] = { 0, 1, 4, 8, 11, 13, 13, 2 };
	uint64_t r = fuzz_random(random);

	fuzz_put(op, r & 1 ? NUM_DEVICES : 0, 1);
	fuzz_put(op, r >> 1 & 7, 1);
	fuzz_put(op, types[r >> 8 & 7], 1);
	fuzz_put(op, r >> 16 & 127, 2);
	fuzz_put(op, r & 0x800000 ? (r >> 24 & 7) * 512 : (r >> 24 & 7) * 16,
		 2);
}

/* A descriptor, an index or an entry, somewhere in a ring. */
static void make_write(uint64_t *random, struct fuzz_op *op, bool race)
{
	uint64_t r = fuzz_random(random);

	if (r & 0x70)
		fuzz_put(op, (r & 1 ? 0x21000 : 0x1000) + (r >> 8 & 7) * 256 +
			 (r >> 11 & 15) * (r & 2 ? 16 : 2), 4);
	else
		fuzz_put(op, end_addr(r >> 8) - POOL_ADDR, 4);
	if (r & 4 && r & 0x70) {
		fuzz_put(op, r >> 20, 2);
	} else {
		fuzz_put(op, data_addr(r >> 20), 8);
		fuzz_put(op, r & 8 ? r >> 36 & 0xfff : 16 * (r >> 36 & 0x3f),
			 4);
		fuzz_put(op, r >> 48 & 7, 2);
		fuzz_put(op, r >> 52 & 0xf, race ? 1 : 2);
	}
}

void fuzz_make_op(uint64_t *random, struct fuzz_op *op)
{
	uint64_t r = fuzz_random(random);

	op->code = r % NUM_OPS;
	op->len = 0;
	switch (op->code) {
	case OP_FRAME:
		op->len = fuzz_frame(random, r & 0x700 ? VMSG_DIALECT_1 :
				     VMSG_DIALECT_RFC, op->data, FUZZ_OP_MAX);
		break;
	case OP_WRITE:
		make_write(random, op, false);
		break;
	case OP_SETUP:
		make_setup(random, op);
		break;
	case OP_BUFFER:
		make_buffer(random, op);
		break;
	case OP_BLK:
		make_blk(random, op);
		break;
	case OP_RACE:
		fuzz_put(op, 1 + (r >> 8) % 8, 1);
		make_write(random, op, true);
		break;
	case OP_LINK:
		/* The end, every now and then. */
		fuzz_put(op, r & 0x1f00 ? r >> 16 : 0xde01, 3);
		break;
	default:
		fuzz_put(op, r >> 8, 1 + r % 7);
	}
}

void fuzz_repair_op(uint64_t *random, struct fuzz_op *op)
{
	(void)random;
	if (op->code % NUM_OPS != OP_FRAME || op->len < VMSG_HDR_SIZE)
		return;
	op->data[0] &= VIRTIO_MSG_TYPE_BUS;
	op->data[2] %= NUM_DEVICES;
	op->data[3] = 0;
	op->data[6] = op->len;
	op->data[7] = 0;
}

/* Each kind of ring with each device, its buffers, and its end. */
size_t fuzz_seed(unsigned int n, uint8_t *data, size_t room)
{
	static const uint64_t features[] = {
		0, ~VMSG_BIT(VMSG_F_RING_PACKED), ~0ULL,
		VMSG_BIT(VMSG_F_RING_PACKED) | VMSG_BIT(VMSG_F_INDIRECT_DESC) |
		VMSG_BIT(VMSG_F_EVENT_IDX),
		VMSG_BIT(VMSG_F_INDIRECT_DESC) | VMSG_BIT(VMSG_F_RING_RESET),
	};
	static const uint8_t hows[] = { 0x20, 0xa8, 0x01, 0x22, 0x04, 0x08 };
	const unsigned int num = ARRAY_SIZE(features) * ARRAY_SIZE(hows);
	uint64_t random = n;
	struct fuzz_op op;
	size_t size = 1;
	unsigned int dev = n / num, i;

	if (n >= num * (OTHER + ARRAY_SIZE(others)) || !room)
		return 0;
	data[0] = hows[n % ARRAY_SIZE(hows)];
	if (dev >= OTHER) {
		op = (struct fuzz_op){ .code = OP_PLUG, .len = 3,
				       .data = { 3, OTHER, dev - OTHER } };
		size = fuzz_append(data, size, room, &op);
		dev = OTHER;
	}
	op.code = OP_SETUP;
	op.len = 0;
	fuzz_put(&op, dev, 1);
	fuzz_put(&op, features[n / ARRAY_SIZE(hows) % ARRAY_SIZE(features)], 8);
	fuzz_put(&op, n, 1);
	size = fuzz_append(data, size, room, &op);
	for (i = 0; i < 20; i++) {
		fuzz_make_op(&random, &op);
		if (i < 10) {
			op.code = dev == BLK ? OP_BLK : OP_BUFFER;
			op.len = 0;
			if (op.code == OP_BLK)
				make_blk(&random, &op);
			else
				make_buffer(&random, &op);
			op.data[0] = dev + NUM_DEVICES * (i % 3);
			op.data[1] |= 2;
		}
		size = fuzz_append(data, size, room, &op);
	}
	return size;
}
