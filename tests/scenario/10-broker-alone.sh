#!/bin/bash
# The broker alone, without headrace: a sick broker must not be read as a fault of the daemon.
# shellcheck source=tests/scenario/lib.sh
. "$(dirname "$0")/lib.sh"
topic=$topic_prefix
need_python

lists_topic() { kcat -L -b "$HR_TEST_BROKERS" -t "$topic" -m 10 | grep -q "topic \"$topic\" with 3 partitions"; }
produce_lines() { seq 1000 | awk '{ print "user" $1 % 7 ":event " $1 }' | kcat -P -b "$HR_TEST_BROKERS" -t "$topic" -K : -X enable.idempotence=true; }
consume_lines() { timeout 30 kcat -C -b "$HR_TEST_BROKERS" -t "$topic" -o beginning -e -q -f '%k:%s\n'; }
null_comes_back() {
	printf 'gone:\n' | kcat -P -Z -b "$HR_TEST_BROKERS" -t "$topic" -K :
	same 1 "$(timeout 30 kcat -C -b "$HR_TEST_BROKERS" -t "$topic" -o beginning -e -q -f '%S\n' | grep -c -x -e -1)"
}
key_partitions() { timeout 30 kcat -C -b "$HR_TEST_BROKERS" -t "$topic" -o beginning -e -q -f '%k %p\n' | sort -u | wc -l; }

run_within 30 "$python" "$scenario_dir/kafka.py" create "$topic" 3 || die "the topic was not created"
check "a topic that was created with 3 partitions is listed with 3" lists_topic
check "1000 records are acknowledged" produce_lines
check "the records that come back are the ones that were sent" \
	same "$(seq 1000 | awk '{ print "user" $1 % 7 ":event " $1 }' | sort | cksum)" "$(consume_lines | sort | cksum)"
check "each of 7 keys stays on one partition" same 7 "$(key_partitions)"
check "a null value comes back as null, not as empty" \
	null_comes_back
finish
