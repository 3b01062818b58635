/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * virtio-msg: a bus, devices and a driver that are made up for tests.
 *
 * The bus is a virtio_msg_bus_ops whose peer lives in the same kernel: send()
 * hands the request to a model of a device, and what becomes of the model's
 * answer is up to the test: see &typedef fake_filter. Nothing here sleeps for a
 * time; what has to be waited for is waited for with fake_wait() or
 * fake_settle().
 */
#ifndef _VIRTIO_MSG_FAKE_DEVICE_H
#define _VIRTIO_MSG_FAKE_DEVICE_H

#include <kunit/test.h>
#include <linux/irq_work.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "../internal.h"

/* A virtio device type that nobody has a driver for, but fake_driver. */
#define FAKE_ID			0xfff0
#define FAKE_VQS		4
#define FAKE_CONFIG		512
#define FAKE_BLOCKS		12
#define FAKE_DEVS		16
#define FAKE_KICKS		64
#define FAKE_LOG		256
#define FAKE_BUFS		64
#define FAKE_FRAME		2048
/* The pool begins somewhere, so that an offset is not mistaken for an address. */
#define FAKE_POOL_ADDR		0x40000000ULL
#define FAKE_POOL_SIZE		(512 * 1024)
/* Upper bound of every wait; a test that gets there has failed. */
#define FAKE_PATIENCE		(10 * HZ)

#define fake_wait(fb, cond) \
	wait_event_timeout((fb)->wait, cond, FAKE_PATIENCE)

struct fake_bus;

/**
 * struct fake_frame - bytes on their way to the kernel under test
 * @node: in fake_bus.held or fake_bus.later
 * @size: bytes
 * @data: the frame
 */
struct fake_frame {
	struct list_head node;
	size_t size;
	u8 data[FAKE_FRAME];
};

/**
 * enum fake_verdict - what becomes of an answer
 * @FAKE_ANSWER: it arrives before send() returns
 * @FAKE_LATER: it arrives from a work
 * @FAKE_IRQ: it arrives in hard interrupt context
 * @FAKE_HOLD: it waits for fake_release()
 * @FAKE_DROP: it never arrives
 * @FAKE_FAIL: it never arrives, and send() says -EIO
 */
enum fake_verdict {
	FAKE_ANSWER,
	FAKE_LATER,
	FAKE_IRQ,
	FAKE_HOLD,
	FAKE_DROP,
	FAKE_FAIL,
};

/**
 * typedef fake_filter - a test's say in every answer
 * @fb: the bus
 * @req: the request
 * @resp: the model's answer
 *
 * It may change the answer, and the model behind it for the next one; it may
 * deliver other frames as well. Called in the context of send().
 */
typedef enum fake_verdict (*fake_filter)(struct fake_bus *fb,
					 const struct vmsg_msg *req,
					 struct fake_frame *resp);

/**
 * struct fake_vq - a queue as the device sees it
 * @max_size: 0 = there is none
 * @size: 0 = not configured
 * @enabled: by SET_VQUEUE
 * @deaf: SET_VQUEUE does nothing
 * @desc: bus address
 * @driver: bus address
 * @device: bus address
 * @next: where the device reads next
 * @used: where it writes next, split ring only
 * @wrap: of @next, packed ring only
 */
struct fake_vq {
	u32 max_size;
	u32 size;
	bool enabled;
	bool deaf;
	u64 desc;
	u64 driver;
	u64 device;
	u16 next;
	u16 used;
	bool wrap;
};

/**
 * struct fake_dev - model of a device
 * @fb: its bus
 * @num: device number
 * @info: GET_DEVICE_INFO answer
 * @blocks: offered feature blocks
 * @driver_blocks: what the driver wrote
 * @config: configuration space
 * @generation: of @config
 * @status: device status
 * @hostile_status: bits that every status besides 0 is reported with
 * @refuse_features: FEATURES_OK does not stick
 * @reset_polls: GET_DEVICE_STATUS needed to finish a reset, -1 = never ends
 * @resetting: a reset is going on
 * @resets: how many have finished
 * @shm_length: of every shared memory region
 * @shm_address: of every shared memory region
 * @vq: queues
 */
struct fake_dev {
	struct fake_bus *fb;
	u16 num;
	struct vmsg_msg info;
	u32 blocks[FAKE_BLOCKS];
	u32 driver_blocks[FAKE_BLOCKS];
	u8 config[FAKE_CONFIG];
	u32 generation;
	u32 status;
	u32 hostile_status;
	bool refuse_features;
	int reset_polls;
	bool resetting;
	int resets;
	u64 shm_length;
	u64 shm_address;
	struct fake_vq vq[FAKE_VQS];
};

/**
 * struct fake_kick - a notification that arrived
 * @dev_num: device number
 * @index: queue index
 * @next_offset: as in the frame
 */
struct fake_kick {
	u16 dev_num;
	u32 index;
	u32 next_offset;
};

/**
 * struct fake_bus - a bus instance and its peer
 * @test: whose it is
 * @bus: the bus under test
 * @info: what it was registered with
 * @pool: its pool
 * @mem: the pool's memory, FAKE_POOL_SIZE bytes
 * @address: bus address of its first byte
 * @wq: where the peer works
 * @lock: protects all that follows, apart from what only the test writes
 * @devs: devices
 * @num_devs: how many of them
 * @held: answers that wait for fake_release()
 * @num_held: how many of them
 * @later: answers that @later_work gives
 * @later_work: gives answers in process context
 * @irq_work: gives answers in hard interrupt context
 * @wait: woken by all that happens at the peer or in the driver
 * @filter: the test's say
 * @filter_priv: for it
 * @step: counter for it
 * @dialect: how the peer writes messages
 * @no_next: the first window of GET_DEVICES is the last one, RFC only
 * @deliver: takes frames to the kernel under test, NULL = give them to @bus.
 *	Called in any context.
 * @requests: transport requests that arrived
 * @count: messages that arrived, by bus bit and number
 * @log: the first of them, requests and responses
 * @num_log: how many of them
 * @room: kicks that there is room for, -1 = always; else kick() says -EAGAIN
 * @refused: how often it did
 * @kicks: notifications that arrived
 * @num_kicks: how many of them
 * @serve: kicked queues are served, by @serve_work
 * @serve_work: serves all queues
 * @syncs: calls of synchronize()
 * @cuts: calls of cut()
 * @gones: calls of device_gone()
 * @stops: calls of stop()
 * @shm_calls: calls of shm_region()
 * @shm_err: what it says
 */
struct fake_bus {
	struct kunit *test;
	struct virtio_msg_bus *bus;
	struct virtio_msg_bus_info info;
	struct virtio_msg_pool *pool;
	void *mem;
	u64 address;
	struct workqueue_struct *wq;

	spinlock_t lock; /* the models */
	struct fake_dev *devs[FAKE_DEVS];
	unsigned int num_devs;
	struct list_head held;
	unsigned int num_held;
	struct list_head later;
	struct work_struct later_work;
	struct irq_work irq_work;
	wait_queue_head_t wait;
	fake_filter filter;
	void *filter_priv;
	atomic_t step;
	enum vmsg_dialect dialect;
	bool no_next;
	int (*deliver)(struct fake_bus *fb, const void *frame, size_t size);

	atomic_t requests;
	atomic_t count[2][256];
	struct vmsg_msg log[FAKE_LOG];
	unsigned int num_log;

	int room;
	unsigned int refused;
	struct fake_kick kicks[FAKE_KICKS];
	unsigned int num_kicks;
	bool serve;
	struct work_struct serve_work;

	atomic_t syncs;
	atomic_t cuts;
	atomic_t gones;
	atomic_t stops;
	atomic_t shm_calls;
	int shm_err;
};

/* What fake_bus_create() uses where the test says nothing. */
#define FAKE_BUS_DEFAULTS						\
	.name = "fake",							\
	.revision = VIRTIO_MSG_REVISION_1,				\
	.max_msg_size = VIRTIO_MSG_RECOMMENDED_SIZE,			\
	.timeout_ms = 5000

/* Long enough for everything that answers, short enough to be waited for. */
#define FAKE_SHORT_TIMEOUT	100

extern const struct virtio_msg_bus_ops fake_shm_ops;

struct fake_bus *fake_bus_create(struct kunit *test,
				 const struct virtio_msg_bus_info *info);
void fake_bus_end(struct fake_bus *fb);
struct fake_bus *fake_bus_default(struct kunit *test);
void fake_models_init(struct fake_bus *fb, struct kunit *test);
bool fake_answer(struct fake_bus *fb, const struct vmsg_msg *req,
		 struct fake_frame *frame);
void fake_models_memory(struct fake_bus *fb);
void fake_models_release(struct fake_bus *fb);
int fake_take(struct fake_bus *fb, const void *data, size_t size);
void fake_settle(struct fake_bus *fb);
void fake_fill_pool(struct fake_bus *fb, u8 with);
long fake_stat(struct fake_bus *fb, enum vmsg_stat stat);
int fake_count(struct fake_bus *fb, bool bus, u8 id);
void fake_make(struct fake_frame *frame, const struct vmsg_msg *msg);
int fake_deliver(struct fake_bus *fb, const void *frame, size_t size);
int fake_deliver_msg(struct fake_bus *fb, const struct vmsg_msg *msg);
int fake_release(struct fake_bus *fb, unsigned int nth);
void fake_release_all(struct fake_bus *fb);
void fake_room(struct fake_bus *fb);
void fake_expect_bus_file(struct fake_bus *fb, const char *group,
			  const char *name, const char *want);
void fake_expect_dev_file(struct fake_dev *fd, const char *name,
			  const char *want);

struct fake_dev *fake_dev_create(struct fake_bus *fb, u16 num);
void fake_offer(struct fake_dev *fd, unsigned int bit, bool on);
bool fake_accepted(struct fake_dev *fd, unsigned int bit);
int fake_event_config(struct fake_dev *fd, u32 status, u32 offset, u32 length,
		      const void *data, size_t data_len);
int fake_event_used(struct fake_dev *fd, u32 index);
int fake_event_device(struct fake_bus *fb, u16 num, u16 state);
unsigned int fake_vq_serve(struct fake_dev *fd, u32 index, unsigned int max);

/*
 * The driver
 */

/**
 * struct fake_drv - one device in the hands of the test driver
 * @node: in fake_driver.drvs
 * @vdev: the device
 * @vqs: its queues
 * @calls: callbacks of each
 * @exposed: callbacks that ran with bottom halves enabled
 * @bufs: buffers that came back
 * @lens: used lengths of them
 * @num_bufs: how many of them
 * @lock: protects the three
 * @changes: calls of config_changed
 * @removed: remove() has run
 */
struct fake_drv {
	struct list_head node;
	struct virtio_device *vdev;
	struct virtqueue *vqs[FAKE_VQS];
	atomic_t calls[FAKE_VQS];
	atomic_t exposed;
	void *bufs[FAKE_BUFS];
	unsigned int lens[FAKE_BUFS];
	unsigned int num_bufs;
	spinlock_t lock; /* @bufs */
	atomic_t changes;
	bool removed;
};

/**
 * struct fake_driver - the driver's manual
 * @nvqs: queues that it wants
 * @names: of the queues; NULL is one that it does not use
 * @in_probe: called when there are queues, before DRIVER_OK
 * @patience_for: freeze, remove, and probe behind DRIVER_OK wait for so many buffers
 * @keep: callbacks do not take buffers
 * @unready: probe returns without virtio_device_ready()
 * @no_platform: validate takes VIRTIO_F_ACCESS_PLATFORM away
 * @freeze_err: what freeze says after @freeze_good calls
 * @freeze_good: calls of freeze that still succeed
 * @drvs: devices that it has or had
 * @drv: the last one that was probed
 * @probes: calls of probe
 * @probe_err: result of the last probe
 * @removes: calls of remove
 * @wait: woken by probe, remove, callbacks and configuration changes
 */
struct fake_driver {
	int nvqs;
	const char *names[FAKE_VQS];
	int (*in_probe)(struct fake_drv *drv);
	unsigned int patience_for;
	bool keep;
	bool unready;
	bool no_platform;
	int freeze_err;
	int freeze_good;
	struct list_head drvs;
	struct fake_drv *drv;
	atomic_t probes;
	int probe_err;
	atomic_t removes;
	wait_queue_head_t wait;
};

extern struct fake_driver fake_driver;

#define drv_wait(cond) \
	wait_event_timeout(fake_driver.wait, cond, FAKE_PATIENCE)

void fake_driver_register(struct kunit *test);
void fake_switch_off(struct kunit *test, bool *param);
struct fake_drv *fake_bind(struct fake_dev *fd);
struct vmsg_dev *fake_vmsg_dev(struct fake_dev *fd);
int fake_add_buf(struct virtqueue *vq, void *out, unsigned int out_len,
		 void *in, unsigned int in_len);

#endif /* _VIRTIO_MSG_FAKE_DEVICE_H */
