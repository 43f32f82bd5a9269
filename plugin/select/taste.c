/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What each part of a cost weighs, in local distances, from the constants of the model of memory (model.c), from the
 * machine, and from the policy's balance.
 *
 * The model gives the slowdown of a container from distance, from the traffic at a node's memory and from threads that
 * share a core. A set costs the slowdown of the container, and of its neighbours, divided by the slowdown from one
 * local distance. What later containers lose if the emptiest nodes are broken up is a prior: the container cannot know
 * them.
 */
#include "plugin/select/model.h"
#include "plugin/select/select-internal.h"

#define KEEP_MOST 20.0 /* taste.keep at balance 0 */

const struct select_prices select_prices = {
	.model = &model_params[0],
	.node = 3,
	.node_idle = 0.25,
	.memory = 0.1,
	.group = 0.1,
};

/* Of one kind of work, or the mean over the kinds. */
struct mean_work {
	double memory, stream;
};

static struct mean_work mean_work(const struct model_params *p)
{
	struct mean_work m = { 0 };

	for (unsigned int i = 0; i < WORK_KINDS; i++) {
		m.memory += p->mix[i] * p->memory[i];
		m.stream += p->mix[i] * p->stream[i];
	}
	return m;
}

/* Of the container: the mean, unless the container or the administrator has named its kind. */
static struct mean_work work_of(const struct choice *c, const struct model_params *p)
{
	struct work_hint hint = choice_work(c);

	return hint.given ? (struct mean_work){ p->memory[hint.kind], p->stream[hint.kind] } : mean_work(p);
}

/* Traffic at the memory of a node of mean size with all CPUs in use, as part of what the memory serves. */
static double full_traffic(const struct topology *t, const struct model_params *p, double stream)
{
	unsigned int nodes = nodeset_count(&t->cpu_nodes);
	double threads = t->ncores ? (double)t->ncpus / t->ncores : 1;
	double cores = nodes ? (double)t->ncores / nodes : 1, serves = p->controller * cores;

	serves = serves > p->controller_least ? serves : p->controller_least;
	return cores * (threads > 1 ? threads * p->smt : 1) * stream / serves;
}

/*
 * Cost of a CPU on a fully used node: the longer wait for its memory, and what this adds to the wait of the others,
 * whose work is @mean. Below saturation, the wait grows with the square of the traffic (model_wait()).
 */
static double crowd_price(const struct topology *t, const struct model_params *p, const struct mean_work *work,
			  const struct mean_work *mean)
{
	double u = full_traffic(t, p, mean->stream), wait = u < 1 ? p->queue * u * u : (1 + p->queue) * u - 1;
	double grows = u < 1 ? 2 * p->queue * u * u : (1 + p->queue) * u;

	return mean->memory * (wait * (work->memory / mean->memory) + grows * (work->stream / mean->stream));
}

/*
 * taste.keep: with one node, there is nothing to keep. While most of the machine is free, few later containers need
 * what is kept.
 */
static double keep_price(const struct select_prices *price, double nodes, double mean)
{
	double others = 1 - 1 / nodes;
	double used = (1 - mean) * (1 - mean);

	return others * (price->node_idle + (price->node * others - price->node_idle) * used);
}

/*
 * Balance 100 is worst fit, where evenness decides regardless of distance; 50 is what the model predicts; 0 is best
 * fit, which packs containers.
 */
static void balance_taste(unsigned int balance, struct taste *t)
{
	double away = ((double)balance - 50) / 50, keep = t->keep;
	double steep = away * away * away * away;
	double whole = keep > 1 ? keep : 1; /* up to this keep, evenness has its full weight */

	if (away >= 0) {
		t->keep *= 1 - away;
		t->cpu *= 1 + 1000 * steep;
		t->memory *= 1 + 1000 * steep;
	} else {
		t->keep += (KEEP_MOST - keep) * away * away;
		t->cpu /= t->keep > whole ? t->keep / whole : 1;
	}
}

/* Slowdown if all pages are one local distance away. */
static double local_distance(const struct model_params *p, const struct mean_work *work)
{
	return work->memory * (model_latency(p, 20) - 1);
}

double taste_compute(const struct choice *c)
{
	const struct model_params *p = c->in->policy->prices->model;
	struct mean_work work = work_of(c, p);

	return (1 - work.memory) / local_distance(p, &work);
}

double taste_later(const struct choice *c)
{
	const struct model_params *p = c->in->policy->prices->model;
	struct mean_work work, others;

	if (!choice_work(c).given)
		return 1;
	work = work_of(c, p);
	others = mean_work(p);
	return local_distance(p, &others) / local_distance(p, &work);
}

double taste_sharing(const struct choice *c)
{
	return 1 / c->in->policy->prices->model->smt - 1;
}

void taste_set(struct choice *c)
{
	struct taste *t = &c->search.taste;
	const struct emptiness *e = &c->emptiness;
	const struct model_params *p = c->in->policy->prices->model;
	struct mean_work work = work_of(c, p), others = choice_work(c).given ? mean_work(p) : work;
	double mean = e->nodes > 0 ? e->share / e->nodes : 0;
	double distance = local_distance(p, &work);
	double later = taste_later(c);

	t->nodes = e->nodes > 0 ? e->nodes : 1;
	t->cpu = crowd_price(c->t, p, &work, &others) / distance;
	t->memory = c->in->policy->prices->memory * later;
	t->keep = keep_price(c->in->policy->prices, t->nodes, mean) * later / t->cpu;
	t->core = (1 - work.memory) * (1 / p->smt - 1) / distance;
	balance_taste(c->in->policy->balance, t);
	t->mean = mean - t->keep * mean * mean * mean;
	t->step = e->cpus > 0 ? (double)c->search.need.room / LOAD_ONE * e->nodes / e->cpus : 1;
}
