// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * libvmsg: the list of device models. A new one adds a line here, one in
 * models.h and one in the Makefile.
 */
#include <string.h>

#include "models.h"

const struct vmsg_model * const vmsg_models[] = {
	&vmsg_9p_model,
	&vmsg_balloon_model,
	&vmsg_blk_model,
	&vmsg_console_model,
	&vmsg_gpio_model,
	&vmsg_i2c_model,
	&vmsg_input_model,
	&vmsg_net_model,
	&vmsg_none_model,
	&vmsg_rng_model,
	&vmsg_scsi_model,
	&vmsg_vsock_model,
	NULL
};

/**
 * vmsg_model_find() - look for a model
 * @name: its name
 *
 * Return: the model, or NULL.
 */
const struct vmsg_model *vmsg_model_find(const char *name)
{
	const struct vmsg_model * const *model;

	for (model = vmsg_models; *model; model++) {
		if (!strcmp((*model)->name, name))
			break;
	}
	return *model;
}

/**
 * vmsg_model_of() - what kind of device is this?
 * @dev: any device
 *
 * Return: its model, NULL if it is none of these.
 */
const struct vmsg_model *vmsg_model_of(const struct vmsg_device *dev)
{
	const struct vmsg_model * const *model;

	for (model = vmsg_models; *model; model++) {
		if ((*model)->ops == vmsg_device_ops(dev))
			break;
	}
	return *model;
}
