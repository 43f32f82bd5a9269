# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR
#
# Memory policies that a cpuset alone cannot give, through numaplace-runtime
# around runc and crun: where pages come to be, how it is recorded, and that none
# is silently strict. Layout: 4x2-pairs. Where the runtime knows linux.memoryPolicy (forky's crun), that is the way taken.

. /tests/memory.sh
mem_setup

# way RT: how the policy is to take effect there.
way() {
	case $1-$($1 --version | head -n 1) in
	crun-*' '1.2[4-9]* | crun-*' '1.[3-9][0-9]* | runc-*' '1.[4-9]*) echo memoryPolicy ;;
	*) echo inherited ;;
	esac
}
# near PART WHOLE PERCENT TOLERANCE: in MiB, whether PART is PERCENT of WHOLE.
near() { [ $(($1 * 100)) -ge $(($2 * ($3 - $4))) ] && [ $(($1 * 100)) -le $(($2 * ($3 + $4))) ]; }
# explained ID: the policy and the way it took effect, as explain says.
explained() { numaplace explain "$1" | sed -n 's/^policy  *//p'; }
# on NODE KIND: MiB
on() { kind "$2" | cut -d' ' -f$(($1 + 1)); }

for rt in runc crun; do
	np=numaplace-$rt
	echo "# $rt: $($rt --version | head -n 1), $(way $rt)" >&3

	# --- passed on
	ok "$np: --version is the runtime's" [ "$($np --version)" = "$($rt --version)" ]
	bundle plain -a something=else -- /bin/touch-memory
	before=$(md5sum < $ct_dir/plain/config.json)
	ok "$np: a container without keys starts" $np run --detach --bundle $ct_dir/plain plain
	is "$np: its config is untouched" "$(md5sum < $ct_dir/plain/config.json)" "$before"
	is "$np: state is passed on" "$($np state plain | jq -r .id)" plain
	$np delete --force plain

	# --- strict, by a bundle that knows no hook
	ok "$np, strict: is created" ct_create $np strict -a limits.cpu=2 -a limits.cpu.nodes=2 -- /bin/touch-memory anon 50
	ok "$np, strict: starts" mem_start strict
	ok "$np, strict: is a hit" verify strict
	is "$np, strict: on its node" "$(kind private)" "0 0 50 0"
	is "$np, strict: by its cpuset" "$(v_of applied)|$(explained strict)" "cpuset|strict, by cpuset"
	is "$np, strict: the hook is in its config once" "$(grep -o 'oci-hook","createRuntime' $ct_dir/strict/config.json | wc -l)" 1
	ct_delete strict
	is "$np, strict: and its end is noted" "$(np_ids)" ""

	# --- interleave
	ok "$np, interleave: is created" ct_create $np inter -a limits.cpu=2 -a limits.cpu.nodes=0,2 \
		-a limits.memory.policy=interleave -- /bin/touch-memory anon 200
	ok "$np, interleave: starts" mem_start inter
	ok "$np, interleave: is a hit" verify inter
	ok "$np, interleave: half on node 0 within 5 % ($(kind private))" near "$(on 0 private)" 200 50 5
	ok "$np, interleave: half on node 2" near "$(on 2 private)" 200 50 5
	is "$np, interleave: the way is said" "$(v_of policy),$(v_of applied)|$(explained inter)" "interleave,$(way $rt)|interleave, by $(way $rt)"
	ct_delete inter

	# --- weighted
	w=/sys/kernel/mm/mempolicy/weighted_interleave
	if [ -e $w/node0 ]; then
		echo 3 > $w/node0
		echo 1 > $w/node1
		ok "$np, weighted: is created" ct_create $np weigh -a limits.cpu=2 -a limits.cpu.nodes=0-1 \
			-a limits.memory.policy=weighted-interleave -- /bin/touch-memory anon 200
		ok "$np, weighted: starts" mem_start weigh
		ok "$np, weighted: is a hit" verify weigh
		ok "$np, weighted: 3 of 4 on node 0 within 10 % ($(kind private))" near "$(on 0 private)" 200 75 10
		ok "$np, weighted: 1 of 4 on node 1" near "$(on 1 private)" 200 25 10
		is "$np, weighted: the way is said" "$(v_of policy),$(v_of applied)|$(explained weigh)" "weighted-interleave,$(way $rt)|weighted-interleave, by $(way $rt)"
		ct_delete weigh
	else
		skip "$np, weighted" "the kernel has no weights"
	fi

	# --- preferred: fills its node, then the nearest one
	ok "$np, preferred: is created" ct_create $np pref -a limits.cpu=1 -a limits.cpu.nodes=2 \
		-a limits.memory.policy=preferred -- /bin/touch-memory anon 100
	ok "$np, preferred: starts" mem_start pref
	ok "$np, preferred: is a hit" verify pref
	is "$np, preferred: on its node first" "$(kind private)" "0 0 100 0"
	# without a policy, pages begin at the node of the CPU, too, and spill the same way
	like "$np, preferred: by a policy of its own" "$(grep anon "/proc/$(ct_pid pref)/numa_maps")" '^[0-9a-f]+ prefer( \(many\))?(=static)?:2 '
	# What is cached of files there would stay, and the node be full with less of ours.
	sync
	echo 1 > /proc/sys/vm/drop_caches
	touch_more pref anon 600
	ok "$np, preferred: outgrows it" touched pref
	ok "$np, preferred: verify does not mind" verify pref
	is "$np, preferred: but says so" "$(v_of verdict)" spilled
	ok "$np, preferred: node 2 is full ($(kind private))" [ "$(on 2 private)" -gt 400 ]
	ok "$np, preferred: and node 3, its near one, has the rest" [ "$(on 3 private)" -gt 50 -a "$(on 0 private)" -lt 10 -a "$(on 1 private)" -lt 10 ]
	is "$np, preferred: the way is said" "$(v_of policy),$(v_of applied)|$(explained pref)" "preferred,$(way $rt)|preferred, by $(way $rt)"
	ct_delete pref

	# --- what a hook alone cannot do
	not_ok "$rt, a hook alone: is refused" np_create $rt createRuntime alone limits.cpu=1 limits.memory.policy=interleave \
		-- /bin/touch-memory
	like "$rt, a hook alone: by name" "$(ct_said alone)" 'limits.memory.policy: "interleave": needs numaplace-runtime'
	ct_delete alone

	# --- a policy that is claimed and not there
	for how in inherited memoryPolicy; do
		not_ok "$rt, $how falsely claimed: is refused" ct_create $rt liar -a limits.cpu=1 -a limits.cpu.nodes=2 \
			-a limits.memory.policy=interleave -h "createRuntime=$np_hook,--mems,2,--applied,$how,createRuntime" \
			-- /bin/touch-memory
		case $how in
		inherited) like "$rt, $how: the kernel was asked" "$(ct_said liar)" \
			'has "default", not "interleave=static:2"' ;;
		*) like "$rt, $how: the config was read" "$(ct_said liar)" 'no such linux.memoryPolicy' ;;
		esac
		ct_delete liar
	done
	not_ok "$rt, claimed by the container: is refused" np_create $rt createRuntime tenant limits.cpu=1 \
		limits.memory.policy=interleave org.numaplace.applied=inherited -- /bin/touch-memory
	ct_delete tenant
	if [ "$(way $rt)" = inherited ]; then
		not_ok "$rt, memoryPolicy that it does not know: is refused" ct_create $rt old -a limits.cpu=1 -a limits.cpu.nodes=2 \
			-a limits.memory.policy=interleave -h "createRuntime=$np_hook,--mems,2,--applied,memoryPolicy,createRuntime" \
			-j '.linux.memoryPolicy = {mode: "MPOL_INTERLEAVE", nodes: "2", flags: ["MPOL_F_STATIC_NODES"]}' \
			-- /bin/touch-memory
		like "$rt, memoryPolicy: its version was asked" "$(ct_said old)" "$rt 1\.[0-9]+ does not know linux.memoryPolicy"
		ct_delete old
	fi

	# --- refused before the runtime is called
	not_ok "$np: what cannot be is refused" ct_create $np big -a limits.memory=9GiB -a limits.memory.policy=interleave \
		-- /bin/touch-memory
	like "$np: with the numbers" "$(ct_said big)" 'limits.memory: 9GiB requested'
	ct_delete big
done

# --- podman's precreate, by hand: config in, config out
bundle pre -a limits.cpu=2 -a limits.cpu.nodes=3 -h "createRuntime=$np_hook,createRuntime" -h "poststop=$np_hook,poststop" \
	-- /bin/touch-memory anon 30
ok "precreate: config in, config out" sh -c "$np_hook precreate < $ct_dir/pre/config.json > $ct_dir/pre/new"
is "precreate: CPUs and memory are resources" "$(jq -c '.linux.resources.cpu' $ct_dir/pre/new)" '{"cpus":"6-7","mems":"3"}'
is "precreate: and annotations" "$(jq -r '.annotations["volatile.cpu.nodes"]' $ct_dir/pre/new)" 3
is "precreate: the rest is what it was, but for our own hooks" "$(jq -S 'del(.linux.resources.cpu, .annotations["volatile.cpu.nodes"],
	.annotations["volatile.memory.nodes"], .hooks[][0].args)' $ct_dir/pre/new)" \
	"$(jq -S 'del(.hooks[][0].args)' $ct_dir/pre/config.json)"
mv $ct_dir/pre/new $ct_dir/pre/config.json
echo crun > $ct_dir/pre/runtime
ok "precreate: the container is created" crun create --bundle $ct_dir/pre --pid-file $ct_dir/pre/pid pre
ok "precreate: starts" mem_start pre
ok "precreate: is a hit" verify pre
is "precreate: on its node" "$(kind private)" "0 0 0 30"
ct_delete pre

# --- follow-pins
mkdir -p /etc/numaplace
echo 'default = follow-pins' > /etc/numaplace/numaplace.conf
for rt in runc crun; do
	ok "$rt, follow-pins: is created" np_create $rt createRuntime pins -j '.linux.resources.cpu.cpus = "2-3"' -- /bin/touch-memory anon 30
	ok "$rt, follow-pins: starts" mem_start pins
	is "$rt, follow-pins: its CPUs are what they were" "$(effective pins cpus)" 2-3
	is "$rt, follow-pins: its memory is theirs" "$(effective pins mems)" 1
	ok "$rt, follow-pins: is a hit" verify pins
	ct_delete pins
	ok "$rt, follow-pins: with mems given" np_create $rt createRuntime both \
		-j '.linux.resources.cpu = {cpus: "2-3", mems: "0-1"}' -- /bin/touch-memory
	is "$rt, follow-pins: that stands" "$(effective both mems)" 0-1
	ct_delete both
	ok "numaplace-$rt, follow-pins: is created" ct_create numaplace-$rt wrap -j '.linux.resources.cpu.cpus = "4-5"' -- /bin/touch-memory
	is "numaplace-$rt, follow-pins: its memory is theirs" "$(effective wrap mems)" 2
	ct_delete wrap
done
rm /etc/numaplace/numaplace.conf
done_testing
