// SPDX-License-Identifier: GPL-2.0
/*
 * The secure side of the FF-A tests: disks in this side's own memory, two queues
 * each. There is one disk for each partition.
 *
 * A text in sector MAILBOX that begins with "!" is a command, see
 * partition_command(); the sector then says "done" or "what?". That is how a test
 * in the guest has devices come and go, or answers be wrong.
 */
#include <string.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>

#include "secure.h"

#define SECTOR		512
#define MAX_SECTORS	9216
#define MAILBOX		8000
#define MAX_SEGMENTS	(MAX_CHAIN - 2)

static u8 disks[2][MAX_SECTORS][SECTOR];

static u64 capacity(const struct device *dev)
{
	return get64(dev->config);
}

static void look_into_mailbox(struct partition *p, u8 *mail)
{
	const char *answer;

	if (mail[0] != '!')
		return;
	mail[SECTOR - 1] = 0;
	answer = partition_command(p, (const char *)mail + 1) ? "done\n" : "what?\n";
	memset(mail, 0, SECTOR);
	memcpy(mail, answer, strlen(answer));
}

/* Copies all of a request but its head and its status. */
static u32 transfer(struct partition *p, struct device *dev,
		    const struct chain *chain, u64 sector, bool write, u8 *status)
{
	u8 *disk = disks[p != partitions][0];
	u32 len = chain_len(chain, !write);

	/* The head goes away, or the status. */
	len -= write ? sizeof(struct virtio_blk_outhdr) : 1;
	if (len % SECTOR || sector > capacity(dev) ||
	    len / SECTOR > capacity(dev) - sector) {
		violation("disk: %u bytes at sector %llu of %llu", len, sector,
			  capacity(dev));
		*status = VIRTIO_BLK_S_IOERR;
		return 0;
	}
	disk += sector * SECTOR;
	if (write) {
		if (chain_read(p, chain, sizeof(struct virtio_blk_outhdr), disk,
			       len) != len)
			*status = VIRTIO_BLK_S_IOERR;
		look_into_mailbox(p, disks[p != partitions][MAILBOX]);
		return 0;
	}
	if (chain_write(p, chain, 0, disk, len) != len)
		*status = VIRTIO_BLK_S_IOERR;
	return len;
}

static u32 serial(struct partition *p, const struct chain *chain)
{
	char id[VIRTIO_BLK_ID_BYTES] = "secure-disk";
	u32 len = chain_len(chain, true) - 1;

	return chain_write(p, chain, 0, id, len < sizeof(id) ? len : sizeof(id));
}

static u32 blk_request(struct partition *p, struct device *dev,
		       unsigned int index, const struct chain *chain)
{
	u32 room = chain_len(chain, true), written = 0;
	struct virtio_blk_outhdr hdr;
	u8 status = VIRTIO_BLK_S_OK;

	if (!room || chain_read(p, chain, 0, &hdr, sizeof(hdr)) != sizeof(hdr)) {
		violation("disk: a request without head or status");
		return 0;
	}
	switch (hdr.type) {
	case VIRTIO_BLK_T_IN:
		written = transfer(p, dev, chain, hdr.sector, false, &status);
		break;
	case VIRTIO_BLK_T_OUT:
		transfer(p, dev, chain, hdr.sector, true, &status);
		break;
	case VIRTIO_BLK_T_FLUSH:
		break;
	case VIRTIO_BLK_T_GET_ID:
		written = serial(p, chain);
		break;
	default:
		status = VIRTIO_BLK_S_UNSUPP;
	}
	chain_write(p, chain, room - 1, &status, 1);
	return written + 1;
}

void blk_init(struct device *dev, u32 sectors)
{
	struct virtio_blk_config config = {
		.capacity = sectors < MAX_SECTORS ? sectors : MAX_SECTORS,
		.seg_max = MAX_SEGMENTS,
		.blk_size = SECTOR,
		.num_queues = 2,
	};

	memcpy(dev->config, &config, sizeof(config) < CONFIG_SIZE ?
	       sizeof(config) : CONFIG_SIZE);
}

const struct model blk_model = {
	.type = VIRTIO_ID_BLOCK,
	.features = 1ull << VIRTIO_BLK_F_SEG_MAX | 1ull << VIRTIO_BLK_F_BLK_SIZE |
		    1ull << VIRTIO_BLK_F_FLUSH | 1ull << VIRTIO_BLK_F_MQ,
	.queues = 2,
	.config_size = offsetof(struct virtio_blk_config, max_discard_sectors),
	.request = blk_request,
};
