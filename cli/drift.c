/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Compares the placement of a container with its cpuset.
 */
#include "cli/drift.h"

#include <stdio.h>
#include <string.h>

struct drift drift_of(struct numaplace *np, const struct numaplace_placement *p)
{
	struct drift d = { 0 };

	/* Its runtime writes the cpusets, below this one. */
	if (strcmp(numaplace_placement_applied(p), numaplace_placement_runtime(p)) == 0 ||
	    numaplace_cpuset_read(np, p, &d.now) < 0)
		return d;
	d.cpus = strcmp(numaplace_placement_applied(p), "cpuset.mems") != 0 &&
		 strcmp(d.now->cpus, numaplace_placement_cpus(p)) != 0;
	d.mems = strcmp(numaplace_placement_policy(p), "preferred") != 0 &&
		 strcmp(d.now->mems, numaplace_placement_mems(p)) != 0;
	return d;
}

void drift_free(struct drift *d)
{
	numaplace_cpuset_free(d->now);
	d->now = NULL;
}

void drift_describe(const struct drift *d, const struct numaplace_placement *p, char *buf, size_t size)
{
	char cpus[1024] = "", mems[1024] = "";

	if (d->cpus)
		snprintf(cpus, sizeof(cpus), "CPUs %.400s instead of %.400s", d->now->cpus, numaplace_placement_cpus(p));
	if (d->mems)
		snprintf(mems, sizeof(mems), "memory nodes %.400s instead of %.400s", d->now->mems,
			 numaplace_placement_mems(p));
	snprintf(buf, size, "%s%s%s", cpus, d->cpus && d->mems ? ", " : "", mems);
}
