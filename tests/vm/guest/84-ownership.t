# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR disable=SC2016
#
# A container that aims at another one's cgroup or at another one's record, with real runtimes: a cgroup that is
# named as LXC's inner one, another's cgroup, the cgroup around others, an id that lives under another --root, in
# another LXC path. Whatever becomes of the one, the other keeps its CPUs, its memory and its record.
# Layout: 4x2-pairs.
# time limit: 1400 s

. /tests/lib.sh
. /tests/containers.sh
. /tests/placed.sh
. /tests/lxc.sh
trap 'ct_delete_all; lx_end' EXIT

np_syslog
cg=/sys/fs/cgroup

# now FOLDER: what is in effect in a cgroup.
now() { echo "$(cat "$1/cpuset.cpus.effective" 2>/dev/null)|$(cat "$1/cpuset.mems.effective" 2>/dev/null)"; }
records() { grep -lsx -- "id=$1" /run/numaplace/containers/* | wc -l; }
marked() { getfattr --only-values -n trusted.numaplace.record --absolute-names "$1" 2>/dev/null | sed -n 's/^id=//p'; }

for rt in runc crun; do
	# --- the victim: placed on node 0, and one without a key beside it
	ok "$rt: a victim is placed" np_run $rt createRuntime victim limits.cpu=2 limits.cpu.nodes=0 \
		-j '.linux.cgroupsPath = "/pods/victim"'
	ok "$rt: another one has no key" ct_run $rt plain -j '.linux.cgroupsPath = "/pods/plain"'
	was=$(now $cg/pods/victim) plain=$(now $cg/pods/plain) around=$(now $cg/pods)
	is "$rt: it is where it should be" "$was" '0-1|0'

	# --- cgroupsPath that ends in .inner: the parent of all is not evil's
	np_run $rt createRuntime evil limits.cpu=1 limits.cpu.nodes=3 -j '.linux.cgroupsPath = "/pods/.inner"'
	is "$rt, .inner: the victim is as it was" "$(now $cg/pods/victim)" "$was"
	is "$rt, .inner: so is the one without a key" "$(now $cg/pods/plain)" "$plain"
	is "$rt, .inner: and the cgroup around them" "$(now $cg/pods) $(marked $cg/pods)" "$around "
	like "$rt, .inner: evil's own is confined" "$(now $cg/pods/.inner)" '^[67]\|3$'
	ct_delete evil

	# --- the victim's own cgroup
	not_ok "$rt, the victim's cgroup: refused" np_create $rt createRuntime evil limits.cpu=1 limits.cpu.nodes=3 \
		-j '.linux.cgroupsPath = "/pods/victim"'
	like "$rt, the victim's cgroup: both are named" "$(ct_said evil)" \
		'cgroup /pods/victim: container "victim" \((runc|crun)\) is placed there, "evil" cannot be'
	# crun ends all that lives in a cgroup when it takes it away, with or without us.
	if grep -q 'populated 1' $cg/pods/victim/cgroup.events 2>/dev/null; then
		is "$rt, the victim's cgroup: as it was" "$(now $cg/pods/victim) $(marked $cg/pods/victim)" "$was victim"
		is "$rt, the victim's cgroup: as is its record" "$(records victim) $(np_cpus victim)" "1 0-1"
	else
		echo "the runtime has ended the victim"
	fi
	is "$rt, the victim's cgroup: no record of evil" "$(records evil)" 0
	ct_delete evil

	# --- one without a key's: its processes are not evil's
	not_ok "$rt, a cgroup of a container without a key: refused" np_create $rt createRuntime evil limits.cpu=1 \
		limits.cpu.nodes=3 -j '.linux.cgroupsPath = "/pods/plain"'
	like "$rt, a cgroup of a container without a key: and says why" "$(ct_said evil)" \
		'cgroup /pods/plain also holds process [0-9]+, which does not descend from [0-9]+'
	ct_delete evil

	# --- the cgroup around them: the runtime may refuse it itself
	np_create $rt createRuntime evil limits.cpu=1 limits.cpu.nodes=3 -j '.linux.cgroupsPath = "/pods"'
	is "$rt, the cgroup around: as it was" "$(now $cg/pods) $(marked $cg/pods)" "$around "
	ct_delete evil plain victim
	is "$rt: nothing is left in the ledger" "$(np_ids | xargs)" ''

	# --- the same id under another root
	printf '#!/bin/sh\nexec %s --root /run/other-%s "$@"\n' $rt $rt > /run/tests/other-$rt
	chmod +x /run/tests/other-$rt
	ok "$rt: web has CPUs of its own" np_run $rt createRuntime web limits.cpu=2 limits.cpu.exclusive=true \
		limits.cpu.nodes=0 -j '.linux.cgroupsPath = "/first/web"'
	mkdir -p $ct_dir/kept
	mv $ct_dir/web $ct_dir/kept-web
	not_ok "$rt, another root: one of this id is refused" np_create /run/tests/other-$rt createRuntime web \
		limits.cpu=99-99 -j '.linux.cgroupsPath = "/second/web"'
	ct_delete web
	is "$rt, another root: web is in the ledger, and marked" "$(records web) $(marked $cg/first/web)" '1 web'
	ok "$rt, another root: one of this id is placed" np_run /run/tests/other-$rt createRuntime web limits.cpu=1 \
		limits.cpu.nodes=2 -j '.linux.cgroupsPath = "/second/web"'
	is "$rt, another root: both are in the ledger" "$(records web)" 2
	ct_delete web
	is "$rt, another root: its end is its own" "$(records web) $(marked $cg/first/web)" '1 web'
	ct_create /run/tests/other-$rt web -j '.linux.cgroupsPath = "/second/web" | .annotations["limits.cpus"] = "1"' \
		-h poststop=$np_hook,--timeout,60,poststop
	ct_delete web
	is "$rt, another root: so is that of one that was never placed" "$(records web) $(marked $cg/first/web)" '1 web'
	not_ok "$rt, another root: its CPUs are not granted again" np_create $rt createRuntime evil limits.cpu=2 \
		limits.cpu.exclusive=true limits.cpu.nodes=0
	ct_delete evil
	rmdir $ct_dir/kept
	mv $ct_dir/kept-web $ct_dir/web
	ct_delete web
	is "$rt: nothing is left in the ledger" "$(np_ids | xargs)" ''
done

# --- LXC under two paths
lx_make web 'limits.cpu = 2' 'limits.cpu.exclusive = true' 'limits.cpu.nodes = 0'
ok "lxc: web is placed" lx_start web
web=$(lx_cgroup web)
is "lxc: on its CPUs" "$(now "$web")" '0-1|0'
mkdir -p /run/other/web
sed 's|^limits.*||; s|/run/tests/lxc-out/web|/run/tests/lxc-out/other|' $lx_path/web/config > /run/other/web/config
mkdir -p $lx_out/other
chmod 777 $lx_out/other
ok "lxc: one of this name starts in another path" timeout 200 lxc-start -P /run/other -n web
ok "lxc: and ends" timeout 60 lxc-stop -P /run/other -k -n web
is "lxc: web is in the ledger, and marked" "$(in_ledger web) $(marked "$web")" '1 web'
echo 'limits.cpu = 1' >> /run/other/web/config
ok "lxc: one with a key, too" timeout 200 lxc-start -P /run/other -n web
is "lxc: both are in the ledger" "$(in_ledger web)" 2
ok "lxc: and ends" timeout 60 lxc-stop -P /run/other -k -n web
eventually [ "$(in_ledger web)" = 1 ]
is "lxc: web alone is left, on its CPUs" "$(in_ledger web) $(now "$web")" '1 0-1|0'

# --- LXC's inner cgroup: its outer one must be LXC's own
mkdir -p $cg/mine
around=$(now $cg/mine)
lx_make sly 'limits.cpu = 1' 'limits.cpu.nodes = 3' 'lxc.cgroup.dir.container = mine' 'lxc.cgroup.dir.monitor = m' \
	'lxc.cgroup.dir.container.inner = ns'
lx_start sly
is "lxc: a cgroup that was there before is not taken for the outer one" "$(now $cg/mine) $(marked $cg/mine)" "$around "
lx_stop sly
lx_make in 'limits.cpu = 1' 'limits.cpu.nodes = 3' 'lxc.cgroup.dir.container = x/y' 'lxc.cgroup.dir.monitor = x/m' \
	'lxc.cgroup.dir.container.inner = ns'
ok "lxc: one with an inner cgroup starts" lx_start in
like "lxc: its outer one is confined" "$(now $cg/x/y) $(marked $cg/x/y)" '^[67]\|3 in$'
lx_stop in
lx_stop web
is "lxc: nothing is left in the ledger" "$(in_ledger in) $(in_ledger web)" '0 0'
done_testing
