#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# guest-tests.sh [TEST...]: runs the selftests (every executable script in
# tools/testing/selftests/virtio_msg/) inside a guest with Debian's own 6.12.
#
# Tests speak TAP; a line "# figure NAME VALUE UNIT TEXT" is a result to be shown
# and to be kept in build/figures. They share one boot; a test with a line
# "# guest: OPTIONS" is run in one with these options of guest.sh, and a test with
# "# kernel: kinds" in one with the kernel that kinds-kernel.sh builds. A test that
# takes the guest down fails, and a fresh guest goes on with the tests after it.
# A warning of the kernel during a test is a failure too, but for one line that a
# "# known: WORD WHY" in the test names.

. "$(dirname "$0")/lib.sh"

TEST_SECONDS=300
dir=$ROOT/tools/testing/selftests/virtio_msg

need_packages "${NEEDS_MODULES[@]}" "${NEEDS_GUEST[@]}" "${NEEDS_TESTS[@]}"
cd "$dir" || die "there is no folder $dir"
named=$#
((named)) || set -- *.sh
declare -A groups=()
order=()
for t; do
	if [[ ! -x $t ]]; then
		((!named)) || die "there is no selftest $t in $dir"
		continue
	fi
	options=$(sed -n 's/^# guest: //p; s/^# kernel: kinds/@kinds/p' "$t")
	[[ ${groups[x$options]:-} ]] || order+=("$options")
	groups[x$options]+="$t "
done

ko=$("$HERE/modules.sh" stock)
build_tools tools
# Programs that the tests bring along; kselftest calls the folder OUTPUT.
mkdir -p "$BUILD/selftests"
run_logged selftests "building the programs of the tests" \
	make -C "$dir" -j"$JOBS" OUTPUT="$BUILD/selftests"
page=Documentation/userspace-api/virtio-msg-device.rst
common=(--add "$dir:/selftests" --add "$ROOT/$page:/selftests/${page##*/}"
	--bin mkfs.ext4 --bin fsck.ext4 --bin fio
	--bin ip --bin iperf3 --bin ethtool --mod virtio_net --mod tun
	--mod virtio_balloon --mod virtio_input --mod evdev
	--mod virtio_blk --mod virtio-rng)
stock=()
common+=(--bin socat --mod vmw_vsock_virtio_transport --mod virtio_scsi --mod sd_mod)
# Back ends of vhost-user, where this Debian has them, and DPDK's drivers, which
# are libraries with libraries of their own.
for p in qemu-storage-daemon qemu-img dpdk-testpmd setfattr getfattr \
	/usr/lib/qemu/virtiofsd; do
	! command -v "$p" >/dev/null || common+=(--bin "$p")
done
for p in /usr/lib/*/dpdk/pmds-*/librte_{mempool_ring,net_vhost}.so.*.*; do
	[[ -e $p ]] || continue
	common+=(--add "$p:/usr/bin/${p##*/}")
	while read -r lib; do
		common+=(--add "$lib:$lib")
	done < <(ldd "$p" | sed -n 's,.* => \(/[^ ]*librte[^ ]*\) .*,\1,p')
done
for m in "$ko"/*.ko; do
	stock+=(--ko "$m")
done
for p in "$BUILD"/tools/{virtio-msg-,example_}* "$BUILD"/selftests/*; do
	[[ ! -f $p || ! -x $p ]] || common+=(--bin "$p")
done

# use_kinds: the words for a guest with the kernel that has drivers for all kinds
# of devices, in place of the stock kernel and its modules.
use_kinds() {
	local i m
	words=(--bin gpioinfo --bin gpioget --bin gpioset --bin gpiomon)
	need_packages gpiod
	eval "$("$HERE/kinds-kernel.sh")"
	words+=(--kernel "${VMLINUZ:?}" --modroot "${MODROOT:?}")
	for m in virtio_msg_loopback i2c-virtio at24 gpio-virtio 9p 9pnet_virtio \
		virtiofs virtio_blk virtio-rng; do
		words+=(--mod "$m")
	done
	for ((i = 0; i < ${#common[@]}; i += 2)); do
		[[ ${common[i]} == --mod ]] || words+=("${common[@]:i:2}")
	done
}

cat >"$BUILD/guest-runner" <<'END'
cd /selftests
limit=$1; shift
for t; do
	echo "@begin $t"
	echo "selftest $t" >/dev/kmsg
	timeout "$limit" "./$t"
	rc=$?
	known=$(sed -n 's/^# known: \([^ ]*\) .*/\1/p' "$t")
	dmesg | sed "1,/] selftest $t\$/d" | grep -v "${known:-^\$}" |
		grep -A 20 -E 'WARNING: |BUG: |BUG! |Oops|INFO: task|detected stall' |
		head -n 40 | sed 's/^/@kernel /'
	echo "@end $rc"
done
END

# Of one script: what it planned and reported so far, whether anything failed,
# and the lines since the last result: they explain a failure.
test='' planned='' seen=0 bad='' kernel='' said=()

failed() {
	fail "${test%.sh}: $1"
	bad=1
	((!${#said[@]})) || printf '%s\n' "${said[@]}" | tail -n 40 | sed 's/^/     | /'
	said=()
}

# A script has ended with exit status $1: is all there that it promised?
finish() {
	if [[ $kernel ]]; then
		failed "the kernel complained"
	elif (($1 == 124 || $1 == 143)); then
		failed "did not end within $TEST_SECONDS s"
	elif ((seen < ${planned:-0})); then
		failed "$((planned - seen)) of $planned tests did not report (exit status $1)"
	elif (($1 == 4 && !seen)); then
		skip "${test%.sh}"
	elif [[ ! $planned ]]; then
		failed "printed no plan (exit status $1)"
	elif (($1 != 0 && $1 != 4)) && [[ ! $bad ]]; then
		failed "exit status $1, though no test failed"
	fi
	test=''
}

take_line() {
	if [[ $1 =~ ^@begin\ (.*) ]]; then
		test=${BASH_REMATCH[1]} planned='' seen=0 bad='' kernel='' said=()
	elif [[ $1 =~ ^@end\ (.*) ]]; then
		finish "${BASH_REMATCH[1]}"
	elif [[ $1 =~ ^@kernel\ (.*) ]]; then
		kernel=1
		said+=("${BASH_REMATCH[1]}")
	elif [[ $1 =~ ^1\.\.0.*SKIP\ *(.*) ]]; then
		planned=0
		skip "${test%.sh}: ${BASH_REMATCH[1]}"
	elif [[ $1 =~ ^1\.\.([0-9]+) ]]; then
		planned=${BASH_REMATCH[1]}
	elif [[ $1 =~ ^#\ figure\ ([^\ ]+)\ (.*) ]]; then
		printf '     %s\n' "${BASH_REMATCH[2]}"
		printf '%s\n' "${BASH_REMATCH[2]}" >>"$BUILD/figures"
	elif [[ $1 =~ ^(not )?ok\ [0-9]+(\ -)?\ *(.*) ]]; then
		seen=$((seen + 1))
		if [[ ${BASH_REMATCH[1]} ]]; then
			failed "${BASH_REMATCH[3]}"
		elif [[ $1 == *"# SKIP"* ]]; then
			skip "${test%.sh}: ${BASH_REMATCH[3]}"
		else
			pass "${test%.sh}: ${BASH_REMATCH[3]}"
		fi
		said=()
	else
		said+=("$1")
	fi
}

# Linux changes its own code by way of breakpoints. When QEMU 7.2 emulates several
# CPUs, one of them may run such a breakpoint after it has gone: no test can do that.
emulator_died() {
	grep -q 'Oops: int3' "$LOGS/tests-$boot.console"
}

boot=0 again=0
err=$(mktemp)
trap 'rm -f "$err"' EXIT
for options in "${order[@]}"; do
	read -ra list <<<"${groups[x$options]}"
	read -ra words <<<"$options"
	if [[ $options == @kinds ]]; then
		use_kinds
	else
		words+=("${common[@]}" "${stock[@]}")
	fi
	while ((${#list[@]})); do
		boot=$((boot + 1))
		say "-- guest $boot${options:+ ($options)}: ${list[*]}"
		last=''
		while IFS= read -r line; do
			[[ $line != @begin* ]] || last=${line#* }
			take_line "${line%$'\r'}"
		done < <("$HERE/guest.sh" --name "tests-$boot" --mem 1G \
			--append log_buf_len=4M \
			--timeout $((60 + TEST_SECONDS * ${#list[@]})) \
			"${words[@]}" --add "$BUILD/guest-runner:/runner" \
			"sh /runner $TEST_SECONDS ${list[*]}" 2>"$err")
		if [[ ! $test && $last == "${list[-1]}" ]]; then
			break
		fi
		# The guest died, in a test or before there was one.
		while [[ $last && ${list[0]} != "$last" ]]; do
			list=("${list[@]:1}")
		done
		if emulator_died && ((again++ < 2)); then
			say "   QEMU ran a breakpoint that its guest had taken out: once more"
			test=''
			continue
		fi
		test=${test:-${last:-start of the guest}}
		failed "the guest died"
		cat "$err" >&2
		[[ $last ]] || break
		list=("${list[@]:1}")
		test=''
	done
done
summary
