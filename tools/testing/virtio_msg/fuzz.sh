#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# fuzz.sh [MINUTES]: coverage-guided fuzzing of the device library, from the
# inputs in tools/virtio-msg/fuzz/corpus. Without MINUTES it takes half of one,
# and the same seed each time.
#
# fuzz.sh --figures [MINUTES]: the same, 10 if not said, and writes what it
# has measured: Documentation/driver-api/virtio/msg/fuzz-figures.rst.
# fuzz.sh --merge: adds what earlier runs have found to those inputs, as far as
# it reaches lines that they do not reach.
#
# SEED=N repeats a run; what it has found is in build/fuzz, with all the logs.

. "$(dirname "$0")/lib.sh"

# The first one is the largest by far, and has one processor for itself.
targets=(device wire amp opts)
corpus=$ROOT/tools/virtio-msg/fuzz/corpus
out=$BUILD/fuzz
tools=$out/tools
page=$ROOT/Documentation/driver-api/virtio/msg/fuzz-figures.rst

todo=fuzz
case ${1:-} in
--*)	todo=${1#--}; shift ;;
esac
minutes=${1:-}
[[ $todo != figures ]] || minutes=${minutes:-10}
[[ ! ${minutes//[0-9]/} ]] || die "how many minutes are $minutes? Say a whole number"
seconds=$((${minutes:-0} * 60))
seed=${SEED:-$((seconds ? $(date +%s) % 1000000 : 1))}
((seconds)) || seconds=30

# --- building ------------------------------------------------------------------

build() {
	run_logged "$1" "building the fuzz targets" flock "$tools/lock" \
		make -s -C "$ROOT/tools/virtio-msg" -j"$JOBS" O="$tools" fuzz "${@:2}"
}

# Where there is no libFuzzer nothing can be done about it from here.
has_libfuzzer() {
	echo 'int LLVMFuzzerTestOneInput(void) { return 0; }' |
		clang -fsanitize=fuzzer,address,undefined -x c -o "$out/works" - \
			>"$LOGS/fuzz-works.log" 2>&1
}

mkdir -p "$tools"
if ! (need_packages clang libclang-rt-dev) || ! has_libfuzzer; then
	skip "fuzzing: clang with libFuzzer is not there (Debian: clang, libclang-rt-dev)"
	summary
fi
build fuzz-build || { fail "the fuzz targets do not build: $LOGS/fuzz-build.log"; summary; }

# unpack TARGET: its inputs of the tree, or where there are none yet, those that
# it makes itself, into build/fuzz/TARGET/tree.
unpack() {
	local dir=$out/$1 fuzz=$tools/fuzz/fuzz_$1
	rm -rf "$dir/tree"
	mkdir -p "$dir/tree" "$dir/found"
	if [[ -s $corpus/$1.hex ]]; then
		"$fuzz" --unpack "$dir/tree" <"$corpus/$1.hex"
	else
		"$fuzz" --seeds "$dir/tree"
	fi
}

# --- fuzzing -------------------------------------------------------------------

# one TARGET SECONDS: the target's verdict is its exit status.
one() {
	local dir=$out/$1 found=$out/$1/found
	# A run that is to be the same each time begins with nothing else.
	if [[ ! $minutes ]]; then
		found=$dir/new
		rm -rf "$found"
	fi
	mkdir -p "$found"
	rm -f "$dir"/{crash,leak,oom,timeout,slow-unit}-*
	timeout -k 10 $(($2 + 300)) nice "$tools/fuzz/fuzz_$1" -seed="$seed" \
		-max_total_time="$2" -timeout=20 -rss_limit_mb=2048 -max_len=1024 \
		-print_final_stats=1 -artifact_prefix="$dir/" \
		"$found" "$dir/tree" >"$LOGS/fuzz-$1.log" 2>&1
}

# number TARGET WHAT: from its log. WHAT: executions, reached, all
number() {
	local log=$LOGS/fuzz-$1.log n
	case $2 in
	executions)	n=$(sed -n 's/^stat::number_of_executed_units: //p' "$log") ;;
	reached)	n=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1) ;;
	all)		n=$(sed -n 's/.*PC tables (\([0-9]*\) PCs).*/\1/p' "$log") ;;
	esac
	echo $((${n:-0}))
}

artifact() {
	find "$out/$1" -maxdepth 1 -type f -regex '.*/\(crash\|leak\|oom\|timeout\)-.*'
}

verdict() {
	local t=$1 rc=$2 n inputs bad text all
	n=$(number "$t" executions)
	inputs=$(find "$out/$t/tree" -type f | wc -l)
	bad=$(artifact "$t")
	all=$(number "$t" all)
	text="fuzz_$t: $n executions, $(number "$t" reached) places of $all"
	if [[ $bad ]]; then
		fail "$text, and it broke: $bad"
		grep -m 1 -E 'not so:|ERROR|runtime error' "$LOGS/fuzz-$t.log" || true
		say "   again: $tools/fuzz/fuzz_$t $bad"
	elif ((rc || n <= inputs)); then
		fail "$text, and it ended early (exit status $rc): $LOGS/fuzz-$t.log"
	else
		pass "$text, nothing broke"
	fi
}

fuzz() {
	local t pids=() statuses=() i rest=$((${#targets[@]} - 1))
	for t in "${targets[@]}"; do
		unpack "$t"
	done
	say "-- fuzzing for $seconds seconds, seed $seed"
	one "${targets[0]}" "$seconds" &
	pids[0]=$!
	for ((i = 1; i <= rest; i++)); do
		statuses[i]=0
		one "${targets[i]}" $((seconds / rest)) || statuses[i]=$?
	done
	statuses[0]=0
	wait "${pids[0]}" || statuses[0]=$?
	for i in "${!targets[@]}"; do
		verdict "${targets[i]}" "${statuses[i]}"
	done
}

# --- what it has found, for the tree -------------------------------------------

# Lines that are reached count, how often they are does not: a few hundred
# inputs in place of thousands. Small ones are preferred.
merge() {
	local t dir
	mkdir -p "$corpus"
	for t in "${targets[@]}"; do
		unpack "$t"
		dir=$out/$t
		rm -rf "$dir/seeds" "$dir/merged"
		mkdir -p "$dir/seeds" "$dir/merged"
		"$tools/fuzz/fuzz_$t" --seeds "$dir/seeds"
		run_logged "fuzz-merge-$t" "choosing inputs for fuzz_$t" \
			"$tools/fuzz/fuzz_$t" -merge=1 -use_counters=0 -max_len=1024 \
			"$dir/merged" "$dir/tree" "$dir/found" "$dir/seeds"
		{
			# Those that once broke something stay, whatever they reach.
			[[ ! -s $corpus/$t.hex ]] || grep -A 1 '^# ' "$corpus/$t.hex" || true
			"$tools/fuzz/fuzz_$t" --pack "$dir/merged"
		} | awk '/^--$/ { next } /^#/ || !seen[$0]++' >"$dir/hex"
		mv "$dir/hex" "$corpus/$t.hex"
		say "   $(grep -vc '^#' "$corpus/$t.hex") inputs," \
			"$(stat -c %s "$corpus/$t.hex") bytes"
	done
}

# --- figures -------------------------------------------------------------------

# Rows "file lines percent branches percent" of what the inputs reach.
coverage() {
	local t args=() src=$ROOT/tools/virtio-msg
	build fuzz-coverage-build COVERAGE=1 >&2
	rm -f "$out"/*.profraw
	for t in "${targets[@]}"; do
		args+=(-object "$tools/fuzz-coverage/fuzz_$t")
		LLVM_PROFILE_FILE=$out/$t.profraw "$tools/fuzz-coverage/fuzz_$t" -runs=0 \
			"$out/$t/tree" "$out/$t/found" >"$LOGS/fuzz-coverage-$t.log" 2>&1
	done
	llvm-profdata merge -o "$out/profile" "$out"/*.profraw
	llvm-cov report "${args[@]:1}" -instr-profile="$out/profile" \
		"$src"/{amp,bus,control,dev_blk,dev_rng,device,iov,link_ivshmem,loop,opts}.c \
		"$src"/{vq,vring_packed,vring_split}.c "$ROOT/drivers/virtio/msg/wire.c" |
		tee "$LOGS/fuzz-coverage.log" |
		awk '/\.c |^TOTAL/ { print $1, $8, $10, $11, $13 }'
}

figures() {
	local t file lines lp branches bp broken clang
	need_packages llvm
	fuzz
	coverage >"$out/coverage"
	clang=$(clang --version | grep -o -m 1 'clang version [0-9.]*')
	{
		# As of this file.
		sed -n '2s/^#/../p' "$0"
		cat <<-END

		==================
		Figures of fuzzing
		==================

		Written by \`\`fuzz.sh --figures $minutes\`\` on $(date -u +%Y-%m-%d), with
		$(nproc) processors, $clang and seed $seed: a hostile driver side against the device
		library, for $minutes minutes.

		.. list-table::
		   :header-rows: 1

		   * - Target
		     - Executions
		     - Places reached
		     - Crashes
		END
		for t in "${targets[@]}"; do
			broken=$(artifact "$t" | wc -l)
			printf '   * - fuzz_%s\n     - %s\n     - %s of %s\n     - %s\n' "$t" \
				"$(number "$t" executions)" "$(number "$t" reached)" \
				"$(number "$t" all)" "$broken"
		done
		cat <<-END

		What the inputs of all targets reach together, as llvm-cov counts it:

		.. list-table::
		   :header-rows: 1

		   * - File
		     - Lines
		     - Reached
		     - Branches
		     - Reached
		END
		while read -r file lines lp branches bp; do
			[[ $file != TOTAL ]] || file="all of them"
			printf '   * - %s\n     - %s\n     - %s\n     - %s\n     - %s\n' \
				"${file##*/}" "$lines" "$lp" "$branches" "$bp"
		done <"$out/coverage"
	} >"$out/figures.rst"
	mv "$out/figures.rst" "$page"
	say "-- written: $page"
}

case $todo in
fuzz|figures)
	"$todo"
	summary ;;
merge)
	merge ;;
*)
	die "there is no --$todo; see the head of $0" ;;
esac
