# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR
#
# Memory policies that a cpuset cannot set, through numaplace-runtime around runc and crun: the nodes of the pages, the
# record, and refusals instead of a silent strict policy. Layout: 4x2-pairs. If the runtime supports linux.memoryPolicy
# (crun of forky), numaplace uses it.

. /tests/memory.sh
mem_setup

# way RT: how the policy takes effect under this runtime.
way() {
	case $1-$($1 --version | head -n 1) in
	crun-*' '1.2[4-9]* | crun-*' '1.[3-9][0-9]* | runc-*' '1.[4-9]*) echo memoryPolicy ;;
	*) echo inherited ;;
	esac
}
# near PART WHOLE PERCENT TOLERANCE: succeeds if PART is PERCENT of WHOLE, in MiB.
near() { [ $(($1 * 100)) -ge $(($2 * ($3 - $4))) ] && [ $(($1 * 100)) -le $(($2 * ($3 + $4))) ]; }
# explained ID: the policy and how it took effect, in the output of explain.
explained() { numaplace explain "$1" | sed -n 's/^policy  *//p'; }
# on NODE KIND: MiB of this kind on NODE
on() { kind "$2" | cut -d' ' -f$(($1 + 1)); }

for rt in runc crun; do
	np=numaplace-$rt
	echo "# $rt: $($rt --version | head -n 1), $(way $rt)" >&3

	# --- passed on
	ok "$np: --version prints the version of the runtime" [ "$($np --version)" = "$($rt --version)" ]
	bundle plain -a something=else -- /bin/touch-memory
	before=$(md5sum < $ct_dir/plain/config.json)
	ok "$np: a container without keys starts" $np run --detach --bundle $ct_dir/plain plain
	is "$np: the config of a container without keys is unchanged" "$(md5sum < $ct_dir/plain/config.json)" "$before"
	is "$np: state is passed on to the runtime" "$($np state plain | jq -r .id)" plain
	$np delete --force plain

	# --- strict, with a bundle that has no hook
	ok "$np, strict: a container on node 2 is created" ct_create $np strict -a limits.cpu=2 -a limits.cpu.nodes=2 -- /bin/touch-memory anon 50
	ok "$np, strict: the container starts" mem_start strict
	ok "$np, strict: the verdict of verify is hit" verify strict
	is "$np, strict: verify finds 50 MiB on node 2" "$(kind private)" "0 0 50 0"
	is "$np, strict: verify and explain report that the cpuset applies the policy" "$(v_of applied)|$(explained strict)" "cpuset|strict, by cpuset"
	is "$np, strict: config.json has the hook once" \
		"$(jq -c '[.hooks.createRuntime[] | select(.path | endswith("/oci-hook")) | .args[-1]]' $ct_dir/strict/config.json)" '["createRuntime"]'
	is "$np, strict: the environment of the process has its place" "$(tr '\0' '\n' < "/proc/$(ct_pid strict)/environ" | grep ^NUMAPLACE_ | sort | xargs)" \
		'NUMAPLACE_CPUS=4-5 NUMAPLACE_MEMORY_NODES=2 NUMAPLACE_NODES=2'
	ct_delete strict
	is "$np, strict: status shows no container after delete" "$(np_ids)" ""

	# --- interleave
	ok "$np, interleave: a container on nodes 0 and 2 is created" ct_create $np inter -a limits.cpu=2 -a limits.cpu.nodes=0,2 \
		-a limits.memory.policy=interleave -- /bin/touch-memory anon 200
	ok "$np, interleave: the container starts" mem_start inter
	ok "$np, interleave: the verdict of verify is hit" verify inter
	ok "$np, interleave: half of the memory is on node 0 within 5 % ($(kind private))" near "$(on 0 private)" 200 50 5
	ok "$np, interleave: half of the memory is on node 2" near "$(on 2 private)" 200 50 5
	is "$np, interleave: verify and explain report how the policy is applied" "$(v_of policy),$(v_of applied)|$(explained inter)" "interleave,$(way $rt)|interleave, by $(way $rt)"
	ct_delete inter

	# --- weighted
	w=/sys/kernel/mm/mempolicy/weighted_interleave
	if [ -e $w/node0 ]; then
		echo 3 > $w/node0
		echo 1 > $w/node1
		ok "$np, weighted-interleave: a container is created" ct_create $np weigh -a limits.cpu=2 -a limits.cpu.nodes=0-1 \
			-a limits.memory.policy=weighted-interleave -- /bin/touch-memory anon 200
		ok "$np, weighted-interleave: the container starts" mem_start weigh
		ok "$np, weighted-interleave: the verdict of verify is hit" verify weigh
		ok "$np, weighted-interleave: 75 % of the memory is on node 0 within 10 % ($(kind private))" near "$(on 0 private)" 200 75 10
		ok "$np, weighted-interleave: 25 % of the memory is on node 1" near "$(on 1 private)" 200 25 10
		is "$np, weighted-interleave: verify and explain report how the policy is applied" "$(v_of policy),$(v_of applied)|$(explained weigh)" "weighted-interleave,$(way $rt)|weighted-interleave, by $(way $rt)"
		ct_delete weigh
	else
		skip "$np, weighted-interleave" "the kernel has no weights"
	fi

	# --- preferred: fills its node first, then the nearest one
	ok "$np, preferred: a container on node 2 is created" ct_create $np pref -a limits.cpu=1 -a limits.cpu.nodes=2 \
		-a limits.memory.policy=preferred -- /bin/touch-memory anon 100
	ok "$np, preferred: the container starts" mem_start pref
	ok "$np, preferred: the verdict of verify is hit" verify pref
	is "$np, preferred: the first 100 MiB are on node 2" "$(kind private)" "0 0 100 0"
	# Without a policy, the kernel also allocates on the node of the CPU first and spills in the same way.
	like "$np, preferred: numa_maps of the process shows the policy" "$(grep anon "/proc/$(ct_pid pref)/numa_maps")" '^[0-9a-f]+ prefer( \(many\))?(=static)?:2 '
	# Drops the page cache, so that the memory of the container fills the node.
	sync
	echo 1 > /proc/sys/vm/drop_caches
	touch_more pref anon 600
	ok "$np, preferred: the container touches more than its node has" touched pref
	ok "$np, preferred: verify of a container that outgrew its node succeeds" verify pref
	is "$np, preferred: the verdict for a container that outgrew its node is spilled" "$(v_of verdict)" spilled
	ok "$np, preferred: node 2 is full ($(kind private))" [ "$(on 2 private)" -gt 400 ]
	ok "$np, preferred: the nearest node 3 has the rest" [ "$(on 3 private)" -gt 50 -a "$(on 0 private)" -lt 10 -a "$(on 1 private)" -lt 10 ]
	is "$np, preferred: verify and explain report how the policy is applied" "$(v_of policy),$(v_of applied)|$(explained pref)" "preferred,$(way $rt)|preferred, by $(way $rt)"
	ct_delete pref

	# --- policies that a hook without numaplace-runtime cannot set
	not_ok "$rt: policy interleave without numaplace-runtime is refused" np_create $rt createRuntime alone limits.cpu=1 limits.memory.policy=interleave \
		-- /bin/touch-memory
	like "$rt: the refusal of policy interleave without numaplace-runtime names the policy" "$(ct_said alone)" 'limits.memory.policy: "interleave": needs numaplace-runtime'
	ct_delete alone

	# --- --applied with a policy that is not in effect
	for how in inherited memoryPolicy; do
		not_ok "$rt: a false --applied $how is refused" ct_create $rt liar -a limits.cpu=1 -a limits.cpu.nodes=2 \
			-a limits.memory.policy=interleave -h "createRuntime=$np_hook,--mems,2,--applied,$how,createRuntime" \
			-- /bin/touch-memory
		case $how in
		inherited) like "$rt: the refusal of a false --applied $how has the policy of the kernel" "$(ct_said liar)" \
			'has "default", not "interleave=static:2"' ;;
		*) like "$rt: the refusal of a false --applied $how names linux.memoryPolicy" "$(ct_said liar)" 'no such linux.memoryPolicy' ;;
		esac
		ct_delete liar
	done
	not_ok "$rt: a container with org.numaplace.applied is refused" np_create $rt createRuntime tenant limits.cpu=1 \
		limits.memory.policy=interleave org.numaplace.applied=inherited -- /bin/touch-memory
	ct_delete tenant
	if [ "$(way $rt)" = inherited ]; then
		not_ok "$rt: linux.memoryPolicy for a runtime that does not know it is refused" ct_create $rt old -a limits.cpu=1 -a limits.cpu.nodes=2 \
			-a limits.memory.policy=interleave -h "createRuntime=$np_hook,--mems,2,--applied,memoryPolicy,createRuntime" \
			-j '.linux.memoryPolicy = {mode: "MPOL_INTERLEAVE", nodes: "2", flags: ["MPOL_F_STATIC_NODES"]}' \
			-- /bin/touch-memory
		like "$rt: the refusal of linux.memoryPolicy has the version of the runtime" "$(ct_said old)" "$rt 1\.[0-9]+ does not know linux.memoryPolicy"
		ct_delete old
	fi

	# --- refused before the runtime is called
	not_ok "$np: a request for too much memory is refused before the runtime is called" ct_create $np big -a limits.memory=9GiB -a limits.memory.policy=interleave \
		-- /bin/touch-memory
	like "$np: the refusal of too much memory has the requested size" "$(ct_said big)" 'limits.memory: 9GiB requested'
	ct_delete big
done

# --- the precreate stage of podman, called by the test
bundle pre -a limits.cpu=2 -a limits.cpu.nodes=3 -h "createRuntime=$np_hook,createRuntime" -h "poststop=$np_hook,poststop" \
	-- /bin/touch-memory anon 30
ok "precreate: the hook writes a changed config" sh -c "$np_hook precreate < $ct_dir/pre/config.json > $ct_dir/pre/new"
is "precreate: the config has CPUs and memory nodes as resources" "$(jq -c '.linux.resources.cpu' $ct_dir/pre/new)" '{"cpus":"6-7","mems":"3"}'
is "precreate: the config has the nodes as an annotation" "$(jq -r '.annotations["volatile.cpu.nodes"]' $ct_dir/pre/new)" 3
is "precreate: the environment has the place" "$(jq -r '.process.env[]' $ct_dir/pre/new | grep ^NUMAPLACE_ | sort | xargs)" \
	'NUMAPLACE_CPUS=6-7 NUMAPLACE_MEMORY_NODES=3 NUMAPLACE_NODES=3'
is "precreate: only resources, annotations, these variables and arguments of the hooks of numaplace change" \
	"$(jq -S '.process.env |= map(select(startswith("NUMAPLACE_") | not)) | del(.linux.resources.cpu, .annotations["volatile.cpu.nodes"],
	.annotations["volatile.memory.nodes"], .hooks[][0].args)' $ct_dir/pre/new)" \
	"$(jq -S 'del(.hooks[][0].args)' $ct_dir/pre/config.json)"
mv $ct_dir/pre/new $ct_dir/pre/config.json
echo crun > $ct_dir/pre/runtime
ok "precreate: crun creates a container from the changed config" crun create --bundle $ct_dir/pre --pid-file $ct_dir/pre/pid pre
ok "precreate: the container starts" mem_start pre
ok "precreate: the verdict of verify is hit" verify pre
is "precreate: verify finds 30 MiB on node 3" "$(kind private)" "0 0 0 30"
ct_delete pre

# --- follow-pins
mkdir -p /etc/numaplace
echo 'default = follow-pins' > /etc/numaplace/numaplace.conf
for rt in runc crun; do
	ok "$rt, follow-pins: a container pinned to CPUs 2-3 is created" np_create $rt createRuntime pins -j '.linux.resources.cpu.cpus = "2-3"' -- /bin/touch-memory anon 30
	ok "$rt, follow-pins: the container starts" mem_start pins
	is "$rt, follow-pins: the CPUs are unchanged" "$(effective pins cpus)" 2-3
	is "$rt, follow-pins: the memory node is that of the CPUs" "$(effective pins mems)" 1
	ok "$rt, follow-pins: the verdict of verify is hit" verify pins
	ct_delete pins
	ok "$rt, follow-pins: a container with pinned memory nodes is created" np_create $rt createRuntime both \
		-j '.linux.resources.cpu = {cpus: "2-3", mems: "0-1"}' -- /bin/touch-memory
	is "$rt, follow-pins: pinned memory nodes are unchanged" "$(effective both mems)" 0-1
	ct_delete both
	ok "numaplace-$rt, follow-pins: a container pinned to CPUs 4-5 is created" ct_create numaplace-$rt wrap -j '.linux.resources.cpu.cpus = "4-5"' -- /bin/touch-memory
	is "numaplace-$rt, follow-pins: the memory node is that of the CPUs" "$(effective wrap mems)" 2
	ct_delete wrap
done
rm /etc/numaplace/numaplace.conf
done_testing
