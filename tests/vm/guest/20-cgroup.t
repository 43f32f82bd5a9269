# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR disable=SC2016
#
# The folder cgroup/ on a real cgroup2, without a runtime: the test makes the cgroup and the OCI state itself, so that it
# can test unusual cgroups: cpuset off, pinned, with a parent that lost CPUs, made again, moved.
# Layout: 4x2-pairs.

. /tests/lib.sh

cg=/sys/fs/cgroup
root=$cg/cgt
# An emulated guest on a busy host may stop for longer than the default timeout of the hook.
hook="/usr/libexec/numaplace/oci-hook --timeout 60"
state=/run/numaplace
record=trusted.numaplace.record

# box NAME: makes a cgroup $root/NAME with a process and sets $pid.
box() {
	mkdir -p "$root/$1"
	sh -c 'echo $$ > "$0/cgroup.procs"; exec sleep 1000' "$root/$1" > /dev/null 2>&1 &
	pid=$!
	eventually grep -qx $pid "$root/$1/cgroup.procs"
}

# unbox NAME: kills the processes of the cgroup and removes it.
unbox() {
	echo 1 > "$root/$1/cgroup.kill"
	eventually rmdir "$root/$1"
}

# place ID PID KEY=VALUE...: runs the hook as a runtime does. Its output is in $said.
place() {
	p_id=$1 p_pid=$2
	shift 2
	said=$(jq -n --arg id "$p_id" --argjson pid "$p_pid" \
		'{ociVersion: "1.0.2", id: $id, pid: $pid, bundle: "/nowhere", status: "created",
		annotations: ($ARGS.positional | map(capture("(?<key>[^=]+)=(?<value>.*)")) | from_entries)}' \
		--args "$@" | $hook createRuntime 2>&1)
	p_rc=$?
	echo "place $p_id: $p_rc $said"
	return $p_rc
}

release() {
	jq -n --arg id "$1" '{ociVersion: "1.0.2", id: $id, pid: 0, bundle: "/", status: "stopped",
		annotations: {"limits.cpu": "1"}}' | $hook poststop
}

cpus() { cat "$root/$1/cpuset.cpus.effective"; }
mems() { cat "$root/$1/cpuset.mems.effective"; }
set_of() { cat "$root/$1/cpuset.cpus"; }
mark() { getfattr --only-values -n "$1" --absolute-names "$root/$2" 2>/dev/null; }
has_mark() { getfattr -n $record --absolute-names "$root/$1" > /dev/null 2>&1; }
# in_ledger ID: succeeds if the ledger has a record of ID.
in_ledger() { grep -rlsw -- "$1" $state/containers | grep -q .; }

mkdir -p $root

# --- turned on along the path, written, read back, marked
box a
is "cpuset is off in the parent of the first container's cgroup" "$(cat $root/cgroup.subtree_control)" ""
ok "a container whose parent cgroup has cpuset off is placed" place a $pid limits.cpu=4 limits.cpu.nodes=balanced
like "the hook enables cpuset in the parent cgroup" "$(cat $root/cgroup.subtree_control)" '\<cpuset\>'
a_cpus=$(cpus a)
# The chosen pair depends on the free memory; $other is the other pair.
case $a_cpus in 0-3) a_nodes=0-1 other=4-7 ;; *) a_nodes=2-3 other=0-3 ;; esac
like "a container of four CPUs gets the CPUs of one near pair" "$a_cpus" '^(0-3|4-7)$'
is "a container of four CPUs gets the memory nodes of its CPUs" "$(mems a)" $a_nodes
is "the process of a placed container may run on the CPUs of its cpuset" "$(sed -n 's/^Cpus_allowed_list:\t//p' /proc/$pid/status)" "$a_cpus"
is "a placed cgroup is marked with its CPU nodes" "$(mark trusted.volatile.cpu.nodes a)" "$(echo $a_nodes | tr - ,)"
is "a placed cgroup is marked with its memory nodes" "$(mark trusted.volatile.memory.nodes a)" "$(echo $a_nodes | tr - ,)"
ok "a placed cgroup is marked with its record" has_mark a

# --- a second run
before=$(mark $record a)
ok "a second run of the hook succeeds" place a $pid limits.cpu=4 limits.cpu.nodes=balanced
is "a second run of the hook changes no CPU" "$(cpus a)" "$a_cpus"
is "a second run of the hook changes no record" "$(mark $record a)" "$before"

# --- the hook was killed before it set the mark: the next run completes the placement
setfattr -x $record $root/a
echo "${other%-*}" > $root/a/cpuset.cpus
ok "a hook that finds an incomplete placement succeeds" place a $pid limits.cpu=4 limits.cpu.nodes=balanced
is "an incomplete placement is completed on its recorded CPUs" "$(cpus a)" "$a_cpus"
ok "an incomplete placement is marked when it is completed" has_mark a

# --- the effective cpuset differs from the written one: the hook restores the previous values
setfattr -x $record $root/a
echo "${other%-*}" > $root/a/cpuset.cpus
echo 0-3 > $root/a/cpuset.mems
echo $other > $root/cpuset.cpus
not_ok "a placement on CPUs that the parent cgroup has lost is refused" place a $pid limits.cpu=4 limits.cpu.nodes=balanced
like "lost CPUs: the refusal has the written and the effective CPUs" "$said" "cpuset.cpus.effective is \"$other\" after \"$a_cpus\" was written"
is "lost CPUs: the refused container keeps its CPUs" "$(set_of a)" "${other%-*}"
is "lost CPUs: the refused container keeps its memory nodes" "$(cat $root/a/cpuset.mems)" 0-3
not_ok "lost CPUs: the refused container has no mark" has_mark a
not_ok "lost CPUs: the refused container has no record" in_ledger a
echo 0-7 > $root/cpuset.cpus
unbox a

# --- the rollback of an empty cpuset writes an explicit list, because the cpuset of a cgroup with processes cannot be cleared
box e
ok "a container without a pin is placed" place e $pid limits.cpu=4
e_cpus=$(cpus e)
setfattr -x $record $root/e
kill $pid
eventually grep -q 'populated 0' $root/e/cgroup.events
echo > $root/e/cpuset.cpus
echo > $root/e/cpuset.mems
box e
case $e_cpus in 0-3) other=4-7 ;; *) other=0-3 ;; esac
echo $other > $root/cpuset.cpus
not_ok "empty cpuset, recorded CPUs lost by the parent: the placement is refused" place e $pid limits.cpu=4
is "empty cpuset: after the refusal, cpuset.cpus has the CPUs that were in effect" "$(set_of e)" $other
is "empty cpuset: after the refusal, cpuset.mems has the nodes that were in effect" "$(cat $root/e/cpuset.mems)" 0-3
echo 0-7 > $root/cpuset.cpus
unbox e

# --- a new cgroup with the name of an earlier one
box b
ok "a container in a cgroup that will be made again is placed" place b $pid limits.cpu=2
b_cpus=$(cpus b)
b_inode=$(stat -c %i $root/b)
unbox b
box b
ok "a cgroup that is made again has another inode" [ "$(stat -c %i $root/b)" != "$b_inode" ]
ok "a container in a cgroup that was made again is placed" place b $pid limits.cpu=2
is "a container in a cgroup that was made again gets the CPUs of the dead one" "$(cpus b)" "$b_cpus"
ok "a container in a cgroup that was made again is marked" has_mark b

# --- the ledger is lost, the cgroup is not
rm -rf ${state:?}
ok "after the ledger was lost, the hook succeeds for a marked container" place b $pid limits.cpu=2
is "after the ledger was lost, a marked container keeps its CPUs" "$(cpus b)" "$b_cpus"
box c
ok "after the ledger was lost, another container is placed" place c $pid limits.cpu=2
ok "after the ledger was lost, another container does not get the CPUs of the marked one" [ "$(cpus c)" != "$b_cpus" ]

# --- the end
ok "poststop of a live container succeeds" release b
ok "poststop of a live container keeps the record: another namespace or user may have a container of that id" in_ledger b
ok "poststop of a live container keeps its mark" has_mark b
echo 1 > $root/b/cgroup.kill
eventually grep -q 'populated 0' $root/b/cgroup.events
ok "poststop of a dead container succeeds" release b
not_ok "poststop of a dead container removes its record" in_ledger b
ok "poststop of an unknown id succeeds" release unknown
not_ok "poststop of a dead container removes the mark of a cgroup that still exists" has_mark b
unbox b
unbox c

# --- the user's pin
box pin
echo 2-5 > $root/pin/cpuset.cpus
echo 1-2 > $root/pin/cpuset.mems
ok "a pinned container is placed" place pin $pid limits.cpu=2
like "a pinned container gets CPUs within its pin" "$(cpus pin)" '^(2-3|4-5)$'
like "a pinned container gets memory nodes within its pin" "$(mems pin)" '^[12]$'
unbox pin

# --- pids that are not in a container's cgroup
not_ok "a process in the root cgroup is refused" place r 2 limits.cpu=1
like "the refusal of a process in the root cgroup names the root cgroup" "$said" 'pid 2 is in the root cgroup'
not_ok "a pid that does not exist is refused" place g 4194000 limits.cpu=1
like "the refusal of a pid that does not exist has the pid" "$said" 'pid 4194000 is gone'

# --- a cgroup with the name of LXC's inner cgroups: the cgroup around it does not belong to the container
mkdir -p $root/lxc
box lxc/.inner
ok "a container in a cgroup named .inner is placed" place lxc $pid limits.cpu=2
not_ok "a container in .inner: the cgroup around it gets no mark" has_mark lxc
is "a container in .inner: the cpuset of the cgroup around it is unchanged" "$(set_of lxc)" ''
ok "a container in .inner: .inner is marked" has_mark lxc/.inner
unbox lxc/.inner
unbox lxc

# --- cpuset cannot be enabled, because the parent has processes
echo -cpuset > $root/cgroup.subtree_control
sh -c 'echo $$ > "$0/cgroup.procs"; exec sleep 1000' $root > /dev/null 2>&1 &
sitter=$!
eventually grep -qx $sitter $root/cgroup.procs
box d
not_ok "a container whose parent cgroup cannot enable cpuset is refused" place d $pid limits.cpu=2
like "parent that cannot enable cpuset: the refusal names the file" "$said" '/cgt/cgroup.subtree_control: Device or resource busy'
like "parent that cannot enable cpuset: the refusal has the remedy" "$said" 'move them into a child cgroup'
kill $sitter
unbox d

# --- an inherited affinity does not narrow the cpuset
mkdir -p $root/e
taskset -c 0,4 sh -c 'echo $$ > "$0/cgroup.procs"; exec sleep 1000' $root/e > /dev/null 2>&1 &
pid=$!
eventually grep -qx $pid $root/e/cgroup.procs
ok "a process that was started under taskset is placed" place e $pid limits.cpu=4
is "a process that was started under taskset may run on all CPUs of its placement" "$(sed -n 's/^Cpus_allowed_list:\t//p' /proc/$pid/status)" "$(cpus e)"
unbox e

# --- the kernel moves pages longer than the timeout of the hook; no signal interrupts this, so its time does not count
box w
quick_hook=$hook
hook="strace -qq -o /run/tests/slow -P $root/w/cpuset.mems -e trace=write -e inject=write:delay_exit=12000000 /usr/libexec/numaplace/oci-hook --timeout 8"
ok "a container whose pages take 12 s to move is placed in spite of --timeout 8" place w $pid limits.cpu=1 limits.cpu.nodes=3
hook=$quick_hook
like "the delayed system call was the write to cpuset.mems" "$(cat /run/tests/slow)" '^write\([0-9]+, "3", 1\) .*DELAYED'
is "a container whose pages take 12 s to move is on its node" "$(mems w)" 3
unbox w

# --- touched memory must not be counted twice, as used and as claimed: otherwise the node has no room for both containers
echo +memory > $root/cgroup.subtree_control
box m
ok "a container with 400 MiB is placed on node 1" place m $pid limits.cpu=1 limits.cpu.nodes=1 limits.memory=400MiB
ok "the container touches its 400 MiB" sh -c 'echo $$ > "$0/cgroup.procs"; exec dd if=/dev/zero of=/run/tests/touched bs=1M count=400' \
	$root/m
like "the touched 400 MiB are on node 1" "$(grep '^file ' $root/m/memory.numa_stat)" ' N1=4[12][0-9]{7}( |$)'
box n
ok "a second container with 100 MiB is placed on node 1" place n $pid limits.cpu=1 limits.cpu.nodes=1 limits.memory=100MiB
box o
not_ok "a third container with 300 MiB on node 1 is refused" place o $pid limits.cpu=1 limits.cpu.nodes=1 limits.memory=300MiB
unbox m
rm /run/tests/touched
ok "the third container is placed when the first one has ended" place o $pid limits.cpu=1 limits.cpu.nodes=1 limits.memory=300MiB
unbox n
unbox o
rmdir $root

# --- the agent of Incus: a signal that arrives just before it waits ends it
ok "a SIGTERM during wait4() ends the Incus agent" timeout 50 strace -qq -o /run/tests/agent -e trace=wait4 \
	-e inject=wait4:signal=TERM:when=1 /usr/libexec/numaplace/incus-agent
done_testing 67
