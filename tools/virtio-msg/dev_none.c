// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * libvmsg: a device of any type and without a purpose.
 *
 * Nobody has a driver for most types: such a device is announced, listed and
 * removed like every other one. A driver that knows the type all the same gets
 * its buffers back at once, with nothing in them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "models.h"

#define VMSG_NONE_QUEUES	64u
#define VMSG_NONE_CONFIG	4096u

struct vmsg_none_params {
	uint32_t type;
	uint32_t queues;
	uint32_t config;
	uint16_t queue_size;
};

static void vmsg_none_queue(struct vmsg_device *dev, struct vmsg_vq *vq)
{
	struct vmsg_elem *elem;

	(void)dev;
	while ((elem = vmsg_vq_pop(vq)))
		vmsg_vq_push(vq, elem, 0);
}

static void vmsg_none_config_read(struct vmsg_device *dev, uint32_t offset,
				  void *buf, uint32_t len)
{
	(void)dev;
	(void)offset;
	memset(buf, 0, len);
}

static const struct vmsg_device_ops vmsg_none_ops = {
	.queue = vmsg_none_queue,
	.config_read = vmsg_none_config_read,
};

static int vmsg_none_set(void *params, const char *key, const char *value)
{
	struct vmsg_none_params *none = params;

	if (!strcmp(key, "type"))
		return vmsg_number_u32(value, UINT32_MAX, &none->type);
	if (!strcmp(key, "queues"))
		return vmsg_number_u32(value, VMSG_NONE_QUEUES, &none->queues);
	if (!strcmp(key, "config"))
		return vmsg_number_u32(value, VMSG_NONE_CONFIG, &none->config);
	if (!strcmp(key, "queue-size"))
		return vmsg_kit_queue_size(value, &none->queue_size);
	return -ENOENT;
}

static struct vmsg_device *vmsg_none_add(struct vmsg_bus *bus, uint32_t num,
					 const uint8_t uuid[16], void *params)
{
	const struct vmsg_none_params *none = params;
	uint16_t sizes[VMSG_NONE_QUEUES];
	struct vmsg_device_desc desc = {
		.name = "none",
		.ops = &vmsg_none_ops,
		.device_id = none->type,
		.config_size = none->config,
		.num_queues = none->queues,
		.queue_sizes = sizes,
	};
	unsigned int i;

	if (!none->type) {
		vmsg_warn("none: which type? Say type=N; drivers know few of those up to 50, and none beyond");
		errno = EINVAL;
		return NULL;
	}
	for (i = 0; i < VMSG_NONE_QUEUES; i++)
		sizes[i] = none->queue_size ? none->queue_size : 64;
	return vmsg_kit_add(bus, num, uuid, &desc);
}

const struct vmsg_model vmsg_none_model = {
	.name = "none",
	.help =
"  --none type=N[,KEY=VALUE]...       device that does nothing\n"
"      type=N           its virtio type, as one for which there is no driver\n"
"      queues=N         number of queues (0)\n"
"      queue-size=N     descriptors of each queue (64)\n"
"      config=BYTES     configuration space, all zeros (0)\n",
	.ops = &vmsg_none_ops,
	.params_size = sizeof(struct vmsg_none_params),
	.set = vmsg_none_set,
	.add = vmsg_none_add,
};
