/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * virtio-msg: firmware and partitions of FF-A that are made up for tests.
 *
 * The kernel's own bus code binds the driver to a partition that exists only
 * here: see ffa_uml.c. Its calls of the firmware end in fake_ffa.c, which plays
 * the firmware (memory, notifications) and the partition (bus messages); devices
 * are the models of fake_device.c. Whatever the driver may not do fails the test
 * that is running: a call that may sleep in a place that must not, bytes behind
 * a message, memory shared twice, freed while shared, or reclaimed while in use.
 *
 * Knobs of a partition may be turned at any time. Tests own partitions, and they
 * end with the test.
 */
#ifndef _VIRTIO_MSG_FAKE_FFA_H
#define _VIRTIO_MSG_FAKE_FFA_H

/* Architectures that have FF-A say so in their configuration; here it is made. */
#define CONFIG_ARM_FFA_TRANSPORT 1

#include <linux/arm_ffa.h>
#include <linux/irq_work.h>
#include <linux/of_reserved_mem.h>
#include <linux/virtio_msg_ffa.h>
#include <linux/workqueue.h>

#include "fake_device.h"

struct fake_ffa;

#define FAKE_FFA_TRACE		64
#define FAKE_FFA_NOTIFS		64
/* Bus messages of FF-A, counted from the first one. */
#define FAKE_FFA_IDS		8
#define FAKE_FFA_NR(id)		((id) - VIRTIO_MSG_FFA_VERSION)

/**
 * enum fake_ffa_step - what a trace has besides numbers of bus messages
 * @FAKE_FFA_END: end of the trace
 * @FAKE_FFA_MEM_SHARE: the firmware shared memory
 * @FAKE_FFA_MEM_RECLAIM: the firmware gave memory back
 * @FAKE_FFA_MEM_DENIED: the firmware refused to
 */
enum fake_ffa_step {
	FAKE_FFA_END = 0,
	FAKE_FFA_MEM_SHARE = 0x100,
	FAKE_FFA_MEM_RECLAIM,
	FAKE_FFA_MEM_DENIED,
};

/**
 * union fake_ffa_frame - bytes of a direct message
 * @hdr: the head
 * @bytes: all of it
 */
union fake_ffa_frame {
	struct virtio_msg_hdr hdr;
	u8 bytes[VIRTIO_MSG_FFA_DIRECT_SIZE];
};

/**
 * typedef fake_ffa_filter - a test's say in every answer
 * @fp: the partition
 * @req: the request
 * @resp: the answer, which it may change
 *
 * Return: 0, or what the firmware says in place of the answer.
 */
typedef int (*fake_ffa_filter)(struct fake_ffa *fp,
			       const union fake_ffa_frame *req,
			       union fake_ffa_frame *resp);

/**
 * struct fake_ffa - a partition
 * @node: in the firmware's list
 * @test: whose it is
 * @fdev: as the kernel knows it, NULL when it is not plugged in
 * @id: of the partition
 * @properties: FFA_PARTITION_*
 * @models: its devices, whose memory is the area, and the kicks that arrived
 * @lock: protects @events and @trace
 * @version: what it answers to VERSION, its long form
 * @version_long: it answers the long form
 * @version_req: payload of VERSION that it insists on, 0 = any
 * @version_size: payload of the answer, 0 = as @version_long says
 * @unknown: what it answers with ERROR, bit n for FAKE_FFA_NR() n
 * @busy_results: how often it says VIRTIO_MSG_FFA_BUSY
 * @refuse: what it says VIRTIO_MSG_FFA_FAILED to, bits as @unknown
 * @clingy: it does not let go of its area, not even when it is reset
 * @busy: calls that the firmware says @busy_err to; -1 = all
 * @busy_err: -EBUSY, or something else that passes
 * @zeros: calls whose answer is all zero; -1 = all
 * @err: what the firmware says to all calls
 * @cut: the firmware forwards 32 bytes
 * @slow: a call takes some time
 * @mute: no answer ever comes, indirect messages only
 * @filter: the test's say
 * @step: counter for it
 * @calls: of the firmware, to this partition
 * @inside: calls that have not returned
 * @directs: of them direct
 * @indirects: of them indirect
 * @count: bus messages of FF-A that arrived
 * @trace: bus messages of FF-A and steps of the firmware, in order
 * @num_trace: how many of them
 * @area: number of the area, 0 = none
 * @handle: of its memory
 * @attributes: of its memory
 * @method: VIRTIO_MSG_FFA_EVENTS_*
 * @notif: number of the notification that it was told
 * @events: frames that wait for EVENT_POLL, or for @work
 * @num_events: how many of them
 * @kick_work: serves queues
 * @work: delivers indirect messages
 * @irq_work: raises the notification
 * @wq: where both run
 * @fwk_cb: callback of indirect messages
 * @fwk_data: for @fwk_cb
 * @last_cb: callback of the notification, even after it was given back
 * @last_data: for @last_cb
 * @last_fwk_cb: the same for indirect messages
 * @last_fwk_data: for @last_fwk_cb
 */
struct fake_ffa {
	struct list_head node;
	struct kunit *test;
	struct ffa_device *fdev;
	u16 id;
	u32 properties;
	struct fake_bus models;
	spinlock_t lock; /* @events, @trace */

	struct virtio_msg_ffa_version_resp_long version;
	bool version_long;
	size_t version_req;
	size_t version_size;
	unsigned long unknown;
	int busy_results[FAKE_FFA_IDS];
	unsigned long refuse;
	bool clingy;
	int busy;
	int busy_err;
	int zeros;
	int err;
	bool cut;
	bool slow;
	bool mute;
	fake_ffa_filter filter;
	int step;

	atomic_t calls;
	atomic_t inside;
	int directs;
	int indirects;
	int count[FAKE_FFA_IDS];
	u16 trace[FAKE_FFA_TRACE];
	unsigned int num_trace;

	u16 area;
	u64 handle;
	u32 attributes;
	u8 method;
	u16 notif;
	struct list_head events;
	unsigned int num_events;
	struct work_struct kick_work;
	struct work_struct work;
	struct irq_work irq_work;
	struct workqueue_struct *wq;

	ffa_fwk_notifier_cb fwk_cb;
	void *fwk_data;
	ffa_notifier_cb last_cb;
	void *last_data;
	ffa_fwk_notifier_cb last_fwk_cb;
	void *last_fwk_data;
};

/**
 * struct fake_ffa_firmware - what all partitions share
 * @notif_err: what it says to whoever wants a notification
 * @taken: notifications that somebody else has
 * @notif_tries: how often somebody wanted one
 * @share_err: what it says to whoever wants to share memory
 * @share_fails: how often; -1 = always
 * @refuse_reclaims: how often it does not give memory back; -1 = never
 * @denied: how often it did not
 * @pieces: of the memory that was shared last
 * @single_pages: there is no memory in larger pieces, and never two in a row
 * @max_pages: how much memory there is, 0 = enough
 * @node: the device tree has a node for partition @node_for
 * @node_off: but it is disabled
 * @node_for: see @node
 * @reserved: the region that it names, NULL = none that there is
 * @wait: woken by all that happens
 */
struct fake_ffa_firmware {
	int notif_err;
	u64 taken;
	int notif_tries;
	int share_err;
	int share_fails;
	int refuse_reclaims;
	int denied;
	unsigned int pieces;
	bool single_pages;
	unsigned int max_pages;
	bool node;
	bool node_off;
	u16 node_for;
	struct reserved_mem *reserved;
	wait_queue_head_t wait;
};

extern struct fake_ffa_firmware fake_firmware;

#define firmware_wait(cond) \
	wait_event_timeout(fake_firmware.wait, cond, FAKE_PATIENCE)

void fake_firmware_init(struct kunit *test);
unsigned int fake_firmware_handles(void);
unsigned int fake_firmware_notifs(void);
unsigned int fake_firmware_pages(void);

struct fake_ffa *fake_ffa_create(struct kunit *test, u16 id);
int fake_ffa_plug(struct fake_ffa *fp);
void fake_ffa_unplug(struct fake_ffa *fp);
struct virtio_msg_bus *fake_ffa_bus(struct fake_ffa *fp);
void fake_ffa_settle(struct fake_ffa *fp);
void fake_ffa_keep(struct fake_ffa *fp, const void *frame, size_t size);
void fake_ffa_let_go(struct fake_ffa *fp);
void fake_ffa_event(struct fake_ffa *fp, const void *frame, size_t size);
void fake_ffa_event_msg(struct fake_ffa *fp, const struct vmsg_msg *msg);
void fake_ffa_raise(struct fake_ffa *fp);
void fake_ffa_indirect(struct fake_ffa *fp, const void *buf, size_t size);

/*
 * ffa_uml.c: the driver, and a look into it.
 */

void ffa_uml_init(unsigned int timeout_ms, unsigned int pool_kb);
int ffa_uml_probe_result(void);
unsigned int ffa_uml_partitions(void);
void ffa_uml_list(struct ffa_device *fdev, bool listed);
unsigned int ffa_uml_poll_ms(struct ffa_device *fdev);
bool ffa_uml_polls(struct ffa_device *fdev);
void ffa_uml_postpone(struct ffa_device *fdev);
struct virtio_msg_bus *ffa_uml_bus(struct ffa_device *fdev);
unsigned int ffa_uml_kept(void);
void ffa_uml_flush(void);
void ffa_uml_exit(void);

/* What ffa_uml.c puts in the place of the kernel's, for the driver alone. */
struct page *fake_firmware_alloc_pages(gfp_t gfp, unsigned int order);
void fake_firmware_free_page(struct page *page);

#endif /* _VIRTIO_MSG_FAKE_FFA_H */
