/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Properties of the predicted speed: 1 on an idle machine, lower with distance, load, shared cores and caches, and
 * independent of the numbering of nodes. All parameter sets, hand-made and random machines.
 */
#include "plugin/select/model.h"

#include "plugin/base/util.h"
#include "tests/unit/made.h"
#include "tests/unit/tap.h"

#define NODES 8
#define SAME  1e-12

struct bench {
	struct model m;
	struct topology *t;
	double controller[64], link[64];
	struct model_traffic traffic;
};

static void bench_init(struct bench *b, struct topology *t, const struct model_params *params)
{
	*b = (struct bench){ .t = t };
	b->traffic = (struct model_traffic){ b->controller, b->link };
	ok(model_init(&b->m, t, params) == 0, "%s: a model is made", params->name);
}

static void bench_free(struct bench *b)
{
	model_free(&b->m);
	topology_free(b->t);
}

static bool close_to(double a, double b)
{
	return a - b < SAME && b - a < SAME;
}

/* Four equal nodes in two near pairs: 0 and 1, 2 and 3. */
static unsigned int pairs(unsigned int i, unsigned int j)
{
	return i == j ? 10 : i / 2 == j / 2 ? 12 : 21;
}

static const struct made_node four[] = {
	{ 0, 16, 1ULL << 34 }, { 1, 16, 1ULL << 34 }, { 2, 16, 1ULL << 34 }, { 3, 16, 1ULL << 34 }
};

static double mix_speed(const struct bench *b, const struct model_part *part, unsigned int n)
{
	struct work w;
	double sum = 0;

	for (unsigned int i = 0; i < WORKS; i++) {
		double weight = model_work(b->m.params, i, &w);

		sum += weight * model_speed(&b->m, part, n, &w, &b->traffic);
	}
	return sum;
}

static struct model_part part_on(unsigned int node, double threads, double pages)
{
	return (struct model_part){ .node = node, .threads = threads, .pages = pages, .time = 1 };
}

static void test_works(const struct model_params *p)
{
	struct work w;
	double sum = 0, curve = 0;
	bool ascends = true;

	for (unsigned int i = 0; i < WORKS; i++)
		sum += model_work(p, i, &w);
	ok(close_to(sum, 1), "%s: the parts of all works add up to 1", p->name);
	for (unsigned int i = 0; i < CURVE_POINTS && p->curve[i].distance; i++) {
		ascends &= p->curve[i].latency > curve;
		curve = p->curve[i].latency;
	}
	ok(ascends, "%s: latency increases with distance", p->name);
	ok(p->curve[0].distance == 10 && close_to(p->curve[0].latency, 1), "%s: local latency is 1", p->name);
}

static void test_idle(const struct model_params *p)
{
	struct bench b;
	struct work w;
	struct model_part local = part_on(1, 1, 1), apart[2] = { part_on(0, 1, 0), part_on(1, 0, 1) };
	double here, near, far;

	bench_init(&b, made(four, 4, 2, 0, pairs), p);
	for (unsigned int i = 0; i < WORKS; i++) {
		model_work(p, i, &w);
		ok(close_to(model_speed(&b.m, &local, 1, &w, &b.traffic), 1),
		   "%s: work %u has speed 1 on an idle machine", p->name, i);
	}
	here = mix_speed(&b, &local, 1);
	near = mix_speed(&b, apart, 2);
	apart[1].node = 2;
	far = mix_speed(&b, apart, 2);
	ok(here > near && near > far && far > 0, "%s: speed decreases with the distance of the pages: %.3f, %.3f, %.3f",
	   p->name, here, near, far);
	bench_free(&b);
}

static void test_load(const struct model_params *p)
{
	struct bench b;
	struct work latency = { .kind = WORK_LATENCY }, compute = { .kind = WORK_COMPUTE };
	struct model_part x = part_on(0, 4, 1);
	double before = 2, lost_latency, lost_compute;
	bool falls = true;

	bench_init(&b, made(four, 4, 2, 0, pairs), p);
	for (unsigned int step = 0; step < 50; step++) {
		double now;

		b.controller[0] = b.m.controller[0] * step / 16;
		now = mix_speed(&b, &x, 1);
		falls &= now <= before && now > 0;
		before = now;
	}
	ok(falls, "%s: speed never increases with the traffic at the controller", p->name);
	ok(model_wait(p, 0.3, 1) - 1 < (model_wait(p, 1, 1) - 1) / 10, "%s: a controller that is hardly used delays little",
	   p->name);
	lost_latency = 1 - model_speed(&b.m, &x, 1, &latency, &b.traffic);
	lost_compute = 1 - model_speed(&b.m, &x, 1, &compute, &b.traffic);
	ok(lost_latency > lost_compute && lost_compute > 0, "%s: traffic delays work that waits for memory more",
	   p->name);
	b.controller[1] = b.controller[0];
	b.controller[0] = 0;
	ok(close_to(mix_speed(&b, &x, 1), 1), "%s: traffic at another node's controller delays nothing", p->name);
	b.controller[1] = 0;
	b.link[0] = 10 * b.m.link[0];
	ok(close_to(mix_speed(&b, &x, 1), 1), "%s: traffic on links does not delay a container on one node", p->name);
	bench_free(&b);
}

static void test_cpus(const struct model_params *p)
{
	struct bench b;
	struct work compute = { .kind = WORK_COMPUTE };
	struct model_part x = part_on(0, 4, 1);
	double alone;

	bench_init(&b, made(four, 4, 2, 0, pairs), p);
	alone = mix_speed(&b, &x, 1);
	x.time = 0.5;
	ok(close_to(mix_speed(&b, &x, 1), alone / 2), "%s: half of the CPU time is half of the speed", p->name);
	x.time = 1;
	x.siblings = 1;
	ok(mix_speed(&b, &x, 1) < alone, "%s: a shared core is slower", p->name);
	ok(model_speed(&b.m, &x, 1, &compute, &b.traffic) > p->smt,
	   "%s: a shared core has no less than the speed of smt", p->name);
	x.siblings = 0;
	x.crowd = 1;
	ok(mix_speed(&b, &x, 1) < alone, "%s: a shared cache is slower", p->name);
	bench_free(&b);
}

static void test_split(const struct model_params *p)
{
	struct bench b;
	struct model_part near[2] = { part_on(0, 4, 0.5), part_on(1, 4, 0.5) };
	struct model_part far[2] = { part_on(0, 4, 0.5), part_on(2, 4, 0.5) };
	struct model_part uneven[2] = { part_on(0, 7, 0.5), part_on(1, 1, 0.5) };
	struct work own = { .kind = WORK_LATENCY }, all = { .kind = WORK_LATENCY, .shared = true };
	struct work team = { .kind = WORK_LATENCY, .parallel = true };

	bench_init(&b, made(four, 4, 2, 0, pairs), p);
	ok(close_to(model_speed(&b.m, far, 2, &own, &b.traffic), 1), "%s: private pages follow their threads", p->name);
	ok(model_speed(&b.m, near, 2, &all, &b.traffic) > model_speed(&b.m, far, 2, &all, &b.traffic),
	   "%s: shared pages make two near nodes faster than two far ones", p->name);
	ok(model_speed(&b.m, uneven, 2, &own, &b.traffic) < 1, "%s: threads without local pages are slower", p->name);
	ok(model_speed(&b.m, uneven, 2, &team, &b.traffic) < model_speed(&b.m, uneven, 2, &own, &b.traffic),
	   "%s: parallel work is as slow as its slowest thread", p->name);
	bench_free(&b);
}

static void test_draw(const struct model_params *p)
{
	struct bench b;
	struct work w = { .kind = WORK_BANDWIDTH, .shared = true };
	struct model_part x[2] = { part_on(0, 3, 0.5), part_on(2, 1, 0.5) };
	double sum = 0, left = 0;

	bench_init(&b, made(four, 4, 2, 0, pairs), p);
	model_draw(&b.m, x, 2, &w, 1, &b.traffic);
	for (unsigned int i = 0; i < 4; i++)
		sum += b.controller[i];
	ok(close_to(sum, 4 * p->stream[WORK_BANDWIDTH]), "%s: traffic at all controllers is that of all threads",
	   p->name);
	ok(close_to(b.controller[0], b.controller[2]) && b.link[0] > 0 && close_to(b.link[0], b.link[2]),
	   "%s: shared pages draw on both nodes and their links", p->name);
	model_draw(&b.m, x, 2, &w, -1, &b.traffic);
	for (unsigned int i = 0; i < 4; i++)
		left += b.controller[i] * b.controller[i] + b.link[i] * b.link[i];
	ok(close_to(left, 0), "%s: removed traffic leaves nothing", p->name);
	bench_free(&b);
}

/* The same random machine with its nodes in another order. */
static struct topology *renumbered(const struct topology *t, const unsigned int *to)
{
	struct made_node node[NODES];
	struct topology *out;

	for (unsigned int i = 0; i < t->nnodes; i++)
		node[to[i]] = (struct made_node){ to[i], t->nodes[i].ncpus, t->nodes[i].mem_total };
	out = made(node, t->nnodes, 1, 0, NULL);
	for (unsigned int i = 0; i < t->nnodes; i++)
		for (unsigned int j = 0; j < t->nnodes; j++)
			out->distance[to[i] * t->nnodes + to[j]] = t->distance[i * t->nnodes + j];
	topology_finish(out);
	return out;
}

static struct topology *random_machine(struct rnd *r)
{
	struct made_node node[NODES];
	unsigned int n = 2 + rnd_below(r, NODES - 1);
	struct topology *t;

	for (unsigned int i = 0; i < n; i++)
		node[i] = (struct made_node){ i, 1 + rnd_below(r, 40), 1ULL << 30 };
	t = made(node, n, 1, 0, NULL);
	for (unsigned int i = 0; i < n; i++)
		for (unsigned int j = 0; j < n; j++)
			t->distance[i * n + j] = (uint16_t)(i == j ? 10 : 11 + rnd_below(r, 40));
	topology_finish(t);
	return t;
}

static void shuffle(struct rnd *r, unsigned int *to, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		unsigned int j = rnd_below(r, i + 1);

		to[i] = to[j];
		to[j] = i;
	}
}

static unsigned int random_parts(struct rnd *r, unsigned int nodes, struct model_part *part)
{
	unsigned int order[NODES], n = 1 + rnd_below(r, nodes);
	double pages = 0;

	shuffle(r, order, nodes);
	for (unsigned int i = 0; i < n; i++) {
		part[i] = part_on(order[i], 1 + rnd_below(r, 8), 1 + rnd_below(r, 8));
		part[i].siblings = rnd_below(r, 3) / 2.0;
		pages += part[i].pages;
	}
	for (unsigned int i = 0; i < n; i++)
		part[i].pages /= pages;
	return n;
}

/* One random state on two numberings; false: a speed differs, or is outside 0 to 1. */
static bool same_after_renumbering(struct rnd *r, const struct model_params *p)
{
	struct topology *t = random_machine(r), *u;
	struct model a, b;
	double load[4][NODES] = { 0 };
	struct model_traffic ta = { load[0], load[1] }, tb = { load[2], load[3] };
	struct model_part part[NODES], moved[NODES];
	unsigned int to[NODES], n = random_parts(r, t->nnodes, part);
	bool same = true;
	struct work w;

	shuffle(r, to, t->nnodes);
	u = renumbered(t, to);
	if (model_init(&a, t, p) || model_init(&b, u, p))
		return false;
	for (unsigned int i = 0; i < t->nnodes; i++) {
		ta.controller[i] = tb.controller[to[i]] = rnd_below(r, 100) / 10.0;
		ta.link[i] = tb.link[to[i]] = rnd_below(r, 100) / 10.0;
	}
	for (unsigned int i = 0; i < n; i++) {
		moved[n - 1 - i] = part[i];
		moved[n - 1 - i].node = to[part[i].node];
	}
	for (unsigned int i = 0; i < WORKS; i++) {
		double x, y;

		model_work(p, i, &w);
		x = model_speed(&a, part, n, &w, &ta);
		y = model_speed(&b, moved, n, &w, &tb);
		same &= close_to(x, y) && x > 0 && x < 1 + SAME;
	}
	model_free(&a);
	model_free(&b);
	topology_free(t);
	topology_free(u);
	return same;
}

static void test_random(const struct model_params *p)
{
	struct rnd r = { 18 };
	bool same = true;

	for (unsigned int i = 0; i < 500 && same; i++)
		same = same_after_renumbering(&r, p);
	ok(same, "%s: on 500 random machines a speed is above 0, at most 1, and the same with other node numbers",
	   p->name);
}

static void test_hmat(const struct model_params *p)
{
	struct bench b;
	struct topology *t = made(four, 4, 2, 0, pairs);

	for (unsigned int i = 0; i < 4; i++) {
		t->nodes[i].read_latency = i == 3 ? 160 : 80;
		t->nodes[i].read_bandwidth = i == 3 ? 50000 : 100000;
	}
	topology_finish(t);
	bench_init(&b, t, p);
	ok(close_to(b.m.latency[3 * 4 + 3], 2), "%s: latency of the HMAT: memory that is twice as slow", p->name);
	ok(close_to(b.m.latency[0], 1), "%s: latency of the HMAT: the fastest memory has 1", p->name);
	ok(b.m.controller[3] <= b.m.controller[0], "%s: bandwidth of the HMAT: the narrow controller", p->name);
	bench_free(&b);
}

int main(void)
{
	for (unsigned int i = 0; i < MODEL_PARAMS; i++) {
		test_works(&model_params[i]);
		test_idle(&model_params[i]);
		test_load(&model_params[i]);
		test_cpus(&model_params[i]);
		test_split(&model_params[i]);
		test_draw(&model_params[i]);
		test_random(&model_params[i]);
		test_hmat(&model_params[i]);
	}
	return done();
}
