# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR
#
# What containers ask for, under runc and crun: several side by side, lists,
# memory that needs more than one node and more than all, the user's own cpuset,
# the runtime's limits where keys are absent.
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
	ok "four: c$n starts under $rt" np_run "$rt" createRuntime c$n limits.cpu=2 limits.cpu.nodes=balanced
done
is "four: all nodes are taken, each once" "$(for i in 1 2 3 4; do np_nodes c$i; done | sort | xargs)" "0 1 2 3"
for i in 1 2 3 4; do
	node=$(np_nodes c$i)
	shows c$i "$node" "$((2 * node))-$((2 * node + 1))" "$node"
done
third=$(np_nodes c3)
ct_delete c3
ok "one is deleted: the next starts" np_run crun createRuntime c5 limits.cpu=2 limits.cpu.nodes=balanced
is "and has its place" "$(np_nodes c5)" "$third"
second=$(np_nodes c2)
ct_delete c2
# Its memory speaks against its node, so that it is the load that speaks for it.
ok "a small one starts" np_run crun createRuntime small limits.cpu=1 limits.cpu.nodes=balanced limits.memory=200MiB
is "where there is room" "$(np_nodes small)" "$second"
ok "a fifth of 2 CPUs starts" np_run runc createRuntime fifth limits.cpu=2 limits.cpu.nodes=balanced
is "and shares the node with the least load" "$(np_nodes fifth)" "$second"
is "status knows all five" "$(np_ids)" "c1 c4 c5 fifth small "

# --- killed, and nobody ran poststop
kill -9 "$(ct_pid c5)"
eventually ct_gone "$(ct_pid c5)"
ok "one that is killed leaves the ledger without poststop" eventually eval '[ -z "$(np_status c5)" ]'
ok "the next starts" np_run crun createRuntime heir limits.cpu=2 limits.cpu.nodes=balanced
is "and has its place" "$(np_nodes heir)" "$third"
cg=$(ct_cgroup heir)
kill -9 "$(ct_pid heir)"
eventually ct_gone "$(ct_pid heir)"
eventually rmdir "$cg"
ok "one whose cgroup is gone, too, makes room" np_run runc createRuntime heir2 limits.cpu=2 limits.cpu.nodes=balanced
is "at once" "$(np_nodes heir2)" "$third"
ct_delete_all
is "all are deleted: the ledger is empty" "$(np_ids)" ""

# --- CPUs as a list, nodes as a list
ok "limits.cpu=0-3 starts" np_run runc createRuntime list limits.cpu=0-3
shows list 0,1 0-3 0-1
ct_delete list
ok "limits.cpu=1,6 starts" np_run crun createRuntime list limits.cpu=1,6
shows list 0,3 1,6 0,3
ct_delete list
ok "limits.cpu.nodes=0-2,^1 with 4 CPUs starts" np_run crun createRuntime list limits.cpu=4 limits.cpu.nodes=0-2,^1
shows list 0,2 0-1,4-5 0,2
ct_delete list
ok "limits.cpu.nodes=0-4,^3 starts, node 4 or not" np_run crun createRuntime list limits.cpu=2 limits.cpu.nodes=0-4,^3
like "on one of the others" "$(np_nodes list)" '^[012]$'
ct_delete list

# --- memory
ok "900MiB starts" np_run crun createRuntime mem limits.cpu=2 limits.memory=900MiB
mems=$(np_mems mem)
like "on two near nodes, larger than any one" "$mems" '^(0-1|2-3)$'
is "cgroup and first instruction say so" "$(effective mem mems) $(ct_seen mem Mems_allowed_list)" "$mems $mems"
ct_delete mem
for rt in runc crun; do
	not_ok "$rt: 16GiB does not start" np_create $rt createRuntime mem limits.cpu=2 limits.memory=16GiB
	like "$rt: it says how much there is" "$(ct_said mem)" 'numaplace: container mem: limits.memory: 16GiB requested, [0-9.]+[MG]iB available'
	is "$rt: nothing of it is left in the ledger" "$(np_ids)" ""
	ct_delete mem
done

# --- the user's own cpuset is narrowed, not widened
ok "cpus 2-5, 2 asked for: starts" np_run crun createRuntime pin limits.cpu=2 limits.cpu.nodes=balanced \
	-j '.linux.resources.cpu.cpus = "2-5"'
like "within them, on one node" "$(effective pin cpus)" '^(2-3|4-5)$'
is "memory is there, too" "$(effective pin mems)" "$(np_nodes pin)"
ct_delete pin
ok "cpus 1,4, 4 asked for: starts" np_run runc createRuntime pin limits.cpu=4 \
	-j '.linux.resources.cpu.cpus = "1,4"'
is "with these two" "$(effective pin cpus) $(ct_seen pin Cpus_allowed_list)" "1,4 1,4"
ct_delete pin
ok "mems 1-2: starts" np_run crun createRuntime pin limits.cpu=2 limits.cpu.nodes=balanced \
	-j '.linux.resources.cpu.mems = "1-2"'
like "memory within them" "$(effective pin mems)" '^[12]$'
ct_delete pin

# --- keys that are absent: the runtime's own limits speak
ok "quota 250000 of 100000 and two nodes: starts" np_run crun createRuntime quota limits.cpu.nodes=0-1 \
	-j '.linux.resources = {cpu: {quota: 250000, period: 100000}, memory: {limit: 67108864}}'
like "it has three of their four CPUs" "$(effective quota cpus)" '^(0-2|0-1,3|0,2-3|1-3)$'
is "and the runtime's memory limit is its size" \
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
	ok "$rt, a ceiling of 2: two exclusive CPUs are had" exclusive held red 2
	not_ok "$rt, a ceiling of 2: a third is refused" exclusive third red 1
	like "$rt, a ceiling of 2: with the numbers, and whose they are" "$(ct_said third)" \
		'limits.cpu.exclusive: 1 more on top of 2 held in cgroup /red, this host allows each 2 \(max-exclusive-cpus-each\)'
	ct_delete third
	ok "$rt, a ceiling of 2: another tenant has its own" exclusive other blue 2
	not_ok "$rt, a ceiling of 2: which is no higher" exclusive many green 3
	like "$rt, a ceiling of 2: for whoever it is" "$(ct_said many)" '3 more on top of 0 held in cgroup /green, this host allows each 2'
	is "$rt, a ceiling of 2: two are placed" "$(np_ids)" "held other "
	ct_delete held many
	ok "$rt, a ceiling of 2: what is given back can be had" exclusive third red 1
	ct_delete third other
done
mv /run/tests/conf-as-installed /etc/numaplace/numaplace.conf
done_testing 65
