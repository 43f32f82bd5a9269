# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR
#
# podman of a user who is not root, in his own systemd session. As Debian has it his cgroup gets no cpuset: who asks for
# a placement is refused, with the remedy, and by on-failure = warn starts unplaced. With the remedy he is placed, and
# the ledger is the user's own.
# Layout: 4x2-pairs, systemd, with crun's and runc's podman (trixie).

. /tests/lib.sh
. /tests/containers.sh

ct_setup
conf=/etc/numaplace/numaplace.conf
cp $conf /run/tests/conf
home=/home/u2 run=/run/user/1002 bus=unix:path=/run/user/1002/bus
ledger=$run/numaplace
dropin=/run/systemd/system/user@1002.service.d
session=/sys/fs/cgroup/user.slice/user-1002.slice/user@1002.service
echo "u2:x:1002:1002::$home:/bin/sh" >> /etc/passwd
echo u2:x:1002: >> /etc/group
echo u2:3000000:65536 | tee -a /etc/subuid >> /etc/subgid

# What the packages libpam-systemd and dbus-user-session would do.
mkdir -p $dropin $home/.config/systemd/user/sockets.target.wants
printf '[Service]\nPAMName=\nEnvironment=XDG_RUNTIME_DIR=%s DBUS_SESSION_BUS_ADDRESS=%s\n' $run $bus > $dropin/session.conf
printf '[Socket]\nListenStream=%%t/bus\n' > $home/.config/systemd/user/dbus.socket
cat > $home/.config/systemd/user/dbus.service <<'END'
[Unit]
Requires=dbus.socket
[Service]
Type=notify
ExecStart=/usr/bin/dbus-daemon --session --address=systemd: --nofork --nopidfile --systemd-activation --syslog-only
END
ln -s ../dbus.socket $home/.config/systemd/user/sockets.target.wants/
cp -r "$ct_root" $home/root
mkfifo $home/root/ready $home/root/go
chown -R 1002:1002 $home

# as COMMAND...: in that session.
as() {
	sh -c 'echo 0 > "$0/init.scope/cgroup.procs"; exec "$@"' $session setpriv --reuid 1002 --regid 1002 --clear-groups \
		env -i PATH="$PATH" HOME=$home USER=u2 XDG_RUNTIME_DIR=$run DBUS_SESSION_BUS_ADDRESS=$bus GOMAXPROCS=1 "$@"
}
# pm RUNTIME COMMAND: a container of his that asks for two CPUs, and what it says.
pm() {
	as podman --runtime "$1" run --rm --network none --annotation limits.cpu=2 --rootfs $home/root sh -c "$2" \
		> /run/tests/said 2>&1
	pm_status=$?
	cat /run/tests/said
	return $pm_status
}
refused() {
	pm "$@"
	[ $pm_status = 126 ]
}
journal() { journalctl -b --no-pager -o cat -t numaplace; }
allowed='grep allowed_list /proc/self/status'
sees() { sed -n "s/^$1_allowed_list:[[:space:]]*//p" /run/tests/said; }

ok "his session begins" systemctl start user@1002.service
unlike "it has no cpuset" "$(cat $session/cgroup.controllers)" cpuset
why='cannot enable cpuset in /user.slice/cgroup.subtree_control: Permission denied (rootless: it is not delegated; Delegate=cpu cpuset io memory pids for user@.service)'
ok "runc: refused" refused runc "$allowed"
is "and runc says why" "$(grep -o 'cannot enable.*)' /run/tests/said)" "$why"
ok "crun: refused" refused crun "$allowed"
is "and the journal says why, in a line for each" "$(journal | sed 's/^container [0-9a-f]*: //')" "$why
$why"
is "nothing has run" "$(sees Cpus)" ''
echo 'on-failure = warn' > $conf
ok "on-failure = warn: it starts" pm crun "$allowed"
is "unplaced" "$(sees Cpus) $(sees Mems)" '0-7 0-3'
is "and it is said why, and no more" "$(journal | sed '1,2d; s/^container [0-9a-f]*: //')" "$why"
cp /run/tests/conf $conf
not_ok "no ledger is made" [ -e $ledger ]

# --- the remedy
systemctl stop user@1002.service
printf '[Service]\nDelegate=cpu cpuset io memory pids\n' > $dropin/delegate.conf
systemctl daemon-reload
ok "his session begins again" systemctl start user@1002.service
like "it has cpuset" "$(cat $session/cgroup.controllers)" cpuset
pm crun "$allowed; echo > /ready; read l < /go" &
running=$!
ok "crun: it starts" timeout 100 cat $home/root/ready
like "is placed, memory too" "$(sees Cpus) $(sees Mems)" '^(0-1 0|2-3 1|4-5 2|6-7 3)$'
is "in the user's ledger" "$(as numaplace --state $ledger status --json | jq -r '.containers[] | .cpus + " " + .mems')" \
	"$(sees Cpus) $(sees Mems)"
ok "where it is, its memory is" as numaplace --state $ledger verify
not_ok "not in the machine's" grep -qs . /run/numaplace/containers/*
echo go > $home/root/go
wait $running
is "and at its end is forgotten" "$(find $ledger/containers -type f | wc -l)" 0
is "without a word" "$(journal | sed 1,3d)" ''
ok "runc: it starts" pm runc "$allowed"
like "is placed, memory too" "$(sees Cpus) $(sees Mems)" '^(0-1 0|2-3 1|4-5 2|6-7 3)$'
is "and at its end is forgotten" "$(find $ledger/containers -type f | wc -l)" 0
like "systemd is not told, and that is said" "$(journal | sed 1,3d)" 'AllowedCPUs of libpod-.*placed, but a daemon-reload may undo it$'

systemctl stop user@1002.service
rm -r $dropin
systemctl daemon-reload
for f in passwd group subuid subgid; do
	sed -i '/^u2:/d' /etc/$f
done
done_testing
