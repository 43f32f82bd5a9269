#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Kills both hooks before each of their system calls, and lets each call fail with each of five errors: see
# tests/tools/at-each-call.c. bench/hook/cell simulates the machine and its cgroups with files over those of the
# kernel; a file over /proc/PID/status has the CPUs and memory nodes that the kernel would show. On a real cgroup, with
# fewer errors: tests/vm/guest/81-crash.t.
# shellcheck source=tests/hooks/tap.bash disable=SC2317 # cell calls the functions
. "${0%/*}/tap.bash"

need_cell

# Run inside cell: at_each_call HOOK STAGE HOW.
at_each_call() {
	local status=/proc/$MADE_FOR/status
	mkdir -p /run/tests
	sed -E 's/^(Cpus_allowed_list:).*/\1\t0-3/; s/^(Mems_allowed_list:).*/\1\t0-1/' "$status" > /run/status
	mount --bind /run/status "$status"
	# Keeps the messages of the hooks out of the log of the host.
	[ ! -S /dev/log ] || mount --bind /dev/null /dev/log
	"$BUILD/../at-each-call" "$BUILD/$1" "$2" "${CGROUP#/sys/fs/cgroup/}/c0" "$3"
}
in_cell() {
	read -r MADE_FOR < "$CGROUP/c0/cgroup.procs"
	export MADE_FOR MADE_BY=$BUILD/stage
	at_each_call "$@"
}
export -f at_each_call in_cell

tried=()
for hook in 'oci-hook createRuntime' 'oci-hook poststop' 'lxc-hook start-host' 'lxc-hook post-stop'; do
	for how in kill all; do
		tried+=("$hook $how")
	done
done
# Two at a time: the longest run takes as long as most of the others together.
for n in "${!tried[@]}"; do
	while [ "$(jobs -rp | wc -l)" -ge 2 ]; do
		wait -n
	done
	{
		"$cell" 4 2 0 bash -c "in_cell ${tried[n]}" > "$tmp/said-$n" 2>&1
		echo $? > "$tmp/status-$n"
	} &
done
wait
for n in "${!tried[@]}"; do
	status=$(cat "$tmp/status-$n")
	if [ "$status" = 77 ]; then
		skip "${tried[n]}" 'this architecture cannot let calls fail'
		continue
	fi
	ok "$status" "${tried[n]}: $(tail -n 1 "$tmp/said-$n")" "$(tail -n 60 "$tmp/said-$n")"
done
done_testing
