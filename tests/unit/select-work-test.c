/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Kinds of work: the administrator's default counts like the key, the key counts before the default, and what is
 * refused or over-committed does not depend on the kind.
 */
#include "plugin/select/select.h"
#include "tests/unit/made.h"
#include "tests/unit/tap.h"
#include "tests/unit/truth.h"

#define GIB (1ULL << 30)
#define MACHINES 1500

static unsigned int far_apart(unsigned int i, unsigned int j)
{
	return i == j ? 10 : 40;
}

/* A node of slow cores and two far ones of fast cores: only work that computes takes the fast ones. */
static struct world slow_and_fast(void)
{
	struct made_node nodes[3] = { { 0, 4, GIB }, { 1, 2, GIB }, { 2, 2, GIB } };
	struct topology *t = made(nodes, 3, 1, 0, far_apart);

	for (unsigned int i = 0; i < 4; i++)
		t->cpus[i].capacity = 500;
	topology_finish(t);
	return world_of(t);
}

static unsigned int nodes_with(struct world *w, struct work_hint of_request, struct work_hint of_host)
{
	struct request q;
	struct placement p;
	unsigned int n;

	request_init(&q);
	q.cpu_count = 4;
	q.given = 1U << KEY_CPU;
	q.work = of_request;
	w->policy.work = of_host;
	if (select_in(w, &q, &p) < 0)
		return 0;
	n = nodeset_count(&p.nodes);
	placement_free(&p);
	return n;
}

static void test_default(void)
{
	struct work_hint compute = { true, WORK_COMPUTE }, latency = { true, WORK_LATENCY }, any = { 0 };
	struct world w = slow_and_fast();

	is_int(nodes_with(&w, any, any), 1, "without a kind, four near slow cores");
	is_int(nodes_with(&w, compute, any), 2, "the container computes: four far fast cores");
	is_int(nodes_with(&w, any, compute), 2, "the host's default is compute: four far fast cores");
	is_int(nodes_with(&w, latency, compute), 1, "the container's own kind counts before the default");
	world_end(&w);
}

static void load_at_random(struct rnd *r, struct world *w)
{
	for (unsigned int i = 0; i < w->t->ncpus; i++)
		w->u->load[w->t->cpus[i].id] = rnd_below(r, 3) ? 0 : LOAD_ONE;
}

static bool same(const struct placement *a, const struct placement *b)
{
	return idset_equal(&a->share.cpus, &b->share.cpus) && nodeset_equal(&a->mems, &b->mems);
}

/* One request on one machine, for each kind by key and by default; counts what differs. */
static void compare(struct world *w, struct request *q, unsigned int *ways, unsigned int *fits, unsigned int *kinds)
{
	struct placement any, by_key, by_default;
	int r = select_in(w, q, &any);

	for (unsigned int k = 0; k < WORK_KINDS; k++) {
		int rk, rd;

		q->work = (struct work_hint){ true, (enum work_kind)k };
		rk = select_in(w, q, &by_key);
		q->work.given = false;
		w->policy.work = (struct work_hint){ true, (enum work_kind)k };
		rd = select_in(w, q, &by_default);
		w->policy.work.given = false;
		*fits += rk != r || rd != r || (r == 0 && by_key.overcommitted != any.overcommitted);
		*ways += r == 0 && rk == 0 && rd == 0 && !same(&by_key, &by_default);
		*kinds += r == 0 && rk == 0 && !same(&by_key, &any);
		placement_free(&by_key);
		placement_free(&by_default);
	}
	placement_free(&any);
}

static void test_random(void)
{
	struct rnd r = { 18 };
	unsigned int ways = 0, fits = 0, kinds = 0;

	for (unsigned int m = 0; m < MACHINES; m++) {
		struct topology *t = made_random(&r, 8);
		unsigned int smt = t->ncores ? t->ncpus / t->ncores : 1;
		struct world w = world_of(t);
		struct request q = random_request(&r, t, smt);

		load_at_random(&r, &w);
		compare(&w, &q, &ways, &fits, &kinds);
		world_end(&w);
	}
	is_int(ways, 0, "%d random requests: the default chooses as the key does", MACHINES);
	is_int(fits, 0, "%d random requests: what fits does not depend on the kind", MACHINES);
	ok(kinds > MACHINES / 20, "the kind changes some choices (%u of %d)", kinds, WORK_KINDS * MACHINES);
}

int main(void)
{
	test_default();
	test_random();
	return done();
}
