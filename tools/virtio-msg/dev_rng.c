// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * libvmsg: an entropy source (virtio-rng).
 *
 * With a seed it hands out a fixed sequence instead, xorshift64*, so that tests
 * know every byte.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/virtio_ids.h>

#include "models.h"

#define VMSG_RNG_SOURCE	"/dev/urandom"
#define VMSG_RNG_QUEUE	64
/* Bytes given for one request: drivers ask again when they need more. */
#define VMSG_RNG_MAX	65536u

struct vmsg_rng {
	int fd;
	uint64_t seed;
	uint64_t state;
};

/**
 * vmsg_rng_fill() - the next bytes of a fixed sequence
 * @state: begins with the seed
 * @buf: where to
 * @len: bytes; a multiple of 8 lets the next call go on seamlessly
 */
void vmsg_rng_fill(uint64_t *state, void *buf, size_t len)
{
	uint64_t x = *state ? *state : 0x9e3779b97f4a7c15ULL;
	uint8_t *out = buf;
	uint64_t word = 0;
	size_t i;

	for (i = 0; i < len; i++) {
		if (i % 8 == 0) {
			x ^= x >> 12;
			x ^= x << 25;
			x ^= x >> 27;
			word = x * 0x2545f4914f6cdd1dULL;
		}
		out[i] = word >> i % 8 * 8;
	}
	*state = x;
}

static size_t vmsg_rng_read(struct vmsg_rng *rng, struct iovec *iov,
			    unsigned int num)
{
	size_t done = 0, part;
	ssize_t ret;

	for (; num && done < VMSG_RNG_MAX; iov++, num--) {
		part = iov->iov_len;
		if (part > VMSG_RNG_MAX - done)
			part = VMSG_RNG_MAX - done;
		if (rng->fd < 0) {
			vmsg_rng_fill(&rng->state, iov->iov_base, part);
			done += part;
			continue;
		}
		ret = read(rng->fd, iov->iov_base, part);
		if (ret <= 0)
			break;
		done += ret;
		if ((size_t)ret < part)
			break;
	}
	return done;
}

static void vmsg_rng_queue(struct vmsg_device *dev, struct vmsg_vq *vq)
{
	struct vmsg_rng *rng = vmsg_device_priv(dev);
	struct vmsg_elem *elem;
	size_t len;

	while ((elem = vmsg_vq_pop(vq))) {
		if (!elem->in_num) {
			vmsg_vq_broken(vq, "a buffer without room for entropy");
			return;
		}
		len = vmsg_rng_read(rng, elem->in, elem->in_num);
		if (!len)
			vmsg_warn("device %u (%s): the source gives no entropy: %s; choose another one",
				  vmsg_device_num(dev), vmsg_device_name(dev),
				  strerror(errno));
		vmsg_vq_push(vq, elem, len);
	}
}

static int vmsg_rng_reset(struct vmsg_device *dev)
{
	struct vmsg_rng *rng = vmsg_device_priv(dev);

	rng->state = rng->seed;
	return 0;
}

static void vmsg_rng_release(struct vmsg_device *dev)
{
	struct vmsg_rng *rng = vmsg_device_priv(dev);

	if (rng->fd >= 0)
		close(rng->fd);
	free(rng);
}

static const struct vmsg_device_ops vmsg_rng_ops = {
	.queue = vmsg_rng_queue,
	.reset = vmsg_rng_reset,
	.release = vmsg_rng_release,
};

/**
 * vmsg_rng_add() - put an entropy source onto a bus
 * @bus: the bus
 * @num: device number, or VMSG_ANY_NUM
 * @params: what it is like
 *
 * Return: the device, or NULL with errno set; what went wrong has been said.
 */
struct vmsg_device *vmsg_rng_add(struct vmsg_bus *bus, uint32_t num,
				 const struct vmsg_rng_params *params)
{
	const char *source = params->source ? params->source : VMSG_RNG_SOURCE;
	uint16_t size = params->queue_size ? params->queue_size :
					     VMSG_RNG_QUEUE;
	struct vmsg_device_desc desc = {
		.name = "rng",
		.ops = &vmsg_rng_ops,
		.device_id = VIRTIO_ID_RNG,
		.num_queues = 1,
		.queue_sizes = &size,
	};
	struct vmsg_device *dev = NULL;
	struct vmsg_rng *rng = calloc(1, sizeof(*rng));
	int error;

	if (!rng)
		return NULL;
	rng->fd = -1;
	rng->seed = params->seed;
	rng->state = params->seed;
	memcpy(desc.uuid, params->uuid, sizeof(desc.uuid));
	desc.priv = rng;
	if (!params->seeded) {
		rng->fd = open(source, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		if (rng->fd < 0) {
			error = errno;
			vmsg_warn("rng: cannot open %s: %s; name another source",
				  source, strerror(error));
			goto err;
		}
	}
	dev = vmsg_device_add(bus, num, &desc);
	if (dev)
		return dev;
	error = errno;
	vmsg_warn("rng: cannot be device %lld: %s; choose another number",
		  num == VMSG_ANY_NUM ? -1LL : (long long)num, strerror(error));
	if (rng->fd >= 0)
		close(rng->fd);
err:
	free(rng);
	errno = error;
	return NULL;
}

static int vmsg_rng_set(void *params, const char *key, const char *value)
{
	struct vmsg_rng_params *rng = params;

	if (!strcmp(key, "source")) {
		rng->source = value;
		return *value ? 0 : -EINVAL;
	}
	if (!strcmp(key, "seed")) {
		rng->seeded = true;
		return vmsg_number(value, UINT64_MAX, &rng->seed);
	}
	if (!strcmp(key, "queue-size"))
		return vmsg_number_u32(value, 32768, &rng->queue_size);
	return -ENOENT;
}

static struct vmsg_device *vmsg_rng_make(struct vmsg_bus *bus, uint32_t num,
					 const uint8_t uuid[16], void *params)
{
	struct vmsg_rng_params *rng = params;

	memcpy(rng->uuid, uuid, sizeof(rng->uuid));
	return vmsg_rng_add(bus, num, rng);
}

const struct vmsg_model vmsg_rng_model = {
	.name = "rng",
	.help =
"  --rng [KEY=VALUE[,KEY=VALUE]...]   entropy source\n"
"      source=PATH      where entropy comes from (/dev/urandom)\n"
"      seed=N           a fixed sequence instead, for tests\n"
"      queue-size=N     descriptors of its queue (64)\n",
	.ops = &vmsg_rng_ops,
	.params_size = sizeof(struct vmsg_rng_params),
	.set = vmsg_rng_set,
	.add = vmsg_rng_make,
};
