// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-msg: tests of vq.c.
 */
#include <kunit/run-in-irq-context.h>
#include <kunit/test.h>
#include <linux/slab.h>
#include <linux/virtio_ring.h>

#include "fake_device.h"

static int vq_init(struct kunit *test)
{
	fake_driver_register(test);
	return 0;
}

static int count(struct fake_dev *fd, u8 id)
{
	return fake_count(fd->fb, false, id);
}

static u8 *new_buf(struct kunit *test, size_t size)
{
	u8 *buf = kunit_kzalloc(test, size, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, buf);
	return buf;
}

static void two_queues(void)
{
	fake_driver.nvqs = 2;
	fake_driver.names[1] = "second";
}

/* Position of the @nth request of a kind, -1 = there is none. */
static int logged(struct fake_bus *fb, u8 id, int nth)
{
	unsigned int i;

	for (i = 0; i < fb->num_log; i++) {
		if (fb->log[i].id == id && !nth--)
			return i;
	}
	return -1;
}

/*
 * Set up
 */

static void vq_setup_order(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	struct vmsg_msg *m;
	struct fake_drv *drv;
	unsigned int i;
	int at, ready;

	two_queues();
	drv = fake_bind(fd);
	KUNIT_EXPECT_EQ(test, count(fd, VIRTIO_MSG_SET_VQUEUE), 2);
	for (i = 0; i < 2; i++) {
		at = logged(fb, VIRTIO_MSG_SET_VQUEUE, i);
		KUNIT_ASSERT_GT(test, at, 0);
		m = &fb->log[at];
		/* What it has, what it gets, whether it took it. */
		KUNIT_EXPECT_EQ(test, m[-1].id, VIRTIO_MSG_GET_VQUEUE);
		KUNIT_EXPECT_EQ(test, m[-1].vqueue.index, i);
		KUNIT_EXPECT_EQ(test, m[0].vqueue.index, i);
		KUNIT_EXPECT_EQ(test, m[0].vqueue.flags,
				VIRTIO_MSG_VQUEUE_OP_ENABLE);
		KUNIT_EXPECT_EQ(test, m[0].vqueue.size, 16);
		KUNIT_EXPECT_EQ(test, m[0].vqueue.reserved, 0);
		KUNIT_EXPECT_EQ(test, m[1].id, VIRTIO_MSG_GET_VQUEUE);
		KUNIT_EXPECT_EQ(test, m[1].vqueue.index, i);
		/* Not the first granule: its address looks like none. */
		KUNIT_EXPECT_GE(test, m[0].vqueue.desc, FAKE_POOL_ADDR + 512);
		KUNIT_EXPECT_EQ(test, m[0].vqueue.desc % 16, 0);
		KUNIT_EXPECT_EQ(test, m[0].vqueue.driver,
				m[0].vqueue.desc + 16 * 16);
		KUNIT_EXPECT_GT(test, m[0].vqueue.device, m[0].vqueue.driver);
		KUNIT_EXPECT_LE(test, m[0].vqueue.device + 4 + 16 * 8,
				FAKE_POOL_ADDR + FAKE_POOL_SIZE);
		KUNIT_EXPECT_EQ(test, m[0].vqueue.desc,
				virtqueue_get_desc_addr(drv->vqs[i]));
	}
	KUNIT_EXPECT_NE(test, fd->vq[0].desc, fd->vq[1].desc);
	/* DRIVER_OK is the last word. */
	ready = fb->num_log - 1;
	KUNIT_EXPECT_EQ(test, fb->log[ready].id, VIRTIO_MSG_SET_DEVICE_STATUS);
	KUNIT_EXPECT_TRUE(test,
			  fb->log[ready].status & VIRTIO_CONFIG_S_DRIVER_OK);
}

struct ring_size {
	u32 max_size;
	bool packed;
	u32 size;
};

static const struct ring_size ring_sizes[] = {
	{ 1, false, 1 }, { 2, false, 2 }, { 16, false, 16 }, { 20, false, 16 },
	{ 255, false, 128 }, { 256, false, 256 }, { 1, true, 1 },
	{ 20, true, 20 }, { 255, true, 255 },
};

static void ring_size_desc(const struct ring_size *s, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%s of %u",
		 s->packed ? "packed" : "split", s->max_size);
}

KUNIT_ARRAY_PARAM(ring_size, ring_sizes, ring_size_desc);

static void vq_size(struct kunit *test)
{
	const struct ring_size *s = test->param_value;
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	struct fake_drv *drv;

	fd->vq[0].max_size = s->max_size;
	fake_offer(fd, VIRTIO_F_RING_PACKED, s->packed);
	drv = fake_bind(fd);
	KUNIT_EXPECT_EQ(test, fd->vq[0].size, s->size);
	KUNIT_EXPECT_TRUE(test, fd->vq[0].enabled);
	KUNIT_EXPECT_EQ(test, virtqueue_get_vring_size(drv->vqs[0]), s->size);
	KUNIT_EXPECT_EQ(test, drv->vqs[0]->num_max, s->size);
}

/* Larger than there is memory for is made smaller. */
static void vq_size_huge(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);

	fd->vq[0].max_size = 0xffffffff;
	fake_bind(fd);
	KUNIT_EXPECT_TRUE(test, fd->vq[0].enabled);
	KUNIT_EXPECT_TRUE(test, is_power_of_2(fd->vq[0].size));
	KUNIT_EXPECT_LE(test, fd->vq[0].size, 32768);
}

/* Announces a device whose probe is expected to fail. */
static int failing_probe(struct fake_dev *fd)
{
	struct fake_bus *fb = fd->fb;

	virtio_msg_bus_add_device(fb->bus, fd->num);
	fake_settle(fb);
	KUNIT_EXPECT_EQ(fb->test, atomic_read(&fake_driver.probes), 1);
	KUNIT_EXPECT_EQ(fb->test, vmsg_pool_used(fb->pool), 0);
	return fake_driver.probe_err;
}

static void vq_not_there(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);

	fd->vq[0].max_size = 0;
	KUNIT_EXPECT_EQ(test, failing_probe(fd), -ENOENT);
	KUNIT_EXPECT_EQ(test, count(fd, VIRTIO_MSG_SET_VQUEUE), 0);
}

static void vq_more_than_device_has(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);

	fd->info.info.max_virtqueues = 1;
	two_queues();
	KUNIT_EXPECT_EQ(test, failing_probe(fd), -ENOENT);
	KUNIT_EXPECT_EQ(test, count(fd, VIRTIO_MSG_GET_VQUEUE), 2);
}

/* Reset comes before the memory goes. */
static void vq_not_taken(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	int set, i;
	bool reset = false;

	two_queues();
	fd->vq[1].deaf = true;
	KUNIT_EXPECT_EQ(test, failing_probe(fd), -EIO);
	set = logged(fb, VIRTIO_MSG_SET_VQUEUE, 1);
	KUNIT_ASSERT_GT(test, set, 0);
	for (i = set; i < fb->num_log; i++)
		reset |= fb->log[i].id == VIRTIO_MSG_SET_DEVICE_STATUS &&
			 !fb->log[i].status;
	KUNIT_EXPECT_TRUE(test, reset);
	KUNIT_EXPECT_FALSE(test, fd->vq[0].enabled);
}

/* One that answers for another queue, or of another size. */
static enum fake_verdict other_queue(struct fake_bus *fb,
				     const struct vmsg_msg *req,
				     struct fake_frame *resp)
{
	if (req->id == VIRTIO_MSG_GET_VQUEUE)
		resp->data[8] ^= 1;
	return FAKE_ANSWER;
}

static enum fake_verdict other_size(struct fake_bus *fb,
				    const struct vmsg_msg *req,
				    struct fake_frame *resp)
{
	if (req->id == VIRTIO_MSG_GET_VQUEUE && resp->data[16])
		resp->data[16] = 8;
	return FAKE_ANSWER;
}

/* An address that the driver side did not give: where it is in the frame. */
static const struct address_case {
	const char *name;
	int offset;
} address_cases[] = {
	{ "descriptor area", 24 },
	{ "driver area", 32 },
	{ "device area", 40 },
};

KUNIT_ARRAY_PARAM_DESC(address_case, address_cases, name);

static enum fake_verdict other_address(struct fake_bus *fb,
				       const struct vmsg_msg *req,
				       struct fake_frame *resp)
{
	const struct address_case *c = fb->test->param_value;

	if (req->id == VIRTIO_MSG_GET_VQUEUE && resp->data[16])
		resp->data[c->offset + 7] ^= 0x80;
	return FAKE_ANSWER;
}

static void vq_wrong_address(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);

	fb->filter = other_address;
	KUNIT_EXPECT_EQ(test, failing_probe(fd), -EIO);
}

static void vq_wrong_answer(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);

	fb->filter = other_queue;
	KUNIT_EXPECT_EQ(test, failing_probe(fd), -EPROTO);
}

static void vq_wrong_size(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);

	fb->filter = other_size;
	KUNIT_EXPECT_EQ(test, failing_probe(fd), -EIO);
}

/* A queue without a name is not there, and takes no index. */
static void vq_without_name(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	struct fake_drv *drv;

	fake_driver.nvqs = 3;
	fake_driver.names[2] = "third";
	drv = fake_bind(fd);
	KUNIT_ASSERT_NOT_NULL(test, drv->vqs[0]);
	KUNIT_EXPECT_NULL(test, drv->vqs[1]);
	KUNIT_ASSERT_NOT_NULL(test, drv->vqs[2]);
	KUNIT_EXPECT_EQ(test, drv->vqs[0]->index, 0);
	KUNIT_EXPECT_EQ(test, drv->vqs[2]->index, 1);
	KUNIT_EXPECT_TRUE(test, fd->vq[1].enabled);
	KUNIT_EXPECT_EQ(test, fake_event_used(fd, 2), -EINVAL);
}

/* And again and again. */
static void vq_rebind(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	struct virtio_device *vdev;
	size_t used;
	int i;

	two_queues();
	vdev = fake_bind(fd)->vdev;
	used = vmsg_pool_used(fb->pool);
	for (i = 0; i < 100; i++) {
		device_release_driver(&vdev->dev);
		KUNIT_ASSERT_EQ(test, vmsg_pool_used(fb->pool), 0);
		KUNIT_ASSERT_EQ(test, 1, device_attach(&vdev->dev));
		KUNIT_ASSERT_EQ(test, vmsg_pool_used(fb->pool), used);
	}
	KUNIT_EXPECT_EQ(test, atomic_read(&fake_driver.probes), 101);
	/* What does not change is asked once. */
	KUNIT_EXPECT_EQ(test, count(fd, VIRTIO_MSG_GET_DEVICE_INFO), 1);
	KUNIT_EXPECT_EQ(test, count(fd, VIRTIO_MSG_GET_DEVICE_FEATURES), 1);
}

/*
 * Data
 */

struct ring_kind {
	const char *name;
	unsigned int bits[3];
};

#define V1	VIRTIO_F_VERSION_1

static const struct ring_kind ring_kinds[] = {
	{ "split", { V1, V1, V1 } },
	{ "split indirect", { VIRTIO_RING_F_INDIRECT_DESC, V1, V1 } },
	{ "split in order", { VIRTIO_F_IN_ORDER, V1, V1 } },
	{ "packed", { VIRTIO_F_RING_PACKED, V1, V1 } },
	{ "packed indirect",
	  { VIRTIO_F_RING_PACKED, VIRTIO_RING_F_INDIRECT_DESC, V1 } },
	{ "packed in order", { VIRTIO_F_RING_PACKED, VIRTIO_F_IN_ORDER, V1 } },
};

KUNIT_ARRAY_PARAM_DESC(ring_kind, ring_kinds, name);

static struct fake_drv *bind_kind(struct fake_dev *fd, const struct ring_kind *k)
{
	bool packed = false;
	struct fake_drv *drv;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(k->bits); i++) {
		fake_offer(fd, k->bits[i], true);
		packed |= k->bits[i] == VIRTIO_F_RING_PACKED;
	}
	drv = fake_bind(fd);
	KUNIT_EXPECT_EQ(fd->fb->test, packed,
			fake_accepted(fd, VIRTIO_F_RING_PACKED));
	/* The virtio core would believe what the device says of it. */
	KUNIT_EXPECT_FALSE(fd->fb->test, fake_accepted(fd, VIRTIO_F_IN_ORDER));
	return drv;
}

/* A buffer there and back, through kick and EVENT_USED. */
static void transfer(struct fake_dev *fd, struct fake_drv *drv, u8 *out, u8 *in)
{
	struct kunit *test = fd->fb->test;
	unsigned int bufs = drv->num_bufs;

	memset(out, 0x10 + bufs, 32);
	memset(in, 0, 64);
	KUNIT_ASSERT_EQ(test, 0, fake_add_buf(drv->vqs[0], out, 32, in, 64));
	virtqueue_kick(drv->vqs[0]);
	KUNIT_ASSERT_TRUE(test,
			  drv_wait(READ_ONCE(drv->num_bufs) == bufs + 1));
	KUNIT_EXPECT_PTR_EQ(test, drv->bufs[bufs], (void *)in);
	KUNIT_EXPECT_EQ(test, drv->lens[bufs], 64);
	KUNIT_EXPECT_MEMEQ(test, in, out, 32);
	KUNIT_EXPECT_NULL(test, memchr_inv(in + 32, 0x5a, 32));
}

static void vq_transfer(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	u8 *out = new_buf(test, 32), *in = new_buf(test, 64);
	struct fake_drv *drv;
	size_t used;
	int i;

	fb->serve = true;
	drv = bind_kind(fd, test->param_value);
	used = vmsg_pool_used(fb->pool);
	for (i = 0; i < 60; i++)
		transfer(fd, drv, out, in);
	KUNIT_EXPECT_EQ(test, vmsg_pool_used(fb->pool), used);
	KUNIT_EXPECT_EQ(test, fb->num_kicks, 60);
	KUNIT_EXPECT_EQ(test, fb->kicks[0].next_offset, 0);
	KUNIT_EXPECT_EQ(test, fb->kicks[59].next_offset, 0);
}

/* As many as fit, used in one go. */
static void vq_transfer_many(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	struct fake_drv *drv;
	unsigned int n, round;

	drv = bind_kind(fd, test->param_value);
	for (round = 0; round < 5; round++) {
		drv->num_bufs = 0;
		for (n = 0; n < 20; n++) {
			if (fake_add_buf(drv->vqs[0], new_buf(test, 16), 16,
					 new_buf(test, 16), 16))
				break;
		}
		KUNIT_ASSERT_GE(test, n, 8);
		virtqueue_kick(drv->vqs[0]);
		KUNIT_EXPECT_EQ(test, fake_vq_serve(fd, 0, UINT_MAX), n);
		fake_event_used(fd, 0);
		KUNIT_EXPECT_EQ(test, drv->num_bufs, n);
	}
}

static void vq_used_goes_to_its_queue(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	struct fake_drv *drv;

	two_queues();
	drv = fake_bind(fd);
	KUNIT_ASSERT_EQ(test, 0, fake_add_buf(drv->vqs[1], NULL, 0,
					      new_buf(test, 8), 8));
	virtqueue_kick(drv->vqs[1]);
	KUNIT_ASSERT_EQ(test, fb->num_kicks, 1);
	KUNIT_EXPECT_EQ(test, fb->kicks[0].dev_num, 3);
	KUNIT_EXPECT_EQ(test, fb->kicks[0].index, 1);
	KUNIT_EXPECT_EQ(test, fake_vq_serve(fd, 1, 1), 1);
	KUNIT_EXPECT_EQ(test, fake_event_used(fd, 0), 0);
	KUNIT_EXPECT_EQ(test, drv->num_bufs, 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&drv->calls[1]), 0);
	KUNIT_EXPECT_EQ(test, virtio_msg_bus_used(fb->bus, 3, 1), 0);
	KUNIT_EXPECT_EQ(test, drv->num_bufs, 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&drv->calls[1]), 1);
}

/* The device gives back what it never got. */
static void vq_nonsense(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	u8 *out = new_buf(test, 32), *in = new_buf(test, 64);
	struct fake_drv *drv = fake_bind(fd);
	struct virtio_device *vdev = drv->vdev;
	struct vring_used *used;

	KUNIT_ASSERT_EQ(test, 0, fake_add_buf(drv->vqs[0], NULL, 0, in, 64));
	used = fb->mem + (fd->vq[0].device - fb->address);
	used->ring[0].id = (__force __virtio32)cpu_to_le32(15);
	used->ring[0].len = (__force __virtio32)cpu_to_le32(64);
	used->idx = (__force __virtio16)cpu_to_le16(1);
	fake_event_used(fd, 0);
	fake_settle(fb);
	KUNIT_EXPECT_TRUE(test, virtqueue_is_broken(drv->vqs[0]));
	KUNIT_EXPECT_EQ(test, READ_ONCE(fake_vmsg_dev(fd)->state),
			VMSG_DEV_NEEDS_RESET);
	/* Nobody else ends what the driver waits for. */
	KUNIT_EXPECT_EQ(test, drv->num_bufs, 1);
	KUNIT_EXPECT_EQ(test, drv->lens[0], 0);
	device_release_driver(&vdev->dev);
	KUNIT_EXPECT_EQ(test, 1, device_attach(&vdev->dev));
	fb->serve = true;
	transfer(fd, fake_driver.drv, out, in);
}

static void vq_used_bad_index(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	struct fake_drv *drv = fake_bind(fd);
	static const u32 bad[] = { 1, 2, 65535, 65536, 0x80000000, 0xffffffff };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		KUNIT_EXPECT_EQ(test, fake_event_used(fd, bad[i]), -EINVAL);
		KUNIT_EXPECT_EQ(test, fake_stat(fb, VMSG_STAT_UNEXPECTED),
				i + 1);
	}
	KUNIT_EXPECT_EQ(test, atomic_read(&drv->calls[0]), 0);
	KUNIT_EXPECT_EQ(test, fake_event_used(fd, 0), 0);
	KUNIT_EXPECT_EQ(test, virtio_msg_bus_check_queue(fb->bus, 3, 1), 0);
	KUNIT_EXPECT_EQ(test, virtio_msg_bus_check_queue(fb->bus, 3, 2),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, virtio_msg_bus_check_queue(fb->bus, 4, 0),
			-ENODEV);
}

static void vq_used_after_end(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	struct fake_drv *drv = fake_bind(fd);

	device_release_driver(&drv->vdev->dev);
	KUNIT_EXPECT_EQ(test, fake_event_used(fd, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, atomic_read(&drv->calls[0]), 0);
}

/*
 * Before DRIVER_OK, and after it
 */

static int kick_in_probe(struct fake_drv *drv)
{
	struct vmsg_dev *vd = to_vmsg_dev(drv->vdev);
	struct fake_bus *fb = virtio_msg_bus_priv(vd->bus);
	int i;

	for (i = 0; i < 3; i++) {
		KUNIT_EXPECT_EQ(fb->test, 0,
				fake_add_buf(drv->vqs[0], NULL, 0,
					     new_buf(fb->test, 8), 8));
		virtqueue_kick(drv->vqs[0]);
	}
	/* No device may see a kick now. */
	KUNIT_EXPECT_EQ(fb->test, fb->num_kicks, 0);
	return 0;
}

static void vq_kick_before_driver_ok(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);

	fake_driver.in_probe = kick_in_probe;
	fake_bind(fd);
	KUNIT_EXPECT_EQ(test, fb->num_kicks, 1);
	KUNIT_EXPECT_EQ(test, fake_vq_serve(fd, 0, UINT_MAX), 3);
}

static int used_in_probe(struct fake_drv *drv)
{
	struct vmsg_dev *vd = to_vmsg_dev(drv->vdev);
	struct fake_bus *fb = virtio_msg_bus_priv(vd->bus);

	KUNIT_EXPECT_EQ(fb->test, 0,
			fake_add_buf(drv->vqs[0], NULL, 0,
				     new_buf(fb->test, 8), 8));
	/* It uses the buffer although it must not look yet. */
	fb->devs[0]->status |= VIRTIO_CONFIG_S_DRIVER_OK;
	KUNIT_EXPECT_EQ(fb->test, 1, fake_vq_serve(fb->devs[0], 0, 1));
	fb->devs[0]->status &= ~VIRTIO_CONFIG_S_DRIVER_OK;
	KUNIT_EXPECT_EQ(fb->test, 0, fake_event_used(fb->devs[0], 0));
	KUNIT_EXPECT_EQ(fb->test, atomic_read(&drv->calls[0]), 0);
	return 0;
}

static void vq_used_before_driver_ok(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	struct fake_drv *drv;

	fake_driver.in_probe = used_in_probe;
	drv = fake_bind(fd);
	KUNIT_EXPECT_EQ(test, atomic_read(&drv->calls[0]), 1);
	KUNIT_EXPECT_EQ(test, drv->num_bufs, 1);
}

/* After a reset no callback runs, and what was marked is forgotten. */
static void vq_quiet_after_reset(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	struct fake_drv *drv = fake_bind(fd);

	fb->room = 0;
	KUNIT_ASSERT_EQ(test, 0, fake_add_buf(drv->vqs[0], NULL, 0,
					      new_buf(test, 8), 8));
	virtqueue_kick(drv->vqs[0]);
	KUNIT_EXPECT_EQ(test, fb->refused, 2);
	virtio_reset_device(drv->vdev);
	fake_event_used(fd, 0);
	fake_room(fb);
	KUNIT_EXPECT_EQ(test, fb->num_kicks, 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&drv->calls[0]), 0);
	KUNIT_EXPECT_GE(test, atomic_read(&fb->syncs), 1);
}

static void vq_kicks_merge(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	struct fake_drv *drv;
	int i;

	two_queues();
	drv = fake_bind(fd);
	fb->room = 0;
	for (i = 0; i < 5; i++) {
		KUNIT_ASSERT_EQ(test, 0,
				fake_add_buf(drv->vqs[i % 2], NULL, 0,
					     new_buf(test, 8), 8));
		virtqueue_kick(drv->vqs[i % 2]);
	}
	fake_room(fb);
	KUNIT_ASSERT_EQ(test, fb->num_kicks, 2);
	KUNIT_EXPECT_EQ(test, fb->kicks[0].index, 0);
	KUNIT_EXPECT_EQ(test, fb->kicks[1].index, 1);
	KUNIT_EXPECT_EQ(test, fake_stat(fb, VMSG_STAT_KICKS_MERGED), 3);
}

/* The driver kicks from within its callback, as many do. */
static void kick_again(struct virtqueue *vq)
{
	struct fake_drv *drv = vq->vdev->priv;
	unsigned int len;
	void *buf;

	while ((buf = virtqueue_get_buf(vq, &len))) {
		if (++drv->num_bufs < 10) {
			fake_add_buf(vq, NULL, 0, buf, 8);
			virtqueue_kick(vq);
		}
	}
	wake_up(&fake_driver.wait);
}

static int hook_callback(struct fake_drv *drv)
{
	drv->vqs[0]->callback = kick_again;
	return 0;
}

static void vq_kick_in_callback(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	struct fake_drv *drv;

	fb->serve = true;
	fake_driver.in_probe = hook_callback;
	drv = fake_bind(fd);
	KUNIT_ASSERT_EQ(test, 0, fake_add_buf(drv->vqs[0], NULL, 0,
					      new_buf(test, 8), 8));
	virtqueue_kick(drv->vqs[0]);
	KUNIT_EXPECT_TRUE(test, drv_wait(READ_ONCE(drv->num_bufs) == 10));
	KUNIT_EXPECT_EQ(test, fb->num_kicks, 10);
}

static void vq_notification_data_split(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	struct fake_drv *drv;
	int i;

	fake_offer(fd, VIRTIO_F_NOTIFICATION_DATA, true);
	drv = fake_bind(fd);
	for (i = 1; i <= 40; i++) {
		KUNIT_ASSERT_EQ(test, 0, fake_add_buf(drv->vqs[0], NULL, 0,
						      new_buf(test, 8), 8));
		virtqueue_kick(drv->vqs[0]);
		/* The available index runs on beyond the ring. */
		KUNIT_EXPECT_EQ(test, fb->kicks[i - 1].next_offset, i);
		fake_vq_serve(fd, 0, 1);
		fake_event_used(fd, 0);
	}
}

/* The index is 16 bits wide, and bit 15 of it is not a wrap counter. */
static void vq_notification_data_split_high(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	u8 *buf = new_buf(test, 8);
	struct fake_drv *drv;
	int i;

	fake_offer(fd, VIRTIO_F_NOTIFICATION_DATA, true);
	drv = fake_bind(fd);
	for (i = 1; i <= 65537; i++) {
		KUNIT_ASSERT_EQ(test, 0,
				fake_add_buf(drv->vqs[0], NULL, 0, buf, 8));
		fb->num_kicks = 0;
		drv->num_bufs = 0;
		virtqueue_kick(drv->vqs[0]);
		if (fb->kicks[0].next_offset != (u16)i)
			break;
		fake_vq_serve(fd, 0, 1);
		fake_event_used(fd, 0);
	}
	KUNIT_EXPECT_EQ(test, i, 65538);
}

static void vq_notification_data_packed(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	struct fake_drv *drv;
	u32 want;
	int i;

	fake_offer(fd, VIRTIO_F_NOTIFICATION_DATA, true);
	fake_offer(fd, VIRTIO_F_RING_PACKED, true);
	drv = fake_bind(fd);
	for (i = 1; i <= 40; i++) {
		KUNIT_ASSERT_EQ(test, 0, fake_add_buf(drv->vqs[0], NULL, 0,
						      new_buf(test, 8), 8));
		virtqueue_kick(drv->vqs[0]);
		/* The wrap counter begins with 1. */
		want = i % 16;
		if (i / 16 % 2 == 0)
			want |= VIRTIO_MSG_AVAIL_WRAP;
		KUNIT_EXPECT_EQ(test, fb->kicks[i - 1].next_offset, want);
		fake_vq_serve(fd, 0, 1);
		fake_event_used(fd, 0);
	}
}

static int kick_data_in_probe(struct fake_drv *drv)
{
	kick_in_probe(drv);
	return 0;
}

static void vq_notification_data_late(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);

	fake_offer(fd, VIRTIO_F_NOTIFICATION_DATA, true);
	fake_driver.in_probe = kick_data_in_probe;
	fake_bind(fd);
	KUNIT_ASSERT_EQ(test, fb->num_kicks, 1);
	KUNIT_EXPECT_EQ(test, fb->kicks[0].next_offset, 3);
}

/*
 * Reset of one queue
 */

static void recycle(struct virtqueue *vq, void *buf)
{
	struct fake_drv *drv = vq->vdev->priv;

	drv->bufs[drv->num_bufs++] = buf;
}

static void vq_ring_reset(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	u8 *out = new_buf(test, 32), *in = new_buf(test, 64);
	struct fake_drv *drv;
	int i;

	fake_offer(fd, VIRTIO_F_RING_RESET, true);
	two_queues();
	drv = bind_kind(fd, test->param_value);
	/* The virtio core alone would have dropped the feature. */
	KUNIT_EXPECT_TRUE(test, fake_accepted(fd, VIRTIO_F_RING_RESET));
	for (i = 0; i < 3; i++)
		KUNIT_ASSERT_EQ(test, 0, fake_add_buf(drv->vqs[0], NULL, 0,
						      new_buf(test, 8), 8));
	fb->room = 0;
	virtqueue_kick(drv->vqs[0]);

	KUNIT_ASSERT_EQ(test, 0, virtqueue_reset(drv->vqs[0], recycle, NULL));
	KUNIT_EXPECT_EQ(test, drv->num_bufs, 3);
	KUNIT_EXPECT_EQ(test, count(fd, VIRTIO_MSG_RESET_VQUEUE), 1);
	KUNIT_EXPECT_EQ(test, count(fd, VIRTIO_MSG_SET_VQUEUE), 3);
	KUNIT_EXPECT_TRUE(test, fd->vq[0].enabled);
	KUNIT_EXPECT_TRUE(test, fd->vq[1].enabled);
	KUNIT_EXPECT_EQ(test, fd->resets, 1);
	/* A kick of before is not one of after. */
	fake_room(fb);
	KUNIT_EXPECT_EQ(test, fb->num_kicks, 0);

	fb->serve = true;
	for (i = 0; i < 20; i++)
		transfer(fd, drv, out, in);
}

static void vq_resize(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	u8 *out = new_buf(test, 32), *in = new_buf(test, 64);
	struct fake_drv *drv;

	fake_offer(fd, VIRTIO_F_RING_RESET, true);
	fb->serve = true;
	drv = bind_kind(fd, test->param_value);
	KUNIT_ASSERT_EQ(test, 0, virtqueue_resize(drv->vqs[0], 8, recycle, NULL));
	KUNIT_EXPECT_EQ(test, fd->vq[0].size, 8);
	KUNIT_EXPECT_EQ(test, fd->vq[0].desc,
			virtqueue_get_desc_addr(drv->vqs[0]));
	transfer(fd, drv, out, in);
	KUNIT_EXPECT_NE(test, 0, virtqueue_resize(drv->vqs[0], 32, recycle, NULL));
	KUNIT_ASSERT_EQ(test, 0, virtqueue_resize(drv->vqs[0], 16, recycle, NULL));
	transfer(fd, drv, out, in);
}

static void vq_ring_reset_not_offered(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	u8 *out = new_buf(test, 32), *in = new_buf(test, 64);
	struct fake_drv *drv;

	fb->serve = true;
	drv = fake_bind(fd);
	KUNIT_EXPECT_EQ(test, -ENOENT,
			virtqueue_reset(drv->vqs[0], recycle, NULL));
	KUNIT_EXPECT_EQ(test, count(fd, VIRTIO_MSG_RESET_VQUEUE), 0);
	transfer(fd, drv, out, in);
}

/* The device does not take the queue back. */
static void vq_ring_reset_fails(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	struct virtio_device *vdev;
	struct fake_drv *drv;

	fake_offer(fd, VIRTIO_F_RING_RESET, true);
	drv = fake_bind(fd);
	vdev = drv->vdev;
	fd->vq[0].deaf = true;
	KUNIT_EXPECT_NE(test, 0, virtqueue_reset(drv->vqs[0], recycle, NULL));
	KUNIT_EXPECT_EQ(test, fake_event_used(fd, 0), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&drv->calls[0]), 0);
	fd->vq[0].deaf = false;
	device_release_driver(&vdev->dev);
	KUNIT_EXPECT_EQ(test, vmsg_pool_used(fb->pool), 0);
	KUNIT_EXPECT_EQ(test, 1, device_attach(&vdev->dev));
	KUNIT_EXPECT_EQ(test, fake_driver.probe_err, 0);
}

/* EVENT_USED while its queue is reset has nobody to go to. */
static enum fake_verdict used_in_reset(struct fake_bus *fb,
				       const struct vmsg_msg *req,
				       struct fake_frame *resp)
{
	if (req->id == VIRTIO_MSG_RESET_VQUEUE)
		fake_event_used(fb->devs[0], 0);
	return FAKE_ANSWER;
}

static void vq_ring_reset_used(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	struct fake_drv *drv;

	fake_offer(fd, VIRTIO_F_RING_RESET, true);
	drv = fake_bind(fd);
	/* Otherwise the virtio core has nothing to hand to the driver. */
	KUNIT_ASSERT_EQ(test, 0, fake_add_buf(drv->vqs[0], NULL, 0,
					      new_buf(test, 8), 8));
	KUNIT_EXPECT_EQ(test, fake_vq_serve(fd, 0, 1), 1);
	fb->filter = used_in_reset;
	KUNIT_ASSERT_EQ(test, 0, virtqueue_reset(drv->vqs[0], recycle, NULL));
	KUNIT_EXPECT_EQ(test, atomic_read(&drv->calls[0]), 0);
	KUNIT_EXPECT_EQ(test, drv->num_bufs, 1);
}

struct storm {
	struct fake_dev *fd;
	struct fake_drv *drv;
	u8 *buf;
};

/* The whole data path in one function, from anywhere. */
static bool data_storm(void *arg)
{
	struct storm *s = arg;
	unsigned long flags;

	/* A driver has a lock of its own around its queue. */
	spin_lock_irqsave(&s->drv->lock, flags);
	s->drv->num_bufs = 0;
	if (s->drv->vqs[0]->num_free > 2 &&
	    !fake_add_buf(s->drv->vqs[0], NULL, 0, s->buf, 8))
		virtqueue_kick(s->drv->vqs[0]);
	spin_unlock_irqrestore(&s->drv->lock, flags);
	fake_vq_serve(s->fd, 0, UINT_MAX);
	return !virtio_msg_bus_used(s->fd->fb->bus, 3, 0);
}

static void vq_data_anywhere(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	struct fake_drv *drv = fake_bind(fd);
	struct storm s = { .fd = fd, .drv = drv, .buf = new_buf(test, 8) };

	kunit_run_irq_test(test, data_storm, 2000, &s);
	KUNIT_EXPECT_FALSE(test, virtqueue_is_broken(drv->vqs[0]));
	KUNIT_EXPECT_GT(test, fb->num_kicks, 10);
}

static struct kunit_case vq_cases[] = {
	KUNIT_CASE(vq_setup_order),
	KUNIT_CASE_PARAM(vq_size, ring_size_gen_params),
	KUNIT_CASE(vq_size_huge),
	KUNIT_CASE(vq_not_there),
	KUNIT_CASE(vq_more_than_device_has),
	KUNIT_CASE(vq_not_taken),
	KUNIT_CASE(vq_wrong_answer),
	KUNIT_CASE_PARAM(vq_wrong_address, address_case_gen_params),
	KUNIT_CASE(vq_wrong_size),
	KUNIT_CASE(vq_without_name),
	KUNIT_CASE(vq_rebind),
	KUNIT_CASE_PARAM(vq_transfer, ring_kind_gen_params),
	KUNIT_CASE_PARAM(vq_transfer_many, ring_kind_gen_params),
	KUNIT_CASE(vq_used_goes_to_its_queue),
	KUNIT_CASE(vq_nonsense),
	KUNIT_CASE(vq_used_bad_index),
	KUNIT_CASE(vq_used_after_end),
	KUNIT_CASE(vq_kick_before_driver_ok),
	KUNIT_CASE(vq_used_before_driver_ok),
	KUNIT_CASE(vq_quiet_after_reset),
	KUNIT_CASE(vq_kicks_merge),
	KUNIT_CASE(vq_kick_in_callback),
	KUNIT_CASE(vq_notification_data_split),
	KUNIT_CASE(vq_notification_data_split_high),
	KUNIT_CASE(vq_notification_data_packed),
	KUNIT_CASE(vq_notification_data_late),
	KUNIT_CASE_PARAM(vq_ring_reset, ring_kind_gen_params),
	KUNIT_CASE_PARAM(vq_resize, ring_kind_gen_params),
	KUNIT_CASE(vq_ring_reset_not_offered),
	KUNIT_CASE(vq_ring_reset_fails),
	KUNIT_CASE(vq_ring_reset_used),
	KUNIT_CASE(vq_data_anywhere),
	{}
};

static struct kunit_suite vq_suite = {
	.name = "virtio_msg_vq",
	.init = vq_init,
	.test_cases = vq_cases,
};

kunit_test_suite(vq_suite);
