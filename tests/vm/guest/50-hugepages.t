# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR
#
# Hugepages: LXD issue 15082 with a container, with and without numaplace, with a process that touches hugepages and with a
# real QEMU; and the number of free hugepages.
# Layout: 4x2-pairs.

# shellcheck disable=SC2086 # $qemu is several words
. /tests/memory.sh
mem_setup

is "hugepages are reserved on nodes 0 and 1" "$(reserve 48 48 0 0)" "48/48 48/48 0/0 0/0"

# QEMU in a container: uses the programs of the guest and memory of a hugetlbfs.
ln -s usr/lib $ct_root/lib
ln -s usr/lib64 $ct_root/lib64
mkdir $ct_root/usr $ct_root/huge
qemu_mounts='.mounts += [{destination: "/usr", type: "bind", source: "/usr", options: ["rbind", "ro"]},
	{destination: "/huge", type: "hugetlbfs", source: "hugetlbfs", options: ["pagesize=2M"]}]'
# qemu_up ID: starts the container and waits for the first answer of QEMU, which comes after it has touched all memory.
qemu_up() {
	mkfifo "$ct_dir/$1/qmp.in" "$ct_dir/$1/qmp.out"
	"$(cat "$ct_dir/$1/runtime")" start "$1" &&
		timeout 60 sh -c "echo '{\"execute\": \"qmp_capabilities\"}' > '$ct_dir/$1/qmp.in'" &&
		timeout 120 grep -m 1 '"return"' "$ct_dir/$1/qmp.out"
}
qemu='/usr/bin/qemu-system-x86_64 -M microvm -accel tcg -nodefaults -display none -S
	-m 64 -mem-path /huge -mem-prealloc -qmp pipe:/out/qmp'

for rt in runc crun; do
	# --- as reported for LXD: limits.cpu.nodes=1 with hugepages, which came from node 0
	ok "$rt, LXD 15082: a container with hugepages on node 1 is created" np_create $rt createRuntime lxd limits.cpu=4 limits.cpu.nodes=1 \
		limits.memory=64MiB limits.memory.hugepages=true -- /bin/touch-memory huge 64
	ok "$rt, LXD 15082: the container touches 64 MiB of hugepages" mem_start lxd
	is "$rt, LXD 15082: all 32 hugepages are taken from node 1" "$(reserved)" "48/48 48/16 0/0 0/0"
	ok "$rt, LXD 15082: verify finds no page on another node" verify lxd
	is "$rt, LXD 15082: verify finds 64 MiB of hugepages on node 1" "$(kind huge)" "0 64 0 0"
	like "$rt, LXD 15082: verify prints a table" "$(numaplace verify lxd)" '^hugepages +0\.0 +64\.0 +0\.0 +0\.0 +64\.0$'
	like "$rt, LXD 15082: verify prints the verdict hit" "$(numaplace verify lxd)" '^hit: [0-9.]+ MiB where they should be, 0\.0 MiB elsewhere$'
	ok "$rt, LXD 15082: verify of the pid finds no page on another node" verify "$(ct_pid lxd)"
	# The kernel allocates on the node of the CPU first. The cpuset has a visible effect only when that node is full.
	is "$rt, LXD 15082: the cpuset allows node 1 only" "$(effective lxd cpus) $(effective lxd mems)" "2-3 1"
	touch_more lxd huge 64
	is "$rt, LXD 15082: more hugepages than node 1 has cannot be mapped" "$(timeout 120 cat $ct_dir/lxd/ready)" failed
	ct_delete lxd

	# --- without numaplace, started from node 0's CPUs
	ok "$rt, without numaplace: a container on the CPUs of node 0 starts" ct_create $rt bare -j '.linux.resources.cpu.cpus = "0-1"' \
		-- /bin/touch-memory huge 64
	ok "$rt, without numaplace: the container touches 64 MiB of hugepages" mem_start bare
	not_ok "$rt, without numaplace: verify finds pages outside of node 1" verify "$(ct_pid bare)" --nodes 1
	is "$rt, without numaplace: verify finds 64 MiB of hugepages on node 0" "$(kind huge)" "64 0 0 0"
	is "$rt, without numaplace: the verdict of verify is miss" "$(v_of verdict)" miss
	ct_delete bare

	# --- the same with a real QEMU
	ok "$rt, QEMU: a container with QEMU on node 1 is created" np_create $rt createRuntime vm limits.cpu=4 limits.cpu.nodes=1 \
		limits.memory=64MiB limits.memory.hugepages=true -j "$qemu_mounts" -- $qemu
	ok "$rt, QEMU: QEMU touches all of its memory" qemu_up vm
	is "$rt, QEMU: QEMU is the process of the container" "$(slurp "/proc/$(ct_pid vm)/comm")" qemu-system-x86
	is "$rt, QEMU: all 32 hugepages are taken from node 1" "$(reserved)" "48/48 48/16 0/0 0/0"
	ok "$rt, QEMU: verify finds no page on another node" verify vm
	is "$rt, QEMU: verify finds 64 MiB of hugepages on node 1" "$(kind huge)" "0 64 0 0"
	ct_delete vm
	ok "$rt, QEMU without numaplace: a container on the CPUs of node 0 is created" ct_create $rt vm -j '.linux.resources.cpu.cpus = "0-1"' -j "$qemu_mounts" -- $qemu
	ok "$rt, QEMU without numaplace: QEMU touches all of its memory" qemu_up vm
	not_ok "$rt, QEMU without numaplace: verify finds pages outside of node 1" verify "$(ct_pid vm)" --nodes 1
	is "$rt, QEMU without numaplace: verify finds 64 MiB of hugepages on node 0" "$(kind huge)" "64 0 0 0"
	ct_delete vm

	# --- more hugepages than free
	not_ok "$rt: a request for more hugepages than node 1 has is refused" np_create $rt createRuntime many limits.cpu=2 \
		limits.cpu.nodes=1 limits.memory=200MiB limits.memory.hugepages=true -- /bin/touch-memory huge 200
	like "$rt: the refusal of hugepages has the requested and the free number" "$(ct_said many)" '100 pages of 2MiB requested, 48 free \(node 1: 48\)'
	ct_delete many

	# --- hugepageLimits of OCI is a claim; claimed pages that are not touched yet are taken; other nodes are tried
	limit='.linux.resources.hugepageLimits = [{pageSize: "2MB", limit: 67108864}]'
	ok "$rt, hugepageLimits: a first container of 32 pages is created" np_create $rt createRuntime h1 limits.cpu=1 -j "$limit" -- /bin/touch-memory
	ok "$rt, hugepageLimits: a second container of 32 pages is created" np_create $rt createRuntime h2 limits.cpu=1 -j "$limit" -- /bin/touch-memory
	is "$rt, hugepageLimits: the two containers are on different nodes" \
		"$(printf '%s\n' "$(np_mems h1)" "$(np_mems h2)" | sort | xargs)" "0 1"
	more='.linux.resources.hugepageLimits = [{pageSize: "2MB", limit: 83886080}]'
	not_ok "$rt, hugepageLimits: a third container of 40 pages is refused" \
		np_create $rt createRuntime h3 limits.cpu=1 -j "$more" -- /bin/touch-memory
	like "$rt, hugepageLimits: the refusal has the requested and the free number" "$(ct_said h3)" \
		'40 pages of 2MiB requested, 32 free \(node 0: 16, 1: 16'
	mem_start h1
	touch_more h1 huge 64
	ok "$rt, hugepageLimits: the first container touches its pages" touched h1
	not_ok "$rt, hugepageLimits: another container of 40 pages is refused after that, too" \
		np_create $rt createRuntime h4 limits.cpu=1 -j "$more" -- /bin/touch-memory
	like "$rt, hugepageLimits: touched pages do not change the free number in the refusal" "$(ct_said h4)" \
		'40 pages of 2MiB requested, 32 free \(node 0: 16, 1: 16'
	ct_delete h1 h2 h3 h4
done

is "24 hugepages are reserved on node 2 only" "$(reserve 0 0 24 0)" "0/0 0/0 24/24 0/0"
ok "a container with 16 hugepages is created" np_create crun createRuntime there limits.cpu=1 limits.memory.hugepages=2MiB=16 -- /bin/touch-memory huge 32
is "a container with hugepages is placed on node 2, the only one that has them" "$(np_mems there)" 2
ok "a container with hugepages on node 2 touches them" mem_start there
ok "verify finds no page of the container on another node than 2" verify there
is "verify finds 32 MiB of hugepages on node 2" "$(kind huge)" "0 0 32 0"
ct_delete there
reserve 0 0 0 0

done_testing
