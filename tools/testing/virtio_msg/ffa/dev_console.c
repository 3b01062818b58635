// SPDX-License-Identifier: GPL-2.0
/*
 * The secure side of the FF-A tests: a console. It keeps the last line that it got,
 * and says what it is told to. Never both at once by itself: Linux writes to a
 * console with a lock held, which who takes an answer needs.
 */
#include <string.h>
#include <linux/virtio_ids.h>

#include "secure.h"

#define QUEUE_IN	0
#define QUEUE_OUT	1

/* Of the one console that there is: the line that comes, and the last one */
static char line[80];
static unsigned int line_len;
static char heard[80];
static char out[80];
static unsigned int out_first, out_last;

void console_reset(void)
{
	line_len = 0;
	heard[0] = 0;
	out_first = 0;
	out_last = 0;
}

/* Until the end of a line; what does not fit is lost. */
void console_say(const char *text)
{
	for (; *text && *text != '\n' && out_last - out_first < sizeof(out) - 1; text++)
		out[out_last++ % sizeof(out)] = *text;
	out[out_last++ % sizeof(out)] = '\n';
}

bool console_heard(const char *text)
{
	return parse_word(&text, heard) && (!*text || *text == '\n');
}

static void take(struct partition *p, const struct chain *chain)
{
	u32 len = chain_len(chain, false), at;
	char c;

	for (at = 0; at < len; at++) {
		if (!chain_read(p, chain, at, &c, 1))
			return;
		if (c == '\n') {
			line[line_len] = 0;
			memcpy(heard, line, sizeof(heard));
			line_len = 0;
		} else if (c != '\r' && line_len < sizeof(line) - 1) {
			line[line_len++] = c;
		}
	}
}

static u32 console_request(struct partition *p, struct device *dev,
			   unsigned int index, const struct chain *chain)
{
	u32 room = chain_len(chain, true), n;

	if (index == QUEUE_OUT) {
		take(p, chain);
		return 0;
	}
	for (n = 0; n < room && out_first != out_last; n++, out_first++) {
		if (!chain_write(p, chain, n, &out[out_first % sizeof(out)], 1))
			break;
	}
	return n;
}

static bool console_ready(struct device *dev)
{
	return out_first != out_last;
}

const struct model console_model = {
	.type = VIRTIO_ID_CONSOLE,
	.queues = 2,
	.request = console_request,
	.ready = console_ready,
};
