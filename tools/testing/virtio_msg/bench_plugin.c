// SPDX-License-Identifier: GPL-2.0
/*
 * bench_plugin: tells bench.sh where the instructions of a guest go.
 *
 * A plugin of QEMU's translator. It counts what runs between two marks, each of
 * which is a no-operation that "bench_tool mark" has, and writes a line for each
 * stretch of code that has run there:
 *
 *   SECTION ADDRESS INSTRUCTIONS
 *
 * SECTION counts the pairs of marks. For one processor, which is an x86-64.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench_plugin.h"

#define EXPORT		__attribute__((visibility("default")))
#define BUCKETS		0x100000

EXPORT int qemu_plugin_version = 1;

/* Instructions that run one after the other; @before is @runs at the first mark. */
struct block {
	struct block *next;
	unsigned long address;
	unsigned long length;
	unsigned long runs;
	unsigned long before;
};

static struct block *buckets[BUCKETS];
static unsigned int marks;
static FILE *out;

static struct block *find(unsigned long address, unsigned long length)
{
	unsigned int i = (address * 31 + length) * 0x9e3779b97f4a7c15ull >> 44;
	struct block *b;

	for (b = buckets[i]; b; b = b->next) {
		if (b->address == address && b->length == length)
			return b;
	}
	b = calloc(1, sizeof(*b));
	if (!b)
		abort();
	b->address = address;
	b->length = length;
	b->next = buckets[i];
	buckets[i] = b;
	return b;
}

static void at_mark(unsigned int cpu, void *arg)
{
	struct block *b;
	unsigned int i;

	for (i = 0; i < BUCKETS; i++) {
		for (b = buckets[i]; b; b = b->next) {
			if (marks % 2 && b->runs != b->before)
				fprintf(out, "%u %016lx %lu\n",
					marks / 2, b->address,
					(b->runs - b->before) * b->length);
			b->before = b->runs;
		}
	}
	fflush(out);
	marks++;
}

static int is_mark(const struct qemu_plugin_insn *insn)
{
	static const unsigned char nop[] = { 0x0f, 0x1f, 0x84, 0x00 };
	const unsigned char *bytes = qemu_plugin_insn_data(insn);
	const uint32_t number = BENCH_MARK;

	return qemu_plugin_insn_size(insn) == sizeof(nop) + sizeof(number) &&
	       !memcmp(bytes, nop, sizeof(nop)) &&
	       !memcmp(bytes + sizeof(nop), &number, sizeof(number));
}

static void translated(uint64_t id, struct qemu_plugin_tb *tb)
{
	size_t i, n = qemu_plugin_tb_n_insns(tb);
	struct block *block = find(qemu_plugin_tb_vaddr(tb), n);
	struct qemu_plugin_insn *insn;

	qemu_plugin_register_vcpu_tb_exec_inline(tb, 0, &block->runs, 1);
	for (i = 0; i < n; i++) {
		insn = qemu_plugin_tb_get_insn(tb, i);
		if (is_mark(insn))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, at_mark, 0,
							       NULL);
	}
}

/* The only argument is out=FILE. */
EXPORT int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv)
{
	if (argc != 1 || strncmp(argv[0], "out=", 4)) {
		fputs("bench_plugin: say out=FILE\n", stderr);
		return 1;
	}
	out = fopen(argv[0] + 4, "w");
	if (!out) {
		perror(argv[0] + 4);
		return 1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
