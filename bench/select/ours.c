/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * numaplace's own choice, through select_placement() with the sums of its placements. Memory of placed containers counts as
 * requested and not touched, as for the other rules.
 */
#include "bench/select/bench.h"

#include "plugin/select/select.h"

#include <time.h>

const struct select_prices *ours_prices = &select_prices;

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void ask_for(struct request *r, const struct state *s, const struct ask *a)
{
	request_init(r);
	r->nodes_mode = NODES_BALANCED;
	r->cpu_count = a->cpus;
	r->exclusive = s->exclusive;
	r->memory = a->memory;
	r->given = 1U << KEY_CPU | 1U << KEY_CPU_NODES;
	if (s->exclusive)
		r->given |= 1U << KEY_CPU_EXCLUSIVE;
	if (a->memory)
		r->given |= 1U << KEY_MEMORY;
}

static void take_over(const struct state *s, struct placement *p, struct choice *c)
{
	const struct topology *t = s->t;

	nodeset_foreach (id, &p->nodes)
		c->node[c->nnodes++] = t->node_index[id];
	idset_foreach (id, &p->share.cpus)
		c->cpu[c->ncpus++] = t->cpu_index[id];
	for (unsigned int i = 0; i < p->share.nmem; i++)
		c->mem[t->node_index[p->share.mem[i].id]] += p->share.mem[i].memory;
	c->share = p->share;
	p->share = (struct share){ 0 };
}

bool ours_pick(const struct state *s, const struct ask *a, int balance, struct choice *c)
{
	static struct request r;
	static struct select_policy policy;
	struct select_input in = {
		.topology = s->t, .usage = s->usage, .request = &r, .policy = &policy
	};
	struct placement p = { 0 };
	struct error err = { 0 };
	uint64_t from;
	int status;

	ask_for(&r, s, a);
	select_policy_init(&policy);
	policy.prices = ours_prices;
	if (balance != BALANCE_DEFAULT)
		policy.balance = (unsigned int)balance;
	from = now_ns();
	status = select_placement(&in, &p, NULL, &err);
	c->ns = now_ns() - from;
	if (status == 0)
		take_over(s, &p, c);
	placement_free(&p);
	return status == 0;
}
