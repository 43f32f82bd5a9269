# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash
# time limit: 1200 s
# reboots the guest
#
# A machine that is rebooted with Incus's instances on it: the daemon starts them itself, with the agent
# before it and nobody to answer a hook's questions, and they are placed as before.
. /tests/lib.sh
. /tests/incus.sh

# What a boot starts in a multi-user system, at once: the agent, and the daemon's instances.
start_all() { systemctl start numaplace-incus-agent incus-startup; }

if ! rebooted; then
	incus_up
	try incus project create rb-project -c features.images=false -c features.profiles=false
	inc_init r1 -c boot.autostart=true -c limits.cpu=4 -c limits.cpu.nodes=balanced
	inc_init r2 -c boot.autostart=true -c limits.cpu=2 -c limits.cpu.nodes=balanced -c user.numaplace.mode=lead \
		-c user.numaplace.limits.cpu.nodes=3
	inc_init r3 --project rb-project -c boot.autostart=true -c limits.cpu=2 -c user.numaplace.mode=lead
	ok "before: follow starts" inc_start r1
	ok "before: lead starts" inc_start r2
	ok "before: lead in a project starts" try incus start r3 --project rb-project
	is "before: three in the ledger" "$(numaplace status --json | jq -r '[.containers[].id] | sort | join(" ")')" "r1 r2 rb-project_r3"
	# So that something is left to be told: in r2 it is Incus's own choice, made anew at the start, which is not node 3.
	said=$(ledger_says rb-project_r3)
	ok "before: ledger, cgroup and Incus agree" agree rb-project_r3 "${said%% *}" "$(echo "$said" | cut -d' ' -f2)"
	ok "before: Incus is told nonsense" inc_set r3 --project rb-project volatile.cpu.nodes=0,1,2,3
	# It is what stops the instances in order.
	ok "before: the daemon's part in a boot is done" start_all
	reboot_guest
fi

ok "rebooted: the daemon starts its instances" timeout 600 systemctl start numaplace-incus-agent incus-startup
ok "rebooted: incusd answers" try timeout 180 incus query /1.0
for id in r1 r2 rb-project_r3; do
	ok "rebooted: $id is up" patiently [ -d "/sys/fs/cgroup/lxc.payload.$id" ]
done
patiently inc_in_ledger r1 r2 rb-project_r3
is "rebooted: three in the ledger" "$(numaplace status --json | jq -r '[.containers[].id] | sort | join(" ")')" "r1 r2 rb-project_r3"
r1=$(incus_says r1)
is "rebooted: follow: memory on Incus's nodes" "$(cat "$(inc_cgroup r1)/cpuset.mems.effective") $(ledger_says r1 | cut -d' ' -f1)" \
	"$(list "$r1") $r1"
for id in r2 rb-project_r3; do
	said=$(ledger_says $id)
	like "rebooted: $id: a node of its own" "$said" '^[0-3] [0-7]-[0-7] [0-3]$'
	ok "rebooted: $id: ledger, cgroup and Incus agree" agree $id "${said%% *}" "$(echo "$said" | cut -d' ' -f2)"
done
is "rebooted: r2: the node that it asked for" "$(ledger_says r2)" "3 6-7 3"
try incus delete -f r1 r2
try incus delete -f r3 --project rb-project
try incus project delete rb-project
is "stopped: the ledger is empty" "$(numaplace status --json | jq -r '.containers | length')" 0
done_testing
