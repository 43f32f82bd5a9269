/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Small containers and one large one, in every order, on four nodes of two CPUs in two near pairs: the large one must
 * lie on as near nodes as an idle machine has. What must come out, for the rules that choose by predicted speed.
 */
#include "bench/select/bench.h"

#include <stdlib.h>
#include <string.h>

#define MOST 4

static const struct case_of {
	unsigned int n, size[MOST];
	double distance; /* of the largest: 4 on a pair, 6 on a pair and one more node */
} cases[] = {
	{ 3, { 2, 2, 4 }, 11 },
	{ 4, { 1, 1, 2, 4 }, 11 },
	{ 2, { 2, 6 }, 92 / 6.0 },
	{ 4, { 2, 2, 2, 2 }, 10 },
};

struct orders {
	const struct row *row;
	const struct rule *rule;
	unsigned int tests, failed;
};

/* Distance of the largest; each placed one stays. */
static double place_all(const struct orders *o, const unsigned int *size, unsigned int n)
{
	struct state s;
	struct choice c;
	struct held held[MOST] = { 0 };
	unsigned int largest = 0;
	double distance = 0;

	if (state_init(&s, o->row) || choice_init(&c, &s))
		exit(2);
	for (unsigned int i = 0; i < n; i++) {
		struct ask a = { .cpus = size[i] };
		unsigned int count[NODE_ID_MAX] = { 0 };

		choice_clear(&c, &s);
		if (!o->rule->pick(&s, &a, BALANCE_DEFAULT, &c) || state_add(&s, &c, &held[i]))
			exit(2);
		for (unsigned int k = 0; k < held[i].ncpus; k++)
			for (unsigned int at = 0; at < held[i].nnodes; at++)
				count[at] += s.t->cpus[held[i].cpu[k]].node == held[i].node[at];
		if (size[i] > largest)
			distance = 0;
		if (size[i] >= largest) {
			double d = cpu_distance(&s, held[i].node, count, held[i].nnodes);

			largest = size[i];
			distance = d > distance ? d : distance;
		}
	}
	for (unsigned int i = 0; i < n; i++)
		held_free(&held[i]);
	choice_free(&c);
	state_free(&s);
	return distance;
}

static void check_order(struct orders *o, const struct case_of *x, const unsigned int *size)
{
	double distance = place_all(o, size, x->n);
	bool ok = distance <= x->distance + 0.01;

	printf("%s %u - %s:", ok ? "ok" : "not ok", ++o->tests, o->rule->key);
	for (unsigned int i = 0; i < x->n; i++)
		printf(" %u", size[i]);
	printf(": the largest has mean distance %.2f, at best %.2f\n", distance, x->distance);
	o->failed += !ok;
}

static void each_order(struct orders *o, const struct case_of *x, unsigned int *size, unsigned int at)
{
	if (at == x->n)
		check_order(o, x, size);
	for (unsigned int i = at; i < x->n; i++) {
		unsigned int here = size[at];
		bool tried = false;

		for (unsigned int j = at; j < i; j++)
			tried |= size[j] == size[i];
		if (tried)
			continue;
		size[at] = size[i];
		size[i] = here;
		each_order(o, x, size, at + 1);
		size[i] = size[at];
		size[at] = here;
	}
}

int orders(const struct machines *all)
{
	static const char *const keys[] = { "numaplace", "model" };
	struct row row = { .load = 100 };
	struct orders o = { .row = &row };

	for (unsigned int i = 0; i < all->n; i++)
		if (strcmp(all->m[i].name, "made-004n-pairs") == 0)
			row.machine = &all->m[i];
	for (unsigned int k = 0; k < 2 && row.machine; k++)
		for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			unsigned int size[MOST];

			memcpy(size, cases[i].size, sizeof(size));
			o.rule = rule_find(keys[k]);
			each_order(&o, &cases[i], size, 0);
		}
	printf("1..%u\n", o.tests);
	return o.failed || !row.machine;
}
