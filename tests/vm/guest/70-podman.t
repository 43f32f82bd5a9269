# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR
# time limit: 1400 s
#
# podman as people use it: hooks.d and the precreate stage under both cgroup managers
# and both runtimes, run, restart, pod, play kube, quadlet; a daemon-reload loses
# nothing; then move, rebalance and what is told of it.
# Layout: 4x2-pairs, systemd.

# shellcheck source=lib.sh
. /tests/lib.sh
# shellcheck source=containers.sh
. /tests/containers.sh

ct_setup
tar -C "$ct_root" -cf /run/tests/root.tar .
podman import /run/tests/root.tar np > /dev/null || bail "no image"

# pm RUNTIME MANAGER ARG...: podman so set.
pm() {
	pm_rt=$1 pm_manager=$2
	shift 2
	podman --runtime "$pm_rt" --cgroup-manager "$pm_manager" "$@"
}

# Where the container's first process is, and what it may use.
pid_of() { podman inspect -f '{{.State.Pid}}' "$1"; }
allowed() { sed -n "s/^$2_allowed_list:[[:space:]]*//p" "/proc/$(pid_of "$1")/status"; }
cgroup_of() { echo "/sys/fs/cgroup$(sed -n 's/^0:://p' "/proc/$(pid_of "$1")/cgroup")"; }
config_of() { cat "$(podman inspect -f '{{.OCIConfigPath}}' "$1")"; }
inspected() { podman inspect "$1" | jq -r --arg key "$2" '.[0].Config.Annotations[$key] // "-"'; }
effective_of() { cat "$(cgroup_of "$1")/cpuset.cpus.effective" "$(cgroup_of "$1")/cpuset.mems.effective" | xargs; }

# podman has a status of its own, 125 or 126, for what it could not start.
fails() {
	"$@" > /run/tests/said 2>&1
	f_status=$?
	cat /run/tests/said
	[ $f_status = 125 ] || [ $f_status = 126 ]
}

placed_on_pair() { # NAME WHAT: four CPUs, the two nodes of one pair
	like "$2: four CPUs of a near pair, memory there" "$(allowed "$1" Cpus) $(allowed "$1" Mems)" '^(0-3 0-1|4-7 2-3)$'
}

# Records in the ledger, before anybody has looked for dead ones.
records() { find /run/numaplace/containers -type f | wc -l; }

# take N: 32 MiB of memory on the nodes of $home; podman itself, which comes and goes, needs about as much.
take() { numactl --membind "$home" dd if=/dev/zero of=/run/tests/taken-$1 bs=1M count=32 2> /dev/null; }
# again WHAT: c is started again. Under runc that is where nobody but who is at home there would be placed: memory is
# taken from there until it is so, and then some more. Under crun, as podman restarts.
again() {
	if [ $rt = crun ]; then
		ok "$1: restart" pm $rt $manager restart -t 0 c
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
	like "$1: stopped, and anybody else would be placed on another pair" "$home $elsewhere" '^(0-1 2-3|2-3 0-1)$'
	ok "$1: start" pm $rt $manager start c
	rm -f /run/tests/taken-*
}

for rt in runc crun; do
	for manager in systemd cgroupfs; do
		what="$rt, $manager"
		ok "$what: run" pm $rt $manager run -d --name c --network none --annotation limits.cpu=4 np sleep 1000
		placed_on_pair c "$what"
		id=$(podman inspect -f '{{.Id}}' c)
		is "$what: status has it" "$(numaplace status --json | jq -r '.containers[].id')" "$id"
		before=$(effective_of c)
		unit=$(basename "$(cgroup_of c)")
		case $unit in
		*.scope)
			is "$what: systemd knows its CPUs" "$(systemctl show -P AllowedCPUs "$unit")" "$(allowed c Cpus)"
			is "$what: and its memory nodes" "$(systemctl show -P AllowedMemoryNodes "$unit")" "$(allowed c Mems)"
			;;
		esac
		ok "$what: daemon-reload" systemctl daemon-reload
		is "$what: loses nothing" "$(effective_of c)" "$before"
		again "$what"
		is "$what, restarted: it is at home" "$(effective_of c)" "$before"
		ok "$what: verify finds its memory there" numaplace verify "$id"
		ok "$what: rm" pm $rt $manager rm -f -t 0 c
		is "$what: its record is gone with it" "$(records)" 0
		is "$what: nothing is left in status" "$(numaplace status --json | jq -c .containers)" '[]'
	done
done

# --- without a key nothing is done, not even a folder made
rm -rf /run/numaplace
ok "without a key: run" podman run -d --name plain --network none np sleep 1000
not_ok "without a key: no ledger" [ -e /run/numaplace ]
like "without a key: it has a configuration" "$(config_of plain | jq -r .ociVersion)" '^1'
is "without a key: and no hook of ours in it" "$(config_of plain | jq -c '[.hooks[]?[] | select(.path | test("numaplace"))]')" '[]'
podman rm -f -t 0 plain

# --- a key that makes no sense stops it, with the reason
ok "a bad value: does not start" fails podman --runtime runc run --rm --network none --annotation limits.cpu=0 np true
like "and runc says why" "$(cat /run/tests/said)" 'limits.cpu: .*"0"'
ok "crun: does not start" fails podman --runtime crun run --rm --network none --annotation limits.cpu=0 np true
like "and the journal says why" "$(journalctl -b --no-pager -t numaplace | tail -n 1)" 'limits.cpu: .*"0"'

# --- pods: the container with keys is placed, the pod's own (infra) one is left alone
ok "pod create" podman pod create --name p --network none
ok "pod: a container in it" podman run -d --pod p --name inpod --annotation limits.cpu=2 np sleep 1000
like "pod: is on one node" "$(allowed inpod Cpus) $(allowed inpod Mems)" '^(0-1 0|2-3 1|4-5 2|6-7 3)$'
is "pod: nobody else is placed" "$(numaplace status --json | jq '.containers | length')" 1
infra=$(podman pod inspect -f '{{.InfraContainerID}}' p)
is "pod: its own container may use all" "$(allowed "$infra" Cpus) $(allowed "$infra" Mems)" "0-7 0-3"
podman pod rm -f -t 0 p
is "pod: no record is left" "$(records)" 0

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
ok "play kube" podman play kube --service-container=false /run/tests/pod.yaml
placed_on_pair kube-web "play kube"
is "play kube: nobody else is placed" "$(numaplace status --json | jq '.containers | length')" 1
podman play kube --down /run/tests/pod.yaml
is "play kube: no record is left" "$(records)" 0

# --- a quadlet, as docs/podman-kubernetes.md has it
ok "quadlet: podman knows them" [ -x /usr/lib/systemd/system-generators/podman-system-generator ]
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
ok "quadlet: starts" systemctl start web.service
placed_on_pair systemd-web "quadlet"
ok "quadlet: stops" systemctl stop web.service
is "quadlet: no record is left" "$(records)" 0
is "quadlet: leaves nothing" "$(numaplace status --json | jq -c .containers)" '[]'
rm /etc/containers/systemd/web.container
systemctl daemon-reload

# --- precreate: enabled as its file says, what is chosen is in the container's configuration
mkdir -p /etc/containers/containers.conf.d
ln -s /usr/share/numaplace/podman/50-numaplace.conf /etc/containers/containers.conf.d/
for rt in runc crun; do
	for manager in systemd cgroupfs; do
		what="precreate, $rt, $manager"
		ok "$what: run" pm $rt $manager run -d --name c --network none --annotation limits.cpu=4 np sleep 1000
		placed_on_pair c "$what"
		before=$(effective_of c)
		nodes=$(inspected c volatile.cpu.nodes)
		like "$what: inspect shows the nodes" "$nodes" '^(0,1|2,3)$'
		is "$what: and those of memory" "$(inspected c volatile.memory.nodes)" "$nodes"
		is "$what: as status does" "$(numaplace status --json | jq -r '.containers[].nodes')" "$nodes"
		is "$what: the cpuset is a resource of its own" \
			"$(podman inspect c | jq -r '.[0].HostConfig | .CpusetCpus + " " + .CpusetMems')" "$(allowed c Cpus) $(allowed c Mems)"
		if [ $manager = systemd ]; then
			unit=libpod-$(podman inspect -f '{{.Id}}' c).scope
			is "$what: systemd knows its CPUs" "$(systemctl show -P AllowedCPUs "$unit")" "$(allowed c Cpus)"
		fi
		systemctl daemon-reload
		is "$what: daemon-reload loses nothing" "$(effective_of c)" "$before"
		again "$what"
		is "$what, restarted: it is at home" "$(effective_of c)" "$before"
		is "$what: inspect shows that place" "$(inspected c volatile.cpu.nodes)" \
			"$(numaplace status --json | jq -r '.containers[].nodes')"
		ok "$what: rm" pm $rt $manager rm -f -t 0 c
	done
done
is "precreate: nothing is left in status" "$(numaplace status --json | jq -c .containers)" '[]'
rm -rf /run/numaplace
ok "precreate, without a key: run" podman run --rm --network none np true
not_ok "precreate, without a key: no ledger" [ -e /run/numaplace ]
ok "precreate, a bad value: does not start" fails podman run --rm --network none --annotation limits.cpu=0 np true
like "and the journal says why" "$(journalctl -b --no-pager -t numaplace | tail -n 1)" 'limits.cpu: .*"0"'
rm /etc/containers/containers.conf.d/50-numaplace.conf

# --- moved, and systemd with it
pm runc systemd run -d --name m --network none --annotation limits.cpu=2 np sleep 1000
id=$(podman inspect -f '{{.Id}}' m)
to=$((3 - $(allowed m Mems)))
ok "move under systemd" numaplace move "$id" $to
is "moved" "$(allowed m Mems)" "$to"
unit=$(basename "$(cgroup_of m)")
place="$((to * 2))-$((to * 2 + 1)) $to"
is "systemd knows it" "$(systemctl show -P AllowedCPUs "$unit") $(systemctl show -P AllowedMemoryNodes "$unit")" "$place"
systemctl daemon-reload
is "a daemon-reload leaves it there" "$(allowed m Cpus) $(allowed m Mems)" "$place"
# With one property systemd writes all that it knows; its next answer comes after that.
ok "another property of the unit is set" systemctl set-property --runtime "$unit" CPUWeight=50
is "it is" "$(systemctl show -P CPUWeight "$unit")" 50
is "and leaves it there" "$(allowed m Cpus) $(allowed m Mems)" "$place"
podman rm -f -t 0 m

# --- rebalance: three on one node, asked for by name; then by themselves
for n in 1 2 3; do
	podman run -d --name r$n --network none --annotation limits.cpu=2 np sleep 1000
	numaplace move "$(podman inspect -f '{{.Id}}' r$n)" 0
done
is "made uneven" "$(numaplace map --json | jq '.nodes[0].load | round')" 6
before=$(cat /run/numaplace/containers/* | sha256sum)
like "rebalance --dry-run: says what it would do" "$(numaplace rebalance --dry-run)" 'over the mean: 4\.00.*: 1\.33'
is "and writes nothing" "$(cat /run/numaplace/containers/* | sha256sum)" "$before"
ok "rebalance" numaplace rebalance
is "the highest load is one container's" "$(numaplace map --json | jq '[.nodes[].load | round] | max')" 2
ok "all of their memory has come along" numaplace verify
like "and nothing is left to gain" "$(numaplace rebalance --dry-run)" 'no move gains'
numaplace map -o /run/tests/map.svg
is "the picture has each of them once" "$(grep -c "<g class='container'" /run/tests/map.svg)" 3
like "explain says how it came there" "$(numaplace explain "$(podman inspect -f '{{.Id}}' r1)")" 'asked limits.cpu +2'
like "metrics: decisions are counted" "$(numaplace metrics)" 'numaplace_decisions_total.result="placed". [1-9]'
like "metrics: and how long they took" "$(numaplace metrics)" '^numaplace_hook_seconds_count [1-9]'
podman rm -f -t 0 -a

ok "doctor has nothing to be done" sh -c 'numaplace doctor; numaplace doctor --json | jq -e "all(.checks[]; .verdict != \"do\")"'
done_testing
