/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Choices by predicted speed. "greedy": of the smallest sets that fit, the one with which the newcomer and its
 * neighbours are fastest now. "model": the same, less what the next arrivals lose because room in one node, or in near
 * nodes, is broken up. Both know of the others only what numaplace knows: load and memory of each node.
 */
#include "bench/select/bench.h"

#include "plugin/base/util.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CLASSES_MAX 24
#define LEVELS_MAX  6
#define JUMP	    1.08 /* latencies of one level differ by less */

/* What does not change between two decisions on one machine. */
struct known {
	const struct topology *t;
	struct model m;
	unsigned int nlevels;
	double level[LEVELS_MAX];    /* latency between its nodes */
	uint16_t *group[LEVELS_MAX]; /* by node */
	unsigned int nclasses, size[CLASSES_MAX];
	double seen[CLASSES_MAX]; /* a prior, and the arrivals */
	double stream;
};

static struct known known;

struct decision {
	const struct state *s;
	const struct ask *a;
	const struct known *k;
	bool ahead;
	double compute;		  /* slowdown of computing by the other thread of a core */
	double load[NODE_ID_MAX]; /* CPUs */
	double drawn[NODE_ID_MAX], link[NODE_ID_MAX];
	double speed[NODE_ID_MAX]; /* of those on a node */
	double best;
	uint16_t by_room[NODE_ID_MAX];
	double seen, arrivals;
	unsigned int n, count[NODE_ID_MAX];
	uint16_t set[NODE_ID_MAX];
};

/* The lowest latency above @floor between two nodes with CPUs; the highest of all as @top. */
static double next_latency(const struct known *k, double floor, double *top)
{
	unsigned int n = k->t->nnodes;
	double next = INFINITY;

	*top = 0;
	for (unsigned int i = 0; i < n; i++)
		for (unsigned int j = 0; j < n; j++) {
			double l = k->m.latency[i * n + j];

			if (i == j || !k->t->nodes[i].ncpus || !k->t->nodes[j].ncpus)
				continue;
			next = l > floor && l < next ? l : next;
			*top = l > *top ? l : *top;
		}
	return next;
}

/* Whether @v is near, both ways, to all nodes below it that are in @group. */
static bool joins(const struct known *k, unsigned int level, unsigned int group, unsigned int v)
{
	unsigned int n = k->t->nnodes;

	for (unsigned int i = 0; i < v; i++)
		if (k->group[level][i] == group && (k->m.latency[i * n + v] > k->level[level] * JUMP ||
						    k->m.latency[v * n + i] > k->level[level] * JUMP))
			return false;
	return true;
}

static void group_nodes(struct known *k, unsigned int level)
{
	unsigned int n = k->t->nnodes, groups = 0;
	uint16_t *group = malloc(n * sizeof(*group));

	if (!group)
		abort();
	k->group[level] = group;
	for (unsigned int i = 0; i < n; i++)
		group[i] = NO_NODE;
	for (unsigned int i = 0; i < n; i++) {
		if (group[i] != NO_NODE)
			continue;
		for (unsigned int j = i; j < n; j++)
			if (group[j] == NO_NODE && joins(k, level, groups, j))
				group[j] = (uint16_t)groups;
		groups++;
	}
}

static void find_levels(struct known *k)
{
	double last = 1, top;

	for (k->nlevels = 0; k->nlevels < LEVELS_MAX; k->nlevels++) {
		double next = next_latency(k, last, &top);

		if (isinf(next))
			break;
		last = k->nlevels + 1 == LEVELS_MAX ? top : next * JUMP;
		k->level[k->nlevels] = last < top ? next : top;
	}
	for (unsigned int l = 0; l < k->nlevels; l++)
		group_nodes(k, l);
}

static void know(const struct state *s)
{
	struct known *k = &known;

	if (k->t == s->t && s->usage && k->t)
		return;
	for (unsigned int l = 0; l < LEVELS_MAX; l++)
		free(k->group[l]);
	model_free(&k->m);
	*k = (struct known){ .t = s->t };
	if (model_init(&k->m, s->t, &model_params[0]))
		abort();
	find_levels(k);
	for (unsigned int c = 1; c <= s->total_cpus / 2 && k->nclasses < CLASSES_MAX; c *= 2) {
		k->size[k->nclasses++] = c;
		if (c > 1 && c / 2 * 3 <= s->total_cpus / 2 && k->nclasses < CLASSES_MAX)
			k->size[k->nclasses++] = c / 2 * 3;
	}
	for (unsigned int i = 0; i < WORK_KINDS; i++)
		k->stream += model_params[0].mix[i] * model_params[0].stream[i];
}

/* An empty machine is a new one: only the prior is known, by which all sizes use as many CPUs. */
static void forget(const struct state *s)
{
	for (unsigned int i = 0; i < s->ncand; i++)
		if (s->node_load[s->cand[i]])
			return;
	for (unsigned int c = 0; c < known.nclasses; c++)
		known.seen[c] = 4.0 / known.size[c];
}

static void saw(unsigned int cpus)
{
	unsigned int c = 0;

	while (c + 1 < known.nclasses && known.size[c + 1] <= cpus)
		c++;
	known.seen[c]++;
}

/* Mean speed of local work on a node. */
static double local_speed(const struct decision *d, unsigned int node, double drawn, double crowd)
{
	const struct model_params *p = d->k->m.params;
	double wait = model_wait(p, drawn, d->k->m.controller[node]) * (1 + p->cache * crowd), sum = 0;

	for (unsigned int i = 0; i < WORK_KINDS; i++)
		sum += p->mix[i] / ((1 - p->memory[i]) * d->compute + p->memory[i] * wait);
	return sum;
}

/* Time of a container at this speed, as a loss: a kind of work that becomes slow counts more than one that is fast. */
static double worth(double speed)
{
	return 1 - 1 / speed;
}

static double crowd_of(const struct decision *d, unsigned int node, double load)
{
	double crowd = load / d->s->cpus[node];

	return crowd < 1 ? crowd : 1;
}

static void look_at_nodes(struct decision *d)
{
	const struct state *s = d->s;

	d->compute = s->smt > 1 ? 1 / d->k->m.params->smt : 1;
	for (unsigned int i = 0; i < s->t->nnodes; i++) {
		d->load[i] = s->cpus[i] ? (double)s->node_load[i] / LOAD_ONE : 0;
		d->drawn[i] = d->link[i] = 0;
		d->speed[i] = 1;
		if (!s->cpus[i])
			continue;
		for (unsigned int round = 0; round < 3; round++) {
			d->drawn[i] = d->load[i] * d->k->stream * d->speed[i];
			d->speed[i] = (d->speed[i] + local_speed(d, i, d->drawn[i], crowd_of(d, i, d->load[i]))) / 2;
		}
	}
}

/* Candidates by room, most first. */
static void look_ahead(struct decision *d)
{
	const struct state *s = d->s;
	double mean = 0, free = 0;

	for (unsigned int i = 0; i < s->ncand; i++) {
		unsigned int j = i, v = s->cand[i];

		for (; j && s->room[d->by_room[j - 1]] < s->room[v]; j--)
			d->by_room[j] = d->by_room[j - 1];
		d->by_room[j] = (uint16_t)v;
	}
	d->seen = 0;
	for (unsigned int c = 0; c < d->k->nclasses; c++) {
		d->seen += d->k->seen[c];
		mean += d->k->seen[c] * d->k->size[c];
	}
	mean /= d->seen;
	for (unsigned int i = 0; i < s->ncand; i++)
		free += s->room[s->cand[i]];
	d->arrivals = (free - d->a->cpus) / mean;
	d->arrivals = d->arrivals < 1 ? 1 : d->arrivals;
}

/* Lost speed of a container of @n equal parts at @latency, against one on one node. */
static double loss(const struct known *k, double latency, double n)
{
	const struct model_params *p = k->m.params;
	double sum = 0, far = (n - 1) / n * (latency - 1) * p->shared;

	for (unsigned int i = 0; i < WORK_KINDS; i++)
		sum += p->mix[i] * p->memory[i] * far;
	return sum;
}

/* The most free nodes of a group, added up in that order: how many of them hold each size. */
static void widths(const struct decision *d, const uint16_t *order, const unsigned int *room, unsigned int level,
		   unsigned int *width)
{
	const struct known *k = d->k;
	unsigned int sum[NODE_ID_MAX] = { 0 }, n[NODE_ID_MAX] = { 0 };

	for (unsigned int i = 0; i < d->s->ncand; i++) {
		unsigned int v = order[i], g = level < k->nlevels ? k->group[level][v] : 0;

		sum[g] += room[v];
		n[g]++;
		for (unsigned int c = 0; c < k->nclasses && k->size[c] <= sum[g]; c++)
			if (!width[c] || n[g] < width[c])
				width[c] = n[g];
	}
}

/* Room of all nodes after the candidate, and the nodes by it, most first. */
static void take_away(const struct decision *d, const uint16_t *set, const unsigned int *count, unsigned int n,
		      unsigned int *room, uint16_t *order)
{
	const struct state *s = d->s;

	for (unsigned int i = 0; i < s->ncand; i++)
		room[s->cand[i]] = s->room[s->cand[i]];
	for (unsigned int i = 0; i < n; i++)
		room[set[i]] -= count[i] < room[set[i]] ? count[i] : room[set[i]];
	for (unsigned int i = 0; i < s->ncand; i++) {
		unsigned int j = i, v = d->by_room[i];

		for (; j && room[order[j - 1]] < room[v]; j--)
			order[j] = order[j - 1];
		order[j] = (uint16_t)v;
	}
}

#define NO_ROOM 0.5 /* lost speed of a container that must share its CPUs */

/* Lost speed of class @c if it needs several nodes: the fewest, of these the nearest. */
static double loss_of(const struct known *k, unsigned int c, unsigned int (*width)[CLASSES_MAX])
{
	unsigned int fewest = width[k->nlevels][c];
	double least = NO_ROOM;

	for (unsigned int l = 0; l < k->nlevels && fewest; l++)
		if (width[l][c] && width[l][c] <= fewest + (fewest > 1))
			least = fmin(least, loss(k, k->level[l], width[l][c] > 1 ? width[l][c] : 2));
	return least;
}

/*
 * What the next arrivals lose if the candidate is taken. As many arrive as have room; those of one size that find no
 * node for themselves (their number is geometric) are spread over several.
 */
static double lost_ahead(const struct decision *d, const uint16_t *set, const unsigned int *count, unsigned int n)
{
	const struct state *s = d->s;
	const struct known *k = d->k;
	static unsigned int room[NODE_ID_MAX], width[LEVELS_MAX + 1][CLASSES_MAX];
	static uint16_t order[NODE_ID_MAX];
	double sum = 0;

	take_away(d, set, count, n, room, order);
	memset(width, 0, sizeof(width));
	for (unsigned int l = 0; l <= k->nlevels; l++)
		widths(d, order, room, l, width[l]);
	for (unsigned int c = 0; c < k->nclasses; c++) {
		double expected = k->seen[c] / d->seen * d->arrivals, beyond = expected;
		unsigned int slots = 0;

		for (unsigned int i = 0; i < s->ncand && room[order[i]] >= k->size[c]; i++)
			slots += room[order[i]] / k->size[c];
		for (unsigned int i = 0; i < slots && beyond > 1e-6; i++)
			beyond *= expected / (1 + expected);
		sum += beyond * k->size[c] * loss_of(k, c, width);
	}
	return sum;
}

/* Where threads and pages are: pages with their threads while there is room, the rest on the other nodes. */
static void fill_parts(const struct decision *d, const uint16_t *set, const unsigned int *count, unsigned int n,
		       struct model_part *part)
{
	const struct state *s = d->s;
	uint64_t left = d->a->memory;

	for (unsigned int i = 0; i < n; i++) {
		uint64_t bytes = (uint64_t)((double)d->a->memory * count[i] / d->a->cpus), room = mem_room(s, set[i]);

		bytes = bytes < room ? bytes : room;
		part[i] = (struct model_part){ .node = set[i], .threads = count[i], .time = 1 };
		part[i].pages = d->a->memory ? (double)bytes : (double)count[i];
		part[i].siblings = s->smt > 1;
		part[i].crowd = crowd_of(d, set[i], d->load[set[i]]);
		left -= bytes;
	}
	for (unsigned int i = 0; i < n && d->a->memory; i++) {
		uint64_t more = mem_room(s, set[i]) - (uint64_t)part[i].pages;

		more = more < left ? more : left;
		part[i].pages += (double)more;
		left -= more;
	}
	for (unsigned int i = 0; i < n; i++)
		part[i].pages /= d->a->memory ? (double)(d->a->memory - left) : d->a->cpus;
}

/* Of the newcomer, less what its neighbours lose; by CPU. */
static double value_now(struct decision *d, const uint16_t *set, const unsigned int *count, unsigned int n)
{
	static struct model_part part[NODE_ID_MAX];
	static double drawn[NODE_ID_MAX], link[NODE_ID_MAX];
	struct model_traffic tr = { drawn, link };
	const struct model *m = &d->k->m;
	double sum = 0;
	struct work w;

	fill_parts(d, set, count, n, part);
	for (unsigned int i = 0; i < n; i++) {
		drawn[set[i]] = d->drawn[set[i]];
		link[set[i]] = 0;
	}
	for (unsigned int i = 0; i < WORKS; i++) {
		double weight = model_work(m->params, i, &w);

		model_draw(m, part, n, &w, weight * d->speed[set[0]], &tr);
	}
	for (unsigned int i = 0; i < WORKS; i++) {
		double weight = model_work(m->params, i, &w);

		sum += weight * d->a->cpus * worth(model_speed(m, part, n, &w, &tr));
	}
	for (unsigned int i = 0; i < n; i++) {
		unsigned int v = set[i];
		double after = local_speed(d, v, drawn[v], crowd_of(d, v, d->load[v] + count[i]));

		sum -= d->load[v] * (worth(d->speed[v]) - worth(after));
	}
	return sum;
}

/* Equal shares while there is room, in whole cores where only those are given. */
static bool deal_equally(const struct decision *d, const uint16_t *set, unsigned int n, unsigned int *count)
{
	unsigned int unit = d->s->whole_cores ? d->s->smt : 1, left = d->a->cpus;

	memset(count, 0, n * sizeof(*count));
	while (left) {
		unsigned int best = n, part = left < unit ? left : unit;

		for (unsigned int i = 0; i < n; i++)
			if (d->s->room[set[i]] >= count[i] + part &&
			    (best == n || count[i] < count[best] ||
			     (count[i] == count[best] && d->s->room[set[i]] > d->s->room[set[best]])))
				best = i;
		if (best == n)
			return false;
		count[best] += part;
		left -= part;
	}
	return true;
}

/* One node after the other; @least: those with the least room first. */
static void deal_in_order(const struct decision *d, const uint16_t *set, unsigned int n, bool least,
			  unsigned int *count)
{
	unsigned int left = d->a->cpus;

	memset(count, 0, n * sizeof(*count));
	for (unsigned int i = 0; i < n; i++) {
		unsigned int best = n;

		for (unsigned int j = 0; j < n; j++)
			if (!count[j] && (best == n || (least ? d->s->room[set[j]] < d->s->room[set[best]]
							      : d->s->room[set[j]] > d->s->room[set[best]])))
				best = j;
		count[best] = d->s->room[set[best]] < left ? d->s->room[set[best]] : left;
		left -= count[best];
		if (!left || !count[best])
			return;
	}
}

static void keep_fastest(void *arg, const uint16_t *set, unsigned int n)
{
	struct decision *d = arg;
	unsigned int count[NODE_ID_MAX];

	for (unsigned int way = 0; way < (n > 1 ? 4 : 1); way++) {
		double value;
		bool all = true;

		if (way == 0)
			deal_by_room(d->s, set, n, d->s->room, d->a->cpus, count);
		else if (way == 1)
			all = deal_equally(d, set, n, count);
		else
			deal_in_order(d, set, n, way == 3, count);
		for (unsigned int i = 0; i < n && way > 1; i++)
			all &= count[i] > 0;
		if (!all)
			continue;
		value = value_now(d, set, count, n);
		if (d->n && value <= d->best + 1e-9)
			continue;
		if (d->ahead)
			value -= lost_ahead(d, set, count, n);
		if (d->n && value <= d->best + 1e-9)
			continue;
		d->best = value;
		d->n = n;
		memcpy(d->set, set, n * sizeof(*set));
		memcpy(d->count, count, n * sizeof(*count));
	}
}

struct takers {
	double used[NODE_ID_MAX];	       /* by cache of the node: CPUs that others use */
	unsigned int free[NODE_ID_MAX], first; /* CPUs that may be taken; the node's lowest cache */
	bool taken[65536];
};

static bool free_cpu(const struct state *s, const struct takers *t, unsigned int cpu)
{
	if (t->taken[cpu] || s->load[cpu] >= LOAD_ONE)
		return false;
	return !s->exclusive || (s->load[cpu] == 0 && (!s->whole_cores || core_is_free(s, &s->core[s->core_of[cpu]])));
}

/* The cache to take from: one that holds all of @left and is used least, else the one with most free CPUs. */
static unsigned int best_cache(const struct takers *t, unsigned int n, unsigned int left)
{
	unsigned int best = 0;

	for (unsigned int i = 1; i < n; i++) {
		bool all = t->free[i] >= left, best_all = t->free[best] >= left;

		if (all != best_all ? all : all ? t->used[i] < t->used[best] : t->free[i] > t->free[best])
			best = i;
	}
	return best;
}

/* CPUs of the cache: those with the least load first, of these one thread of each idle core, unless whole cores are
 * given. */
static void take_in_cache(const struct state *s, struct takers *t, unsigned int node, unsigned int cache,
			  unsigned int end, struct choice *c)
{
	unsigned int first = s->core[s->first_core[node]].first;

	while (c->ncpus < end && t->free[cache]) {
		unsigned int best = NO_NODE;
		uint64_t least = 0;

		for (unsigned int m = first; m < first + s->cpus[node]; m++) {
			unsigned int cpu = s->member[m];
			const struct core *core = &s->core[s->core_of[cpu]];
			uint64_t cost = (uint64_t)s->load[cpu] << 20;

			if (s->t->cpus[cpu].llc - t->first != cache || !free_cpu(s, t, cpu))
				continue;
			for (unsigned int k = 0; k < core->n && !s->whole_cores; k++) {
				unsigned int other = s->member[core->first + k];

				cost += other == cpu ? 0 : t->taken[other] ? LOAD_ONE : s->load[other];
			}
			if (best == NO_NODE || cost < least) {
				best = cpu;
				least = cost;
			}
		}
		if (best == NO_NODE) {
			t->free[cache] = 0;
			return;
		}
		t->taken[best] = true;
		t->free[cache]--;
		c->cpu[c->ncpus++] = (uint16_t)best;
	}
}

static bool first_of_idle_core(const struct state *s, unsigned int cpu)
{
	const struct core *core = &s->core[s->core_of[cpu]];

	return s->member[core->first] == cpu && core_is_free(s, core);
}

/*
 * CPUs of one node, in as few caches as hold them, the least used first. A shared container gets one thread of each
 * idle core before second threads.
 */
static bool take_alone(const struct state *s, unsigned int node, unsigned int count, struct choice *c)
{
	static struct takers t;
	const struct topo_node *n = &s->t->nodes[node];
	unsigned int end = c->ncpus + count, last = 0;

	t.first = NO_NODE;
	for (unsigned int i = n->first_cpu; i < n->first_cpu + n->ncpus; i++) {
		unsigned int llc = s->t->cpus[i].llc;

		t.taken[i] = s->t->cpus[i].isolated;
		t.first = llc < t.first ? llc : t.first;
		last = llc > last ? llc : last;
	}
	memset(t.used, 0, (last - t.first + 1) * sizeof(*t.used));
	memset(t.free, 0, (last - t.first + 1) * sizeof(*t.free));
	for (unsigned int i = n->first_cpu; i < n->first_cpu + n->ncpus; i++) {
		unsigned int cache = s->t->cpus[i].llc - t.first;

		t.used[cache] += (double)s->load[i] / LOAD_ONE;
		if (s->whole_cores)
			t.free[cache] += free_cpu(s, &t, i);
		else if (!s->t->cpus[i].isolated)
			t.free[cache] += first_of_idle_core(s, i);
	}
	for (unsigned int round = 0; round < 2; round++) { /* idle cores, then the threads that are left */
		while (c->ncpus < end) {
			unsigned int cache = best_cache(&t, last - t.first + 1, end - c->ncpus);

			if (!t.free[cache])
				break;
			take_in_cache(s, &t, node, cache, end, c);
		}
		memset(t.free, 0, (last - t.first + 1) * sizeof(*t.free));
		for (unsigned int i = n->first_cpu; i < n->first_cpu + n->ncpus; i++)
			t.free[s->t->cpus[i].llc - t.first] += free_cpu(s, &t, i);
	}
	return c->ncpus == end;
}

static bool by_speed(const struct state *s, const struct ask *a, bool ahead, struct choice *c)
{
	static struct decision d;
	struct want w = { .cpus = a->cpus, .memory = a->memory, .room = s->room };

	know(s);
	d.s = s;
	d.a = a;
	d.k = &known;
	d.ahead = ahead;
	d.n = 0;
	look_at_nodes(&d);
	if (ahead) {
		forget(s);
		look_ahead(&d);
		saw(a->cpus);
	}
	if (!sets_narrowest(s, &w, keep_fastest, &d))
		return overcommit(s, a, true, c);
	for (unsigned int i = 0; i < d.n; i++) {
		c->node[c->nnodes++] = d.set[i];
		if (!take_alone(s, d.set[i], d.count[i], c))
			return false;
	}
	charge_joint(s, a->memory, c);
	return true;
}

bool rule_greedy(const struct state *s, const struct ask *a, int balance, struct choice *c)
{
	(void)balance;
	return by_speed(s, a, false, c);
}

bool rule_model(const struct state *s, const struct ask *a, int balance, struct choice *c)
{
	(void)balance;
	return by_speed(s, a, true, c);
}
