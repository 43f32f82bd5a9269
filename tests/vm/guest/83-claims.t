# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR
#
# What real containers may claim: a claim is cut to memory.max of its cgroup and of those
# above it, ceilings hold under runc, crun, numaplace-runtime and LXC, a parent cgroup of its own is no tenant,
# and no memory policy reaches a reserved node. Layout: 4x2-pairs.
# time limit: 900 s

. /tests/memory.sh
. /tests/lxc.sh
trap 'ct_delete_all; lx_end; : > $conf' EXIT

mem_setup
conf=/etc/numaplace/numaplace.conf
cg=/sys/fs/cgroup
mkdir -p ${conf%/*}
: > $conf

# in_group PATH: bundle's option for a cgroup at PATH.
in_group() { printf '.linux.cgroupsPath = "%s"' "$1"; }
limit='.linux.resources.memory.limit = 67108864'

for rt in runc crun; do
	# --- a claim that cannot be used shuts nobody out
	ok "$rt: a container with 64 MiB claims 2 GiB" np_run $rt createRuntime greedy limits.cpu=1 limits.memory=2GiB -j "$limit"
	like "$rt: which is cut, and said" "$(ct_said greedy)" 'limits.memory: 2GiB requested, counted as 64MiB'
	like "$rt: and explained" "$(numaplace explain greedy)" 'limits.memory: 2GiB requested, counted as 64MiB'
	ok "$rt: an honest one has room" np_run $rt createRuntime honest limits.cpu=1 limits.memory=300MiB
	ct_delete honest
	ct_delete greedy
	mkdir -p $cg/team
	echo +memory > $cg/cgroup.subtree_control
	echo 134217728 > $cg/team/memory.max
	ok "$rt: one without a limit in a cgroup with 128 MiB" np_run $rt createRuntime deep limits.cpu=1 limits.memory=2GiB \
		-j "$(in_group /team/own/deep)"
	like "$rt: has no more than that one" "$(ct_said deep)" '2GiB requested, counted as 128MiB: memory.max allows no more'
	ct_delete deep
	find $cg/team -depth -type d -exec rmdir {} +

	# --- ceilings
	echo 'max-memory = 200MiB' > $conf
	not_ok "$rt, max-memory: more is refused" np_run $rt createRuntime big limits.cpu=1 limits.memory=300MiB
	like "$rt, max-memory: with its reason" "$(ct_said big)" 'limits.memory: 300MiB requested, this host allows a container 200MiB .max-memory.'
	ct_delete big
	not_ok "$rt, max-memory: a runtime's own limit is a claim, too" np_run $rt createRuntime big limits.cpu=1 \
		-j '.linux.resources.memory.limit = 1073741824'
	ct_delete big
	not_ok "numaplace-$rt, max-memory: refused" ct_create numaplace-$rt planned -a limits.cpu=1 -a limits.memory=300MiB
	like "numaplace-$rt, max-memory: with its reason" "$(ct_said planned)" 'this host allows a container 200MiB .max-memory.'

	# --- tenants
	printf 'max-exclusive-cpus-each = 2\nmax-memory-each = 300MiB\n' > $conf
	ok "$rt: two exclusive CPUs in a cgroup of its own" np_run $rt createRuntime own1 limits.cpu=2 limits.cpu.exclusive=true \
		limits.memory=200MiB -j "$(in_group /own1/c)"
	not_ok "$rt: and two more in another" np_run $rt createRuntime own2 limits.cpu=2 limits.cpu.exclusive=true \
		-j "$(in_group /own2/own3/c)"
	like "$rt: are refused" "$(ct_said own2)" '2 more on top of 2 held in cgroups outside of tenants, this host allows each 2'
	ct_delete own2
	not_ok "$rt: nor 200 MiB more" np_run $rt createRuntime own2 limits.cpu=1 limits.memory=200MiB -j "$(in_group /own2/c)"
	like "$rt: which are refused" "$(ct_said own2)" '200MiB more on top of 200MiB held in cgroups outside of tenants, this host allows each 300MiB'
	ct_delete own2
	ct_delete own1
	printf 'max-exclusive-cpus-each = 2\nmax-memory-each = 300MiB\ntenants = /team1 /team2\n' > $conf
	ok "$rt: of team 1" np_run $rt createRuntime t1 limits.cpu=2 limits.cpu.exclusive=true limits.memory=200MiB \
		-j "$(in_group /team1/own1/c)"
	not_ok "$rt: of team 1 as well, in a cgroup of its own" np_run $rt createRuntime t2 limits.cpu=2 \
		limits.cpu.exclusive=true -j "$(in_group /team1/own2/c)"
	like "$rt: is refused by name" "$(ct_said t2)" 'held in cgroup /team1, this host'
	ct_delete t2
	ok "$rt: of team 2" np_run $rt createRuntime t2 limits.cpu=2 limits.cpu.exclusive=true limits.memory=200MiB \
		-j "$(in_group /team2/c)"
	ct_delete t2
	ct_delete t1

	# --- a policy that may spill does not spill to a reserved node
	echo 'reserved-nodes = 2' > $conf
	ok "numaplace-$rt: preferred" ct_create numaplace-$rt spill -a limits.cpu=1 -a limits.cpu.nodes=1 -a limits.memory.policy=preferred
	is "numaplace-$rt: may use every node but the reserved one" "$(cat "$(ct_cgroup spill)/cpuset.mems.effective")" 0-1,3
	ct_delete spill
	: > $conf
	is "$rt: the ledger is empty" "$(np_ids | xargs)" ''
done

# --- LXC: in its config, in the runtime's limit, and in a cgroup of its own
lx_make big 'limits.cpu = 1' 'limits.memory = 2GiB' 'lxc.cgroup2.memory.max = 64M'
ok 'lxc: a container with 64 MiB claims 2 GiB' lx_start big
like 'lxc: which is cut' "$(numaplace explain big)" 'limits.memory: 2GiB requested, counted as 64MiB'
lx_make honest 'limits.cpu = 1' 'limits.memory = 300MiB'
ok 'lxc: an honest one has room' lx_start honest
lx_stop honest
lx_stop big
printf 'max-memory-each = 300MiB\ntenants = /team1\n' > $conf
lx_make one 'limits.cpu = 1' 'limits.memory = 200MiB' 'lxc.cgroup.dir = own1/one'
ok 'lxc: 200 MiB' lx_start one
lx_make two 'limits.cpu = 1' 'limits.memory = 200MiB' 'lxc.cgroup.dir = own2/two'
not_ok 'lxc: 200 MiB more in a cgroup of its own' lx_start two
lx_make three 'limits.cpu = 1' 'limits.memory = 200MiB' 'lxc.cgroup.dir = team1/three'
ok 'lxc: 200 MiB of a tenant' lx_start three
lx_stop three
lx_stop one
echo 'max-memory = 100MiB' > $conf
lx_make big 'limits.cpu = 1' 'limits.memory = 200MiB'
not_ok 'lxc: more than max-memory is refused' lx_start big
is 'the ledger is empty' "$(np_ids | xargs)" ''
: > $conf
done_testing
