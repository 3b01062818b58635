// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * A complete virtio device in a program: an entropy source for this machine.
 *
 *	modprobe virtio_msg_loopback
 *	./example_rng &
 *	cat /sys/class/misc/hw_random/rng_available
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <linux/virtio_ids.h>

#include "vmsg.h"

struct example {
	uint64_t bytes;
};

/* The driver has made buffers available: fill them and give them back. */
static void example_queue(struct vmsg_device *dev, struct vmsg_vq *vq)
{
	struct example *example = vmsg_device_priv(dev);
	struct vmsg_elem *elem;
	unsigned char buf[256];
	ssize_t len;

	while ((elem = vmsg_vq_pop(vq))) {
		len = getrandom(buf, sizeof(buf), 0);
		if (len < 0)
			len = 0;
		len = vmsg_iov_write(elem->in, elem->in_num, buf, len);
		example->bytes += len;
		vmsg_vq_push(vq, elem, len);
	}
}

/* The driver has gone, or begins anew. Nothing to forget here. */
static int example_reset(struct vmsg_device *dev)
{
	struct example *example = vmsg_device_priv(dev);

	printf("reset after %llu bytes\n", (unsigned long long)example->bytes);
	example->bytes = 0;
	return 0;
}

static const struct vmsg_device_ops example_ops = {
	.queue = example_queue,
	.reset = example_reset,
};

static void example_dead(void *arg, int error)
{
	vmsg_loop_stop(arg, error);
}

int main(void)
{
	const struct vmsg_loopback_params params = { .pool_size = 1 << 20 };
	const uint16_t queue_sizes[] = { 16 };
	struct example example = { 0 };
	const struct vmsg_device_desc desc = {
		.name = "example",
		.ops = &example_ops,
		.priv = &example,
		.device_id = VIRTIO_ID_RNG,
		.num_queues = 1,
		.queue_sizes = queue_sizes,
	};
	struct vmsg_loop *loop = vmsg_loop_new();
	const struct vmsg_bus_params bus_params = {
		.features = VMSG_RING_FEATURES_DEFAULT,
		.dead = example_dead,
		.arg = loop,
	};
	struct vmsg_link *link;
	struct vmsg_bus *bus;

	vmsg_log_name = "example_rng";
	link = loop ? vmsg_loopback_open(&params) : NULL;
	if (!link)
		return EXIT_FAILURE;
	bus = vmsg_bus_new(loop, link, &bus_params);
	if (!bus || !vmsg_device_add(bus, 0, &desc)) {
		vmsg_warn("cannot make a device: %s", strerror(errno));
		return EXIT_FAILURE;
	}
	printf("ready: %s, devices 0\n", link->name);
	fflush(stdout);
	vmsg_loop_run(loop);
	vmsg_bus_free(bus);
	vmsg_loop_free(loop);
	return EXIT_FAILURE;
}
