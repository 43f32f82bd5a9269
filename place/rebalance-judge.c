/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the moves of a plan gain and cost. The search in rebalance.c evens the load; whether containers become faster
 * by that is the question of the model of memory (plugin/select/speed.h).
 *
 * The gain of a move, in CPUs, lasts as long as its container runs, which is unknown. As a process that has run for a
 * time t runs for t more with a probability of one half (Harchol-Balter and Downey, 1997), its age is the expectation.
 * The cost: one CPU copies, and at worst all threads of the container wait for it.
 */
#include "place/rebalance.h"

#include "plugin/base/util.h"
#include "plugin/select/speed.h"

#include <errno.h>
#include <string.h>

/* Bytes that the kernel moves in a second (Goglin and Furmento, 2009: 600 MB/s with move_pages). */
#define MOVED_IN_A_SECOND 600e6
#define LITTLE 1e-6 /* CPUs: differences of rounding */

/* The machine after some of the moves. */
struct course {
	const struct rebalance_input *in;
	struct topology *topology;     /* the free memory of its nodes changes with each move */
	uint64_t *mem_free;            /* by node index: before all moves */
	struct usage *usage;
	struct placement *placement;   /* by item; its memory is the item's own if it was moved */
	struct neighbour *neighbour;   /* by item */
	double *speed;                 /* by item, CPUs */
	bool *moved;                   /* by item */
};

static void course_free(struct course *c)
{
	for (unsigned int i = 0; c->moved && i < c->in->n; i++)
		if (c->moved[i])
			placement_free(&c->placement[i]);
	for (unsigned int i = 0; c->mem_free && i < c->topology->nnodes; i++)
		c->topology->nodes[i].mem_free = c->mem_free[i];
	free(c->mem_free);
	free(c->placement);
	free(c->neighbour);
	free(c->speed);
	free(c->moved);
	usage_free(c->usage);
}

static int course_init(struct course *c, const struct rebalance_input *in, struct topology *t)
{
	size_t n = in->n + 1U;

	*c = (struct course){ .in = in, .topology = t, .usage = usage_copy(in->usage) };
	c->mem_free = calloc(t->nnodes + 1U, sizeof(*c->mem_free));
	c->placement = calloc(n, sizeof(*c->placement));
	c->neighbour = calloc(n, sizeof(*c->neighbour));
	c->speed = calloc(n, sizeof(*c->speed));
	c->moved = calloc(n, sizeof(*c->moved));
	if (!c->mem_free || !c->usage || !c->placement || !c->neighbour || !c->speed || !c->moved)
		return -ENOMEM;
	for (unsigned int i = 0; i < t->nnodes; i++)
		c->mem_free[i] = t->nodes[i].mem_free;
	for (unsigned int i = 0; i < in->n; i++) {
		const struct record *r = in->item[i].record;

		c->placement[i] = r->placement;
		c->neighbour[i] = (struct neighbour){ &c->placement[i],
						      r->request.work.given ? r->request.work : in->policy->work };
	}
	return 0;
}

/* The speed of all containers, in CPUs. */
static int total_speed(const struct course *c, double *out)
{
	const struct speed_input in = { .topology = c->topology, .n = c->in->n, .neighbour = c->neighbour };
	int r = speed_of_all(&in, c->speed);

	*out = 0;
	for (unsigned int i = 0; i < c->in->n && r == 0; i++)
		*out += c->speed[i];
	return r;
}

static void take_memory(const struct course *c, const struct share *s, bool back)
{
	for (unsigned int i = 0; i < s->nmem; i++) {
		int node = topology_find_node(c->topology, s->mem[i].id);
		uint64_t *free = node >= 0 ? &c->topology->nodes[node].mem_free : NULL;

		if (free)
			*free = back ? *free + s->mem[i].seen : *free - (s->mem[i].seen < *free ? s->mem[i].seen : *free);
	}
}

/* Places the container as the move would. -ENOSPC: it does not fit there. */
static int try_on(struct course *c, const struct rebalance_move *m)
{
	struct placement *p = &c->placement[m->item];
	struct request request = c->in->item[m->item].record->request;
	const struct select_input in = {
		.topology = c->topology, .usage = c->usage, .request = &request, .policy = c->in->policy
	};
	struct placement to = { 0 };
	uint64_t seen = 0;
	int r;

	request.nodes_mode = NODES_LIST;
	request.nodes = m->nodes;
	nodeset_clear(&request.last_nodes);
	nodeset_clear(&request.last_mems);
	usage_remove(c->usage, &p->share);
	take_memory(c, &p->share, true);
	for (unsigned int i = 0; i < p->share.nmem; i++)
		seen += p->share.mem[i].seen;
	r = select_placement(&in, &to, NULL, NULL);
	if (r < 0)
		return r;
	for (unsigned int i = 0; i < to.share.nmem; i++)
		to.share.mem[i].seen = seen / to.share.nmem;
	if (c->moved[m->item])
		placement_free(p);
	*p = to;
	c->moved[m->item] = true;
	usage_add(c->usage, &p->share);
	take_memory(c, &p->share, false);
	return 0;
}

/* Follows the plan while its containers fit, and sets gain and cost of these moves; removes the others. */
static int follow(struct course *c, struct rebalance_plan *p)
{
	double before, after;
	int r = total_speed(c, &before);

	for (unsigned int k = 0; k < p->n && r == 0; k++) {
		struct rebalance_move *m = &p->move[k];
		unsigned int threads = c->in->item[m->item].record->placement.share.count;

		r = try_on(c, m);
		if (r < 0 && r != -ENOMEM) {
			p->dropped += p->n - k;
			p->n = k;
			return 0;
		}
		if (r == 0)
			r = total_speed(c, &after);
		m->gain = after - before;
		m->cost = (double)m->bytes / MOVED_IN_A_SECOND * (threads + 1);
		before = after;
	}
	return r;
}

/* The number of first moves that gain most. */
static unsigned int best_prefix(const struct rebalance_input *in, uint64_t now, const struct rebalance_plan *p)
{
	double sum = 0, most = 0;
	unsigned int best = 0;

	for (unsigned int k = 0; k < p->n; k++) {
		uint64_t started = in->item[p->move[k].item].record->started;
		double age = now > started ? (double)(now - started) : 0;

		sum += p->move[k].gain * age - p->move[k].cost;
		if (sum <= most + LITTLE)
			continue;
		most = sum;
		best = k + 1;
	}
	return best;
}

int rebalance_judge(const struct rebalance_input *in, struct topology *t, uint64_t now, struct rebalance_plan *p,
		    struct error *err)
{
	__attribute__((cleanup(course_free))) struct course c = { 0 };
	unsigned int keep;
	int r = course_init(&c, in, t);

	if (r == 0)
		r = follow(&c, p);
	if (r < 0)
		return error_errno(err, r, "rebalance");
	keep = best_prefix(in, now, p);
	p->dropped += p->n - keep;
	p->n = keep;
	p->after = keep ? p->move[keep - 1].after : p->before;
	p->bytes = 0;
	for (unsigned int k = 0; k < keep; k++)
		p->bytes += p->move[k].bytes;
	return 0;
}
