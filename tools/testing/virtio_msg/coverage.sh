#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# coverage.sh: lines and branches of drivers/virtio/msg that the KUnit suites
# reach, as gcov counts them in the User Mode Linux kernel of kunit.sh. Fewer
# than 90 % of all lines are a failure.
#
# coverage.sh --figures: the same, and writes what it has measured:
# Documentation/driver-api/virtio/msg/coverage.rst.
#
# Lines that nothing reached, and branches never taken: build/coverage/missed.

. "$(dirname "$0")/lib.sh"

least=90
page=$ROOT/Documentation/driver-api/virtio/msg/coverage.rst
out=$BUILD/coverage
kernel=$CACHE/build/coverage
rows=$out/rows
figures=
case ${1:-} in
--figures)	figures=1 ;;
?*)		die "there is no $1; see the head of $0" ;;
esac

need_packages "${NEEDS_KERNEL[@]}"
with_lock build
tree=$("$HERE/graft.sh")
mkdir -p "$kernel" "$out"
rm -f "$rows"

# --- the tests, counted --------------------------------------------------------

# CONFIG_GCOV is for the whole kernel, which would take several times as long
# and says nothing here. make expands this where it knows the folder.
# shellcheck disable=SC2016
only='CFLAGS_KERNEL=$(if $(filter drivers/virtio/msg%,$(obj)),,'
only+='-fno-profile-arcs -fno-test-coverage)'
# libgcov has a function of that name too. These two files know the kernel's.
rename=-Dmangle_path=kernel_mangle_path

# Counts are written by destructors whose sections have numbers; this script of
# the linker would leave them out. As in graft.sh, sed writes a new file.
script=$tree/arch/um/include/asm/common.lds.S
grep -qF '*(.fini_array.*)' "$script" ||
	sed -i 's/^\t\*(\.fini_array)$/\t*(.fini_array.*)\n&/' "$script"
grep -qF '*(.fini_array.*)' "$script" || die "$script is not as expected"

# Counts are added to those of earlier runs, if there are any.
find "$kernel" -name '*.gcda' -delete
cd "$tree"
check coverage-kunit "KUnit suites in a kernel that counts (minutes the first time)" \
	timeout -k 10 2400 python3 -u tools/testing/kunit/kunit.py run --arch=um \
	--jobs="$JOBS" --build_dir="$kernel" --timeout=600 \
	--kunitconfig=drivers/virtio/msg/tests/.kunitconfig \
	--kunitconfig=tools/testing/kunit/configs/coverage_uml.config \
	--kconfig_add=CONFIG_DEBUG_INFO_REDUCED=y --make_options="$only" \
	--make_options="CFLAGS_seq_file.o=$rename" \
	--make_options="CFLAGS_seq_buf.o=$rename"
((!FAILED)) || summary

# --- sums ----------------------------------------------------------------------

# Rows "file lines reached branches reached", the last one for all. What several
# objects have of one line (of a header, of a file that is included) is one line.
sums() {
	find "$kernel/drivers/virtio/msg" -name '*.gcda' -print0 |
		xargs -0 -r gcov --json-format --stdout --branch-probabilities |
		python3 -c '
import json, os, re, sys

lines, branches = {}, {}
def keep(counts, name, key, count):
    file = counts.setdefault(name, {})
    file[key] = max(file.get(key, 0), count)

for document in sys.stdin:
    document = json.loads(document)
    for file in document["files"]:
        path = os.path.normpath(os.path.join(document["current_working_directory"],
                                             file["file"]))
        found = re.search("drivers/virtio/msg/([^/]*)$", path)
        if not found:
            continue
        for line in file["lines"]:
            name, n = found[1], line["line_number"]
            keep(lines, name, n, line["count"])
            for i, branch in enumerate(line["branches"]):
                keep(branches, name, (n, i), branch["count"])

def row(name, *counts):
    print(name, *(f(c) for c in counts for f in (len, lambda c: sum(map(bool, c)))))

with open(sys.argv[1], "w") as missed:
    for name in sorted(lines):
        for n in sorted(n for n in lines[name] if not lines[name][n]):
            print(f"{name}:{n}: line", file=missed)
        for n, i in sorted(k for k, c in branches.get(name, {}).items() if not c):
            if lines[name][n]:
                print(f"{name}:{n}: branch {i}", file=missed)
        row(name, lines[name].values(), branches.get(name, {}).values())
every = lambda files: [c for f in files.values() for c in f.values()]
row("all", every(lines), every(branches))
' "$out/missed"
}

percent() { awk -v n="$2" -v of="$1" 'BEGIN { printf "%.1f", of ? 100 * n / of : 100 }'; }

sums >"$rows.new" || { fail "gcov or its sums ended early"; summary; }
mv "$rows.new" "$rows"
while read -r file lines l branches b; do
	printf '   %-12s %5s lines, %5s %%   %5s branches, %5s %%\n' "$file" "$lines" \
		"$(percent "$lines" "$l")" "$branches" "$(percent "$branches" "$b")"
done <"$rows"

# Without one of the sources the figure would be that of the others.
for f in "$ROOT"/drivers/virtio/msg/*.c; do
	grep -q "^${f##*/} " "$rows" || fail "nothing is known of ${f##*/}"
done
read -r _ lines l branches b < <(tail -n 1 "$rows")
text="KUnit reaches $l of $lines lines, and takes $b of $branches branches"
if ((lines && l * 100 >= lines * least)); then
	pass "$text"
else
	fail "$text; $least % of the lines are asked for (see $out/missed)"
fi

# --- figures -------------------------------------------------------------------

write_page() {
	local file lines l branches b gcov
	gcov=$(gcov --version | sed -n '1s/ (.*) / /p')
	# As of this file.
	sed -n '2s/^#/../p' "$HERE/coverage.sh"
	cat <<-END

	===================
	Figures of coverage
	===================

	Written by \`\`make coverage\`\` on $(date -u +%Y-%m-%d), with kernel source
	$(basename "$tree") and $gcov: what the KUnit suites reach of the drivers, in User
	Mode Linux. The selftests run in a guest and are not counted. Of the FF-A bus it is
	the same source, with a firmware that is made up.

	A branch is one of the ways out of a condition, as the compiler makes them: also
	those of locks that are given back at the end of a block, and of tracepoints.

	.. list-table::
	   :header-rows: 1

	   * - File
	     - Lines
	     - Reached
	     - Branches
	     - Taken
	END
	while read -r file lines l branches b; do
		[[ $file != all ]] || file="all of them"
		printf '   * - %s\n' "$file"
		printf '     - %s\n' "$lines" "$(percent "$lines" "$l") %" \
			"$branches" "$(percent "$branches" "$b") %"
	done <"$rows"
}

if [[ $figures ]] && ((!FAILED)); then
	write_page >"$out/coverage.rst"
	mv "$out/coverage.rst" "$page"
	say "-- written: $page"
fi
summary
