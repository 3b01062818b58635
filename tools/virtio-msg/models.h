/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/*
 * libvmsg: the device models that come with it.
 */
#ifndef _VMSG_MODELS_H
#define _VMSG_MODELS_H

#include "vmsg.h"

/**
 * struct vmsg_model - a kind of device that can be asked for by name
 * @name: its name, also that of its option
 * @help: what --help says of it: its keys, a line each, six blanks before them
 * @ops: of all its devices
 * @params_size: bytes of what its keys say, at least 1; zeros when nothing is said
 * @set: a key has been given, @value is "" when it has none; both stay until
 *	@add. -ENOENT = there is no such key, -EINVAL or -ERANGE = not this value.
 *	"num" and "uuid" are read before.
 * @add: make the device; @uuid is all zero for none. NULL with errno set when
 *	that fails, and what went wrong has been said.
 * @command: a line from the control FIFO for a device of this model: @word, and
 *	the rest in @args. 0, -ENOENT = there is no such command, or another
 *	negative errno value. Optional.
 */
struct vmsg_model {
	const char *name;
	const char *help;
	const struct vmsg_device_ops *ops;
	size_t params_size;
	int (*set)(void *params, const char *key, const char *value);
	struct vmsg_device *(*add)(struct vmsg_bus *bus, uint32_t num,
				   const uint8_t uuid[16], void *params);
	int (*command)(struct vmsg_device *dev, const char *word, char *args);
};

/* All of them, in the order of --help, and NULL. */
extern const struct vmsg_model * const vmsg_models[];

extern const struct vmsg_model vmsg_balloon_model;
extern const struct vmsg_model vmsg_9p_model;
extern const struct vmsg_model vmsg_blk_model;
extern const struct vmsg_model vmsg_console_model;
extern const struct vmsg_model vmsg_gpio_model;
extern const struct vmsg_model vmsg_i2c_model;
extern const struct vmsg_model vmsg_input_model;
extern const struct vmsg_model vmsg_net_model;
extern const struct vmsg_model vmsg_none_model;
extern const struct vmsg_model vmsg_rng_model;
extern const struct vmsg_model vmsg_scsi_model;
extern const struct vmsg_model vmsg_vsock_model;

const struct vmsg_model *vmsg_model_find(const char *name);
const struct vmsg_model *vmsg_model_of(const struct vmsg_device *dev);

int vmsg_number(const char *text, uint64_t max, uint64_t *value);
int vmsg_number_u32(const char *text, uint32_t max, uint32_t *value);

struct vmsg_device *vmsg_kit_add(struct vmsg_bus *bus, uint32_t num,
				 const uint8_t uuid[16],
				 struct vmsg_device_desc *desc);
int vmsg_kit_queue_size(const char *text, uint16_t *size);
void vmsg_kit_say(const char *fmt, ...) VMSG_PRINTF(1, 2);

/* Bytes of a blk device's serial number. */
#define VMSG_BLK_SERIAL		20

/**
 * enum vmsg_blk_aio - how a blk device moves the bytes of its file
 * @VMSG_BLK_AIO_BEST: what is quicker: io_uring, if it can be had, for many
 *	requests at a time to a file that is not in memory
 * @VMSG_BLK_AIO_SYNC: a system call for each request
 * @VMSG_BLK_AIO_URING: io_uring for all of them, or no device
 */
enum vmsg_blk_aio {
	VMSG_BLK_AIO_BEST,
	VMSG_BLK_AIO_SYNC,
	VMSG_BLK_AIO_URING,
};

/**
 * struct vmsg_blk_params - a block device
 * @path: file or block device that keeps the data, NULL = nothing does
 * @size: bytes; a file is made or grown to it. 0 = as large as @path is
 * @null: the command line says that nothing is to keep the data
 * @aio: how the bytes of @path are moved
 * @read_only: refuse writes
 * @queues: number of queues, 0 = 1
 * @queue_size: descriptors of each, 0 = 128
 * @serial: its name for GET_ID, up to VMSG_BLK_SERIAL bytes, NULL = none
 * @uuid: UUID, all zero = none
 */
struct vmsg_blk_params {
	const char *path;
	uint64_t size;
	bool null;
	enum vmsg_blk_aio aio;
	bool read_only;
	uint32_t queues;
	uint32_t queue_size;
	const char *serial;
	uint8_t uuid[16];
};

struct vmsg_device *vmsg_blk_add(struct vmsg_bus *bus, uint32_t num,
				 const struct vmsg_blk_params *params);
int vmsg_blk_resize(struct vmsg_device *dev, uint64_t size,
		    enum vmsg_config_form form);

/**
 * struct vmsg_rng_params - an entropy source
 * @source: file with the entropy, NULL = /dev/urandom
 * @seeded: a fixed sequence that begins with @seed, in place of @source
 * @seed: any number
 * @queue_size: descriptors of its queue, 0 = 64
 * @uuid: UUID, all zero = none
 */
struct vmsg_rng_params {
	const char *source;
	bool seeded;
	uint64_t seed;
	uint32_t queue_size;
	uint8_t uuid[16];
};

struct vmsg_device *vmsg_rng_add(struct vmsg_bus *bus, uint32_t num,
				 const struct vmsg_rng_params *params);
void vmsg_rng_fill(uint64_t *state, void *buf, size_t len);

/**
 * struct vmsg_vsock_params - stream sockets of a guest
 * @path: UNIX socket that programs connect to; the guest's connections are made
 *	to this, an underscore and the port
 * @cid: the guest's context ID, from 3
 * @uuid: UUID, all zero = none
 */
struct vmsg_vsock_params {
	const char *path;
	uint64_t cid;
	uint8_t uuid[16];
};

struct vmsg_device *vmsg_vsock_add(struct vmsg_bus *bus, uint32_t num,
				   const struct vmsg_vsock_params *params);

/* Bytes of what a shared folder is mounted by. */
#define VMSG_9P_TAG_LEN		31

/**
 * struct vmsg_9p_params - a shared folder
 * @path: the folder
 * @tag: what to mount it by, up to VMSG_9P_TAG_LEN bytes, NULL = share
 * @read_only: refuse changes
 * @uuid: UUID, all zero = none
 */
struct vmsg_9p_params {
	const char *path;
	const char *tag;
	bool read_only;
	uint8_t uuid[16];
};

struct vmsg_device *vmsg_9p_add(struct vmsg_bus *bus, uint32_t num,
				const struct vmsg_9p_params *params);

/* Bytes of a SCSI disk's serial number. */
#define VMSG_SCSI_SERIAL	20

/**
 * struct vmsg_scsi_params - a SCSI host with a disk
 * @path: file or block device that keeps the data
 * @size: bytes; a file is made or grown to it. 0 = as large as @path is
 * @read_only: refuse writes
 * @serial: its serial number, up to VMSG_SCSI_SERIAL bytes, NULL = none
 * @uuid: UUID, all zero = none
 */
struct vmsg_scsi_params {
	const char *path;
	uint64_t size;
	bool read_only;
	const char *serial;
	uint8_t uuid[16];
};

struct vmsg_device *vmsg_scsi_add(struct vmsg_bus *bus, uint32_t num,
				  const struct vmsg_scsi_params *params);

#endif /* _VMSG_MODELS_H */
