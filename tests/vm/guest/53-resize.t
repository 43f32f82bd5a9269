# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR
#
# Resizes of a live container: its CPUs, memory nodes, record and marks change together, on the nodes where it is if they
# have room; a refused resize changes nothing. Layout: 4x2-pairs (two CPUs and 512 MiB on each node).
# time limit: 600 s

. /tests/memory.sh
mem_setup
# allowed ID FIELD: the field of /proc/PID/status of the container's process now.
allowed() { sed -n "s/^$2:[[:space:]]*//p" "/proc/$(ct_pid "$1")/status"; }
# everywhere ID: the placement in status, cgroup and process; and the marks.
everywhere() {
	echo "$(np_cpus "$1") $(np_mems "$1")|$(effective "$1" cpus) $(effective "$1" mems)|$(allowed "$1" Cpus_allowed_list) $(allowed "$1" Mems_allowed_list)"
}
# watching PID: the process has an inotify descriptor; the list of its descriptors is read at each call.
watching() { grep -qs inotify "/proc/$1/fdinfo/"*; }
placed() { [ "$(everywhere "$1")" = "$2" ]; }
is_partition() { [ "$(slurp "$(ct_cgroup "$1")/cpuset.cpus.partition")" = root ]; }
same() { echo "$1 $2|$1 $2|$1 $2"; }
ticks() { cut -d' ' -f22 "/proc/$1/stat"; }
# refused STATUS TEXT ARGUMENT...: resize fails with the status and an error that has the text, and changes nothing.
refused() {
	r_status=$1 r_text=$2
	shift 2
	r_before=$(everywhere big)
	r_said=$(numaplace resize "$@" 2>&1)
	is "resize $*: refused with status $r_status" "$?" "$r_status"
	like "resize $*: the reason is named" "$r_said" "$r_text"
	is "resize $*: nothing has changed" "$(everywhere big)" "$r_before"
}

for runtime in crun runc; do
	ok "$runtime: a container with one CPU and 100 MiB on node 0 is created" np_create $runtime createRuntime big limits.cpu=1 limits.memory=100MiB \
		limits.cpu.nodes=0 -- /bin/touch-memory anon 60
	ok "$runtime: the container touches 60 MiB" mem_start big
	pid=$(ct_pid big)
	born=$(ticks "$pid")
	is "$runtime: resize --dry-run changes nothing" "$(numaplace resize --dry-run big limits.cpu=2 | sed 's/CPUs from [01]/CPUs from N/')|$(everywhere big | grep -c '0-1')" \
		"big: memory from 0 to 0, CPUs from N to 0-1 (not done: --dry-run)|0"
	ok "$runtime: a resize to two CPUs succeeds" numaplace resize big limits.cpu=2
	is "$runtime: two CPUs of its node" "$(everywhere big)" "$(same 0-1 0)"
	ok "$runtime: a resize to four CPUs on any node succeeds" numaplace resize big limits.cpu=4 limits.cpu.nodes=balanced
	is "$runtime: four CPUs, the other two on the near node" "$(everywhere big)" "$(same 0-3 0-1)"
	is "$runtime: the xattrs have both nodes" "$(xattr big cpu) $(xattr big memory)" "0,1 0,1"
	ok "$runtime: verify finds no page on another node" verify big
	ok "$runtime: a resize back to two CPUs succeeds" numaplace resize big limits.cpu=2
	like "$runtime: two CPUs of one of its nodes are left" "$(everywhere big | tr '|' ' ')" '^(0-1 0 0-1 0 0-1 0|2-3 1 2-3 1 2-3 1)$'
	ok "$runtime: verify finds no page on the node that was given back" verify big
	is "$runtime: the container has the same process" "$(ticks "$pid")" "$born"
	numaplace resize big limits.cpu.nodes=0 > /dev/null
	is "$runtime: the nodes key is changed, too" "$(everywhere big)" "$(same 0-1 0)"

	refused 1 'limits.memory: 10MiB requested, the container uses 6[0-9.]*MiB' big limits.memory=10MiB
	refused 1 'limits.memory: 100GiB requested' big limits.memory=100GiB
	refused 2 'limits.cpus: no such key' big limits.cpus=2
	refused 2 'limits.cpu: "0"' big limits.cpu=0
	refused 2 'x: not of the form KEY=VALUE' big x
	refused 2 'a container and keys are expected' big
	refused 2 'limits.cpu.threads: "one": needs limits.cpu' big limits.cpu=0-1 limits.cpu.threads=one
	refused 2 'volatile.cpu.nodes' big volatile.cpu.nodes=1 limits.cpu=1
	refused 1 'limits.memory.policy: only' big limits.memory.policy=preferred
	refused 2 'no such container' unknown limits.cpu=1

	ok "$runtime: a resize to exclusive CPUs succeeds" numaplace resize big limits.cpu.exclusive=true
	is "$runtime: exclusive: the CPUs are the same" "$(everywhere big)" "$(same 0-1 0)"
	ok "$runtime: exclusive: another container starts" np_create $runtime createRuntime other limits.cpu=6 -- /bin/touch-memory
	is "$runtime: exclusive: it gets the other CPUs" "$(np_cpus other)" 2-7
	refused 1 'limits.cpu' big limits.cpu=4 limits.cpu.nodes=balanced
	ok "$runtime: a resize to one CPU that is shared succeeds" numaplace resize big limits.cpu.exclusive=false limits.cpu=1
	ct_delete other
	ok "$runtime: an exclusive container on one CPU of node 0 starts" np_create $runtime createRuntime other limits.cpu=1 \
		limits.cpu.exclusive=true limits.cpu.nodes=0 -- /bin/touch-memory
	ok "$runtime: a resize to two CPUs on any node succeeds beside it" numaplace resize big limits.cpu=2 limits.cpu.nodes=balanced
	is "$runtime: it has moved to the near node" "$(everywhere big)" "$(same 2-3 1)"
	ok "$runtime: its pages have moved with it" verify big --nodes 1
	is "$runtime: the container has the same process" "$(ticks "$pid")" "$born"
	is "$runtime: a hook of the same container keeps the new placement" "$(crun state big 2> /dev/null > /run/tests/state || runc state big > /run/tests/state
		$np_hook --timeout 60 prestart 2>&1 < /run/tests/state)|$(everywhere big)" "|$(same 2-3 1)"
	# --- another program writes the cpuset
	$runtime update --cpu-quota 50000 --cpu-period 100000 big
	is "$runtime: an update of the quota keeps the placement" "$(everywhere big)" "$(same 2-3 1)"
	$runtime update --memory 200000000 --memory-swap 200000000 big
	is "$runtime: an update of the memory limit keeps the placement" "$(everywhere big)" "$(same 2-3 1)"
	ok "$runtime: verify finds no drift" verify big
	is "$runtime: doctor finds no drift" "$(numaplace --json doctor | jq '[.checks[] | select(.check == "placements")] | length')" 0
	$runtime update --cpuset-cpus 6-7 big
	not_ok "$runtime: after an update of the CPUs, verify fails" verify big
	is "$runtime: and shows the drift" "$(v_of drift) $(v_of cpus_now) $(v_of mems_now) $(v_of verdict)" "true 6-7 1 hit"
	like "$runtime: and names it" "$(numaplace verify big)" 'drift: CPUs 6-7 instead of 2-3: another program'
	like "$runtime: doctor names the drift" "$(numaplace --json doctor | jq -r '.checks[] | select(.check == "placements").text')" '^big: CPUs 6-7 instead of 2-3: '
	ok "$runtime: a resize to these CPUs accepts them" numaplace resize big limits.cpu=6-7 limits.cpu.nodes=balanced
	is "$runtime: the memory follows" "$(everywhere big)" "$(same 6-7 3)"
	ok "$runtime: all pages are on their node" verify big --nodes 3
	ok "$runtime: numaplace-$runtime update --cpuset-cpus succeeds" numaplace-$runtime update --cpuset-cpus 4-5 big
	is "$runtime: the record and the memory have followed" "$(everywhere big)" "$(same 4-5 2)"
	ok "$runtime: all pages have followed" verify big --nodes 2
	ok "$runtime: numaplace-$runtime update of the quota succeeds" numaplace-$runtime update --cpu-quota 60000 --cpu-period 100000 big
	is "$runtime: an update of the quota through numaplace-$runtime keeps the placement" "$(everywhere big)" "$(same 4-5 2)"
	not_ok "$runtime: numaplace-$runtime update that the runtime refuses fails" numaplace-$runtime update --cpuset-cpus 99 big
	is "$runtime: and the placement is kept" "$(everywhere big)" "$(same 4-5 2)"
	$runtime update --cpuset-cpus 6-7 big
	ok "$runtime: numaplace follow succeeds" numaplace follow
	is "$runtime: the record and the memory have followed again" "$(everywhere big)" "$(same 6-7 3)"
	numaplace follow --watch 2> /run/tests/follow &
	follower=$!
	eventually watching $follower
	$runtime update --cpuset-cpus 4-5 big
	ok "$runtime: follow --watch follows an update" eventually placed big "$(same 4-5 2)"
	numaplace resize big limits.cpu=2 > /dev/null
	before=$(everywhere big)
	numaplace move big 1 > /dev/null
	$runtime update --cpuset-cpus 0-7 --cpuset-mems 0-3 big
	ok "$runtime: follow --watch restores a placement that a runtime has replaced by all CPUs" eventually placed big "$(same 2-3 1)"
	ok "$runtime: the exclusive container, whose partition all CPUs have ended before Linux 7.0, is a partition again" eventually is_partition other
	is "$runtime: follow --watch has left resize and move alone" "$(grep -c ' big: ' /run/tests/follow) ${before#*|}" "2 $(same 4-5 2 | cut -d'|' -f2-)"
	kill $follower
	wait $follower
	is "$runtime: follow --watch ends with status 0" $? 0
	$runtime update --cpuset-cpus 1 big
	ok "$runtime: a resize to the recorded request replaces them" numaplace resize big limits.cpu=2
	is "$runtime: status, cgroup and process agree again" "$(everywhere big | grep -c '^\([0-9]-[0-9] [0-9]\)|\1|\1$')" 1
	ct_delete big other
	is "$runtime: after the end, the ledger is empty" "$(np_ids)" ""
done

# --- the memory limit of the runtime is the request of a container without limits.memory
# counted ID: the memory that its record counts, and its place.
counted() { echo "$(numaplace --json explain "$1" | jq -r .runtime_limits.memory) $(np_cpus "$1") $(np_mems "$1")"; }
counts() { [ "$(counted "$1")" = "$2" ]; }
said() { grep -q "$1" /run/tests/follow; }
for runtime in crun runc; do
	ok "$runtime: a container with a memory limit of 100 MiB on node 0 is created" np_create $runtime createRuntime mem limits.cpu=1 \
		limits.cpu.nodes=0 -j '.linux.resources.memory.limit = 104857600' -- /bin/touch-memory
	place=$(counted mem)
	like "$runtime: its record counts the limit" "$place" '^100MiB [01] 0$'
	$runtime update --memory 209715200 --memory-swap -1 mem
	not_ok "$runtime: after an update of the limit, verify fails" numaplace verify mem
	like "$runtime: and shows the difference" "$(numaplace verify mem)" 'memory limit 200MiB instead of 100MiB'
	like "$runtime: so does doctor" "$(numaplace --json doctor | jq -r '.checks[] | select(.check == "placements").text')" '^mem: memory limit 200MiB instead of 100MiB'
	is "$runtime: without follow, the record stays" "$(counted mem)" "$place"
	numaplace follow --watch 2> /run/tests/follow &
	follower=$!
	ok "$runtime: follow --watch counts the limit that was changed before its start" eventually counts mem "200MiB ${place#* }"
	eventually watching $follower
	$runtime update --memory 157286400 --memory-swap -1 mem
	ok "$runtime: it counts a smaller limit" eventually counts mem "150MiB ${place#* }"
	$runtime update --memory 8589934592 --memory-swap -1 mem
	ok "$runtime: a limit that its node does not have is reported with both amounts" eventually said 'memory limit is now 8GiB, its record still counts 150MiB: .*limits.memory: 8GiB requested, '
	is "$runtime: the record and the place stay" "$(counted mem)" "150MiB ${place#* }"
	$runtime update --memory 104857600 --memory-swap -1 mem
	ok "$runtime: it counts the first limit again" eventually counts mem "$place"
	is "$runtime: it says what it does" "$(grep -c 'record counts that instead of' /run/tests/follow)" 3
	kill $follower
	wait $follower
	ct_delete mem
done

# --- the ledger of a watching process is removed
numaplace --state /run/tests/other follow --watch 2> /run/tests/follow &
follower=$!
eventually watching $follower
rm -r /run/tests/other
wait $follower
is "follow --watch ends with status 1 when the ledger is removed" "$?" 1
is "and gives the reason" "$(cat /run/tests/follow)" "numaplace: /run/tests/other: the folder of the ledger was removed"

# --- hugepages
reserve 16 16 0 0 > /dev/null
ok "hugepages: a container with 4 hugepages on node 0 is created" np_create crun createRuntime huge limits.cpu=1 limits.cpu.nodes=0 \
	limits.memory.hugepages=2MiB=4 -- /bin/touch-memory huge 8
ok "hugepages: the container touches them" mem_start huge
refused_huge=$(numaplace resize huge limits.memory.hugepages=2MiB=2 2>&1)
is "hugepages: fewer than it uses are refused" "$?" 1
like "hugepages: the reason has both sizes" "$refused_huge" 'limits.memory.hugepages: 4MiB requested, the container uses 8MiB'
ok "hugepages: more on its node are accepted" numaplace resize huge limits.memory.hugepages=2MiB=8
is "hugepages: it stays on its node" "$(np_mems huge)" 0
ct_delete huge

# --- killed at each kind of call: what other programs then see is the old or the new placement
ok "killed: a container with one CPU on node 0 is created" np_create crun createRuntime big limits.cpu=1 limits.cpu.nodes=0 -- /bin/touch-memory
crun start big
for call in fsetxattr write pwrite64 rename renameat2 linkat unlinkat fcntl; do
	for n in 1 2 3; do
		strace -o /dev/null -e trace=$call -e inject=$call:signal=KILL:when=$n numaplace resize big limits.cpu=2 > /dev/null 2>&1 || true
		now=$(everywhere big)
		case $now in
		"$(same 0-1 0)" | "$(same 0 0)" | "$(same 1 0)") seen=whole ;;
		*) seen=$now ;;
		esac
		is "killed before call $n of $call: the old or the new placement" "$seen" whole
		numaplace resize big limits.cpu=1 > /dev/null || ok "killed before call $n of $call: a resize back succeeds" false
	done
done
ct_delete big
done_testing
