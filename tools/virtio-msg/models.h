/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/*
 * libvmsg: the device models that come with it.
 */
#ifndef _VMSG_MODELS_H
#define _VMSG_MODELS_H

#include "vmsg.h"

/* Bytes of a blk device's serial number. */
#define VMSG_BLK_SERIAL		20

/**
 * struct vmsg_blk_params - a block device
 * @path: file or block device that keeps the data
 * @size: bytes; a file is made or grown to it. 0 = as large as @path is
 * @read_only: refuse writes
 * @queues: number of queues, 0 = 1
 * @queue_size: descriptors of each, 0 = 128
 * @serial: its name for GET_ID, up to VMSG_BLK_SERIAL bytes, NULL = none
 * @uuid: UUID, all zero = none
 */
struct vmsg_blk_params {
	const char *path;
	uint64_t size;
	bool read_only;
	uint32_t queues;
	uint32_t queue_size;
	const char *serial;
	uint8_t uuid[16];
};

struct vmsg_device *vmsg_blk_add(struct vmsg_bus *bus, uint32_t num,
				 const struct vmsg_blk_params *params);
bool vmsg_blk_is(const struct vmsg_device *dev);
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

#endif /* _VMSG_MODELS_H */
