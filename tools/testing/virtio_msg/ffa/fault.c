// SPDX-License-Identifier: GPL-2.0
/*
 * The secure side of the FF-A tests: answers that are wrong on purpose.
 *
 * "vmsg.fault=busy@3x2,token@t0a" makes the third and fourth request find the
 * partition busy, and the answer to the first SET_VQUEUE (transport message
 * 0x0a; bus messages are b02 and so on) have a token that nobody asked with.
 * "t0a.3" is the third one of its kind. A plain number counts all requests but
 * EVENT_POLL, whose number depends on time, and kicks; "a1" counts these too.
 *
 * "vmsg.chaos=5" makes about one of eight answers among the first CHAOS wrong, in
 * a way that follows from the 5.
 */
#include <string.h>

#include "secure.h"

#define MAX_FAULTS	8
#define CHAOS		250
/* Instead of a kind of requests */
#define COUNTED		0xffff
#define ALL		0xfffe

#define POLL	(VIRTIO_MSG_TYPE_BUS << 8 | VIRTIO_MSG_FFA_EVENT_POLL)

static const char *const names[FAULT_KINDS] = {
	[FAULT_BUSY] = "busy", [FAULT_YIELD] = "yield",
	[FAULT_INTERRUPT] = "interrupt", [FAULT_ABORT] = "abort",
	[FAULT_ZERO] = "zero", [FAULT_TOKEN] = "token", [FAULT_ID] = "id",
	[FAULT_DEV] = "dev", [FAULT_TYPE] = "type", [FAULT_BIG] = "big",
	[FAULT_SMALL] = "small", [FAULT_CUT] = "cut", [FAULT_NOISE] = "noise",
	[FAULT_ERROR] = "error", [FAULT_EVENT] = "event",
	[FAULT_RESULT_BUSY] = "rbusy", [FAULT_RESULT_FAILED] = "rfail",
};

/*
 * Of requests of kind @what (type and id), the ones from @first on, @times of
 * them; @seen of them were there.
 */
static struct {
	enum fault fault;
	u16 what;
	unsigned int first;
	unsigned int times;
	unsigned int seen;
} faults[MAX_FAULTS];

static unsigned int num_faults;
static unsigned int seen;
static u32 seed;

void fault_reset(void)
{
	num_faults = 0;
	seen = 0;
	seed = 0;
}

static bool parse_kind(const char **text, enum fault *fault)
{
	unsigned int n;
	const char *s;

	for (n = 1; n < FAULT_KINDS; n++) {
		s = *text;
		if (parse_word(&s, names[n]) && *s == '@') {
			*text = s + 1;
			*fault = n;
			return true;
		}
	}
	return false;
}

static bool parse_hex(const char **text, unsigned int *value)
{
	char word[5] = "0x";
	const char *s = word;

	if (!(*text)[0] || !(*text)[1])
		return false;
	memcpy(word + 2, *text, 2);
	*text += 2;
	return parse_number(&s, value) && !*s;
}

static bool parse_where(const char **text, u16 *what, unsigned int *first)
{
	unsigned int type = **text == 'b' ? VIRTIO_MSG_TYPE_BUS : 0;
	unsigned int id;

	if (**text != 'b' && **text != 't') {
		*what = parse_word(text, "a") ? ALL : COUNTED;
		return parse_number(text, first);
	}
	++*text;
	if (!parse_hex(text, &id))
		return false;
	*what = type << 8 | id;
	*first = 1;
	return !parse_word(text, ".") || parse_number(text, first);
}

static bool parse_one(const char **text)
{
	enum fault fault;
	unsigned int first, times = 1;
	u16 what;

	if (num_faults == MAX_FAULTS || !parse_kind(text, &fault) ||
	    !parse_where(text, &what, &first) ||
	    (parse_word(text, "x") && !parse_number(text, &times)))
		return false;
	faults[num_faults].fault = fault;
	faults[num_faults].what = what;
	faults[num_faults].first = first;
	faults[num_faults].times = times;
	faults[num_faults].seen = 0;
	num_faults++;
	return true;
}

void fault_parse(const char *text)
{
	do {
		if (!parse_one(&text)) {
			violation("a fault that nobody knows: %s", text);
			return;
		}
	} while (parse_word(&text, ","));
}

static bool matches(u16 wanted, u16 what)
{
	if (wanted == ALL)
		return true;
	if (wanted != COUNTED)
		return wanted == what;
	return what != POLL && what != VIRTIO_MSG_EVENT_AVAIL;
}

unsigned int fault_unseen(void)
{
	unsigned int n, unseen = 0;

	for (n = 0; n < num_faults; n++)
		unseen += faults[n].seen < faults[n].first + faults[n].times - 1;
	return unseen + (knobs.chaos && !seen);
}

/* Numbers that look random, after Knuth */
static u32 next_random(void)
{
	if (!seed)
		seed = knobs.chaos;
	seed = seed * 1664525 + 1013904223;
	return seed >> 8;
}

/*
 * A kick that does not arrive, or an event that arrives wrong, is lost, and so is
 * whoever waits for it: that would be a broken device, no broken answer.
 */
static bool loses(enum fault fault, u16 what)
{
	if (what == VIRTIO_MSG_EVENT_AVAIL)
		return fault == FAULT_ABORT || fault == FAULT_ZERO;
	return what == POLL && fault != FAULT_BUSY && fault != FAULT_YIELD &&
	       fault != FAULT_INTERRUPT;
}

static enum fault chaos(u16 what)
{
	enum fault fault;
	u32 number;

	if (!knobs.chaos || seen++ >= CHAOS)
		return FAULT_NONE;
	number = next_random();
	if (number % 8)
		return FAULT_NONE;
	fault = 1 + number / 8 % (FAULT_KINDS - 1);
	return loses(fault, what) ? FAULT_NONE : fault;
}

enum fault fault_find(const u8 *request)
{
	u16 what = (request[0] & VIRTIO_MSG_TYPE_BUS) << 8 | request[1];
	enum fault fault = chaos(what);
	unsigned int n;

	for (n = 0; n < num_faults; n++) {
		if (!matches(faults[n].what, what))
			continue;
		faults[n].seen++;
		if (faults[n].seen >= faults[n].first &&
		    faults[n].seen - faults[n].first < faults[n].times)
			fault = faults[n].fault;
	}
	if (fault)
		log_line(LOG_CALLS, "  fault %s", names[fault]);
	return fault;
}

void fault_apply(enum fault fault, u8 *answer)
{
	unsigned int size = get16(answer + 6), n;

	switch (fault) {
	case FAULT_TOKEN:
		put16(answer + 4, get16(answer + 4) ^ 0x5555);
		break;
	case FAULT_ID:
		answer[1] ^= 0x10;
		break;
	case FAULT_DEV:
		put16(answer + 2, get16(answer + 2) ^ 1);
		break;
	case FAULT_TYPE:
		answer[0] ^= VIRTIO_MSG_TYPE_RESPONSE;
		break;
	case FAULT_BIG:
		put16(answer + 6, 0xfff0);
		break;
	case FAULT_SMALL:
		put16(answer + 6, 4);
		break;
	case FAULT_CUT:
		put16(answer + 6, size > 9 ? size - 2 : 8);
		break;
	case FAULT_NOISE:
		for (n = 0; n < VIRTIO_MSG_FFA_DIRECT_SIZE; n++)
			answer[n] = 0x91 * (n + 1) + (n >> 3);
		break;
	case FAULT_ERROR:
		put16(answer + 8, answer[1]);
		answer[0] = VIRTIO_MSG_TYPE_BUS | VIRTIO_MSG_TYPE_RESPONSE;
		answer[1] = VIRTIO_MSG_FFA_ERROR;
		put16(answer + 6, 10);
		break;
	default:
		break;
	}
}
