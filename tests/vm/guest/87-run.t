# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR disable=SC2016
# time limit: 900 s
#
# numaplace run: the command is placed before its first instruction, and exit status, signals, pipes and terminal are its own.
# With systemd it is in a scope, else in a cgroup of its own.
# Layout: 4x2-pairs; script and systemd.

. /tests/lib.sh

cg=/sys/fs/cgroup out=/run/tests/out
! [ -d /run/systemd/system ] || systemd=y
allowed='grep allowed_list /proc/self/status'
sees() { sed -n "s/^$1_allowed_list:[[:space:]]*//p" $out; }
run() { numaplace run "$@" > $out 2>&1; }
ids() { numaplace status --json | jq -r '[.containers[].id] | sort | join(" ")'; }
said() { numaplace status --json | jq -r --arg id "$1" '.containers[] | select(.id == $id) | .runtime + " " + .nodes + " " + .cpus + " " + .mems'; }
ended() { [ -z "$(ids)" ]; }
scopes() { find $cg -depth -type d -name 'numaplace-*' ! -name numaplace-run ! -name 'numaplace-tests*' | wc -l; }

ok "a command is placed" run limits.cpu=2 -- $allowed
like "the command has the CPUs and memory of one node at its begin" "$(sees Cpus) $(sees Mems)" '^(0-1 0|2-3 1|4-5 2|6-7 3)$'
run limits.cpu=2 limits.cpu.nodes=2 -- sh -c 'echo "$NUMAPLACE_CPUS $NUMAPLACE_NODES $NUMAPLACE_MEMORY_NODES"; cat /proc/self/cgroup; numaplace status'
is "the command has the place in its environment" "$(sed -n 1p $out)" "4-5 2 2"
is "the command gets no descriptor from numaplace" "$(numaplace run limits.cpu=1 -- ls /proc/self/fd)" "$(ls /proc/self/fd)"
case ${systemd:-} in
y) like "the command is in a scope of systemd" "$(sed -n 2p $out)" '^0::/system.slice/numaplace-run-[0-9a-f-]*.scope$' ;;
*) like "the command is in a cgroup of its own" "$(sed -n 2p $out)" '^0::/numaplace-run/run-[0-9a-f-]*$' ;;
esac
like "status lists the command" "$(cat $out)" '^run-[0-9a-f-]* *run *2 *4-5 *2$'
is "the ledger is empty after the commands have ended" "$(ids)" ''

# --- exit status, signals, pipe, terminal
status() { run limits.cpu=1 -- "$@"; echo $?; }
is "the exit status is the command's: 0" "$(status true)" 0
is "the exit status is the command's: 7" "$(status sh -c 'exit 7')" 7
is "the command ends by a signal: the shell sees 128 and its number" "$(status sh -c 'kill -KILL $$')" 137
is "a command that is not found: 127" "$(status no-such-command)" 127
like "a command that is not found: the message names it" "$(cat $out)" '^numaplace: run: no-such-command: No such file'
is "a command that cannot be executed: 126" "$(status /etc/passwd)" 126
is "bad input: 2" "$(run limits.cpu=0 -- touch /run/tests/ran; echo $?)" 2
is "a command that does not fit: 1" "$(run limits.cpu=1 limits.memory=100GiB -- touch /run/tests/ran; echo $?)" 1
like "a command that does not fit: the message has the request and what is available" "$(cat $out)" '^numaplace: limits.memory: 100GiB requested, .*available'
not_ok "a command that does not fit is not executed" [ -e /run/tests/ran ]
[ "${systemd:-}" ] && is "a command that does not fit leaves no scope" "$(scopes)" 0
is "the ledger has no record of them" "$(ids)" ''

mkfifo /run/tests/ready /run/tests/never
for signal in TERM INT; do
	# The shell ignores SIGINT in a process that it starts with &; env sets the default action.
	env --default-signal=INT numaplace run --name signal limits.cpu=1 -- sh -c 'trap "echo got TERM; exit 31" TERM
trap "echo got INT; exit 32" INT
echo ready > /run/tests/ready; while :; do sleep 0.1; done' > $out 2>&1 &
	pid=$!
	ok "the command runs before SIG$signal" timeout 100 cat /run/tests/ready
	like "status has the name of the command" "$(said signal)" '^run [0-3] [0-7] [0-3]$'
	kill -$signal $pid
	wait $pid
	st=$?
	is "SIG$signal to the process reaches the command, and its exit status the caller" "$(cat $out) $st" "got $signal $(case $signal in TERM) echo 31 ;; *) echo 32 ;; esac)"
done
numaplace run limits.cpu=1 -- sh -c 'echo ready > /run/tests/ready; read l < /run/tests/never' &
pid=$!
ok "the command runs before SIGTERM without a handler" timeout 100 cat /run/tests/ready
kill -TERM $pid
wait $pid
is "SIGTERM without a handler: the shell sees 143" $? 143
is "a pipe passes through" "$(echo hello | numaplace run limits.cpu=1 -- cat | tr a-z A-Z)" HELLO
script -qec "stty cols 77; numaplace run limits.cpu=1 -- sh -c 'test -t 0 && test -t 1 && stty size && exit 5'" /run/tests/typescript > /dev/null
is "in a terminal, the exit status is the command's" $? 5
like "in a terminal, the command has it" "$(cat /run/tests/typescript)" '^[0-9]+ 77'

# --- a name
hold='echo ready > /run/tests/ready; read l < /run/tests/go'
mkfifo /run/tests/go
start() { # NAME KEY...: the command runs until end
	st_name=$1
	shift
	numaplace run --name "$st_name" "$@" -- sh -c "$hold" > $out.$st_name 2>&1 &
	st_pid=$!
	timeout 100 cat /run/tests/ready > /dev/null
}
end() { echo go > /run/tests/go; wait "$st_pid"; }
ok "a command with a name starts" start web limits.cpu=2 limits.cpu.nodes=1,3 volatile.cpu.nodes=3
is "a command with a name has its record" "$(said web)" 'run 3 6-7 3'
not_ok "a second command of this name is refused while the first runs" run --name web limits.cpu=1 -- touch /run/tests/ran
not_ok "the second command is not executed" [ -e /run/tests/ran ]
is "the record of the first is unchanged" "$(said web)" 'run 3 6-7 3'
ok "verify finds its pages on its node" numaplace verify web
like "explain says why it is there" "$(numaplace explain web)" '^runtime *run$'
ok "it moves to another node" numaplace move web 1
group=$(numaplace explain --json web | jq -r .cgroup)
is "it has the CPUs and memory of the other node" "$(cat "$cg$group/cpuset.cpus.effective" "$cg$group/cpuset.mems.effective" | xargs)" '2-3 1'
[ "${systemd:-}" ] && is "systemd has the CPUs of the other node" "$(systemctl show -p AllowedCPUs -p AllowedMemoryNodes numaplace-web.scope | sed 's/^.*=//' | xargs)" '2-3 1'
ok "it is resized" numaplace resize web limits.cpu=1
like "it has one CPU" "$(said web)" '^run 1 [23] 1$'
end
ok "a command of the same name starts again" start web limits.cpu=2
is "it returns to the node where it was" "$(said web | cut -d' ' -f2)" 1
end
is "a name is checked" "$(run --name 'a/b' limits.cpu=1 -- true; echo $?)" 2
is "a name like those of nameless commands is refused" "$(run --name run-1 limits.cpu=1 -- true; echo $?)" 2

# --- memory policies: as numactl would set them
policy() { run limits.cpu=1 limits.cpu.nodes=0-1 limits.memory.nodes="$2" limits.memory.policy="$1" -- sh -c 'head -n 1 /proc/self/numa_maps'; sed 's/^[0-9a-f]* //; s/ file=.*//; s/ anon=.*//' $out; }
is "policy strict: the kernel has the default policy within the cpuset" "$(policy strict 0)" default
is "policy preferred" "$(policy preferred 1)" prefer=static:1
is "policy interleave" "$(policy interleave 0-1)" interleave=static:0-1
is "policy weighted-interleave" "$(policy weighted-interleave 0-1)" 'weighted interleave=static:0-1'

# --- many at once
end_all() {
	for file in /run/tests/pid.*; do
		kill "$(cat "$file")"
	done
	wait
	rm -f /run/tests/pid.*
}
rm -f /run/tests/many.*
for i in 1 2 3 4 5 6 7 8 9 10; do
	{
		numaplace run limits.cpu=1 limits.cpu.exclusive=true -- sh -c "echo \$$ > /run/tests/pid.$i
$allowed > /run/tests/many.$i; read l < /run/tests/never"
		echo "status $?"
	} > /run/tests/said.$i 2>&1 &
done
settled() { [ $(($(cat /run/tests/many.* 2>/dev/null | grep -c Cpus) + $(cat /run/tests/said.* | grep -c '^status'))) = 10 ]; }
ok "ten exclusive commands at once: each is placed or refused" eventually settled
is "two are refused" "$(cat /run/tests/said.* | grep -c '^status 1$')" 2
is "and the reason is that no CPU is free" "$(cat /run/tests/said.* | grep -v -e '^status' -e ' warning: ' | grep -vc 'no CPU left on nodes 0-3: 8 are held by others')" 0
is "eight have each one CPU for themselves" "$(cat /run/tests/many.* | sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' | sort | xargs)" '0 1 2 3 4 5 6 7'
is "and the ledger has eight records" "$(ids | wc -w)" 8
end_all
ok "the ledger is empty after they have ended" eventually ended

# systemd needs long for a hundred scopes on an emulated machine.
many=100 even='12 13' i=0
[ -z "${systemd:-}" ] || many=24 even='3 3'
while [ $((i += 1)) -le $many ]; do
	numaplace run limits.cpu=1 -- sh -c "echo \$$ > /run/tests/pid.$i; echo \$NUMAPLACE_CPUS > /run/tests/hundred.$i; read l < /run/tests/never" 2>> /run/tests/hundred.err &
done
placed() { find /run/tests -name 'hundred.[0-9]*' -size +0 | wc -l; }
refused() { grep -v ' warning: ' /run/tests/hundred.err; }
hundred() { [ $(($(placed) + $(refused | wc -l))) = $many ]; }
within 400 hundred
is "$many commands at once are all placed" "$(placed) $(refused | sort | uniq -c | head -n 5)" "$many "
is "the ledger has $many different ids" "$(ids | tr ' ' '\n' | sort -u | wc -l)" $many
is "each has one of eight CPUs, shared evenly" "$(cat /run/tests/hundred.[0-9]* | sort | uniq -c | awk '{ print $1 }' | sort -n | sed -n '1p;$p' | xargs)" "$even"
end_all
ok "the ledger is empty after all have ended" eventually ended
ok "the next command starts" run limits.cpu=1 -- true
[ "${systemd:-}" ] || is "it has removed the cgroups of the others" "$(find $cg/numaplace-run -mindepth 1 -type d | wc -l)" 1
is "doctor finds nothing wrong with the ledger" "$(numaplace doctor | grep -c 'ledger.*damaged')" 0

# --- a user
mkdir -p /run/tests/user
chown 65534 /run/tests/user
as_user() { setpriv --reuid 65534 --regid 65534 --clear-groups env XDG_RUNTIME_DIR=/run/tests/user "$@"; }
not_ok "a user without a delegated cgroup is refused" as_user numaplace run limits.cpu=1 -- true
like "the message is one line with the remedy" "$(as_user numaplace run limits.cpu=1 -- true 2>&1)" '^numaplace: cgroup .* is not delegated to this user with the cpuset controller: .*Delegate='
if [ -z "${systemd:-}" ]; then
	echo +cpuset +memory > $cg/cgroup.subtree_control
	mkdir -p $cg/user/session
	chown 65534 $cg/user $cg/user/cgroup.procs $cg/user/cgroup.subtree_control $cg/user/session $cg/user/session/cgroup.procs
	ok "a user in a delegated cgroup runs a command" sh -c 'echo 0 > $0/user/session/cgroup.procs
exec setpriv --reuid 65534 --regid 65534 --clear-groups env XDG_RUNTIME_DIR=/run/tests/user numaplace run limits.cpu=2 -- sh -c "grep allowed_list /proc/self/status; cat /proc/self/cgroup" > /run/tests/out' $cg
	like "the command of the user has the CPUs and memory of one node" "$(sees Cpus) $(sees Mems)" '^(0-1 0|2-3 1|4-5 2|6-7 3)$'
	like "it is in a cgroup of its own, below the delegated one" "$(cat $out)" '^0::/user/numaplace-run/run-'
	ok "its record was in the ledger of the user" [ -d /run/tests/user/numaplace/containers ]
fi
done_testing
