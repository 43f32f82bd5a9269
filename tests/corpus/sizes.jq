# The numbers of CPUs to plan on a machine, from its `topology --json`.
def count: if . == "" then 0 else split(",") | map(split("-") | if length == 2 then (.[1] | tonumber) - (.[0] | tonumber) + 1 else 1 end) | add end;
[.nodes[] | (.cpus | count) - (.isolated | count) | select(. > 0)] as $each
| ($each | max) as $node | ($each | add) as $all
| [1, $node / 2 | floor, $node, $node + 1, 2 * $node, $all, 2 * $all]
| map(select(. > 0 and . <= 2 * $all)) | unique | .[]
