#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# lxc-hook without LXC: stages and hook versions, its options, what is wrong in a
# config file, and the surroundings it may be started in.
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

# hook_on STAGE LINE...: version 0, the config having these lines.
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
		came_out "$stage, no keys" 0 ''
	done
	for stage in pre-mount stop 'no such'; do
		hook_on "$stage" 'limits.cpu = abc'
		came_out "$stage is nothing to us" 0 ''
	done
	hook_on start
	came_out 'start' 2 'numaplace: container web1: lxc.hook.start: LXC runs it before *'
	hook_on pre-start 'limits.cpu = 1' 'limits.memory = 1MiB'
	came_out 'pre-start, one that fits' 0 ''
	hook_on pre-start 'limits.cpu = 1' 'limits.memory = 900000GiB'
	came_out 'pre-start, one that does not' 1 'numaplace: container web1: *'
	hook_on start-host 'limits.cpu = 1'
	came_out 'start-host without a process' 2 'numaplace: container web1: LXC_PID: "": no process to place'
	LXC_PID=12x hook_on start-host 'limits.cpu = 1'
	came_out 'with an odd one' 2 'numaplace: container web1: LXC_PID: "12x": no process to place'
	LXC_PID=4194305 hook_on start-host 'limits.cpu = 1'
	came_out 'with one that is gone' 1 'numaplace: container web1: *'
	LXC_PID=4194305 hook_on post-stop 'limits.cpu = abc'
	came_out 'post-stop does not ask' 0 ''
}

versions() {
	echo 'limits.cpu = 1' > "$config"
	LXC_NAME=web2 LXC_HOOK_TYPE=pre-start LXC_CONFIG_FILE=$config run_hook
	came_out 'version 1' 0 ''
	echo 'limits.cpus = 1' >> "$config"
	LXC_NAME=web2 LXC_HOOK_TYPE=pre-start LXC_CONFIG_FILE=$config run_hook
	came_out 'version 1, the name' 2 "numaplace: container web2: $config:2: limits.cpus: \"1\": no such key"
	LXC_NAME=web2 LXC_HOOK_TYPE=post-stop LXC_CONFIG_FILE=$config run_hook web1 lxc pre-start
	came_out 'arguments count more than what an outer LXC left behind' 2 'numaplace: container web1: *'
	run_hook
	came_out 'neither' 2 'numaplace: usage: lxc-hook *'
	run_hook web1 lxc pre-start
	came_out 'no config file' 0 ''
	LXC_CONFIG_FILE=/run/incus/web1/lxc.conf run_hook web1 lxc pre-start
	came_out "a daemon's container" 0 ''
}

options() {
	printf '%s\n' 'limits.cpu = 1' > "$config"
	run_hook --config "$config" --set limits.cpu=abc web1 lxc pre-start
	came_out '--set wins' 2 'numaplace: container web1: --set: limits.cpu: *"abc"*'
	run_hook --set limits.cpus=4 web1 lxc pre-start
	came_out '--set of no key' 2 'numaplace: container web1: --set limits.cpus=4: no such key'
	run_hook --set limits.cpus=4 web1 lxc post-stop
	came_out 'which is nothing to post-stop' 0 ''
	run_hook --set web1 lxc pre-start
	came_out '--set of nothing' 2 'numaplace: --set: needs a value'
	run_hook --verbose web1 lxc pre-start
	came_out 'an unknown option' 2 'numaplace: --verbose: no such option'
	run_hook --set limits.cpu=1 --sysroot "$tmp/none" web1 lxc pre-start
	came_out 'a sysroot that is not there' 1 'numaplace: container web1: *: No such file or directory'
}

bad_lines() {
	hook_on pre-start 'limits.cpus = 4'
	came_out 'an unknown key' 2 "numaplace: container web1: $config:3: limits.cpus: \"4\": no such key"
	hook_on pre-start '' 'limits.cpu = 0'
	came_out 'a bad value' 2 "numaplace: container web1: $config:4: limits.cpu: \"0\": *"
	hook_on pre-start 'limits.cpu'
	came_out 'no =' 2 "numaplace: container web1: $config:3: \"limits.cpu\": not limits.KEY = VALUE"
	hook_on pre-start 'limits.memory = 1GiB' 'limits.memory ='
	came_out 'an empty value' 2 "numaplace: container web1: $config:4: limits.memory: \"\": *"
	hook_on pre-start 'limits.cpu.exclusive = true'
	came_out 'keys that do not go together' 2 "numaplace: container web1: $config:3: limits.cpu.exclusive: *"
	hook_on pre-start $'limits.cpu = 4\e[31m'
	came_out 'a terminal escape is not passed on' 2 "numaplace: container web1: $config:3: limits.cpu: *\"4\\\\x1b\[31m\"*"
	hook_on pre-start 'volatile.cpu.nodes = zero' 'volatile.numaplace.origin = x'
	came_out 'volatile lines are never wrong' 0 ''
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
	came_out 'a bad conf, and a container that asks' 2 'numaplace: container web1: *on-failure*'
	hook_on pre-start
	came_out 'a bad conf, and one that does not' 0 'numaplace: container web1: *on-failure*'
	: > "$tmp/conf"
	hook_on pre-start 'lxc.no.such = 1' 'limits.cpu = 1'
	came_out 'a file that liblxc does not load' 1 "numaplace: container web1: $config: liblxc cannot load it"
}

# bad_name NAME PATTERN LXC_NAME: refused where it has a key; without one, and at its end, nothing is said.
bad_name() {
	hook_on pre-start # the file
	printf '%s\n' 'limits.cpu = 1' >> "$config"
	LXC_CONFIG_FILE=$config run_hook "$3" lxc pre-start
	came_out "$1" 2 "numaplace: container name: $2"
	LXC_CONFIG_FILE=$config LXC_PID=$$ run_hook "$3" lxc start-host
	came_out "$1, to be placed" 2 "numaplace: container name: $2"
	LXC_CONFIG_FILE=$config run_hook "$3" lxc post-stop
	came_out "$1, at its end" 0 ''
	hook_on pre-start
	LXC_CONFIG_FILE=$config run_hook "$3" lxc pre-start
	came_out "$1, without a key" 0 ''
}

names() {
	local long
	long=$(head -c 300 /dev/zero | tr '\0' a)
	bad_name 'the folder above for a name' '"..": not a name' ..
	bad_name 'a slash in it' '"a/b": contains "/"; allowed are letters, digits and . _ + : @ -' a/b
	bad_name 'a line end in it' '"a\\x0ab": contains "\\x0a"; allowed *' $'a\nb'
	bad_name 'a control character of two bytes' '"a\\xc2\\x85b": *' $'a\302\205b'
	bad_name 'one of a single byte' '"a\\x9b31mb": *' $'a\x9b31mb'
	bad_name 'a byte that is no character' '"a\\xff": *' $'a\xff'
	bad_name 'a right-to-left override' '"a\\xe2\\x80\\xaeb": *' $'a\u202eb'
	bad_name 'a letter beyond ASCII' '"caf\\xc3\\xa9": *' $'caf\u00e9'
	bad_name 'a command' '"$(touch x)": contains "$"; allowed *' '$(touch x)'
	bad_name 'a dash first' '"-web": begins with a dash' -web
	# LXC has a shell run the line, which splits "a b" and expands "$(x)" to nothing; LXC_NAME has the name.
	echo 'limits.cpu = 1' > "$config"
	LXC_NAME='a b' LXC_CONFIG_FILE=$config run_hook a b lxc pre-start
	came_out 'a name that the shell of LXC splits' 2 'numaplace: container name: "a b": contains " "; allowed *'
	LXC_NAME='$(x)' LXC_CONFIG_FILE=$config run_hook lxc pre-start
	came_out 'a name that the shell of LXC expands to nothing' 2 'numaplace: container name: "$(x)": contains "$"; allowed *'
	: > "$config"
	LXC_NAME='a b' LXC_CONFIG_FILE=$config run_hook a b lxc pre-start
	came_out 'a name that is split, without a key' 0 ''
	bad_name 'a long one' '"aaa*": longer than 246 bytes' "$long"
}

# What a person reads as a key is one, or is refused.
encodings() {
	printf '\xef\xbb\xbflimits.cpu = abc\n' > "$config"
	LXC_CONFIG_FILE=$config run_hook web1 lxc pre-start
	came_out 'a byte order mark in front of a key' 2 "numaplace: container web1: $config:1: limits.cpu: *\"abc\"*"
	hook_on pre-start $'\u00a0limits.cpu = 1'
	came_out 'a blank that is none' 2 "numaplace: container web1: $config:3: \"\\\\xc2\\\\xa0limits.cpu\": bytes that are not text *"
	printf '\xff\xfel\0i\0' > "$config"
	LXC_CONFIG_FILE=$config run_hook web1 lxc pre-start
	came_out 'UTF-16' 2 "numaplace: container web1: $config: in UTF-16, which LXC does not read: save it as UTF-8"
}

# Our parent is the monitor: its log is the file that it has open for appending, closed on exec.
log() {
	printf '%s\n' 'limits.cpus = 4' > "$config"
	: > "$tmp/log"
	# shellcheck disable=SC2016 # perl's
	perl -e 'use Fcntl; sysopen(my $f, $ARGV[0], O_WRONLY | O_APPEND) or die; $^F = 2;
		fcntl($f, F_SETFD, FD_CLOEXEC); $ENV{LXC_LOG_LEVEL} = $ARGV[1]; shift; shift;
		system(@ARGV)' "$tmp/log" "$1" "$hook" --config "$config" --conf "$tmp/conf" web1 lxc pre-start 2> /dev/null
}

logs() {
	command -v perl > /dev/null || return
	log ERROR
	[[ $(cat "$tmp/log") == 'numaplace web1 '[0-9]*.[0-9][0-9][0-9]' ERROR    hook - '*"$config:1: limits.cpus: \"4\": no such key" ]]
	ok $? "the container's log has the line" "$(cat "$tmp/log")"
	log DEBUG
	[ ! -s "$tmp/log" ]
	ok $? 'not where LXC logs our stderr itself' "$(cat "$tmp/log")"
	log FATAL
	[ ! -s "$tmp/log" ]
	ok $? 'nor where it is for worse things' "$(cat "$tmp/log")"
}

# An included file that liblxc waits for without end, and the hook all the same ends: its own time is up.
alarms() {
	local began=$SECONDS
	mkfifo "$tmp/fifo"
	printf '%s\n' 'limits.cpu = 1' "lxc.include = $tmp/fifo" > "$config"
	run_hook --config "$config" --timeout 1 web1 lxc pre-start
	came_out 'liblxc never comes back' 1 'numaplace: container web1: gave up after 1 seconds'
	run_hook --config "$config" web1 lxc pre-start
	came_out 'with the time that is usual' 1 'numaplace: container web1: gave up after 8 seconds'
	echo 'on-failure = warn' > "$tmp/conf"
	run_hook --config "$config" --timeout 1 web1 lxc pre-start
	came_out 'on-failure = warn' 0 'numaplace: container web1: gave up after 1 seconds'
	: > "$tmp/conf"
	[ $((SECONDS - began)) -lt 20 ]
	ok $? 'all in their times' "$((SECONDS - began)) s"
	run_hook --timeout 0 web1 lxc pre-start
	came_out 'no time at all' 2 'numaplace: --timeout: "0": 1 to 999 seconds are expected'
}

stages
versions
options
bad_lines
names
encodings
logs
alarms
done_testing
