// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * libvmsg fuzzing: a made-up link, under the driver side of the tests.
 */
#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "fuzz.h"
#include "link.h"

static struct fuzz_link *link_of(struct vmsg_link *link)
{
	return VMSG_CONTAINER_OF(link, struct fuzz_link, link);
}

/* What a device side sends has to be a message that it may send. */
static void link_check(struct fuzz_link *l, const void *frame, size_t len)
{
	struct vmsg_msg msg;
	int size;

	fuzz_require(len <= l->bench.bus->max_msg_size);
	size = vmsg_wire_decode(l->bench.dialect, frame, len, len, &msg);
	fuzz_require(size == (int)len);
	if (msg.type & VIRTIO_MSG_TYPE_RESPONSE) {
		l->answers++;
		fuzz_require(l->answers <= l->requests);
		return;
	}
	fuzz_require(!msg.token);
	if (msg.type & VIRTIO_MSG_TYPE_BUS)
		fuzz_require(msg.id == VIRTIO_MSG_BUS_EVENT_DEVICE);
	else
		fuzz_require(msg.id == VIRTIO_MSG_EVENT_USED ||
			     msg.id == VIRTIO_MSG_EVENT_CONFIG);
}

static int link_send(struct vmsg_link *link, const void *frame, size_t len)
{
	struct fuzz_link *l = link_of(link);

	if (l->error)
		return l->error;
	if (!l->room)
		return -EAGAIN;
	if (l->room > 0)
		l->room--;
	link_check(l, frame, len);
	bench_arrived(&l->bench, frame, len);
	return 0;
}

static ssize_t link_receive(struct vmsg_link *link, void *buf, size_t room)
{
	struct fuzz_link *l = link_of(link);
	struct link_frame *frame = &l->frames[l->first];
	uint64_t count;
	size_t len;

	if (l->error)
		return l->error;
	if (l->gone) {
		l->gone = false;
		return -ECONNRESET;
	}
	if (!l->num) {
		if (read(link->fd, &count, sizeof(count)) < 0)
			return -EAGAIN;
		return -EAGAIN;
	}
	len = frame->len < room ? frame->len : room;
	memcpy(buf, frame->bytes, len);
	l->first = (l->first + 1) % LINK_FRAMES;
	l->num--;
	l->requests++;
	return len;
}

static void *link_map(struct vmsg_link *link, uint64_t addr, uint64_t len)
{
	struct fuzz_link *l = link_of(link);

	if (l->race_in && !--l->race_in)
		link_write(l, l->race_at, l->race, l->race_len);
	if (addr < POOL_ADDR || addr > POOL_ADDR + LINK_POOL ||
	    len > POOL_ADDR + LINK_POOL - addr)
		return NULL;
	return l->pool + (addr - POOL_ADDR);
}

static int link_queue(struct vmsg_link *link, uint16_t dev_num, uint32_t index,
		      int kick_fd, int used_fd)
{
	(void)used_fd;
	if (dev_num >= LINK_QUEUES / LINK_PER_DEVICE ||
	    index >= LINK_PER_DEVICE)
		return -EINVAL;
	link_of(link)->kick_fd[LINK_PER_DEVICE * dev_num + index] = kick_fd;
	return 0;
}

static void link_end(struct vmsg_link *link)
{
	close(link->fd);
}

static const struct vmsg_link_ops link_ops = {
	.send = link_send,
	.receive = link_receive,
	.map = link_map,
	.close = link_end,
};

static const struct vmsg_link_ops link_fd_ops = {
	.send = link_send,
	.receive = link_receive,
	.map = link_map,
	.queue = link_queue,
	.close = link_end,
};

void link_wake(struct fuzz_link *l)
{
	uint64_t one = 1;

	fuzz_require(write(l->link.fd, &one, sizeof(one)) == sizeof(one));
}

static void link_put(struct bench *b, const void *frame, size_t len)
{
	struct fuzz_link *l = b->priv;
	struct link_frame *slot;

	if (l->num < LINK_FRAMES) {
		slot = &l->frames[(l->first + l->num++) % LINK_FRAMES];
		slot->len = len < sizeof(slot->bytes) ? len :
			    sizeof(slot->bytes);
		memcpy(slot->bytes, frame, slot->len);
	}
	link_wake(l);
}

/* By eventfd where there is one. */
void link_kick(struct bench *b, uint16_t dev, uint32_t index)
{
	struct fuzz_link *l = b->priv;
	unsigned int queue = (LINK_PER_DEVICE * dev + index) % LINK_QUEUES;
	uint64_t one = 1;

	if (l->kick_fd[queue] < 0)
		drv_event_avail(b, dev, index, 0);
	else if (write(l->kick_fd[queue], &one, sizeof(one)) < 0)
		l->kick_fd[queue] = -1;
}

/* Frames arrive when they are sent. */
static void link_take(struct bench *b)
{
	(void)b;
}

static const struct bench_carrier link_carrier = {
	.put = link_put,
	.kick = link_kick,
	.take = link_take,
};

void link_open(struct fuzz_link *l, uint8_t how)
{
	static const uint16_t sizes[] = { 52, 128, 264, 64 };
	struct bench_params params = {
		.ring_features = VMSG_RING_FEATURES,
		.legacy_enable = how & LINK_LEGACY,
		.rfc = how & LINK_RFC,
		.carrier = &link_carrier,
		.other = &l->link,
		.priv = l,
	};
	static uint8_t *pool;
	int i;

	if (!pool)
		pool = aligned_alloc(4096, LINK_POOL);
	fuzz_require(pool);
	memset(pool, 0, LINK_POOL);
	memset(l, 0, sizeof(*l));
	l->pool = pool;
	l->room = -1;
	for (i = 0; i < (int)LINK_QUEUES; i++)
		l->kick_fd[i] = -1;
	l->link.ops = how & LINK_EVENTFDS ? &link_fd_ops : &link_ops;
	l->link.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	l->link.max_msg_size = sizes[(how & LINK_SIZE) >> 4];
	l->link.features = !!(how & LINK_STRICT);
	l->link.pool_size = LINK_POOL;
	params.pool = (char *)pool;
	bench_open(&l->bench, &params);
}

void link_close(struct fuzz_link *l)
{
	/* Nobody has to hear the last words. */
	l->room = 0;
	bench_close(&l->bench);
}

void link_write(struct fuzz_link *l, uint32_t at, const void *bytes, size_t len)
{
	at %= LINK_POOL;
	if (len > LINK_POOL - at)
		len = LINK_POOL - at;
	memcpy(l->pool + at, bytes, len);
}
