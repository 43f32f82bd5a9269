#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# numaplace-nri with a made runtime (made-containerd.c).
cd "${0%/*}/../.." || exit
build=${NUMAPLACE_BUILD:-build}
exec "$build/made-containerd" "$build/numaplace-nri"
