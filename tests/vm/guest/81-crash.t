# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR
#
# The hook killed before each of its system calls, and each of them failing, with a
# real cgroup: see src/at-each-call.c.
# Layout: 4x2-pairs.

. /tests/lib.sh

mkdir -p /sys/fs/cgroup/crash
hook=/usr/libexec/numaplace/oci-hook
ok "createRuntime, killed before each call" /tests/bin/at-each-call $hook createRuntime crash/c kill
ok "createRuntime, each call failing" /tests/bin/at-each-call $hook createRuntime crash/c fail
ok "poststop, killed before each call" /tests/bin/at-each-call $hook poststop crash/c kill
ok "poststop, each call failing" /tests/bin/at-each-call $hook poststop crash/c fail 2
rmdir /sys/fs/cgroup/crash
done_testing
