/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The secure side of the FF-A tests, on QEMU's arm64 machine: what start.S, el2.c and
 * bare.c, or sel1_start.S, sel1.c and bare.c give to each other.
 */
#ifndef _FFA_EL2_H
#define _FFA_EL2_H

#include "secure.h"

/* The device tree, at the start of all memory */
#define DTB		0x40000000ull

/* Registers of the interrupt controller */
static inline u32 read_register(u64 address)
{
	u32 value;

	asm volatile("ldr %w0, [%1]" : "=r"(value) : "r"(address) : "memory");
	return value;
}

static inline void write_register(u64 address, u32 value)
{
	asm volatile("str %w0, [%1]" : : "r"(value), "r"(address) : "memory");
}

/* --- bare.c --- */

/* What there is of the kernel command line behind "vmsg.start ". */
const char *command_line(void);

/* --- el2.c, start.S --- */

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

/* --- sel1.c, sel1_start.S --- */

/* Calls the firmware with these registers; what comes back is in them. */
void sel1_call(u64 *x);
void sel1_main(void);

#endif /* _FFA_EL2_H */
