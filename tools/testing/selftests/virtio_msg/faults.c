// SPDX-License-Identifier: GPL-2.0
/*
 * faults: every allocation that a call of /dev/virtio-msg-lb makes fails once: the
 * first one, then the second one, until there are no more. The call must say
 * ENOMEM or succeed all the same, and whatever it began must be gone again.
 *
 * For kernels that can do that: /proc/thread-self/fail-nth. See faults.sh.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lb.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
/* More allocations than any call here makes. */
#define MOST		2000

static int fail_nth = -1;

/**
 * struct state - what a call works with
 * @lb: a bus, except for those that make one
 * @frame: what it sends
 * @size: bytes of it
 * @fd: whatever it opened, -1 = nothing
 */
struct state {
	struct lb lb;
	uint8_t frame[LB_FRAME];
	size_t size;
	int fd;
};

static bool with_bus(struct state *s)
{
	return lb_start(&s->lb, 100) && lb_no_devices(&s->lb);
}

static void without_bus(struct state *s)
{
	lb_stop(&s->lb);
}

static bool no_state(struct state *s)
{
	(void)s;
	return true;
}

static void close_fd(struct state *s)
{
	if (s->fd >= 0)
		close(s->fd);
}

static int call_open(struct state *s)
{
	s->fd = lb_open(0);
	return s->fd;
}

static bool before_setup(struct state *s)
{
	s->fd = lb_open(0);
	return s->fd >= 0;
}

static int call_setup_kernel(struct state *s)
{
	struct virtio_msg_lb_setup setup;
	int ret;

	lb_setup_init(&setup, -1);
	setup.pool_size = VIRTIO_MSG_LB_POOL_MIN;
	ret = ioctl(s->fd, VIRTIO_MSG_LB_SETUP, &setup);
	if (!ret)
		close(setup.pool_fd);
	return ret;
}

static bool before_setup_memfd(struct state *s)
{
	s->lb.memfd = lb_memfd(VIRTIO_MSG_LB_POOL_MIN, F_SEAL_SHRINK);
	return before_setup(s);
}

static int call_setup_memfd(struct state *s)
{
	struct virtio_msg_lb_setup setup;

	lb_setup_init(&setup, s->lb.memfd);
	return ioctl(s->fd, VIRTIO_MSG_LB_SETUP, &setup);
}

static void after_setup_memfd(struct state *s)
{
	close(s->fd);
	close(s->lb.memfd);
}

static int call_send(struct state *s)
{
	return write(s->lb.fd, s->frame, s->size);
}

static bool before_ping(struct state *s)
{
	uint32_t data = 1;

	s->size = lb_frame(s->frame, VIRTIO_MSG_TYPE_BUS, VIRTIO_MSG_BUS_PING, 0, 1,
			   &data, sizeof(data));
	return with_bus(s);
}

/* Larger than what is copied to the stack. */
static bool before_large(struct state *s)
{
	if (!before_ping(s))
		return false;
	memset(s->frame + s->size, 0, 200);
	s->size += 200;
	s->frame[6] = s->size;
	return true;
}

static bool before_added(struct state *s)
{
	struct virtio_msg_event_device event = { .state = VIRTIO_MSG_DEVICE_ADDED };

	s->size = lb_frame(s->frame, VIRTIO_MSG_TYPE_BUS, VIRTIO_MSG_BUS_EVENT_DEVICE, 0,
			   0, &event, sizeof(event));
	return with_bus(s);
}

static bool has_kicked(struct lb *lb, struct lb_dev *dev)
{
	(void)lb;
	return dev->kicks;
}

/* An rng whose queue exists. */
static bool before_queue(struct state *s)
{
	struct lb_dev dev = {
		.id = 4,
		.features = UINT64_C(3) << 32,
		.num_vqs = 1,
		.max_size = 8,
	};

	s->fd = eventfd(0, EFD_NONBLOCK);
	return with_bus(s) && !lb_event_device(&s->lb, 0, VIRTIO_MSG_DEVICE_ADDED) &&
	       lb_dev_run(&s->lb, &dev, has_kicked);
}

static int call_queue(struct state *s)
{
	struct virtio_msg_lb_queue queue = {
		.size = sizeof(queue), .kick_fd = s->fd, .used_fd = s->fd,
	};

	return ioctl(s->lb.fd, VIRTIO_MSG_LB_QUEUE, &queue);
}

static void after_queue(struct state *s)
{
	close(s->fd);
	lb_stop(&s->lb);
}

static const struct {
	const char *name;
	bool (*before)(struct state *s);
	int (*call)(struct state *s);
	void (*after)(struct state *s);
} calls[] = {
	{ "open", no_state, call_open, close_fd },
	{ "SETUP with a pool of the kernel's", before_setup, call_setup_kernel, close_fd },
	{ "SETUP with a memfd", before_setup_memfd, call_setup_memfd, after_setup_memfd },
	{ "write of a small frame", before_ping, call_send, without_bus },
	{ "write of a large frame", before_large, call_send, without_bus },
	{ "write that announces a device", before_added, call_send, without_bus },
	{ "QUEUE with eventfds", before_queue, call_queue, after_queue },
};

static bool arm(int n)
{
	char text[16];

	return pwrite(fail_nth, text, snprintf(text, sizeof(text), "%d", n), 0) > 0;
}

/* Returns false when the call made less than @n allocations. */
static bool nth_fails(size_t i, int n, bool *good, int *refused)
{
	struct state s = { .fd = -1 };
	char left[16] = "";
	int ret, error;

	if (!calls[i].before(&s)) {
		note("cannot prepare: turn %d", n);
		*good = false;
		return false;
	}
	if (!arm(n)) {
		note("cannot write to fail-nth: %s", strerror(errno));
		*good = false;
	}
	ret = calls[i].call(&s);
	error = errno;
	if (pread(fail_nth, left, sizeof(left) - 1, 0) < 0 || !arm(0))
		*good = false;
	calls[i].after(&s);
	/* shmem has no space for an inode when there is no memory for it. */
	if (ret < 0 && error != ENOMEM &&
	    (error != ENOSPC || calls[i].call != call_setup_kernel)) {
		note("allocation %d fails: %s", n, strerror(error));
		*good = false;
	}
	*refused += ret < 0;
	return !atoi(left);
}

int main(void)
{
	struct lb lb;
	size_t i;
	int n;

	plan(ARRAY_SIZE(calls) + 1);
	fail_nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		int refused = 0;
		bool good = true;

		for (n = 1; n < MOST && nth_fails(i, n, &good, &refused) && good;)
			n++;
		note("%s: %d allocations, %d of them cannot fail unnoticed",
		     calls[i].name, n - 1, refused);
		ok(good && n < MOST, "%s", calls[i].name);
	}
	ok(lb_start(&lb, 0) && lb_no_devices(&lb) && lb_alive(&lb), "and without failures");
	lb_stop(&lb);
	return finish();
}
