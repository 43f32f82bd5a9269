#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# oci-hook precreate, podman's stage: a config on stdin, and on stdout the same
# config, every byte of it, but for what was planned.
# shellcheck source=tests/hooks/tap.bash
. "${0%/*}/tap.bash"

here=$(cd "${0%/*}" && pwd)
awk -v "root=$tmp/machine" -f "$here/../machines/make-machine" "$here/../machines/plain-4x2-pairs.machine"

# planned CONFIG: it goes in; what comes out is in $tmp/stdout.
planned() {
	printf '%s' "$1" > "$tmp/in"
	run_hook --timeout 60 --sysroot "$tmp/machine" precreate < "$tmp/in"
}

# becomes NAME CONFIG WANTED: exit status 0, no word, and exactly that.
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
	printf '"hooks":{"createRuntime":[{"path":"%s","args":["oci-hook","--cpus","%s","createRuntime"]}]}' "$(realpath "$hook")" "$1"
}
nodes='"volatile.cpu.nodes":"0","volatile.memory.nodes":"0"'

unasked() {
	stays 'nothing' '{}'
	stays 'no keys' '{"annotations":{"a":"1"},"linux":{}}'
	stays 'blanks, a line end, numbers and escapes as they were written' $' {\n\t"annotations" : null , '"$odd"$' }\n\n'
	stays 'only a hint' '{"annotations":{"volatile.cpu.nodes":"nonsense"}}'
	head -c 17825792 /dev/zero | tr '\0' ' ' > "$tmp/blanks"
	{ printf '{"annotations":{"a":"limits.cpu"}}' && cat "$tmp/blanks"; } > "$tmp/in"
	run_hook --timeout 60 precreate < "$tmp/in"
	[ "$status" = 0 ] && [ -z "$said" ] && cmp "$tmp/in" "$tmp/stdout"
	ok $? '17 MiB without a key' "status $status" "$said"
	echo 'default = balanced' > "$tmp/conf"
	run_hook --timeout 60 precreate < "$tmp/in"
	[ "$status" = 0 ] && [ "$said" = 'numaplace: config: more than 16 MiB' ] && cmp "$tmp/in" "$tmp/stdout"
	ok $? 'with a word where a default cannot be' "status $status" "$said"
	: > "$tmp/conf"
	stays 'a sandbox' '{"annotations":{"limits.cpu":"1","io.kubernetes.cri.container-type":"sandbox"}}'
}

asked() {
	local once
	becomes 'a key' '{"annotations":{"limits.cpu":"1"}}' \
		"{$(hooks 0),\"linux\":{\"resources\":{\"cpu\":{\"cpus\":\"0\",\"mems\":\"0\"}}},\"annotations\":{$nodes,\"limits.cpu\":\"1\"}}"
	once=$printed
	stays 'twice is once' "$once"
	becomes 'among what is not understood' $'{ "annotations" :{\t"\\u006cimits.cpu":"0-1" } ,'"$odd"$', "linux":null}\n' \
		"{$(hooks 0-1), \"annotations\" :{$nodes,"$'\t"\\u006cimits.cpu":"0-1" } ,'"$odd"$', "linux":{"resources":{"cpu":{"cpus":"0-1","mems":"0"}}}}\n'
	becomes 'what was there of ours is renewed, and whoever else has hooks keeps them' \
		'{"hooks":{"createRuntime":[{"path":"/x","args":null},null],"prestart":[]},"annotations":{"limits.cpu":"1","volatile.cpu.nodes":"3","volatile.memory.nodes":"0-1"},"linux":{"resources":{"cpu":{"shares":2,"cpus":""}}}}' \
		'{"hooks":{"createRuntime":[{"path":"'"$(realpath "$hook")"'","args":["oci-hook","--cpus","6","createRuntime"]},{"path":"/x","args":null},null],"prestart":[]},"annotations":{"limits.cpu":"1","volatile.cpu.nodes":"3","volatile.memory.nodes":"3"},"linux":{"resources":{"cpu":{"mems":"3","shares":2,"cpus":"6"}}}}'
	planned '{"annotations":{"limits.cpu":"1","limits.memory.policy":"interleave"}}'
	[ "$(jq -c .linux.memoryPolicy <<< "$printed")" = '{"mode":"MPOL_INTERLEAVE","nodes":"0","flags":["MPOL_F_STATIC_NODES"]}' ]
	ok $? 'a policy is in linux.memoryPolicy' "$said" "$printed"
	{ printf '{"annotations":{"limits.cpu":"1"' && for ((i = 0; i < 20000; i++)); do printf ',"k%d":"%0400d"' $i 0; done && echo '}}'; } > "$tmp/in"
	run_hook --timeout 60 --sysroot "$tmp/machine" precreate < "$tmp/in"
	jq -e '(.annotations | length) == 20003 and .linux.resources.cpu.cpus == "0"' "$tmp/stdout" > "$tmp/jq" 2>&1
	ok $? '8 MiB of annotations' "$(cat "$tmp/jq")" "$said"
}

unfit() {
	refused 'no config' 2 'config: *EOF (byte 0)' ''
	refused 'half a config' 2 'config: *EOF (byte *)' '{"annotations":{"limits.cpu":"1"'
	refused 'not UTF-8' 2 'config: not UTF-8 (byte 2)' $'{"\xff":1}'
	refused 'half a surrogate pair' 2 'config: half of a surrogate pair (byte 6)' '{"a":"\ud83d"}'
	refused 'annotations given twice' 2 'config: annotations: given twice (byte *)' '{"annotations":{"limits.cpu":"1"},"annot\u0061tions":{}}'
	refused 'a number for a key' 2 'config: annotations.limits.cpu: a string is expected (byte *)' '{"annotations":{"limits.cpu":1}}'
	refused 'a value without sense' 2 'limits.cpu: *"none"*' '{"annotations":{"limits.cpu":"none"}}'
	refused 'more than there is' 1 '*' '{"annotations":{"limits.memory":"1TiB"}}'
	{ printf '{"annotations":{"limits.cpu":"1"}}' && cat "$tmp/blanks"; } > "$tmp/in"
	run_hook --timeout 60 precreate < "$tmp/in"
	came_out '17 MiB with a key' 2 'numaplace: config: more than 16 MiB'
	echo 'on-failure = warn' > "$tmp/conf"
	planned '{"annotations":{"limits.cpu":"none"}}'
	[ "$status" = 0 ] && cmp -s "$tmp/in" "$tmp/stdout" && [[ $said == 'numaplace: limits.cpu: '*'"none"'* ]]
	ok $? 'on-failure = warn: the config as it came' "status $status" "$said" "$printed"
	echo nonsense > "$tmp/conf"
	planned '{"annotations":{"limits.cpu":"1"}}'
	[ "$status" = 0 ] && cmp -s "$tmp/in" "$tmp/stdout" && [[ $said == *'not key = value' ]]
	ok $? 'a conf that is none: so it is with that' "status $status" "$said" "$printed"
	: > "$tmp/conf"
	"$hook" --conf "$tmp/conf" precreate <<< '{}' > /dev/full 2> "$tmp/stderr"
	[ $? = 1 ] && [ "$(cat "$tmp/stderr")" = 'numaplace: write the config: No space left on device' ]
	ok $? 'stdout that is full' "$(cat "$tmp/stderr")"
}

unasked
asked
unfit
done_testing
