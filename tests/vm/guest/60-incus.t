# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash
# time limit: 1400 s
#
# Real Incus on four nodes: an instance in follow mode has its memory on the nodes where Incus put its CPUs; an instance in
# lead mode is where numaplace put it, and ledger, cgroup and Incus agree although other instances start and stop.
. /tests/lib.sh
. /tests/incus.sh

incus_up
ok "a second run of contrib/incus/install succeeds" inc_install
ok "numaplace-incus-agent runs" systemctl is-active numaplace-incus-agent

# follow
inc_init f1 -c limits.cpu=4 -c limits.cpu.nodes=balanced -c limits.memory=400MiB
ok "follow: instance f1 starts" inc_start f1
nodes=$(incus_says f1)
is "follow: Incus chooses two of four nodes" "$nodes" 0,1
is "follow: cpuset.mems.effective is volatile.cpu.nodes" "$(cat "$(inc_cgroup f1)/cpuset.mems.effective")" "$(list "$nodes")"
is "follow: the ledger has the nodes that Incus chose" "$(ledger_says f1 | cut -d' ' -f1,3)" "$nodes $(list "$nodes")"
ok "follow: the CPUs are those that Incus chose" eventually inc_cpus_are f1 0-3
is "follow: the first process sees the memory nodes that Incus chose" "$(try incus exec f1 -- cat /run/first | sed -n 's/^Mems_allowed_list:[[:space:]]*//p')" \
	"$(list "$nodes")"
root=/proc/$(head -n 1 "$(inc_cgroup f1)/cgroup.procs")/root
# The FIFOs are made inside, because uid 0 of the host has no id in the instance.
try incus exec f1 -- /bin/busybox mkfifo /out/ready /out/go
try incus exec f1 -- /bin/touch-memory anon 200 > /run/touch.log &
timeout 120 cat "$root/out/ready"
verify=$(numaplace --json verify f1)
ok "follow: verify finds no page of 200 MiB on another node" numaplace verify f1
echo "$verify"
elsewhere=$(awk -v nodes=",$nodes," '$1 == "anon" { for (i = 2; i <= NF; i++) { split($i, p, "[N=]"); if (index(nodes, "," p[2] ",")) here += p[3]; else away += p[3] } }
	END { print (here >= 200 * 1048576 ? "all here" : "here " here), away + 0 }' "$(inc_cgroup f1)/memory.numa_stat")
is "follow: memory.numa_stat has 200 MiB on its nodes and nothing on others" "$elsewhere" "all here 0"
timeout 20 sh -c "echo end > '$root/out/go'"

# A move follows the mode in which the instance was started, not the present incus-mode of the host: the memory moves to
# all named nodes and the CPUs do not move.
conf=/etc/numaplace/numaplace.conf
cp $conf /run/conf
echo 'incus-mode = lead' >> $conf
like "follow: a move moves the memory only, although the host has incus-mode = lead" "$(numaplace move f1 1-3)" "^f1: memory from 0-1 to 1-3, CPUs are its runtime's\$"
is "follow: after the move, the cgroup has the CPUs of Incus and all named memory nodes" "$(cgroup_says f1)" "0-3 1-3"
is "follow: after the move, the ledger has the new nodes" "$(ledger_says f1 | cut -d' ' -f1,3)" "1,2,3 1-3"
ok "follow: a move back succeeds" numaplace move f1 "$nodes"
is "follow: after the move back, the cgroup has its first cpuset" "$(cgroup_says f1)" "0-3 0-1"
cp /run/conf $conf

# Live changes of the configuration. Incus writes the limit and the CPUs; follow lets record and memory follow.
limit_of() { numaplace --json explain "$1" | jq -r .runtime_limits.memory; }
is "live: the record counts limits.memory" "$(limit_of f1)" 400MiB
ok "live: limits.memory is changed" inc_set f1 limits.memory=300MiB
not_ok "live: verify fails" numaplace verify f1
like "live: verify names the limit" "$(numaplace verify f1)" 'drift: memory limit 300MiB instead of 400MiB'
ok "live: numaplace follow succeeds" numaplace follow
is "live: the record counts the new limit" "$(limit_of f1)" 300MiB
ok "live: limits.cpu.nodes is changed" inc_set f1 limits.cpu.nodes=2,3
ok "live: Incus moves the CPUs" eventually inc_cpus_are f1 4-7
numaplace follow
is "live: the memory has followed" "$(cgroup_says f1)" "4-7 2-3"
is "live: so has the record" "$(ledger_says f1 | cut -d' ' -f1,3)" "2,3 2-3"
ok "live: verify finds no page on another node" numaplace verify f1
inc_set f1 limits.cpu.nodes=0,1
ok "live: Incus moves the CPUs back" eventually inc_cpus_are f1 0-3
numaplace follow
is "live: the memory is back" "$(cgroup_says f1)" "0-3 0-1"

# lead: nodes 0 and 1 are busy. Incus counts instances and considers 2 and 3 busy, so it would take 0,1.
inc_init l2 -c limits.cpu=1 -c limits.cpu.nodes=2,3 -c user.numaplace.mode=lead
inc_init l1 -c limits.cpu=4 -c limits.cpu.nodes=balanced -c user.numaplace.mode=lead
ok "lead: instance l1 starts" inc_start l1
ok "lead: ledger, cgroup and Incus agree on nodes 2,3" agree l1 2,3 4-7
for i in 1 2 3 4 5; do
	inc_init s$i -c limits.cpu=3
	inc_start s$i
	ok "lead: after instance s$i has started, ledger, cgroup and Incus still agree" agree l1 2,3 4-7
done
for i in 1 2 3 4 5; do
	inc_stop s$i
	ok "lead: after instance s$i has stopped, ledger, cgroup and Incus still agree" agree l1 2,3 4-7
done
echo 0 > /sys/devices/system/cpu/cpu5/online
is "lead: a CPU that goes offline leaves the effective cpuset" "$(eventually inc_runs_on l1 4,6-7; cat "$(inc_cgroup l1)/cpuset.cpus.effective")" 4,6-7
ok "lead: ledger, cgroup and Incus agree while a CPU is offline" agree l1 2,3 4-7
echo 1 > /sys/devices/system/cpu/cpu5/online
ok "lead: a CPU that comes online returns to the effective cpuset" eventually inc_runs_on l1 4-7
ok "lead: ledger, cgroup and Incus agree after the CPU came online" agree l1 2,3 4-7

echo 0-7 > "$(inc_cgroup l1)/cpuset.cpus"
ok "lead: the agent restores a cpuset that another process has changed" agree l1 2,3 4-7

systemctl stop numaplace-incus-agent
inc_refused l2 "lead without the agent" 'numaplace l2 .*ERROR .*the agent is not running'
ok "lead without the agent: a move succeeds" numaplace move l1 0,1
is "lead without the agent: a move also moves the CPUs" "$(cgroup_says l1)" "0-3 0-1"
systemctl start numaplace-incus-agent
ok "lead: the restarted agent reports the move to Incus" agree l1 0,1 0-3

# A second move while the agent still reports the first one.
daemon=$(systemctl show -p MainPID --value incus)
kill -STOP "$daemon"
ok "lead: a move succeeds while the Incus daemon is stopped" numaplace move l1 2,3
ok "lead: the agent starts to report the move to the stopped daemon" eventually pgrep -P "$(systemctl show -p MainPID --value numaplace-incus-agent)"
ok "lead: a move back succeeds while the agent reports the first move" numaplace move l1 0,1
kill -CONT "$daemon"
ok "lead: after both moves, Incus has the nodes of the last one" agree l1 0,1 0-3
inc_stop l1
inc_stop f1
is "the ledger is empty after all instances have stopped" "$(numaplace status --json | jq -r '.containers | length')" 0
done_testing
