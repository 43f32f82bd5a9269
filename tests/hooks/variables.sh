#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Keys in the environment of a container, and the options of oci-hook for containers whose annotations have no key: --environment, and
# --default of the file for CDI. bench/hook/cell simulates the machine and its cgroups.
# shellcheck source=tests/hooks/tap.bash disable=SC2317 # cell calls the functions
. "${0%/*}/tap.bash"

here=$(cd "${0%/*}" && pwd)
awk -v "root=$tmp/machine" -f "$here/../machines/make-machine" "$here/../machines/plain-4x2-pairs.machine"

# planned ENV ANNOTATIONS: runs precreate on a config with these members of the lists; sets $cpus.
planned() {
	printf '{"process":{"env":[%s]},"annotations":{%s}}' "$1" "$2" > "$tmp/in"
	run_hook --timeout 60 --sysroot "$tmp/machine" precreate < "$tmp/in"
	cpus=$(jq -r '.linux.resources.cpu.cpus // "-"' <<< "$printed" 2> /dev/null)
}
gives() { # NAME CPUS ENV ANNOTATIONS
	planned "$3" "$4"
	[ "$status" = 0 ] && [ -z "$said" ] && [ "$cpus" = "$2" ]
	ok $? "$1: CPUs $2" "status $status, CPUs $cpus, $said"
}
refused() { # NAME MESSAGE ENV ANNOTATIONS
	planned "$3" "$4"
	came_out "$1" 2 "numaplace: $2"
}

gives 'a variable' 0-1 '"A=1","NUMAPLACE_LIMITS_CPU=2"' ''
gives 'several variables' 2-3 '"NUMAPLACE_LIMITS_CPU=2","NUMAPLACE_LIMITS_CPU_NODES=1","NUMAPLACE_LIMITS_MEMORY=64MiB"' ''
gives 'of two variables with one name, the last counts' 0-1 '"NUMAPLACE_LIMITS_CPU=1","NUMAPLACE_LIMITS_CPU=2"' ''
gives 'variables that give a place are no keys' - '"NUMAPLACE_CPUS=0","NUMAPLACE_NODES=1","NUMAPLACE_MEMORY_NODES=1"' ''
gives 'an empty variable does not count' - '"NUMAPLACE_LIMITS_CPU="' ''
gives 'a name without a value does not count' - '"NUMAPLACE_LIMITS_CPU"' ''
gives 'a variable beside an annotation of another key' 2-3 '"NUMAPLACE_LIMITS_CPU=2"' '"limits.cpu.nodes":"1"'
gives 'a variable and an annotation with equal values' 0-1 '"NUMAPLACE_LIMITS_CPU=2","NUMAPLACE_LIMITS_MEMORY=1GiB"' '"limits.cpu":"2","limits.memory":"1024MiB"'
refused 'a variable and an annotation with different values' 'limits.cpu is "2" but NUMAPLACE_LIMITS_CPU is "3"' \
	'"NUMAPLACE_LIMITS_CPU=3"' '"limits.cpu":"2"'
refused 'a variable and an annotation with a prefix, with different values' 'limits.cpu is "2" but NUMAPLACE_LIMITS_CPU is "3"' \
	'"NUMAPLACE_LIMITS_CPU=3"' '"org.numaplace.limits.cpu":"2"'
refused 'a bad value' 'NUMAPLACE_LIMITS_CPU: limits.cpu: *"abc"*' '"NUMAPLACE_LIMITS_CPU=abc"' ''
refused 'no such key' 'NUMAPLACE_LIMITS_CPUS: no such key (environment)' '"NUMAPLACE_LIMITS_CPUS=2"' ''
refused 'a hint is no key of the environment' 'NUMAPLACE_LIMITS_VOLATILE_CPU_NODES: no such key (environment)' \
	'"NUMAPLACE_LIMITS_VOLATILE_CPU_NODES=2"' ''
echo 'container-keys = limits.cpu' > "$tmp/conf"
gives 'container-keys: the environment does not count' - '"NUMAPLACE_LIMITS_CPU=2"' ''
gives 'container-keys: an annotation still counts' 0-1 '"NUMAPLACE_LIMITS_CPU=1","NUMAPLACE_LIMITS_NONE=1"' '"limits.cpu":"2"'
printf 'container-keys = limits.cpu\nenvironment-keys = true\n' > "$tmp/conf"
gives 'environment-keys = true beside container-keys: an allowed key counts' 0-1 '"NUMAPLACE_LIMITS_CPU=2"' ''
refused 'environment-keys = true beside container-keys: another key is refused' \
	'NUMAPLACE_LIMITS_MEMORY: containers may not set this key (container-keys)' '"NUMAPLACE_LIMITS_MEMORY=1GiB"' ''
echo 'environment-keys = false' > "$tmp/conf"
gives 'environment-keys = false: the environment does not count' - '"NUMAPLACE_LIMITS_CPU=2"' ''
echo 'max-cpus = 1' > "$tmp/conf"
planned '"NUMAPLACE_LIMITS_CPU=2"' ''
came_out 'a variable asks for no more than an annotation may' 1 'numaplace: limits.cpu: 2 CPUs, this host allows a container 1 (max-cpus)'
: > "$tmp/conf"
planned '"NUMAPLACE_LIMITS_CPU=2"' ''
[ "$(jq -c '[.hooks | .createRuntime[0].args, .poststop[0].args]' <<< "$printed")" = \
	'[["oci-hook","--environment","--cpus","0-1","--pin-cpus","","--pin-mems","","createRuntime"],["oci-hook","--environment","poststop"]]' ]
ok $? 'the hooks of a container with a variable read its environment' "$printed"

run_hook --default limits.cpu createRuntime < /dev/null
came_out '--default without a value' 2 'numaplace: --default: "limits.cpu": KEY=VALUE with a known key is expected'
run_hook --default limits.cpus=1 createRuntime < /dev/null
came_out '--default with an unknown key' 2 'numaplace: --default: "limits.cpus=1": KEY=VALUE with a known key is expected'
run_hook --default limits.cpu=0 createRuntime < /dev/null
came_out '--default with a bad value' 2 'numaplace: limits.cpu: "0": no CPU at all*'

# --- a device of CDI beside other keys: its hook is in the spec
cdi='"hooks":{"createRuntime":[{"path":"/x/oci-hook","args":["other","--default","limits.cpu=7"]},{"path":"/x/oci-hook","args":["oci-hook","--default","limits.cpu.nodes=3","--default","limits.cpu.exclusive=true","createRuntime"]}]}'
printf '{%s,"annotations":{"limits.cpu":"1"}}' "$cdi" > "$tmp/in"
run_hook --timeout 60 --sysroot "$tmp/machine" precreate < "$tmp/in"
[ "$(jq -c '[.linux.resources.cpu.cpus, (.hooks.createRuntime[] | select(.args[0] == "oci-hook" and (.path | contains("/x/") | not)).args)]' <<< "$printed")" = \
	'["6",["oci-hook","--default","limits.cpu.nodes=3","--default","limits.cpu.exclusive=true","--cpus","6","--pin-cpus","","--pin-mems","","createRuntime"]]' ]
ok $? 'precreate: the keys of a device of CDI count beside an annotation, and stay in the hook' "$said" "$printed"
printf '{%s,"linux":{"resources":{"cpu":{"quota":100000,"period":100000}}}}' "$cdi" > "$tmp/in"
run_hook --timeout 60 --sysroot "$tmp/machine" precreate < "$tmp/in"
[ "$(jq -r .linux.resources.cpu.cpus <<< "$printed")" = 6 ]
ok $? 'precreate: a device of CDI alone is a request' "$said" "$printed"

# --- placed containers
need_cell
# Run inside cell. start N FILTER [OPTION...]: places container N, without annotations, after FILTER has changed its config.
start() {
	local n=$1
	jq -c "$2" bundle/config.json > config && mv config bundle/config.json
	jq -c '.annotations = {"a": "1"}' "keyed-$n" > bare
	"$BUILD/oci-hook" --conf conf "${@:3}" createRuntime < bare 2>&1
	echo "start $n: $? $(cat "$CGROUP/c$n/cpuset.cpus") $(cat "$CGROUP/c$n/cpuset.mems")"
}
stop() { # N [OPTION...]
	printf 'populated 0\nfrozen 0\n' > "$CGROUP/c$1/cgroup.events"
	"$BUILD/oci-hook" --conf conf "${@:2}" poststop < bare 2>&1
	echo "stop $1: $? $(cd /run/numaplace/containers && echo *)"
}
export -f start stop
in_cell() { printed=$(NUMBERED=2 "$cell" 4 2 0 bash -c "$1" 2>&1); }

variable='.process.env += ["NUMAPLACE_LIMITS_CPU=2"]'
in_cell "start 0 '$variable'; ls /run/numaplace"
has 'without --environment, the hook reads no config of a container without keys' 'start 0: 0  '
in_cell "start 0 '$variable' --environment; stop 0 --environment"
has '--environment: the variable counts' 'start 0: 0 0-1 0'
has '--environment: poststop removes the record' 'stop 0: 0 \*'
in_cell "start 0 . --environment; ls /run/numaplace"
has '--environment: a container without keys is left alone' 'start 0: 0  '

quota='.linux.resources.cpu = {"quota": 150000, "period": 100000}'
balanced='--default limits.cpu.nodes=balanced'
in_cell "start 0 '$quota' $balanced; start 0 . $balanced; start 0 . $balanced --default limits.cpu.exclusive=true
sed -n 's/^count=/count: /p' /run/numaplace/containers/*; stop 0 $balanced"
has '--default: the container is placed, with the CPUs of its limit' 'start 0: 0 0-1 0'
has '--default: a second hook finds the record of the first one' 'count: 2'
has '--default: poststop removes the record' 'stop 0: 0 \*'
in_cell "start 0 '$variable | .process.env += [\"NUMAPLACE_LIMITS_CPU_NODES=3\"]' $balanced --default limits.cpu=1"
has '--default: what the container sets itself counts' 'start 0: 0 6-7 3'
exclusive='.hooks.createRuntime = [{"path": "/x", "args": ["oci-hook", "--default", "limits.cpu.exclusive=true", "createRuntime"]}]'
in_cell "jq -c '$exclusive' bundle/config.json > config && mv config bundle/config.json; \"\$BUILD/oci-hook\" --conf conf createRuntime < keyed-0
grep -h exclusive /run/numaplace/containers/*"
has 'a hook of hooks.d that is called before the one of CDI knows its keys' 'ask.limits.cpu.exclusive=true'
in_cell "start 0 '$quota' $balanced --default limits.cpu.exclusive=true; start 1 '$quota' $balanced"
has '--default: exclusive CPUs' 'start 0: 0 0-1 0'
has '--default: another container does not get exclusive CPUs' 'start 1: 0 2-3 1'
in_cell "echo 'container-keys = none' > conf; start 0 '$quota' $balanced; start 1 '$variable' $balanced --environment"
has '--default is of the host: container-keys does not restrict it' 'start 0: 0 0-1 0'
in_cell "echo bad > conf; start 0 '$quota' $balanced"
has '--default: an error in numaplace.conf stops the container' 'start 0: 2 * '
done_testing
