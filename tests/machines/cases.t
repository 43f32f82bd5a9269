#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Machine descriptions, each with one unusual property, and the placements on them.
# A case is a line of the machine's file:
#	plan KEY=VALUE... -> NODES|CPUS|MEMS
#	refuse STATUS KEY=VALUE... -> part of the message
#	reason KEY=VALUE... -> part of a reason
#	simulate KEY=VALUE... ; KEY=VALUE... -> NODES|CPUS|MEMS	(of the last start)
#	topology PATH -> VALUE	(a field of `topology --json`, as jq has it)
# shellcheck source=tests/tap.bash
. "${0%/*}/../tap.bash"
here=$(cd "$(dirname "$0")" && pwd)
numaplace=${NUMAPLACE_BUILD:-$here/../../build}/numaplace

ask() { "$numaplace" --sysroot "$tmp/$name" --state "$tmp/state" --json "$@"; }

try() { # KIND WORDS WANTED
	local kind=$1 want=$3 got status
	# shellcheck disable=SC2086 # words are words
	set -- $2
	case $kind in
	plan)
		got=$(ask plan "$@" 2>&1 | jq -r 'if .error then .error else "\(.nodes)|\(.cpus)|\(.mems)" end' 2>&1)
		[ "$got" = "$want" ]
		;;
	reason)
		got=$(ask plan "$@" 2>&1 | jq -r '.reasons[]' 2>&1)
		[[ $got == *"$want"* ]]
		;;
	simulate)
		got=$(printf '%s\n' "$*" | sed 's/ ; /\n/g' | jq -cR '{op: "start", id: "c\(input_line_number)",
			config: (split(" ") | map(capture("(?<key>[^=]+)=(?<value>.*)")) | from_entries)}' |
			ask simulate 2>&1)
		[ $? = 0 ] && got=$(tail -n 1 <<< "$got" | jq -r '.error // "\(.nodes)|\(.cpus)|\(.mems)"' 2>&1)
		[ "$got" = "$want" ]
		;;
	refuse)
		status=$1
		shift
		got=$(ask plan "$@" 2>&1)
		got="$? $(jq -r .error <<< "$got" 2>&1)"
		[[ $got == "$status "*"$want"* ]]
		;;
	topology)
		got=$(ask topology 2> /dev/null | jq -r "$1" 2>&1)
		[ "$got" = "$want" ]
		;;
	esac
	ok $? "$name: $kind $* -> $want" "got: $got" "want: $want"
}

for file in "$here"/*.machine; do
	name=$(basename "$file" .machine)
	"$here/make-machine" -v root="$tmp/$name" "$file"
	while IFS= read -r line; do
		case $line in
		plan\ * | refuse\ * | reason\ * | simulate\ * | topology\ *)
			words=${line%% -> *}
			try "${words%% *}" "${words#* }" "${line#* -> }"
			;;
		esac
	done < "$file"
done
[ ! -e "$tmp/state" ]
ok $? 'plan writes no file'
done_testing
