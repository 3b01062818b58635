// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * libvmsg fuzzing: wire.c, which the kernel has as well.
 *
 * Input: the dialect, two bytes for the maximum message size, and a frame. What
 * can be decoded must lie inside of the frame, and encoded again it must be a
 * frame that says the same, and does not change any more.
 */
#include <errno.h>

#include "fuzz.h"
#include "../../../drivers/virtio/msg/tests/wire_vectors.h"

#define HEAD	3

static const enum vmsg_dialect dialects[] = {
	VMSG_DIALECT_1, VMSG_DIALECT_RFC, VMSG_DIALECT_UNKNOWN,
};

/* A pointer cannot be the same, all else can. */
static bool same(const struct vmsg_msg *a, const struct vmsg_msg *b)
{
	struct vmsg_msg x = *a, y = *b;

	if (a->data_len != b->data_len ||
	    (a->data_len && memcmp(a->data, b->data, a->data_len)))
		return false;
	x.data = NULL;
	y.data = NULL;
	return !memcmp(&x, &y, sizeof(x));
}

/* The count of feature bits of that dialect has no room for all blocks. */
static bool too_many_blocks(enum vmsg_dialect dialect,
			    const struct vmsg_msg *msg)
{
	return dialect == VMSG_DIALECT_RFC &&
	       msg->type == VIRTIO_MSG_TYPE_RESPONSE &&
	       msg->id == VIRTIO_MSG_GET_DEVICE_INFO &&
	       msg->info.num_feature_blocks > UINT32_MAX / 32;
}

/* No more than a frame can be written, and not a byte behind it. */
static void check_room(enum vmsg_dialect dialect, const struct vmsg_msg *msg,
		       int size)
{
	uint8_t *exact = malloc(size);

	fuzz_require(exact);
	fuzz_require(vmsg_wire_encode(dialect, msg, exact, size) == size);
	fuzz_require(vmsg_wire_encode(dialect, msg, exact, size - 1) ==
		     -EMSGSIZE);
	free(exact);
}

static void check_message(enum vmsg_dialect dialect, const uint8_t *frame,
			  size_t len, const struct vmsg_msg *msg, int size)
{
	static uint8_t again[VIRTIO_MSG_MAX_SIZE], third[VIRTIO_MSG_MAX_SIZE];
	struct vmsg_msg back;
	size_t room;
	uint32_t i;
	int ret;

	fuzz_require(size >= (int)VMSG_HDR_SIZE && (size_t)size <= len);
	fuzz_require(msg->data >= frame + VMSG_HDR_SIZE &&
		     msg->data + msg->data_len <= frame + size);
	for (i = 0; i <= msg->data_len / 4; i++)
		vmsg_wire_block(msg, i);
	room = vmsg_wire_data_room(dialect, msg->type, msg->id, size);
	fuzz_require(msg->data_len <= room);
	if (too_many_blocks(dialect, msg))
		return;

	ret = vmsg_wire_encode(dialect, msg, again, sizeof(again));
	fuzz_require(ret > 0 && ret <= size);
	fuzz_require(vmsg_wire_decode(dialect, again, ret, ret, &back) == ret);
	fuzz_require(same(msg, &back));
	fuzz_require(vmsg_wire_encode(dialect, &back, third, sizeof(third)) ==
		     ret);
	fuzz_require(!memcmp(again, third, ret));
	check_room(dialect, msg, ret);
}

int fuzz_test(const uint8_t *data, size_t size)
{
	enum vmsg_dialect dialect;
	struct vmsg_msg msg;
	uint8_t *frame;
	size_t max;
	int ret;

	if (size < HEAD)
		return 0;
	dialect = dialects[data[0] % ARRAY_SIZE(dialects)];
	max = data[1] | data[2] << 8;
	/* A copy of exactly that size: what is read behind it is found. */
	frame = malloc(size - HEAD + !(size - HEAD));
	fuzz_require(frame);
	memcpy(frame, data + HEAD, size - HEAD);
	vmsg_wire_window(dialect, max);
	ret = vmsg_wire_decode(dialect, frame, size - HEAD, max, &msg);
	fuzz_require(ret > 0 || ret == -EMSGSIZE || ret == -EBADMSG);
	if (ret > 0)
		check_message(dialect, frame, size - HEAD, &msg, ret);
	free(frame);
	return 0;
}

/* Mostly, the header says how long the frame is. */
size_t fuzz_mutate(uint8_t *data, size_t size, size_t max_size,
		   unsigned int seed)
{
	uint64_t random = seed, r = fuzz_random(&random);

	if (max_size > HEAD && !(r % 32)) {
		data[0] = r >> 8;
		data[1] = 0xff;
		data[2] = 0xff;
		size = HEAD + fuzz_frame(&random, dialects[data[0] % 2],
					 data + HEAD, max_size - HEAD);
	}
	size = fuzz_mutate_bytes(data, size, max_size);
	if (size < HEAD + VMSG_HDR_SIZE || !(r >> 16 & 7))
		return size;
	if (size - HEAD <= VIRTIO_MSG_MAX_SIZE) {
		data[HEAD + 6] = size - HEAD;
		data[HEAD + 7] = (size - HEAD) >> 8;
	}
	if (r >> 24 & 3)
		data[2] = 0xff;
	return size;
}

/* The reference vectors. */
size_t fuzz_seed(unsigned int n, uint8_t *data, size_t room)
{
	if (n >= ARRAY_SIZE(wire_vectors) ||
	    HEAD + wire_vectors[n].len > room)
		return 0;
	data[0] = wire_vectors[n].rfc;
	data[1] = 0xff;
	data[2] = 0xff;
	memcpy(data + HEAD, wire_vectors[n].bytes, wire_vectors[n].len);
	return HEAD + wire_vectors[n].len;
}
