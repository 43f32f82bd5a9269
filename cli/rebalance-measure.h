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

/* Part of a second, which this function takes, in which processes of the machine wait. False: the kernel does not tell. */
struct stalls {
	double cpu, memory;
};
bool measure_stalls(int root, struct stalls *out);

#endif
