// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * libvmsg tests: sockets. The test is both the guest's driver and the programs
 * at the other end of the UNIX sockets.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <linux/virtio_vsock.h>

#include "harness.h"
#include "models.h"

#define CID	42u
#define HOST	2u
#define CREDIT	(128u * 1024)
#define HDR	sizeof(struct virtio_vsock_hdr)
/* Where packets of the guest are, and room for those to it. */
#define TX	(POOL_ADDR + 0x100000)
#define RX	(POOL_ADDR + 0x200000)
#define RX_SIZE	4096u
#define RX_NUM	64u
#define EVENT	(POOL_ADDR + 0x300000)
#define WRITE	VRING_DESC_F_WRITE

struct guest {
	char path[64];
	struct bench b;
	struct vmsg_device *dev;
	struct ring rx;
	struct ring tx;
	struct ring event;
	uint64_t cid;
	/* The credit that it gives, and has taken. */
	uint32_t buf_alloc;
	uint32_t fwd_cnt;
	/* The last packet to it. */
	struct virtio_vsock_hdr hdr;
	const uint8_t *data;
};

static void guest_room(struct guest *g)
{
	const struct seg seg = { RX + g->rx.next * RX_SIZE, RX_SIZE, WRITE };

	ring_add(&g->rx, &seg, 1, false);
}

static void guest_start(struct guest *g)
{
	unsigned int i;

	drv_negotiate(&g->b, 0, 0);
	ring_place(&g->rx, &g->b, 0, 0, RX_NUM, false);
	ring_place(&g->tx, &g->b, 0, 1, 64, false);
	ring_place(&g->event, &g->b, 0, 2, 8, false);
	ring_enable(&g->rx);
	ring_enable(&g->tx);
	ring_enable(&g->event);
	for (i = 0; i < RX_NUM; i++)
		guest_room(g);
	ring_add(&g->event, &(struct seg){ EVENT, 8, WRITE }, 1, false);
	drv_set_status(&g->b, 0, S_RUNNING);
	bench_flush(&g->b);
}

static void guest_open(struct guest *g)
{
	struct vmsg_vsock_params params = { .cid = CID };
	const struct bench_params bench_params = { 0 };

	bench_open(&g->b, &bench_params);
	snprintf(g->path, sizeof(g->path), "/tmp/vmsg-vsock-%d", getpid());
	params.path = g->path;
	g->dev = vmsg_vsock_add(g->b.bus, 0, &params);
	if (!g->dev)
		abort();
	g->cid = CID;
	g->buf_alloc = 65536;
	g->fwd_cnt = 0;
	guest_start(g);
}

/* A packet, with all that can be wrong with it. */
static void guest_send_raw(struct guest *g, const struct virtio_vsock_hdr *hdr,
			   uint32_t bytes)
{
	uint32_t id, used;

	memcpy(bench_ptr(&g->b, TX), hdr, HDR);
	ring_add(&g->tx, &(struct seg){ TX, bytes, 0 }, 1, false);
	ring_kick(&g->tx);
	bench_run(&g->b);
	ring_used(&g->tx, &id, &used);
}

static struct virtio_vsock_hdr guest_hdr(struct guest *g, uint16_t op,
					 uint32_t from, uint32_t to,
					 uint32_t len)
{
	struct virtio_vsock_hdr hdr = {
		.src_cid = htole64(g->cid),
		.dst_cid = htole64(HOST),
		.src_port = htole32(from),
		.dst_port = htole32(to),
		.len = htole32(len),
		.type = htole16(VIRTIO_VSOCK_TYPE_STREAM),
		.op = htole16(op),
		.buf_alloc = htole32(g->buf_alloc),
		.fwd_cnt = htole32(g->fwd_cnt),
	};

	return hdr;
}

static void guest_send(struct guest *g, uint16_t op, uint32_t from,
		       uint32_t to, const void *data, uint32_t len)
{
	struct virtio_vsock_hdr hdr = guest_hdr(g, op, from, to, len);

	if (len)
		memcpy((char *)bench_ptr(&g->b, TX) + HDR, data, len);
	guest_send_raw(g, &hdr, HDR + len);
}

static void guest_shutdown(struct guest *g, uint32_t from, uint32_t to,
			   uint32_t flags)
{
	struct virtio_vsock_hdr hdr =
		guest_hdr(g, VIRTIO_VSOCK_OP_SHUTDOWN, from, to, 0);

	hdr.flags = htole32(flags);
	guest_send_raw(g, &hdr, HDR);
}

/* The next packet to the guest; its operation, or 0 if there is none. */
static uint16_t guest_take(struct guest *g)
{
	uint32_t id, used;

	bench_run(&g->b);
	if (!ring_used(&g->rx, &id, &used))
		return 0;
	memcpy(&g->hdr, bench_ptr(&g->b, RX + id * RX_SIZE), HDR);
	g->data = (uint8_t *)bench_ptr(&g->b, RX + id * RX_SIZE) + HDR;
	if (used != HDR + le32toh(g->hdr.len) ||
	    le64toh(g->hdr.dst_cid) != g->cid)
		return 0xffff;
	/* The buffer goes back at once; its data stay until the next call. */
	guest_room(g);
	ring_kick(&g->rx);
	return le16toh(g->hdr.op);
}

static bool guest_takes(struct guest *g, uint16_t op, uint32_t from,
			uint32_t to)
{
	return guest_take(g) == op && le32toh(g->hdr.src_port) == from &&
	       le32toh(g->hdr.dst_port) == to &&
	       le64toh(g->hdr.src_cid) == HOST;
}

/* Bytes until something else comes, or nothing. */
static uint32_t guest_takes_data(struct guest *g)
{
	uint32_t len = 0;

	while (guest_take(g) == VIRTIO_VSOCK_OP_RW)
		len += le32toh(g->hdr.len);
	return len;
}

static void guest_close(struct guest *g)
{
	bench_close(&g->b);
}

/* Programs of the host --------------------------------------------------- */

static struct sockaddr_un address(struct guest *g, const char *suffix)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s%s", g->path,
		 suffix);
	return addr;
}

static int host_listen(struct guest *g, const char *suffix)
{
	struct sockaddr_un addr = address(g, suffix);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	unlink(addr.sun_path);
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) ||
	    listen(fd, 300))
		abort();
	return fd;
}

static void host_unlisten(struct guest *g, const char *suffix, int fd)
{
	struct sockaddr_un addr = address(g, suffix);

	close(fd);
	unlink(addr.sun_path);
}

static int host_connect(struct guest *g, const char *text)
{
	struct sockaddr_un addr = address(g, "");
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) ||
	    send(fd, text, strlen(text), 0) < 0)
		abort();
	bench_run(&g->b);
	return fd;
}

static ssize_t host_read(struct guest *g, int fd, void *buf, size_t len)
{
	ssize_t ret;

	bench_run(&g->b);
	ret = recv(fd, buf, len, MSG_DONTWAIT);
	return ret < 0 ? -errno : ret;
}

/* Is the program's connection over? What it wrote may be lost then. */
static bool host_is_over(struct guest *g, int fd)
{
	char text[32];
	ssize_t ret = host_read(g, fd, text, sizeof(text));

	return !ret || ret == -ECONNRESET;
}

/* Port 1000 of the guest, port 7 here; the program's end. */
static int connected(struct guest *g, int listener)
{
	guest_send(g, VIRTIO_VSOCK_OP_REQUEST, 1000, 7, NULL, 0);
	if (!guest_takes(g, VIRTIO_VSOCK_OP_RESPONSE, 7, 1000))
		return -1;
	return accept4(listener, NULL, NULL, SOCK_NONBLOCK);
}

/* Tests ------------------------------------------------------------------ */

static void test_guest_connects(void)
{
	char text[16] = "";
	struct guest g;
	int lis, fd;

	guest_open(&g);
	guest_send(&g, VIRTIO_VSOCK_OP_REQUEST, 1000, 7, NULL, 0);
	ok(guest_takes(&g, VIRTIO_VSOCK_OP_RST, 7, 1000),
	   "a port that nobody listens on is refused");
	lis = host_listen(&g, "_7");
	fd = connected(&g, lis);
	ok(fd >= 0 && le32toh(g.hdr.buf_alloc) == CREDIT,
	   "a connection of the guest");
	guest_send(&g, VIRTIO_VSOCK_OP_RW, 1000, 7, "hello", 5);
	ok(host_read(&g, fd, text, 16) == 5 && !memcmp(text, "hello", 5),
	   "data of the guest");
	if (send(fd, "world!", 6, 0) != 6)
		abort();
	ok(guest_takes(&g, VIRTIO_VSOCK_OP_RW, 7, 1000) &&
	   le32toh(g.hdr.len) == 6 && !memcmp(g.data, "world!", 6) &&
	   le32toh(g.hdr.fwd_cnt) == 5, "data to the guest, and its credit");
	guest_send(&g, VIRTIO_VSOCK_OP_CREDIT_REQUEST, 1000, 7, NULL, 0);
	ok(guest_takes(&g, VIRTIO_VSOCK_OP_CREDIT_UPDATE, 7, 1000) &&
	   le32toh(g.hdr.fwd_cnt) == 5, "the guest asks for its credit");
	guest_shutdown(&g, 1000, 7, VIRTIO_VSOCK_SHUTDOWN_SEND);
	ok(!host_read(&g, fd, text, 16), "the guest has said all");
	if (send(fd, "more", 4, 0) != 4)
		abort();
	ok(guest_takes(&g, VIRTIO_VSOCK_OP_RW, 7, 1000) &&
	   le32toh(g.hdr.len) == 4, "but it still listens");
	guest_shutdown(&g, 1000, 7, 3);
	ok(guest_takes(&g, VIRTIO_VSOCK_OP_RST, 7, 1000),
	   "a connection that both directions are shut of is over");
	ok(send(fd, "more", 4, MSG_NOSIGNAL) < 0 && errno == EPIPE,
	   "and the program sees it");
	close(fd);
	fd = connected(&g, lis);
	guest_send(&g, VIRTIO_VSOCK_OP_RST, 1000, 7, NULL, 0);
	ok(!host_read(&g, fd, text, 16) && !guest_take(&g),
	   "a reset of the guest is not answered");
	close(fd);
	host_unlisten(&g, "_7", lis);
	guest_close(&g);
}

static void test_program_closes(void)
{
	struct guest g;
	int lis, fd;

	guest_open(&g);
	lis = host_listen(&g, "_7");
	fd = connected(&g, lis);
	if (send(fd, "last", 4, 0) != 4)
		abort();
	shutdown(fd, SHUT_WR);
	ok(guest_takes(&g, VIRTIO_VSOCK_OP_RW, 7, 1000),
	   "what a program has said before it ends");
	ok(guest_takes(&g, VIRTIO_VSOCK_OP_SHUTDOWN, 7, 1000) &&
	   le32toh(g.hdr.flags) == VIRTIO_VSOCK_SHUTDOWN_SEND,
	   "and then that it has said all");
	close(fd);
	ok(guest_takes(&g, VIRTIO_VSOCK_OP_SHUTDOWN, 7, 1000) &&
	   le32toh(g.hdr.flags) == 3, "and then that it is gone");
	guest_send(&g, VIRTIO_VSOCK_OP_RW, 1000, 7, "lost", 4);
	ok(!guest_take(&g), "data that cross this are lost");
	guest_send(&g, VIRTIO_VSOCK_OP_RST, 1000, 7, NULL, 0);
	guest_send(&g, VIRTIO_VSOCK_OP_RW, 1000, 7, "lost", 4);
	ok(guest_takes(&g, VIRTIO_VSOCK_OP_RST, 7, 1000),
	   "after the guest's reset there is no connection");
	host_unlisten(&g, "_7", lis);
	guest_close(&g);
}

static void fill(uint8_t *buf, size_t len, uint32_t from)
{
	size_t i;

	for (i = 0; i < len; i++)
		buf[i] = (from + i) % 251;
}

static bool is_filled(const uint8_t *buf, size_t len, uint32_t from)
{
	size_t i;

	for (i = 0; i < len; i++) {
		if (buf[i] != (from + i) % 251)
			return false;
	}
	return true;
}

/* The guest sends as much as its credit allows, the program reads at the end. */
static void test_credit_of_guest(void)
{
	uint8_t buf[32768];
	uint32_t sent, got = 0, told = 0, size = 4096;
	int lis, fd, small = 4096;
	struct guest g;
	bool good = true;
	ssize_t len;

	guest_open(&g);
	lis = host_listen(&g, "_7");
	fd = connected(&g, lis);
	for (sent = 0; sent + sizeof(buf) <= 1 << 20; sent += sizeof(buf)) {
		if (sent - told > CREDIT - sizeof(buf))
			break;
		fill(buf, sizeof(buf), sent);
		guest_send(&g, VIRTIO_VSOCK_OP_RW, 1000, 7, buf, sizeof(buf));
		while (guest_take(&g) == VIRTIO_VSOCK_OP_CREDIT_UPDATE)
			told = le32toh(g.hdr.fwd_cnt);
	}
	ok(sent >= CREDIT && sent < 1 << 20,
	   "nobody reads: the guest has to stop");
	while (sent < 1 << 20) {
		len = host_read(&g, fd, buf, sizeof(buf));
		if (len <= 0)
			break;
		good &= is_filled(buf, len, got);
		got += len;
		while (guest_take(&g) == VIRTIO_VSOCK_OP_CREDIT_UPDATE)
			told = le32toh(g.hdr.fwd_cnt);
		if (sent - told > CREDIT - size)
			continue;
		fill(buf, size, sent);
		guest_send(&g, VIRTIO_VSOCK_OP_RW, 1000, 7, buf, size);
		sent += size;
	}
	guest_shutdown(&g, 1000, 7, VIRTIO_VSOCK_SHUTDOWN_SEND);
	while ((len = host_read(&g, fd, buf, sizeof(buf))) > 0) {
		good &= is_filled(buf, len, got);
		got += len;
	}
	ok(good && !len && sent == 1 << 20 && got == sent,
	   "1 MiB arrives, every byte of it");
	close(fd);
	while (guest_take(&g))
		continue;
	guest_send(&g, VIRTIO_VSOCK_OP_RST, 1000, 7, NULL, 0);

	/* A guest that does not care. */
	fd = connected(&g, lis);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	for (sent = 0; sent < 2 << 20; sent += sizeof(buf)) {
		guest_send(&g, VIRTIO_VSOCK_OP_RW, 1000, 7, buf, sizeof(buf));
		while ((told = guest_take(&g)) ==
		       VIRTIO_VSOCK_OP_CREDIT_UPDATE)
			continue;
		if (told)
			break;
	}
	ok(told == VIRTIO_VSOCK_OP_RST, "more than the credit is a reset");
	close(fd);
	host_unlisten(&g, "_7", lis);
	guest_close(&g);
}

/* The program sends without end, the guest takes as it likes. */
static void test_credit_of_host(void)
{
	uint32_t got = 0, asked = 0, sent = 0;
	uint8_t buf[16384];
	struct guest g;
	bool good = true;
	int lis, fd;
	uint16_t op;
	ssize_t len;

	guest_open(&g);
	g.buf_alloc = 10000;
	lis = host_listen(&g, "_7");
	fd = connected(&g, lis);
	for (;;) {
		fill(buf, sizeof(buf), sent);
		len = send(fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (len < 0)
			break;
		sent += len;
	}
	while ((op = guest_take(&g))) {
		asked += op == VIRTIO_VSOCK_OP_CREDIT_REQUEST;
		if (op == VIRTIO_VSOCK_OP_RW) {
			good &= is_filled(g.data, le32toh(g.hdr.len), got);
			got += le32toh(g.hdr.len);
		}
	}
	ok(good && got == 10000 && asked == 1,
	   "as much as the guest has room for, then one question");
	guest_send(&g, VIRTIO_VSOCK_OP_CREDIT_UPDATE, 1000, 7, NULL, 0);
	ok(!guest_take(&g), "it has none: it is not asked again");
	g.fwd_cnt = 3000;
	guest_send(&g, VIRTIO_VSOCK_OP_CREDIT_UPDATE, 1000, 7, NULL, 0);
	got += guest_takes_data(&g);
	ok(got == 13000, "it has taken 3000 bytes: 3000 bytes more");
	g.buf_alloc = 0;
	guest_send(&g, VIRTIO_VSOCK_OP_CREDIT_UPDATE, 1000, 7, NULL, 0);
	ok(guest_take(&g) != VIRTIO_VSOCK_OP_RW, "its room shrinks to nothing");
	g.buf_alloc = 10000;
	g.fwd_cnt = 14000;
	guest_send(&g, VIRTIO_VSOCK_OP_CREDIT_UPDATE, 1000, 7, NULL, 0);
	got += guest_takes_data(&g);
	ok(got == 13000, "it has taken more than was sent: nothing is sent");
	g.buf_alloc = 0xffffffff;
	for (good = true, g.fwd_cnt = 13000; got < sent; g.fwd_cnt = got) {
		guest_send(&g, VIRTIO_VSOCK_OP_CREDIT_UPDATE, 1000, 7, NULL,
			   0);
		op = guest_take(&g);
		if (!op)
			break;
		if (op == VIRTIO_VSOCK_OP_RW) {
			good &= is_filled(g.data, le32toh(g.hdr.len), got);
			got += le32toh(g.hdr.len);
		}
	}
	ok(good && got == sent, "all of it in the end");
	close(fd);
	host_unlisten(&g, "_7", lis);
	guest_close(&g);
}

static void test_host_connects(void)
{
	static const char * const bad[] = {
		"CONNECT\n", "CONNECT x\n", "CONNECT 4294967296\n",
		"CONNECT -1\n", "CONNECT 1 2\n", "GET / HTTP/1.0\n",
		"CONNECT 00000000000000000000000000000000000000001\n",
	};
	char text[32] = "", want[32];
	struct guest g;
	uint32_t port;
	size_t i;
	int fd;

	guest_open(&g);
	fd = host_connect(&g, "CONN");
	ok(!guest_take(&g), "half a line");
	if (send(fd, "ECT 55\nearly", 12, 0) != 12)
		abort();
	ok(guest_take(&g) == VIRTIO_VSOCK_OP_REQUEST &&
	   le32toh(g.hdr.dst_port) == 55, "the guest is asked");
	port = le32toh(g.hdr.src_port);
	ok(host_read(&g, fd, text, 32) == -EAGAIN && !guest_take(&g),
	   "there is no answer, and no data, until it has accepted");
	guest_send(&g, VIRTIO_VSOCK_OP_RESPONSE, 55, port, NULL, 0);
	snprintf(want, sizeof(want), "OK %u\n", port);
	ok(host_read(&g, fd, text, 32) == (ssize_t)strlen(want) &&
	   !strcmp(text, want), "the answer");
	ok(guest_takes(&g, VIRTIO_VSOCK_OP_RW, port, 55) &&
	   le32toh(g.hdr.len) == 5 && !memcmp(g.data, "early", 5),
	   "data that came with the line");
	guest_send(&g, VIRTIO_VSOCK_OP_RW, 55, port, "abc", 3);
	ok(host_read(&g, fd, text, 32) == 3, "data of the guest");
	guest_send(&g, VIRTIO_VSOCK_OP_RESPONSE, 55, port, NULL, 0);
	ok(guest_takes(&g, VIRTIO_VSOCK_OP_RST, port, 55) &&
	   !host_read(&g, fd, text, 32), "to accept twice is an error");
	close(fd);

	fd = host_connect(&g, "connect 56\r\n");
	ok(!host_read(&g, fd, text, 32) && !guest_take(&g),
	   "a carriage return is not a blank");
	close(fd);
	fd = host_connect(&g, "connect 56\n");
	guest_take(&g);
	guest_send(&g, VIRTIO_VSOCK_OP_RST, 56, le32toh(g.hdr.src_port), NULL,
		   0);
	ok(!host_read(&g, fd, text, 32), "the guest refuses");
	close(fd);
	fd = host_connect(&g, "CONNECT 57\n");
	guest_take(&g);
	port = le32toh(g.hdr.src_port);
	close(fd);
	ok(guest_takes(&g, VIRTIO_VSOCK_OP_RST, port, 57),
	   "a program that did not wait");
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		fd = host_connect(&g, bad[i]);
		ok(!guest_take(&g) && host_is_over(&g, fd),
		   "%.*s: no", (int)strlen(bad[i]) - 1, bad[i]);
		close(fd);
	}
	drv_set_status(&g.b, 0, 0);
	fd = host_connect(&g, "CONNECT 58\n");
	ok(host_is_over(&g, fd), "without a driver nobody answers");
	close(fd);
	guest_close(&g);
}

/* As many connections as there can be, and how they end. */
static void test_many(void)
{
	unsigned int accepted = 0, refused = 0, resets = 0, i;
	int fds[300], lis, num = 0;
	struct guest g;
	uint16_t op;
	char text[8];

	guest_open(&g);
	lis = host_listen(&g, "_7");
	for (i = 0; i < 300; i++) {
		guest_send(&g, VIRTIO_VSOCK_OP_REQUEST, i, 7, NULL, 0);
		op = guest_take(&g);
		accepted += op == VIRTIO_VSOCK_OP_RESPONSE;
		refused += op == VIRTIO_VSOCK_OP_RST;
		fds[num] = accept4(lis, NULL, NULL, SOCK_NONBLOCK);
		num += fds[num] >= 0;
	}
	ok(accepted == 256 && refused == 44 && num == 256,
	   "256 connections and no more");
	fds[num] = host_connect(&g, "CONNECT 9\n");
	ok(!guest_take(&g), "a program has to wait then");
	guest_send(&g, VIRTIO_VSOCK_OP_RST, 0, 7, NULL, 0);
	ok(guest_take(&g) == VIRTIO_VSOCK_OP_REQUEST, "until one ends");
	close(fds[num]);
	guest_take(&g);
	for (i = 0; i < 200; i++)
		guest_send(&g, VIRTIO_VSOCK_OP_RW, 10000 + i, 7, "x", 1);
	while (guest_take(&g) == VIRTIO_VSOCK_OP_RST)
		resets++;
	ok(resets == 200, "200 packets of nobody, 200 resets");
	/* What the guest does not take in must not fill the memory. */
	drv_set_status(&g.b, 0, 0);
	for (i = 0; i < (unsigned int)num; i++) {
		if (host_read(&g, fds[i], text, 8))
			break;
		close(fds[i]);
	}
	ok(i == (unsigned int)num, "a reset of the device ends them all");
	guest_start(&g);
	guest_send(&g, VIRTIO_VSOCK_OP_REQUEST, 1, 8, NULL, 0);
	ok(guest_takes(&g, VIRTIO_VSOCK_OP_RST, 8, 1), "it begins anew");
	host_unlisten(&g, "_7", lis);
	guest_close(&g);
}

/* A guest that sends but does not receive. */
static void test_no_room(void)
{
	struct virtio_vsock_hdr hdr;
	uint32_t id, used, done = 0;
	unsigned int i, resets = 0;
	struct guest g;

	guest_open(&g);
	drv_negotiate(&g.b, 0, 0);
	ring_place(&g.rx, &g.b, 0, 0, RX_NUM, false);
	ring_place(&g.tx, &g.b, 0, 1, 1024, false);
	ok(vmsg_device_vq(g.dev, 1)->max_size < 1024, "the queue is small");
	ring_place(&g.tx, &g.b, 0, 1, 128, false);
	ring_enable(&g.rx);
	ring_enable(&g.tx);
	drv_set_status(&g.b, 0, S_RUNNING);
	hdr = guest_hdr(&g, VIRTIO_VSOCK_OP_RW, 1, 2, 0);
	memcpy(bench_ptr(&g.b, TX), &hdr, HDR);
	for (i = 0; i < 1000; i++) {
		if (i - done >= 128)
			break;
		ring_add(&g.tx, &(struct seg){ TX, HDR, 0 }, 1, false);
		ring_kick(&g.tx);
		while (ring_used(&g.tx, &id, &used))
			done++;
	}
	ok(done == 256 && i == 384,
	   "256 answers wait, then nothing more is taken");
	for (i = 0; i < RX_NUM; i++)
		guest_room(&g);
	ring_kick(&g.rx);
	while (guest_take(&g) == VIRTIO_VSOCK_OP_RST)
		resets++;
	while (ring_used(&g.tx, &id, &used))
		done++;
	ok(resets == 384 && done == 384, "with room it goes on by itself");
	guest_close(&g);
}

static void test_hostile(void)
{
	static const struct {
		const char *what;
		uint32_t bytes;
		uint32_t len;
	} bad[] = {
		{ "half a header", HDR - 1, 0 },
		{ "more data than there are", HDR + 10, 11 },
		{ "4 GiB of data", HDR + 10, 0xffffffff },
		{ "more data than a packet may have", HDR + 65537, 65537 },
	};
	struct virtio_vsock_hdr hdr;
	struct guest g;
	int lis, fd;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		guest_open(&g);
		hdr = guest_hdr(&g, VIRTIO_VSOCK_OP_RW, 1, 2, bad[i].len);
		guest_send_raw(&g, &hdr, bad[i].bytes);
		ok(drv_status(&g.b, 0) == S_BROKEN,
		   "%s: the device needs a reset", bad[i].what);
		guest_close(&g);
	}
	guest_open(&g);
	drv_negotiate(&g.b, 0, 0);
	ring_place(&g.rx, &g.b, 0, 0, RX_NUM, false);
	ring_place(&g.tx, &g.b, 0, 1, 64, false);
	ring_enable(&g.rx);
	ring_enable(&g.tx);
	drv_set_status(&g.b, 0, S_RUNNING);
	ring_add(&g.rx, &(struct seg){ RX, HDR, WRITE }, 1, false);
	guest_send(&g, VIRTIO_VSOCK_OP_RW, 1, 2, NULL, 0);
	ok(drv_status(&g.b, 0) == S_BROKEN, "room for a header and no data");
	guest_close(&g);

	guest_open(&g);
	lis = host_listen(&g, "_7");
	hdr = guest_hdr(&g, VIRTIO_VSOCK_OP_REQUEST, 1000, 7, 0);
	hdr.src_cid = htole64(CID + 1);
	guest_send_raw(&g, &hdr, HDR);
	ok(!guest_take(&g), "a packet in somebody else's name is dropped");
	hdr.src_cid = htole64(CID);
	hdr.dst_cid = htole64(99);
	guest_send_raw(&g, &hdr, HDR);
	ok(guest_take(&g) == VIRTIO_VSOCK_OP_RST &&
	   le64toh(g.hdr.src_cid) == 99, "there is no way to others");
	hdr.dst_cid = htole64(HOST);
	hdr.type = htole16(VIRTIO_VSOCK_TYPE_SEQPACKET);
	guest_send_raw(&g, &hdr, HDR);
	ok(guest_take(&g) == VIRTIO_VSOCK_OP_RST, "only streams");
	fd = connected(&g, lis);
	guest_send(&g, VIRTIO_VSOCK_OP_REQUEST, 1000, 7, NULL, 0);
	ok(guest_take(&g) == VIRTIO_VSOCK_OP_RST, "connected twice");
	close(fd);
	fd = connected(&g, lis);
	guest_send(&g, 77, 1000, 7, NULL, 0);
	ok(guest_take(&g) == VIRTIO_VSOCK_OP_RST, "an unknown operation");
	close(fd);
	fd = connected(&g, lis);
	guest_shutdown(&g, 1000, 7, VIRTIO_VSOCK_SHUTDOWN_SEND);
	guest_send(&g, VIRTIO_VSOCK_OP_RW, 1000, 7, "x", 1);
	ok(guest_take(&g) == VIRTIO_VSOCK_OP_RST, "data after the last data");
	close(fd);
	ok(drv_status(&g.b, 0) == S_RUNNING, "the device has survived it all");
	host_unlisten(&g, "_7", lis);
	guest_close(&g);
}

static uint64_t config_cid(struct guest *g)
{
	uint64_t cid = 0;

	drv_read_config(&g->b, 0, 0, &cid, sizeof(cid));
	return le64toh(cid);
}

static void test_transport_reset(void)
{
	char good[] = "43", bad[] = "2", none[] = "", text[8];
	struct vmsg_msg msg;
	uint32_t id, used, *event;
	struct guest g;
	int lis, fd;

	guest_open(&g);
	event = bench_ptr(&g.b, EVENT);
	*event = 0xeeeeeeee;
	lis = host_listen(&g, "_7");
	fd = connected(&g, lis);
	ok(config_cid(&g) == CID, "the guest's number");
	ok(vmsg_vsock_model.command(g.dev, "transport-reset", bad) == -EINVAL &&
	   vmsg_vsock_model.command(g.dev, "resize", none) == -ENOENT,
	   "commands that are none");
	ok(!vmsg_vsock_model.command(g.dev, "transport-reset", good) &&
	   ring_used(&g.event, &id, &used) && used == 4 && !*event,
	   "a transport reset is announced");
	ok(bench_get(&g.b, 0, VIRTIO_MSG_EVENT_CONFIG, &msg) &&
	   msg.data_len == 8, "as a change of the configuration, too");
	ok(config_cid(&g) == 43 && !host_read(&g, fd, text, 8),
	   "with a new number, and connections are gone");
	close(fd);
	g.cid = 43;
	fd = connected(&g, lis);
	ok(fd >= 0, "which is the one that connects from now on");
	ok(!vmsg_vsock_model.command(g.dev, "transport-reset", none) &&
	   !ring_used(&g.event, &id, &used), "no room for the event");
	ring_add(&g.event, &(struct seg){ EVENT, 8, WRITE }, 1, false);
	ring_kick(&g.event);
	ok(ring_used(&g.event, &id, &used) && used == 4, "it comes later");
	close(fd);
	host_unlisten(&g, "_7", lis);
	guest_close(&g);
}

static void test_refused(void)
{
	const struct bench_params bench_params = { 0 };
	struct vmsg_vsock_params params = { .path = "/tmp/x", .cid = 2 };
	struct guest g;
	struct stat st;
	struct bench b;
	char path[200];
	int fd;

	guest_open(&g);
	bench_open(&b, &bench_params);
	ok(!vmsg_vsock_add(b.bus, 0, &params) && errno == EINVAL, "CID 2");
	params.cid = 3;
	memset(path, 'x', sizeof(path));
	memcpy(path, "/tmp/", 5);
	path[97] = '\0';
	params.path = path;
	ok(!vmsg_vsock_add(b.bus, 0, &params) && errno == ENAMETOOLONG,
	   "a path that has no room for the port");
	params.path = g.path;
	ok(!vmsg_vsock_add(b.bus, 0, &params) && errno == EADDRINUSE,
	   "a socket that another one listens to");
	fd = host_connect(&g, "CONNECT 1\n");
	ok(guest_take(&g) == VIRTIO_VSOCK_OP_REQUEST, "which still works");
	close(fd);
	guest_close(&g);
	ok(stat(g.path, &st), "it is removed in the end");
	close(host_listen(&g, ""));
	ok(vmsg_vsock_add(b.bus, 0, &params), "a socket that was left behind");
	bench_close(&b);
	if (mkdir(g.path, 0700))
		abort();
	bench_open(&b, &bench_params);
	ok(!vmsg_vsock_add(b.bus, 0, &params), "a folder");
	rmdir(g.path);
	bench_close(&b);
}

int main(void)
{
	test_guest_connects();
	test_program_closes();
	test_credit_of_guest();
	test_credit_of_host();
	test_host_connects();
	test_many();
	test_no_room();
	test_hostile();
	test_transport_reset();
	test_refused();
	return tap_end();
}
