#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# oci-hook under valgrind: no invalid access, no decision on undefined data and no leak, for a placement and for runs
# that end early.
# shellcheck source=tests/hooks/tap.bash
. "${0%/*}/tap.bash"
hook=${hook%/*}/dynamic/oci-hook # the same objects

command -v valgrind > /dev/null || {
	echo '1..0 # SKIP no valgrind'
	exit
}

# checked NAME STATUS STAGE: runs the hook under valgrind on stdin.
checked() {
	valgrind -q --error-exitcode=99 --leak-check=full --show-leak-kinds=definite,indirect \
		--errors-for-leak-kinds=definite,indirect --log-file="$tmp/log" \
		"$hook" --conf "$tmp/conf" --state "$tmp/state" "$3" > /dev/null 2> "$tmp/stderr"
	status=$?
	# valgrind answers unknown system calls with ENOSYS, which the hook must handle.
	grep -v -e '^--.*unhandled' -e '^--.*You may be able' -e '^--.*Read the file' -e '^--.*Nevertheless' \
		-e '^--.*bug_reports' "$tmp/log" > "$tmp/found"
	[ $status = "$2" ] && [ ! -s "$tmp/found" ]
	ok $? "valgrind finds no error: $1" "exit status $status" "$(cat "$tmp/found" "$tmp/stderr")"
}

echo 'default = balanced' > "$tmp/conf"
# This process does not exist, so the hook refuses on every machine, after all other steps.
export pid=4194305
checked 'a placement' 1 createRuntime <<< "$(state '"limits.cpu":"2","limits.memory":"1MiB","limits.cpu.nodes":"balanced"')"
checked 'a placement by default' 1 createRuntime <<< "$(state '')"
checked 'a bad value' 2 createRuntime <<< "$(state '"limits.cpu":"abc"')"
checked 'a truncated state' 2 createRuntime <<< '{"id":"web1","annotations":{"limits.cpu":"1"'
checked 'a state that is nested too deeply' 2 createRuntime < <(head -c 1000 /dev/zero | tr '\0' '[')
checked 'a stage that the hook ignores' 0 poststart <<< "$(state '')"
mkdir -m 700 "$tmp/state"
checked 'poststop, an empty ledger' 0 poststop <<< "$(state '')"
echo damage > "$tmp/state/usage"
checked 'poststop, a damaged ledger' 0 poststop <<< "$(state '')"
checked 'precreate' 0 precreate <<< '{"annotations":{"limits.cpu":"1"},"linux":{"resources":{}}}'
checked 'precreate, a malformed config' 2 precreate <<< '{"annotations":{"limits.cpu":"1"'
done_testing
