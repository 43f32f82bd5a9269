/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Goes once through the containers of a snapshot.
 */
#include "cli/map-load.h"

#include <errno.h>

double map_node_load(const struct map *m, const struct numaplace_node *n)
{
	double load = numaplace_snapshot_load(m->s, n->cpus);

	return load > 0 ? load : 0;
}

static void find_worst(struct map *m)
{
	const struct numaplace_node *n;
	double highest = 0, sum = 0;

	for (unsigned int i = 0; (n = numaplace_snapshot_node(m->s, i)); i++) {
		double load = left_out_fill(m->s, n);

		highest = load > highest ? load : highest;
		sum += map_node_load(m, n);
	}
	m->worst = sum > 0 && m->machine->ncpus ? highest / (sum / m->machine->ncpus) : 0;
}

static void find_left_out(struct map *m)
{
	struct idset out = cli_set(m->machine->isolated), more = cli_set(m->machine->reserved);

	idset_or(&out, &more);
	more = cli_set(m->machine->not_allowed);
	idset_or(&out, &more);
	for (unsigned int i = 0; i < m->machine->ncpus; i++)
		m->cpu[i].left_out = idset_has(&out, numaplace_snapshot_cpu(m->s, i)->id);
}

int map_make(struct map *m, const struct numaplace_snapshot *s, struct error *err)
{
	const struct numaplace_machine *machine = numaplace_snapshot_machine(s);
	const struct numaplace_placement *p;

	*m = (struct map){ .s = s, .machine = machine, .cpu = calloc(machine->ncpus + 1, sizeof(*m->cpu)) };
	if (!m->cpu)
		return error_set(err, -ENOMEM, "out of memory");
	for (; (p = numaplace_snapshot_placement(s, m->ncontainers)); m->ncontainers++) {
		struct idset cpus = cli_set(numaplace_placement_cpus(p));

		for (unsigned int i = 0; i < machine->ncpus; i++) {
			if (!idset_has(&cpus, numaplace_snapshot_cpu(s, i)->id))
				continue;
			if (m->cpu[i].n < MAP_SHOWN)
				m->cpu[i].who[m->cpu[i].n] = m->ncontainers;
			m->cpu[i].n++;
		}
	}
	find_left_out(m);
	find_worst(m);
	return 0;
}

void map_free(struct map *m)
{
	free(m->cpu);
}
