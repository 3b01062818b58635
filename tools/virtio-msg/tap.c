// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * libvmsg: a tap interface, set up by a process of its own.
 *
 * To make, change or close a tap, the kernel takes a lock that it also holds
 * while it waits for the answers of a network device (the RTNL). With the
 * loopback that is the same kernel: whoever has to answer must not wait for the
 * lock. So another process makes the tap, passes its queues on, and does as it
 * is asked. It also has the last reference to them: when the program is killed,
 * its bus is closed whatever the lock is doing. It ends with the other end of
 * its socket, and the tap with it, unless that is persistent.
 *
 * Packets need no lock.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/if_tun.h>

#include "tap.h"

#define TAP_DEVICE	"/dev/net/tun"
/* The process of a program that has just ended may still have it: 1 s. */
#define TAP_TRIES	50
#define TAP_TRY_US	20000

struct tap {
	int sock;
	unsigned int queues;
	unsigned int hdr_size;
	unsigned int attached;
	char name[IFNAMSIZ];
	int fds[VMSG_TAP_MAX_QUEUES];
};

/* Room for the queues of a tap in a message. */
union tap_control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(VMSG_TAP_MAX_QUEUES * sizeof(int))];
};

static int tap_open_queue(struct tap *tap, unsigned int i)
{
	struct ifreq ifr = {
		.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR,
	};
	int size = tap->hdr_size, little = 1, tries = 0;

	if (tap->queues > 1)
		ifr.ifr_flags |= IFF_MULTI_QUEUE;
	memcpy(ifr.ifr_name, tap->name, sizeof(ifr.ifr_name));
	tap->fds[i] = open(TAP_DEVICE, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (tap->fds[i] < 0)
		return -errno;
	while (ioctl(tap->fds[i], TUNSETIFF, &ifr)) {
		if (errno != EBUSY || tries++ == TAP_TRIES)
			return -errno;
		usleep(TAP_TRY_US);
	}
	if (ioctl(tap->fds[i], TUNSETVNETHDRSZ, &size) ||
	    ioctl(tap->fds[i], TUNSETVNETLE, &little))
		return -errno;
	/* A name can be a pattern like tap%d. */
	memcpy(tap->name, ifr.ifr_name, sizeof(tap->name));
	tap->attached = i + 1;
	return 0;
}

static int tap_attach(struct tap *tap, unsigned int i, bool on)
{
	struct ifreq ifr = {
		.ifr_flags = on ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE,
	};

	return ioctl(tap->fds[i], TUNSETQUEUE, &ifr) ? -errno : 0;
}

static int tap_change(struct tap *tap, const struct vmsg_tap_wish *wish)
{
	int carrier = wish->carrier;
	int ret = 0;

	if (ioctl(tap->fds[0], TUNSETOFFLOAD, (unsigned long)wish->offloads) ||
	    ioctl(tap->fds[0], TUNSETCARRIER, &carrier))
		return -errno;
	while (!ret && tap->attached < wish->queues) {
		ret = tap_attach(tap, tap->attached, true);
		if (!ret)
			tap->attached++;
	}
	while (!ret && tap->attached > wish->queues) {
		ret = tap_attach(tap, tap->attached - 1, false);
		if (!ret)
			tap->attached--;
	}
	return ret;
}

/* With all of its queues, or none. */
static int tap_tell(struct tap *tap, int error, unsigned int num_fds)
{
	struct vmsg_tap_news news = {
		.error = error,
		.queues = tap->attached,
	};
	struct iovec iov = { &news, sizeof(news) };
	union tap_control control = { 0 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
	};
	struct cmsghdr *cmsg;

	memcpy(news.name, tap->name, sizeof(news.name));
	if (num_fds) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(num_fds * sizeof(int));
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(num_fds * sizeof(int));
		memcpy(CMSG_DATA(cmsg), tap->fds, num_fds * sizeof(int));
	}
	return sendmsg(tap->sock, &msg, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* The process. Nothing but its socket is left open. */
static int tap_main(struct tap *tap)
{
	struct vmsg_tap_wish wish;
	sigset_t none;
	unsigned int i;
	int ret = 0;

	setsid();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_NAME, "vmsg-tap", 0, 0, 0);
	if (dup2(tap->sock, 0) < 0 || dup2(0, 1) < 0 || dup2(0, 2) < 0 ||
	    close_range(3, ~0U, 0))
		return EXIT_FAILURE;
	tap->sock = 0;
	for (i = 0; i < tap->queues && !ret; i++)
		ret = tap_open_queue(tap, i);
	if (tap_tell(tap, ret, ret ? 0 : tap->queues) || ret)
		return EXIT_FAILURE;
	while (recv(tap->sock, &wish, sizeof(wish), 0) == sizeof(wish)) {
		if (tap_tell(tap, tap_change(tap, &wish), 0))
			return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}

/**
 * vmsg_tap_start() - begin to set up a tap interface
 * @name: what it is called; made if it is not there
 * @queues: how many queues it has; only with several of them it is one of kind
 *	multi_queue
 * @hdr_size: bytes of the header before each packet
 *
 * Return: a socket that gets readable when there are news, to be closed to give
 * the tap back; or a negative errno value.
 */
int vmsg_tap_start(const char *name, unsigned int queues,
		   unsigned int hdr_size)
{
	struct tap tap = { .queues = queues, .hdr_size = hdr_size };
	int socks[2], status;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks))
		return -errno;
	tap.sock = socks[1];
	snprintf(tap.name, sizeof(tap.name), "%s", name);
	/* A child of a child: nobody has to wait for it. */
	pid = fork();
	if (!pid) {
		pid = fork();
		if (!pid)
			_exit(tap_main(&tap));
		_exit(pid < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
	}
	close(socks[1]);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (pid > 0 && !status)
		return socks[0];
	close(socks[0]);
	return -EAGAIN;
}

/**
 * vmsg_tap_ask() - have a tap changed
 * @sock: from vmsg_tap_start()
 * @wish: what it is to be like; ask again only after news
 *
 * Return: 0, or a negative errno value.
 */
int vmsg_tap_ask(int sock, const struct vmsg_tap_wish *wish)
{
	return send(sock, wish, sizeof(*wish), MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ?
	       -errno : 0;
}

/**
 * vmsg_tap_hear() - are there news of a tap?
 * @sock: from vmsg_tap_start()
 * @news: what there is
 * @fds: the first time and without error: its queues
 * @num_fds: how many
 *
 * Return: 0, -EAGAIN = not yet, or another negative errno value.
 */
int vmsg_tap_hear(int sock, struct vmsg_tap_news *news, int *fds,
		  unsigned int num_fds)
{
	struct iovec iov = { news, sizeof(*news) };
	union tap_control control;
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	struct cmsghdr *cmsg;
	ssize_t len;

	len = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (len < 0)
		return -errno;
	if (len != sizeof(*news))
		return -ECONNRESET;
	cmsg = CMSG_FIRSTHDR(&msg);
	if (cmsg && cmsg->cmsg_type == SCM_RIGHTS &&
	    cmsg->cmsg_len == CMSG_LEN(num_fds * sizeof(int)))
		memcpy(fds, CMSG_DATA(cmsg), num_fds * sizeof(int));
	return 0;
}
