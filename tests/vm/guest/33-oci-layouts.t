# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR
#
# The OCI hook on machines of other shapes; each has its own questions.
# Layouts: 1x2, 2x2, 3-unequal, 8x2.

. /tests/lib.sh
. /tests/containers.sh
. /tests/placed.sh
np_syslog

for_1x2() {
	ok "one node: 2 CPUs start" np_run runc createRuntime a limits.cpu=2 limits.cpu.nodes=balanced
	shows a 0 0-1 0
	ok "one node: 2 more share it" np_run crun createRuntime b limits.cpu=2 limits.cpu.nodes=balanced
	shows b 0 0-1 0
	ok "one node: more CPUs than there are get all" np_run crun createRuntime c limits.cpu=200
	shows c 0 0-1 0
	not_ok "one node: node 1 is not here" np_run runc createRuntime d limits.cpu.nodes=1
	like "and it says so" "$(ct_said d)" 'limits.cpu.nodes: "1": no such node \(nodes 0 exist\)'
}

for_2x2() {
	ok "2 CPUs start" np_run runc createRuntime a limits.cpu=2 limits.cpu.nodes=balanced
	ok "2 more start" np_run crun createRuntime b limits.cpu=2 limits.cpu.nodes=balanced
	is "on the two nodes" "$(printf '%s\n' "$(np_nodes a)" "$(np_nodes b)" | sort | xargs)" "0 1"
	node=$(np_nodes a)
	shows a "$node" "$((node * 2))-$((node * 2 + 1))" "$node"
	ct_delete_all
	ok "5 CPUs of 4 start" np_run runc createRuntime five limits.cpu=5 limits.cpu.nodes=balanced
	shows five 0,1 0-3 0-1
	ct_delete_all
	# The hugepages are all on node 1.
	ok "hugepages start" np_run runc createRuntime huge limits.cpu=1 limits.memory.hugepages=2MiB=8
	is "where they are" "$(np_mems huge)" 1
	not_ok "more of them than there are do not" np_run crun createRuntime huge2 limits.cpu=1 limits.memory.hugepages=2MiB=64
	like "and the numbers are told" "$(ct_said huge2)" 'limits.memory.hugepages: 64 pages of 2MiB requested, [0-9]+ free'
}

for_3_unequal() {
	ok "2 CPUs start" np_run runc createRuntime two limits.cpu=2 limits.cpu.nodes=balanced
	like "on one node that has them" "$(np_nodes two)" '^[12]$'
	ct_delete two
	ok "3 CPUs start" np_run crun createRuntime three limits.cpu=3 limits.cpu.nodes=balanced
	shows three 2 3-5 2
	ct_delete three
	ok "all 6 start" np_run crun createRuntime six limits.cpu=6 limits.cpu.nodes=balanced
	shows six 0,1,2 0-5 0-2
	ct_delete six
	# Node 2 has to be among them, whose nearest neighbour is the memory-only node.
	ok "memory larger than any node's starts" np_run runc createRuntime mem limits.cpu=1 limits.memory=1400MiB
	like "and never takes the memory-only node unasked" "$(np_mems mem)" '^(1-2|0,2|0-2)$'
	ct_delete mem
	ok "nodes 2,3 named: starts" np_run runc createRuntime cxl limits.cpu=2 limits.cpu.nodes=2,3
	like "CPUs on node 2" "$(effective cxl cpus)" '^(3-4|4-5|3,5)$'
	is "memory on both" "$(effective cxl mems) $(ct_seen cxl Mems_allowed_list)" "2-3 2-3"
	is "the record tells the two apart" "$(xattrs cxl)" "2 2,3"
	ct_delete cxl
	not_ok "node 3 alone has no CPU: does not start" np_run runc createRuntime only limits.cpu.nodes=3
	like "and it says so" "$(ct_said only)" 'limits.cpu.nodes: "3": no node with CPUs'
}

for_8x2() {
	ok "8 CPUs start" np_run runc createRuntime a limits.cpu=8 limits.cpu.nodes=balanced
	case $(np_nodes a) in
	0,1,2,3) shows a 0,1,2,3 0-7 0-3; nodes=4,5,6,7 mems=4-7 cpus=8-15 ;;
	*) shows a 4,5,6,7 8-15 4-7; nodes=0,1,2,3 mems=0-3 cpus=0-7 ;;
	esac
	ok "the next 8 start" np_run crun createRuntime b limits.cpu=8 limits.cpu.nodes=balanced
	shows b $nodes $cpus $mems
	ct_delete_all
	# By load and by number alone it would be nodes of both groups.
	ok "4 CPUs on nodes 0 and 1 start" np_run runc createRuntime low limits.cpu=4 limits.cpu.nodes=0-1
	ok "8 CPUs beside them start" np_run crun createRuntime near limits.cpu=8 limits.cpu.nodes=balanced
	shows near 4,5,6,7 8-15 4-7
	ct_delete_all
	ok "3 CPUs start" np_run crun createRuntime c limits.cpu=3 limits.cpu.nodes=balanced
	like "on two near nodes" "$(np_nodes c)" '^([0-3],[0-3]|[4-7],[4-7])$'
}

case $LAYOUT in
1x2) for_1x2 ;;
2x2) for_2x2 ;;
3-unequal) for_3_unequal ;;
8x2) for_8x2 ;;
*) bail "nothing is asked here on $LAYOUT" ;;
esac
ct_delete_all
is "the ledger is empty at the end" "$(np_ids)" ""
done_testing
