#!/bin/bash
# A daemon that finds a backlog, then is fed at full speed, comes to the figures of `headrace evaluate` with the same cut.
# shellcheck source=tests/scenario/lib.sh
. "$(dirname "$0")/lib.sh"
readonly tolerance=0.004 # recall@10 and NDCG@10; another seed moves them by .001 to .002
topic=$topic_prefix
ready_within=600

# Sets events (time, user, item a line, in the order of time), cut (seconds) and settings of both sides.
find_stream() {
	local data=${HEADRACE_DATA:-$top_srcdir/../shared/data}
	events=$work/events.tsv settings=()
	if [ -r "$data/amazon/Beauty.events.tsv.gz" ]; then
		zcat "$data/amazon/Beauty.events.tsv.gz" | awk -F '\t' '$1 ~ /^[0-9]+$/ { print $1 "\t" $2 "\t" $3 }' >"$events"
		cut=1399939200
		say "events: Amazon Beauty, cut at $cut"
	else
		"$top_builddir/headrace" simulate --events 60000 --output "$work/simulated.tsv" >"$work/simulate.log" 2>&1 || die "headrace simulate failed"
		awk -F '\t' '{ print int($1 / 1000) "\t" $2 "\t" $3 }' "$work/simulated.tsv" | sort -s -n -k 1,1 >"$events"
		cut=$(awk -F '\t' 'NR == 50000 { print $1 }' "$events")
		say "events: the simulator's, for want of $data/amazon/Beauty.events.tsv.gz"
	fi
}

feed() { # FILE
	run_within 120 "$top_builddir/headrace" produce "$1" --brokers "$HR_TEST_BROKERS" --topic "$topic" --partitions 1 \
		--columns time,user,item >"$work/produce.log" 2>&1 || die "headrace produce failed: $(tail -n 1 "$work/produce.log")"
}
reported() { metric "headrace_eval_$1_ratio" "ranker=$2" k=10 slice=all; }          # recall|ndcg RANKER
evaluated() { jq ".\"$2\".\"$1@10\"" "$work/evaluated.json"; }                        # recall|ndcg RANKER
near() { awk -v a="$1" -v b="$2" -v by="$tolerance" 'BEGIN { d = a - b; exit !(d <= by && -d <= by && b > 0) }'; }

find_stream
awk -F '\t' -v cut="$cut" '$1 < cut' "$events" >"$work/before.tsv"
awk -F '\t' -v cut="$cut" '$1 >= cut' "$events" >"$work/after.tsv"
backlog=$(wc -l <"$work/before.tsv") all=$(wc -l <"$events")
run_within 600 "$top_builddir/headrace" evaluate "$events" --columns time,user,item --cut "$cut" --json "$work/evaluated.json" \
	>"$work/evaluate.out" 2>"$work/evaluate.log" || die "headrace evaluate failed: $(tail -n 1 "$work/evaluate.log")"
feed "$work/before.tsv"
write_config "$topic"
say "evaluated and produced after $SECONDS s"
start_daemon --set evaluate.share=1 --set evaluate.window=1000000
check "not one of the $backlog events of the backlog was a question" same 0 "$(reported recall model)"
check "when it is ready, start-up is over" same 0 "$(metric headrace_start_up_phase)"
say "live after $SECONDS s"
feed "$work/after.tsv"
wait_for "end of the $all events" 600 all_accounted "$all"
for ranker in model mix covisitation; do
	for figure in recall ndcg; do
		check "$figure@10 of the $ranker is what the evaluation says: $(evaluated $figure $ranker)" \
			near "$(evaluated $figure $ranker)" "$(reported $figure $ranker)"
		say "$figure@10 of the $ranker: $(reported $figure $ranker)"
	done
done
check "SIGTERM drains: the daemon ends with status 0" stop_daemon
finish
