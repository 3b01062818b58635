/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * virtio-msg: what the files of the core know of each other.
 *
 * device.c and vq.c say what is asked, hotplug.c of which devices, bus.c who waits
 * for what, wire.h how it looks, pool.c where buffers lie. Calls go down this list
 * only, apart from the events that bus.c hands up. All of them have report.c tell
 * people what goes wrong, and sysfs.c shows what they keep.
 */
#ifndef _VIRTIO_MSG_INTERNAL_H
#define _VIRTIO_MSG_INTERNAL_H

#include <linux/completion.h>
#include <linux/device.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/ratelimit.h>
#include <linux/spinlock.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/virtio_msg.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "wire.h"

struct irq_affinity;
struct vmsg_dev;
struct vmsg_request;
struct vmsg_vqs;

/* Requests in flight on one bus. */
#define VMSG_REQUESTS		64
/* Larger frames would be legal but save nothing: no request needs them. */
#define VMSG_FRAME_MAX		1024
/* Devices that one bus can number. */
#define VMSG_DEVICES		65536
/* Feature blocks that a device can have and this kernel knows of. */
#define VMSG_FEATURE_BLOCKS	(2 * VIRTIO_FEATURES_U64S)
/* Bytes of an error in words. */
#define VMSG_REPORT_MAX		128
/* Bytes of configuration space that are looked at. */
#define VMSG_CONFIG_MAX		(128 * 1024)

/*
 * pool.c
 */

/**
 * enum vmsg_pool_state - what may happen to the buffers of a device
 * @VMSG_POOL_OK: they are mapped, copied and given back
 * @VMSG_POOL_SUSPECT: the device may still write to them although nobody talks
 *	to it any more: what is unmapped reads as ones, and its place in the pool
 *	is not used again before a reset
 * @VMSG_POOL_DEAD: the device cannot reach them any more: what is unmapped reads
 *	as ones
 */
enum vmsg_pool_state {
	VMSG_POOL_OK,
	VMSG_POOL_SUSPECT,
	VMSG_POOL_DEAD,
};

/**
 * struct vmsg_pool_client - a device's view of its bus's pool
 * @pool: the pool, NULL when the device uses the DMA API
 * @id: none that lives has the same; a device's number may be used again before
 *	the one that had it has ended
 * @state: written with WRITE_ONCE() by device.c, read in any context
 * @closed: nothing is mapped any more. Not before the queues are broken: a driver
 *	that is told that there is no memory, or no room in the ring for buffers
 *	that could not be mapped, waits for buffers to come back, and there may be
 *	none. Written by vq.c and device.c, read in any context
 * @places: how many places in the pool it has
 * @keeps: not 0 when places in the pool wait for the device's reset
 * @zero_head: so many bytes at the front of a buffer read as zeros in place of ones
 * @grave: what vq.c hands out in place of a dead device's buffers; mapping it
 *	always works and shares nothing
 */
struct vmsg_pool_client {
	struct virtio_msg_pool *pool;
	u32 id;
	enum vmsg_pool_state state;
	bool closed;
	atomic_t places;
	unsigned int keeps;
	size_t zero_head;
	u8 grave;
};

#if IS_ENABLED(CONFIG_KUNIT)
extern bool vmsg_pool_clear_buffers;
extern bool vmsg_dev_split_rings;
#endif

int vmsg_pool_client_init(struct vmsg_pool_client *client,
			  struct virtio_msg_pool *pool);
void vmsg_pool_client_release(struct vmsg_pool_client *client);
void vmsg_pool_client_clean(struct vmsg_pool_client *client);
void vmsg_pool_client_exit(struct vmsg_pool_client *client);
void vmsg_pool_attach(struct virtio_device *vdev);
void *vmsg_pool_vaddr(struct virtio_msg_pool *pool, u64 address, size_t size);
size_t vmsg_pool_size(struct virtio_msg_pool *pool);
size_t vmsg_pool_used(struct virtio_msg_pool *pool);
unsigned long vmsg_pool_full(struct virtio_msg_pool *pool);

/*
 * bus.c
 */

/* Statistics of a bus, shown in /sys/class/virtio_msg/<bus>/statistics/. */
enum vmsg_stat {
	VMSG_STAT_REQUESTS,
	VMSG_STAT_RESPONSES,
	VMSG_STAT_TIMEOUTS,
	VMSG_STAT_EVENTS,
	VMSG_STAT_KICKS,
	VMSG_STAT_KICKS_MERGED,
	VMSG_STAT_MALFORMED,
	VMSG_STAT_UNEXPECTED,
	VMSG_STAT_COUNT,
};

/**
 * struct vmsg_kick - the pending mark of one queue
 * @node: in virtio_msg_bus.kicks while the mark is set
 * @dev_num: device number
 * @index: queue index
 * @next_offset: of the newest kick
 *
 * @node and @next_offset are protected by virtio_msg_bus.kick_lock.
 */
struct vmsg_kick {
	struct list_head node;
	u16 dev_num;
	u32 index;
	u32 next_offset;
};

/**
 * struct virtio_msg_bus - a bus instance
 * @dev: /sys/class/virtio_msg/<name><num>, parent of the devices with a pool
 * @info: what the bus driver said
 * @dialect: how the peer writes messages; set once, under @req_lock
 * @frame_max: bytes of the largest frame that is used; shrinks with @dialect
 * @num: number of this instance
 * @dead: no frame will ever be answered again; set once, read anywhere
 * @leaving: devices may come no more; set once
 * @cut_off: the peer of a dead bus has lost the pool; only @hot_work looks
 * @req_lock: protects @reqs, @req_round and what they point to
 * @reqs: who waits, by the low bits of the token
 * @req_round: high bits of each place's next token
 * @req_next: where to look for a free place first
 * @req_room: woken when a place in @reqs becomes free
 * @kick_lock: protects @kicks and the marks in there
 * @kicks: queues whose notification found no room
 * @devs: struct vmsg_dev by number; written by @hot_work only, read under RCU
 * @num_devs: devices that are not torn down yet
 * @dev_gone: woken when @num_devs falls
 * @hot_lock: protects @added, @removed and @ping
 * @added: device numbers that have been announced
 * @removed: device numbers that have been called back
 * @ping: PING of the peer that waits for its answer, if @ping_wanted
 * @ping_wanted: @ping is to be answered
 * @hot_work: acts on @added, @removed and @dead
 * @scan_work: asks for devices with GET_DEVICES
 * @ping_work: answers @ping
 * @wq: where all works of this bus and its devices run
 * @stats: see &enum vmsg_stat
 * @report_lock: protects @last_error, also those of devices
 * @last_error: what report.c said last
 * @report_limit: of lines in the log
 */
struct virtio_msg_bus {
	struct device dev;
	struct virtio_msg_bus_info info;
	enum vmsg_dialect dialect;
	size_t frame_max;
	int num;
	bool dead;
	bool leaving;
	bool cut_off;

	spinlock_t req_lock; /* @reqs and what they point to */
	struct vmsg_request *reqs[VMSG_REQUESTS];
	u16 req_round[VMSG_REQUESTS];
	unsigned int req_next;
	wait_queue_head_t req_room;

	spinlock_t kick_lock; /* @kicks */
	struct list_head kicks;

	struct xarray devs;
	atomic_t num_devs;
	wait_queue_head_t dev_gone;

	spinlock_t hot_lock; /* @added, @removed, @ping */
	unsigned long *added;
	unsigned long *removed;
	struct vmsg_msg ping;
	bool ping_wanted;
	struct work_struct hot_work;
	struct work_struct scan_work;
	struct work_struct ping_work;
	struct workqueue_struct *wq;

	atomic_long_t stats[VMSG_STAT_COUNT];

	spinlock_t report_lock; /* @last_error, also those of devices */
	char last_error[VMSG_REPORT_MAX];
	struct ratelimit_state report_limit;
};

static inline void vmsg_bus_count(struct virtio_msg_bus *bus,
				  enum vmsg_stat stat)
{
	atomic_long_inc(&bus->stats[stat]);
}

int vmsg_bus_request(struct virtio_msg_bus *bus, struct vmsg_dev *vd,
		     struct vmsg_msg *msg, u8 *frames, size_t frame_max);
void vmsg_bus_abort(struct virtio_msg_bus *bus, int dev_num);
void vmsg_bus_kick(struct virtio_msg_bus *bus, struct vmsg_kick *kick,
		   u32 next_offset);
void vmsg_bus_cancel_kick(struct virtio_msg_bus *bus, struct vmsg_kick *kick);
void vmsg_bus_set_dialect(struct virtio_msg_bus *bus,
			  enum vmsg_dialect dialect);
int vmsg_bus_init(void);
void vmsg_bus_exit(void);

/*
 * hotplug.c
 */
void vmsg_hot_init(struct virtio_msg_bus *bus);
void vmsg_hot_drop_all(struct virtio_msg_bus *bus);

/*
 * device.c
 */

/**
 * enum vmsg_dev_state - life of a device
 * @VMSG_DEV_PROBING: announced, not registered yet
 * @VMSG_DEV_RUNNING: registered with the virtio core
 * @VMSG_DEV_NEEDS_RESET: failed; only a reset is still sent to it
 * @VMSG_DEV_GONE: nothing is sent to it and nothing taken from it any more
 */
enum vmsg_dev_state {
	VMSG_DEV_PROBING,
	VMSG_DEV_RUNNING,
	VMSG_DEV_NEEDS_RESET,
	VMSG_DEV_GONE,
};

/**
 * struct vmsg_dev - one device number and its virtio device
 * @vdev: what drivers bind to
 * @bus: where it lives; holds a reference
 * @ref: of the bus's table, of @vdev and of works
 * @rcu: delays the free until event handlers are done
 * @num: device number
 * @work: registers the device, and unregisters it when it is to leave
 * @tried: @work has tried to register @vdev
 * @registered: @vdev is in the hands of the virtio core; only @work writes it
 * @finished: @work has nothing to do any more
 * @leaving: tells @work to end the device; set once
 * @frozen: the driver is stopped; only the bus driver's suspend looks
 * @given_back: counts how often a queue had used buffers for the driver
 * @watch_work: fails a device that keeps the buffers of a driver that is to stop
 * @watch_from: value of @given_back a timeout ago; only @watch_work looks
 * @fail_work: fails the buffers of a device that needs a reset
 * @event_lock: protects @state, @config_ready and @config_pending
 * @state: see &enum vmsg_dev_state, may be read without the lock as a hint
 * @config_ready: virtio_config_changed() may be called
 * @config_pending: EVENT_CONFIG came before it might be called
 * @config_seq: counts everything that makes older configuration bytes stale
 * @status_stale: the device said something about its status by itself
 * @requests: request/response pairs so far
 * @failures: how often it has begun to need a reset
 * @last_error: what report.c said last of it, under the bus's report_lock
 * @lock: one request at a time; protects all that follows
 * @frames: a request and its response, @frame_max bytes each
 * @frame_max: bytes of the largest frame that is used
 * @device_id: virtio device type
 * @vendor_id: virtio vendor
 * @uuid: all zero = none
 * @num_blocks: feature blocks that the device has and the kernel knows
 * @max_vqs: queues of the device
 * @admin_vq_start: first administration queue
 * @admin_vq_count: number of administration queues
 * @features: what the device offers, read once
 * @features_valid: @features has been read
 * @status_written: what the driver side wrote last
 * @status: what the device made of it
 * @config: copy of the configuration space
 * @config_size: bytes of it
 * @config_valid: @config was complete at @config_at
 * @config_at: value of @config_seq then
 * @config_gen: the device's own generation then
 * @vq_mutex: serialises making, burying and deleting of queues; outside @lock
 * @vqs: queues by index; written under @vq_mutex, read under RCU
 * @client: the pool, as far as this device is concerned
 */
struct vmsg_dev {
	struct virtio_device vdev;
	struct virtio_msg_bus *bus;
	struct kref ref;
	struct rcu_head rcu;
	u16 num;
	struct work_struct work;
	bool tried;
	bool registered;
	bool finished;
	bool leaving;
	bool frozen;
	atomic_t given_back;
	struct delayed_work watch_work;
	int watch_from;
	struct work_struct fail_work;

	spinlock_t event_lock; /* @state, @config_ready */
	enum vmsg_dev_state state;
	bool config_ready;
	bool config_pending;
	atomic_t config_seq;
	bool status_stale;
	atomic_long_t requests;
	atomic_long_t failures;
	char last_error[VMSG_REPORT_MAX];

	struct mutex lock; /* one request at a time */
	u8 *frames;
	size_t frame_max;
	u32 device_id;
	u32 vendor_id;
	u8 uuid[16];
	u32 num_blocks;
	u32 max_vqs;
	u32 admin_vq_start;
	u32 admin_vq_count;
	u64 features[VIRTIO_FEATURES_U64S];
	bool features_valid;
	u32 status_written;
	u32 status;
	u8 *config;
	u32 config_size;
	bool config_valid;
	int config_at;
	u32 config_gen;

	struct mutex vq_mutex; /* the making and ending of @vqs */
	struct vmsg_vqs __rcu *vqs;

	struct vmsg_pool_client client;
};

static inline struct vmsg_dev *to_vmsg_dev(struct virtio_device *vdev)
{
	return container_of(vdev, struct vmsg_dev, vdev);
}

/* The feature bits of the driver side, as an array of VIRTIO_FEATURES_U64S. */
static inline u64 *vmsg_dev_driver_features(struct vmsg_dev *vd)
{
#ifdef VIRTIO_MSG_COMPAT
	return vmsg_compat_features(&vd->vdev);
#else
	return vd->vdev.features_array;
#endif
}

struct vmsg_dev *vmsg_dev_create(struct virtio_msg_bus *bus, u16 num);
void vmsg_dev_put(struct vmsg_dev *vd);
void vmsg_dev_start(struct vmsg_dev *vd);
void vmsg_dev_remove(struct vmsg_dev *vd, bool peer_alive);
void vmsg_dev_fail(struct vmsg_dev *vd);
int vmsg_dev_event(struct vmsg_dev *vd, const struct vmsg_msg *msg);
int vmsg_dev_ask(struct vmsg_dev *vd, struct vmsg_msg *msg);
int vmsg_dev_freeze(struct vmsg_dev *vd);
int vmsg_dev_restore(struct vmsg_dev *vd);
void vmsg_dev_shutdown(struct vmsg_dev *vd);

/*
 * report.c
 */
void vmsg_report_init(struct virtio_msg_bus *bus);
ssize_t vmsg_report_show(struct virtio_msg_bus *bus, const char *last_error,
			 char *buf);
__printf(2, 3)
void vmsg_bus_err(struct virtio_msg_bus *bus, const char *fmt, ...);
__printf(2, 3)
void vmsg_dev_err(struct vmsg_dev *vd, const char *fmt, ...);
void vmsg_bus_drop(struct virtio_msg_bus *bus, enum vmsg_stat stat,
		   const struct vmsg_msg *msg, const char *why);

/*
 * sysfs.c
 */
extern const struct attribute_group *vmsg_bus_groups[];
extern const struct attribute_group *vmsg_dev_groups[];

/*
 * vq.c
 */
int vmsg_vq_find(struct virtio_device *vdev, unsigned int nvqs,
		 struct virtqueue *vqs[], struct virtqueue_info vqs_info[],
		 struct irq_affinity *desc);
void vmsg_vq_del(struct virtio_device *vdev);
int vmsg_vq_disable_and_reset(struct virtqueue *vq);
int vmsg_vq_enable_after_reset(struct virtqueue *vq);
void vmsg_vq_await(struct vmsg_dev *vd);
void vmsg_vq_start(struct vmsg_dev *vd);
void vmsg_vq_stop(struct vmsg_dev *vd);
int vmsg_vq_used(struct vmsg_dev *vd, u32 index);
void vmsg_vq_synchronize(struct vmsg_dev *vd);
void vmsg_vq_kill(struct vmsg_dev *vd);

#endif /* _VIRTIO_MSG_INTERNAL_H */
