/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Branch and bound over sets of nodes: exact while its work lasts, which is counted in steps, not in time. It tries sets
 * that differ only in equivalent nodes once.
 */
#include "plugin/select/search-internal.h"

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

static void branch_and_bound(struct branch *br, const struct sums *sum, unsigned int depth, unsigned int from)
{
	struct search *s = br->s;
	unsigned int left = br->k - depth;

	for (unsigned int v = from; v < s->nsites; v++) {
		struct sums next = *sum;

		if (!may_suffice(br, sum, v, left))
			return;
		if (v > from && sites_equivalent(s, v, v - 1))
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
				set_consider(s, br->chosen, br->k, &next);
		} else if (may_be_better(br, &next, left - 1)) {
			branch_and_bound(br, &next, depth + 1, v + 1);
			if (!br->work)
				return;
		}
	}
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

void bounds_fill(const struct search *s, struct bounds *b)
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

unsigned int bounds_fewest(const struct search *s, const struct bounds *b)
{
	unsigned int k = 1;
	uint64_t most = b->avail_most[0];

	while (k < s->nsites && b->room_before[k] < s->need.room)
		k++;
	if (most && s->need.memory > most && (s->need.memory + most - 1) / most > k)
		k = (unsigned int)((s->need.memory + most - 1) / most);
	return k < s->nsites ? k : s->nsites;
}

void search_exactly(struct search *s, const struct bounds *b, unsigned int k, unsigned long work)
{
	struct branch br = { .s = s, .b = b, .k = k, .work = work };
	struct sums none = { 0 };

	if (k <= DEPTH_MAX)
		branch_and_bound(&br, &none, 0, 0);
}
