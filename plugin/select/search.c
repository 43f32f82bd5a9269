/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Finds the cheapest set among the smallest sets of nodes that suffice.
 *
 * Branch and bound is exact while its work lasts (counted in steps, not in time); it tries sets that differ only in
 * equivalent nodes once. Greedy sets, by distance and by load, are tried first and improved by exchange, so the
 * result is never worse than theirs. Cost terms are quotients of integers, so that the order of nodes does not change
 * them.
 */
#include "plugin/select/select-internal.h"

#include "plugin/base/util.h"

#include <errno.h>
#include <string.h>

#define WORK_MAX 400000UL   /* steps of one search; a step looks at one pair of nodes */
#define EXACT_WORK 20000UL  /* of these, for branch and bound at one set size */
#define DEPTH_MAX 64        /* larger sets are not searched exactly */

static uint16_t near_of(const struct search *s, unsigned int a, unsigned int b)
{
	const struct topology *t = s->topology;

	return t->near[s->sites[a].node * t->nnodes + s->sites[b].node];
}

static void add_shares(struct sums *sum, const struct site *x, int sign)
{
	int64_t r = x->share, r2 = r * r;

	sum->share1 += sign * r;
	sum->share2 += sign * r2;
	sum->share4 += sign * r2 * r2;
}

/* For one site: sums over a set. */
struct cross {
	int64_t threads, pages; /* of weight * near, of mem_weight * near */
	int64_t bare;           /* of weight * bare_near, if home_near is set */
};

/* Distance from the threads of each of two nodes to the pages of the other, if the pages are on nodes without CPUs. */
static int64_t bare_near(const struct search *s, unsigned int a, unsigned int b)
{
	unsigned int n = s->topology->nnodes, from = s->sites[a].node, to = s->sites[b].node;

	return (int64_t)s->home_near[from * n + to] + s->home_near[to * n + from];
}

/* Near of the threads of a node to their own pages. */
static int64_t home_of(const struct search *s, unsigned int v)
{
	unsigned int node = s->sites[v].node;

	return s->home_near ? s->home_near[node * s->topology->nnodes + node] : near_of(s, v, v);
}

static void add_distance(const struct search *s, struct sums *sum, unsigned int v, const struct cross *cross)
{
	const struct site *x = &s->sites[v];

	sum->distance += x->weight * cross->pages + x->mem_weight * (cross->threads + x->weight * near_of(s, v, v));
	sum->bare += x->weight * (cross->bare + x->weight * home_of(s, v));
	sum->weight += x->weight;
	sum->mem_weight += x->mem_weight;
	sum->bias += x->weight * x->bias;
	sum->mem_bias += x->mem_weight * x->bias;
	sum->slow += x->weight * x->slow;
	sum->away += x->weight * x->away;
}

static void sums_add(const struct search *s, struct sums *sum, const uint16_t *site, unsigned int n, unsigned int v)
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

static double mean_of(int64_t sum, int64_t weight)
{
	return weight ? (double)sum / (double)weight : 0;
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

static void set_copy(struct site_set *to, const uint16_t *site, unsigned int n, double cost)
{
	memcpy(to->site, site, n * sizeof(*site));
	to->n = n;
	to->cost = cost;
}

static int by_number(const void *a, const void *b)
{
	return (int)*(const uint16_t *)a - (int)*(const uint16_t *)b;
}

/* Smaller differences in cost are rounding errors. */
#define COST_SAME 1e-9

/* Keeps a set that fits, if it is the best or second best. */
static void consider(struct search *s, const uint16_t *site, unsigned int n, const struct sums *sum)
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
		qsort(sorted, n, sizeof(*sorted), by_number);
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

static int compare_u64(uint64_t a, uint64_t b)
{
	return a < b ? 1 : a > b ? -1 : 0;
}

/* Sorts by room first, so that sums of the next sites bound the rest; equivalent sites become adjacent. */
static int by_room(const void *pa, const void *pb, void *arg)
{
	const struct site *a = pa, *b = pb;
	const struct search *s = arg;
	const uint16_t *twin = s->topology->twin;
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
	if (!c && twin)
		c = (int)twin[a->node] - (int)twin[b->node];
	return c ? c : (int)a->node - (int)b->node;
}

/* Whether choosing one or the other makes no difference. */
static bool equivalent(const struct search *s, unsigned int a, unsigned int b)
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

struct branch {
	struct search *s;
	const struct bounds *b;
	unsigned int k;
	unsigned long work;    /* left for this size */
	uint16_t chosen[DEPTH_MAX];
};

/* Whether @left more sites from position @from on can make the set suffice. */
static bool may_suffice(const struct branch *br, const struct sums *sum, unsigned int from, unsigned int left)
{
	const struct search *s = br->s;
	const struct bounds *b = br->b;

	if (from + left > s->nsites)
		return false;
	if (sum->room + b->room_before[from + left] - b->room_before[from] < s->need.room)
		return false;
	if (s->need.memory > sum->avail && (s->need.memory - sum->avail + left - 1) / left > b->avail_most[from])
		return false;
	for (unsigned int h = 0; h < s->topology->nhuge; h++)
		if (s->need.huge[h] > sum->huge[h] &&
		    (s->need.huge[h] - sum->huge[h] + left - 1) / left > b->huge_most[h][from])
			return false;
	return true;
}

/* A partial set, for a lower bound of its distance. */
struct outlook {
	double near_least, self_least; /* smallest near of two nodes; of a node and itself */
	double distance, weight, mem_weight; /* sums of the chosen sites */
	double most, mem_most;               /* largest weights of one more site */
	unsigned int left;
};

/*
 * Lower bound of the mean distance if the sites still to come weigh @x (threads) and @y (pages) in total: near_least
 * between nodes, self_least for at most @own, the part of @x * @y that is within nodes.
 */
static double mean_with(const struct outlook *o, double x, double y, double own)
{
	double sum = o->distance + o->near_least * (o->weight * y + x * o->mem_weight + x * y) -
		     (o->near_least - o->self_least) * own;
	double pairs = (o->weight + x) * (o->mem_weight + y);

	return pairs > 0 ? sum / pairs : 0;
}

/* The mean is monotonic in x alone and in y alone, so its minimum is at a corner. */
static double least_in_corners(const struct outlook *o, bool by_threads)
{
	double least = 0;

	for (unsigned int corner = 0; corner < 4; corner++) {
		double x = corner & 1 ? o->most * o->left : 0, y = corner & 2 ? o->mem_most * o->left : 0;
		double own = o->left == 1 ? x * y : by_threads ? x * o->mem_most : y * o->most;

		double mean = mean_with(o, x, y, own);

		least = corner && least < mean ? least : mean;
	}
	return least;
}

/*
 * If threads and pages weigh the same (x = y), the mean is at least off + (a - b x) / (own + x)^2, which has one
 * minimum.
 */
static double least_in_line(const struct outlook *o)
{
	double off = o->near_least, own = o->weight;
	double a = o->distance - off * own * own, b = (off - o->self_least) * o->most;
	double x = b > 0 ? own + 2 * a / b : a > 0 ? o->left * o->most : 0;

	x = x < 0 ? 0 : x > o->left * o->most ? o->left * o->most : x;
	return own + x > 0 ? off + (a - b * x) / ((own + x) * (own + x)) : 0;
}

/* Lower bound of the distance of a set that contains the chosen sites and @left more. */
static double least_distance(const struct branch *br, const struct sums *sum, unsigned int left)
{
	struct outlook o = {
		.near_least = br->s->topology->near_least,
		.self_least = br->b->nearest,
		.distance = (double)sum->distance,
		.weight = (double)sum->weight,
		.mem_weight = (double)sum->mem_weight,
		.most = (double)br->b->weight_most,
		.mem_most = (double)br->b->mem_weight_most,
		.left = left,
	};
	double one, other;

	if (!br->b->apart)
		return least_in_line(&o);
	one = least_in_corners(&o, true);
	other = left > 1 ? least_in_corners(&o, false) : one;
	return one > other ? one : other;
}

/* Whether a set of the chosen sites and @left more can still beat the best (or second best) one. */
static bool may_be_better(const struct branch *br, const struct sums *sum, unsigned int left)
{
	const struct search *s = br->s;
	const struct site_set *rival = s->want_second ? &s->second : &s->best;

	return !rival->n || least_distance(br, sum, left) / 20.0 + br->b->least_uneven < rival->cost - COST_SAME;
}

static void branch(struct branch *br, const struct sums *sum, unsigned int depth, unsigned int from)
{
	struct search *s = br->s;
	unsigned int left = br->k - depth;

	for (unsigned int v = from; v < s->nsites; v++) {
		struct sums next = *sum;

		if (!may_suffice(br, sum, v, left))
			return;
		if (v > from && equivalent(s, v, v - 1))
			continue;
		if (br->work <= depth + 1) {
			br->work = 0;
			return;
		}
		br->work -= depth + 1;
		sums_add(s, &next, br->chosen, depth, v);
		br->chosen[depth] = (uint16_t)v;
		if (left == 1) {
			if (search_fits(s, &next))
				consider(s, br->chosen, br->k, &next);
		} else if (may_be_better(br, &next, left - 1)) {
			branch(br, &next, depth + 1, v + 1);
			if (!br->work)
				return;
		}
	}
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
			consider(s, &one, 1, &sum);
	}
}

/* A greedy set under construction. */
struct greedy {
	uint16_t *site;
	bool *in;
	struct cross *cross; /* by site: sums over the chosen sites */
	struct sums sum;
	unsigned int n;
};

static void greedy_add(struct search *s, struct greedy *g, unsigned int v)
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

static void greedy_reset(const struct search *s, struct greedy *g)
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

enum greedy_kind { BY_COST, BY_DISTANCE, BY_COVER };

/*
 * Whether @left more sites can still provide the room. Optimistic: takes the largest sites, even if they are in the
 * set already.
 */
static bool room_in_reach(const struct search *s, const struct bounds *b, int64_t room, unsigned int left)
{
	unsigned int n = left < s->nsites ? left : s->nsites;

	return room + b->room_before[n] >= s->need.room;
}

static int greedy_next(const struct search *s, const struct bounds *b, const struct greedy *g, enum greedy_kind kind,
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

/* Fills the set up to @k sites; true if it suffices. */
static bool greedy_fill(struct search *s, const struct bounds *b, struct greedy *g, enum greedy_kind kind,
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

/* Sums after replacing the set's member number @out_i by site @v. */
static void sums_swapped(const struct search *s, const struct greedy *g, unsigned int out_i, unsigned int v,
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
				  x->weight * home_of(s, u));
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
		consider(s, g->site, g->n, &g->sum);
	}
}

static void greedy_from(struct search *s, const struct bounds *b, struct greedy *g, int start, enum greedy_kind kind,
			unsigned int k)
{
	greedy_reset(s, g);
	if (start >= 0)
		greedy_add(s, g, (unsigned int)start);
	if (greedy_fill(s, b, g, kind, k))
		consider(s, g->site, g->n, &g->sum);
}

/* Builds greedy sets of @k sites from every distinct start, then improves the best one by exchange. */
static void search_greedily(struct search *s, const struct bounds *b, struct greedy *g, unsigned int k)
{
	greedy_from(s, b, g, -1, BY_COVER, k);
	greedy_from(s, b, g, -1, BY_COST, k);
	for (unsigned int v = 0; v < s->nsites; v++) {
		if (v && equivalent(s, v, v - 1))
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

/*
 * Lower bound of the evenness cost: taking gains at most 1, and takes at most step times the ratio of the average
 * node to the smallest one.
 */
static double least_uneven(const struct search *s)
{
	double most = 0, smallest = 0;

	if (s->need.overcommit)
		return 0;
	for (unsigned int i = 0; i < s->nsites; i++)
		if (s->sites[i].cpus && (smallest == 0 || s->sites[i].cpus < smallest))
			smallest = s->sites[i].cpus;
	if (smallest > 0)
		most = (double)s->need.room / LOAD_ONE / smallest / s->taste.step;
	return s->taste.mean < 1 ? s->taste.cpu * most * (s->taste.mean - 1 - s->taste.step * most / 2 / s->taste.nodes) : 0;
}

static void bounds_fill(const struct search *s, struct bounds *b)
{
	const struct topology *t = s->topology;
	unsigned int n = s->nsites;

	b->nearest = UINT16_MAX;
	for (unsigned int i = 0; i < n; i++) {
		const struct site *x = &s->sites[i];
		unsigned int self = t->near[x->node * t->nnodes + x->node];

		b->room_before[i + 1] = b->room_before[i] + x->room;
		if (x->weight > b->weight_most)
			b->weight_most = x->weight;
		if (x->mem_weight > b->mem_weight_most)
			b->mem_weight_most = x->mem_weight;
		b->apart |= x->weight != x->mem_weight;
		if (self < b->nearest)
			b->nearest = self;
	}
	b->least_uneven = least_uneven(s);
	/* topology_finish() ensures that no node is nearer to another than the nearest is to itself */
	for (unsigned int i = n; i-- > 0;) {
		const struct site *x = &s->sites[i];

		b->avail_most[i] = x->avail > b->avail_most[i + 1] ? x->avail : b->avail_most[i + 1];
		for (unsigned int h = 0; h < t->nhuge; h++)
			b->huge_most[h][i] =
				x->huge[h] > b->huge_most[h][i + 1] ? x->huge[h] : b->huge_most[h][i + 1];
	}
}

/* Lower bound of the number of sites, from each need alone. */
static unsigned int fewest(const struct search *s, const struct bounds *b)
{
	unsigned int k = 1;
	uint64_t most = b->avail_most[0];

	while (k < s->nsites && b->room_before[k] < s->need.room)
		k++;
	if (most && s->need.memory > most && (s->need.memory + most - 1) / most > k)
		k = (unsigned int)((s->need.memory + most - 1) / most);
	return k < s->nsites ? k : s->nsites;
}

static void search_size(struct search *s, const struct bounds *b, struct greedy *g, unsigned int k)
{
	struct branch br = { .s = s, .b = b, .k = k, .work = EXACT_WORK };
	struct sums none = { 0 };

	if (k == 1) {
		search_singles(s);
		return;
	}
	if (s->nsites > 8 && s->work)
		search_greedily(s, b, g, k);
	if (k <= DEPTH_MAX)
		branch(&br, &none, 0, 0);
}

static int search_sizes(struct search *s, const struct bounds *b, struct greedy *g)
{
	unsigned int all = s->nsites;
	unsigned int covered = all;
	struct sums sum;

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
	for (unsigned int k = fewest(s, b); k <= covered; k++) {
		s->work = WORK_MAX;
		search_size(s, b, g, k);
		if (s->best.n)
			return 0;
	}
	greedy_reset(s, g);
	if (!greedy_fill(s, b, g, BY_COVER, covered))
		return -ENOSPC;
	consider(s, g->site, g->n, &g->sum);
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

			if (g->in[v] || (s->second.n && !equivalent(s, u, v)))
				continue;
			sums_swapped(s, g, i, v, &sum);
			cost = search_cost(s, &sum);
			if (!search_fits(s, &sum) || cost < s->best.cost - COST_SAME ||
			    (s->second.n && cost >= s->second.cost - COST_SAME))
				continue;
			g->site[i] = (uint16_t)v;
			set_copy(&s->second, g->site, g->n, cost);
			g->site[i] = (uint16_t)u;
			qsort(s->second.site, s->second.n, sizeof(*s->second.site), by_number);
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
		r = s->nsites ? search_sizes(s, &x.b, &x.g) : -ENOSPC;
	}
	if (r == 0 && s->want_second)
		find_second(s, &x.g);
	if (r == 0)
		r = sets_keep(s);
	else
		s->best.site = s->second.site = NULL;
	free(x.block);
	return r;
}

void search_free(struct search *s)
{
	free(s->best.site);
	s->best.site = s->second.site = NULL;
	s->best.n = s->second.n = 0;
}
