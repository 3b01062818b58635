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
	ret = vmsg_number(text, 64, &number);
	params->num_notif = number;
	if (!ret && !number)
		ret = -ERANGE;
	if (ret || !each)
		return ret;
	ret = vmsg_number(each, 64, &number);
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

/* What can be said about every device. */
struct opts_any {
	uint32_t num;
	uint8_t uuid[16];
};

static int opts_set(const struct vmsg_model *model, struct opts_any *any,
		    void *params, const char *key, const char *value)
{
	if (!strcmp(key, "num"))
		return vmsg_number_u32(value, VMSG_MAX_DEVICES - 1, &any->num);
	if (!strcmp(key, "uuid"))
		return opts_uuid(value, any->uuid);
	return model->set(params, key, value);
}

static int opts_read(const struct vmsg_model *model, char *spec,
		     struct opts_any *any, void *params)
{
	char *key, *value, *state;
	int ret;

	for (key = strtok_r(spec, ",", &state); key;
	     key = strtok_r(NULL, ",", &state)) {
		value = strchr(key, '=');
		if (value)
			*value++ = '\0';
		else
			value = key + strlen(key);
		ret = opts_set(model, any, params, key, value);
		if (ret == -ENOENT)
			vmsg_warn("%s has no option '%s'; see --help",
				  model->name, key);
		else if (ret)
			vmsg_warn("%s: '%s' is not possible for %s: %s; see virtio-msg-device(1)",
				  model->name, value, key, strerror(-ret));
		if (ret)
			return ret;
	}
	return 0;
}

/**
 * opts_add() - add a device as somebody has described it
 * @bus: the bus
 * @name: of its model
 * @spec: key=value with commas between them; is changed
 * @dev: the device
 *
 * Return: 0, or a negative errno value; what went wrong has been said.
 */
int opts_add(struct vmsg_bus *bus, const char *name, char *spec,
	     struct vmsg_device **dev)
{
	const struct vmsg_model *model = vmsg_model_find(name);
	struct opts_any any = { .num = VMSG_ANY_NUM };
	void *params;
	int ret;

	if (!model) {
		vmsg_warn("no device model is called '%s'; see --help", name);
		return -EINVAL;
	}
	params = calloc(1, model->params_size);
	if (!params)
		return -ENOMEM;
	ret = opts_read(model, spec, &any, params);
	if (!ret) {
		*dev = model->add(bus, any.num, any.uuid, params);
		if (!*dev)
			ret = -errno;
	}
	free(params);
	return ret;
}
