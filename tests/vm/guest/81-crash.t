# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR
#
# Both hooks killed before each of their system calls, and each of these failing, with a real cgroup: see
# src/at-each-call.c. oci-hook's placement meets each of five errors at each call; the others two or one, in turn.
# Layout: 4x2-pairs.
# time limit: 900 s

. /tests/lib.sh

mkdir -p /sys/fs/cgroup/crash
# each HOOK STAGE SEED...
each() {
	hook=$1 stage=$2
	shift 2
	ok "$hook, $stage: killed before each call" \
		/tests/bin/at-each-call /usr/libexec/numaplace/$hook "$stage" crash/c kill
	for seed; do
		ok "$hook, $stage: each call failing, error $seed first" \
			/tests/bin/at-each-call /usr/libexec/numaplace/$hook "$stage" crash/c fail "$seed"
	done
}
each oci-hook createRuntime 0 1 2 3 4
each oci-hook poststop 2
each lxc-hook start-host 0 3
each lxc-hook post-stop 2
rmdir /sys/fs/cgroup/crash
done_testing
