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

# Without network, if unshare is permitted.
offline=
! unshare --net true 2> /dev/null || offline='unshare --net'

# to DIR TARGET ARG...: runs make TARGET with DESTDIR=DIR and the build folder of the tests.
to() {
	$offline make -s O="${NUMAPLACE_BUILD:-build}" "$2" DESTDIR="$tmp/$1" "${@:3}" > "$tmp/log" 2>&1
}
files() { (cd "$tmp/$1" && find . ! -type d | sort); }

to usr install prefix=/usr
ok $? 'make install prefix=/usr succeeds'
grep -rlE '@[a-z]+dir@' "$tmp/usr" > "$tmp/log"
[ ! -s "$tmp/log" ]
ok $? 'no installed file has a placeholder'
# names_programs DIR PREFIX: tests that every program exists whose path is in an installed file.
names_programs() {
	local path
	grep -rhoE "$2/(bin|libexec/numaplace)/[a-z-]+" "$tmp/$1$2/share/containers" "$tmp/$1$2/share/numaplace" \
		"$tmp/$1$2/share/lxc" "$tmp/$1$2/lib/systemd" | sort -u > "$tmp/named"
	while read -r path; do
		[ -x "$tmp/$1$path" ] || echo "$path"
	done < "$tmp/named" > "$tmp/log"
	[ -s "$tmp/named" ] && [ ! -s "$tmp/log" ]
	ok $? "prefix=$2: every path of a program in an installed file exists"
}
names_programs usr /usr
files usr > "$tmp/log"
for f in ./usr/bin/numaplace{,-runtime} ./usr/libexec/numaplace/{oci,lxc}-hook \
	./usr/share/containers/oci/hooks.d/50-numaplace.json ./usr/share/lxc/config/numaplace.conf \
	./usr/share/numaplace/lxc/50-numaplace.conf ./usr/share/numaplace/cdi/numaplace.yaml ./usr/share/numaplace/podman/50-numaplace.conf \
	./usr/share/man/man1/numaplace-map.1 ./usr/share/man/man8/numaplace-{oci,lxc}-hook.8 \
	./usr/share/man/man5/numaplace.conf.5 ./usr/share/man/man3/numaplace_{open,close}.3 ./usr/include/numaplace.h \
	./usr/lib/libnumaplace.so{,.0} ./usr/lib/pkgconfig/numaplace.pc ./etc/numaplace/numaplace.conf; do
	grep -qxF "$f" "$tmp/log"
	ok $? "make install installs $f"
done
for f in "$tmp"/usr/usr/share/containers/oci/hooks.d/*.json "$tmp"/usr/usr/share/numaplace/hooks.d-*/*.json; do
	jq -e '.version == "1.0.0" and (.stages | length) == 1' "$f" > "$tmp/log" 2>&1
	ok $? "${f#"$tmp/usr"} is JSON of hooks.d with one stage"
done
# CRI-O does not start if it reads a stage that only podman knows.
# The engine calls the hook for each key of request.c, with and without prefix, and for no other limits.cpu or limits.memory.
keys=$(sed -n 's/^\t\[KEY_.*\] = "\(limits\.[a-z.]*\)",$/\1/p' plugin/select/request.c)
[ "$(wc -w <<< "$keys")" -gt 9 ]
ok $? 'the keys of request.c are found' "$keys"
for f in "$tmp"/usr/usr/share/containers/oci/hooks.d/*.json "$tmp"/usr/usr/share/numaplace/hooks.d-precreate/*.json; do
	pattern=$(jq -r '.when.annotations | keys[]' "$f")
	missed=$(sed 'p; s/^/org.numaplace./' <<< "$keys" | grep -vxE -e "$pattern")
	extra=$(printf '%s\n' limits.cpus limits.cpu.x limits.memory.swap limits.cpu.nodes.x xlimits.cpu org.numaplace | grep -xE -e "$pattern")
	[ -n "$pattern" ] && [ -z "$missed$extra" ]
	ok $? "${f#"$tmp/usr"} matches each key, and no other annotation" "missed: $missed" "too many: $extra"
done
! grep -l precreate "$tmp"/usr/usr/share/containers/oci/hooks.d/* > "$tmp/log"
ok $? 'the precreate hook is not in a folder that CRI-O reads'
files usr > "$tmp/log"
! grep -q common.conf.d "$tmp/log"
ok $? 'the drop-in for all LXC containers is installed and not enabled'
{ "${CC:-cc}" -o "$tmp/yaml-json" tests/lint/yaml-json.c -lyaml &&
	"$tmp/yaml-json" < "$tmp/usr/usr/share/numaplace/cdi/numaplace.yaml" > "$tmp/cdi"; } > "$tmp/log" 2>&1
jq -e '.cdiVersion == "0.5.0" and .kind == "numaplace.org/place" and [.devices[].name] == ["balanced", "exclusive"] and
	all(.devices[].containerEdits.hooks; [.[].hookName] == ["createRuntime", "poststop"])' "$tmp/cdi" >> "$tmp/log" 2>&1
ok $? 'the file for CDI has two devices, with two hooks each' "$(cat "$tmp/log")"
while IFS=$'\t' read -r path args; do
	# shellcheck disable=SC2086 # words
	"$tmp/usr$path" --conf /dev/null --state "$tmp/state" $args <<< '{"id":"a","annotations":{"io.kubernetes.cri.container-type":"sandbox"}}'
	ok $? "the hook of the file for CDI accepts: $args"
done < <(jq -r '.devices[].containerEdits.hooks[] | .path + "\t" + (.args[1:] | join(" "))' "$tmp/cdi")
# links PROGRAM LIBRARY...: tests that the program is linked with these libraries and with no other one of the project.
links() {
	readelf -d "$tmp/usr/usr/$1" | sed -n 's/.*NEEDED.*\[lib\(.*\)\.so.*/\1/p' | grep -vxF c | sort | xargs > "$tmp/log"
	[ "$(cat "$tmp/log")" = "${*:2}" ]
	ok $? "$1 is linked with: ${*:2}"
}
links bin/numaplace cgroup numa yajl
links bin/numaplace-runtime numa yajl
links libexec/numaplace/lxc-hook lxc yaml-0
links libexec/numaplace/numaplace-nri protobuf-c yajl
links libexec/numaplace/numaplace-kube curl yajl
links libexec/numaplace/virt xml2 yajl
links sbin/numaplace-libvirt-hook xml2
links sbin/numaplace-numad
links lib/libnumaplace.so.0 numa
# Linked statically, or with yajl only.
readelf -d "$tmp/usr/usr/libexec/numaplace/oci-hook" | grep NEEDED > "$tmp/log"
! grep -vE 'lib(yajl|c)\.so' "$tmp/log"
ok $? 'libexec/numaplace/oci-hook is linked with: yajl, or nothing'
to usr uninstall prefix=/usr
(cd "$tmp/usr" && find . ! -type d -o -name 'numaplace*' | sort) > "$tmp/log"
[ ! -s "$tmp/log" ]
ok $? 'make uninstall leaves no file and no folder of numaplace'

to local install
grep -q 'not in /usr/local/share/containers' "$tmp/log"
ok $? 'make install with another prefix warns that podman does not read its hooks'
names_programs local /usr/local
to usr install prefix=/usr
echo '# mine' >> "$tmp/usr/etc/numaplace/numaplace.conf"
to usr install prefix=/usr
grep -q mine "$tmp/usr/etc/numaplace/numaplace.conf"
ok $? 'a second make install keeps a changed numaplace.conf'
to usr uninstall prefix=/usr
files usr > "$tmp/log"
[ "$(cat "$tmp/log")" = ./etc/numaplace/numaplace.conf ]
ok $? 'make uninstall keeps a changed numaplace.conf'

# without LIBRARY: what has been built, without what needs the library, in $apart; pkg-config does not find it.
without() {
	local dir pc
	apart=${tmp%/*}/without-$1
	mkdir -p "$apart/pc"
	for dir in $(${PKG_CONFIG:-pkg-config} --variable=pc_path pkg-config | tr : ' '); do
		for pc in "$dir"/*.pc; do
			[ ! -e "$pc" ] || [ "${pc##*/}" = "$1.pc" ] || ln -sf "$pc" "$apart/pc/"
		done
	done
	(cd "${NUMAPLACE_BUILD:-build}" && cp -a 64-bit lib*.a cgroup cli place plugin runtime-hooks "$apart/") || return
	rm -f "$apart"/runtime-hooks/lxc/lxc-{hook,config}.o "$apart"/runtime-hooks/incus/{yaml,incus-backup,incus-start}.o "$apart"/runtime-hooks/nri/{nri-message,nri.pb-c}.o "$apart"/runtime-hooks/libvirt/xml{,-tree}.o "$apart"/runtime-hooks/kube/https.o
	PKG_CONFIG_LIBDIR=$apart/pc make -s O="$apart" install DESTDIR="$apart/root" prefix=/usr > "$tmp/log" 2>&1
}
without lxc
ok $? 'without liblxc, make install'
[ "$(grep -c liblxc "$tmp/log")" = 1 ] && grep -qx 'numaplace: lxc-hook is left out: liblxc is not installed (make deps)' "$tmp/log"
ok $? 'without liblxc: make says once that lxc-hook is left out'
(cd "$apart/root" && find . -name '*lxc*' ! -path '*/man/*') > "$tmp/log"
[ ! -s "$tmp/log" ] && [ -x "$apart/root/usr/libexec/numaplace/oci-hook" ] && [ -x "$apart/root/usr/bin/numaplace" ]
ok $? 'without liblxc: all other programs are installed, and nothing that names lxc-hook'
without libprotobuf-c
ok $? 'without libprotobuf-c, make install'
[ "$(grep -c protobuf "$tmp/log")" = 1 ] &&
	grep -qx 'numaplace: numaplace-nri is left out: libprotobuf-c or protoc-c is not installed (make deps)' "$tmp/log"
ok $? 'without libprotobuf-c: make says once that numaplace-nri is left out'
(cd "$apart/root" && find . -name '*nri*' ! -path '*/man/*') > "$tmp/log"
[ ! -s "$tmp/log" ] && [ -x "$apart/root/usr/libexec/numaplace/lxc-hook" ] && [ -x "$apart/root/usr/bin/numaplace" ]
ok $? 'without libprotobuf-c: all other programs are installed, and nothing that names numaplace-nri'
without libxml-2.0
ok $? 'without libxml2, make install'
[ "$(grep -c libxml2 "$tmp/log")" = 1 ] &&
	grep -qx 'numaplace: numaplace-libvirt-hook and the verb virt are left out: libxml2 is not installed (make deps)' "$tmp/log"
ok $? 'without libxml2: make says once that numaplace-libvirt-hook and the verb virt are left out'
[ ! -e "$apart/root/usr/sbin/numaplace-libvirt-hook" ] && [ ! -e "$apart/root/usr/libexec/numaplace/virt" ] && [ -x "$apart/root/usr/sbin/numaplace-numad" ]
ok $? 'without libxml2: numaplace-numad is installed'
without libcurl
ok $? 'without libcurl, make install'
[ "$(grep -c libcurl "$tmp/log")" = 1 ] && grep -qx 'numaplace: numaplace-kube is left out: libcurl is not installed (make deps)' "$tmp/log"
ok $? 'without libcurl: make says once that numaplace-kube is left out'
[ ! -e "$apart/root/usr/libexec/numaplace/numaplace-kube" ] && [ -x "$apart/root/usr/libexec/numaplace/numaplace-nri" ]
ok $? 'without libcurl: numaplace-nri is installed'
without yaml-0.1
ok $? 'without libyaml, make install'
[ "$(grep -c libyaml "$tmp/log")" = 1 ] &&
	grep -qx 'numaplace: lxc-hook is built without Incus and LXD: libyaml is not installed (make deps)' "$tmp/log"
ok $? 'without libyaml: make says once that lxc-hook does not know Incus and LXD'
readelf -d "$apart/root/usr/libexec/numaplace/lxc-hook" > "$tmp/log" && ! grep -q yaml "$tmp/log"
ok $? 'without libyaml: lxc-hook is installed, and not linked with it'
echo 'lxc.hook.pre-start = /proc/1/exe callhook /var/lib/incus "default" "c1" start' > "$tmp/lxc.conf"
LXC_NAME=c1 LXC_HOOK_TYPE=start-host LXC_CONFIG_FILE=$tmp/lxc.conf LXC_PID=$$ \
	"$apart/root/usr/libexec/numaplace/lxc-hook" --state "${tmp%/*}/state" > "$tmp/log" 2>&1 &&
	grep -qx 'numaplace: container c1: not placed, even if it has keys: this lxc-hook was built without libyaml' "$tmp/log"
ok $? 'without libyaml: an instance of Incus starts, with a warning'

# A compiler for a 32-bit machine is refused before anything is compiled, and by a header if another makefile compiles.
refusal='numaplace needs a 64-bit machine: amd64, arm64, ppc64el, riscv64 or s390x'
make -s O="${tmp%/*}/32-bit" CPPFLAGS=-U__LP64__ > "$tmp/log" 2>&1
[ $? = 2 ] && [ "$(grep -v '^make' "$tmp/log")" = "$refusal" ]
ok $? 'make with a 32-bit compiler fails with one line'
! ${CC:-gcc} -D_GNU_SOURCE -U__LP64__ -I. -fsyntax-only plugin/ledger/ledger.c > "$tmp/log" 2>&1 && grep -qF "$refusal" "$tmp/log"
ok $? 'plugin/base/util.h fails to compile for 32 bits'
done_testing
