# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash
#
# Incus in guest tests: the daemon, a busybox image, instances, and their nodes as ledger, cgroup and Incus have them.
# An emulated start takes 10 to 50 seconds, and the client of Incus gives up on a slow daemon, so requests that can be
# repeated are. Needs lib.sh.

export HOME=/root
inc_dir=/usr/share/numaplace/incus
inc_profiles='-p bare -p numaplace'
# The tests of LXD override these.
inc_unit=incus
inc_nodes_key=volatile.cpu.nodes

# try COMMAND...: repeats COMMAND if the client timed out.
try() {
	echo "\$ $*"
	for _ in 1 2 3 4 5; do
		try_said=$("$@" 2>&1 < /dev/null)
		try_status=$?
		case $try_said in
		*'i/o timeout'* | *'is busy running'* | *'timed out'*) sleep 2 ;;
		*) break ;;
		esac
	done
	printf '%s\n' "$try_said"
	return "$try_status"
}

inc_image() {
	mkdir -p /run/image/rootfs
	(
		cd /run/image || exit
		for d in bin dev proc sys run tmp etc sbin out; do mkdir -p "rootfs/$d"; done
		cp /bin/busybox rootfs/bin/
		cp /tests/bin/touch rootfs/bin/touch-memory
		for a in sh sleep cat mount; do ln -sf busybox "rootfs/bin/$a"; done
		printf '%s\n' '#!/bin/sh' 'cat /proc/self/status > /run/first' \
			"trap 'exit 0' TERM PWR INT HUP" 'while :; do sleep 1000 & wait $!; done' > rootfs/sbin/init
		chmod +x rootfs/sbin/init
		printf 'architecture: x86_64\ncreation_date: 1700000000\nproperties:\n  os: busybox\n' > metadata.yaml
		tar -cf /run/image.tar metadata.yaml rootfs
	)
}

inc_install() { try $inc_dir/install; }
inc_remove() { try $inc_dir/install --remove; }

# Messages of the scriptlet are logged only with --verbose.
inc_verbose() {
	[ "$inc_unit" = incus ] || return 0
	[ ! -e /etc/systemd/system/incus.service.d ] || return 0
	mkdir /etc/systemd/system/incus.service.d
	printf '%s\n' '[Service]' 'ExecStart=' \
		'ExecStart=/usr/libexec/incus/incusd --group incus-admin --verbose --logfile=/var/log/incus/incus.log' \
		> /etc/systemd/system/incus.service.d/verbose.conf
	systemctl daemon-reload
}

# incus_up: starts the daemon and makes a storage pool, an image "t", a profile "bare" (no network) and our profile.
incus_up() {
	inc_verbose
	try incus query /1.0 >/dev/null || systemctl start "$inc_unit" || bail "$inc_unit does not start"
	if ! try incus profile show bare; then
		try incus storage create default dir || bail "no storage pool"
		inc_image
		try incus image import /run/image.tar --alias t || bail "no image"
		try incus profile create bare
		try incus profile device add bare root disk pool=default path=/ || bail "no profile"
	fi
	inc_install || bail "contrib/incus/install"
}

# inc_init NAME [OPTION...]: makes an instance with our profile, with options of incus init.
inc_init() {
	inc_n=$1
	shift
	# shellcheck disable=SC2086 # options
	try incus -q init t "$inc_n" $inc_profiles "$@"
}
inc_running() { [ -d "/sys/fs/cgroup/lxc.payload.$1" ] && [ "$(incus list -f csv -c s "$1" 2>&1)" = RUNNING ]; }
# inc_start NAME: starts the instance, and waits for it even if the client has timed out.
inc_start() {
	try incus start "$1" || case $try_said in
	*'already running'*) eventually inc_running "$1" ;;
	*) return 1 ;;
	esac
}
inc_stop() { try incus stop -f "$1" || case $try_said in *'already stopped'*) ;; *) return 1 ;; esac; }

# inc_refused NAME WHY PATTERN: two tests: NAME does not start, and its log matches PATTERN. A start that fails because the
# daemon did not answer leaves nothing in the log and is repeated.
inc_refused() {
	not_ok "$2: instance $1 does not start" inc_start "$1"
	for _ in 1 2 3; do
		try incus info --show-log "$1" > /run/refused.log
		cat /run/refused.log
		! grep -Eq "$3" /run/refused.log || break
		! inc_start "$1" || break
	done
	like "$2: the log of instance $1 has the reason" "$(cat /run/refused.log)" "$3"
}

inc_cgroup() { echo "/sys/fs/cgroup/lxc.payload.$1"; }
# inc_edit WORD...: runs `incus WORD...`, which changes an instance. The client reads and writes the instance; if Incus has
# changed it in between, as after a failed start, the command is repeated.
inc_edit() {
	for _ in 1 2 3 4; do
		try incus "$@" && return
		case $try_said in *"ETag doesn't match"*) ;; *) return 1 ;; esac
	done
	return 1
}
inc_set() { inc_edit config set "$@"; }
inc_get() {
	try incus config get "$1" "$2" ${3:+--project "$3"} >/dev/null
	echo "$try_said"
}
commas() { echo "$1" | awk -F, '{ for (i = 1; i <= NF; i++) { n = split($i, r, "-"); for (k = r[1]; k <= r[n]; k++) { printf "%s%s", s, k; s = "," } } }'; }

# ledger_says ID: "NODES CPUS MEMS" in the ledger; cgroup_says: "CPUS MEMS" in the cgroup; incus_says: NODES in Incus.
ledger_says() {
	numaplace status --json | jq -r --arg id "$1" '.containers[] | select(.id == $id) | "\(.nodes) \(.cpus) \(.mems)"'
}
# A daemon needs more time at boot.
patiently() { within 300 "$@"; }
# Reads the files, because status does not show dead containers.
ledger_is_empty() { [ -z "$(ls /run/numaplace/containers)" ]; }
inc_in_ledger() {
	for in_id; do
		[ "$(ledger_says "$in_id")" ] || return 1
	done
}
inc_cpus_are() { [ "$(cat "$(inc_cgroup "$1")/cpuset.cpus")" = "$2" ]; }
inc_runs_on() { [ "$(cat "$(inc_cgroup "$1")/cpuset.cpus.effective")" = "$2" ]; }
cgroup_says() { echo "$(cat "$(inc_cgroup "$1")/cpuset.cpus") $(cat "$(inc_cgroup "$1")/cpuset.mems.effective")"; }
incus_says() {
	case $1 in
	*_*) inc_get "${1##*_}" "$inc_nodes_key" "${1%_*}" ;;
	*) inc_get "$1" "$inc_nodes_key" ;;
	esac
}

# agree ID NODES CPUS: ledger, cgroup and Incus have these values within a minute, and again a second later, because the
# scheduler of Incus gives no event.
agree() {
	ag_n=0
	ag_times=0
	while [ $ag_times -lt 2 ]; do
		ag_said="$(ledger_says "$1") / $(cgroup_says "$1") / $(incus_says "$1" | tail -n 1)"
		if [ "$ag_said" = "$2 $3 $(list "$2") / $3 $(list "$2") / $2" ]; then
			ag_times=$((ag_times + 1))
			[ $ag_times = 2 ] || sleep 1
			continue
		fi
		ag_times=0
		ag_n=$((ag_n + 1))
		if [ $ag_n -gt 30 ]; then
			echo "ledger / cgroup / Incus: $ag_said"
			journalctl -u numaplace-incus-agent -o cat -n 5
			return 1
		fi
		sleep 2
	done
}
# list 0,1,2,5: prints the list as the kernel does: 0-2,5
list() {
	echo "$1" | tr ',' '\n' | awk '
		function out() { printf "%s%s%s", s, a, (b > a ? "-" b : ""); s = "," }
		NR > 1 && $1 == b + 1 { b = $1; next }
		NR > 1 { out() }
		{ a = b = $1 }
		END { out() }'
}
