// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * libvmsg: a memory balloon (virtio-balloon).
 *
 * The driver takes pages out of use and names them by their page frame numbers.
 * Those are numbers of its own memory, nothing of which can be reached from
 * here: they are counted and never looked at. No page is returned to anybody;
 * what is to be seen is how a kernel gets along with less memory.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <linux/virtio_balloon.h>
#include <linux/virtio_ids.h>

#include "models.h"

#define VMSG_BALLOON_INFLATE	0
#define VMSG_BALLOON_DEFLATE	1
#define VMSG_BALLOON_STATS	2
#define VMSG_BALLOON_QUEUE_SIZE	128u
/* What a driver may say at once about its memory. */
#define VMSG_BALLOON_MAX_STATS	64u
/* Without hints and poison, whose features are not offered. */
#define VMSG_BALLOON_CONFIG	8u

/* The numbers that are shown, by their tags. */
static const struct {
	uint16_t tag;
	const char *name;
} vmsg_balloon_names[] = {
	{ VIRTIO_BALLOON_S_MEMTOT, "total" },
	{ VIRTIO_BALLOON_S_MEMFREE, "free" },
	{ VIRTIO_BALLOON_S_AVAIL, "available" },
	{ VIRTIO_BALLOON_S_CACHES, "caches" },
	{ VIRTIO_BALLOON_S_SWAP_IN, "swap-in" },
	{ VIRTIO_BALLOON_S_SWAP_OUT, "swap-out" },
	{ VIRTIO_BALLOON_S_MAJFLT, "major-faults" },
	{ VIRTIO_BALLOON_S_MINFLT, "minor-faults" },
};

struct vmsg_balloon_params {
	uint32_t pages;
	bool oom;
};

struct vmsg_balloon {
	struct vmsg_device *dev;
	uint32_t target;
	uint32_t actual;
	/* By what came through the queues. */
	uint64_t held;
	/* The driver's buffer, kept until news are wanted. */
	struct vmsg_elem *stats;
	bool asked;
};

static void vmsg_balloon_pages(struct vmsg_balloon *balloon,
			       struct vmsg_vq *vq, bool inflate)
{
	const size_t pfn = sizeof(uint32_t);
	struct vmsg_elem *elem;
	uint64_t num;

	while ((elem = vmsg_vq_pop(vq))) {
		if (!elem->out_len || elem->out_len % pfn) {
			vmsg_vq_broken(vq, "%zu bytes of page frame numbers",
				       elem->out_len);
			return;
		}
		num = elem->out_len / pfn;
		if (inflate)
			balloon->held += num;
		else
			balloon->held -= num < balloon->held ? num :
							balloon->held;
		vmsg_vq_push(vq, elem, 0);
	}
}

static void vmsg_balloon_say(struct vmsg_balloon *balloon, uint16_t tag,
			     uint64_t value)
{
	size_t i;

	for (i = 0; i < sizeof(vmsg_balloon_names) /
			sizeof(vmsg_balloon_names[0]); i++) {
		if (vmsg_balloon_names[i].tag == tag)
			vmsg_kit_say("memory %u: %s %llu",
				     vmsg_device_num(balloon->dev),
				     vmsg_balloon_names[i].name,
				     (unsigned long long)value);
	}
}

/* The first buffer comes by itself, the others when the last one goes back. */
static void vmsg_balloon_stats(struct vmsg_balloon *balloon,
			       struct vmsg_vq *vq)
{
	struct virtio_balloon_stat stats[VMSG_BALLOON_MAX_STATS];
	struct vmsg_elem *elem;
	size_t num, i;

	while ((elem = vmsg_vq_pop(vq))) {
		if (balloon->stats || elem->out_len % sizeof(stats[0]) ||
		    elem->out_len > sizeof(stats)) {
			vmsg_vq_broken(vq, balloon->stats ?
				       "a second buffer of statistics" :
				       "statistics of an impossible size");
			return;
		}
		balloon->stats = elem;
		if (!balloon->asked)
			continue;
		balloon->asked = false;
		num = vmsg_iov_read(elem->out, elem->out_num, stats,
				    sizeof(stats)) / sizeof(stats[0]);
		for (i = 0; i < num; i++)
			vmsg_balloon_say(balloon, le16toh(stats[i].tag),
					 le64toh(stats[i].val));
		vmsg_kit_say("memory %u: end", vmsg_device_num(balloon->dev));
	}
}

static void vmsg_balloon_queue(struct vmsg_device *dev, struct vmsg_vq *vq)
{
	uint32_t index = vmsg_vq_index(vq);

	if (index == VMSG_BALLOON_STATS)
		vmsg_balloon_stats(vmsg_device_priv(dev), vq);
	else
		vmsg_balloon_pages(vmsg_device_priv(dev), vq,
				   index == VMSG_BALLOON_INFLATE);
}

static void vmsg_balloon_config_read(struct vmsg_device *dev, uint32_t offset,
				     void *buf, uint32_t len)
{
	const struct vmsg_balloon *balloon = vmsg_device_priv(dev);
	const uint32_t config[] = {
		htole32(balloon->target), htole32(balloon->actual),
	};

	memcpy(buf, (const char *)config + offset, len);
}

static int vmsg_balloon_config_write(struct vmsg_device *dev, uint32_t offset,
				     const void *buf, uint32_t len)
{
	struct vmsg_balloon *balloon = vmsg_device_priv(dev);
	uint32_t actual;

	if (offset != offsetof(struct virtio_balloon_config, actual) ||
	    len != sizeof(actual))
		return -EROFS;
	memcpy(&actual, buf, sizeof(actual));
	balloon->actual = le32toh(actual);
	return 0;
}

static int vmsg_balloon_queue_reset(struct vmsg_device *dev,
				    struct vmsg_vq *vq)
{
	struct vmsg_balloon *balloon = vmsg_device_priv(dev);

	if (vmsg_vq_index(vq) == VMSG_BALLOON_STATS) {
		balloon->stats = NULL;
		balloon->asked = false;
	}
	return 0;
}

/* A driver that has gone has all of its pages. */
static int vmsg_balloon_reset(struct vmsg_device *dev)
{
	struct vmsg_balloon *balloon = vmsg_device_priv(dev);

	balloon->actual = 0;
	balloon->held = 0;
	return vmsg_balloon_queue_reset(dev, vmsg_device_vq(dev,
							    VMSG_BALLOON_STATS));
}

static void vmsg_balloon_release(struct vmsg_device *dev)
{
	free(vmsg_device_priv(dev));
}

static const struct vmsg_device_ops vmsg_balloon_ops = {
	.queue = vmsg_balloon_queue,
	.config_read = vmsg_balloon_config_read,
	.config_write = vmsg_balloon_config_write,
	.reset = vmsg_balloon_reset,
	.queue_reset = vmsg_balloon_queue_reset,
	.release = vmsg_balloon_release,
};

static int vmsg_balloon_set(void *params, const char *key, const char *value)
{
	struct vmsg_balloon_params *balloon = params;

	if (!strcmp(key, "pages"))
		return vmsg_number_u32(value, UINT32_MAX, &balloon->pages);
	if (!strcmp(key, "deflate-on-oom")) {
		balloon->oom = true;
		return *value ? -EINVAL : 0;
	}
	return -ENOENT;
}

static struct vmsg_device *vmsg_balloon_add(struct vmsg_bus *bus, uint32_t num,
					    const uint8_t uuid[16],
					    void *params)
{
	static const uint16_t sizes[] = {
		VMSG_BALLOON_QUEUE_SIZE, VMSG_BALLOON_QUEUE_SIZE,
		VMSG_BALLOON_QUEUE_SIZE,
	};
	const struct vmsg_balloon_params *ask = params;
	struct vmsg_device_desc desc = {
		.name = "balloon",
		.ops = &vmsg_balloon_ops,
		.device_id = VIRTIO_ID_BALLOON,
		.features[0] = VMSG_BIT(VIRTIO_BALLOON_F_MUST_TELL_HOST) |
			       VMSG_BIT(VIRTIO_BALLOON_F_STATS_VQ),
		.config_size = VMSG_BALLOON_CONFIG,
		.num_queues = 3,
		.queue_sizes = sizes,
	};
	struct vmsg_balloon *balloon = calloc(1, sizeof(*balloon));

	if (!balloon)
		return NULL;
	balloon->target = ask->pages;
	if (ask->oom)
		desc.features[0] |= VMSG_BIT(VIRTIO_BALLOON_F_DEFLATE_ON_OOM);
	desc.priv = balloon;
	balloon->dev = vmsg_kit_add(bus, num, uuid, &desc);
	if (balloon->dev)
		return balloon->dev;
	free(balloon);
	return NULL;
}

/* balloon: how it stands; balloon PAGES: how many there are to be. */
static int vmsg_balloon_target(struct vmsg_balloon *balloon, const char *args)
{
	int ret;

	if (*args) {
		ret = vmsg_number_u32(args, UINT32_MAX, &balloon->target);
		if (ret)
			return ret;
		vmsg_device_config_changed(balloon->dev, 0,
					   sizeof(balloon->target),
					   VMSG_CONFIG_DATA);
		return 0;
	}
	vmsg_kit_say("balloon %u: target %u actual %u pages %llu",
		     vmsg_device_num(balloon->dev), balloon->target,
		     balloon->actual, (unsigned long long)balloon->held);
	return 0;
}

/* memory: what the driver says of its memory, a moment later. */
static int vmsg_balloon_memory(struct vmsg_balloon *balloon)
{
	struct vmsg_vq *vq = vmsg_device_vq(balloon->dev, VMSG_BALLOON_STATS);
	struct vmsg_elem *elem = balloon->stats;

	if (!elem)
		return -EAGAIN;
	balloon->stats = NULL;
	balloon->asked = true;
	vmsg_vq_push(vq, elem, 0);
	vmsg_vq_notify(vq);
	return 0;
}

static int vmsg_balloon_command(struct vmsg_device *dev, const char *word,
				char *args)
{
	struct vmsg_balloon *balloon = vmsg_device_priv(dev);

	if (!strcmp(word, "balloon"))
		return vmsg_balloon_target(balloon, args);
	if (!strcmp(word, "memory"))
		return *args ? -EINVAL : vmsg_balloon_memory(balloon);
	return -ENOENT;
}

const struct vmsg_model vmsg_balloon_model = {
	.name = "balloon",
	.help =
"  --balloon [KEY[=VALUE][,KEY[=VALUE]]...]  takes memory from the driver side\n"
"      pages=N          so many pages of 4 KiB to begin with (0)\n"
"      deflate-on-oom   the driver may take them back when it has no more\n",
	.ops = &vmsg_balloon_ops,
	.params_size = sizeof(struct vmsg_balloon_params),
	.set = vmsg_balloon_set,
	.add = vmsg_balloon_add,
	.command = vmsg_balloon_command,
};
