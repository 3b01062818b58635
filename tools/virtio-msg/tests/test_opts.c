// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * libvmsg tests: what is written on the command line about a link.
 */
#include <errno.h>
#include <string.h>

#include "harness.h"
#include "opts.h"

static int read_opts(const char *text, struct vmsg_ivshmem_params *params)
{
	static char copy[100];

	memset(params, 0, sizeof(*params));
	strcpy(copy, text);
	return opts_ivshmem(copy, params);
}

static void test_ivshmem(void)
{
	static const char * const bad[] = {
		"", ",", "s,notif", "s,notif=", "s,notif=0", "s,notif=65",
		"s,notif=-1", "s,notif=8/", "s,notif=8/0", "s,notif=8/65",
		"s,notif=8/2/1", "s,notif=on", "s,format", "s,format=",
		"s,format=other", "s,other", "s,other=1",
	};
	struct vmsg_ivshmem_params p;
	size_t i;

	ok(!read_opts("/tmp/sock", &p) && !strcmp(p.path, "/tmp/sock") &&
	   !p.spsc && !p.messages && !p.num_notif && !p.notif_per_device,
	   "a socket");
	ok(!read_opts("s,format=spsc", &p) && !strcmp(p.path, "s") && p.spsc,
	   "format=spsc");
	ok(!read_opts("s,format=spsc,format=layout", &p) && !p.spsc,
	   "format=layout");
	ok(!read_opts("s,notif=off", &p) && p.messages, "notif=off");
	ok(!read_opts("s,notif=8", &p) && p.num_notif == 8 &&
	   !p.notif_per_device && !p.messages, "notif=N");
	ok(!read_opts("s,notif=64/16,format=layout", &p) &&
	   p.num_notif == 64 && p.notif_per_device == 16, "notif=N/M");
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		ok(read_opts(bad[i], &p) < 0, "not '%s'", bad[i]);
}

int main(void)
{
	vmsg_log_name = NULL;
	test_ivshmem();
	return tap_end();
}
