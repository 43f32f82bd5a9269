# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash
# time limit: 1200 s
#
# Real LXD 5.0, which knows nothing of nodes: an instance of two CPUs gets them on any, and memory on all. With
# user.numaplace.* keys it is numaplace that chooses, and pinned CPUs have their memory beside them.
. /tests/lib.sh
. /tests/incus.sh

# LXD's client has Incus's commands.
incus() { lxc "$@"; }
inc_unit=lxd
# shellcheck disable=SC2034 # for incus.sh
inc_nodes_key=user.numaplace.volatile.cpu.nodes

incus_up
ok "install twice is install once" inc_install
ok "the agent runs" systemctl is-active numaplace-incus-agent

inc_init p1 -c limits.cpu=2
ok "without keys: it starts" inc_start p1
is "without keys: its memory is anywhere" "$(cat "$(inc_cgroup p1)/cpuset.mems.effective")" 0-3
is "without keys: it is not in the ledger" "$(ledger_says p1)" ''
inc_stop p1

inc_init l1 -c limits.cpu=2 -c user.numaplace.mode=lead -c user.numaplace.limits.cpu.nodes=1
ok "lead, a list of nodes: it starts" inc_start l1
ok "lead, a list of nodes: ledger, cgroup and LXD agree" agree l1 1 2-3
inc_init l2 -c limits.cpu=4 -c user.numaplace.mode=lead -c user.numaplace.limits.cpu.nodes=balanced
ok "lead, balanced: it starts" inc_start l2
ok "lead, balanced: the other pair" agree l2 2,3 4-7
inc_start p1
ok "another one starts: $inc_unit's scheduler changes nothing" agree l1 1 2-3
inc_stop p1
ok "it stops" agree l2 2,3 4-7

# LXD says CPU 2 and 3: what numaplace does is memory.
inc_init f1 -c limits.cpu=2-3 -c user.numaplace.mode=follow
ok "follow, pinned CPUs: it starts" inc_start f1
is "follow, pinned CPUs: memory on their node" "$(cat "$(inc_cgroup f1)/cpuset.mems.effective")" 1
like "follow, pinned CPUs: in the ledger" "$(ledger_says f1)" '^1 .* 1$'
inc_init f2 -c limits.cpu=2 -c user.numaplace.limits.cpu.nodes=1
inc_refused f2 "follow, where LXD takes CPUs anywhere" 'numaplace f2 .*ERROR .*needs user.numaplace.mode = lead'

for i in f1 l1 l2; do
	inc_stop $i
done
is "stopped: the ledger is empty" "$(numaplace status --json | jq -r '.containers | length')" 0
ok "install --remove" inc_remove
not_ok "no profile any more" incus profile show numaplace
ok "removed: it starts" inc_start l1
done_testing
