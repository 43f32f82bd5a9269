/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Shared by the files of plugin/select only: the nodes to choose from (sites), what is needed of them,
 * and sets of them with their sums.
 */
#ifndef NUMAPLACE_SELECT_INTERNAL_H
#define NUMAPLACE_SELECT_INTERNAL_H

#include "plugin/select/select.h"

#define LEVELS 64
#define SHARES 1024
#define PAGES_ONE 65536

/* A node that may be chosen for its CPUs, its memory or both. */
struct site {
	unsigned int node;     /* index in the topology */
	unsigned int ncpus;    /* candidate CPUs */
	unsigned int cpus;     /* candidates, plus CPUs that other containers hold exclusively */
	int64_t room;          /* free CPU, 1/LOAD_ONE; for exclusive requests, in entirely free cores only */
	int64_t load;          /* used CPU on the candidates, 1/LOAD_ONE */
	int64_t weight;        /* weight in thread distance: min(room, need.room), 1/64 CPU */
	/*
	 * Weight in page distance: the part of the requested memory that is available here, 1/PAGES_ONE. If none is
	 * requested: weight, or 0 if away.
	 */
	int64_t mem_weight;
	unsigned int share;    /* room as a part of cpus, 1/SHARES */
	int64_t bias;          /* extra cost of choosing it (device, last place, unknown memory), in millionths */
	int64_t slow;          /* mean slowdown of its CPUs against the fastest kind, in millionths; see weigh_computing() */
	unsigned int away;     /* near of the nearest usable memory minus 20 (local); 0 if it has memory */
	uint64_t avail;        /* bytes available to this request; 0: no memory, or not allowed */
	uint64_t total;        /* bytes of the node; 0: not counted */
	unsigned int level;    /* used fraction of total, quantised to 1/LEVELS */
	uint64_t huge[HUGE_SIZES_MAX]; /* pages available */
	uint64_t hash;         /* of what it offers; see order.c */
};

struct need {
	unsigned int count;    /* CPUs, clamped to the candidates; 0: not requested, counts as one */
	int64_t room;          /* CPUs in 1/LOAD_ONE, at least one CPU */
	uint64_t memory;       /* bytes */
	uint64_t huge[HUGE_SIZES_MAX]; /* pages, by the topology's sizes */
	double pages;          /* memory and hugepages together, in bytes */
	bool overcommit;       /* no set has enough free CPUs: count capacity instead */
};

/* Sums over a set of sites. */
struct sums {
	int64_t room, load, capacity, weight, mem_weight;
	int64_t bias, mem_bias; /* sums of weight * bias, of mem_weight * bias */
	int64_t slow;          /* sum of weight * slow */
	int64_t away;          /* sum of weight * away */
	int64_t bare;          /* like distance, with bare_near(), for sets without memory */
	int64_t share1, share2, share4; /* sums of share, share^2, share^4 */
	int64_t distance;      /* sum over ordered pairs of weight * mem_weight * near */
	uint64_t avail, total;
	unsigned int level, levels; /* sums of level, and of LEVELS */
	uint64_t huge[HUGE_SIZES_MAX];
};

/*
 * Weight of evenness against distance. Taking from a node whose fraction r of CPUs is free gains r - keep * r^3. With
 * keep 0 this is worst fit (take where most is free); a larger keep preserves the emptiest nodes for requests that
 * need a whole node.
 */
struct taste {
	double cpu, memory; /* cost of a fully loaded set, in local distances */
	double keep;
	double mean;        /* gain of a node with the mean free share, which is subtracted */
	double nodes;       /* number of nodes with CPUs for this request, free or held */
	double step;        /* fraction of an average node that the request takes */
	double core;        /* cost of a thread whose core is shared, in local distances */
};

struct site_set {
	unsigned int n;
	uint16_t *site;        /* indices in search.sites, ascending */
	double cost;
	uint64_t apart;        /* sum of near over its pairs, once a tie was looked at; else 0 */
	uint64_t hash;         /* order_hash(), once a tie of apart was looked at; else 0 */
};

struct search {
	const struct topology *topology;
	struct need need;
	struct taste taste;
	unsigned int nsites;
	struct site *sites;
	bool bare;                    /* some sites with CPUs lack usable memory (away) */
	bool memory_named;            /* limits.cpu.nodes or a pin may name nodes that have memory alone */
	bool pages_named;             /* pages are on the nodes of limits.memory.nodes, not on those of a set */
	/*
	 * If bare or pages_named, [a * nnodes + b]: near of threads on node a to the pages of threads on node b, which
	 * are on the node with memory nearest to b. Of equally near ones, the nearest to a. Else NULL.
	 */
	uint16_t *home_near;
	bool want_second;             /* keep the second best, for explanations */
	struct site_set best, second; /* second: best other set seen; n is 0 if none */
	unsigned long work;           /* steps left */
	bool hashed;                  /* the sites have their hash */
};

/*
 * Finds the cheapest set among the smallest sets that suffice, as s->best; search_free() frees it. Sorts the sites.
 * Returns 0, -ENOSPC (all sites together do not suffice) or -ENOMEM.
 */
int search_run(struct search *s);
void search_free(struct search *s);

/* Sums and cost of any set, for explanations and tests. */
void search_sums(const struct search *s, const uint16_t *site, unsigned int n, struct sums *out);
/* Fraction of memory that is used afterwards, 0 to 1. */
double search_memory_load(const struct search *s, const struct sums *sums);
double search_distance(const struct sums *sums); /* mean near of a thread and a page */
double search_cost(const struct search *s, const struct sums *sums);
bool search_fits(const struct search *s, const struct sums *sums);

/* Change in evenness from taking parts of nodes, added up node by node; the same measure as in search_cost(). */
struct takes {
	double gain, taken;
};
void takes_add(struct takes *t, const struct taste *taste, double share, double take);
double takes_cost(const struct takes *t, const struct taste *taste);

/*
 * Kinds of cores, fastest first. Capacities are measured by firmware and differ by some percent between equal cores,
 * so only a sufficient ratio between fastest and slowest core separates two kinds.
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

/* Sums over all nodes with CPUs for this request, free or held. */
struct emptiness {
	double nodes, cpus;
	double share; /* sum of the nodes' free shares */
};

/* State of one decision. */
struct choice {
	const struct select_input *in;
	const struct constraints *limits; /* in->limits, never NULL */
	const struct topology *t;
	const struct request *req;
	bool *candidate;          /* by CPU index */
	bool *free_core;          /* by CPU index: its whole core is free; NULL if not needed */
	bool *first_thread;       /* by CPU index: the thread that represents its core; NULL: all threads count */
	struct nodeset nodes;     /* node ids that may be chosen */
	struct nodeset mems;      /* node ids whose memory may be chosen */
	struct nodeset roomy;     /* of mems, nodes with enough memory left to start a process */
	struct idset cpus;        /* CPU ids that may be given if no container holds them */
	bool mems_named;          /* mems come from limits.memory.nodes: all are used, wherever the CPUs are */
	bool mems_elsewhere;      /* the nodes named for CPUs have no memory: mems are other nodes */
	bool isolated;            /* choose from isolated CPUs only */
	struct kinds kinds;
	unsigned int kinds_wanted; /* bit 1 << kind */
	unsigned int ncandidates;
	struct emptiness emptiness;
	int kept_core;            /* last non-isolated core, left to other containers by exclusive ones; -1: none */
	struct need asked;        /* by the container */
	struct need sought;       /* what a set of nodes must have: asked, without memory on named nodes */
	struct search search;
	struct reasons *why;
	struct placement *second; /* NULL, or becomes the placement of the runner-up */
	unsigned int warnings;    /* placement.warnings */
};

/* The kind of work that the container, or else the administrator, has named. */
static inline struct work_hint choice_work(const struct choice *c)
{
	return c->req->work.given ? c->req->work : c->in->policy->work;
}

/* candidates.c: nodes and CPUs that the request may be given. */
int candidates_allow_nodes(struct choice *c, struct error *err);
void candidates_find(struct choice *c, unsigned int kinds);
/* Selects the pool of CPUs: the isolated ones, or the others. */
int candidates_enter_pool(struct choice *c, bool isolated);
bool node_allowed(const struct choice *c, const struct topo_node *node);
/* Whether CPU @i (index) may be given if no container holds it; its node is not checked. */
bool cpu_allowed(const struct choice *c, unsigned int i);
/* Bit mask of the kinds of cores that the request's class allows. */
unsigned int wanted_kinds(const struct choice *c);

/* sites.c: the nodes to choose from. */
int sites_find(struct choice *c);
/*
 * Threads run where CPU is free, up to the request. Pages lie where memory is available; if no size is requested, on
 * the nodes of the threads that are not full.
 */
void sites_weigh(struct search *s);

/* need.c: what a set of nodes must have. */
int need_find(struct choice *c, struct error *err);
/* Sets need.pages from the memory and the hugepages. */
void need_add_up(struct choice *c);
/* Refuses hugepages that are free on nodes but reserved by mappings; the kernel counts reservations machine-wide. */
int need_check_reserved(const struct choice *c, struct error *err);
/* Reduces the count to the candidates, and reports it. */
void need_clamp(struct choice *c);

/* taste.c: sets search.taste; call it after sites_find() and need_clamp(). */
void taste_set(struct choice *c);
/* Cost of computing at half speed, in local distances. */
double taste_compute(const struct choice *c);
/* A local distance of later containers, whose work is unknown, in local distances of this one. */
double taste_later(const struct choice *c);
/* Slowdown of computing on a shared core. */
double taste_sharing(const struct choice *c);

/* settle.c: settle() makes the placement on the chosen set. settle_second() makes that of the runner-up, if there is one. */
int settle(struct choice *c, struct placement *out, struct error *err);
int settle_second(struct choice *c, struct placement *out, struct error *err);

/* memory.c: choice of memory nodes. */
int choose_mems(struct choice *c, struct error *err);
uint64_t memory_floor(const struct topo_node *node);
int add_memory(struct choice *c);
int settle_mems(struct choice *c, struct placement *out, struct error *err);
bool brings_pages(const struct choice *c, const struct site *x);
const struct site *site_of(const struct search *s, unsigned int node);

/* explain.c: explanations and refusals. */
struct list_text {
	char text[160]; /* truncated if longer */
};
struct list_text ids_text(struct ids s);
#define list_text(set) ids_text(ids_of(set))
struct size_text {
	char text[32];
};
struct size_text size_text(uint64_t bytes);
struct left_out_text {
	char text[200];
};
/* "14 more are isolated, 2 reserved": CPUs that are not candidates, each by its first cause; "" if there are none. */
struct left_out_text left_out(const struct choice *c, bool more);
int refuse(const struct choice *c, struct error *err);
int refuse_listed(const struct choice *c, unsigned int cpu, struct error *err);
int refuse_core(const struct choice *c, unsigned int cpu, struct error *err);
int no_candidates(const struct choice *c, struct error *err);
void explain_choice(const struct choice *c);
/* Says of the devices that were found in the configuration whether the chosen nodes are theirs. */
void explain_devices(const struct choice *c, const struct nodeset *chosen);
/* "; node 2 has 4GiB and no CPUs: limits.cpu.nodes=0-2": memory that is used only if named; "" if there is none. */
void unused_memory(const struct choice *c, char *buf, size_t size);

/* Input of spread_cpus() and spread_memory(): the chosen set and the candidate CPUs. */
struct spread_input {
	const struct select_input *in;
	const struct search *search;
	const bool *candidate; /* by CPU index */
	const bool *free_core; /* by CPU index; NULL: derived from the candidates of each node */
	const struct kinds *kinds;
	bool one_thread;       /* each candidate represents its core */
	bool each;             /* every node of the set gets CPUs */
};

/* Picks CPUs on the chosen sites and fills @out->share (cpus, held, count). Returns 0 or -ENOMEM. */
int spread_cpus(const struct spread_input *in, struct placement *out);
/* Divides the memory over @out->mems and fills @out->share.mem. Returns 0 or -ENOMEM. */
int spread_memory(const struct spread_input *in, struct placement *out);

/*
 * By CPU index: no thread of its core is in use, held, reserved or disallowed. The caller frees the array; NULL if
 * out of memory.
 */
bool *spread_free_cores(const struct select_input *in);

#endif
