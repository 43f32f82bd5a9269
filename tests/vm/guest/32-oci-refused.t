# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR
#
# Bad input under real runtimes: the container does not start, one line has the reason, and nothing is left behind. Hosts
# without cgroup2, and parents that do not delegate cpuset.
# Layout: 4x2-pairs.

. /tests/lib.sh
. /tests/containers.sh
. /tests/placed.sh
np_syslog

# refused RUNTIME ERE KEY=VALUE...
refused() {
	r_rt=$1 r_ere=$2
	shift 2
	not_ok "$r_rt: a container with $* does not start" np_create "$r_rt" createRuntime bad "$@"
	like "$r_rt: the refusal of $* has the reason" "$(ct_said bad)" "numaplace: container bad: $r_ere"
	ct_delete bad
}
refused runc 'limits.cpu: .*"0"' limits.cpu=0
refused crun 'limits.cpu: .*"-1"' limits.cpu=-1
refused runc 'limits.cpu: .*"4294967297"' limits.cpu=4294967297
refused crun 'limits.cpu: .*"1-"' limits.cpu=1-
refused runc 'limits.cpu: .*"3-1"' limits.cpu=3-1
refused crun 'limits.cpu: .*"abc"' limits.cpu=abc
refused runc 'limits.cpu: .*""' limits.cpu=
refused runc 'limits.cpu.nodes: .*"9".*no such node \(nodes 0-3 exist\)' limits.cpu=1 limits.cpu.nodes=9
refused crun 'limits.cpu.nodes: .*"4-7".*no such node' limits.cpu.nodes=4-7
refused runc 'limits.cpu is .*1.* but org.numaplace.limits.cpu is .*2' limits.cpu=1 org.numaplace.limits.cpu=2
refused crun 'limits.cpu: CPU 8 .*not present' limits.cpu=7-8
refused crun 'limits.memory.hugepages: ' limits.memory.hugepages=2MiB=4
refused crun 'limits.memory.policy: "interleave": needs numaplace-runtime' limits.cpu=1 limits.memory.policy=interleave
is "no refused container is in status" "$(np_ids)" ""
is "no refused container leaves a cgroup" "$(find /sys/fs/cgroup -name bad -o -name 'crun-bad*')" ""

# --- on-failure = warn
cp /etc/numaplace/numaplace.conf /run/tests/conf
echo 'on-failure = warn' >> /etc/numaplace/numaplace.conf
ok "on-failure = warn: a container with a bad key starts" np_run runc createRuntime warned limits.cpu=abc
is "on-failure = warn: the cpuset of a container with a bad key is unchanged" "$(cat "$(ct_cgroup warned)/cpuset.cpus")" ""
like "on-failure = warn: syslog has the reason" "$(cat $np_log)" 'numaplace: container warned: limits.cpu: .*"abc"'
cp /run/tests/conf /etc/numaplace/numaplace.conf
ct_delete warned

# by_hand PID ARG...: runs the hook with a state that the test makes. Its output is in $said.
by_hand() {
	b_pid=$1
	shift
	jq -n --argjson pid "$b_pid" '{ociVersion: "1.0.2", id: "hand", pid: $pid, bundle: "/nowhere",
		status: "created", annotations: {"limits.cpu": "2"}}' > /run/tests/state
	said=$("$@" $np_hook --timeout 60 createRuntime 2>&1 < /run/tests/state)
	b_rc=$?
	echo "$said"
	return $b_rc
}
not_ok "a pid that does not exist is refused" by_hand 4194000
is "the refusal of a pid that does not exist is one line with the pid" "$said" "numaplace: container hand: pid 4194000 is gone"
not_ok "a pid in the root cgroup is refused" by_hand 1
is "the refusal of a pid in the root cgroup is one line with the reason" "$said" "numaplace: container hand: pid 1 is in the root cgroup, which is not a container's"
not_ok "pid 0 is refused" by_hand 0
like "the refusal of pid 0 has the pid" "$said" "^numaplace: container hand: pid: 0: .*"
not_ok "pid -1 is refused" by_hand -1
like "the refusal of pid -1 names the pid" "$said" "^numaplace: (container hand: |state: )pid.*"

# --- no cgroup2 in the mount namespace of the hook
not_ok "a placement without a mounted cgroup2 is refused" by_hand $$ unshare -m sh -c 'umount /sys/fs/cgroup; exec "$@"' sh
is "the refusal without cgroup2 has the remedy" "$said" "numaplace: container hand: no cgroup2 is mounted; mount -t cgroup2 none /sys/fs/cgroup"

# --- cpuset is not delegated, because the parent has processes
mkdir /sys/fs/cgroup/full /sys/fs/cgroup/full/ct
sh -c 'echo $$ > /sys/fs/cgroup/full/cgroup.procs; exec sleep 1000' &
sitter=$!
sh -c 'echo $$ > /sys/fs/cgroup/full/ct/cgroup.procs; exec sleep 1000' &
pid=$!
eventually grep -qx $pid /sys/fs/cgroup/full/ct/cgroup.procs
eventually grep -qx $sitter /sys/fs/cgroup/full/cgroup.procs
not_ok "a placement below a parent that cannot delegate cpuset is refused" by_hand $pid
like "the refusal of a parent that cannot delegate cpuset has the file and the remedy" "$said" \
	'numaplace: container hand: cannot enable cpuset in /full/cgroup.subtree_control: Device or resource busy \(.*move them'
kill $sitter
eventually [ ! -s /sys/fs/cgroup/full/cgroup.procs ]
ok "when the processes of the parent have ended, the container is placed" by_hand $pid
like "when the processes of the parent have ended, the hook enables cpuset" "$(cat /sys/fs/cgroup/full/cgroup.subtree_control)" cpuset
kill $pid
is "the ledger has the record of the one placed container only" "$(find /run/numaplace/containers -type f | wc -l)" 1
done_testing
