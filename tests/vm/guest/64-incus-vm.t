# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash
# time limit: 1400 s
#
# Virtual machines of a real Incus: QEMU runs them with the KVM of this guest, whose CPU is emulated and has SVM. They have
# no operating system; SeaBIOS finds no disk to boot from. The agent places them after their start, in both modes.
. /tests/lib.sh
. /tests/incus.sh

# Incus checks once, when it starts, whether QEMU and a UEFI firmware are there. No machine here uses the latter.
modprobe kvm_amd || bail "no KVM"
modprobe vhost_vsock || bail "no vsock"
mkdir -p /usr/share/OVMF
for f in CODE VARS; do cp /usr/share/seabios/bios-256k.bin /usr/share/OVMF/OVMF_$f.fd; done
can_run_machines() {
	incus query /1.0 | grep -q '"driver": .*qemu' && return
	qemu-system-x86_64 --version # so that its files are in memory: the check has a time limit
	systemctl restart incus
	incus query /1.0 | grep -q '"driver": .*qemu'
}
systemctl is-active incus && systemctl stop incus
incus_up
eventually can_run_machines || bail "Incus cannot run virtual machines"

# inc_vm NAME [OPTION...]: makes a virtual machine.
inc_vm() {
	vm_name=$1
	shift
	try incus -q init "$vm_name" --empty --vm -p bare -c security.csm=true -c security.secureboot=false -c limits.memory=64MiB "$@"
}
vm_pid() { cat "/run/incus/$1/qemu.pid"; }
vm_scope() { echo "/machine.slice/incus-vm-$1.scope"; }
vm_group() { sed -n 's/^0:://p' "/proc/$(vm_pid "$1")/cgroup"; }
# vm_cpus NAME: the CPUs on which its threads may run. Incus lets QEMU not name the threads of virtual CPUs.
vm_cpus() { sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' "/proc/$(vm_pid "$1")/task"/*/status | sort -u | xargs; }
recorded_count() { numaplace --json explain "$1" | jq .counts_for; }
counts() { [ "$(recorded_count "$1")" = "$2" ]; }
in_ledger() { [ "$(ledger_says "$1")" ]; }
is_gone() { ! in_ledger "$1"; }
agent_log() { journalctl -u numaplace-incus-agent -o cat --no-pager; }
says() { agent_log | grep -Eq -- "$1"; }
agent_is_idle() { ! pgrep -P "$(systemctl show -p MainPID --value numaplace-incus-agent)"; }

# follow, from the profile alone
inc_vm v1 -c limits.cpu=1 -c limits.cpu.nodes=balanced
ok "follow: machine v1 starts" inc_start v1
ok "without the profile: the agent looks at it" eventually agent_is_idle
is "without the profile, it is not placed" "$(ledger_says v1)" ''
is "without the profile, it stays where Incus has put it" "$(vm_group v1)" /system.slice/incus.service
ok "follow: the profile is added while it runs" inc_edit profile add v1 numaplace
ok "follow: v1 is in the ledger" eventually in_ledger v1
nodes=$(incus_says v1)
like "follow: Incus has chosen one node" "$nodes" '^[0-3]$'
cpus=$((nodes * 2))-$((nodes * 2 + 1))
is "follow: the ledger has that node and its CPUs" "$(ledger_says v1)" "$nodes $cpus $nodes"
is "follow: QEMU is in a scope of its own" "$(vm_group v1)" "$(vm_scope v1)"
is "follow: the scope has that memory node" "$(cat "/sys/fs/cgroup$(vm_scope v1)/cpuset.mems")" "$nodes"
is "follow: the scope has no CPUs, which Incus assigns" "$(cat "/sys/fs/cgroup$(vm_scope v1)/cpuset.cpus")" ''
like "follow: verify knows it" "$(numaplace verify v1)" "^v1, incus: memory on node $nodes, strict by cpuset.mems"
like "systemd stops the daemon before the scope" "$(systemctl show -p Before "incus-vm-v1.scope")" '[= ]incus\.service( |$)'
ok "follow: limits.cpu is raised while it runs" inc_set v1 limits.cpu=2
ok "follow: the record follows" eventually counts v1 2
is "follow: it has the CPUs of the node" "$(ledger_says v1)" "$nodes $cpus $nodes"

# a container beside it
inc_init c1 -c limits.cpu=2 -c user.numaplace.mode=lead
ok "a container in lead mode starts beside v1" inc_start c1
unlike "the container has other CPUs than v1" "$(ledger_says c1)" " $cpus "

# lead
inc_vm v2 -p numaplace -c limits.cpu=2 -c limits.cpu.nodes=balanced -c user.numaplace.mode=lead
ok "lead: machine v2 starts" inc_start v2
ok "lead: v2 is in the ledger" eventually in_ledger v2
ok "lead: the agent has ended its work" eventually agent_is_idle
place=$(ledger_says v2)
like "lead: it has two CPUs of one node" "$place" '^(0 0-1 0|1 2-3 1|2 4-5 2|3 6-7 3)$'
unlike "lead: it has other CPUs than v1 and c1" "$place" " ($cpus|$(ledger_says c1 | cut -d' ' -f2)) "
is "lead: its threads may run on these" "$(vm_cpus v2)" "$(echo "$place" | cut -d' ' -f2)"
is "lead: Incus has the node" "$(incus_says v2)" "${place%% *}"
like "lead: verify knows it" "$(numaplace verify v2)" "^v2, incus: memory on node ${place%% *}, strict by cpuset"
ok "lead: limits.cpu is raised while it runs" inc_set v2 limits.cpu=4
ok "lead: the record follows" eventually counts v2 4
ok "lead: the agent has ended its work again" eventually agent_is_idle
agent_log | tail -n 5 | while read -r line; do diag "$line"; done
ok "lead: it has four CPUs" eventually counts v2 4
is "lead: its threads may run on all of them" "$(vm_cpus v2)" "$(ledger_says v2 | cut -d' ' -f2)"

# without the agent; and a machine that does not fit
before=$(ledger_says v1)
systemctl stop numaplace-incus-agent
inc_stop v2
inc_set v2 limits.cpu=2
inc_set v2 user.numaplace.limits.memory=100GiB
inc_start v2
is "without the agent, a machine is not placed" "$(ledger_says v2)" ''
systemctl start numaplace-incus-agent
ok "a machine that does not fit: the agent says why" eventually says \
	'virtual machine v2: it is not placed: .*limits.memory: 100GiB requested, .* available'
is "a machine that does not fit is not placed" "$(ledger_says v2)" ''
is "the agent changes nothing for a machine that is placed" "$(ledger_says v1)" "$before"
ok "its request is corrected while it runs" inc_set v2 user.numaplace.limits.memory=
ok "then it is placed, although it has started before the agent" eventually in_ledger v2
inc_stop v2
is "a machine that has ended is not in the ledger" "$(ledger_says v2)" ''
ok "its scope is gone" [ ! -e "/sys/fs/cgroup$(vm_scope v2)" ]

# a choice before the start
inc_set v2 user.numaplace.mode=
ok "numaplace incus place succeeds" try numaplace incus place v2
nodes=$(inc_get v2 limits.cpu.nodes)
inc_edit profile remove v2 numaplace
ok "a machine whose nodes are chosen starts" inc_start v2
ok "a machine whose nodes are chosen is in the ledger" eventually in_ledger v2
is "a machine whose nodes are chosen is recorded there" "$(ledger_says v2)" "$nodes $((nodes * 2))-$((nodes * 2 + 1)) $nodes"
inc_stop v1
inc_stop v2
inc_stop c1
ok "the ledger is empty after all have stopped" patiently ledger_is_empty
done_testing
