/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * virtio-msg over Arm FF-A: what the files of this bus know of each other. ffa.c
 * is the bus, ffa_msg.c sends messages for it, ffa_area.c keeps the memory.
 */
#ifndef _VIRTIO_MSG_FFA_H
#define _VIRTIO_MSG_FFA_H

#include <linux/arm_ffa.h>
#include <linux/completion.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/virtio_msg.h>
#include <linux/virtio_msg_ffa.h>
#include <linux/workqueue.h>

struct vmsg_ffa_area;

/* Events that are fetched in a row. */
#define VMSG_FFA_EVENTS		64

/**
 * union vmsg_ffa_frame - a message, as registers and as bytes
 * @regs: for the firmware
 * @bytes: for everybody else
 * @hdr: the same
 */
union vmsg_ffa_frame {
	struct ffa_send_direct_data2 regs;
	u8 bytes[VIRTIO_MSG_FFA_DIRECT_SIZE];
	struct virtio_msg_hdr hdr;
};

/**
 * struct vmsg_ffa - a partition
 * @node: in vmsg_ffa_list
 * @fdev: the partition
 * @indirect: it takes no direct messages
 * @bus: the bus, NULL before all is set up and when it ends
 * @area: the memory that it sees
 * @pool: the same, as the core knows it
 * @revision: transport revision
 * @features: transport features
 * @bus_features: VIRTIO_MSG_FFA_F_* of the partition
 * @timeout_ms: milliseconds that an answer may take, or the partition be busy
 * @call_mutex: one direct message at a time, as most partitions have one CPU
 * @ask_mutex: one request of this bus's own at a time
 * @ask_lock: protects @asking and what follows it
 * @asking: there is a request of this bus's own
 * @asked: its header
 * @ask_token: its token
 * @answer: its answer, when @answered is completed
 * @answered: see @answer
 * @events: VIRTIO_MSG_FFA_EVENTS_*
 * @notif: number of the notification, or -1
 * @poll_ms: pause before the next look for events
 * @poll_work: fetches events
 * @kick_lock: protects @kick and @kick_full
 * @kick: the notification that is to be sent
 * @kick_full: @kick is there
 * @kick_work: sends it
 */
struct vmsg_ffa {
	struct list_head node;
	struct ffa_device *fdev;
	bool indirect;
	struct virtio_msg_bus *bus;
	struct vmsg_ffa_area *area;
	struct virtio_msg_pool *pool;
	u32 revision;
	u32 features;
	u32 bus_features;

	unsigned int timeout_ms;
	struct mutex call_mutex; /* one direct message at a time */
	struct mutex ask_mutex; /* one vmsg_ffa_ask() at a time */
	spinlock_t ask_lock; /* @asked and its answer */
	bool asking;
	struct virtio_msg_hdr asked;
	u16 ask_token;
	union vmsg_ffa_frame answer;
	struct completion answered;

	u8 events;
	int notif;
	unsigned int poll_ms;
	struct delayed_work poll_work;

	spinlock_t kick_lock; /* @kick */
	u8 kick[VIRTIO_MSG_KICK_SIZE];
	bool kick_full;
	struct work_struct kick_work;
};

/**
 * struct vmsg_ffa_wait - how long something has been tried
 * @end: jiffies when it has taken too long
 * @pause: milliseconds before the next try, 0 before the first one
 */
struct vmsg_ffa_wait {
	unsigned long end;
	unsigned int pause;
};

void vmsg_ffa_msg_init(struct vmsg_ffa *ffa);
int vmsg_ffa_take(struct vmsg_ffa *ffa, const union vmsg_ffa_frame *frame,
		  size_t len);
bool vmsg_ffa_is_zero(const union vmsg_ffa_frame *frame);
bool vmsg_ffa_is_event(const union vmsg_ffa_frame *frame);
bool vmsg_ffa_patience(struct vmsg_ffa *ffa, struct vmsg_ffa_wait *wait);
bool vmsg_ffa_is_passing(int err);
int vmsg_ffa_call(struct vmsg_ffa *ffa, const void *frame, size_t size,
		  union vmsg_ffa_frame *answer);
int vmsg_ffa_fetch(struct vmsg_ffa *ffa);
int vmsg_ffa_ask(struct vmsg_ffa *ffa, struct virtio_msg_hdr hdr,
		 const void *req, size_t req_size, void *resp, size_t room);
int vmsg_ffa_ask_result(struct vmsg_ffa *ffa, u8 id, const void *req,
			size_t req_size, void *resp, size_t resp_size);

#endif /* _VIRTIO_MSG_FFA_H */
