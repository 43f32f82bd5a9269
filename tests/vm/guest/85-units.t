# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR disable=SC2016
#
# Containers that are named like systemd's units, and containers of one id in two of containerd's namespaces.
# The units are as they were; a scope that is a container's own is told to systemd.
# Layout: 4x2-pairs, systemd.
# time limit: 900 s

. /tests/lib.sh
. /tests/containers.sh
. /tests/placed.sh

cg=/sys/fs/cgroup
now() { echo "$(cat "$1/cpuset.cpus.effective" 2>/dev/null)|$(cat "$1/cpuset.mems.effective" 2>/dev/null)"; }
# told UNIT: what systemd knows of its cpuset.
told() { systemctl show -p AllowedCPUs -p AllowedMemoryNodes -- "$1" | sed 's/^[^=]*=//' | xargs; }
unit_cgroup() { echo "$cg$(systemctl show -p ControlGroup --value -- "$1")"; }
records() { grep -lsx -- "id=$1" /run/numaplace/containers/* | wc -l; }

# --- the host's units, each with a process
ok "a service" systemd-run --unit=victim.service sleep 100000
ok "an instance of a template" systemd-run --unit=inst@ance.service sleep 100000
ok "an escaped name" systemd-run --unit='esc\x2daped.service' sleep 100000
ok "one that begins with a digit" systemd-run --unit=7up.service sleep 100000
systemd-run --scope --unit=victim.scope sleep 100000 > /dev/null 2>&1 &
ok "a scope" eventually systemctl is-active --quiet victim.scope
ok "a slice" systemd-run --unit=in-it.service --slice=victim.slice sleep 100000
units='victim.service inst@ance.service esc\x2daped.service 7up.service victim.scope victim.slice init.scope'

# --- runc and crun: a cgroup below a folder of their own, named like the unit
n=0
for rt in runc crun; do
	for unit in $units; do
		n=$((n + 1))
		folder=$(unit_cgroup "$unit")
		was="$(now "$folder") $(told "$unit")"
		path=$(printf '/tenant/%s' "$unit" | sed 's/\\/\\\\/g')
		ok "$rt, $unit: a container whose cgroup has that name is placed" np_run $rt createRuntime c$n \
			limits.cpu=1 limits.cpu.nodes=3 -j ".linux.cgroupsPath = \"$path\""
		like "$rt, $unit: in its own cgroup" "$(now "$cg/tenant/$unit")" '^[67]\|3$'
		is "$rt, $unit: the unit is as it was" "$(now "$folder") $(told "$unit")" "$was"
		ct_delete c$n
	done
done
# Below a unit with processes runc makes a threaded cgroup, whose processes the kernel does not list.
was=$(now "$cg/system.slice/victim.service")
not_ok "below the unit: a container in a threaded cgroup is refused" np_run runc createRuntime below limits.cpu=1 \
	limits.cpu.nodes=3 -j '.linux.cgroupsPath = "/system.slice/victim.service/victim.service"'
is "below the unit: nothing is recorded" "$(records below)" 0
is "below the unit: the unit has the cpuset that it had" "$(now "$cg/system.slice/victim.service")" "$was"
is "below the unit: systemd has heard of no cpuset" "$(told victim.service)" ''
ct_delete below

# A oneshot service that remains active has an empty cgroup, in which runc starts a container.
ok "an empty service" systemd-run --unit=once.service --property=RemainAfterExit=yes true
np_run runc createRuntime once limits.cpu=1 limits.cpu.nodes=3 -j '.linux.cgroupsPath = "/system.slice/once.service"'
is "an empty service: systemd has heard of no cpuset" "$(told once.service)" ''
ct_delete once

# --- a scope that is the container's own
tar -C $ct_root -cf /run/tests/root.tar .
ok "podman: an image" podman import /run/tests/root.tar np
hooks='--hooks-dir /usr/share/containers/oci/hooks.d'
# shellcheck disable=SC2086 # words
ok "podman, runc, systemd: runs" podman --runtime runc --cgroup-manager systemd $hooks run --detach --network none \
	--name own --annotation limits.cpu=1 --annotation limits.cpu.nodes=3 np /bin/sleep 1000
scope="libpod-$(podman inspect --format '{{.Id}}' own).scope"
like "podman: systemd knows of its scope's cpuset" "$(told "$scope")" '^[67] 3$'
podman rm --force --time 0 own
is "podman: nothing is left in the ledger" "$(np_ids | xargs)" ''

# --- containerd
containerd > /run/tests/containerd.log 2>&1 &
eventually ctr version > /dev/null
# run NAMESPACE ID [KEY=VALUE...]: a container that sleeps; its words in $said.
run() {
	r_ns=$1 r_id=$2 r_keys=''
	shift 2
	for r_key; do
		r_keys="$r_keys --annotation $r_key"
	done
	# shellcheck disable=SC2086 # words
	said=$(ctr -n "$r_ns" run --detach --rootfs --runc-binary /usr/bin/numaplace-runtime $r_keys $ct_root "$r_id" \
		/bin/sleep 100000 2>&1)
	r_rc=$?
	echo "run $r_ns/$r_id: $r_rc $said"
	return $r_rc
}
end() {
	ctr -n "$1" task kill --signal KILL "$2"
	eventually ctr -n "$1" task rm "$2"
	ctr -n "$1" container rm "$2"
}
was="$(now "$(unit_cgroup victim.service)") $(told victim.service)"
ok "containerd: one that is named victim.service" run default victim.service limits.cpu=1 limits.cpu.nodes=3
like "containerd: is placed" "$(now $cg/default/victim.service)" '^[67]\|3$'
is "containerd: the unit is as it was" "$(now "$(unit_cgroup victim.service)") $(told victim.service)" "$was"
end default victim.service

ok "two namespaces: a/web has CPUs of its own" run a web limits.cpu=2 limits.cpu.exclusive=true limits.cpu.nodes=0
is "two namespaces: 0-1" "$(now $cg/a/web)" '0-1|0'
not_ok "two namespaces: b/web asks for what is not there" run b web limits.cpu=99-99
ctr -n b container rm web 2>/dev/null
is "two namespaces: a/web is in the ledger" "$(records web)" 1
not_ok "two namespaces: its CPUs are not granted again" run b evil limits.cpu=2 limits.cpu.exclusive=true limits.cpu.nodes=0
ctr -n b container rm evil 2>/dev/null
ok "two namespaces: b/web is placed" run b web limits.cpu=1 limits.cpu.nodes=2
is "two namespaces: both are in the ledger" "$(records web)" 2
end b web
is "two namespaces: b/web's end is its own" "$(records web) $(now $cg/a/web)" '1 0-1|0'
end a web
is "two namespaces: nothing is left in the ledger" "$(np_ids | xargs)" ''

# --- one id of two users, each with a runtime's root and a cgroup of their own
ok "two users: root's web" np_run crun createRuntime web limits.cpu=2 limits.cpu.exclusive=true limits.cpu.nodes=0
if id=$(id -u nobody) && mkdir -p /run/user/"$id" && chown "$id" /run/user/"$id"; then
	printf '{"id":"web","pid":0,"annotations":{"limits.cpu":"1"}}' > /run/tests/state
	setpriv --reuid "$id" --clear-groups env XDG_RUNTIME_DIR=/run/user/"$id" $np_hook poststop < /run/tests/state
	is "two users: another user's poststop is its own" "$(records web)" 1
fi
ct_delete web
is "two users: nothing is left in the ledger" "$(np_ids | xargs)" ''
kill %2 %1 2>/dev/null
done_testing
