/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads memory.numa_stat, cpu.stat and cpu.pressure of a container, and /proc/pressure of the machine.
 */
#include "cli/rebalance-measure.h"

#include "plugin/base/clock.h"

#include <errno.h>

#define WINDOW_MS 1000

static void find_pages(const struct measure *m, const struct cgroup_dir *c, const struct record *r, uint64_t *held,
		       struct measured *out)
{
	if (cgroup_read_numa_stat(c, m->stat, NULL) < 0)
		return;
	for (unsigned int i = 0; i < m->stat->n; i++) {
		int node = topology_find_node(m->topology, m->stat->node[i].id);

		if (node < 0)
			continue;
		held[node] = m->stat->node[i].anon + m->stat->node[i].file;
		if (!nodeset_has(&r->placement.mems, m->stat->node[i].id))
			out->astray += m->stat->node[i].anon;
	}
	out->held = held;
}

static double find_busy(const struct measure *m, const struct cgroup_dir *c, const struct record *r)
{
	double seconds = m->now > r->started ? (double)(m->now - r->started) : 1, used;
	struct pressure pressure = { 0 };
	uint64_t usec;

	if (!r->placement.share.count || cgroup_read_cpu_usage(c, &usec, NULL) < 0)
		return -1;
	used = (double)usec / 1e6 / seconds / r->placement.share.count;
	if (cgroup_read_cpu_pressure(c, &pressure, NULL) == 0 && pressure.minute > used)
		used = pressure.minute;
	return used < 1 ? used : 1;
}

void measure_container(const struct measure *m, const struct record *r, uint64_t *held, struct measured *out)
{
	cleanup_cgroup_dir struct cgroup_dir c = CGROUP_DIR_NONE;

	*out = (struct measured){ .busy = -1 };
	if (m->mount < 0 || cgroup_open(m->mount, r->cgroup, &c, NULL) < 0 || c.inode != r->cgroup_inode)
		return;
	find_pages(m, &c, r, held, out);
	out->busy = find_busy(m, &c, r);
}

static bool read_totals(int root, uint64_t *cpu, uint64_t *memory)
{
	struct pressure p[2];

	if (pressure_read(root, "cpu", &p[0], NULL) < 0 || pressure_read(root, "memory", &p[1], NULL) < 0)
		return false;
	*cpu = p[0].total;
	*memory = p[1].total;
	return true;
}

bool measure_stalls(int root, struct stalls *out)
{
	const struct timespec window = { .tv_sec = WINDOW_MS / 1000, .tv_nsec = WINDOW_MS % 1000 * 1000000L };
	uint64_t cpu[2], memory[2], begin = clock_ns(CLOCK_MONOTONIC);
	double usec;

	if (!read_totals(root, &cpu[0], &memory[0]))
		return false;
	/* a signal ends the window early, as it shall end the command soon */
	clock_nanosleep(CLOCK_MONOTONIC, 0, &window, NULL);
	if (!read_totals(root, &cpu[1], &memory[1]))
		return false;
	usec = (double)(clock_ns(CLOCK_MONOTONIC) - begin) / 1000;
	*out = (struct stalls){ (double)(cpu[1] - cpu[0]) / usec, (double)(memory[1] - memory[0]) / usec };
	return true;
}
