// SPDX-License-Identifier: GPL-2.0
/*
 * The secure side of the FF-A tests: an entropy source that is none. Word n of
 * what it says is n and the number of the device, so that whoever reads can check
 * every byte, and miss what others have read. A buffer gets whole words.
 */
#include <linux/virtio_ids.h>

#include "secure.h"

static u32 rng_request(struct partition *p, struct device *dev,
		       unsigned int index, const struct chain *chain)
{
	u32 len = chain_len(chain, true) & ~3u, at;
	u8 word[4];

	for (at = 0; at < len; at += sizeof(word)) {
		put32(word, (u32)dev->num << 24 | (dev->state++ & 0xffffff));
		if (chain_write(p, chain, at, word, sizeof(word)) != sizeof(word))
			return at;
	}
	return len;
}

const struct model rng_model = {
	.type = VIRTIO_ID_RNG,
	.queues = 1,
	.request = rng_request,
};
