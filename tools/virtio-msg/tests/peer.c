// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * libvmsg tests: a driver side that shares memory.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "peer.h"

uint16_t get16(const void *mem, size_t at)
{
	const uint16_t *word = (const void *)((const char *)mem + at);

	return le16toh(__atomic_load_n(word, __ATOMIC_SEQ_CST));
}

uint32_t get32(const void *mem, size_t at)
{
	const uint32_t *word = (const void *)((const char *)mem + at);

	return le32toh(__atomic_load_n(word, __ATOMIC_SEQ_CST));
}

uint64_t get64(const void *mem, size_t at)
{
	const uint64_t *word = (const void *)((const char *)mem + at);

	return le64toh(__atomic_load_n(word, __ATOMIC_SEQ_CST));
}

void put16(void *mem, size_t at, uint16_t value)
{
	uint16_t *word = (void *)((char *)mem + at);

	__atomic_store_n(word, htole16(value), __ATOMIC_SEQ_CST);
}

void put32(void *mem, size_t at, uint32_t value)
{
	uint32_t *word = (void *)((char *)mem + at);

	__atomic_store_n(word, htole32(value), __ATOMIC_SEQ_CST);
}

void put64(void *mem, size_t at, uint64_t value)
{
	uint64_t *word = (void *)((char *)mem + at);

	__atomic_store_n(word, htole64(value), __ATOMIC_SEQ_CST);
}

/* Window ----------------------------------------------------------------- */

bool win_put(struct win *w, const void *frame, size_t len)
{
	unsigned int num = w->spsc ? 62 : 63;
	unsigned int next = (w->tx + 1) % num;
	size_t slots = w->spsc ? S_DRV + 128 : L_DRV_SLOTS;
	char *slot = w->mem + slots + w->tx * 64;

	if (next == (w->spsc ? get32(w->mem, S_DRV + 64) :
			       get16(w->mem, L_DEV_HEAD + H_HEAD)))
		return false;
	memset(slot, 0, 64);
	memcpy(slot, frame, len);
	w->tx = next;
	if (w->spsc)
		put32(w->mem, S_DRV, next);
	else
		put16(w->mem, L_DRV_HEAD + H_TAIL, next);
	return true;
}

bool win_get(struct win *w, uint8_t frame[64])
{
	unsigned int num = w->spsc ? 62 : 63;
	size_t slots = w->spsc ? S_DEV + 128 : L_DEV_SLOTS;

	if (w->rx == (w->spsc ? get32(w->mem, S_DEV) :
				get16(w->mem, L_DEV_HEAD + H_TAIL)))
		return false;
	memcpy(frame, w->mem + slots + w->rx * 64, 64);
	w->rx = (w->rx + 1) % num;
	if (w->spsc)
		put32(w->mem, S_DEV + 64, w->rx);
	else
		put16(w->mem, L_DRV_HEAD + H_HEAD, w->rx);
	return true;
}

void win_status(struct win *w, uint16_t status)
{
	put16(w->mem, L_DRV_HEAD + H_STATUS, status);
	put16(w->mem, L_DRV_HEAD + H_MAGIC, 0x514f);
}

bool win_seen(struct win *w, uint16_t status)
{
	return get16(w->mem, L_DEV_HEAD + H_MAGIC) == 0x514f &&
	       get16(w->mem, L_DEV_HEAD + H_STATUS) == status;
}

/* Numbers and words first, then the status. */
void win_ready(struct win *w)
{
	w->tx = 0;
	w->rx = 0;
	put16(w->mem, L_DRV_HEAD + H_TAIL, 0);
	put16(w->mem, L_DRV_HEAD + H_HEAD, 0);
	memset(w->mem + L_DRV_NOTIF, 0, 24);
	win_status(w, READY);
}

/* Peer ------------------------------------------------------------------- */

static bool peer_number(struct peer *p, long long *number, int *fd)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	uint64_t wire;
	struct iovec iov = { &wire, sizeof(wire) };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	ssize_t len = recvmsg(p->sock, &msg, MSG_CMSG_CLOEXEC);

	if (len != sizeof(wire)) {
		p->ended = len >= 0 || errno != EAGAIN;
		return false;
	}
	*number = (int64_t)le64toh(wire);
	*fd = -1;
	if (msg.msg_controllen)
		memcpy(fd, CMSG_DATA((struct cmsghdr *)control), sizeof(*fd));
	return true;
}

static void peer_heard(struct peer *p, long long number, int fd)
{
	if (number == p->id) {
		if (p->bell >= 0)
			close(p->bell);
		p->bell = fd;
	} else if (number >= 0 && number < PEER_OTHERS) {
		if (p->others[number] >= 0)
			close(p->others[number]);
		p->others[number] = fd;
		p->num_left += fd < 0;
	} else {
		abort();
	}
}

bool peer_open(struct peer *p, const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	long long number;
	struct stat st;
	int i, fd;

	memset(p, 0, sizeof(*p));
	p->mem_fd = -1;
	p->bell = -1;
	for (i = 0; i < PEER_OTHERS; i++)
		p->others[i] = -1;
	strcpy(addr.sun_path, path);
	p->sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(p->sock, (struct sockaddr *)&addr, sizeof(addr)) ||
	    !peer_number(p, &number, &fd) || number || fd >= 0 ||
	    !peer_number(p, &p->id, &fd) || p->id < 0 || fd >= 0 ||
	    !peer_number(p, &number, &p->mem_fd) || number != -1 ||
	    p->mem_fd < 0 || fstat(p->mem_fd, &st)) {
		close(p->sock);
		return false;
	}
	p->size = st.st_size;
	p->mem = mmap(NULL, p->size, PROT_READ | PROT_WRITE, MAP_SHARED,
		      p->mem_fd, 0);
	if (p->mem == MAP_FAILED)
		abort();
	p->w.mem = p->mem;
	while (p->bell < 0) {
		if (!peer_number(p, &number, &fd) || fd < 0)
			return false;
		peer_heard(p, number, fd);
	}
	fcntl(p->sock, F_SETFL, O_NONBLOCK);
	return true;
}

void peer_close(struct peer *p)
{
	int i;

	close(p->sock);
	close(p->mem_fd);
	close(p->bell);
	for (i = 0; i < PEER_OTHERS; i++) {
		if (p->others[i] >= 0)
			close(p->others[i]);
	}
	munmap(p->mem, p->size);
}

void peer_listen(struct peer *p)
{
	long long number;
	int fd;

	while (peer_number(p, &number, &fd))
		peer_heard(p, number, fd);
}

/* Has our bell been rung since the last call? */
bool peer_rung(struct peer *p)
{
	uint64_t count;

	return read(p->bell, &count, sizeof(count)) == sizeof(count);
}

void peer_ring(struct peer *p, int id)
{
	uint64_t one = 1;

	if (id < 0 || p->others[id] < 0 ||
	    write(p->others[id], &one, sizeof(one)) != sizeof(one))
		abort();
}
