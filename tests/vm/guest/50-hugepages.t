# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR
#
# Hugepages: LXD issue 15082 as a container, with and without numaplace, once with a
# process that touches them and once with a real QEMU; and how many are left.
# Layout: 4x2-pairs.

# shellcheck disable=SC2086 # $qemu is words
. /tests/memory.sh
mem_setup

is "hugepages are reserved on nodes 0 and 1" "$(reserve 48 48 0 0)" "48/48 48/48 0/0 0/0"

# QEMU in a container: its programs are the guest's, its memory comes from a hugetlbfs.
ln -s usr/lib $ct_root/lib
ln -s usr/lib64 $ct_root/lib64
mkdir $ct_root/usr $ct_root/huge
qemu_mounts='.mounts += [{destination: "/usr", type: "bind", source: "/usr", options: ["rbind", "ro"]},
	{destination: "/huge", type: "hugetlbfs", source: "hugetlbfs", options: ["pagesize=2M"]}]'
# qemu_up ID: start it, and wait for its first answer: it comes when all memory is touched.
qemu_up() {
	mkfifo "$ct_dir/$1/qmp.in" "$ct_dir/$1/qmp.out"
	"$(cat "$ct_dir/$1/runtime")" start "$1" &&
		timeout 60 sh -c "echo '{\"execute\": \"qmp_capabilities\"}' > '$ct_dir/$1/qmp.in'" &&
		timeout 120 grep -m 1 '"return"' "$ct_dir/$1/qmp.out"
}
qemu='/usr/bin/qemu-system-x86_64 -M microvm -accel tcg -nodefaults -display none -S
	-m 64 -mem-path /huge -mem-prealloc -qmp pipe:/out/qmp'

for rt in runc crun; do
	# --- as it was reported for LXD: limits.cpu.nodes=1 and hugepages, and they came from node 0
	ok "$rt, LXD 15082: is created" np_create $rt createRuntime lxd limits.cpu=4 limits.cpu.nodes=1 \
		limits.memory=64MiB limits.memory.hugepages=true -- /bin/touch-memory huge 64
	ok "$rt, LXD 15082: touches 64 MiB of hugepages" mem_start lxd
	is "$rt, LXD 15082: all of them are node 1's" "$(reserved)" "48/48 48/16 0/0 0/0"
	ok "$rt, LXD 15082: verify finds no page elsewhere" verify lxd
	is "$rt, LXD 15082: and 64 MiB on node 1" "$(kind huge)" "0 64 0 0"
	like "$rt, LXD 15082: a table for people" "$(numaplace verify lxd)" '^hugepages +0\.0 +64\.0 +0\.0 +0\.0 +64\.0$'
	like "$rt, LXD 15082: with a verdict" "$(numaplace verify lxd)" '^hit: [0-9.]+ MiB where they should be, 0\.0 MiB elsewhere$'
	ok "$rt, LXD 15082: the same by its pid" verify "$(ct_pid lxd)"
	# Pages begin at the node of the CPU by themselves: only where that has no more does it show that no other may give.
	is "$rt, LXD 15082: no other node may give it any" "$(effective lxd cpus) $(effective lxd mems)" "2-3 1"
	touch_more lxd huge 64
	is "$rt, LXD 15082: what its node has no more, it does not get" "$(timeout 120 cat $ct_dir/lxd/ready)" failed
	ct_delete lxd

	# --- without numaplace, started from node 0's CPUs
	ok "$rt, without numaplace: starts" ct_create $rt bare -j '.linux.resources.cpu.cpus = "0-1"' \
		-- /bin/touch-memory huge 64
	ok "$rt, without numaplace: touches" mem_start bare
	not_ok "$rt, without numaplace: verify finds pages elsewhere" verify "$(ct_pid bare)" --nodes 1
	is "$rt, without numaplace: on node 0" "$(kind huge)" "64 0 0 0"
	is "$rt, without numaplace: is a miss" "$(v_of verdict)" miss
	ct_delete bare

	# --- the same with a real QEMU
	ok "$rt, QEMU: is created" np_create $rt createRuntime vm limits.cpu=4 limits.cpu.nodes=1 \
		limits.memory=64MiB limits.memory.hugepages=true -j "$qemu_mounts" -- $qemu
	ok "$rt, QEMU: has all of its memory" qemu_up vm
	is "$rt, QEMU: it is the container's process" "$(slurp "/proc/$(ct_pid vm)/comm")" qemu-system-x86
	is "$rt, QEMU: all hugepages are node 1's" "$(reserved)" "48/48 48/16 0/0 0/0"
	ok "$rt, QEMU: verify finds no page elsewhere" verify vm
	is "$rt, QEMU: and 64 MiB on node 1" "$(kind huge)" "0 64 0 0"
	ct_delete vm
	ok "$rt, QEMU without numaplace: is created" ct_create $rt vm -j '.linux.resources.cpu.cpus = "0-1"' -j "$qemu_mounts" -- $qemu
	ok "$rt, QEMU without numaplace: has all of its memory" qemu_up vm
	not_ok "$rt, QEMU without numaplace: verify finds pages elsewhere" verify "$(ct_pid vm)" --nodes 1
	is "$rt, QEMU without numaplace: 64 MiB on node 0" "$(kind huge)" "64 0 0 0"
	ct_delete vm

	# --- more than there is
	not_ok "$rt: hugepages that node 1 has not are refused" np_create $rt createRuntime many limits.cpu=2 \
		limits.cpu.nodes=1 limits.memory=200MiB limits.memory.hugepages=true -- /bin/touch-memory huge 200
	like "$rt: with the numbers" "$(ct_said many)" '100 pages of 2MiB requested, 48 free \(node 1: 48\)'
	ct_delete many

	# --- OCI's own limit counts, pages promised and not yet touched are taken, and other nodes are tried
	limit='.linux.resources.hugepageLimits = [{pageSize: "2MB", limit: 67108864}]'
	ok "$rt, hugepageLimits: first" np_create $rt createRuntime h1 limits.cpu=1 -j "$limit" -- /bin/touch-memory
	ok "$rt, hugepageLimits: second" np_create $rt createRuntime h2 limits.cpu=1 -j "$limit" -- /bin/touch-memory
	is "$rt, hugepageLimits: each on a node of its own" \
		"$(printf '%s\n' "$(np_mems h1)" "$(np_mems h2)" | sort | xargs)" "0 1"
	more='.linux.resources.hugepageLimits = [{pageSize: "2MB", limit: 83886080}]'
	not_ok "$rt, hugepageLimits: 40 are not left for a third" \
		np_create $rt createRuntime h3 limits.cpu=1 -j "$more" -- /bin/touch-memory
	like "$rt, hugepageLimits: with the numbers" "$(ct_said h3)" \
		'40 pages of 2MiB requested, 32 free \(node 0: 16, 1: 16'
	mem_start h1
	touch_more h1 huge 64
	ok "$rt, hugepageLimits: the first touches them" touched h1
	not_ok "$rt, hugepageLimits: which makes no more of them" \
		np_create $rt createRuntime h4 limits.cpu=1 -j "$more" -- /bin/touch-memory
	like "$rt, hugepageLimits: with the same numbers" "$(ct_said h4)" \
		'40 pages of 2MiB requested, 32 free \(node 0: 16, 1: 16'
	ct_delete h1 h2 h3 h4
done

is "hugepages on node 2 alone" "$(reserve 0 0 24 0)" "0/0 0/0 24/24 0/0"
ok "one that needs 16" np_create crun createRuntime there limits.cpu=1 limits.memory.hugepages=2MiB=16 -- /bin/touch-memory huge 32
is "goes there" "$(np_mems there)" 2
ok "touches them" mem_start there
ok "where they should be" verify there
is "is" "$(kind huge)" "0 0 32 0"
ct_delete there
reserve 0 0 0 0

done_testing
