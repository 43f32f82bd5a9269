/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Shared by the two files that are linked around a hook for the bench.
 */
#ifndef NUMAPLACE_BENCH_WRAP_H
#define NUMAPLACE_BENCH_WRAP_H

#include <stdbool.h>

/* Called before and after the hook reads a file of a cgroup; defined only if phases.c is linked. */
__attribute__((weak)) void bench_reads(const char *path, bool begins);

#endif
