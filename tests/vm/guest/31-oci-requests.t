# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR
#
# Requests of containers, under runc and crun: several containers at a time, lists, memory that needs more than one node
# and more than all nodes have, pins, limits of the runtime without keys, and a ceiling for tenants.
# Layout: 4x2-pairs.

. /tests/lib.sh
. /tests/containers.sh
. /tests/placed.sh
np_syslog

# --- four on four nodes, half of them under the other runtime
rts='runc crun runc crun'
n=0
for rt in $rts; do
	n=$((n + 1))
	ok "four containers on four nodes: c$n starts under $rt" np_run "$rt" createRuntime c$n limits.cpu=2 limits.cpu.nodes=balanced
done
is "four containers on four nodes: each node has one container" "$(for i in 1 2 3 4; do np_nodes c$i; done | sort | xargs)" "0 1 2 3"
for i in 1 2 3 4; do
	node=$(np_nodes c$i)
	shows c$i "$node" "$((2 * node))-$((2 * node + 1))" "$node"
done
third=$(np_nodes c3)
ct_delete c3
ok "after c3 was deleted, container c5 starts" np_run crun createRuntime c5 limits.cpu=2 limits.cpu.nodes=balanced
is "container c5 gets the node of the deleted c3" "$(np_nodes c5)" "$third"
second=$(np_nodes c2)
ct_delete c2
# Its memory makes its node less attractive to the next container, which must choose the node for its load.
ok "after c2 was deleted, a container of 1 CPU starts" np_run crun createRuntime small limits.cpu=1 limits.cpu.nodes=balanced limits.memory=200MiB
is "the container of 1 CPU gets the node of the deleted c2" "$(np_nodes small)" "$second"
ok "a fifth container with 2 CPUs starts on four nodes that are in use" np_run runc createRuntime fifth limits.cpu=2 limits.cpu.nodes=balanced
is "the fifth container shares the node with the least load" "$(np_nodes fifth)" "$second"
is "status shows all five containers" "$(np_ids)" "c1 c4 c5 fifth small "

# --- containers that are killed, without poststop
kill -9 "$(ct_pid c5)"
eventually ct_gone "$(ct_pid c5)"
ok "a container that was killed disappears from status without poststop" eventually eval '[ -z "$(np_status c5)" ]'
ok "after a container was killed, another one starts" np_run crun createRuntime heir limits.cpu=2 limits.cpu.nodes=balanced
is "the new container gets the node of the killed one" "$(np_nodes heir)" "$third"
cg=$(ct_cgroup heir)
kill -9 "$(ct_pid heir)"
eventually ct_gone "$(ct_pid heir)"
eventually rmdir "$cg"
ok "after a container was killed and its cgroup removed, another one starts" np_run runc createRuntime heir2 limits.cpu=2 limits.cpu.nodes=balanced
is "the new container gets the node of the one whose cgroup was removed" "$(np_nodes heir2)" "$third"
ct_delete_all
is "after all containers were deleted, status shows none" "$(np_ids)" ""

# --- CPUs as a list, nodes as a list
ok "a container with limits.cpu=0-3 starts" np_run runc createRuntime list limits.cpu=0-3
shows list 0,1 0-3 0-1
ct_delete list
ok "a container with limits.cpu=1,6 starts" np_run crun createRuntime list limits.cpu=1,6
shows list 0,3 1,6 0,3
ct_delete list
ok "a container with 4 CPUs and limits.cpu.nodes=0-2,^1 starts" np_run crun createRuntime list limits.cpu=4 limits.cpu.nodes=0-2,^1
shows list 0,2 0-1,4-5 0,2
ct_delete list
ok "a container with limits.cpu.nodes=0-4,^3 starts although node 4 does not exist" np_run crun createRuntime list limits.cpu=2 limits.cpu.nodes=0-4,^3
like "a container with limits.cpu.nodes=0-4,^3 is on node 0, 1 or 2" "$(np_nodes list)" '^[012]$'
ct_delete list

# --- memory
ok "a container with limits.memory=900MiB starts" np_run crun createRuntime mem limits.cpu=2 limits.memory=900MiB
mems=$(np_mems mem)
like "900 MiB, more than one node has, are on two near nodes" "$mems" '^(0-1|2-3)$'
is "900 MiB: cgroup and first instruction have the recorded memory nodes" "$(effective mem mems) $(ct_seen mem Mems_allowed_list)" "$mems $mems"
ct_delete mem
for rt in runc crun; do
	not_ok "$rt: a container with limits.memory=16GiB is refused" np_create $rt createRuntime mem limits.cpu=2 limits.memory=16GiB
	like "$rt: the refusal of 16 GiB has the available memory" "$(ct_said mem)" 'numaplace: container mem: limits.memory: 16GiB requested, [0-9.]+[MG]iB available'
	is "$rt: the container with 16 GiB has no record" "$(np_ids)" ""
	ct_delete mem
done

# --- a pin is narrowed, not widened
ok "a container of 2 CPUs pinned to CPUs 2-5 starts" np_run crun createRuntime pin limits.cpu=2 limits.cpu.nodes=balanced \
	-j '.linux.resources.cpu.cpus = "2-5"'
like "a container of 2 CPUs pinned to CPUs 2-5 gets two CPUs of one node" "$(effective pin cpus)" '^(2-3|4-5)$'
is "a container of 2 CPUs pinned to CPUs 2-5 gets the memory of its node" "$(effective pin mems)" "$(np_nodes pin)"
ct_delete pin
ok "a container of 4 CPUs pinned to CPUs 1,4 starts" np_run runc createRuntime pin limits.cpu=4 \
	-j '.linux.resources.cpu.cpus = "1,4"'
is "a container of 4 CPUs pinned to CPUs 1,4 gets these two" "$(effective pin cpus) $(ct_seen pin Cpus_allowed_list)" "1,4 1,4"
ct_delete pin
ok "a container pinned to memory nodes 1-2 starts" np_run crun createRuntime pin limits.cpu=2 limits.cpu.nodes=balanced \
	-j '.linux.resources.cpu.mems = "1-2"'
like "a container pinned to memory nodes 1-2 gets one of them" "$(effective pin mems)" '^[12]$'
ct_delete pin

# --- limits of the runtime are used for absent keys
ok "a container with a CPU quota of 2.5 CPUs on two nodes starts" np_run crun createRuntime quota limits.cpu.nodes=0-1 \
	-j '.linux.resources = {cpu: {quota: 250000, period: 100000}, memory: {limit: 67108864}}'
like "a CPU quota of 2.5 CPUs gives three CPUs" "$(effective quota cpus)" '^(0-2|0-1,3|0,2-3|1-3)$'
is "the memory limit of the runtime is the requested memory" \
	"$(numaplace --json explain quota | jq -r '.runtime_limits.memory, (.memory | map(.asked) | add)' | xargs)" '64MiB 67108864'
ct_delete quota

# --- a tenant's ceiling, in numaplace.conf, which names the cgroups that are tenants
mv /etc/numaplace/numaplace.conf /run/tests/conf-as-installed
printf 'max-exclusive-cpus-each = 2\ntenants = /red /blue /green\n' > /etc/numaplace/numaplace.conf
for rt in runc crun; do
	# exclusive ID TENANT CPUS
	exclusive() {
		np_create $rt createRuntime "$1" limits.cpu="$3" limits.cpu.exclusive=true -j ".linux.cgroupsPath = \"/$2/$1\""
	}
	ok "$rt: a tenant with a ceiling of 2 exclusive CPUs gets two" exclusive held red 2
	not_ok "$rt: a tenant with a ceiling of 2 exclusive CPUs is refused a third" exclusive third red 1
	like "$rt: the refusal of a third exclusive CPU has the numbers and the tenant" "$(ct_said third)" \
		'limits.cpu.exclusive: 1 more on top of 2 held in cgroup /red, this host allows each 2 \(max-exclusive-cpus-each\)'
	ct_delete third
	ok "$rt: another tenant also gets two exclusive CPUs" exclusive other blue 2
	not_ok "$rt: a tenant with a ceiling of 2 exclusive CPUs is refused three at once" exclusive many green 3
	like "$rt: the refusal of three exclusive CPUs has the numbers and the tenant" "$(ct_said many)" '3 more on top of 0 held in cgroup /green, this host allows each 2'
	is "$rt: status shows only the two containers within the ceiling" "$(np_ids)" "held other "
	ct_delete held many
	ok "$rt: a tenant can use its ceiling again after its container was deleted" exclusive third red 1
	ct_delete third other
done
mv /run/tests/conf-as-installed /etc/numaplace/numaplace.conf
done_testing 65
