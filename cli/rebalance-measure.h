/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the kernel measures for `numaplace rebalance`: where the pages of a container are, how busy it is, and how long
 * the processes of the machine wait.
 */
#ifndef NUMAPLACE_CLI_REBALANCE_MEASURE_H
#define NUMAPLACE_CLI_REBALANCE_MEASURE_H

#include "cli/engine.h"

struct measure {
	int mount;               /* descriptor of the cgroup2 mount; -1: nothing is measured */
	const struct topology *topology;
	uint64_t now;            /* CLOCK_BOOTTIME seconds */
	struct numa_stat *stat;  /* for a moment */
};

struct measured {
	uint64_t *held;  /* by node index: bytes of private, shared and file pages; NULL: unknown. The caller's memory */
	uint64_t astray; /* bytes of private and shared pages on nodes that are not its memory nodes */
	double busy;     /* part of its requested CPU time that it has used since its start, or that its threads have
			  * waited for in the last minute, the larger; < 0: unknown */
};

/* @held: zeroed, by node index. Leaves unknown what the kernel does not tell. */
void measure_container(const struct measure *m, const struct record *r, uint64_t *held, struct measured *out);

/* What processes wait for. */
enum stall { STALL_CPU, STALL_MEMORY, STALLS };
extern const char *const stall_names[STALLS]; /* "CPUs", "memory" */

/* Part of the last 10 seconds in which processes of the machine have waited. False: the kernel does not measure it. */
bool measure_stalls(int root, double part[STALLS]);

/*
 * Watches the machine for a second. Returns for what its processes wait in more than @most of it, or -1. Ends early at a
 * signal.
 */
int watch_stalls(int root, const double most[STALLS]);

#endif
