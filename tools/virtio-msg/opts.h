/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/*
 * virtio-msg-device: what is written on its command line and control lines.
 */
#ifndef _OPTS_H
#define _OPTS_H

#include "vmsg.h"

int opts_ivshmem(char *spec, struct vmsg_ivshmem_params *params);
int opts_features(const char *list, uint64_t *features);
int opts_add(struct vmsg_bus *bus, const char *name, char *spec,
	     struct vmsg_device **dev);

#endif /* _OPTS_H */
