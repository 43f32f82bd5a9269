# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR disable=SC2016
#
# A container (evil) that attacks the cgroup or the record of another one, with real runtimes: a cgroup with the name of
# LXC's inner one, the cgroup of another container, the cgroup around others, an id that is live under another --root or
# LXC path. In all cases, the other container keeps its CPUs, its memory and its record.
# Layout: 4x2-pairs.
# time limit: 1400 s

. /tests/lib.sh
. /tests/containers.sh
. /tests/placed.sh
. /tests/lxc.sh
trap 'ct_delete_all; lx_end' EXIT

np_syslog
cg=/sys/fs/cgroup

# now FOLDER: the effective cpuset of a cgroup.
now() { echo "$(cat "$1/cpuset.cpus.effective" 2>/dev/null)|$(cat "$1/cpuset.mems.effective" 2>/dev/null)"; }
records() { grep -lsx -- "id=$1" /run/numaplace/containers/* | wc -l; }
marked() { getfattr --only-values -n trusted.numaplace.record --absolute-names "$1" 2>/dev/null | sed -n 's/^id=//p'; }

for rt in runc crun; do
	# --- the victim on node 0, and a container without a key
	ok "$rt: the victim is placed" np_run $rt createRuntime victim limits.cpu=2 limits.cpu.nodes=0 \
		-j '.linux.cgroupsPath = "/pods/victim"'
	ok "$rt: a container without a key starts" ct_run $rt plain -j '.linux.cgroupsPath = "/pods/plain"'
	was=$(now $cg/pods/victim) plain=$(now $cg/pods/plain) around=$(now $cg/pods)
	is "$rt: the victim is on node 0" "$was" '0-1|0'

	# --- cgroupsPath that ends in .inner: the parent does not belong to evil
	np_run $rt createRuntime evil limits.cpu=1 limits.cpu.nodes=3 -j '.linux.cgroupsPath = "/pods/.inner"'
	is "$rt, cgroup .inner: the cpuset of the victim is unchanged" "$(now $cg/pods/victim)" "$was"
	is "$rt, cgroup .inner: the cpuset of the container without a key is unchanged" "$(now $cg/pods/plain)" "$plain"
	is "$rt, cgroup .inner: cpuset and mark of the cgroup around it are unchanged" "$(now $cg/pods) $(marked $cg/pods)" "$around "
	like "$rt, cgroup .inner: evil is placed in it" "$(now $cg/pods/.inner)" '^[67]\|3$'
	ct_delete evil

	# --- the victim's own cgroup
	not_ok "$rt, the victim's cgroup: evil is refused" np_create $rt createRuntime evil limits.cpu=1 limits.cpu.nodes=3 \
		-j '.linux.cgroupsPath = "/pods/victim"'
	like "$rt, the victim's cgroup: the refusal names both containers" "$(ct_said evil)" \
		'cgroup /pods/victim: container "victim" \((runc|crun)\) is placed there, "evil" cannot be'
	# crun kills all processes of a cgroup when it removes it, with or without numaplace.
	if grep -q 'populated 1' $cg/pods/victim/cgroup.events 2>/dev/null; then
		is "$rt, the victim's cgroup: its cpuset and mark are unchanged" "$(now $cg/pods/victim) $(marked $cg/pods/victim)" "$was victim"
		is "$rt, the victim's cgroup: the record of the victim is unchanged" "$(records victim) $(np_cpus victim)" "1 0-1"
	else
		echo "the runtime has ended the victim"
	fi
	is "$rt, the victim's cgroup: evil has no record" "$(records evil)" 0
	ct_delete evil

	# --- the cgroup of the container without a key: its processes do not belong to evil
	not_ok "$rt, the cgroup of a container without a key: evil is refused" np_create $rt createRuntime evil limits.cpu=1 \
		limits.cpu.nodes=3 -j '.linux.cgroupsPath = "/pods/plain"'
	like "$rt, the cgroup of a container without a key: the refusal names a process of it" "$(ct_said evil)" \
		'cgroup /pods/plain also holds process [0-9]+, which does not descend from [0-9]+'
	ct_delete evil

	# --- the cgroup around them; the runtime may refuse it itself
	np_create $rt createRuntime evil limits.cpu=1 limits.cpu.nodes=3 -j '.linux.cgroupsPath = "/pods"'
	is "$rt, the cgroup around containers: its cpuset and mark are unchanged" "$(now $cg/pods) $(marked $cg/pods)" "$around "
	ct_delete evil plain victim
	is "$rt: the ledger is empty after evil, plain and victim were deleted" "$(np_ids | xargs)" ''

	# --- the same id under another root
	printf '#!/bin/sh\nexec %s --root /run/other-%s "$@"\n' $rt $rt > /run/tests/other-$rt
	chmod +x /run/tests/other-$rt
	ok "$rt: web gets exclusive CPUs" np_run $rt createRuntime web limits.cpu=2 limits.cpu.exclusive=true \
		limits.cpu.nodes=0 -j '.linux.cgroupsPath = "/first/web"'
	mkdir -p $ct_dir/kept
	mv $ct_dir/web $ct_dir/kept-web
	not_ok "$rt, another root: a container web with CPUs that do not exist is refused" np_create /run/tests/other-$rt createRuntime web \
		limits.cpu=99-99 -j '.linux.cgroupsPath = "/second/web"'
	ct_delete web
	is "$rt, another root: the end of the refused web keeps record and mark of the first web" "$(records web) $(marked $cg/first/web)" '1 web'
	ok "$rt, another root: a second container web is placed" np_run /run/tests/other-$rt createRuntime web limits.cpu=1 \
		limits.cpu.nodes=2 -j '.linux.cgroupsPath = "/second/web"'
	is "$rt, another root: the ledger has two records of web" "$(records web)" 2
	ct_delete web
	is "$rt, another root: the end of the second web keeps record and mark of the first" "$(records web) $(marked $cg/first/web)" '1 web'
	ct_create /run/tests/other-$rt web -j '.linux.cgroupsPath = "/second/web" | .annotations["limits.cpus"] = "1"' \
		-h poststop=$np_hook,--timeout,60,poststop
	ct_delete web
	is "$rt, another root: the end of a web that was never placed keeps record and mark of the first" "$(records web) $(marked $cg/first/web)" '1 web'
	not_ok "$rt, another root: the CPUs of the first web are not granted again" np_create $rt createRuntime evil limits.cpu=2 \
		limits.cpu.exclusive=true limits.cpu.nodes=0
	ct_delete evil
	rmdir $ct_dir/kept
	mv $ct_dir/kept-web $ct_dir/web
	ct_delete web
	is "$rt: the ledger is empty after all containers web were deleted" "$(np_ids | xargs)" ''
done

# --- LXC under two paths
lx_make web 'limits.cpu = 2' 'limits.cpu.exclusive = true' 'limits.cpu.nodes = 0'
ok "lxc: web is placed" lx_start web
web=$(lx_cgroup web)
is "lxc: web is on node 0" "$(now "$web")" '0-1|0'
mkdir -p /run/other/web
sed 's|^limits.*||; s|/run/tests/lxc-out/web|/run/tests/lxc-out/other|' $lx_path/web/config > /run/other/web/config
mkdir -p $lx_out/other
chmod 777 $lx_out/other
ok "lxc: a container web without a key starts in another path" timeout 200 lxc-start -P /run/other -n web
ok "lxc: the container web without a key ends" timeout 60 lxc-stop -P /run/other -k -n web
is "lxc: the end of the web without a key keeps record and mark of the first web" "$(in_ledger web) $(marked "$web")" '1 web'
echo 'limits.cpu = 1' >> /run/other/web/config
ok "lxc: a container web with a key starts in another path" timeout 200 lxc-start -P /run/other -n web
is "lxc: the ledger has two records of web" "$(in_ledger web)" 2
ok "lxc: the second container web ends" timeout 60 lxc-stop -P /run/other -k -n web
eventually [ "$(in_ledger web)" = 1 ]
is "lxc: the end of the second web keeps the record and the cpuset of the first" "$(in_ledger web) $(now "$web")" '1 0-1|0'

# --- LXC's inner cgroup: LXC must have made the outer one
mkdir -p $cg/mine
around=$(now $cg/mine)
lx_make sly 'limits.cpu = 1' 'limits.cpu.nodes = 3' 'lxc.cgroup.dir.container = mine' 'lxc.cgroup.dir.monitor = m' \
	'lxc.cgroup.dir.container.inner = ns'
lx_start sly
is "lxc: a cgroup that existed before is not treated as the outer one" "$(now $cg/mine) $(marked $cg/mine)" "$around "
lx_stop sly
lx_make in 'limits.cpu = 1' 'limits.cpu.nodes = 3' 'lxc.cgroup.dir.container = x/y' 'lxc.cgroup.dir.monitor = x/m' \
	'lxc.cgroup.dir.container.inner = ns'
ok "lxc: a container with an inner cgroup starts" lx_start in
like "lxc: a container with an inner cgroup is placed in the outer one" "$(now $cg/x/y) $(marked $cg/x/y)" '^[67]\|3 in$'
lx_stop in
lx_stop web
is "lxc: the ledger has no record after all containers have stopped" "$(in_ledger in) $(in_ledger web)" '0 0'
done_testing
