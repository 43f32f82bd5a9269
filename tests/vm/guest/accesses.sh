# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR disable=SC2013,SC2034,SC2154
#
# Plays scenarios: starts containers of guest/src/walk.c in one of several ways, lets them read their memory at the same
# time, and counts where each access goes. For guests whose QEMU has the plugin accesses.c (boot).
#
# A scenario is a text file with one step in each line; MIB are sizes in MiB:
#	start NAME CPUS MIB HAND_CPUS HAND_MEMS	a container with that many threads; the last two are the pins by hand
#	stop NAME				stops it
#	cache NODE MIB				that much page cache on the node
#	full NODE MIB				a process outside of containers leaves only that much free memory on the node
# A line of # is a comment; "layout L" names the layout of the guest. After the last step, all containers that run read,
# in several rounds.

. /tests/lib.sh
. /tests/lxc.sh
. /tests/containers.sh
. /tests/placed.sh

ac_dir=/run/tests/accesses
# The reads of each thread in one round, and the rounds. The scheduler moves threads from time to time, so one round shows
# more of its luck than of the placement.
ac_reads=20000 ac_rounds=10

# ac_setup: tells the plugin the CPUs and the memory of each node; once in each guest.
ac_setup() {
	trap 'ac_end; ct_delete_all; lx_end' EXIT
	mkdir -p $ac_dir
	for ac_p in /sys/class/virtio-ports/*; do
		[ "$(cat "$ac_p/name")" != accesses ] || exec 4< "/dev/${ac_p##*/}"
	done
	ct_setup
	lx_setup
	for ac_p in "$ct_root" "$lx_root"; do
		cp /tests/bin/walk "$ac_p/bin/"
	done
	# What the rest needs to know of the machine: "cpu CPU NODE" and "distance NODE NODE N".
	for ac_n in /sys/devices/system/node/node[0-9]*; do
		ac_node=${ac_n##*/node}
		for ac_c in "$ac_n"/cpu[0-9]*; do
			[ ! -e "$ac_c" ] || echo "cpu ${ac_c##*/cpu} $ac_node"
		done
		ac_to=0
		for ac_d in $(cat "$ac_n/distance"); do
			echo "distance $ac_node $ac_to $ac_d"
			ac_to=$((ac_to + 1))
		done
	done > $ac_dir/machine
	/tests/bin/walk machine
}

# ac_report FILE: the counters of the plugin, as lines "WINDOW CPU NODE ACCESSES".
ac_report() {
	/tests/bin/walk report
	while read -r ac_line <&4 && [ "$ac_line" != end ]; do
		echo "$ac_line"
	done > "$1"
}

# ac_shares FILE EXPECTED: "LOCAL NEAR FAR LATENCY BUSIEST" of the accesses in FILE: their shares in percent; the mean
# distance relative to local; the share of the node with most accesses. Near is a distance below 20. Fails if the number of
# accesses is not EXPECTED, or if the CPU or node of one is unknown.
ac_shares() {
	awk -v expected="$2" '
	FNR == NR { if ($1 == "cpu") node[$2] = $3; else distance[$2, $3] = $4; next }
	{
		all += $4; at[$3] += $4
		d = distance[node[$2], $3]
		if (!d) unknown += $4
		if (node[$2] == $3) local += $4; else if (d < 20) near += $4; else far += $4
		sum += d * $4
	}
	END {
		if (unknown || all != expected) {
			printf "the plugin counted %d accesses, of them %d with unknown CPU or node, and not %d\n", all, unknown, expected
			exit 1
		}
		for (n in at) if (at[n] > most) most = at[n]
		printf "%.1f %.1f %.1f %.4f %.1f\n", 100 * local / all, 100 * near / all, 100 * far / all,
			sum / all / distance[0, 0], 100 * most / all
	}' $ac_dir/machine "$1"
}

# --- the ways. Each gets: ID CPUS MIB HAND_CPUS HAND_MEMS, then the command of the container. Those without numaplace use
# crun, which takes the least time under emulation.
ac_pins() { echo ".linux.resources.cpu = {cpus: \"$1\"${2:+, mems: \"$2\"}}"; }
# shellcheck disable=SC2317 # called by name
{
	ac_start_nothing() {
		ac_i=$1
		shift 5
		ct_create crun "$ac_i" -- "$@"
	}
	# The lowest CPUs that no container of the scenario has, and no memory nodes.
	ac_start_cpus() {
		ac_i=$1 ac_list=$(ac_free_cpus "$2")
		shift 5
		echo "$ac_list" > "$ac_dir/cpus-$ac_i"
		ct_create crun "$ac_i" -j "$(ac_pins "$ac_list")" -- "$@"
	}
	ac_start_hand() {
		ac_i=$1 ac_p=$(ac_pins "$4" "$5")
		shift 5
		ct_create crun "$ac_i" -j "$ac_p" -- "$@"
	}
	# From the plan that the program kubelet made of the whole scenario: "NAME CPUS MEMS", or "NAME refused".
	ac_start_kubelet() {
		ac_i=$1
		ac_p=$(sed -n "s/^${1##*-} //p" $ac_dir/kubelet)
		shift 5
		[ "$ac_p" != refused ] || { echo "the kubelet's rule refuses it"; return 1; }
		ct_create crun "$ac_i" -j "$(ac_pins "${ac_p% *}" "${ac_p#* }")" -- "$@"
	}
	ac_start_runc() { ac_numaplace runc "$@"; }
	ac_start_crun() { ac_numaplace crun "$@"; }
	ac_start_lxc() {
		ac_i=$1 ac_k=$2 ac_m=$3
		shift 5
		lx_make "$ac_i" "limits.cpu = $ac_k" "limits.memory = ${ac_m}MiB" "lxc.init.cmd = $*"
		mkfifo "$lx_out/$ac_i/ready" "$lx_out/$ac_i/go"
		timeout 180 lxc-start -n "$ac_i" -o "$lx_out/$ac_i.log" || { cat "$lx_out/$ac_i.log"; return 1; }
	}
}
ac_numaplace() {
	ac_rt=$1 ac_i=$2 ac_k=$3 ac_m=$4
	shift 6
	np_create "$ac_rt" createRuntime "$ac_i" "limits.cpu=$ac_k" "limits.memory=${ac_m}MiB" -- "$@"
}

# ac_free_cpus COUNT: the lowest CPUs in no file cpus-*, as a list.
ac_free_cpus() {
	cat /dev/null $ac_dir/cpus-* 2> /dev/null | tr , '\n' | awk -v count="$1" '
	FILENAME == "-" { taken[$1]; next }
	$1 == "cpu" { all[$2] }
	END {
		for (c = 0; count && c in all; c++)
			if (!(c in taken)) { printf "%s%d", comma, c; comma = ","; count-- }
	}' - $ac_dir/machine
}

# --- the steps
ac_fifo() { [ "$ac_way" = lxc ] && echo "$lx_out/$1" || echo "$ct_dir/$1"; }

# ac_says ID WORD: the next word of the container is this one.
ac_says() { [ "$(timeout 180 cat "$(ac_fifo "$1")/ready")" = "$2" ]; }

# ac_step_start NAME CPUS MIB HAND_CPUS HAND_MEMS
ac_step_start() {
	ac_id=$ac_scenario-$ac_way-$1
	"ac_start_$ac_way" "$ac_id" "$2" "$3" "$4" "$5" /bin/walk run /out "$ac_window" "$2" "$3" "$ac_reads" || return 1
	[ "$ac_way" = lxc ] || "$(cat "$ct_dir/$ac_id/runtime")" start "$ac_id" || return 1
	ac_says "$ac_id" ready || return 1
	ac_window=$((ac_window + 1))
	ac_alive="$ac_alive $ac_id"
	echo "$2" > "$ac_dir/threads-$ac_id"
}

ac_step_stop() {
	ac_id=$ac_scenario-$ac_way-$1
	if [ "$ac_way" = lxc ]; then lx_stop "$ac_id"; else ct_delete "$ac_id"; fi
	rm -f "$ac_dir/cpus-$ac_id" "$ac_dir/threads-$ac_id"
	ac_alive=$(echo "$ac_alive " | sed "s/ $ac_id / /; s/ $//")
}

# The pages of a hole in a file are zeroes in the page cache, without any access to the disk.
ac_step_cache() {
	truncate -s "$2M" "/var/tmp/cache-$1"
	numactl --membind="$1" cat "/var/tmp/cache-$1" > /dev/null
}

ac_free_mib() { awk '$3 == "MemFree:" { print int($4 / 1024) }' "/sys/devices/system/node/node$1/meminfo"; }

ac_step_full() {
	ac_fill=$(($(ac_free_mib "$1") - $2))
	mkdir -p $ac_dir/full
	mkfifo $ac_dir/full/ready $ac_dir/full/go
	numactl --membind="$1" /tests/bin/touch $ac_dir/full anon $ac_fill 4<&- &
	ac_filler=$!
	echo -1000 > /proc/$ac_filler/oom_score_adj
	[ "$(timeout 180 cat $ac_dir/full/ready)" = ready ]
}

# Ends what the steps have left.
ac_end() {
	for ac_a in $ac_alive; do
		ac_step_stop "${ac_a##*-}"
	done
	ct_delete_all
	[ -z "${ac_filler:-}" ] || { kill "$ac_filler"; wait "$ac_filler"; }
	ac_filler=
	rm -rf $ac_dir/full $ac_dir/cpus-* $ac_dir/threads-* /var/tmp/cache-*
}

# ac_read: in each round, all containers take new pages and read at the same time. Sets ac_expected.
ac_read() {
	/tests/bin/walk clear
	ac_expected=0
	for ac_r in $(seq $ac_rounds); do
		for ac_a in $ac_alive; do
			echo go > "$(ac_fifo "$ac_a")/go"
		done
		for ac_a in $ac_alive; do
			ac_says "$ac_a" "done" || return 1
		done
	done
	for ac_a in $ac_alive; do
		ac_expected=$((ac_expected + $(cat "$ac_dir/threads-$ac_a") * ac_reads * ac_rounds))
	done
}

# ac_play FILE WAY: plays the scenario. Sets ac_result to the shares (ac_shares), or to "fails: WHY" and returns 1.
ac_play() {
	ac_scenario=${1##*/} ac_way=$2 ac_window=0 ac_alive='' ac_result='fails' ac_failed=''
	ac_scenario=${ac_scenario%.*}
	sed 's/#.*//' "$1" > $ac_dir/steps
	[ "$ac_way" != kubelet ] || /tests/kubelet < $ac_dir/steps > $ac_dir/kubelet || return 1
	while read -r ac_word ac_name ac_rest; do
		case $ac_word in
		'' | layout) continue ;;
		start | stop | cache | full) ;;
		*) bail "$1: what is $ac_word?" ;;
		esac
		# shellcheck disable=SC2086 # several words
		"ac_step_$ac_word" "$ac_name" $ac_rest < /dev/null || { ac_failed="$ac_word $ac_name"; break; }
	done < $ac_dir/steps
	if [ "$ac_failed" ]; then
		ac_result="fails: $ac_failed"
		dmesg | tail -n 20
	elif ! ac_read; then
		ac_failed=read ac_result='fails: a container ends before it has read its memory'
	else
		ac_report $ac_dir/report
		cat $ac_dir/report
		ac_result=$(ac_shares $ac_dir/report $ac_expected) || ac_failed=$ac_result ac_result="fails: $ac_result"
	fi
	ac_end
	[ -z "$ac_failed" ]
}
