// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * libvmsg: numbers that somebody has written, for all who read options.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "models.h"

/**
 * vmsg_number() - read a number, perhaps with K, M or G behind it
 * @text: what is written
 * @max: largest value that makes sense
 * @value: the number
 *
 * Return: 0, -EINVAL or -ERANGE.
 */
int vmsg_number(const char *text, uint64_t max, uint64_t *value)
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

/**
 * vmsg_number_u32() - the same for 32 bits
 * @text: what is written
 * @max: largest value that makes sense
 * @value: the number
 *
 * Return: 0, -EINVAL or -ERANGE.
 */
int vmsg_number_u32(const char *text, uint32_t max, uint32_t *value)
{
	uint64_t number;
	int ret;

	ret = vmsg_number(text, max, &number);
	if (!ret)
		*value = number;
	return ret;
}
