# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash
# time limit: 1400 s
#
# Incus: projects, privileged instances, restart, copy, move, what is refused, virtual machines' way of
# being placed, the cluster scriptlet, numaplace gone, and taken out.
. /tests/lib.sh
. /tests/incus.sh

mems() { cat "/sys/fs/cgroup/lxc.payload.$1/cpuset.mems.effective"; }
follows() { [ "$(mems "$1")" = "$(list "$(incus_says "$1")")" ] && [ "$(mems "$1")" != 0-3 ]; }

# The unit is where systemd does not look.
systemctl disable -q --now numaplace-incus-agent
mkdir -p /opt/np/lib/systemd/system
mv /usr/lib/systemd/system/numaplace-incus-agent.service /opt/np/lib/systemd/system/
# shellcheck disable=SC2154 # of incus.sh
sed -i 's|^unit_dir=.*|unit_dir=/opt/np/lib/systemd/system|' "$inc_dir/install"
incus_up
ok "the unit is elsewhere: the agent runs" systemctl is-active numaplace-incus-agent

keys='-c limits.cpu=2 -c limits.cpu.nodes=balanced'

# shellcheck disable=SC2086 # options
inc_init a1 $keys
ok "it starts" inc_start a1
ok "it follows" follows a1
try incus restart -f a1
ok "restart: it follows" eventually follows a1
# Incus gives what starts beside it other nodes.
try incus copy a1 a2 -c security.privileged=true
ok "copy, privileged: it starts" inc_start a2
is "copy, privileged: its root is the host's" "$(xargs < "/proc/$(head -n 1 "$(inc_cgroup a2)/cgroup.procs")/uid_map")" \
	"0 0 4294967295"
ok "copy, privileged: it follows" follows a2
ok "copy: its own nodes" [ "$(mems a2)" != "$(mems a1)" ]
inc_stop a2
try incus move a2 a3
ok "move: it starts under its new name" inc_start a3
ok "move: it follows" follows a3
ok "move: its own nodes" [ "$(mems a3)" != "$(mems a1)" ]
is "move: and the ledger has the new name alone" "$(numaplace status --json | jq -r '[.containers[].id] | sort | join(" ")')" "a1 a3"
# The agent, too, would take them out, the next time that it looks.
systemctl stop numaplace-incus-agent
try incus stop -f a1 a3
ok "stopped: its hook took it out of the ledger" patiently ledger_is_empty
systemctl start numaplace-incus-agent

# a project with profiles of its own, whose name is another one in an address
try incus project create my+pr -c features.images=false -c features.profiles=false
try incus -q init t w1 --project my+pr -p bare -p numaplace -c limits.cpu=2 -c user.numaplace.mode=lead
try incus start w1 --project my+pr
pr_nodes=$(ledger_says my+pr_w1 | cut -d' ' -f1)
pr_cpus=$(ledger_says my+pr_w1 | cut -d' ' -f2)
like "project: one node in the ledger, as PROJECT_NAME" "$pr_nodes" '^[0-3]$'
ok "project, lead: ledger, cgroup and Incus agree" agree my+pr_w1 "$pr_nodes" "$pr_cpus"
try incus stop -f w1 --project my+pr

# what is refused
try incus profile create bad
try incus profile set bad user.numaplace.limits.memory=lots
inc_init c1 -p bad -c limits.cpu.nodes=1
inc_refused c1 "a bad value in a profile" 'numaplace c1 .*ERROR .*user.numaplace.limits.memory: "lots": a size'
ok "the profile is taken off" inc_edit profile remove c1 bad
ok "more memory is asked" inc_set c1 limits.memory=100GiB
inc_refused c1 "more memory than the node has" 'numaplace c1 .*ERROR .*limits.memory: 100GiB requested, .* available \(node 1: '
ok "and not any more" inc_set c1 limits.memory=
ok "mended, it starts" inc_start c1
is "on its node" "$(mems c1)" 1
inc_stop c1

# numaplace incus place, for an instance whose nodes have to be known before it starts
inc_init v1 -c limits.cpu=3
ok "incus place" try numaplace incus place v1
like "it set two nodes" "$(inc_get v1 limits.cpu.nodes)" '^[0-3],[0-3]$'
is "the wish is kept" "$(inc_get v1 user.numaplace.limits.cpu.nodes)" balanced
inc_set v1 limits.cpu=5
nodes=$(inc_get v1 limits.cpu.nodes)
like "--dry-run shows another choice" "$(try numaplace incus place v1 --dry-run)" '^v1: nodes [0-3],[0-3],[0-3]$'
is "and sets nothing" "$(inc_get v1 limits.cpu.nodes)" "$nodes"
ok "again: by the wish, not by the nodes of before" try numaplace incus place v1
like "it set three nodes" "$(inc_get v1 limits.cpu.nodes)" '^[0-3],[0-3],[0-3]$'
is "the wish is kept" "$(inc_get v1 user.numaplace.limits.cpu.nodes)" balanced
ok "it starts there" inc_start v1
is "its memory is there" "$(mems v1)" "$(list "$(inc_get v1 limits.cpu.nodes)")"
nodes=$(inc_get v1 limits.cpu.nodes)
inc_set v1 limits.cpu=3
like "running, it is not placed" "$(try numaplace incus place v1)" '^numaplace: instance v1: it is Running: '
is "and keeps its nodes" "$(inc_get v1 limits.cpu.nodes)" "$nodes"
inc_stop v1
like "no such instance" "$(try numaplace incus place v9)" '^numaplace: instance v9: .*not found'

# A virtual machine. Incus makes none without KVM, and takes one for granted that is in its database.
inc_init vm1 -c limits.cpu=3 -c limits.memory=64MiB
pool=/var/lib/incus/storage-pools/default
try incus admin sql global "UPDATE instances SET type=1 WHERE name='vm1'; UPDATE storage_volumes SET type=3 WHERE name='vm1'"
rm /var/lib/incus/containers/vm1
mv $pool/containers/vm1 $pool/virtual-machines/
ln -s $pool/virtual-machines/vm1 /var/lib/incus/virtual-machines/vm1
is "a virtual machine" "$(try incus list -f csv -c t vm1 | tail -n 1)" VIRTUAL-MACHINE
ok "place takes it" try numaplace incus place vm1
like "its nodes are set before it starts" "$(inc_get vm1 limits.cpu.nodes)" '^[0-3],[0-3]$'
inc_set vm1 limits.memory.hugepages=true
like "its hugepages have to be there" "$(try numaplace incus place vm1)" '^numaplace: instance vm1: limits.memory.hugepages: 32 pages of 2MiB requested, 0 free'
ok "it goes" try incus delete vm1

# The scriptlet: Incus compiles it when it is set. What is stopped counts, and there are only eight CPUs.
try incus delete a3 c1 v1
ok "scriptlet: Incus's loader takes it" sh -c "incus config set instances.placement.scriptlet=- < $inc_dir/instance_placement.star"
try incus config set core.https_address=127.0.0.1:8443
ok "a cluster of one member" try incus cluster enable one
# shellcheck disable=SC2086 # options
ok "scriptlet: an instance is made" try incus -q init t k1 -p bare $keys
like "scriptlet: it counted the nodes and chose the member" "$(cat /var/log/incus/incus*.log)" \
	'numaplace: k1 on one: nodes needed, CPUs left: \[1, [0-9.]+\]'
# shellcheck disable=SC2086 # options
ok "scriptlet: what fits nowhere is Incus's to place" try incus -q init t k2 -p bare $keys -c limits.memory=1TiB
like "scriptlet: and it saw that" "$(cat /var/log/incus/incus*.log)" 'numaplace: k2 on one: nodes needed, CPUs left: None'

# gone without --remove
mv /usr/libexec/numaplace /usr/libexec/numaplace.away
ok "numaplace is gone: an instance with the profile starts" inc_start a1
mv /usr/libexec/numaplace.away /usr/libexec/numaplace

# taken out, also of a project with profiles of its own, and of an instance that is running
try incus project create own-pr
ok "a project's own copy" try incus profile copy numaplace numaplace --target-project own-pr
ok "install --remove" inc_remove
like "no profile any more" "$(try incus profile show numaplace)" 'Profile not found'
like "nor a copy" "$(try incus profile show numaplace --project own-pr)" 'Profile not found'
not_ok "nor the agent" systemctl is-active numaplace-incus-agent
not_ok "nor its unit" systemctl cat numaplace-incus-agent
inc_stop a1
ok "removed: it starts" inc_start a1
ok "install --remove twice" inc_remove
done_testing
