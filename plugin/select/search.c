/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Finds the cheapest set among the smallest sets of nodes that suffice: for each size, greedy sets (greedy.c), then
 * branch and bound (bound.c). Their costs are in cost.c.
 */
#include "plugin/select/search-internal.h"

#include "plugin/base/util.h"

#include <errno.h>
#include <string.h>

#define EXACT_WORK 20000UL /* steps of branch and bound at one set size */

/* Sorts by room first, so that sums of the next sites bound the rest; equivalent sites become adjacent. */
static int by_room(const void *pa, const void *pb, void *arg)
{
	const struct site *a = pa, *b = pb;
	const struct search *s = arg;
	const uint16_t *twin = s->topology->twin;
	int c = sites_by_offer(s, a, b);

	if (!c && twin)
		c = (int)twin[a->node] - (int)twin[b->node];
	return c ? c : (int)a->node - (int)b->node;
}

/* Finds the best single site. */
static void search_singles(struct search *s)
{
	for (unsigned int v = 0; v < s->nsites; v++) {
		uint16_t one = (uint16_t)v;
		struct sums sum;

		if (s->sites[v].room < s->need.room)
			break; /* sorted by room */
		search_sums(s, &one, 1, &sum);
		if (search_fits(s, &sum))
			set_consider(s, &one, 1, &sum);
	}
}

/* Whether branch and bound may end before it has seen all sets of @k sites. */
static bool is_bounded(const struct search *s, unsigned int k)
{
	double sets = 1, steps = 0;

	for (unsigned int d = 1; d <= k && steps < EXACT_WORK; d++) {
		sets *= (double)(s->nsites - d + 1) / d;
		steps += sets * d;
	}
	return steps >= EXACT_WORK;
}

static void search_size(struct search *s, const struct bounds *b, struct greedy *g, unsigned int k)
{
	if (s->nsites > 8 && s->work)
		search_greedily(s, b, g, k);
	search_exactly(s, b, k, EXACT_WORK);
}

static int search_sizes(struct search *s, struct bounds *b, struct greedy *g)
{
	unsigned int all = s->nsites, fewest = bounds_fewest(s, b);
	unsigned int covered = all;
	bool ordered = false;
	struct sums sum;

	if (fewest == 1) {
		search_singles(s);
		if (s->best.n)
			return 0;
	}
	/* the greedy cover is the largest set that is needed */
	greedy_reset(s, g);
	while (g->n < all && !search_fits(s, &g->sum)) {
		int v = greedy_next(s, b, g, BY_COVER, all - g->n);

		if (v < 0)
			break;
		greedy_add(s, g, (unsigned int)v);
	}
	sum = g->sum;
	if (!search_fits(s, &sum))
		return -ENOSPC;
	covered = g->n ? g->n : 1;
	for (unsigned int k = fewest > 1 ? fewest : 2; k <= covered; k++) {
		if (!ordered && is_bounded(s, k)) {
			/* sets that are not seen must not depend on numbers */
			order_sites(s);
			bounds_fill(s, b);
			ordered = true;
		}
		s->work = WORK_MAX;
		search_size(s, b, g, k);
		if (s->best.n)
			return 0;
	}
	greedy_reset(s, g);
	if (!greedy_fill(s, b, g, BY_COVER, covered))
		return -ENOSPC;
	set_consider(s, g->site, g->n, &g->sum);
	return 0;
}

/*
 * Equivalent sites are tried once, so a set as good as the best one may be unseen. Looks for the second best among
 * the sets that differ in one site; for explanations, and without effect on the best.
 */
static void find_second(struct search *s, struct greedy *g)
{
	greedy_reset(s, g);
	for (unsigned int i = 0; i < s->best.n; i++)
		greedy_add(s, g, s->best.site[i]);
	for (unsigned int i = g->n; i-- > 0;)
		for (unsigned int v = 0; v < s->nsites; v++) {
			unsigned int u = g->site[i];
			struct sums sum;
			double cost;

			if (g->in[v] || (s->second.n && !sites_equivalent(s, u, v)))
				continue;
			sums_swapped(s, g, i, v, &sum);
			cost = search_cost(s, &sum);
			if (!search_fits(s, &sum) || cost < s->best.cost - COST_SAME ||
			    (s->second.n && cost >= s->second.cost - COST_SAME))
				continue;
			g->site[i] = (uint16_t)v;
			set_copy(&s->second, g->site, g->n, cost);
			g->site[i] = (uint16_t)u;
			qsort(s->second.site, s->second.n, sizeof(*s->second.site), site_compare);
		}
}

/* Everything that a search allocates, in one block. */
struct scratch {
	void *block;
	struct bounds b;
	struct greedy g;
};

static int scratch_make(struct search *s, struct scratch *x)
{
	size_t n = s->nsites + 1;
	size_t words = n * (5 + HUGE_SIZES_MAX);
	size_t shorts = n * 3;
	char *p;

	x->block = calloc(1, words * sizeof(uint64_t) + shorts * sizeof(uint16_t) + n * sizeof(bool));
	if (!x->block)
		return -ENOMEM;
	p = x->block;
	x->b.room_before = (int64_t *)p;
	x->b.avail_most = (uint64_t *)p + n;
	x->g.cross = (struct cross *)((int64_t *)p + 2 * n);
	for (unsigned int h = 0; h < HUGE_SIZES_MAX; h++)
		x->b.huge_most[h] = (uint64_t *)p + (5 + h) * n;
	p += words * sizeof(uint64_t);
	x->g.site = (uint16_t *)p;
	s->best.site = (uint16_t *)p + n;
	s->second.site = (uint16_t *)p + 2 * n;
	x->g.in = (bool *)(p + shorts * sizeof(uint16_t));
	return 0;
}

/* Copies the sets to their own memory before the scratch is freed. */
static int sets_keep(struct search *s)
{
	unsigned int a = s->best.n, b = s->second.n;
	uint16_t *own = malloc((a + b + 1) * sizeof(*own));

	if (!own)
		return -ENOMEM;
	memcpy(own, s->best.site, a * sizeof(*own));
	memcpy(own + a, s->second.site, b * sizeof(*own));
	s->best.site = own;
	s->second.site = own + a;
	return 0;
}

int search_run(struct search *s)
{
	struct scratch x = { 0 };
	int r;

	qsort_r(s->sites, s->nsites, sizeof(*s->sites), by_room, s);
	r = scratch_make(s, &x);
	if (r == 0) {
		bounds_fill(s, &x.b);
		s->best.n = s->second.n = 0;
		s->hashed = false;
		r = s->nsites ? search_sizes(s, &x.b, &x.g) : -ENOSPC;
	}
	if (r == 0 && s->want_second)
		find_second(s, &x.g);
	if (r == 0) {
		order_set(s, s->best.site, s->best.n);
		order_set(s, s->second.site, s->second.n);
		r = sets_keep(s);
	} else {
		s->best.site = s->second.site = NULL;
	}
	free(x.block);
	return r;
}

void search_free(struct search *s)
{
	free(s->best.site);
	s->best.site = s->second.site = NULL;
	s->best.n = s->second.n = 0;
}
