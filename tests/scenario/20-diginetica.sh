#!/bin/bash
# Real clicks from Kafka to vectors: produced, trained on, published, read by an independent client, better than popularity.
# shellcheck source=tests/scenario/lib.sh
. "$(dirname "$0")/lib.sh"
readonly events=100000 judged=20000 sightings=2 width=64 partitions=3
topic=$topic_prefix
need_python
generate_messages
find_events $events

items_seen() { rows_of_events $events | cut -f 2 | sort | uniq -c | awk -v low=$sightings '$1 >= low { print $2 "\t" $1 }'; }
recall() { metric headrace_eval_recall_ratio "ranker=$1" k=20 slice=all; }
share_of() { awk -v share="$1" -v whole="$2" 'BEGIN { print share * whole }'; }
vectors_arrive() {
	run_within 150 "$python" "$scenario_dir/vectors.py" "$topic-items" "$work/items" --dimensions "$width" --within 120 --exactly
}
neighbours_of() { get "/v1/items/$1/neighbors?limit=10" | tee "$work/neighbours.json" | jq -e '.neighbors | length == 10 and all(.score | . >= -1.001 and . <= 1.001)' >/dev/null; }

produce "$topic" $partitions || die "headrace produce failed: $(tail -n 1 "$work/produce.log")"
say "produced after $SECONDS s"
write_config "$topic"
started=$SECONDS
# Event by event from the first on: every event is a question.
start_daemon --set train.start_up=0 --set admit.min_count=$sightings --set model.width=$width --set evaluate.share=1 --set evaluate.window=$judged
wait_for "end of the $events events" 600 all_accounted $events
seconds=$((SECONDS - started))
say "trained on $events events in $seconds s: $((events / (seconds > 0 ? seconds : 1))) events/s"

items_seen >"$work/items"
check "no event was refused, late or known already" same $events "$(metric headrace_events_total result=trained)"
check "a reader that knows only the .proto finds a unit vector of every item seen $sightings times, and of no other" vectors_arrive
popular=$(awk -F '\t' '$2 > most { most = $2; id = $1 } END { print id }' "$work/items")
check "the most popular item, $popular, has ten neighbours with cosines" neighbours_of "$popular"
check "an item that nobody saw is not found" same 404 "$(curl -s -m 10 -o /dev/null -w '%{http_code}' "http://$http/v1/items/nobody-saw-this/neighbors")"
model=$(recall model) popularity=$(recall popularity) covisitation=$(recall covisitation)
say "test-then-train recall@20 over the last $judged events: model $model, covisitation $covisitation, popularity $popularity"
check "the popularity baseline was measured" at_least 0.0001 "$popularity"
check "recall@20 of the model is at least twice popularity's" at_least "$(share_of 2 "$popularity")" "$model"
check "recall@20 of the model is at least nine tenths of co-visitation's" at_least "$(share_of 0.9 "$covisitation")" "$model"
check "SIGTERM drains: the daemon ends with status 0" stop_daemon
finish
