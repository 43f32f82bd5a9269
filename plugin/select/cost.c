/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The sums over a set of nodes, and what the set costs. Cost terms are quotients of integers, so that the order of nodes
 * does not change them.
 */
#include "plugin/select/search-internal.h"

#include <string.h>

void sums_add(const struct search *s, struct sums *sum, const uint16_t *site, unsigned int n, unsigned int v)
{
	const struct site *x = &s->sites[v];
	struct cross cross = { 0 };

	for (unsigned int i = 0; i < n; i++) {
		int64_t near = near_of(s, site[i], v);

		cross.threads += s->sites[site[i]].weight * near;
		cross.pages += s->sites[site[i]].mem_weight * near;
		cross.bare += s->home_near ? s->sites[site[i]].weight * bare_near(s, site[i], v) : 0;
	}
	add_distance(s, sum, v, &cross);
	sum->room += x->room;
	sum->load += x->load;
	sum->capacity += (int64_t)x->ncpus * LOAD_ONE;
	add_shares(sum, x, 1);
	sum->avail += x->avail;
	sum->total += x->total;
	sum->level += x->level;
	sum->levels += x->total ? LEVELS : 0;
	for (unsigned int h = 0; h < s->topology->nhuge; h++)
		sum->huge[h] += x->huge[h];
}

void search_sums(const struct search *s, const uint16_t *site, unsigned int n, struct sums *out)
{
	memset(out, 0, sizeof(*out));
	for (unsigned int i = 0; i < n; i++)
		sums_add(s, out, site, i, site[i]);
}

double search_memory_load(const struct search *s, const struct sums *sum)
{
	return (double)sum->level / (double)sum->levels + (double)s->need.memory / (double)sum->total / 2;
}

/*
 * Effect of the request on evenness. It takes the fraction @part of each node's free share r; the gain, r - keep r^3
 * integrated over that, is compared with taking as much from the average node.
 */
static double uneven(const struct search *s, const struct sums *sum)
{
	const struct taste *t = &s->taste;
	double part = sum->room > s->need.room ? (double)s->need.room / (double)sum->room : 1;
	double left2 = (1 - part) * (1 - part);
	double r1 = (double)sum->share1 / SHARES;
	double r2 = (double)sum->share2 / ((double)SHARES * SHARES);
	double r4 = (double)sum->share4 / ((double)SHARES * SHARES * SHARES * SHARES);
	double gain = r2 * (part - part * part / 2) - t->keep / 4 * r4 * (1 - left2 * left2);

	double takes = part * r1;

	/* taking also lowers the average, less so with more nodes */
	return (t->mean * takes - gain - takes * takes / (2 * t->nodes)) / t->step;
}

void takes_add(struct takes *t, const struct taste *taste, double share, double take)
{
	double r2 = share * share, left2 = (share - take) * (share - take);

	t->gain += (r2 - left2) / 2 - taste->keep / 4 * (r2 * r2 - left2 * left2);
	t->taken += take;
}

double takes_cost(const struct takes *t, const struct taste *taste)
{
	/* taking also lowers the average, less so with more nodes */
	return (taste->mean * t->taken - t->gain - t->taken * t->taken / (2 * taste->nodes)) / taste->step;
}

/*
 * Without pages in the set: each thread's pages are assumed on the nearest node with memory (sum of bare_near).
 * Without threads: all is assumed local.
 */
double search_distance(const struct sums *sum)
{
	if (!sum->weight)
		return 20;
	if (!sum->mem_weight)
		return (double)sum->bare / (double)sum->weight / (double)sum->weight;
	return (double)sum->distance / (double)sum->weight / (double)sum->mem_weight;
}

/*
 * Per local distance, for threads on a node without memory: theirs is never local, which the set's mean does not
 * show.
 */
#define COST_AWAY 0.1

double search_cost(const struct search *s, const struct sums *sum)
{
	double cost;

	/* near adds both directions, so local is 20 */
	cost = search_distance(sum) / 20.0;
	cost += (mean_of(sum->bias, sum->weight) + mean_of(sum->mem_bias, sum->mem_weight)) / 2e6;
	cost += mean_of(sum->slow, sum->weight) / 1e6 + COST_AWAY * mean_of(sum->away, sum->weight) / 20;
	if (s->need.overcommit)
		cost += s->taste.cpu * (double)(sum->load + s->need.room) / (double)sum->capacity;
	else
		cost += s->taste.cpu * uneven(s, sum);
	if (sum->total)
		cost += s->taste.memory * search_memory_load(s, sum);
	return cost;
}

bool search_fits(const struct search *s, const struct sums *sum)
{
	if (sum->room < s->need.room || sum->avail < s->need.memory)
		return false;
	for (unsigned int h = 0; h < s->topology->nhuge; h++)
		if (sum->huge[h] < s->need.huge[h])
			return false;
	return true;
}
