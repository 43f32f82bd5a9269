#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# libnumaplace as it is installed: its header, its pkg-config file and its symbols are used from outside of the tree.
# The examples run on a recorded machine, under valgrind, too; a C++ compiler reads the header; every function has a
# manual page, and the symbol file, the header and Debian's symbols file have the same functions.
# shellcheck source=tests/tap.bash
. "${0%/*}/../tap.bash"
cd "$(dirname "$0")/../.." || exit 1

# shellcheck disable=SC2317 # ok calls it
diagnose() { tail -n 40 "$tmp/log"; }

make -s O="${NUMAPLACE_BUILD:-build}" install prefix="$tmp/usr" sysconfdir="$tmp/etc" > "$tmp/log" 2>&1
ok $? 'make install into a folder'
export PKG_CONFIG_PATH=$tmp/usr/lib/pkgconfig LD_LIBRARY_PATH=$tmp/usr/lib
library=$tmp/usr/lib/libnumaplace.so.0

# --- symbols
sed -n 's/^\t\(numaplace_[a-z_]*\);$/\1/p' lib/libnumaplace.sym | sort > "$tmp/wanted"
[ "$(wc -l < "$tmp/wanted")" -ge 20 ]
ok $? 'the symbol file has functions'
# same NAME: the list of functions in $tmp/got is that of the symbol file.
same() {
	sort -u "$tmp/got" | diff "$tmp/wanted" - > "$tmp/log"
	ok $? "$1 has the functions of the symbol file, and no others"
}
nm -D --defined-only "$library" | awk '$2 != "A" { print $3 }' | sed -n 's/@@LIBNUMAPLACE_0$//p' > "$tmp/got"
same 'the library'
nm -D --defined-only "$library" | awk '$2 != "A" { print $3 }' | grep -v '@@LIBNUMAPLACE_0$' > "$tmp/log"
[ ! -s "$tmp/log" ]
ok $? 'the library exports nothing without a version'
grep -o '^ \* numaplace_[a-z_]* - ' include/numaplace.h | tr -d ' *-' > "$tmp/got"
same 'the documentation in the header'
grep '^NUMAPLACE_API' include/numaplace.h | grep -o 'numaplace_[a-z_]*(' | tr -d '(' > "$tmp/got"
same 'the header'
sed -n 's/^ \(numaplace_[a-z_]*\)@LIBNUMAPLACE_0 .*/\1/p' debian/libnumaplace0.symbols > "$tmp/got"
same "Debian's symbols file"
sed -n "s/^\.Nm \(numaplace_[a-z_]*\).*/\1/p" man/*.3 > "$tmp/got"
same 'section 3 of the manual'
while read -r f; do
	[ -e "$tmp/usr/share/man/man3/$f.3" ] || echo "$f: no page"
	so=$(sed -n 's/^\.so //p' "$tmp/usr/share/man/man3/$f.3")
	[ -e "$tmp/usr/share/man/$so" ] || echo "$f: $so does not exist"
done < "$tmp/wanted" > "$tmp/log"
[ ! -s "$tmp/log" ]
ok $? 'each function has a manual page under its own name'
# Each function begins a comment that ends with the version that it came with.
awk '/^\/\*\*$/ { since = "none" } / \* Since: 0\.[0-9]+$/ { since = $3 } /^NUMAPLACE_API/ && since == "none" { print } ' \
	include/numaplace.h > "$tmp/log"
[ ! -s "$tmp/log" ]
ok $? 'each function says since which version it exists'
readelf -d "$library" > "$tmp/log"
grep -q 'SONAME.*\[libnumaplace\.so\.0\]' "$tmp/log"
ok $? 'the soname is libnumaplace.so.0'
[ "$(sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p' "$tmp/log" | grep -v '^ld' | sort | xargs)" = 'libc.so.6 libnuma.so.1' ]
ok $? 'the library needs libc and libnuma alone'
grep -q 'FLAGS.*BIND_NOW' "$tmp/log" && ! grep -q TEXTREL "$tmp/log"
ok $? 'the library is linked with -z now, and without text relocations'
# printf() to a string is no output.
nm -D --undefined-only "$library" | awk '{ sub(/@.*/, "", $NF); print $NF }' > "$tmp/undefined"
grep -xE '_?exit|abort|getenv|secure_getenv|(__)?v?printf(_chk)?|puts|putchar|perror|fork|vfork|execve?|system|popen|sigaction|signal|timer_create|alarm' \
	"$tmp/undefined" > "$tmp/log"
[ -s "$tmp/undefined" ] && [ ! -s "$tmp/log" ]
ok $? 'the library calls nothing that prints, ends, starts a process, reads the environment or handles a signal'

# --- examples
tests/machines/make-machine -v root="$tmp/machine" tests/machines/plain-4x2-pairs.machine
[ "$(pkg-config --modversion numaplace)" = "$(sed -n 's/^VERSION = //p' Makefile)" ]
ok $? 'pkg-config names the version of the Makefile'
# shellcheck disable=SC2046 # words
${CC:-gcc} -std=c11 -Wall -Wextra -Wpedantic -Werror -O1 -g examples/place.c -o "$tmp/place" \
	$(pkg-config --cflags --libs numaplace) > "$tmp/log" 2>&1
ok $? 'examples/place.c: compiled with what pkg-config prints, as C11 without extensions'
printf '#include <numaplace.h>\nint main() { return !*numaplace_version(); }\n' > "$tmp/version.cc"
if command -v "${CXX:-g++}" > /dev/null; then
	# shellcheck disable=SC2046 # words
	${CXX:-g++} -Wall -Wextra -Wpedantic -Werror "$tmp/version.cc" -o "$tmp/version" \
		$(pkg-config --cflags --libs numaplace) > "$tmp/log" 2>&1 && "$tmp/version" >> "$tmp/log" 2>&1
	ok $? 'the header in C++'
fi
# shows WHAT WANTED COMMAND...: its first line is WANTED, its status as WANTED begins.
shows() {
	local what=$1 status=$2 want=$3 got
	shift 3
	"$@" > "$tmp/log" 2>&1
	# shellcheck disable=SC2053 # a pattern
	[ $? = "$status" ] && got=$(head -n 1 "$tmp/log") && [[ $got == $want ]]
	ok $? "$what" "$got"
}
shows 'examples/place.c: a plan' 0 'nodes 0-1, CPUs 0-3, memory nodes 0-1' "$tmp/place" "$tmp/machine" 0 limits.cpu=4
grep -q '^runner-up: ' "$tmp/log"
ok $? 'examples/place.c: the reasons'
shows 'examples/place.c: no room' 1 'place: limits.memory: 5GiB requested, 4GiB available*' \
	"$tmp/place" "$tmp/machine" 0 limits.memory=5GiB
shows 'examples/place.c: a word that is no key' 1 'place: value: NULL' "$tmp/place" "$tmp/machine" 0 limits.cpu
shows 'examples/place.c: a recorded machine places nothing' 1 'place: the context is read-only' \
	"$tmp/place" "$tmp/machine" 1 limits.cpu=1
if needs python3 'examples/plan.py'; then
	shows 'examples/plan.py: a plan' 0 'nodes 0-1, CPUs 0-3, memory nodes 0-1' \
		python3 examples/plan.py "$tmp/machine" limits.cpu=4
	grep -q '^runner-up: ' "$tmp/log"
	ok $? 'examples/plan.py: the reasons'
	shows 'examples/plan.py: an invalid value' 1 'plan.py: limits.cpu: *' \
		python3 examples/plan.py "$tmp/machine" limits.cpu=x
fi
if needs valgrind 'examples/place.c under valgrind'; then
	for words in '0 limits.cpu=4' '0 limits.cpu=x' '0 limits.memory=5GiB' '1 limits.cpu=1'; do
		# shellcheck disable=SC2086 # words
		valgrind -q --error-exitcode=99 --leak-check=full --show-leak-kinds=all --errors-for-leak-kinds=all \
			"$tmp/place" "$tmp/machine" $words > "$tmp/log" 2>&1
		[ $? != 99 ]
		ok $? "examples/place.c under valgrind: $words"
	done
fi
done_testing
