// SPDX-License-Identifier: GPL-2.0
/*
 * The device side of /dev/virtio-msg-lb by hand.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lb.h"

static unsigned int planned, done, failed;

/* This machine is little-endian, or these two do something. */
static uint16_t le16(uint16_t x)
{
	uint8_t b[2] = { x, x >> 8 };

	memcpy(&x, b, sizeof(x));
	return x;
}

void plan(unsigned int tests)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	planned = tests;
	printf("TAP version 13\n1..%u\n", tests);
}

void ok(bool good, const char *fmt, ...)
{
	va_list args;

	printf("%sok %u ", good ? "" : "not ", ++done);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
	failed += !good;
}

void note(const char *fmt, ...)
{
	va_list args;

	fputs("# ", stdout);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
}

int finish(void)
{
	if (done != planned)
		note("%u tests were planned, %u were run", planned, done);
	return failed || done != planned;
}

int lb_open(int flags)
{
	return open(VIRTIO_MSG_LB_PATH, O_RDWR | O_CLOEXEC | flags);
}

int lb_memfd(size_t size, unsigned int seals)
{
	int fd = memfd_create("pool", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, size) ||
	    (seals && fcntl(fd, F_ADD_SEALS, seals))) {
		perror("memfd");
		exit(1);
	}
	return fd;
}

void lb_setup_init(struct virtio_msg_lb_setup *setup, int memfd)
{
	memset(setup, 0, sizeof(*setup));
	setup->size = sizeof(*setup);
	setup->revision = VIRTIO_MSG_REVISION_1;
	setup->max_msg_size = VIRTIO_MSG_RECOMMENDED_SIZE;
	setup->pool_fd = memfd;
	if (memfd < 0)
		setup->pool_size = LB_POOL;
}

bool lb_start(struct lb *lb, unsigned int timeout_ms)
{
	struct virtio_msg_lb_setup setup;

	lb->fd = lb_open(0);
	lb->memfd = lb_memfd(LB_POOL, F_SEAL_SHRINK);
	lb_setup_init(&setup, lb->memfd);
	setup.timeout_ms = timeout_ms;
	if (lb->fd < 0 || ioctl(lb->fd, VIRTIO_MSG_LB_SETUP, &setup)) {
		note("cannot make a bus: %s", strerror(errno));
		return false;
	}
	lb->num = setup.bus_num;
	lb->pool = mmap(NULL, LB_POOL, PROT_READ | PROT_WRITE, MAP_SHARED,
			lb->memfd, 0);
	return lb->pool != MAP_FAILED;
}

void lb_stop(struct lb *lb)
{
	close(lb->fd);
	munmap(lb->pool, LB_POOL);
	close(lb->memfd);
}

/* Returns the size of the frame. */
size_t lb_frame(void *frame, int type, int id, int dev_num, int token,
		const void *payload, size_t size)
{
	struct virtio_msg_hdr hdr = {
		.type = type,
		.msg_id = id,
		.dev_num = le16(dev_num),
		.token = le16(token),
		.msg_size = le16(sizeof(hdr) + size),
	};

	memcpy(frame, &hdr, sizeof(hdr));
	if (size)
		memcpy((uint8_t *)frame + sizeof(hdr), payload, size);
	return sizeof(hdr) + size;
}

/* Returns 0 or the errno. */
int lb_send(struct lb *lb, const void *frame, size_t size)
{
	ssize_t ret = write(lb->fd, frame, size);

	if (ret < 0)
		return errno;
	return (size_t)ret == size ? 0 : EIO;
}

/* Returns the size of the frame, or 0 when none came in time. */
int lb_recv(struct lb *lb, void *frame, int timeout_ms)
{
	struct pollfd p = { .fd = lb->fd, .events = POLLIN };
	ssize_t ret;

	if (poll(&p, 1, timeout_ms) != 1)
		return 0;
	ret = read(lb->fd, frame, LB_FRAME);
	return ret < 0 ? 0 : ret;
}

/* Returns 0 or the errno. */
int lb_answer(struct lb *lb, const void *request, const void *payload,
	      size_t size)
{
	struct virtio_msg_hdr hdr;
	uint8_t frame[LB_FRAME];

	memcpy(&hdr, request, sizeof(hdr));
	return lb_send(lb, frame,
		       lb_frame(frame, hdr.type | VIRTIO_MSG_TYPE_RESPONSE,
				hdr.msg_id, le16(hdr.dev_num), le16(hdr.token),
				payload, size));
}

/* Waits for GET_DEVICES, and answers that there are none. */
bool lb_no_devices(struct lb *lb)
{
	struct virtio_msg_get_devices_resp resp = {};
	uint8_t frame[LB_FRAME];

	if (!lb_recv(lb, frame, LB_WAIT) ||
	    frame[1] != VIRTIO_MSG_BUS_GET_DEVICES) {
		note("no GET_DEVICES");
		return false;
	}
	return !lb_answer(lb, frame, &resp, sizeof(resp));
}

/* A PING comes back, whatever else is under way. */
bool lb_alive(struct lb *lb)
{
	static uint32_t data = 0x1234567;
	uint8_t ping[LB_FRAME], frame[LB_FRAME];
	size_t size;
	int ret, i;

	data++;
	size = lb_frame(ping, VIRTIO_MSG_TYPE_BUS, VIRTIO_MSG_BUS_PING, 0, 0x77,
			&data, sizeof(data));
	ret = lb_send(lb, ping, size);
	if (ret) {
		note("PING refused: %s", strerror(ret));
		return false;
	}
	ping[0] |= VIRTIO_MSG_TYPE_RESPONSE;
	for (i = 0; i < 100; i++) {
		if (!lb_recv(lb, frame, LB_WAIT))
			break;
		if (!memcmp(frame, ping, size))
			return true;
	}
	note("PING is not answered");
	return false;
}

int lb_event_device(struct lb *lb, int dev_num, int state)
{
	struct virtio_msg_event_device event = {
		.dev_num = le16(dev_num),
		.state = le16(state),
	};
	uint8_t frame[LB_FRAME];

	return lb_send(lb, frame,
		       lb_frame(frame, VIRTIO_MSG_TYPE_BUS,
				VIRTIO_MSG_BUS_EVENT_DEVICE, 0, 0, &event,
				sizeof(event)));
}

/* Returns the number of bytes, without the newline; -1 when it cannot be read. */
int lb_read_file(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t ret = -1;

	if (fd >= 0) {
		ret = read(fd, text, size - 1);
		close(fd);
	}
	if (ret < 0)
		return -1;
	if (ret && text[ret - 1] == '\n')
		ret--;
	text[ret] = '\0';
	return ret;
}

long lb_statistic(struct lb *lb, const char *name)
{
	char path[128], text[32];

	snprintf(path, sizeof(path),
		 "/sys/class/virtio_msg/loopback%u/statistics/%s", lb->num, name);
	return lb_read_file(path, text, sizeof(text)) < 0 ? -1 : atol(text);
}
