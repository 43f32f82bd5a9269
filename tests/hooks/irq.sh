#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# limits.cpu.irq in the hook as a process, with its system call filter: interrupts leave the CPUs of the container, and come
# back at poststop, in a sweep, and after a kill before any system call that changes a file. bench/hook/cell simulates the
# machine and its cgroups, and a folder is mounted over /proc/irq. Real interrupts: tests/vm/guest/55-irq.t.
# shellcheck source=tests/hooks/tap.bash disable=SC2317 # cell calls the functions
. "${0%/*}/tap.bash"

for need in strace unshare jq; do
	command -v "$need" > /dev/null || {
		echo "1..0 # SKIP no $need"
		exit
	}
done
need_cell
[ -d /proc/irq ] || {
	echo '1..0 # SKIP no /proc/irq to mount a folder over'
	exit
}

# Run inside cell, with two nodes of four CPUs.
made() {
	mkdir -p irq/24 irq/25
	echo ff > irq/default_smp_affinity
	echo 0-7 > irq/24/smp_affinity_list
	echo 4-5 > irq/25/smp_affinity_list
	mount --bind irq /proc/irq
	mkdir workqueue
	echo ff > workqueue/cpumask
	[ ! -d /sys/devices/virtual/workqueue ] || mount --bind workqueue /sys/devices/virtual/workqueue
	[ ! -S /dev/log ] || mount --bind /dev/null /dev/log
	for n in 0 1; do
		jq -c '.annotations += {"limits.cpu": "2", "limits.cpu.exclusive": "true", "limits.cpu.irq": "away"}' "keyed-$n" > "away-$n"
	done
}
# Files are emptied when they are opened for writing; those of the kernel are not.
refill() {
	(cd irq && find . -type f -empty -exec cp ../filled/{} {} \;)
	[ -s workqueue/cpumask ] || cp filled-work/cpumask workqueue/cpumask
}
state() { echo "$(cat irq/default_smp_affinity) $(cat irq/24/smp_affinity_list) $(cat irq/25/smp_affinity_list) $(cat workqueue/cpumask) $(ls /run/numaplace/interrupts 2> /dev/null)"; }
hook() { "$BUILD/oci-hook" --conf conf "$1" < "$2"; }
clear() { : > "$CGROUP/c$1/cpuset.cpus" && : > "$CGROUP/c$1/cpuset.mems"; }
whole() {
	made
	hook createRuntime away-0
	echo "started $? $(cat "$CGROUP/c0/cpuset.cpus") $(state)"
	"$BUILD/../numaplace" --json status 2> /dev/null | jq -r '"status \(.containers[0].irq)"'
	hook createRuntime away-1
	echo "two $? $(state)"
	./poststop 0 < away-0
	echo "one left $? $(state)"
	# no poststop: the sweep of the next placement
	printf 'populated 0\nfrozen 0\n' > "$CGROUP/c1/cgroup.events"
	clear 0
	hook createRuntime keyed-0
	echo "swept $? $(state)"
	./poststop 0 < keyed-0
	clear 0
	hook createRuntime away-0
	mount -o remount,bind,ro /proc/irq
	./poststop 0 < away-0
	echo "kept $? $(state)"
	mount -o remount,bind,rw /proc/irq
	clear 1
	printf 'populated 1\nfrozen 0\n' > "$CGROUP/c1/cgroup.events"
	hook createRuntime keyed-1
	echo "restored $? $(state)"
}
refused() {
	made
	mount -o remount,bind,ro /proc/irq
	hook createRuntime away-0
	echo "read-only $? $(ls /run/numaplace 2> /dev/null)"
}
# killed STAGE N CALL: runs the hook and kills it before the Nth call; false if it has made fewer.
killed() {
	rm -rf filled filled-work && cp -a irq filled && cp -a workqueue filled-work
	if strace -o /dev/null -e trace="$3" -e inject="$3:signal=KILL:when=$2" "$BUILD/oci-hook" --conf conf "$1" < away-0 > /dev/null 2>&1; then
		return 1
	fi
	refill
}
kills() {
	local call n stage count=0
	made
	for call in write renameat,renameat2 unlinkat pwrite64; do
		for n in 1 2 3 4 5 6 7 8; do
			for stage in createRuntime poststop; do
				[ $stage = createRuntime ] || hook createRuntime away-0
				[ $stage = createRuntime ] || printf 'populated 0\nfrozen 0\n' > "$CGROUP/c0/cgroup.events"
				killed $stage "$n" $call && count=$((count + 1))
				./poststop 0 < away-0
				clear 0
				[ "$(state)" = 'ff 0-7 4-5 ff ' ] ||
					echo "killed before call $n of $call at $stage: $(state)"
			done
		done
	done
	echo "kills $count"
}
export -f made refill state hook clear whole refused killed kills

NUMBERED=2 "$cell" 2 4 0 bash -c whole > "$tmp/whole" 2> "$tmp/said"
# The folder is mounted only where the kernel shows this affinity.
work() { [ -d /sys/devices/virtual/workqueue ] && echo "$1" || echo ff; }
said() { grep "^$1 " "$tmp/whole" | head -n 1; }
is() { # NAME GOT WANTED
	[ "$2" = "$3" ]
	ok $? "$1" "$2" "not $3" "$(tail -n 5 "$tmp/said")"
}
is 'a container with away: its CPUs have no interrupts' "$(said started)" "started 0 0-1 fc 2-7 4-5 $(work fc) /run/numaplace/interrupts"
is 'status shows the key' "$(said status)" 'status away'
is 'a second one: the CPUs of both have none' "$(said two)" "two 0 cc 2-3,6-7 2-3,6-7 $(work cc) /run/numaplace/interrupts"
is 'poststop of one: its CPUs have interrupts again' "$(said 'one left')" "one left 0 cf 0-3,6-7 0-3,6-7 $(work cf) /run/numaplace/interrupts"
is 'the other one ends without poststop: the next placement restores all' "$(said swept)" 'swept 0 ff 0-7 4-5 ff '
is 'a release that may not write affinities leaves them' "$(said kept)" "kept 0 fc 2-7 4-5 $(work fc) /run/numaplace/interrupts"
is 'and the next placement restores them' "$(said restored)" 'restored 0 ff 0-7 4-5 ff '
NUMBERED=2 "$cell" 2 4 0 bash -c refused > "$tmp/whole" 2> "$tmp/said"
[ "$(said read-only)" = 'read-only 1 ' ] && grep -q 'limits.cpu.irq: "away": /proc/irq cannot be written (Read-only file system)' "$tmp/said"
ok $? 'a read-only /proc/irq: the container is refused, and no state folder is made' "$(said read-only)" "$(tail -n 5 "$tmp/said")"
NUMBERED=2 "$cell" 2 4 0 bash -c kills > "$tmp/whole" 2> "$tmp/said"
wrong=$(grep '^killed' "$tmp/whole")
n=$(said kills)
[ -z "$wrong" ] && [ "${n#kills }" -ge 15 ]
ok $? "killed before any call that changes a file (${n:-none}): all is as before after poststop" "$wrong" "$(tail -n 5 "$tmp/said")"
done_testing
