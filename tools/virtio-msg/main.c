// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * virtio-msg-device: virtio devices in a program.
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control.h"
#include "models.h"
#include "opts.h"
#include "program.h"

#define MAIN_VERSION	"0.1"
#define MAIN_MAX_SPECS	1024

enum {
	OPT_LINK = 1,
	OPT_POOL_SIZE,
	OPT_KERNEL_POOL,
	OPT_MAX_MSG_SIZE,
	OPT_STRICT,
	OPT_MESSAGES,
	OPT_TIMEOUT_MS,
	OPT_FEATURES,
	OPT_LEGACY_ENABLE,
	OPT_DIALECT,
	OPT_CONTROL,
	OPT_STATS,
	OPT_POLL,
	OPT_HELP,
	OPT_VERSION,
	/* Beyond, and beyond "?": the models, in the order of vmsg_models. */
	OPT_MODEL = 256,
};

static const struct option main_options[] = {
	{ "link", required_argument, NULL, OPT_LINK },
	{ "pool-size", required_argument, NULL, OPT_POOL_SIZE },
	{ "kernel-pool", no_argument, NULL, OPT_KERNEL_POOL },
	{ "max-msg-size", required_argument, NULL, OPT_MAX_MSG_SIZE },
	{ "strict-generation", no_argument, NULL, OPT_STRICT },
	{ "messages", no_argument, NULL, OPT_MESSAGES },
	{ "timeout-ms", required_argument, NULL, OPT_TIMEOUT_MS },
	{ "features", required_argument, NULL, OPT_FEATURES },
	{ "legacy-enable", no_argument, NULL, OPT_LEGACY_ENABLE },
	{ "dialect", required_argument, NULL, OPT_DIALECT },
	{ "control", required_argument, NULL, OPT_CONTROL },
	{ "stats", no_argument, NULL, OPT_STATS },
	{ "poll", required_argument, NULL, OPT_POLL },
	{ "help", no_argument, NULL, OPT_HELP },
	{ "version", no_argument, NULL, OPT_VERSION },
};

static const char main_help_start[] =
"Usage: virtio-msg-device [OPTION]...\n"
"Be one or more virtio devices for this machine's kernel, or for a virtual\n"
"machine.\n"
"\n"
"Devices, each as often as you like, with KEY=VALUE,... for all of them:\n"
"  num=N            device number (the lowest one that is free)\n"
"  uuid=UUID        UUID of the device (none)\n"
"and by their kind:\n";

static const char main_help_end[] =
"\n"
"The bus:\n"
"  --link loopback[:PATH]   this machine's kernel (/dev/virtio-msg-lb)\n"
"  --link ivshmem:SOCKET[,KEY=VALUE]...   QEMU with -device ivshmem-doorbell\n"
"      format=layout    queues with a header and a state; or spsc, bare ones\n"
"      notif=N/M        N bits for notifications, M for each device (64/4);\n"
"                       notif=off = notifications are messages\n"
"  --pool-size BYTES        memory shared with the driver side (32M)\n"
"  --kernel-pool            loopback: let the kernel make that memory\n"
"  --max-msg-size BYTES     loopback: largest message (264)\n"
"  --strict-generation      loopback: refuse configuration writes that come too\n"
"                           late\n"
"  --messages               notify by messages instead of eventfds or bits\n"
"  --timeout-ms MS          loopback: how long the kernel waits for an answer\n"
"  --features LIST          ring features to offer, from left to right:\n"
"                           [no-]indirect, event-idx, packed, in-order,\n"
"                           ring-reset, notification-data, all\n"
"                           (indirect,event-idx,ring-reset)\n"
"  --legacy-enable          serve drivers without the queue enable bit\n"
"  --dialect 1|rfc          transport revision 1, or the RFC of late 2025 (1)\n"
"\n"
"  --control PATH           take commands from a FIFO, one a line: add, remove,\n"
"                           needs-reset, stats, quit, and those of the models\n"
"  --poll N                 look N times for more to do before going to sleep\n"
"                           (1 on a machine with one processor, else 0)\n"
"  --stats                  print counters at the end\n"
"  --help, --version\n"
"\n"
"BYTES may end in K, M or G. When all is set up, a line 'ready: BUS, devices\n"
"NUM...' is printed. SIGTERM and SIGINT end it. See virtio-msg-device(1).\n";

struct main_state {
	/* The one that is used, if it is not the loopback. */
	bool ivshmem;
	struct vmsg_ivshmem_params iv;
	struct vmsg_loopback_params lb;
	/* The last option that makes sense for the loopback only. */
	const char *lb_only;
	struct vmsg_bus_params bus_params;
	const char *control_path;
	bool stats;
	struct {
		const char *model;
		char *text;
	} specs[MAIN_MAX_SPECS];
	unsigned int num_specs;

	struct program program;
	struct control *control;
};

static int main_add_spec(struct main_state *state, const char *model,
			 char *text)
{
	if (state->num_specs == MAIN_MAX_SPECS) {
		vmsg_warn("more than %d devices; add the others by --control",
			  MAIN_MAX_SPECS);
		return -E2BIG;
	}
	state->specs[state->num_specs].model = model;
	state->specs[state->num_specs++].text = text;
	return 0;
}

static int main_link(struct main_state *state, char *text)
{
	char *path = strchr(text, ':');

	if (path)
		*path++ = '\0';
	state->ivshmem = !strcmp(text, "ivshmem");
	if (state->ivshmem)
		return opts_ivshmem(path ? path : text + strlen(text),
				    &state->iv);
	if (!strcmp(text, "loopback")) {
		state->lb.path = path;
		return 0;
	}
	vmsg_warn("no link is called '%s'; there are loopback[:PATH] and ivshmem:SOCKET",
		  text);
	return -EINVAL;
}

static int main_dialect(struct main_state *state, const char *text)
{
	state->bus_params.rfc = !strcmp(text, "rfc");
	if (state->bus_params.rfc || !strcmp(text, "1"))
		return 0;
	vmsg_warn("no dialect is called '%s'; there are 1 and rfc", text);
	return -EINVAL;
}

static void main_print_help(void)
{
	const struct vmsg_model * const *model;

	fputs(main_help_start, stdout);
	for (model = vmsg_models; *model; model++)
		fputs((*model)->help, stdout);
	fputs(main_help_end, stdout);
}

/* The options of getopt_long(): ours and one for each model, or NULL. */
static struct option *main_make_options(void)
{
	struct option *options, *option;
	size_t i, num = 0;

	while (vmsg_models[num])
		num++;
	options = calloc(1, sizeof(main_options) +
			    (num + 1) * sizeof(*options));
	if (!options)
		return NULL;
	memcpy(options, main_options, sizeof(main_options));
	option = options + sizeof(main_options) / sizeof(*main_options);
	for (i = 0; i < num; i++, option++) {
		option->name = vmsg_models[i]->name;
		option->has_arg = optional_argument;
		option->val = OPT_MODEL + i;
	}
	return options;
}

/* Returns 1 when there is nothing more to do. */
static int main_option(struct main_state *state, int opt, int argc,
		       char **argv)
{
	static char none[1];
	uint64_t number;
	int ret = 0;

	if (opt >= OPT_MODEL) {
		/* "--rng SPEC" as well as "--rng=SPEC" and "--rng" alone */
		if (!optarg && optind < argc && argv[optind][0] != '-')
			optarg = argv[optind++];
		return main_add_spec(state, vmsg_models[opt - OPT_MODEL]->name,
				     optarg ? optarg : none);
	}
	switch (opt) {
	case OPT_LINK:
		return main_link(state, optarg);
	case OPT_POOL_SIZE:
		ret = program_number("pool-size", optarg, UINT64_MAX, &number);
		if (!ret) {
			state->lb.pool_size = number;
			state->iv.pool_size = number;
		}
		break;
	case OPT_KERNEL_POOL:
		state->lb_only = "kernel-pool";
		state->lb.kernel_pool = true;
		break;
	case OPT_MAX_MSG_SIZE:
		state->lb_only = "max-msg-size";
		ret = program_number("max-msg-size", optarg, UINT32_MAX, &number);
		if (!ret)
			state->lb.max_msg_size = number;
		break;
	case OPT_STRICT:
		/* VIRTIO_MSG_F_STRICT_CONFIG_GENERATION is bit 0. */
		state->lb_only = "strict-generation";
		state->lb.features |= VMSG_BIT(0);
		break;
	case OPT_MESSAGES:
		state->bus_params.messages = true;
		state->iv.messages = true;
		break;
	case OPT_TIMEOUT_MS:
		state->lb_only = "timeout-ms";
		ret = program_number("timeout-ms", optarg, UINT32_MAX, &number);
		if (!ret)
			state->lb.timeout_ms = number;
		break;
	case OPT_FEATURES:
		return opts_features(optarg, &state->bus_params.features);
	case OPT_LEGACY_ENABLE:
		state->bus_params.legacy_enable = true;
		break;
	case OPT_DIALECT:
		return main_dialect(state, optarg);
	case OPT_CONTROL:
		state->control_path = optarg;
		break;
	case OPT_STATS:
		state->stats = true;
		break;
	case OPT_POLL:
		ret = program_number("poll", optarg, UINT32_MAX, &number);
		if (!ret)
			state->bus_params.looks = number;
		break;
	case OPT_HELP:
		main_print_help();
		return 1;
	case OPT_VERSION:
		puts("virtio-msg-device " MAIN_VERSION
		     ", virtio-msg transport revision 1");
		return 1;
	default:
		return -EINVAL;
	}
	return ret;
}

static int main_parse(struct main_state *state, int argc, char **argv)
{
	struct option *options = main_make_options();
	int opt, ret = options ? 0 : -ENOMEM;

	while (!ret &&
	       (opt = getopt_long(argc, argv, "", options, NULL)) != -1)
		ret = main_option(state, opt, argc, argv);
	free(options);
	if (ret)
		return ret;
	if (optind < argc) {
		vmsg_warn("'%s' is not an option; try --help", argv[optind]);
		return -EINVAL;
	}
	if (!state->num_specs && !state->control_path) {
		vmsg_warn("there is no device; say --blk, --rng or another one of --help, or --control to add some later");
		return -EINVAL;
	}
	if (state->ivshmem && state->lb_only) {
		vmsg_warn("--%s is for --link loopback only",
			  state->lb_only);
		return -EINVAL;
	}
	if (!state->ivshmem && state->bus_params.rfc) {
		vmsg_warn("--dialect rfc is for --link ivshmem only");
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
	link = state->ivshmem ? vmsg_ivshmem_open(&state->iv) :
				vmsg_loopback_open(&state->lb);
	if (!link)
		return -errno;
	return program_add_bus(&state->program, link, &state->bus_params);
}

static int main_start(struct main_state *state)
{
	struct vmsg_bus *bus = state->program.bus;
	struct vmsg_device *dev;
	unsigned int i;
	int ret;

	for (i = 0; i < state->num_specs; i++) {
		ret = opts_add(bus, state->specs[i].model,
			       state->specs[i].text, &dev);
		if (ret)
			return ret;
	}
	state->control = control_open(bus, state->control_path);
	if (!state->control)
		return -EINVAL;
	program_ready(&state->program);
	return 0;
}

int main(int argc, char **argv)
{
	static struct main_state state = {
		.bus_params.features = VMSG_RING_FEATURES_DEFAULT,
		.program.signals.fd = -1,
	};
	int ret;

	vmsg_log_name = "virtio-msg-device";
	/* The only processor is what the driver needs to give us more. */
	state.bus_params.looks = sysconf(_SC_NPROCESSORS_ONLN) == 1;
	ret = main_parse(&state, argc, argv);
	if (ret)
		return ret < 0 ? 2 : 0;
	/* Only of the loopback is the driver side in this kernel. */
	if (!state.ivshmem)
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
	control_close(state.control);
	program_close(&state.program);
	return ret ? 1 : 0;
}
