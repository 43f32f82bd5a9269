# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR
#
# limits.cpu.irq = away: interrupts, the affinity of new ones and unbound workqueues leave the CPUs of an exclusive
# container, and come back when it ends, however it ends. The interrupt is that of the queue of the virtio random number
# generator, which can be moved; those of the disks' queues are managed by the kernel and cannot.
# Layout: 4x2-pairs (two CPUs on each node).
# time limit: 900 s

# shellcheck disable=SC2154 # np_hook: of placed.sh

. /tests/memory.sh
mem_setup
np_syslog
irq=/proc/irq
modprobe -q virtio-rng || :
# The number of the interrupt of a queue of the device with the driver $1.
number_of() {
	for n_path in /sys/bus/virtio/drivers/"$1"/virtio*; do
		sed -n "s/^ *\([0-9]*\):.* ${n_path##*/}-input.*/\1/p" /proc/interrupts | head -n 1
	done
}
rng=$(number_of virtio_rng)
like "the random number generator has an interrupt of its own" "$rng" '^[0-9]+$'
# handled CPU...: how many interrupts of the generator these CPUs have handled.
handled() {
	h_of=" $* "
	awk -v irq="$rng:" -v of="$h_of" '$1 == irq { for (i = 0; i < 8; i++) if (index(of, " " i " ")) n += $(i + 2) } END { print n + 0 }' /proc/interrupts
}
use() { dd if=/dev/hwrng of=/dev/null bs=32 count=40 2> /dev/null; }
of() { slurp $irq/"$rng"/smp_affinity_list; }
# new: the affinity of new interrupts, and that of unbound workqueues.
new() { echo "$(slurp $irq/default_smp_affinity) $(slurp /sys/devices/virtual/workqueue/cpumask)"; }
# all: every affinity, for a comparison.
all() { grep -H . $irq/*/smp_affinity_list $irq/default_smp_affinity /sys/devices/virtual/workqueue/cpumask; }
# as_before WHAT
as_before() {
	all > /run/tests/after
	is "$1: each affinity is as before, and nothing is left in the state folder" \
		"$(diff /run/tests/before /run/tests/after | head -n 4)$(ls /run/numaplace/interrupts 2> /dev/null)" ''
}
keys="limits.cpu=2 limits.cpu.exclusive=true limits.cpu.irq=away"
# start ID NODE [KEY=VALUE...]
start() {
	s_id=$1 s_node=$2
	shift 2
	# shellcheck disable=SC2086 # one word for each key
	np_create crun createRuntime "$s_id" $keys "limits.cpu.nodes=$s_node" "$@" -- /bin/touch-memory && crun start "$s_id"
}

echo 2-3 > $irq/"$rng"/smp_affinity_list
all > /run/tests/before
is "before: the interrupt is on CPUs 2-3, new ones and workqueues are on all CPUs" "$(of)|$(new)" '2-3|ff ff'
n=$(handled 2 3)
use
ok "before: CPUs 2-3 handle it when the device is used" [ "$(handled 2 3)" -gt "$n" ]

# --- away, and back
ok "a container with away on node 1 starts" start one 1
is "the interrupt, new ones and workqueues have the other CPUs" "$(of)|$(new)" '0-1,4-7|f3 f3'
# The kernel moves an interrupt when it next occurs, on its old CPU.
use
n=$(handled 2 3) others=$(handled 0 1 4 5 6 7)
use
is "its CPUs do not handle it any more when the device is used" "$(handled 2 3)" "$n"
ok "others handle it" [ "$(handled 0 1 4 5 6 7)" -gt "$others" ]
is "status shows the key" "$(numaplace --json status | jq -r '.containers[0].irq')" away
like "explain says what was done" "$(numaplace explain one)" 'limits.cpu.irq: '
like "doctor counts it" "$(numaplace --json doctor | jq -r '.checks[] | select(.check == "interrupts").text')" '^[0-9]+ affinities are changed, for 1 containers$'
ok "verify finds no drift" numaplace verify one
ok "a container without the key starts beside it" np_run crun createRuntime plain limits.cpu=1 -- /bin/touch-memory
ct_delete plain
is "a container without the key changes nothing" "$(of)|$(new)" '0-1,4-7|f3 f3'
echo 3 > $irq/"$rng"/smp_affinity_list
not_ok "verify fails if another program has moved the interrupt back" numaplace verify one
like "and names it" "$(numaplace verify one)" "interrupts $rng on its CPUs"
echo 0-1,4-7 > $irq/"$rng"/smp_affinity_list
ok "a move to node 2 succeeds" numaplace move one 2
is "the interrupt follows: it is kept from the new CPUs alone" "$(of)|$(new)" '2-3|cf cf'
ok "a resize to none succeeds" numaplace resize one limits.cpu.irq=none
as_before "after a resize to none"
ok "a resize to away succeeds" numaplace resize one limits.cpu.irq=away limits.cpu.exclusive=isolated
is "its isolated CPUs, on node 1 again, are left, too" "$(of)|$(new)" '0-1,4-7|f3 f3'
ct_delete one
as_before "after its end"
n=$(handled 2 3)
use
ok "after its end, CPUs 2-3 handle it again when the device is used" [ "$(handled 2 3)" -gt "$n" ]

# --- two, in each order
for order in 'a b a b' 'a b b a' 'b a a b' 'b a b a'; do
	# shellcheck disable=SC2086 # four words
	set -- $order
	for id in "$1" "$2"; do
		start "$id" "$([ "$id" = a ] && echo 1 || echo 2)" || fail "order $order: $id starts"
	done
	is "order $order: the CPUs of both are left" "$(of)|$(new)" '0-1,6-7|c3 c3'
	ct_delete "$3"
	is "order $order: the CPUs of $3 have interrupts again" "$(of)|$(new)" \
		"$([ "$3" = a ] && echo '2-3|cf cf' || echo '0-1,4-7|f3 f3')"
	ct_delete "$4"
	as_before "order $order"
done

# --- the container is killed, without a poststop
ok "killed: a container starts" start gone 1
pid=$(ct_pid gone)
cg=$(ct_cgroup gone)
kill -KILL "$pid"
eventually ct_gone "$pid"
like "killed: doctor names affinities that are not restored" "$(numaplace --json doctor | jq -r '.checks[] | select(.check == "interrupts").text')" 'not restored'
ok "killed: the next container starts" np_run crun createRuntime next limits.cpu=1 -- /bin/touch-memory
as_before "killed, after the next start"
ct_delete next gone
[ ! -d "$cg" ] || find "$cg" -depth -type d -exec rmdir {} +

# --- a user's own container
printf '{"ociVersion":"1.0.2","id":"k","pid":%d,"status":"creating","annotations":{"limits.cpu":"2","limits.cpu.exclusive":"true","limits.cpu.irq":"away"}}' $$ > /run/tests/k.state
chmod 644 /run/tests/k.state
said=$(setpriv --reuid 1000 --regid 1000 --clear-groups "$np_hook" createRuntime < /run/tests/k.state 2>&1)
like "the container of a user without the right to write affinities is refused" "$said" 'limits.cpu.irq: "away": /proc/irq cannot be written'

# --- the hook is killed before its system calls
# hook STAGE [COMMAND...]: runs the hook for the process $pid.
hook() {
	printf '{"ociVersion":"1.0.2","id":"k","pid":%d,"status":"creating","annotations":{"limits.cpu":"2","limits.cpu.exclusive":"true","limits.cpu.nodes":"1","limits.cpu.irq":"away"}}' \
		"$pid" > /run/tests/k.state
	h_stage=$1
	shift
	"$@" "$np_hook" --timeout 60 "$h_stage" < /run/tests/k.state > /dev/null 2>&1
}
killed() { ! hook "$1" strace -o /dev/null -e trace="$3" -e inject="$3:signal=KILL:when=$2"; }
kills=0
for call in write renameat unlinkat; do
	for n in 1 2 3 5 8 13 21; do
		mkdir -p /sys/fs/cgroup/k
		busybox sleep 10000 &
		pid=$!
		echo $pid > /sys/fs/cgroup/k/cgroup.procs
		! killed createRuntime $n $call || kills=$((kills + 1))
		if [ $((n % 2)) = 0 ]; then
			hook createRuntime || fail "killed before call $n of $call: the next hook succeeds"
			[ "$(of)|$(new)" = '0-1,4-7|f3 f3' ] || fail "killed before call $n of $call: the next hook completes it" "$(of)|$(new)"
		fi
		kill -KILL $pid
		wait $pid
		eventually rmdir /sys/fs/cgroup/k
		pid=0
		! killed poststop $n $call || kills=$((kills + 1))
		hook poststop
		all > /run/tests/after
		cmp -s /run/tests/before /run/tests/after && [ ! -e /run/numaplace/interrupts ] ||
			fail "killed before call $n of $call: each affinity comes back" "$(diff /run/tests/before /run/tests/after | head -n 4)"
	done
done
ok "hooks were killed before $kills of their system calls" [ $kills -ge 10 ]
as_before "after all kills"

# --- near
# pci DRIVER: the address of the first device with this driver of virtio.
pci() { basename "$(readlink -f "$(find /sys/bus/virtio/drivers/"$1"/virtio* -maxdepth 0 | head -n 1)/..")"; }
near() { np_run crun createRuntime near limits.cpu=2 limits.cpu.irq=near limits.cpu.nodes=3 limits.cpu.device="$(pci "$1")" -- /bin/touch-memory; }
ok "near: a container that names the generator starts on node 3" near virtio_rng
is "near: its interrupt is on the CPUs of the container, new ones and workqueues stay" "$(of)|$(new)" '6-7|ff ff'
use
n=$(handled 6 7)
use
ok "near: they handle it when the device is used" [ "$(handled 6 7)" -gt "$n" ]
ct_delete near
as_before "near, at its end"
ok "near: a container that names a disk starts" near virtio_blk
like "near: explain says that interrupts of its queues, which the kernel manages, stay" "$(numaplace explain near)" \
	'limits.cpu.irq: interrupts that stay, because the kernel or their driver binds them to CPUs: [1-9]'
ct_delete near
as_before "near with a disk, at its end"
done_testing
