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
	d.memory = limit_differs(p, d.now->memory);
	d.partition = has_lost_partition(p, d.now->partition);
	d.interrupts = *d.now->interrupts;
	return d;
}

void drift_free(struct drift *d)
{
	numaplace_cpuset_free(d->now);
	d->now = NULL;
}

/* The texts that are not empty, with commas between them. */
static void join(char *buf, size_t size, const char *const *text, size_t n)
{
	size_t used = 0;

	*buf = '\0';
	for (size_t i = 0; i < n; i++)
		if (*text[i] && used < size)
			used += (size_t)snprintf(buf + used, size - used, "%s%s", used ? ", " : "", text[i]);
}

void drift_describe(const struct drift *d, const struct numaplace_placement *p, char *buf, size_t size)
{
	char cpus[1024] = "", mems[1024] = "", memory[128] = "", limit[32], partition[256] = "", interrupts[192] = "";

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
	if (d->partition)
		snprintf(partition, sizeof(partition), "partition \"%.200s\"", d->now->partition);
	if (d->interrupts)
		snprintf(interrupts, sizeof(interrupts), "interrupts %.120s on its CPUs", d->now->interrupts);
	join(buf, size, (const char *const[]){ cpus, mems, partition, memory, interrupts }, 5);
}
