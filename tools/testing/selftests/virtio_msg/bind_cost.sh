#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# guest: --icount
#
# Figures: what a bind costs, and how much memory there is to pay. Under icount
# the clock counts instructions, so the first is the same on every machine.
# Lines "# figure NAME VALUE UNIT TEXT" are for scripts.

. ./lib.sh

BUSES=20
MODULES_LIMIT=204800
BUS_LIMIT=64

exec 3>&1

figure() {
	echo "# figure $*" >&3
}

# Of several binds the shortest: the others had something in between.
bind_cost() {
	start blk --blk "file=$TMP/disk,size=4M" && wait_disk blk 0 || return 1
	figure probe_pairs "$(requests blk 0)" pairs \
		requests of finding a new device and binding virtio_blk to it
	cost_device=$(device blk 0)
	cost_name=${cost_device##*/}
	cost_driver=/sys/bus/virtio/drivers/virtio_blk
	for _ in 1 2 3 4 5; do
		echo "$cost_name" >$cost_driver/unbind || return 1
		cost_before=$(requests blk 0)
		lbtool time "$cost_name" $cost_driver/bind >>"$TMP/times" || return 1
		cost_after=$(requests blk 0)
		wait_disk blk 0 || return 1
	done
	figure bind_us "$(sort -n "$TMP/times" | head -n 1)" us bind of virtio_blk under icount
	figure bind_pairs $((cost_after - cost_before)) pairs \
		requests of binding a known device again
	stop blk
}

# All that stays in memory of the modules, of which text is a part.
module_size() {
	module_sum=0
	for module in virtio_msg virtio_msg_loopback; do
		module_bytes=$(cat "/sys/module/$module/coresize") || return 1
		figure "module_$module" "$module_bytes" bytes in memory, of "$module"
		module_sum=$((module_sum + module_bytes))
	done
	figure modules $module_sum bytes in memory, of all modules
	most "bytes of both" $module_sum $MODULES_LIMIT
}

# KiB that the kernel uses for itself. Pools are files, which do not count.
memory() {
	echo 3 >/proc/sys/vm/drop_caches
	awk '/^(SReclaimable|SUnreclaim|KernelStack|PageTables|VmallocUsed|Percpu):/ { n += $2 }
	     END { print n }' /proc/meminfo
}

# hold NUM FILE: memory with that many buses
hold() {
	lbtool hold "$1" <"$TMP/end" >"$TMP/hold" &
	hold_pid=$!
	exec 4>"$TMP/end"
	wait_for grep -q ready "$TMP/hold" || return 1
	memory >"$2"
	exec 4>&-
	wait $hold_pid && nothing_left
}

# The first ones fill caches. One bus is there each time, with its program.
idle_bus() {
	mkfifo "$TMP/end" &&
		hold $BUSES "$TMP/memory" && hold 1 "$TMP/memory" &&
		hold $((BUSES + 1)) "$TMP/memory-many" && hold 1 "$TMP/memory-one" || return 1
	idle_kb=$((($(cat "$TMP/memory-many") - $(cat "$TMP/memory-one") + BUSES - 1) / BUSES))
	figure idle_bus_kb $idle_kb KiB of an idle bus besides its pool
	[ $idle_kb -gt 0 ] || fail "nothing was measured" || return 1
	most "KiB of an idle bus" $idle_kb $BUS_LIMIT
}

plan 3 virtio-msg-device lbtool
check "bind of virtio_blk" bind_cost
check "the modules take less than $MODULES_LIMIT bytes" module_size
check "an idle bus takes less than $BUS_LIMIT KiB besides its pool" idle_bus
