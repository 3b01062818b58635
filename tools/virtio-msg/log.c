// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * libvmsg: words to the user, on stderr.
 *
 * A driver side that misbehaves must not be able to fill a log: after a number
 * of lines within a few seconds the rest is only counted.
 */
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "vmsg.h"

#define VMSG_LOG_LINES		20
#define VMSG_LOG_SECONDS	5

const char *vmsg_log_name = "libvmsg";

/**
 * vmsg_warn() - say something to the user
 * @fmt: as for printf(), without a line feed: what happened, to which device,
 *	what to do next
 */
void vmsg_warn(const char *fmt, ...)
{
	static unsigned long lines, lost;
	static time_t since;
	struct timespec now;
	va_list args;

	if (!vmsg_log_name)
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (now.tv_sec - since >= VMSG_LOG_SECONDS) {
		since = now.tv_sec;
		lines = 0;
		if (lost)
			fprintf(stderr, "%s: %lu more messages not shown\n",
				vmsg_log_name, lost);
		lost = 0;
	}
	if (++lines > VMSG_LOG_LINES) {
		lost++;
		return;
	}
	fprintf(stderr, "%s: ", vmsg_log_name);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
}
