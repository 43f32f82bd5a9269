#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The programs as they are built: position-independent, nothing of theirs to be
# written over or run from the stack, checked buffers, no library path of their own.
# shellcheck source=tests/hooks/tap.bash
. "${0%/*}/tap.bash"

command -v readelf > /dev/null || {
	echo '1..0 # SKIP no readelf here'
	exit
}

# has NAME PATTERN, hasnt NAME PATTERN: of $about, what readelf says of the program.
has() {
	grep -Eq -- "$2" <<< "$about"
	ok $? "$program: $1" "nothing like $2"
}
hasnt() {
	! grep -Eq -- "$2" <<< "$about"
	ok $? "$program: $1" "$(grep -E -- "$2" <<< "$about")"
}

for path in "${hook%/*}"/{oci-hook,lxc-hook,incus-agent,numaplace,numaplace-runtime}; do
	[ -x "$path" ] || continue
	program=${path##*/}
	about=$(readelf -W --file-header --program-headers --dynamic --syms --notes "$path" 2> /dev/null)
	has 'position-independent' 'Type: +DYN \(Position-Independent Executable|FLAGS_1.*PIE'
	has 'read-only once it is loaded (RELRO)' 'GNU_RELRO'
	has 'and all of it is bound by then (NOW)' 'FLAGS.*(BIND_)?NOW|\(BIND_NOW\)'
	has 'no code on the stack' 'GNU_STACK +[^ ]+ +[^ ]+ +[^ ]+ +[^ ]+ +[^ ]+ RW '
	hasnt 'nothing is both written and run' 'LOAD .* RWE '
	# A program that is linked statically shows libc's own ones, too; the others are built alike.
	has 'a canary on the stack' '__stack_chk_fail'
	has 'buffers are checked (FORTIFY)' '__(snprintf|vsnprintf|memcpy|strcpy|fprintf|read|asprintf)_chk'
	hasnt 'no library path of its own' 'R(UN)?PATH'
	hasnt 'no text that is relocated' 'TEXTREL'
	# Where the C library's own start-up code is built for it, which Debian's is not.
	if readelf -n "$(gcc -print-file-name=crt1.o 2> /dev/null)" 2> /dev/null | grep -q 'IBT, SHSTK'; then
		has 'branches are tracked where the CPU can (CET)' 'x86 feature.*: IBT, SHSTK'
	fi
done
[ "$tests" -ge 9 ]
ok $? 'there were programs to look at'
done_testing
