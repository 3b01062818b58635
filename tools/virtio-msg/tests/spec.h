/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/*
 * libvmsg tests: a model's device as somebody has described it, and its driver.
 * The device is always number 0 of its bench.
 */
#ifndef _SPEC_H
#define _SPEC_H

#include "harness.h"
#include "models.h"

/* Where buffers of these tests are, and where answers go. */
#define OUT	(POOL_ADDR + 0x100000)
#define IN	(POOL_ADDR + 0x200000)
#define WRITE	VRING_DESC_F_WRITE

struct vmsg_device *spec_open(struct bench *b, const char *model,
			      const char *text);
bool spec_refused(const char *model, const char *text);
void spec_run(struct bench *b, struct ring *rings, unsigned int num,
	      uint64_t features);
void spec_listen(void);
void spec_listened(void);
int spec_tell(struct bench *b, const char *word, const char *args);
uint32_t spec_ask(struct ring *r, const void *out, uint32_t out_len,
		  uint32_t in_len);
bool spec_breaks(struct ring *r, uint32_t out_len, uint32_t in_len);

/* What has been printed in spec_tell(), or between the other two. */
extern char spec_said[4096];

/* Returned by spec_ask() when the buffer does not come back. */
#define KEPT	0xffffffffu

#endif /* _SPEC_H */
