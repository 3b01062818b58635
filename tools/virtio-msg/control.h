/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/*
 * virtio-msg-device: commands while it runs, from a FIFO.
 */
#ifndef _CONTROL_H
#define _CONTROL_H

#include "vmsg.h"

struct control;

struct control *control_open(struct vmsg_bus *bus, const char *path);
void control_close(struct control *control);
void control_leave_all(struct vmsg_bus *bus);
bool control_reap(struct vmsg_bus *bus, bool force);

#endif /* _CONTROL_H */
