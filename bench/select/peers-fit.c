/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rules that compare free resources: numad, the topology-aware policy of NRI, best and worst fit, a simple joint fit as the
 * baseline, and an exhaustive search for small machines. Written from their descriptions.
 */
#include "bench/select/bench.h"

#include <string.h>

/* numad: the score of a node; needed resources count more than spare ones. */
static double magnitude(const struct state *s, const struct ask *a, unsigned int node)
{
	double mb = (double)(mem_room(s, node) >> 20), need_mb = (double)(a->memory >> 20);
	double cpus = s->room[node], need = a->cpus;
	double weight_mb = mb > need_mb ? 10 * need_mb + 4 * (mb - need_mb) : 10 * mb;
	double weight_cpu = cpus > need ? 6 * need + (cpus - need) : 6 * cpus;

	return (weight_mb + 1) * weight_cpu;
}

/* The nodes by distance from @start; of equally near nodes, those with a higher score first. */
static void order_from(const struct state *s, unsigned int start, const double *mag, uint16_t *order)
{
	memcpy(order, s->cand, s->ncand * sizeof(*order));
	for (unsigned int i = 1; i < s->ncand; i++) {
		uint16_t x = order[i];
		unsigned int j = i, d = x == start ? 0 : topology_distance(s->t, start, x);

		for (; j; j--) {
			unsigned int y = order[j - 1], e = y == start ? 0 : topology_distance(s->t, start, y);

			if (e < d || (e == d && mag[y] >= mag[x]))
				break;
			order[j] = order[j - 1];
		}
		order[j] = x;
	}
}

/* The number of nodes, in that order, that have enough CPUs and memory; all nodes if none is enough. */
static unsigned int until_met(const struct state *s, const struct ask *a, const uint16_t *order)
{
	uint64_t cpus = 0, memory = 0;

	for (unsigned int i = 0; i < s->ncand; i++) {
		cpus += s->room[order[i]];
		memory += mem_room(s, order[i]);
		if (cpus >= a->cpus && memory >= a->memory)
			return i + 1;
	}
	return s->ncand;
}

/* Threads run on free CPUs, nearest first. The rule never refuses, so the rest run on the least loaded CPUs. */
static bool fill_in_order(const struct state *s, const struct ask *a, struct choice *c)
{
	unsigned int left = a->cpus, total = 0;

	for (unsigned int i = 0; i < c->nnodes; i++)
		total += s->room[c->node[i]];
	if (total < a->cpus) {
		unsigned int count[NODE_ID_MAX];

		deal_by_room(s, c->node, c->nnodes, s->cpus, a->cpus, count);
		for (unsigned int i = 0; i < c->nnodes; i++)
			take_cpus(s, c->node[i], count[i], true, c);
		return c->ncpus > 0;
	}
	for (unsigned int i = 0; i < c->nnodes && left; i++) {
		unsigned int n = s->room[c->node[i]] < left ? s->room[c->node[i]] : left;

		if (!take_cpus(s, c->node[i], n, false, c))
			return false;
		left -= n;
	}
	return true;
}

bool rule_numad(const struct state *s, const struct ask *a, int balance, struct choice *c)
{
	double mag[NODE_ID_MAX], best = -1;
	uint16_t order[NODE_ID_MAX];

	(void)balance;
	for (unsigned int i = 0; i < s->ncand; i++)
		mag[s->cand[i]] = magnitude(s, a, s->cand[i]);
	for (unsigned int i = 0; i < s->ncand; i++) {
		double sum = 0;

		order_from(s, s->cand[i], mag, order);
		for (unsigned int j = 0; j < s->ncand; j++) {
			double d = topology_distance(s->t, s->cand[i], order[j]);

			sum += mag[order[j]] / (d * d);
		}
		if (sum > best) {
			best = sum;
			c->nnodes = until_met(s, a, order);
			memcpy(c->node, order, c->nnodes * sizeof(*order));
		}
	}
	if (!fill_in_order(s, a, c))
		return false;
	charge_by_cpus(s, a->memory, c);
	return true;
}

/* NRI: a pool of the tree: all of @n nodes, or one cache of one node. */
struct pool {
	unsigned int depth, n, llc, free, containers;
	uint64_t memory;
	uint16_t node[NODE_ID_MAX];
};

static unsigned int llc_room(const struct state *s, unsigned int node, unsigned int llc, struct choice *c,
			     unsigned int most)
{
	unsigned int room = 0;

	for (unsigned int k = s->first_core[node]; k < s->first_core[node + 1]; k++) {
		const struct core *core = &s->core[k];

		if (s->t->cpus[s->member[core->first]].llc != llc || (s->whole_cores && !core_is_free(s, core)))
			continue;
		for (unsigned int i = 0; i < core->n; i++)
			if (cpu_is_free(s, s->member[core->first + i]) && room < most) {
				room++;
				if (c)
					c->cpu[c->ncpus++] = s->member[core->first + i];
			}
	}
	return room;
}

static void weigh_pool(const struct state *s, const struct ask *a, struct pool *p, struct pool *best)
{
	p->free = p->containers = 0;
	p->memory = 0;
	for (unsigned int i = 0; i < p->n; i++) {
		p->free += p->llc == NO_NODE ? s->room[p->node[i]] : llc_room(s, p->node[i], p->llc, NULL, ~0U);
		p->containers += s->instances[p->node[i]];
		p->memory += mem_room(s, p->node[i]);
	}
	if (p->free < a->cpus || p->memory < a->memory)
		return;
	if (best->n && (p->depth < best->depth || (p->depth == best->depth && p->free < best->free) ||
			(p->depth == best->depth && p->free == best->free && p->containers >= best->containers)))
		return;
	*best = *p;
}

static void weigh_nodes(const struct state *s, const struct ask *a, struct pool *p, struct pool *best)
{
	for (unsigned int i = 0; i < s->ncand; i++) {
		unsigned int node = s->cand[i], last = NO_NODE;

		*p = (struct pool){ .depth = 2, .n = 1, .llc = NO_NODE, .node = { (uint16_t)node } };
		weigh_pool(s, a, p, best);
		p->depth = 3;
		for (unsigned int k = s->first_core[node]; k < s->first_core[node + 1]; k++) {
			p->llc = s->t->cpus[s->member[s->core[k].first]].llc;
			if (p->llc != last)
				weigh_pool(s, a, p, best);
			last = p->llc;
		}
	}
}

static void weigh_sockets(const struct state *s, const struct ask *a, struct pool *p, struct pool *best)
{
	for (unsigned int i = 0; i < s->ncand; i++) {
		unsigned int package = s->t->nodes[s->cand[i]].package;
		bool first = true;

		*p = (struct pool){ .depth = 1, .llc = NO_NODE };
		for (unsigned int j = 0; j < s->ncand; j++)
			if (s->t->nodes[s->cand[j]].package == package) {
				first = first && j >= i;
				p->node[p->n++] = s->cand[j];
			}
		if (first)
			weigh_pool(s, a, p, best);
	}
}

bool rule_nri(const struct state *s, const struct ask *a, int balance, struct choice *c)
{
	static struct pool p, best;

	(void)balance;
	best.n = 0;
	weigh_nodes(s, a, &p, &best);
	if (!best.n)
		weigh_sockets(s, a, &p, &best);
	if (!best.n) {
		p = (struct pool){ .n = s->ncand, .llc = NO_NODE };
		memcpy(p.node, s->cand, s->ncand * sizeof(*p.node));
		weigh_pool(s, a, &p, &best);
	}
	if (!best.n)
		return overcommit(s, a, true, c);
	c->nnodes = best.n;
	memcpy(c->node, best.node, best.n * sizeof(*c->node));
	if (best.llc != NO_NODE)
		llc_room(s, best.node[0], best.llc, c, a->cpus);
	else if (!take_packed(s, best.node, best.n, a->cpus, c))
		return false;
	charge_joint(s, a->memory, c);
	return true;
}

/* The rules that take the narrowest sets which fit CPU and memory, and differ in what they prefer among them. */
struct fit {
	const struct state *s;
	const struct ask *a;
	unsigned int n;
	double key[2];
	uint16_t set[NODE_ID_MAX];
	void (*keys)(struct fit *f, const uint16_t *set, unsigned int n, double *key);
};

static void keep_best(void *arg, const uint16_t *set, unsigned int n)
{
	struct fit *f = arg;
	double key[2] = { 0, 0 };

	f->keys(f, set, n, key);
	if (f->n && (key[0] > f->key[0] || (key[0] <= f->key[0] && key[0] >= f->key[0] && key[1] >= f->key[1])))
		return;
	f->n = n;
	memcpy(f->key, key, sizeof(key));
	memcpy(f->set, set, n * sizeof(*set));
}

/* The share of these nodes that is free now; the mean of CPU's and memory's where memory counts. */
static double free_share(const struct fit *f, const uint16_t *set, unsigned int n)
{
	double room = 0, cpus = 0, memory = 0, total = 0;

	for (unsigned int i = 0; i < n; i++) {
		room += f->s->room[set[i]];
		cpus += f->s->cpus[set[i]];
		memory += (double)mem_room(f->s, set[i]);
		total += (double)f->s->t->nodes[set[i]].mem_total;
	}
	return f->a->memory && total > 0 ? (room / cpus + memory / total) / 2 : room / cpus;
}

static void worst_keys(struct fit *f, const uint16_t *set, unsigned int n, double *key)
{
	key[0] = -free_share(f, set, n);
}

static void best_keys(struct fit *f, const uint16_t *set, unsigned int n, double *key)
{
	key[0] = set_distance(f->s, set, n);
	key[1] = free_share(f, set, n);
}

static void joint_keys(struct fit *f, const uint16_t *set, unsigned int n, double *key)
{
	key[0] = set_distance(f->s, set, n);
	key[1] = -free_share(f, set, n);
}

static double load_after(const struct fit *f, const uint16_t *set, const unsigned int *count, unsigned int n)
{
	double cpu = 0, mem = 0;

	for (unsigned int i = 0; i < n; i++) {
		double total = (double)f->s->t->nodes[set[i]].mem_total;

		cpu += ((double)f->s->node_load[set[i]] / LOAD_ONE + count[i]) / f->s->cpus[set[i]];
		if (total > 0)
			mem += ((double)f->s->asked[set[i]] + (double)f->a->memory * count[i] / f->a->cpus) / total;
	}
	return f->a->memory ? (cpu + mem) / n / 2 : cpu / n;
}

static void start_keys(struct fit *f, const uint16_t *set, unsigned int n, double *key)
{
	unsigned int count[NODE_ID_MAX];

	deal_by_room(f->s, set, n, f->s->room, f->a->cpus, count);
	key[0] = cpu_distance(f->s, set, count, n) / 10 + 0.2 * load_after(f, set, count, n);
}

static void truth_keys(struct fit *f, const uint16_t *set, unsigned int n, double *key)
{
	unsigned int count[NODE_ID_MAX];

	deal_by_room(f->s, set, n, f->s->room, f->a->cpus, count);
	key[0] = cpu_distance(f->s, set, count, n);
	key[1] = load_after(f, set, count, n);
}

static bool fit(const struct state *s, const struct ask *a, struct choice *c,
		void (*keys)(struct fit *f, const uint16_t *set, unsigned int n, double *key))
{
	struct want w = { .cpus = a->cpus, .memory = a->memory, .room = s->room };
	struct fit f = { .s = s, .a = a, .keys = keys };
	unsigned int count[NODE_ID_MAX];

	w.no_search = keys == worst_keys && !a->memory; /* the emptiest nodes are the result */
	if (!sets_narrowest(s, &w, keep_best, &f))
		return overcommit(s, a, true, c);
	deal_by_room(s, f.set, f.n, s->room, a->cpus, count);
	for (unsigned int i = 0; i < f.n; i++) {
		c->node[c->nnodes++] = f.set[i];
		if (!take_cpus(s, f.set[i], count[i], false, c))
			return false;
	}
	charge_joint(s, a->memory, c);
	return true;
}

bool rule_worst(const struct state *s, const struct ask *a, int balance, struct choice *c)
{
	(void)balance;
	return fit(s, a, c, worst_keys);
}

bool rule_best(const struct state *s, const struct ask *a, int balance, struct choice *c)
{
	(void)balance;
	return fit(s, a, c, best_keys);
}

bool rule_joint(const struct state *s, const struct ask *a, int balance, struct choice *c)
{
	(void)balance;
	return fit(s, a, c, joint_keys);
}

bool rule_start(const struct state *s, const struct ask *a, int balance, struct choice *c)
{
	(void)balance;
	return fit(s, a, c, start_keys);
}

bool rule_truth(const struct state *s, const struct ask *a, int balance, struct choice *c)
{
	(void)balance;
	return fit(s, a, c, truth_keys);
}
