/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What decides between sets of the same cost, and between sites that offer the same, before the numbers of nodes do: two
 * numberings of one machine must have results of the same worth. These are hashes of what the sites offer and of the
 * distances between them. Numbers decide between those of equal hashes alone, as on a symmetric machine.
 */
#include "plugin/select/search-internal.h"

#include "plugin/base/util.h"

#include <string.h>

#define ROUNDS 2 /* the first hashes the sites around each site, the second the hashes of the first */

static int compare_u64(uint64_t a, uint64_t b)
{
	return a < b ? 1 : a > b ? -1 : 0;
}

int sites_by_offer(const struct search *s, const struct site *a, const struct site *b)
{
	int c;

	if (a->room != b->room)
		return a->room < b->room ? 1 : -1;
	c = s->need.memory ? compare_u64(a->avail, b->avail) : 0;
	if (!c)
		c = (int)a->level - (int)b->level;
	if (!c)
		c = a->load != b->load ? (a->load > b->load ? 1 : -1) : 0;
	if (!c)
		c = a->bias != b->bias ? (a->bias > b->bias ? 1 : -1) : 0;
	if (!c)
		c = a->away != b->away ? (a->away > b->away ? 1 : -1) : 0;
	if (!c)
		c = a->slow != b->slow ? (a->slow > b->slow ? 1 : -1) : 0;
	return c;
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

static inline uint64_t mixed(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * 0x9e3779b97f4a7c15U;
	return hash ^ hash >> 32;
}

/* Equal for what is equal by sites_equivalent(). */
static uint64_t hash_site(const struct search *s, const struct site *x)
{
	const uint64_t values[] = {
		(uint64_t)x->room, (uint64_t)x->load, (uint64_t)x->weight, (uint64_t)x->mem_weight, (uint64_t)x->bias,
		(uint64_t)x->slow, x->ncpus, x->cpus, x->away, x->level, s->need.memory ? x->avail : 0,
		s->need.memory ? x->total : x->total > 0,
	};
	uint64_t hash = 0;

	for (unsigned int i = 0; i < ARRAY_SIZE(values); i++)
		hash = mixed(hash, values[i]);
	for (unsigned int h = 0; h < s->topology->nhuge; h++)
		hash = mixed(hash, x->huge[h]);
	return hash;
}

static inline uint64_t way(const struct search *s, unsigned int a, unsigned int b)
{
	return near_of(s, a, b) + (s->home_near ? (uint64_t)bare_near(s, a, b) << 16 : 0);
}

/* Nodes with memory alone, if named, are added to the chosen node that is nearest to them. */
static void hash_named(struct search *s)
{
	for (unsigned int j = 0; j < s->nsites; j++) {
		uint64_t hash = s->sites[j].ncpus ? 0 : hash_site(s, &s->sites[j]);

		for (unsigned int i = 0; !s->sites[j].ncpus && i < s->nsites; i++)
			s->sites[i].hash += mixed(hash, way(s, i, j));
	}
}

static void hash_sites(struct search *s)
{
	if (s->hashed)
		return;
	for (unsigned int i = 0; i < s->nsites; i++)
		s->sites[i].hash = hash_site(s, &s->sites[i]);
	if (s->memory_named)
		hash_named(s);
	s->hashed = true;
}

uint64_t order_hash(struct search *s, const uint16_t *site, unsigned int n)
{
	uint64_t sum = 0;

	hash_sites(s);
	for (unsigned int i = 0; i < n; i++) {
		uint64_t hash = s->sites[site[i]].hash;

		sum += hash;
		for (unsigned int j = 0; j < i; j++)
			sum += mixed(hash + s->sites[site[j]].hash, way(s, site[i], site[j]));
	}
	return sum;
}

/* A site of the list that is put in order. */
struct item {
	uint64_t hash; /* of the site, and of the others of the list around it */
	uint64_t far;  /* ways to the items before it, the first one as the highest digit */
	uint16_t site; /* position in s->sites */
};

static void hash_around(const struct search *s, struct item *x, unsigned int n)
{
	uint64_t old[ORDER_MOST];

	for (unsigned int round = 0; round < ROUNDS; round++) {
		for (unsigned int i = 0; i < n; i++)
			old[i] = x[i].hash;
		for (unsigned int i = 0; i < n; i++) {
			uint64_t sum = 0;

			for (unsigned int j = 0; j < n; j++)
				sum += mixed(old[j], way(s, x[i].site, x[j].site));
			x[i].hash = mixed(old[i], sum);
		}
	}
}

/* Whether @a comes before @b. Sites that are not tied, or not told apart, keep the order of their positions. */
static bool before(const struct search *s, const struct item *a, const struct item *b)
{
	if (sites_by_offer(s, &s->sites[a->site], &s->sites[b->site]))
		return a->site < b->site;
	if (a->hash != b->hash)
		return a->hash < b->hash;
	return a->far != b->far ? a->far < b->far : a->site < b->site;
}

/* Of items with the same hash, the first is taken by its position, the next ones by the ways to those before them. */
static void put_in_order(const struct search *s, struct item *x, unsigned int n)
{
	for (unsigned int p = 0; p + 1 < n; p++) {
		unsigned int next = p;
		struct item first;

		for (unsigned int i = p + 1; i < n; i++)
			if (before(s, &x[i], &x[next]))
				next = i;
		first = x[next];
		x[next] = x[p];
		x[p] = first;
		for (unsigned int i = p + 1; i < n; i++)
			x[i].far = x[i].far * 1021 + way(s, first.site, x[i].site);
	}
}

void order_set(struct search *s, uint16_t *site, unsigned int n)
{
	struct item x[ORDER_MOST];
	bool tie = false;

	for (unsigned int i = 1; i < n && n <= ORDER_MOST; i++)
		tie |= !sites_by_offer(s, &s->sites[site[i - 1]], &s->sites[site[i]]) &&
		       !sites_equivalent(s, site[i - 1], site[i]);
	if (!tie)
		return;
	hash_sites(s);
	for (unsigned int i = 0; i < n; i++)
		x[i] = (struct item){ .hash = s->sites[site[i]].hash, .site = site[i] };
	hash_around(s, x, n);
	put_in_order(s, x, n);
	for (unsigned int i = 0; i < n; i++)
		site[i] = x[i].site;
}

void order_sites(struct search *s)
{
	uint16_t from[ORDER_MOST]; /* by position: where its site is now */

	if (s->nsites > ORDER_MOST)
		return;
	for (unsigned int i = 0; i < s->nsites; i++)
		from[i] = (uint16_t)i;
	order_set(s, from, s->nsites);
	for (unsigned int i = 0; i < s->nsites; i++) {
		struct site first = s->sites[i];
		unsigned int to = i;

		while (from[to] != i) {
			unsigned int next = from[to];

			s->sites[to] = s->sites[next];
			from[to] = (uint16_t)to;
			to = next;
		}
		s->sites[to] = first;
		from[to] = (uint16_t)to;
	}
}
