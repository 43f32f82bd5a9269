# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR
#
# LXC containers that are not started by root of the machine: containers of a user below a delegated cgroup, with and
# without cpuset, and a container in a container.
# Layout: 4x2-pairs.

. /tests/lib.sh
# shellcheck source=lxc.sh
. /tests/lxc.sh

# --- containers of a user, below a delegated cgroup
home=/home/u1 cg=/sys/fs/cgroup/u1 run=/run/user/1000
u1_dir=$home/.local/share/lxc/u
grep -q ^u1: /etc/passwd || echo "u1:x:1000:1000::$home:/bin/sh" >> /etc/passwd
echo u1:2000000:65536 >> /etc/subuid
echo u1:2000000:65536 >> /etc/subgid
mkdir -p $u1_dir $run $home/.cache $home/.config/lxc
lx_make u 'limits.cpu = 4' 'lxc.idmap = u 0 2000000 65536' 'lxc.idmap = g 0 2000000 65536'
mv $lx_path/u/config $u1_dir/config
rmdir $lx_path/u
chown -R 1000:1000 $home $run
chmod 755 $home $home/.local $home/.local/share $home/.local/share/lxc $u1_dir
chmod 700 $run
# delegate CGROUP: delegates as systemd does. LXC makes no cgroups if one of these files does not belong to its user.
delegate() {
	mkdir "$1"
	chown 1000:1000 "$1"
	while read -r f; do
		[ ! -e "$1/$f" ] || chown 1000:1000 "$1/$f"
	done < /sys/kernel/cgroup/delegate
}
delegate $cg
as_u1() { setpriv --reuid 1000 --regid 1000 --clear-groups env HOME=$home XDG_RUNTIME_DIR=$run USER=u1 "$@"; }
# In the foreground, lxc-start is the monitor itself and leaves $cg empty when it moves to its own cgroup.
u1_start() {
	rm -f $lx_out/u/status $home/u.log
	sh -c 'echo $$ > '$cg'/cgroup.procs; exec setpriv --reuid 1000 --regid 1000 --clear-groups env HOME='$home' \
		XDG_RUNTIME_DIR='$run' lxc-start -F -n u -o '$home'/u.log' < /dev/null &
	monitor=$!
	eventually [ -e $lx_out/u/status ]
}
ok "the container of a user starts" u1_start
cat $home/u.log
nodes=$(sed -n 's/^volatile.cpu.nodes = //p' $u1_dir/config)
like "the container of a user is placed" "$(lx_seen u Cpus_allowed_list)" '^(0-3|4-7)$'
like "the config of a user's container has its nodes" "$nodes" '^(0,1|2,3)$'
is "the ledger of the user has a record of the container" "$(find $run/numaplace/containers -type f | wc -l)" 1
like "the cgroup of a user's container is marked with its record" "$(getfattr --absolute-names -d -m - $cg/lxc.payload.u)" 'user.numaplace.record'
as_u1 timeout 60 lxc-stop -k -n u
wait "$monitor"
is "the container of a user leaves no record" "$(find $run/numaplace/containers -type f | wc -l)" 0
# Another cgroup of the user, whose parent does not delegate cpuset.
cg=/sys/fs/cgroup/plain/u1
mkdir ${cg%/*}
echo +memory +pids > ${cg%/*}/cgroup.subtree_control
delegate $cg
unlike "the other cgroup of the user has no cpuset" "$(cat $cg/cgroup.controllers)" cpuset
not_ok "a user's container below a cgroup without cpuset is refused" u1_start
kill "$monitor" 2>/dev/null
wait "$monitor"
like "the refusal of a user's container without cpuset has the reason" "$(grep '^numaplace' $home/u.log)" 'cpuset in /plain/cgroup.subtree_control: Permission denied'
is "the refusal of a user's container without cpuset is one line" "$(grep -c '^numaplace' $home/u.log)" 1
grep '^numaplace' $home/u.log | sed 's/^/# /' >&3
mkdir -p /etc/numaplace
echo 'on-failure = warn' > /etc/numaplace/numaplace.conf
ok "with on-failure = warn, a user's container without cpuset starts" u1_start
is "with on-failure = warn, a user's container without cpuset is not placed" "$(lx_seen u Cpus_allowed_list)" 0-7
as_u1 timeout 60 lxc-stop -k -n u
wait "$monitor"
: > /etc/numaplace/numaplace.conf

# --- a container in a container
lx_setup
o=/run/tests/outer
mkdir -p $o/usr $o/etc $o/proc $o/sys $o/dev $o/run $o/tmp $o/out $o/var/lib/lxc/in $o/var/cache $o/var/log $o/root
for d in bin sbin lib lib64; do
	ln -sf usr/$d $o/$d
done
mkdir -p $o/mnt
lx_make in 'limits.cpu = 2'
sed "s|$lx_root|/mnt|; s|$lx_out/in |/out |" $lx_path/in/config > $o/var/lib/lxc/in/config
rm -r $lx_path/in
lx_make out 'limits.cpu = 4'
sed -i "s|^lxc.rootfs.path.*|lxc.rootfs.path = dir:$o|; s|^lxc.mount.auto.*|lxc.mount.auto = proc:rw sys:rw cgroup:rw|
	s|^lxc.init.cmd.*|lxc.init.cmd = /root/go|" $lx_path/out/config
cat >> $lx_path/out/config <<END
lxc.pty.max = 64
lxc.mount.entry = /usr usr none bind,ro 0 0
lxc.mount.entry = /etc etc none bind,ro 0 0
lxc.mount.entry = $lx_root mnt none bind 0 0
lxc.mount.entry = tmpfs run tmpfs mode=755 0 0
END
cat > $o/root/go <<'END'
#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
cd /sys/fs/cgroup
# Uses init.scope as systemd does: LXC makes its cgroups beside init.scope, not in it.
mkdir init.scope
echo 1 > init.scope/cgroup.procs
for c in $(cat cgroup.controllers); do echo "+$c" > cgroup.subtree_control; done
grep allowed_list /proc/self/status > /out/outer
lxc-start -n in -l INFO -o /out/in.log > /out/in.said 2>&1
numaplace --json status > /out/in.status 2>&1
sed -n 's/^volatile.cpu.nodes = //p' /var/lib/lxc/in/config > /out/in.nodes
lxc-stop -k -n in
numaplace --json status > /out/in.after 2>&1
touch /out/end
sleep 1000
END
chmod 755 $o/root/go
ok "a container that starts an inner container starts" timeout 100 lxc-start -n out -o $lx_out/out.log
lx_try=0
until [ -e $lx_out/out/end ] || [ $lx_try = 60 ]; do
	sleep 1
	lx_try=$((lx_try + 1))
done
like "the outer container is placed" "$(cat $lx_out/out/outer)" 'Cpus_allowed_list:.(0-3|4-7)'
tail -n 30 $lx_out/out.log $lx_out/out/in.log $lx_out/out/in.said $lx_out/out/in.status $lx_out/out/outer
like "the inner container is placed" "$(lx_seen out Cpus_allowed_list)" '^[0-7]-[0-7]$'
like "the config of the inner container has its node" "$(cat $lx_out/out/in.nodes)" '^[0-3]$'
is "the ledger of the outer container has a record of the inner one" "$(jq -r '.containers[].id' $lx_out/out/in.status)" in
like "the inner container is within the nodes of the outer one" "$(lx_line out volatile.cpu.nodes)" "^$(cat $lx_out/out/in.nodes),|,$(cat $lx_out/out/in.nodes)\$"
is "the inner container leaves no record" "$(jq -r '.containers | length' $lx_out/out/in.after)" 0
lx_stop out
is "the ledger of the host is empty after the outer container has stopped" "$(find /run/numaplace/containers -type f | wc -l)" 0
done_testing
