# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR
#
# The policy strict: a request for more memory than the nodes have is refused before the start, and the kernel kills a
# container that outgrows its nodes later. And which pages verify counts for a container. Layout: 4x2-pairs.

. /tests/memory.sh
mem_setup

for rt in runc crun; do
	not_ok "$rt, strict: a request for more memory than the node has is refused" np_create $rt createRuntime big limits.cpu=1 \
		limits.cpu.nodes=3 limits.memory=1GiB -- /bin/touch-memory
	like "$rt, strict: the refusal has the requested and the available memory" "$(ct_said big)" 'limits.memory: 1GiB requested, [0-9.]+MiB available \(node 3: [0-9.]+MiB\)'
	ct_delete big
done
ok "strict: a container with 100 MiB on node 3 is created" np_create crun createRuntime grow limits.cpu=1 limits.cpu.nodes=3 limits.memory=100MiB \
	-- /bin/touch-memory anon 100
ok "strict: the container touches 100 MiB" mem_start grow
ok "strict: verify finds no page outside of node 3" verify grow
is "strict: verify finds 100 MiB on node 3" "$(kind private)" "0 0 0 100"
others=$(awk '/MemFree/ { s += $4 } END { print int(s / 1024) }' /sys/devices/system/node/node[012]/meminfo)
touch_more grow anon 700
ok "strict: a container that outgrows its node is killed" eventually ct_gone "$(ct_pid grow)"
like "strict: the kernel reports an out-of-memory kill for the nodes of the cpuset" "$(dmesg | grep oom-kill)" 'constraint=CONSTRAINT_CPUSET.*mems_allowed=3.*touch-memory'
now=$(awk '/MemFree/ { s += $4 } END { print int(s / 1024) }' /sys/devices/system/node/node[012]/meminfo)
ok "strict: the free memory of the other nodes is unchanged ($others, $now MiB)" [ $((others - now)) -lt 100 ]
ct_delete grow

# --- shared memory and files
# The file of the program is in the page cache on node 1, read by another process.
rm $ct_root/bin/touch-memory
numactl --membind=1 cp /tests/bin/touch $ct_root/bin/touch-memory
ok "shared memory: a container on node 2 is created" np_create crun createRuntime shm limits.cpu=1 limits.cpu.nodes=2 -- /bin/touch-memory shm 50 anon 20
ok "shared memory: the container touches 50 MiB" mem_start shm
ok "shared memory: the verdict of verify is hit" verify shm
is "shared memory: verify finds 50 MiB on node 2" "$(kind shared)" "0 0 50 0"
ok "shared memory: pages of the program file on node 1 are not counted as miss" \
	[ "$(echo "$v" | jq '.containers[0] | .nodes[1].files > 0 and .nodes[1].miss == 0 and .miss == 0')" = true ]
is "verify --watch prints a verdict repeatedly" \
	"$(timeout 60 numaplace --json verify --watch=1 shm | jq --unbuffered -r '.containers[0].verdict' | head -n 2 | xargs)" "hit hit"
not_ok "shared memory: verify --nodes with another node fails" verify shm --nodes 1
is "shared memory: verify --nodes with another node ends with status 1" $v_rc 1
ok "shared memory: verify --nodes with another node counts all 70 MiB as miss" [ "$(v_of miss)" -ge $((70 << 20)) ]

# A file that another process has read into the page cache, mapped privately, with every second page changed.
numactl --membind=1 dd if=/dev/zero of=$ct_dir/shm/data bs=1M count=40
touch_more shm cow 40
ok "copy on write: the container changes half of a mapped file" touched shm
ok "copy on write: the verdict of verify is hit" verify shm
is "copy on write: the changed half is on node 2" "$(kind private)" "0 0 40 0"
is "copy on write: the unchanged half stays on node 1" "$(kind files | cut -d' ' -f2)" 20
is "copy on write: verify classifies all pages" "$(v_of mixed)" 0

# The pages are moved by another tool. verify must detect it without --nodes.
echo 0-3 > "$(ct_cgroup shm)/cpuset.mems"
ok "moved by another tool: migratepages moves the pages to node 3" migratepages "$(ct_pid shm)" 2 3
not_ok "moved by another tool: verify fails" verify shm
is "moved by another tool: verify ends with status 1 and verdict miss" "$v_rc $(v_of verdict)" "1 miss"
ok "moved by another tool: verify counts at least 85 MiB as miss" [ "$(v_of miss)" -ge $((85 << 20)) ]
like "moved by another tool: the table of verify has the miss" "$(numaplace verify shm)" '^miss: [0-9]\.[0-9] MiB where they should be, [89][0-9]\.[0-9] MiB elsewhere$'
ct_delete shm
ok "verify succeeds if no container is placed" numaplace verify
not_ok "verify of an unknown container fails" numaplace verify nosuchone
done_testing
