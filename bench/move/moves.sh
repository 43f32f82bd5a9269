#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash disable=SC1091,SC2086,SC2154 # what it sources is in the guest
# time limit: 3000 s
#
# In a guest with the layout 4x2-pairs: measures moves of a container, and after each one migrate_pages() of a process with
# the same memory. Writes one line for each to descriptor 3: KIND MIB CASE ROUND WHAT WALL CPU, times in microseconds.
# CASE: one (node 0 to 1, or back), three (node 1 to nodes 0, 2 and 3), back (nodes 0, 2 and 3 to node 1), rebalance (of a
# container that shares node 0 with another one). RUNS: rounds; SIZES: in MiB; KINDS: kinds of touch.c.

. /tests/memory.sh
. /tests/bench-config
mem_setup
echo madvise > /sys/kernel/mm/transparent_hugepage/enabled
cost=/run/tests/cost

# say CASE ROUND WHAT < "WALL CPU"
say() {
	read -r wall cpu
	echo "$kind $mib $1 $2 $3 $wall $cpu" >&3
}

# move CASE ROUND COMMAND...
move() {
	m_case=$1 m_round=$2
	shift 2
	/tests/bin/cost $cost numaplace "$@" || { echo "# $kind: $* fails" >&3; exit 1; }
	say $m_case $m_round move < $cost
}

# migrate CASE ROUND: moves the process $alone from node 0 to 1, or back
migrate() {
	/tests/bin/migrate $alone $at $((1 - at)) > $cost || exit 1
	at=$((1 - at))
	say $1 $2 migrate_pages < $cost
}

# measure_rebalance: the container shares node 0 with another one; rebalance moves it to another node.
measure_rebalance() {
	np_create crun createRuntime c limits.cpu=2 -- /bin/touch-memory $kind $mib
	mem_start c
	numaplace move c 0
	np_create crun createRuntime other limits.cpu=2 limits.cpu.nodes=0 -- /bin/touch-memory
	for round in $(seq $RUNS); do
		move rebalance $round rebalance
		[ "$(np_nodes c)" != 0 ] || { echo "# $kind: rebalance leaves it where it is" >&3; exit 1; }
		migrate rebalance $round
		numaplace move c 0
	done
	ct_delete c other
}

# measure KIND MIB
measure() {
	kind=$1 mib=$2 keys=
	if [ $kind = huge ]; then
		keys=limits.memory.hugepages=2MiB=$((mib / 2))
		reserve $mib $mib $((mib / 2)) $((mib / 2))
	fi
	# More CPUs than one node has, so that it takes all of the three nodes that it is moved to.
	np_create crun createRuntime c limits.cpu=6 limits.cpu.nodes=0 $keys -- /bin/touch-memory $kind $mib
	mem_start c
	rm -rf /run/tests/alone
	mkdir -p /run/tests/alone
	mkfifo /run/tests/alone/ready /run/tests/alone/go
	numactl --membind=0 $ct_root/bin/touch-memory /run/tests/alone $kind $mib &
	alone=$!
	at=0
	timeout 120 cat /run/tests/alone/ready
	for round in $(seq $RUNS); do
		move one $round move c $((round % 2))
		migrate one $round
	done
	[ $((RUNS % 2)) = 1 ] || numaplace move c 1
	for round in $(seq $RUNS); do
		move three $round move c 0,2,3
		migrate three $round
		move back $round move c 1
		migrate back $round
	done
	ct_delete c

	# A container that asks for huge pages is not rebalanced.
	[ $kind = huge ] || measure_rebalance
	kill $alone
	wait $alone
	reserve 0 0 0 0
}

for mib in $SIZES; do
	for kind in $KINDS; do
		measure $kind $mib
	done
done
: > "$LOG.done"
