/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * virtio-msg: the device side of an AMP link, in plain memory.
 *
 * The queues and states of both formats as the device side has them, written
 * from include/uapi/linux/virtio_msg_amp.h alone. What the frames say is the
 * business of fake_device.c: frames go to fake_take(), and what the models send
 * comes by fake_bus.deliver.
 *
 * The peer owns the window apart from what the contract gives to the driver
 * side. It remembers what it wrote, and nothing else may be there.
 */
#ifndef _VIRTIO_MSG_AMP_PEER_H
#define _VIRTIO_MSG_AMP_PEER_H

#include <linux/virtio_msg_amp.h>

#include "fake_device.h"

/* Bytes of the largest slot that a test uses. */
#define AMP_STRIDE_MAX		256
/* Notification words of a peer after amp_peer_stand(). */
#define AMP_WORDS_TX		0x5ULL
#define AMP_WORDS_RX		0xaULL

/**
 * struct amp_format - how a window looks, and how its peer works
 * @name: for the test report
 * @layout: format layout, else spsc
 * @num: slots of a queue
 * @stride: bytes of a slot
 * @num_notif: bits of the notification words
 * @per_device: bits of each device
 * @masked: the words have masks
 * @later: a doorbell starts a work; else the peer runs inside of it
 * @one_each: every doorbell makes the peer take one frame
 * @rfc: the peer is of late 2025
 */
struct amp_format {
	const char *name;
	bool layout;
	u16 num;
	u16 stride;
	u8 num_notif;
	u8 per_device;
	bool masked;
	bool later;
	bool one_each;
	bool rfc;
};

/**
 * struct amp_place - where one direction of a queue is in the window
 * @prod: number of its producer
 * @cons: number of its consumer
 * @slots: the first slot
 */
struct amp_place {
	u32 prod;
	u32 cons;
	u32 slots;
};

/**
 * struct amp_peer - a device side
 * @fb: its models
 * @test: whose it is
 * @format: how all looks
 * @window: the shared memory
 * @shadow: the same less what the driver side writes
 * @drivers: marks the bytes that the driver side writes
 * @to_dev: queue from the driver side
 * @to_drv: queue to the driver side
 * @dev_head: what this side says, format layout
 * @drv_head: what the driver side says
 * @dev_notif: notification words of this side
 * @drv_notif: notification words of the driver side
 * @info: what the link is registered with
 * @amp: the link, NULL when there is none
 * @amp_lock: protects @ringable
 * @ringable: the link takes interrupts
 * @wrong_lock: protects the two that follow
 * @wrong: what the driver side has done wrong first
 * @wrong_about: and with which number
 * @lock: protects all that follows, apart from what only the test writes
 * @status: of this side, format layout
 * @ran: the driver side has been seen in RUN since this side is
 * @gone_seen: how often the driver side has been seen in SHUTDOWN
 * @rx_at: slot that is read next
 * @tx_at: slot that is written next
 * @notif_tx: own notifications
 * @notif_rx: notifications that have been seen
 * @bells: calls of doorbell()
 * @idle_bells: how many of them were more than there were frames
 * @frames: frames taken
 * @bits: notifications taken from the words
 * @unringed: doorbells that have not led to a frame, with amp_format.one_each
 * @largest: bytes of the largest frame
 * @stops: calls of stop()
 * @dma: this side reaches the driver side's memory
 * @cuts: how often that was taken away
 * @deaf: nothing is taken
 * @frozen: status and numbers stay what they are
 * @stubborn: never leaves RUN, whatever the driver side does
 * @mute: frames are sent without an interrupt
 * @work: takes frames
 * @poll: looks at the states; nobody else tells that they changed
 * @polling: @poll runs
 * @backlog: frames that found no room
 * @retry: looks for room
 */
struct amp_peer {
	struct fake_bus fb;
	struct kunit *test;
	const struct amp_format *format;
	u8 *window;
	u8 *shadow;
	unsigned long *drivers;
	struct amp_place to_dev;
	struct amp_place to_drv;
	u32 dev_head;
	u32 drv_head;
	u32 dev_notif;
	u32 drv_notif;

	struct virtio_msg_amp_info info;
	struct virtio_msg_amp *amp;
	spinlock_t amp_lock; /* @ringable */
	bool ringable;

	spinlock_t wrong_lock; /* @wrong */
	const char *wrong;
	u64 wrong_about;

	spinlock_t lock; /* the device side's numbers */
	u16 status;
	bool ran;
	int gone_seen;
	u32 rx_at;
	u32 tx_at;
	u64 notif_tx;
	u64 notif_rx;
	unsigned int bells;
	unsigned int idle_bells;
	unsigned int frames;
	unsigned int bits;
	unsigned int unringed;
	unsigned int largest;
	atomic_t stops;
	bool dma;
	atomic_t cuts;

	bool deaf;
	bool frozen;
	bool stubborn;
	bool mute;
	struct work_struct work;
	struct delayed_work poll;
	bool polling;
	struct list_head backlog;
	struct delayed_work retry;
};

struct amp_peer *amp_peer_create(struct kunit *test,
				 const struct amp_format *format);
void amp_peer_begin(struct amp_peer *p);
void amp_peer_catch_up(struct amp_peer *p);
void amp_peer_stand(struct amp_peer *p, u32 rx_at, u32 tx_at);
void amp_peer_status(struct amp_peer *p, u16 magic, u16 status);
void amp_peer_run(struct amp_peer *p);
int amp_peer_driver_status(struct amp_peer *p);

int amp_peer_register(struct amp_peer *p);
void amp_peer_connect(struct amp_peer *p);
void amp_peer_disconnect(struct amp_peer *p);
bool amp_peer_wait_bus(struct amp_peer *p, int scans);
void amp_peer_interrupt(struct amp_peer *p);

void amp_peer_fill(struct amp_peer *p, u32 slot, const void *frame, size_t size);
int amp_peer_put(struct amp_peer *p, const void *frames, size_t stride,
		 const size_t *sizes, unsigned int num);
void amp_peer_toggle(struct amp_peer *p, u64 bits);
u64 amp_peer_get(struct amp_peer *p, u32 offset, unsigned int width);
void amp_peer_poke(struct amp_peer *p, u32 offset, unsigned int width,
		   u64 value);
void amp_peer_check(struct amp_peer *p);

static inline struct amp_peer *to_amp_peer(struct fake_bus *fb)
{
	return container_of(fb, struct amp_peer, fb);
}

#define peer_wait(p, cond)	fake_wait(&(p)->fb, cond)

#endif /* _VIRTIO_MSG_AMP_PEER_H */
