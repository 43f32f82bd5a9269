# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR
#
# Interaction of LXC and lxc-hook: the order of the stages, a check that fails, a stopped monitor, the tools of LXC during
# a start, and cgroups relative to the cgroup of the monitor.
# Layout: 4x2-pairs.

. /tests/lib.sh
# shellcheck source=lxc.sh
. /tests/lxc.sh

# --- lxc.hook.start runs before the placement, so it cannot check the placement from inside
lx_setup
cat > $lx_root/bin/in-start <<'END'
#!/bin/sh
echo "start $(grep ^Cpus_allowed_list /proc/self/status | cut -f2)" >> /out/order
END
cat > /run/tests/in-start-host <<END
#!/bin/sh
echo "start-host \$(grep ^Cpus_allowed_list /proc/\$LXC_PID/status | cut -f2)" >> $lx_out/order/order
END
chmod 755 $lx_root/bin/in-start /run/tests/in-start-host
lx_make order 'limits.cpu = 4' 'limits.cpu.nodes = 2-3' 'lxc.hook.version = 1' 'lxc.hook.start = /bin/in-start' \
	'lxc.hook.start-host = /run/tests/in-start-host'
ok "a container with start and start-host hooks starts" lx_start order
is "lxc.hook.start runs before the placement, and a later start-host hook runs after it" \
	"$(cat $lx_out/order/order)" "start 0-7
start-host 4-7"
lx_stop order

# --- the check: the first process has fewer CPUs than its cgroup was given
cat > /run/tests/narrow <<'END'
#!/bin/sh
cd /sys/fs/cgroup || exit 1
for d in . x x/y; do
	echo +cpuset > $d/cgroup.subtree_control || exit 1
done
echo 4 > x/y/ns/cpuset.cpus
END
chmod 755 /run/tests/narrow
narrowed() {
	lx_make check "$@" 'lxc.cgroup.dir.container = x/y' 'lxc.cgroup.dir.monitor = x/m' \
		'lxc.cgroup.dir.container.inner = ns'
	sed -i "s|^lxc.include.*|lxc.hook.start-host = /run/tests/narrow\\n&|" $lx_path/check/config
}
narrowed 'limits.cpu = 4-5'
ok "a container whose first process has fewer CPUs than chosen is refused" lx_refused check
like "fewer CPUs than chosen: the log has both lists" "$(lx_said check)" 'Cpus_allowed_list: 4, but 4-5 was chosen'
is "fewer CPUs than chosen: the log has one line of numaplace" "$(lx_said check | wc -l)" 1
is "fewer CPUs than chosen: the program of the container does not run" "$(find $lx_out/check -type f)" ""
is "fewer CPUs than chosen: the ledger has no record" "$(in_ledger check)" 0
is "fewer CPUs than chosen: the config has no volatile line" "$(grep -c ^volatile $lx_path/check/config)" 0

# --- the kernel moves pages longer than the timeout of the hook
cat > /run/tests/slow-hook <<END
#!/bin/sh
exec strace -qq -o /run/tests/slow -P /sys/fs/cgroup/lxc.payload.slow/cpuset.mems -e trace=write \\
	-e inject=write:delay_exit=12000000 $lx_hook --timeout 8 "\$@"
END
chmod 755 /run/tests/slow-hook
lx_make slow 'limits.cpu = 1' 'limits.cpu.nodes = 3'
sed -i 's|^lxc.include.*|lxc.hook.start-host = /run/tests/slow-hook|' $lx_path/slow/config
ok "a container whose pages take 12 s to move starts in spite of --timeout 8" lx_start slow
like "the delayed system call was the write to cpuset.mems" "$(cat /run/tests/slow)" '^write\([0-9]+, "3", 1\) .*DELAYED'
is "a container whose pages take 12 s to move is on its node" "$(lx_seen slow Mems_allowed_list)" 3
lx_stop slow
LXC_NAME=slow LXC_CONFIG_FILE=$lx_path/slow/config LXC_HOOK_TYPE=post-stop $lx_hook

# --- a stopped monitor
lx_make mon 'limits.cpu = 4'
ok "the container whose monitor will be stopped starts" lx_start mon
nodes=$(lx_line mon volatile.cpu.nodes)
LXC_PID=$(lxc-info -n mon -pH) LXC_NAME=mon LXC_CONFIG_FILE=$lx_path/mon/config
monitor=$(ps -o ppid= -p "$LXC_PID" | tr -d ' ')
export LXC_PID LXC_NAME LXC_CONFIG_FILE
# stopped STAGE: runs the hook; prints its output and status
stopped() {
	LXC_HOOK_TYPE=$1 timeout 9 $lx_hook 2>&1
	echo "status $?"
}
kill -STOP "$monitor"
not_ok "lxc-info gets no answer from a stopped monitor" sh -c 'timeout 5 lxc-info -n mon -s || exit 1'
sed -i '/^volatile/d' $lx_path/mon/config
for stage in pre-start start-host; do
	is "$stage succeeds with a stopped monitor" "$(stopped $stage)" "status 0"
done
is "start-host with a stopped monitor writes the volatile lines" "$(lx_line mon volatile.cpu.nodes)" "$nodes"
is "post-stop succeeds with a stopped monitor" "$(stopped post-stop)" "status 0"
is "post-stop of a live container keeps its record" "$(in_ledger mon)" 1
# liblxc waits for a FIFO; only the alarm ends the hook.
mkfifo /run/tests/fifo
printf 'limits.cpu = 1\nlxc.include = /run/tests/fifo\n' > /run/tests/hangs
LXC_CONFIG_FILE=/run/tests/hangs
begin=$(date +%s)
is "a hook whose liblxc does not return gives up with a message" "$(LXC_HOOK_TYPE=start-host timeout 30 $lx_hook 2>&1; echo $?)" \
	"numaplace: container mon: gave up after 8 seconds
1"
took=$(($(date +%s) - begin))
ok "a hook whose liblxc does not return ends after about 8 s ($took s)" [ "$(seq 7 10 | grep -cx "$took")" = 1 ]
kill -CONT "$monitor"
unset LXC_PID LXC_NAME LXC_CONFIG_FILE
like "lxc-info shows that the container of the resumed monitor runs" "$(timeout 20 lxc-info -n mon)" 'State: +RUNNING'
lx_stop mon

# --- LXC's tools while a start is stopped after the hook of numaplace
mkfifo /run/tests/gate
cat > /run/tests/hold <<'END'
#!/bin/sh
echo held > /run/tests/held
read -r l < /run/tests/gate
END
chmod 755 /run/tests/hold
lx_make held 'limits.cpu = 4' 'lxc.hook.start-host = /run/tests/hold'
lx_start held &
starter=$!
ok "a start stops in a start-host hook after the one of numaplace" eventually [ -e /run/tests/held ]
is "during a start, the ledger has the record" "$(in_ledger held)" 1
like "during a start, the config has the nodes" "$(lx_line held volatile.cpu.nodes)" '^(0,1|2,3)$'
is "during a start, numaplace status shows the container" "$(timeout 20 numaplace --json status | jq -r '.containers[].id')" held
timeout 60 lxc-info -n held > /run/tests/info 2>&1 &
info=$!
timeout 60 lxc-ls -f > /run/tests/ls 2>&1 &
ls=$!
timeout 60 lxc-attach -n held -- /bin/true > /run/tests/attach 2>&1 &
attach=$!
echo go > /run/tests/gate
wait $starter
is "the stopped start succeeds when it continues" $? 0
wait $info
is "lxc-info that was called during a start succeeds" $? 0
wait $ls
is "lxc-ls that was called during a start succeeds" $? 0
wait $attach
unlike "lxc-attach that was called during a start does not hang" $? '^(124|137)$'
like "lxc-ls after a stopped start shows that the container runs" "$(timeout 20 lxc-ls -f)" '^held +RUNNING'
is "lxc-attach after a stopped start succeeds" "$(timeout 20 lxc-attach -n held -- /bin/echo in)" in
lx_stop held

# --- below the cgroup of the process that starts the container
mkdir /sys/fs/cgroup/rel
lx_make rel 'limits.cpu = 4' 'lxc.cgroup.relative = 1'
# In the foreground, lxc-start is the monitor itself and leaves the cgroup empty when it moves to its own.
sh -c 'echo $$ > /sys/fs/cgroup/rel/cgroup.procs && exec lxc-start -F "$@"' sh -n rel -o $lx_out/rel.log < /dev/null &
monitor=$!
ok "a container with lxc.cgroup.relative starts" eventually [ -e $lx_out/rel/status ]
cat $lx_out/rel.log
like "the cgroup of a container with lxc.cgroup.relative is below that of its starter" "$(lx_cgroup rel)" '/rel/lxc.payload.rel$'
like "a container with lxc.cgroup.relative is placed" "$(lx_seen rel Cpus_allowed_list)" '^(0-3|4-7)$'
is "the cpuset is written to the cgroup of a container with lxc.cgroup.relative" "$(cat "$(lx_cgroup rel)/cpuset.cpus")" "$(lx_seen rel Cpus_allowed_list)"
is "the ledger has a record of a container with lxc.cgroup.relative" "$(in_ledger rel)" 1
lx_stop rel
wait $monitor
is "a container with lxc.cgroup.relative leaves no record" "$(in_ledger rel)" 0

# --- all containers of the host: the drop-in, which is installed and not enabled
plain() {
	lx_make plain "$@"
	sed -i "s|^lxc.include.*|lxc.include = /usr/share/lxc/config/common.conf|" $lx_path/plain/config
}
plain 'limits.cpu = 4'
ok "without the drop-in, a container that does not include numaplace.conf starts" lx_start plain
is "without the drop-in, a container that does not include numaplace.conf is not placed" "$(lx_seen plain Cpus_allowed_list)|$(in_ledger plain)" "0-7|0"
lx_stop plain
dropin=/usr/share/numaplace/lxc/50-numaplace.conf
enable=$(sed -n 's/^#[[:space:]]*\(ln -s .*\)/\1/p' $dropin)
ok "the command in the drop-in enables it" sh -c "${enable:-false}"
ok "with the drop-in, the same container starts" lx_start plain
nodes=$(lx_line plain volatile.cpu.nodes)
like "with the drop-in, the container is placed on two near nodes" "$nodes|$(lx_seen plain Cpus_allowed_list)" '^(0,1\|0-3|2,3\|4-7)$'
is "with the drop-in, the container has the memory of its nodes" "$(lx_seen plain Mems_allowed_list)" "$(echo "$nodes" | tr , -)"
is "with the drop-in, the ledger has one record of the container" "$(in_ledger plain)" 1
lx_stop plain
is "with the drop-in, the container leaves no record" "$(in_ledger plain)" 0
sed -i "s|^lxc.include.*|&\\nlxc.include = /usr/share/lxc/config/numaplace.conf|" $lx_path/plain/config
ok "a container with the drop-in and numaplace.conf, so each hook twice, starts" lx_start plain
is "a container with each hook twice is on its nodes, with one record and three volatile lines" \
	"$(lx_seen plain Cpus_allowed_list)|$(in_ledger plain)|$(grep -c ^volatile $lx_path/plain/config)" \
	"$(case $nodes in 0,1) echo 0-3 ;; *) echo 4-7 ;; esac)|1|3"
lx_stop plain
plain
cp $lx_path/plain/config /run/tests/plain.before
ok "with the drop-in, a container without keys starts" lx_start plain
is "with the drop-in, a container without keys has all CPUs and no record" "$(lx_seen plain Cpus_allowed_list)|$(in_ledger plain)" "0-7|0"
ok "with the drop-in, the config of a container without keys is unchanged" cmp $lx_path/plain/config /run/tests/plain.before
lx_stop plain
plain 'limits.cpu = many'
ok "with the drop-in, a container with a bad value is refused" lx_refused plain
like "with the drop-in, the log of a bad value has file, line and value" "$(lx_said plain)" " - $lx_path/plain/config:9: limits.cpu: .*\"many\""
rm "/usr/share/lxc/config/common.conf.d/${dropin##*/}"

# --- volatile lines of another machine
echo 0123456789abcdef0123456789abcdef > /etc/machine-id
lx_make far 'limits.cpu = 1'
ok "a container that gets volatile lines starts" lx_start far
was=$(lx_line far volatile.numaplace.origin)
lx_stop far
# A quarter of the memory of the hint's node is used: without the hint another node would be chosen, but the hint counts
# more.
other=3
mkdir /run/tests/quarter
ok "a tmpfs on one node is mounted" mount -t tmpfs -o size=160m,mpol=bind:$other quarter /run/tests/quarter
ok "a quarter of the memory of the hint's node is used" sh -c 'head -c 150M /dev/zero > /run/tests/quarter/file'
sed -i "s/^volatile.cpu.nodes.*/volatile.cpu.nodes = $other/" $lx_path/far/config
ok "a container with volatile lines of this machine starts" lx_start far
is "volatile lines of this machine are followed as a hint" "$(lx_line far volatile.cpu.nodes)" $other
lx_stop far
echo fedcba9876543210fedcba9876543210 > /etc/machine-id
ok "a container with volatile lines of another machine starts" lx_start far
unlike "volatile lines of another machine are not followed" "$(lx_line far volatile.cpu.nodes)" "^$other\$"
unlike "volatile lines of another machine are replaced" "$(lx_line far volatile.numaplace.origin)" "^$was\$"
lx_stop far
umount /run/tests/quarter
done_testing
