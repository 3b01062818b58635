// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * libvmsg: stream sockets between a guest and this system (virtio-vsock).
 *
 * A connection of the guest to port P is made to the UNIX socket PATH_P. In the
 * other direction a program connects to PATH and writes "CONNECT P\n"; when the
 * guest has accepted, it reads "OK <port>\n", and all the rest are data.
 *
 * Each connection belongs to the device until one side has reset it. It holds
 * what its UNIX socket does not take yet, never more than the credit that the
 * guest was given, and takes from the socket no more than the guest has room for.
 * Sockets are watched by edges; what they are ready for is kept in flags. All
 * packets to the guest are sent by vmsg_vsock_pump(), the connections taking
 * turns, as far as there are buffers for them.
 */
#include <ctype.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_vsock.h>

#include "models.h"

#ifndef VIRTIO_VSOCK_F_STREAM
#define VIRTIO_VSOCK_F_STREAM	0
#endif

#define VMSG_VSOCK_HOST_CID	2u
#define VMSG_VSOCK_QUEUE_SIZE	128u
#define VMSG_VSOCK_MAX_CONNS	256u
/* Credit: bytes of a connection that the guest may send ahead. */
#define VMSG_VSOCK_BUF		(128u * 1024)
/* Bytes of the largest packet to the guest. */
#define VMSG_VSOCK_PACKET	(64u * 1024)
/* Packets from the guest, or to each connection, before others' turn. */
#define VMSG_VSOCK_BUDGET	256u
/* Resets for nobody's packets that may wait; as many again from connections. */
#define VMSG_VSOCK_MAX_RESETS	VMSG_VSOCK_MAX_CONNS
/* Ports of this side for connections to the guest begin here. */
#define VMSG_VSOCK_FIRST_PORT	0x40000000u
/* Longest first line of a program: "CONNECT 4294967295\n" and some blanks. */
#define VMSG_VSOCK_LINE		32u

/* "_4294967295" and its NUL, behind the path. */
#define VMSG_VSOCK_SUFFIX	12u

#define VMSG_VSOCK_BOTH	(VIRTIO_VSOCK_SHUTDOWN_RCV | VIRTIO_VSOCK_SHUTDOWN_SEND)

enum {
	VMSG_VSOCK_RX,
	VMSG_VSOCK_TX,
	VMSG_VSOCK_EVENT,
	VMSG_VSOCK_QUEUES,
};

enum vmsg_vsock_state {
	/* A program is to say which port it wants. */
	VMSG_VSOCK_GREETING,
	/* The guest has been asked, or is going to be. */
	VMSG_VSOCK_REQUESTED,
	VMSG_VSOCK_OPEN,
};

struct vmsg_vsock_conn {
	struct vmsg_vsock *vs;
	struct vmsg_vsock_conn *next;
	struct vmsg_watch watch;
	enum vmsg_vsock_state state;
	uint32_t guest_port;
	uint32_t host_port;
	/* Packets to be sent: bit n is VIRTIO_VSOCK_OP_* n. */
	uint32_t want;
	bool asked;
	/* What the socket is ready for. */
	bool readable;
	bool writable;
	/* Directions that are shut: by the guest, by this side, as it was told. */
	uint32_t guest_shut;
	uint32_t host_shut;
	uint32_t told_shut;
	bool write_shut;
	/* From the guest, a ring of VMSG_VSOCK_BUF bytes while it is needed. */
	uint8_t *buf;
	uint32_t head;
	uint32_t held;
	uint32_t fwd_cnt;
	uint32_t told_fwd;
	/* To the guest. */
	uint32_t sent;
	uint32_t peer_alloc;
	uint32_t peer_fwd;
};

struct vmsg_vsock {
	struct vmsg_device *dev;
	struct vmsg_loop *loop;
	struct vmsg_work work;
	struct vmsg_watch listener;
	struct sockaddr_un addr;
	struct stat file;
	uint64_t cid;
	struct vmsg_vsock_conn *conns;
	unsigned int num_conns;
	bool accept_more;
	uint32_t next_port;
	/* A buffer of the guest that nothing has been written to. */
	struct vmsg_elem *room;
	/* Packets whose answers there was no room for stay in the queue. */
	bool tx_waits;
	bool event_waits;
	struct virtio_vsock_hdr resets[2 * VMSG_VSOCK_MAX_RESETS];
	unsigned int num_resets;
	uint8_t data[VMSG_VSOCK_PACKET];
};

static void vmsg_vsock_pump_soon(struct vmsg_vsock *vs)
{
	vmsg_loop_defer(vs->loop, &vs->work);
}

/* Connections ------------------------------------------------------------ */

static struct vmsg_vsock_conn *vmsg_vsock_find(struct vmsg_vsock *vs,
					       uint32_t guest_port,
					       uint32_t host_port)
{
	struct vmsg_vsock_conn *conn;

	for (conn = vs->conns; conn; conn = conn->next) {
		if (conn->state != VMSG_VSOCK_GREETING &&
		    conn->guest_port == guest_port &&
		    conn->host_port == host_port)
			break;
	}
	return conn;
}

/* The socket is done with; the guest may still have to agree. */
static void vmsg_vsock_hang_up(struct vmsg_vsock_conn *conn)
{
	if (conn->watch.fd < 0)
		return;
	vmsg_loop_unwatch(conn->vs->loop, &conn->watch);
	close(conn->watch.fd);
	conn->watch.fd = -1;
	conn->readable = false;
	conn->writable = false;
}

static void vmsg_vsock_free(struct vmsg_vsock_conn *conn)
{
	struct vmsg_vsock *vs = conn->vs;
	struct vmsg_vsock_conn **link = &vs->conns;

	vmsg_vsock_hang_up(conn);
	while (*link != conn)
		link = &(*link)->next;
	*link = conn->next;
	free(conn->buf);
	free(conn);
	vs->num_conns--;
	if (vs->accept_more)
		vmsg_vsock_pump_soon(vs);
}

/* Takes the descriptor, also when it fails. */
static struct vmsg_vsock_conn *
vmsg_vsock_new(struct vmsg_vsock *vs, int fd, enum vmsg_vsock_state state,
	       void (*fn)(void *arg, uint32_t events))
{
	struct vmsg_vsock_conn *conn = calloc(1, sizeof(*conn));

	if (!conn) {
		close(fd);
		return NULL;
	}
	conn->vs = vs;
	conn->state = state;
	conn->watch.fd = fd;
	conn->watch.fn = fn;
	conn->watch.arg = conn;
	if (vmsg_loop_watch(vs->loop, &conn->watch,
			    EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)) {
		close(fd);
		free(conn);
		return NULL;
	}
	conn->next = vs->conns;
	vs->conns = conn;
	vs->num_conns++;
	return conn;
}

static void vmsg_vsock_say_reset(struct vmsg_vsock *vs, uint64_t host_cid,
				 uint32_t host_port, uint32_t guest_port)
{
	struct virtio_vsock_hdr *hdr = &vs->resets[vs->num_resets];

	/* Cannot be: connections are as many as there is room beyond the limit. */
	if (vs->num_resets == 2 * VMSG_VSOCK_MAX_RESETS)
		return;
	memset(hdr, 0, sizeof(*hdr));
	hdr->src_cid = htole64(host_cid);
	hdr->dst_cid = htole64(vs->cid);
	hdr->src_port = htole32(host_port);
	hdr->dst_port = htole32(guest_port);
	hdr->type = htole16(VIRTIO_VSOCK_TYPE_STREAM);
	hdr->op = htole16(VIRTIO_VSOCK_OP_RST);
	vs->num_resets++;
	vmsg_vsock_pump_soon(vs);
}

/* The end of a connection, which the guest is told of if it knows it. */
static void vmsg_vsock_kill(struct vmsg_vsock_conn *conn)
{
	bool known = conn->state == VMSG_VSOCK_OPEN ||
		     (conn->state == VMSG_VSOCK_REQUESTED &&
		      !(conn->want & VMSG_BIT(VIRTIO_VSOCK_OP_REQUEST)));

	if (known)
		vmsg_vsock_say_reset(conn->vs, VMSG_VSOCK_HOST_CID,
				     conn->host_port, conn->guest_port);
	vmsg_vsock_free(conn);
}

static void vmsg_vsock_free_all(struct vmsg_vsock *vs)
{
	while (vs->conns)
		vmsg_vsock_free(vs->conns);
	vs->num_resets = 0;
	vmsg_loop_cancel(vs->loop, &vs->work);
}

static void vmsg_vsock_want(struct vmsg_vsock_conn *conn, unsigned int op)
{
	conn->want |= VMSG_BIT(op);
	vmsg_vsock_pump_soon(conn->vs);
}

static uint32_t vmsg_vsock_credit(const struct vmsg_vsock_conn *conn)
{
	uint32_t ahead = conn->sent - conn->peer_fwd;

	return ahead < conn->peer_alloc ? conn->peer_alloc - ahead : 0;
}

/* From the guest to the socket ------------------------------------------- */

static void vmsg_vsock_forwarded(struct vmsg_vsock_conn *conn, uint32_t len)
{
	conn->fwd_cnt += len;
	/* Not for every byte, but before the guest has to stop. */
	if (conn->fwd_cnt - conn->told_fwd >= VMSG_VSOCK_BUF / 4)
		vmsg_vsock_want(conn, VIRTIO_VSOCK_OP_CREDIT_UPDATE);
}

/* Nobody reads the socket any more; what is held for it is lost. */
static void vmsg_vsock_not_read(struct vmsg_vsock_conn *conn)
{
	conn->host_shut |= VIRTIO_VSOCK_SHUTDOWN_RCV;
	vmsg_vsock_forwarded(conn, conn->held);
	conn->held = 0;
	vmsg_vsock_pump_soon(conn->vs);
}

/* Write what is held. False when this was the end of the connection. */
static bool vmsg_vsock_flush(struct vmsg_vsock_conn *conn)
{
	uint32_t part;
	ssize_t ret;

	while (conn->held && conn->writable) {
		part = VMSG_VSOCK_BUF - conn->head;
		if (part > conn->held)
			part = conn->held;
		ret = send(conn->watch.fd, conn->buf + conn->head, part,
			   MSG_NOSIGNAL | MSG_DONTWAIT);
		if (ret < 0 && errno == EINTR)
			continue;
		if (ret < 0 && errno == EAGAIN) {
			conn->writable = false;
		} else if (ret < 0) {
			vmsg_vsock_not_read(conn);
		} else {
			conn->head = (conn->head + ret) % VMSG_VSOCK_BUF;
			conn->held -= ret;
			vmsg_vsock_forwarded(conn, ret);
		}
	}
	if (conn->held)
		return true;
	free(conn->buf);
	conn->buf = NULL;
	conn->head = 0;
	if (conn->guest_shut == VMSG_VSOCK_BOTH) {
		vmsg_vsock_kill(conn);
		return false;
	}
	if (conn->guest_shut & VIRTIO_VSOCK_SHUTDOWN_SEND &&
	    !conn->write_shut && conn->watch.fd >= 0) {
		shutdown(conn->watch.fd, SHUT_WR);
		conn->write_shut = true;
	}
	return true;
}

/* False: more than the guest had credit for, or no memory. */
static bool vmsg_vsock_hold(struct vmsg_vsock_conn *conn,
			    const struct iovec *iov, unsigned int num,
			    uint32_t len)
{
	uint32_t tail, first;

	if (len > VMSG_VSOCK_BUF - conn->held)
		return false;
	if (!conn->buf)
		conn->buf = malloc(VMSG_VSOCK_BUF);
	if (!conn->buf)
		return false;
	tail = (conn->head + conn->held) % VMSG_VSOCK_BUF;
	first = VMSG_VSOCK_BUF - tail;
	if (first > len)
		first = len;
	/* In one go and then apart: pieces cannot be read from the middle. */
	vmsg_iov_read(iov, num, conn->vs->data, len);
	memcpy(conn->buf + tail, conn->vs->data, first);
	memcpy(conn->buf, conn->vs->data + first, len - first);
	conn->held += len;
	return true;
}

static void vmsg_vsock_conn_event(void *arg, uint32_t events)
{
	struct vmsg_vsock_conn *conn = arg;

	if (events & (EPOLLHUP | EPOLLERR) && conn->state != VMSG_VSOCK_OPEN) {
		vmsg_vsock_kill(conn);
		return;
	}
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		conn->readable = true;
	if (events & (EPOLLOUT | EPOLLERR))
		conn->writable = true;
	/* When both directions of the guest are shut, the answer is a reset. */
	if (events & (EPOLLHUP | EPOLLERR))
		vmsg_vsock_not_read(conn);
	if (vmsg_vsock_flush(conn))
		vmsg_vsock_pump_soon(conn->vs);
}

/* The guest connects: a UNIX socket is connected, or not, at once. */
static void vmsg_vsock_request(struct vmsg_vsock *vs,
			       const struct virtio_vsock_hdr *hdr)
{
	struct sockaddr_un addr = vs->addr;
	uint32_t port = le32toh(hdr->dst_port);
	struct vmsg_vsock_conn *conn = NULL;
	int fd = -1;

	if (vs->num_conns < VMSG_VSOCK_MAX_CONNS)
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
			    0);
	if (fd >= 0) {
		snprintf(addr.sun_path + strlen(addr.sun_path),
			 VMSG_VSOCK_SUFFIX, "_%u", port);
		if (!connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
			conn = vmsg_vsock_new(vs, fd, VMSG_VSOCK_OPEN,
					      vmsg_vsock_conn_event);
		else
			close(fd);
	}
	if (!conn) {
		vmsg_vsock_say_reset(vs, VMSG_VSOCK_HOST_CID, port,
				     le32toh(hdr->src_port));
		return;
	}
	conn->guest_port = le32toh(hdr->src_port);
	conn->host_port = port;
	conn->peer_alloc = le32toh(hdr->buf_alloc);
	conn->peer_fwd = le32toh(hdr->fwd_cnt);
	vmsg_vsock_want(conn, VIRTIO_VSOCK_OP_RESPONSE);
}

/* The guest has accepted. False: the program has gone meanwhile. */
static bool vmsg_vsock_response(struct vmsg_vsock_conn *conn)
{
	char line[VMSG_VSOCK_LINE];
	int len;

	conn->state = VMSG_VSOCK_OPEN;
	len = snprintf(line, sizeof(line), "OK %u\n", conn->host_port);
	return send(conn->watch.fd, line, len, MSG_NOSIGNAL | MSG_DONTWAIT) ==
	       len;
}

/* False: the connection has to be reset. */
static bool vmsg_vsock_data(struct vmsg_vsock_conn *conn,
			    const struct iovec *iov, unsigned int num,
			    uint32_t len)
{
	if (conn->state != VMSG_VSOCK_OPEN ||
	    conn->guest_shut & VIRTIO_VSOCK_SHUTDOWN_SEND)
		return false;
	if (conn->host_shut & VIRTIO_VSOCK_SHUTDOWN_RCV) {
		vmsg_vsock_forwarded(conn, len);
		return true;
	}
	return vmsg_vsock_hold(conn, iov, num, len);
}

static void vmsg_vsock_known(struct vmsg_vsock_conn *conn,
			     const struct virtio_vsock_hdr *hdr,
			     const struct iovec *iov, unsigned int num)
{
	bool good = true;

	conn->peer_alloc = le32toh(hdr->buf_alloc);
	conn->peer_fwd = le32toh(hdr->fwd_cnt);
	/* An answer without credit is one too: asking on would never end. */
	if (vmsg_vsock_credit(conn))
		conn->asked = false;
	switch (le16toh(hdr->op)) {
	case VIRTIO_VSOCK_OP_RESPONSE:
		good = conn->state == VMSG_VSOCK_REQUESTED &&
		       vmsg_vsock_response(conn);
		break;
	case VIRTIO_VSOCK_OP_RW:
		good = vmsg_vsock_data(conn, iov, num, le32toh(hdr->len));
		break;
	case VIRTIO_VSOCK_OP_SHUTDOWN:
		conn->guest_shut |= le32toh(hdr->flags) & VMSG_VSOCK_BOTH;
		/* Programs that write on get EPIPE. */
		if (conn->guest_shut & VIRTIO_VSOCK_SHUTDOWN_RCV &&
		    conn->watch.fd >= 0)
			shutdown(conn->watch.fd, SHUT_RD);
		break;
	case VIRTIO_VSOCK_OP_RST:
		vmsg_vsock_free(conn);
		return;
	case VIRTIO_VSOCK_OP_CREDIT_UPDATE:
		break;
	case VIRTIO_VSOCK_OP_CREDIT_REQUEST:
		vmsg_vsock_want(conn, VIRTIO_VSOCK_OP_CREDIT_UPDATE);
		break;
	default:
		good = false;
	}
	if (!good)
		vmsg_vsock_kill(conn);
	else if (conn->state != VMSG_VSOCK_OPEN || vmsg_vsock_flush(conn))
		vmsg_vsock_pump_soon(conn->vs);
}

/* False: that is no packet. */
static bool vmsg_vsock_packet(struct vmsg_vsock *vs,
			      const struct vmsg_elem *elem)
{
	unsigned int num = elem->out_num;
	struct iovec *iov = elem->out;
	struct vmsg_vsock_conn *conn;
	struct virtio_vsock_hdr hdr;
	uint16_t op;

	if (vmsg_iov_read(iov, num, &hdr, sizeof(hdr)) != sizeof(hdr))
		return false;
	vmsg_iov_cut_front(&iov, &num, sizeof(hdr));
	op = le16toh(hdr.op);
	if (le32toh(hdr.len) > elem->out_len - sizeof(hdr) ||
	    le32toh(hdr.len) > VMSG_VSOCK_PACKET)
		return false;
	/* A guest that does not know its number yet, or pretends. */
	if (le64toh(hdr.src_cid) != vs->cid)
		return true;
	conn = vmsg_vsock_find(vs, le32toh(hdr.src_port),
			       le32toh(hdr.dst_port));
	if (le64toh(hdr.dst_cid) != VMSG_VSOCK_HOST_CID ||
	    le16toh(hdr.type) != VIRTIO_VSOCK_TYPE_STREAM)
		conn = NULL;
	else if (!conn && op == VIRTIO_VSOCK_OP_REQUEST) {
		vmsg_vsock_request(vs, &hdr);
		return true;
	}
	if (conn)
		vmsg_vsock_known(conn, &hdr, iov, num);
	else if (op != VIRTIO_VSOCK_OP_RST)
		vmsg_vsock_say_reset(vs, le64toh(hdr.dst_cid),
				     le32toh(hdr.dst_port),
				     le32toh(hdr.src_port));
	return true;
}

static void vmsg_vsock_take(struct vmsg_vsock *vs, struct vmsg_vq *vq)
{
	struct vmsg_elem *elem;
	unsigned int i;

	for (i = 0; i < VMSG_VSOCK_BUDGET; i++) {
		vs->tx_waits = vs->num_resets >= VMSG_VSOCK_MAX_RESETS;
		elem = vs->tx_waits ? NULL : vmsg_vq_pop(vq);
		if (!elem)
			return;
		if (!vmsg_vsock_packet(vs, elem)) {
			vmsg_vq_broken(vq, "%zu bytes that are no packet",
				       elem->out_len);
			return;
		}
		vmsg_vq_push(vq, elem, 0);
	}
	vs->tx_waits = true;
	vmsg_vsock_pump_soon(vs);
}

/* From the socket to the guest ------------------------------------------- */

static bool vmsg_vsock_room(struct vmsg_vsock *vs)
{
	struct vmsg_vq *vq = vmsg_device_vq(vs->dev, VMSG_VSOCK_RX);

	if (!vs->room)
		vs->room = vmsg_vq_pop(vq);
	if (!vs->room || vs->room->in_len > sizeof(struct virtio_vsock_hdr))
		return vs->room;
	vmsg_vq_broken(vq, "%zu bytes of room for a packet", vs->room->in_len);
	vs->room = NULL;
	return false;
}

static void vmsg_vsock_put(struct vmsg_vsock *vs,
			   const struct virtio_vsock_hdr *hdr, uint32_t len)
{
	struct iovec *iov = vs->room->in;
	unsigned int num = vs->room->in_num;

	vmsg_iov_write(iov, num, hdr, sizeof(*hdr));
	vmsg_iov_cut_front(&iov, &num, sizeof(*hdr));
	vmsg_iov_write(iov, num, vs->data, len);
	vmsg_vq_push(vmsg_device_vq(vs->dev, VMSG_VSOCK_RX), vs->room,
		     sizeof(*hdr) + len);
	vs->room = NULL;
}

static void vmsg_vsock_send(struct vmsg_vsock_conn *conn, uint16_t op,
			    uint32_t len)
{
	struct virtio_vsock_hdr hdr = {
		.src_cid = htole64(VMSG_VSOCK_HOST_CID),
		.dst_cid = htole64(conn->vs->cid),
		.src_port = htole32(conn->host_port),
		.dst_port = htole32(conn->guest_port),
		.len = htole32(len),
		.type = htole16(VIRTIO_VSOCK_TYPE_STREAM),
		.op = htole16(op),
		.buf_alloc = htole32(VMSG_VSOCK_BUF),
		.fwd_cnt = htole32(conn->fwd_cnt),
	};

	if (op == VIRTIO_VSOCK_OP_SHUTDOWN)
		hdr.flags = htole32(conn->host_shut);
	conn->told_fwd = conn->fwd_cnt;
	conn->sent += len;
	/* Each packet tells of the credit. */
	conn->want &= ~(VMSG_BIT(op) | VMSG_BIT(VIRTIO_VSOCK_OP_CREDIT_UPDATE));
	vmsg_vsock_put(conn->vs, &hdr, len);
}

/* A packet of data, if there are any. */
static bool vmsg_vsock_send_data(struct vmsg_vsock_conn *conn)
{
	struct vmsg_vsock *vs = conn->vs;
	size_t len = vs->room->in_len - sizeof(struct virtio_vsock_hdr);
	uint32_t credit = vmsg_vsock_credit(conn);
	ssize_t ret;

	if (!conn->readable)
		return false;
	if (!credit) {
		if (conn->asked)
			return false;
		conn->asked = true;
		vmsg_vsock_send(conn, VIRTIO_VSOCK_OP_CREDIT_REQUEST, 0);
		return true;
	}
	if (len > credit)
		len = credit;
	if (len > sizeof(vs->data))
		len = sizeof(vs->data);
	do {
		ret = recv(conn->watch.fd, vs->data, len, MSG_DONTWAIT);
	} while (ret < 0 && errno == EINTR);
	if (ret > 0) {
		vmsg_vsock_send(conn, VIRTIO_VSOCK_OP_RW, ret);
		return true;
	}
	conn->readable = false;
	if (ret < 0 && errno == EAGAIN)
		return false;
	/* Sent by this side: nothing more. An error is the end of both ways. */
	conn->host_shut |= ret ? VMSG_VSOCK_BOTH : VIRTIO_VSOCK_SHUTDOWN_SEND;
	return false;
}

/* One packet of a connection. */
static bool vmsg_vsock_turn(struct vmsg_vsock_conn *conn)
{
	unsigned int op;

	for (op = VIRTIO_VSOCK_OP_REQUEST;
	     op <= VIRTIO_VSOCK_OP_CREDIT_REQUEST; op++) {
		if (!(conn->want & VMSG_BIT(op)))
			continue;
		vmsg_vsock_send(conn, op, 0);
		return true;
	}
	if (conn->state != VMSG_VSOCK_OPEN)
		return false;
	if (vmsg_vsock_send_data(conn))
		return true;
	if (conn->host_shut == conn->told_shut)
		return false;
	conn->told_shut = conn->host_shut;
	vmsg_vsock_send(conn, VIRTIO_VSOCK_OP_SHUTDOWN, 0);
	/* From here on it is the guest that has to agree. */
	if (conn->told_shut == VMSG_VSOCK_BOTH)
		vmsg_vsock_hang_up(conn);
	return true;
}

static void vmsg_vsock_send_resets(struct vmsg_vsock *vs)
{
	unsigned int done = 0;

	while (done < vs->num_resets && vmsg_vsock_room(vs))
		vmsg_vsock_put(vs, &vs->resets[done++], 0);
	vs->num_resets -= done;
	memmove(vs->resets, vs->resets + done,
		vs->num_resets * sizeof(vs->resets[0]));
}

static void vmsg_vsock_send_event(struct vmsg_vsock *vs)
{
	const struct virtio_vsock_event event = {
		.id = htole32(VIRTIO_VSOCK_EVENT_TRANSPORT_RESET),
	};
	struct vmsg_vq *vq = vmsg_device_vq(vs->dev, VMSG_VSOCK_EVENT);
	struct vmsg_elem *elem;

	elem = vs->event_waits ? vmsg_vq_pop(vq) : NULL;
	if (!elem)
		return;
	vs->event_waits = false;
	vmsg_vq_push(vq, elem, vmsg_iov_write(elem->in, elem->in_num, &event,
					      sizeof(event)));
	vmsg_vq_notify(vq);
}

static void vmsg_vsock_accept(struct vmsg_vsock *vs);

static void vmsg_vsock_pump(void *arg)
{
	struct vmsg_vsock *vs = arg;
	struct vmsg_vq *rx = vmsg_device_vq(vs->dev, VMSG_VSOCK_RX);
	struct vmsg_vq *tx = vmsg_device_vq(vs->dev, VMSG_VSOCK_TX);
	unsigned int budget = VMSG_VSOCK_BUDGET;
	struct vmsg_vsock_conn *conn;
	bool again;

	if (vs->accept_more)
		vmsg_vsock_accept(vs);
	vmsg_vsock_send_resets(vs);
	do {
		again = false;
		for (conn = vs->conns; conn && vmsg_vsock_room(vs);
		     conn = conn->next)
			again |= vmsg_vsock_turn(conn);
	} while (again && --budget && vmsg_vsock_room(vs));
	if (!budget)
		vmsg_vsock_pump_soon(vs);
	vmsg_vq_notify(rx);
	if (!vs->tx_waits || vs->num_resets)
		return;
	vmsg_vsock_take(vs, tx);
	vmsg_vq_notify(tx);
}

/* Programs that want to reach the guest ---------------------------------- */

static uint32_t vmsg_vsock_free_port(struct vmsg_vsock *vs, uint32_t guest_port)
{
	uint32_t port;

	do {
		port = VMSG_VSOCK_FIRST_PORT |
		       (vs->next_port++ & (VMSG_VSOCK_FIRST_PORT - 1));
	} while (vmsg_vsock_find(vs, guest_port, port));
	return port;
}

/* "CONNECT 1234": its number, or -1. */
static int64_t vmsg_vsock_greeting(char *line)
{
	static const char word[] = "CONNECT ";
	const size_t len = sizeof(word) - 1;
	unsigned long long port;
	char *end;

	if (strncasecmp(line, word, len) ||
	    !isdigit((unsigned char)line[len]))
		return -1;
	errno = 0;
	port = strtoull(line + len, &end, 10);
	return errno || *end || port > UINT32_MAX ? -1 : (int64_t)port;
}

static void vmsg_vsock_greet_event(void *arg, uint32_t events)
{
	struct vmsg_vsock_conn *conn = arg;
	char line[VMSG_VSOCK_LINE + 1];
	ssize_t len;
	int64_t port;
	char *end;

	(void)events;
	/* What follows the line are data, and stay in the socket. */
	len = recv(conn->watch.fd, line, VMSG_VSOCK_LINE,
		   MSG_PEEK | MSG_DONTWAIT);
	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (len <= 0) {
		vmsg_vsock_free(conn);
		return;
	}
	line[len] = '\0';
	end = strchr(line, '\n');
	if (!end) {
		/* A line that long is none, and a NUL is in none. */
		if (len == VMSG_VSOCK_LINE || strlen(line) < (size_t)len ||
		    events & (EPOLLHUP | EPOLLRDHUP))
			vmsg_vsock_free(conn);
		return;
	}
	if (recv(conn->watch.fd, line, end + 1 - line, 0) != end + 1 - line) {
		vmsg_vsock_free(conn);
		return;
	}
	*end = '\0';
	port = vmsg_vsock_greeting(line);
	if (port < 0) {
		vmsg_vsock_free(conn);
		return;
	}
	conn->host_port = vmsg_vsock_free_port(conn->vs, port);
	conn->guest_port = port;
	conn->state = VMSG_VSOCK_REQUESTED;
	conn->watch.fn = vmsg_vsock_conn_event;
	conn->readable = true;
	conn->writable = true;
	vmsg_vsock_want(conn, VIRTIO_VSOCK_OP_REQUEST);
}

static void vmsg_vsock_accept(struct vmsg_vsock *vs)
{
	int fd;

	for (;;) {
		vs->accept_more = vs->num_conns >= VMSG_VSOCK_MAX_CONNS;
		if (vs->accept_more)
			return;
		fd = accept4(vs->listener.fd, NULL, NULL,
			     SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0 && errno != ECONNABORTED && errno != EINTR) {
			/* The others keep waiting until a connection ends. */
			vs->accept_more = errno != EAGAIN;
			return;
		}
		if (fd < 0)
			continue;
		/* Nobody is there to answer. */
		if (!(vmsg_device_status(vs->dev) & VIRTIO_CONFIG_S_DRIVER_OK))
			close(fd);
		else
			vmsg_vsock_new(vs, fd, VMSG_VSOCK_GREETING,
				       vmsg_vsock_greet_event);
	}
}

static void vmsg_vsock_listener_event(void *arg, uint32_t events)
{
	(void)events;
	vmsg_vsock_accept(arg);
}

static int vmsg_vsock_listen(struct vmsg_vsock *vs, const char *path)
{
	const struct sockaddr *addr = (struct sockaddr *)&vs->addr;
	struct stat old;

	if (strlen(path) + VMSG_VSOCK_SUFFIX > sizeof(vs->addr.sun_path))
		return -ENAMETOOLONG;
	vs->addr.sun_family = AF_UNIX;
	memcpy(vs->addr.sun_path, path, strlen(path));
	vs->listener.fn = vmsg_vsock_listener_event;
	vs->listener.arg = vs;
	vs->listener.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC |
				 SOCK_NONBLOCK, 0);
	if (vs->listener.fd < 0)
		return -errno;
	/* One that nobody listens to was left by a program that was killed. */
	if (!connect(vs->listener.fd, addr, sizeof(vs->addr)))
		return -EADDRINUSE;
	if (errno == ECONNREFUSED && !lstat(path, &old) &&
	    S_ISSOCK(old.st_mode))
		unlink(path);
	if (bind(vs->listener.fd, addr, sizeof(vs->addr)))
		return -errno;
	if (listen(vs->listener.fd, VMSG_VSOCK_MAX_CONNS) ||
	    lstat(path, &vs->file))
		return -errno;
	return vmsg_loop_watch(vs->loop, &vs->listener, EPOLLIN | EPOLLET);
}

static void vmsg_vsock_delete(struct vmsg_vsock *vs)
{
	struct stat file;

	vmsg_vsock_free_all(vs);
	/* It may have been replaced by somebody else's. */
	if (vs->file.st_ino && !lstat(vs->addr.sun_path, &file) &&
	    file.st_ino == vs->file.st_ino && file.st_dev == vs->file.st_dev)
		unlink(vs->addr.sun_path);
	if (vs->listener.fd >= 0) {
		vmsg_loop_unwatch(vs->loop, &vs->listener);
		close(vs->listener.fd);
	}
	free(vs);
}

/* The device ------------------------------------------------------------- */

static void vmsg_vsock_queue(struct vmsg_device *dev, struct vmsg_vq *vq)
{
	struct vmsg_vsock *vs = vmsg_device_priv(dev);

	switch (vmsg_vq_index(vq)) {
	case VMSG_VSOCK_TX:
		vmsg_vsock_take(vs, vq);
		break;
	case VMSG_VSOCK_EVENT:
		vmsg_vsock_send_event(vs);
		break;
	default:
		vmsg_vsock_pump_soon(vs);
	}
}

static void vmsg_vsock_config_read(struct vmsg_device *dev, uint32_t offset,
				   void *buf, uint32_t len)
{
	struct vmsg_vsock *vs = vmsg_device_priv(dev);
	struct virtio_vsock_config config = { .guest_cid = htole64(vs->cid) };

	memcpy(buf, (const char *)&config + offset, len);
}

static int vmsg_vsock_queue_reset(struct vmsg_device *dev, struct vmsg_vq *vq)
{
	struct vmsg_vsock *vs = vmsg_device_priv(dev);

	if (vmsg_vq_index(vq) == VMSG_VSOCK_RX)
		vs->room = NULL;
	return 0;
}

static int vmsg_vsock_reset(struct vmsg_device *dev)
{
	struct vmsg_vsock *vs = vmsg_device_priv(dev);

	vs->room = NULL;
	vs->tx_waits = false;
	vs->event_waits = false;
	vmsg_vsock_free_all(vs);
	return 0;
}

static void vmsg_vsock_release(struct vmsg_device *dev)
{
	vmsg_vsock_delete(vmsg_device_priv(dev));
}

static const struct vmsg_device_ops vmsg_vsock_ops = {
	.queue = vmsg_vsock_queue,
	.config_read = vmsg_vsock_config_read,
	.reset = vmsg_vsock_reset,
	.queue_reset = vmsg_vsock_queue_reset,
	.release = vmsg_vsock_release,
};

/* 0 to 2 are the hypervisor, this system and the host; all ones is "any". */
static bool vmsg_vsock_good_cid(uint64_t cid)
{
	return cid > VMSG_VSOCK_HOST_CID && cid < UINT32_MAX;
}

/**
 * vmsg_vsock_add() - put a socket device onto a bus
 * @bus: the bus
 * @num: device number, or VMSG_ANY_NUM
 * @params: what it is like
 *
 * Return: the device, or NULL with errno set; what went wrong has been said.
 */
struct vmsg_device *vmsg_vsock_add(struct vmsg_bus *bus, uint32_t num,
				   const struct vmsg_vsock_params *params)
{
	static const uint16_t sizes[VMSG_VSOCK_QUEUES] = {
		VMSG_VSOCK_QUEUE_SIZE, VMSG_VSOCK_QUEUE_SIZE, 8,
	};
	struct vmsg_device_desc desc = {
		.name = "vsock",
		.ops = &vmsg_vsock_ops,
		.device_id = VIRTIO_ID_VSOCK,
		.features[0] = VMSG_BIT(VIRTIO_VSOCK_F_STREAM),
		.config_size = sizeof(struct virtio_vsock_config),
		.num_queues = VMSG_VSOCK_QUEUES,
		.queue_sizes = sizes,
	};
	struct vmsg_vsock *vs;
	int ret;

	if (!vmsg_vsock_good_cid(params->cid)) {
		vmsg_warn("vsock: %llu cannot be the guest's number; choose one from 3 to 4294967294",
			  (unsigned long long)params->cid);
		errno = EINVAL;
		return NULL;
	}
	vs = calloc(1, sizeof(*vs));
	if (!vs)
		return NULL;
	vs->loop = vmsg_bus_loop(bus);
	vs->cid = params->cid;
	vs->work.fn = vmsg_vsock_pump;
	vs->work.arg = vs;
	vs->listener.fd = -1;
	ret = vmsg_vsock_listen(vs, params->path);
	if (ret) {
		vmsg_warn("vsock %s: cannot listen there: %s; name a path that is free, in a folder that is there, of at most %zu bytes",
			  params->path, strerror(-ret),
			  sizeof(vs->addr.sun_path) - VMSG_VSOCK_SUFFIX);
		goto err;
	}
	memcpy(desc.uuid, params->uuid, sizeof(desc.uuid));
	desc.priv = vs;
	vs->dev = vmsg_device_add(bus, num, &desc);
	if (vs->dev)
		return vs->dev;
	ret = -errno;
	vmsg_warn("vsock %s: cannot be device %lld: %s; choose another number",
		  params->path, num == VMSG_ANY_NUM ? -1LL : (long long)num,
		  strerror(-ret));
err:
	vmsg_vsock_delete(vs);
	errno = -ret;
	return NULL;
}

static int vmsg_vsock_set(void *params, const char *key, const char *value)
{
	struct vmsg_vsock_params *vsock = params;

	if (!strcmp(key, "socket")) {
		vsock->path = value;
		return *value ? 0 : -EINVAL;
	}
	if (!strcmp(key, "cid"))
		return vmsg_number(value, UINT32_MAX, &vsock->cid);
	return -ENOENT;
}

static struct vmsg_device *vmsg_vsock_make(struct vmsg_bus *bus, uint32_t num,
					   const uint8_t uuid[16],
					   void *params)
{
	struct vmsg_vsock_params *vsock = params;

	if (!vsock->path) {
		vmsg_warn("vsock: there is no socket; say socket=PATH");
		errno = EINVAL;
		return NULL;
	}
	if (!vsock->cid)
		vsock->cid = VMSG_VSOCK_HOST_CID + 1;
	memcpy(vsock->uuid, uuid, sizeof(vsock->uuid));
	return vmsg_vsock_add(bus, num, vsock);
}

/* transport-reset [CID]: as after a migration */
static int vmsg_vsock_command(struct vmsg_device *dev, const char *word,
			      char *args)
{
	struct vmsg_vsock *vs = vmsg_device_priv(dev);
	uint64_t cid = vs->cid;
	const char *text;
	char *state;
	int ret = 0;

	if (strcmp(word, "transport-reset"))
		return -ENOENT;
	text = strtok_r(args, " \t", &state);
	if (text)
		ret = vmsg_number(text, UINT32_MAX, &cid);
	if (ret)
		return ret;
	if (!vmsg_vsock_good_cid(cid))
		return -EINVAL;
	vs->cid = cid;
	vmsg_vsock_free_all(vs);
	/* Whoever reads the number because of the event gets the new one. */
	vmsg_device_config_changed(dev, 0, sizeof(vs->cid), VMSG_CONFIG_DATA);
	vs->event_waits = true;
	vmsg_vsock_send_event(vs);
	/* What the guest has sent meanwhile is not for the new state. */
	vmsg_vsock_pump_soon(vs);
	return 0;
}

const struct vmsg_model vmsg_vsock_model = {
	.name = "vsock",
	.help =
"  --vsock socket=PATH[,KEY=VALUE]...   stream sockets to UNIX sockets\n"
"      socket=PATH      its port P is connected to PATH_P; programs connect\n"
"                       to PATH and write \"CONNECT P\" to reach the guest\n"
"      cid=N            the guest's context ID (3)\n",
	.ops = &vmsg_vsock_ops,
	.params_size = sizeof(struct vmsg_vsock_params),
	.set = vmsg_vsock_set,
	.add = vmsg_vsock_make,
	.command = vmsg_vsock_command,
};
