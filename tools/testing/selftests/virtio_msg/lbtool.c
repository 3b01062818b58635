// SPDX-License-Identifier: GPL-2.0
/*
 * lbtool: what the scripts in this folder cannot do by themselves.
 *
 *	lbtool zero DISK OFFSET BYTES	write zeroes, by a request of its own
 *	lbtool rng SEED			is stdin made of what a seeded rng gives?
 *	lbtool hold NUM			NUM buses without a device, until stdin ends
 *	lbtool time TEXT FILE		microseconds of writing TEXT to FILE
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lb.h"

/* Words that others may have drawn between two of ours. */
#define RNG_GAP		100000

static int zero(const char *disk, const char *offset, const char *bytes)
{
	int fd = open(disk, O_RDWR | O_CLOEXEC);

	/* Not BLKZEROOUT: that writes when the device cannot do it. */
	if (fd < 0 || fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				strtoull(offset, NULL, 0),
				strtoull(bytes, NULL, 0))) {
		perror(disk);
		return 1;
	}
	return 0;
}

static uint64_t rng_next(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1dULL;
}

/*
 * The kernel takes some for itself, so words may be missing, but what is there
 * must be in order and each word right.
 */
static int rng(const char *seed)
{
	uint64_t state = strtoull(seed, NULL, 0), want, word;
	unsigned long words = 0, gaps = 0, gap;

	while (fread(&word, sizeof(word), 1, stdin) == 1) {
		gap = 0;
		do {
			want = rng_next(&state);
		} while (want != word && ++gap < RNG_GAP);
		if (want != word) {
			printf("word %lu is not in the sequence\n", words);
			return 1;
		}
		words++;
		gaps += !!gap;
	}
	printf("%lu words, %lu gaps\n", words, gaps);
	if (!words || gaps > words / 4 + 1) {
		printf("that is not a sequence\n");
		return 1;
	}
	return 0;
}

static int hold(const char *num)
{
	unsigned long i, n = strtoul(num, NULL, 0);
	struct lb lb;
	char c;

	for (i = 0; i < n; i++) {
		if (!lb_start(&lb, 0) || !lb_no_devices(&lb))
			return 1;
	}
	puts("ready");
	fflush(stdout);
	while (read(0, &c, 1) > 0)
		;
	return 0;
}

static int time_write(const char *text, const char *file)
{
	struct timespec before, after;
	int fd = open(file, O_WRONLY | O_CLOEXEC);
	ssize_t ret;

	clock_gettime(CLOCK_MONOTONIC, &before);
	ret = write(fd, text, strlen(text));
	clock_gettime(CLOCK_MONOTONIC, &after);
	if (ret < 0) {
		perror(file);
		return 1;
	}
	printf("%ld\n", (after.tv_sec - before.tv_sec) * 1000000L +
			(after.tv_nsec - before.tv_nsec) / 1000);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 5 && !strcmp(argv[1], "zero"))
		return zero(argv[2], argv[3], argv[4]);
	if (argc == 3 && !strcmp(argv[1], "rng"))
		return rng(argv[2]);
	if (argc == 3 && !strcmp(argv[1], "hold"))
		return hold(argv[2]);
	if (argc == 4 && !strcmp(argv[1], "time"))
		return time_write(argv[2], argv[3]);
	fprintf(stderr, "see the source for how to call it\n");
	return 2;
}
