# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR disable=SC2016
. /tests/lib.sh
ok "run" numaplace run limits.cpu=2 -- grep allowed_list /proc/self/status
numaplace run limits.cpu=2 -- sh -c 'cat /proc/self/cgroup; env | grep NUMA; systemctl status $$; numaplace status'
numaplace status
fail "show"
done_testing
