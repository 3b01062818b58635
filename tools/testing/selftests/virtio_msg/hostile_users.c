// SPDX-License-Identifier: GPL-2.0
/*
 * The users of a hostile device: a process of its own, whose threads do at random
 * what there is to do with whatever appears on the loopback buses. They expect
 * nothing of it but that it ends when the bus does.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <net/if.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/fs.h>
#include <linux/gpio.h>
#include <linux/i2c-dev.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/input.h>
#include <linux/vm_sockets.h>

#include "hostile.h"
#include "lb.h"

#define THREADS		6
/* One read or write, aligned for O_DIRECT. */
#define CHUNK		0x10000
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define BUSES		"/sys/class/virtio_msg/"

static atomic_bool stopped;
/* In memory that is shared with the parent. */
static atomic_ulong *uses;

struct user {
	struct dice dice;
	uint8_t *buffer;
};

static int open_path(const char *path, int flags)
{
	return open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

/* Most of these fail, and that is as good as not. */
static void ignore(long ret)
{
	(void)ret;
}

static void use_disk(struct user *u, const char *path)
{
	int fd = open_path(path, O_RDWR | (dice_percent(&u->dice, 70) ? O_DIRECT : 0));
	uint64_t range[2] = {}, size;
	int turns;

	if (fd < 0)
		return;
	for (turns = dice_roll(&u->dice, 8); turns >= 0; turns--) {
		size_t len = (1 + dice_roll(&u->dice, CHUNK / 512)) * 512;
		off_t offset = dice_roll(&u->dice, 4096) * 512;

		switch (dice_roll(&u->dice, 8)) {
		case 0:
			ignore(fsync(fd));
			break;
		case 1:
			range[1] = len;
			ignore(ioctl(fd, BLKDISCARD, range));
			break;
		case 2:
			range[1] = len;
			ignore(ioctl(fd, BLKZEROOUT, range));
			break;
		case 3:
			ignore(ioctl(fd, BLKGETSIZE64, &size));
			ignore(ioctl(fd, BLKRRPART));
			break;
		case 4:
		case 5:
			ignore(pwrite(fd, u->buffer, len, offset));
			break;
		default:
			ignore(pread(fd, u->buffer, len, offset));
		}
	}
	close(fd);
}

static void use_stream(struct user *u, const char *path)
{
	int fd = open_path(path, O_RDWR);

	if (fd < 0)
		return;
	ignore(read(fd, u->buffer, dice_roll(&u->dice, 4096)));
	ignore(write(fd, u->buffer, dice_roll(&u->dice, 4096)));
	close(fd);
}

/* Whatever the text is: a file that can be read. */
static void use_file(struct user *u, const char *path)
{
	int fd = open_path(path, O_RDONLY);

	if (fd < 0)
		return;
	ignore(read(fd, u->buffer, CHUNK));
	close(fd);
}

static void use_input(struct user *u, const char *path)
{
	struct input_event event = {
		.type = EV_LED,
		.code = dice_roll(&u->dice, LED_CNT),
		.value = dice_roll(&u->dice, 2),
	};
	int fd = open_path(path, O_RDWR);

	if (fd < 0)
		return;
	ignore(write(fd, &event, sizeof(event)));
	ignore(read(fd, u->buffer, 4096));
	ignore(ioctl(fd, EVIOCGNAME(4096), u->buffer));
	close(fd);
}

static void use_i2c(struct user *u, const char *path)
{
	int fd = open_path(path, O_RDWR);

	if (fd < 0)
		return;
	ignore(ioctl(fd, I2C_SLAVE_FORCE, dice_roll(&u->dice, 0x78)));
	ignore(write(fd, u->buffer, 1 + dice_roll(&u->dice, 64)));
	ignore(read(fd, u->buffer, 1 + dice_roll(&u->dice, 64)));
	close(fd);
}

static void use_gpio(struct user *u, const char *path)
{
	struct gpio_v2_line_request request = {
		.offsets[0] = dice_roll(&u->dice, 16),
		.num_lines = 1,
		.config.flags = dice_percent(&u->dice, 50) ? GPIO_V2_LINE_FLAG_INPUT :
							    GPIO_V2_LINE_FLAG_OUTPUT,
	};
	struct gpio_v2_line_values values = { .mask = 1, .bits = 1 };
	int fd = open_path(path, O_RDWR);

	if (fd < 0)
		return;
	if (!ioctl(fd, GPIO_V2_GET_LINE_IOCTL, &request)) {
		ignore(ioctl(request.fd, GPIO_V2_LINE_SET_VALUES_IOCTL, &values));
		ignore(ioctl(request.fd, GPIO_V2_LINE_GET_VALUES_IOCTL, &values));
		close(request.fd);
	}
	close(fd);
}

static void use_net(struct user *u, const char *path)
{
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_ll to = { .sll_family = AF_PACKET };
	struct ifreq ifr = {};
	int turns;

	if (fd < 0)
		return;
	snprintf(ifr.ifr_name, IFNAMSIZ, "%s", strrchr(path, '/') + 1);
	to.sll_ifindex = if_nametoindex(ifr.ifr_name);
	switch (dice_roll(&u->dice, 8)) {
	case 0:
		ignore(ioctl(fd, SIOCSIFFLAGS, &ifr));
		break;
	case 1:
		ifr.ifr_mtu = 68 + dice_roll(&u->dice, 9000);
		ignore(ioctl(fd, SIOCSIFMTU, &ifr));
		break;
	case 2:
		ifr.ifr_hwaddr.sa_family = 1;
		ifr.ifr_hwaddr.sa_data[0] = 2;
		ifr.ifr_hwaddr.sa_data[5] = dice_roll(&u->dice, 256);
		ignore(ioctl(fd, SIOCSIFHWADDR, &ifr));
		break;
	case 3:
		ifr.ifr_flags = IFF_UP | IFF_PROMISC;
		ignore(ioctl(fd, SIOCSIFFLAGS, &ifr));
		break;
	default:
		ifr.ifr_flags = IFF_UP;
		ignore(ioctl(fd, SIOCSIFFLAGS, &ifr));
		for (turns = dice_roll(&u->dice, 16); turns; turns--)
			ignore(sendto(fd, u->buffer, 14 + dice_roll(&u->dice, 1500), 0,
				      (void *)&to, sizeof(to)));
	}
	close(fd);
}

static void use_vsock(struct user *u, const char *path)
{
	struct sockaddr_vm to = {
		.svm_family = AF_VSOCK,
		.svm_cid = VMADDR_CID_HOST,
		.svm_port = dice_roll(&u->dice, 4),
	};
	int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	(void)path;
	if (fd < 0)
		return;
	ignore(connect(fd, (void *)&to, sizeof(to)));
	usleep(1000);
	ignore(send(fd, u->buffer, dice_roll(&u->dice, CHUNK), MSG_NOSIGNAL));
	ignore(recv(fd, u->buffer, CHUNK, 0));
	close(fd);
}

static void put(const char *path, const char *text)
{
	int fd = open_path(path, O_WRONLY);

	if (fd < 0)
		return;
	ignore(write(fd, text, strlen(text)));
	close(fd);
}

/* Takes the driver away from a device, or lets all drivers have a look at it. */
static void use_binding(struct user *u, const char *path)
{
	const char *name = strrchr(path, '/') + 1;
	char file[256];

	if (!dice_percent(&u->dice, 10))
		return;
	if (dice_percent(&u->dice, 50)) {
		snprintf(file, sizeof(file), "%s/driver/unbind", path);
		put(file, name);
	} else {
		put("/sys/bus/virtio/drivers_probe", name);
	}
}

static const struct {
	const char *pattern;
	void (*use)(struct user *u, const char *path);
} ways[] = {
	{ "/dev/vd[a-z]*", use_disk },
	{ "/dev/vd[a-z]*", use_disk },
	{ "/dev/hwrng", use_stream },
	{ "/dev/vport*", use_stream },
	{ "/dev/hvc*", use_stream },
	{ "/dev/input/event*", use_input },
	{ "/dev/i2c-*", use_i2c },
	{ "/dev/gpiochip*", use_gpio },
	{ "/dev/vsock", use_vsock },
	{ BUSES "*/virtio*/net/*", use_net },
	{ BUSES "*/virtio*", use_binding },
	{ BUSES "*/virtio*/virtio_msg/*", use_file },
	{ BUSES "*/virtio*/block/vd*/serial", use_file },
	{ BUSES "*/statistics/*", use_file },
	{ BUSES "*/*", use_file },
	{ "/sys/class/misc/hw_random/rng_*", use_file },
};

static void *user_thread(void *arg)
{
	struct user *u = arg;

	while (!stopped) {
		size_t i = dice_roll(&u->dice, ARRAY_SIZE(ways));
		glob_t found = {};

		if (!glob(ways[i].pattern, GLOB_NOSORT, NULL, &found)) {
			ways[i].use(u, found.gl_pathv[dice_roll(&u->dice, found.gl_pathc)]);
			(*uses)++;
		}
		globfree(&found);
		usleep(1000);
	}
	return NULL;
}

static void on_stop(int sig)
{
	(void)sig;
	stopped = true;
}

static int users(uint64_t seed)
{
	static struct user user[THREADS];
	pthread_t thread[THREADS];
	int i;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGTERM, on_stop);
	for (i = 0; i < THREADS; i++) {
		user[i].dice.state = seed + i;
		if (posix_memalign((void **)&user[i].buffer, 4096, CHUNK) ||
		    pthread_create(&thread[i], NULL, user_thread, &user[i]))
			return 1;
		memset(user[i].buffer, i, CHUNK);
	}
	for (i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	return 0;
}

/* Returns the process that does it, -1 if there is none. */
pid_t users_start(uint64_t seed)
{
	pid_t pid;

	uses = mmap(NULL, sizeof(*uses), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (uses == MAP_FAILED)
		return -1;
	pid = fork();
	if (!pid)
		_exit(users(seed));
	return pid;
}

/* All buses are gone: so must be every reason to wait. */
bool users_stop(pid_t pid, unsigned long *used)
{
	char stacks[128];
	int turns, status;

	kill(pid, SIGTERM);
	for (turns = 0; turns < 12 * LB_WAIT / 100; turns++) {
		if (waitpid(pid, &status, WNOHANG) == pid) {
			*used = *uses;
			return WIFEXITED(status) && !WEXITSTATUS(status);
		}
		usleep(100000);
	}
	note("a user of the devices still waits:");
	snprintf(stacks, sizeof(stacks), "cat /proc/%d/task/*/stack | sed 's/^/#   /'", pid);
	ignore(system(stacks));
	kill(pid, SIGKILL);
	*used = *uses;
	return false;
}
