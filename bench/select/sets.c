/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Node sets in increasing width, for rules that choose the narrowest set that fits: all sets of a width if they are few
 * (always up to 8 nodes), else the nearest and the emptiest sets around some start nodes. And the work of rules inside a
 * set: distributing CPUs by room, taking them, charging memory.
 */
#include "bench/select/bench.h"

#include "plugin/base/util.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SETS_MAX   20000 /* of one width */
#define STARTS_MAX 64

static bool were_all = true;

bool sets_were_all(void)
{
	return were_all;
}

struct search {
	const struct state *s;
	const struct want *w;
	set_visit visit;
	void *arg;
	unsigned int n, visited;
	uint16_t node[NODE_ID_MAX];    /* candidates, ascending */
	uint16_t by_room[NODE_ID_MAX]; /* the same, most room first */
	uint16_t set[NODE_ID_MAX];
};

static bool set_fits(const struct search *q, const uint16_t *set, unsigned int n)
{
	uint64_t cpus = 0, memory = 0;

	for (unsigned int i = 0; i < n; i++) {
		cpus += q->w->room[set[i]];
		memory += mem_room(q->s, set[i]);
	}
	return cpus >= q->w->cpus && memory >= q->w->memory && (!q->w->allowed || q->w->allowed(q->w->arg, set, n));
}

static void offer(struct search *q, unsigned int n)
{
	if (!set_fits(q, q->set, n))
		return;
	q->visited++;
	q->visit(q->arg, q->set, n);
}

static void each_combination(struct search *q, unsigned int k)
{
	unsigned int at[NODE_ID_MAX], i;

	for (i = 0; i < k; i++)
		at[i] = i;
	for (;;) {
		for (i = 0; i < k; i++)
			q->set[i] = q->node[at[i]];
		offer(q, k);
		for (i = k; i > 0 && at[i - 1] == q->n - k + i - 1; i--)
			;
		if (i == 0)
			return;
		at[i - 1]++;
		for (; i < k; i++)
			at[i] = at[i - 1] + 1;
	}
}

static int by_number(const void *a, const void *b)
{
	return (int)*(const uint16_t *)a - (int)*(const uint16_t *)b;
}

/* The k nodes nearest to @start; of equally near nodes, those with most room. */
static void nearest(struct search *q, unsigned int start, unsigned int k)
{
	unsigned int count[257] = { 0 };
	uint16_t order[NODE_ID_MAX];

	for (unsigned int i = 0; i < q->n; i++) {
		unsigned int d = topology_distance(q->s->t, start, q->by_room[i]);

		count[(q->by_room[i] == start ? 0 : d > 254 ? 255 : d) + 1]++;
	}
	for (unsigned int d = 1; d < 257; d++)
		count[d] += count[d - 1];
	for (unsigned int i = 0; i < q->n; i++) {
		unsigned int d = topology_distance(q->s->t, start, q->by_room[i]);

		order[count[q->by_room[i] == start ? 0 : d > 254 ? 255 : d]++] = q->by_room[i];
	}
	memcpy(q->set, order, k * sizeof(*order));
	qsort(q->set, k, sizeof(*q->set), by_number);
	offer(q, k);
}

static void greedy(struct search *q, unsigned int k)
{
	unsigned int step = (q->n + STARTS_MAX - 1) / STARTS_MAX;

	memcpy(q->set, q->by_room, k * sizeof(*q->set));
	qsort(q->set, k, sizeof(*q->set), by_number);
	offer(q, k);
	for (unsigned int i = 0; i < q->n; i += step)
		nearest(q, q->by_room[i], k);
}

static bool few_enough(unsigned int n, unsigned int k)
{
	double sets = 1;

	for (unsigned int i = 0; i < k; i++)
		sets = sets * (n - i) / (i + 1);
	return sets <= SETS_MAX;
}

static const unsigned int *sort_room; /* qsort has no argument to hand on */

static int by_most_room(const void *a, const void *b)
{
	unsigned int x = *(const uint16_t *)a, y = *(const uint16_t *)b;

	if (sort_room[x] != sort_room[y])
		return sort_room[x] > sort_room[y] ? -1 : 1;
	return (int)x - (int)y;
}

static int by_most(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x < y) - (x > y);
}

unsigned int fewest_nodes(const struct state *s, const unsigned int *room, const uint64_t *mem, unsigned int cpus,
			  uint64_t memory)
{
	uint64_t by_mem[NODE_ID_MAX], have = 0, bytes = 0;
	uint16_t by_room[NODE_ID_MAX];

	memcpy(by_room, s->cand, s->ncand * sizeof(*by_room));
	sort_room = room;
	qsort(by_room, s->ncand, sizeof(*by_room), by_most_room);
	for (unsigned int i = 0; i < s->ncand; i++)
		by_mem[i] = mem[s->cand[i]];
	if (memory)
		qsort(by_mem, s->ncand, sizeof(*by_mem), by_most);
	for (unsigned int k = 1; k <= s->ncand; k++) {
		have += room[by_room[k - 1]];
		bytes += by_mem[k - 1];
		if (have >= cpus && bytes >= memory)
			return k;
	}
	return 0;
}

unsigned int sets_narrowest(const struct state *s, const struct want *w, set_visit visit, void *arg)
{
	uint64_t mem[NODE_ID_MAX];
	struct search q;
	unsigned int k;

	q.s = s;
	q.w = w;
	q.visit = visit;
	q.arg = arg;
	q.n = q.visited = 0;
	were_all = true;
	for (unsigned int i = 0; i < s->ncand; i++)
		if (w->room[s->cand[i]] || (w->memory && mem_room(s, s->cand[i])))
			q.node[q.n++] = s->cand[i];
	memcpy(q.by_room, q.node, q.n * sizeof(*q.node));
	sort_room = w->room;
	qsort(q.by_room, q.n, sizeof(*q.by_room), by_most_room);
	for (unsigned int i = 0; i < s->t->nnodes; i++)
		mem[i] = mem_room(s, i);
	k = fewest_nodes(s, w->room, mem, w->cpus, w->memory);
	for (; k && k <= q.n; k++) {
		if (!w->no_search && few_enough(q.n, k)) {
			each_combination(&q, k);
		} else {
			were_all = false;
			greedy(&q, k);
		}
		if (q.visited)
			return k;
	}
	return 0;
}

/* Mean over all pairs, each with itself too. */
double set_distance(const struct state *s, const uint16_t *set, unsigned int n)
{
	double sum = 0;

	for (unsigned int i = 0; i < n; i++)
		for (unsigned int j = 0; j < n; j++)
			sum += topology_distance(s->t, set[i], set[j]);
	return sum / n / n;
}

/* Mean over all pairs of CPUs: how far a thread's memory is, when its pages are spread as its threads are. */
double cpu_distance(const struct state *s, const uint16_t *set, const unsigned int *count, unsigned int n)
{
	double sum = 0, cpus = 0;

	for (unsigned int i = 0; i < n; i++) {
		cpus += count[i];
		for (unsigned int j = 0; j < n; j++)
			sum += (double)count[i] * count[j] * topology_distance(s->t, set[i], set[j]);
	}
	return sum / cpus / cpus;
}

/* Distributes in proportion to room, in whole cores if required; the remainder goes to the nodes with most room. */
void deal_by_room(const struct state *s, const uint16_t *set, unsigned int n, const unsigned int *room,
		  unsigned int cpus, unsigned int *count)
{
	unsigned int total = 0, left = cpus, unit = s->whole_cores ? s->smt : 1;

	for (unsigned int i = 0; i < n; i++)
		total += room[set[i]];
	for (unsigned int i = 0; i < n; i++) {
		count[i] = total ? (unsigned int)((uint64_t)cpus * room[set[i]] / total) : 0;
		count[i] -= count[i] % unit;
		left -= count[i];
	}
	while (left) {
		unsigned int best = n, part;

		for (unsigned int i = 0; i < n; i++)
			if (room[set[i]] > count[i] &&
			    (best == n || room[set[i]] - count[i] > room[set[best]] - count[best]))
				best = i;
		if (best == n)
			return;
		part = left < unit ? left : unit;
		if (part > room[set[best]] - count[best])
			part = room[set[best]] - count[best];
		count[best] += part;
		left -= part;
	}
}

static bool chosen(const struct choice *c, unsigned int from, unsigned int cpu)
{
	for (unsigned int i = from; i < c->ncpus; i++)
		if (c->cpu[i] == cpu)
			return true;
	return false;
}

/* Takes free whole cores, then free threads, then with @force the least loaded CPUs. False: not enough. */
bool take_cpus(const struct state *s, unsigned int node, unsigned int count, bool force, struct choice *c)
{
	unsigned int from = c->ncpus, end = c->ncpus + count;

	for (unsigned int k = s->first_core[node]; k < s->first_core[node + 1]; k++) {
		const struct core *core = &s->core[k];

		if (c->ncpus == end)
			return true;
		if (!core_is_free(s, core) || (core->n > end - c->ncpus && !s->whole_cores))
			continue;
		for (unsigned int i = 0; i < core->n && c->ncpus < end; i++)
			c->cpu[c->ncpus++] = s->member[core->first + i];
	}
	while (c->ncpus < end && (!s->whole_cores || force)) {
		unsigned int best = NO_NODE;

		for (unsigned int m = s->core[s->first_core[node]].first;
		     m < s->core[s->first_core[node]].first + s->cpus[node]; m++) {
			unsigned int cpu = s->member[m];

			if ((best == NO_NODE || s->load[cpu] < s->load[best]) && !chosen(c, from, cpu))
				best = cpu;
		}
		if (best == NO_NODE || (!force && s->load[best]))
			break;
		c->cpu[c->ncpus++] = (uint16_t)best;
	}
	return c->ncpus == end;
}

static void count_choice(const struct state *s, const struct choice *c, unsigned int *count)
{
	memset(count, 0, s->t->nnodes * sizeof(*count));
	for (unsigned int i = 0; i < c->ncpus; i++)
		count[s->t->cpus[c->cpu[i]].node]++;
}

/* The default of the kernel: memory is on the nodes of the threads, even without room. */
void charge_by_cpus(const struct state *s, uint64_t memory, struct choice *c)
{
	unsigned int count[NODE_ID_MAX];

	if (!memory || !c->ncpus)
		return;
	count_choice(s, c, count);
	for (unsigned int i = 0; i < s->t->nnodes; i++)
		c->mem[i] = (uint64_t)((double)memory * count[i] / c->ncpus);
}

/* Memory is on the nodes of the threads while they have room, then on the other named nodes; the rest is on the first. */
void charge_joint(const struct state *s, uint64_t memory, struct choice *c)
{
	uint64_t left = memory;

	if (!memory)
		return;
	charge_by_cpus(s, memory, c);
	for (unsigned int i = 0; i < s->t->nnodes; i++) {
		if (c->mem[i] > mem_room(s, i))
			c->mem[i] = mem_room(s, i);
		left -= c->mem[i];
	}
	for (unsigned int i = 0; i < c->nnodes && left; i++) {
		uint64_t part = mem_room(s, c->node[i]) - c->mem[c->node[i]];

		part = part < left ? part : left;
		c->mem[c->node[i]] += part;
		left -= part;
	}
	if (left)
		c->mem[c->nnodes ? c->node[0] : 0] += left;
}

struct least {
	const struct state *s;
	unsigned int n;
	double load;
	uint16_t set[NODE_ID_MAX];
};

static void keep_least_loaded(void *arg, const uint16_t *set, unsigned int n)
{
	struct least *l = arg;
	double load = 0, cpus = 0;

	for (unsigned int i = 0; i < n; i++) {
		load += (double)l->s->node_load[set[i]];
		cpus += l->s->cpus[set[i]];
	}
	if (l->n && load / cpus >= l->load)
		return;
	l->n = n;
	l->load = load / cpus;
	memcpy(l->set, set, n * sizeof(*set));
}

/*
 * The choice of every rule for a shared request that no set has room for: the fewest nodes that are large enough, the least
 * loaded of those sets, and its least loaded CPUs.
 */
bool overcommit(const struct state *s, const struct ask *a, bool joint, struct choice *c)
{
	struct want w = { .cpus = a->cpus, .memory = joint ? a->memory : 0, .room = s->cpus };
	struct least l = { .s = s };
	unsigned int count[NODE_ID_MAX];

	if (s->exclusive || !sets_narrowest(s, &w, keep_least_loaded, &l))
		return false;
	deal_by_room(s, l.set, l.n, s->cpus, a->cpus, count);
	for (unsigned int i = 0; i < l.n; i++) {
		c->node[c->nnodes++] = l.set[i];
		if (!take_cpus(s, l.set[i], count[i], true, c))
			return false;
	}
	if (joint)
		charge_joint(s, a->memory, c);
	else
		charge_by_cpus(s, a->memory, c);
	return true;
}

/*
 * The kubelet's packing: whole sockets, whole nodes, then cores and threads, at
 * each step from the unit with the fewest free CPUs.  A unit is whole when all
 * of it is free.
 */
struct unit {
	unsigned int id, size, free;
};

static int by_fewest_free(const void *a, const void *b)
{
	const struct unit *x = a, *y = b;

	if (x->free != y->free)
		return x->free < y->free ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

static unsigned int free_cpus(const struct state *s, unsigned int node)
{
	return s->room[node];
}

static unsigned int make_units(const struct state *s, const uint16_t *set, unsigned int n, bool sockets,
			       struct unit *unit)
{
	unsigned int units = 0, u;

	for (unsigned int i = 0; i < n; i++) {
		unsigned int id = sockets ? s->t->nodes[set[i]].package : set[i];

		for (u = 0; u < units && unit[u].id != id; u++)
			;
		if (u == units)
			unit[units++] = (struct unit){ .id = id };
		unit[u].free += free_cpus(s, set[i]);
	}
	for (unsigned int i = 0; i < s->ncand; i++)
		for (u = 0; u < units; u++)
			if (unit[u].id == (sockets ? s->t->nodes[s->cand[i]].package : s->cand[i]))
				unit[u].size += s->cpus[s->cand[i]];
	qsort(unit, units, sizeof(*unit), by_fewest_free);
	return units;
}

static bool take_rest(const struct state *s, const struct unit *unit, unsigned int units, const bool *gone,
		      unsigned int cpus, struct choice *c)
{
	for (unsigned int pass = 0; pass < 2; pass++) /* cores of every node, then threads of every node */
		for (unsigned int u = 0; u < units; u++)
			for (unsigned int k = s->first_core[unit[u].id]; k < s->first_core[unit[u].id + 1]; k++) {
				const struct core *core = &s->core[k];
				bool whole = core_is_free(s, core);

				if (gone[unit[u].id] || c->ncpus == cpus || (s->whole_cores && !whole))
					continue;
				if (pass == 0 && (!whole || core->n > cpus - c->ncpus))
					continue;
				if (pass && core->n <= cpus - c->ncpus && whole && chosen(c, 0, s->member[core->first]))
					continue;
				for (unsigned int i = 0; i < core->n && c->ncpus < cpus; i++) {
					unsigned int cpu = s->member[core->first + i];

					if (cpu_is_free(s, cpu) && (pass == 0 || !chosen(c, 0, cpu)))
						c->cpu[c->ncpus++] = (uint16_t)cpu;
				}
			}
	return c->ncpus == cpus;
}

bool take_packed(const struct state *s, const uint16_t *set, unsigned int n, unsigned int cpus, struct choice *c)
{
	struct unit unit[NODE_ID_MAX];
	bool gone[NODE_ID_MAX] = { false };
	unsigned int units, total = 0;

	for (unsigned int i = 0; i < n; i++)
		total += free_cpus(s, set[i]);
	if (total < cpus)
		return false;
	for (unsigned int level = 0; level < 2; level++) {
		units = make_units(s, set, n, level == 0, unit);
		for (unsigned int u = 0; u < units; u++) {
			bool whole = unit[u].free == unit[u].size && unit[u].size && unit[u].size <= cpus - c->ncpus;

			for (unsigned int i = 0; i < n && whole; i++) {
				unsigned int id = level == 0 ? s->t->nodes[set[i]].package : set[i];

				if (id == unit[u].id && !gone[set[i]]) {
					take_cpus(s, set[i], s->cpus[set[i]], false, c);
					gone[set[i]] = true;
				}
			}
		}
	}
	return take_rest(s, unit, units, gone, cpus, c);
}
