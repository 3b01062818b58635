// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * What a vhost-user front end has to know of the kinds of devices.
 */
#include <endian.h>
#include <string.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_net.h>

#include "internal.h"
#include "vhost_kind.h"
#include "vhost_proto.h"

/* Younger than some virtio_net.h: VIRTIO_NET_F_DEVICE_STATS. */
#define VHOST_NET_F_STATS	50

/*
 * Of a network device, what needs a control queue (that is the front end's in
 * vhost-user) or what the configuration space has to say. The rest is between
 * driver and back end.
 */
#define VHOST_NET_HIDDEN						\
	(VMSG_BIT(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS) |			\
	 VMSG_BIT(VIRTIO_NET_F_MTU) | VMSG_BIT(VIRTIO_NET_F_MAC) |	\
	 VMSG_BIT(VIRTIO_NET_F_STATUS) | VMSG_BIT(VIRTIO_NET_F_CTRL_VQ) | \
	 VMSG_BIT(VIRTIO_NET_F_CTRL_RX) | VMSG_BIT(VIRTIO_NET_F_CTRL_VLAN) | \
	 VMSG_BIT(VIRTIO_NET_F_CTRL_RX_EXTRA) |				\
	 VMSG_BIT(VIRTIO_NET_F_GUEST_ANNOUNCE) |			\
	 VMSG_BIT(VIRTIO_NET_F_MQ) |					\
	 VMSG_BIT(VIRTIO_NET_F_CTRL_MAC_ADDR) | 0xf8ULL << 48 |		\
	 VMSG_BIT(VHOST_NET_F_STATS) | VMSG_BIT(VIRTIO_NET_F_HASH_REPORT) | \
	 VMSG_BIT(VIRTIO_NET_F_RSS) | VMSG_BIT(VIRTIO_NET_F_STANDBY) |	\
	 VMSG_BIT(VIRTIO_NET_F_SPEED_DUPLEX))

/* Bytes of configuration space; those of virtio_net.h etc. may be younger. */
#define VHOST_BLK_CONFIG	36u
#define VHOST_BLK_CONFIG_DISCARD 48u
#define VHOST_BLK_CONFIG_ZEROES	60u
#define VHOST_BLK_CONFIG_ERASE	72u
#define VHOST_BLK_CONFIG_ZONED	96u
#define VHOST_BLK_SIZE_MAX	8u
#define VHOST_BLK_NUM_QUEUES	34u
#define VHOST_BLK_F_ERASE	16
#define VHOST_BLK_F_ZONED	17
#define VHOST_NET_CONFIG	12u
#define VHOST_NET_CONFIG_PAIRS	8u
#define VHOST_NET_CONFIG_MTU	10u
#define VHOST_FS_TAG		36u
#define VHOST_FS_CONFIG		40u

static const struct vhost_kind vhost_kinds[] = {
	{ "net", VIRTIO_ID_NET, 2, VHOST_NET_CONFIG, VHOST_NET_HIDDEN, true },
	{ "blk", VIRTIO_ID_BLOCK, 1, VHOST_BLK_CONFIG, 0, false },
	{ "console", VIRTIO_ID_CONSOLE, 2, 12, 0, false },
	{ "rng", VIRTIO_ID_RNG, 1, 0, 0, false },
	{ "scsi", VIRTIO_ID_SCSI, 3, 36, 0, false },
	{ "gpu", VIRTIO_ID_GPU, 2, 16, 0, false },
	{ "input", VIRTIO_ID_INPUT, 2, 136, 0, false },
	{ "vsock", VIRTIO_ID_VSOCK, 3, 8, 0, false },
	{ "crypto", VIRTIO_ID_CRYPTO, 2, 56, 0, false },
	{ "sound", VIRTIO_ID_SOUND, 4, 12, 0, false },
	{ "fs", VIRTIO_ID_FS, 2, VHOST_FS_CONFIG, 0, false },
	{ "i2c", VIRTIO_ID_I2C_ADAPTER, 1, 0, 0, false },
	{ "gpio", VIRTIO_ID_GPIO, 2, 8, 0, false },
};

/**
 * vhost_kind_find() - a kind by its name
 * @name: its name
 *
 * Return: the kind, or NULL.
 */
const struct vhost_kind *vhost_kind_find(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(vhost_kinds); i++) {
		if (!strcmp(vhost_kinds[i].name, name))
			return &vhost_kinds[i];
	}
	return NULL;
}

/**
 * vhost_kind_guess() - the kind by what a back end offers
 * @features: the features
 * @has_config: it has a configuration space
 *
 * Only what no other kind can look like is taken for something.
 *
 * Return: the kind, or NULL.
 */
const struct vhost_kind *vhost_kind_guess(uint64_t features, bool has_config)
{
	const uint64_t blk = VMSG_BIT(VIRTIO_BLK_F_BLK_SIZE) |
			     VMSG_BIT(VIRTIO_BLK_F_FLUSH) |
			     VMSG_BIT(VIRTIO_BLK_F_TOPOLOGY);

	if (has_config && (features & blk) == blk)
		return vhost_kind_find("blk");
	if (!has_config && features & VMSG_BIT(VIRTIO_NET_F_MRG_RXBUF))
		return vhost_kind_find("net");
	return NULL;
}

/**
 * vhost_kind_config_size() - how long is the configuration space?
 * @kind: the kind
 * @features: what the back end offers
 *
 * A back end refuses to read more than it has.
 *
 * Return: bytes.
 */
uint32_t vhost_kind_config_size(const struct vhost_kind *kind,
				uint64_t features)
{
	if (kind->device_id != VIRTIO_ID_BLOCK)
		return kind->config_size;
	if (features & VMSG_BIT(VHOST_BLK_F_ZONED))
		return VHOST_BLK_CONFIG_ZONED;
	if (features & VMSG_BIT(VHOST_BLK_F_ERASE))
		return VHOST_BLK_CONFIG_ERASE;
	if (features & VMSG_BIT(VIRTIO_BLK_F_WRITE_ZEROES))
		return VHOST_BLK_CONFIG_ZEROES;
	if (features & VMSG_BIT(VIRTIO_BLK_F_DISCARD))
		return VHOST_BLK_CONFIG_DISCARD;
	return kind->config_size;
}

/**
 * vhost_kind_own_config() - a configuration space made of options
 * @kind: the kind
 * @params: the options
 * @config: where to put it, VHOST_CONFIG_MAX zeros
 * @features: features that it needs are added
 *
 * Return: bytes of it, 0 = it is not for the front end to make.
 */
uint32_t vhost_kind_own_config(const struct vhost_kind *kind,
			       const struct vmsg_vhost_params *params,
			       uint8_t *config, uint64_t *features)
{
	uint16_t mtu = htole16(params->mtu), pairs = htole16(params->queues);
	uint32_t requests;

	switch (kind->device_id) {
	case VIRTIO_ID_NET:
		if (params->has_mac) {
			memcpy(config, params->mac, sizeof(params->mac));
			*features |= VMSG_BIT(VIRTIO_NET_F_MAC);
		}
		if (params->mtu) {
			memcpy(config + VHOST_NET_CONFIG_MTU, &mtu,
			       sizeof(mtu));
			*features |= VMSG_BIT(VIRTIO_NET_F_MTU);
		}
		if (params->queues > 1) {
			memcpy(config + VHOST_NET_CONFIG_PAIRS, &pairs,
			       sizeof(pairs));
			*features |= VMSG_BIT(VIRTIO_NET_F_CTRL_VQ) |
				     VMSG_BIT(VIRTIO_NET_F_MQ);
		}
		return VHOST_NET_CONFIG;
	case VIRTIO_ID_FS:
		if (!params->tag)
			return 0;
		/* All queues but the first one, which is for urgent matters. */
		requests = htole32(params->queues > 1 ? params->queues - 1 : 1);
		memcpy(config, params->tag, strnlen(params->tag, VHOST_FS_TAG));
		memcpy(config + VHOST_FS_TAG, &requests, sizeof(requests));
		return VHOST_FS_CONFIG;
	default:
		return 0;
	}
}

/**
 * vhost_kind_void_features() - what is offered and has no meaning
 * @kind: the kind
 * @config: the configuration space
 *
 * That a segment has 0 bytes at most is QEMU's way to say that there is no limit.
 * Linux makes that 64 KiB, and a large request more work than it has to be.
 *
 * Return: features to hide.
 */
uint64_t vhost_kind_void_features(const struct vhost_kind *kind,
				  const uint8_t *config)
{
	uint32_t size_max;

	memcpy(&size_max, config + VHOST_BLK_SIZE_MAX, sizeof(size_max));
	return kind->device_id == VIRTIO_ID_BLOCK && !size_max ?
		       VMSG_BIT(VIRTIO_BLK_F_SIZE_MAX) : 0;
}

/**
 * vhost_kind_queues() - how many queues does a back end want to have?
 * @kind: the kind
 * @features: what it offers
 * @config: its configuration space
 *
 * Return: the number, not checked.
 */
uint32_t vhost_kind_queues(const struct vhost_kind *kind, uint64_t features,
			   const uint8_t *config)
{
	uint16_t num;

	if (kind->device_id != VIRTIO_ID_BLOCK ||
	    !(features & VMSG_BIT(VIRTIO_BLK_F_MQ)))
		return kind->queues;
	memcpy(&num, config + VHOST_BLK_NUM_QUEUES, sizeof(num));
	return le16toh(num);
}

/**
 * vhost_kind_limit_queues() - let the driver see no more queues than there are
 * @kind: the kind
 * @queues: how many there are
 * @config: its configuration space
 */
void vhost_kind_limit_queues(const struct vhost_kind *kind, uint32_t queues,
			     uint8_t *config)
{
	uint16_t num = htole16(queues);

	if (kind->device_id == VIRTIO_ID_BLOCK &&
	    vhost_kind_queues(kind, VMSG_BIT(VIRTIO_BLK_F_MQ), config) > queues)
		memcpy(config + VHOST_BLK_NUM_QUEUES, &num, sizeof(num));
}
