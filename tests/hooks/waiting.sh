#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# How long a start delays other starts, as counts: the records that a refused start reads among 1,000 containers, and the
# cgroups that the first start after a boot, or after the ledger was lost, reads among 3,000 empty ones. bench/hook/cell
# simulates the machine.
# shellcheck source=tests/hooks/tap.bash disable=SC2317 # cell calls the functions
. "${0%/*}/tap.bash"

command -v strace > /dev/null || {
	echo '1..0 # SKIP no strace'
	exit
}
need_cell

# Run inside cell. asked VALUE TIMES [CONTAINER]: starts TIMES containers that request this memory; writes the status and
# the number of records read of each start to $tmp/VALUE.
asked() {
	local n
	sed "s/16MiB/$1/" "keyed-${3:-1}" > asked
	for n in $(seq "$2"); do
		strace -qq -e trace=openat -o "$tmp/trace" "$BUILD/oci-hook" --conf conf createRuntime < asked 2>> "$tmp/said"
		echo "$? $(grep -c '"oci:placed' "$tmp/trace")" >> "$tmp/$1"
	done
}
many() {
	local begin limit
	# Removes the limits of the cgroup and of the config, so that they do not reduce the request.
	for limit in "$CGROUP"/*/memory.max; do echo max > "$limit"; done
	sed -i 's/1073741824/1152921504606846976/' bundle/config.json
	asked 17MiB 1 0
	asked 1EiB 4
	echo populated 0 > "$CGROUP/placed-500/cgroup.events"
	begin=$(cut -d. -f1 /proc/uptime)
	while [ -e /run/numaplace/containers/oci:placed-500 ] && [ $(($(cut -d. -f1 /proc/uptime) - begin)) -lt 30 ]; do
		asked 20GiB 8
	done
	echo $(($(cut -d. -f1 /proc/uptime) - begin + 1)) > "$tmp/seconds"
	ls /run/numaplace/containers > "$tmp/left"
}
export -f asked many
# ended FILE STATUS: all starts ended with STATUS. records FILE: how many records they read in total.
ended() { [ "$(cut -d' ' -f1 "$tmp/$1" | sort -u)" = "$2" ]; }
records() { awk '{ n += $2 } END { print n + 0 }' "$tmp/$1"; }

# Each node has 16 GiB, half of it free.
NUMBERED=2 "$cell" 2 4 1000 bash -c many > "$tmp/cell" 2>&1
ended 17MiB 0
ok $? 'among 1,000 containers, another one is placed' "$(cat "$tmp/17MiB" "$tmp/cell" "$tmp/said")"
each=$(records 17MiB)
[ "$each" -ge 1 ] && [ "$each" -le 16 ]
ok $? "a placement among 1,000 containers reads 1 to 16 records: $each"
ended 1EiB 1 && [ "$(records 1EiB)" -le $((4 * 16)) ]
ok $? 'a refused request larger than the machine reads no more records than a placement' "$(cat "$tmp/1EiB")"
read -r seconds < "$tmp/seconds"
n=$(records 20GiB) most=$((seconds * 256 + $(wc -l < "$tmp/20GiB") * 17))
ended 20GiB 1 && [ "$n" -le $most ]
ok $? "refused requests that fit an idle machine: $(wc -l < "$tmp/20GiB") in $seconds s read $n records, at most $most" \
	"$(sort "$tmp/20GiB" | uniq -c)"
[ "$(wc -l < "$tmp/left")" = 1000 ] && ! grep -q 'placed-500$' "$tmp/left"
ok $? 'refused requests find and remove the record of a dead container' "$(wc -l < "$tmp/left")"

# Run inside cell. started CONTAINER NAME: starts a container; writes its status and how many empty cgroups it opened to
# $tmp/NAME.
started() {
	strace -qq -e trace=openat,openat2 -o "$tmp/trace" "$BUILD/oci-hook" --conf conf --timeout 100 createRuntime < "$1" 2>> "$tmp/said"
	echo "$? $(grep -c 'empty-' "$tmp/trace")" > "$tmp/$2"
}
lost() {
	mkdir "$CGROUP/tenant" && (cd "$CGROUP/tenant" && seq -f 'empty-%g' 3000 | xargs mkdir)
	started keyed-0 first
	cat "$CGROUP/c0/cpuset.cpus" > "$tmp/cpus"
	rm -r /run/numaplace
	started keyed-1 lost
	ls /run/numaplace/containers > "$tmp/left"
}
export -f started lost
NUMBERED=2 "$cell" 2 4 0 bash -c lost > "$tmp/cell" 2>&1
[ "$(cat "$tmp/first")" = '0 0' ]
ok $? 'the first start after a boot walks no cgroups' "$(cat "$tmp/first" "$tmp/cell" "$tmp/said")"
[ "$(cat "$tmp/lost")" = '0 0' ]
ok $? 'the first start after the ledger was lost walks no empty cgroup' "$(cat "$tmp/lost")"
[ "$(xargs < "$tmp/left")" = 'oci:web0 oci:web1' ] && [ -s "$tmp/cpus" ]
ok $? 'the first start after the ledger was lost puts the live container back into the ledger' "$(cat "$tmp/left")"
done_testing
