#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# On the machines of this folder, hwloc finds the same nodes, CPUs and memory as numaplace, unless the "hwloc:" line of a
# machine has a reason for a difference. The same on recorded machines, if their archives are beside the project
# ($NUMAPLACE_SHARED, or ../shared); these also give the plans of their golden files in recorded/ (checked by hand).
#
# `recorded.t --write` prints new golden files, which must be reviewed.
# shellcheck source=tests/tap.bash
. "${0%/*}/../tap.bash"
here=$(cd "$(dirname "$0")" && pwd)
shared=${NUMAPLACE_SHARED:-$here/../../../shared}
numaplace=${NUMAPLACE_BUILD:-$here/../../build}/numaplace

# look MACHINE: asks hwloc and numaplace what the machine has.
look() {
	lstopo-no-graphics --input "$tmp/$1" --if fsroot --of xml "$tmp/$1.xml" -f 2> "$tmp/$1.err" || rm -f "$tmp/$1.xml"
	"$numaplace" --sysroot "$tmp/$1" --json topology > "$tmp/$1.json" 2> "$tmp/$1.err"
}

# totals: from lines of "FILE<tab>CPUs<tab>bytes", prints "MACHINE<tab>totals" for each file.
totals() {
	awk -F '\t' '
	{ nodes[$1]++; memory[$1] += $3; cpus[$1] += 0 }
	$2 != "" {
		n = split($2, part, ",")
		for (i = 1; i <= n; i++)
			cpus[$1] += split(part[i], r, "-") > 1 ? r[2] - r[1] + 1 : 1
	}
	END {
		for (file in nodes) {
			name = file
			sub(/.*\//, "", name)
			sub(/\.[a-z]*$/, "", name)
			printf "%s\t%d nodes, %d CPUs, %.0f bytes\n", name, nodes[file], cpus[file], memory[file]
		}
	}'
}

# count: sets us and them, the nodes, CPUs and bytes of each machine according to numaplace and to hwloc. Each program starts
# once for all machines, because the start of jq takes longer than all else.
declare -A us them
count() {
	local file name text
	for file in "$tmp"/*.json; do
		name=${file##*/} name=${name%.json}
		us[$name]='0 nodes, 0 CPUs, 0 bytes'
		[ ! -e "$tmp/$name.xml" ] || them[$name]=${us[$name]}
	done
	while IFS=$'\t' read -r name text; do
		us[$name]=$text
	done < <(jq -r '.nodes[]? | "\(input_filename)\t\(.cpus)\t\(.mem_total)"' "$tmp"/*.json | totals)
	while IFS=$'\t' read -r name text; do
		them[$name]=$text
	done < <(awk '
		FNR == 1 && NR > 1 { print_one() }
		{ file = FILENAME }
		/<object type="NUMANode"/ { nodes++ }
		/<object type="PU"/ { cpus++ }
		match($0, /local_memory="[0-9]+"/) { memory += substr($0, RSTART + 14, RLENGTH - 15) }
		function print_one() {
			sub(/.*\//, "", file)
			sub(/\.xml$/, "", file)
			printf "%s\t%d nodes, %d CPUs, %.0f bytes\n", file, nodes, cpus, memory
			nodes = cpus = memory = 0
		}
		END { print_one() }' "$tmp"/*.xml)
}

# plan MACHINE KEYS: adds what is planned to $tmp/plans.
plan() {
	local said
	# shellcheck disable=SC2086 # keys are words
	said=$("$numaplace" --sysroot "$tmp/$1" --json plan $2 2>&1)
	printf '%s\n' "${said//$'\n'/ }" >> "$tmp/plans"
}
# plans: prints a line for each plan.
plans() {
	jq -Rr '(try fromjson catch {error: "no JSON: \(.)"}) | .error // "\(.nodes)|\(.cpus)|\(.mems)"' "$tmp/plans"
}

# by_both NAME WHY: hwloc and numaplace agree, or differ if there is a reason.
by_both() {
	local ours=${us[$1]} theirs=${them[$1]:-}
	if [ -n "$2" ]; then
		[ "$ours" != "$theirs" ]
		ok $? "$1: hwloc differs ($2)" "got: $theirs" "want: other than $ours"
	else
		[ "$ours" = "$theirs" ]
		ok $? "$1: hwloc agrees: $ours" "got: $ours" "want: $theirs"
	fi
}

unpack() { mkdir -p "$tmp/$1" && tar -xJf "$shared/topologies/$1.tar.xz" -C "$tmp" && [ -d "$tmp/$1/sys" ]; }

: > "$tmp/plans"
if [ "${1:-}" = --write ]; then
	for archive in "$shared"/topologies/*.tar.xz; do
		name=$(basename "$archive" .tar.xz)
		unpack "$name"
		look "$name"
	done
	count
	for name in "${!us[@]}"; do
		echo "== $name: ${us[$name]}; hwloc: ${them[$name]:-}"
		cpus=${us[$name]% CPUs*} cpus=${cpus##* } nodes=${us[$name]%% *}
		# shellcheck disable=SC2017 # one and a half times the whole part
		for n in 1 $((cpus / nodes + 1)) $((cpus / nodes * 3 / 2 + 1)) "$cpus"; do
			: > "$tmp/plans"
			plan "$name" "limits.cpu=$n"
			echo "plan limits.cpu=$n -> $(plans)"
		done
	done
	exit 0
fi
"$here/make-machine" -v masks=1 -v roots="$tmp" "$here"/*.machine
recorded=()
for file in "$shared"/topologies/*.tar.xz; do
	[ ! -e "$file" ] || recorded=("$here"/recorded/*.golden)
done
for file in "${recorded[@]}"; do
	name=${file##*/} name=${name%.golden}
	[ -e "$shared/topologies/$name.tar.xz" ] || continue
	unpack "$name"
	look "$name"
	while IFS= read -r line; do
		words=${line%% -> *}
		[[ $line != plan\ * ]] || plan "$name" "${words#plan }"
	done < "$file"
done
for file in "$here"/*.machine; do
	name=${file##*/}
	look "${name%.machine}"
done
count
for file in "$here"/*.machine; do
	name=${file##*/} name=${name%.machine} why=
	while IFS= read -r line; do
		[[ $line != 'hwloc: '* ]] || why=${line#hwloc: }
	done < "$file"
	by_both "$name" "$why"
done
if [ ${#recorded[@]} = 0 ]; then
	echo "# no recorded machines in $shared/topologies"
	done_testing
fi
exec 3< <(plans)
for golden in "${recorded[@]}"; do
	name=${golden##*/} name=${name%.golden}
	if [ -z "${us[$name]:-}" ]; then
		ok 1 "$name: its archive is there" "got: none" "want: $name.tar.xz"
		continue
	fi
	why=
	while IFS= read -r line; do
		case $line in
		plan\ *)
			got=
			IFS= read -r -u 3 got
			[ "$got" = "${line#* -> }" ]
			ok $? "$name: $line" "got: $got" "want: ${line#* -> }"
			;;
		hwloc:*) why=${line#hwloc: } ;;
		esac
	done < "$golden"
	by_both "$name" "$why"
done
n=$(find "$shared/topologies" -name '*.tar.xz' | wc -l)
[ ${#recorded[@]} -ge "$n" ]
ok $? "every recorded machine has its golden file" "got: ${#recorded[@]}" "want: $n"
done_testing
