# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR
#
# A host whose cpuset is cgroup v1's: a hybrid one, as systemd makes it, with a cgroup2 that has no cpuset beside it, and
# one that is v1 alone. Who asked for a placement hears why there is none, and by on-failure = warn the container starts
# all the same; who did not ask hears nothing.
# Layout: any, script, on a suite whose kernel has v1's cpuset (bookworm). The last of its row: the controllers are
# not given back.

. /tests/lib.sh
. /tests/containers.sh
. /tests/placed.sh
. /tests/lxc.sh
trap 'ct_delete_all; lx_end' EXIT

np_syslog
conf=/etc/numaplace/numaplace.conf
cp $conf /run/tests/conf
cg=/sys/fs/cgroup
# Controllers go from one hierarchy to another when they are on in no cgroup of it any more, a while after the last.
mount_v1() {
	mkdir -p "$cg/$1"
	eventually mount -t cgroup -o "$1" "$1" "$cg/$1" 2> /dev/null
}
for c in $(cat $cg/cgroup.subtree_control); do
	echo "-$c" > $cg/cgroup.subtree_control
done
umount $cg
mount -t tmpfs -o mode=755 cgroup $cg
# All that cgroup2 has, as crun wants it on such a host, and two that it has not.
v1="cpu,cpuacct cpuset blkio memory hugetlb pids rdma misc devices freezer"
for c in $v1; do
	ok "v1 has $c" mount_v1 "$c"
done
mkdir $cg/systemd $cg/unified
mount -t cgroup -o none,name=systemd systemd $cg/systemd
mount -t cgroup2 cgroup2 $cg/unified
is "cgroup2 has none" "$(cat $cg/unified/cgroup.controllers)" ''

# told ID: in one line, wherever it is said.
told() { ct_said "$1" | sed -n "s/.*numaplace: container $1: \(.*=1\).*/\1/p" | sort -u; }
# host WHAT WHY RUNTIME...: how it is there.
host() {
	host=$1 why=$2
	shift 2
	for rt; do
		what="$host, $rt"
		not_ok "$what: who asks is refused" np_create $rt createRuntime c limits.cpu=2
		is "$what: and told why" "$(told c)" "$why"
		not_ok "$what: there is no container" timeout 60 $rt state c
		ct_delete c
		ok "$what: who does not ask is let be" np_run $rt createRuntime c org.example=1
		is "$what: and hears nothing" "$(ct_said c | grep numaplace:)" ''
		ct_delete c
		echo 'on-failure = warn' > $conf
		ok "$what: on-failure = warn: it starts" np_run $rt createRuntime c limits.cpu=2
		is "$what: unplaced" "$(ct_seen c Cpus_allowed_list)" "$(cat /sys/devices/system/cpu/online)"
		is "$what: and it is said why" "$(told c)" "$why"
		ct_delete c
		cp /run/tests/conf $conf
	done
	not_ok "$host: no ledger is made" [ -e /run/numaplace ]
	like "$host: doctor says what is to be done" "$(COLUMNS=400 numaplace doctor)" \
		"^do +cgroup v2 +not mounted at $cg \\(v1, or hybrid\\): $remedy"
}
remedy='boot with systemd.unified_cgroup_hierarchy=1'
host hybrid "hybrid cgroups: cgroup2 at $cg/unified has no cpuset, cgroup v1 holds it at $cg/cpuset; $remedy" runc crun

lx_make l 'limits.cpu = 2'
ok "hybrid, lxc: who asks is refused" lx_refused l
like "hybrid, lxc: and told why" "$(lx_said l)" "hybrid cgroups: cgroup2 at $cg/unified has no cpuset, .*; $remedy"
echo 'on-failure = warn' > $conf
ok "hybrid, lxc: on-failure = warn: it starts" lx_start l
is "hybrid, lxc: unplaced" "$(lx_seen l Cpus_allowed_list)" "$(cat /sys/devices/system/cpu/online)"
lx_stop l
lx_end
cp /run/tests/conf $conf

umount $cg/unified
host "v1 alone" "cgroup v1 only (cpuset at $cg/cpuset), numaplace needs cgroup v2; $remedy" runc
done_testing
