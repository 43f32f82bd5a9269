#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Every key of a request is where users and engines need it: in the patterns by which podman and CRI-O call the hook, in the
# completions, in the manual and in the README.
# shellcheck source=tests/tap.bash
. "${0%/*}/../tap.bash"
cd "${0%/*}/../.." || exit

mapfile -t keys < <(sed -n 's/^\t\[KEY_.*\] = "\(limits\..*\)",$/\1/p' plugin/select/request.c)
[ "${#keys[@]}" -ge 11 ]
ok $? 'the keys are found' "${keys[*]}"

for file in runtime-hooks/oci/hooks.d*/*.json.in; do
	pattern=$(jq -r '.when.annotations // {} | keys[0] // ""' "$file")
	[ -n "$pattern" ] || continue
	missing=
	for key in "${keys[@]}" org.numaplace.limits.cpu; do
		grep -Eq "$pattern" <<< "$key" || missing+=" $key"
	done
	[ -z "$missing" ]
	ok $? "$file: the hook is called for every key" "missing:$missing"
	! grep -Eq "$pattern" <<< limits.cpu.nodesx && ! grep -Eq "$pattern" <<< volatile.cpu.nodes
	ok $? "$file: the hook is not called for other annotations"
done

named() { # FILE BEFORE AFTER: each key is in the file, between these patterns
	local key missing=
	for key in "${keys[@]}"; do
		grep -Eq -- "$2${key//./\\.}$3" "$1" || missing+=" $key"
	done
	[ -z "$missing" ]
	ok $? "$1 names every key" "missing:$missing"
}
named contrib/bash-completion/numaplace '[( 	]' '='
named contrib/zsh-completion/_numaplace '[( 	]' '([ )]|$)'
named contrib/fish-completion/numaplace.fish "[' ]" '='
named man/numaplace.1 '^\.It Cm ' '$'
named README.md '^\| `' '`'
done_testing
