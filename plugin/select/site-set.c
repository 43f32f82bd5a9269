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
}

int site_compare(const void *a, const void *b)
{
	return (int)*(const uint16_t *)a - (int)*(const uint16_t *)b;
}

void set_consider(struct search *s, const uint16_t *site, unsigned int n, const struct sums *sum)
{
	uint16_t sorted[DEPTH_MAX];
	const uint16_t *p = site;
	double cost = search_cost(s, sum);

	if (s->best.n && !s->want_second && cost >= s->best.cost - COST_SAME)
		return;
	if (s->second.n && cost >= s->second.cost - COST_SAME)
		return;
	if (n <= DEPTH_MAX) {
		memcpy(sorted, site, n * sizeof(*site));
		qsort(sorted, n, sizeof(*sorted), site_compare);
		p = sorted;
	}
	if (s->best.n == n && memcmp(s->best.site, p, n * sizeof(*p)) == 0)
		return;
	if (!s->best.n || cost < s->best.cost - COST_SAME) {
		set_copy(&s->second, s->best.site, s->best.n, s->best.cost);
		set_copy(&s->best, p, n, cost);
	} else {
		set_copy(&s->second, p, n, cost);
	}
}

bool sites_equivalent(const struct search *s, unsigned int a, unsigned int b)
{
	const struct site *x = &s->sites[a], *y = &s->sites[b];
	const uint16_t *twin = s->topology->twin;

	return twin && twin[x->node] == twin[y->node] && x->room == y->room && x->load == y->load &&
	       x->ncpus == y->ncpus && x->cpus == y->cpus && x->weight == y->weight &&
	       x->mem_weight == y->mem_weight && x->bias == y->bias && x->slow == y->slow && x->away == y->away &&
	       x->level == y->level &&
	       !x->total == !y->total && (!s->need.memory || (x->avail == y->avail && x->total == y->total)) &&
	       !memcmp(x->huge, y->huge, sizeof(x->huge));
}
