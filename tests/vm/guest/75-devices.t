# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR
# disk on node 1
# disk on node 3
#
# A container that is given a disk is placed on the node of the disk, without a key that names it. A device of CDI opts a
# container in. podman, and the client of containerd. Layout: 4x2-pairs, systemd.

# shellcheck source=lib.sh
. /tests/lib.sh
# shellcheck source=containers.sh
. /tests/containers.sh

ct_setup
tar -C "$ct_root" -cf /run/tests/root.tar .
podman import /run/tests/root.tar np > /dev/null || bail "no image"

# The first process of a container, and the CPUs and nodes that it may use.
pid_of() { podman inspect -f '{{.State.Pid}}' "$1"; }
allowed() { sed -n "s/^$2_allowed_list:[[:space:]]*//p" "/proc/$(pid_of "$1")/status"; }
place_of() { echo "$(allowed "$1" Cpus) $(allowed "$1" Mems)"; }
node_place() { echo "$(($1 * 2))-$(($1 * 2 + 1)) $1"; }
records() { find /run/numaplace/containers -type f | wc -l; }
disk_on() { basename "$(dirname "$(grep -l "^onnode$1\$" /sys/block/*/serial)")"; }

for node in 1 3; do
	disk=$(disk_on $node)
	like "there is a disk on node $node" "$disk" '^vd[c-z]$'
	is "plan finds the node of /dev/$disk" "$(numaplace plan --json limits.cpu=2 limits.cpu.device=require:/dev/$disk | jq -r '.cpus + " " + .mems')" "$(node_place $node)"
	for rt in runc crun; do
		ok "$rt: podman run with the disk on node $node and limits.cpu succeeds" podman --runtime $rt run -d --name c --network none \
			--device "/dev/$disk" --annotation limits.cpu=2 np sleep 1000
		is "$rt: the container is on node $node" "$(place_of c)" "$(node_place $node)"
		like "$rt: explain names the disk" "$(numaplace explain "$(podman inspect -f '{{.Id}}' c)")" \
			"near $disk \\(node $node\\), found in the container's configuration"
		podman rm -f -t 0 c
	done
done
ok "a container with a disk and without a key starts" podman run -d --name plain --network none --device "/dev/$disk" np sleep 1000
is "a container with a disk and without a key may use all CPUs and nodes" "$(place_of plain)" "0-7 0-3"
podman rm -f -t 0 plain

# --- CDI: one file, no runtime and no folder of hooks is configured
mkdir -p /etc/cdi
ln -s /usr/share/numaplace/cdi/numaplace.yaml /etc/cdi/
mv /usr/share/containers/oci/hooks.d /run/tests/hooks.d
place=numaplace.org/place
for rt in runc crun; do
	ok "CDI, $rt: podman run with the device balanced succeeds" podman --runtime $rt run -d --name c --network none --device $place=balanced --cpus 4 np sleep 1000
	like "CDI, $rt: the container has the CPUs and memory of one near pair" "$(place_of c)" '^(0-3 0-1|4-7 2-3)$'
	podman rm -f -t 0 c
	is "CDI, $rt: podman rm removes the record" "$(records)" 0
done
ok "CDI: podman run with the device exclusive and a disk succeeds" podman run -d --name c --network none --device $place=exclusive --device "/dev/$disk" --cpus 2 np sleep 1000
is "CDI: the container is on the node of the disk" "$(place_of c)" "$(node_place 3)"
is "CDI: its CPUs are its own" "$(numaplace plan --json limits.cpu=6 | jq -r .cpus)" 0-5
podman run --rm --network none --device $place=exclusive --cpus 7 np true > /run/tests/said 2>&1
like "CDI: a container that does not fit is refused with the reason" "$? $(cat /run/tests/said; journalctl -b --no-pager -t numaplace | tail -n 1)" '^12[56] .*'
like "CDI: the reason is in the journal" "$(journalctl -b --no-pager -t numaplace | tail -n 1)" 'limits.cpu: 7 exclusive CPUs'
podman rm -f -t 0 c
ok "CDI: podman run with a key in the environment succeeds" podman run -d --name c --network none --device $place=balanced -e NUMAPLACE_LIMITS_CPU=2 np sleep 1000
like "CDI: the key in the environment counts" "$(place_of c)" '^(0-1 0|2-3 1|4-5 2|6-7 3)$'
podman rm -f -t 0 c
mv /run/tests/hooks.d /usr/share/containers/oci/hooks.d

# --- with hooks.d too: two hooks, one record
ok "CDI and hooks.d: podman run succeeds" podman run -d --name c --network none --device $place=balanced --annotation limits.cpu=2 np sleep 1000
like "CDI and hooks.d: the container is on one node" "$(place_of c)" '^(0-1 0|2-3 1|4-5 2|6-7 3)$'
is "CDI and hooks.d: there is one record" "$(records)" 1
podman rm -f -t 0 c
is "CDI and hooks.d: podman rm removes it" "$(records)" 0
done_testing
