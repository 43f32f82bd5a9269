# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR
#
# A live container to other nodes: all of its pages there, alive throughout, its
# record with it; and where it was when that cannot be. Layout: 4x2-pairs.
# time limit: 900 s

. /tests/memory.sh
mem_setup
# How often a process was stopped or not there while it was moved, would show here.
ticks() { cut -d' ' -f22 "/proc/$1/stat"; }

ok "300 MiB on node 0: is created" np_create crun createRuntime big limits.cpu=2 limits.cpu.nodes=0 limits.memory=320MiB \
	-- /bin/touch-memory anon 300
ok "are touched" mem_start big
pid=$(ct_pid big)
born=$(ticks "$pid")
ok "they are there" verify big
is "all of them" "$(kind private | cut -d' ' -f2-)" "0 0 0"
cg=$(ct_cgroup big)
like "--dry-run says what would be" "$(numaplace move big 2 --dry-run)" '^big: memory from 0 to 2, CPUs 4-5 \(not done'
is "and does nothing" "$(effective big mems) $(np_mems big)" "0 0"
echo "# $(date +%s.%N)"
ok "move to node 2" numaplace move big 2
echo "# $(date +%s.%N)"
is "the cgroup says so" "$(effective big cpus) $(effective big mems)" "4-5 2"
is "status says so" "$(np_status big)" "2 4-5 2 crun"
is "so do the marks" "$(xattr big cpu) $(xattr big memory)" "2 2"
ok "verify finds no page elsewhere" verify big
ok "300 MiB are on node 2" [ "$(kind private | cut -d' ' -f3)" -ge 300 ]
is "it is the same process" "$(ticks "$pid")" "$born"
touch_more big anon 10
ok "which goes on" touched big
ok "also on its new node" verify big
crun state big | jq '.annotations = {"limits.cpu": "1"}' > /run/tests/state
is "its ledger entry can be found by its cgroup" "$($np_hook --timeout 60 prestart 2>&1 < /run/tests/state)" ""
is "and stays" "$(np_status big)" "2 4-5 2 crun"

ok "to two nodes at once" numaplace --json move big 0-1
is "one is enough" "$(echo "$(np_nodes big)" | grep -cx '[01]')" 1
ok "verify agrees" verify big
script -qec "numaplace move big 2" /run/tests/typescript
ok "and back, with progress on a terminal" [ "$(tr '\r' '\n' < /run/tests/typescript | grep -c '^[0-9]* of 3[0-9]* MiB')" -ge 10 ]
is "which is done" "$(np_status big)" "2 4-5 2 crun"
ok "to where it is: what it holds itself is not in its way" numaplace move big 2
is "there it stays" "$(np_status big)" "2 4-5 2 crun"

# --- killed in the middle: the ledger says where it is, verify and doctor what is wrong, the next move finishes it
# killed_at CALL N NODE: a move, killed before its N-th CALL.
killed_at() {
	strace -o /dev/null -e trace="$1" -e inject="$1:signal=KILL:when=$2" numaplace move big "$3"
	is "killed before $1 $2: is killed" $? 137
}
# calls_to NODE: how many calls of move_pages a whole move takes.
calls_to() {
	strace -o /run/tests/calls -e trace=move_pages numaplace move big "$1" > /dev/null 2>&1
	grep -c '^move_pages' /run/tests/calls
}
truth() { echo "$(effective big cpus) $(effective big mems)"; }
cut_off() { numaplace doctor | tr -s '\n ' ' ' | grep -o 'big: its move was interrupted'; }

killed_at move_pages 1 0
is "before it began: status says what is" "$(np_status big)|$(truth)" "2 4-5 2 crun|4-5 2"
ok "before it began: every page is there" verify big
is "before it began: nothing is to be done" "$(cut_off)" ""

calls=$(calls_to 0)
numaplace move big 2
for to in 0 2; do
	killed_at move_pages $((calls / 2 + 1)) 0
	is "half-way: its CPUs are what status says, its memory may be on both" "$(np_status big)|$(truth)" "2 4-5 2 crun|4-5 0,2"
	not_ok "half-way: verify finds pages elsewhere" verify big
	is "half-way: some of them" "$v_rc $(v_of verdict) $(echo "$v" | jq '.containers[0] | .hit > 1048576 and .miss > 1048576')" "1 miss true"
	is "half-way: doctor says it" "$(cut_off)" "big: its move was interrupted"
	ok "half-way: move to $to makes it good" numaplace move big $to
	ok "half-way: all pages are on $to" verify big --nodes $to
	is "half-way: status says it" "$(np_status big)|$(truth)" "$to $((to * 2))-$((to * 2 + 1)) $to crun|$((to * 2))-$((to * 2 + 1)) $to"
	is "half-way: and doctor is content" "$(cut_off)" ""
	numaplace move big 2
done

for n in 1 3; do
	killed_at fsetxattr $n 0
	is "at the end ($n): status says what is" "$(np_status big)|$(truth)" "0 0-1 0 crun|0-1 0"
	ok "at the end ($n): every page is there" verify big
	is "at the end ($n): doctor says that not all of its marks are" "$(cut_off)" "big: its move was interrupted"
	ok "at the end ($n): and back" numaplace move big 2
	is "at the end ($n): with its marks" "$(xattr big cpu) $(xattr big memory)" "2 2"
	is "at the end ($n): nothing is left to be done" "$(cut_off)" ""
done
is "killed: no note is left" "$(find /run/numaplace -name 'moving*')" ""
is "killed: it is the same process" "$(ticks "$pid")" "$born"

# --- what cannot be
not_ok "a node that is not there is refused" numaplace move big 9
ok "a neighbour with node 3's memory" np_create crun createRuntime full limits.cpu=1 limits.cpu.nodes=3 limits.memory=400MiB \
	-- /bin/touch-memory
not_ok "a node without room for it is refused" numaplace move big 3
like "with the numbers" "$(numaplace move big 3 2>&1)" 'limits.memory: 320MiB requested, [0-9.]+MiB available'
is "it is where it was" "$(np_status big) $(effective big mems)" "2 4-5 2 crun 2"
not_ok "nobody" numaplace move nobody 1
not_ok "no nodes" numaplace move big
ct_delete full

# --- a page that cannot be moved: it is where it was, with all the others
touch_more big pinned 1
ok "one page more, which the kernel holds" touched big
for limit in 0 1; do
	not_ok "--timeout $limit: cannot be moved" numaplace move big 3 --timeout $limit
	ok "--timeout $limit: every page is where it was" verify big
	is "--timeout $limit: node 2" "$(np_status big) $(effective big mems) $(xattr big memory)" "2 4-5 2 crun 2 2"
done
like "the time is named" "$(numaplace move big 3 --timeout 1 2>&1)" '^numaplace: big stays on its nodes: not done in 1 seconds'
like "and without a limit, how much cannot be moved" "$(numaplace move big 3 --timeout 0 2>&1)" \
	'^numaplace: big stays on its nodes: 4 KiB cannot be moved'
is "it is the same process" "$(ticks "$pid")" "$born"

# --- other kinds of pages, and several processes
reserve 32 32 0 0 > /dev/null
ok "hugepages: are created" np_create crun createRuntime huge limits.cpu=1 limits.cpu.nodes=0 limits.memory.hugepages=2MiB=16 \
	-- /bin/touch-memory huge 32 shm 20 anon 20
ok "hugepages: are touched" mem_start huge
ok "hugepages: on node 0" verify huge
ok "hugepages: move" numaplace move huge 1
ok "hugepages: all are on node 1" verify huge
is "hugepages: all kinds" "$(kind huge)|$(kind shared)|$(kind private)" "0 32 0 0|0 20 0 0|0 20 0 0"
ct_delete huge
reserve 0 0 0 0 > /dev/null

ok "interleave: is created" ct_create numaplace-crun inter -a limits.cpu=2 -a limits.cpu.nodes=0-1 \
	-a limits.memory.policy=interleave -- /bin/touch-memory anon 60
ok "interleave: starts" mem_start inter
not_ok "interleave: is refused" numaplace move inter 2-3
like "interleave: by name" "$(numaplace move inter 2-3 2>&1)" 'limits.memory.policy: "interleave": cannot be moved'
ok "interleave: it is where it was" verify inter
ct_delete inter big

# --- rebalance, interrupted in its first move: that one is finished, the others are where they were
for n in 1 2 3; do
	ok "rebalance: r$n is created" np_create crun createRuntime r$n limits.cpu=2 -- /bin/touch-memory anon 10
	ok "rebalance: r$n is touched" mem_start r$n
	ok "rebalance: r$n is on node 0" numaplace move r$n 0
done
plan=$(numaplace --json rebalance --dry-run)
echo "$plan"
is "rebalance: two moves even it out" "$(echo "$plan" | jq '.moves | length')" 2
first=$(echo "$plan" | jq -r '.moves[0].id') to=$(echo "$plan" | jq -r '.moves[0].to')
strace -o /dev/null -e trace=move_pages -e inject=move_pages:signal=INT:when=1 numaplace rebalance > /run/tests/said 2>&1
is "interrupted: its status" $? 1
cat /run/tests/said
like "interrupted: it says after how many" "$(cat /run/tests/said)" '^numaplace: rebalance: interrupted after 1 of 2 moves$'
is "interrupted: and which" "$(grep '^moved' /run/tests/said)" "moved $first to node $to"
cpus=$((to * 2))-$((to * 2 + 1))
for n in 1 2 3; do
	if [ r$n = "$first" ]; then
		is "interrupted: the first has moved" "$(np_status r$n)|$(effective r$n cpus) $(effective r$n mems)|$(xattrs r$n)" \
			"$to $cpus $to crun|$cpus $to|$to $to"
		ok "interrupted: all pages of the first have" verify r$n --nodes "$to"
	else
		is "interrupted: r$n is where it was" "$(np_status r$n)|$(effective r$n cpus) $(effective r$n mems)|$(xattrs r$n)" \
			"0 0-1 0 crun|0-1 0|0 0"
		ok "interrupted: all pages of r$n are" verify r$n --nodes 0
	fi
done
is "interrupted: no note is left" "$(find /run/numaplace -name 'moving*')" ""

# Once more from the beginning, for a script.
ok "interrupted: the first is moved back" numaplace move "$first" 0
strace -o /dev/null -e trace=move_pages -e inject=move_pages:signal=INT:when=1 \
	numaplace --json rebalance > /run/tests/said 2> /run/tests/warned
is "interrupted, JSON: its status" $? 1
cat /run/tests/said /run/tests/warned
is "interrupted, JSON: one object tells it" "$(jq -c '[.interrupted, .error, .dry_run]' /run/tests/said)" \
	'[true,"rebalance: interrupted after 1 of 2 moves",false]'
is "interrupted, JSON: and what was done" "$(jq -c '[.moves[] | [.to, .done]]' /run/tests/said)|$(jq -r '.moves[0].id' /run/tests/said)" \
	"$(echo "$plan" | jq -c '[.moves[].to] as [$a, $b] | [[$a, true], [$b, false]]')|$first"
is "interrupted, JSON: and so it is" "$(np_status "$first")" "$to $cpus $to crun"
ok "interrupted: the next rebalance makes the other move" sh -c 'numaplace --json rebalance > /run/tests/said'
is "interrupted: and says so" "$(jq -c '[.interrupted, .error, [.moves[].done]]' /run/tests/said)" '[false,null,[true]]'
is "interrupted: and then there is none" "$(numaplace --json rebalance --dry-run | jq -c .moves)" "[]"
ct_delete r1 r2 r3
done_testing
