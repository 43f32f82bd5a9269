# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# For the tests of this folder: runs a hook once and checks the result.
#
# run_hook ARG... runs oci-hook on the given stdin with a state folder that does not
# exist yet, and sets $status, $said (stderr) and $printed (stdout).

# shellcheck source=tests/tap.bash
. "${BASH_SOURCE[0]%/*}/../tap.bash"
hook=${NUMAPLACE_BUILD:-${O:-build}}/oci-hook
case $hook in /*) ;; *) hook=$PWD/$hook ;; esac
: > "$tmp/conf"

# slurp FILE: sets text to what the file has, without a process; a NUL byte becomes a control character.
slurp() {
	local parts IFS=$'\001'
	mapfile -d '' -t parts < "$1"
	text=${parts[*]}
}
# without_end TEXT: sets text to TEXT without the newlines at its end.
without_end() { text=${1%"${1##*[!$'\n']}"}; }

run_hook() {
	local text
	if [ -e "$tmp/state" ] || [ -L "$tmp/state" ]; then rm -rf "$tmp/state"; fi
	"$hook" --conf "$tmp/conf" --state "$tmp/state" "$@" > "$tmp/stdout" 2> "$tmp/stderr"
	status=$?
	slurp "$tmp/stderr"
	without_end "$text"
	said=$text
	slurp "$tmp/stdout"
	without_end "$text"
	printed=$text
}

# came_out NAME STATUS PATTERN: checks the exit status, that stderr is one line that matches PATTERN (or is empty if
# PATTERN is), that stdout is empty, and that the hook made no state folder.
came_out() {
	local text lines want=1 left=''
	slurp "$tmp/stderr"
	lines=${text//[!$'\n']/} lines=${#lines}
	[ -n "$3" ] || want=0
	[ "$status" = "$2" ]
	ok $? "$1: exit status $2" "it was $status" "$said"
	# shellcheck disable=SC2053 # a pattern
	[[ $said == $3 ]] && [ "$lines" = $want ]
	ok $? "$1: says: ${3:-nothing}" "$said"
	[ ! -e "$tmp/state" ] || left=$(find "$tmp/state" 2> /dev/null)
	[ -z "$printed" ] && [ ! -e "$tmp/state" ]
	ok $? "$1: the hook prints nothing on stdout and makes no state folder" "$printed" "$left"
}

# state ANNOTATIONS: prints the OCI state of a container with these annotations.
state() {
	printf '{"ociVersion":"1.0.2","id":"web1","status":"creating","pid":%s,"bundle":"/","annotations":{%s}}' \
		"${pid:-$$}" "$1"
}

# need_cell: for tests on a simulated machine. Sets $cell to bench/hook/cell; skips the test where cell cannot mount.
need_cell() {
	export BUILD=${hook%/*}/bench-hook tmp
	cell=$PWD/bench/hook/cell
	"$cell" 1 1 0 true 2> "$tmp/why" && return
	echo "1..0 # SKIP cannot make a mount namespace: $(tail -n 1 "$tmp/why")"
	exit
}

# has NAME LINE: a line of $printed matches the pattern LINE.
has() {
	local line
	while IFS= read -r line; do
		# shellcheck disable=SC2053 # a pattern
		[[ $line != $2 ]] || break
	done <<< "$printed"
	# shellcheck disable=SC2053
	[[ $line == $2 ]]
	ok $? "$1" "want: $2" "$printed"
}
