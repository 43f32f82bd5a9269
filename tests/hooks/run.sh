#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# numaplace run and service-hook: bad input is one line and exit status 2, before anything is read or written; a command that
# cannot be executed is reported before it is placed.
# shellcheck source=tests/hooks/tap.bash
. "${0%/*}/tap.bash"

state=$tmp/state
# refused NAME STATUS MESSAGE COMMAND...: the command fails with this status and one line that has the message, and makes no
# ledger.
refused() {
	local name=$1 status=$2 message=$3
	shift 3
	"$@" > "$tmp/out" 2> "$tmp/err"
	[ $? = "$status" ]
	ok $? "$name: exit status $status" "$(cat "$tmp/err")"
	[ "$(wc -l < "$tmp/err")" = 1 ] && grep -qF -- "$message" "$tmp/err"
	ok $? "$name: one line with the reason" "$(cat "$tmp/err")"
	[ ! -s "$tmp/out" ] && [ ! -e "$state" ]
	ok $? "$name: nothing is printed or written" "$(cat "$tmp/out")"
}
run() { "$build/numaplace" --state "$state" run "$@"; }
hook() { "$build/service-hook" --state "$state" --conf "$tmp/conf" "$@"; }
build=${NUMAPLACE_BUILD:-build}
: > "$tmp/conf"
mkdir -p "$tmp/machine/sys"

refused 'run without keys' 2 'a key is missing, for example limits.cpu=4' run -- true
refused 'run without a command' 2 'a command is missing' run limits.cpu=1 --
refused 'run without --' 2 'the command follows --' run limits.cpu=1 true
refused 'run with an unknown key' 2 'limits.cpus' run limits.cpus=1 -- true
refused 'run with a bad value' 2 'limits.cpu: "0"' run limits.cpu=0 -- true
refused 'run with keys that contradict each other' 2 'limits.memory.hugepages' run limits.memory.hugepages=true -- true
refused 'run with an unknown option' 2 '--frob: no such option' run --frob limits.cpu=1 -- true
refused 'run with a name that is no id' 2 '--name: "a/b"' run --name a/b limits.cpu=1 -- true
refused 'run with a name of a nameless command' 2 'does not begin with' run --name run-1 limits.cpu=1 -- true
refused 'run with a name that begins with a dot' 2 'does not begin with' run --name .x limits.cpu=1 -- true
refused 'run with a long name' 2 'longer than 200 bytes' run --name "$(printf '%0201d' 0)" limits.cpu=1 -- true
refused 'run on a recorded machine' 2 'a command runs on this machine' "$build/numaplace" --sysroot "$tmp/machine" run limits.cpu=1 -- true
refused 'run of a missing command' 127 'run: no-such-command: No such file' run limits.cpu=1 -- no-such-command
refused 'run of a missing file' 127 'run: ./none: No such file' run limits.cpu=1 -- ./none
refused 'run of a file that is not executable' 126 'Permission denied' run limits.cpu=1 -- "$tmp/conf"
refused 'run of a folder' 126 'Permission denied' run limits.cpu=1 -- "$tmp"
refused 'run of an empty name' 127 'run: : No such file' run limits.cpu=1 -- ''
"$build/numaplace" --state "$state" run limits.cpu=1 -- no-such-command --json > "$tmp/out" 2> "$tmp/err"
[ $? = 127 ] && [ ! -s "$tmp/out" ]
ok $? 'an option of the command is not one of numaplace' "$(cat "$tmp/out" "$tmp/err")"

refused 'service-hook without arguments' 2 'usage: service-hook' hook
refused 'service-hook without keys' 2 'usage: service-hook' hook web.service
refused 'service-hook with an unknown key' 2 'service web.service: limits.cpus: no such key' hook web.service limits.cpus=1
refused 'service-hook with a word that is no key' 2 'not of the form KEY=VALUE' hook web.service limits.cpu
refused 'service-hook with a bad value' 2 'limits.cpu: list "x"' hook web.service limits.cpu=x
refused 'service-hook with a hint alone' 2 'a key is missing' hook web.service volatile.cpu.nodes=1
refused 'service-hook with a bad time limit' 2 '--timeout' hook --timeout 0 web.service limits.cpu=1
refused 'service-hook with a memory policy' 1 'set NUMAPolicy=preferred and NUMAMask= in the unit' hook web.service limits.cpu=1 limits.memory.policy=preferred
echo 'on-failure = maybe' > "$tmp/conf"
refused 'service-hook with a bad configuration' 2 'on-failure' hook web.service limits.cpu=1
echo 'on-failure = warn' > "$tmp/conf"
hook web.service limits.cpus=1 2> "$tmp/err"
ok $? 'service-hook with on-failure = warn: an error is exit status 0' "$(cat "$tmp/err")"
grep -qF 'limits.cpus: no such key' "$tmp/err"
ok $? 'service-hook with on-failure = warn: the message is printed' "$(cat "$tmp/err")"
# --- doctor: the drop-ins of services
units=$tmp/machine/etc/systemd/system
mkdir -p "$units/web@.service.d" "$tmp/machine/proc" "$tmp/machine/hook"
cp "$build/service-hook" "$tmp/machine/hook/service-hook"
# says NAME PATTERN LINE: doctor reports this line of a drop-in.
says() {
	printf '[Service]\n%s\n' "$3" > "$units/web@.service.d/numaplace.conf"
	"$build/numaplace" --sysroot "$tmp/machine" --json doctor > "$tmp/out" 2>&1
	grep -q -- "$2" "$tmp/out"
	ok $? "doctor: $1" "$(grep services "$tmp/out")"
}
says 'a drop-in that calls the hook' '"1 line in /etc/systemd/system calls service-hook' \
	'ExecStartPre=+/hook/service-hook %n limits.cpu=4'
says 'a line without +' '/etc/systemd/system/web@.service.d/numaplace.conf: .*write ExecStartPre=+/hook/service-hook' \
	'ExecStartPre=/hook/service-hook %n limits.cpu=4'
says 'a hook that does not exist' '/none/service-hook does not exist, so that the service does not start' \
	'ExecStartPre=+/none/service-hook %n limits.cpu=4'
says 'a line without the name of the unit' 'the first argument of /hook/service-hook must be %n' \
	'ExecStartPre=+/hook/service-hook limits.cpu=4'
done_testing
