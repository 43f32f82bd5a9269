#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What a container may claim, from its state on stdin to the ledger: ceilings, limits of the cgroups
# above it, tenants. The machine and its cgroups are bench/hook/cell's.
# shellcheck source=tests/hooks/tap.bash disable=SC2317,SC2154 # functions for cell to call; its variables
. "${0%/*}/tap.bash"

need_cell

# Run by cell, which has four nodes of four CPUs and 8 GiB. Each prints its results for the test outside.

# put PATH ID: a new process in the cgroup PATH; $pid.
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
	"$BUILD/stage" cgroup /sys/fs/cgroup "$GROUP$1" "$pid" # with its process, whatever it was before
}
# start NAME PATH KEY=VALUE...: the hook for a container in the cgroup PATH; "NAME: status, CPUs|memory nodes, words"
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

# said NAME PATTERN TEXT: whether the line that begins with NAME in $printed is so.
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
	'a claim above memory.max: the container starts, and is warned'
grep -q 67108864 <<< "$printed" && ! grep -q 2147483648 <<< "$printed"
ok $? 'and the ledger holds what is left of it' "$printed"
said modest 'modest: 0, *|*, ' 'a claim of all of memory.max: no word'

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
said memory 'memory: 0, *counted as 0B: hugetlb.2MB.max allows no more' 'hugepages of a cgroup that may have none: counted as none'
said pages 'pages: 0, *counted as 0: hugetlb.2MB.max allows no more' 'as are numbers of pages'
said next 'next: 0, *|*, ' 'and the next container hears of no damage'
said files 'files: oci:memory oci:next oci:pages damaged: *' 'each has its record'
! grep -q '^twice' <<< "$printed"
ok $? 'and CPUs of its own' "$printed"

in_cell '
put /team/own
echo 134217728 > /sys/fs/cgroup$GROUP/team/memory.max
MEMORY_MAX=max start deep /team/own/x limits.cpu=1 limits.memory=2GiB
echo x > /sys/fs/cgroup$GROUP/team/memory.max
start odd /team/own/y limits.cpu=1 limits.memory=2GiB
start none /team/own/z limits.cpu=1
'
said deep 'deep: 0, *counted as 128MiB: memory.max allows no more' 'a limit two cgroups above counts, too'
said odd 'odd: 2, |, numaplace: container odd: cgroup *memory.max: invalid value*' 'one that makes no sense is an error'
said none 'none: 0, *|*, ' 'without memory asked for, no limit is read'

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
said over 'over: 1, |, *limits.memory: 2GiB requested, this host allows a container 1GiB (max-memory)' 'max-memory: more is refused'
said under 'under: 0, *' 'max-memory: as much is not'
said two 'two: 0, *' 'max-memory-each: three of one GiB in cgroups of their own'
said three 'three: 1, |, *limits.memory: 1GiB more on top of 3GiB held in cgroups outside of tenants, this host allows each 3GiB (max-memory-each)' \
	'max-memory-each: a cgroup of its own gets no budget of its own'
said t1 't1: 0, *' 'tenants: two in the cgroup of one tenant'
said t2 't2: 1, |, *limits.memory: 2GiB more on top of 2GiB held in cgroup *team1, this host allows each 3GiB (max-memory-each)' \
	'tenants: are one however deep they lie'
said t3 't3: 0, *' 'tenants: what another one claims is not theirs'

in_cell '
echo "max-exclusive-cpus-each = 2" > conf
start ex1 /own1.slice/docker-a.scope limits.cpu=2 limits.cpu.exclusive=true
start ex2 /own2.slice/docker-b.scope limits.cpu=2 limits.cpu.exclusive=true
start ex3 /own3/b limits.cpu=1 limits.cpu.exclusive=true
echo "max-cpus-each = 3" > conf
start c1 /own4/b limits.cpu=1
start c2 /own5/b limits.cpu=2
'
said ex1 'ex1: 0, *' 'max-exclusive-cpus-each: two CPUs'
said ex2 'ex2: 1, |, *2 more on top of 2 held in *, this host allows each * (max-exclusive-cpus-each)' 'max-exclusive-cpus-each: not again in a slice of its own'
said ex3 'ex3: 1, |, *2 more on top of 2 held in *, this host allows each * (max-exclusive-cpus-each)' 'max-exclusive-cpus-each: nor in a folder'
said c1 'c1: 0, *' 'max-cpus-each: two CPUs that are held, and one'
said c2 'c2: 1, |, *limits.cpu: 2 more on top of 3 held in *, this host allows each * (max-cpus-each)' 'max-cpus-each: not two more'

done_testing
