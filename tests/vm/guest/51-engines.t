# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR
#
# numaplace-runtime under engines: podman (with --runtime, and with the precreate stage from a hooks folder), containerd,
# and the Docker engine through its API. And pinned CPUs without a key, with hooks from a hooks folder.
# Layout: 4x2-pairs, systemd.

# shellcheck disable=SC2086 # options for hooks folders are several words
. /tests/memory.sh
mem_setup

mkdir -p /run/tests/none $ct_root/run $ct_root/etc
tar -C $ct_root -cf /run/tests/root.tar .
d=$ct_dir/out
mkdir -p $d
mkfifo $d/ready $d/go
# ready: waits until the process of the container has touched its memory.
ready() { [ "$(timeout 120 cat $d/ready)" = ready ]; }

# allowed PID: the CPUs and memory nodes of the process.
allowed() { sed -n 's/^\(Cpus\|Mems\)_allowed_list:[[:space:]]*//p' "/proc/$1/status" | xargs; }

# --- podman
ok "podman imports an image" podman import /run/tests/root.tar np
for rt in runc crun; do
	name=np-$rt
	ok "podman --runtime numaplace-$rt runs a container with policy interleave" podman --runtime /usr/local/bin/numaplace-$rt \
		--hooks-dir /run/tests/none run --detach --network none --name $name --volume $d:/out \
		--annotation limits.cpu=2 --annotation limits.cpu.nodes=2-3 --annotation limits.memory.policy=interleave \
		np /bin/touch-memory anon 60
	ok "podman, $rt: the container touches its memory" ready
	id=$(podman inspect --format '{{.Id}}' $name)
	ok "podman, $rt: verify finds no page outside of its nodes" verify "$id"
	is "podman, $rt: half of the memory is on each node" "$(kind private)" "0 0 30 30"
	is "podman, $rt: verify reports policy interleave on nodes 2-3" "$(v_of policy) $(v_of mems)" "interleave 2-3"
	podman rm --force --time 0 $name
	is "podman, $rt: status shows no container after podman rm" "$(np_ids)" ""
done

# --- the precreate stage of podman: the placement becomes the resources of the container
hooks='--hooks-dir /usr/share/containers/oci/hooks.d'
precreate="$hooks --hooks-dir /usr/share/numaplace/hooks.d-precreate"
ok "precreate: podman runs a container" podman --runtime crun $precreate run --detach --network none --name pre \
	--volume $d:/out --annotation limits.cpu=2 --annotation limits.cpu.nodes=1 np /bin/touch-memory anon 30
ok "precreate: the container touches its memory" ready
id=$(podman inspect --format '{{.Id}}' pre)
ok "precreate: verify finds no page on another node" verify "$id"
is "precreate: verify finds 30 MiB on node 1" "$(kind private)" "0 30 0 0"
config=$(find / -xdev -path "*$id/userdata/config.json" 2>/dev/null | head -n 1)
is "precreate: CPUs and memory nodes are resources in config.json" "$(jq -c '.linux.resources.cpu | [.cpus, .mems]' "$config")" '["2-3","1"]'
is "precreate: config.json has the nodes as an annotation" "$(jq -r '.annotations["volatile.cpu.nodes"]' "$config")" 1
podman rm --force --time 0 pre

# --- updates by podman: a placement stays unless the update names CPUs
# updated WAY OPTION...: places a container on node 1 with these options of podman, and updates it.
updated() {
	way=$1
	shift
	ok "$way: podman runs a container on node 1" podman "$@" run --detach --network none --name upd \
		--annotation limits.cpu=2 --annotation limits.cpu.nodes=1 np sleep 1000
	pid=$(podman inspect --format '{{.State.Pid}}' upd)
	podman "$@" update --cpus 1 upd
	podman "$@" update --memory 100m upd
	systemctl daemon-reload
	like "$way: podman update has set the quota and the limit" "$(cat "/sys/fs/cgroup$(cut -d: -f3 "/proc/$pid/cgroup")/cpu.max")" '^100000 100000$'
	is "$way: after podman update --cpus, --memory and a daemon-reload, the placement is kept" "$(allowed "$pid")|$(np_cpus "$(podman inspect --format '{{.Id}}' upd | cut -c-12)")" "2-3 1|2-3"
	podman "$@" update --cpuset-cpus 6-7 upd
}
for way in "hooks.d, crun" "hooks.d, runc" "precreate, crun"; do
	case $way in hooks.d*) h=$hooks ;; *) h=$precreate ;; esac
	updated "$way" --runtime "${way#*, }" $h
	not_ok "$way: verify reports CPUs of podman update --cpuset-cpus" verify "$(podman inspect --format '{{.Id}}' upd)"
	is "$way: the drift is named" "$(v_of drift) $(v_of cpus_now)" "true 6-7"
	podman rm --force --time 0 upd
done
updated "numaplace-runtime" --runtime /usr/local/bin/numaplace-crun --hooks-dir /run/tests/none
is "numaplace-runtime: record and memory follow podman update --cpuset-cpus" \
	"$(allowed "$pid")|$(np_cpus "$(podman inspect --format '{{.Id}}' upd | cut -c-12)") $(np_mems "$(podman inspect --format '{{.Id}}' upd | cut -c-12)")" "6-7 3|6-7 3"
podman rm --force --time 0 upd
# podman may drop linux.memoryPolicy, or the runtime may not know it: the container must not silently run as strict.
ok "precreate, interleave: the policy is in effect or the container is refused" sh -c "
	out=\$(podman --runtime crun $precreate run --rm --network none --annotation limits.cpu=2 \
		--annotation limits.cpu.nodes=0-1 --annotation limits.memory.policy=interleave np head -n 1 /proc/self/numa_maps 2>&1)
	echo \"\$out\"; journalctl --boot --grep 'limits.memory.policy' | tail -n 2
	case \$out in *interleave=static:0-1*) ;; *) ! echo \"\$out\" | grep -q default ;; esac"

# --- hooks.d: default = follow-pins, for containers without any key
mkdir -p /etc/numaplace
echo 'default = follow-pins' > /etc/numaplace/numaplace.conf
always="$hooks --hooks-dir /usr/share/numaplace/hooks.d-always"
for rt in runc crun; do
	ok "follow-pins, $rt: podman runs a container with --cpuset-cpus" podman --runtime $rt $always run --detach --network none --name pins --volume $d:/out \
		--cpuset-cpus 2-3 np /bin/touch-memory anon 60
	ok "follow-pins, $rt: the container touches its memory" ready
	pid=$(podman inspect --format '{{.State.Pid}}' pins)
	ok "follow-pins, $rt: verify finds no page outside of node 1" verify "$pid" --nodes 1
	is "follow-pins, $rt: the memory is on the node of the pinned CPUs" "$(kind private)" "0 60 0 0"
	is "follow-pins, $rt: the cpuset allows only the node of the pinned CPUs" "$(allowed "$pid")" "2-3 1"
	podman rm --force --time 0 pins
	ok "follow-pins, $rt: podman runs a container with --cpuset-mems" podman --runtime $rt $always run --detach --network none --name pins \
		--volume $d:/out --cpuset-cpus 2-3 --cpuset-mems 0-1 np /bin/touch-memory anon 10
	ok "follow-pins, $rt: the container with --cpuset-mems touches its memory" ready
	is "follow-pins, $rt: pinned memory nodes of --cpuset-mems are not changed" "$(allowed "$(podman inspect --format '{{.State.Pid}}' pins)")" "2-3 0-1"
	podman rm --force --time 0 pins
done
rm /etc/numaplace/numaplace.conf

# --- containerd
containerd > /run/tests/containerd.log 2>&1 &
eventually ctr version > /dev/null
ok "containerd runs a container with policy interleave" ctr run --detach --rootfs --runc-binary /usr/bin/numaplace-runtime \
	--annotation limits.cpu=2 --annotation limits.cpu.nodes=2-3 --annotation limits.memory.policy=interleave \
	--mount type=bind,src=$d,dst=/out,options=rbind:rw $ct_root c1 /bin/touch-memory anon 60
ok "containerd: the container touches its memory" ready
ok "containerd: verify finds no page outside of its nodes" verify "$(ctr task ls | awk '$1 == "c1" { print $2 }')"
is "containerd: half of the memory is on each node" "$(kind private)" "0 0 30 30"
ctr task kill --signal KILL c1
like "containerd: a refusal names the key" "$(ctr run --detach --rootfs --runc-binary /usr/bin/numaplace-runtime \
	--annotation limits.memory=9GiB --annotation limits.memory.policy=interleave $ct_root c2 /bin/true 2>&1)" \
	'limits.memory: 9GiB requested'

ctr run --detach --rootfs --runc-binary /usr/bin/numaplace-runtime --env NUMAPLACE_LIMITS_CPU=2 $ct_root c3 /bin/sleep 1000
like "containerd: a key in the environment counts" "$(allowed "$(ctr task ls | awk '$1 == "c3" { print $2 }')")" '^(0-1 0|2-3 1|4-5 2|6-7 3)$'
ctr task kill --signal KILL c3

# --- the Docker engine, through its API, because the image has no client
mkdir -p /etc/cdi /etc/docker
ln -s /usr/share/numaplace/cdi/numaplace.yaml /etc/cdi/
echo '{"features": {"cdi": true}}' > /etc/docker/daemon.json # not needed from Docker 28 on
dockerd --add-runtime numaplace=/usr/bin/numaplace-runtime --iptables=false --bridge=none --storage-driver=vfs \
	--containerd /run/containerd/containerd.sock > /run/tests/dockerd.log 2>&1 &
for _ in 1 2 3 4 5 6; do
	eventually [ -S /run/docker.sock ] && break
done
# docker METHOD PATH [TYPE FILE]: sends a request and prints the answer.
docker() {
	perl -MIO::Socket::UNIX -e '
		my ($m, $p, $type, $file) = @ARGV;
		my $body = "";
		if ($file) { local $/; open my $f, "<", $file or die; binmode $f; $body = <$f>; }
		my $s = IO::Socket::UNIX->new("/run/docker.sock") or die "no docker: $!";
		binmode $s;
		print $s "$m $p HTTP/1.0\r\nHost: d\r\nContent-Type: " . ($type || "application/json") .
			"\r\nContent-Length: " . length($body) . "\r\n\r\n" . $body;
		$s->flush;
		my $all = do { local $/; <$s> };
		$all =~ s/.*?\r\n\r\n//s;
		print $all' "$@"
}
docker POST '/images/create?fromSrc=-&repo=np' application/x-tar /run/tests/root.tar
jq -n --arg d "$d:/out" '{Image: "np", Cmd: ["/bin/touch-memory", "anon", "60"], HostConfig: {Runtime: "numaplace",
	NetworkMode: "none", Binds: [$d], Annotations: {"limits.cpu": "2", "limits.cpu.nodes": "0,2", "limits.memory.policy": "interleave"}}}' \
	> /run/tests/create.json
answer=$(docker POST '/containers/create?name=d1' application/json /run/tests/create.json)
echo "$answer"
id=$(echo "$answer" | jq -r .Id)
docker POST /containers/d1/start
ok "docker: a container with policy interleave touches its memory" ready
ok "docker: verify finds no page outside of its nodes" verify "$id"
is "docker: half of the memory is on each node" "$(kind private)" "30 0 30 0"
like "docker: verify reports policy interleave on nodes 0,2" "$(v_of policy) $(v_of mems)" '^interleave 0,2$'
docker DELETE '/containers/d1?force=1'
jq '.Cmd = ["/bin/sleep", "1000"] | .HostConfig.Annotations = {"limits.cpu": "2", "limits.cpu.nodes": "1"}' /run/tests/create.json > /run/tests/create2.json
id=$(docker POST '/containers/create?name=d2' application/json /run/tests/create2.json | grep -o '"Id":"[0-9a-f]*' | cut -c7-18)
docker POST /containers/d2/start
echo '{"CpuPeriod": 100000, "CpuQuota": 50000, "Memory": 100000000, "MemorySwap": 100000000}' > /run/tests/update.json
docker POST /containers/d2/update application/json /run/tests/update.json
pid=$(head -n 1 /sys/fs/cgroup/system.slice/docker-"$id"*/cgroup.procs)
is "docker: after an update of quota and memory, the placement is kept" "$(allowed "$pid")|$(np_cpus "$id")" "2-3 1|2-3"
echo '{"CpusetCpus": "6-7"}' > /run/tests/update.json
docker POST /containers/d2/update application/json /run/tests/update.json
is "docker: record and memory follow an update of the CPUs" "$(allowed "$pid")|$(np_cpus "$id") $(np_mems "$id")" "6-7 3|6-7 3"
docker DELETE '/containers/d2?force=1'
jq '.Cmd = ["/bin/sleep", "1000"] | .HostConfig = {NetworkMode: "none", NanoCpus: 2000000000,
	DeviceRequests: [{Driver: "cdi", DeviceIDs: ["numaplace.org/place=balanced"]}]}' /run/tests/create.json > /run/tests/create3.json
id=$(docker POST '/containers/create?name=d3' application/json /run/tests/create3.json | jq -r .Id)
docker POST /containers/d3/start
like "docker: a container with a device of CDI is placed without a runtime of numaplace" \
	"$(allowed "$(head -n 1 "/sys/fs/cgroup/system.slice/docker-$id.scope/cgroup.procs")")" '^(0-1 0|2-3 1|4-5 2|6-7 3)$'
docker DELETE '/containers/d3?force=1'
is "docker: the hook of CDI removes its record" "$(np_ids)" ""
tail -n 5 /run/tests/dockerd.log
kill %2 %1 2>/dev/null
done_testing
