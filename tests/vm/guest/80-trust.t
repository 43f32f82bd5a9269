# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR disable=SC2016
#
# The hook among real, possibly hostile containers: its reduced privileges, pids that another process has now, processes
# that move to another cgroup, a cgroup that does not belong to the container only, few descriptors, a stopped holder of
# the lock, and 40 starts at once.
# Layout: 4x2-pairs.
# time limit: 900 s

. /tests/lib.sh
. /tests/containers.sh
. /tests/placed.sh
. /tests/lxc.sh
trap 'ct_delete_all; lx_end' EXIT

np_syslog
cg=/sys/fs/cgroup
here=$cg/trust
mkdir -p $here

# --- privileges: the filter allows every call of a real placement
# confined NAME TRACE: tests on a strace of a hook
confined() {
	is "$1: the hook sets no_new_privs, drops capabilities, disables core dumps and installs a filter" \
		"$(grep -c -e 'PR_SET_NO_NEW_PRIVS, 1.* = 0' -e 'capset.* = 0' -e 'seccomp(SECCOMP_SET_MODE_FILTER.* = 0' \
		-e 'PR_SET_DUMPABLE, SUID_DUMP_DISABLE.* = 0' "$2")" 4
	is "$1: no call of the hook is refused by its filter" "$(sed '1,/seccomp(SECCOMP/d' "$2" | grep -e ENOSYS -e SIGSYS -e EPERM)" ''
	like "$1: the hook succeeds; $(wc -l < "$2") system calls, $(sed '1,/seccomp(SECCOMP/d' "$2" | wc -l) of them filtered" \
		"$(tail -n 1 "$2")" 'exited with 0'
}
for rt in runc crun; do
	for stage in createRuntime poststop; do
		cat > /run/tests/traced-$rt-$stage <<-END
			#!/bin/sh
			exec strace -f -o /run/tests/calls-$rt-$stage $np_hook --timeout 60 $stage
		END
		chmod +x /run/tests/traced-$rt-$stage
	done
	ok "$rt: a container whose hook runs under strace starts" ct_run $rt few-$rt -j \
		'.annotations["limits.cpu"] = "2" | .annotations["limits.memory"] = "16MiB"' \
		-h createRuntime=/run/tests/traced-$rt-createRuntime -h poststop=/run/tests/traced-$rt-poststop
	like "$rt: a container whose hook runs under strace is placed" "$(np_cpus few-$rt)" '^[0-7]-[0-7]$'
	ct_delete few-$rt
	for stage in createRuntime poststop; do
		confined "$rt, $stage" /run/tests/calls-$rt-$stage
	done
done
cat > /run/tests/traced-lxc <<-END
	#!/bin/sh
	exec strace -f -o "/run/tests/calls-lxc-\$3" $lx_hook --timeout 60 "\$@"
END
chmod +x /run/tests/traced-lxc
lx_make few 'limits.cpu = 2' 'limits.memory = 16MiB'
# owned by another user, so that the hook must restore the owner
chown 44:44 $lx_path/few/config
for stage in pre-start start-host post-stop; do
	hooks="${hooks:-}lxc.hook.$stage = /run/tests/traced-lxc\\n"
done
sed -i "s|^lxc.include.*|$hooks|" $lx_path/few/config
ok "lxc: a container whose hooks run under strace starts" lx_start few
like "lxc: a container whose hooks run under strace is placed" "$(lx_seen few Cpus_allowed_list)" '^[0-7]-[0-7]$'
like "lxc: the config has the nodes and keeps its owner" "$(lx_line few volatile.cpu.nodes) $(stat -c %u:%g $lx_path/few/config)" \
	'^[0-3](,[0-3])? 44:44$'
lx_stop few
is "lxc: a container whose hooks run under strace leaves no record" "$(in_ledger few)" 0
for stage in pre-start start-host post-stop; do
	confined "lxc, $stage" /run/tests/calls-lxc-$stage
done

# --- pids
# box NAME: makes a cgroup with a process and sets $pid.
box() {
	mkdir -p "$here/$1"
	sh -c 'echo $$ > "$0/cgroup.procs"; exec sleep 1000' "$here/$1" > /dev/null 2>&1 &
	pid=$!
	eventually grep -qx $pid "$here/$1/cgroup.procs"
}
unbox() {
	echo 1 > "$here/$1/cgroup.kill"
	eventually rmdir "$here/$1"
}
# place ID PID [OPTION...]: runs the hook as a runtime does. Its output is in $said.
place() {
	p_id=$1 p_pid=$2
	shift 2
	said=$(printf '{"ociVersion":"1.0.2","id":"%s","pid":%s,"bundle":"/none","status":"created","annotations":{"limits.cpu":"2"}}' \
		"$p_id" "$p_pid" | $np_hook --timeout 60 "$@" createRuntime 2>&1)
	p_rc=$?
	echo "place $p_id: $p_rc $said"
	return $p_rc
}
cpus_of() { cat "$here/$1/cpuset.cpus"; }

box gone
kill -9 $pid
wait $pid 2>/dev/null
not_ok "a container whose process has ended is refused" place gone $pid
like "the refusal of a process that has ended has its pid" "$said" "^numaplace: container gone: pid $pid is gone"
is "the cgroup of a process that has ended is unchanged" "$(cpus_of gone)" ''
unbox gone

# A pid that is reused before the hook reads it. The new process is in the cgroup that /proc names; only its start time
# shows that it does not belong to the container.
box gone
gone=$pid
mkfifo /run/tests/late
$np_hook --timeout 60 createRuntime < /run/tests/late > /dev/null 2> /run/tests/late.err &
hook=$!
exec 9> /run/tests/late
# The hook has started when it waits for its state.
waits() { grep -qs 'pipe' "/proc/$hook/wchan" || grep -qs "^0 0x0 " "/proc/$hook/syscall"; }
ok "a hook waits for the state of a container" eventually waits
kill -9 $gone
wait $gone 2>/dev/null
# Starts processes until one has the pid of the ended process.
mkdir $here/again
tries=0
until [ "$pid" = $gone ] && [ $tries -gt 0 ]; do
	tries=$((tries + 1))
	[ $tries -lt 100 ] || break
	[ $tries = 1 ] || kill -9 $pid
	echo $((gone - 1)) > /proc/sys/kernel/ns_last_pid
	sleep 1000 > /dev/null 2>&1 9>&- &
	pid=$!
done
is "another process gets the pid of the container's process (at try $tries)" $pid $gone
echo $pid > $here/again/cgroup.procs
printf '{"id":"late","pid":%s,"annotations":{"limits.cpu":"2"}}' $gone >&9
exec 9>&-
wait $hook
is "a hook that started before the process of its pid refuses it" $? 1
is "the refusal of a reused pid has the reason" "$(cat /run/tests/late.err)" \
	"numaplace: container late: pid $gone was reused: that process started after this hook"
is "the cgroup of a reused pid is unchanged" "$(cpus_of again)" ''
is "the refusal of a reused pid leaves no record" "$(np_ids | xargs)" ''
unbox again
unbox gone

# A process that moves between two cgroups: the hook must place it in the one where it finds it, or refuse it.
mkdir -p $here/hop1 $here/hop2 $here/calm
sh -c 'cd "$0"; while :; do echo $$ > hop1/cgroup.procs; echo $$ > hop2/cgroup.procs; done' $here > /dev/null 2>&1 &
hopper=$!
eventually grep -q trust/hop /proc/$hopper/cgroup
moved='' other=''
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
	if place hop $hopper; then
		printf '{"id":"hop","annotations":{"limits.cpu":"2"}}' | $np_hook --timeout 60 poststop
	else
		case $said in
		*"it was moved"* | *"moved from"*) moved=1 ;;
		*) other="$other$said" ;;
		esac
	fi
done
is "a process that moves between cgroups is placed in one of them, or refused with the reason" "$other" ''
echo "refused because it moved: ${moved:-never}"
is "a process that moves between cgroups: no other cgroup is changed" "$(cat $here/calm/cpuset.cpus $here/cpuset.cpus)" ''
kill -9 $hopper
wait $hopper 2>/dev/null
eventually rmdir $here/hop1 && eventually rmdir $here/hop2 && rmdir $here/calm

# The cgroup of the hook itself does not belong to a container (podman --cgroups=disabled).
mkdir -p $here/shared
said=$(sh -c 'echo $$ > "$0/shared/cgroup.procs"
	printf "{\"id\":\"shared\",\"pid\":$$,\"annotations\":{\"limits.cpu\":\"2\"}}" > /run/tests/shared
	"$1" --timeout 60 createRuntime < /run/tests/shared' $here "$np_hook" 2>&1)
like "a container in the cgroup of its runtime is refused" "$said" \
	'container shared: cgroup /trust/shared also holds the runtime: it is not the container.s own'
is "the cgroup of a runtime with a refused container is unchanged" "$(cpus_of shared)" ''
rmdir $here/shared

# --- few descriptors: the hook refuses with one line and changes nothing, or places the container
box few
for n in 3 4 5 6 7 8 9 10 12; do
	printf '{"id":"few","pid":%s,"annotations":{"limits.cpu":"2"}}' $pid > /run/tests/few
	if said=$(prlimit --nofile=$n $np_hook --timeout 60 createRuntime < /run/tests/few 2>&1); then
		is "with $n descriptors: the container is placed" "$(getfattr --only-values -n trusted.numaplace.record --absolute-names $here/few 2>/dev/null | grep -c '^id=few')" 1
		is "with $n descriptors: the hook prints nothing" "$said" ''
		enough=$n
		$np_hook --timeout 60 poststop < /run/tests/few
	else
		like "with $n descriptors: the container is refused with the reason" "$said" '^numaplace: .*Too many open files$'
		is "with $n descriptors: the cgroup of the refused container is unchanged" "$(cpus_of few)" ''
	fi
	unbox few
	box few
done
is "twelve descriptors are enough for a placement" "$enough" 12
unbox few

# --- a stopped holder of the lock
box a
a_pid=$pid
box b
b_pid=$pid
# The holder of the lock is a hook that is stopped at its first write to the ledger.
(printf '{"id":"stopped","pid":%s,"annotations":{"limits.cpu":"2"}}' $a_pid |
	strace -o /run/tests/stopped -e trace=pwrite64,fcntl -e inject=pwrite64:signal=SIGSTOP:when=1 \
		$np_hook --timeout 100 createRuntime) &
ok "a hook is stopped while it holds the lock of the ledger" eventually grep -q 'stopped by SIGSTOP' /run/tests/stopped
cat /run/tests/stopped
start=$(cut -d. -f1 /proc/uptime)
# A hook waits for the lock for five eighths of its timeout.
ok "another hook succeeds although a stopped hook holds the lock" place b $b_pid --timeout 32
took=$(($(cut -d. -f1 /proc/uptime) - start))
like "the other hook reports that it killed the holder of the lock" "$said" 'killed process [0-9]+: it held the ledger.s lock for [0-9]+ ms'
ok "the other hook waits at least 19 s of its 32 s for the lock: $took" [ $took -ge 19 ]
like "the container of the other hook is placed" "$(cpus_of b)" '^[0-7]'
is "the container of the killed hook is not placed" "$(cpus_of a)" ''
unbox a
unbox b

# --- 40 starts at once, each with an exclusive CPU, on 8 CPUs
for i in 0 1 2 3 4 5 6 7 8 9; do
	for j in 0 1 2 3; do
		case $j in [01]) rt=runc ;; *) rt=crun ;; esac
		bundle c$i$j -j '.annotations["limits.cpu"] = "1" | .annotations["limits.cpu.exclusive"] = "true"' \
			-h createRuntime=$np_hook,--timeout,200,createRuntime -h poststop=$np_hook,--timeout,200,poststop
		echo $rt > $ct_dir/c$i$j/runtime
	done
done
: > $np_log
start=$(cut -d. -f1 /proc/uptime)
for c in $ct_dir/c??; do
	id=${c##*/}
	(timeout 250 "$(cat $c/runtime)" create --bundle $c --pid-file $c/pid $id > $c/log 2>&1 < /dev/null; echo $? > $c/rc) &
	all="${all:-} $!"
done
# shellcheck disable=SC2086 # pids
wait $all
took=$(($(cut -d. -f1 /proc/uptime) - start))
placed=$(grep -lx 0 $ct_dir/c??/rc | wc -l)
is "40 starts at once ($took s): eight containers get the eight CPUs" "$placed" 8
is "40 starts at once: the ledger has the records of the placed containers only" "$(np_ids | xargs)" \
	"$(grep -lx 0 $ct_dir/c??/rc | sed 's,.*/\(c..\)/rc,\1,' | sort | xargs)"
is "40 starts at once: no CPU is granted twice" "$(numaplace status --json | jq -r '.containers[].cpus' | sort -u | wc -l)" 8
tail -n 4 $np_log $ct_dir/c00/log
is "40 starts at once: each of the other 32 is refused with one line" \
	"$(grep -c 'numaplace: container c[0-9][0-9]: no CPU left on nodes 0-3' $np_log)" 32
is "40 starts at once: the kernel leaves one CPU to the machine: one container cannot be a partition, and says so" \
	"$(grep -c 'numaplace: container c[0-9][0-9]: limits.cpu.exclusive: .* only: ' $np_log)" 1
is "40 starts at once: no other message, so no hook gave up or was killed" \
	"$(grep numaplace: $np_log | grep -v -e 'container c[0-9][0-9]: no CPU left on nodes 0-3' -e 'limits.cpu.exclusive: .* only: ')" ''
ct_delete_all
is "40 starts at once: the ledger is empty after all containers were deleted, and all CPUs are left" "$(np_ids | xargs)|$(slurp $cg/cpuset.cpus.effective)" '|0-7'
rmdir $here
done_testing
