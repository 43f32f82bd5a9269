# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR
#
# The harness itself, without numaplace: the kernel shows the layout that was
# asked for, cgroup2 is pure and delegates cpuset, and runc and crun run a
# container with hooks whose cpuset is in force at its first instruction.

# shellcheck source=lib.sh
. /tests/lib.sh
# shellcheck source=containers.sh
. /tests/containers.sh

nodes=/sys/devices/system/node

# every_node: what the layout's lines say, each held against /sys.
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
			# The kernel keeps a part of it to itself, most of all on node 0.
			ok "node $n has about $mem" [ "$((kib / 1024))" -gt "$((${mem%M} * 80 / 100))" \
				-a "$((kib / 1024))" -le "${mem%M}" ]
			[ ! "$huge" ] || is "node $n has $huge hugepages" \
				"$(cat $nodes/node"$n"/hugepages/hugepages-2048kB/free_hugepages)" "$huge"
			;;
		dist)
			# shellcheck disable=SC2086 # two words
			set -- $rest
			is "distance $n to $1" "$(cut -d' ' -f$(($1 + 1)) $nodes/node"$n"/distance)" "$2"
			is "distance $1 to $n" "$(cut -d' ' -f$((n + 1)) $nodes/node"$1"/distance)" "$2"
			;;
		esac
	done < /tests/layout
}

every_node
is "as many nodes as the layout has" \
	"$(find $nodes/ -maxdepth 1 -name 'node[0-9]*' | wc -l)" "$(grep -c '^node' /tests/layout)"

is "cgroup2 is the only cgroup" "$(awk '$3 ~ /^cgroup/ { print $2, $3 }' /proc/mounts)" \
	"/sys/fs/cgroup cgroup2"
like "cpuset is delegated by the root" "$(cat /sys/fs/cgroup/cgroup.subtree_control)" '\<cpuset\>'
is "it is the init that was asked for" "$(cat /proc/1/comm)" \
	"$([ "$INIT" = script ] && echo init || echo systemd)"
ok "the payload's owner and modes are sane" [ "$(stat -c %u%a / | tr -d '\n')" = 0755 ]
printf 'kernel %s, up for %s s\n' "$(uname -r)" "$(cut -d' ' -f1 /proc/uptime)" | sed 's/^/# /' >&3

# A hook: keeps what it was given, and as createRuntime pins its container to CPU 0.
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
		ok "$id: starts" ct_run $rt "$id" -a limits.cpu=1 \
			-h "$stage=$hook,$stage" -h "poststop=$hook,poststop"
		is "$id: the hook had the annotations" \
			"$(jq -r '.annotations["limits.cpu"]' /run/tests/smoke-$stage)" 1
		is "$id: the hook had the pid" "$(jq .pid /run/tests/smoke-$stage)" "$(ct_pid "$id")"
		is "$id: its first instruction saw the hook's CPUs" "$(ct_seen "$id" Cpus_allowed_list)" 0
		is "$id: and memory nodes" "$(ct_seen "$id" Mems_allowed_list)" 0
		is "$id: cgroup says so too" "$(cat "$(ct_cgroup "$id")/cpuset.cpus.effective")" 0
		ok "$id: ends when told" ct_end "$id"
		ct_delete "$id"
		ok "$id: poststop ran" jq .id /run/tests/smoke-poststop
		rm -f /run/tests/smoke-poststop
	done
	not_ok "$rt: a failing hook stops the container" \
		ct_create $rt $rt-fails -h createRuntime=/bin/false,x
done
done_testing
