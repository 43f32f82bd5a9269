/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What moves gain and cost. Mock machines by hand, and random ones on which the kept moves are compared with every other
 * number of first moves, and their gains with the speed of all containers before and after.
 */
#include "place/rebalance.h"
#include "plugin/base/util.h"
#include "plugin/select/speed.h"
#include "tests/unit/made.h"
#include "tests/unit/tap.h"

#define GIB   (1ULL << 30)
#define ITEMS 8
#define NOW   1000000

struct world {
	struct topology *t;
	struct usage *usage;
	struct select_policy policy;
	struct record record[ITEMS];
	struct rebalance_item item[ITEMS];
	unsigned int n;
	struct rebalance_plan plan;
	bool quiet;
};

static unsigned int pairs(unsigned int i, unsigned int j)
{
	return i == j ? 10 : i / 2 == j / 2 ? 12 : 21;
}

static void begin(struct world *w, unsigned int cpus)
{
	struct made_node node[4];

	for (unsigned int i = 0; i < 4; i++)
		node[i] = (struct made_node){ i, cpus, 16 * GIB };
	*w = (struct world){ .t = made(node, 4, 1, 0, pairs) };
	w->usage = usage_new(w->t->cpu_ids, 4);
	select_policy_init(&w->policy);
}

static void end(struct world *w)
{
	rebalance_free(&w->plan);
	for (unsigned int i = 0; i < w->n; i++)
		record_free(&w->record[i]);
	usage_free(w->usage);
	topology_free(w->t);
}

/* A container of @count CPUs on a list of them, which has touched @memory bytes on node @mem, @age seconds old. */
static void put(struct world *w, const char *cpus, unsigned int count, unsigned int mem, uint64_t memory, uint64_t age)
{
	struct record *rec = &w->record[w->n];
	struct share *s = &rec->placement.share;

	snprintf(rec->id, sizeof(rec->id), "c%u", w->n);
	strcpy(rec->applied, "cpuset");
	rec->cgroup_inode = w->n + 1;
	rec->started = NOW - age;
	request_init(&rec->request);
	rec->request.cpu_count = count;
	rec->request.memory = memory;
	idset_parse(cpus, &s->cpus, NULL);
	s->count = count;
	s->mem = calloc(1, sizeof(*s->mem));
	s->nmem = 1;
	*s->mem = (struct share_node){ .id = (uint16_t)mem, .memory = memory, .seen = memory };
	topology_nodes_of(w->t, &s->cpus, &rec->placement.nodes);
	nodeset_add(&rec->placement.mems, mem);
	w->t->nodes[mem].mem_free -= memory;
	usage_add(w->usage, s);
	w->item[w->n++].record = rec;
}

static struct rebalance_input input_of(const struct world *w)
{
	return (struct rebalance_input){ w->t, w->usage, &w->policy, w->n, w->item, UINT64_MAX };
}

/* Plans and judges; the number of planned moves, kept or not. */
static unsigned int judge(struct world *w)
{
	const struct rebalance_input in = input_of(w);

	rebalance_free(&w->plan);
	if (rebalance_plan(&in, &w->plan, NULL) < 0 || rebalance_judge(&in, w->t, NOW, &w->plan, NULL) < 0)
		ok(false, "a plan is made");
	return w->plan.n + w->plan.dropped;
}

static double gain_of(const struct world *w)
{
	double sum = 0;

	for (unsigned int i = 0; i < w->plan.n; i++)
		sum += w->plan.move[i].gain;
	return sum;
}

static void crowd(struct world *w, uint64_t memory, uint64_t age)
{
	begin(w, 4);
	for (unsigned int i = 0; i < 4; i++)
		put(w, "0-3", 2, 0, memory, age);
}

static void by_hand(void)
{
	struct world w;

	crowd(&w, GIB, 3600);
	is_int(judge(&w), 3, "8 threads on 4 of 16 CPUs: three moves are planned");
	is_int(w.plan.n, 3, "containers that have run for an hour: all three are worth it");
	ok(gain_of(&w) > 3 && gain_of(&w) < 8, "four CPUs too few: the moves gain %.2f CPUs", gain_of(&w));
	ok(w.plan.move[0].cost > 5 && w.plan.move[0].cost < 6, "1 GiB of two threads costs %.2f CPU seconds", w.plan.move[0].cost);
	is_int((long)(w.t->nodes[0].mem_free / GIB), 12, "the topology has its free memory again");
	end(&w);

	crowd(&w, GIB, 0);
	is_int(judge(&w), 3, "containers that have just started: three moves are planned");
	is_int(w.plan.n, 0, "containers that have just started: none is worth its cost");
	is_int((long)w.plan.bytes, 0, "without a move, no byte is moved");
	ok(w.plan.after == w.plan.before, "without a move, the load stays");
	end(&w);

	crowd(&w, 0, 1);
	judge(&w);
	is_int(w.plan.n, 3, "containers without memory, a second old: all three are worth it");
	end(&w);

	/* half of the CPUs of a node are in use: other nodes are idle, but nothing is short */
	begin(&w, 16);
	put(&w, "0-3", 4, 0, 8 * GIB, 10);
	put(&w, "4-7", 4, 0, 8 * GIB, 10);
	is_int(judge(&w), 1, "two containers on a half full node: a move evens the load");
	is_int(w.plan.n, 0, "two containers on a half full node: 8 GiB are not moved for that");
	end(&w);
}

/* Containers whose pages are not where they should be, and containers that sleep. */
static void measured(void)
{
	static const uint64_t far[4] = { 0, 0, GIB, 0 }, near[4] = { GIB, 0, 0, 0 };
	struct world w;

	begin(&w, 4);
	put(&w, "0-1", 2, 0, GIB, 3600);
	w.item[0].held = near;
	is_int(judge(&w), 0, "pages on their node: no move");
	w.item[0].held = far;
	w.item[0].astray = GIB;
	is_int(judge(&w), 1, "pages on a far node: one move");
	ok(w.plan.n == 1 && w.plan.move[0].returns && nodeset_has(&w.plan.move[0].nodes, 0) && w.plan.bytes == GIB,
	   "pages on a far node: they return to node 0");
	ok(gain_of(&w) > 0.1 && gain_of(&w) < 1.5, "pages on a far node: two threads gain %.2f CPUs", gain_of(&w));
	w.item[0].fixed = true;
	is_int(judge(&w), 0, "pages of a container that must not be moved: no move");
	w.item[0].fixed = false;
	w.record[0].started = NOW - 1;
	is_int(judge(&w), 0, "pages of a container that has just started: no move");
	w.record[0].started = 0;
	w.t->nodes[0].mem_free = GIB - 1;
	is_int(judge(&w), 0, "pages on a far node, and no room on their own: no move");
	w.t->nodes[0].mem_free = GIB;
	is_int(judge(&w), 1, "pages on a far node, and just enough room on their own: one move");
	end(&w);

	crowd(&w, 0, 3600);
	for (unsigned int i = 0; i < 4; i++)
		w.item[i].idle = 0.99;
	is_int(judge(&w), 3, "8 threads on 4 CPUs that sleep for 99 %% of the time: three moves even the load");
	ok(gain_of(&w) < 0.1, "threads that sleep gain %.3f CPUs", gain_of(&w));
	for (unsigned int i = 0; i < 4; i++)
		w.item[i].idle = 1;
	judge(&w);
	is_int(w.plan.n, 0, "threads that always sleep: no move");
	end(&w);
}

static double speed_now(const struct world *w, struct placement *const *place)
{
	struct neighbour neighbour[ITEMS] = { 0 };
	struct speed_input in = { .topology = w->t, .n = w->n, .neighbour = neighbour };
	double speed[ITEMS] = { 0 }, sum = 0;

	for (unsigned int i = 0; i < w->n; i++)
		neighbour[i].placement = place[i];
	speed_of_all(&in, speed);
	for (unsigned int i = 0; i < w->n; i++)
		sum += speed[i];
	return sum;
}

static void random_world(struct world *w, struct rnd *r)
{
	unsigned int n = 2 + rnd_below(r, 4);

	begin(w, 4);
	for (unsigned int i = 0; i < n; i++) {
		unsigned int node = rnd_below(r, 2);
		char cpus[16];

		snprintf(cpus, sizeof(cpus), "%u-%u", node * 4, node * 4 + 3);
		put(w, cpus, 1 + rnd_below(r, 3), node, rnd_below(r, 3) * GIB / 2, rnd_below(r, 12));
	}
}

static double net_of(const struct world *w, const struct rebalance_plan *p, unsigned int n)
{
	double sum = 0;

	for (unsigned int k = 0; k < n; k++)
		sum += p->move[k].gain * (double)(NOW - w->record[p->move[k].item].started + 1) - p->move[k].cost;
	return sum;
}

static void beside_all_prefixes(void)
{
	unsigned int worse = 0, kept = 0, dropped = 0, partly = 0;
	struct rnd r = { 11 };

	for (unsigned int k = 0; k < 1000; k++) {
		struct world w;
		unsigned int all;

		random_world(&w, &r);
		all = judge(&w);
		for (unsigned int n = 0; n <= all; n++)
			worse += net_of(&w, &w.plan, n) > net_of(&w, &w.plan, w.plan.n) + 1e-5;
		kept += w.plan.n;
		dropped += w.plan.dropped;
		partly += w.plan.n && w.plan.dropped;
		end(&w);
	}
	is_int(worse, 0, "random worlds: no other number of first moves gains more than the %u kept of %u moves", kept,
	       kept + dropped);
	ok(kept > 200 && dropped > 200 && partly > 20, "random worlds: moves are kept and removed (%u plans in part)", partly);
}

/* The first move's gain is the difference of two predictions. */
static void beside_predictions(void)
{
	unsigned int wrong = 0, compared = 0;
	struct rnd r = { 12 };

	for (unsigned int k = 0; k < 300; k++) {
		struct placement *place[ITEMS], moved = { 0 };
		double before;
		struct world w;

		random_world(&w, &r);
		judge(&w);
		for (unsigned int i = 0; i < w.n; i++)
			place[i] = &w.record[i].placement;
		before = speed_now(&w, place);
		if (w.plan.n) {
			const struct rebalance_move *m = &w.plan.move[0];
			struct request request = w.record[m->item].request;
			struct select_input in = { .topology = w.t, .usage = w.usage, .request = &request, .policy = &w.policy };

			usage_remove(w.usage, &place[m->item]->share);
			w.t->nodes[place[m->item]->share.mem->id].mem_free += place[m->item]->share.mem->seen;
			request.nodes_mode = NODES_LIST;
			request.nodes = m->nodes;
			if (select_placement(&in, &moved, NULL, NULL) < 0)
				wrong++;
			place[m->item] = &moved;
			before += m->gain - speed_now(&w, place);
			wrong += before > 1e-9 || before < -1e-9;
			compared++;
			placement_free(&moved);
		}
		end(&w);
	}
	ok(compared > 50, "random worlds: %u first moves are compared", compared);
	is_int(wrong, 0, "random worlds: the gain of a move is the difference of two predictions");
}

int main(void)
{
	by_hand();
	measured();
	beside_all_prefixes();
	beside_predictions();
	return done();
}
