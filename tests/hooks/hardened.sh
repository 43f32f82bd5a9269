#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Hardening of the programs as built: position-independent, read-only relocations, no executable stack, checked buffers,
# no library path.
# shellcheck source=tests/hooks/tap.bash
. "${0%/*}/tap.bash"

command -v readelf > /dev/null || {
	echo '1..0 # SKIP no readelf'
	exit
}

# has NAME PATTERN, hasnt NAME PATTERN: checks $about, the output of readelf for the program.
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
	has 'is position-independent' 'Type: +DYN \(Position-Independent Executable|FLAGS_1.*PIE'
	has 'has read-only relocations (RELRO)' 'GNU_RELRO'
	has 'binds all symbols at start (NOW)' 'FLAGS.*(BIND_)?NOW|\(BIND_NOW\)'
	has 'has no executable stack' 'GNU_STACK +[^ ]+ +[^ ]+ +[^ ]+ +[^ ]+ +[^ ]+ RW '
	hasnt 'has no segment that is writable and executable' 'LOAD .* RWE '
	# In a statically linked program the symbols may be those of libc; it is built with the same flags as the others.
	has 'has a stack canary' '__stack_chk_fail'
	has 'checks buffers (FORTIFY)' '__(snprintf|vsnprintf|memcpy|strcpy|fprintf|read|asprintf)_chk'
	hasnt 'has no library path' 'R(UN)?PATH'
	hasnt 'has no text relocations' 'TEXTREL'
	# Only if the start-up code of the C library is built for CET; that of Debian is not.
	if readelf -n "$(gcc -print-file-name=crt1.o 2> /dev/null)" 2> /dev/null | grep -q 'IBT, SHSTK'; then
		has 'is built for control-flow enforcement (CET)' 'x86 feature.*: IBT, SHSTK'
	fi
done
[ "$tests" -ge 9 ]
ok $? 'at least one program was checked'
done_testing
