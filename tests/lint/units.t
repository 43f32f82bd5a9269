#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The systemd units: systemd accepts each of them, and each confines its service. The figure is the exposure that
# `systemd-analyze security` computes, from 0 (fully confined) to 100; a service without any directive has 96.
# shellcheck source=tests/tap.bash
. "${0%/*}/../tap.bash"
cd "${0%/*}/../.." || exit

if ! command -v systemd-analyze > /dev/null; then
	echo '1..0 # SKIP no systemd-analyze here'
	exit
fi
mkdir "$tmp/units"
for file in contrib/systemd/*.timer contrib/systemd/*.service.in contrib/incus/*.service; do
	name=${file##*/}
	# The programs need not be installed here.
	sed -e 's,@bindir@/numaplace,/bin/true,;s,/usr/libexec/numaplace/incus-agent,/bin/true,' \
		-e 's,@libexecdir@/numaplace/numaplace-nri,/bin/true,' \
		-e '/^Documentation=/d' "$file" > "$tmp/units/${name%.in}"
done
for unit in "$tmp"/units/*; do
	name=${unit##*/}
	said=$(SYSTEMD_UNIT_PATH=$tmp/units: systemd-analyze verify --man=no "$unit" 2>&1 | grep -F "$name")
	[ -z "$said" ]
	ok $? "$name: systemd accepts all directives" "$said"
	[[ $name == *.service ]] || continue
	said=$(SYSTEMD_UNIT_PATH=$tmp/units: systemd-analyze security --offline=yes --threshold=35 "$unit" 2>&1)
	ok $? "$name: the exposure is at most 35 of 100" "$said"
	for must in CapabilityBoundingSet SystemCallFilter ProtectSystem NoNewPrivileges RestrictAddressFamilies; do
		grep -q "^$must=" "$unit"
		ok $? "$name: has $must"
	done
done
done_testing
