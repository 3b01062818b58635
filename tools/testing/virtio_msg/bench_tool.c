// SPDX-License-Identifier: GPL-2.0
/*
 * bench_tool: what a shell cannot do for bench-guest.sh.
 *
 *   reflect PORT             answers every UDP packet with itself
 *   trips ADDRESS PORT N     microseconds from a packet to its answer
 *   taps A B                 makes two taps, and carries packets between them
 *   kill PID DISK SECONDS    microseconds from SIGKILL for PID to the first
 *                            error of DISK, or "none"
 *   mark                     begins or ends what bench_plugin counts
 *
 * "taps" is the simplest program that does for two taps what virtio-msg-device
 * does for a virtio-net device and a tap, with the same offloads.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <linux/if.h>
#include <linux/if_tun.h>

#include "bench_plugin.h"

#define ANSWER_MS	1000
/* Ethernet, VLAN, virtio header, and 64 KiB. */
#define PACKET		(65536 + 32)
#define BLOCK		4096
#define WARM_READS	100

static int failed(const char *what)
{
	fprintf(stderr, "bench_tool: %s: %s\n", what, strerror(errno));
	return 1;
}

static double now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1e6 + now.tv_nsec / 1e3;
}

static struct sockaddr_in address(const char *host, const char *port)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_port = htons(atoi(port)),
		.sin_addr.s_addr = inet_addr(host),
	};

	return addr;
}

static int reflect(const char *port)
{
	struct sockaddr_in addr = address("0.0.0.0", port), from;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	char packet[2048];
	socklen_t size;
	ssize_t len;

	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)))
		return failed("bind");
	for (;;) {
		size = sizeof(from);
		len = recvfrom(fd, packet, sizeof(packet), 0,
			       (struct sockaddr *)&from, &size);
		if (len >= 0)
			sendto(fd, packet, len, 0, (struct sockaddr *)&from,
			       size);
	}
}

static bool trip(int fd)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	char packet[64] = "";

	return send(fd, packet, sizeof(packet), 0) == sizeof(packet) &&
	       poll(&poll_fd, 1, ANSWER_MS) == 1 &&
	       recv(fd, packet, sizeof(packet), 0) == sizeof(packet);
}

static int trips(const char *host, const char *port, const char *num)
{
	struct sockaddr_in addr = address(host, port);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	int i, count = atoi(num), warm = count / 10;
	double start = 0;

	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		return failed("connect");
	for (i = 0; i < warm + count; i++) {
		if (i == warm)
			start = now_us();
		if (!trip(fd))
			return failed("no answer");
	}
	printf("%.2f\n", (now_us() - start) / count);
	return 0;
}

static int open_tap(const char *name)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK);

	snprintf(ifr.ifr_name, IFNAMSIZ, "%s", name);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr) ||
	    ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6))
		exit(failed(name));
	return fd;
}

static void carry(int from, int to)
{
	static char packet[PACKET];
	ssize_t len;

	/* A network may lose what there is no room for. */
	while ((len = read(from, packet, sizeof(packet))) > 0)
		if (write(to, packet, len) != len)
			continue;
}

static int taps(const char *a, const char *b)
{
	struct pollfd fds[] = {
		{ .fd = open_tap(a), .events = POLLIN },
		{ .fd = open_tap(b), .events = POLLIN },
	};

	puts("ready");
	fflush(stdout);
	while (poll(fds, 2, -1) > 0) {
		if (fds[0].revents)
			carry(fds[0].fd, fds[1].fd);
		if (fds[1].revents)
			carry(fds[1].fd, fds[0].fd);
	}
	return failed("poll");
}

/* Says on the pipe when it is running, and when it has come to an error. */
static void read_on(const char *disk, int pipe)
{
	int fd = open(disk, O_RDONLY | O_DIRECT);
	void *block = aligned_alloc(BLOCK, BLOCK);
	double when;
	int i = 0;

	/* It may stay for ever, but nobody is to wait for that. */
	close(STDOUT_FILENO);
	while (fd >= 0 && pread(fd, block, BLOCK, 0) == BLOCK) {
		when = now_us();
		if (++i == WARM_READS)
			write(pipe, &when, sizeof(when));
	}
	when = now_us();
	write(pipe, &when, sizeof(when));
	exit(0);
}

static int kill_under(const char *pid, const char *disk, const char *seconds)
{
	struct pollfd poll_fd = { .events = POLLIN };
	double start, end;
	int fds[2];

	if (pipe(fds))
		return failed("pipe");
	if (!fork())
		read_on(disk, fds[1]);
	close(fds[1]);
	poll_fd.fd = fds[0];
	if (read(fds[0], &end, sizeof(end)) != sizeof(end))
		return failed(disk);
	/* An error already? */
	if (poll(&poll_fd, 1, 0))
		return failed(disk);
	start = now_us();
	if (kill(atoi(pid), SIGKILL))
		return failed("kill");
	/* A reader that nobody answers cannot be killed either: it stays. */
	if (poll(&poll_fd, 1, atoi(seconds) * 1000) == 1 &&
	    read(fds[0], &end, sizeof(end)) == sizeof(end))
		printf("%.0f\n", end - start);
	else
		puts("none");
	return 0;
}

static int mark(void)
{
	asm volatile(".byte 0x0f, 0x1f, 0x84, 0\n\t.long %c0" : : "i"(BENCH_MARK));
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "reflect"))
		return reflect(argv[2]);
	if (argc == 5 && !strcmp(argv[1], "trips"))
		return trips(argv[2], argv[3], argv[4]);
	if (argc == 4 && !strcmp(argv[1], "taps"))
		return taps(argv[2], argv[3]);
	if (argc == 5 && !strcmp(argv[1], "kill"))
		return kill_under(argv[2], argv[3], argv[4]);
	if (argc == 2 && !strcmp(argv[1], "mark"))
		return mark();
	fputs("bench_tool: see the head of its source\n", stderr);
	return 2;
}
