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

plan() { # MACHINE KEYS
	# shellcheck disable=SC2086 # keys are words
	"$numaplace" --sysroot "$tmp/$1" --json plan $2 2>&1 |
		jq -r 'if .error then .error else "\(.nodes)|\(.cpus)|\(.mems)" end' 2>&1
}

# Nodes, CPUs and bytes according to hwloc and to numaplace.
by_hwloc() {
	lstopo-no-graphics --input "$tmp/$1" --if fsroot --of xml "$tmp/$1.xml" -f 2> "$tmp/$1.err" || return 1
	awk '/<object type="NUMANode"/ { nodes++ }
	     /<object type="PU"/ { cpus++ }
	     match($0, /local_memory="[0-9]+"/) { memory += substr($0, RSTART + 14, RLENGTH - 15) }
	     END { printf "%d nodes, %d CPUs, %.0f bytes\n", nodes, cpus, memory }' "$tmp/$1.xml"
}
by_us() {
	"$numaplace" --sysroot "$tmp/$1" --json topology 2> "$tmp/$1.err" |
		jq -r '.nodes[]? | "\(.cpus) \(.mem_total)"' | awk '
		{ nodes++; memory += $NF }
		NF > 1 {
			n = split($1, part, ",")
			for (i = 1; i <= n; i++)
				cpus += split(part[i], r, "-") > 1 ? r[2] - r[1] + 1 : 1
		}
		END { printf "%d nodes, %d CPUs, %.0f bytes\n", nodes, cpus, memory }'
}

# by_both NAME WHY: hwloc and numaplace agree, or differ if there is a reason.
by_both() {
	local us them
	us=$(by_us "$1") them=$(by_hwloc "$1")
	if [ -n "$2" ]; then
		[ "$us" != "$them" ]
		ok $? "$1: hwloc differs ($2)" "got: $them" "want: other than $us"
	else
		[ "$us" = "$them" ]
		ok $? "$1: hwloc agrees: $us" "got: $us" "want: $them"
	fi
}

unpack() { mkdir -p "$tmp/$1" && tar -xJf "$shared/topologies/$1.tar.xz" -C "$tmp" && [ -d "$tmp/$1/sys" ]; }

if [ "${1:-}" = --write ]; then
	for archive in "$shared"/topologies/*.tar.xz; do
		name=$(basename "$archive" .tar.xz)
		unpack "$name"
		echo "== $name: $(by_us "$name"); hwloc: $(by_hwloc "$name")"
		cpus=$(by_us "$name" | sed 's/.*, \([0-9]*\) CPUs.*/\1/') nodes=$(by_us "$name" | sed 's/ nodes.*//')
		for n in 1 $((cpus / nodes + 1)) $((cpus / nodes * 3 / 2 + 1)) "$cpus"; do
			echo "plan limits.cpu=$n -> $(plan "$name" "limits.cpu=$n")"
		done
	done
	exit 0
fi
for file in "$here"/*.machine; do
	name=$(basename "$file" .machine)
	"$here/make-machine" -v masks=1 -v root="$tmp/$name" "$file"
	by_both "$name" "$(sed -n 's/^hwloc: //p' "$file")"
done
if ! ls "$shared"/topologies/*.tar.xz > /dev/null 2>&1; then
	echo "# no recorded machines in $shared/topologies"
	done_testing
fi
for golden in "$here"/recorded/*.golden; do
	name=$(basename "$golden" .golden)
	if [ ! -e "$shared/topologies/$name.tar.xz" ]; then
		ok 1 "$name: its archive is there" "got: none" "want: $name.tar.xz"
		continue
	fi
	unpack "$name"
	why=
	while IFS= read -r line; do
		case $line in
		plan\ *)
			words=${line%% -> *}
			got=$(plan "$name" "${words#plan }")
			[ "$got" = "${line#* -> }" ]
			ok $? "$name: $line" "got: $got" "want: ${line#* -> }"
			;;
		hwloc:*) why=${line#hwloc: } ;;
		esac
	done < "$golden"
	by_both "$name" "$why"
done
n=$(find "$shared/topologies" -name '*.tar.xz' | wc -l)
[ "$(find "$here/recorded" -name '*.golden' | wc -l)" -ge "$n" ]
ok $? "every recorded machine has its golden file" "got: $(find "$here/recorded" -name '*.golden' | wc -l)" "want: $n"
done_testing
