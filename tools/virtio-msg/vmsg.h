/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/*
 * libvmsg: the device side of virtio-msg in user space.
 *
 * The layers, from the carrier up; each one knows only the one below it and
 * calls the one above through a small table of functions:
 *
 *	link	moves frames, gives access to the memory that is shared
 *	bus	device numbers, discovery, statistics
 *	device	the transport messages of one virtio device
 *	vq	virtqueues: split and packed rings
 *	model	what kind of device it is: block device, entropy source, yours
 *
 * Everything runs in the one thread that calls vmsg_loop_run(). No function may
 * be called from another thread. All that comes from the driver side is taken
 * to be hostile: it is copied once, checked and then used.
 *
 * Functions that can fail return 0 or a negative errno value, or NULL with
 * errno set.
 */
#ifndef _VMSG_H
#define _VMSG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include <sys/uio.h>

/* For functions that take a format like printf(). */
#define VMSG_ATTRIBUTE(x)	__attribute__((x))
#define VMSG_PRINTF(fmt, args)	\
	VMSG_ATTRIBUTE(__format__(__printf__, fmt, args))

struct vmsg_bus;
struct vmsg_device;
struct vmsg_link;
struct vmsg_loop;
struct vmsg_vq;

/* Event loop ------------------------------------------------------------- */

/**
 * struct vmsg_watch - a file descriptor that the loop looks after
 * @fd: the descriptor
 * @fn: called with @arg and the EPOLL* events that are there
 * @arg: for @fn
 *
 * Belongs to its owner, who keeps it until vmsg_loop_unwatch().
 */
struct vmsg_watch {
	int fd;
	void (*fn)(void *arg, uint32_t events);
	void *arg;
};

/**
 * struct vmsg_work - something to be done soon
 * @fn: called with @arg, once for any number of vmsg_loop_defer() before it
 * @arg: for @fn
 * @next: private to the loop
 * @queued: private to the loop
 */
struct vmsg_work {
	void (*fn)(void *arg);
	void *arg;
	struct vmsg_work *next;
	bool queued;
};

struct vmsg_loop *vmsg_loop_new(void);
void vmsg_loop_free(struct vmsg_loop *loop);
int vmsg_loop_watch(struct vmsg_loop *loop, struct vmsg_watch *watch,
		    uint32_t events);
int vmsg_loop_rewatch(struct vmsg_loop *loop, struct vmsg_watch *watch,
		      uint32_t events);
void vmsg_loop_unwatch(struct vmsg_loop *loop, struct vmsg_watch *watch);
void vmsg_loop_defer(struct vmsg_loop *loop, struct vmsg_work *work);
void vmsg_loop_cancel(struct vmsg_loop *loop, struct vmsg_work *work);
int vmsg_loop_once(struct vmsg_loop *loop, int timeout_ms);
int vmsg_loop_run(struct vmsg_loop *loop);
void vmsg_loop_stop(struct vmsg_loop *loop, int result);

/* Link ------------------------------------------------------------------- */

/**
 * struct vmsg_memory - shared memory as something to give to other processes
 * @fd: the file that it is, from its first byte on; it stays the link's
 * @addr: device address of the first byte
 * @size: bytes
 */
struct vmsg_memory {
	int fd;
	uint64_t addr;
	uint64_t size;
};

/**
 * struct vmsg_link_ops - what a carrier of frames can do
 * @wake: &vmsg_link.fd has events: take note of them and clear them. Called
 *	before all others then. Optional.
 * @send: hand over one frame. -EAGAIN = no room now: the frame was not taken
 *	and the bus comes back when &vmsg_link.fd is writable, or readable if
 *	&vmsg_link.retry. Any other error is the end of the link.
 * @receive: fetch one frame into @buf. Returns its bytes, or -EAGAIN when none
 *	waits. The driver side must not be able to change @buf any more.
 *	-ECONNRESET = the driver side has gone or begins anew: all devices are
 *	reset, and nothing else is called before that is finished. Any other
 *	error is the end of the link.
 * @flush: frames have been sent, and others may take their time: ring the
 *	doorbell now if there is one. Optional.
 * @map: returns where @len bytes of shared memory at device address @addr lie,
 *	or NULL unless all of them are shared memory. Called for every address
 *	that a driver names, so it has to be quick, and must not overflow.
 * @queue: tie the notifications of an enabled queue to eventfds; -1 for either
 *	of them = by messages. Optional: without, all notifications are messages.
 * @memory: where the shared memory is, if it is one file. Optional.
 * @close: give everything back, the link itself included.
 */
struct vmsg_link_ops {
	void (*wake)(struct vmsg_link *link);
	int (*send)(struct vmsg_link *link, const void *frame, size_t len);
	ssize_t (*receive)(struct vmsg_link *link, void *buf, size_t room);
	void (*flush)(struct vmsg_link *link);
	void *(*map)(struct vmsg_link *link, uint64_t addr, uint64_t len);
	int (*queue)(struct vmsg_link *link, uint16_t dev_num, uint32_t index,
		     int kick_fd, int used_fd);
	int (*memory)(struct vmsg_link *link, struct vmsg_memory *memory);
	void (*close)(struct vmsg_link *link);
};

/**
 * struct vmsg_link - one carrier, connected to one driver side
 * @ops: what it can do
 * @fd: readable when a frame waits, writable when one can be sent. May be
 *	edge-triggered: the bus goes on until receive() says -EAGAIN.
 * @retry: @fd is never writable. When there was no room, it gets readable as
 *	soon as another try is worth it.
 * @max_msg_size: bytes of the largest frame in either direction
 * @features: transport features of the bus, bit n for VIRTIO_MSG_F_* n
 * @pool_size: bytes of shared memory, for models that adapt to it
 * @name: how messages to the user call it
 *
 * A new carrier embeds this in its own structure and fills it in.
 */
struct vmsg_link {
	const struct vmsg_link_ops *ops;
	int fd;
	bool retry;
	size_t max_msg_size;
	uint64_t features;
	uint64_t pool_size;
	char name[128];
};

/**
 * struct vmsg_loopback_params - how to set up /dev/virtio-msg-lb
 * @path: device node, NULL = VIRTIO_MSG_LB_PATH
 * @pool_size: bytes, 0 = 32 MiB
 * @max_msg_size: bytes of the largest frame, 0 = the recommended 264
 * @features: transport features, bit n for VIRTIO_MSG_F_* n
 * @timeout_ms: how long the kernel waits for an answer, 0 = its default
 * @kernel_pool: let the kernel make the pool instead of bringing a memfd
 */
struct vmsg_loopback_params {
	const char *path;
	uint64_t pool_size;
	uint32_t max_msg_size;
	uint64_t features;
	uint32_t timeout_ms;
	bool kernel_pool;
};

struct vmsg_link *
vmsg_loopback_open(const struct vmsg_loopback_params *params);

/**
 * struct vmsg_ivshmem_params - how to share memory with a virtual machine
 * @path: socket of an ivshmem server; if nobody listens there, one is started
 * @pool_size: bytes of all the memory, a power of two from 1 MiB, 0 = 32 MiB
 * @spsc: the queues have format spsc instead of layout
 * @messages: notifications as messages even in format layout
 * @num_notif: otherwise: bits for notifications, up to 64, 0 = 64
 * @notif_per_device: how many of them each device has, 0 = 4
 * @patience_ms: how long a driver side that runs already may take to notice us,
 *	0 = 5 s
 */
struct vmsg_ivshmem_params {
	const char *path;
	uint64_t pool_size;
	bool spsc;
	bool messages;
	uint32_t num_notif;
	uint32_t notif_per_device;
	uint32_t patience_ms;
};

struct vmsg_link *vmsg_ivshmem_open(const struct vmsg_ivshmem_params *params);

/* Bus -------------------------------------------------------------------- */

/**
 * struct vmsg_bus_params - what all devices of a bus have in common
 * @features: ring features that the devices offer, see VMSG_RING_FEATURES.
 *	VIRTIO_F_VERSION_1 and VIRTIO_F_ACCESS_PLATFORM are always added.
 * @messages: notifications as messages even where the link has eventfds
 * @legacy_enable: serve drivers of the proposal's text v1, which have no enable
 *	bit in SET_VQUEUE: configured queues are enabled at DRIVER_OK
 * @rfc: speak the dialect of the RFC of late 2025, in frames of 48 bytes
 * @looks: how often to look for more buffers before going to sleep, each time
 *	after others were let run on this processor
 * @dead: called with @arg when the link has ended; optional
 * @arg: for @dead
 */
struct vmsg_bus_params {
	uint64_t features;
	unsigned int looks;
	bool messages;
	bool legacy_enable;
	bool rfc;
	void (*dead)(void *arg, int error);
	void *arg;
};

/* Ring features by their bit numbers, and those that a device offers as such. */
#define VMSG_F_INDIRECT_DESC		28
#define VMSG_F_EVENT_IDX		29
#define VMSG_F_VERSION_1		32
#define VMSG_F_ACCESS_PLATFORM		33
#define VMSG_F_RING_PACKED		34
#define VMSG_F_IN_ORDER			35
#define VMSG_F_NOTIFICATION_DATA	38
#define VMSG_F_RING_RESET		40

#define VMSG_BIT(n)			(1ULL << (n))

/* All that can be in vmsg_bus_params.features. */
#define VMSG_RING_FEATURES						\
	(VMSG_BIT(VMSG_F_INDIRECT_DESC) | VMSG_BIT(VMSG_F_EVENT_IDX) |	\
	 VMSG_BIT(VMSG_F_RING_PACKED) | VMSG_BIT(VMSG_F_IN_ORDER) |	\
	 VMSG_BIT(VMSG_F_NOTIFICATION_DATA) | VMSG_BIT(VMSG_F_RING_RESET))

/*
 * A good choice. No packed rings: when the memory that it shares is full, Linux
 * tries again later with split rings, but with packed ones it reports an I/O
 * error (virtqueue_add_packed() returns -EIO for a mapping that fails).
 */
#define VMSG_RING_FEATURES_DEFAULT					\
	(VMSG_BIT(VMSG_F_INDIRECT_DESC) | VMSG_BIT(VMSG_F_EVENT_IDX) |	\
	 VMSG_BIT(VMSG_F_RING_RESET))

/* Device numbers are smaller than this. */
#define VMSG_MAX_DEVICES		65536u
/* For vmsg_device_add(): take the lowest number that is free. */
#define VMSG_ANY_NUM			0xffffffffu

struct vmsg_bus *vmsg_bus_new(struct vmsg_loop *loop, struct vmsg_link *link,
			      const struct vmsg_bus_params *params);
void vmsg_bus_free(struct vmsg_bus *bus);
struct vmsg_link *vmsg_bus_link(struct vmsg_bus *bus);
struct vmsg_loop *vmsg_bus_loop(struct vmsg_bus *bus);
struct vmsg_device *vmsg_bus_find(struct vmsg_bus *bus, uint32_t num);
struct vmsg_device *vmsg_bus_next(struct vmsg_bus *bus, uint32_t from);
void vmsg_bus_print_stats(struct vmsg_bus *bus, FILE *file);

/* Device ----------------------------------------------------------------- */

/* Returned by reset() and queue_reset() of a model that needs more time. */
#define VMSG_LATER	1

/**
 * struct vmsg_device_ops - a device model: the kind of a device
 * @queue: there may be buffers in a queue. Takes them with vmsg_vq_pop() until
 *	that returns NULL, and gives them back with vmsg_vq_push(), now or
 *	later. The driver is notified after the return.
 * @features_ok: the driver has chosen; a negative value refuses. Bits that were
 *	not offered are refused before. Optional.
 * @config_read: copy @len bytes at @offset of the configuration space to @buf.
 *	The range has been checked. Needed if there is a configuration space.
 * @config_write: the driver writes to the configuration space. The range has
 *	been checked. A negative value refuses. Optional: without, all is
 *	read-only.
 * @status: the driver has changed the device status to @status. Optional.
 * @reset: forget all buffers and return to the initial state. Returns 0, or
 *	VMSG_LATER and calls vmsg_device_reset_done() when no memory is touched
 *	any more. Optional.
 * @queue_reset: the same for one queue; then vmsg_vq_reset_done(). Optional.
 * @release: the last call for this device: free what belongs to it. Optional.
 */
struct vmsg_device_ops {
	void (*queue)(struct vmsg_device *dev, struct vmsg_vq *vq);
	int (*features_ok)(struct vmsg_device *dev, const uint64_t features[2]);
	void (*config_read)(struct vmsg_device *dev, uint32_t offset, void *buf,
			    uint32_t len);
	int (*config_write)(struct vmsg_device *dev, uint32_t offset,
			    const void *buf, uint32_t len);
	void (*status)(struct vmsg_device *dev, uint8_t status);
	int (*reset)(struct vmsg_device *dev);
	int (*queue_reset)(struct vmsg_device *dev, struct vmsg_vq *vq);
	void (*release)(struct vmsg_device *dev);
};

/**
 * struct vmsg_device_desc - one device to be
 * @name: how messages to the user call it
 * @ops: its model
 * @priv: for vmsg_device_priv()
 * @device_id: virtio device type, VIRTIO_ID_*
 * @vendor_id: virtio vendor, 0 is good
 * @uuid: UUID, all zero = none
 * @features: what its model offers beside the ring features: bit n of the first
 *	word is feature n, bit n of the second one is feature 64 + n
 * @config_size: bytes of its configuration space
 * @num_queues: how many queues it has
 * @queue_sizes: the largest size of each, a power of two up to 32768
 *
 * Everything is copied; @ops has to stay.
 */
struct vmsg_device_desc {
	const char *name;
	const struct vmsg_device_ops *ops;
	void *priv;
	uint32_t device_id;
	uint32_t vendor_id;
	uint8_t uuid[16];
	uint64_t features[2];
	uint32_t config_size;
	uint32_t num_queues;
	const uint16_t *queue_sizes;
};

/**
 * enum vmsg_config_form - how EVENT_CONFIG says what has changed
 * @VMSG_CONFIG_GENERIC: anything may have changed
 * @VMSG_CONFIG_RANGE: which bytes
 * @VMSG_CONFIG_DATA: which bytes and what they are now, if that fits
 */
enum vmsg_config_form {
	VMSG_CONFIG_GENERIC,
	VMSG_CONFIG_RANGE,
	VMSG_CONFIG_DATA,
};

struct vmsg_device *vmsg_device_add(struct vmsg_bus *bus, uint32_t num,
				    const struct vmsg_device_desc *desc);
void vmsg_device_leave(struct vmsg_device *dev);
void vmsg_device_free(struct vmsg_device *dev);
void *vmsg_device_priv(const struct vmsg_device *dev);
struct vmsg_bus *vmsg_device_bus(const struct vmsg_device *dev);
const struct vmsg_device_ops *vmsg_device_ops(const struct vmsg_device *dev);
const char *vmsg_device_name(const struct vmsg_device *dev);
uint16_t vmsg_device_num(const struct vmsg_device *dev);
uint8_t vmsg_device_status(const struct vmsg_device *dev);
bool vmsg_device_leaving(const struct vmsg_device *dev);
bool vmsg_device_left(const struct vmsg_device *dev);
bool vmsg_device_has_feature(const struct vmsg_device *dev, unsigned int bit);
struct vmsg_vq *vmsg_device_vq(struct vmsg_device *dev, uint32_t index);
void vmsg_device_config_changed(struct vmsg_device *dev, uint32_t offset,
				uint32_t len, enum vmsg_config_form form);
void vmsg_device_needs_reset(struct vmsg_device *dev);
void vmsg_device_reset_done(struct vmsg_device *dev);

/* Virtqueue -------------------------------------------------------------- */

/**
 * struct vmsg_elem - a buffer that the driver has made available
 * @out: the pieces that the device may read
 * @in: the pieces that the device may write
 * @out_num: pieces in @out
 * @in_num: pieces in @in
 * @out_len: bytes in @out
 * @in_len: bytes in @in
 *
 * The pieces lie in shared memory: the driver can change the bytes at any time,
 * so copy what has to be checked before it is used. The arrays belong to the
 * device until vmsg_vq_push() and may be cut with vmsg_iov_cut_front() and
 * vmsg_iov_cut_back(). The sum of all pieces is less than 4 GiB.
 */
struct vmsg_elem {
	struct iovec *out;
	struct iovec *in;
	unsigned int out_num;
	unsigned int in_num;
	size_t out_len;
	size_t in_len;
};

uint32_t vmsg_vq_index(const struct vmsg_vq *vq);
struct vmsg_elem *vmsg_vq_pop(struct vmsg_vq *vq);
void vmsg_vq_push(struct vmsg_vq *vq, struct vmsg_elem *elem, uint32_t len);
void vmsg_vq_notify(struct vmsg_vq *vq);
void vmsg_vq_reset_done(struct vmsg_vq *vq);
void vmsg_vq_broken(struct vmsg_vq *vq, const char *fmt, ...)
	VMSG_PRINTF(2, 3);

/* Pieces of memory ------------------------------------------------------- */

size_t vmsg_iov_read(const struct iovec *iov, unsigned int num, void *buf,
		     size_t len);
size_t vmsg_iov_write(const struct iovec *iov, unsigned int num,
		      const void *buf, size_t len);
size_t vmsg_iov_zero(const struct iovec *iov, unsigned int num);
size_t vmsg_iov_cut_front(struct iovec **iov, unsigned int *num, size_t len);
size_t vmsg_iov_cut_back(struct iovec *iov, unsigned int *num, size_t len);

/* Words to the user ------------------------------------------------------ */

/* The name that stands before each message; NULL = say nothing at all. */
extern const char *vmsg_log_name;

void vmsg_warn(const char *fmt, ...) VMSG_PRINTF(1, 2);

#endif /* _VMSG_H */
