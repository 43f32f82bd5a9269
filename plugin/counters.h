/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What hooks have done since the machine came up: how many containers were placed, refused
 * and released, and how long hooks took.  A small file, `counters`, in the ledger's folder, added to in
 * place by single atomic additions: three system calls and no lock.
 */
#ifndef NUMAPLACE_COUNTERS_H
#define NUMAPLACE_COUNTERS_H

#include "plugin/error.h"

#include <stdint.h>

enum counter {
	COUNT_PLACED,
	COUNT_REFUSED,  /* cannot be placed, or bad input */
	COUNT_FAILED,   /* the system failed */
	COUNT_RELEASED,
	COUNTERS
};

#define COUNTERS_BUCKETS 10
/* Upper bounds in microseconds; what is above the last is in `all` alone. */
extern const uint32_t counters_bounds[COUNTERS_BUCKETS];

struct counters {
	uint64_t count[COUNTERS];
	uint64_t bucket[COUNTERS_BUCKETS]; /* hooks that took up to its bound, and longer than the one before */
	uint64_t all, microseconds;        /* hooks; their sum */
};

/* Counts one hook; how long it took matters unless it released. Best effort: a ledger that cannot be counted in still works. */
void counters_add(int dir, enum counter what, uint64_t microseconds);

/* -ENOENT: nothing has been counted; -EBADMSG: another version's. */
int counters_read(int dir, struct counters *out, struct error *err);

/* What a hook's return value counts as. */
enum counter counters_of(int status);

#endif
