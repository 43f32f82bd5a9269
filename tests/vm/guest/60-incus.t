# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash
# time limit: 1400 s
#
# Real Incus on four nodes: an instance that follows has its memory where Incus put its CPUs; one that
# leads is where numaplace put it, and ledger, cgroup and Incus say so whatever happens to others.
. /tests/lib.sh
. /tests/incus.sh

incus_up
ok "install twice is install once" inc_install
ok "the agent runs" systemctl is-active numaplace-incus-agent

# follow
inc_init f1 -c limits.cpu=4 -c limits.cpu.nodes=balanced -c limits.memory=400MiB
ok "follow: it starts" inc_start f1
nodes=$(incus_says f1)
is "follow: Incus chose two nodes of four" "$nodes" 0,1
is "follow: cpuset.mems.effective is volatile.cpu.nodes" "$(cat "$(inc_cgroup f1)/cpuset.mems.effective")" "$(list "$nodes")"
is "follow: and the ledger's nodes" "$(ledger_says f1 | cut -d' ' -f1,3)" "$nodes $(list "$nodes")"
ok "follow: its CPUs are Incus's" eventually inc_cpus_are f1 0-3
is "follow: what its first process saw" "$(try incus exec f1 -- cat /run/first | sed -n 's/^Mems_allowed_list:[[:space:]]*//p')" \
	"$(list "$nodes")"
root=/proc/$(head -n 1 "$(inc_cgroup f1)/cgroup.procs")/root
# From outside nothing can be made there: our uid 0 is nobody in the instance.
try incus exec f1 -- /bin/busybox mkfifo /out/ready /out/go
try incus exec f1 -- /bin/touch-memory anon 200 > /run/touch.log &
timeout 120 cat "$root/out/ready"
verify=$(numaplace --json verify f1)
ok "follow: 200 MiB touched, verify finds no page elsewhere" numaplace verify f1
echo "$verify"
elsewhere=$(awk -v nodes=",$nodes," '$1 == "anon" { for (i = 2; i <= NF; i++) { split($i, p, "[N=]"); if (index(nodes, "," p[2] ",")) here += p[3]; else away += p[3] } }
	END { print (here >= 200 * 1048576 ? "all here" : "here " here), away + 0 }' "$(inc_cgroup f1)/memory.numa_stat")
is "follow: 200 MiB on its nodes, nothing on others" "$elsewhere" "all here 0"
timeout 20 sh -c "echo end > '$root/out/go'"

# It is moved as what it was started as, whatever the host says by now: all of the nodes, and no CPU.
conf=/etc/numaplace/numaplace.conf
cp $conf /run/conf
echo 'incus-mode = lead' >> $conf
like "follow: a move on a host that leads" "$(numaplace move f1 1-3)" "^f1: memory from 0-1 to 1-3, CPUs are its runtime's\$"
is "follow: its memory is on all of these nodes, its CPUs are Incus's" "$(cgroup_says f1)" "0-3 1-3"
is "follow: the ledger has its nodes" "$(ledger_says f1 | cut -d' ' -f1,3)" "1,2,3 1-3"
ok "follow: moved back" numaplace move f1 "$nodes"
is "follow: where it was" "$(cgroup_says f1)" "0-3 0-1"
cp /run/conf $conf

# lead: nodes 0 and 1 are busy. Incus, which counts, thinks the same of 2 and 3, and would take 0,1.
inc_init l2 -c limits.cpu=1 -c limits.cpu.nodes=2,3 -c user.numaplace.mode=lead
inc_init l1 -c limits.cpu=4 -c limits.cpu.nodes=balanced -c user.numaplace.mode=lead
ok "lead: it starts" inc_start l1
ok "lead: on nodes 2,3: ledger, cgroup and Incus agree" agree l1 2,3 4-7
for i in 1 2 3 4 5; do
	inc_init s$i -c limits.cpu=3
	inc_start s$i
	ok "lead: another one starts: $i" agree l1 2,3 4-7
done
for i in 1 2 3 4 5; do
	inc_stop s$i
	ok "lead: another one stops: $i" agree l1 2,3 4-7
done
echo 0 > /sys/devices/system/cpu/cpu5/online
is "lead: a CPU goes" "$(eventually inc_runs_on l1 4,6-7; cat "$(inc_cgroup l1)/cpuset.cpus.effective")" 4,6-7
ok "lead: ledger, cgroup and Incus agree without it" agree l1 2,3 4-7
echo 1 > /sys/devices/system/cpu/cpu5/online
ok "lead: it comes back" eventually inc_runs_on l1 4-7
ok "lead: ledger, cgroup and Incus agree with it" agree l1 2,3 4-7

echo 0-7 > "$(inc_cgroup l1)/cpuset.cpus"
ok "lead: somebody else's hand is undone" agree l1 2,3 4-7

systemctl stop numaplace-incus-agent
inc_refused l2 "lead without the agent" 'numaplace l2 .*ERROR .*the agent is not running'
ok "lead without the agent: a move" numaplace move l1 0,1
is "lead without the agent: it takes the CPUs along" "$(cgroup_says l1)" "0-3 0-1"
systemctl start numaplace-incus-agent
ok "the agent is back: Incus hears of the move" agree l1 0,1 0-3

# Moved again while the agent has not yet got through with the move before.
daemon=$(systemctl show -p MainPID --value incus)
kill -STOP "$daemon"
ok "lead: a move, and the daemon does not answer" numaplace move l1 2,3
ok "lead: the agent is telling it" eventually pgrep -P "$(systemctl show -p MainPID --value numaplace-incus-agent)"
ok "lead: a move back meanwhile" numaplace move l1 0,1
kill -CONT "$daemon"
ok "lead: what Incus hears last is the last" agree l1 0,1 0-3
inc_stop l1
inc_stop f1
is "stopped: the ledger is empty" "$(numaplace status --json | jq -r '.containers | length')" 0
done_testing
