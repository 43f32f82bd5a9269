# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# For the tests of this folder: one run of a hook with what came of it.
#
# run_hook ARG... runs oci-hook with stdin as given, in a folder of its own, and
# sets $status, $said (stderr) and $printed (stdout).  The ledger folder is not
# there before it, so whatever is in it afterwards the hook wrote.

# shellcheck source=tests/tap.bash
. "${BASH_SOURCE[0]%/*}/../tap.bash"
hook=${NUMAPLACE_BUILD:-${O:-build}}/oci-hook
case $hook in /*) ;; *) hook=$PWD/$hook ;; esac
: > "$tmp/conf"

run_hook() {
	rm -rf "$tmp/state"
	"$hook" --conf "$tmp/conf" --state "$tmp/state" "$@" > "$tmp/stdout" 2> "$tmp/stderr"
	status=$?
	said=$(cat "$tmp/stderr") printed=$(cat "$tmp/stdout")
}

# came_out NAME STATUS PATTERN: status, the one line on stderr ("": none), silence on stdout, no ledger folder made.
came_out() {
	local lines want=1
	lines=$(wc -l < "$tmp/stderr")
	[ -n "$3" ] || want=0
	[ "$status" = "$2" ]
	ok $? "$1: exit status $2" "it was $status" "$said"
	# shellcheck disable=SC2053 # a pattern
	[[ $said == $3 ]] && [ "$lines" = $want ]
	ok $? "$1: says: ${3:-nothing}" "$said"
	[ -z "$printed" ] && [ ! -e "$tmp/state" ]
	ok $? "$1: nothing on stdout, no ledger folder made" "$printed" "$(find "$tmp/state" 2> /dev/null)"
}

# state ANNOTATIONS: a container's state with this inside its annotations.
state() {
	printf '{"ociVersion":"1.0.2","id":"web1","status":"creating","pid":%s,"bundle":"/","annotations":{%s}}' \
		"${pid:-$$}" "$1"
}

# need_cell: for tests on a made machine. $cell is bench/hook/cell, ready to run; where it cannot, the test is skipped.
need_cell() {
	export BUILD=${hook%/*}/bench-hook tmp
	cell=$PWD/bench/hook/cell
	"$cell" 1 1 0 true 2> "$tmp/why" && return
	echo "1..0 # SKIP no mounts of our own here: $(tail -n 1 "$tmp/why")"
	exit
}
