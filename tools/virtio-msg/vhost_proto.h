/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/*
 * The vhost-user protocol: messages between a front end, which has the memory,
 * and a back end, which does the work of a device. Numbers and layouts only, as
 * in QEMU's docs/interop/vhost-user.rst. All in this machine's byte order.
 */
#ifndef _VHOST_PROTO_H
#define _VHOST_PROTO_H

#include <stdint.h>

/* Asked by the front end. */
#define VHOST_GET_FEATURES		1
#define VHOST_SET_FEATURES		2
#define VHOST_SET_OWNER			3
#define VHOST_SET_MEM_TABLE		5
#define VHOST_SET_VRING_NUM		8
#define VHOST_SET_VRING_ADDR		9
#define VHOST_SET_VRING_BASE		10
#define VHOST_GET_VRING_BASE		11
#define VHOST_SET_VRING_KICK		12
#define VHOST_SET_VRING_CALL		13
#define VHOST_GET_PROTOCOL_FEATURES	15
#define VHOST_SET_PROTOCOL_FEATURES	16
#define VHOST_GET_QUEUE_NUM		17
#define VHOST_SET_VRING_ENABLE		18
#define VHOST_SET_BACKEND_REQ_FD	21
#define VHOST_GET_CONFIG		24
#define VHOST_SET_CONFIG		25
#define VHOST_GET_INFLIGHT_FD		31
#define VHOST_SET_INFLIGHT_FD		32
#define VHOST_RESET_DEVICE		34
#define VHOST_SET_STATUS		39
#define VHOST_GET_STATUS		40

/* Asked by the back end, on its own channel. */
#define VHOST_BACKEND_CONFIG_CHANGE	2

/* Bit of the device features that says that there are protocol features. */
#define VHOST_F_PROTOCOL_FEATURES	30

/* Protocol features. */
#define VHOST_PROTO_MQ			0
#define VHOST_PROTO_REPLY_ACK		3
#define VHOST_PROTO_BACKEND_REQ		5
#define VHOST_PROTO_CONFIG		9
#define VHOST_PROTO_INFLIGHT_SHMFD	12
#define VHOST_PROTO_RESET_DEVICE	13
#define VHOST_PROTO_STATUS		16

/* In vhost_header.flags. */
#define VHOST_VERSION			0x1
#define VHOST_VERSION_MASK		0x3
#define VHOST_REPLY			0x4
#define VHOST_NEED_REPLY		0x8

struct vhost_header {
	uint32_t request;
	uint32_t flags;
	uint32_t size;
};

/* A number and which queue it is for. */
struct vhost_state {
	uint32_t index;
	uint32_t num;
};

/* Where a queue is, in addresses of the "user" kind: see vhost_memory. */
struct vhost_addr {
	uint32_t index;
	uint32_t flags;
	uint64_t desc;
	uint64_t used;
	uint64_t avail;
	uint64_t log;
};

/* One region of memory; its file travels beside the message. */
struct vhost_memory {
	uint32_t num;
	uint32_t padding;
	uint64_t guest;
	uint64_t size;
	uint64_t user;
	uint64_t offset;
};

#define VHOST_CONFIG_MAX	256u
/* Bytes before vhost_config.data. */
#define VHOST_CONFIG_HEAD	12u

struct vhost_config {
	uint32_t offset;
	uint32_t size;
	uint32_t flags;
	uint8_t data[VHOST_CONFIG_MAX];
};

/* Where a back end notes what it is working on. */
struct vhost_inflight {
	uint64_t size;
	uint64_t offset;
	uint16_t num_queues;
	uint16_t queue_size;
};

/* Some leave out what the compiler adds to the end of that. */
#define VHOST_INFLIGHT_LEN	20u

union vhost_body {
	uint64_t number;
	struct vhost_state state;
	struct vhost_addr addr;
	struct vhost_memory memory;
	struct vhost_config config;
	struct vhost_inflight inflight;
};

struct vhost_msg {
	struct vhost_header head;
	union vhost_body body;
};

#endif /* _VHOST_PROTO_H */
