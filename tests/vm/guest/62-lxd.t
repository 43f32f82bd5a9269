# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash
# time limit: 1200 s
#
# Real LXD 5.0, which does not support nodes: an instance of two CPUs gets CPUs of any node and memory of all nodes. With
# user.numaplace.* keys numaplace chooses, and an instance with pinned CPUs gets the memory of their nodes.
. /tests/lib.sh
. /tests/incus.sh

# The client of LXD has the same commands as that of Incus.
incus() { lxc "$@"; }
inc_unit=lxd
# shellcheck disable=SC2034 # used by incus.sh
inc_nodes_key=user.numaplace.volatile.cpu.nodes

incus_up
ok "a second run of contrib/incus/install succeeds" inc_install
ok "the agent runs" systemctl is-active numaplace-incus-agent

inc_init p1 -c limits.cpu=2
ok "an instance without keys starts" inc_start p1
is "an instance without keys may use the memory of all nodes" "$(cat "$(inc_cgroup p1)/cpuset.mems.effective")" 0-3
is "an instance without keys has no record" "$(ledger_says p1)" ''
inc_stop p1

inc_init l1 -c limits.cpu=2 -c user.numaplace.mode=lead -c user.numaplace.limits.cpu.nodes=1
ok "lead with a list of nodes: the instance starts" inc_start l1
ok "lead with a list of nodes: ledger, cgroup and LXD agree" agree l1 1 2-3
inc_init l2 -c limits.cpu=4 -c user.numaplace.mode=lead -c user.numaplace.limits.cpu.nodes=balanced
ok "lead with balanced: the instance starts" inc_start l2
ok "lead with balanced: ledger, cgroup and LXD agree on the other pair" agree l2 2,3 4-7
inc_start p1
ok "lead: the scheduler of $inc_unit changes nothing when another instance starts" agree l1 1 2-3
inc_stop p1
ok "lead: the scheduler of $inc_unit changes nothing when another instance stops" agree l2 2,3 4-7

# LXD sets CPUs 2 and 3; numaplace sets the memory only.
inc_init f1 -c limits.cpu=2-3 -c user.numaplace.mode=follow
ok "follow with pinned CPUs: the instance starts" inc_start f1
is "follow with pinned CPUs: the memory node is that of the CPUs" "$(cat "$(inc_cgroup f1)/cpuset.mems.effective")" 1
like "follow with pinned CPUs: the ledger has a record" "$(ledger_says f1)" '^1 .* 1$'
inc_init f2 -c limits.cpu=2 -c user.numaplace.limits.cpu.nodes=1
inc_refused f2 "follow without pinned CPUs" 'numaplace f2 .*ERROR .*needs user.numaplace.mode = lead'

for i in f1 l1 l2; do
	inc_stop $i
done
is "the ledger is empty after all instances have stopped" "$(numaplace status --json | jq -r '.containers | length')" 0
ok "install --remove succeeds" inc_remove
not_ok "install --remove removes the profile" incus profile show numaplace
ok "an instance starts after install --remove" inc_start l1
done_testing
