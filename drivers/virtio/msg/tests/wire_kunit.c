// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-msg: tests of wire.c.
 *
 * Frames end where their page ends, and behind it there is nothing: reading one
 * byte too many is the end of the kernel.
 */
#include <kunit/test.h>
#include <linux/string.h>
#include <linux/unaligned.h>
#include <linux/vmalloc.h>

#include "wire_vectors.h"

#define RESP	VIRTIO_MSG_TYPE_RESPONSE
#define BUS	VIRTIO_MSG_TYPE_BUS

KUNIT_ARRAY_PARAM_DESC(wire_vector, wire_vectors, name);

static enum vmsg_dialect dialect_of(const struct wire_vector *v)
{
	return v->rfc ? VMSG_DIALECT_RFC : VMSG_DIALECT_1;
}

/* What is not about a vector is about revision 1, unless it says otherwise. */
static int decode(const void *frame, size_t len, size_t max,
		  struct vmsg_msg *msg)
{
	return vmsg_wire_decode(VMSG_DIALECT_1, frame, len, max, msg);
}

static int encode(const struct vmsg_msg *msg, void *frame, size_t room)
{
	return vmsg_wire_encode(VMSG_DIALECT_1, msg, frame, room);
}

static const struct wire_vector *vector_named(struct kunit *test,
					      const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(wire_vectors); i++) {
		if (!strcmp(wire_vectors[i].name, name))
			return &wire_vectors[i];
	}
	KUNIT_FAIL_AND_ABORT(test, "no vector %s", name);
	return NULL;
}

static int wire_init(struct kunit *test)
{
	/* The kernel leaves a hole behind every such area. */
	test->priv = vmalloc(PAGE_SIZE);
	return test->priv ? 0 : -ENOMEM;
}

static void wire_exit(struct kunit *test)
{
	vfree(test->priv);
}

/*
 * The first @keep bytes of a vector and @surplus more, msg_size set to @size.
 * There is one at a time.
 */
static u8 *frame_like(struct kunit *test, const struct wire_vector *v,
		      size_t keep, size_t surplus, u16 size)
{
	u8 *frame = (u8 *)test->priv + PAGE_SIZE - keep - surplus;

	memcpy(frame, v->bytes, keep);
	memset(frame + keep, 0xa5, surplus);
	if (keep + surplus >= VMSG_HDR_SIZE) {
		frame[6] = size & 0xff;
		frame[7] = size >> 8;
	}
	return frame;
}

static int decode_like(struct kunit *test, const struct wire_vector *v,
		       size_t keep, size_t surplus, u16 size)
{
	u8 *frame = frame_like(test, v, keep, surplus, size);
	struct vmsg_msg msg;

	return vmsg_wire_decode(dialect_of(v), frame, keep + surplus,
				VIRTIO_MSG_MAX_SIZE, &msg);
}

/* Compares all but the data pointers. */
static void expect_same(struct kunit *test, const struct vmsg_msg *got,
			const struct vmsg_msg *want)
{
	struct vmsg_msg a = *got, b = *want;

	a.data = NULL;
	a.data_len = 0;
	b.data = NULL;
	b.data_len = 0;
	KUNIT_EXPECT_MEMEQ(test, &a, &b, sizeof(a));
}

static void wire_decode_vector(struct kunit *test)
{
	const struct wire_vector *v = test->param_value;
	u8 *frame = frame_like(test, v, v->len, 0, v->len);
	struct vmsg_msg msg;

	memset(&msg, 0xff, sizeof(msg));
	KUNIT_ASSERT_EQ(test, v->len,
			vmsg_wire_decode(dialect_of(v), frame, v->len, v->len,
					 &msg));
	expect_same(test, &msg, &v->msg);
	KUNIT_ASSERT_EQ(test, (size_t)v->data_len, msg.data_len);
	if (v->data_len)
		KUNIT_EXPECT_PTR_EQ(test, msg.data,
				    (const u8 *)frame + v->len - v->data_len);
}

static void wire_encode_vector(struct kunit *test)
{
	const struct wire_vector *v = test->param_value;
	struct vmsg_msg msg = v->msg;
	u8 frame[sizeof(v->bytes)];
	int room;

	msg.data = v->bytes + v->len - v->data_len;
	msg.data_len = v->data_len;
	memset(frame, 0xff, sizeof(frame));
	KUNIT_ASSERT_EQ(test, v->len,
			vmsg_wire_encode(dialect_of(v), &msg, frame,
					 sizeof(frame)));
	KUNIT_EXPECT_MEMEQ(test, frame, v->bytes, v->len);
	/* Nothing is written behind it. */
	if (v->len < sizeof(frame))
		KUNIT_EXPECT_EQ(test, frame[v->len], 0xff);
	for (room = 0; room < v->len; room++) {
		memset(frame, 0xee, sizeof(frame));
		KUNIT_EXPECT_EQ(test, -EMSGSIZE,
				vmsg_wire_encode(dialect_of(v), &msg, frame,
						 room));
		KUNIT_EXPECT_EQ(test, frame[room], 0xee);
	}
}

/* A frame of a device number and a token other than the vectors have. */
static void wire_header(struct kunit *test)
{
	static const u8 want[] = {
		0x03, 0x03, 0x34, 0x12, 0xcd, 0xab, 0x0c, 0x00, 1, 0, 0, 0,
	};
	struct vmsg_msg msg = {
		.type = BUS | RESP,
		.id = VIRTIO_MSG_BUS_PING,
		.dev_num = 0x1234,
		.token = 0xabcd,
		.ping = 1,
	}, back;
	u8 frame[sizeof(want)];

	KUNIT_ASSERT_EQ(test, (int)sizeof(want),
			encode(&msg, frame, sizeof(frame)));
	KUNIT_EXPECT_MEMEQ(test, frame, want, sizeof(want));
	KUNIT_ASSERT_EQ(test, (int)sizeof(want),
			decode(frame, sizeof(frame), 52, &back));
	KUNIT_EXPECT_EQ(test, back.dev_num, 0x1234);
	KUNIT_EXPECT_EQ(test, back.token, 0xabcd);
}

/* Is @len a form of its own of this message? */
static bool legal_form(const struct wire_vector *v, size_t len)
{
	return v->msg.id == VIRTIO_MSG_EVENT_CONFIG && !(v->msg.type & BUS) &&
	       len == VMSG_HDR_SIZE + sizeof(struct virtio_msg_event_config);
}

static void wire_truncated(struct kunit *test)
{
	const struct wire_vector *v = test->param_value;
	struct vmsg_msg msg;
	size_t len;

	for (len = 0; len < v->len; len++) {
		/* Fewer bytes than msg_size says. */
		KUNIT_EXPECT_EQ_MSG(test, -EMSGSIZE,
				    decode_like(test, v, len, 0, v->len),
				    "%zu bytes arrived", len);
		/* A msg_size that is shorter than the message. */
		if (legal_form(v, len))
			continue;
		KUNIT_EXPECT_EQ_MSG(test, -EMSGSIZE,
				    decode_like(test, v, len, v->len - len, len),
				    "msg_size %zu", len);
		KUNIT_EXPECT_EQ_MSG(test, -EMSGSIZE,
				    decode_like(test, v, len, 0, len),
				    "%zu bytes", len);
	}
	/* One byte more than the bus allows. */
	KUNIT_EXPECT_EQ(test, -EMSGSIZE,
			vmsg_wire_decode(dialect_of(v), v->bytes, v->len,
					 v->len - 1, &msg));
}

static void wire_surplus(struct kunit *test)
{
	const struct wire_vector *v = test->param_value;
	bool exact = !(v->msg.type & BUS) && v->msg.id == VIRTIO_MSG_EVENT_CONFIG;
	struct vmsg_msg msg;
	size_t more;
	u8 *frame;

	for (more = 1; more <= 16; more++) {
		/* Beyond msg_size nothing is looked at. */
		KUNIT_EXPECT_EQ(test, v->len,
				decode_like(test, v, v->len, more, v->len));
		frame = frame_like(test, v, v->len, more, v->len + more);
		/* Range without data, and exactly as much data as it says. */
		if (exact && !v->data_len && more == v->msg.event_config.length)
			continue;
		if (exact) {
			KUNIT_EXPECT_EQ(test, -EMSGSIZE,
					vmsg_wire_decode(dialect_of(v), frame,
							 v->len + more, 264,
							 &msg));
			continue;
		}
		KUNIT_ASSERT_EQ(test, (int)(v->len + more),
				vmsg_wire_decode(dialect_of(v), frame,
						 v->len + more, 264, &msg));
		expect_same(test, &msg, &v->msg);
		/* The answer to a write may bring back what was written. */
		if (!strcmp(v->name, "SET_CONFIG resp applied"))
			KUNIT_EXPECT_EQ(test, msg.data_len, 1);
		else
			KUNIT_EXPECT_EQ(test, msg.data_len, v->data_len);
	}
}

static void wire_reserved_type_bits(struct kunit *test)
{
	const struct wire_vector *v = test->param_value;
	u8 *frame = frame_like(test, v, v->len, 0, v->len);
	struct vmsg_msg msg;

	frame[0] |= 0xfc;
	KUNIT_ASSERT_EQ(test, v->len,
			vmsg_wire_decode(dialect_of(v), frame, v->len, 264,
					 &msg));
	expect_same(test, &msg, &v->msg);
}

static bool message_exists(u8 type, u8 id)
{
	static const u8 transport[] = {
		0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b,
		0x0c, 0x40, 0x41, 0x42,
	};
	static const u8 bus[] = { 0x02, 0x03, 0x40 };

	if ((type & RESP) && (id & VIRTIO_MSG_ID_EVENT))
		return false;
	if (type & BUS)
		return memchr(bus, id, sizeof(bus));
	return memchr(transport, id, sizeof(transport));
}

static const enum vmsg_dialect wire_dialects[] = {
	VMSG_DIALECT_1,
	VMSG_DIALECT_RFC,
};

static void wire_dialect_desc(const enum vmsg_dialect *dialect, char *desc)
{
	strscpy(desc, *dialect == VMSG_DIALECT_RFC ? "RFC" : "revision 1",
		KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(wire_dialect, wire_dialects, wire_dialect_desc);

static void wire_unknown_ids(struct kunit *test)
{
	enum vmsg_dialect dialect =
		*(const enum vmsg_dialect *)test->param_value;
	/* Zeros are a legal payload of every message there is. */
	u8 frame[64] = { [6] = sizeof(frame) };
	struct vmsg_msg msg;
	unsigned int type, id;
	int want;

	/* The bits of the type that say nothing change nothing. */
	for (type = 0; type <= 0xff; type++) {
		for (id = 0; id <= 0xff; id++) {
			frame[0] = type;
			frame[1] = id;
			want = message_exists(type, id) ? sizeof(frame) :
							  -EBADMSG;
			/* Surplus is not for this one. */
			if (want > 0 && !(type & BUS) && id == 0x40)
				want = -EMSGSIZE;
			KUNIT_ASSERT_EQ_MSG(test, want,
					    vmsg_wire_decode(dialect, frame,
							     sizeof(frame), 264,
							     &msg),
					    "type %u id 0x%02x", type, id);
			msg = (struct vmsg_msg) { .type = type, .id = id };
			if (!message_exists(type, id)) {
				KUNIT_ASSERT_EQ(test, -EINVAL,
						vmsg_wire_encode(dialect, &msg,
								 frame,
								 sizeof(frame)));
				KUNIT_ASSERT_EQ(test, 0,
						vmsg_wire_data_room(dialect,
								    type, id,
								    264));
			}
			frame[6] = sizeof(frame);
			frame[7] = 0;
		}
	}
}

static void wire_sizes(struct kunit *test)
{
	u8 frame[16] = { [1] = VIRTIO_MSG_GET_DEVICE_STATUS };
	struct vmsg_msg msg;
	unsigned int size;

	for (size = 0; size <= U16_MAX; size++) {
		frame[6] = size & 0xff;
		frame[7] = size >> 8;
		KUNIT_EXPECT_EQ(test,
				size < 8 || size > 16 ? -EMSGSIZE : (int)size,
				vmsg_wire_frame(frame, 16, 264, &msg));
		KUNIT_EXPECT_EQ(test,
				size < 8 || size > 12 ? -EMSGSIZE : (int)size,
				vmsg_wire_frame(frame, 16, 12, &msg));
	}
	frame[6] = 8;
	frame[7] = 0;
	for (size = 0; size < 8; size++)
		KUNIT_EXPECT_EQ(test, -EMSGSIZE,
				vmsg_wire_frame(frame, size, 264, &msg));
}

/* What vmsg_wire_frame() fills in, and nothing else. */
static void wire_frame_header_only(struct kunit *test)
{
	u8 frame[] = { 0xfd, 0x09, 0x34, 0x12, 0xcd, 0xab, 0x08, 0x00 };
	struct vmsg_msg msg;

	memset(&msg, 0x11, sizeof(msg));
	KUNIT_ASSERT_EQ(test, 8, vmsg_wire_frame(frame, 8, 52, &msg));
	KUNIT_EXPECT_EQ(test, msg.type, RESP);
	KUNIT_EXPECT_EQ(test, msg.id, 0x09);
	KUNIT_EXPECT_EQ(test, msg.dev_num, 0x1234);
	KUNIT_EXPECT_EQ(test, msg.token, 0xabcd);
	KUNIT_EXPECT_EQ(test, msg.vqueue.index, 0x11111111);
	KUNIT_EXPECT_EQ(test, msg.data_len, (size_t)0x1111111111111111ULL);
}

static void wire_event_config_forms(struct kunit *test)
{
	static const struct {
		u32 length;
		u16 data;
		bool good;
	} forms[] = {
		{ 0, 0, true },		/* generic, status only */
		{ 8, 0, true },		/* range */
		{ 8, 8, true },		/* range and data */
		{ 8, 1, false }, { 8, 7, false }, { 8, 9, false },
		{ 0, 1, false }, { 0, 8, false }, { 1, 8, false },
		{ 0xffffffff, 0, true },
		{ 0xffffffff, 8, false },
	};
	const struct wire_vector *v = vector_named(test, "EVENT_CONFIG generic");
	struct vmsg_msg msg;
	unsigned int i;
	u8 *frame;
	int want;

	for (i = 0; i < ARRAY_SIZE(forms); i++) {
		frame = frame_like(test, v, v->len, forms[i].data,
				   v->len + forms[i].data);
		frame[20] = forms[i].length & 0xff;
		memset(frame + 21, forms[i].length >> 8 & 0xff, 3);
		want = forms[i].good ? v->len + forms[i].data : -EMSGSIZE;
		KUNIT_EXPECT_EQ_MSG(test, want,
				    decode(frame, v->len + forms[i].data, 264,
					   &msg),
				    "form %u", i);
		if (!forms[i].good)
			continue;
		KUNIT_EXPECT_EQ(test, msg.event_config.length, forms[i].length);
		KUNIT_EXPECT_EQ(test, msg.data_len, (size_t)forms[i].data);
	}
}

static void wire_set_config_echo(struct kunit *test)
{
	u8 bytes[] = { 0, 1, 2, 3, 4, 5, 6, 7 }, frame[40];
	struct vmsg_msg msg = {
		.type = RESP,
		.id = VIRTIO_MSG_SET_CONFIG,
		.config.generation = 9,
		.config.offset = 4,
		.config.length = sizeof(bytes),
	}, back;

	/* Without the echo. */
	KUNIT_ASSERT_EQ(test, 20, encode(&msg, frame, sizeof(frame)));
	KUNIT_ASSERT_EQ(test, 20, decode(frame, 20, 52, &back));
	KUNIT_EXPECT_EQ(test, back.config.length, sizeof(bytes));
	KUNIT_EXPECT_EQ(test, back.data_len, 0);
	/* With the echo. */
	msg.data = bytes;
	msg.data_len = sizeof(bytes);
	KUNIT_ASSERT_EQ(test, 28, encode(&msg, frame, sizeof(frame)));
	KUNIT_ASSERT_EQ(test, 28, decode(frame, 28, 52, &back));
	KUNIT_ASSERT_EQ(test, back.data_len, sizeof(bytes));
	KUNIT_EXPECT_MEMEQ(test, back.data, bytes, sizeof(bytes));
	/* Half an echo is surplus that means nothing. */
	frame[6] = 24;
	KUNIT_ASSERT_EQ(test, 24, decode(frame, 24, 52, &back));
	KUNIT_EXPECT_EQ(test, back.data_len, 0);
}

/* Counts whose number of bytes is small again modulo 2^32. */
static void wire_block_overflow(struct kunit *test)
{
	static const u32 counts[] = {
		3, 0x100, 0x3fffffff, 0x40000000, 0x40000001, 0x40000002,
		0x7fffffff, 0x80000000, 0x80000002, 0xc0000001, 0xffffffff,
	};
	static const char * const names[] = {
		"GET_DEVICE_FEATURES resp", "SET_DRIVER_FEATURES req",
	};
	const struct wire_vector *v;
	unsigned int i, n;
	__le32 count;
	struct vmsg_msg msg;
	u8 *frame;

	for (n = 0; n < ARRAY_SIZE(names); n++) {
		v = vector_named(test, names[n]);
		for (i = 0; i < ARRAY_SIZE(counts); i++) {
			frame = frame_like(test, v, v->len, 0, v->len);
			count = cpu_to_le32(counts[i]);
			memcpy(frame + 12, &count, sizeof(count));
			KUNIT_EXPECT_EQ_MSG(test, -EMSGSIZE,
					    decode(frame, v->len, 264, &msg),
					    "%s with 0x%x blocks", names[n],
					    counts[i]);
		}
	}
	/* The request has no words, whatever it asks for. */
	v = vector_named(test, "GET_DEVICE_FEATURES req 0,2");
	frame = frame_like(test, v, v->len, 0, v->len);
	memset(frame + 12, 0xff, 4);
	KUNIT_EXPECT_EQ(test, v->len,
			decode(frame, v->len, 264, &msg));
}

/* Lengths of configuration data that the frame does not have. */
static void wire_config_overflow(struct kunit *test)
{
	static const u32 lengths[] = { 9, 0x7fffffff, 0x80000000, 0xfffffff0,
				       0xffffffff };
	static const char * const names[] = {
		"GET_CONFIG resp gen5", "SET_CONFIG req gen0 off32 len1",
	};
	const struct wire_vector *v;
	struct vmsg_msg msg;
	unsigned int i, n;
	__le32 length;
	u8 *frame;

	for (n = 0; n < ARRAY_SIZE(names); n++) {
		v = vector_named(test, names[n]);
		for (i = 0; i < ARRAY_SIZE(lengths); i++) {
			frame = frame_like(test, v, v->len, 0, v->len);
			length = cpu_to_le32(lengths[i]);
			memcpy(frame + 16, &length, sizeof(length));
			KUNIT_EXPECT_EQ(test, -EMSGSIZE,
					decode(frame, v->len, 264, &msg));
		}
	}
}

static void wire_bitmap(struct kunit *test)
{
	enum vmsg_dialect dialect =
		*(const enum vmsg_dialect *)test->param_value;
	static const struct {
		u16 count;
		u16 bytes;
	} maps[] = {
		{ 0, 0 }, { 1, 1 }, { 7, 1 }, { 8, 1 }, { 9, 2 }, { 12, 2 },
		{ 16, 2 }, { 17, 3 }, { 65535, 8192 },
	};
	struct vmsg_msg msg, back;
	u8 *frame, *bits;
	unsigned int i;
	u16 next;
	int size;

	frame = kunit_kzalloc(test, 14 + 8192, GFP_KERNEL);
	bits = kunit_kzalloc(test, 8192, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, frame);
	KUNIT_ASSERT_NOT_NULL(test, bits);
	memset(bits, 0x5a, 8192);
	for (i = 0; i < ARRAY_SIZE(maps); i++) {
		size = 14 + maps[i].bytes;
		msg = (struct vmsg_msg) {
			.type = BUS | RESP,
			.id = VIRTIO_MSG_BUS_GET_DEVICES,
			.devices.offset = 3,
			.devices.next_offset = 0x8001,
			.devices.count = maps[i].count,
			.data = bits,
			.data_len = maps[i].bytes,
		};
		KUNIT_ASSERT_EQ(test, size,
				vmsg_wire_encode(dialect, &msg, frame,
						 14 + 8192));
		KUNIT_ASSERT_EQ(test, size,
				vmsg_wire_decode(dialect, frame, size,
						 VIRTIO_MSG_MAX_SIZE, &back));
		KUNIT_EXPECT_EQ(test, back.devices.count, maps[i].count);
		/* The RFC ends with a window of nothing that has a successor. */
		next = dialect == VMSG_DIALECT_RFC && !maps[i].count ? 0 : 0x8001;
		KUNIT_EXPECT_EQ(test, back.devices.next_offset, next);
		KUNIT_EXPECT_EQ(test, back.data_len, (size_t)maps[i].bytes);
		if (!maps[i].bytes)
			continue;
		/* A byte less of the bitmap. */
		put_unaligned_le16(size - 1, frame + 6);
		KUNIT_EXPECT_EQ(test, -EMSGSIZE,
				vmsg_wire_decode(dialect, frame, size - 1,
						 VIRTIO_MSG_MAX_SIZE, &back));
		msg.data_len--;
		KUNIT_EXPECT_EQ(test, -EINVAL,
				vmsg_wire_encode(dialect, &msg, frame,
						 14 + 8192));
	}
}

/* Data that does not match the message's own length fields. */
static void wire_encode_mismatch(struct kunit *test)
{
	static const struct vmsg_msg wrong[] = {
		{ .id = VIRTIO_MSG_GET_DEVICE_INFO, .data_len = 1 },
		{ .id = VIRTIO_MSG_GET_CONFIG, .config.length = 4,
		  .data_len = 4 },
		{ .id = VIRTIO_MSG_SET_CONFIG, .config.length = 4,
		  .data_len = 3 },
		{ .id = VIRTIO_MSG_SET_CONFIG, .config.length = 4 },
		{ .id = VIRTIO_MSG_SET_DRIVER_FEATURES, .features.count = 2,
		  .data_len = 4 },
		{ .id = VIRTIO_MSG_SET_DRIVER_FEATURES,
		  .features.count = 0x40000001, .data_len = 4 },
		{ .type = RESP, .id = VIRTIO_MSG_SET_CONFIG,
		  .config.length = 4, .data_len = 3 },
		{ .type = RESP, .id = VIRTIO_MSG_SET_CONFIG,
		  .config.length = 0, .data_len = 4 },
		{ .id = VIRTIO_MSG_EVENT_CONFIG, .event_config.length = 4,
		  .data_len = 3 },
		{ .type = RESP, .id = VIRTIO_MSG_EVENT_CONFIG },
	};
	u8 frame[64], data[8] = {};
	struct vmsg_msg msg;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		msg = wrong[i];
		msg.data = data;
		KUNIT_EXPECT_EQ_MSG(test, -EINVAL,
				    encode(&msg, frame, sizeof(frame)),
				    "case %u", i);
	}
}

/* The largest frame is what le16 can say, whatever room there is. */
static void wire_encode_largest(struct kunit *test)
{
	size_t room = VIRTIO_MSG_MAX_SIZE + 64;
	struct vmsg_msg msg = {
		.id = VIRTIO_MSG_SET_CONFIG,
		.config.length = 65515,
		.data_len = 65515,
	};
	u8 *frame, *data;

	frame = kunit_kzalloc(test, room, GFP_KERNEL);
	data = kunit_kzalloc(test, 65516, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, frame);
	KUNIT_ASSERT_NOT_NULL(test, data);
	msg.data = data;
	KUNIT_EXPECT_EQ(test, 65535, encode(&msg, frame, room));
	msg.config.length++;
	msg.data_len++;
	KUNIT_EXPECT_EQ(test, -EMSGSIZE, encode(&msg, frame, room));
}

struct wire_capacity {
	enum vmsg_dialect dialect;
	u32 max;
	u32 config;
	u32 event;
	u32 blocks;
	u32 slots;
};

static const struct wire_capacity wire_capacities[] = {
	{ VMSG_DIALECT_1, 52, 32, 28, 9, 304 },
	{ VMSG_DIALECT_1, 64, 44, 40, 12, 400 },
	{ VMSG_DIALECT_1, 128, 108, 104, 28, 912 },
	{ VMSG_DIALECT_1, 264, 244, 240, 62, 2000 },
	{ VMSG_DIALECT_1, 65535, 65515, 65511, 16379, 65521 * 8 },
	{ VMSG_DIALECT_RFC, VMSG_RFC_MAX_SIZE, 28, 24, 8, 272 },
};

static void wire_capacity_desc(const struct wire_capacity *c, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%s%u bytes",
		 c->dialect == VMSG_DIALECT_RFC ? "RFC " : "", c->max);
}

KUNIT_ARRAY_PARAM(wire_capacity, wire_capacities, wire_capacity_desc);

static size_t room(const struct wire_capacity *c, u8 type, u8 id)
{
	return vmsg_wire_data_room(c->dialect, type, id, c->max);
}

static void wire_data_room(struct kunit *test)
{
	const struct wire_capacity *c = test->param_value;

	KUNIT_EXPECT_EQ(test, c->config, room(c, RESP, VIRTIO_MSG_GET_CONFIG));
	KUNIT_EXPECT_EQ(test, c->config, room(c, 0, VIRTIO_MSG_SET_CONFIG));
	KUNIT_EXPECT_EQ(test, c->event, room(c, 0, VIRTIO_MSG_EVENT_CONFIG));
	KUNIT_EXPECT_EQ(test, c->blocks,
			room(c, RESP, VIRTIO_MSG_GET_DEVICE_FEATURES) / 4);
	KUNIT_EXPECT_EQ(test, c->blocks,
			room(c, 0, VIRTIO_MSG_SET_DRIVER_FEATURES) / 4);
	KUNIT_EXPECT_EQ(test, c->slots,
			8 * room(c, RESP | BUS, VIRTIO_MSG_BUS_GET_DEVICES));
	/* Messages without data, unknown ones, and no room at all. */
	KUNIT_EXPECT_EQ(test, 0, room(c, 0, VIRTIO_MSG_GET_CONFIG));
	KUNIT_EXPECT_EQ(test, 0, room(c, 0, 0x3f));
	KUNIT_EXPECT_EQ(test, 0,
			vmsg_wire_data_room(c->dialect, 0,
					    VIRTIO_MSG_SET_CONFIG, 19));
	/* What GET_DEVICES asks for at a time. */
	KUNIT_EXPECT_EQ(test, c->dialect == VMSG_DIALECT_1 ? c->slots : 32,
			vmsg_wire_window(c->dialect, c->max));
	KUNIT_EXPECT_EQ(test, 32,
			vmsg_wire_window(VMSG_DIALECT_UNKNOWN, c->max));
}

static void wire_blocks(struct kunit *test)
{
	u8 words[12];
	struct vmsg_msg msg = { .data = words + 1, .data_len = 11 };

	memset(words, 0xee, sizeof(words));
	/* Not aligned, as in a frame. */
	vmsg_wire_put_block(words + 1, 0, 0x30000204);
	vmsg_wire_put_block(words + 1, 1, 0x00000103);
	KUNIT_EXPECT_EQ(test, words[1], 0x04);
	KUNIT_EXPECT_EQ(test, words[4], 0x30);
	KUNIT_EXPECT_EQ(test, vmsg_wire_block(&msg, 0), 0x30000204);
	KUNIT_EXPECT_EQ(test, vmsg_wire_block(&msg, 1), 0x00000103);
	/* The third one is not complete. */
	KUNIT_EXPECT_EQ(test, vmsg_wire_block(&msg, 2), 0);
	KUNIT_EXPECT_EQ(test, vmsg_wire_block(&msg, 3), 0);
	KUNIT_EXPECT_EQ(test, vmsg_wire_block(&msg, 0x40000000), 0);
	KUNIT_EXPECT_EQ(test, vmsg_wire_block(&msg, U32_MAX), 0);
}

/*
 * The RFC
 */

/* The messages that revision 1 has changed. */
static bool rfc_differs(const struct vmsg_msg *msg)
{
	bool resp = msg->type & RESP;

	if (msg->type & BUS)
		return resp && msg->id == VIRTIO_MSG_BUS_GET_DEVICES;
	switch (msg->id) {
	case VIRTIO_MSG_GET_DEVICE_INFO:
	case VIRTIO_MSG_GET_SHM:
	case VIRTIO_MSG_GET_VQUEUE:
		return resp;
	case VIRTIO_MSG_SET_VQUEUE:
		return !resp;
	}
	return false;
}

/* All others are the same in both. */
static void wire_rfc_same(struct kunit *test)
{
	const struct wire_vector *v;
	struct vmsg_msg msg;
	u8 frame[sizeof(v->bytes)];
	unsigned int same = 0;

	for (v = wire_vectors; v < wire_vectors + ARRAY_SIZE(wire_vectors); v++) {
		if (v->rfc || rfc_differs(&v->msg))
			continue;
		KUNIT_ASSERT_EQ_MSG(test, v->len,
				    vmsg_wire_decode(VMSG_DIALECT_RFC, v->bytes,
						     v->len, 264, &msg),
				    "%s", v->name);
		expect_same(test, &msg, &v->msg);
		KUNIT_EXPECT_EQ(test, (size_t)v->data_len, msg.data_len);
		KUNIT_ASSERT_EQ(test, v->len,
				vmsg_wire_encode(VMSG_DIALECT_RFC, &msg, frame,
						 sizeof(frame)));
		KUNIT_EXPECT_MEMEQ(test, frame, v->bytes, v->len);
		same++;
	}
	KUNIT_EXPECT_GT(test, same, 20);
}

/* Bits become blocks, and a part of a block is one. */
static void wire_rfc_feature_bits(struct kunit *test)
{
	static const struct {
		u32 bits;
		u32 blocks;
	} sizes[] = {
		{ 0, 0 }, { 1, 1 }, { 31, 1 }, { 32, 1 }, { 33, 2 }, { 64, 2 },
		{ 65, 3 }, { 0x7fffffff, 0x4000000 }, { 0xffffffe1, 0x8000000 },
		{ 0xffffffff, 0x8000000 },
	};
	const struct wire_vector *v =
		vector_named(test, "RFC GET_DEVICE_INFO resp blk");
	struct vmsg_msg msg;
	unsigned int i;
	u8 *frame;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		frame = frame_like(test, v, v->len, 0, v->len);
		put_unaligned_le32(sizes[i].bits, frame + 16);
		KUNIT_ASSERT_EQ(test, v->len,
				vmsg_wire_decode(VMSG_DIALECT_RFC, frame,
						 v->len, 52, &msg));
		KUNIT_EXPECT_EQ_MSG(test, msg.info.num_feature_blocks,
				    sizes[i].blocks, "%u bits", sizes[i].bits);
	}
}

/* A queue has no flags: it is enabled when it has an address. */
static void wire_rfc_get_vqueue(struct kunit *test)
{
	static const u64 descs[] = { 0, 1, 0x10000, 0x100000000, 1ULL << 63 };
	const struct wire_vector *v =
		vector_named(test, "RFC GET_VQUEUE resp configured");
	struct vmsg_msg msg;
	unsigned int i;
	u8 *frame;

	for (i = 0; i < 2 * ARRAY_SIZE(descs); i++) {
		frame = frame_like(test, v, v->len, 0, v->len);
		/* The word that is a flag elsewhere says nothing. */
		put_unaligned_le32(i & 1 ? U32_MAX : 0, frame + 20);
		put_unaligned_le64(descs[i / 2], frame + 24);
		KUNIT_ASSERT_EQ(test, v->len,
				vmsg_wire_decode(VMSG_DIALECT_RFC, frame,
						 v->len, 52, &msg));
		KUNIT_EXPECT_EQ(test, msg.vqueue.desc, descs[i / 2]);
		KUNIT_EXPECT_EQ(test, msg.vqueue.flags,
				descs[i / 2] ? VIRTIO_MSG_VQUEUE_ENABLED : 0);
	}
}

/* Whatever its second word is, a SET_VQUEUE configures and enables. */
static void wire_rfc_set_vqueue(struct kunit *test)
{
	static const u32 words[] = { 0, 1, 2, 3, 0x3d, 0xffffffff };
	const struct wire_vector *v = vector_named(test, "RFC SET_VQUEUE req");
	struct vmsg_msg msg;
	unsigned int i;
	u8 *frame;

	for (i = 0; i < ARRAY_SIZE(words); i++) {
		frame = frame_like(test, v, v->len, 0, v->len);
		put_unaligned_le32(words[i], frame + 12);
		KUNIT_ASSERT_EQ(test, v->len,
				vmsg_wire_decode(VMSG_DIALECT_RFC, frame,
						 v->len, 52, &msg));
		KUNIT_EXPECT_EQ(test, msg.vqueue.flags,
				VIRTIO_MSG_VQUEUE_OP_ENABLE);
		KUNIT_EXPECT_EQ(test, msg.vqueue.size, 128);
	}
}

/* One dialect's frame in the other one's terms is not what was said. */
static void wire_rfc_apart(struct kunit *test)
{
	const struct wire_vector *v =
		vector_named(test, "RFC BUS GET_DEVICES resp, last");
	struct vmsg_msg msg;

	/* It says "9 devices, and no more"; here, "9 is next, and no device". */
	KUNIT_ASSERT_EQ(test, v->len, decode(v->bytes, v->len, 52, &msg));
	KUNIT_EXPECT_EQ(test, msg.devices.next_offset, 9);
	KUNIT_EXPECT_EQ(test, msg.devices.count, 0);
	KUNIT_EXPECT_EQ(test, msg.data_len, 0);

	v = vector_named(test, "RFC GET_DEVICE_INFO resp blk");
	KUNIT_EXPECT_EQ(test, -EMSGSIZE, decode(v->bytes, v->len, 52, &msg));
	v = vector_named(test, "RFC GET_SHM resp");
	KUNIT_EXPECT_EQ(test, -EMSGSIZE, decode(v->bytes, v->len, 52, &msg));
}

static struct kunit_case wire_cases[] = {
	KUNIT_CASE_PARAM(wire_decode_vector, wire_vector_gen_params),
	KUNIT_CASE_PARAM(wire_encode_vector, wire_vector_gen_params),
	KUNIT_CASE_PARAM(wire_truncated, wire_vector_gen_params),
	KUNIT_CASE_PARAM(wire_surplus, wire_vector_gen_params),
	KUNIT_CASE_PARAM(wire_reserved_type_bits, wire_vector_gen_params),
	KUNIT_CASE(wire_header),
	KUNIT_CASE(wire_frame_header_only),
	KUNIT_CASE(wire_sizes),
	KUNIT_CASE_PARAM(wire_unknown_ids, wire_dialect_gen_params),
	KUNIT_CASE(wire_event_config_forms),
	KUNIT_CASE(wire_set_config_echo),
	KUNIT_CASE(wire_block_overflow),
	KUNIT_CASE(wire_config_overflow),
	KUNIT_CASE_PARAM(wire_bitmap, wire_dialect_gen_params),
	KUNIT_CASE(wire_encode_mismatch),
	KUNIT_CASE(wire_encode_largest),
	KUNIT_CASE_PARAM(wire_data_room, wire_capacity_gen_params),
	KUNIT_CASE(wire_blocks),
	KUNIT_CASE(wire_rfc_same),
	KUNIT_CASE(wire_rfc_feature_bits),
	KUNIT_CASE(wire_rfc_get_vqueue),
	KUNIT_CASE(wire_rfc_set_vqueue),
	KUNIT_CASE(wire_rfc_apart),
	{}
};

static struct kunit_suite wire_suite = {
	.name = "virtio_msg_wire",
	.init = wire_init,
	.exit = wire_exit,
	.test_cases = wire_cases,
};

kunit_test_suite(wire_suite);
