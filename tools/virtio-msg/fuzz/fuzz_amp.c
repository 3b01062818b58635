// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * libvmsg fuzzing: the window of an AMP bus and the link over ivshmem.
 *
 * The link is built here from parts, with memory that has nothing around it, a
 * pair of sockets in place of a server, and a clock that stands still unless an
 * operation moves it. Nothing of it is opened from outside. On it is a bus with
 * an entropy source.
 *
 * At the end of every input: a driver side that comes up by the rules is heard.
 */
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static int fuzz_clock(clockid_t id, struct timespec *now);
static int fuzz_timer(int fd, int flags, const struct itimerspec *spec,
		      struct itimerspec *old);
static int fuzz_unmap(void *mem, size_t size);

#define clock_gettime	fuzz_clock
#define timerfd_settime	fuzz_timer
#define munmap		fuzz_unmap
#include "../link_ivshmem.c"
#undef munmap

#include "fuzz.h"
#include "models.h"
#include "peer.h"

enum {
	OP_FRAME,
	OP_WRITE,
	OP_STATUS,
	OP_BELL,
	OP_SERVER,
	OP_TIME,
	OP_NOTIFY,
	OP_READY,
	OP_READ,
	OP_START,
	OP_BUFFER,
	NUM_OPS,
};

#define MEM_SIZE	0x6000u
#define OWN_ID		1
/* The ring of the entropy source, behind the window. */
#define RING		(VMSG_AMP_POOL + 0x100)
#define RING_SIZE	8u

struct window {
	struct vmsg_loop *loop;
	struct vmsg_bus *bus;
	struct vmsg_ivshmem *iv;
	struct vmsg_device *dev;
	struct win win;
	uint16_t avail;
	int server;
};

static uint64_t clock_ms;

static int fuzz_clock(clockid_t id, struct timespec *now)
{
	(void)id;
	now->tv_sec = clock_ms / 1000;
	now->tv_nsec = clock_ms % 1000 * 1000000;
	return 0;
}

/* A bell that rings does the same. */
static int fuzz_timer(int fd, int flags, const struct itimerspec *spec,
		      struct itimerspec *old)
{
	(void)fd;
	(void)flags;
	(void)spec;
	(void)old;
	return 0;
}

static int fuzz_unmap(void *mem, size_t size)
{
	(void)size;
	free(mem);
	return 0;
}

static void say(struct window *w, int64_t number, bool with_fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	uint64_t wire = htole64(number);
	struct iovec iov = { &wire, sizeof(wire) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cmsg;
	int fd = -1;

	if (with_fd) {
		fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	}
	if (sendmsg(w->server, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		clock_ms++;
	if (fd >= 0)
		close(fd);
}

static void ring_bell(struct window *w)
{
	const uint64_t one = 1;
	int i = 0;

	if (write(w->iv->own_bell, &one, sizeof(one)) < 0)
		abort();
	/* It comes to rest while nobody does anything. */
	do {
		vmsg_loop_once(w->loop, 0);
		fuzz_require(i++ < 100);
	} while (w->bus->more.queued || i < 3);
}

static void open_window(struct window *w, uint8_t how)
{
	static const uint8_t notif[] = { 64, 1, 8, 63 };
	static const uint8_t each[] = { 4, 1, 16, 64 };
	const struct vmsg_ivshmem_params params = {
		.path = "made-up",
		.spsc = how & 1,
		.messages = how & 2,
		.num_notif = notif[how >> 2 & 3],
		.notif_per_device = each[how >> 4 & 3],
	};
	const struct vmsg_bus_params bus = { .features = VMSG_RING_FEATURES };
	const struct vmsg_rng_params rng = { .seeded = true };
	struct vmsg_ivshmem *iv = calloc(1, sizeof(*iv));
	int pair[2];

	memset(w, 0, sizeof(*w));
	vmsg_log_name = NULL;
	clock_ms = 0;
	fuzz_require(iv && !socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
				       pair));
	w->iv = iv;
	w->server = pair[0];
	vmsg_ivshmem_init(iv, &params);
	iv->mem = aligned_alloc(4096, MEM_SIZE);
	fuzz_require(iv->mem);
	/* With bit 6 there has been somebody before us. */
	memset(iv->mem, how & 0x40 ? 0xff : 0, MEM_SIZE);
	iv->mem_size = MEM_SIZE;
	iv->server_fd = pair[1];
	iv->own_id = OWN_ID;
	iv->own_bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	fuzz_require(!vmsg_ivshmem_prepare(iv));
	/* With bit 7 the driver side is there already. */
	if (how & 0x80)
		vmsg_ivshmem_peer_came(iv, 0, eventfd(0, EFD_CLOEXEC |
						      EFD_NONBLOCK));
	vmsg_ivshmem_publish(iv);
	iv->link.pool_size = MEM_SIZE - VMSG_AMP_POOL;
	w->win.mem = iv->mem;
	w->win.spsc = params.spsc;
	w->loop = vmsg_loop_new();
	w->bus = vmsg_bus_new(w->loop, &iv->link, &bus);
	fuzz_require(w->bus);
	w->dev = vmsg_rng_add(w->bus, 0, &rng);
	fuzz_require(w->dev);
}

static void close_window(struct window *w)
{
	vmsg_bus_free(w->bus);
	vmsg_loop_free(w->loop);
	close(w->server);
}

/* What a window has to be whatever the driver side has written there. */
static void check_window(struct window *w)
{
	const struct vmsg_amp *amp = &w->iv->amp;

	fuzz_require(amp->tx.next < amp->slots && amp->rx.next < amp->slots);
	if (amp->num_notif < 64)
		fuzz_require(!(amp->kicks >> amp->num_notif));
	fuzz_require(!w->bus->dead);
}

static void do_write(struct window *w, const struct fuzz_op *op)
{
	uint32_t at = fuzz_num(op, 0, 2) % MEM_SIZE;
	size_t len = op->len > 2 ? op->len - 2 : 0;

	if (len > MEM_SIZE - at)
		len = MEM_SIZE - at;
	memcpy(w->iv->mem + at, op->data + 2, len);
}

static void do_server(struct window *w, const struct fuzz_op *op)
{
	int64_t number = fuzz_num(op, 1, 2);

	/* Some that are no peer, some that are parts of a number. */
	if (op->data[0] & 2)
		number = fuzz_num(op, 1, 8);
	if (op->data[0] & 4 && op->len) {
		if (send(w->server, op->data, op->len % 9,
			 MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			clock_ms++;
	} else {
		say(w, number, op->data[0] & 1);
	}
}

static void ask(struct window *w, const struct vmsg_msg *msg)
{
	uint8_t frame[64];
	int len = vmsg_wire_encode(VMSG_DIALECT_1, msg, frame, sizeof(frame));

	fuzz_require(len > 0);
	w->win.tx %= w->win.spsc ? 62 : 63;
	win_put(&w->win, frame, len);
	ring_bell(w);
}

/* All that a driver does to start the entropy source. */
static void do_start(struct window *w)
{
	static const uint8_t statuses[] = { 0, S_ACK, S_DRIVER, S_FEATURES };
	struct vmsg_msg msg = { .id = VIRTIO_MSG_SET_DEVICE_STATUS };
	uint8_t words[8];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(statuses); i++) {
		if (statuses[i] == S_FEATURES) {
			vmsg_wire_put_block(words, 0, 0);
			vmsg_wire_put_block(words, 1, F_BASE >> 32);
			ask(w, &(struct vmsg_msg){
				.id = VIRTIO_MSG_SET_DRIVER_FEATURES,
				.features.count = 2,
				.data = words,
				.data_len = sizeof(words),
			});
		}
		msg.status = statuses[i];
		ask(w, &msg);
	}
	ask(w, &(struct vmsg_msg){
		.id = VIRTIO_MSG_SET_VQUEUE,
		.vqueue.flags = VIRTIO_MSG_VQUEUE_OP_ENABLE,
		.vqueue.size = RING_SIZE,
		.vqueue.desc = RING,
		.vqueue.driver = RING + 0x100,
		.vqueue.device = RING + 0x200,
	});
	msg.status = S_RUNNING;
	ask(w, &msg);
	w->avail = get16(w->win.mem, RING + 0x200 + 2);
}

/* How many bytes, and whether to kick. */
static void do_buffer(struct window *w, const struct fuzz_op *op)
{
	struct vring_desc *desc = (void *)(w->win.mem + RING);
	unsigned int i = w->avail % RING_SIZE;

	desc[i].addr = htole64(VMSG_AMP_POOL + 0x800);
	desc[i].len = htole32(fuzz_num(op, 0, 2));
	desc[i].flags = htole16(VRING_DESC_F_WRITE);
	put16(w->win.mem, RING + 0x100 + 4 + 2 * i, i);
	put16(w->win.mem, RING + 0x100 + 2, ++w->avail);
	if (op->data[2] & 1)
		ask(w, &(struct vmsg_msg){ .id = VIRTIO_MSG_EVENT_AVAIL });
	else
		put64(w->win.mem, L_DRV_NOTIF + N_TX,
		      get64(w->win.mem, L_DRV_NOTIF + N_TX) ^ 1);
}

/* Is an answer to a PING among the frames that are there? */
static bool read_all(struct window *w)
{
	bool found = false;
	uint8_t frame[64];
	int i;

	/* The window may say anything. */
	w->win.rx %= w->win.spsc ? 62 : 63;
	for (i = 0; i < 64 && win_get(&w->win, frame); i++)
		found |= frame[0] == 3 && frame[1] == VIRTIO_MSG_BUS_PING;
	return found;
}

static void do_op(struct window *w, const struct fuzz_op *op)
{
	switch (op->code % NUM_OPS) {
	case OP_FRAME:
		w->win.tx %= w->win.spsc ? 62 : 63;
		win_put(&w->win, op->data, op->len < 64 ? op->len : 64);
		break;
	case OP_WRITE:
		do_write(w, op);
		/* More of them before somebody looks. */
		return;
	case OP_STATUS:
		win_status(&w->win, op->data[0] % 8);
		break;
	case OP_SERVER:
		do_server(w, op);
		break;
	case OP_TIME:
		clock_ms += 100 * op->data[0];
		break;
	case OP_NOTIFY:
		put64(w->win.mem, L_DRV_NOTIF + N_TX, fuzz_num(op, 0, 8));
		break;
	case OP_READY:
		win_ready(&w->win);
		break;
	case OP_READ:
		read_all(w);
		break;
	case OP_START:
		do_start(w);
		break;
	case OP_BUFFER:
		do_buffer(w, op);
		break;
	}
	ring_bell(w);
	check_window(w);
}

/* Driver sides come and go until one is served that keeps to the rules. */
static void check_alive(struct window *w)
{
	static const uint8_t ping[] = {
		2, VIRTIO_MSG_BUS_PING, 0, 0, 0x34, 0x12, 12, 0, 1, 2, 3, 4
	};
	int i;

	if (w->win.spsc)
		return;
	if (!w->iv->driver)
		vmsg_ivshmem_peer_came(w->iv, 7, eventfd(0, EFD_CLOEXEC |
							 EFD_NONBLOCK));
	fuzz_require(w->iv->driver);
	win_status(&w->win, DEAD);
	for (i = 0; i < 4; i++)
		ring_bell(w);
	win_status(&w->win, INIT);
	ring_bell(w);
	fuzz_require(win_seen(&w->win, READY));
	win_ready(&w->win);
	ring_bell(w);
	fuzz_require(win_seen(&w->win, RUN));
	win_status(&w->win, RUN);
	ring_bell(w);
	fuzz_require(win_put(&w->win, ping, sizeof(ping)));
	ring_bell(w);
	fuzz_require(read_all(w));
}

int fuzz_test(const uint8_t *data, size_t size)
{
	struct fuzz_in in;
	struct fuzz_op op;
	struct window w;

	if (!size)
		return 0;
	open_window(&w, data[0]);
	in.data = data + 1;
	in.len = size - 1;
	while (fuzz_next(&in, &op))
		do_op(&w, &op);
	check_alive(&w);
	close_window(&w);
	return 0;
}

/* Heads and notification words, mostly. */
static void make_write(uint64_t *random, struct fuzz_op *op)
{
	static const uint16_t places[] = {
		0, L_HEADER, L_DEV_HEAD, L_DRV_HEAD, L_DRV_HEAD + H_TAIL,
		L_DEV_HEAD + H_HEAD, L_DRV_NOTIF, L_DEV_NOTIF, S_DRV,
		S_DRV + 64, S_DEV, S_DEV + 64, VMSG_AMP_POOL, MEM_SIZE - 16,
		L_DRV_SLOTS, L_DRV_HEAD + H_HEAD,
	};
	uint64_t r = fuzz_random(random);

	fuzz_put(op, places[r % ARRAY_SIZE(places)], 2);
	fuzz_put(op, r & 0x100 ? r >> 16 & 63 : r >> 16, 1 << (r >> 12 & 3));
}

void fuzz_make_op(uint64_t *random, struct fuzz_op *op)
{
	uint64_t r = fuzz_random(random);

	op->code = r % NUM_OPS;
	op->len = 0;
	switch (op->code) {
	case OP_FRAME:
		op->len = fuzz_frame(random, VMSG_DIALECT_1, op->data, 64);
		break;
	case OP_WRITE:
		make_write(random, op);
		break;
	case OP_SERVER:
		fuzz_put(op, r >> 8 & (r & 0x1000 ? 7 : 1), 1);
		fuzz_put(op, r & 0x2000 ? r >> 16 : r >> 16 & 3, 2);
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
	op->data[2] = 0;
	op->data[3] = 0;
	op->data[6] = op->len < 64 ? op->len : 64;
	op->data[7] = 0;
}

/* A driver side that comes up and says something, and then anything. */
size_t fuzz_seed(unsigned int n, uint8_t *data, size_t room)
{
	static const uint8_t hows[] = { 0x80, 0x81, 0x84, 0xcd, 0x82, 0x00 };
	uint64_t random = n;
	struct fuzz_op op;
	size_t size = 1;
	unsigned int i;

	if (n >= 4 * ARRAY_SIZE(hows) || !room)
		return 0;
	data[0] = hows[n % ARRAY_SIZE(hows)];
	for (i = 0; i < 30; i++) {
		fuzz_make_op(&random, &op);
		if (i == 0) {
			op = (struct fuzz_op){ .code = OP_SERVER, .len = 3,
					       .data = { 1 } };
		} else if (i < 4) {
			op = (struct fuzz_op){
				.code = i == 2 ? OP_READY : OP_STATUS,
				.len = 1,
				.data = { i == 1 ? INIT : RUN },
			};
		} else if (i < 10) {
			op.code = i == 4 ? OP_START : OP_BUFFER;
			op.len = 3;
			op.data[1] = 0;
		} else if (i < 15) {
			op.code = OP_FRAME;
			op.len = fuzz_frame(&random, VMSG_DIALECT_1, op.data,
					    64);
		}
		size = fuzz_append(data, size, room, &op);
	}
	return size;
}
