#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# lxc-hook checks the container's process after it was placed. If the process has other CPUs, the hook undoes the whole
# placement: the cpuset, the marks, and the record. The machine and its cgroups are those of bench/hook/cell, and what
# the process may use is in a file over that of the kernel.
# shellcheck source=tests/hooks/tap.bash disable=SC2317 # functions for cell to call
. "${0%/*}/tap.bash"

need_cell

# Run by cell. placed NAME CPUS: the process has these CPUs and node 0.
placed() {
	local pid
	read -r pid < "$CGROUP/c0/cgroup.procs"
	sed -E "s/^(Cpus_allowed_list:).*/\1\t$2/; s/^(Mems_allowed_list:).*/\1\t0/" "/proc/$pid/status" > /run/status
	mount --bind /run/status "/proc/$pid/status"
	LXC_PID=$pid "$BUILD/lxc-hook" --conf conf --set limits.cpu=2 web lxc start-host 2> "$tmp/$1.said"
	echo $? > "$tmp/$1.status"
	echo "$(cat "$CGROUP/c0/cpuset.cpus") $(cat "$CGROUP/c0/cpuset.mems")" > "$tmp/$1.cpuset"
	find /run/numaplace/containers -type f -printf '%f\n' > "$tmp/$1.records"
	"$BUILD/../numaplace" metrics > "$tmp/$1.metrics"
}
export -f placed

"$cell" 4 2 0 bash -c 'placed wrong 5' 2> "$tmp/cell"
[ "$(cat "$tmp/wrong.status")" = 1 ]
ok $? 'a process with other CPUs: the hook fails' "$(cat "$tmp/cell" "$tmp/wrong.said")"
[[ $(cat "$tmp/wrong.said") == 'numaplace: container web: pid '*': Cpus_allowed_list: 5, but 0-1 was chosen' ]]
ok $? 'the message has both lists' "$(cat "$tmp/wrong.said")"
[ "$(cat "$tmp/wrong.cpuset")" = '0-7 0-3' ]
ok $? 'the cpuset is again what was effective before' "$(cat "$tmp/wrong.cpuset")"
[ ! -s "$tmp/wrong.records" ]
ok $? 'the ledger has no record of it' "$(cat "$tmp/wrong.records")"
grep -q '^numaplace_decisions_total{result="failed"} 1$' "$tmp/wrong.metrics" &&
	grep -q '^numaplace_decisions_total{result="placed"} 0$' "$tmp/wrong.metrics"
ok $? 'it is counted as failed' "$(grep decisions_total "$tmp/wrong.metrics")"

"$cell" 4 2 0 bash -c 'placed right 0-1' 2> "$tmp/cell"
[ "$(cat "$tmp/right.status")" = 0 ] && [ "$(cat "$tmp/right.cpuset")" = '0-1 0' ]
ok $? 'a process with the chosen CPUs: it is placed' "$(cat "$tmp/cell" "$tmp/right.said" "$tmp/right.cpuset")"
[ "$(cat "$tmp/right.records")" = lxc:web ]
ok $? 'and the ledger has its record' "$(cat "$tmp/right.records")"
done_testing
