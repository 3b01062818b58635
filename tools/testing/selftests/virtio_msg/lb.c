// SPDX-License-Identifier: GPL-2.0
/*
 * The device side of /dev/virtio-msg-lb by hand.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lb.h"

static unsigned int planned, done, failed;

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
		.dev_num = htole16(dev_num),
		.token = htole16(token),
		.msg_size = htole16(sizeof(hdr) + size),
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
				hdr.msg_id, le16toh(hdr.dev_num), le16toh(hdr.token),
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
		.dev_num = htole16(dev_num),
		.state = htole16(state),
	};
	uint8_t frame[LB_FRAME];

	return lb_send(lb, frame,
		       lb_frame(frame, VIRTIO_MSG_TYPE_BUS,
				VIRTIO_MSG_BUS_EVENT_DEVICE, 0, 0, &event,
				sizeof(event)));
}

/*
 * A device
 */

struct lb_vq_msg {
	struct virtio_msg_hdr hdr;
	union {
		struct virtio_msg_vqueue_index index;
		struct virtio_msg_set_vqueue set;
	};
};

static int lb_dev_info(struct lb *lb, struct lb_dev *dev, const void *frame)
{
	struct virtio_msg_device_info info = {
		.device_id = htole32(dev->id),
		.vendor_id = htole32(0x1af4),
		.num_feature_blocks = htole32(2),
		.config_size = htole32(dev->config_size),
		.max_virtqueues = htole32(dev->num_vqs),
	};

	dev->infos++;
	return lb_answer(lb, frame, &info, sizeof(info));
}

static int lb_dev_features(struct lb *lb, struct lb_dev *dev,
			   const uint32_t *payload)
{
	uint32_t resp[4] = {
		payload[0], payload[1],
		htole32(dev->features), htole32(dev->features >> 32),
	};

	return lb_answer(lb, (const uint8_t *)payload - sizeof(struct virtio_msg_hdr),
			 resp, sizeof(resp));
}

static int lb_dev_config(struct lb *lb, struct lb_dev *dev, const void *frame,
			 const uint32_t *payload)
{
	uint32_t offset = le32toh(payload[0]), len = le32toh(payload[1]);
	uint32_t resp[3 + sizeof(dev->config) / 4] = { 0, payload[0], payload[1] };

	if (offset > dev->config_size || len > dev->config_size - offset)
		return -1;
	memcpy(resp + 3, dev->config + offset, len);
	return lb_answer(lb, frame, resp, 12 + len);
}

static int lb_dev_status(struct lb *lb, struct lb_dev *dev, const void *frame,
			 const uint32_t *payload)
{
	uint32_t status;

	if (payload) {
		dev->status = le32toh(*payload);
		if (!dev->status)
			memset(dev->vq, 0, sizeof(dev->vq));
	}
	status = htole32(dev->status);
	return lb_answer(lb, frame, &status, sizeof(status));
}

static int lb_dev_get_vq(struct lb *lb, struct lb_dev *dev,
			 const struct lb_vq_msg *msg)
{
	uint32_t index = le32toh(msg->index.index);
	struct virtio_msg_get_vqueue_resp resp = { .index = msg->index.index };

	if (index < dev->num_vqs) {
		resp.max_size = htole32(dev->max_size);
		resp.cur_size = htole32(dev->vq[index].size);
		resp.flags = htole32(dev->vq[index].enabled);
		resp.desc = htole64(dev->vq[index].desc);
		resp.driver = htole64(dev->vq[index].driver);
		resp.device = htole64(dev->vq[index].device);
	}
	return lb_answer(lb, msg, &resp, sizeof(resp));
}

static int lb_dev_set_vq(struct lb *lb, struct lb_dev *dev,
			 const struct lb_vq_msg *msg)
{
	uint32_t index = le32toh(msg->set.index);

	if (index < dev->num_vqs)
		dev->vq[index] = (struct lb_vq) {
			.size = le32toh(msg->set.size),
			.enabled = true,
			.desc = le64toh(msg->set.desc),
			.driver = le64toh(msg->set.driver),
			.device = le64toh(msg->set.device),
		};
	return lb_answer(lb, msg, NULL, 0);
}

/* Returns false for what this device has nothing to do with. */
bool lb_dev_handle(struct lb *lb, struct lb_dev *dev, const void *frame)
{
	const struct virtio_msg_hdr *hdr = frame;
	const uint32_t *payload = (const uint32_t *)(hdr + 1);

	if (hdr->type || le16toh(hdr->dev_num) != dev->num)
		return false;
	switch (hdr->msg_id) {
	case VIRTIO_MSG_GET_DEVICE_INFO:
		return !lb_dev_info(lb, dev, frame);
	case VIRTIO_MSG_GET_DEVICE_FEATURES:
		return !lb_dev_features(lb, dev, payload);
	case VIRTIO_MSG_SET_DRIVER_FEATURES:
		dev->driver_features = le32toh(payload[2]) |
				       (uint64_t)le32toh(payload[3]) << 32;
		return !lb_answer(lb, frame, NULL, 0);
	case VIRTIO_MSG_GET_CONFIG:
		return !lb_dev_config(lb, dev, frame, payload);
	case VIRTIO_MSG_GET_DEVICE_STATUS:
		return !lb_dev_status(lb, dev, frame, NULL);
	case VIRTIO_MSG_SET_DEVICE_STATUS:
		return !lb_dev_status(lb, dev, frame, payload);
	case VIRTIO_MSG_GET_VQUEUE:
		return !lb_dev_get_vq(lb, dev, frame);
	case VIRTIO_MSG_SET_VQUEUE:
		return !lb_dev_set_vq(lb, dev, frame);
	case VIRTIO_MSG_EVENT_AVAIL:
		dev->kicks++;
		return true;
	}
	return false;
}

/* Answers until @done says so; false when that does not happen. */
bool lb_dev_run(struct lb *lb, struct lb_dev *dev,
		bool (*done)(struct lb *lb, struct lb_dev *dev))
{
	alignas(8) uint8_t frame[LB_FRAME];
	int turns;

	for (turns = 0; turns < LB_WAIT / 10; turns++) {
		if (done(lb, dev))
			return true;
		if (lb_recv(lb, frame, 10) && !lb_dev_handle(lb, dev, frame))
			note("message 0x%02x was not answered", frame[1]);
	}
	note("waited in vain: status 0x%x, %u kicks, %u GET_DEVICE_INFO", dev->status,
	     dev->kicks, dev->infos);
	return false;
}

/*
 * sysfs
 */

bool lb_exists(unsigned int num)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/class/virtio_msg/loopback%u", num);
	return !access(path, F_OK);
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
