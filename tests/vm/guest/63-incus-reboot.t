# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash
# time limit: 1200 s
# reboots the guest
#
# A machine with Incus instances is rebooted: the daemon starts the instances after the agent, before it answers requests,
# and they are placed as before.
. /tests/lib.sh
. /tests/incus.sh

# Starts what a boot of a multi-user system starts: the agent and the instances of the daemon.
start_all() { systemctl start numaplace-incus-agent incus-startup; }

if ! rebooted; then
	incus_up
	try incus project create rb-project -c features.images=false -c features.profiles=false
	inc_init r1 -c boot.autostart=true -c limits.cpu=4 -c limits.cpu.nodes=balanced
	inc_init r2 -c boot.autostart=true -c limits.cpu=2 -c limits.cpu.nodes=balanced -c user.numaplace.mode=lead \
		-c user.numaplace.limits.cpu.nodes=3
	inc_init r3 --project rb-project -c boot.autostart=true -c limits.cpu=2 -c user.numaplace.mode=lead
	ok "before the reboot: a follow instance starts" inc_start r1
	ok "before the reboot: a lead instance starts" inc_start r2
	ok "before the reboot: a lead instance in a project starts" try incus start r3 --project rb-project
	is "before the reboot: the ledger has three instances" "$(numaplace status --json | jq -r '[.containers[].id] | sort | join(" ")')" "r1 r2 rb-project_r3"
	# Changes what Incus has, so that the agent must report after the reboot. For r2, Incus chooses again at the start, and
# does not choose node 3.
	said=$(ledger_says rb-project_r3)
	ok "before the reboot: ledger, cgroup and Incus agree" agree rb-project_r3 "${said%% *}" "$(echo "$said" | cut -d' ' -f2)"
	ok "before the reboot: volatile.cpu.nodes of r3 is set to wrong nodes" inc_set r3 --project rb-project volatile.cpu.nodes=0,1,2,3
	# incus-startup stops the instances at shutdown.
	ok "before the reboot: the units of a boot are started" start_all
	reboot_guest
fi

ok "after the reboot: the daemon starts its instances" timeout 600 systemctl start numaplace-incus-agent incus-startup
ok "after the reboot: incusd answers" try timeout 180 incus query /1.0
for id in r1 r2 rb-project_r3; do
	ok "after the reboot: instance $id runs" patiently [ -d "/sys/fs/cgroup/lxc.payload.$id" ]
done
patiently inc_in_ledger r1 r2 rb-project_r3
is "after the reboot: the ledger has three instances" "$(numaplace status --json | jq -r '[.containers[].id] | sort | join(" ")')" "r1 r2 rb-project_r3"
r1=$(incus_says r1)
is "after the reboot: the follow instance has the memory of the nodes that Incus chose" "$(cat "$(inc_cgroup r1)/cpuset.mems.effective") $(ledger_says r1 | cut -d' ' -f1)" \
	"$(list "$r1") $r1"
for id in r2 rb-project_r3; do
	said=$(ledger_says $id)
	like "after the reboot: the ledger has one node for $id" "$said" '^[0-3] [0-7]-[0-7] [0-3]$'
	ok "after the reboot: ledger, cgroup and Incus agree on $id" agree $id "${said%% *}" "$(echo "$said" | cut -d' ' -f2)"
done
is "after the reboot: r2 is on the node that it requests" "$(ledger_says r2)" "3 6-7 3"
try incus delete -f r1 r2
try incus delete -f r3 --project rb-project
try incus project delete rb-project
is "the ledger is empty after all instances were deleted" "$(numaplace status --json | jq -r '.containers | length')" 0
done_testing
