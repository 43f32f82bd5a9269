# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR
#
# podman as people use it: hooks.d under both cgroup managers and both runtimes,
# run, restart, pod, play kube; a daemon-reload loses nothing; counted in metrics.
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
effective_of() { cat "$(cgroup_of "$1")/cpuset.cpus.effective" "$(cgroup_of "$1")/cpuset.mems.effective" | xargs; }

placed_on_pair() { # NAME WHAT: four CPUs, the two nodes of one pair
	like "$2: four CPUs of a near pair, memory there" "$(allowed "$1" Cpus) $(allowed "$1" Mems)" '^(0-3 0-1|4-7 2-3)$'
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
		ok "$what: restart" pm $rt $manager restart -t 0 c
		is "$what: in the same place" "$(effective_of c)" "$before"
		ok "$what: verify finds its memory there" numaplace verify "$id"
		ok "$what: rm" pm $rt $manager rm -f -t 0 c
		is "$what: nothing is left in status" "$(numaplace status --json | jq -c .containers)" '[]'
	done
done

# --- without a key nothing is done, not even a folder made
rm -rf /run/numaplace
ok "without a key: run" podman run --rm --network none np true
not_ok "without a key: no ledger" [ -e /run/numaplace ]

# --- a key that makes no sense stops it, with the reason
not_ok "a bad value: does not start" podman --runtime runc run --rm --network none --annotation limits.cpu=0 np true \
	> /run/tests/said 2>&1
like "and it is said why" "$(cat /run/tests/said /run/tests/*.log)" 'limits.cpu: .*"0"'

# --- pods: the container with keys is placed, the pod's own (infra) one is left alone
if podman pod create --name p --network none --infra=false > /run/tests/pod 2>&1; then
	ok "pod: a container in it" podman run -d --pod p --name inpod --annotation limits.cpu=2 np sleep 1000
	like "pod: is on one node" "$(allowed inpod Cpus) $(allowed inpod Mems)" '^(0-1 0|2-3 1|4-5 2|6-7 3)$'
	podman pod rm -f -t 0 p
else
	cat /run/tests/pod
	fail "pod: is created"
fi

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
podman play kube --down /run/tests/pod.yaml

# --- moved, and systemd with it
pm runc systemd run -d --name m --network none --annotation limits.cpu=2 np sleep 1000
id=$(podman inspect -f '{{.Id}}' m)
to=$((3 - $(allowed m Mems)))
ok "move under systemd" numaplace move "$id" $to
is "moved" "$(allowed m Mems)" "$to"
systemctl daemon-reload
is "a daemon-reload leaves it there" "$(allowed m Cpus) $(allowed m Mems)" "$((to * 2))-$((to * 2 + 1)) $to"
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
