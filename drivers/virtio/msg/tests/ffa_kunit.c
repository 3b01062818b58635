// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-msg: tests of ffa.c and ffa_area.c.
 *
 * They plug in partitions that fake_ffa.c makes up, and let the kernel's own bus
 * code bind the driver to them. What holds for every call is checked there, and
 * that nothing is left behind at the end of each test.
 */
#include <kunit/test.h>
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
	KUNIT_EXPECT_EQ(test, atomic_read(&fp->calls), 0);
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

static void busy_is_retried(struct kunit *test)
{
	struct fake_ffa *fp = partition(test);
	struct fake_drv *drv;

	fp->busy = 3;
	drv = bind(fp);
	KUNIT_EXPECT_EQ(test, fp->busy, 0);
	fp->busy = 5;
	expect_status(fp);
	KUNIT_EXPECT_EQ(test, fp->busy, 0);
	fp->busy = 5;
	do_io(test, drv);
	KUNIT_EXPECT_EQ(test, fp->busy, 0);
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
	fp->kicks = 0;
	virtqueue_notify(drv->vqs[0]);
	KUNIT_EXPECT_EQ(test, ask(fp, &msg), -ETIMEDOUT);
	KUNIT_EXPECT_EQ(test, ask(fp, &msg), -ETIMEDOUT);
	KUNIT_EXPECT_EQ(test, fp->kicks, 0);
	fp->busy = 0;
	KUNIT_EXPECT_TRUE(test, fake_wait(&fp->models, fp->kicks));
	do_io(test, drv);
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
	KUNIT_CASE(cut_is_found_out),
	KUNIT_CASE(order_of_life),
	KUNIT_CASE(address_has_area),
	KUNIT_CASE(memory_in_pieces),
	KUNIT_CASE(wrong_answers),
	KUNIT_CASE(wrong_answers_indirect),
	KUNIT_CASE(wrong_answers_in_probe),
	KUNIT_CASE(error_answers),
	KUNIT_CASE(event_for_answer),
	KUNIT_CASE(event_for_own_answer),
	KUNIT_CASE(zeros_are_busy),
	KUNIT_CASE(zeros_for_ever),
	KUNIT_CASE(busy_is_retried),
	KUNIT_CASE(busy_is_bounded),
	KUNIT_CASE(busy_indirect),
	KUNIT_CASE(reset_is_retried),
	KUNIT_CASE(reset_fails),
	{}
};

static struct kunit_suite ffa_suite = {
	.name = "virtio_msg_ffa",
	.init = ffa_test_init,
	.test_cases = ffa_cases,
};

kunit_test_suite(ffa_suite);
