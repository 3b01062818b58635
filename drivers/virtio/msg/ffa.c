// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-msg: the FF-A bus. Devices are in the secure world or in another VM.
 *
 * A partition that offers the service of a virtio-msg device side is a bus; how
 * messages get there is the business of ffa_msg.c.
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
#include <linux/list.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/srcu.h>

#include "ffa.h"
#include "ffa_area.h"

/* What this driver calls its only area. */
#define VMSG_FFA_AREA		1
/* Memory to share, if nobody says how much. */
#define VMSG_FFA_POOL_PAGES	1024
/* Notifications that the firmware has, and its own one: a message is there. */
#define VMSG_FFA_NOTIFS		64
#define VMSG_FFA_FWK_NOTIF	0
/* Pauses between two looks for events, in ms. */
#define VMSG_FFA_POLL_MIN	1
#define VMSG_FFA_POLL_MAX	100
/* FF-A 1.2: the first one that has direct messages of this size. */
#define VMSG_FFA_FFA_VERSION	0x00010002

static unsigned int timeout_ms = 5000;
module_param(timeout_ms, uint, 0444);
MODULE_PARM_DESC(timeout_ms, "Milliseconds that a partition may take for an answer, or be busy (default 5000)");

static unsigned int pool_kb;
module_param(pool_kb, uint, 0444);
MODULE_PARM_DESC(pool_kb, "KiB of memory to share with each partition, if the device tree names no region (default 1024 pages, 4096 KiB where a page has 4 KiB)");

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
 * Messages
 */

static void vmsg_ffa_poll_soon(struct vmsg_ffa *ffa)
{
	mod_delayed_work(vmsg_ffa_wq, &ffa->poll_work, 0);
}

/*
 * Firmware may forward the first 32 bytes of a direct message only, and nobody
 * says so. GET_DEVICE_INFO has a longer answer, and what is at byte 32, a number
 * of feature blocks, is never zero.
 */
static bool vmsg_ffa_is_cut(struct vmsg_ffa *ffa,
			    const union vmsg_ffa_frame *answer)
{
	const struct virtio_msg_device_info *info =
		(const void *)(answer->bytes + sizeof(answer->hdr));

	if (answer->hdr.type != VIRTIO_MSG_TYPE_RESPONSE ||
	    answer->hdr.msg_id != VIRTIO_MSG_GET_DEVICE_INFO ||
	    !info->device_id || info->num_feature_blocks)
		return false;
	dev_err_ratelimited(&ffa->fdev->dev, "the firmware cuts direct messages off after 32 of 112 bytes: it has to forward registers x8 to x17\n");
	return true;
}

static int vmsg_ffa_send(struct virtio_msg_bus *bus, const void *frame,
			 size_t size)
{
	struct vmsg_ffa *ffa = virtio_msg_bus_priv(bus);
	/* vmsg_ffa_call() fills all of it. */
	union vmsg_ffa_frame answer __uninitialized;
	int err;

	err = vmsg_ffa_call(ffa, frame, size, &answer);
	if (err || ffa->indirect)
		return err;
	if (vmsg_ffa_is_cut(ffa, &answer))
		return -EIO;
	err = vmsg_ffa_take(ffa, &answer, sizeof(answer));
	if (vmsg_ffa_is_event(&answer)) {
		/* It came in place of the answer, which may come the same way. */
		vmsg_ffa_poll_soon(ffa);
		return 0;
	}
	return err ? -EPROTO : 0;
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
	union vmsg_ffa_frame answer;
	int err;

	if (!bus)
		return;
	/* The place is taken until the kick has got there. */
	err = vmsg_ffa_call(ffa, ffa->kick, sizeof(ffa->kick), &answer);
	if (err == -ETIMEDOUT) {
		queue_work(vmsg_ffa_wq, &ffa->kick_work);
		return;
	}
	if (!err && vmsg_ffa_is_event(&answer))
		vmsg_ffa_take(ffa, &answer, sizeof(answer));
	scoped_guard(spinlock_irqsave, &ffa->kick_lock)
		ffa->kick_full = false;
	/* There will be something to fetch, perhaps it is there by now. */
	if (ffa->events == VIRTIO_MSG_FFA_EVENTS_POLL) {
		WRITE_ONCE(ffa->poll_ms, 0);
		vmsg_ffa_poll_soon(ffa);
	}
	virtio_msg_bus_tx_room(bus);
}

/*
 * Events
 */

static void vmsg_ffa_poll_work(struct work_struct *work)
{
	struct vmsg_ffa *ffa = container_of(to_delayed_work(work),
					    struct vmsg_ffa, poll_work);
	int n;

	if (!READ_ONCE(ffa->bus) || ffa->indirect)
		return;
	n = vmsg_ffa_fetch(ffa);
	if (n == VMSG_FFA_EVENTS)
		ffa->poll_ms = 0;
	else if (n > 0)
		ffa->poll_ms = VMSG_FFA_POLL_MIN;
	else if (n < 0)
		ffa->poll_ms = VMSG_FFA_POLL_MAX;
	else
		ffa->poll_ms = clamp(2 * ffa->poll_ms, VMSG_FFA_POLL_MIN,
				     VMSG_FFA_POLL_MAX);
	/* What a notification was about has to be fetched, sooner or later. */
	if (ffa->events == VIRTIO_MSG_FFA_EVENTS_POLL || n < 0 ||
	    n == VMSG_FFA_EVENTS)
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

static int vmsg_ffa_setup_events(struct vmsg_ffa *ffa)
{
	int err;

	if (ffa->indirect) {
		ffa->events = VIRTIO_MSG_FFA_EVENTS_INDIRECT;
		err = vmsg_ffa_configure_events(ffa, ffa->events, 0);
		/* Older partitions do not know the message, and send them anyway. */
		return err == -EOPNOTSUPP ? 0 : err;
	}
	ffa->events = VIRTIO_MSG_FFA_EVENTS_NOTIF;
	ffa->notif = vmsg_ffa_request_notif(ffa);
	if (ffa->notif >= 0 &&
	    !vmsg_ffa_configure_events(ffa, ffa->events, ffa->notif))
		return 0;
	vmsg_ffa_give_notif_back(ffa);
	/* Whatever the answer: a partition that is asked has to say. */
	ffa->events = VIRTIO_MSG_FFA_EVENTS_POLL;
	vmsg_ffa_configure_events(ffa, ffa->events, 0);
	return 0;
}

/* Not memcpy(), which KASAN would look into. */
static void __no_sanitize_address vmsg_ffa_copy(u8 *to, const u8 *from,
						size_t len)
{
	while (len--)
		to[len] = READ_ONCE(from[len]);
}

/*
 * An indirect message. Nobody says how long the buffer is, but it was allocated
 * for this message alone. Up to what the allocator has given is safe to read,
 * though KASAN would complain of a partition that says that there is more than
 * there is.
 */
static void vmsg_ffa_indirect(int notif, void *data, void *buf)
{
	union vmsg_ffa_frame frame = {};
	size_t len = min(ksize(buf), sizeof(frame));

	vmsg_ffa_copy(frame.bytes, buf, min(len, sizeof(frame.hdr)));
	len = min_t(size_t, len, le16_to_cpu(frame.hdr.msg_size));
	vmsg_ffa_copy(frame.bytes, buf, len);
	guard(srcu)(&vmsg_ffa_srcu);
	if (vmsg_ffa_listed(data))
		vmsg_ffa_take(data, &frame, len);
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
	struct vmsg_ffa_wait wait = {};
	int err;

	do {
		err = vmsg_ffa_area_share(ffa->area, ffa->fdev);
	} while (vmsg_ffa_is_passing(err) && vmsg_ffa_patience(ffa, &wait));
	if (err) {
		dev_err(&ffa->fdev->dev, "the firmware does not share %zu KiB (%d)\n",
			ffa->area->size / SZ_1K, err);
		return err;
	}
	req.handle = cpu_to_le64(ffa->area->handle);
	req.pages = cpu_to_le32(ffa->area->size / VIRTIO_MSG_FFA_PAGE_SIZE);
	err = vmsg_ffa_ask_result(ffa, VIRTIO_MSG_FFA_AREA_SHARE, &req,
				  sizeof(req), &resp, sizeof(resp));
	if (!err && resp.area != req.area)
		err = -EPROTO;
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
	if (!err && resp.area != req.area)
		err = -EPROTO;
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

/* Looks at the answer of a device, if there is one by now. */
static int vmsg_ffa_check_width(struct vmsg_ffa *ffa)
{
	struct virtio_msg_hdr hdr = { .msg_id = VIRTIO_MSG_GET_DEVICE_INFO };
	struct virtio_msg_device_info info;
	int num;

	if (ffa->indirect)
		return 0;
	num = vmsg_ffa_first_device(ffa);
	if (num < 0)
		return 0;
	hdr.dev_num = cpu_to_le16(num);
	vmsg_ffa_ask(ffa, hdr, NULL, 0, &info, sizeof(info));
	return vmsg_ffa_is_cut(ffa, &ffa->answer) ? -EIO : 0;
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
		.timeout_ms = ffa->timeout_ms,
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

/* Makes the partition forget all. */
static void vmsg_ffa_part(struct vmsg_ffa *ffa)
{
	if (!ffa->area->shared)
		return;
	vmsg_ffa_unshare(ffa);
	vmsg_ffa_reset(ffa);
}

static void vmsg_ffa_take_memory(struct vmsg_ffa *ffa)
{
	vmsg_ffa_part(ffa);
	virtio_msg_pool_destroy(ffa->pool);
	vmsg_ffa_area_put(ffa->area);
}

static int vmsg_ffa_give_memory(struct vmsg_ffa *ffa)
{
	/* Drivers count in pages: a console fills its queues with them. */
	size_t size = pool_kb ? (size_t)pool_kb * SZ_1K :
				VMSG_FFA_POOL_PAGES * PAGE_SIZE;
	int err;

	ffa->area = vmsg_ffa_area_create(ffa->fdev, size);
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
	ffa->timeout_ms = max(timeout_ms, 1U);
	vmsg_ffa_msg_init(ffa);
	spin_lock_init(&ffa->kick_lock);
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
	if (err) {
		dev_err(&fdev->dev, "the partition needs indirect messages, and the firmware does not tell of them (%d)\n",
			err);
		goto err_delist;
	}
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
	if (err) {
		dev_err(&fdev->dev, "no memory to share (%d), see the module parameter pool_kb\n",
			err);
		goto err_delist;
	}
	err = vmsg_ffa_setup_events(ffa);
	if (err) {
		dev_err(&fdev->dev, "the partition does not agree to send events by messages (%d)\n",
			err);
		goto err_memory;
	}
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

/* Firmware that starts anew knows neither of the memory nor of this driver. */
static int vmsg_ffa_hibernate(struct device *dev)
{
	dev_err(dev, "hibernation is not possible, unbind the partition first\n");
	return -EBUSY;
}

static const struct dev_pm_ops vmsg_ffa_pm = {
	.suspend = vmsg_ffa_suspend,
	.resume = vmsg_ffa_resume,
	.freeze = vmsg_ffa_hibernate,
};

static void vmsg_ffa_shutdown(struct device *dev)
{
	struct vmsg_ffa *ffa = dev_get_drvdata(dev);

	virtio_msg_bus_shutdown(ffa->bus);
	disable_delayed_work_sync(&ffa->poll_work);
	disable_work_sync(&ffa->kick_work);
	/* The next kernel may want to share the same pages. */
	vmsg_ffa_part(ffa);
	vmsg_ffa_area_reclaim(ffa->area);
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
