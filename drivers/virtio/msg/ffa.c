// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-msg: the FF-A bus. Devices are in the secure world or in another VM.
 *
 * A partition that offers the service of a virtio-msg device side is a bus. With
 * direct messages a call to the firmware carries the request there and the answer
 * back; a partition that takes no direct messages gets indirect ones, whose
 * answers come in a callback. Either way vmsg_ffa_take() sorts what has come: the
 * few bus messages that only this bus has go to vmsg_ffa_ask(), all else to the
 * core.
 *
 * Direct messages may sleep. So a kick is left in a place of its own, of which
 * there is one, and kick_work takes it out.
 *
 * A partition cannot call: it raises a notification, or is asked from time to
 * time, more often the more it has to say. In both cases poll_work fetches its
 * events. A notification's callback may still run after it has been given back,
 * so it finds its bus in a list, or does not find it any more.
 *
 * All memory that the devices see is one area, see ffa_area.c.
 */
#include <linux/arm_ffa.h>
#include <linux/bottom_half.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/srcu.h>
#include <linux/virtio_msg.h>
#include <linux/virtio_msg_ffa.h>
#include <linux/workqueue.h>

#include "ffa_area.h"

/* What this driver calls its only area. */
#define VMSG_FFA_AREA		1
/* Notifications that the firmware has, and its own one: a message is there. */
#define VMSG_FFA_NOTIFS		64
#define VMSG_FFA_FWK_NOTIF	0
/* Events that are fetched in a row. */
#define VMSG_FFA_EVENTS		64
/* Pauses between two looks for events, in ms. */
#define VMSG_FFA_POLL_MIN	1
#define VMSG_FFA_POLL_MAX	100
/* Pauses between two tries of a call that finds the partition busy, in ms. */
#define VMSG_FFA_BUSY_MAX	20
/* An answer of zeros means busy as well, but no more often than this. */
#define VMSG_FFA_ZEROS		3
/* FF-A 1.2: the first one that has direct messages of this size. */
#define VMSG_FFA_FFA_VERSION	0x00010002

static unsigned int timeout_ms = 5000;
module_param(timeout_ms, uint, 0444);
MODULE_PARM_DESC(timeout_ms, "Milliseconds that a partition may take for an answer, or be busy (default 5000)");

static unsigned int pool_kb = 4096;
module_param(pool_kb, uint, 0444);
MODULE_PARM_DESC(pool_kb, "KiB of memory to share with each partition, if the device tree names no region (default 4096)");

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

/*
 * Those whose callbacks may be called. Callbacks hold vmsg_ffa_srcu, so who takes
 * himself out of the list waits for them with it.
 */
static DEFINE_SPINLOCK(vmsg_ffa_list_lock);
static LIST_HEAD(vmsg_ffa_list);
DEFINE_STATIC_SRCU(vmsg_ffa_srcu);

/* The works of all partitions; block devices' I/O depends on them. */
static struct workqueue_struct *vmsg_ffa_wq;

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

	guard(spinlock_irqsave)(&ffa->ask_lock);
	if (!vmsg_ffa_is_asked(ffa, &frame->hdr) || size < sizeof(frame->hdr) ||
	    size > len)
		return false;
	memset(&ffa->answer, 0, sizeof(ffa->answer));
	memcpy(&ffa->answer, frame, size);
	ffa->asking = false;
	complete(&ffa->answered);
	return true;
}

static bool vmsg_ffa_is_release(const union vmsg_ffa_frame *frame)
{
	return frame->hdr.type == VIRTIO_MSG_TYPE_BUS &&
	       frame->hdr.msg_id == VIRTIO_MSG_FFA_AREA_RELEASE;
}

/*
 * What has come from the partition, in memory that it cannot change any more.
 * Returns what the core said, or 0.
 */
static int vmsg_ffa_take(struct vmsg_ffa *ffa, const union vmsg_ffa_frame *frame,
			 size_t len)
{
	struct virtio_msg_bus *bus = READ_ONCE(ffa->bus);
	int err;

	if (vmsg_ffa_take_answer(ffa, frame, len))
		return 0;
	/* Who waits for that asks again from time to time anyway. */
	if (!bus || vmsg_ffa_is_release(frame))
		return -ENOENT;
	/* So drivers' callbacks find what they find in an interrupt. */
	local_bh_disable();
	err = virtio_msg_bus_receive(bus, frame, len);
	local_bh_enable();
	return err;
}

static bool vmsg_ffa_is_event(const union vmsg_ffa_frame *frame)
{
	return !(frame->hdr.type & VIRTIO_MSG_TYPE_RESPONSE) &&
	       (frame->hdr.msg_id & VIRTIO_MSG_ID_EVENT);
}

/*
 * Send
 */

static bool vmsg_ffa_is_zero(const union vmsg_ffa_frame *frame)
{
	return !memchr_inv(frame, 0, sizeof(*frame));
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

/*
 * Calls until the partition is not busy any more. With direct messages the
 * answer is in @answer, which is all zero when there is none.
 */
static int vmsg_ffa_call(struct vmsg_ffa *ffa, const void *frame, size_t size,
			 union vmsg_ffa_frame *answer)
{
	unsigned long end = jiffies + msecs_to_jiffies(timeout_ms);
	unsigned int pause = 1, zeros = 0;
	int err;

	for (;;) {
		/* Nothing of this kernel's stack may go to the partition. */
		memset(answer, 0, sizeof(*answer));
		memcpy(answer, frame, size);
		err = vmsg_ffa_call_once(ffa, answer, size);
		if (ffa->indirect)
			memset(answer, 0, sizeof(*answer));
		else if (!err && vmsg_ffa_is_zero(answer) &&
			 ++zeros < VMSG_FFA_ZEROS)
			err = -EBUSY;
		if (err != -EBUSY)
			return err;
		if (time_after(jiffies, end))
			return -ETIMEDOUT;
		msleep(pause);
		pause = min(2 * pause, VMSG_FFA_BUSY_MAX);
	}
}

static void vmsg_ffa_poll_soon(struct vmsg_ffa *ffa)
{
	mod_delayed_work(vmsg_ffa_wq, &ffa->poll_work, 0);
}

static int vmsg_ffa_send(struct virtio_msg_bus *bus, const void *frame,
			 size_t size)
{
	struct vmsg_ffa *ffa = virtio_msg_bus_priv(bus);
	union vmsg_ffa_frame answer;
	int err;

	err = vmsg_ffa_call(ffa, frame, size, &answer);
	if (err || ffa->indirect)
		return err;
	err = vmsg_ffa_take(ffa, &answer, sizeof(answer));
	if (vmsg_ffa_is_event(&answer)) {
		/* It came in place of the answer, which may come the same way. */
		vmsg_ffa_poll_soon(ffa);
		return 0;
	}
	return err ? -EPROTO : 0;
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
 * Return: bytes of the answer's payload, which may be more than @room, or a
 * negative errno: -EOPNOTSUPP when the partition says that it does not know this.
 */
static int vmsg_ffa_ask(struct vmsg_ffa *ffa, struct virtio_msg_hdr hdr,
			const void *req, size_t req_size, void *resp,
			size_t room)
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
		ffa->asking = true;
		reinit_completion(&ffa->answered);
	}
	frame.hdr = hdr;
	memcpy(frame.bytes + sizeof(hdr), req, req_size);
	err = vmsg_ffa_call(ffa, &frame, size, &answer);
	if (!err && !ffa->indirect && vmsg_ffa_take(ffa, &answer, sizeof(answer)))
		err = -EPROTO;
	if (!err && !wait_for_completion_timeout(&ffa->answered,
						 msecs_to_jiffies(timeout_ms)))
		err = -ETIMEDOUT;
	scoped_guard(spinlock_irqsave, &ffa->ask_lock)
		ffa->asking = false;
	if (err)
		return err;

	size = le16_to_cpu(ffa->answer.hdr.msg_size) - sizeof(hdr);
	if (ffa->answer.hdr.msg_id != hdr.msg_id)
		return -EOPNOTSUPP;
	memcpy(resp, ffa->answer.bytes + sizeof(hdr), min(size, room));
	return size;
}

/*
 * The same for bus messages whose answer is a result, which may be "busy". The
 * result is the last member of @resp.
 */
static int vmsg_ffa_ask_result(struct vmsg_ffa *ffa, u8 id, const void *req,
			       size_t req_size, void *resp, size_t resp_size)
{
	const struct virtio_msg_hdr hdr = {
		.type = VIRTIO_MSG_TYPE_BUS,
		.msg_id = id,
	};
	const __le16 *result = resp + resp_size - sizeof(*result);
	unsigned long end = jiffies + msecs_to_jiffies(timeout_ms);
	unsigned int pause = 1;
	int ret;

	for (;;) {
		ret = vmsg_ffa_ask(ffa, hdr, req, req_size, resp, resp_size);
		if (ret < 0)
			return ret;
		if (ret < resp_size)
			return -EPROTO;
		if (*result == cpu_to_le16(VIRTIO_MSG_FFA_OK))
			return 0;
		if (*result != cpu_to_le16(VIRTIO_MSG_FFA_BUSY))
			return -EIO;
		if (time_after(jiffies, end))
			return -EBUSY;
		msleep(pause);
		pause = min(2 * pause, VMSG_FFA_BUSY_MAX);
	}
}

/*
 * Kicks
 */

static int vmsg_ffa_kick(struct virtio_msg_bus *bus, u16 dev_num, u32 index,
			 const void *frame)
{
	struct vmsg_ffa *ffa = virtio_msg_bus_priv(bus);

	guard(spinlock_irqsave)(&ffa->kick_lock);
	if (ffa->kick_full)
		return -EAGAIN;
	memcpy(ffa->kick, frame, sizeof(ffa->kick));
	ffa->kick_full = true;
	queue_work(vmsg_ffa_wq, &ffa->kick_work);
	return 0;
}

static void vmsg_ffa_kick_work(struct work_struct *work)
{
	struct vmsg_ffa *ffa = container_of(work, struct vmsg_ffa, kick_work);
	struct virtio_msg_bus *bus = READ_ONCE(ffa->bus);
	u8 frame[VIRTIO_MSG_KICK_SIZE];
	union vmsg_ffa_frame answer;

	scoped_guard(spinlock_irqsave, &ffa->kick_lock) {
		memcpy(frame, ffa->kick, sizeof(frame));
		ffa->kick_full = false;
	}
	if (!bus)
		return;
	if (!vmsg_ffa_call(ffa, frame, sizeof(frame), &answer) &&
	    vmsg_ffa_is_event(&answer) && !vmsg_ffa_is_zero(&answer))
		vmsg_ffa_take(ffa, &answer, sizeof(answer));
	/* There may be something to fetch by now. */
	if (ffa->events == VIRTIO_MSG_FFA_EVENTS_POLL)
		vmsg_ffa_poll_soon(ffa);
	virtio_msg_bus_tx_room(bus);
}

/*
 * Events
 */

/* Fetches one event. Returns false when there was none. */
static bool vmsg_ffa_fetch(struct vmsg_ffa *ffa)
{
	struct virtio_msg_hdr hdr = {
		.type = VIRTIO_MSG_TYPE_BUS,
		.msg_id = VIRTIO_MSG_FFA_EVENT_POLL,
		.msg_size = cpu_to_le16(sizeof(hdr)),
	};
	union vmsg_ffa_frame answer;

	if (vmsg_ffa_call(ffa, &hdr, sizeof(hdr), &answer) ||
	    vmsg_ffa_is_zero(&answer) ||
	    answer.hdr.msg_id == VIRTIO_MSG_FFA_EVENT_POLL)
		return false;
	vmsg_ffa_take(ffa, &answer, sizeof(answer));
	return true;
}

static void vmsg_ffa_poll_work(struct work_struct *work)
{
	struct vmsg_ffa *ffa = container_of(to_delayed_work(work),
					    struct vmsg_ffa, poll_work);
	unsigned int n;

	if (!READ_ONCE(ffa->bus) || ffa->indirect)
		return;
	for (n = 0; n < VMSG_FFA_EVENTS && vmsg_ffa_fetch(ffa); n++)
		;
	if (n == VMSG_FFA_EVENTS)
		ffa->poll_ms = 0;
	else if (n)
		ffa->poll_ms = VMSG_FFA_POLL_MIN;
	else
		ffa->poll_ms = clamp(2 * ffa->poll_ms, VMSG_FFA_POLL_MIN,
				     VMSG_FFA_POLL_MAX);
	if (ffa->events == VIRTIO_MSG_FFA_EVENTS_POLL || !ffa->poll_ms)
		queue_delayed_work(vmsg_ffa_wq, &ffa->poll_work,
				   msecs_to_jiffies(ffa->poll_ms));
}

static bool vmsg_ffa_listed(const struct vmsg_ffa *wanted)
{
	struct vmsg_ffa *ffa;

	guard(spinlock_irqsave)(&vmsg_ffa_list_lock);
	list_for_each_entry(ffa, &vmsg_ffa_list, node) {
		if (ffa == wanted)
			return true;
	}
	return false;
}

/* May run in hard interrupt, and after the notification was given back. */
static void vmsg_ffa_notified(int notif, void *data)
{
	guard(srcu)(&vmsg_ffa_srcu);
	if (vmsg_ffa_listed(data))
		vmsg_ffa_poll_soon(data);
}

static int vmsg_ffa_configure_events(struct vmsg_ffa *ffa, u8 method, u16 notif)
{
	const struct virtio_msg_ffa_event_configure req = {
		.method = method,
		.notif = cpu_to_le16(notif),
	};
	struct virtio_msg_ffa_result resp;

	return vmsg_ffa_ask_result(ffa, VIRTIO_MSG_FFA_EVENT_CONFIGURE, &req,
				   sizeof(req), &resp, sizeof(resp));
}

/* All partitions share the numbers, and nobody hands them out: try. */
static int vmsg_ffa_request_notif(struct vmsg_ffa *ffa)
{
	const struct ffa_notifier_ops *ops = ffa->fdev->ops->notifier_ops;
	int n, err = -EOPNOTSUPP;

	if (!ops || !(ffa->bus_features & VIRTIO_MSG_FFA_F_NOTIF_TX))
		return -EOPNOTSUPP;
	for (n = 0; n < VMSG_FFA_NOTIFS; n++) {
		err = ops->notify_request(ffa->fdev, false, vmsg_ffa_notified,
					  ffa, n);
		if (!err)
			return n;
		if (err == -EOPNOTSUPP)
			break;
	}
	return err;
}

static void vmsg_ffa_give_notif_back(struct vmsg_ffa *ffa)
{
	if (ffa->notif >= 0)
		ffa->fdev->ops->notifier_ops->notify_relinquish(ffa->fdev,
								ffa->notif);
	ffa->notif = -1;
}

static void vmsg_ffa_setup_events(struct vmsg_ffa *ffa)
{
	if (ffa->indirect) {
		ffa->events = VIRTIO_MSG_FFA_EVENTS_INDIRECT;
		vmsg_ffa_configure_events(ffa, ffa->events, 0);
		return;
	}
	ffa->events = VIRTIO_MSG_FFA_EVENTS_NOTIF;
	ffa->notif = vmsg_ffa_request_notif(ffa);
	if (ffa->notif >= 0 &&
	    !vmsg_ffa_configure_events(ffa, ffa->events, ffa->notif))
		return;
	vmsg_ffa_give_notif_back(ffa);
	/* Older partitions do not know the message and are asked anyway. */
	ffa->events = VIRTIO_MSG_FFA_EVENTS_POLL;
	vmsg_ffa_configure_events(ffa, ffa->events, 0);
}

/*
 * An indirect message. Nobody says how long the buffer is, but it was allocated
 * for this message alone.
 */
static void vmsg_ffa_indirect(int notif, void *data, void *buf)
{
	union vmsg_ffa_frame frame = {};
	size_t size = min(ksize(buf), sizeof(frame));

	memcpy(&frame.hdr, buf, min(size, sizeof(frame.hdr)));
	size = min_t(size_t, size, le16_to_cpu(frame.hdr.msg_size));
	if (size > sizeof(frame.hdr))
		memcpy(&frame, buf, size);
	guard(srcu)(&vmsg_ffa_srcu);
	if (vmsg_ffa_listed(data))
		vmsg_ffa_take(data, &frame, sizeof(frame));
}

/* From here on callbacks find their partition. */
static int vmsg_ffa_enlist(struct vmsg_ffa *ffa)
{
	scoped_guard(spinlock_irqsave, &vmsg_ffa_list_lock)
		list_add(&ffa->node, &vmsg_ffa_list);
	if (!ffa->indirect)
		return 0;
	return ffa->fdev->ops->notifier_ops->fwk_notify_request(ffa->fdev,
				vmsg_ffa_indirect, ffa, VMSG_FFA_FWK_NOTIF);
}

/* When it returns, no callback is running or begins any more. */
static void vmsg_ffa_delist(struct vmsg_ffa *ffa)
{
	vmsg_ffa_give_notif_back(ffa);
	if (ffa->indirect)
		ffa->fdev->ops->notifier_ops->fwk_notify_relinquish(ffa->fdev,
							VMSG_FFA_FWK_NOTIF);
	scoped_guard(spinlock_irqsave, &vmsg_ffa_list_lock)
		list_del(&ffa->node);
	synchronize_srcu(&vmsg_ffa_srcu);
	cancel_delayed_work_sync(&ffa->poll_work);
}

/*
 * Memory
 */

static int vmsg_ffa_share(struct vmsg_ffa *ffa)
{
	struct virtio_msg_ffa_area_share req = {
		.area = cpu_to_le16(VMSG_FFA_AREA),
		.attributes = cpu_to_le32(VIRTIO_MSG_FFA_ATTR_SHARE |
					  VIRTIO_MSG_FFA_ATTR_WRITE |
					  VIRTIO_MSG_FFA_ATTR_INNER |
					  VIRTIO_MSG_FFA_ATTR_WB |
					  VIRTIO_MSG_FFA_ATTR_NORMAL |
					  VIRTIO_MSG_FFA_ATTR_NS),
	};
	struct virtio_msg_ffa_area_resp resp;
	int err;

	err = vmsg_ffa_area_share(ffa->area, ffa->fdev);
	if (err) {
		dev_err(&ffa->fdev->dev, "the firmware does not share %zu KiB (%d)\n",
			ffa->area->size / SZ_1K, err);
		return err;
	}
	req.handle = cpu_to_le64(ffa->area->handle);
	req.pages = cpu_to_le32(ffa->area->size / VIRTIO_MSG_FFA_PAGE_SIZE);
	err = vmsg_ffa_ask_result(ffa, VIRTIO_MSG_FFA_AREA_SHARE, &req,
				  sizeof(req), &resp, sizeof(resp));
	if (err)
		dev_err(&ffa->fdev->dev, "the partition does not take %zu KiB of memory (%d)\n",
			ffa->area->size / SZ_1K, err);
	return err;
}

static void vmsg_ffa_unshare(struct vmsg_ffa *ffa)
{
	const struct virtio_msg_ffa_area req = {
		.area = cpu_to_le16(VMSG_FFA_AREA),
	};
	struct virtio_msg_ffa_area_resp resp;
	int err;

	err = vmsg_ffa_ask_result(ffa, VIRTIO_MSG_FFA_AREA_UNSHARE, &req,
				  sizeof(req), &resp, sizeof(resp));
	if (err)
		dev_warn(&ffa->fdev->dev, "the partition does not let go of its memory (%d)\n",
			 err);
}

/*
 * Life of a partition
 */

static int vmsg_ffa_reset(struct vmsg_ffa *ffa)
{
	struct virtio_msg_ffa_result resp;

	return vmsg_ffa_ask_result(ffa, VIRTIO_MSG_FFA_RESET, NULL, 0, &resp,
				   sizeof(resp));
}

/* Sizes tell the two forms of the answer apart. */
static int vmsg_ffa_check_version(struct vmsg_ffa *ffa, const void *payload,
				  int size)
{
	const struct virtio_msg_ffa_version_resp_long *later = payload;
	const struct virtio_msg_ffa_version_resp *first = payload;
	u32 version = le32_to_cpu(first->bus_version);

	ffa->revision = le32_to_cpu(first->revision);
	if (size == sizeof(*later)) {
		ffa->features = le32_to_cpu(later->transport_features);
		ffa->bus_features = le32_to_cpu(later->bus_features);
	} else {
		ffa->features = le32_to_cpu(first->transport_features);
		ffa->bus_features = le32_to_cpu(first->bus_features);
	}
	if (version == VIRTIO_MSG_FFA_VERSION_1_0 &&
	    ffa->revision == VIRTIO_MSG_REVISION_1)
		return 0;
	dev_err(&ffa->fdev->dev, "the partition speaks version %#x of this bus and revision %u of virtio-msg, this driver %#x and %u\n",
		version, ffa->revision, VIRTIO_MSG_FFA_VERSION_1_0,
		VIRTIO_MSG_REVISION_1);
	return -EPROTONOSUPPORT;
}

static int vmsg_ffa_version(struct vmsg_ffa *ffa)
{
	const struct virtio_msg_hdr hdr = {
		.type = VIRTIO_MSG_TYPE_BUS,
		.msg_id = VIRTIO_MSG_FFA_VERSION,
	};
	const struct virtio_msg_ffa_version_long req = {
		.bus_version = cpu_to_le32(VIRTIO_MSG_FFA_VERSION_1_0),
		.revision = cpu_to_le32(VIRTIO_MSG_REVISION_1),
		.ffa_version = cpu_to_le32(VMSG_FFA_FFA_VERSION),
	};
	u8 resp[sizeof(struct virtio_msg_ffa_version_resp_long)];
	int ret;

	/* The later form begins with the first one, which some insist on. */
	ret = vmsg_ffa_ask(ffa, hdr, &req, sizeof(req), resp, sizeof(resp));
	if (ret < 0)
		ret = vmsg_ffa_ask(ffa, hdr, &req,
				   sizeof(struct virtio_msg_ffa_version), resp,
				   sizeof(resp));
	if (ret >= 0 && ret < sizeof(struct virtio_msg_ffa_version_resp))
		ret = -EPROTO;
	if (ret < 0) {
		dev_err(&ffa->fdev->dev, "no answer to VERSION that can be understood (%d)\n",
			ret);
		return ret;
	}
	return vmsg_ffa_check_version(ffa, resp, ret);
}

/* Number of the first device that there is, or a negative errno. */
static int vmsg_ffa_first_device(struct vmsg_ffa *ffa)
{
	const struct virtio_msg_hdr hdr = {
		.type = VIRTIO_MSG_TYPE_BUS,
		.msg_id = VIRTIO_MSG_BUS_GET_DEVICES,
	};
	const struct virtio_msg_get_devices req = { .count = cpu_to_le16(64) };
	struct {
		struct virtio_msg_get_devices_resp head;
		u8 bitmap[8];
	} resp = {};
	unsigned int n;
	int ret;

	ret = vmsg_ffa_ask(ffa, hdr, &req, sizeof(req), &resp, sizeof(resp));
	if (ret < 0)
		return ret;
	for (n = 0; n < 64; n++) {
		if (resp.bitmap[n / 8] & BIT(n % 8))
			return n;
	}
	return -ENODEV;
}

/*
 * Firmware may forward the first 32 bytes of a direct message only, and nobody
 * says so. GET_DEVICE_INFO has a longer answer, and what is at byte 32 is never
 * zero.
 */
static int vmsg_ffa_check_width(struct vmsg_ffa *ffa)
{
	struct virtio_msg_device_info info = {};
	struct virtio_msg_hdr hdr = { .msg_id = VIRTIO_MSG_GET_DEVICE_INFO };
	int num, ret;

	if (ffa->indirect)
		return 0;
	num = vmsg_ffa_first_device(ffa);
	if (num < 0)
		return 0;
	hdr.dev_num = cpu_to_le16(num);
	ret = vmsg_ffa_ask(ffa, hdr, NULL, 0, &info, sizeof(info));
	if (ret < (int)sizeof(info) || info.num_feature_blocks)
		return 0;
	dev_err(&ffa->fdev->dev, "the firmware cuts direct messages off after 32 of 112 bytes: it has to forward registers x8 to x17\n");
	return -EIO;
}

static void vmsg_ffa_stop(struct virtio_msg_bus *bus)
{
	struct vmsg_ffa *ffa = virtio_msg_bus_priv(bus);

	WRITE_ONCE(ffa->bus, NULL);
	synchronize_srcu(&vmsg_ffa_srcu);
	cancel_delayed_work_sync(&ffa->poll_work);
	cancel_work_sync(&ffa->kick_work);
}

static void vmsg_ffa_synchronize(struct virtio_msg_bus *bus)
{
	struct vmsg_ffa *ffa = virtio_msg_bus_priv(bus);

	flush_delayed_work(&ffa->poll_work);
	flush_work(&ffa->kick_work);
	synchronize_srcu(&vmsg_ffa_srcu);
}

static const struct virtio_msg_bus_ops vmsg_ffa_bus_ops = {
	.send = vmsg_ffa_send,
	.kick = vmsg_ffa_kick,
	.synchronize = vmsg_ffa_synchronize,
	.stop = vmsg_ffa_stop,
};

static int vmsg_ffa_register(struct vmsg_ffa *ffa)
{
	const struct virtio_msg_bus_info info = {
		.name = "ffa",
		.parent = &ffa->fdev->dev,
		.ops = &vmsg_ffa_bus_ops,
		.priv = ffa,
		.pool = ffa->pool,
		.revision = ffa->revision,
		.max_msg_size = VIRTIO_MSG_FFA_MAX_SIZE,
		.features = ffa->features &
			    BIT(VIRTIO_MSG_F_STRICT_CONFIG_GENERATION),
		.timeout_ms = timeout_ms,
	};
	struct virtio_msg_bus *bus = virtio_msg_bus_register(&info);

	if (IS_ERR(bus))
		return PTR_ERR(bus);
	WRITE_ONCE(ffa->bus, bus);
	if (!ffa->indirect)
		vmsg_ffa_poll_soon(ffa);
	virtio_msg_bus_discover(bus);
	return 0;
}

/* Makes the partition forget all, and takes the memory back. */
static void vmsg_ffa_take_memory(struct vmsg_ffa *ffa)
{
	if (ffa->area->shared) {
		vmsg_ffa_unshare(ffa);
		vmsg_ffa_reset(ffa);
	}
	virtio_msg_pool_destroy(ffa->pool);
	vmsg_ffa_area_put(ffa->area);
}

static int vmsg_ffa_give_memory(struct vmsg_ffa *ffa)
{
	int err;

	ffa->area = vmsg_ffa_area_create(ffa->fdev, (size_t)pool_kb * SZ_1K);
	if (IS_ERR(ffa->area))
		return PTR_ERR(ffa->area);
	ffa->pool = virtio_msg_pool_create(ffa->area->vaddr,
					   (u64)VMSG_FFA_AREA <<
					   VIRTIO_MSG_FFA_AREA_SHIFT,
					   ffa->area->size);
	if (IS_ERR(ffa->pool)) {
		vmsg_ffa_area_put(ffa->area);
		return PTR_ERR(ffa->pool);
	}
	err = vmsg_ffa_share(ffa);
	if (err)
		vmsg_ffa_take_memory(ffa);
	return err;
}

static struct vmsg_ffa *vmsg_ffa_alloc(struct ffa_device *fdev)
{
	struct vmsg_ffa *ffa = kzalloc(sizeof(*ffa), GFP_KERNEL);

	if (!ffa)
		return NULL;
	ffa->fdev = fdev;
	ffa->notif = -1;
	mutex_init(&ffa->call_mutex);
	mutex_init(&ffa->ask_mutex);
	spin_lock_init(&ffa->ask_lock);
	spin_lock_init(&ffa->kick_lock);
	init_completion(&ffa->answered);
	INIT_DELAYED_WORK(&ffa->poll_work, vmsg_ffa_poll_work);
	INIT_WORK(&ffa->kick_work, vmsg_ffa_kick_work);
	return ffa;
}

static int vmsg_ffa_probe(struct ffa_device *fdev)
{
	struct vmsg_ffa *ffa;
	int err;

	ffa = vmsg_ffa_alloc(fdev);
	if (!ffa)
		return -ENOMEM;
	ffa->indirect = !ffa_partition_supports_direct_req2_recv(fdev);
	if (ffa->indirect && !ffa_partition_supports_indirect_msg(fdev)) {
		dev_err(&fdev->dev, "the partition takes neither FFA_MSG_SEND_DIRECT_REQ2 nor indirect messages; five registers of an older direct message are too few\n");
		err = -EOPNOTSUPP;
		goto err_free;
	}
	err = vmsg_ffa_enlist(ffa);
	if (err)
		goto err_delist;
	err = vmsg_ffa_version(ffa);
	if (err)
		goto err_delist;
	err = vmsg_ffa_reset(ffa);
	if (err) {
		dev_err(&fdev->dev, "the partition cannot be reset (%d)\n", err);
		goto err_delist;
	}
	err = vmsg_ffa_check_width(ffa);
	if (err)
		goto err_delist;
	err = vmsg_ffa_give_memory(ffa);
	if (err)
		goto err_delist;
	vmsg_ffa_setup_events(ffa);
	err = vmsg_ffa_register(ffa);
	if (err)
		goto err_memory;
	ffa_dev_set_drvdata(fdev, ffa);
	dev_info(&fdev->dev, "virtio-msg by %s messages, events by %s, %zu KiB shared\n",
		 ffa->indirect ? "indirect" : "direct",
		 ffa->indirect ? "messages" :
		 ffa->notif < 0 ? "asking" : "notification",
		 ffa->area->size / SZ_1K);
	return 0;

err_memory:
	vmsg_ffa_take_memory(ffa);
err_delist:
	vmsg_ffa_delist(ffa);
err_free:
	kfree(ffa);
	return err;
}

static void vmsg_ffa_remove(struct ffa_device *fdev)
{
	struct vmsg_ffa *ffa = ffa_dev_get_drvdata(fdev);

	virtio_msg_bus_unregister(ffa->bus);
	vmsg_ffa_take_memory(ffa);
	vmsg_ffa_delist(ffa);
	kfree(ffa);
}

static int vmsg_ffa_suspend(struct device *dev)
{
	struct vmsg_ffa *ffa = dev_get_drvdata(dev);
	int err = virtio_msg_bus_freeze(ffa->bus);

	if (!err)
		cancel_delayed_work_sync(&ffa->poll_work);
	return err;
}

static int vmsg_ffa_resume(struct device *dev)
{
	struct vmsg_ffa *ffa = dev_get_drvdata(dev);

	vmsg_ffa_poll_soon(ffa);
	return virtio_msg_bus_restore(ffa->bus);
}

static DEFINE_SIMPLE_DEV_PM_OPS(vmsg_ffa_pm, vmsg_ffa_suspend, vmsg_ffa_resume);

static void vmsg_ffa_shutdown(struct device *dev)
{
	struct vmsg_ffa *ffa = dev_get_drvdata(dev);

	virtio_msg_bus_shutdown(ffa->bus);
}

/* The service that a device side offers. */
static const struct ffa_device_id vmsg_ffa_ids[] = {
	{ UUID_INIT(0xc66028b5, 0x2498, 0x4aa1,
		    0x9d, 0xe7, 0x77, 0xda, 0x61, 0x22, 0xab, 0xf0) },
	{ }
};
MODULE_ALIAS("arm_ffa:*:c66028b5-2498-4aa1-9de7-77da6122abf0");

static struct ffa_driver vmsg_ffa_driver = {
	.name = "virtio_msg_ffa",
	.probe = vmsg_ffa_probe,
	.remove = vmsg_ffa_remove,
	.id_table = vmsg_ffa_ids,
	.driver.pm = pm_sleep_ptr(&vmsg_ffa_pm),
	.driver.shutdown = vmsg_ffa_shutdown,
};

static int __init vmsg_ffa_init(void)
{
	int err;

	vmsg_ffa_wq = alloc_workqueue("virtio_msg_ffa",
				      WQ_UNBOUND | WQ_HIGHPRI | WQ_MEM_RECLAIM,
				      0);
	if (!vmsg_ffa_wq)
		return -ENOMEM;
	err = ffa_register(&vmsg_ffa_driver);
	if (err)
		destroy_workqueue(vmsg_ffa_wq);
	return err;
}
module_init(vmsg_ffa_init);

static void __exit vmsg_ffa_exit(void)
{
	ffa_unregister(&vmsg_ffa_driver);
	vmsg_ffa_area_exit();
	destroy_workqueue(vmsg_ffa_wq);
}
module_exit(vmsg_ffa_exit);

MODULE_DESCRIPTION("virtio-msg FF-A bus: virtio devices in the secure world or in another VM");
MODULE_LICENSE("GPL");
