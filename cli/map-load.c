/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Goes once through the containers of a snapshot.
 */
#include "cli/map-load.h"

#include <errno.h>

double map_load(const struct map *m, unsigned int node)
{
	return left_out_fill(m->s->topology, &m->s->left_out, node, m->s->usage);
}

static void find_worst(struct map *m)
{
	const struct topology *t = m->s->topology;
	double highest = 0, sum = 0;

	for (unsigned int i = 0; i < t->nnodes; i++) {
		double load = map_load(m, i);

		highest = load > highest ? load : highest;
		sum += (double)m->s->load[i] / LOAD_ONE;
	}
	m->worst = sum > 0 && t->ncpus ? highest / (sum / t->ncpus) : 0;
}

int map_make(struct map *m, const struct snapshot *s, struct error *err)
{
	const struct topology *t = s->topology;

	*m = (struct map){ .s = s, .cpu = calloc(t->ncpus + 1, sizeof(*m->cpu)) };
	if (!m->cpu)
		return error_set(err, -ENOMEM, "out of memory");
	for (unsigned int k = 0; k < s->n; k++)
		idset_foreach(id, &s->record[k]->placement.share.cpus) {
			int i = topology_find_cpu(t, id);

			if (i < 0)
				continue;
			if (m->cpu[i].n < MAP_SHOWN)
				m->cpu[i].who[m->cpu[i].n] = k;
			m->cpu[i].n++;
		}
	find_worst(m);
	return 0;
}

void map_free(struct map *m)
{
	free(m->cpu);
}

bool map_left_out(const struct map *m, unsigned int cpu)
{
	const struct left_out *l = &m->s->left_out;
	unsigned int id = m->s->topology->cpus[cpu].id;

	return idset_has(&l->isolated, id) || idset_has(&l->reserved, id) || idset_has(&l->not_allowed, id);
}

struct left_out_text map_load_text(const struct map *m, unsigned int node, const char *unit)
{
	struct left_out left;

	left_out_of(m->s->root, m->s->topology, &m->s->left_out, node, &left);
	return left_out_load(m->s->topology, &left, node, m->s->usage, unit);
}
