/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Compares numaplace with an exhaustive search: on every machine of up to eight nodes, random requests in random states. The
 * choice must have as many nodes as the best of all sets, and a cost at most 0.01 higher. Prints TAP; status 1 if a
 * machine fails.
 */
#include "bench/select/bench.h"
#include "tests/unit/truth.h"

#include "plugin/base/util.h"

#include <errno.h>

#define TRUTH_NODES 8
#define LIVE_MAX    512
#define STATE_TURNS 25 /* requests between two checks, while the machine fills */

struct tally {
	unsigned int wrong, asked, refused, several;
};

static double fullness(const struct world *w)
{
	double load = 0;

	idset_foreach (id, &w->t->online)
		load += (double)w->u->load[id] / LOAD_ONE;
	return load / w->t->ncpus;
}

static void leave(struct world *w, struct placement *live, unsigned int *n, unsigned int which)
{
	usage_remove(w->u, &live[which].share);
	placement_free(&live[which]);
	live[which] = live[--*n];
}

static void ask_once(struct world *w, const struct request *q, struct placement *live, unsigned int *n, struct tally *x)
{
	struct placement *p = &live[*n];
	int r = select_in(w, q, p);

	x->asked++;
	x->wrong += r < 0 && r != -ENOSPC;
	x->refused += r < 0;
	x->wrong += check_truth(w, q, r, p) > 0;
	if (r < 0)
		return;
	x->several += nodeset_count(&p->nodes) > 1;
	if (usage_add(w->u, &p->share) == 0)
		++*n;
	else
		placement_free(p);
}

static struct tally compare(struct topology *t, unsigned int requests, struct rnd *r)
{
	static struct placement live[LIVE_MAX];
	struct world w = world_of(t);
	struct tally x = { 0 };
	bool memory = nodeset_empty(&t->merged);
	unsigned int n = 0, full = 0;

	for (unsigned int i = 0; i < t->nnodes; i++)
		memory = memory && (!t->nodes[i].has_memory || t->nodes[i].mem_known);
	for (unsigned int i = 0; i < requests; i++) {
		struct request q = random_request(r, t, t->ncores ? t->ncpus / t->ncores : 1);

		if (i % STATE_TURNS == 0)
			full = rnd_below(r, 100);
		while (n && (n == LIVE_MAX || fullness(&w) * 100 > full))
			leave(&w, live, &n, rnd_below(r, n));
		if (!memory) /* what each node has is not known */
			q.memory = 0;
		ask_once(&w, &q, live, &n, &x);
	}
	while (n)
		leave(&w, live, &n, n - 1);
	usage_free(w.u);
	return x;
}

int exact(const struct machines *all, unsigned int requests)
{
	struct rnd r = { 2024 };
	unsigned int n = 0, failed = 0;

	for (unsigned int i = 0; i < all->n; i++) {
		const struct machine *m = &all->m[i];
		struct tally x;

		if (m->t->nnodes > TRUTH_NODES)
			continue;
		x = compare(m->t, requests, &r);
		failed += x.wrong > 0;
		printf("%s %u - %s: %u requests, %u differ from the best of all sets (%u on several nodes, %u refused)\n",
		       x.wrong ? "not ok" : "ok", ++n, m->name, x.asked, x.wrong, x.several, x.refused);
		fflush(stdout);
	}
	printf("1..%u\n", n);
	return failed ? 1 : 0;
}
