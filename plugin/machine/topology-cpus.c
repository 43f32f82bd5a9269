/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads the CPUs of a machine: cores, last-level caches, speeds and packages.
 */
#include "plugin/base/util.h"
#include "plugin/base/path.h"
#include "plugin/machine/reading.h"

#include <errno.h>
#include <fcntl.h>

/* Numbers the group of @cpu with *@next; members that have a number keep it. */
static void number_group(uint16_t *group, const struct idset *members, unsigned int cpu, unsigned int *next)
{
	idset_foreach(id, members)
		if (group[id] == NO_NODE)
			group[id] = (uint16_t)*next;
	group[cpu] = (uint16_t)*next;
	(*next)++;
}

static void read_core(struct reading *r, unsigned int cpu, int dir)
{
	struct idset members;

	if (reading_set(r, dir, "topology/thread_siblings_list", "topology/thread_siblings", &members, NULL) < 0)
		idset_clear(&members);
	number_group(r->core, &members, cpu, &r->t->ncores);
}

/* The highest N of the folders "indexN" in a CPU's @cache, or -1. */
static int highest_index(int cache)
{
	cleanup_closedir DIR *dir = path_list(cache, ".");
	struct dirent *d;
	int highest = -1;

	while (dir && (d = readdir(dir))) {
		int i;
		char end;

		if (sscanf(d->d_name, "index%d%c", &i, &end) == 1 && i > highest && i < 100)
			highest = i;
	}
	return highest;
}

/*
 * The kernel numbers caches by level, so the highest index is the last level; it may differ between CPUs. A CPU
 * without cache files gets no number here, unless another CPU's cache lists it.
 */
static void read_llc(struct reading *r, unsigned int cpu, int dir)
{
	cleanup_close int cache = dir < 0 ? -1 : openat(dir, "cache", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct idset members;
	char list[64], map[64];

	for (int i = cache < 0 ? -1 : highest_index(cache); i >= 0; i--) {
		snprintf(list, sizeof(list), "index%d/shared_cpu_list", i);
		snprintf(map, sizeof(map), "index%d/shared_cpu_map", i);
		if (reading_set(r, cache, list, map, &members, NULL) == 0) {
			number_group(r->llc, &members, cpu, &r->t->nllcs);
			return;
		}
	}
}

/* CPUs without cache files: one group if no CPU of the node has any, otherwise a group for each such CPU. */
static void fill_llcs(struct reading *r)
{
	static const struct idset none;

	for (unsigned int n = 0; n < r->t->nnodes; n++) {
		const struct idset *cpus = &r->claims[n], *group = cpus;

		idset_foreach(id, cpus)
			if (r->llc[id] != NO_NODE)
				group = &none;
		idset_foreach(id, cpus)
			if (r->llc[id] == NO_NODE)
				number_group(r->llc, group, (unsigned int)id, &r->t->nllcs);
	}
}

/* What the kernel reports about the speed of cores. */
struct speeds {
	struct idset atoms;   /* Intel's E-cores and LP-E-cores */
	uint32_t *clock;      /* highest clock in kHz, by core */
	bool capacities, clocks; /* so far, every CPU has this file */
};

/*
 * Derives capacities from the highest clocks, if the kernel reports no capacities. Among P- and E-cores, a clock is
 * compared with cores of the same design only: LP-E-cores are slow E-cores.
 */
static void capacities_from_clocks(struct reading *r, const struct speeds *s)
{
	uint32_t most[2] = { 1, 1 };

	idset_foreach(id, &r->t->online) {
		uint32_t *m = &most[idset_has(&s->atoms, (unsigned int)id)];

		*m = s->clock[r->core[id]] > *m ? s->clock[r->core[id]] : *m;
	}
	idset_foreach(id, &r->t->online) {
		bool atom = idset_has(&s->atoms, (unsigned int)id);
		uint64_t part = (uint64_t)s->clock[r->core[id]] * (atom ? 512 : 1024) / most[atom];

		r->capacity[id] = (uint16_t)(part ? part : 1);
	}
}

static void read_clock(struct speeds *s, unsigned int core, int cpu_dir, unsigned int cpu)
{
	uint64_t v;

	if (!s->clocks || s->clock[core])
		return;
	s->clocks = path_read_u64(cpu_dir, &v, "cpu%u/cpufreq/cpuinfo_max_freq", cpu) == 0 && v && v < UINT32_MAX;
	if (s->clocks)
		s->clock[core] = (uint32_t)v;
}

static void read_speed(struct reading *r, struct speeds *s, unsigned int cpu, int dir)
{
	uint64_t v;

	s->capacities = s->capacities && path_read_u64(dir, &v, "cpu_capacity") == 0 && v && v <= 1024;
	if (s->capacities)
		r->capacity[cpu] = (uint16_t)v;
	else
		read_clock(s, r->core[cpu], r->cpu_dir, cpu);
}

/* Without a capacity of each CPU, those of the others say nothing: uses clocks for all, also of CPUs read before. */
static void settle_speeds(struct reading *r, struct speeds *s)
{
	if (s->capacities)
		return;
	idset_foreach(id, &r->t->online) {
		r->capacity[id] = idset_has(&s->atoms, (unsigned int)id) ? 512 : 1024;
		read_clock(s, r->core[id], r->cpu_dir, (unsigned int)id);
	}
	if (s->clocks)
		capacities_from_clocks(r, s);
}

int reading_cpus(struct reading *r, struct error *err)
{
	struct topology *t = r->t;
	cleanup_free uint32_t *clock = calloc(IDSET_MAX, sizeof(*clock));
	struct speeds speeds = { .clock = clock, .capacities = true, .clocks = true };

	if (reading_list(r, r->root, "sys/devices/cpu_atom/cpus", ids_into(&speeds.atoms), NULL) < 0)
		idset_clear(&speeds.atoms);
	if (!clock)
		return error_errno(err, -ENOMEM, "read %s", CPU_DIR);
	idset_foreach(id, &t->online) {
		cleanup_close int dir = -1;
		unsigned int cpu = (unsigned int)id;

		if (r->core[cpu] != NO_NODE && r->llc[cpu] != NO_NODE && !speeds.capacities)
			continue;
		dir = r->cpu_dir < 0 ? -1 : path_open(r->cpu_dir, O_RDONLY | O_DIRECTORY, "cpu%u", cpu);
		if (r->core[cpu] == NO_NODE)
			read_core(r, cpu, dir);
		if (r->llc[cpu] == NO_NODE)
			read_llc(r, cpu, dir);
		read_speed(r, &speeds, cpu, dir);
	}
	settle_speeds(r, &speeds);
	fill_llcs(r);
	return t->ncores > IDSET_MAX ? error_set(err, -EINVAL, "%s: more cores than CPUs", CPU_DIR) : 0;
}

void reading_packages(struct reading *r)
{
	for (unsigned int i = 0; i < r->t->nnodes; i++) {
		struct topo_node *node = &r->t->nodes[i];
		uint64_t v;

		if (!node->ncpus)
			continue;
		if (path_read_u64(r->cpu_dir, &v, "cpu%u/topology/physical_package_id",
				  r->t->cpus[node->first_cpu].id) == 0 && v < UINT16_MAX)
			node->package = (uint16_t)v;
	}
}
