/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The secure side of the FF-A tests, at S-EL1: how it starts, and how it talks to
 * the firmware, which calls nobody but answers calls. All of memory is zero.
 */
	.section .text.start, "ax"
	.global	_start
_start:
	adrp	x2, stack_end
	add	x2, x2, :lo12:stack_end
	mov	sp, x2
	b	sel1_main

	.macro	arguments op
	\op	x0, x1, [x19]
	\op	x2, x3, [x19, #16]
	\op	x4, x5, [x19, #32]
	\op	x6, x7, [x19, #48]
	\op	x8, x9, [x19, #64]
	\op	x10, x11, [x19, #80]
	\op	x12, x13, [x19, #96]
	\op	x14, x15, [x19, #112]
	\op	x16, x17, [x19, #128]
	.endm

	.text
	.global	sel1_call
sel1_call:
	stp	x19, x30, [sp, #-16]!
	mov	x19, x0
	arguments ldp
	smc	#0
	arguments stp
	ldp	x19, x30, [sp], #16
	ret

	.bss
	.balign	4096
	.space	0x4000
stack_end:
