# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR disable=SC2016
#
# The cgroup room on a real cgroup2, without a runtime: the hook is given a
# state by hand for a process in a cgroup made by hand, so that every odd
# cgroup can be had: cpuset off, pinned, shrunk under it, made anew, moved.
# Layout: 4x2-pairs.

. /tests/lib.sh

cg=/sys/fs/cgroup
root=$cg/cgt
# an emulated guest on a busy machine may stand still for longer than the hook waits by itself
hook="/usr/libexec/numaplace/oci-hook --timeout 60"
state=/run/numaplace
record=trusted.numaplace.record

# box NAME: a cgroup $root/NAME with a process in it; its pid in $pid.
box() {
	mkdir -p "$root/$1"
	sh -c 'echo $$ > "$0/cgroup.procs"; exec sleep 1000' "$root/$1" > /dev/null 2>&1 &
	pid=$!
	eventually grep -qx $pid "$root/$1/cgroup.procs"
}

# unbox NAME: kill what is in it and remove it.
unbox() {
	echo 1 > "$root/$1/cgroup.kill"
	eventually rmdir "$root/$1"
}

# place ID PID KEY=VALUE...: the hook as a runtime calls it. Its words in $said.
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
# in_ledger ID: its record's files.
in_ledger() { grep -rlsw -- "$1" $state/containers | grep -q .; }

mkdir -p $root

# --- turned on along the path, written, read back, marked
box a
is "cpuset is off below the box's parent" "$(cat $root/cgroup.subtree_control)" ""
ok "a container is placed" place a $pid limits.cpu=4 limits.cpu.nodes=balanced
like "cpuset was turned on for it" "$(cat $root/cgroup.subtree_control)" '\<cpuset\>'
a_cpus=$(cpus a)
# Which pair it is depends on the memory that is free; $other is the one that it is not.
case $a_cpus in 0-3) a_nodes=0-1 other=4-7 ;; *) a_nodes=2-3 other=0-3 ;; esac
like "its CPUs are one near pair's" "$a_cpus" '^(0-3|4-7)$'
is "and so are its memory nodes" "$(mems a)" $a_nodes
is "its process may run on them" "$(sed -n 's/^Cpus_allowed_list:\t//p' /proc/$pid/status)" "$a_cpus"
is "marked with its nodes" "$(mark trusted.volatile.cpu.nodes a)" "$(echo $a_nodes | tr - ,)"
is "and its memory nodes" "$(mark trusted.volatile.memory.nodes a)" "$(echo $a_nodes | tr - ,)"
ok "and its record" has_mark a

# --- a second run
before=$(mark $record a)
ok "a second run is fine" place a $pid limits.cpu=4 limits.cpu.nodes=balanced
is "and changes no CPU" "$(cpus a)" "$a_cpus"
is "and no record" "$(mark $record a)" "$before"

# --- its placer died before the mark: the next finishes it
setfattr -x $record $root/a
echo "${other%-*}" > $root/a/cpuset.cpus
ok "a placement that was cut off is finished" place a $pid limits.cpu=4 limits.cpu.nodes=balanced
is "at its place" "$(cpus a)" "$a_cpus"
ok "and marked" has_mark a

# --- what is in effect is not what was written: back to what was
setfattr -x $record $root/a
echo "${other%-*}" > $root/a/cpuset.cpus
echo 0-3 > $root/a/cpuset.mems
echo $other > $root/cpuset.cpus
not_ok "CPUs that the parent lost: refused" place a $pid limits.cpu=4 limits.cpu.nodes=balanced
like "in one line that says which" "$said" "cpuset.cpus.effective is \"$other\" after \"$a_cpus\" was written"
is "the CPUs are as before" "$(set_of a)" "${other%-*}"
is "the memory nodes, too" "$(cat $root/a/cpuset.mems)" 0-3
not_ok "no mark is left" has_mark a
not_ok "the ledger has forgotten it" in_ledger a
echo 0-7 > $root/cpuset.cpus
unbox a

# --- the rollback of what was empty is an explicit list: a populated cpuset cannot be cleared
box e
ok "one without a pin is placed" place e $pid limits.cpu=4
e_cpus=$(cpus e)
setfattr -x $record $root/e
kill $pid
eventually grep -q 'populated 0' $root/e/cgroup.events
echo > $root/e/cpuset.cpus
echo > $root/e/cpuset.mems
box e
case $e_cpus in 0-3) other=4-7 ;; *) other=0-3 ;; esac
echo $other > $root/cpuset.cpus
not_ok "its place is gone: refused" place e $pid limits.cpu=4
is "the CPUs are what was in effect" "$(set_of e)" $other
is "the memory nodes, too" "$(cat $root/e/cpuset.mems)" 0-3
echo 0-7 > $root/cpuset.cpus
unbox e

# --- the same name is not the same container
box b
ok "another is placed" place b $pid limits.cpu=2
b_cpus=$(cpus b)
b_inode=$(stat -c %i $root/b)
unbox b
box b
ok "a cgroup made anew has another inode" [ "$(stat -c %i $root/b)" != "$b_inode" ]
ok "it is placed" place b $pid limits.cpu=2
is "where the one before was" "$(cpus b)" "$b_cpus"
ok "and marked" has_mark b

# --- the ledger lost, the cgroup not
rm -rf ${state:?}
ok "without its ledger, a marked container is known by its mark" place b $pid limits.cpu=2
is "and stays where it is" "$(cpus b)" "$b_cpus"
box c
ok "the next is placed" place c $pid limits.cpu=2
ok "elsewhere" [ "$(cpus c)" != "$b_cpus" ]

# --- the end
ok "poststop of an id whose container lives is fine" release b
ok "and forgets nothing: another namespace or user may have a container of that id" in_ledger b
ok "its mark stays, too" has_mark b
echo 1 > $root/b/cgroup.kill
eventually grep -q 'populated 0' $root/b/cgroup.events
ok "poststop is fine" release b
not_ok "poststop forgets one that has ended" in_ledger b
ok "poststop of nobody is fine" release nobody
not_ok "a cgroup that outlives its container loses its mark" has_mark b
unbox b
unbox c

# --- the user's pin
box pin
echo 2-5 > $root/pin/cpuset.cpus
echo 1-2 > $root/pin/cpuset.mems
ok "a pinned one is placed" place pin $pid limits.cpu=2
like "within its pin" "$(cpus pin)" '^(2-3|4-5)$'
like "its memory, too" "$(mems pin)" '^[12]$'
unbox pin

# --- what is no container's cgroup
not_ok "the root cgroup is refused" place r 2 limits.cpu=1
like "by name" "$said" 'pid 2 is in the root cgroup'
not_ok "a pid that is gone is refused" place g 4194000 limits.cpu=1
like "by number" "$said" 'pid 4194000 is gone'

# --- a cgroup that is named as LXC's inner ones may be: the cgroup around it is not the container's
mkdir -p $root/lxc
box lxc/.inner
ok "a process in .inner" place lxc $pid limits.cpu=2
not_ok "leaves the outer cgroup unmarked" has_mark lxc
is "and as it was" "$(set_of lxc)" ''
ok "its own is marked" has_mark lxc/.inner
unbox lxc/.inner
unbox lxc

# --- no room for cpuset: processes sit in the parent
echo -cpuset > $root/cgroup.subtree_control
sh -c 'echo $$ > "$0/cgroup.procs"; exec sleep 1000' $root > /dev/null 2>&1 &
sitter=$!
eventually grep -qx $sitter $root/cgroup.procs
box d
not_ok "cpuset that cannot be turned on: refused" place d $pid limits.cpu=2
like "with the file" "$said" '/cgt/cgroup.subtree_control: Device or resource busy'
like "and the remedy" "$said" 'move them into a child cgroup'
kill $sitter
unbox d

# --- an inherited affinity does not narrow the cpuset, whichever pair it is
mkdir -p $root/e
taskset -c 0,4 sh -c 'echo $$ > "$0/cgroup.procs"; exec sleep 1000' $root/e > /dev/null 2>&1 &
pid=$!
eventually grep -qx $pid $root/e/cgroup.procs
ok "one that was started under taskset" place e $pid limits.cpu=4
is "may run on all of its CPUs" "$(sed -n 's/^Cpus_allowed_list:\t//p' /proc/$pid/status)" "$(cpus e)"
unbox e

# --- a kernel that takes longer to move pages than the hook has in all: no signal cuts that short, so it is not counted
box w
quick_hook=$hook
hook="strace -qq -o /run/tests/slow -P $root/w/cpuset.mems -e trace=write -e inject=write:delay_exit=12000000 /usr/libexec/numaplace/oci-hook --timeout 8"
ok "one whose pages take 12 s to move is placed" place w $pid limits.cpu=1 limits.cpu.nodes=3
hook=$quick_hook
like "its write was the slow one" "$(cat /run/tests/slow)" '^write\([0-9]+, "3", 1\) .*DELAYED'
is "it is on its node" "$(mems w)" 3
unbox w

# --- memory that was touched is no longer still to come: the node has room for both only so
echo +memory > $root/cgroup.subtree_control
box m
ok "one with 400 MiB" place m $pid limits.cpu=1 limits.cpu.nodes=1 limits.memory=400MiB
ok "it touches them" sh -c 'echo $$ > "$0/cgroup.procs"; exec dd if=/dev/zero of=/run/tests/touched bs=1M count=400' \
	$root/m
like "on its node" "$(grep '^file ' $root/m/memory.numa_stat)" ' N1=4[12][0-9]{7}( |$)'
box n
ok "another with 120 MiB beside it" place n $pid limits.cpu=1 limits.cpu.nodes=1 limits.memory=120MiB
box o
not_ok "a third with 300 MiB does not fit" place o $pid limits.cpu=1 limits.cpu.nodes=1 limits.memory=300MiB
unbox m
rm /run/tests/touched
ok "but does when the first is gone" place o $pid limits.cpu=1 limits.cpu.nodes=1 limits.memory=300MiB
unbox n
unbox o
rmdir $root

# --- Incus's agent: a signal just before it waits is not waited out
ok "the agent is told to end while it looks: it ends" timeout 50 strace -qq -o /run/tests/agent -e trace=wait4 \
	-e inject=wait4:signal=TERM:when=1 /usr/libexec/numaplace/incus-agent
done_testing 67
