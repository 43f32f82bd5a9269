#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Both hooks killed before each of their system calls, and each of these failing with each of five errors: see
# tests/tools/at-each-call.c. The machine and its cgroups are bench/hook/cell's, files over those of the
# kernel, and what the process is allowed is written in the file that the kernel would have; on a real cgroup,
# with fewer errors: tests/vm/guest/81-crash.t.
# shellcheck source=tests/hooks/tap.bash disable=SC2317 # functions for cell to call
. "${0%/*}/tap.bash"

need_cell

# Run by cell: at_each_call HOOK STAGE HOW.
at_each_call() {
	local status=/proc/$MADE_FOR/status
	mkdir -p /run/tests
	sed -E 's/^(Cpus_allowed_list:).*/\1\t0-3/; s/^(Mems_allowed_list:).*/\1\t0-1/' "$status" > /run/status
	mount --bind /run/status "$status"
	# What the hooks say is no news for the host's log.
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
# Two at a time: the longest is as long as most of the others together.
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
		skip "${tried[n]}" 'calls cannot be made to fail on this architecture'
		continue
	fi
	ok "$status" "${tried[n]}: $(tail -n 1 "$tmp/said-$n")" "$(tail -n 60 "$tmp/said-$n")"
done
done_testing
