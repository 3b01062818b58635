// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-msg: tests of device.c.
 */
#include <kunit/run-in-irq-context.h>
#include <kunit/test.h>
#include <linux/slab.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>

#include "fake_device.h"

#define RESP	VIRTIO_MSG_TYPE_RESPONSE
#define STATUS_RUNNING \
	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | \
	 VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK)

static int device_init(struct kunit *test)
{
	fake_driver_register(test);
	return 0;
}

static struct fake_bus *bus_with(struct kunit *test, u32 max, u64 features,
				 unsigned int timeout_ms)
{
	struct virtio_msg_bus_info info = { FAKE_BUS_DEFAULTS };

	info.max_msg_size = max;
	info.features = features;
	info.timeout_ms = timeout_ms;
	return fake_bus_create(test, &info);
}

static struct fake_bus *short_bus(struct kunit *test)
{
	return bus_with(test, VIRTIO_MSG_RECOMMENDED_SIZE, 0,
			FAKE_SHORT_TIMEOUT);
}

static struct fake_bus *strict_bus(struct kunit *test)
{
	return bus_with(test, VIRTIO_MSG_RECOMMENDED_SIZE,
			BIT_ULL(VIRTIO_MSG_F_STRICT_CONFIG_GENERATION), 5000);
}

static int count(struct fake_dev *fd, u8 id)
{
	return fake_count(fd->fb, false, id);
}

static enum vmsg_dev_state state(struct fake_dev *fd)
{
	struct vmsg_dev *vd = fake_vmsg_dev(fd);

	return vd ? READ_ONCE(vd->state) : VMSG_DEV_GONE;
}

/* Announced, but no driver is expected to want it. */
static struct vmsg_dev *announce(struct fake_dev *fd)
{
	virtio_msg_bus_add_device(fd->fb->bus, fd->num);
	fake_settle(fd->fb);
	return fake_vmsg_dev(fd);
}

static void get(struct fake_drv *drv, unsigned int offset, void *buf,
		unsigned int len)
{
	drv->vdev->config->get(drv->vdev, offset, buf, len);
}

static u8 get8(struct fake_drv *drv, unsigned int offset)
{
	u8 v;

	get(drv, offset, &v, 1);
	return v;
}

static void set(struct fake_drv *drv, unsigned int offset, const void *buf,
		unsigned int len)
{
	drv->vdev->config->set(drv->vdev, offset, buf, len);
}

static void unbind(struct fake_drv *drv)
{
	device_release_driver(&drv->vdev->dev);
}

static struct fake_drv *rebind(struct fake_bus *fb, struct fake_drv *drv)
{
	struct virtio_device *vdev = drv->vdev;

	unbind(drv);
	KUNIT_ASSERT_EQ(fb->test, 1, device_attach(&vdev->dev));
	return fake_driver.drv;
}

/*
 * Probing
 */

static int read_much_config(struct fake_drv *drv)
{
	u8 buf[16];
	int i;

	for (i = 0; i < 30; i++)
		get(drv, i % 16, buf, 1);
	return 0;
}

/* What one bind may cost, and that nothing is asked twice. */
static void device_budget(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	struct fake_drv *drv;

	fake_driver.in_probe = read_much_config;
	drv = fake_bind(fd);
	kunit_info(test, "%d request/response pairs",
		   atomic_read(&fb->requests));
	KUNIT_EXPECT_LE(test, atomic_read(&fb->requests), 16);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&fake_vmsg_dev(fd)->requests),
			atomic_read(&fb->requests));
	KUNIT_EXPECT_EQ(test, count(fd, VIRTIO_MSG_GET_DEVICE_INFO), 1);
	KUNIT_EXPECT_EQ(test, count(fd, VIRTIO_MSG_GET_DEVICE_FEATURES), 1);
	KUNIT_EXPECT_EQ(test, count(fd, VIRTIO_MSG_GET_CONFIG), 1);
	KUNIT_EXPECT_EQ(test, count(fd, VIRTIO_MSG_GET_DEVICE_STATUS), 0);
	KUNIT_EXPECT_EQ(test, fb->log[0].id, VIRTIO_MSG_GET_DEVICE_INFO);
	KUNIT_EXPECT_EQ(test, fb->log[1].id, VIRTIO_MSG_SET_DEVICE_STATUS);
	KUNIT_EXPECT_EQ(test, fb->log[1].status, 0);
	KUNIT_EXPECT_EQ(test, fd->status, STATUS_RUNNING);
	KUNIT_EXPECT_EQ(test, drv->vdev->id.vendor, 0x1234);
	KUNIT_EXPECT_EQ(test, state(fd), VMSG_DEV_RUNNING);
	KUNIT_EXPECT_STREQ(test, drv->vdev->config->bus_name(drv->vdev),
			   dev_name(&fb->bus->dev));
}

struct bad_info {
	const char *name;
	u32 device_id;
	u32 max_virtqueues;
	u32 admin_start;
	u32 admin_count;
	bool good;
};

static const struct bad_info bad_infos[] = {
	{ "no device", 0, 2, 0, 0, false },
	{ "65536 queues", FAKE_ID, 65536, 0, 0, true },
	{ "65537 queues", FAKE_ID, 65537, 0, 0, false },
	{ "4 billion queues", FAKE_ID, 0xffffffff, 0, 0, false },
	{ "admin queues", FAKE_ID, 4, 2, 2, true },
	{ "admin queues beyond the end", FAKE_ID, 4, 3, 2, false },
	{ "too many admin queues", FAKE_ID, 4, 0, 5, false },
	{ "admin range wraps", FAKE_ID, 4, 0xffffffff, 2, false },
	{ "admin count wraps", FAKE_ID, 4, 2, 0xffffffff, false },
};

KUNIT_ARRAY_PARAM_DESC(bad_info, bad_infos, name);

static void device_bad_info(struct kunit *test)
{
	const struct bad_info *b = test->param_value;
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);

	fd->info.info.device_id = b->device_id;
	fd->info.info.max_virtqueues = b->max_virtqueues;
	fd->info.info.admin_vq_start = b->admin_start;
	fd->info.info.admin_vq_count = b->admin_count;
	KUNIT_EXPECT_EQ(test, b->good, !!announce(fd));
	KUNIT_EXPECT_EQ(test, b->good, atomic_read(&fake_driver.probes));
	if (b->good)
		return;
	KUNIT_EXPECT_EQ(test, count(fd, VIRTIO_MSG_SET_DEVICE_STATUS), 0);
	/* A better one can be announced under the same number. */
	fd->info.info.device_id = FAKE_ID;
	fd->info.info.max_virtqueues = 2;
	fd->info.info.admin_vq_start = 0;
	fd->info.info.admin_vq_count = 0;
	fake_bind(fd);
}

static enum fake_verdict drop_all(struct fake_bus *fb,
				  const struct vmsg_msg *req,
				  struct fake_frame *resp)
{
	return FAKE_DROP;
}

static void device_silent_from_the_start(struct kunit *test)
{
	struct fake_bus *fb = short_bus(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);

	fb->filter = drop_all;
	KUNIT_EXPECT_NULL(test, announce(fd));
	KUNIT_EXPECT_EQ(test, atomic_read(&fb->requests), 1);
	fb->filter = NULL;
	fake_bind(fd);
}

/*
 * Features
 */

struct feature_case {
	const char *name;
	u32 blocks;
	bool bound;
	bool bit64;
};

static const struct feature_case feature_cases[] = {
	{ "no blocks", 0, false, false },
	{ "1 block", 1, false, false },
	{ "2 blocks", 2, true, false },
	{ "3 blocks", 3, true, true },
	{ "4 blocks", 4, true, true },
	{ "5 blocks", 5, true, true },
	{ "12 blocks", 12, true, true },
	{ "4 billion blocks", 0xffffffff, true, true },
};

KUNIT_ARRAY_PARAM_DESC(feature_case, feature_cases, name);

static void device_features(struct kunit *test)
{
	const struct feature_case *c = test->param_value;
	struct fake_bus *fb = bus_with(test, VIRTIO_MSG_MIN_SIZE, 0, 5000);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	int i;

	fd->info.info.num_feature_blocks = c->blocks;
	/* Everything that this kernel does not know. */
	for (i = 4; i < FAKE_BLOCKS; i++)
		fd->blocks[i] = 0xffffffff;
	fake_offer(fd, 0, true);
	fake_offer(fd, 5, true);
	fake_offer(fd, 64, true);
	fake_offer(fd, 127, true);
	/* What a device never accepted before must not be left there. */
	memset(fd->driver_blocks, 0, sizeof(fd->driver_blocks));
	KUNIT_ASSERT_NOT_NULL(test, announce(fd));
	KUNIT_EXPECT_EQ(test, atomic_read(&fake_driver.probes), c->bound);
	if (!c->bound)
		return;
	KUNIT_EXPECT_TRUE(test, fake_accepted(fd, VIRTIO_F_VERSION_1));
	KUNIT_EXPECT_TRUE(test, fake_accepted(fd, VIRTIO_F_ACCESS_PLATFORM));
	KUNIT_EXPECT_TRUE(test, fake_accepted(fd, 0));
	/* Not offered, and not known by the driver. */
	KUNIT_EXPECT_FALSE(test, fake_accepted(fd, 1));
	KUNIT_EXPECT_FALSE(test, fake_accepted(fd, 5));
	KUNIT_EXPECT_EQ(test, fake_accepted(fd, 64), c->bit64);
	KUNIT_EXPECT_EQ(test, fake_accepted(fd, 127), c->blocks >= 4);
	for (i = 4; i < FAKE_BLOCKS; i++)
		KUNIT_EXPECT_EQ(test, fd->driver_blocks[i], 0);
	KUNIT_EXPECT_EQ(test, count(fd, VIRTIO_MSG_GET_DEVICE_FEATURES), 1);
	KUNIT_EXPECT_EQ(test, count(fd, VIRTIO_MSG_SET_DRIVER_FEATURES), 1);
}

static void device_features_needed(struct kunit *test)
{
	static const unsigned int bits[] = {
		VIRTIO_F_VERSION_1, VIRTIO_F_ACCESS_PLATFORM,
	};
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *fd;
	struct vmsg_dev *vd;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bits); i++) {
		fd = fake_dev_create(fb, i);
		fake_offer(fd, bits[i], false);
		vd = announce(fd);
		KUNIT_ASSERT_NOT_NULL(test, vd);
		KUNIT_EXPECT_EQ(test, atomic_read(&fake_driver.probes), 0);
		KUNIT_EXPECT_NULL(test, vd->vdev.dev.driver);
		/* The device hears that it failed. */
		KUNIT_EXPECT_TRUE(test, fd->status & VIRTIO_CONFIG_S_FAILED);
		KUNIT_EXPECT_FALSE(test,
				   fd->status & VIRTIO_CONFIG_S_FEATURES_OK);
		KUNIT_EXPECT_EQ(test, fake_stat(fb, VMSG_STAT_TIMEOUTS), 0);
	}
}

static void device_packed_only(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *split = fake_dev_create(fb, 1);
	struct fake_dev *packed = fake_dev_create(fb, 2);

	fake_switch_off(test, &vmsg_dev_split_rings);
	KUNIT_ASSERT_NOT_NULL(test, announce(split));
	KUNIT_EXPECT_EQ(test, atomic_read(&fake_driver.probes), 0);
	KUNIT_EXPECT_TRUE(test, split->status & VIRTIO_CONFIG_S_FAILED);
	KUNIT_EXPECT_FALSE(test, split->status & VIRTIO_CONFIG_S_FEATURES_OK);

	fake_offer(packed, VIRTIO_F_RING_PACKED, true);
	KUNIT_ASSERT_NOT_NULL(test, announce(packed));
	KUNIT_EXPECT_EQ(test, atomic_read(&fake_driver.probes), 1);
}

struct platform_case {
	const char *name;
	u32 device_id;
	bool offered;
	bool bound;
};

static const struct platform_case platform_cases[] = {
	{ "balloon", VIRTIO_ID_BALLOON, true, true },
	{ "balloon that does not offer it", VIRTIO_ID_BALLOON, false, false },
	{ "any other", FAKE_ID, true, false },
};

KUNIT_ARRAY_PARAM_DESC(platform_case, platform_cases, name);

/* One kind of driver takes VIRTIO_F_ACCESS_PLATFORM away, and works all the same. */
static void device_no_platform(struct kunit *test)
{
	const struct platform_case *c = test->param_value;
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	u8 *buf = kunit_kzalloc(test, 64, GFP_KERNEL);
	struct fake_drv *drv;

	KUNIT_ASSERT_NOT_NULL(test, buf);
	fake_driver.no_platform = true;
	fd->info.info.device_id = c->device_id;
	fake_offer(fd, VIRTIO_F_ACCESS_PLATFORM, c->offered);
	KUNIT_ASSERT_NOT_NULL(test, announce(fd));
	KUNIT_ASSERT_EQ(test, atomic_read(&fake_driver.probes), c->bound);
	if (!c->bound) {
		fake_expect_dev_file(fd, "last_error",
				     "does not offer VIRTIO_F_ACCESS_PLATFORM, but sees no memory besides the pool of its bus\n");
		return;
	}
	drv = fake_driver.drv;
	KUNIT_EXPECT_TRUE(test, fake_accepted(fd, VIRTIO_F_ACCESS_PLATFORM));
	KUNIT_EXPECT_TRUE(test, virtio_has_feature(drv->vdev,
						   VIRTIO_F_ACCESS_PLATFORM));
	/* The model finds the buffer in the pool. */
	KUNIT_ASSERT_EQ(test, 0, fake_add_buf(drv->vqs[0], NULL, 0, buf, 64));
	virtqueue_kick(drv->vqs[0]);
	KUNIT_EXPECT_EQ(test, fake_vq_serve(fd, 0, 1), 1);
	KUNIT_EXPECT_EQ(test, fake_event_used(fd, 0), 0);
	KUNIT_EXPECT_TRUE(test, drv_wait(READ_ONCE(drv->num_bufs) == 1));
	KUNIT_EXPECT_EQ(test, buf[63], 0x5a);
}

/* Other blocks than were asked for, or fewer of them. */
static enum fake_verdict wrong_blocks(struct fake_bus *fb,
				      const struct vmsg_msg *req,
				      struct fake_frame *resp)
{
	if (req->id == VIRTIO_MSG_GET_DEVICE_FEATURES) {
		if (atomic_read(&fb->step))
			resp->data[8] = 1;
		else
			resp->data[12] = 1;
	}
	return FAKE_ANSWER;
}

static void device_features_wrong_answer(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct vmsg_dev *vd;
	int i;

	for (i = 0; i < 2; i++) {
		atomic_set(&fb->step, i);
		fb->filter = wrong_blocks;
		vd = announce(fake_dev_create(fb, i));
		fb->filter = NULL;
		KUNIT_ASSERT_NOT_NULL(test, vd);
		KUNIT_EXPECT_EQ(test, atomic_read(&fake_driver.probes), i);
		/* Asked again, it is a device like any other. */
		KUNIT_EXPECT_EQ(test, 1, device_attach(&vd->vdev.dev));
		KUNIT_EXPECT_EQ(test, atomic_read(&fake_driver.probes), i + 1);
	}
}

static void device_features_refused(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	struct vmsg_dev *vd;

	fd->refuse_features = true;
	vd = announce(fd);
	KUNIT_ASSERT_NOT_NULL(test, vd);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake_driver.probes), 0);
	KUNIT_EXPECT_TRUE(test, fd->status & VIRTIO_CONFIG_S_FAILED);
	KUNIT_EXPECT_EQ(test, count(fd, VIRTIO_MSG_SET_VQUEUE), 0);

	/* It may think better of it. */
	fd->refuse_features = false;
	KUNIT_EXPECT_EQ(test, 1, device_attach(&vd->vdev.dev));
	KUNIT_EXPECT_EQ(test, atomic_read(&fake_driver.probes), 1);
	KUNIT_EXPECT_EQ(test, fd->status, STATUS_RUNNING);
	KUNIT_EXPECT_EQ(test, fd->resets, 2);
}

/*
 * Configuration space
 */

/* What the device does not have reads as zero. */
static void device_config_short(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	static const u8 want[8] = { 12, 13, 14, 15 };
	struct fake_drv *drv = fake_bind(fd);
	u8 buf[8];

	memset(buf, 0xff, sizeof(buf));
	get(drv, 12, buf, sizeof(buf));
	KUNIT_EXPECT_MEMEQ(test, buf, want, sizeof(buf));
	memset(buf, 0xff, sizeof(buf));
	get(drv, 16, buf, sizeof(buf));
	KUNIT_EXPECT_NULL(test, memchr_inv(buf, 0, sizeof(buf)));
	memset(buf, 0xff, sizeof(buf));
	get(drv, 0xfffffffc, buf, sizeof(buf));
	KUNIT_EXPECT_NULL(test, memchr_inv(buf, 0, sizeof(buf)));
	KUNIT_EXPECT_EQ(test, state(fd), VMSG_DEV_RUNNING);
}

static void device_config_none(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	struct fake_drv *drv;

	fd->info.info.config_size = 0;
	drv = fake_bind(fd);
	KUNIT_EXPECT_EQ(test, get8(drv, 0), 0);
	drv->vdev->config->generation(drv->vdev);
	KUNIT_EXPECT_EQ(test, count(fd, VIRTIO_MSG_GET_CONFIG), 0);
}

static void device_config_chunks(struct kunit *test)
{
	struct fake_bus *fb = bus_with(test, VIRTIO_MSG_MIN_SIZE, 0, 5000);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	struct fake_drv *drv;
	unsigned int i, n = 0;
	u8 buf[100];

	fd->info.info.config_size = 100;
	drv = fake_bind(fd);
	get(drv, 0, buf, sizeof(buf));
	KUNIT_EXPECT_MEMEQ(test, buf, fd->config, sizeof(buf));
	KUNIT_EXPECT_EQ(test, count(fd, VIRTIO_MSG_GET_CONFIG), 4);
	for (i = 0; i < fb->num_log; i++) {
		if (fb->log[i].id != VIRTIO_MSG_GET_CONFIG)
			continue;
		KUNIT_EXPECT_EQ(test, fb->log[i].config.offset, 32 * n);
		KUNIT_EXPECT_EQ(test, fb->log[i].config.length, n < 3 ? 32 : 4);
		n++;
	}
}

/* Each time that the first piece has been read, all of it changes. */
static enum fake_verdict tear(struct fake_bus *fb, const struct vmsg_msg *req,
			      struct fake_frame *resp)
{
	struct fake_dev *fd = fb->filter_priv;

	if (req->id == VIRTIO_MSG_GET_CONFIG && !req->config.offset &&
	    atomic_add_unless(&fb->step, -1, 0)) {
		fd->generation++;
		memset(fd->config, fd->generation, FAKE_CONFIG);
	}
	return FAKE_ANSWER;
}

static void device_config_torn(struct kunit *test)
{
	struct fake_bus *fb = bus_with(test, VIRTIO_MSG_MIN_SIZE, 0, 5000);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	struct fake_drv *drv;
	u8 buf[64];

	fd->info.info.config_size = sizeof(buf);
	drv = fake_bind(fd);
	fb->filter_priv = fd;
	atomic_set(&fb->step, 3);
	fb->filter = tear;
	get(drv, 0, buf, sizeof(buf));
	KUNIT_EXPECT_EQ(test, buf[0], 10);
	KUNIT_EXPECT_NULL(test, memchr_inv(buf, 10, sizeof(buf)));
	KUNIT_EXPECT_EQ(test, count(fd, VIRTIO_MSG_GET_CONFIG), 4 * 2);
}

static void device_config_always_torn(struct kunit *test)
{
	struct fake_bus *fb = bus_with(test, VIRTIO_MSG_MIN_SIZE, 0, 5000);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	struct fake_drv *drv;
	u8 buf[64];

	fd->info.info.config_size = sizeof(buf);
	drv = fake_bind(fd);
	fb->filter_priv = fd;
	atomic_set(&fb->step, INT_MAX);
	fb->filter = tear;
	memset(buf, 0xff, sizeof(buf));
	get(drv, 0, buf, sizeof(buf));
	/* Nothing is better than something that never was. */
	KUNIT_EXPECT_NULL(test, memchr_inv(buf, 0, sizeof(buf)));
	KUNIT_EXPECT_LE(test, count(fd, VIRTIO_MSG_GET_CONFIG), 2 * 32);
	KUNIT_EXPECT_EQ(test, state(fd), VMSG_DEV_RUNNING);
	/* And when it comes to rest it can be read. */
	atomic_set(&fb->step, 0);
	get(drv, 0, buf, sizeof(buf));
	KUNIT_EXPECT_MEMEQ(test, buf, fd->config, sizeof(buf));
}

/* Answers to a question that was not asked. */
static enum fake_verdict wrong_piece(struct fake_bus *fb,
				     const struct vmsg_msg *req,
				     struct fake_frame *resp)
{
	/* The offset, or the length together with less data. */
	if (req->id == VIRTIO_MSG_GET_CONFIG) {
		if (atomic_read(&fb->step))
			resp->data[12] ^= 1;
		else
			resp->data[16] -= 1;
	}
	return FAKE_ANSWER;
}

static void device_config_wrong_piece(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	struct fake_drv *drv = fake_bind(fd);
	int i;

	for (i = 0; i < 2; i++) {
		atomic_set(&fb->step, i);
		fb->filter = wrong_piece;
		KUNIT_EXPECT_EQ(test, get8(drv, 5), 0);
		fb->filter = NULL;
		KUNIT_EXPECT_EQ(test, get8(drv, 5), 5);
		fake_event_config(fd, fd->status, 0, 0, NULL, 0);
	}
	KUNIT_EXPECT_EQ(test, state(fd), VMSG_DEV_RUNNING);
}

struct config_event {
	const char *name;
	u32 length;
	size_t data_len;
};

static const struct config_event config_events[] = {
	{ "generic", 0, 0 },
	{ "range", 8, 0 },
	{ "range and data", 8, 8 },
};

KUNIT_ARRAY_PARAM_DESC(config_event, config_events, name);

/* All forms make old bytes stale; what counts is what the device says then. */
static void device_config_event(struct kunit *test)
{
	const struct config_event *e = test->param_value;
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	struct fake_drv *drv = fake_bind(fd);
	static const u8 lie[8] = { 0xee, 0xee, 0xee, 0xee };
	u32 generation;
	int changes;

	KUNIT_EXPECT_EQ(test, get8(drv, 1), 1);
	generation = drv->vdev->config->generation(drv->vdev);
	KUNIT_EXPECT_EQ(test, get8(drv, 1), 1);
	KUNIT_EXPECT_EQ(test, generation,
			drv->vdev->config->generation(drv->vdev));
	KUNIT_EXPECT_EQ(test, count(fd, VIRTIO_MSG_GET_CONFIG), 1);
	/* Without a word the copy is good. */
	fd->config[1] = 0x42;
	KUNIT_EXPECT_EQ(test, get8(drv, 1), 1);

	changes = atomic_read(&drv->changes);
	KUNIT_EXPECT_EQ(test, 0, fake_event_config(fd, fd->status, 0, e->length,
						   lie, e->data_len));
	KUNIT_EXPECT_EQ(test, atomic_read(&drv->changes), changes + 1);
	KUNIT_EXPECT_EQ(test, get8(drv, 1), 0x42);
	KUNIT_EXPECT_EQ(test, count(fd, VIRTIO_MSG_GET_CONFIG), 2);
	KUNIT_EXPECT_NE(test, generation,
			drv->vdev->config->generation(drv->vdev));
	KUNIT_EXPECT_EQ(test, fake_stat(fb, VMSG_STAT_EVENTS), 1);
	KUNIT_EXPECT_EQ(test, state(fd), VMSG_DEV_RUNNING);
}

static void device_config_event_malformed(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	struct fake_drv *drv = fake_bind(fd);
	u8 frame[32] = { 0, VIRTIO_MSG_EVENT_CONFIG, 3, [6] = 31, [20] = 8 };

	get8(drv, 0);
	/* Seven bytes of eight. */
	KUNIT_EXPECT_EQ(test, -EMSGSIZE, fake_deliver(fb, frame, 32));
	KUNIT_EXPECT_EQ(test, atomic_read(&drv->changes), 0);
	get8(drv, 0);
	KUNIT_EXPECT_EQ(test, count(fd, VIRTIO_MSG_GET_CONFIG), 1);
	KUNIT_EXPECT_EQ(test, fake_stat(fb, VMSG_STAT_MALFORMED), 1);
}

/* The event overtakes the answer that it makes stale. */
static enum fake_verdict event_first(struct fake_bus *fb,
				     const struct vmsg_msg *req,
				     struct fake_frame *resp)
{
	struct fake_dev *fd = fb->filter_priv;

	if (req->id == VIRTIO_MSG_GET_CONFIG &&
	    atomic_add_unless(&fb->step, -1, 0)) {
		fd->config[1] = 0x42;
		fake_event_config(fd, fd->status, 0, 0, NULL, 0);
	}
	return FAKE_ANSWER;
}

static void device_config_event_while_reading(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	struct fake_drv *drv = fake_bind(fd);

	fb->filter_priv = fd;
	atomic_set(&fb->step, 1);
	fb->filter = event_first;
	KUNIT_EXPECT_EQ(test, get8(drv, 1), 0x42);
	KUNIT_EXPECT_EQ(test, count(fd, VIRTIO_MSG_GET_CONFIG), 2);
}

struct probe_event {
	const char *name;
	u8 id;
};

static const struct probe_event probe_events[] = {
	{ "GET_DEVICE_INFO", VIRTIO_MSG_GET_DEVICE_INFO },
	{ "GET_DEVICE_FEATURES", VIRTIO_MSG_GET_DEVICE_FEATURES },
	{ "SET_DRIVER_FEATURES", VIRTIO_MSG_SET_DRIVER_FEATURES },
	{ "SET_DEVICE_STATUS", VIRTIO_MSG_SET_DEVICE_STATUS },
	{ "SET_VQUEUE", VIRTIO_MSG_SET_VQUEUE },
};

KUNIT_ARRAY_PARAM_DESC(probe_event, probe_events, name);

static enum fake_verdict event_at(struct fake_bus *fb,
				  const struct vmsg_msg *req,
				  struct fake_frame *resp)
{
	const struct probe_event *e = fb->filter_priv;

	if (req->id == e->id && !atomic_fetch_inc(&fb->step))
		KUNIT_EXPECT_EQ(fb->test, 0,
				fake_event_config(fb->devs[0], 0, 0, 0, NULL,
						  0));
	return FAKE_ANSWER;
}

/* An event while a device is probed is late at worst. */
static void device_event_while_probing(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	struct fake_drv *drv;

	fb->filter_priv = (void *)test->param_value;
	fb->filter = event_at;
	drv = fake_bind(fd);
	KUNIT_EXPECT_GE(test, atomic_read(&fb->step), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&drv->changes), 1);
}

/* The device makes something else of what is written. */
static enum fake_verdict or_more(struct fake_bus *fb,
				 const struct vmsg_msg *req,
				 struct fake_frame *resp)
{
	struct fake_dev *fd = fb->filter_priv;

	if (req->id == VIRTIO_MSG_SET_CONFIG)
		fd->config[4] |= 0x0f;
	return FAKE_ANSWER;
}

static void device_config_write(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	struct fake_drv *drv = fake_bind(fd);
	u8 v = 0x30;

	KUNIT_EXPECT_EQ(test, get8(drv, 4), 4);
	fb->filter_priv = fd;
	fb->filter = or_more;
	set(drv, 4, &v, 1);
	KUNIT_EXPECT_EQ(test, fd->config[4], 0x3f);
	KUNIT_EXPECT_EQ(test, get8(drv, 4), 0x3f);
	KUNIT_EXPECT_EQ(test, count(fd, VIRTIO_MSG_SET_CONFIG), 1);
	/* The baseline profile says 0. */
	KUNIT_EXPECT_EQ(test, 0, fb->log[fb->num_log - 2].config.generation);
	KUNIT_EXPECT_EQ(test, fb->log[fb->num_log - 2].id,
			VIRTIO_MSG_SET_CONFIG);
}

static void device_config_write_chunks(struct kunit *test)
{
	struct fake_bus *fb = bus_with(test, VIRTIO_MSG_MIN_SIZE, 0, 5000);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	struct fake_drv *drv;
	u8 buf[70];

	fd->info.info.config_size = 100;
	drv = fake_bind(fd);
	memset(buf, 0x99, sizeof(buf));
	set(drv, 10, buf, sizeof(buf));
	KUNIT_EXPECT_EQ(test, count(fd, VIRTIO_MSG_SET_CONFIG), 3);
	KUNIT_EXPECT_MEMEQ(test, fd->config + 10, buf, sizeof(buf));
	KUNIT_EXPECT_EQ(test, fd->config[9], 9);
	KUNIT_EXPECT_EQ(test, fd->config[80], 80);
}

static void device_config_write_outside(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	struct fake_drv *drv = fake_bind(fd);
	u8 buf[8] = {};

	set(drv, 12, buf, sizeof(buf));
	set(drv, 16, buf, 1);
	set(drv, 0xfffffffc, buf, sizeof(buf));
	KUNIT_EXPECT_EQ(test, count(fd, VIRTIO_MSG_SET_CONFIG), 0);
	KUNIT_EXPECT_EQ(test, state(fd), VMSG_DEV_RUNNING);
}

static void device_config_strict(struct kunit *test)
{
	struct fake_bus *fb = strict_bus(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	struct fake_drv *drv = fake_bind(fd);
	u8 v = 0x30;

	get8(drv, 4);
	set(drv, 4, &v, 1);
	KUNIT_EXPECT_EQ(test, fd->config[4], 0x30);
	KUNIT_EXPECT_EQ(test, count(fd, VIRTIO_MSG_SET_CONFIG), 1);
	KUNIT_EXPECT_EQ(test, fb->log[fb->num_log - 1].config.generation, 7);
	/* It moves on, and what is written next is refused once. */
	fd->generation = 8;
	get8(drv, 4);
	fd->generation = 9;
	v = 0x31;
	set(drv, 4, &v, 1);
	KUNIT_EXPECT_EQ(test, fd->config[4], 0x31);
	KUNIT_EXPECT_EQ(test, count(fd, VIRTIO_MSG_SET_CONFIG), 3);
	KUNIT_EXPECT_EQ(test, fb->log[fb->num_log - 1].config.generation, 9);
	KUNIT_EXPECT_EQ(test, fb->log[fb->num_log - 2].id,
			VIRTIO_MSG_GET_CONFIG);
	KUNIT_EXPECT_EQ(test, fb->log[fb->num_log - 3].config.generation, 8);
}

/* Refuses every write. */
static enum fake_verdict refuse_writes(struct fake_bus *fb,
				       const struct vmsg_msg *req,
				       struct fake_frame *resp)
{
	struct vmsg_msg msg = {
		.type = RESP,
		.id = req->id,
		.dev_num = req->dev_num,
		.token = req->token,
		.config.generation = 99,
		.config.offset = req->config.offset,
	};

	if (req->id == VIRTIO_MSG_SET_CONFIG)
		fake_make(resp, &msg);
	return FAKE_ANSWER;
}

static void device_config_strict_bounded(struct kunit *test)
{
	struct fake_bus *fb = strict_bus(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	struct fake_drv *drv = fake_bind(fd);
	u8 v = 0x30;

	fb->filter = refuse_writes;
	set(drv, 4, &v, 1);
	KUNIT_EXPECT_GE(test, count(fd, VIRTIO_MSG_SET_CONFIG), 2);
	KUNIT_EXPECT_LE(test, count(fd, VIRTIO_MSG_SET_CONFIG), 32);
	KUNIT_EXPECT_EQ(test, state(fd), VMSG_DEV_RUNNING);
}

static void device_config_baseline_rejected(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	struct fake_drv *drv = fake_bind(fd);
	u8 v = 0x30;

	fb->filter = refuse_writes;
	set(drv, 4, &v, 1);
	KUNIT_EXPECT_EQ(test, count(fd, VIRTIO_MSG_SET_CONFIG), 1);
	KUNIT_EXPECT_EQ(test, state(fd), VMSG_DEV_RUNNING);
	/* What the driver reads is what the device has. */
	fd->config[4] = 0x44;
	KUNIT_EXPECT_EQ(test, get8(drv, 4), 0x44);
}

/*
 * Status
 */

static u8 get_status(struct fake_drv *drv)
{
	return drv->vdev->config->get_status(drv->vdev);
}

static void device_status_cached(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	struct fake_drv *drv = fake_bind(fd);
	int i;

	for (i = 0; i < 5; i++)
		KUNIT_EXPECT_EQ(test, get_status(drv), STATUS_RUNNING);
	KUNIT_EXPECT_EQ(test, count(fd, VIRTIO_MSG_GET_DEVICE_STATUS), 0);
	fake_event_config(fd, fd->status, 0, 0, NULL, 0);
	for (i = 0; i < 5; i++)
		KUNIT_EXPECT_EQ(test, get_status(drv), STATUS_RUNNING);
	KUNIT_EXPECT_EQ(test, count(fd, VIRTIO_MSG_GET_DEVICE_STATUS), 1);
	/* The status in the event is not believed, the device is asked. */
	fake_event_config(fd, 0, 0, 0, NULL, 0);
	KUNIT_EXPECT_EQ(test, get_status(drv), STATUS_RUNNING);
	KUNIT_EXPECT_EQ(test, count(fd, VIRTIO_MSG_GET_DEVICE_STATUS), 2);
}

/*
 * The virtio core stops the kernel when a device says DRIVER_OK before the
 * driver did. So a device can only say less than what was written.
 */
static void device_status_hostile(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	struct fake_drv *drv;

	fd->hostile_status = 0xffffffbf;
	drv = fake_bind(fd);
	KUNIT_EXPECT_EQ(test, get_status(drv), STATUS_RUNNING);
	fake_event_config(fd, 0xff, 0, 0, NULL, 0);
	KUNIT_EXPECT_EQ(test, get_status(drv) & ~VIRTIO_CONFIG_S_NEEDS_RESET,
			STATUS_RUNNING);
}

/* The virtio core asks whether DRIVER_OK is there, and says it if it is not. */
static void device_status_comes_back(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	struct fake_drv *drv = fake_bind(fd);
	u32 less = STATUS_RUNNING & ~VIRTIO_CONFIG_S_DRIVER_OK;

	fd->status = less;
	fake_event_config(fd, less, 0, 0, NULL, 0);
	KUNIT_EXPECT_EQ(test, get_status(drv), less);
	fd->status = STATUS_RUNNING;
	fake_event_config(fd, STATUS_RUNNING, 0, 0, NULL, 0);
	KUNIT_EXPECT_EQ(test, get_status(drv), less);
	virtio_device_ready(drv->vdev);
	KUNIT_EXPECT_EQ(test, get_status(drv), STATUS_RUNNING);
}

/* A driver that goes must find 0 afterwards, or the virtio core warns. */
static enum fake_verdict late_status(struct fake_bus *fb,
				     const struct vmsg_msg *req,
				     struct fake_frame *resp)
{
	if (req->id == VIRTIO_MSG_SET_DEVICE_STATUS && !req->status)
		fake_event_config(fb->devs[0], 0xff, 0, 0, NULL, 0);
	return FAKE_ANSWER;
}

static void device_status_after_reset(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	struct fake_drv *drv = fake_bind(fd);

	fb->filter = late_status;
	virtio_reset_device(drv->vdev);
	fd->status = 0xff;
	KUNIT_EXPECT_EQ(test, get_status(drv), 0);
	fb->filter = NULL;
}

static void expect_runs_again(struct fake_dev *fd, struct fake_drv *drv)
{
	struct kunit *test = fd->fb->test;

	fake_settle(fd->fb);
	KUNIT_EXPECT_EQ(test, state(fd), VMSG_DEV_NEEDS_RESET);
	KUNIT_EXPECT_TRUE(test, get_status(drv) & VIRTIO_CONFIG_S_NEEDS_RESET);
	KUNIT_EXPECT_TRUE(test, virtqueue_is_broken(drv->vqs[0]));
	drv = rebind(fd->fb, drv);
	KUNIT_EXPECT_EQ(test, state(fd), VMSG_DEV_RUNNING);
	KUNIT_EXPECT_EQ(test, get_status(drv), STATUS_RUNNING);
	KUNIT_EXPECT_FALSE(test, virtqueue_is_broken(drv->vqs[0]));
	KUNIT_EXPECT_EQ(test, get8(drv, 3), 3);
	KUNIT_EXPECT_EQ(test, READ_ONCE(fake_vmsg_dev(fd)->client.state),
			VMSG_POOL_OK);
}

static void device_needs_reset_event(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	struct fake_drv *drv = fake_bind(fd);
	int before;

	fd->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	fake_event_config(fd, fd->status, 0, 0, NULL, 0);
	fake_settle(fb);
	/* The driver would find nothing to read. */
	KUNIT_EXPECT_EQ(test, atomic_read(&drv->changes), 0);
	before = atomic_read(&fb->requests);
	/* Only a reset is still sent to it. */
	get8(drv, 3);
	set(drv, 3, "x", 1);
	get_status(drv);
	drv->vdev->config->set_status(drv->vdev, STATUS_RUNNING |
				      VIRTIO_CONFIG_S_FAILED);
	KUNIT_EXPECT_EQ(test, atomic_read(&fb->requests), before);
	expect_runs_again(fd, drv);
}

static void device_needs_reset_answer(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	struct fake_drv *drv = fake_bind(fd);

	fd->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	drv->vdev->config->set_status(drv->vdev, STATUS_RUNNING);
	expect_runs_again(fd, drv);
}

/* The event itself may say nothing of it. */
static void device_needs_reset_asked(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	struct fake_drv *drv = fake_bind(fd);

	fd->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	fake_event_config(fd, STATUS_RUNNING, 0, 0, NULL, 0);
	KUNIT_EXPECT_TRUE(test, get_status(drv) & VIRTIO_CONFIG_S_NEEDS_RESET);
	expect_runs_again(fd, drv);
}

/*
 * Reset
 */

static void device_reset_async(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	struct fake_drv *drv;

	/* Somebody else has used it before. */
	fd->status = STATUS_RUNNING;
	fd->reset_polls = 3;
	drv = fake_bind(fd);
	KUNIT_EXPECT_EQ(test, count(fd, VIRTIO_MSG_GET_DEVICE_STATUS), 3);
	KUNIT_EXPECT_EQ(test, fd->status, STATUS_RUNNING);
	/* From a status that is not 0. */
	fd->reset_polls = 4;
	rebind(fb, drv);
	KUNIT_EXPECT_EQ(test, count(fd, VIRTIO_MSG_GET_DEVICE_STATUS), 7);
	KUNIT_EXPECT_EQ(test, fd->status, STATUS_RUNNING);
	KUNIT_EXPECT_EQ(test, fd->resets, 2);
}

/* It may still write: what it knows of the pool is not used again. */
static void device_reset_never_ends(struct kunit *test)
{
	struct fake_bus *fb = short_bus(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	struct fake_drv *drv = fake_bind(fd);
	struct virtio_device *vdev = drv->vdev;
	size_t used = vmsg_pool_used(fb->pool);

	KUNIT_EXPECT_GT(test, used, 0);
	fd->reset_polls = -1;
	unbind(drv);
	KUNIT_EXPECT_TRUE(test, drv->removed);
	KUNIT_EXPECT_EQ(test, state(fd), VMSG_DEV_NEEDS_RESET);
	KUNIT_EXPECT_EQ(test, vmsg_pool_used(fb->pool), used);
	fake_settle(fb);

	/* A driver that comes now finds it still as it was. */
	KUNIT_EXPECT_EQ(test, 0, device_attach(&vdev->dev));
	KUNIT_EXPECT_GE(test, vmsg_pool_used(fb->pool), used);

	fd->reset_polls = 0;
	KUNIT_EXPECT_EQ(test, 1, device_attach(&vdev->dev));
	KUNIT_EXPECT_EQ(test, state(fd), VMSG_DEV_RUNNING);
	KUNIT_EXPECT_EQ(test, vmsg_pool_used(fb->pool), used);
	unbind(fake_driver.drv);
	KUNIT_EXPECT_EQ(test, vmsg_pool_used(fb->pool), 0);
}

/* Without a good reset it is kept until the bus ends. */
static void device_reset_never_ends_gone(struct kunit *test)
{
	struct fake_bus *fb = short_bus(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	struct fake_drv *drv = fake_bind(fd);

	fd->reset_polls = -1;
	unbind(drv);
	KUNIT_EXPECT_GT(test, vmsg_pool_used(fb->pool), 0);
	/* fake_bus_free() looks whether all of it came back. */
}

/*
 * Timeouts
 */

static enum fake_verdict hold_config(struct fake_bus *fb,
				     const struct vmsg_msg *req,
				     struct fake_frame *resp)
{
	return req->id == VIRTIO_MSG_GET_CONFIG ? FAKE_HOLD : FAKE_ANSWER;
}

static void device_timeout(struct kunit *test)
{
	struct fake_bus *fb = short_bus(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	struct fake_drv *drv = fake_bind(fd);
	int before;

	fb->filter = hold_config;
	KUNIT_EXPECT_EQ(test, get8(drv, 3), 0);
	KUNIT_EXPECT_EQ(test, fake_stat(fb, VMSG_STAT_TIMEOUTS), 1);
	KUNIT_EXPECT_EQ(test, state(fd), VMSG_DEV_NEEDS_RESET);
	fake_expect_dev_file(fd, "failures", "1\n");
	fake_expect_dev_file(fd, "last_error",
			     "configuration cannot be read (-110)\n");
	before = atomic_read(&fb->requests);
	KUNIT_EXPECT_EQ(test, get8(drv, 3), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&fb->requests), before);
	/* Too late. */
	KUNIT_EXPECT_EQ(test, fake_release(fb, 0), -ENOENT);
	KUNIT_EXPECT_EQ(test, get8(drv, 3), 0);
	fb->filter = NULL;
	expect_runs_again(fd, drv);
}

/* A device that fails in a probe is reset before the next one. */
static void device_timeout_in_probe(struct kunit *test)
{
	struct fake_bus *fb = short_bus(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	struct vmsg_dev *vd;

	fb->filter = hold_config;
	fake_driver.in_probe = read_much_config;
	vd = announce(fd);
	KUNIT_ASSERT_NOT_NULL(test, vd);
	fb->filter = NULL;
	fake_driver.in_probe = NULL;
	fake_release_all(fb);
	if (vd->vdev.dev.driver)
		device_release_driver(&vd->vdev.dev);
	KUNIT_EXPECT_EQ(test, 1, device_attach(&vd->vdev.dev));
	KUNIT_EXPECT_EQ(test, state(fd), VMSG_DEV_RUNNING);
	KUNIT_EXPECT_EQ(test, fd->status, STATUS_RUNNING);
}

/* One device's silence is no other's business. */
static void device_timeout_neighbour(struct kunit *test)
{
	struct fake_bus *fb = short_bus(test);
	struct fake_drv *one = fake_bind(fake_dev_create(fb, 1));
	struct fake_drv *two = fake_bind(fake_dev_create(fb, 2));

	fb->filter = hold_config;
	KUNIT_EXPECT_EQ(test, get8(one, 3), 0);
	fb->filter = NULL;
	KUNIT_EXPECT_EQ(test, state(fb->devs[0]), VMSG_DEV_NEEDS_RESET);
	KUNIT_EXPECT_EQ(test, state(fb->devs[1]), VMSG_DEV_RUNNING);
	KUNIT_EXPECT_EQ(test, get8(two, 3), 3);
	KUNIT_EXPECT_FALSE(test, virtqueue_is_broken(two->vqs[0]));
}

/*
 * sysfs, shared memory
 */

static void device_sysfs(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *fd = fake_dev_create(fb, 300);
	struct fake_dev *other = fake_dev_create(fb, 301);
	char want[16];
	int i;

	for (i = 0; i < 16; i++)
		fd->info.info.uuid[i] = 0x11 * i;
	fd->info.info.max_virtqueues = 4;
	fd->info.info.admin_vq_start = 1;
	fd->info.info.admin_vq_count = 3;
	fake_bind(fd);
	fake_expect_dev_file(fd, "dev_num", "300\n");
	fake_expect_dev_file(fd, "uuid", "00112233-4455-6677-8899-aabbccddeeff\n");
	fake_expect_dev_file(fd, "admin_vqs", "1 3\n");
	fake_expect_dev_file(fd, "state", "running\n");
	snprintf(want, sizeof(want), "%d\n", atomic_read(&fb->requests));
	fake_expect_dev_file(fd, "requests", want);
	fake_bind(other);
	fake_expect_dev_file(fd, "failures", "0\n");
	fake_expect_dev_file(fd, "last_error", "\n");
	/* It says so twice, but has failed once. */
	for (i = 0; i < 2; i++)
		fake_event_config(fd, 0xff, 0, 0, NULL, 0);
	fake_expect_dev_file(fd, "state", "needs reset\n");
	fake_expect_dev_file(fd, "failures", "1\n");
	fake_expect_dev_file(fd, "last_error",
			     "asks for a reset; unbind and bind its driver\n");
	fake_expect_bus_file(fb, NULL, "last_error",
			     "device 300: asks for a reset; unbind and bind its driver\n");
	/* Its neighbour has nothing to do with it. */
	fake_expect_dev_file(other, "state", "running\n");
	fake_expect_dev_file(other, "failures", "0\n");
	fake_expect_dev_file(other, "last_error", "\n");
}

static bool shm(struct fake_drv *drv, struct virtio_shm_region *region, u8 id)
{
	return drv->vdev->config->get_shm_region(drv->vdev, region, id);
}

static void device_shm(struct kunit *test)
{
	struct virtio_msg_bus_info info = { FAKE_BUS_DEFAULTS };
	struct virtio_shm_region region;
	struct fake_bus *fb;
	struct fake_dev *fd;
	struct fake_drv *drv;

	info.ops = &fake_shm_ops;
	fb = fake_bus_create(test, &info);
	fd = fake_dev_create(fb, 3);
	drv = fake_bind(fd);
	/* No such region. */
	fd->shm_address = 0x10000;
	KUNIT_EXPECT_FALSE(test, shm(drv, &region, 1));
	KUNIT_EXPECT_EQ(test, atomic_read(&fb->shm_calls), 0);
	fd->shm_length = 0x2000;
	KUNIT_ASSERT_TRUE(test, shm(drv, &region, 1));
	KUNIT_EXPECT_EQ(test, region.addr, 0x11000);
	KUNIT_EXPECT_EQ(test, region.len, 0x2000);
	KUNIT_EXPECT_EQ(test, fb->log[fb->num_log - 1].shm.id, 1);
	/* The bus has the last word. */
	fb->shm_err = -EPERM;
	KUNIT_EXPECT_FALSE(test, shm(drv, &region, 1));
	fb->shm_err = 0;
	/* Round the end of the address space. */
	fd->shm_address = 0xfffffffffffff000ULL;
	KUNIT_EXPECT_FALSE(test, shm(drv, &region, 1));
	KUNIT_EXPECT_EQ(test, atomic_read(&fb->shm_calls), 2);
}

static void device_shm_without(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	struct fake_drv *drv = fake_bind(fd);
	struct virtio_shm_region region;

	fd->shm_length = 0x2000;
	KUNIT_EXPECT_FALSE(test, shm(drv, &region, 0));
	KUNIT_EXPECT_EQ(test, count(fd, VIRTIO_MSG_GET_SHM), 0);
}

/*
 * Power management
 */

/* One buffer, there and back. */
static void expect_io(struct fake_dev *fd, struct fake_drv *drv)
{
	struct kunit *test = fd->fb->test;
	unsigned int before = drv->num_bufs;
	u8 *buf = kunit_kzalloc(test, 64, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, buf);
	KUNIT_ASSERT_EQ(test, 0, fake_add_buf(drv->vqs[0], NULL, 0, buf, 64));
	virtqueue_kick(drv->vqs[0]);
	KUNIT_EXPECT_EQ(test, 1, fake_vq_serve(fd, 0, 10));
	KUNIT_EXPECT_EQ(test, 0, fake_event_used(fd, 0));
	KUNIT_EXPECT_EQ(test, drv->num_bufs, before + 1);
	KUNIT_EXPECT_EQ(test, buf[63], 0x5a);
}

static void device_freeze(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	struct fake_drv *drv __maybe_unused = fake_bind(fd);

	if (!IS_ENABLED(CONFIG_PM_SLEEP))
		kunit_skip(test, "needs CONFIG_PM_SLEEP");
#ifdef CONFIG_PM_SLEEP
	expect_io(fd, drv);
	KUNIT_EXPECT_EQ(test, virtio_msg_bus_freeze(fb->bus), 0);
	KUNIT_EXPECT_EQ(test, fd->status, 0);
	KUNIT_EXPECT_EQ(test, vmsg_pool_used(fb->pool), 0);
	/* The device side forgets everything. */
	memset(fd->driver_blocks, 0, sizeof(fd->driver_blocks));
	KUNIT_EXPECT_EQ(test, virtio_msg_bus_restore(fb->bus), 0);
	KUNIT_EXPECT_EQ(test, fd->status, STATUS_RUNNING);
	KUNIT_EXPECT_TRUE(test, fake_accepted(fd, VIRTIO_F_VERSION_1));
	expect_io(fd, drv);
	/* Once more changes nothing. */
	KUNIT_EXPECT_EQ(test, virtio_msg_bus_restore(fb->bus), 0);
	KUNIT_EXPECT_EQ(test, fd->resets, 3);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake_driver.probes), 1);
#endif
}

/* One is stopped already when the other does not want to be. */
static void device_freeze_refused(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *one = fake_dev_create(fb, 3);
	struct fake_dev *two = fake_dev_create(fb, 4);
	struct fake_drv *drv_one __maybe_unused = fake_bind(one);
	struct fake_drv *drv_two __maybe_unused = fake_bind(two);

	if (!IS_ENABLED(CONFIG_PM_SLEEP))
		kunit_skip(test, "needs CONFIG_PM_SLEEP");
#ifdef CONFIG_PM_SLEEP
	fake_driver.freeze_err = -EBUSY;
	fake_driver.freeze_good = 1;
	KUNIT_EXPECT_EQ(test, virtio_msg_bus_freeze(fb->bus), -EBUSY);
	KUNIT_EXPECT_EQ(test, one->resets + two->resets, 4);
	KUNIT_EXPECT_EQ(test, one->status, STATUS_RUNNING);
	KUNIT_EXPECT_EQ(test, two->status, STATUS_RUNNING);
	expect_io(one, drv_one);
	expect_io(two, drv_two);
#endif
}

static void device_stops_at_shutdown(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	struct fake_drv *drv = fake_bind(fd);
	int resets = fd->resets;
	u8 *buf = kunit_kzalloc(test, 8, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, buf);
	virtio_msg_bus_shutdown(fb->bus);
	KUNIT_EXPECT_EQ(test, fd->resets, resets + 1);
	KUNIT_EXPECT_EQ(test, fd->status, 0);
	KUNIT_EXPECT_TRUE(test, virtqueue_is_broken(drv->vqs[0]));
	KUNIT_EXPECT_NE(test, 0, fake_add_buf(drv->vqs[0], NULL, 0, buf, 8));
}

/*
 * The end of a device
 */

struct config_reader {
	struct work_struct work;
	struct fake_drv *drv;
	u8 value;
	struct completion done;
};

static void config_reader_work(struct work_struct *work)
{
	struct config_reader *r = container_of(work, struct config_reader, work);

	r->value = get8(r->drv, 3);
	complete(&r->done);
}

/* Somebody waits for an answer, for longer than anybody would. */
static void device_removed_while_asked(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	struct fake_drv *drv = fake_bind(fd);
	struct config_reader r = { .drv = drv };
	bool ended;

	fb->bus->info.timeout_ms = 600000;
	fb->filter = hold_config;
	INIT_WORK_ONSTACK(&r.work, config_reader_work);
	init_completion(&r.done);
	queue_work(system_dfl_wq, &r.work);
	KUNIT_EXPECT_TRUE(test, fake_wait(fb, fb->num_held == 1));
	fake_event_device(fb, 3, VIRTIO_MSG_DEVICE_REMOVED);
	ended = wait_for_completion_timeout(&r.done, FAKE_PATIENCE);
	/* If not, nobody waits for it to the end. */
	vmsg_bus_abort(fb->bus, -1);
	KUNIT_EXPECT_TRUE(test, ended);
	KUNIT_EXPECT_EQ(test, r.value, 0);
	KUNIT_EXPECT_TRUE(test, drv_wait(READ_ONCE(drv->removed)));
	fake_settle(fb);
	KUNIT_EXPECT_EQ(test, fake_release(fb, 0), -ENOENT);
	KUNIT_EXPECT_EQ(test, vmsg_pool_used(fb->pool), 0);
	KUNIT_EXPECT_EQ(test, fake_event_config(fd, 0, 0, 0, NULL, 0), -ENODEV);
	KUNIT_EXPECT_EQ(test, fake_event_used(fd, 0), -ENODEV);
	flush_work(&r.work);
	destroy_work_on_stack(&r.work);
}

enum death {
	DEATH_REMOVED,
	DEATH_BUS,
	DEATH_NEEDS_RESET,
	DEATH_TIMEOUT,
};

struct burial {
	const char *name;
	enum death death;
	unsigned int bit;
	unsigned int bit2;
};

#define V1	VIRTIO_F_VERSION_1

static const struct burial burials[] = {
	{ "removed, split", DEATH_REMOVED, V1, V1 },
	{ "removed, split indirect", DEATH_REMOVED,
	  VIRTIO_RING_F_INDIRECT_DESC, V1 },
	{ "removed, split event index", DEATH_REMOVED,
	  VIRTIO_RING_F_EVENT_IDX, V1 },
	{ "removed, packed", DEATH_REMOVED, VIRTIO_F_RING_PACKED, V1 },
	{ "removed, packed indirect", DEATH_REMOVED,
	  VIRTIO_F_RING_PACKED, VIRTIO_RING_F_INDIRECT_DESC },
	{ "removed, packed event index", DEATH_REMOVED,
	  VIRTIO_F_RING_PACKED, VIRTIO_RING_F_EVENT_IDX },
	{ "bus dead, split", DEATH_BUS, V1, V1 },
	{ "bus dead, split indirect", DEATH_BUS,
	  VIRTIO_RING_F_INDIRECT_DESC, V1 },
	{ "bus dead, split event index", DEATH_BUS,
	  VIRTIO_RING_F_EVENT_IDX, V1 },
	{ "bus dead, packed", DEATH_BUS, VIRTIO_F_RING_PACKED, V1 },
	{ "bus dead, packed indirect", DEATH_BUS,
	  VIRTIO_F_RING_PACKED, VIRTIO_RING_F_INDIRECT_DESC },
	{ "bus dead, packed event index", DEATH_BUS,
	  VIRTIO_F_RING_PACKED, VIRTIO_RING_F_EVENT_IDX },
	{ "needs reset, split", DEATH_NEEDS_RESET, V1, V1 },
	{ "needs reset, split indirect", DEATH_NEEDS_RESET,
	  VIRTIO_RING_F_INDIRECT_DESC, V1 },
	{ "needs reset, split event index", DEATH_NEEDS_RESET,
	  VIRTIO_RING_F_EVENT_IDX, V1 },
	{ "needs reset, packed", DEATH_NEEDS_RESET, VIRTIO_F_RING_PACKED, V1 },
	{ "needs reset, packed indirect", DEATH_NEEDS_RESET,
	  VIRTIO_F_RING_PACKED, VIRTIO_RING_F_INDIRECT_DESC },
	{ "needs reset, packed event index", DEATH_NEEDS_RESET,
	  VIRTIO_F_RING_PACKED, VIRTIO_RING_F_EVENT_IDX },
	{ "timeout, split", DEATH_TIMEOUT, V1, V1 },
	{ "timeout, split indirect", DEATH_TIMEOUT,
	  VIRTIO_RING_F_INDIRECT_DESC, V1 },
	{ "timeout, split event index", DEATH_TIMEOUT,
	  VIRTIO_RING_F_EVENT_IDX, V1 },
	{ "timeout, packed", DEATH_TIMEOUT, VIRTIO_F_RING_PACKED, V1 },
	{ "timeout, packed indirect", DEATH_TIMEOUT,
	  VIRTIO_F_RING_PACKED, VIRTIO_RING_F_INDIRECT_DESC },
	{ "timeout, packed event index", DEATH_TIMEOUT,
	  VIRTIO_F_RING_PACKED, VIRTIO_RING_F_EVENT_IDX },
};

KUNIT_ARRAY_PARAM_DESC(burial, burials, name);

static void die(struct fake_dev *fd, struct fake_drv *drv, enum death death)
{
	switch (death) {
	case DEATH_REMOVED:
		fake_event_device(fd->fb, fd->num, VIRTIO_MSG_DEVICE_REMOVED);
		break;
	case DEATH_BUS:
		virtio_msg_bus_dead(fd->fb->bus);
		break;
	case DEATH_NEEDS_RESET:
		fake_event_config(fd, 0xff, 0, 0, NULL, 0);
		break;
	case DEATH_TIMEOUT:
		fd->fb->filter = hold_config;
		get8(drv, 3);
		fd->fb->filter = NULL;
		break;
	}
}

static void expect_buried(struct kunit *test, struct fake_drv *drv,
			  unsigned int num)
{
	unsigned int i;

	KUNIT_EXPECT_TRUE(test, drv_wait(READ_ONCE(drv->num_bufs) == num));
	for (i = 0; i < drv->num_bufs; i++)
		KUNIT_EXPECT_EQ(test, drv->lens[i], 0);
}

/* All that drivers wait for comes back, and says that nothing was done. */
static void device_burial(struct kunit *test)
{
	const struct burial *b = test->param_value;
	struct fake_bus *fb = b->death == DEATH_TIMEOUT ?
			      short_bus(test) : fake_bus_default(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	u8 *in[7], *out = kunit_kzalloc(test, 16, GFP_KERNEL);
	struct fake_drv *drv;
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, out);
	fake_offer(fd, b->bit, true);
	fake_offer(fd, b->bit2, true);
	drv = fake_bind(fd);
	/* Some have been round before, so the ring does not begin at 0. */
	for (i = 0; i < 11; i++)
		expect_io(fd, drv);
	drv->num_bufs = 0;
	for (i = 0; i < ARRAY_SIZE(in); i++) {
		in[i] = kunit_kzalloc(test, 32, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, in[i]);
		KUNIT_ASSERT_EQ(test, 0,
				fake_add_buf(drv->vqs[0], i % 2 ? out : NULL,
					     16, in[i], 32));
	}
	virtqueue_kick(drv->vqs[0]);
	die(fd, drv, b->death);
	expect_buried(test, drv, ARRAY_SIZE(in));
	for (i = 0; i < ARRAY_SIZE(in); i++)
		KUNIT_EXPECT_NULL_MSG(test, memchr_inv(in[i], 0xff, 32),
				      "buffer %u", i);
	fake_settle(fb);
	if (b->death == DEATH_REMOVED || b->death == DEATH_BUS) {
		KUNIT_EXPECT_TRUE(test, drv->removed);
		KUNIT_EXPECT_EQ(test, vmsg_pool_used(fb->pool), 0);
		return;
	}
	/* The device may still write there. */
	KUNIT_EXPECT_GE(test, vmsg_pool_used(fb->pool),
			PAGE_SIZE + 7 * 512);
	drv = rebind(fb, drv);
	expect_io(fd, drv);
	unbind(drv);
	KUNIT_EXPECT_EQ(test, vmsg_pool_used(fb->pool), 0);
}

/* A queue full of buffers, and another that has none. */
static void device_burial_full(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	struct fake_drv *drv;
	unsigned int i;
	u8 *in;

	fake_driver.nvqs = 2;
	fake_driver.names[1] = "second";
	drv = fake_bind(fd);
	for (i = 0; i < 16; i++) {
		in = kunit_kzalloc(test, 32, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, in);
		KUNIT_ASSERT_EQ(test, 0,
				fake_add_buf(drv->vqs[1], NULL, 0, in, 32));
	}
	die(fd, drv, DEATH_REMOVED);
	KUNIT_EXPECT_TRUE(test, drv_wait(READ_ONCE(drv->num_bufs) == 16));
	KUNIT_EXPECT_TRUE(test, drv_wait(READ_ONCE(drv->removed)));
}

/* All descriptors that the device side can reach. */
static void set_flags(struct fake_dev *fd, u16 flags)
{
	struct virtio_device *vdev = &fake_vmsg_dev(fd)->vdev;
	struct vring_desc *desc = (void *)fd->fb->mem +
				  (fd->vq[0].desc - FAKE_POOL_ADDR);
	unsigned int i;

	for (i = 0; i < fd->vq[0].size; i++)
		desc[i].flags = cpu_to_virtio16(vdev, flags);
}

/* Chains that end at once, or lie in memory that has been pulled out. */
static void device_burial_bad_flags(struct kunit *test)
{
	static const u16 flags[] = { 0, VRING_DESC_F_INDIRECT, 0xffff };
	struct fake_bus *fb = fake_bus_default(test);
	u8 *out = kunit_kzalloc(test, 16, GFP_KERNEL), *in[5];
	struct fake_drv *drv;
	struct fake_dev *fd;
	unsigned int n, i;

	KUNIT_ASSERT_NOT_NULL(test, out);
	for (n = 0; n < ARRAY_SIZE(flags); n++) {
		fd = fake_dev_create(fb, n);
		/* The first one has chains in its ring. */
		fake_offer(fd, VIRTIO_RING_F_INDIRECT_DESC, n);
		drv = fake_bind(fd);
		expect_io(fd, drv);
		drv->num_bufs = 0;
		for (i = 0; i < ARRAY_SIZE(in); i++) {
			in[i] = kunit_kzalloc(test, 600, GFP_KERNEL);
			KUNIT_ASSERT_NOT_NULL(test, in[i]);
			KUNIT_ASSERT_EQ(test, 0,
					fake_add_buf(drv->vqs[0], out, 16,
						     in[i], 600));
		}
		set_flags(fd, flags[n]);
		die(fd, drv, DEATH_NEEDS_RESET);
		expect_buried(test, drv, ARRAY_SIZE(in));
		for (i = 0; i < ARRAY_SIZE(in); i++)
			KUNIT_EXPECT_NULL(test, memchr_inv(in[i], n ? 0xff : 0,
							   600));
		drv = rebind(fb, drv);
		expect_io(fd, drv);
		unbind(drv);
		KUNIT_EXPECT_EQ(test, vmsg_pool_used(fb->pool), 0);
	}
}

/* Descriptors that the core has lost before are no reason to lose more. */
static void device_burial_lost(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	u8 *in = kunit_kzalloc(test, 64, GFP_KERNEL);
	struct fake_drv *drv;

	KUNIT_ASSERT_NOT_NULL(test, in);
	drv = fake_bind(fd);
	KUNIT_ASSERT_EQ(test, 0, fake_add_buf(drv->vqs[0], in + 32, 32, in, 32));
	KUNIT_EXPECT_EQ(test, 1, fake_vq_serve(fd, 0, 1));
	set_flags(fd, 0);
	KUNIT_EXPECT_EQ(test, 0, fake_event_used(fd, 0));
	KUNIT_EXPECT_EQ(test, drv->num_bufs, 1);
	die(fd, drv, DEATH_NEEDS_RESET);
	drv = rebind(fb, drv);
	expect_io(fd, drv);
}

/* The driver of a network card takes its buffers back without our help. */
static void device_net_left_alone(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	u8 *buf = kunit_kzalloc(test, 64, GFP_KERNEL);
	struct fake_drv *drv;
	struct vmsg_dev *vd;
	unsigned int n, i;

	KUNIT_ASSERT_NOT_NULL(test, buf);
	fd->info.info.device_id = VIRTIO_ID_NET;
	fake_offer(fd, VIRTIO_RING_F_INDIRECT_DESC, true);
	drv = fake_bind(fd);
	vd = fake_vmsg_dev(fd);
	/* With memory that was pulled out, and with chains that are as they were. */
	for (n = 0; n < 2; n++) {
		for (i = 0; i < 5; i++)
			KUNIT_ASSERT_EQ(test, 0,
					fake_add_buf(drv->vqs[0],
						     n ? buf + 32 : NULL, 32,
						     buf, 32));
		if (!n)
			set_flags(fd, 0xffff);
		die(fd, drv, DEATH_NEEDS_RESET);
		flush_work(&vd->fail_work);
		KUNIT_EXPECT_EQ(test, drv->num_bufs, 0);
		KUNIT_EXPECT_NULL(test, memchr_inv(buf, 0, 64));
		unbind(drv);
		KUNIT_EXPECT_EQ(test, vmsg_pool_used(fb->pool), 0);
		fake_offer(fd, VIRTIO_RING_F_INDIRECT_DESC, false);
		KUNIT_ASSERT_EQ(test, 1, device_attach(&vd->vdev.dev));
		drv = fake_driver.drv;
		expect_io(fd, drv);
		drv->num_bufs = 0;
		memset(buf, 0, 64);
	}
}

static void die_in_queue_reset(struct virtqueue *vq, void *buf)
{
	struct vmsg_dev *vd = to_vmsg_dev(vq->vdev);
	struct fake_bus *fb = virtio_msg_bus_priv(vd->bus);

	die(fb->devs[0], NULL, DEATH_NEEDS_RESET);
	flush_work(&vd->fail_work);
	KUNIT_EXPECT_EQ(fb->test, READ_ONCE(vd->state), VMSG_DEV_NEEDS_RESET);
}

/* Who resets a queue has its buffers: nobody else gives them back. */
static void device_dies_in_queue_reset(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	u8 *in = kunit_kzalloc(test, 32, GFP_KERNEL);
	struct fake_drv *drv;
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, in);
	fake_offer(fd, VIRTIO_F_RING_RESET, true);
	drv = fake_bind(fd);
	for (i = 0; i < 3; i++)
		KUNIT_ASSERT_EQ(test, 0, fake_add_buf(drv->vqs[0], NULL, 0,
						      in, 32));
	KUNIT_EXPECT_NE(test, 0, virtqueue_reset(drv->vqs[0],
						 die_in_queue_reset, NULL));
	KUNIT_EXPECT_EQ(test, drv->num_bufs, 0);
	drv = rebind(fb, drv);
	expect_io(fd, drv);
}

/* Where a ring lies while it is taken apart, however small its memory is. */
static void device_burial_small(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	const struct vring *vring;
	struct fake_drv *drv;
	struct fake_dev *fd;
	unsigned int n, i;

	fake_driver.nvqs = 2;
	fake_driver.names[1] = "second";
	/* Memory that is not aligned much is so every other time. */
	for (n = 0; n < 8; n++) {
		fd = fake_dev_create(fb, n);
		for (i = 0; i < 2; i++)
			fd->vq[i].max_size = 2;
		drv = fake_bind(fd);
		die(fd, drv, DEATH_NEEDS_RESET);
		flush_work(&fake_vmsg_dev(fd)->fail_work);
		for (i = 0; i < 2; i++) {
			vring = virtqueue_get_vring(drv->vqs[i]);
			KUNIT_EXPECT_LE(test, (void *)&vring->used->ring[2] +
					      sizeof(__virtio16) -
					      (void *)vring->desc,
					vring_size(2, SMP_CACHE_BYTES));
		}
	}
}

static enum fake_verdict die_of_driver_ok(struct fake_bus *fb,
					  const struct vmsg_msg *req,
					  struct fake_frame *resp)
{
	if (req->id != VIRTIO_MSG_SET_DEVICE_STATUS ||
	    !(req->status & VIRTIO_CONFIG_S_DRIVER_OK))
		return FAKE_ANSWER;
	virtio_msg_bus_dead(fb->bus);
	return FAKE_DROP;
}

static int fill_and_start(struct fake_drv *drv)
{
	struct fake_bus *fb =
		virtio_msg_bus_priv(to_vmsg_dev(drv->vdev)->bus);
	void *buf = kunit_kzalloc(fb->test, 32, GFP_KERNEL);

	KUNIT_EXPECT_NOT_NULL(fb->test, buf);
	KUNIT_EXPECT_EQ(fb->test, 0,
			fake_add_buf(drv->vqs[0], NULL, 0, buf, 32));
	virtio_device_ready(drv->vdev);
	return 0;
}

/* Nobody tells a driver that DRIVER_OK was not heard: it waits all the same. */
static void device_burial_unheard(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);

	fb->filter = die_of_driver_ok;
	fake_driver.in_probe = fill_and_start;
	fake_driver.unready = true;
	announce(fd);
	KUNIT_ASSERT_NOT_NULL(test, fake_driver.drv);
	KUNIT_EXPECT_TRUE(test,
			  drv_wait(READ_ONCE(fake_driver.drv->num_bufs) == 1));
}

/*
 * Between the failure and the burial a driver gets no error that would make it
 * wait for buffers: what it adds is buried with the others.
 */
static void device_burial_late(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	struct fake_drv *drv = fake_bind(fd);
	struct vmsg_dev *vd = fake_vmsg_dev(fd);
	u8 *in = kunit_kzalloc(test, 32, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, in);
	mutex_lock(&vd->vq_mutex);
	die(fd, drv, DEATH_NEEDS_RESET);
	KUNIT_EXPECT_EQ(test, READ_ONCE(vd->state), VMSG_DEV_NEEDS_RESET);
	KUNIT_EXPECT_EQ(test, 0, fake_add_buf(drv->vqs[0], NULL, 0, in, 32));
	mutex_unlock(&vd->vq_mutex);
	KUNIT_EXPECT_TRUE(test, drv_wait(READ_ONCE(drv->num_bufs) == 1));
	KUNIT_EXPECT_NULL(test, memchr_inv(in, 0xff, 32));
	flush_work(&vd->fail_work);
	KUNIT_EXPECT_EQ(test, -EIO,
			fake_add_buf(drv->vqs[0], NULL, 0, in, 32));
}

/* The device dies before DRIVER_OK: the driver expects no callback yet. */
static int die_in_probe(struct fake_drv *drv)
{
	struct vmsg_dev *vd = to_vmsg_dev(drv->vdev);
	struct fake_bus *fb = virtio_msg_bus_priv(vd->bus);
	struct kunit *test = fb->test;
	void *buf = kunit_kzalloc(test, 32, GFP_KERNEL);

	KUNIT_EXPECT_NOT_NULL(test, buf);
	KUNIT_EXPECT_EQ(test, 0, fake_add_buf(drv->vqs[0], NULL, 0, buf, 32));
	die(fb->devs[0], drv, DEATH_TIMEOUT);
	flush_work(&vd->fail_work);
	KUNIT_EXPECT_EQ(test, READ_ONCE(vd->state), VMSG_DEV_NEEDS_RESET);
	KUNIT_EXPECT_EQ(test, atomic_read(&drv->calls[0]), 0);
	KUNIT_EXPECT_PTR_EQ(test, virtqueue_detach_unused_buf(drv->vqs[0]), buf);
	return -EIO;
}

static void device_no_burial_in_probe(struct kunit *test)
{
	struct fake_bus *fb = short_bus(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	struct vmsg_dev *vd;

	fake_driver.in_probe = die_in_probe;
	vd = announce(fd);
	KUNIT_ASSERT_NOT_NULL(test, vd);
	KUNIT_EXPECT_EQ(test, fake_driver.probe_err, -EIO);
	fake_driver.in_probe = NULL;
	KUNIT_EXPECT_EQ(test, 1, device_attach(&vd->vdev.dev));
	KUNIT_EXPECT_EQ(test, state(fd), VMSG_DEV_RUNNING);
	expect_io(fd, fake_driver.drv);
}

/*
 * A device that works, but keeps what its driver waits for
 */

static u8 *keep_one(struct fake_drv *drv)
{
	struct vmsg_dev *vd = to_vmsg_dev(drv->vdev);
	struct fake_bus *fb = virtio_msg_bus_priv(vd->bus);
	struct kunit *test = fb->test;
	u8 *buf = kunit_kzalloc(test, 32, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, buf);
	KUNIT_EXPECT_EQ(test, 0, fake_add_buf(drv->vqs[0], NULL, 0, buf, 32));
	fake_driver.patience_for = drv->num_bufs + 1;
	return buf;
}

static void device_keeps_at_the_end(struct kunit *test)
{
	struct fake_bus *fb = short_bus(test);
	struct fake_drv *drv = fake_bind(fake_dev_create(fb, 3));
	u8 *buf = keep_one(drv);

	fake_bus_end(fb);
	KUNIT_EXPECT_EQ(test, drv->num_bufs, 1);
	KUNIT_EXPECT_EQ(test, drv->lens[0], 0);
	KUNIT_EXPECT_NULL(test, memchr_inv(buf, 0xff, 32));
	KUNIT_EXPECT_TRUE(test, drv->removed);
}

static int keep_in_probe(struct fake_drv *drv)
{
	fake_driver.drv = drv;
	keep_one(drv);
	return 0;
}

/* A device whose driver is in its probe, and waits. */
static struct fake_dev *stuck_in_probe(struct fake_bus *fb)
{
	struct fake_dev *fd = fake_dev_create(fb, 3);
	struct kunit *test = fb->test;

	fake_driver.in_probe = keep_in_probe;
	fake_event_device(fb, 3, VIRTIO_MSG_DEVICE_ADDED);
	KUNIT_ASSERT_TRUE(test, fake_wait(fb, READ_ONCE(fd->status) ==
					  STATUS_RUNNING));
	return fd;
}

static void device_keeps_in_probe(struct kunit *test)
{
	struct fake_bus *fb = short_bus(test);

	stuck_in_probe(fb);
	KUNIT_EXPECT_EQ(test, fake_driver.drv->num_bufs, 0);
	fake_bus_end(fb);
	KUNIT_EXPECT_EQ(test, fake_driver.drv->num_bufs, 1);
}

static void device_keeps_at_shutdown(struct kunit *test)
{
	struct fake_bus *fb = short_bus(test);
	struct fake_dev *fd = stuck_in_probe(fb);

	virtio_msg_bus_shutdown(fb->bus);
	KUNIT_EXPECT_EQ(test, fake_driver.drv->num_bufs, 1);
	KUNIT_EXPECT_EQ(test, fd->status, 0);
}

static void device_keeps_at_freeze(struct kunit *test)
{
	struct fake_bus *fb = short_bus(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	struct fake_drv *drv __maybe_unused = fake_bind(fd);

	if (!IS_ENABLED(CONFIG_PM_SLEEP))
		kunit_skip(test, "needs CONFIG_PM_SLEEP");
#ifdef CONFIG_PM_SLEEP
	keep_one(drv);
	KUNIT_EXPECT_EQ(test, virtio_msg_bus_freeze(fb->bus), 0);
	KUNIT_EXPECT_EQ(test, drv->num_bufs, 1);
	KUNIT_EXPECT_EQ(test, fd->status, 0);
	KUNIT_EXPECT_EQ(test, virtio_msg_bus_restore(fb->bus), 0);
	KUNIT_EXPECT_EQ(test, state(fd), VMSG_DEV_RUNNING);
	expect_io(fd, drv);
#endif
}

/* As if a timeout had passed */
static void watch(struct vmsg_dev *vd)
{
	mod_delayed_work(vd->bus->wq, &vd->watch_work, 0);
	flush_delayed_work(&vd->watch_work);
}

/* As long as something comes back, there is nothing to complain of. */
static void device_gives_back_slowly(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	struct fake_drv *drv = fake_bind(fd);
	struct vmsg_dev *vd = fake_vmsg_dev(fd);
	int i;

	for (i = 0; i < 5; i++) {
		expect_io(fd, drv);
		watch(vd);
		KUNIT_EXPECT_EQ(test, state(fd), VMSG_DEV_RUNNING);
	}
	/* Mere events are no buffers. */
	KUNIT_EXPECT_EQ(test, 0, fake_event_used(fd, 0));
	watch(vd);
	KUNIT_EXPECT_EQ(test, state(fd), VMSG_DEV_NEEDS_RESET);
	cancel_delayed_work_sync(&vd->watch_work);
}

static bool event_storm(void *arg)
{
	struct fake_dev *fd = arg;
	struct vmsg_msg msg = {
		.id = VIRTIO_MSG_EVENT_CONFIG,
		.dev_num = fd->num,
	};
	u8 frame[32] __aligned(8);
	bool ok;

	vmsg_wire_encode(VMSG_DIALECT_1, &msg, frame, sizeof(frame));
	ok = !virtio_msg_bus_receive(fd->fb->bus, frame, sizeof(frame));
	msg.id = VIRTIO_MSG_EVENT_USED;
	vmsg_wire_encode(VMSG_DIALECT_1, &msg, frame, sizeof(frame));
	ok &= !virtio_msg_bus_receive(fd->fb->bus, frame, sizeof(frame));
	ok &= !virtio_msg_bus_used(fd->fb->bus, fd->num, 0);
	return ok;
}

static void device_events_anywhere(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	struct fake_drv *drv = fake_bind(fd);

	kunit_run_irq_test(test, event_storm, 2000, fd);
	KUNIT_EXPECT_GT(test, atomic_read(&drv->changes), 1000);
	KUNIT_EXPECT_EQ(test, get8(drv, 3), 3);
	expect_io(fd, drv);
}

/*
 * The RFC
 */

/* A bus whose peer is of late 2025, and that knows it. */
static struct fake_bus *rfc_bus(struct kunit *test,
				const struct virtio_msg_bus_ops *ops)
{
	struct virtio_msg_bus_info info = { FAKE_BUS_DEFAULTS };
	struct fake_bus *fb;

	info.revision = VIRTIO_MSG_REVISION_FIND;
	info.ops = ops;
	fb = fake_bus_create(test, &info);
	fb->dialect = VMSG_DIALECT_RFC;
	virtio_msg_bus_discover(fb->bus);
	fake_settle(fb);
	KUNIT_ASSERT_EQ(test, fb->bus->dialect, VMSG_DIALECT_RFC);
	return fb;
}

/* Pieces of no more than 28 bytes, each written to what was read. */
static void device_rfc_config(struct kunit *test)
{
	struct fake_bus *fb = rfc_bus(test, NULL);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	unsigned int i, reads = 0, writes = 0;
	static const u8 event[4] = { 1, 2, 3, 4 };
	struct fake_drv *drv;
	u8 buf[100], v = 0x31;

	fd->info.info.config_size = sizeof(buf);
	drv = fake_bind(fd);
	get(drv, 0, buf, sizeof(buf));
	KUNIT_EXPECT_MEMEQ(test, buf, fd->config, sizeof(buf));
	memset(buf, 0x99, 70);
	set(drv, 10, buf, 70);
	KUNIT_EXPECT_MEMEQ(test, fd->config + 10, buf, 70);
	for (i = 0; i < fb->num_log; i++) {
		if (fb->log[i].type)
			continue;
		reads += fb->log[i].id == VIRTIO_MSG_GET_CONFIG;
		writes += fb->log[i].id == VIRTIO_MSG_SET_CONFIG;
		if (fb->log[i].id == VIRTIO_MSG_GET_CONFIG ||
		    fb->log[i].id == VIRTIO_MSG_SET_CONFIG)
			KUNIT_EXPECT_LE(test, fb->log[i].config.length, 28);
	}
	KUNIT_EXPECT_GE(test, reads, 4);
	KUNIT_EXPECT_EQ(test, writes, 3);
	/* It changes behind the driver's back. */
	get8(drv, 4);
	fd->generation++;
	set(drv, 4, &v, 1);
	KUNIT_EXPECT_EQ(test, fd->config[4], 0x31);
	KUNIT_EXPECT_EQ(test, count(fd, VIRTIO_MSG_SET_CONFIG), 5);
	/* And tells. */
	fd->generation++;
	memcpy(fd->config, event, sizeof(event));
	KUNIT_EXPECT_EQ(test, 0,
			fake_event_config(fd, fd->status, 0, sizeof(event),
					  event, sizeof(event)));
	KUNIT_EXPECT_TRUE(test, drv_wait(atomic_read(&drv->changes) == 1));
	KUNIT_EXPECT_EQ(test, get8(drv, 3), 4);
}

/* Says how many feature bits there are. */
static enum fake_verdict say_bits(struct fake_bus *fb,
				  const struct vmsg_msg *req,
				  struct fake_frame *resp)
{
	if (!req->type && req->id == VIRTIO_MSG_GET_DEVICE_INFO)
		resp->data[16] = (unsigned long)fb->filter_priv;
	return FAKE_ANSWER;
}

/* VERSION_1 is bit 32: 33 of them are enough, 32 are not. */
static void device_rfc_feature_bits(struct kunit *test)
{
	struct fake_bus *fb = rfc_bus(test, NULL);

	fb->filter = say_bits;
	fb->filter_priv = (void *)32;
	announce(fake_dev_create(fb, 3));
	KUNIT_EXPECT_EQ(test, atomic_read(&fake_driver.probes), 0);
	fb->filter_priv = (void *)33;
	fake_bind(fake_dev_create(fb, 4));
	KUNIT_EXPECT_EQ(test, atomic_read(&fake_driver.probes), 1);
}

static void device_rfc_shm(struct kunit *test)
{
	struct fake_bus *fb = rfc_bus(test, &fake_shm_ops);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	struct virtio_shm_region region;
	struct fake_drv *drv = fake_bind(fd);

	KUNIT_EXPECT_FALSE(test, shm(drv, &region, 1));
	fd->shm_address = 0xf0000000;
	fd->shm_length = 0x80000000;
	KUNIT_ASSERT_TRUE(test, shm(drv, &region, 1));
	KUNIT_EXPECT_EQ(test, region.addr, 0xf0001000);
	KUNIT_EXPECT_EQ(test, region.len, 0x80000000);
}

static int recycle_count;

static void recycle(struct virtqueue *vq, void *buf)
{
	recycle_count++;
}

/* A queue that has no flags is enabled, reset and enabled again. */
static void device_rfc_queue(struct kunit *test)
{
	struct fake_bus *fb = rfc_bus(test, NULL);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	u8 *buf = kunit_kzalloc(test, 8, GFP_KERNEL);
	struct fake_drv *drv;

	KUNIT_ASSERT_NOT_NULL(test, buf);
	fake_offer(fd, VIRTIO_F_RING_RESET, true);
	drv = fake_bind(fd);
	KUNIT_EXPECT_TRUE(test, fd->vq[0].enabled);
	expect_io(fd, drv);
	KUNIT_ASSERT_EQ(test, 0, fake_add_buf(drv->vqs[0], NULL, 0, buf, 8));
	recycle_count = 0;
	KUNIT_ASSERT_EQ(test, 0, virtqueue_reset(drv->vqs[0], recycle, NULL));
	KUNIT_EXPECT_EQ(test, recycle_count, 1);
	KUNIT_EXPECT_EQ(test, count(fd, VIRTIO_MSG_RESET_VQUEUE), 1);
	KUNIT_EXPECT_TRUE(test, fd->vq[0].enabled);
	expect_io(fd, drv);
}

/* One that is not enabled by SET_VQUEUE has no address to show. */
static void device_rfc_queue_deaf(struct kunit *test)
{
	struct fake_bus *fb = rfc_bus(test, NULL);
	struct fake_dev *fd = fake_dev_create(fb, 3);

	fd->vq[0].deaf = true;
	announce(fd);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake_driver.probes), 1);
	KUNIT_EXPECT_NE(test, fake_driver.probe_err, 0);
	KUNIT_EXPECT_EQ(test, vmsg_pool_used(fb->pool), 0);
}

static struct kunit_case device_cases[] = {
	KUNIT_CASE(device_budget),
	KUNIT_CASE_PARAM(device_bad_info, bad_info_gen_params),
	KUNIT_CASE(device_silent_from_the_start),
	KUNIT_CASE_PARAM(device_features, feature_case_gen_params),
	KUNIT_CASE(device_features_needed),
	KUNIT_CASE(device_packed_only),
	KUNIT_CASE_PARAM(device_no_platform, platform_case_gen_params),
	KUNIT_CASE(device_features_wrong_answer),
	KUNIT_CASE(device_features_refused),
	KUNIT_CASE(device_config_short),
	KUNIT_CASE(device_config_none),
	KUNIT_CASE(device_config_chunks),
	KUNIT_CASE(device_config_torn),
	KUNIT_CASE(device_config_always_torn),
	KUNIT_CASE(device_config_wrong_piece),
	KUNIT_CASE_PARAM(device_config_event, config_event_gen_params),
	KUNIT_CASE(device_config_event_malformed),
	KUNIT_CASE(device_config_event_while_reading),
	KUNIT_CASE_PARAM(device_event_while_probing, probe_event_gen_params),
	KUNIT_CASE(device_config_write),
	KUNIT_CASE(device_config_write_chunks),
	KUNIT_CASE(device_config_write_outside),
	KUNIT_CASE(device_config_strict),
	KUNIT_CASE(device_config_strict_bounded),
	KUNIT_CASE(device_config_baseline_rejected),
	KUNIT_CASE(device_status_cached),
	KUNIT_CASE(device_status_hostile),
	KUNIT_CASE(device_status_comes_back),
	KUNIT_CASE(device_status_after_reset),
	KUNIT_CASE(device_needs_reset_event),
	KUNIT_CASE(device_needs_reset_answer),
	KUNIT_CASE(device_needs_reset_asked),
	KUNIT_CASE(device_reset_async),
	KUNIT_CASE(device_reset_never_ends),
	KUNIT_CASE(device_reset_never_ends_gone),
	KUNIT_CASE(device_timeout),
	KUNIT_CASE(device_timeout_in_probe),
	KUNIT_CASE(device_timeout_neighbour),
	KUNIT_CASE(device_sysfs),
	KUNIT_CASE(device_shm),
	KUNIT_CASE(device_shm_without),
	KUNIT_CASE(device_freeze),
	KUNIT_CASE(device_freeze_refused),
	KUNIT_CASE(device_stops_at_shutdown),
	KUNIT_CASE(device_removed_while_asked),
	KUNIT_CASE_PARAM(device_burial, burial_gen_params),
	KUNIT_CASE(device_burial_full),
	KUNIT_CASE(device_burial_bad_flags),
	KUNIT_CASE(device_burial_lost),
	KUNIT_CASE(device_net_left_alone),
	KUNIT_CASE(device_dies_in_queue_reset),
	KUNIT_CASE(device_burial_small),
	KUNIT_CASE(device_burial_unheard),
	KUNIT_CASE(device_burial_late),
	KUNIT_CASE(device_no_burial_in_probe),
	KUNIT_CASE(device_keeps_at_the_end),
	KUNIT_CASE(device_keeps_in_probe),
	KUNIT_CASE(device_keeps_at_shutdown),
	KUNIT_CASE(device_keeps_at_freeze),
	KUNIT_CASE(device_gives_back_slowly),
	KUNIT_CASE(device_events_anywhere),
	KUNIT_CASE(device_rfc_config),
	KUNIT_CASE(device_rfc_feature_bits),
	KUNIT_CASE(device_rfc_shm),
	KUNIT_CASE(device_rfc_queue),
	KUNIT_CASE(device_rfc_queue_deaf),
	{}
};

static struct kunit_suite device_suite = {
	.name = "virtio_msg_device",
	.init = device_init,
	.test_cases = device_cases,
};

kunit_test_suite(device_suite);
