# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# For the scripts in which a device is a program on this machine and its driver
# is in a guest, with memory that QEMU's ivshmem-doorbell shares between them.
# The script is in charge: it starts and kills programs, and has amp-guest.sh
# run commands in the guest. Sourced after lib.sh, never run.
#
# All processes are ended by pid; a leaving script leaves none behind.

# Seconds that a command in the guest, or an answer of a program, may take.
AMP_SECONDS=${AMP_SECONDS:-120}
AMP_DIR=$(mktemp -d "${TMPDIR:-/tmp}/virtio-msg-amp.XXXXXX")

declare -A PEER_LINK=() PEER_ARGS=() PEER_PID=()
# In the order of amp_slot.
PEERS=()

# await COMMAND...: until it succeeds, or for AMP_SECONDS.
await() {
	local end=$((SECONDS + AMP_SECONDS))
	until "$@" 2>/dev/null; do
		((SECONDS < end)) || {
			echo "waited in vain (at most $AMP_SECONDS s) for: $*"
			return 1
		}
		sleep 0.05
	done
}

not() { ! "$@"; }

alive() { kill -0 "$1" 2>/dev/null; }

# --- device programs ----------------------------------------------------------

# peer NAME LINK-OPTIONS ARGUMENT...: what peer_start NAME is to start. In the
# arguments, @ stands for the folder of all files.
peer() {
	PEERS+=("$1")
	PEER_LINK[$1]=$2
	PEER_ARGS[$1]=${*:3}
}

peer_socket() { echo "$AMP_DIR/$1.sock"; }

peer_start() {
	local name=$1 args
	read -ra args <<<"${PEER_ARGS[$name]//@/$AMP_DIR}"
	: >"$AMP_DIR/$name.log"
	# It may have been killed, and a FIFO that nobody reads blocks who writes.
	rm -f "$AMP_DIR/$name.ctl"
	"$BUILD/tools/virtio-msg-device" --control "$AMP_DIR/$name.ctl" \
		--link "ivshmem:$(peer_socket "$name")${PEER_LINK[$name]}" "${args[@]}" \
		>>"$AMP_DIR/$name.log" 2>&1 </dev/null &
	PEER_PID[$name]=$!
	await peer_settled "$name"
	peer_said "$name" 0 "ready: " && return 0
	echo "the program $name did not start:"
	cat "$AMP_DIR/$name.log"
	return 1
}

peer_settled() {
	peer_said "$1" 0 "ready: " || not alive "${PEER_PID[$1]}"
}

# peer_said NAME LINES TEXT: is there a line that begins so, after the first LINES?
peer_said() {
	tail -n "+$(($2 + 1))" "$AMP_DIR/$1.log" | grep -q "^$3"
}

# peer_tell NAME ANSWER COMMAND...: a line for --control; the answer must come.
peer_tell() {
	local lines
	lines=$(wc -l <"$AMP_DIR/$1.log")
	printf '%s\n' "${*:3}" >"$AMP_DIR/$1.ctl"
	await peer_said "$1" "$lines" "$2" || {
		tail -n "+$((lines + 1))" "$AMP_DIR/$1.log"
		return 1
	}
}

# peer_end NAME [SIGNAL]: it must end, and after a SIGTERM with success.
peer_end() {
	local pid=${PEER_PID[$1]} status=0
	kill "-${2:-TERM}" "$pid" || { echo "$1 has ended already"; return 1; }
	unset "PEER_PID[$1]"
	# The shell has something to say about those that are killed.
	{ await not alive "$pid" && wait "$pid" || status=$?; } 2>/dev/null
	[[ ${2:-TERM} != TERM || $status == 0 ]] || {
		echo "$1 ended with exit status $status:"
		tail -n 20 "$AMP_DIR/$1.log"
		return 1
	}
}

# The servers of the sockets, which are children that outlive the programs
servers() {
	local f
	for f in /proc/[0-9]*; do
		{ [[ $(<"$f/comm") == vmsg-ivshmem ]] && grep -qF "$AMP_DIR/" "$f/cmdline"; } \
			2>/dev/null && echo "${f#/proc/}"
	done
}

# --- the guest ----------------------------------------------------------------

TO='' FROM='' MONITOR='' ANSWERS='' GUEST_JOB=''

# amp_slot NAME: where on the PCI bus its function is
amp_slot() {
	local i
	for i in "${!PEERS[@]}"; do
		[[ ${PEERS[i]} != "$1" ]] || printf '%x\n' $((16 + i))
	done
}

# guest_start OPTION...: boots a guest with a function for each of PEERS, which
# have to run. The options are those of guest.sh.
guest_start() {
	local name qemu="-pidfile $AMP_DIR/qemu.pid"
	rm -f "$AMP_DIR"/monitor.*
	mkfifo "$AMP_DIR/monitor.in" "$AMP_DIR/monitor.out"
	qemu+=" -chardev pipe,id=monitor,path=$AMP_DIR/monitor -mon chardev=monitor"
	for name in "${PEERS[@]}"; do
		qemu+=" -chardev socket,id=$name,path=$(peer_socket "$name")"
		qemu+=" -device ivshmem-doorbell,id=amp-$name,chardev=$name,vectors=1"
		qemu+=",addr=0x$(amp_slot "$name")"
	done
	coproc GUEST {
		exec "$HERE/guest.sh" --stdin --machine pc --name "${AMP_NAME:-amp}" "$@" \
			--qemu "$qemu" \
			--add "$ROOT/tools/testing/selftests/virtio_msg:/selftests" \
			--add "$HERE/amp-guest.sh:/amp-guest.sh" \
			--bin fio --bin mkfs.ext4 --mod virtio_blk --mod virtio-rng \
			"cd /selftests && sh /amp-guest.sh | cat" 2>"$AMP_DIR/guest.err"
	}
	GUEST_JOB=$GUEST_PID
	exec {TO}>&"${GUEST[1]}" {FROM}<&"${GUEST[0]}"
	# For both directions, so that nothing blocks when QEMU is dead.
	exec {MONITOR}<>"$AMP_DIR/monitor.in" {ANSWERS}<>"$AMP_DIR/monitor.out"
	answer @up && introduce
}

# The guest may forget: after a reboot it wants this again.
introduce() {
	local name
	for name in "${PEERS[@]}"; do
		in_guest "function_is $name 0000:00:$(amp_slot "$name").0" || return 1
	done
}

# ask COMMAND: one line for the guest's shell, with its length, as a serial line
# loses some of it now and then. In a shell of its own, as nobody may be listening.
ask() {
	ASKED=$1
	(printf '%s %s\n' "${#1}" "$1" >&"$TO") 2>/dev/null || true
}

# answer WANTED: shows what the guest says up to the line WANTED or "@done N",
# and returns its N.
answer() {
	local line
	while IFS= read -r -t "$AMP_SECONDS" line <&"$FROM"; do
		line=${line%$'\r'}
		if [[ $line == "$1" ]]; then
			return 0
		elif [[ $line == @again ]]; then
			ask "$ASKED"
			continue
		elif [[ $line == @up ]]; then
			echo "the guest has started over"
			return 125
		elif [[ $line =~ ^(.*)@done\ ([0-9]+)$ ]]; then
			# Not everybody ends what is said by a newline.
			[[ ! ${BASH_REMATCH[1]} ]] || echo "${BASH_REMATCH[1]}"
			return "${BASH_REMATCH[2]}"
		fi
		printf '%s\n' "$line"
	done
	echo "the guest has died, or did not answer for $AMP_SECONDS s"
	return 125
}

# in_guest COMMAND: a command whose end is waited for
in_guest() {
	local rc=0
	ask "$1"
	answer "@done 0" || rc=$?
	((!rc)) || echo "in the guest (exit status $rc): $1"
	return $rc
}

# monitor COMMAND: for QEMU itself
monitor() {
	printf '%s\n' "$1" >&"$MONITOR"
}

# monitor_says COMMAND TEXT: does the answer have this TEXT in it?
monitor_says() {
	local line text=''
	while read -r -t 0.01 -n 4000 line <&"$ANSWERS"; do :; done
	monitor "$1"
	while read -r -t 0.2 -n 4000 line <&"$ANSWERS"; do
		text+=$line
	done
	[[ $text == *"$2"* ]]
}

# Ends the guest, whatever state it is in; says what was wrong with it.
guest_end() {
	local pid
	[[ $GUEST_JOB ]] || return 0
	monitor quit
	for _ in {1..100}; do
		alive "$GUEST_JOB" || break
		sleep 0.05
	done
	if alive "$GUEST_JOB"; then
		pid=$(cat "$AMP_DIR/qemu.pid" 2>/dev/null) && kill -KILL "$pid"
	fi
	exec {TO}>&- {FROM}<&- {MONITOR}>&- {ANSWERS}>&-
	wait "$GUEST_JOB" 2>/dev/null || true
	GUEST_JOB=''
}

# All away: after this a new guest_start meets a new world.
amp_end() {
	local name pid
	guest_end
	for name in "${!PEER_PID[@]}"; do
		kill -KILL "${PEER_PID[$name]}" 2>/dev/null || true
		wait "${PEER_PID[$name]}" 2>/dev/null || true
	done
	PEER_PID=()
	for pid in $(servers); do
		kill -KILL "$pid" 2>/dev/null || true
	done
	rm -f "$AMP_DIR"/*.sock
}

amp_exit() {
	amp_end
	for log in "$AMP_DIR"/*.log; do
		[[ ! -e $log ]] || cp "$log" "$LOGS/${AMP_NAME:-amp}-${log##*/}"
	done
	rm -rf "$AMP_DIR"
}
trap amp_exit EXIT
trap 'exit 130' INT TERM
