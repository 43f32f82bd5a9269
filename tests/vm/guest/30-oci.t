# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR
#
# The main thing, under runc and crun, at either stage: 4 CPUs on 4 nodes of 2
# are one near pair, CPUs and memory, from the container's first instruction
# on, and it is recorded wherever one may look for it.
# Layout: 4x2-pairs.

. /tests/lib.sh
. /tests/containers.sh
. /tests/placed.sh

# placed_alone: the hook on /run/tests/state, outside of any runtime.
placed_alone() { strace -o /run/tests/trace $np_hook --timeout 60 createRuntime < /run/tests/state; }

for rt in runc crun; do
	for stage in createRuntime prestart; do
		id=$rt-$stage
		ok "$id: starts" np_run $rt $stage "$id" limits.cpu=4 limits.cpu.nodes=balanced
		cg=$(ct_cgroup "$id")
		case $(slurp "$cg/cpuset.cpus.effective") in
		0-3) nodes=0-1 pair=0,1 cpus=0-3 ;;
		*) nodes=2-3 pair=2,3 cpus=4-7 ;;
		esac
		is "$id: cpuset.cpus.effective is one near pair's" "$(slurp "$cg/cpuset.cpus.effective")" $cpus
		is "$id: cpuset.mems.effective is the same pair" "$(slurp "$cg/cpuset.mems.effective")" $nodes
		is "$id: they are written, not inherited" "$(slurp "$cg/cpuset.cpus") $(slurp "$cg/cpuset.mems")" "$cpus $nodes"
		is "$id: its first instruction saw these CPUs" "$(ct_seen "$id" Cpus_allowed_list)" $cpus
		is "$id: and these memory nodes" "$(ct_seen "$id" Mems_allowed_list)" $nodes
		is "$id: its cgroup carries volatile.cpu.nodes" "$(xattr "$id" cpu)" $pair
		is "$id: and volatile.memory.nodes" "$(xattr "$id" memory)" $pair
		is "$id: status shows it" "$(np_status "$id")" "$pair $cpus $nodes $rt"
		ok "$id: the ledger holds the nodes" grep -rqx "nodes=$nodes" /run/numaplace/containers
		if [ $stage = prestart ]; then
			is "$id: status --json, too" "$(numaplace status --json | jq -c .containers)" \
				"[{\"id\":\"$id\",\"runtime\":\"$rt\",\"cgroup\":\"${cg#/sys/fs/cgroup}\",\"nodes\":\"$pair\",\"cpus\":\"$cpus\",\"mems\":\"$nodes\"}]"
			is "$id: the ledger's folder is private" "$(stat -c %u%a /run/numaplace)" 0700
			# once more for the same container, as a second stage would
			getfattr -d -m - --absolute-names "$cg" > /run/tests/before
			cat "$cg/cpuset.cpus" "$cg/cpuset.mems" /run/numaplace/containers/* >> /run/tests/before
			$rt state "$id" | jq '.annotations = {"limits.cpu": "4"}' > /run/tests/state
			ok "$id: the hook can run again" placed_alone
			getfattr -d -m - --absolute-names "$cg" > /run/tests/after
			cat "$cg/cpuset.cpus" "$cg/cpuset.mems" /run/numaplace/containers/* >> /run/tests/after
			ok "$id: and changes nothing" cmp /run/tests/before /run/tests/after
		fi
		ct_delete "$id"
		is "$id: poststop takes it out of status" "$(np_ids)" ""
	done

	# --- nothing but cat: the very first program, no shell before it; and both stages at once
	ok "$rt, cat as its process: is created" np_create $rt createRuntime cat limits.cpu=2 \
		-h prestart=$np_hook,prestart -- /bin/cat /proc/self/status
	cpus=$(np_cpus cat) mems=$(np_mems cat)
	like "$rt, cat: has one node" "$mems" '^[0-3]$'
	$rt start cat
	eventually ct_gone "$(ct_pid cat)"
	is "$rt, cat: sees its CPUs" "$(sed -n 's/^Cpus_allowed_list:\t//p' $ct_dir/cat/log)" "$cpus"
	is "$rt, cat: and its node" "$(sed -n 's/^Mems_allowed_list:\t//p' $ct_dir/cat/log)" "$mems"
	ct_delete cat

	# --- no key at all
	rm -rf /run/numaplace
	ok "$rt, no key: starts" np_run $rt createRuntime none
	cg=$(ct_cgroup none)
	is "$rt, no key: its cpuset is untouched" "$(slurp "$cg/cpuset.cpus")$(slurp "$cg/cpuset.mems")" ""
	is "$rt, no key: sees all" "$(ct_seen none Cpus_allowed_list) $(ct_seen none Mems_allowed_list)" "0-7 0-3"
	unlike "$rt, no key: carries no record" "$(getfattr -d -m - --absolute-names "$cg")" trusted
	ct_delete none
	not_ok "$rt, no key: no ledger folder was made" [ -e /run/numaplace ]

	# --- the reverse DNS spelling
	ok "$rt, org.numaplace.: starts" np_run $rt createRuntime dns org.numaplace.limits.cpu=2 org.numaplace.limits.cpu.nodes=3
	shows dns 3 6-7 3
	ct_delete dns

	# --- how much a placement asks of this kernel, the machine being known (an emulated CPU's clock is one call more)
	ok "$rt, counted: is created" ct_create $rt counted
	$rt state counted | jq '.annotations = {"limits.cpu": "2"}' > /run/tests/state
	ok "$rt, counted: is placed, under strace" placed_alone
	ok "$rt, counted: in fewer than 155 system calls" \
		[ "$(grep -v '^clock_gettime' /run/tests/trace | grep -c '^[a-z]')" -lt 155 ]
	ct_delete counted
done
done_testing 80
