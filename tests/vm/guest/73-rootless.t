# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR
#
# podman of a user who is not root, in a systemd session of that user. On Debian the cgroup of the user has no cpuset: a
# container with keys is refused, with the remedy, and starts unplaced with on-failure = warn. With the remedy it is
# placed, and its record is in the ledger of the user.
# Layout: 4x2-pairs, systemd, with crun's and runc's podman (trixie).

. /tests/lib.sh
. /tests/containers.sh

ct_setup
conf=/etc/numaplace/numaplace.conf
cp $conf /run/tests/conf
# become NAME UID: the functions below act for this user.
become() {
	user=$1 uid=$2 home=/home/$1 run=/run/user/$2 bus=unix:path=/run/user/$2/bus
	ledger=$run/numaplace
	dropin=/run/systemd/system/user@$uid.service.d
	session=/sys/fs/cgroup/user.slice/user-$uid.slice/user@$uid.service
}
# make_user NAME UID: a user with subordinate ids, a session bus and a root file system for containers; then become it.
make_user() {
	become "$1" "$2"
	echo "$user:x:$uid:$uid::$home:/bin/sh" >> /etc/passwd
	echo "$user:x:$uid:" >> /etc/group
	echo "$user:$((uid * 100000)):65536" | tee -a /etc/subuid >> /etc/subgid
	# What the packages libpam-systemd and dbus-user-session would do.
	mkdir -p $dropin "$home/.config/systemd/user/sockets.target.wants"
	printf '[Service]\nPAMName=\nEnvironment=XDG_RUNTIME_DIR=%s DBUS_SESSION_BUS_ADDRESS=%s\n' $run $bus > $dropin/session.conf
	printf '[Socket]\nListenStream=%%t/bus\n' > "$home/.config/systemd/user/dbus.socket"
	cat > "$home/.config/systemd/user/dbus.service" <<'END'
[Unit]
Requires=dbus.socket
[Service]
Type=notify
ExecStart=/usr/bin/dbus-daemon --session --address=systemd: --nofork --nopidfile --systemd-activation --syslog-only
END
	ln -s ../dbus.socket "$home/.config/systemd/user/sockets.target.wants/"
	cp -r "$ct_root" "$home/root"
	mkfifo "$home/root/ready" "$home/root/go"
	chown -R "$uid:$uid" "$home"
}
make_user u2 1002

# as COMMAND...: runs COMMAND in the session of the user.
as() {
	sh -c 'echo 0 > "$0/init.scope/cgroup.procs"; exec "$@"' $session setpriv --reuid "$uid" --regid "$uid" --clear-groups \
		env -i PATH="$PATH" HOME="$home" USER="$user" XDG_RUNTIME_DIR=$run DBUS_SESSION_BUS_ADDRESS=$bus GOMAXPROCS=1 "$@"
}
# pm RUNTIME COMMAND: runs a container of the user that requests two CPUs; its output is also in $said.
said=/run/tests/said
pm() {
	as podman --runtime "$1" run --rm --name web --network none --annotation limits.cpu=2 --rootfs $home/root sh -c "$2" \
		> $said 2>&1
	pm_status=$?
	cat $said
	return $pm_status
}
refused() {
	pm "$@"
	[ $pm_status = 126 ]
}
journal() { journalctl -b --no-pager -o cat -t numaplace; }
allowed='grep allowed_list /proc/self/status'
sees() { sed -n "s/^$1_allowed_list:[[:space:]]*//p" /run/tests/said; }

ok "the session of the user starts" systemctl start user@1002.service
unlike "the session of the user has no cpuset controller" "$(cat $session/cgroup.controllers)" cpuset
why='cannot enable cpuset in /user.slice/cgroup.subtree_control: Permission denied (rootless: it is not delegated; Delegate=cpu cpuset io memory pids for user@.service)'
ok "without cpuset, runc: a container with a key is refused" refused runc "$allowed"
is "without cpuset, runc: the output has the reason" "$(grep -o 'cannot enable.*)' $said)" "$why"
ok "without cpuset, crun: a container with a key is refused" refused crun "$allowed"
is "without cpuset: the journal has one line for each refused container" "$(journal | sed 's/^container [0-9a-f]*: //')" "$why
$why"
is "without cpuset: the program of a refused container does not run" "$(sees Cpus)" ''
echo 'on-failure = warn' > $conf
ok "without cpuset, on-failure = warn: a container with a key starts" pm crun "$allowed"
is "without cpuset, on-failure = warn: the container is not placed" "$(sees Cpus) $(sees Mems)" '0-7 0-3'
is "without cpuset, on-failure = warn: the journal has one more line with the reason" "$(journal | sed '1,2d; s/^container [0-9a-f]*: //')" "$why"
cp /run/tests/conf $conf
not_ok "without cpuset: a command is refused" as numaplace run limits.cpu=1 -- touch $home/ran
is "without cpuset: the message has the remedy" "$(as numaplace run limits.cpu=1 -- true 2>&1)" \
	"numaplace: cgroup ${session#/sys/fs/cgroup} is not delegated to this user with the cpuset controller: run this as root, or in a session of systemd with Delegate=cpu cpuset io memory pids for user@.service"
not_ok "without cpuset: the command is not executed" [ -e $home/ran ]
not_ok "without cpuset: no state folder is made" [ -e $ledger ]

# --- the remedy
systemctl stop user@1002.service
printf '[Service]\nDelegate=cpu cpuset io memory pids\n' > $dropin/delegate.conf
systemctl daemon-reload
ok "the session of the user starts again with the remedy" systemctl start user@1002.service
like "with the remedy, the session has the cpuset controller" "$(cat $session/cgroup.controllers)" cpuset
pm crun "$allowed; echo > /ready; read l < /go" &
running=$!
ok "with the remedy, crun: a container starts" timeout 100 cat $home/root/ready
ok "with the remedy, crun: podman has passed on its output" eventually grep -q ^Mems_allowed_list: $said
like "with the remedy, crun: the container has the CPUs and memory of one node" "$(sees Cpus) $(sees Mems)" '^(0-1 0|2-3 1|4-5 2|6-7 3)$'
is "with the remedy, crun: the ledger of the user has the record" "$(as numaplace --state $ledger status --json | jq -r '.containers[] | .cpus + " " + .mems')" \
	"$(sees Cpus) $(sees Mems)"
ok "with the remedy, crun: verify finds no page on another node" as numaplace --state $ledger verify
not_ok "with the remedy, crun: the ledger of the host has no record" grep -qs . /run/numaplace/containers/*
echo go > $home/root/go
wait $running
is "with the remedy, crun: the record is removed when the container ends" "$(find $ledger/containers -type f | wc -l)" 0
is "with the remedy, crun: the journal has no message" "$(journal | sed 1,3d)" ''
ok "with the remedy, runc: a container starts" pm runc "$allowed"
like "with the remedy, runc: the container has the CPUs and memory of one node" "$(sees Cpus) $(sees Mems)" '^(0-1 0|2-3 1|4-5 2|6-7 3)$'
is "with the remedy, runc: the record is removed when the container ends" "$(find $ledger/containers -type f | wc -l)" 0
is "with the remedy, runc: the journal has no message: the user's systemd has the CPUs" "$(journal | sed 1,3d)" ''

ok "with the remedy: a command of the user is placed" as sh -c 'numaplace run limits.cpu=2 -- sh -c "grep allowed_list /proc/self/status
cat /proc/self/cgroup; numaplace status
systemctl --user show -p AllowedCPUs -p AllowedMemoryNodes \$(basename \$(cat /proc/self/cgroup))" > $HOME/said'
cp $home/said $said
like "with the remedy: the command has the CPUs and memory of one node" "$(sees Cpus) $(sees Mems)" '^(0-1 0|2-3 1|4-5 2|6-7 3)$'
like "with the remedy: the command is in a scope of the user's systemd" "$(cat $said)" '^0::/user.slice/user-1002.slice/user@1002.service/app.slice/numaplace-run-.*scope$'
is "with the remedy: the user's systemd has the CPUs of the command" "$(sed -n 's/^Allowed[A-Za-z]*=//p' $said | xargs)" "$(sees Cpus) $(sees Mems)"
like "with the remedy: the ledger of the user has the command" "$(cat $said)" '^run-[0-9a-f-]* *run *[0-3] '

# --- a second user with a container of the same name and cgroup names of the same form
# records_of UID: how many records the ledger of this user has.
records_of() { find "/run/user/$1/numaplace/containers" -type f | wc -l; }
make_user u3 1003
printf '[Service]\nDelegate=cpu cpuset io memory pids\n' > $dropin/delegate.conf
systemctl daemon-reload
ok "the session of the second user begins" systemctl start user@1003.service
become u2 1002
pm crun "$allowed; echo > /ready; read l < /go" &
running=$!
ok "the container web of the first user starts" timeout 100 cat $home/root/ready
become u3 1003
said=/run/tests/said3
pm crun "$allowed; echo > /ready; read l < /go" &
running3=$!
ok "the container web of the second user starts" timeout 100 cat $home/root/ready
like "the container of the second user is placed" "$(sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' $said)" '^(0-1|2-3|4-5|6-7)$'
is "each user has one record" "$(records_of 1002) $(records_of 1003)" "1 1"
not_ok "the second user cannot read the ledger of the first" as numaplace --state /run/user/1002/numaplace status
theirs=$(ls /run/user/1002/numaplace/containers)
state="{\"ociVersion\":\"1.0.2\",\"id\":\"${theirs#oci:}\",\"pid\":0,\"status\":\"stopped\",\"bundle\":\"/\",\"annotations\":{\"limits.cpu\":\"2\"}}"
as sh -c 'echo "$0" | /usr/libexec/numaplace/oci-hook poststop' "$state"
as sh -c 'echo "$0" | /usr/libexec/numaplace/oci-hook --state /run/user/1002/numaplace poststop' "$state"
is "a poststop of the second user with the id of the first removes no record" "$(records_of 1002) $(records_of 1003)" "1 1"
echo go > /home/u3/root/go
wait $running3
is "the end of the second user's container removes its own record only" "$(records_of 1002) $(records_of 1003)" "1 0"
echo go > /home/u2/root/go
wait $running
is "the end of the first user's container removes its record" "$(records_of 1002) $(records_of 1003)" "0 0"

systemctl stop user@1002.service user@1003.service
rm -r /run/systemd/system/user@1002.service.d /run/systemd/system/user@1003.service.d
systemctl daemon-reload
for f in passwd group subuid subgid; do
	sed -i '/^u[23]:/d' /etc/$f
done
done_testing
