#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# criu-hook under mocks: scripts named crun, runc and criu make the processes and the environment that these programs have
# at a restore, and a mock of oci-hook prints how it is called. With the real ones: tests/vm/guest/54-restore.t.
# shellcheck source=tests/hooks/tap.bash
. "${0%/*}/tap.bash"

mkdir -p "$tmp/bin" "$tmp/bundle"
cp "${hook%/*}/criu-hook" "$tmp/bin/"
cat > "$tmp/bin/oci-hook" <<'END'
#!/bin/sh
for a; do printf '<%s>' "$a"; done
echo " $(cat)"
exit "${MOCK_STATUS:-0}"
END
cat > "$tmp/bin/lxc-hook" <<'END'
#!/bin/sh
echo "$* $LXC_NAME $LXC_HOOK_TYPE $LXC_PID $LXC_CONFIG_FILE"
END
# The mock of CRIU runs its action script.
cat > "$tmp/bin/criu" <<'END'
#!/bin/sh
"${0%/*}/criu-hook"
exit $?
END
# The mock of a runtime changes to the bundle and runs CRIU.
cat > "$tmp/bin/crun" <<'END'
#!/bin/sh
cd "${MOCK_BUNDLE:-/}"
"${0%/*}/criu"
exit $?
END
cp "$tmp/bin/crun" "$tmp/bin/runc"
cp "$tmp/bin/crun" "$tmp/bin/lxc-checkpoint"
chmod +x "$tmp/bin/"*
real=$(realpath "$tmp")

# restore RUNTIME ARG...: runs the mocks. The action is $action; the first process is this shell, unless $first is set.
action=post-setup-namespaces
restore() {
	CRTOOLS_SCRIPT_ACTION=$action CRTOOLS_INIT_PID=${first:-$$} MOCK_BUNDLE=$tmp/bundle "$tmp/bin/$1" "${@:2}" \
		> "$tmp/stdout" 2> "$tmp/stderr" < /dev/null
	status=$?
	said=$(cat "$tmp/stderr") printed=$(cat "$tmp/stdout")
}
# is_called NAME PATTERN: the mock of the hook was called so, and nothing was said. PATTERN "": it was not called.
is_called() {
	# shellcheck disable=SC2053 # a pattern
	[ "$status" = 0 ] && [ ! "$said" ] && [[ $printed == $2 ]]
	ok $? "$1" "status $status" "$printed" "$said"
}
# with HOOKS: writes config.json.
with() { printf '{"ociVersion":"1.0.2","hooks":{%s},"annotations":{"limits.cpu":"2"}}' "$1" > "$tmp/bundle/config.json"; }
entry() { printf '{"path":"%s/bin/oci-hook","args":["oci-hook"%s]}' "$real" "$1"; }
state() { printf '{"ociVersion":"1.0.0","id":"%s","status":"created","pid":%s,"bundle":"%s/bundle"}' "$1" $$ "$real"; }

with "\"createRuntime\":[{\"path\":\"/other\",\"args\":[\"x\",\"y\"]},$(entry ',"--conf","/c","createRuntime"')]"
restore crun --systemd-cgroup --log /l restore --bundle "$tmp/bundle" --image-path img --work-path=work --detach c1
is_called 'crun: the hook of the container is called with its own arguments and a state' "<--restored><--conf></c><createRuntime> $(state c1)"
restore crun restore -b "$tmp/bundle" --pid-file run --console-socket=/s c1
is_called 'crun: values of options are not taken for the id' "<--restored><--conf></c><createRuntime> $(state c1)"
action=post-restore
restore crun restore c1
is_called 'crun: so it is after the processes are restored' "<--restored>*"
for action in pre-dump post-dump pre-restore setup-namespaces pre-resume network-lock ''; do
	restore crun restore c1
	is_called "crun: at the action \"$action\" nothing is done" ''
done
action=post-setup-namespaces

with "\"prestart\":[{\"args\":[\"oci-hook\",\"prestart\"],\"path\":\"$real/bin/oci-hook\"}]"
restore crun restore c1
is_called 'crun: a hook at prestart is found, with the path behind the arguments' "<--restored><prestart> *"
with "\"prestart\":[$(entry ',"prestart"')],\"createRuntime\":[$(entry ',"createRuntime"'),$(entry ',"again"')]"
restore crun restore c1
is_called 'crun: of several hooks, the first at createRuntime is called' "<--restored><createRuntime> *"
with '"createRuntime":[{"path":"/usr/libexec/other/oci-hook","args":["oci-hook"]}],"poststop":['"$(entry '')]"
restore crun restore c1
is_called 'crun: a container without the hook at its start is left alone' ''
with ''
restore crun restore c1
is_called 'crun: a container without hooks is left alone' ''
restore crun run c1
is_called 'crun: a container without hooks is left alone, whatever the command line is' ''

with "\"createRuntime\":[$(entry ',"createRuntime"')]"
MOCK_STATUS=3 restore crun restore c1
[ "$status" = 3 ]
ok $? 'crun: the exit status of the hook ends the restore' "status $status"
refused() { # NAME PATTERN
	# shellcheck disable=SC2053 # a pattern
	[ "$status" != 0 ] && [ ! "$printed" ] && [[ $said == $2 ]] && [ "$(wc -l < "$tmp/stderr")" = 1 ]
	ok $? "$1" "status $status" "$printed" "$said"
}
restore crun run c1
refused 'crun: a command line without restore is refused' 'numaplace: restore: /proc/*/cmdline: the command line has no "restore ID"'
restore crun restore --bundle c1
refused 'crun: a command line without an id is refused' 'numaplace: restore: /proc/*/cmdline: the command line has no "restore ID"'
first=0 restore crun restore c1
refused 'the process 0 is refused' 'numaplace: restore: CRTOOLS_INIT_PID: "0": no process to place'
first=x restore crun restore c1
refused 'a process that is no number is refused' 'numaplace: restore: CRTOOLS_INIT_PID: "x": no process to place'
echo '{' > "$tmp/bundle/config.json"
restore crun restore c1
refused 'a malformed config.json is refused' 'numaplace: restore: */config.json: *'
with "\"createRuntime\":[$(entry "$(printf ',"%s"' {1..64})")]"
restore crun restore c1
refused 'a hook with too many arguments is refused' 'numaplace: restore: */config.json: *more than 64 arguments'
rm "$tmp/bundle/config.json"
restore crun restore c1
refused 'a bundle without config.json is refused' 'numaplace: restore: */config.json: No such file or directory'

with "\"createRuntime\":[$(entry ',"createRuntime"')]"
restore runc restore c1
is_called 'runc has called the hook itself' ''
restore lxc-checkpoint -r -n c1
is_called 'another program, without the environment of LXC: nothing is done' ''
LXC_NAME=c1 LXC_CONFIG_FILE=/c restore lxc-checkpoint -r -n c1
is_called 'LXC: the hook of LXC is called, with the environment of a start' "--restored c1 start-host $$ /c"
rm "$tmp/bin/lxc-hook"
LXC_NAME=c1 LXC_CONFIG_FILE=/c restore lxc-checkpoint -r -n c1
is_called 'LXC: without lxc-hook nothing is done' ''
rm "$tmp/bin/oci-hook"
restore crun restore c1
is_called 'crun: without oci-hook nothing is done' ''

# --- the installer of the line for CRIU
sed "s|^hook=.*|hook=$tmp/bin/criu-hook|" contrib/criu/install > "$tmp/install"
export CRIU_CONF=$tmp/criu/default.conf
same() { [ "$(cat "$CRIU_CONF")" = "$2" ]; ok $? "$1" "$(cat "$CRIU_CONF")"; }
line="action-script $tmp/bin/criu-hook"
sh "$tmp/install" > /dev/null
same 'install: the file and its line are made' "$line"
sh "$tmp/install" > /dev/null
same 'install: a second time changes nothing' "$line"
sh "$tmp/install" --remove > /dev/null
[ ! -e "$tmp/criu" ]
ok $? 'install --remove: the file and its folder are gone'
mkdir "$tmp/criu"
printf 'log-level 4' > "$CRIU_CONF"
sh "$tmp/install" > /dev/null
same 'install: the lines of others stay, also one without a newline' "log-level 4"$'\n'"$line"
sh "$tmp/install" --remove > /dev/null
same 'install --remove: they stay, too' 'log-level 4'
sh "$tmp/install" --remove
ok $? 'install --remove: without the line, nothing is done'
rm "$tmp/bin/criu-hook"
! sh "$tmp/install" 2> /dev/null
ok $? 'install: without criu-hook, nothing is done'
same 'install: and the file stays' 'log-level 4'
done_testing
