// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-msg: tests of bus.c.
 */
#include <kunit/run-in-irq-context.h>
#include <kunit/test.h>
#include <linux/bitmap.h>
#include <linux/kmsg_dump.h>
#include <linux/slab.h>

#include "fake_device.h"

#define RESP	VIRTIO_MSG_TYPE_RESPONSE
#define BUS	VIRTIO_MSG_TYPE_BUS

/*
 * Requests
 */

#define ASK_FRAME	264

/* Somebody who asks, in a thread of its own. */
struct asker {
	struct work_struct work;
	struct fake_bus *fb;
	struct vmsg_msg msg;
	u8 frames[2 * ASK_FRAME];
	size_t frame_max;
	int result;
	struct completion done;
};

static void asker_work(struct work_struct *work)
{
	struct asker *a = container_of(work, struct asker, work);

	a->result = vmsg_bus_request(a->fb->bus, NULL, &a->msg, a->frames,
				     a->frame_max);
	complete_all(&a->done);
	wake_up(&a->fb->wait);
}

static void asker_flush(void *arg)
{
	struct asker *a = arg;

	flush_work(&a->work);
}

static struct asker *asker_new(struct fake_bus *fb, u16 dev_num, u8 id)
{
	struct asker *a = kunit_kzalloc(fb->test, sizeof(*a), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(fb->test, a);
	a->fb = fb;
	a->msg.id = id;
	a->msg.dev_num = dev_num;
	a->frame_max = ASK_FRAME;
	INIT_WORK(&a->work, asker_work);
	init_completion(&a->done);
	KUNIT_ASSERT_EQ(fb->test, 0,
			kunit_add_action_or_reset(fb->test, asker_flush, a));
	return a;
}

static void asker_start(struct asker *a)
{
	queue_work(system_dfl_wq, &a->work);
}

static struct asker *ask(struct fake_bus *fb, u16 dev_num, u8 id)
{
	struct asker *a = asker_new(fb, dev_num, id);

	asker_start(a);
	return a;
}

static int asker_result(struct asker *a)
{
	KUNIT_ASSERT_TRUE(a->fb->test,
			  wait_for_completion_timeout(&a->done, FAKE_PATIENCE));
	return a->result;
}

/* One question in this thread. */
static int ask_here(struct fake_bus *fb, u16 dev_num, u8 id,
		    struct vmsg_msg *msg)
{
	u8 frames[2 * ASK_FRAME];
	int err;

	*msg = (struct vmsg_msg) { .id = id, .dev_num = dev_num };
	err = vmsg_bus_request(fb->bus, NULL, msg, frames, ASK_FRAME);
	/* It points into the stack. */
	msg->data = NULL;
	return err;
}

static u8 *copy_of(struct kunit *test, const void *what, size_t size)
{
	u8 *copy = kunit_kmalloc(test, size, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, copy);
	return memcpy(copy, what, size);
}

static enum fake_verdict hold(struct fake_bus *fb, const struct vmsg_msg *req,
			      struct fake_frame *resp)
{
	return FAKE_HOLD;
}

static enum fake_verdict later(struct fake_bus *fb, const struct vmsg_msg *req,
			       struct fake_frame *resp)
{
	return FAKE_LATER;
}

static enum fake_verdict from_irq(struct fake_bus *fb,
				  const struct vmsg_msg *req,
				  struct fake_frame *resp)
{
	return FAKE_IRQ;
}

static enum fake_verdict drop(struct fake_bus *fb, const struct vmsg_msg *req,
			      struct fake_frame *resp)
{
	return FAKE_DROP;
}

static enum fake_verdict fail(struct fake_bus *fb, const struct vmsg_msg *req,
			      struct fake_frame *resp)
{
	return FAKE_FAIL;
}

static struct fake_bus *short_bus(struct kunit *test)
{
	struct virtio_msg_bus_info info = { FAKE_BUS_DEFAULTS };

	info.timeout_ms = FAKE_SHORT_TIMEOUT;
	return fake_bus_create(test, &info);
}

static enum fake_verdict note_token(struct fake_bus *fb,
				    const struct vmsg_msg *req,
				    struct fake_frame *resp)
{
	if (!req->token || test_and_set_bit(req->token, fb->filter_priv))
		atomic_inc(&fb->step);
	return FAKE_ANSWER;
}

/* No token comes again soon, nor is one ever 0. */
static void bus_token_reuse(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct vmsg_msg msg;
	int i;

	fake_dev_create(fb, 3);
	fb->filter_priv = kunit_kcalloc(test, BITS_TO_LONGS(65536),
					sizeof(long), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, fb->filter_priv);
	fb->filter = note_token;
	for (i = 0; i < 5000; i++)
		KUNIT_ASSERT_EQ(test, 0,
				ask_here(fb, 3, VIRTIO_MSG_GET_DEVICE_STATUS,
					 &msg));
	KUNIT_EXPECT_EQ(test, atomic_read(&fb->step), 0);
	/* Go round once. */
	for (; i < 64 * 1023; i++)
		ask_here(fb, 3, VIRTIO_MSG_GET_DEVICE_STATUS, &msg);
	KUNIT_EXPECT_EQ(test, atomic_read(&fb->step), 0);
	KUNIT_EXPECT_EQ(test, 0, ask_here(fb, 3, VIRTIO_MSG_GET_DEVICE_STATUS,
					  &msg));
}

static void bus_tokens_outstanding(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct asker *a[16];
	unsigned int i, k;

	fake_dev_create(fb, 3);
	fb->filter = hold;
	for (i = 0; i < ARRAY_SIZE(a); i++)
		a[i] = ask(fb, 3, VIRTIO_MSG_GET_DEVICE_STATUS);
	KUNIT_ASSERT_TRUE(test, fake_wait(fb, fb->num_held == ARRAY_SIZE(a)));
	for (i = 0; i < ARRAY_SIZE(a); i++) {
		for (k = 0; k < i; k++)
			KUNIT_EXPECT_NE(test, fb->log[i].token,
					fb->log[k].token);
	}
	fake_release_all(fb);
	for (i = 0; i < ARRAY_SIZE(a); i++)
		KUNIT_EXPECT_EQ(test, asker_result(a[i]), 0);
	KUNIT_EXPECT_EQ(test, fake_stat(fb, VMSG_STAT_REQUESTS), ARRAY_SIZE(a));
	KUNIT_EXPECT_EQ(test, fake_stat(fb, VMSG_STAT_RESPONSES),
			ARRAY_SIZE(a));
}

static void bus_swapped_answers(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_dev *fd = fake_dev_create(fb, 3);
	struct asker *a[3];
	int i;

	fd->vq[0].max_size = 100;
	fd->vq[1].max_size = 101;
	fd->vq[2].max_size = 102;
	fb->filter = hold;
	for (i = 0; i < 3; i++) {
		a[i] = asker_new(fb, 3, VIRTIO_MSG_GET_VQUEUE);
		a[i]->msg.vqueue.index = i;
		asker_start(a[i]);
		KUNIT_ASSERT_TRUE(test, fake_wait(fb, fb->num_held == i + 1));
	}
	KUNIT_EXPECT_EQ(test, fake_release(fb, 2), 0);
	KUNIT_EXPECT_EQ(test, fake_release(fb, 0), 0);
	KUNIT_EXPECT_EQ(test, fake_release(fb, 0), 0);
	for (i = 0; i < 3; i++) {
		KUNIT_EXPECT_EQ(test, asker_result(a[i]), 0);
		KUNIT_EXPECT_EQ(test, a[i]->msg.vqueue.max_size, 100 + i);
	}
}

/* What comes after the waiter has left touches nothing of it. */
static void bus_late_answer(struct kunit *test)
{
	struct fake_bus *fb = short_bus(test);
	struct asker *a;
	u8 *copy;

	fake_dev_create(fb, 3);
	fb->filter = hold;
	a = ask(fb, 3, VIRTIO_MSG_GET_DEVICE_STATUS);
	KUNIT_EXPECT_EQ(test, asker_result(a), -ETIMEDOUT);
	KUNIT_EXPECT_EQ(test, fake_stat(fb, VMSG_STAT_TIMEOUTS), 1);
	memset(a->frames, 0x77, sizeof(a->frames));
	memset(&a->msg, 0x77, sizeof(a->msg));
	a->result = 0x77;
	copy = copy_of(test, a, sizeof(*a));

	KUNIT_EXPECT_EQ(test, fake_release(fb, 0), -ENOENT);
	KUNIT_EXPECT_MEMEQ(test, copy, (u8 *)a, sizeof(*a));
	KUNIT_EXPECT_EQ(test, fake_stat(fb, VMSG_STAT_UNEXPECTED), 1);
	KUNIT_EXPECT_EQ(test, fake_stat(fb, VMSG_STAT_RESPONSES), 0);
}

/* The next one in the same place is not answered by what the last one asked. */
static void bus_late_answer_for_next(struct kunit *test)
{
	struct fake_bus *fb = short_bus(test);
	struct vmsg_msg msg;
	struct asker *a;
	int i;

	fake_dev_create(fb, 3);
	fb->filter = hold;
	a = ask(fb, 3, VIRTIO_MSG_GET_DEVICE_STATUS);
	KUNIT_EXPECT_EQ(test, asker_result(a), -ETIMEDOUT);
	fb->filter = NULL;
	/* Back to the same place. */
	for (i = 0; i < VMSG_REQUESTS - 1; i++)
		ask_here(fb, 3, VIRTIO_MSG_GET_DEVICE_STATUS, &msg);
	fb->filter = hold;
	a = ask(fb, 3, VIRTIO_MSG_GET_DEVICE_STATUS);
	KUNIT_ASSERT_TRUE(test, fake_wait(fb, fb->num_held == 2));
	KUNIT_EXPECT_EQ(test, fb->log[0].token % VMSG_REQUESTS,
			fb->log[VMSG_REQUESTS].token % VMSG_REQUESTS);
	KUNIT_EXPECT_EQ(test, fake_release(fb, 0), -ENOENT);
	KUNIT_EXPECT_EQ(test, fake_release(fb, 0), 0);
	KUNIT_EXPECT_EQ(test, asker_result(a), 0);
}

static enum fake_verdict twice(struct fake_bus *fb, const struct vmsg_msg *req,
			       struct fake_frame *resp)
{
	KUNIT_EXPECT_EQ(fb->test, 0, fake_deliver(fb, resp->data, resp->size));
	/* The second one says something else. */
	resp->data[8] = 0xee;
	KUNIT_EXPECT_EQ(fb->test, -ENOENT,
			fake_deliver(fb, resp->data, resp->size));
	return FAKE_DROP;
}

static void bus_duplicate_answer(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct vmsg_msg msg;

	fake_dev_create(fb, 3);
	fb->filter = twice;
	KUNIT_EXPECT_EQ(test, 0, ask_here(fb, 3, VIRTIO_MSG_GET_DEVICE_STATUS,
					  &msg));
	KUNIT_EXPECT_EQ(test, msg.status, 0);
	KUNIT_EXPECT_EQ(test, fake_stat(fb, VMSG_STAT_RESPONSES), 1);
	KUNIT_EXPECT_EQ(test, fake_stat(fb, VMSG_STAT_UNEXPECTED), 1);
}

static void bus_missing_answer(struct kunit *test)
{
	struct fake_bus *fb = short_bus(test);
	struct vmsg_msg msg;
	int i;

	fake_dev_create(fb, 3);
	fb->filter = drop;
	for (i = 1; i <= 3; i++) {
		KUNIT_EXPECT_EQ(test, -ETIMEDOUT,
				ask_here(fb, 3, VIRTIO_MSG_GET_DEVICE_STATUS,
					 &msg));
		KUNIT_EXPECT_EQ(test, fake_stat(fb, VMSG_STAT_TIMEOUTS), i);
	}
	fb->filter = NULL;
	KUNIT_EXPECT_EQ(test, 0, ask_here(fb, 3, VIRTIO_MSG_GET_DEVICE_STATUS,
					  &msg));
}

struct wrong_answer {
	const char *name;
	unsigned int byte;
	u8 flip;
	int err;
	enum vmsg_stat stat;
};

static const struct wrong_answer wrong_answers[] = {
	{ "class", 0, BUS, -ENOENT, VMSG_STAT_UNEXPECTED },
	{ "response bit", 0, RESP, -EBADMSG, VMSG_STAT_UNEXPECTED },
	{ "id", 1, 0x0f, -ENOENT, VMSG_STAT_UNEXPECTED },
	{ "event bit", 1, 0x40, -ENOENT, VMSG_STAT_UNEXPECTED },
	{ "device low byte", 2, 0x01, -ENOENT, VMSG_STAT_UNEXPECTED },
	{ "device high byte", 3, 0x80, -ENOENT, VMSG_STAT_UNEXPECTED },
	{ "place of the token", 4, 0x01, -ENOENT, VMSG_STAT_UNEXPECTED },
	{ "round of the token", 4, 0x40, -ENOENT, VMSG_STAT_UNEXPECTED },
	{ "token high byte", 5, 0x80, -ENOENT, VMSG_STAT_UNEXPECTED },
	{ "size too short", 6, 0x04, -EMSGSIZE, VMSG_STAT_MALFORMED },
	{ "size below a header", 6, 0x0b, -EMSGSIZE, VMSG_STAT_MALFORMED },
	{ "size beyond the frame", 6, 0x01, -EMSGSIZE, VMSG_STAT_MALFORMED },
	{ "size beyond the bus", 7, 0x80, -EMSGSIZE, VMSG_STAT_MALFORMED },
};

KUNIT_ARRAY_PARAM_DESC(wrong_answer, wrong_answers, name);

/* It changes nothing for the waiter, who gets the right one. */
static void bus_wrong_answer(struct kunit *test)
{
	const struct wrong_answer *w = test->param_value;
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_frame *frame;
	struct asker *a;
	u8 *copy;

	fake_dev_create(fb, 3)->status = 0x0f;
	fb->filter = hold;
	a = ask(fb, 3, VIRTIO_MSG_GET_DEVICE_STATUS);
	KUNIT_ASSERT_TRUE(test, fake_wait(fb, fb->num_held));
	frame = list_first_entry(&fb->held, struct fake_frame, node);
	copy = copy_of(test, frame->data, frame->size);

	copy[w->byte] ^= w->flip;
	memset(copy + 8, 0xee, 4);
	KUNIT_EXPECT_EQ(test, w->err, fake_deliver(fb, copy, frame->size));
	KUNIT_EXPECT_EQ(test, fake_stat(fb, w->stat), 1);
	KUNIT_EXPECT_FALSE(test, completion_done(&a->done));
	KUNIT_EXPECT_EQ(test, fake_stat(fb, VMSG_STAT_RESPONSES), 0);

	KUNIT_EXPECT_EQ(test, fake_release(fb, 0), 0);
	KUNIT_EXPECT_EQ(test, asker_result(a), 0);
	KUNIT_EXPECT_EQ(test, a->msg.status, 0x0f);
	KUNIT_EXPECT_EQ(test, fake_stat(fb, VMSG_STAT_RESPONSES), 1);
}

/* A good header, but the payload promises more than there is. */
static void bus_malformed_payload(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_frame *frame;
	struct asker *a;
	u8 *copy;

	fake_dev_create(fb, 3);
	fb->filter = hold;
	a = asker_new(fb, 3, VIRTIO_MSG_GET_CONFIG);
	a->msg.config.length = 8;
	asker_start(a);
	KUNIT_ASSERT_TRUE(test, fake_wait(fb, fb->num_held));
	frame = list_first_entry(&fb->held, struct fake_frame, node);
	copy = copy_of(test, frame->data, frame->size);
	copy[16] = 9;
	KUNIT_EXPECT_EQ(test, -EMSGSIZE, fake_deliver(fb, copy, frame->size));
	KUNIT_EXPECT_FALSE(test, completion_done(&a->done));
	KUNIT_EXPECT_EQ(test, fake_stat(fb, VMSG_STAT_MALFORMED), 1);
	KUNIT_EXPECT_EQ(test, fake_release(fb, 0), 0);
	KUNIT_EXPECT_EQ(test, asker_result(a), 0);
	KUNIT_EXPECT_EQ(test, a->msg.config.length, 8);
	KUNIT_ASSERT_EQ(test, a->msg.data_len, 8);
	KUNIT_EXPECT_EQ(test, a->msg.data[7], 7);
}

/* Legal on the bus, but more than this waiter has room for. */
static void bus_answer_without_room(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct fake_frame *frame;
	u8 big[100] = {};
	struct asker *a;

	fake_dev_create(fb, 3)->status = 0x0f;
	fb->filter = hold;
	a = asker_new(fb, 3, VIRTIO_MSG_GET_DEVICE_STATUS);
	a->frame_max = 52;
	memset(a->frames, 0x77, sizeof(a->frames));
	asker_start(a);
	KUNIT_ASSERT_TRUE(test, fake_wait(fb, fb->num_held));
	frame = list_first_entry(&fb->held, struct fake_frame, node);
	memcpy(big, frame->data, frame->size);
	big[6] = sizeof(big);
	KUNIT_EXPECT_EQ(test, -EMSGSIZE, fake_deliver(fb, big, sizeof(big)));
	KUNIT_EXPECT_FALSE(test, completion_done(&a->done));
	fake_expect_bus_file(fb, NULL, "last_error",
			     "device 3: message 0x07 of type 1 dropped: too long, or shorter than its fields say\n");
	/* Surplus that fits is no reason to refuse. */
	big[6] = 52;
	KUNIT_EXPECT_EQ(test, 0, fake_deliver(fb, big, sizeof(big)));
	KUNIT_EXPECT_EQ(test, asker_result(a), 0);
	KUNIT_EXPECT_EQ(test, a->msg.status, 0x0f);
	KUNIT_EXPECT_EQ(test, a->frames[2 * 52], 0x77);
}

struct answer_context {
	const char *name;
	fake_filter filter;
};

static const struct answer_context answer_contexts[] = {
	{ "before send() returns", NULL },
	{ "from a work", later },
	{ "from a hard interrupt", from_irq },
};

KUNIT_ARRAY_PARAM_DESC(answer_context, answer_contexts, name);

static void bus_answer_from(struct kunit *test)
{
	const struct answer_context *c = test->param_value;
	struct fake_bus *fb = fake_bus_default(test);
	struct vmsg_msg msg;
	int i;

	fake_dev_create(fb, 3)->status = 0x0f;
	fb->filter = c->filter;
	for (i = 0; i < 200; i++) {
		KUNIT_ASSERT_EQ(test, 0,
				ask_here(fb, 3, VIRTIO_MSG_GET_DEVICE_STATUS,
					 &msg));
		KUNIT_ASSERT_EQ(test, msg.status, 0x0f);
	}
	KUNIT_EXPECT_EQ(test, fake_stat(fb, VMSG_STAT_UNEXPECTED), 0);
}

/* Until @n of them wait for a place. */
static bool wait_for_placeless(struct fake_bus *fb, unsigned int n)
{
	wait_queue_head_t *room = &fb->bus->req_room;
	unsigned long end = jiffies + FAKE_PATIENCE;
	size_t waiting;

	do {
		scoped_guard(spinlock_irqsave, &room->lock)
			waiting = list_count_nodes(&room->head);
		if (waiting == n)
			return true;
		schedule_timeout_uninterruptible(1);
	} while (time_before(jiffies, end));
	return false;
}

/* Who finds no place waits for one. */
static void bus_more_than_places(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct asker *a[VMSG_REQUESTS + 16];
	unsigned int i;

	/* They are to be woken: the end of their wait would do it as well. */
	fb->bus->info.timeout_ms = 15000;
	fake_dev_create(fb, 3);
	fb->filter = hold;
	for (i = 0; i < ARRAY_SIZE(a); i++)
		a[i] = ask(fb, 3, VIRTIO_MSG_GET_DEVICE_STATUS);
	KUNIT_ASSERT_TRUE(test, fake_wait(fb, fb->num_held == VMSG_REQUESTS));
	KUNIT_ASSERT_TRUE(test, wait_for_placeless(fb, 16));
	KUNIT_EXPECT_EQ(test, fake_stat(fb, VMSG_STAT_REQUESTS), VMSG_REQUESTS);
	for (i = 0; i < ARRAY_SIZE(a); i++) {
		KUNIT_ASSERT_TRUE(test, fake_wait(fb, fb->num_held));
		KUNIT_EXPECT_EQ(test, fake_release(fb, 0), 0);
	}
	for (i = 0; i < ARRAY_SIZE(a); i++)
		KUNIT_EXPECT_EQ(test, asker_result(a[i]), 0);
	KUNIT_EXPECT_EQ(test, fake_stat(fb, VMSG_STAT_REQUESTS), ARRAY_SIZE(a));
}

static void bus_no_place(struct kunit *test)
{
	struct fake_bus *fb = short_bus(test);
	struct asker *a[VMSG_REQUESTS];
	struct vmsg_msg msg;
	unsigned int i;

	/* Nobody ever leaves: the places stay taken while this one waits. */
	for (i = 0; i < VMSG_REQUESTS; i++)
		fb->bus->reqs[i] = (void *)1;
	KUNIT_EXPECT_EQ(test, -ETIMEDOUT,
			ask_here(fb, 3, VIRTIO_MSG_GET_DEVICE_STATUS, &msg));
	KUNIT_EXPECT_EQ(test, fake_stat(fb, VMSG_STAT_REQUESTS), 0);
	for (i = 0; i < VMSG_REQUESTS; i++)
		fb->bus->reqs[i] = NULL;

	/* Those who give up make room. */
	fake_dev_create(fb, 3);
	fb->filter = drop;
	for (i = 0; i < VMSG_REQUESTS; i++)
		a[i] = ask(fb, 3, VIRTIO_MSG_GET_DEVICE_STATUS);
	for (i = 0; i < VMSG_REQUESTS; i++)
		KUNIT_EXPECT_EQ(test, asker_result(a[i]), -ETIMEDOUT);
	fb->filter = NULL;
	KUNIT_EXPECT_EQ(test, 0, ask_here(fb, 3, VIRTIO_MSG_GET_DEVICE_STATUS,
					  &msg));
}

static void bus_send_error(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct vmsg_msg msg;
	int i;

	fake_dev_create(fb, 3);
	fb->filter = fail;
	for (i = 0; i < 3 * VMSG_REQUESTS; i++)
		KUNIT_ASSERT_EQ(test, -EIO,
				ask_here(fb, 3, VIRTIO_MSG_GET_DEVICE_STATUS,
					 &msg));
	fb->filter = NULL;
	KUNIT_EXPECT_EQ(test, 0, ask_here(fb, 3, VIRTIO_MSG_GET_DEVICE_STATUS,
					  &msg));
	KUNIT_EXPECT_EQ(test, fake_stat(fb, VMSG_STAT_TIMEOUTS), 0);
}

static void bus_request_too_large(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	u8 data[64] = {}, frames[2 * 52];
	struct vmsg_msg msg;
	int i;

	for (i = 0; i < 2 * VMSG_REQUESTS; i++) {
		msg = (struct vmsg_msg) {
			.id = VIRTIO_MSG_SET_CONFIG,
			.config.length = sizeof(data),
			.data = data,
			.data_len = sizeof(data),
		};
		KUNIT_ASSERT_EQ(test, -EMSGSIZE,
				vmsg_bus_request(fb->bus, NULL, &msg, frames, 52));
	}
	KUNIT_EXPECT_EQ(test, fb->num_log, 0);
}

static void bus_abort_one_device(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct asker *one, *two, *bus;

	fake_dev_create(fb, 0);
	fake_dev_create(fb, 1);
	fb->filter = hold;
	one = ask(fb, 0, VIRTIO_MSG_GET_DEVICE_STATUS);
	two = ask(fb, 1, VIRTIO_MSG_GET_DEVICE_STATUS);
	/* Bus messages say device 0 as well. */
	bus = asker_new(fb, 0, VIRTIO_MSG_BUS_PING);
	bus->msg.type = BUS;
	asker_start(bus);
	KUNIT_ASSERT_TRUE(test, fake_wait(fb, fb->num_held == 3));
	vmsg_bus_abort(fb->bus, 0);
	KUNIT_EXPECT_EQ(test, asker_result(one), -ENODEV);
	KUNIT_EXPECT_FALSE(test, completion_done(&two->done));
	KUNIT_EXPECT_FALSE(test, completion_done(&bus->done));
	fake_release_all(fb);
	KUNIT_EXPECT_EQ(test, asker_result(two), 0);
	KUNIT_EXPECT_EQ(test, asker_result(bus), 0);
	KUNIT_EXPECT_EQ(test, fake_stat(fb, VMSG_STAT_UNEXPECTED), 1);
}

/* Those who wait for an answer, and those who wait for a place. */
static void bus_dead_ends_waiters(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct asker *a[VMSG_REQUESTS + 6];
	struct vmsg_msg msg;
	unsigned int i, sent;

	/* Longer than they are waited for. */
	fb->bus->info.timeout_ms = 15000;
	fake_dev_create(fb, 3);
	fb->filter = hold;
	for (i = 0; i < ARRAY_SIZE(a); i++)
		a[i] = ask(fb, 3, VIRTIO_MSG_GET_DEVICE_STATUS);
	KUNIT_ASSERT_TRUE(test, fake_wait(fb, fb->num_held == VMSG_REQUESTS));
	KUNIT_ASSERT_TRUE(test, wait_for_placeless(fb, 6));
	virtio_msg_bus_dead(fb->bus);
	for (i = 0; i < ARRAY_SIZE(a); i++)
		KUNIT_EXPECT_EQ(test, asker_result(a[i]), -ENODEV);
	sent = fb->num_log;
	KUNIT_EXPECT_EQ(test, -ENODEV,
			ask_here(fb, 3, VIRTIO_MSG_GET_DEVICE_STATUS, &msg));
	KUNIT_EXPECT_EQ(test, fb->num_log, sent);
	KUNIT_EXPECT_EQ(test, sent, VMSG_REQUESTS);
	fake_settle(fb);
	KUNIT_EXPECT_EQ(test, atomic_read(&fb->cuts), 1);
	virtio_msg_bus_dead(fb->bus);
	fake_settle(fb);
	KUNIT_EXPECT_EQ(test, atomic_read(&fb->cuts), 1);
	KUNIT_EXPECT_EQ(test, fake_release(fb, 0), -ENOENT);
}

struct bus_limit {
	const char *name;
	u32 revision;
	u32 max_msg_size;
	unsigned int timeout_ms;
	bool good;
};

static const struct bus_limit bus_limits[] = {
	{ "smallest", 1, 52, 1, true },
	{ "largest", 1, 65535, 60000, true },
	{ "revision to be found", 0, 264, 100, true },
	{ "revision 2", 2, 264, 100, false },
	{ "51 bytes", 1, 51, 100, false },
	{ "65536 bytes", 1, 65536, 100, false },
	{ "no timeout", 1, 264, 0, false },
};

KUNIT_ARRAY_PARAM_DESC(bus_limit, bus_limits, name);

static void bus_register_limits(struct kunit *test)
{
	const struct bus_limit *l = test->param_value;
	/* What else it takes comes from a bus that is good. */
	struct virtio_msg_bus_info info = fake_bus_default(test)->info;
	struct virtio_msg_bus *bus;

	info.revision = l->revision;
	info.max_msg_size = l->max_msg_size;
	info.timeout_ms = l->timeout_ms;
	bus = virtio_msg_bus_register(&info);
	if (!l->good) {
		KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(bus), -EINVAL);
		if (!IS_ERR(bus))
			virtio_msg_bus_unregister(bus);
		return;
	}
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, bus);
	KUNIT_EXPECT_PTR_EQ(test, virtio_msg_bus_priv(bus), info.priv);
	KUNIT_EXPECT_GE(test, virtio_msg_bus_num(bus), 0);
	virtio_msg_bus_unregister(bus);
}

/*
 * GET_DEVICES
 */

struct scan_answer {
	u16 offset;
	u16 next;
	u16 count;
	u8 bits[4];
};

struct scan_case {
	const char *name;
	struct scan_answer answers[4];
	/* Offsets that must have been asked for, the first is always 0. */
	unsigned int windows;
	u16 offsets[4];
	/* Devices that must have been found. */
	unsigned int found;
	u16 devs[8];
};

#define GOOD	{ 0, 0, 8, { 0x80 } }

static const struct scan_case scan_cases[] = {
	{ "nothing", { { 0, 0, 0 } }, 1, { 0 }, 0 },
	{ "16 slots", { { 0, 0, 16, { 0x25, 0x80 } } }, 1, { 0 },
	  4, { 0, 2, 5, 15 } },
	{ "12 slots", { { 0, 0, 12, { 0x25, 0x08 } } }, 1, { 0 },
	  4, { 0, 2, 5, 11 } },
	{ "stray bits", { { 0, 0, 4, { 0xff } } }, 1, { 0 },
	  4, { 0, 1, 2, 3 } },
	{ "1 slot", { { 0, 0, 1, { 0xff } } }, 1, { 0 }, 1, { 0 } },
	{ "9 slots", { { 0, 0, 9, { 0x00, 0xff } } }, 1, { 0 }, 1, { 8 } },
	{ "two windows", { { 0, 8, 8, { 0x01 } }, { 8, 0, 8, { 0x80 } } },
	  2, { 0, 8 }, 2, { 0, 15 } },
	{ "a gap", { { 0, 1000, 8, { 0x01 } }, { 1000, 0, 1, { 1 } } },
	  2, { 0, 1000 }, 2, { 0, 1000 } },
	{ "skip ahead", { { 0, 300, 0 }, { 300, 0, 1, { 1 } } },
	  2, { 0, 300 }, 1, { 300 } },
	{ "the last device", { { 0, 65535, 0 }, { 65535, 0, 1, { 1 } } },
	  2, { 0, 65535 }, 1, { 65535 } },
	{ "offset not echoed", { { 1, 0, 8, { 0xff } }, GOOD }, 1, { 0 }, 0 },
	{ "next stays", { { 0, 8, 8 }, { 8, 8, 0 }, GOOD }, 2, { 0, 8 }, 0 },
	{ "next goes back", { { 0, 8, 8 }, { 8, 4, 0 }, GOOD },
	  2, { 0, 8 }, 0 },
	{ "next inside the window", { { 0, 7, 8, { 0xff } }, GOOD },
	  1, { 0 }, 0 },
	{ "later window is bad, earlier is kept",
	  { { 0, 8, 8, { 1 } }, { 9, 0, 8, { 0xff } } }, 2, { 0, 8 },
	  1, { 0 } },
};

KUNIT_ARRAY_PARAM_DESC(scan_case, scan_cases, name);

/* Every device says that there is none, so that the scan is all there is. */
static bool scan_info(const struct vmsg_msg *req, struct fake_frame *resp)
{
	struct vmsg_msg msg = {
		.type = RESP,
		.id = req->id,
		.dev_num = req->dev_num,
		.token = req->token,
	};

	if (req->type & BUS)
		return false;
	fake_make(resp, &msg);
	return true;
}

static enum fake_verdict scan_filter(struct fake_bus *fb,
				     const struct vmsg_msg *req,
				     struct fake_frame *resp)
{
	const struct scan_case *c = fb->filter_priv;
	const struct scan_answer *a;
	struct vmsg_msg msg = {
		.type = BUS | RESP,
		.id = req->id,
		.token = req->token,
	};
	unsigned int n;

	if (scan_info(req, resp))
		return FAKE_ANSWER;
	n = atomic_fetch_inc(&fb->step);
	if (n >= ARRAY_SIZE(c->answers))
		return FAKE_DROP;
	a = &c->answers[n];
	msg.devices.offset = a->offset;
	msg.devices.next_offset = a->next;
	msg.devices.count = a->count;
	msg.data = a->bits;
	msg.data_len = (a->count + 7) / 8;
	fake_make(resp, &msg);
	return FAKE_ANSWER;
}

static bool asked_info(struct fake_bus *fb, u16 num)
{
	unsigned int i;

	for (i = 0; i < fb->num_log; i++) {
		if (!(fb->log[i].type & BUS) && fb->log[i].dev_num == num)
			return true;
	}
	return false;
}

static void bus_get_devices(struct kunit *test)
{
	const struct scan_case *c = test->param_value;
	struct fake_bus *fb = fake_bus_default(test);
	unsigned int i, windows = 0;

	fb->filter_priv = (void *)c;
	fb->filter = scan_filter;
	virtio_msg_bus_discover(fb->bus);
	fake_settle(fb);
	for (i = 0; i < fb->num_log; i++) {
		if (!(fb->log[i].type & BUS))
			continue;
		KUNIT_EXPECT_EQ(test, fb->log[i].dev_num, 0);
		KUNIT_EXPECT_LE(test, fb->log[i].devices.offset +
				fb->log[i].devices.count, 65536);
		if (windows < c->windows)
			KUNIT_EXPECT_EQ(test, fb->log[i].devices.offset,
					c->offsets[windows]);
		windows++;
	}
	KUNIT_EXPECT_EQ(test, windows, c->windows);
	for (i = 0; i < c->found; i++)
		KUNIT_EXPECT_TRUE_MSG(test, asked_info(fb, c->devs[i]),
				      "device %u", c->devs[i]);
	KUNIT_EXPECT_EQ(test, atomic_read(&fb->requests), c->found);
}

static enum fake_verdict scan_count(struct fake_bus *fb,
				    const struct vmsg_msg *req,
				    struct fake_frame *resp)
{
	static const u8 bits[FAKE_FRAME] = { [0 ... FAKE_FRAME - 1] = 0xff };
	struct vmsg_msg msg = {
		.type = BUS | RESP,
		.id = req->id,
		.token = req->token,
		.devices.count = req->devices.count + 1,
		.data = bits,
		.data_len = (req->devices.count + 8) / 8,
	};

	if (scan_info(req, resp))
		return FAKE_ANSWER;
	fake_make(resp, &msg);
	return FAKE_ANSWER;
}

struct scan_size {
	u32 max;
	u16 asked;
};

static const struct scan_size scan_sizes[] = {
	{ 52, 304 }, { 128, 912 }, { 264, 2000 }, { 65535, 2048 },
};

static void scan_size_desc(const struct scan_size *s, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%u bytes", s->max);
}

KUNIT_ARRAY_PARAM(scan_size, scan_sizes, scan_size_desc);

/* As many slots as the answer has room for, and not one more is taken. */
static void bus_get_devices_count(struct kunit *test)
{
	const struct scan_size *s = test->param_value;
	struct virtio_msg_bus_info info = { FAKE_BUS_DEFAULTS };
	struct fake_bus *fb;

	info.max_msg_size = s->max;
	fb = fake_bus_create(test, &info);
	/*
	 * One slot more than asked for. Where the frame is full already that
	 * does not even fit, and nobody answers: do not wait long for that.
	 */
	fb->filter = scan_count;
	fb->bus->info.timeout_ms = FAKE_SHORT_TIMEOUT;
	virtio_msg_bus_discover(fb->bus);
	fake_settle(fb);
	KUNIT_ASSERT_EQ(test, fb->num_log, 1);
	KUNIT_EXPECT_EQ(test, fb->log[0].devices.count, s->asked);
	KUNIT_EXPECT_EQ(test, atomic_read(&fb->requests), 0);
}

static enum fake_verdict scan_endless(struct fake_bus *fb,
				      const struct vmsg_msg *req,
				      struct fake_frame *resp)
{
	struct vmsg_msg msg = {
		.type = BUS | RESP,
		.id = req->id,
		.token = req->token,
		.devices.offset = req->devices.offset,
		.devices.next_offset = req->devices.offset + 1,
	};

	fake_make(resp, &msg);
	return FAKE_ANSWER;
}

/* A peer that moves on by one slot at a time does not go on for ever. */
static void bus_get_devices_bounded(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);

	fb->filter = scan_endless;
	virtio_msg_bus_discover(fb->bus);
	fake_settle(fb);
	KUNIT_EXPECT_LE(test, fake_count(fb, true, VIRTIO_MSG_BUS_GET_DEVICES),
			8192);
	KUNIT_EXPECT_GE(test, fake_count(fb, true, VIRTIO_MSG_BUS_GET_DEVICES),
			1024);
}

static void bus_discover(struct kunit *test)
{
	struct fake_bus *fb;

	fake_driver_register(test);
	fb = fake_bus_default(test);
	fake_dev_create(fb, 0);
	fake_dev_create(fb, 9);
	virtio_msg_bus_discover(fb->bus);
	KUNIT_EXPECT_TRUE(test,
			  drv_wait(atomic_read(&fake_driver.probes) == 2));
	/* Looking again changes nothing. */
	virtio_msg_bus_discover(fb->bus);
	fake_settle(fb);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake_driver.probes), 2);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake_driver.removes), 0);
}

/*
 * Hotplug
 */

static void bus_added_twice(struct kunit *test)
{
	struct fake_bus *fb;
	struct fake_dev *fd;
	int i;

	fake_driver_register(test);
	fb = fake_bus_default(test);
	fd = fake_dev_create(fb, 4);
	for (i = 0; i < 3; i++)
		KUNIT_EXPECT_EQ(test, 0,
				fake_event_device(fb, 4,
						  VIRTIO_MSG_DEVICE_ADDED));
	fake_settle(fb);
	KUNIT_EXPECT_EQ(test, 0,
			fake_event_device(fb, 4, VIRTIO_MSG_DEVICE_ADDED));
	fake_settle(fb);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake_driver.probes), 1);
	KUNIT_EXPECT_EQ(test, 1,
			fake_count(fb, false, VIRTIO_MSG_GET_DEVICE_INFO));
	KUNIT_EXPECT_NOT_NULL(test, fake_vmsg_dev(fd));
}

static void bus_removed_twice(struct kunit *test)
{
	struct fake_bus *fb;
	struct fake_dev *fd;
	int before;

	fake_driver_register(test);
	fb = fake_bus_default(test);
	fd = fake_dev_create(fb, 4);
	/* Before there is anything to remove. */
	KUNIT_EXPECT_EQ(test, 0,
			fake_event_device(fb, 4, VIRTIO_MSG_DEVICE_REMOVED));
	fake_settle(fb);
	fake_bind(fd);
	before = atomic_read(&fb->requests);
	KUNIT_EXPECT_EQ(test, 0,
			fake_event_device(fb, 4, VIRTIO_MSG_DEVICE_REMOVED));
	KUNIT_EXPECT_EQ(test, 0,
			fake_event_device(fb, 4, VIRTIO_MSG_DEVICE_REMOVED));
	fake_settle(fb);
	KUNIT_EXPECT_EQ(test, 0,
			fake_event_device(fb, 4, VIRTIO_MSG_DEVICE_REMOVED));
	fake_settle(fb);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake_driver.removes), 1);
	KUNIT_EXPECT_NULL(test, fake_vmsg_dev(fd));
	KUNIT_EXPECT_EQ(test, atomic_read(&fb->gones), 1);
	/* A device that is gone hears nothing any more. */
	KUNIT_EXPECT_EQ(test, atomic_read(&fb->requests), before);
}

/* An announcement that is called back before anybody has looked is void. */
static void bus_added_then_removed(struct kunit *test)
{
	struct fake_bus *fb;
	struct fake_dev *fd;

	fake_driver_register(test);
	fb = fake_bus_default(test);
	fd = fake_dev_create(fb, 4);
	fake_event_device(fb, 4, VIRTIO_MSG_DEVICE_ADDED);
	fake_event_device(fb, 4, VIRTIO_MSG_DEVICE_REMOVED);
	fake_settle(fb);
	KUNIT_EXPECT_NULL(test, fake_vmsg_dev(fd));
	KUNIT_EXPECT_EQ(test, atomic_read(&fake_driver.probes),
			atomic_read(&fake_driver.removes));
}

/* Removed and added in one go is another device. */
static void bus_removed_then_added(struct kunit *test)
{
	struct fake_bus *fb;
	struct fake_dev *fd;

	fake_driver_register(test);
	fb = fake_bus_default(test);
	fd = fake_dev_create(fb, 4);
	fake_bind(fd);
	fake_event_device(fb, 4, VIRTIO_MSG_DEVICE_REMOVED);
	fake_event_device(fb, 4, VIRTIO_MSG_DEVICE_ADDED);
	fake_settle(fb);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake_driver.removes), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake_driver.probes), 2);
	KUNIT_EXPECT_NOT_NULL(test, fake_vmsg_dev(fd));
	KUNIT_EXPECT_EQ(test, 2,
			fake_count(fb, false, VIRTIO_MSG_GET_DEVICE_INFO));
}

static void bus_number_reuse(struct kunit *test)
{
	struct fake_bus *fb;
	struct fake_dev *fd;
	struct fake_drv *drv;
	int i;

	fake_driver_register(test);
	fb = fake_bus_default(test);
	fd = fake_dev_create(fb, 4);
	for (i = 1; i < 20; i++) {
		fd->info.info.vendor_id = i;
		drv = fake_bind(fd);
		KUNIT_ASSERT_EQ(test, drv->vdev->id.vendor, i);
		fake_event_device(fb, 4, VIRTIO_MSG_DEVICE_REMOVED);
		KUNIT_ASSERT_TRUE(test, fake_wait(fb, atomic_read(&fb->gones) == i));
		fake_settle(fb);
		KUNIT_ASSERT_TRUE(test, drv->removed);
	}
	KUNIT_EXPECT_EQ(test, vmsg_pool_used(fb->pool), 0);
}

static enum fake_verdict silent_1(struct fake_bus *fb,
				  const struct vmsg_msg *req,
				  struct fake_frame *resp)
{
	return !(req->type & BUS) && req->dev_num == 1 ? FAKE_DROP : FAKE_ANSWER;
}

static void bus_silent_device(struct kunit *test)
{
	struct fake_bus *fb;

	fake_driver_register(test);
	fb = fake_bus_default(test);
	/* Nobody is patient enough for that. */
	fb->bus->info.timeout_ms = 60000;
	fake_dev_create(fb, 1);
	fake_dev_create(fb, 2);
	fb->filter = silent_1;
	fake_event_device(fb, 1, VIRTIO_MSG_DEVICE_ADDED);
	KUNIT_ASSERT_TRUE(test, fake_wait(fb, atomic_read(&fb->requests) == 1));
	fake_event_device(fb, 2, VIRTIO_MSG_DEVICE_ADDED);
	KUNIT_EXPECT_TRUE(test,
			  drv_wait(atomic_read(&fake_driver.probes) == 1));
	/* And it can be removed without waiting for it either. */
	fake_event_device(fb, 1, VIRTIO_MSG_DEVICE_REMOVED);
	KUNIT_EXPECT_TRUE(test, fake_wait(fb, atomic_read(&fb->gones) == 1));
	fake_event_device(fb, 2, VIRTIO_MSG_DEVICE_REMOVED);
	KUNIT_EXPECT_TRUE(test,
			  drv_wait(atomic_read(&fake_driver.removes) == 1));
	fake_settle(fb);
	KUNIT_EXPECT_EQ(test, fake_stat(fb, VMSG_STAT_TIMEOUTS), 0);
}

/* The peer dies: devices go, the pool is cut off before anything else. */
static void bus_dead_with_devices(struct kunit *test)
{
	struct fake_bus *fb;
	struct fake_drv *drv;
	int before;

	fake_driver_register(test);
	fb = fake_bus_default(test);
	drv = fake_bind(fake_dev_create(fb, 4));
	before = atomic_read(&fb->requests);
	virtio_msg_bus_dead(fb->bus);
	KUNIT_EXPECT_TRUE(test, drv_wait(READ_ONCE(drv->removed)));
	fake_settle(fb);
	KUNIT_EXPECT_EQ(test, atomic_read(&fb->cuts), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&fb->requests), before);
	KUNIT_EXPECT_EQ(test, vmsg_pool_used(fb->pool), 0);
	/* Nothing comes any more. */
	fake_event_device(fb, 4, VIRTIO_MSG_DEVICE_ADDED);
	virtio_msg_bus_discover(fb->bus);
	fake_settle(fb);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake_driver.probes), 1);
}

/*
 * What else arrives
 */

static void bus_ping(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct vmsg_msg msg = {
		.type = BUS,
		.id = VIRTIO_MSG_BUS_PING,
		.token = 0x4321,
		.ping = 0xdeadbeef,
	};

	KUNIT_EXPECT_EQ(test, fake_deliver_msg(fb, &msg), 0);
	fake_settle(fb);
	KUNIT_ASSERT_EQ(test, fb->num_log, 1);
	KUNIT_EXPECT_EQ(test, fb->log[0].type, BUS | RESP);
	KUNIT_EXPECT_EQ(test, fb->log[0].id, VIRTIO_MSG_BUS_PING);
	KUNIT_EXPECT_EQ(test, fb->log[0].token, 0x4321);
	KUNIT_EXPECT_EQ(test, fb->log[0].ping, 0xdeadbeef);
	/* And again. */
	msg.ping = 1;
	KUNIT_EXPECT_EQ(test, fake_deliver_msg(fb, &msg), 0);
	fake_settle(fb);
	KUNIT_ASSERT_EQ(test, fb->num_log, 2);
	KUNIT_EXPECT_EQ(test, fb->log[1].ping, 1);
}

static void bus_ping_out(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	u8 frames[2 * 52];
	struct vmsg_msg msg = {
		.type = BUS,
		.id = VIRTIO_MSG_BUS_PING,
		.ping = 0x12345678,
	};

	KUNIT_EXPECT_EQ(test, 0,
			vmsg_bus_request(fb->bus, NULL, &msg, frames, 52));
	KUNIT_EXPECT_EQ(test, msg.ping, 0x12345678);
}

struct stray {
	const char *name;
	struct vmsg_msg msg;
	int err;
};

static const struct stray strays[] = {
	{ "answer", { .type = RESP, .id = VIRTIO_MSG_GET_DEVICE_STATUS },
	  -ENOENT },
	{ "bus answer", { .type = BUS | RESP, .id = VIRTIO_MSG_BUS_PING },
	  -ENOENT },
	{ "request", { .id = VIRTIO_MSG_GET_DEVICE_INFO }, -EBADMSG },
	{ "status request", { .id = VIRTIO_MSG_SET_DEVICE_STATUS }, -EBADMSG },
	{ "EVENT_AVAIL", { .id = VIRTIO_MSG_EVENT_AVAIL }, -EBADMSG },
	{ "GET_DEVICES request",
	  { .type = BUS, .id = VIRTIO_MSG_BUS_GET_DEVICES }, -EBADMSG },
	{ "EVENT_DEVICE state 0",
	  { .type = BUS, .id = VIRTIO_MSG_BUS_EVENT_DEVICE }, -EBADMSG },
	{ "EVENT_DEVICE state 3",
	  { .type = BUS, .id = VIRTIO_MSG_BUS_EVENT_DEVICE,
	    .event_device.state = 3 }, -EBADMSG },
	{ "EVENT_DEVICE private state",
	  { .type = BUS, .id = VIRTIO_MSG_BUS_EVENT_DEVICE,
	    .event_device.state = 0x8001 }, -EBADMSG },
	{ "EVENT_CONFIG of no device",
	  { .id = VIRTIO_MSG_EVENT_CONFIG, .dev_num = 9 }, -ENODEV },
	{ "EVENT_USED of no device",
	  { .id = VIRTIO_MSG_EVENT_USED, .dev_num = 0xffff }, -ENODEV },
};

KUNIT_ARRAY_PARAM_DESC(stray, strays, name);

static void bus_stray_message(struct kunit *test)
{
	const struct stray *s = test->param_value;
	struct fake_bus *fb = fake_bus_default(test);

	KUNIT_EXPECT_EQ(test, fake_deliver_msg(fb, &s->msg), s->err);
	KUNIT_EXPECT_EQ(test, fake_stat(fb, VMSG_STAT_UNEXPECTED), 1);
	KUNIT_EXPECT_EQ(test, fake_stat(fb, VMSG_STAT_EVENTS), 0);
	fake_settle(fb);
	KUNIT_EXPECT_EQ(test, fb->num_log, 0);
}

static void bus_unknown_ids(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	static const struct { u8 type, id; } ids[] = {
		{ 0, 0x00 }, { 0, 0x01 }, { 0, 0x0d }, { 0, 0x3f }, { 0, 0x43 },
		{ 0, 0x80 }, { 0, 0xc0 }, { BUS, 0x00 }, { BUS, 0x04 },
		{ BUS, 0x41 }, { BUS, 0x80 }, { BUS, 0xff },
	};
	u8 frame[16] = { [6] = 16 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ids); i++) {
		frame[0] = ids[i].type;
		frame[1] = ids[i].id;
		KUNIT_EXPECT_EQ(test, -EBADMSG,
				fake_deliver(fb, frame, sizeof(frame)));
		/* Counted once. */
		KUNIT_EXPECT_EQ(test, i + 1,
				fake_stat(fb, VMSG_STAT_MALFORMED) +
				fake_stat(fb, VMSG_STAT_UNEXPECTED));
	}
}

static bool receive_junk(void *arg)
{
	struct fake_bus *fb = arg;
	u8 frame[16] = { RESP, VIRTIO_MSG_GET_DEVICE_STATUS, [6] = 16 };
	bool ok;

	ok = virtio_msg_bus_receive(fb->bus, frame, 16) == -ENOENT;
	ok &= virtio_msg_bus_receive(fb->bus, frame, 15) == -EMSGSIZE;
	frame[0] = 0;
	frame[1] = VIRTIO_MSG_EVENT_USED;
	ok &= virtio_msg_bus_receive(fb->bus, frame, 16) == -ENODEV;
	ok &= virtio_msg_bus_used(fb->bus, 5, 0) == -ENODEV;
	frame[0] = BUS;
	frame[1] = VIRTIO_MSG_BUS_EVENT_DEVICE;
	frame[8] = 5;
	frame[10] = VIRTIO_MSG_DEVICE_REMOVED;
	ok &= !virtio_msg_bus_receive(fb->bus, frame, 16);
	return ok;
}

static void bus_receive_anywhere(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);

	kunit_run_irq_test(test, receive_junk, 2000, fb);
	fake_settle(fb);
}

/*
 * Several frames at once
 */

#define BATCH_STRIDE	64

/**
 * struct batch - frames that arrive together
 * @num: how many
 * @frames: the bytes
 */
struct batch {
	unsigned int num;
	u8 frames[32 * BATCH_STRIDE];
};

static struct batch *new_batch(struct kunit *test)
{
	struct batch *b = kunit_kzalloc(test, sizeof(*b), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, b);
	/* What lies behind a frame is not to be looked at. */
	memset(b->frames, 0xee, sizeof(b->frames));
	return b;
}

static u8 *batch_add(struct batch *b, const struct vmsg_msg *msg)
{
	u8 *frame = b->frames + b->num++ * BATCH_STRIDE;

	vmsg_wire_encode(VMSG_DIALECT_1, msg, frame, BATCH_STRIDE);
	/* Something else each time. */
	frame[BATCH_STRIDE - 1] = b->num;
	return frame;
}

static u8 *batch_used(struct batch *b, u16 dev_num, u32 index)
{
	const struct vmsg_msg msg = {
		.id = VIRTIO_MSG_EVENT_USED,
		.dev_num = dev_num,
		.vqueue.index = index,
	};

	return batch_add(b, &msg);
}

static void batch_deliver(struct fake_bus *fb, struct batch *b)
{
	local_bh_disable();
	virtio_msg_bus_receive_all(fb->bus, b->frames, BATCH_STRIDE, b->num);
	local_bh_enable();
}

/* A device whose two queues have a used buffer each, that nobody takes. */
static struct fake_drv *bind_used(struct fake_dev *fd)
{
	struct kunit *test = fd->fb->test;
	struct fake_drv *drv;
	u8 *buf;
	int i;

	fake_driver.keep = true;
	fake_driver.nvqs = 2;
	fake_driver.names[1] = "second";
	drv = fake_bind(fd);
	for (i = 0; i < 2; i++) {
		buf = kunit_kzalloc(test, 8, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, buf);
		KUNIT_ASSERT_EQ(test, 0,
				fake_add_buf(drv->vqs[i], NULL, 0, buf, 8));
		KUNIT_ASSERT_EQ(test, 1, fake_vq_serve(fd, i, 1));
	}
	return drv;
}

/* One callback a queue, and every event is counted. */
static void bus_batch_used(struct kunit *test)
{
	struct fake_drv *one, *two;
	struct fake_bus *fb;
	struct batch *b;
	int i;

	fake_driver_register(test);
	fb = fake_bus_default(test);
	one = bind_used(fake_dev_create(fb, 3));
	two = bind_used(fake_dev_create(fb, 0x103));
	b = new_batch(test);
	for (i = 0; i < 10; i++)
		batch_used(b, 3, 0);
	batch_used(b, 3, 1);
	batch_used(b, 0x103, 0);
	batch_used(b, 3, 0);
	batch_used(b, 9, 0);
	batch_deliver(fb, b);
	KUNIT_EXPECT_EQ(test, atomic_read(&one->calls[0]), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&one->calls[1]), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&two->calls[0]), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&two->calls[1]), 0);
	KUNIT_EXPECT_EQ(test, fake_stat(fb, VMSG_STAT_EVENTS), 13);
	KUNIT_EXPECT_EQ(test, fake_stat(fb, VMSG_STAT_UNEXPECTED), 1);
	/* What came together with others does not count the next time. */
	batch_deliver(fb, b);
	KUNIT_EXPECT_EQ(test, atomic_read(&one->calls[0]), 2);
}

/* Between what is malformed, the others arrive, and all of them in order. */
static void bus_batch_others(struct kunit *test)
{
	struct fake_drv *drv;
	struct fake_bus *fb;
	struct fake_dev *fd;
	struct batch *b;
	int i;

	fake_driver_register(test);
	fb = fake_bus_default(test);
	fd = fake_dev_create(fb, 3);
	drv = bind_used(fd);
	b = new_batch(test);
	/* Too short for its own size, and too long for its place. */
	batch_used(b, 3, 0)[6] = 11;
	batch_used(b, 3, 0)[6] = BATCH_STRIDE + 1;
	batch_used(b, 3, 0)[6] = 7;
	batch_used(b, 3, 0);
	/* Twice the same of what is not to be merged. */
	for (i = 0; i < 2; i++)
		batch_add(b, &(struct vmsg_msg) {
			.type = BUS,
			.id = VIRTIO_MSG_BUS_PING,
		});
	batch_deliver(fb, b);
	KUNIT_EXPECT_EQ(test, atomic_read(&drv->calls[0]), 1);
	KUNIT_EXPECT_EQ(test, fake_stat(fb, VMSG_STAT_MALFORMED), 3);
	/* The bus takes one of them at a time. */
	KUNIT_EXPECT_EQ(test, fake_stat(fb, VMSG_STAT_UNEXPECTED), 1);

	/* So that nobody waits for the driver to take them. */
	fake_driver.keep = false;
	for (i = 0; i < 2; i++)
		fake_event_used(fd, i);
	b->num = 0;
	for (i = 1; i <= 2; i++)
		batch_add(b, &(struct vmsg_msg) {
			.type = BUS,
			.id = VIRTIO_MSG_BUS_EVENT_DEVICE,
			.event_device.dev_num = 3,
			.event_device.state = 3 - i,
		});
	fake_settle(fb);
	batch_deliver(fb, b);
	fake_settle(fb);
	/* Removed first, added then. */
	KUNIT_EXPECT_EQ(test, atomic_read(&fake_driver.removes), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake_driver.probes), 2);
	KUNIT_EXPECT_NOT_NULL(test, fake_vmsg_dev(fd));
	/* None at all. */
	virtio_msg_bus_receive_all(fb->bus, b->frames, BATCH_STRIDE, 0);
}

/*
 * Dialects
 */

struct dialect {
	const char *name;
	enum vmsg_dialect dialect;
	bool no_next;
	fake_filter filter;
};

static const struct dialect dialects[] = {
	{ "revision 1", VMSG_DIALECT_1 },
	{ "revision 1, later", VMSG_DIALECT_1, .filter = later },
	{ "RFC", VMSG_DIALECT_RFC },
	{ "RFC, one window", VMSG_DIALECT_RFC, .no_next = true },
	{ "RFC, later", VMSG_DIALECT_RFC, .filter = later },
	{ "RFC, from a hard interrupt", VMSG_DIALECT_RFC, .filter = from_irq },
};

KUNIT_ARRAY_PARAM_DESC(dialect, dialects, name);

/* A bus that is to find out. */
static struct fake_bus *find_bus(struct kunit *test, enum vmsg_dialect dialect,
				 unsigned int timeout_ms)
{
	struct virtio_msg_bus_info info = { FAKE_BUS_DEFAULTS };
	struct fake_bus *fb;

	info.revision = VIRTIO_MSG_REVISION_FIND;
	info.timeout_ms = timeout_ms;
	fb = fake_bus_create(test, &info);
	fb->dialect = dialect;
	return fb;
}

/* The largest pieces that are read and written, in this dialect. */
static void expect_pieces(struct fake_bus *fb, u32 config, u32 blocks)
{
	const struct vmsg_msg *m;
	u32 max_config = 0, max_blocks = 0;

	for (m = fb->log; m < fb->log + fb->num_log; m++) {
		if (m->type)
			continue;
		if (m->id == VIRTIO_MSG_GET_CONFIG ||
		    m->id == VIRTIO_MSG_SET_CONFIG)
			max_config = max(max_config, m->config.length);
		if (m->id == VIRTIO_MSG_GET_DEVICE_FEATURES ||
		    m->id == VIRTIO_MSG_SET_DRIVER_FEATURES)
			max_blocks = max(max_blocks, m->features.count);
	}
	KUNIT_EXPECT_EQ(fb->test, max_config, config);
	KUNIT_EXPECT_LE(fb->test, max_blocks, blocks);
	KUNIT_EXPECT_GT(fb->test, max_blocks, 0);
}

static void bus_dialect(struct kunit *test)
{
	const struct dialect *d = test->param_value;
	bool rfc = d->dialect == VMSG_DIALECT_RFC;
	struct fake_drv *drv;
	struct fake_bus *fb;
	struct fake_dev *fd;
	u8 config[100], *buf;

	fake_driver_register(test);
	fb = find_bus(test, d->dialect, 5000);
	fb->no_next = d->no_next;
	fb->filter = d->filter;
	fd = fake_dev_create(fb, 0);
	fd->info.info.config_size = sizeof(config);
	fd->info.info.num_feature_blocks = FAKE_BLOCKS;
	fake_dev_create(fb, rfc ? 31 : FAKE_DEVS - 1);
	KUNIT_EXPECT_EQ(test, fb->bus->dialect, VMSG_DIALECT_UNKNOWN);
	virtio_msg_bus_discover(fb->bus);
	KUNIT_ASSERT_TRUE(test,
			  drv_wait(atomic_read(&fake_driver.probes) == 2));
	fake_settle(fb);
	KUNIT_EXPECT_EQ(test, fb->bus->dialect, d->dialect);
	KUNIT_EXPECT_EQ(test, fb->log[0].devices.count, 32);
	KUNIT_EXPECT_EQ(test, fake_count(fb, true, VIRTIO_MSG_BUS_GET_DEVICES),
			rfc && !d->no_next ? 2 : 1);
	list_for_each_entry(drv, &fake_driver.drvs, node) {
		if (!to_vmsg_dev(drv->vdev)->num)
			break;
	}
	/* All that has a length. */
	virtio_cread_bytes(drv->vdev, 0, config, sizeof(config));
	KUNIT_EXPECT_MEMEQ(test, config, fd->config, sizeof(config));
	drv->vdev->config->set(drv->vdev, 10, config, 60);
	KUNIT_EXPECT_MEMEQ(test, config, fd->config + 10, 60);
	expect_pieces(fb, rfc ? 28 : 100, rfc ? 8 : 62);
	/* And a buffer. */
	buf = kunit_kzalloc(test, 8, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, buf);
	KUNIT_ASSERT_EQ(test, 0, fake_add_buf(drv->vqs[0], NULL, 0, buf, 8));
	virtqueue_kick(drv->vqs[0]);
	KUNIT_EXPECT_EQ(test, fb->num_kicks, 1);
	KUNIT_EXPECT_EQ(test, fake_vq_serve(fd, 0, 1), 1);
	KUNIT_EXPECT_EQ(test, fake_event_used(fd, 0), 0);
	KUNIT_EXPECT_TRUE(test, drv_wait(READ_ONCE(drv->num_bufs)));
	KUNIT_EXPECT_EQ(test, fake_stat(fb, VMSG_STAT_MALFORMED), 0);
	KUNIT_EXPECT_EQ(test, fake_stat(fb, VMSG_STAT_UNEXPECTED), 0);
	KUNIT_EXPECT_EQ(test, fake_stat(fb, VMSG_STAT_TIMEOUTS), 0);
	/* Looking again is of the same mind. */
	virtio_msg_bus_discover(fb->bus);
	fake_settle(fb);
	KUNIT_EXPECT_EQ(test, fb->bus->dialect, d->dialect);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake_driver.probes), 2);
}

/* A device that announces itself before anybody knows how to talk to it. */
static void bus_dialect_not_yet(struct kunit *test)
{
	const struct dialect *d = test->param_value;
	struct fake_bus *fb;

	fake_driver_register(test);
	fb = find_bus(test, d->dialect, 5000);
	fake_dev_create(fb, 4);
	KUNIT_EXPECT_EQ(test, 0,
			fake_event_device(fb, 4, VIRTIO_MSG_DEVICE_ADDED));
	fake_settle(fb);
	KUNIT_EXPECT_EQ(test, fb->num_log, 0);
	/* Nothing that arrives meanwhile tells. */
	KUNIT_EXPECT_EQ(test, fake_event_used(fb->devs[0], 0), -ENODEV);
	KUNIT_EXPECT_EQ(test, fb->bus->dialect, VMSG_DIALECT_UNKNOWN);
	/* The answer does not mention it, which is no reason to forget it. */
	fb->filter = hold;
	fb->devs[0]->num = 40;
	virtio_msg_bus_discover(fb->bus);
	KUNIT_ASSERT_TRUE(test, fake_wait(fb, fb->num_held));
	fb->devs[0]->num = 4;
	fb->filter = NULL;
	fake_release_all(fb);
	KUNIT_EXPECT_TRUE(test, drv_wait(atomic_read(&fake_driver.probes)));
	fake_settle(fb);
	KUNIT_EXPECT_NOT_NULL(test, fake_vmsg_dev(fb->devs[0]));
	KUNIT_EXPECT_EQ(test, fb->bus->dialect, d->dialect);
}

/* One that does not know GET_DEVICES is taken to be of today. */
static void bus_dialect_silent(struct kunit *test)
{
	struct fake_bus *fb;

	fake_driver_register(test);
	fb = find_bus(test, VMSG_DIALECT_1, FAKE_SHORT_TIMEOUT);
	fake_dev_create(fb, 4);
	fb->filter = drop;
	fake_event_device(fb, 4, VIRTIO_MSG_DEVICE_ADDED);
	virtio_msg_bus_discover(fb->bus);
	KUNIT_ASSERT_TRUE(test, fake_wait(fb, fb->num_log));
	fb->filter = NULL;
	KUNIT_EXPECT_TRUE(test, drv_wait(atomic_read(&fake_driver.probes)));
	KUNIT_EXPECT_EQ(test, fb->bus->dialect, VMSG_DIALECT_1);
}

/* An answer that makes no sense tells nothing about who has given it. */
static void bus_dialect_malformed(struct kunit *test)
{
	const struct dialect *d = test->param_value;
	struct fake_bus *fb;
	struct fake_frame *frame;
	u8 *copy;

	fake_driver_register(test);
	fb = find_bus(test, d->dialect, 15000);
	fake_dev_create(fb, 4);
	fb->filter = hold;
	virtio_msg_bus_discover(fb->bus);
	KUNIT_ASSERT_TRUE(test, fake_wait(fb, fb->num_held));
	frame = list_first_entry(&fb->held, struct fake_frame, node);
	copy = copy_of(test, frame->data, frame->size);
	/* As the other one would look, but it has less than it says. */
	copy[4] = d->dialect == VMSG_DIALECT_RFC ? fb->log[0].token : 0;
	copy[5] = d->dialect == VMSG_DIALECT_RFC ? fb->log[0].token >> 8 : 0;
	memset(copy + 10, 0x7f, 4);
	KUNIT_EXPECT_EQ(test, -EMSGSIZE, fake_deliver(fb, copy, frame->size));
	/* And what is none at all. */
	copy[1] = VIRTIO_MSG_BUS_PING;
	KUNIT_EXPECT_EQ(test, -ENOENT, fake_deliver(fb, copy, frame->size));
	copy[0] = RESP;
	copy[1] = VIRTIO_MSG_GET_DEVICE_INFO;
	KUNIT_EXPECT_EQ(test, -ENOENT, fake_deliver(fb, copy, frame->size));
	KUNIT_EXPECT_EQ(test, fb->bus->dialect, VMSG_DIALECT_UNKNOWN);
	fb->filter = NULL;
	KUNIT_EXPECT_EQ(test, fake_release(fb, 0), 0);
	KUNIT_EXPECT_TRUE(test, drv_wait(atomic_read(&fake_driver.probes)));
	KUNIT_EXPECT_EQ(test, fb->bus->dialect, d->dialect);
}

struct token_case {
	const char *name;
	enum vmsg_dialect dialect;
	u8 type;
	u8 id;
	u16 flip;
	int err;
};

static const struct token_case token_cases[] = {
	{ "revision 1, bus", VMSG_DIALECT_1, BUS, VIRTIO_MSG_BUS_PING, 0,
	  -ENOENT },
	{ "revision 1, device", VMSG_DIALECT_1, 0, VIRTIO_MSG_GET_DEVICE_STATUS,
	  0, -ENOENT },
	{ "RFC, bus", VMSG_DIALECT_RFC, BUS, VIRTIO_MSG_BUS_PING, 0, 0 },
	{ "RFC, bus, another token", VMSG_DIALECT_RFC, BUS, VIRTIO_MSG_BUS_PING,
	  0x40, -ENOENT },
	{ "RFC, device", VMSG_DIALECT_RFC, 0, VIRTIO_MSG_GET_DEVICE_STATUS, 0,
	  -ENOENT },
};

KUNIT_ARRAY_PARAM_DESC(token_case, token_cases, name);

/* Only the RFC's bus messages do without. */
static void bus_dialect_token(struct kunit *test)
{
	const struct token_case *t = test->param_value;
	struct fake_bus *fb = find_bus(test, t->dialect, 15000);
	struct fake_frame *frame;
	struct asker *a;
	u16 token;
	u8 *copy;

	virtio_msg_bus_discover(fb->bus);
	fake_settle(fb);
	fake_dev_create(fb, 3);
	fb->filter = hold;
	a = asker_new(fb, t->type ? 0 : 3, t->id);
	a->frame_max = VMSG_RFC_MAX_SIZE;
	a->msg.type = t->type;
	asker_start(a);
	KUNIT_ASSERT_TRUE(test, fake_wait(fb, fb->num_held));
	frame = list_first_entry(&fb->held, struct fake_frame, node);
	copy = copy_of(test, frame->data, frame->size);
	/* None, or one of somebody else. */
	token = t->flip ? fb->log[fb->num_log - 1].token ^ t->flip : 0;
	copy[4] = token;
	copy[5] = token >> 8;
	KUNIT_EXPECT_EQ(test, t->err, fake_deliver(fb, copy, frame->size));
	if (t->err)
		KUNIT_EXPECT_FALSE(test, completion_done(&a->done));
	/* Once is enough. */
	KUNIT_EXPECT_EQ(test, fake_release(fb, 0), t->err ? 0 : -ENOENT);
	KUNIT_EXPECT_EQ(test, asker_result(a), 0);
}

/* The RFC knows no writes but those that say what they have read. */
static void bus_dialect_strict(struct kunit *test)
{
	struct fake_drv *drv;
	struct fake_bus *fb;
	struct fake_dev *fd;
	u8 v;

	fake_driver_register(test);
	fb = find_bus(test, VMSG_DIALECT_RFC, 5000);
	fd = fake_dev_create(fb, 3);
	virtio_msg_bus_discover(fb->bus);
	KUNIT_ASSERT_TRUE(test, drv_wait(atomic_read(&fake_driver.probes)));
	fake_settle(fb);
	drv = fake_driver.drv;
	drv->vdev->config->get(drv->vdev, 4, &v, 1);
	fd->generation++;
	v = 0x31;
	drv->vdev->config->set(drv->vdev, 4, &v, 1);
	KUNIT_EXPECT_EQ(test, fd->config[4], 0x31);
	KUNIT_EXPECT_EQ(test, fake_count(fb, false, VIRTIO_MSG_SET_CONFIG), 2);
}

/* A bus that knows beforehand does not change its mind. */
static void bus_dialect_known(struct kunit *test)
{
	struct fake_bus *fb = short_bus(test);

	KUNIT_EXPECT_EQ(test, fb->bus->dialect, VMSG_DIALECT_1);
	fb->dialect = VMSG_DIALECT_RFC;
	virtio_msg_bus_discover(fb->bus);
	fake_settle(fb);
	KUNIT_EXPECT_EQ(test, fb->bus->dialect, VMSG_DIALECT_1);
	KUNIT_EXPECT_EQ(test, fake_stat(fb, VMSG_STAT_TIMEOUTS), 1);
	KUNIT_EXPECT_EQ(test, fake_stat(fb, VMSG_STAT_UNEXPECTED), 1);
}

/*
 * Kicks
 */

static void init_kicks(struct vmsg_kick *kicks, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		INIT_LIST_HEAD(&kicks[i].node);
		kicks[i].dev_num = 3;
		kicks[i].index = i;
		kicks[i].next_offset = 0;
	}
}

static void expect_kick(struct fake_bus *fb, unsigned int n, u32 index,
			u32 next_offset)
{
	KUNIT_EXPECT_EQ(fb->test, fb->kicks[n].dev_num, 3);
	KUNIT_EXPECT_EQ(fb->test, fb->kicks[n].index, index);
	KUNIT_EXPECT_EQ(fb->test, fb->kicks[n].next_offset, next_offset);
}

static void bus_kick_with_room(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct vmsg_kick k[2];

	init_kicks(k, 2);
	vmsg_bus_kick(fb->bus, &k[1], 0x80000005);
	KUNIT_ASSERT_EQ(test, fb->num_kicks, 1);
	expect_kick(fb, 0, 1, 0x80000005);
	vmsg_bus_kick(fb->bus, &k[1], 6);
	KUNIT_ASSERT_EQ(test, fb->num_kicks, 2);
	expect_kick(fb, 1, 1, 6);
	KUNIT_EXPECT_EQ(test, fake_stat(fb, VMSG_STAT_KICKS), 2);
	KUNIT_EXPECT_EQ(test, fake_stat(fb, VMSG_STAT_KICKS_MERGED), 0);
}

/* Merged while there is no room; the newest offset is what arrives. */
static void bus_kick_merge(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct vmsg_kick k[1];
	int i;

	init_kicks(k, 1);
	fb->room = 0;
	for (i = 1; i <= 5; i++)
		vmsg_bus_kick(fb->bus, k, i);
	KUNIT_EXPECT_EQ(test, fb->num_kicks, 0);
	KUNIT_EXPECT_GE(test, fb->refused, 1);
	fake_room(fb);
	KUNIT_EXPECT_EQ(test, fb->num_kicks, 1);
	expect_kick(fb, 0, 0, 5);
	KUNIT_EXPECT_EQ(test, fake_stat(fb, VMSG_STAT_KICKS), 1);
	KUNIT_EXPECT_EQ(test, fake_stat(fb, VMSG_STAT_KICKS_MERGED), 4);
	/* It is gone now. */
	virtio_msg_bus_tx_room(fb->bus);
	KUNIT_EXPECT_EQ(test, fb->num_kicks, 1);
}

static void bus_kick_order(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct vmsg_kick k[3];

	init_kicks(k, 3);
	fb->room = 0;
	vmsg_bus_kick(fb->bus, &k[0], 1);
	vmsg_bus_kick(fb->bus, &k[1], 2);
	vmsg_bus_kick(fb->bus, &k[2], 3);
	vmsg_bus_kick(fb->bus, &k[0], 4);
	/* Room for two of them. */
	fb->room = 2;
	virtio_msg_bus_tx_room(fb->bus);
	KUNIT_ASSERT_EQ(test, fb->num_kicks, 2);
	expect_kick(fb, 0, 0, 4);
	expect_kick(fb, 1, 1, 2);
	/* A kick that comes now does not overtake the third. */
	fb->room = 1;
	vmsg_bus_kick(fb->bus, &k[0], 5);
	KUNIT_ASSERT_EQ(test, fb->num_kicks, 3);
	expect_kick(fb, 2, 2, 3);
	fake_room(fb);
	KUNIT_ASSERT_EQ(test, fb->num_kicks, 4);
	expect_kick(fb, 3, 0, 5);
}

static void bus_kick_cancel(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct vmsg_kick k[2];

	init_kicks(k, 2);
	fb->room = 0;
	vmsg_bus_kick(fb->bus, &k[0], 1);
	vmsg_bus_kick(fb->bus, &k[1], 2);
	vmsg_bus_cancel_kick(fb->bus, &k[0]);
	/* Also of one that is not marked. */
	vmsg_bus_cancel_kick(fb->bus, &k[0]);
	fake_room(fb);
	KUNIT_ASSERT_EQ(test, fb->num_kicks, 1);
	expect_kick(fb, 0, 1, 2);
	KUNIT_EXPECT_TRUE(test, list_empty(&fb->bus->kicks));
}

static void bus_kick_dead(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct vmsg_kick k[1];

	init_kicks(k, 1);
	virtio_msg_bus_dead(fb->bus);
	vmsg_bus_kick(fb->bus, k, 1);
	KUNIT_EXPECT_EQ(test, fb->num_kicks, 0);
	KUNIT_EXPECT_TRUE(test, list_empty(&k->node));
}

struct kick_storm {
	struct fake_bus *fb;
	struct vmsg_kick k[3];
	atomic_t n;
};

static bool kick_storm(void *arg)
{
	struct kick_storm *s = arg;
	unsigned int n = atomic_inc_return(&s->n);

	vmsg_bus_kick(s->fb->bus, &s->k[n % 3], n);
	WRITE_ONCE(s->fb->room, n % 5 ? 0 : -1);
	if (n % 7 == 0)
		virtio_msg_bus_tx_room(s->fb->bus);
	return true;
}

static void bus_kick_anywhere(struct kunit *test)
{
	struct fake_bus *fb = fake_bus_default(test);
	struct kick_storm *s = kunit_kzalloc(test, sizeof(*s), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, s);
	s->fb = fb;
	init_kicks(s->k, 3);
	kunit_run_irq_test(test, kick_storm, 2000, s);
	fake_room(fb);
	KUNIT_EXPECT_TRUE(test, list_empty(&fb->bus->kicks));
	/* Each one was sent or merged into one that was. */
	KUNIT_EXPECT_EQ(test, atomic_read(&s->n),
			fake_stat(fb, VMSG_STAT_KICKS) +
			fake_stat(fb, VMSG_STAT_KICKS_MERGED));
	KUNIT_EXPECT_EQ(test, fb->num_kicks, fake_stat(fb, VMSG_STAT_KICKS));
}

/*
 * What a person sees
 */

struct dropped {
	const char *name;
	u8 frame[16];
	size_t len;
	int err;
	enum vmsg_stat stat;
	const char *said;
};

static const struct dropped drops[] = {
	{ "half a header", { 0, 0x42 }, 7, -EMSGSIZE, VMSG_STAT_MALFORMED,
	  "frame dropped: its size makes no sense\n" },
	{ "no such message", { 0, 0x3f, 9, 0, 0, 0, 8 }, 8, -EBADMSG,
	  VMSG_STAT_MALFORMED,
	  "device 9: message 0x3f of type 0 dropped: no such message\n" },
	{ "no such bus message", { BUS, 0x05, 0, 0, 0, 0, 8 }, 8, -EBADMSG,
	  VMSG_STAT_MALFORMED,
	  "device 0: message 0x05 of type 2 dropped: no such message\n" },
	{ "no payload", { 0, 0x42, 0xff, 0xff, 0, 0, 8 }, 8, -EMSGSIZE,
	  VMSG_STAT_MALFORMED,
	  "device 65535: message 0x42 of type 0 dropped: shorter than its fields say\n" },
	{ "answer to nobody", { RESP, 0x07, 3, 0, 0x99, 0, 12 }, 12, -ENOENT,
	  VMSG_STAT_UNEXPECTED,
	  "device 3: message 0x07 of type 1 dropped: nobody waits for this response, perhaps not any more\n"
	},
	{ "request", { 0, 0x02, 3, 0, 0, 0, 8 }, 8, -EBADMSG,
	  VMSG_STAT_UNEXPECTED,
	  "device 3: message 0x02 of type 0 dropped: not for the driver side\n" },
	{ "bus request", { BUS, 0x02, 0, 0, 0, 0, 12 }, 12, -EBADMSG,
	  VMSG_STAT_UNEXPECTED,
	  "device 0: message 0x02 of type 2 dropped: not for the driver side, or not now\n" },
	{ "event of no device", { 0, 0x42, 9, 0, 0, 0, 12 }, 12, -ENODEV,
	  VMSG_STAT_UNEXPECTED,
	  "device 9: message 0x42 of type 0 dropped: no such device\n" },
	{ "event of no queue", { 0, 0x42, 3, 0, 0, 0, 12, 0, 1 }, 12, -EINVAL,
	  VMSG_STAT_UNEXPECTED,
	  "device 3: message 0x42 of type 0 dropped: no such queue\n" },
};

KUNIT_ARRAY_PARAM_DESC(dropped, drops, name);

/* Counted once, under one heading, and said with its reason. */
static void bus_drop(struct kunit *test)
{
	const struct dropped *d = test->param_value;
	enum vmsg_stat other = d->stat == VMSG_STAT_MALFORMED ?
			       VMSG_STAT_UNEXPECTED : VMSG_STAT_MALFORMED;
	struct fake_bus *fb;

	fake_driver_register(test);
	fb = fake_bus_default(test);
	fake_bind(fake_dev_create(fb, 3));
	fake_expect_bus_file(fb, NULL, "last_error", "\n");
	KUNIT_EXPECT_EQ(test, fake_deliver(fb, d->frame, d->len), d->err);
	KUNIT_EXPECT_EQ(test, fake_stat(fb, d->stat), 1);
	KUNIT_EXPECT_EQ(test, fake_stat(fb, other), 0);
	KUNIT_EXPECT_EQ(test, fake_stat(fb, VMSG_STAT_EVENTS), 0);
	fake_expect_bus_file(fb, NULL, "last_error", d->said);
	/* It is the bus that has complained, whatever number was in the frame. */
	fake_expect_dev_file(fb->devs[0], "last_error", "\n");
	fake_expect_dev_file(fb->devs[0], "failures", "0\n");
}

/* Lines in the log that speak of a bus. */
static unsigned int log_lines(struct fake_bus *fb)
{
	char *line = kunit_kzalloc(fb->test, 1024, GFP_KERNEL);
	char name[32];
	struct kmsg_dump_iter iter;
	unsigned int n = 0;
	size_t len;

	KUNIT_ASSERT_NOT_NULL(fb->test, line);
	snprintf(name, sizeof(name), " %s: ", dev_name(&fb->bus->dev));
	kmsg_dump_rewind(&iter);
	while (kmsg_dump_get_line(&iter, false, line, 1023, &len)) {
		line[len] = 0;
		if (strstr(line, name))
			n++;
	}
	return n;
}

/* A peer that talks nonsense all the time silences nobody but itself. */
static void bus_log_limit(struct kunit *test)
{
	struct virtio_msg_bus_info info = { FAKE_BUS_DEFAULTS };
	struct fake_bus *noisy, *other;
	unsigned int i, before, before_other, limit;
	u8 frame[8] = { 0, 0x3f, [6] = 8 };
	char said[80];

	/* Numbers of buses come again, names like this do not. */
	info.name = "fakenoise";
	noisy = fake_bus_create(test, &info);
	info.name = "fakeother";
	other = fake_bus_create(test, &info);
	before = log_lines(noisy);
	before_other = log_lines(other);
	/* However slow this machine is. */
	noisy->bus->report_limit.interval = INT_MAX;
	limit = noisy->bus->report_limit.burst;
	for (i = 0; i < limit + 30; i++) {
		frame[2] = i;
		fake_deliver(noisy, frame, sizeof(frame));
	}
	KUNIT_EXPECT_EQ(test, log_lines(noisy), before + limit);
	fake_deliver(other, frame, sizeof(frame));
	KUNIT_EXPECT_EQ(test, log_lines(other), before_other + 1);
	/* What is not in the log is counted, and the last is shown. */
	KUNIT_EXPECT_EQ(test, fake_stat(noisy, VMSG_STAT_MALFORMED), limit + 30);
	snprintf(said, sizeof(said),
		 "device %u: message 0x3f of type 0 dropped: no such message\n",
		 limit + 29);
	fake_expect_bus_file(noisy, NULL, "last_error", said);
}

static void bus_sysfs(struct kunit *test)
{
	struct virtio_msg_bus_info info = { FAKE_BUS_DEFAULTS };
	struct vmsg_msg msg;
	struct fake_bus *fb;

	info.features = BIT_ULL(VIRTIO_MSG_F_STRICT_CONFIG_GENERATION);
	fb = fake_bus_create(test, &info);
	fake_dev_create(fb, 3);
	ask_here(fb, 3, VIRTIO_MSG_GET_DEVICE_STATUS, &msg);
	fake_expect_bus_file(fb, NULL, "last_error", "\n");
	fake_event_used(fb->devs[0], 0);
	fake_expect_bus_file(fb, NULL, "last_error",
			     "device 3: message 0x42 of type 0 dropped: no such device\n");
	fake_expect_bus_file(fb, NULL, "revision", "1\n");
	fake_expect_bus_file(fb, NULL, "max_msg_size", "264\n");
	fake_expect_bus_file(fb, NULL, "features", "0x1\n");
	fake_expect_bus_file(fb, NULL, "timeout_ms", "5000\n");
	fake_expect_bus_file(fb, NULL, "dialect", "1\n");
	fake_expect_bus_file(fb, NULL, "pool_used", "0\n");
	fake_expect_bus_file(fb, NULL, "pool_size", "524288\n");
	fake_expect_bus_file(fb, NULL, "pool_full", "0\n");
	fake_expect_bus_file(fb, "statistics", "requests", "1\n");
	fake_expect_bus_file(fb, "statistics", "responses", "1\n");
	fake_expect_bus_file(fb, "statistics", "timeouts", "0\n");
	fake_expect_bus_file(fb, "statistics", "events", "0\n");
	fake_expect_bus_file(fb, "statistics", "kicks", "0\n");
	fake_expect_bus_file(fb, "statistics", "kicks_merged", "0\n");
	fake_expect_bus_file(fb, "statistics", "malformed", "0\n");
	fake_expect_bus_file(fb, "statistics", "unexpected", "1\n");
	KUNIT_EXPECT_EQ(test, 0, strncmp(dev_name(&fb->bus->dev), "fake", 4));
	KUNIT_EXPECT_STREQ(test, fb->bus->dev.class->name, "virtio_msg");
}

static struct kunit_case bus_cases[] = {
	KUNIT_CASE(bus_token_reuse),
	KUNIT_CASE(bus_tokens_outstanding),
	KUNIT_CASE(bus_swapped_answers),
	KUNIT_CASE(bus_late_answer),
	KUNIT_CASE(bus_late_answer_for_next),
	KUNIT_CASE(bus_duplicate_answer),
	KUNIT_CASE(bus_missing_answer),
	KUNIT_CASE_PARAM(bus_wrong_answer, wrong_answer_gen_params),
	KUNIT_CASE(bus_malformed_payload),
	KUNIT_CASE(bus_answer_without_room),
	KUNIT_CASE_PARAM(bus_answer_from, answer_context_gen_params),
	KUNIT_CASE(bus_more_than_places),
	KUNIT_CASE(bus_no_place),
	KUNIT_CASE(bus_send_error),
	KUNIT_CASE(bus_request_too_large),
	KUNIT_CASE(bus_abort_one_device),
	KUNIT_CASE(bus_dead_ends_waiters),
	KUNIT_CASE_PARAM(bus_register_limits, bus_limit_gen_params),
	KUNIT_CASE_PARAM(bus_get_devices, scan_case_gen_params),
	KUNIT_CASE_PARAM(bus_get_devices_count, scan_size_gen_params),
	KUNIT_CASE(bus_get_devices_bounded),
	KUNIT_CASE(bus_discover),
	KUNIT_CASE(bus_added_twice),
	KUNIT_CASE(bus_removed_twice),
	KUNIT_CASE(bus_added_then_removed),
	KUNIT_CASE(bus_removed_then_added),
	KUNIT_CASE(bus_number_reuse),
	KUNIT_CASE(bus_silent_device),
	KUNIT_CASE(bus_dead_with_devices),
	KUNIT_CASE(bus_ping),
	KUNIT_CASE(bus_ping_out),
	KUNIT_CASE_PARAM(bus_stray_message, stray_gen_params),
	KUNIT_CASE(bus_unknown_ids),
	KUNIT_CASE(bus_receive_anywhere),
	KUNIT_CASE(bus_batch_used),
	KUNIT_CASE(bus_batch_others),
	KUNIT_CASE_PARAM(bus_dialect, dialect_gen_params),
	KUNIT_CASE_PARAM(bus_dialect_not_yet, dialect_gen_params),
	KUNIT_CASE(bus_dialect_silent),
	KUNIT_CASE_PARAM(bus_dialect_malformed, dialect_gen_params),
	KUNIT_CASE_PARAM(bus_dialect_token, token_case_gen_params),
	KUNIT_CASE(bus_dialect_strict),
	KUNIT_CASE(bus_dialect_known),
	KUNIT_CASE(bus_kick_with_room),
	KUNIT_CASE(bus_kick_merge),
	KUNIT_CASE(bus_kick_order),
	KUNIT_CASE(bus_kick_cancel),
	KUNIT_CASE(bus_kick_dead),
	KUNIT_CASE(bus_kick_anywhere),
	KUNIT_CASE_PARAM(bus_drop, dropped_gen_params),
	KUNIT_CASE(bus_log_limit),
	KUNIT_CASE(bus_sysfs),
	{}
};

static struct kunit_suite bus_suite = {
	.name = "virtio_msg_bus",
	.test_cases = bus_cases,
};

kunit_test_suite(bus_suite);
