/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/*
 * What a vhost-user front end has to know of the kinds of devices. The protocol
 * does not say which kind a back end is, and some back ends leave parts of their
 * device to the front end.
 */
#ifndef _VHOST_KIND_H
#define _VHOST_KIND_H

#include "vhost_user.h"

/**
 * struct vhost_kind - a kind of device
 * @name: how it is called on the command line
 * @device_id: virtio device type
 * @queues: how many queues it has by default
 * @config_size: bytes of its configuration space if nothing makes it longer
 * @hidden: features that are not for the back end alone to offer
 * @in_order: back ends give buffers back in the order in which they came, and
 *	nobody minds if one is lost
 */
struct vhost_kind {
	const char *name;
	uint32_t device_id;
	uint32_t queues;
	uint32_t config_size;
	uint64_t hidden;
	bool in_order;
};

const struct vhost_kind *vhost_kind_find(const char *name);
const struct vhost_kind *vhost_kind_guess(uint64_t features, bool has_config);
uint32_t vhost_kind_config_size(const struct vhost_kind *kind,
				uint64_t features);
uint32_t vhost_kind_own_config(const struct vhost_kind *kind,
			       const struct vmsg_vhost_params *params,
			       uint8_t *config, uint64_t *features);
uint64_t vhost_kind_void_features(const struct vhost_kind *kind,
				  const uint8_t *config);
uint32_t vhost_kind_queues(const struct vhost_kind *kind, uint64_t features,
			   const uint8_t *config);
void vhost_kind_limit_queues(const struct vhost_kind *kind, uint32_t queues,
			     uint8_t *config);

#endif /* _VHOST_KIND_H */
