/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads memory.numa_stat, cpu.stat and cpu.pressure of a container, and /proc/pressure of the machine.
 */
#include "cli/rebalance-measure.h"

#include <poll.h>
#include <unistd.h>

#define WATCH_MS 1500 /* the kernel's window is a second */

/* The kernel adds to these counters in batches of 64 pages for each CPU: less is unknown. */
static uint64_t inexact(const struct measure *m)
{
	return (uint64_t)64 * m->topology->ncpus * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void find_pages(const struct measure *m, const struct cgroup_dir *c, const struct record *r, uint64_t *held,
		       struct measured *out)
{
	uint64_t sum = 0;

	if (cgroup_read_numa_stat(c, m->stat, NULL) < 0)
		return;
	for (unsigned int i = 0; i < m->stat->n; i++) {
		int node = topology_find_node(m->topology, m->stat->node[i].id);

		if (node < 0)
			continue;
		held[node] = m->stat->node[i].anon + m->stat->node[i].file;
		sum += held[node];
		if (!nodeset_has(&r->placement.mems, m->stat->node[i].id))
			out->astray += m->stat->node[i].anon;
	}
	out->held = sum > inexact(m) ? held : NULL;
	if (out->astray <= inexact(m))
		out->astray = 0;
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

const char *const stall_names[STALLS] = { "CPUs", "memory" };
static const char *const resources[STALLS] = { "cpu", "memory" };

bool measure_stalls(int root, double part[STALLS])
{
	for (int i = 0; i < STALLS; i++) {
		struct pressure p;

		if (pressure_read(root, resources[i], &p, NULL) < 0)
			return false;
		part[i] = p.now;
	}
	return true;
}

int watch_stalls(int root, const double most[STALLS])
{
	struct pollfd fds[STALLS];
	int found = -1;

	for (int i = 0; i < STALLS; i++)
		fds[i] = (struct pollfd){ .fd = most[i] < 1 ? pressure_trigger(root, resources[i], most[i]) : -1,
					  .events = POLLPRI };
	if (poll(fds, STALLS, WATCH_MS) > 0)
		for (int i = 0; i < STALLS && found < 0; i++)
			found = fds[i].revents & POLLPRI ? i : -1;
	for (int i = 0; i < STALLS; i++)
		if (fds[i].fd >= 0)
			close(fds[i].fd);
	return found;
}
