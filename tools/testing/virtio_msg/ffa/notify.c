// SPDX-License-Identifier: GPL-2.0
/*
 * The secure side of the FF-A tests: notifications. A partition raises a bit that
 * Linux has bound; the firmware interrupts a core of Linux, and Linux fetches all
 * bits: at once (NPI), or after it has asked who is meant (SRI).
 */
#include "secure.h"

/* Interrupts that Linux has no use for */
#define SRI	8
#define NPI	9

static struct {
	u16 partition;
	u64 bits;
} bound[NUM_PARTITIONS];

static u64 pending;
static bool rx_full;
/* Linux knows that something is pending. */
static bool told;

void notify_reset(void)
{
	unsigned int n;

	for (n = 0; n < NUM_PARTITIONS; n++)
		bound[n].bits = 0;
	pending = 0;
	rx_full = false;
	told = false;
}

static u64 *bits_of(u16 partition)
{
	unsigned int n;

	for (n = 0; n < NUM_PARTITIONS; n++) {
		if (partitions[n].present && partitions[n].id == partition) {
			bound[n].partition = partition;
			return &bound[n].bits;
		}
	}
	return NULL;
}

static u64 all_bound(void)
{
	u64 bits = 0;
	unsigned int n;

	for (n = 0; n < NUM_PARTITIONS; n++)
		bits |= bound[n].bits;
	return bits;
}

void notify_bind(u64 *x)
{
	u64 wanted = (u32)x[3] | x[4] << 32;
	u64 *bits = bits_of(x[1] >> 16);

	if (!bits || (u16)x[1] != OWN_ID || !wanted) {
		violation("bind of notifications %llx of %llx", wanted, x[1]);
		firmware_error(x, FFA_INVALID);
	} else if (all_bound() & wanted) {
		/* Nobody hands the numbers out, so this is no violation. */
		firmware_error(x, FFA_DENIED);
	} else {
		*bits |= wanted;
		firmware_ok(x);
	}
}

void notify_unbind(u64 *x)
{
	u64 wanted = (u32)x[3] | x[4] << 32;
	u64 *bits = bits_of(x[1] >> 16);

	if (!bits || (u16)x[1] != OWN_ID || (*bits & wanted) != wanted) {
		violation("unbind of notifications %llx of %llx", wanted, x[1]);
		firmware_error(x, FFA_INVALID);
		return;
	}
	*bits &= ~wanted;
	pending &= ~wanted;
	firmware_ok(x);
}

static void interrupt(void)
{
	told = false;
	if (knobs.events == EVENTS_NPI)
		plat_interrupt(NPI);
	else if (knobs.events != EVENTS_NONE)
		plat_interrupt(SRI);
}

void notify_raise(u16 partition, unsigned int number)
{
	u64 *bits = bits_of(partition);

	if (!bits || number > 63 || !(*bits & 1ull << number)) {
		violation("notification %u, which is to be raised, is not bound",
			  number);
		return;
	}
	pending |= 1ull << number;
	interrupt();
}

void notify_rx_full(void)
{
	rx_full = true;
	interrupt();
}

void notify_get(u64 *x)
{
	firmware_ok(x);
	x[2] = (u32)pending;
	x[3] = pending >> 32;
	x[6] = rx_full;
	pending = 0;
	rx_full = false;
}

void notify_info_get(u64 *x)
{
	if (told || !(pending || rx_full)) {
		firmware_error(x, FFA_NO_DATA);
		return;
	}
	told = true;
	firmware_ok(x);
	x[0] = 0xc4000061; /* FFA_SUCCESS, 64 bits */
	x[2] = 1 << 7; /* one list, of one number */
	x[3] = OWN_ID;
}

unsigned int notify_left(void)
{
	u64 bits = all_bound();
	unsigned int left = 0;

	for (; bits; bits >>= 1)
		left += bits & 1;
	return left;
}

/* What Linux is told about the interrupts, 0 for none */
unsigned int notify_interrupt(unsigned int feature)
{
	if (feature == 1 && knobs.events == EVENTS_NPI)
		return NPI;
	if (feature == 2 && knobs.events != EVENTS_NPI &&
	    knobs.events != EVENTS_NONE)
		return SRI;
	return 0;
}
