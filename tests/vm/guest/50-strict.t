# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR
#
# strict: more than the nodes have is refused before the start, and what outgrows
# them later is stopped by the kernel, not moved; and what verify counts as a
# container's own. Layout: 4x2-pairs.

. /tests/memory.sh
mem_setup

for rt in runc crun; do
	not_ok "$rt, strict: more than the node has is refused" np_create $rt createRuntime big limits.cpu=1 \
		limits.cpu.nodes=3 limits.memory=1GiB -- /bin/touch-memory
	like "$rt, strict: with the numbers" "$(ct_said big)" 'limits.memory: 1GiB requested, [0-9.]+MiB available \(node 3: [0-9.]+MiB\)'
	ct_delete big
done
ok "strict: 100 MiB" np_create crun createRuntime grow limits.cpu=1 limits.cpu.nodes=3 limits.memory=100MiB \
	-- /bin/touch-memory anon 100
ok "strict: are touched" mem_start grow
ok "strict: and on node 3" verify grow
is "strict: all of them" "$(kind private)" "0 0 0 100"
others=$(awk '/MemFree/ { s += $4 } END { print int(s / 1024) }' /sys/devices/system/node/node[012]/meminfo)
touch_more grow anon 700
ok "strict: one that outgrows its node is killed" eventually ct_gone "$(ct_pid grow)"
like "strict: by the kernel, for want of memory on its nodes" "$(dmesg | grep oom-kill)" 'constraint=CONSTRAINT_CPUSET.*mems_allowed=3.*touch-memory'
now=$(awk '/MemFree/ { s += $4 } END { print int(s / 1024) }' /sys/devices/system/node/node[012]/meminfo)
ok "strict: the other nodes kept theirs ($others, $now MiB)" [ $((others - now)) -lt 100 ]
ct_delete grow

# --- shared memory and files
# The program itself was brought into memory by somebody else, on node 1.
rm $ct_root/bin/touch-memory
numactl --membind=1 cp /tests/bin/touch $ct_root/bin/touch-memory
ok "shared: is created" np_create crun createRuntime shm limits.cpu=1 limits.cpu.nodes=2 -- /bin/touch-memory shm 50 anon 20
ok "shared: touches" mem_start shm
ok "shared: is a hit" verify shm
is "shared: on its node" "$(kind shared)" "0 0 50 0"
ok "shared: the program's own pages are on node 1, and no miss" \
	[ "$(echo "$v" | jq '.containers[0] | .nodes[1].files > 0 and .nodes[1].miss == 0 and .miss == 0')" = true ]
is "verify --watch looks again and again" \
	"$(timeout 60 numaplace --json verify --watch=1 shm | jq --unbuffered -r '.containers[0].verdict' | head -n 2 | xargs)" "hit hit"
not_ok "shared: on another it would be none" verify shm --nodes 1
is "shared: and the status says so" $v_rc 1
ok "shared: of which all was looked at" [ "$(v_of miss)" -ge $((70 << 20)) ]

# A file that somebody else brought into memory, mapped privately, and every second page changed.
numactl --membind=1 dd if=/dev/zero of=$ct_dir/shm/data bs=1M count=40
touch_more shm cow 40
ok "cow: touches" touched shm
ok "cow: is a hit" verify shm
is "cow: its own half is on its node" "$(kind private)" "0 0 40 0"
is "cow: the file's half is where it was" "$(kind files | cut -d' ' -f2)" 20
is "cow: and nothing is left open" "$(v_of mixed)" 0

# Moved away behind our back: exit status 1, without being told where it should be.
echo 0-3 > "$(ct_cgroup shm)/cpuset.mems"
ok "away: its pages are moved" migratepages "$(ct_pid shm)" 2 3
not_ok "away: is a miss" verify shm
is "away: and the status says so" "$v_rc $(v_of verdict)" "1 miss"
ok "away: nearly all of it" [ "$(v_of miss)" -ge $((85 << 20)) ]
like "away: for people, too" "$(numaplace verify shm)" '^miss: [0-9]\.[0-9] MiB where they should be, [89][0-9]\.[0-9] MiB elsewhere$'
ct_delete shm
ok "verify: nothing placed" numaplace verify
not_ok "verify: no such container" numaplace verify nosuchone
done_testing
