# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash
# time limit: 1400 s
#
# Incus: projects, privileged instances, restart, copy, rename, refusals, placement of virtual machines, the cluster
# scriptlet, a missing numaplace, and its removal.
. /tests/lib.sh
. /tests/incus.sh

mems() { cat "/sys/fs/cgroup/lxc.payload.$1/cpuset.mems.effective"; }
follows() { [ "$(mems "$1")" = "$(list "$(incus_says "$1")")" ] && [ "$(mems "$1")" != 0-3 ]; }

# Puts the unit into a folder that systemd does not read.
systemctl disable -q --now numaplace-incus-agent
mkdir -p /opt/np/lib/systemd/system
mv /usr/lib/systemd/system/numaplace-incus-agent.service /opt/np/lib/systemd/system/
# shellcheck disable=SC2154 # of incus.sh
sed -i 's|^unit_dir=.*|unit_dir=/opt/np/lib/systemd/system|' "$inc_dir/install"
incus_up
ok "install starts the agent although its unit is outside of the folders of systemd" systemctl is-active numaplace-incus-agent

keys='-c limits.cpu=2 -c limits.cpu.nodes=balanced'

# shellcheck disable=SC2086 # options
inc_init a1 $keys
ok "instance a1 starts" inc_start a1
ok "the memory of a1 is on the nodes that Incus chose" follows a1
try incus restart -f a1
ok "after a restart, the memory of a1 is on the nodes that Incus chose" eventually follows a1
# Incus chooses other nodes for an instance that starts while a1 runs.
try incus copy a1 a2 -c security.privileged=true
ok "a privileged copy starts" inc_start a2
is "uid 0 of a privileged copy is uid 0 of the host" "$(xargs < "/proc/$(head -n 1 "$(inc_cgroup a2)/cgroup.procs")/uid_map")" \
	"0 0 4294967295"
ok "the memory of a privileged copy is on the nodes that Incus chose" follows a2
ok "a copy has other nodes than the original" [ "$(mems a2)" != "$(mems a1)" ]
inc_stop a2
try incus move a2 a3
ok "a renamed instance starts" inc_start a3
ok "the memory of a renamed instance is on the nodes that Incus chose" follows a3
ok "a renamed instance has other nodes than a1" [ "$(mems a3)" != "$(mems a1)" ]
is "the ledger has a renamed instance under its new name only" "$(numaplace status --json | jq -r '[.containers[].id] | sort | join(" ")')" "a1 a3"
# Stops the agent, which would also remove the records at its next check.
systemctl stop numaplace-incus-agent
try incus stop -f a1 a3
ok "the hooks remove the records of stopped instances" patiently ledger_is_empty
systemctl start numaplace-incus-agent

# a project with its own profiles, whose name must be encoded in a URL
try incus project create my+pr -c features.images=false -c features.profiles=false
try incus -q init t w1 --project my+pr -p bare -p numaplace -c limits.cpu=2 -c user.numaplace.mode=lead
try incus start w1 --project my+pr
pr_nodes=$(ledger_says my+pr_w1 | cut -d' ' -f1)
pr_cpus=$(ledger_says my+pr_w1 | cut -d' ' -f2)
like "the ledger has an instance of a project as PROJECT_NAME" "$pr_nodes" '^[0-3]$'
ok "lead in a project: ledger, cgroup and Incus agree" agree my+pr_w1 "$pr_nodes" "$pr_cpus"
try incus stop -f w1 --project my+pr

# refused instances
try incus profile create bad
try incus profile set bad user.numaplace.limits.memory=lots
inc_init c1 -p bad -c limits.cpu.nodes=1
inc_refused c1 "a bad value in a profile" 'numaplace c1 .*ERROR .*user.numaplace.limits.memory: "lots": a size'
ok "the profile with a bad value is removed from c1" inc_edit profile remove c1 bad
ok "limits.memory of c1 is set to 100GiB" inc_set c1 limits.memory=100GiB
inc_refused c1 "more memory than the node has" 'numaplace c1 .*ERROR .*limits.memory: 100GiB requested, .* available \(node 1: '
ok "limits.memory of c1 is removed" inc_set c1 limits.memory=
ok "instance c1 starts when its configuration is corrected" inc_start c1
is "the memory of c1 is on node 1" "$(mems c1)" 1
inc_stop c1

# numaplace incus place, for an instance whose nodes must be known before it starts
inc_init v1 -c limits.cpu=3
ok "numaplace incus place succeeds" try numaplace incus place v1
like "numaplace incus place sets two nodes" "$(inc_get v1 limits.cpu.nodes)" '^[0-3],[0-3]$'
is "numaplace incus place stores the request balanced" "$(inc_get v1 user.numaplace.limits.cpu.nodes)" balanced
inc_set v1 limits.cpu=5
nodes=$(inc_get v1 limits.cpu.nodes)
like "numaplace incus place --dry-run prints three nodes after limits.cpu was raised" "$(try numaplace incus place v1 --dry-run)" '^v1: nodes [0-3],[0-3],[0-3]$'
is "numaplace incus place --dry-run sets nothing" "$(inc_get v1 limits.cpu.nodes)" "$nodes"
ok "a second numaplace incus place uses the stored request and succeeds" try numaplace incus place v1
like "a second numaplace incus place sets three nodes" "$(inc_get v1 limits.cpu.nodes)" '^[0-3],[0-3],[0-3]$'
is "a second numaplace incus place keeps the stored request" "$(inc_get v1 user.numaplace.limits.cpu.nodes)" balanced
ok "the instance of incus place starts" inc_start v1
is "the instance of incus place has the memory of its nodes" "$(mems v1)" "$(list "$(inc_get v1 limits.cpu.nodes)")"
nodes=$(inc_get v1 limits.cpu.nodes)
inc_set v1 limits.cpu=3
like "numaplace incus place of a running instance is refused" "$(try numaplace incus place v1)" '^numaplace: instance v1: it is Running: '
is "numaplace incus place of a running instance sets nothing" "$(inc_get v1 limits.cpu.nodes)" "$nodes"
inc_stop v1
like "numaplace incus place of an unknown instance is an error" "$(try numaplace incus place v9)" '^numaplace: instance v9: .*not found'

# A virtual machine. Incus cannot make one without KVM, but accepts one that is in its database.
inc_init vm1 -c limits.cpu=3 -c limits.memory=64MiB
pool=/var/lib/incus/storage-pools/default
try incus admin sql global "UPDATE instances SET type=1 WHERE name='vm1'; UPDATE storage_volumes SET type=3 WHERE name='vm1'"
rm /var/lib/incus/containers/vm1
mv $pool/containers/vm1 $pool/virtual-machines/
ln -s $pool/virtual-machines/vm1 /var/lib/incus/virtual-machines/vm1
is "Incus lists vm1 as a virtual machine" "$(try incus list -f csv -c t vm1 | tail -n 1)" VIRTUAL-MACHINE
ok "numaplace incus place of a virtual machine succeeds" try numaplace incus place vm1
like "numaplace incus place sets the nodes of a virtual machine" "$(inc_get vm1 limits.cpu.nodes)" '^[0-3],[0-3]$'
inc_set vm1 limits.memory.hugepages=true
like "numaplace incus place of a virtual machine without free hugepages is refused" "$(try numaplace incus place vm1)" '^numaplace: instance vm1: limits.memory.hugepages: 32 pages of 2MiB requested, 0 free'
ok "the virtual machine is deleted" try incus delete vm1

# The scriptlet: Incus compiles it when it is set. Stopped instances count too, so they are deleted first to free CPUs.
try incus delete a3 c1 v1
ok "scriptlet: Incus compiles it" sh -c "incus config set instances.placement.scriptlet=- < $inc_dir/instance_placement.star"
try incus config set core.https_address=127.0.0.1:8443
ok "scriptlet: a cluster with one member is enabled" try incus cluster enable one
# shellcheck disable=SC2086 # options
ok "scriptlet: an instance is created" try incus -q init t k1 -p bare $keys
like "scriptlet: it counts the nodes and chooses the member" "$(cat /var/log/incus/incus*.log)" \
	'numaplace: k1 on one: nodes needed, CPUs left: \[1, [0-9.]+\]'
# shellcheck disable=SC2086 # options
ok "scriptlet: an instance that fits on no member is created, placed by Incus" try incus -q init t k2 -p bare $keys -c limits.memory=1TiB
like "scriptlet: it logs that the instance fits on no member" "$(cat /var/log/incus/incus*.log)" 'numaplace: k2 on one: nodes needed, CPUs left: None'

# numaplace is missing, without install --remove
mv /usr/libexec/numaplace /usr/libexec/numaplace.away
ok "an instance with the profile starts although numaplace is missing" inc_start a1
mv /usr/libexec/numaplace.away /usr/libexec/numaplace

# removed, also from a project with its own profiles and from a running instance
try incus project create own-pr
ok "the profile is copied to a project" try incus profile copy numaplace numaplace --target-project own-pr
ok "install --remove succeeds" inc_remove
like "install --remove removes the profile" "$(try incus profile show numaplace)" 'Profile not found'
like "install --remove removes the copy of the profile in a project" "$(try incus profile show numaplace --project own-pr)" 'Profile not found'
not_ok "install --remove stops the agent" systemctl is-active numaplace-incus-agent
not_ok "install --remove removes the unit of the agent" systemctl cat numaplace-incus-agent
inc_stop a1
ok "an instance starts after install --remove" inc_start a1
ok "a second install --remove succeeds" inc_remove
done_testing
