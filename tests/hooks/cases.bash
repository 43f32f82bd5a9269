# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2317,SC2154 # cell calls the functions; tap.bash sets the variables
#
# For tests whose checks run inside bench/hook/cell, in a function `cases` that the test exports: functions for it, and
# run_cases.

# group NAME PID...: makes a cgroup with these processes and moves the first one there.
group() {
	mkdir -p "/mnt/v2${CGROUP#/sys/fs/cgroup}/$1" "$CGROUP/$1"
	"$BUILD/stage" cgroup /sys/fs/cgroup "${CGROUP#/sys/fs/cgroup}/$1" "${2:-0}"
	[ $# = 1 ] || {
		printf '%s\n' "${@:2}" > "$CGROUP/$1/cgroup.procs"
		echo "$2" > "/mnt/v2${CGROUP#/sys/fs/cgroup}/$1/cgroup.procs"
	}
}
# check NAME COMMAND...
check() {
	local name=$1
	shift
	"$@" && echo "ok - $name" || echo "not ok - $name"
}
same() { [ "$1" = "$2" ] || { echo "# $1"; echo "# instead of $2"; return 1; }; }
like() { [[ $1 =~ $2 ]] || { echo "# $1"; return 1; }; }
export -f group check same like

# run_cases N: runs `cases` inside cell on a machine of four nodes with two CPUs each, and takes over its N results.
run_cases() {
	local line before=''
	"$cell" 4 2 0 bash -c cases > "$tmp/out" 2> "$tmp/err"
	while IFS= read -r line; do
		case $line in
		'ok - '*) ok 0 "${line#ok - }" ;;
		'not ok - '*) ok 1 "${line#not ok - }" "$before" ;;
		esac
		before=$line
	done < "$tmp/out"
	[ "$(grep -c 'ok - ' "$tmp/out")" = "$1" ]
	ok $? "all $1 checks inside cell have run" "$(cat "$tmp/out" "$tmp/err")"
}
