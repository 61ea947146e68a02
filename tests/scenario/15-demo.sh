#!/bin/bash
# headrace demo: ends by itself, beats both counters, leaves nothing behind; killed, it goes on from its last barrier.
# shellcheck source=tests/scenario/lib.sh
. "$(dirname "$0")/lib.sh"
demo() { run_within 240 env TMPDIR="$work/tmp" "$top_builddir/headrace" demo "${@:2}" >"$work/$1.out" 2>"$work/$1.log"; } # NAME ARGUMENT...
field() { tail -n 1 "$1" | tr ' ' '\n' | sed -n "s/^$2=//p"; } # FILE NAME
records() { "$top_builddir/headrace" state barrier --state "$work/state" | tr ' ' '\n' | awk -F = '$1 == "offset" { sum += $2 } END { print sum + 0 }'; }
mkdir "$work/tmp"

check "20,000 events end with 0" demo demo --events 20000
check "the last line is for programs" grep -qE '^demo events=20000( [a-z0-9_]+=[0-9.]+)+$' <(tail -n 1 "$work/demo.out")
check "the model beats popularity" at_least "$(field "$work/demo.out" recall10_popularity)" "$(field "$work/demo.out" recall10_model)"
check "neighbours are shown by title" grep -q 'similar to' "$work/demo.out"
check "nothing is left behind" same "" "$(ls -A "$work/tmp")"

"$top_builddir/headrace" demo --events 40000 --state "$work/state" >"$work/killed.out" 2>"$work/killed.log" &
daemon_pid=$!
children+=("$daemon_pid")
under_way() { [ "$(grep -c '^events=' "$work/killed.log")" -ge 1 ]; }
wait_for "the demo under way" 60 under_way
kill_daemon
before=$(records)
say "killed with $before records in the state"
check "some were in the state, not all" test "$before" -gt 0 -a "$before" -lt 40000
check "started again it ends with 0" demo again --events 40000 --state "$work/state"
check "every record is in the state once" same 40000 "$(records)"
finish
