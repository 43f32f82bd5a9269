#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Hosts whose cpuset is cgroup v1's: a hybrid one, with a cgroup2 that offers no cpuset
# beside it, and one that is v1 alone. Who asked for a placement hears why there is none, and by
# on-failure = warn the container starts all the same; who did not ask hears nothing.
# The mounts are ours, in a mount namespace, and mountinfo is a file over the kernel's.
# shellcheck source=tests/hooks/tap.bash
. "${0%/*}/tap.bash"

# host MOUNTINFO COMMAND...: a host that has these mounts.
# shellcheck disable=SC2016 # the inner shells' own
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
	echo "1..0 # SKIP no mounts of our own here: $(tail -n 1 "$tmp/why")"
	exit
fi
remedy='boot with systemd.unified_cgroup_hierarchy=1'
declare -A why
why[hybrid]="hybrid cgroups: cgroup2 at /sys/fs/cgroup/unified has no cpuset, cgroup v1 holds it at /sys/fs/cgroup/cpuset; $remedy"
why[v1]="cgroup v1 only (cpuset at /sys/fs/cgroup/cpuset), numaplace needs cgroup v2; $remedy"

# on HOST STAGE: the hook there, for a process of its own.
on() {
	rm -rf "$tmp/state"
	host "$tmp/$1" "$hook" --conf "$tmp/conf" --state "$tmp/state" "$2" > "$tmp/stdout" 2> "$tmp/stderr"
	status=$?
	said=$(cat "$tmp/stderr") printed=$(cat "$tmp/stdout")
}

for machine in hybrid v1; do
	: > "$tmp/conf"
	on $machine createRuntime <<< "$(state '"limits.cpu":"2"')"
	came_out "$machine, on-failure = fail" 1 "numaplace: container web1: ${why[$machine]}"
	on $machine createRuntime <<< "$(state '"org.example":"nothing of ours"')"
	came_out "$machine, without a key" 0 ''
	echo 'on-failure = warn' > "$tmp/conf"
	on $machine createRuntime <<< "$(state '"limits.cpu":"2"')"
	came_out "$machine, on-failure = warn" 0 "numaplace: container web1: ${why[$machine]}"
	on $machine poststop <<< "$(state '"limits.cpu":"2"')"
	came_out "$machine, poststop" 0 ''
done
done_testing
