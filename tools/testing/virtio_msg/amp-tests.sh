#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# amp-tests.sh [SCENARIO...]: the AMP bus from end to end. Device programs run on
# this machine, the drivers in a guest with Debian's own 6.12, and QEMU's
# ivshmem-doorbell is the shared memory and the doorbells between them.
#
# One guest has one function of each kind: both queue formats, both dialects.
# Each scenario is a function below, finds all of them working, and leaves them
# so; after one that failed everything is started anew.

# shellcheck disable=SC2317 # "scenario" calls the functions
. "$(dirname "$0")/lib.sh"
. "$HERE/amp-lib.sh"

AMP_NAME=amp
CYCLES=1000

need_packages "${NEEDS_MODULES[@]}" "${NEEDS_GUEST[@]}" "${NEEDS_TESTS[@]}"
ko=$("$HERE/modules.sh" stock)
build_tools tools
mkdir -p "$BUILD/selftests"
run_logged selftests "building the programs of the tests" \
	make -C "$ROOT/tools/testing/selftests/virtio_msg" -j"$JOBS" OUTPUT="$BUILD/selftests"

peer layout "" --blk file=@/layout.img,size=8M,serial=layout --rng seed=21
peer spsc ",format=spsc" --blk file=@/spsc.img,size=8M,serial=spsc --rng seed=22
peer rfc "" --dialect rfc --blk file=@/rfc.img,size=8M,serial=rfc --rng seed=23
peer oldest ",format=spsc" --dialect rfc --blk file=@/oldest.img,size=8M,serial=oldest \
	--rng seed=24

# --- what the scenarios need --------------------------------------------------

start_all() {
	local name
	for name in "${PEERS[@]}"; do
		peer_start "$name" || return 1
	done
	guest_start --reboot --mem 1G --timeout 1200 \
		--ko "$ko/virtio_msg.ko" --ko "$ko/virtio_msg_amp.ko" \
		--ko "$ko/virtio_msg_amp_pci.ko" --bin "$BUILD/selftests/lbtool" &&
		in_guest take && working
}

# All disks are there, and belong to whom they should.
working() {
	local name
	for name in "${PEERS[@]}"; do
		in_guest "disks $name && serial_is \$DISK $name" || return 1
	done
}

# scenario FUNCTION TEXT
scenario() {
	if ((${#wanted[@]})) && [[ " ${wanted[*]} " != *" $1 "* ]]; then
		return 0
	fi
	if [[ ! $GUEST_JOB ]]; then
		say "-- starting the programs and a guest"
		start_all >"$AMP_DIR/said" 2>&1 || { lost "$2 (start)"; return 0; }
	fi
	if { in_guest "mark $1" && "$1" && no_complaint; } >"$AMP_DIR/said" 2>&1; then
		pass "$2"
	elif [[ -s $AMP_DIR/skip ]]; then
		skip "$2: $(cat "$AMP_DIR/skip")"
		rm "$AMP_DIR/skip"
	else
		lost "$2"
	fi
}

# Of the kernel in the guest, if that is still there
no_complaint() {
	[[ ! $GUEST_JOB ]] || in_guest no_complaint
}

# unable REASON: for a scenario that cannot be played here
unable() {
	echo "$*" >"$AMP_DIR/skip"
	return 1
}

lost() {
	fail "$1"
	amp_end
	tail -n 40 "$AMP_DIR/said" | sed 's/^/     | /'
	grep -sh -m 1 '^the guest' "$AMP_DIR/guest.err" | sed 's/^/     | /'
	echo "     | console, from the start of this on:"
	sed -n '/ amp: /h; / amp: /!H; $ { x; p }' "$LOGS/$AMP_NAME.console" | head -n 60 |
		sed 's/^/     | /'
}

# --- scenarios ----------------------------------------------------------------

found() {
	working && in_guest "same 'number of buses' \$(ls \$CLASS | wc -l) ${#PEERS[@]}"
}

data() {
	local name sum
	in_guest "disks ${PEERS[*]} && matrix \$DISKS" || return 1
	for name in "${PEERS[@]}"; do
		sum=$(in_guest "disks $name && random_data \$DISK") || { echo "$sum"; return 1; }
		[[ $sum == "$(head -c 3072000 "$AMP_DIR/$name.img" | sha256sum)" ]] || {
			echo "$name: the guest and this machine see different data: $sum"
			return 1
		}
	done
}

entropy() {
	in_guest "rngs 21 22 23 24"
}

hotplug() {
	local name
	for name in layout oldest; do
		for _ in 1 2 3; do
			hot_add "$name" && in_guest "verify_disks \$DISK" && hot_remove "$name" ||
				return 1
		done
		hot_add "$name" && in_guest "start_load \$DISK" && hot_remove "$name" &&
			in_guest "end_load \$DISK && wait_for no_stuck_task" || return 1
	done
	working
}

hot_add() {
	peer_tell "$1" "ok added 7" "add blk file=$AMP_DIR/hot.img,size=4M,num=7" &&
		in_guest "wait_disk $1 7"
}

hot_remove() {
	peer_tell "$1" "removed 7" "remove 7" && in_guest "wait_for gone $1 7"
}

# The others do not notice.
killed() {
	in_guest "load layout && disks spsc && start_load \$DISK && OTHER=\$DISK" &&
		peer_end layout KILL && in_guest "loaded && wait_for gone layout" &&
		in_guest "said '10.0.*device side has died' && still_loaded \$OTHER" &&
		peer_start layout && working &&
		in_guest "disks layout && matrix \$DISKS && stop_load \$OTHER"
}

# In this format nobody can see that: it ends when somebody lets go.
killed_spsc() {
	in_guest "load spsc" && peer_end spsc KILL && in_guest "unbind spsc && loaded" &&
		peer_start spsc && in_guest "bind spsc" && working
}

terminated() {
	in_guest "load layout rfc" && peer_end layout && peer_end rfc &&
		in_guest "loaded && wait_for gone layout && wait_for gone rfc" &&
		in_guest "said '10.0.*device side has left' && said '12.0.*has left'" &&
		peer_start layout && peer_start rfc && working &&
		in_guest "disks layout rfc && verify_disks \$DISKS"
}

# Drivers that want an answer do not wait for ever.
asleep() {
	in_guest "disks layout && VIRTIO=\$(basename \$(device layout 0))" || return 1
	kill -STOP "${PEER_PID[layout]}"
	in_guest "echo \$VIRTIO >/sys/bus/virtio/drivers/virtio_blk/unbind" || return 1
	kill -CONT "${PEER_PID[layout]}"
	in_guest "wait_for no_stuck_task" &&
		in_guest "echo \$VIRTIO >/sys/bus/virtio/drivers/virtio_blk/bind" && working &&
		in_guest "disks layout && verify_disks \$DISKS"
}

# In order, and without a word
rebooted() {
	rebooted_by ask "reboot -f" && rebooted_by monitor system_reset
}

rebooted_by() {
	in_guest "disks ${PEERS[*]} && start_load \$DISKS" || return 1
	"$@"
	answer @up && introduce && in_guest "mark rebooted && take" && working &&
		in_guest "disks ${PEERS[*]} && matrix \$DISKS"
}

# Suspended to memory, where QEMU resets all of the machine but that.
suspended() {
	in_guest "disks ${PEERS[*]} && start_load \$DISKS" || return 1
	ask "echo deep >/sys/power/mem_sleep; echo mem >/sys/power/state"
	await monitor_says "info status" "suspended" && monitor system_wakeup &&
		answer "@done 0" && in_guest "still_loaded \$DISKS && stop_load \$DISKS" && working
}

cycled() {
	in_guest "growth 100 cycles layout 0 virtio_blk $((CYCLES / 3 + 1))"
}

rebound() {
	in_guest "load ${PEERS[*]} && each unbind ${PEERS[*]} && loaded" &&
		in_guest "each bind ${PEERS[*]}" && working &&
		in_guest "growth 80 rebind layout 40"
}

reloaded() {
	in_guest "load ${PEERS[*]} && rmmod virtio_msg_amp_pci && loaded" &&
		in_guest "rmmod virtio_msg_amp && rmmod virtio_msg && take" && working &&
		in_guest "disks ${PEERS[*]} && verify_disks \$DISKS"
}

pulled() {
	in_guest "load layout spsc && pull layout && pull spsc && remove layout && remove spsc" &&
		in_guest "loaded && echo 1 >/sys/bus/pci/rescan" && working &&
		in_guest "disks layout spsc && verify_disks \$DISKS"
}

# QEMU 7.2 frees such a function, but goes on listening to its doorbell, and
# forgets twice who has left before. So this comes early, with nothing after it.
unplugged() {
	local rc=0
	in_guest "load layout && disks spsc && start_load \$DISK && OTHER=\$DISK" || return 1
	monitor "device_del amp-layout"
	in_guest "wait_for removed layout && loaded && still_loaded \$OTHER && stop_load \$OTHER" ||
		rc=$?
	amp_end
	! grep -q 'status: 139' "$AMP_DIR/guest.err" || unable "QEMU has crashed, not the guest" ||
		return 1
	return "$rc"
}

ended() {
	local name
	guest_end
	for name in "${PEERS[@]}"; do
		peer_end "$name" || return 1
	done
	await no_servers
}

no_servers() {
	[[ ! $(servers; ls "$AMP_DIR"/*.sock 2>/dev/null) ]]
}

wanted=("$@")
scenario found "four functions are four buses with a disk and an rng each"
scenario data "data are the same on both sides: 512 bytes to 64 KiB, depth 1 and 16"
scenario entropy "each rng gives the sequence of its seed"
scenario unplugged "a function is unplugged under I/O"
scenario rebooted "the guest reboots, and is reset, under I/O"
scenario hotplug "devices come and go, also under I/O"
scenario killed "a program dies by SIGKILL under I/O, and is started again"
scenario killed_spsc "the same in a format in which nobody can tell"
scenario terminated "programs end by SIGTERM under I/O, and are started again"
scenario asleep "a program sleeps when its driver asks"
scenario cycled "$CYCLES times unbind and bind of a virtio device, without a leak"
scenario rebound "PCI functions are unbound under I/O and bound again"
scenario reloaded "modules are unloaded under I/O and loaded again"
scenario pulled "functions stop to answer under I/O"
scenario suspended "the guest sleeps under I/O"
scenario ended "programs and servers end, and leave nothing behind"
summary
