/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The best possible decision on a machine with few nodes: tries every set of nodes, and computes its cost from the
 * request and the machine. Shares no code with the search that it judges.
 */
#ifndef NUMAPLACE_TESTS_TRUTH_H
#define NUMAPLACE_TESTS_TRUTH_H

#include "plugin/select/select.h"
#include "tests/unit/made.h"

#include <math.h>
#include <stdio.h>

#define TRUTH_KEEP	3.0 /* at the default balance, if everything is used */
#define TRUTH_KEEP_IDLE 0.25
#define TRUTH_AWAY	0.1
#define TRUTH_GROUP	0.1

/*
 * The model's mix of work, a third each of three kinds: means of the part of the time that a thread waits for memory,
 * and of the traffic that it draws.
 */
#define TRUTH_WAITS ((0.05 + 0.6 + 0.7) / 3)
#define TRUTH_DRAWS ((0.02 + 0.1 + 0.7) / 3)

struct world {
	struct topology *t;
	struct usage *u;
	struct select_policy policy;
	struct error err;
	struct reasons why;
	bool whole;    /* nodes or CPUs were chosen outside of numaplace */
	uint16_t kind; /* only cores of this capacity count; 0: all */
};

static struct world world_of(struct topology *t)
{
	struct world w = { .t = t };

	w.u = usage_new(t->cpu_ids, (unsigned int)t->nodes[t->nnodes - 1].id + 1);
	select_policy_init(&w.policy);
	return w;
}

__attribute__((unused)) static void world_end(struct world *w)
{
	usage_free(w->u);
	topology_free(w->t);
}

static int select_in(struct world *w, const struct request *req, struct placement *p)
{
	struct select_input in = {
		.topology = w->t, .usage = w->u, .request = req, .policy = &w->policy, .whole = w->whole
	};

	memset(p, 0, sizeof(*p));
	memset(&w->why, 0, sizeof(w->why));
	memset(&w->err, 0, sizeof(w->err));
	return select_placement(&in, p, &w->why, &w->err);
}

struct truth {
	unsigned int fewest;
	double cost;
	bool possible;
};

/* Whether the CPU may be given at all, held or not. */
static bool may_give(const struct world *w, unsigned int cpu)
{
	return (!w->kind || w->t->cpus[cpu].capacity == w->kind) && !idset_has(&w->t->isolated, w->t->cpus[cpu].id);
}

static double room_of(const struct world *w, unsigned int node, bool exclusive)
{
	double room = 0;
	const struct topo_node *x = &w->t->nodes[node];

	for (unsigned int i = x->first_cpu; i < x->first_cpu + x->ncpus; i++) {
		bool core_free = true;

		for (unsigned int j = x->first_cpu; j < x->first_cpu + x->ncpus; j++)
			if (w->t->cpus[j].core == w->t->cpus[i].core &&
			    (w->u->load[w->t->cpus[j].id] || w->u->exclusive[w->t->cpus[j].id]))
				core_free = false;
		if (w->u->exclusive[w->t->cpus[i].id] || !may_give(w, i))
			continue;
		if (exclusive)
			room += core_free;
		else if (w->u->load[w->t->cpus[i].id] < LOAD_ONE)
			room += 1 - (double)w->u->load[w->t->cpus[i].id] / LOAD_ONE;
	}
	return room;
}

/* Memory that is used without being listed: of nodes with CPUs, and ordinary memory of others. */
static bool has_usual_memory(const struct world *w, unsigned int node)
{
	return w->t->nodes[node].has_memory && w->t->nodes[node].memory_kind == MEMORY_ORDINARY;
}

static double avail_of(const struct world *w, unsigned int node)
{
	const struct topo_node *x = &w->t->nodes[node];

	return has_usual_memory(w, node) && x->mem_free > w->u->pending[x->id]
		       ? (double)(x->mem_free - w->u->pending[x->id])
		       : 0;
}

/* Enough memory for a process to start: 64 MiB or a thousandth of the node, but at most a quarter of a small node. */
static bool has_room_left(const struct world *w, unsigned int node)
{
	double total = (double)w->t->nodes[node].mem_total, least = total / 1000 > 67108864 ? total / 1000 : 67108864;

	return avail_of(w, node) > 0 && avail_of(w, node) >= (double)(uint64_t)(least < total / 4 ? least : total / 4);
}

/* How much farther than local memory the memory is that threads on this node use. */
static double memory_away(const struct world *w, unsigned int node)
{
	const struct topology *t = w->t;
	unsigned int nearest = 65535;
	bool any = false;

	for (unsigned int j = 0; j < t->nnodes; j++)
		any |= has_room_left(w, j);
	for (unsigned int j = 0; j < t->nnodes; j++)
		if (has_usual_memory(w, j) && (!any || has_room_left(w, j))) {
			if (j == node)
				return 0;
			if (t->near[node * t->nnodes + j] < nearest)
				nearest = t->near[node * t->nnodes + j];
		}
	return nearest - 20.0;
}

/* CPUs that may be given, held or not. */
static double cpus_of(const struct world *w, unsigned int node)
{
	const struct topo_node *x = &w->t->nodes[node];
	double cpus = 0;

	for (unsigned int i = x->first_cpu; i < x->first_cpu + x->ncpus; i++)
		cpus += may_give(w, i);
	return cpus;
}

/* The gain of reducing the free part of a node from r to r - d, at the default balance. */
static double gain(double r, double d, double keep)
{
	double after = r - d;

	return (r * r - after * after) / 2 - keep / 4 * (r * r * r * r - after * after * after * after);
}

static double least(double a, double b)
{
	return a < b ? a : b;
}

/* CPUs that threads may run on, at most as many as requested. */
static double threads_of(const struct world *w, unsigned int node, const struct request *r)
{
	return least(room_of(w, node, r->exclusive), r->cpu_count ? r->cpu_count : 1);
}

/*
 * Bytes that pages may be in, at most as many as requested. Without a request they are with the threads, if these have
 * memory.
 */
static double pages_of(const struct world *w, unsigned int node, const struct request *r)
{
	if (!r->memory)
		return memory_away(w, node) > 0 ? 0 : threads_of(w, node, r);
	return least(avail_of(w, node), (double)r->memory);
}

/* From threads on node @from to the pages of threads on node @of, which are on the node with room that is nearest to
 * it. */
static double near_to_pages(const struct world *w, unsigned int from, unsigned int of)
{
	const struct topology *t = w->t;
	double away = 20 + memory_away(w, of), nearest = 65535;
	bool any = false;

	for (unsigned int j = 0; j < t->nnodes; j++)
		any |= has_room_left(w, j);
	for (unsigned int j = 0; j < t->nnodes; j++)
		if (has_usual_memory(w, j) && (!any || has_room_left(w, j)) && t->near[of * t->nnodes + j] <= away &&
		    (away > 20 || j == of) && t->near[from * t->nnodes + j] < nearest)
			nearest = t->near[from * t->nnodes + j];
	return nearest;
}

/* The mean distance between a thread and a page, if both may be anywhere in the set. */
static double truth_distance(const struct world *w, unsigned int mask, const struct request *r)
{
	double sum = 0, threads = 0, pages = 0, away = 0, apart = 0;

	for (unsigned int i = 0; i < w->t->nnodes; i++) {
		if (!(mask >> i & 1))
			continue;
		threads += threads_of(w, i, r);
		pages += pages_of(w, i, r);
		away += r->memory ? 0 : threads_of(w, i, r) * memory_away(w, i);
		for (unsigned int j = 0; j < w->t->nnodes; j++)
			if (mask >> j & 1) {
				double near = w->t->near[i * w->t->nnodes + j];

				sum += threads_of(w, i, r) * pages_of(w, j, r) * near;
				apart += r->memory ? 0
						   : threads_of(w, i, r) * threads_of(w, j, r) * near_to_pages(w, i, j);
			}
	}
	/*
	 * without memory in the set, each thread's memory is beside its node; threads without local memory are farther
	 * from it than the mean over the set
	 */
	away /= threads;
	return (pages > 0 ? sum / threads / pages : apart / threads / threads) + TRUTH_AWAY * away;
}

/* Slowdown per local distance: latency is 1.4 times local at distance 16 and 1.7 times at 21. */
static double truth_slope(void)
{
	return TRUTH_WAITS * (0.4 + 0.3 * (20 - 16) / (21 - 16));
}

/*
 * What a CPU costs the container and its neighbours on a fully used node. A node's memory serves 0.35 of its cores, or
 * two; the wait grows by half of the square of the traffic, and with the traffic once more is drawn than the memory
 * serves.
 */
static double truth_crowd(const struct world *w)
{
	double smt = w->t->ncores ? (double)w->t->ncpus / w->t->ncores : 1, nodes = 0, cores;
	double u;

	for (unsigned int i = 0; i < w->t->nnodes; i++)
		nodes += w->t->nodes[i].ncpus > 0;
	cores = w->t->ncores / nodes;
	u = cores * (smt > 1 ? smt * 0.62 : 1) * TRUTH_DRAWS / (0.35 * cores > 2 ? 0.35 * cores : 2);

	return TRUTH_WAITS * (u < 1 ? 1.5 * u * u : 3 * u - 1) / truth_slope();
}

static bool are_alike(const struct world *w, unsigned int a, unsigned int b)
{
	const struct topology *t = w->t;

	for (unsigned int i = 0; i < t->nnodes; i++)
		if (i != a && i != b && t->near[a * t->nnodes + i] != t->near[b * t->nnodes + i])
			return false;
	return t->near[a * t->nnodes + a] == t->near[b * t->nnodes + b];
}

/* By node: the first node of its group. A node joins the first group whose first node is like it. */
static void find_alike(const struct world *w, unsigned int *group)
{
	for (unsigned int i = 0; i < w->t->nnodes; i++) {
		group[i] = i;
		for (unsigned int j = 0; j < i && group[i] == i; j++)
			if (group[j] == j && are_alike(w, j, i))
				group[i] = j;
	}
}

/* What it costs to break up nodes that are alike and free together, unless all of the machine's nodes are alike. */
static double truth_group(const struct world *w, const unsigned int *group, unsigned int node, const struct request *r)
{
	double room = 0, cpus = 0;
	unsigned int alike = 0, sites = 0;

	for (unsigned int i = 0; i < w->t->nnodes; i++) {
		bool site = room_of(w, i, false) > 0 || cpus_of(w, i) > 0 || avail_of(w, i) > 0;

		sites += site;
		if (!site || group[node] != group[i])
			continue;
		room += room_of(w, i, r->exclusive);
		cpus += cpus_of(w, i);
		alike++;
	}
	return alike > 1 && alike < sites && cpus > 0 ? TRUTH_GROUP * room * room * room / (cpus * cpus * cpus) : 0;
}

static double truth_cost(const struct world *w, unsigned int mask, const struct request *r)
{
	double weight = 0, d = truth_distance(w, mask, r), total = 0, level = 0, with = 0, mean = 0, nodes = 0,
	       cpus = 0, even = 0, step = 0, group[2] = { 0 }, threads = 0, pages = 0, crowd, keep, used, others;
	double want = r->cpu_count ? r->cpu_count : 1;
	const struct topology *t = w->t;
	unsigned int first[64];

	find_alike(w, first);
	for (unsigned int i = 0; i < t->nnodes; i++) {
		double usable = cpus_of(w, i), room = room_of(w, i, r->exclusive);

		if (usable > 0) {
			mean += room / usable;
			cpus += usable;
			nodes++;
		}
		if (mask >> i & 1)
			weight += room;
	}
	mean /= nodes;
	used = (1 - mean) * (1 - mean), others = 1 - 1 / nodes;
	crowd = truth_crowd(w);
	keep = ((1 - used) * TRUTH_KEEP_IDLE * others + used * TRUTH_KEEP * others * others) / crowd;
	for (unsigned int i = 0; i < t->nnodes; i++) {
		double usable = cpus_of(w, i), room = room_of(w, i, r->exclusive), takes = room * want / weight;

		if (!(mask >> i & 1))
			continue;
		if (usable > 0)
			even += (mean - keep * mean * mean * mean) * takes / usable -
				gain(room / usable, takes / usable, keep);
		if (usable > 0)
			step += takes / usable;
		group[0] += threads_of(w, i, r) * truth_group(w, first, i, r);
		group[1] += pages_of(w, i, r) * truth_group(w, first, i, r);
		threads += threads_of(w, i, r);
		pages += pages_of(w, i, r);
		if (has_usual_memory(w, i) && t->nodes[i].mem_total) {
			total += (double)t->nodes[i].mem_total;
			level += 1 - avail_of(w, i) / (double)t->nodes[i].mem_total;
			with++;
		}
	}
	even -= step * step / (2 * nodes);
	return d / 20 + (threads > 0 ? group[0] / threads / 2 : 0) + (pages > 0 ? group[1] / pages / 2 : 0) +
	       crowd * even / (want * nodes / cpus) +
	       0.1 * (total > 0 ? level / with + (double)r->memory / total / 2 : 0);
}

static struct truth find_truth_of_kind(const struct world *w, const struct request *r)
{
	struct truth best = { 0 };
	unsigned int n = w->t->nnodes;

	for (unsigned int mask = 1; mask < 1U << n; mask++) {
		unsigned int k = (unsigned int)__builtin_popcount(mask);
		double room = 0, avail = 0, cost;

		if (best.possible && k > best.fewest)
			continue;
		for (unsigned int i = 0; i < n; i++)
			if (mask >> i & 1) {
				room += room_of(w, i, r->exclusive);
				avail += avail_of(w, i);
			}
		if (room < (r->cpu_count ? r->cpu_count : 1) - 1e-4 || avail < (double)r->memory)
			continue;
		cost = truth_cost(w, mask, r);
		if (!best.possible || k < best.fewest || cost < best.cost)
			best = (struct truth){ k, cost, true };
	}
	return best;
}

/* One kind of cores alone if it suffices, the fastest first; *@kind becomes its capacity. */
static struct truth find_truth(struct world *w, const struct request *r, uint16_t *kind)
{
	struct truth best = { 0 };
	uint16_t below = UINT16_MAX;

	while (w->t->mixed && !best.possible) {
		w->kind = 0;
		for (unsigned int i = 0; i < w->t->ncpus; i++)
			if (w->t->cpus[i].capacity < below && w->t->cpus[i].capacity > w->kind)
				w->kind = w->t->cpus[i].capacity;
		if (!w->kind)
			break;
		best = find_truth_of_kind(w, r);
		below = w->kind;
	}
	if (!best.possible) {
		w->kind = 0;
		best = find_truth_of_kind(w, r);
	}
	*kind = w->kind;
	w->kind = 0;
	return best;
}

/* Nodes with only movable memory get one more node for the kernel's own pages, which is not a part of the choice. */
static bool needs_addition(const struct world *w, const struct nodeset *nodes)
{
	nodeset_foreach(id, nodes) {
		int i = topology_find_node(w->t, id);

		if (i < 0 || !w->t->nodes[i].movable_only)
			return false;
	}
	return true;
}

static unsigned int mask_of(const struct world *w, const struct request *q, const struct placement *p)
{
	bool memory = q->memory && !needs_addition(w, &p->nodes);
	unsigned int mask = 0;

	for (unsigned int i = 0; i < w->t->nnodes; i++)
		if (nodeset_has(&p->nodes, w->t->nodes[i].id) || (memory && nodeset_has(&p->mems, w->t->nodes[i].id)))
			mask |= 1U << i;
	return mask;
}

static struct request random_request(struct rnd *r, const struct topology *t, unsigned int smt)
{
	struct request q;
	uint64_t memory = 0;

	request_init(&q);
	for (unsigned int i = 0; i < t->nnodes; i++)
		memory += t->nodes[i].mem_total;
	q.cpu_count = 1 + rnd_below(r, rnd_below(r, 3) ? t->ncpus / t->nnodes + 1 : t->ncpus);
	q.given = 1U << KEY_CPU;
	q.exclusive = rnd_below(r, 3) == 0;
	if (q.exclusive && smt > 1)
		q.cpu_count += q.cpu_count % smt;
	if (rnd_below(r, 2))
		q.memory = (memory >> 20) / (1 + rnd_below(r, 30)) << 20;
	return q;
}

#define fail_once(what, ...)                                                                                           \
	do {                                                                                                           \
		if (!bad++)                                                                                            \
			printf("# " what "\n", ##__VA_ARGS__);                                                         \
	} while (0)

__attribute__((unused)) static unsigned int check_truth(struct world *w, const struct request *q, int r,
							const struct placement *p)
{
	uint16_t kind;
	struct truth best = find_truth(w, q, &kind);
	unsigned int bad = 0, mask, k;
	double cost;

	if (r < 0) {
		if (best.possible)
			fail_once("refused (%s), although %u nodes fit", w->err.text, best.fewest);
		return bad;
	}
	if (!best.possible)
		return 0;
	if (p->overcommitted)
		fail_once("CPUs shared although %u nodes have room", best.fewest);
	mask = mask_of(w, q, p);
	k = (unsigned int)__builtin_popcount(mask);
	if (k > best.fewest)
		fail_once("%u nodes, %u are enough", k, best.fewest);
	w->kind = kind;
	cost = truth_cost(w, mask, q);
	w->kind = 0;
	if (k == best.fewest && cost > best.cost + 0.01) /* costs may be negative */
		fail_once("cost %.6f, the least is %.6f (mask %x)", cost, best.cost, mask);
	return bad;
}

#endif
