// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * libvmsg tests: a model's device as somebody has described it, and its driver.
 */
#include <stdlib.h>
#include <string.h>

#include "opts.h"
#include "spec.h"

char spec_said[4096];
static FILE *spec_stdout;

static struct vmsg_device *spec_add(struct bench *b, const char *model,
				    const char *text)
{
	struct vmsg_device *dev = NULL;
	char copy[8192];

	snprintf(copy, sizeof(copy), "%s", text);
	return opts_add(b->bus, model, copy, &dev) ? NULL : dev;
}

/* A bench with this device. */
struct vmsg_device *spec_open(struct bench *b, const char *model,
			      const char *text)
{
	const struct bench_params params = {
		.ring_features = VMSG_RING_FEATURES,
	};
	struct vmsg_device *dev;

	bench_open(b, &params);
	dev = spec_add(b, model, text);
	if (!dev)
		abort();
	return dev;
}

/* Is this refused, and nothing left behind? */
bool spec_refused(const char *model, const char *text)
{
	const struct bench_params params = { 0 };
	const char *name = vmsg_log_name;
	struct bench b;
	bool refused;

	bench_open(&b, &params);
	vmsg_log_name = NULL;
	refused = !spec_add(&b, model, text) && !vmsg_bus_next(b.bus, 0);
	vmsg_log_name = name;
	bench_close(&b);
	return refused;
}

/* A driver comes, with @num queues of 16. */
void spec_run(struct bench *b, struct ring *rings, unsigned int num,
	      uint64_t features)
{
	unsigned int i;

	drv_negotiate(b, 0, features);
	for (i = 0; i < num; i++) {
		ring_place(&rings[i], b, 0, i, 16, false);
		ring_enable(&rings[i]);
	}
	drv_set_status(b, 0, S_RUNNING);
	bench_flush(b);
}

/* From here on spec_said has what is printed. */
void spec_listen(void)
{
	memset(spec_said, 0, sizeof(spec_said));
	spec_stdout = stdout;
	stdout = fmemopen(spec_said, sizeof(spec_said), "w");
}

/* Until here. */
void spec_listened(void)
{
	fclose(stdout);
	stdout = spec_stdout;
}

/* A command of the control FIFO. */
int spec_tell(struct bench *b, const char *word, const char *args)
{
	struct vmsg_device *dev = vmsg_bus_find(b->bus, 0);
	char copy[8192];
	int ret;

	snprintf(copy, sizeof(copy), "%s", args);
	spec_listen();
	ret = vmsg_model_of(dev)->command(dev, word, copy);
	bench_run(b);
	spec_listened();
	return ret;
}

/*
 * Bytes at OUT for the device to read, room at IN for it to write. Returns how
 * many it says to have written, or KEPT.
 */
uint32_t spec_ask(struct ring *r, const void *out, uint32_t out_len,
		  uint32_t in_len)
{
	struct seg segs[2] = { { OUT, out_len, 0 }, { IN, in_len, WRITE } };
	unsigned int num = !!out_len + !!in_len;
	uint32_t id, used = 0;

	if (out)
		memcpy(bench_ptr(r->b, OUT), out, out_len);
	memset(bench_ptr(r->b, IN), 0xee, in_len + 16);
	ring_add(r, out_len ? segs : segs + 1, num, false);
	ring_kick(r);
	return ring_used(r, &id, &used) ? used : KEPT;
}

/* Does a buffer of these sizes stop the device, and nothing else? */
bool spec_breaks(struct ring *r, uint32_t out_len, uint32_t in_len)
{
	const char *name = vmsg_log_name;
	bool broken;

	vmsg_log_name = NULL;
	broken = spec_ask(r, NULL, out_len, in_len) == KEPT &&
		 drv_status(r->b, 0) == S_BROKEN;
	vmsg_log_name = name;
	return broken;
}
