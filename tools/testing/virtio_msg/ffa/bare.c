// SPDX-License-Identifier: GPL-2.0
/*
 * The secure side of the FF-A tests, on QEMU's arm64 machine: what el2.c and sel1.c
 * have in common, which run without a C library, and with the MMU off: so no access
 * may be unaligned.
 */
#include <string.h>

#include "el2.h"

#define RAM		0x40000000ull
/* Where this program is, see secure.ld: Linux is told to keep out. */
#define OURS		0x5e000000ull
#define DTB_SIZE	0x100000u

/* The compiler makes calls of these. */
void *memcpy(void *to, const void *from, size_t len)
{
	u8 *d = to;
	const u8 *s = from;

	if (!(((u64)d | (u64)s) % 8)) {
		for (; len >= 8; len -= 8, d += 8, s += 8)
			*(u64 *)d = *(const u64 *)s;
	}
	while (len--)
		*d++ = *s++;
	return to;
}

void *memset(void *to, int byte, size_t len)
{
	u8 *d = to;

	for (; len && (u64)d % 8; len--)
		*d++ = byte;
	for (; len >= 8; len -= 8, d += 8)
		*(u64 *)d = (u8)byte * 0x0101010101010101ull;
	while (len--)
		*d++ = byte;
	return to;
}

size_t strlen(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

int strncmp(const char *a, const char *b, size_t len)
{
	for (; len; len--, a++, b++) {
		if (*a != *b || !*a)
			return (u8)*a - (u8)*b;
	}
	return 0;
}

void *plat_ram(u64 address, u64 len)
{
	if (address < RAM || address >= OURS || len > OURS - address)
		return NULL;
	return (void *)address;
}

/* Semihosting: QEMU writes the text into a file. */
void plat_log(const char *line)
{
	const char *text[2] = { line, "\n" };
	unsigned int n;

	for (n = 0; n < 2; n++) {
		register u64 x0 asm("x0") = 4;
		register const char *x1 asm("x1") = text[n];

		asm volatile("hlt #0xf000" : "+r"(x0) : "r"(x1) : "memory");
	}
}

void plat_barrier(void)
{
	asm volatile("dmb ish" : : : "memory");
}

/*
 * The kernel command line is a string behind its tag and its length in the device
 * tree; nothing but the text that all our command lines begin with is searched.
 */
const char *command_line(void)
{
	static const char start[] = "vmsg.start ";
	const char *dtb = (const char *)DTB;
	u32 n;

	for (n = 0; n < DTB_SIZE; n++) {
		if (!strncmp(dtb + n, start, sizeof(start) - 1))
			return dtb + n + sizeof(start) - 1;
	}
	return "";
}
