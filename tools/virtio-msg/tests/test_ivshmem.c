// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * libvmsg tests: the ivshmem link and the server that it starts, with a driver
 * side that is another client of that server.
 */
#include <endian.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "models.h"
#include "peer.h"

#define MEMORY	(8u << 20)

/* Every test has a socket of its own in here. */
static char folder[80];
static char path[100];

static void new_path(void)
{
	static unsigned int num;

	snprintf(path, sizeof(path), "%s/%u", folder, num++);
}

static struct vmsg_ivshmem_params params(void)
{
	return (struct vmsg_ivshmem_params){
		.path = path,
		.pool_size = MEMORY,
	};
}

static bool there(void)
{
	return !access(path, F_OK);
}

/* The server goes when all have left, and takes its socket along. */
static bool server_gone(void)
{
	return until(!there());
}

/* Driver side ------------------------------------------------------------ */

static void side_put(struct bench *b, const void *frame, size_t len)
{
	struct peer *p = b->priv;

	if (!win_put(&p->w, frame, len))
		abort();
	peer_ring(p, get32(p->mem, 8));
}

/* By a bit if the queue has one, as long as that is not pending. */
static void side_kick(struct bench *b, uint16_t dev, uint32_t index)
{
	struct peer *p = b->priv;
	unsigned int bit = dev * 4 + index;
	uint64_t tx = get64(p->mem, L_DRV_NOTIF + N_TX);
	uint64_t rx = get64(p->mem, L_DEV_NOTIF + N_RX);

	if (p->w.spsc || index >= 4 || bit >= 64) {
		drv_event_avail(b, dev, index, 0);
		return;
	}
	if (!((tx ^ rx) & VMSG_BIT(bit)))
		put64(p->mem, L_DRV_NOTIF + N_TX, tx ^ VMSG_BIT(bit));
	peer_ring(p, get32(p->mem, 8));
}

static void side_take(struct bench *b)
{
	struct peer *p = b->priv;
	uint8_t frame[64];

	while (win_get(&p->w, frame))
		bench_arrived(b, frame, sizeof(frame));
}

static void side_leave(struct bench *b)
{
	(void)b;
}

static const struct bench_carrier side = {
	.put = side_put,
	.kick = side_kick,
	.take = side_take,
};

/* One that does not look at what arrives. */
static const struct bench_carrier lazy = {
	.put = side_put,
	.kick = side_kick,
	.take = side_leave,
};

/* A bus with our link, and a driver side that is connected but not up yet. */
static void open_both(struct bench *b, struct peer *p,
		      const struct vmsg_ivshmem_params *iv, bool rfc)
{
	struct bench_params bp = {
		.ring_features = VMSG_RING_FEATURES_DEFAULT,
		.rfc = rfc,
		.carrier = &side,
		.priv = p,
	};

	bp.other = vmsg_ivshmem_open(iv);
	if (!bp.other || !peer_open(p, path))
		abort();
	p->w.spsc = iv->spsc;
	bp.pool = p->mem + POOL_ADDR;
	bench_open(b, &bp);
}

static bool seen(struct bench *b, struct peer *p, uint16_t status)
{
	return until_do(win_seen(&p->w, status), vmsg_loop_once(b->loop, 0));
}

/* Come up, as a driver side does. */
static bool come_up(struct bench *b, struct peer *p)
{
	int device = get32(p->mem, 8);

	win_status(&p->w, INIT);
	peer_ring(p, device);
	if (!seen(b, p, READY))
		return false;
	win_ready(&p->w);
	peer_ring(p, device);
	if (!seen(b, p, RUN))
		return false;
	win_status(&p->w, RUN);
	peer_ring(p, device);
	bench_run(b);
	return true;
}

static void close_both(struct bench *b, struct peer *p)
{
	bench_close(b);
	peer_close(p);
}

/* A buffer goes to the device and comes back. */
static bool copy(struct bench *b, struct ring *r, const char *text)
{
	const uint64_t out = POOL_ADDR + 0x80000, in = POOL_ADDR + 0x81000;
	const struct seg segs[] = {
		{ out, strlen(text) + 1, 0 },
		{ in, 64, VRING_DESC_F_WRITE },
	};
	uint32_t id, len;

	strcpy(bench_ptr(b, out), text);
	memset(bench_ptr(b, in), 0, 64);
	ring_add(r, segs, 2, false);
	ring_kick(r);
	return ring_used(r, &id, &len) && len == strlen(text) + 1 &&
	       !strcmp(bench_ptr(b, in), text);
}

static bool start_device(struct bench *b, struct ring *r, uint16_t dev)
{
	if (!drv_negotiate(b, dev, 0))
		return false;
	ring_place(r, b, dev, 0, 16, false);
	ring_enable(r);
	return drv_set_status(b, dev, S_RUNNING) == S_RUNNING;
}

/* Tests in one process --------------------------------------------------- */

static void test_hello(void)
{
	struct vmsg_ivshmem_params iv = params();
	struct vmsg_link *link = vmsg_ivshmem_open(&iv);
	struct peer p;
	char name[110];

	snprintf(name, sizeof(name), "ivshmem:%s", path);
	ok(link && there(), "nobody listens: a server is started");
	if (!link)
		return;
	ok(!strcmp(link->name, name), "the link is called by its socket");
	ok(peer_open(&p, path) && p.size == MEMORY && p.id == 1 &&
	   p.others[0] >= 0, "another client gets the memory and two doorbells");
	ok(get32(p.mem, 0) == 0x47534d56 && get32(p.mem, 4) == 1 &&
	   get32(p.mem, 8) == 0 && get32(p.mem, 12) == 0,
	   "the memory says whose it is");
	ok(get16(p.mem, L_HEADER) == 0x4c4f && win_seen(&p.w, INIT),
	   "and what lies where");
	ok(ftruncate(p.mem_fd, 4096) < 0 && ftruncate(p.mem_fd, 1 << 24) < 0,
	   "its size cannot be changed");
	link->ops->close(link);
	ok(until_do(p.others[0] < 0, peer_listen(&p)) && there(),
	   "the link is closed: the other one is told, the server stays");
	ok(win_seen(&p.w, SHUTDOWN), "it has gone in order");
	peer_close(&p);
	ok(server_gone(), "all have gone: so does the server");
}

static void test_map(void)
{
	struct vmsg_ivshmem_params iv = params();
	struct vmsg_link *link = vmsg_ivshmem_open(&iv);
	char *mem;

	if (!ok(link, "open"))
		return;
	mem = link->ops->map(link, 0x4000, 1);
	ok(mem && link->ops->map(link, MEMORY - 1, 1) == mem + MEMORY - 0x4001 &&
	   link->ops->map(link, 0x4000, MEMORY - 0x4000) == mem,
	   "a device address is an offset in the memory");
	mem -= 0x4000;
	ok(!memcmp(mem, "VMSG", 4), "that begins with the window");
	ok(!link->ops->map(link, 0, 1) && !link->ops->map(link, 0x3fff, 1) &&
	   !link->ops->map(link, 0x3fff, 2), "where devices have no business");
	ok(!link->ops->map(link, MEMORY, 1) &&
	   !link->ops->map(link, MEMORY - 1, 2) &&
	   !link->ops->map(link, 0x4000, MEMORY - 0x3fff) &&
	   !link->ops->map(link, 0x4000, UINT64_MAX) &&
	   !link->ops->map(link, UINT64_MAX, UINT64_MAX) &&
	   !link->ops->map(link, MEMORY + 0x4000, 1), "nor behind the end");
	ok(link->pool_size == MEMORY - 0x4000, "the pool is what is left");
	link->ops->close(link);
}

static void test_bus(bool spsc, bool rfc)
{
	const char *name = rfc ? "rfc" : spsc ? "spsc" : "layout";
	struct vmsg_ivshmem_params iv = params();
	unsigned int i, wrong = 0;
	struct vmsg_msg msg;
	struct td td, high;
	struct bench b;
	struct peer p;
	struct ring r;
	char text[16];

	iv.spsc = spsc;
	open_both(&b, &p, &iv, rfc);
	td_add(&b, &td, 3, 2, 0);
	if (!spsc) {
		bench_run(&b);
		ok(!get16(p.mem, L_DEV_HEAD + H_TAIL),
		   "%s: nothing is sent before both run", name);
		ok(come_up(&b, &p), "%s: the driver side comes up", name);
	}
	bench_flush(&b);
	for (i = 0; i < 100; i++) {
		msg = (struct vmsg_msg){
			.type = VIRTIO_MSG_TYPE_BUS,
			.id = VIRTIO_MSG_BUS_PING,
			.ping = i,
		};
		peer_rung(&p);
		wrong += !bench_ask(&b, &msg) || msg.ping != i;
		wrong += !peer_rung(&p);
	}
	ok(!wrong, "%s: 100 pings, each answered and rung", name);
	peer_rung(&p);
	td_add(&b, &high, 20, 1, 0);
	bench_run(&b);
	ok(bench_get(&b, VIRTIO_MSG_TYPE_BUS, VIRTIO_MSG_BUS_EVENT_DEVICE,
		     &msg) && msg.event_device.dev_num == 20 && peer_rung(&p),
	   "%s: a new device is announced", name);
	ok(start_device(&b, &r, 3), "%s: a device is started", name);
	bench_flush(&b);
	for (i = 0; i < 100; i++) {
		sprintf(text, "number %u", i);
		peer_rung(&p);
		wrong += !copy(&b, &r, text);
		if (!spsc)
			wrong += get64(p.mem, L_DEV_NOTIF + N_TX) !=
				 (i % 2 ? 0 : VMSG_BIT(12));
		put64(p.mem, L_DRV_NOTIF + N_RX,
		      get64(p.mem, L_DEV_NOTIF + N_TX));
		wrong += !peer_rung(&p);
	}
	ok(!wrong, "%s: 100 buffers, each used and rung", name);
	ok(bench_get(&b, 0, VIRTIO_MSG_EVENT_USED, &msg) == spsc &&
	   b.bus->num_rx[0][VIRTIO_MSG_EVENT_AVAIL] == 100,
	   "%s: notifications are %s", name, spsc ? "messages" : "bits");
	bench_flush(&b);
	ok(start_device(&b, &r, 20) && copy(&b, &r, "far away"),
	   "%s: a device without bits", name);
	ok(bench_get(&b, 0, VIRTIO_MSG_EVENT_USED, &msg) && msg.dev_num == 20,
	   "%s: has messages", name);
	close_both(&b, &p);
}

/* The driver side looks away until the queue is full, and then some. */
static void fill(struct bench *b, struct peer *p)
{
	unsigned int i, got = 0, wrong = 0, tail;
	struct vmsg_msg msg = {
		.type = VIRTIO_MSG_TYPE_BUS,
		.id = VIRTIO_MSG_BUS_PING,
	};
	uint8_t frame[64];

	for (i = 0; i < 100; i++) {
		msg.ping = i;
		bench_put(b, frame, vmsg_wire_encode(b->dialect, &msg, frame,
						     64));
		bench_run(b);
	}
	tail = get16(p->mem, L_DEV_HEAD + H_TAIL);
	ok((tail + 1) % 63 == p->w.rx, "62 answers are there, others wait");
	peer_rung(p);
	for (i = 0; i < 100; i++)
		wrong += vmsg_loop_once(b->loop, 0);
	ok(wrong < 50, "that is no reason not to sleep");
	wrong = 0;
	ok(until_do(got == 100, ({
		vmsg_loop_once(b->loop, 0);
		while (win_get(&p->w, frame)) {
			wrong += frame[8] != got;
			got++;
		}
	})) && !wrong, "the others come as soon as there is room");
	ok(peer_rung(p), "and ring");
}

static void test_full(void)
{
	struct vmsg_ivshmem_params iv = params();
	struct vmsg_msg msg = {
		.type = VIRTIO_MSG_TYPE_BUS,
		.id = VIRTIO_MSG_BUS_PING,
	};
	uint8_t frame[64];
	struct bench b;
	struct peer p;
	unsigned int i;

	open_both(&b, &p, &iv, false);
	come_up(&b, &p);
	b.carrier = &lazy;
	for (i = 0; i < 3; i++)
		fill(&b, &p);

	/* Nobody makes room, but begins anew. */
	for (i = 0; i < 63; i++) {
		bench_put(&b, frame, vmsg_wire_encode(b.dialect, &msg, frame,
						      64));
		bench_run(&b);
	}
	b.carrier = &side;
	ok(come_up(&b, &p) && bench_ask(&b, &msg),
	   "without room one can still begin anew");
	close_both(&b, &p);
}

/* More than one batch, with one ring of the bell. */
static void test_batch(void)
{
	struct vmsg_ivshmem_params iv = params();
	struct vmsg_msg msg = {
		.type = VIRTIO_MSG_TYPE_BUS,
		.id = VIRTIO_MSG_BUS_PING,
	};
	unsigned int i;
	uint8_t frame[64];
	struct bench b;
	struct peer p;
	int len;

	open_both(&b, &p, &iv, false);
	come_up(&b, &p);
	peer_rung(&p);
	len = vmsg_wire_encode(b.dialect, &msg, frame, 64);
	for (i = 0; i < 62; i++)
		win_put(&p.w, frame, len);
	put64(p.mem, L_DRV_NOTIF + N_TX, ~0ULL);
	peer_ring(&p, get32(p.mem, 8));
	bench_run(&b);
	ok(b.bus->num_rx[2][VIRTIO_MSG_BUS_PING] == 62 &&
	   b.bus->num_rx[0][VIRTIO_MSG_EVENT_AVAIL] == 64,
	   "62 frames and 64 kicks at once");
	ok(bench_flush(&b) == 62 && peer_rung(&p), "62 answers");
	close_both(&b, &p);
}

static void test_anew(void)
{
	struct vmsg_ivshmem_params iv = params();
	struct bench b;
	struct peer p;
	struct ring r;
	struct td td;

	open_both(&b, &p, &iv, false);
	td_add(&b, &td, 0, 1, 0);
	come_up(&b, &p);
	ok(start_device(&b, &r, 0) && copy(&b, &r, "once"), "a device runs");
	td.resets = 0;
	/* Its numbers are anything now. */
	p.w.tx = 33;
	p.w.rx = 44;
	peer_rung(&p);
	win_status(&p.w, INIT);
	peer_ring(&p, get32(p.mem, 8));
	ok(seen(&b, &p, READY) && peer_rung(&p), "a READY rings");
	win_ready(&p.w);
	peer_ring(&p, get32(p.mem, 8));
	ok(seen(&b, &p, RUN) && peer_rung(&p), "a RUN rings");
	win_status(&p.w, RUN);
	peer_ring(&p, get32(p.mem, 8));
	bench_run(&b);
	ok(win_seen(&p.w, RUN), "the driver side has begun anew");
	ok(td.resets == 1 && !vmsg_device_status(td.dev), "devices are reset");
	ok(start_device(&b, &r, 0) && copy(&b, &r, "twice"), "all works again");
	win_status(&p.w, SHUTDOWN);
	peer_ring(&p, get32(p.mem, 8));
	td.resets = 0;
	ok(seen(&b, &p, INIT) && td.resets == 1 &&
	   !vmsg_device_status(td.dev), "the driver side leaves: reset again");
	ok(come_up(&b, &p) && start_device(&b, &r, 0) &&
	   copy(&b, &r, "thrice"), "and comes back");
	close_both(&b, &p);
}

/* Rings reach nobody at first, as QEMU does not know us yet. */
static void test_unheard(void)
{
	struct vmsg_ivshmem_params iv = params();
	const struct vmsg_msg msg = {
		.type = VIRTIO_MSG_TYPE_BUS,
		.id = VIRTIO_MSG_BUS_PING,
	};
	unsigned int i, events = 0;
	uint8_t frame[64], answer[64];
	struct bench b;
	struct peer p;
	int len;

	open_both(&b, &p, &iv, false);
	win_status(&p.w, INIT);
	ok(seen(&b, &p, READY), "a state is seen without a ring");
	win_ready(&p.w);
	ok(seen(&b, &p, RUN), "and the next one");
	win_status(&p.w, RUN);
	len = vmsg_wire_encode(b.dialect, &msg, frame, 64);
	for (i = 0; i < 3; i++) {
		win_put(&p.w, frame, len);
		ok(until_do(win_get(&p.w, answer), vmsg_loop_once(b.loop, 0)),
		   "frame %u is answered without a ring", i);
	}
	peer_ring(&p, 0);
	bench_run(&b);
	/* The timer may have been set before. */
	usleep(200000);
	vmsg_loop_once(b.loop, 0);
	usleep(200000);
	for (i = 0; i < 10; i++)
		events += vmsg_loop_once(b.loop, 0);
	ok(!events, "who has been rung once sleeps until the next time");
	close_both(&b, &p);
}

/* The virtual machine goes, and another one comes. */
static void test_machines(bool spsc)
{
	const char *name = spsc ? "spsc" : "layout";
	struct vmsg_ivshmem_params iv = params();
	struct peer p, other;
	struct bench b;
	struct ring r;
	struct td td;

	iv.spsc = spsc;
	open_both(&b, &p, &iv, false);
	td_add(&b, &td, 0, 1, 0);
	if (!spsc)
		come_up(&b, &p);
	ok(start_device(&b, &r, 0) && copy(&b, &r, "first"),
	   "%s: a machine runs", name);
	/* A third client, which has to keep still. */
	if (!peer_open(&other, path))
		abort();
	until_do(p.others[other.id] >= 0, peer_listen(&p));
	bench_run(&b);
	td.resets = 0;
	peer_close(&other);
	until_do(p.others[other.id] < 0, peer_listen(&p));
	bench_run(&b);
	ok(!td.resets && copy(&b, &r, "still"),
	   "%s: others come and go, and nothing happens", name);
	peer_close(&p);
	ok(until_do(td.resets == 1, vmsg_loop_once(b.loop, 0)) &&
	   !vmsg_device_status(td.dev),
	   "%s: it leaves: devices are reset", name);
	ok(peer_open(&p, path), "%s: another one comes", name);
	p.w.spsc = spsc;
	b.pool = p.mem + POOL_ADDR;
	if (!spsc) {
		ok(get16(p.mem, L_DRV_HEAD + H_STATUS) == DEAD &&
		   win_seen(&p.w, INIT), "its predecessor is dead");
		ok(come_up(&b, &p), "it comes up");
	} else {
		p.w.tx = get32(p.mem, S_DRV);
		p.w.rx = get32(p.mem, S_DEV);
		put32(p.mem, S_DEV + 64, p.w.rx);
	}
	ok(start_device(&b, &r, 0) && copy(&b, &r, "second"),
	   "%s: and is served", name);
	close_both(&b, &p);
}

/* A driver side in RUN that knows nothing of beginning anew. */
static void test_patience(void)
{
	struct vmsg_ivshmem_params iv = params();
	struct vmsg_msg msg = {
		.type = VIRTIO_MSG_TYPE_BUS,
		.id = VIRTIO_MSG_BUS_PING,
	};
	struct vmsg_link *link;
	struct bench b;
	struct peer p;

	iv.patience_ms = 300;
	link = vmsg_ivshmem_open(&iv);
	if (!link || !peer_open(&p, path))
		abort();
	link->ops->close(link);
	win_status(&p.w, RUN);
	p.w.tx = 12;
	p.w.rx = 13;
	put16(p.mem, L_DRV_HEAD + H_TAIL, 12);
	put16(p.mem, L_DRV_HEAD + H_HEAD, 13);
	until_do(p.others[0] < 0, peer_listen(&p));
	link = vmsg_ivshmem_open(&iv);
	if (!link)
		abort();
	until_do(p.others[get32(p.mem, 8)] >= 0, peer_listen(&p));
	bench_open(&b, &(struct bench_params){
		.other = link,
		.carrier = &side,
		.priv = &p,
		.pool = p.mem + POOL_ADDR,
	});
	bench_run(&b);
	ok(win_seen(&p.w, INIT), "a driver side in RUN has time to notice");
	ok(seen(&b, &p, RUN), "but not for ever");
	ok(bench_ask(&b, &msg), "it goes on where that side stands");
	close_both(&b, &p);
}

static void test_formats(void)
{
	struct vmsg_ivshmem_params iv = params();
	struct vmsg_link *link;
	struct peer p;

	iv.num_notif = 8;
	iv.notif_per_device = 2;
	link = vmsg_ivshmem_open(&iv);
	if (!link || !peer_open(&p, path))
		abort();
	ok(p.mem[L_HEADER + 8] == 8 && p.mem[L_HEADER + 9] == 2,
	   "8 bits, 2 for each device");
	link->ops->close(link);
	iv.messages = true;
	link = vmsg_ivshmem_open(&iv);
	ok(link && !p.mem[L_HEADER + 8] && get32(p.mem, 0) == 0x47534d56,
	   "no bits at all, in the same memory");
	link->ops->close(link);
	iv.spsc = true;
	link = vmsg_ivshmem_open(&iv);
	ok(link && !get32(p.mem, L_HEADER) && get32(p.mem, 0) == 0x47534d56,
	   "format spsc in the same memory");
	link->ops->close(link);
	peer_close(&p);
}

static void test_refused(void)
{
	struct vmsg_ivshmem_params iv = params();
	char name[109];

	iv.pool_size = 3 << 20;
	errno = 0;
	ok(!vmsg_ivshmem_open(&iv) && errno == EINVAL && !there(),
	   "3 MiB is no power of two");
	iv.pool_size = 1 << 19;
	ok(!vmsg_ivshmem_open(&iv) && errno == EINVAL, "512 KiB are too few");
	iv.pool_size = MEMORY;
	iv.path = "/nowhere/at/all";
	ok(!vmsg_ivshmem_open(&iv) && errno == ENOENT, "no such folder");
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	iv.path = name;
	ok(!vmsg_ivshmem_open(&iv) && errno == ENAMETOOLONG, "too long a name");
	close(open(path, O_CREAT | O_WRONLY, 0600));
	iv.path = path;
	ok(!vmsg_ivshmem_open(&iv) && there(),
	   "a file that is no socket is left alone");
	unlink(path);
}

/* The server ------------------------------------------------------------- */

/* Its processes, by their folder, as nobody else knows it; the last one. */
static unsigned int num_servers(pid_t *pid)
{
	char name[300], text[300];
	struct dirent *entry;
	DIR *dir = opendir("/proc");
	unsigned int num = 0;
	ssize_t len;
	int fd;

	while (dir && (entry = readdir(dir))) {
		snprintf(name, sizeof(name), "/proc/%s/cwd", entry->d_name);
		len = readlink(name, text, sizeof(text) - 1);
		if (len < 0)
			continue;
		text[len] = '\0';
		if (strcmp(text, folder))
			continue;
		snprintf(name, sizeof(name), "/proc/%s/comm", entry->d_name);
		fd = open(name, O_RDONLY);
		len = read(fd, text, sizeof(text));
		close(fd);
		if (len <= 0 || strncmp(text, "vmsg-ivshmem\n", len))
			continue;
		num++;
		if (pid)
			*pid = atoi(entry->d_name);
	}
	closedir(dir);
	return num;
}

static void test_stale(void)
{
	struct vmsg_ivshmem_params iv = params();
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct vmsg_link *link;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(addr.sun_path, path);
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)))
		abort();
	close(fd);
	link = vmsg_ivshmem_open(&iv);
	ok(link, "a socket that nobody listens to is replaced");
	if (link)
		link->ops->close(link);
	ok(server_gone(), "and removed at the end");
}

/* Somebody else's socket is not removed. */
static void test_replaced(void)
{
	struct vmsg_ivshmem_params iv = params();
	struct vmsg_link *link = vmsg_ivshmem_open(&iv), *next;
	char kept[106];

	snprintf(kept, sizeof(kept), "%s.kept", path);
	if (rename(path, kept))
		abort();
	next = vmsg_ivshmem_open(&iv);
	ok(next && there(), "the socket was moved away: another server");
	link->ops->close(link);
	ok(until(num_servers(NULL) == 1), "the first one ends");
	ok(there(), "and leaves the other one's socket alone");
	next->ops->close(next);
	unlink(kept);
}

static void test_crowd(void)
{
	struct vmsg_ivshmem_params iv = params();
	struct vmsg_link *link = vmsg_ivshmem_open(&iv);
	struct peer p[16], one;
	unsigned int i, wrong = 0;

	for (i = 0; i < 15; i++)
		wrong += !peer_open(&p[i], path) || p[i].id != i + 1;
	ok(!wrong, "15 more clients, numbered");
	ok(!peer_open(&one, path), "a 17th one is turned away");
	peer_close(&p[6]);
	ok(until_do(p[0].others[7] < 0, peer_listen(&p[0])),
	   "one of them goes, and others are told");
	ok(peer_open(&p[6], path) && p[6].id == 16 &&
	   until_do(p[0].others[16] >= 0, peer_listen(&p[0])),
	   "the next one has a number that nobody has had");
	peer_ring(&p[6], 1);
	ok(until(peer_rung(&p[0])), "its bell works");
	link->ops->close(link);
	for (i = 0; i < 15; i++)
		peer_close(&p[i]);
	ok(server_gone(), "until the last one has gone");
}

/* One that does not read must not stop the others. */
static void test_deaf(void)
{
	struct vmsg_ivshmem_params iv = params();
	struct vmsg_link *link = vmsg_ivshmem_open(&iv);
	struct peer deaf, watcher, p;
	unsigned int i;

	if (!link || !peer_open(&deaf, path) || !peer_open(&watcher, path))
		abort();
	for (i = 0; i < 3000 && watcher.others[deaf.id] >= 0; i++) {
		if (!peer_open(&p, path))
			break;
		peer_close(&p);
		peer_listen(&watcher);
	}
	ok(until_do(watcher.others[deaf.id] < 0, peer_listen(&watcher)),
	   "a client that does not read is turned out");
	peer_close(&deaf);
	peer_close(&watcher);
	link->ops->close(link);
}

/* What a client says is ignored. */
static void test_talk(void)
{
	struct vmsg_ivshmem_params iv = params();
	struct vmsg_link *link = vmsg_ivshmem_open(&iv);
	struct peer p, other;
	char text[1000] = "hello";

	if (!link || !peer_open(&p, path))
		abort();
	ok(send(p.sock, text, sizeof(text), 0) == sizeof(text) &&
	   peer_open(&other, path) &&
	   until_do(p.others[other.id] >= 0, peer_listen(&p)) && !p.ended,
	   "a client that talks is not listened to");
	peer_close(&other);
	peer_close(&p);
	link->ops->close(link);
}

/* Tests with programs ---------------------------------------------------- */

/* A program with an entropy source; ends when it is told to. */
static void program_stop(void *arg, uint32_t events)
{
	struct vmsg_loop **loop = arg;

	(void)events;
	vmsg_loop_stop(*loop, 0);
}

static pid_t program(const struct vmsg_ivshmem_params *iv, int *stop)
{
	const struct vmsg_rng_params rng = { .seeded = true, .seed = 1 };
	const struct vmsg_bus_params bp = { 0 };
	struct vmsg_loop *loop;
	struct vmsg_watch watch = { .fn = program_stop, .arg = &loop };
	struct vmsg_link *link;
	struct vmsg_bus *bus;
	int up[2], down[2];
	pid_t pid;
	char c;

	if (pipe(up) || pipe(down))
		abort();
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		abort();
	if (!pid) {
		close(up[0]);
		close(down[1]);
		if (!getenv("V"))
			vmsg_log_name = NULL;
		loop = vmsg_loop_new();
		link = vmsg_ivshmem_open(iv);
		if (!link)
			_exit(errno);
		bus = vmsg_bus_new(loop, link, &bp);
		vmsg_rng_add(bus, 0, &rng);
		watch.fd = down[0];
		vmsg_loop_watch(loop, &watch, 0);
		if (write(up[1], "r", 1) != 1)
			_exit(1);
		vmsg_loop_run(loop);
		vmsg_bus_free(bus);
		_exit(0);
	}
	close(up[1]);
	close(down[0]);
	/* Until it is ready, or has ended. */
	if (read(up[0], &c, 1) < 0)
		abort();
	close(up[0]);
	*stop = down[1];
	return pid;
}

static int program_wait(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		abort();
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* The driver side of a program; nobody here has a bus. */
static bool rise(struct peer *p)
{
	int device;

	peer_listen(p);
	device = get32(p->mem, 8);
	if (device >= PEER_OTHERS || p->others[device] < 0)
		return false;
	win_status(&p->w, INIT);
	peer_ring(p, device);
	if (!until(win_seen(&p->w, READY)))
		return false;
	win_ready(&p->w);
	peer_ring(p, device);
	if (!until(win_seen(&p->w, RUN)))
		return false;
	win_status(&p->w, RUN);
	peer_ring(p, device);
	return true;
}

static bool ping(struct peer *p, uint32_t number)
{
	const struct vmsg_msg msg = {
		.type = VIRTIO_MSG_TYPE_BUS,
		.id = VIRTIO_MSG_BUS_PING,
		.ping = number,
	};
	uint8_t frame[64];
	struct vmsg_msg answer;

	win_put(&p->w, frame, vmsg_wire_encode(VMSG_DIALECT_1, &msg, frame,
					       64));
	peer_ring(p, get32(p->mem, 8));
	return until(win_get(&p->w, frame)) &&
	       vmsg_wire_decode(VMSG_DIALECT_1, frame, 64, 64, &answer) > 0 &&
	       answer.id == VIRTIO_MSG_BUS_PING && answer.ping == number;
}

static void test_killed(void)
{
	struct vmsg_ivshmem_params iv = params();
	struct peer p;
	int i, stop, id = 0;
	pid_t pid;

	pid = program(&iv, &stop);
	if (!peer_open(&p, path))
		abort();
	ok(rise(&p) && ping(&p, 1), "a program in a process of its own");
	strcpy(p.mem + POOL_ADDR, "still there");
	for (i = 0; i < 3; i++) {
		peer_rung(&p);
		kill(pid, SIGKILL);
		program_wait(pid);
		close(stop);
		ok(until(win_seen(&p.w, DEAD)), "it is killed: DEAD");
		ok(until(peer_rung(&p)), "and the bell is rung");
		ok(until_do(p.others[id] < 0, peer_listen(&p)),
		   "and it has left");
		pid = program(&iv, &stop);
		id = get32(p.mem, 8);
		ok(id == i + 2 && until_do(p.others[id] >= 0, peer_listen(&p)),
		   "the same command: another peer, as the memory says");
		ok(rise(&p) && ping(&p, 2), "the driver side comes up again");
		ok(!strcmp(p.mem + POOL_ADDR, "still there"), "same memory");
	}
	kill(pid, SIGKILL);
	program_wait(pid);
	close(stop);
	/* At once: the server may learn of both at the same time. */
	pid = program(&iv, &stop);
	id = get32(p.mem, 8);
	until_do(p.others[id] >= 0, peer_listen(&p));
	ok(rise(&p) && ping(&p, 3), "killed and started at once");
	close(stop);
	ok(!program_wait(pid) && win_seen(&p.w, SHUTDOWN),
	   "an orderly end is no death");
	until_do(p.others[id] < 0, peer_listen(&p));
	ok(win_seen(&p.w, SHUTDOWN), "nor is it taken for one");
	peer_close(&p);
	ok(server_gone(), "the server ends");
}

/* The server reads the window before it writes into it. */
static void test_bury(void)
{
	static const uint64_t places[] = {
		0, 8, 56, 60, 65, 66, 72 + 4, 0x3000 - 8, 0x3000 - 7, 0x3000,
		0x4000, 0x100000, 1ULL << 32, 1ULL << 63, UINT64_MAX,
		UINT64_MAX - 7, 0x3000 - 16,
	};
	struct vmsg_ivshmem_params iv = params();
	char before[0x5000], *after;
	unsigned int i, good;
	struct peer p, other;
	int stop;
	pid_t pid;

	for (i = 0; i < ARRAY_SIZE(places) + 4; i++) {
		new_path();
		pid = program(&iv, &stop);
		if (!peer_open(&p, path))
			abort();
		good = 0;
		if (i < ARRAY_SIZE(places)) {
			put64(p.mem, L_HEADER + 24, places[i]);
			good = places[i] == 0x3000 - 8 ||
			       places[i] == 0x3000 - 16;
		} else if (i == ARRAY_SIZE(places)) {
			put32(p.mem, 8, 1);
		} else if (i == ARRAY_SIZE(places) + 1) {
			put32(p.mem, 0, 0);
		} else if (i == ARRAY_SIZE(places) + 2) {
			put16(p.mem, L_HEADER, 0);
		} else {
			put16(p.mem, L_DEV_HEAD + H_STATUS, DEAD + 1);
		}
		memcpy(before, p.mem, sizeof(before));
		kill(pid, SIGKILL);
		program_wait(pid);
		close(stop);
		until_do(p.others[0] < 0, peer_listen(&p));
		after = p.mem;
		if (good) {
			put16(before, L_HEADER + places[i] + H_STATUS, DEAD);
			ok(!memcmp(before, after, sizeof(before)),
			   "a dead device side at %#llx",
			   (unsigned long long)places[i]);
		} else {
			ok(!memcmp(before, after, sizeof(before)),
			   "nothing is written: case %u", i);
		}
		if (!peer_open(&other, path))
			ok(false, "the server lives");
		else
			peer_close(&other);
		peer_close(&p);
	}
}

static void test_second(void)
{
	struct vmsg_ivshmem_params iv = params();
	struct peer p;
	int stop, other_stop;
	pid_t pid, other;

	pid = program(&iv, &stop);
	if (!peer_open(&p, path))
		abort();
	ok(rise(&p) && ping(&p, 1), "one program");
	other = program(&iv, &other_stop);
	close(other_stop);
	ok(program_wait(other) == EBUSY, "a second one is refused");
	ok(!get32(p.mem, 8) && win_seen(&p.w, RUN) && ping(&p, 2),
	   "and the first one does not mind");
	close(stop);
	program_wait(pid);
	peer_close(&p);
}

static void test_server_killed(void)
{
	struct vmsg_ivshmem_params iv = params();
	struct vmsg_msg msg = {
		.type = VIRTIO_MSG_TYPE_BUS,
		.id = VIRTIO_MSG_BUS_PING,
	};
	char name[64], target[300];
	struct bench b;
	struct peer p;
	pid_t pid = 0;
	ssize_t len;

	/* All others have to be gone, so that there is one to be found. */
	until(!num_servers(NULL));
	open_both(&b, &p, &iv, false);
	ok(come_up(&b, &p), "a driver side");
	ok(num_servers(&pid) == 1 && pid > 0 && getsid(pid) != getsid(0),
	   "the server has a session");
	snprintf(name, sizeof(name), "/proc/%d/fd/1", pid);
	len = readlink(name, target, sizeof(target) - 1);
	ok(len == 9 && !strncmp(target, "/dev/null", 9), "and no output");
	snprintf(name, sizeof(name), "/proc/%d/fd/5", pid);
	ok(readlink(name, target, sizeof(target)) > 0 &&
	   !strncmp(target, "anon_inode:[eventpoll]", 22),
	   "nor anything else that was ours");
	if (pid > 0)
		kill(pid, SIGKILL);
	ok(until_do(p.ended, peer_listen(&p)), "it is killed");
	ok(bench_ask(&b, &msg), "who is connected is still served");
	close_both(&b, &p);
	unlink(path);
}

/* Servers that are none -------------------------------------------------- */

struct line {
	int64_t number;
	/* Bytes of memory, -1 = an eventfd, 0 = no descriptor. */
	int fd;
};

static void say(int sock, const struct line *line)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	uint64_t wire = htole64(line->number);
	struct iovec iov = { &wire, sizeof(wire) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cmsg = (void *)control;
	int fd = -1;

	if (line->fd) {
		fd = line->fd < 0 ? eventfd(0, EFD_NONBLOCK) :
				    memfd_create("x", 0);
		if (line->fd > 0 && ftruncate(fd, line->fd))
			abort();
		msg.msg_control = control;
		msg.msg_controllen = sizeof(control);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	}
	if (sendmsg(sock, &msg, MSG_NOSIGNAL) < 0)
		_exit(1);
	if (fd >= 0)
		close(fd);
}

/* Has it got a driver side? Only then anything is sent. */
static bool has_driver(struct vmsg_link *link)
{
	char *mem = link->ops->map(link, 0x4000, 1);
	uint8_t frame[64] = { 0 };
	uint32_t before;
	unsigned int i;

	for (i = 0; i < 100; i++) {
		link->ops->wake(link);
		link->ops->receive(link, frame, sizeof(frame));
		usleep(1000);
	}
	before = get32(mem - 0x4000, S_DEV);
	link->ops->send(link, frame, 8);
	return get32(mem - 0x4000, S_DEV) != before;
}

static void test_liar(const char *name, const struct line *lines,
		      unsigned int num, int error, bool driver)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct vmsg_ivshmem_params iv = params();
	struct vmsg_link *link;
	unsigned int i;
	int fd, sock;
	pid_t pid;

	iv.spsc = true;
	new_path();
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, 1))
		abort();
	fflush(stdout);
	pid = fork();
	if (!pid) {
		/* A client that finds it gone may come again. */
		sock = accept(fd, NULL, NULL);
		close(fd);
		unlink(path);
		if (mkdir(path, 0))
			_exit(1);
		for (i = 0; i < num; i++)
			say(sock, &lines[i]);
		shutdown(sock, SHUT_WR);
		_exit(read(sock, &i, 1) < 0);
	}
	close(fd);
	errno = 0;
	link = vmsg_ivshmem_open(&iv);
	ok(error ? !link && errno == error : !!link, "%s: %s", name,
	   link ? "is believed" : strerror(errno));
	if (link) {
		ok(has_driver(link) == driver, "%s: %s driver side", name,
		   driver ? "a" : "no");
		link->ops->close(link);
	}
	program_wait(pid);
	rmdir(path);
}

static void test_liars(void)
{
	static const struct line version[] = { { 1, 0 } };
	static const struct line version_fd[] = { { 0, -1 } };
	static const struct line no_id[] = { { 0, 0 }, { -1, 1 << 20 } };
	static const struct line big_id[] = { { 0, 0 }, { 65536, 0 } };
	static const struct line no_memory[] = {
		{ 0, 0 }, { 5, 0 }, { 5, -1 }
	};
	static const struct line small[] = {
		{ 0, 0 }, { 5, 0 }, { -1, 4096 }, { 5, -1 }
	};
	static const struct line twice[] = {
		{ 0, 0 }, { 5, 0 }, { -1, 1 << 20 }, { -1, 1 << 20 }, { 5, -1 }
	};
	static const struct line no_fd[] = {
		{ 0, 0 }, { 5, 0 }, { -1, 0 }
	};
	static const struct line odd[] = {
		{ 0, 0 }, { 5, 0 }, { -1, 1 << 20 }, { -2, -1 }
	};
	static const struct line good[] = {
		{ 0, 0 }, { 5, 0 }, { -1, 1 << 20 }, { 7, -1 }, { 65535, 0 },
		{ 5, -1 }, { 7, 0 }, { 7, 0 }
	};
	static const struct line vectors[] = {
		{ 0, 0 }, { 5, 0 }, { -1, 1 << 20 }, { 3, -1 }, { 7, -1 },
		{ 3, 0 }, { 7, -1 }, { 5, -1 }, { 5, -1 }, { 7, 0 }
	};
	static const struct line crowd[] = {
		{ 0, 0 }, { 50, 0 }, { -1, 1 << 20 },
		{ 0, -1 }, { 1, -1 }, { 2, -1 }, { 3, -1 }, { 4, -1 },
		{ 5, -1 }, { 6, -1 }, { 7, -1 }, { 8, -1 }, { 9, -1 },
		{ 10, -1 }, { 11, -1 }, { 12, -1 }, { 13, -1 }, { 14, -1 },
		{ 15, -1 }, { 16, -1 }, { 17, -1 }, { 50, -1 }
	};

	test_liar("another version", version, 1, EPROTO, false);
	test_liar("a version with a descriptor", version_fd, 1, EPROTO, false);
	test_liar("no peer id", no_id, 2, EPROTO, false);
	test_liar("a peer id of more than 16 bits", big_id, 2, EPROTO, false);
	test_liar("no memory", no_memory, 3, EPROTO, false);
	test_liar("little memory", small, 4, EFBIG, false);
	test_liar("memory twice", twice, 5, EPROTO, false);
	test_liar("no descriptor", no_fd, 3, EPROTO, false);
	test_liar("a number that is none", odd, 4, EPROTO, false);
	test_liar("an end in between", good, 3, ECONNRESET, false);
	test_liar("strangers, and one that leaves twice", good, 8, 0, false);
	test_liar("two vectors each", vectors, 10, 0, false);
	test_liar("more peers than anybody needs", crowd,
		  ARRAY_SIZE(crowd), 0, true);
}

static void run(void (*test)(void))
{
	new_path();
	test();
}

int main(void)
{
	const char *tmp = getenv("TMPDIR");
	char *real = realpath(tmp ? tmp : "/tmp", NULL);

	if (!getenv("V"))
		vmsg_log_name = NULL;
	snprintf(folder, sizeof(folder), "%s/vmsg-ivshmem-XXXXXX",
		 real ? real : "");
	free(real);
	if (!mkdtemp(folder))
		abort();
	run(test_hello);
	run(test_map);
	new_path();
	test_bus(false, false);
	new_path();
	test_bus(true, false);
	new_path();
	test_bus(true, true);
	run(test_full);
	run(test_batch);
	run(test_anew);
	new_path();
	test_machines(false);
	new_path();
	test_machines(true);
	run(test_patience);
	run(test_unheard);
	run(test_formats);
	run(test_refused);
	run(test_stale);
	run(test_replaced);
	run(test_crowd);
	run(test_deaf);
	run(test_talk);
	run(test_killed);
	run(test_bury);
	run(test_second);
	run(test_server_killed);
	run(test_liars);
	ok(until(!rmdir(folder)), "nothing is left");
	return tap_end();
}
