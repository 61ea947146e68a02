#!/bin/bash
# Bad records among good ones, in each format: each is counted under its reason, no good event is lost, the daemon stays up.
# shellcheck source=tests/scenario/lib.sh
. "$(dirname "$0")/lib.sh"
need_python
generate_messages

records_in() { awk '{ sum += $2 } END { print sum }' "$1"; }

check_format() { # FORMAT
	local format=$1 topic=$topic_prefix-$1 good bad reason count
	"$python" "$scenario_dir/kafka.py" create "$topic" 2
	run_within 90 "$python" "$scenario_dir/malformed.py" "$topic" "$format" "$work/good" "$work/bad" || die "could not produce"
	good=$(records_in "$work/good") bad=$(records_in "$work/bad")
	rm -rf "$work/state"
	write_config "$topic"
	start_daemon --set "events.format=$format"
	wait_for "end of the $good good and $bad bad records" 120 all_accounted $((good + bad))
	while IFS=$'\t' read -r reason count; do
		check "$format: $count records refused as $reason" same "$count" "$(metric headrace_events_rejected_total "reason=$reason")"
	done <"$work/bad"
	check "$format: no record is refused for another reason" same "$bad" "$(metric headrace_events_rejected_total)"
	check "$format: the $good good events are trained on" same "$good" "$(metric headrace_events_total result=trained)"
	check "$format: the daemon is up, and drains" stop_daemon
	check "$format: every user has the good events, and no user came of a bad record" \
		same "$(sort "$work/good" | cksum)" "$("$top_builddir/headrace" state users --state "$work/state" | sort | cksum)"
}

check_format protobuf
check_format json
check_format confluent
finish
