#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# ffa-tests.sh [REGEX [OPTION...]]: devices in a made-up secure world (ffa/), drivers in
# a small arm64 kernel above it, all of it in QEMU; REGEX selects tests by name, OPTION is
# one more of ffa-guest.sh for each of them. The secure side polices the driver side: its
# verdict is part of each result. KERNEL=64k or KERNEL=debug selects another kernel.

. "$(dirname "$0")/lib.sh"

only=${1:-.}
shift || true
more=("$@")
if ! (need_packages "${NEEDS_KERNEL[@]}" "${NEEDS_FFA[@]}"); then
	skip "the FF-A bus: there is no compiler for arm64, or no QEMU"
	summary
fi
if [[ ! ${FFA_IMAGE:-} ]]; then
	built=$("$HERE/ffa-guest.sh" --build) || {
		fail "the FF-A bus: something that guests need cannot be built"
		summary
	}
	eval "$built"
fi

CLEAN="violations 0; left: shares 0, areas 0, notifications 0; unseen: faults 0"

# One test: guest NAME TEXT OPTION... COMMAND. With LEFT, another verdict than that
# nothing is left over.
guest() {
	local test=$1 name=ffa${KERNEL:+-$KERNEL}-$1 text=$2 out rc=0 verdict
	local want=${LEFT:-$CLEAN}
	shift 2
	[[ $test =~ $only ]] || return 0
	out=$("$HERE/ffa-guest.sh" --name "$name" "${more[@]}" "$@" 2>&1) || rc=$?
	verdict=$(sed -n 's/^verdict: //p' "$LOGS/$name.secure" | tail -n 1)
	if ((!rc)) && [[ $verdict == "$want" ]]; then
		printf '%s\n' "$out" | sed -n 's/^# figure [^ ]* /     /p' |
			tee -a "$BUILD/ffa/figures${KERNEL:+-$KERNEL}"
		pass "$text"
		return
	fi
	fail "$text"
	((!rc)) || printf '%s\n' "$out" | sed 's/^/   | /' | tail -n 15
	[[ $verdict == "$want" ]] || {
		echo "   the secure side says: ${verdict:-nothing}"
		grep -m 5 '^violation' "$LOGS/$name.secure" | sed 's/^/   | /' || true
	}
	echo "   alone: ${KERNEL:+KERNEL=$KERNEL }$HERE/ffa-tests.sh '^$test\$';" \
		"logs: $LOGS/$name.*"
}

if [[ host =~ $only ]]; then
	check ffa-host "the secure side itself, rule by rule and at random" \
		flock "$BUILD/ffa/lock" make -C "$HERE/ffa" O="$BUILD/ffa" check
fi

# --- every way of messages and events, all of a bus's life --------------------

declare -A ways=(
	[sri]="direct messages, notifications by SRI"
	[npi]="direct messages, notifications by NPI"
	[none]="direct messages, firmware without notifications"
	[poll]="direct messages, partition without notifications"
	[old]="direct messages, partition without EVENT_CONFIGURE"
	[indirect]="indirect messages, by SRI"
	[indirect-npi]="indirect messages, by NPI"
)
declare -A knobs=(
	[sri]="" [npi]="events=npi" [none]="events=none" [poll]="events=poll"
	[old]="configure=0"
	[indirect]="direct=0 indirect=1" [indirect-npi]="direct=0 indirect=1 events=npi"
)
for way in sri npi none poll old indirect indirect-npi; do
	guest "$way" "${ways[$way]}; devices work inside of calls" \
		--knobs "${knobs[$way]}" life
	guest "$way-core" "${ways[$way]}; devices have a core" \
		--core --knobs "${knobs[$way]}" life
	guest "$way-smp" "${ways[$way]}; devices have a core, Linux two" \
		--core --cpus 2 --knobs "${knobs[$way]}" life
done

guest event-idx "VIRTIO_F_EVENT_IDX; devices have a core, Linux two" \
	--core --cpus 2 --knobs "event_idx=1" "up && rings 29 && down && life"
guest tables "indirect descriptors; devices work inside of calls" \
	--knobs "tables=1" "up && rings 28 && down && life"
guest rings-poll "both, without notifications; devices have a core" --core \
	--knobs "event_idx=1 tables=1 events=poll" "up && rings 28 29 && down && life"
guest rings-indirect "both, indirect messages; devices have a core, Linux two" \
	--core --cpus 2 --knobs "event_idx=1 tables=1 direct=0 indirect=1" \
	"up && rings 28 29 && down && life"

# Its driver spins until a line has arrived, and another core has to send it.
guest console "a console, with cores that send for it" --core --cpus 3 \
	--append "workqueue.unbound_cpus=1-2" \
	"up && taskset 1 sh -c '. /guest.sh; console 20' && down"

rm -f "$BUILD/ffa/figures${KERNEL:+-$KERNEL}"
guest figures "what requests cost, in instructions" --icount --knobs "echo=1 many=1" \
	"up && wait_for device 100 && costs ${KERNEL:+none} && down"

# --- partitions that are as they should not be, or not as usual ---------------

guest version-strict "a partition that insists on the short VERSION" \
	--knobs version=strict "up && works && down"
guest version-long "a partition that insists on the long VERSION" \
	--knobs version=long "up && works && down"
guest version-zero "no answer to VERSION" --knobs version=zero "refused VERSION && down"
guest version-other "a version that nobody knows" --knobs version=other \
	"refused 'speaks version 0x70000' && down"
guest cut "firmware that cuts messages off" --knobs truncate=1 \
	"refused 'cuts direct messages' && down"
guest neither "a partition that takes no messages" --knobs direct=0 \
	"refused 'takes neither' && down"
guest foreign "somebody else's partition is left alone" --knobs foreign=1 \
	"up && works && down"
guest twin "two partitions with the same UUID" --knobs twin=1 \
	"up && works_twin && down"
guest areas "a partition that takes no memory" --knobs areas=0 \
	"refused 'does not take' && down"
guest ffa-1-1 "firmware of FF-A 1.1" --knobs ffa=0x10001 "up && works && down"
guest many "300 more devices, with gaps in between" --knobs "many=300" \
	"up && wait_for devices_are 303 && works && down"
guest scattered "memory in so many pieces that the firmware gets them in parts" \
	"modprobe ffa_hog && modprobe virtio_msg_ffa pool_kb=49152 && usual && works && down"
guest empty "no devices at all" --knobs bare=1 "modprobe virtio_msg_ffa && down"

# --- answers that come late, or not, or are wrong ------------------------------

guest busy "a partition that is busy" --knobs "fault=busy@1x5,busy@12x9,busy@t41x5" \
	"up && works && down"
guest yield "a partition that yields" --knobs "fault=yield@1x5,yield@12x9,yield@b84x5" \
	"up && works && down"
guest interrupt "a partition that is interrupted" \
	--knobs "fault=interrupt@1x5,interrupt@12x9,interrupt@t41x5" "up && works && down"
# No call may meet three of them, however late it is tried again.
guest zero "answers of zeros" --knobs "fault=zero@3x2,zero@12,zero@20" \
	"up && works && down"
guest reset-busy "RESET finds the partition busy" --knobs "fault=rbusy@b83x4" \
	"up && works && down"
guest share-busy "AREA_SHARE finds the partition busy" --knobs "fault=rbusy@b81x4" \
	"up && works && down"
guest unshare-busy "AREA_UNSHARE finds the partition busy" \
	--knobs "fault=rbusy@b82x4" "up && works && down"
guest unshare-refused "AREA_UNSHARE is refused, RESET helps" \
	--knobs "fault=rfail@b82" "up && works && down"
LEFT="violations 0; left: shares 1, areas 1, notifications 0; unseen: faults 0" \
	guest unshare-never "memory that is not given back is not used" \
	--knobs "forget=0 fault=rfail@b82" \
	"up && works && down && said 'bytes are lost'"
guest reclaim "the firmware gives memory back at the third try" --knobs reclaim=2 \
	"up && works && release && sleep 3 && down"
guest configure "EVENT_CONFIGURE is refused" --knobs "fault=rfail@b85" \
	"up && works && down"
guest configure-lost "EVENT_CONFIGURE is not answered, indirect messages" \
	--knobs "fault=zero@b85 direct=0 indirect=1" \
	"refused 'does not agree to send events' && down && up && works && down"
LEFT="violations 0; left: shares 0, areas 0, notifications 0; unseen: faults 1" \
	guest kicks-lost "all kicks are lost, and a driver in its probe can leave" \
	--knobs "fault=zero@t41x999 direct=0 indirect=1" \
	"modprobe virtio_msg_ffa timeout_ms=500 && wait_for said '.vda.' && down &&
	said 'device 2: gives no buffers back'"
guest share-refused "AREA_SHARE is refused once" --knobs "fault=rfail@b81" \
	"refused 'does not take' && down && up && works && down"
for n in 1 2 5 6 7 12 20; do
	guest "event-$n" "an event in place of answer $n" --knobs "fault=event@$n" \
		"up && works && down"
done
guest event-kick "events in place of answers to kicks" \
	--knobs "fault=event@t41x9,event@b84.3x3" "up && works && down"
for kind in token id dev type big small cut noise error abort; do
	faults=
	for n in 1 2 5 8 12 17 25; do
		faults+=",$kind@$n"
	done
	guest "wrong-$kind" "answers with a wrong $kind, one at a time" \
		--knobs "fault=${faults#,}" "survive 8 && works && down"
done
for fault in busy abort; do
	LEFT="violations 0; left: shares 1, areas 1, notifications 0; unseen: faults 1" \
		guest "dead-$fault" "a partition that gives up ($fault)" \
		--knobs "log=1" "TIMEOUT=300 && up && works && dies $fault"
done
for seed in 1 2 3 4; do
	guest "chaos-$seed" "wrong answers everywhere, for a while ($seed)" \
		--knobs "chaos=$seed" --core "survive 60 && works && down"
	guest "chaos-indirect-$seed" "the same with indirect messages ($seed)" \
		--knobs "chaos=$seed direct=0 indirect=1" "survive 60 && works && down"
done

# --- firmware that is not ours ---------------------------------------------------

tfa() {
	local built rc=0
	[[ tfa =~ $only || tfa-cut =~ $only || tfa-indirect =~ $only ]] || return 0
	built=$("$HERE/ffa-tfa.sh") || rc=$?
	if ((rc == 77)); then
		skip "TF-A as firmware: its source, or what its build needs, cannot be had"
		return
	elif ((rc)); then
		fail "TF-A as firmware: it cannot be built, see $LOGS/ffa-tfa.log"
		return
	fi
	eval "$built"
	guest tfa-cut "TF-A as it is, which cuts messages off" --bios "$TFA" \
		"refused 'cuts direct messages' && down"
	guest tfa "TF-A with all registers; direct messages, notifications by SRI" \
		--bios "$TFA_WIDE" life
	guest tfa-indirect "TF-A with all registers; indirect messages, by NPI" \
		--bios "$TFA_WIDE" --knobs "direct=0 indirect=1 events=npi" life
}
tfa
summary
