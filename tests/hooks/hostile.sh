#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# oci-hook against attacks: container names, planted files, environment, descriptors, resource limits. In each case,
# the hook ends with an exit status and one line, and writes to no file of another user.
# shellcheck source=tests/hooks/tap.bash
. "${0%/*}/tap.bash"

victim=$tmp/victim
echo 'not for you' > "$victim"
chmod 600 "$victim"

unharmed() {
	[ "$(cat "$victim")" = 'not for you' ] && [ "$(stat -c '%a %F' "$victim")" = '600 regular file' ]
	ok $? "$1: the victim file is unchanged" "$(ls -l "$victim")" "$(head -c 200 "$victim")"
}

# --- names: a container id becomes a part of a file name and of messages

names() {
	local id long n code key
	long=$(head -c 4096 /dev/zero | tr '\0' 'a')
	for id in '../../etc/passwd' '/etc/passwd' 'a/b' '..' '.' 'a\nb' 'a\u0007b' 'a\u007fb' 'a\u0085b' "$long" \
		'a\u001b]0;owned\u0007' 'h\u00e4nschen-\ud83d\ude00' 'a%n%s%s%s%99999d' '$(reboot)' '`reboot`' '-rf'; do
		run_hook createRuntime <<< "{\"id\":\"$id\",\"pid\":7,\"annotations\":{\"limits.cpu\":\"1\"}}"
		came_out "id \"${id:0:20}\"" 2 'numaplace: id: *'
		[[ $said =~ ^[\ -~]*$ ]]
		ok $? "id \"${id:0:20}\": the message is printable" "$said"
		run_hook poststop <<< "{\"id\":\"$id\",\"pid\":7,\"annotations\":{\"limits.cpu\":\"1\"}}"
		came_out "poststop of id \"${id:0:20}\"" 0 ''
	done
	for id in '' 'a\u0000b' '\ud800'; do
		for stage in createRuntime poststop; do
			run_hook $stage <<< "{\"id\":\"$id\",\"pid\":7,\"annotations\":{\"limits.cpu\":\"1\"}}"
			came_out "$stage, id \"$id\", which no runtime has" 2 'numaplace: state: *'
		done
	done
	# Only config.json has the keys; the hook reads it because numaplace.conf sets a default.
	mkdir -p "$tmp/bundle"
	echo 'default = balanced' > "$tmp/conf"
	for key in limits.cpu org.example; do
		echo "{\"ociVersion\":\"1.0.2\",\"annotations\":{\"$key\":\"1\"}}" > "$tmp/bundle/config.json"
		run_hook createRuntime <<< "{\"id\":\"a(b)\",\"pid\":7,\"bundle\":\"$tmp/bundle\"}"
		code=2
		[ $key = limits.cpu ] || code=0
		came_out "an id with a bracket, key $key in config.json" $code 'numaplace: id: *'
	done
	# Too long for the ledger: 255 bytes, 247 bytes, and 83 colons, which are encoded in three bytes each.
	for id in "${long:0:255}" "${long:0:247}" "$(printf ':%.0s' {1..83})"; do
		run_hook createRuntime <<< "{\"id\":\"$id\",\"pid\":7,\"bundle\":\"$tmp/bundle\"}"
		came_out "createRuntime without keys, id of ${#id} bytes" 0 'numaplace: id: *: longer than 246 bytes*'
		run_hook poststop <<< "{\"id\":\"$id\",\"pid\":7,\"annotations\":{\"limits.cpu\":\"1\"}}"
		came_out "poststop of an id of ${#id} bytes" 0 ''
	done
	# The longest ids that have a file name in the ledger are taken; the pid does not exist.
	for id in "${long:0:246}" "$(printf ':%.0s' {1..82})"; do
		run_hook createRuntime <<< "{\"id\":\"$id\",\"pid\":4194305,\"annotations\":{\"limits.cpu\":\"1\"}}"
		[[ $status = 1 && $said == "numaplace: container $id: "* && $said != *'longer than'* ]]
		ok $? "the longest id of ${#id} bytes is accepted" "status $status" "$said"
	done
	rm -r "$tmp/bundle"
	: > "$tmp/conf"
	# Bytes below 128 as JSON escapes, the others unencoded, as a runtime that does not check would write them.
	id=
	for ((n = 1; n < 256; n++)); do
		printf -v code '\\u%04x' $n
		[ $n -lt 128 ] || printf -v code '%b' "\\x$(printf %x $n)"
		printf '{"id":"a%sb","pid":4194305,"annotations":{"limits.cpu":"1"}}' "$code" | run_hook createRuntime
		LC_ALL=C
		[[ $(cat "$tmp/stderr") =~ ^[\ -~]+$ && $(wc -l < "$tmp/stderr") = 1 && ! -s $tmp/stdout ]] || id+=" $n"
		unset LC_ALL
	done
	[ -z "$id" ]
	ok $? 'an id with any byte from 1 to 255: the hook prints one printable line' "$id"
}

# --- the state folder: the hook follows no planted file. poststop reaches the ledger on any machine.

# planted NAME STATUS PATTERN [COMMAND]: makes a state folder, runs COMMAND in it, then runs poststop.
planted() {
	rm -rf "$tmp/state" "$tmp/elsewhere"
	mkdir -m 700 "$tmp/state" "$tmp/elsewhere"
	ln -s numaplace-ledger-1 "$tmp/state/format" # marks the folder as a ledger
	(cd "$tmp/state" && eval "${4:-:}")
	"$hook" --conf "$tmp/conf" --state "$tmp/state" --timeout 5 poststop > "$tmp/stdout" 2> "$tmp/stderr" <<< \
		'{"id":"web1","pid":0,"annotations":{"limits.cpu":"1"}}'
	status=$? said=$(cat "$tmp/stderr")
	[ $status = "$2" ]
	ok $? "$1: exit status $2" "it was $status" "$said"
	# shellcheck disable=SC2053 # a pattern
	[[ $said == $3 ]]
	ok $? "$1: says: ${3:-nothing}" "$said"
	[ -z "$(find "$tmp/elsewhere" -mindepth 1)" ]
	ok $? "$1: nothing was written elsewhere" "$(find "$tmp/elsewhere")"
	unharmed "$1"
}

folder() {
	planted 'a correct state folder' 0 ''
	planted 'the state folder is a symlink' 1 'numaplace: container web1: open *: Not a directory' \
		"rm -rf ../state; ln -s elsewhere ../state"
	planted 'the state folder is writable by all users' 1 'numaplace: container web1: *: mode 0777: others may write there, must be 0700' \
		'chmod 777 .'
	planted 'a state folder named by --state is readable by others' 1 'numaplace: container web1: *: mode 0755, must be 0700' 'chmod 755 .'
	[ "$(stat -c %a "$tmp/state")" = 755 ]
	ok $? 'a state folder that is readable by others keeps its mode'
	planted 'a folder with files that are not of a ledger' 2 "numaplace: container web1: *: not a ledger folder: *left unchanged" \
		'rm format; mkdir containers lock; echo precious > containers/db; chmod 755 .'
	[ "$(cd "$tmp/state" && find . -printf '%p %m\n' | sort | xargs)" = '. 755 ./containers 755 ./containers/db 644 ./lock 755' ]
	ok $? 'a folder that is not a ledger keeps its files and modes' "$(ls -lR "$tmp/state")"
	if [ "$(id -u)" = 0 ]; then
		planted 'the state folder belongs to another user' 1 'numaplace: container web1: *: owned by uid 65534, must be 0' 'chown 65534 .'
	fi
	planted 'the state folder is a file' 1 'numaplace: container web1: open *: Not a directory' \
		"rm -rf ../state; : > ../state"
}

files() {
	planted 'lock is a symlink' 1 'numaplace: container web1: ledger: open lock: Too many levels of symbolic links' \
		"ln -s $victim lock"
	planted 'lock is a hard link' 1 'numaplace: container web1: ledger: lock: not a regular file with one link: remove it' \
		"ln $victim lock"
	planted 'lock is a folder' 1 'numaplace: container web1: ledger: open lock: Is a directory' 'mkdir lock'
	planted 'lock is a FIFO' 1 'numaplace: container web1: ledger: lock: *' 'mkfifo lock'
	planted 'usage is a symlink' 0 '*damaged: moved to damaged/usage.0*' "ln -s $victim usage"
	planted 'usage is a hard link' 0 '*damaged: moved to damaged/usage.0*' "ln $victim usage"
	planted 'usage is a FIFO' 0 '*damaged: moved to damaged/usage.0*' 'mkfifo usage'
	planted 'usage is a folder' 0 '*damaged: moved to damaged/usage.0*' 'mkdir usage'
	planted 'usage is 1 GiB of nothing' 0 '*damaged: moved to damaged/usage.0*' 'truncate -s 1G usage'
	planted 'usage.tmp is a symlink' 0 '' "ln -s $victim usage.tmp"
	planted 'usage.tmp is a folder' 0 '*moved to damaged/usage.tmp.0*' 'mkdir usage.tmp'
	planted 'containers is a symlink' 0 '*moved to damaged/containers.0*' 'ln -s ../elsewhere containers'
	planted 'containers is a file' 0 '*moved to damaged/containers.0*' ': > containers'
	planted 'the record is a symlink' 0 '*moved to damaged/oci:web1.0*' \
		"mkdir -m 700 containers; ln -s $victim containers/oci:web1"
	planted 'the record is a hard link' 0 '*moved to damaged/oci:web1.0*' \
		"mkdir -m 700 containers; ln $victim containers/oci:web1"
	planted 'the record is a FIFO' 0 '*moved to damaged/oci:web1.0*' \
		'mkdir -m 700 containers; mkfifo containers/oci:web1'
	planted 'topology is a FIFO' 0 '' 'mkfifo topology'
	planted 'damaged is a symlink' 0 '*moved to damaged/usage.0*' "ln -s ../elsewhere damaged; echo x > usage"
	# shellcheck disable=SC2016 # expanded by the shell that plants it
	planted 'damaged is full' 0 '*damaged: removed usage*' \
		'mkdir damaged; for i in $(seq 16); do : > damaged/usage.$i; done; echo x > usage'
}

# --- a state folder that cannot be written to

# mounted NAME OPTIONS COMMAND STATUS PATTERN: mounts a tmpfs with these options as the state folder, runs COMMAND in
# it, then runs poststop.
mounted() {
	said=$(unshare -m bash -c '
		mount -t tmpfs -o "mode=700,$1" none "$2" && cd "$2" && { [[ $1 = *ro ]] || ln -s numaplace-ledger-1 format; } && eval "$3" && cd / || exit 77
		case $1 in *size*) ;; *) mount -o remount,ro "$2" || exit 77 ;; esac
		"$4" --conf "$5" --state "$2" --timeout 5 poststop <<< "{\"id\":\"web1\",\"pid\":0,\"annotations\":{\"limits.cpu\":\"1\"}}"
		' - "$2" "$tmp/mounted" "$3" "$hook" "$tmp/conf" 2>&1)
	status=$?
	# shellcheck disable=SC2053 # a pattern
	[ $status = "$4" ] && [[ $said == $5 ]]
	ok $? "$1: exit status $4, message: ${5:-none}" "status $status" "$said"
}

no_room() {
	mkdir -p "$tmp/mounted"
	unshare -m mount -t tmpfs none "$tmp/mounted" 2> /dev/null || return 0 # not root: the unit tests cover it
	mounted 'read-only empty state folder' size=1m,ro : 1 'numaplace: container web1: ledger: mark its folder: Read-only file system'
	mounted 'read-only state folder with a ledger' mode=0700 'touch lock usage; mkdir -m 700 containers' 1 \
		'numaplace: container web1: ledger: open lock: Read-only file system'
	mounted 'full file system of the state folder' size=8k 'cat /dev/zero > fill 2> /dev/null; true' 1 \
		'numaplace: container web1: ledger: *: No space left on device'
}

# --- the bundle: the hook does not print what it reads there

bundle() {
	local text
	mkdir "$tmp/bundle"
	text="{\"id\":\"web1\",\"pid\":$$,\"bundle\":\"$tmp/bundle\",\"annotations\":{\"limits.cpu\":\"1\"}}"
	ln "$victim" "$tmp/bundle/config.json"
	run_hook createRuntime <<< "$text"
	came_out 'config.json is a hard link to a secret' 2 'numaplace: container web1: config.json: *byte 1)'
	[[ $said != *'not for'* ]]
	ok $? 'config.json is a hard link to a secret: the message does not contain the secret' "$said"
	rm "$tmp/bundle/config.json"
	ln -s /dev/zero "$tmp/bundle/config.json"
	run_hook createRuntime <<< "$text"
	came_out 'config.json is a symlink to /dev/zero' 1 'numaplace: container web1: config.json: *symbolic links'
	rm "$tmp/bundle/config.json"
	run_hook createRuntime <<< "${text//$tmp\/bundle/$tmp/bundle/../../../../../../etc}"
	came_out 'a bundle path with ..' 1 'numaplace: container web1: *'
	run_hook createRuntime <<< "${text//$tmp\/bundle/$tmp/no\\nsuch}"
	came_out 'a bundle path with a newline' 1 'numaplace: container web1: *'
	unharmed 'bundles'
}

# --- the environment

environment() {
	local i big
	state '"limits.cpu":"abc"' > "$tmp/in"
	env -i LD_PRELOAD=/nonexistent.so LD_LIBRARY_PATH="$tmp" PATH=/nonexistent IFS=n ENV="$victim" BASH_ENV="$victim" \
		TZ=:/etc/shadow LANG=../../etc LOCPATH=/ MALLOC_CHECK_=3 GCONV_PATH="$tmp" HOME=/nonexistent \
		"$hook" --conf "$tmp/conf" --state "$tmp/state" createRuntime < "$tmp/in" 2> "$tmp/stderr"
	[[ $? = 2 && $(tail -n 1 "$tmp/stderr") == 'numaplace: container web1: limits.cpu: '*'"abc"'* ]]
	ok $? 'misleading environment variables do not change the answer' "$(cat "$tmp/stderr")"
	for i in 1 2 3 4 5 6 7 8; do
		big[i]="X$i=$(head -c 130000 /dev/zero | tr '\0' x)"
	done
	env -i "${big[@]}" "$hook" --conf "$tmp/conf" --state "$tmp/state" createRuntime < "$tmp/in" 2> "$tmp/stderr"
	[[ $? = 2 && $(cat "$tmp/stderr") == 'numaplace: container web1: limits.cpu: '*'"abc"'* ]]
	ok $? '1 MiB of environment does not change the answer' "$(head -c 300 "$tmp/stderr")"
	env -i NUMAPLACE_STATE="$tmp/elsewhere" NUMAPLACE_CONF="$victim" "$hook" --conf "$tmp/conf" \
		--state "$tmp/state" createRuntime <<< "$(state '')" 2> "$tmp/stderr"
	[[ $? = 0 && ! -s $tmp/stderr ]]
	ok $? 'environment variables do not select the state folder or the conf' "$(cat "$tmp/stderr")"
}

# --- descriptors and limits

# A hook that waits for its state has only the privileges that it needs. It reports a fatal signal itself, because a
# runtime may not.
waiting() {
	local pid tries=0 has
	"$hook" --conf "$tmp/conf" --state "$tmp/state" --timeout 60 createRuntime < "$tmp/fifo" > "$tmp/stdout" \
		2> "$tmp/stderr" &
	pid=$!
	# The seccomp filter is installed last.
	until grep -q '^Seccomp:.2' "/proc/$pid/status" || [ $((tries += 1)) -ge 600 ]; do
		sleep 0.05
	done
	has=$(grep -E '^(NoNewPrivs|Seccomp|CapPrm|CapEff):' "/proc/$pid/status")
	grep -q '^Seccomp:.2' <<< "$has" && grep -q '^NoNewPrivs:.1' <<< "$has"
	ok $? 'a waiting hook has a filter of system calls, and cannot get new privileges' "$has"
	# CAP_DAC_OVERRIDE, CAP_SYS_ADMIN, CAP_SYS_NICE
	[ "$(grep -c '^Cap' <<< "$has")" = 2 ] && ! sed -n 's/^Cap[A-Za-z]*:.//p' <<< "$has" |
		while read -r caps; do [ $((0x$caps & ~0xa00002)) = 0 ] || echo "$caps"; done | grep -q .
	ok $? 'a waiting hook has at most three capabilities' "$has"
	kill -SEGV "$pid"
	wait "$pid"
	status=$? said=$(cat "$tmp/stderr") printed=$(cat "$tmp/stdout")
	came_out 'SIGSEGV' 1 'numaplace: ended by SIGSEGV: no memory for its stack, or a bug'
}

descriptors() {
	local which
	for which in '<&-' '>&-' '2>&-' '<&- >&-' '>&- 2>&-' '<&- 2>&-' '<&- >&- 2>&-'; do
		rm -rf "$tmp/state"
		eval "'$hook' --conf '$tmp/conf' --state '$tmp/state' createRuntime < '$tmp/in' $which 2>> '$tmp/null'" \
			2> /dev/null
		ok $(($? != 2)) "without $which: exit status 2"
	done
	mkfifo "$tmp/fifo"
	exec 9<> "$tmp/fifo"
	run_hook --timeout 1 createRuntime < "$tmp/fifo"
	came_out 'stdin without data' 1 'numaplace: gave up after 1 seconds'
	run_hook --timeout 1 createRuntime < /dev/zero
	came_out 'stdin that never ends' 1 'numaplace: gave up after 1 seconds'
	echo 'on-failure = warn' > "$tmp/conf"
	run_hook --timeout 1 createRuntime < "$tmp/fifo"
	came_out 'on-failure = warn, stdin without data' 0 'numaplace: gave up after 1 seconds'
	: > "$tmp/conf"
	rm -rf "$tmp/state"
	# A hook that does not unblock SIGALRM would wait forever; timeout(1) then ends it.
	timeout 60 env --block-signal=ALRM "$hook" --conf "$tmp/conf" --state "$tmp/state" --timeout 1 createRuntime \
		< "$tmp/fifo" > "$tmp/stdout" 2> "$tmp/stderr"
	status=$? said=$(cat "$tmp/stderr") printed=$(cat "$tmp/stdout")
	came_out 'started with its alarm blocked' 1 'numaplace: gave up after 1 seconds'
	[ "${SANITIZED:-}" ] || waiting
	# No process reads its stderr, and the pipe is full. The value "abc" makes the hook print a message.
	dd if=/dev/zero of="$tmp/fifo" bs=4096 oflag=nonblock 2> /dev/null
	state '"limits.cpu":"abc"' | timeout -k 1 60 "$hook" --conf "$tmp/conf" --state "$tmp/state" --timeout 1 createRuntime 2>&9
	status=${PIPESTATUS[1]}
	[ "$status" = 1 ]
	ok $? 'a full stderr: the hook ends within its timeout' "status $status"
	exec 9>&-
	run_hook --timeout 0 createRuntime < /dev/null
	came_out '--timeout 0' 2 'numaplace: --timeout: "0": 1 to 999 seconds are expected'
	run_hook --timeout 1x createRuntime < /dev/null
	came_out '--timeout that is not a number' 2 'numaplace: --timeout: "1x": 1 to 999 seconds are expected'
}

# limited NAME LIMIT...: a run under a resource limit ends by itself: with one line, or because the loader failed.
limited() {
	local name=$1
	shift
	# Read through a pipe, because a file would be subject to the limit too.
	said=$( (ulimit "$@" && exec "$hook" --conf "$tmp/conf" --state "$tmp/state" createRuntime) \
		< "$tmp/place" 2>&1 > /dev/null)
	status=$?
	case $status in
	1) [[ $said == 'numaplace: '* && $(wc -l <<< "$said") = 1 ]] ;;
	127) [[ $said == *'error while loading shared libraries'* ]] ;;
	*) false ;;
	esac
	ok $? "limit of $name: the hook prints one line with exit status 1, or the loader fails" "status $status" "$said"
}

limits() {
	local size
	# This process does not exist, so the hook refuses on every machine, after all other steps.
	pid=4194305 state '"limits.cpu":"1","limits.memory":"1MiB"' > "$tmp/place"
	limited '8 descriptors' -n 8
	limited '0 bytes per file' -f 0
	# A sanitizer needs more memory than these limits.
	if [ -z "${SANITIZED:-}" ]; then
		limited '4 descriptors' -n 4
		limited '256 KiB of stack' -s 256
		limited '96 KiB of stack' -s 96
		for size in $(seq 2000 500 12000); do
			limited "$size KiB of memory" -v "$size"
		done
	fi
	rm -rf "$tmp/state"
	mkdir -m 700 "$tmp/state"
	said=$( (ulimit -f 0 && exec "$hook" --conf "$tmp/conf" --state "$tmp/state" poststop) < "$tmp/place" 2>&1)
	[[ $? = 1 && $said == 'numaplace: container web1: ledger: write usage: File too large' ]]
	ok $? 'a file size limit is reported in one line, without SIGXFSZ' "$said"
}

names
folder
files
no_room
bundle
environment
descriptors
limits
done_testing
