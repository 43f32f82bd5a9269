#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# make install and make uninstall, into a folder: all files are installed, no
# placeholder is left in them, a changed numaplace.conf stays, and all other files are removed.
# shellcheck source=tests/tap.bash
. "${0%/*}/../tap.bash"
cd "$(dirname "$0")/../.." || exit 1
tmp="$tmp/with blanks"
mkdir "$tmp" || exit 1

# shellcheck disable=SC2317 # ok calls it
diagnose() { tail -n 40 "$tmp/log"; }

# Without network, if unshare is permitted here.
offline=
! unshare --net true 2> /dev/null || offline='unshare --net'

# to DIR TARGET ARG...: make it, with what the tests were given.
to() {
	$offline make -s O="${NUMAPLACE_BUILD:-build}" "$2" DESTDIR="$tmp/$1" "${@:3}" > "$tmp/log" 2>&1
}
files() { (cd "$tmp/$1" && find . ! -type d | sort); }

to usr install prefix=/usr
ok $? 'make install prefix=/usr'
grep -rlE '@[a-z]+dir@' "$tmp/usr" > "$tmp/log"
[ ! -s "$tmp/log" ]
ok $? 'no placeholder is left'
# names_programs DIR PREFIX: every program that a file names by its path is there.
names_programs() {
	local path
	grep -rhoE "$2/(bin|libexec/numaplace)/[a-z-]+" "$tmp/$1$2/share/containers" "$tmp/$1$2/share/numaplace" \
		"$tmp/$1$2/share/lxc" "$tmp/$1$2/lib/systemd" | sort -u > "$tmp/named"
	while read -r path; do
		[ -x "$tmp/$1$path" ] || echo "$path"
	done < "$tmp/named" > "$tmp/log"
	[ -s "$tmp/named" ] && [ ! -s "$tmp/log" ]
	ok $? "prefix=$2: whatever is named by its path is there"
}
names_programs usr /usr
files usr > "$tmp/log"
for f in ./usr/bin/numaplace{,-runtime} ./usr/libexec/numaplace/{oci,lxc}-hook \
	./usr/share/containers/oci/hooks.d/50-numaplace.json ./usr/share/lxc/config/numaplace.conf \
	./usr/share/numaplace/lxc/50-numaplace.conf ./usr/share/numaplace/podman/50-numaplace.conf \
	./usr/share/man/man1/numaplace-map.1 ./usr/share/man/man8/numaplace-{oci,lxc}-hook.8 \
	./usr/share/man/man5/numaplace.conf.5 ./usr/share/man/man3/numaplace_{open,close}.3 ./usr/include/numaplace.h \
	./usr/lib/libnumaplace.so{,.0} ./usr/lib/pkgconfig/numaplace.pc ./etc/numaplace/numaplace.conf; do
	grep -qxF "$f" "$tmp/log"
	ok $? "has $f"
done
for f in "$tmp"/usr/usr/share/containers/oci/hooks.d/*.json "$tmp"/usr/usr/share/numaplace/hooks.d-*/*.json; do
	jq -e '.version == "1.0.0" and (.stages | length) == 1' "$f" > "$tmp/log" 2>&1
	ok $? "${f#"$tmp/usr"}: JSON of hooks.d, one stage"
done
# CRI-O does not start where it reads a stage that only podman knows.
! grep -l precreate "$tmp"/usr/usr/share/containers/oci/hooks.d/* > "$tmp/log"
ok $? 'precreate is not where CRI-O looks'
files usr > "$tmp/log"
! grep -q common.conf.d "$tmp/log"
ok $? 'what would be for all LXC containers is shipped, and not enabled'
# links PROGRAM LIBRARY...: it asks for these of the libraries, and for no other.
links() {
	readelf -d "$tmp/usr/usr/$1" | sed -n 's/.*NEEDED.*\[lib\(.*\)\.so.*/\1/p' | grep -vxF c | sort | xargs > "$tmp/log"
	[ "$(cat "$tmp/log")" = "${*:2}" ]
	ok $? "$1 is linked with: ${*:2}"
}
links bin/numaplace cgroup numa yajl
links bin/numaplace-runtime numa yajl
links libexec/numaplace/lxc-hook lxc yaml-0
links lib/libnumaplace.so.0 numa
# Statically, or with the one that it uses.
readelf -d "$tmp/usr/usr/libexec/numaplace/oci-hook" | grep NEEDED > "$tmp/log"
! grep -vE 'lib(yajl|c)\.so' "$tmp/log"
ok $? 'libexec/numaplace/oci-hook is linked with: yajl, or nothing'
to usr uninstall prefix=/usr
(cd "$tmp/usr" && find . ! -type d -o -name 'numaplace*' | sort) > "$tmp/log"
[ ! -s "$tmp/log" ]
ok $? 'make uninstall leaves nothing, and no folder of its own'

to local install
grep -q 'not in /usr/local/share/containers' "$tmp/log"
ok $? 'elsewhere than in /usr: it is said that podman does not look there'
names_programs local /usr/local
to usr install prefix=/usr
echo '# mine' >> "$tmp/usr/etc/numaplace/numaplace.conf"
to usr install prefix=/usr
grep -q mine "$tmp/usr/etc/numaplace/numaplace.conf"
ok $? 'installed again, a changed conf is kept'
to usr uninstall prefix=/usr
files usr > "$tmp/log"
[ "$(cat "$tmp/log")" = ./etc/numaplace/numaplace.conf ]
ok $? 'and uninstalled, too'

# As for a 32-bit machine: refused before anything is compiled, and by the header where another makefile compiles.
refusal='numaplace needs a 64-bit machine: amd64, arm64, ppc64el, riscv64 or s390x'
make -s O="${tmp%/*}/32-bit" CPPFLAGS=-U__LP64__ > "$tmp/log" 2>&1
[ $? = 2 ] && [ "$(grep -v '^make' "$tmp/log")" = "$refusal" ]
ok $? 'a compiler for 32 bits is refused, in one line'
! ${CC:-gcc} -D_GNU_SOURCE -U__LP64__ -I. -fsyntax-only plugin/ledger/ledger.c > "$tmp/log" 2>&1 && grep -qF "$refusal" "$tmp/log"
ok $? 'and so it is by plugin/base/util.h'
done_testing
