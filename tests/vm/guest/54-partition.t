# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR
#
# Exclusive CPUs by the kernel: the cgroup of an exclusive container is a cpuset partition, and no process outside of it
# runs on its CPUs. They are given back when it ends, however it ends. Where it cannot be a partition, a line says so.
# Layout: 4x2-pairs (two CPUs on each node). Linux 6.12 and later.
# time limit: 900 s

# shellcheck disable=SC2154 # np_hook: of placed.sh

. /tests/memory.sh
mem_setup
cg=/sys/fs/cgroup
# whole: the CPUs of the machine that no partition withholds. listed: the cgroups with exclusive CPUs in their lists.
whole() { slurp $cg/cpuset.cpus.effective; }
listed() { find $cg -name cpuset.cpus.exclusive -exec grep -H . {} + | sed "s|^$cg||; s|/cpuset.cpus.exclusive:| |" | sort | xargs; }
state_of() { slurp "$(ct_cgroup "$1")/cpuset.cpus.partition"; }
# is_partition WHAT ID KIND CPUS: the cgroup, the record and the first process agree.
is_partition() {
	is "$1" "$(state_of "$2")|$(effective "$2" cpus)|$(np_cpus "$2")|$(by "$2")" "$3|$4|$4|kernel"
}
by() { numaplace --json status | jq -r --arg id "$1" '.containers[] | select(.id == $id) | .exclusive // "nothing"'; }
allowed() { sed -n "s/^Cpus_allowed_list:[[:space:]]*//p" "/proc/$1/status"; }
last_cpu() { cut -d' ' -f39 "/proc/$1/stat"; }
# outside PID LIST CPU...: the process may use the CPUs of the list, and was last on none of the others.
outside() {
	[ "$(allowed "$1")" = "$2" ] || return 1
	o_last=$(last_cpu "$1")
	shift 2
	for o_cpu; do
		[ "$o_last" != "$o_cpu" ] || return 1
	done
}
# watching PID: the process has an inotify descriptor. remove FOLDER: removes the cgroup and those below it, which runtimes leave there.
watching() { grep -qs inotify "/proc/$1/fdinfo/"*; }
is_root() { [ "$(state_of "$1")" = root ]; }
remove() { find "$1" -depth -type d -exec rmdir {} +; }
start() { np_create "$@" -- /bin/touch-memory && "$1" start "$3"; }

sh -c 'while :; do :; done' &
loop=$!
for rt in crun runc; do
	taskset -p -c 2-3 $loop > /dev/null
	eventually outside $loop 2-3 0 1 4 5 6 7
	ok "$rt: an exclusive container on node 1 starts" start $rt createRuntime ex limits.cpu=2 limits.cpu.exclusive=true limits.cpu.nodes=1
	ok "$rt: within a second, a busy loop that was bound to its CPUs runs on others" within 1 outside $loop 0-1,4-7 2 3
	is_partition "$rt: it is a partition with CPUs 2-3" ex root 2-3
	is "$rt: the other CPUs are left to the machine" "$(whole)" 0-1,4-7
	like "$rt: explain names the kernel" "$(numaplace explain ex)" '^kept from others by +the kernel$'
	is "$rt: its CPUs are held, and no CPU is disallowed" \
		"$(numaplace --json topology | jq -r '[.nodes[].left_out[]? | select(.cause == "not allowed")] | length')" 0
	ok "$rt: verify finds no drift" verify ex
	like "$rt: a plan for its CPUs names their holder" "$(numaplace plan limits.cpu=2-3 2>&1)" 'CPU 2 is held exclusively by another container'
	ok "$rt: a container beside it starts" start $rt createRuntime beside limits.cpu=6
	is "$rt: it has the other CPUs" "$(np_cpus beside)|$(effective beside cpus)" '0-1,4-7|0-1,4-7'
	ct_delete beside
	is_partition "$rt: after the end of another container it is still a partition" ex root 2-3

	ok "$rt: a resize to isolated CPUs succeeds" numaplace resize ex limits.cpu.exclusive=isolated
	is_partition "$rt: it is an isolated partition" ex isolated 2-3
	ok "$rt: a resize to four CPUs succeeds" numaplace resize ex limits.cpu=4 limits.cpu.nodes=0-1
	is_partition "$rt: it is an isolated partition with CPUs 0-3" ex isolated 0-3
	ok "$rt: a resize to shared CPUs succeeds" numaplace resize ex limits.cpu.exclusive=false limits.cpu=2
	is "$rt: it is no partition, and all CPUs are left" "$(state_of ex)|$(whole)|$(listed)|$(by ex)" 'member|0-7||nothing'
	ok "$rt: a resize to exclusive CPUs of node 1 succeeds" numaplace resize ex limits.cpu.exclusive=true limits.cpu.nodes=1
	is_partition "$rt: it is a partition again" ex root 2-3
	ok "$rt: a move to node 2 succeeds" numaplace move ex 2
	is_partition "$rt: it is a partition with CPUs 4-5" ex root 4-5
	numaplace resize ex limits.cpu.nodes=2 > /dev/null
	is "$rt: the CPUs that it had are given back" "$(whole)|$(listed | grep -c 2-3)" '0-3,6-7|0'

	$rt update --cpuset-cpus 0-7 ex
	is "$rt: an update of the CPUs does not change the CPUs of a partition" "$(effective ex cpus)" 4-5
	ok "$rt: follow restores the placement" numaplace follow
	is_partition "$rt: it is a partition with its CPUs" ex root 4-5
	is "$rt: its cpuset is that of the record" "$(slurp "$(ct_cgroup ex)/cpuset.cpus")" 4-5
	# --- another program writes overlapping CPUs to a cgroup beside it: before Linux 7.0, that ends the partition
	mkdir $cg/other
	echo 4 > $cg/other/cpuset.cpus
	if [ "$(state_of ex)" != root ]; then
		not_ok "$rt: verify fails if another program has ended the partition" verify ex
		like "$rt: and names that" "$(numaplace verify ex)" 'drift: partition "root invalid'
		like "$rt: doctor names it, too" "$(numaplace --json doctor | jq -r '.checks[] | select(.check == "placements").text')" '^ex: partition "root invalid'
		is "$rt: no CPU is lost" "$(whole)" 0-7
		numaplace resize ex limits.cpu.exclusive=true > /run/tests/resize 2>&1
		like "$rt: while the other cgroup has its CPU, it cannot be a partition: the message has the reason" "$(cat /run/tests/resize)" \
			'only: cgroup .*cpuset.cpus.exclusive "4-5" is refused'
		is "$rt: and the record says so" "$(by ex)|$(state_of ex)" 'placed containers|member'
	fi
	rmdir $cg/other
	ok "$rt: a resize makes it a partition again" numaplace resize ex limits.cpu.exclusive=true
	is_partition "$rt: it is a partition again" ex root 4-5
	echo member > "$(ct_cgroup ex)/cpuset.cpus.partition"
	ok "$rt: numaplace follow succeeds" numaplace follow
	is_partition "$rt: it is a partition again, after another program has ended it" ex root 4-5
	numaplace follow --watch 2> /run/tests/follow &
	follower=$!
	eventually watching $follower
	echo member > "$(ct_cgroup ex)/cpuset.cpus.partition"
	ok "$rt: follow --watch makes it a partition again" eventually is_root ex
	kill $follower
	wait $follower
	ct_delete ex
	is "$rt: after its end, all CPUs are left, and no list has one" "$(whole)|$(listed)|$(np_ids)" '0-7||'
	eventually outside $loop 2-3 0 1 4 5 6 7
	is "$rt: the busy loop has its own CPUs again" "$(allowed $loop)" 2-3
done
kill $loop

# --- below other cgroups: the lists of all that are above
mkdir -p $cg/t.slice
echo 6-7 > $cg/t.slice/cpuset.cpus.exclusive
inner() { start crun createRuntime "$1" limits.cpu=2 limits.cpu.exclusive=true "limits.cpu.nodes=$2" -j ".linux.cgroupsPath = \"/t.slice/$1.scope/container\""; }
ok "below a slice and a scope: an exclusive container starts" inner one 1
is_partition "below a slice and a scope: it is a partition" one root 2-3
is "below a slice and a scope: the lists above have its CPUs, and what the administrator has put there" "$(listed)" \
	'/t.slice 2-3,6-7 /t.slice/one.scope 2-3 /t.slice/one.scope/container 2-3'
ok "below a slice and a scope: a second one starts" inner two 2
is_partition "below a slice and a scope: the second one is a partition" two root 4-5
is_partition "below a slice and a scope: the first one still is" one root 2-3
echo 0-3 > $cg/t.slice/two.scope/cpuset.cpus
mkdir $cg/t.slice/other
echo 0-7 > $cg/t.slice/other/cpuset.cpus
is_partition "below a slice and a scope: overlapping CPUs of a cgroup beside the scope do no harm" one root 2-3
rmdir $cg/t.slice/other
kill -KILL "$(ct_pid one)"
eventually ct_gone "$(ct_pid one)"
ok "killed: a third container starts while the cgroup of the first one remains" inner three 1
is_partition "killed: the third one has the CPUs of the first one" three root 2-3
ct_delete one two three
is "after their end, the list of the administrator is as it was" "$(listed)|$(whole)" '/t.slice 6-7|0-7'

# --- where it cannot be a partition
plain() { start crun createRuntime plain limits.cpu=2-3 limits.cpu.exclusive=true -j ".linux.cgroupsPath = \"$1\""; }
if [ "$(uname -r | cut -d. -f1)" -lt 7 ]; then
	ok "beside other cgroups, before Linux 7.0: the container starts" plain /t.slice/plain
	is "beside other cgroups, before Linux 7.0: it is no partition" "$(state_of plain)|$(effective plain cpus)|$(by plain)" 'member|2-3|placed containers'
	like "beside other cgroups, before Linux 7.0: the message says so" "$(ct_said plain)" 'kept from other placed containers only: .*needs Linux 7.0'
	like "beside other cgroups, before Linux 7.0: explain says so" "$(numaplace explain plain)" 'kept from other placed containers only: .*needs Linux 7.0'
	ok "beside other cgroups, before Linux 7.0: doctor says so" \
		sh -c "numaplace --json doctor | jq -e '.checks[] | select(.check == \"exclusive\").text | test(\"^plain: .*only\")'"
	ct_delete plain
fi
mkdir $cg/other
echo 2 > $cg/other/cpuset.cpus
ok "with its CPUs in the cpuset of another cgroup: the container starts" plain /plain
is "with its CPUs in the cpuset of another cgroup: it is no partition, and no list has its CPUs" "$(state_of plain)|$(listed)|$(whole)" 'member|/t.slice 6-7|0-7'
like "with its CPUs in the cpuset of another cgroup: the message says so" "$(ct_said plain)" 'only: cgroup /plain: cpuset.cpus.exclusive "2-3" is refused'
ct_delete plain
rmdir $cg/other
remove $cg/t.slice

# --- a list that an interrupted move has left, and one of another program
mkdir $cg/other
echo 2-3 > $cg/other/cpuset.cpus.exclusive
ok "with its CPUs in a list of another program: the container starts" plain /plain
is "with its CPUs in a list of another program: it is no partition, and the list stays" "$(by plain)|$(listed)" 'placed containers|/other 2-3'
ct_delete plain
setfattr -n trusted.numaplace.exclusive -v 2-3 $cg/other
ok "with its CPUs in a list that numaplace has left: the container starts" plain /plain
is "with its CPUs in a list that numaplace has left: it is a partition, and the list is empty" "$(by plain)|$(listed)" 'kernel|/plain 2-3'
ct_delete plain
rmdir $cg/other

# --- 51 come and go, some of them killed
for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17; do
	for node in 0 1 2; do
		inner "c$node" $node > /dev/null || fail "round $n: a container on node $node starts"
	done
	[ "$(whole)" = 6-7 ] || fail "round $n: three containers withhold six CPUs" "$(whole)"
	[ $((n % 4)) != 0 ] || kill -KILL "$(ct_pid c1)"
	ct_delete c0 c1 c2
done
remove $cg/t.slice
is "after 51 exclusive containers, all CPUs are left, and no list has one" "$(whole)|$(listed)|$(np_ids)" '0-7||'

# --- the hook is killed before its system calls
mkdir -p $cg/k.slice/k.scope/c
for d in $cg/k.slice $cg/k.slice/k.scope; do
	echo '+cpuset' > "$d/cgroup.subtree_control"
done
# hook STAGE [COMMAND...]: runs the hook for the process $pid below k.slice.
hook() {
	printf '{"ociVersion":"1.0.2","id":"k","pid":%d,"status":"creating","annotations":{"limits.cpu":"2","limits.cpu.exclusive":"true","limits.cpu.nodes":"3"}}' \
		"$pid" > /run/tests/k.state
	h_stage=$1
	shift
	"$@" "$np_hook" --timeout 60 "$h_stage" < /run/tests/k.state > /dev/null 2>&1
}
# killed STAGE N CALL: runs the hook and kills it before the Nth call; false if it has made fewer.
killed() { ! hook "$1" strace -o /dev/null -e trace="$3" -e inject="$3:signal=KILL:when=$2"; }
kills=0
for call in write pwrite64 fsetxattr fremovexattr renameat2 unlinkat; do
	n=0 more=true
	while $more; do
		more=false
		n=$((n + 1))
		mkdir -p $cg/k.slice/k.scope/c
		busybox sleep 10000 &
		pid=$!
		echo $pid > $cg/k.slice/k.scope/c/cgroup.procs
		! killed createRuntime $n $call || more=true kills=$((kills + 1))
		if [ $((n % 2)) = 0 ]; then
			hook createRuntime || fail "killed before call $n of $call: the next hook succeeds"
			[ "$(slurp $cg/k.slice/k.scope/c/cpuset.cpus.partition)|$(whole)" = 'root|0-5' ] ||
				fail "killed before call $n of $call: the next hook completes the partition" "$(listed) $(whole)"
		fi
		kill -KILL $pid
		wait $pid
		eventually rmdir $cg/k.slice/k.scope/c
		pid=0
		! killed poststop $n $call || more=true kills=$((kills + 1))
		hook poststop
		[ "$(whole)|$(listed)|$(np_ids)" = '0-7||' ] || fail "killed before call $n of $call: nothing is lost" "$(whole) $(listed) $(np_ids)"
	done
done
rmdir $cg/k.slice/k.scope $cg/k.slice
ok "hooks were killed before $kills of their system calls" [ $kills -ge 15 ]
is "at the end, all CPUs are left, and no list has one" "$(whole)|$(listed)|$(np_ids)" '0-7||'

# --- a resize is killed
ok "a resize is killed: a container starts" start crun createRuntime ex limits.cpu=2 limits.cpu.nodes=1
for call in write fsetxattr fremovexattr pwrite64 renameat2 unlinkat; do
	for n in 1 2; do
		for to in true false; do
			strace -o /dev/null -e trace=$call -e inject=$call:signal=KILL:when=$n numaplace resize ex limits.cpu.exclusive=$to > /dev/null 2>&1
			numaplace resize ex limits.cpu.exclusive=$to > /dev/null || fail "killed before call $n of $call: the next resize succeeds"
			case $(state_of ex)\|$(whole)\|$(by ex) in
			'root|0-1,4-7|kernel') [ $to = true ] ;;
			'member|0-7|nothing') [ $to = false ] ;;
			*) false ;;
			esac || fail "killed before call $n of $call: the next resize to $to completes it" "$(state_of ex)|$(whole)|$(by ex)|$(listed)"
		done
	done
done
ct_delete ex
is "a resize is killed: at the end, all CPUs are left, and no list has one" "$(whole)|$(listed)|$(np_ids)" '0-7||'
done_testing
