# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR
#
# doctor, where it asks programs for their version: runc from before 1.1.6 is a trap
# under systemd on machines of more than 8 CPUs, and nowhere else.
# Layout: 8x2, on a suite with such a runc (bookworm).

# shellcheck source=lib.sh
. /tests/lib.sh

doctor() { COLUMNS=400 numaplace doctor > /run/tests/said; echo "status $?" >> /run/tests/said; cat /run/tests/said; }

like "this runc is such a one" "$(runc --version)" '^runc version 1\.1\.[0-5]'
like "doctor names its version" "$(doctor)" "^fine +runc +/usr/s?bin/runc: runc version 1\.1\.[0-5]"
unlike "without systemd it is no trap" "$(cat /run/tests/said)" 'AllowedCPUs above 8'
mkdir -p /run/systemd/system
like "under systemd it is" "$(doctor)" '^do +runc +before 1\.1\.6 .*AllowedCPUs above 8 CPUs'
like "and something is to be done" "$(tail -n 1 /run/tests/said)" 'status 1'
printf '#!/bin/sh\necho runc version 1.1.15\n' > /usr/local/sbin/runc
chmod +x /usr/local/sbin/runc
unlike "a newer one is none" "$(doctor)" '^do +runc'
printf '#!/bin/sh\nexec sleep 1000\n' > /usr/local/sbin/runc
before=$(cut -d. -f1 /proc/uptime)
doctor
ok "one that says nothing is not waited for" [ $(($(cut -d. -f1 /proc/uptime) - before)) -lt 30 ]
like "and still named" "$(cat /run/tests/said)" '^fine +runc +/usr/local/sbin/runc$'
rm /usr/local/sbin/runc
rmdir /run/systemd/system
done_testing
