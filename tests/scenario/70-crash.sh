#!/bin/bash
# The fault bench in short: kills, power cuts, flipped bits, failing syncs, a silent broker; in full: tests/crash/run --all.
# shellcheck source=tests/scenario/lib.sh
. "$(dirname "$0")/lib.sh"
command -v python3 >/dev/null || skip "python3 is not installed (script/setup --test)"
export top_builddir

make -s -C "$top_builddir" tests/crash/shim.so || die "the library that stands before the disk was not built"
run_within 600 "$top_srcdir/tests/crash/run" --minutes 3 >"$work/table" 2>&1 || true
sed 's/^/    # /' "$work/table"
check "every fault leaves the truth behind" grep -q '^[1-9][0-9]* passed, 0 failed$' "$work/table"
finish
