// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * libvmsg: the link to a virtual machine that has an ivshmem-doorbell device.
 *
 * An ivshmem server gives everybody the same memory, and doorbells to interrupt
 * each other; if there is none yet, one is started. The memory begins with the
 * window of the bus, see amp.c, and the pool is behind it. A device address is
 * an offset in the memory.
 *
 * The driver side is the peer that came first. When it leaves, or its state says
 * that it begins anew, the devices are reset and the link waits for the next
 * one. The memory and the machine outlive this program.
 *
 * There are three descriptors in one epoll descriptor: our doorbell, the socket
 * of the server, and a timer, for there are things of which nobody tells: that
 * there is room, and that the other side's state has changed.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "amp.h"
#include "ivshmem.h"

#define VMSG_IVSHMEM_SIZE	(32ULL << 20)
#define VMSG_IVSHMEM_PEERS	16
#define VMSG_IVSHMEM_NOTIF	64
#define VMSG_IVSHMEM_PER_DEVICE	4
#define VMSG_IVSHMEM_PATIENCE	5000
/* The timer: to see if there is room, and to see the driver side's state. */
#define VMSG_IVSHMEM_ROOM_MS	1
#define VMSG_IVSHMEM_ROOM_MAX	64
#define VMSG_IVSHMEM_POLL_MS	100
/* How long a server may take to say hello, and one that ends to be gone. */
#define VMSG_IVSHMEM_HELLO_S	5
#define VMSG_IVSHMEM_TRIES	20
#define VMSG_IVSHMEM_TRY_MS	50

struct vmsg_ivshmem_peer {
	/* -1 = there is none */
	int id;
	int bell;
};

struct vmsg_ivshmem {
	struct vmsg_link link;
	struct vmsg_amp amp;
	const char *path;

	char *mem;
	uint64_t mem_size;
	int mem_fd;

	int server_fd;
	/* A number of the server, and what came with it, as far as it is here. */
	uint64_t number;
	size_t number_len;
	int number_fd;

	/* Our peer id and doorbell; all others; which of them is the driver. */
	int own_id;
	int own_bell;
	/* It has been rung: who wants to ring it knows it by now. */
	bool bell_works;
	struct vmsg_ivshmem_peer peers[VMSG_IVSHMEM_PEERS];
	struct vmsg_ivshmem_peer *driver;
	bool driver_left;

	int timer_fd;
	unsigned int room_ms;
	/* When we have begun to wait for the driver side, and how long we do. */
	uint64_t since_ms;
	uint64_t patience_ms;
};

static struct vmsg_ivshmem *vmsg_ivshmem_of(struct vmsg_link *link)
{
	return VMSG_CONTAINER_OF(link, struct vmsg_ivshmem, link);
}

static uint64_t vmsg_ivshmem_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ULL + now.tv_nsec / 1000000;
}

static void vmsg_ivshmem_timer(struct vmsg_ivshmem *iv, unsigned int ms)
{
	struct itimerspec spec = { .it_value.tv_nsec = ms * 1000000L };

	timerfd_settime(iv->timer_fd, 0, &spec, NULL);
}

static void vmsg_ivshmem_close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Peers ------------------------------------------------------------------ */

static void vmsg_ivshmem_choose(struct vmsg_ivshmem *iv,
				struct vmsg_ivshmem_peer *peer)
{
	iv->driver = peer;
	iv->since_ms = vmsg_ivshmem_now();
	/* It may have been looking for us. */
	iv->amp.ring = true;
}

static void vmsg_ivshmem_peer_came(struct vmsg_ivshmem *iv, int id, int fd)
{
	struct vmsg_ivshmem_peer *peer = NULL;
	int i;

	for (i = 0; i < VMSG_IVSHMEM_PEERS; i++) {
		if (iv->peers[i].id == id)
			break;
		if (iv->peers[i].id < 0 && !peer)
			peer = &iv->peers[i];
	}
	/* Its second vector, or one peer too many. */
	if (i < VMSG_IVSHMEM_PEERS || !peer) {
		close(fd);
		return;
	}
	peer->id = id;
	peer->bell = fd;
	if (!iv->driver)
		vmsg_ivshmem_choose(iv, peer);
	else
		vmsg_warn("note: %s has a peer %d as well; only peer %d is served; give each virtual machine a socket of its own",
			  iv->link.name, id, iv->driver->id);
}

static void vmsg_ivshmem_peer_left(struct vmsg_ivshmem *iv, int id)
{
	struct vmsg_ivshmem_peer *peer;
	int i;

	for (i = 0; i < VMSG_IVSHMEM_PEERS && iv->peers[i].id != id; i++)
		;
	if (i == VMSG_IVSHMEM_PEERS)
		return;
	peer = &iv->peers[i];
	peer->id = -1;
	vmsg_ivshmem_close_fd(&peer->bell);
	if (peer != iv->driver)
		return;
	iv->driver = NULL;
	iv->driver_left = true;
	for (i = 0; i < VMSG_IVSHMEM_PEERS && !iv->driver; i++) {
		if (iv->peers[i].id >= 0)
			vmsg_ivshmem_choose(iv, &iv->peers[i]);
	}
}

static void vmsg_ivshmem_ring(struct vmsg_ivshmem *iv)
{
	const uint64_t one = 1;

	if (!iv->amp.ring || !iv->driver)
		return;
	iv->amp.ring = false;
	/* What the bell is rung for is there before it rings. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	/* One that is full has been rung often enough. */
	if (write(iv->driver->bell, &one, sizeof(one)) < 0)
		return;
}

/* The server ------------------------------------------------------------- */

/**
 * vmsg_ivshmem_address() - where a server is
 * @path: its socket
 * @addr: the same as an address
 *
 * Return: 0 or -ENAMETOOLONG.
 */
int vmsg_ivshmem_address(const char *path, struct sockaddr_un *addr)
{
	memset(addr, 0, sizeof(*addr));
	addr->sun_family = AF_UNIX;
	if (strlen(path) >= sizeof(addr->sun_path))
		return -ENAMETOOLONG;
	memcpy(addr->sun_path, path, strlen(path));
	return 0;
}

static int vmsg_ivshmem_take_memory(struct vmsg_ivshmem *iv, int fd)
{
	struct stat st;

	if (iv->mem || fstat(fd, &st)) {
		close(fd);
		return -EPROTO;
	}
	iv->mem_fd = fd;
	if (st.st_size < (off_t)VMSG_IVSHMEM_MIN)
		return -EFBIG;
	iv->mem_size = st.st_size;
	iv->mem = mmap(NULL, iv->mem_size, PROT_READ | PROT_WRITE, MAP_SHARED,
		       fd, 0);
	if (iv->mem == MAP_FAILED) {
		iv->mem = NULL;
		return -errno;
	}
	/* A child that outlives us must not reach the guest's memory. */
	madvise(iv->mem, iv->mem_size, MADV_DONTFORK);
	return 0;
}

/* What the server has said; the descriptor, or -1, is ours now. */
static int vmsg_ivshmem_heard(struct vmsg_ivshmem *iv, int64_t number, int fd)
{
	if (number == VMSG_IVSHMEM_MEMORY && fd >= 0)
		return vmsg_ivshmem_take_memory(iv, fd);
	if (number < 0 || number > UINT16_MAX) {
		vmsg_ivshmem_close_fd(&fd);
		return -EPROTO;
	}
	if (number != iv->own_id) {
		if (fd >= 0)
			vmsg_ivshmem_peer_came(iv, number, fd);
		else
			vmsg_ivshmem_peer_left(iv, number);
	} else if (iv->own_bell < 0) {
		iv->own_bell = fd;
	} else {
		vmsg_ivshmem_close_fd(&fd);
	}
	return 0;
}

/* Returns 1 when there is a whole number, 0 when not yet. */
static int vmsg_ivshmem_listen(struct vmsg_ivshmem *iv, int64_t *number,
			       int *fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = {
		.iov_base = (char *)&iv->number + iv->number_len,
		.iov_len = sizeof(iv->number) - iv->number_len,
	};
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	struct cmsghdr *cmsg;
	ssize_t len;

	len = recvmsg(iv->server_fd, &msg, MSG_CMSG_CLOEXEC);
	if (len < 0)
		return errno == EINTR ? 0 : -errno;
	if (!len)
		return -ECONNRESET;
	cmsg = CMSG_FIRSTHDR(&msg);
	if (cmsg && cmsg->cmsg_level == SOL_SOCKET &&
	    cmsg->cmsg_type == SCM_RIGHTS &&
	    cmsg->cmsg_len == CMSG_LEN(sizeof(int))) {
		vmsg_ivshmem_close_fd(&iv->number_fd);
		memcpy(&iv->number_fd, CMSG_DATA(cmsg), sizeof(int));
	}
	iv->number_len += len;
	if (iv->number_len < sizeof(iv->number))
		return 0;
	*number = le64toh(iv->number);
	*fd = iv->number_fd;
	iv->number_len = 0;
	iv->number_fd = -1;
	return 1;
}

static int vmsg_ivshmem_listen_wait(struct vmsg_ivshmem *iv, int64_t *number,
				    int *fd)
{
	int ret;

	do {
		ret = vmsg_ivshmem_listen(iv, number, fd);
	} while (!ret);
	if (ret == -EAGAIN)
		return -ETIMEDOUT;
	return ret < 0 ? ret : 0;
}

/* Version, our peer id, memory, others, and at last our doorbell. */
static int vmsg_ivshmem_hello(struct vmsg_ivshmem *iv)
{
	int64_t number;
	int ret, fd;

	ret = vmsg_ivshmem_listen_wait(iv, &number, &fd);
	if (!ret && (number != VMSG_IVSHMEM_PROTOCOL || fd >= 0))
		ret = -EPROTO;
	if (ret)
		return ret;
	ret = vmsg_ivshmem_listen_wait(iv, &number, &fd);
	if (!ret && (number < 0 || number > UINT16_MAX || fd >= 0))
		ret = -EPROTO;
	if (ret)
		return ret;
	iv->own_id = number;
	while (iv->own_bell < 0) {
		ret = vmsg_ivshmem_listen_wait(iv, &number, &fd);
		if (!ret)
			ret = vmsg_ivshmem_heard(iv, number, fd);
		if (ret)
			return ret;
	}
	return iv->mem ? 0 : -EPROTO;
}

static int vmsg_ivshmem_connect(struct vmsg_ivshmem *iv)
{
	const struct timeval timeout = { .tv_sec = VMSG_IVSHMEM_HELLO_S };
	struct sockaddr_un addr;
	int ret;

	ret = vmsg_ivshmem_address(iv->path, &addr);
	if (ret)
		return ret;
	iv->server_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (iv->server_fd < 0)
		return -errno;
	if (setsockopt(iv->server_fd, SOL_SOCKET, SO_RCVTIMEO, &timeout,
		       sizeof(timeout)) ||
	    connect(iv->server_fd, (struct sockaddr *)&addr, sizeof(addr)))
		return -errno;
	return 0;
}

static void vmsg_ivshmem_sleep(void)
{
	const struct timespec pause = {
		.tv_nsec = VMSG_IVSHMEM_TRY_MS * 1000000L,
	};

	nanosleep(&pause, NULL);
}

/* Find a server, or start one. One that is just ending can be found as well. */
static int vmsg_ivshmem_meet(struct vmsg_ivshmem *iv, uint64_t size)
{
	int ret, i;

	for (i = 0; i < VMSG_IVSHMEM_TRIES; i++) {
		ret = vmsg_ivshmem_connect(iv);
		if (ret == -ENOENT || ret == -ECONNREFUSED) {
			vmsg_ivshmem_close_fd(&iv->server_fd);
			ret = vmsg_ivshmem_server_start(iv->path, size);
			if (!ret)
				ret = vmsg_ivshmem_connect(iv);
		}
		if (!ret)
			ret = vmsg_ivshmem_hello(iv);
		/* No more than that of the first try can be left behind. */
		if (ret != -ECONNRESET || iv->mem || iv->own_bell >= 0)
			break;
		vmsg_ivshmem_close_fd(&iv->server_fd);
		iv->number_len = 0;
		vmsg_ivshmem_sleep();
	}
	return ret;
}

static void vmsg_ivshmem_server_event(struct vmsg_ivshmem *iv)
{
	int64_t number;
	int ret, fd;

	while ((ret = vmsg_ivshmem_listen(iv, &number, &fd)) >= 0) {
		if (ret)
			ret = vmsg_ivshmem_heard(iv, number, fd);
		if (ret < 0)
			break;
	}
	if (ret == -EAGAIN)
		return;
	/* The memory and the doorbells go on as they are. */
	vmsg_warn("%s: the ivshmem server has ended: %s; a virtual machine that runs is still served, but nobody can come any more: stop both and start them again",
		  iv->link.name, strerror(-ret));
	vmsg_ivshmem_close_fd(&iv->server_fd);
}

/* What a link does ------------------------------------------------------- */

static void vmsg_ivshmem_wake(struct vmsg_link *link)
{
	struct vmsg_ivshmem *iv = vmsg_ivshmem_of(link);
	struct epoll_event events[3];
	uint64_t count;
	int fd, i, num;

	num = epoll_wait(link->fd, events, ARRAY_SIZE(events), 0);
	for (i = 0; i < num; i++) {
		fd = events[i].data.fd;
		if (fd == iv->server_fd)
			vmsg_ivshmem_server_event(iv);
		if (fd == iv->timer_fd && read(fd, &count, sizeof(count)) < 0)
			continue;
		/* Edge-triggered: nobody counts how often it has been rung. */
		if (fd == iv->own_bell)
			iv->bell_works = true;
	}
}

static int vmsg_ivshmem_send(struct vmsg_link *link, const void *frame,
			     size_t len)
{
	struct vmsg_ivshmem *iv = vmsg_ivshmem_of(link);
	int ret;

	/* Nobody is there who could miss it. */
	if (!iv->driver || iv->driver_left || !vmsg_amp_talks(&iv->amp))
		return 0;
	ret = vmsg_amp_send(&iv->amp, frame, len);
	if (ret != -EAGAIN) {
		iv->room_ms = VMSG_IVSHMEM_ROOM_MS;
		return ret;
	}
	/* Nobody tells when there is room. */
	vmsg_ivshmem_timer(iv, iv->room_ms);
	if (iv->room_ms < VMSG_IVSHMEM_ROOM_MAX)
		iv->room_ms *= 2;
	return -EAGAIN;
}

static ssize_t vmsg_ivshmem_receive(struct vmsg_link *link, void *buf,
				    size_t room)
{
	struct vmsg_ivshmem *iv = vmsg_ivshmem_of(link);
	ssize_t ret = -EAGAIN;
	bool impatient;

	if (iv->driver_left) {
		iv->driver_left = false;
		vmsg_amp_driver_left(&iv->amp, iv->driver);
		return -ECONNRESET;
	}
	if (!iv->driver)
		return -EAGAIN;
	impatient = !vmsg_amp_talks(&iv->amp) &&
		    vmsg_ivshmem_now() - iv->since_ms >= iv->patience_ms;
	if (vmsg_amp_step(&iv->amp, impatient)) {
		iv->since_ms = vmsg_ivshmem_now();
		return -ECONNRESET;
	}
	if (vmsg_amp_talks(&iv->amp)) {
		ret = vmsg_amp_receive(&iv->amp, buf, room);
		/* QEMU may not have learned yet whom the guest is ringing. */
		if (ret != -EAGAIN || iv->bell_works)
			return ret;
	}
	vmsg_ivshmem_timer(iv, VMSG_IVSHMEM_POLL_MS);
	return ret;
}

static void vmsg_ivshmem_flush(struct vmsg_link *link)
{
	vmsg_ivshmem_ring(vmsg_ivshmem_of(link));
}

static void *vmsg_ivshmem_map(struct vmsg_link *link, uint64_t addr,
			      uint64_t len)
{
	struct vmsg_ivshmem *iv = vmsg_ivshmem_of(link);

	if (addr < VMSG_AMP_POOL || addr > iv->mem_size ||
	    len > iv->mem_size - addr)
		return NULL;
	return iv->mem + addr;
}

static void vmsg_ivshmem_close(struct vmsg_link *link)
{
	struct vmsg_ivshmem *iv = vmsg_ivshmem_of(link);
	int i;

	if (iv->amp.window) {
		vmsg_amp_close(&iv->amp);
		vmsg_ivshmem_ring(iv);
	}
	/* The server sees that we have left only after we have said so. */
	vmsg_ivshmem_close_fd(&iv->server_fd);
	vmsg_ivshmem_close_fd(&iv->number_fd);
	vmsg_ivshmem_close_fd(&iv->own_bell);
	vmsg_ivshmem_close_fd(&iv->timer_fd);
	vmsg_ivshmem_close_fd(&link->fd);
	for (i = 0; i < VMSG_IVSHMEM_PEERS; i++)
		vmsg_ivshmem_close_fd(&iv->peers[i].bell);
	if (iv->mem)
		munmap(iv->mem, iv->mem_size);
	vmsg_ivshmem_close_fd(&iv->mem_fd);
	free(iv);
}

static const struct vmsg_link_ops vmsg_ivshmem_ops = {
	.wake = vmsg_ivshmem_wake,
	.send = vmsg_ivshmem_send,
	.receive = vmsg_ivshmem_receive,
	.flush = vmsg_ivshmem_flush,
	.map = vmsg_ivshmem_map,
	.close = vmsg_ivshmem_close,
};

/* Opening ---------------------------------------------------------------- */

/*
 * There can be one device side. This kind of lock belongs to the process, and
 * goes with it however it ends.
 */
static int vmsg_ivshmem_lock(struct vmsg_ivshmem *iv)
{
	struct flock lock = { .l_type = F_WRLCK, .l_len = 1 };
	int i;

	for (i = 0; i < VMSG_IVSHMEM_TRIES; i++) {
		if (!fcntl(iv->mem_fd, F_SETLK, &lock))
			return 0;
		if (errno != EAGAIN && errno != EACCES)
			return -errno;
		/* One that has been killed may take a moment. */
		vmsg_ivshmem_sleep();
	}
	if (fcntl(iv->mem_fd, F_GETLK, &lock) || lock.l_type == F_UNLCK)
		lock.l_pid = 0;
	vmsg_warn("process %d serves %s already; end it, or take another socket",
		  (int)lock.l_pid, iv->path);
	return -EBUSY;
}

static int vmsg_ivshmem_poll(struct vmsg_ivshmem *iv, int fd, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.fd = fd };

	return epoll_ctl(iv->link.fd, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

static int vmsg_ivshmem_prepare(struct vmsg_ivshmem *iv)
{
	int ret;

	iv->link.fd = epoll_create1(EPOLL_CLOEXEC);
	iv->timer_fd = timerfd_create(CLOCK_MONOTONIC,
				      TFD_CLOEXEC | TFD_NONBLOCK);
	if (iv->link.fd < 0 || iv->timer_fd < 0 ||
	    fcntl(iv->server_fd, F_SETFL, O_NONBLOCK))
		return -errno;
	ret = vmsg_ivshmem_poll(iv, iv->server_fd, EPOLLIN);
	if (!ret)
		ret = vmsg_ivshmem_poll(iv, iv->timer_fd, EPOLLIN);
	if (!ret)
		ret = vmsg_ivshmem_poll(iv, iv->own_bell, EPOLLIN | EPOLLET);
	/* There may be something already. */
	vmsg_ivshmem_timer(iv, 1);
	return ret;
}

/* Say what is where. A driver side that looks meanwhile must not be misled. */
static void vmsg_ivshmem_publish(struct vmsg_ivshmem *iv)
{
	struct virtio_msg_amp_ivshmem *head = (void *)iv->mem;
	const __le32 magic = htole32(VIRTIO_MSG_AMP_IVSHMEM_MAGIC);

	iv->amp.window = (uint8_t *)iv->mem;
	if (!vmsg_amp_agrees(&iv->amp))
		__atomic_store_n(&head->magic, 0, __ATOMIC_SEQ_CST);
	/* Before the server could take our state for our predecessor's. */
	__atomic_store_n(&head->device_peer, htole32(iv->own_id),
			 __ATOMIC_SEQ_CST);
	head->version = htole32(VIRTIO_MSG_AMP_IVSHMEM_VERSION);
	head->reserved = 0;
	vmsg_amp_open(&iv->amp);
	/* What a driver side that is not connected has left behind. */
	if (!iv->driver)
		vmsg_amp_driver_left(&iv->amp, false);
	__atomic_store_n(&head->magic, magic, __ATOMIC_RELEASE);
	iv->since_ms = vmsg_ivshmem_now();
	vmsg_ivshmem_ring(iv);
}

static int vmsg_ivshmem_setup(struct vmsg_ivshmem *iv,
			      const struct vmsg_ivshmem_params *params)
{
	uint64_t size = params->pool_size ? params->pool_size :
					    VMSG_IVSHMEM_SIZE;
	int ret;

	if (size < VMSG_IVSHMEM_MIN || size & (size - 1)) {
		vmsg_warn("%llu bytes cannot be shared with a virtual machine; take a power of two from 1M",
			  (unsigned long long)size);
		return -EINVAL;
	}
	ret = vmsg_ivshmem_meet(iv, size);
	if (ret) {
		vmsg_warn("no ivshmem server at %s, and none can be started: %s; see that its folder is there and can be written to",
			  iv->path, strerror(-ret));
		return ret;
	}
	ret = vmsg_ivshmem_lock(iv);
	if (ret)
		return ret;
	if (params->pool_size && iv->mem_size != size)
		vmsg_warn("note: %s has %llu bytes of memory already, not %llu; for others, stop the virtual machine as well",
			  iv->path, (unsigned long long)iv->mem_size,
			  (unsigned long long)size);
	ret = vmsg_ivshmem_prepare(iv);
	if (ret) {
		vmsg_warn("cannot listen to %s: %s", iv->path, strerror(-ret));
		return ret;
	}
	vmsg_ivshmem_publish(iv);
	iv->link.pool_size = iv->mem_size - VMSG_AMP_POOL;
	return 0;
}

static void vmsg_ivshmem_init(struct vmsg_ivshmem *iv,
			      const struct vmsg_ivshmem_params *params)
{
	int i;

	iv->link.ops = &vmsg_ivshmem_ops;
	iv->link.fd = -1;
	iv->link.retry = true;
	iv->link.max_msg_size = VIRTIO_MSG_AMP_SLOT_SIZE;
	snprintf(iv->link.name, sizeof(iv->link.name), "ivshmem:%s",
		 params->path);
	iv->path = params->path;
	iv->mem_fd = -1;
	iv->server_fd = -1;
	iv->number_fd = -1;
	iv->own_id = -1;
	iv->own_bell = -1;
	iv->timer_fd = -1;
	iv->room_ms = VMSG_IVSHMEM_ROOM_MS;
	iv->patience_ms = params->patience_ms ? params->patience_ms :
						VMSG_IVSHMEM_PATIENCE;
	for (i = 0; i < VMSG_IVSHMEM_PEERS; i++) {
		iv->peers[i].id = -1;
		iv->peers[i].bell = -1;
	}
	iv->amp.spsc = params->spsc;
	if (!params->messages) {
		iv->amp.num_notif = params->num_notif ? params->num_notif :
							VMSG_IVSHMEM_NOTIF;
		iv->amp.per_device = params->notif_per_device ?
				     params->notif_per_device :
				     VMSG_IVSHMEM_PER_DEVICE;
	}
}

/**
 * vmsg_ivshmem_open() - make a bus for a virtual machine
 * @params: what it is to be like
 *
 * If nobody serves the socket, a process is started that does, and goes on as
 * long as somebody is connected. A virtual machine may be there, or come later.
 * What goes wrong is said with vmsg_warn().
 *
 * Return: the link, or NULL with errno set.
 */
struct vmsg_link *vmsg_ivshmem_open(const struct vmsg_ivshmem_params *params)
{
	struct vmsg_ivshmem *iv = calloc(1, sizeof(*iv));
	int ret;

	if (!iv)
		return NULL;
	vmsg_ivshmem_init(iv, params);
	ret = vmsg_ivshmem_setup(iv, params);
	/* It belongs to the caller. */
	iv->path = NULL;
	if (ret) {
		vmsg_ivshmem_close(&iv->link);
		errno = -ret;
		return NULL;
	}
	return &iv->link;
}
