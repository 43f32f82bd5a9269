#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The interface of the command line, on a simulated machine of two nodes with two CPUs each: options before and after the
# verb, exit statuses, JSON, and errors of one line.

# shellcheck source=tests/tap.bash
. "${0%/*}/../tap.bash"
numaplace=${NUMAPLACE_BUILD:-$PWD/build}/numaplace
machine=$tmp/machine

# node ID CPUS DISTANCES: 1 GiB each, all of it free.
node() {
	local dir=$machine/sys/devices/system/node/node$1 huge
	huge=$dir/hugepages/hugepages-2048kB
	mkdir -p "$huge"
	echo "$2" > "$dir/cpulist"
	echo "$3" > "$dir/distance"
	printf 'Node %s MemTotal: 1048576 kB\nNode %s MemFree: 1048576 kB\n' "$1" "$1" > "$dir/meminfo"
	echo 8 > "$huge/nr_hugepages"
	echo 4 > "$huge/free_hugepages"
}

mkdir -p "$machine"/{proc,sys/devices/system/cpu}
echo 0-3 | tee "$machine"/sys/devices/system/cpu/{online,present,possible} > /dev/null
for cpu in 0 1 2 3; do mkdir -p "$machine/sys/devices/system/cpu/cpu$cpu"; done
node 0 0-1 '10 21'
node 1 2-3 '21 10'
echo 0-1 | tee "$machine"/sys/devices/system/node/{online,has_memory,has_cpu,possible} > /dev/null

# shellcheck disable=SC2317 # ok calls it
diagnose() { printf 'status %s\nstdout: %s\nstderr: %s\n' "$got" "$out" "$said"; }

run() {
	out=$("$numaplace" "$@" 2> "$tmp/stderr" < "${stdin:-/dev/null}")
	got=$? said=$(< "$tmp/stderr")
}

# fails STATUS PATTERN ARG...: one line on stderr, none on stdout; with --json an object on stdout, nothing on stderr.
fails() {
	local want=$1 pattern=$2
	shift 2
	run "$@"
	# shellcheck disable=SC2053 # a pattern
	[[ $got = "$want" && -z $out && $said == numaplace:\ $pattern && $(wc -l < "$tmp/stderr") = 1 ]]
	ok $? "'$*' fails with $want and says $pattern"
	run --json "$@"
	# shellcheck disable=SC2053
	[[ $got = "$want" && -z $said && $(jq -r 'keys[], .error' <<< "$out") == error$'\n'$pattern ]]
	ok $? "'$*' with --json fails with an object"
}

# gives JSON ARG...: exit status 0 and JSON on stdout, with the keys in any order.
gives() {
	local want=$1
	shift
	run "$@"
	[ "$got" = 0 ] && [ "$(jq -s 'length == 2 and .[0] == .[1]' <<< "$out$want")" = true ]
	ok $? "'${*//$tmp/}' gives $want"
}

M=(--sysroot "$machine")

gives '{"nodes":[
	{"id":0,"cpus":"0-1","isolated":"","reserved":"",
		"not_allowed":"","offline":"","held":"","mem_total":1073741824,"mem_free":1073741824,
		"memory_kind":"ordinary","movable_only":false,"arc":0,"hugepages":{"2048kB":{"total":8,"free":4}},"distances":{"0":10,"1":21}},
	{"id":1,"cpus":"2-3","isolated":"","reserved":"",
		"not_allowed":"","offline":"","held":"","mem_total":1073741824,"mem_free":1073741824,
		"memory_kind":"ordinary","movable_only":false,"arc":0,"hugepages":{"2048kB":{"total":8,"free":4}},"distances":{"0":21,"1":10}}],
	"hugepages":{"2048kB":{"reserved":0}},"cores":4,"last_level_caches":2}' "${M[@]}" --json topology
run topology "${M[@]}"
[ "$got" = 0 ] && grep -q '^DISTANCE   0   1$' <<< "$out" && ! grep -q $'\033' <<< "$out"
ok $? 'topology prints a table, without colour if stdout is no terminal'

run "${M[@]}" plan limits.cpu=4 --json
[ "$got" = 0 ] && [ "$(jq -c '[.nodes, .cpus, .mems, (.reasons | type)]' <<< "$out")" = '["0,1","0-3","0-1","array"]' ]
ok $? 'plan --json: nodes with commas, cpus and mems as lists, reasons as an array'
run plan "--sysroot=$machine" limits.cpu.nodes=1
[ "$got" = 0 ] && grep -Eq '^1 +2(-3)? +1$' <<< "$out"
ok $? 'plan prints the placement as text'

fails 1 'limits.memory: 4GiB *2GiB*' "${M[@]}" plan limits.memory=4GiB
for value in 0 -1 4294967297 1- 3-1 abc ''; do
	fails 2 "limits.cpu: *\"$value\"*" "${M[@]}" plan "limits.cpu=$value"
done
fails 2 'limits.cpus: no such key' "${M[@]}" plan limits.cpus=1
fails 2 'plan: x: not of the form KEY=VALUE' "${M[@]}" plan x
fails 2 'plan: a key is missing*' "${M[@]}" plan
fails 2 'no verb given*' "${M[@]}"
fails 2 'unknown verb: plane*' "${M[@]}" plane
fails 2 'unknown option: --sysrot*' --sysrot
fails 2 '--sysroot: needs a value' topology --sysroot
fails 2 '--sysroot /nonexistent: *' topology --sysroot /nonexistent
mkdir "$tmp/empty"
fails 2 "--sysroot $tmp/empty: it has no sys/*" topology --sysroot "$tmp/empty"
fails 2 '--conf /nonexistent: *' "${M[@]}" --conf /nonexistent plan limits.cpu=1
fails 2 'topology: unexpected argument: x' "${M[@]}" topology x
touch "$tmp/file"
for verb in status 'plan limits.cpu=1'; do
	# shellcheck disable=SC2086 # words are words
	fails 2 "--state $tmp/file: Not a directory" "${M[@]}" --state "$tmp/file" $verb
done
fails 2 "--state $tmp/file/x: Not a directory" "${M[@]}" --state "$tmp/file/x" status
fails 2 'verify: --nodes: needs a value' "${M[@]}" verify --nodes
fails 2 'verify: --nodes: empty' "${M[@]}" verify --nodes=
fails 2 'verify: --nodes: list "x": *' "${M[@]}" verify --nodes x
fails 2 'verify: --nodes: "0,^0": the list leaves no node' "${M[@]}" verify --nodes=0,^0
fails 2 'verify: --watch=0: 1 to 86400 seconds are expected' "${M[@]}" verify --watch=0
fails 2 'move: --timeout: needs a value' move --timeout
fails 2 'move: --timeout x: *' move --timeout x a 0
fails 2 'move: nodes: list "x": *' move a x
fails 2 'rebalance: --max-move: needs a value' "${M[@]}" rebalance --max-move
fails 2 'rebalance: --max-move: "x": *' "${M[@]}" rebalance --max-move=x
for verb in map metrics; do
	fails 2 "$verb: -o: needs a value" "${M[@]}" $verb -o
	fails 2 "$verb: -o: empty" "${M[@]}" $verb -o ''
	fails 2 "$verb: unexpected argument: x" "${M[@]}" $verb -o /dev/null x
done
fails 2 'incus place: --socket: needs a value' incus place vm1 --socket
gives '{"numaplace.org/nodes":"2","numaplace.org/memory-only-nodes":"0","numaplace.org/cpus-per-node":"2",
	"numaplace.org/memory-gib-per-node":"1","numaplace.org/cores":"4","numaplace.org/last-level-caches":"2",
	"numaplace.org/largest-distance":"21"}' "${M[@]}" topology --nfd --json
echo 'balanced = 1' > "$tmp/conf"
fails 2 "$tmp/conf:1: *" "${M[@]}" --conf "$tmp/conf" plan limits.cpu=1

left_out='"isolated":"","reserved":"","not_allowed":"","offline":"","held":"","memory_kind":"ordinary"'
nothing_placed='{"containers":[],"nodes":[{"id":0,"usable":"0-1",'$left_out'},{"id":1,"usable":"2-3",'$left_out'}]}'
gives "$nothing_placed" "${M[@]}" status --json
gives "$nothing_placed" "${M[@]}" status --json --state "$tmp/none"
[ ! -e "$tmp/none" ]
ok $? 'verbs that read make no state folder'

run --help
[ "$got" = 0 ] && [ -z "$said" ] && grep -q '^Usage: ' <<< "$out"
ok $? 'help is printed on stdout'
run --version
[ "$got" = 0 ] && [[ $out == numaplace\ [0-9]* ]]
ok $? '--version prints the version'
"$numaplace" --help > /dev/full 2> "$tmp/stderr"
[ $? = 1 ]
ok $? 'a full stdout is an error'

# --- simulate ---

stdin=$tmp/lines
cat > "$stdin" <<'LINES'
{"op":"start","id":"a","config":{"limits.cpu":"2","limits.cpu.nodes":"balanced"}}
{"op":"start","id":"b","config":{"limits.cpu":"2"}}

{"op":"start","id":"much","config":{"limits.memory":"4GiB"}}
{"op":"start","id":"wrong","config":{"limits.cpu":"0"}}
{"op":"start","id":"none"}
{"op":"stop","id":"much"}
{"op":"stop","id":"b"}
{"op":"start","id":"c\"\u0001","config":{"limits.cpu":2}}
{"op":"start","id":"huge","config":{"limits.cpu":1,"limits.memory.hugepages":"2MiB=6"}}
LINES
run "${M[@]}" simulate
[ "$got" = 0 ] && [ "$(jq -c '[.id, .nodes, .cpus, .mems]' <<< "$out" | grep -v null | tr '\n' ' ')" = \
	'["a","0","0-1","0"] ["b","1","2-3","1"] ["none","","",""] ["c\"\u0001","1","2-3","1"] ["huge","0","0","0"] ' ]
ok $? 'simulate: starts in order, all hugepages free at first, a stop makes room'
[ "$(jq -r 'select(.error) | .id' <<< "$out" | tr '\n' ' ')" = 'much wrong ' ]
ok $? 'simulate: a refusal is an answer line'
[ "$(jq -c 'select(.ns | type != "number")' <<< "$out")" = '' ] && [ "$(jq -s '.[0].ns > 0' <<< "$out")" = true ]
ok $? 'simulate: each answer has its time'

printf '%s\n' '{"op":"start","id":"a","config":{"limits.cpu":"1"}}' '{"op":"start","id":"a"}' '{"op":"stop","id":"b"}' \
	'{"op":"start","id":"c","config":{"limits.cpu":"1"}}' > "$stdin"
run "${M[@]}" simulate
[ "$got" = 2 ] && [ "$(jq -r .id <<< "$out" | tr '\n' ' ')" = 'a a c ' ] && grep -q 'line 3: stop: b' <<< "$said"
ok $? 'simulate: a duplicate start and an unknown stop are reported, and the other lines are handled'

while IFS='|' read -r line pattern; do
	printf '%s\n' "$line" > "$stdin"
	fails 2 "simulate: line 1: $pattern" "${M[@]}" simulate
done <<'LINES'
nonsense|*
{"op":"begin","id":"a"}|op: "begin": neither start nor stop
{"id":"a"}|op is missing
{"op":"stop"}|id is missing
{"op":"stop","id":""}|id: must be 1 to 246 bytes long
{"op":"start","op":"stop","id":"a"}|op: given twice*
{"op":"start","id":"a","config":[]}|config: an object is expected*
{"op":"start","id":"a"} {}|*
LINES
stdin=/dev/null

coproc sim { "$numaplace" "${M[@]}" simulate; }
echo '{"op":"start","id":"a","config":{"limits.cpu":"1"}}' >&"${sim[1]}"
got=0 said='' out=''
read -r -t 10 out <&"${sim[0]}"
ok $? 'simulate: each answer is printed before the next line is read'

done_testing
