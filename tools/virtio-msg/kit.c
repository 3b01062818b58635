// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * libvmsg: what device models do alike: get onto a bus, and tell whoever gave a
 * command something on stdout.
 */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "models.h"

/**
 * vmsg_kit_add() - put a model's device onto a bus
 * @bus: the bus
 * @num: device number, or VMSG_ANY_NUM
 * @uuid: its UUID
 * @desc: all the rest
 *
 * Return: the device, or NULL with errno set; what went wrong has been said.
 */
struct vmsg_device *vmsg_kit_add(struct vmsg_bus *bus, uint32_t num,
				 const uint8_t uuid[16],
				 struct vmsg_device_desc *desc)
{
	struct vmsg_device *dev;
	int error;

	memcpy(desc->uuid, uuid, sizeof(desc->uuid));
	dev = vmsg_device_add(bus, num, desc);
	if (dev)
		return dev;
	error = errno;
	vmsg_warn("%s: cannot be device %lld: %s; choose another number",
		  desc->name, num == VMSG_ANY_NUM ? -1LL : (long long)num,
		  strerror(error));
	errno = error;
	return NULL;
}

/**
 * vmsg_kit_queue_size() - read the value of a key queue-size
 * @text: what is written
 * @size: descriptors, a power of two from 4 to 32768
 *
 * Return: 0, -EINVAL or -ERANGE.
 */
int vmsg_kit_queue_size(const char *text, uint16_t *size)
{
	uint32_t number;
	int ret = vmsg_number_u32(text, 32768, &number);

	if (ret)
		return ret;
	*size = number;
	return number < 4 || number & (number - 1) ? -EINVAL : 0;
}

/**
 * vmsg_kit_say() - a line on stdout
 * @fmt: as for printf(), without a line feed
 */
void vmsg_kit_say(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
}
