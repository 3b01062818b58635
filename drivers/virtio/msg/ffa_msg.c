// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-msg over Arm FF-A: messages to a partition, and what comes back.
 *
 * With direct messages a call to the firmware carries the request there and the
 * answer back. A partition that takes no direct messages gets indirect ones, whose
 * answers come in a callback. Either way vmsg_ffa_take() sorts what has come: the
 * answers to this bus's own requests go to vmsg_ffa_ask(), all else to the core.
 *
 * Calls may sleep. A partition that is busy is asked again, for a bounded time.
 */
#include <linux/bottom_half.h>
#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/string.h>

#include "ffa.h"

/* Pauses between two tries of a call that finds the partition busy, in ms. */
#define VMSG_FFA_BUSY_MAX	20
/* An answer of zeros means busy as well, but no more often than this. */
#define VMSG_FFA_ZEROS		3

/*
 * Receive
 */

/* Is it what vmsg_ffa_ask() waits for? Caller holds ask_lock. */
static bool vmsg_ffa_is_asked(struct vmsg_ffa *ffa,
			      const struct virtio_msg_hdr *hdr)
{
	const struct virtio_msg_hdr *asked = &ffa->asked;

	if (!ffa->asking || hdr->token != asked->token ||
	    hdr->dev_num != asked->dev_num)
		return false;
	if (hdr->msg_id == VIRTIO_MSG_FFA_ERROR &&
	    (hdr->type & VIRTIO_MSG_TYPE_MASK) ==
	    (VIRTIO_MSG_TYPE_BUS | VIRTIO_MSG_TYPE_RESPONSE))
		return true;
	return hdr->msg_id == asked->msg_id &&
	       (hdr->type & VIRTIO_MSG_TYPE_MASK) ==
	       (asked->type | VIRTIO_MSG_TYPE_RESPONSE);
}

/* Takes the answer that vmsg_ffa_ask() waits for. */
static bool vmsg_ffa_take_answer(struct vmsg_ffa *ffa,
				 const union vmsg_ffa_frame *frame, size_t len)
{
	size_t size = le16_to_cpu(frame->hdr.msg_size);

	/* The answer cannot be here before the request, which is sent later. */
	if (!READ_ONCE(ffa->asking))
		return false;
	guard(spinlock_irqsave)(&ffa->ask_lock);
	if (!vmsg_ffa_is_asked(ffa, &frame->hdr) || size < sizeof(frame->hdr) ||
	    size > len)
		return false;
	memset(&ffa->answer, 0, sizeof(ffa->answer));
	memcpy(&ffa->answer, frame, size);
	WRITE_ONCE(ffa->asking, false);
	complete(&ffa->answered);
	return true;
}

static bool vmsg_ffa_is_release(const union vmsg_ffa_frame *frame)
{
	return frame->hdr.type == VIRTIO_MSG_TYPE_BUS &&
	       frame->hdr.msg_id == VIRTIO_MSG_FFA_AREA_RELEASE;
}

/**
 * vmsg_ffa_take() - something has come from the partition
 * @ffa: the partition
 * @frame: the message, in memory that the partition cannot change any more
 * @len: bytes that there are
 *
 * Context: Process context. The caller sees to it that the bus does not end.
 * Return: 0, or what the core said, -ENOENT also when there is no bus.
 */
int vmsg_ffa_take(struct vmsg_ffa *ffa, const union vmsg_ffa_frame *frame,
		  size_t len)
{
	struct virtio_msg_bus *bus = READ_ONCE(ffa->bus);
	int err;

	if (vmsg_ffa_take_answer(ffa, frame, len))
		return 0;
	/* Who waits for that asks again from time to time anyway. */
	if (!bus || vmsg_ffa_is_release(frame))
		return -ENOENT;
	if (!vmsg_ffa_is_event(frame))
		return virtio_msg_bus_receive(bus, frame, len);
	/* So drivers' callbacks find what they find in an interrupt. */
	local_bh_disable();
	err = virtio_msg_bus_receive(bus, frame, len);
	local_bh_enable();
	return err;
}

/**
 * vmsg_ffa_is_event() - is a message an event?
 * @frame: the message
 *
 * Context: Any.
 * Return: true if it is.
 */
bool vmsg_ffa_is_event(const union vmsg_ffa_frame *frame)
{
	return !(frame->hdr.type & VIRTIO_MSG_TYPE_RESPONSE) &&
	       (frame->hdr.msg_id & VIRTIO_MSG_ID_EVENT);
}

/*
 * Send
 */

/**
 * vmsg_ffa_is_zero() - is a message none?
 * @frame: the message
 *
 * Context: Any.
 * Return: true if there is nothing in it.
 */
bool vmsg_ffa_is_zero(const union vmsg_ffa_frame *frame)
{
	return !frame->hdr.msg_size && !memchr_inv(frame, 0, sizeof(*frame));
}

/* One call, without patience. @frame is the request, then the answer. */
static int vmsg_ffa_call_once(struct vmsg_ffa *ffa, union vmsg_ffa_frame *frame,
			      size_t size)
{
	const struct ffa_msg_ops *ops = ffa->fdev->ops->msg_ops;

	if (ffa->indirect)
		return ops->indirect_send(ffa->fdev, frame, size);
	guard(mutex)(&ffa->call_mutex);
	return ops->sync_send_receive2(ffa->fdev, &frame->regs);
}

/**
 * vmsg_ffa_patience() - wait before something is tried again
 * @ffa: the partition
 * @wait: all zero before the first time
 *
 * Context: Process context, sleeps.
 * Return: true, false when it has taken too long already.
 */
bool vmsg_ffa_patience(struct vmsg_ffa *ffa, struct vmsg_ffa_wait *wait)
{
	if (!wait->pause) {
		wait->pause = 1;
		wait->end = jiffies + msecs_to_jiffies(ffa->timeout_ms);
	}
	if (time_after(jiffies, wait->end))
		return false;
	msleep(wait->pause);
	wait->pause = min(2 * wait->pause, VMSG_FFA_BUSY_MAX);
	return true;
}

/**
 * vmsg_ffa_is_passing() - may a call of the firmware work a little later?
 * @err: what it said
 *
 * Context: Any.
 * Return: true if it is busy, interrupted, or short of memory at the moment.
 */
bool vmsg_ffa_is_passing(int err)
{
	return err == -EBUSY || err == -EAGAIN || err == -EINTR ||
	       err == -ENOMEM;
}

/**
 * vmsg_ffa_call() - send a message, and again while the partition is busy
 * @ffa: the partition
 * @frame: the message
 * @size: bytes of it
 * @answer: what came back, all zero when nothing did
 *
 * Context: Process context, sleeps. Takes call_mutex.
 * Return: 0, -ETIMEDOUT when the partition stays busy, or what the firmware said.
 */
int vmsg_ffa_call(struct vmsg_ffa *ffa, const void *frame, size_t size,
		  union vmsg_ffa_frame *answer)
{
	struct vmsg_ffa_wait wait = {};
	unsigned int zeros = 0;
	int err;

	do {
		memcpy(answer, frame, size);
		/* Nothing of this kernel's stack may go to the partition. */
		memset(answer->bytes + size, 0, sizeof(*answer) - size);
		err = vmsg_ffa_call_once(ffa, answer, size);
		if (ffa->indirect)
			memset(answer, 0, sizeof(*answer));
		else if (!err && vmsg_ffa_is_zero(answer) &&
			 ++zeros < VMSG_FFA_ZEROS)
			err = -EBUSY;
		if (!vmsg_ffa_is_passing(err))
			return err;
	} while (vmsg_ffa_patience(ffa, &wait));
	return -ETIMEDOUT;
}

/* Fetches one event. Returns 1, 0 when there was none, or a negative errno. */
static int vmsg_ffa_fetch_one(struct vmsg_ffa *ffa)
{
	const struct virtio_msg_hdr hdr = {
		.type = VIRTIO_MSG_TYPE_BUS,
		.msg_id = VIRTIO_MSG_FFA_EVENT_POLL,
		.msg_size = cpu_to_le16(sizeof(hdr)),
	};
	union vmsg_ffa_frame answer;
	int err;

	err = vmsg_ffa_call(ffa, &hdr, sizeof(hdr), &answer);
	if (err)
		return err;
	if (vmsg_ffa_is_zero(&answer))
		return -EBUSY;
	if (answer.hdr.msg_id == VIRTIO_MSG_FFA_EVENT_POLL)
		return 0;
	/* It may also be the answer that an event came in place of. */
	err = vmsg_ffa_take(ffa, &answer, sizeof(answer));
	return !err || vmsg_ffa_is_event(&answer) ? 1 : -EPROTO;
}

/**
 * vmsg_ffa_fetch() - fetch what the partition has to say
 * @ffa: the partition, which takes direct messages
 *
 * Context: Process context, sleeps. Takes call_mutex.
 * Return: number of events, VMSG_FFA_EVENTS if there may be more, or a negative
 * errno when it could not be asked.
 */
int vmsg_ffa_fetch(struct vmsg_ffa *ffa)
{
	unsigned long end = jiffies + msecs_to_jiffies(ffa->timeout_ms);
	int n, ret;

	for (n = 0; n < VMSG_FFA_EVENTS && time_before_eq(jiffies, end); n++) {
		ret = vmsg_ffa_fetch_one(ffa);
		if (ret <= 0)
			return ret ?: n;
	}
	return n;
}

/**
 * vmsg_ffa_ask() - a request of this bus's own, and its answer
 * @ffa: the partition
 * @hdr: type, message number and device number of the request
 * @req: payload of the request
 * @req_size: bytes of it
 * @resp: payload of the answer
 * @room: bytes at @resp
 *
 * Context: Process context, sleeps. Takes ask_mutex, call_mutex.
 * Return: bytes of the answer's payload, which may be more than @room, or a
 * negative errno: -EOPNOTSUPP when the partition says that it does not know this.
 */
int vmsg_ffa_ask(struct vmsg_ffa *ffa, struct virtio_msg_hdr hdr,
		 const void *req, size_t req_size, void *resp, size_t room)
{
	size_t size = sizeof(hdr) + req_size;
	union vmsg_ffa_frame frame = {}, answer;
	int err;

	guard(mutex)(&ffa->ask_mutex);
	scoped_guard(spinlock_irqsave, &ffa->ask_lock) {
		if (!++ffa->ask_token)
			ffa->ask_token = 1;
		hdr.token = cpu_to_le16(ffa->ask_token);
		hdr.msg_size = cpu_to_le16(size);
		ffa->asked = hdr;
		WRITE_ONCE(ffa->asking, true);
		reinit_completion(&ffa->answered);
	}
	frame.hdr = hdr;
	memcpy(frame.bytes + sizeof(hdr), req, req_size);
	err = vmsg_ffa_call(ffa, &frame, size, &answer);
	if (!err && !ffa->indirect) {
		vmsg_ffa_take(ffa, &answer, sizeof(answer));
		/* In place of the answer, which may come the same way. */
		if (vmsg_ffa_is_event(&answer))
			vmsg_ffa_fetch(ffa);
		if (!completion_done(&ffa->answered))
			err = -EPROTO;
	}
	if (!err && !wait_for_completion_timeout(&ffa->answered,
						 msecs_to_jiffies(ffa->timeout_ms)))
		err = -ETIMEDOUT;
	scoped_guard(spinlock_irqsave, &ffa->ask_lock)
		WRITE_ONCE(ffa->asking, false);
	if (err)
		return err;

	size = le16_to_cpu(ffa->answer.hdr.msg_size) - sizeof(hdr);
	if (ffa->answer.hdr.msg_id != hdr.msg_id)
		return -EOPNOTSUPP;
	memcpy(resp, ffa->answer.bytes + sizeof(hdr), min(size, room));
	return size;
}

/**
 * vmsg_ffa_ask_result() - the same, for answers that are "ok", "failed" or "busy"
 * @ffa: the partition
 * @id: bus message
 * @req: payload of the request
 * @req_size: bytes of it
 * @resp: payload of the answer, whose last member is the result
 * @resp_size: bytes of it
 *
 * Context: Process context, sleeps. Takes ask_mutex, call_mutex.
 * Return: 0, -EIO for "failed", -EBUSY when it stays busy, -EPROTO for an answer
 * that is too short, or what vmsg_ffa_ask() said.
 */
int vmsg_ffa_ask_result(struct vmsg_ffa *ffa, u8 id, const void *req,
			size_t req_size, void *resp, size_t resp_size)
{
	const struct virtio_msg_hdr hdr = {
		.type = VIRTIO_MSG_TYPE_BUS,
		.msg_id = id,
	};
	const __le16 *result = resp + resp_size - sizeof(*result);
	struct vmsg_ffa_wait wait = {};
	int ret;

	do {
		ret = vmsg_ffa_ask(ffa, hdr, req, req_size, resp, resp_size);
		if (ret < 0)
			return ret;
		if (ret < resp_size)
			return -EPROTO;
		if (*result == cpu_to_le16(VIRTIO_MSG_FFA_OK))
			return 0;
		if (*result != cpu_to_le16(VIRTIO_MSG_FFA_BUSY))
			return -EIO;
	} while (vmsg_ffa_patience(ffa, &wait));
	return -EBUSY;
}

/**
 * vmsg_ffa_msg_init() - get ready to send
 * @ffa: the partition
 *
 * Context: Any.
 */
void vmsg_ffa_msg_init(struct vmsg_ffa *ffa)
{
	mutex_init(&ffa->call_mutex);
	mutex_init(&ffa->ask_mutex);
	spin_lock_init(&ffa->ask_lock);
	init_completion(&ffa->answered);
}
