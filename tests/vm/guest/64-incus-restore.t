# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash
# time limit: 600 s
#
# incus stop --stateful and incus start: CRIU restores the instance, which is placed and recorded like one that starts.
#
# liblxc 6.0.4 restores no container with a console ("lxc.console.path configured on source host but not target"), with or
# without numaplace. Incus sets lxc.apparmor.profile also where the kernel has no AppArmor, as here, and CRIU refuses that.
. /tests/lib.sh
. /tests/incus.sh

incus_up
/usr/share/numaplace/criu/install
raw_lxc=$(
	incus profile get numaplace raw.lxc
	printf '%s\n' 'lxc.console.path = none' 'lxc.apparmor.profile ='
)
placed() { sed -n 's/^\(Cpus\|Mems\)_allowed_list:[[:space:]]*//p' "/proc/$(head -n 1 "$(inc_cgroup r1)/cgroup.procs")/status" | xargs; }
# restored WHAT: r1, which runs, is stopped and restored.
restored() {
	ok "$1: a stateful stop succeeds" try incus stop --stateful r1
	ok "$1: the ledger is empty" eventually ledger_is_empty
	not_ok "$1: its cgroup is gone" [ -e "$(inc_cgroup r1)" ]
	ok "$1: a stateful start succeeds" inc_start r1
	like "$1: CRIU has restored its processes" "$(cat /var/log/incus/r1/snapshot_restore_*.log | tail -n 5)" 'Restore finished successfully|post-resume'
}

inc_init r1 -c limits.cpu=2 -c limits.cpu.nodes=balanced -c migration.stateful=true -c raw.lxc="$raw_lxc"
ok "follow: instance r1 starts" inc_start r1
restored follow
nodes=$(incus_says r1)
is "follow: the ledger has the nodes that Incus chose" "$(ledger_says r1 | cut -d' ' -f1,3)" "$nodes $nodes"
is "follow: so has the cgroup" "$(cat "$(inc_cgroup r1)/cpuset.mems.effective")" "$nodes"
ok "follow: verify finds no page on another node" numaplace verify r1
inc_stop r1
inc_set r1 user.numaplace.mode=lead
ok "lead: instance r1 starts" inc_start r1
restored lead
place=$(ledger_says r1)
like "lead: it is recorded on two CPUs of one node" "$place" '^(0 0-1 0|1 2-3 1|2 4-5 2|3 6-7 3)$'
ok "lead: ledger, cgroup and Incus agree" agree r1 "${place%% *}" "$(echo "$place" | cut -d' ' -f2)"
is "lead: the process has the recorded CPUs and node" "$(placed)" "$(echo "$place" | cut -d' ' -f2,3)"
inc_stop r1
/usr/share/numaplace/criu/install --remove
ok "the ledger is empty at the end" eventually ledger_is_empty
done_testing
