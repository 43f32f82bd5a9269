#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# `bench-select --sensitivity` changes each constant of a choice alone, and prints what changes.

# shellcheck source=tests/tap.bash
. "${0%/*}/../tap.bash"
here=$(cd "$(dirname "$0")" && pwd)
bench=${NUMAPLACE_BUILD:-$here/../../build}/bench-select

cd "$here/../.." || exit 1
"$bench" --sensitivity --rows 'made-008n-8x32/90/shared/cpu,made-024n-epyc/60/exclusive/cpu+mem' --seeds 1 --arrivals 60 \
	--shared /nonexistent > "$tmp/out" 2> "$tmp/err"
ok $? 'the bench runs on two rows' "$(cat "$tmp/err")"

# value COLUMN NAME: a number of the table: 1 other choices, 2 speed, 3 slowest tenth, halved; 4 to 6 doubled.
value() { sed -n "s/^$2  *//p" "$tmp/out" | tr -d '%+' | awk -v c="$1" '{ print $c }'; }

[ "$(awk 'NR > 2' "$tmp/out" | wc -l)" = 18 ] && [ "$(awk 'NR > 2 && gsub(/%/, "%") == 6' "$tmp/out" | wc -l)" = 18 ]
ok $? 'each of 18 constants has three numbers halved and three doubled' "$(cat "$tmp/out")"
for name in 'curve: latency beyond local' 'stream: bandwidth' 'mix: bandwidth' controller 'price: free node, full machine'; do
	awk -v a="$(value 1 "$name")" -v b="$(value 4 "$name")" 'BEGIN { exit !(a + b > 0 && a + b < 100) }'
	ok $? "$name: other choices" "$(cat "$tmp/out")"
done
awk -v a="$(value 1 'price: full memory')" -v b="$(value 4 'price: full memory')" 'BEGIN { exit !(a + b > 0) }'
ok $? 'price: full memory: other choices with memory' "$(cat "$tmp/out")"
[ "$(value 1 controller_least)" = 0.00 ] && [ "$(value 2 controller_least)" = 0.00 ]
ok $? 'controller_least: halved, it does not count on nodes with many cores'
"$bench" --sensitivity --rows 'no-such-machine/*' --shared /nonexistent > /dev/null 2>&1
[ $? = 2 ]
ok $? 'without rows: status 2'
done_testing
