#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Stages and options of oci-hook, errors in numaplace.conf, and unusual descriptors and environments.
# shellcheck source=tests/hooks/tap.bash
. "${0%/*}/tap.bash"

silent() {
	came_out "$1" 0 ''
}

nothing_to_do() {
	local stage
	for stage in createRuntime prestart poststop; do
		run_hook $stage <<< '{"id":"web1","pid":7,"status":"created"}'
		silent "$stage without annotations"
		run_hook $stage <<< "$(state '"limits.cpu.node":"1","limits.network":"1","volatile.cpu.nodes":"0"')"
		silent "$stage without an annotation that is a key"
		[ ! -e "$tmp/state" ]
		ok $? "$stage without keys makes no state folder"
	done
	run_hook createRuntime <<< "$(state '"limits.cpu":"2","io.kubernetes.cri-o.ContainerType":"sandbox"')"
	silent "createRuntime of a CRI-O sandbox"
	run_hook createRuntime <<< "$(state '"limits.cpu":"2","io.kubernetes.cri.container-type":"sandbox"')"
	silent "createRuntime of a containerd sandbox"
	run_hook poststop <<< '{"id":"web1","status":"stopped","annotations":{"limits.cpu":"2"}}'
	silent 'poststop of a container that was never placed'
	run_hook poststop <<< '{"id":"web1","pid":0,"status":"stopped","annotations":{"limits.cpu":"abc"}}'
	silent 'poststop of a container that was refused'
}

other_stages() {
	local stage writer
	head -c 10485760 /dev/zero > "$tmp/10M"
	for stage in poststart startContainer createContainer 'no such' ''; do
		# shellcheck disable=SC2002 # a pipe, so that a hook that stops reading would show
		cat "$tmp/10M" | run_hook "$stage"
		writer=${PIPESTATUS[0]}
		run_hook "$stage" < "$tmp/10M"
		silent "stage \"$stage\""
		[ "$writer" = 0 ]
		ok $? "stage \"$stage\": stdin is read to its end" "the writer ended with $writer"
	done
}

usage() {
	run_hook < /dev/null
	came_out 'no stage' 2 'numaplace: usage: oci-hook *'
	run_hook createRuntime poststop < /dev/null
	came_out 'two stages' 2 'numaplace: poststop: one stage is enough'
	run_hook --verbose createRuntime < /dev/null
	came_out 'an unknown option' 2 'numaplace: --verbose: no such option'
	run_hook createRuntime --conf < /dev/null
	came_out 'an option without its value' 2 'numaplace: --conf: needs a value'
	run_hook --reserved createRuntime <<< '{"id":"web1","pid":0,"status":"creating"}'
	came_out '--reserved, without keys and without a process' 2 'numaplace: container web1: pid: 0: no process to place *'
	run_hook --reserved createRuntime <<< '{"id":"web 1","pid":7,"status":"creating"}'
	came_out '--reserved, with an invalid id' 2 'numaplace: id: *'
	run_hook --sysroot "$tmp/none" createRuntime <<< "$(state '"limits.cpu":"1"')"
	came_out 'a --sysroot that does not exist' 1 'numaplace: container web1: *: No such file or directory'
}

warn_only() {
	echo 'on-failure = warn' > "$tmp/conf"
	run_hook createRuntime <<< '{'
	came_out 'on-failure = warn: a malformed state' 0 'numaplace: state: parse error: premature EOF*'
	run_hook createRuntime <<< "$(state '"limits.cpu":"abc"')"
	came_out 'on-failure = warn: a bad value' 0 'numaplace: container web1: limits.cpu: *"abc"*'
	run_hook createRuntime < "$tmp/10M"
	came_out 'on-failure = warn: a state of 10 MiB' 0 'numaplace: state: more than 1 MiB'
	echo 'on-failure = perhaps' > "$tmp/conf"
	run_hook createRuntime <<< "$(state '"limits.cpu":"1"')"
	came_out 'a malformed numaplace.conf, a container with a key' 2 'numaplace: container web1: *on-failure*'
	run_hook createRuntime <<< "$(state '')"
	came_out 'a malformed numaplace.conf, a container without keys' 0 'numaplace: container web1: *on-failure*'
	run_hook poststop <<< "$(state '"limits.cpu":"1"')"
	came_out 'a malformed numaplace.conf, poststop' 0 'numaplace: container web1: *on-failure*'
	rm "$tmp/conf"
	run_hook createRuntime <<< "$(state '')"
	silent 'no numaplace.conf'
	: > "$tmp/conf"
}

descriptors() {
	local bad arguments=(--conf "$tmp/conf" --state "$tmp/state" createRuntime)
	bad=$(state '"limits.cpu":"abc"')
	"$hook" "${arguments[@]}" <&- 2> "$tmp/stderr"
	ok $(($? != 2)) 'closed stdin: exit status 2'
	[ "$(cat "$tmp/stderr")" = 'numaplace: state: empty: a runtime writes it to stdin of the hook' ]
	ok $? 'closed stdin: the message says that the state is empty' "$(cat "$tmp/stderr")"
	"$hook" "${arguments[@]}" 2>&- <<< "$bad"
	ok $(($? != 2)) 'closed stderr: exit status 2'
	"$hook" "${arguments[@]}" >&- 2>&- <&-
	ok $(($? != 2)) 'stdin, stdout and stderr closed: exit status 2'
	"$hook" "${arguments[@]}" 2> /dev/full <<< "$bad"
	ok $(($? != 2)) 'a full stderr: exit status 2'
	# A pipe whose reader has closed it.
	mkfifo "$tmp/unread"
	exec 8<> "$tmp/unread" 9> "$tmp/unread" 8<&-
	"$hook" "${arguments[@]}" 2>&9 <<< "$bad"
	ok $(($? != 2)) 'a stderr without a reader: exit status 2, no SIGPIPE'
	exec 9>&-
	"$hook" "${arguments[@]}" < / 2> "$tmp/stderr"
	ok $(($? != 1)) 'stdin is a folder: exit status 1' "$(cat "$tmp/stderr")"
	[ ! -e "$tmp/state" ]
	ok $? 'hooks with closed or full descriptors make no state folder'
}

surroundings() {
	mkdir "$tmp/gone"
	(cd "$tmp/gone" && rmdir "$tmp/gone" && state '' | env -i "$hook" --conf "$tmp/conf" createRuntime)
	ok $? 'the hook runs without environment in a removed working folder'
	state '"limits.cpu":"abc"' | PATH='' IFS=a LANG=xx LD_LIBRARY_PATH="$tmp" TZ=:/etc/passwd "$hook" \
		--conf "$tmp/conf" --state "$tmp/state" createRuntime 2> "$tmp/stderr"
	[[ $? = 2 && $(cat "$tmp/stderr") == 'numaplace: container web1: limits.cpu: '*'"abc"'* ]]
	ok $? 'unusual environment variables do not change the answer' "$(cat "$tmp/stderr")"
}

# The timeout of the hook works although its parent ignores SIGALRM.
endless() {
	local start=$SECONDS
	(
		trap '' ALRM PIPE
		exec "$hook" --conf "$tmp/conf" --state "$tmp/state" createRuntime < /dev/zero 2> "$tmp/stderr"
	)
	ok $(($? != 1)) 'stdin without end: exit status 1'
	[ "$(cat "$tmp/stderr")" = 'numaplace: gave up after 8 seconds' ]
	ok $? 'stdin without end: the message says that the hook gave up' "$(cat "$tmp/stderr")"
	[ $((SECONDS - start)) -ge 7 ] && [ $((SECONDS - start)) -le 12 ]
	ok $? 'stdin without end: the hook ends after 8 seconds' "it took $((SECONDS - start))"
}

# run_of OWNER COMMAND...: runs COMMAND where /run belongs to OWNER; with "UID,none", XDG_RUNTIME_DIR is not set.
run_of() {
	# shellcheck disable=SC2016 # expanded by the inner shell
	XDG_RUNTIME_DIR=$tmp/xdg unshare --mount sh -c 'mount -t tmpfs -o "uid=${0%,*}" none /run &&
		mkdir -p /run/user/0 && cp -a "$XDG_RUNTIME_DIR/numaplace" /run/user/0/ &&
		case $0 in *,none) unset XDG_RUNTIME_DIR ;; esac && exec "$@"' "$@"
}
# The hook and the command use the ledger in XDG_RUNTIME_DIR if /run belongs to another user, as for root in a user
# namespace. The folders are not ledgers, so an error message shows which one was opened.
whose() {
	local owner want at
	mkdir -p "$tmp/xdg/numaplace"
	touch "$tmp/xdg/numaplace/else"
	chmod 755 "$tmp/xdg/numaplace"
	if ! unshare --mount mount -t tmpfs none /run 2> "$tmp/why"; then
		skip 'the folder of the ledger depends on the owner of /run' "cannot make a mount namespace: $(cat "$tmp/why")"
		return
	fi
	for owner in 65534 65534,none 0; do
		at=$tmp/xdg/numaplace
		[ $owner != 65534,none ] || at=/run/user/0/numaplace
		want="numaplace: container web1: $at: mode 0755, must be 0700,*"
		[ $owner != 0 ] || want=
		state '"limits.cpu":"2"' | run_of $owner "$hook" --conf "$tmp/conf" poststop 2> "$tmp/stderr"
		# shellcheck disable=SC2053 # a pattern
		[[ $(cat "$tmp/stderr") == $want ]]
		ok $? "/run belongs to uid $owner: ${want:-the ledger is in /run}" "$(cat "$tmp/stderr")"
		want="numaplace: $at: *"
		[ $owner != 0 ] || want=
		run_of $owner "${hook%/*}/numaplace" status 2>&1 > /dev/null | grep -v warning: > "$tmp/stderr"
		# shellcheck disable=SC2053 # a pattern
		[[ $(cat "$tmp/stderr") == $want ]]
		ok $? "/run belongs to uid $owner: numaplace status reads the same ledger" "$(cat "$tmp/stderr")"
	done
}

nothing_to_do
other_stages
whose
usage
warn_only
descriptors
surroundings
endless
done_testing
