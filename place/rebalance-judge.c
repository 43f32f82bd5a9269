/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the moves of a plan gain and cost. The search in rebalance.c evens the load; whether containers become faster
 * by that is the question of the model of memory (plugin/select/speed.h). This file also adds the moves that bring pages
 * home.
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

/* A container after some of the moves. */
struct seat {
	struct placement placement; /* as the ledger counts it */
	bool moved;                 /* its memory is this seat's own */
	struct placement shown;     /* the same with the pages where they are, for the model */
	struct share_node *held;    /* of the pages before a move; NULL: as requested */
};

/* The machine after some of the moves. */
struct course {
	const struct rebalance_input *in;
	uint64_t now;
	struct topology *topology;   /* the free memory of its nodes changes with each move */
	uint64_t *mem_free;          /* by node index: before all moves */
	struct usage *usage;
	struct seat *seat;           /* by item */
	struct neighbour *neighbour; /* by item */
	double *speed;               /* by item, CPUs */
	double total;                /* the sum of these */
};

static void course_free(struct course *c)
{
	for (unsigned int i = 0; c->mem_free && i < c->topology->nnodes; i++)
		c->topology->nodes[i].mem_free = c->mem_free[i];
	for (unsigned int i = 0; c->seat && i < c->in->n; i++) {
		if (c->seat[i].moved)
			placement_free(&c->seat[i].placement);
		free(c->seat[i].held);
	}
	free(c->mem_free);
	free(c->seat);
	free(c->neighbour);
	free(c->speed);
	usage_free(c->usage);
}

/* The present place, with the pages where the item has them. */
static int sit_down(struct seat *s, const struct rebalance_item *item, const struct topology *t)
{
	uint64_t sum = 0;

	*s = (struct seat){ .placement = item->record->placement, .shown = item->record->placement };
	for (unsigned int i = 0; item->held && i < t->nnodes; i++)
		sum += item->held[i];
	if (!sum)
		return 0;
	s->held = calloc(t->nnodes, sizeof(*s->held));
	if (!s->held)
		return -ENOMEM;
	for (unsigned int i = 0; i < t->nnodes; i++)
		s->held[i] = (struct share_node){ .id = t->nodes[i].id, .memory = item->held[i], .seen = item->held[i] };
	s->shown.share.mem = s->held;
	s->shown.share.nmem = t->nnodes;
	return 0;
}

/* The speed of all containers, in CPUs. */
static int find_speed(struct course *c)
{
	const struct speed_input in = { .topology = c->topology, .n = c->in->n, .neighbour = c->neighbour };
	int r = speed_of_all(&in, c->speed);

	c->total = 0;
	for (unsigned int i = 0; i < c->in->n && r == 0; i++)
		c->total += c->speed[i];
	return r;
}

static int course_init(struct course *c, const struct rebalance_input *in, struct topology *t, uint64_t now)
{
	size_t n = in->n + 1U;
	int r = 0;

	*c = (struct course){ .in = in, .now = now, .topology = t, .usage = usage_copy(in->usage) };
	c->mem_free = calloc(t->nnodes + 1U, sizeof(*c->mem_free));
	for (unsigned int i = 0; c->mem_free && i < t->nnodes; i++)
		c->mem_free[i] = t->nodes[i].mem_free;
	c->seat = calloc(n, sizeof(*c->seat));
	c->neighbour = calloc(n, sizeof(*c->neighbour));
	c->speed = calloc(n, sizeof(*c->speed));
	if (!c->mem_free || !c->usage || !c->seat || !c->neighbour || !c->speed)
		return -ENOMEM;
	for (unsigned int i = 0; i < in->n && r == 0; i++) {
		const struct work_hint work = in->item[i].record->request.work;

		r = sit_down(&c->seat[i], &in->item[i], t);
		c->neighbour[i] = (struct neighbour){ .placement = &c->seat[i].shown,
						      .work = work.given ? work : in->policy->work,
						      .idle = in->item[i].idle };
	}
	return r < 0 ? r : find_speed(c);
}

/* --- one move --- */

static void take_memory(const struct course *c, const struct share *s, bool back)
{
	for (unsigned int i = 0; i < s->nmem; i++) {
		int node = topology_find_node(c->topology, s->mem[i].id);
		uint64_t *free = node >= 0 ? &c->topology->nodes[node].mem_free : NULL;

		if (free)
			*free = back ? *free + s->mem[i].seen : *free - (s->mem[i].seen < *free ? s->mem[i].seen : *free);
	}
}

static void leave(struct course *c, const struct seat *s)
{
	usage_remove(c->usage, &s->placement.share);
	take_memory(c, &s->shown.share, true);
}

static void enter(struct course *c, const struct seat *s)
{
	usage_add(c->usage, &s->placement.share);
	take_memory(c, &s->shown.share, false);
}

/* Chooses as the move would; its pages are spread evenly. -ENOSPC: it does not fit there. */
static int choose(struct course *c, const struct rebalance_move *m, struct placement *out)
{
	const struct seat *s = &c->seat[m->item];
	struct request request = c->in->item[m->item].record->request;
	const struct select_input in = {
		.topology = c->topology, .usage = c->usage, .request = &request, .policy = c->in->policy
	};
	uint64_t seen = 0;
	int r;

	request.nodes_mode = NODES_LIST;
	request.nodes = m->nodes;
	nodeset_clear(&request.last_nodes);
	nodeset_clear(&request.last_mems);
	leave(c, s);
	r = select_placement(&in, out, NULL, NULL);
	enter(c, s);
	for (unsigned int i = 0; i < s->shown.share.nmem; i++)
		seen += s->shown.share.mem[i].seen;
	for (unsigned int i = 0; r == 0 && i < out->share.nmem; i++)
		out->share.mem[i].seen = seen / out->share.nmem;
	return r;
}

static double cost_of(const struct rebalance_move *m, const struct placement *to)
{
	return (double)m->bytes / MOVED_IN_A_SECOND * (to->share.count + 1);
}

/* Makes the move, and sets its gain and cost. The seat takes over @to. */
static int make(struct course *c, struct rebalance_move *m, struct placement *to)
{
	struct seat *s = &c->seat[m->item];
	double before = c->total;
	int r;

	leave(c, s);
	if (s->moved)
		placement_free(&s->placement);
	free(s->held);
	*s = (struct seat){ .placement = *to, .moved = true, .shown = *to };
	enter(c, s);
	r = find_speed(c);
	m->gain = c->total - before;
	m->cost = cost_of(m, to);
	return r;
}

/* What remains of the gain after the cost, in CPU seconds. */
static double net_of(const struct course *c, const struct rebalance_move *m)
{
	uint64_t started = c->in->item[m->item].record->started;
	/* whole seconds of both: the one that has begun counts */
	double age = c->now > started ? (double)(c->now - started) + 1 : 1;

	return m->gain * age - m->cost;
}

/* --- pages on other nodes --- */

static bool is_planned(const struct rebalance_plan *p, unsigned int item)
{
	for (unsigned int k = 0; k < p->n; k++)
		if (p->move[k].item == item)
			return true;
	return false;
}

/* Judges a move to the present nodes, without making it: another container may get its room by a planned move. */
static int judge_return(struct course *c, struct rebalance_move *m)
{
	struct seat *s = &c->seat[m->item];
	cleanup_placement struct placement to = { 0 };
	const struct placement present = s->shown;
	double before = c->total;
	int r = choose(c, m, &to);

	if (r < 0)
		return r == -ENOMEM ? r : 0;
	s->shown = to;
	r = find_speed(c);
	m->gain = c->total - before;
	m->cost = cost_of(m, &to);
	s->shown = present;
	return r < 0 ? r : find_speed(c);
}

/* Adds the moves that bring pages home, and repay their cost, before those of the plan. */
static int add_returns(struct course *c, struct rebalance_plan *p)
{
	cleanup_free struct rebalance_move *all = calloc(p->n + c->in->n + 1U, sizeof(*all));
	unsigned int n = 0;

	if (!all)
		return -ENOMEM;
	for (unsigned int i = 0; i < c->in->n; i++) {
		const struct rebalance_item *item = &c->in->item[i];
		struct rebalance_move m = { .item = i, .nodes = item->record->placement.nodes, .bytes = item->astray,
					    .before = p->before, .after = p->before, .returns = true };
		int r;

		if (!item->astray || item->fixed || rebalance_fixed(item->record) || is_planned(p, i) ||
		    p->bytes + item->astray > c->in->max_move)
			continue;
		r = judge_return(c, &m);
		if (r < 0)
			return r;
		if (net_of(c, &m) <= LITTLE)
			continue;
		p->bytes += m.bytes;
		all[n++] = m;
	}
	if (p->n)
		memcpy(&all[n], p->move, p->n * sizeof(*all));
	free(p->move);
	p->move = steal_ptr(all);
	p->n += n;
	return 0;
}

/* --- the plan --- */

static void keep_first(struct rebalance_plan *p, unsigned int n)
{
	p->dropped += p->n - n;
	p->n = n;
}

/* Follows the plan while its containers fit, and sets gain and cost of these moves; removes the others. */
static int follow(struct course *c, struct rebalance_plan *p)
{
	for (unsigned int k = 0; k < p->n; k++) {
		struct placement to = { 0 };
		int r = choose(c, &p->move[k], &to);

		if (r == -ENOMEM)
			return r;
		if (r < 0) {
			keep_first(p, k);
			return 0;
		}
		r = make(c, &p->move[k], &to);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The number of first moves that gain most. */
static unsigned int best_prefix(const struct course *c, const struct rebalance_plan *p)
{
	double sum = 0, most = 0;
	unsigned int best = 0;

	for (unsigned int k = 0; k < p->n; k++) {
		sum += net_of(c, &p->move[k]);
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
	int r = course_init(&c, in, t, now);

	if (r == 0)
		r = add_returns(&c, p);
	if (r == 0)
		r = follow(&c, p);
	if (r < 0)
		return error_errno(err, r, "rebalance");
	keep_first(p, best_prefix(&c, p));
	p->after = p->n ? p->move[p->n - 1].after : p->before;
	p->bytes = 0;
	for (unsigned int k = 0; k < p->n; k++)
		p->bytes += p->move[k].bytes;
	return 0;
}
