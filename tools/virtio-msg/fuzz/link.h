/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/*
 * libvmsg fuzzing: a made-up link, under the driver side of the tests.
 *
 * Frames lie in a short queue; the memory that is shared is one piece that lives
 * as long as the program, with nothing around it. While the device side looks
 * an address up, the driver side can write somewhere else.
 */
#ifndef _FUZZ_LINK_H
#define _FUZZ_LINK_H

#include "harness.h"

/* Rings begin where the tests have them; the tables of queue 1 are the end. */
#define LINK_POOL	0x30000u
#define LINK_FRAMES	64u
/* Of each device, and of all of them. */
#define LINK_PER_DEVICE	4u
#define LINK_QUEUES	(5 * LINK_PER_DEVICE)

struct link_frame {
	size_t len;
	uint8_t bytes[264];
};

struct fuzz_link {
	struct vmsg_link link;
	struct bench bench;
	uint8_t *pool;
	struct link_frame frames[LINK_FRAMES];
	unsigned int first;
	unsigned int num;
	/* Requests that have been read, and answers that have been sent. */
	unsigned int requests;
	unsigned int answers;
	/* The link takes so many more frames from the device side; -1 = all. */
	int room;
	int error;
	bool gone;
	int kick_fd[LINK_QUEUES];

	/* When so many addresses have been looked up, these bytes are written. */
	unsigned int race_in;
	uint32_t race_at;
	uint8_t race_len;
	uint8_t race[16];
};

/* How to set it up, from a byte of the input. */
#define LINK_RFC	0x01
#define LINK_LEGACY	0x02
#define LINK_STRICT	0x04
#define LINK_EVENTFDS	0x08
#define LINK_SIZE	0x30

void link_open(struct fuzz_link *l, uint8_t how);
void link_close(struct fuzz_link *l);
void link_wake(struct fuzz_link *l);
void link_kick(struct bench *b, uint16_t dev, uint32_t index);
void link_write(struct fuzz_link *l, uint32_t at, const void *bytes,
		size_t len);

#endif /* _FUZZ_LINK_H */
