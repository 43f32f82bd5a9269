/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What placed containers take, summed per CPU and per node: the part of the
 * ledger that a decision looks at.  Sums are whole numbers, so that taking a
 * share away leaves exactly what was there before it was added.
 */
#ifndef NUMAPLACE_USAGE_H
#define NUMAPLACE_USAGE_H

#include "plugin/topology.h"

#include <stdint.h>

#define LOAD_ONE 65536U /* one CPU wholly used */

/* One container's part. */
struct share {
	struct idset cpus;      /* its cpuset */
	struct idset held;      /* exclusive: whole cores that it keeps from others; else empty */
	unsigned int count;     /* the CPUs that it counts for; its load is spread over its cpuset */
	unsigned int nmem;      /* parts below */
	struct share_node {
		uint16_t id;        /* node id */
		uint64_t memory;    /* bytes asked for on this node */
		uint64_t seen;      /* of these, bytes already faulted in there */
		uint64_t huge[HUGE_SIZES_MAX];      /* pages asked for, by topology.huge_size */
		uint64_t huge_seen[HUGE_SIZES_MAX];
	} *mem;
};

struct usage {
	unsigned int cpu_ids, node_ids; /* lengths of the arrays: highest id + 1 */
	unsigned int containers;
	uint32_t *load;       /* by CPU id, in 1/LOAD_ONE of a CPU */
	uint16_t *exclusive;  /* by CPU id: containers that hold it for themselves */
	uint64_t *pending;    /* by node id: bytes asked for and not yet faulted in */
	uint64_t *huge_pending; /* by node id * HUGE_SIZES_MAX + size: pages, likewise */
	uint64_t *asked;      /* by node id: bytes asked for by live containers, faulted in or not */
};

/* Empty, for ids of @t.  NULL: out of memory. */
struct usage *usage_new(unsigned int cpu_ids, unsigned int node_ids);
struct usage *usage_copy(const struct usage *u);
void usage_free(struct usage *u);
static inline void cleanup_usagep(struct usage **u)
{
	usage_free(*u);
}
#define cleanup_usage __attribute__((cleanup(cleanup_usagep)))

/* -ERANGE: the share has ids that the arrays do not hold; nothing is changed. */
int usage_add(struct usage *u, const struct share *s);
int usage_remove(struct usage *u, const struct share *s);

/*
 * Hugepages of size @h that a new container can get on the whole machine: the free ones, less those that mappings
 * have reserved or that placed containers have still to fault in.  What these have reserved is in both numbers, so
 * the larger one counts.
 */
uint64_t usage_huge_left(const struct usage *u, const struct topology *t, unsigned int h);

void share_free(struct share *s);

#endif
