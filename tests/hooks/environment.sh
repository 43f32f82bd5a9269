#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# numaplace-runtime reserves a place and writes it into the environment of the container's process; the hook then gives
# the container this place. bench/hook/cell simulates the machine and its cgroups, and a script is the runtime.
# shellcheck source=tests/hooks/tap.bash disable=SC2317 # cell calls the functions
. "${0%/*}/tap.bash"

need_cell

# The runtime does nothing. "called N" then runs the hook as the config of container N says.
cat > "$tmp/runc" << 'END'
#!/bin/sh
[ "$*" != --version ] || exec echo 'runc version 1.4.0'
echo called
END
chmod +x "$tmp/runc"

# Run inside cell. create N KEY=VALUE... [-- ENV...]: makes a bundle of container N and calls the wrapper; prints its
# status, its output and the variables in the config.
create() {
	local n=$1 keys='{}' said
	shift
	while [ $# -gt 0 ] && [ "$1" != -- ]; do
		keys=$(jq -c --arg k "${1%%=*}" --arg v "${1#*=}" '.[$k] = $v' <<< "$keys")
		shift
	done
	mkdir -p "b$n"
	jq -c --argjson keys "$keys" --arg path "${cgroups_path:-${CGROUP#/sys/fs/cgroup}/c$n}" '.annotations = $keys |
		.linux.cgroupsPath = $path | del(.linux.resources) | .process.env = ["A=1"] + $ARGS.positional' \
		bundle/config.json --args -- "${@:2}" > "b$n/config.json"
	said=$("$BUILD/numaplace-runtime" --runtime "$tmp/runc" --conf conf --hook "$BUILD/oci-hook" create \
		--bundle "b$n" "web$n" 2>&1)
	echo "create $n: $? $said"
	variables "$n"
}
variables() { jq -r '"env \(.process.env | join(" "))"' "b$1/config.json" | sed "s/^env/env $1:/"; }
# start N: the runtime has made the cgroup, and calls the hook.
start() {
	local args
	mapfile -t args < <(jq -r '.hooks.createRuntime[0].args[1:][]' "b$1/config.json")
	jq -c --slurpfile c "b$1/config.json" --arg b "$PWD/b$1" '.annotations = $c[0].annotations | .bundle = $b' "keyed-$1" > state
	"$BUILD/oci-hook" "${args[@]}" < state 2>&1
	echo "start $1: $? $(cat "$CGROUP/c$1/cpuset.cpus") $(cat "$CGROUP/c$1/cpuset.mems")"
}
records() { echo "records $1: $(cd /run/numaplace/containers && echo *)"; }
export -f create variables start records

# in_cell CODE: sets $printed.
in_cell() { printed=$(NUMBERED=3 "$cell" 4 2 0 bash -c "$1" 2>&1); }
# line NAME PREFIX REST: the line of $printed that begins with PREFIX ends with REST.
line() {
	local got
	got=$(grep "^$2: " <<< "$printed")
	# shellcheck disable=SC2053 # a pattern
	[[ ${got#"$2: "} == $3 ]]
	ok $? "$1" "got: $got" "want: $3" "$printed"
}

in_cell '
create 0 limits.cpu=3 limits.cpu.nodes=balanced -- NUMAPLACE_CPUS=image B=2
records created
create 1 limits.cpu=2
start 1
start 0
'
line 'the wrapper calls the runtime' 'create 0' '0 called'
line 'the process has its place in its environment, and not what the image says' 'env 0' \
	'NUMAPLACE_NODES=0,1 NUMAPLACE_MEMORY_NODES=0,1 A=1 NUMAPLACE_CPUS=0-2 B=2'
line 'the ledger has the reservation' 'records created' 'oci:web0*'
line 'a container that is created before the first one starts gets other CPUs' 'env 1' \
	'NUMAPLACE_CPUS=4-5 NUMAPLACE_NODES=2 NUMAPLACE_MEMORY_NODES=2 A=1'
line 'the hook gives the first container the place in its environment' 'start 0' '0 0-2 0-1'
line 'the hook gives the second container the place in its environment' 'start 1' '0 4-5 2'

in_cell '
create 0 limits.cpu=2
./poststop 0 < <(jq -c ".id = \"web0\"" keyed-0)
records "after poststop"
create 1 limits.cpu=1 limits.memory=1TiB
numaplace() { "$BUILD/../numaplace" "$@"; }
echo "refused: $(numaplace metrics | sed -n "s/^numaplace_decisions_total{result=\"refused\"} //p")"
create 2 limits.cpu=2 limits.memory=1GiB limits.memory.policy=interleave
'
line 'poststop drops the reservation of a container that never started' 'records after poststop' '\*'
line 'a container that does not fit is refused before the runtime is called' 'create 1' \
	'1 numaplace: container web1: limits.memory: 1TiB requested, *'
line 'a refused container has no place in its environment' 'env 1' 'A=1'
line 'a refusal is counted once' refused 1
line 'a container with a memory policy has its place in its environment' 'env 2' \
	'NUMAPLACE_CPUS=* NUMAPLACE_NODES=* NUMAPLACE_MEMORY_NODES=* A=1'

# What the wrapper cannot know, the hook decides.
in_cell '
cgroups_path=../outside create 0 limits.cpu=2
start 0
create 1
cgroups_path=web:docker:1 create 2 limits.cpu=1,5
start 2
'
line 'a cgroup that is not known before gives no place in the environment' 'env 0' 'A=1'
line 'the hook then chooses the place' 'start 0' '0 0-1 0'
line 'a container without keys has no place in its environment' 'env 1' 'A=1'
line 'a cgroup that does not begin with a slice gives no place in the environment' 'env 2' 'A=1'
line 'the hook then applies the list' 'start 2' '0 1,5 0,2'

# Keys in the environment itself: the state that the hook gets has no annotation.
in_cell '
create 0 -- NUMAPLACE_LIMITS_CPU=2 NUMAPLACE_LIMITS_CPU_NODES=3
start 0
./poststop 0 < <(jq -c ".id = \"web0\"" keyed-0)
create 1 limits.cpu=2 -- NUMAPLACE_LIMITS_CPU=1
cgroups_path=../outside create 2 -- NUMAPLACE_LIMITS_CPU=1
start 2
'
line 'a container with keys in its environment has its place there' 'env 0' \
	'NUMAPLACE_CPUS=6-7 NUMAPLACE_NODES=3 NUMAPLACE_MEMORY_NODES=3 A=1 NUMAPLACE_LIMITS_CPU=2 NUMAPLACE_LIMITS_CPU_NODES=3'
line 'the hook gives it this place' 'start 0' '0 6-7 3'
line 'a key that differs from an annotation refuses the container before the runtime is called' 'create 1' \
	'2 numaplace: container web1: limits.cpu is "2" but NUMAPLACE_LIMITS_CPU is "1"'
line 'without a reservation, the hook reads the environment' 'start 2' '0 [0-7] [0-3]'
done_testing
