# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR
#
# Memory in guest tests: containers that run touch (guest/src), hugepages per node, and the nodes of pages as
# `numaplace verify` reports them.

. /tests/lib.sh
. /tests/containers.sh
. /tests/placed.sh

mem_setup() {
	ct_setup
	cp /tests/bin/touch $ct_root/bin/touch-memory
	for m_rt in runc crun; do
		ln -sf /usr/bin/numaplace-runtime /usr/local/bin/numaplace-$m_rt
	done
	PATH=$PATH:/usr/local/bin
	np_syslog
}

# touched ID: waits until the process has touched its memory.
touched() { [ "$(timeout 120 cat "$ct_dir/$1/ready")" = ready ]; }
# mem_start ID: starts the container and waits until its process has touched its memory.
mem_start() { "$(cat "$ct_dir/$1/runtime")" start "$1" && touched "$1"; }
# touch_more ID KIND MIB
touch_more() { timeout 60 sh -c "echo $2 $3 > '$ct_dir/$1/go'"; }

huge_dir() { echo "/sys/devices/system/node/node$1/hugepages/hugepages-2048kB"; }
# reserve PAGES...: reserves that many hugepages on node 0, 1, ...
reserve() {
	r_node=0
	for r_n; do
		echo "$r_n" > "$(huge_dir $r_node)/nr_hugepages"
		r_node=$((r_node + 1))
	done
	reserved
}
# The reserved hugepages: "total/free total/free ..."
reserved() {
	for r_node in 0 1 2 3; do
		printf '%s/%s ' "$(cat "$(huge_dir $r_node)/nr_hugepages")" "$(cat "$(huge_dir $r_node)/free_hugepages")"
	done | sed 's/ $//'
}

# verify ID [OPTION...]: sets $v to the JSON output and v_rc to the exit status.
verify() {
	v=$(numaplace --json verify "$@" 2>&1)
	v_rc=$?
	echo "verify $*: $v_rc $v"
	return $v_rc
}
# kind KIND: MiB per node in the last output of verify: "0 64 0 0"
kind() { echo "$v" | jq -r --arg k "$1" '[.containers[0].nodes[] | .[$k] / 1048576 | floor] | join(" ")'; }
v_of() { echo "$v" | jq -r ".containers[0].$1"; }
