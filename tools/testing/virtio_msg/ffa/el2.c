// SPDX-License-Identifier: GPL-2.0
/*
 * The secure side of the FF-A tests, on QEMU's arm64 machine: runs at EL2, below
 * Linux, and gets what Linux calls by SMC. Calls to switch cores on and off go on
 * to QEMU, whose own firmware that is. One lock is held in every call, and by the
 * core of the devices while it does one thing.
 */
#include "el2.h"

#define KERNEL		0x40200000ull

#define MAX_CORES	4

#define PSCI_VERSION		0x84000000
#define PSCI_CPU_OFF		0x84000002
#define PSCI_CPU_ON		0xc4000003
#define PSCI_AFFINITY_INFO	0xc4000004
#define PSCI_MIGRATE_TYPE	0x84000006
#define PSCI_SYSTEM_OFF		0x84000008
#define PSCI_SYSTEM_RESET	0x84000009
#define PSCI_FEATURES		0x8400000a
#define PSCI_CPU_SUSPEND	0xc4000001
#define SMCCC_VERSION		0x80000000

#define EC_SMC			0x17

/* The interrupt controller: system registers, and the part of one core */
#define ICC_PMR			"S3_0_C4_C6_0"
#define ICC_SGI1R		"S3_0_C12_C11_5"
#define ICC_IAR1		"S3_0_C12_C12_0"
#define ICC_EOIR1		"S3_0_C12_C12_1"
#define ICC_IGRPEN1		"S3_0_C12_C12_7"
#define GICR			0x080a0000ull
#define GICR_SIZE		0x20000
#define GICR_WAKER		0x14
#define GICR_GROUP		0x10080
#define GICR_ENABLE		0x10100

/* The interrupt that wakes the core of the devices */
#define WAKE			10

static struct core cores[MAX_CORES];
static u32 lock;

static u64 call(u64 function, u64 a, u64 b, u64 c)
{
	register u64 x0 asm("x0") = function;
	register u64 x1 asm("x1") = a;
	register u64 x2 asm("x2") = b;
	register u64 x3 asm("x3") = c;

	asm volatile("smc #0" : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3) : :
		     "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12",
		     "x13", "x14", "x15", "x16", "x17", "memory");
	return x0;
}

static void take_lock(void)
{
	while (__atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE))
		asm volatile("yield");
}

static void leave_lock(void)
{
	__atomic_store_n(&lock, 0, __ATOMIC_RELEASE);
}

static void interrupt(unsigned int core, unsigned int number)
{
	asm volatile("dsb sy\n\tmsr " ICC_SGI1R ", %0\n\tisb" : :
		     "r"((u64)number << 24 | 1u << core) : "memory");
}

void plat_interrupt(unsigned int number)
{
	interrupt(0, number);
}

void plat_wake_devices(void)
{
	interrupt(knobs.core, WAKE);
}

static unsigned int core_on(unsigned int n, void (*start)(void))
{
	cores[n].stack = (u64)stacks_end - 0x4000 * n;
	return call(PSCI_CPU_ON, n, (u64)start, (u64)&cores[n]);
}

static void linux_core_on(u64 *x)
{
	unsigned int n = x[1] & 0xff;

	if (!n || n >= MAX_CORES || n == knobs.core) {
		x[0] = -2;
		return;
	}
	cores[n].entry = x[2];
	cores[n].context = x[3];
	x[0] = (u64)(int)core_on(n, secondary_start);
}

static bool psci_knows(u32 function)
{
	switch (function) {
	case SMCCC_VERSION:
	case PSCI_CPU_ON:
	case PSCI_CPU_OFF:
	case PSCI_SYSTEM_OFF:
		return true;
	default:
		return false;
	}
}

static void psci_call(u64 *x)
{
	switch ((u32)x[0]) {
	case PSCI_VERSION:
		x[0] = 0x10001;
		break;
	case PSCI_FEATURES:
		x[0] = psci_knows(x[1]) ? 0 : -1;
		break;
	case PSCI_MIGRATE_TYPE:
		x[0] = 2;
		break;
	case SMCCC_VERSION:
		x[0] = 0x10002;
		break;
	case PSCI_CPU_ON:
		linux_core_on(x);
		break;
	case PSCI_SYSTEM_OFF:
	case PSCI_SYSTEM_RESET:
		secure_verdict();
		x[0] = call(x[0], x[1], x[2], x[3]);
		break;
	case PSCI_CPU_OFF:
		leave_lock();
		call(x[0], 0, 0, 0);
		break;
	case PSCI_CPU_SUSPEND:
	case PSCI_AFFINITY_INFO:
		x[0] = call(x[0], x[1], x[2], x[3]);
		break;
	default:
		x[0] = -1;
	}
}

void el2_trap(u64 *x)
{
	u64 esr, elr;

	asm volatile("mrs %0, esr_el2" : "=r"(esr));
	asm volatile("mrs %0, elr_el2" : "=r"(elr));
	if (esr >> 26 != EC_SMC) {
		el2_died(esr, elr, 0);
		return;
	}
	asm volatile("msr elr_el2, %0" : : "r"(elr + 4));
	take_lock();
	if (!firmware_call(x))
		psci_call(x);
	leave_lock();
}

void el2_died(u64 esr, u64 elr, u64 far)
{
	violation("exception, ESR %llx at %llx, FAR %llx", esr, elr, far);
	secure_verdict();
	call(PSCI_SYSTEM_OFF, 0, 0, 0);
}

/* WAKE gets through to this core. Distributor and other cores are Linux's. */
static void listen(void)
{
	u64 gicr = GICR + knobs.core * GICR_SIZE, one = 1, lowest = 0xff;

	write_register(gicr + GICR_WAKER, 0);
	write_register(gicr + GICR_GROUP, 1u << WAKE);
	write_register(gicr + GICR_ENABLE, 1u << WAKE);
	asm volatile("msr " ICC_PMR ", %0" : : "r"(lowest));
	asm volatile("msr " ICC_IGRPEN1 ", %0\n\tisb" : : "r"(one));
}

/* Until WAKE has come, perhaps since it was last taken. It stays masked. */
static void sleep(void)
{
	u64 number;

	asm volatile("dsb sy\n\twfi");
	asm volatile("mrs %0, " ICC_IAR1 : "=r"(number));
	if (number < 16)
		asm volatile("msr " ICC_EOIR1 ", %0\n\tisb" : : "r"(number));
}

/* The core of the devices */
void el2_devices(void)
{
	bool more;

	listen();

	for (;;) {
		take_lock();
		more = partitions_work();
		leave_lock();
		if (!more)
			sleep();
	}
}

struct entry el2_main(void)
{
	const char *text = command_line();

	secure_reset(text);
	if (!*text)
		violation("no command line that begins with vmsg.start");
	if (knobs.core && (knobs.core >= MAX_CORES ||
			   core_on(knobs.core, device_start)))
		violation("there is no core %u for the devices", knobs.core);
	return (struct entry){ DTB, KERNEL };
}
