#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Plans containers of seven sizes on every machine in the source of hwloc: one CPU, half of a node, a node, one CPU more,
# two nodes, all CPUs, and twice as many. Each answer follows the rules of rules.jq, or is the one in "expected", which has
# the reason. The machines are downloaded (see fetch); without a network the test is skipped.
# shellcheck source=tests/tap.bash
. "${0%/*}/../tap.bash"
here=$(cd "$(dirname "$0")" && pwd)
numaplace=${NUMAPLACE_BUILD:-$here/../../build}/numaplace

if ! "$here/fetch" "$tmp/machines" 2> "$tmp/why"; then
	echo "ok 1 - the machines of hwloc's source # SKIP $(tail -n 1 "$tmp/why")"
	echo 1..1
	exit 0
fi

declare -A expected
while IFS= read -r line; do
	case $line in '#'* | '') ;; *) expected[${line%% -> *}]=${line#* -> } ;; esac
done < "$here/expected"

# A plan for each size, one line {"asked":N,"plan":{...}} each.
plans() { # MACHINE SIZES
	local n status
	for n in $2; do
		"$numaplace" --sysroot "$tmp/machines/$1" --json plan "limits.cpu=$n" > "$tmp/plan" 2> "$tmp/said"
		status=$?
		[ $status -le 1 ] || echo "{\"error\":\"exit status $status\"}" > "$tmp/plan"
		printf '{"asked":%s,"plan":%s}\n' "$n" "$(cat "$tmp/plan")"
	done
}

# The ids of nodes with the same CPUs as another one. They count as one node with the memory of all of them.
same_cpus() { # MACHINE
	local f map
	for f in "$tmp/machines/$1"/sys/devices/system/node/node*/cpumap; do
		[ -e "$f" ] || continue
		map=$(tr -d '0,\n' < "$f")
		f=${f%/cpumap}
		[ -z "$map" ] || echo "$(tr -d '\n' < "$f/cpumap") ${f##*/node}"
	done | sort | awk '$1 == last { ids[id]; ids[$2] } { last = $1; id = $2 } END { for (i in ids) print i }' | jq -cs .
}

look() { # MACHINE
	local n got want wrong status
	"$numaplace" --sysroot "$tmp/machines/$1" --json topology > "$tmp/topology" 2> "$tmp/said"
	status=$?
	want=${expected[$1 topology]:-}
	if [ "$want" ]; then
		[ $status != 0 ] && grep -qF -- "$want" "$tmp/said"
		ok $? "$1: topology: $want" "got: $status $(cat "$tmp/said")"
		return
	fi
	ok $status "$1: topology" "got: $(cat "$tmp/said")"
	[ $status = 0 ] || return
	plans "$1" "$(jq -r -f "$here/sizes.jq" "$tmp/topology")" |
		jq -r --slurpfile topology "$tmp/topology" --argjson same "$(same_cpus "$1")" -f "$here/rules.jq" > "$tmp/judged" 2>&1
	while IFS=$'\t' read -r n got wrong; do
		want=${expected[$1 $n]:-}
		if [ "$want" ]; then
			[ "$got" = "$want" ]
			ok $? "$1: $n CPUs -> $want" "got: $got"
		else
			[ -z "$wrong" ]
			ok $? "$1: the placement of $n CPUs follows the rules" "got: $got" "but: $wrong"
		fi
	done < "$tmp/judged"
	[ -s "$tmp/judged" ]
	ok $? "$1: at least one size is planned"
}

for dir in "$tmp"/machines/*/; do
	look "$(basename "$dir")"
done
n=$(find "$tmp/machines" -mindepth 1 -maxdepth 1 | wc -l)
[ "$n" -ge 40 ]
ok $? "the corpus has at least 40 machines" "got: $n"
done_testing
