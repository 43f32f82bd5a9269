# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR
#
# Moves of a live container to other nodes: all pages and the record move, and the container runs on. If a move fails, the
# container is on its previous nodes. Layout: 4x2-pairs.
# reads pressure
# time limit: 900 s

. /tests/memory.sh
mem_setup
# ticks PID: the start time of the process, which differs if the process was replaced.
ticks() { cut -d' ' -f22 "/proc/$1/stat"; }

ok "move: a container with 320 MiB on node 0 is created" np_create crun createRuntime big limits.cpu=2 limits.cpu.nodes=0 limits.memory=320MiB \
	-- /bin/touch-memory anon 300
ok "move: the container touches 300 MiB" mem_start big
pid=$(ct_pid big)
born=$(ticks "$pid")
ok "move: before it, verify finds no page on another node" verify big
is "move: before it, no private page is outside of node 0" "$(kind private | cut -d' ' -f2-)" "0 0 0"
cg=$(ct_cgroup big)
like "move --dry-run prints the move" "$(numaplace move big 2 --dry-run)" '^big: memory from 0 to 2, CPUs 4-5 \(not done'
is "move --dry-run changes neither cgroup nor status" "$(effective big mems) $(np_mems big)" "0 0"
echo "# $(date +%s.%N)"
ok "a move to node 2 succeeds" numaplace move big 2
echo "# $(date +%s.%N)"
is "after the move, the cgroup has node 2" "$(effective big cpus) $(effective big mems)" "4-5 2"
is "after the move, status shows node 2" "$(np_status big)" "2 4-5 2 crun"
is "after the move, the xattrs have node 2" "$(xattr big cpu) $(xattr big memory)" "2 2"
ok "after the move, verify finds no page on another node" verify big
ok "after the move, verify finds at least 300 MiB on node 2" [ "$(kind private | cut -d' ' -f3)" -ge 300 ]
is "after the move, the container has the same process" "$(ticks "$pid")" "$born"
touch_more big anon 10
ok "after the move, the process touches 10 MiB more" touched big
ok "after the move, new pages are on the new node" verify big
crun state big | jq '.annotations = {"limits.cpu": "1"}' > /run/tests/state
is "after the move, prestart of the same container prints nothing" "$($np_hook --timeout 60 prestart 2>&1 < /run/tests/state)" ""
is "after the move, prestart of the same container does not change its placement" "$(np_status big)" "2 4-5 2 crun"

ok "a move to two nodes succeeds" numaplace --json move big 0-1
is "a move to two nodes uses one if one is enough" "$(echo "$(np_nodes big)" | grep -cx '[01]')" 1
ok "after a move to two nodes, verify finds no page on another node" verify big
script -qec "numaplace move big 2" /run/tests/typescript
ok "a move prints its progress on a terminal" [ "$(tr '\r' '\n' < /run/tests/typescript | grep -c '^[0-9]* of 3[0-9]* MiB')" -ge 10 ]
is "a move on a terminal moves the container" "$(np_status big)" "2 4-5 2 crun"
ok "a move to the present node succeeds, because the container's own claim does not count" numaplace move big 2
is "a move to the present node changes nothing" "$(np_status big)" "2 4-5 2 crun"

# --- killed moves: the ledger has the real state, verify and doctor report what is wrong, the next move completes it
# killed_at CALL N NODE: starts a move that is killed before its N-th CALL.
killed_at() {
	strace -o /dev/null -e trace="$1" -e inject="$1:signal=KILL:when=$2" numaplace move big "$3"
	is "a move is killed before its call $2 of $1" $? 137
}
# calls_to NODE: the number of move_pages calls of a complete move.
calls_to() {
	strace -o /run/tests/calls -e trace=move_pages numaplace move big "$1" > /dev/null 2>&1
	grep -c '^move_pages' /run/tests/calls
}
truth() { echo "$(effective big cpus) $(effective big mems)"; }
cut_off() { numaplace doctor | tr -s '\n ' ' ' | grep -o 'big: its move or resize was interrupted'; }

killed_at move_pages 1 0
is "killed before the first page: status and cgroup have the old node" "$(np_status big)|$(truth)" "2 4-5 2 crun|4-5 2"
ok "killed before the first page: verify finds no page on another node" verify big
is "killed before the first page: doctor reports no interrupted move" "$(cut_off)" ""

calls=$(calls_to 0)
numaplace move big 2
for to in 0 2; do
	killed_at move_pages $((calls / 2 + 1)) 0
	is "killed half-way: status has the old node, the cgroup its CPUs and both memory nodes" "$(np_status big)|$(truth)" "2 4-5 2 crun|4-5 0,2"
	not_ok "killed half-way: verify fails" verify big
	is "killed half-way: verify finds pages on both nodes" "$v_rc $(v_of verdict) $(echo "$v" | jq '.containers[0] | .hit > 1048576 and .miss > 1048576')" "1 miss true"
	is "killed half-way: doctor reports the interrupted move" "$(cut_off)" "big: its move or resize was interrupted"
	ok "killed half-way: a move to node $to succeeds" numaplace move big $to
	ok "killed half-way, then moved: all pages are on node $to" verify big --nodes $to
	is "killed half-way, then moved: status and cgroup have node $to" "$(np_status big)|$(truth)" "$to $((to * 2))-$((to * 2 + 1)) $to crun|$((to * 2))-$((to * 2 + 1)) $to"
	is "killed half-way, then moved: doctor reports no interrupted move" "$(cut_off)" ""
	numaplace move big 2
done

for n in 1 3; do
	killed_at fsetxattr $n 0
	is "killed before mark $n: status and cgroup have the new node" "$(np_status big)|$(truth)" "0 0-1 0 crun|0-1 0"
	ok "killed before mark $n: all pages are on the new node" verify big
	is "killed before mark $n: doctor reports the interrupted move" "$(cut_off)" "big: its move or resize was interrupted"
	ok "killed before mark $n: a move back succeeds" numaplace move big 2
	is "killed before mark $n, then moved back: the xattrs have node 2" "$(xattr big cpu) $(xattr big memory)" "2 2"
	is "killed before mark $n, then moved back: doctor reports no interrupted move" "$(cut_off)" ""
done
is "after all killed moves, no journal is left" "$(find /run/numaplace -name 'moving*')" ""
is "after all killed moves, the container has the same process" "$(ticks "$pid")" "$born"

# --- refused moves
not_ok "a move to a node that does not exist is refused" numaplace move big 9
ok "another container that claims most of node 3 is created" np_create crun createRuntime full limits.cpu=1 limits.cpu.nodes=3 limits.memory=400MiB \
	-- /bin/touch-memory
not_ok "a move to a node without enough memory is refused" numaplace move big 3
like "the refusal of a move has the requested and the available memory" "$(numaplace move big 3 2>&1)" 'limits.memory: 320MiB requested, [0-9.]+MiB available'
is "a refused move changes neither status nor cgroup" "$(np_status big) $(effective big mems)" "2 4-5 2 crun 2"
not_ok "a move of an unknown container is refused" numaplace move unknown 1
not_ok "a move without nodes is refused" numaplace move big
ct_delete full

# --- a page that cannot be moved: all pages return to their node
touch_more big pinned 1
ok "the container touches a page that the kernel pins" touched big
for limit in 0 1; do
	not_ok "move --timeout $limit of a container with a pinned page fails" numaplace move big 3 --timeout $limit
	ok "move --timeout $limit that failed: all pages are on the old node" verify big
	is "move --timeout $limit that failed: status, cgroup and xattrs have the old node" "$(np_status big) $(effective big mems) $(xattr big memory)" "2 4-5 2 crun 2 2"
done
like "the error of a move with --timeout 1 has the time" "$(numaplace move big 3 --timeout 1 2>&1)" '^numaplace: big stays on its nodes: not done in 1 seconds'
like "the error of a move with --timeout 0 has the size that cannot be moved" "$(numaplace move big 3 --timeout 0 2>&1)" \
	'^numaplace: big stays on its nodes: 4 KiB cannot be moved'
is "after all failed moves, the container has the same process" "$(ticks "$pid")" "$born"

# --- other kinds of pages, and several processes
reserve 32 32 0 0 > /dev/null
ok "move of hugepages: a container on node 0 is created" np_create crun createRuntime huge limits.cpu=1 limits.cpu.nodes=0 limits.memory.hugepages=2MiB=16 \
	-- /bin/touch-memory huge 32 shm 20 anon 20
ok "move of hugepages: the container touches hugepages, shared and private memory" mem_start huge
ok "move of hugepages: before it, verify finds no page on another node" verify huge
ok "move of hugepages: a move to node 1 succeeds" numaplace move huge 1
ok "move of hugepages: after it, verify finds no page on another node" verify huge
is "move of hugepages: hugepages, shared and private memory are on node 1" "$(kind huge)|$(kind shared)|$(kind private)" "0 32 0 0|0 20 0 0|0 20 0 0"
ct_delete huge
reserve 0 0 0 0 > /dev/null

ok "move of interleaved memory: a container is created" ct_create numaplace-crun inter -a limits.cpu=2 -a limits.cpu.nodes=0-1 \
	-a limits.memory.policy=interleave -- /bin/touch-memory anon 60
ok "move of interleaved memory: the container starts" mem_start inter
not_ok "move of interleaved memory: a move is refused" numaplace move inter 2-3
like "move of interleaved memory: the refusal names the policy" "$(numaplace move inter 2-3 2>&1)" 'limits.memory.policy: "interleave": cannot be moved'
ok "move of interleaved memory: verify finds no page outside of its nodes" verify inter
ct_delete inter big

# --- rebalance, interrupted in its first move: completes that move and does not start the others
for n in 1 2 3; do
	ok "rebalance: container r$n is created" np_create crun createRuntime r$n limits.cpu=2 -- /bin/touch-memory anon 10
	ok "rebalance: container r$n touches its memory" mem_start r$n
	ok "rebalance: container r$n is moved to node 0" numaplace move r$n 0
done
plan=$(numaplace --json rebalance --dry-run)
echo "$plan"
is "rebalance --dry-run plans two moves" "$(echo "$plan" | jq '.moves | length')" 2
first=$(echo "$plan" | jq -r '.moves[0].id') to=$(echo "$plan" | jq -r '.moves[0].to')
strace -o /dev/null -e trace=move_pages -e inject=move_pages:signal=INT:when=1 numaplace rebalance > /run/tests/said 2>&1
is "interrupted rebalance: exit status 1" $? 1
cat /run/tests/said
like "interrupted rebalance: the message has the number of completed moves" "$(cat /run/tests/said)" '^numaplace: rebalance: interrupted after 1 of 2 moves$'
is "interrupted rebalance: the output has the completed move" "$(grep '^moved' /run/tests/said)" "moved $first to node $to"
cpus=$((to * 2))-$((to * 2 + 1))
for n in 1 2 3; do
	if [ r$n = "$first" ]; then
		is "interrupted rebalance: status, cgroup and xattrs of the first container have the new node" "$(np_status r$n)|$(effective r$n cpus) $(effective r$n mems)|$(xattrs r$n)" \
			"$to $cpus $to crun|$cpus $to|$to $to"
		ok "interrupted rebalance: all pages of the first container are on the new node" verify r$n --nodes "$to"
	else
		is "interrupted rebalance: status, cgroup and xattrs of r$n have the old node" "$(np_status r$n)|$(effective r$n cpus) $(effective r$n mems)|$(xattrs r$n)" \
			"0 0-1 0 crun|0-1 0|0 0"
		ok "interrupted rebalance: all pages of r$n are on the old node" verify r$n --nodes 0
	fi
done
is "interrupted rebalance: no journal is left" "$(find /run/numaplace -name 'moving*')" ""

# The same again, with JSON output.
ok "interrupted rebalance: the first container is moved back" numaplace move "$first" 0
strace -o /dev/null -e trace=move_pages -e inject=move_pages:signal=INT:when=1 \
	numaplace --json rebalance > /run/tests/said 2> /run/tests/warned
is "interrupted rebalance --json: exit status 1" $? 1
cat /run/tests/said /run/tests/warned
is "interrupted rebalance --json: one object has the interruption and the error" "$(jq -c '[.interrupted, .error, .dry_run]' /run/tests/said)" \
	'[true,"rebalance: interrupted after 1 of 2 moves",false]'
is "interrupted rebalance --json: the object has the completed and the other moves" "$(jq -c '[.moves[] | [.to, .done]]' /run/tests/said)|$(jq -r '.moves[0].id' /run/tests/said)" \
	"$(echo "$plan" | jq -c '[.moves[].to] as [$a, $b] | [[$a, true], [$b, false]]')|$first"
is "interrupted rebalance --json: status has the completed move" "$(np_status "$first")" "$to $cpus $to crun"
ok "after an interrupted rebalance, the next one succeeds" sh -c 'numaplace --json rebalance > /run/tests/said'
is "after an interrupted rebalance, the next one reports the remaining move" "$(jq -c '[.interrupted, .error, [.moves[].done]]' /run/tests/said)" '[false,null,[true]]'
is "after both rebalances, no move is planned" "$(numaplace --json rebalance --dry-run | jq -c .moves)" "[]"

# --- rebalance by what the kernel measures
home=$(np_mems r1)
far=$(((home + 2) % 4))
ok "rebalance: migratepages moves the pages of r1 to a far node" migratepages "$(ct_pid r1)" "$home" "$far"
not_ok "rebalance: then verify finds pages on another node" verify r1
is "rebalance --dry-run plans to bring the pages of r1 home, and nothing else" \
	"$(numaplace --json rebalance --dry-run | jq -c '[.moves[] | [.id, .to, .returns, .gain_cpus > 0, .bytes >= 10485760]]')" \
	"$(jq -nc --arg home "$home" '[["r1", $home, true, true, true]]')"
ok "rebalance brings them home" numaplace rebalance
ok "rebalance: then verify finds no page on another node" verify r1

for n in 1 2 3; do
	ok "rebalance: container r$n is moved to node 0 again" numaplace move r$n 0
done
is "rebalance --by-use plans nothing for containers that sleep" "$(numaplace --json rebalance --by-use --dry-run | jq -c '[.moves, .moves_not_worth_it]')" '[[],2]'
is "rebalance --dry-run shows that they sleep" "$(numaplace --json rebalance --dry-run | jq -c '[.moves[] | .busy < 0.5]')" '[true,true]'

is "rebalance beside another one is refused" "$(flock /run/numaplace numaplace rebalance 2>&1 > /dev/null)" 'numaplace: rebalance: another rebalance is running'

# busy loops outside of the containers begin after the first move
mkfifo /run/tests/moves
numaplace rebalance > /run/tests/moves 2> /run/tests/warned &
rebalance=$!
loops=
while read -r line; do
	echo "# $line"
	case $line in
	moved*) for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do
		(while :; do :; done) &
		loops="$loops $!"
	done ;;
	esac
done < /run/tests/moves
wait "$rebalance"
is "rebalance beside a new load: exit status 1" $? 1
# shellcheck disable=SC2086 # one word for each loop
kill $loops
like "rebalance beside a new load: it stops after the first move, and says why" "$(cat /run/tests/warned)" \
	'^numaplace: rebalance: stopped after 1 of 2 moves: processes wait for CPUs for more than [0-9]+ % of the time, [0-9]+ % before$'
is "rebalance beside a new load: 16 loops began, once" "$(echo "$loops" | wc -w)" 16
is "rebalance beside a new load: two containers are still on node 0" "$(printf '%s\n' "$(np_nodes r1)" "$(np_nodes r2)" "$(np_nodes r3)" | grep -cx 0)" 2
ct_delete r1 r2 r3
done_testing
