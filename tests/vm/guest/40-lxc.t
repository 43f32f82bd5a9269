# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR
#
# numaplace under real lxc-start: placed before init's first instruction, recorded in
# the ledger, on the cgroup and in the config file, through start, reboot, stop, copy and
# destroy; refused where it cannot be, in the container's log.
# Layout: 4x2-pairs.

. /tests/lib.sh
# shellcheck source=lxc.sh
. /tests/lxc.sh

# pair NODES: whether these two are neighbours.
pair() { case $1 in 0,1 | 2,3) ;; *) return 1 ;; esac; }
cpus_of() { case $1 in 0,1) echo 0-3 ;; 2,3) echo 4-7 ;; esac; }

# --- start
lx_make a 'limits.cpu = 4' '  limits.memory	=  "200MiB"' '# the end'
chmod 640 $lx_path/a/config
chown 0:44 $lx_path/a/config
# a root of its own, so that it can be copied
cp -a $lx_root $lx_path/a/rootfs
sed -i "s|^lxc.rootfs.path.*|lxc.rootfs.path = dir:$lx_path/a/rootfs|" $lx_path/a/config
cp -p $lx_path/a/config /run/tests/a.before
ok "a starts" lx_start a
nodes=$(lx_line a volatile.cpu.nodes)
ok "four CPUs are on two near nodes ($nodes)" pair "$nodes"
is "its first instruction saw these CPUs" "$(lx_seen a Cpus_allowed_list)" "$(cpus_of "$nodes")"
is "and memory of the same nodes" "$(lx_seen a Mems_allowed_list)" "$(echo "$nodes" | tr , -)"
is "the line for memory" "$(lx_line a volatile.memory.nodes)" "$nodes"
is "nothing else in its config has changed" "$(grep -v ^volatile $lx_path/a/config)" "$(cat /run/tests/a.before)"
is "three lines are new" "$(grep -c ^volatile $lx_path/a/config)" 3
is "mode and owner are kept" "$(stat -c %a.%u.%g $lx_path/a/config)" 640.0.44
is "nothing is left beside it" "$(find $lx_path/a -maxdepth 1 -type f)" "$lx_path/a/config"
is "the cgroup carries the record" \
	"$(getfattr --only-values --absolute-names -n trusted.volatile.cpu.nodes "$(lx_cgroup a)")" "$nodes"
is "the ledger has it once" "$(in_ledger a)" 1
is "numaplace status shows it" \
	"$(numaplace --json status | jq -r '.containers[] | select(.id == "a") | .runtime + " " + .cpus')" \
	"lxc $(cpus_of "$nodes")"
is "no words in its log" "$(cat $lx_out/a.log)" ""

# --- LXC's own tools
like "lxc-info" "$(timeout 20 lxc-info -n a)" 'State: +RUNNING'
like "lxc-ls" "$(timeout 20 lxc-ls -f)" '^a +RUNNING'
is "lxc-attach, on the same CPUs" \
	"$(timeout 20 lxc-attach -n a -- /bin/grep ^Cpus_allowed_list /proc/self/status | cut -f2)" "$(cpus_of "$nodes")"

# --- reboot
inode=$(stat -c %i "$(lx_cgroup a)")
rm $lx_out/a/status
ok "lxc-stop -r" timeout 60 lxc-stop -r -n a
ok "it boots again" eventually [ -e $lx_out/a/status ]
is "for the second time" "$(cat $lx_out/a/boots)" ..
echo "cgroup was $inode, is $(stat -c %i "$(lx_cgroup a)")"
is "the same CPUs at its first instruction" "$(lx_seen a Cpus_allowed_list)" "$(cpus_of "$nodes")"
is "still once in the ledger" "$(in_ledger a)" 1
is "the same line" "$(lx_line a volatile.cpu.nodes)" "$nodes"
like "lxc-info" "$(timeout 20 lxc-info -n a)" 'State: +RUNNING'

# --- copy
ok "a clean stop" timeout 60 lxc-stop -n a -t 20
is "no ledger entry after it" "$(in_ledger a)" 0
ok "lxc-copy" timeout 100 lxc-copy -n a -N b -B dir
sed -i "s|$lx_out/a |$lx_out/b |" $lx_path/b/config
mkdir $lx_out/b
chmod 777 $lx_out/b
is "the copy carries a's line" "$(lx_line b volatile.cpu.nodes)" "$nodes"
origin=$(lx_line b volatile.numaplace.origin)
ok "a starts again" lx_start a
is "where it was" "$(lx_line a volatile.cpu.nodes)" "$nodes"
ok "b starts" lx_start b
unlike "elsewhere: the stale line is not believed" "$(lx_line b volatile.cpu.nodes)" "^$nodes\$"
ok "on two near nodes" pair "$(lx_line b volatile.cpu.nodes)"
is "and memory" "$(lx_seen b Mems_allowed_list)" "$(lx_line b volatile.cpu.nodes | tr , -)"
unlike "the line is its own now" "$(lx_line b volatile.numaplace.origin)" "^$origin\$"
is "once" "$(grep -c ^volatile $lx_path/b/config)" 3

# --- destroy
ok "stop b" lx_stop b
ok "destroy b" timeout 60 lxc-destroy -n b
ok "nothing is left of it" [ ! -e $lx_path/b ]
ok "stop a" lx_stop a
is "nobody is in the ledger" "$(find /run/numaplace/containers -type f | wc -l)" 0

# --- hook versions, cgroups of other names
lx_make v1 'lxc.hook.version = 1' 'limits.cpu = 1'
ok "hook version 1" lx_start v1
like "placed" "$(lx_seen v1 Cpus_allowed_list)" '^[0-7]$'
lx_stop v1
is "and forgotten" "$(in_ledger v1)" 0
mkdir -p /sys/fs/cgroup/lxc.payload.sfx
sh -c 'echo $$ > /sys/fs/cgroup/lxc.payload.sfx/cgroup.procs; exec sleep 1000' > /dev/null 2>&1 &
sitter=$!
lx_make sfx 'limits.cpu = 2'
ok "one whose cgroup's name is taken" lx_start sfx
like "is in another" "$(lx_cgroup sfx)" 'lxc.payload.sfx-1$'
like "and placed there" "$(lx_seen sfx Cpus_allowed_list)" '^[0-7]-[0-7]$'
lx_stop sfx
kill $sitter
lx_make inner 'limits.cpu = 2' 'lxc.cgroup.dir.container = x/y' 'lxc.cgroup.dir.monitor = x/m' \
	'lxc.cgroup.dir.container.inner = ns'
ok "one with an inner cgroup" lx_start inner
like "its process is in there" "$(lx_cgroup inner)" '/x/y/ns$'
is "the outer one is written to" "$(cat /sys/fs/cgroup/x/y/cpuset.cpus)" "$(lx_seen inner Cpus_allowed_list)"
is "not the inner" "$(cat /sys/fs/cgroup/x/y/ns/cpuset.cpus 2>/dev/null)" ""
lx_stop inner
is "and forgotten" "$(in_ledger inner)" 0

# --- the command line, lxc.cgroup2 lines
lx_make set 'limits.cpu = 1'
sed -i "s|^lxc.include.*|lxc.hook.start-host = $lx_hook --set limits.cpu=3 --set limits.cpu.nodes=2-3|" $lx_path/set/config
ok "--set" lx_start set
like "wins over the file" "$(lx_seen set Cpus_allowed_list)" '^(4-6|4-5,7|4,6-7|5-7)$'
lx_stop set
lx_make pin 'limits.cpu = 2' 'lxc.cgroup2.cpuset.cpus = 0-1' 'lxc.cgroup2.cpuset.cpus = 5-7' \
	'lxc.cgroup2.memory.max = 100M'
ok "a pin" lx_start pin
like "it is narrowed within" "$(lx_seen pin Cpus_allowed_list)" '^(5-6|5,7|6-7)$'
is "status says so" "$(numaplace --json status | jq -r '.containers[0].cpus')" "$(lx_seen pin Cpus_allowed_list)"
is "memory.max is its size" "$(numaplace --json explain pin | jq -r .runtime_limits.memory)" 100MiB
lx_stop pin
lx_make quota 'limits.cpu.nodes = balanced' 'lxc.cgroup2.cpu.max = 250000 100000'
ok "cpu.max" lx_start quota
is "two and a half CPUs are three" "$(numaplace --json status | jq -r '.containers[0].cpus' | tr ',' '\n' |
	awk -F- '{ n += (NF > 1 ? $2 - $1 : 0) + 1 } END { print n }')" 3
lx_stop quota

# --- no keys, no change
lx_make none
cp $lx_path/none/config /run/tests/none.before
ok "one without keys starts" lx_start none
is "everywhere" "$(lx_seen none Cpus_allowed_list)" 0-7
ok "its config is as it was" cmp $lx_path/none/config /run/tests/none.before
is "and the ledger knows nothing of it" "$(in_ledger none)" 0
lx_stop none

# --- refused, and why
lx_make bad '' 'limits.cpus = 4'
ok "an unknown key: refused" lx_refused bad
is "one line in its log, with file, line and value" "$(lx_said bad | sed 's/.* - //')" \
	"$lx_path/bad/config:10: limits.cpus: \"4\": no such key"
cat $lx_out/bad.log
lx_make bad 'limits.cpu = 4' 'limits.cpu = many'
ok "a bad value: refused" lx_refused bad
like "file, line, value" "$(lx_said bad)" " - $lx_path/bad/config:10: limits.cpu: .*\"many\""
is "in one line" "$(lx_said bad | wc -l)" 1
lx_make bad 'limits.cpu = 1' 'limits.memory = 500GiB'
ok "too much memory: refused" lx_refused bad
like "before anything is built, with the numbers" "$(lx_said bad)" '500GiB'
is "in one line" "$(lx_said bad | wc -l)" 1
unlike "at pre-start" "$(cat $lx_out/bad.log)" 'start-host'
lx_make bad 'limits.cpu = 1' 'limits.memory.policy = interleave'
ok "a policy that a hook cannot set: refused" lx_refused bad
like "by name" "$(lx_said bad)" 'limits.memory.policy'
is "none of them is in the ledger" "$(in_ledger bad)" 0
mkdir -p /etc/numaplace
cp /etc/numaplace/numaplace.conf /run/tests/conf 2>/dev/null
echo 'on-failure = warn' > /etc/numaplace/numaplace.conf
lx_make bad 'limits.cpu = 1' 'limits.memory = 500GiB'
ok "on-failure = warn: it starts" lx_start bad
is "unplaced" "$(lx_seen bad Cpus_allowed_list)" 0-7
lx_stop bad

# --- record = file, none; a config that is a symlink
echo 'record = file' > /etc/numaplace/numaplace.conf
lx_make rec 'limits.cpu = 4'
cp $lx_path/rec/config /run/tests/rec.before
ok "record = file" lx_start rec
ok "leaves the config alone" cmp $lx_path/rec/config /run/tests/rec.before
ok "and is beside it" pair "$(sed -n 's/^volatile.cpu.nodes = //p' $lx_path/rec/config.numaplace)"
lx_stop rec
rm $lx_path/rec/config.numaplace
echo 'record = none' > /etc/numaplace/numaplace.conf
ok "record = none" lx_start rec
is "is nowhere" "$(find $lx_path/rec -type f | wc -l)" 1
lx_stop rec
cp /run/tests/conf /etc/numaplace/numaplace.conf
mv $lx_path/rec/config $lx_path/rec/real
ln -s real $lx_path/rec/config
ok "a config that is a symlink: it starts" lx_start rec -l WARN
like "and the log says what was not done" "$(lx_said rec)" 'WARN .*config: a symlink: not followed'
ok "the file behind it is as it was" cmp $lx_path/rec/real /run/tests/rec.before
lx_stop rec
done_testing
