# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR
#
# The OCI hook on machines with other layouts; each layout has its own tests.
# Layouts: 1x2, 2x2, 3-unequal, 8x2.

. /tests/lib.sh
. /tests/containers.sh
. /tests/placed.sh
np_syslog

for_1x2() {
	ok "one node: a container with 2 CPUs starts" np_run runc createRuntime a limits.cpu=2 limits.cpu.nodes=balanced
	shows a 0 0-1 0
	ok "one node: a second container with 2 CPUs starts" np_run crun createRuntime b limits.cpu=2 limits.cpu.nodes=balanced
	shows b 0 0-1 0
	ok "one node: a container that requests more CPUs than exist starts" np_run crun createRuntime c limits.cpu=200
	shows c 0 0-1 0
	not_ok "one node: a container on node 1 is refused" np_run runc createRuntime d limits.cpu.nodes=1
	like "one node: the refusal of node 1 lists the nodes" "$(ct_said d)" 'limits.cpu.nodes: "1": no such node \(nodes 0 exist\)'
}

for_2x2() {
	ok "two nodes: a container with 2 CPUs starts" np_run runc createRuntime a limits.cpu=2 limits.cpu.nodes=balanced
	ok "two nodes: a second container with 2 CPUs starts" np_run crun createRuntime b limits.cpu=2 limits.cpu.nodes=balanced
	is "two nodes: the two containers are on different nodes" "$(printf '%s\n' "$(np_nodes a)" "$(np_nodes b)" | sort | xargs)" "0 1"
	node=$(np_nodes a)
	shows a "$node" "$((node * 2))-$((node * 2 + 1))" "$node"
	ct_delete_all
	ok "two nodes: a container that requests 5 of 4 CPUs starts" np_run runc createRuntime five limits.cpu=5 limits.cpu.nodes=balanced
	shows five 0,1 0-3 0-1
	ct_delete_all
	# The hugepages are all on node 1.
	ok "two nodes: a container with hugepages starts" np_run runc createRuntime huge limits.cpu=1 limits.memory.hugepages=2MiB=8
	is "two nodes: a container with hugepages is on the node that has them" "$(np_mems huge)" 1
	not_ok "two nodes: a container with more hugepages than exist is refused" np_run crun createRuntime huge2 limits.cpu=1 limits.memory.hugepages=2MiB=64
	like "two nodes: the refusal of hugepages has the requested and the free number" "$(ct_said huge2)" 'limits.memory.hugepages: 64 pages of 2MiB requested, [0-9]+ free'
}

for_3_unequal() {
	ok "unequal nodes: a container with 2 CPUs starts" np_run runc createRuntime two limits.cpu=2 limits.cpu.nodes=balanced
	like "unequal nodes: a container with 2 CPUs is on one node that has as many" "$(np_nodes two)" '^[12]$'
	ct_delete two
	ok "unequal nodes: a container with 3 CPUs starts" np_run crun createRuntime three limits.cpu=3 limits.cpu.nodes=balanced
	shows three 2 3-5 2
	ct_delete three
	ok "unequal nodes: a container with all 6 CPUs starts" np_run crun createRuntime six limits.cpu=6 limits.cpu.nodes=balanced
	shows six 0,1,2 0-5 0-2
	ct_delete six
	# Node 2 must be among the chosen nodes; the node nearest to it is the memory-only node.
	ok "unequal nodes: a container with more memory than any node starts" np_run runc createRuntime mem limits.cpu=1 limits.memory=1400MiB
	like "unequal nodes: a container that does not name the memory-only node does not get it" "$(np_mems mem)" '^(1-2|0,2|0-2)$'
	ct_delete mem
	ok "unequal nodes: a container that names nodes 2 and 3 starts" np_run runc createRuntime cxl limits.cpu=2 limits.cpu.nodes=2,3
	like "unequal nodes: a container on nodes 2 and 3 gets CPUs of node 2" "$(effective cxl cpus)" '^(3-4|4-5|3,5)$'
	is "unequal nodes: a container on nodes 2 and 3 gets the memory of both" "$(effective cxl mems) $(ct_seen cxl Mems_allowed_list)" "2-3 2-3"
	is "unequal nodes: the xattrs distinguish CPU nodes from memory nodes" "$(xattrs cxl)" "2 2,3"
	ct_delete cxl
	not_ok "unequal nodes: a container on node 3 only, which has no CPU, is refused" np_run runc createRuntime only limits.cpu.nodes=3
	like "unequal nodes: the refusal of node 3 says that it has no CPUs" "$(ct_said only)" 'limits.cpu.nodes: "3": no node with CPUs'
}

for_8x2() {
	ok "eight nodes: a container with 8 CPUs starts" np_run runc createRuntime a limits.cpu=8 limits.cpu.nodes=balanced
	case $(np_nodes a) in
	0,1,2,3) shows a 0,1,2,3 0-7 0-3; nodes=4,5,6,7 mems=4-7 cpus=8-15 ;;
	*) shows a 4,5,6,7 8-15 4-7; nodes=0,1,2,3 mems=0-3 cpus=0-7 ;;
	esac
	ok "eight nodes: a second container with 8 CPUs starts" np_run crun createRuntime b limits.cpu=8 limits.cpu.nodes=balanced
	shows b $nodes $cpus $mems
	ct_delete_all
	# A choice by load and number of nodes only would take nodes of both groups.
	ok "eight nodes: a container with 4 CPUs on nodes 0-1 starts" np_run runc createRuntime low limits.cpu=4 limits.cpu.nodes=0-1
	ok "eight nodes: a container with 8 CPUs starts beside it" np_run crun createRuntime near limits.cpu=8 limits.cpu.nodes=balanced
	shows near 4,5,6,7 8-15 4-7
	ct_delete_all
	ok "eight nodes: a container with 3 CPUs starts" np_run crun createRuntime c limits.cpu=3 limits.cpu.nodes=balanced
	like "eight nodes: a container with 3 CPUs is on two near nodes" "$(np_nodes c)" '^([0-3],[0-3]|[4-7],[4-7])$'
}

case $LAYOUT in
1x2) for_1x2 ;;
2x2) for_2x2 ;;
3-unequal) for_3_unequal ;;
8x2) for_8x2 ;;
*) bail "no tests for layout $LAYOUT" ;;
esac
ct_delete_all
is "at the end, status shows no container" "$(np_ids)" ""
done_testing
