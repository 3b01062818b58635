/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/*
 * libvmsg tests: a driver side that shares memory, and the client of an ivshmem
 * server that it is. Written from the header file's words, with numbers for the
 * places, and from nothing of the library.
 */
#ifndef _PEER_H
#define _PEER_H

#include "harness.h"

/* Places in the window. */
#define L_HEADER	0x1000
#define L_DEV_HEAD	(L_HEADER + 64)
#define L_DRV_HEAD	(L_HEADER + 72)
#define L_DEV_SLOTS	(L_HEADER + 80)
#define L_DRV_SLOTS	(L_HEADER + 4112)
#define L_DEV_NOTIF	(L_HEADER + 8144)
#define L_DRV_NOTIF	(L_HEADER + 8168)
#define S_DRV		0x1000
#define S_DEV		0x2000

/* In a queue head and in a notification word. */
#define H_MAGIC		0
#define H_STATUS	2
#define H_TAIL		4
#define H_HEAD		6
#define N_TX		0
#define N_RX		8
#define N_MASK		16

enum { INIT, READY, RUN, SHUTDOWN, DEAD };

uint16_t get16(const void *mem, size_t at);
uint32_t get32(const void *mem, size_t at);
uint64_t get64(const void *mem, size_t at);
void put16(void *mem, size_t at, uint16_t value);
void put32(void *mem, size_t at, uint32_t value);
void put64(void *mem, size_t at, uint64_t value);

/* The driver side's half of a window. */
struct win {
	char *mem;
	bool spsc;
	/* The next slot to write and to read. */
	unsigned int tx;
	unsigned int rx;
};

bool win_put(struct win *w, const void *frame, size_t len);
bool win_get(struct win *w, uint8_t frame[64]);
void win_status(struct win *w, uint16_t status);
bool win_seen(struct win *w, uint16_t status);
void win_ready(struct win *w);

#define PEER_OTHERS	4096

/* A client of an ivshmem server. */
struct peer {
	struct win w;
	int sock;
	long long id;
	int mem_fd;
	char *mem;
	size_t size;
	int bell;
	/* Who else is there; -1 = nobody. */
	int others[PEER_OTHERS];
	unsigned int num_left;
	bool ended;
};

bool peer_open(struct peer *p, const char *path);
void peer_close(struct peer *p);
void peer_listen(struct peer *p);
bool peer_rung(struct peer *p);
void peer_ring(struct peer *p, int id);

/* Until something is so; false after far more time than that can take. */
#define WAIT_MS		20000
#define until_do(cond, what) ({						\
	int tries = WAIT_MS / 5;					\
	while (!(cond) && tries--) {					\
		what;							\
		usleep(5000);						\
	}								\
	tries >= 0;							\
})

#define until(cond)	until_do(cond, (void)0)

#endif /* _PEER_H */
