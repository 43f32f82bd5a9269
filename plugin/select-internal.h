/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Between the parts of selection: the sites that may be chosen, what is
 * needed of them, and a set of them with its sums.  For plugin/select*.c, search.c and spread.c only.
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
	int64_t mem_weight;    /* as a place of pages: what it has of those asked for, in 1/PAGES_ONE; none asked for: weight, or 0 where away */
	unsigned int share;    /* room as a part of cpus, in 1/SHARES */
	int64_t bias;          /* what choosing it costs besides, in millionths */
	int64_t slow;          /* what its CPUs lose against the fastest kind, in millionths */
	unsigned int away;     /* near of the memory that its threads would use, beyond that of local memory; 0: it has its own */
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
	int64_t slow;          /* sum of weight * slow */
	int64_t away;          /* sum of weight * away */
	int64_t bare;          /* sum over ordered pairs of weight * weight * how far the other's nearest memory is */
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
	bool bare;                    /* some of them are away from the memory that their threads would use */
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

/*
 * Kinds of cores, the fastest first.  Firmware measures capacities, so they differ by some per cent between equal
 * cores: a kind ends where a factor, not any difference, lies between its fastest and its slowest core.
 */
#define KINDS_MAX 8
#define CAPACITY_MAX 1024
struct kinds {
	unsigned int n;
	uint16_t top[KINDS_MAX];       /* capacity of its fastest core */
	uint8_t of[CAPACITY_MAX + 1];  /* by capacity */
};
void kinds_find(const struct topology *t, struct kinds *out);
#define KINDS_ALL (~0U)

static inline unsigned int kind_of(const struct kinds *k, const struct topo_cpu *cpu)
{
	return k->of[cpu->capacity < CAPACITY_MAX ? cpu->capacity : CAPACITY_MAX];
}

/* Of all nodes that have CPUs for this request, whoever holds them now. */
struct emptiness {
	double nodes, cpus;
	double share; /* sum of the nodes' free shares */
};

/* One decision in the making. */
struct choice {
	const struct select_input *in;
	const struct topology *t;
	const struct request *req;
	bool *candidate;          /* by CPU index */
	bool *free_core;          /* by CPU index: nothing runs on its core; NULL where nothing asks for that */
	bool *first_thread;       /* by CPU index: the one thread of its core that counts; NULL: all do */
	struct idset nodes;       /* node ids that may be chosen */
	struct idset mems;        /* node ids whose memory may be chosen */
	struct idset roomy;       /* of these, node ids with enough left for a process to start */
	struct idset cpus;        /* CPU ids that may be given, if no container holds them */
	bool mems_named;          /* mems are the container's own words: all of them, wherever its CPUs are */
	bool mems_elsewhere;      /* the nodes that were named for CPUs have no memory: mems are the others' */
	bool isolated;            /* isolated CPUs are chosen from, and no others */
	struct kinds kinds;
	unsigned int kinds_wanted; /* bit 1 << kind */
	unsigned int ncandidates;
	struct emptiness emptiness;
	int kept_core;            /* the last core that is not isolated: exclusive containers leave it to others; -1: none */
	struct need asked;        /* by the container */
	struct need sought;       /* of these, what a set of nodes must have: not what memory was named for */
	struct search search;
	struct reasons *why;
	unsigned int warnings;    /* placement.warnings */
};

/* select-memory.c: which nodes' memory. */
int choose_mems(struct choice *c, struct error *err);
uint64_t memory_floor(const struct topo_node *node);
int add_memory(struct choice *c);
int settle_mems(struct choice *c, struct placement *out, struct error *err);
bool brings_pages(const struct choice *c, const struct site *x);
const struct site *site_of(const struct search *s, unsigned int node);

/* select-why.c: words for people. */
struct list_text {
	char text[160]; /* longer ones are cut */
};
struct list_text list_text(const struct idset *s);
struct size_text {
	char text[32];
};
struct size_text size_text(uint64_t bytes);
struct left_out_text {
	char text[200];
};
/* "14 more are isolated, 2 reserved": the CPUs that are not candidates, each by its first cause; "" for none. */
struct left_out_text left_out(const struct choice *c, bool more);
int refuse(const struct choice *c, struct error *err);
int refuse_listed(const struct choice *c, unsigned int cpu, struct error *err);
int refuse_core(const struct choice *c, unsigned int cpu, struct error *err);
int no_candidates(const struct choice *c, struct error *err);
void explain_choice(const struct choice *c);

/* CPUs that may be used, by CPU index; what spread chooses from. */
struct spread_input {
	const struct select_input *in;
	const struct search *search;
	const bool *candidate; /* by CPU index */
	const bool *free_core; /* by CPU index; NULL: as the candidates of each node say */
	const struct kinds *kinds;
	bool one_thread;       /* a candidate stands for its core */
	bool each;             /* every node of the set gets CPUs */
};

/* Picks CPUs on the chosen sites into @out->share (cpus, held, count). -ENOMEM. */
int spread_cpus(const struct spread_input *in, struct placement *out);
/* Divides the memory over @out->mems into @out->share.mem. */
int spread_memory(const struct spread_input *in, struct placement *out);

/* By CPU index: no thread of its core is in use, held, reserved or outside of what is allowed. NULL: out of memory. */
bool *spread_free_cores(const struct select_input *in);

#endif
