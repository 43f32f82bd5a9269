#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# oci-hook on invalid input: checks the exit status and the message, and that nothing is recorded.
# shellcheck source=tests/hooks/tap.bash
. "${0%/*}/tap.bash"

# refused NAME STATUS PATTERN: runs createRuntime on the state on stdin.
refused() {
	run_hook createRuntime
	came_out "$1" "$2" "numaplace: $3"
}

malformed() {
	refused 'no input' 2 'state: empty: a runtime writes it to stdin of the hook' < /dev/null
	refused 'a state that is not JSON' 2 'state: lexical error: invalid char in json text (byte *)' <<< '@'
	refused 'a truncated state' 2 'state: parse error: premature EOF (byte *)' <<< '{"id":"web1","pid":7'
	refused 'a state with data behind it' 2 'state: parse error: trailing garbage (byte *)' <<< '{"id":"web1"}{}'
	refused 'a state that is an array' 2 'state: an object is expected (byte 1)' <<< '["web1"]'
	refused 'a state that is not UTF-8' 2 'state: not UTF-8 (byte 7)' <<< $'{"id":"\xff"}'
	refused 'a state with a comment' 2 'state: lexical error: probable comment*' <<< '/* */ {"id":"web1"}'
	refused 'an id given twice' 2 'state: id: given twice (byte *)' <<< '{"id":"web1","id":"web2"}'
	refused 'a number for a key' 2 'state: annotations.limits.cpu: a string is expected (byte *)' \
		<<< "$(state '"limits.cpu":4')"
	refused 'a NUL in a value' 2 'state: annotations.limits.cpu: contains a NUL (byte *)' \
		<<< "$(state '"limits.cpu":"4\u0000"')"
	refused 'a key given twice' 2 'state: annotations.limits.cpu: given twice (byte *)' \
		<<< "$(state '"limits.cpu":"4","limits\u002ecpu":"4"')"
}

big() {
	local writer
	refused '100000 nested arrays in a state' 2 'state: nested deeper than 64 (byte *)' \
		< <(printf '{"x":' && head -c 100000 /dev/zero | tr '\0' '[')
	refused 'a state that is 100000 nested arrays' 2 'state: an object is expected (byte 1)' \
		< <(head -c 100000 /dev/zero | tr '\0' '[')
	refused '100000 nested objects' 2 'state: nested deeper than 64 (byte *)' \
		< <(yes '{"a":' | head -n 100000)
	head -c 10485760 /dev/zero | tr '\0' ' ' > "$tmp/10M"
	refused '10 MiB of blanks' 2 'state: more than 1 MiB' < "$tmp/10M"
	# shellcheck disable=SC2002 # a pipe, so that a hook that stops reading would show
	cat "$tmp/10M" | "$hook" --conf "$tmp/conf" --state "$tmp/state" createRuntime 2> /dev/null
	writer=${PIPESTATUS[0]}
	[ "$writer" = 0 ]
	ok $? 'a state of 10 MiB is read to the end, so that the runtime gets no EPIPE' "its writer ended with $writer"
	state "\"limits.cpu\":\"$(head -c 50000 /dev/zero | tr '\0' '1')\"" > "$tmp/long"
	refused 'a value of 50000 bytes' 2 'state: annotations.limits.cpu: longer than 40961 bytes' < "$tmp/long"
}

# The values are written into the JSON as they are, without escaping.
bad_cpus() {
	local value
	for value in 0 -1 4294967297 18446744073709551617 1- 3-1 abc '' ' 4' 4.0 0x4 '1,,2' '0-99999999'; do
		refused "limits.cpu \"$value\"" 2 "container web1: limits.cpu: *" <<< "$(state "\"limits.cpu\":\"$value\"")"
		[[ $said == *"\"$value\""* ]]
		ok $? "limits.cpu \"$value\": the message has the value" "$said"
	done
	refused 'a line end in a value' 2 'container web1: limits.cpu: *"4\\x0anumaplace: all is well"*' \
		<<< "$(state '"limits.cpu":"4\nnumaplace: all is well"')"
}

bad_keys() {
	refused 'limits.cpu and org.numaplace.limits.cpu with different values' 2 'container web1: limits.cpu is "4" but org.numaplace.limits.cpu is "8"' \
		<<< "$(state '"limits.cpu":"4","org.numaplace.limits.cpu":"8"')"
	refused 'an unknown org.numaplace key' 2 'container web1: org.numaplace.limits.cpus: no such key' \
		<<< "$(state '"org.numaplace.limits.cpus":"4"')"
	refused 'limits.cpu.work that is not a kind of work' 2 \
		'container web1: limits.cpu.work: "disk": not compute, latency or bandwidth' <<< "$(state '"limits.cpu.work":"disk"')"
	refused 'limits.cpu.irq that is not a word of it' 2 \
		'container web1: limits.cpu.irq: "far": not none, away or near' <<< "$(state '"limits.cpu.irq":"far"')"
	refused 'limits.cpu.irq = away without exclusive CPUs' 2 'container web1: limits.cpu.irq: "away": needs limits.cpu.exclusive*' \
		<<< "$(state '"limits.cpu":"2","limits.cpu.irq":"away"')"
	refused 'limits.cpu.nodes that is not a list' 2 'container web1: limits.cpu.nodes: *' \
		<<< "$(state '"limits.cpu.nodes":"balance"')"
	refused 'limits.memory with an unknown unit' 2 'container web1: limits.memory: *' <<< "$(state '"limits.memory":"9EiBs"')"
	echo 'container-keys = limits.memory' > "$tmp/conf"
	refused 'a key that containers may not set' 2 \
		'container web1: limits.cpu: containers may not set this key (container-keys)' \
		<<< "$(state '"limits.cpu":"4"')"
	: > "$tmp/conf"
}

# refused_id NAME PATTERN ID: a container with this id is refused if it has a key. It starts without a key, and poststop
# succeeds.
refused_id() {
	refused "an id $1" 2 "$2" <<< "{\"id\":\"$3\",\"pid\":$$,\"annotations\":{\"limits.cpu\":\"1\"}}"
	run_hook createRuntime <<< "{\"id\":\"$3\",\"pid\":$$,\"annotations\":{\"a\":\"b\"}}"
	came_out "an id $1, without a key" 0 ''
	run_hook poststop <<< "{\"id\":\"$3\",\"annotations\":{\"limits.cpu\":\"1\"}}"
	came_out "poststop of an id $1" 0 ''
}

bad_ids() {
	local long
	long=$(head -c 4096 /dev/zero | tr '\0' 'a')
	refused 'a state without id' 2 'state: the id is missing' <<< '{"pid":7}'
	refused 'an empty id' 2 'state: the id is missing' <<< '{"id":""}'
	refused_id '".."' 'id: "..": not a name' '..'
	refused_id 'with a slash' 'id: "../../etc/x": contains "/"; allowed are letters, digits and . _ + : @ -' ../../etc/x
	refused_id 'with a newline' 'id: "a\\x0ab": contains "\\x0a"; allowed *' 'a\nb'
	refused_id 'that is an option' 'id: "-rf": begins with a dash' -rf
	refused_id 'with a shell command' 'id: "$(touch x)": contains "$"; allowed *' '$(touch x)'
	refused_id 'with a C1 control' 'id: "a\\xc2\\x9b31m": contains "\\xc2"; allowed *' 'a\u009b31m'
	refused_id 'with a right-to-left override' 'id: "a\\xe2\\x80\\xaeb": contains "\\xe2"; allowed *' 'a\u202eb'
	refused_id 'with a line separator' 'id: "a\\xe2\\x80\\xa8b": contains "\\xe2"; allowed *' 'a\u2028b'
	refused 'an id with a NUL' 2 'state: id: contains a NUL (byte *)' <<< '{"id":"a\u0000b"}'
	refused_id 'of 4 KiB' 'id: "aaa*...": longer than 246 bytes' "$long"
}

bad_pids() {
	refused 'a pid above the maximum' 2 'state: pid: 4294967297 is not a process id' \
		<<< "$(pid=4294967297 state '"limits.cpu":"1"')"
	refused 'a negative pid' 2 'state: pid: -7 is not a process id' <<< "$(pid=-7 state '"limits.cpu":"1"')"
	refused 'pid 0' 2 'container web1: pid: 0: no process to place at stage createRuntime' \
		<<< "$(pid=0 state '"limits.cpu":"1"')"
	# The kernel's highest pid is 4194304.
	refused 'a process that does not exist' 1 'container web1: *' <<< "$(pid=4194305 state '"limits.cpu":"1"')"
}

bad_bundles() {
	local text
	mkdir "$tmp/bundle"
	text="{\"id\":\"web1\",\"pid\":$$,\"bundle\":\"$tmp/bundle\",\"annotations\":{\"limits.cpu\":\"1\"}}"
	ln -s /etc/passwd "$tmp/bundle/config.json"
	refused 'config.json is a symlink' 1 'container web1: config.json: open: Too many levels of symbolic links' \
		<<< "$text"
	rm "$tmp/bundle/config.json"
	mkfifo "$tmp/bundle/config.json"
	refused 'config.json is a FIFO' 2 'container web1: config.json: not a regular file' <<< "$text"
	rm "$tmp/bundle/config.json"
	echo '{"linux":{"resources":{"cpu":{"quota":' > "$tmp/bundle/config.json"
	refused 'a truncated config.json' 2 'container web1: config.json: parse error: premature EOF (byte *)' <<< "$text"
	truncate -s 17M "$tmp/bundle/config.json"
	refused 'config.json has 17 MiB' 2 'container web1: config.json: more than 16 MiB' <<< "$text"
	text=${text/limits.cpu/a}
	run_hook createRuntime <<< "$text"
	came_out 'config.json has 17 MiB, no key is set' 0 ''
	echo 'default = balanced' > "$tmp/conf"
	refused 'config.json has 17 MiB, default = balanced' 0 'container web1: config.json: more than 16 MiB' <<< "$text"
	: > "$tmp/conf"
}

malformed
big
bad_cpus
bad_keys
bad_ids
bad_pids
bad_bundles
done_testing
