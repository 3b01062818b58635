// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * libvmsg fuzzing: changes lists of operations, and leaves them lists.
 *
 * An input is a byte that says how things are set up, and a list. libFuzzer's
 * own mutations work on the bytes of one operation, and every now and then on
 * all of them.
 */
#include "fuzz.h"

#define MAX_OPS	512u

struct list {
	uint8_t how;
	unsigned int num;
	struct fuzz_op ops[MAX_OPS];
};

static void list_read(struct list *list, const uint8_t *data, size_t size)
{
	struct fuzz_in in = { data + 1, size - 1 };

	list->how = size ? *data : 0;
	list->num = 0;
	if (!size)
		return;
	while (list->num < MAX_OPS && fuzz_next(&in, &list->ops[list->num]))
		list->num++;
}

static size_t list_write(const struct list *list, uint8_t *data, size_t room)
{
	size_t size = 1;
	unsigned int i;

	data[0] = list->how;
	for (i = 0; i < list->num; i++)
		size = fuzz_append(data, size, room, &list->ops[i]);
	return size;
}

static void list_insert(struct list *list, unsigned int at,
			const struct fuzz_op *op)
{
	const struct fuzz_op copy = *op;

	if (list->num == MAX_OPS)
		return;
	memmove(&list->ops[at + 1], &list->ops[at],
		(list->num - at) * sizeof(*op));
	list->ops[at] = copy;
	list->num++;
}

static void list_remove(struct list *list, unsigned int at, unsigned int num)
{
	if (num > list->num - at)
		num = list->num - at;
	memmove(&list->ops[at], &list->ops[at + num],
		(list->num - at - num) * sizeof(list->ops[0]));
	list->num -= num;
}

static void list_change(struct list *list, uint64_t *random)
{
	unsigned int at = fuzz_random(random) % list->num;
	unsigned int to = fuzz_random(random) % list->num;
	struct fuzz_op *op = &list->ops[at], swap;

	switch (fuzz_random(random) % 8) {
	case 0:
		list_remove(list, at, 1 + fuzz_random(random) % 4);
		break;
	case 1:
		list_insert(list, to, op);
		break;
	case 2:
		swap = *op;
		*op = list->ops[to];
		list->ops[to] = swap;
		break;
	case 3:
	case 4:
		fuzz_make_op(random, &swap);
		list_insert(list, at, &swap);
		break;
	default:
		op->len = fuzz_mutate_bytes(op->data, op->len, FUZZ_OP_MAX);
		/* Mostly such that it gets past the first check. */
		if (fuzz_random(random) % 8)
			fuzz_repair_op(random, op);
	}
}

size_t fuzz_mutate(uint8_t *data, size_t size, size_t max_size,
		   unsigned int seed)
{
	static struct list list;
	uint64_t random = seed;
	unsigned int times;
	struct fuzz_op op;

	if (!max_size || !(fuzz_random(&random) % 16))
		return fuzz_mutate_bytes(data, size, max_size);
	list_read(&list, data, size);
	if (!(fuzz_random(&random) % 32))
		list.how ^= 1 << fuzz_random(&random) % 8;
	for (times = 1 + fuzz_random(&random) % 4; times--;) {
		if (list.num) {
			list_change(&list, &random);
			continue;
		}
		fuzz_make_op(&random, &op);
		list_insert(&list, 0, &op);
	}
	return list_write(&list, data, max_size);
}

/* The beginning of one and the end of the other. */
size_t fuzz_cross(const uint8_t *a, size_t a_size, const uint8_t *b,
		  size_t b_size, uint8_t *out, size_t room, unsigned int seed)
{
	static struct list first, second;
	uint64_t random = seed;
	unsigned int i;

	if (!room)
		return 0;
	list_read(&first, a, a_size);
	list_read(&second, b, b_size);
	first.num = first.num ? fuzz_random(&random) % first.num + 1 : 0;
	for (i = second.num ? fuzz_random(&random) % second.num : 0;
	     i < second.num; i++)
		list_insert(&first, first.num, &second.ops[i]);
	return list_write(&first, out, room);
}
