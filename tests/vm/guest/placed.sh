# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash
#
# Containers that numaplace's OCI hook places: started with its hooks and keys,
# and every place where the placement shows, looked at in one go. Needs lib.sh
# and containers.sh.

np_hook=/usr/libexec/numaplace/oci-hook

# np_run RUNTIME STAGE ID [KEY=VALUE...] [OPTIONS OF bundle...]: create and start it, the hook at STAGE and at poststop.
np_run() { np_create "$@" && ct_start "$3"; }

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
		-h "$np_stage=$np_hook,$np_stage" -h "poststop=$np_hook,poststop" "$@"
}

# ct_said ID: what was said of it: the runtime's words and syslog's (crun keeps a hook's stderr to itself).
ct_said() { cat "$ct_dir/$1/log"; grep -F "container $1:" "$np_log" 2>/dev/null; }

np_log=/run/tests/syslog
np_syslog() { busybox syslogd -S -O $np_log && eventually [ -S /dev/log ]; }

effective() { cat "$(ct_cgroup "$1")/cpuset.$2.effective"; }
xattr() { getfattr --absolute-names --only-values -n "trusted.volatile.$2.nodes" "$(ct_cgroup "$1")" 2>/dev/null; }
# np_status ID: "NODES CPUS MEMS RUNTIME" from status, or nothing.
np_status() {
	numaplace status --json | jq -r --arg id "$1" \
		'.containers[] | select(.id == $id) | "\(.nodes) \(.cpus) \(.mems) \(.runtime)"'
}
np_ids() { numaplace status --json | jq -r '[.containers[].id] | sort | join(" ")'; }
# np_nodes ID, np_cpus ID, np_mems ID: from status
np_nodes() { np_status "$1" | cut -d' ' -f1; }
np_cpus() { np_status "$1" | cut -d' ' -f2; }
np_mems() { np_status "$1" | cut -d' ' -f3; }
comma() { echo "$1" | awk -F, '{ for (i = 1; i <= NF; i++) { n = split($i, r, "-"); for (k = r[1]; k <= r[n]; k++) { printf "%s%s", s, k; s = "," } } }'; }

# shows ID NODES CPUS MEMS (lists): cgroup, first instruction, xattrs and status agree; a test.
shows() {
	s_nodes=$(comma "$2") s_mems=$(comma "$4")
	is "$1: cgroup, first instruction, record and status say nodes $2, CPUs $3, memory $4" \
		"$(effective "$1" cpus)|$(effective "$1" mems)|$(ct_seen "$1" Cpus_allowed_list)|$(ct_seen "$1" Mems_allowed_list)|$(xattr "$1" cpu)|$(xattr "$1" memory)|$(np_status "$1" | cut -d' ' -f1-3)" \
		"$3|$4|$3|$4|$s_nodes|$s_mems|$s_nodes $3 $4"
}
