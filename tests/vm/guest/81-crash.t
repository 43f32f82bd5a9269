# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR
#
# Both hooks killed before each of their system calls, and each of these failing, with a real cgroup: see
# src/at-each-call.c. Each call meets one of five errors, in turn; tests/hooks/crash.sh has all of them, on plain files.
# Layout: 4x2-pairs.
# time limit: 1400 s

. /tests/lib.sh

mkdir -p /sys/fs/cgroup/crash
for at in 'oci-hook createRuntime' 'oci-hook poststop' 'lxc-hook start-host' 'lxc-hook post-stop'; do
	hook=${at% *} stage=${at#* }
	ok "$hook, $stage: killed before each call" \
		/tests/bin/at-each-call "/usr/libexec/numaplace/$hook" "$stage" crash/c kill
	ok "$hook, $stage: each call failing" \
		/tests/bin/at-each-call "/usr/libexec/numaplace/$hook" "$stage" crash/c fail
done
rmdir /sys/fs/cgroup/crash
done_testing
