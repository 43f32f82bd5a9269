#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Tests a copy of the test harness: tests/run counts each kind of failure as a failed test, guests take turns in the
# order of their start and end with the process that started them, and waits end by the clock.
set -u
cd "$(dirname "$0")/../.." || exit 1
tests=0 failures=0
tmp=$(mktemp -d) || exit 1
started=()
# shellcheck disable=SC2317 # the trap calls it
finish() {
	[ ${#started[@]} = 0 ] || kill "${started[@]}" 2> /dev/null
	rm -rf "$tmp"
}
trap finish EXIT

ok() {
	local status=$1 word=ok
	tests=$((tests + 1))
	if [ "$status" != 0 ]; then word='not ok' failures=$((failures + 1)); fi
	echo "$word $tests - $2"
	[ "$status" = 0 ] || printf '# %s\n' "${@:3}"
}

# until_true COMMAND...: repeats COMMAND until it succeeds, for at most a minute.
until_true() {
	local end=$((SECONDS + 60))
	until "$@" > /dev/null 2>&1; do
		[ $SECONDS -le $end ] || return 1
		sleep 0.1
	done
}

# --- tests/run: how it judges a program

mkdir -p "$tmp/tree/tests/hooks"
cp tests/run "$tmp/tree/tests/"

# judged NAME "N passed, N failed" STRICT LINE...: how tests/run judges a program that prints these lines.
judged() {
	local name=$1 want=$2 strict=$3 last
	shift 3
	{ echo '#!/bin/sh' && printf '%s\n' "$@"; } > "$tmp/tree/tests/hooks/a.sh"
	chmod +x "$tmp/tree/tests/hooks/a.sh"
	STRICT=$strict TEST_TIMEOUT=${limit:-60} "$tmp/tree/tests/run" -b "$tmp/build" hooks > "$tmp/log" 2>&1
	status=$?
	last=$(tail -n 1 "$tmp/log")
	case $want in *' 0 failed') [ "$status" = 0 ] ;; *) [ "$status" = 1 ] ;; esac && [ "$last" = "$want" ]
	ok $? "tests/run: $name: $want" "status $status" "$(cat "$tmp/log")"
}

runs() {
	judged 'two that pass' '2 passed, 0 failed' '' 'echo ok 1 - a' 'echo ok 2 - b' 'echo 1..2'
	judged 'one that fails' '1 passed, 1 failed' '' 'echo ok 1 - a' 'echo not ok 2 - b' 'echo 1..2' 'exit 1'
	judged 'no plan' '1 passed, 1 failed' '' 'echo ok 1 - a'
	judged 'nothing at all' '0 passed, 1 failed' '' :
	judged 'fewer than planned' '1 passed, 1 failed' '' 'echo 1..2' 'echo ok 1 - a'
	judged 'all passed, and then an exit status' '1 passed, 1 failed' '' 'echo ok 1 - a' 'echo 1..1' 'exit 3'
	judged 'a signal' '1 passed, 1 failed' '' 'echo ok 1 - a' 'echo 1..1' 'kill -SEGV $$'
	judged 'Bail out!' '1 passed, 1 failed' '' 'echo 1..1' 'echo ok 1 - a' 'echo "Bail out! no"'
	limit=5 	judged 'too long' '1 passed, 1 failed' '' 'echo 1..1' 'echo ok 1 - a' 'exec sleep 60'
	judged 'one that leaves a process behind' '1 passed, 1 failed' '' 'echo ok 1 - a' 'echo 1..1' 'sleep 77 > /dev/null 2>&1 &'
	until_true sh -c '! pgrep -fx "sleep 77"'
	ok $? 'tests/run: that process is ended' "$(pgrep -afx 'sleep 77')"
	judged 'one whose process ends soon after it' '1 passed, 0 failed' '' 'echo ok 1 - a' 'echo 1..1' 'sleep 0.4 > /dev/null 2>&1 &'
	judged 'a skip' '1 passed, 0 failed' '' 'echo ok 1 - a' 'echo "ok 2 - b # SKIP no"' 'echo 1..2'
	judged 'a skip where none may be' '1 passed, 1 failed' 1 'echo ok 1 - a' 'echo "ok 2 - b # SKIP no"' 'echo 1..2'
	judged 'all skipped where none may be' '0 passed, 1 failed' 1 'echo "1..0 # SKIP no"'
}

# --- guests

mkdir -p "$tmp/vm" "$tmp/cache"
cp tests/vm/host.sh tests/vm/run tests/vm/matrix "$tmp/vm/"

# A guest that waits for its turn, reports it, and keeps it until it is ended.
cat > "$tmp/vm/guest" << 'END'
#!/bin/bash
set -euo pipefail
. "$(dirname "$0")/host.sh"
wait_for_turn "$1"
echo "$1" >> "$cache_dir/order"
exec sleep 600
END
# Replaces the function that starts QEMU.
cat > "$tmp/vm/boot" << 'END'
#!/bin/bash
trap 'echo >> "$NUMAPLACE_CACHE/ended"; kill $sleeper; exit 1' TERM
sleep 600 > /dev/null 2>&1 &
sleeper=$!
echo >> "$NUMAPLACE_CACHE/begun"
wait
END
chmod +x "$tmp/vm/guest" "$tmp/vm/boot"

# start NAME: starts a guest; returns when it is in the queue or has its turn.
start() {
	NUMAPLACE_CACHE=$tmp/cache TURNS=1 "$tmp/vm/guest" "$1" 2> "$tmp/$1.said" &
	pid=$!
	started+=("$pid")
	until_true grep -q "^$1$\|waits" "$tmp/cache/order" "$tmp/$1.said"
}

turns() {
	local round first head next
	start a
	first=$pid
	for round in 1 2 3 4; do
		start "head$round"
		head=$pid
		start "next$round"
		next=$pid
		# The guests poll: end the first one at another moment in each round, so that chance does not look like order.
		sleep 0.$round
		kill "$first"
		until_true grep -qx "head$round" "$tmp/cache/order"
		[ "$(tail -n 1 "$tmp/cache/order")" = "head$round" ]
		ok $? "turns: the guest that came first runs first, round $round" "$(cat "$tmp/cache/order")"
		kill "$head"
		until_true grep -qx "next$round" "$tmp/cache/order"
		ok $? 'turns: the guest that came next runs next' "$(cat "$tmp/cache/order")"
		first=$next
	done
	start x
	head=$pid
	start y
	kill "$pid"
	until_true eval "! kill -0 $pid"
	ok $? 'turns: a guest that is ended while it waits ends at once'
	kill "$first"
	until_true grep -qx x "$tmp/cache/order"
	ok $? 'turns: an ended guest does not block the next one' "$(cat "$tmp/cache/order")"
	kill "$head"
}

two() { [ "$(wc -l < "$tmp/cache/$1")" = 2 ]; }

ended() {
	NUMAPLACE_CACHE=$tmp/cache "$tmp/vm/run" -j 2 10-smoke > "$tmp/log" 2>&1 &
	pid=$!
	started+=("$pid")
	until_true two begun
	ok $? 'vm/run: two guests start' "$(cat "$tmp/log")"
	kill "$pid"
	until_true two ended
	ok $? 'vm/run: its guests end when it is ended'
	until_true eval "! pgrep -f '^[^ ]*bash $tmp/vm/run '"
	ok $? 'vm/run: no process of it is left when it is ended' "$(pgrep -af "$tmp/vm/run")"
}

# Uses the shell of the guests, if installed. in_guest COMMAND: runs COMMAND with the library of the guest tests.
in_guest() { timeout 60 "$(command -v dash || echo sh)" -c ". tests/vm/guest/lib.sh > /dev/null; $1" > "$tmp/log" 2>&1; }

waits() {
	local status begun=$SECONDS
	in_guest "within 3 sh -c 'sleep 0.7; false'"
	status=$?
	[ $status = 1 ] && [ $((SECONDS - begun)) -ge 3 ]
	ok $? 'guest/lib.sh: within 3 ends after 3 seconds of time, however long a try takes' \
		"status $status after $((SECONDS - begun)) s" "$(cat "$tmp/log")"
	in_guest "n=0; third() { n=\$((n + 1)); [ \$n = 3 ]; }; eventually third && [ \$n = 3 ]"
	ok $? 'guest/lib.sh: eventually ends with the first success' "$(cat "$tmp/log")"
}

runs
turns
ended
waits
echo "1..$tests"
[ "$failures" = 0 ]
