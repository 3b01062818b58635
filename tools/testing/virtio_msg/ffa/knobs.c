// SPDX-License-Identifier: GPL-2.0
/*
 * The secure side of the FF-A tests: knobs, words of the kernel command line
 * such as "vmsg.events=npi vmsg.fault=busy@3x2". What nobody understands is
 * logged as a violation, so that a test with a typing error in it cannot pass.
 */
#include <string.h>

#include "secure.h"

struct knobs knobs;

static const char *const event_names[] = {
	[EVENTS_SRI] = "sri", [EVENTS_NPI] = "npi", [EVENTS_POLL] = "poll",
	[EVENTS_NONE] = "none", NULL
};

static const char *const version_names[] = {
	[VERSION_SHORT] = "short", [VERSION_STRICT] = "strict",
	[VERSION_LONG] = "long", [VERSION_ZERO] = "zero",
	[VERSION_OTHER] = "other", NULL
};

static const struct knob {
	const char *name;
	unsigned int *value;
	unsigned int first;
	const char *const *words;
} table[] = {
	{ "events", &knobs.events, EVENTS_SRI, event_names },
	{ "version", &knobs.version, VERSION_SHORT, version_names },
	{ "direct", &knobs.direct, 1 },
	{ "indirect", &knobs.indirect, 0 },
	{ "truncate", &knobs.truncate, 0 },
	{ "twin", &knobs.twin, 0 },
	{ "foreign", &knobs.foreign, 0 },
	{ "echo", &knobs.echo, 0 },
	{ "many", &knobs.many, 0 },
	{ "bare", &knobs.bare, 0 },
	{ "core", &knobs.core, 0 },
	{ "log", &knobs.log, LOG_VERDICT },
	{ "reclaim", &knobs.reclaim, 0 },
	{ "configure", &knobs.configure, 1 },
	{ "areas", &knobs.areas, MAX_AREAS },
	{ "ffa", &knobs.ffa, 0x10002 },
	{ "forget", &knobs.forget, 1 },
	{ "chaos", &knobs.chaos, 0 },
	{ "event_idx", &knobs.event_idx, 0 },
	{ "tables", &knobs.tables, 0 },
};

bool parse_word(const char **text, const char *word)
{
	size_t n = strlen(word);

	if (strncmp(*text, word, n))
		return false;
	*text += n;
	return true;
}

static int digit(char c, unsigned int base)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (base == 16 && c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

bool parse_number(const char **text, unsigned int *value)
{
	unsigned int base = parse_word(text, "0x") ? 16 : 10;
	const char *start = *text;

	*value = 0;
	for (; digit(**text, base) >= 0; (*text)++)
		*value = *value * base + digit(**text, base);
	return *text != start;
}

static bool is_end(char c)
{
	return !c || c == ' ' || c == '\n';
}

static bool parse_value(const struct knob *knob, const char *text)
{
	unsigned int n;

	if (!knob->words)
		return parse_number(&text, knob->value) && is_end(*text);
	for (n = 0; knob->words[n]; n++) {
		if (parse_word(&text, knob->words[n]) && is_end(*text)) {
			*knob->value = n;
			return true;
		}
	}
	return false;
}

static bool parse_knob(const char *text)
{
	unsigned int n;
	const char *s;

	if (parse_word(&text, "fault=")) {
		fault_parse(text);
		return true;
	}
	for (n = 0; n < ARRAY_SIZE(table); n++) {
		s = text;
		if (parse_word(&s, table[n].name) && *s == '=')
			return parse_value(&table[n], s + 1);
	}
	return false;
}

void knobs_parse(const char *cmdline)
{
	unsigned int n;

	for (n = 0; n < ARRAY_SIZE(table); n++)
		*table[n].value = table[n].first;
	while (*cmdline) {
		if (parse_word(&cmdline, "vmsg.") && !parse_knob(cmdline))
			violation("a knob that nobody knows: %s", cmdline);
		while (!is_end(*cmdline))
			cmdline++;
		while (*cmdline && is_end(*cmdline))
			cmdline++;
	}
}
