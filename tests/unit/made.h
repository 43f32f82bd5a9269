/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Machines made in memory for unit tests, from a list or at random from a seed. Allocated as topology_free() expects.
 */
#ifndef NUMAPLACE_TESTS_MADE_H
#define NUMAPLACE_TESTS_MADE_H

#include "plugin/machine/topology.h"

#include <stdlib.h>
#include <string.h>

struct rnd {
	uint64_t s;
};

__attribute__((unused)) static uint32_t rnd(struct rnd *r)
{
	r->s = r->s * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(r->s >> 33);
}

__attribute__((unused)) static unsigned int rnd_below(struct rnd *r, unsigned int n)
{
	return n ? rnd(r) % n : 0;
}

struct made_node {
	unsigned int id, cpus;
	uint64_t memory;
};

/*
 * Nodes as listed, with consecutive CPU ids, cores of @smt CPUs, an LLC per @llc CPUs (0: per node), and distances from
 * @distance(i, j), or 10 and 20.
 */
__attribute__((unused)) static struct topology *made(const struct made_node *node, unsigned int n, unsigned int smt,
						      unsigned int llc,
						      unsigned int (*distance)(unsigned int, unsigned int))
{
	struct topology *t = calloc(1, sizeof(*t));
	unsigned int ncpus = 0, cpu = 0;

	for (unsigned int i = 0; i < n; i++)
		ncpus += node[i].cpus;
	t->nnodes = n;
	t->ncpus = ncpus;
	t->cpu_ids = ncpus;
	t->nodes = calloc(n, sizeof(*t->nodes));
	t->cpus = calloc(ncpus, sizeof(*t->cpus));
	t->distance = calloc((size_t)n * n, sizeof(*t->distance));
	t->cpu_index = malloc(ncpus * sizeof(*t->cpu_index));
	t->node_index = malloc(NODE_ID_MAX * sizeof(*t->node_index));
	memset(t->node_index, 0xff, NODE_ID_MAX * sizeof(*t->node_index));
	t->nhuge = 1;
	t->huge_size[0] = t->huge_default = 2 << 20;
	for (unsigned int i = 0; i < n; i++) {
		struct topo_node *x = &t->nodes[i];

		*x = (struct topo_node){ .id = (uint16_t)node[i].id,
					 .has_memory = node[i].memory > 0,
					 .mem_known = true,
					 .first_cpu = cpu,
					 .ncpus = node[i].cpus,
					 .mem_total = node[i].memory,
					 .mem_free = node[i].memory };
		t->node_index[x->id] = (uint16_t)i;
		if (x->has_memory)
			nodeset_add(&t->mem_nodes, x->id);
		if (x->ncpus)
			nodeset_add(&t->cpu_nodes, x->id);
		for (unsigned int k = 0; k < node[i].cpus; k++, cpu++) {
			t->cpus[cpu] = (struct topo_cpu){ .id = (uint16_t)cpu, .node = (uint16_t)i, .capacity = 1024 };
			t->cpus[cpu].core = (uint16_t)(k % smt ? t->cpus[cpu - 1].core : t->ncores++);
			t->cpus[cpu].llc = (uint16_t)((llc ? k % llc : k) ? t->cpus[cpu - 1].llc : t->nllcs++);
			t->cpu_index[cpu] = (uint16_t)cpu;
			idset_add(&t->online, cpu);
		}
		for (unsigned int j = 0; j < n; j++)
			t->distance[i * n + j] = (uint16_t)(distance ? distance(i, j) : i == j ? 10 : 20);
	}
	topology_finish(t);
	return t;
}

/*
 * 1 to @max nodes of random sizes and distances. Some have no memory, or no CPUs; some of the latter have ordinary
 * memory.
 */
__attribute__((unused)) static struct topology *made_random(struct rnd *r, unsigned int max)
{
	struct made_node node[64];
	unsigned int n = 1 + rnd_below(r, max), smt = 1 + rnd_below(r, 2), size = 1 + rnd_below(r, 8), id = 0;
	bool even = rnd_below(r, 2), odd_nodes = rnd_below(r, 4) == 0;
	unsigned int near = 10 + rnd_below(r, 10), groups = 1 + rnd_below(r, 4);
	struct topology *t;

	for (unsigned int i = 0; i < n; i++) {
		id += i ? 1 + (rnd_below(r, 8) == 0 ? rnd_below(r, 5) : 0) : 0;
		node[i] = (struct made_node){ id, smt * (even ? size : 1 + rnd_below(r, 8)),
					      (uint64_t)(even ? 8 : 1 + rnd_below(r, 16)) << 30 };
		if (odd_nodes && i && rnd_below(r, 4) == 0) {
			if (rnd_below(r, 2))
				node[i].cpus = 0;
			else
				node[i].memory = 0;
		}
	}
	t = made(node, n, smt, 0, NULL);
	for (unsigned int i = 0; i < n; i++)
		for (unsigned int j = 0; j < n; j++)
			if (i != j)
				t->distance[i * n + j] = (uint16_t)(groups == 1	 ? 11 + rnd_below(r, 30)
								    : i % groups == j % groups ? near
											       : near + 11);
	for (unsigned int i = 0; i < n; i++) {
		t->nodes[i].huge_total[0] = t->nodes[i].huge_free[0] = rnd_below(r, 100);
		if (t->nodes[i].has_memory && !t->nodes[i].ncpus && id % 2)
			t->nodes[i].memory_kind = MEMORY_ORDINARY;
	}
	topology_finish(t);
	return t;
}

#endif
