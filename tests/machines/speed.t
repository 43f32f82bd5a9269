#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The predicted speed in `plan` and `explain`, as text and as JSON, on a made machine with a ledger that the test writes.
# tests/unit/select-speed-test.c tests the prediction itself.

# shellcheck source=tests/tap.bash
. "${0%/*}/../tap.bash"
here=$(cd "$(dirname "$0")" && pwd)
numaplace=${NUMAPLACE_BUILD:-$here/../../build}/numaplace
# shellcheck source=tests/machines/ledger.bash
. "$here/ledger.bash"
export TZ=UTC

# Four nodes of eight cores with two threads each, in two near pairs.
cat > "$tmp/four.machine" <<'END'
node 0 cpus 0-15 mem 65536
node 1 cpus 16-31 mem 65536
node 2 cpus 32-47 mem 65536
node 3 cpus 48-63 mem 65536
distance 0 10 12 21 21
distance 1 12 10 21 21
distance 2 21 21 10 12
distance 3 21 21 12 10
smt 2
END
"$here/make-machine" -v root="$tmp/four" "$tmp/four.machine"
mkdir -m 700 "$tmp/state"

# shellcheck disable=SC2317 # ok calls it
diagnose() { printf 'status %s\nstdout: %s\nstderr: %s\n' "$got" "$out" "$(cat "$tmp/stderr")"; }
run() {
	out=$("$numaplace" --sysroot "$tmp/four" --state "$tmp/state" "$@" 2> "$tmp/stderr" < /dev/null)
	got=$?
}
jq_is() { # NAME FILTER WANT
	[ "$got" = 0 ] && [ "$(jq -cr "$2" <<< "$out")" = "$3" ]
	ok $? "$1 ($2 = $3)"
}
line_is() { # NAME LINE: the last line of the text
	[ "$got" = 0 ] && [ "${out##*$'\n'}" = "$2" ]
	ok $? "$1: $2"
}
of=' of this container alone on an idle machine'

run plan limits.cpu=4
line_is 'plan, on an idle machine' "predicted 100 %$of; runner-up 100 %"
run plan limits.cpu=4 limits.cpu.nodes=2
line_is 'plan, without a runner-up' "predicted 100 %$of"
run --json plan limits.cpu=4
jq_is 'plan, on an idle machine' .predicted.percent 100
jq_is 'plan, on an idle machine' .predicted.reason ''
jq_is 'plan, on an idle machine' .predicted.runner_up '{"nodes":"1","percent":100,"reason":""}'

record "$tmp/state" quiet 8 0,2,4,6,8,10,12,14 0 0 ask.limits.cpu=8 ask.limits.cpu.work=compute
run --json plan limits.cpu=4
jq_is 'plan, beside a container on another node' '[.nodes, .predicted.percent]' '["1",100]'
record "$tmp/state" stream1 8 16,18,20,22,24,26,28,30 1 1 ask.limits.cpu=8 ask.limits.cpu.work=bandwidth
record "$tmp/state" stream2 8 32,34,36,38,40,42,44,46 2 2 ask.limits.cpu=8 ask.limits.cpu.work=bandwidth
record "$tmp/state" batch 6 48-53 3 3 ask.limits.cpu=6
run --json plan limits.cpu=4
jq_is 'plan, on a node with another container' '[.nodes, .predicted.percent < 100, .predicted.percent > 50]' '["3",true,true]'
jq_is 'plan, on a node with another container' .predicted.reason "node 3's memory is busy"
jq_is 'plan: the runner-up is slower, and why' \
	'[.predicted | .runner_up.nodes, .runner_up.reason, .runner_up.percent < .percent]' \
	'["0","its threads share cores",true]'
mix=$(jq .predicted.percent <<< "$out")
run plan limits.cpu=4
line_is 'plan: the same as text' "predicted $mix %$of: node 3's memory is busy; runner-up $(
	"$numaplace" --sysroot "$tmp/four" --state "$tmp/state" --json plan limits.cpu=4 2> /dev/null |
		jq .predicted.runner_up.percent) %: its threads share cores"
run --json plan limits.cpu=4 limits.cpu.work=compute
jq_is 'plan: work that computes loses less by busy memory' ".predicted.percent > $mix" true
run --json plan limits.cpu=4 limits.cpu.work=bandwidth
jq_is 'plan: work that streams loses more' ".predicted.percent < $mix" true
echo 'work = bandwidth' > "$tmp/conf"
streams=$(jq .predicted.percent <<< "$out")
run --conf "$tmp/conf" --json plan limits.cpu=4
jq_is "plan: the administrator's default counts for the container and for batch" ".predicted.percent <= $streams" true

run --json explain stream1
jq_is 'explain: its CPUs are idle beside it' .predicted.percent 100
jq_is 'explain: its runner-up is another node' '[.nodes, .predicted.runner_up.nodes]' '["1","3"]'
jq_is 'explain: its runner-up is slower' '.predicted.runner_up | .percent < 100' true
run --json explain batch
jq_is 'explain: six threads on three cores' '[.predicted.percent < 90, .predicted.reason]' '[true,"its threads share cores"]'
run explain batch
grep -Eq "^predicted now +[0-9]+ %$of: its threads share cores; runner-up [0-9]+ %: " <<< "$out"
ok $? 'explain: the prediction is marked as that of now'
record "$tmp/state" gone 2 100-101 9 9 ask.limits.cpu=2
run --json explain gone
jq_is 'explain: CPUs that this machine does not have' .predicted null

before=$(cd "$tmp/state" && find . -type f -exec cat {} + | sha256sum)
run plan limits.cpu=4
run explain batch
[ "$before" = "$(cd "$tmp/state" && find . -type f -exec cat {} + | sha256sum)" ]
ok $? 'a prediction writes nothing'

if [ -d "$here/../../runtime-hooks" ]; then
	! grep -rnE 'predict\.h|speed\.h|place_predict|speed_predict' "$here/../../runtime-hooks"
	ok $? 'no hook predicts'
fi
done_testing
