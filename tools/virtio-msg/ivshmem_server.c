// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * libvmsg: an ivshmem server, in a process of its own.
 *
 * A virtual machine is given its memory and its doorbells once, when it starts.
 * So they must not belong to the program that serves its devices, which may be
 * killed and started again. The server holds them, tells everybody who comes
 * and who goes, and does nothing else: it waits in one place, takes no bytes
 * from anybody, and ends when nobody has been connected for a while.
 *
 * One thing it knows of virtio-msg: if it is the device side that has gone, the
 * window says so afterwards. What it reads there may be anything.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/virtio_msg_amp.h>

#include "ivshmem.h"

#define SERVER_PEERS	16
#define SERVER_BACKLOG	8
/* How long there may be nobody, so that a program can be started again. */
#define SERVER_GRACE_MS	1000

struct server_peer {
	/* -1 = there is none */
	int fd;
	int bell;
	uint16_t id;
	/* It has closed its end, or does not read. */
	bool gone;
};

struct server {
	const char *path;
	const char *folder;
	struct stat file;
	int listen_fd;
	int epoll_fd;
	int mem_fd;
	char *window;
	struct server_peer peers[SERVER_PEERS];
	unsigned int num_peers;
	uint16_t next_id;
};

/* Tell one peer a number. Who does not read has to go. */
static void server_say(struct server_peer *peer, int64_t number, int fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	uint64_t wire = htole64(number);
	struct iovec iov = { .iov_base = &wire, .iov_len = sizeof(wire) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cmsg;

	if (fd >= 0) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	}
	if (sendmsg(peer->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) !=
	    sizeof(wire))
		peer->gone = true;
}

/*
 * A peer id that has not been used for long. QEMU 7.2 lets go of what it has for
 * the doorbells of a peer that leaves, but writes there again when one with the
 * same id comes.
 */
static uint16_t server_new_id(struct server *server)
{
	unsigned int i;
	uint16_t id;

	do {
		id = server->next_id++;
		for (i = 0; i < SERVER_PEERS; i++) {
			if (server->peers[i].fd >= 0 &&
			    server->peers[i].id == id)
				break;
		}
	} while (i < SERVER_PEERS);
	return id;
}

static void server_accept(struct server *server)
{
	struct epoll_event event = { .events = EPOLLIN };
	struct server_peer *new, *peer;
	unsigned int place, i;
	int fd;

	fd = accept4(server->listen_fd, NULL, NULL,
		     SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return;
	for (place = 0; place < SERVER_PEERS; place++) {
		if (server->peers[place].fd < 0)
			break;
	}
	if (place == SERVER_PEERS) {
		close(fd);
		return;
	}
	new = &server->peers[place];
	new->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	event.data.u32 = place;
	if (new->bell < 0 ||
	    epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, fd, &event)) {
		if (new->bell >= 0)
			close(new->bell);
		close(fd);
		return;
	}
	new->id = server_new_id(server);
	new->fd = fd;
	new->gone = false;
	server->num_peers++;

	server_say(new, VMSG_IVSHMEM_PROTOCOL, -1);
	server_say(new, new->id, -1);
	server_say(new, VMSG_IVSHMEM_MEMORY, server->mem_fd);
	for (i = 0; i < SERVER_PEERS; i++) {
		peer = &server->peers[i];
		if (i == place || peer->fd < 0)
			continue;
		server_say(peer, new->id, new->bell);
		server_say(new, peer->id, peer->bell);
	}
	server_say(new, new->id, new->bell);
}

/*
 * Write DEAD for a peer that was the device side. Only while the status is what
 * was read: another program may already be about to replace it. Returns true if
 * the others have something to see.
 */
static bool server_bury(struct server *server, uint16_t id)
{
	struct virtio_msg_amp_ivshmem *ivshmem = (void *)server->window;
	struct virtio_msg_amp_queue_head *head;
	struct virtio_msg_amp_layout layout;
	const uint64_t room = VIRTIO_MSG_AMP_WINDOW_SIZE -
			      VIRTIO_MSG_AMP_LAYOUT - sizeof(*head);
	__le16 status, dead = htole16(VIRTIO_MSG_AMP_DEAD);
	uint64_t offset;

	if (__atomic_load_n(&ivshmem->magic, __ATOMIC_ACQUIRE) !=
	    htole32(VIRTIO_MSG_AMP_IVSHMEM_MAGIC) ||
	    __atomic_load_n(&ivshmem->device_peer, __ATOMIC_RELAXED) !=
	    htole32(id))
		return false;
	memcpy(&layout, server->window + VIRTIO_MSG_AMP_LAYOUT, sizeof(layout));
	/* Nobody can change the copy behind the checks. */
	__asm__ volatile("" : : "r"(&layout) : "memory");
	offset = le64toh(layout.dev_queue_head);
	if (layout.magic != htole16(VIRTIO_MSG_AMP_LAYOUT_MAGIC) ||
	    offset < sizeof(layout) || offset > room ||
	    offset % sizeof(__le64))
		return false;
	head = (void *)(server->window + VIRTIO_MSG_AMP_LAYOUT + offset);
	status = __atomic_load_n(&head->status, __ATOMIC_ACQUIRE);
	if ((le16toh(status) & VIRTIO_MSG_AMP_STATUS_MASK) > VIRTIO_MSG_AMP_RUN)
		return false;
	return __atomic_compare_exchange_n(&head->status, &status, dead, false,
					   __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
}

static void server_leave(struct server *server, struct server_peer *peer)
{
	const uint16_t id = peer->id;
	const uint64_t one = 1;
	unsigned int i;
	bool dead;

	close(peer->fd);
	close(peer->bell);
	peer->fd = -1;
	peer->bell = -1;
	peer->gone = false;
	server->num_peers--;

	dead = server_bury(server, id);
	for (i = 0; i < SERVER_PEERS; i++) {
		peer = &server->peers[i];
		if (peer->fd < 0)
			continue;
		server_say(peer, id, -1);
		if (dead && write(peer->bell, &one, sizeof(one)) < 0)
			continue;
	}
}

/* Those who leave can have others be found gone; each of them leaves once. */
static void server_sweep(struct server *server)
{
	unsigned int i;

	for (i = 0; i < SERVER_PEERS; i++) {
		if (server->peers[i].fd >= 0 && server->peers[i].gone) {
			server_leave(server, &server->peers[i]);
			i = -1;
		}
	}
}

static void server_peer_event(struct server_peer *peer)
{
	char ignored[64];
	ssize_t ret;

	ret = recv(peer->fd, ignored, sizeof(ignored), MSG_DONTWAIT);
	if (!ret || (ret < 0 && errno != EAGAIN && errno != EINTR))
		peer->gone = true;
}

static void server_run(struct server *server)
{
	struct epoll_event events[SERVER_PEERS + 1];
	unsigned int place;
	bool new;
	int i, num;

	for (;;) {
		num = epoll_wait(server->epoll_fd, events, SERVER_PEERS + 1,
				 server->num_peers ? -1 : SERVER_GRACE_MS);
		if (num < 0 && errno == EINTR)
			continue;
		if (num <= 0)
			return;
		new = false;
		for (i = 0; i < num; i++) {
			place = events[i].data.u32;
			if (place == SERVER_PEERS)
				new = true;
			else
				server_peer_event(&server->peers[place]);
		}
		/* In this order, as somebody may have come to replace another. */
		server_sweep(server);
		if (new)
			server_accept(server);
		server_sweep(server);
	}
}

/* Let go of everything that is the program's, and keep the two descriptors. */
static int server_detach(struct server *server)
{
	sigset_t none;
	int null, sig;

	setsid();
	/* No other folder is kept busy. */
	if (chdir(server->folder))
		return -errno;
	for (sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_NAME, "vmsg-ivshmem", 0, 0, 0);

	null = open("/dev/null", O_RDWR);
	/* Above those that are about to be overwritten. */
	server->listen_fd = fcntl(server->listen_fd, F_DUPFD, 16);
	server->mem_fd = fcntl(server->mem_fd, F_DUPFD, 16);
	if (null < 0 || server->listen_fd < 0 || server->mem_fd < 0 ||
	    dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0 ||
	    dup2(server->listen_fd, 3) < 0 || dup2(server->mem_fd, 4) < 0)
		return -errno;
	server->listen_fd = 3;
	server->mem_fd = 4;
	return close_range(5, ~0U, 0) ? -errno : 0;
}

static int server_main(struct server *server)
{
	struct epoll_event event = {
		.events = EPOLLIN,
		.data.u32 = SERVER_PEERS,
	};
	const char *slash = strrchr(server->path, '/');
	const char *name = slash ? slash + 1 : server->path;
	struct stat file;
	unsigned int i;

	if (server_detach(server))
		return EXIT_FAILURE;
	for (i = 0; i < SERVER_PEERS; i++) {
		server->peers[i].fd = -1;
		server->peers[i].bell = -1;
	}
	server->window = mmap(NULL, VIRTIO_MSG_AMP_WINDOW_SIZE,
			      PROT_READ | PROT_WRITE, MAP_SHARED,
			      server->mem_fd, 0);
	server->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (server->window == MAP_FAILED || server->epoll_fd < 0 ||
	    epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, server->listen_fd,
		      &event))
		return EXIT_FAILURE;
	server_run(server);
	/* It may have been replaced by somebody else's. */
	if (!stat(name, &file) && file.st_ino == server->file.st_ino &&
	    file.st_dev == server->file.st_dev)
		unlink(name);
	return EXIT_SUCCESS;
}

/* Nobody waits for the server, so it must not be a child of the program. */
static int server_fork(struct server *server)
{
	pid_t pid;
	int status;

	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid) {
		pid = fork();
		if (!pid)
			_exit(server_main(server));
		_exit(pid < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
	}
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return status ? -EAGAIN : 0;
}

static int server_make_memory(struct server *server, uint64_t size)
{
	server->mem_fd = memfd_create("virtio-msg-ivshmem",
				      MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (server->mem_fd < 0)
		return -errno;
	/* So that nobody's access to it can go wrong. */
	if (ftruncate(server->mem_fd, size) ||
	    fcntl(server->mem_fd, F_ADD_SEALS,
		  F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		return -errno;
	return 0;
}

static int server_bind(struct server *server)
{
	struct sockaddr_un addr;
	struct stat old;
	int ret;

	ret = vmsg_ivshmem_address(server->path, &addr);
	if (ret)
		return ret;
	server->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC |
				   SOCK_NONBLOCK, 0);
	if (server->listen_fd < 0)
		return -errno;
	/* Somebody was faster: that is just as good. */
	if (!connect(server->listen_fd, (struct sockaddr *)&addr, sizeof(addr)))
		return -EALREADY;
	if (errno == ECONNREFUSED && !lstat(server->path, &old) &&
	    S_ISSOCK(old.st_mode))
		unlink(server->path);
	if (bind(server->listen_fd, (struct sockaddr *)&addr, sizeof(addr)) ||
	    listen(server->listen_fd, SERVER_BACKLOG) ||
	    stat(server->path, &server->file))
		return -errno;
	return 0;
}

static int server_setup(struct server *server, uint64_t size)
{
	int ret;

	ret = server_make_memory(server, size);
	if (!ret)
		ret = server_bind(server);
	if (!ret)
		ret = server_fork(server);
	if (server->mem_fd >= 0)
		close(server->mem_fd);
	if (server->listen_fd >= 0)
		close(server->listen_fd);
	return ret == -EALREADY ? 0 : ret;
}

/**
 * vmsg_ivshmem_server_start() - have a server listen
 * @path: where; a socket that nobody listens to is replaced
 * @size: bytes of memory
 *
 * Return: 0, also if somebody listens there already, or a negative errno value.
 */
int vmsg_ivshmem_server_start(const char *path, uint64_t size)
{
	struct server server = { .path = path, .listen_fd = -1, .mem_fd = -1 };
	char *copy = strdup(path);
	int lock_fd, ret;

	if (!copy)
		return -ENOMEM;
	server.folder = dirname(copy);
	/* Two that find the same dead socket must not replace each other's. */
	lock_fd = open(server.folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (lock_fd < 0 || flock(lock_fd, LOCK_EX))
		ret = -errno;
	else
		ret = server_setup(&server, size);
	if (lock_fd >= 0)
		close(lock_fd);
	free(copy);
	return ret;
}
