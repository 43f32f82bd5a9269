#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Counts the system calls of a hook, which unlike its time are the same in each run: without keys, and for a whole
# placement. The number grows with the nodes by the files read of each, and does not grow with the containers. On the
# largest machine, also measures memory and instructions. bench/hook/cell simulates the machine and its cgroups with
# files over those of the kernel.
# shellcheck source=tests/hooks/tap.bash disable=SC2317 # cell calls the functions
. "${0%/*}/tap.bash"

for need in strace unshare valgrind; do
	command -v "$need" > /dev/null || {
		echo "1..0 # SKIP no $need"
		exit
	}
done
need_cell

# Run inside cell. traced NAME INPUT [OPTION...] STAGE: writes the calls of the hook to $tmp/NAME.
traced() {
	strace -o "$tmp/$1" "$BUILD/oci-hook" --conf conf "${@:3}" < "$2" 2>> "$tmp/said" && return
	echo "status $?" >> "$tmp/$1"
}
placed() {
	# On a large machine the hook reads every CPU, which under strace may take longer than the default timeout.
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
at_most 'createRuntime without keys' small.keyless 45
opened=$(grep -c '^open' "$tmp/small.keyless")
[ "$opened" = 1 ] && grep -q '^open.*"conf"' "$tmp/small.keyless"
ok $? 'createRuntime without keys opens no file but numaplace.conf' "$(grep '^open' "$tmp/small.keyless")"
# Six of the calls look for a memory limit below the request: in the container's cgroup, and in the one above.
at_most 'placement on 4 nodes, no other container' small 153
[ "$(cat "$tmp/small.cpuset")" = 0,20 ]
ok $? 'placement on 4 nodes, no other container: CPUs 0 and 2 (one thread of two cores) and node 0' "$(cat "$tmp/small.cpuset")"
grep -q 'cpu0/topology' "$tmp/small.first" && ! grep -q 'cpu0/topology' "$tmp/small"
ok $? 'the first hook after a boot reads the CPU topology, the next one does not'
[ "$(grep -c '"interrupts"' "$tmp/small")" = 1 ] && ! grep -q 'proc/irq' "$tmp/small" "$tmp/small.keyless" "$tmp/small.poststop" && ! grep -q '"interrupts"' "$tmp/small.keyless"
ok $? 'without limits.cpu.irq, a placement looks once whether interrupts were moved, and reads none' "$(grep -e '"interrupts"' -e proc/irq "$tmp/small")"
at_most 'a second createRuntime of the same container' small.again 147
at_most 'poststop' small.poststop 100

cat > "$tmp/ordinary.jq" << 'END'
.linux.devices = [[1, 3], [1, 5], [5, 0], [10, 200], [10, 229], [10, 232], [136, 1] |
	{path: "/dev/x", type: "c", major: .[0], minor: .[1]}]
END
# shellcheck disable=SC2016 # the shell inside cell expands it
"$cell" 4 4 0 bash -c 'jq -c -f "$tmp/ordinary.jq" bundle/config.json > config && mv config bundle/config.json && placed ordinary'
[ "$(calls ordinary)" = "$(calls small)" ] && [ "$(wc -c < "$tmp/ordinary")" -gt 1000 ]
ok $? 'ordinary device nodes in config.json (/dev/null, /dev/net/tun, /dev/fuse, /dev/kvm, terminals) cost no system call' \
	"$(calls ordinary), without them $(calls small)"

"$cell" 64 4 0 bash -c 'placed wide'
grown=$(($(calls wide) - $(calls small)))
[ "$grown" -ge 180 ] && [ "$grown" -le 185 ]
ok $? '60 more nodes cost one more file each, three calls' "$grown system calls more, not 180"

# 300 containers on 256 CPUs: all CPUs are taken, and the next container must share; the same with 3,000.
"$cell" 64 4 300 bash -c 'placed many'
"$cell" 64 4 3000 bash -c 'placed more'
at_most 'placement on 64 nodes with 300 containers' many 600
grown=$(($(calls more) - $(calls many)))
[ "${grown#-}" -le 6 ] # a folder is read in pieces
ok $? '3,000 containers instead of 300 cost no more system calls' "$grown"

# 1,024 nodes with 10,000 containers: the work must not grow faster than the number of nodes.
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
at_most 'placement on 1,024 nodes with 10,000 containers' huge 3500
read -r _ _ _ _ kib < "$tmp/huge.drive"
[ "${kib:-0}" -gt 0 ] && [ "$kib" -le 32768 ]
ok $? 'placement on 1,024 nodes with 10,000 containers: at most 32 MiB of memory' "${kib:-it failed} KiB" "$(tail -n 3 "$tmp/said")"
read -r n < "$tmp/huge.instructions"
[ "${n:-0}" -gt 1000000 ] && [ "$n" -lt 20000000 ]
ok $? 'placement on 1,024 nodes with 10,000 containers: fewer than 20 million instructions' "${n:-it failed}"
done_testing
