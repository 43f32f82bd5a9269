/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sets of nodes that a search has seen: it keeps the best and the second best.
 */
#include "plugin/select/search-internal.h"

#include <stdlib.h>
#include <string.h>

void set_copy(struct site_set *to, const uint16_t *site, unsigned int n, double cost)
{
	memcpy(to->site, site, n * sizeof(*site));
	to->n = n;
	to->cost = cost;
	to->apart = to->hash = 0;
}

int site_compare(const void *a, const void *b)
{
	return (int)*(const uint16_t *)a - (int)*(const uint16_t *)b;
}

/* Sum of near over the pairs of a set. */
static uint64_t apart(const struct search *s, const uint16_t *site, unsigned int n)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < n; i++)
		for (unsigned int j = 0; j < i; j++)
			sum += near_of(s, site[i], site[j]);
	return sum;
}

/*
 * Of two sets that cost the same, the one whose nodes are nearer to each other: the cost weighs nodes by what they
 * offer, but the container may take equal parts of them; and it does not weigh nodes whose memory is elsewhere. Of two
 * sets that are as near, the one with the smaller hash, so that numbers decide between sets alone that are alike.
 */
static bool wins_tie(struct search *s, const uint16_t *site, unsigned int n, double cost)
{
	uint64_t here;

	if (s->best.n != n || n == 1 || n > DEPTH_MAX || cost >= s->best.cost + COST_SAME)
		return false;
	if (!s->best.apart)
		s->best.apart = apart(s, s->best.site, n);
	here = apart(s, site, n);
	if (here != s->best.apart)
		return here < s->best.apart;
	if (s->nsites > ORDER_MOST)
		return false;
	if (!s->best.hash)
		s->best.hash = order_hash(s, s->best.site, n);
	return order_hash(s, site, n) < s->best.hash;
}

void set_consider(struct search *s, const uint16_t *site, unsigned int n, const struct sums *sum)
{
	uint16_t sorted[DEPTH_MAX];
	const uint16_t *p = site;
	double cost = search_cost(s, sum);
	bool better = !s->best.n || cost < s->best.cost - COST_SAME || wins_tie(s, site, n, cost);

	if (!better && !s->want_second)
		return;
	if (!better && s->second.n && cost >= s->second.cost - COST_SAME)
		return;
	if (n <= DEPTH_MAX) {
		memcpy(sorted, site, n * sizeof(*site));
		qsort(sorted, n, sizeof(*sorted), site_compare);
		p = sorted;
	}
	if (s->best.n == n && memcmp(s->best.site, p, n * sizeof(*p)) == 0)
		return;
	if (better) {
		set_copy(&s->second, s->best.site, s->best.n, s->best.cost);
		set_copy(&s->best, p, n, cost);
	} else {
		set_copy(&s->second, p, n, cost);
	}
}
