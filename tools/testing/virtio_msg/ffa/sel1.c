// SPDX-License-Identifier: GPL-2.0
/*
 * The secure side of the FF-A tests, under firmware that is not ours: runs at S-EL1
 * of QEMU's arm64 machine, as what TF-A calls the SPM core. TF-A answers some calls
 * of Linux itself and brings all others here. There is one core, and nobody tells
 * when the machine goes off.
 */
#include "el2.h"

#define FFA_MSG_WAIT		0x8400006b
#define FFA_MSG_REQUEST		0x8400006f
#define FFA_MSG_RESPONSE	0x84000070
#define FFA_MEM_RECLAIM		0x84000077
#define FFA_UNBIND		0x84000080
/* Of TF-A itself: which version is spoken? */
#define FRAMEWORK		0x80000000
#define ASK_VERSION		(FRAMEWORK | 8)
#define TELL_VERSION		(FRAMEWORK | 9)

/* Interrupts are raised for the other world, once they have been handed over to it. */
#define ICC_ASGI1R		"S3_0_C12_C11_6"
#define GICR_GROUP		0x080b0080ull
#define GICR_MODIFIER		0x080b0d00ull
/* SRI and NPI of notify.c */
#define HANDED_OVER		(3u << 8)

void plat_interrupt(unsigned int number)
{
	asm volatile("dsb sy\n\tmsr " ICC_ASGI1R ", %0\n\tisb" : :
		     "r"((u64)number << 24 | 1) : "memory");
}

/* There is no such core. */
void plat_wake_devices(void)
{
}

static void hand_over_interrupts(void)
{
	write_register(GICR_GROUP, read_register(GICR_GROUP) | HANDED_OVER);
	write_register(GICR_MODIFIER, read_register(GICR_MODIFIER) & ~HANDED_OVER);
}

static void answer(u64 *x)
{
	static unsigned int known;
	u32 call = x[0];

	if (call == FFA_MSG_REQUEST && (u32)x[2] == ASK_VERSION) {
		x[0] = FFA_MSG_RESPONSE;
		x[1] = (u32)x[1] >> 16 | (u32)x[1] << 16;
		x[2] = TELL_VERSION;
		x[3] = knobs.ffa;
		return;
	}
	if (!firmware_call(x))
		firmware_error(x, FFA_NOT_SUPPORTED);
	/* This may have been the last one. */
	if (call == FFA_MEM_RECLAIM || call == FFA_UNBIND ||
	    log_violations() != known)
		secure_verdict();
	known = log_violations();
}

void sel1_main(void)
{
	u64 x[NUM_REGS] = { FFA_MSG_WAIT };

	secure_reset(command_line());
	hand_over_interrupts();
	secure_verdict();
	for (;;) {
		sel1_call(x);
		answer(x);
	}
}
