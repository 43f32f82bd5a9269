# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# For tests in Bash: prints TAP on stdout and makes a temporary folder $tmp, which is removed at the end of the test.
#
# If the test defines a function `diagnose`, its output is shown beside each failure.

set -u
tap_folder=$(mktemp -d) || exit 1
trap 'rm -rf "$tap_folder"' EXIT
# shellcheck disable=SC2034 # used by the tests
tmp=$tap_folder
tests=0 failures=0

# ok STATUS NAME [LINE...]: the lines are shown if STATUS is not 0.
ok() {
	local status=$1 name=$2 word=ok
	shift 2
	tests=$((tests + 1))
	if [ "$status" != 0 ]; then word='not ok' failures=$((failures + 1)); fi
	echo "$word $tests - $name"
	[ "$status" = 0 ] && return
	{
		[ $# = 0 ] || printf '%s\n' "$@"
		if declare -F diagnose > /dev/null; then diagnose; fi
	} | sed 's/^/# /'
}

# skip NAME WHY: a test that cannot run on this machine.
skip() {
	tests=$((tests + 1))
	echo "ok $tests - $1 # SKIP $2"
}

# needs TOOL NAME: succeeds if TOOL is installed; otherwise skips the test NAME.
needs() {
	command -v "$1" > /dev/null && return
	skip "$2" "no $1: tests/packages test"
	return 1
}

done_testing() {
	echo "1..$tests"
	[ "$failures" = 0 ]
	exit
}
