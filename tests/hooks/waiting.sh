#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# How long a start makes others wait, counted and not timed: the records that a refused one reads among 1,000 containers, and
# the cgroups that the first one after a boot, or after the ledger was lost, looks at among 3,000 empty ones. The
# machine is bench/hook/cell's.
# shellcheck source=tests/hooks/tap.bash disable=SC2317 # functions for cell to call
. "${0%/*}/tap.bash"

command -v strace > /dev/null || {
	echo '1..0 # SKIP no strace here'
	exit
}
need_cell

# Run by cell. asked VALUE TIMES [CONTAINER]: so many starts that ask for this memory; how each ended, and the records that it read.
asked() {
	local n
	sed "s/16MiB/$1/" "keyed-${3:-1}" > asked
	for n in $(seq "$2"); do
		strace -qq -e trace=openat -o "$tmp/trace" "$BUILD/oci-hook" --conf conf createRuntime < asked 2>> "$tmp/said"
		echo "$? $(grep -c '"oci:placed' "$tmp/trace")" >> "$tmp/$1"
	done
}
many() {
	local begin limit
	# What is asked for counts as it is, and not as the limits of its cgroup and of its config allow.
	for limit in "$CGROUP"/*/memory.max; do echo max > "$limit"; done
	sed -i 's/1073741824/1152921504606846976/' bundle/config.json
	asked 17MiB 1 0
	asked 1EiB 4
	echo populated 0 > "$CGROUP/placed-500/cgroup.events"
	begin=$(cut -d. -f1 /proc/uptime)
	while [ -e /run/numaplace/containers/oci:placed-500 ] && [ $(($(cut -d. -f1 /proc/uptime) - begin)) -lt 30 ]; do
		asked 20GiB 8
	done
	echo $(($(cut -d. -f1 /proc/uptime) - begin + 1)) > "$tmp/seconds"
	ls /run/numaplace/containers > "$tmp/left"
}
export -f asked many
# of FILE: all starts ended so, and how many records they read altogether.
ended() { [ "$(cut -d' ' -f1 "$tmp/$1" | sort -u)" = "$2" ]; }
records() { awk '{ n += $2 } END { print n + 0 }' "$tmp/$1"; }

# The nodes have 16 GiB each, half of it free.
NUMBERED=2 "$cell" 2 4 1000 bash -c many > "$tmp/cell" 2>&1
ended 17MiB 0
ok $? 'among 1,000 containers, one more is placed' "$(cat "$tmp/17MiB" "$tmp/cell" "$tmp/said")"
each=$(records 17MiB)
[ "$each" -ge 1 ] && [ "$each" -le 16 ]
ok $? "for which a few others are looked at, in turn: $each"
ended 1EiB 1 && [ "$(records 1EiB)" -le $((4 * 16)) ]
ok $? 'a start that the machine could never hold reads no more than one that is placed' "$(cat "$tmp/1EiB")"
read -r seconds < "$tmp/seconds"
n=$(records 20GiB) most=$((seconds * 256 + $(wc -l < "$tmp/20GiB") * 17))
ended 20GiB 1 && [ "$n" -le $most ]
ok $? "what an idle machine could hold: $(wc -l < "$tmp/20GiB") refusals in $seconds s read $n records, $most at most" \
	"$(sort "$tmp/20GiB" | uniq -c)"
[ "$(wc -l < "$tmp/left")" = 1000 ] && ! grep -q 'placed-500$' "$tmp/left"
ok $? 'they find the one that is dead' "$(wc -l < "$tmp/left")"

# Run by cell. started CONTAINER NAME: one start; how it ended, and how many of the empty cgroups it opened.
started() {
	strace -qq -e trace=openat,openat2 -o "$tmp/trace" "$BUILD/oci-hook" --conf conf --timeout 100 createRuntime < "$1" 2>> "$tmp/said"
	echo "$? $(grep -c 'empty-' "$tmp/trace")" > "$tmp/$2"
}
lost() {
	mkdir "$CGROUP/tenant" && (cd "$CGROUP/tenant" && seq -f 'empty-%g' 3000 | xargs mkdir)
	started keyed-0 first
	cat "$CGROUP/c0/cpuset.cpus" > "$tmp/cpus"
	rm -r /run/numaplace
	started keyed-1 lost
	ls /run/numaplace/containers > "$tmp/left"
}
export -f started lost
NUMBERED=2 "$cell" 2 4 0 bash -c lost > "$tmp/cell" 2>&1
[ "$(cat "$tmp/first")" = '0 0' ]
ok $? 'the first start after a boot walks no cgroups' "$(cat "$tmp/first" "$tmp/cell" "$tmp/said")"
[ "$(cat "$tmp/lost")" = '0 0' ]
ok $? 'the first one after the ledger was lost walks none that is empty' "$(cat "$tmp/lost")"
[ "$(xargs < "$tmp/left")" = 'oci:web0 oci:web1' ] && [ -s "$tmp/cpus" ]
ok $? 'and the container that lives is in the ledger again' "$(cat "$tmp/left")"
done_testing
