/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/*
 * libvmsg fuzzing: what all targets share.
 *
 * A target is one file with fuzz_test() and fuzz_seed(). Those that play a whole
 * session take their input as a list of operations: a byte that says which, a
 * byte with the number of bytes that follow, and these. mutate.c changes such
 * lists without breaking them; the target makes new operations for it.
 */
#ifndef _FUZZ_H
#define _FUZZ_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define FUZZ_OP_MAX	255u

#define FUZZ_SEED_MAX	4096u

/* What libFuzzer calls, and what it offers, by its own names. */
int fuzz_init(int *argc, char ***argv) __asm__("LLVMFuzzerInitialize");
int fuzz_test(const uint8_t *data, size_t size)
	__asm__("LLVMFuzzerTestOneInput");
size_t fuzz_mutate(uint8_t *data, size_t size, size_t max_size,
		   unsigned int seed) __asm__("LLVMFuzzerCustomMutator");
size_t fuzz_cross(const uint8_t *a, size_t a_size, const uint8_t *b,
		  size_t b_size, uint8_t *out, size_t room, unsigned int seed)
	__asm__("LLVMFuzzerCustomCrossOver");
size_t fuzz_mutate_bytes(uint8_t *data, size_t size, size_t max_size)
	__asm__("LLVMFuzzerMutate");

/* A rule that was broken without any memory being so. */
#define fuzz_require(cond)						\
	do {								\
		if (!(cond)) {						\
			fprintf(stderr, "%s:%d: not so: %s\n",		\
				__FILE__, __LINE__, #cond);		\
			abort();					\
		}							\
	} while (0)

struct fuzz_in {
	const uint8_t *data;
	size_t len;
};

struct fuzz_op {
	uint8_t code;
	uint8_t len;
	uint8_t data[FUZZ_OP_MAX];
};

static inline bool fuzz_next(struct fuzz_in *in, struct fuzz_op *op)
{
	if (in->len < 2)
		return false;
	op->code = in->data[0];
	op->len = in->data[1];
	if (op->len > in->len - 2)
		op->len = in->len - 2;
	memset(op->data, 0, sizeof(op->data));
	memcpy(op->data, in->data + 2, op->len);
	in->data += 2 + op->len;
	in->len -= 2 + op->len;
	return true;
}

/* A number from an operation; the bytes behind its end are 0. */
static inline uint64_t fuzz_num(const struct fuzz_op *op, unsigned int at,
				unsigned int width)
{
	uint64_t num = 0;

	while (width--)
		num = num << 8 | (at + width < FUZZ_OP_MAX ?
				  op->data[at + width] : 0);
	return num;
}

static inline void fuzz_put(struct fuzz_op *op, uint64_t num,
			    unsigned int width)
{
	for (; width-- && op->len < FUZZ_OP_MAX; num >>= 8)
		op->data[op->len++] = num;
}

/* Append an operation to an input. */
static inline size_t fuzz_append(uint8_t *data, size_t size, size_t room,
				 const struct fuzz_op *op)
{
	if (size + 2 + op->len > room)
		return size;
	data[size] = op->code;
	data[size + 1] = op->len;
	memcpy(data + size + 2, op->data, op->len);
	return size + 2 + op->len;
}

/* Numbers that look random and are always the same (splitmix64). */
static inline uint64_t fuzz_random(uint64_t *state)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15ULL;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
	return x ^ x >> 31;
}

/* deny.c: in place of the C library's, for targets that are linked like that. */
extern bool fuzz_may_open;
int __real_open64(const char *path, int flags, ...);
int __real_socket(int domain, int type, int protocol);
int __wrap_open64(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_socket(int domain, int type, int protocol);

/* frames.c: a frame for a device, good but for its numbers. */
size_t fuzz_frame(uint64_t *random, enum vmsg_dialect dialect, uint8_t *frame,
		  size_t room);

/* Every target: what it starts from, the n-th of them; 0 = there are no more. */
size_t fuzz_seed(unsigned int n, uint8_t *data, size_t room);

/* What a target with operations has for mutate.c. */
void fuzz_make_op(uint64_t *random, struct fuzz_op *op);
void fuzz_repair_op(uint64_t *random, struct fuzz_op *op);

#endif /* _FUZZ_H */
