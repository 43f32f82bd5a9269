#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# numaplace-nri with a made runtime (nri-drive.c), on the machine and the cgroups of bench/hook/cell: a place is reserved, the
# hook in the spec applies it when the plugin is killed between, and refuses a container whose reservation is lost.
# shellcheck source=tests/hooks/tap.bash disable=SC2317 # functions for cell to call
. "${0%/*}/tap.bash"

need_cell

# ask WORD...: a command for nri-drive; its answer is in $answer.
ask() {
	echo "$*" >&"${plugin[1]}"
	read -r -t 90 answer <&"${plugin[0]}" || answer='no answer'
}
# hook N ID: runs the hook of the last answer of create, as a runtime does for the container ID in the cgroup c$N.
hook() {
	local pid
	read -r pid < "$CGROUP/c$1/cgroup.procs"
	printf '{"ociVersion":"1.0.2","id":"%s","pid":%d,"status":"creating","bundle":"/","annotations":{}}' "$2" "$pid" |
		$hook_command > "$tmp/hook.out" 2>&1
	hook_status=$?
}
cpuset() { echo "$(cat "$CGROUP/c$1/cpuset.cpus") $(cat "$CGROUP/c$1/cpuset.mems")"; }
marked() { "$BUILD/stage" marked "$CGROUP/c$1"; }
records() { "$BUILD/../numaplace" --json status | jq -r '.containers | length'; }

placed() {
	local group=${CGROUP#/sys/fs/cgroup} pid place hook_command hook_status
	coproc plugin { exec "$BUILD/../nri-drive" "$BUILD/numaplace-nri" --conf conf 2> "$tmp/said"; }

	mount -t tmpfs none /sys/dev
	mkdir -p /sys/dev/block/259:0
	echo DEVNAME=nvme0n1 > /sys/dev/block/259:0/uevent
	echo 2 > /sys/dev/block/259:0/numa_node
	ask create disk p6 "$group/c2" limits.cpu=1 disk=259
	place=$answer
	[[ $answer == [45]' 2 '*' --reserved '* ]]
	ok $? 'a container with a disk is placed on the node of the disk' "$answer" "$(cat "$tmp/said")"
	[[ $("$BUILD/../numaplace" explain disk) == *"near nvme0n1 (node 2), found in the container's configuration"* ]]
	ok $? 'explain names the disk'
	ask remove disk p6

	ask create first p10 "$group/c2" limits.cpu=1 limits.cpu.nodes=0
	ask create near p10 "$group/c2" limits.cpu=1 disk=259
	[[ $answer == [45]' 2 '* ]]
	ok $? 'a container with a disk leaves the home of its pod for the node of the disk' "$answer"
	ask remove near p10
	ask create near p10 "$group/c2" limits.cpu=1 limits.cpu.device=require:auto disk=259
	[[ $answer == [45]' 2 '* ]]
	ok $? 'so does one that requires that node' "$answer"
	ask remove near p10
	ask create at-home p10 "$group/c2" limits.cpu=1 limits.cpu.device=none disk=259
	[[ $answer == 1' 0 '* ]]
	ok $? 'one whose devices do not count stays' "$answer"
	ask remove at-home p10
	ask create at-home p10 "$group/c2" limits.cpu=1
	[[ $answer == 1' 0 '* ]]
	ok $? 'the home stays where it was' "$answer"
	ask remove at-home p10
	ask remove first p10
	# Node 0 would be as good as the home.
	ask create full p11 "$group/c2" limits.cpu=2 limits.cpu.nodes=2
	ask create half p11 "$group/c2" limits.cpu=1 limits.cpu.nodes=0
	ask create first p13 "$group/c2" limits.cpu=1 limits.cpu.nodes=3
	ask create near p13 "$group/c2" limits.cpu=1 disk=259
	[[ $answer == 7' 3 '* ]]
	ok $? 'a container stays at home if the node of the disk is full' "$answer"
	ask remove near p13
	ask remove first p13
	ask remove full p11
	ask remove half p11
	ask create first p12 "$group/c2" limits.cpu.nodes=balanced cpus=1 pod.cpus=2
	place=${answer% /*}
	ask create near p12 "$group/c2" limits.cpu.nodes=balanced cpus=1 pod.cpus=2 disk=259
	[[ $place != *' 2' && $answer == [45]' 2 '* ]]
	ok $? 'a place for the whole pod is a home that a container with a disk leaves, too' "$place" "$answer"
	ask remove near p12
	ask remove first p12

	ask create keyless p7 "$group/c2" disk=259
	[ "$answer" = nothing ]
	ok $? 'a container with a disk and without a key is left alone' "$answer"
	ask create variable p8 "$group/c2" NUMAPLACE_LIMITS_CPU=1
	[[ $answer == [0-7]' '[0-3]' '*' --reserved '* ]]
	ok $? 'a container with a key in its environment is placed' "$answer"
	ask remove variable p8
	ask create variable p9 "$group/c2" NUMAPLACE_LIMITS_CPU=1 limits.cpu=2
	[[ $answer == 'error '*'limits.cpu is "2" but NUMAPLACE_LIMITS_CPU is "1"' ]]
	ok $? 'a key in its environment that differs from an annotation of its pod refuses it' "$answer"

	ask create web p1 "$group/c0" limits.cpu=2
	place=${answer% /*} hook_command=/${answer#* /}
	[[ $answer == '0-1 0 '*/oci-hook' --reserved --conf conf createRuntime' ]]
	ok $? 'the answer to CreateContainer has a place and the hook' "$answer"
	[ "$(cpuset 0) $(records)" = '  1' ] && [ "$(marked 0)" = '' ]
	ok $? 'the place is reserved, and the cgroup unchanged' "$(cpuset 0) $(records)"
	ask restart web p1
	[ "$answer $(records)" = 'launched 1' ]
	ok $? 'a plugin that was killed then keeps the reservation of a container that the runtime knows' "$answer $(records)"
	hook 0 web
	[ "$hook_status" = 0 ] && [ "$(cpuset 0)" = "$place" ] && [ "$(marked 0)" = web ]
	ok $? 'the hook writes the reserved place and marks the cgroup' "$(cat "$tmp/hook.out")" "$(cpuset 0)"
	hook 0 web
	[ "$hook_status" = 0 ] && [ "$(records)" = 1 ]
	ok $? 'a second call of the hook finds the container placed' "$(cat "$tmp/hook.out")"
	read -r pid < "$CGROUP/c0/cgroup.procs"
	ask start web p1 "$group/c0" "$pid" limits.cpu=2
	[ "$answer $(records) $(cpuset 0)" = "nothing 1 $place" ]
	ok $? 'so does the plugin at StartContainer' "$answer $(records) $(cpuset 0)"

	# As a move ends; see place/move-journal.h.
	: > "/run/numaplace/moving-$(stat -c %i "$CGROUP/c0")"
	rm /run/numaplace/moving-*
	ask update no-reason
	[ "$answer" = "web $place" ]
	ok $? 'after a move, the plugin asks the runtime to update the container' "$answer"
	: > "/run/numaplace/moving-$(stat -c %i "$CGROUP/c0")"
	rm /run/numaplace/moving-*
	ask update
	[ "$answer" = "web $place" ] && grep -q 'the runtime has not updated a container that was moved: no-reason$' "$tmp/said"
	ok $? 'if the runtime refuses that, the plugin says so and goes on' "$answer" "$(cat "$tmp/said")"
	# What the plugin has sent before it answers has arrived with the answer.
	ask start web p1 "$group/c0" "$pid" limits.cpu=2
	ask start web p1 "$group/c0" "$pid" limits.cpu=2
	ask pending
	[ "$answer" = 0 ]
	ok $? 'the plugin reports each move once' "$answer requests"
	ask restart web p1
	ask update
	[ "$answer" = "web $place" ]
	ok $? 'after a connection, it does so for a container that has another place in its spec' "$answer"

	ask create db p2 "$group/c1" limits.cpu=2
	ask restart
	[ "$answer $(records)" = 'launched 1' ]
	ok $? 'a new plugin drops the reservation of a container that the runtime does not know' "$answer $(records)"
	hook 1 db
	[ "$hook_status" = 1 ] &&
		[ "$(cat "$tmp/hook.out")" = 'numaplace: container db: the ledger has no place that is reserved for it' ]
	ok $? 'the hook refuses that container' "$(cat "$tmp/hook.out")"
	[ "$(cpuset 1)" = ' ' ] && [ "$(marked 1)" = '' ]
	ok $? 'its cgroup is unchanged' "$(cpuset 1)"

	rm -r /run/numaplace
	ask restart web p1
	[ "$answer $(records)" = 'launched 1' ]
	ok $? 'a new plugin finds the running container if the ledger is lost' "$answer $(records)"

	ask create web1 p3 "$group/elsewhere" limits.cpu=2
	place=${answer% /*}
	hook 1 web1
	[ "$hook_status $(records)" = '1 2' ]
	ok $? 'the hook refuses a container with the same id in another cgroup' "$(cat "$tmp/hook.out")"
	"$BUILD/oci-hook" --conf conf createRuntime < keyed-1 2> "$tmp/hook.out"
	ok $? 'if it requests a placement itself, it is placed' "$(cat "$tmp/hook.out")"
	[ "$(records) $(marked 1)" = '3 web1' ] && [ "$(cpuset 1)" != "$place" ]
	ok $? 'and does not use the reservation' "$(records) $(marked 1) $(cpuset 1)" "$place"
	ask remove web1 p3
	[ "$answer $(records)" = 'nothing 2' ]
	ok $? 'which is released when its own container is removed' "$answer $(records)"

	ask create big p4 "$group/c2" limits.cpu.nodes=balanced memory=1048576 pod.memory=1099511627776
	[[ $answer == 'error numaplace: container big: the containers of its pod together: limits.memory: 1TiB requested, '* ]]
	ok $? 'the first container of a pod that does not fit is refused' "$answer"
	ask create small p4 "$group/c2" limits.cpu.nodes=balanced memory=1048576 pod.memory=2097152
	[[ $answer == *' --reserved '* ]]
	ok $? 'that of a pod that fits is placed' "$answer"
	ask create more p4 "$group/c2" limits.cpu.nodes=balanced memory=1048576 pod.memory=1099511627776
	[[ $answer == *' --reserved '* ]]
	ok $? 'the other containers of a pod are not checked for the whole pod again' "$answer"

	local us before lost=0 wrong=0 words=''
	ask restart
	before=$(records)
	for us in $(seq 0 25 1000); do
		ask kill "$us" create killed p5 "$group/c3" limits.cpu=1
		[ "$answer" = launched ] && [ "$(records)" = "$before" ] || lost=$((lost + 1))
	done
	[ "$lost" = 0 ]
	ok $? 'a plugin that is killed in CreateContainer leaves no reservation of a container that was not created' "$lost times"
	ask create killed p5 "$group/c2" limits.cpu=1
	place=${answer% /*}
	read -r pid < "$CGROUP/c2/cgroup.procs"
	for us in $(seq 0 25 1000); do
		ask kill "$us" start killed p5 "$group/c2" "$pid" limits.cpu=1
		ask start killed p5 "$group/c2" "$pid" limits.cpu=1
		[ "$answer $(records) $(cpuset 2)" = "nothing $((before + 1)) $place" ] || wrong=$((wrong + 1))
	done
	[ "$wrong" = 0 ]
	ok $? 'a plugin that is killed in StartContainer completes the placement when it is asked again' "$answer" "$(records) $(cpuset 2)"

	before=$(records)
	for us in $(seq 200); do
		ask create "many$us" "pod$((us / 2))" "$group/many$us" limits.cpu=1 limits.memory=1MiB
		[[ $answer == *' --reserved '* ]] && words+=" many$us pod$((us / 2))"
	done
	ask restart "$words"
	[ "$answer $(records)" = "launched $((before + 200))" ]
	ok $? '200 containers are reserved, and stay so when the plugin is killed' "$answer $(records)"
	done_testing
}
export -f placed ask hook cpuset marked records ok done_testing
export tmp

NUMBERED=3 "$cell" 4 2 0 bash -c 'tests=0 failures=0; placed'
