# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR
#
# The main function, under runc and crun, at both stages: on 4 nodes of 2 CPUs, a container of 4 CPUs gets the CPUs and
# memory of one near pair before its first instruction, and all records show it.
# Layout: 4x2-pairs.

. /tests/lib.sh
. /tests/containers.sh
. /tests/placed.sh

# placed_alone: runs the hook on /run/tests/state, without a runtime.
placed_alone() { strace -o /run/tests/trace $np_hook --timeout 60 createRuntime < /run/tests/state; }

for rt in runc crun; do
	for stage in createRuntime prestart; do
		id=$rt-$stage
		ok "container $id starts" np_run $rt $stage "$id" limits.cpu=4 limits.cpu.nodes=balanced
		cg=$(ct_cgroup "$id")
		case $(slurp "$cg/cpuset.cpus.effective") in
		0-3) nodes=0-1 pair=0,1 cpus=0-3 ;;
		*) nodes=2-3 pair=2,3 cpus=4-7 ;;
		esac
		is "container $id: cpuset.cpus.effective has the CPUs of one near pair" "$(slurp "$cg/cpuset.cpus.effective")" $cpus
		is "container $id: cpuset.mems.effective has the same pair" "$(slurp "$cg/cpuset.mems.effective")" $nodes
		is "container $id: cpuset.cpus and cpuset.mems are written, not inherited" "$(slurp "$cg/cpuset.cpus") $(slurp "$cg/cpuset.mems")" "$cpus $nodes"
		is "container $id: its first instruction sees the CPUs of the pair" "$(ct_seen "$id" Cpus_allowed_list)" $cpus
		is "container $id: its first instruction sees the memory nodes of the pair" "$(ct_seen "$id" Mems_allowed_list)" $nodes
		is "container $id: its cgroup has the xattr volatile.cpu.nodes" "$(xattr "$id" cpu)" $pair
		is "container $id: its cgroup has the xattr volatile.memory.nodes" "$(xattr "$id" memory)" $pair
		is "container $id: status shows its placement" "$(np_status "$id")" "$pair $cpus $nodes $rt"
		ok "container $id: its record in the ledger has the nodes" grep -rqx "nodes=$nodes" /run/numaplace/containers
		if [ $stage = prestart ]; then
			is "container $id: status --json shows its placement" "$(numaplace status --json | jq -c .containers)" \
				"[{\"id\":\"$id\",\"runtime\":\"$rt\",\"cgroup\":\"${cg#/sys/fs/cgroup}\",\"nodes\":\"$pair\",\"cpus\":\"$cpus\",\"mems\":\"$nodes\"}]"
			is "container $id: the state folder has mode 700" "$(stat -c %u%a /run/numaplace)" 0700
			# Runs the hook again for the same container, as a second stage would.
			getfattr -d -m - --absolute-names "$cg" > /run/tests/before
			cat "$cg/cpuset.cpus" "$cg/cpuset.mems" /run/numaplace/containers/* >> /run/tests/before
			$rt state "$id" | jq '.annotations = {"limits.cpu": "4"}' > /run/tests/state
			ok "container $id: a second run of the hook succeeds" placed_alone
			getfattr -d -m - --absolute-names "$cg" > /run/tests/after
			cat "$cg/cpuset.cpus" "$cg/cpuset.mems" /run/numaplace/containers/* >> /run/tests/after
			ok "container $id: a second run of the hook changes no xattr, cpuset or record" cmp /run/tests/before /run/tests/after
		fi
		ct_delete "$id"
		is "container $id: poststop removes it from status" "$(np_ids)" ""
	done

	# --- cat is the first program of the container, without a shell; the hook runs at both stages
	ok "$rt: a container whose process is cat is created" np_create $rt createRuntime cat limits.cpu=2 \
		-h prestart=$np_hook,prestart -- /bin/cat /proc/self/status
	cpus=$(np_cpus cat) mems=$(np_mems cat)
	like "$rt: the container of cat gets one memory node" "$mems" '^[0-3]$'
	$rt start cat
	eventually ct_gone "$(ct_pid cat)"
	is "$rt: cat sees the CPUs of its placement" "$(sed -n 's/^Cpus_allowed_list:\t//p' $ct_dir/cat/log)" "$cpus"
	is "$rt: cat sees the memory node of its placement" "$(sed -n 's/^Mems_allowed_list:\t//p' $ct_dir/cat/log)" "$mems"
	ct_delete cat

	# --- no key at all
	rm -rf /run/numaplace
	ok "$rt: a container without keys starts" np_run $rt createRuntime none
	cg=$(ct_cgroup none)
	is "$rt: the cpuset of a container without keys is unchanged" "$(slurp "$cg/cpuset.cpus")$(slurp "$cg/cpuset.mems")" ""
	is "$rt: a container without keys sees all CPUs and nodes" "$(ct_seen none Cpus_allowed_list) $(ct_seen none Mems_allowed_list)" "0-7 0-3"
	unlike "$rt: the cgroup of a container without keys has no mark" "$(getfattr -d -m - --absolute-names "$cg")" trusted
	ct_delete none
	not_ok "$rt: a container without keys makes no state folder" [ -e /run/numaplace ]

	# --- the reverse DNS spelling
	ok "$rt: a container with org.numaplace.limits.cpu starts" np_run $rt createRuntime dns org.numaplace.limits.cpu=2 org.numaplace.limits.cpu.nodes=3
	shows dns 3 6-7 3
	ct_delete dns

	# --- the system calls of a placement when the topology is cached (an emulated CPU needs one more, for the clock)
	ok "$rt: the container whose system calls are counted is created" ct_create $rt counted
	$rt state counted | jq '.annotations = {"limits.cpu": "2"}' > /run/tests/state
	ok "$rt: the hook places the container under strace" placed_alone
	ok "$rt: a placement makes fewer than 155 system calls" \
		[ "$(grep -v '^clock_gettime' /run/tests/trace | grep -c '^[a-z]')" -lt 155 ]
	ct_delete counted
done
# --- the place in the environment of the process
ok "numaplace-runtime: a container is created" ct_create numaplace-runtime told -a limits.cpu=4 -a limits.cpu.nodes=balanced \
	-j '.process.env += ["NUMAPLACE_NODES=of the image"]' \
	-- /bin/sh -c 'env | grep ^NUMAPLACE | sort > /out/env; grep allowed_list /proc/self/status > /out/status'
runc start told
eventually ct_gone "$(ct_pid told)"
cpus=$(ct_seen told Cpus_allowed_list) nodes=$(ct_seen told Mems_allowed_list)
like "numaplace-runtime: the process sees the CPUs of a pair" "$cpus" '^(0-3|4-7)$'
is "numaplace-runtime: the environment of the process has the CPUs and nodes that the kernel gives it" "$(xargs < $ct_dir/told/env)" \
	"NUMAPLACE_CPUS=$cpus NUMAPLACE_MEMORY_NODES=$(echo "$nodes" | tr - ,) NUMAPLACE_NODES=$(echo "$nodes" | tr - ,)"
ct_delete told
done_testing 83
