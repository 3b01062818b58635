/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The secure side of the FF-A tests: what it needs from where it runs. el2.c,
 * sel1.c and bare.c have it for QEMU's arm64 machine, host_test.c for a program of this
 * machine.
 */
#ifndef _FFA_PLATFORM_H
#define _FFA_PLATFORM_H

#include "wire.h"

/* Memory of the normal world, or NULL if not all of it is that. */
void *plat_ram(u64 address, u64 len);

/* One line, without its end. */
void plat_log(const char *line);

/* A software-generated interrupt for the first core. */
void plat_interrupt(unsigned int number);

/* The core of the devices is to look what there is to do. */
void plat_wake_devices(void);

/* What was written before is seen before what is written from now on. */
void plat_barrier(void);

#endif /* _FFA_PLATFORM_H */
