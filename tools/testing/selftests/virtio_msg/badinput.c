// SPDX-License-Identifier: GPL-2.0
/*
 * badinput: everything that a program can do wrong with /dev/virtio-msg-lb. Each
 * has its errno, and changes nothing: the bus still answers a PING.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lb.h"

#define TESTS		43
#define SURPLUS		16
#define ANY_ERRNO	(-1)
#define FUZZ_FRAMES	20000
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
/* VERSION_1 and ACCESS_PLATFORM */
#define FEATURES	0x300000000ULL
#define DRIVER_OK	4
#define ID_RNG		4

/* An address where there is nothing; main() makes it, to warn no compiler. */
static void *nowhere;

static bool same(const char *what, long got, long want)
{
	if (got != want)
		note("%s: %ld, not %ld", what, got, want);
	return got == want;
}

static bool is_errno(const char *what, long ret, int want)
{
	int got = ret < 0 ? errno : 0;

	if (want == ANY_ERRNO && got)
		return true;
	if (got != want)
		note("%s: %s, not %s", what, strerror(got), strerror(want));
	return got == want;
}

/* Some other size of a command. */
static unsigned long resized(unsigned long cmd, size_t size)
{
	return _IOC(_IOC_DIR(cmd), _IOC_TYPE(cmd), _IOC_NR(cmd), size);
}

/*
 * Without a bus
 */

static void test_no_bus(void)
{
	struct virtio_msg_lb_queue queue = {
		.size = sizeof(queue), .kick_fd = -1, .used_fd = -1,
	};
	int fd = lb_open(O_NONBLOCK);
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT };
	uint8_t frame[LB_FRAME] = {};
	bool good;

	good = is_errno("read", read(fd, frame, sizeof(frame)), ENOTCONN);
	good &= is_errno("write", write(fd, frame, 12), ENOTCONN);
	good &= is_errno("queue", ioctl(fd, VIRTIO_MSG_LB_QUEUE, &queue),
			 ENOTCONN);
	good &= same("poll", poll(&p, 1, 0), 1) &&
		same("events", p.revents, POLLERR);
	close(fd);
	ok(good, "no bus yet: nothing to read, write or poll");
}

static void test_ioctl(void)
{
	union {
		struct virtio_msg_lb_info info;
		uint8_t bytes[sizeof(struct virtio_msg_lb_info) + SURPLUS];
		uint32_t size;
	} u = { .size = sizeof(u.info) };
	int fd = lb_open(0);
	bool good;

	good = is_errno("other number", ioctl(fd, _IOWR(VIRTIO_MSG_LB_MAGIC, 3, u.info), &u),
			ENOTTY);
	good &= is_errno("other type", ioctl(fd, _IOWR('v', 0, u.info), &u), ENOTTY);
	good &= is_errno("TCGETS", ioctl(fd, 0x5401, &u), ENOTTY);
	good &= is_errno("NULL", ioctl(fd, VIRTIO_MSG_LB_INFO, NULL), EFAULT);
	ok(good, "unknown ioctl");

	good = is_errno("info", ioctl(fd, VIRTIO_MSG_LB_INFO, &u), 0) &&
	       same("size", u.info.size, sizeof(u.info)) &&
	       same("revision", u.info.revision, VIRTIO_MSG_REVISION_1) &&
	       same("min_msg_size", u.info.min_msg_size, VIRTIO_MSG_MIN_SIZE) &&
	       same("max_msg_size", u.info.max_msg_size, VIRTIO_MSG_MAX_SIZE) &&
	       same("features", u.info.features, 1) &&
	       same("pool_min", u.info.pool_min, VIRTIO_MSG_LB_POOL_MIN) &&
	       same("pool_max", u.info.pool_max, VIRTIO_MSG_LB_POOL_MAX);
	ok(good, "information");

	u.size = sizeof(u.info) - 1;
	good = is_errno("size", ioctl(fd, VIRTIO_MSG_LB_INFO, &u), EINVAL);
	u.size = 0;
	good &= is_errno("size 0", ioctl(fd, VIRTIO_MSG_LB_INFO, &u), EINVAL);
	good &= is_errno("command of 0 bytes",
			 ioctl(fd, resized(VIRTIO_MSG_LB_INFO, 0), &u), EINVAL);
	memset(&u, 0, sizeof(u));
	u.size = sizeof(u);
	good &= is_errno("larger", ioctl(fd, resized(VIRTIO_MSG_LB_INFO, sizeof(u)), &u), 0) &&
		same("size", u.size, sizeof(u.info));
	memset(&u, 0, sizeof(u));
	u.size = sizeof(u);
	u.bytes[sizeof(u) - 1] = 1;
	good &= is_errno("larger, not zero",
			 ioctl(fd, resized(VIRTIO_MSG_LB_INFO, sizeof(u)), &u), E2BIG);
	memset(&u, 0xff, sizeof(u));
	u.size = 16;
	good &= is_errno("smaller", ioctl(fd, resized(VIRTIO_MSG_LB_INFO, 16), &u), 0) &&
		same("size", u.size, 16) && same("byte behind it", u.bytes[16], 0xff);
	close(fd);
	ok(good, "information in other sizes");
}

/*
 * SETUP
 */

/* Refused, and there is no bus; then @fd takes a good one. */
static bool refused(const char *what, unsigned long cmd, void *arg, int want)
{
	struct virtio_msg_lb_setup setup;
	int fd = lb_open(O_NONBLOCK);
	uint8_t frame[LB_FRAME];
	bool good;

	good = is_errno(what, ioctl(fd, cmd, arg), want) &&
	       is_errno(what, read(fd, frame, sizeof(frame)), ENOTCONN);
	lb_setup_init(&setup, -1);
	good = good && is_errno(what, ioctl(fd, VIRTIO_MSG_LB_SETUP, &setup), 0);
	if (good)
		close(setup.pool_fd);
	close(fd);
	return good;
}

#define WITH(member, value, want)					\
	({								\
		struct virtio_msg_lb_setup with;			\
		lb_setup_init(&with, -1);				\
		with.member = (value);					\
		refused(#member " " #value, VIRTIO_MSG_LB_SETUP, &with,	\
			want);						\
	})

static bool accepted(const char *what, unsigned long cmd, void *arg)
{
	int fd = lb_open(0);
	bool good = is_errno(what, ioctl(fd, cmd, arg), 0);
	struct virtio_msg_lb_setup setup;

	memcpy(&setup, arg, sizeof(setup));
	if (good)
		good = lb_exists(setup.bus_num) && setup.pool_fd >= 0;
	close(fd);
	if (good)
		good = !lb_exists(setup.bus_num);
	if (!good)
		note("%s: no bus, or it stays", what);
	return good;
}

#define ACCEPTED(member, value)						\
	({								\
		struct virtio_msg_lb_setup with;			\
		bool well;						\
									\
		lb_setup_init(&with, -1);				\
		with.member = (value);					\
		well = accepted(#member " " #value, VIRTIO_MSG_LB_SETUP, &with); \
		close(with.pool_fd);					\
		well;							\
	})

static void test_setup_fields(void)
{
	bool good;
	int i;

	good = WITH(flags, 1, EINVAL) & WITH(flags, 1u << 31, EINVAL);
	good &= WITH(pool_addr, 4096, EINVAL) & WITH(bus_num, 1, EINVAL);
	for (i = 0; i < 5; i++)
		good &= WITH(reserved[i], 1, EINVAL);
	ok(good, "setup: flags, output and reserved fields are not zero");

	good = WITH(revision, 0, EOPNOTSUPP) & WITH(revision, 2, EOPNOTSUPP);
	good &= WITH(features, 2, EOPNOTSUPP) & WITH(features, 1ULL << 63, EOPNOTSUPP);
	ok(good, "setup: unknown revision or feature");

	good = WITH(max_msg_size, 0, EMSGSIZE) & WITH(max_msg_size, 51, EMSGSIZE) &
	       WITH(max_msg_size, 65536, EMSGSIZE) &
	       ACCEPTED(max_msg_size, 52) & ACCEPTED(max_msg_size, 65535);
	ok(good, "setup: limits of the message size");

	good = WITH(timeout_ms, 1, EINVAL) & WITH(timeout_ms, 9, EINVAL) &
	       WITH(timeout_ms, 60001, EINVAL) & WITH(timeout_ms, 0xffffffff, EINVAL) &
	       ACCEPTED(timeout_ms, 10) & ACCEPTED(timeout_ms, 60000);
	ok(good, "setup: limits of the timeout");

	good = WITH(pool_size, 0, ENOSPC) & WITH(pool_size, 0xf000, ENOSPC) &
	       WITH(pool_size, 0x10001, ENOSPC) & WITH(pool_size, LB_POOL + 512, ENOSPC) &
	       WITH(pool_size, 0x40001000, ENOSPC) &
	       WITH(pool_size, 0xfffffffffffff000, ENOSPC) &
	       ACCEPTED(pool_size, 0x10000);
	ok(good, "setup: limits of the pool's size");
}

static void test_setup_sizes(void)
{
	union {
		struct virtio_msg_lb_setup setup;
		uint8_t bytes[sizeof(struct virtio_msg_lb_setup) + SURPLUS];
	} u = {};
	unsigned long cmd = resized(VIRTIO_MSG_LB_SETUP, sizeof(u));
	bool good;

	lb_setup_init(&u.setup, -1);
	good = refused("size of the command", cmd, &u, EINVAL);
	u.setup.size = sizeof(u);
	good &= refused("size", VIRTIO_MSG_LB_SETUP, &u, EINVAL);
	u.bytes[sizeof(u) - 1] = 1;
	good &= refused("surplus", cmd, &u, E2BIG);
	u.bytes[sizeof(u) - 1] = 0;
	good &= accepted("surplus of zeros", cmd, &u);
	close(u.setup.pool_fd);

	lb_setup_init(&u.setup, -1);
	u.setup.size = 4;
	good &= refused("4 bytes", resized(VIRTIO_MSG_LB_SETUP, 4), &u, ANY_ERRNO);
	u.setup.size = 3;
	good &= refused("3 bytes", resized(VIRTIO_MSG_LB_SETUP, 3), &u, EINVAL);
	good &= refused("NULL", VIRTIO_MSG_LB_SETUP, NULL, EFAULT);
	ok(good, "setup: sizes of the structure");
}

static bool refused_fd(const char *what, int fd, uint64_t size, int want)
{
	struct virtio_msg_lb_setup setup;
	bool good;

	if (fd < 0) {
		note("%s: cannot make it: %s", what, strerror(errno));
		return false;
	}
	lb_setup_init(&setup, fd);
	setup.pool_size = size;
	good = refused(what, VIRTIO_MSG_LB_SETUP, &setup, want);
	close(fd);
	return good;
}

static int reopened(int fd, int flags)
{
	char path[32];
	int again;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, flags);
	close(fd);
	return again;
}

static void test_setup_memfd(void)
{
	struct virtio_msg_lb_setup setup;
	int fd, pipes[2];
	bool good;

	lb_setup_init(&setup, 1000);
	good = refused("not open", VIRTIO_MSG_LB_SETUP, &setup, EBADF);
	setup.pool_fd = -2;
	good &= refused("-2", VIRTIO_MSG_LB_SETUP, &setup, EINVAL);
	good &= refused_fd("null", open("/dev/null", O_RDWR), LB_POOL, EINVAL);
	good &= refused_fd("itself", lb_open(0), LB_POOL, EINVAL);
	good &= refused_fd("folder", open("/", O_RDONLY), LB_POOL, EINVAL);
	good &= refused_fd("eventfd", eventfd(0, 0), LB_POOL, EINVAL);
	if (!pipe(pipes))
		good &= refused_fd("pipe", pipes[1], LB_POOL, EINVAL);
	close(pipes[0]);
	ok(good, "setup: the pool is not a memfd");

	fd = memfd_create("huge", MFD_ALLOW_SEALING | MFD_HUGETLB);
	good = fd < 0 || (!fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) &&
			  refused_fd("hugetlb", fd, 0x200000, EINVAL));
	ok(good, "setup: the pool is of huge pages");

	good = refused_fd("unsealed", lb_memfd(LB_POOL, 0), 0, EPERM);
	good &= refused_fd("grow", lb_memfd(LB_POOL, F_SEAL_GROW), 0, EPERM);
	ok(good, "setup: the memfd is not sealed against shrinking");

	/* The kernel would write to it all the same. */
	good = refused_fd("write", lb_memfd(LB_POOL, F_SEAL_SHRINK | F_SEAL_WRITE), 0, EPERM);
	good &= refused_fd("future write", lb_memfd(LB_POOL, F_SEAL_SHRINK | F_SEAL_FUTURE_WRITE),
			   0, EPERM);
	ok(good, "setup: the memfd is sealed against writing");

	good = refused_fd("read only", reopened(lb_memfd(LB_POOL, F_SEAL_SHRINK), O_RDONLY),
			  0, EINVAL);
	good &= refused_fd("write only", reopened(lb_memfd(LB_POOL, F_SEAL_SHRINK), O_WRONLY),
			   0, EINVAL);
	good &= refused_fd("path only", reopened(lb_memfd(LB_POOL, F_SEAL_SHRINK), O_PATH),
			   0, EBADF);
	ok(good, "setup: the memfd is not open for reading and writing");

	good = refused_fd("small", lb_memfd(0xf000, F_SEAL_SHRINK), 0, ENOSPC);
	good &= refused_fd("empty", lb_memfd(0, F_SEAL_SHRINK), 0, ENOSPC);
	good &= refused_fd("beyond", lb_memfd(LB_POOL, F_SEAL_SHRINK), LB_POOL + 4096, ENOSPC);
	good &= refused_fd("odd", lb_memfd(LB_POOL + 1, F_SEAL_SHRINK), 0, ENOSPC);
	good &= refused_fd("odd size", lb_memfd(LB_POOL, F_SEAL_SHRINK), LB_POOL - 512, ENOSPC);
	ok(good, "setup: the memfd has the wrong size");
}

static void test_setup_twice(void)
{
	struct virtio_msg_lb_setup setup;
	struct lb lb;
	bool good;

	good = lb_start(&lb, 0) && lb_no_devices(&lb);
	lb_setup_init(&setup, -1);
	good = good && is_errno("again", ioctl(lb.fd, VIRTIO_MSG_LB_SETUP, &setup), EBUSY) &&
	       lb_alive(&lb);
	lb_stop(&lb);
	ok(good, "setup a second time");
}

/*
 * Frames
 */

/* Refused, counted once, and the bus answers. */
static bool bad_frame(struct lb *lb, const char *what, const void *frame,
		      size_t size, int want)
{
	long before = lb_statistic(lb, "malformed") + lb_statistic(lb, "unexpected");
	long after;
	int got;

	got = lb_send(lb, frame, size);
	after = lb_statistic(lb, "malformed") + lb_statistic(lb, "unexpected");
	if (got != want)
		note("%s: %s, not %s", what, strerror(got), strerror(want));
	/* More than the bus allows is not even copied. */
	if (after - before != 1 && size <= VIRTIO_MSG_RECOMMENDED_SIZE && want != EFAULT)
		note("%s: counted %ld times", what, after - before);
	else if (got == want)
		return lb_alive(lb);
	return false;
}

static bool bad_message(struct lb *lb, int type, int id, int dev_num, int token,
			size_t size, int want)
{
	uint8_t payload[LB_FRAME] = {}, frame[LB_FRAME];
	char what[64];

	snprintf(what, sizeof(what), "type %d id 0x%02x dev %d token 0x%x size %zu",
		 type, id, dev_num, token, size);
	return bad_frame(lb, what, frame,
			 lb_frame(frame, type, id, dev_num, token, payload, size), want);
}

static void test_short_frames(struct lb *lb)
{
	static const struct {
		uint8_t type, id, size;
	} least[] = {
		{ 0, VIRTIO_MSG_EVENT_CONFIG, 16 },
		{ 0, VIRTIO_MSG_EVENT_USED, 4 },
		{ VIRTIO_MSG_TYPE_BUS, VIRTIO_MSG_BUS_PING, 4 },
		{ VIRTIO_MSG_TYPE_BUS, VIRTIO_MSG_BUS_EVENT_DEVICE, 4 },
	};
	uint8_t frame[LB_FRAME] = {};
	bool good = true;
	size_t i, size;

	for (size = 0; size < 8; size++)
		good &= bad_frame(lb, "shorter than a header", frame, size, EMSGSIZE);
	ok(good, "frame shorter than 8 bytes");

	lb_frame(frame, VIRTIO_MSG_TYPE_BUS, VIRTIO_MSG_BUS_PING, 0, 0, NULL, 0);
	for (good = true, size = 0; size < 8; size++) {
		frame[6] = size;
		good &= bad_frame(lb, "msg_size below 8", frame, 12, EMSGSIZE);
	}
	frame[6] = 13;
	good &= bad_frame(lb, "msg_size above the bytes", frame, 12, EMSGSIZE);
	frame[6] = 0xff;
	frame[7] = 0xff;
	good &= bad_frame(lb, "msg_size above all", frame, 12, EMSGSIZE);
	ok(good, "frame shorter than its msg_size");

	lb_frame(frame, VIRTIO_MSG_TYPE_BUS, VIRTIO_MSG_BUS_PING, 0, 0, frame + 512,
		 VIRTIO_MSG_RECOMMENDED_SIZE + 1 - 8);
	good = bad_frame(lb, "both above", frame, VIRTIO_MSG_RECOMMENDED_SIZE + 1, EMSGSIZE);
	good &= bad_frame(lb, "msg_size above", frame, VIRTIO_MSG_RECOMMENDED_SIZE, EMSGSIZE);
	lb_frame(frame, VIRTIO_MSG_TYPE_BUS, VIRTIO_MSG_BUS_PING, 0, 0, frame + 512, 4);
	good &= bad_frame(lb, "bytes above", frame, VIRTIO_MSG_RECOMMENDED_SIZE + 1, EMSGSIZE);
	ok(good, "frame above the limit");

	for (good = true, i = 0; i < ARRAY_SIZE(least); i++) {
		for (size = 0; size < least[i].size; size++)
			good &= bad_message(lb, least[i].type, least[i].id, 0, 0, size, EMSGSIZE);
	}
	ok(good, "frame shorter than its message");
}

static void test_wrong_frames(struct lb *lb)
{
	static const uint8_t ids[] = { 0, 1, 0x0d, 0x3f, 0x43, 0x7f, 0x80, 0xc0, 0xff };
	struct virtio_msg_event_device event = {};
	static const uint16_t states[] = { 0, 3, 0x7fff, 0x8000, 0xffff };
	uint8_t frame[LB_FRAME];
	bool good = true;
	size_t i, size;
	int id;

	for (i = 0; i < ARRAY_SIZE(ids); i++) {
		good &= bad_message(lb, 0, ids[i], 0, 0, 44, EBADMSG);
		good &= bad_message(lb, VIRTIO_MSG_TYPE_BUS, ids[i], 0, 0, 44, EBADMSG);
	}
	ok(good, "message that does not exist");

	for (good = true, id = VIRTIO_MSG_GET_DEVICE_INFO; id <= VIRTIO_MSG_GET_SHM; id++)
		good &= bad_message(lb, 0, id, 0, 0, 44, EBADMSG);
	good &= bad_message(lb, 0, VIRTIO_MSG_EVENT_AVAIL, 0, 0, 8, EBADMSG);
	good &= bad_message(lb, VIRTIO_MSG_TYPE_BUS, VIRTIO_MSG_BUS_GET_DEVICES, 0, 0, 4, EBADMSG);
	ok(good, "message of the driver side");

	for (good = true, id = 0; id < 0x42; id++) {
		good &= bad_message(lb, VIRTIO_MSG_TYPE_RESPONSE, id, 0, 0, 44, ENOENT);
		good &= bad_message(lb, VIRTIO_MSG_TYPE_RESPONSE, id, 7, 0x41, 44, ENOENT);
	}
	good &= bad_message(lb, 3, VIRTIO_MSG_BUS_GET_DEVICES, 0, 0x40, 6, ENOENT);
	good &= bad_message(lb, 3, VIRTIO_MSG_BUS_PING, 0, 0, 4, ENOENT);
	ok(good, "response that nobody waits for");

	good = bad_message(lb, 0, VIRTIO_MSG_EVENT_CONFIG, 0, 0, 16, ENODEV) &
	       bad_message(lb, 0, VIRTIO_MSG_EVENT_CONFIG, 65535, 0, 16, ENODEV) &
	       bad_message(lb, 0, VIRTIO_MSG_EVENT_USED, 1, 0, 4, ENODEV);
	ok(good, "event of a device that there is not");

	for (good = true, i = 0; i < ARRAY_SIZE(states); i++) {
		event.state = htole16(states[i]);
		size = lb_frame(frame, VIRTIO_MSG_TYPE_BUS, VIRTIO_MSG_BUS_EVENT_DEVICE, 0, 0,
				&event, sizeof(event));
		good &= bad_frame(lb, "state of a device", frame, size, EBADMSG);
	}
	good &= same("removed unknown", lb_event_device(lb, 5, VIRTIO_MSG_DEVICE_REMOVED), 0) &&
		lb_alive(lb);
	ok(good, "state of a device that there is not");

	good = bad_frame(lb, "unreadable", nowhere, 12, EFAULT) & lb_alive(lb);
	ok(good, "frame that cannot be read");
}

/* Whatever the bytes are: no answer, no harm. */
static void test_fuzz(struct lb *lb)
{
	alignas(8) uint8_t frame[LB_FRAME];
	struct virtio_msg_hdr *hdr = (void *)frame;
	unsigned int taken = 0, i, j;
	size_t size;

	srand(1);
	for (i = 0; i < FUZZ_FRAMES; i++) {
		size = rand() % (VIRTIO_MSG_RECOMMENDED_SIZE + 8);
		for (j = 0; j < sizeof(frame); j++)
			frame[j] = rand() >> 8;
		hdr->type &= i % 4 ? 3 : 0xff;
		if (i % 2)
			hdr->msg_id &= 0x4f;
		if (i % 3)
			hdr->msg_size = htole16(size);
		/* That would make devices, which is not wrong. */
		if ((hdr->type & 2) && hdr->msg_id == VIRTIO_MSG_BUS_EVENT_DEVICE)
			continue;
		taken += !lb_send(lb, frame, size);
	}
	note("%u of %u random frames were taken", taken, FUZZ_FRAMES);
	ok(lb_alive(lb), "random frames");
}

/*
 * Reading
 */

static void test_read(struct lb *lb)
{
	uint32_t data = htole32(0xbadcafe);
	uint8_t ping[LB_FRAME], frame[LB_FRAME] = {};
	struct pollfd p = { .fd = lb->fd, .events = POLLIN | POLLOUT };
	size_t size;
	bool good;

	fcntl(lb->fd, F_SETFL, O_NONBLOCK);
	good = is_errno("empty", read(lb->fd, frame, sizeof(frame)), EAGAIN);
	good &= same("poll", poll(&p, 1, 0), 1) & same("events", p.revents, POLLOUT);
	ok(good, "nothing to read");

	size = lb_frame(ping, VIRTIO_MSG_TYPE_BUS, VIRTIO_MSG_BUS_PING, 0, 0, &data, sizeof(data));
	good = !lb_send(lb, ping, size);
	p.events = POLLIN;
	good &= same("poll", poll(&p, 1, LB_WAIT), 1) & same("events", p.revents, POLLIN);
	good &= is_errno("0 bytes", read(lb->fd, frame, 0), EMSGSIZE);
	good &= is_errno("11 bytes", read(lb->fd, frame, size - 1), EMSGSIZE);
	good &= same("first byte", frame[0], 0);
	good &= same("12 bytes", read(lb->fd, frame, size), size);
	ping[0] |= VIRTIO_MSG_TYPE_RESPONSE;
	good &= same("content", memcmp(frame, ping, size), 0);
	good &= is_errno("empty", read(lb->fd, frame, sizeof(frame)), EAGAIN);
	ok(good, "a buffer too small keeps the frame");

	ping[0] &= ~VIRTIO_MSG_TYPE_RESPONSE;
	good = !lb_send(lb, ping, size) && same("poll", poll(&p, 1, LB_WAIT), 1) &&
	       is_errno("unwritable", read(lb->fd, nowhere, 64), EFAULT);
	fcntl(lb->fd, F_SETFL, 0);
	ok(good && lb_alive(lb), "a buffer that cannot be written");
}

struct reader {
	int fd;
	ssize_t ret;
	int error;
	atomic_bool done;
};

static void *reader(void *arg)
{
	struct reader *r = arg;
	uint8_t frame[LB_FRAME];

	r->ret = read(r->fd, frame, sizeof(frame));
	r->error = errno;
	r->done = true;
	return NULL;
}

static void on_signal(int sig)
{
	(void)sig;
}

static bool until_gone(unsigned int num)
{
	int turns;

	for (turns = 0; turns < LB_WAIT / 10 && lb_exists(num); turns++)
		usleep(10000);
	return !lb_exists(num);
}

/* A read that waits has the file, so the bus lives until it ends. */
static void test_close_in_read(void)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct reader r = {};
	pthread_t thread;
	struct lb lb;
	bool good;
	int turns;

	sigaction(SIGUSR1, &action, NULL);
	good = lb_start(&lb, 0) && lb_no_devices(&lb);
	r.fd = lb.fd;
	pthread_create(&thread, NULL, reader, &r);
	usleep(50000);
	good &= same("done", r.done, false);
	close(lb.fd);
	good &= same("exists", lb_exists(lb.num), true);
	for (turns = 0; turns < LB_WAIT / 10 && !r.done; turns++) {
		pthread_kill(thread, SIGUSR1);
		usleep(10000);
	}
	pthread_join(thread, NULL);
	good &= same("read", r.ret, -1) & same("errno", r.error, EINTR);
	good &= same("gone", until_gone(lb.num), true);
	munmap(lb.pool, LB_POOL);
	close(lb.memfd);
	ok(good, "close while another thread reads");
}

static void test_last_close(void)
{
	int fd, pipes[2], status;
	struct lb lb;
	bool good;
	pid_t pid;
	char c;

	good = lb_start(&lb, 0) && lb_no_devices(&lb);
	fd = dup(lb.fd);
	close(lb.fd);
	lb.fd = fd;
	good &= same("after dup", lb_alive(&lb), true);

	if (pipe(pipes))
		return;
	pid = fork();
	if (!pid) {
		close(pipes[1]);
		/* Until the parent has closed its own. */
		status = read(pipes[0], &c, 1) != 1 || !lb_alive(&lb);
		_exit(status);
	}
	close(pipes[0]);
	close(lb.fd);
	good &= same("after close", lb_exists(lb.num), true);
	good &= same("go", write(pipes[1], "x", 1), 1);
	waitpid(pid, &status, 0);
	good &= same("child", status, 0);
	good &= same("gone", until_gone(lb.num), true);
	close(pipes[1]);
	munmap(lb.pool, LB_POOL);
	close(lb.memfd);
	ok(good, "dup and fork keep the bus until the last close");
}

/* What a program keeps mapped is emptied, and nobody's any more. */
static void test_pool_taken_away(void)
{
	struct stat st;
	struct lb lb;
	bool good;
	size_t i;

	good = lb_start(&lb, 0) && lb_no_devices(&lb);
	memset(lb.pool, 0x5a, LB_POOL);
	good &= is_errno("shrink", ftruncate(lb.memfd, 4096), EPERM);
	close(lb.fd);
	good &= same("gone", until_gone(lb.num), true);
	good &= same("fstat", fstat(lb.memfd, &st), 0) & same("blocks", st.st_blocks, 0) &
		same("size", st.st_size, LB_POOL);
	for (i = 0; i < LB_POOL && !lb.pool[i]; i++)
		;
	good &= same("zeros", i, LB_POOL);
	memset(lb.pool, 1, LB_POOL);
	munmap(lb.pool, LB_POOL);
	close(lb.memfd);
	ok(good, "the pool is emptied at the end");
}

/*
 * Answers
 */

static bool next_is(struct lb *lb, uint8_t *frame, int type, int id)
{
	if (!lb_recv(lb, frame, LB_WAIT))
		note("no message 0x%02x came", id);
	else if (frame[0] != type || frame[1] != id)
		note("message %d 0x%02x came, not %d 0x%02x", frame[0], frame[1], type, id);
	else
		return true;
	return false;
}

/* Everything but the right answer, then that one, then that one again. */
static void test_answers(void)
{
	struct virtio_msg_device_info none = {};
	uint8_t frame[LB_FRAME], bad[LB_FRAME];
	struct lb lb;
	bool good;

	good = lb_start(&lb, 0) && lb_no_devices(&lb) &&
	       same("added", lb_event_device(&lb, 3, VIRTIO_MSG_DEVICE_ADDED), 0) &&
	       next_is(&lb, frame, 0, VIRTIO_MSG_GET_DEVICE_INFO) &&
	       same("device", frame[2], 3);
	if (!good)
		goto out;

	memcpy(bad, frame, 8);
	bad[4] ^= 0x40;
	good &= same("token", lb_answer(&lb, bad, &none, sizeof(none)), ENOENT);
	memcpy(bad, frame, 8);
	bad[5] ^= 0x01;
	good &= same("token", lb_answer(&lb, bad, &none, sizeof(none)), ENOENT);
	memcpy(bad, frame, 8);
	bad[2] = 4;
	good &= same("device", lb_answer(&lb, bad, &none, sizeof(none)), ENOENT);
	memcpy(bad, frame, 8);
	bad[1] = VIRTIO_MSG_GET_VQUEUE;
	good &= same("message", lb_answer(&lb, bad, &none, sizeof(none)), ENOENT);
	memcpy(bad, frame, 8);
	bad[0] = VIRTIO_MSG_TYPE_BUS;
	good &= same("bus", lb_answer(&lb, bad, &none, sizeof(none)), ENOENT);
	good &= same("short", lb_answer(&lb, frame, &none, sizeof(none) - 1), EMSGSIZE);
	good &= same("responses", lb_statistic(&lb, "responses"), 1);
	good &= lb_alive(&lb);
	good &= same("right", lb_answer(&lb, frame, &none, sizeof(none)), 0);
	good &= same("twice", lb_answer(&lb, frame, &none, sizeof(none)), ENOENT);
	good &= same("responses", lb_statistic(&lb, "responses"), 2);
	good &= same("timeouts", lb_statistic(&lb, "timeouts"), 0);
	good &= lb_alive(&lb);
out:
	lb_stop(&lb);
	ok(good, "wrong, malformed and duplicate answers");
}

static void test_silence(void)
{
	struct virtio_msg_get_devices_resp resp = {};
	uint8_t frame[LB_FRAME];
	struct lb lb;
	bool good;
	int turns;

	good = lb_start(&lb, 50) && next_is(&lb, frame, 2, VIRTIO_MSG_BUS_GET_DEVICES);
	for (turns = 0; turns < LB_WAIT / 10 && !lb_statistic(&lb, "timeouts"); turns++)
		usleep(10000);
	good = good && same("timeouts", lb_statistic(&lb, "timeouts"), 1) &&
	       same("late", lb_answer(&lb, frame, &resp, sizeof(resp)), ENOENT) &&
	       same("unexpected", lb_statistic(&lb, "unexpected"), 1) && lb_alive(&lb) &&
	       same("added", lb_event_device(&lb, 0, VIRTIO_MSG_DEVICE_ADDED), 0) &&
	       next_is(&lb, frame, 0, VIRTIO_MSG_GET_DEVICE_INFO);
	lb_stop(&lb);
	ok(good, "a late answer, and discovery by announcement after it");
}

/* Lists of devices that are wrong in themselves end the discovery only. */
static void test_lists(void)
{
	static const uint16_t lists[][3] = {
		{ 1, 0, 0 },		/* another offset */
		{ 0, 0, 0xffff },	/* more than was asked for, and bytes missing */
		{ 0, 4, 8 },		/* goes on before its own end */
	};
	uint8_t frame[LB_FRAME], payload[128] = {};
	struct lb lb;
	bool good = true;
	size_t i, j;
	int ret;

	for (i = 0; i < ARRAY_SIZE(lists); i++) {
		good &= lb_start(&lb, 100) && next_is(&lb, frame, 2, VIRTIO_MSG_BUS_GET_DEVICES);
		for (j = 0; j < 3; j++) {
			payload[2 * j] = lists[i][j];
			payload[2 * j + 1] = lists[i][j] >> 8;
		}
		memset(payload + 6, 0xff, 8);
		ret = lb_answer(&lb, frame, payload, 14);
		good &= same("answer", ret, i == 1 ? EMSGSIZE : 0) & lb_alive(&lb);
		good &= same("added", lb_event_device(&lb, 0, VIRTIO_MSG_DEVICE_ADDED), 0) &&
			next_is(&lb, frame, 0, VIRTIO_MSG_GET_DEVICE_INFO);
		lb_stop(&lb);
	}
	ok(good, "lists of devices that make no sense");
}

/* Device information that no device can have: it is left out, others work. */
static void test_information(void)
{
	static const struct virtio_msg_device_info infos[] = {
		{ .device_id = 0 },
		{ .device_id = 4, .max_virtqueues = 65537 },
		{ .device_id = 4, .max_virtqueues = 1, .admin_vq_count = 2 },
		{ .device_id = 4, .max_virtqueues = 2, .admin_vq_start = 2, .admin_vq_count = 1 },
		{ .device_id = 4, .max_virtqueues = 2, .admin_vq_start = 0xffffffff,
		  .admin_vq_count = 2 },
	};
	uint8_t frame[LB_FRAME];
	struct lb lb;
	bool good;
	size_t i;

	good = lb_start(&lb, 0) && lb_no_devices(&lb);
	for (i = 0; good && i < ARRAY_SIZE(infos); i++) {
		good = same("added", lb_event_device(&lb, i, VIRTIO_MSG_DEVICE_ADDED), 0) &&
		       next_is(&lb, frame, 0, VIRTIO_MSG_GET_DEVICE_INFO) &&
		       same("answer", lb_answer(&lb, frame, &infos[i], sizeof(infos[i])), 0) &&
		       lb_alive(&lb);
	}
	lb_stop(&lb);
	ok(good, "device information that makes no sense");
}

/*
 * A device
 */

static bool is_up(struct lb *lb, struct lb_dev *dev)
{
	(void)lb;
	return (dev->status & DRIVER_OK) && dev->kicks;
}

static bool dev_start(struct lb *lb, struct lb_dev *dev, unsigned int num)
{
	*dev = (struct lb_dev) {
		.num = num,
		.id = ID_RNG,
		.features = FEATURES,
		.num_vqs = 1,
		.max_size = 8,
	};
	return lb_start(lb, 0) && lb_no_devices(lb) &&
	       same("added", lb_event_device(lb, num, VIRTIO_MSG_DEVICE_ADDED), 0);
}

static bool queue(struct lb *lb, const char *what, struct virtio_msg_lb_queue arg, int want)
{
	arg.size = sizeof(arg);
	return is_errno(what, ioctl(lb->fd, VIRTIO_MSG_LB_QUEUE, &arg), want);
}

static void test_queue(void)
{
	union {
		struct virtio_msg_lb_queue q;
		uint8_t bytes[sizeof(struct virtio_msg_lb_queue) + SURPLUS];
	} u = {};
	struct virtio_msg_lb_queue q = { .dev_num = 5, .kick_fd = -1, .used_fd = -1 }, a;
	uint8_t frame[LB_FRAME];
	struct lb_dev dev;
	uint32_t index = 0;
	struct lb lb;
	size_t size;
	bool good;
	int event;

	good = dev_start(&lb, &dev, 5) && lb_dev_run(&lb, &dev, is_up);
	event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	good &= queue(&lb, "none", q, 0);
#define BAD(member, value, want)					\
	({								\
		struct virtio_msg_lb_queue bad = q;			\
		bad.member = (value);					\
		queue(&lb, #member " " #value, bad, want);		\
	})
	good &= BAD(dev_num, 4, ENODEV) & BAD(dev_num, 65541, ENODEV) &
		BAD(dev_num, 0xffffffff, ENODEV) & BAD(index, 1, EINVAL) &
		BAD(index, 65536, EINVAL) & BAD(index, 0xffffffff, EINVAL) &
		BAD(flags, 1, EINVAL) & BAD(reserved[0], 1, EINVAL) & BAD(reserved[1], 1, EINVAL);
	ok(good && lb_alive(&lb), "queue: device number, index, reserved fields");

	good = BAD(kick_fd, -2, EINVAL) & BAD(used_fd, -2, EINVAL) &
	       BAD(kick_fd, 1000, EBADF) & BAD(used_fd, 1000, EBADF) &
	       BAD(kick_fd, lb.memfd, EINVAL) & BAD(used_fd, lb.memfd, EINVAL) &
	       BAD(kick_fd, lb.fd, EINVAL) & BAD(used_fd, lb.fd, EINVAL);
	a = q;
	a.kick_fd = event;
	a.used_fd = lb.memfd;
	good &= queue(&lb, "one of two", a, EINVAL);
	a.used_fd = event;
	good &= queue(&lb, "the same for both", a, 0) & queue(&lb, "taken back", q, 0);
	ok(good && lb_alive(&lb), "queue: not eventfds");

	u.q = q;
	u.q.size = sizeof(u);
	good = is_errno("larger", ioctl(lb.fd, resized(VIRTIO_MSG_LB_QUEUE, sizeof(u)), &u), 0);
	u.bytes[sizeof(u) - 1] = 1;
	good &= is_errno("surplus", ioctl(lb.fd, resized(VIRTIO_MSG_LB_QUEUE, sizeof(u)), &u),
			 E2BIG);
	good &= is_errno("size", ioctl(lb.fd, VIRTIO_MSG_LB_QUEUE, &u), EINVAL);
	ok(good && lb_alive(&lb), "queue: sizes of the structure");

	size = lb_frame(frame, 0, VIRTIO_MSG_EVENT_USED, 5, 0, &index, sizeof(index));
	good = same("event", lb_send(&lb, frame, size), 0) && lb_alive(&lb);
	frame[8] = 1;
	good &= bad_frame(&lb, "event of another queue", frame, size, EINVAL);
	lb_stop(&lb);
	close(event);
	ok(good, "events of a queue that has used nothing, and of none");
}

static bool asked_once(struct lb *lb, struct lb_dev *dev)
{
	return dev->infos && lb_alive(lb);
}

static void test_duplicates(void)
{
	struct lb_dev dev;
	struct lb lb;
	bool good;
	int i;

	good = dev_start(&lb, &dev, 9);
	for (i = 0; i < 5; i++)
		good &= same("added", lb_event_device(&lb, 9, VIRTIO_MSG_DEVICE_ADDED), 0);
	good = good && lb_dev_run(&lb, &dev, is_up);
	for (i = 0; i < 5; i++)
		good &= same("added", lb_event_device(&lb, 9, VIRTIO_MSG_DEVICE_ADDED), 0);
	good = good && lb_dev_run(&lb, &dev, asked_once);
	good &= same("GET_DEVICE_INFO", dev.infos, 1);
	for (i = 0; i < 5; i++)
		good &= same("removed", lb_event_device(&lb, 9, VIRTIO_MSG_DEVICE_REMOVED), 0);
	/* Nothing is sent to it any more, unless it comes back. */
	good = good && lb_alive(&lb);
	dev.kicks = 0;
	dev.status = 0;
	good = good && same("added", lb_event_device(&lb, 9, VIRTIO_MSG_DEVICE_ADDED), 0) &&
	       lb_dev_run(&lb, &dev, is_up) && same("GET_DEVICE_INFO", dev.infos, 2);
	lb_stop(&lb);
	ok(good, "devices announced and called back several times");
}

int main(void)
{
	struct lb lb;

	plan(TESTS);
	nowhere = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	test_no_bus();
	test_ioctl();
	test_setup_fields();
	test_setup_sizes();
	test_setup_memfd();
	test_setup_twice();
	if (!lb_start(&lb, 0) || !lb_no_devices(&lb))
		return 1;
	test_short_frames(&lb);
	test_wrong_frames(&lb);
	test_fuzz(&lb);
	test_read(&lb);
	lb_stop(&lb);
	test_close_in_read();
	test_last_close();
	test_pool_taken_away();
	test_answers();
	test_silence();
	test_lists();
	test_information();
	test_queue();
	test_duplicates();
	return finish();
}
