# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR
#
# What LXC does around lxc-hook: in which order it runs its stages, a check that fails,
# a monitor that answers nobody, LXC's tools while a start is held, and cgroups that are
# relative to the monitor's.
# Layout: 4x2-pairs.

. /tests/lib.sh
# shellcheck source=lxc.sh
. /tests/lxc.sh

# --- why nothing checks from inside: lxc.hook.start has run before there is a place
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
ok "one with a hook of each kind starts" lx_start order
is "lxc.hook.start comes first, when nothing is placed; ours is done when the next start-host runs" \
	"$(cat $lx_out/order/order)" "start 0-7
start-host 4-7"
lx_stop order

# --- the check: what its first process has is not what its cgroup was given
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
ok "less than it was given: refused" lx_refused check
like "and the log has both" "$(lx_said check)" 'Cpus_allowed_list: 4, but 4-5 was chosen'
is "in one line" "$(lx_said check | wc -l)" 1
is "its program has not run" "$(find $lx_out/check -type f)" ""
is "it is not in the ledger" "$(in_ledger check)" 0
is "nor in its config" "$(grep -c ^volatile $lx_path/check/config)" 0

# --- a kernel that takes longer to move pages than the hook has in all
cat > /run/tests/slow-hook <<END
#!/bin/sh
exec strace -qq -o /run/tests/slow -P /sys/fs/cgroup/lxc.payload.slow/cpuset.mems -e trace=write \\
	-e inject=write:delay_exit=12000000 $lx_hook --timeout 8 "\$@"
END
chmod 755 /run/tests/slow-hook
lx_make slow 'limits.cpu = 1' 'limits.cpu.nodes = 3'
sed -i 's|^lxc.include.*|lxc.hook.start-host = /run/tests/slow-hook|' $lx_path/slow/config
ok "one whose pages take 12 s to move starts" lx_start slow
like "its write was the slow one" "$(cat /run/tests/slow)" '^write\([0-9]+, "3", 1\) .*DELAYED'
is "it is on its node" "$(lx_seen slow Mems_allowed_list)" 3
lx_stop slow
LXC_NAME=slow LXC_CONFIG_FILE=$lx_path/slow/config LXC_HOOK_TYPE=post-stop $lx_hook

# --- a monitor that answers nobody
lx_make mon 'limits.cpu = 4'
ok "a container" lx_start mon
nodes=$(lx_line mon volatile.cpu.nodes)
LXC_PID=$(lxc-info -n mon -pH) LXC_NAME=mon LXC_CONFIG_FILE=$lx_path/mon/config
monitor=$(ps -o ppid= -p "$LXC_PID" | tr -d ' ')
export LXC_PID LXC_NAME LXC_CONFIG_FILE
# stopped STAGE: the hook's status and whether its alarm was needed
stopped() {
	LXC_HOOK_TYPE=$1 timeout 9 $lx_hook 2>&1
	echo "status $?"
}
kill -STOP "$monitor"
not_ok "lxc-info gets no answer from a stopped monitor" sh -c 'timeout 5 lxc-info -n mon -s || exit 1'
sed -i '/^volatile/d' $lx_path/mon/config
for stage in pre-start start-host; do
	is "$stage asks it nothing" "$(stopped $stage)" "status 0"
done
is "and has written its lines" "$(lx_line mon volatile.cpu.nodes)" "$nodes"
is "post-stop, too" "$(stopped post-stop)" "status 0"
is "the container lives, so that it stays in the ledger" "$(in_ledger mon)" 1
# A file that liblxc itself waits for: the alarm is what ends the hook.
mkfifo /run/tests/fifo
printf 'limits.cpu = 1\nlxc.include = /run/tests/fifo\n' > /run/tests/hangs
LXC_CONFIG_FILE=/run/tests/hangs
begin=$(date +%s)
is "a liblxc that never comes back" "$(LXC_HOOK_TYPE=start-host timeout 30 $lx_hook 2>&1; echo $?)" \
	"numaplace: container mon: gave up after 8 seconds
1"
took=$(($(date +%s) - begin))
ok "ends with the alarm ($took s)" [ "$(seq 7 10 | grep -cx "$took")" = 1 ]
kill -CONT "$monitor"
unset LXC_PID LXC_NAME LXC_CONFIG_FILE
like "lxc-info" "$(timeout 20 lxc-info -n mon)" 'State: +RUNNING'
lx_stop mon

# --- LXC's tools while the start is held, behind our hook
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
ok "a start that is held" eventually [ -e /run/tests/held ]
is "it is in the ledger already" "$(in_ledger held)" 1
like "and in its config" "$(lx_line held volatile.cpu.nodes)" '^(0,1|2,3)$'
is "numaplace status shows it" "$(timeout 20 numaplace --json status | jq -r '.containers[].id')" held
timeout 60 lxc-info -n held > /run/tests/info 2>&1 &
info=$!
timeout 60 lxc-ls -f > /run/tests/ls 2>&1 &
ls=$!
timeout 60 lxc-attach -n held -- /bin/true > /run/tests/attach 2>&1 &
attach=$!
echo go > /run/tests/gate
wait $starter
is "let go, it starts" $? 0
wait $info
is "lxc-info, asked meanwhile, ends" $? 0
wait $ls
is "lxc-ls, too" $? 0
wait $attach
unlike "lxc-attach does not hang" $? '^(124|137)$'
like "lxc-ls afterwards" "$(timeout 20 lxc-ls -f)" '^held +RUNNING'
is "lxc-attach afterwards" "$(timeout 20 lxc-attach -n held -- /bin/echo in)" in
lx_stop held

# --- below the cgroup of whoever starts it
mkdir /sys/fs/cgroup/rel
lx_make rel 'limits.cpu = 4' 'lxc.cgroup.relative = 1'
# In the foreground it is the monitor itself, and leaves the cgroup empty when it goes to one of its own.
sh -c 'echo $$ > /sys/fs/cgroup/rel/cgroup.procs && exec lxc-start -F "$@"' sh -n rel -o $lx_out/rel.log < /dev/null &
monitor=$!
ok "lxc.cgroup.relative" eventually [ -e $lx_out/rel/status ]
cat $lx_out/rel.log
like "its cgroup is below" "$(lx_cgroup rel)" '/rel/lxc.payload.rel$'
like "placed" "$(lx_seen rel Cpus_allowed_list)" '^(0-3|4-7)$'
is "there" "$(cat "$(lx_cgroup rel)/cpuset.cpus")" "$(lx_seen rel Cpus_allowed_list)"
is "recorded" "$(in_ledger rel)" 1
lx_stop rel
wait $monitor
is "and forgotten" "$(in_ledger rel)" 0

# --- every container of the host: the drop-in, which is shipped and not enabled
plain() {
	lx_make plain "$@"
	sed -i "s|^lxc.include.*|lxc.include = /usr/share/lxc/config/common.conf|" $lx_path/plain/config
}
plain 'limits.cpu = 4'
ok "a container that includes nothing of ours starts" lx_start plain
is "the drop-in is not enabled: it is not placed" "$(lx_seen plain Cpus_allowed_list)|$(in_ledger plain)" "0-7|0"
lx_stop plain
dropin=/usr/share/numaplace/lxc/50-numaplace.conf
enable=$(sed -n 's/^#[[:space:]]*\(ln -s .*\)/\1/p' $dropin)
ok "it is enabled as it says itself" sh -c "${enable:-false}"
ok "the same container starts" lx_start plain
nodes=$(lx_line plain volatile.cpu.nodes)
like "placed on two near nodes" "$nodes|$(lx_seen plain Cpus_allowed_list)" '^(0,1\|0-3|2,3\|4-7)$'
is "with its memory" "$(lx_seen plain Mems_allowed_list)" "$(echo "$nodes" | tr , -)"
is "once in the ledger" "$(in_ledger plain)" 1
lx_stop plain
is "and forgotten" "$(in_ledger plain)" 0
sed -i "s|^lxc.include.*|&\\nlxc.include = /usr/share/lxc/config/numaplace.conf|" $lx_path/plain/config
ok "one that includes ours as well starts, with each hook twice" lx_start plain
is "where it was, once in the ledger, three lines in its config" \
	"$(lx_seen plain Cpus_allowed_list)|$(in_ledger plain)|$(grep -c ^volatile $lx_path/plain/config)" \
	"$(case $nodes in 0,1) echo 0-3 ;; *) echo 4-7 ;; esac)|1|3"
lx_stop plain
plain
cp $lx_path/plain/config /run/tests/plain.before
ok "one without keys starts" lx_start plain
is "everywhere" "$(lx_seen plain Cpus_allowed_list)|$(in_ledger plain)" "0-7|0"
ok "its config is as it was" cmp $lx_path/plain/config /run/tests/plain.before
lx_stop plain
plain 'limits.cpu = many'
ok "one with a bad line is refused" lx_refused plain
like "with file, line, value" "$(lx_said plain)" " - $lx_path/plain/config:9: limits.cpu: .*\"many\""
rm "/usr/share/lxc/config/common.conf.d/${dropin##*/}"

# --- another machine's line
echo 0123456789abcdef0123456789abcdef > /etc/machine-id
lx_make far 'limits.cpu = 1'
ok "a container" lx_start far
was=$(lx_line far volatile.numaplace.origin)
lx_stop far
# A quarter of the hint's memory is taken: by itself it would go elsewhere, but that weighs less than home.
other=3
mkdir /run/tests/quarter
ok "a folder whose files are on one node" mount -t tmpfs -o size=160m,mpol=bind:$other quarter /run/tests/quarter
ok "a quarter of that node is taken" sh -c 'head -c 150M /dev/zero > /run/tests/quarter/file'
sed -i "s/^volatile.cpu.nodes.*/volatile.cpu.nodes = $other/" $lx_path/far/config
ok "its own line" lx_start far
is "is a hint that is followed" "$(lx_line far volatile.cpu.nodes)" $other
lx_stop far
echo fedcba9876543210fedcba9876543210 > /etc/machine-id
ok "on another machine" lx_start far
unlike "it is not" "$(lx_line far volatile.cpu.nodes)" "^$other\$"
unlike "the line is this machine's now" "$(lx_line far volatile.numaplace.origin)" "^$was\$"
lx_stop far
umount /run/tests/quarter
done_testing
