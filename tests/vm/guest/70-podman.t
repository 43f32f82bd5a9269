# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR
# time limit: 1400 s
#
# podman as users use it: hooks.d and the precreate stage under both cgroup managers and both runtimes, with run, restart,
# pod, play kube and quadlet; a daemon-reload changes nothing; then move, rebalance and the verbs that show them.
# Layout: 4x2-pairs, systemd.

# shellcheck source=lib.sh
. /tests/lib.sh
# shellcheck source=containers.sh
. /tests/containers.sh

ct_setup
tar -C "$ct_root" -cf /run/tests/root.tar .
podman import /run/tests/root.tar np > /dev/null || bail "no image"

# pm RUNTIME MANAGER ARG...: runs podman with this runtime and cgroup manager.
pm() {
	pm_rt=$1 pm_manager=$2
	shift 2
	podman --runtime "$pm_rt" --cgroup-manager "$pm_manager" "$@"
}

# The first process of a container, its cgroup and the CPUs and nodes that it may use.
pid_of() { podman inspect -f '{{.State.Pid}}' "$1"; }
allowed() { sed -n "s/^$2_allowed_list:[[:space:]]*//p" "/proc/$(pid_of "$1")/status"; }
cgroup_of() { echo "/sys/fs/cgroup$(sed -n 's/^0:://p' "/proc/$(pid_of "$1")/cgroup")"; }
config_of() { cat "$(podman inspect -f '{{.OCIConfigPath}}' "$1")"; }
inspected() { podman inspect "$1" | jq -r --arg key "$2" '.[0].Config.Annotations[$key] // "-"'; }
effective_of() { cat "$(cgroup_of "$1")/cpuset.cpus.effective" "$(cgroup_of "$1")/cpuset.mems.effective" | xargs; }

# podman ends with status 125 or 126 if it cannot start a container.
fails() {
	"$@" > /run/tests/said 2>&1
	f_status=$?
	cat /run/tests/said
	[ $f_status = 125 ] || [ $f_status = 126 ]
}

placed_on_pair() { # NAME WHAT: tests that NAME has the four CPUs and two memory nodes of one pair
	like "$2: the container has the CPUs and memory of one near pair" "$(allowed "$1" Cpus) $(allowed "$1" Mems)" '^(0-3 0-1|4-7 2-3)$'
}

# The number of record files, without a sweep of dead containers.
records() { find /run/numaplace/containers -type f | wc -l; }

# take N: uses 32 MiB of memory on the nodes of $home, about as much as a podman process.
take() { numactl --membind "$home" dd if=/dev/zero of=/run/tests/taken-$1 bs=1M count=32 2> /dev/null; }
# again WHAT: starts c again. Under crun, with podman restart. Under runc, after memory of its nodes was used, until a new
# container would be placed on the other pair: then only the hint brings c back to its nodes.
again() {
	if [ $rt = crun ]; then
		ok "$1: podman restart succeeds" pm $rt $manager restart -t 0 c
		return
	fi
	home=$(allowed c Mems)
	podman stop -t 0 c
	for n in 1 2 3 4 5 6 7 8 9; do
		elsewhere=$(numaplace plan --json limits.cpu=4 | jq -r .mems)
		[ "$elsewhere" = "$home" ] || break
		take $n
	done
	for n in a b c d; do
		take $n
	done
	like "$1: while the container is stopped, a new one would be placed on the other pair" "$home $elsewhere" '^(0-1 2-3|2-3 0-1)$'
	ok "$1: podman start succeeds" pm $rt $manager start c
	rm -f /run/tests/taken-*
}

for rt in runc crun; do
	for manager in systemd cgroupfs; do
		what="$rt, $manager"
		ok "$what: podman run succeeds" pm $rt $manager run -d --name c --network none --annotation limits.cpu=4 np sleep 1000
		placed_on_pair c "$what"
		id=$(podman inspect -f '{{.Id}}' c)
		is "$what: status shows the container" "$(numaplace status --json | jq -r '.containers[].id')" "$id"
		before=$(effective_of c)
		unit=$(basename "$(cgroup_of c)")
		case $unit in
		*.scope)
			is "$what: AllowedCPUs of the scope are the CPUs of the container" "$(systemctl show -P AllowedCPUs "$unit")" "$(allowed c Cpus)"
			is "$what: AllowedMemoryNodes of the scope are the nodes of the container" "$(systemctl show -P AllowedMemoryNodes "$unit")" "$(allowed c Mems)"
			;;
		esac
		ok "$what: daemon-reload succeeds" systemctl daemon-reload
		is "$what: daemon-reload does not change the cpuset" "$(effective_of c)" "$before"
		again "$what"
		is "$what: after a restart, the container is on its previous nodes" "$(effective_of c)" "$before"
		ok "$what: after a restart, verify finds no page on another node" numaplace verify "$id"
		ok "$what: podman rm succeeds" pm $rt $manager rm -f -t 0 c
		is "$what: podman rm removes the record" "$(records)" 0
		is "$what: status shows no container after podman rm" "$(numaplace status --json | jq -c .containers)" '[]'
	done
done

# --- without a key nothing is done and no state folder is made
rm -rf /run/numaplace
ok "without a key: podman run succeeds" podman run -d --name plain --network none np sleep 1000
not_ok "without a key: no state folder is made" [ -e /run/numaplace ]
like "without a key: the container has a config.json" "$(config_of plain | jq -r .ociVersion)" '^1'
is "without a key: config.json has no hook of numaplace" "$(config_of plain | jq -c '[.hooks[]?[] | select(.path | test("numaplace"))]')" '[]'
podman rm -f -t 0 plain

# --- a container with a bad value does not start
ok "a bad value, runc: podman run fails" fails podman --runtime runc run --rm --network none --annotation limits.cpu=0 np true
like "a bad value, runc: the output has the reason" "$(cat /run/tests/said)" 'limits.cpu: .*"0"'
ok "a bad value, crun: podman run fails" fails podman --runtime crun run --rm --network none --annotation limits.cpu=0 np true
like "a bad value, crun: the journal has the reason" "$(journalctl -b --no-pager -t numaplace | tail -n 1)" 'limits.cpu: .*"0"'

# --- pods: a container with keys is placed, the infra container of the pod is not
ok "pod: podman pod create succeeds" podman pod create --name p --network none
ok "pod: a container with a key starts in it" podman run -d --pod p --name inpod --annotation limits.cpu=2 np sleep 1000
like "pod: the container with a key is on one node" "$(allowed inpod Cpus) $(allowed inpod Mems)" '^(0-1 0|2-3 1|4-5 2|6-7 3)$'
is "pod: no other container is placed" "$(numaplace status --json | jq '.containers | length')" 1
infra=$(podman pod inspect -f '{{.InfraContainerID}}' p)
is "pod: its infra container may use all CPUs and nodes" "$(allowed "$infra" Cpus) $(allowed "$infra" Mems)" "0-7 0-3"
podman pod rm -f -t 0 p
is "pod: podman pod rm removes the record" "$(records)" 0

# --- play kube: annotations of the pod reach its containers
cat > /run/tests/pod.yaml <<'END'
apiVersion: v1
kind: Pod
metadata:
  name: kube
  annotations:
    limits.cpu: "4"
spec:
  hostNetwork: true
  containers:
  - name: web
    image: localhost/np:latest
    imagePullPolicy: Never
    command: ["sleep", "1000"]
END
ok "play kube: podman play kube succeeds" podman play kube --service-container=false /run/tests/pod.yaml
placed_on_pair kube-web "play kube"
is "play kube: no other container is placed" "$(numaplace status --json | jq '.containers | length')" 1
podman play kube --down /run/tests/pod.yaml
is "play kube: podman play kube --down removes the record" "$(records)" 0

# --- a quadlet, as docs/podman-kubernetes.md has it
ok "quadlet: the generator of podman is installed" [ -x /usr/lib/systemd/system-generators/podman-system-generator ]
mkdir -p /etc/containers/systemd
cat > /etc/containers/systemd/web.container <<'END'
[Container]
Image=localhost/np:latest
Exec=sleep 1000
Network=none
Annotation=limits.cpu=4
Annotation=limits.memory=64MiB
END
systemctl daemon-reload
ok "quadlet: the service starts" systemctl start web.service
placed_on_pair systemd-web "quadlet"
ok "quadlet: the service stops" systemctl stop web.service
is "quadlet: no record is left when the service has stopped" "$(records)" 0
is "quadlet: status shows no container when the service has stopped" "$(numaplace status --json | jq -c .containers)" '[]'
rm /etc/containers/systemd/web.container
systemctl daemon-reload

# --- precreate: enabled as described in its file; the placement is in the configuration of the container
mkdir -p /etc/containers/containers.conf.d
ln -s /usr/share/numaplace/podman/50-numaplace.conf /etc/containers/containers.conf.d/
for rt in runc crun; do
	for manager in systemd cgroupfs; do
		what="precreate, $rt, $manager"
		ok "$what: podman run succeeds" pm $rt $manager run -d --name c --network none --annotation limits.cpu=4 np sleep 1000
		placed_on_pair c "$what"
		before=$(effective_of c)
		nodes=$(inspected c volatile.cpu.nodes)
		like "$what: podman inspect shows the CPU nodes" "$nodes" '^(0,1|2,3)$'
		is "$what: podman inspect shows the memory nodes" "$(inspected c volatile.memory.nodes)" "$nodes"
		is "$what: status shows the same nodes" "$(numaplace status --json | jq -r '.containers[].nodes')" "$nodes"
		is "$what: the cpuset is in the resources of the container" \
			"$(podman inspect c | jq -r '.[0].HostConfig | .CpusetCpus + " " + .CpusetMems')" "$(allowed c Cpus) $(allowed c Mems)"
		if [ $manager = systemd ]; then
			unit=libpod-$(podman inspect -f '{{.Id}}' c).scope
			is "$what: AllowedCPUs of the scope are the CPUs of the container" "$(systemctl show -P AllowedCPUs "$unit")" "$(allowed c Cpus)"
		fi
		systemctl daemon-reload
		is "$what: daemon-reload does not change the cpuset" "$(effective_of c)" "$before"
		again "$what"
		is "$what: after a restart, the container is on its previous nodes" "$(effective_of c)" "$before"
		is "$what: after a restart, podman inspect shows the nodes of status" "$(inspected c volatile.cpu.nodes)" \
			"$(numaplace status --json | jq -r '.containers[].nodes')"
		ok "$what: podman rm succeeds" pm $rt $manager rm -f -t 0 c
	done
done
is "precreate: status shows no container at the end" "$(numaplace status --json | jq -c .containers)" '[]'
rm -rf /run/numaplace
ok "precreate, without a key: podman run succeeds" podman run --rm --network none np true
not_ok "precreate, without a key: no state folder is made" [ -e /run/numaplace ]
ok "precreate, a bad value: podman run fails" fails podman run --rm --network none --annotation limits.cpu=0 np true
like "precreate, a bad value: the journal has the reason" "$(journalctl -b --no-pager -t numaplace | tail -n 1)" 'limits.cpu: .*"0"'
rm /etc/containers/containers.conf.d/50-numaplace.conf

# --- a move also sets the properties of the systemd unit
pm runc systemd run -d --name m --network none --annotation limits.cpu=2 np sleep 1000
id=$(podman inspect -f '{{.Id}}' m)
to=$((3 - $(allowed m Mems)))
ok "move of a container in a scope succeeds" numaplace move "$id" $to
is "move of a container in a scope: the process has the new memory node" "$(allowed m Mems)" "$to"
unit=$(basename "$(cgroup_of m)")
place="$((to * 2))-$((to * 2 + 1)) $to"
is "move of a container in a scope: AllowedCPUs and AllowedMemoryNodes are the new ones" "$(systemctl show -P AllowedCPUs "$unit") $(systemctl show -P AllowedMemoryNodes "$unit")" "$place"
systemctl daemon-reload
is "move of a container in a scope: a daemon-reload does not change the cpuset" "$(allowed m Cpus) $(allowed m Mems)" "$place"
# With one property systemd writes all others; it answers the next request after that.
ok "move of a container in a scope: CPUWeight of the unit is set" systemctl set-property --runtime "$unit" CPUWeight=50
is "move of a container in a scope: systemd has the new CPUWeight" "$(systemctl show -P CPUWeight "$unit")" 50
is "move of a container in a scope: setting CPUWeight does not change the cpuset" "$(allowed m Cpus) $(allowed m Mems)" "$place"
podman rm -f -t 0 m

# --- rebalance: three containers are moved to one node, then rebalanced
for n in 1 2 3; do
	podman run -d --name r$n --network none --annotation limits.cpu=2 np sleep 1000
	numaplace move "$(podman inspect -f '{{.Id}}' r$n)" 0
done
is "rebalance: before it, node 0 has a load of 6" "$(numaplace map --json | jq '.nodes[0].load | round')" 6
before=$(cat /run/numaplace/containers/* | sha256sum)
like "rebalance --dry-run prints the load before and after" "$(numaplace rebalance --dry-run)" 'over the mean: 4\.00.*: 1\.33'
is "rebalance --dry-run changes no record" "$(cat /run/numaplace/containers/* | sha256sum)" "$before"
ok "rebalance succeeds" numaplace rebalance
is "rebalance: after it, no node has more than one container" "$(numaplace map --json | jq '[.nodes[].load | round] | max')" 2
ok "rebalance: after it, verify finds no page on another node" numaplace verify
like "rebalance: after it, --dry-run plans no move" "$(numaplace rebalance --dry-run)" 'no move gains'
numaplace map -o /run/tests/map.svg
is "map -o draws each container once" "$(grep -c "<g class='container'" /run/tests/map.svg)" 3
like "explain shows the request of a moved container" "$(numaplace explain "$(podman inspect -f '{{.Id}}' r1)")" 'asked limits.cpu +2'
like "metrics has the number of decisions" "$(numaplace metrics)" 'numaplace_decisions_total.result="placed". [1-9]'
like "metrics has the time of the hooks" "$(numaplace metrics)" '^numaplace_hook_seconds_count [1-9]'
podman rm -f -t 0 -a

ok "doctor reports no problem" sh -c 'numaplace doctor; numaplace doctor --json | jq -e "all(.checks[]; .verdict != \"do\")"'
done_testing
