#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# soak.sh [MINUTES]: device programs of all kinds come, work, are mistreated and
# die in one guest with Debian's own 6.12, at random, for so long (10 minutes). It
# says each minute how it stands, and what it has counted at the end; that is in
# build/soak-figures too. A run of 30 minutes or more in which nothing failed is
# written down: Documentation/driver-api/virtio/msg/soak-figures.rst. SEED=N repeats
# a run, as far as the times allow.

. "$(dirname "$0")/lib.sh"

minutes=${1:-10}
[[ $minutes && ! ${minutes//[0-9]/} && $minutes != 0 ]] ||
	die "how many minutes are ${1@Q}? Say a whole number"
seed=${SEED:-$((RANDOM * 32768 + RANDOM))}
[[ ! ${seed//[0-9]/} ]] || die "SEED=$seed is not a number"
log=$LOGS/soak.log
figures=$BUILD/soak-figures

need_packages "${NEEDS_MODULES[@]}" "${NEEDS_GUEST[@]}" "${NEEDS_TESTS[@]}"
dir=$ROOT/tools/testing/selftests/virtio_msg
ko=$("$HERE/modules.sh" stock)
build_tools tools
mkdir -p "$BUILD/selftests"
run_logged selftests "building the programs of the tests" \
	make -C "$dir" -j"$JOBS" OUTPUT="$BUILD/selftests"
guest=(--name soak --mem 1G --append log_buf_len=4M --timeout $((minutes * 60 + 300))
	--add "$dir:/selftests"
	--bin fio --bin ip)
for m in virtio_blk virtio-rng virtio_net virtio_input evdev vmw_vsock_virtio_transport \
	virtio_scsi sd_mod; do
	guest+=(--mod "$m")
done
for m in "$ko"/virtio_msg{,_loopback}.ko; do
	guest+=(--ko "$m")
done
guest+=(--bin "$BUILD/tools/virtio-msg-device" --bin "$BUILD/selftests/sharing")

say "-- a soak of $minutes minutes; SEED=$seed repeats it"
: >"$figures"
ended=''
while IFS= read -r line; do
	case $line in
	'@ok '*)	PASSED=$((PASSED + 1)) ;;
	'@bad '*)	fail "${line#@bad }" ;;
	'@skip '*)	skip "${line#@skip }" ;;
	'@minute '*)	say "   ${line#@minute }" ;;
	'@figure '*)	echo "${line#@figure }" | tee -a "$figures" | sed 's/^/     /' ;;
	@end)		ended=1 ;;
	*)		printf '     | %s\n' "$line" ;;
	esac
done < <("$HERE/guest.sh" "${guest[@]}" \
	"cd /selftests; WAIT=60 SEED=$seed sh soak.sh $((minutes * 60))" 2>"$log.guest" |
	tee "$log")
[[ $ended ]] || {
	fail "the guest did not get to the end, SEED=$seed"
	cat "$log.guest" >&2
}
if ((minutes >= 30 && !FAILED)); then
	write_figures soak-figures "Figures of a soak" "SEED=$seed make soak MINUTES=$minutes" \
		"The kernel was Debian's
$(basename "${ko%/drivers/virtio/msg}")."
fi
say "   SEED=$seed; the steps: $log, the guest's console: $LOGS/soak.console"
summary
