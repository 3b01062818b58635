/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/*
 * libvmsg tests: a small vhost-user back end in a thread. It copies what it may
 * read into what it may write, notes what it was told, and can be made to
 * misbehave in one answer.
 */
#ifndef _VHOST_FAKE_H
#define _VHOST_FAKE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "vhost_proto.h"

#define FAKE_QUEUES	6u
#define FAKE_LOG	256u

/* How it misbehaves when it is asked fake.trick_at. */
enum fake_trick {
	FAKE_HONEST,
	FAKE_SILENT,
	FAKE_CLOSE,
	FAKE_SHORT,
	FAKE_LONG,
	FAKE_HUGE,
	FAKE_WRONG,
	FAKE_NO_REPLY,
	FAKE_VERSION,
	FAKE_TWICE,
	FAKE_HALF,
	FAKE_REFUSE,
	FAKE_FILES,
	FAKE_INDEX,
	/* refuse what is about queues with odd numbers */
	FAKE_REFUSE_ODD,
	/* be gone, once, until it is told to be there again */
	FAKE_DIE,
};

struct fake_queue {
	uint32_t num;
	uint32_t base;
	struct vhost_addr addr;
	int kick;
	int call;
	bool enabled;
	uint16_t avail;
};

struct fake {
	/* What it is like; set while it does not run. */
	char path[64];
	uint64_t features;
	uint64_t protocol;
	uint64_t queue_num;
	uint32_t config_size;
	uint32_t trick_at;
	enum fake_trick trick;
	/* It takes no buffers. */
	bool idle;

	/* Under the lock from here on. */
	pthread_mutex_t lock;
	uint8_t config[VHOST_CONFIG_MAX];
	uint32_t log[FAKE_LOG];
	unsigned int num_log;
	uint64_t got_features;
	uint64_t got_protocol;
	uint64_t got_status;
	struct vhost_memory memory;
	struct fake_queue queues[FAKE_QUEUES];
	/* Notes of what it works on that were not its own. */
	bool old_notes;
	/* How many queues it takes notes of. */
	unsigned int num_noted;
	unsigned int num_answers;
	uint64_t last_answer;
	unsigned int num_connections;
	unsigned int num_buffers;

	/* The thread's own. */
	pthread_t thread;
	int commands[2];
	int listener;
	int sock;
	int channel;
	char *mem;
};

void fake_start(struct fake *f);
void fake_tell(struct fake *f, char command);
void fake_stop(struct fake *f);
unsigned int fake_times(struct fake *f, uint32_t request);
unsigned int fake_read(struct fake *f, const unsigned int *value);
bool fake_closed(struct fake *f, const int *fd);

#endif /* _VHOST_FAKE_H */
