#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Compares decisions with the best of all sets of nodes, on the machines of the bench with up to eight nodes (and the
# recorded ones, if their archives are present): as many nodes, and a cost at most one percent higher.
# `make bench-select BENCH=--exact` makes more requests.
here=$(cd "$(dirname "$0")" && pwd)
exec "${NUMAPLACE_BUILD:-$here/../../build}/bench-select" --exact --requests 300 --machines "$here/../../bench/select/machines" \
	--shared "${NUMAPLACE_SHARED:-$here/../../../shared}"
