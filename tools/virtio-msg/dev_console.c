// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * libvmsg: a console, and more ports for data (virtio-console).
 *
 * The first port is a console. What a driver writes there is taken at once and
 * waits here, up to a limit, since Linux spins until it is taken. From other
 * ports so much is taken as the back end takes. Towards the driver, data wait
 * in the back end until there is a buffer and the port is open.
 *
 * What has to be said on the control queue is kept as one bit for each kind and
 * port, so that it never piles up: the latest state counts.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>
#include <linux/virtio_console.h>
#include <linux/virtio_ids.h>

#include "models.h"

#define VMSG_CONSOLE_QUEUE_SIZE	64u
#define VMSG_CONSOLE_MAX_PORTS	16u
#define VMSG_CONSOLE_NAME	32u
/* Bytes from the driver that wait for the back end. */
#define VMSG_CONSOLE_OUT	(1024u * 1024)
/* The two control queues lie behind those of the first port. */
#define VMSG_CONSOLE_CTRL_RX	2u
#define VMSG_CONSOLE_CTRL_TX	3u

enum vmsg_port_kind {
	VMSG_PORT_PTY,
	VMSG_PORT_SOCKET,
	VMSG_PORT_FILE,
	VMSG_PORT_FIFO,
	VMSG_NUM_PORT_KINDS,
};

/* What a driver is still to be told of a port, in this order. */
enum {
	VMSG_DUE_ADD,
	VMSG_DUE_CONSOLE,
	VMSG_DUE_RESIZE,
	VMSG_DUE_NAME,
	VMSG_DUE_OPEN,
	VMSG_NUM_DUES,
};

struct vmsg_port_params {
	enum vmsg_port_kind kind;
	const char *path;
	const char *name;
};

struct vmsg_console_params {
	struct vmsg_port_params ports[VMSG_CONSOLE_MAX_PORTS];
	unsigned int num;
	uint32_t min;
};

struct vmsg_console;

struct vmsg_port {
	struct vmsg_console *console;
	unsigned int index;
	enum vmsg_port_kind kind;
	char *path;
	char name[VMSG_CONSOLE_NAME];
	/* Data; data to a FIFO of its own, or the same; who comes. */
	struct vmsg_watch in;
	struct vmsg_watch out;
	struct vmsg_watch come;
	uint32_t in_events;
	uint32_t out_events;
	/* Somebody is at the other side; and at the driver's. */
	bool host_open;
	bool guest_open;
	/* The driver knows the port. */
	bool ready;
	unsigned int due;
	/* Buffers of which not everything has been used. */
	struct vmsg_elem *rx;
	struct vmsg_elem *tx;
	size_t len;
	uint8_t *data;
};

struct vmsg_console {
	struct vmsg_device *dev;
	struct vmsg_loop *loop;
	struct virtio_console_config config;
	bool said;
	unsigned int num_ports;
	struct vmsg_port ports[];
};

static struct vmsg_vq *vmsg_port_rx(const struct vmsg_port *port)
{
	return vmsg_device_vq(port->console->dev,
			      port->index ? 2 * port->index + 2 : 0);
}

static struct vmsg_vq *vmsg_port_tx(const struct vmsg_port *port)
{
	return vmsg_device_vq(port->console->dev,
			      port->index ? 2 * port->index + 3 : 1);
}

static bool vmsg_port_is_console(const struct vmsg_port *port)
{
	return !port->index;
}

static bool vmsg_console_multi(const struct vmsg_console *console)
{
	return vmsg_device_has_feature(console->dev,
				       VIRTIO_CONSOLE_F_MULTIPORT);
}

/* The control queues ----------------------------------------------------- */

/* Put one message together; returns its bytes. */
static size_t vmsg_port_message(const struct vmsg_port *port, unsigned int due,
				uint8_t *bytes)
{
	static const uint16_t events[] = {
		[VMSG_DUE_ADD] = VIRTIO_CONSOLE_PORT_ADD,
		[VMSG_DUE_CONSOLE] = VIRTIO_CONSOLE_CONSOLE_PORT,
		[VMSG_DUE_RESIZE] = VIRTIO_CONSOLE_RESIZE,
		[VMSG_DUE_NAME] = VIRTIO_CONSOLE_PORT_NAME,
		[VMSG_DUE_OPEN] = VIRTIO_CONSOLE_PORT_OPEN,
	};
	const struct virtio_console_config *config = &port->console->config;
	struct virtio_console_control control = {
		.id = htole32(port->index),
		.event = htole16(events[due]),
		.value = htole16(due == VMSG_DUE_OPEN ? port->host_open : 1),
	};
	size_t len = sizeof(control);

	memcpy(bytes, &control, len);
	if (due == VMSG_DUE_RESIZE) {
		memcpy(bytes + len, &config->cols, sizeof(config->cols));
		len += sizeof(config->cols);
		memcpy(bytes + len, &config->rows, sizeof(config->rows));
		len += sizeof(config->rows);
	} else if (due == VMSG_DUE_NAME) {
		memcpy(bytes + len, port->name, strlen(port->name));
		len += strlen(port->name);
	}
	return len;
}

/* Say what is due, as far as there are buffers. */
static void vmsg_console_say(struct vmsg_console *console)
{
	struct vmsg_vq *vq = vmsg_device_vq(console->dev, VMSG_CONSOLE_CTRL_RX);
	uint8_t bytes[sizeof(struct virtio_console_control) +
		      VMSG_CONSOLE_NAME];
	struct vmsg_port *port = console->ports;
	struct vmsg_elem *elem;
	unsigned int due = 0;
	size_t len;

	if (!vmsg_console_multi(console))
		return;
	while (port < console->ports + console->num_ports) {
		for (due = 0; due < VMSG_NUM_DUES; due++) {
			if (port->due & 1 << due)
				break;
		}
		if (due == VMSG_NUM_DUES) {
			port++;
			continue;
		}
		elem = vmsg_vq_pop(vq);
		if (!elem)
			break;
		len = vmsg_port_message(port, due, bytes);
		if (elem->in_len < len) {
			vmsg_vq_broken(vq, "%zu bytes of room for a control message of %zu",
				       elem->in_len, len);
			break;
		}
		port->due &= ~(1 << due);
		vmsg_vq_push(vq, elem, vmsg_iov_write(elem->in, elem->in_num,
						      bytes, len));
	}
	vmsg_vq_notify(vq);
}

/* The back ends ---------------------------------------------------------- */

static void vmsg_port_set_events(struct vmsg_port *port,
				 struct vmsg_watch *watch, uint32_t *now,
				 uint32_t events)
{
	struct vmsg_loop *loop = port->console->loop;
	int ret = 0;

	if (*now == events)
		return;
	if (!events)
		vmsg_loop_unwatch(loop, watch);
	else if (!*now)
		ret = vmsg_loop_watch(loop, watch, events);
	else
		ret = vmsg_loop_rewatch(loop, watch, events);
	/* A file is always ready, and cannot be looked after. */
	*now = ret ? 0 : events;
}

/* Look after what can be done now, and nothing else: no event is repeated. */
static void vmsg_port_update(struct vmsg_port *port)
{
	bool open = vmsg_port_is_console(port) || port->guest_open;
	uint32_t in = 0, out = 0;

	if (port->host_open && open && port->kind != VMSG_PORT_FILE) {
		if (!port->rx)
			port->rx = vmsg_vq_pop(vmsg_port_rx(port));
		if (port->rx)
			in = EPOLLIN;
	}
	if (port->host_open && port->len)
		out = EPOLLOUT;
	if (port->out.fd == port->in.fd) {
		in |= out;
		out = 0;
	}
	vmsg_port_set_events(port, &port->in, &port->in_events, in);
	if (port->out.fd != port->in.fd)
		vmsg_port_set_events(port, &port->out, &port->out_events, out);
}

/* Somebody has come to the other side, or gone. */
static void vmsg_port_set_open(struct vmsg_port *port, bool open)
{
	struct vmsg_console *console = port->console;

	if (!open && port->kind == VMSG_PORT_SOCKET && port->in.fd >= 0) {
		vmsg_port_set_events(port, &port->in, &port->in_events, 0);
		close(port->in.fd);
		port->in.fd = -1;
		port->out.fd = -1;
	}
	if (!open)
		port->len = 0;
	if (port->host_open == open)
		return;
	port->host_open = open;
	if (port->ready)
		port->due |= 1 << VMSG_DUE_OPEN;
	vmsg_console_say(console);
}

static void vmsg_port_flush(struct vmsg_port *port)
{
	ssize_t ret;

	while (port->host_open && port->len) {
		ret = write(port->out.fd, port->data, port->len);
		if (ret < 0 && errno == EINTR)
			continue;
		if (ret < 0 && errno == EAGAIN)
			break;
		if (ret < 0 && port->kind == VMSG_PORT_FILE &&
		    !port->console->said) {
			vmsg_warn("device %u (%s): port %u: cannot write to %s: %s; what the driver writes is lost. Not said again before the next reset",
				  vmsg_device_num(port->console->dev),
				  vmsg_device_name(port->console->dev),
				  port->index, port->path, strerror(errno));
			port->console->said = true;
		}
		if (ret < 0 && port->kind == VMSG_PORT_FILE)
			port->len = 0;
		else if (ret < 0)
			vmsg_port_set_open(port, false);
		if (ret < 0)
			break;
		port->len -= ret;
		memmove(port->data, port->data + ret, port->len);
	}
}

/* Take what the driver has written. */
static void vmsg_port_take(struct vmsg_port *port)
{
	size_t max = vmsg_port_is_console(port) ? VMSG_CONSOLE_OUT :
						  VMSG_CONSOLE_OUT / 16;
	struct vmsg_vq *vq = vmsg_port_tx(port);
	size_t part;

	for (;;) {
		if (!port->tx)
			port->tx = vmsg_vq_pop(vq);
		if (!port->tx)
			break;
		part = vmsg_iov_read(port->tx->out, port->tx->out_num,
				     port->data + port->len, max - port->len);
		vmsg_iov_cut_front(&port->tx->out, &port->tx->out_num, part);
		port->len += part;
		vmsg_port_flush(port);
		/* Nobody is there: it is lost. */
		if (!port->host_open)
			port->len = 0;
		else if (port->tx->out_num && port->len < max)
			continue;
		else if (port->tx->out_num && !vmsg_port_is_console(port))
			break;
		vmsg_vq_push(vq, port->tx, 0);
		port->tx = NULL;
	}
	vmsg_vq_notify(vq);
	vmsg_port_update(port);
}

static void vmsg_port_read(struct vmsg_port *port)
{
	struct vmsg_vq *vq = vmsg_port_rx(port);
	ssize_t ret;

	if (!port->rx)
		return;
	if (!port->rx->in_num) {
		vmsg_vq_broken(vq, "a buffer without room for data");
		return;
	}
	/* One for each event: others get their turn. */
	ret = readv(port->in.fd, port->rx->in, port->rx->in_num);
	if (ret < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (ret <= 0) {
		vmsg_port_set_open(port, false);
		return;
	}
	vmsg_vq_push(vq, port->rx, ret);
	port->rx = NULL;
	vmsg_vq_notify(vq);
}

static void vmsg_port_event(void *arg, uint32_t events)
{
	struct vmsg_port *port = arg;

	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		vmsg_port_read(port);
	if (events & EPOLLOUT)
		vmsg_port_flush(port);
	/* A driver may wait for room, or for somebody to go away. */
	vmsg_port_take(port);
}

/* Has who is connected gone, and left nothing to be read? */
static bool vmsg_port_deserted(const struct vmsg_port *port)
{
	char byte;
	ssize_t ret = recv(port->in.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	return !ret || (ret < 0 && errno != EAGAIN && errno != EINTR);
}

static void vmsg_port_client(struct vmsg_port *port)
{
	int fd = accept4(port->come.fd, NULL, NULL,
			 SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	/* One at a time; that one has gone is not seen while the port is shut. */
	if (port->host_open && vmsg_port_deserted(port))
		vmsg_port_set_open(port, false);
	if (port->host_open) {
		close(fd);
		return;
	}
	port->in.fd = fd;
	port->out.fd = fd;
	vmsg_port_set_open(port, true);
}

/* Somebody has opened the terminal. */
static void vmsg_port_terminal(struct vmsg_port *port)
{
	char events[16 * sizeof(struct inotify_event)]
		VMSG_ATTRIBUTE(aligned(8));

	if (read(port->come.fd, events, sizeof(events)) > 0)
		vmsg_port_set_open(port, true);
}

static void vmsg_port_come(void *arg, uint32_t events)
{
	struct vmsg_port *port = arg;

	(void)events;
	if (port->kind == VMSG_PORT_SOCKET)
		vmsg_port_client(port);
	else
		vmsg_port_terminal(port);
	vmsg_port_take(port);
}

/* An old link or socket of a program that was killed may be in the way. */
static void vmsg_port_clear(const char *path, mode_t type)
{
	struct stat st;

	if (!lstat(path, &st) && (st.st_mode & S_IFMT) == type)
		unlink(path);
}

static int vmsg_port_open_pty(struct vmsg_port *port, const char *path)
{
	struct termios raw;
	char slave[64];

	port->in.fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	if (port->in.fd < 0 || grantpt(port->in.fd) || unlockpt(port->in.fd) ||
	    ptsname_r(port->in.fd, slave, sizeof(slave)) ||
	    tcgetattr(port->in.fd, &raw))
		return -errno;
	port->out.fd = port->in.fd;
	cfmakeraw(&raw);
	if (tcsetattr(port->in.fd, TCSANOW, &raw))
		return -errno;
	port->come.fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (port->come.fd < 0 ||
	    inotify_add_watch(port->come.fd, slave, IN_OPEN) < 0)
		return -errno;
	if (path) {
		vmsg_port_clear(path, S_IFLNK);
		if (symlink(slave, path))
			return -errno;
		port->path = strdup(path);
	}
	vmsg_kit_say("console port %u: %s", port->index, path ? path : slave);
	return 0;
}

static int vmsg_port_open_socket(struct vmsg_port *port, const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(addr.sun_path, path, strlen(path));
	port->come.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC |
			       SOCK_NONBLOCK, 0);
	if (port->come.fd < 0)
		return -errno;
	vmsg_port_clear(path, S_IFSOCK);
	if (bind(port->come.fd, (struct sockaddr *)&addr, sizeof(addr)))
		return -errno;
	port->path = strdup(path);
	return listen(port->come.fd, 1) ? -errno : 0;
}

static int vmsg_port_open_file(struct vmsg_port *port, const char *path)
{
	port->out.fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC |
			    O_NONBLOCK, 0600);
	port->path = strdup(path);
	port->host_open = true;
	return port->out.fd < 0 ? -errno : 0;
}

/* PATH.in is read, and PATH.out is written. */
static int vmsg_port_open_fifo(const char *path, const char *end)
{
	char name[512];
	int fd;

	if (snprintf(name, sizeof(name), "%s%s", path, end) >=
	    (int)sizeof(name))
		return -ENAMETOOLONG;
	if (mkfifo(name, 0600) && errno != EEXIST)
		return -errno;
	/* Both ways: it does not end when the other side goes away. */
	fd = open(name, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

static int vmsg_port_open_fifos(struct vmsg_port *port, const char *path)
{
	port->host_open = true;
	port->in.fd = vmsg_port_open_fifo(path, ".in");
	if (port->in.fd < 0)
		return port->in.fd;
	port->out.fd = vmsg_port_open_fifo(path, ".out");
	return port->out.fd < 0 ? port->out.fd : 0;
}

static int vmsg_port_open(struct vmsg_port *port,
			  const struct vmsg_port_params *params)
{
	int ret;

	port->data = malloc(VMSG_CONSOLE_OUT);
	if (!port->data)
		return -ENOMEM;
	port->kind = params->kind;
	if (params->name)
		snprintf(port->name, sizeof(port->name), "%s", params->name);
	switch (port->kind) {
	case VMSG_PORT_PTY:
		ret = vmsg_port_open_pty(port, params->path);
		break;
	case VMSG_PORT_SOCKET:
		ret = vmsg_port_open_socket(port, params->path);
		break;
	case VMSG_PORT_FILE:
		ret = vmsg_port_open_file(port, params->path);
		break;
	default:
		ret = vmsg_port_open_fifos(port, params->path);
		break;
	}
	if (!ret && port->come.fd >= 0)
		ret = vmsg_loop_watch(port->console->loop, &port->come,
				      EPOLLIN);
	if (ret)
		vmsg_warn("console: port %u cannot use %s: %s; choose another path",
			  port->index,
			  params->path ? params->path : "a terminal",
			  strerror(-ret));
	return ret;
}

static void vmsg_port_close(struct vmsg_port *port)
{
	struct vmsg_loop *loop = port->console->loop;

	if (port->come.fd >= 0) {
		vmsg_loop_unwatch(loop, &port->come);
		close(port->come.fd);
	}
	vmsg_port_set_events(port, &port->in, &port->in_events, 0);
	vmsg_port_set_events(port, &port->out, &port->out_events, 0);
	if (port->in.fd >= 0)
		close(port->in.fd);
	if (port->out.fd >= 0 && port->out.fd != port->in.fd)
		close(port->out.fd);
	if (port->path && (port->kind == VMSG_PORT_PTY ||
			   port->kind == VMSG_PORT_SOCKET))
		unlink(port->path);
	free(port->path);
	free(port->data);
}

/* The device ------------------------------------------------------------- */

static void vmsg_port_guest_open(struct vmsg_port *port, bool open)
{
	if (port->guest_open == open)
		return;
	port->guest_open = open;
	vmsg_kit_say("console %u port %u: %s",
		     vmsg_device_num(port->console->dev), port->index,
		     open ? "opened" : "closed");
	vmsg_port_update(port);
}

static void vmsg_console_control(struct vmsg_console *console,
				 const struct virtio_console_control *control)
{
	bool value = le16toh(control->value);
	uint32_t id = le32toh(control->id);
	struct vmsg_port *port;
	unsigned int i;

	if (le16toh(control->event) == VIRTIO_CONSOLE_DEVICE_READY) {
		for (i = 0; value && i < console->num_ports; i++)
			console->ports[i].due = 1 << VMSG_DUE_ADD;
		return;
	}
	if (id >= console->num_ports)
		return;
	port = &console->ports[id];
	switch (le16toh(control->event)) {
	case VIRTIO_CONSOLE_PORT_READY:
		if (!value)
			break;
		port->ready = true;
		if (vmsg_port_is_console(port))
			port->due |= 1 << VMSG_DUE_CONSOLE |
				     1 << VMSG_DUE_RESIZE;
		if (*port->name)
			port->due |= 1 << VMSG_DUE_NAME;
		port->due |= 1 << VMSG_DUE_OPEN;
		break;
	case VIRTIO_CONSOLE_PORT_OPEN:
		vmsg_port_guest_open(port, value);
		break;
	}
}

static void vmsg_console_requests(struct vmsg_console *console,
				  struct vmsg_vq *vq)
{
	struct virtio_console_control control;
	struct vmsg_elem *elem;

	while ((elem = vmsg_vq_pop(vq))) {
		if (elem->out_len < sizeof(control)) {
			vmsg_vq_broken(vq, "a control message of %zu bytes",
				       elem->out_len);
			return;
		}
		vmsg_iov_read(elem->out, elem->out_num, &control,
			      sizeof(control));
		vmsg_vq_push(vq, elem, 0);
		vmsg_console_control(console, &control);
	}
	vmsg_console_say(console);
}

static void vmsg_console_queue(struct vmsg_device *dev, struct vmsg_vq *vq)
{
	struct vmsg_console *console = vmsg_device_priv(dev);
	uint32_t index = vmsg_vq_index(vq);

	if (index >= 2 && !vmsg_console_multi(console))
		return;
	if (index == VMSG_CONSOLE_CTRL_RX)
		vmsg_console_say(console);
	else if (index == VMSG_CONSOLE_CTRL_TX)
		vmsg_console_requests(console, vq);
	else if (index % 2)
		vmsg_port_take(&console->ports[index < 2 ? 0 : index / 2 - 1]);
	else
		vmsg_port_update(&console->ports[index < 2 ? 0 :
						 index / 2 - 1]);
}

static void vmsg_console_config_read(struct vmsg_device *dev, uint32_t offset,
				     void *buf, uint32_t len)
{
	struct vmsg_console *console = vmsg_device_priv(dev);

	memcpy(buf, (const char *)&console->config + offset, len);
}

static int vmsg_console_reset(struct vmsg_device *dev)
{
	struct vmsg_console *console = vmsg_device_priv(dev);
	struct vmsg_port *port;
	unsigned int i;

	console->said = false;
	for (i = 0; i < console->num_ports; i++) {
		port = &console->ports[i];
		port->due = 0;
		port->ready = false;
		port->rx = NULL;
		port->tx = NULL;
		vmsg_port_guest_open(port, false);
		vmsg_port_update(port);
	}
	return 0;
}

static int vmsg_console_queue_reset(struct vmsg_device *dev,
				    struct vmsg_vq *vq)
{
	struct vmsg_console *console = vmsg_device_priv(dev);
	struct vmsg_port *port;
	unsigned int i;

	for (i = 0; i < console->num_ports; i++) {
		port = &console->ports[i];
		if (vq == vmsg_port_rx(port))
			port->rx = NULL;
		if (vq == vmsg_port_tx(port))
			port->tx = NULL;
		vmsg_port_update(port);
	}
	return 0;
}

static void vmsg_console_free(struct vmsg_console *console)
{
	unsigned int i;

	for (i = 0; i < console->num_ports; i++)
		vmsg_port_close(&console->ports[i]);
	free(console);
}

static void vmsg_console_release(struct vmsg_device *dev)
{
	vmsg_console_free(vmsg_device_priv(dev));
}

static const struct vmsg_device_ops vmsg_console_ops = {
	.queue = vmsg_console_queue,
	.config_read = vmsg_console_config_read,
	.reset = vmsg_console_reset,
	.queue_reset = vmsg_console_queue_reset,
	.release = vmsg_console_release,
};

static struct vmsg_console *vmsg_console_new(struct vmsg_bus *bus,
					     unsigned int num_ports)
{
	struct vmsg_console *console = calloc(1, sizeof(*console) +
					      num_ports *
					      sizeof(console->ports[0]));
	struct vmsg_port *port;

	if (!console)
		return NULL;
	console->loop = vmsg_bus_loop(bus);
	console->config.cols = htole16(80);
	console->config.rows = htole16(25);
	console->config.max_nr_ports = htole32(num_ports);
	while (console->num_ports < num_ports) {
		port = &console->ports[console->num_ports];
		port->console = console;
		port->index = console->num_ports++;
		port->in.fd = -1;
		port->in.fn = vmsg_port_event;
		port->in.arg = port;
		port->out = port->in;
		port->come = port->in;
		port->come.fn = vmsg_port_come;
	}
	return console;
}

static struct vmsg_device *vmsg_console_add(struct vmsg_bus *bus, uint32_t num,
					    const uint8_t uuid[16],
					    void *priv_params)
{
	const struct vmsg_console_params *params = priv_params;
	unsigned int ports = params->num > params->min ? params->num :
							 params->min;
	uint16_t sizes[2 * VMSG_CONSOLE_MAX_PORTS + 2];
	struct vmsg_device_desc desc = {
		.name = "console",
		.ops = &vmsg_console_ops,
		.device_id = VIRTIO_ID_CONSOLE,
		.features[0] = VMSG_BIT(VIRTIO_CONSOLE_F_SIZE),
		.config_size = offsetof(struct virtio_console_config,
					emerg_wr),
		.queue_sizes = sizes,
	};
	struct vmsg_console *console;
	unsigned int i;
	int ret;

	if (!ports)
		ports = 1;
	console = vmsg_console_new(bus, ports);
	if (!console)
		return NULL;
	/* A console alone does without ports. */
	desc.num_queues = 2;
	if (ports > 1 || params->ports[0].name) {
		desc.features[0] |= VMSG_BIT(VIRTIO_CONSOLE_F_MULTIPORT);
		desc.num_queues = 2 * ports + 2;
	}
	for (i = 0; i < desc.num_queues; i++)
		sizes[i] = VMSG_CONSOLE_QUEUE_SIZE;
	desc.priv = console;
	for (i = 0; i < ports; i++) {
		ret = vmsg_port_open(&console->ports[i], &params->ports[i]);
		if (ret) {
			vmsg_console_free(console);
			errno = -ret;
			return NULL;
		}
	}
	console->dev = vmsg_kit_add(bus, num, uuid, &desc);
	if (!console->dev) {
		ret = errno;
		vmsg_console_free(console);
		errno = ret;
		return NULL;
	}
	return console->dev;
}

static int vmsg_console_set(void *priv_params, const char *key,
			    const char *value)
{
	static const char * const kinds[] = {
		[VMSG_PORT_PTY] = "pty",
		[VMSG_PORT_SOCKET] = "socket",
		[VMSG_PORT_FILE] = "file",
		[VMSG_PORT_FIFO] = "fifo",
	};
	struct vmsg_console_params *params = priv_params;
	struct vmsg_port_params *port = &params->ports[params->num];
	unsigned int i;

	if (!strcmp(key, "ports"))
		return vmsg_number_u32(value, VMSG_CONSOLE_MAX_PORTS,
				       &params->min);
	if (!strcmp(key, "name")) {
		if (!params->num || !*value)
			return -EINVAL;
		port[-1].name = value;
		return strlen(value) < VMSG_CONSOLE_NAME ? 0 : -ERANGE;
	}
	for (i = 0; i < VMSG_NUM_PORT_KINDS; i++) {
		if (strcmp(key, kinds[i]))
			continue;
		if (params->num == VMSG_CONSOLE_MAX_PORTS)
			return -ERANGE;
		port->kind = i;
		port->path = *value ? value : NULL;
		params->num++;
		return port->path || i == VMSG_PORT_PTY ? 0 : -EINVAL;
	}
	return -ENOENT;
}

/* resize COLS ROWS */
static int vmsg_console_command(struct vmsg_device *dev, const char *word,
				char *args)
{
	struct vmsg_console *console = vmsg_device_priv(dev);
	const char *cols, *rows;
	uint32_t num_cols, num_rows;
	char *state;

	if (strcmp(word, "resize"))
		return -ENOENT;
	cols = strtok_r(args, " \t", &state);
	rows = strtok_r(NULL, " \t", &state);
	if (!cols || !rows || vmsg_number_u32(cols, UINT16_MAX, &num_cols) ||
	    vmsg_number_u32(rows, UINT16_MAX, &num_rows))
		return -EINVAL;
	console->config.cols = htole16(num_cols);
	console->config.rows = htole16(num_rows);
	vmsg_device_config_changed(dev, 0, sizeof(console->config.cols) +
				   sizeof(console->config.rows),
				   VMSG_CONFIG_DATA);
	if (console->ports[0].ready)
		console->ports[0].due |= 1 << VMSG_DUE_RESIZE;
	vmsg_console_say(console);
	return 0;
}

const struct vmsg_model vmsg_console_model = {
	.name = "console",
	.help =
"  --console [KEY=VALUE[,KEY=VALUE]...]   console, and more ports for data\n"
"      pty[=LINK]       a port on a terminal, and a link to it\n"
"      socket=PATH      a port on a UNIX socket that one can connect to\n"
"      file=PATH        a port whose output is appended to a file\n"
"      fifo=PATH        a port on two FIFOs, PATH.in and PATH.out\n"
"                       each the next port, the first one is the console\n"
"      name=TEXT        the name of the port before it\n"
"      ports=N          so many of them at least (1)\n",
	.ops = &vmsg_console_ops,
	.params_size = sizeof(struct vmsg_console_params),
	.set = vmsg_console_set,
	.add = vmsg_console_add,
	.command = vmsg_console_command,
};
