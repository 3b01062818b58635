/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/*
 * virtio-msg: messages as host-endian structures, and their way to bytes and
 * back. Plain C without state: the kernel, the device library in
 * tools/virtio-msg and the tests compile the same wire.c.
 */
#ifndef _VIRTIO_MSG_WIRE_H
#define _VIRTIO_MSG_WIRE_H

#include <linux/virtio_msg.h>

#ifdef __KERNEL__
#include <linux/types.h>
#else
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/types.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
#endif

#define VMSG_HDR_SIZE		sizeof(struct virtio_msg_hdr)

/**
 * enum vmsg_dialect - how messages are written
 * @VMSG_DIALECT_UNKNOWN: the driver side does not know yet, which takes no more
 *	than one GET_DEVICES, whose request is the same in all of them
 * @VMSG_DIALECT_1: transport revision 1
 * @VMSG_DIALECT_RFC: the RFC of late 2025. What struct vmsg_msg has in the terms
 *	of revision 1 is found or made up where it says something else or nothing.
 *	Responses to bus messages have token 0.
 */
enum vmsg_dialect {
	VMSG_DIALECT_UNKNOWN,
	VMSG_DIALECT_1,
	VMSG_DIALECT_RFC,
};

/* Bytes of the largest frame that the RFC's devices take. */
#define VMSG_RFC_MAX_SIZE	48

/**
 * struct vmsg_msg - one message, decoded
 * @type: VIRTIO_MSG_TYPE_RESPONSE | VIRTIO_MSG_TYPE_BUS
 * @id: VIRTIO_MSG_* or VIRTIO_MSG_BUS_*, told apart by @type
 * @dev_num: device number, 0 for bus messages
 * @token: pairs a response with its request
 * @info: GET_DEVICE_INFO response
 * @features: GET_DEVICE_FEATURES, SET_DRIVER_FEATURES request; the words are in
 *	@data as they travel, see vmsg_wire_block()
 * @config: GET_CONFIG, SET_CONFIG. The bytes are in @data.
 * @status: GET_DEVICE_STATUS, SET_DEVICE_STATUS
 * @vqueue: GET_VQUEUE, SET_VQUEUE, RESET_VQUEUE, EVENT_AVAIL, EVENT_USED, each
 *	with the members that it has
 * @shm: GET_SHM
 * @event_config: EVENT_CONFIG. The bytes, if any, are in @data.
 * @devices: bus GET_DEVICES. The bitmap is in @data.
 * @ping: bus PING
 * @event_device: bus EVENT_DEVICE
 * @data: what follows the fixed part. After decoding it points into the frame.
 * @data_len: bytes in @data
 *
 * SET_CONFIG responses and EVENT_CONFIG may come without data: then @data_len
 * is 0 whatever the length field says.
 */
struct vmsg_msg {
	u8 type;
	u8 id;
	u16 dev_num;
	u16 token;
	union {
		struct {
			u32 device_id;
			u32 vendor_id;
			u8 uuid[16];
			u32 num_feature_blocks;
			u32 config_size;
			u32 max_virtqueues;
			u32 admin_vq_start;
			u32 admin_vq_count;
		} info;
		struct {
			u32 index;
			u32 count;
		} features;
		struct {
			u32 generation;
			u32 offset;
			u32 length;
		} config;
		u32 status;
		struct {
			u32 index;
			u32 max_size;
			u32 size;
			u32 flags;
			u32 reserved;
			u32 next_offset;
			u64 desc;
			u64 driver;
			u64 device;
		} vqueue;
		struct {
			u32 id;
			u64 length;
			u64 address;
		} shm;
		struct {
			u32 status;
			u32 generation;
			u32 offset;
			u32 length;
		} event_config;
		struct {
			u16 offset;
			u16 next_offset;
			u16 count;
		} devices;
		u32 ping;
		struct {
			u16 dev_num;
			u16 state;
		} event_device;
	};
	const u8 *data;
	size_t data_len;
};

int vmsg_wire_frame(const void *frame, size_t len, size_t max,
		    struct vmsg_msg *msg);
int vmsg_wire_decode(enum vmsg_dialect dialect, const void *frame, size_t len,
		     size_t max, struct vmsg_msg *msg);
int vmsg_wire_encode(enum vmsg_dialect dialect, const struct vmsg_msg *msg,
		     void *frame, size_t room);
size_t vmsg_wire_data_room(enum vmsg_dialect dialect, u8 type, u8 id,
			   size_t max);
size_t vmsg_wire_window(enum vmsg_dialect dialect, size_t max);
u32 vmsg_wire_block(const struct vmsg_msg *msg, u32 n);
void vmsg_wire_put_block(void *data, u32 n, u32 bits);

#endif /* _VIRTIO_MSG_WIRE_H */
