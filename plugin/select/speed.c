/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Predicted speed: see speed.h. The model needs to know where the threads and the pages of all containers are, which the
 * placements say, and what each of them does, which is a mix unless the container names it. Speed and traffic depend on
 * each other: a few rounds from full speed, damped, as a saturated controller makes speeds swing.
 */
#include "plugin/select/speed.h"

#include "plugin/base/util.h"
#include "plugin/select/model.h"
#include "plugin/select/select-internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ROUNDS 8

/* A container as the model sees it. */
struct tenant {
	struct work_hint work;
	unsigned int nparts;
	struct model_part *part;
	double speed[WORKS];
};

/* What the CPUs are loaded with, by index: all values are multiples of 1/LOAD_ONE, so that sums are exact. */
struct loads {
	double *cpu, *core, *cache;
	unsigned int *cache_cpus;
};

struct scene {
	const struct speed_input *in;
	const struct topology *t;
	struct model m;
	struct loads loads;
	struct model_traffic others, with; /* of the other containers; of these and the container */
	struct tenant *tenant;             /* the other containers */
	double *own_cache;                 /* the container's own load by cache */
	uint16_t *part_of;                 /* by node index, or NO_NODE */
	struct kinds kinds;
	double siblings, slow;             /* least means of the container alone, over its places */
	struct model_part *part;           /* for a moment */
};

/* --- loads --- */

/* On each of its CPUs, as the ledger counts it, for a container that sleeps for a part of the time. */
static double load_of(const struct share *s, double idle)
{
	unsigned int n = idset_count(&s->cpus);
	uint64_t load = n ? (uint64_t)s->count * LOAD_ONE / n : 0;

	return (double)load / LOAD_ONE * (1 - idle);
}

static void add_load(struct scene *s, const struct share *share, double idle)
{
	double load = load_of(share, idle);

	idset_foreach(id, &share->cpus) {
		int i = topology_find_cpu(s->t, id);

		if (i < 0)
			continue;
		s->loads.cpu[i] += load;
		s->loads.core[s->t->cpus[i].core] += load;
		s->loads.cache[s->t->cpus[i].llc] += load;
	}
}

static void clear_loads(struct scene *s)
{
	memset(s->loads.cpu, 0, s->t->ncpus * sizeof(double));
	memset(s->loads.core, 0, s->t->ncores * sizeof(double));
	memset(s->loads.cache, 0, s->t->nllcs * sizeof(double));
}

/* --- parts --- */

static struct model_part *part_on(struct scene *s, struct tenant *x, unsigned int node)
{
	if (s->part_of[node] == NO_NODE) {
		s->part_of[node] = (uint16_t)x->nparts;
		x->part[x->nparts++] = (struct model_part){ .node = node };
	}
	return &x->part[s->part_of[node]];
}

static double one_at_most(double x)
{
	return x < 1 ? x : 1;
}

/* What the threads on one CPU share with others; the loads include the container. */
static void add_threads(struct scene *s, struct tenant *x, unsigned int i, double load)
{
	const struct topo_cpu *cpu = &s->t->cpus[i];
	struct model_part *p = part_on(s, x, cpu->node);
	double all = s->loads.cpu[i], others = s->loads.cache[cpu->llc] - s->own_cache[cpu->llc];

	p->threads += load;
	if (s->kinds.n > 1)
		p->slow += load * ((double)s->kinds.top[0] / s->kinds.top[kind_of(&s->kinds, cpu)] - 1);
	p->time += load * (all > 1 ? 1 / all : 1);
	p->siblings += load * one_at_most(s->loads.core[cpu->core] - all);
	p->crowd += load * one_at_most(others / s->loads.cache_cpus[cpu->llc]);
}

static void own_caches(struct scene *s, const struct share *share, double load)
{
	memset(s->own_cache, 0, s->t->nllcs * sizeof(double));
	idset_foreach(id, &share->cpus) {
		int i = topology_find_cpu(s->t, id);

		if (i >= 0)
			s->own_cache[s->t->cpus[i].llc] += load;
	}
}

/* The memory node for pages of threads on @node: the nearest one. */
static unsigned int home_of(const struct scene *s, const struct nodeset *mems, unsigned int node)
{
	unsigned int n = s->t->nnodes, best = node;
	double least = 0;

	for (unsigned int j = 0; j < n; j++) {
		double latency = s->m.latency[node * n + j];

		if (!nodeset_has(mems, s->t->nodes[j].id) || (least > 0 && latency >= least))
			continue;
		least = latency;
		best = j;
	}
	return best;
}

static double bytes_of(const struct topology *t, const struct share_node *m)
{
	double bytes = (double)m->memory;

	for (unsigned int h = 0; h < t->nhuge; h++)
		bytes += (double)m->huge[h] * (double)t->huge_size[h];
	return bytes;
}

/* Requested memory is where the placement put it; without a request, pages are on the nodes of the threads. */
static void add_pages(struct scene *s, struct tenant *x, const struct placement *p, double threads)
{
	unsigned int n = x->nparts;
	double bytes = 0;

	for (unsigned int i = 0; i < p->share.nmem; i++)
		bytes += bytes_of(s->t, &p->share.mem[i]);
	for (unsigned int i = 0; i < p->share.nmem && bytes > 0; i++) {
		int node = topology_find_node(s->t, p->share.mem[i].id);
		double here = bytes_of(s->t, &p->share.mem[i]);

		if (node >= 0 && here > 0)
			part_on(s, x, (unsigned int)node)->pages += here / bytes;
	}
	for (unsigned int i = 0; i < n && bytes <= 0; i++) {
		double here = x->part[i].threads / threads;

		part_on(s, x, home_of(s, &p->mems, x->part[i].node))->pages += here;
	}
}

/* Fills @x->part for a container whose load is included in the loads. */
static void find_parts(struct scene *s, struct tenant *x, const struct placement *p, double idle)
{
	double load = load_of(&p->share, idle), threads = 0;

	x->nparts = 0;
	own_caches(s, &p->share, load);
	idset_foreach(id, &p->share.cpus) {
		int i = topology_find_cpu(s->t, id);

		if (i >= 0 && load > 0)
			add_threads(s, x, (unsigned int)i, load);
	}
	for (unsigned int i = 0; i < x->nparts; i++) {
		threads += x->part[i].threads;
		x->part[i].time /= x->part[i].threads;
		x->part[i].siblings /= x->part[i].threads;
		x->part[i].crowd /= x->part[i].threads;
		x->part[i].slow /= x->part[i].threads;
	}
	if (threads > 0)
		add_pages(s, x, p, threads);
	for (unsigned int i = 0; i < x->nparts; i++)
		s->part_of[x->part[i].node] = NO_NODE;
}

/* Parts of a placement at most: nodes with its threads or pages. */
static int tenant_init(const struct scene *s, struct tenant *x, struct work_hint work)
{
	*x = (struct tenant){ .work = work, .part = calloc(s->t->nnodes, sizeof(*x->part)) };
	for (unsigned int i = 0; i < WORKS; i++)
		x->speed[i] = 1;
	return x->part ? 0 : -ENOMEM;
}

/* Keeps only the parts in use, as there may be thousands of containers. */
static void tenant_shrink(struct tenant *x)
{
	struct model_part *smaller = realloc(x->part, (x->nparts + 1) * sizeof(*x->part));

	x->part = smaller ? smaller : x->part;
}

/* --- traffic --- */

/* Work number @i, and its part of what the container does. */
static double weight_of(const struct scene *s, struct work_hint hint, unsigned int i, struct work *work)
{
	double weight = model_work(s->m.params, i, work);

	if (!hint.given)
		return weight;
	return work->kind == hint.kind ? weight / s->m.params->mix[hint.kind] : 0;
}

static void clear_traffic(const struct scene *s, const struct model_traffic *x)
{
	memset(x->controller, 0, s->t->nnodes * sizeof(double));
	memset(x->link, 0, s->t->nnodes * sizeof(double));
}

/* The traffic of all other containers at the speeds that it leaves to them. */
static void settle_others(struct scene *s)
{
	clear_traffic(s, &s->others);
	for (unsigned int round = 0; round <= ROUNDS; round++) {
		struct work work;

		for (unsigned int k = 0; round && k < s->in->n; k++)
			for (unsigned int i = 0; i < WORKS; i++) {
				struct tenant *x = &s->tenant[k];

				if (x->nparts && weight_of(s, x->work, i, &work) > 0)
					x->speed[i] = (x->speed[i] +
						       model_speed(&s->m, x->part, x->nparts, &work, &s->others)) /
						      2;
			}
		clear_traffic(s, &s->others);
		for (unsigned int k = 0; k < s->in->n; k++)
			for (unsigned int i = 0; i < WORKS; i++) {
				const struct tenant *x = &s->tenant[k];
				double weight = weight_of(s, x->work, i, &work);

				if (x->nparts && weight > 0)
					model_draw(&s->m, x->part, x->nparts, &work, x->speed[i] * weight, &s->others);
			}
	}
}

/* Speed of the container beside @others, whose traffic does not change with it. */
static double settle_speed(const struct scene *s, const struct tenant *x, const struct work *work,
		     const struct model_traffic *others)
{
	size_t size = s->t->nnodes * sizeof(double);
	double speed = 1;

	for (unsigned int round = 0; round < ROUNDS; round++) {
		memcpy(s->with.controller, others->controller, size);
		memcpy(s->with.link, others->link, size);
		model_draw(&s->m, x->part, x->nparts, work, speed, &s->with);
		speed = (speed + model_speed(&s->m, x->part, x->nparts, work, &s->with)) / 2;
	}
	return speed;
}

/* --- one place --- */

/* The container at one place: beside the others, and alone. */
struct seat {
	struct tenant now, alone;
	double speed_alone;
};

/* Mean over its works of its speed with these parts beside @others. */
static double mean_speed(const struct scene *s, const struct tenant *x, const struct model_traffic *others)
{
	double sum = 0;

	for (unsigned int i = 0; i < WORKS; i++) {
		struct work work;
		double weight = weight_of(s, x->work, i, &work);

		if (weight > 0)
			sum += weight * settle_speed(s, x, &work, others);
	}
	return sum;
}

/* The same if some causes, bits 1 << enum slow_cause, were absent. */
static double without(const struct scene *s, const struct tenant *present, const struct tenant *alone,
		      unsigned int causes, struct model_traffic *scratch)
{
	struct tenant x = *present;
	size_t size = s->t->nnodes * sizeof(double);

	x.part = s->part;
	memcpy(x.part, present->part, x.nparts * sizeof(*x.part));
	memcpy(scratch->controller, s->others.controller, size);
	memcpy(scratch->link, s->others.link, size);
	for (unsigned int i = 0; i < x.nparts; i++) {
		if (causes & 1U << SLOW_TIME)
			x.part[i].time = alone->part[i].time;
		if (causes & 1U << SLOW_CPUS)
			x.part[i].slow = s->slow;
		if (causes & 1U << SLOW_CORES)
			x.part[i].siblings = s->siblings;
		if (causes & 1U << SLOW_CACHES)
			x.part[i].crowd = alone->part[i].crowd;
	}
	if (causes & 1U << SLOW_MEMORY)
		memset(scratch->controller, 0, size);
	if (causes & 1U << SLOW_LINKS)
		memset(scratch->link, 0, size);
	return mean_speed(s, &x, scratch);
}

/* Of the nodes with its pages, the one whose memory others use most. */
static unsigned int busiest(const struct scene *s, const struct tenant *x)
{
	double most = -1;
	unsigned int node = 0;

	for (unsigned int i = 0; i < x->nparts; i++) {
		unsigned int at = x->part[i].node;
		double used = s->m.controller[at] > 0 ? s->others.controller[at] / s->m.controller[at] : 0;

		if (x->part[i].pages > 0 && used > most) {
			most = used;
			node = s->t->nodes[at].id;
		}
	}
	return node;
}

#define OTHERS (1U << SLOW_MEMORY | 1U << SLOW_LINKS)
#define CORES  (1U << SLOW_CPUS | 1U << SLOW_CORES)
#define LITTLE 1e-9 /* differences of rounding */

/*
 * The cause without which it would be fastest; distance is what it lacks even alone and on such cores. If several
 * together are needed, as the slowest of a memory and of the links to it counts, it is the memory.
 */
static void find_cause(const struct scene *s, const struct seat *seat, double best, struct model_traffic *scratch,
		       struct speed *out)
{
	const struct tenant *now = &seat->now, *alone = &seat->alone;
	double most = LITTLE, present = out->part * best;

	if (out->part >= 1 - LITTLE)
		return;
	for (enum slow_cause cause = SLOW_TIME; cause <= SLOW_DISTANCE; cause++) {
		double gain = cause == SLOW_DISTANCE ? best - without(s, alone, alone, OTHERS | CORES, scratch) :
						       without(s, now, alone, 1U << cause, scratch) - present;

		if (gain <= most)
			continue;
		most = gain;
		out->cause = cause;
	}
	if (out->cause == SLOW_NOT)
		out->cause = SLOW_MEMORY;
	if (out->cause == SLOW_MEMORY)
		out->node = busiest(s, now);
}

/* Notes the least that its threads suffer from their cores if it is alone. */
static void note_cores(struct scene *s, const struct tenant *alone, bool first)
{
	double threads = 0, siblings = 0, slow = 0;

	for (unsigned int i = 0; i < alone->nparts; i++) {
		threads += alone->part[i].threads;
		siblings += alone->part[i].threads * alone->part[i].siblings;
		slow += alone->part[i].threads * alone->part[i].slow;
	}
	if (first || siblings / threads < s->siblings)
		s->siblings = siblings / threads;
	if (first || slow / threads < s->slow)
		s->slow = slow / threads;
}

/* Parts and speed alone, then the parts beside the others. */
static int seat_find(struct scene *s, struct seat *seat, const struct placement *p)
{
	if (tenant_init(s, &seat->now, s->in->work) < 0 || tenant_init(s, &seat->alone, s->in->work) < 0)
		return -ENOMEM;
	clear_loads(s);
	add_load(s, &p->share, 0);
	find_parts(s, &seat->alone, p, 0);
	clear_traffic(s, &s->others);
	seat->speed_alone = seat->alone.nparts ? mean_speed(s, &seat->alone, &s->others) : 0;
	for (unsigned int k = 0; k < s->in->n; k++)
		add_load(s, &s->in->neighbour[k].placement->share, s->in->neighbour[k].idle);
	find_parts(s, &seat->now, p, 0);
	return 0;
}

static int find_others(struct scene *s)
{
	clear_loads(s);
	for (unsigned int k = 0; k < s->in->n; k++)
		add_load(s, &s->in->neighbour[k].placement->share, s->in->neighbour[k].idle);
	for (unsigned int k = 0; k < s->in->n; k++) {
		if (tenant_init(s, &s->tenant[k], s->in->neighbour[k].work) < 0)
			return -ENOMEM;
		find_parts(s, &s->tenant[k], s->in->neighbour[k].placement, s->in->neighbour[k].idle);
		tenant_shrink(&s->tenant[k]);
	}
	settle_others(s);
	return 0;
}

/* --- all places --- */

static int scene_init(struct scene *s, const struct speed_input *in)
{
	const struct topology *t = in->topology;
	size_t nodes = t->nnodes + 1;
	double *sums = calloc(4 * nodes + t->ncpus + t->ncores + 2 * t->nllcs + 4, sizeof(*sums));

	*s = (struct scene){ .in = in, .t = t };
	s->others = (struct model_traffic){ sums, sums + nodes };
	if (!sums)
		return -ENOMEM;
	s->with = (struct model_traffic){ sums + 2 * nodes, sums + 3 * nodes };
	s->loads.cpu = sums + 4 * nodes;
	s->loads.core = s->loads.cpu + t->ncpus;
	s->loads.cache = s->loads.core + t->ncores;
	s->own_cache = s->loads.cache + t->nllcs;
	s->loads.cache_cpus = calloc(t->nllcs + 1U, sizeof(*s->loads.cache_cpus));
	s->tenant = calloc(in->n + 1, sizeof(*s->tenant));
	s->part_of = malloc(nodes * sizeof(*s->part_of));
	s->part = calloc(nodes, sizeof(*s->part));
	if (!s->loads.cache_cpus || !s->tenant || !s->part_of || !s->part || model_init(&s->m, t, &model_params[0]) < 0)
		return -ENOMEM;
	kinds_find(t, &s->kinds);
	memset(s->part_of, 0xff, nodes * sizeof(*s->part_of));
	for (unsigned int i = 0; i < t->ncpus; i++)
		s->loads.cache_cpus[t->cpus[i].llc]++;
	return 0;
}

static void scene_free(struct scene *s)
{
	for (unsigned int k = 0; s->tenant && k < s->in->n; k++)
		free(s->tenant[k].part);
	free(s->tenant);
	free(s->part_of);
	free(s->part);
	free(s->loads.cache_cpus);
	free(s->others.controller);
	model_free(&s->m);
}

static int predict(struct scene *s, struct seat *seat, const struct placement *const *place, unsigned int n,
		   unsigned int idle, struct speed *out)
{
	cleanup_free double *sums = calloc(2 * (size_t)s->t->nnodes + 2, sizeof(*sums));
	struct model_traffic scratch = { sums, sums + s->t->nnodes + 1 };
	double best = 0;
	int r = sums ? 0 : -ENOMEM, noted = 0;

	for (unsigned int k = 0; k < n && r == 0; k++) {
		r = seat_find(s, &seat[k], place[k]);
		if (r < 0 || !seat[k].alone.nparts || k >= idle)
			continue;
		note_cores(s, &seat[k].alone, !noted++);
		best = seat[k].speed_alone > best ? seat[k].speed_alone : best;
	}
	if (r == 0)
		r = find_others(s);
	for (unsigned int k = 0; k < n && r == 0; k++) {
		out[k] = (struct speed){ .cause = SLOW_NOT };
		if (!seat[k].now.nparts || best <= 0)
			continue;
		out[k].part = mean_speed(s, &seat[k].now, &s->others) / best;
		if (k < idle)
			out[k].part = one_at_most(out[k].part);
		find_cause(s, &seat[k], best, &scratch, &out[k]);
	}
	return r;
}

int speed_predict(const struct speed_input *in, const struct placement *const *place, unsigned int n, unsigned int idle,
		  struct speed *out)
{
	struct seat seat[SPEED_PLACES_MAX] = { 0 };
	struct scene s;
	int r = scene_init(&s, in);

	if (r == 0)
		r = predict(&s, seat, place, n, idle, out);
	for (unsigned int k = 0; k < n; k++) {
		free(seat[k].now.part);
		free(seat[k].alone.part);
	}
	scene_free(&s);
	return r;
}

int speed_of_all(const struct speed_input *in, double *out)
{
	struct scene s;
	int r = scene_init(&s, in);

	if (r == 0)
		r = find_others(&s);
	for (unsigned int k = 0; k < in->n && r == 0; k++) {
		const struct tenant *x = &s.tenant[k];
		double mean = 0, threads = 0;

		for (unsigned int i = 0; i < WORKS; i++) {
			struct work work;

			mean += weight_of(&s, x->work, i, &work) * x->speed[i];
		}
		for (unsigned int i = 0; i < x->nparts; i++)
			threads += x->part[i].threads;
		out[k] = threads * mean;
	}
	scene_free(&s);
	return r;
}

unsigned int speed_percent(const struct speed *s)
{
	return (unsigned int)(s->part * 100 + 0.5);
}

void speed_reason(const struct speed *s, char *buf, size_t size)
{
	static const char *const text[] = {
		[SLOW_NOT] = "",
		[SLOW_TIME] = "its CPUs are over-committed",
		[SLOW_CPUS] = "its CPUs are slower than those that it could have",
		[SLOW_CORES] = "its threads share cores",
		[SLOW_CACHES] = "other containers use its last-level caches",
		[SLOW_MEMORY] = "",
		[SLOW_LINKS] = "the links between its nodes are busy",
		[SLOW_DISTANCE] = "its CPUs and memory are farther apart than they could be",
	};
	bool full = speed_percent(s) >= 100;

	if (s->cause == SLOW_MEMORY && !full)
		snprintf(buf, size, "node %u's memory is busy", s->node);
	else
		snprintf(buf, size, "%s", full ? "" : text[s->cause]);
}
