#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# lxc-hook as Incus and LXD start it, with simulated folders: which files it reads, what it refuses, and its messages.
# Nothing is placed, because the process is not in a container.
# shellcheck source=tests/hooks/tap.bash
. "${0%/*}/tap.bash"
hook=${hook%/*}/lxc-hook

# instance NAME KEY=VALUE...: makes the folder of an instance and the lxc.conf that the daemon writes.
instance() {
	local name=$1 key
	shift
	mkdir -p "$tmp/inc/containers/$name" "$tmp/run/$name"
	{
		echo 'container:'
		echo '  expanded_config:'
		echo '    raw.idmap: "both 1 1"'
		for key; do echo "    ${key%%=*}: \"${key#*=}\""; done
		echo "  name: ${name##*_}"
	} > "$tmp/inc/containers/$name/backup.yaml"
	{
		echo 'lxc.hook.version = 1'
		echo "lxc.hook.pre-start = /proc/1/exe callhook $tmp/inc \"default\" \"$name\" start"
	} > "$tmp/run/$name/lxc.conf"
}

# staged NAME STAGE STATUS PATTERN: runs the hook for the instance NAME.
staged() {
	LXC_NAME=$1 LXC_HOOK_TYPE=$2 LXC_PID=$$ LXC_CONFIG_FILE=$tmp/run/$1/lxc.conf run_hook
	came_out "instance $1 at $2" "$3" "$4"
}

instance plain
staged plain start-host 0 ''
staged plain post-stop 0 ''
instance roaming limits.cpu=4 limits.memory=1GiB
staged roaming start-host 0 ''
instance mode-unknown limits.cpu.nodes=1 user.numaplace.mode=leads
staged mode-unknown start-host 2 \
	'numaplace: container mode-unknown: user.numaplace.mode: "leads": not follow or lead'
instance slip user.numaplace.limits.cpus=4
staged slip start-host 2 \
	'numaplace: container slip: backup.yaml: user.numaplace.limits.cpus: "4": no such key'
instance pr_in-project user.numaplace.limits.cpu.device=eth0
staged pr_in-project start-host 2 'numaplace: container pr_in-project: *needs user.numaplace.mode = lead*'
instance leading user.numaplace.mode=lead limits.cpu=1
echo 'on-failure = fail' > "$tmp/conf"
LXC_NAME=leading LXC_HOOK_TYPE=start-host LXC_PID=$$ LXC_CONFIG_FILE=$tmp/run/leading/lxc.conf run_hook
[ "$status" = 1 ] && [[ $said == *'the agent is not running: systemctl enable --now numaplace-incus-agent' ]]
ok $? 'lead without a running agent is refused, and the message names the remedy' "$status" "$said"
echo 'on-failure = warn' > "$tmp/conf"
staged slip start-host 0 'numaplace: container slip: backup.yaml: *no such key'
echo 'nonsense' > "$tmp/conf"
staged roaming start-host 0 ''
instance asks limits.cpu.nodes=0
staged asks start-host 2 'numaplace: container asks: *not key = value'
: > "$tmp/conf"
instance other-name limits.cpu.nodes=0
sed -i 's/name: .*/name: other/' "$tmp/inc/containers/other-name/backup.yaml"
staged other-name start-host 2 'numaplace: container other-name: *belongs to instance "other"'
for name in not-other-name name; do
	sed -i "s/name: .*/name: $name/" "$tmp/inc/containers/other-name/backup.yaml"
	staged other-name start-host 2 "numaplace: container other-name: *belongs to instance \"$name\""
done
instance writable limits.cpu.nodes=0
chmod o+w "$tmp/inc/containers/writable/backup.yaml"
staged writable start-host 1 'numaplace: container writable: *not safe: owner uid *, mode *'
instance much limits.cpu.nodes=0 limits.memory=2EiB
LXC_NAME=much LXC_HOOK_TYPE=start-host LXC_PID=$$ LXC_CONFIG_FILE=$tmp/run/much/lxc.conf run_hook
[[ $said == 'numaplace: container much: limits.memory: "2EiB": more than 1EiB; ignored'* ]]
ok $? 'limits.memory above 1 EiB is ignored with a warning' "$said"
instance bytes limits.cpu.nodes=0 'limits.memory=4096 bytes'
LXC_NAME=bytes LXC_HOOK_TYPE=start-host LXC_PID=$$ LXC_CONFIG_FILE=$tmp/run/bytes/lxc.conf run_hook
[[ $said != *limits.memory* ]]
ok $? "limits.memory with the unit ' bytes' gives no warning" "$said"
instance gone
rm "$tmp/inc/containers/gone/backup.yaml"
staged gone start-host 1 'numaplace: container gone: */backup.yaml: No such file or directory'
# The user of the instance can set its environment.
instance honest limits.cpu=1
INCUS_DIR=/evil LXD_DIR=/evil staged honest start-host 0 ''
done_testing
