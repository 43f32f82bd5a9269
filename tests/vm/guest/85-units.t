# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR disable=SC2016
#
# Containers whose cgroups have the names of systemd units, and containers with one id in two namespaces of containerd. The
# units are unchanged; for the scope of a container itself, systemd gets the cpuset.
# Layout: 4x2-pairs, systemd.
# time limit: 900 s

. /tests/lib.sh
. /tests/containers.sh
. /tests/placed.sh

cg=/sys/fs/cgroup
now() { echo "$(cat "$1/cpuset.cpus.effective" 2>/dev/null)|$(cat "$1/cpuset.mems.effective" 2>/dev/null)"; }
# told UNIT: the cpuset of the unit in systemd.
told() { systemctl show -p AllowedCPUs -p AllowedMemoryNodes -- "$1" | sed 's/^[^=]*=//' | xargs; }
unit_cgroup() { echo "$cg$(systemctl show -p ControlGroup --value -- "$1")"; }
records() { grep -lsx -- "id=$1" /run/numaplace/containers/* | wc -l; }

# --- the host's units, each with a process
ok "the service victim.service starts" systemd-run --unit=victim.service sleep 100000
ok "an instance of a template unit starts" systemd-run --unit=inst@ance.service sleep 100000
ok "a service with an escaped name starts" systemd-run --unit='esc\x2daped.service' sleep 100000
ok "a service whose name begins with a digit starts" systemd-run --unit=7up.service sleep 100000
systemd-run --scope --unit=victim.scope sleep 100000 > /dev/null 2>&1 &
ok "the scope victim.scope starts" eventually systemctl is-active --quiet victim.scope
ok "a service in victim.slice starts" systemd-run --unit=in-it.service --slice=victim.slice sleep 100000
units='victim.service inst@ance.service esc\x2daped.service 7up.service victim.scope victim.slice init.scope'

# --- runc and crun: a cgroup below another folder, with the name of the unit
n=0
for rt in runc crun; do
	for unit in $units; do
		n=$((n + 1))
		folder=$(unit_cgroup "$unit")
		was="$(now "$folder") $(told "$unit")"
		path=$(printf '/tenant/%s' "$unit" | sed 's/\\/\\\\/g')
		ok "$rt: a container whose cgroup is named $unit is placed" np_run $rt createRuntime c$n \
			limits.cpu=1 limits.cpu.nodes=3 -j ".linux.cgroupsPath = \"$path\""
		like "$rt: a container whose cgroup is named $unit is placed in its own cgroup" "$(now "$cg/tenant/$unit")" '^[67]\|3$'
		is "$rt: a container whose cgroup is named $unit does not change that unit" "$(now "$folder") $(told "$unit")" "$was"
		ct_delete c$n
	done
done
# Below a unit with processes, runc makes a threaded cgroup, whose processes the kernel does not list.
was=$(now "$cg/system.slice/victim.service")
not_ok "a container in a threaded cgroup below a unit is refused" np_run runc createRuntime below limits.cpu=1 \
	limits.cpu.nodes=3 -j '.linux.cgroupsPath = "/system.slice/victim.service/victim.service"'
is "a container in a threaded cgroup below a unit has no record" "$(records below)" 0
is "a container in a threaded cgroup below a unit does not change the cpuset of the unit" "$(now "$cg/system.slice/victim.service")" "$was"
is "a container in a threaded cgroup below a unit: systemd gets no cpuset" "$(told victim.service)" ''
ct_delete below

# A oneshot service that remains active has an empty cgroup, in which runc starts a container.
ok "a oneshot service that remains active starts" systemd-run --unit=once.service --property=RemainAfterExit=yes true
np_run runc createRuntime once limits.cpu=1 limits.cpu.nodes=3 -j '.linux.cgroupsPath = "/system.slice/once.service"'
is "a container in the cgroup of an empty service: systemd gets no cpuset" "$(told once.service)" ''
ct_delete once

# --- the scope of a container itself
tar -C $ct_root -cf /run/tests/root.tar .
ok "podman imports an image" podman import /run/tests/root.tar np
hooks='--hooks-dir /usr/share/containers/oci/hooks.d'
# shellcheck disable=SC2086 # words
ok "podman with runc and systemd runs a container" podman --runtime runc --cgroup-manager systemd $hooks run --detach --network none \
	--name own --annotation limits.cpu=1 --annotation limits.cpu.nodes=3 np /bin/sleep 1000
scope="libpod-$(podman inspect --format '{{.Id}}' own).scope"
like "podman: systemd has the cpuset of the container's scope" "$(told "$scope")" '^[67] 3$'
podman rm --force --time 0 own
is "podman: the ledger is empty after podman rm" "$(np_ids | xargs)" ''

# --- exclusive CPUs: a partition in the scope that crun's container has for itself; before Linux 7.0, none beside other scopes
partition() { cat "$cg$(sed -n 's/^0:://p' "/proc/$(podman inspect --format '{{.State.Pid}}' own)/cgroup")/cpuset.cpus.partition"; }
lists() { find $cg -name cpuset.cpus.exclusive -exec cat {} + | sort | xargs; }
whole() { cat $cg/cpuset.cpus.effective; }
by() { numaplace --json status | jq -r '.containers[].exclusive'; }
exclusive() {
	# shellcheck disable=SC2086 # words
	podman --runtime "$1" --cgroup-manager systemd $hooks run --detach --network none --name own --annotation limits.cpu=2 \
		--annotation limits.cpu.exclusive=true --annotation limits.cpu.nodes=1 np /bin/sleep 1000
}
ok "a service with a busy loop on CPUs 2-3 starts" systemd-run --unit=loop.service --property=CPUAffinity=2-3 sh -c 'while :; do :; done'
loop=$(systemctl show -p MainPID --value loop.service)
away() { [ "$(sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' "/proc/$loop/status")" = 0-1,4-7 ] && case $(cut -d' ' -f39 "/proc/$loop/stat") in 2 | 3) false ;; esac; }
ok "podman with crun: an exclusive container starts" exclusive crun
ok "podman with crun: within a second, the busy loop runs on other CPUs" within 1 away
is "podman with crun: it is a partition" "$(partition)|$(whole)|$(by)|$(lists)" 'root|0-1,4-7|kernel|2-3 2-3 2-3'
systemctl daemon-reload
is "podman with crun: after a daemon-reload it is a partition" "$(partition)|$(whole)" 'root|0-1,4-7'
ok "podman with crun: a container without keys, bound to CPUs 0-3, runs" podman run --rm --network none --cpuset-cpus 0-3 np true
systemctl set-property --runtime system.slice CPUWeight=100
is "podman with crun: after its end, and a property of a slice, it is a partition" "$(partition)|$(whole)" 'root|0-1,4-7'
podman rm --force --time 0 own
is "podman with crun: after its end, all CPUs are left, and no list has one" "$(whole)|$(lists)" '0-7|'
ok "podman with runc: an exclusive container starts" exclusive runc
if [ "$(uname -r | cut -d. -f1)" -lt 7 ]; then
	is "podman with runc: it is no partition, and status says so" "$(partition)|$(whole)|$(by)|$(lists)" 'member|0-7|placed containers|'
	like "podman with runc: the journal has the reason" "$(journalctl --boot --no-pager -t numaplace | grep exclusive)" 'only: .*in /machine.slice, needs Linux 7.0'
else
	is "podman with runc: it is a partition" "$(partition)|$(whole)|$(by)" 'root|0-1,4-7|kernel'
fi
podman rm --force --time 0 own
systemctl stop loop.service
is "podman with runc: after its end, all CPUs are left" "$(whole)|$(np_ids | xargs)" '0-7|'

# --- containerd
containerd > /run/tests/containerd.log 2>&1 &
eventually ctr version > /dev/null
# run NAMESPACE ID [KEY=VALUE...]: starts a container that sleeps. The output is in $said.
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
ok "containerd: a container named victim.service starts" run default victim.service limits.cpu=1 limits.cpu.nodes=3
like "containerd: a container named victim.service is placed" "$(now $cg/default/victim.service)" '^[67]\|3$'
is "containerd: a container named victim.service does not change that unit" "$(now "$(unit_cgroup victim.service)") $(told victim.service)" "$was"
end default victim.service

ok "two namespaces: a/web starts with exclusive CPUs" run a web limits.cpu=2 limits.cpu.exclusive=true limits.cpu.nodes=0
is "two namespaces: a/web has CPUs 0-1" "$(now $cg/a/web)" '0-1|0'
not_ok "two namespaces: b/web with CPUs that do not exist is refused" run b web limits.cpu=99-99
ctr -n b container rm web 2>/dev/null
is "two namespaces: a refused b/web keeps the record of a/web" "$(records web)" 1
not_ok "two namespaces: the CPUs of a/web are not granted again" run b evil limits.cpu=2 limits.cpu.exclusive=true limits.cpu.nodes=0
ctr -n b container rm evil 2>/dev/null
ok "two namespaces: b/web is placed" run b web limits.cpu=1 limits.cpu.nodes=2
is "two namespaces: the ledger has two records of web" "$(records web)" 2
end b web
is "two namespaces: the end of b/web keeps record and cpuset of a/web" "$(records web) $(now $cg/a/web)" '1 0-1|0'
end a web
is "two namespaces: the ledger is empty after both have ended" "$(np_ids | xargs)" ''

# --- containers of two users with one id, each with its own runtime root and cgroup
ok "two users: the container web of root starts" np_run crun createRuntime web limits.cpu=2 limits.cpu.exclusive=true limits.cpu.nodes=0
if id=$(id -u nobody) && mkdir -p /run/user/"$id" && chown "$id" /run/user/"$id"; then
	printf '{"id":"web","pid":0,"annotations":{"limits.cpu":"1"}}' > /run/tests/state
	setpriv --reuid "$id" --clear-groups env XDG_RUNTIME_DIR=/run/user/"$id" $np_hook poststop < /run/tests/state
	is "two users: poststop of another user keeps the record of root's web" "$(records web)" 1
fi
ct_delete web
is "two users: the ledger is empty after web was deleted" "$(np_ids | xargs)" ''
kill %2 %1 2>/dev/null
done_testing
