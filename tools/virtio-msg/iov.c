// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * libvmsg: memory in pieces.
 */
#include <string.h>

#include "vmsg.h"

static size_t vmsg_iov_min(size_t a, size_t b)
{
	return a < b ? a : b;
}

/**
 * vmsg_iov_read() - copy from the beginning of some pieces
 * @iov: the pieces
 * @num: how many
 * @buf: where to
 * @len: bytes
 *
 * Return: bytes that were there, at most @len.
 */
size_t vmsg_iov_read(const struct iovec *iov, unsigned int num, void *buf,
		     size_t len)
{
	size_t done = 0, part;

	for (; num && done < len; iov++, num--) {
		part = vmsg_iov_min(iov->iov_len, len - done);
		memcpy((char *)buf + done, iov->iov_base, part);
		done += part;
	}
	return done;
}

/**
 * vmsg_iov_write() - copy to the beginning of some pieces
 * @iov: the pieces
 * @num: how many
 * @buf: where from
 * @len: bytes
 *
 * Return: bytes that there was room for, at most @len.
 */
size_t vmsg_iov_write(const struct iovec *iov, unsigned int num,
		      const void *buf, size_t len)
{
	size_t done = 0, part;

	for (; num && done < len; iov++, num--) {
		part = vmsg_iov_min(iov->iov_len, len - done);
		memcpy(iov->iov_base, (const char *)buf + done, part);
		done += part;
	}
	return done;
}

/**
 * vmsg_iov_zero() - fill pieces with zeros
 * @iov: the pieces
 * @num: how many
 *
 * Return: bytes that were written.
 */
size_t vmsg_iov_zero(const struct iovec *iov, unsigned int num)
{
	size_t done = 0;

	for (; num; iov++, num--) {
		memset(iov->iov_base, 0, iov->iov_len);
		done += iov->iov_len;
	}
	return done;
}

/**
 * vmsg_iov_cut_front() - take bytes away from the beginning
 * @iov: the pieces; moves on
 * @num: how many; becomes less
 * @len: bytes
 *
 * Return: bytes that were there, at most @len.
 */
size_t vmsg_iov_cut_front(struct iovec **iov, unsigned int *num, size_t len)
{
	size_t done = 0, part;

	while (*num && done < len) {
		part = vmsg_iov_min((*iov)->iov_len, len - done);
		(*iov)->iov_base = (char *)(*iov)->iov_base + part;
		(*iov)->iov_len -= part;
		done += part;
		if (!(*iov)->iov_len) {
			(*iov)++;
			(*num)--;
		}
	}
	return done;
}

/**
 * vmsg_iov_cut_back() - take bytes away from the end
 * @iov: the pieces
 * @num: how many; becomes less
 * @len: bytes
 *
 * Return: bytes that were there, at most @len.
 */
size_t vmsg_iov_cut_back(struct iovec *iov, unsigned int *num, size_t len)
{
	size_t done = 0, part;
	struct iovec *last;

	while (*num && done < len) {
		last = &iov[*num - 1];
		part = vmsg_iov_min(last->iov_len, len - done);
		last->iov_len -= part;
		done += part;
		if (!last->iov_len)
			(*num)--;
	}
	return done;
}
