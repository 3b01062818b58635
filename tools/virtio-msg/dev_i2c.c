// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * libvmsg: an I2C bus (virtio-i2c) with one chip on it, an EEPROM like a 24c02:
 * 256 bytes in pages of 8.
 *
 * The first byte of a write is the place; others are written from there and
 * stay in the page. A read goes on from the place and begins anew at the end.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/virtio_i2c.h>
#include <linux/virtio_ids.h>

#include "models.h"

#define VMSG_I2C_QUEUE_SIZE	64u
#define VMSG_I2C_ADDRESS	0x50u
#define VMSG_I2C_SIZE		256u
#define VMSG_I2C_PAGE		8u
/* Drivers have 16 bits for the length of a message. */
#define VMSG_I2C_MAX		65535u

struct vmsg_i2c_params {
	const char *path;
	uint32_t address;
};

struct vmsg_i2c {
	int fd;
	uint16_t address;
	/* The last request has failed and takes the next one with it. */
	bool fail_next;
	uint8_t place;
	uint8_t memory[VMSG_I2C_SIZE];
	uint8_t buf[VMSG_I2C_MAX];
};

static bool vmsg_i2c_write(struct vmsg_i2c *i2c, size_t len)
{
	uint8_t page;
	size_t i;

	if (!len)
		return true;
	i2c->place = i2c->buf[0];
	for (i = 1; i < len; i++) {
		i2c->memory[i2c->place] = i2c->buf[i];
		page = i2c->place & ~(VMSG_I2C_PAGE - 1);
		i2c->place = page | ((i2c->place + 1) & (VMSG_I2C_PAGE - 1));
	}
	return len == 1 || i2c->fd < 0 ||
	       pwrite(i2c->fd, i2c->memory, VMSG_I2C_SIZE, 0) == VMSG_I2C_SIZE;
}

static void vmsg_i2c_read(struct vmsg_i2c *i2c, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		i2c->buf[i] = i2c->memory[i2c->place++];
}

/* @elem has a header and a status byte. Returns if it succeeds. */
static bool vmsg_i2c_transfer(struct vmsg_i2c *i2c, struct vmsg_elem *elem,
			      const struct virtio_i2c_out_hdr *hdr)
{
	bool read = le32toh(hdr->flags) & VIRTIO_I2C_FLAGS_M_RD;
	size_t out = elem->out_len - sizeof(*hdr);
	size_t in = elem->in_len - 1;

	/* Nobody else is there; and the lowest bit is not for the address. */
	if (i2c->fail_next || le16toh(hdr->addr) != i2c->address << 1)
		return false;
	if ((read ? out : in) || in > VMSG_I2C_MAX || out > VMSG_I2C_MAX)
		return false;
	if (read) {
		vmsg_i2c_read(i2c, in);
		vmsg_iov_write(elem->in, elem->in_num, i2c->buf, in);
		return true;
	}
	vmsg_iov_cut_front(&elem->out, &elem->out_num, sizeof(*hdr));
	vmsg_iov_read(elem->out, elem->out_num, i2c->buf, out);
	return vmsg_i2c_write(i2c, out);
}

static void vmsg_i2c_queue(struct vmsg_device *dev, struct vmsg_vq *vq)
{
	struct vmsg_i2c *i2c = vmsg_device_priv(dev);
	struct virtio_i2c_out_hdr hdr;
	struct vmsg_elem *elem;
	uint8_t status;
	size_t len;
	bool good;

	while ((elem = vmsg_vq_pop(vq))) {
		len = elem->in_len;
		if (vmsg_iov_read(elem->out, elem->out_num, &hdr,
				  sizeof(hdr)) < sizeof(hdr) || !len) {
			vmsg_vq_broken(vq, "no header, or no place for a status");
			return;
		}
		good = vmsg_i2c_transfer(i2c, elem, &hdr);
		if (!good)
			vmsg_iov_zero(elem->in, elem->in_num);
		i2c->fail_next = !good && le32toh(hdr.flags) &
					  VIRTIO_I2C_FLAGS_FAIL_NEXT;
		status = good ? VIRTIO_I2C_MSG_OK : VIRTIO_I2C_MSG_ERR;
		/* The status is the last byte, whatever is before it. */
		vmsg_iov_cut_front(&elem->in, &elem->in_num, len - 1);
		vmsg_iov_write(elem->in, elem->in_num, &status, 1);
		vmsg_vq_push(vq, elem, len);
	}
}

static int vmsg_i2c_features_ok(struct vmsg_device *dev,
				const uint64_t features[2])
{
	(void)dev;
	return features[0] & VMSG_BIT(VIRTIO_I2C_F_ZERO_LENGTH_REQUEST) ?
	       0 : -EINVAL;
}

static int vmsg_i2c_reset(struct vmsg_device *dev)
{
	struct vmsg_i2c *i2c = vmsg_device_priv(dev);

	i2c->fail_next = false;
	return 0;
}

static void vmsg_i2c_free(struct vmsg_i2c *i2c)
{
	if (i2c->fd >= 0)
		close(i2c->fd);
	free(i2c);
}

static void vmsg_i2c_release(struct vmsg_device *dev)
{
	vmsg_i2c_free(vmsg_device_priv(dev));
}

static const struct vmsg_device_ops vmsg_i2c_ops = {
	.queue = vmsg_i2c_queue,
	.features_ok = vmsg_i2c_features_ok,
	.reset = vmsg_i2c_reset,
	.release = vmsg_i2c_release,
};

/* What a file has too little is as new: ones. */
static int vmsg_i2c_open(struct vmsg_i2c *i2c, const char *path)
{
	i2c->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (i2c->fd < 0 || pread(i2c->fd, i2c->memory, VMSG_I2C_SIZE, 0) < 0)
		return -errno;
	return 0;
}

static int vmsg_i2c_set(void *params, const char *key, const char *value)
{
	struct vmsg_i2c_params *i2c = params;
	int ret;

	if (!strcmp(key, "address")) {
		/* Others than these are not for chips. */
		ret = vmsg_number_u32(value, 0x77, &i2c->address);
		return !ret && i2c->address < 0x08 ? -ERANGE : ret;
	}
	if (!strcmp(key, "file")) {
		i2c->path = value;
		return *value ? 0 : -EINVAL;
	}
	return -ENOENT;
}

static struct vmsg_device *vmsg_i2c_add(struct vmsg_bus *bus, uint32_t num,
					const uint8_t uuid[16], void *params)
{
	static const uint16_t size = VMSG_I2C_QUEUE_SIZE;
	const struct vmsg_i2c_params *ask = params;
	struct vmsg_device_desc desc = {
		.name = "i2c",
		.ops = &vmsg_i2c_ops,
		.device_id = VIRTIO_ID_I2C_ADAPTER,
		.features[0] = VMSG_BIT(VIRTIO_I2C_F_ZERO_LENGTH_REQUEST),
		.num_queues = 1,
		.queue_sizes = &size,
	};
	struct vmsg_i2c *i2c = calloc(1, sizeof(*i2c));
	struct vmsg_device *dev = NULL;
	int ret = 0;

	if (!i2c)
		return NULL;
	i2c->fd = -1;
	i2c->address = ask->address ? ask->address : VMSG_I2C_ADDRESS;
	memset(i2c->memory, 0xff, sizeof(i2c->memory));
	if (ask->path)
		ret = vmsg_i2c_open(i2c, ask->path);
	if (ret)
		vmsg_warn("i2c %s: cannot be used: %s; name a file that can be written",
			  ask->path, strerror(-ret));
	desc.priv = i2c;
	if (!ret)
		dev = vmsg_kit_add(bus, num, uuid, &desc);
	if (!ret && !dev)
		ret = -errno;
	if (ret)
		vmsg_i2c_free(i2c);
	errno = -ret;
	return dev;
}

const struct vmsg_model vmsg_i2c_model = {
	.name = "i2c",
	.help =
"  --i2c [KEY=VALUE[,KEY=VALUE]...]   I2C bus with an EEPROM of 256 bytes\n"
"      address=N        of the EEPROM, 0x08 to 0x77 (0x50)\n"
"      file=PATH        keep its bytes there (nowhere)\n",
	.ops = &vmsg_i2c_ops,
	.params_size = sizeof(struct vmsg_i2c_params),
	.set = vmsg_i2c_set,
	.add = vmsg_i2c_add,
};
