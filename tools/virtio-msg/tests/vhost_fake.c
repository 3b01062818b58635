// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * libvmsg tests: a small vhost-user back end in a thread. Written from the
 * protocol's text, with nothing of the library but its numbers.
 */
#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <linux/virtio_ring.h>

#include "vhost_fake.h"
#include "vmsg.h"

#define NOTES	0x6e6f7465736e6f74ULL

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void disconnect(struct fake *f)
{
	unsigned int i;

	for (i = 0; i < FAKE_QUEUES; i++) {
		close_fd(&f->queues[i].kick);
		close_fd(&f->queues[i].call);
		f->queues[i].enabled = false;
	}
	if (f->mem)
		munmap(f->mem, f->memory.size);
	f->mem = NULL;
	close_fd(&f->channel);
	close_fd(&f->sock);
}

static void be_gone(struct fake *f)
{
	disconnect(f);
	close_fd(&f->listener);
	unlink(f->path);
}

static void listen_again(struct fake *f)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	close_fd(&f->listener);
	unlink(f->path);
	strcpy(addr.sun_path, f->path);
	f->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(f->listener, (struct sockaddr *)&addr, sizeof(addr)) ||
	    listen(f->listener, 1))
		abort();
}

/* Messages ---------------------------------------------------------------- */

static bool get(int sock, void *buf, size_t len, int *fd)
{
	char control[CMSG_SPACE(sizeof(int))] VMSG_ATTRIBUTE(__aligned__(8));
	struct iovec iov;
	struct msghdr hdr;
	struct cmsghdr *cmsg;
	ssize_t ret;

	while (len) {
		memset(&hdr, 0, sizeof(hdr));
		iov.iov_base = buf;
		iov.iov_len = len;
		hdr.msg_iov = &iov;
		hdr.msg_iovlen = 1;
		hdr.msg_control = control;
		hdr.msg_controllen = sizeof(control);
		ret = recvmsg(sock, &hdr, MSG_CMSG_CLOEXEC);
		if (ret <= 0)
			return false;
		cmsg = CMSG_FIRSTHDR(&hdr);
		if (cmsg)
			memcpy(fd, CMSG_DATA(cmsg), sizeof(*fd));
		buf = (char *)buf + ret;
		len -= ret;
	}
	return true;
}

static void put(int sock, const void *buf, size_t len, const int *fds,
		unsigned int num)
{
	char control[CMSG_SPACE(4 * sizeof(int))] VMSG_ATTRIBUTE(__aligned__(8));
	struct iovec iov = { (void *)(uintptr_t)buf, len };
	struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cmsg;

	memset(control, 0, sizeof(control));
	if (num) {
		hdr.msg_control = control;
		hdr.msg_controllen = CMSG_SPACE(num * sizeof(int));
		cmsg = CMSG_FIRSTHDR(&hdr);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(num * sizeof(int));
		memcpy(CMSG_DATA(cmsg), fds, num * sizeof(int));
	}
	/* Who has gone does not want it any more. */
	if (sendmsg(sock, &hdr, MSG_NOSIGNAL) < 0)
		return;
}

/* Answer with @len bytes, or as this back end pleases. */
static void answer(struct fake *f, struct vhost_msg *msg, uint32_t len, int fd)
{
	struct {
		struct vhost_header head;
		uint8_t body[sizeof(msg->body) + 8];
	} raw = { .head = msg->head };
	int fds[3] = { fd, f->commands[0], f->commands[0] };
	unsigned int num = fd >= 0;
	size_t all;

	raw.head.flags = VHOST_VERSION | VHOST_REPLY;
	memcpy(raw.body, &msg->body, sizeof(msg->body));
	if (f->trick_at == msg->head.request) {
		switch (f->trick) {
		case FAKE_SILENT:
			return;
		case FAKE_CLOSE:
			disconnect(f);
			return;
		case FAKE_DIE:
			be_gone(f);
			f->trick = FAKE_HONEST;
			return;
		case FAKE_SHORT:
			len -= 4;
			break;
		case FAKE_LONG:
			len += 4;
			break;
		case FAKE_HUGE:
			raw.head.size = 0x7fffffff;
			put(f->sock, &raw, sizeof(raw.head), NULL, 0);
			return;
		case FAKE_WRONG:
			raw.head.request = 99;
			break;
		case FAKE_NO_REPLY:
			raw.head.flags = VHOST_VERSION;
			break;
		case FAKE_VERSION:
			raw.head.flags = 2 | VHOST_REPLY;
			break;
		case FAKE_HALF:
			raw.head.size = len;
			put(f->sock, &raw, 14, NULL, 0);
			return;
		case FAKE_FILES:
			num = fd >= 0 ? 0 : 3;
			fds[0] = f->commands[0];
			break;
		case FAKE_INDEX:
			raw.body[0] ^= 1;
			break;
		default:
			break;
		}
	}
	raw.head.size = len;
	all = sizeof(raw.head) + len;
	put(f->sock, &raw, all, fds, num);
	if (f->trick_at == msg->head.request && f->trick == FAKE_TWICE)
		put(f->sock, &raw, all, NULL, 0);
}

static void answer_number(struct fake *f, struct vhost_msg *msg,
			  uint64_t number)
{
	msg->body.number = number;
	answer(f, msg, sizeof(number), -1);
}

static bool refuses(struct fake *f, const struct vhost_msg *msg)
{
	return f->trick_at == msg->head.request &&
	       (f->trick == FAKE_REFUSE ||
		(f->trick == FAKE_REFUSE_ODD && msg->body.state.index % 2));
}

/* Is this one acknowledged, in place of an answer? */
static void ack(struct fake *f, struct vhost_msg *msg)
{
	if (msg->head.flags & VHOST_NEED_REPLY)
		answer_number(f, msg, refuses(f, msg));
}

static void give_inflight(struct fake *f, struct vhost_msg *msg)
{
	uint64_t notes = NOTES;
	int fd = memfd_create("notes", MFD_CLOEXEC);

	if (write(fd, &notes, sizeof(notes)) < 0)
		abort();
	msg->body.inflight.size = 4096;
	answer(f, msg, sizeof(msg->body.inflight), fd);
	close(fd);
}

static void take_inflight(struct fake *f, int fd)
{
	uint64_t notes = 0;

	if (pread(fd, &notes, sizeof(notes), 0) < 0)
		abort();
	f->old_notes = notes == NOTES + 1;
	notes = NOTES + 1;
	if (pwrite(fd, &notes, sizeof(notes), 0) < 0)
		abort();
}

static void take_memory(struct fake *f, struct vhost_msg *msg, int fd)
{
	if (f->mem)
		munmap(f->mem, f->memory.size);
	f->memory = msg->body.memory;
	f->mem = mmap(NULL, f->memory.size, PROT_READ | PROT_WRITE, MAP_SHARED,
		      fd, f->memory.offset);
	if (f->mem == MAP_FAILED)
		abort();
}

static void handle(struct fake *f, struct vhost_msg *msg, int fd)
{
	struct fake_queue *q = &f->queues[msg->body.state.index % FAKE_QUEUES];

	if (f->num_log < FAKE_LOG)
		f->log[f->num_log++] = msg->head.request;
	switch (msg->head.request) {
	case VHOST_GET_FEATURES:
		answer_number(f, msg, f->features);
		return;
	case VHOST_GET_PROTOCOL_FEATURES:
		answer_number(f, msg, f->protocol);
		return;
	case VHOST_GET_QUEUE_NUM:
		answer_number(f, msg, f->queue_num);
		return;
	case VHOST_GET_STATUS:
		answer_number(f, msg, f->got_status);
		return;
	case VHOST_GET_CONFIG:
		memcpy(msg->body.config.data, f->config,
		       sizeof(msg->body.config.data));
		answer(f, msg, VHOST_CONFIG_HEAD + (f->config_size <
		       msg->body.config.size ? 0 : msg->body.config.size), -1);
		return;
	case VHOST_GET_INFLIGHT_FD:
		give_inflight(f, msg);
		return;
	case VHOST_GET_VRING_BASE:
		msg->body.state.num = q->avail;
		close_fd(&q->kick);
		close_fd(&q->call);
		answer(f, msg, sizeof(msg->body.state), -1);
		return;
	case VHOST_SET_FEATURES:
		f->got_features = msg->body.number;
		break;
	case VHOST_SET_PROTOCOL_FEATURES:
		f->got_protocol = msg->body.number;
		break;
	case VHOST_SET_STATUS:
		f->got_status = msg->body.number;
		if (f->trick_at == VHOST_SET_STATUS && f->trick == FAKE_REFUSE)
			f->got_status &= ~8ULL;
		break;
	case VHOST_SET_CONFIG:
		memcpy(f->config + msg->body.config.offset,
		       msg->body.config.data, msg->body.config.size);
		break;
	case VHOST_SET_MEM_TABLE:
		take_memory(f, msg, fd);
		break;
	case VHOST_SET_INFLIGHT_FD:
		take_inflight(f, fd);
		f->num_noted = msg->body.inflight.num_queues;
		break;
	case VHOST_SET_VRING_NUM:
		q->num = msg->body.state.num;
		break;
	case VHOST_SET_VRING_BASE:
		q->base = msg->body.state.num;
		q->avail = q->base;
		break;
	case VHOST_SET_VRING_ADDR:
		q->addr = msg->body.addr;
		break;
	case VHOST_SET_VRING_ENABLE:
		if (!refuses(f, msg))
			q->enabled = msg->body.state.num;
		break;
	case VHOST_SET_VRING_KICK:
		close_fd(&q->kick);
		q->kick = dup(fd);
		/* Then there is nothing else that could say so. */
		q->enabled |= !(f->got_features &
				VMSG_BIT(VHOST_F_PROTOCOL_FEATURES));
		break;
	case VHOST_SET_VRING_CALL:
		close_fd(&q->call);
		q->call = dup(fd);
		break;
	case VHOST_SET_BACKEND_REQ_FD:
		close_fd(&f->channel);
		f->channel = dup(fd);
		break;
	default:
		break;
	}
	ack(f, msg);
}

static void message(struct fake *f)
{
	struct vhost_msg msg = { 0 };
	int fd = -1;

	if (!get(f->sock, &msg.head, sizeof(msg.head), &fd) ||
	    msg.head.size > sizeof(msg.body) ||
	    !get(f->sock, &msg.body, msg.head.size, &fd)) {
		disconnect(f);
		return;
	}
	handle(f, &msg, fd);
	close_fd(&fd);
}

/* Rings ------------------------------------------------------------------- */

static void *at(struct fake *f, uint64_t user)
{
	return f->mem + (user - f->memory.user);
}

/* Each buffer is a piece to read and one to write. */
static void work(struct fake *f, struct fake_queue *q)
{
	struct vring_desc *desc = at(f, q->addr.desc), *out, *in;
	uint16_t *avail = at(f, q->addr.avail);
	uint16_t *used = at(f, q->addr.used);
	uint32_t *entry, head;
	uint64_t count;

	/* Who is not enabled ignores a kick, and does not remember it. */
	if (read(q->kick, &count, sizeof(count)) < 0 || f->idle || !q->enabled)
		return;
	for (; q->avail != le16toh(__atomic_load_n(&avail[1],
						   __ATOMIC_ACQUIRE));
	     q->avail++) {
		head = le16toh(avail[2 + q->avail % q->num]);
		out = &desc[head];
		in = &desc[le16toh(out->next)];
		memcpy(at(f, le64toh(in->addr)), at(f, le64toh(out->addr)),
		       le32toh(in->len));
		entry = (uint32_t *)&used[2] + 2 * (q->avail % q->num);
		entry[0] = htole32(head);
		entry[1] = in->len;
		__atomic_store_n(&used[1], htole16(q->avail + 1),
				 __ATOMIC_RELEASE);
		f->num_buffers++;
	}
	count = 1;
	if (write(q->call, &count, sizeof(count)) < 0)
		abort();
}

/* What the test wants of it ------------------------------------------------ */

static void ask(struct fake *f, uint32_t request, uint32_t flags,
		uint32_t size)
{
	struct vhost_header head = { request, VHOST_VERSION | flags, size };

	put(f->channel, &head, sizeof(head), NULL, 0);
}

/* Returns false at the end. */
static bool command(struct fake *f)
{
	struct vhost_msg msg = {
		.head.request = VHOST_GET_VRING_BASE,
	};
	char what = 'q';

	if (read(f->commands[0], &what, 1) < 0)
		abort();
	switch (what) {
	case 'q':
		return false;
	case 'k':	/* be gone */
		be_gone(f);
		break;
	case 'l':	/* be there again */
		listen_again(f);
		break;
	case 'b':	/* queue 0 has stopped */
		f->trick = FAKE_HONEST;
		answer(f, &msg, sizeof(msg.body.state), -1);
		break;
	case 'c':	/* the configuration has changed */
		ask(f, VHOST_BACKEND_CONFIG_CHANGE, 0, 0);
		break;
	case 'C':	/* the same, and it wants to know */
		ask(f, VHOST_BACKEND_CONFIG_CHANGE, VHOST_NEED_REPLY, 0);
		break;
	case 'u':	/* something unknown */
		ask(f, 77, VHOST_NEED_REPLY, 0);
		break;
	case 'h':	/* nonsense */
		ask(f, 2, 0, 0x10000000);
		break;
	case 'z':	/* the channel is closed */
		close_fd(&f->channel);
		break;
	default:
		abort();
	}
	return true;
}

static void heard(struct fake *f)
{
	struct vhost_msg msg = { 0 };
	int fd = -1;

	if (!get(f->channel, &msg.head, sizeof(msg.head), &fd) ||
	    msg.head.size != 8 ||
	    !get(f->channel, &msg.body, msg.head.size, &fd)) {
		close_fd(&f->channel);
		return;
	}
	f->num_answers++;
	f->last_answer = msg.body.number;
}

static void accept_one(struct fake *f)
{
	int sock = accept(f->listener, NULL, NULL);

	disconnect(f);
	f->sock = sock;
	f->num_connections++;
}

static void *run(void *arg)
{
	struct fake *f = arg;
	struct pollfd fds[4 + FAKE_QUEUES];
	bool go_on = true;
	unsigned int i;

	while (go_on) {
		memset(fds, 0, sizeof(fds));
		fds[0].fd = f->commands[0];
		fds[1].fd = f->listener;
		fds[2].fd = f->sock;
		fds[3].fd = f->channel;
		for (i = 0; i < FAKE_QUEUES; i++)
			fds[4 + i].fd = f->queues[i].kick;
		for (i = 0; i < 4 + FAKE_QUEUES; i++)
			fds[i].events = POLLIN;
		poll(fds, 4 + FAKE_QUEUES, -1);
		pthread_mutex_lock(&f->lock);
		/* Each may end those behind it. */
		if (fds[0].revents)
			go_on = command(f);
		else if (fds[1].revents)
			accept_one(f);
		else if (fds[2].revents)
			message(f);
		else if (fds[3].revents)
			heard(f);
		else
			for (i = 0; i < FAKE_QUEUES; i++)
				if (fds[4 + i].revents)
					work(f, &f->queues[i]);
		pthread_mutex_unlock(&f->lock);
	}
	be_gone(f);
	return NULL;
}

void fake_start(struct fake *f)
{
	unsigned int i;

	pthread_mutex_init(&f->lock, NULL);
	f->listener = -1;
	f->sock = -1;
	f->channel = -1;
	for (i = 0; i < FAKE_QUEUES; i++) {
		f->queues[i].kick = -1;
		f->queues[i].call = -1;
	}
	snprintf(f->path, sizeof(f->path), "/tmp/vhost-fake.%d", getpid());
	listen_again(f);
	if (pipe(f->commands) ||
	    pthread_create(&f->thread, NULL, run, f))
		abort();
}

void fake_tell(struct fake *f, char what)
{
	if (write(f->commands[1], &what, 1) < 0)
		abort();
}

void fake_stop(struct fake *f)
{
	fake_tell(f, 'q');
	pthread_join(f->thread, NULL);
	close(f->commands[0]);
	close(f->commands[1]);
}

/* How often it was told or asked something. */
unsigned int fake_times(struct fake *f, uint32_t request)
{
	unsigned int i, num = 0;

	pthread_mutex_lock(&f->lock);
	for (i = 0; i < f->num_log; i++)
		num += f->log[i] == request;
	pthread_mutex_unlock(&f->lock);
	return num;
}

unsigned int fake_read(struct fake *f, const unsigned int *value)
{
	unsigned int copy;

	pthread_mutex_lock(&f->lock);
	copy = *value;
	pthread_mutex_unlock(&f->lock);
	return copy;
}

bool fake_closed(struct fake *f, const int *fd)
{
	bool closed;

	pthread_mutex_lock(&f->lock);
	closed = *fd < 0;
	pthread_mutex_unlock(&f->lock);
	return closed;
}
