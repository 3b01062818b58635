/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/*
 * libvmsg: a tap interface, set up by a process of its own.
 */
#ifndef _VMSG_TAP_H
#define _VMSG_TAP_H

#include <stdbool.h>
#include <stdint.h>
#include <linux/if.h>

#define VMSG_TAP_MAX_QUEUES	32u

/**
 * struct vmsg_tap_wish - what a tap is to be like
 * @queues: so many of its queues, from the first one, get packets
 * @offloads: TUN_F_* of what it may leave unfinished
 * @carrier: its link is up
 */
struct vmsg_tap_wish {
	uint32_t queues;
	uint32_t offloads;
	uint32_t carrier;
};

/**
 * struct vmsg_tap_news - what has become of the last wish, or of the start
 * @error: 0, or a negative errno value
 * @queues: so many of its queues get packets
 * @name: what it is called
 */
struct vmsg_tap_news {
	int32_t error;
	uint32_t queues;
	char name[IFNAMSIZ];
};

int vmsg_tap_start(const char *name, unsigned int queues,
		   unsigned int hdr_size);
int vmsg_tap_ask(int sock, const struct vmsg_tap_wish *wish);
int vmsg_tap_hear(int sock, struct vmsg_tap_news *news, int *fds,
		  unsigned int num_fds);

#endif /* _VMSG_TAP_H */
