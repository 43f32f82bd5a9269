# For each {asked: N, plan: {nodes, cpus, mems} or {error}} on the machine of $topology: N, the plan, and its errors, if any.
# $same: ids of nodes with the same CPUs. The topology lists the first of them, with the memory of all.
def ids: if . == "" then [] else split(",") | map(split("-") | map(tonumber) | if length == 2 then [range(.[0]; .[1] + 1)] else . end) | add end;
$topology[0] as $t
| ($t.nodes | map({key: (.id | tostring), value: ((.cpus | ids) - (.isolated | ids))}) | from_entries) as $usable
| ([$usable[] | length] | add) as $all
| ($t.nodes | map(select(.memory_kind == "ordinary") | .id)) as $ordinary
| ($t.nodes | map({key: (.id | tostring), value: .distances}) | from_entries) as $far
| .asked as $asked | .plan
| (if .error then .error else "\(.nodes)|\(.cpus)|\(.mems)" end) as $got
| [if .error then "refused, and \($asked) CPUs of \($all) were asked for: \(.error)"
  else
	(.nodes | ids) as $nodes | (.cpus | ids) as $cpus | (.mems | ids) as $mems
	| ([$asked, $all] | min) as $want
	| ([$nodes[] | $usable[tostring][]]) as $theirs
	| (if ($cpus | length) != $want then "\($cpus | length) CPUs, not \($want)" else empty end),
	(if ($cpus - $theirs | length) > 0 then "CPUs outside of the nodes" else empty end),
	(if [$nodes[] | select(($usable[tostring] - ($usable[tostring] - $cpus) | length) == 0)] | length > 0 then "a node without CPUs of its own" else empty end),
	(if ($mems | length) == 0 then "no memory nodes" else empty end),
	(if ($mems - $ordinary - $same | length) > 0 then "memory that is used only if it is named" else empty end),
	(if ($mems - $same) != $mems and ($same - $mems | length) > 0 then "a part of nodes that are one" else empty end),
	(if ([$usable[] | length] | max) >= $want and ($nodes | length) > 1 then "spread though one node has \($want) CPUs" else empty end),
	(if ($nodes | length) == 1 and ($mems | length) == 1 and $mems != $nodes and ($ordinary | index($nodes[0])) then "far memory, and the node has its own" else empty end),
	(if ($nodes | length) == 1 and ($mems | length) == 1 and ($ordinary | index($nodes[0]) | not)
		and ([$ordinary[] | $far[$nodes[0] | tostring][tostring]] | min) < $far[$nodes[0] | tostring][$mems[0] | tostring] then "there is nearer memory" else empty end),
	(if ($nodes | length) > 1 and ([$usable[] | length] | sort | reverse | .[0:(($nodes | length) - 1)] | add) >= $want then "more nodes than are needed" else empty end)
  end]
| [$asked, $got, join("; ")] | @tsv
