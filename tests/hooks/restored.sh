#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# oci-hook for a container that is restored from a checkpoint beside the first one, which has its CPUs exclusively: what
# was planned for the start of the first one is no pin of the copy, a pin of the user is. bench/hook/cell simulates
# the machine and its cgroups, a process named criu the restorer. With the real ones: tests/vm/guest/54-restore.t.
# shellcheck source=tests/hooks/tap.bash disable=SC2317 # cell calls the functions
. "${0%/*}/tap.bash"
# shellcheck source=tests/hooks/cases.bash
. "${0%/*}/cases.bash"

need_cell
# Programs with these names.
mkdir "$tmp/bin"
cp /bin/sleep "$tmp/bin/criu"
cp /bin/sleep "$tmp/bin/other"

# --- run inside cell

sleeper() {
	local program=${1:-sleep} name=
	"$program" infinity &
	pid=$!
	# Until then, it is a copy of this shell.
	until [ "$name" = "${program##*/}" ]; do read -r name < "/proc/$pid/comm"; done
}
# hook ID PID OPTION... -- [KEY=VALUE...]
hook() {
	local id=$1 of=$2 options=() keys=
	shift 2
	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	for key in "${@:2}"; do
		keys="$keys,\"${key%%=*}\":\"${key#*=}\""
	done
	"$BUILD/oci-hook" --conf conf "${options[@]}" createRuntime \
		<<< "{\"ociVersion\":\"1.0.2\",\"id\":\"$id\",\"pid\":$of,\"status\":\"created\",\"annotations\":{${keys#,}}}" 2>&1 | grep -v 'the kernel has no cpuset.cpus.exclusive'
}
cpus_of() { cat "$CGROUP/$1/cpuset.cpus"; }

# copy [CPUS]: makes the cgroup of a copy, with this cpuset; sets $id and $pid.
n=0
copy() {
	n=$((n + 1))
	id=copy$n
	sleeper
	group pods/$id "$pid" ${criu:+"$criu"}
	[ -z "${1:-}" ] || echo "$1" > "$CGROUP/pods/$id/cpuset.cpus"
}

cases() {
	local first asks=(-- limits.cpu=2 limits.cpu.exclusive=true limits.cpu.nodes=balanced) criu=
	group pods
	sleeper
	group pods/first "$pid"
	check 'the first container is placed' same "$(hook first "$pid" "${asks[@]}")" ''
	first=$(cpus_of pods/first)
	copy "$first"
	check 'a copy is not placed on CPUs that were planned for the first' like "$(hook $id "$pid" --cpus "$first" --pin-cpus '' --pin-mems '' "${asks[@]}")" 'no CPU left'
	check 'restored, it is placed' same "$(hook $id "$pid" --restored --cpus "$first" --pin-cpus '' --pin-mems '' "${asks[@]}")" ''
	check 'on other CPUs' same "$([ "$(cpus_of pods/$id)" != "$first" ] && cpus_of pods/$id | wc -l)" 1
	copy "$first"
	check 'restored, it is not placed outside of what the user has pinned' like "$(hook $id "$pid" --restored --cpus "$first" --pin-cpus "$first" --pin-mems '' "${asks[@]}")" 'no CPU left'
	check 'nor if the cpuset is no plan' like "$(hook $id "$pid" --restored "${asks[@]}")" 'no CPU left'
	copy
	check 'restored, it is placed although a plan names the CPUs of the first' same "$(hook $id "$pid" --restored --cpus "$first" "${asks[@]}")" ''
	copy
	check 'restored, a memory policy is refused' like "$(hook $id "$pid" --restored -- limits.cpu=1 limits.memory.policy=interleave)" \
		'limits.memory.policy: "interleave": '
	sleeper "$tmp/bin/other"
	criu=$pid
	copy "$first"
	check 'a process beside the first one is a stranger' like "$(hook $id "$pid" --cpus "$first" --pin-cpus '' --pin-mems '' "${asks[@]}")" \
		"also holds process $criu"
	sleeper "$tmp/bin/criu"
	criu=$pid
	copy "$first"
	check 'CRIU beside the first process shows that the container is restored' same "$(hook $id "$pid" --cpus "$first" --pin-cpus '' --pin-mems '' "${asks[@]}")" ''
	check 'the copy is on other CPUs' same "$([ "$(cpus_of pods/$id)" != "$first" ] && cpus_of pods/$id | wc -l)" 1
	criu=
	copy
	mkdir given
	echo '{"ociVersion":"1.0.2","annotations":{"limits.cpu":"2","limits.cpu.nodes":"balanced"}}' > given/config.json
	check 'restored, the keys may be in config.json alone' like "$("$BUILD/oci-hook" --conf conf --restored createRuntime 2>&1 \
		<<< "{\"ociVersion\":\"1.0.2\",\"id\":\"$id\",\"pid\":$pid,\"status\":\"created\",\"bundle\":\"$PWD/given\"}")" 'no CPU left on nodes 0-3: 8 are held'
	# shellcheck disable=SC2046 # pids are words
	kill $(jobs -p)
	wait
	rmdir "/mnt/v2${CGROUP#/sys/fs/cgroup}/pods"/*/ "/mnt/v2${CGROUP#/sys/fs/cgroup}/pods"
}
export -f sleeper hook cpus_of copy cases
export n=0
run_cases 12
done_testing
