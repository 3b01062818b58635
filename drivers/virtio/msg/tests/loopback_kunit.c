// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-msg: tests of loopback.c.
 *
 * They open the real node, out of a devtmpfs that nobody else sees, and call its
 * operations with memory of a user. The program on the other side is the test
 * itself, with a model of fake_device.c behind it.
 */
#include <kunit/test.h>
#include <linux/eventfd.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mman.h>
#include <linux/mount.h>
#include <linux/poll.h>
#include <linux/shmem_fs.h>
#include <linux/slab.h>
#include <linux/syscalls.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include <uapi/linux/fcntl.h>
#include <uapi/linux/virtio_msg_lb.h>

#include "fake_device.h"

#define BUS	VIRTIO_MSG_TYPE_BUS
#define RESP	VIRTIO_MSG_TYPE_RESPONSE
#define USER	(16 * PAGE_SIZE)

/**
 * struct lb - a program
 * @test: the test
 * @mnt: where the node is
 * @file: the open node
 * @user: memory of the user, USER bytes
 * @setup: what SETUP said
 * @fb: models of its devices
 * @pages: of the pool
 */
struct lb {
	struct kunit *test;
	struct vfsmount *mnt;
	struct file *file;
	void __user *user;
	struct virtio_msg_lb_setup setup;
	struct fake_bus *fb;
	struct page *pages[FAKE_POOL_SIZE / PAGE_SIZE];
};

static void lb_close(struct lb *lb)
{
	if (lb->file)
		__fput_sync(lb->file);
	lb->file = NULL;
}

static void lb_end(void *arg)
{
	struct lb *lb = arg;
	unsigned int i;

	lb_close(lb);
	if (lb->setup.pool_fd > 0)
		close_fd(lb->setup.pool_fd);
	flush_delayed_fput();
	for (i = 0; i < lb->fb->num_devs; i++)
		kfree(lb->fb->devs[i]);
	vunmap(lb->fb->mem);
	for (i = 0; i < ARRAY_SIZE(lb->pages) && lb->pages[i]; i++)
		put_page(lb->pages[i]);
	kern_unmount(lb->mnt);
	kfree(lb->fb);
	kfree(lb);
}

static void lb_open(struct lb *lb)
{
	int err;

	lb->file = file_open_root_mnt(lb->mnt, "virtio-msg-lb",
				      O_RDWR | O_NONBLOCK, 0);
	if (IS_MODULE(CONFIG_VIRTIO_MSG_LOOPBACK) && IS_ERR(lb->file)) {
		lb->file = NULL;
		kunit_skip(lb->test, "virtio_msg_loopback is not loaded");
	}
	if (IS_ERR(lb->file)) {
		err = PTR_ERR(lb->file);
		lb->file = NULL;
		KUNIT_FAIL_AND_ABORT(lb->test, "the node cannot be opened: %d",
				     err);
	}
}

static int lb_init(struct kunit *test)
{
	struct file_system_type *type = get_fs_type("devtmpfs");
	unsigned long user;
	struct lb *lb;

	if (!IS_ENABLED(CONFIG_DEVTMPFS) || !type)
		kunit_skip(test, "needs CONFIG_DEVTMPFS");
	fake_driver_register(test);
	lb = kzalloc_obj(*lb);
	KUNIT_ASSERT_NOT_NULL(test, lb);
	lb->test = test;
	lb->fb = kzalloc_obj(*lb->fb);
	KUNIT_ASSERT_NOT_NULL(test, lb->fb);
	fake_models_init(lb->fb, test);
	lb->mnt = kern_mount(type);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, lb->mnt);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, lb_end, lb));
	user = kunit_vm_mmap(test, NULL, 0, USER, PROT_READ | PROT_WRITE,
			     MAP_ANONYMOUS | MAP_PRIVATE, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(user));
	lb->user = (void __user *)user;
	lb_open(lb);
	test->priv = lb;
	return 0;
}

static long lb_ioctl(struct lb *lb, unsigned int cmd, void *arg, size_t size)
{
	long ret;

	KUNIT_ASSERT_EQ(lb->test, 0, copy_to_user(lb->user, arg, size));
	ret = lb->file->f_op->unlocked_ioctl(lb->file, cmd,
					     (unsigned long)lb->user);
	KUNIT_ASSERT_EQ(lb->test, 0, copy_from_user(arg, lb->user, size));
	return ret;
}

static ssize_t lb_read(struct lb *lb, void *buf, size_t size)
{
	loff_t pos = 0;
	ssize_t n;

	n = lb->file->f_op->read(lb->file, lb->user, size, &pos);
	if (n > 0)
		KUNIT_ASSERT_EQ(lb->test, 0, copy_from_user(buf, lb->user, n));
	return n;
}

static ssize_t lb_write(struct lb *lb, const void *buf, size_t size)
{
	loff_t pos = 0;

	KUNIT_ASSERT_EQ(lb->test, 0, copy_to_user(lb->user, buf, size));
	return lb->file->f_op->write(lb->file, lb->user, size, &pos);
}

static __poll_t lb_poll(struct lb *lb)
{
	return lb->file->f_op->poll(lb->file, NULL);
}

static struct virtio_msg_lb_setup good_setup(void)
{
	return (struct virtio_msg_lb_setup) {
		.size = sizeof(struct virtio_msg_lb_setup),
		.revision = VIRTIO_MSG_REVISION_1,
		.max_msg_size = 264,
		.pool_size = FAKE_POOL_SIZE,
		.pool_fd = -1,
	};
}

static long lb_setup(struct lb *lb, struct virtio_msg_lb_setup *setup)
{
	long err = lb_ioctl(lb, VIRTIO_MSG_LB_SETUP, setup, sizeof(*setup));

	if (!err)
		lb->setup = *setup;
	return err;
}

static void lb_good_setup(struct lb *lb)
{
	struct virtio_msg_lb_setup setup = good_setup();

	KUNIT_ASSERT_EQ(lb->test, lb_setup(lb, &setup), 0);
}

/* A memfd of @size bytes as a descriptor. */
static int new_memfd(struct kunit *test, size_t size, unsigned int seals)
{
	struct file *file = shmem_file_setup("pool", size, EMPTY_VMA_FLAGS);
	int fd;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, file);
	SHMEM_I(file_inode(file))->seals = seals;
	fd = get_unused_fd_flags(O_CLOEXEC);
	KUNIT_ASSERT_GE(test, fd, 0);
	fd_install(fd, file);
	return fd;
}

/*
 * SETUP
 */

enum setup_field {
	FIELD_SIZE,
	FIELD_FLAGS,
	FIELD_REVISION,
	FIELD_MAX_MSG_SIZE,
	FIELD_FEATURES,
	FIELD_POOL_SIZE,
	FIELD_POOL_ADDR,
	FIELD_POOL_FD,
	FIELD_TIMEOUT_MS,
	FIELD_BUS_NUM,
	FIELD_RESERVED_0,
	FIELD_RESERVED_4,
};

struct setup_case {
	const char *name;
	enum setup_field field;
	u64 value;
	long err;
};

static const struct setup_case setup_cases[] = {
	{ "flags", FIELD_FLAGS, 1, -EINVAL },
	{ "highest flag", FIELD_FLAGS, 0x80000000, -EINVAL },
	{ "revision 0", FIELD_REVISION, 0, -EOPNOTSUPP },
	{ "revision 2", FIELD_REVISION, 2, -EOPNOTSUPP },
	{ "51 bytes", FIELD_MAX_MSG_SIZE, 51, -EMSGSIZE },
	{ "65536 bytes", FIELD_MAX_MSG_SIZE, 65536, -EMSGSIZE },
	{ "unknown feature", FIELD_FEATURES, 2, -EOPNOTSUPP },
	{ "feature 63", FIELD_FEATURES, BIT_ULL(63), -EOPNOTSUPP },
	{ "no pool size", FIELD_POOL_SIZE, 0, -ENOSPC },
	{ "pool too small", FIELD_POOL_SIZE, 0xf000, -ENOSPC },
	{ "pool too large", FIELD_POOL_SIZE, 0x40001000, -ENOSPC },
	{ "pool far too large", FIELD_POOL_SIZE, U64_MAX, -ENOSPC },
	{ "pool size not in pages", FIELD_POOL_SIZE, 0x20001, -ENOSPC },
	{ "pool address", FIELD_POOL_ADDR, 0x1000, -EINVAL },
	{ "bus number", FIELD_BUS_NUM, 1, -EINVAL },
	{ "descriptor -2", FIELD_POOL_FD, (u32)-2, -EINVAL },
	{ "descriptor not open", FIELD_POOL_FD, 900, -EBADF },
	{ "9 ms", FIELD_TIMEOUT_MS, 9, -EINVAL },
	{ "60001 ms", FIELD_TIMEOUT_MS, 60001, -EINVAL },
	{ "first reserved", FIELD_RESERVED_0, 1, -EINVAL },
	{ "last reserved", FIELD_RESERVED_4, 1, -EINVAL },
	{ "size 0", FIELD_SIZE, 0, -EINVAL },
	{ "size too small", FIELD_SIZE, 8, -EINVAL },
	{ "size not that of the command", FIELD_SIZE, 512, -EINVAL },
};

KUNIT_ARRAY_PARAM_DESC(setup_case, setup_cases, name);

static void put_field(struct virtio_msg_lb_setup *setup, enum setup_field field,
		      u64 value)
{
	switch (field) {
	case FIELD_SIZE:
		setup->size = value;
		break;
	case FIELD_FLAGS:
		setup->flags = value;
		break;
	case FIELD_REVISION:
		setup->revision = value;
		break;
	case FIELD_MAX_MSG_SIZE:
		setup->max_msg_size = value;
		break;
	case FIELD_FEATURES:
		setup->features = value;
		break;
	case FIELD_POOL_SIZE:
		setup->pool_size = value;
		break;
	case FIELD_POOL_ADDR:
		setup->pool_addr = value;
		break;
	case FIELD_POOL_FD:
		setup->pool_fd = value;
		break;
	case FIELD_TIMEOUT_MS:
		setup->timeout_ms = value;
		break;
	case FIELD_BUS_NUM:
		setup->bus_num = value;
		break;
	case FIELD_RESERVED_0:
		setup->reserved[0] = value;
		break;
	case FIELD_RESERVED_4:
		setup->reserved[4] = value;
		break;
	}
}

/* It says what is wrong, and the file is as it was. */
static void lb_setup_refused(struct kunit *test)
{
	const struct setup_case *c = test->param_value;
	struct virtio_msg_lb_setup setup = good_setup(), again;
	struct lb *lb = test->priv;
	u8 none;

	put_field(&setup, c->field, c->value);
	again = setup;
	KUNIT_EXPECT_EQ(test, lb_setup(lb, &setup), c->err);
	KUNIT_EXPECT_MEMEQ(test, &setup, &again, sizeof(setup));
	KUNIT_EXPECT_EQ(test, lb_read(lb, &none, 0), -ENOTCONN);
	setup = good_setup();
	KUNIT_EXPECT_EQ(test, lb_setup(lb, &setup), 0);
}

static void lb_setup_good(struct kunit *test)
{
	struct virtio_msg_lb_setup setup = good_setup();
	struct lb *lb = test->priv;
	struct file *file;

	KUNIT_ASSERT_EQ(test, lb_setup(lb, &setup), 0);
	KUNIT_EXPECT_EQ(test, setup.pool_size, FAKE_POOL_SIZE);
	KUNIT_ASSERT_GE(test, setup.pool_fd, 0);
	file = fget(setup.pool_fd);
	KUNIT_ASSERT_NOT_NULL(test, file);
	KUNIT_EXPECT_TRUE(test, shmem_file(file));
	KUNIT_EXPECT_EQ(test, i_size_read(file_inode(file)), FAKE_POOL_SIZE);
	KUNIT_EXPECT_TRUE(test, SHMEM_I(file_inode(file))->seals & F_SEAL_SHRINK);
	fput(file);
	/* Once is enough. */
	setup = good_setup();
	KUNIT_EXPECT_EQ(test, lb_setup(lb, &setup), -EBUSY);
}

/* A structure from the future. */
static void lb_setup_larger(struct kunit *test)
{
	struct {
		struct virtio_msg_lb_setup setup;
		u64 more;
	} big = { good_setup(), 1 };
	unsigned int cmd = _IOC(_IOC_READ | _IOC_WRITE, VIRTIO_MSG_LB_MAGIC, 1,
				sizeof(big));
	struct lb *lb = test->priv;

	big.setup.size = sizeof(big);
	KUNIT_EXPECT_EQ(test, lb_ioctl(lb, cmd, &big, sizeof(big)), -E2BIG);
	big.more = 0;
	KUNIT_EXPECT_EQ(test, lb_ioctl(lb, cmd, &big, sizeof(big)), 0);
	lb->setup = big.setup;
}

/* Smaller than there ever was one. */
static void lb_smaller(struct kunit *test)
{
	static const unsigned int sizes[] = { 4, 16, 32, 40 };
	struct lb *lb = test->priv;
	struct virtio_msg_lb_setup setup;
	unsigned int i, cmd;
	u64 arg[8];

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		setup = good_setup();
		setup.size = sizes[i];
		cmd = _IOC(_IOC_READ | _IOC_WRITE, VIRTIO_MSG_LB_MAGIC, 1,
			   sizes[i]);
		KUNIT_EXPECT_EQ(test, -EINVAL,
				lb_ioctl(lb, cmd, &setup, sizeof(setup)));
	}
	lb_good_setup(lb);
	for (i = 0; i < ARRAY_SIZE(sizes) - 1; i++) {
		memset(arg, 0, sizeof(arg));
		memcpy(arg, &sizes[i], sizeof(sizes[i]));
		cmd = _IOC(_IOC_WRITE, VIRTIO_MSG_LB_MAGIC, 2, sizes[i]);
		KUNIT_EXPECT_EQ(test, -EINVAL,
				lb_ioctl(lb, cmd, arg, sizeof(arg)));
	}
	/* Of INFO there may be as much as one wants to know. */
	memset(arg, 0xee, sizeof(arg));
	memcpy(arg, &sizes[1], sizeof(sizes[1]));
	cmd = _IOC(_IOC_READ | _IOC_WRITE, VIRTIO_MSG_LB_MAGIC, 0, 16);
	KUNIT_EXPECT_EQ(test, 0, lb_ioctl(lb, cmd, arg, sizeof(arg)));
	KUNIT_EXPECT_EQ(test, (u32)arg[0], 16);
	KUNIT_EXPECT_EQ(test, arg[0] >> 32, VIRTIO_MSG_REVISION_1);
	KUNIT_EXPECT_EQ(test, arg[2], 0xeeeeeeeeeeeeeeeeULL);
}

struct memfd_case {
	const char *name;
	size_t size;
	u64 want;
	unsigned int seals;
	long err;
};

static const struct memfd_case memfd_cases[] = {
	{ "all of it", 0x20000, 0, F_SEAL_SHRINK, 0 },
	{ "a part of it", 0x20000, 0x10000, F_SEAL_SHRINK, 0 },
	{ "more seals", 0x20000, 0, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL,
	  0 },
	{ "not sealed", 0x20000, 0, 0, -EPERM },
	{ "another seal", 0x20000, 0, F_SEAL_GROW, -EPERM },
	{ "sealed against writing", 0x20000, 0, F_SEAL_SHRINK | F_SEAL_WRITE,
	  -EPERM },
	{ "sealed against future writing", 0x20000, 0,
	  F_SEAL_SHRINK | F_SEAL_FUTURE_WRITE, -EPERM },
	{ "less than asked for", 0x20000, 0x21000, F_SEAL_SHRINK, -ENOSPC },
	{ "too small", 0x8000, 0, F_SEAL_SHRINK, -ENOSPC },
	{ "empty", 0, 0, F_SEAL_SHRINK, -ENOSPC },
	{ "not in pages", 0x20800, 0, F_SEAL_SHRINK, -ENOSPC },
};

KUNIT_ARRAY_PARAM_DESC(memfd_case, memfd_cases, name);

static void lb_memfd(struct kunit *test)
{
	const struct memfd_case *c = test->param_value;
	struct virtio_msg_lb_setup setup = good_setup();
	struct lb *lb = test->priv;
	int fd = new_memfd(test, c->size, c->seals);

	setup.pool_fd = fd;
	setup.pool_size = c->want;
	KUNIT_EXPECT_EQ(test, lb_setup(lb, &setup), c->err);
	lb->setup.pool_fd = 0;
	if (!c->err) {
		KUNIT_EXPECT_EQ(test, setup.pool_fd, fd);
		KUNIT_EXPECT_EQ(test, setup.pool_size, c->want ?: c->size);
	} else {
		setup = good_setup();
		KUNIT_EXPECT_EQ(test, lb_setup(lb, &setup), 0);
	}
	close_fd(fd);
}

static void lb_memfd_other_file(struct kunit *test)
{
	struct virtio_msg_lb_setup setup = good_setup();
	struct lb *lb = test->priv;
	int fd = get_unused_fd_flags(O_CLOEXEC);

	KUNIT_ASSERT_GE(test, fd, 0);
	fd_install(fd, get_file(lb->file));
	setup.pool_fd = fd;
	KUNIT_EXPECT_EQ(test, lb_setup(lb, &setup), -EINVAL);
	close_fd(fd);
	flush_delayed_fput();
}

static void lb_before_setup(struct kunit *test)
{
	struct virtio_msg_lb_queue queue = {
		.size = sizeof(queue), .kick_fd = -1, .used_fd = -1,
	};
	struct lb *lb = test->priv;
	u8 frame[16] = { [6] = 16 };

	KUNIT_EXPECT_EQ(test, lb_read(lb, frame, 16), -ENOTCONN);
	KUNIT_EXPECT_EQ(test, lb_write(lb, frame, 16), -ENOTCONN);
	KUNIT_EXPECT_EQ(test, lb_ioctl(lb, VIRTIO_MSG_LB_QUEUE, &queue,
				       sizeof(queue)), -ENOTCONN);
	KUNIT_EXPECT_TRUE(test, lb_poll(lb) & EPOLLERR);
}

static void lb_unknown_ioctl(struct kunit *test)
{
	struct lb *lb = test->priv;
	u64 arg[8] = { sizeof(arg) };

	KUNIT_EXPECT_EQ(test, -ENOTTY,
			lb_ioctl(lb, _IOWR(VIRTIO_MSG_LB_MAGIC, 3, u64[8]), arg,
				 sizeof(arg)));
	KUNIT_EXPECT_EQ(test, -ENOTTY,
			lb_ioctl(lb, _IOWR(VIRTIO_MSG_LB_MAGIC, 255, u64[8]),
				 arg, sizeof(arg)));
	KUNIT_EXPECT_EQ(test, -ENOTTY,
			lb_ioctl(lb, _IOWR(0x81, 0, u64[8]), arg, sizeof(arg)));
}

static void lb_info(struct kunit *test)
{
	struct virtio_msg_lb_info info = { .size = sizeof(info) };
	struct lb *lb = test->priv;

	KUNIT_ASSERT_EQ(test, 0, lb_ioctl(lb, VIRTIO_MSG_LB_INFO, &info,
					  sizeof(info)));
	KUNIT_EXPECT_EQ(test, info.size, sizeof(info));
	KUNIT_EXPECT_EQ(test, info.revision, 1);
	KUNIT_EXPECT_EQ(test, info.min_msg_size, 52);
	KUNIT_EXPECT_EQ(test, info.max_msg_size, 65535);
	KUNIT_EXPECT_EQ(test, info.features, 1);
	KUNIT_EXPECT_EQ(test, info.pool_min, VIRTIO_MSG_LB_POOL_MIN);
	KUNIT_EXPECT_EQ(test, info.pool_max, VIRTIO_MSG_LB_POOL_MAX);
	KUNIT_EXPECT_EQ(test, info.reserved[0] | info.reserved[1], 0);
}

/* A structure from the future, once with something in it. */
static void lb_info_larger(struct kunit *test)
{
	struct {
		struct virtio_msg_lb_info info;
		u64 more;
	} big = { { .size = sizeof(big) }, 1 };
	unsigned int cmd = _IOC(_IOC_READ | _IOC_WRITE, VIRTIO_MSG_LB_MAGIC, 0,
				sizeof(big));
	struct lb *lb = test->priv;

	KUNIT_EXPECT_EQ(test, lb_ioctl(lb, cmd, &big, sizeof(big)), -E2BIG);
	big.info.size = sizeof(big);
	big.more = 0;
	KUNIT_EXPECT_EQ(test, lb_ioctl(lb, cmd, &big, sizeof(big)), 0);
	KUNIT_EXPECT_EQ(test, big.info.size, sizeof(big.info));
	KUNIT_EXPECT_EQ(test, big.info.revision, 1);
}

/*
 * Frames
 */

static void lb_read_rules(struct kunit *test)
{
	struct lb *lb = test->priv;
	struct vmsg_msg msg;
	unsigned int i;
	u8 frame[64];

	lb_good_setup(lb);
	/* The kernel looks for devices. */
	for (i = 0; i < 1000 && !(lb_poll(lb) & EPOLLIN); i++)
		schedule_timeout_uninterruptible(1);
	KUNIT_ASSERT_TRUE(test, lb_poll(lb) & EPOLLIN);
	/* Too small a buffer leaves the frame where it is. */
	for (i = 0; i < 12; i++)
		KUNIT_EXPECT_EQ(test, lb_read(lb, frame, i), -EMSGSIZE);
	KUNIT_ASSERT_EQ(test, lb_read(lb, frame, sizeof(frame)), 12);
	KUNIT_ASSERT_EQ(test, 12, vmsg_wire_decode(VMSG_DIALECT_1, frame, 12, 264, &msg));
	KUNIT_EXPECT_EQ(test, msg.type, BUS);
	KUNIT_EXPECT_EQ(test, msg.id, VIRTIO_MSG_BUS_GET_DEVICES);
	/* There is no other. */
	KUNIT_EXPECT_EQ(test, lb_read(lb, frame, sizeof(frame)), -EAGAIN);
	KUNIT_EXPECT_FALSE(test, lb_poll(lb) & EPOLLIN);
	KUNIT_EXPECT_TRUE(test, lb_poll(lb) & EPOLLOUT);
}

struct bad_write {
	const char *name;
	size_t len;
	u8 hdr[8];
	ssize_t err;
};

static const struct bad_write bad_writes[] = {
	{ "nothing", 0, {}, -EMSGSIZE },
	{ "7 bytes", 7, { 0 }, -EMSGSIZE },
	{ "msg_size 0", 8, { 0, 0x40, [6] = 0 }, -EMSGSIZE },
	{ "shorter than msg_size", 16, { 0, 0x42, [6] = 17 }, -EMSGSIZE },
	{ "longer than the bus allows", 265, { 0, 0x42, [6] = 12 }, -EMSGSIZE },
	{ "far longer", 65536, { 0, 0x42, [6] = 12 }, -EMSGSIZE },
	{ "msg_size above the limit", 264, { 0, 0x42, [6] = 9, 1 }, -EMSGSIZE },
	{ "payload too short", 8, { 0, 0x42, [6] = 8 }, -EMSGSIZE },
	{ "answer to nobody", 12, { 1, 0x07, [4] = 0x99, [6] = 12 }, -ENOENT },
	{ "request", 8, { 0, 0x02, [6] = 8 }, -EBADMSG },
	{ "EVENT_AVAIL", 16, { 0, 0x41, [6] = 16 }, -EBADMSG },
	{ "unknown id", 8, { 0, 0x3f, [6] = 8 }, -EBADMSG },
	{ "event of no device", 12, { 0, 0x42, [6] = 12 }, -ENODEV },
};

KUNIT_ARRAY_PARAM_DESC(bad_write, bad_writes, name);

static void lb_write_rules(struct kunit *test)
{
	const struct bad_write *b = test->param_value;
	struct lb *lb = test->priv;
	u8 *frame = kunit_kzalloc(test, max(b->len, 8UL), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, frame);
	lb_good_setup(lb);
	memcpy(frame, b->hdr, 8);
	KUNIT_EXPECT_EQ(test, lb_write(lb, frame, b->len), b->err);
}

/*
 * Devices
 */

static void lb_write_msg(struct lb *lb, const struct vmsg_msg *msg)
{
	u8 frame[64] __aligned(8);
	int size = vmsg_wire_encode(VMSG_DIALECT_1, msg, frame, sizeof(frame));

	KUNIT_ASSERT_GT(lb->test, size, 0);
	KUNIT_EXPECT_EQ(lb->test, lb_write(lb, frame, size), size);
}

/* Answers one frame, if there is one; notes a kick. */
static ssize_t lb_serve_one(struct lb *lb)
{
	struct fake_frame *resp = kunit_kzalloc(lb->test, sizeof(*resp),
						GFP_KERNEL);
	struct vmsg_msg req;
	u8 frame[264];
	ssize_t n;

	KUNIT_ASSERT_NOT_NULL(lb->test, resp);
	n = lb_read(lb, frame, sizeof(frame));
	if (n > 0 && vmsg_wire_decode(VMSG_DIALECT_1, frame, n, n, &req) == n) {
		if (req.id == VIRTIO_MSG_EVENT_AVAIL)
			lb->fb->num_kicks++;
		else if (fake_answer(lb->fb, &req, resp))
			KUNIT_EXPECT_EQ(lb->test, resp->size,
					lb_write(lb, resp->data, resp->size));
	}
	kunit_kfree(lb->test, resp);
	return n;
}

static bool lb_bound(struct lb *lb)
{
	return atomic_read(&fake_driver.probes) &&
	       (lb->fb->devs[0]->status & VIRTIO_CONFIG_S_DRIVER_OK);
}

static bool lb_kicked(struct lb *lb)
{
	return lb->fb->num_kicks;
}

static bool lb_serve_until(struct lb *lb, bool (*cond)(struct lb *lb))
{
	unsigned long end = jiffies + FAKE_PATIENCE;

	while (!cond(lb) && time_before(jiffies, end)) {
		if (lb_serve_one(lb) == -EAGAIN)
			schedule_timeout_uninterruptible(1);
	}
	return cond(lb);
}

static void lb_map_pool(struct lb *lb)
{
	struct file *file = fget(lb->setup.pool_fd);
	struct page *page;
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(lb->test, file);
	for (i = 0; i < ARRAY_SIZE(lb->pages); i++) {
		page = shmem_read_mapping_page(file->f_mapping, i);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(lb->test, page);
		lb->pages[i] = page;
	}
	fput(file);
	lb->fb->mem = vmap(lb->pages, i, VM_MAP, PAGE_KERNEL);
	KUNIT_ASSERT_NOT_NULL(lb->test, lb->fb->mem);
	lb->fb->address = lb->setup.pool_addr;
}

/* A bus with one device that has a driver. */
static struct fake_dev *lb_bind(struct lb *lb)
{
	struct fake_dev *fd;

	lb_good_setup(lb);
	lb_map_pool(lb);
	fd = fake_dev_create(lb->fb, 3);
	lb_write_msg(lb, &(struct vmsg_msg) {
		.type = BUS,
		.id = VIRTIO_MSG_BUS_EVENT_DEVICE,
		.event_device.dev_num = 3,
		.event_device.state = VIRTIO_MSG_DEVICE_ADDED,
	});
	KUNIT_ASSERT_TRUE(lb->test, lb_serve_until(lb, lb_bound));
	KUNIT_ASSERT_EQ(lb->test, fake_driver.probe_err, 0);
	return fd;
}

static void lb_add_and_kick(struct lb *lb)
{
	u8 *buf = kunit_kzalloc(lb->test, 64, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(lb->test, buf);
	KUNIT_ASSERT_EQ(lb->test, 0,
			fake_add_buf(fake_driver.drv->vqs[0], NULL, 0, buf, 64));
	virtqueue_kick(fake_driver.drv->vqs[0]);
}

static void lb_device(struct kunit *test)
{
	struct lb *lb = test->priv;
	struct fake_dev *fd = lb_bind(lb);
	struct fake_drv *drv = fake_driver.drv;
	int i;

	for (i = 0; i < 20; i++) {
		lb->fb->num_kicks = 0;
		lb_add_and_kick(lb);
		KUNIT_ASSERT_TRUE(test, lb_serve_until(lb, lb_kicked));
		KUNIT_ASSERT_EQ(test, fake_vq_serve(fd, 0, 1), 1);
		lb_write_msg(lb, &(struct vmsg_msg) {
			.id = VIRTIO_MSG_EVENT_USED, .dev_num = 3,
		});
		KUNIT_ASSERT_EQ(test, drv->num_bufs, i + 1);
		KUNIT_ASSERT_EQ(test, ((u8 *)drv->bufs[i])[63], 0x5a);
	}
	/* A kick takes the only place, and the next waits for it. */
	lb->fb->num_kicks = 0;
	for (i = 0; i < 3; i++)
		lb_add_and_kick(lb);
	while (lb_serve_one(lb) > 0)
		;
	KUNIT_EXPECT_EQ(test, lb->fb->num_kicks, 2);
	KUNIT_EXPECT_EQ(test, fake_vq_serve(fd, 0, 10), 3);
}

/* The last close ends it all, whatever the driver waits for. */
static void lb_last_close(struct kunit *test)
{
	struct lb *lb = test->priv;
	struct fake_dev *fd = lb_bind(lb);
	struct fake_drv *drv = fake_driver.drv;
	struct file *file = fget(lb->setup.pool_fd);
	u8 *buf = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);
	loff_t pos = fd->vq[0].desc & PAGE_MASK;

	KUNIT_ASSERT_NOT_NULL(test, file);
	KUNIT_ASSERT_NOT_NULL(test, buf);
	lb_add_and_kick(lb);
	lb_add_and_kick(lb);
	/* There is a ring in it. */
	KUNIT_ASSERT_EQ(test, kernel_read(file, buf, PAGE_SIZE, &pos), PAGE_SIZE);
	KUNIT_EXPECT_NOT_NULL(test, memchr_inv(buf, 0, PAGE_SIZE));
	lb_close(lb);
	KUNIT_EXPECT_TRUE(test, drv->removed);
	KUNIT_EXPECT_EQ(test, drv->num_bufs, 2);
	KUNIT_EXPECT_EQ(test, drv->lens[0], 0);
	KUNIT_EXPECT_NULL(test, memchr_inv(drv->bufs[0], 0xff, 64));
	/* And what the program still has is empty. */
	pos = fd->vq[0].desc & PAGE_MASK;
	KUNIT_EXPECT_EQ(test, kernel_read(file, buf, PAGE_SIZE, &pos), PAGE_SIZE);
	KUNIT_EXPECT_NULL(test, memchr_inv(buf, 0, PAGE_SIZE));
	fput(file);
}

/* Another bus of another file is not concerned. */
static void lb_two_buses(struct kunit *test)
{
	struct lb *lb = test->priv, other = *lb;
	struct virtio_msg_lb_setup setup = good_setup();
	struct fake_drv *drv;

	lb_bind(lb);
	drv = fake_driver.drv;
	lb_open(&other);
	KUNIT_EXPECT_EQ(test, lb_setup(&other, &setup), 0);
	KUNIT_EXPECT_NE(test, setup.bus_num, lb->setup.bus_num);
	lb_close(&other);
	close_fd(setup.pool_fd);
	KUNIT_EXPECT_FALSE(test, drv->removed);
	lb_add_and_kick(lb);
	KUNIT_EXPECT_TRUE(test, lb_serve_until(lb, lb_kicked));
}

/*
 * Eventfds
 */

static int new_eventfd(struct kunit *test)
{
	int fd = -EOPNOTSUPP;

	/* The kernel has no way of its own to make one. */
#if IS_BUILTIN(CONFIG_VIRTIO_MSG_KUNIT_TEST) && \
	!IS_ENABLED(CONFIG_ARCH_HAS_SYSCALL_WRAPPER)
	fd = sys_eventfd2(0, EFD_NONBLOCK | EFD_CLOEXEC);
#endif
	if (fd < 0)
		kunit_skip(test, "no way to make an eventfd here");
	return fd;
}

static long lb_queue(struct lb *lb, u32 dev_num, u32 index, int kick, int used)
{
	struct virtio_msg_lb_queue queue = {
		.size = sizeof(queue),
		.dev_num = dev_num,
		.index = index,
		.kick_fd = kick,
		.used_fd = used,
	};

	return lb_ioctl(lb, VIRTIO_MSG_LB_QUEUE, &queue, sizeof(queue));
}

static void lb_queue_refused(struct kunit *test)
{
	struct virtio_msg_lb_queue queue = {
		.size = sizeof(queue), .dev_num = 3,
		.kick_fd = -1, .used_fd = -1,
	};
	struct lb *lb = test->priv;
	int memfd;

	lb_bind(lb);
	KUNIT_EXPECT_EQ(test, lb_queue(lb, 4, 0, -1, -1), -ENODEV);
	KUNIT_EXPECT_EQ(test, lb_queue(lb, 65536 + 3, 0, -1, -1), -ENODEV);
	KUNIT_EXPECT_EQ(test, lb_queue(lb, 3, 2, -1, -1), -EINVAL);
	KUNIT_EXPECT_EQ(test, lb_queue(lb, 3, 65536, -1, -1), -EINVAL);
	KUNIT_EXPECT_EQ(test, lb_queue(lb, 3, 0xffffffff, -1, -1), -EINVAL);
	KUNIT_EXPECT_EQ(test, lb_queue(lb, 3, 0, -2, -1), -EINVAL);
	KUNIT_EXPECT_EQ(test, lb_queue(lb, 3, 0, -1, -2), -EINVAL);
	KUNIT_EXPECT_EQ(test, lb_queue(lb, 3, 0, 900, -1), -EBADF);
	KUNIT_EXPECT_EQ(test, lb_queue(lb, 3, 0, -1, 900), -EBADF);
	/* Open, but no eventfd. */
	memfd = new_memfd(test, 0x10000, 0);
	KUNIT_EXPECT_EQ(test, lb_queue(lb, 3, 0, memfd, -1), -EINVAL);
	KUNIT_EXPECT_EQ(test, lb_queue(lb, 3, 0, -1, memfd), -EINVAL);
	close_fd(memfd);
	queue.flags = 1;
	KUNIT_EXPECT_EQ(test, -EINVAL, lb_ioctl(lb, VIRTIO_MSG_LB_QUEUE, &queue,
						sizeof(queue)));
	queue.flags = 0;
	queue.reserved[1] = 1;
	KUNIT_EXPECT_EQ(test, -EINVAL, lb_ioctl(lb, VIRTIO_MSG_LB_QUEUE, &queue,
						sizeof(queue)));
	KUNIT_EXPECT_EQ(test, lb_queue(lb, 3, 0, -1, -1), 0);
}

static bool eventfd_is_set(int fd)
{
	struct file *file = eventfd_fget(fd);
	bool set = vfs_poll(file, NULL) & EPOLLIN;

	fput(file);
	return set;
}

static void eventfd_raise(int fd)
{
	struct eventfd_ctx *ctx = eventfd_ctx_fdget(fd);

	eventfd_signal(ctx);
	eventfd_ctx_put(ctx);
}

static void lb_eventfds(struct kunit *test)
{
	struct lb *lb = test->priv;
	int kick = new_eventfd(test), used = new_eventfd(test);
	struct fake_dev *fd = lb_bind(lb);
	struct fake_drv *drv = fake_driver.drv;
	u8 frame[64];

	KUNIT_ASSERT_EQ(test, lb_queue(lb, 3, 0, kick, used), 0);
	lb_add_and_kick(lb);
	/* The kick is there, and not as a message. */
	KUNIT_EXPECT_TRUE(test, eventfd_is_set(kick));
	KUNIT_EXPECT_EQ(test, lb_read(lb, frame, sizeof(frame)), -EAGAIN);
	KUNIT_EXPECT_EQ(test, fake_vq_serve(fd, 0, 1), 1);
	eventfd_raise(used);
	KUNIT_EXPECT_TRUE(test, drv_wait(READ_ONCE(drv->num_bufs) == 1));
	/* The kernel takes the value, or it would be full one day. */
	KUNIT_EXPECT_FALSE(test, eventfd_is_set(used));
	/* Messages do as well. */
	lb_add_and_kick(lb);
	KUNIT_EXPECT_EQ(test, fake_vq_serve(fd, 0, 1), 1);
	lb_write_msg(lb, &(struct vmsg_msg) {
		.id = VIRTIO_MSG_EVENT_USED, .dev_num = 3,
	});
	KUNIT_EXPECT_EQ(test, drv->num_bufs, 2);
	/* Without them it is messages again. */
	KUNIT_ASSERT_EQ(test, lb_queue(lb, 3, 0, -1, -1), 0);
	lb_add_and_kick(lb);
	KUNIT_EXPECT_TRUE(test, lb_serve_until(lb, lb_kicked));
	eventfd_raise(used);
	KUNIT_EXPECT_TRUE(test, eventfd_is_set(used));
	KUNIT_EXPECT_EQ(test, drv->num_bufs, 2);
	close_fd(kick);
	close_fd(used);
}

/* From wherever a driver kicks, with or without an eventfd. */
static void lb_kick_irqs_off(struct kunit *test)
{
	struct lb *lb = test->priv;
	struct virtqueue *vq;
	unsigned long flags;
	u8 buf[64];
	int kick;

	kick = new_eventfd(test);
	lb_bind(lb);
	vq = fake_driver.drv->vqs[0];
	local_irq_save(flags);
	virtqueue_notify(vq);
	local_irq_restore(flags);
	KUNIT_EXPECT_EQ(test, lb_read(lb, buf, sizeof(buf)), 16);
	KUNIT_ASSERT_EQ(test, lb_queue(lb, 3, 0, kick, -1), 0);
	local_irq_save(flags);
	virtqueue_notify(vq);
	local_irq_restore(flags);
	KUNIT_EXPECT_TRUE(test, eventfd_is_set(kick));
	KUNIT_EXPECT_EQ(test, lb_read(lb, buf, sizeof(buf)), -EAGAIN);
	close_fd(kick);
}

/* From below another eventfd, where none may be signalled: a little later. */
static void lb_kick_nested(struct kunit *test)
{
	unsigned long end = jiffies + FAKE_PATIENCE;
	struct lb *lb = test->priv;
	int kick = new_eventfd(test);

	lb_bind(lb);
	KUNIT_ASSERT_EQ(test, lb_queue(lb, 3, 0, kick, -1), 0);
	/* As eventfd_signal() does for whom it wakes. */
	current->in_eventfd = 1;
	virtqueue_notify(fake_driver.drv->vqs[0]);
	current->in_eventfd = 0;
	while (!eventfd_is_set(kick) && time_before(jiffies, end))
		schedule_timeout_uninterruptible(1);
	KUNIT_EXPECT_TRUE(test, eventfd_is_set(kick));
	close_fd(kick);
}

/* Signalled before it was watched. */
static void lb_eventfd_early(struct kunit *test)
{
	struct lb *lb = test->priv;
	int used = new_eventfd(test);
	struct fake_dev *fd = lb_bind(lb);
	struct fake_drv *drv = fake_driver.drv;

	lb_add_and_kick(lb);
	KUNIT_EXPECT_EQ(test, fake_vq_serve(fd, 0, 1), 1);
	eventfd_raise(used);
	KUNIT_ASSERT_EQ(test, lb_queue(lb, 3, 0, -1, used), 0);
	KUNIT_EXPECT_TRUE(test, drv_wait(READ_ONCE(drv->num_bufs) == 1));
	close_fd(used);
}

/* They outlive the program's own descriptors, and end with the device. */
static void lb_eventfds_and_close(struct kunit *test)
{
	struct lb *lb = test->priv;
	int kick = new_eventfd(test), used = new_eventfd(test);
	struct fake_drv *drv;

	lb_bind(lb);
	drv = fake_driver.drv;
	KUNIT_ASSERT_EQ(test, lb_queue(lb, 3, 0, kick, used), 0);
	lb_add_and_kick(lb);
	lb_close(lb);
	KUNIT_EXPECT_TRUE(test, drv->removed);
	eventfd_raise(used);
	KUNIT_EXPECT_TRUE(test, eventfd_is_set(used));
	close_fd(kick);
	close_fd(used);
}

static struct kunit_case lb_cases[] = {
	KUNIT_CASE_PARAM(lb_setup_refused, setup_case_gen_params),
	KUNIT_CASE(lb_setup_good),
	KUNIT_CASE(lb_setup_larger),
	KUNIT_CASE(lb_smaller),
	KUNIT_CASE_PARAM(lb_memfd, memfd_case_gen_params),
	KUNIT_CASE(lb_memfd_other_file),
	KUNIT_CASE(lb_before_setup),
	KUNIT_CASE(lb_unknown_ioctl),
	KUNIT_CASE(lb_info),
	KUNIT_CASE(lb_info_larger),
	KUNIT_CASE(lb_read_rules),
	KUNIT_CASE_PARAM(lb_write_rules, bad_write_gen_params),
	KUNIT_CASE(lb_device),
	KUNIT_CASE(lb_last_close),
	KUNIT_CASE(lb_two_buses),
	KUNIT_CASE(lb_queue_refused),
	KUNIT_CASE(lb_eventfds),
	KUNIT_CASE(lb_kick_irqs_off),
	KUNIT_CASE(lb_kick_nested),
	KUNIT_CASE(lb_eventfd_early),
	KUNIT_CASE(lb_eventfds_and_close),
	{}
};

static struct kunit_suite lb_suite = {
	.name = "virtio_msg_loopback",
	.init = lb_init,
	.test_cases = lb_cases,
};

kunit_test_suite(lb_suite);
