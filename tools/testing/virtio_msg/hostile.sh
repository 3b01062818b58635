#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# hostile.sh [MESSAGES [SEED]]: bad peers and bad luck in a kernel that complains
# about everything (debug-kernel.sh) and panics when it does. First the selftests
# about what goes wrong, then failing allocations, then MESSAGES (1000000) from a
# hostile device side, a part of them per boot, each with a seed of its own.
# Figures go to build/hostile-figures; those of a million, if nothing failed, to
# Documentation/driver-api/virtio/msg/hostile-figures.rst.

. "$(dirname "$0")/lib.sh"

messages=${1:-1000000} seed=${2:-$RANDOM}
# Per boot: what a guest's timeout is made for.
PART=100000
TESTS=(badinput badring bind daemon hotplug life)
# What stock drivers do not survive, but this kernel does, thanks to patches/. Not
# among them are "net", for those who look for more defects in virtio_net, and
# "direct": who rewrites the flags of such a ring can keep its buffers for ever.
TRICKS=(--trick chains)
dir=$ROOT/tools/testing/selftests/virtio_msg
figures=$BUILD/hostile-figures

need_packages "${NEEDS_GUEST[@]}" "${NEEDS_TESTS[@]}"
eval "$("$HERE/debug-kernel.sh")"
build_tools tools
mkdir -p "$BUILD/selftests"
run_logged selftests "building the programs of the tests" \
	make -C "$dir" -j"$JOBS" OUTPUT="$BUILD/selftests"

words=(--kernel "${VMLINUZ:?}" --modroot "${MODROOT:?}" --append "${APPEND:?}"
	--mem 2G --add "$dir:/selftests" --add "$BUILD/debug-runner:/runner")
for m in virtio_msg_loopback virtio_blk virtio-rng virtio_net virtio_balloon \
	virtio_input evdev vmw_vsock_virtio_transport i2c-virtio gpio-virtio; do
	words+=(--mod "$m")
done
for p in mkfs.ext4 fsck.ext4 fio socat ip ethtool iperf3 "$BUILD"/tools/virtio-msg-* \
	"$BUILD"/selftests/*; do
	if [[ $p != /* || (-f $p && -x $p) ]]; then
		words+=(--bin "$p")
	fi
done

# In the guest: the test, then a look for memory that nobody knows any more. Only
# what is older than a few seconds counts as a leak.
cat >"$BUILD/debug-runner" <<'END'
cd /selftests
timeout "$1" "./$2"
rc=$?
sleep 6
for i in 1 2; do
	echo scan >/sys/kernel/debug/kmemleak
done
leaks=$(grep -c '^unreferenced' /sys/kernel/debug/kmemleak)
echo "# leaks $leaks"
head -n 60 /sys/kernel/debug/kmemleak | sed 's/^/# /'
[ "$leaks" = 0 ] && exit $rc
END

# in_debug NAME SECONDS TEST [NAME=VALUE...]: nothing fails in there, and nothing
# leaks. A splat is the guest's end.
# shellcheck disable=SC2317 # check calls it
in_debug() {
	local out=$LOGS/debug-$1.out
	"$HERE/guest.sh" --name "debug-$1" --timeout "$2" "${words[@]}" \
		"${*:4} sh /runner $(($2 - 120)) $3" &&
		! grep -q '^not ok' "$out" && grep -q '^ok ' "$out"
}

for t in "${TESTS[@]}"; do
	[[ -x $dir/$t.sh ]] || continue
	check "debug-$t" "$t, in the debug kernel" in_debug "$t" 1200 "$t.sh" WAIT=120
done
check debug-faults "failing allocations, in the debug kernel" in_debug faults 1800 faults.sh

# figure NAME: what a run of hostile counted
figure() {
	sed -n "s/^# figure hostile_$1 \([0-9]*\) .*/\1/p" "$LOGS/debug-hostile.out"
}

thrown=0 splats=0 refused=0 rings=0 bound=0 uses=0 seeds=()
for ((left = messages; left > 0; left -= PART)); do
	n=$((left < PART ? left : PART))
	seeds+=("$seed")
	check debug-hostile "$n messages with seed $seed, in the debug kernel" \
		in_debug hostile 3600 hostile.sh \
		"HOSTILE='--messages $n --seed $seed ${TRICKS[*]}'"
	# grep fails if there is none.
	complaints=$(grep -cE 'WARNING: |BUG: |UBSAN: |INFO: task|Kernel panic' \
		"$LOGS/debug-hostile.console") || true
	splats=$((splats + complaints))
	for f in refused rings bound uses; do
		eval "$f=\$(($f + \$(figure $f) + 0))"
	done
	thrown=$((thrown + $(figure messages) + 0))
	cat >"$figures" <<-END
		$thrown messages thrown at the kernel by a hostile device side
		$refused of them refused by write()
		$rings writes into rings and buffers behind the driver's back
		$bound times a driver said DRIVER_OK
		$uses times a device was used meanwhile
		$splats complaints of the kernel
	END
	seed=$((seed + 1))
done
[[ ! -e $figures ]] || sed 's/^/     /' "$figures"
if ((messages >= 1000000 && !FAILED)); then
	kernel=$(basename "$MODROOT"/lib/modules/*)
	write_figures hostile-figures "Figures of hostile devices" \
		"make hostile MESSAGES=$messages SEED=${seeds[0]}" \
		"The
kernel, $kernel with tools/testing/virtio_msg/patches, has KASAN, UBSAN,
PROVE_LOCKING, DEBUG_ATOMIC_SLEEP, KMEMLEAK, DMA_API_DEBUG and the detectors of hung
tasks, and would have panicked at the first warning. Memory that nobody knows any more
was looked for after each of the ${#seeds[@]} boots, and there was none.

The devices are disks, sources of entropy, input devices, sockets, I2C adapters and
kinds that no driver knows. Those with which a device side brings down a kernel by an
error that is not of virtio-msg are left out: see the tricks in \`\`hostile --help\`\`."
fi
summary
