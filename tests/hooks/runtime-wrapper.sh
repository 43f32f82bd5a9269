#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# numaplace-runtime around a fake runtime that prints how it was called: which arguments are passed on, how the
# config.json of the bundle is changed, what is refused and how the engine gets the reason.
# shellcheck source=tests/hooks/tap.bash
. "${0%/*}/tap.bash"

wrapper=${hook%/*}/numaplace-runtime
mkdir "$tmp/b"
config=$tmp/b/config.json

# The fake runtime prints its arguments, umask, ignored signals and memory policy. Its version is the content of a file,
# which may be a FIFO that delays it.
cat > "$tmp/fake" <<'END'
#!/bin/sh
[ "$*" != --version ] || { exec cat "${0%/*}/version"; }
for a; do printf '<%s>' "$a"; done
echo " $(umask) $(sed -n 's/^SigIgn:\t//p' /proc/self/status) $(head -n 1 /proc/self/numa_maps 2> /dev/null | cut -d' ' -f2)"
END
chmod +x "$tmp/fake"
echo 'runc version 1.1.15' > "$tmp/version"

wrap() {
	(umask 027; "$wrapper" --runtime "$tmp/fake" --conf "$tmp/conf" --state "$tmp/state" --hook /x/oci-hook "$@") \
		> "$tmp/stdout" 2> "$tmp/stderr"
	status=$?
	said=$(cat "$tmp/stderr") printed=$(cat "$tmp/stdout")
}

# The output without the wrapper; the process that starts the tests may also ignore signals.
alone=$(umask 027; "$tmp/fake" | sed 's/ [^ ]*$//')

# passed NAME ARGUMENTS: checks that the runtime got ARGUMENTS and runs as it would without the wrapper.
passed() {
	[ "$status" = 0 ] && [[ $printed == "$2$alone "* ]]
	ok $? "$1" "status $status" "$printed, alone:$alone" "$said"
}

# with ANNOTATIONS [MORE]: writes the config of a bundle.
with() { printf '{"ociVersion":"1.0.2",%s\n  "annotations": {%s}}\n' "${2:-}" "$1" > "$config"; }

# Prints the config without the place that the wrapper reserves where the host has cgroup v2 (see environment.sh).
without_place() { sed -E 's/"--cpus","[^"]*","--mems","[^"]*",("createRuntime")/\1/' "$config"; }

passing_on() {
	wrap state c1
	passed 'state is passed on' '<state><c1>'
	wrap --root /r --log "$tmp/log" --log-format json kill c1 KILL
	passed 'kill with global options is passed on' "<--root></r><--log><$tmp/log><--log-format><json><kill><c1><KILL>"
	wrap --root /r update --cpuset-cpus 0 c1
	passed 'update is passed on' '<--root></r><update><--cpuset-cpus><0><c1>'
	[ "$printed" ] && [ ! "$said" ]
	ok $? 'update of a container that is not placed prints nothing of its own' "$said"
	printf '#!/bin/sh\ncase $* in *TERM*) kill -TERM $$ ;; esac\nexit 3\n' > "$tmp/fails"
	chmod +x "$tmp/fails"
	"$wrapper" --runtime "$tmp/fails" --state "$tmp/state" update c1 > /dev/null 2>&1
	[ $? = 3 ]
	ok $? 'update that fails has the exit status of the runtime'
	"$wrapper" --runtime "$tmp/fails" --state "$tmp/state" update TERM > /dev/null 2>&1
	[ $? = 143 ]
	ok $? 'update that is killed has the signal in its exit status'
	with ''
	cp -p "$config" "$tmp/before"
	wrap create --bundle "$tmp/b" --pid-file 'a b' c1
	passed 'create of a container without keys is passed on' "<create><--bundle><$tmp/b><--pid-file><a b><c1>"
	cmp "$config" "$tmp/before" && [ ! "$config" -nt "$tmp/before" ]
	ok $? 'create of a container without keys does not change config.json'
	wrap create --bundle "$tmp/none" c1
	passed 'create with a bundle that does not exist is passed on' "<create><--bundle><$tmp/none><c1>"
	echo '{' > "$config"
	wrap create -b "$tmp/b" c1
	passed 'create with a malformed config.json is passed on' "<create><-b><$tmp/b><c1>"
	with '"limits.cpu": "1"'
	cp -p "$config" "$tmp/before"
	for verb in state start kill delete exec; do
		(cd "$tmp/b" && wrap $verb c1 && [[ $printed == "<$verb><c1>$alone "* ]] && cmp config.json "$tmp/before")
		ok $? "$verb in a bundle with keys is passed on and does not change config.json" "$(cat "$config")"
	done
	[ ! -e "$tmp/state" ]
	ok $? 'commands that are only passed on make no state folder'
}

# A config that is not a regular file in a folder is left to the runtime: the wrapper calls it with the same input and
# prints nothing.
odd_configs() {
	local keyless=$tmp/keyless keyed=$tmp/keyed what
	with ''
	mv "$config" "$keyless"
	with '"limits.cpu": "1"'
	mv "$config" "$keyed"
	# This fake prints the config, so the test sees what the wrapper has left for the runtime to read.
	cat > "$tmp/reader" <<-'END'
		#!/bin/sh
		while [ $# -gt 1 ]; do [ "$1" != --config ] || what=$2; shift; done
		exec cat "$what"
	END
	chmod +x "$tmp/reader"
	read_by_runtime() { # NAME WRAPPER-ARGUMENTS: checks that the runtime reads the config without keys and nothing is printed
		local name=$1
		shift
		"$wrapper" --runtime "$tmp/reader" --conf "$tmp/conf" --state "$tmp/state" --hook /x/oci-hook "$@" \
			> "$tmp/stdout" 2> "$tmp/stderr"
		status=$?
		[ $status = 0 ] && cmp "$tmp/stdout" "$keyless" && [ ! -s "$tmp/stderr" ]
		ok $? "$name" "status $status" "$(cat "$tmp/stdout")" "$(cat "$tmp/stderr")"
	}
	for what in none balanced; do
		echo "default = $what" > "$tmp/conf"
		mkfifo "$tmp/fifo"
		cat "$keyless" > "$tmp/fifo" &
		read_by_runtime "config is a FIFO, default = $what: the runtime can read it" run --config "$tmp/fifo" c1
		rm "$tmp/fifo"
	done
	: > "$tmp/conf"
	read_by_runtime 'config is a file on standard input: the runtime can read it' run --config /dev/stdin c1 < "$keyless"
	read_by_runtime 'config is a pipe on standard input: the runtime can read it' run --config /dev/stdin c1 < <(cat "$keyless")
	read_by_runtime 'config is a process substitution: the runtime can read it' run --config <(cat "$keyless") c1
	mkdir "$tmp/b/config.json"
	wrap create --bundle "$tmp/b" c1
	passed 'create with a config that is a folder is passed on' "<create><--bundle><$tmp/b><c1>"
	rmdir "$tmp/b/config.json"
	wrap create --bundle "$keyless" c1
	passed 'create with a bundle that is a file is passed on' "<create><--bundle><$keyless><c1>"
	wrap create --bundle "$keyless/x" c1
	passed 'create with a bundle below a file is passed on' "<create><--bundle><$keyless/x><c1>"
	ln -s loop "$tmp/loop"
	wrap create --bundle "$tmp/loop" c1
	passed 'create with a bundle that is a symlink loop is passed on' "<create><--bundle><$tmp/loop><c1>"
	wrap create --bundle "$(printf '%05000d' 0)" c1
	passed 'create with a bundle whose name is too long is passed on' "<create><--bundle><$(printf '%05000d' 0)><c1>"
	wrap create --config /dev/null c1
	passed 'create with a config that is a device is passed on' '<create><--config></dev/null><c1>'
	truncate -s 1T "$config"
	wrap --timeout 3 create --bundle "$tmp/b" c1
	passed 'create with a config of 1 TiB is passed on' "<create><--bundle><$tmp/b><c1>"
	rm "$config"
	# With a default, the wrapper must write the config of a container without keys too.
	echo 'default = balanced' > "$tmp/conf"
	ln -s "$keyless" "$config"
	wrap create --bundle "$tmp/b" c1
	[ "$status" = 0 ] && [ "$said" = 'numaplace: container c1: write config.json: a symbolic link, which is not followed' ]
	ok $? 'default = balanced, config is a symlink: the runtime is called, with a warning' "$status $said"
	rm "$config"
	: > "$tmp/conf"
	# The wrapper reads keys from a pipe, but cannot add a hook there.
	exec 8< <(cat "$keyed")
	wait $!
	wrap run --config /dev/fd/8 c1
	exec 8<&-
	[ "$status" = 1 ] && [[ $said == 'numaplace: container c1: write '*': a pipe, which can be read only once' ]] && [ -z "$printed" ]
	ok $? 'keys in a config that is a pipe are refused' "$status $said $printed"
	# The pipe is still open for writing, so the rest of the config is unknown and the runtime must read it.
	mkfifo "$tmp/fifo"
	exec 7<> "$tmp/fifo"
	exec 8< <(printf '{"annotations": {"limits.cpu": "1"}'; read -r _ <&7)
	wrap run --config /dev/fd/8 c1
	echo >&7 # the writer may end
	exec 7>&- 8<&-
	rm "$tmp/fifo"
	[ "$status" = 0 ] && [[ $said == 'numaplace: container c1: '*': a pipe, which can be read only once: the keys in it have no effect' ]]
	ok $? 'keys in a pipe that is still being written have no effect, with a warning' "$status $said"
}

# The runtime inherits what the wrapper got from its caller.
inheriting() {
	cat > "$tmp/heir" <<-'END'
		#!/bin/sh
		cd /proc/self/fd && echo *
	END
	chmod +x "$tmp/heir"
	with '"limits.cpu": "1"'
	for how in '0<&-' '0<&- 1>&2' '0<&- 2>&-' '2>&-'; do
		eval "\"\$tmp/heir\" $how" > "$tmp/stdout" 2> "$tmp/stderr"
		want=$(cat "$tmp/stdout" "$tmp/stderr")
		eval "\"\$wrapper\" --runtime \"\$tmp/heir\" --conf \"\$tmp/conf\" --state \"\$tmp/state\" --hook /x/oci-hook \
			create --bundle \"\$tmp/b\" c1 $how" > "$tmp/stdout" 2> "$tmp/stderr"
		got=$(cat "$tmp/stdout" "$tmp/stderr")
		[ -n "$got" ] && [ "$got" = "$want" ]
		ok $? "descriptors that the caller closed with $how are closed in the runtime" "got: $got" "want: $want"
	done
	# An alarm that the caller has set ends the runtime: 128 + SIGALRM.
	cat > "$tmp/long" <<-'END'
		#!/bin/sh
		exec sleep 6
	END
	chmod +x "$tmp/long"
	perl -e 'alarm 1; exec @ARGV' "$wrapper" --runtime "$tmp/long" --conf "$tmp/conf" --state "$tmp/state" \
		--hook /x/oci-hook create --bundle "$tmp/b" c1 2> "$tmp/stderr"
	status=$?
	[ $status = 142 ]
	ok $? "an alarm that the caller has set ends the runtime" "status $status" "$(cat "$tmp/stderr")"
}

editing() {
	with '"limits.cpu": "1"'
	chmod 640 "$config"
	chown 1:1 "$config" 2> /dev/null
	wrap create --bundle "$tmp/b" c1
	passed 'create of a container with keys is passed on' "<create><--bundle><$tmp/b><c1>"
	printf '{"hooks":{"createRuntime":[%s],"poststop":[%s]},"ociVersion":"1.0.2",\n  "annotations": {"limits.cpu": "1"}}\n' \
		"{\"path\":\"/x/oci-hook\",\"args\":[\"oci-hook\",\"--conf\",\"$tmp/conf\",\"--state\",\"$tmp/state\",\"createRuntime\"]}" \
		"{\"path\":\"/x/oci-hook\",\"args\":[\"oci-hook\",\"--conf\",\"$tmp/conf\",\"--state\",\"$tmp/state\",\"poststop\"]}" |
		cmp - <(without_place)
	ok $? 'config.json of a container with keys gets the hooks and no other change' "$(cat "$config")"
	[ "$(stat -c %a%u "$config")" = "6401" ] || [ "$(id -u)" != 0 ]
	ok $? 'config.json keeps its mode and owner' "$(stat -c %a%u "$config")"
	cp -p "$config" "$tmp/before"
	wrap run --bundle="$tmp/b" c1
	cmp "$config" "$tmp/before"
	ok $? 'a second create does not change config.json'
	[ "$(ls -A "$tmp/b")" = config.json ]
	ok $? 'the wrapper leaves no other file in the bundle' "$(ls -A "$tmp/b")"
	(cd "$tmp/b" && with '"org.numaplace.limits.cpu.nodes": "0"' && wrap run c1 && grep -q oci-hook config.json)
	ok $? 'run without --bundle uses the working folder'
	with '"limits.cpu": "1"'
	mv "$config" "$tmp/other.json"
	wrap create --bundle "$tmp/b" -f "$tmp/other.json" c1
	grep -q oci-hook "$tmp/other.json"
	ok $? '--config of another file: that file gets the hooks'
	with '"limits.cpu": "1"'
	(cd "$tmp" && wrap create --bundle b --config config.json c1 && grep -q oci-hook b/config.json)
	ok $? '--config with a relative name is a file in the bundle'
	with '"limits.cpu": "1"'
	(cd "$tmp/b" && wrap create --bundle= c1 && grep -q oci-hook config.json)
	ok $? 'an empty --bundle is the working folder'
	with ''
	echo 'default = balanced' > "$tmp/conf"
	wrap create --bundle "$tmp/b" c1
	grep -q oci-hook "$config"
	ok $? 'default = balanced: config.json of a container without keys gets the hooks'
	with '"io.kubernetes.cri.container-type": "sandbox"'
	wrap create --bundle "$tmp/b" c1
	! grep -q oci-hook "$config"
	ok $? 'default = balanced: config.json of a sandbox gets no hooks'
	: > "$tmp/conf"
}

refusing() {
	with '"limits.cpu": "none"'
	cp "$config" "$tmp/before"
	wrap --log "$tmp/log" --log-format json create --bundle "$tmp/b" c1
	[ "$status" = 2 ] && [[ $said == 'numaplace: container c1: limits.cpu: *"none"*' || $said == *'"none"'* ]] && [ -z "$printed" ]
	ok $? 'a bad value is refused and the runtime is not called' "$status $said $printed"
	[[ $(cat "$tmp/log") == '{"level":"error","msg":"numaplace: limits.cpu: list \"none\"'*'","time":"20'*'Z"}' ]]
	ok $? 'a bad value is reported in the JSON log of --log' "$(cat "$tmp/log")"
	cmp "$config" "$tmp/before"
	ok $? 'a bad value: config.json is unchanged'
	rm "$tmp/log"
	wrap --log "file:$tmp/log" create --bundle "$tmp/b" c1
	[[ $(cat "$tmp/log") == 'time="20'*'Z" level=error msg="numaplace: limits.cpu: list \"none\"'* ]]
	ok $? 'a bad value is reported in the log of --log file:PATH' "$(cat "$tmp/log")"
	for log in journald:c1 syslog:c1; do
		(cd "$tmp/b" && wrap --log $log create c1)
		[ ! -e "$tmp/b/$log" ]
		ok $? "--log $log makes no file of that name" "$(ls "$tmp/b")"
		rm -f "$tmp/b/$log"
	done
	echo 'on-failure = warn' > "$tmp/conf"
	wrap create --bundle "$tmp/b" c1
	passed 'on-failure = warn: create with a bad value is passed on' "<create><--bundle><$tmp/b><c1>"
	[[ $said == *'"none"'* ]]
	ok $? 'on-failure = warn: create with a bad value prints a warning' "$said"
	# The only reader of standard error has ended before the wrapper prints.
	(exec 2> >(:); wait $!; exec "$wrapper" --runtime "$tmp/fake" --conf "$tmp/conf" --state "$tmp/state" \
		--hook /x/oci-hook create --bundle "$tmp/b" c1 > "$tmp/stdout")
	status=$? printed=$(cat "$tmp/stdout")
	[ "$status" = 0 ] && [[ $printed == "<create><--bundle><$tmp/b><c1> "* ]]
	ok $? 'on-failure = warn: create is passed on although stderr has no reader' "status $status" "$printed"
	with '"limits.cpu": 1'
	wrap create --bundle "$tmp/b" c1
	passed 'on-failure = warn: create with a malformed key is passed on' "<create><--bundle><$tmp/b><c1>"
	[[ $said == 'numaplace: container c1: config.json: annotations.limits.cpu: a string is expected'* ]]
	ok $? 'on-failure = warn: create with a malformed key prints a warning' "$said"
	: > "$tmp/conf"
	wrap create --bundle "$tmp/b" c1
	[ "$status" = 2 ] && [[ $said == 'numaplace: container c1: config.json: annotations.limits.cpu: a string is expected'* ]]
	ok $? 'on-failure = fail: create with a malformed key is refused' "$status $said"
	with '"limits.cpu": "1"'
	mv "$config" "$tmp/other.json"
	cp "$tmp/other.json" "$tmp/before"
	ln -s "$tmp/other.json" "$config"
	wrap create --bundle "$tmp/b" c1
	[ "$status" = 1 ] && [ "$said" = 'numaplace: container c1: write config.json: a symbolic link, which is not followed' ]
	ok $? 'config.json with keys that is a symbolic link is refused' "$status $said"
	[ -L "$config" ] && cmp "$tmp/other.json" "$tmp/before"
	ok $? 'the symbolic link config.json and its target are unchanged'
	rm "$config"
	with ''
	mv "$config" "$tmp/other.json"
	ln -s "$tmp/other.json" "$config"
	wrap create --bundle "$tmp/b" c1
	passed 'create with a config.json without keys that is a symbolic link is passed on' "<create><--bundle><$tmp/b><c1>"
	rm "$config"
	wrap --runtime /no/such create c1
	[ "$status" = 1 ] && [[ $said == *'--runtime /no/such: no such program' ]]
	ok $? '--runtime that does not exist is an error' "$status $said"
	wrap --runtime "$wrapper" create c1
	[ "$status" = 1 ]
	ok $? '--runtime that is numaplace-runtime itself is an error' "$status $said"
	"$wrapper" --runtime 2> "$tmp/stderr"
	[ $? = 2 ]
	ok $? '--runtime without a value is an error' "$(cat "$tmp/stderr")"
}

# The wrapper must not stop a container without keys, however large its config is.
large() {
	local zeros what
	zeros=$(printf '"z":"%017825792d"' 0)
	for what in none balanced; do
		echo "default = $what" > "$tmp/conf"
		with "$zeros, \"a\": \"limits.cpu\""
		cp "$config" "$tmp/before"
		wrap create --bundle "$tmp/b" c1
		passed "create with a config of 17 MiB without keys is passed on, default = $what" "<create><--bundle><$tmp/b><c1>"
		cmp "$config" "$tmp/before"
		ok $? "a config of 17 MiB without keys is unchanged, default = $what"
		[ "$what $said" = 'none ' ] || [ "$what $said" = 'balanced numaplace: container c1: config.json: more than 16 MiB' ]
		ok $? "a config of 17 MiB gives a warning only if there is a default: $what" "$said"
	done
	: > "$tmp/conf"
	for what in limits.cpu org.numaplace.limits.cpu; do
		with "$zeros, \"$what\": \"1\""
		wrap create --bundle "$tmp/b" c1
		[ "$status" = 2 ] && [ "$said" = 'numaplace: container c1: config.json: more than 16 MiB' ] && [ -z "$printed" ]
		ok $? "create with a config of 17 MiB with $what is refused" "$status $said $printed"
	done
}

policies() {
	with '"limits.memory.policy": "interleave", "limits.cpu": "1"'
	wrap create --bundle "$tmp/b" c1
	passed 'interleave: create with an old runtime is passed on' "<create><--bundle><$tmp/b><c1>"
	[[ $printed == *'interleave=static:0' ]]
	ok $? 'interleave: an old runtime is called with the policy set' "$printed"
	grep -q '"--cpus","[0-9]*","--mems","0","--applied","inherited","createRuntime"' "$config" &&
		! grep -q memoryPolicy "$config"
	ok $? 'interleave: the hook of an old runtime gets --applied inherited' "$(cat "$config")"
	echo 'crun version 1.24' > "$tmp/version"
	touch "$tmp/fake" # changes the mtime
	wrap create --bundle "$tmp/b" c1
	passed 'interleave: create with a new runtime is passed on' "<create><--bundle><$tmp/b><c1>"
	[[ $printed == *' default' ]]
	ok $? 'interleave: a new runtime is called without a policy' "$printed"
	grep -q '"memoryPolicy":{"mode":"MPOL_INTERLEAVE","nodes":"0","flags":\["MPOL_F_STATIC_NODES"\]}' "$config" &&
		grep -q '"--applied","memoryPolicy"' "$config"
	ok $? 'interleave: config.json for a new runtime has linux.memoryPolicy' "$(cat "$config")"
	echo 'gvisor version 3.1' > "$tmp/version"
	touch -d '1 hour ago' "$tmp/fake"
	wrap create --bundle "$tmp/b" c1
	[ "$status" = 1 ] && [[ $said == *'"interleave": it is not known whether gvisor passes'* ]]
	ok $? 'interleave: a runtime of unknown behaviour is refused' "$status $said"
	rm -rf "$tmp/state"
}

# The wrapper asks the runtime for its version and gets no answer.
taking_long() {
	with '"limits.memory.policy": "interleave", "limits.cpu": "1"'
	cp "$config" "$tmp/before"
	rm "$tmp/version"
	mkfifo "$tmp/version"
	# The runtime must not inherit descriptor 9: it reads the FIFO until its last writer, this shell, closes it.
	exec 9<> "$tmp/version"
	wrap --timeout 1 create --bundle "$tmp/b" c1 9>&-
	[ "$status" = 1 ] && [ "${said##*$'\n'}" = 'numaplace: container c1: gave up after 1 seconds' ] && [ -z "$printed" ]
	ok $? 'a runtime that does not print its version is refused after the timeout' "status $status" "$said" "$printed"
	echo 'on-failure = warn' > "$tmp/conf"
	wrap --timeout 1 create --bundle "$tmp/b" c1 9>&-
	passed 'on-failure = warn: a runtime that does not print its version is called after the timeout' "<create><--bundle><$tmp/b><c1>"
	[ "${said##*$'\n'}" = 'numaplace: container c1: gave up after 1 seconds' ] && [[ $printed == *' default' ]]
	ok $? 'on-failure = warn: a runtime that does not print its version is called with a warning and no policy' "$said" "$printed"
	cmp "$config" "$tmp/before"
	ok $? 'on-failure = warn: config.json for a runtime that does not print its version is unchanged'
	: > "$tmp/conf"
	exec 9>&-
	with '"limits.cpu": "1"'
	wrap --timeout=999 create --bundle "$tmp/b" c1
	[ "$status" = 0 ] && [ "$(without_place | grep -o '"--timeout","999","[a-zA-Z]*"' | xargs)" = \
		'--timeout,999,createRuntime --timeout,999,poststop' ]
	ok $? '--timeout of the wrapper is passed to the hooks' "status $status" "$(cat "$config")"
	for time in 0 1000 1x ''; do
		wrap --timeout "$time" create --bundle "$tmp/b" c1
		[ "$status" = 2 ] && [ "$said" = "numaplace: --timeout: \"$time\": 1 to 999 seconds are expected" ] && [ -z "$printed" ]
		ok $? "--timeout \"$time\" is refused" "status $status" "$said" "$printed"
	done
	rm -rf "$tmp/state"
}

passing_on
odd_configs
inheriting
editing
refusing
large
policies
taking_long
done_testing
