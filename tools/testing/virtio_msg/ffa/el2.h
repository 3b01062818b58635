/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The secure side of the FF-A tests: what start.S and el2.c give to each other.
 */
#ifndef _FFA_EL2_H
#define _FFA_EL2_H

#include "secure.h"

/* What start.S hands over */
struct core {
	u64 entry;
	u64 context;
	u64 stack;
};

/* and what it takes, in x0 and x1 */
struct entry {
	u64 dtb;
	u64 kernel;
};

void secondary_start(void);
void device_start(void);
struct entry el2_main(void);
void el2_devices(void);
void el2_trap(u64 *x);
void el2_died(u64 esr, u64 elr, u64 far);

extern u8 stacks_end[];

#endif /* _FFA_EL2_H */
