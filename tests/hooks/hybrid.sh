#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Hosts where cgroup v1 has the cpuset controller: a hybrid host, which also has a cgroup2 without cpuset, and a host with
# v1 only. A container that requests a placement is refused with the reason; with on-failure = warn it starts with a
# warning. A container without keys starts without a message. The test mounts the hierarchies in a mount namespace, and
# a file over /proc/PID/mountinfo.
# shellcheck source=tests/hooks/tap.bash
. "${0%/*}/tap.bash"

# host MOUNTINFO COMMAND...: runs COMMAND on a host with these mounts.
# shellcheck disable=SC2016 # expanded by the inner shells
host() {
	unshare --mount --propagation private sh -c 'mount -t tmpfs none /sys/fs/cgroup && mkdir /sys/fs/cgroup/unified &&
		mount -t cgroup2 none /sys/fs/cgroup/unified && : > /sys/fs/cgroup/none &&
		mount --bind /sys/fs/cgroup/none /sys/fs/cgroup/unified/cgroup.controllers &&
		mount --bind "$0" "/proc/$$/mountinfo" && exec "$@"' "$@"
}

printf '%s\n' '30 23 0:26 / /sys/fs/cgroup ro,nosuid - tmpfs tmpfs ro,mode=755' \
	'31 30 0:27 / /sys/fs/cgroup/unified rw,nosuid - cgroup2 cgroup2 rw' \
	'32 30 0:28 / /sys/fs/cgroup/systemd rw,nosuid - cgroup cgroup rw,name=systemd' \
	'33 30 0:29 / /sys/fs/cgroup/cpuset rw,nosuid - cgroup cgroup rw,cpuset' > "$tmp/hybrid"
grep -v unified "$tmp/hybrid" > "$tmp/v1"
if ! host "$tmp/hybrid" true 2> "$tmp/why"; then
	echo "1..0 # SKIP cannot make a mount namespace: $(tail -n 1 "$tmp/why")"
	exit
fi
remedy='boot with systemd.unified_cgroup_hierarchy=1'
declare -A why
why[hybrid]="hybrid cgroups: cgroup2 at /sys/fs/cgroup/unified has no cpuset, cgroup v1 holds it at /sys/fs/cgroup/cpuset; $remedy"
why[v1]="cgroup v1 only (cpuset at /sys/fs/cgroup/cpuset), numaplace needs cgroup v2; $remedy"

# on HOST STAGE: runs the hook on that host.
on() {
	rm -rf "$tmp/state"
	host "$tmp/$1" "$hook" --conf "$tmp/conf" --state "$tmp/state" "$2" > "$tmp/stdout" 2> "$tmp/stderr"
	status=$?
	said=$(cat "$tmp/stderr") printed=$(cat "$tmp/stdout")
}

for machine in hybrid v1; do
	: > "$tmp/conf"
	on $machine createRuntime <<< "$(state '"limits.cpu":"2"')"
	came_out "createRuntime on a $machine host, on-failure = fail" 1 "numaplace: container web1: ${why[$machine]}"
	on $machine createRuntime <<< "$(state '"org.example":"nothing of ours"')"
	came_out "createRuntime on a $machine host, without a key" 0 ''
	echo 'on-failure = warn' > "$tmp/conf"
	on $machine createRuntime <<< "$(state '"limits.cpu":"2"')"
	came_out "createRuntime on a $machine host, on-failure = warn" 0 "numaplace: container web1: ${why[$machine]}"
	on $machine poststop <<< "$(state '"limits.cpu":"2"')"
	came_out "poststop on a $machine host" 0 ''
done
done_testing
