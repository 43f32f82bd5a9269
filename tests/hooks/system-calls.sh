#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# How many system calls a hook makes, which unlike time is the same every time: without keys, for a
# placement from end to end, and that the number grows with nodes by what is read of each, with containers not
# at all. For the largest machine, its memory and its instructions, too. The machine and its cgroups are bench/hook/cell's, files over those of the kernel.
# shellcheck source=tests/hooks/tap.bash disable=SC2317 # functions for cell to call
. "${0%/*}/tap.bash"

for need in strace unshare valgrind; do
	command -v "$need" > /dev/null || {
		echo "1..0 # SKIP no $need here"
		exit
	}
done
need_cell

# Run by cell. traced NAME INPUT [OPTION...] STAGE: the hook's calls in $tmp/NAME.
traced() {
	strace -o "$tmp/$1" "$BUILD/oci-hook" --conf conf "${@:3}" < "$2" 2>> "$tmp/said" && return
	echo "status $?" >> "$tmp/$1"
}
placed() {
	# Of a large machine, every CPU is read, which under strace may take longer than a hook has.
	traced "$1.first" keyed --timeout 100 createRuntime
	printf 'populated 0\nfrozen 0\n' > "$CGROUP/c0/cgroup.events"
	traced "$1.poststop" keyed poststop
	printf 'populated 1\nfrozen 0\n' > "$CGROUP/c0/cgroup.events"
	: > "$CGROUP/c0/cpuset.cpus"
	: > "$CGROUP/c0/cpuset.mems"
	traced "$1" keyed createRuntime
	cat "$CGROUP/c0/cpuset.cpus" "$CGROUP/c0/cpuset.mems" > "$tmp/$1.cpuset"
	traced "$1.again" keyed createRuntime
	traced "$1.keyless" keyless createRuntime
}
export -f traced placed

calls() {
	! grep -q '^status' "$tmp/$1" && grep -c '^[a-z]' "$tmp/$1"
}
# at_most NAME TRACE MOST
at_most() {
	local n
	n=$(calls "$2") && [ "$n" -gt 10 ] && [ "$n" -le "$3" ]
	ok $? "$1: at most $3 system calls" "${n:-it failed}" "$(tail -n 3 "$tmp/said")"
}

"$cell" 4 4 0 bash -c 'placed small'
at_most 'no keys' small.keyless 45
opened=$(grep -c '^open' "$tmp/small.keyless")
[ "$opened" = 1 ] && grep -q '^open.*"conf"' "$tmp/small.keyless"
ok $? 'no keys: no file but the conf is opened' "$(grep '^open' "$tmp/small.keyless")"
! grep '^madvise' "$tmp/small.keyless"
ok $? 'no keys: no page is populated ahead'
# Six of them look for a memory limit below what is asked for: in its cgroup, and in the one above.
at_most 'placed, 4 nodes, nobody else' small 153
[ "$(cat "$tmp/small.cpuset")" = 0-10 ]
ok $? 'and it is placed, on CPUs 0-1 and node 0' "$(cat "$tmp/small.cpuset")"
grep -q 'cpu0/topology' "$tmp/small.first" && ! grep -q 'cpu0/topology' "$tmp/small"
ok $? 'the first after boot reads the machine, the next one does not'
# A page fault is dearer than most system calls. brk is libc's, before main; strace may know the advice as a number.
n=$(grep -cE '^madvise\(.*(MADV_POPULATE_WRITE|0x17).* = 0$' "$tmp/small") && [ "$n" = 2 ] &&
	! sed '1,/^madvise/d' "$tmp/small" | grep -qE '^(brk|munmap)'
ok $? 'stack and heap are populated in a call each, and are enough' "$n" "$(grep -E '^(brk|m)' "$tmp/small")"
at_most 'a second stage of the same container' small.again 147
at_most 'poststop' small.poststop 100

"$cell" 64 4 0 bash -c 'placed wide'
grown=$(($(calls wide) - $(calls small)))
[ "$grown" -ge 180 ] && [ "$grown" -le 185 ]
ok $? '60 nodes more: one file more to read of each, three calls' "$grown system calls more, not 180"

# 300 on 256 CPUs: all are taken, and the next must share; 3,000 likewise.
"$cell" 64 4 300 bash -c 'placed many'
"$cell" 64 4 3000 bash -c 'placed more'
at_most '300 placed on 64 nodes' many 600
grown=$(($(calls more) - $(calls many)))
[ "${grown#-}" -le 6 ] # a folder is read in pieces
ok $? 'ten times as many: no more system calls' "$grown"

# 1,024 nodes with 10,000 placed: what is read of each node, and no work that grows faster than they do.
again() {
	./poststop 0 < keyed
	: > "$CGROUP/c0/cpuset.cpus"
	: > "$CGROUP/c0/cpuset.mems"
}
measured() {
	placed "$1"
	again
	echo "run hook keyed $BUILD/oci-hook --conf conf createRuntime" | "$BUILD/drive" 1 0 > "$tmp/$1.drive" 2>> "$tmp/said"
	again
	valgrind --tool=callgrind --callgrind-out-file=/dev/null "$BUILD/oci-hook" --conf conf createRuntime < keyed 2>&1 |
		sed -n 's/.*refs: *//p' | tr -d , > "$tmp/$1.instructions"
}
export -f again measured
"$cell" 1024 8 10000 bash -c 'measured huge'
at_most '1,024 nodes, 10,000 placed' huge 3500
read -r _ _ _ _ kib < "$tmp/huge.drive"
[ "${kib:-0}" -gt 0 ] && [ "$kib" -le 32768 ]
ok $? 'the same: within 32 MiB of memory' "${kib:-it failed} KiB" "$(tail -n 3 "$tmp/said")"
read -r n < "$tmp/huge.instructions"
[ "${n:-0}" -gt 1000000 ] && [ "$n" -lt 20000000 ]
ok $? 'the same: fewer than 20 million instructions' "${n:-it failed}"
done_testing
