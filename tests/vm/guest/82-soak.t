# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash source-path=SCRIPTDIR
#
# 300 containers, one after another in two lanes, each placed by the hook and removed from the ledger: afterwards, the
# ledger and the machine are as before.
# Layout: 4x2-pairs.

. /tests/lib.sh
. /tests/containers.sh
. /tests/placed.sh

CRUN=285 RUNC=15
np_syslog
: > $np_log
soak=$ct_dir/soak
bundle soak -j '.annotations["limits.cpu"] = "2" | .annotations["limits.memory"] = "8MiB"' \
	-h "createRuntime=$np_hook,createRuntime" -h "poststop=$np_hook,poststop" -- /bin/true

# starts RUNTIME FIRST LAST STEP: starts these containers; prints the number of failures.
starts() {
	s_bad=0 s_n=$2
	while [ "$s_n" -le "$3" ]; do
		$1 run --bundle "$soak" "soak-$1-$s_n" || s_bad=$((s_bad + 1))
		s_n=$((s_n + $4))
	done
	echo "$s_bad"
}
groups() { find /sys/fs/cgroup -type d | wc -l; }
descriptors() { cut -f1 /proc/sys/fs/file-nr; }
ledger_size() { du -sb --exclude=homes /run/numaplace | cut -f1; }

starts crun 1 20 1 > /dev/null
groups_before=$(groups) size_before=$(ledger_size) files_before=$(descriptors)
begin=$(cut -d. -f1 /proc/uptime)
for lane in 1 2; do
	starts crun $lane $CRUN 2 > /run/tests/soak-$lane 2> /run/tests/soak-$lane.err &
	lanes="${lanes:-} $!"
done
# shellcheck disable=SC2086 # pids
wait $lanes
is "crun: $CRUN containers start, two at a time" "$(cat /run/tests/soak-1 /run/tests/soak-2 | xargs)" "0 0"
is "runc: $RUNC more containers start" "$(starts runc 1 $RUNC 1 2> /run/tests/soak-3.err)" 0
took=$(($(cut -d. -f1 /proc/uptime) - begin))
cat /run/tests/soak-*.err
is "status shows no container after 300 have ended ($took s)" "$(np_ids)" ""
is "the state folder has no other files after 300 containers" "$(cd /run/numaplace && find . -path "./homes/*" -prune -o -print | sort | xargs)" \
	". ./containers ./counters ./format ./homes ./lock ./topology ./usage"
ok "the state folder does not grow with 300 containers: $size_before, $(ledger_size) bytes" [ "$(ledger_size)" -le $((size_before + 4096)) ]
is "no cgroup is left of 300 containers" "$(groups)" "$groups_before"
ok "no open file is left in the kernel after 300 containers: $files_before, $(descriptors)" [ "$(descriptors)" -le $((files_before + 200)) ]
is "300 containers: no hook writes a message to syslog" "$(grep -F numaplace: $np_log)" ""
done_testing
