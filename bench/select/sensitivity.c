/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How much each constant of a choice matters: halves and doubles them one by one. A choice differs if, in the same state
 * of the machine, it has other nodes or another number of CPUs on them. Speed is that of the whole trace, chosen with
 * the changed constant and judged by the unchanged parameter sets of the model.
 */
#include "bench/select/bench.h"

#include "plugin/base/util.h"
#include "plugin/select/select.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ODDS_OF(x)   ((x) / (1 - (x)))
#define FROM_ODDS(o) ((o) / (1 + (o)))

enum constant {
	BASE,
	LATENCIES,
	WAITS, /* by kind of work */
	STREAMS = WAITS + WORK_KINDS,
	MIX = STREAMS + WORK_KINDS,
	CONTROLLER = MIX + WORK_KINDS,
	CONTROLLER_LEAST,
	QUEUE,
	SMT,
	PRICE_NODE,
	PRICE_NODE_IDLE,
	PRICE_MEMORY,
	PRICE_GROUP,
	CONSTANTS
};

static const char *const constant_names[CONSTANTS] = {
	[BASE] = "as it is",
	[LATENCIES] = "curve: latency beyond local",
	[WAITS + WORK_COMPUTE] = "memory: compute (odds)",
	[WAITS + WORK_LATENCY] = "memory: latency (odds)",
	[WAITS + WORK_BANDWIDTH] = "memory: bandwidth (odds)",
	[STREAMS + WORK_COMPUTE] = "stream: compute",
	[STREAMS + WORK_LATENCY] = "stream: latency",
	[STREAMS + WORK_BANDWIDTH] = "stream: bandwidth",
	[MIX + WORK_COMPUTE] = "mix: compute",
	[MIX + WORK_LATENCY] = "mix: latency",
	[MIX + WORK_BANDWIDTH] = "mix: bandwidth",
	[CONTROLLER] = "controller",
	[CONTROLLER_LEAST] = "controller_least",
	[QUEUE] = "queue",
	[SMT] = "smt: gain of a second thread",
	[PRICE_NODE] = "price: free node, full machine",
	[PRICE_NODE_IDLE] = "price: free node, idle machine",
	[PRICE_MEMORY] = "price: full memory",
	[PRICE_GROUP] = "price: free group",
};

/* One constant, times @factor. */
struct variant {
	enum constant constant;
	double factor;
	struct model_params model;
	struct select_prices prices;
	unsigned int differ, compared;
	double log_speed, log_slowest;
	unsigned int n;
};
#define VARIANTS (2 * CONSTANTS - 1)

static void change_mix(struct model_params *p, unsigned int kind, double factor)
{
	double sum = 0;

	p->mix[kind] *= factor;
	for (unsigned int i = 0; i < WORK_KINDS; i++)
		sum += p->mix[i];
	for (unsigned int i = 0; i < WORK_KINDS; i++)
		p->mix[i] /= sum;
}

static void change_model(struct model_params *p, enum constant c, double factor)
{
	if (c == LATENCIES)
		for (unsigned int i = 0; i < CURVE_POINTS; i++)
			p->curve[i].latency = 1 + (p->curve[i].latency - 1) * factor;
	else if (c >= WAITS && c < STREAMS)
		p->memory[c - WAITS] = FROM_ODDS(ODDS_OF(p->memory[c - WAITS]) * factor);
	else if (c >= STREAMS && c < MIX)
		p->stream[c - STREAMS] *= factor;
	else if (c >= MIX && c < CONTROLLER)
		change_mix(p, c - MIX, factor);
	else if (c == CONTROLLER)
		p->controller *= factor;
	else if (c == CONTROLLER_LEAST)
		p->controller_least *= factor;
	else if (c == QUEUE)
		p->queue *= factor;
	else if (c == SMT)
		p->smt = (1 + (2 * p->smt - 1) * factor) / 2;
}

static void variant_init(struct variant *v, enum constant c, double factor)
{
	*v = (struct variant){ .constant = c, .factor = factor, .model = *select_prices.model, .prices = select_prices };
	v->prices.model = &v->model;
	change_model(&v->model, c, factor);
	v->prices.node *= c == PRICE_NODE ? factor : 1;
	v->prices.node_idle *= c == PRICE_NODE_IDLE ? factor : 1;
	v->prices.memory *= c == PRICE_MEMORY ? factor : 1;
	v->prices.group *= c == PRICE_GROUP ? factor : 1;
}

static struct variant variants[VARIANTS];
static struct choice scratch; /* of the machine of the row */

static bool same_choice(const struct state *s, const struct choice *a, const struct choice *b)
{
	static unsigned int count[NODE_ID_MAX];
	bool same = a->ncpus == b->ncpus;

	memset(count, 0, s->t->nnodes * sizeof(*count));
	for (unsigned int i = 0; i < a->ncpus; i++)
		count[s->t->cpus[a->cpu[i]].node]++;
	for (unsigned int i = 0; i < b->ncpus; i++)
		count[s->t->cpus[b->cpu[i]].node]--;
	for (unsigned int i = 0; i < s->t->nnodes; i++)
		same &= !count[i] && a->mem[i] == b->mem[i];
	return same;
}

/* The choice as it is, and what each variant would choose instead. */
static bool pick_all(const struct state *s, const struct ask *a, int balance, struct choice *c)
{
	bool placed;

	ours_prices = &select_prices;
	placed = ours_pick(s, a, balance, c);
	for (unsigned int k = 1; k < VARIANTS; k++) {
		struct variant *v = &variants[k];

		choice_clear(&scratch, s);
		ours_prices = &v->prices;
		v->differ += ours_pick(s, a, balance, &scratch) != placed || !same_choice(s, c, &scratch);
		share_free(&scratch.share);
		v->compared++;
	}
	ours_prices = &select_prices;
	return placed;
}

/* Logarithms of the speed and of the slowest tenth, means over the parameter sets. */
static void add_speed(struct variant *v, const double *value)
{
	for (unsigned int set = 0; set < MODEL_PARAMS; set++) {
		if (isnan(value[M_SPEED + set]))
			continue;
		v->log_speed += log(value[M_SPEED + set]);
		v->log_slowest += log(value[M_SLOWEST + set]);
		v->n++;
	}
}

static int run_trace(const struct row *row, const struct pods *pods, unsigned int arrivals, unsigned int seed)
{
	struct rule all = *rule_find("numaplace"), one = all;
	double value[METRICS];
	struct trace tr;
	struct state s;
	int status = state_init(&s, row);

	if (status == 0)
		status = choice_init(&scratch, &s);
	all.pick = pick_all;
	for (unsigned int k = 0; k < VARIANTS && status == 0; k++) {
		status = trace_make(&tr, pods, row, arrivals, half_seed(half, seed));
		ours_prices = &variants[k].prices;
		if (status == 0)
			status = run_rule(k ? &one : &all, row, &tr, BALANCE_DEFAULT, false, value);
		trace_free(&tr);
		if (status == 0)
			add_speed(&variants[k], value);
	}
	ours_prices = &select_prices;
	choice_free(&scratch);
	state_free(&s);
	return status;
}

static void print_part(FILE *out, const struct variant *v)
{
	const struct variant *base = &variants[0];

	fprintf(out, "  %6.2f %%  %+7.2f %%  %+7.2f %%", 100.0 * v->differ / v->compared,
		100 * (exp((v->log_speed - base->log_speed) / base->n) - 1),
		100 * (exp((v->log_slowest - base->log_slowest) / base->n) - 1));
}

int sensitivity(const struct row_results *r, unsigned int n, const struct pods *pods, unsigned int arrivals,
		unsigned int seeds)
{
	variant_init(&variants[0], BASE, 1);
	for (enum constant c = 1; c < CONSTANTS; c++) {
		variant_init(&variants[2 * c - 1], c, 0.5);
		variant_init(&variants[2 * c], c, 2);
	}
	for (unsigned int i = 0; i < n; i++)
		for (unsigned int seed = 1; seed <= seeds; seed++)
			if (run_trace(&r[i].row, pods, arrivals, seed))
				return 2;
	if (!variants[1].compared)
		return 2;
	printf("%u rows, %u choices; share of other choices, mean speed and slowest tenth against the constants as they are\n",
	       n, variants[1].compared);
	printf("%-32s%-33s  %s\n", "constant", "  halved", "  doubled");
	for (enum constant c = 1; c < CONSTANTS; c++) {
		printf("%-32s", constant_names[c]);
		print_part(stdout, &variants[2 * c - 1]);
		fputs("  ", stdout);
		print_part(stdout, &variants[2 * c]);
		putchar('\n');
	}
	return 0;
}
