# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash disable=SC2016
#
# OCI containers for guest tests, under runc and crun: bundles with a busybox root, annotations, hooks and other changes to
# config.json. The container and the test signal each other with FIFOs, never by sleeping. Every container is deleted when
# the test file ends.
#
# By default, a container first copies its /proc/self/status, without a fork, to status, then writes to the FIFO ready, and
# ends when the test writes to the FIFO go.

ct_root=/run/tests/rootfs
ct_dir=/run/tests/ct

ct_setup() {
	[ -e $ct_root/bin/busybox ] && return
	for d in bin proc sys dev tmp out; do
		mkdir -p "$ct_root/$d"
	done
	cp /bin/busybox $ct_root/bin/
	chroot $ct_root /bin/busybox --install -s /bin
}

# The payload; /out is the folder of the bundle.
ct_payload='while read -r l; do echo "$l"; done < /proc/self/status > /out/status
echo ready > /out/ready; read l < /out/go'

# bundle ID [OPTION...] [-- ARGS...]: makes $ct_dir/ID, for one container.
#   -a KEY=VALUE          an annotation
#   -h STAGE=PATH[,ARG]   a hook (ARGs after commas), as often as wanted
#   -j FILTER             any change to config.json, as a jq filter
bundle() {
	b=$ct_dir/$1 b_change='' b_n=$(($# - 1)) b_i=0
	ct_setup
	rm -rf "$b"
	mkdir -p "$b"
	mkfifo "$b/ready" "$b/go"
	[ ! -e "${np_log:-}" ] || wc -c < "$np_log" > "$b/logged"
	shift
	# jq is slow under emulation, so it runs once: the options become its filter and its arguments.
	while [ $b_n -gt 0 ]; do
		case $1 in
		-a)
			b_change="$b_change | .annotations[\$ARGS.positional[$b_i]] = \$ARGS.positional[$((b_i + 1))]"
			set -- "$@" "${2%%=*}" "${2#*=}"
			;;
		-h)
			b_change="$b_change | .hooks[\$ARGS.positional[$b_i]] +=
				[(\$ARGS.positional[$((b_i + 1))] | split(\",\")) | {path: .[0], args: .}]"
			set -- "$@" "${2%%=*}" "${2#*=}"
			;;
		-j)
			b_change="$b_change | ($2)"
			set -- "$@" '' ''
			;;
		--)
			shift
			b_change="$b_change | .process.args = \$ARGS.positional[$b_i:]"
			while [ $((b_n -= 1)) -gt 0 ]; do
				set -- "$@" "$1"
				shift
			done
			break
			;;
		*) bail "bundle: what is $1?" ;;
		esac
		shift 2
		b_n=$((b_n - 2)) b_i=$((b_i + 2))
	done
	jq -n --arg root $ct_root --arg out "$b" --arg payload "$ct_payload" \
		"$(cat /tests/config.jq) $b_change" --args -- "$@" > "$b/config.json" || bail "bundle: jq: $b_change"
}

# ct_create RUNTIME ID [bundle's options]: creates the container. The output of the runtime is in $ct_dir/ID/log.
ct_create() {
	ct_runtime=$1
	ct_id=$2
	shift
	bundle "$@"
	echo "$ct_runtime" > "$ct_dir/$ct_id/runtime"
	echo "\$ $ct_runtime create $ct_id"
	timeout 180 "$ct_runtime" create --bundle "$ct_dir/$ct_id" \
		--pid-file "$ct_dir/$ct_id/pid" "$ct_id" \
		> "$ct_dir/$ct_id/log" 2>&1 < /dev/null
	ct_rc=$?
	cat "$ct_dir/$ct_id/log"
	[ $ct_rc = 0 ] || echo "status $ct_rc"
	return $ct_rc
}

# ct_start ID: starts the container and waits until it is ready. Only for the default payload.
ct_start() {
	"$(cat "$ct_dir/$1/runtime")" start "$1" && timeout 180 cat "$ct_dir/$1/ready"
}

# ct_run RUNTIME ID [bundle's options]: creates and starts.
ct_run() { ct_create "$@" && ct_start "$2"; }

# ct_seen ID FIELD: a field of /proc/self/status at the start of the payload: ct_seen a Cpus_allowed_list
ct_seen() {
	while read -r ct_field ct_value; do
		[ "$ct_field" != "$2:" ] || echo "$ct_value"
	done < "$ct_dir/$1/status"
}

# ct_pid ID, ct_cgroup ID: the first process of the container, and the folder of its cgroup.
ct_pid() {
	# The file has no final newline, so read returns 1 although it has read the pid.
	read -r ct_line < "$ct_dir/$1/pid" || [ "$ct_line" ] && echo "$ct_line"
}
ct_cgroup() {
	while read -r ct_line; do
		case $ct_line in 0::*) echo "/sys/fs/cgroup${ct_line#0::}" ;; esac
	done < "/proc/$(ct_pid "$1")/cgroup"
}

# ct_end ID: lets the payload end and waits for its end.
ct_end() {
	ct_p=$(ct_pid "$1")
	timeout 180 sh -c "echo go > '$ct_dir/$1/go'"
	eventually ct_gone "$ct_p"
}
ct_gone() { case $(cut -d' ' -f3 "/proc/$1/stat" 2>/dev/null) in '' | Z | X) ;; *) return 1 ;; esac; }

# ct_delete ID...: kills and deletes the containers that exist.
ct_delete() {
	for ct_i; do
		[ ! -e "$ct_dir/$ct_i/runtime" ] ||
			timeout 180 "$(cat "$ct_dir/$ct_i/runtime")" delete --force "$ct_i"
		rm -rf "${ct_dir:?}/$ct_i"
	done
}

ct_delete_all() {
	for ct_d in "$ct_dir"/*/; do
		[ ! -d "$ct_d" ] || ct_delete "$(basename "$ct_d")"
	done
}
trap ct_delete_all EXIT
