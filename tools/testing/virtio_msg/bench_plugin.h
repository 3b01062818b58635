/* SPDX-License-Identifier: GPL-2.0 */
/*
 * bench_plugin.h: what bench_plugin knows of bench_tool, and of QEMU, whose
 * qemu-plugin.h Debian does not package: this is of version 1 of it.
 */
#ifndef _BENCH_PLUGIN_H
#define _BENCH_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

/* bench_tool's mark: a long no-operation of x86, with a number of ours in it. */
#define BENCH_MARK		0x47534d56

struct qemu_plugin_tb;
struct qemu_plugin_insn;

typedef void (*qemu_plugin_tb_fn)(uint64_t id, struct qemu_plugin_tb *tb);
typedef void (*qemu_plugin_exec_fn)(unsigned int cpu, void *arg);

void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, qemu_plugin_tb_fn fn);
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *tb, int op,
					      void *counter, uint64_t add);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn,
					    qemu_plugin_exec_fn fn, int flags,
					    void *arg);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb,
						 size_t i);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);

#endif /* _BENCH_PLUGIN_H */
