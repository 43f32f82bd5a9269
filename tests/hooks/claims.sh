#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Which claims of a container the hook records or refuses: ceilings, limits of the cgroups above the container, and
# tenants. bench/hook/cell simulates the machine and its cgroups.
# shellcheck source=tests/hooks/tap.bash disable=SC2317,SC2154 # cell calls the functions and sets the variables
. "${0%/*}/tap.bash"

need_cell

# Run inside cell, which has four nodes of four CPUs and 8 GiB. The functions print results for the test outside.

# put PATH: starts a process in the cgroup PATH and sets $pid.
put() {
	local p
	sleep infinity &
	pid=$!
	p=$GROUP
	mkdir -p "/mnt/v2$GROUP$1"
	echo "$pid" > "/mnt/v2$GROUP$1/cgroup.procs"
	IFS=/ read -ra parts <<< "${1#/}"
	for part in "${parts[@]}"; do
		p=$p/$part
		[ ! -e "/sys/fs/cgroup$p" ] || continue
		"$BUILD/stage" cgroup /sys/fs/cgroup "$p" "$pid"
		echo max > "/sys/fs/cgroup$p/memory.max"
	done
	"$BUILD/stage" cgroup /sys/fs/cgroup "$GROUP$1" "$pid" # with its new process, even if the cgroup existed before
}
# start NAME PATH KEY=VALUE...: runs the hook for a container in the cgroup PATH; prints
# "NAME: status, CPUs|memory nodes, messages"
start() {
	local name=$1 path=$2 keys='' cpuset
	shift 2
	for key; do
		keys=$keys,'"'${key%%=*}'":"'${key#*=}'"'
	done
	put "$path"
	[ -z "${MEMORY_MAX:-}" ] || echo "$MEMORY_MAX" > "/sys/fs/cgroup$GROUP$path/memory.max"
	said=$(printf '{"ociVersion":"1.0.2","id":"%s","pid":%d,"status":"creating","annotations":{%s}}' "$name" "$pid" \
		"${keys#,}" | "$BUILD/oci-hook" --conf conf createRuntime 2>&1)
	status=$?
	cpuset=$(cat "/sys/fs/cgroup$GROUP$path/cpuset.cpus")\|$(cat "/sys/fs/cgroup$GROUP$path/cpuset.mems")
	printf '%s: %d, %s, %s\n' "$name" $status "$cpuset" "${said//$'\n'/ }"
}
export -f put start

# said NAME PATTERN TEXT: checks that the line of NAME in $printed matches PATTERN.
said() {
	local line
	line=$(grep "^$1: " <<< "$printed")
	# shellcheck disable=SC2053 # a pattern
	[[ $line == $2 ]]
	ok $? "$3" "got: $line" "want: $2"
}
in_cell() { printed=$(GROUP='' "$cell" 4 4 0 bash -c "GROUP=\${CGROUP#/sys/fs/cgroup}; export GROUP; $1" 2>&1); }

in_cell '
MEMORY_MAX=67108864 start greedy /a limits.cpu=1 limits.memory=2GiB
cat /run/numaplace/containers/oci:greedy
MEMORY_MAX=67108864 start modest /b limits.cpu=1 limits.memory=64MiB
'
said greedy 'greedy: 0, 0|0, numaplace: *limits.memory: 2GiB requested, counted as 64MiB: memory.max allows no more' \
	'a claim above memory.max: the container starts with a warning'
grep -q 67108864 <<< "$printed" && ! grep -q 2147483648 <<< "$printed"
ok $? 'a claim above memory.max: the ledger holds the reduced claim' "$printed"
said modest 'modest: 0, *|*, ' 'a claim equal to memory.max: the container starts without a warning'

in_cell '
for name in memory pages; do
	put /no-$name
	echo 0 > /sys/fs/cgroup$GROUP/no-$name/hugetlb.2MB.max
done
start memory /no-memory limits.cpu=2 limits.cpu.exclusive=true limits.memory=1GiB limits.memory.hugepages=true
start pages /no-pages limits.cpu=2 limits.cpu.exclusive=true limits.memory.hugepages=2MiB=64
start next /next limits.cpu=1
echo files: $(ls /run/numaplace/containers) damaged: $(ls -A /run/numaplace/damaged 2>&1 | wc -w)
grep -h ^held= /run/numaplace/containers/* | sort | uniq -d | sed "s/^/twice: /"
'
said memory 'memory: 0, *counted as 0B: hugetlb.2MB.max allows no more*' 'hugepages of a container whose hugetlb limit is 0 are counted as 0 bytes'
said pages 'pages: 0, *counted as 0: hugetlb.2MB.max allows no more*' 'a number of pages of a container whose hugetlb limit is 0 is counted as 0'
said next 'next: 0, *|*, ' 'after two claims that were counted as 0, the next container starts without a warning'
said files 'files: oci:memory oci:next oci:pages damaged: *' 'after two claims that were counted as 0, each of three containers has its record'
! grep -q '^twice' <<< "$printed"
ok $? 'after two claims that were counted as 0, no CPU is held by two containers' "$printed"

in_cell '
put /team/own
echo 134217728 > /sys/fs/cgroup$GROUP/team/memory.max
MEMORY_MAX=max start deep /team/own/x limits.cpu=1 limits.memory=2GiB
echo x > /sys/fs/cgroup$GROUP/team/memory.max
start odd /team/own/y limits.cpu=1 limits.memory=2GiB
start none /team/own/z limits.cpu=1
'
said deep 'deep: 0, *counted as 128MiB: memory.max allows no more' 'a memory.max two cgroups above the container reduces its claim'
said odd 'odd: 2, |, numaplace: container odd: cgroup *memory.max: invalid value*' 'a memory.max that is not a number is an error'
said none 'none: 0, *|*, ' 'no memory limit is read for a container that requests no memory'

in_cell '
echo "max-memory = 1GiB" > conf
MEMORY_MAX=max start over /a limits.cpu=1 limits.memory=2GiB
MEMORY_MAX=max start under /b limits.cpu=1 limits.memory=1GiB
echo "max-memory-each = 3GiB" > conf
MEMORY_MAX=max start one /own1/x limits.cpu=1 limits.memory=1GiB
MEMORY_MAX=max start two /own2/x limits.cpu=1 limits.memory=1GiB
MEMORY_MAX=max start three /own3/own4/x limits.cpu=1 limits.memory=1GiB
echo "max-memory-each = 3GiB
tenants = $GROUP/team1 $GROUP/team2" > conf
MEMORY_MAX=max start t1 /team1/own1/x limits.cpu=1 limits.memory=2GiB
MEMORY_MAX=max start t2 /team1/own2/own3/x limits.cpu=1 limits.memory=2GiB
MEMORY_MAX=max start t3 /team2/x limits.cpu=1 limits.memory=2GiB
'
said over 'over: 1, |, *limits.memory: 2GiB requested, this host allows a container 1GiB (max-memory)' 'max-memory: a larger request is refused'
said under 'under: 0, *' 'max-memory: a request of exactly that size is placed'
said two 'two: 0, *' 'max-memory-each: a second GiB in another cgroup is placed'
said three 'three: 1, |, *limits.memory: 1GiB more on top of 3GiB held in cgroups outside of tenants, this host allows each 3GiB (max-memory-each)' \
	'max-memory-each: containers in different cgroups that are no tenants share one budget'
said t1 't1: 0, *' 'tenants: a container in the cgroup of a tenant is placed'
said t2 't2: 1, |, *limits.memory: 2GiB more on top of 2GiB held in cgroup *team1, this host allows each 3GiB (max-memory-each)' \
	'tenants: containers at any depth below the cgroup of a tenant share its ceiling'
said t3 't3: 0, *' 'tenants: the claims of one tenant do not count against another tenant'

in_cell '
echo "max-exclusive-cpus-each = 2" > conf
start ex1 /own1.slice/docker-a.scope limits.cpu=2 limits.cpu.exclusive=true
start ex2 /own2.slice/docker-b.scope limits.cpu=2 limits.cpu.exclusive=true
start ex3 /own3/b limits.cpu=1 limits.cpu.exclusive=true
echo "max-cpus-each = 3" > conf
start c1 /own4/b limits.cpu=1
start c2 /own5/b limits.cpu=2
'
said ex1 'ex1: 0, *' 'max-exclusive-cpus-each: as many CPUs as the ceiling are placed'
said ex2 'ex2: 1, |, *2 more on top of 2 held in *, this host allows each * (max-exclusive-cpus-each)' 'max-exclusive-cpus-each: more CPUs are refused to a container in another slice'
said ex3 'ex3: 1, |, *2 more on top of 2 held in *, this host allows each * (max-exclusive-cpus-each)' 'max-exclusive-cpus-each: more CPUs are refused to a container in another folder'
said c1 'c1: 0, *' 'max-cpus-each: CPUs up to the ceiling are placed'
said c2 'c2: 1, |, *limits.cpu: 2 more on top of 3 held in *, this host allows each * (max-cpus-each)' 'max-cpus-each: CPUs above the ceiling are refused'

done_testing
