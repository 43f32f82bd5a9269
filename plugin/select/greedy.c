/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Greedy sets of nodes: by cost, by distance and by what they cover, improved by exchange. A search tries them first, so
 * that its result is never worse than theirs.
 */
#include "plugin/select/search-internal.h"

#include <string.h>

void greedy_add(struct search *s, struct greedy *g, unsigned int v)
{
	const struct site *x = &s->sites[v];

	sums_add(s, &g->sum, g->site, g->n, v);
	g->site[g->n++] = (uint16_t)v;
	g->in[v] = true;
	for (unsigned int i = 0; i < s->nsites; i++) {
		int64_t near = near_of(s, v, i);

		g->cross[i].threads += x->weight * near;
		g->cross[i].pages += x->mem_weight * near;
		g->cross[i].bare += s->home_near ? x->weight * bare_near(s, v, i) : 0;
	}
	s->work -= s->work < s->nsites ? s->work : s->nsites;
}

void greedy_reset(const struct search *s, struct greedy *g)
{
	memset(&g->sum, 0, sizeof(g->sum));
	memset(g->in, 0, s->nsites * sizeof(*g->in));
	memset(g->cross, 0, s->nsites * sizeof(*g->cross));
	g->n = 0;
}

/* Cost of the set with one more site; with @distance_only, only the mean distance of that site. */
static double cost_with(const struct search *s, const struct greedy *g, unsigned int v, bool distance_only)
{
	const struct site *x = &s->sites[v];
	struct sums sum = g->sum;

	add_distance(s, &sum, v, &g->cross[v]);
	if (distance_only)
		return g->n ? mean_of(g->cross[v].threads, g->sum.weight) + mean_of(g->cross[v].pages, g->sum.mem_weight)
			    : search_distance(&sum);
	sum.load += x->load;
	sum.capacity += (int64_t)x->ncpus * LOAD_ONE;
	sum.room += x->room;
	add_shares(&sum, x, 1);
	sum.total += x->total;
	sum.level += x->level;
	sum.levels += x->total ? LEVELS : 0;
	return search_cost(s, &sum);
}

/* Fraction of the remaining needs that a site covers, added up over the needs. */
static double cover(const struct search *s, const struct sums *sum, const struct site *x)
{
	double v = 0;

	if (s->need.room > sum->room) {
		double gap = (double)(s->need.room - sum->room);

		v += (double)x->room < gap ? (double)x->room / gap : 1;
	}
	if (s->need.memory > sum->avail) {
		double gap = (double)(s->need.memory - sum->avail);

		v += (double)x->avail < gap ? (double)x->avail / gap : 1;
	}
	for (unsigned int h = 0; h < s->topology->nhuge; h++)
		if (s->need.huge[h] > sum->huge[h]) {
			double gap = (double)(s->need.huge[h] - sum->huge[h]);

			v += (double)x->huge[h] < gap ? (double)x->huge[h] / gap : 1;
		}
	return v;
}

/*
 * Whether @left more sites can still provide the room. Optimistic: takes the largest sites, even if they are in the
 * set already.
 */
static bool room_in_reach(const struct search *s, const struct bounds *b, int64_t room, unsigned int left)
{
	unsigned int n = left < s->nsites ? left : s->nsites;

	return room + b->room_before[n] >= s->need.room;
}

int greedy_next(const struct search *s, const struct bounds *b, const struct greedy *g, enum greedy_kind kind,
		       unsigned int left)
{
	double best_cost = 0;
	int best = -1;

	for (unsigned int v = 0; v < s->nsites; v++) {
		double cost;

		if (g->in[v] || !room_in_reach(s, b, g->sum.room + s->sites[v].room, left - 1))
			continue;
		cost = kind == BY_COVER ? -cover(s, &g->sum, &s->sites[v]) : cost_with(s, g, v, kind == BY_DISTANCE);
		if (best < 0 || cost < best_cost - COST_SAME) {
			best = (int)v;
			best_cost = cost;
		}
	}
	return best;
}

bool greedy_fill(struct search *s, const struct bounds *b, struct greedy *g, enum greedy_kind kind,
			unsigned int k)
{
	while (g->n < k) {
		int v = greedy_next(s, b, g, kind, k - g->n);

		if (v < 0)
			return false;
		greedy_add(s, g, (unsigned int)v);
		s->work -= s->work < s->nsites ? s->work : s->nsites;
	}
	return search_fits(s, &g->sum);
}

void sums_swapped(const struct search *s, const struct greedy *g, unsigned int out_i, unsigned int v,
			 struct sums *sum)
{
	unsigned int u = g->site[out_i];
	const struct site *x = &s->sites[u], *y = &s->sites[v];
	int64_t near = near_of(s, u, v);
	struct cross without = { g->cross[v].threads - x->weight * near, g->cross[v].pages - x->mem_weight * near,
				 g->cross[v].bare - (s->home_near ? x->weight * bare_near(s, u, v) : 0) };

	*sum = g->sum;
	/* cross[u] includes u itself, in threads and in pages: remove that pair only once */
	sum->distance -= x->weight * g->cross[u].pages +
			 x->mem_weight * (g->cross[u].threads - x->weight * near_of(s, u, u));
	sum->bare -= x->weight * (g->cross[u].bare - x->weight * (s->home_near ? bare_near(s, u, u) : 0) +
				  x->weight * near_home(s, u));
	sum->weight -= x->weight;
	sum->mem_weight -= x->mem_weight;
	sum->bias -= x->weight * x->bias;
	sum->mem_bias -= x->mem_weight * x->bias;
	sum->slow -= x->weight * x->slow;
	sum->away -= x->weight * x->away;
	add_distance(s, sum, v, &without);
	sum->room += y->room - x->room;
	sum->load += y->load - x->load;
	sum->capacity += ((int64_t)y->ncpus - (int64_t)x->ncpus) * LOAD_ONE;
	add_shares(sum, y, 1);
	add_shares(sum, x, -1);
	sum->avail += y->avail - x->avail;
	sum->total += y->total - x->total;
	sum->level += y->level - x->level;
	sum->levels += y->total ? LEVELS : 0;
	sum->levels -= x->total ? LEVELS : 0;
	for (unsigned int h = 0; h < s->topology->nhuge; h++)
		sum->huge[h] += y->huge[h] - x->huge[h];
}

static void swap_in(struct search *s, struct greedy *g, unsigned int out_i, unsigned int v, const struct sums *sum)
{
	unsigned int u = g->site[out_i];

	for (unsigned int i = 0; i < s->nsites; i++) {
		int64_t in = near_of(s, v, i), out = near_of(s, u, i);

		g->cross[i].threads += s->sites[v].weight * in - s->sites[u].weight * out;
		g->cross[i].pages += s->sites[v].mem_weight * in - s->sites[u].mem_weight * out;
		if (s->home_near)
			g->cross[i].bare += s->sites[v].weight * bare_near(s, v, i) -
					    s->sites[u].weight * bare_near(s, u, i);
	}
	g->in[u] = false;
	g->in[v] = true;
	g->site[out_i] = (uint16_t)v;
	g->sum = *sum;
}

/* Exchanges one site for another while that lowers the cost. */
static void better_by_exchange(struct search *s, struct greedy *g)
{
	for (unsigned int round = 0; round < 2 * g->n + 8; round++) {
		double best_cost = search_cost(s, &g->sum);
		struct sums best_sum = { 0 };
		int best_out = -1, best_in = -1;

		for (unsigned int i = 0; i < g->n; i++)
			for (unsigned int v = 0; v < s->nsites; v++) {
				struct sums sum;
				double cost;

				if (g->in[v] || !s->work)
					continue;
				s->work--;
				sums_swapped(s, g, i, v, &sum);
				if (!search_fits(s, &sum))
					continue;
				cost = search_cost(s, &sum);
				if (cost < best_cost - COST_SAME) {
					best_cost = cost;
					best_sum = sum;
					best_out = (int)i;
					best_in = (int)v;
				}
			}
		if (best_out < 0)
			return;
		swap_in(s, g, (unsigned int)best_out, (unsigned int)best_in, &best_sum);
		set_consider(s, g->site, g->n, &g->sum);
	}
}

static void greedy_from(struct search *s, const struct bounds *b, struct greedy *g, int start, enum greedy_kind kind,
			unsigned int k)
{
	greedy_reset(s, g);
	if (start >= 0)
		greedy_add(s, g, (unsigned int)start);
	if (greedy_fill(s, b, g, kind, k))
		set_consider(s, g->site, g->n, &g->sum);
}

void search_greedily(struct search *s, const struct bounds *b, struct greedy *g, unsigned int k)
{
	greedy_from(s, b, g, -1, BY_COVER, k);
	greedy_from(s, b, g, -1, BY_COST, k);
	for (unsigned int v = 0; v < s->nsites; v++) {
		if (v && sites_equivalent(s, v, v - 1))
			continue;
		if (s->work < WORK_MAX / 4)
			break;
		greedy_from(s, b, g, (int)v, BY_COST, k);
		greedy_from(s, b, g, (int)v, BY_DISTANCE, k);
	}
	if (!s->best.n)
		return;
	greedy_reset(s, g);
	for (unsigned int i = 0; i < s->best.n; i++)
		greedy_add(s, g, s->best.site[i]);
	better_by_exchange(s, g);
}
