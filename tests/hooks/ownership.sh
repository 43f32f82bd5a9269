#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A hook for a container whose cgroup also belongs to other containers, and a poststop for an id whose container still
# runs: the other container is unchanged. bench/hook/cell simulates the machine and its cgroups with files over those of
# the kernel; the processes and their cgroups in /proc are real. With real runtimes: tests/vm/guest/84-ownership.t.
# shellcheck source=tests/hooks/tap.bash disable=SC2317 # cell calls the functions
. "${0%/*}/tap.bash"
# shellcheck source=tests/hooks/cases.bash
. "${0%/*}/cases.bash"

need_cell

# --- run inside cell

# sleeper: starts a process and sets $pid.
sleeper() {
	sleep infinity &
	pid=$!
}
# hook ID PID STAGE [KEY=VALUE...]
hook() {
	local id=$1 of=$2 stage=$3 keys=
	shift 3
	for key; do
		keys="$keys,\"${key%%=*}\":\"${key#*=}\""
	done
	"$BUILD/oci-hook" --conf conf "$stage" \
		<<< "{\"ociVersion\":\"1.0.2\",\"id\":\"$id\",\"pid\":$of,\"status\":\"created\",\"annotations\":{${keys#,}}}" 2>&1
}
set_of() { cat "$CGROUP/$1/cpuset.cpus" "$CGROUP/$1/cpuset.mems"; }
records() { grep -lsx -- "id=$1" /run/numaplace/containers/* | wc -l; }
mark() { "$BUILD/stage" marked "$CGROUP/$1"; }

cases() {
	local was pid victim plain evil
	group pods
	sleeper; victim=$pid
	group pods/victim "$victim"
	check 'a container (the victim) is placed' same "$(hook victim "$victim" createRuntime limits.cpu=2 limits.cpu.nodes=0)" ''
	was=$(set_of pods/victim)
	sleeper; plain=$pid
	group pods/plain "$plain"

	sleeper; evil=$pid
	group pods/.inner "$evil"
	check 'a container in a cgroup named .inner is placed' same "$(hook evil "$evil" createRuntime limits.cpu=1 limits.cpu.nodes=3)" ''
	check 'the cgroup around .inner keeps its cpuset' same "$(set_of pods)" ''
	check 'the cgroup around .inner gets no mark' same "$(mark pods)" ''
	printf 'populated 0\nfrozen 0\n' > "$CGROUP/pods/.inner/cgroup.events"
	hook evil "$evil" poststop limits.cpu=1

	sleeper; evil=$pid
	group pods/victim "$evil" "$victim"
	echo "$was" | { read -r cpus; read -r mems; echo "$cpus" > "$CGROUP/pods/victim/cpuset.cpus"; echo "$mems" > "$CGROUP/pods/victim/cpuset.mems"; }
	check "a container in the cgroup of another one is refused, and the message names both" like "$(hook evil "$evil" createRuntime limits.cpu=1 limits.cpu.nodes=3)" \
		'container "victim" \([a-z]+\) is placed there, "evil" cannot be'
	check "a container in the cgroup of another one does not change the cpuset" same "$(set_of pods/victim)" "$was"
	check "a container in the cgroup of another one does not change the mark" same "$(mark pods/victim)" victim
	check "a container in the cgroup of another one gets no record" same "$(records evil)" 0

	sleeper; evil=$pid
	group pods/plain "$evil" "$plain"
	check 'a container whose cgroup also has a process of another one is refused' like "$(hook evil "$evil" createRuntime limits.cpu=1 limits.cpu.nodes=3)" \
		"also holds process $plain, which does not descend from $evil"
	check 'a cgroup that has processes of two containers keeps its cpuset' same "$(set_of pods/plain)" ''

	sleeper; evil=$pid
	group pods "$evil"
	check 'a container whose cgroup has cgroups of containers below it is refused' like "$(hook evil "$evil" createRuntime limits.cpu=1 limits.cpu.nodes=3)" \
		'a cgroup below it, '
	check 'a cgroup that has cgroups of containers below it keeps its cpuset' same "$(set_of pods)" ''

	# poststop with the id of a live container.
	echo "$victim" > "$CGROUP/pods/victim/cgroup.procs"
	hook victim 0 poststop limits.cpu=1
	check 'poststop of a live container does not remove its record' same "$(records victim)" 1
	check 'poststop of a live container does not remove its mark' same "$(mark pods/victim)" victim
	printf 'populated 0\nfrozen 0\n' > "$CGROUP/pods/victim/cgroup.events"
	hook victim 0 poststop limits.cpu=1
	check 'poststop of a dead container removes its record' same "$(records victim)" 0
	check 'poststop of a dead container removes its mark' same "$(mark pods/victim)" ''
	# shellcheck disable=SC2046 # pids are words
	kill $(jobs -p)
	wait
	for at in pods/victim pods/plain pods/.inner pods; do
		rmdir "/mnt/v2${CGROUP#/sys/fs/cgroup}/$at"
	done
}
export -f sleeper hook set_of records mark cases
run_cases 16
done_testing
