#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The verbs that print for users, on simulated machines with ledgers that the test writes: status, explain, map, metrics,
# rebalance, topology --nfd and --nrt, help, and completion.

# shellcheck source=tests/tap.bash
. "${0%/*}/../tap.bash"
here=$(cd "$(dirname "$0")" && pwd)
numaplace=${NUMAPLACE_BUILD:-$here/../../build}/numaplace
# shellcheck source=tests/machines/ledger.bash
. "$here/ledger.bash"

# shellcheck disable=SC2317 # ok calls it
diagnose() { printf 'status %s\nstdout: %s\nstderr: %s\n' "$got" "$out" "$(cat "$tmp/stderr")"; }

run() {
	out=$("$numaplace" --sysroot "$tmp/$machine" --state "$tmp/$machine/state" "$@" 2> "$tmp/stderr" < /dev/null)
	got=$?
}

is() { # NAME WANT: the last run's stdout, and status 0
	[ "$got" = 0 ] && [ "$out" = "$2" ]
	ok $? "$1 (want: $2)"
}

jq_is() { # NAME FILTER WANT
	[ "$got" = 0 ] && [ "$(jq -cr "$2" <<< "$out")" = "$3" ]
	ok $? "$1 ($2 = $3)"
}

has() { # NAME PATTERN
	grep -Eq -- "$2" <<< "$out"
	ok $? "$1: $2"
}

refused() { # NAME STATUS PATTERN
	[ "$got" = "$2" ] && [ -z "$out" ] && grep -Eq -- "$3" "$tmp/stderr"
	ok $? "$1: status $2, $3"
}

# --- four nodes of two threads by four cores, in two packages ---
machine=four
cat > "$tmp/four.machine" <<'END'
node 0 cpus 0-7 mem 32768 free 20000
node 1 cpus 8-15 mem 32768 free 30000
node 2 cpus 16-23 mem 32768 free 8000
node 3 cpus 24-31 mem 32768 free 31000
distance 0 10 12 21 21
distance 1 12 10 21 21
distance 2 21 21 10 12
distance 3 21 21 12 10
smt 2
llc 4
package 16
hugepages 0 2048 64 32
END
"$here/make-machine" -v root="$tmp/four" "$tmp/four.machine"
record "$tmp/four/state" web1 4 0-3 0 0 ask.limits.cpu=4 own.memory=4294967296 mem.0=4294967296 \
	'why=node 0: the fewest that have room' 'why=runner-up: node 1, as good, with higher numbers'
record "$tmp/four/state" db 8 16-23 2 2 runtime=crun ask.limits.cpu=8 own.huge=2097152,5 \
	own.huge=1073741824,1 mem.2=21474836480
record "$tmp/four/state" 6f1d2c3b4a5968778695a4b3c2d1e0f0 4 24-27 3 3 runtime=crun ask.limits.cpu=4
record "$tmp/four/state" split 4 8-9,28-29 1,3 1,3 runtime=lxc ask.limits.cpu=4
record "$tmp/four/state" +odd.name@x:y 1 0 0 0 ask.limits.cpu=0-0 held=0-1

run status --json
jq_is 'status' '[.containers[] | .id + " " + .nodes]' \
	'["split 1,3","+odd.name@x:y 0","6f1d2c3b4a5968778695a4b3c2d1e0f0 3","db 2","web1 0"]'
run status
has 'status: a bar of load' '^node 2 +#+ +8\.0 of 8 +[#.]+ +7\.8GiB of 32GiB free$'
has 'status: hugepages' '^node 0 .* 32 of 64 x 2MiB free$'
has 'status: containers' '^web1 +runc +0 +0-3 +0$'
! grep -q $'\033' <<< "$out"
ok $? 'status: no colour if stdout is no terminal'
run status --watch=0
refused 'status --watch=0' 2 'seconds are expected'
out=$(timeout 5 script -qec "'$numaplace' --sysroot '$tmp/four' --state '$tmp/four/state' status" /dev/null)
got=$?
grep -q $'\033\[32m' <<< "$out"
ok $? 'status: colour on a terminal'
out=$(NO_COLOR=1 timeout 5 script -qec "'$numaplace' --sysroot '$tmp/four' --state '$tmp/four/state' status" /dev/null)
! grep -q $'\033' <<< "$out"
ok $? 'status: no colour on a terminal with NO_COLOR'


# --- what is left out, and why: node 1 has no CPU that is neither isolated nor reserved nor offline ---
machine=left
cat > "$tmp/left.machine" <<'END'
node 0 cpus 0-7 mem 4096
node 1 cpus 8-15 mem 4096
node 2 cpus - mem 8192
online 0-14
file sys/devices/system/cpu/isolated 2-7,9
file sys/devices/virtual/memory_tiering/memory_tier4/nodelist 0-1
file sys/devices/virtual/memory_tiering/memory_tier22/nodelist 2
file sys/fs/cgroup/cpuset.cpus.effective 0-11
file proc/spl/kstat/zfs/arcstats name type data\nsize 4 0
file sys/kernel/mm/hugepages/hugepages-2048kB/resv_hugepages 7
hugepages 0 2048 64 32
file etc/numaplace/numaplace.conf reserved-cpus = 8,10
END
"$here/make-machine" -v root="$tmp/left" "$tmp/left.machine"
record "$tmp/left/state" one 2 0-1 0 0 ask.limits.cpu=2 held=0-1
record "$tmp/left/state" two 1 9 1 1 ask.limits.cpu=9-9
run topology
has 'topology: all that is left out' '^3 nodes \(1 without CPUs\), 15 CPUs \(7 isolated, 2 reserved, 3 not allowed here, 2 held exclusively\) and 1 offline, 15 cores'
has 'topology: isolated and held' '^ +0 +0-7 .* 2\.0 of 2, 6 isolated, 2 held exclusively '
has 'topology: of each CPU one reason' '^ +1 +8-14 .* 0\.0 of 1, 1 isolated \(load 1\.0\), 2 reserved, 3 not allowed here, 1 offline'
has 'topology: memory without CPUs' '^ +2 +- .* no CPUs .* slow memory: only where named$'
has 'topology: reserved hugepages' '^7 of the free pages of 2048kB are reserved by running programs$'
run topology --json
jq_is 'topology --json' '[.nodes[] | [.isolated, .reserved, .not_allowed, .offline, .held, .memory_kind]]' \
	'[["2-7","","","","0-1","ordinary"],["9","8,10","12-14","15","","ordinary"],["","","","","","slow"]]'
run status
has 'status: isolated and held' '^node 0 +#+ 2\.0 of 2, 6 isolated, 2 held exclusively '
has 'status: memory without CPUs' '^node 2 +no CPUs .*\(slow memory: only where named\)$'
run status --json
jq_is 'status --json' '[.nodes[] | [.usable, .isolated, .memory_kind]]' \
	'[["0-1","2-7","ordinary"],["11","9","ordinary"],["","","slow"]]'
run map
has 'map: isolated and held' '^node 0 +#+ 2\.0 of 2 CPUs, 6 isolated, 2 held exclusively, '
has 'map: CPUs that are left out' '^ +[ab]{2}-{6}$'
has 'map: of each CPU one mark' '^ +-[ab]-\.---$'
has 'map: the mark is explained' ' - isolated, reserved or not allowed here$'
run map --json
jq_is 'map --json' '[.nodes[] | [.isolated, .held, .offline, .memory_kind]]' \
	'[["2-7","0-1","","ordinary"],["9","","15","ordinary"],["","","","slow"]]'
run map -o -
has 'map -o: the words' '>2\.0 of 2 CPUs, 6 isolated, 2 held exclusively<'
has 'map -o: pale CPUs' "class='idle' style='opacity:.35'"
has 'map -o: the kind of memory' '>slow memory, no CPUs<'
machine=four

run explain web1 --json
jq_is 'explain' '[.id, .asked["limits.cpu"], .runtime_limits.memory, .nodes, .cpus, .mems, .policy, .applied,
	(.reasons | length), .memory[0].asked]' '["web1","4","4GiB","0","0-3","0","strict","cpuset",2,4294967296]'
run explain db --json
jq_is "explain: the runtime's own hugepages" .runtime_limits '{"hugepages":"2MiB=5,1GiB=1"}'
run explain 6f1d
has 'explain: by the beginning of its id' '^container +6f1d2c3b4a5968778695a4b3c2d1e0f0$'
run explain web1
has 'explain: why' '^why +node 0: the fewest that have room$'
has 'explain: asked' '^asked limits\.cpu +4$'
machine=long
long=4b1c5d2e9f80a7b6c5d4e3f2a1b0c9d8e7f6a5b4c3d2e1f00f1e2d3c4b5a6978
"$here/make-machine" -v root="$tmp/long" "$tmp/four.machine"
record "$tmp/long/state" $long 4 0-3 0 0 ask.limits.cpu=4
run status
has 'status: the first twelve of 64 digits' "^${long:0:12} +runc +0 +0-3 +0$"
run status --json
jq_is 'status --json: all of them' '.containers[0].id' $long
run map
has 'map: the first twelve of 64 digits' "^a  ${long:0:12} +0 +0$"
run explain ${long:0:12}
has 'explain: these name it' "^container +$long$"
# The id of one container is the abbreviated id of another one in tables; and two containers have the same id.
record "$tmp/long/state" ${long:0:12} 1 8 1 1 ask.limits.cpu=1
record "$tmp/long/state" web 1 9 1 1 ask.limits.cpu=1
record "$tmp/long/state" web 1 10 1 1 ask.limits.cpu=1 runtime=lxc
record "$tmp/long/state" web1 1 11 1 1 ask.limits.cpu=1
run explain ${long:0:12}
refused 'explain: what a table shows of one id, and the whole of another' 2 \
	"ambiguous, 2 containers match: give the cgroup instead: /made/${long:0:12} /made/$long\$"
run explain $long
has 'explain: the whole long id' "^container +$long$"
run explain /made/$long
has 'explain: by its cgroup' "^container +$long$"
run explain web
refused 'explain: two containers with one id' 2 'ambiguous, 2 containers match'
run explain web1
has 'explain: an id that begins with another one' '^container +web1$'
run explain /made/nothing
refused 'explain: a cgroup without a container' 2 'no such container'
machine=four
run explain 6f1
refused 'explain: three characters of an id' 2 'no such container'
run explain
refused 'explain: no id given' 2 'a container is missing'

run map
has 'map: letters' '^ +c\+aa \.\.\.\.|^ +[a-z+][a-z+]ee \.\.\.\.$'
has 'map: the legend' '^[a-z] +db +2 +2$'
run map --json
jq_is 'map' '[.nodes[] | .load | round]' '[5,2,8,6]'
run map -o "$tmp/map.svg"
is 'map -o prints nothing' ''
xmllint --noout "$tmp/map.svg" 2> "$tmp/stderr"
ok $? 'map -o: is well-formed'
each=$(xmllint --xpath "//*[local-name()='g'][@class='container']/@data-id" "$tmp/map.svg" 2> "$tmp/stderr" | sort)
out=$each got=0
[ "$(wc -l <<< "$each")" = 5 ] && [ "$(sort -u <<< "$each")" = "$each" ] && grep -q '"web1"' <<< "$each"
ok $? 'map -o: the picture has each container once'
out=$(xmllint --xpath "string(//*[local-name()='g'][@class='container'][2]/@data-id)" "$tmp/map.svg") got=0
is 'map -o: a name with all allowed special characters is unchanged in the picture' '+odd.name@x:y'
[ "$(xmllint --xpath "count(//*[local-name()='g'][@class='node'])" "$tmp/map.svg")" = 4 ]
ok $? 'map -o: the picture has each node'
run map -o /nonexistent/x.svg
refused 'map -o to nowhere' 1 'No such file'

run metrics
has 'metrics: load' '^numaplace_node_load_cpus\{node="2"\} 8$'
has 'metrics: asked' '^numaplace_node_memory_asked_bytes\{node="0"\} 4294967296$'
has 'metrics: runtimes' '^numaplace_containers\{runtime="crun"\} 2$'
has 'metrics: decisions' '^numaplace_decisions_total\{result="placed"\} 0$'
[ "$(grep -c '^# TYPE' <<< "$out")" = "$(grep '^# TYPE' <<< "$out" | sort -u | wc -l)" ] &&
	! grep -Evq '^(# (HELP|TYPE) numaplace_[a-z_]+ .*|numaplace_[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? [0-9.e+]+)$' <<< "$out"
ok $? "metrics: every line has the format of Prometheus"
run metrics -o "$tmp/n.prom"
[ "$got" = 0 ] && [ "$(stat -c %a "$tmp/n.prom")" = 644 ] && grep -q hook_seconds_count "$tmp/n.prom"
ok $? 'metrics -o: the file is readable by all users'
run metrics --json
jq_is 'metrics' '[.containers, (.nodes[3].load_cpus | round)]' '[5,6]'

# --- rebalance ---
before=$(find "$tmp/four/state" -type f -exec sha256sum {} + -exec stat -c '%n %Y %i' {} + | sort)
run rebalance --dry-run --json
jq_is 'rebalance' '[(.load_over_mean * 1000 | round), (.load_over_mean_after * 1000 | round), (.moves | length),
	.moves[0].id, .moves[0].to, .moves[0].joins]' '[1667,1667,1,"split","1",true]'
[ "$before" = "$(find "$tmp/four/state" -type f -exec sha256sum {} + -exec stat -c '%n %Y %i' {} + | sort)" ]
ok $? 'rebalance --dry-run writes nothing'
run rebalance
[ "$got" = 2 ] && grep -q 'cannot be moved' "$tmp/stderr"
ok $? 'rebalance with --sysroot of a recorded machine is refused'
run rebalance --max-move x
refused 'rebalance --max-move x' 2 'max-move'

machine=uneven
sed 's/^hugepages.*//' "$tmp/four.machine" > "$tmp/uneven.machine"
"$here/make-machine" -v root="$tmp/uneven" "$tmp/uneven.machine"
for n in 1 2 3 4; do record "$tmp/uneven/state" "c$n" 4 0-7 0 0 ask.limits.cpu=4 mem.0=1073741824; done
record "$tmp/uneven/state" listed 4 0-3 0 0 ask.limits.cpu=0-3
run rebalance --dry-run --json
jq_is 'rebalance: three of five on one node go elsewhere' '[(.load_over_mean * 10 | round), (.load_over_mean_after * 10 | round), .bytes,
	([.moves[] | .id] | unique | length), ([.moves[] | .to | select(. == "0")] | length)]' '[40,16,3221225472,3,0]'
jq_is 'rebalance: 20 threads on 8 CPUs: the moves gain CPUs, and their cost has seconds' \
	'[(.moves | map(.gain_cpus) | add | . > 4 and . < 12), ([.moves[].cost_cpu_seconds * 100 | round] | unique), .moves_not_worth_it]' \
	'[true,[895],0]'
jq_is 'rebalance: never a move that does not gain' \
	'[.moves[] | .load_over_mean] | . == (sort | reverse)' true
run rebalance --dry-run
has 'rebalance: the gain and the cost of all moves' '^predicted: as fast as with [0-9]+\.[0-9]{2} more CPUs, for 26\.8 CPU seconds of moving$'
has 'rebalance: the gain and the cost of a move' '^c[1-4] +0 +[123] +- +1GiB +[0-9.]+ +\+[0-9.]+ +8\.9 +evener$'
run rebalance --dry-run --max-move=2GiB --json
jq_is 'rebalance: within --max-move' '[(.load_over_mean_after * 10 | round), .bytes, (.moves | length)]' '[24,2147483648,2]'
run rebalance --dry-run --max-move=1MiB
has 'rebalance: nothing gains' 'no move gains$'

# --- the machine as labels ---
machine=four
run topology --nfd
has 'topology --nfd' '^numaplace\.org/nodes=4$'
! grep -Evq '^[a-z.]+/[a-z-]+=[A-Za-z0-9._-]{1,63}$' <<< "$out"
ok $? 'topology --nfd: every line is a label'

# --- the machine as an object of Kubernetes ---
of_zones='[.zones[] | [.name[5:], (.resources[] | select(.name == $r) | .capacity, .allocatable, .available)] | join(" ")]'
zones_are() { # NAME RESOURCE WANT: capacity, allocatable and available amount of each zone
	jq_is "topology --nrt: $1" "\"$2\" as \$r | $of_zones" "$3"
}
run topology --nrt --node-name worker-1.example
jq_is 'topology --nrt: the object' '[.apiVersion, .kind, .metadata.name, keys]' \
	'["topology.node.k8s.io/v1alpha2","NodeResourceTopology","worker-1.example",["apiVersion","attributes","kind","metadata","zones"]]'
jq_is 'topology --nrt: the attributes' '[.attributes[] | .name + "=" + .value]' \
	'["topologyManagerPolicy=none","topologyManagerScope=container"]'
jq_is 'topology --nrt: the zones' '[.zones[] | .type, keys] | unique' '["Node",["costs","name","resources","type"]]'
jq_is 'topology --nrt: the costs are the distances' '.zones[1].costs | map("\(.name) \(.value)")' \
	'["node-0 12","node-1 10","node-2 21","node-3 21"]'
zones_are 'CPUs that are held or loaded are not available' cpu '["0 8 8 4","1 8 8 6","2 8 8 0","3 8 8 2"]'
zones_are 'requested memory is not available, and hugepages are not allocatable as memory' memory \
	'["0 34359738368 34225520640 16676552704","1 34359738368 34359738368 31457280000","2 34359738368 34359738368 0","3 34359738368 34359738368 32505856000"]'
zones_are 'hugepages in bytes' hugepages-2Mi '["0 134217728 134217728 67108864","1 0 0 0","2 0 0 0","3 0 0 0"]'
machine=left
run topology --nrt --node-name n1
zones_are 'CPUs that containers do not get are not allocatable' cpu '["0 8 2 0","1 7 1 1","2 0 0 0"]'
zones_are 'memory that containers must name is not allocatable' memory \
	'["0 4294967296 4160749568 4160749568","1 4294967296 4294967296 4294967296","2 8589934592 0 0"]'
zones_are 'hugepages that programs have reserved are not available' hugepages-2Mi '["0 134217728 134217728 52428800","1 0 0 0","2 0 0 0"]'
machine=part
sed 's/^hugepages.*/hugepages 0 1048576 4 4/' "$tmp/four.machine" > "$tmp/part.machine"
printf 'hugepages 1 1048576 4 3\nfile etc/numaplace/numaplace.conf reserved-memory = 0:1GiB,3:64GiB\\nreserved-nodes = 2\n' >> "$tmp/part.machine"
printf 'file proc/sys/kernel/hostname Worker7\n' >> "$tmp/part.machine"
"$here/make-machine" -v root="$tmp/part" "$tmp/part.machine"
record "$tmp/part/state" third 1 7-9 0,1 0,1 ask.limits.cpu=1 pages.0=3 pages.1=1
run topology --nrt
jq_is 'topology --nrt: the name of the host, in lower case' .metadata.name worker7
zones_are 'parts of CPUs' cpu '["0 8 8 7667m","1 8 8 7333m","2 8 0 0","3 8 8 8"]'
zones_are 'reserved-memory and reserved-nodes are not allocatable' memory \
	'["0 34359738368 28991029248 19897778176","1 34359738368 30064771072 30064771072","2 34359738368 0 0","3 34359738368 0 0"]'
zones_are 'hugepages that a container has not touched yet are not available' hugepages-1Gi \
	'["0 4294967296 4294967296 1073741824","1 4294967296 4294967296 2147483648","2 0 0 0","3 0 0 0"]'
NODE_NAME=of-the-pod run topology --nrt
jq_is 'topology --nrt: NODE_NAME of the environment' .metadata.name of-the-pod
NODE_NAME=of-the-pod run topology --nrt --node-name=given
jq_is 'topology --nrt: --node-name rather than NODE_NAME' .metadata.name given
for name in Worker -a a- a..b a.-b a-.b .a a_b 'a b' '' "$(printf '%0254d' 0)"; do
	run topology --nrt --node-name="$name"
	refused "topology --nrt --node-name=$name" 2 '^numaplace: topology: --node-name: (empty|".*": not the name of a node of Kubernetes)'
done
run topology --nrt --node-name="$(printf '%0253d' 0)"
jq_is 'topology --nrt: a name of 253 characters' '.metadata.name | length' 253
NODE_NAME=A run topology --nrt
refused 'topology --nrt: NODE_NAME=A' 2 '^numaplace: topology: NODE_NAME: "A": not the name'
machine=four
run topology --nrt
refused 'topology --nrt: a machine without a name' 2 'give --node-name$'
run topology --node-name a
refused 'topology --node-name without --nrt' 2 'topology: --node-name: only with --nrt$'
run topology --nfd --nrt
refused 'topology --nfd --nrt' 2 'topology: --nfd and --nrt: one is enough$'

# --- virt: the XML of a domain ---
machine=four
if [ -x "${numaplace%/*}/virt" ]; then
	# domain CPUS GIB [MORE]: $tmp/domain.xml
	domain() {
		printf '<domain><name>vm</name><uuid>78c29c17-b93d-4bd8-9612-6428356e11cd</uuid><memory unit="GiB">%s</memory><vcpu>%s</vcpu>%s</domain>' \
			"$2" "$1" "${3:-}" > "$tmp/domain.xml"
	}
	virt() { run virt --xml "$tmp/domain.xml" "$@"; }
	pins='[.vcpus[].cpu]'
	domain 2 1
	run --json plan limits.cpu=2 limits.memory=1GiB
	want=$(jq -r .cpus <<< "$out")
	virt --json
	jq_is 'virt chooses as plan does, and no CPU that a container has' .cpus "$want"
	virt --dry-run
	has 'virt --dry-run prints a difference' '^\+  ?<?.*vcpupin vcpu="1" cpuset='
	virt
	printf '%s\n' "$out" > "$tmp/domain.xml"
	virt --dry-run
	is 'virt on its own XML: there is no difference' ''
	virt --json limits.cpu.nodes=1
	jq_is 'virt with a key' '[.changed, .nodes, .mems]' '[true,"1","1"]'
	domain 2 1 '<cputune><vcpupin vcpu="0" cpuset="12"/><vcpupin vcpu="1" cpuset="14"/></cputune>'
	virt --json
	jq_is 'virt stays within the pins of the user' "$pins" '[12,14]'
	virt
	printf '%s\n' "$out" > "$tmp/domain.xml"
	virt --json limits.cpu.threads=one
	jq_is 'also when it chooses again' "$pins" '[12,14]'
	virt --json --drop-pins limits.cpu.nodes=3
	jq_is 'virt --drop-pins chooses elsewhere' .nodes 3
	domain 4 2 '<cpu><topology sockets="1" cores="2" threads="2"/></cpu>'
	virt --json
	jq_is 'the threads of a core of the guest are those of a core' "$pins | [.[0] % 2, .[1] - .[0], .[2] % 2, .[3] - .[2]]" '[0,1,0,1]'
	domain 2 40 '<cpu><numa><cell id="0" cpus="0" memory="20" unit="GiB"/><cell id="1" cpus="1" memory="20" unit="GiB"/></numa></cpu>'
	virt --json
	jq_is 'cells that do not fit on one node together are on two' '[.cells[].node] | sort' '[1,3]'
	domain 2 40 '<cpu><numa><cell id="0" cpus="0" memory="4" unit="GiB"/><cell id="1" cpus="1" memory="36" unit="GiB"/></numa></cpu>'
	virt
	refused 'a cell that no node has room for' 1 'cell 1: no node alone has room for it: limits.memory: 36GiB requested, .* available'
	domain 33 1
	virt
	refused 'more virtual CPUs than CPUs' 1 '33 virtual CPUs need one CPU each, [0-9]+ can be given'
	domain 2 400
	virt
	refused 'more memory than the machine has' 1 'limits.memory: 400GiB requested, .* available'
	domain 2 1 '<memoryBacking><hugepages><page size="1" unit="G"/></hugepages></memoryBacking>'
	virt
	refused 'hugepages that no node has' 1 'hugepages'
	domain 2 1
	for key in limits.cpu=4 limits.memory=1GiB limits.memory.hugepages=true limits.foo=1 words volatile.cpu.nodes=1; do
		virt "$key"
		refused "virt $key" 2 '^numaplace: domain '
	done
	run virt vm
	refused 'virt of a domain, on a recorded machine' 2 'sysroot'
	run virt --xml "$tmp/nowhere"
	refused 'a file that does not exist' 2 'nowhere'
	printf '<domain' > "$tmp/domain.xml"
	virt
	refused 'a file that is not XML' 2 'not well-formed'
	for name in '' ../x $'a\nb' --all; do
		"$numaplace" virt -- "$name" > "$tmp/out" 2> "$tmp/stderr"
		got=$? out=$(cat "$tmp/out")
		refused "a domain named \"$name\"" 2 'not the name of a domain'
	done
	VIRSH_DEFAULT_CONNECT_URI=qemu+ssh://other/system "$numaplace" virt vm > "$tmp/out" 2> "$tmp/stderr"
	got=$? out=$(cat "$tmp/out")
	refused 'the libvirt of another host' 2 "not this host's QEMU"
fi

# --- doctor, on a made host ---
run doctor
[ "$got" = 1 ] && grep -Eq '^do +cgroup v2' <<< "$out"
ok $? 'doctor: a host without cgroup v2 is reported, status 1'
mkdir -p "$tmp/four"/{sys/fs/cgroup,usr/bin,usr/libexec/numaplace,usr/share/containers/oci/hooks.d,proc/sys/kernel}
echo 'cpuset cpu memory' | tee "$tmp/four/sys/fs/cgroup/cgroup."{controllers,subtree_control} > /dev/null
echo 0 > "$tmp/four/proc/sys/kernel/numa_balancing"
chmod 700 "$tmp/four/state"
run doctor --json
jq_is 'doctor: all fine' '[.checks[] | select(.verdict == "do")]' '[]'
jq_is 'doctor: a kernel without seccomp' '[.checks[] | select(.check == "filter") | .verdict, (.text | test("no seccomp"))]' '["note",true]'
mkdir "$tmp/four/proc/sys/kernel/seccomp"
echo 'kill_process kill_thread trap errno trace log allow' > "$tmp/four/proc/sys/kernel/seccomp/actions_avail"
run doctor --json
jq_is 'doctor: and with it' '[.checks[] | select(.check == "filter") | .verdict]' '["fine"]'
touch "$tmp/four/usr/bin/podman"
run doctor
[ "$got" = 1 ] && grep -Eq '^do +hooks\.d' <<< "$out"
ok $? 'doctor: podman without the hook is reported'
echo '{"hook":{"path":"/usr/libexec/numaplace/oci-hook"}}' > "$tmp/four/usr/share/containers/oci/hooks.d/50-numaplace.json"
run doctor
[ "$got" = 1 ] && grep -q 'names a hook that does not exist' <<< "$out"
ok $? 'doctor: a hook file that names a missing program is reported'
touch "$tmp/four/usr/libexec/numaplace/oci-hook"
run doctor
[ "$got" = 0 ]
ok $? 'doctor: podman with the hook is fine'
run doctor
has 'doctor: the precreate stage is not enabled' '^note +precreate +not enabled'
mkdir -p "$tmp/four/etc/containers/containers.conf.d"
touch "$tmp/four/etc/containers/containers.conf.d/50-numaplace.conf"
run doctor
has 'doctor: it is' '^fine +precreate +enabled'
mkdir -p "$tmp/four/etc/numaplace"
echo 'default = balanced' > "$tmp/four/etc/numaplace/numaplace.conf"
run doctor --json
[ "$got" = 1 ] && jq -e '[.checks[] | select(.verdict == "do")] | length == 1 and .[0].check == "default" and
	(.[0].text | endswith("hooks_dir in /etc/containers/containers.conf"))' <<< "$out" > /dev/null
ok $? 'doctor: a default without hooks for containers without keys is reported'
printf '[engine]\n#hooks_dir = []\nhooks_dir = [\n "/usr/share/containers/oci/hooks.d",\n "/usr/share/numaplace/hooks.d-always",\n]\n' \
	> "$tmp/four/etc/containers/containers.conf"
run doctor
[ "$got" = 0 ]
ok $? 'doctor: a default with hooks.d-always is fine'
for n in 20 50; do # the later file counts
	echo 'hooks_dir = ["/usr/share/containers/oci/hooks.d"]' > "$tmp/four/etc/containers/containers.conf.d/$n-numaplace.conf"
done
export COLUMNS=400
run doctor
has 'doctor: a later file takes hooks.d-always back' \
	'^do +default .*hooks_dir in /etc/containers/containers.conf.d/50-numaplace.conf$'
rm "$tmp/four/etc/numaplace/numaplace.conf"
echo 'hooks_dir = ["/usr/share/numaplace/hooks.d-precreate"]' > "$tmp/four/etc/containers/containers.conf.d/60-mine.conf"
run doctor
has 'doctor: hooks_dir without the usual folder' '^do +hooks.d +/etc/containers/containers.conf.d/60-mine.conf sets hooks_dir without /usr'
unset COLUMNS
rm "$tmp/four/etc/containers/containers.conf" "$tmp/four/etc/containers/containers.conf.d/"[26]0-*
touch "$tmp/four/usr/bin/crio" "$tmp/four/usr/share/containers/oci/hooks.d/50-numaplace-precreate.json"
run doctor
[ "$got" = 1 ] && grep -Eq '^do +precreate +CRI-O does not start' <<< "$out"
ok $? 'doctor: a precreate hook that CRI-O would read is reported'
rm "$tmp/four/usr/bin/crio" "$tmp/four/usr/share/containers/oci/hooks.d/50-numaplace-precreate.json"
echo 7.0.4-amd64 > "$tmp/four/proc/sys/kernel/osrelease"
run doctor
has 'doctor: a kernel that obeys a daemon-reload' '^note +systemd scopes +from Linux 7\.0 on'
echo 6.12.9-amd64 > "$tmp/four/proc/sys/kernel/osrelease"
run doctor
! grep -q 'systemd scopes' <<< "$out"
ok $? 'doctor: a precreate hook that CRI-O does not read is fine'
echo 1 > "$tmp/four/proc/sys/kernel/numa_balancing"
run doctor
has 'doctor: the kernel balances' '^note +numa_balancing +on: '
echo 0 > "$tmp/four/proc/sys/kernel/numa_balancing"
mkdir -p "$tmp/four/proc/77" "$tmp/four/var/lib/kubelet"
echo incusd > "$tmp/four/proc/77/comm"
run doctor
has "doctor: Incus's scheduler" '^note +scheduler +Incus or LXD runs'
echo numad > "$tmp/four/proc/77/comm"
run doctor
[ "$got" = 1 ] && grep -Eq '^do +numad' <<< "$out"
ok $? 'doctor: a running numad is reported'
rm "$tmp/four/proc/77/comm"
# A plugin of NRI that sets CPUs is no problem without numaplace-nri.
mkdir -p "$tmp/four/proc/78" "$tmp/four/opt/nri/plugins" "$tmp/four/etc/containerd"
nri_is() { # STATUS NAME TEXT
	[ "$got" = "$1" ] && [ "$(jq -r '.checks[] | select(.check == "nri") | .verdict + " " + .text' <<< "$out")" = "$3" ]
	ok $? "doctor: $2" "$out"
}
printf '/bin/dracpu\0--flag\0' > "$tmp/four/proc/77/cmdline"
touch "$tmp/four/opt/nri/plugins/"{10-balloons,20-logger,README} "$tmp/four/usr/bin/containerd"
run doctor --json
nri_is 0 'without numaplace-nri, other plugins of NRI are not reported' ''
jq_is 'doctor: containerd that does not place' '[.checks[] | select(.check == "containerd") | .verdict]' '["fine","note"]'
printf '/usr/libexec/numaplace/numaplace-nri\0' > "$tmp/four/proc/78/cmdline"
conflict='can set the CPUs of containers, and the runtime refuses a container whose CPUs two plugins set: use one plugin'
others='if one of them sets CPUs, the runtime refuses each container that numaplace-nri places, too'
run doctor --json
nri_is 1 'two plugins of NRI that set CPUs' "do beside numaplace-nri, 10-balloons, dracpu $conflict
note the runtime also launches 20-logger from /opt/nri/plugins: $others"
[ "$(jq -r '.checks[] | select(.check == "containerd") | .verdict' <<< "$out")" = fine ]
ok $? 'doctor: containerd with numaplace-nri'
rm -r "$tmp/four/proc/7"[78]
mkdir "$tmp/four/opt/nri/mine"
touch "$tmp/four/opt/nri/mine/"{40-numaplace,30-topology-aware}
printf '[plugins."io.containerd.nri.v1.nri"]\n  plugin_path = "/opt/nri/mine"\n' > "$tmp/four/etc/containerd/config.toml"
run doctor --json
nri_is 1 'plugins that containerd launches from another folder' "do beside numaplace-nri, 30-topology-aware $conflict"
rm "$tmp/four/opt/nri/mine/30-topology-aware"
run doctor --json
nri_is 0 'numaplace-nri alone' 'fine numaplace-nri is used; no other plugin is known to set CPUs'
rm -r "$tmp/four/opt" "$tmp/four/etc/containerd" "$tmp/four/usr/bin/containerd"
echo '{"policyName":"static"}' > "$tmp/four/var/lib/kubelet/cpu_manager_state"
run doctor --json
[ "$got" = 1 ] && [ "$(jq -r '.checks[] | select(.verdict == "do") | .check' <<< "$out")" = kubelet ]
ok $? 'doctor: a kubelet with a static CPU manager is reported'
rm -r "$tmp/four/var"
chmod 755 "$tmp/four/state"
run doctor --json
[ "$got" = 1 ] && [ "$(jq -r '.checks[] | select(.verdict == "do") | .check' <<< "$out")" = ledger ]
ok $? 'doctor: a state folder that others can read is reported'

# --- a FIFO instead of a file: reported or skipped, and the program does not wait for it ---
"$here/make-machine" -v root="$tmp/fifo" "$tmp/four.machine"
mkdir -p "$tmp/fifo/proc/77"
waited=''
while [ ! "$waited" ] && read -r file; do
	mv "$file" "$tmp/kept"
	mkfifo "$file"
	for writer in /dev/null "$file"; do
		exec 9<> "$writer"
		timeout 20 "$numaplace" --sysroot "$tmp/fifo" --state "$tmp/fifo/state" plan limits.cpu=2 \
			limits.memory.hugepages=2MiB=1 > /dev/null 2>&1
		[ $? != 124 ] || waited+=" ${file#"$tmp/fifo/"}"
		exec 9>&-
	done
	rm "$file"
	mv "$tmp/kept" "$file"
done < <(find "$tmp/fifo/sys" "$tmp/fifo/proc" -type f -regex '.*/\(node[01]\|cpu[01]\|node\|cpu\|proc\)/.*')
[ -z "$waited" ]
ok $? "no verb waits for a FIFO in place of a file" "$waited"
machine=fifo
mkdir -p "$tmp/fifo/proc/$$"
mkfifo "$tmp/fifo/proc/$$/numa_maps"
printf 'Mems_allowed_list:\t0-3\n' > "$tmp/fifo/proc/$$/status"
run verify $$
refused 'a FIFO in place of numa_maps' 2 '^numaplace: .*proc/[0-9]+/numa_maps: not a regular file$'
for map in cpulist cpumap; do
	rm -f "$tmp/fifo/sys/devices/system/node/node1/"cpu{list,map}
	mkfifo "$tmp/fifo/sys/devices/system/node/node1/$map"
	for writer in /dev/null "$tmp/fifo/sys/devices/system/node/node1/$map"; do
		exec 9<> "$writer"
		run topology
		refused "a FIFO in place of $map (${writer##*/})" 2 "^numaplace: sys/devices/system/node/node1: $map: not a regular file\$"
		exec 9>&-
	done
done
machine=four

# --- help, man pages and completion have every verb ---
verbs=$("$numaplace" help | awk '/Verbs:/ { on = 1; next } /^$/ { on = 0 } on { print $1 }')
for verb in $verbs; do
	out=$("$numaplace" help "$verb" 2> "$tmp/stderr") got=$?
	[ "$got" = 0 ] && [[ $out == Usage:*numaplace*"$verb"* ]] && [ "$out" = "$("$numaplace" "$verb" --help)" ] &&
		[ -e "$here/../../man/numaplace-$verb.1" ]
	ok $? "$verb: help, --help and a man page"
done
run help nonsense
refused 'help of what is no verb' 2 'unknown verb'
complete_words() { # WORD...: what the last of them may become
	bash -c '. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); PATH=$0:$PATH; _numaplace; echo "${COMPREPLY[*]}"' \
		"${numaplace%/*}" "$here/../../contrib/bash-completion/numaplace" "$@" 2> /dev/null
}
got=0 out=$(complete_words numaplace '')
for verb in $verbs; do [[ " $out " == *" $verb "* ]] || got=1; done
ok $got 'completion has every verb'
out=$(complete_words numaplace reb)
is 'completion of a verb' rebalance
out=$(complete_words numaplace --json plan limits.memory.policy = int)
is "completion of a key's value" interleave
out=$(complete_words numaplace rebalance --dr)
is "completion of a verb's option" --dry-run

done_testing
