/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/*
 * What the programs that put devices onto a bus have in common: how they begin,
 * wait and end.
 */
#ifndef _PROGRAM_H
#define _PROGRAM_H

#include "vmsg.h"

/**
 * struct program - a program with one bus
 * @loop: its event loop
 * @bus: its bus
 * @signals: SIGTERM and SIGINT
 * @bus_dead: the bus has ended before the program
 */
struct program {
	struct vmsg_loop *loop;
	struct vmsg_bus *bus;
	struct vmsg_watch signals;
	bool bus_dead;
};

int program_number(const char *option, const char *text, uint64_t max,
		   uint64_t *value);
void program_protect(void);
int program_open(struct program *program);
int program_add_bus(struct program *program, struct vmsg_link *link,
		    struct vmsg_bus_params *params);
void program_ready(struct program *program);
void program_leave(struct program *program);
void program_close(struct program *program);

#endif /* _PROGRAM_H */
