/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Judges a rule by the speed that plugin/select/model.c predicts for all containers that live at a time. The work of
 * each container is drawn from the mix of the parameter set by its number, so that it is the same for every rule; no
 * rule knows it. Speed and traffic depend on each other: each look at the machine does two rounds from the last speeds.
 * Speeds are relative to the same container alone on an idle machine.
 */
#include "bench/select/bench.h"

#include "plugin/base/util.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 2
#define WORLDS 4 /* draws of works, which are judged side by side */

/* A container that lives, or its result after it ended. */
struct judged {
	unsigned int ncpus, nparts, at; /* at: its place among those that live */
	const uint16_t *cpu;
	struct model_part *part;
	struct world {
		struct work work;
		double alone; /* speed on an idle machine */
		double speed, sum;
	} world[MODEL_PARAMS][WORLDS];
	unsigned int looks;
};

static const char *const tuned_machines[] = {
	"made-001n-64c",
	"made-002n-2x32",
	"made-004n-pairs",
	"made-004n-snc",
	"made-006n-ring",
	"made-024n-epyc",
	"made-064n-4c",
	"made-256n-8c",
	"112intel64-2s6n-snc",
	"48amd64-4pa2n6c-sparse",
	"40intel64-2g2n4c+pcilocality",
};

bool half_has_machine(enum half h, const char *name)
{
	bool tuned = false;

	for (unsigned int i = 0; i < ARRAY_SIZE(tuned_machines); i++)
		tuned |= strcmp(tuned_machines[i], name) == 0;
	return h == HALF_BOTH || tuned == (h == HALF_TUNED);
}

bool half_has_params(enum half h, unsigned int params)
{
	return h == HALF_BOTH || (params < MODEL_PARAMS / 2) == (h == HALF_TUNED);
}

unsigned int half_seed(enum half h, unsigned int seed)
{
	return h == HALF_BOTH ? seed : 2 * seed - (h == HALF_TUNED);
}

int judge_init(struct judge *j, const struct state *s, unsigned int most)
{
	*j = (struct judge){ .s = s };
	j->live = calloc(most, sizeof(*j->live));
	j->ended = calloc(most, sizeof(*j->ended));
	j->llc_load = calloc(s->t->nllcs + 1, sizeof(*j->llc_load));
	j->llc_cpus = calloc(s->t->nllcs + 1, sizeof(*j->llc_cpus));
	j->traffic.controller = calloc(s->t->nnodes, sizeof(double));
	j->traffic.link = calloc(s->t->nnodes, sizeof(double));
	j->alone = calloc((size_t)MODEL_PARAMS * WORKS * ALONE_CPUS, sizeof(*j->alone));
	if (!j->alone || !j->live || !j->ended || !j->llc_load || !j->llc_cpus || !j->traffic.controller ||
	    !j->traffic.link)
		return -ENOMEM;
	for (unsigned int i = 0; i < s->t->ncpus; i++)
		j->llc_cpus[s->t->cpus[i].llc]++;
	for (unsigned int i = 0; i < MODEL_PARAMS; i++)
		if (model_init(&j->model[i], s->t, &model_params[i]))
			return -ENOMEM;
	return 0;
}

static void judged_free(struct judged *c)
{
	if (c)
		free(c->part);
	free(c);
}

void judge_free(struct judge *j)
{
	for (unsigned int i = 0; i < j->nlive; i++)
		judged_free(j->live[i]);
	for (unsigned int i = 0; i < j->nended; i++)
		judged_free(j->ended[i]);
	for (unsigned int i = 0; i < MODEL_PARAMS; i++)
		model_free(&j->model[i]);
	free(j->live);
	free(j->ended);
	free(j->alone);
	free(j->llc_load);
	free(j->llc_cpus);
	free(j->traffic.controller);
	free(j->traffic.link);
	*j = (struct judge){ 0 };
}

/* By a number in [0, 1). */
static struct work draw_work(const struct model_params *p, double lot)
{
	struct work w = { 0 };

	for (unsigned int i = 0; i < WORKS; i++) {
		lot -= model_work(p, i, &w);
		if (lot < 0)
			break;
	}
	return w;
}

/* Threads and pages by node; pages are as the threads are if no memory is requested. */
static int fill_parts(struct judged *c, const struct state *s, const struct held *h)
{
	unsigned int part_of[NODE_ID_MAX];
	double memory = 0;

	memset(part_of, 0xff, sizeof(part_of));
	c->part = calloc(h->ncpus + h->nmem, sizeof(*c->part));
	if (!c->part)
		return -ENOMEM;
	for (unsigned int i = 0; i < h->nmem; i++)
		memory += (double)h->mem[i];
	for (unsigned int i = 0; i < h->ncpus; i++) {
		unsigned int node = s->t->cpus[h->cpu[i]].node;

		if (part_of[node] == ~0U) {
			part_of[node] = c->nparts;
			c->part[c->nparts++].node = node;
		}
		c->part[part_of[node]].threads++;
	}
	for (unsigned int i = 0; i < c->nparts && memory <= 0; i++)
		c->part[i].pages = c->part[i].threads / h->ncpus;
	for (unsigned int i = 0; i < h->nmem && memory > 0; i++) {
		unsigned int node = h->mem_node[i];

		if (part_of[node] == ~0U) {
			part_of[node] = c->nparts;
			c->part[c->nparts++].node = node;
		}
		c->part[part_of[node]].pages += (double)h->mem[i] / memory;
	}
	return 0;
}

/* The nodes nearest to @start that have all its CPUs together, as parts of a container with all of them idle. */
static unsigned int idle_parts(const struct model *m, const struct state *s, unsigned int start, unsigned int cpus,
			       struct model_part *part)
{
	static bool used[NODE_ID_MAX];
	unsigned int n = 0, left = cpus;

	memset(used, 0, s->t->nnodes * sizeof(*used));
	for (unsigned int at = start; left; n++) {
		unsigned int take = s->cpus[at] < left ? s->cpus[at] : left, best = NO_NODE;

		part[n] = (struct model_part){ .node = at, .threads = take, .pages = (double)take / cpus, .time = 1 };
		part[n].siblings = s->smt > 1 && cpus > 1;
		used[at] = true;
		left -= take;
		for (unsigned int i = 0; i < s->ncand; i++) {
			unsigned int v = s->cand[i];

			if (!used[v] && (best == NO_NODE ||
					 m->latency[start * m->nnodes + v] < m->latency[start * m->nnodes + best]))
				best = v;
		}
		at = best;
	}
	return n;
}

/* Equal parts instead, if each node is large enough. */
static bool share_equally(const struct state *s, struct model_part *part, unsigned int n, unsigned int cpus)
{
	for (unsigned int i = 0; i < n; i++) {
		part[i].threads = (double)cpus / n;
		part[i].pages = 1.0 / n;
		if (n == 1 || part[i].threads > s->cpus[part[i].node])
			return false;
	}
	return true;
}

#define ALONE_STARTS 8

/* Speed of the same container alone on the machine: its best of some starting nodes, filled or shared equally. */
static double alone_speed(struct judge *j, unsigned int set, unsigned int cpus, const struct work *work)
{
	static struct model_part part[NODE_ID_MAX];
	const struct state *s = j->s;
	unsigned int step = 1 + s->ncand / ALONE_STARTS;
	double best = 0;

	for (unsigned int i = 0; i / 2 * step < s->ncand; i++) {
		unsigned int n = idle_parts(&j->model[set], s, s->cand[i / 2 * step], cpus, part);
		double speed = 1;

		if (i & 1 && !share_equally(s, part, n, cpus))
			continue;
		for (unsigned int round = 0; round < 8; round++) {
			memset(j->traffic.controller, 0, s->t->nnodes * sizeof(double));
			memset(j->traffic.link, 0, s->t->nnodes * sizeof(double));
			model_draw(&j->model[set], part, n, work, speed, &j->traffic);
			speed = (speed + model_speed(&j->model[set], part, n, work, &j->traffic)) / 2;
		}
		best = speed > best ? speed : best;
	}
	return best;
}

/* By set, size and work: the same for all containers of a trace. */
static double alone(struct judge *j, unsigned int set, unsigned int cpus, const struct work *work)
{
	unsigned int key = ((set * WORK_KINDS + work->kind) * 2 + work->parallel) * 2 + work->shared;
	double *known = cpus < ALONE_CPUS ? &j->alone[key * ALONE_CPUS + cpus] : NULL;
	double speed = known && *known > 0 ? *known : alone_speed(j, set, cpus, work);

	if (known)
		*known = speed;
	return speed;
}

struct judged *judge_add(struct judge *j, const struct held *h, uint64_t lot)
{
	struct judged *c = calloc(1, sizeof(*c));
	struct rng r;

	if (!c || fill_parts(c, j->s, h)) {
		judged_free(c);
		return NULL;
	}
	c->cpu = h->cpu;
	c->ncpus = h->ncpus;
	rng_seed(&r, lot * 6364136223846793005ULL + 18);
	for (unsigned int i = 0; i < MODEL_PARAMS; i++) {
		if (half_has_params(half, i))
			for (unsigned int k = 0; k < WORLDS; k++) {
				struct world *w = &c->world[i][k];

				w->work = draw_work(&model_params[i], rng_unit(&r));
				w->speed = w->alone = alone(j, i, c->ncpus, &w->work);
			}
	}
	c->at = j->nlive;
	j->live[j->nlive++] = c;
	return c;
}

void judge_end(struct judge *j, struct judged *c)
{
	j->live[c->at] = j->live[--j->nlive];
	j->live[c->at]->at = c->at;
	if (c->looks)
		j->ended[j->nended++] = c;
	else
		judged_free(c);
}

static double one_at_most(double x)
{
	return x < 1 ? x : 1;
}

/* What a container shares with others now: CPU time, cores and caches. */
static void look_at_cpus(struct judge *j, struct judged *c)
{
	const struct state *s = j->s;
	unsigned int at = 0;

	for (unsigned int i = 0; i < c->nparts; i++) {
		c->part[i].time = c->part[i].threads > 0 ? 0 : 1;
		c->part[i].siblings = c->part[i].crowd = 0;
	}
	for (unsigned int i = 0; i < c->ncpus; i++)
		j->llc_load[s->t->cpus[c->cpu[i]].llc] -= one_at_most((double)s->load[c->cpu[i]] / LOAD_ONE);
	for (unsigned int i = 0; i < c->ncpus; i++) {
		const struct topo_cpu *cpu = &s->t->cpus[c->cpu[i]];
		const struct core *core = &s->core[s->core_of[c->cpu[i]]];
		double load = (double)s->load[c->cpu[i]] / LOAD_ONE, busy = 0;
		struct model_part *p;

		while (c->part[at].node != cpu->node)
			at = at + 1 < c->nparts ? at + 1 : 0;
		p = &c->part[at];
		for (unsigned int k = 0; k < core->n; k++)
			if (s->member[core->first + k] != c->cpu[i])
				busy += (double)s->load[s->member[core->first + k]] / LOAD_ONE;
		p->time += (load > 1 ? 1 / load : 1) / p->threads;
		p->siblings += one_at_most(busy) / p->threads;
		p->crowd += j->llc_load[cpu->llc] / j->llc_cpus[cpu->llc] / p->threads;
	}
	for (unsigned int i = 0; i < c->ncpus; i++)
		j->llc_load[s->t->cpus[c->cpu[i]].llc] += one_at_most((double)s->load[c->cpu[i]] / LOAD_ONE);
}

static void look_with(struct judge *j, unsigned int set, unsigned int world)
{
	const struct model *m = &j->model[set];
	size_t size = j->s->t->nnodes * sizeof(double);

	for (unsigned int round = 0; round < ROUNDS; round++) {
		memset(j->traffic.controller, 0, size);
		memset(j->traffic.link, 0, size);
		for (unsigned int i = 0; i < j->nlive; i++) {
			const struct judged *c = j->live[i];
			const struct world *w = &c->world[set][world];

			model_draw(m, c->part, c->nparts, &w->work, w->speed, &j->traffic);
		}
		for (unsigned int i = 0; i < j->nlive; i++) {
			struct judged *c = j->live[i];
			struct world *w = &c->world[set][world];

			/* damped: a saturated controller makes speeds swing */
			w->speed = (w->speed + model_speed(m, c->part, c->nparts, &w->work, &j->traffic)) / 2;
		}
	}
	for (unsigned int i = 0; i < j->nlive; i++) {
		struct world *w = &j->live[i]->world[set][world];

		w->sum += w->speed / w->alone;
	}
}

void judge_look(struct judge *j, enum half h)
{
	const struct state *s = j->s;

	memset(j->llc_load, 0, s->t->nllcs * sizeof(*j->llc_load));
	for (unsigned int i = 0; i < s->t->ncpus; i++)
		j->llc_load[s->t->cpus[i].llc] += one_at_most((double)s->load[i] / LOAD_ONE);
	for (unsigned int i = 0; i < j->nlive; i++) {
		look_at_cpus(j, j->live[i]);
		j->live[i]->looks++;
	}
	for (unsigned int set = 0; set < MODEL_PARAMS; set++)
		for (unsigned int world = 0; world < WORLDS && half_has_params(h, set); world++)
			look_with(j, set, world);
}

static unsigned int sort_set, sort_world; /* qsort has no argument */

static double mean_speed(const struct judged *c)
{
	return c->world[sort_set][sort_world].sum / c->looks;
}

static int by_speed(const void *a, const void *b)
{
	double x = mean_speed(*(struct judged *const *)a), y = mean_speed(*(struct judged *const *)b);

	return (x > y) - (x < y);
}

/* Means by CPU and time: of all, and of the slowest tenth. */
static void sum_world(struct judge *j, double *all, double *slowest)
{
	double cpus = 0, speed = 0, slow = 0, left;

	qsort(j->ended, j->nended, sizeof(*j->ended), by_speed);
	for (unsigned int i = 0; i < j->nended; i++) {
		double part = (double)j->ended[i]->ncpus * j->ended[i]->looks;

		cpus += part;
		speed += part * mean_speed(j->ended[i]);
	}
	left = cpus / 10;
	for (unsigned int i = 0; i < j->nended && left > 0; i++) {
		double part = (double)j->ended[i]->ncpus * j->ended[i]->looks;

		part = part < left ? part : left;
		slow += part * mean_speed(j->ended[i]);
		left -= part;
	}
	*all += speed / cpus / WORLDS;
	*slowest += slow / (cpus / 10) / WORLDS;
}

void judge_sum(struct judge *j, enum half h, double *value)
{
	while (j->nlive)
		judge_end(j, j->live[0]);
	for (unsigned int set = 0; set < MODEL_PARAMS; set++) {
		value[M_SPEED + set] = value[M_SLOWEST + set] = NAN;
		if (!half_has_params(h, set) || !j->nended)
			continue;
		value[M_SPEED + set] = value[M_SLOWEST + set] = 0;
		for (unsigned int world = 0; world < WORLDS; world++) {
			sort_set = set;
			sort_world = world;
			sum_world(j, &value[M_SPEED + set], &value[M_SLOWEST + set]);
		}
	}
}
