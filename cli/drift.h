/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether another program has written the cpuset or the memory limit of a placed container.
 */
#ifndef NUMAPLACE_CLI_DRIFT_H
#define NUMAPLACE_CLI_DRIFT_H

#include "include/numaplace.h"

#include <stdbool.h>
#include <stddef.h>

struct drift {
	struct numaplace_cpuset *now; /* NULL: it cannot be read */
	bool cpus, mems;              /* they differ from the placement */
	bool memory;                  /* the memory limit, which is the request without limits.memory */
	bool partition;               /* the kernel does not keep others from its exclusive CPUs any more */
	bool interrupts;              /* some that were moved away are on its CPUs again */
};

/*
 * Compares what numaplace wrote: not the CPUs if another program assigns them, and not the memory nodes with the policy
 * preferred, which do not bind the container. No drift if its cpuset cannot be read.
 */
struct drift drift_of(struct numaplace *np, const struct numaplace_placement *p);
void drift_free(struct drift *d);

/* Whether anything differs. */
static inline bool drift_is(const struct drift *d)
{
	return d->cpus || d->mems || d->memory || d->partition || d->interrupts;
}

/* "CPUs 6-7 instead of 2-3, partition "root invalid"" */
void drift_describe(const struct drift *d, const struct numaplace_placement *p, char *buf, size_t size);

#endif
