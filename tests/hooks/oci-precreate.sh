#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# oci-hook precreate, a stage of podman: reads a config on stdin and writes it to stdout, unchanged except for the
# placement that it adds.
# shellcheck source=tests/hooks/tap.bash
. "${0%/*}/tap.bash"

here=$(cd "${0%/*}" && pwd)
awk -v "root=$tmp/machine" -f "$here/../machines/make-machine" "$here/../machines/plain-4x2-pairs.machine"

# planned CONFIG: runs precreate on CONFIG; the output is in $tmp/stdout.
planned() {
	printf '%s' "$1" > "$tmp/in"
	run_hook --timeout 60 --sysroot "$tmp/machine" precreate < "$tmp/in"
}

# becomes NAME CONFIG WANTED: checks for exit status 0, no message, and the output WANTED.
becomes() {
	planned "$2"
	printf '%s' "$3" > "$tmp/wanted"
	[ "$status" = 0 ] && [ -z "$said" ] && cmp -s "$tmp/stdout" "$tmp/wanted"
	ok $? "$1" "status $status, says: $said" "$printed" "wanted: $3"
}
stays() { becomes "$1" "$2" "$2"; }

# refused NAME STATUS PATTERN CONFIG
refused() {
	planned "$4"
	came_out "$1" "$2" "numaplace: $3"
}

odd='"z":[1.10,-0,1E+2,1e400,"\/\u00e9\ud83d\ude00\u2028"],"":{"":[[],{}]}'
hooks() {
	printf '"hooks":{"createRuntime":[{"path":"%s","args":["oci-hook","--cpus","%s","--pin-cpus","%s","--pin-mems","%s","createRuntime"]}]}' "$(realpath "$hook")" "$1" "${2:-}" "${3:-}"
}
nodes='"volatile.cpu.nodes":"0","volatile.memory.nodes":"0"'

unasked() {
	stays 'an empty config is unchanged' '{}'
	stays 'a config without keys is unchanged' '{"annotations":{"a":"1"},"linux":{}}'
	stays 'blanks, newlines, numbers and escapes of a config without keys are unchanged' $' {\n\t"annotations" : null , '"$odd"$' }\n\n'
	stays 'a config with a hint only is unchanged' '{"annotations":{"volatile.cpu.nodes":"nonsense"}}'
	head -c 17825792 /dev/zero | tr '\0' ' ' > "$tmp/blanks"
	{ printf '{"annotations":{"a":"limits.cpu"}}' && cat "$tmp/blanks"; } > "$tmp/in"
	run_hook --timeout 60 precreate < "$tmp/in"
	[ "$status" = 0 ] && [ -z "$said" ] && cmp "$tmp/in" "$tmp/stdout"
	ok $? 'a config of 17 MiB without a key is unchanged' "status $status" "$said"
	echo 'default = balanced' > "$tmp/conf"
	run_hook --timeout 60 precreate < "$tmp/in"
	[ "$status" = 0 ] && [ "$said" = 'numaplace: config: more than 16 MiB' ] && cmp "$tmp/in" "$tmp/stdout"
	ok $? 'a config of 17 MiB without a key is unchanged with a warning if there is a default' "status $status" "$said"
	: > "$tmp/conf"
	stays 'the config of a sandbox is unchanged' '{"annotations":{"limits.cpu":"1","io.kubernetes.cri.container-type":"sandbox"}}'
}

asked() {
	local once
	becomes 'a config with a key gets hooks, cpuset and annotations' '{"annotations":{"limits.cpu":"1"}}' \
		"{$(hooks 0),\"linux\":{\"resources\":{\"cpu\":{\"cpus\":\"0\",\"mems\":\"0\"}}},\"annotations\":{$nodes,\"limits.cpu\":\"1\"}}"
	once=$printed
	stays 'a second precreate changes nothing' "$once"
	becomes 'a cpuset of the user is kept for a restore' '{"annotations":{"limits.cpu":"1"},"linux":{"resources":{"cpu":{"cpus":"2-3","mems":"0-1"}}}}' \
		"{$(hooks 2 2-3 0-1),\"annotations\":{${nodes//\"0\"/\"1\"},\"limits.cpu\":\"1\"},\"linux\":{\"resources\":{\"cpu\":{\"cpus\":\"2\",\"mems\":\"1\"}}}}"
	once=$printed
	stays 'also by a second precreate' "$once"
	becomes 'precreate keeps the parts of the config that it does not know' $'{ "annotations" :{\t"\\u006cimits.cpu":"0-1" } ,'"$odd"$', "linux":null}\n' \
		"{$(hooks 0-1), \"annotations\" :{$nodes,"$'\t"\\u006cimits.cpu":"0-1" } ,'"$odd"$', "linux":{"resources":{"cpu":{"cpus":"0-1","mems":"0"}}}}\n'
	becomes 'precreate renews its own annotations and cpuset, and keeps the hooks of other programs' \
		'{"hooks":{"createRuntime":[{"path":"/x","args":null},null],"prestart":[]},"annotations":{"limits.cpu":"1","volatile.cpu.nodes":"3","volatile.memory.nodes":"0-1"},"linux":{"resources":{"cpu":{"shares":2,"cpus":""}}}}' \
		'{"hooks":{"createRuntime":[{"path":"'"$(realpath "$hook")"'","args":["oci-hook","--cpus","6","--pin-cpus","","--pin-mems","","createRuntime"]},{"path":"/x","args":null},null],"prestart":[]},"annotations":{"limits.cpu":"1","volatile.cpu.nodes":"3","volatile.memory.nodes":"3"},"linux":{"resources":{"cpu":{"mems":"3","shares":2,"cpus":"6"}}}}'
	planned '{"annotations":{"limits.cpu":"1","limits.memory.policy":"interleave"}}'
	[ "$(jq -c .linux.memoryPolicy <<< "$printed")" = '{"mode":"MPOL_INTERLEAVE","nodes":"0","flags":["MPOL_F_STATIC_NODES"]}' ]
	ok $? 'precreate writes limits.memory.policy to linux.memoryPolicy' "$said" "$printed"
	becomes 'the environment of the process gets its place instead of what the image says' \
		'{"annotations":{"limits.cpu":"3"},"process":{"env":["NUMAPLACE_CPUS=of the image","A=1"]}}' \
		"{$(hooks 0-2),\"linux\":{\"resources\":{\"cpu\":{\"cpus\":\"0-2\",\"mems\":\"0-1\"}}},\"annotations\":{${nodes//\"0\"/\"0,1\"},\"limits.cpu\":\"3\"},\"process\":{\"env\":[\"NUMAPLACE_NODES=0,1\",\"NUMAPLACE_MEMORY_NODES=0,1\",\"NUMAPLACE_CPUS=0-2\",\"A=1\"]}}"
	{ printf '{"annotations":{"limits.cpu":"1"' && for ((i = 0; i < 20000; i++)); do printf ',"k%d":"%0400d"' $i 0; done && echo '}}'; } > "$tmp/in"
	run_hook --timeout 60 --sysroot "$tmp/machine" precreate < "$tmp/in"
	jq -e '(.annotations | length) == 20003 and .linux.resources.cpu.cpus == "0"' "$tmp/stdout" > "$tmp/jq" 2>&1
	ok $? 'a config with 8 MiB of annotations gets its cpuset' "$(cat "$tmp/jq")" "$said"
}

unfit() {
	refused 'an empty input' 2 'config: *EOF (byte 0)' ''
	refused 'a truncated config' 2 'config: *EOF (byte *)' '{"annotations":{"limits.cpu":"1"'
	refused 'a config that is not UTF-8' 2 'config: not UTF-8 (byte 2)' $'{"\xff":1}'
	refused 'half a surrogate pair' 2 'config: half of a surrogate pair (byte 6)' '{"a":"\ud83d"}'
	refused 'annotations given twice' 2 'config: annotations: given twice (byte *)' '{"annotations":{"limits.cpu":"1"},"annot\u0061tions":{}}'
	refused 'a number for a key' 2 'config: annotations.limits.cpu: a string is expected (byte *)' '{"annotations":{"limits.cpu":1}}'
	refused 'a value that is not a list' 2 'limits.cpu: *"none"*' '{"annotations":{"limits.cpu":"none"}}'
	refused 'more memory than the machine has' 1 '*' '{"annotations":{"limits.memory":"1TiB"}}'
	{ printf '{"annotations":{"limits.cpu":"1"}}' && cat "$tmp/blanks"; } > "$tmp/in"
	run_hook --timeout 60 precreate < "$tmp/in"
	came_out '17 MiB with a key' 2 'numaplace: config: more than 16 MiB'
	echo 'on-failure = warn' > "$tmp/conf"
	planned '{"annotations":{"limits.cpu":"none"}}'
	[ "$status" = 0 ] && cmp -s "$tmp/in" "$tmp/stdout" && [[ $said == 'numaplace: limits.cpu: '*'"none"'* ]]
	ok $? 'on-failure = warn: a config with a bad key is unchanged, with a warning' "status $status" "$said" "$printed"
	echo nonsense > "$tmp/conf"
	planned '{"annotations":{"limits.cpu":"1"}}'
	[ "$status" = 0 ] && cmp -s "$tmp/in" "$tmp/stdout" && [[ $said == *'not key = value' ]]
	ok $? 'a malformed numaplace.conf: the config is unchanged, with a warning' "status $status" "$said" "$printed"
	: > "$tmp/conf"
	"$hook" --conf "$tmp/conf" precreate <<< '{}' > /dev/full 2> "$tmp/stderr"
	[ $? = 1 ] && [ "$(cat "$tmp/stderr")" = 'numaplace: write the config: No space left on device' ]
	ok $? 'a full stdout is an error' "$(cat "$tmp/stderr")"
}

unasked
asked
unfit
done_testing
