#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# numaplace-kube with a made API server (made-apiserver.c, a mock), on a recorded machine with a ledger made by hand.
# shellcheck source=tests/tap.bash
. "${0%/*}/../tap.bash"
cd "${0%/*}/../.." || exit
build=${NUMAPLACE_BUILD:-build}
# shellcheck source=tests/machines/ledger.bash
. tests/machines/ledger.bash

mkdir "$tmp/machine" "$tmp/more"
awk -v root="$tmp/machine" -f tests/machines/make-machine tests/machines/plain-4x2-pairs.machine
record "$tmp/state" first 1 0 0 0 mem.0=1048576
for ((i = 0; i < 60; i++)); do
	record "$tmp/made" "more$i" 1 0-7 0-3 0-3 "mem.$((i % 4))=1048576"
	mv "$tmp/made/containers/oci:more$i" "$tmp/more/$i"
done

# --- the command line and the environment
export KUBERNETES_SERVICE_HOST=127.0.0.1 KUBERNETES_SERVICE_PORT=1 NODE_NAME=worker-1
mkdir "$tmp/empty"
# refused NAME STATUS PATTERN ARGUMENT...
refused() {
	local name=$1 want=$2 pattern=$3 got
	shift 3
	"$build/numaplace-kube" --once --sysroot "$tmp/machine" --state "$tmp/state" --account "$tmp/empty" "$@" > "$tmp/out" 2>&1
	got=$?
	[ $got = "$want" ] && tail -n 1 "$tmp/out" | grep -qE "^numaplace: kube: $pattern"
	ok $? "$name" "status $got" "$(cat "$tmp/out")"
}
refused 'without a token: exit status 1, and the file is named' 1 ".*$tmp/empty/token: No such file or directory"
KUBERNETES_SERVICE_PORT=0 refused 'port 0' 2 'KUBERNETES_SERVICE_PORT: "0": not a port'
KUBERNETES_SERVICE_PORT=65536 refused 'port 65536' 2 'KUBERNETES_SERVICE_PORT: "65536": not a port'
KUBERNETES_SERVICE_HOST=a/b refused 'a server with a path' 2 'KUBERNETES_SERVICE_HOST: "a/b": neither a name nor an address'
KUBERNETES_SERVICE_HOST='user@host' refused 'a server with a user' 2 'KUBERNETES_SERVICE_HOST: "user@host": neither a name nor an address'
(unset KUBERNETES_SERVICE_HOST; ! "$build/numaplace-kube" --once > "$tmp/out" 2>&1)
grep -q 'KUBERNETES_SERVICE_HOST: not set' "$tmp/out"
ok $? 'outside of a pod: the missing variable is named' "$(cat "$tmp/out")"
NODE_NAME=../x refused 'a name of a node that is a path' 2 'NODE_NAME: "../x": not the name of a node'
refused '--node-name rather than NODE_NAME' 2 '--node-name: "A": not the name of a node' --node-name A
refused 'an argument' 2 'usage: numaplace-kube' word
"$build/numaplace-kube" --sysroot "$tmp/machine" --once > "$tmp/out" 2>&1
[ $? = 2 ] && grep -q -- '--sysroot: only with --state' "$tmp/out"
ok $? '--sysroot without --state is refused' "$(cat "$tmp/out")"
for token in empty:'' 'two lines:a\nb' 'a space:a b' 'control:a\001b' "long:$(printf '%017000d' 0)"; do
	mkdir -p "$tmp/account"
	printf '%b' "${token#*:}" > "$tmp/account/token"
	"$build/numaplace-kube" --once --sysroot "$tmp/machine" --state "$tmp/state" --account "$tmp/account" > "$tmp/out" 2>&1
	[ $? != 0 ] && grep -q "$tmp/account/token: " "$tmp/out"
	ok $? "a token that is not one (${token%%:*}): refused before a request" "$(cat "$tmp/out")"
done
rm -rf "$tmp/account"

# --- the server
"$build/made-apiserver" "$build/numaplace-kube" "$build/numaplace" "$tmp" > "$tmp/tap" 2> "$tmp/printed"
status=$?
while IFS= read -r line; do
	case $line in
	'ok '*) ok 0 "${line#* - }" ;;
	'not ok '*) ok 1 "${line#* - }" ;;
	'#'*) echo "$line" ;;
	esac
done < "$tmp/tap"
[ $status = 0 ] && grep -q '^1\.\.' "$tmp/tap"
ok $? 'made-apiserver has run all of its tests' "status $status" "$(tail -n 3 "$tmp/said")"
done_testing
