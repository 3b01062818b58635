// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * The connection to a vhost-user back end.
 *
 * The back end is not trusted more than a driver is: an answer has to be the
 * one that was asked for, in its size, and in time. Otherwise the connection is
 * given up: nothing more is said, and what comes is thrown away. But only its
 * end, which is the back end's to make, says that the memory is not used any
 * more, so that is waited for; our half is shut down to let it know.
 *
 * All that is asked together, from vhost_conn_begin() on, has one deadline: the
 * kernel waits for us meanwhile.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"
#include "vhost_conn.h"

/* Messages in a row before others get their turn. */
#define VHOST_BATCH	16

static const char * const vhost_names[] = {
	[VHOST_GET_FEATURES] = "GET_FEATURES",
	[VHOST_SET_FEATURES] = "SET_FEATURES",
	[VHOST_SET_OWNER] = "SET_OWNER",
	[VHOST_SET_MEM_TABLE] = "SET_MEM_TABLE",
	[VHOST_SET_VRING_NUM] = "SET_VRING_NUM",
	[VHOST_SET_VRING_ADDR] = "SET_VRING_ADDR",
	[VHOST_SET_VRING_BASE] = "SET_VRING_BASE",
	[VHOST_GET_VRING_BASE] = "GET_VRING_BASE",
	[VHOST_SET_VRING_KICK] = "SET_VRING_KICK",
	[VHOST_SET_VRING_CALL] = "SET_VRING_CALL",
	[VHOST_GET_PROTOCOL_FEATURES] = "GET_PROTOCOL_FEATURES",
	[VHOST_SET_PROTOCOL_FEATURES] = "SET_PROTOCOL_FEATURES",
	[VHOST_GET_QUEUE_NUM] = "GET_QUEUE_NUM",
	[VHOST_SET_VRING_ENABLE] = "SET_VRING_ENABLE",
	[VHOST_SET_BACKEND_REQ_FD] = "SET_BACKEND_REQ_FD",
	[VHOST_GET_CONFIG] = "GET_CONFIG",
	[VHOST_SET_CONFIG] = "SET_CONFIG",
	[VHOST_GET_INFLIGHT_FD] = "GET_INFLIGHT_FD",
	[VHOST_SET_INFLIGHT_FD] = "SET_INFLIGHT_FD",
	[VHOST_RESET_DEVICE] = "RESET_DEVICE",
	[VHOST_SET_STATUS] = "SET_STATUS",
	[VHOST_GET_STATUS] = "GET_STATUS",
};

static const char *vhost_name(uint32_t request)
{
	if (request < ARRAY_SIZE(vhost_names) && vhost_names[request])
		return vhost_names[request];
	return "an unknown message";
}

static int64_t vhost_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/**
 * vhost_conn_begin() - what is asked from here on belongs together
 * @conn: the connection
 */
void vhost_conn_begin(struct vhost_conn *conn)
{
	conn->deadline = vhost_now_ms() + conn->wait_ms;
}

/**
 * vhost_conn_up() - can the back end be asked something?
 * @conn: the connection
 *
 * Return: true if so.
 */
bool vhost_conn_up(const struct vhost_conn *conn)
{
	return conn->watch.fd >= 0 && !conn->given_up;
}

/**
 * vhost_conn_give_up() - the back end makes no sense
 * @conn: the connection
 * @fmt: why, to follow on "PATH: the back end "
 *
 * Return: -EIO.
 */
int vhost_conn_give_up(struct vhost_conn *conn, const char *fmt, ...)
{
	char text[160];
	va_list args;

	if (conn->given_up || conn->watch.fd < 0)
		return -EIO;
	conn->given_up = true;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	vmsg_warn("%s: the back end %s; its connection is given up, restart it",
		  conn->path, text);
	shutdown(conn->watch.fd, SHUT_WR);
	return -EIO;
}

static void vhost_rx_clear(struct vhost_rx *rx)
{
	if (rx->fd >= 0)
		close(rx->fd);
	rx->fd = -1;
	rx->have = 0;
}

/* Takes the first file that came, and closes the others. */
static void vhost_rx_files(struct vhost_rx *rx, struct msghdr *hdr)
{
	struct cmsghdr *cmsg;
	size_t i, num;
	int fd;

	for (cmsg = CMSG_FIRSTHDR(hdr); cmsg; cmsg = CMSG_NXTHDR(hdr, cmsg)) {
		if (cmsg->cmsg_level != SOL_SOCKET ||
		    cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		num = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(fd);
		for (i = 0; i < num; i++) {
			memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof(fd),
			       sizeof(fd));
			if (rx->fd < 0)
				rx->fd = fd;
			else
				close(fd);
		}
	}
}

/* Bytes that @len bytes of a message lack; SIZE_MAX = it is too long. */
static size_t vhost_rx_wants(const struct vhost_rx *rx)
{
	const struct vhost_header *head = &rx->msg.head;

	if (rx->have < sizeof(*head))
		return sizeof(*head) - rx->have;
	if (head->size > sizeof(rx->msg.body))
		return SIZE_MAX;
	return sizeof(*head) + head->size - rx->have;
}

/*
 * Go on with receiving a message. Returns 1 when it is complete, 0 when nothing
 * more is there now, and -EPIPE, -EMSGSIZE or another error at the end.
 */
static int vhost_rx_more(struct vhost_rx *rx, int sock)
{
	char control[CMSG_SPACE(8 * sizeof(int))]
		VMSG_ATTRIBUTE(__aligned__(8));
	struct msghdr hdr;
	struct iovec iov;
	size_t wants;
	ssize_t ret;

	while ((wants = vhost_rx_wants(rx))) {
		if (wants == SIZE_MAX)
			return -EMSGSIZE;
		/* There is a gap behind the header. */
		iov.iov_base = rx->have < sizeof(rx->msg.head) ?
			       (char *)&rx->msg.head + rx->have :
			       (char *)&rx->msg.body + rx->have -
			       sizeof(rx->msg.head);
		iov.iov_len = wants;
		memset(&hdr, 0, sizeof(hdr));
		hdr.msg_iov = &iov;
		hdr.msg_iovlen = 1;
		hdr.msg_control = control;
		hdr.msg_controllen = sizeof(control);
		ret = recvmsg(sock, &hdr, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		if (ret < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -errno;
		vhost_rx_files(rx, &hdr);
		if (!ret)
			return -EPIPE;
		rx->have += ret;
	}
	return 1;
}

/* Send all of a message before the deadline; the file goes with its begin. */
static int vhost_send(int sock, int64_t deadline, struct vhost_header *head,
		      const void *body, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] VMSG_ATTRIBUTE(__aligned__(8));
	struct iovec iov[2] = {
		{ head, sizeof(*head) },
		{ (void *)(uintptr_t)body, head->size },
	}, *at = iov;
	struct msghdr hdr = { 0 };
	struct pollfd wait = { .fd = sock, .events = POLLOUT };
	struct cmsghdr *cmsg;
	unsigned int num = 2;
	int64_t left;
	ssize_t ret;

	while (num && (at[0].iov_len || num > 1)) {
		memset(&hdr, 0, sizeof(hdr));
		hdr.msg_iov = at;
		hdr.msg_iovlen = num;
		if (fd >= 0) {
			memset(control, 0, sizeof(control));
			hdr.msg_control = control;
			hdr.msg_controllen = sizeof(control);
			cmsg = CMSG_FIRSTHDR(&hdr);
			cmsg->cmsg_level = SOL_SOCKET;
			cmsg->cmsg_type = SCM_RIGHTS;
			cmsg->cmsg_len = CMSG_LEN(sizeof(int));
			memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
		}
		ret = sendmsg(sock, &hdr, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (ret >= 0) {
			fd = -1;
			vmsg_iov_cut_front(&at, &num, ret);
			continue;
		}
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		left = deadline - vhost_now_ms();
		if (left <= 0)
			return -ETIMEDOUT;
		poll(&wait, 1, left);
	}
	return 0;
}

static int vhost_conn_send(struct vhost_conn *conn, uint32_t request,
			   uint32_t flags, const void *body, uint32_t len,
			   int fd)
{
	struct vhost_header head = {
		.request = request,
		.flags = VHOST_VERSION | flags,
		.size = len,
	};
	int ret;

	if (!vhost_conn_up(conn))
		return -EIO;
	ret = vhost_send(conn->watch.fd, conn->deadline, &head, body, fd);
	if (ret == -ETIMEDOUT)
		return vhost_conn_give_up(conn, "has not taken %s within %u ms",
					  vhost_name(request), conn->wait_ms);
	/* What else can be is the end, which the loop will see. */
	return ret;
}

/* Requests of the back end; most of them are for features that nobody has. */
static void vhost_channel(void *arg, uint32_t events)
{
	struct vhost_conn *conn = arg;
	struct vhost_rx *rx = &conn->channel_rx;
	struct vhost_header head;
	uint64_t answer;
	int ret = 0, i;

	(void)events;
	for (i = 0; i < VHOST_BATCH; i++) {
		ret = vhost_rx_more(rx, conn->channel.fd);
		if (ret <= 0)
			break;
		head = rx->msg.head;
		vhost_rx_clear(rx);
		answer = head.request != VHOST_BACKEND_CONFIG_CHANGE;
		if (!answer)
			vmsg_loop_defer(conn->loop, &conn->changed);
		if (!(head.flags & VHOST_NEED_REPLY))
			continue;
		head.flags = VHOST_VERSION | VHOST_REPLY;
		head.size = sizeof(answer);
		/* Who does not take the answers does not get them. */
		ret = vhost_send(conn->channel.fd, 0, &head, &answer, -1);
		if (ret)
			break;
	}
	if (ret >= 0)
		return;
	if (ret == -EMSGSIZE)
		vmsg_warn("%s: the back end sends nonsense on its own channel, which is closed; it goes on without",
			  conn->path);
	vmsg_loop_unwatch(conn->loop, &conn->channel);
	close(conn->channel.fd);
	conn->channel.fd = -1;
	vhost_rx_clear(rx);
}

static void vhost_config_changed(void *arg)
{
	struct vhost_conn *conn = arg;

	if (vhost_conn_up(conn))
		conn->ops->config_changed(conn->arg);
}

/* Is this an answer, to a question that we ask? */
static int vhost_conn_check(struct vhost_conn *conn, uint32_t request)
{
	const struct vhost_header *head = &conn->rx.msg.head;

	if ((head->flags & VHOST_VERSION_MASK) != VHOST_VERSION ||
	    !(head->flags & VHOST_REPLY))
		return vhost_conn_give_up(conn, "has sent no answer, but flags %#x",
					  head->flags);
	if (head->request != request)
		return vhost_conn_give_up(conn, "has answered %s (%u) in place of %s",
					  vhost_name(head->request),
					  head->request, vhost_name(request));
	return 0;
}

/* The answer to a GET_VRING_BASE has arrived. */
static int vhost_conn_stopped(struct vhost_conn *conn)
{
	struct vhost_state state = conn->rx.msg.body.state;
	uint32_t size = conn->rx.msg.head.size;
	int ret = vhost_conn_check(conn, VHOST_GET_VRING_BASE);

	vhost_rx_clear(&conn->rx);
	if (ret)
		return ret;
	if (size != sizeof(state))
		return vhost_conn_give_up(conn, "has answered GET_VRING_BASE with %u bytes",
					  size);
	conn->stopping--;
	conn->ops->stopped(conn->arg, state.index);
	return 0;
}

static void vhost_conn_lost(struct vhost_conn *conn)
{
	vhost_conn_close(conn);
	conn->ops->lost(conn->arg);
}

static void vhost_conn_event(void *arg, uint32_t events)
{
	struct vhost_conn *conn = arg;
	char waste[512];
	ssize_t got;
	int ret, i;

	(void)events;
	for (i = 0; i < VHOST_BATCH; i++) {
		if (conn->given_up) {
			got = recv(conn->watch.fd, waste, sizeof(waste),
				   MSG_DONTWAIT);
			if (got > 0)
				continue;
			ret = !got ? -EPIPE : -errno;
			if (ret == -EAGAIN || ret == -EINTR)
				return;
			break;
		}
		ret = vhost_rx_more(&conn->rx, conn->watch.fd);
		if (!ret)
			return;
		if (ret == -EMSGSIZE)
			vhost_conn_give_up(conn, "has sent a message of %u bytes",
					   conn->rx.msg.head.size);
		else if (ret < 0)
			break;
		else if (conn->stopping)
			vhost_conn_stopped(conn);
		else
			vhost_conn_give_up(conn, "has sent %s (%u), which nobody has asked for",
					   vhost_name(conn->rx.msg.head.request),
					   conn->rx.msg.head.request);
		/* A callback may have closed it. */
		if (conn->watch.fd < 0)
			return;
	}
	if (i < VHOST_BATCH)
		vhost_conn_lost(conn);
}

/* Wait for the answer to the question asked last, and see to what else comes. */
static int vhost_conn_wait(struct vhost_conn *conn, uint32_t request)
{
	struct pollfd wait[2] = {
		{ .fd = conn->watch.fd, .events = POLLIN },
		{ .events = POLLIN },
	};
	int64_t left;
	int ret;

	while (vhost_conn_up(conn)) {
		ret = vhost_rx_more(&conn->rx, conn->watch.fd);
		if (ret == -EMSGSIZE)
			return vhost_conn_give_up(conn, "has answered %s with %u bytes",
						  vhost_name(request),
						  conn->rx.msg.head.size);
		/* The end is seen by the loop too. */
		if (ret < 0)
			return ret;
		if (ret && !conn->stopping)
			return vhost_conn_check(conn, request);
		if (ret) {
			vhost_conn_stopped(conn);
			continue;
		}
		left = conn->deadline - vhost_now_ms();
		if (left <= 0)
			return vhost_conn_give_up(conn, "has not answered %s within %u ms",
						  vhost_name(request),
						  conn->wait_ms);
		/* It may want something before it answers. */
		wait[1].fd = conn->channel.fd;
		wait[1].revents = 0;
		poll(wait, 2, left);
		if (wait[1].revents)
			vhost_channel(conn, 0);
	}
	return -EIO;
}

/**
 * vhost_conn_set() - tell the back end something, without an answer
 * @conn: the connection
 * @request: which message
 * @body: its contents
 * @len: bytes of them
 * @fd: a file to go with it, or -1
 *
 * Return: 0, or a negative errno value.
 */
int vhost_conn_set(struct vhost_conn *conn, uint32_t request, const void *body,
		   uint32_t len, int fd)
{
	return vhost_conn_send(conn, request, 0, body, len, fd);
}

/**
 * vhost_conn_set_number() - the same with a number as contents
 * @conn: the connection
 * @request: which message
 * @number: its contents
 * @fd: a file to go with it, or -1
 *
 * Return: 0, or a negative errno value.
 */
int vhost_conn_set_number(struct vhost_conn *conn, uint32_t request,
			  uint64_t number, int fd)
{
	return vhost_conn_set(conn, request, &number, sizeof(number), fd);
}

/**
 * vhost_conn_set_acked() - tell the back end something, and hear if it is fine
 * @conn: the connection
 * @request: which message
 * @body: its contents
 * @len: bytes of them
 * @fd: a file to go with it, or -1
 *
 * A back end that cannot say so is believed.
 *
 * Return: 0, -EINVAL if the back end refuses, or another negative errno value.
 */
int vhost_conn_set_acked(struct vhost_conn *conn, uint32_t request,
			 const void *body, uint32_t len, int fd)
{
	uint64_t verdict;
	uint32_t size;
	int ret;

	ret = vhost_conn_send(conn, request, conn->acks ? VHOST_NEED_REPLY : 0,
			      body, len, fd);
	if (ret || !conn->acks)
		return ret;
	ret = vhost_conn_wait(conn, request);
	if (ret)
		return ret;
	verdict = conn->rx.msg.body.number;
	size = conn->rx.msg.head.size;
	vhost_rx_clear(&conn->rx);
	if (size != sizeof(verdict))
		return vhost_conn_give_up(conn, "has answered %s with %u bytes",
					  vhost_name(request), size);
	if (!verdict)
		return 0;
	vmsg_warn("%s: the back end refuses %s with error %#llx; what it has printed may say why",
		  conn->path, vhost_name(request),
		  (unsigned long long)verdict);
	return -EINVAL;
}

/**
 * vhost_conn_ask() - ask the back end something
 * @conn: the connection
 * @request: which message
 * @body: its contents
 * @len: bytes of them
 * @answer: its answer, of any size; the caller closes the file unless it is -1
 *
 * Return: 0, or a negative errno value.
 */
int vhost_conn_ask(struct vhost_conn *conn, uint32_t request, const void *body,
		   uint32_t len, struct vhost_rx *answer)
{
	int ret = vhost_conn_send(conn, request, 0, body, len, -1);

	if (!ret)
		ret = vhost_conn_wait(conn, request);
	if (ret)
		return ret;
	*answer = conn->rx;
	conn->rx.fd = -1;
	vhost_rx_clear(&conn->rx);
	return 0;
}

/**
 * vhost_conn_get_number() - ask the back end for a number
 * @conn: the connection
 * @request: which message
 * @number: the answer
 *
 * Return: 0, or a negative errno value.
 */
int vhost_conn_get_number(struct vhost_conn *conn, uint32_t request,
			  uint64_t *number)
{
	struct vhost_rx answer;
	int ret;

	ret = vhost_conn_ask(conn, request, NULL, 0, &answer);
	if (ret)
		return ret;
	vhost_rx_clear(&answer);
	if (answer.msg.head.size != sizeof(*number))
		return vhost_conn_give_up(conn, "has answered %s with %u bytes",
					  vhost_name(request),
					  answer.msg.head.size);
	*number = answer.msg.body.number;
	return 0;
}

/**
 * vhost_conn_stop() - have a queue stopped; its owner hears when that is done
 * @conn: the connection
 * @index: which queue
 *
 * Return: 0, or a negative errno value.
 */
int vhost_conn_stop(struct vhost_conn *conn, uint32_t index)
{
	struct vhost_state state = { .index = index };
	int ret;

	ret = vhost_conn_set(conn, VHOST_GET_VRING_BASE, &state, sizeof(state),
			     -1);
	if (!ret)
		conn->stopping++;
	return ret;
}

/**
 * vhost_conn_channel() - let the back end have a channel of its own
 * @conn: the connection
 *
 * Return: 0, or a negative errno value.
 */
int vhost_conn_channel(struct vhost_conn *conn)
{
	int pair[2], ret;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return -errno;
	ret = vhost_conn_set_acked(conn, VHOST_SET_BACKEND_REQ_FD, NULL, 0,
				   pair[1]);
	close(pair[1]);
	if (ret) {
		close(pair[0]);
		return ret;
	}
	conn->channel.fd = pair[0];
	return vmsg_loop_watch(conn->loop, &conn->channel, EPOLLIN);
}

/**
 * vhost_conn_open() - connect
 * @conn: the connection; after its first use it has to have been closed
 *
 * Return: 0, or a negative errno value.
 */
int vhost_conn_open(struct vhost_conn *conn)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int sock, ret;

	conn->watch.fd = -1;
	conn->watch.fn = vhost_conn_event;
	conn->watch.arg = conn;
	conn->channel.fd = -1;
	conn->channel.fn = vhost_channel;
	conn->channel.arg = conn;
	conn->changed.fn = vhost_config_changed;
	conn->changed.arg = conn;
	conn->rx.fd = -1;
	conn->channel_rx.fd = -1;
	vhost_rx_clear(&conn->rx);
	vhost_rx_clear(&conn->channel_rx);
	conn->stopping = 0;
	conn->acks = false;
	conn->given_up = false;
	if (strlen(conn->path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(addr.sun_path, conn->path, strlen(conn->path) + 1);
	sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (sock < 0)
		return -errno;
	conn->watch.fd = sock;
	ret = connect(sock, (struct sockaddr *)&addr, sizeof(addr)) ?
	      -errno : vmsg_loop_watch(conn->loop, &conn->watch, EPOLLIN);
	if (ret) {
		close(sock);
		conn->watch.fd = -1;
	}
	return ret;
}

/**
 * vhost_conn_close() - disconnect
 * @conn: the connection
 */
void vhost_conn_close(struct vhost_conn *conn)
{
	if (conn->watch.fd < 0)
		return;
	vmsg_loop_cancel(conn->loop, &conn->changed);
	vmsg_loop_unwatch(conn->loop, &conn->watch);
	close(conn->watch.fd);
	conn->watch.fd = -1;
	if (conn->channel.fd >= 0) {
		vmsg_loop_unwatch(conn->loop, &conn->channel);
		close(conn->channel.fd);
		conn->channel.fd = -1;
	}
	vhost_rx_clear(&conn->rx);
	vhost_rx_clear(&conn->channel_rx);
	conn->stopping = 0;
}
