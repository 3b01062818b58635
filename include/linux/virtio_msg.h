/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * virtio-msg: what a bus driver implements and calls.
 *
 * A bus driver moves frames between this kernel and a device side, and says
 * where buffers can be shared. It knows nothing of virtio: the frames are
 * opaque to it.
 * Documentation/driver-api/virtio/msg/bus-driver.rst shows how to write one.
 */
#ifndef _LINUX_VIRTIO_MSG_H
#define _LINUX_VIRTIO_MSG_H

#include <linux/types.h>
#include <uapi/linux/virtio_msg.h>

struct device;
struct virtio_msg_bus;
struct virtio_msg_pool;

/* Bytes of the only frame that a kick ever is: EVENT_AVAIL. */
#define VIRTIO_MSG_KICK_SIZE \
	(sizeof(struct virtio_msg_hdr) + sizeof(struct virtio_msg_event_avail))

/*
 * virtio_msg_bus_info.revision of a peer that may also speak the RFC of late
 * 2025: virtio_msg_bus_discover() finds out, and has to be called.
 */
#define VIRTIO_MSG_REVISION_FIND	0

/**
 * struct virtio_msg_bus_ops - what a bus driver implements
 * @send: Hands one frame to the carrier, which has copied it when this returns.
 *	The response comes back through virtio_msg_bus_receive(), perhaps before
 *	@send returns. It may wait for room, for a bounded time.
 *	Called in process context, may sleep; calls for different devices run
 *	side by side. Returns 0, or a negative errno when the frame did not get
 *	onto its way.
 * @kick: Passes on one notification. @frame is the EVENT_AVAIL of
 *	VIRTIO_MSG_KICK_SIZE bytes that says so on carriers that have no better
 *	way. When there is no room, the core keeps a mark for the queue; the bus
 *	driver calls virtio_msg_bus_tx_room() once there is room again.
 *	Called in any context, also hard interrupt; must not sleep, nor call
 *	back into the core. Returns 0, or -EAGAIN when there is no room.
 * @synchronize: Returns when no call of virtio_msg_bus_receive() or
 *	virtio_msg_bus_used() that began before is running any more. Optional.
 *	Called in process context, may sleep.
 * @stop: The bus ends and all its devices have gone. When it returns, no call of
 *	virtio_msg_bus_receive(), virtio_msg_bus_used() or
 *	virtio_msg_bus_tx_room() for it is running or begins any more. Optional
 *	for bus drivers that see to it by themselves.
 *	Called from virtio_msg_bus_unregister().
 * @cut: Takes the pool away from the peer of a dead bus. When it returns, no
 *	byte of the pool changes any more but by this kernel. Called once, after
 *	virtio_msg_bus_dead(). Optional.
 *	Called in process context, may sleep.
 * @device_gone: A device number has been given up, and what the bus driver
 *	keeps for it can go. Optional.
 *	Called in process context, may sleep.
 * @shm_region: Says where in this machine's physical memory a shared memory
 *	region lies, after checking that it is the device's to share. Without
 *	it devices have no such regions.
 *	Called in process context, may sleep. Returns 0, or a negative errno.
 */
struct virtio_msg_bus_ops {
	int (*send)(struct virtio_msg_bus *bus, const void *frame, size_t size);
	int (*kick)(struct virtio_msg_bus *bus, u16 dev_num, u32 index,
		    const void *frame);
	void (*synchronize)(struct virtio_msg_bus *bus);
	void (*stop)(struct virtio_msg_bus *bus);
	void (*cut)(struct virtio_msg_bus *bus);
	void (*device_gone)(struct virtio_msg_bus *bus, u16 dev_num);
	int (*shm_region)(struct virtio_msg_bus *bus, u64 address, u64 length,
			  phys_addr_t *phys);
};

/**
 * struct virtio_msg_bus_info - what a bus instance is
 * @name: kind of bus; instances are called /sys/class/virtio_msg/<name><number>
 * @parent: device that the bus belongs to
 * @ops: the bus driver
 * @priv: for the bus driver, see virtio_msg_bus_priv()
 * @pool: all memory that the devices can see, or NULL when they reach memory
 *	through the DMA API of @parent
 * @revision: transport revision of the peer, or VIRTIO_MSG_REVISION_FIND
 * @max_msg_size: bytes of the largest frame in either direction
 * @features: transport features that both sides have, BIT(VIRTIO_MSG_F_*)
 * @timeout_ms: milliseconds that a response may take, at least 1
 */
struct virtio_msg_bus_info {
	const char *name;
	struct device *parent;
	const struct virtio_msg_bus_ops *ops;
	void *priv;
	struct virtio_msg_pool *pool;
	u32 revision;
	u32 max_msg_size;
	u64 features;
	unsigned int timeout_ms;
};

struct virtio_msg_bus *
virtio_msg_bus_register(const struct virtio_msg_bus_info *info);
void virtio_msg_bus_unregister(struct virtio_msg_bus *bus);
void virtio_msg_bus_dead(struct virtio_msg_bus *bus);
void *virtio_msg_bus_priv(struct virtio_msg_bus *bus);
int virtio_msg_bus_num(struct virtio_msg_bus *bus);

void virtio_msg_bus_discover(struct virtio_msg_bus *bus);
void virtio_msg_bus_add_device(struct virtio_msg_bus *bus, u16 dev_num);
void virtio_msg_bus_remove_device(struct virtio_msg_bus *bus, u16 dev_num);
int virtio_msg_bus_check_queue(struct virtio_msg_bus *bus, u16 dev_num,
			       u32 index);

int virtio_msg_bus_receive(struct virtio_msg_bus *bus, const void *frame,
			   size_t len);
void virtio_msg_bus_receive_all(struct virtio_msg_bus *bus, const void *frames,
				size_t stride, unsigned int num);
int virtio_msg_bus_used(struct virtio_msg_bus *bus, u16 dev_num, u32 index);
void virtio_msg_bus_tx_room(struct virtio_msg_bus *bus);

/* Only with CONFIG_PM_SLEEP. */
int virtio_msg_bus_freeze(struct virtio_msg_bus *bus);
int virtio_msg_bus_restore(struct virtio_msg_bus *bus);
void virtio_msg_bus_shutdown(struct virtio_msg_bus *bus);

struct virtio_msg_pool *virtio_msg_pool_create(void *vaddr, u64 address,
					       size_t size);
void virtio_msg_pool_destroy(struct virtio_msg_pool *pool);

#endif /* _LINUX_VIRTIO_MSG_H */
