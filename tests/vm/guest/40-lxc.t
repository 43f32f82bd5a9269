# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR
#
# numaplace under a real lxc-start: containers are placed before the first instruction of init and recorded in the ledger,
# on the cgroup and in the config file, through start, reboot, stop, copy and destroy. Refusals are in the log of the
# container.
# Layout: 4x2-pairs.

. /tests/lib.sh
# shellcheck source=lxc.sh
. /tests/lxc.sh

# pair NODES: succeeds if NODES is a near pair.
pair() { case $1 in 0,1 | 2,3) ;; *) return 1 ;; esac; }
cpus_of() { case $1 in 0,1) echo 0-3 ;; 2,3) echo 4-7 ;; esac; }

# --- start
lx_make a 'limits.cpu = 4' '  limits.memory	=  "200MiB"' '# the end'
chmod 640 $lx_path/a/config
chown 0:44 $lx_path/a/config
# its own root folder, so that lxc-copy can copy it
cp -a $lx_root $lx_path/a/rootfs
sed -i "s|^lxc.rootfs.path.*|lxc.rootfs.path = dir:$lx_path/a/rootfs|" $lx_path/a/config
cp -p $lx_path/a/config /run/tests/a.before
ok "container a starts" lx_start a
nodes=$(lx_line a volatile.cpu.nodes)
ok "container a with four CPUs is on two near nodes ($nodes)" pair "$nodes"
is "the first instruction of a sees the CPUs of its nodes" "$(lx_seen a Cpus_allowed_list)" "$(cpus_of "$nodes")"
is "the first instruction of a sees the memory of its nodes" "$(lx_seen a Mems_allowed_list)" "$(echo "$nodes" | tr , -)"
is "the config of a gets a line for the memory nodes" "$(lx_line a volatile.memory.nodes)" "$nodes"
is "no other line in the config of a changes" "$(grep -v ^volatile $lx_path/a/config)" "$(cat /run/tests/a.before)"
is "the config of a gets three volatile lines" "$(grep -c ^volatile $lx_path/a/config)" 3
is "the config of a keeps its mode and owner" "$(stat -c %a.%u.%g $lx_path/a/config)" 640.0.44
is "no other file is left beside the config of a" "$(find $lx_path/a -maxdepth 1 -type f)" "$lx_path/a/config"
is "the cgroup of a has the nodes in an xattr" \
	"$(getfattr --only-values --absolute-names -n trusted.volatile.cpu.nodes "$(lx_cgroup a)")" "$nodes"
is "the ledger has one record of a" "$(in_ledger a)" 1
is "numaplace status shows container a" \
	"$(numaplace --json status | jq -r '.containers[] | select(.id == "a") | .runtime + " " + .cpus')" \
	"lxc $(cpus_of "$nodes")"
is "the log of a has no message" "$(cat $lx_out/a.log)" ""

# --- LXC's own tools
like "lxc-info shows that a runs" "$(timeout 20 lxc-info -n a)" 'State: +RUNNING'
like "lxc-ls shows that a runs" "$(timeout 20 lxc-ls -f)" '^a +RUNNING'
is "a process of lxc-attach has the CPUs of a" \
	"$(timeout 20 lxc-attach -n a -- /bin/grep ^Cpus_allowed_list /proc/self/status | cut -f2)" "$(cpus_of "$nodes")"

# --- reboot
inode=$(stat -c %i "$(lx_cgroup a)")
rm $lx_out/a/status
ok "lxc-stop -r of a succeeds" timeout 60 lxc-stop -r -n a
ok "container a boots again after lxc-stop -r" eventually [ -e $lx_out/a/status ]
is "container a has booted twice" "$(cat $lx_out/a/boots)" ..
echo "cgroup was $inode, is $(stat -c %i "$(lx_cgroup a)")"
is "after its reboot, the first instruction of a sees the same CPUs" "$(lx_seen a Cpus_allowed_list)" "$(cpus_of "$nodes")"
is "after its reboot, the ledger has one record of a" "$(in_ledger a)" 1
is "after its reboot, the config of a has the same nodes" "$(lx_line a volatile.cpu.nodes)" "$nodes"
like "after its reboot, lxc-info shows that a runs" "$(timeout 20 lxc-info -n a)" 'State: +RUNNING'

# --- copy
ok "lxc-stop of a succeeds" timeout 60 lxc-stop -n a -t 20
is "after lxc-stop, the ledger has no record of a" "$(in_ledger a)" 0
ok "lxc-copy of a to b succeeds" timeout 100 lxc-copy -n a -N b -B dir
sed -i "s|$lx_out/a |$lx_out/b |" $lx_path/b/config
mkdir $lx_out/b
chmod 777 $lx_out/b
is "the config of the copy has the nodes of a" "$(lx_line b volatile.cpu.nodes)" "$nodes"
origin=$(lx_line b volatile.numaplace.origin)
ok "container a starts again after the copy" lx_start a
is "container a gets the same nodes after the copy" "$(lx_line a volatile.cpu.nodes)" "$nodes"
ok "the copy b starts" lx_start b
unlike "the copy b does not follow the hint that it has from a" "$(lx_line b volatile.cpu.nodes)" "^$nodes\$"
ok "the copy b is on two near nodes" pair "$(lx_line b volatile.cpu.nodes)"
is "the first instruction of the copy b sees the memory of its nodes" "$(lx_seen b Mems_allowed_list)" "$(lx_line b volatile.cpu.nodes | tr , -)"
unlike "the origin line of the copy b is replaced" "$(lx_line b volatile.numaplace.origin)" "^$origin\$"
is "the config of the copy b has three volatile lines" "$(grep -c ^volatile $lx_path/b/config)" 3

# --- destroy
ok "the copy b stops" lx_stop b
ok "lxc-destroy of b succeeds" timeout 60 lxc-destroy -n b
ok "lxc-destroy of b leaves no folder" [ ! -e $lx_path/b ]
ok "container a stops" lx_stop a
is "the ledger is empty after a and b have stopped" "$(find /run/numaplace/containers -type f | wc -l)" 0

# --- hook versions, cgroups with other names
lx_make v1 'lxc.hook.version = 1' 'limits.cpu = 1'
ok "a container with hook version 1 starts" lx_start v1
like "a container with hook version 1 is placed" "$(lx_seen v1 Cpus_allowed_list)" '^[0-7]$'
lx_stop v1
is "a container with hook version 1 leaves no record" "$(in_ledger v1)" 0
mkdir -p /sys/fs/cgroup/lxc.payload.sfx
sh -c 'echo $$ > /sys/fs/cgroup/lxc.payload.sfx/cgroup.procs; exec sleep 1000' > /dev/null 2>&1 &
sitter=$!
lx_make sfx 'limits.cpu = 2'
ok "a container whose cgroup name is taken starts" lx_start sfx
like "a container whose cgroup name is taken is in the cgroup with suffix -1" "$(lx_cgroup sfx)" 'lxc.payload.sfx-1$'
like "a container whose cgroup name is taken is placed" "$(lx_seen sfx Cpus_allowed_list)" '^[0-7]-[0-7]$'
lx_stop sfx
kill $sitter
lx_make inner 'limits.cpu = 2' 'lxc.cgroup.dir.container = x/y' 'lxc.cgroup.dir.monitor = x/m' \
	'lxc.cgroup.dir.container.inner = ns'
ok "a container with an inner cgroup starts" lx_start inner
like "the process of a container with an inner cgroup is in the inner one" "$(lx_cgroup inner)" '/x/y/ns$'
is "the hook writes the cpuset of the outer cgroup" "$(cat /sys/fs/cgroup/x/y/cpuset.cpus)" "$(lx_seen inner Cpus_allowed_list)"
is "the hook does not write the cpuset of the inner cgroup" "$(cat /sys/fs/cgroup/x/y/ns/cpuset.cpus 2>/dev/null)" ""
lx_stop inner
is "a container with an inner cgroup leaves no record" "$(in_ledger inner)" 0

# --- the command line, lxc.cgroup2 lines
lx_make set 'limits.cpu = 1'
sed -i "s|^lxc.include.*|lxc.hook.start-host = $lx_hook --set limits.cpu=3 --set limits.cpu.nodes=2-3|" $lx_path/set/config
ok "a container with --set options in its hook line starts" lx_start set
like "--set overrides the config" "$(lx_seen set Cpus_allowed_list)" '^(4-6|4-5,7|4,6-7|5-7)$'
lx_stop set
lx_make pin 'limits.cpu = 2' 'lxc.cgroup2.cpuset.cpus = 0-1' 'lxc.cgroup2.cpuset.cpus = 5-7' \
	'lxc.cgroup2.memory.max = 100M'
ok "a pinned container starts" lx_start pin
like "a pinned container gets CPUs of the last lxc.cgroup2.cpuset.cpus line" "$(lx_seen pin Cpus_allowed_list)" '^(5-6|5,7|6-7)$'
is "status shows the CPUs of a pinned container" "$(numaplace --json status | jq -r '.containers[0].cpus')" "$(lx_seen pin Cpus_allowed_list)"
is "lxc.cgroup2.memory.max is the requested memory" "$(numaplace --json explain pin | jq -r .runtime_limits.memory)" 100MiB
lx_stop pin
lx_make quota 'limits.cpu.nodes = balanced' 'lxc.cgroup2.cpu.max = 250000 100000'
ok "a container with lxc.cgroup2.cpu.max starts" lx_start quota
is "a cpu.max of 2.5 CPUs gives three CPUs" "$(numaplace --json status | jq -r '.containers[0].cpus' | tr ',' '\n' |
	awk -F- '{ n += (NF > 1 ? $2 - $1 : 0) + 1 } END { print n }')" 3
lx_stop quota

# --- no keys, no change
lx_make none
cp $lx_path/none/config /run/tests/none.before
ok "a container without keys starts" lx_start none
is "a container without keys has all CPUs" "$(lx_seen none Cpus_allowed_list)" 0-7
ok "the config of a container without keys is unchanged" cmp $lx_path/none/config /run/tests/none.before
is "the ledger has no record of a container without keys" "$(in_ledger none)" 0
lx_stop none

# --- refused, and why
lx_make bad '' 'limits.cpus = 4'
ok "a container with an unknown key is refused" lx_refused bad
is "the log of a container with an unknown key has one line with file, line and value" "$(lx_said bad | sed 's/.* - //')" \
	"$lx_path/bad/config:10: limits.cpus: \"4\": no such key"
cat $lx_out/bad.log
lx_make bad 'limits.cpu = 4' 'limits.cpu = many'
ok "a container with a bad value is refused" lx_refused bad
like "the log of a container with a bad value has file, line and value" "$(lx_said bad)" " - $lx_path/bad/config:10: limits.cpu: .*\"many\""
is "the log of a container with a bad value has one line of numaplace" "$(lx_said bad | wc -l)" 1
lx_make bad 'limits.cpu = 1' 'limits.memory = 500GiB'
ok "a container with too much memory is refused" lx_refused bad
like "the log of a container with too much memory has the requested size" "$(lx_said bad)" '500GiB'
is "the log of a container with too much memory has one line of numaplace" "$(lx_said bad | wc -l)" 1
unlike "a container with too much memory is refused before start-host" "$(cat $lx_out/bad.log)" 'start-host'
lx_make bad 'limits.cpu = 1' 'limits.memory.policy = interleave'
ok "a container with a memory policy that a hook cannot set is refused" lx_refused bad
like "the log of a container with a refused policy names the key" "$(lx_said bad)" 'limits.memory.policy'
is "the ledger has no record of the refused containers" "$(in_ledger bad)" 0
mkdir -p /etc/numaplace
cp /etc/numaplace/numaplace.conf /run/tests/conf 2>/dev/null
echo 'on-failure = warn' > /etc/numaplace/numaplace.conf
lx_make bad 'limits.cpu = 1' 'limits.memory = 500GiB'
ok "with on-failure = warn, a container with too much memory starts" lx_start bad
is "with on-failure = warn, a container with too much memory is not placed" "$(lx_seen bad Cpus_allowed_list)" 0-7
lx_stop bad

# --- record = file, none; a config that is a symlink
echo 'record = file' > /etc/numaplace/numaplace.conf
lx_make rec 'limits.cpu = 4'
cp $lx_path/rec/config /run/tests/rec.before
ok "with record = file, a container starts" lx_start rec
ok "with record = file, the config is unchanged" cmp $lx_path/rec/config /run/tests/rec.before
ok "with record = file, config.numaplace has the nodes" pair "$(sed -n 's/^volatile.cpu.nodes = //p' $lx_path/rec/config.numaplace)"
lx_stop rec
rm $lx_path/rec/config.numaplace
echo 'record = none' > /etc/numaplace/numaplace.conf
ok "with record = none, a container starts" lx_start rec
is "with record = none, no other file is made" "$(find $lx_path/rec -type f | wc -l)" 1
lx_stop rec
cp /run/tests/conf /etc/numaplace/numaplace.conf
mv $lx_path/rec/config $lx_path/rec/real
ln -s real $lx_path/rec/config
ok "a container whose config is a symlink starts" lx_start rec -l WARN
like "the log warns that the symlink is not followed" "$(lx_said rec)" 'WARN .*config: a symlink: not followed'
ok "the target of a config that is a symlink is unchanged" cmp $lx_path/rec/real /run/tests/rec.before
lx_stop rec

# --- exclusive CPUs: a partition, where the kernel has them
lx_make ex 'limits.cpu = 2' 'limits.cpu.exclusive = true' 'limits.cpu.nodes = 1'
ok "an exclusive container starts" lx_start ex -l WARN
by=$(numaplace --json status | jq -r '.containers[] | select(.id == "ex").exclusive')
if [ -e "$(lx_cgroup ex)/cpuset.cpus.exclusive" ]; then
	is "an exclusive container is a partition" "$(cat "$(lx_cgroup ex)/cpuset.cpus.partition")|$(cat /sys/fs/cgroup/cpuset.cpus.effective)|$by" 'root|0-1,4-7|kernel'
else
	like "the log of an exclusive container has the reason why it is no partition" "$(lx_said ex)|$by" 'only: the kernel has no .*\|placed containers$'
fi
lx_stop ex
is "after the end of an exclusive container, all CPUs are left" "$(cat /sys/fs/cgroup/cpuset.cpus.effective)" 0-7
done_testing
