/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The secure side of the FF-A tests: how cores come to EL2 and leave it. The
 * first one comes from QEMU, the others by PSCI, with the address of a struct core
 * (el2.c) in x0. Linux comes back by SMC only.
 */
#define FRAME		256
#define STACK		0x4000
#define EL1H_MASKED	0x3c5

	.section .text.start, "ax"
	.global	_start
_start:
	mrs	x1, mpidr_el1
	and	x1, x1, #0xff
	cbnz	x1, park
	adrp	x2, stacks_end
	add	x2, x2, :lo12:stacks_end
	mov	sp, x2
	bl	setup
	bl	el2_main		// device tree in x0, kernel in x1
	b	enter
park:
	wfe
	b	park

	.global	secondary_start
secondary_start:
	mov	x19, x0
	ldr	x2, [x19, #16]
	mov	sp, x2
	bl	setup
	ldr	x1, [x19]
	ldr	x0, [x19, #8]
	/* Fall through */

/* To EL1 at x1, with x0 */
enter:
	msr	elr_el2, x1
	mov	x2, #EL1H_MASKED
	msr	spsr_el2, x2
	mov	x1, xzr
	mov	x2, xzr
	mov	x3, xzr
	eret

	.global	device_start
device_start:
	ldr	x2, [x0, #16]
	mov	sp, x2
	bl	setup
	b	el2_devices

/* What EL1 may do: all, but SMC comes here. */
setup:
	adr	x2, vectors
	msr	vbar_el2, x2
	mov	x2, #(1 << 31)		// EL1 has 64 bits
	orr	x2, x2, #(1 << 19)	// SMC is trapped
	orr	x2, x2, #(3 << 40)	// pointer authentication is not
	msr	hcr_el2, x2
	mov	x2, #3			// nor are the timers
	msr	cnthctl_el2, x2
	msr	cntvoff_el2, xzr
	mov	x2, #0x33ff		// nor floating point
	msr	cptr_el2, x2
	msr	hstr_el2, xzr
	mrs	x2, midr_el1
	msr	vpidr_el2, x2
	mrs	x2, mpidr_el1
	msr	vmpidr_el2, x2
	mrs	x2, pmcr_el0		// all event counters are EL1's
	ubfx	x2, x2, #11, #5
	msr	mdcr_el2, x2
	msr	vttbr_el2, xzr
	mov	x2, #0xf
	msr	S3_4_C12_C9_5, x2	// ICC_SRE_EL2: system registers
	isb
	msr	S3_4_C12_C11_0, xzr	// ICH_HCR_EL2: no virtual interrupts
	ldr	x2, =0x30d00800		// the MMU of EL1 is off
	msr	sctlr_el1, x2
	isb
	ret

	.macro	vector target
	.balign	128
	b	\target
	.endm

	.balign	2048
vectors:
	.rept	8
	vector	died
	.endr
	vector	trap			// from EL1, synchronous
	.rept	7
	vector	died
	.endr

/* Registers of EL1, saved, and perhaps changed in between */
	.macro	all op
	\op	x0, x1, [sp]
	\op	x2, x3, [sp, #16]
	\op	x4, x5, [sp, #32]
	\op	x6, x7, [sp, #48]
	\op	x8, x9, [sp, #64]
	\op	x10, x11, [sp, #80]
	\op	x12, x13, [sp, #96]
	\op	x14, x15, [sp, #112]
	\op	x16, x17, [sp, #128]
	\op	x18, x19, [sp, #144]
	\op	x29, x30, [sp, #160]
	.endm

trap:
	sub	sp, sp, #FRAME
	all	stp
	mov	x0, sp
	bl	el2_trap
	all	ldp
	add	sp, sp, #FRAME
	eret

died:
	mrs	x0, esr_el2
	mrs	x1, elr_el2
	mrs	x2, far_el2
	bl	el2_died
	b	.

	.bss
	.balign	4096
	.space	4 * STACK
	.global	stacks_end
stacks_end:
