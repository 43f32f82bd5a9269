# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR
#
# The main checks of the OCI, hugepage, move and LXC tests on arm64, with pages of 4 and
# of 16 KiB: containers are placed before their first instruction and recorded, and
# requests that cannot be met are refused.
# Layouts: arm64-2x2, arm64-16k.

. /tests/memory.sh
mem_setup
case $LAYOUT in
*-16k) page=16384 default=32 ;;
*) page=4096 default=2 ;;
esac

# --- the machine
is "the machine is arm64" "$(uname -m)" aarch64
is "pages are of $page bytes" "$(getconf PAGESIZE)" $page
is "the default hugepage is $default MiB" "$(awk '/^Hugepagesize:/ { print $2 }' /proc/meminfo)" $((default * 1024))
is "numaplace topology lists every hugepage size of the kernel" \
	"$(numaplace --json topology | jq -r '.nodes[0].hugepages | keys[]' | sort | xargs)" \
	"$(find /sys/devices/system/node/node0/hugepages -mindepth 1 -maxdepth 1 -name 'hugepages-*' | sed 's/.*hugepages-//' | sort | xargs)"

# --- OCI
for row in runc/createRuntime crun/prestart; do
	rt=${row%/*} stage=${row#*/}
	ok "$row: container a with 2 CPUs starts" np_run "$rt" "$stage" a limits.cpu=2 limits.cpu.nodes=balanced
	node=$(np_nodes a)
	shows a "$node" "$((node * 2))-$((node * 2 + 1))" "$node"
	is "$row: status --json shows container a" "$(numaplace status --json | jq -r '.containers[] | .id + " " + .runtime + " " + .nodes')" "a $rt $node"
	ok "$row: container b with 2 CPUs starts" np_run "$rt" "$stage" b limits.cpu=2 limits.memory=32MiB
	shows b $((1 - node)) $(((1 - node) * 2))-$(((1 - node) * 2 + 1)) $((1 - node))
	cg=$(ct_cgroup a)
	getfattr -d -m - --absolute-names "$cg" > /run/tests/before
	"$rt" state a | jq '.annotations = {"limits.cpu": "2"}' > /run/tests/state
	ok "$row: a second run of the hook succeeds" strace -o /run/tests/trace $np_hook --timeout 60 "$stage" < /run/tests/state
	getfattr -d -m - --absolute-names "$cg" > /run/tests/after
	ok "$row: a second run of the hook changes no xattr" cmp /run/tests/before /run/tests/after
	ok "$row: the hook installs its system call filter" grep -q '^seccomp(SECCOMP_SET_MODE_FILTER, .* = 0$' /run/tests/trace
	ct_delete a b
	is "$row: poststop removes both containers from status" "$(np_ids)" ""
	rm -rf /run/numaplace
	ok "$row: a container without keys starts" np_run "$rt" "$stage" none
	is "$row: a container without keys is not placed" "$(ct_seen none Cpus_allowed_list) $(ct_seen none Mems_allowed_list)|$(xattrs none)" "0-3 0-1|"
	ct_delete none
	not_ok "$row: a node that does not exist is refused" np_run "$rt" "$stage" no limits.cpu.nodes=2
	like "$row: the refusal of a node that does not exist lists the nodes" "$(ct_said no)" 'limits.cpu.nodes: "2": no such node \(nodes 0-1 exist\)'
	ct_delete no
done

# --- hugepages, which are all on node 1
for mib in 2 $([ $default = 2 ] || echo $default); do
	pool=hugepages/hugepages-$((mib * 1024))kB
	left=/sys/devices/system/node/node1/$pool/free_hugepages
	had=$(slurp $left)
	ok "hugepages of $mib MiB: a container with 2 of them starts" np_create crun createRuntime huge limits.cpu=1 "limits.memory.hugepages=${mib}MiB=2" \
		-- /bin/touch-memory huge $((2 * default))
	is "hugepages of $mib MiB: the container is on the node that has them" "$(effective huge cpus | cut -c1) $(effective huge mems)" "2 1"
	if [ $mib = $default ]; then
		ok "hugepages of $mib MiB: the container touches two of them" mem_start huge
		is "hugepages of $mib MiB: the kernel takes them from node 1" "$(slurp $left)" $((had - 2))
		ok "hugepages of $mib MiB: verify finds no page on another node" verify huge
		is "hugepages of $mib MiB: verify finds all of them on node 1" "$(kind huge)" "0 $((2 * mib))"
		echo 2 > /sys/devices/system/node/node0/$pool/nr_hugepages
		ok "hugepages of $mib MiB: the container moves to node 0" numaplace move huge 0
		ok "hugepages of $mib MiB: after the move, verify finds no page on another node" verify huge
		is "hugepages of $mib MiB: after the move, all of them are on node 0" "$(slurp $left) $(kind huge)" "$had $((2 * mib)) 0"
	fi
	ct_delete huge
	echo 0 > /sys/devices/system/node/node0/$pool/nr_hugepages
	not_ok "hugepages of $mib MiB: a request for more than exist is refused" np_create runc createRuntime many limits.cpu=1 \
		"limits.memory.hugepages=${mib}MiB=$((had + 1))"
	like "hugepages of $mib MiB: the refusal has the requested and the free number" "$(ct_said many)" \
		"limits.memory.hugepages: $((had + 1)) pages of ${mib}MiB requested, $had free"
	ct_delete many
done

# --- a move
ok "move: a container on node 0 is created" np_create crun createRuntime big limits.cpu=2 limits.cpu.nodes=0 limits.memory=64MiB \
	-- /bin/touch-memory anon 40
ok "move: the container touches 40 MiB" mem_start big
ok "move: before it, verify finds all pages on node 0" verify big
ok "move: a move to node 1 succeeds" numaplace move big 1
is "move: after it, cgroup and status have node 1" "$(effective big cpus) $(effective big mems)|$(np_status big)" "2-3 1|1 2-3 1 crun"
ok "move: after it, verify finds no page on another node" verify big
is "move: after it, no private page is on node 0" "$(kind private | cut -d' ' -f1)" 0
ok "move: after it, 40 MiB are on node 1" [ "$(kind private | cut -d' ' -f2)" -ge 40 ]
ct_delete big

# --- LXC. lxc.sh replaces the exit trap that deletes the containers above.
ct_delete_all
. /tests/lxc.sh
lx_make a 'limits.cpu = 2' '  limits.memory	=  "64MiB"'
cp $lx_path/a/config /run/tests/a.before
ok "LXC: container a starts" lx_start a
node=$(lx_line a volatile.cpu.nodes)
cpus=$((node * 2))-$((node * 2 + 1))
is "LXC: the first instruction of a sees the CPUs and memory of one node" \
	"$(lx_seen a Cpus_allowed_list) $(lx_seen a Mems_allowed_list)" "$cpus $node"
is "LXC: the config of a gets a line for the memory nodes" "$(lx_line a volatile.memory.nodes)" "$node"
is "LXC: no other line in the config of a changes" "$(grep -v ^volatile $lx_path/a/config)" "$(cat /run/tests/a.before)"
is "LXC: the cgroup of a has the nodes in an xattr" \
	"$(getfattr --only-values --absolute-names -n trusted.volatile.cpu.nodes "$(lx_cgroup a)")" "$node"
is "LXC: numaplace status shows container a" "$(numaplace --json status | jq -r '.containers[] | .id + " " + .runtime + " " + .cpus')" \
	"a lxc $cpus"
is "LXC: a process of lxc-attach has the CPUs of the container" \
	"$(timeout 60 lxc-attach -n a -- /bin/grep ^Cpus_allowed_list /proc/self/status | cut -f2)" "$cpus"
lx_make b 'limits.cpu = 2'
ok "LXC: container b starts" lx_start b
is "LXC: container b is on the node that a leaves free" "$(lx_seen b Mems_allowed_list)" $((1 - node))
rm $lx_out/a/status
ok "LXC: container a reboots" timeout 60 lxc-stop -r -n a
ok "LXC: container a runs again after its reboot" eventually [ -e $lx_out/a/status ]
is "LXC: after its reboot, container a has the same CPUs and one record" "$(lx_seen a Cpus_allowed_list) $(in_ledger a)" "$cpus 1"
ok "LXC: container a stops" lx_stop a
ok "LXC: container b stops" lx_stop b
is "LXC: the ledger is empty after both containers have stopped" "$(find /run/numaplace/containers -type f | wc -l)" 0
lx_make bad 'limits.cpu = 1' 'limits.memory = 500GiB'
ok "LXC: too much memory is refused" lx_refused bad
like "LXC: the refusal of too much memory has the requested size" "$(lx_said bad)" 500GiB
done_testing
