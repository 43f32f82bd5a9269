#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The devices in a container's config.json: the hook finds their nodes and prefers them, without a key that names them.
# precreate shows the choice on a recorded machine; bench/hook/cell simulates one whose containers are placed.
# shellcheck source=tests/hooks/tap.bash disable=SC2317 # cell calls the functions
. "${0%/*}/tap.bash"

here=$(cd "${0%/*}" && pwd)
# Disks on nodes 1 and 3, a GPU on node 2 with two device nodes, NVIDIA's GPU on node 3, a VFIO group on node 1, a network card on node 2,
# RDMA on node 1; a disk that knows no node. Node 0 is chosen where nothing else counts.
cat "$here/../machines/plain-4x2-pairs.machine" - > "$tmp/described" << 'END'
file sys/dev/block/259:0/uevent MAJOR=259\nMINOR=0\nDEVNAME=nvme0n1\nDEVTYPE=disk
file sys/dev/block/259:0/device/numa_node 1
file sys/dev/block/259:1/uevent DEVNAME=nvme1n1
file sys/dev/block/259:1/device/numa_node 3
file sys/dev/block/254:0/uevent DEVNAME=vda
file sys/dev/block/254:0/device/numa_node -1
file sys/dev/char/226:0/uevent DEVNAME=dri/card0
file sys/dev/char/226:0/numa_node 2
file sys/dev/char/231:192/uevent DEVNAME=infiniband/uverbs0
file sys/dev/char/231:192/device/numa_node 1
file sys/dev/char/241:7/uevent DEVNAME=vfio/7
file sys/kernel/iommu_groups/7/devices/0000:3b:00.0/numa_node 1
file proc/driver/nvidia/gpus/0000:af:00.0/information Model: A\nDevice Minor:  4
file proc/driver/nvidia/gpus/0000:b0:00.0/information Model: A\nDevice Minor:  5
file sys/bus/pci/devices/0000:af:00.0/numa_node 1
file sys/bus/pci/devices/0000:b0:00.0/numa_node 3
file sys/class/net/ens5/device/numa_node 2
file sys/class/block/nvme9n1/device/numa_node 3
file sys/dev/char/1:3/numa_node 3
file sys/dev/char/10:200/numa_node 3
END
awk -v "root=$tmp/machine" -f "$here/../machines/make-machine" "$tmp/described"
ln -s 226:0 "$tmp/machine/sys/dev/char/226:128" # the same GPU

# planned SPEC [KEY=VALUE]: runs precreate on a container of two CPUs with the members SPEC; sets $cpus.
planned() {
	printf '{%s,"annotations":{"limits.cpu":"2"%s}}' "$1" "${2:+,\"${2%%=*}\":\"${2#*=}\"}" > "$tmp/in"
	run_hook --timeout 60 --sysroot "$tmp/machine" precreate < "$tmp/in"
	cpus=$(jq -r '.linux.resources.cpu.cpus // "-"' <<< "$printed" 2> /dev/null)
}
# near NAME SPEC NODE [KEY=VALUE]
near() {
	planned "$2" "${4:-}"
	[ "$status" = 0 ] && [ -z "$said" ] && [ "$cpus" = "$(($3 * 2))-$(($3 * 2 + 1))" ]
	ok $? "$1: node $3" "status $status, CPUs $cpus, $said"
}
devices() { # TYPE MAJOR:MINOR...: members of the spec
	local type=$1 list=''
	shift
	for number; do
		list+=${list:+,}'{"path":"/dev/x","type":"'$type'","major":'${number%:*}',"minor":'${number#*:}'}'
	done
	printf '"linux":{"devices":[%s]}' "$list"
}
all='"resources":{"devices":[{"allow":false,"access":"rwm"},{"allow":true,"access":"rwm"}]}'
some='"resources":{"devices":[{"allow":true,"access":"rwm"},{"allow":false,"access":"rwm"},{"allow":true,"type":"b","major":259,"minor":0}]}'

near 'no device' '"linux":{}' 0
near 'a disk' "$(devices b 259:0)" 1
near 'members of a device in another order' '"linux":{"devices":[{"minor":0,"major":259,"type":"b"},{"type":"c","path":"/dev/null","minor":3,"major":1}]}' 1
near 'a FIFO and a device without numbers' '"linux":{"devices":[{"path":"/x","type":"p"},{"path":"/y","type":"b"}]}' 0
near 'ordinary device nodes' "$(devices c 1:3 10:200 5:0 136:1)" 0
near 'a disk that knows no node' "$(devices b 254:0)" 0
near 'a device that does not exist' "$(devices b 259:77)" 0
near 'numbers out of range' "$(devices b -1:0 4097:0 259:-1 259:9223372036854775807)" 0
near 'two disks of different nodes are as good: the lower node' "$(devices b 259:0 259:1)" 1
near 'two devices on node 1, and a disk on node 3' "$(devices b 259:1 259:0 | sed 's/\]}$/,{"type":"c","major":231,"minor":192}]}/')" 1
near 'two device nodes of one GPU count as one device' "$(devices c 226:0 226:128 | sed 's/\]}$/,{"type":"b","major":259,"minor":0}]}/')" 1
near 'a GPU of NVIDIA, which is only in /proc' "$(devices c 195:5)" 3
near 'the control device of NVIDIA' "$(devices c 195:255)" 0
near 'a VFIO group' "$(devices c 241:7 10:196)" 1
near 'linux.netDevices' '"linux":{"netDevices":{"ens5":{"name":"eth0"},"lo":{}}}' 2
near 'a mounted device node' '"linux":{},"mounts":[{"destination":"/d","type":"bind","source":"/dev/nvme9n1"},{"source":"/dev/shm"},{"source":"tmpfs"}]' 3
near 'a mounted path outside of /dev' '"linux":{},"mounts":[{"source":"/dev/../dev/nvme9n1"},{"source":"/x/nvme9n1"}]' 0
near 'a mounted device node of a VFIO group' '"linux":{},"mounts":[{"source":"/dev/vfio/7"}]' 1
near 'a privileged container, which has every device' "$(devices b 259:0 | sed "s/}\$/,$all}/")" 0
near 'a container with rules for single devices' "$(devices b 259:0 | sed "s/}\$/,$some}/")" 1
near 'limits.cpu.device = none' "$(devices b 259:0)" 0 limits.cpu.device=none
near 'limits.cpu.device = auto' "$(devices b 259:0)" 1 limits.cpu.device=auto
near 'limits.cpu.device names another device' "$(devices b 259:0)" 2 limits.cpu.device=ens5
near 'limits.cpu.device = require:auto' "$(devices b 259:0)" 1 limits.cpu.device=require:auto
near 'nodes that are named count more' "$(devices b 259:0)" 3 limits.cpu.nodes=3
planned "$(devices b 254:0)" limits.cpu.device=require:auto
came_out 'limits.cpu.device = require:auto without a device that has a node' 1 \
	'numaplace: limits.cpu.device: "require:auto": no device with a node is in the container'\''s configuration'
planned "$(devices b 259:0)" limits.memory=1536MiB
[ "$(jq -r '.linux.resources.cpu | .cpus + " " + .mems' <<< "$printed")" = '2-3 0-1' ]
ok $? 'a device never refuses a container that does not fit there' "$said" "$printed"
echo 'devices = false' > "$tmp/conf"
near 'devices = false' "$(devices b 259:0)" 0
near 'devices = false and limits.cpu.device = auto' "$(devices b 259:0)" 0 limits.cpu.device=auto
: > "$tmp/conf"
printf '{"annotations":{"a":"1"},%s}' "$(devices b 259:0)" > "$tmp/in"
run_hook --timeout 60 --sysroot "$tmp/machine" precreate < "$tmp/in"
cmp -s "$tmp/in" "$tmp/stdout"
ok $? 'a device alone is no request: the config of a container without a key is unchanged' "$said" "$printed"
planned "$(mapfile -t many < <(seq -f '260:%g' 10000) && devices b "${many[@]}" 259:0)"
[ "$status" = 0 ] && [ "$cpus" = 0-1 ]
ok $? 'of 10,000 devices, those after the first 128 do not count' "status $status, CPUs $cpus"
[ "$said" = 'numaplace: more than 128 devices in its configuration: the others do not count for the placement' ]
ok $? 'of 10,000 devices, the hook says that some do not count' "$said"

# --- placed containers
need_cell
# Run inside cell: the disk 259:0 is on node 2. start N SPEC [OPTION...]: places container N, whose config has SPEC.
machine() {
	mount -t tmpfs none /sys/dev
	mkdir -p /sys/dev/block/259:0
	echo DEVNAME=nvme0n1 > /sys/dev/block/259:0/uevent
	echo 2 > /sys/dev/block/259:0/numa_node
}
start() {
	local n=$1 spec=$2
	shift 2
	jq -c --argjson more "$spec" '. * $more' bundle/config.json > config && mv config bundle/config.json
	"$BUILD/oci-hook" --conf conf "$@" createRuntime < "${state:-keyed-$n}" 2>&1
	echo "start $n: $? $(cat "$CGROUP/c$n/cpuset.cpus") $(cat "$CGROUP/c$n/cpuset.mems")"
}
export -f machine start
in_cell() { printed=$(NUMBERED=3 "$cell" 4 2 0 bash -c "machine; $1" 2>&1); }

in_cell '
start 0 "{\"linux\":{\"devices\":[{\"path\":\"/dev/d\",\"type\":\"b\",\"major\":259,\"minor\":0}]}}"
grep device /run/numaplace/containers/oci:web0 | sed "s/^/record: /"
"$BUILD/../numaplace" --state /run/numaplace explain web0 | sed "s/^/explain: /"
"$BUILD/../numaplace" --state /run/numaplace rebalance --dry-run | sed "s/^/rebalance: /"
'
has 'a container with a disk is placed on the node of the disk' 'start 0: 0 4* 2'
has 'its record keeps the disk' 'record: own.device=2 nvme0n1'
has 'explain names the disk' "explain: *near nvme0n1 (node 2), found in the container's configuration"
done_testing
