# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR disable=SC2034,SC2154
# counts accesses
#
# Where the memory accesses of containers go, counted by QEMU: with numaplace, no more of them are far than with pins by
# hand. bench/locality compares more ways in more scenarios.
# Layout: 4x2-pairs.

# shellcheck source=accesses.sh
. /tests/accesses.sh

ac_setup
ac_reads=4000 ac_rounds=5
far() { echo "$ac_result" | cut -d' ' -f3; }

# The counters themselves: pins that make each access far.
echo 'start a 1 4 5 1' > $ac_dir/across.scenario
ok "a container runs on CPU 5 with the memory of node 1" ac_play $ac_dir/across.scenario hand
is "all its accesses are counted, on CPU 5 and node 1" "$(cat $ac_dir/report)" "0 5 1 20000"
is "all its accesses are far" "$ac_result" "0.0 0.0 100.0 2.2000 100.0"

cat > $ac_dir/pair-first.scenario <<'E'
start a 4 16 0-3 0-1
start b 2 8 4-5 2
E
ok "containers without placement run" ac_play $ac_dir/pair-first.scenario nothing
diag "nothing: $ac_result"
ok "without placement, some accesses are far" [ "$(far)" != 0.0 ]
ok "containers with pins by hand run" ac_play $ac_dir/pair-first.scenario hand
diag "pins by hand: $ac_result"
hand=$(far)
ok "containers that numaplace places run" ac_play $ac_dir/pair-first.scenario crun
diag "numaplace: $ac_result"
ok "with numaplace, no more accesses are far than with pins by hand" awk "BEGIN { exit !($(far) <= $hand) }"
done_testing 8
