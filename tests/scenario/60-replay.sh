#!/bin/bash
# Replay equals live: the same digest at every barrier, whatever the threads, the clock and the load; forget; take back.
# shellcheck source=tests/scenario/lib.sh
. "$(dirname "$0")/lib.sh"
readonly events=20000 partitions=4
topic=$topic_prefix
need_python
find_events $events

headrace() { "$top_builddir/headrace" "$@"; }

# The producer is stopped and let go again at random, so that barriers and partitions fall as they like.
produce_with_pauses() {
	local pid turn
	"$top_builddir/headrace" produce "$events_file" --brokers "$HR_TEST_BROKERS" --topic "$topic" --partitions $partitions \
		--rate 4000 "${events_args[@]}" >"$work/produce.log" 2>&1 &
	pid=$!
	children+=("$pid")
	for turn in 1 2 3 4 5 6; do
		sleep "0.$((RANDOM % 9 + 1))"
		kill -STOP "$pid" 2>/dev/null || break # it is done
		sleep "0.$((RANDOM % 6))"
		kill -CONT "$pid"
	done
	wait "$pid"
}

environment=() # of a replay
# Ends with the logfmt line of the replay in $work/NAME.out.
replay() { # NAME ARGUMENT...
	local name=$1
	shift
	run_within 300 env "${environment[@]}" "$top_builddir/headraced" replay --config "$work/headrace.yaml" --state "$work/replay-$name" "$@" \
		>"$work/$name.out" 2>"$work/replay-$name.log"
}
field() { sed -n "s/.* $2=\([^ ]*\).*/\1/p" "$work/$1.out" | tail -n 1; } # NAME FIELD
follows() { # NAME ARGUMENT...
	replay "$@" --order-log "$work/state" && same "$barriers equal, digest $digest" "$(field "$1" equal) equal, digest $(field "$1" digest)"
}
with_load() { # COMMAND...
	local busy status=0
	(while :; do :; done) &
	busy=$!
	children+=("$busy")
	"$@" || status=$?
	kill -KILL "$busy"
	wait "$busy" 2>/dev/null || true
	return $status
}
has_user() { headrace state users --state "$1" | cut -f 1 | grep -q -x -F -e "$2"; }
has_not_user() { ! has_user "$@"; }
digest_of() { headrace state digest --state "$1"; }
published_all() { at_least_quietly "$(headrace state users --state "$work/replay-live" | wc -l)" "$(metric headrace_published_vectors_total kind=user)"; }
forgotten() { at_least_quietly 1 "$(metric headrace_published_tombstones_total)"; }

run_within 30 "$python" "$scenario_dir/kafka.py" create "$topic" $partitions || die "the topic was not created"
write_config "$topic"
printf 'model:\n  width: 32\n' >>"$work/headrace.yaml"
start_daemon
produce_with_pauses || die "headrace produce failed: $(tail -n 1 "$work/produce.log")"
wait_for "end of the $events events" 300 all_accounted $events
check "SIGTERM drains: the daemon ends with status 0" stop_daemon
barriers=$(headrace state barriers --state "$work/state" | wc -l)
digest=$(digest_of "$work/state")
say "live: $barriers barriers, digest $digest"
check "there are barriers enough to compare" at_least 4 "$barriers"

for workers in 1 2 4; do
	check "a replay with $workers worker threads is equal at every barrier" follows "workers-$workers" --set train.workers=$workers
done
check "a replay beside a busy loop is equal at every barrier" with_load follows load
faketime=$(ls /usr/lib/*/faketime/libfaketimeMT.so.1 2>/dev/null | head -n 1 || true)
if [ -n "$faketime" ]; then
	make -s -C "$top_builddir" tests/scenario/waits.so || die "the library in front of libfaketime was not built"
	environment=("LD_PRELOAD=$top_builddir/tests/scenario/waits.so:$faketime" FAKETIME=+1y FAKETIME_DONT_FAKE_MONOTONIC=1)
	check "a replay a year later is equal at every barrier" follows later
	environment=()
else
	say "libfaketime is not installed (script/setup --test): no replay a year later"
fi

check "headrace verify finds every barrier equal" run_within 300 "$top_builddir/headrace" verify --state "$work/state" \
	--config "$work/headrace.yaml" --scratch "$work"

replay merge-1 && replay merge-2 --set train.workers=2 || die "a merge failed: $(tail -n 1 "$work"/replay-merge-*.log)"
check "a merge without an order log takes every record" same $events "$(field merge-1 records)"
check "two merges give one digest" same "$(field merge-1 digest)" "$(field merge-2 digest)"
replay empty --to 2001-01-01T00:00:00Z || die "a replay to a time failed"
check "a replay to a time before the first record takes none" same 0 "$(field empty records)"

start_daemon
user=$(headrace state users --state "$work/state" | sort -k 2 -n | tail -n 1 | cut -f 1)
check "headrace forget is acknowledged" headrace forget "$user" --brokers "$HR_TEST_BROKERS" --topic "$topic"
wait_for "null for the user on the output topic" 60 forgotten
check "the daemon ends with status 0" stop_daemon
check "the forgotten user is no more in the state" has_not_user "$work/state" "$user"
echo "$user" >"$work/users"
replay without --without "$work/users" || die "a replay without a user failed: $(tail -n 1 "$work/replay-without.log")"
check "a replay without the user does not know them" has_not_user "$work/replay-without" "$user"
check "and has learned something else" at_least 1 "$([ "$(field without digest)" != "$(field merge-1 digest)" ] && echo 1)"

# A replay that goes on as the daemon; its publications begin with the first barrier behind the replay.
"$top_builddir/headraced" replay --config "$work/headrace.yaml" --state "$work/replay-live" --then-live >"$work/live.out" 2>"$work/live.log" &
daemon_pid=$!
children+=("$daemon_pid")
wait_for "answer after the replay" 120 ready
wait_for "vectors of every user" 60 published_all
check "a replay that goes on live has taken every record" same $((events + 1)) "$(field live records)"
check "it ends with status 0" stop_daemon

digest=$(digest_of "$work/state")
check "a checkpoint is made of a stopped state" headrace checkpoint create --state "$work/state"
start_daemon
check "a running daemon's state is not taken back" same 75 "$(headrace checkpoint restore latest --state "$work/state" >/dev/null 2>&1; echo $?)"
printf '%s\n' "$user:not an event" | kcat -P -b "$HR_TEST_BROKERS" -t "$topic" -K :
wait_for "one record more" 60 all_accounted $((events + 2))
check "the daemon ends with status 0" stop_daemon
check "the state is taken back to the checkpoint" headrace checkpoint restore latest --state "$work/state"
check "its digest is the one it had" same "$digest" "$(digest_of "$work/state")"
start_daemon
check "the daemon says that the state was rewound, by one record" grep -q 'records=1 .*the state was rewound' "$work/headraced.log"
wait_for "the one record again" 60 all_accounted $((events + 2))
check "the daemon ends with status 0" stop_daemon
finish
