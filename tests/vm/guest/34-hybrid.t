# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR
#
# Hosts where cgroup v1 has the cpuset controller: a hybrid host as systemd makes it, with a cgroup2 without cpuset, and a
# host with v1 only. A container that requests a placement is refused with the reason; with on-failure = warn it starts.
# A container without keys starts without a message.
# Layout: any, script, on a suite whose kernel has cpuset in v1 (bookworm). The last test of its row, because it does not
# give the controllers back to cgroup2.

. /tests/lib.sh
. /tests/containers.sh
. /tests/placed.sh
. /tests/lxc.sh
trap 'ct_delete_all; lx_end' EXIT

np_syslog
# of the tests before this one
rm -rf /run/numaplace
conf=/etc/numaplace/numaplace.conf
cp $conf /run/tests/conf
cg=/sys/fs/cgroup
# A controller can be mounted in another hierarchy some time after the last cgroup has disabled it.
mount_v1() {
	mkdir -p "$cg/$1"
	eventually mount -t cgroup -o "$1" "$1" "$cg/$1" 2> /dev/null
}
for c in $(cat $cg/cgroup.subtree_control); do
	echo "-$c" > $cg/cgroup.subtree_control
done
umount $cg
mount -t tmpfs -o mode=755 cgroup $cg
# All controllers of cgroup2, as crun expects on such a host, and two that cgroup2 does not have.
v1="cpu,cpuacct cpuset blkio memory hugetlb pids rdma misc devices freezer"
for c in $v1; do
	ok "v1 hierarchy $c is mounted" mount_v1 "$c"
done
mkdir $cg/systemd $cg/unified
mount -t cgroup -o none,name=systemd systemd $cg/systemd
mount -t cgroup2 cgroup2 $cg/unified
is "cgroup2 has no controller" "$(cat $cg/unified/cgroup.controllers)" ''

# told ID: the reason in the messages about the container.
told() { ct_said "$1" | sed -n "s/.*numaplace: container $1: \(.*=1\).*/\1/p" | sort -u; }
# host HOST WHY RUNTIME...: the tests on such a host.
host() {
	host=$1 why=$2
	shift 2
	for rt; do
		what="$host, $rt"
		not_ok "$what: a container with a key is refused" np_create $rt createRuntime c limits.cpu=2
		is "$what: the refusal has the reason" "$(told c)" "$why"
		not_ok "$what: a refused container does not exist" timeout 60 $rt state c
		ct_delete c
		ok "$what: a container without keys starts" np_run $rt createRuntime c org.example=1
		is "$what: a container without keys gets no message" "$(ct_said c | grep numaplace:)" ''
		ct_delete c
		echo 'on-failure = warn' > $conf
		ok "$what: with on-failure = warn a container with a key starts" np_run $rt createRuntime c limits.cpu=2
		is "$what: with on-failure = warn the container is not placed" "$(ct_seen c Cpus_allowed_list)" "$(cat /sys/devices/system/cpu/online)"
		is "$what: with on-failure = warn a message has the reason" "$(told c)" "$why"
		ct_delete c
		cp /run/tests/conf $conf
	done
	not_ok "$host: no state folder is made" [ -e /run/numaplace ]
	like "$host: doctor reports cgroup v2 with the remedy" "$(COLUMNS=400 numaplace doctor)" \
		"^do +cgroup v2 +not mounted at $cg \\(v1, or hybrid\\): $remedy"
}
remedy='boot with systemd.unified_cgroup_hierarchy=1'
host hybrid "hybrid cgroups: cgroup2 at $cg/unified has no cpuset, cgroup v1 holds it at $cg/cpuset; $remedy" runc crun

lx_make l 'limits.cpu = 2'
ok "hybrid, lxc: a container with a key is refused" lx_refused l
like "hybrid, lxc: the refusal has the reason" "$(lx_said l)" "hybrid cgroups: cgroup2 at $cg/unified has no cpuset, .*; $remedy"
echo 'on-failure = warn' > $conf
ok "hybrid, lxc: with on-failure = warn a container with a key starts" lx_start l
is "hybrid, lxc: with on-failure = warn the container is not placed" "$(lx_seen l Cpus_allowed_list)" "$(cat /sys/devices/system/cpu/online)"
lx_stop l
lx_end
cp /run/tests/conf $conf

umount $cg/unified
host "v1 only" "cgroup v1 only (cpuset at $cg/cpuset), numaplace needs cgroup v2; $remedy" runc
done_testing
