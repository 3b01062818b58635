// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * virtio-msg-device: what is written on its command line and control lines.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "models.h"
#include "opts.h"

/**
 * opts_number() - read a number, perhaps with K, M or G behind it
 * @text: what is written
 * @max: largest value that makes sense
 * @value: the number
 *
 * Return: 0, -EINVAL or -ERANGE.
 */
int opts_number(const char *text, uint64_t max, uint64_t *value)
{
	static const char units[] = "KMG";
	unsigned int shift = 0;
	const char *unit;
	char *end;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	errno = 0;
	*value = strtoull(text, &end, 0);
	if (errno)
		return -ERANGE;
	unit = *end ? strchr(units, toupper((unsigned char)*end)) : NULL;
	if (unit) {
		shift = 10 * (unit - units + 1);
		end++;
	}
	if (*end)
		return -EINVAL;
	if (*value > max >> shift)
		return -ERANGE;
	*value <<= shift;
	return 0;
}

static const struct {
	const char *name;
	unsigned int bit;
} opts_feature_names[] = {
	{ "indirect", VMSG_F_INDIRECT_DESC },
	{ "event-idx", VMSG_F_EVENT_IDX },
	{ "packed", VMSG_F_RING_PACKED },
	{ "in-order", VMSG_F_IN_ORDER },
	{ "notification-data", VMSG_F_NOTIFICATION_DATA },
	{ "ring-reset", VMSG_F_RING_RESET },
};

static int opts_feature(const char *name, size_t len, uint64_t *features)
{
	const size_t num = sizeof(opts_feature_names) /
			   sizeof(opts_feature_names[0]);
	bool off = len > 3 && !strncmp(name, "no-", 3);
	uint64_t bits = 0;
	size_t i;

	if (off) {
		name += 3;
		len -= 3;
	}
	if (len == 3 && !strncmp(name, "all", len))
		bits = VMSG_RING_FEATURES;
	for (i = 0; i < num; i++) {
		if (strlen(opts_feature_names[i].name) == len &&
		    !strncmp(opts_feature_names[i].name, name, len))
			bits = VMSG_BIT(opts_feature_names[i].bit);
	}
	if (!bits) {
		vmsg_warn("no ring feature is called '%.*s'; there are indirect, event-idx, packed, in-order, ring-reset, notification-data and all, each also with no- before it",
			  (int)len, name);
		return -EINVAL;
	}
	*features = off ? *features & ~bits : *features | bits;
	return 0;
}

/**
 * opts_features() - read which ring features to offer
 * @list: names with commas between them, from left to right; no- takes away
 * @features: VMSG_BIT() of each; changed as the list says
 *
 * Return: 0, or -EINVAL; what went wrong has been said.
 */
int opts_features(const char *list, uint64_t *features)
{
	size_t len;
	int ret;

	for (;;) {
		len = strcspn(list, ",");
		ret = opts_feature(list, len, features);
		if (ret || !list[len])
			return ret;
		list += len + 1;
	}
}

/* "off", or the bits there are, and perhaps those of each device. */
static int opts_notif(char *text, struct vmsg_ivshmem_params *params)
{
	char *each = strchr(text, '/');
	uint64_t number;
	int ret;

	if (!strcmp(text, "off")) {
		params->messages = true;
		return 0;
	}
	if (each)
		*each++ = '\0';
	ret = opts_number(text, 64, &number);
	params->num_notif = number;
	if (!ret && !number)
		ret = -ERANGE;
	if (ret || !each)
		return ret;
	ret = opts_number(each, 64, &number);
	params->notif_per_device = number;
	return !ret && !number ? -ERANGE : ret;
}

static int opts_set_ivshmem(struct vmsg_ivshmem_params *params,
			    const char *key, char *value)
{
	if (!strcmp(key, "notif"))
		return opts_notif(value, params);
	if (strcmp(key, "format"))
		return -ENOENT;
	params->spsc = !strcmp(value, "spsc");
	return params->spsc || !strcmp(value, "layout") ? 0 : -EINVAL;
}

/**
 * opts_ivshmem() - read how to reach a virtual machine
 * @spec: a path, and key=value with commas before them; is changed
 * @params: what it says; others are left alone
 *
 * Return: 0, or a negative errno value; what went wrong has been said.
 */
int opts_ivshmem(char *spec, struct vmsg_ivshmem_params *params)
{
	char *key, *value, *state;
	int ret;

	params->path = strtok_r(spec, ",", &state);
	if (!params->path) {
		vmsg_warn("there is no socket; say --link ivshmem:PATH, where the virtual machine has -chardev socket,path=PATH");
		return -EINVAL;
	}
	while ((key = strtok_r(NULL, ",", &state))) {
		value = strchr(key, '=');
		if (value)
			*value++ = '\0';
		else
			value = key + strlen(key);
		ret = opts_set_ivshmem(params, key, value);
		if (ret == -ENOENT)
			vmsg_warn("ivshmem has no option '%s'; there are format=layout, format=spsc, notif=off and notif=N/M",
				  key);
		else if (ret)
			vmsg_warn("ivshmem: '%s' is not possible for %s; see virtio-msg-device(1)",
				  value, key);
		if (ret)
			return ret;
	}
	return 0;
}

/* Everything that can be said about a device, whatever its model. */
struct opts_device {
	const char *model;
	uint32_t num;
	struct vmsg_blk_params blk;
	struct vmsg_rng_params rng;
	uint8_t uuid[16];
};

static int opts_uuid(const char *text, uint8_t uuid[16])
{
	unsigned int digits = 0;
	int c;

	for (; *text; text++) {
		if (*text == '-')
			continue;
		c = tolower((unsigned char)*text);
		if (!isxdigit(c) || digits == 32)
			return -EINVAL;
		c = isdigit(c) ? c - '0' : c - 'a' + 10;
		if (digits % 2)
			uuid[digits / 2] |= c;
		else
			uuid[digits / 2] = c << 4;
		digits++;
	}
	return digits == 32 ? 0 : -EINVAL;
}

static int opts_u32(const char *text, uint32_t max, uint32_t *value)
{
	uint64_t number;
	int ret;

	ret = opts_number(text, max, &number);
	if (!ret)
		*value = number;
	return ret;
}

static int opts_set_any(struct opts_device *opts, const char *key,
			const char *value)
{
	if (!strcmp(key, "num"))
		return opts_u32(value, VMSG_MAX_DEVICES - 1, &opts->num);
	if (!strcmp(key, "uuid"))
		return opts_uuid(value, opts->uuid);
	return -ENOENT;
}

static int opts_set_blk(struct opts_device *opts, const char *key,
			const char *value)
{
	struct vmsg_blk_params *blk = &opts->blk;

	if (!strcmp(key, "file")) {
		blk->path = value;
		return *value ? 0 : -EINVAL;
	}
	if (!strcmp(key, "size"))
		return opts_number(value, INT64_MAX, &blk->size);
	if (!strcmp(key, "queues"))
		return opts_u32(value, 256, &blk->queues);
	if (!strcmp(key, "queue-size"))
		return opts_u32(value, 32768, &blk->queue_size);
	if (!strcmp(key, "serial")) {
		blk->serial = value;
		return strlen(value) <= VMSG_BLK_SERIAL ? 0 : -ERANGE;
	}
	if (!strcmp(key, "ro")) {
		blk->read_only = true;
		return *value ? -EINVAL : 0;
	}
	return opts_set_any(opts, key, value);
}

static int opts_set_rng(struct opts_device *opts, const char *key,
			const char *value)
{
	struct vmsg_rng_params *rng = &opts->rng;

	if (!strcmp(key, "source")) {
		rng->source = value;
		return *value ? 0 : -EINVAL;
	}
	if (!strcmp(key, "seed")) {
		rng->seeded = true;
		return opts_number(value, UINT64_MAX, &rng->seed);
	}
	if (!strcmp(key, "queue-size"))
		return opts_u32(value, 32768, &rng->queue_size);
	return opts_set_any(opts, key, value);
}

/**
 * opts_add() - add a device as somebody has described it
 * @bus: the bus
 * @model: "blk" or "rng"
 * @spec: key=value with commas between them; is changed
 * @dev: the device
 *
 * Return: 0, or a negative errno value; what went wrong has been said.
 */
int opts_add(struct vmsg_bus *bus, const char *model, char *spec,
	     struct vmsg_device **dev)
{
	struct opts_device opts = { .num = VMSG_ANY_NUM };
	bool blk = !strcmp(model, "blk");
	char *key, *value, *state;
	int ret;

	if (!blk && strcmp(model, "rng")) {
		vmsg_warn("no device model is called '%s'; there are blk and rng",
			  model);
		return -EINVAL;
	}
	for (key = strtok_r(spec, ",", &state); key;
	     key = strtok_r(NULL, ",", &state)) {
		value = strchr(key, '=');
		if (value)
			*value++ = '\0';
		else
			value = key + strlen(key);
		ret = blk ? opts_set_blk(&opts, key, value) :
			    opts_set_rng(&opts, key, value);
		if (ret == -ENOENT)
			vmsg_warn("%s has no option '%s'; see --help", model,
				  key);
		else if (ret)
			vmsg_warn("%s: '%s' is not possible for %s: %s; see virtio-msg-device(1)",
				  model, value, key, strerror(-ret));
		if (ret)
			return ret;
	}
	if (blk && !opts.blk.path) {
		vmsg_warn("blk: there is no backing; say file=PATH");
		return -EINVAL;
	}
	memcpy(opts.blk.uuid, opts.uuid, sizeof(opts.uuid));
	memcpy(opts.rng.uuid, opts.uuid, sizeof(opts.uuid));
	*dev = blk ? vmsg_blk_add(bus, opts.num, &opts.blk) :
		     vmsg_rng_add(bus, opts.num, &opts.rng);
	return *dev ? 0 : -errno;
}
