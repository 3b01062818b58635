/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause */
/*
 * virtio-msg loopback bus: devices made by programs on this machine.
 *
 * Opening /dev/virtio-msg-lb gives a file without a bus. VIRTIO_MSG_LB_SETUP
 * makes the bus; from then on read() takes one frame that the driver side sent
 * and write() gives one frame to it. The last close ends the bus. The frames
 * are those of <linux/virtio_msg.h>. See
 * Documentation/userspace-api/virtio-msg-lb.rst.
 *
 * Every structure starts with its own size. A larger one than the kernel knows
 * is accepted as long as the surplus is zero, else -E2BIG.
 */
#ifndef _UAPI_LINUX_VIRTIO_MSG_LB_H
#define _UAPI_LINUX_VIRTIO_MSG_LB_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define VIRTIO_MSG_LB_PATH		"/dev/virtio-msg-lb"
#define VIRTIO_MSG_LB_MAGIC		0x82

/* Limits of the pool in bytes; its size is a multiple of the page size. */
#define VIRTIO_MSG_LB_POOL_MIN		0x10000ULL
#define VIRTIO_MSG_LB_POOL_MAX		0x40000000ULL

/* Limits of virtio_msg_lb_setup.timeout_ms, and what 0 stands for. */
#define VIRTIO_MSG_LB_TIMEOUT_MIN_MS	10
#define VIRTIO_MSG_LB_TIMEOUT_MAX_MS	60000
#define VIRTIO_MSG_LB_TIMEOUT_MS	5000

/**
 * struct virtio_msg_lb_info - what this kernel's loopback bus can do
 * @size: in: bytes of this structure; out: bytes that the kernel filled in
 * @revision: out: newest transport revision
 * @min_msg_size: out: smallest maximum message size that SETUP accepts
 * @max_msg_size: out: largest maximum message size that SETUP accepts
 * @features: out: transport feature bits that SETUP accepts, one bit each
 * @pool_min: out: bytes of the smallest pool
 * @pool_max: out: bytes of the largest pool
 * @reserved: out: 0
 */
struct virtio_msg_lb_info {
	__u32 size;
	__u32 revision;
	__u32 min_msg_size;
	__u32 max_msg_size;
	__aligned_u64 features;
	__aligned_u64 pool_min;
	__aligned_u64 pool_max;
	__aligned_u64 reserved[2];
};

/**
 * struct virtio_msg_lb_setup - make the bus
 * @size: bytes of this structure
 * @flags: 0
 * @revision: transport revision, VIRTIO_MSG_REVISION_1
 * @max_msg_size: bytes of the largest frame in either direction
 * @features: transport features, bit n set for VIRTIO_MSG_F_* of value n
 * @pool_size: bytes of the pool; with a memfd brought along 0 means all of it
 * @pool_addr: out: device address of the first byte of the pool. Device
 *	addresses run from here to @pool_addr + @pool_size.
 * @pool_fd: in: a memfd sealed with F_SEAL_SHRINK but not against writing, or
 *	-1 to have one made;
 *	out: with -1, a new descriptor of it (close-on-exec), to be mapped shared
 * @timeout_ms: how long the kernel waits for one response, 0 = default
 * @bus_num: out: number of the bus instance: /sys/class/virtio_msg/loopbackN
 * @reserved: 0
 *
 * The pool is all that the program gets to see of the kernel: rings, and
 * buffers that are copied through it. The kernel empties the memfd when the bus
 * ends, so a program must not keep anything of its own in there.
 */
struct virtio_msg_lb_setup {
	__u32 size;
	__u32 flags;
	__u32 revision;
	__u32 max_msg_size;
	__aligned_u64 features;
	__aligned_u64 pool_size;
	__aligned_u64 pool_addr;
	__s32 pool_fd;
	__u32 timeout_ms;
	__u32 bus_num;
	__u32 reserved[5];
};

/**
 * struct virtio_msg_lb_queue - tie a queue's notifications to eventfds
 * @size: bytes of this structure
 * @flags: 0
 * @dev_num: device number, up to 65535
 * @index: queue index
 * @kick_fd: eventfd that the kernel signals in place of EVENT_AVAIL, -1 = none
 * @used_fd: eventfd that the program signals in place of EVENT_USED, -1 = none
 * @reserved: 0
 *
 * Possible once the device is known, which it is when it has answered
 * GET_DEVICE_INFO; a good moment is the SET_VQUEUE request, before answering it.
 * It holds until the next call for this queue or until the device is removed,
 * also over resets. A queue with VIRTIO_F_NOTIFICATION_DATA wants no kick_fd:
 * an eventfd cannot carry the offset.
 */
struct virtio_msg_lb_queue {
	__u32 size;
	__u32 flags;
	__u32 dev_num;
	__u32 index;
	__s32 kick_fd;
	__s32 used_fd;
	__aligned_u64 reserved[2];
};

#define VIRTIO_MSG_LB_INFO \
	_IOWR(VIRTIO_MSG_LB_MAGIC, 0x00, struct virtio_msg_lb_info)
#define VIRTIO_MSG_LB_SETUP \
	_IOWR(VIRTIO_MSG_LB_MAGIC, 0x01, struct virtio_msg_lb_setup)
#define VIRTIO_MSG_LB_QUEUE \
	_IOW(VIRTIO_MSG_LB_MAGIC, 0x02, struct virtio_msg_lb_queue)

#endif /* _UAPI_LINUX_VIRTIO_MSG_LB_H */
