# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR
#
# Tests the harness itself, without numaplace: the kernel shows the requested layout, only cgroup2 is mounted and the root
# delegates cpuset, and runc and crun run containers with a hook whose cpuset is in effect at the first instruction.

# shellcheck source=lib.sh
. /tests/lib.sh
# shellcheck source=containers.sh
. /tests/containers.sh

nodes=/sys/devices/system/node

# every_node: compares each line of the layout with /sys.
every_node() {
	while read -r word n rest; do
		case $word in
		node)
			cpus='' mem=0 huge=''
			for key in $rest; do
				case $key in
				cpus=*) cpus=${key#*=} ;;
				mem=*) mem=${key#*=} ;;
				huge2M=*) huge=${key#*=} ;;
				esac
			done
			is "node $n has CPUs '$cpus'" "$(cat $nodes/node"$n"/cpulist)" "$cpus"
			kib=$(awk '$3 == "MemTotal:" { print $4 }' $nodes/node"$n"/meminfo)
			echo "$kib KiB of $mem"
			# The kernel uses a part of it, most on node 0.
			ok "node $n has about $mem of memory" [ "$((kib / 1024))" -gt "$((${mem%M} * 80 / 100))" \
				-a "$((kib / 1024))" -le "${mem%M}" ]
			[ ! "$huge" ] || is "node $n has $huge hugepages" \
				"$(cat $nodes/node"$n"/hugepages/hugepages-2048kB/free_hugepages)" "$huge"
			;;
		dist)
			# shellcheck disable=SC2086 # two words
			set -- $rest
			is "the distance from node $n to node $1 is $2" "$(cut -d' ' -f$(($1 + 1)) $nodes/node"$n"/distance)" "$2"
			is "the distance from node $1 to node $n is $2" "$(cut -d' ' -f$((n + 1)) $nodes/node"$1"/distance)" "$2"
			;;
		esac
	done < /tests/layout
}

every_node
is "the kernel has as many nodes as the layout" \
	"$(find $nodes/ -maxdepth 1 -name 'node[0-9]*' | wc -l)" "$(grep -c '^node' /tests/layout)"

is "cgroup2 is the only cgroup file system" "$(awk '$3 ~ /^cgroup/ { print $2, $3 }' /proc/mounts)" \
	"/sys/fs/cgroup cgroup2"
like "the root cgroup delegates cpuset" "$(cat /sys/fs/cgroup/cgroup.subtree_control)" '\<cpuset\>'
is "the requested init runs" "$(cat /proc/1/comm)" \
	"$([ "$INIT" = script ] && echo init || echo systemd)"
ok "the root folder belongs to root and has mode 755" [ "$(stat -c %u%a / | tr -d '\n')" = 0755 ]
printf 'kernel %s, up for %s s\n' "$(uname -r)" "$(cut -d' ' -f1 /proc/uptime)" | sed 's/^/# /' >&3

# A hook that saves its input, and pins its container to CPU 0 unless it runs as poststop.
hook=/run/tests/smoke-hook
cat > $hook <<'END'
#!/bin/sh
PATH=/usr/bin:/bin
state=$(cat)
echo "$state" > "/run/tests/smoke-$1"
if [ "$1" != poststop ]; then
	pid=$(echo "$state" | jq .pid)
	cg=/sys/fs/cgroup$(sed -n 's/^0:://p' "/proc/$pid/cgroup")
	echo 0 > "$cg/cpuset.cpus" && echo 0 > "$cg/cpuset.mems"
fi
END
chmod +x $hook

for rt in runc crun; do
	for stage in createRuntime prestart; do
		id=$rt-$stage
		ok "container $id starts" ct_run $rt "$id" -a limits.cpu=1 \
			-h "$stage=$hook,$stage" -h "poststop=$hook,poststop"
		is "container $id: the hook gets the annotations" \
			"$(jq -r '.annotations["limits.cpu"]' /run/tests/smoke-$stage)" 1
		is "container $id: the hook gets the pid" "$(jq .pid /run/tests/smoke-$stage)" "$(ct_pid "$id")"
		is "container $id: its first instruction sees the CPUs that the hook set" "$(ct_seen "$id" Cpus_allowed_list)" 0
		is "container $id: its first instruction sees the memory nodes that the hook set" "$(ct_seen "$id" Mems_allowed_list)" 0
		is "container $id: its cgroup has the CPUs that the hook set" "$(cat "$(ct_cgroup "$id")/cpuset.cpus.effective")" 0
		ok "container $id ends on request" ct_end "$id"
		ct_delete "$id"
		ok "container $id: poststop runs" jq .id /run/tests/smoke-poststop
		rm -f /run/tests/smoke-poststop
	done
	not_ok "$rt: create of a container with a failing hook fails" \
		ct_create $rt $rt-fails -h createRuntime=/bin/false,x
done
done_testing
