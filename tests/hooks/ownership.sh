#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A hook that is pointed at a cgroup which is not its container's alone, and one that releases an id of which a
# container lives: nothing of the other one changes. The machine and its cgroups are bench/hook/cell's, files over
# those of the kernel; the processes and their cgroups in /proc are real. With real runtimes: tests/vm/guest/84-ownership.t.
# shellcheck source=tests/hooks/tap.bash disable=SC2317 # functions for cell to call
. "${0%/*}/tap.bash"

need_cell

# --- run by cell

# group NAME PID...: a cgroup with these processes, the first of which is moved there.
group() {
	mkdir -p "/mnt/v2${CGROUP#/sys/fs/cgroup}/$1" "$CGROUP/$1"
	"$BUILD/stage" cgroup /sys/fs/cgroup "${CGROUP#/sys/fs/cgroup}/$1" "${2:-0}"
	[ $# = 1 ] || {
		printf '%s\n' "${@:2}" > "$CGROUP/$1/cgroup.procs"
		echo "$2" > "/mnt/v2${CGROUP#/sys/fs/cgroup}/$1/cgroup.procs"
	}
}
# sleeper: a process; its pid in $pid.
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
# check NAME COMMAND...
check() {
	local name=$1
	shift
	"$@" && echo "ok - $name" || echo "not ok - $name"
}
same() { [ "$1" = "$2" ] || { echo "# $1"; echo "# instead of $2"; return 1; }; }
like() { [[ $1 =~ $2 ]] || { echo "# $1"; return 1; }; }
set_of() { cat "$CGROUP/$1/cpuset.cpus" "$CGROUP/$1/cpuset.mems"; }
records() { grep -lsx -- "id=$1" /run/numaplace/containers/* | wc -l; }
mark() { "$BUILD/stage" marked "$CGROUP/$1"; }

cases() {
	local was pid victim plain evil
	group pods
	sleeper; victim=$pid
	group pods/victim "$victim"
	check 'a victim is placed' same "$(hook victim "$victim" createRuntime limits.cpu=2 limits.cpu.nodes=0)" ''
	was=$(set_of pods/victim)
	sleeper; plain=$pid
	group pods/plain "$plain"

	sleeper; evil=$pid
	group pods/.inner "$evil"
	check 'a cgroup named .inner' same "$(hook evil "$evil" createRuntime limits.cpu=1 limits.cpu.nodes=3)" ''
	check 'the one around it is as it was' same "$(set_of pods)" ''
	check 'and is not marked' same "$(mark pods)" ''
	printf 'populated 0\nfrozen 0\n' > "$CGROUP/pods/.inner/cgroup.events"
	hook evil "$evil" poststop limits.cpu=1

	sleeper; evil=$pid
	group pods/victim "$evil" "$victim"
	echo "$was" | { read -r cpus; read -r mems; echo "$cpus" > "$CGROUP/pods/victim/cpuset.cpus"; echo "$mems" > "$CGROUP/pods/victim/cpuset.mems"; }
	check "another's cgroup: both are named" like "$(hook evil "$evil" createRuntime limits.cpu=1 limits.cpu.nodes=3)" \
		'container "victim" \([a-z]+\) is placed there, "evil" cannot be'
	check "another's cgroup: as it was" same "$(set_of pods/victim)" "$was"
	check "another's cgroup: its mark, too" same "$(mark pods/victim)" victim
	check "another's cgroup: no record of evil" same "$(records evil)" 0

	sleeper; evil=$pid
	group pods/plain "$evil" "$plain"
	check 'a process of another container' like "$(hook evil "$evil" createRuntime limits.cpu=1 limits.cpu.nodes=3)" \
		"also holds process $plain, which does not descend from $evil"
	check 'a process of another container: as it was' same "$(set_of pods/plain)" ''

	sleeper; evil=$pid
	group pods "$evil"
	check 'containers below' like "$(hook evil "$evil" createRuntime limits.cpu=1 limits.cpu.nodes=3)" \
		'a cgroup below it, '
	check 'containers below: as it was' same "$(set_of pods)" ''

	# The id of one that lives.
	echo "$victim" > "$CGROUP/pods/victim/cgroup.procs"
	hook victim 0 poststop limits.cpu=1
	check 'a release of an id whose container lives: it stays in the ledger' same "$(records victim)" 1
	check 'and keeps its mark' same "$(mark pods/victim)" victim
	printf 'populated 0\nfrozen 0\n' > "$CGROUP/pods/victim/cgroup.events"
	hook victim 0 poststop limits.cpu=1
	check 'a release of one that has ended: it is forgotten' same "$(records victim)" 0
	check 'and its mark goes' same "$(mark pods/victim)" ''
	# shellcheck disable=SC2046 # pids are words
	kill $(jobs -p)
	wait
	for at in pods/victim pods/plain pods/.inner pods; do
		rmdir "/mnt/v2${CGROUP#/sys/fs/cgroup}/$at"
	done
}
export -f group sleeper hook check same like set_of records mark cases
"$cell" 4 2 0 bash -c cases > "$tmp/out" 2> "$tmp/err"
while IFS= read -r line; do
	case $line in
	'ok - '*) ok 0 "${line#ok - }" ;;
	'not ok - '*) ok 1 "${line#not ok - }" "$before" ;;
	esac
	before=$line
done < "$tmp/out"
[ "$(grep -c 'ok - ' "$tmp/out")" = 16 ]
ok $? 'all of it was looked at' "$(cat "$tmp/out" "$tmp/err")"
done_testing
