/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The weight of evenness against distance, from the policy's balance and from how much of the machine is free.
 */
#include "plugin/select/select-internal.h"

/* Cost of a fully loaded set, in local distances. */
#ifndef TASTE_CPU
#define TASTE_CPU 0.2
#define TASTE_MEMORY 0.1
#define KEEP 1.8      /* taste.keep with many nodes, all used */
#define KEEP_IDLE 0.6 /* taste.keep with many nodes, none used */
#endif
#ifndef KEEP_MOST
#define KEEP_MOST 20.0
#endif

/*
 * taste.keep: with many nodes, keeping some costs little; with two, much. While most of the machine is free, few
 * later requests need what is kept. @mean: mean of the nodes' free shares.
 */
static double keep_of(double nodes, double mean)
{
	double others = 1 - 1 / nodes;
	double used = (1 - mean) * (1 - mean);

	return others * (KEEP_IDLE + (KEEP * others - KEEP_IDLE) * used);
}

/*
 * Balance 100 is worst fit, where evenness decides regardless of distance; 50 was chosen by benchmark; 0 is best fit,
 * which packs containers. @keep: the value at 50.
 */
static void balance_taste(unsigned int balance, double keep, struct taste *t)
{
	double away = ((double)balance - 50) / 50;
	double steep = away * away * away * away;
	double whole = keep > 1 ? keep : 1; /* up to this keep, evenness has its full weight */

	t->cpu = TASTE_CPU;
	t->memory = TASTE_MEMORY;
	t->keep = keep;
	if (away >= 0) {
		t->keep *= 1 - away;
		t->cpu *= 1 + 1000 * steep;
		t->memory *= 1 + 1000 * steep;
	} else {
		t->keep += (KEEP_MOST - keep) * away * away;
		t->cpu /= t->keep > whole ? t->keep / whole : 1;
	}
}

void taste_set(struct choice *c)
{
	struct taste *t = &c->search.taste;
	const struct emptiness *e = &c->emptiness;
	double mean = e->nodes > 0 ? e->share / e->nodes : 0;

	t->nodes = e->nodes > 0 ? e->nodes : 1;
	balance_taste(c->in->policy->balance, keep_of(t->nodes, mean), t);
	t->mean = mean - t->keep * mean * mean * mean;
	t->step = e->cpus > 0 ? (double)c->search.need.room / LOAD_ONE * e->nodes / e->cpus : 1;
}
