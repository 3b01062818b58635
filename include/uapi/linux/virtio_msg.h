/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause */
/*
 * virtio-msg: the message transport of virtio, layouts on the wire.
 *
 * Constants and structures of transport revision 1 as they travel between the
 * driver side and the device side. All fields are little-endian. The section
 * names are those of the proposal. A frame is a &struct virtio_msg_hdr and the
 * payload structure of its message; nothing is ever aligned more than 8 bytes.
 */
#ifndef _UAPI_LINUX_VIRTIO_MSG_H
#define _UAPI_LINUX_VIRTIO_MSG_H

#include <linux/types.h>

/* The transport revision that this header describes. */
#define VIRTIO_MSG_REVISION_1		1

/* Bus limits: the smallest maximum message size, and the largest frame. */
#define VIRTIO_MSG_MIN_SIZE		52
#define VIRTIO_MSG_MAX_SIZE		65535
/* A bus should not advertise more than this. */
#define VIRTIO_MSG_RECOMMENDED_SIZE	264

/*
 * Transport feature bits, published by the bus and never negotiated with the
 * device features.
 */
/* SET_CONFIG carries the generation and a stale one is refused. */
#define VIRTIO_MSG_F_STRICT_CONFIG_GENERATION	0

/* virtio_msg_hdr.type: bits 2 to 7 are sent as 0 and ignored on receive. */
#define VIRTIO_MSG_TYPE_RESPONSE	0x01
#define VIRTIO_MSG_TYPE_BUS		0x02
#define VIRTIO_MSG_TYPE_MASK		0x03

/* virtio_msg_hdr.msg_id: events have bit 6, private messages have bit 7. */
#define VIRTIO_MSG_ID_EVENT		0x40
#define VIRTIO_MSG_ID_PRIVATE		0x80

/* Transport messages. */
#define VIRTIO_MSG_GET_DEVICE_INFO	0x02
#define VIRTIO_MSG_GET_DEVICE_FEATURES	0x03
#define VIRTIO_MSG_SET_DRIVER_FEATURES	0x04
#define VIRTIO_MSG_GET_CONFIG		0x05
#define VIRTIO_MSG_SET_CONFIG		0x06
#define VIRTIO_MSG_GET_DEVICE_STATUS	0x07
#define VIRTIO_MSG_SET_DEVICE_STATUS	0x08
#define VIRTIO_MSG_GET_VQUEUE		0x09
#define VIRTIO_MSG_SET_VQUEUE		0x0a
#define VIRTIO_MSG_RESET_VQUEUE		0x0b
#define VIRTIO_MSG_GET_SHM		0x0c
#define VIRTIO_MSG_EVENT_CONFIG		0x40
#define VIRTIO_MSG_EVENT_AVAIL		0x41
#define VIRTIO_MSG_EVENT_USED		0x42

/* Bus messages. */
#define VIRTIO_MSG_BUS_GET_DEVICES	0x02
#define VIRTIO_MSG_BUS_PING		0x03
#define VIRTIO_MSG_BUS_EVENT_DEVICE	0x40

/* virtio_msg_event_device.state; 0x8000 and above are private to a bus. */
#define VIRTIO_MSG_DEVICE_ADDED		1
#define VIRTIO_MSG_DEVICE_REMOVED	2

/* virtio_msg_get_vqueue_resp.flags */
#define VIRTIO_MSG_VQUEUE_ENABLED	0x01

/*
 * virtio_msg_set_vqueue.flags: bits 0 and 1 say what becomes of the queue, the
 * others which fields are to be left as they are. Bits 6 to 31 are 0.
 */
#define VIRTIO_MSG_VQUEUE_OP_MASK	0x03
#define VIRTIO_MSG_VQUEUE_OP_DISABLE	0x00
#define VIRTIO_MSG_VQUEUE_OP_ENABLE	0x01
#define VIRTIO_MSG_VQUEUE_OP_KEEP	0x02
#define VIRTIO_MSG_VQUEUE_IGN_SIZE	0x04
#define VIRTIO_MSG_VQUEUE_IGN_DESC	0x08
#define VIRTIO_MSG_VQUEUE_IGN_DRIVER	0x10
#define VIRTIO_MSG_VQUEUE_IGN_DEVICE	0x20
#define VIRTIO_MSG_VQUEUE_IGN_MASK	0x3c
#define VIRTIO_MSG_VQUEUE_FLAGS		0x3f

/* virtio_msg_event_avail.next_offset */
#define VIRTIO_MSG_AVAIL_WRAP		0x80000000u

/**
 * struct virtio_msg_hdr - head of every frame
 * @type: VIRTIO_MSG_TYPE_RESPONSE and VIRTIO_MSG_TYPE_BUS, other bits 0
 * @msg_id: which message; bit 6 marks events, bit 7 private messages
 * @dev_num: device number; 0 in bus messages, and a legal device as well
 * @token: pairs a response with its request; owned by the bus, 0 in events
 * @msg_size: bytes of the whole frame, this header included
 */
struct virtio_msg_hdr {
	__u8 type;
	__u8 msg_id;
	__le16 dev_num;
	__le16 token;
	__le16 msg_size;
};

/**
 * struct virtio_msg_device_info - GET_DEVICE_INFO response
 * @device_id: virtio device type, 0 = there is no device
 * @vendor_id: virtio vendor
 * @device_uuid: UUID of the device, all zero = none
 * @num_feature_blocks: 32-bit blocks of device features
 * @config_size: bytes of configuration space
 * @max_virtqueues: queues of the device, administration queues included
 * @admin_vq_start: index of the first administration queue
 * @admin_vq_count: number of administration queues, 0 = none
 *
 * The request has no payload.
 */
struct virtio_msg_device_info {
	__le32 device_id;
	__le32 vendor_id;
	__u8 device_uuid[16];
	__le32 num_feature_blocks;
	__le32 config_size;
	__le32 max_virtqueues;
	__le32 admin_vq_start;
	__le32 admin_vq_count;
};

/**
 * struct virtio_msg_features - GET_DEVICE_FEATURES, SET_DRIVER_FEATURES
 * @block_index: first 32-bit block; block 0 is feature bits 0 to 31
 * @num_blocks: number of blocks
 *
 * Alone it is the GET_DEVICE_FEATURES request. The response to it and the
 * SET_DRIVER_FEATURES request carry @num_blocks words of __le32 behind it. The
 * SET_DRIVER_FEATURES response has no payload.
 */
struct virtio_msg_features {
	__le32 block_index;
	__le32 num_blocks;
};

/**
 * struct virtio_msg_get_config - GET_CONFIG request
 * @offset: first byte of the configuration space
 * @length: number of bytes, 0 is legal
 */
struct virtio_msg_get_config {
	__le32 offset;
	__le32 length;
};

/**
 * struct virtio_msg_config - GET_CONFIG response, SET_CONFIG both ways
 * @generation: of the configuration space; in a SET_CONFIG request 0, or the
 *	last generation seen with VIRTIO_MSG_F_STRICT_CONFIG_GENERATION
 * @offset: first byte of the configuration space
 * @length: bytes of data; in a SET_CONFIG response 0 means not applied
 *
 * Followed by @length bytes of data, which a SET_CONFIG response may leave out.
 */
struct virtio_msg_config {
	__le32 generation;
	__le32 offset;
	__le32 length;
};

/**
 * struct virtio_msg_status - GET_DEVICE_STATUS response, SET_DEVICE_STATUS
 * @status: device status; in a SET_DEVICE_STATUS response what it is now
 */
struct virtio_msg_status {
	__le32 status;
};

/**
 * struct virtio_msg_vqueue_index - GET_VQUEUE and RESET_VQUEUE requests
 * @index: queue index
 *
 * EVENT_USED has the same layout. The RESET_VQUEUE response has no payload.
 */
struct virtio_msg_vqueue_index {
	__le32 index;
};

/**
 * struct virtio_msg_get_vqueue_resp - GET_VQUEUE response
 * @index: queue index
 * @max_size: largest size, 0 = there is no such queue
 * @cur_size: size in force, 0 = not configured
 * @flags: VIRTIO_MSG_VQUEUE_ENABLED
 * @desc: bus address of the descriptor area
 * @driver: bus address of the driver area (available ring)
 * @device: bus address of the device area (used ring)
 */
struct virtio_msg_get_vqueue_resp {
	__le32 index;
	__le32 max_size;
	__le32 cur_size;
	__le32 flags;
	__le64 desc;
	__le64 driver;
	__le64 device;
};

/**
 * struct virtio_msg_set_vqueue - SET_VQUEUE request
 * @index: queue index
 * @flags: VIRTIO_MSG_VQUEUE_OP_* and VIRTIO_MSG_VQUEUE_IGN_*
 * @size: number of descriptors
 * @reserved: 0
 * @desc: bus address of the descriptor area
 * @driver: bus address of the driver area (available ring)
 * @device: bus address of the device area (used ring)
 *
 * The response has no payload and no result: GET_VQUEUE tells.
 */
struct virtio_msg_set_vqueue {
	__le32 index;
	__le32 flags;
	__le32 size;
	__le32 reserved;
	__le64 desc;
	__le64 driver;
	__le64 device;
};

/**
 * struct virtio_msg_get_shm - GET_SHM request
 * @shmid: number of the shared memory region
 */
struct virtio_msg_get_shm {
	__le32 shmid;
};

/**
 * struct virtio_msg_get_shm_resp - GET_SHM response
 * @shmid: number of the shared memory region
 * @reserved: 0
 * @length: bytes, 0 = no such region
 * @address: bus address
 */
struct virtio_msg_get_shm_resp {
	__le32 shmid;
	__le32 reserved;
	__le64 length;
	__le64 address;
};

/**
 * struct virtio_msg_event_config - EVENT_CONFIG
 * @status: device status
 * @generation: of the configuration space
 * @offset: first byte that changed
 * @length: bytes that changed; with @offset 0, 0 = anything may have changed
 *
 * Followed by either @length bytes of data or none at all.
 */
struct virtio_msg_event_config {
	__le32 status;
	__le32 generation;
	__le32 offset;
	__le32 length;
};

/**
 * struct virtio_msg_event_avail - EVENT_AVAIL
 * @index: queue index
 * @next_offset: 0, or with VIRTIO_F_NOTIFICATION_DATA where the driver will
 *	write next: the available index of a split ring, the descriptor offset
 *	and VIRTIO_MSG_AVAIL_WRAP of a packed one
 */
struct virtio_msg_event_avail {
	__le32 index;
	__le32 next_offset;
};

/**
 * struct virtio_msg_get_devices - bus GET_DEVICES request
 * @offset: first device number
 * @count: device numbers to look at
 */
struct virtio_msg_get_devices {
	__le16 offset;
	__le16 count;
};

/**
 * struct virtio_msg_get_devices_resp - bus GET_DEVICES response
 * @offset: first device number
 * @next_offset: where to go on, 0 = nothing more
 * @count: bits that follow, at most what was asked for
 *
 * Followed by a bitmap of (@count + 7) / 8 bytes: bit 0 of byte 0 is device
 * @offset, unused bits of the last byte are 0.
 */
struct virtio_msg_get_devices_resp {
	__le16 offset;
	__le16 next_offset;
	__le16 count;
};

/**
 * struct virtio_msg_ping - bus PING, request and response
 * @data: comes back as it was sent
 */
struct virtio_msg_ping {
	__le32 data;
};

/**
 * struct virtio_msg_event_device - bus EVENT_DEVICE
 * @dev_num: device number
 * @state: VIRTIO_MSG_DEVICE_ADDED or VIRTIO_MSG_DEVICE_REMOVED
 */
struct virtio_msg_event_device {
	__le16 dev_num;
	__le16 state;
};

#endif /* _UAPI_LINUX_VIRTIO_MSG_H */
