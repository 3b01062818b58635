/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/*
 * libvmsg: the control queue of a network device.
 */
#ifndef _NET_CTRL_H
#define _NET_CTRL_H

#include "vmsg.h"

/* Carries out one command; @data is a copy. Returns false if it is refused. */
typedef bool (*vmsg_net_ctrl_fn)(void *arg, uint8_t class, uint8_t cmd,
				 const uint8_t *data, size_t len);

void vmsg_net_ctrl_serve(struct vmsg_vq *vq, uint8_t *buf, size_t room,
			 vmsg_net_ctrl_fn fn, void *arg);
unsigned int vmsg_net_ctrl_pairs(uint8_t cmd, const uint8_t *data, size_t len,
				 unsigned int max);

#endif /* _NET_CTRL_H */
