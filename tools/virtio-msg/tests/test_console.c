// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * libvmsg tests: a console and ports. The test is both the driver and who is at
 * the other side of the FIFOs, sockets, files and terminals.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>
#include <linux/virtio_console.h>

#include "spec.h"

#define PORTS	(VMSG_BIT(VIRTIO_CONSOLE_F_MULTIPORT) |			\
		 VMSG_BIT(VIRTIO_CONSOLE_F_SIZE))
#define CONTROL	((uint32_t)sizeof(struct virtio_console_control))
#define ROOM	64u
/* A terminal of this machine's kernel takes some time; never so much. */
#define PATIENCE_MS	10000
/* What a FIFO of Linux takes, and what a console keeps beyond that. */
#define PIPE	0x10000u
#define KEEPS	0x100000u

static char dir[32];

struct con {
	struct bench b;
	/* Two of each port; the control queues are 2 and 3. */
	struct ring rings[10];
	/* The next buffer that is given, and the next that comes back. */
	unsigned int given[10];
	unsigned int taken[10];
};

static void con_run(struct con *c, unsigned int num_rings, uint64_t features)
{
	memset(c->given, 0, sizeof(c->given));
	memset(c->taken, 0, sizeof(c->taken));
	spec_run(&c->b, c->rings, num_rings, features);
}

/* A device; D in @text is the folder. */
static void con_open(struct con *c, const char *text, unsigned int num_rings,
		     uint64_t features)
{
	char real[512] = "";
	const char *rest;

	while ((rest = strchr(text, 'D'))) {
		strncat(real, text, rest - text);
		strcat(real, dir);
		text = rest + 1;
	}
	strcat(real, text);
	spec_listen();
	spec_open(&c->b, "console", real);
	spec_listened();
	con_run(c, num_rings, features);
}

static const char *path(const char *name)
{
	static char text[128];

	snprintf(text, sizeof(text), "%s/%s", dir, name);
	return text;
}

static int path_open(const char *name)
{
	return open(path(name), O_RDWR | O_NONBLOCK | O_CLOEXEC);
}

static int path_connect(const char *name)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	memcpy(addr.sun_path, path(name), strlen(path(name)));
	return connect(fd, (struct sockaddr *)&addr, sizeof(addr)) ? -1 : fd;
}

static bool says(struct con *c, int fd, const char *text)
{
	ssize_t len = write(fd, text, strlen(text));

	bench_run(&c->b);
	return len == (ssize_t)strlen(text);
}

static bool hears(struct con *c, int fd, const char *text)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	char buf[256] = "";

	bench_run(&c->b);
	poll(&poll_fd, 1, PATIENCE_MS);
	return read(fd, buf, sizeof(buf)) == (ssize_t)strlen(text) &&
	       !memcmp(buf, text, strlen(text));
}

static size_t drain(struct con *c, int fd)
{
	static char buf[PIPE];
	size_t sum = 0;
	ssize_t len;

	bench_run(&c->b);
	while ((len = read(fd, buf, sizeof(buf))) > 0) {
		sum += len;
		bench_run(&c->b);
	}
	return sum;
}

/* Room for the device to write to, of @len bytes. */
static void give(struct con *c, unsigned int index, uint32_t len)
{
	uint64_t addr = IN + 0x10000 * index + ROOM * (c->given[index]++ % 16);

	memset(bench_ptr(&c->b, addr), 0xee, ROOM);
	ring_add(&c->rings[index], &(struct seg){ addr, len, WRITE }, 1, false);
	ring_kick(&c->rings[index]);
}

/* What it has written to the next one, NULL = nothing. */
static const void *got(struct con *c, unsigned int index, uint32_t *len)
{
	uint32_t id;

	bench_run(&c->b);
	if (!ring_used(&c->rings[index], &id, len))
		return NULL;
	return bench_ptr(&c->b, IN + 0x10000 * index +
				ROOM * (c->taken[index]++ % 16));
}

static bool got_text(struct con *c, unsigned int index, const char *text)
{
	uint32_t len;
	const void *bytes = got(c, index, &len);

	return bytes && len == strlen(text) && !memcmp(bytes, text, len);
}

/* The same, after a while. */
static bool got_soon(struct con *c, unsigned int index, const char *text)
{
	int ms;

	for (ms = 0; ms < PATIENCE_MS; ms++) {
		if (got_text(c, index, text))
			return true;
		usleep(1000);
	}
	return false;
}

static bool sends(struct con *c, unsigned int index, const char *text)
{
	return !spec_ask(&c->rings[index], text, strlen(text), 0);
}

static bool control(struct con *c, uint32_t port, uint16_t event,
		    uint16_t value)
{
	struct virtio_console_control msg = {
		htole32(port), htole16(event), htole16(value)
	};

	return !spec_ask(&c->rings[3], &msg, CONTROL, 0);
}

/* Is this the next control message? It ends with @len bytes of @data. */
static bool told_more(struct con *c, uint32_t port, uint16_t event,
		      uint16_t value, const void *data, uint32_t data_len)
{
	const struct virtio_console_control *msg;
	uint32_t len;

	msg = got(c, 2, &len);
	return msg && len == CONTROL + data_len && le32toh(msg->id) == port &&
	       le16toh(msg->event) == event && le16toh(msg->value) == value &&
	       !memcmp(msg + 1, data, data_len);
}

static bool told(struct con *c, uint32_t port, uint16_t event, uint16_t value)
{
	return told_more(c, port, event, value, "", 0);
}

static bool told_nothing(struct con *c)
{
	uint32_t len;

	return !got(c, 2, &len);
}

/* The driver opens or closes a port; what is said then is in spec_said. */
static void set_open(struct con *c, uint32_t port, bool open)
{
	spec_listen();
	control(c, port, VIRTIO_CONSOLE_PORT_OPEN, open);
	spec_listened();
}

static bool config_is(struct con *c, uint16_t cols, uint16_t rows)
{
	uint16_t size[2];

	return drv_read_config(&c->b, 0, 0, size, sizeof(size)) &&
	       le16toh(size[0]) == cols && le16toh(size[1]) == rows;
}

static void test_console(void)
{
	struct vmsg_msg msg;
	struct con c;
	int in, out;

	con_open(&c, "fifo=D/a", 2, VMSG_BIT(VIRTIO_CONSOLE_F_SIZE));
	in = path_open("a.in");
	out = path_open("a.out");
	ok(!(drv_offered(&c.b, 0) & VMSG_BIT(VIRTIO_CONSOLE_F_MULTIPORT)),
	   "a console alone has no ports");
	ok(config_is(&c, 80, 25), "its size");
	ok(!spec_tell(&c.b, "resize", "132 43") && config_is(&c, 132, 43) &&
	   bench_get(&c.b, 0, VIRTIO_MSG_EVENT_CONFIG, &msg),
	   "it gets another one");
	ok(spec_tell(&c.b, "resize", "1") == -EINVAL &&
	   spec_tell(&c.b, "resize", "1 70000") == -EINVAL &&
	   spec_tell(&c.b, "resise", "1 1") == -ENOENT && config_is(&c, 132, 43),
	   "sizes that are none");
	ok(sends(&c, 1, "to the host") && hears(&c, out, "to the host"),
	   "out of it");
	ok(says(&c, in, "0123456789"), "into it, and it has no buffers");
	give(&c, 0, 4);
	ok(got_text(&c, 0, "0123"), "as much as there is room for");
	give(&c, 0, ROOM);
	ok(got_text(&c, 0, "456789"), "and the rest");
	give(&c, 0, ROOM);
	ok(says(&c, in, "more") && got_text(&c, 0, "more"), "with a buffer");
	ok(!spec_ask(&c.rings[1], NULL, 0, 4), "nothing out of it");
	give(&c, 0, ROOM);
	drv_set_status(&c.b, 0, 0);
	con_run(&c, 2, 0);
	give(&c, 0, ROOM);
	ok(says(&c, in, "again") && got_text(&c, 0, "again") &&
	   sends(&c, 1, "out") && hears(&c, out, "out"), "after a reset");
	ring_add(&c.rings[0], &(struct seg){ OUT, 8, 0 }, 1, false);
	ring_kick(&c.rings[0]);
	vmsg_log_name = NULL;
	ok(says(&c, in, "text") && drv_status(&c.b, 0) == S_BROKEN,
	   "a buffer without room breaks it");
	bench_close(&c.b);
	close(in);
	close(out);
}

static bool give_all(struct con *c, unsigned int index, size_t num)
{
	for (; num; num -= PIPE / 4) {
		if (spec_ask(&c->rings[index], NULL, PIPE / 4, 0))
			return false;
	}
	return true;
}

/* Nobody takes what comes out. */
static void test_full(void)
{
	struct vmsg_device *dev;
	struct con c;
	uint32_t len;
	size_t sum;
	int out;

	con_open(&c, "fifo=D/b,fifo=D/c", 6, PORTS);
	ok(give_all(&c, 1, 2 * KEEPS), "a console never keeps its driver");
	out = path_open("b.out");
	ok(drain(&c, out) == KEEPS + PIPE, "what is too much is lost");
	ok(sends(&c, 1, "then") && hears(&c, out, "then"), "it goes on");
	close(out);

	out = path_open("c.out");
	ok(give_all(&c, 5, 2 * PIPE), "a port takes some");
	ok(spec_ask(&c.rings[5], NULL, PIPE / 4, 0) == KEPT, "and then no more");
	/* There is room just when the driver kicks, before that is noticed. */
	sum = read(out, bench_ptr(&c.b, IN), PIPE);
	dev = vmsg_bus_find(c.b.bus, 0);
	dev->ops->queue(dev, vmsg_device_vq(dev, 5));
	ok(drain(&c, out) + sum == 2 * PIPE + PIPE / 4, "until there is room");
	ok(ring_used(&c.rings[5], &len, &len), "then the buffer comes back");
	bench_close(&c.b);
	close(out);
}

static void test_ports(void)
{
	struct con c;
	int fd, other;
	int i;

	con_open(&c, "fifo=D/d,socket=D/e,name=org.test,file=D/f,ports=4", 10,
		 PORTS);
	ok(control(&c, 0, VIRTIO_CONSOLE_DEVICE_READY, 1) && told_nothing(&c),
	   "without a buffer nothing is said");
	for (i = 0; i < 4; i++)
		give(&c, 2, ROOM);
	ok(told(&c, 0, VIRTIO_CONSOLE_PORT_ADD, 1) &&
	   told(&c, 1, VIRTIO_CONSOLE_PORT_ADD, 1) &&
	   told(&c, 2, VIRTIO_CONSOLE_PORT_ADD, 1) &&
	   told(&c, 3, VIRTIO_CONSOLE_PORT_ADD, 1) && told_nothing(&c),
	   "4 ports");
	for (i = 0; i < 8; i++)
		give(&c, 2, ROOM);
	ok(control(&c, 0, VIRTIO_CONSOLE_PORT_READY, 1) &&
	   told(&c, 0, VIRTIO_CONSOLE_CONSOLE_PORT, 1) &&
	   told_more(&c, 0, VIRTIO_CONSOLE_RESIZE, 1, "\x50\0\x19", 4) &&
	   told(&c, 0, VIRTIO_CONSOLE_PORT_OPEN, 1) && told_nothing(&c),
	   "the first one is the console");
	ok(control(&c, 1, VIRTIO_CONSOLE_PORT_READY, 1) &&
	   told_more(&c, 1, VIRTIO_CONSOLE_PORT_NAME, 1, "org.test", 8) &&
	   told(&c, 1, VIRTIO_CONSOLE_PORT_OPEN, 0) && told_nothing(&c),
	   "the second one has a name, and nobody is there");
	ok(!spec_tell(&c.b, "resize", "7 3") &&
	   told_more(&c, 0, VIRTIO_CONSOLE_RESIZE, 1, "\7\0\3", 4),
	   "another size");
	ok(sends(&c, 5, "lost"), "nobody gets it");
	fd = path_connect("e");
	ok(fd >= 0 && told(&c, 1, VIRTIO_CONSOLE_PORT_OPEN, 1), "who comes");
	other = path_connect("e");
	bench_run(&c.b);
	ok(read(other, &i, 1) == 0, "one at a time");
	close(other);
	ok(sends(&c, 5, "out") && hears(&c, fd, "out"), "gets what comes then");
	give(&c, 4, ROOM);
	ok(says(&c, fd, "in") && !got_text(&c, 4, "in"), "a closed port waits");
	set_open(&c, 1, true);
	ok(!strcmp(spec_said, "console 0 port 1: opened\n"), "it is opened");
	ok(got_text(&c, 4, "in"), "it has waited");
	give(&c, 4, ROOM);
	set_open(&c, 1, true);
	ok(!*spec_said, "it is open already");
	set_open(&c, 1, false);
	ok(!strcmp(spec_said, "console 0 port 1: closed\n"), "it is closed");
	close(fd);
	fd = path_connect("e");
	ok(fd >= 0 && sends(&c, 5, "to a second one") &&
	   hears(&c, fd, "to a second one"), "another one comes meanwhile");
	for (i = 0; i < 2; i++)
		give(&c, 2, ROOM);
	ok(told(&c, 1, VIRTIO_CONSOLE_PORT_OPEN, 0) &&
	   told(&c, 1, VIRTIO_CONSOLE_PORT_OPEN, 1), "who is there");
	set_open(&c, 1, true);
	close(fd);
	ok(told(&c, 1, VIRTIO_CONSOLE_PORT_OPEN, 0), "who goes");
	/* Until no buffer is left. */
	for (i = 0; i < 20 && c.taken[2] < c.given[2]; i++) {
		control(&c, 2, VIRTIO_CONSOLE_PORT_READY, 1);
		told_nothing(&c);
	}
	for (i = 0; i < 20; i++) {
		fd = path_connect("e");
		bench_run(&c.b);
		close(fd);
		bench_run(&c.b);
	}
	for (i = 0; i < 3; i++)
		give(&c, 2, ROOM);
	ok(told(&c, 1, VIRTIO_CONSOLE_PORT_OPEN, 0), "the latest state counts");
	ok(sends(&c, 7, "one ") && sends(&c, 7, "two"), "to a file");
	fd = path_open("f");
	ok(hears(&c, fd, "one two"), "there it is");
	close(fd);
	bench_close(&c.b);
	ok(access(path("e"), F_OK) && !access(path("f"), F_OK),
	   "the socket is gone, the file stays");
}

static void ports_open(struct con *c)
{
	con_open(c, "fifo=D/g,fifo=D/h", 6, PORTS);
}

static void test_hostile(void)
{
	struct con c;
	uint16_t event;

	ports_open(&c);
	give(&c, 2, ROOM);
	for (event = 0; event < 12; event++) {
		control(&c, 2, event, 1);
		control(&c, 0xffffffff, event, 1);
	}
	ok(told(&c, 0, VIRTIO_CONSOLE_PORT_ADD, 1), "ports that are none");
	for (event = 8; event < 64; event++)
		control(&c, 1, event, event);
	ok(drv_status(&c.b, 0) == S_RUNNING, "events that are none");
	ok(spec_breaks(&c.rings[3], CONTROL - 1, 0), "7 bytes of control");
	bench_close(&c.b);

	ports_open(&c);
	give(&c, 2, CONTROL - 1);
	vmsg_log_name = NULL;
	spec_ask(&c.rings[3], "\0\0\0\0\0\0\1\0", CONTROL, 0);
	ok(drv_status(&c.b, 0) == S_BROKEN, "no room for control");
	bench_close(&c.b);

	/* Who has not agreed to ports has two queues. */
	con_open(&c, "fifo=D/g,fifo=D/h", 6, 0);
	give(&c, 2, ROOM);
	ok(spec_ask(&c.rings[3], "\0\0\0\0\0\0\1\0", CONTROL, 0) == KEPT &&
	   spec_ask(&c.rings[5], "text", 4, 0) == KEPT && told_nothing(&c) &&
	   sends(&c, 1, "text") && drv_status(&c.b, 0) == S_RUNNING,
	   "ports that nobody has agreed to");
	bench_close(&c.b);
}

static void test_terminal(void)
{
	struct termios mode;
	struct con c;
	int fd;

	con_open(&c, "pty=D/pty", 2, 0);
	ok(sends(&c, 1, "lost"), "nobody is at the terminal");
	fd = open(path("pty"), O_RDWR | O_NOCTTY | O_NONBLOCK);
	bench_run(&c.b);
	ok(!tcgetattr(fd, &mode) && !(mode.c_lflag & (ECHO | ICANON)),
	   "it is raw");
	ok(sends(&c, 1, "out\n") && hears(&c, fd, "out\n"), "out of it");
	give(&c, 0, ROOM);
	ok(says(&c, fd, "in\n") && got_soon(&c, 0, "in\n"), "into it");
	close(fd);
	give(&c, 0, ROOM);
	bench_run(&c.b);
	ok(sends(&c, 1, "lost"), "nobody is there any more");
	fd = open(path("pty"), O_RDWR | O_NOCTTY | O_NONBLOCK);
	bench_run(&c.b);
	ok(sends(&c, 1, "new") && hears(&c, fd, "new") && says(&c, fd, "old") &&
	   got_soon(&c, 0, "old"), "somebody comes back");
	close(fd);
	bench_close(&c.b);
	ok(access(path("pty"), F_OK), "the link is gone");
}

static void test_refused(void)
{
	char many[256] = "pty";
	unsigned int i;

	for (i = 0; i < 16; i++)
		strcat(many, ",pty");
	ok(spec_refused("console", many) &&
	   spec_refused("console", "ports=17") &&
	   spec_refused("console", "name=first") &&
	   spec_refused("console", "pty,name=") &&
	   spec_refused("console", "pty,name=0123456789abcdef0123456789abcdef") &&
	   spec_refused("console", "socket=") &&
	   spec_refused("console", "socket=/no/such/folder") &&
	   spec_refused("console", "fifo=/no/such/folder") &&
	   spec_refused("console", "file=/") &&
	   spec_refused("console", "tty=/dev/null"), "devices that cannot be");
}

int main(void)
{
	char command[64];

	signal(SIGPIPE, SIG_IGN);
	strcpy(dir, "/tmp/vmsg-console-XXXXXX");
	if (!mkdtemp(dir))
		return EXIT_FAILURE;
	test_console();
	test_full();
	test_ports();
	test_hostile();
	test_terminal();
	test_refused();
	snprintf(command, sizeof(command), "rm -r %s", dir);
	return system(command) ? EXIT_FAILURE : tap_end();
}
