// SPDX-License-Identifier: GPL-2.0
/*
 * hostile: a device side that means harm. It throws messages at the kernel until
 * there were enough of them: one bus after the other, each with the devices, the
 * limits and the malice that the dice give it. Most answers are right, so that
 * drivers get far; then they are not. Another thread writes to the rings all the
 * time, and another process (hostile_users.c) uses the devices.
 *
 * Nothing is expected of the kernel but that it lives, that a well-behaved bus
 * still works afterwards, and that nothing is left of the others.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>

#include "hostile.h"
#include "lb.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define DEVS		6
#define VQS		20
#define CONFIG		256
#define EVENTFDS	4
#define TABLES		1024
/* Debian 12 has no name for it. */
#define F_NOTIFICATION_DATA	38
#define BIT(n)		(UINT64_C(1) << (n))
/* A bus that nobody talks to any more has had its time. */
#define BUS_SECONDS	4
#define MAX_POOL	0x400000

enum trick {
	TRICK_NONE,
	TRICK_CHAINS,
	TRICK_DIRECT,
	TRICK_NET,
	TRICK_GPIO,
	TRICK_CONSOLE,
	TRICK_BALLOON,
	TRICK_SCSI,
	TRICKS,
};

/**
 * struct kind - a kind of devices
 * @id: virtio device type
 * @name: for the log
 * @vqs: queues that a driver could want
 * @features: bits of its own that some driver knows
 * @config_size: bytes of the configuration
 * @sane: makes a configuration that its driver accepts
 * @trick: without it there are no such devices
 */
struct kind {
	uint32_t id;
	const char *name;
	uint32_t vqs;
	uint64_t features;
	uint32_t config_size;
	void (*sane)(struct dice *dice, uint8_t *config);
	enum trick trick;
};

/**
 * struct vq - a queue, as the driver set it up
 * @size: entries, 0 while it is not enabled
 * @packed: what sort of ring it is
 * @next: the next one to serve: avail index, or position in a packed ring
 * @wrap: of a packed ring
 */
struct vq {
	uint32_t size;
	bool packed;
	uint64_t desc;
	uint64_t driver;
	uint64_t device;
	uint16_t next;
	bool wrap;
};

struct dev {
	const struct kind *kind;
	uint16_t num;
	uint64_t features;
	uint64_t driver_features;
	uint32_t status;
	uint32_t generation;
	uint32_t max_size;
	uint8_t config[CONFIG];
	struct vq vq[VQS];
};

/* Where a table of descriptors is, or was. */
struct table {
	uint64_t addr;
	uint64_t size;
};

/**
 * struct bus - one bus, from its open to its close
 * @fd: of /dev/virtio-msg-lb
 * @memfd: the pool
 * @pool: the same, mapped
 * @pool_size: bytes of it
 * @max_size: bytes of the largest message
 * @turns: how often it looked for something to do
 * @patience: of these before it turns bad
 * @evil: percent of what it sends that is wrong, after that
 * @sent: messages so far
 * @late: an answer that was kept back
 * @late_size: bytes of it
 * @eventfd: for kicks and used notifications
 * @lock: @dev, for the thread that writes to the rings
 * @dev: its devices
 * @tables: of all split rings that there have been: they are in use for longer
 *	than the device is told
 * @num_tables: how many of them
 * @over: the thread shall end
 */
struct bus {
	int fd;
	int memfd;
	uint8_t *pool;
	uint64_t pool_size;
	uint32_t max_size;
	uint64_t turns;
	uint64_t patience;
	uint32_t evil;
	uint64_t sent;
	uint8_t late[LB_FRAME];
	size_t late_size;
	int eventfd[EVENTFDS];
	pthread_mutex_t lock; /* @dev */
	struct dev dev[DEVS];
	struct table tables[TABLES];
	unsigned int num_tables;
	bool over;
};

static const char *const tricks[] = {
	"none", "chains", "direct", "net", "gpio", "console", "balloon", "scsi"
};

static bool allowed[TRICKS];

/* The one that all devices are of, if not any. */
static const char *only_kind;

static struct {
	unsigned long long sent, right, mutated, cut, grown, twice, late, withheld, alone,
		hotplug, ioctls, refused, requests, rings, buses, bound;
} count;

static struct dice dice;

/* Most of these fail, and that is as good as not. */
static void ignore(long ret)
{
	(void)ret;
}

static uint32_t roll(uint32_t sides)
{
	return dice_roll(&dice, sides);
}

static bool percent(uint32_t p)
{
	return dice_percent(&dice, p);
}

static void fill(struct dice *d, uint8_t *bytes, size_t size)
{
	while (size--)
		*bytes++ = dice_any(d);
}

static void put16(uint8_t *p, uint16_t value)
{
	p[0] = value;
	p[1] = value >> 8;
}

/*
 * Kinds
 */

static void sane_net(struct dice *d, uint8_t *config)
{
	config[0] = 2;
	config[5] = dice_any(d);
	put16(config + 6, 1);
	put16(config + 8, 1 + dice_roll(d, 4));
	put16(config + 10, 68 + dice_roll(d, 9000));
}

static void sane_blk(struct dice *d, uint8_t *config)
{
	static const uint16_t sizes[] = { 512, 1024, 4096, 512 };

	put16(config, 2048 + dice_roll(d, 8192));
	/* size_max, seg_max, blk_size, num_queues */
	put16(config + 8, 4096 << dice_roll(d, 3));
	put16(config + 12, 1 + dice_roll(d, 126));
	put16(config + 20, sizes[dice_roll(d, 4)]);
	put16(config + 34, 1 + dice_roll(d, 4));
	/* discard and write zeroes: sectors, segments, alignment */
	put16(config + 36, 1 + dice_roll(d, 2048));
	put16(config + 40, 1 + dice_roll(d, 16));
	put16(config + 44, 1);
	put16(config + 48, 1 + dice_roll(d, 2048));
	put16(config + 52, 1);
}

static void sane_console(struct dice *d, uint8_t *config)
{
	put16(config, 80);
	put16(config + 2, 25);
	put16(config + 4, 1 + dice_roll(d, VQS / 2 - 1));
}

static void sane_input(struct dice *d, uint8_t *config)
{
	config[2] = dice_roll(d, 129);
	fill(d, config + 8, 128);
}

static void sane_small(struct dice *d, uint8_t *config)
{
	put16(config, 3 + dice_roll(d, 64));
}

static void sane_scsi(struct dice *d, uint8_t *config)
{
	config[0] = 1 + dice_roll(d, 4);
	put16(config + 4, 126);
	put16(config + 8, 0x7fff);
	config[12] = 8;
	config[20] = 96;
	config[24] = 32;
	config[30] = 1 + dice_roll(d, 4);
	config[32] = 1 + dice_roll(d, 4);
}

static const struct kind kinds[] = {
	{ VIRTIO_ID_NET, "net", 9, 0xffffffffff, 24, sane_net, TRICK_NET },
	{ VIRTIO_ID_BLOCK, "blk", 4, 0x7fff, 60, sane_blk, 0 },
	{ VIRTIO_ID_BLOCK, "blk", 4, 0x7fff, 60, sane_blk, 0 },
	{ VIRTIO_ID_CONSOLE, "console", VQS, 0x7, 12, sane_console,
	  TRICK_CONSOLE },
	{ VIRTIO_ID_RNG, "rng", 1, 0x3, 0, NULL, 0 },
	{ VIRTIO_ID_INPUT, "input", 2, 0, 136, sane_input, 0 },
	{ VIRTIO_ID_VSOCK, "vsock", 3, 0x7, 8, sane_small, 0 },
	{ VIRTIO_ID_I2C_ADAPTER, "i2c", 1, 0x1, 0, NULL, 0 },
	{ VIRTIO_ID_GPIO, "gpio", 2, 0x1, 8, sane_small, TRICK_GPIO },
	{ VIRTIO_ID_SCSI, "scsi", 7, 0xf, 36, sane_scsi, TRICK_SCSI },
	{ VIRTIO_ID_BALLOON, "balloon", 5, 0x3f, 16, sane_small, TRICK_BALLOON },
	{ 77, "unknown", 2, 0xff, 64, NULL, 0 },
};

/*
 * Sending
 */

/* As it is. The kernel may refuse it, at best with an errno that says why. */
static bool throw(struct bus *b, const void *frame, size_t size)
{
	count.sent++;
	b->sent++;
	if (write(b->fd, frame, size) == (ssize_t)size)
		return true;
	count.refused++;
	return false;
}

static void mutate(uint8_t *frame, size_t size)
{
	int turns;

	if (!size)
		return;

	for (turns = roll(4); turns >= 0; turns--) {
		size_t at = roll(size);
		uint64_t value = htole64(dice_number(&dice));

		switch (roll(3)) {
		case 0:
			frame[at] ^= 1 << roll(8);
			break;
		case 1:
			frame[at] = dice_any(&dice);
			break;
		default:
			/* A field that is aligned, which they all are. */
			at &= ~(size_t)3;
			memcpy(frame + at, &value, size - at < 4 ? size - at : 4);
		}
	}
}

/* Whatever can happen to one good frame on its way. */
static void deliver(struct bus *b, uint8_t *frame, size_t size)
{
	static uint8_t big[VIRTIO_MSG_MAX_SIZE + 64];
	size_t other;

	if (b->turns < b->patience || !percent(b->evil) ||
	    (!allowed[TRICK_DIRECT] && frame[1] == VIRTIO_MSG_GET_DEVICE_FEATURES)) {
		count.right++;
		throw(b, frame, size);
		return;
	}
	switch (roll(9)) {
	case 0:
	case 1:
	case 2:
		count.mutated++;
		mutate(frame + (percent(50) ? 8 : 0), size - (size > 8 ? 8 : 0));
		throw(b, frame, size);
		break;
	case 3:
		count.cut++;
		other = roll(size);
		if (percent(50) && other >= 8)
			put16(frame + 6, other);
		throw(b, frame, other);
		break;
	case 4:
		count.grown++;
		other = percent(50) ? size + roll(64) : roll(sizeof(big));
		if (other < size)
			other = size;
		memset(big, 0xa5, other);
		memcpy(big, frame, size);
		if (percent(50))
			put16(big + 6, other);
		throw(b, big, other);
		break;
	case 5:
		/* With a token that is somebody else's, or nobody's. */
		count.mutated++;
		put16(frame + 4, le16toh(*(uint16_t *)(frame + 4)) + 1 + roll(3));
		throw(b, frame, size);
		break;
	case 6:
		count.twice++;
		throw(b, frame, size);
		throw(b, frame, size);
		break;
	case 7:
		/* After the next one that is kept back, if ever. */
		count.late++;
		if (b->late_size)
			throw(b, b->late, b->late_size);
		memcpy(b->late, frame, size);
		b->late_size = size;
		break;
	default:
		/* Silence costs a timeout. */
		if (percent(80))
			throw(b, frame, size);
		else
			count.withheld++;
	}
}

static void event(struct bus *b, int id, uint16_t num, const void *payload, size_t size)
{
	alignas(8) uint8_t frame[LB_FRAME];

	deliver(b, frame, lb_frame(frame, 0, id, num, 0, payload, size));
}

static void event_used(struct bus *b, uint16_t num, uint32_t index)
{
	index = htole32(index);
	event(b, VIRTIO_MSG_EVENT_USED, num, &index, sizeof(index));
}

static void event_device(struct bus *b, uint16_t num, uint16_t state)
{
	alignas(8) uint8_t frame[LB_FRAME];
	struct virtio_msg_event_device payload = { htole16(num), htole16(state) };

	deliver(b, frame, lb_frame(frame, VIRTIO_MSG_TYPE_BUS, VIRTIO_MSG_BUS_EVENT_DEVICE,
				   0, 0, &payload, sizeof(payload)));
}

/*
 * Devices
 */

static void dev_init(struct bus *b, struct dev *dev, uint16_t num)
{
	const struct kind *kind;

	do
		kind = &kinds[roll(ARRAY_SIZE(kinds))];
	while (only_kind ? strcmp(kind->name, only_kind) :
	       kind->trick && !allowed[kind->trick]);
	pthread_mutex_lock(&b->lock);
	memset(dev, 0, sizeof(*dev));
	dev->kind = kind;
	dev->num = num;
	dev->max_size = percent(90) ? 1u << roll(9) : roll(0x10000);
	/* The base, most rings' bits, and some of its own. */
	dev->features = BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_ACCESS_PLATFORM) |
			(dice_any(&dice) & BIT(VIRTIO_RING_F_EVENT_IDX)) |
			(percent(40) ? BIT(VIRTIO_F_RING_PACKED) : 0) |
			(percent(20) ? BIT(VIRTIO_F_IN_ORDER) : 0) |
			(percent(30) ? BIT(VIRTIO_F_RING_RESET) : 0) |
			(percent(20) ? BIT(F_NOTIFICATION_DATA) : 0) |
			(dice_any(&dice) & dice_any(&dice) & kind->features);
	if (percent(5))
		dev->features = dice_any(&dice);
	if (!allowed[TRICK_DIRECT] || percent(80))
		dev->features |= BIT(VIRTIO_RING_F_INDIRECT_DESC);
	if (kind->sane)
		kind->sane(&dice, dev->config);
	pthread_mutex_unlock(&b->lock);
}

static struct dev *dev_find(struct bus *b, uint16_t num)
{
	int i;

	for (i = 0; i < DEVS; i++) {
		if (b->dev[i].num == num)
			return &b->dev[i];
	}
	return NULL;
}

static void dev_reset(struct bus *b, struct dev *dev)
{
	pthread_mutex_lock(&b->lock);
	memset(dev->vq, 0, sizeof(dev->vq));
	pthread_mutex_unlock(&b->lock);
}

/* Moves while it is read: by the generation's rules, or without. */
static void dev_config_moves(struct dev *dev)
{
	if (percent(50))
		dev->generation++;
	if (!percent(50) || !dev->kind->config_size)
		return;
	if (dev->kind->sane && percent(70))
		dev->kind->sane(&dice, dev->config);
	else if (dev->kind->id != VIRTIO_ID_BALLOON)
		fill(&dice, dev->config + roll(dev->kind->config_size), 1 + roll(4));
}

static size_t get_config(struct dev *dev, const uint32_t *in, uint32_t *out, size_t room)
{
	uint32_t offset = le32toh(in[0]), length = le32toh(in[1]);

	out[0] = htole32(dev->generation);
	out[1] = in[0];
	out[2] = in[1];
	if (offset > CONFIG || length > CONFIG - offset || length > room - 12)
		return 12;
	memcpy(out + 3, dev->config + offset, length);
	return 12 + length;
}

static size_t set_config(struct dev *dev, const uint32_t *in, uint32_t *out)
{
	uint32_t offset = le32toh(in[1]), length = le32toh(in[2]);

	if (offset <= CONFIG && length <= CONFIG - offset && length <= 64)
		memcpy(dev->config + offset, in + 3, length);
	if (dev->kind->id == VIRTIO_ID_INPUT)
		dev_config_moves(dev);
	out[0] = htole32(dev->generation);
	out[1] = in[1];
	out[2] = percent(95) ? in[2] : 0;
	return 12;
}

static size_t set_status(struct bus *b, struct dev *dev, const uint32_t *in, uint32_t *out)
{
	dev->status = le32toh(in[0]);
	if (!dev->status)
		dev_reset(b, dev);
	if (dev->status & VIRTIO_CONFIG_S_DRIVER_OK)
		count.bound++;
	out[0] = in[0];
	return 4;
}

static size_t get_vqueue(struct dev *dev, const uint32_t *in, void *out)
{
	uint32_t index = le32toh(in[0]);
	struct virtio_msg_get_vqueue_resp resp = { .index = in[0] };

	if (index < dev->kind->vqs) {
		struct vq *vq = &dev->vq[index];

		resp.max_size = htole32(dev->max_size);
		resp.cur_size = htole32(vq->size);
		resp.flags = htole32(!!vq->size);
		resp.desc = htole64(vq->desc);
		resp.driver = htole64(vq->driver);
		resp.device = htole64(vq->device);
	}
	memcpy(out, &resp, sizeof(resp));
	return sizeof(resp);
}

static void set_vqueue(struct bus *b, struct dev *dev, const void *in)
{
	struct virtio_msg_set_vqueue set;
	struct virtio_msg_lb_queue queue = { .size = sizeof(queue), .dev_num = dev->num };
	uint32_t index;

	memcpy(&set, in, sizeof(set));
	index = le32toh(set.index);
	if (index >= VQS)
		return;
	pthread_mutex_lock(&b->lock);
	dev->vq[index] = (struct vq) {
		.size = le32toh(set.size),
		.packed = dev->driver_features & BIT(VIRTIO_F_RING_PACKED),
		.desc = le64toh(set.desc),
		.driver = le64toh(set.driver),
		.device = le64toh(set.device),
		.wrap = true,
	};
	if (!dev->vq[index].packed && b->num_tables < TABLES)
		b->tables[b->num_tables++] = (struct table) {
			dev->vq[index].desc, 16 * dev->vq[index].size };
	pthread_mutex_unlock(&b->lock);
	if (percent(70))
		return;
	queue.index = index;
	queue.kick_fd = percent(50) ? -1 : b->eventfd[roll(EVENTFDS)];
	queue.used_fd = percent(50) ? -1 : b->eventfd[roll(EVENTFDS)];
	count.ioctls++;
	ioctl(b->fd, VIRTIO_MSG_LB_QUEUE, &queue);
}

static size_t get_info(struct dev *dev, void *out)
{
	struct virtio_msg_device_info info = {
		.device_id = htole32(dev->kind->id),
		.vendor_id = htole32(0x1af4),
		.num_feature_blocks = htole32(2),
		.config_size = htole32(dev->kind->config_size),
		.max_virtqueues = htole32(dev->kind->vqs),
	};

	memcpy(out, &info, sizeof(info));
	return sizeof(info);
}

static size_t get_features(struct dev *dev, const uint32_t *in, uint32_t *out)
{
	uint32_t first = le32toh(in[0]), blocks = le32toh(in[1]), i;

	if (blocks > 8)
		blocks = 8;
	out[0] = in[0];
	out[1] = in[1];
	for (i = 0; i < blocks; i++)
		out[2 + i] = first + i < 2 ? htole32(dev->features >> (32 * (first + i))) : 0;
	return 8 + 4 * blocks;
}

static size_t get_devices(struct bus *b, const uint32_t *in, uint8_t *out)
{
	uint16_t offset = le32toh(in[0]), n = le32toh(in[0]) >> 16;
	int i;

	memset(out, 0, 6 + 8);
	if (n > 64)
		n = 64;
	put16(out, offset);
	put16(out + 4, n);
	for (i = 0; i < DEVS; i++) {
		unsigned int slot = b->dev[i].num - offset;

		if (b->dev[i].num >= offset && slot < n && percent(80))
			out[6 + slot / 8] |= 1 << slot % 8;
	}
	return 6 + (n + 7) / 8;
}

/*
 * Rings
 */

/* Memory of the pool, if the driver's word for it can be believed. */
static void *at(struct bus *b, uint64_t addr, uint64_t size)
{
	if (addr > b->pool_size || size > b->pool_size - addr)
		return NULL;
	return b->pool + addr;
}

/* The descriptor table of a split ring, which stock kernels believe. */
static bool is_table(struct bus *b, uint64_t addr, uint64_t size)
{
	unsigned int i;

	for (i = 0; i < b->num_tables; i++) {
		if (addr + size > b->tables[i].addr &&
		    addr < b->tables[i].addr + b->tables[i].size)
			return true;
	}
	return i == TABLES;
}

/* All that is ever written to the pool, right or wrong. */
static bool poke(struct bus *b, uint64_t addr, const void *bytes, uint32_t size)
{
	void *to = at(b, addr, size);

	if (!to || (!allowed[TRICK_CHAINS] && is_table(b, addr, size)))
		return false;
	memcpy(to, bytes, size);
	__sync_synchronize();
	return true;
}

/* What a driver gets to read: mostly zero, as that is success to many. */
static void serve_buffer(struct bus *b, uint64_t addr, uint32_t len)
{
	static uint8_t bytes[0x10000];
	uint32_t i;

	if (len > sizeof(bytes))
		len = sizeof(bytes);
	memset(bytes, 0, len);
	switch (roll(5)) {
	case 0:
		fill(&dice, bytes, len < 256 ? len : 256);
		break;
	case 1:
		/* Small numbers where small structures have them. */
		for (i = 0; i < len && i < 32; i += 2)
			bytes[i] = roll(10);
		break;
	}
	poke(b, addr, bytes, len);
}

static uint32_t used_length(uint32_t room)
{
	return percent(70) ? room : dice_number(&dice);
}

/*
 * Fills what a chain of descriptors names, and returns how much that is. Nothing
 * in there is as the driver made it for long, so it is no reason to go deep.
 */
static uint32_t serve_table(struct bus *b, struct vring_desc *table, uint32_t size,
			    uint32_t i, bool inner)
{
	uint32_t room = 0, turns, len;
	uint64_t addr;
	uint16_t flags;

	for (turns = 0; turns < 256 && i < size; turns++) {
		len = le32toh(table[i].len);
		addr = le64toh(table[i].addr);
		flags = le16toh(table[i].flags);
		if (flags & VRING_DESC_F_INDIRECT) {
			struct vring_desc *next = at(b, addr, len);

			if (next && !inner)
				room += serve_table(b, next, len / sizeof(*next), 0, true);
		} else if (flags & VRING_DESC_F_WRITE) {
			serve_buffer(b, addr, len);
			room += len;
		}
		if (!(flags & VRING_DESC_F_NEXT))
			break;
		i = le16toh(table[i].next);
	}
	return room;
}

static bool serve_split(struct bus *b, struct vq *vq)
{
	struct vring_desc *desc = at(b, vq->desc, 16 * vq->size);
	struct vring_avail *avail = at(b, vq->driver, 6 + 2 * vq->size);
	struct vring_used_elem elem;
	uint16_t head, place, next;
	bool any = false;

	if (!desc || !avail)
		return false;
	while (vq->next != le16toh(avail->idx) && roll(16)) {
		place = vq->next++ % vq->size;
		head = le16toh(avail->ring[place]);
		elem.id = htole32(head);
		elem.len = htole32(used_length(serve_table(b, desc, vq->size, head, false)));
		any |= poke(b, vq->device + 4 + 8 * place, &elem, sizeof(elem));
	}
	next = htole16(vq->next);
	return poke(b, vq->device + 2, &next, sizeof(next)) && any;
}

static bool is_available(const struct vq *vq, uint16_t flags)
{
	return !(flags & BIT(VRING_PACKED_DESC_F_AVAIL)) != vq->wrap &&
	       !(flags & BIT(VRING_PACKED_DESC_F_USED)) == vq->wrap;
}

static bool serve_packed(struct bus *b, struct vq *vq)
{
	struct vring_packed_desc *desc = at(b, vq->desc, 16 * vq->size), *d;
	uint16_t flags, place;
	uint64_t used;
	uint32_t room, n;
	bool any = false;

	if (!desc)
		return false;
	while (is_available(vq, le16toh(desc[vq->next].flags)) && roll(16)) {
		room = 0;
		for (n = 1;; n++) {
			d = &desc[(vq->next + n - 1) % vq->size];
			flags = le16toh(d->flags);
			if ((flags & VRING_DESC_F_WRITE) && !(flags & VRING_DESC_F_INDIRECT)) {
				serve_buffer(b, le64toh(d->addr), le32toh(d->len));
				room += le32toh(d->len);
			}
			if (!(flags & VRING_DESC_F_NEXT) || n == vq->size)
				break;
		}
		used = htole64(used_length(room) | (uint64_t)le16toh(d->id) << 32);
		place = vq->next;
		flags = vq->wrap ? htole16(BIT(VRING_PACKED_DESC_F_AVAIL) |
					   BIT(VRING_PACKED_DESC_F_USED)) : 0;
		vq->next += n;
		if (vq->next >= vq->size) {
			vq->next -= vq->size;
			vq->wrap = !vq->wrap;
		}
		if (!poke(b, vq->desc + 16 * place + 8, &used, 6) ||
		    !poke(b, vq->desc + 16 * place + 14, &flags, 2))
			break;
		any = true;
	}
	return any;
}

static void serve(struct bus *b, struct dev *dev, uint32_t index)
{
	struct vq *vq = &dev->vq[index % VQS];

	if (index >= VQS || !vq->size || vq->size > 0x8000)
		return;
	if (vq->packed ? serve_packed(b, vq) : serve_split(b, vq))
		event_used(b, dev->num, index);
}

/* Writes @size bytes where no device has any business to write, or not now. */
static void scribble(struct bus *b, uint64_t addr, uint64_t value, unsigned int size)
{
	count.rings += poke(b, addr, &value, size);
}

static void scribble_ring(struct bus *b, struct dice *d, struct vq *vq)
{
	uint32_t i = dice_roll(d, vq->size);
	uint16_t *idx = at(b, vq->device + 2, 2);

	if (vq->packed) {
		static const uint16_t flags[] = { 0x8080, 0, 0x8082, 2, 0x80, 0x8000 };

		switch (dice_roll(d, 4)) {
		case 0:
			scribble(b, vq->desc + 16 * i + 14, flags[dice_roll(d, 6)], 2);
			break;
		case 1:
			scribble(b, vq->desc + 16 * i + 12, dice_roll(d, 2 * vq->size), 2);
			break;
		case 2:
			scribble(b, vq->desc + 16 * i + 8 * dice_roll(d, 2), dice_any(d), 8);
			break;
		default:
			scribble(b, vq->device, dice_any(d), 4);
		}
		return;
	}
	switch (dice_roll(d, 7)) {
	case 0:
		if (idx)
			scribble(b, vq->device + 2,
				 htole16(le16toh(*idx) + dice_roll(d, 4)), 2);
		break;
	case 1:
		scribble(b, vq->device + 2, dice_number(d), 2);
		break;
	case 2:
		scribble(b, vq->device + 4 + 8 * i, dice_roll(d, vq->size + 1), 4);
		break;
	case 3:
		scribble(b, vq->device + 4 + 8 * i, dice_number(d), 8);
		break;
	case 4:
		scribble(b, vq->device + 8 + 8 * i, dice_number(d), 4);
		break;
	case 5:
		/* Flags, the avail event and the driver's own ring. */
		scribble(b, vq->device, dice_roll(d, 2), 2);
		scribble(b, vq->device + 4 + 8 * vq->size, dice_any(d), 2);
		scribble(b, vq->driver + dice_roll(d, 6 + 2 * vq->size), dice_any(d), 2);
		break;
	default:
		scribble(b, vq->desc + 16 * i + 12, dice_roll(d, 8), 2);
		scribble(b, vq->desc + 16 * i + 8 * dice_roll(d, 2), dice_any(d), 8);
	}
}

/* One write that is wrong; the lock is held. */
static void scribble_once(struct bus *b, struct dice *d)
{
	struct dev *dev = &b->dev[dice_roll(d, DEVS)];
	struct vq *vq = &dev->vq[dice_roll(d, dev->kind ? dev->kind->vqs : VQS)];

	if (dice_percent(d, 20))
		scribble(b, dice_roll(d, b->pool_size), dice_any(d), 1 + dice_roll(d, 8));
	else if (vq->size && vq->size <= 0x8000)
		scribble_ring(b, d, vq);
}

static void *scribbler(void *arg)
{
	struct bus *b = arg;
	struct dice d = { b->patience };
	int turns;

	while (!__atomic_load_n(&b->over, __ATOMIC_RELAXED)) {
		usleep(500);
		if (b->turns < b->patience || !b->evil)
			continue;
		pthread_mutex_lock(&b->lock);
		for (turns = dice_roll(&d, 4); turns >= 0; turns--)
			scribble_once(b, &d);
		pthread_mutex_unlock(&b->lock);
	}
	return NULL;
}

/*
 * A bus
 */

static void answer(struct bus *b, const uint8_t *frame)
{
	alignas(8) uint32_t out[LB_FRAME / 4] = {};
	alignas(8) uint8_t resp[LB_FRAME];
	const struct virtio_msg_hdr *hdr = (const void *)frame;
	uint16_t num = le16toh(hdr->dev_num);
	struct dev *dev = dev_find(b, num);
	const uint32_t *in = (const void *)(hdr + 1);
	size_t size = 0;

	count.requests++;
	if (hdr->type & VIRTIO_MSG_TYPE_RESPONSE)
		return;
	if (hdr->type & VIRTIO_MSG_TYPE_BUS) {
		if (hdr->msg_id == VIRTIO_MSG_BUS_GET_DEVICES)
			size = get_devices(b, in, (uint8_t *)out);
		else
			memcpy(out, in, size = 4);
	} else if (dev) {
		if (b->turns >= b->patience && percent(b->evil))
			dev_config_moves(dev);
		switch (hdr->msg_id) {
		case VIRTIO_MSG_GET_DEVICE_INFO:
			size = get_info(dev, out);
			break;
		case VIRTIO_MSG_GET_DEVICE_FEATURES:
			size = get_features(dev, in, out);
			break;
		case VIRTIO_MSG_SET_DRIVER_FEATURES:
			dev->driver_features = le32toh(in[2]) | (uint64_t)le32toh(in[3]) << 32;
			break;
		case VIRTIO_MSG_GET_CONFIG:
			size = get_config(dev, in, out, b->max_size - sizeof(*hdr));
			break;
		case VIRTIO_MSG_SET_CONFIG:
			size = set_config(dev, in, out);
			break;
		case VIRTIO_MSG_GET_DEVICE_STATUS:
			out[0] = htole32(dev->status);
			size = 4;
			break;
		case VIRTIO_MSG_SET_DEVICE_STATUS:
			size = set_status(b, dev, in, out);
			break;
		case VIRTIO_MSG_GET_VQUEUE:
			size = get_vqueue(dev, in, out);
			break;
		case VIRTIO_MSG_SET_VQUEUE:
			set_vqueue(b, dev, in);
			break;
		case VIRTIO_MSG_RESET_VQUEUE:
			if (le32toh(in[0]) < VQS)
				dev->vq[le32toh(in[0])].size = 0;
			break;
		case VIRTIO_MSG_EVENT_AVAIL:
			serve(b, dev, le32toh(in[0]));
			return;
		case VIRTIO_MSG_GET_SHM:
			size = sizeof(struct virtio_msg_get_shm_resp);
			break;
		}
	}
	deliver(b, resp, lb_frame(resp, hdr->type | VIRTIO_MSG_TYPE_RESPONSE, hdr->msg_id,
				  num, le16toh(hdr->token), out, size));
}

static void any_ioctl(struct bus *b)
{
	alignas(8) uint8_t arg[256] = {};
	struct virtio_msg_lb_queue *queue = (void *)arg;
	struct virtio_msg_lb_setup *setup = (void *)arg;
	unsigned long cmd;

	count.ioctls++;
	switch (roll(3)) {
	case 0:
		*queue = (struct virtio_msg_lb_queue) {
			.size = sizeof(*queue),
			.dev_num = percent(90) ? roll(DEVS) : dice_number(&dice),
			.index = percent(90) ? roll(VQS) : dice_number(&dice),
			.kick_fd = percent(50) ? b->eventfd[roll(EVENTFDS)] : (int)roll(40) - 1,
			.used_fd = percent(50) ? b->eventfd[roll(EVENTFDS)] : (int)roll(40) - 1,
		};
		ioctl(b->fd, VIRTIO_MSG_LB_QUEUE, queue);
		break;
	case 1:
		lb_setup_init(setup, b->memfd);
		mutate(arg, sizeof(*setup));
		ioctl(b->fd, VIRTIO_MSG_LB_SETUP, setup);
		break;
	default:
		cmd = _IOC(roll(4), VIRTIO_MSG_LB_MAGIC, roll(4), roll(sizeof(arg)));
		fill(&dice, arg, sizeof(arg));
		/* Its own size is the first thing to be right. */
		if (percent(50))
			memcpy(arg, (uint32_t[]) { _IOC_SIZE(cmd) }, 4);
		ioctl(b->fd, cmd, percent(90) ? (void *)arg : NULL);
	}
}

/* Takes what there is to read, sometimes with too little room for it. */
static size_t take(struct bus *b, uint8_t *frame)
{
	ssize_t size = read(b->fd, frame, percent(97) ? LB_FRAME : roll(16));

	return size >= (ssize_t)sizeof(struct virtio_msg_hdr) ? size : 0;
}

/* What nobody asked for. */
static void unsolicited(struct bus *b)
{
	alignas(8) uint8_t frame[LB_FRAME];
	struct virtio_msg_event_config config = {};
	struct dev *dev = &b->dev[roll(DEVS)];
	uint64_t one = 1;
	size_t size;
	int turns;

	count.alone++;
	switch (roll(9)) {
	case 0:
	case 1:
		event_used(b, dev->num, percent(80) ? roll(VQS) : dice_number(&dice));
		break;
	case 2:
		dev_config_moves(dev);
		config.status = htole32(dev->status | (percent(3) ?
				VIRTIO_CONFIG_S_NEEDS_RESET : 0));
		config.generation = htole32(dev->generation);
		config.length = htole32(percent(50) ? 0 : roll(64));
		memcpy(frame + 512, &config, sizeof(config));
		fill(&dice, frame + 512 + sizeof(config), 64);
		event(b, VIRTIO_MSG_EVENT_CONFIG, dev->num, frame + 512,
		      sizeof(config) + (percent(50) ? le32toh(config.length) : 0));
		break;
	case 3:
		/* A frame that makes no sense but in its header. */
		fill(&dice, frame, sizeof(frame));
		size = roll(128);
		lb_frame(frame, roll(4), percent(70) ? roll(0x10) : dice_any(&dice),
			 percent(80) ? roll(DEVS) : dice_any(&dice), roll(8), NULL, 0);
		put16(frame + 6, 8 + size);
		throw(b, frame, 8 + size);
		break;
	case 4:
		fill(&dice, frame, sizeof(frame));
		throw(b, frame, roll(sizeof(frame)));
		break;
	case 5:
		ignore(write(b->eventfd[roll(EVENTFDS)], &one, sizeof(one)));
		break;
	case 6:
		any_ioctl(b);
		break;
	case 7:
		deliver(b, frame, lb_frame(frame, VIRTIO_MSG_TYPE_BUS, VIRTIO_MSG_BUS_PING,
					   0, roll(3), &dice.state, 4));
		break;
	default:
		/* A queue that is served though nobody kicked. */
		for (turns = roll(VQS); turns >= 0; turns--)
			serve(b, dev, turns);
	}
}

/* Numbers come and go, and come again as something else. */
static void hotplug(struct bus *b)
{
	struct dev *dev = &b->dev[roll(DEVS)];
	int turns;

	count.hotplug++;
	for (turns = percent(80) ? 0 : roll(8); turns >= 0; turns--) {
		if (percent(50))
			event_device(b, dev->num, VIRTIO_MSG_DEVICE_REMOVED);
		if (percent(30))
			dev_init(b, dev, dev->num);
		event_device(b, dev->num, percent(95) ? VIRTIO_MSG_DEVICE_ADDED :
			     dice_any(&dice));
	}
}

static bool bus_open(struct bus *b)
{
	static const uint32_t sizes[] = { 52, 64, 264, 264, 264, 1024 };
	struct virtio_msg_lb_setup setup;
	int i;

	memset(b, 0, sizeof(*b));
	pthread_mutex_init(&b->lock, NULL);
	b->pool_size = percent(70) ? LB_POOL : VIRTIO_MSG_LB_POOL_MIN + roll(512) * 4096;
	b->memfd = lb_memfd(b->pool_size, F_SEAL_SHRINK);
	b->fd = lb_open(O_NONBLOCK);
	lb_setup_init(&setup, b->memfd);
	b->max_size = sizes[roll(ARRAY_SIZE(sizes))];
	setup.max_msg_size = b->max_size;
	setup.features = roll(2);
	setup.timeout_ms = 10 + roll(190);
	b->pool = mmap(NULL, b->pool_size, PROT_READ | PROT_WRITE, MAP_SHARED, b->memfd, 0);
	b->patience = roll(400);
	b->evil = percent(20) ? 0 : 1 + roll(40);
	for (i = 0; i < EVENTFDS; i++)
		b->eventfd[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	for (i = 0; i < DEVS; i++)
		dev_init(b, &b->dev[i], i);
	if (b->fd < 0 || b->pool == MAP_FAILED || ioctl(b->fd, VIRTIO_MSG_LB_SETUP, &setup)) {
		note("cannot make a bus: %s", strerror(errno));
		return false;
	}
	return true;
}

static void bus_close(struct bus *b)
{
	int i;

	close(b->fd);
	munmap(b->pool, b->pool_size);
	close(b->memfd);
	for (i = 0; i < EVENTFDS; i++)
		close(b->eventfd[i]);
}

/* Which bus it was that the kernel did not like is in its own log then. */
static void log_bus(struct bus *b, uint64_t seed, uint64_t n)
{
	char text[512], *p = text;
	int i, fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);

	p += sprintf(p, "hostile: --seed %llu --bus %llu:", (unsigned long long)seed,
		     (unsigned long long)n);
	for (i = 0; i < DEVS; i++)
		p += sprintf(p, " %s/%u/%llx", b->dev[i].kind->name, b->dev[i].max_size,
			     (unsigned long long)b->dev[i].features);
	ignore(write(fd, text, p - text));
	close(fd);
}

static bool run_bus(uint64_t seed, uint64_t n)
{
	alignas(8) uint8_t frame[LB_FRAME];
	static struct bus b;
	time_t end = time(NULL) + BUS_SECONDS;
	pthread_t thread;
	uint64_t most;

	dice.state = seed * 0x10000 + n;
	if (!bus_open(&b))
		return false;
	log_bus(&b, seed, n);
	pthread_create(&thread, NULL, scribbler, &b);
	most = percent(10) ? roll(20) : 500 + roll(4000);
	while (b.sent < most && time(NULL) < end) {
		struct pollfd p = { .fd = b.fd, .events = POLLIN };

		if (poll(&p, 1, b.turns++ < b.patience ? 2 : percent(10)) == 1) {
			if (take(&b, frame))
				answer(&b, frame);
			if (percent(80))
				continue;
		}
		if (b.turns < b.patience)
			continue;
		if (percent(97))
			unsolicited(&b);
		else
			hotplug(&b);
	}
	__atomic_store_n(&b.over, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	bus_close(&b);
	count.buses++;
	return true;
}

static bool no_buses(void)
{
	int turns, i;

	for (turns = 0; turns < LB_WAIT / 100; turns++) {
		for (i = 0; i < 16 && !lb_exists(i); i++)
			;
		if (i == 16)
			return true;
		usleep(100000);
	}
	note("loopback%d is still there", i);
	return false;
}

static void usage(void)
{
	puts("hostile [OPTION...]: throws wrong messages at the kernel's loopback bus\n"
	     "  --messages N     how many (20000)\n"
	     "  --seed N         of the dice (1); what the users of the devices do, and\n"
	     "                   when, is not quite the same each time\n"
	     "  --bus N          only the bus of that number, as the kernel's log names it\n"
	     "  --kind NAME      only devices of that kind, as the kernel's log names it\n"
	     "  --trick NAME     one that is left out else, as it brings down a kernel by\n"
	     "                   an error that is not of virtio-msg:\n"
	     "    chains         rewrites descriptors of split rings. virtio_ring follows\n"
	     "                   chains by the flags in there: it never comes back\n"
	     "                   (patches/virtio_ring-split-flags.patch is against that)\n"
	     "    direct         disks without indirect descriptors. virtio_blk makes\n"
	     "                   requests that are larger than such a ring, and then waits\n"
	     "                   for room in it: for ever\n"
	     "    net            network devices. virtio_net believes lengths of packets for\n"
	     "                   which there are no pages, or not enough room: see\n"
	     "                   patches/virtio_net.patch\n"
	     "    gpio           devices with GPIO lines. gpio-virtio asks for memory for as\n"
	     "                   many lines as it is told, which is a warning above 4 MiB\n"
	     "    console        devices that are consoles. virtio_console waits with its\n"
	     "                   interrupts off until what it wrote has been taken\n"
	     "    balloon        devices that are balloons. A virtio_balloon that is not\n"
	     "                   answered any more warns or waits for ever when it goes\n"
	     "    scsi           devices that are SCSI hosts. virtio_scsi warns of sense\n"
	     "                   data that is longer than there is room for it");
}

static void show(const char *name, unsigned long long value, const char *unit,
		 const char *text)
{
	printf("# figure hostile_%s %llu %s %s\n", name, value, unit, text);
}

static void allow(const char *name)
{
	int i;

	for (i = 0; i < TRICKS; i++) {
		if (!strcmp(name, tricks[i])) {
			allowed[i] = true;
			return;
		}
	}
	fprintf(stderr, "hostile: there is no trick %s, see --help\n", name);
	exit(1);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "messages", required_argument, NULL, 'm' },
		{ "seed", required_argument, NULL, 's' },
		{ "bus", required_argument, NULL, 'b' },
		{ "kind", required_argument, NULL, 'k' },
		{ "trick", required_argument, NULL, 't' },
		{ "help", no_argument, NULL, 'h' },
		{}
	};
	unsigned long long messages = 20000, seed = 1, n = 0, only = 0;
	unsigned long used = 0;
	bool good = true;
	struct lb lb;
	pid_t pid;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'm':
			messages = strtoull(optarg, NULL, 0);
			break;
		case 's':
			seed = strtoull(optarg, NULL, 0);
			break;
		case 'b':
			only = strtoull(optarg, NULL, 0);
			break;
		case 'k':
			only_kind = optarg;
			break;
		case 't':
			allow(optarg);
			break;
		default:
			usage();
			return c != 'h';
		}
	}
	plan(4);
	signal(SIGPIPE, SIG_IGN);
	pid = users_start(seed);
	while (good && count.sent < messages)
		good = run_bus(seed, only ? only : ++n);
	note("seed %llu: %llu right, %llu mutated, %llu cut, %llu grown", seed, count.right,
	     count.mutated, count.cut, count.grown);
	note("%llu twice, %llu late, %llu withheld, %llu unsolicited, %llu hotplugs, %llu ioctls",
	     count.twice, count.late, count.withheld, count.alone, count.hotplug, count.ioctls);
	show("messages", count.sent, "messages", "thrown at the kernel by a hostile device side");
	show("refused", count.refused, "messages", "refused by write() among them");
	show("requests", count.requests, "messages", "answered or not, as the dice said");
	show("rings", count.rings, "writes", "into rings and buffers behind the driver's back");
	show("buses", count.buses, "buses", "with six devices each");
	show("bound", count.bound, "times", "a driver said DRIVER_OK");
	ok(good, "%llu messages", messages);
	ok(no_buses(), "nothing is left of the buses");
	good = users_stop(pid, &used);
	show("uses", used, "times", "a device was used meanwhile");
	ok(good, "whoever used the devices can go");
	good = lb_start(&lb, 0) && lb_no_devices(&lb) && lb_alive(&lb);
	lb_stop(&lb);
	ok(good, "a bus that behaves is welcome");
	return finish();
}
