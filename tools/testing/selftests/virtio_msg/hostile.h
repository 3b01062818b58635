/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the two sides of the hostile program share: dice that a seed repeats, and
 * how the device side starts and ends the users of its devices.
 */
#ifndef _HOSTILE_H
#define _HOSTILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/**
 * struct dice - the same seed, the same throws (splitmix64)
 * @state: the seed at first
 */
struct dice {
	uint64_t state;
};

static inline uint64_t dice_any(struct dice *dice)
{
	uint64_t z = dice->state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

/* Less than @sides. */
static inline uint32_t dice_roll(struct dice *dice, uint32_t sides)
{
	return dice_any(dice) % sides;
}

static inline bool dice_percent(struct dice *dice, uint32_t percent)
{
	return dice_roll(dice, 100) < percent;
}

/* A number that somebody might have got wrong: small, at an edge, or any. */
static inline uint64_t dice_number(struct dice *dice)
{
	static const uint64_t edges[] = {
		0, 1, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xfffe, 0xffff,
		0x10000, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff,
		0x100000000, INT64_MAX, (uint64_t)INT64_MAX + 1, UINT64_MAX,
	};
	const uint32_t num_edges = sizeof(edges) / sizeof(*edges);

	switch (dice_roll(dice, 4)) {
	case 0:
		return edges[dice_roll(dice, num_edges)];
	case 1:
		return dice_any(dice);
	case 2:
		return UINT64_C(1) << dice_roll(dice, 64);
	default:
		return dice_roll(dice, 64);
	}
}

pid_t users_start(uint64_t seed);
bool users_stop(pid_t pid, unsigned long *used);

#endif /* _HOSTILE_H */
