# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR
#
# Kills both hooks before each of their system calls, and lets each call fail, with a real cgroup: see
# tests/tools/at-each-call.c. Each call fails with one of five errors in turn; tests/hooks/crash.sh uses all five, on
# regular files.
# Layout: 4x2-pairs.
# time limit: 1400 s

. /tests/lib.sh

mkdir -p /sys/fs/cgroup/crash
for at in 'oci-hook createRuntime' 'oci-hook poststop' 'lxc-hook start-host' 'lxc-hook post-stop'; do
	hook=${at% *} stage=${at#* }
	ok "$hook $stage, killed before each system call, leaves a state that the next run repairs" \
		/tests/bin/at-each-call "/usr/libexec/numaplace/$hook" "$stage" crash/c kill
	ok "$hook $stage, with each system call failing, leaves a state that the next run repairs" \
		/tests/bin/at-each-call "/usr/libexec/numaplace/$hook" "$stage" crash/c fail
done
rmdir /sys/fs/cgroup/crash
done_testing
