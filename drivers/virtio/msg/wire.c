// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * virtio-msg: the only file that knows what messages look like in bytes.
 *
 * It turns frames into struct vmsg_msg and back, and refuses frames that the
 * proposal calls malformed. It keeps no state, allocates nothing, calls nobody
 * and may run in any context; it is compiled for the kernel and for user space
 * from this source. What a message means is the business of its callers.
 *
 * A frame may lie in memory that its sender can still write: copy it first.
 */
#include "wire.h"

#ifdef __KERNEL__
#include <kunit/visibility.h>
#include <linux/array_size.h>
#include <linux/errno.h>
#include <linux/string.h>
#include <asm/byteorder.h>
#else
#include <endian.h>
#include <errno.h>
#include <string.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define cpu_to_le16(x)	htole16(x)
#define cpu_to_le32(x)	htole32(x)
#define cpu_to_le64(x)	htole64(x)
#define le16_to_cpu(x)	le16toh(x)
#define le32_to_cpu(x)	le32toh(x)
#define le64_to_cpu(x)	le64toh(x)
#endif

/* One number (or the UUID) of a payload, in bytes and in struct vmsg_msg. */
struct vmsg_field {
	u8 wire;
	u8 wire_width;
	u8 host;
	u8 host_width;
};

/* Ends a list of fields. */
#define FIELD_END {}
#define FIELD(strct, wire_member, host_member, wire_bytes, host_bytes) { \
	.wire = offsetof(struct virtio_msg_##strct, wire_member),	\
	.wire_width = (wire_bytes),					\
	.host = offsetof(struct vmsg_msg, host_member),			\
	.host_width = (host_bytes),					\
}

#define LE16(strct, wire, host)		FIELD(strct, wire, host, 2, 2)
#define LE32(strct, wire, host)		FIELD(strct, wire, host, 4, 4)
#define LE64(strct, wire, host)		FIELD(strct, wire, host, 8, 8)
#define UUID(strct, wire, host)		FIELD(strct, wire, host, 16, 16)
/* Numbers that are smaller on the wire. */
#define LE16_32(strct, wire, host)	FIELD(strct, wire, host, 2, 4)
#define LE32_64(strct, wire, host)	FIELD(strct, wire, host, 4, 8)

static const struct vmsg_field vmsg_info[] = {
	LE32(device_info, device_id, info.device_id),
	LE32(device_info, vendor_id, info.vendor_id),
	UUID(device_info, device_uuid, info.uuid),
	LE32(device_info, num_feature_blocks, info.num_feature_blocks),
	LE32(device_info, config_size, info.config_size),
	LE32(device_info, max_virtqueues, info.max_virtqueues),
	LE32(device_info, admin_vq_start, info.admin_vq_start),
	LE32(device_info, admin_vq_count, info.admin_vq_count),
	FIELD_END
};

static const struct vmsg_field vmsg_features[] = {
	LE32(features, block_index, features.index),
	LE32(features, num_blocks, features.count),
	FIELD_END
};

static const struct vmsg_field vmsg_get_config[] = {
	LE32(get_config, offset, config.offset),
	LE32(get_config, length, config.length),
	FIELD_END
};

static const struct vmsg_field vmsg_config[] = {
	LE32(config, generation, config.generation),
	LE32(config, offset, config.offset),
	LE32(config, length, config.length),
	FIELD_END
};

static const struct vmsg_field vmsg_status[] = {
	LE32(status, status, status),
	FIELD_END
};

static const struct vmsg_field vmsg_vqueue_index[] = {
	LE32(vqueue_index, index, vqueue.index),
	FIELD_END
};

static const struct vmsg_field vmsg_get_vqueue_resp[] = {
	LE32(get_vqueue_resp, index, vqueue.index),
	LE32(get_vqueue_resp, max_size, vqueue.max_size),
	LE32(get_vqueue_resp, cur_size, vqueue.size),
	LE32(get_vqueue_resp, flags, vqueue.flags),
	LE64(get_vqueue_resp, desc, vqueue.desc),
	LE64(get_vqueue_resp, driver, vqueue.driver),
	LE64(get_vqueue_resp, device, vqueue.device),
	FIELD_END
};

static const struct vmsg_field vmsg_set_vqueue[] = {
	LE32(set_vqueue, index, vqueue.index),
	LE32(set_vqueue, flags, vqueue.flags),
	LE32(set_vqueue, size, vqueue.size),
	LE32(set_vqueue, reserved, vqueue.reserved),
	LE64(set_vqueue, desc, vqueue.desc),
	LE64(set_vqueue, driver, vqueue.driver),
	LE64(set_vqueue, device, vqueue.device),
	FIELD_END
};

static const struct vmsg_field vmsg_get_shm[] = {
	LE32(get_shm, shmid, shm.id),
	FIELD_END
};

static const struct vmsg_field vmsg_get_shm_resp[] = {
	LE32(get_shm_resp, shmid, shm.id),
	LE64(get_shm_resp, length, shm.length),
	LE64(get_shm_resp, address, shm.address),
	FIELD_END
};

static const struct vmsg_field vmsg_event_config[] = {
	LE32(event_config, status, event_config.status),
	LE32(event_config, generation, event_config.generation),
	LE32(event_config, offset, event_config.offset),
	LE32(event_config, length, event_config.length),
	FIELD_END
};

static const struct vmsg_field vmsg_event_avail[] = {
	LE32(event_avail, index, vqueue.index),
	LE32(event_avail, next_offset, vqueue.next_offset),
	FIELD_END
};

static const struct vmsg_field vmsg_get_devices[] = {
	LE16(get_devices, offset, devices.offset),
	LE16(get_devices, count, devices.count),
	FIELD_END
};

static const struct vmsg_field vmsg_get_devices_resp[] = {
	LE16(get_devices_resp, offset, devices.offset),
	LE16(get_devices_resp, next_offset, devices.next_offset),
	LE16(get_devices_resp, count, devices.count),
	FIELD_END
};

static const struct vmsg_field vmsg_ping[] = {
	LE32(ping, data, ping),
	FIELD_END
};

static const struct vmsg_field vmsg_event_device[] = {
	LE16(event_device, dev_num, event_device.dev_num),
	LE16(event_device, state, event_device.state),
	FIELD_END
};

/* What follows the fixed part of a payload. */
enum vmsg_tail {
	TAIL_NONE,
	/* features.count words */
	TAIL_BLOCKS,
	/* config.length bytes */
	TAIL_CONFIG,
	/* config.length bytes, or fewer: then they do not count */
	TAIL_CONFIG_ECHO,
	/* event_config.length bytes, or none */
	TAIL_EVENT,
	/* devices.count bits */
	TAIL_BITMAP,
};

/* A payload: the bytes of its fixed part, the fields in there, its tail. */
struct vmsg_layout {
	u8 size;
	u8 tail;
	const struct vmsg_field *fields;
};

static const struct vmsg_field vmsg_none[] = { FIELD_END };

#define LAYOUT(strct, what, follows) {					\
	.size = sizeof(struct virtio_msg_##strct),			\
	.tail = (follows),						\
	.fields = (what),						\
}

#define NONE { .fields = vmsg_none }

/* A message: its layout as request or event, and as response. */
struct vmsg_kind {
	u8 bus;
	u8 id;
	struct vmsg_layout request;
	struct vmsg_layout response;
};

/*
 * No two messages have the same remainder, so that one look is enough to find the
 * row of a message, or that there is no such message.
 */
#define VMSG_ROWS	17
#define ROW(number)	((number) % VMSG_ROWS)

/* Every message of transport revision 1: those of devices, then of the bus. */
static const struct vmsg_kind vmsg_kinds[2][VMSG_ROWS] = { {
	[ROW(VIRTIO_MSG_GET_DEVICE_INFO)] = {
		0, VIRTIO_MSG_GET_DEVICE_INFO, NONE,
		LAYOUT(device_info, vmsg_info, TAIL_NONE)
	},
	[ROW(VIRTIO_MSG_GET_DEVICE_FEATURES)] = {
		0, VIRTIO_MSG_GET_DEVICE_FEATURES,
		LAYOUT(features, vmsg_features, TAIL_NONE),
		LAYOUT(features, vmsg_features, TAIL_BLOCKS)
	},
	[ROW(VIRTIO_MSG_SET_DRIVER_FEATURES)] = {
		0, VIRTIO_MSG_SET_DRIVER_FEATURES,
		LAYOUT(features, vmsg_features, TAIL_BLOCKS), NONE
	},
	[ROW(VIRTIO_MSG_GET_CONFIG)] = {
		0, VIRTIO_MSG_GET_CONFIG,
		LAYOUT(get_config, vmsg_get_config, TAIL_NONE),
		LAYOUT(config, vmsg_config, TAIL_CONFIG)
	},
	[ROW(VIRTIO_MSG_SET_CONFIG)] = {
		0, VIRTIO_MSG_SET_CONFIG,
		LAYOUT(config, vmsg_config, TAIL_CONFIG),
		LAYOUT(config, vmsg_config, TAIL_CONFIG_ECHO)
	},
	[ROW(VIRTIO_MSG_GET_DEVICE_STATUS)] = {
		0, VIRTIO_MSG_GET_DEVICE_STATUS, NONE,
		LAYOUT(status, vmsg_status, TAIL_NONE)
	},
	[ROW(VIRTIO_MSG_SET_DEVICE_STATUS)] = {
		0, VIRTIO_MSG_SET_DEVICE_STATUS,
		LAYOUT(status, vmsg_status, TAIL_NONE),
		LAYOUT(status, vmsg_status, TAIL_NONE)
	},
	[ROW(VIRTIO_MSG_GET_VQUEUE)] = {
		0, VIRTIO_MSG_GET_VQUEUE,
		LAYOUT(vqueue_index, vmsg_vqueue_index, TAIL_NONE),
		LAYOUT(get_vqueue_resp, vmsg_get_vqueue_resp, TAIL_NONE)
	},
	[ROW(VIRTIO_MSG_SET_VQUEUE)] = {
		0, VIRTIO_MSG_SET_VQUEUE,
		LAYOUT(set_vqueue, vmsg_set_vqueue, TAIL_NONE), NONE
	},
	[ROW(VIRTIO_MSG_RESET_VQUEUE)] = {
		0, VIRTIO_MSG_RESET_VQUEUE,
		LAYOUT(vqueue_index, vmsg_vqueue_index, TAIL_NONE), NONE
	},
	[ROW(VIRTIO_MSG_GET_SHM)] = {
		0, VIRTIO_MSG_GET_SHM,
		LAYOUT(get_shm, vmsg_get_shm, TAIL_NONE),
		LAYOUT(get_shm_resp, vmsg_get_shm_resp, TAIL_NONE)
	},
	[ROW(VIRTIO_MSG_EVENT_CONFIG)] = {
		0, VIRTIO_MSG_EVENT_CONFIG,
		LAYOUT(event_config, vmsg_event_config, TAIL_EVENT), NONE
	},
	[ROW(VIRTIO_MSG_EVENT_AVAIL)] = {
		0, VIRTIO_MSG_EVENT_AVAIL,
		LAYOUT(event_avail, vmsg_event_avail, TAIL_NONE), NONE
	},
	[ROW(VIRTIO_MSG_EVENT_USED)] = {
		0, VIRTIO_MSG_EVENT_USED,
		LAYOUT(vqueue_index, vmsg_vqueue_index, TAIL_NONE), NONE
	},
}, {
	[ROW(VIRTIO_MSG_BUS_GET_DEVICES)] = {
		1, VIRTIO_MSG_BUS_GET_DEVICES,
		LAYOUT(get_devices, vmsg_get_devices, TAIL_NONE),
		LAYOUT(get_devices_resp, vmsg_get_devices_resp, TAIL_BITMAP)
	},
	[ROW(VIRTIO_MSG_BUS_PING)] = {
		1, VIRTIO_MSG_BUS_PING,
		LAYOUT(ping, vmsg_ping, TAIL_NONE),
		LAYOUT(ping, vmsg_ping, TAIL_NONE)
	},
	[ROW(VIRTIO_MSG_BUS_EVENT_DEVICE)] = {
		1, VIRTIO_MSG_BUS_EVENT_DEVICE,
		LAYOUT(event_device, vmsg_event_device, TAIL_NONE), NONE
	},
} };

/*
 * The dialect of late 2025. It has no UUID, counts features in bits, says less
 * about shared memory, and has two words of GET_DEVICES the other way round.
 */

struct virtio_msg_rfc_device_info {
	__le32 device_id;
	__le32 vendor_id;
	__le32 num_feature_bits;
	__le32 config_size;
	__le32 max_virtqueues;
	__le16 admin_vq_start;
	__le16 admin_vq_count;
};

struct virtio_msg_rfc_get_shm_resp {
	__le32 shmid;
	__le32 length;
	__le32 address;
};

struct virtio_msg_rfc_get_devices_resp {
	__le16 offset;
	__le16 count;
	__le16 next_offset;
};

static const struct vmsg_field vmsg_rfc_info[] = {
	LE32(rfc_device_info, device_id, info.device_id),
	LE32(rfc_device_info, vendor_id, info.vendor_id),
	LE32(rfc_device_info, num_feature_bits, info.num_feature_blocks),
	LE32(rfc_device_info, config_size, info.config_size),
	LE32(rfc_device_info, max_virtqueues, info.max_virtqueues),
	LE16_32(rfc_device_info, admin_vq_start, info.admin_vq_start),
	LE16_32(rfc_device_info, admin_vq_count, info.admin_vq_count),
	FIELD_END
};

static const struct vmsg_field vmsg_rfc_get_shm_resp[] = {
	LE32(rfc_get_shm_resp, shmid, shm.id),
	LE32_64(rfc_get_shm_resp, length, shm.length),
	LE32_64(rfc_get_shm_resp, address, shm.address),
	FIELD_END
};

static const struct vmsg_field vmsg_rfc_get_devices_resp[] = {
	LE16(rfc_get_devices_resp, offset, devices.offset),
	LE16(rfc_get_devices_resp, count, devices.count),
	LE16(rfc_get_devices_resp, next_offset, devices.next_offset),
	FIELD_END
};

static const struct vmsg_kind vmsg_rfc_kinds[] = {
	{ 0, VIRTIO_MSG_GET_DEVICE_INFO, NONE,
	  LAYOUT(rfc_device_info, vmsg_rfc_info, TAIL_NONE) },
	{ 0, VIRTIO_MSG_GET_SHM,
	  LAYOUT(get_shm, vmsg_get_shm, TAIL_NONE),
	  LAYOUT(rfc_get_shm_resp, vmsg_rfc_get_shm_resp, TAIL_NONE) },
	{ 1, VIRTIO_MSG_BUS_GET_DEVICES,
	  LAYOUT(get_devices, vmsg_get_devices, TAIL_NONE),
	  LAYOUT(rfc_get_devices_resp, vmsg_rfc_get_devices_resp, TAIL_BITMAP) },
};

/* What a message of that dialect means in the terms of revision 1. */
static void vmsg_rfc_to_rev1(struct vmsg_msg *msg)
{
	bool resp = msg->type & VIRTIO_MSG_TYPE_RESPONSE;
	u32 bits;

	if (msg->type & VIRTIO_MSG_TYPE_BUS) {
		/* The last window may say that it goes on where it began. */
		if (msg->id == VIRTIO_MSG_BUS_GET_DEVICES && resp &&
		    !msg->devices.count)
			msg->devices.next_offset = 0;
		return;
	}
	switch (msg->id) {
	case VIRTIO_MSG_GET_DEVICE_INFO:
		bits = msg->info.num_feature_blocks;
		msg->info.num_feature_blocks = bits / 32 + !!(bits % 32);
		break;
	case VIRTIO_MSG_GET_VQUEUE:
		/* A queue is enabled by being configured. */
		if (resp)
			msg->vqueue.flags = msg->vqueue.desc ?
				VIRTIO_MSG_VQUEUE_ENABLED : 0;
		break;
	case VIRTIO_MSG_SET_VQUEUE:
		if (!resp)
			msg->vqueue.flags = VIRTIO_MSG_VQUEUE_OP_ENABLE;
		break;
	}
}

static void vmsg_rfc_from_rev1(struct vmsg_msg *msg)
{
	u8 type = msg->type;

	if (!(type & VIRTIO_MSG_TYPE_RESPONSE) || (type & VIRTIO_MSG_TYPE_BUS))
		return;
	if (msg->id == VIRTIO_MSG_GET_DEVICE_INFO)
		msg->info.num_feature_blocks *= 32;
	else if (msg->id == VIRTIO_MSG_GET_VQUEUE)
		msg->vqueue.flags = 0;
}

/* That dialect's own row of a message if it has one. */
static const struct vmsg_kind *vmsg_rfc_kind(const struct vmsg_kind *kind)
{
	size_t n;

	for (n = 0; n < ARRAY_SIZE(vmsg_rfc_kinds); n++) {
		if (vmsg_rfc_kinds[n].id == kind->id &&
		    vmsg_rfc_kinds[n].bus == kind->bus)
			return &vmsg_rfc_kinds[n];
	}
	return kind;
}

/* Returns NULL for a message that does not exist. */
static const struct vmsg_layout *vmsg_find_layout(enum vmsg_dialect dialect,
						  u8 type, u8 id)
{
	bool bus = type & VIRTIO_MSG_TYPE_BUS;
	bool resp = type & VIRTIO_MSG_TYPE_RESPONSE;
	const struct vmsg_kind *kind = &vmsg_kinds[bus][ROW(id)];

	/* There is no message 0, and events have no response. */
	if (!id || kind->id != id || (resp && (id & VIRTIO_MSG_ID_EVENT)))
		return NULL;
	if (dialect == VMSG_DIALECT_RFC)
		kind = vmsg_rfc_kind(kind);
	return resp ? &kind->response : &kind->request;
}

static u64 vmsg_get_le(const u8 *wire, u8 width)
{
	__le16 le16;
	__le32 le32;
	__le64 le64;

	switch (width) {
	case 2:
		memcpy(&le16, wire, sizeof(le16));
		return le16_to_cpu(le16);
	case 4:
		memcpy(&le32, wire, sizeof(le32));
		return le32_to_cpu(le32);
	default:
		memcpy(&le64, wire, sizeof(le64));
		return le64_to_cpu(le64);
	}
}

static void vmsg_put_le(u8 *wire, u8 width, u64 value)
{
	const __le16 le16 = cpu_to_le16(value);
	const __le32 le32 = cpu_to_le32(value);
	const __le64 le64 = cpu_to_le64(value);

	switch (width) {
	case 2:
		memcpy(wire, &le16, sizeof(le16));
		break;
	case 4:
		memcpy(wire, &le32, sizeof(le32));
		break;
	default:
		memcpy(wire, &le64, sizeof(le64));
	}
}

static void vmsg_get_field(const struct vmsg_field *f, const u8 *payload,
			   struct vmsg_msg *msg)
{
	void *host = (u8 *)msg + f->host;
	const u8 *wire = payload + f->wire;

	switch (f->host_width) {
	case 2:
		*(u16 *)host = vmsg_get_le(wire, f->wire_width);
		break;
	case 4:
		*(u32 *)host = vmsg_get_le(wire, f->wire_width);
		break;
	case 8:
		*(u64 *)host = vmsg_get_le(wire, f->wire_width);
		break;
	default:
		memcpy(host, wire, f->host_width);
	}
}

static void vmsg_put_field(const struct vmsg_field *f, u8 *payload,
			   const struct vmsg_msg *msg)
{
	const void *host = (const u8 *)msg + f->host;
	u8 *wire = payload + f->wire;

	switch (f->host_width) {
	case 2:
		vmsg_put_le(wire, f->wire_width, *(const u16 *)host);
		break;
	case 4:
		vmsg_put_le(wire, f->wire_width, *(const u32 *)host);
		break;
	case 8:
		vmsg_put_le(wire, f->wire_width, *(const u64 *)host);
		break;
	default:
		memcpy(wire, host, f->host_width);
	}
}

/**
 * vmsg_wire_frame() - check the header of a frame
 * @frame: the bytes
 * @len: bytes that there are
 * @max: maximum message size of the bus
 * @msg: its header members are filled in, the others are left alone
 *
 * Context: Any.
 * Return: msg_size, or -EMSGSIZE when the frame is shorter than its header, than
 * its own msg_size, or larger than the bus allows.
 */
int vmsg_wire_frame(const void *frame, size_t len, size_t max,
		    struct vmsg_msg *msg)
{
	struct virtio_msg_hdr hdr;
	size_t size;

	if (len < sizeof(hdr))
		return -EMSGSIZE;
	memcpy(&hdr, frame, sizeof(hdr));
	size = le16_to_cpu(hdr.msg_size);
	if (size < sizeof(hdr) || size > len || size > max)
		return -EMSGSIZE;

	msg->type = hdr.type & VIRTIO_MSG_TYPE_MASK;
	msg->id = hdr.msg_id;
	msg->dev_num = le16_to_cpu(hdr.dev_num);
	msg->token = le16_to_cpu(hdr.token);
	return size;
}
EXPORT_SYMBOL_IF_KUNIT(vmsg_wire_frame);

/*
 * How many bytes the fields of @msg say that follow the fixed part, given that
 * there are @room. Negative when @room is not possible for this message.
 */
static long long vmsg_tail_len(enum vmsg_tail tail, const struct vmsg_msg *msg,
			       size_t room)
{
	switch (tail) {
	case TAIL_NONE:
		return 0;
	case TAIL_BLOCKS:
		return 4LL * msg->features.count;
	case TAIL_CONFIG:
		return msg->config.length;
	case TAIL_CONFIG_ECHO:
		return room < msg->config.length ? 0 : msg->config.length;
	case TAIL_EVENT:
		/* Here the size tells the forms apart, so it has to be exact. */
		if (room && room != msg->event_config.length)
			return -1;
		return room;
	case TAIL_BITMAP:
		return (msg->devices.count + 7) / 8;
	}
	return -1;
}

/**
 * vmsg_wire_decode() - read a message out of a frame
 * @dialect: how the frame is written
 * @frame: the bytes; nobody else may be able to change them any more
 * @len: bytes that there are
 * @max: maximum message size of the bus
 * @msg: the message; its data points into @frame
 *
 * A payload that is longer than needed is accepted and the surplus ignored.
 *
 * Context: Any.
 * Return: msg_size, -EMSGSIZE for a frame that is too short, also for what its
 * own fields promise, -EBADMSG for a message that does not exist.
 */
int vmsg_wire_decode(enum vmsg_dialect dialect, const void *frame, size_t len,
		     size_t max, struct vmsg_msg *msg)
{
	const u8 *payload = (const u8 *)frame + VMSG_HDR_SIZE;
	const struct vmsg_layout *layout;
	const struct vmsg_field *field;
	long long tail;
	size_t room;
	int size;

	memset(msg, 0, sizeof(*msg));
	size = vmsg_wire_frame(frame, len, max, msg);
	if (size < 0)
		return size;
	layout = vmsg_find_layout(dialect, msg->type, msg->id);
	if (!layout)
		return -EBADMSG;

	room = size - VMSG_HDR_SIZE;
	if (room < layout->size)
		return -EMSGSIZE;
	room -= layout->size;
	for (field = layout->fields; field->wire_width; field++)
		vmsg_get_field(field, payload, msg);

	tail = vmsg_tail_len(layout->tail, msg, room);
	if (tail < 0 || tail > (long long)room)
		return -EMSGSIZE;
	msg->data = payload + layout->size;
	msg->data_len = tail;
	if (dialect == VMSG_DIALECT_RFC)
		vmsg_rfc_to_rev1(msg);
	return size;
}
EXPORT_SYMBOL_IF_KUNIT(vmsg_wire_decode);

static int vmsg_encode(enum vmsg_dialect dialect, const struct vmsg_msg *msg,
		       void *frame, size_t room)
{
	const struct vmsg_layout *layout =
		vmsg_find_layout(dialect, msg->type, msg->id);
	u8 *payload = (u8 *)frame + VMSG_HDR_SIZE;
	const struct vmsg_field *field;
	struct virtio_msg_hdr hdr;
	size_t size;

	if (!layout || vmsg_tail_len(layout->tail, msg, msg->data_len) !=
			       (long long)msg->data_len)
		return -EINVAL;
	size = VMSG_HDR_SIZE + layout->size;
	if (room > VIRTIO_MSG_MAX_SIZE)
		room = VIRTIO_MSG_MAX_SIZE;
	if (size > room || msg->data_len > room - size)
		return -EMSGSIZE;

	hdr.type = msg->type;
	hdr.msg_id = msg->id;
	hdr.dev_num = cpu_to_le16(msg->dev_num);
	hdr.token = cpu_to_le16(msg->token);
	hdr.msg_size = cpu_to_le16(size + msg->data_len);
	memcpy(frame, &hdr, sizeof(hdr));
	memset(payload, 0, layout->size);
	for (field = layout->fields; field->wire_width; field++)
		vmsg_put_field(field, payload, msg);
	if (msg->data_len)
		memcpy(payload + layout->size, msg->data, msg->data_len);
	return size + msg->data_len;
}

/**
 * vmsg_wire_encode() - write a message into a frame
 * @dialect: how to write it
 * @msg: the message; @msg->data_len bytes of @msg->data follow its fixed part
 * @frame: where to; not where @msg->data lies
 * @room: bytes that there are
 *
 * Context: Any.
 * Return: bytes written, -EMSGSIZE when they do not fit into @room or into a
 * frame, -EINVAL for a message that does not exist or whose data does not match
 * its own fields.
 */
int vmsg_wire_encode(enum vmsg_dialect dialect, const struct vmsg_msg *msg,
		     void *frame, size_t room)
{
	if (dialect == VMSG_DIALECT_RFC) {
		struct vmsg_msg rfc = *msg;

		vmsg_rfc_from_rev1(&rfc);
		return vmsg_encode(dialect, &rfc, frame, room);
	}
	return vmsg_encode(dialect, msg, frame, room);
}
EXPORT_SYMBOL_IF_KUNIT(vmsg_wire_encode);

/**
 * vmsg_wire_data_room() - how much data a message of a certain size can carry
 * @dialect: how the message is written
 * @type: VIRTIO_MSG_TYPE_*
 * @id: which message
 * @max: bytes of the frame, at most VIRTIO_MSG_MAX_SIZE
 *
 * Context: Any.
 * Return: bytes that fit behind the fixed part, 0 also for messages without.
 */
size_t vmsg_wire_data_room(enum vmsg_dialect dialect, u8 type, u8 id,
			   size_t max)
{
	const struct vmsg_layout *layout = vmsg_find_layout(dialect, type, id);

	if (!layout || layout->tail == TAIL_NONE ||
	    max < VMSG_HDR_SIZE + layout->size)
		return 0;
	return max - VMSG_HDR_SIZE - layout->size;
}
EXPORT_SYMBOL_IF_KUNIT(vmsg_wire_data_room);

/**
 * vmsg_wire_window() - how many device numbers to ask for with GET_DEVICES
 * @dialect: how the message is written, or VMSG_DIALECT_UNKNOWN
 * @max: bytes of the largest frame
 *
 * Context: Any.
 * Return: device numbers whose bits fit into the response.
 */
size_t vmsg_wire_window(enum vmsg_dialect dialect, size_t max)
{
	/* The older dialect does not go below this one, and need not go beyond. */
	if (dialect != VMSG_DIALECT_1)
		return 32;
	return 8 * vmsg_wire_data_room(dialect, VIRTIO_MSG_TYPE_BUS |
				       VIRTIO_MSG_TYPE_RESPONSE,
				       VIRTIO_MSG_BUS_GET_DEVICES, max);
}
EXPORT_SYMBOL_IF_KUNIT(vmsg_wire_window);

/**
 * vmsg_wire_block() - one feature block of a decoded message
 * @msg: a message with feature words
 * @n: which one, counted from the first one in this message
 *
 * Context: Any.
 * Return: 32 feature bits; 0 for a block that the message does not have.
 */
u32 vmsg_wire_block(const struct vmsg_msg *msg, u32 n)
{
	__le32 word;

	if (n >= msg->data_len / sizeof(word))
		return 0;
	memcpy(&word, msg->data + n * sizeof(word), sizeof(word));
	return le32_to_cpu(word);
}
EXPORT_SYMBOL_IF_KUNIT(vmsg_wire_block);

/**
 * vmsg_wire_put_block() - write one feature block for a message to be encoded
 * @data: the feature words
 * @n: which one
 * @bits: 32 feature bits
 *
 * Context: Any.
 */
void vmsg_wire_put_block(void *data, u32 n, u32 bits)
{
	__le32 word = cpu_to_le32(bits);

	memcpy((u8 *)data + n * sizeof(word), &word, sizeof(word));
}
EXPORT_SYMBOL_IF_KUNIT(vmsg_wire_put_block);
