// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-msg: tests of the AMP bus, amp.c and amp_fifo.c.
 *
 * They call what include/linux/virtio_msg_amp.h offers and look at what the
 * device side of amp_peer.c can see. Most of them run for every format of the
 * memory and for every way in which a peer may work.
 *
 * What they cannot see: a lock that is missing where only another CPU gets in
 * between, and what the second look of every second makes good.
 */
#include <kunit/run-in-irq-context.h>
#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/prandom.h>
#include <linux/slab.h>

#include "amp_peer.h"

#define RESP	VIRTIO_MSG_TYPE_RESPONSE
#define BUS	VIRTIO_MSG_TYPE_BUS
#define MAGIC	VIRTIO_MSG_AMP_QUEUE_MAGIC
#define HEADER(member) (VIRTIO_MSG_AMP_LAYOUT + \
			(u32)offsetof(struct virtio_msg_amp_layout, member))

/* For what wakes nobody. */
#define poll_until(cond) ({						\
	unsigned long __end = jiffies + FAKE_PATIENCE;			\
	bool __ok;							\
									\
	while (!(__ok = (cond)) && time_before(jiffies, __end))		\
		schedule_timeout_uninterruptible(1);			\
	__ok;								\
})

#define SPSC	.num = VIRTIO_MSG_AMP_SPSC_SLOTS, .stride = 64
#define LAYOUT	.layout = true, .num = 63, .stride = 64
#define WORDS	.num_notif = 32, .per_device = 4

static const struct amp_format spsc = { "spsc", SPSC };
static const struct amp_format layout = { "layout", LAYOUT };
static const struct amp_format words = { "words", LAYOUT, WORDS };
static const struct amp_format masked = {
	"words with masks", LAYOUT, WORDS, .masked = true,
};

static const struct amp_format formats[] = {
	{ "spsc", SPSC },
	{ "spsc, from a work", SPSC, .later = true },
	{ "spsc, one frame a doorbell", SPSC, .one_each = true },
	{ "spsc, RFC", SPSC, .rfc = true },
	{ "layout", LAYOUT },
	{ "layout, from a work", LAYOUT, .later = true },
	{ "layout, RFC, one frame a doorbell", LAYOUT, .rfc = true,
	  .one_each = true },
	{ "layout of 2 slots", .layout = true, .num = 2, .stride = 64 },
	{ "layout of small slots", .layout = true, .num = 7, .stride = 52 },
	{ "layout of large slots", .layout = true, .num = 20, .stride = 200 },
	{ "words", LAYOUT, WORDS },
	{ "words, from a work", LAYOUT, WORDS, .later = true },
	{ "words with masks", LAYOUT, WORDS, .masked = true },
	{ "all words", LAYOUT, .num_notif = 64, .per_device = 8 },
	{ "words of no device", LAYOUT, .num_notif = 64 },
	{ "a few words", LAYOUT, .num_notif = 14, .per_device = 4 },
};

KUNIT_ARRAY_PARAM_DESC(format, formats, name);

/* Those that differ in memory. */
static const struct amp_format shapes[] = {
	{ "spsc", SPSC },
	{ "layout", LAYOUT },
	{ "layout of 2 slots", .layout = true, .num = 2, .stride = 64 },
	{ "layout of small slots", .layout = true, .num = 7, .stride = 52 },
	{ "layout of large slots", .layout = true, .num = 20, .stride = 200 },
	{ "words", LAYOUT, WORDS },
	{ "all words", LAYOUT, .num_notif = 64, .per_device = 8 },
};

KUNIT_ARRAY_PARAM_DESC(shape, shapes, name);

/* Those in which every notification is a message. */
static const struct amp_format queues[] = {
	{ "spsc", SPSC },
	{ "spsc, RFC, from a work", SPSC, .rfc = true, .later = true },
	{ "layout", LAYOUT },
	{ "layout, RFC, one frame a doorbell", LAYOUT, .rfc = true,
	  .one_each = true },
	{ "layout of small slots", .layout = true, .num = 7, .stride = 52 },
};

KUNIT_ARRAY_PARAM_DESC(queue, queues, name);

static int amp_init(struct kunit *test)
{
	fake_driver_register(test);
	return 0;
}

/*
 * Helpers
 */

/* Everything is there as soon as somebody wants it. */
static struct amp_peer *new_peer(struct kunit *test,
				 const struct amp_format *format)
{
	struct amp_peer *p = amp_peer_create(test, format);

	amp_peer_begin(p);
	return p;
}

static int scans(struct amp_peer *p)
{
	return fake_count(&p->fb, true, VIRTIO_MSG_BUS_GET_DEVICES);
}

static int probes(void)
{
	return atomic_read(&fake_driver.probes);
}

static int removes(void)
{
	return atomic_read(&fake_driver.removes);
}

/* Until there is a bus, with so many more devices in the hands of the driver. */
static struct fake_drv *wait_up(struct amp_peer *p, int scanned, int probed)
{
	KUNIT_ASSERT_TRUE(p->test, amp_peer_wait_bus(p, scanned));
	KUNIT_ASSERT_TRUE(p->test, drv_wait(probes() == probed));
	fake_settle(&p->fb);
	KUNIT_ASSERT_EQ(p->test, fake_driver.probe_err, 0);
	return fake_driver.drv;
}

static struct fake_drv *link_up(struct amp_peer *p, int devices)
{
	int scanned = scans(p), probed = probes();

	amp_peer_connect(p);
	return wait_up(p, scanned, probed + devices);
}

/* A link with device 3, which is in the hands of the driver. */
static struct amp_peer *new_link(struct kunit *test,
				 const struct amp_format *format,
				 struct fake_dev **fd, struct fake_drv **drv)
{
	struct amp_peer *p = new_peer(test, format);

	*fd = fake_dev_create(&p->fb, 3);
	*drv = link_up(p, 1);
	return p;
}

/* Buffers go there and back, kicked with interrupts off. */
static void io(struct amp_peer *p, struct fake_drv *drv, unsigned int times)
{
	struct kunit *test = p->test;
	u8 *buf = kunit_kzalloc(test, 64, GFP_KERNEL), want[32];
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, buf);
	for (i = 0; i < times; i++) {
		memset(buf, i, 16);
		memset(buf + 16, 0xee, 48);
		memset(want, i, 16);
		memset(want + 16, 0x5a, 16);
		scoped_guard(spinlock_irqsave, &drv->lock) {
			drv->num_bufs = 0;
			KUNIT_ASSERT_EQ(test, 0,
					fake_add_buf(drv->vqs[0], buf, 16,
						     buf + 16, 32));
			virtqueue_kick(drv->vqs[0]);
		}
		KUNIT_ASSERT_TRUE(test, drv_wait(READ_ONCE(drv->num_bufs)));
		KUNIT_ASSERT_EQ(test, drv->num_bufs, 1);
		KUNIT_ASSERT_PTR_EQ(test, drv->bufs[0], buf + 16);
		KUNIT_ASSERT_EQ(test, drv->lens[0], 32);
		KUNIT_ASSERT_MEMEQ(test, buf + 16, want, 32);
		KUNIT_ASSERT_EQ(test, buf[48], 0xee);
	}
}

static int ping(struct amp_peer *p, u32 data)
{
	u8 frames[2 * AMP_STRIDE_MAX];
	struct vmsg_msg msg = {
		.type = BUS,
		.id = VIRTIO_MSG_BUS_PING,
		.ping = data,
	};
	int err = vmsg_bus_request(p->fb.bus, NULL, &msg, frames,
				   p->fb.bus->frame_max);

	if (!err && msg.ping != data)
		return -EBADMSG;
	return err;
}

static void pings(struct amp_peer *p, unsigned int times)
{
	unsigned int i;

	for (i = 0; i < times; i++)
		KUNIT_ASSERT_EQ(p->test, 0, ping(p, 0x10000 + i));
}

/* Numbers of the driver side, as they are in memory. */
static u32 number(struct amp_peer *p, u32 offset)
{
	return amp_peer_get(p, offset, p->format->layout ? 2 : 4);
}

static void poke(struct amp_peer *p, u32 offset, u32 value)
{
	amp_peer_poke(p, offset, p->format->layout ? 2 : 4, value);
}

static void hold_still(struct amp_peer *p)
{
	WRITE_ONCE(p->deaf, true);
	WRITE_ONCE(p->frozen, true);
}

static void go_on(struct amp_peer *p)
{
	WRITE_ONCE(p->deaf, false);
	WRITE_ONCE(p->frozen, false);
	amp_peer_run(p);
}

static bool asked(struct amp_peer *p, u16 num)
{
	unsigned int i;

	for (i = 0; i < p->fb.num_log; i++) {
		if (!(p->fb.log[i].type & BUS) && p->fb.log[i].dev_num == num)
			return true;
	}
	return false;
}

static u8 *copy_window(struct amp_peer *p)
{
	u8 *copy = kunit_kmalloc(p->test, VIRTIO_MSG_AMP_WINDOW_SIZE, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(p->test, copy);
	return memcpy(copy, p->window, VIRTIO_MSG_AMP_WINDOW_SIZE);
}

static size_t event_used(struct amp_peer *p, u16 num, u32 index, u8 *frame)
{
	const struct vmsg_msg msg = {
		.id = VIRTIO_MSG_EVENT_USED,
		.dev_num = num,
		.vqueue.index = index,
	};

	return vmsg_wire_encode(p->fb.dialect, &msg, frame, 64);
}

static size_t event_device(struct amp_peer *p, u16 num, u16 state, u8 *frame)
{
	const struct vmsg_msg msg = {
		.type = BUS,
		.id = VIRTIO_MSG_BUS_EVENT_DEVICE,
		.event_device.dev_num = num,
		.event_device.state = state,
	};

	return vmsg_wire_encode(p->fb.dialect, &msg, frame, 64);
}

/*
 * What is right
 */

static void amp_moves_buffers(struct kunit *test)
{
	const struct amp_format *f = test->param_value;
	struct amp_peer *p = new_peer(test, f);
	struct fake_dev *three = fake_dev_create(&p->fb, 3);
	struct fake_dev *five = fake_dev_create(&p->fb, 5);
	struct fake_drv *drv, *next;
	int resets = 0;

	link_up(p, 2);
	KUNIT_EXPECT_NOT_NULL(test, fake_vmsg_dev(three));
	KUNIT_EXPECT_NOT_NULL(test, fake_vmsg_dev(five));
	/* Many times around. */
	list_for_each_entry(drv, &fake_driver.drvs, node)
		io(p, drv, 3 * f->num);
	pings(p, 3 * f->num);
	KUNIT_EXPECT_EQ(test, fake_stat(&p->fb, VMSG_STAT_MALFORMED), 0);
	KUNIT_EXPECT_EQ(test, fake_stat(&p->fb, VMSG_STAT_UNEXPECTED), 0);
	KUNIT_EXPECT_EQ(test, fake_stat(&p->fb, VMSG_STAT_TIMEOUTS), 0);
	resets = three->resets;

	amp_peer_disconnect(p);
	/* The virtio core still sees them after the reset. */
	KUNIT_EXPECT_LE(test, three->status, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	KUNIT_EXPECT_LE(test, five->status, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	KUNIT_EXPECT_GT(test, three->resets, resets);
	list_for_each_entry_safe(drv, next, &fake_driver.drvs, node)
		KUNIT_EXPECT_TRUE(test, drv->removed);
	KUNIT_EXPECT_EQ(test, atomic_read(&p->stops), 1);
	KUNIT_EXPECT_FALSE(test, p->dma);
	if (f->layout)
		KUNIT_EXPECT_EQ(test, amp_peer_driver_status(p),
				VIRTIO_MSG_AMP_SHUTDOWN);
	/* Not one doorbell too many, in all of this. */
	if (!f->num_notif) {
		KUNIT_EXPECT_EQ(test, p->idle_bells, 0);
		KUNIT_EXPECT_EQ(test, p->bells, p->frames);
	}

	/* And once more. */
	link_up(p, 2);
	io(p, fake_driver.drv, 5);
}

/* Has any slot of the driver side changed, but for this one? */
static bool other_slots_changed(struct amp_peer *p, const u8 *before, u32 slot)
{
	u32 stride = p->format->stride, n, place;

	for (n = 0; n < p->format->num; n++) {
		place = p->to_dev.slots + n * stride;
		if (n != slot && memcmp(p->window + place, before + place, stride))
			return true;
	}
	return false;
}

/* A kick is one slot, one number, one doorbell; or a bit and a doorbell. */
static void amp_kick_costs(struct kunit *test)
{
	const struct amp_format *f = test->param_value;
	bool bit = f->num_notif && f->per_device;
	struct amp_peer *p;
	struct fake_dev *fd;
	struct fake_drv *drv;
	unsigned int bells, i;
	u8 *before;
	u32 slot;

	p = new_link(test, f, &fd, &drv);
	for (i = 0; i < 10; i++) {
		bells = p->bells;
		slot = number(p, p->to_dev.prod);
		before = copy_window(p);
		virtqueue_notify(drv->vqs[0]);
		KUNIT_EXPECT_EQ(test, p->bells, bells + 1);
		KUNIT_ASSERT_TRUE(test, peer_wait(p, p->fb.num_kicks > i));
		KUNIT_EXPECT_EQ(test, number(p, p->to_dev.prod),
				bit ? slot : (slot + 1) % f->num);
		KUNIT_EXPECT_FALSE(test,
				   other_slots_changed(p, before,
						       bit ? f->num : slot));
	}
	fake_settle(&p->fb);
	KUNIT_EXPECT_EQ(test, p->fb.num_kicks, 10);
	KUNIT_EXPECT_EQ(test, p->fb.kicks[9].dev_num, 3);
	KUNIT_EXPECT_EQ(test, p->fb.kicks[9].index, 0);
}

/* What finds no room waits for some, and nobody has to ask again. */
static void amp_full_kicks(struct kunit *test)
{
	const struct amp_format *f = test->param_value;
	unsigned int room = f->num - 1, i;
	struct amp_peer *p;
	struct fake_dev *fd;
	struct fake_drv *drv;

	p = new_link(test, f, &fd, &drv);
	WRITE_ONCE(p->deaf, true);
	for (i = 0; i < room + 10; i++)
		virtqueue_notify(drv->vqs[0]);
	KUNIT_EXPECT_EQ(test, fake_stat(&p->fb, VMSG_STAT_KICKS), room);
	KUNIT_EXPECT_EQ(test, fake_stat(&p->fb, VMSG_STAT_KICKS_MERGED), 9);
	KUNIT_EXPECT_EQ(test, p->fb.num_kicks, 0);
	KUNIT_EXPECT_EQ(test, p->idle_bells, 0);
	/* Who looks for room has to do so more than once. */
	msleep(50);
	go_on(p);
	KUNIT_EXPECT_TRUE(test, peer_wait(p, p->fb.num_kicks == room + 1));
	fake_settle(&p->fb);
	KUNIT_EXPECT_EQ(test, p->fb.num_kicks, room + 1);
	KUNIT_EXPECT_EQ(test, fake_stat(&p->fb, VMSG_STAT_KICKS), room + 1);
	KUNIT_EXPECT_EQ(test, p->bells, p->frames);
	io(p, drv, 3);
}

struct pinger {
	struct work_struct work;
	struct amp_peer *p;
	int times;
	int result;
	struct completion done;
};

static void pinger_work(struct work_struct *work)
{
	struct pinger *a = container_of(work, struct pinger, work);

	while (!a->result && a->times--)
		a->result = ping(a->p, 0x1234 + a->times);
	complete(&a->done);
}

static void pinger_flush(void *arg)
{
	struct pinger *a = arg;

	flush_work(&a->work);
}

static struct pinger *ping_elsewhere(struct amp_peer *p, int times)
{
	struct pinger *a = kunit_kzalloc(p->test, sizeof(*a), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(p->test, a);
	a->p = p;
	a->times = times;
	INIT_WORK(&a->work, pinger_work);
	init_completion(&a->done);
	KUNIT_ASSERT_EQ(p->test, 0,
			kunit_add_action_or_reset(p->test, pinger_flush, a));
	queue_work(system_dfl_wq, &a->work);
	return a;
}

static int pinger_result(struct pinger *a)
{
	KUNIT_ASSERT_TRUE(a->p->test,
			  wait_for_completion_timeout(&a->done, FAKE_PATIENCE));
	return a->result;
}

static void fill_queue(struct amp_peer *p, struct fake_drv *drv)
{
	unsigned int i;

	WRITE_ONCE(p->deaf, true);
	for (i = 0; i < p->format->num - 1; i++)
		virtqueue_notify(drv->vqs[0]);
}

/* A request waits for room, and finds it although nobody tells. */
static void amp_full_requests(struct kunit *test)
{
	const struct amp_format *f = test->param_value;
	struct amp_peer *p = new_peer(test, f);
	struct fake_drv *drv;
	struct pinger *a;
	long requests;

	p->info.timeout_ms = 15000;
	fake_dev_create(&p->fb, 3);
	drv = link_up(p, 1);
	fill_queue(p, drv);
	requests = fake_stat(&p->fb, VMSG_STAT_REQUESTS);
	a = ping_elsewhere(p, 3);
	KUNIT_ASSERT_TRUE(test,
			  poll_until(fake_stat(&p->fb, VMSG_STAT_REQUESTS) >
				     requests));
	go_on(p);
	KUNIT_EXPECT_EQ(test, pinger_result(a), 0);
	KUNIT_EXPECT_EQ(test, p->idle_bells, 0);
	KUNIT_EXPECT_EQ(test, p->bells, p->frames);
}

/* But not for ever. */
static void amp_full_for_ever(struct kunit *test)
{
	const struct amp_format *f = test->param_value;
	struct amp_peer *p = new_peer(test, f);
	struct fake_drv *drv;
	unsigned int bells;

	p->info.timeout_ms = FAKE_SHORT_TIMEOUT;
	fake_dev_create(&p->fb, 3);
	drv = link_up(p, 1);
	fill_queue(p, drv);
	bells = p->bells;
	KUNIT_EXPECT_EQ(test, ping(p, 1), -ETIMEDOUT);
	KUNIT_EXPECT_EQ(test, p->bells, bells);
	go_on(p);
	/* It was not sent later either. */
	p->fb.bus->info.timeout_ms = 5000;
	pings(p, 3);
	KUNIT_EXPECT_EQ(test, fake_count(&p->fb, true, VIRTIO_MSG_BUS_PING), 3);
}

/* A doorbell without a message means nothing. */
static void amp_empty(struct kunit *test)
{
	const struct amp_format *f = test->param_value;
	struct amp_peer *p;
	struct fake_dev *fd;
	struct fake_drv *drv;
	unsigned int bells;
	long events;
	u32 cons;
	int i;

	p = new_link(test, f, &fd, &drv);
	events = fake_stat(&p->fb, VMSG_STAT_EVENTS);
	cons = number(p, p->to_drv.cons);
	bells = p->bells;
	for (i = 0; i < 100; i++) {
		amp_peer_interrupt(p);
		schedule();
	}
	/* What comes after them shows that they have been looked at. */
	pings(p, 1);
	KUNIT_EXPECT_EQ(test, p->bells, bells + 1);
	KUNIT_EXPECT_EQ(test, number(p, p->to_drv.cons), (cons + 1) % f->num);
	KUNIT_EXPECT_EQ(test, fake_stat(&p->fb, VMSG_STAT_EVENTS), events);
	KUNIT_EXPECT_EQ(test, fake_stat(&p->fb, VMSG_STAT_MALFORMED), 0);
	KUNIT_EXPECT_EQ(test, fake_stat(&p->fb, VMSG_STAT_UNEXPECTED), 0);
}

/* A message without a doorbell is found, if late. */
static void amp_lost_interrupt(struct kunit *test)
{
	const struct amp_format *f = test->param_value;
	struct amp_peer *p;
	struct fake_dev *fd;
	struct fake_drv *drv;
	size_t size;
	u8 frame[64];

	p = new_link(test, f, &fd, &drv);
	fake_dev_create(&p->fb, 6);
	p->mute = true;
	size = event_device(p, 6, VIRTIO_MSG_DEVICE_ADDED, frame);
	KUNIT_ASSERT_EQ(test, 0, amp_peer_put(p, frame, 0, &size, 1));
	p->mute = false;
	KUNIT_EXPECT_TRUE(test, drv_wait(probes() == 2));
	fake_settle(&p->fb);
	io(p, fake_driver.drv, 2);
}

/* Leaves a used buffer in a queue, so that each look at it is a callback. */
static void leave_buffer(struct amp_peer *p, struct fake_drv *drv, int index)
{
	int calls = atomic_read(&drv->calls[index]);
	u8 *buf = kunit_kzalloc(p->test, 8, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(p->test, buf);
	fake_driver.keep = true;
	KUNIT_ASSERT_EQ(p->test, 0,
			fake_add_buf(drv->vqs[index], NULL, 0, buf, 8));
	virtqueue_kick(drv->vqs[index]);
	KUNIT_ASSERT_TRUE(p->test,
			  drv_wait(atomic_read(&drv->calls[index]) > calls));
}

/* However often a queue is said to be used, it is one callback. */
static void amp_used_merged(struct kunit *test)
{
	const struct amp_format *f = test->param_value;
	struct amp_peer *p = new_peer(test, f);
	u8 frames[12][64];
	size_t sizes[12];
	struct fake_drv *drv;
	int i, calls[2];
	long events;

	fake_dev_create(&p->fb, 3);
	fake_driver.nvqs = 2;
	fake_driver.names[1] = "second";
	drv = link_up(p, 1);
	leave_buffer(p, drv, 0);
	leave_buffer(p, drv, 1);
	fake_settle(&p->fb);
	pings(p, 1);
	for (i = 0; i < 2; i++)
		calls[i] = atomic_read(&drv->calls[i]);
	events = fake_stat(&p->fb, VMSG_STAT_EVENTS);
	/* Ten of the first one, two of the second one in between. */
	for (i = 0; i < 12; i++)
		sizes[i] = event_used(p, 3, i == 4 || i == 7, frames[i]);
	KUNIT_ASSERT_EQ(test, 0, amp_peer_put(p, frames, 64, sizes, 12));
	KUNIT_EXPECT_TRUE(test,
			  poll_until(fake_stat(&p->fb, VMSG_STAT_EVENTS) ==
				     events + 12));
	pings(p, 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&drv->calls[0]), calls[0] + 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&drv->calls[1]), calls[1] + 1);
}

/*
 * All at once
 */

struct storm {
	struct amp_peer *p;
	struct vmsg_kick k[3];
	atomic_t n;
};

static bool storm(void *arg)
{
	struct storm *s = arg;
	unsigned int n = atomic_inc_return(&s->n);

	vmsg_bus_kick(s->p->fb.bus, &s->k[n % 3], n);
	amp_peer_interrupt(s->p);
	return true;
}

/* Kicks and interrupts from wherever they may come, and requests meanwhile. */
static void amp_anywhere(struct kunit *test)
{
	const struct amp_format *f = test->param_value;
	struct storm *s = kunit_kzalloc(test, sizeof(*s), GFP_KERNEL);
	struct amp_peer *p = new_peer(test, f);
	/* The RFC cannot tell the answers to two of them apart. */
	int i, pingers = f->rfc ? 1 : 3;
	struct pinger *a[3];

	KUNIT_ASSERT_NOT_NULL(test, s);
	link_up(p, 0);
	s->p = p;
	for (i = 0; i < 3; i++) {
		INIT_LIST_HEAD(&s->k[i].node);
		s->k[i].dev_num = 3;
		s->k[i].index = i;
	}
	for (i = 0; i < pingers; i++)
		a[i] = ping_elsewhere(p, 200);
	kunit_run_irq_test(test, storm, 2000, s);
	for (i = 0; i < pingers; i++)
		KUNIT_EXPECT_EQ(test, pinger_result(a[i]), 0);
	KUNIT_EXPECT_TRUE(test, poll_until(list_empty(&p->fb.bus->kicks)));
	KUNIT_EXPECT_TRUE(test, peer_wait(p, p->fb.num_kicks ==
					  fake_stat(&p->fb, VMSG_STAT_KICKS)));
	/* Each one was sent or merged into one that was. */
	KUNIT_EXPECT_EQ(test, atomic_read(&s->n),
			fake_stat(&p->fb, VMSG_STAT_KICKS) +
			fake_stat(&p->fb, VMSG_STAT_KICKS_MERGED));
	KUNIT_EXPECT_EQ(test, p->bells, p->frames);
	KUNIT_EXPECT_EQ(test, p->idle_bells, 0);
	KUNIT_EXPECT_EQ(test, fake_stat(&p->fb, VMSG_STAT_MALFORMED), 0);
	KUNIT_EXPECT_EQ(test, fake_stat(&p->fb, VMSG_STAT_UNEXPECTED), 0);
	KUNIT_EXPECT_EQ(test, fake_stat(&p->fb, VMSG_STAT_TIMEOUTS), 0);
}

/* Two links know nothing of each other. */
static void amp_two_links(struct kunit *test)
{
	struct amp_peer *one, *two;
	struct fake_drv *drv_one, *drv_two;
	struct fake_dev *fd_one, *fd_two;

	one = new_link(test, &spsc, &fd_one, &drv_one);
	two = new_link(test, &words, &fd_two, &drv_two);
	io(one, drv_one, 100);
	io(two, drv_two, 100);
	amp_peer_disconnect(one);
	KUNIT_EXPECT_EQ(test, removes(), 1);
	io(two, drv_two, 10);
}

/*
 * Doorbells
 */

/* With a peer that looks at nothing unless it is rung. */
static void amp_ring_status(struct kunit *test)
{
	struct amp_peer *p = amp_peer_create(test, &layout);
	struct fake_drv *drv;
	int scanned = scans(p);

	p->info.flags = VIRTIO_MSG_AMP_RING_STATUS;
	fake_dev_create(&p->fb, 3);
	/* Nobody looks from time to time. */
	p->polling = true;
	amp_peer_begin(p);
	drv = link_up(p, 1);
	KUNIT_EXPECT_EQ(test, scans(p), scanned + 1);
	io(p, drv, 3);
	amp_peer_disconnect(p);
	KUNIT_EXPECT_EQ(test, p->gone_seen, 1);
	KUNIT_EXPECT_GT(test, p->bells, p->frames);
}

/* Without that flag there is no doorbell without a message. */
static void amp_no_ring_status(struct kunit *test)
{
	static const struct amp_format each = {
		"", LAYOUT, .one_each = true, .rfc = true,
	};
	struct amp_peer *p;
	struct fake_dev *fd;
	struct fake_drv *drv;
	int scanned;

	p = new_link(test, &each, &fd, &drv);
	io(p, drv, 2);
	KUNIT_EXPECT_EQ(test, p->idle_bells, 0);
	scanned = scans(p);
	amp_peer_begin(p);
	amp_peer_interrupt(p);
	drv = wait_up(p, scanned, 2);
	KUNIT_EXPECT_EQ(test, p->idle_bells, 0);
	KUNIT_EXPECT_EQ(test, p->bells, p->frames);
	amp_peer_disconnect(p);
	KUNIT_EXPECT_EQ(test, p->idle_bells, 0);
	KUNIT_EXPECT_EQ(test, p->bells, p->frames);
}

/* Nothing is rung before the peer has sent something; what it is does not matter. */
static void amp_listen(struct kunit *test)
{
	struct amp_peer *p = amp_peer_create(test, &spsc);
	size_t size;
	u8 frame[64];
	int i;

	p->info.flags = VIRTIO_MSG_AMP_LISTEN;
	fake_dev_create(&p->fb, 3);
	amp_peer_stand(p, 9, 0);
	poke(p, p->to_dev.prod, 9);
	amp_peer_connect(p);
	for (i = 0; i < 5; i++) {
		amp_peer_interrupt(p);
		msleep(20);
	}
	KUNIT_EXPECT_EQ(test, p->bells, 0);
	KUNIT_EXPECT_EQ(test, scans(p), 0);

	size = event_device(p, 3, VIRTIO_MSG_DEVICE_ADDED, frame);
	KUNIT_ASSERT_EQ(test, 0, amp_peer_put(p, frame, 0, &size, 1));
	io(p, wait_up(p, 0, 1), 3);
	KUNIT_EXPECT_EQ(test, p->bells, p->frames);
}

/* A number that is not the first one shows that the peer is there. */
static void amp_listen_has_spoken(struct kunit *test)
{
	struct amp_peer *p = amp_peer_create(test, &spsc);

	p->info.flags = VIRTIO_MSG_AMP_LISTEN;
	fake_dev_create(&p->fb, 3);
	amp_peer_stand(p, 9, 17);
	poke(p, p->to_dev.prod, 9);
	io(p, link_up(p, 1), 3);
}

/* One that never sends anything is left as it is. */
static void amp_listen_in_vain(struct kunit *test)
{
	struct amp_peer *p = amp_peer_create(test, &spsc);

	p->info.flags = VIRTIO_MSG_AMP_LISTEN;
	amp_peer_connect(p);
	amp_peer_interrupt(p);
	amp_peer_disconnect(p);
	KUNIT_EXPECT_EQ(test, p->bells, 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&p->stops), 1);
}

/*
 * Notification words
 */

static void amp_words_kick(struct kunit *test)
{
	const struct amp_format *f = &words;
	u32 tx = 0;
	struct amp_peer *p = new_peer(test, f);
	struct fake_drv *three, *nine;
	unsigned int frames, bells;

	/* Device 3 has bits, device 9 would have them beyond the last one. */
	fake_dev_create(&p->fb, 3);
	three = link_up(p, 1);
	fake_dev_create(&p->fb, 9);
	virtio_msg_bus_add_device(p->fb.bus, 9);
	KUNIT_ASSERT_TRUE(test, drv_wait(probes() == 2));
	fake_settle(&p->fb);
	nine = fake_driver.drv;

	WRITE_ONCE(p->deaf, true);
	frames = p->frames;
	bells = p->bells;
	tx = amp_peer_get(p, p->drv_notif, 8);
	virtqueue_notify(three->vqs[0]);
	KUNIT_EXPECT_EQ(test, amp_peer_get(p, p->drv_notif, 8), tx ^ BIT(12));
	KUNIT_EXPECT_EQ(test, p->bells, bells + 1);
	/* While it is pending it stays, but the doorbell rings. */
	virtqueue_notify(three->vqs[0]);
	KUNIT_EXPECT_EQ(test, amp_peer_get(p, p->drv_notif, 8), tx ^ BIT(12));
	KUNIT_EXPECT_EQ(test, p->bells, bells + 2);
	go_on(p);
	KUNIT_EXPECT_TRUE(test, peer_wait(p, p->fb.num_kicks == 1));
	KUNIT_EXPECT_EQ(test, p->fb.kicks[0].dev_num, 3);
	/* Again, when it has been seen. */
	virtqueue_notify(three->vqs[0]);
	KUNIT_EXPECT_EQ(test, amp_peer_get(p, p->drv_notif, 8), tx);
	KUNIT_EXPECT_TRUE(test, peer_wait(p, p->fb.num_kicks == 2));
	KUNIT_EXPECT_EQ(test, p->frames, frames);

	/* The other one has no bit. */
	virtqueue_notify(nine->vqs[0]);
	KUNIT_EXPECT_TRUE(test, peer_wait(p, p->fb.num_kicks == 3));
	KUNIT_EXPECT_EQ(test, p->fb.kicks[2].dev_num, 9);
	KUNIT_EXPECT_EQ(test, p->frames, frames + 1);
	KUNIT_EXPECT_EQ(test, amp_peer_get(p, p->drv_notif, 8), tx);
}

/* A queue beyond those that a device has bits for. */
static void amp_words_queue_without(struct kunit *test)
{
	static const struct amp_format one_bit = {
		"a bit a device", LAYOUT, .num_notif = 64, .per_device = 1,
	};
	struct amp_peer *p = new_peer(test, &one_bit);
	struct fake_drv *drv;
	unsigned int frames;

	fake_dev_create(&p->fb, 3);
	fake_driver.nvqs = 2;
	fake_driver.names[1] = "second";
	drv = link_up(p, 1);
	frames = p->frames;
	virtqueue_notify(drv->vqs[0]);
	KUNIT_EXPECT_TRUE(test, peer_wait(p, p->fb.num_kicks == 1));
	KUNIT_EXPECT_EQ(test, p->frames, frames);
	KUNIT_EXPECT_EQ(test, p->bits, 1);
	virtqueue_notify(drv->vqs[1]);
	KUNIT_EXPECT_TRUE(test, peer_wait(p, p->fb.num_kicks == 2));
	KUNIT_EXPECT_EQ(test, p->frames, frames + 1);
	KUNIT_EXPECT_EQ(test, p->fb.kicks[1].dev_num, 3);
	KUNIT_EXPECT_EQ(test, p->fb.kicks[1].index, 1);
	KUNIT_EXPECT_EQ(test, p->bits, 1);
}

/* A notification that says more than a bit can. */
static void amp_words_next_offset(struct kunit *test)
{
	struct amp_peer *p = new_peer(test, &words);
	struct fake_dev *fd = fake_dev_create(&p->fb, 3);
	struct fake_drv *drv;
	unsigned int frames;

	fake_offer(fd, VIRTIO_F_NOTIFICATION_DATA, true);
	drv = link_up(p, 1);
	KUNIT_ASSERT_TRUE(test, fake_accepted(fd, VIRTIO_F_NOTIFICATION_DATA));
	frames = p->frames;
	io(p, drv, 1);
	KUNIT_EXPECT_EQ(test, p->bits, 0);
	KUNIT_EXPECT_EQ(test, p->frames, frames + 1);
	KUNIT_EXPECT_NE(test, p->fb.kicks[0].next_offset, 0);
}

static void amp_words_mask(struct kunit *test)
{
	struct amp_peer *p = new_peer(test, &masked);
	unsigned int bells, i;
	struct fake_drv *drv;
	u32 mask;

	/* What lay there before does not count. */
	for (i = 0; i < 3; i++)
		amp_peer_poke(p, p->drv_notif + 8 * i, 8, U64_MAX);
	fake_dev_create(&p->fb, 3);
	drv = link_up(p, 1);
	for (i = 0; i < 3; i++)
		KUNIT_EXPECT_EQ(test, amp_peer_get(p, p->drv_notif + 8 * i, 8), 0);
	mask = p->dev_notif + offsetof(struct virtio_msg_amp_notif, mask);
	bells = p->bells;
	/* All but this one. */
	amp_peer_poke(p, mask, 8, ~BIT_ULL(12));
	virtqueue_notify(drv->vqs[0]);
	KUNIT_EXPECT_EQ(test, p->bells, bells + 1);
	/* This one is found without. */
	amp_peer_poke(p, mask, 8, BIT_ULL(12));
	virtqueue_notify(drv->vqs[0]);
	virtqueue_notify(drv->vqs[0]);
	KUNIT_EXPECT_EQ(test, p->bells, bells + 1);
	KUNIT_EXPECT_TRUE(test, peer_wait(p, p->fb.num_kicks == 2));
	amp_peer_poke(p, mask, 8, 0);
	io(p, drv, 2);
}

/* Without the feature there is no mask, whatever lies there. */
static void amp_words_no_mask(struct kunit *test)
{
	struct amp_peer *p;
	struct fake_dev *fd;
	struct fake_drv *drv;
	unsigned int bells;

	p = new_link(test, &words, &fd, &drv);
	amp_peer_poke(p, p->dev_notif +
		      offsetof(struct virtio_msg_amp_notif, mask), 8, U64_MAX);
	bells = p->bells;
	virtqueue_notify(drv->vqs[0]);
	KUNIT_EXPECT_EQ(test, p->bells, bells + 1);
}

static struct amp_peer *acked_peer;
static atomic_t acked, unacked;

/* Is everything acknowledged that was notified, when a callback runs? */
static void look_at_ack(struct virtqueue *vq)
{
	struct amp_peer *p = acked_peer;
	u32 rx = p->drv_notif + offsetof(struct virtio_msg_amp_notif, rx);

	if (amp_peer_get(p, rx, 8) == amp_peer_get(p, p->dev_notif, 8))
		atomic_inc(&acked);
	else
		atomic_inc(&unacked);
}

static void amp_words_used(struct kunit *test)
{
	void (*callback)(struct virtqueue *vq);
	struct fake_drv *drv;
	struct fake_dev *fd;
	struct amp_peer *p;
	long events;
	int i;

	p = new_link(test, &words, &fd, &drv);
	io(p, drv, 3);
	leave_buffer(p, drv, 0);
	fake_settle(&p->fb);
	pings(p, 1);
	events = fake_stat(&p->fb, VMSG_STAT_EVENTS);
	acked_peer = p;
	atomic_set(&acked, 0);
	atomic_set(&unacked, 0);
	callback = drv->vqs[0]->callback;
	drv->vqs[0]->callback = look_at_ack;
	for (i = 1; i <= 10; i++) {
		amp_peer_toggle(p, BIT_ULL(12));
		KUNIT_ASSERT_TRUE(test, poll_until(atomic_read(&acked) +
						   atomic_read(&unacked) >= i));
	}
	KUNIT_EXPECT_EQ(test, atomic_read(&acked), 10);
	KUNIT_EXPECT_EQ(test, atomic_read(&unacked), 0);
	/* Nothing changes, nothing happens. */
	amp_peer_interrupt(p);
	pings(p, 1);
	KUNIT_EXPECT_EQ(test, fake_stat(&p->fb, VMSG_STAT_EVENTS), events + 10);
	KUNIT_EXPECT_EQ(test, atomic_read(&acked), 10);
	KUNIT_EXPECT_EQ(test, fake_stat(&p->fb, VMSG_STAT_UNEXPECTED), 0);
	drv->vqs[0]->callback = callback;
}

struct hostile_words {
	const char *name;
	struct amp_format format;
	unsigned int used;
};

static const struct hostile_words hostile_words[] = {
	{ "one", { "", LAYOUT, .num_notif = 1, .per_device = 1 }, 1 },
	{ "32", { "", LAYOUT, .num_notif = 32, .per_device = 4 }, 32 },
	{ "33", { "", LAYOUT, .num_notif = 33, .per_device = 255 }, 33 },
	{ "63", { "", LAYOUT, .num_notif = 63, .per_device = 1 }, 63 },
	{ "64", { "", LAYOUT, .num_notif = 64, .per_device = 2 }, 64 },
	{ "none", { "", LAYOUT, .num_notif = 0, .per_device = 4 }, 0 },
	{ "no device", { "", LAYOUT, .num_notif = 64, .per_device = 0 }, 0 },
};

KUNIT_ARRAY_PARAM_DESC(hostile_words, hostile_words, name);

/* All bits there are, of devices that there are not. */
static void amp_words_hostile(struct kunit *test)
{
	const struct hostile_words *h = test->param_value;
	struct amp_peer *p = new_peer(test, &h->format);
	long unexpected = 0;
	int i;

	link_up(p, 0);
	for (i = 0; i < 4; i++) {
		if (h->format.num_notif)
			amp_peer_toggle(p, U64_MAX);
		else
			amp_peer_poke(p, p->dev_notif, 8, i & 1 ? 0 : U64_MAX);
		amp_peer_interrupt(p);
		unexpected += h->used;
		KUNIT_ASSERT_TRUE(test,
				  poll_until(fake_stat(&p->fb, VMSG_STAT_UNEXPECTED) ==
					     unexpected));
		pings(p, 1);
		KUNIT_EXPECT_EQ(test, fake_stat(&p->fb, VMSG_STAT_UNEXPECTED),
				unexpected);
	}
}

/*
 * Numbers
 */

static const u32 hostile_numbers[] = {
	2, 61, 62, 63, 64, 124, 255, 0x7fff, 0x8000, 0xfffe, 0xffff, 0x10000,
	0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff,
};

static long received(struct amp_peer *p)
{
	return fake_stat(&p->fb, VMSG_STAT_EVENTS) +
	       fake_stat(&p->fb, VMSG_STAT_MALFORMED) +
	       fake_stat(&p->fb, VMSG_STAT_UNEXPECTED);
}

static void fill_slots(struct amp_peer *p, u8 with)
{
	u8 junk[AMP_STRIDE_MAX];
	u32 i;

	memset(junk, with, sizeof(junk));
	for (i = 0; i < p->format->num; i++)
		amp_peer_fill(p, i, junk, p->format->stride);
}

/* Frames that nobody has written, as many as anybody could mean. */
static void amp_hostile_producer(struct kunit *test)
{
	const struct amp_format *f = test->param_value;
	struct amp_peer *p;
	struct fake_dev *fd;
	struct fake_drv *drv;
	unsigned int i;
	long before;
	u32 value;

	p = new_link(test, f, &fd, &drv);
	hold_still(p);
	for (i = 0; i < ARRAY_SIZE(hostile_numbers); i++) {
		value = hostile_numbers[i];
		if (f->layout)
			value &= 0xffff;
		fill_slots(p, i % 3 * 0x7f);
		before = received(p);
		poke(p, p->to_drv.prod, value);
		amp_peer_interrupt(p);
		KUNIT_ASSERT_TRUE_MSG(test,
				      poll_until(number(p, p->to_drv.cons) ==
						 value % f->num),
				      "number 0x%x", value);
		KUNIT_EXPECT_LT(test, received(p) - before, f->num);
	}
	amp_peer_catch_up(p);
	go_on(p);
	pings(p, 2 * f->num);
	io(p, drv, 3);
}

/* Room that is not there, or none where there is some. */
static void amp_hostile_consumer(struct kunit *test)
{
	const struct amp_format *f = test->param_value;
	struct amp_peer *p;
	struct fake_dev *fd;
	struct fake_drv *drv;
	unsigned int i, k;
	u32 value;

	p = new_link(test, f, &fd, &drv);
	hold_still(p);
	for (i = 0; i < ARRAY_SIZE(hostile_numbers); i++) {
		value = hostile_numbers[i];
		poke(p, p->to_dev.cons, f->layout ? value & 0xffff : value);
		for (k = 0; k < 2 * f->num; k++) {
			virtqueue_notify(drv->vqs[0]);
			KUNIT_ASSERT_LT(test, number(p, p->to_dev.prod), f->num);
		}
		amp_peer_check(p);
	}
	amp_peer_catch_up(p);
	go_on(p);
	pings(p, 2 * f->num);
	io(p, drv, 3);
}

struct mover {
	struct work_struct work;
	struct amp_peer *p;
	bool stop;
	unsigned long rounds;
};

static void mover_start(struct mover *m, struct amp_peer *p, work_func_t func)
{
	m->p = p;
	INIT_WORK_ONSTACK(&m->work, func);
	queue_work(system_dfl_wq, &m->work);
}

static void mover_stop(struct mover *m)
{
	WRITE_ONCE(m->stop, true);
	flush_work(&m->work);
	destroy_work_on_stack(&m->work);
}

static void mover_work(struct work_struct *work)
{
	struct mover *m = container_of(work, struct mover, work);
	struct amp_peer *p = m->p;
	struct rnd_state rnd;
	u32 slot;

	prandom_seed_state(&rnd, 42);
	while (!READ_ONCE(m->stop)) {
		slot = p->to_drv.slots +
		       prandom_u32_state(&rnd) % p->format->num *
		       p->format->stride;
		poke(p, p->to_drv.prod, prandom_u32_state(&rnd));
		poke(p, p->to_dev.cons, prandom_u32_state(&rnd));
		/* The header of a frame: one that is good, then its size. */
		amp_peer_poke(p, slot, 8, 0x000c000000034200);
		amp_peer_poke(p, slot + 6, 2, prandom_u32_state(&rnd));
		if (p->format->num_notif)
			amp_peer_poke(p, p->dev_notif + m->rounds % 3 * 8, 8,
				      (u64)prandom_u32_state(&rnd) << 16);
		amp_peer_interrupt(p);
		m->rounds++;
		cond_resched();
	}
}

/* Everything changes while it is read. */
static void amp_moving_numbers(struct kunit *test)
{
	const struct amp_format *f = test->param_value;
	struct mover m = {};
	struct amp_peer *p;
	struct fake_dev *fd;
	struct fake_drv *drv;
	int i;

	p = new_link(test, f, &fd, &drv);
	p->fb.bus->info.timeout_ms = 10;
	hold_still(p);
	mover_start(&m, p, mover_work);
	for (i = 0; i < 500; i++) {
		virtqueue_notify(drv->vqs[0]);
		if (number(p, p->to_dev.prod) >= f->num)
			break;
		if (i % 50)
			cond_resched();
		else
			schedule_timeout_uninterruptible(1);
	}
	mover_stop(&m);
	KUNIT_EXPECT_EQ(test, i, 500);
	KUNIT_EXPECT_GT(test, m.rounds, 10);
	/* What is under way is looked at to its end before all is well again. */
	KUNIT_EXPECT_TRUE(test,
			  poll_until(number(p, p->to_drv.cons) ==
				     number(p, p->to_drv.prod) % f->num));
	amp_peer_check(p);
	amp_peer_catch_up(p);
	p->fb.bus->info.timeout_ms = 5000;
	go_on(p);
	pings(p, 2 * f->num);
}

/* Frames of all sizes, one of them the right answer's. */
static void amp_hostile_frames(struct kunit *test)
{
	const struct amp_format *f = test->param_value;
	struct amp_peer *p;
	struct fake_dev *fd;
	struct fake_drv *drv;
	u8 frame[AMP_STRIDE_MAX];
	size_t size = f->stride;
	unsigned int i;

	p = new_link(test, f, &fd, &drv);
	for (i = 0; i < 8 * f->num; i++) {
		get_random_bytes(frame, sizeof(frame));
		/* Things that exist, more often than by chance. */
		frame[0] &= 3;
		frame[1] &= i & 1 ? 0x4f : 0x0f;
		frame[6] = i & 2 ? frame[6] : frame[6] & 0x3f;
		frame[7] &= i & 4 ? 0xff : 0;
		/* But no device comes or goes. */
		if (frame[0] & BUS && frame[1] == 0x40)
			frame[1] = 0x41;
		KUNIT_ASSERT_TRUE(test,
				  poll_until(!amp_peer_put(p, frame, 0, &size, 1)));
	}
	KUNIT_EXPECT_TRUE(test, poll_until(number(p, p->to_drv.cons) == p->tx_at));
	KUNIT_EXPECT_GT(test, fake_stat(&p->fb, VMSG_STAT_MALFORMED), 0);
	pings(p, 5);
}

/*
 * The header of format layout
 */

static const struct {
	const char *name;
	u32 offset;
	unsigned int width;
	u64 value;
	bool good;
} header_fields[] = {
	{ "length", HEADER(length), 2, 0 },
	{ "length", HEADER(length), 2, 63 },
	{ "length", HEADER(length), 2, 64, true },
	{ "version", HEADER(version), 2, 0 },
	{ "version", HEADER(version), 2, 2 },
	{ "version", HEADER(version), 2, 0xffff },
	{ "features", HEADER(features), 2, 0, true },
	{ "features", HEADER(features), 2, 0xffff, true },
	{ "reserved", HEADER(reserved), 2, 0xffff, true },
	{ "num_notif", HEADER(num_notif), 1, 0, true },
	{ "num_notif", HEADER(num_notif), 1, 64, true },
	{ "num_notif", HEADER(num_notif), 1, 65 },
	{ "num_notif", HEADER(num_notif), 1, 255 },
	{ "per device", HEADER(num_vq_notif_per_device), 1, 0, true },
	{ "per device", HEADER(num_vq_notif_per_device), 1, 255, true },
	{ "elements", HEADER(num_queue_elements), 2, 0 },
	{ "elements", HEADER(num_queue_elements), 2, 1 },
	{ "elements", HEADER(num_queue_elements), 2, 2, true },
	{ "elements", HEADER(num_queue_elements), 2, 0x8000 },
	{ "elements", HEADER(num_queue_elements), 2, 0xffff },
	{ "size", HEADER(size_queue_elements), 2, 0 },
	{ "size", HEADER(size_queue_elements), 2, 1 },
	{ "size", HEADER(size_queue_elements), 2, 51 },
	{ "size", HEADER(size_queue_elements), 2, 52, true },
	{ "size", HEADER(size_queue_elements), 2, 0x400 },
	{ "size", HEADER(size_queue_elements), 2, 0xffff },
};

/* Everything that is somewhere, and its bytes. */
static const struct {
	const char *name;
	u32 offset;
	u32 bytes;
} header_places[] = {
	{ "dev_notif", HEADER(dev_notif), 24 },
	{ "drv_notif", HEADER(drv_notif), 24 },
	{ "dev_queue_head", HEADER(dev_queue_head), 8 },
	{ "drv_queue_head", HEADER(drv_queue_head), 8 },
	{ "dev_queue_elements", HEADER(dev_queue_elements), 63 * 64 },
	{ "drv_queue_elements", HEADER(drv_queue_elements), 63 * 64 },
};

/* In the header, unaligned, outside, and outside modulo a power of two. */
static const u64 bad_places[] = {
	0, 8, 56, 63, 65, 0x3000, 0x4000, 0xffffffff, 0xfffffff8, 0x100000080,
	0x8000000000000080, 0xfffffffffffff080, 0xfffffffffffffff8,
	0xffffffffffffffff,
};

/* Is the header taken with another value in it? */
static void expect_header(struct amp_peer *p, const char *name, u32 offset,
			  unsigned int width, u64 value, bool good)
{
	u64 was = width == 1 ? p->window[offset] :
			       amp_peer_get(p, offset, width);

	amp_peer_poke(p, offset, width, value);
	KUNIT_EXPECT_EQ_MSG(p->test, amp_peer_register(p), good ? 0 : -EPROTO,
			    "%s 0x%llx", name, value);
	amp_peer_disconnect(p);
	amp_peer_poke(p, offset, width, was);
}

static void amp_header(struct kunit *test)
{
	struct amp_peer *p = amp_peer_create(test, &words);
	unsigned int i, k;
	u32 last;

	for (i = 0; i < ARRAY_SIZE(header_fields); i++)
		expect_header(p, header_fields[i].name, header_fields[i].offset,
			      header_fields[i].width, header_fields[i].value,
			      header_fields[i].good);
	for (i = 0; i < ARRAY_SIZE(header_places); i++) {
		last = 0x3000 - header_places[i].bytes;
		expect_header(p, header_places[i].name, header_places[i].offset,
			      8, last, true);
		expect_header(p, header_places[i].name, header_places[i].offset,
			      8, last + 8, false);
		for (k = 0; k < ARRAY_SIZE(bad_places); k++)
			expect_header(p, header_places[i].name,
				      header_places[i].offset, 8, bad_places[k],
				      false);
	}
	/* It has not begun. */
	KUNIT_EXPECT_EQ(test, atomic_read(&p->stops), 0);
	KUNIT_EXPECT_EQ(test, p->bells, 0);
	KUNIT_EXPECT_EQ(test, amp_peer_driver_status(p), -1);
}

/* Without words nobody cares where they would be. */
static void amp_header_no_words(struct kunit *test)
{
	struct amp_peer *p = new_peer(test, &layout);

	amp_peer_poke(p, HEADER(dev_notif), 8, U64_MAX);
	amp_peer_poke(p, HEADER(drv_notif), 8, 0x41);
	fake_dev_create(&p->fb, 3);
	io(p, link_up(p, 1), 2);
}

/* Everything in the same place. That ends in nonsense, but it ends. */
static void amp_header_overlap(struct kunit *test)
{
	struct amp_peer *p = amp_peer_create(test, &words);

	p->info.timeout_ms = FAKE_SHORT_TIMEOUT;
	amp_peer_poke(p, HEADER(dev_notif), 8, 128);
	amp_peer_poke(p, HEADER(drv_notif), 8, 128);
	amp_peer_poke(p, HEADER(dev_queue_head), 8, 128);
	amp_peer_poke(p, HEADER(drv_queue_head), 8, 128);
	amp_peer_poke(p, HEADER(dev_queue_elements), 8, 128);
	amp_peer_poke(p, HEADER(drv_queue_elements), 8, 128);
	bitmap_set(p->drivers, VIRTIO_MSG_AMP_LAYOUT + 128, 63 * 64);
	hold_still(p);
	if (amp_peer_register(p))
		return;
	amp_peer_connect(p);
	amp_peer_interrupt(p);
	msleep(50);
	amp_peer_interrupt(p);
	amp_peer_disconnect(p);
}

/* It becomes bad while nobody looks, and good again. */
static void amp_header_goes_bad(struct kunit *test)
{
	struct amp_peer *p;
	struct fake_dev *fd;
	struct fake_drv *drv;
	int scanned;

	p = new_link(test, &words, &fd, &drv);
	hold_still(p);
	amp_peer_poke(p, HEADER(dev_queue_elements), 8, 0xfffffff8);
	io(p, drv, 0);
	scanned = scans(p);
	amp_peer_status(p, MAGIC, VIRTIO_MSG_AMP_INIT);
	amp_peer_interrupt(p);
	KUNIT_EXPECT_TRUE(test, drv_wait(removes() == 1));
	msleep(50);
	KUNIT_EXPECT_EQ(test, scans(p), scanned);
	amp_peer_poke(p, HEADER(dev_queue_elements), 8, 128);
	amp_peer_begin(p);
	go_on(p);
	io(p, wait_up(p, scanned, 2), 3);
}

/* The end comes while it is bad: nobody knows where to say so. */
static void amp_header_bad_at_end(struct kunit *test)
{
	struct amp_peer *p;
	struct fake_dev *fd;
	struct fake_drv *drv;

	p = new_link(test, &words, &fd, &drv);
	hold_still(p);
	amp_peer_poke(p, HEADER(version), 2, 2);
	amp_peer_status(p, MAGIC, VIRTIO_MSG_AMP_INIT);
	amp_peer_interrupt(p);
	KUNIT_EXPECT_TRUE(test, drv_wait(removes() == 1));
	/* It is read again after the devices have gone. */
	msleep(50);
	amp_peer_disconnect(p);
	KUNIT_EXPECT_EQ(test, atomic_read(&p->stops), 1);
	KUNIT_EXPECT_EQ(test, amp_peer_driver_status(p), VIRTIO_MSG_AMP_RUN);
	amp_peer_check(p);
}

/*
 * States
 */

struct restart {
	const char *name;
	u16 magic;
	u16 status;
};

static const struct restart restarts[] = {
	{ "INIT", MAGIC, VIRTIO_MSG_AMP_INIT },
	{ "READY", MAGIC, VIRTIO_MSG_AMP_READY },
	{ "SHUTDOWN", MAGIC, VIRTIO_MSG_AMP_SHUTDOWN },
	{ "DEAD", MAGIC, VIRTIO_MSG_AMP_DEAD },
	{ "no magic", 0, VIRTIO_MSG_AMP_RUN },
	{ "other magic", 0x5150, VIRTIO_MSG_AMP_RUN },
	{ "no such status", MAGIC, 31 },
	{ "all bits", MAGIC, 0xffff },
};

KUNIT_ARRAY_PARAM_DESC(restart, restarts, name);

static void amp_peer_leaves(struct kunit *test)
{
	const struct restart *r = test->param_value;
	struct amp_peer *p;
	struct fake_dev *fd;
	struct fake_drv *drv;
	int scanned, requests, i;

	p = new_link(test, &layout, &fd, &drv);
	for (i = 1; i <= 2; i++) {
		io(p, drv, 5);
		hold_still(p);
		scanned = scans(p);
		requests = atomic_read(&p->fb.requests);
		amp_peer_status(p, r->magic, r->status);
		amp_peer_interrupt(p);
		KUNIT_ASSERT_TRUE(test, drv_wait(removes() == i));
		KUNIT_EXPECT_EQ(test, atomic_read(&p->fb.requests), requests);
		/* With one that is ready it may have come further. */
		if (r->status != VIRTIO_MSG_AMP_READY)
			KUNIT_EXPECT_TRUE(test,
					  poll_until(amp_peer_driver_status(p) !=
						     VIRTIO_MSG_AMP_RUN));
		amp_peer_begin(p);
		go_on(p);
		drv = wait_up(p, scanned, i + 1);
		KUNIT_EXPECT_EQ(test, fd->status & VIRTIO_CONFIG_S_DRIVER_OK,
				VIRTIO_CONFIG_S_DRIVER_OK);
	}
	io(p, drv, 100);
}

/* Nobody rings when it leaves. */
static void amp_peer_leaves_silently(struct kunit *test)
{
	struct amp_peer *p;
	struct fake_dev *fd;
	struct fake_drv *drv;
	int scanned;

	p = new_link(test, &layout, &fd, &drv);
	io(p, drv, 5);
	scanned = scans(p);
	amp_peer_begin(p);
	io(p, wait_up(p, scanned, 2), 100);
	KUNIT_EXPECT_EQ(test, removes(), 1);
}

/* Bits beside the status are not the status. */
static void amp_status_bits(struct kunit *test)
{
	struct amp_peer *p;
	struct fake_dev *fd;
	struct fake_drv *drv;

	p = new_link(test, &layout, &fd, &drv);
	amp_peer_status(p, MAGIC, 0xffe0 | VIRTIO_MSG_AMP_RUN);
	io(p, drv, 5);
	amp_peer_interrupt(p);
	pings(p, 2);
	amp_peer_interrupt(p);
	pings(p, 2);
	KUNIT_EXPECT_EQ(test, removes(), 0);
}

static bool driver_is(struct amp_peer *p, int status)
{
	return poll_until(amp_peer_driver_status(p) == status);
}

/* The driver side comes first, and the peer comes, goes and comes. */
static void amp_peer_flaps(struct kunit *test)
{
	struct amp_peer *p = amp_peer_create(test, &layout);
	static const u16 gone[] = {
		VIRTIO_MSG_AMP_SHUTDOWN, VIRTIO_MSG_AMP_DEAD, 31,
	};
	unsigned int i;

	fake_dev_create(&p->fb, 3);
	hold_still(p);
	amp_peer_connect(p);
	KUNIT_EXPECT_TRUE(test, driver_is(p, VIRTIO_MSG_AMP_INIT));
	for (i = 0; i < ARRAY_SIZE(gone); i++) {
		/* Not there, and what it left is not to be gone by. */
		poke(p, p->to_drv.prod, 17);
		poke(p, p->to_dev.cons, 5);
		poke(p, p->to_dev.prod, 9);
		poke(p, p->to_drv.cons, 3);
		amp_peer_status(p, MAGIC, gone[i]);
		amp_peer_interrupt(p);
		KUNIT_EXPECT_TRUE(test, driver_is(p, VIRTIO_MSG_AMP_INIT));
		/* There, but not ready. */
		amp_peer_status(p, MAGIC, VIRTIO_MSG_AMP_INIT);
		KUNIT_EXPECT_TRUE(test, driver_is(p, VIRTIO_MSG_AMP_READY));
		KUNIT_EXPECT_EQ(test, number(p, p->to_dev.prod), 0);
		KUNIT_EXPECT_EQ(test, number(p, p->to_drv.cons), 0);
		amp_peer_interrupt(p);
		msleep(20);
		KUNIT_EXPECT_EQ(test, amp_peer_driver_status(p),
				VIRTIO_MSG_AMP_READY);
		/* It may go from there, and come back. */
		amp_peer_status(p, MAGIC, gone[i]);
		KUNIT_EXPECT_TRUE(test, driver_is(p, VIRTIO_MSG_AMP_INIT));
		amp_peer_status(p, MAGIC, VIRTIO_MSG_AMP_INIT);
		KUNIT_EXPECT_TRUE(test, driver_is(p, VIRTIO_MSG_AMP_READY));
		/* Ready, but it does not run: some must not be rung then. */
		amp_peer_status(p, MAGIC, VIRTIO_MSG_AMP_READY);
		KUNIT_EXPECT_TRUE(test, driver_is(p, VIRTIO_MSG_AMP_RUN));
		amp_peer_interrupt(p);
		msleep(20);
	}
	KUNIT_EXPECT_EQ(test, p->bells, 0);
	amp_peer_begin(p);
	go_on(p);
	io(p, wait_up(p, 0, 1), 5);
	KUNIT_EXPECT_EQ(test, p->bells, p->frames);
}

/* A peer in RUN that is only slow to see that somebody has come anew. */
static void amp_peer_slow(struct kunit *test)
{
	struct amp_peer *p;
	struct fake_dev *fd;
	struct fake_drv *drv;
	int scanned;

	p = new_link(test, &layout, &fd, &drv);
	io(p, drv, 5);
	hold_still(p);
	/* This one could not say that it goes. */
	virtio_msg_amp_dead(p->amp);
	amp_peer_disconnect(p);
	KUNIT_EXPECT_EQ(test, amp_peer_driver_status(p), VIRTIO_MSG_AMP_RUN);
	scanned = scans(p);
	amp_peer_connect(p);
	KUNIT_EXPECT_TRUE(test, driver_is(p, VIRTIO_MSG_AMP_INIT));
	amp_peer_interrupt(p);
	msleep(50);
	KUNIT_EXPECT_EQ(test, amp_peer_driver_status(p), VIRTIO_MSG_AMP_INIT);
	WRITE_ONCE(p->frozen, false);
	WRITE_ONCE(p->deaf, false);
	drv = wait_up(p, scanned, 2);
	/* Both began at 0. */
	KUNIT_EXPECT_LT(test, number(p, p->to_dev.prod), 40);
	io(p, drv, 100);
}

static const struct amp_format standing[] = {
	{ "spsc", SPSC },
	{ "spsc, RFC", SPSC, .rfc = true },
	{ "layout", LAYOUT },
	{ "layout, RFC, one frame a doorbell", LAYOUT, .rfc = true,
	  .one_each = true },
	{ "words", LAYOUT, WORDS },
};

KUNIT_ARRAY_PARAM_DESC(standing, standing, name);

/*
 * Without a pool nobody waits long for a peer in RUN, but then there is nowhere
 * to put a queue either.
 */
static void impatient(struct amp_peer *p)
{
	if (p->format->layout)
		p->info.pool = NULL;
	else
		fake_dev_create(&p->fb, 3);
}

static void link_up_impatient(struct amp_peer *p)
{
	link_up(p, !!p->info.pool);
	pings(p, 2 * p->format->num);
	if (p->info.pool)
		io(p, fake_driver.drv, 2 * p->format->num);
}

/*
 * A peer that has been running for a while and does not begin anew for anybody:
 * what is in the queues is old.
 */
static void amp_peer_stands(struct kunit *test)
{
	const struct amp_format *f = test->param_value;
	struct amp_peer *p = amp_peer_create(test, f);
	size_t size;
	u8 frame[64];
	u32 i;

	impatient(p);
	/* If one of these is read, somebody asks for device 9. */
	size = event_device(p, 9, VIRTIO_MSG_DEVICE_ADDED, frame);
	for (i = 0; i < f->num; i++)
		amp_peer_fill(p, i, frame, size);
	/* The other side got as far as 3; 62 is its way to say 0. */
	poke(p, p->to_drv.cons, 3);
	poke(p, p->to_dev.prod, f->layout ? 40 : 5 + f->num);
	p->deaf = true;
	amp_peer_stand(p, 5, 17);
	amp_peer_connect(p);
	KUNIT_EXPECT_TRUE(test, poll_until(p->bells));
	KUNIT_EXPECT_EQ(test, number(p, p->to_drv.cons), 17);
	go_on(p);
	wait_up(p, 0, !!p->info.pool);
	if (p->info.pool)
		io(p, fake_driver.drv, 2 * f->num);
	pings(p, 2 * f->num);
	KUNIT_EXPECT_FALSE(test, asked(p, 9));
	KUNIT_EXPECT_EQ(test, fake_stat(&p->fb, VMSG_STAT_UNEXPECTED), 0);
	KUNIT_EXPECT_EQ(test, fake_stat(&p->fb, VMSG_STAT_MALFORMED), 0);
	if (!f->num_notif)
		KUNIT_EXPECT_EQ(test, p->bells, p->frames);

	/* The next one finds it where this one leaves it. */
	amp_peer_disconnect(p);
	KUNIT_EXPECT_EQ(test, number(p, p->to_dev.prod), p->rx_at);
	link_up_impatient(p);
	KUNIT_EXPECT_FALSE(test, asked(p, 9));
	KUNIT_EXPECT_EQ(test, fake_stat(&p->fb, VMSG_STAT_UNEXPECTED), 0);
}

/* With a pool it takes longer. */
static void amp_peer_stands_pool(struct kunit *test)
{
	struct amp_peer *p = amp_peer_create(test, &layout);

	fake_dev_create(&p->fb, 3);
	amp_peer_stand(p, 5, 17);
	io(p, link_up(p, 1), 100);
	KUNIT_EXPECT_EQ(test, p->bells, p->frames);
}

/* Its words are old, too. */
static void amp_peer_stands_words(struct kunit *test)
{
	struct amp_peer *p = amp_peer_create(test, &words);

	p->info.pool = NULL;
	amp_peer_stand(p, 0, 0);
	link_up(p, 0);
	KUNIT_EXPECT_EQ(test, amp_peer_get(p, p->drv_notif, 8), AMP_WORDS_RX);
	KUNIT_EXPECT_EQ(test, AMP_WORDS_TX,
			amp_peer_get(p, p->drv_notif +
				     offsetof(struct virtio_msg_amp_notif, rx),
				     8));
	KUNIT_EXPECT_EQ(test, p->bits, 0);
	KUNIT_EXPECT_EQ(test, fake_stat(&p->fb, VMSG_STAT_UNEXPECTED), 0);
}

/* Requests that the last kernel left in the queue stay where they are. */
static void amp_requests_left(struct kunit *test)
{
	const struct amp_format *f = test->param_value;
	struct amp_peer *p = amp_peer_create(test, f);
	const struct vmsg_msg msg = {
		.type = BUS,
		.id = VIRTIO_MSG_BUS_PING,
		.token = 0x1234,
	};
	u32 i;

	impatient(p);
	amp_peer_stand(p, f->num - 3, 0);
	for (i = f->num - 3; i < f->num; i++) {
		u8 *slot = p->window + p->to_dev.slots + i * f->stride;

		memset(slot, 0, f->stride);
		vmsg_wire_encode(VMSG_DIALECT_1, &msg, slot, f->stride);
	}
	poke(p, p->to_dev.prod, 0);
	/* In this format somebody has to have been there. */
	if (f->layout)
		amp_peer_poke(p, p->drv_head, 2, MAGIC);
	p->deaf = true;
	p->info.timeout_ms = 15000;
	amp_peer_connect(p);
	KUNIT_EXPECT_TRUE(test, poll_until(p->bells));
	/* The first one of this kernel is behind them. */
	KUNIT_EXPECT_EQ(test, number(p, p->to_dev.prod), 1);
	go_on(p);
	wait_up(p, 0, !f->layout);
	KUNIT_EXPECT_EQ(test, fake_count(&p->fb, true, VIRTIO_MSG_BUS_PING), 3);
	/* Whose answers nobody wants. */
	KUNIT_EXPECT_TRUE(test,
			  poll_until(fake_stat(&p->fb, VMSG_STAT_UNEXPECTED) == 3));
	pings(p, 2 * f->num);
}

static const struct amp_format left[] = {
	{ "spsc", SPSC },
	{ "layout", LAYOUT },
};

KUNIT_ARRAY_PARAM_DESC(left, left, name);

/* Nobody answers any more. That is no reason to wait for ever. */
static void amp_peer_silent(struct kunit *test)
{
	const struct amp_format *f = test->param_value;
	struct amp_peer *p = new_peer(test, f);
	struct fake_dev *fd = fake_dev_create(&p->fb, 3);
	int resets;

	p->info.timeout_ms = FAKE_SHORT_TIMEOUT;
	link_up(p, 1);
	hold_still(p);
	resets = fd->resets;
	KUNIT_EXPECT_EQ(test, ping(p, 1), -ETIMEDOUT);
	amp_peer_disconnect(p);
	KUNIT_EXPECT_EQ(test, removes(), 1);
	KUNIT_EXPECT_EQ(test, fd->resets, resets);
	KUNIT_EXPECT_EQ(test, atomic_read(&p->stops), 1);
	amp_peer_catch_up(p);
}

/*
 * The end, and pauses
 */

static void ringer_work(struct work_struct *work)
{
	struct mover *m = container_of(work, struct mover, work);
	size_t size;
	u8 frame[64];

	size = event_used(m->p, 3, 0, frame);
	while (!READ_ONCE(m->stop)) {
		if (!(m->rounds++ & 3))
			amp_peer_put(m->p, frame, 0, &size, 1);
		amp_peer_interrupt(m->p);
		cond_resched();
	}
}

/* The peer rings and sends all the time, whatever happens. */
static void amp_end_while_ringing(struct kunit *test)
{
	const struct amp_format *f = test->param_value;
	struct amp_peer *p = new_peer(test, f);
	struct mover m = {};
	int i;

	fake_dev_create(&p->fb, 3);
	mover_start(&m, p, ringer_work);
	for (i = 1; i <= 6; i++) {
		link_up(p, 1);
		if (i & 1)
			virtio_msg_amp_dead(p->amp);
		amp_peer_disconnect(p);
		KUNIT_EXPECT_EQ(test, removes(), i);
		KUNIT_EXPECT_EQ(test, atomic_read(&p->stops), i);
	}
	mover_stop(&m);
	KUNIT_EXPECT_GT(test, m.rounds, 10);
}

/* Memory and doorbell are not touched any more. */
static void amp_dead(struct kunit *test)
{
	const struct amp_format *f = test->param_value;
	struct amp_peer *p = new_peer(test, f);
	struct pinger *a[4];
	unsigned int i, bells;
	u8 *before, frame[64];
	size_t size;

	/* Nobody is patient enough for that. */
	p->info.timeout_ms = 60000;
	fake_dev_create(&p->fb, 3);
	link_up(p, 1);
	hold_still(p);
	for (i = 0; i < ARRAY_SIZE(a); i++)
		a[i] = ping_elsewhere(p, 1);
	/* Those for whom there is room have rung; the others wait for some. */
	KUNIT_ASSERT_TRUE(test,
			  poll_until((number(p, p->to_dev.prod) + f->num -
				      p->rx_at) % f->num ==
				     min_t(int, f->num - 1, ARRAY_SIZE(a))));
	/* One frame is on its way, and told of when it is too late. */
	p->mute = true;
	size = event_used(p, 3, 0, frame);
	KUNIT_ASSERT_EQ(test, 0, amp_peer_put(p, frame, 0, &size, 1));
	before = copy_window(p);
	bells = p->bells;
	virtio_msg_amp_dead(p->amp);
	amp_peer_interrupt(p);
	for (i = 0; i < ARRAY_SIZE(a); i++)
		KUNIT_EXPECT_EQ(test, pinger_result(a[i]), -ENODEV);
	KUNIT_EXPECT_TRUE(test, drv_wait(removes() == 1));
	KUNIT_EXPECT_TRUE(test, peer_wait(p, atomic_read(&p->cuts)));
	amp_peer_interrupt(p);
	msleep(20);
	amp_peer_disconnect(p);
	KUNIT_EXPECT_MEMEQ(test, p->window, before, VIRTIO_MSG_AMP_WINDOW_SIZE);
	KUNIT_EXPECT_EQ(test, p->bells, bells);
	KUNIT_EXPECT_EQ(test, atomic_read(&p->cuts), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&p->stops), 1);
	amp_peer_catch_up(p);
}

#ifdef CONFIG_PM_SLEEP
/* It is gone when the machine wakes up, or comes to its end before that. */
static void amp_end_while_suspended(struct kunit *test)
{
	const struct amp_format *f = test->param_value;
	struct amp_peer *p;
	struct fake_dev *fd;
	struct fake_drv *drv;
	u8 *before;

	p = new_link(test, f, &fd, &drv);
	KUNIT_ASSERT_EQ(test, 0, virtio_msg_amp_suspend(p->amp));
	amp_peer_disconnect(p);
	KUNIT_EXPECT_EQ(test, removes(), 1);

	link_up(p, 1);
	KUNIT_ASSERT_EQ(test, 0, virtio_msg_amp_suspend(p->amp));
	virtio_msg_amp_dead(p->amp);
	before = copy_window(p);
	hold_still(p);
	virtio_msg_amp_resume(p->amp);
	KUNIT_EXPECT_TRUE(test, drv_wait(removes() == 2));
	amp_peer_disconnect(p);
	KUNIT_EXPECT_MEMEQ(test, p->window, before, VIRTIO_MSG_AMP_WINDOW_SIZE);
}
#endif

/* Before there was a bus. */
static void amp_dead_early(struct kunit *test)
{
	struct amp_peer *p = amp_peer_create(test, &layout);

	amp_peer_connect(p);
	KUNIT_EXPECT_TRUE(test, driver_is(p, VIRTIO_MSG_AMP_INIT));
	virtio_msg_amp_dead(p->amp);
	amp_peer_begin(p);
	msleep(100);
	amp_peer_disconnect(p);
	KUNIT_EXPECT_EQ(test, amp_peer_driver_status(p), VIRTIO_MSG_AMP_INIT);
	KUNIT_EXPECT_EQ(test, scans(p), 0);
}

static void amp_shutdown(struct kunit *test)
{
	const struct amp_format *f = test->param_value;
	struct amp_peer *p;
	struct fake_dev *fd;
	struct fake_drv *drv;
	int resets;

	p = new_link(test, f, &fd, &drv);
	io(p, drv, 1);
	resets = fd->resets;
	virtio_msg_amp_shutdown(p->amp);
	KUNIT_EXPECT_EQ(test, fd->resets, resets + 1);
	KUNIT_EXPECT_EQ(test, fd->status, 0);
	KUNIT_EXPECT_EQ(test, removes(), 0);
	KUNIT_EXPECT_FALSE(test, p->dma);
	if (f->layout)
		KUNIT_EXPECT_EQ(test, amp_peer_driver_status(p),
				VIRTIO_MSG_AMP_SHUTDOWN);
	/* Nobody is to wait for what comes after the end. */
	virtio_msg_amp_dead(p->amp);
}

/* A link that was never started leaves no trace. */
static void amp_not_started(struct kunit *test)
{
	const struct amp_format *f = test->param_value;
	struct amp_peer *p = new_peer(test, f);
	u8 *before;

	amp_peer_run(p);
	before = copy_window(p);
	KUNIT_ASSERT_EQ(test, 0, amp_peer_register(p));
	amp_peer_disconnect(p);
	KUNIT_EXPECT_EQ(test, atomic_read(&p->stops), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&p->cuts), 0);
	KUNIT_EXPECT_EQ(test, p->bells, 0);
	KUNIT_EXPECT_MEMEQ(test, p->window, before, VIRTIO_MSG_AMP_WINDOW_SIZE);
}

#ifdef CONFIG_PM_SLEEP
static void amp_suspend(struct kunit *test)
{
	const struct amp_format *f = test->param_value;
	struct amp_peer *p;
	struct fake_dev *fd;
	struct fake_drv *drv;
	int i;

	p = new_link(test, f, &fd, &drv);
	for (i = 0; i < 3; i++) {
		io(p, drv, 2);
		KUNIT_ASSERT_EQ(test, 0, virtio_msg_amp_suspend(p->amp));
		KUNIT_EXPECT_EQ(test, fd->status, 0);
		KUNIT_ASSERT_EQ(test, 0, virtio_msg_amp_resume(p->amp));
		KUNIT_EXPECT_TRUE(test, fd->status & VIRTIO_CONFIG_S_DRIVER_OK);
	}
	io(p, drv, 2 * f->num);
	KUNIT_EXPECT_EQ(test, probes(), 1);
	KUNIT_EXPECT_EQ(test, removes(), 0);
}

/* All goes on as if nothing had been asked. */
static void amp_suspend_refused(struct kunit *test)
{
	const struct amp_format *f = test->param_value;
	struct amp_peer *p;
	struct fake_dev *fd;
	struct fake_drv *drv;

	p = new_link(test, f, &fd, &drv);
	fake_driver.freeze_err = -EBUSY;
	KUNIT_EXPECT_EQ(test, virtio_msg_amp_suspend(p->amp), -EBUSY);
	fake_driver.freeze_err = 0;
	io(p, drv, 5);
	KUNIT_EXPECT_EQ(test, removes(), 0);
}

/* The device side comes up anew while this one sleeps. */
static void amp_suspend_peer_anew(struct kunit *test)
{
	const struct amp_format *f = test->param_value;
	struct amp_peer *p;
	struct fake_dev *fd;
	struct fake_drv *drv;
	int scanned;

	p = new_link(test, f, &fd, &drv);
	io(p, drv, 3);
	KUNIT_ASSERT_EQ(test, 0, virtio_msg_amp_suspend(p->amp));
	scanned = scans(p);
	if (f->layout) {
		amp_peer_begin(p);
		/* Even what this side said about itself is lost. */
		amp_peer_poke(p, p->drv_head, 8, 0);
	} else {
		amp_peer_stand(p, p->rx_at, (p->tx_at + 9) % f->num);
	}
	KUNIT_ASSERT_EQ(test, 0, virtio_msg_amp_resume(p->amp));
	if (f->layout)
		drv = wait_up(p, scanned, 2);
	io(p, drv, 2 * f->num);
	pings(p, 5);
	KUNIT_EXPECT_EQ(test, removes(), f->layout);
}
#endif

/*
 * The dialect of late 2025
 */

static const struct amp_format rfc_formats[] = {
	{ "spsc", SPSC, .rfc = true },
	{ "spsc, later", SPSC, .rfc = true, .later = true },
	{ "layout", LAYOUT, .rfc = true, .one_each = true },
};

KUNIT_ARRAY_PARAM_DESC(rfc_format, rfc_formats, name);

static enum fake_verdict no_ping(struct fake_bus *fb, const struct vmsg_msg *req,
				 struct fake_frame *resp)
{
	return (req->type & BUS) && req->id == VIRTIO_MSG_BUS_PING ? FAKE_DROP :
								     FAKE_ANSWER;
}

static void amp_rfc(struct kunit *test)
{
	const struct amp_format *f = test->param_value;
	struct amp_peer *p = new_peer(test, f);
	struct fake_dev *fd = fake_dev_create(&p->fb, 31);
	struct fake_drv *drv;
	const struct vmsg_msg *m;
	unsigned int i;
	u8 config[100];
	int variant;

	p->fb.filter = no_ping;
	fd->info.info.config_size = sizeof(config);
	fd->info.info.num_feature_blocks = 12;
	for (variant = 0; variant < 2; variant++) {
		p->fb.no_next = variant;
		p->fb.num_log = 0;
		drv = link_up(p, 1);
		KUNIT_EXPECT_EQ(test, p->fb.bus->dialect, VMSG_DIALECT_RFC);
		io(p, drv, 10);
		virtio_cread_bytes(drv->vdev, 0, config, sizeof(config));
		KUNIT_EXPECT_MEMEQ(test, config, fd->config, sizeof(config));
		virtio_cwrite8(drv->vdev, 90, variant);
		KUNIT_EXPECT_EQ(test, fd->config[90], variant);
		for (i = 0; i < p->fb.num_log; i++) {
			m = &p->fb.log[i];
			if (m->type & BUS) {
				KUNIT_EXPECT_EQ(test, m->id,
						VIRTIO_MSG_BUS_GET_DEVICES);
				KUNIT_EXPECT_LE(test, m->devices.count, 32);
			} else if (m->id == VIRTIO_MSG_GET_DEVICE_FEATURES ||
				   m->id == VIRTIO_MSG_SET_DRIVER_FEATURES) {
				KUNIT_EXPECT_LE(test, m->features.count, 8);
			} else if (m->id == VIRTIO_MSG_GET_CONFIG) {
				KUNIT_EXPECT_LE(test, m->config.length, 28);
			}
		}
		KUNIT_EXPECT_EQ(test, fake_stat(&p->fb, VMSG_STAT_MALFORMED), 0);
		KUNIT_EXPECT_EQ(test, fake_stat(&p->fb, VMSG_STAT_UNEXPECTED), 0);
		KUNIT_EXPECT_EQ(test, fake_stat(&p->fb, VMSG_STAT_TIMEOUTS), 0);
		amp_peer_disconnect(p);
	}
	KUNIT_EXPECT_LE(test, p->largest, VMSG_RFC_MAX_SIZE);
	KUNIT_EXPECT_EQ(test, p->bells, p->frames);
}

/* Who says nothing gets what the module's parameter says. */
static void amp_default_timeout(struct kunit *test)
{
	struct amp_peer *p = new_peer(test, &spsc);

	p->info.timeout_ms = 0;
	link_up(p, 0);
	KUNIT_EXPECT_EQ(test, p->fb.bus->info.timeout_ms, 5000);
}

/* The other one may use all of a slot. */
static void amp_revision_1(struct kunit *test)
{
	struct amp_peer *p = new_peer(test, &spsc);
	struct fake_dev *fd = fake_dev_create(&p->fb, FAKE_DEVS - 1);
	struct fake_drv *drv;
	u8 config[100];

	fd->info.info.config_size = sizeof(config);
	drv = link_up(p, 1);
	KUNIT_EXPECT_EQ(test, p->fb.bus->dialect, VMSG_DIALECT_1);
	virtio_cread_bytes(drv->vdev, 0, config, sizeof(config));
	KUNIT_EXPECT_MEMEQ(test, config, fd->config, sizeof(config));
	KUNIT_EXPECT_EQ(test, fake_count(&p->fb, false, VIRTIO_MSG_GET_CONFIG),
			3);
}

static struct kunit_case amp_cases[] = {
	KUNIT_CASE_PARAM(amp_moves_buffers, format_gen_params),
	KUNIT_CASE_PARAM(amp_kick_costs, format_gen_params),
	KUNIT_CASE_PARAM(amp_full_kicks, queue_gen_params),
	KUNIT_CASE_PARAM(amp_full_requests, queue_gen_params),
	KUNIT_CASE_PARAM(amp_full_for_ever, queue_gen_params),
	KUNIT_CASE_PARAM(amp_empty, format_gen_params),
	KUNIT_CASE_PARAM(amp_lost_interrupt, rfc_format_gen_params),
	KUNIT_CASE_PARAM(amp_used_merged, standing_gen_params),
	KUNIT_CASE_PARAM(amp_anywhere, queue_gen_params),
	KUNIT_CASE(amp_two_links),
	KUNIT_CASE(amp_ring_status),
	KUNIT_CASE(amp_no_ring_status),
	KUNIT_CASE(amp_listen),
	KUNIT_CASE(amp_listen_has_spoken),
	KUNIT_CASE(amp_listen_in_vain),
	KUNIT_CASE(amp_words_kick),
	KUNIT_CASE(amp_words_queue_without),
	KUNIT_CASE(amp_words_next_offset),
	KUNIT_CASE(amp_words_mask),
	KUNIT_CASE(amp_words_no_mask),
	KUNIT_CASE(amp_words_used),
	KUNIT_CASE_PARAM(amp_words_hostile, hostile_words_gen_params),
	KUNIT_CASE_PARAM(amp_hostile_producer, shape_gen_params),
	KUNIT_CASE_PARAM(amp_hostile_consumer, shape_gen_params),
	KUNIT_CASE_PARAM(amp_moving_numbers, shape_gen_params),
	KUNIT_CASE_PARAM(amp_hostile_frames, shape_gen_params),
	KUNIT_CASE(amp_header),
	KUNIT_CASE(amp_header_no_words),
	KUNIT_CASE(amp_header_overlap),
	KUNIT_CASE(amp_header_goes_bad),
	KUNIT_CASE(amp_header_bad_at_end),
	KUNIT_CASE_PARAM(amp_peer_leaves, restart_gen_params),
	KUNIT_CASE(amp_peer_leaves_silently),
	KUNIT_CASE(amp_status_bits),
	KUNIT_CASE(amp_peer_flaps),
	KUNIT_CASE(amp_peer_slow),
	KUNIT_CASE_PARAM(amp_peer_stands, standing_gen_params),
	KUNIT_CASE(amp_peer_stands_pool),
	KUNIT_CASE(amp_peer_stands_words),
	KUNIT_CASE_PARAM(amp_requests_left, left_gen_params),
	KUNIT_CASE_PARAM(amp_peer_silent, shape_gen_params),
	KUNIT_CASE_PARAM(amp_end_while_ringing, left_gen_params),
	KUNIT_CASE_PARAM(amp_dead, shape_gen_params),
	KUNIT_CASE(amp_dead_early),
	KUNIT_CASE_PARAM(amp_shutdown, shape_gen_params),
	KUNIT_CASE_PARAM(amp_not_started, shape_gen_params),
#ifdef CONFIG_PM_SLEEP
	KUNIT_CASE_PARAM(amp_suspend, format_gen_params),
	KUNIT_CASE_PARAM(amp_suspend_refused, standing_gen_params),
	KUNIT_CASE_PARAM(amp_suspend_peer_anew, standing_gen_params),
	KUNIT_CASE_PARAM(amp_end_while_suspended, left_gen_params),
#endif
	KUNIT_CASE_PARAM(amp_rfc, rfc_format_gen_params),
	KUNIT_CASE(amp_revision_1),
	KUNIT_CASE(amp_default_timeout),
	{}
};

static struct kunit_suite amp_suite = {
	.name = "virtio_msg_amp",
	.init = amp_init,
	.test_cases = amp_cases,
};

kunit_test_suite(amp_suite);
