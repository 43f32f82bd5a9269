#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# make install and make uninstall, into a folder: what belongs together arrives, no
# placeholder is left in it, a conf that somebody changed stays, and the rest goes.
set -u
cd "$(dirname "$0")/../.." || exit 1
tests=0 failures=0
top=$(mktemp -d) || exit 1
trap 'rm -rf "$top"' EXIT
tmp="$top/with blanks"
mkdir "$tmp" || exit 1

ok() {
	local status=$1 word=ok
	tests=$((tests + 1))
	if [ "$status" != 0 ]; then word='not ok' failures=$((failures + 1)); fi
	echo "$word $tests - $2"
	[ "$status" = 0 ] || tail -n 40 "$tmp/log" | sed 's/^/# /'
}

# to DIR TARGET ARG...: make it, with what the tests were given.
to() {
	make -s O="${NUMAPLACE_BUILD:-build}" "$2" DESTDIR="$tmp/$1" "${@:3}" > "$tmp/log" 2>&1
}
files() { (cd "$tmp/$1" && find . ! -type d | sort); }

to usr install prefix=/usr
ok $? 'make install prefix=/usr'
grep -rlE '@[a-z]+dir@' "$tmp/usr" > "$tmp/log"
[ ! -s "$tmp/log" ]
ok $? 'no placeholder is left'
missing=0
: > "$tmp/log"
# Every program that a file names by its path is there.
while read -r path; do
	[ -x "$tmp/usr$path" ] || { echo "$path" >> "$tmp/log"; missing=1; }
done < <(grep -rhoE '/usr/(bin|libexec/numaplace)/[a-z-]+' "$tmp/usr/usr/share/containers" "$tmp/usr/usr/share/numaplace" \
	"$tmp/usr/usr/share/lxc" "$tmp/usr/usr/lib/systemd" | sort -u)
ok $missing 'whatever is named by its path is there'
files usr > "$tmp/log"
for f in ./usr/bin/numaplace ./usr/libexec/numaplace/oci-hook ./usr/share/containers/oci/hooks.d/50-numaplace.json \
	./usr/share/numaplace/podman/50-numaplace.conf ./usr/share/man/man1/numaplace-map.1 ./etc/numaplace/numaplace.conf; do
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
to usr uninstall prefix=/usr
(cd "$tmp/usr" && find . ! -type d -o -name 'numaplace*' | sort) > "$tmp/log"
[ ! -s "$tmp/log" ]
ok $? 'make uninstall leaves nothing, and no folder of its own'

to local install
grep -q 'not in /usr/local/share/containers' "$tmp/log"
ok $? 'elsewhere than in /usr: it is said that podman does not look there'
to usr install prefix=/usr
echo '# mine' >> "$tmp/usr/etc/numaplace/numaplace.conf"
to usr install prefix=/usr
grep -q mine "$tmp/usr/etc/numaplace/numaplace.conf"
ok $? 'installed again, a changed conf is kept'
to usr uninstall prefix=/usr
files usr > "$tmp/log"
[ "$(cat "$tmp/log")" = ./etc/numaplace/numaplace.conf ]
ok $? 'and uninstalled, too'
echo "1..$tests"
[ "$failures" = 0 ]
