// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * A complete virtio device in a program: a disk that shouts. Whatever is written
 * comes back in capital letters. Write to its end, and it is twice as large.
 *
 *	modprobe virtio_msg_loopback
 *	./example_shout &
 *	echo hello > /dev/vda
 *	head -n 1 /dev/vda
 *
 * Documentation/userspace-api/virtio-msg-device.rst takes it apart.
 */
#include <ctype.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_ids.h>

#include "vmsg.h"

#define SECTOR		512
#define MOST_SECTORS	2048

struct shout {
	struct vmsg_device *dev;
	struct virtio_blk_config config;
	uint64_t sectors;
	char bytes[MOST_SECTORS * SECTOR];
};

static void shout_resize(struct shout *shout, uint64_t sectors)
{
	shout->sectors = sectors;
	shout->config.capacity = htole64(sectors);
	vmsg_device_config_changed(shout->dev, 0, 8, VMSG_CONFIG_DATA);
}

static void shout_write(struct shout *shout, struct vmsg_elem *elem,
			size_t pos, size_t len)
{
	size_t i;

	vmsg_iov_read(elem->out, elem->out_num, shout->bytes + pos, len);
	for (i = pos; i < pos + len; i++)
		shout->bytes[i] = toupper((unsigned char)shout->bytes[i]);
	if (pos + len == shout->sectors * SECTOR &&
	    shout->sectors < MOST_SECTORS)
		shout_resize(shout, shout->sectors * 2);
}

/* All but the header and the status are data. Returns the status. */
static uint8_t shout_request(struct shout *shout, struct vmsg_elem *elem,
			     const struct virtio_blk_outhdr *hdr)
{
	bool write = le32toh(hdr->type) == VIRTIO_BLK_T_OUT;
	size_t len = write ? elem->out_len - sizeof(*hdr) : elem->in_len - 1;
	uint64_t sector = le64toh(hdr->sector);

	if (!write && le32toh(hdr->type) != VIRTIO_BLK_T_IN)
		return VIRTIO_BLK_S_UNSUPP;
	if (sector > shout->sectors ||
	    len > (shout->sectors - sector) * SECTOR)
		return VIRTIO_BLK_S_IOERR;
	if (write) {
		vmsg_iov_cut_front(&elem->out, &elem->out_num, sizeof(*hdr));
		shout_write(shout, elem, sector * SECTOR, len);
	} else {
		vmsg_iov_write(elem->in, elem->in_num,
			       shout->bytes + sector * SECTOR, len);
	}
	return VIRTIO_BLK_S_OK;
}

/* The driver has put requests into the queue. */
static void shout_queue(struct vmsg_device *dev, struct vmsg_vq *vq)
{
	struct virtio_blk_outhdr hdr;
	struct vmsg_elem *elem;
	uint8_t status;

	while ((elem = vmsg_vq_pop(vq))) {
		if (vmsg_iov_read(elem->out, elem->out_num, &hdr,
				  sizeof(hdr)) < sizeof(hdr) || !elem->in_len) {
			vmsg_vq_broken(vq, "this is no request");
			return;
		}
		status = shout_request(vmsg_device_priv(dev), elem, &hdr);
		vmsg_iov_cut_front(&elem->in, &elem->in_num, elem->in_len - 1);
		vmsg_iov_write(elem->in, elem->in_num, &status, 1);
		vmsg_vq_push(vq, elem, elem->in_len);
	}
}

static void shout_config_read(struct vmsg_device *dev, uint32_t offset,
			      void *buf, uint32_t len)
{
	struct shout *shout = vmsg_device_priv(dev);

	memcpy(buf, (char *)&shout->config + offset, len);
}

static const struct vmsg_device_ops shout_ops = {
	.queue = shout_queue,
	.config_read = shout_config_read,
};

static void shout_dead(void *arg, int error)
{
	vmsg_loop_stop(arg, error);
}

int main(void)
{
	static struct shout shout;
	const uint16_t queue_sizes[] = { 64 };
	const struct vmsg_device_desc desc = {
		.name = "shout",
		.ops = &shout_ops,
		.priv = &shout,
		.device_id = VIRTIO_ID_BLOCK,
		.config_size = sizeof(shout.config),
		.num_queues = 1,
		.queue_sizes = queue_sizes,
	};
	const struct vmsg_loopback_params link_params = { .pool_size = 1 << 20 };
	struct vmsg_loop *loop = vmsg_loop_new();
	const struct vmsg_bus_params bus_params = {
		.features = VMSG_RING_FEATURES_DEFAULT,
		.dead = shout_dead,
		.arg = loop,
	};
	struct vmsg_link *link;
	struct vmsg_bus *bus;

	vmsg_log_name = "example_shout";
	link = loop ? vmsg_loopback_open(&link_params) : NULL;
	bus = link ? vmsg_bus_new(loop, link, &bus_params) : NULL;
	if (bus)
		shout.dev = vmsg_device_add(bus, 0, &desc);
	if (!shout.dev) {
		vmsg_warn("cannot make a device: %s", strerror(errno));
		return EXIT_FAILURE;
	}
	shout_resize(&shout, 128);
	printf("ready: %s, devices 0\n", link->name);
	fflush(stdout);
	return vmsg_loop_run(loop) ? EXIT_FAILURE : EXIT_SUCCESS;
}
