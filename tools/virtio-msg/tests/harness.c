// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * libvmsg tests: a driver side in the same process.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "harness.h"

/* TAP -------------------------------------------------------------------- */

static unsigned int tap_run, tap_failed;

bool tap_ok(bool good, const char *file, int line, const char *fmt, ...)
{
	va_list args;

	printf("%sok %u - ", good ? "" : "not ", ++tap_run);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
	if (!good) {
		printf("# at %s:%d\n", file, line);
		tap_failed++;
	}
	fflush(stdout);
	return good;
}

int tap_end(void)
{
	printf("1..%u\n", tap_run);
	return tap_failed ? 1 : 0;
}

/* Memory link ------------------------------------------------------------ */

static void frames_put(struct frames *frames, const void *bytes, size_t len)
{
	struct frame *frame = malloc(sizeof(*frame) + len);

	if (!frame)
		abort();
	frame->next = NULL;
	frame->len = len;
	memcpy(frame->bytes, bytes, len);
	if (!frames->last)
		frames->last = &frames->first;
	*frames->last = frame;
	frames->last = &frame->next;
}

static void frames_take(struct frames *frames, struct frame **link)
{
	struct frame *frame = *link;

	*link = frame->next;
	if (frames->last == &frame->next)
		frames->last = link;
	free(frame);
}

static struct bench *bench_of(struct vmsg_link *link)
{
	return VMSG_CONTAINER_OF(link, struct bench, link);
}

static int bench_link_send(struct vmsg_link *link, const void *frame,
			   size_t len)
{
	struct bench *b = bench_of(link);

	if (!b->room)
		return -EAGAIN;
	if (b->room > 0)
		b->room--;
	frames_put(&b->to_driver, frame, len);
	return 0;
}

static ssize_t bench_link_receive(struct vmsg_link *link, void *buf,
				  size_t room)
{
	struct bench *b = bench_of(link);
	struct frame *frame = b->to_device.first;
	uint64_t count;
	size_t len;

	b->num_received++;
	if (b->error)
		return b->error;
	if (b->gone) {
		b->gone = false;
		return -ECONNRESET;
	}
	if (!frame) {
		if (read(link->fd, &count, sizeof(count)) < 0)
			return -EAGAIN;
		return -EAGAIN;
	}
	len = frame->len < room ? frame->len : room;
	memcpy(buf, frame->bytes, len);
	frames_take(&b->to_device, &b->to_device.first);
	return len;
}

static void *bench_link_map(struct vmsg_link *link, uint64_t addr, uint64_t len)
{
	if (addr < POOL_ADDR || addr > POOL_ADDR + POOL_SIZE ||
	    len > POOL_ADDR + POOL_SIZE - addr)
		return NULL;
	return bench_of(link)->pool + (addr - POOL_ADDR);
}

static int bench_link_queue(struct vmsg_link *link, uint16_t dev_num,
			    uint32_t index, int kick_fd, int used_fd)
{
	struct bench *b = bench_of(link);

	(void)dev_num;
	(void)index;
	b->num_queue_calls++;
	if (b->queue_error)
		return b->queue_error;
	b->kick_fd = kick_fd;
	b->used_fd = used_fd;
	b->has_fds = true;
	return 0;
}

static void bench_link_close(struct vmsg_link *link)
{
	close(link->fd);
}

static const struct vmsg_link_ops bench_ops = {
	.send = bench_link_send,
	.receive = bench_link_receive,
	.map = bench_link_map,
	.close = bench_link_close,
};

static const struct vmsg_link_ops bench_fd_ops = {
	.send = bench_link_send,
	.receive = bench_link_receive,
	.map = bench_link_map,
	.queue = bench_link_queue,
	.close = bench_link_close,
};

static void bench_dead(void *arg, int error)
{
	struct bench *b = arg;

	b->dead = true;
	(void)error;
}

void bench_open(struct bench *b, const struct bench_params *params)
{
	struct vmsg_bus_params bus_params = {
		.features = params->ring_features,
		.legacy_enable = params->legacy_enable,
		.rfc = params->rfc,
		.dead = bench_dead,
		.arg = b,
	};

	if (!getenv("V"))
		vmsg_log_name = NULL;
	memset(b, 0, sizeof(*b));
	b->room = -1;
	b->dialect = params->rfc ? VMSG_DIALECT_RFC : VMSG_DIALECT_1;
	b->loop = vmsg_loop_new();
	if (params->other) {
		b->carrier = params->carrier;
		b->priv = params->priv;
		b->pool = params->pool;
		b->bus = vmsg_bus_new(b->loop, params->other, &bus_params);
		if (!b->bus)
			abort();
		return;
	}
	b->pool = aligned_alloc(4096, POOL_SIZE);
	memset(b->pool, 0, POOL_SIZE);
	b->link.ops = params->eventfds ? &bench_fd_ops : &bench_ops;
	b->link.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	b->link.max_msg_size = params->max_msg_size ? params->max_msg_size :
			       VIRTIO_MSG_RECOMMENDED_SIZE;
	b->link.features = params->transport_features;
	b->link.pool_size = POOL_SIZE;
	b->bus = vmsg_bus_new(b->loop, &b->link, &bus_params);
	if (!b->bus)
		abort();
}

void bench_close(struct bench *b)
{
	vmsg_bus_free(b->bus);
	vmsg_loop_free(b->loop);
	while (b->to_driver.first)
		frames_take(&b->to_driver, &b->to_driver.first);
	while (b->to_device.first)
		frames_take(&b->to_device, &b->to_device.first);
	if (!b->carrier)
		free(b->pool);
}

/* Let the device side do all that it can; some of it takes several rounds. */
void bench_run(struct bench *b)
{
	int i;

	for (i = 0; i < 8; i++)
		vmsg_loop_once(b->loop, 0);
	if (b->carrier)
		b->carrier->take(b);
}

void bench_arrived(struct bench *b, const void *frame, size_t len)
{
	frames_put(&b->to_driver, frame, len);
}

void bench_put(struct bench *b, const void *frame, size_t len)
{
	uint64_t one = 1;

	if (b->carrier) {
		b->carrier->put(b, frame, len);
		return;
	}
	frames_put(&b->to_device, frame, len);
	if (write(b->link.fd, &one, sizeof(one)) < 0)
		abort();
}

/*
 * Take the first frame of a kind from what the device side has sent. The data
 * of the message are valid until the next call.
 */
bool bench_get(struct bench *b, uint8_t type, uint8_t id, struct vmsg_msg *msg)
{
	static uint8_t bytes[VIRTIO_MSG_MAX_SIZE];
	struct frame **link;
	int size;

	for (link = &b->to_driver.first; *link; link = &(*link)->next) {
		memcpy(bytes, (*link)->bytes, (*link)->len);
		if (bytes[0] != type || bytes[1] != id)
			continue;
		size = vmsg_wire_decode(b->dialect, bytes, (*link)->len,
					VIRTIO_MSG_MAX_SIZE, msg);
		/* Slots may be larger than the message in there. */
		if (size < 0 || (!b->carrier && size != (int)(*link)->len) ||
		    size > (int)b->bus->max_msg_size)
			abort();
		frames_take(&b->to_driver, link);
		return true;
	}
	return false;
}

unsigned int bench_flush(struct bench *b)
{
	unsigned int num = 0;

	for (; b->to_driver.first; num++)
		frames_take(&b->to_driver, &b->to_driver.first);
	return num;
}

/* Send a request and wait for its answer, which must have its token. */
bool bench_ask(struct bench *b, struct vmsg_msg *msg)
{
	static uint8_t bytes[VIRTIO_MSG_MAX_SIZE];
	struct vmsg_msg answer;
	int len;

	msg->token = ++b->token;
	len = vmsg_wire_encode(b->dialect, msg, bytes, sizeof(bytes));
	if (len < 0)
		abort();
	bench_put(b, bytes, len);
	bench_run(b);
	if (!bench_get(b, msg->type | VIRTIO_MSG_TYPE_RESPONSE, msg->id,
		       &answer))
		return false;
	if (b->dialect == VMSG_DIALECT_RFC && msg->type)
		msg->token = 0;
	if (answer.token != msg->token || answer.dev_num != msg->dev_num)
		return false;
	*msg = answer;
	return true;
}

void *bench_ptr(struct bench *b, uint64_t addr)
{
	return b->pool + (addr - POOL_ADDR);
}

/* Driver ----------------------------------------------------------------- */

uint32_t drv_status(struct bench *b, uint16_t dev)
{
	struct vmsg_msg msg = {
		.id = VIRTIO_MSG_GET_DEVICE_STATUS,
		.dev_num = dev,
	};

	return bench_ask(b, &msg) ? msg.status : ~0u;
}

uint32_t drv_set_status(struct bench *b, uint16_t dev, uint32_t status)
{
	struct vmsg_msg msg = {
		.id = VIRTIO_MSG_SET_DEVICE_STATUS,
		.dev_num = dev,
		.status = status,
	};

	return bench_ask(b, &msg) ? msg.status : ~0u;
}

uint64_t drv_offered(struct bench *b, uint16_t dev)
{
	struct vmsg_msg msg = {
		.id = VIRTIO_MSG_GET_DEVICE_FEATURES,
		.dev_num = dev,
		.features.count = 2,
	};

	if (!bench_ask(b, &msg))
		return 0;
	return vmsg_wire_block(&msg, 0) |
	       (uint64_t)vmsg_wire_block(&msg, 1) << 32;
}

void drv_accept(struct bench *b, uint16_t dev, uint64_t features)
{
	uint8_t words[8];
	struct vmsg_msg msg = {
		.id = VIRTIO_MSG_SET_DRIVER_FEATURES,
		.dev_num = dev,
		.features.count = 2,
		.data = words,
		.data_len = sizeof(words),
	};

	vmsg_wire_put_block(words, 0, features);
	vmsg_wire_put_block(words, 1, features >> 32);
	bench_ask(b, &msg);
}

/* Reset, and everything up to and including FEATURES_OK. */
bool drv_negotiate(struct bench *b, uint16_t dev, uint64_t features)
{
	drv_set_status(b, dev, 0);
	drv_set_status(b, dev, S_ACK);
	drv_set_status(b, dev, S_DRIVER);
	drv_accept(b, dev, features | F_BASE);
	return drv_set_status(b, dev, S_FEATURES) == S_FEATURES;
}

/* False when the device refuses, or answers with another length. */
bool drv_read_config(struct bench *b, uint16_t dev, uint32_t offset, void *buf,
		     uint32_t len)
{
	struct vmsg_msg msg = {
		.id = VIRTIO_MSG_GET_CONFIG,
		.dev_num = dev,
		.config.offset = offset,
		.config.length = len,
	};

	if (!bench_ask(b, &msg) || msg.data_len != len)
		return false;
	memcpy(buf, msg.data, len);
	return true;
}

/* The same, the other way. */
bool drv_write_config(struct bench *b, uint16_t dev, uint32_t offset,
		      const void *buf, uint32_t len)
{
	struct vmsg_msg msg = {
		.id = VIRTIO_MSG_SET_CONFIG,
		.dev_num = dev,
		.config.offset = offset,
		.config.length = len,
		.data = buf,
		.data_len = len,
	};

	return bench_ask(b, &msg) && msg.config.length == len;
}

struct vmsg_msg drv_get_vq(struct bench *b, uint16_t dev, uint32_t index)
{
	struct vmsg_msg msg = {
		.id = VIRTIO_MSG_GET_VQUEUE,
		.dev_num = dev,
		.vqueue.index = index,
	};

	if (!bench_ask(b, &msg))
		abort();
	return msg;
}

void drv_event_avail(struct bench *b, uint16_t dev, uint32_t index,
		     uint32_t next)
{
	struct vmsg_msg msg = {
		.id = VIRTIO_MSG_EVENT_AVAIL,
		.dev_num = dev,
		.vqueue.index = index,
		.vqueue.next_offset = next,
	};
	uint8_t bytes[64];

	bench_put(b, bytes, vmsg_wire_encode(b->dialect, &msg, bytes,
					     sizeof(bytes)));
	bench_run(b);
}

static uint64_t ring_align(uint64_t addr)
{
	return (addr + 255) & ~255ULL;
}

void ring_place(struct ring *r, struct bench *b, uint16_t dev, uint32_t index,
		uint32_t size, bool packed)
{
	memset(r, 0, sizeof(*r));
	r->b = b;
	r->dev = dev;
	r->index = index;
	r->size = size;
	r->packed = packed;
	r->desc = POOL_ADDR + 0x1000 + 0x20000 * index;
	r->driver = ring_align(r->desc + 16 * size);
	r->device = ring_align(r->driver + 6 + 2 * size);
	r->table = ring_align(r->device + 6 + 8 * size);
	r->avail_wrap = true;
	r->used_wrap = true;
	memset(bench_ptr(b, r->desc), 0, r->table - r->desc);
}

void ring_enable(struct ring *r)
{
	struct vmsg_msg msg = {
		.id = VIRTIO_MSG_SET_VQUEUE,
		.dev_num = r->dev,
		.vqueue.index = r->index,
		.vqueue.flags = VIRTIO_MSG_VQUEUE_OP_ENABLE,
		.vqueue.size = r->size,
		.vqueue.desc = r->desc,
		.vqueue.driver = r->driver,
		.vqueue.device = r->device,
	};

	bench_ask(r->b, &msg);
}

struct vring_desc *ring_split_desc(struct ring *r, uint16_t i)
{
	return (struct vring_desc *)bench_ptr(r->b, r->desc) + i;
}

struct vring_packed_desc *ring_packed_desc(struct ring *r, uint16_t i)
{
	return (struct vring_packed_desc *)bench_ptr(r->b, r->desc) + i;
}

uint16_t *ring_u16(struct ring *r, uint64_t area, unsigned int i)
{
	return (uint16_t *)bench_ptr(r->b, area) + i;
}

/* A table of its own for each buffer, as long as they are few. */
static struct seg ring_table(struct ring *r, const struct seg *segs,
			     unsigned int num)
{
	struct seg seg = {
		.addr = r->table + (r->next % 16) * 1024,
		.len = num * 16,
		.flags = VRING_DESC_F_INDIRECT,
	};
	struct vring_desc *desc = bench_ptr(r->b, seg.addr);
	unsigned int i;

	for (i = 0; i < num; i++) {
		uint16_t flags = segs[i].flags;

		if (!r->packed && i + 1 < num)
			flags |= VRING_DESC_F_NEXT;
		desc[i].addr = htole64(segs[i].addr);
		desc[i].len = htole32(segs[i].len);
		/* Packed descriptors have the number and then the flags. */
		desc[i].flags = htole16(r->packed ? 0 : flags);
		desc[i].next = htole16(r->packed ? flags : i + 1);
	}
	return seg;
}

static uint16_t ring_add_split(struct ring *r, const struct seg *segs,
			       unsigned int num)
{
	uint16_t head = r->next, flags;
	struct vring_desc *desc;
	unsigned int i;

	for (i = 0; i < num; i++) {
		desc = ring_split_desc(r, r->next);
		flags = segs[i].flags;
		if (i + 1 < num)
			flags |= VRING_DESC_F_NEXT;
		r->next = (r->next + 1) % r->size;
		desc->addr = htole64(segs[i].addr);
		desc->len = htole32(segs[i].len);
		desc->flags = htole16(flags);
		desc->next = htole16(r->next);
	}
	*ring_u16(r, r->driver, 2 + r->avail % r->size) = htole16(head);
	r->avail++;
	*ring_u16(r, r->driver, 1) = htole16(r->avail);
	return head;
}

static uint16_t ring_add_packed(struct ring *r, const struct seg *segs,
				unsigned int num)
{
	uint16_t id = r->next, pos = r->avail, flags, first = 0;
	struct vring_packed_desc *desc;
	bool wrap = r->avail_wrap;
	unsigned int i;

	for (i = 0; i < num; i++) {
		desc = ring_packed_desc(r, pos);
		flags = segs[i].flags;
		if (i + 1 < num)
			flags |= VRING_DESC_F_NEXT;
		flags |= wrap ? 1 << VRING_PACKED_DESC_F_AVAIL :
				1 << VRING_PACKED_DESC_F_USED;
		desc->addr = htole64(segs[i].addr);
		desc->len = htole32(segs[i].len);
		desc->id = htole16(id);
		if (i)
			desc->flags = htole16(flags);
		else
			first = flags;
		if (++pos == r->size) {
			pos = 0;
			wrap = !wrap;
		}
	}
	ring_packed_desc(r, r->avail)->flags = htole16(first);
	r->avail = pos;
	r->avail_wrap = wrap;
	r->descs[id] = num;
	r->next = (r->next + 1) % r->size;
	return id;
}

/* Make a buffer available; returns what it is called when it is used. */
uint16_t ring_add(struct ring *r, const struct seg *segs, unsigned int num,
		  bool indirect)
{
	struct seg table;

	if (indirect) {
		table = ring_table(r, segs, num);
		segs = &table;
		num = 1;
	}
	return r->packed ? ring_add_packed(r, segs, num) :
			   ring_add_split(r, segs, num);
}

static bool ring_used_split(struct ring *r, uint32_t *id, uint32_t *len)
{
	uint32_t *entry = bench_ptr(r->b, r->device + 4 +
				    8 * (r->used % r->size));

	if (le16toh(*ring_u16(r, r->device, 1)) == r->used)
		return false;
	*id = le32toh(entry[0]);
	*len = le32toh(entry[1]);
	r->used++;
	return true;
}

static bool ring_used_packed(struct ring *r, uint32_t *id, uint32_t *len)
{
	struct vring_packed_desc *desc = ring_packed_desc(r, r->used);
	uint16_t flags = le16toh(desc->flags);
	bool avail = flags & 1 << VRING_PACKED_DESC_F_AVAIL;
	bool used = flags & 1 << VRING_PACKED_DESC_F_USED;

	if (avail != used || used != r->used_wrap)
		return false;
	*id = le16toh(desc->id);
	*len = le32toh(desc->len);
	r->used += r->descs[*id % r->size];
	if (r->used >= r->size) {
		r->used -= r->size;
		r->used_wrap = !r->used_wrap;
	}
	return true;
}

/* Take the next used buffer. */
bool ring_used(struct ring *r, uint32_t *id, uint32_t *len)
{
	return r->packed ? ring_used_packed(r, id, len) :
			   ring_used_split(r, id, len);
}

void ring_kick(struct ring *r)
{
	uint64_t one = 1;

	if (r->b->carrier) {
		r->b->carrier->kick(r->b, r->dev, r->index);
		bench_run(r->b);
		return;
	}
	if (!r->b->has_fds || r->b->kick_fd < 0) {
		drv_event_avail(r->b, r->dev, r->index, 0);
		return;
	}
	if (write(r->b->kick_fd, &one, sizeof(one)) < 0)
		abort();
	bench_run(r->b);
}

/* Test device ------------------------------------------------------------ */

static void td_copy(struct vmsg_vq *vq, struct vmsg_elem *elem)
{
	size_t len = elem->out_len < elem->in_len ? elem->out_len :
						    elem->in_len;
	char *buf = malloc(len + 1);

	vmsg_iov_read(elem->out, elem->out_num, buf, len);
	vmsg_iov_write(elem->in, elem->in_num, buf, len);
	free(buf);
	vmsg_vq_push(vq, elem, len);
}

static void td_queue(struct vmsg_device *dev, struct vmsg_vq *vq)
{
	struct td *td = vmsg_device_priv(dev);
	struct vmsg_elem *elem;

	td->calls++;
	while ((elem = vmsg_vq_pop(vq))) {
		if (!td->keep) {
			td_copy(vq, elem);
			continue;
		}
		td->vq = vq;
		td->held[td->num_held++ % 64] = elem;
	}
}

void td_finish(struct td *td, unsigned int i)
{
	td_copy(td->vq, td->held[i]);
	vmsg_vq_notify(td->vq);
}

static int td_features_ok(struct vmsg_device *dev, const uint64_t features[2])
{
	struct td *td = vmsg_device_priv(dev);

	(void)features;
	return td->refuse_features ? -EINVAL : 0;
}

static void td_config_read(struct vmsg_device *dev, uint32_t offset, void *buf,
			   uint32_t len)
{
	struct td *td = vmsg_device_priv(dev);

	if (offset > TD_CONFIG || len > TD_CONFIG - offset)
		abort();
	memcpy(buf, td->config + offset, len);
}

static int td_config_write(struct vmsg_device *dev, uint32_t offset,
			   const void *buf, uint32_t len)
{
	struct td *td = vmsg_device_priv(dev);

	if (offset > TD_CONFIG || len > TD_CONFIG - offset)
		abort();
	if (td->refuse_config)
		return -EPERM;
	memcpy(td->config + offset, buf, len);
	return 0;
}

static void td_status(struct vmsg_device *dev, uint8_t status)
{
	struct td *td = vmsg_device_priv(dev);

	td->statuses++;
	td->last_status = status;
}

static int td_reset(struct vmsg_device *dev)
{
	struct td *td = vmsg_device_priv(dev);

	td->resets++;
	return td->later ? VMSG_LATER : 0;
}

static int td_queue_reset(struct vmsg_device *dev, struct vmsg_vq *vq)
{
	struct td *td = vmsg_device_priv(dev);

	td->vq = vq;
	td->queue_resets++;
	return td->later ? VMSG_LATER : 0;
}

static const struct vmsg_device_ops td_ops = {
	.queue = td_queue,
	.features_ok = td_features_ok,
	.config_read = td_config_read,
	.config_write = td_config_write,
	.status = td_status,
	.reset = td_reset,
	.queue_reset = td_queue_reset,
};

struct vmsg_device *td_add(struct bench *b, struct td *td, uint32_t num,
			   uint32_t queues, uint64_t features)
{
	uint16_t sizes[16];
	struct vmsg_device_desc desc = {
		.name = "test",
		.ops = &td_ops,
		.priv = td,
		.device_id = 42,
		.features[0] = features,
		.config_size = TD_CONFIG,
		.num_queues = queues,
		.queue_sizes = sizes,
	};
	uint32_t i;

	memset(td, 0, sizeof(*td));
	for (i = 0; i < TD_CONFIG; i++)
		td->config[i] = i;
	for (i = 0; i < 16; i++)
		sizes[i] = i == 1 ? 1024 : 256;
	td->dev = vmsg_device_add(b->bus, num, &desc);
	if (!td->dev)
		abort();
	return td->dev;
}
