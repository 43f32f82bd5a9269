#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# numaplace-runtime around a runtime that only says how it was called: what is
# passed on, what becomes of the bundle's config.json, what is refused and how
# engines hear of it.
# shellcheck source=tests/hooks/tap.bash
. "${0%/*}/tap.bash"

wrapper=${hook%/*}/numaplace-runtime
mkdir "$tmp/b"
config=$tmp/b/config.json

# The fake: its arguments, umask, ignored signals and memory policy; and a version as it is told to have, which
# is long in coming from a FIFO.
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

# What it would be without us: whoever starts the tests may ignore signals too.
alone=$(umask 027; "$tmp/fake" | sed 's/ [^ ]*$//')

# passed NAME ARGUMENTS: it got them, and is what it would be without us.
passed() {
	[ "$status" = 0 ] && [[ $printed == "$2$alone "* ]]
	ok $? "$1" "status $status" "$printed, alone:$alone" "$said"
}

# with ANNOTATIONS [MORE]: a bundle.
with() { printf '{"ociVersion":"1.0.2",%s\n  "annotations": {%s}}\n' "${2:-}" "$1" > "$config"; }

passing_on() {
	wrap state c1
	passed 'another command' '<state><c1>'
	wrap --root /r --log "$tmp/log" --log-format json kill c1 KILL
	passed 'with global options' "<--root></r><--log><$tmp/log><--log-format><json><kill><c1><KILL>"
	with ''
	cp -p "$config" "$tmp/before"
	wrap create --bundle "$tmp/b" --pid-file 'a b' c1
	passed 'a container without keys' "<create><--bundle><$tmp/b><--pid-file><a b><c1>"
	cmp "$config" "$tmp/before" && [ ! "$config" -nt "$tmp/before" ]
	ok $? 'its config is untouched'
	wrap create --bundle "$tmp/none" c1
	passed 'a bundle that is not there is the runtime'\''s to complain about' "<create><--bundle><$tmp/none><c1>"
	echo '{' > "$config"
	wrap create -b "$tmp/b" c1
	passed 'so is a config that is none' "<create><-b><$tmp/b><c1>"
	with '"limits.cpu": "1"'
	cp -p "$config" "$tmp/before"
	for verb in state start kill delete exec; do
		(cd "$tmp/b" && wrap $verb c1 && [[ $printed == "<$verb><c1>$alone "* ]] && cmp config.json "$tmp/before")
		ok $? "$verb, beside a config with keys: passed on, and that is untouched" "$(cat "$config")"
	done
	[ ! -e "$tmp/state" ]
	ok $? 'the ledger folder was not even made by any of these'
}

# What the config is, if not a file in a folder, is the runtime's business: it is called, sees the same, and nothing is said.
odd_configs() {
	local keyless=$tmp/keyless keyed=$tmp/keyed what
	with ''
	mv "$config" "$keyless"
	with '"limits.cpu": "1"'
	mv "$config" "$keyed"
	# The fake's standard input is what is left of it for the runtime.
	cat > "$tmp/reader" <<-'END'
		#!/bin/sh
		while [ $# -gt 1 ]; do [ "$1" != --config ] || what=$2; shift; done
		exec cat "$what"
	END
	chmod +x "$tmp/reader"
	read_by_runtime() { # NAME WRAPPER-ARGUMENTS: the runtime reads the config without keys, and there is no word
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
		read_by_runtime "a FIFO, default = $what" run --config "$tmp/fifo" c1
		rm "$tmp/fifo"
	done
	: > "$tmp/conf"
	read_by_runtime 'a file as standard input' run --config /dev/stdin c1 < "$keyless"
	read_by_runtime 'a pipe as standard input' run --config /dev/stdin c1 < <(cat "$keyless")
	read_by_runtime 'a process substitution' run --config <(cat "$keyless") c1
	mkdir "$tmp/b/config.json"
	wrap create --bundle "$tmp/b" c1
	passed 'a folder' "<create><--bundle><$tmp/b><c1>"
	rmdir "$tmp/b/config.json"
	wrap create --bundle "$keyless" c1
	passed 'a bundle that is a file' "<create><--bundle><$keyless><c1>"
	wrap create --bundle "$keyless/x" c1
	passed 'a bundle below a file' "<create><--bundle><$keyless/x><c1>"
	ln -s loop "$tmp/loop"
	wrap create --bundle "$tmp/loop" c1
	passed 'a bundle that leads to itself' "<create><--bundle><$tmp/loop><c1>"
	wrap create --bundle "$(printf '%05000d' 0)" c1
	passed 'a bundle with too long a name' "<create><--bundle><$(printf '%05000d' 0)><c1>"
	wrap create --config /dev/null c1
	passed 'a device' '<create><--config></dev/null><c1>'
	truncate -s 1T "$config"
	wrap --timeout 3 create --bundle "$tmp/b" c1
	passed 'a terabyte' "<create><--bundle><$tmp/b><c1>"
	rm "$config"
	# What the host does to those without keys needs a config that can be written.
	echo 'default = balanced' > "$tmp/conf"
	ln -s "$keyless" "$config"
	wrap create --bundle "$tmp/b" c1
	[ "$status" = 0 ] && [ "$said" = 'numaplace: container c1: write config.json: a symbolic link, which is not followed' ]
	ok $? 'default = balanced, a link: called, with a warning' "$status $said"
	rm "$config"
	: > "$tmp/conf"
	# Keys that were seen, where no hook can be put in.
	exec 8< <(cat "$keyed")
	wait $!
	wrap run --config /dev/fd/8 c1
	exec 8<&-
	[ "$status" = 1 ] && [[ $said == 'numaplace: container c1: write '*': a pipe, which can be read only once' ]] && [ -z "$printed" ]
	ok $? 'keys in a pipe: refused' "$status $said $printed"
	# Nothing is known of what may still come, so it is for the runtime to read.
	mkfifo "$tmp/fifo"
	exec 7<> "$tmp/fifo"
	exec 8< <(printf '{"annotations": {"limits.cpu": "1"}'; read -r _ <&7)
	wrap run --config /dev/fd/8 c1
	echo >&7 # it may end
	exec 7>&- 8<&-
	rm "$tmp/fifo"
	[ "$status" = 0 ] && [[ $said == 'numaplace: container c1: '*': a pipe, which can be read only once: the keys in it have no effect' ]]
	ok $? 'keys in a pipe that is still being written: a warning' "$status $said"
}

# What the process has from its caller, the runtime has as well.
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
		ok $? "descriptors closed with $how stay closed" "got: $got" "want: $want"
	done
	# An alarm that was set before rings for the runtime, too: 128 + SIGALRM.
	cat > "$tmp/long" <<-'END'
		#!/bin/sh
		exec sleep 6
	END
	chmod +x "$tmp/long"
	perl -e 'alarm 1; exec @ARGV' "$wrapper" --runtime "$tmp/long" --conf "$tmp/conf" --state "$tmp/state" \
		--hook /x/oci-hook create --bundle "$tmp/b" c1 2> "$tmp/stderr"
	status=$?
	[ $status = 142 ]
	ok $? "an alarm that was under way rings" "status $status" "$(cat "$tmp/stderr")"
}

editing() {
	with '"limits.cpu": "1"'
	chmod 640 "$config"
	chown 1:1 "$config" 2> /dev/null
	wrap create --bundle "$tmp/b" c1
	passed 'a container with keys' "<create><--bundle><$tmp/b><c1>"
	printf '{"hooks":{"createRuntime":[%s],"poststop":[%s]},"ociVersion":"1.0.2",\n  "annotations": {"limits.cpu": "1"}}\n' \
		"{\"path\":\"/x/oci-hook\",\"args\":[\"oci-hook\",\"--conf\",\"$tmp/conf\",\"--state\",\"$tmp/state\",\"createRuntime\"]}" \
		"{\"path\":\"/x/oci-hook\",\"args\":[\"oci-hook\",\"--conf\",\"$tmp/conf\",\"--state\",\"$tmp/state\",\"poststop\"]}" |
		cmp - "$config"
	ok $? 'gets the hooks, and stays as it was besides' "$(cat "$config")"
	[ "$(stat -c %a%u "$config")" = "6401" ] || [ "$(id -u)" != 0 ]
	ok $? 'mode and owner are kept' "$(stat -c %a%u "$config")"
	cp -p "$config" "$tmp/before"
	wrap run --bundle="$tmp/b" c1
	cmp "$config" "$tmp/before"
	ok $? 'once more: nothing changes'
	[ "$(ls -A "$tmp/b")" = config.json ]
	ok $? 'nothing else is left in the bundle' "$(ls -A "$tmp/b")"
	(cd "$tmp/b" && with '"org.numaplace.limits.cpu.nodes": "0"' && wrap run c1 && grep -q oci-hook config.json)
	ok $? 'the bundle is where we are, if it is not said'
	with '"limits.cpu": "1"'
	mv "$config" "$tmp/other.json"
	wrap create --bundle "$tmp/b" -f "$tmp/other.json" c1
	grep -q oci-hook "$tmp/other.json"
	ok $? 'another config'
	with '"limits.cpu": "1"'
	(cd "$tmp" && wrap create --bundle b --config config.json c1 && grep -q oci-hook b/config.json)
	ok $? 'crun'\''s own name for it is that of the bundle'\''s file'
	with '"limits.cpu": "1"'
	(cd "$tmp/b" && wrap create --bundle= c1 && grep -q oci-hook config.json)
	ok $? 'an empty bundle is where we are, for runc'
	with ''
	echo 'default = balanced' > "$tmp/conf"
	wrap create --bundle "$tmp/b" c1
	grep -q oci-hook "$config"
	ok $? 'default = balanced: the hook is there for those without keys too'
	with '"io.kubernetes.cri.container-type": "sandbox"'
	wrap create --bundle "$tmp/b" c1
	! grep -q oci-hook "$config"
	ok $? 'but not for a sandbox'
	: > "$tmp/conf"
}

refusing() {
	with '"limits.cpu": "none"'
	cp "$config" "$tmp/before"
	wrap --log "$tmp/log" --log-format json create --bundle "$tmp/b" c1
	[ "$status" = 2 ] && [[ $said == 'numaplace: container c1: limits.cpu: *"none"*' || $said == *'"none"'* ]] && [ -z "$printed" ]
	ok $? 'a bad value: the runtime is not called' "$status $said $printed"
	[[ $(cat "$tmp/log") == '{"level":"error","msg":"numaplace: limits.cpu: list \"none\"'*'","time":"20'*'Z"}' ]]
	ok $? 'and the engine finds it in the log' "$(cat "$tmp/log")"
	cmp "$config" "$tmp/before"
	ok $? 'the config is untouched'
	rm "$tmp/log"
	wrap --log "file:$tmp/log" create --bundle "$tmp/b" c1
	[[ $(cat "$tmp/log") == 'time="20'*'Z" level=error msg="numaplace: limits.cpu: list \"none\"'* ]]
	ok $? 'so it does where crun writes it to a file by that word' "$(cat "$tmp/log")"
	for log in journald:c1 syslog:c1; do
		(cd "$tmp/b" && wrap --log $log create c1)
		[ ! -e "$tmp/b/$log" ]
		ok $? "--log $log: no file of that name is made" "$(ls "$tmp/b")"
		rm -f "$tmp/b/$log"
	done
	echo 'on-failure = warn' > "$tmp/conf"
	wrap create --bundle "$tmp/b" c1
	passed 'on-failure = warn: it is' "<create><--bundle><$tmp/b><c1>"
	[[ $said == *'"none"'* ]]
	ok $? 'with a warning' "$said"
	# The only reader of standard error is gone before there is a word.
	(exec 2> >(:); wait $!; exec "$wrapper" --runtime "$tmp/fake" --conf "$tmp/conf" --state "$tmp/state" \
		--hook /x/oci-hook create --bundle "$tmp/b" c1 > "$tmp/stdout")
	status=$? printed=$(cat "$tmp/stdout")
	[ "$status" = 0 ] && [[ $printed == "<create><--bundle><$tmp/b><c1> "* ]]
	ok $? 'even where nobody reads it' "status $status" "$printed"
	with '"limits.cpu": 1'
	wrap create --bundle "$tmp/b" c1
	passed 'on-failure = warn: so it is with a config that cannot be read' "<create><--bundle><$tmp/b><c1>"
	[[ $said == 'numaplace: container c1: config.json: annotations.limits.cpu: a string is expected'* ]]
	ok $? 'with a warning, too' "$said"
	: > "$tmp/conf"
	wrap create --bundle "$tmp/b" c1
	[ "$status" = 2 ] && [[ $said == 'numaplace: container c1: config.json: annotations.limits.cpu: a string is expected'* ]]
	ok $? 'which else is refused' "$status $said"
	with '"limits.cpu": "1"'
	mv "$config" "$tmp/other.json"
	cp "$tmp/other.json" "$tmp/before"
	ln -s "$tmp/other.json" "$config"
	wrap create --bundle "$tmp/b" c1
	[ "$status" = 1 ] && [ "$said" = 'numaplace: container c1: write config.json: a symbolic link, which is not followed' ]
	ok $? 'a config that is a symbolic link' "$status $said"
	[ -L "$config" ] && cmp "$tmp/other.json" "$tmp/before"
	ok $? 'and what it leads to are left as they are'
	rm "$config"
	with ''
	mv "$config" "$tmp/other.json"
	ln -s "$tmp/other.json" "$config"
	wrap create --bundle "$tmp/b" c1
	passed 'but without keys the link is the runtime'\''s to follow' "<create><--bundle><$tmp/b><c1>"
	rm "$config"
	wrap --runtime /no/such create c1
	[ "$status" = 1 ] && [[ $said == *'--runtime /no/such: no such program' ]]
	ok $? 'no such runtime' "$status $said"
	wrap --runtime "$wrapper" create c1
	[ "$status" = 1 ]
	ok $? 'itself is no runtime' "$status $said"
	"$wrapper" --runtime 2> "$tmp/stderr"
	[ $? = 2 ]
	ok $? 'an option without its value' "$(cat "$tmp/stderr")"
}

# A container that asks for nothing is not for us to stop, however large its config.
large() {
	local zeros what
	zeros=$(printf '"z":"%017825792d"' 0)
	for what in none balanced; do
		echo "default = $what" > "$tmp/conf"
		with "$zeros, \"a\": \"limits.cpu\""
		cp "$config" "$tmp/before"
		wrap create --bundle "$tmp/b" c1
		passed "17 MiB without keys, default = $what" "<create><--bundle><$tmp/b><c1>"
		cmp "$config" "$tmp/before"
		ok $? 'its config is untouched'
		[ "$what $said" = 'none ' ] || [ "$what $said" = 'balanced numaplace: container c1: config.json: more than 16 MiB' ]
		ok $? "a word where that default cannot be: $what" "$said"
	done
	: > "$tmp/conf"
	for what in limits.cpu org.numaplace.limits.cpu; do
		with "$zeros, \"$what\": \"1\""
		wrap create --bundle "$tmp/b" c1
		[ "$status" = 2 ] && [ "$said" = 'numaplace: container c1: config.json: more than 16 MiB' ] && [ -z "$printed" ]
		ok $? "17 MiB with $what" "$status $said $printed"
	done
}

policies() {
	with '"limits.memory.policy": "interleave", "limits.cpu": "1"'
	wrap create --bundle "$tmp/b" c1
	passed 'interleave, an old runtime' "<create><--bundle><$tmp/b><c1>"
	[[ $printed == *'interleave=static:0' ]]
	ok $? 'has the policy when it is called' "$printed"
	grep -q '"--cpus","[0-9]*","--mems","0","--applied","inherited","createRuntime"' "$config" &&
		! grep -q memoryPolicy "$config"
	ok $? 'and its hook is told' "$(cat "$config")"
	echo 'crun version 1.24' > "$tmp/version"
	touch "$tmp/fake" # another file by now
	wrap create --bundle "$tmp/b" c1
	passed 'interleave, a new runtime' "<create><--bundle><$tmp/b><c1>"
	[[ $printed == *' default' ]]
	ok $? 'has no policy itself' "$printed"
	grep -q '"memoryPolicy":{"mode":"MPOL_INTERLEAVE","nodes":"0","flags":\["MPOL_F_STATIC_NODES"\]}' "$config" &&
		grep -q '"--applied","memoryPolicy"' "$config"
	ok $? 'but finds it in its config' "$(cat "$config")"
	echo 'gvisor version 3.1' > "$tmp/version"
	touch -d '1 hour ago' "$tmp/fake"
	wrap create --bundle "$tmp/b" c1
	[ "$status" = 1 ] && [[ $said == *'"interleave": it is not known whether gvisor passes'* ]]
	ok $? 'a runtime that may not pass it on is refused' "$status $said"
	rm -rf "$tmp/state"
}

# The version is asked for, and does not come.
taking_long() {
	with '"limits.memory.policy": "interleave", "limits.cpu": "1"'
	cp "$config" "$tmp/before"
	rm "$tmp/version"
	mkfifo "$tmp/version"
	# Not inherited: the runtime that waits for a writer ends with the last one, which is this shell.
	exec 9<> "$tmp/version"
	wrap --timeout 1 create --bundle "$tmp/b" c1 9>&-
	[ "$status" = 1 ] && [ "${said##*$'\n'}" = 'numaplace: container c1: gave up after 1 seconds' ] && [ -z "$printed" ]
	ok $? 'a runtime that does not say its version' "status $status" "$said" "$printed"
	echo 'on-failure = warn' > "$tmp/conf"
	wrap --timeout 1 create --bundle "$tmp/b" c1 9>&-
	passed 'on-failure = warn: time is up, and it is called' "<create><--bundle><$tmp/b><c1>"
	[ "${said##*$'\n'}" = 'numaplace: container c1: gave up after 1 seconds' ] && [[ $printed == *' default' ]]
	ok $? 'with a warning, and without a policy' "$said" "$printed"
	cmp "$config" "$tmp/before"
	ok $? 'its config is untouched'
	: > "$tmp/conf"
	exec 9>&-
	with '"limits.cpu": "1"'
	wrap --timeout=999 create --bundle "$tmp/b" c1
	[ "$status" = 0 ] && [ "$(grep -o '"--timeout","999","[a-zA-Z]*"' "$config" | xargs)" = \
		'--timeout,999,createRuntime --timeout,999,poststop' ]
	ok $? 'the hook has as long as we have' "status $status" "$(cat "$config")"
	for time in 0 1000 1x ''; do
		wrap --timeout "$time" create --bundle "$tmp/b" c1
		[ "$status" = 2 ] && [ "$said" = "numaplace: --timeout: \"$time\": 1 to 999 seconds are expected" ] && [ -z "$printed" ]
		ok $? "--timeout \"$time\" is none" "status $status" "$said" "$printed"
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
