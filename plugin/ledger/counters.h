/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Counters of hooks since boot: containers placed, refused and released, and the time that hooks took. They are in a
 * small file, `counters`, in the ledger's folder. An update takes three system calls and atomic additions, no lock.
 */
#ifndef NUMAPLACE_COUNTERS_H
#define NUMAPLACE_COUNTERS_H

#include "plugin/base/error.h"

#include <stdint.h>

enum counter {
	COUNT_PLACED,
	COUNT_REFUSED,  /* cannot be placed, bad input, or not permitted */
	COUNT_FAILED,   /* system error */
	COUNT_RELEASED,
	COUNTERS
};

#define COUNTERS_BUCKETS 10
/* Upper bounds in microseconds; longer hooks are counted in `all` only. */
extern const uint32_t counters_bounds[COUNTERS_BUCKETS];

struct counters {
	uint64_t count[COUNTERS];
	uint64_t bucket[COUNTERS_BUCKETS]; /* hooks that took at most its bound and longer than the previous one */
	uint64_t all, microseconds;        /* number of hooks; sum of their times */
};

/* Counts one hook; @microseconds is ignored for COUNT_RELEASED. Best effort: errors are ignored. */
void counters_add(int dir, enum counter what, uint64_t microseconds);

/* Returns 0, -ENOENT (nothing counted yet), -EBADMSG (another version's file) or another negative errno. */
int counters_read(int dir, struct counters *out, struct error *err);

/* The counter for a hook's return value. */
enum counter counters_of(int status);

#endif
