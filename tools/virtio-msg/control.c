// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * virtio-msg-device: commands while it runs, from a FIFO.
 *
 * One command a line, one line of answer on stdout: "ok ..." or "error ...".
 *
 *	add MODEL SPEC		as on the command line
 *	remove NUM		"removed NUM" follows when it has left
 *	needs-reset NUM
 *	stats
 *	quit
 *	WORD NUM ARGS		what the device's model understands
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "control.h"
#include "models.h"
#include "opts.h"

#define CONTROL_LINE	1024
#define COMMANDS	"add, remove, needs-reset, stats, quit, and those of the models"
/*
 * A removed device answers requests for so long, as they may have crossed the
 * announcement; so often its model is given more time.
 */
#define CONTROL_REAP_MS	100
#define CONTROL_REAPS	30

struct control {
	struct vmsg_bus *bus;
	struct vmsg_watch fifo;
	struct vmsg_watch timer;
	unsigned int reaps;
	char *made;
	char line[CONTROL_LINE];
	size_t len;
	bool skip;
};

static void control_answer(const char *fmt, ...) VMSG_PRINTF(1, 2);

static void control_answer(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
}

/**
 * control_leave_all() - announce that all devices go away
 * @bus: the bus
 */
void control_leave_all(struct vmsg_bus *bus)
{
	struct vmsg_device *dev;
	uint32_t from;

	for (from = 0; (dev = vmsg_bus_next(bus, from));
	     from = vmsg_device_num(dev) + 1)
		vmsg_device_leave(dev);
}

/**
 * control_reap() - free the devices that have left
 * @bus: the bus
 * @force: free those as well that are just leaving
 *
 * Return: true if there are leaving devices left.
 */
bool control_reap(struct vmsg_bus *bus, bool force)
{
	struct vmsg_device *dev;
	bool left = false;
	uint32_t from;

	for (from = 0; (dev = vmsg_bus_next(bus, from));) {
		from = vmsg_device_num(dev) + 1;
		if (!vmsg_device_leaving(dev))
			continue;
		if (!vmsg_device_left(dev) && !force) {
			left = true;
			continue;
		}
		vmsg_device_free(dev);
		control_answer("removed %u", from - 1);
	}
	return left;
}

static void control_timer_set(struct control *control, unsigned int ms)
{
	struct itimerspec spec = {
		.it_value.tv_nsec = ms * 1000000L,
		.it_interval.tv_nsec = ms * 1000000L,
	};

	timerfd_settime(control->timer.fd, 0, &spec, NULL);
}

static void control_timer(void *arg, uint32_t events)
{
	struct control *control = arg;
	uint64_t count;

	(void)events;
	if (read(control->timer.fd, &count, sizeof(count)) < 0)
		return;
	if (!control_reap(control->bus, ++control->reaps >= CONTROL_REAPS))
		control_timer_set(control, 0);
}

/* The device that a command names, or NULL and the answer has been given. */
static struct vmsg_device *control_device(struct control *control,
					  const char *word)
{
	struct vmsg_device *dev = NULL;
	uint64_t num;

	if (word && !vmsg_number(word, VMSG_MAX_DEVICES - 1, &num))
		dev = vmsg_bus_find(control->bus, num);
	if (dev && !vmsg_device_leaving(dev))
		return dev;
	control_answer("error there is no device %s", word ? word : "(none)");
	return NULL;
}

static void control_add(struct control *control, char **state)
{
	char *model = strtok_r(NULL, " \t", state);
	char *spec = strtok_r(NULL, "", state);
	char none[1] = "";
	struct vmsg_device *dev;
	int ret;

	if (!model) {
		control_answer("error add what? A model, and its options");
		return;
	}
	ret = opts_add(control->bus, model, spec ? spec : none, &dev);
	if (ret)
		control_answer("error add %s: %s", model, strerror(-ret));
	else
		control_answer("ok added %u", vmsg_device_num(dev));
}

static void control_remove(struct control *control, char **state)
{
	struct vmsg_device *dev;

	dev = control_device(control, strtok_r(NULL, " \t", state));
	if (!dev)
		return;
	vmsg_device_leave(dev);
	control_answer("ok removing %u", vmsg_device_num(dev));
	control->reaps = 0;
	control_timer_set(control, CONTROL_REAP_MS);
}

/* What only the device's model knows. */
static void control_model(struct control *control, const char *word,
			  char **state)
{
	const struct vmsg_model *model;
	struct vmsg_device *dev;
	int ret = -ENOENT;
	char none[1] = "";
	char *args;

	args = strtok_r(NULL, " \t", state);
	if (!args) {
		control_answer("error no command '%s'; there are " COMMANDS,
			       word);
		return;
	}
	dev = control_device(control, args);
	if (!dev)
		return;
	args = strtok_r(NULL, "", state);
	model = vmsg_model_of(dev);
	if (model && model->command)
		ret = model->command(dev, word, args ? args : none);
	if (ret == -ENOENT)
		control_answer("error %s %u: a %s does not know that", word,
			       vmsg_device_num(dev), vmsg_device_name(dev));
	else if (ret)
		control_answer("error %s %u: %s", word, vmsg_device_num(dev),
			       strerror(-ret));
	else
		control_answer("ok %s %u", word, vmsg_device_num(dev));
}

static void control_needs_reset(struct control *control, char **state)
{
	struct vmsg_device *dev;

	dev = control_device(control, strtok_r(NULL, " \t", state));
	if (!dev)
		return;
	vmsg_device_needs_reset(dev);
	control_answer("ok needs-reset %u", vmsg_device_num(dev));
}

static void control_command(struct control *control, char *line)
{
	char *state;
	const char *word = strtok_r(line, " \t\r", &state);

	if (!word || *word == '#')
		return;
	if (!strcmp(word, "add")) {
		control_add(control, &state);
	} else if (!strcmp(word, "remove")) {
		control_remove(control, &state);
	} else if (!strcmp(word, "needs-reset")) {
		control_needs_reset(control, &state);
	} else if (!strcmp(word, "stats")) {
		vmsg_bus_print_stats(control->bus, stdout);
		control_answer("ok stats");
	} else if (!strcmp(word, "quit")) {
		control_answer("ok quit");
		vmsg_loop_stop(vmsg_bus_loop(control->bus), 0);
	} else {
		control_model(control, word, &state);
	}
}

static void control_fifo(void *arg, uint32_t events)
{
	struct control *control = arg;
	char *end;
	ssize_t ret;

	(void)events;
	ret = read(control->fifo.fd, control->line + control->len,
		   sizeof(control->line) - control->len);
	if (ret <= 0)
		return;
	control->len += ret;
	while ((end = memchr(control->line, '\n', control->len))) {
		*end = '\0';
		if (!control->skip)
			control_command(control, control->line);
		control->skip = false;
		control->len -= end + 1 - control->line;
		memmove(control->line, end + 1, control->len);
	}
	if (control->len < sizeof(control->line))
		return;
	if (!control->skip)
		control_answer("error a line of more than %d bytes",
			       CONTROL_LINE - 1);
	control->skip = true;
	control->len = 0;
}

static int control_open_fifo(struct control *control, const char *path)
{
	struct stat st;

	if (!mkfifo(path, 0600))
		control->made = strdup(path);
	else if (errno != EEXIST)
		return -errno;
	/* Writing as well: it does not end when its writer goes away. */
	control->fifo.fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (control->fifo.fd < 0 || fstat(control->fifo.fd, &st))
		return -errno;
	return S_ISFIFO(st.st_mode) ? 0 : -EEXIST;
}

/**
 * control_open() - listen to commands
 * @bus: the bus
 * @path: a FIFO, which is made if it is not there; NULL = none
 *
 * Return: for control_close(), or NULL; what went wrong has been said.
 */
struct control *control_open(struct vmsg_bus *bus, const char *path)
{
	struct control *control = calloc(1, sizeof(*control));
	struct vmsg_loop *loop = vmsg_bus_loop(bus);
	int ret = 0;

	if (!control)
		return NULL;
	control->bus = bus;
	control->fifo.fd = -1;
	control->fifo.fn = control_fifo;
	control->fifo.arg = control;
	control->timer.fn = control_timer;
	control->timer.arg = control;
	control->timer.fd = timerfd_create(CLOCK_MONOTONIC,
					   TFD_CLOEXEC | TFD_NONBLOCK);
	if (control->timer.fd < 0)
		ret = -errno;
	if (!ret)
		ret = vmsg_loop_watch(loop, &control->timer, EPOLLIN);
	if (!ret && path)
		ret = control_open_fifo(control, path);
	if (!ret && path)
		ret = vmsg_loop_watch(loop, &control->fifo, EPOLLIN);
	if (!ret)
		return control;
	vmsg_warn("cannot listen to %s: %s; name a FIFO, or a path where one can be made",
		  path ? path : "a timer", strerror(-ret));
	control_close(control);
	return NULL;
}

/**
 * control_close() - do not listen any more
 * @control: from control_open(), or NULL
 */
void control_close(struct control *control)
{
	if (!control)
		return;
	if (control->timer.fd >= 0) {
		vmsg_loop_unwatch(vmsg_bus_loop(control->bus),
				  &control->timer);
		close(control->timer.fd);
	}
	if (control->fifo.fd >= 0) {
		vmsg_loop_unwatch(vmsg_bus_loop(control->bus), &control->fifo);
		close(control->fifo.fd);
	}
	if (control->made)
		unlink(control->made);
	free(control->made);
	free(control);
}
