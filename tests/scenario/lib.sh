# shellcheck shell=bash
# Sourced by the scenarios (bash). A scenario is a script that starts programs, waits on conditions and checks claims;
# it has a temporary directory of its own, and whatever it started is gone when it ends, however it ends.
#
# From tests/scenario/run: HR_TEST_BROKERS, top_builddir, HEADRACE_DATA (may be missing), HR_REASON (a file).
# Exit: 0 every claim held, 1 one did not, 77 skipped; the reason of both stands in HR_REASON for the closing summary.
set -euo pipefail
scenario_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top_srcdir=$(cd "$scenario_dir/../.." && pwd)
top_builddir=$(cd "${top_builddir:-$top_srcdir/build}" && pwd)
# shellcheck source=tests/ports.sh
. "$top_srcdir/tests/ports.sh"

scenario=$(basename "$0" .sh)
work=$(mktemp -d "${TMPDIR:-/tmp}/headrace-$scenario.XXXXXX")
topic_prefix=$scenario-$$
claims=0 claims_failed=0
children=() python=''

say() { echo "    # $*"; }
give_reason() { say "$*"; echo "$*" >"${HR_REASON:-/dev/null}"; }
die() { give_reason "$*"; exit 1; }
skip() { give_reason "$*"; exit 77; }

# ---- cleanup ----

end_all() {
	local status=$? pid
	trap '' INT TERM HUP
	for pid in "${children[@]}"; do kill -TERM "$pid" 2>/dev/null || true; done
	for pid in "${children[@]}"; do end_within 10 "$pid"; done
	[ $status = 0 ] || [ $status = 77 ] || show_logs
	delete_topics
	if [ -n "${HEADRACE_KEEP:-}" ]; then say "kept $work"; else rm -rf "$work"; fi
	exit $status
}
trap end_all EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

end_within() { # SECONDS PID
	local deadline=$((SECONDS + $1))
	while kill -0 "$2" 2>/dev/null && [ $SECONDS -lt $deadline ]; do sleep 0.05; done
	if kill -0 "$2" 2>/dev/null; then
		say "pid $2 did not end within $1 s: killed"
		kill -KILL "$2" 2>/dev/null || true
	fi
	wait "$2" 2>/dev/null || true
}

show_logs() {
	local log
	for log in "$work"/*.log; do
		[ -s "$log" ] || continue
		say "the end of $(basename "$log"):"
		tail -n 25 "$log" | sed 's/^/    #   /'
	done
}

# The broker that tests/scenario/run starts takes its topics along; on one that was given nothing may stay.
delete_topics() {
	[ -n "${HEADRACE_KAFKA_DIR:-}" ] || [ -z "$python" ] || "$python" "$scenario_dir/kafka.py" delete "$topic_prefix" || true
}

# ---- claims ----

check() { # CLAIM COMMAND... : the claim holds if the command succeeds; the scenario goes on either way
	local claim=$1
	shift
	claims=$((claims + 1))
	if "$@"; then
		echo "    ok $claims - $claim"
	else
		echo "    not ok $claims - $claim"
		claims_failed=$((claims_failed + 1))
	fi
}

same() { # EXPECTED FOUND
	[ "$1" = "$2" ] || { say "expected: $1"; say "found:    $2"; return 1; }
}

at_least() { # LOWEST FOUND, decimal numbers
	awk -v low="$1" -v found="$2" 'BEGIN { exit !(found + 0 == found && found >= low) }' || { say "found $2, lowest accepted $1"; return 1; }
}

at_least_quietly() { at_least "$@" >/dev/null; }

finish() {
	echo "    1..$claims"
	[ $claims_failed = 0 ] || die "$claims_failed of $claims claims do not hold"
	exit 0
}

# ---- waiting ----

# Waits on a condition, never for a time. Gives up at once when a daemon that must be up has ended.
wait_for() { # WHAT SECONDS COMMAND...
	local what=$1 deadline=$((SECONDS + $2)) started=$SECONDS
	shift 2
	until "$@"; do
		[ -z "${daemon_pid:-}" ] || kill -0 "$daemon_pid" 2>/dev/null || die "headraced ended while waiting for: $what"
		[ $SECONDS -lt $deadline ] || die "no $what after $((SECONDS - started)) s"
		sleep 0.2
	done
}

# Runs one program to its end, within a time, so that a signal to the scenario is acted on at once.
run_within() { # SECONDS COMMAND...
	local status=0
	timeout -k 5 "$@" &
	children+=($!)
	wait $! || status=$?
	[ $status != 124 ] || say "not done after $1 s: $2"
	return $status
}

# ---- Python: the system's, where script/setup --test puts the clients ----

need_python() {
	local candidate
	for candidate in ${PYTHON:-} /usr/bin/python3 python3; do
		"$candidate" -c 'import confluent_kafka, google.protobuf' 2>/dev/null && python=$candidate && break
	done
	[ -n "$python" ] || skip "no python3 with confluent_kafka and google.protobuf (script/setup --test)"
}

run_python() { "$python" "$@"; }

# The messages' classes, generated anew by Google's compiler: the reader on the other side shares no code with headrace.
generate_messages() {
	command -v protoc >/dev/null || skip "protoc is not installed (script/setup --test)"
	mkdir "$work/python"
	(cd "$top_srcdir/proto" && protoc --python_out="$work/python" headrace/v1/*.proto)
	export PYTHONPATH=$work/python PYTHONDONTWRITEBYTECODE=1
}

# ---- the data ----

# Sets events_file and events_args (of `headrace produce`); the simulator's events where the real ones are not at hand.
find_events() { # LIMIT
	local data=${HEADRACE_DATA:-$top_srcdir/../shared/data}
	if [ -r "$data/ader/diginetica.tsv.gz" ]; then
		events_file=$data/ader/diginetica.tsv.gz
		# shellcheck disable=SC2054 # one word
		events_args=(--columns -,user,item --header --time-start 1456790400000 --time-step 1000 --kind view --limit "$1")
		events_name="the first $1 clicks of DIGINETICA"
	else
		events_file=$work/simulated.jsonl
		"$top_builddir/headrace" simulate --events "$1" --output "$events_file" >"$work/simulate.log" 2>&1 || die "headrace simulate failed"
		events_args=()
		events_name="$1 events of the simulator, for want of $data/ader/diginetica.tsv.gz"
	fi
	say "events: $events_name"
}

# "user<TAB>item" of every event, in order, straight from the file: headrace's own reader is not asked.
rows_of_events() { # LIMIT
	case $events_file in
	*.gz) zcat "$events_file" | awk -F '\t' -v n="$1" 'NR > 1 && NR <= n + 1 { print $2 "\t" $3 }' ;;
	*) jq -r '[.user, .item] | @tsv' "$events_file" | head -n "$1" ;;
	esac
}

produce() { # TOPIC PARTITIONS [ARGUMENT...]
	run_within 300 "$top_builddir/headrace" produce "$events_file" --brokers "$HR_TEST_BROKERS" --topic "$1" \
		--partitions "$2" "${events_args[@]}" "${@:3}" >"$work/produce.log" 2>&1
}

# ---- the daemon ----

write_config() { # TOPIC ; writes $work/headrace.yaml, sets http
	http=127.0.0.1:$(free_port)
	cat >"$work/headrace.yaml" <<-END
		kafka:
		  brokers: $HR_TEST_BROKERS
		  client_id: $scenario
		events:
		  topic: $1
		  format: protobuf
		  start: earliest
		output:
		  items_topic: $1-items
		  users_topic: $1-users
		state:
		  dir: $work/state
		http:
		  address: 127.0.0.1
		  port: ${http##*:}
		barrier:
		  interval: 1s
	END
}

start_daemon() { # ARGUMENT...
	"$top_builddir/headraced" --config "$work/headrace.yaml" "$@" </dev/null >>"$work/headraced.log" 2>&1 &
	daemon_pid=$!
	children+=("$daemon_pid")
	wait_for "answer of /readyz" "${ready_within:-60}" ready
}

ready() { curl -sf -m 2 -o /dev/null "http://$http/readyz"; }

stop_daemon() { # drains; its exit status is returned
	local pid=$daemon_pid status=0
	daemon_pid=
	kill -TERM "$pid"
	end_within "${1:-60}" "$pid" &
	wait "$pid" || status=$?
	wait $! || true
	return $status
}

kill_daemon() {
	local pid=$daemon_pid
	daemon_pid=
	kill -KILL "$pid"
	wait "$pid" 2>/dev/null || true
}

get() { curl -sf -m 10 "http://$http$1"; }

# The value of one sample of /metrics; 0 where it is not there. The labels are given as they are printed, in any order.
metric() { # NAME [LABEL=VALUE...]
	get /metrics | awk -v name="$1" -v labels="${*:2}" '
		BEGIN { n = split(labels, want, " ") }
		{
			brace = index($0, "{")
			if (substr($0, 1, (brace ? brace : index($0, " ")) - 1) != name) next
			for (i = 1; i <= n; i++) {
				split(want[i], pair, "=")
				if (!index($0, pair[1] "=\"" pair[2] "\"")) next
			}
			sum += $NF
		}
		END { printf "%.10g\n", sum }'
}

# Records of the events topic that the newest durable barrier accounts for, whatever became of them; a restart keeps them.
accounted() {
	get /v1/model | jq '[.state.partitions[] | .trained + .duplicate + .late + .forgotten + ([.rejected[]] | add // 0)] | add // 0'
}
all_accounted() { at_least_quietly "$1" "$(accounted)"; } # COUNT
