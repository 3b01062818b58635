// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * libvmsg fuzzing: what an input says must not reach anything outside. Files and
 * sockets can be opened only while the target itself wants one.
 */
#include <errno.h>
#include <fcntl.h>

#include "fuzz.h"

bool fuzz_may_open;

int __wrap_open64(const char *path, int flags, ...)
{
	if (fuzz_may_open)
		return __real_open64(path, flags & ~O_CREAT);
	errno = EACCES;
	return -1;
}

int __wrap_open(const char *path, int flags, ...)
{
	return __wrap_open64(path, flags);
}

int __wrap_socket(int domain, int type, int protocol)
{
	if (fuzz_may_open)
		return __real_socket(domain, type, protocol);
	errno = EACCES;
	return -1;
}
