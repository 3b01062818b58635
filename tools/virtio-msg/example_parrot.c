// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * A complete virtio device in a program: a parrot at the other end of a terminal.
 * It says every line backwards. Call it small or big, and the terminal changes.
 *
 *	modprobe virtio_msg_loopback
 *	./example_parrot &
 *	stty -F /dev/hvc0 raw -echo && cat /dev/hvc0 &
 *	echo hello > /dev/hvc0
 *
 * Documentation/userspace-api/virtio-msg-device.rst takes it apart.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <linux/virtio_console.h>
#include <linux/virtio_ids.h>

#include "vmsg.h"

#define EARS	1	/* Queues of a console: the driver writes here, */
#define BEAK	0	/* and reads here. */

struct parrot {
	struct vmsg_device *dev;
	struct virtio_console_config config;
	char heard[80], said[80], saying[1024];
	size_t heard_len, saying_len;
};

/* Whenever there are words and buffers for them. The others wait. */
static void parrot_speak(struct parrot *parrot, struct vmsg_vq *beak)
{
	struct vmsg_elem *elem;
	size_t len;

	while (parrot->saying_len && (elem = vmsg_vq_pop(beak))) {
		len = vmsg_iov_write(elem->in, elem->in_num, parrot->saying,
				     parrot->saying_len);
		vmsg_vq_push(beak, elem, len);
		parrot->saying_len -= len;
		memmove(parrot->saying, parrot->saying + len,
			parrot->saying_len);
	}
	vmsg_vq_notify(beak);
}

static void parrot_resize(struct parrot *parrot, uint16_t cols, uint16_t rows)
{
	parrot->config.cols = htole16(cols);
	parrot->config.rows = htole16(rows);
	vmsg_device_config_changed(parrot->dev, 0, 4, VMSG_CONFIG_DATA);
}

static void parrot_think(struct parrot *parrot)
{
	size_t i, len = parrot->heard_len;

	/* A terminal with echo says all that it says back to it. */
	if (!len || (len == strlen(parrot->said) &&
		     !memcmp(parrot->heard, parrot->said, len)))
		return;
	if (len == 5 && !memcmp(parrot->heard, "small", len))
		parrot_resize(parrot, 20, 5);
	if (len == 3 && !memcmp(parrot->heard, "big", len))
		parrot_resize(parrot, 200, 50);
	for (i = 0; i < len; i++)
		parrot->said[i] = parrot->heard[len - 1 - i];
	parrot->said[len] = '\0';
	if (parrot->saying_len + len + 2 > sizeof(parrot->saying))
		return;
	memcpy(parrot->saying + parrot->saying_len, parrot->said, len);
	memcpy(parrot->saying + parrot->saying_len + len, "\r\n", 2);
	parrot->saying_len += len + 2;
}

static void parrot_hear(struct parrot *parrot, struct vmsg_vq *ears)
{
	struct vmsg_elem *elem;
	char c;

	while ((elem = vmsg_vq_pop(ears))) {
		while (vmsg_iov_read(elem->out, elem->out_num, &c, 1)) {
			vmsg_iov_cut_front(&elem->out, &elem->out_num, 1);
			if (c == '\n' || c == '\r') {
				parrot_think(parrot);
				parrot->heard_len = 0;
			} else if (parrot->heard_len < sizeof(parrot->heard) - 1) {
				parrot->heard[parrot->heard_len++] = c;
			}
		}
		vmsg_vq_push(ears, elem, 0);
	}
	parrot_speak(parrot, vmsg_device_vq(parrot->dev, BEAK));
}

static void parrot_queue(struct vmsg_device *dev, struct vmsg_vq *vq)
{
	if (vmsg_vq_index(vq) == EARS)
		parrot_hear(vmsg_device_priv(dev), vq);
	else
		parrot_speak(vmsg_device_priv(dev), vq);
}

static void parrot_config_read(struct vmsg_device *dev, uint32_t offset,
			       void *buf, uint32_t len)
{
	struct parrot *parrot = vmsg_device_priv(dev);

	memcpy(buf, (char *)&parrot->config + offset, len);
}

static int parrot_reset(struct vmsg_device *dev)
{
	struct parrot *parrot = vmsg_device_priv(dev);

	parrot->heard_len = 0;
	parrot->saying_len = 0;
	return 0;
}

static const struct vmsg_device_ops parrot_ops = {
	.queue = parrot_queue,
	.config_read = parrot_config_read,
	.reset = parrot_reset,
};

static void parrot_dead(void *arg, int error)
{
	vmsg_loop_stop(arg, error);
}

int main(void)
{
	static struct parrot parrot = {
		.config = { .cols = 80, .rows = 25 },
	};
	const uint16_t queue_sizes[] = { 16, 16 };
	const struct vmsg_device_desc desc = {
		.name = "parrot",
		.ops = &parrot_ops,
		.priv = &parrot,
		.device_id = VIRTIO_ID_CONSOLE,
		.features[0] = VMSG_BIT(VIRTIO_CONSOLE_F_SIZE),
		.config_size = sizeof(parrot.config),
		.num_queues = 2,
		.queue_sizes = queue_sizes,
	};
	const struct vmsg_loopback_params link_params = { .pool_size = 1 << 20 };
	struct vmsg_loop *loop = vmsg_loop_new();
	const struct vmsg_bus_params bus_params = {
		.features = VMSG_RING_FEATURES_DEFAULT,
		.dead = parrot_dead,
		.arg = loop,
	};
	struct vmsg_link *link;
	struct vmsg_bus *bus;

	vmsg_log_name = "example_parrot";
	link = loop ? vmsg_loopback_open(&link_params) : NULL;
	bus = link ? vmsg_bus_new(loop, link, &bus_params) : NULL;
	if (bus)
		parrot.dev = vmsg_device_add(bus, 0, &desc);
	if (!parrot.dev) {
		vmsg_warn("cannot make a device: %s", strerror(errno));
		return EXIT_FAILURE;
	}
	printf("ready: %s, devices 0\n", link->name);
	fflush(stdout);
	return vmsg_loop_run(loop) ? EXIT_FAILURE : EXIT_SUCCESS;
}
