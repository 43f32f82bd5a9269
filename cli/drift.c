/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Compares the placement of a container with its cpuset and its memory limit.
 */
#include "cli/drift.h"

#include "plugin/base/size.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The kernel rounds a limit down to whole pages. A limit that was removed leaves the record as it is. */
static bool limit_differs(const struct numaplace_placement *p, uint64_t now)
{
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	const char *text = numaplace_placement_limit(p, "limits.memory");
	uint64_t counted;

	return text && now != UINT64_MAX && size_parse(text, &counted, NULL) == 0 && counted / page != now / page;
}

struct drift drift_of(struct numaplace *np, const struct numaplace_placement *p)
{
	struct drift d = { 0 };

	if (numaplace_cpuset_read(np, p, &d.now) < 0)
		return d;
	d.cpus = strcmp(numaplace_placement_applied(p), "cpuset.mems") != 0 &&
		 strcmp(d.now->cpus, numaplace_placement_cpus(p)) != 0;
	d.mems = strcmp(numaplace_placement_policy(p), "preferred") != 0 &&
		 strcmp(d.now->mems, numaplace_placement_mems(p)) != 0;
	d.memory = limit_differs(p, d.now->memory);
	return d;
}

void drift_free(struct drift *d)
{
	numaplace_cpuset_free(d->now);
	d->now = NULL;
}

void drift_describe(const struct drift *d, const struct numaplace_placement *p, char *buf, size_t size)
{
	char cpus[1024] = "", mems[1024] = "", memory[128] = "", limit[32];

	if (d->cpus)
		snprintf(cpus, sizeof(cpus), "CPUs %.400s instead of %.400s", d->now->cpus, numaplace_placement_cpus(p));
	if (d->mems)
		snprintf(mems, sizeof(mems), "memory nodes %.400s instead of %.400s", d->now->mems,
			 numaplace_placement_mems(p));
	if (d->memory) {
		size_human(d->now->memory, limit, sizeof(limit));
		snprintf(memory, sizeof(memory), "memory limit %s instead of %s", limit,
			 numaplace_placement_limit(p, "limits.memory"));
	}
	snprintf(buf, size, "%s%s%s%s%s", cpus, d->cpus && d->mems ? ", " : "", mems,
		 (d->cpus || d->mems) && d->memory ? ", " : "", memory);
}
