// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-msg: firmware and partitions of FF-A that are made up for tests.
 */
#include <linux/mm.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/unaligned.h>
#include <linux/vmalloc.h>

#include "fake_ffa.h"

#define FAKE_ATTRIBUTES		0x6f4
#define FAKE_FFA_FWK_NOTIF	0

/**
 * struct fake_handle - memory that is shared
 * @node: in fake_handles
 * @handle: what it is called
 * @receiver: with which partition
 * @pages: of it
 * @num: how many
 * @used: the partition has it mapped, so it cannot be given back
 */
struct fake_handle {
	struct list_head node;
	u64 handle;
	u16 receiver;
	struct page **pages;
	unsigned int num;
	bool used;
};

/**
 * struct fake_out - a frame on its way to the driver
 * @node: in fake_ffa.events
 * @size: bytes that the firmware says
 * @frame: the frame
 */
struct fake_out {
	struct list_head node;
	size_t size;
	union fake_ffa_frame frame;
};

/**
 * struct fake_notif - a notification that somebody wants
 * @fp: the partition that can raise it
 * @cb: what to call
 * @data: for @cb
 */
struct fake_notif {
	struct fake_ffa *fp;
	ffa_notifier_cb cb;
	void *data;
};

struct fake_ffa_firmware fake_firmware;

/* Partitions, handles, notifications and pages are protected by this. */
static DEFINE_SPINLOCK(fake_lock);
static LIST_HEAD(fake_partitions);
static LIST_HEAD(fake_handles);
static LIST_HEAD(fake_spare);
static struct fake_notif fake_notifs[FAKE_FFA_NOTIFS];
static unsigned int fake_pages;
static u64 fake_next_handle;
static struct kunit *fake_test;

static struct fake_ffa *fake_find_partition(int id)
{
	struct fake_ffa *fp;

	guard(spinlock_irqsave)(&fake_lock);
	list_for_each_entry(fp, &fake_partitions, node) {
		if (fp->id == id)
			return fp;
	}
	KUNIT_FAIL(fake_test, "a call for partition %#x, which there is not", id);
	return NULL;
}

static void fake_happened(struct fake_ffa *fp)
{
	if (fp)
		wake_up(&fp->models.wait);
	wake_up(&fake_firmware.wait);
}

static void fake_step(struct fake_ffa *fp, u16 step)
{
	guard(spinlock_irqsave)(&fp->lock);
	if (fp->num_trace < FAKE_FFA_TRACE - 1)
		fp->trace[fp->num_trace++] = step;
}

/* Has the time of something that lasts @n times not passed yet? */
static bool fake_countdown(int *n)
{
	if (*n > 0)
		(*n)--;
	else if (!*n)
		return false;
	return true;
}

/* Calls of the firmware may sleep. */
static void fake_check_context(const char *what)
{
	if (!preemptible())
		KUNIT_FAIL(fake_test, "%s in atomic context", what);
}

/*
 * Pages of the driver
 */

/* Caller holds fake_lock. */
static struct fake_handle *fake_shared(struct page *page)
{
	struct fake_handle *fh;
	unsigned int i;

	list_for_each_entry(fh, &fake_handles, node) {
		for (i = 0; i < fh->num; i++) {
			if (fh->pages[i] == page)
				return fh;
		}
	}
	return NULL;
}

/**
 * fake_firmware_alloc_pages() - pages for the driver
 * @gfp: as for alloc_pages()
 * @order: as for alloc_pages()
 *
 * Return: the pages or NULL.
 */
struct page *fake_firmware_alloc_pages(gfp_t gfp, unsigned int order)
{
	struct page *page, *spare;

	if (fake_firmware.single_pages && order)
		return NULL;
	if (fake_firmware.max_pages &&
	    fake_firmware_pages() + BIT(order) > fake_firmware.max_pages)
		return NULL;
	page = alloc_pages(gfp, order);
	if (!page)
		return NULL;
	if (fake_firmware.single_pages) {
		/* What comes next does not follow. */
		spare = alloc_pages(gfp, 0);
		if (spare) {
			guard(spinlock_irqsave)(&fake_lock);
			list_add(&spare->lru, &fake_spare);
		}
	}
	guard(spinlock_irqsave)(&fake_lock);
	fake_pages += BIT(order);
	return page;
}

/**
 * fake_firmware_free_page() - a page that the driver does not need any more
 * @page: the page
 */
void fake_firmware_free_page(struct page *page)
{
	scoped_guard(spinlock_irqsave, &fake_lock) {
		if (fake_shared(page))
			KUNIT_FAIL(fake_test, "a page was freed that is shared");
		fake_pages--;
	}
	__free_page(page);
}

/**
 * fake_firmware_pages() - pages that the driver has
 *
 * Return: how many.
 */
unsigned int fake_firmware_pages(void)
{
	guard(spinlock_irqsave)(&fake_lock);
	return fake_pages;
}

/*
 * Memory
 */

static void fake_add_pages(struct fake_handle *fh, struct scatterlist *sg)
{
	struct page *page = sg_page(sg);
	unsigned int n;

	if (sg->offset % VIRTIO_MSG_FFA_PAGE_SIZE ||
	    sg->length % VIRTIO_MSG_FFA_PAGE_SIZE || !sg->length) {
		KUNIT_FAIL(fake_test, "a piece of %u bytes at %u was shared",
			   sg->length, sg->offset);
		return;
	}
	for (n = 0; n < sg->length / PAGE_SIZE; n++) {
		if (fake_shared(page + n))
			KUNIT_FAIL(fake_test, "a page was shared twice");
		if (fh->num < FAKE_POOL_SIZE / PAGE_SIZE)
			fh->pages[fh->num++] = page + n;
		else
			KUNIT_FAIL(fake_test, "more than the pool was shared");
	}
}

static struct fake_handle *fake_new_handle(struct ffa_mem_ops_args *args)
{
	struct fake_handle *fh = kzalloc_obj(*fh);
	struct scatterlist *sg;

	if (!fh)
		return NULL;
	fh->pages = kcalloc(FAKE_POOL_SIZE / PAGE_SIZE, sizeof(*fh->pages),
			    GFP_KERNEL);
	if (!fh->pages) {
		kfree(fh);
		return NULL;
	}
	fh->receiver = args->attrs->receiver;
	guard(spinlock_irqsave)(&fake_lock);
	fake_firmware.pieces = 0;
	for (sg = args->sg; sg; sg = sg_next(sg)) {
		fake_add_pages(fh, sg);
		fake_firmware.pieces++;
	}
	/* Both halves count. */
	fh->handle = 0x8000000100000000ULL + fake_next_handle++;
	list_add_tail(&fh->node, &fake_handles);
	return fh;
}

static int fake_memory_share(struct ffa_mem_ops_args *args)
{
	struct fake_ffa *fp = fake_find_partition(args->attrs->receiver);
	struct fake_handle *fh;

	fake_check_context("FFA_MEM_SHARE");
	if (!fp)
		return -EINVAL;
	if (!args->use_txbuf || args->nattrs != 1 || args->flags || args->tag ||
	    args->attrs->attrs != FFA_MEM_RW || args->attrs->flag)
		KUNIT_FAIL(fake_test, "memory was shared in a strange way");
	if (fake_countdown(&fake_firmware.share_fails))
		return fake_firmware.share_err;
	fh = fake_new_handle(args);
	if (!fh)
		return -ENOMEM;
	args->g_handle = fh->handle;
	fake_step(fp, FAKE_FFA_MEM_SHARE);
	return 0;
}

/* Caller holds fake_lock. */
static struct fake_handle *fake_find_handle(u64 handle)
{
	struct fake_handle *fh;

	list_for_each_entry(fh, &fake_handles, node) {
		if (fh->handle == handle)
			return fh;
	}
	return NULL;
}

static struct fake_ffa *fake_partition_of(struct fake_handle *fh)
{
	struct fake_ffa *fp;

	list_for_each_entry(fp, &fake_partitions, node) {
		if (fp->id == fh->receiver)
			return fp;
	}
	return NULL;
}

static int fake_memory_reclaim(u64 handle, u32 flags)
{
	struct fake_handle *fh;
	struct fake_ffa *fp;
	bool denied;

	fake_check_context("FFA_MEM_RECLAIM");
	if (flags)
		KUNIT_FAIL(fake_test, "memory was reclaimed in a strange way");
	scoped_guard(spinlock_irqsave, &fake_lock) {
		fh = fake_find_handle(handle);
		if (!fh) {
			KUNIT_FAIL(fake_test, "a handle was reclaimed that there is not");
			return -EINVAL;
		}
		fp = fake_partition_of(fh);
		denied = fake_countdown(&fake_firmware.refuse_reclaims) ||
			 fh->used;
		if (denied)
			fake_firmware.denied++;
		else
			list_del(&fh->node);
	}
	if (fp)
		fake_step(fp, denied ? FAKE_FFA_MEM_DENIED : FAKE_FFA_MEM_RECLAIM);
	if (!denied) {
		kfree(fh->pages);
		kfree(fh);
	}
	wake_up(&fake_firmware.wait);
	return denied ? -EACCES : 0;
}

/**
 * fake_firmware_handles() - memory that is shared
 *
 * Return: how many handles there are.
 */
unsigned int fake_firmware_handles(void)
{
	guard(spinlock_irqsave)(&fake_lock);
	return list_count_nodes(&fake_handles);
}

/*
 * Notifications
 */

static int fake_notify_request(struct ffa_device *fdev, bool per_vcpu,
			       ffa_notifier_cb cb, void *data, int id)
{
	struct fake_ffa *fp = fake_find_partition(fdev->vm_id);

	fake_check_context("FFA_NOTIFICATION_BIND");
	guard(spinlock_irqsave)(&fake_lock);
	fake_firmware.notif_tries++;
	if (fake_firmware.notif_err)
		return fake_firmware.notif_err;
	if (!fp || id < 0 || id >= FAKE_FFA_NOTIFS || per_vcpu)
		return -EINVAL;
	if ((fake_firmware.taken & BIT_ULL(id)) || fake_notifs[id].cb)
		return -EINVAL;
	fake_notifs[id] = (struct fake_notif) { fp, cb, data };
	fp->last_cb = cb;
	fp->last_data = data;
	return 0;
}

static int fake_notify_relinquish(struct ffa_device *fdev, int id)
{
	fake_check_context("FFA_NOTIFICATION_UNBIND");
	guard(spinlock_irqsave)(&fake_lock);
	if (id < 0 || id >= FAKE_FFA_NOTIFS || !fake_notifs[id].cb ||
	    fake_notifs[id].fp->id != fdev->vm_id) {
		KUNIT_FAIL(fake_test, "notification %d was given back by who does not have it",
			   id);
		return -EINVAL;
	}
	memset(&fake_notifs[id], 0, sizeof(fake_notifs[id]));
	return 0;
}

static int fake_fwk_notify_request(struct ffa_device *fdev,
				   ffa_fwk_notifier_cb cb, void *data, int id)
{
	struct fake_ffa *fp = fake_find_partition(fdev->vm_id);

	fake_check_context("a framework notification");
	if (fake_firmware.notif_err)
		return fake_firmware.notif_err;
	guard(spinlock_irqsave)(&fake_lock);
	if (!fp || id != FAKE_FFA_FWK_NOTIF || fp->fwk_cb)
		return -EINVAL;
	fp->fwk_cb = cb;
	fp->fwk_data = data;
	fp->last_fwk_cb = cb;
	fp->last_fwk_data = data;
	return 0;
}

static int fake_fwk_notify_relinquish(struct ffa_device *fdev, int id)
{
	struct fake_ffa *fp = fake_find_partition(fdev->vm_id);

	guard(spinlock_irqsave)(&fake_lock);
	if (!fp || id != FAKE_FFA_FWK_NOTIF || !fp->fwk_cb)
		return -ENOENT;
	fp->fwk_cb = NULL;
	fp->fwk_data = NULL;
	return 0;
}

/**
 * fake_firmware_notifs() - notifications that the driver has
 *
 * Return: how many.
 */
unsigned int fake_firmware_notifs(void)
{
	unsigned int i, n = 0;
	struct fake_ffa *fp;

	guard(spinlock_irqsave)(&fake_lock);
	for (i = 0; i < FAKE_FFA_NOTIFS; i++)
		n += !!fake_notifs[i].cb;
	list_for_each_entry(fp, &fake_partitions, node)
		n += !!fp->fwk_cb;
	return n;
}

/* Callbacks run in hard interrupt, outside of all locks. */
static void fake_irq_work(struct irq_work *work)
{
	struct fake_ffa *fp = container_of(work, struct fake_ffa, irq_work);
	struct fake_notif notif;

	scoped_guard(spinlock_irqsave, &fake_lock)
		notif = fake_notifs[fp->notif % FAKE_FFA_NOTIFS];
	if (notif.cb && notif.fp == fp)
		notif.cb(fp->notif, notif.data);
}

/*
 * Events, and answers that come as messages of their own
 */

static struct fake_out *fake_pop(struct fake_ffa *fp)
{
	struct fake_out *out;

	guard(spinlock_irqsave)(&fp->lock);
	out = list_first_entry_or_null(&fp->events, struct fake_out, node);
	if (!out)
		return NULL;
	list_del(&out->node);
	fp->num_events--;
	return out;
}

/**
 * fake_ffa_keep() - an event that nobody is told of
 * @fp: who has it
 * @frame: the event
 * @size: bytes of it
 *
 * Context: Any.
 */
void fake_ffa_keep(struct fake_ffa *fp, const void *frame, size_t size)
{
	struct fake_out *out = kzalloc_obj(*out, GFP_ATOMIC);

	if (!out || size > sizeof(out->frame)) {
		KUNIT_FAIL(fp->test, "an event of %zu bytes cannot be kept", size);
		kfree(out);
		return;
	}
	memcpy(&out->frame, frame, size);
	out->size = size;
	guard(spinlock_irqsave)(&fp->lock);
	list_add_tail(&out->node, &fp->events);
	fp->num_events++;
}

/**
 * fake_ffa_indirect() - an indirect message
 * @fp: who sends it
 * @buf: the message
 * @size: bytes of it, as the firmware says
 *
 * Context: Process context.
 */
void fake_ffa_indirect(struct fake_ffa *fp, const void *buf, size_t size)
{
	ffa_fwk_notifier_cb cb;
	void *data, *copy;

	scoped_guard(spinlock_irqsave, &fake_lock) {
		cb = fp->fwk_cb;
		data = fp->fwk_data;
	}
	copy = kmemdup(buf, size, GFP_KERNEL);
	if (cb && copy)
		cb(FAKE_FFA_FWK_NOTIF, data, copy);
	kfree(copy);
	fake_happened(fp);
}

static void fake_out_work(struct work_struct *work)
{
	struct fake_ffa *fp = container_of(work, struct fake_ffa, work);
	struct fake_out *out;

	while ((out = fake_pop(fp))) {
		fake_ffa_indirect(fp, &out->frame, out->size);
		kfree(out);
	}
}

/**
 * fake_ffa_raise() - tell the driver that there are events
 * @fp: who has them
 *
 * By what EVENT_CONFIGURE has asked for.
 *
 * Context: Any.
 */
void fake_ffa_raise(struct fake_ffa *fp)
{
	if (fp->method == VIRTIO_MSG_FFA_EVENTS_INDIRECT)
		queue_work(fp->wq, &fp->work);
	else if (fp->method == VIRTIO_MSG_FFA_EVENTS_NOTIF)
		irq_work_queue(&fp->irq_work);
}

/**
 * fake_ffa_event() - an event, and the notification that there is one
 * @fp: who has it
 * @frame: the event
 * @size: bytes of it
 *
 * Context: Any.
 */
void fake_ffa_event(struct fake_ffa *fp, const void *frame, size_t size)
{
	fake_ffa_keep(fp, frame, size);
	fake_ffa_raise(fp);
}

/**
 * fake_ffa_event_msg() - the same for a message that is not encoded yet
 * @fp: who has it
 * @msg: the event
 */
void fake_ffa_event_msg(struct fake_ffa *fp, const struct vmsg_msg *msg)
{
	union fake_ffa_frame frame = {};
	int size = vmsg_wire_encode(VMSG_DIALECT_1, msg, frame.bytes,
				    sizeof(frame));

	if (size < 0)
		KUNIT_FAIL(fp->test, "an event that cannot be encoded");
	else
		fake_ffa_event(fp, &frame, size);
}

static void fake_kick_work(struct work_struct *work)
{
	struct fake_ffa *fp = container_of(work, struct fake_ffa, kick_work);
	struct fake_bus *fb = &fp->models;
	struct vmsg_msg msg = { .id = VIRTIO_MSG_EVENT_USED };
	unsigned int i, q;

	for (i = 0; i < fb->num_devs; i++) {
		for (q = 0; q < FAKE_VQS; q++) {
			if (!fake_vq_serve(fb->devs[i], q, UINT_MAX))
				continue;
			msg.dev_num = fb->devs[i]->num;
			msg.vqueue.index = q;
			fake_ffa_event_msg(fp, &msg);
		}
	}
}

/*
 * Bus messages that only FF-A has
 */

static void fake_answer_size(union fake_ffa_frame *resp, size_t payload)
{
	resp->hdr.msg_size = cpu_to_le16(sizeof(resp->hdr) + payload);
}

static void fake_error(const union fake_ffa_frame *req,
		       union fake_ffa_frame *resp)
{
	resp->hdr.msg_id = VIRTIO_MSG_FFA_ERROR;
	put_unaligned_le16(req->hdr.msg_id, resp->bytes + sizeof(resp->hdr));
	fake_answer_size(resp, sizeof(struct virtio_msg_ffa_error));
}

static void fake_version(struct fake_ffa *fp, const union fake_ffa_frame *req,
			 union fake_ffa_frame *resp)
{
	const struct virtio_msg_ffa_version_resp_long *v = &fp->version;
	const struct virtio_msg_ffa_version_resp brief = {
		.bus_version = v->bus_version,
		.revision = v->revision,
		.transport_features = v->transport_features,
		.bus_features = v->bus_features,
		.max_areas = v->max_areas,
	};
	size_t size = fp->version_long ? sizeof(*v) : sizeof(brief);

	if (fp->version_req && le16_to_cpu(req->hdr.msg_size) !=
			       sizeof(req->hdr) + fp->version_req) {
		fake_error(req, resp);
		return;
	}
	if (fp->version_long)
		memcpy(resp->bytes + sizeof(resp->hdr), v, sizeof(*v));
	else
		memcpy(resp->bytes + sizeof(resp->hdr), &brief, sizeof(brief));
	fake_answer_size(resp, fp->version_size ?: size);
}

/* The partition maps the memory, and its devices work on it. */
static u16 fake_area_share(struct fake_ffa *fp,
			   const struct virtio_msg_ffa_area_share *req)
{
	struct fake_handle *fh;
	void *mem;

	fp->attributes = le32_to_cpu(req->attributes);
	if (fp->attributes != FAKE_ATTRIBUTES)
		KUNIT_FAIL(fp->test, "an area with attributes %#x",
			   fp->attributes);
	scoped_guard(spinlock_irqsave, &fake_lock) {
		fh = fake_find_handle(le64_to_cpu(req->handle));
		if (!fh || fh->receiver != fp->id || fh->used || fp->area ||
		    !req->area || req->tag || le32_to_cpu(req->pages) !=
		    fh->num * (PAGE_SIZE / VIRTIO_MSG_FFA_PAGE_SIZE)) {
			KUNIT_FAIL(fp->test, "an area that cannot be");
			return VIRTIO_MSG_FFA_FAILED;
		}
		fh->used = true;
	}
	mem = vmap(fh->pages, fh->num, VM_MAP, PAGE_KERNEL);
	if (!mem)
		return VIRTIO_MSG_FFA_FAILED;
	fp->area = le16_to_cpu(req->area);
	fp->handle = fh->handle;
	fp->models.mem = mem;
	fp->models.address = (u64)fp->area << VIRTIO_MSG_FFA_AREA_SHIFT;
	return VIRTIO_MSG_FFA_OK;
}

/**
 * fake_ffa_let_go() - the partition does not need its area any more
 * @fp: the partition
 *
 * Context: Process context.
 */
void fake_ffa_let_go(struct fake_ffa *fp)
{
	struct fake_handle *fh;

	if (!fp->area || fp->clingy)
		return;
	cancel_work_sync(&fp->kick_work);
	vunmap(fp->models.mem);
	fp->models.mem = NULL;
	fp->models.address = U64_MAX;
	fp->area = 0;
	guard(spinlock_irqsave)(&fake_lock);
	fh = fake_find_handle(fp->handle);
	if (fh)
		fh->used = false;
}

static u16 fake_area_unshare(struct fake_ffa *fp, u16 area)
{
	if (!fp->area)
		return VIRTIO_MSG_FFA_FAILED;
	if (area != fp->area) {
		KUNIT_FAIL(fp->test, "area %u was not shared", area);
		return VIRTIO_MSG_FFA_FAILED;
	}
	fake_ffa_let_go(fp);
	return VIRTIO_MSG_FFA_OK;
}

static void fake_reset(struct fake_ffa *fp)
{
	struct fake_bus *fb = &fp->models;
	unsigned int i;

	for (i = 0; i < fb->num_devs; i++)
		fb->devs[i]->status = 0;
	fake_ffa_let_go(fp);
	/* Who does not know EVENT_CONFIGURE sends events like everything else. */
	fp->method = fp->unknown & BIT(FAKE_FFA_NR(VIRTIO_MSG_FFA_EVENT_CONFIGURE)) &&
		     fp->properties == FFA_PARTITION_INDIRECT_MSG ?
		     VIRTIO_MSG_FFA_EVENTS_INDIRECT : VIRTIO_MSG_FFA_EVENTS_POLL;
}

static void fake_configure(struct fake_ffa *fp,
			   const struct virtio_msg_ffa_event_configure *req)
{
	if (req->reserved)
		KUNIT_FAIL(fp->test, "a reserved byte is not zero");
	fp->method = req->method;
	fp->notif = le16_to_cpu(req->notif);
}

static void fake_result(union fake_ffa_frame *resp, int area, u16 result)
{
	u8 *at = resp->bytes + sizeof(resp->hdr);

	if (area >= 0) {
		put_unaligned_le16(area, at);
		at += sizeof(__le16);
	}
	put_unaligned_le16(result, at);
	fake_answer_size(resp, area >= 0 ?
			 sizeof(struct virtio_msg_ffa_area_resp) :
			 sizeof(struct virtio_msg_ffa_result));
}

/* Does it do what it is asked, this time? */
static int fake_mood(struct fake_ffa *fp, unsigned int nr)
{
	if (fake_countdown(&fp->busy_results[nr]))
		return VIRTIO_MSG_FFA_BUSY;
	return fp->refuse & BIT(nr) ? VIRTIO_MSG_FFA_FAILED : VIRTIO_MSG_FFA_OK;
}

static void fake_poll(struct fake_ffa *fp, union fake_ffa_frame *resp)
{
	struct fake_out *out = fake_pop(fp);

	if (!out)
		return;
	memcpy(resp, &out->frame, sizeof(*resp));
	kfree(out);
}

static void fake_own_message(struct fake_ffa *fp,
			     const union fake_ffa_frame *req,
			     union fake_ffa_frame *resp)
{
	const void *payload = req->bytes + sizeof(req->hdr);
	unsigned int nr = FAKE_FFA_NR(req->hdr.msg_id);
	int area = -1;
	u16 result;

	fp->count[nr]++;
	if (req->hdr.msg_id != VIRTIO_MSG_FFA_EVENT_POLL)
		fake_step(fp, req->hdr.msg_id);
	if (fp->unknown & BIT(nr)) {
		fake_error(req, resp);
		return;
	}
	result = fake_mood(fp, nr);
	switch (req->hdr.msg_id) {
	case VIRTIO_MSG_FFA_VERSION:
		fake_version(fp, req, resp);
		return;
	case VIRTIO_MSG_FFA_EVENT_POLL:
		fake_poll(fp, resp);
		return;
	case VIRTIO_MSG_FFA_AREA_SHARE:
		area = get_unaligned_le16(payload);
		if (!result)
			result = fake_area_share(fp, payload);
		break;
	case VIRTIO_MSG_FFA_AREA_UNSHARE:
		area = get_unaligned_le16(payload);
		if (!result)
			result = fake_area_unshare(fp, area);
		break;
	case VIRTIO_MSG_FFA_RESET:
		if (!result)
			fake_reset(fp);
		break;
	case VIRTIO_MSG_FFA_EVENT_CONFIGURE:
		if (!result)
			fake_configure(fp, payload);
		break;
	default:
		KUNIT_FAIL(fp->test, "bus message %#x", req->hdr.msg_id);
	}
	fake_result(resp, area, result);
}

/*
 * Calls of the partition
 */

static bool fake_is_own(const struct virtio_msg_hdr *hdr)
{
	return hdr->type == VIRTIO_MSG_TYPE_BUS &&
	       hdr->msg_id >= VIRTIO_MSG_FFA_VERSION &&
	       hdr->msg_id <= VIRTIO_MSG_FFA_ERROR;
}

/* Answers with nothing but a header, as to an event. */
static void fake_nod(const union fake_ffa_frame *req,
		     union fake_ffa_frame *resp)
{
	resp->hdr = req->hdr;
	resp->hdr.type = VIRTIO_MSG_TYPE_BUS | VIRTIO_MSG_TYPE_RESPONSE;
	resp->hdr.msg_id = 0;
	fake_answer_size(resp, 0);
}

static void fake_kicked(struct fake_ffa *fp, const struct vmsg_msg *msg)
{
	struct fake_bus *fb = &fp->models;

	scoped_guard(spinlock_irqsave, &fb->lock) {
		if (fb->num_kicks < FAKE_KICKS)
			fb->kicks[fb->num_kicks] = (struct fake_kick) {
				.dev_num = msg->dev_num,
				.index = msg->vqueue.index,
				.next_offset = msg->vqueue.next_offset,
			};
		fb->num_kicks++;
	}
	queue_work(fp->wq, &fp->kick_work);
}

/* Everything that is not FF-A's own. Returns false when there is no answer. */
static bool fake_virtio_message(struct fake_ffa *fp,
				const union fake_ffa_frame *req, size_t size,
				union fake_ffa_frame *resp)
{
	struct fake_frame *frame;
	struct vmsg_msg msg;
	bool answered;

	if (vmsg_wire_decode(VMSG_DIALECT_1, req->bytes, size,
			     VIRTIO_MSG_FFA_MAX_SIZE, &msg) != (int)size)
		KUNIT_FAIL(fp->test, "a malformed frame of %zu bytes was sent",
			   size);
	if (!msg.type && msg.id == VIRTIO_MSG_EVENT_AVAIL) {
		fake_kicked(fp, &msg);
		fake_nod(req, resp);
		return false;
	}
	frame = kzalloc_obj(*frame);
	answered = frame && fake_answer(&fp->models, &msg, frame);
	if (answered)
		memcpy(resp, frame->data, min(frame->size, sizeof(*resp)));
	else
		fake_nod(req, resp);
	kfree(frame);
	return answered;
}

/*
 * One call: what comes back is in @resp. Returns what the firmware says, or 1
 * when the partition has nothing to say.
 */
static int fake_call(struct fake_ffa *fp, const union fake_ffa_frame *req,
		     size_t size, union fake_ffa_frame *resp)
{
	bool answered = true;
	int err = 0;

	atomic_inc(&fp->calls);
	if (fp->err)
		return fp->err;
	if (fake_countdown(&fp->busy))
		return fp->busy_err;
	if (fake_countdown(&fp->zeros))
		return 0;
	if (le16_to_cpu(req->hdr.msg_size) != size) {
		KUNIT_FAIL(fp->test, "%zu bytes that say they are %u", size,
			   le16_to_cpu(req->hdr.msg_size));
		return -EINVAL;
	}
	resp->hdr = req->hdr;
	resp->hdr.type |= VIRTIO_MSG_TYPE_RESPONSE;
	fake_answer_size(resp, 0);
	if (fake_is_own(&req->hdr))
		fake_own_message(fp, req, resp);
	else
		answered = fake_virtio_message(fp, req, size, resp);
	if (fp->filter)
		err = fp->filter(fp, req, resp);
	return err ?: !answered;
}

static void fake_pause(struct fake_ffa *fp)
{
	if (fp->slow)
		schedule_timeout_uninterruptible(2);
}

static int fake_direct(struct ffa_device *fdev,
		       struct ffa_send_direct_data2 *data)
{
	struct fake_ffa *fp = fake_find_partition(fdev->vm_id);
	union fake_ffa_frame *frame = (void *)data;
	union fake_ffa_frame req = *frame, resp = {};
	size_t size = le16_to_cpu(req.hdr.msg_size);
	int err;

	fake_check_context("FFA_MSG_SEND_DIRECT_REQ2");
	if (!fp)
		return -EINVAL;
	fp->directs++;
	if (!(fp->properties & FFA_PARTITION_DIRECT_REQ2_RECV))
		return -EOPNOTSUPP;
	if (atomic_inc_return(&fp->inside) != 1)
		KUNIT_FAIL(fp->test, "two direct messages at once");
	fake_pause(fp);
	size = clamp(size, sizeof(req.hdr), VIRTIO_MSG_FFA_MAX_SIZE);
	if (memchr_inv(req.bytes + size, 0, sizeof(req) - size))
		KUNIT_FAIL(fp->test, "there is something behind %zu bytes",
			   size);
	if (fp->cut)
		memset(req.bytes + 32, 0, sizeof(req) - 32);
	err = fake_call(fp, &req, size, &resp);
	if (fp->cut)
		memset(resp.bytes + 32, 0, sizeof(resp) - 32);
	if (err >= 0)
		*frame = resp;
	atomic_dec(&fp->inside);
	fake_happened(fp);
	return min(err, 0);
}

static int fake_send2(struct ffa_device *fdev, void *buf, size_t size)
{
	struct fake_ffa *fp = fake_find_partition(fdev->vm_id);
	union fake_ffa_frame req = {}, resp = {};
	int err;

	fake_check_context("FFA_MSG_SEND2");
	if (!fp)
		return -EINVAL;
	fp->indirects++;
	if (!(fp->properties & FFA_PARTITION_INDIRECT_MSG))
		return -EOPNOTSUPP;
	if (size < sizeof(req.hdr) || size > VIRTIO_MSG_FFA_MAX_SIZE) {
		KUNIT_FAIL(fp->test, "an indirect message of %zu bytes", size);
		return -EINVAL;
	}
	memcpy(&req, buf, size);
	err = fake_call(fp, &req, size, &resp);
	if (!err && !fp->mute && resp.hdr.msg_size) {
		size = min(le16_to_cpu(resp.hdr.msg_size), sizeof(resp));
		fake_ffa_keep(fp, &resp, size);
		queue_work(fp->wq, &fp->work);
	}
	fake_happened(fp);
	return min(err, 0);
}

static const struct ffa_msg_ops fake_msg_ops = {
	.sync_send_receive2 = fake_direct,
	.indirect_send = fake_send2,
};

static const struct ffa_mem_ops fake_mem_ops = {
	.memory_share = fake_memory_share,
	.memory_reclaim = fake_memory_reclaim,
};

static const struct ffa_notifier_ops fake_notifier_ops = {
	.notify_request = fake_notify_request,
	.notify_relinquish = fake_notify_relinquish,
	.fwk_notify_request = fake_fwk_notify_request,
	.fwk_notify_relinquish = fake_fwk_notify_relinquish,
};

static const struct ffa_ops fake_ops = {
	.msg_ops = &fake_msg_ops,
	.mem_ops = &fake_mem_ops,
	.notifier_ops = &fake_notifier_ops,
};

/*
 * Life of a partition
 */

/**
 * fake_ffa_plug() - let the kernel find the partition
 * @fp: the partition
 *
 * Return: what the driver's probe said.
 */
int fake_ffa_plug(struct fake_ffa *fp)
{
	const struct ffa_partition_info info = {
		.id = fp->id,
		.exec_ctxt = 1,
		.properties = fp->properties,
		.uuid = UUID_INIT(0xc66028b5, 0x2498, 0x4aa1, 0x9d, 0xe7, 0x77,
				  0xda, 0x61, 0x22, 0xab, 0xf0),
	};

	fp->fdev = ffa_device_register(&info, &fake_ops, NULL);
	KUNIT_ASSERT_NOT_NULL(fp->test, fp->fdev);
	return ffa_uml_probe_result();
}

/**
 * fake_ffa_unplug() - take the partition away
 * @fp: the partition
 */
void fake_ffa_unplug(struct fake_ffa *fp)
{
	struct ffa_device *fdev = fp->fdev;

	fp->fdev = NULL;
	ffa_device_unregister(fdev);
}

/**
 * fake_ffa_bus() - the bus that the driver made of the partition
 * @fp: the partition, plugged in
 *
 * Return: the bus.
 */
struct virtio_msg_bus *fake_ffa_bus(struct fake_ffa *fp)
{
	return ffa_uml_bus(fp->fdev);
}

/**
 * fake_ffa_settle() - wait until driver and partition have nothing to do
 * @fp: the partition, plugged in
 *
 * Works that wait for their time do not count.
 */
void fake_ffa_settle(struct fake_ffa *fp)
{
	int i;

	for (i = 0; i < 4; i++) {
		flush_workqueue(fake_ffa_bus(fp)->wq);
		ffa_uml_flush();
		flush_workqueue(fp->wq);
		irq_work_sync(&fp->irq_work);
	}
}

static void fake_ffa_free(void *arg)
{
	struct fake_ffa *fp = arg;
	struct fake_out *out;
	unsigned int i;

	/* The end of a partition is not the business of most tests. */
	fp->filter = NULL;
	fp->err = 0;
	fp->busy = 0;
	fp->zeros = 0;
	fp->mute = false;
	fp->clingy = false;
	fp->refuse = 0;
	fp->unknown = 0;
	memset(fp->busy_results, 0, sizeof(fp->busy_results));
	for (i = 0; i < fp->models.num_devs; i++)
		fp->models.devs[i]->reset_polls = 0;
	fake_ffa_unplug(fp);
	irq_work_sync(&fp->irq_work);
	destroy_workqueue(fp->wq);
	fake_ffa_let_go(fp);
	scoped_guard(spinlock_irqsave, &fake_lock)
		list_del(&fp->node);
	while ((out = fake_pop(fp)))
		kfree(out);
	for (i = 0; i < fp->models.num_devs; i++)
		kfree(fp->models.devs[i]);
	kfree(fp);
}

/**
 * fake_ffa_create() - a partition that the kernel has not found yet
 * @test: whose it is; it goes when the test ends
 * @id: of the partition
 *
 * It takes direct messages, raises notifications, and has no devices.
 *
 * Return: the partition; the test ends when there is none.
 */
struct fake_ffa *fake_ffa_create(struct kunit *test, u16 id)
{
	struct fake_ffa *fp = kzalloc_obj(*fp);

	KUNIT_ASSERT_NOT_NULL(test, fp);
	fp->test = test;
	fp->id = id;
	fp->busy_err = -EBUSY;
	fp->properties = FFA_PARTITION_DIRECT_RECV |
			 FFA_PARTITION_DIRECT_REQ2_RECV |
			 FFA_PARTITION_INDIRECT_MSG |
			 FFA_PARTITION_AARCH64_EXEC;
	fp->version = (struct virtio_msg_ffa_version_resp_long) {
		.bus_version = cpu_to_le32(VIRTIO_MSG_FFA_VERSION_1_0),
		.revision = cpu_to_le32(VIRTIO_MSG_REVISION_1),
		.ffa_version = cpu_to_le32(FFA_VERSION_1_2),
		.bus_features = cpu_to_le32(VIRTIO_MSG_FFA_F_DIRECT_RX |
					    VIRTIO_MSG_FFA_F_INDIRECT_RX |
					    VIRTIO_MSG_FFA_F_NOTIF_TX),
		.max_areas = cpu_to_le16(4),
	};
	spin_lock_init(&fp->lock);
	INIT_LIST_HEAD(&fp->events);
	INIT_WORK(&fp->kick_work, fake_kick_work);
	INIT_WORK(&fp->work, fake_out_work);
	fp->irq_work = IRQ_WORK_INIT_HARD(fake_irq_work);
	fake_models_init(&fp->models, test);
	fp->models.address = U64_MAX;
	scoped_guard(spinlock_irqsave, &fake_lock)
		list_add_tail(&fp->node, &fake_partitions);
	fp->wq = alloc_workqueue("fake_ffa", WQ_UNBOUND, 0);
	KUNIT_ASSERT_NOT_NULL(test, fp->wq);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, fake_ffa_free, fp));
	return fp;
}

/* All that a test leaves behind is a leak. */
static void fake_firmware_end(void *arg)
{
	struct kunit *test = arg;
	struct page *page, *next;

	fake_firmware.refuse_reclaims = 0;
	firmware_wait(!fake_firmware_handles());
	KUNIT_EXPECT_EQ(test, fake_firmware_handles(), 0);
	/* Freeing comes after reclaiming, in the same work. */
	ffa_uml_exit();
	KUNIT_EXPECT_EQ(test, ffa_uml_kept(), 0);
	KUNIT_EXPECT_EQ(test, fake_firmware_pages(), 0);
	KUNIT_EXPECT_EQ(test, fake_firmware_notifs(), 0);
	KUNIT_EXPECT_EQ(test, ffa_uml_partitions(), 0);
	list_for_each_entry_safe(page, next, &fake_spare, lru)
		__free_page(page);
	INIT_LIST_HEAD(&fake_spare);
}

/**
 * fake_firmware_init() - firmware without partitions
 * @test: until its end
 */
void fake_firmware_init(struct kunit *test)
{
	memset(&fake_firmware, 0, sizeof(fake_firmware));
	memset(fake_notifs, 0, sizeof(fake_notifs));
	init_waitqueue_head(&fake_firmware.wait);
	fake_test = test;
	fake_pages = 0;
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, fake_firmware_end,
						  test));
}
