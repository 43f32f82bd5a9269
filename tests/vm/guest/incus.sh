# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash
#
# Incus in guest tests: the daemon, an image made of busybox, instances and where everybody says they are.
# An emulated start takes 10 to 50 seconds, and Incus's client gives up on a
# daemon that is slow to take a request: what may be asked again is. Needs lib.sh.

export HOME=/root
inc_dir=/usr/share/numaplace/incus
inc_profiles='-p bare -p numaplace'
# LXD's tests say their own.
inc_unit=incus
inc_nodes_key=volatile.cpu.nodes

# try COMMAND...: again where the client only lost patience.
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

# What the cluster's scriptlet says is told to those who want to hear more.
inc_verbose() {
	[ "$inc_unit" = incus ] || return 0
	[ ! -e /etc/systemd/system/incus.service.d ] || return 0
	mkdir /etc/systemd/system/incus.service.d
	printf '%s\n' '[Service]' 'ExecStart=' \
		'ExecStart=/usr/libexec/incus/incusd --group incus-admin --verbose --logfile=/var/log/incus/incus.log' \
		> /etc/systemd/system/incus.service.d/verbose.conf
	systemctl daemon-reload
}

# incus_up: the daemon runs, with a storage pool, an image "t", a profile "bare" (no network) and ours.
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

# inc_init NAME [OPTION...]: an instance with our profile. Options as incus init's.
inc_init() {
	inc_n=$1
	shift
	# shellcheck disable=SC2086 # options
	try incus -q init t "$inc_n" $inc_profiles "$@"
}
inc_running() { [ -d "/sys/fs/cgroup/lxc.payload.$1" ] && [ "$(incus list -f csv -c s "$1" 2>&1)" = RUNNING ]; }
# inc_start NAME: also where the client did not wait for the end of it.
inc_start() {
	try incus start "$1" || case $try_said in
	*'already running'*) eventually inc_running "$1" ;;
	*) return 1 ;;
	esac
}
inc_stop() { try incus stop -f "$1" || case $try_said in *'already stopped'*) ;; *) return 1 ;; esac; }

# inc_refused NAME WHY PATTERN: two tests, that NAME does not start and that its log says WHY (PATTERN). A start that
# fails because the daemon did not answer says nothing in the log: it is made again.
inc_refused() {
	not_ok "$2: no start" inc_start "$1"
	for _ in 1 2 3; do
		try incus info --show-log "$1" > /run/refused.log
		cat /run/refused.log
		! grep -Eq "$3" /run/refused.log || break
		! inc_start "$1" || break
	done
	like "$2: said in its log" "$(cat /run/refused.log)" "$3"
}

inc_cgroup() { echo "/sys/fs/cgroup/lxc.payload.$1"; }
# inc_edit WORD...: `incus WORD...` that changes an instance. The client reads it and writes it back; what Incus itself
# changed between, as it does after a failed start, is asked for again.
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

# says ID: "NODES CPUS MEMS" of the ledger, of the cgroup and of Incus, which are to be the same.
ledger_says() {
	numaplace status --json | jq -r --arg id "$1" '.containers[] | select(.id == $id) | "\(.nodes) \(.cpus) \(.mems)"'
}
# What a daemon does at boot takes its time.
patiently() { within 300 "$@"; }
# As it is on disk: status leaves out who is not alive any more.
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

# agree ID NODES CPUS: ledger, cgroup and Incus say this, within a minute, and still a moment later: Incus's scheduler
# gives no sign of having been there.
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
# list 0,1,2,5: as the kernel has it, 0-2,5
list() {
	echo "$1" | tr ',' '\n' | awk '
		function out() { printf "%s%s%s", s, a, (b > a ? "-" b : ""); s = "," }
		NR > 1 && $1 == b + 1 { b = $1; next }
		NR > 1 { out() }
		{ a = b = $1 }
		END { out() }'
}
