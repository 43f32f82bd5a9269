/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Resources of placed containers, summed per CPU and per node: the part of the ledger that selection reads. Sums are
 * integers, so that removing a share restores the exact previous values.
 */
#ifndef NUMAPLACE_USAGE_H
#define NUMAPLACE_USAGE_H

#include "plugin/machine/topology.h"

#include <stdint.h>

#define LOAD_ONE 65536U /* one fully used CPU */

/* Resources of one container. */
struct share {
	struct idset cpus;      /* its cpuset */
	struct idset held;      /* exclusive: CPUs of whole cores withheld from others; else empty */
	unsigned int count;     /* CPUs that it counts for, spread evenly over its cpuset */
	unsigned int nmem;      /* entries of mem */
	struct share_node {
		uint16_t id;        /* node id */
		uint64_t memory;    /* bytes requested on this node */
		uint64_t seen;      /* of these, bytes already faulted in */
		uint64_t huge[HUGE_SIZES_MAX];      /* pages requested, by index in topology.huge_size */
		uint64_t huge_seen[HUGE_SIZES_MAX];
	} *mem;
};

struct usage {
	unsigned int cpu_ids, node_ids; /* lengths of the arrays: highest id + 1 */
	unsigned int containers;
	uint32_t *load;       /* by CPU id, in 1/LOAD_ONE of a CPU */
	uint16_t *exclusive;  /* by CPU id: number of containers that hold it exclusively */
	uint64_t *pending;    /* by node id: bytes requested and not yet faulted in */
	uint64_t *huge_pending; /* by node id * HUGE_SIZES_MAX + size index: pages, likewise */
	uint64_t *asked;      /* by node id: bytes requested by live containers */
};

/*
 * Empty sums for ids below these; NULL if out of memory or if the ids are too many. The caller frees them with
 * usage_free().
 */
struct usage *usage_new(unsigned int cpu_ids, unsigned int node_ids);
/* A copy, freed by the caller with usage_free(); NULL if out of memory. */
struct usage *usage_copy(const struct usage *u);
void usage_free(struct usage *u);
static inline void cleanup_usagep(struct usage **u)
{
	usage_free(*u);
}
#define cleanup_usage __attribute__((cleanup(cleanup_usagep)))

/* Adds or removes a share. -ERANGE, and no change: ids beyond the arrays, a node twice, or sums that would overflow. */
int usage_add(struct usage *u, const struct share *s);
int usage_remove(struct usage *u, const struct share *s);

/*
 * Hugepages of size index @h that a new container can get on the whole machine: the free ones minus those reserved by
 * mappings or still to be faulted in by placed containers. Pages that placed containers have reserved are in both
 * numbers, so only the larger is subtracted.
 */
uint64_t usage_huge_left(const struct usage *u, const struct topology *t, unsigned int h);

/* Frees what @s owns, not @s itself. */
void share_free(struct share *s);

#endif
