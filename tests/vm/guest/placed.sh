# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash
#
# Containers that numaplace's OCI hook places: starts them with hooks and keys, and checks all places that show the
# placement. Needs lib.sh and containers.sh.

np_hook=/usr/libexec/numaplace/oci-hook

# np_run RUNTIME STAGE ID [KEY=VALUE...] [OPTIONS OF bundle...]: creates and starts a container with the hook at STAGE and
# at poststop.
np_run() { np_create "$@" && ct_start "$3"; }

# The timeout is longer than the default, because an emulated guest on a busy host may stop for seconds.
np_create() {
	np_rt=$1 np_stage=$2 np_id=$3 np_keys=.
	shift 3
	while :; do
		case ${1:-} in
		-* | '') break ;;
		*) np_keys="$np_keys | .annotations[\"${1%%=*}\"] = \"${1#*=}\"" ;;
		esac
		shift
	done
	ct_create "$np_rt" "$np_id" -j "$np_keys" \
		-h "$np_stage=$np_hook,--timeout,60,$np_stage" -h "poststop=$np_hook,--timeout,60,poststop" "$@"
}

# ct_said ID: the messages about the container since its bundle was made, of the runtime and in syslog (crun does not pass
# on the stderr of a hook).
ct_said() {
	cat "$ct_dir/$1/log"
	[ ! -e "$ct_dir/$1/logged" ] || tail -c +$(($(cat "$ct_dir/$1/logged") + 1)) "$np_log" | grep -F "container $1:"
}

np_log=/run/tests/syslog
np_syslog() { busybox syslogd -S -O $np_log && eventually [ -S /dev/log ]; }

# slurp FILE: the first line of the file, read without a process.
slurp() { read -r np_line < "$1"; echo "$np_line"; }
effective() { slurp "$(ct_cgroup "$1")/cpuset.$2.effective"; }

# xattrs ID: "volatile.cpu.nodes volatile.memory.nodes" of its cgroup.
xattrs() {
	getfattr --absolute-names -m '^trusted.volatile' -d "$(ct_cgroup "$1")" 2>/dev/null |
		sed -n 's/^trusted.volatile.[a-z]*.nodes="\(.*\)"$/\1/p' | xargs
}
xattr() { getfattr --absolute-names --only-values -n "trusted.volatile.$2.nodes" "$(ct_cgroup "$1")" 2>/dev/null; }

# np_status ID: "NODES CPUS MEMS RUNTIME" of the container in `numaplace status`, or nothing.
np_status() {
	numaplace status | while read -r np_i np_r np_n np_c np_m; do
		[ "$np_i" != "$1" ] || echo "$np_n $np_c $np_m $np_r"
	done
}
np_field() { np_status "$1" | cut -d' ' -f"$2"; }
np_nodes() { np_field "$1" 1; }
np_cpus() { np_field "$1" 2; }
np_mems() { np_field "$1" 3; }
np_ids() {
	numaplace status | while read -r np_i np_r; do
		# A summary follows the table.
		case $np_r in runc* | crun*) printf '%s ' "$np_i" ;; esac
	done
}

# shows ID NODES CPUS MEMS (NODES with commas): tests that cgroup, first instruction, xattrs and status agree.
shows() {
	case $4 in *-*) s_mems=$2 ;; *) s_mems=$4 ;; esac
	is "container $1: cgroup, first instruction, xattrs and status have nodes $2, CPUs $3, memory $4" \
		"$(effective "$1" cpus)|$(effective "$1" mems)|$(ct_seen "$1" Cpus_allowed_list)|$(ct_seen "$1" Mems_allowed_list)|$(xattrs "$1")|$(np_field "$1" 1-3)" \
		"$3|$4|$3|$4|$2 $s_mems|$2 $3 $4"
}
