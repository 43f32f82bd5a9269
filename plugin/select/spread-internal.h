/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Shared by spread.c and share-out.c only: the chosen nodes with their cores and caches.
 */
#ifndef NUMAPLACE_SPREAD_INTERNAL_H
#define NUMAPLACE_SPREAD_INTERNAL_H

#include "plugin/select/select-internal.h"

/* A core within one node; its CPUs are linked through spread.next. */
struct core {
	uint16_t head;       /* index of its first CPU */
	uint16_t llc;        /* index in spread.llc */
	uint16_t candidates; /* CPUs that may be given and are not taken yet */
	bool free;          /* all its CPUs are candidates and idle */
	bool used;          /* the container has a thread of it already */
};

/* A last-level cache within one node. */
struct llc {
	uint16_t number;
	unsigned int cpus;        /* all its CPUs on this node */
	unsigned int whole, idle; /* eligible CPUs in free cores; all eligible CPUs */
	bool used;                /* the container has CPUs of it already, on another node */
};

/* One node of the chosen set. */
struct part {
	const struct site *site;
	const struct topo_node *node;
	struct core *core;   /* in spread.core */
	unsigned int ncores;
	unsigned int idle;   /* idle candidate CPUs */
	unsigned int whole;  /* of these, CPUs in free cores */
	unsigned int cores;  /* free cores */
	double far;          /* distance to the parts, weighted by memory; decides between otherwise equal parts */
	unsigned int apart;  /* distance to the parts; decides between parts that are equally far */
	double bytes;        /* of the requested memory and hugepages, bytes that fit here */
	unsigned int base;   /* CPUs taken in any case; the rest is shared out */
	unsigned int take;
};

struct spread {
	const struct spread_input *in;
	const struct topology *t;
	const uint32_t *load; /* by CPU id */
	unsigned int unit;    /* threads per core; 1 for one_thread requests, or if cores cross nodes */
	bool exclusive;
	bool cores_first;     /* take one thread of each free core before second threads */
	bool one_per_core;    /* current choice: only first threads of free cores */
	unsigned int nparts;
	struct part *part;
	struct core *core;    /* of all parts, consecutively */
	struct llc *llc;      /* of the current part */
	uint16_t *next;       /* by CPU index: next CPU of its core, or NO_NODE */
	uint16_t *place;      /* by core number: index in the part's core array */
	bool *taken;          /* by CPU index */
	bool *used_llc;       /* by cache number */
	uint32_t limit;       /* current choice: CPUs with exactly this load */
	unsigned int kind;    /* current choice: this kind of cores */
};

/* With more parts than this, CPUs are shared out evenly and no alternatives are compared. */
#define FILL_PARTS 64

static inline unsigned int near_parts(const struct spread *s, unsigned int i, unsigned int j)
{
	return s->t->near[s->part[i].site->node * s->t->nnodes + s->part[j].site->node];
}

static inline uint32_t cpu_load(const struct spread *s, unsigned int i)
{
	return s->load[s->t->cpus[i].id];
}

/*
 * Sets take of each part, which are @count CPUs together. Near neighbours share evenly; of distant nodes, the first
 * gives most. Returns 0 or -ENOMEM.
 */
int share_over_nodes(struct spread *s, unsigned int count);

/*
 * Divides @want over @n parts in proportion to @weight, at most @room each. The rest goes to parts with room, smallest
 * @far first; of equally far ones, to the one with most room.
 */
void divide_by_weight(uint64_t want, unsigned int n, const uint64_t *weight, const uint64_t *room, const double *far,
		      uint64_t *out);

/* For qsort() of loads, ascending. */
int load_compare(const void *a, const void *b);

#endif
