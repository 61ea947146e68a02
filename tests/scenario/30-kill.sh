#!/bin/bash
# kill -9 in the middle of the stream, three times: at the end every event of every user is counted, none lost, none twice.
# shellcheck source=tests/scenario/lib.sh
. "$(dirname "$0")/lib.sh"
readonly events=100000 partitions=3
topic=$topic_prefix
need_python
find_events $events

# Records read in this life of the daemon that no barrier holds yet: what a kill at this moment makes it read again.
unsaved() { echo $(($(metric headrace_events_total) - ($(accounted) - saved_at_start))); }
in_flight() { all_accounted "$1" && lost=$(unsaved) && [ "$lost" -ge 100 ]; }

kill_after() { # COUNT
	wait_for "event $1, with others not saved" 600 in_flight "$1"
	kill_daemon
	say "killed after event $1, some $lost events after a barrier"
	start_daemon
	saved_at_start=$(accounted)
	check "what was saved before the kill is still there" at_least "$1" "$saved_at_start"
}

users_in_file() { rows_of_events $events | cut -f 1 | sort | uniq -c | awk '{ print $2 "\t" $1 }' | sort; }
users_in_state() { "$top_builddir/headrace" state users --state "$work/state" | sort; }
counts_agree() {
	users_in_file >"$work/in-file"
	users_in_state >"$work/in-state"
	cmp "$work/in-file" "$work/in-state" && return
	say "users whose counts differ (file <, state >): $(diff "$work/in-file" "$work/in-state" | grep -c '^[<>]'), such as"
	diff "$work/in-file" "$work/in-state" | grep '^[<>]' | head -n 6 | sed 's/^/    #   /'
	return 1
}

produce "$topic" $partitions || die "headrace produce failed: $(tail -n 1 "$work/produce.log")"
write_config "$topic"
printf 'train:\n  start_up: 0 # a backlog would be read too fast to be killed in\n' >>"$work/headrace.yaml"
saved_at_start=0
start_daemon
kill_after 15000
kill_after 40000
kill_after 70000
wait_for "end of the $events events" 600 all_accounted $events
last_user=$(rows_of_events $events | tail -n 1 | cut -f 1)
check "over HTTP too the last user has as many events as in the file" \
	same "$(rows_of_events $events | awk -F '\t' -v u="$last_user" '$1 == u' | wc -l)" "$(get "/v1/users/$last_user/embedding" | jq .events)"
check "every record is accounted for once" same $events "$(accounted)"
check "SIGTERM drains: the daemon ends with status 0" stop_daemon
check "the events of each of $(users_in_file | wc -l) users are the file's: none lost, none twice" counts_agree
finish
