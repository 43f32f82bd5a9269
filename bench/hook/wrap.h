/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Between the two files that are linked around a hook for the bench.
 */
#ifndef NUMAPLACE_BENCH_WRAP_H
#define NUMAPLACE_BENCH_WRAP_H

#include <stdbool.h>

/* Told before and after a cgroup's file is read; only where phases.c is linked, too. */
__attribute__((weak)) void bench_reads(const char *path, bool begins);

#endif
