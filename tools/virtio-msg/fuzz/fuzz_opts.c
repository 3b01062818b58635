// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * libvmsg fuzzing: what is written on the command line of virtio-msg-device and
 * into its control FIFO.
 *
 * The first byte of the input says which of the two parsers it is for, the rest
 * is text. Reading text must not reach anything outside: files and sockets
 * cannot be opened here.
 */
#include <errno.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../control.c"

#include "fuzz.h"
#include "link.h"

#define TEXT	1024u

static void add_disk(struct vmsg_bus *bus)
{
	static int disk = -1;
	struct vmsg_blk_params blk = { 0 };
	char path[32];

	if (disk < 0)
		disk = memfd_create("disk", MFD_CLOEXEC);
	fuzz_require(disk >= 0 && !ftruncate(disk, 4096));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", disk);
	blk.path = path;
	fuzz_may_open = true;
	fuzz_require(vmsg_blk_add(bus, 0, &blk));
	fuzz_may_open = false;
}

/* Lines, to a bus with a disk and nothing else. */
static void do_control(const char *text)
{
	static char line[TEXT];
	static struct fuzz_link l;
	struct control control = { .timer.fd = -1 };
	size_t len;

	link_open(&l, LINK_SIZE);
	add_disk(l.bench.bus);
	control.bus = l.bench.bus;
	while (*text) {
		len = strcspn(text, "\n");
		memcpy(line, text, len);
		line[len] = '\0';
		control_command(&control, line);
		vmsg_loop_once(l.bench.loop, 0);
		bench_flush(&l.bench);
		text += len + !!text[len];
	}
	control_leave_all(l.bench.bus);
	bench_run(&l.bench);
	fuzz_require(!control_reap(l.bench.bus, true));
	fuzz_require(!vmsg_bus_next(l.bench.bus, 0));
	link_close(&l);
}

/* A number, and the words that can be where numbers can. */
static void do_values(char *text)
{
	uint64_t features = VMSG_RING_FEATURES_DEFAULT, value, max;
	struct vmsg_ivshmem_params params = { 0 };

	for (max = UINT64_MAX; max; max >>= 9) {
		if (!vmsg_number(text, max, &value))
			fuzz_require(value <= max);
	}
	if (!opts_features(text, &features))
		fuzz_require(!(features & ~VMSG_RING_FEATURES));
	if (opts_ivshmem(text, &params))
		return;
	fuzz_require(params.path && params.num_notif <= 64 &&
		     params.notif_per_device <= 64);
}

int fuzz_test(const uint8_t *data, size_t size)
{
	static char text[TEXT];

	if (!stdout || !size || size >= TEXT)
		return 0;
	if (fileno(stdout) == STDOUT_FILENO &&
	    !freopen("/dev/null", "w", stdout))
		abort();
	vmsg_log_name = NULL;
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	if (data[0] & 1)
		do_control(text);
	else
		do_values(text);
	return 0;
}

size_t fuzz_seed(unsigned int n, uint8_t *data, size_t room)
{
	static const struct {
		uint8_t kind;
		const char *text;
	} seeds[] = {
		{ 0, "0x10" }, { 0, "18446744073709551615" },
		{ 0, "32M" },
		{ 0, "all,no-packed" }, { 0, "event-idx,indirect,in-order" },
		{ 0, "ring-reset,no-all,notification-data" },
		{ 0, "/tmp/sock,format=spsc" },
		{ 0, "s,notif=64/16,format=layout" },
		{ 0, "s,notif=off" },
		{ 1, "add rng seed=1,num=7,queue-size=128\nremove 7\n" },
		{ 1, "add rng seed=5,uuid=00112233-4455-6677-8899-aabbccddeeff" },
		{ 1, "add rng source=/dev/zero\nadd rng\nstats\n" },
		{ 1, "add blk file=x,size=1M,ro,queues=2,queue-size=16,serial=a" },
		{ 1, "resize 0 1M range\nresize 0 512 generic\nresize 0 0 data" },
		{ 1, "needs-reset 0\nstats\nquit\n# nothing\nremove 0\nresize 9" },
	};

	if (n >= ARRAY_SIZE(seeds))
		return 0;
	data[0] = seeds[n].kind;
	return 1 + snprintf((char *)data + 1, room - 1, "%s", seeds[n].text);
}
