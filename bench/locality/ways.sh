#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=dash disable=SC1091,SC2034,SC2154 # what it sources is in the guest
# time limit: 7200 s
# counts accesses
#
# In a guest: plays each of $SCENARIOS in each of $WAYS (accesses.sh), and writes a line for each to descriptor 3:
# SCENARIO WAY LOCAL NEAR FAR LATENCY BUSIEST, or SCENARIO WAY fails: WHY.

. /tests/bench-config
. /tests/accesses.sh
ac_rounds=$ROUNDS

ac_setup
for scenario in $SCENARIOS; do
	for way in $WAYS; do
		ac_play "/tests/$scenario.scenario" "$way"
		echo "$scenario $way $ac_result" >&3
	done
done
# The log of this test, for the option --log.
[ -z "${KEEP_LOG:-}" ] || sed 's/^/# /' "$LOG" >&3
: > "$LOG.done"
