# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR
#
# Moves of huge pages, small pages and both, to one node and to three: the counters of the kernel show that each page is
# moved about once, in few system calls, and that huge pages are not split; each node gets its share. `make bench-move`
# measures the cost.
# Layout: 4x2-pairs.
# time limit: 1500 s

. /tests/memory.sh
mem_setup
mib=48

echo madvise > /sys/kernel/mm/transparent_hugepage/enabled
counter() { awk -v k="$1" '$1 == k { print $2 }' /proc/vmstat; }
# huge_of PID: MiB of its transparent huge pages.
huge_of() { awk '$1 == "AnonHugePages:" { n += $2 } END { print int(n / 1024) }' "/proc/$1/smaps"; }
# nodes_of ID: MiB per node of private pages and hugepages.
nodes_of() { numaplace --json verify "$1" | jq -r '[.containers[0].nodes[] | (.private + .huge) / 1048576 | floor] | join(" ")'; }

# once KIND HUGE_MIB: moves a container of that kind to node 1, then to three nodes. HUGE_MIB of it are transparent huge
# pages.
once() {
	kind=$1 huge=$2 keys=
	[ "$kind" != huge ] || keys=limits.memory.hugepages=2MiB=$((mib / 2))
	# More CPUs than node 0 has, so that the container uses all three nodes after the second move.
	# shellcheck disable=SC2086
	ok "$kind pages: a container on node 0 is created" np_create crun createRuntime c-$kind limits.cpu=6 limits.cpu.nodes=0 $keys -- /bin/touch-memory $kind $mib
	ok "$kind pages: the container touches $mib MiB" mem_start c-$kind
	pid=$(ct_pid c-$kind)
	is "$kind pages: $huge MiB are transparent huge pages" "$(huge_of "$pid")" "$huge"

	for to in 1 0,2,3; do
		pages=$(counter pgmigrate_success) thp=$(counter thp_migration_success) splits=$(counter thp_migration_split)
		ok "$kind pages: a move to $to succeeds" strace -o /run/tests/calls -e trace=move_pages numaplace move c-$kind $to
		pages=$(($(counter pgmigrate_success) - pages)) thp=$(($(counter thp_migration_success) - thp))
		# 6 to 8 calls are normal. One call for each mapping, or for each 2 MiB, would be 25 or more.
		calls=$(grep -c '^move_pages(' /run/tests/calls)
		diag "$kind to $to: $pages pages and $thp huge ones moved in $calls calls"
		ok "$kind pages: a move to $to takes 1 to 16 calls of move_pages ($calls)" [ "$calls" -ge 1 -a "$calls" -le 16 ]
		is "$kind pages: verify finds no page outside of $to" "$(numaplace verify c-$kind > /dev/null; echo $?)" 0
		# Each page is moved once. More pages are moved for the program itself, and for processes that run at the same time.
		want=$((mib * 256))
		[ $kind != huge ] || want=$((mib / 2)) # kernels count huge pages as one or in units of 4 KiB
		ok "$kind pages: a move to $to moves each page at most about once ($pages)" [ "$pages" -le $((mib * 256 * 5 / 4)) ]
		ok "$kind pages: a move to $to moves at least two thirds of the pages" [ "$pages" -ge $((want * 2 / 3)) ]
		is "$kind pages: a move to $to splits no huge page" "$(counter thp_migration_split) $(huge_of "$pid")" "$splits $huge"
		[ "$huge" = 0 ] || ok "$kind pages: a move to $to moves each huge page about once ($thp)" [ "$thp" -ge $((huge / 2 - 2)) -a "$thp" -le $((huge / 2 * 5 / 4)) ]
		at=$(nodes_of c-$kind)
		echo "# $kind: on nodes $at"
	done
	# A third on each node, with a tolerance for huge pages, remaining chunks and the pages of the program.
	third=$((mib / 3))
	for n in 1 3 4; do
		ok "$kind pages: a third is on node $((n - 1))" \
			[ "$(echo "$at" | cut -d' ' -f$n)" -ge $((third - 8)) -a "$(echo "$at" | cut -d' ' -f$n)" -le $((third + 8)) ]
	done
	ct_delete c-$kind
}

once small 0
once thp $mib
once mixed $((mib / 2))
reserve $((mib / 2)) $((mib / 2)) $((mib / 2)) $((mib / 2)) > /dev/null
once huge 0
done_testing
