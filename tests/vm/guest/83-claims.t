# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR
#
# Claims of real containers: a claim is reduced to memory.max of the container's cgroup and of the cgroups above it;
# ceilings work under runc, crun, numaplace-runtime and LXC; a parent cgroup is no tenant unless it is listed; and no
# memory policy uses a reserved node. Layout: 4x2-pairs.
# time limit: 900 s

. /tests/memory.sh
. /tests/lxc.sh
trap 'ct_delete_all; lx_end; : > $conf' EXIT

mem_setup
conf=/etc/numaplace/numaplace.conf
cg=/sys/fs/cgroup
mkdir -p ${conf%/*}
: > $conf

# in_group PATH: the option of `bundle` for a cgroup at PATH.
in_group() { printf '.linux.cgroupsPath = "%s"' "$1"; }
limit='.linux.resources.memory.limit = 67108864'

for rt in runc crun; do
	# --- a claim above the limit of its container does not keep other containers out
	ok "$rt: a container with a limit of 64 MiB that claims 2 GiB starts" np_run $rt createRuntime greedy limits.cpu=1 limits.memory=2GiB -j "$limit"
	like "$rt: a claim of 2 GiB with a limit of 64 MiB is reduced with a warning" "$(ct_said greedy)" 'limits.memory: 2GiB requested, counted as 64MiB'
	like "$rt: explain shows the reduced claim" "$(numaplace explain greedy)" 'limits.memory: 2GiB requested, counted as 64MiB'
	ok "$rt: another container with 300 MiB starts beside a reduced claim" np_run $rt createRuntime honest limits.cpu=1 limits.memory=300MiB
	ct_delete honest
	ct_delete greedy
	mkdir -p $cg/team
	echo +memory > $cg/cgroup.subtree_control
	echo 134217728 > $cg/team/memory.max
	ok "$rt: a container that claims 2 GiB below a cgroup with 128 MiB starts" np_run $rt createRuntime deep limits.cpu=1 limits.memory=2GiB \
		-j "$(in_group /team/own/deep)"
	like "$rt: a claim of 2 GiB below a cgroup with 128 MiB is reduced with a warning" "$(ct_said deep)" '2GiB requested, counted as 128MiB: memory.max allows no more'
	ct_delete deep
	find $cg/team -depth -type d -exec rmdir {} +

	# --- ceilings
	echo 'max-memory = 200MiB' > $conf
	not_ok "$rt, max-memory: a larger request is refused" np_run $rt createRuntime big limits.cpu=1 limits.memory=300MiB
	like "$rt, max-memory: the refusal has the numbers and the key" "$(ct_said big)" 'limits.memory: 300MiB requested, this host allows a container 200MiB .max-memory.'
	ct_delete big
	not_ok "$rt, max-memory: a larger limit of the runtime is refused, too" np_run $rt createRuntime big limits.cpu=1 \
		-j '.linux.resources.memory.limit = 1073741824'
	ct_delete big
	not_ok "numaplace-$rt, max-memory: a larger request is refused" ct_create numaplace-$rt planned -a limits.cpu=1 -a limits.memory=300MiB
	like "numaplace-$rt, max-memory: the refusal has the number and the key" "$(ct_said planned)" 'this host allows a container 200MiB .max-memory.'

	# --- tenants
	printf 'max-exclusive-cpus-each = 2\nmax-memory-each = 300MiB\n' > $conf
	ok "$rt, no tenants: a container with two exclusive CPUs and 200 MiB starts" np_run $rt createRuntime own1 limits.cpu=2 limits.cpu.exclusive=true \
		limits.memory=200MiB -j "$(in_group /own1/c)"
	not_ok "$rt, no tenants: two more exclusive CPUs are refused to a container in another cgroup" np_run $rt createRuntime own2 limits.cpu=2 limits.cpu.exclusive=true \
		-j "$(in_group /own2/own3/c)"
	like "$rt, no tenants: the refusal of exclusive CPUs has the numbers" "$(ct_said own2)" '2 more on top of 2 held in cgroups outside of tenants, this host allows each 2'
	ct_delete own2
	not_ok "$rt, no tenants: 200 MiB more are refused to a container in another cgroup" np_run $rt createRuntime own2 limits.cpu=1 limits.memory=200MiB -j "$(in_group /own2/c)"
	like "$rt, no tenants: the refusal of memory has the numbers" "$(ct_said own2)" '200MiB more on top of 200MiB held in cgroups outside of tenants, this host allows each 300MiB'
	ct_delete own2
	ct_delete own1
	printf 'max-exclusive-cpus-each = 2\nmax-memory-each = 300MiB\ntenants = /team1 /team2\n' > $conf
	ok "$rt, tenants: a container of team 1 starts" np_run $rt createRuntime t1 limits.cpu=2 limits.cpu.exclusive=true limits.memory=200MiB \
		-j "$(in_group /team1/own1/c)"
	not_ok "$rt, tenants: a second container of team 1 in another cgroup is refused" np_run $rt createRuntime t2 limits.cpu=2 \
		limits.cpu.exclusive=true -j "$(in_group /team1/own2/c)"
	like "$rt, tenants: the refusal names the cgroup of team 1" "$(ct_said t2)" 'held in cgroup /team1, this host'
	ct_delete t2
	ok "$rt, tenants: a container of team 2 starts" np_run $rt createRuntime t2 limits.cpu=2 limits.cpu.exclusive=true limits.memory=200MiB \
		-j "$(in_group /team2/c)"
	ct_delete t2
	ct_delete t1

	# --- the policy preferred does not spill to a reserved node
	echo 'reserved-nodes = 2' > $conf
	ok "numaplace-$rt, reserved-nodes: a container with policy preferred is created" ct_create numaplace-$rt spill -a limits.cpu=1 -a limits.cpu.nodes=1 -a limits.memory.policy=preferred
	is "numaplace-$rt, reserved-nodes: the container may use all other nodes" "$(cat "$(ct_cgroup spill)/cpuset.mems.effective")" 0-1,3
	ct_delete spill
	: > $conf
	is "$rt: the ledger is empty after all containers were deleted" "$(np_ids | xargs)" ''
done

# --- LXC: claims in the config, limits of the runtime, and other cgroups
lx_make big 'limits.cpu = 1' 'limits.memory = 2GiB' 'lxc.cgroup2.memory.max = 64M'
ok 'lxc: a container with a limit of 64 MiB that claims 2 GiB starts' lx_start big
like 'lxc: a claim of 2 GiB with a limit of 64 MiB is reduced' "$(numaplace explain big)" 'limits.memory: 2GiB requested, counted as 64MiB'
lx_make honest 'limits.cpu = 1' 'limits.memory = 300MiB'
ok 'lxc: another container with 300 MiB starts beside a reduced claim' lx_start honest
lx_stop honest
lx_stop big
printf 'max-memory-each = 300MiB\ntenants = /team1\n' > $conf
lx_make one 'limits.cpu = 1' 'limits.memory = 200MiB' 'lxc.cgroup.dir = own1/one'
ok 'lxc, no tenant: a container with 200 MiB starts' lx_start one
lx_make two 'limits.cpu = 1' 'limits.memory = 200MiB' 'lxc.cgroup.dir = own2/two'
not_ok 'lxc, no tenant: 200 MiB more are refused to a container in another cgroup' lx_start two
lx_make three 'limits.cpu = 1' 'limits.memory = 200MiB' 'lxc.cgroup.dir = team1/three'
ok 'lxc, tenants: a container of a tenant with 200 MiB starts' lx_start three
lx_stop three
lx_stop one
echo 'max-memory = 100MiB' > $conf
lx_make big 'limits.cpu = 1' 'limits.memory = 200MiB'
not_ok 'lxc, max-memory: a larger request is refused' lx_start big
is 'lxc: the ledger is empty after all containers have stopped' "$(np_ids | xargs)" ''
: > $conf
done_testing
