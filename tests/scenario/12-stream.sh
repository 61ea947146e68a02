#!/bin/bash
# The client code of the daemon on the broker, without the daemon: what the mock broker of the unit tests can not show.
# shellcheck source=tests/scenario/lib.sh
. "$(dirname "$0")/lib.sh"

make -s -C "$top_builddir" tests/test_stream_broker.tap || die "the test did not compile"
run_tests() { run_within 200 env CMOCKA_MESSAGE_OUTPUT=TAP "$top_builddir/tests/test_stream_broker.tap" >"$work/tap" 2>"$work/tap.log"; }
check "every test ends well" run_tests
sed 's/^/    # /' "$work/tap"
check "tests were run" grep -q '^ok 1' "$work/tap"
finish
