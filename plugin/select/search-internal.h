/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Shared by the files of the search only: search.c, cost.c, site-set.c, order.c, greedy.c and bound.c.
 */
#ifndef NUMAPLACE_SEARCH_INTERNAL_H
#define NUMAPLACE_SEARCH_INTERNAL_H

#include "plugin/select/select-internal.h"

#define WORK_MAX 400000UL /* steps of one search; a step looks at one pair of nodes */
#define DEPTH_MAX 64      /* larger sets are not searched exactly */

/* Smaller differences in cost are rounding errors. */
#define COST_SAME 1e-9

/* --- cost.c --- */

static inline uint16_t near_of(const struct search *s, unsigned int a, unsigned int b)
{
	const struct topology *t = s->topology;

	return t->near[s->sites[a].node * t->nnodes + s->sites[b].node];
}

/* For one site: sums over a set. */
struct cross {
	int64_t threads, pages; /* of weight * near, of mem_weight * near */
	int64_t bare;           /* of weight * bare_near, if home_near is set */
};

/* Distance from the threads of each of two nodes to the pages of the other, if the pages are on nodes without CPUs. */
static inline int64_t bare_near(const struct search *s, unsigned int a, unsigned int b)
{
	unsigned int n = s->topology->nnodes, from = s->sites[a].node, to = s->sites[b].node;

	return (int64_t)s->home_near[from * n + to] + s->home_near[to * n + from];
}

/* Near of the threads of a node to their own pages. */
static inline int64_t near_home(const struct search *s, unsigned int v)
{
	unsigned int node = s->sites[v].node;

	return s->home_near ? s->home_near[node * s->topology->nnodes + node] : near_of(s, v, v);
}

static inline double mean_of(int64_t sum, int64_t weight)
{
	return weight ? (double)sum / (double)weight : 0;
}

static inline void add_shares(struct sums *sum, const struct site *x, int sign)
{
	int64_t r = x->share, r2 = r * r;

	sum->share1 += sign * r;
	sum->share2 += sign * r2;
	sum->share4 += sign * r2 * r2;
}

static inline void add_distance(const struct search *s, struct sums *sum, unsigned int v, const struct cross *cross)
{
	const struct site *x = &s->sites[v];

	sum->distance += x->weight * cross->pages + x->mem_weight * (cross->threads + x->weight * near_of(s, v, v));
	sum->bare += x->weight * (cross->bare + x->weight * near_home(s, v));
	sum->weight += x->weight;
	sum->mem_weight += x->mem_weight;
	sum->bias += x->weight * x->bias;
	sum->mem_bias += x->mem_weight * x->bias;
	sum->slow += x->weight * x->slow;
	sum->away += x->weight * x->away;
}

/* Adds site @v to the sums of the @n sites in @site. */
void sums_add(const struct search *s, struct sums *sum, const uint16_t *site, unsigned int n, unsigned int v);

/* --- site-set.c --- */

void set_copy(struct site_set *to, const uint16_t *site, unsigned int n, double cost);
/* Keeps a set that fits, if it is the best or second best. */
void set_consider(struct search *s, const uint16_t *site, unsigned int n, const struct sums *sum);
/* For qsort() of the sites of a set. */
int site_compare(const void *a, const void *b);

/* --- order.c --- */

/* For sorting, most room first; 0: they offer the same. */
int sites_by_offer(const struct search *s, const struct site *a, const struct site *b);
/* Whether choosing one or the other makes no difference. */
bool sites_equivalent(const struct search *s, unsigned int a, unsigned int b);
#define ORDER_MOST 16 /* with more sites, numbers decide: hashes cost too much there */

/* Hash of what the sites of a set offer, and of the distances between them; the order of @site makes no difference. */
uint64_t order_hash(struct search *s, const uint16_t *site, unsigned int n);
/* Puts ascending positions of sites in an order that is by number only between sites that are alike. */
void order_set(struct search *s, uint16_t *site, unsigned int n);
/* The same for s->sites, which are sorted; bounds change with it. */
void order_sites(struct search *s);

/* --- bound.c --- */

/* Bounds for branch and bound, by position: over the sites from there on. */
struct bounds {
	int64_t *room_before;  /* sum of room of all sites before this position */
	uint64_t *avail_most;  /* largest avail from this position on */
	uint64_t *huge_most[HUGE_SIZES_MAX];
	int64_t weight_most, mem_weight_most; /* largest of all sites */
	double least_uneven;   /* lower bound of the evenness cost of any set */
	bool apart;            /* some site has weight != mem_weight */
	unsigned int nearest;  /* smallest near of a node with itself */
};

void bounds_fill(const struct search *s, struct bounds *b);
/* Lower bound of the number of sites, from each need alone. */
unsigned int bounds_fewest(const struct search *s, const struct bounds *b);
/* Considers the sets of @k sites, in at most @work steps. */
void search_exactly(struct search *s, const struct bounds *b, unsigned int k, unsigned long work);

/* --- greedy.c --- */

/* A greedy set under construction. */
struct greedy {
	uint16_t *site;
	bool *in;
	struct cross *cross; /* by site: sums over the chosen sites */
	struct sums sum;
	unsigned int n;
};

enum greedy_kind { BY_COST, BY_DISTANCE, BY_COVER };

void greedy_reset(const struct search *s, struct greedy *g);
void greedy_add(struct search *s, struct greedy *g, unsigned int v);
/* The best site to add by @kind, if @left more are allowed; -1: none. */
int greedy_next(const struct search *s, const struct bounds *b, const struct greedy *g, enum greedy_kind kind,
		unsigned int left);
/* Fills the set up to @k sites; true if it suffices. */
bool greedy_fill(struct search *s, const struct bounds *b, struct greedy *g, enum greedy_kind kind, unsigned int k);
/* Sums after replacing the set's member number @out_i by site @v. */
void sums_swapped(const struct search *s, const struct greedy *g, unsigned int out_i, unsigned int v, struct sums *sum);
/* Builds greedy sets of @k sites from every distinct start, then improves the best one by exchange. */
void search_greedily(struct search *s, const struct bounds *b, struct greedy *g, unsigned int k);

#endif
