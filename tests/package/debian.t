#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The Debian packages, built with the tools of the distribution from a copy of the tree: they have the files that `make
# install` installs, lintian reports nothing, and a second build is identical. They are unpacked and not installed, because
# the test must not change the machine that it runs on.
# shellcheck source=tests/tap.bash
. "${0%/*}/../tap.bash"

# shellcheck disable=SC2317 # ok calls it
diagnose() { tail -n 100 "$tmp/log"; }

for tool in dpkg-buildpackage dh lintian; do
	command -v $tool > /dev/null || {
		echo "1..0 # SKIP no $tool: tests/packages test"
		exit 0
	}
done

# build DIR: builds the packages from a copy of the tree in a folder of that name.
build() {
	mkdir -p "$tmp/$1/numaplace"
	tests/files | tar -cf - -T - | tar -C "$tmp/$1/numaplace" -xf -
	(cd "$tmp/$1/numaplace" && DEB_BUILD_OPTIONS="nocheck parallel=$(nproc)" SOURCE_DATE_EPOCH=1763683200 \
		dpkg-buildpackage -us -uc -b --no-check-builddeps) > "$tmp/log" 2>&1
}

build one
ok $? 'dpkg-buildpackage -b succeeds'
(cd "$tmp/one/numaplace" && dpkg-checkbuilddeps) > "$tmp/log" 2>&1
ok $? 'the build dependencies are the packages that tests/packages installs'
deb=$(ls "$tmp"/one/numaplace_*.deb) lxc=$(ls "$tmp"/one/numaplace-lxc_*.deb)
dpkg-deb -c "$deb" > "$tmp/log"
for f in usr/bin/numaplace usr/bin/numaplace-runtime usr/libexec/numaplace/oci-hook etc/numaplace/numaplace.conf \
	usr/share/containers/oci/hooks.d/50-numaplace.json usr/share/man/man1/numaplace-map.1.gz \
	usr/lib/tmpfiles.d/numaplace.conf usr/share/bash-completion/completions/numaplace \
	usr/share/zsh/vendor-completions/_numaplace usr/share/fish/vendor_completions.d/numaplace.fish; do
	grep -q " \./$f\$" "$tmp/log"
	ok $? "numaplace has $f"
done
grep -Eq ' \./(usr/)?lib/systemd/system/numaplace-rebalance\.timer$' "$tmp/log"
ok $? 'the package numaplace has its timers'
dpkg-deb -f "$deb" Depends > "$tmp/log"
! grep -q liblxc "$tmp/log"
ok $? 'the package numaplace does not depend on liblxc'
dpkg-deb -c "$lxc" > "$tmp/log"
grep -q ' \./usr/libexec/numaplace/lxc-hook$' "$tmp/log"
ok $? "the package numaplace-lxc has lxc-hook"
dpkg-deb -c "$tmp"/one/numaplace-nri_*.deb > "$tmp/log"
grep -q ' \./usr/libexec/numaplace/numaplace-nri$' "$tmp/log" &&
	grep -Eq ' \./(usr/)?lib/systemd/system/numaplace-nri\.service$' "$tmp/log"
ok $? "the package numaplace-nri has the plugin and its service"
dpkg-deb -c "$tmp"/one/numaplace-kube_*.deb > "$tmp/log"
grep -q ' \./usr/libexec/numaplace/numaplace-kube$' "$tmp/log" && ! dpkg-deb -f "$tmp"/one/numaplace-nri_*.deb Depends | grep -q libcurl
ok $? "the package numaplace-kube has its program, and numaplace-nri does not depend on libcurl"
dpkg-deb -c "$tmp"/one/numaplace-numad_*.deb > "$tmp/log"
grep -q ' \./usr/bin/numad -> ' "$tmp/log" && grep -q ' \./etc/libvirt/hooks/qemu\.d/numaplace -> ' "$tmp/log"
ok $? "the package numaplace-numad has the two links that libvirt follows"
dpkg-deb -c "$tmp"/one/libnumaplace0_*.deb > "$tmp/log"
grep -q ' \./usr/lib/[^/]*-linux-gnu[^/]*/libnumaplace\.so\.0 -> ' "$tmp/log" && ! grep -q '\.so -> ' "$tmp/log"
ok $? 'libnumaplace0 has the library for every architecture at once, without the link for the linker'
dpkg-deb --ctrl-tarfile "$tmp"/one/libnumaplace0_*.deb | tar -xOf - ./symbols > "$tmp/log" 2>&1
[ "$(grep -c ' numaplace_[a-z_]*@LIBNUMAPLACE_0 ' "$tmp/log")" = "$(grep -c '^.numaplace_' lib/libnumaplace.sym)" ]
ok $? 'libnumaplace0 names the functions of the symbol file'
dpkg-deb -c "$tmp"/one/libnumaplace-dev_*.deb > "$tmp/log"
for f in usr/include/numaplace.h usr/share/man/man3/libnumaplace.3.gz usr/share/man/man3/numaplace_close.3.gz \
	'usr/lib/[^/]*/libnumaplace\.so' 'usr/lib/[^/]*/pkgconfig/numaplace.pc' \
	usr/share/doc/libnumaplace-dev/examples/plan.py; do
	grep -q " \./$f\( -> .*\)\?\$" "$tmp/log"
	ok $? "libnumaplace-dev has $f"
done
dpkg-deb --ctrl-tarfile "$deb" | tar -xOf - ./conffiles > "$tmp/log" 2>&1
grep -qx /etc/numaplace/numaplace.conf "$tmp/log"
ok $? 'numaplace.conf is a conffile'
# Purge after an administrator has enabled a timer, in a mount namespace that replaces what the script can change.
dpkg-deb --ctrl-tarfile "$deb" | tar -xOf - ./postrm > "$tmp/postrm"
# shellcheck disable=SC2016 # for the inner shell
unshare --mount sh -ec 'for d in /etc/systemd/system /run /var/lib; do mount -t tmpfs none $d; done
	mkdir /etc/systemd/system/timers.target.wants /run/numaplace
	ln -s /usr/lib/systemd/system/numaplace-rebalance.timer /etc/systemd/system/timers.target.wants/
	DPKG_MAINTSCRIPT_PACKAGE=numaplace DPKG_MAINTSCRIPT_NAME=postrm sh "$1" purge
	[ -z "$(find /etc/systemd/system /run -name "numaplace*")" ]' - "$tmp/postrm" > "$tmp/log" 2>&1
ok $? 'a purge leaves neither a timer that was enabled nor the ledger'
# The project has no mail host yet: the uploader sets the address.
lintian --allow-root --fail-on error,warning --suppress-tags bogus-mail-host,bogus-mail-host-in-debian-changelog \
	"$tmp"/one/*.changes > "$tmp/log" 2>&1
ok $? 'lintian reports nothing'

build two
ok $? 'a second build in another folder succeeds'
(cd "$tmp" && for f in one/*.deb; do cmp "$f" "two/${f##*/}" || diffs=1; done; [ -z "${diffs:-}" ]) > "$tmp/log" 2>&1
ok $? 'the packages of both builds are identical'

[ -z "${PACKAGES_TO:-}" ] || cp "$tmp"/one/*.deb "$PACKAGES_TO/"
done_testing
