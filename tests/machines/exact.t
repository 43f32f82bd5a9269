#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Decisions against the best of all sets of nodes, on the bench's machines of up to eight
# nodes (the recorded ones too, where their archives are): as many nodes,
# and at most one per cent dearer.  `make bench-select BENCH=--exact` asks more.
here=$(cd "$(dirname "$0")" && pwd)
exec "${NUMAPLACE_BUILD:-$here/../../build}/bench-select" --exact --requests 300 --machines "$here/../../bench/select/machines" \
	--shared "${NUMAPLACE_SHARED:-$here/../../../shared}"
