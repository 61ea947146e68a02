#!/bin/bash
# The examples of README.md do what it says.
# They are taken out of it as they stand; only addresses, ports, ids and names of topics are put in their place.
# shellcheck source=tests/scenario/lib.sh
. "$(dirname "$0")/lib.sh"
need_python
generate_messages
topic=$topic_prefix-events
clicks=$topic_prefix-clicks
PATH=$top_builddir:$PATH

block() { # NAME : the fenced block behind <!-- NAME -->
	awk -v mark="<!-- $1 -->" '
		$0 == mark { armed = 1; next }
		armed && /^```/ { if (inside) exit; inside = 1; next }
		inside' "$top_srcdir/README.md" |
		sed -e "s/localhost:9092/$HR_TEST_BROKERS/g" -e "s/--topic events/--topic $topic/" -e "s/topic: clicks/topic: $clicks/" \
			-e "s/headrace-items/$topic-items/" -e "s|/var/lib/headrace|$work/json-state|"
}

ask() { block 'run: query' | sed -e "s/localhost:7700/$http/" -e "s|^headrace query|headrace query --url http://$http|" -e 's/curl -s /curl -sf /'; }

cd "$work" || exit

# ---- the file, produced ----
run_within 60 headrace simulate --events 3000 --output plain.tsv >simulate.log 2>&1 || die "headrace simulate failed"
{ printf 'time\tuser\titem\n'; cut -f 1-3 plain.tsv; } >clicks.tsv
block 'run: produce' >produce.sh
check "the produce example ends well" run_within 60 bash -e produce.sh

# ---- the daemon on it, its vectors read, its answers ----
write_config "$topic"
start_daemon --set output.min_shift=0
wait_for "every event accounted for" 120 all_accounted 3000
published() { at_least_quietly 1 "$(metric headrace_published_vectors_total kind=user)"; }
wait_for "a refresh" 60 published
item=$(cut -f 3 plain.tsv | sort | uniq -c | sort -k 1,1nr | awk 'NR == 1 { print $2 }')
second=$(cut -f 3 plain.tsv | sort | uniq -c | sort -k 1,1nr | awk 'NR == 2 { print $2 }')
user=$(cut -f 2 plain.tsv | sort | uniq -c | sort -k 1,1nr | awk 'NR == 1 { print $2 }')
ask | sed -e "s/i00042/$item/g" -e "s/i00007/$second/g" -e "s/u000123/$user/g" >query.sh
check "there are five questions" same 5 "$(grep -c . query.sh)"
all_answered() { run_within 60 bash -e query.sh >query.log 2>&1; }
check "every question is answered" all_answered
check "the daemon ends with 0" stop_daemon
block 'run: consume.py' >consume.py
want=$(cut -f 3 plain.tsv | sort -u | wc -l)
check "the consumer reads a vector of every item" same "$want item vectors" "$(run_python consume.py "$HR_TEST_BROKERS")"

# ---- the configuration for JSON ----
block 'file: headrace.yaml' >json.yaml
check "the configuration is accepted" run_within 10 headrace config check --config json.yaml
run_python "$scenario_dir/kafka.py" create "$clicks" 1 || die "the topic could not be made"
echo 'alice:{"visitor": {"id": "alice"}, "sku": "A-1", "action": "view", "ts": 1700000000000}' |
	kcat -P -b "$HR_TEST_BROKERS" -t "$clicks" -K : || die "kcat could not produce"
cp json.yaml headrace.yaml
start_daemon --set "http.port=${http##*:}" --set "output.items_topic=$clicks-items" --set "output.users_topic=$clicks-users"
wait_for "the JSON event" 60 all_accounted 1
check "a JSON event of that shape is trained on" same 1 "$(metric headrace_events_total result=trained)"
check "the daemon ends with 0" stop_daemon
finish
