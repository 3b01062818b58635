// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * virtio-msg-vhost-user: vhost-user back ends as devices of this machine.
 */
#include <errno.h>
#include <getopt.h>
#include <string.h>

#include "models.h"
#include "opts.h"
#include "program.h"
#include "vhost_user.h"

#define MAIN_VERSION	"0.1"
#define MAIN_MAX	256u
/* How long the kernel waits for an answer, and the most we let a back end. */
#define MAIN_TIMEOUT_MS	5000

enum {
	OPT_SOCKET = 1,
	OPT_DEVICE,
	OPT_NUM,
	OPT_QUEUES,
	OPT_QUEUE_SIZE,
	OPT_MAC,
	OPT_MTU,
	OPT_TAG,
	OPT_LINK,
	OPT_POOL_SIZE,
	OPT_TIMEOUT_MS,
	OPT_FEATURES,
	OPT_STATS,
	OPT_HELP,
	OPT_VERSION,
};

static const struct option main_options[] = {
	{ "socket", required_argument, NULL, OPT_SOCKET },
	{ "device", required_argument, NULL, OPT_DEVICE },
	{ "num", required_argument, NULL, OPT_NUM },
	{ "queues", required_argument, NULL, OPT_QUEUES },
	{ "queue-size", required_argument, NULL, OPT_QUEUE_SIZE },
	{ "mac", required_argument, NULL, OPT_MAC },
	{ "mtu", required_argument, NULL, OPT_MTU },
	{ "tag", required_argument, NULL, OPT_TAG },
	{ "link", required_argument, NULL, OPT_LINK },
	{ "pool-size", required_argument, NULL, OPT_POOL_SIZE },
	{ "timeout-ms", required_argument, NULL, OPT_TIMEOUT_MS },
	{ "features", required_argument, NULL, OPT_FEATURES },
	{ "stats", no_argument, NULL, OPT_STATS },
	{ "help", no_argument, NULL, OPT_HELP },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ 0 },
};

static const char main_help[] =
"Usage: virtio-msg-vhost-user --socket PATH [OPTION]... [--socket PATH ...]\n"
"Let this machine's kernel use vhost-user back ends as its devices.\n"
"\n"
"A device, as often as you like; the options behind it are about this one:\n"
"  --socket PATH        where the back end listens; start it first\n"
"  --device KIND        net, blk, console, rng, scsi, gpu, input, vsock, crypto,\n"
"                       sound, fs, i2c or gpio (of most blk and net back ends\n"
"                       it is found out)\n"
"  --num N              device number (the lowest one that is free)\n"
"  --queues N           number of queues (as many as the back end has); net: of\n"
"                       queue pairs (1)\n"
"  --queue-size N       descriptors of each, a power of two (256)\n"
"  --mac ADDRESS        net: its address (the driver takes a random one)\n"
"  --mtu BYTES          net: its largest packet\n"
"  --tag TAG            fs: what to mount it by\n"
"\n"
"The bus:\n"
"  --link PATH          device node of the loopback bus (/dev/virtio-msg-lb)\n"
"  --pool-size BYTES    memory shared with kernel and back ends (32M)\n"
"  --timeout-ms MS      how long the kernel waits for an answer (5000)\n"
"  --features LIST      ring features to offer if the back end has them, from\n"
"                       left to right: [no-]indirect, event-idx, packed,\n"
"                       in-order, ring-reset, all\n"
"                       (indirect,event-idx,ring-reset)\n"
"\n"
"  --stats              print counters at the end\n"
"  --help, --version\n"
"\n"
"BYTES may end in K, M or G. When all is set up, a line 'ready: BUS, devices\n"
"NUM...' is printed. SIGTERM and SIGINT end it. See virtio-msg-vhost-user(1).\n";

struct main_state {
	struct vmsg_loopback_params lb;
	struct vmsg_bus_params bus_params;
	uint64_t features;
	bool stats;
	struct {
		struct vmsg_vhost_params params;
		uint32_t num;
	} devices[MAIN_MAX];
	unsigned int num_devices;

	struct program program;
};

static int main_mac(const char *text, uint8_t mac[6])
{
	char end;

	if (sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%c", &mac[0],
		   &mac[1], &mac[2], &mac[3], &mac[4], &mac[5], &end) == 6 &&
	    !(mac[0] & 1))
		return 0;
	vmsg_warn("--mac cannot be '%s'; it looks like 52:54:00:12:34:56",
		  text);
	return -EINVAL;
}

/* An option about the device whose socket came last. */
static int main_device_option(struct main_state *state, int opt,
			      const char *name)
{
	struct vmsg_vhost_params *params;
	uint64_t number = 0;
	uint16_t size;
	int ret = 0;

	if (!state->num_devices) {
		vmsg_warn("--%s: of which device? Say --socket PATH before",
			  name);
		return -EINVAL;
	}
	params = &state->devices[state->num_devices - 1].params;
	switch (opt) {
	case OPT_DEVICE:
		params->device = optarg;
		break;
	case OPT_NUM:
		ret = program_number(name, optarg, VMSG_MAX_DEVICES - 1, &number);
		state->devices[state->num_devices - 1].num = number;
		break;
	case OPT_QUEUES:
		ret = program_number(name, optarg, 256, &number);
		params->queues = number;
		break;
	case OPT_QUEUE_SIZE:
		ret = vmsg_kit_queue_size(optarg, &size);
		if (ret)
			vmsg_warn("--queue-size cannot be '%s': a power of two from 4 to 32768",
				  optarg);
		else
			params->queue_size = size;
		break;
	case OPT_MAC:
		params->has_mac = true;
		return main_mac(optarg, params->mac);
	case OPT_MTU:
		ret = program_number(name, optarg, 65535, &number);
		params->mtu = number;
		break;
	default:
		params->tag = optarg;
		if (strlen(optarg) <= 36)
			break;
		vmsg_warn("--tag cannot be '%s': it is longer than 36 bytes",
			  optarg);
		ret = -EINVAL;
	}
	return ret;
}

static int main_add_socket(struct main_state *state, const char *path)
{
	if (state->num_devices == MAIN_MAX) {
		vmsg_warn("more than %u devices; start the program twice",
			  MAIN_MAX);
		return -E2BIG;
	}
	state->devices[state->num_devices].params.path = path;
	state->devices[state->num_devices++].num = VMSG_ANY_NUM;
	return 0;
}

/* Returns 1 when there is nothing more to do. */
static int main_option(struct main_state *state, int opt, const char *name)
{
	uint64_t number;
	int ret;

	switch (opt) {
	case OPT_SOCKET:
		return main_add_socket(state, optarg);
	case OPT_LINK:
		state->lb.path = optarg;
		return 0;
	case OPT_POOL_SIZE:
		return program_number(name, optarg, UINT64_MAX,
				   &state->lb.pool_size);
	case OPT_TIMEOUT_MS:
		ret = program_number(name, optarg, UINT32_MAX, &number);
		if (!ret)
			state->lb.timeout_ms = number;
		return ret;
	case OPT_FEATURES:
		return opts_features(optarg, &state->features);
	case OPT_STATS:
		state->stats = true;
		return 0;
	case OPT_HELP:
		fputs(main_help, stdout);
		return 1;
	case OPT_VERSION:
		puts("virtio-msg-vhost-user " MAIN_VERSION
		     ", virtio-msg transport revision 1");
		return 1;
	case '?':
		return -EINVAL;
	default:
		return main_device_option(state, opt, name);
	}
}

static int main_parse(struct main_state *state, int argc, char **argv)
{
	int opt, index = 0, ret = 0;

	while (!ret && (opt = getopt_long(argc, argv, "", main_options,
					  &index)) != -1)
		ret = main_option(state, opt, main_options[index].name);
	if (ret)
		return ret;
	if (optind < argc) {
		vmsg_warn("'%s' is not an option; try --help", argv[optind]);
		return -EINVAL;
	}
	if (!state->num_devices) {
		vmsg_warn("there is no device; say --socket PATH");
		return -EINVAL;
	}
	return 0;
}

static int main_open(struct main_state *state)
{
	struct vmsg_link *link;
	int ret;

	ret = program_open(&state->program);
	if (ret)
		return ret;
	link = vmsg_loopback_open(&state->lb);
	if (!link)
		return -errno;
	/* A queue of the back end's can be stopped with what vhost-user has. */
	state->bus_params.features = state->features &
				     VMSG_BIT(VMSG_F_RING_RESET);
	state->bus_params.messages = true;
	return program_add_bus(&state->program, link, &state->bus_params);
}

static int main_start(struct main_state *state)
{
	struct vmsg_vhost_params *params;
	unsigned int i;

	for (i = 0; i < state->num_devices; i++) {
		params = &state->devices[i].params;
		params->features = state->features;
		/* Whoever waits for us must not be the first to lose patience. */
		params->wait_ms = (state->lb.timeout_ms ? state->lb.timeout_ms :
				   MAIN_TIMEOUT_MS) * 3ULL / 5;
		if (!vmsg_vhost_add(state->program.bus, state->devices[i].num,
				    params))
			return -errno;
	}
	program_ready(&state->program);
	return 0;
}

int main(int argc, char **argv)
{
	static struct main_state state = {
		.features = VMSG_RING_FEATURES_DEFAULT,
		.program.signals.fd = -1,
	};
	int ret;

	vmsg_log_name = "virtio-msg-vhost-user";
	ret = main_parse(&state, argc, argv);
	if (ret)
		return ret < 0 ? 2 : 0;
	program_protect();
	ret = main_open(&state);
	if (!ret)
		ret = main_start(&state);
	if (!ret) {
		ret = vmsg_loop_run(state.program.loop);
		if (state.stats)
			vmsg_bus_print_stats(state.program.bus, stdout);
		program_leave(&state.program);
	}
	program_close(&state.program);
	return ret ? 1 : 0;
}
