#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# lxc-hook without LXC: stages and hook versions, options, errors in a config file, container names, encodings, the log
# of the container and time limits.
# shellcheck source=tests/hooks/tap.bash
. "${0%/*}/tap.bash"
hook=${hook%/*}/lxc-hook
[ -x "$hook" ] || {
	echo '1..0 # SKIP lxc-hook is not built'
	exit
}
unset LXC_NAME LXC_HOOK_TYPE LXC_CONFIG_FILE LXC_PID LXC_LOG_LEVEL
mkdir "$tmp/web1"
config=$tmp/web1/config

# hook_on STAGE LINE...: runs the hook with hook version 0 and a config with these lines.
hook_on() {
	local stage=$1
	shift
	printf '%s\n' '# web1' 'lxc.uts.name = web1' "$@" > "$config"
	LXC_CONFIG_FILE=$config run_hook web1 lxc "$stage"
}

stages() {
	local stage
	for stage in pre-start start-host post-stop mount stop clone; do
		hook_on "$stage"
		came_out "stage $stage without keys" 0 ''
	done
	for stage in pre-mount stop 'no such'; do
		hook_on "$stage" 'limits.cpu = abc'
		came_out "stage \"$stage\", which lxc-hook ignores" 0 ''
	done
	hook_on start
	came_out 'stage start' 2 'numaplace: container web1: lxc.hook.start: LXC runs it before *'
	hook_on pre-start 'limits.cpu = 1' 'limits.memory = 1MiB'
	came_out 'pre-start of a container that fits' 0 ''
	hook_on pre-start 'limits.cpu = 1' 'limits.memory = 900000GiB'
	came_out 'pre-start of a container that does not fit' 1 'numaplace: container web1: *'
	hook_on start-host 'limits.cpu = 1'
	came_out 'start-host without LXC_PID' 2 'numaplace: container web1: LXC_PID: "": no process to place'
	LXC_PID=12x hook_on start-host 'limits.cpu = 1'
	came_out 'start-host with a malformed LXC_PID' 2 'numaplace: container web1: LXC_PID: "12x": no process to place'
	LXC_PID=4194305 hook_on start-host 'limits.cpu = 1'
	came_out 'start-host of a process that does not exist' 1 'numaplace: container web1: *'
	LXC_PID=4194305 hook_on post-stop 'limits.cpu = abc'
	came_out 'post-stop with a malformed key' 0 ''
}

versions() {
	echo 'limits.cpu = 1' > "$config"
	LXC_NAME=web2 LXC_HOOK_TYPE=pre-start LXC_CONFIG_FILE=$config run_hook
	came_out 'hook version 1' 0 ''
	echo 'limits.cpus = 1' >> "$config"
	LXC_NAME=web2 LXC_HOOK_TYPE=pre-start LXC_CONFIG_FILE=$config run_hook
	came_out 'hook version 1, a bad key' 2 "numaplace: container web2: $config:2: limits.cpus: \"1\": no such key"
	LXC_NAME=web2 LXC_HOOK_TYPE=post-stop LXC_CONFIG_FILE=$config run_hook web1 lxc pre-start
	came_out 'arguments override variables that an outer LXC left behind' 2 'numaplace: container web1: *'
	run_hook
	came_out 'neither arguments nor variables' 2 'numaplace: usage: lxc-hook *'
	run_hook web1 lxc pre-start
	came_out 'no config file' 0 ''
	LXC_CONFIG_FILE=/run/incus/web1/lxc.conf run_hook web1 lxc pre-start
	came_out 'a config in the folder of Incus' 0 ''
}

options() {
	printf '%s\n' 'limits.cpu = 1' > "$config"
	run_hook --config "$config" --set limits.cpu=abc web1 lxc pre-start
	came_out '--set overrides the config' 2 'numaplace: container web1: --set: limits.cpu: *"abc"*'
	run_hook --set limits.cpus=4 web1 lxc pre-start
	came_out '--set of an unknown key' 2 'numaplace: container web1: --set limits.cpus=4: no such key'
	run_hook --set limits.cpus=4 web1 lxc post-stop
	came_out '--set of an unknown key at post-stop' 0 ''
	run_hook --set web1 lxc pre-start
	came_out '--set without a value' 2 'numaplace: --set: needs a value'
	run_hook --verbose web1 lxc pre-start
	came_out 'an unknown option' 2 'numaplace: --verbose: no such option'
	run_hook --set limits.cpu=1 --sysroot "$tmp/none" web1 lxc pre-start
	came_out 'a --sysroot that does not exist' 1 'numaplace: container web1: *: No such file or directory'
}

bad_lines() {
	hook_on pre-start 'limits.cpus = 4'
	came_out 'an unknown key' 2 "numaplace: container web1: $config:3: limits.cpus: \"4\": no such key"
	hook_on pre-start '' 'limits.cpu = 0'
	came_out 'a bad value' 2 "numaplace: container web1: $config:4: limits.cpu: \"0\": *"
	hook_on pre-start 'limits.cpu'
	came_out 'a line without =' 2 "numaplace: container web1: $config:3: \"limits.cpu\": not limits.KEY = VALUE"
	hook_on pre-start 'limits.memory = 1GiB' 'limits.memory ='
	came_out 'an empty value' 2 "numaplace: container web1: $config:4: limits.memory: \"\": *"
	hook_on pre-start 'limits.cpu.exclusive = true'
	came_out 'keys that exclude each other' 2 "numaplace: container web1: $config:3: limits.cpu.exclusive: *"
	hook_on pre-start $'limits.cpu = 4\e[31m'
	came_out 'a value with a terminal escape' 2 "numaplace: container web1: $config:3: limits.cpu: *\"4\\\\x1b\[31m\"*"
	hook_on pre-start 'volatile.cpu.nodes = zero' 'volatile.numaplace.origin = x'
	came_out 'volatile lines with invalid values' 0 ''
	echo 'container-keys = limits.memory' > "$tmp/conf"
	hook_on pre-start 'limits.cpu = 4'
	came_out 'a key that containers may not set' 2 "numaplace: container web1: $config:3: limits.cpu: \"4\": containers may*"
	echo 'on-failure = warn' > "$tmp/conf"
	hook_on pre-start 'limits.cpu = abc'
	came_out 'on-failure = warn' 0 "numaplace: container web1: $config:3: limits.cpu: *"
	run_hook --conf "$tmp/conf" --set limits.cpus=4 web1 lxc pre-start
	came_out 'on-failure = warn, a bad --set' 0 'numaplace: container web1: --set limits.cpus=4: no such key'
	echo 'on-failure = perhaps' > "$tmp/conf"
	hook_on pre-start 'limits.cpu = 1'
	came_out 'a malformed numaplace.conf, a container with a key' 2 'numaplace: container web1: *on-failure*'
	hook_on pre-start
	came_out 'a malformed numaplace.conf, a container without keys' 0 'numaplace: container web1: *on-failure*'
	: > "$tmp/conf"
	hook_on pre-start 'lxc.no.such = 1' 'limits.cpu = 1'
	came_out 'a file that liblxc does not load' 1 "numaplace: container web1: $config: liblxc cannot load it"
}

# bad_name NAME PATTERN LXC_NAME: a container of that name is refused if it has a key. Without a key, and at post-stop,
# the hook prints nothing.
bad_name() {
	hook_on pre-start # the file
	printf '%s\n' 'limits.cpu = 1' >> "$config"
	LXC_CONFIG_FILE=$config run_hook "$3" lxc pre-start
	came_out "$1, at pre-start" 2 "numaplace: container name: $2"
	LXC_CONFIG_FILE=$config LXC_PID=$$ run_hook "$3" lxc start-host
	came_out "$1, at start-host" 2 "numaplace: container name: $2"
	LXC_CONFIG_FILE=$config run_hook "$3" lxc post-stop
	came_out "$1, at post-stop" 0 ''
	hook_on pre-start
	LXC_CONFIG_FILE=$config run_hook "$3" lxc pre-start
	came_out "$1, without a key" 0 ''
}

names() {
	local long
	long=$(head -c 300 /dev/zero | tr '\0' a)
	bad_name 'the container name ..' '"..": not a name' ..
	bad_name 'a container name with a slash' '"a/b": contains "/"; allowed are letters, digits and . _ + : @ -' a/b
	bad_name 'a container name with a newline' '"a\\x0ab": contains "\\x0a"; allowed *' $'a\nb'
	bad_name 'a container name with a control character of two bytes' '"a\\xc2\\x85b": *' $'a\302\205b'
	bad_name 'a container name with a control character of one byte' '"a\\x9b31mb": *' $'a\x9b31mb'
	bad_name 'a container name that is not UTF-8' '"a\\xff": *' $'a\xff'
	bad_name 'a container name with a right-to-left override' '"a\\xe2\\x80\\xaeb": *' $'a\u202eb'
	bad_name 'a container name with a letter outside ASCII' '"caf\\xc3\\xa9": *' $'caf\u00e9'
	bad_name 'a container name that is a command' '"$(touch x)": contains "$"; allowed *' '$(touch x)'
	bad_name 'a container name that begins with a dash' '"-web": begins with a dash' -web
	# LXC runs the hook line in a shell, which splits "a b" and expands "$(x)" to nothing; LXC_NAME has the full name.
	echo 'limits.cpu = 1' > "$config"
	LXC_NAME='a b' LXC_CONFIG_FILE=$config run_hook a b lxc pre-start
	came_out 'a container name that the shell of LXC splits' 2 'numaplace: container name: "a b": contains " "; allowed *'
	LXC_NAME='$(x)' LXC_CONFIG_FILE=$config run_hook lxc pre-start
	came_out 'a container name that the shell of LXC expands to nothing' 2 'numaplace: container name: "$(x)": contains "$"; allowed *'
	: > "$config"
	LXC_NAME='a b' LXC_CONFIG_FILE=$config run_hook a b lxc pre-start
	came_out 'a container name that the shell of LXC splits, without a key' 0 ''
	bad_name 'a container name of 300 bytes' '"aaa*": longer than 246 bytes' "$long"
}

# A line that looks like a key is read as a key or refused.
encodings() {
	printf '\xef\xbb\xbflimits.cpu = abc\n' > "$config"
	LXC_CONFIG_FILE=$config run_hook web1 lxc pre-start
	came_out 'a byte order mark in front of a key' 2 "numaplace: container web1: $config:1: limits.cpu: *\"abc\"*"
	hook_on pre-start $'\u00a0limits.cpu = 1'
	came_out 'a no-break space in front of a key' 2 "numaplace: container web1: $config:3: \"\\\\xc2\\\\xa0limits.cpu\": bytes that are not text *"
	printf '\xff\xfel\0i\0' > "$config"
	LXC_CONFIG_FILE=$config run_hook web1 lxc pre-start
	came_out 'a config in UTF-16' 2 "numaplace: container web1: $config: in UTF-16, which LXC does not read: save it as UTF-8"
}

# The parent of the hook acts as the monitor: its log is a file that it has opened for appending and close-on-exec.
log() {
	printf '%s\n' 'limits.cpus = 4' > "$config"
	: > "$tmp/log"
	# shellcheck disable=SC2016 # expanded by perl
	perl -e 'use Fcntl; sysopen(my $f, $ARGV[0], O_WRONLY | O_APPEND) or die; $^F = 2;
		fcntl($f, F_SETFD, FD_CLOEXEC); $ENV{LXC_LOG_LEVEL} = $ARGV[1]; shift; shift;
		system(@ARGV)' "$tmp/log" "$1" "$hook" --config "$config" --conf "$tmp/conf" web1 lxc pre-start 2> /dev/null
}

logs() {
	command -v perl > /dev/null || return
	log ERROR
	[[ $(cat "$tmp/log") == 'numaplace web1 '[0-9]*.[0-9][0-9][0-9]' ERROR    hook - '*"$config:1: limits.cpus: \"4\": no such key" ]]
	ok $? "with log level ERROR, the container's log has the message" "$(cat "$tmp/log")"
	log DEBUG
	[ ! -s "$tmp/log" ]
	ok $? 'with log level DEBUG the hook does not write to the log, because LXC logs its stderr' "$(cat "$tmp/log")"
	log FATAL
	[ ! -s "$tmp/log" ]
	ok $? 'with log level FATAL the hook does not write to the log' "$(cat "$tmp/log")"
}

# The devices of a configuration, as liblxc reads it with its includes.
devices() {
	local here machine=$tmp/machine needs=('limits.cpu = 2' 'limits.cpu.device = require:auto')
	here=$(cd "${0%/*}" && pwd)
	cat "$here/../machines/plain-4x2-pairs.machine" - > "$tmp/described" << 'END'
file sys/dev/block/259:0/uevent DEVNAME=nvme0n1
file sys/dev/block/259:0/numa_node 1
file sys/class/net/ens5/device/numa_node 2
file sys/class/block/sda/device/numa_node 3
END
	awk -v "root=$machine" -f "$here/../machines/make-machine" "$tmp/described"
	# near NAME LINE...: a container with these lines has a device with a node.
	near() { hook_at "$@" && came_out "$1" 0 ''; }
	# away NAME LINE...: it has none.
	away() {
		hook_at "$@"
		came_out "$1" 1 'numaplace: container web1: *limits.cpu.device: "require:auto": no device with a node *'
	}
	hook_at() {
		printf '%s\n' "${needs[@]}" "${@:2}" > "$config"
		LXC_CONFIG_FILE=$config run_hook --sysroot "$machine" web1 lxc pre-start
	}
	away 'devices: none'
	near 'devices: a rule for a disk' 'lxc.cgroup2.devices.allow = b 259:0 rwm'
	away 'devices: a rule for every device' 'lxc.cgroup2.devices.allow = b 259:0 rwm' 'lxc.cgroup2.devices.allow = a'
	near 'devices: a mounted disk' 'lxc.mount.entry = /x y none bind' 'lxc.mount.entry = /dev/sda dev/sda none bind,create=file 0 0'
	near 'devices: a network interface that is moved' 'lxc.net.3.type = phys' 'lxc.net.3.link = ens5'
	away 'devices: a bridge on a network interface' 'lxc.net.0.type = veth' 'lxc.net.0.link = ens5'
	echo 'lxc.cgroup2.devices.allow = b 259:0 rwm' > "$tmp/included"
	near 'devices: in an included file' "lxc.include = $tmp/included"
	needs=('lxc.environment = NUMAPLACE_LIMITS_CPU=2' 'limits.cpu.device = require:auto')
	near 'devices: of a container with a variable' 'lxc.cgroup2.devices.allow = b 259:0 rwm'
	needs=('lxc.environment = NUMAPLACE_LIMITS_CPU=x')
	hook_at ''
	came_out 'a bad variable' 2 "numaplace: container web1: $config:1: NUMAPLACE_LIMITS_CPU: limits.cpu: *"
	echo 'environment-keys = false' > "$tmp/conf"
	hook_at ''
	came_out 'environment-keys = false: a bad variable' 0 ''
	: > "$tmp/conf"
}

# liblxc waits forever for an included FIFO. The hook ends by its own timeout.
alarms() {
	local began=$SECONDS
	mkfifo "$tmp/fifo"
	printf '%s\n' 'limits.cpu = 1' "lxc.include = $tmp/fifo" > "$config"
	run_hook --config "$config" --timeout 1 web1 lxc pre-start
	came_out 'liblxc does not return, --timeout 1' 1 'numaplace: container web1: gave up after 1 seconds'
	run_hook --config "$config" web1 lxc pre-start
	came_out 'liblxc does not return, default timeout' 1 'numaplace: container web1: gave up after 8 seconds'
	echo 'on-failure = warn' > "$tmp/conf"
	run_hook --config "$config" --timeout 1 web1 lxc pre-start
	came_out 'liblxc does not return, on-failure = warn' 0 'numaplace: container web1: gave up after 1 seconds'
	: > "$tmp/conf"
	[ $((SECONDS - began)) -lt 20 ]
	ok $? 'three hooks whose liblxc does not return end in less than 20 seconds' "$((SECONDS - began)) s"
	run_hook --timeout 0 web1 lxc pre-start
	came_out '--timeout 0' 2 'numaplace: --timeout: "0": 1 to 999 seconds are expected'
}

stages
versions
options
bad_lines
names
encodings
logs
devices
alarms
done_testing
