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

# Starts of the containers CONFIG ; CONFIG..., as input of `simulate`: each CONFIG is KEY=VALUE...
starts() {
	local n=1 config='' word rest
	for word in "$@" \;; do
		if [ "$word" = \; ]; then
			printf '{"op":"start","id":"c%d","config":{%s}}\n' $((n++)) "${config%,}"
			config=
			continue
		fi
		rest=${word#*=} rest=${rest//\\/\\\\}
		config+="\"${word%%=*}\":\"${rest//\"/\\\"}\","
	done
}

# run KIND WORDS WANTED: runs the command and adds a line to $tmp/said for jq: KIND, exit status (of topology: the number of
# the path in $paths) and output, and a line to $tmp/cases: what is tested.
paths=() # jq's, as alternatives of an "if"
run() {
	local kind=$1 want=$3 got status=0
	# shellcheck disable=SC2086 # words are words
	set -- $2
	case $kind in
	plan | reason) got=$(ask plan "$@" 2>&1) || status=$? ;;
	refuse) got=$(ask plan "${@:2}" 2>&1) || status=$? ;;
	simulate)
		got=$(ask simulate 2>&1 < <(starts "$@")) || status=$?
		[ $status != 0 ] || got=${got##*$'\n'}
		;;
	topology)
		got=$(ask topology 2> /dev/null) || got="status $?"
		status=${#paths[@]}
		paths+=("if \$number == \"$status\" then ($1) el")
		;;
	esac
	case $kind in
	simulate) got=${got//$'\n'/$'\036'} ;;
	*) got=${got//$'\n'/ } ;; # JSON
	esac
	printf '%s %d %s\n' "$kind" "$status" "$got" >> "$tmp/said"
	printf '%s\037' "$name" "$kind" "$*" >> "$tmp/cases"
	printf '%s\n' "$want" >> "$tmp/cases"
}

# results: what each line of $tmp/said says; jq starts once, because its start takes longer than a plan.
results() {
	jq -Rr "def field(\$number): $(printf '%s' "${paths[@]}")se error(\"no such path\") end;"'
		(index(" ")) as $a | .[:$a] as $kind | .[$a + 1:] | (index(" ")) as $b | .[:$b] as $status | .[$b + 1:] as $said |
		(try ($said | fromjson) catch {error: "no JSON: \($said)"}) as $j |
		if $kind == "topology" then (try ($j | field($status)) catch .)
		elif $kind == "simulate" and $status != "0" then $said
		elif $kind == "refuse" then "\($status) \($j.error)"
		elif $kind == "reason" then $j.error // ($j.reasons | join("\u001f"))
		else $j.error // "\($j.nodes)|\($j.cpus)|\($j.mems)" end' "$tmp/said"
}

judge() {
	local name kind words want got
	while IFS=$'\037' read -r -u 3 name kind words want && IFS= read -r -u 4 got; do
		case $kind in
		reason) [[ $got == *"$want"* ]] ;;
		refuse) [[ $got == "${words%% *} "*"$want"* ]] ;;
		*) [ "$got" = "$want" ] ;;
		esac
		ok $? "$name: $kind $words -> $want" "got: $got" "want: $want"
	done 3< "$tmp/cases" 4< <(results)
	[ "$tests" = "$(wc -l < "$tmp/cases")" ]
	ok $? 'each case has a result' "$tests of $(wc -l < "$tmp/cases")"
}

"$here/make-machine" -v roots="$tmp" "$here"/*.machine
for file in "$here"/*.machine; do
	name=${file##*/} name=${name%.machine}
	while IFS= read -r line; do
		case $line in
		plan\ * | refuse\ * | reason\ * | simulate\ * | topology\ *)
			words=${line%% -> *}
			run "${words%% *}" "${words#* }" "${line#* -> }"
			;;
		esac
	done < "$file"
done
judge
[ ! -e "$tmp/state" ]
ok $? 'plan writes no file'
done_testing
