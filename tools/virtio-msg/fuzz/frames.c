// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * libvmsg fuzzing: frames that are right in form, with numbers that often are
 * at some limit.
 */
#include "fuzz.h"

static const struct {
	uint8_t type;
	uint8_t id;
} kinds[] = {
	{ 0, VIRTIO_MSG_GET_DEVICE_INFO },
	{ 0, VIRTIO_MSG_GET_DEVICE_FEATURES },
	{ 0, VIRTIO_MSG_SET_DRIVER_FEATURES },
	{ 0, VIRTIO_MSG_GET_CONFIG },
	{ 0, VIRTIO_MSG_SET_CONFIG },
	{ 0, VIRTIO_MSG_GET_DEVICE_STATUS },
	{ 0, VIRTIO_MSG_SET_DEVICE_STATUS },
	{ 0, VIRTIO_MSG_GET_VQUEUE },
	{ 0, VIRTIO_MSG_SET_VQUEUE },
	{ 0, VIRTIO_MSG_RESET_VQUEUE },
	{ 0, VIRTIO_MSG_GET_SHM },
	{ 0, VIRTIO_MSG_EVENT_AVAIL },
	{ 0, VIRTIO_MSG_EVENT_USED },
	{ 0, VIRTIO_MSG_EVENT_CONFIG },
	{ VIRTIO_MSG_TYPE_BUS, VIRTIO_MSG_BUS_GET_DEVICES },
	{ VIRTIO_MSG_TYPE_BUS, VIRTIO_MSG_BUS_PING },
	{ VIRTIO_MSG_TYPE_BUS, VIRTIO_MSG_BUS_EVENT_DEVICE },
};

/* Small, or next to a power of two, or anything. */
static uint32_t number(uint64_t *random)
{
	uint64_t r = fuzz_random(random);

	switch (r % 4) {
	case 0:
		return (1ULL << (r >> 8) % 33) - (r >> 16) % 3;
	case 1:
		return r >> 32;
	default:
		return (r >> 8) % 4;
	}
}

static uint32_t status(uint64_t *random)
{
	static const uint8_t usual[] = { 0, 1, 3, 11, 15, 0x40, 0x80 };
	uint64_t r = fuzz_random(random);

	return r % 8 ? usual[r / 8 % sizeof(usual)] : r >> 32;
}

size_t fuzz_frame(uint64_t *random, enum vmsg_dialect dialect, uint8_t *frame,
		  size_t room)
{
	unsigned int kind = fuzz_random(random) % ARRAY_SIZE(kinds);
	uint8_t data[64];
	struct vmsg_msg msg = {
		.type = kinds[kind].type,
		.id = kinds[kind].id,
		.dev_num = kinds[kind].type ? 0 : fuzz_random(random) % 4,
		.token = fuzz_random(random),
		.data = data,
	};
	uint64_t r;
	size_t i;
	int len;

	for (i = 0; i < sizeof(data); i += sizeof(r)) {
		r = fuzz_random(random);
		memcpy(data + i, &r, sizeof(r));
	}
	switch (msg.id) {
	case VIRTIO_MSG_SET_DRIVER_FEATURES:
	case VIRTIO_MSG_GET_DEVICE_FEATURES:
		/* GET_DEVICES has the same number, and two small ones. */
		msg.features.index = number(random);
		msg.features.count = number(random) % 16;
		if (msg.id == VIRTIO_MSG_SET_DRIVER_FEATURES)
			msg.data_len = 4 * msg.features.count;
		break;
	case VIRTIO_MSG_GET_CONFIG:
	case VIRTIO_MSG_SET_CONFIG:
		/* Often at the end of a small space. */
		r = fuzz_random(random);
		msg.config.offset = r & 1 ? number(random) : (r >> 8) % 128;
		msg.config.length = r & 2 ? number(random) : (r >> 16) % 256;
		if (msg.id == VIRTIO_MSG_SET_CONFIG) {
			msg.config.generation = number(random);
			msg.config.length %= sizeof(data);
			msg.data_len = msg.config.length;
		}
		break;
	case VIRTIO_MSG_SET_DEVICE_STATUS:
		msg.status = status(random);
		break;
	case VIRTIO_MSG_SET_VQUEUE:
		msg.vqueue.index = number(random) % 4;
		msg.vqueue.flags = number(random) % 64;
		msg.vqueue.size = number(random) % 512;
		r = fuzz_random(random);
		msg.vqueue.desc = 0x10000 + (r & 0x1fff0);
		msg.vqueue.driver = 0x10000 + (r >> 20 & 0x1fffe);
		msg.vqueue.device = 0x10000 + (r >> 40 & 0x1fffc);
		break;
	default:
		/* The first word of all others. */
		msg.vqueue.index = number(random);
	}
	if (msg.type && msg.id == VIRTIO_MSG_BUS_GET_DEVICES) {
		msg.devices.offset = number(random);
		msg.devices.count = number(random);
		msg.data_len = 0;
	}
	len = vmsg_wire_encode(dialect, &msg, frame, room);
	return len < 0 ? 0 : len;
}
