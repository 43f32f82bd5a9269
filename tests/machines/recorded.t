#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Recorded machines, where their archives stand beside the project
# ($NUMAPLACE_SHARED, or ../shared): each parses, gives the plans of its golden
# file in recorded/ (checked by hand), and hwloc agrees on nodes, CPUs and memory
# except where the golden file's "hwloc:" line says why not.  Without the archives the
# machines described here (cases.t) stand for them.
#
# `recorded.t --write` prints what would be golden now, to be read before it is believed.
set -u
here=$(cd "$(dirname "$0")" && pwd)
shared=${NUMAPLACE_SHARED:-$here/../../../shared}
numaplace=${NUMAPLACE_BUILD:-$here/../../build}/numaplace
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
run=0 failed=0

result() { # STATUS NAME GOT WANTED
	run=$((run + 1))
	if [ "$1" = 0 ]; then
		echo "ok $run - $2"
	else
		failed=1
		printf 'not ok %d - %s\n#  got: %s\n# want: %s\n' "$run" "$2" "$3" "$4"
	fi
}

plan() { # MACHINE KEYS
	# shellcheck disable=SC2086 # keys are words
	"$numaplace" --sysroot "$work/$1" --json plan $2 2>&1 |
		jq -r 'if .error then .error else "\(.nodes)|\(.cpus)|\(.mems)" end' 2>&1
}

# Nodes, CPUs and bytes as hwloc has them, and as we have.
by_hwloc() {
	lstopo-no-graphics --input "$work/$1" --if fsroot --of xml "$work/$1.xml" -f 2> "$work/$1.err" || return 1
	awk '/<object type="NUMANode"/ { nodes++ }
	     /<object type="PU"/ { cpus++ }
	     match($0, /local_memory="[0-9]+"/) { memory += substr($0, RSTART + 14, RLENGTH - 15) }
	     END { printf "%d nodes, %d CPUs, %.0f bytes\n", nodes, cpus, memory }' "$work/$1.xml"
}
by_us() {
	"$numaplace" --sysroot "$work/$1" --json topology 2> "$work/$1.err" |
		jq -r '.nodes[] | "\(.cpus) \(.mem_total)"' | awk '
		{ nodes++; memory += $NF }
		NF > 1 {
			n = split($1, part, ",")
			for (i = 1; i <= n; i++)
				cpus += split(part[i], r, "-") > 1 ? r[2] - r[1] + 1 : 1
		}
		END { printf "%d nodes, %d CPUs, %.0f bytes\n", nodes, cpus, memory }'
}

unpack() { mkdir -p "$work/$1" && tar -xJf "$shared/topologies/$1.tar.xz" -C "$work" && [ -d "$work/$1/sys" ]; }

if ! ls "$shared"/topologies/*.tar.xz > /dev/null 2>&1; then
	echo "ok 1 - no recorded machines beside the project: cases.t has described ones"
	echo 1..1
	exit 0
fi
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
for golden in "$here"/recorded/*.golden; do
	name=$(basename "$golden" .golden)
	if [ ! -e "$shared/topologies/$name.tar.xz" ]; then
		result 1 "$name: its archive is there" "none" "$name.tar.xz"
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
			result $? "$name: $line" "$got" "${line#* -> }"
			;;
		hwloc:*) why=${line#hwloc: } ;;
		esac
	done < "$golden"
	us=$(by_us "$name") them=$(by_hwloc "$name")
	if [ -n "$why" ]; then
		[ "$us" != "$them" ]
		result $? "$name: hwloc differs ($why)" "$them" "other than $us"
	else
		[ "$us" = "$them" ]
		result $? "$name: hwloc agrees: $us" "$us" "$them"
	fi
done
n=$(find "$shared/topologies" -name '*.tar.xz' | wc -l)
[ "$(find "$here/recorded" -name '*.golden' | wc -l)" -ge "$n" ]
result $? "every recorded machine has its golden file" "$(find "$here/recorded" -name '*.golden' | wc -l)" "$n"
echo "1..$run"
exit $failed
