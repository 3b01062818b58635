// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * What the programs that put devices onto a bus have in common.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "control.h"
#include "models.h"
#include "program.h"

/* How long devices get at the end to let go of the memory. */
#define PROGRAM_LEAVE_MS	3000
#define PROGRAM_POLL_MS		10

/**
 * program_number() - read a number on the command line
 * @option: the option that it belongs to
 * @text: what is written
 * @max: largest value that makes sense
 * @value: the number
 *
 * Return: 0, -EINVAL or -ERANGE; what went wrong has been said.
 */
int program_number(const char *option, const char *text, uint64_t max,
		   uint64_t *value)
{
	int ret = vmsg_number(text, max, value);

	if (ret)
		vmsg_warn("--%s cannot be '%s': %s", option, text,
			  strerror(-ret));
	return ret;
}

static void program_signal(void *arg, uint32_t events)
{
	struct program *program = arg;
	struct signalfd_siginfo info;

	(void)events;
	if (read(program->signals.fd, &info, sizeof(info)) == sizeof(info))
		vmsg_loop_stop(program->loop, 0);
}

static void program_dead(void *arg, int error)
{
	struct program *program = arg;

	vmsg_warn("the bus has ended: %s; see the kernel log and start again",
		  strerror(-error));
	program->bus_dead = true;
	vmsg_loop_stop(program->loop, error);
}

/**
 * program_protect() - prepare for a kernel that waits for us
 *
 * It may do so while it reclaims memory: be in memory, and do not start such a
 * reclaim ourselves.
 */
void program_protect(void)
{
	if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT))
		vmsg_warn("note: memory cannot be locked: %s; under memory pressure this may stall (see RLIMIT_MEMLOCK)",
			  strerror(errno));
#ifdef PR_SET_IO_FLUSHER
	if (prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0))
		vmsg_warn("note: not marked as I/O flusher: %s; under memory pressure this may stall (needs CAP_SYS_RESOURCE)",
			  strerror(errno));
#endif
}

static int program_watch_signals(struct program *program)
{
	sigset_t set;

	/* A write to a pipe that nobody reads is an error, not the end. */
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return -errno;
	program->signals.fn = program_signal;
	program->signals.arg = program;
	program->signals.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (program->signals.fd < 0)
		return -errno;
	return vmsg_loop_watch(program->loop, &program->signals, EPOLLIN);
}

/**
 * program_open() - begin, with an event loop that ends with a signal
 * @program: the program, all zero but for a descriptor of -1 in its signals
 *
 * Return: 0, or a negative errno value.
 */
int program_open(struct program *program)
{
	program->loop = vmsg_loop_new();
	if (!program->loop)
		return -errno;
	return program_watch_signals(program);
}

/**
 * program_add_bus() - make the bus
 * @program: the program, after program_open()
 * @link: its carrier, which belongs to the program from here on
 * @params: what its devices have in common; what to do at its end is added
 *
 * Return: 0, or a negative errno value.
 */
int program_add_bus(struct program *program, struct vmsg_link *link,
		    struct vmsg_bus_params *params)
{
	int ret;

	params->dead = program_dead;
	params->arg = program;
	program->bus = vmsg_bus_new(program->loop, link, params);
	if (program->bus)
		return 0;
	ret = -errno;
	vmsg_warn("cannot make a bus: %s", strerror(-ret));
	link->ops->close(link);
	return ret;
}

/**
 * program_ready() - say that everything is set up
 * @program: the program
 */
void program_ready(struct program *program)
{
	struct vmsg_device *dev;
	uint32_t from;

	printf("ready: %s, devices", vmsg_bus_link(program->bus)->name);
	for (from = 0; (dev = vmsg_bus_next(program->bus, from));
	     from = vmsg_device_num(dev) + 1)
		printf(" %u", vmsg_device_num(dev));
	putchar('\n');
	fflush(stdout);
}

static int program_ms_since(const struct timespec *start)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - start->tv_sec) * 1000 +
	       (now.tv_nsec - start->tv_nsec) / 1000000;
}

/**
 * program_leave() - say goodbye
 * @program: the program
 *
 * The driver side sends nothing more to a device that has been announced as
 * removed, and the end of the link removes what is left.
 */
void program_leave(struct program *program)
{
	struct timespec start;
	int ms = 0;

	clock_gettime(CLOCK_MONOTONIC, &start);
	control_leave_all(program->bus);
	while (!program->bus_dead && ms < PROGRAM_LEAVE_MS) {
		if (!control_reap(program->bus, false))
			return;
		if (vmsg_loop_once(program->loop, PROGRAM_POLL_MS) < 0)
			break;
		ms = program_ms_since(&start);
	}
	if (!program->bus_dead)
		vmsg_warn("note: devices are still busy after %d ms; they are cut off",
			  PROGRAM_LEAVE_MS);
	control_reap(program->bus, true);
}

/**
 * program_close() - give everything back
 * @program: the program
 */
void program_close(struct program *program)
{
	vmsg_bus_free(program->bus);
	if (program->signals.fd >= 0)
		close(program->signals.fd);
	vmsg_loop_free(program->loop);
}
