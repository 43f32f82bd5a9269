/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Compares the placement of a container with its cpuset.
 */
#include "cli/drift.h"

#include <stdio.h>
#include <string.h>

static bool has_lost_partition(const struct numaplace_placement *p, const char *now)
{
	const char *asked = numaplace_placement_request(p, "limits.cpu.exclusive");

	return strcmp(numaplace_placement_exclusive(p), "kernel") == 0 &&
	       strcmp(now, asked && strcmp(asked, "isolated") == 0 ? "isolated" : "root") != 0;
}

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
	d.partition = has_lost_partition(p, d.now->partition);
	return d;
}

void drift_free(struct drift *d)
{
	numaplace_cpuset_free(d->now);
	d->now = NULL;
}

void drift_describe(const struct drift *d, const struct numaplace_placement *p, char *buf, size_t size)
{
	char cpus[1024] = "", mems[1024] = "", partition[256] = "";

	if (d->cpus)
		snprintf(cpus, sizeof(cpus), "CPUs %.400s instead of %.400s", d->now->cpus, numaplace_placement_cpus(p));
	if (d->mems)
		snprintf(mems, sizeof(mems), "memory nodes %.400s instead of %.400s", d->now->mems,
			 numaplace_placement_mems(p));
	if (d->partition)
		snprintf(partition, sizeof(partition), "partition \"%.200s\"", d->now->partition);
	snprintf(buf, size, "%s%s%s%s%s", cpus, d->cpus && d->mems ? ", " : "", mems,
		 d->partition && (d->cpus || d->mems) ? ", " : "", partition);
}
