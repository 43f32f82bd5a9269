/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs one rule over one trace and measures the results from the state before and after each decision, never from what the
 * rule reports (except the time of numaplace's decision).
 *
 * Containers end in one of two ways. Constant occupancy: an arrival first ends other containers, chosen at random, until
 * CPUs (and memory, in rows with memory) are within the share of the row. The machine is then as full as the row says, and
 * a rule refuses only because it finds no set, not because CPUs are missing. Poisson: each container ends after its
 * lifetime; the share of the row is the requested one, and every rule refuses a container that cannot fit.
 */
#include "bench/select/bench.h"

#include "plugin/base/util.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const char *const metric_keys[METRICS] = {
	"refused_pct",
	"split_pct",
	"nodes_ratio",
	"wider_ratio",
	"distance",
	"distance_multi",
	"imbalance_cpu",
	"imbalance_memory",
	"overcommitted_cpu_pct",
	"overcommitted_with_room_pct",
	"overcommitted_memory_pct",
	"split_cores",
	"extra_llcs",
	"median_ns",
	"p99_ns",
	"speed_measured",
	"speed_flat",
	"speed_literal",
	"speed_narrow",
	"slowest_measured",
	"slowest_flat",
	"slowest_literal",
	"slowest_narrow",
};

#define LOOK_EVERY 4 /* arrivals between two looks of the judge */

struct live {
	double until;
	struct held held;
	struct judged *judged;
};

struct run {
	struct state s;
	const struct rule *rule;
	int balance;
	bool poisson;
	struct choice c;
	struct live *heap; /* the first to end at the top */
	unsigned int nlive;
	uint64_t *capacity; /* memory by node, as of an empty machine */
	uint64_t *free;	    /* memory by node, now */
	uint64_t *ns;
	unsigned int arrivals, placed, multi, compared, fit_nodes, fit_cpus;
	double sum[METRICS];
	double clock, since;	 /* what is measured over time */
	double imb_cpu, imb_mem; /* now */
	struct judge judge;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void heap_push(struct run *r, const struct live *l)
{
	unsigned int i = r->nlive++;

	for (; i && r->heap[(i - 1) / 2].until > l->until; i = (i - 1) / 2)
		r->heap[i] = r->heap[(i - 1) / 2];
	r->heap[i] = *l;
}

static struct live heap_pop(struct run *r)
{
	struct live top = r->heap[0], last = r->heap[--r->nlive];
	unsigned int i = 0;

	for (;;) {
		unsigned int child = 2 * i + 1;

		if (child >= r->nlive)
			break;
		if (child + 1 < r->nlive && r->heap[child + 1].until < r->heap[child].until)
			child++;
		if (r->heap[child].until >= last.until)
			break;
		r->heap[i] = r->heap[child];
		i = child;
	}
	r->heap[i] = last;
	return top;
}

static double deviation(double sum, double squares, unsigned int n)
{
	double v = n ? squares / n - sum / n * (sum / n) : 0;

	return v > 0 ? sqrt(v) : 0;
}

static void weigh_balance(struct run *r)
{
	const struct state *s = &r->s;
	double sum = 0, squares = 0, msum = 0, msquares = 0;
	unsigned int with_memory = 0;

	for (unsigned int i = 0; i < s->ncand; i++) {
		unsigned int node = s->cand[i];
		double x = 1 - (double)s->node_load[node] / LOAD_ONE / s->cpus[node];

		sum += x;
		squares += x * x;
		if (!s->memory || !s->t->nodes[node].mem_total)
			continue;
		x = 1 - (double)s->asked[node] / (double)s->t->nodes[node].mem_total;
		msum += x;
		msquares += x * x;
		with_memory++;
	}
	r->imb_cpu = deviation(sum, squares, s->ncand);
	r->imb_mem = deviation(msum, msquares, with_memory);
}

static void pass_time(struct run *r, double until, bool counted)
{
	if (counted) {
		r->sum[M_IMB_CPU] += r->imb_cpu * (until - r->clock);
		r->sum[M_IMB_MEM] += r->imb_mem * (until - r->clock);
		r->since += until - r->clock;
	}
	r->clock = until;
}

/* The possible choices, computed before the decision. */
struct before {
	bool one_fits, some_fits;
	unsigned int fewest_now, fewest_empty;
};

static void ignore_set(void *arg, const uint16_t *set, unsigned int n)
{
	(void)arg;
	(void)set;
	(void)n;
}

static void look(struct run *r, const struct ask *a, struct before *b)
{
	const struct state *s = &r->s;
	uint64_t cpus = 0, memory = 0;

	*b = (struct before){ 0 };
	for (unsigned int i = 0; i < s->t->nnodes; i++)
		r->free[i] = mem_room(s, i);
	for (unsigned int i = 0; i < s->ncand; i++) {
		unsigned int node = s->cand[i];

		cpus += s->room[node];
		memory += r->free[node];
		if (s->room[node] >= a->cpus && r->free[node] >= a->memory)
			b->one_fits = true;
	}
	b->some_fits = cpus >= a->cpus && memory >= a->memory;
	b->fewest_empty = fewest_nodes(s, s->cpus, r->capacity, a->cpus, a->memory);
	if (b->one_fits)
		b->fewest_now = 1;
	else if (!b->some_fits)
		b->fewest_now = 0;
	else if (!a->memory)
		b->fewest_now = fewest_nodes(s, s->room, r->free, a->cpus, 0);
	else if (s->ncand <= 8)
		b->fewest_now = sets_narrowest(
			s, &(struct want){ .cpus = a->cpus, .memory = a->memory, .room = s->room }, ignore_set, NULL);
}

/* CPUs and memory of a container by node. */
struct spread {
	unsigned int count[NODE_ID_MAX], used[NODE_ID_MAX], nodes, llcs, cores, over;
	double mem[NODE_ID_MAX], memory;
};

static void spread_of(const struct run *r, const struct held *h, struct spread *sp)
{
	const struct topology *t = r->s.t;

	memset(sp, 0, sizeof(*sp));
	for (unsigned int i = 0; i < h->ncpus; i++)
		sp->count[t->cpus[h->cpu[i]].node]++;
	for (unsigned int i = 0; i < h->nmem; i++) {
		sp->mem[h->mem_node[i]] = (double)h->mem[i];
		sp->memory += (double)h->mem[i];
		sp->over += r->s.asked[h->mem_node[i]] > t->nodes[h->mem_node[i]].mem_total;
	}
	for (unsigned int i = 0; i < t->nnodes; i++) {
		if (sp->memory <= 0)
			sp->mem[i] = sp->count[i];
		if (sp->count[i] || sp->mem[i] > 0)
			sp->used[sp->nodes++] = i;
	}
	if (sp->memory <= 0)
		sp->memory = h->ncpus;
}

/* The distance from CPUs to memory, weighted by the memory on each node. */
static double distance_of(const struct run *r, const struct spread *sp, unsigned int ncpus)
{
	double sum = 0;

	for (unsigned int i = 0; i < sp->nodes; i++)
		for (unsigned int j = 0; j < sp->nodes; j++)
			sum += sp->count[sp->used[i]] * sp->mem[sp->used[j]] *
			       topology_distance(r->s.t, sp->used[i], sp->used[j]);
	return sum / ncpus / sp->memory;
}

static void count_units(const struct run *r, const struct held *h, struct spread *sp)
{
	static uint8_t core[65536], llc[65536];

	for (unsigned int i = 0; i < h->ncpus; i++) {
		uint16_t c = r->s.core_of[h->cpu[i]], l = r->s.t->cpus[h->cpu[i]].llc;

		sp->cores += !core[c];
		sp->llcs += !llc[l];
		core[c] = llc[l] = 1;
	}
	for (unsigned int i = 0; i < h->ncpus; i++)
		core[r->s.core_of[h->cpu[i]]] = llc[r->s.t->cpus[h->cpu[i]].llc] = 0;
}

static void measure(struct run *r, const struct held *h, const struct before *b)
{
	static struct spread sp;
	const struct state *s = &r->s;
	double distance;
	bool over = false;

	spread_of(r, h, &sp);
	count_units(r, h, &sp);
	for (unsigned int i = 0; i < h->ncpus && !over; i++)
		over = s->load[h->cpu[i]] > LOAD_ONE;
	distance = distance_of(r, &sp, h->ncpus);
	r->placed++;
	r->sum[M_SPLIT] += b->one_fits && sp.nodes > 1;
	r->sum[M_NODES] += b->fewest_empty ? (double)sp.nodes / b->fewest_empty : 1;
	if (b->fewest_now) {
		r->sum[M_WIDER] += (double)sp.nodes / b->fewest_now;
		r->compared++;
	}
	r->sum[M_DISTANCE] += distance;
	if (sp.nodes > 1) {
		r->sum[M_MULTI] += distance;
		r->multi++;
	}
	r->sum[M_OVER_CPU] += over;
	r->sum[M_OVER_ROOM] += over && b->some_fits;
	r->sum[M_OVER_MEM] += sp.over > 0;
	r->sum[M_CORES] += sp.cores - (h->ncpus + s->smt - 1) / s->smt;
	r->sum[M_LLCS] += sp.llcs - (h->ncpus + s->max_llc - 1) / s->max_llc;
}

/* 1: placed; 0: refused. */
static int place(struct run *r, const struct ask *a, uint64_t lot, bool *counted)
{
	struct before b = { 0 };
	struct live l = { .until = r->poisson ? a->at + a->life : 0 }; /* constant occupancy: the order of arrival */
	uint64_t from, ns;
	bool placed;

	choice_clear(&r->c, &r->s);
	r->c.ns = 0;
	if (a->counted)
		look(r, a, &b);
	from = now_ns();
	placed = r->rule->pick(&r->s, a, r->balance, &r->c);
	ns = now_ns() - from;
	*counted = a->counted;
	if (a->counted)
		r->ns[r->arrivals++] = r->c.ns ? r->c.ns : ns;
	if (!placed || !r->c.ncpus)
		return 0;
	if (state_add(&r->s, &r->c, &l.held))
		return -ENOMEM;
	l.judged = judge_add(&r->judge, &l.held, lot);
	if (!l.judged) {
		held_free(&l.held);
		return -ENOMEM;
	}
	if (a->counted)
		measure(r, &l.held, &b);
	heap_push(r, &l);
	return 1;
}

static int by_ns(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static double ratio(double a, double b)
{
	return b > 0 ? a / b : NAN;
}

static void sum_up(struct run *r, double *v)
{
	bool several = r->s.ncand > 1;

	v[M_REFUSED] = 100 * ratio(r->arrivals - r->placed, r->arrivals);
	v[M_SPLIT] = 100 * ratio(r->sum[M_SPLIT], r->placed);
	v[M_NODES] = ratio(r->sum[M_NODES], r->placed);
	v[M_WIDER] = ratio(r->sum[M_WIDER], r->compared);
	v[M_DISTANCE] = ratio(r->sum[M_DISTANCE], r->placed);
	v[M_MULTI] = ratio(r->sum[M_MULTI], r->multi);
	v[M_IMB_CPU] = several ? ratio(r->sum[M_IMB_CPU], r->since) : NAN;
	v[M_IMB_MEM] = several && r->s.memory ? ratio(r->sum[M_IMB_MEM], r->since) : NAN;
	v[M_OVER_CPU] = 100 * ratio(r->sum[M_OVER_CPU], r->placed);
	v[M_OVER_ROOM] = 100 * ratio(r->sum[M_OVER_ROOM], r->placed);
	v[M_OVER_MEM] = r->s.memory ? 100 * ratio(r->sum[M_OVER_MEM], r->placed) : NAN;
	v[M_CORES] = ratio(r->sum[M_CORES], r->placed);
	v[M_LLCS] = ratio(r->sum[M_LLCS], r->placed);
	qsort(r->ns, r->arrivals, sizeof(*r->ns), by_ns);
	v[M_MEDIAN] = r->arrivals ? (double)r->ns[r->arrivals / 2] : NAN;
	v[M_P99] = r->arrivals ? (double)r->ns[r->arrivals * 99ULL / 100] : NAN;
}

static int run_init(struct run *r, const struct rule *rule, const struct row *row, const struct trace *tr, int balance)
{
	*r = (struct run){ .rule = rule, .balance = balance, .poisson = row->poisson };
	if (state_init(&r->s, row) || choice_init(&r->c, &r->s) || judge_init(&r->judge, &r->s, tr->n))
		return -ENOMEM;
	r->heap = calloc(tr->n, sizeof(*r->heap));
	r->ns = calloc(tr->n, sizeof(*r->ns));
	r->capacity = calloc(r->s.t->nnodes, sizeof(*r->capacity));
	r->free = calloc(r->s.t->nnodes, sizeof(*r->free));
	if (!r->heap || !r->ns || !r->capacity || !r->free)
		return -ENOMEM;
	for (unsigned int i = 0; i < r->s.t->nnodes; i++)
		r->capacity[i] = r->s.t->nodes[i].mem_total;
	return 0;
}

static void run_free(struct run *r)
{
	while (r->nlive)
		held_free(&r->heap[--r->nlive].held);
	free(r->heap);
	free(r->ns);
	free(r->capacity);
	free(r->free);
	judge_free(&r->judge);
	choice_free(&r->c);
	state_free(&r->s);
}

static uint64_t used_cpus(const struct state *s)
{
	uint64_t used = 0;

	for (unsigned int i = 0; i < s->ncand; i++)
		used += s->node_load[s->cand[i]];
	return used / LOAD_ONE;
}

static uint64_t used_memory(const struct state *s)
{
	uint64_t used = 0;

	for (unsigned int i = 0; i < s->t->nnodes; i++)
		used += s->asked[i];
	return used;
}

/* Containers are ended at even steps of the time since the last arrival, which is one unit. */
static void push_out(struct run *r, const struct row *row, const struct ask *a, struct rng *lot, bool counted)
{
	uint64_t cpus = used_cpus(&r->s), memory = used_memory(&r->s), cap = r->s.total_cpus * row->load / 100;
	uint64_t memory_cap = r->s.total_memory / 100 * row->load;
	unsigned int left = r->nlive, out = 0;

	while (left && (cpus + a->cpus > cap || memory + a->memory > memory_cap)) {
		unsigned int i = rng_below(lot, left--);
		struct live l = r->heap[i];

		r->heap[i] = r->heap[left];
		r->heap[left] = l; /* containers to end are collected at the end of the array */
		cpus -= l.held.share.count ? l.held.share.count : l.held.ncpus;
		for (unsigned int m = 0; m < l.held.nmem; m++)
			memory -= l.held.mem[m];
		out++;
	}
	for (unsigned int i = 0; i < out; i++) {
		pass_time(r, r->clock + 1.0 / (out + 1), counted);
		judge_end(&r->judge, r->heap[--r->nlive].judged);
		state_remove(&r->s, &r->heap[r->nlive].held);
		weigh_balance(r);
	}
	pass_time(r, r->clock + 1.0 / (out + 1), counted);
}

static void live_out(struct run *r, const struct ask *a, bool counted)
{
	while (r->nlive && r->heap[0].until <= a->at) {
		struct live l;

		pass_time(r, r->heap[0].until, counted);
		l = heap_pop(r);
		judge_end(&r->judge, l.judged);
		state_remove(&r->s, &l.held);
		weigh_balance(r);
	}
	pass_time(r, a->at, counted);
}

int run_rule(const struct rule *rule, const struct row *row, struct trace *tr, int balance, bool mark, double *value)
{
	struct run r;
	struct rng lot;
	bool counted = false;
	int status = run_init(&r, rule, row, tr, balance);

	rng_seed(&lot, tr->seed * 7919 + 1);
	for (unsigned int i = 0; i < tr->n && status == 0; i++) {
		if (row->poisson)
			live_out(&r, &tr->ask[i], counted);
		else
			push_out(&r, row, &tr->ask[i], &lot, counted);
		if (tr->ask[i].absent) {
			counted = tr->ask[i].counted;
			continue;
		}
		status = place(&r, &tr->ask[i], tr->seed * 1000003 + i, &counted);
		if (counted && i % LOOK_EVERY == 0)
			judge_look(&r.judge, half);
		tr->ask[i].absent = mark && status == 0;
		if (status == 1) {
			weigh_balance(&r);
			status = 0;
		}
	}
	if (status == 0) {
		sum_up(&r, value);
		judge_sum(&r.judge, half, value);
	}
	run_free(&r);
	return status;
}

static bool rule_runs(const struct rule *rule, const struct row *row)
{
	const struct topology *t = row->machine->t;
	unsigned int cpu_nodes = 0;

	for (unsigned int i = 0; i < t->nnodes; i++)
		cpu_nodes += t->nodes[i].ncpus > 0;
	return !(rule->memory_rows && !row->memory) && !(rule->max_nodes && cpu_nodes > rule->max_nodes) &&
	       !(rule->max_id && t->nodes[t->nnodes - 1].id > rule->max_id);
}

static int run_traces(const struct rule *rule, const struct rule *gate, const struct row *row, const struct pods *pods,
		      unsigned int arrivals, unsigned int seeds, int balance, struct result *out)
{
	unsigned int known[METRICS] = { 0 };
	double sum[METRICS] = { 0 }, v[METRICS];

	*out = (struct result){ .rule = rule, .ran = rule_runs(rule, row) };
	out->stand_in = rule->exact_nodes && row->machine->t->nnodes > rule->exact_nodes;
	for (unsigned int seed = 1; seed <= seeds && out->ran; seed++) {
		struct trace tr;
		int status = trace_make(&tr, pods, row, arrivals, half_seed(half, seed));

		if (status == 0 && gate)
			status = run_rule(gate, row, &tr, BALANCE_DEFAULT, true, v);
		if (status == 0)
			status = run_rule(rule, row, &tr, balance, false, v);
		trace_free(&tr);
		if (status)
			return status;
		for (unsigned int m = 0; m < METRICS; m++)
			if (!isnan(v[m])) {
				sum[m] += v[m];
				known[m]++;
			}
	}
	for (unsigned int m = 0; m < METRICS; m++)
		out->value[m] = known[m] ? sum[m] / known[m] : NAN;
	return 0;
}

int run_seeds(const struct rule *rule, const struct row *row, const struct pods *pods, unsigned int arrivals,
	      unsigned int seeds, int balance, struct result *out)
{
	return run_traces(rule, NULL, row, pods, arrivals, seeds, balance, out);
}

int run_let_in(const struct rule *rule, const struct rule *gate, const struct row *row, const struct pods *pods,
	       unsigned int arrivals, unsigned int seeds, struct result *out)
{
	return run_traces(rule, gate, row, pods, arrivals, seeds, BALANCE_DEFAULT, out);
}
