# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR
#
# doctor asks programs for their version: runc before 1.1.6 is a problem under systemd on machines with more than 8 CPUs,
# and only there. A kernel without cpuset partitions keeps exclusive CPUs from placed containers only.
# Layout: 8x2, on a suite with such a runc (bookworm).

# shellcheck source=lib.sh
. /tests/lib.sh
# shellcheck source=containers.sh
. /tests/containers.sh
# shellcheck source=placed.sh
. /tests/placed.sh

doctor() { COLUMNS=400 numaplace doctor > /run/tests/said; echo "status $?" >> /run/tests/said; cat /run/tests/said; }

like "the runc of this suite is older than 1.1.6" "$(runc --version)" '^runc version 1\.1\.[0-5]'
like "doctor prints the version of runc" "$(doctor)" "^fine +runc +/usr/s?bin/runc: runc version 1\.1\.[0-5]"
unlike "without systemd, doctor does not report an old runc" "$(cat /run/tests/said)" 'AllowedCPUs above 8'
mkdir -p /run/systemd/system
like "under systemd, doctor reports an old runc" "$(doctor)" '^do +runc +before 1\.1\.6 .*AllowedCPUs above 8 CPUs'
like "doctor ends with status 1 if it reports a problem" "$(tail -n 1 /run/tests/said)" 'status 1'
printf '#!/bin/sh\necho runc version 1.1.15\n' > /usr/local/sbin/runc
chmod +x /usr/local/sbin/runc
unlike "under systemd, doctor does not report a newer runc" "$(doctor)" '^do +runc'
printf '#!/bin/sh\nexec sleep 1000\n' > /usr/local/sbin/runc
before=$(cut -d. -f1 /proc/uptime)
doctor
ok "doctor ends within 30 s if runc does not print its version" [ $(($(cut -d. -f1 /proc/uptime) - before)) -lt 30 ]
like "doctor lists a runc that does not print its version" "$(cat /run/tests/said)" '^fine +runc +/usr/local/sbin/runc$'
rm /usr/local/sbin/runc
rmdir /run/systemd/system

np_syslog
reason='limits.cpu.exclusive: the CPUs are kept from other placed containers only: the kernel has no cpuset.cpus.exclusive, as Linux has since 6.7'
ok "an exclusive container starts" np_run crun createRuntime ex limits.cpu=2 limits.cpu.exclusive=isolated
is "status says that placed containers are kept from its CPUs" "$(numaplace --json status | jq -r '.containers[0].exclusive')" 'placed containers'
like "the message has the reason" "$(ct_said ex)" "$reason"
like "explain has the reason" "$(numaplace explain ex)" "$reason"
like "doctor has the reason" "$(doctor)" "^note +exclusive +ex: $reason"
ct_delete ex
done_testing
