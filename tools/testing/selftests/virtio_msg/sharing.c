// SPDX-License-Identifier: GPL-2.0
/*
 * sharing: the descriptor of a bus in other hands than those that opened it.
 *
 *	sharing passed		served by a process that got it over a socket, until
 *				that is killed in a read
 *	sharing waiting		nobody has it but the queue of a socket
 *	sharing lost		the same, and the socket is in its own queue
 *	sharing hold PID	takes the one of a device program, until stdin ends
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lb.h"

#define ID_RNG		4
#define DRIVER_OK	4

static bool send_fd(int sock, int fd)
{
	char control[CMSG_SPACE(sizeof(fd))] = {}, byte = 'f';
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	return sendmsg(sock, &msg, 0) == 1;
}

/* Returns the descriptor, or -1. */
static int recv_fd(int sock)
{
	char control[CMSG_SPACE(sizeof(int))], byte;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg;
	int fd = -1;

	if (recvmsg(sock, &msg, 0) != 1)
		return -1;
	cmsg = CMSG_FIRSTHDR(&msg);
	if (cmsg)
		memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
	return fd;
}

static bool is(const char *what, bool good)
{
	if (!good)
		note("not so: %s", what);
	return good;
}

static bool gone(unsigned int num)
{
	int turns;

	for (turns = 0; turns < LB_WAIT / 10 && lb_exists(num); turns++)
		usleep(10000);
	return is("its bus has ended", !lb_exists(num));
}

static bool is_running(struct lb *lb, struct lb_dev *dev)
{
	(void)lb;
	return dev->status & DRIVER_OK;
}

/* The other process: it has nothing but what comes over the socket. */
static int serve(int sock)
{
	struct lb_dev dev = {
		.id = ID_RNG,
		.features = 1ULL << 32 | 1ULL << 33,
		.max_size = 8,
		.num_vqs = 1,
	};
	struct lb lb = { .fd = recv_fd(sock) };
	char frame[LB_FRAME];

	if (lb.fd < 0 || !lb_no_devices(&lb) ||
	    lb_event_device(&lb, 0, VIRTIO_MSG_DEVICE_ADDED) ||
	    !lb_dev_run(&lb, &dev, is_running) || write(sock, "r", 1) != 1)
		return 1;
	/* The driver asks for entropy, which never comes. */
	while (read(lb.fd, frame, sizeof(frame)) > 0)
		lb_dev_handle(&lb, &dev, frame);
	return 1;
}

static bool passed(void)
{
	int socks[2], status;
	struct lb lb;
	pid_t pid;
	bool good;
	char c;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, socks))
		return is("there are sockets", false);
	pid = fork();
	if (!pid) {
		close(socks[0]);
		_exit(serve(socks[1]));
	}
	close(socks[1]);
	good = lb_start(&lb, 0) && is("it was sent", send_fd(socks[0], lb.fd));
	lb_stop(&lb);
	good = good && is("the device runs", read(socks[0], &c, 1) == 1) &&
	       is("the bus lives", lb_exists(lb.num)) &&
	       is("requests were answered", lb_statistic(&lb, "responses") > 5) &&
	       is("none timed out", !lb_statistic(&lb, "timeouts"));
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	good = is("it was waiting", WIFSIGNALED(status)) && good;
	close(socks[0]);
	return gone(lb.num) && good;
}

static bool waiting(void)
{
	int socks[2];
	struct lb lb;
	bool good;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, socks))
		return is("there are sockets", false);
	good = lb_start(&lb, 0) && lb_no_devices(&lb) &&
	       is("it was sent", send_fd(socks[0], lb.fd));
	close(lb.fd);
	good = good && is("the bus lives", lb_exists(lb.num));
	lb.fd = recv_fd(socks[1]);
	good = good && is("it works", lb_alive(&lb)) &&
	       is("it was sent again", send_fd(socks[0], lb.fd));
	lb_stop(&lb);
	good = good && is("the bus lives", lb_exists(lb.num));
	close(socks[0]);
	close(socks[1]);
	return gone(lb.num) && good;
}

/* The kernel has to find out that nobody can ever receive it. */
static bool lost(void)
{
	int socks[2];
	struct lb lb;
	bool good;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, socks))
		return is("there are sockets", false);
	good = lb_start(&lb, 0) && lb_no_devices(&lb) &&
	       is("it was sent", send_fd(socks[0], lb.fd)) &&
	       is("its socket was sent", send_fd(socks[0], socks[1])) &&
	       is("the other one was sent", send_fd(socks[1], socks[0]));
	lb_stop(&lb);
	good = good && is("the bus lives", lb_exists(lb.num));
	close(socks[0]);
	close(socks[1]);
	/* Whoever closes a UNIX socket has the lost ones looked for. */
	close(socket(AF_UNIX, SOCK_STREAM, 0));
	return gone(lb.num) && good;
}

/* Returns the number of the descriptor in that process, or -1. */
static int find_fd(int pid)
{
	char path[64], target[64];
	ssize_t size;
	int fd;

	for (fd = 0; fd < 256; fd++) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, fd);
		size = readlink(path, target, sizeof(target) - 1);
		if (size < 0)
			continue;
		target[size] = '\0';
		if (!strcmp(target, VIRTIO_MSG_LB_PATH))
			return fd;
	}
	return -1;
}

static bool hold(int pid)
{
	int pidfd = syscall(SYS_pidfd_open, pid, 0);
	int fd = syscall(SYS_pidfd_getfd, pidfd, find_fd(pid), 0);
	char c;

	if (fd < 0) {
		note("cannot take it: %s", strerror(errno));
		return false;
	}
	close(pidfd);
	puts("ready");
	fflush(stdout);
	while (read(0, &c, 1) > 0)
		;
	return true;
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "passed"))
		return !passed();
	if (argc == 2 && !strcmp(argv[1], "waiting"))
		return !waiting();
	if (argc == 2 && !strcmp(argv[1], "lost"))
		return !lost();
	if (argc == 3 && !strcmp(argv[1], "hold"))
		return !hold(atoi(argv[2]));
	fprintf(stderr, "see the source for how to call it\n");
	return 2;
}
