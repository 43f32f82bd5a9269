# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR
#
# numaplace-nri under a real containerd, whose CRI is called as a kubelet does: pods with and without annotations, refusals,
# an update of resources, pins, a kill of the plugin and restarts of both sides.
# Then a second plugin that sets CPUs, crun, a disk without a key that names it, a key in the environment, and CDI.
# Layout: 4x2-pairs, systemd.
# disk on node 3
# time limit: 700 s

# shellcheck source=lib.sh
. /tests/lib.sh
# shellcheck source=containers.sh
. /tests/containers.sh
# shellcheck source=cri.sh
. /tests/cri.sh

# first POD CONTAINER FIELD: what the first instruction of the container saw, from its log.
first() {
	eventually grep -q "Mems_allowed_list" "/run/tests/logs/$1/$2.log"
	sed -n "s/.*$3_allowed_list:[[:space:]]*//p" "/run/tests/logs/$1/$2.log" | head -n 1
}
# env_of POD CONTAINER NAME: a variable of its environment.
env_of() {
	eventually grep -q " F $3=" "/run/tests/logs/$1/$2.log"
	sed -n "s/.* F $3=//p" "/run/tests/logs/$1/$2.log" | head -n 1
}
placed() { numaplace --json status | jq -r '.containers | length'; }
# place_of ID: its CPUs and memory nodes in the ledger.
place_of() { numaplace --json status | jq -r --arg id "$1" '.containers[] | select(.id == $id) | .cpus + " " + .mems'; }
# shellcheck disable=SC2317 # called by eventually
connected() { systemctl show --property StatusText --value numaplace-nri.service | grep -q '^connected'; }
main_pid() { systemctl show --property MainPID --value numaplace-nri.service; }
# connected_again PID: another process than that one is connected.
# shellcheck disable=SC2317 # called by eventually
connected_again() { [ "$(main_pid)" != "$1" ] && connected; }

show='cat /proc/self/status; env; sleep 100000'
cpus='cpu_period: 100000 cpu_quota: 200000 cpu_shares: 2048'
limits='cpu_period: 100000 cpu_quota: 200000 cpu_shares: 2048 memory_limit_in_bytes: 67108864'

ct_setup
ok "the plugin starts before containerd" systemctl start numaplace-nri.service
ok "containerd starts" cri_up
ok "the image is imported" cri_image
ok "the plugin connects to containerd" eventually connected

# --- a pod that asks
ok "a pod starts" pod one limits.cpu.nodes=balanced
ok "its container is created" create app "$limits" /bin/sh -c "$show"
like "it is reserved in the ledger before it has a cgroup" "$(place_of "$ctr")" '^[0-7]-[0-7] [0-3]$'
reserved=$(place_of "$ctr")
like "it cannot be moved before that" "$(numaplace move "$ctr" 2 2>&1)" 'has no cgroup yet'
ok "it starts" start
echo "$said"
is "its first instruction sees its CPUs and memory nodes" "$(first one app Cpus) $(first one app Mems)" "$reserved"
is "it has them in its environment" "$(env_of one app NUMAPLACE_CPUS) $(env_of one app NUMAPLACE_MEMORY_NODES)" "$reserved"
is "the ledger has the same place" "$(place_of "$ctr")" "$reserved"
cgroup=$(numaplace --json status | jq -r '.containers[0].cgroup')
is "its cgroup is marked" "$(getfattr --only-values -n trusted.volatile.memory.nodes "/sys/fs/cgroup$cgroup" 2> /dev/null)" \
	"${reserved#* }"
is "the spec has the annotation" "$(ctr -n k8s.io containers info "$ctr" | jq -r '.Spec.annotations["volatile.memory.nodes"]')" \
	"${reserved#* }"
like "systemd knows its CPUs" "$(systemctl show --property AllowedCPUs --value "${cgroup##*/}")" '[0-7]'
first_app=$ctr

# --- a pod is a unit
ok "a second container of the pod is created" create helper "cpu_period: 100000 cpu_quota: 50000 cpu_shares: 512" /bin/sh -c "$show"
ok "it starts" start
is "it is on the neighbour of the node of the first one, which is full" "$(first one helper Mems)" "$((${reserved#* } ^ 1))"
second=$ctr
pod_resources='cpu_period: 100000 cpu_quota: 400000 cpu_shares: 4096 memory_limit_in_bytes: 68719476736'
ok "a pod starts whose containers need too much memory together" pod sum limits.cpu.nodes=balanced
pod_resources=
not_ok "its first container is refused, although it would fit alone" create app "$limits" /bin/sh -c "$show"
like "CRI says so" "$said" 'containers of its pod together: limits\.memory: 64GiB requested'

# --- a resize
said=$(cri UpdateContainerResources UpdateContainerResourcesRequest Empty "container_id: \"$second\" linux { cpu_shares: 300 }")
is "an update of the shares is accepted" "$said" ""
is "the place stays" "$(first one helper Cpus)" "$(place_of "$second" | cut -d' ' -f1)"
said=$(cri UpdateContainerResources UpdateContainerResourcesRequest Empty \
	"container_id: \"$second\" linux { cpu_period: 100000 cpu_quota: 400000 cpu_shares: 4096 }")
is "an update to four CPUs is accepted" "$said" ""
cgroup=$(numaplace --json status | jq -r --arg id "$second" '.containers[] | select(.id == $id) | .cgroup')
is "the ledger and the cgroup agree" "$(cat "/sys/fs/cgroup$cgroup/cpuset.cpus.effective") $(cat "/sys/fs/cgroup$cgroup/cpuset.mems.effective")" \
	"$(place_of "$second")"
like "the container has four CPUs or more" "$(jq -n --arg c "$(place_of "$second" | cut -d' ' -f1)" '[$c | split(",")[] |
	split("-") | if length == 2 then (.[1] | tonumber) - (.[0] | tonumber) + 1 else 1 end] | add')" '^[4-8]$'

# --- a move
# shellcheck disable=SC2317 # called by eventually
spec_has_mems() { [ "$(ctr -n k8s.io containers info "$1" | jq -r .Spec.linux.resources.cpu.mems)" = "$2" ]; }
moved=$((${reserved#* } ^ 2))
ok "the first container is moved" numaplace move "$first_app" "$moved"
ok "the runtime has its new place in the spec" eventually spec_has_mems "$first_app" "$moved"
is "so has the ledger" "$(place_of "$first_app")" "$((2 * moved))-$((2 * moved + 1)) $moved"

# --- refusals
ok "a pod with bad keys starts" pod bad limits.memory/container.big=64GiB limits.cpu/container.bad=many \
	limits.cpu/container.policy=2 limits.memory.policy/container.policy=interleave
not_ok "its container with too much memory is refused" create big "$cpus" /bin/sh -c "$show"
like "CRI has the reason" "$said" 'limits\.memory: 64GiB requested, .* available'
not_ok "its container with a bad value is refused" create bad "$limits" /bin/sh -c "$show"
like "CRI names the key and the value" "$said" 'limits\.cpu: .*many'
not_ok "its container with a memory policy is refused, because this NRI has none" create policy "$limits" /bin/sh -c "$show"
like "CRI says so" "$said" 'limits\.memory\.policy: .*interleave.*NRI'
is "no refused container is in the ledger" "$(placed)" 2

# --- a kill of the plugin
ok "a pod starts" pod kill limits.cpu=1
ok "an init container is created" create init "$limits" /bin/true
like "it is placed" "$(place_of "$ctr")" '[0-9]'
ok "it starts" start
# shellcheck disable=SC2317 # called by eventually
has_ended() { [ "$(place_of "$ctr")" = '' ]; }
ok "it ends, and nothing is placed for it any more" eventually has_ended
ok "the next container is created" create app "$limits" /bin/sh -c "$show"
reserved=$(place_of "$ctr")
before=$(main_pid)
like "the spec has the hook" "$(ctr -n k8s.io containers info "$ctr" | jq -c '.Spec.hooks.createRuntime[0].args')" \
	'^\["oci-hook","--reserved","createRuntime"\]$'
ok "the plugin is killed between create and start" systemctl kill --signal KILL numaplace-nri.service
ok "it connects again" eventually connected_again "$before"
is "the reservation is still there" "$(place_of "$ctr")" "$reserved"
ok "the container starts" start
is "on its reserved place" "$(first kill app Cpus) $(first kill app Mems)" "$reserved"
stop > /dev/null
is "a removed container is not in the ledger" "$(place_of "$ctr")" ""
ok "a container is created" create hooked "$limits" /bin/sh -c "$show"
hooked=$ctr reserved=$(place_of "$ctr")
ok "a container is created" create lost "$limits" /bin/sh -c "$show"
lost=$ctr
ok "the plugin stops" systemctl stop numaplace-nri.service
ok "a container starts without it" start "$hooked"
is "on its reserved place" "$(first kill hooked Cpus) $(first kill hooked Mems)" "$reserved"
cgroup=$(numaplace --json status | jq -r --arg id "$hooked" '.containers[] | select(.id == $id) | .cgroup')
is "and the hook has marked it" "$(getfattr --only-values -n trusted.volatile.memory.nodes "/sys/fs/cgroup$cgroup" 2> /dev/null)" \
	"${reserved#* }"
ok "the container is removed without it" sh -c ". /tests/cri.sh; cri RemoveContainer Id Empty 'id: \"$lost\"'"
like "its reservation is still there" "$(place_of "$lost")" '[0-9]'
ok "the plugin starts" systemctl start numaplace-nri.service
ok "it connects" eventually connected
# shellcheck disable=SC2317 # called by eventually
is_released() { [ "$(place_of "$lost")" = '' ]; }
ok "and releases what containerd does not know" eventually is_released
stop "$hooked" > /dev/null
ok "a container is created" create forgotten "$limits" /bin/sh -c "$show"
ok "the plugin stops before the start" systemctl stop numaplace-nri.service
rm -r /run/numaplace
not_ok "the hook refuses the container if the ledger has lost its place" start
like "containerd has the reason" "$said" 'no place that is reserved for it'
ok "the plugin starts again" systemctl start numaplace-nri.service
ok "it connects again" eventually connected
like "containers that run are in the ledger again" "$(place_of "$first_app")" '[0-9]'
stop > /dev/null

# --- a restart of containerd
ok "containerd restarts" systemctl restart containerd.service
ok "the plugin connects again" eventually connected
like "the first container is still placed" "$(place_of "$first_app")" '[0-9]'
ok "a container is created after it" create again "$limits" /bin/sh -c "$show"
ok "it starts" start
again=$ctr
is "it is placed" "$(first kill again Cpus) $(first kill again Mems)" "$(place_of "$ctr")"

# --- the keys for one container
ok "a pod with keys for single containers starts" pod named limits.cpu.nodes/container.a=2 \
	limits.cpu.nodes/container.pinned=balanced
ok "its container a is created" create a "$limits" /bin/sh -c "$show"
ok "it starts" start
is "it is on that node" "$(first named a Mems)" "2"
stop > /dev/null
ok "its container b, without a key, is created" create b "$limits" /bin/sh -c "$show"
ok "it starts" start
is "it may use all CPUs and nodes" "$(first named b Cpus) $(first named b Mems)" "0-7 0-3"
is "it is not in the ledger" "$(place_of "$ctr")" ""

# --- pins, as a static CPU manager gives them
ok "its container with pinned CPUs is created" create pinned "$limits cpuset_cpus: \"6-7\"" /bin/sh -c "$show"
ok "it starts" start
is "it has its CPUs, and the memory of their node" "$(first named pinned Cpus) $(first named pinned Mems)" "6-7 3"
stop > /dev/null

# --- the end
stop "$again" > /dev/null
stop "$second" > /dev/null
stop "$first_app" > /dev/null
is "the ledger is empty when all placed containers are removed" "$(placed)" 0

# --- a second plugin that sets CPUs, called before and after this one
other=/run/tests/other
mkdir -p $other
cp /tests/bin/nri-other /run/tests/dracpu
ok "a pod starts" pod two limits.cpu.nodes/container.both=balanced
for index in 30 50; do
	rm -f $other/*
	/run/tests/dracpu $index 0 $other &
	ok "a second plugin connects, with the index $index" eventually [ -e $other/connected ]
	not_ok "a container is refused if both plugins set its CPUs" create both "$limits" /bin/sh -c "$show"
	like "CRI names both plugins" "$said" 'plugins "(30|40|50)-[a-z]+" and "(30|40|50)-[a-z]+" both tried to set CPU pinning'
	is "nothing is left of it in the ledger" "$(placed)" 0
	[ $index = 50 ] || kill $!
done
ok "a container without keys is created" create single "$limits" /bin/sh -c "$show"
ok "it starts" start
is "on the CPUs of the second plugin" "$(first two single Cpus) $(place_of "$ctr")" '0 '
stop > /dev/null
like "doctor knows the second plugin by its name" "$(COLUMNS=400 numaplace doctor)" '^do +nri +beside numaplace-nri, dracpu can set the CPUs'
kill $!

# --- crun
handler=crun
ok "a pod of crun starts" pod crun limits.cpu.nodes=balanced
ok "its container is created" create app "$limits" /bin/sh -c "$show"
reserved=$(place_of "$ctr")
like "it is reserved" "$reserved" '^[0-7]-[0-7] [0-3]$'
ok "it starts" start
is "its first instruction sees its CPUs and memory nodes" "$(first crun app Cpus) $(first crun app Mems)" "$reserved"
cgroup=$(numaplace --json status | jq -r '.containers[0].cgroup')
is "its cgroup is marked" "$(getfattr --only-values -n trusted.volatile.memory.nodes "/sys/fs/cgroup$cgroup" 2> /dev/null)" \
	"${reserved#* }"
stop > /dev/null
is "it is removed from the ledger" "$(placed)" 0
handler=

# --- a disk, a key in the environment, and CDI
disk=$(basename "$(dirname "$(grep -l '^onnode3$' /sys/block/*/serial)")")
ok "a pod with limits.cpu starts" pod disk limits.cpu=1 limits.cpu.nodes/container.first=0
ok "its first container is created" create first "$limits" /bin/sh -c "$show"
is "on its node" "$(place_of "$ctr")" "0 0"
first_one=$ctr
more="devices { container_path: \"/dev/d\" host_path: \"/dev/$disk\" permissions: \"rwm\" }"
ok "a container with a disk is created" create app "$limits" /bin/sh -c "$show"
ok "it starts" start
is "it is on the node of the disk" "$(first disk app Cpus) $(first disk app Mems)" "6 3"
like "explain names the disk" "$(numaplace explain "$ctr")" "near $disk \\(node 3\\), found in the container's configuration"
stop > /dev/null
more=
stop "$first_one" > /dev/null
ok "a pod without keys starts" pod keyless
more='envs { key: "NUMAPLACE_LIMITS_CPU" value: "2" }'
ok "its container with a key in the environment is created" create variable "$limits" /bin/sh -c "$show"
ok "it starts" start
like "it is placed" "$(first keyless variable Cpus) $(first keyless variable Mems)" '^(0-1 0|2-3 1|4-5 2|6-7 3)$'
stop > /dev/null
mkdir -p /etc/cdi
ln -s /usr/share/numaplace/cdi/numaplace.yaml /etc/cdi/
more='cdi_devices { name: "numaplace.org/place=balanced" }'
ok "its container with a device of CDI is created" create cdi "$limits" /bin/sh -c "$show"
reserved=$(place_of "$ctr")
like "the plugin reserves its place" "$reserved" '^(0-1 0|2-3 1|4-5 2|6-7 3)$'
ok "it starts" start
is "on that place" "$(first keyless cdi Cpus) $(first keyless cdi Mems)" "$reserved"
stop > /dev/null
is "its record is removed" "$(placed)" 0
ok "the plugin stops" systemctl stop numaplace-nri.service
ok "without it, a container with a device of CDI is created" create alone "$limits" /bin/sh -c "$show"
ok "it starts" start
like "the hook of CDI places it" "$(first keyless alone Cpus) $(first keyless alone Mems)" '^(0-1 0|2-3 1|4-5 2|6-7 3)$'
stop > /dev/null
is "the hook of CDI removes its record" "$(placed)" 0
ok "the plugin starts" systemctl start numaplace-nri.service
ok "it connects" eventually connected
ok "a pod with an annotation starts" pod annotated limits.cpu=1
more='cdi_devices { name: "numaplace.org/place=exclusive" }'
ok "its container with a device of CDI for exclusive CPUs is created" create cdi "$limits" /bin/sh -c "$show"
ok "it starts" start
like "it has the CPUs of the annotation" "$(first annotated cdi Cpus)" '^[0-7]$'
is "and they are exclusive" "$(numaplace --json status | jq -r '.containers[0].exclusive != null')" true
stop > /dev/null
is "its record is removed" "$(placed)" 0
# The first processes of the other containers ignore SIGTERM, for which systemd would wait.
for f in /sys/fs/cgroup/kubepods*/cgroup.kill; do
	echo 1 > "$f"
done
done_testing
