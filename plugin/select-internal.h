/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Between the parts of selection: the sites that may be chosen, what is
 * needed of them, and a set of them with its sums.  For plugin/select*.c only.
 */
#ifndef NUMAPLACE_SELECT_INTERNAL_H
#define NUMAPLACE_SELECT_INTERNAL_H

#include "plugin/select.h"

#define LEVELS 64
#define SHARES 1024
#define PAGES_ONE 65536

/* A node that may be chosen, for its CPUs, its memory or both. */
struct site {
	unsigned int node;     /* index in the topology */
	unsigned int ncpus;    /* candidate CPUs */
	unsigned int cpus;     /* these, and those that others hold exclusively */
	int64_t room;          /* CPU that is not taken, 1/LOAD_ONE; exclusive: in whole free cores */
	int64_t load;          /* CPU that is taken on the candidates */
	int64_t weight;        /* its say in distances as a place of threads: room, as far as it is asked for, in 1/64 CPU */
	int64_t mem_weight;    /* as a place of pages: what it has of those asked for, in 1/PAGES_ONE; none asked for: weight */
	unsigned int share;    /* room as a part of cpus, in 1/SHARES */
	int64_t bias;          /* what choosing it costs besides, in millionths */
	uint64_t avail;        /* bytes that may be asked for here; 0: no memory, or not for us */
	uint64_t total;        /* bytes; 0: memory is no matter here */
	unsigned int level;    /* of total, how much is taken, in 1/LEVELS: finer differences do not count */
	uint64_t huge[HUGE_SIZES_MAX]; /* pages, likewise */
};

struct need {
	unsigned int count;    /* CPUs after clamping; 0: not said, counts as one */
	int64_t room;          /* the same in 1/LOAD_ONE, at least one CPU */
	uint64_t memory;       /* bytes */
	uint64_t huge[HUGE_SIZES_MAX]; /* pages, by the topology's sizes */
	double pages;          /* all of these in bytes */
	bool overcommit;       /* nothing has room: capacity is what must suffice */
};

/* What a set of sites adds up to. */
struct sums {
	int64_t room, load, capacity, weight, mem_weight;
	int64_t bias, mem_bias; /* sums of weight * bias, of mem_weight * bias */
	int64_t share1, share2, share4; /* sums of share, of its square, of its fourth power */
	int64_t distance;      /* sum over ordered pairs of weight * mem_weight * near */
	uint64_t avail, total;
	unsigned int level, levels; /* sum of levels, and of LEVELS */
	uint64_t huge[HUGE_SIZES_MAX];
};

/*
 * How much evenness weighs against distance, and what is meant by it: taking
 * from a node whose part r of CPUs is free gains r - keep * r^3. keep 0 is
 * worst fit (take where most is free); the larger it is, the more the
 * emptiest nodes are kept for those who will need them whole.
 */
struct taste {
	double cpu, memory; /* cost of a wholly loaded set, in local distances */
	double keep;
	double mean;        /* of what taking gains, over all nodes: only differences from it count */
	double nodes;       /* with CPUs for this request, whoever holds them */
	double step;        /* what the request takes of an average node */
};

struct site_set {
	unsigned int n;
	uint16_t *site;        /* indices in search.sites, ascending */
	double cost;
};

struct search {
	const struct topology *topology;
	struct need need;
	struct taste taste;
	unsigned int nsites;
	struct site *sites;
	bool want_second;             /* for explanations; costs a little */
	struct site_set best, second; /* second: the best other set seen; n = 0: none */
	unsigned long work;           /* steps left */
};

/*
 * Finds the cheapest of the smallest sets that suffice.  0: search.best is it; -ENOSPC: all
 * sites together do not suffice.  Sorts the sites.  -ENOMEM.
 */
int search_run(struct search *s);
void search_free(struct search *s);

/* For explanations and tests: the sums and cost of any set. */
void search_sums(const struct search *s, const uint16_t *site, unsigned int n, struct sums *out);
double search_memory_load(const struct search *s, const struct sums *sums); /* part of memory that will be taken, 0 to 1 */
double search_distance(const struct sums *sums); /* mean near of a thread and a page */
double search_cost(const struct search *s, const struct sums *sums);
bool search_fits(const struct search *s, const struct sums *sums);

/* What taking parts of nodes does to evenness, summed up node by node; the same measure as search_cost's. */
struct takes {
	double gain, taken;
};
void takes_add(struct takes *t, const struct taste *taste, double share, double take);
double takes_cost(const struct takes *t, const struct taste *taste);

/* CPUs that may be used, by CPU index; what spread chooses from. */
struct spread_input {
	const struct select_input *in;
	const struct search *search;
	const bool *candidate; /* by CPU index */
};

/* Picks CPUs on the chosen sites into @out->share (cpus, held, count). -ENOMEM. */
int spread_cpus(const struct spread_input *in, struct placement *out);
/* Divides the memory over @out->mems into @out->share.mem. */
int spread_memory(const struct spread_input *in, struct placement *out);

/* By CPU index: the threads of its core are all candidates and idle. Caller frees. NULL: out of memory. */
bool *spread_free_cores(const struct select_input *in, const bool *candidate);

#endif
