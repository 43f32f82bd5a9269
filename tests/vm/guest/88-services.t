# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR disable=SC2016
# time limit: 900 s
# reboots the guest
#
# Services of systemd: a drop-in places PostgreSQL at each start; systemd has the CPUs and memory nodes, so that a daemon-reload
# keeps them; what the administrator has set stays a pin; what numaplace has set does not.
# Layout: 4x2-pairs, systemd.

. /tests/lib.sh

cg=/sys/fs/cgroup hook=/usr/libexec/numaplace/service-hook conf=/etc/numaplace/numaplace.conf
told() { systemctl show -p AllowedCPUs -p AllowedMemoryNodes -- "$1" | sed 's/^[^=]*=//' | xargs; }
folder() { echo "$cg$(systemctl show -p ControlGroup --value -- "$1")"; }
now() { cat "$(folder "$1")/cpuset.cpus.effective" "$(folder "$1")/cpuset.mems.effective" | xargs; }
placed() { numaplace status --json | jq -r --arg id "$1" '.containers[] | select(.id == $id) | .runtime + " " + .cpus + " " + .mems'; }
# dropin UNIT NAME LINE...
dropin() {
	d_dir=/etc/systemd/system/$1.d d_name=$2
	shift 2
	mkdir -p "$d_dir"
	printf '[Service]\n' > "$d_dir/$d_name.conf"
	printf '%s\n' "$@" >> "$d_dir/$d_name.conf"
	systemctl daemon-reload
}
# unit NAME LINE...: a service that writes what its first instruction sees, and sleeps.
unit() {
	u_name=$1
	shift
	cat > "/etc/systemd/system/$u_name.service" <<END
[Service]
ExecStart=/bin/sh -c 'grep allowed_list /proc/self/status > /run/tests/$u_name; exec sleep infinity'
Type=exec
END
	printf '%s\n' "$@" >> "/etc/systemd/system/$u_name.service"
	systemctl daemon-reload
}
sees() { sed -n 's/^.*_allowed_list:[[:space:]]*//p' "/run/tests/$1" | xargs; }
seen() { [ "$(wc -l < "/run/tests/$1")" = 2 ]; }
start() { rm -f "/run/tests/$1"; systemctl start "$1" && eventually seen "$1"; }
journal() { journalctl -b --no-pager -o cat -u "$1" | grep numaplace: | tail -n 1; }

pg=$(cd /etc/postgresql && echo */*)
pg=postgresql@$(echo "$pg" | tr / -).service
# all_on CPUS NODES: the processes of PostgreSQL.
all_on() {
	for p in $(cat "$(folder "$pg")/cgroup.procs"); do
		[ "$(sed -n 's/^.*_allowed_list:[[:space:]]*//p' /proc/"$p"/status | xargs)" = "$1" ] || return 1
	done
}
query() { setpriv --reuid postgres --regid postgres --clear-groups psql -h /var/run/postgresql -Atc "$1" postgres; }

if rebooted; then
	ok "after the reboot: $pg starts" systemctl start "$pg"
	is "after the reboot: it is placed by its drop-in, in a new ledger" "$(placed "$pg")" "systemd 2-3 1"
	ok "after the reboot: its processes are there" all_on '2-3 1'
	is "after the reboot: systemd has the place" "$(told "$pg")" '2-3 1'
	ok "after the reboot: it stops" systemctl stop "$pg"
	done_testing
fi

# --- PostgreSQL
dropin postgresql@.service numaplace "ExecStartPre=+$hook %n limits.cpu=2 limits.memory=256MiB"
ok "$pg starts" systemctl start "$pg"
first=$(placed "$pg")
like "it is placed on one node" "$first" '^systemd (0-1 0|2-3 1|4-5 2|6-7 3)$'
place=${first#systemd }
is "systemd has the place" "$(told "$pg")" "$place"
is "its cgroup has it" "$(now "$pg")" "$place"
ok "its processes have it" all_on "$place"
is "the database answers" "$(query 'select 6*7')" 42
ok "verify finds its pages on its node" numaplace verify "$pg"
like "status lists it" "$(numaplace status)" "^$pg +systemd +[0-3] "
like "explain has the keys" "$(numaplace explain "$pg")" '^asked limits.memory *256MiB$'
like "map draws it" "$(numaplace map)" "$pg"
like "the drop-in is visible in systemctl cat" "$(systemctl cat "$pg")" 'service-hook %n limits.cpu=2'

systemctl daemon-reload
is "after daemon-reload it has its place" "$(now "$pg") $(told "$pg")" "$place $place"
systemctl set-property --runtime "$pg" CPUWeight=50
is "after set-property it has its place" "$(now "$pg")" "$place"
ok "it restarts" systemctl restart "$pg"
is "after a restart it has the same place" "$(placed "$pg") $(now "$pg")" "$first $place"
node=${place#* }
systemctl stop "$pg"
numaplace run --name other limits.cpu=2 limits.cpu.exclusive=true limits.cpu.nodes="$node" -- sleep infinity &
other=$!
taken() { [ "$(placed other)" ]; }
ok "while it is stopped, a command takes the whole node" eventually taken
ok "it starts again" systemctl start "$pg"
unlike "and is on another node: what numaplace has set is not a pin" "$(placed "$pg")" "^$first\$"
is "systemd has the new place" "$(told "$pg")" "$(placed "$pg" | cut -d' ' -f2-)"
kill $other
wait $other
ok "move brings it to node 1" numaplace move "$pg" 1
is "systemd and the cgroup have node 1" "$(told "$pg") $(now "$pg")" "2-3 1 2-3 1"
systemctl daemon-reload
is "after daemon-reload it is still there" "$(now "$pg")" "2-3 1"
is "the database still answers" "$(query 'select 6*7')" 42
ok "resize gives it one CPU" numaplace resize "$pg" limits.cpu=1
like "systemd has one CPU" "$(told "$pg")" '^[23] 1$'
ok "rebalance knows it" numaplace rebalance --dry-run
ok "it restarts after the resize" systemctl restart "$pg"
is "with the CPUs of its drop-in, on the node where it was" "$(placed "$pg")" "systemd 2-3 1"
dropin postgresql@.service numaplace "ExecStartPre=+$hook %n limits.cpu=2 limits.cpu.nodes=1"
systemctl stop "$pg"
is "its record is dropped" "$(placed "$pg")" ''

# --- pins of the administrator
unit pinned 'AllowedCPUs=2-5' "ExecStartPre=+$hook %n limits.cpu=2"
ok "a service with AllowedCPUs= starts" start pinned
like "it is placed within them" "$(sees pinned)" '^(2-3 1|4-5 2)$'
was=$(sees pinned)
systemctl stop pinned
numaplace run --name other limits.cpu=2 limits.cpu.exclusive=true limits.cpu.nodes="${was#* }" -- sleep infinity &
other=$!
eventually taken
ok "a service with AllowedCPUs= starts again while its node is taken" start pinned
like "it is on the other node of the pin" "$(sees pinned)" "^$(case $was in '2-3 1') echo 4-5 2 ;; *) echo 2-3 1 ;; esac)\$"
systemctl stop pinned
kill $other
wait $other

# --- refusals
unit large "ExecStartPre=+$hook %n limits.cpu=1 limits.memory=100GiB"
not_ok "a service that does not fit does not start" systemctl start large
like "the journal of the unit has the reason" "$(journal large)" 'numaplace: service large.service: limits.memory: 100GiB requested, .*available'
not_ok "its program did not run" [ -e /run/tests/large ]
is "it has no record" "$(placed large.service)" ''
unit policy "ExecStartPre=+$hook %n limits.cpu=1 limits.memory.policy=interleave"
not_ok "a memory policy is refused" systemctl start policy
like "the message names the setting of systemd" "$(journal policy)" 'set NUMAPolicy=interleave and NUMAMask= in the unit'
unit typo "ExecStartPre=+$hook %n limits.cpus=1"
not_ok "an unknown key is refused" systemctl start typo
unit wrong "ExecStartPre=+$hook large.service limits.cpu=1"
not_ok "the name of another unit is refused" systemctl start wrong
like "the message has both cgroups" "$(journal wrong)" 'this process is in /system.slice/wrong.service'
is "no record is made" "$(placed large.service)$(placed wrong.service)" ''
cp $conf /run/tests/conf
echo 'on-failure = warn' > $conf
ok "with on-failure = warn, a service that does not fit starts" start large
is "it is not placed" "$(sees large)" '0-7 0-3'
systemctl stop large
cp /run/tests/conf $conf

# --- limits of the unit, delegation, an interleaved service
unit limited 'CPUQuota=150%' 'MemoryMax=200M' "ExecStartPre=+$hook %n limits.cpu.nodes=3"
ok "a service with limits and no numbers starts" start limited
is "it has the CPUs of its quota" "$(sees limited)" '6-7 3'
like "its memory is reserved" "$(numaplace explain limited.service)" "^runtime's limit, memory *200MiB\$"
systemctl stop limited
unit delegated 'Delegate=yes' "ExecStartPre=+$hook %n limits.cpu=2 limits.cpu.nodes=2"
ok "a delegated service starts" start delegated
is "it is placed" "$(sees delegated) $(told delegated)" '4-5 2 4-5 2'
is "its record is of the unit's cgroup" "$(numaplace explain --json delegated.service | jq -r .cgroup)" /system.slice/delegated.service
systemctl stop delegated
unit spread 'NUMAPolicy=interleave' 'NUMAMask=0-3' "ExecStartPre=+$hook %n limits.cpu=2 limits.cpu.nodes=0 limits.memory.nodes=0-1"
ok "a service with NUMAPolicy= starts" start spread
like "it has its policy within its place" "$(sed -n '1s/.* \(interleave[^ ]*\) .*/\1/p' "/proc/$(systemctl show -p MainPID --value spread)/numa_maps")" '^interleave'
systemctl stop spread
ok "after all have stopped, the ledger is empty" [ -z "$(numaplace status --json | jq -r '.containers[].id')" ]

# --- systemd-nspawn
box=/var/lib/machines/box
for d in bin proc sys dev tmp usr etc run var root; do
	mkdir -p $box/$d
done
cp /bin/busybox $box/bin/
chroot $box /bin/busybox --install -s /bin
mkdir -p /etc/systemd/nspawn
printf '[Exec]\nBoot=no\nPrivateUsers=no\nParameters=/bin/sleep 100000\n[Network]\nVirtualEthernet=no\nPrivate=no\n' > /etc/systemd/nspawn/box.nspawn
dropin systemd-nspawn@box.service numaplace "ExecStartPre=+$hook %n limits.cpu=2 limits.cpu.nodes=1" \
	'ExecStart=' 'ExecStart=systemd-nspawn --quiet --keep-unit --settings=override --register=no --machine=%i'
ok "systemd-nspawn@box starts" systemctl start systemd-nspawn@box
inside() { pgrep -f '^/bin/sleep 100000' > /dev/null; }
ok "its command runs" eventually inside
is "the processes of the machine are placed" "$(sed -n 's/^.*_allowed_list:[[:space:]]*//p' "/proc/$(pgrep -f '^/bin/sleep 100000')/status" | xargs)" '2-3 1'
ok "it stops" systemctl stop systemd-nspawn@box

ok "$pg is started before the reboot" systemctl start "$pg"
is "before the reboot it is on node 1" "$(placed "$pg")" "systemd 2-3 1"
reboot_guest
