// SPDX-License-Identifier: GPL-2.0
/*
 * The secure side of the FF-A tests: its log. Lines go to a file of the host's,
 * one each: a trace of calls and messages if a knob asks for it, violations
 * always. A violation is something that a driver side must never do; each is one
 * line that begins with "violation:", and the verdict has their number.
 */
#include <stdarg.h>

#include "secure.h"

/* What such lines begin with */
#define VIOLATION	"violation: "

static char line[256];
static unsigned int used;
static unsigned int violations;

static void put(char c)
{
	if (used < sizeof(line) - 1)
		line[used++] = c;
}

static void put_number(unsigned long long value, unsigned int base)
{
	char digits[24];
	unsigned int n = 0;

	do {
		digits[n++] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value);
	while (n--)
		put(digits[n]);
}

static void put_string(const char *s)
{
	while (*s)
		put(*s++);
}

static void put_signed(long long value)
{
	if (value < 0)
		put('-');
	put_number(value < 0 ? -value : value, 10);
}

static void vformat(const char *format, va_list args)
{
	unsigned long long value;
	unsigned int longs;

	for (; *format; format++) {
		if (*format != '%') {
			put(*format);
			continue;
		}
		for (longs = 0; *++format == 'l'; longs++)
			;
		switch (*format) {
		case 's':
			put_string(va_arg(args, const char *));
			break;
		case 'd':
			put_signed(longs ? va_arg(args, long long) :
				   va_arg(args, int));
			break;
		case 'u':
		case 'x':
			value = longs ? va_arg(args, unsigned long long) :
				va_arg(args, unsigned int);
			put_number(value, *format == 'x' ? 16 : 10);
			break;
		default:
			put('%');
			return;
		}
	}
}

static void finish(void)
{
	line[used] = 0;
	plat_log(line);
	used = 0;
}

void log_line(unsigned int level, const char *format, ...)
{
	va_list args;

	if (level > knobs.log)
		return;
	va_start(args, format);
	vformat(format, args);
	va_end(args);
	finish();
}

void violation(const char *format, ...)
{
	va_list args;

	violations++;
	put_string(VIOLATION);
	va_start(args, format);
	vformat(format, args);
	va_end(args);
	finish();
}

unsigned int log_violations(void)
{
	return violations;
}

void log_reset(void)
{
	violations = 0;
	used = 0;
}
