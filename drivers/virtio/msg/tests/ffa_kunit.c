// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-msg: tests of ffa.c and ffa_area.c.
 *
 * They plug in partitions that fake_ffa.c makes up, and let the kernel's own bus
 * code bind the driver to them. What holds for every call is checked there, and
 * that nothing is left behind at the end of each test.
 */
#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/slab.h>
#include <linux/unaligned.h>

#include "fake_ffa.h"

#define PARTITION	0x8001
/* Device number; not 0, which every bus message has. */
#define DEVICE		3
#define AREA		1

#define SHORT_TIMEOUT	100

static int ffa_test_init(struct kunit *test)
{
	fake_firmware_init(test);
	ffa_uml_init(5000, FAKE_POOL_SIZE / SZ_1K);
	fake_driver_register(test);
	return 0;
}

/* From here on everything that never comes is waited for a short time only. */
static void be_impatient(void)
{
	ffa_uml_init(SHORT_TIMEOUT, FAKE_POOL_SIZE / SZ_1K);
}

/* A partition with one device, not plugged in. */
static struct fake_ffa *partition(struct kunit *test)
{
	struct fake_ffa *fp = fake_ffa_create(test, PARTITION);

	fake_dev_create(&fp->models, DEVICE);
	return fp;
}

static struct fake_ffa *indirect_partition(struct kunit *test)
{
	struct fake_ffa *fp = partition(test);

	fp->properties = FFA_PARTITION_INDIRECT_MSG;
	return fp;
}

/* Plugs it in and waits until the driver has its device. */
static struct fake_drv *bind(struct fake_ffa *fp)
{
	struct kunit *test = fp->test;
	int probes = atomic_read(&fake_driver.probes);

	KUNIT_ASSERT_EQ(test, fake_ffa_plug(fp), 0);
	KUNIT_ASSERT_TRUE(test,
			  drv_wait(atomic_read(&fake_driver.probes) > probes));
	KUNIT_ASSERT_EQ(test, fake_driver.probe_err, 0);
	fake_ffa_settle(fp);
	return fake_driver.drv;
}

/* One buffer goes to the device and comes back with an answer. */
static void do_io(struct kunit *test, struct fake_drv *drv)
{
	u8 *out = kunit_kmalloc(test, 64, GFP_KERNEL);
	u8 *in = kunit_kzalloc(test, 64, GFP_KERNEL);
	unsigned int done = drv->num_bufs;

	KUNIT_ASSERT_NOT_NULL(test, out);
	KUNIT_ASSERT_NOT_NULL(test, in);
	get_random_bytes(out, 64);
	KUNIT_ASSERT_EQ(test, 0, fake_add_buf(drv->vqs[0], out, 64, in, 64));
	virtqueue_kick(drv->vqs[0]);
	KUNIT_ASSERT_TRUE(test, drv_wait(drv->num_bufs > done));
	KUNIT_EXPECT_PTR_EQ(test, drv->bufs[done], (void *)in);
	KUNIT_EXPECT_MEMEQ(test, in, out, 64);
	/* Events come in a work, and drivers need not know. */
	KUNIT_EXPECT_EQ(test, atomic_read(&drv->exposed), 0);
}

/* A request of the core; what it says afterwards is in @msg. */
static int ask(struct fake_ffa *fp, struct vmsg_msg *msg)
{
	u8 frames[2 * VIRTIO_MSG_FFA_MAX_SIZE] __aligned(8);

	*msg = (struct vmsg_msg) {
		.id = VIRTIO_MSG_GET_DEVICE_STATUS,
		.dev_num = DEVICE,
	};
	return vmsg_bus_request(fake_ffa_bus(fp), NULL, msg, frames,
				VIRTIO_MSG_FFA_MAX_SIZE);
}

static bool is_request(const union fake_ffa_frame *req, u8 type, u8 id)
{
	return req->hdr.type == type && req->hdr.msg_id == id;
}

static bool is_own(const union fake_ffa_frame *req, u8 id)
{
	return is_request(req, VIRTIO_MSG_TYPE_BUS, id);
}

static bool is_status(const union fake_ffa_frame *req)
{
	return is_request(req, 0, VIRTIO_MSG_GET_DEVICE_STATUS);
}

static int own(struct fake_ffa *fp, u8 id)
{
	return fp->count[FAKE_FFA_NR(id)];
}

/* Probe fails, and nothing is left of it. */
static void expect_refused(struct fake_ffa *fp, int err)
{
	struct kunit *test = fp->test;

	KUNIT_EXPECT_EQ(test, fake_ffa_plug(fp), err);
	KUNIT_EXPECT_NULL(test, fp->fdev->dev.driver);
	KUNIT_EXPECT_EQ(test, ffa_uml_partitions(), 0);
	KUNIT_EXPECT_EQ(test, fake_firmware_handles(), 0);
	KUNIT_EXPECT_EQ(test, fake_firmware_notifs(), 0);
	KUNIT_EXPECT_EQ(test, fake_firmware_pages(), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake_driver.probes), 0);
}

/*
 * VERSION
 */

static void version_short(struct kunit *test)
{
	struct fake_ffa *fp = partition(test);

	fp->version.transport_features =
		cpu_to_le32(~BIT(VIRTIO_MSG_F_STRICT_CONFIG_GENERATION));
	do_io(test, bind(fp));
	KUNIT_EXPECT_EQ(test, fake_ffa_bus(fp)->info.features, 0);
}

static void version_long(struct kunit *test)
{
	struct fake_ffa *fp = partition(test);

	fp->version_long = true;
	fp->version.transport_features =
		cpu_to_le32(BIT(VIRTIO_MSG_F_STRICT_CONFIG_GENERATION));
	do_io(test, bind(fp));
	KUNIT_EXPECT_EQ(test, fake_ffa_bus(fp)->info.features,
			BIT(VIRTIO_MSG_F_STRICT_CONFIG_GENERATION));
	KUNIT_EXPECT_EQ(test, fake_ffa_bus(fp)->info.revision, 1);
	KUNIT_EXPECT_EQ(test, fake_ffa_bus(fp)->info.max_msg_size, 104);
}

/* Each form of the request is all that some partitions take. */
static void version_strict(struct kunit *test)
{
	struct fake_ffa *fp = partition(test);

	fp->version_req = sizeof(struct virtio_msg_ffa_version);
	do_io(test, bind(fp));
	fake_ffa_unplug(fp);
	fp->version_req = sizeof(struct virtio_msg_ffa_version_long);
	fp->version_long = true;
	do_io(test, bind(fp));
}

static void version_wrong(struct kunit *test)
{
	static const u32 wrong[][2] = {
		{ 0, 1 }, { 1, 1 }, { 0x00010001, 1 }, { 0x00020000, 1 },
		{ VIRTIO_MSG_FFA_VERSION_1_0, 0 },
		{ VIRTIO_MSG_FFA_VERSION_1_0, 2 },
	};
	struct fake_ffa *fp = partition(test);
	int i;

	for (i = 0; i < 2 * ARRAY_SIZE(wrong); i++) {
		fp->version_long = i % 2;
		fp->version.bus_version = cpu_to_le32(wrong[i / 2][0]);
		fp->version.revision = cpu_to_le32(wrong[i / 2][1]);
		expect_refused(fp, -EPROTONOSUPPORT);
		fake_ffa_unplug(fp);
	}
}

static void version_too_short(struct kunit *test)
{
	static const size_t sizes[] = { 1, 4, 8, 17 };
	struct fake_ffa *fp = partition(test);
	int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		fp->version_size = sizes[i];
		expect_refused(fp, -EPROTO);
		fake_ffa_unplug(fp);
	}
}

static void version_unknown(struct kunit *test)
{
	struct fake_ffa *fp = partition(test);

	fp->unknown = BIT(FAKE_FFA_NR(VIRTIO_MSG_FFA_VERSION));
	expect_refused(fp, -EOPNOTSUPP);
}

/*
 * How messages travel
 */

static void direct_is_default(struct kunit *test)
{
	struct fake_ffa *fp = partition(test);

	do_io(test, bind(fp));
	KUNIT_EXPECT_GT(test, fp->directs, 0);
	KUNIT_EXPECT_EQ(test, fp->indirects, 0);
}

static void neither_is_refused(struct kunit *test)
{
	struct fake_ffa *fp = partition(test);

	fp->properties = FFA_PARTITION_DIRECT_RECV | FFA_PARTITION_DIRECT_SEND |
			 FFA_PARTITION_DIRECT_REQ2_SEND |
			 FFA_PARTITION_NOTIFICATION_RECV;
	expect_refused(fp, -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, fp->directs, 0);
	KUNIT_EXPECT_EQ(test, fp->indirects, 0);
}

static void indirect_works(struct kunit *test)
{
	struct fake_ffa *fp = indirect_partition(test);
	struct fake_drv *drv = bind(fp);
	int i;

	for (i = 0; i < 20; i++)
		do_io(test, drv);
	KUNIT_EXPECT_GT(test, fp->indirects, 0);
	KUNIT_EXPECT_EQ(test, fp->directs, 0);
	KUNIT_EXPECT_EQ(test, fp->method, VIRTIO_MSG_FFA_EVENTS_INDIRECT);
	KUNIT_EXPECT_EQ(test, own(fp, VIRTIO_MSG_FFA_EVENT_POLL), 0);
}

static void indirect_without_notifications(struct kunit *test)
{
	struct fake_ffa *fp = indirect_partition(test);

	fake_firmware.notif_err = -EOPNOTSUPP;
	expect_refused(fp, -EOPNOTSUPP);
}

static void cut_is_found_out(struct kunit *test)
{
	struct fake_ffa *fp = partition(test);

	fp->cut = true;
	expect_refused(fp, -EIO);
	KUNIT_EXPECT_EQ(test, own(fp, VIRTIO_MSG_FFA_AREA_SHARE), 0);
}

/* Without devices there is nothing to find it out by, until one comes. */
static void cut_is_found_out_later(struct kunit *test)
{
	const struct vmsg_msg msg = {
		.type = VIRTIO_MSG_TYPE_BUS,
		.id = VIRTIO_MSG_BUS_EVENT_DEVICE,
		.event_device.dev_num = DEVICE,
		.event_device.state = VIRTIO_MSG_DEVICE_ADDED,
	};
	struct fake_ffa *fp = fake_ffa_create(test, PARTITION);
	struct fake_bus *fb = &fp->models;

	fp->cut = true;
	KUNIT_ASSERT_EQ(test, fake_ffa_plug(fp), 0);
	fake_dev_create(fb, DEVICE);
	fake_ffa_event_msg(fp, &msg);
	KUNIT_EXPECT_TRUE(test, fake_wait(fb, fake_count(fb, false, VIRTIO_MSG_GET_DEVICE_INFO)));
	fake_ffa_settle(fp);
	KUNIT_EXPECT_EQ(test, fake_count(fb, false, VIRTIO_MSG_SET_DEVICE_STATUS), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake_driver.probes), 0);
}

/*
 * Memory
 */

static void expect_trace(struct fake_ffa *fp, const u16 *trace)
{
	struct kunit *test = fp->test;
	int i;

	for (i = 0; trace[i] != FAKE_FFA_END; i++)
		KUNIT_EXPECT_EQ_MSG(test, fp->trace[i], trace[i], "step %d", i);
	KUNIT_EXPECT_EQ(test, fp->num_trace, i);
}

static void order_of_life(struct kunit *test)
{
	static const u16 life[] = {
		VIRTIO_MSG_FFA_VERSION,
		VIRTIO_MSG_FFA_RESET,
		FAKE_FFA_MEM_SHARE,
		VIRTIO_MSG_FFA_AREA_SHARE,
		VIRTIO_MSG_FFA_EVENT_CONFIGURE,
		VIRTIO_MSG_FFA_AREA_UNSHARE,
		VIRTIO_MSG_FFA_RESET,
		FAKE_FFA_MEM_RECLAIM,
		FAKE_FFA_END,
	};
	struct fake_ffa *fp = partition(test);

	do_io(test, bind(fp));
	KUNIT_EXPECT_EQ(test, fake_firmware_handles(), 1);
	KUNIT_EXPECT_EQ(test, fake_firmware_pages(), FAKE_POOL_SIZE / PAGE_SIZE);
	fake_ffa_unplug(fp);
	expect_trace(fp, life);
	KUNIT_EXPECT_EQ(test, fake_firmware_handles(), 0);
	KUNIT_EXPECT_EQ(test, fake_firmware_pages(), 0);
}

static void address_has_area(struct kunit *test)
{
	struct fake_ffa *fp = partition(test);
	struct fake_vq *fq = &fp->models.devs[0]->vq[0];

	bind(fp);
	KUNIT_EXPECT_EQ(test, fp->area, AREA);
	KUNIT_EXPECT_EQ(test, fq->desc >> VIRTIO_MSG_FFA_AREA_SHIFT, AREA);
	KUNIT_EXPECT_EQ(test, fq->driver >> VIRTIO_MSG_FFA_AREA_SHIFT, AREA);
	KUNIT_EXPECT_EQ(test, fq->device >> VIRTIO_MSG_FFA_AREA_SHIFT, AREA);
	KUNIT_EXPECT_LT(test, fq->desc << 16 >> 16, FAKE_POOL_SIZE);
}

static void memory_in_pieces(struct kunit *test)
{
	struct fake_ffa *fp = partition(test);
	struct fake_drv *drv;
	int i;

	fake_firmware.single_pages = true;
	drv = bind(fp);
	KUNIT_EXPECT_GT(test, fake_firmware.pieces, FAKE_POOL_SIZE / PAGE_SIZE / 2);
	for (i = 0; i < 20; i++)
		do_io(test, drv);
}

/*
 * Answers that are wrong
 */

/**
 * struct wrong - how an answer is spoilt
 * @what: in words
 * @at: offset of 16 bits
 * @keep: what is kept of them
 * @flip: what is inverted then
 */
struct wrong {
	const char *what;
	u8 at;
	u16 keep;
	u16 flip;
};

#define SIZE_AT	offsetof(struct virtio_msg_hdr, msg_size)

static const struct wrong wrongs[] = {
	{ "not a response", 0, 0xffff, VIRTIO_MSG_TYPE_RESPONSE },
	{ "bus for transport", 0, 0xffff, VIRTIO_MSG_TYPE_BUS },
	{ "message", 0, 0xffff, 0x0100 },
	{ "private message", 0, 0xffff, 0x8000 },
	{ "device", offsetof(struct virtio_msg_hdr, dev_num), 0xffff, 0x0001 },
	{ "device, high", offsetof(struct virtio_msg_hdr, dev_num), 0xffff, 0x0100 },
	{ "token", offsetof(struct virtio_msg_hdr, token), 0xffff, 0x0001 },
	{ "token, high", offsetof(struct virtio_msg_hdr, token), 0xffff, 0x8000 },
	{ "no token", offsetof(struct virtio_msg_hdr, token), 0, 0 },
	{ "size 0", SIZE_AT, 0, 0 },
	{ "size 7", SIZE_AT, 0, 7 },
	{ "size 8", SIZE_AT, 0, 8 },
	{ "size 9", SIZE_AT, 0, 9 },
	{ "size 113", SIZE_AT, 0, 113 },
	{ "size 65535", SIZE_AT, 0, 0xffff },
};

/* What is spoilt: the answer to which message, how, and how often. */
static struct {
	u8 type;
	u8 id;
	const struct wrong *wrong;
	int times;
} spoil;

static int spoil_filter(struct fake_ffa *fp, const union fake_ffa_frame *req,
			union fake_ffa_frame *resp)
{
	u8 *at = resp->bytes + spoil.wrong->at;

	if (!is_request(req, spoil.type, spoil.id) || !spoil.times)
		return 0;
	if (spoil.times > 0)
		spoil.times--;
	put_unaligned_le16((get_unaligned_le16(at) & spoil.wrong->keep) ^
			   spoil.wrong->flip, at);
	return 0;
}

static void spoil_answers(struct fake_ffa *fp, u8 type, u8 id, int n, int times)
{
	spoil.type = type;
	spoil.id = id;
	spoil.wrong = &wrongs[n];
	spoil.times = times;
	fp->filter = spoil_filter;
}

static void expect_status(struct fake_ffa *fp)
{
	struct vmsg_msg msg;

	KUNIT_EXPECT_EQ(fp->test, ask(fp, &msg), 0);
	KUNIT_EXPECT_EQ(fp->test, msg.status, fp->models.devs[0]->status);
}

/* Nobody knows where its events go. */
static void indirect_without_word(struct kunit *test)
{
	struct fake_ffa *fp = indirect_partition(test);

	fp->refuse = BIT(FAKE_FFA_NR(VIRTIO_MSG_FFA_EVENT_CONFIGURE));
	expect_refused(fp, -EIO);
	fake_ffa_unplug(fp);
	fp->refuse = 0;
	be_impatient();
	spoil_answers(fp, VIRTIO_MSG_TYPE_BUS, VIRTIO_MSG_FFA_EVENT_CONFIGURE,
		      0, 1);
	expect_refused(fp, -ETIMEDOUT);
	fake_ffa_unplug(fp);
	/* Those of before the message send them anyway. */
	fp->unknown = BIT(FAKE_FFA_NR(VIRTIO_MSG_FFA_EVENT_CONFIGURE));
	do_io(test, bind(fp));
}

static void wrong_answers(struct kunit *test)
{
	struct fake_ffa *fp = partition(test);
	struct vmsg_msg msg;
	int i;

	bind(fp);
	for (i = 0; i < ARRAY_SIZE(wrongs); i++) {
		spoil_answers(fp, 0, VIRTIO_MSG_GET_DEVICE_STATUS, i, 1);
		KUNIT_EXPECT_EQ_MSG(test, ask(fp, &msg), -EPROTO, "wrong %s",
				    wrongs[i].what);
		KUNIT_EXPECT_EQ(test, spoil.times, 0);
		expect_status(fp);
	}
}

static void wrong_answers_indirect(struct kunit *test)
{
	struct fake_ffa *fp = indirect_partition(test);
	struct vmsg_msg msg;
	int i;

	be_impatient();
	bind(fp);
	for (i = 0; i < ARRAY_SIZE(wrongs); i++) {
		spoil_answers(fp, 0, VIRTIO_MSG_GET_DEVICE_STATUS, i, 1);
		KUNIT_EXPECT_EQ_MSG(test, ask(fp, &msg), -ETIMEDOUT, "wrong %s",
				    wrongs[i].what);
		KUNIT_EXPECT_EQ(test, spoil.times, 0);
		expect_status(fp);
	}
}

/* The same for the requests that probe makes. */
static void wrong_answers_in_probe(struct kunit *test)
{
	static const u8 ids[] = {
		VIRTIO_MSG_FFA_VERSION, VIRTIO_MSG_FFA_RESET,
		VIRTIO_MSG_FFA_AREA_SHARE,
	};
	struct fake_ffa *fp = partition(test);
	int i, n;

	for (n = 0; n < ARRAY_SIZE(ids); n++) {
		for (i = 0; i < ARRAY_SIZE(wrongs); i++) {
			spoil_answers(fp, VIRTIO_MSG_TYPE_BUS, ids[n], i, -1);
			expect_refused(fp, -EPROTO);
			fake_ffa_unplug(fp);
		}
	}
}

static int error_filter(struct fake_ffa *fp, const union fake_ffa_frame *req,
			union fake_ffa_frame *resp)
{
	if (!is_status(req))
		return 0;
	resp->hdr.type = VIRTIO_MSG_TYPE_BUS | VIRTIO_MSG_TYPE_RESPONSE;
	resp->hdr.msg_id = VIRTIO_MSG_FFA_ERROR;
	put_unaligned_le16(VIRTIO_MSG_GET_DEVICE_STATUS, resp->bytes + 8);
	resp->hdr.msg_size = cpu_to_le16(10);
	return 0;
}

static void error_answers(struct kunit *test)
{
	struct fake_ffa *fp = partition(test);
	struct vmsg_msg msg;

	bind(fp);
	fp->filter = error_filter;
	KUNIT_EXPECT_EQ(test, ask(fp, &msg), -EPROTO);
	fp->filter = NULL;
	expect_status(fp);
}

static void make_frame(union fake_ffa_frame *frame, const struct vmsg_msg *msg)
{
	memset(frame, 0, sizeof(*frame));
	vmsg_wire_encode(VMSG_DIALECT_1, msg, frame->bytes, sizeof(*frame));
}

static const struct vmsg_msg config_event = {
	.id = VIRTIO_MSG_EVENT_CONFIG,
	.dev_num = DEVICE,
	.event_config.status = VIRTIO_CONFIG_S_DRIVER_OK,
	.event_config.generation = 7,
};

/* The answer waits behind the event that takes its place. */
static int event_filter(struct fake_ffa *fp, const union fake_ffa_frame *req,
			union fake_ffa_frame *resp)
{
	if (!is_status(req) || fp->step++)
		return 0;
	fake_ffa_keep(fp, resp, sizeof(*resp));
	make_frame(resp, &config_event);
	return 0;
}

static void event_for_answer(struct kunit *test)
{
	struct fake_ffa *fp = partition(test);
	struct fake_drv *drv = bind(fp);

	fp->filter = event_filter;
	expect_status(fp);
	KUNIT_EXPECT_TRUE(test, drv_wait(atomic_read(&drv->changes)));
	KUNIT_EXPECT_EQ(test, fp->num_events, 0);
	do_io(test, drv);
}

/* The answer to a kick says nothing, so an event may come in its place. */
static int kick_filter(struct fake_ffa *fp, const union fake_ffa_frame *req,
		       union fake_ffa_frame *resp)
{
	if (is_request(req, 0, VIRTIO_MSG_EVENT_AVAIL))
		make_frame(resp, &config_event);
	return 0;
}

static void event_for_kick(struct kunit *test)
{
	struct fake_ffa *fp = partition(test);
	struct fake_drv *drv = bind(fp);

	fp->filter = kick_filter;
	do_io(test, drv);
	KUNIT_EXPECT_TRUE(test, drv_wait(atomic_read(&drv->changes) == 1));
}

static int twice_filter(struct fake_ffa *fp, const union fake_ffa_frame *req,
			union fake_ffa_frame *resp)
{
	fake_ffa_event(fp, resp, le16_to_cpu(resp->hdr.msg_size));
	return 0;
}

/* Whatever is answered is answered twice, the second time to nobody. */
static void answers_come_twice(struct kunit *test)
{
	struct fake_ffa *fp = indirect_partition(test);
	struct fake_drv *drv;

	fp->method = VIRTIO_MSG_FFA_EVENTS_INDIRECT;
	fp->filter = twice_filter;
	drv = bind(fp);
	do_io(test, drv);
	expect_status(fp);
	do_io(test, drv);
}

/* An event in place of each answer to what the bus driver itself asks. */
static int own_event_filter(struct fake_ffa *fp,
			    const union fake_ffa_frame *req,
			    union fake_ffa_frame *resp)
{
	const struct vmsg_msg msg = {
		.type = VIRTIO_MSG_TYPE_BUS,
		.id = VIRTIO_MSG_BUS_EVENT_DEVICE,
		.event_device.dev_num = 9,
		.event_device.state = VIRTIO_MSG_DEVICE_REMOVED,
	};

	if (req->hdr.type != VIRTIO_MSG_TYPE_BUS ||
	    !(req->hdr.msg_id & VIRTIO_MSG_ID_PRIVATE) ||
	    req->hdr.msg_id == VIRTIO_MSG_FFA_EVENT_POLL)
		return 0;
	fp->step++;
	fake_ffa_keep(fp, resp, sizeof(*resp));
	make_frame(resp, &msg);
	return 0;
}

static void event_for_own_answer(struct kunit *test)
{
	struct fake_ffa *fp = partition(test);

	fp->filter = own_event_filter;
	do_io(test, bind(fp));
	KUNIT_EXPECT_EQ(test, fp->step, 4);
	fake_ffa_unplug(fp);
	KUNIT_EXPECT_EQ(test, fp->step, 6);
	KUNIT_EXPECT_EQ(test, fake_firmware.denied, 0);
	KUNIT_EXPECT_EQ(test, fake_firmware_handles(), 0);
}

/*
 * Partitions that are busy
 */

static void zeros_are_busy(struct kunit *test)
{
	struct fake_ffa *fp = partition(test);
	struct vmsg_msg msg;

	fp->zeros = 2;
	bind(fp);
	fp->zeros = 2;
	expect_status(fp);
	KUNIT_EXPECT_EQ(test, fp->zeros, 0);
	fp->zeros = 3;
	KUNIT_EXPECT_EQ(test, ask(fp, &msg), -EPROTO);
	KUNIT_EXPECT_EQ(test, fp->zeros, 0);
	expect_status(fp);
}

static void zeros_for_ever(struct kunit *test)
{
	struct fake_ffa *fp = partition(test);

	fp->zeros = -1;
	expect_refused(fp, -EPROTO);
	/* Three for each form of VERSION. */
	KUNIT_EXPECT_EQ(test, atomic_read(&fp->calls), 6);
}

/* What the firmware says when the same call may work a little later. */
static const int passing[] = { -EBUSY, -EAGAIN, -EINTR, -ENOMEM };

static void busy_is_retried(struct kunit *test)
{
	struct fake_ffa *fp = partition(test);
	struct fake_drv *drv;
	int i;

	for (i = 0; i < ARRAY_SIZE(passing); i++) {
		fp->busy_err = passing[i];
		fp->busy = 3;
		drv = bind(fp);
		KUNIT_EXPECT_EQ(test, fp->busy, 0);
		fp->busy = 5;
		expect_status(fp);
		KUNIT_EXPECT_EQ(test, fp->busy, 0);
		/* The first call is a kick. */
		fp->busy = 5;
		do_io(test, drv);
		KUNIT_EXPECT_EQ(test, fp->busy, 0);
		fake_ffa_unplug(fp);
	}
}

static void busy_is_bounded(struct kunit *test)
{
	struct fake_ffa *fp = partition(test);
	struct fake_drv *drv;
	struct vmsg_msg msg;

	be_impatient();
	fp->busy = -1;
	expect_refused(fp, -ETIMEDOUT);
	fake_ffa_unplug(fp);
	fp->busy = 0;
	drv = bind(fp);
	fp->busy = -1;
	KUNIT_EXPECT_EQ(test, ask(fp, &msg), -ETIMEDOUT);
	/* What is busy for longer than that still gets its kick. */
	fp->models.num_kicks = 0;
	virtqueue_notify(drv->vqs[0]);
	KUNIT_EXPECT_EQ(test, ask(fp, &msg), -ETIMEDOUT);
	KUNIT_EXPECT_EQ(test, ask(fp, &msg), -ETIMEDOUT);
	KUNIT_EXPECT_EQ(test, fp->models.num_kicks, 0);
	fp->busy = 0;
	KUNIT_EXPECT_TRUE(test, fake_wait(&fp->models, fp->models.num_kicks));
	do_io(test, drv);
}

/* Whose event cannot be fetched now still gets it fetched. */
static void busy_for_events(struct kunit *test)
{
	struct fake_ffa *fp = partition(test);
	struct fake_drv *drv;

	be_impatient();
	drv = bind(fp);
	fp->busy = -1;
	fake_ffa_event_msg(fp, &config_event);
	irq_work_sync(&fp->irq_work);
	ffa_uml_flush();
	KUNIT_EXPECT_EQ(test, atomic_read(&drv->changes), 0);
	fp->busy = 0;
	KUNIT_EXPECT_TRUE(test, drv_wait(atomic_read(&drv->changes) == 1));
	/* Not before it is known that there are no more. */
	ffa_uml_flush();
	fp->zeros = 3;
	fake_ffa_event_msg(fp, &config_event);
	KUNIT_EXPECT_TRUE(test, drv_wait(atomic_read(&drv->changes) == 2));
}

static void busy_indirect(struct kunit *test)
{
	struct fake_ffa *fp = indirect_partition(test);
	struct vmsg_msg msg;

	be_impatient();
	fp->busy = 3;
	do_io(test, bind(fp));
	fp->busy = -1;
	KUNIT_EXPECT_EQ(test, ask(fp, &msg), -ETIMEDOUT);
	fp->busy = 0;
	expect_status(fp);
}

static int *busy_result(struct fake_ffa *fp, u8 id)
{
	return &fp->busy_results[FAKE_FFA_NR(id)];
}

static void reset_is_retried(struct kunit *test)
{
	struct fake_ffa *fp = partition(test);

	*busy_result(fp, VIRTIO_MSG_FFA_RESET) = 3;
	bind(fp);
	KUNIT_EXPECT_EQ(test, own(fp, VIRTIO_MSG_FFA_RESET), 4);
	*busy_result(fp, VIRTIO_MSG_FFA_RESET) = 2;
	fake_ffa_unplug(fp);
	KUNIT_EXPECT_EQ(test, own(fp, VIRTIO_MSG_FFA_RESET), 7);
}

static void reset_fails(struct kunit *test)
{
	struct fake_ffa *fp = partition(test);

	be_impatient();
	*busy_result(fp, VIRTIO_MSG_FFA_RESET) = -1;
	expect_refused(fp, -EBUSY);
	fake_ffa_unplug(fp);
	*busy_result(fp, VIRTIO_MSG_FFA_RESET) = 0;
	fp->refuse = BIT(FAKE_FFA_NR(VIRTIO_MSG_FFA_RESET));
	expect_refused(fp, -EIO);
	fake_ffa_unplug(fp);
	fp->refuse = 0;
	fp->unknown = BIT(FAKE_FFA_NR(VIRTIO_MSG_FFA_RESET));
	expect_refused(fp, -EOPNOTSUPP);
}

/*
 * Memory that does not come, or does not come back
 */

static void firmware_shares_nothing(struct kunit *test)
{
	struct fake_ffa *fp = partition(test);
	int i;

	be_impatient();
	fake_firmware.share_fails = -1;
	fake_firmware.share_err = -EACCES;
	expect_refused(fp, -EACCES);
	fake_ffa_unplug(fp);
	fake_firmware.share_err = -EBUSY;
	expect_refused(fp, -EBUSY);
	fake_ffa_unplug(fp);
	KUNIT_EXPECT_EQ(test, own(fp, VIRTIO_MSG_FFA_AREA_SHARE), 0);
	for (i = 0; i < ARRAY_SIZE(passing); i++) {
		fake_firmware.share_fails = 2;
		fake_firmware.share_err = passing[i];
		do_io(test, bind(fp));
		KUNIT_EXPECT_EQ(test, fake_firmware.share_fails, 0);
		fake_ffa_unplug(fp);
	}
}

static void memory_is_short(struct kunit *test)
{
	struct fake_ffa *fp = partition(test);

	fake_firmware.max_pages = FAKE_POOL_SIZE / PAGE_SIZE - 1;
	expect_refused(fp, -ENOMEM);
	fake_ffa_unplug(fp);
	fake_firmware.max_pages = 0;
	/* A page is not enough for a queue. */
	ffa_uml_init(5000, 1);
	fake_ffa_plug(fp);
	KUNIT_EXPECT_LE(test, fake_firmware_pages(), 1);
	fake_ffa_unplug(fp);
	KUNIT_EXPECT_EQ(test, fake_firmware_pages(), 0);
	ffa_uml_init(5000, FAKE_POOL_SIZE / SZ_1K);
	do_io(test, bind(fp));
}

static void area_is_refused(struct kunit *test)
{
	struct fake_ffa *fp = partition(test);

	fp->refuse = BIT(FAKE_FFA_NR(VIRTIO_MSG_FFA_AREA_SHARE));
	expect_refused(fp, -EIO);
	fake_ffa_unplug(fp);
	fp->refuse = 0;
	fp->unknown = BIT(FAKE_FFA_NR(VIRTIO_MSG_FFA_AREA_SHARE));
	expect_refused(fp, -EOPNOTSUPP);
}

static int other_area_filter(struct fake_ffa *fp,
			     const union fake_ffa_frame *req,
			     union fake_ffa_frame *resp)
{
	if (is_own(req, fp->step))
		resp->bytes[sizeof(resp->hdr)] ^= 2;
	return 0;
}

/* The answer is about another area. */
static void area_is_another(struct kunit *test)
{
	struct fake_ffa *fp = partition(test);

	fp->filter = other_area_filter;
	fp->step = VIRTIO_MSG_FFA_AREA_SHARE;
	expect_refused(fp, -EPROTO);
	fake_ffa_unplug(fp);
	fp->step = VIRTIO_MSG_FFA_AREA_UNSHARE;
	do_io(test, bind(fp));
}

static void area_is_retried(struct kunit *test)
{
	const struct virtio_msg_ffa_area release = { cpu_to_le16(AREA) };
	union fake_ffa_frame frame = {
		.hdr.type = VIRTIO_MSG_TYPE_BUS,
		.hdr.msg_id = VIRTIO_MSG_FFA_AREA_RELEASE,
		.hdr.msg_size = cpu_to_le16(sizeof(frame.hdr) + sizeof(release)),
	};
	struct fake_ffa *fp = partition(test);
	struct fake_drv *drv;

	memcpy(frame.bytes + sizeof(frame.hdr), &release, sizeof(release));
	*busy_result(fp, VIRTIO_MSG_FFA_AREA_SHARE) = 2;
	drv = bind(fp);
	KUNIT_EXPECT_EQ(test, own(fp, VIRTIO_MSG_FFA_AREA_SHARE), 3);
	/* Nobody asked for that, and it does no harm. */
	fake_ffa_event(fp, &frame, sizeof(frame));
	do_io(test, drv);
	*busy_result(fp, VIRTIO_MSG_FFA_AREA_UNSHARE) = 2;
	fake_ffa_keep(fp, &frame, sizeof(frame));
	fake_ffa_unplug(fp);
	KUNIT_EXPECT_EQ(test, own(fp, VIRTIO_MSG_FFA_AREA_UNSHARE), 3);
	KUNIT_EXPECT_EQ(test, fake_firmware.denied, 0);
	KUNIT_EXPECT_EQ(test, fake_firmware_handles(), 0);
}

/* RESET ends what UNSHARE did not. */
static void unshare_is_refused(struct kunit *test)
{
	struct fake_ffa *fp = partition(test);

	bind(fp);
	fp->refuse = BIT(FAKE_FFA_NR(VIRTIO_MSG_FFA_AREA_UNSHARE));
	fake_ffa_unplug(fp);
	KUNIT_EXPECT_EQ(test, fake_firmware.denied, 0);
	KUNIT_EXPECT_EQ(test, fake_firmware_handles(), 0);
	KUNIT_EXPECT_EQ(test, fake_firmware_pages(), 0);
}

/* Nobody but the firmware says when pages may be freed. */
static void partition_keeps_memory(struct kunit *test)
{
	struct fake_ffa *fp = partition(test);
	unsigned int pages;

	bind(fp);
	pages = fake_firmware_pages();
	fp->clingy = true;
	fp->refuse = BIT(FAKE_FFA_NR(VIRTIO_MSG_FFA_AREA_UNSHARE));
	fake_ffa_unplug(fp);
	KUNIT_EXPECT_EQ(test, fake_firmware.denied, 1);
	KUNIT_EXPECT_EQ(test, fake_firmware_pages(), pages);
	KUNIT_EXPECT_EQ(test, ffa_uml_kept(), 1);
	KUNIT_EXPECT_TRUE(test, firmware_wait(fake_firmware.denied > 1));
	KUNIT_EXPECT_EQ(test, fake_firmware_pages(), pages);
	fp->clingy = false;
	fake_ffa_let_go(fp);
	KUNIT_EXPECT_TRUE(test, firmware_wait(!fake_firmware_handles()));
	KUNIT_EXPECT_EQ(test, ffa_uml_kept(), 0);
	KUNIT_EXPECT_EQ(test, fake_firmware_pages(), 0);
}

/* Meanwhile the partition can be used, with other memory. */
static void reclaim_is_refused(struct kunit *test)
{
	struct fake_ffa *fp = partition(test);
	unsigned int pages;

	bind(fp);
	pages = fake_firmware_pages();
	fake_firmware.refuse_reclaims = -1;
	fake_ffa_unplug(fp);
	KUNIT_EXPECT_EQ(test, fake_firmware_pages(), pages);
	do_io(test, bind(fp));
	KUNIT_EXPECT_EQ(test, fake_firmware_pages(), 2 * pages);
	fake_ffa_unplug(fp);
	KUNIT_EXPECT_EQ(test, ffa_uml_kept(), 2);
	/* The module goes, the pages stay. */
	ffa_uml_exit();
	KUNIT_EXPECT_EQ(test, fake_firmware_pages(), 2 * pages);
	fake_firmware.refuse_reclaims = 0;
	KUNIT_EXPECT_TRUE(test, firmware_wait(!fake_firmware_handles()));
	KUNIT_EXPECT_EQ(test, ffa_uml_kept(), 0);
	KUNIT_EXPECT_EQ(test, fake_firmware_pages(), 0);
}

/* A region of the device tree: its pages and no others, and they stay its own. */
static void region_release(void *arg)
{
	struct resource *res = arg;

	release_resource(res);
	free_pages_exact(phys_to_virt(res->start), resource_size(res));
	fake_firmware.node = false;
}

static struct reserved_mem *region(struct kunit *test, u16 id)
{
	struct reserved_mem *mem = kunit_kzalloc(test, sizeof(*mem), GFP_KERNEL);
	struct resource *res = kunit_kzalloc(test, sizeof(*res), GFP_KERNEL);
	void *pages = alloc_pages_exact(FAKE_POOL_SIZE, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, mem);
	KUNIT_ASSERT_NOT_NULL(test, res);
	KUNIT_ASSERT_NOT_NULL(test, pages);
	mem->base = virt_to_phys(pages);
	mem->size = FAKE_POOL_SIZE;
	res->start = mem->base;
	res->end = mem->base + mem->size - 1;
	res->flags = IORESOURCE_SYSTEM_RAM;
	KUNIT_ASSERT_EQ(test, 0, request_resource(&iomem_resource, res));
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, region_release, res));
	/* Whatever lies there before is not to be seen. */
	memset(pages, 0xc3, PAGE_SIZE);
	fake_firmware.node = true;
	fake_firmware.node_for = id;
	fake_firmware.reserved = mem;
	return mem;
}

static void region_is_used(struct kunit *test)
{
	struct reserved_mem *mem = region(test, PARTITION);
	struct fake_ffa *fp = partition(test);
	struct fake_drv *drv = bind(fp);

	KUNIT_EXPECT_EQ(test, fake_firmware_pages(), 0);
	KUNIT_EXPECT_EQ(test, fake_firmware.pieces, 1);
	KUNIT_EXPECT_EQ(test, vmalloc_to_pfn(fp->models.mem), PHYS_PFN(mem->base));
	KUNIT_EXPECT_NULL(test, memchr(fp->models.mem, 0xc3, PAGE_SIZE));
	do_io(test, drv);
	fake_ffa_unplug(fp);
	KUNIT_EXPECT_EQ(test, fake_firmware_handles(), 0);
	do_io(test, bind(fp));
}

static void region_of_another(struct kunit *test)
{
	struct reserved_mem *mem = region(test, PARTITION + 1);
	struct fake_ffa *fp = partition(test);

	do_io(test, bind(fp));
	KUNIT_EXPECT_EQ(test, fake_firmware_pages(), FAKE_POOL_SIZE / PAGE_SIZE);
	KUNIT_EXPECT_NE(test, vmalloc_to_pfn(fp->models.mem), PHYS_PFN(mem->base));
	fake_ffa_unplug(fp);
	/* Nor one that is disabled. */
	fake_firmware.node_for = PARTITION;
	fake_firmware.node_off = true;
	do_io(test, bind(fp));
	KUNIT_EXPECT_NE(test, vmalloc_to_pfn(fp->models.mem), PHYS_PFN(mem->base));
}

static void region_is_wrong(struct kunit *test)
{
	struct reserved_mem *mem = region(test, PARTITION);
	const struct reserved_mem right = *mem;
	struct fake_ffa *fp = partition(test);

	mem->base += 512;
	expect_refused(fp, -EINVAL);
	fake_ffa_unplug(fp);
	*mem = right;
	mem->size -= 512;
	expect_refused(fp, -EINVAL);
	fake_ffa_unplug(fp);
	/* Where there is no memory. */
	*mem = right;
	mem->base = 1ULL << 46;
	expect_refused(fp, -EINVAL);
	fake_ffa_unplug(fp);
	/* Where memory ends. */
	*mem = right;
	while (pfn_valid(PHYS_PFN(mem->base + mem->size)))
		mem->base += PAGE_SIZE;
	mem->size += PAGE_SIZE;
	expect_refused(fp, -EINVAL);
	fake_ffa_unplug(fp);
	*mem = right;
	mem->size = SZ_4G;
	expect_refused(fp, -EINVAL);
	fake_ffa_unplug(fp);
	*mem = right;
	/* It is not to be replaced by other memory. */
	fake_firmware.reserved = NULL;
	expect_refused(fp, -EINVAL);
}

/*
 * Events
 */

static void expect_polling(struct fake_ffa *fp, int tries)
{
	struct kunit *test = fp->test;

	KUNIT_EXPECT_EQ(test, fake_firmware.notif_tries, tries);
	KUNIT_EXPECT_EQ(test, fake_firmware_notifs(), 0);
	KUNIT_EXPECT_EQ(test, fp->method, VIRTIO_MSG_FFA_EVENTS_POLL);
	KUNIT_EXPECT_EQ(test, fp->notif, 0);
}

static void notification_is_found(struct kunit *test)
{
	struct fake_ffa *fp = partition(test);
	struct fake_drv *drv;

	fake_firmware.taken = 0x2f;
	drv = bind(fp);
	KUNIT_EXPECT_EQ(test, fake_firmware.notif_tries, 5);
	KUNIT_EXPECT_EQ(test, fp->method, VIRTIO_MSG_FFA_EVENTS_NOTIF);
	KUNIT_EXPECT_EQ(test, fp->notif, 4);
	do_io(test, drv);
	/* Nobody asks for nothing. */
	fake_ffa_settle(fp);
	KUNIT_EXPECT_FALSE(test, ffa_uml_polls(fp->fdev));
	fake_ffa_unplug(fp);
	KUNIT_EXPECT_EQ(test, fake_firmware_notifs(), 0);
}

static void notifications_are_taken(struct kunit *test)
{
	struct fake_ffa *fp = partition(test);

	fake_firmware.taken = U64_MAX;
	do_io(test, bind(fp));
	expect_polling(fp, FAKE_FFA_NOTIFS);
}

static void no_notifications(struct kunit *test)
{
	struct fake_ffa *fp = partition(test);

	fake_firmware.notif_err = -EOPNOTSUPP;
	do_io(test, bind(fp));
	expect_polling(fp, 1);
}

static void partition_raises_none(struct kunit *test)
{
	struct fake_ffa *fp = partition(test);

	fp->version.bus_features = cpu_to_le32(~VIRTIO_MSG_FFA_F_NOTIF_TX);
	do_io(test, bind(fp));
	expect_polling(fp, 0);
	/* It is told all the same. */
	KUNIT_EXPECT_EQ(test, own(fp, VIRTIO_MSG_FFA_EVENT_CONFIGURE), 1);
}

static void configure_is_refused(struct kunit *test)
{
	struct fake_ffa *fp = partition(test);

	fp->refuse = BIT(FAKE_FFA_NR(VIRTIO_MSG_FFA_EVENT_CONFIGURE));
	do_io(test, bind(fp));
	expect_polling(fp, 1);
	fake_ffa_unplug(fp);
	fp->refuse = 0;
	fp->unknown = BIT(FAKE_FFA_NR(VIRTIO_MSG_FFA_EVENT_CONFIGURE));
	do_io(test, bind(fp));
	expect_polling(fp, 2);
}

static void configure_is_retried(struct kunit *test)
{
	struct fake_ffa *fp = partition(test);

	*busy_result(fp, VIRTIO_MSG_FFA_EVENT_CONFIGURE) = 2;
	do_io(test, bind(fp));
	KUNIT_EXPECT_EQ(test, fp->method, VIRTIO_MSG_FFA_EVENTS_NOTIF);
	KUNIT_EXPECT_EQ(test, own(fp, VIRTIO_MSG_FFA_EVENT_CONFIGURE), 3);
}

/* The driver's pause, whenever it looks for events. */
static struct {
	unsigned int num;
	unsigned int ms[256];
} pauses;

static int pause_filter(struct fake_ffa *fp, const union fake_ffa_frame *req,
			union fake_ffa_frame *resp)
{
	if (!is_own(req, VIRTIO_MSG_FFA_EVENT_POLL) || !fp->fdev ||
	    pauses.num == ARRAY_SIZE(pauses.ms))
		return 0;
	pauses.ms[pauses.num++] = ffa_uml_poll_ms(fp->fdev);
	return 0;
}

static void note_pauses(struct fake_ffa *fp)
{
	pauses.num = 0;
	fp->filter = pause_filter;
}

static void pauses_grow(struct kunit *test)
{
	struct fake_ffa *fp = partition(test);
	struct fake_drv *drv;
	int i;

	fake_firmware.notif_err = -EOPNOTSUPP;
	drv = bind(fp);
	note_pauses(fp);
	KUNIT_ASSERT_TRUE(test, fake_wait(&fp->models, pauses.num >= 12));
	for (i = 1; i < 12; i++)
		KUNIT_EXPECT_EQ(test, pauses.ms[i],
				clamp(2 * pauses.ms[i - 1], 1, 100));
	KUNIT_EXPECT_EQ(test, pauses.ms[11], 100);

	note_pauses(fp);
	fake_ffa_event_msg(fp, &config_event);
	KUNIT_ASSERT_TRUE(test, drv_wait(atomic_read(&drv->changes)));
	KUNIT_ASSERT_TRUE(test, fake_wait(&fp->models, pauses.num >= 4));
	/* The event, and nothing more; then the shortest pause. */
	KUNIT_EXPECT_EQ(test, pauses.ms[0], 100);
	KUNIT_EXPECT_EQ(test, pauses.ms[1], 100);
	KUNIT_EXPECT_EQ(test, pauses.ms[2], 1);
	KUNIT_EXPECT_EQ(test, pauses.ms[3], 2);
}

/* A kick is a reason to look, however long nothing has happened. */
static void kick_ends_the_pause(struct kunit *test)
{
	struct fake_ffa *fp = partition(test);
	struct fake_drv *drv;

	fake_firmware.notif_err = -EOPNOTSUPP;
	drv = bind(fp);
	ffa_uml_postpone(fp->fdev);
	do_io(test, drv);
}

static void many_events(struct kunit *test)
{
	union fake_ffa_frame frame;
	struct fake_ffa *fp = partition(test);
	struct fake_drv *drv = bind(fp);
	int i;

	make_frame(&frame, &config_event);
	note_pauses(fp);
	for (i = 0; i < 150; i++)
		fake_ffa_keep(fp, &frame, sizeof(frame));
	fake_ffa_raise(fp);
	KUNIT_EXPECT_TRUE(test, drv_wait(atomic_read(&drv->changes) == 150));
	fake_ffa_settle(fp);
	KUNIT_ASSERT_EQ(test, pauses.num, 151);
	/* After so many in a row others have their turn, but no pause. */
	KUNIT_EXPECT_NE(test, pauses.ms[63], 0);
	KUNIT_EXPECT_EQ(test, pauses.ms[64], 0);
	KUNIT_EXPECT_EQ(test, pauses.ms[150], 0);
}

/* Older partitions do not know EVENT_POLL: they are not asked all the time. */
static void poll_is_unknown(struct kunit *test)
{
	struct fake_ffa *fp = partition(test);
	unsigned int i;

	fake_firmware.notif_err = -EOPNOTSUPP;
	fp->unknown = BIT(FAKE_FFA_NR(VIRTIO_MSG_FFA_EVENT_POLL));
	bind(fp);
	note_pauses(fp);
	KUNIT_ASSERT_TRUE(test, fake_wait(&fp->models, pauses.num >= 4));
	for (i = 1; i < 4; i++)
		KUNIT_EXPECT_EQ(test, pauses.ms[i], 100);
}

static int slow_event_filter(struct fake_ffa *fp,
			     const union fake_ffa_frame *req,
			     union fake_ffa_frame *resp)
{
	if (!is_own(req, VIRTIO_MSG_FFA_RESET) &&
	    !is_own(req, VIRTIO_MSG_FFA_EVENT_POLL))
		return 0;
	schedule_timeout_uninterruptible(2);
	make_frame(resp, &config_event);
	return 0;
}

/* Events and nothing but events: the request ends when its time is over. */
static void slow_events_for_answer(struct kunit *test)
{
	struct fake_ffa *fp = partition(test);

	be_impatient();
	fp->filter = slow_event_filter;
	expect_refused(fp, -EPROTO);
	KUNIT_EXPECT_GT(test, own(fp, VIRTIO_MSG_FFA_EVENT_POLL), 0);
	KUNIT_EXPECT_LT(test, own(fp, VIRTIO_MSG_FFA_EVENT_POLL), 64);
}

static int behind_filter(struct fake_ffa *fp, const union fake_ffa_frame *req,
			 union fake_ffa_frame *resp)
{
	union fake_ffa_frame event;

	pause_filter(fp, req, resp);
	if (!is_status(req) || fp->step++)
		return 0;
	make_frame(&event, &config_event);
	fake_ffa_keep(fp, resp, sizeof(*resp));
	fake_ffa_keep(fp, &event, sizeof(event));
	*resp = event;
	return 0;
}

/* An answer that is fetched does not hold up the events behind it. */
static void event_behind_answer(struct kunit *test)
{
	struct fake_ffa *fp = partition(test);
	struct fake_drv *drv = bind(fp);

	note_pauses(fp);
	fp->filter = behind_filter;
	expect_status(fp);
	KUNIT_EXPECT_TRUE(test, drv_wait(atomic_read(&drv->changes) == 2));
	KUNIT_ASSERT_GE(test, pauses.num, 2);
	KUNIT_EXPECT_EQ(test, pauses.ms[0], pauses.ms[1]);
}

static int endless_filter(struct fake_ffa *fp, const union fake_ffa_frame *req,
			  union fake_ffa_frame *resp)
{
	if (is_own(req, VIRTIO_MSG_FFA_EVENT_POLL))
		make_frame(resp, &config_event);
	return 0;
}

static void endless_events(struct kunit *test)
{
	struct fake_ffa *fp = partition(test);
	struct fake_drv *drv = bind(fp);

	fp->filter = endless_filter;
	fake_ffa_raise(fp);
	KUNIT_EXPECT_TRUE(test, drv_wait(atomic_read(&drv->changes) > 1000));
	expect_status(fp);
	fake_ffa_unplug(fp);
	KUNIT_EXPECT_EQ(test, fake_firmware_handles(), 0);
}

static int random_filter(struct fake_ffa *fp, const union fake_ffa_frame *req,
			 union fake_ffa_frame *resp)
{
	if (!is_own(req, VIRTIO_MSG_FFA_EVENT_POLL))
		return 0;
	fp->step++;
	get_random_bytes(resp, sizeof(*resp));
	/* Some of them get past the first checks. */
	if (fp->step % 2)
		resp->hdr.msg_size = cpu_to_le16(get_random_u32_below(113));
	if (fp->step % 3)
		resp->hdr.type &= VIRTIO_MSG_TYPE_MASK;
	if (fp->step % 5)
		resp->hdr.dev_num = cpu_to_le16(DEVICE);
	return 0;
}

static void random_events(struct kunit *test)
{
	struct fake_ffa *fp = partition(test);
	struct fake_drv *drv = bind(fp);

	fp->filter = random_filter;
	while (fp->step < 300) {
		fake_ffa_raise(fp);
		irq_work_sync(&fp->irq_work);
		ffa_uml_flush();
	}
	fp->filter = NULL;
	expect_status(fp);
	KUNIT_EXPECT_FALSE(test, drv->removed);
}

static void devices_come_and_go(struct kunit *test)
{
	struct vmsg_msg msg = {
		.type = VIRTIO_MSG_TYPE_BUS,
		.id = VIRTIO_MSG_BUS_EVENT_DEVICE,
		.event_device.dev_num = 5,
		.event_device.state = VIRTIO_MSG_DEVICE_ADDED,
	};
	struct fake_ffa *fp = partition(test);
	struct fake_drv *first = bind(fp), *second;

	fake_dev_create(&fp->models, 5);
	fake_ffa_event_msg(fp, &msg);
	KUNIT_ASSERT_TRUE(test, drv_wait(atomic_read(&fake_driver.probes) == 2));
	fake_ffa_settle(fp);
	second = fake_driver.drv;
	do_io(test, second);
	do_io(test, first);
	msg.event_device.state = VIRTIO_MSG_DEVICE_REMOVED;
	fake_ffa_event_msg(fp, &msg);
	KUNIT_EXPECT_TRUE(test, drv_wait(second->removed));
	do_io(test, first);
}

static void ping_is_answered(struct kunit *test)
{
	const struct vmsg_msg ping = {
		.type = VIRTIO_MSG_TYPE_BUS,
		.id = VIRTIO_MSG_BUS_PING,
		.token = 0x1234,
		.ping = 0x11223344,
	};
	struct fake_ffa *fp = partition(test);
	struct fake_bus *fb = &fp->models;
	struct vmsg_msg *last;

	bind(fp);
	fake_ffa_event_msg(fp, &ping);
	KUNIT_ASSERT_TRUE(test, fake_wait(fb, fake_count(fb, true, ping.id)));
	last = &fb->log[fb->num_log - 1];
	KUNIT_EXPECT_EQ(test, last->type,
			VIRTIO_MSG_TYPE_BUS | VIRTIO_MSG_TYPE_RESPONSE);
	KUNIT_EXPECT_EQ(test, last->token, ping.token);
	KUNIT_EXPECT_EQ(test, last->ping, ping.ping);
}

/* The firmware gives notifications back, but may be in the middle of one. */
static void late_notification(struct kunit *test)
{
	struct fake_ffa *fp = partition(test);
	int calls;

	bind(fp);
	fake_ffa_unplug(fp);
	calls = atomic_read(&fp->calls);
	local_irq_disable();
	fp->last_cb(0, fp->last_data);
	local_irq_enable();
	ffa_uml_flush();
	KUNIT_EXPECT_EQ(test, atomic_read(&fp->calls), calls);
}

static void late_indirect(struct kunit *test)
{
	struct fake_ffa *fp = indirect_partition(test);
	union fake_ffa_frame *frame;
	int calls;

	bind(fp);
	fake_ffa_unplug(fp);
	calls = atomic_read(&fp->calls);
	frame = kunit_kzalloc(test, sizeof(*frame), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, frame);
	make_frame(frame, &config_event);
	fp->last_fwk_cb(0, fp->last_fwk_data, frame);
	ffa_uml_flush();
	KUNIT_EXPECT_EQ(test, atomic_read(&fp->calls), calls);
}

/*
 * Callbacks find nobody but who is in the list, as the others may be freed. This
 * one is not, so it shows when it is found.
 */
static void expect_unlisted(struct fake_ffa *fp)
{
	struct kunit *test = fp->test;
	struct fake_drv *drv = bind(fp);

	ffa_uml_list(fp->fdev, false);
	fake_ffa_event_msg(fp, &config_event);
	fake_ffa_settle(fp);
	KUNIT_EXPECT_EQ(test, atomic_read(&drv->changes), 0);
	ffa_uml_list(fp->fdev, true);
	/* It was not because of the event. */
	fake_ffa_event_msg(fp, &config_event);
	KUNIT_EXPECT_TRUE(test, drv_wait(atomic_read(&drv->changes)));
}

static void unlisted_notification(struct kunit *test)
{
	expect_unlisted(partition(test));
}

static void unlisted_indirect(struct kunit *test)
{
	expect_unlisted(indirect_partition(test));
}

/*
 * Indirect messages of any size
 */

static void hostile_sizes(struct kunit *test)
{
	static const u16 says[] = { 0, 1, 7, 8, 12, 104, 105, 112, 113, 0xffff };
	static const size_t sizes[] = { 1, 7, 8, 9, 12, 104, 112, 200, 4000 };
	struct fake_ffa *fp = indirect_partition(test);
	struct fake_drv *drv = bind(fp);
	struct virtio_msg_hdr *hdr;
	int i, n, type;
	u8 *buf;

	buf = kunit_kmalloc(test, 4096, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, buf);
	memset(buf, 0xff, 4096);
	hdr = (void *)buf;
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (n = 0; n < ARRAY_SIZE(says); n++) {
			for (type = 0; type < 4; type++) {
				hdr->type = type;
				hdr->msg_id = VIRTIO_MSG_EVENT_CONFIG;
				hdr->dev_num = cpu_to_le16(DEVICE);
				hdr->msg_size = cpu_to_le16(says[n]);
				fake_ffa_indirect(fp, buf, sizes[i]);
			}
		}
	}
	expect_status(fp);
	do_io(test, drv);
}

/* The answer ends behind its head, which says that there is more. */
static int short_filter(struct fake_ffa *fp, const union fake_ffa_frame *req,
			union fake_ffa_frame *resp)
{
	if (!is_status(req))
		return 0;
	fp->mute = true;
	fake_ffa_event(fp, resp, sizeof(resp->hdr));
	return 0;
}

static void short_indirect_answer(struct kunit *test)
{
	struct fake_ffa *fp = indirect_partition(test);
	struct vmsg_msg msg;

	be_impatient();
	bind(fp);
	fp->filter = short_filter;
	KUNIT_EXPECT_EQ(test, ask(fp, &msg), -ETIMEDOUT);
	fp->filter = NULL;
	fp->mute = false;
	expect_status(fp);
}

/*
 * Kicks
 */

static void kicks_from_atomic(struct kunit *test)
{
	struct fake_ffa *fp = partition(test);
	struct fake_bus *fb = &fp->models;
	struct fake_drv *drv;
	bool seen[2] = {};
	int calls, i;

	fake_driver.nvqs = 2;
	fake_driver.names[1] = "second";
	drv = bind(fp);
	calls = atomic_read(&fp->calls);
	local_irq_disable();
	for (i = 0; i < 5; i++) {
		virtqueue_notify(drv->vqs[0]);
		virtqueue_notify(drv->vqs[1]);
	}
	KUNIT_EXPECT_EQ(test, atomic_read(&fp->calls), calls);
	local_irq_enable();
	/* The first one, and the newest of each queue. */
	KUNIT_ASSERT_TRUE(test, fake_wait(fb, fb->num_kicks >= 3));
	fake_ffa_settle(fp);
	KUNIT_ASSERT_EQ(test, fb->num_kicks, 3);
	for (i = 0; i < 3; i++) {
		KUNIT_EXPECT_EQ(test, fb->kicks[i].dev_num, DEVICE);
		if (fb->kicks[i].index < 2)
			seen[fb->kicks[i].index] = true;
	}
	KUNIT_EXPECT_TRUE(test, seen[0]);
	KUNIT_EXPECT_TRUE(test, seen[1]);
}

static DECLARE_COMPLETION(hold);

/* Answers one message when the test says so. */
static int hold_filter(struct fake_ffa *fp, const union fake_ffa_frame *req,
		       union fake_ffa_frame *resp)
{
	if ((!is_status(req) &&
	     !is_request(req, 0, VIRTIO_MSG_EVENT_AVAIL)) || fp->step++)
		return 0;
	wake_up(&fp->models.wait);
	wait_for_completion(&hold);
	return 0;
}

static void kicks_are_merged(struct kunit *test)
{
	struct fake_ffa *fp = partition(test);
	struct fake_bus *fb = &fp->models;
	struct fake_drv *drv;
	int i;

	fake_driver.nvqs = 2;
	fake_driver.names[1] = "second";
	drv = bind(fp);
	reinit_completion(&hold);
	fp->filter = hold_filter;
	virtqueue_notify(drv->vqs[0]);
	KUNIT_ASSERT_TRUE(test, fake_wait(fb, fp->step == 1));
	for (i = 0; i < 10; i++) {
		virtqueue_notify(drv->vqs[0]);
		virtqueue_notify(drv->vqs[1]);
	}
	complete(&hold);
	KUNIT_ASSERT_TRUE(test, fake_wait(fb, fb->num_kicks >= 3));
	fake_ffa_settle(fp);
	/* One that was on its way, and the newest of each queue. */
	KUNIT_EXPECT_EQ(test, fb->num_kicks, 3);
	KUNIT_EXPECT_NE(test, fb->kicks[1].index, fb->kicks[2].index);
	KUNIT_EXPECT_EQ(test,
			atomic_long_read(&fake_ffa_bus(fp)->stats[VMSG_STAT_KICKS_MERGED]),
			18);
}

/*
 * The end
 */

/* Somebody who asks a device, whatever becomes of it. */
struct asker {
	struct work_struct work;
	struct vmsg_dev *vd;
	int err;
};

static void asker_work(struct work_struct *work)
{
	struct asker *asker = container_of(work, struct asker, work);
	struct vmsg_msg msg = { .id = VIRTIO_MSG_GET_DEVICE_STATUS };

	asker->err = vmsg_dev_ask(asker->vd, &msg);
	vmsg_dev_put(asker->vd);
}

static void start_asker(struct fake_ffa *fp, struct asker *asker)
{
	asker->vd = xa_load(&fake_ffa_bus(fp)->devs, DEVICE);
	KUNIT_ASSERT_NOT_NULL(fp->test, asker->vd);
	kref_get(&asker->vd->ref);
	INIT_WORK_ONSTACK(&asker->work, asker_work);
	queue_work(system_dfl_wq, &asker->work);
}

static void release_work(struct work_struct *work)
{
	/* Not before somebody waits for it to end, most likely. */
	msleep(20);
	complete(&hold);
}

static void end_with_direct_request(struct kunit *test)
{
	struct fake_ffa *fp = partition(test);
	struct work_struct release;
	struct asker asker;

	bind(fp);
	reinit_completion(&hold);
	fp->filter = hold_filter;
	start_asker(fp, &asker);
	KUNIT_EXPECT_TRUE(test, fake_wait(&fp->models, fp->step == 1));
	INIT_WORK_ONSTACK(&release, release_work);
	queue_work(system_dfl_wq, &release);
	fake_ffa_unplug(fp);
	flush_work(&asker.work);
	flush_work(&release);
	destroy_work_on_stack(&asker.work);
	destroy_work_on_stack(&release);
	KUNIT_EXPECT_TRUE(test, !asker.err || asker.err == -ENODEV);
	KUNIT_EXPECT_EQ(test, fake_firmware_handles(), 0);
}

static void end_with_indirect_request(struct kunit *test)
{
	struct fake_ffa *fp = indirect_partition(test);
	struct asker asker;
	int sent;

	be_impatient();
	bind(fp);
	sent = fp->indirects;
	fp->mute = true;
	start_asker(fp, &asker);
	KUNIT_EXPECT_TRUE(test, fake_wait(&fp->models, fp->indirects > sent));
	fake_ffa_unplug(fp);
	flush_work(&asker.work);
	destroy_work_on_stack(&asker.work);
	KUNIT_EXPECT_TRUE(test, asker.err == -ETIMEDOUT || asker.err == -ENODEV);
	KUNIT_EXPECT_EQ(test, fake_firmware_handles(), 0);
}

static void end_with_kicks(struct kunit *test)
{
	struct fake_ffa *fp = partition(test);
	struct work_struct release;
	struct fake_drv *drv = bind(fp);

	reinit_completion(&hold);
	fp->filter = hold_filter;
	virtqueue_notify(drv->vqs[0]);
	KUNIT_EXPECT_TRUE(test, fake_wait(&fp->models, fp->step == 1));
	virtqueue_notify(drv->vqs[0]);
	INIT_WORK_ONSTACK(&release, release_work);
	queue_work(system_dfl_wq, &release);
	fake_ffa_unplug(fp);
	flush_work(&release);
	destroy_work_on_stack(&release);
	KUNIT_EXPECT_EQ(test, fake_firmware_handles(), 0);
}

/* A bus that the test holds, so that it can look at it when it has gone. */
static struct virtio_msg_bus *ending;

static void hold_bus(struct fake_ffa *fp)
{
	ending = fake_ffa_bus(fp);
	get_device(&ending->dev);
}

static int ending_filter(struct fake_ffa *fp, const union fake_ffa_frame *req,
			 union fake_ffa_frame *resp)
{
	if ((!is_own(req, VIRTIO_MSG_FFA_EVENT_POLL) &&
	     !is_request(req, 0, VIRTIO_MSG_EVENT_AVAIL)) || fp->step++)
		return 0;
	wake_up(&fp->models.wait);
	/* Time for the bus to go, if nobody waits for this call. */
	msleep(100);
	KUNIT_EXPECT_TRUE(fp->test, device_is_registered(&ending->dev));
	return 0;
}

/* There is no device, at whose end somebody would have waited for them. */
static void end_with_works(struct kunit *test)
{
	struct fake_ffa *fp = fake_ffa_create(test, PARTITION);
	struct vmsg_kick kick = { .dev_num = DEVICE };
	int i;

	INIT_LIST_HEAD(&kick.node);
	for (i = 0; i < 2; i++) {
		KUNIT_ASSERT_EQ(test, fake_ffa_plug(fp), 0);
		fake_ffa_settle(fp);
		hold_bus(fp);
		fp->step = 0;
		fp->filter = ending_filter;
		if (i)
			vmsg_bus_kick(ending, &kick, 0);
		else
			fake_ffa_raise(fp);
		KUNIT_EXPECT_TRUE(test, fake_wait(&fp->models, fp->step == 1));
		fake_ffa_unplug(fp);
		put_device(&ending->dev);
		fp->filter = NULL;
	}
}

static int parting_filter(struct fake_ffa *fp, const union fake_ffa_frame *req,
			  union fake_ffa_frame *resp)
{
	if (!is_own(req, VIRTIO_MSG_FFA_AREA_UNSHARE))
		return 0;
	fp->step++;
	fake_ffa_keep(fp, resp, sizeof(*resp));
	make_frame(resp, &config_event);
	return 0;
}

/* There still are messages when the bus has gone, and it gets nothing of them. */
static void end_with_event(struct kunit *test)
{
	struct fake_ffa *fp = partition(test);
	atomic_long_t *drops;

	bind(fp);
	hold_bus(fp);
	drops = &ending->stats[VMSG_STAT_UNEXPECTED];
	KUNIT_EXPECT_EQ(test, atomic_long_read(drops), 0);
	fp->filter = parting_filter;
	fake_ffa_unplug(fp);
	KUNIT_EXPECT_EQ(test, fp->step, 1);
	KUNIT_EXPECT_EQ(test, fp->num_events, 0);
	KUNIT_EXPECT_EQ(test, atomic_long_read(drops), 0);
	put_device(&ending->dev);
}

static void slow_partition(struct kunit *test)
{
	struct fake_ffa *fp = partition(test);
	struct asker asker[4];
	struct fake_drv *drv;
	int i;

	fp->slow = true;
	drv = bind(fp);
	for (i = 0; i < ARRAY_SIZE(asker); i++) {
		start_asker(fp, &asker[i]);
		virtqueue_notify(drv->vqs[0]);
		expect_status(fp);
	}
	for (i = 0; i < ARRAY_SIZE(asker); i++) {
		flush_work(&asker[i].work);
		destroy_work_on_stack(&asker[i].work);
		KUNIT_EXPECT_EQ(test, asker[i].err, 0);
	}
	do_io(test, drv);
}

/* The partition does not answer any more, and the firmware says so. */
static void dead_partition(struct kunit *test)
{
	static const int errs[] = { -EIO, -ENODEV, -EINVAL, -EACCES };
	struct fake_ffa *fp = partition(test);
	struct fake_drv *drv;
	struct vmsg_msg msg;
	int i;

	for (i = 0; i < ARRAY_SIZE(errs); i++) {
		fp->err = errs[i];
		expect_refused(fp, errs[i]);
		fake_ffa_unplug(fp);
		fp->err = 0;
	}
	for (i = 0; i < ARRAY_SIZE(errs); i++) {
		drv = bind(fp);
		fp->err = errs[i];
		KUNIT_EXPECT_EQ(test, ask(fp, &msg), errs[i]);
		virtqueue_notify(drv->vqs[0]);
		fake_ffa_unplug(fp);
		/* It still has the memory. */
		KUNIT_EXPECT_EQ(test, ffa_uml_kept(), 1);
		fp->err = 0;
		fake_ffa_let_go(fp);
		ffa_uml_exit();
		KUNIT_EXPECT_EQ(test, ffa_uml_kept(), 0);
		atomic_set(&fake_driver.probes, 0);
	}
}

static int dying_filter(struct fake_ffa *fp, const union fake_ffa_frame *req,
			union fake_ffa_frame *resp)
{
	return fp->step-- > 0 ? 0 : -EIO;
}

/* It dies after each of the messages of a life. */
static void dying_partition(struct kunit *test)
{
	struct fake_ffa *fp = partition(test);
	int n;

	for (n = 0; n < 40; n++) {
		fp->step = n;
		fp->filter = dying_filter;
		if (!fake_ffa_plug(fp))
			fake_ffa_settle(fp);
		fake_ffa_unplug(fp);
		fp->filter = NULL;
		fake_ffa_let_go(fp);
		ffa_uml_exit();
		KUNIT_EXPECT_EQ(test, ffa_uml_partitions(), 0);
		KUNIT_EXPECT_EQ(test, ffa_uml_kept(), 0);
		KUNIT_EXPECT_EQ(test, fake_firmware_handles(), 0);
		KUNIT_EXPECT_EQ(test, fake_firmware_notifs(), 0);
		KUNIT_EXPECT_EQ(test, fake_firmware_pages(), 0);
	}
	/* The last ones got through. */
	KUNIT_EXPECT_GT(test, atomic_read(&fake_driver.probes), 0);
	do_io(test, bind(fp));
}

static void busy_at_the_end(struct kunit *test)
{
	struct fake_ffa *fp = partition(test);
	struct fake_drv *drv;

	be_impatient();
	drv = bind(fp);
	fp->busy = -1;
	virtqueue_notify(drv->vqs[0]);
	fake_ffa_unplug(fp);
	KUNIT_EXPECT_EQ(test, ffa_uml_kept(), 1);
	fp->busy = 0;
	fake_ffa_let_go(fp);
}

static void mute_at_the_end(struct kunit *test)
{
	struct fake_ffa *fp = indirect_partition(test);

	be_impatient();
	bind(fp);
	fp->mute = true;
	fp->clingy = true;
	fake_ffa_unplug(fp);
	KUNIT_EXPECT_EQ(test, ffa_uml_kept(), 1);
	fp->clingy = false;
	fake_ffa_let_go(fp);
}

static void many_partitions(struct kunit *test)
{
	struct fake_ffa *fp[4];
	struct fake_drv *drv[4];
	int i, n;

	for (i = 0; i < 4; i++) {
		fp[i] = fake_ffa_create(test, PARTITION + i);
		fake_dev_create(&fp[i]->models, DEVICE);
		if (i == 2)
			fp[i]->properties = FFA_PARTITION_INDIRECT_MSG;
		drv[i] = bind(fp[i]);
	}
	KUNIT_EXPECT_EQ(test, ffa_uml_partitions(), 4);
	KUNIT_EXPECT_EQ(test, fake_firmware_handles(), 4);
	KUNIT_EXPECT_EQ(test, fake_firmware_notifs(), 4);
	for (i = 0; i < 4; i++) {
		for (n = 0; n < 4; n++) {
			if (n >= i)
				do_io(test, drv[n]);
		}
		fake_ffa_unplug(fp[i]);
	}
}

static void unbind_and_bind(struct kunit *test)
{
	struct fake_ffa *fp = partition(test);
	int i;

	for (i = 0; i < 20; i++) {
		fp->properties = i % 2 ? FFA_PARTITION_INDIRECT_MSG :
				 FFA_PARTITION_DIRECT_REQ2_RECV;
		do_io(test, bind(fp));
		fake_ffa_unplug(fp);
		KUNIT_EXPECT_EQ(test, fake_firmware_pages(), 0);
	}
}

#ifdef CONFIG_PM_SLEEP
static int suspend(struct fake_ffa *fp)
{
	return fp->fdev->dev.driver->pm->suspend(&fp->fdev->dev);
}

static int resume(struct fake_ffa *fp)
{
	return fp->fdev->dev.driver->pm->resume(&fp->fdev->dev);
}

static void expect_sleep(struct fake_ffa *fp)
{
	struct kunit *test = fp->test;
	struct fake_drv *drv = bind(fp);
	int changes;

	do_io(test, drv);
	KUNIT_EXPECT_EQ(test, suspend(fp), 0);
	KUNIT_EXPECT_EQ(test, fp->models.devs[0]->status, 0);
	KUNIT_EXPECT_FALSE(test, ffa_uml_polls(fp->fdev));
	changes = atomic_read(&drv->changes);
	KUNIT_EXPECT_EQ(test, resume(fp), 0);
	/* Nobody tells of this one. */
	if (fp->method == VIRTIO_MSG_FFA_EVENTS_POLL) {
		fake_ffa_event_msg(fp, &config_event);
		KUNIT_EXPECT_TRUE(test, drv_wait(atomic_read(&drv->changes) !=
						 changes));
	}
	do_io(test, drv);
}

static void sleep_with_notifications(struct kunit *test)
{
	expect_sleep(partition(test));
}

static void sleep_with_polling(struct kunit *test)
{
	fake_firmware.notif_err = -EOPNOTSUPP;
	expect_sleep(partition(test));
}

static void sleep_indirect(struct kunit *test)
{
	expect_sleep(indirect_partition(test));
}

/* Firmware that starts anew would know nothing. */
static void hibernation_is_refused(struct kunit *test)
{
	struct fake_ffa *fp = partition(test);
	struct fake_drv *drv = bind(fp);

	KUNIT_EXPECT_EQ(test,
			fp->fdev->dev.driver->pm->freeze(&fp->fdev->dev),
			-EBUSY);
	do_io(test, drv);
}

static void sleep_is_refused(struct kunit *test)
{
	struct fake_ffa *fp = partition(test);
	struct fake_drv *drv;

	fake_firmware.notif_err = -EOPNOTSUPP;
	drv = bind(fp);
	fake_driver.freeze_err = -EBUSY;
	KUNIT_EXPECT_EQ(test, suspend(fp), -EBUSY);
	do_io(test, drv);
}
#endif

/* The next kernel can share all its memory, and nobody talks any more. */
static void expect_shutdown(struct fake_ffa *fp)
{
	struct kunit *test = fp->test;
	int calls, resets;

	bind(fp);
	KUNIT_EXPECT_NE(test, fp->models.devs[0]->status, 0);
	resets = fp->models.devs[0]->resets;
	fp->fdev->dev.driver->shutdown(&fp->fdev->dev);
	KUNIT_EXPECT_EQ(test, fp->models.devs[0]->status, 0);
	KUNIT_EXPECT_EQ(test, fp->models.devs[0]->resets, resets + 1);
	KUNIT_EXPECT_EQ(test, fp->area, 0);
	KUNIT_EXPECT_EQ(test, fake_firmware_handles(), 0);
	calls = atomic_read(&fp->calls);
	fp->method = VIRTIO_MSG_FFA_EVENTS_NOTIF;
	fake_ffa_event_msg(fp, &config_event);
	irq_work_sync(&fp->irq_work);
	ffa_uml_flush();
	KUNIT_EXPECT_FALSE(test, ffa_uml_polls(fp->fdev));
	KUNIT_EXPECT_EQ(test, atomic_read(&fp->calls), calls);
	fake_ffa_unplug(fp);
	KUNIT_EXPECT_EQ(test, fake_firmware_pages(), 0);
}

static void shutdown_with_notifications(struct kunit *test)
{
	expect_shutdown(partition(test));
}

static void shutdown_with_polling(struct kunit *test)
{
	fake_firmware.notif_err = -EOPNOTSUPP;
	expect_shutdown(partition(test));
}

static void shutdown_indirect(struct kunit *test)
{
	expect_shutdown(indirect_partition(test));
}

static struct kunit_case ffa_cases[] = {
	KUNIT_CASE(version_short),
	KUNIT_CASE(version_long),
	KUNIT_CASE(version_strict),
	KUNIT_CASE(version_wrong),
	KUNIT_CASE(version_too_short),
	KUNIT_CASE(version_unknown),
	KUNIT_CASE(direct_is_default),
	KUNIT_CASE(neither_is_refused),
	KUNIT_CASE(indirect_works),
	KUNIT_CASE(indirect_without_notifications),
	KUNIT_CASE(indirect_without_word),
	KUNIT_CASE(cut_is_found_out),
	KUNIT_CASE(cut_is_found_out_later),
	KUNIT_CASE(order_of_life),
	KUNIT_CASE(address_has_area),
	KUNIT_CASE(memory_in_pieces),
	KUNIT_CASE(wrong_answers),
	KUNIT_CASE(wrong_answers_indirect),
	KUNIT_CASE(wrong_answers_in_probe),
	KUNIT_CASE(error_answers),
	KUNIT_CASE(event_for_answer),
	KUNIT_CASE(event_for_kick),
	KUNIT_CASE(answers_come_twice),
	KUNIT_CASE(event_for_own_answer),
	KUNIT_CASE(zeros_are_busy),
	KUNIT_CASE(zeros_for_ever),
	KUNIT_CASE(busy_is_retried),
	KUNIT_CASE(busy_is_bounded),
	KUNIT_CASE(busy_for_events),
	KUNIT_CASE(busy_indirect),
	KUNIT_CASE(reset_is_retried),
	KUNIT_CASE(reset_fails),
	KUNIT_CASE(firmware_shares_nothing),
	KUNIT_CASE(memory_is_short),
	KUNIT_CASE(area_is_refused),
	KUNIT_CASE(area_is_another),
	KUNIT_CASE(area_is_retried),
	KUNIT_CASE(unshare_is_refused),
	KUNIT_CASE(partition_keeps_memory),
	KUNIT_CASE(reclaim_is_refused),
	KUNIT_CASE(region_is_used),
	KUNIT_CASE(region_of_another),
	KUNIT_CASE(region_is_wrong),
	KUNIT_CASE(notification_is_found),
	KUNIT_CASE(notifications_are_taken),
	KUNIT_CASE(no_notifications),
	KUNIT_CASE(partition_raises_none),
	KUNIT_CASE(configure_is_refused),
	KUNIT_CASE(configure_is_retried),
	KUNIT_CASE(pauses_grow),
	KUNIT_CASE(kick_ends_the_pause),
	KUNIT_CASE(many_events),
	KUNIT_CASE(poll_is_unknown),
	KUNIT_CASE(slow_events_for_answer),
	KUNIT_CASE(event_behind_answer),
	KUNIT_CASE(endless_events),
	KUNIT_CASE(random_events),
	KUNIT_CASE(devices_come_and_go),
	KUNIT_CASE(ping_is_answered),
	KUNIT_CASE(late_notification),
	KUNIT_CASE(late_indirect),
	KUNIT_CASE(unlisted_notification),
	KUNIT_CASE(unlisted_indirect),
	KUNIT_CASE(hostile_sizes),
	KUNIT_CASE(short_indirect_answer),
	KUNIT_CASE(kicks_from_atomic),
	KUNIT_CASE(kicks_are_merged),
	KUNIT_CASE(end_with_direct_request),
	KUNIT_CASE(end_with_indirect_request),
	KUNIT_CASE(end_with_kicks),
	KUNIT_CASE(end_with_works),
	KUNIT_CASE(end_with_event),
	KUNIT_CASE(slow_partition),
	KUNIT_CASE(dead_partition),
	KUNIT_CASE(dying_partition),
	KUNIT_CASE(busy_at_the_end),
	KUNIT_CASE(mute_at_the_end),
	KUNIT_CASE(many_partitions),
	KUNIT_CASE(unbind_and_bind),
#ifdef CONFIG_PM_SLEEP
	KUNIT_CASE(sleep_with_notifications),
	KUNIT_CASE(sleep_with_polling),
	KUNIT_CASE(sleep_indirect),
	KUNIT_CASE(sleep_is_refused),
	KUNIT_CASE(hibernation_is_refused),
#endif
	KUNIT_CASE(shutdown_with_notifications),
	KUNIT_CASE(shutdown_with_polling),
	KUNIT_CASE(shutdown_indirect),
	{}
};

static struct kunit_suite ffa_suite = {
	.name = "virtio_msg_ffa",
	.init = ffa_test_init,
	.test_cases = ffa_cases,
};

kunit_test_suite(ffa_suite);
