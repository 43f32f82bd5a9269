/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The rules of Incus and of the kubelet, written from their descriptions. Each reads the state of the bench and returns
 * nodes, CPUs and memory per node, or refuses. If a rule does not use memory, its memory is on the nodes of its threads.
 */
#include "bench/select/bench.h"

#include <string.h>

/* The CPUs of the named nodes that the fewest containers use, lowest id first. */
static void fewest_holders(const struct state *s, unsigned int cpus, struct choice *c)
{
	unsigned int most = 0;

	for (unsigned int level = 0; level <= most && c->ncpus < cpus; level++)
		for (unsigned int i = 0; i < c->nnodes; i++) {
			const struct topo_node *n = &s->t->nodes[c->node[i]];

			for (unsigned int cpu = n->first_cpu; cpu < n->first_cpu + n->ncpus; cpu++) {
				if (s->t->cpus[cpu].isolated)
					continue;
				if (s->holders[cpu] > most)
					most = s->holders[cpu];
				if (s->holders[cpu] == level && c->ncpus < cpus)
					c->cpu[c->ncpus++] = (uint16_t)cpu;
			}
		}
}

/* Incus: the nodes that the fewest instances name; their number is the request divided by the CPUs of an average node. No
 * check of free resources. */
bool rule_incus(const struct state *s, const struct ask *a, int balance, struct choice *c)
{
	uint16_t order[NODE_ID_MAX];
	unsigned int average = s->total_cpus / s->ncand, k = 1;

	(void)balance;
	memcpy(order, s->cand, s->ncand * sizeof(*order));
	for (unsigned int i = 1; i < s->ncand; i++) { /* this sort is stable; that of Incus is not for more than 12 nodes */
		uint16_t x = order[i];
		unsigned int j = i;

		for (; j && s->instances[order[j - 1]] > s->instances[x]; j--)
			order[j] = order[j - 1];
		order[j] = x;
	}
	if (average && a->cpus > average)
		k = (a->cpus + average - 1) / average;
	if (k > s->ncand)
		k = s->ncand; /* Incus panics here */
	c->nnodes = k;
	memcpy(c->node, order, k * sizeof(*order));
	fewest_holders(s, a->cpus, c);
	charge_by_cpus(s, a->memory, c);
	return c->ncpus > 0;
}

static void name_cpu_nodes(const struct state *s, struct choice *c)
{
	bool seen[NODE_ID_MAX] = { false };

	c->nnodes = 0;
	for (unsigned int i = 0; i < c->ncpus; i++) {
		unsigned int node = s->t->cpus[c->cpu[i]].node;

		if (!seen[node])
			c->node[c->nnodes++] = (uint16_t)node;
		seen[node] = true;
	}
}

bool rule_packed(const struct state *s, const struct ask *a, int balance, struct choice *c)
{
	(void)balance;
	if (!take_packed(s, s->cand, s->ncand, a->cpus, c))
		return overcommit(s, a, false, c);
	name_cpu_nodes(s, c);
	charge_by_cpus(s, a->memory, c);
	return true;
}

struct distributed {
	const struct state *s;
	unsigned int cpus, unit, n;
	double cost;
	uint16_t set[NODE_ID_MAX];
};

static unsigned int equal_share(const struct distributed *d, unsigned int n)
{
	return d->cpus / n / d->unit * d->unit;
}

static bool equal_shares_fit(void *arg, const uint16_t *set, unsigned int n)
{
	const struct distributed *d = arg;

	for (unsigned int i = 0; i < n; i++)
		if (d->s->room[set[i]] < equal_share(d, n))
			return false;
	return true;
}

/* The sum of the free CPUs is the same for all sets, so the sum of squares shows which set leaves them most even. */
static void keep_evenest(void *arg, const uint16_t *set, unsigned int n)
{
	struct distributed *d = arg;
	double cost = 0, share = equal_share(d, n);

	for (unsigned int i = 0; i < n; i++) {
		double before = d->s->room[set[i]];

		cost += (before - share) * (before - share) - before * before;
	}
	if (d->n && cost >= d->cost)
		return;
	d->n = n;
	d->cost = cost;
	memcpy(d->set, set, n * sizeof(*set));
}

/* The remainder of equal shares goes, one unit at a time, to the nodes with most room. */
static bool deal_equally(const struct distributed *d, struct choice *c)
{
	unsigned int count[NODE_ID_MAX], left = d->cpus - equal_share(d, d->n) * d->n;

	for (unsigned int i = 0; i < d->n; i++)
		count[i] = equal_share(d, d->n);
	while (left) {
		unsigned int best = 0, part = left < d->unit ? left : d->unit;

		for (unsigned int i = 1; i < d->n; i++)
			if (d->s->room[d->set[i]] - count[i] > d->s->room[d->set[best]] - count[best])
				best = i;
		if (d->s->room[d->set[best]] - count[best] < part)
			return false;
		count[best] += part;
		left -= part;
	}
	for (unsigned int i = 0; i < d->n; i++)
		if (!take_cpus(d->s, d->set[i], count[i], false, c))
			return false;
	return true;
}

bool rule_distributed(const struct state *s, const struct ask *a, int balance, struct choice *c)
{
	struct distributed d = { .s = s, .cpus = a->cpus, .unit = s->whole_cores ? s->smt : 1 };
	struct want w = { .cpus = a->cpus, .room = s->room, .allowed = equal_shares_fit, .arg = &d };

	(void)balance;
	if (!sets_narrowest(s, &w, keep_evenest, &d) || !deal_equally(&d, c)) {
		choice_clear(c, s);
		return rule_packed(s, a, balance, c);
	}
	name_cpu_nodes(s, c);
	charge_by_cpus(s, a->memory, c);
	return true;
}

struct closest {
	const struct state *s;
	unsigned int n;
	double distance;
	uint16_t set[NODE_ID_MAX];
};

/* Sets come in ascending order, so the first of equally near ones has the lowest mask. */
static void keep_closest(void *arg, const uint16_t *set, unsigned int n)
{
	struct closest *best = arg;
	double distance = set_distance(best->s, set, n);

	if (best->n && distance >= best->distance)
		return;
	best->n = n;
	best->distance = distance;
	memcpy(best->set, set, n * sizeof(*set));
}

/* Topology Manager, best-effort, prefer-closest-numa-nodes; CPUs are packed within the chosen nodes. */
bool rule_closest(const struct state *s, const struct ask *a, int balance, struct choice *c)
{
	struct want w = { .cpus = a->cpus, .room = s->room };
	struct closest best = { .s = s };

	(void)balance;
	if (!sets_narrowest(s, &w, keep_closest, &best) || !take_packed(s, best.set, best.n, a->cpus, c)) {
		choice_clear(c, s);
		return overcommit(s, a, false, c);
	}
	name_cpu_nodes(s, c);
	charge_by_cpus(s, a->memory, c);
	return true;
}

/* Memory manager, Static: a node is used either by single-node containers or by one group of nodes. */
static bool groups_agree(void *arg, const uint16_t *set, unsigned int n)
{
	const struct state *s = arg;
	uint64_t name = s->group[set[0]];

	for (unsigned int i = 0; i < n; i++) {
		if (n == 1 ? s->multi[set[i]] : s->single[set[i]])
			return false;
		if (n > 1 && s->multi[set[i]] && (s->group[set[i]] != name || s->group_width[set[i]] != n))
			return false;
		if (n > 1 && !s->multi[set[i]] != !s->multi[set[0]])
			return false;
	}
	return true;
}

bool rule_closest_mm(const struct state *s, const struct ask *a, int balance, struct choice *c)
{
	struct want w = {
		.cpus = a->cpus, .memory = a->memory, .room = s->room, .allowed = groups_agree, .arg = (void *)s
	};
	struct closest best = { .s = s };
	unsigned int total = 0;
	bool overcommitted = false;

	(void)balance;
	for (unsigned int i = 0; i < s->ncand; i++)
		total += s->room[s->cand[i]];
	if (total < a->cpus) {
		if (s->exclusive)
			return false;
		overcommitted = true;
	}
	if (overcommitted || !sets_narrowest(s, &w, keep_closest, &best)) {
		/* No set fits both: the set has enough memory, the CPUs come from any node. */
		w.cpus = 0;
		if (!sets_narrowest(s, &w, keep_closest, &best))
			return false;
	}
	if (overcommitted) {
		if (!overcommit(s, a, false, c))
			return false;
		memset(c->mem, 0, s->t->nnodes * sizeof(*c->mem));
	} else if (!take_packed(s, best.set, best.n, a->cpus, c)) {
		c->ncpus = 0;
		if (!take_packed(s, s->cand, s->ncand, a->cpus, c))
			return false;
	}
	c->nnodes = best.n;
	memcpy(c->node, best.set, best.n * sizeof(*c->node));
	/* the memory manager counts memory from the lowest node up; for all rules, pages are on the nodes of the threads */
	charge_joint(s, a->memory, c);
	return true;
}

const struct rule rules[] = {
	{ "numaplace", "numaplace", ours_pick, RULE_OURS, 0, 0, 0, false },
	{ "greedy", "greedy by predicted speed", rule_greedy, RULE_MODEL, 0, 0, 0, false },
	{ "model", "predicted speed, and ahead", rule_model, RULE_MODEL, 0, 0, 0, false },
	{ "start", "a start to beat", rule_start, RULE_PEER, 0, 0, 0, false },
	{ "tm-closest", "Topology Manager + closest", rule_closest, RULE_PEER, 0, 0, 8, false },
	{ "tm-closest-mm", "  the same + memory manager", rule_closest_mm, RULE_PEER, 64, 0, 8, true },
	{ "kubelet-packed", "kubelet packed", rule_packed, RULE_PEER, 0, 0, 0, false },
	{ "kubelet-distributed", "kubelet distributed", rule_distributed, RULE_PEER, 0, 0, 8, false },
	{ "incus", "Incus balanced", rule_incus, RULE_PEER, 0, 0, 0, false },
	{ "numad", "numad", rule_numad, RULE_PEER, 0, 128, 0, false },
	{ "nri", "nri topology-aware", rule_nri, RULE_PEER, 0, 63, 0, false },
	{ "joint", "plain joint fit", rule_joint, RULE_PEER, 0, 0, 0, false },
	{ "best-fit", "best fit, closest set", rule_best, RULE_END, 0, 0, 0, false },
	{ "worst-fit", "worst fit", rule_worst, RULE_END, 0, 0, 0, false },
	{ "exhaustive", "exhaustive: nearest", rule_truth, RULE_TRUTH, 8, 0, 0, false },
};
const unsigned int nrules = sizeof(rules) / sizeof(rules[0]);

const struct rule *rule_find(const char *key)
{
	for (unsigned int i = 0; i < nrules; i++)
		if (strcmp(rules[i].key, key) == 0)
			return &rules[i];
	return NULL;
}
