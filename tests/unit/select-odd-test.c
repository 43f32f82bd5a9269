/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Selection on unusual random machines: measured capacities, memory apart from CPUs, memory for given CPUs, cores that
 * span nodes, isolated CPUs. The expected result is computed here by trying everything, from the machine alone.
 */
#include "tests/unit/made.h"
#include "tests/unit/tap.h"
#include "tests/unit/truth.h"

#include <errno.h>

#define GIB (1ULL << 30)
#define MIB (1ULL << 20)

static struct request count(unsigned int cpus, uint64_t memory)
{
	struct request q;

	request_init(&q);
	q.given = 1U << KEY_CPU;
	q.cpu_count = cpus;
	q.memory = memory;
	return q;
}

static bool same(const struct placement *a, const struct placement *b)
{
	return idset_equal(&a->share.cpus, &b->share.cpus) && nodeset_equal(&a->mems, &b->mems) &&
	       idset_equal(&a->share.held, &b->share.held);
}

/* Capacities that differ by less than a factor of 1.3 are measurement noise: the placement is as on equal cores. */
static void test_noise(void)
{
	struct rnd r = { 7 };
	unsigned int differ = 0, placed = 0;

	for (unsigned int m = 0; m < 1000; m++) {
		struct topology *t = made_random(&r, 6);
		struct world w = world_of(t);
		struct request q = random_request(&r, t, 1);
		struct placement a, b;
		int ra, rb;

		for (unsigned int i = 0; i < t->ncpus; i++)
			w.u->load[t->cpus[i].id] = rnd_below(&r, 3) ? 0 : LOAD_ONE;
		ra = select_in(&w, &q, &a);
		for (unsigned int i = 0; i < t->ncpus; i++)
			t->cpus[i].capacity = (uint16_t)(1024 - rnd_below(&r, 230));
		topology_finish(t);
		rb = select_in(&w, &q, &b);
		placed += ra == 0;
		differ += ra != rb || (ra == 0 && !same(&a, &b));
		placement_free(&a);
		placement_free(&b);
		world_end(&w);
	}
	ok(placed > 500, "noise: %u placements on cores of measured capacity", placed);
	is_int(differ, 0, "noise: placements are as on equal cores");
}

/*
 * A slow and a fast kind of cores, with measurement noise: one kind alone if it suffices, else every fast core before a
 * slow one.
 */
static void test_kinds(void)
{
	struct rnd r = { 8 };
	unsigned int wrong = 0, mixed = 0, alone = 0, classes = 0;

	for (unsigned int m = 0; m < 1000; m++) {
		struct made_node node = { 0, 2 + rnd_below(&r, 14), GIB };
		struct topology *t = made(&node, 1, 1, 0, NULL);
		struct world w = world_of(t);
		unsigned int fast = 0, slow, got[2] = { 0 };
		struct request q;
		struct placement p;

		for (unsigned int i = 0; i < t->ncpus; i++) {
			bool is_fast = rnd_below(&r, 2);

			t->cpus[i].capacity = (uint16_t)(is_fast ? 1024 - rnd_below(&r, 100) : 600 - rnd_below(&r, 60));
			fast += is_fast;
		}
		slow = t->ncpus - fast;
		topology_finish(t);
		q = count(1 + rnd_below(&r, t->ncpus), 0);
		q.cpu_class = (enum cpu_class)(m % 3);
		if (select_in(&w, &q, &p) == 0)
			idset_foreach(id, &p.share.cpus)
				got[t->cpus[id].capacity < 800]++;
		if (!fast || !slow) {
			wrong += got[0] + got[1] != q.cpu_count;
		} else if (q.cpu_class == CLASS_PERFORMANCE || q.cpu_class == CLASS_EFFICIENT) {
			unsigned int there = q.cpu_class == CLASS_PERFORMANCE ? fast : slow;

			classes++;
			wrong += got[q.cpu_class == CLASS_PERFORMANCE] != 0 ||
				 got[q.cpu_class == CLASS_EFFICIENT] != (q.cpu_count < there ? q.cpu_count : there);
		} else if (q.cpu_count <= fast || q.cpu_count <= slow) {
			alone++;
			wrong += got[q.cpu_count > fast] != q.cpu_count;
		} else {
			mixed++;
			wrong += got[0] != fast || got[1] != q.cpu_count - fast;
		}
		placement_free(&p);
		world_end(&w);
	}
	ok(mixed > 50 && alone > 50 && classes > 50, "kinds: %u requests for one kind, %u for both, %u with a class",
	   alone, mixed, classes);
	is_int(wrong, 0, "kinds: one kind if it suffices, all fast cores before slow ones, the requested class only");
}

/* The same over two nodes that are both needed, when no kind suffices: every fast core is used. */
static void test_kinds_over_nodes(void)
{
	struct rnd r = { 15 };
	unsigned int wrong = 0, mixed = 0;

	for (unsigned int m = 0; m < 1000; m++) {
		unsigned int each = 2 + rnd_below(&r, 10), fast = 0, got = 0;
		struct made_node node[2] = { { 0, each, GIB }, { 1, each, GIB } };
		struct topology *t = made(node, 2, 1, 0, NULL);
		struct world w = world_of(t);
		struct request q = count(each + 1 + rnd_below(&r, each), 0);
		struct placement p;

		for (unsigned int i = 0; i < t->ncpus; i++) {
			t->cpus[i].capacity = rnd_below(&r, 2) ? 1024 : 600;
			fast += t->cpus[i].capacity == 1024;
		}
		topology_finish(t);
		if (select_in(&w, &q, &p) == 0)
			idset_foreach(id, &p.share.cpus)
				got += t->cpus[id].capacity == 1024;
		if (q.cpu_count > fast && q.cpu_count > t->ncpus - fast) {
			mixed++;
			wrong += got != fast || idset_count(&p.share.cpus) != q.cpu_count;
		}
		placement_free(&p);
		world_end(&w);
	}
	ok(mixed > 300, "kinds over nodes: %u requests for both kinds", mixed);
	is_int(wrong, 0, "kinds over nodes: every fast core of both nodes is used");
}

/* Nodes with CPUs, memory, both or neither: refused only if the machine has not enough CPUs or memory. */
static void test_graph(void)
{
	struct rnd r = { 9 };
	unsigned int wrong = 0, placed = 0, refused = 0;

	for (unsigned int m = 0; m < 3000; m++) {
		struct made_node node[8];
		unsigned int n = 1 + rnd_below(&r, 7), ncpus = 0, given = 0;
		uint64_t memory = 0;
		struct topology *t;
		struct world w;
		struct request q;
		struct placement p;
		int ret;

		for (unsigned int i = 0; i < n; i++) {
			node[i] = (struct made_node){ i, rnd_below(&r, 2) * (1 + rnd_below(&r, 4)),
						      rnd_below(&r, 2) * GIB };
			ncpus += node[i].cpus;
		}
		if (!ncpus)
			node[0].cpus = ncpus = 2;
		t = made(node, n, 1, 0, NULL);
		for (unsigned int i = 0; i < n; i++)
			if (t->nodes[i].has_memory) {
				t->nodes[i].memory_kind = MEMORY_ORDINARY;
				memory += GIB;
			}
		w = world_of(t);
		q = count(1 + rnd_below(&r, ncpus), (uint64_t)rnd_below(&r, n + 2) * 700 * MIB);
		if (rnd_below(&r, 3) == 0) {
			q.nodes_mode = NODES_LIST; /* nodes without memory are listed */
			for (unsigned int i = 0; i < n; i++)
				if (t->nodes[i].ncpus && !t->nodes[i].has_memory)
					nodeset_add(&q.nodes, i);
			if (nodeset_empty(&q.nodes))
				q.nodes_mode = NODES_ABSENT;
		}
		ret = select_in(&w, &q, &p);
		wrong += ret != 0 && memory && q.memory <= memory;
		if (ret == 0) {
			placed++;
			for (unsigned int i = 0; i < p.share.nmem; i++)
				given += p.share.mem[i].memory > GIB;
			wrong += given || nodeset_empty(&p.mems) || !nodeset_subset(&p.mems, &t->mem_nodes) ||
				 (q.nodes_mode == NODES_LIST && !nodeset_subset(&p.nodes, &q.nodes));
		}
		refused += ret != 0;
		placement_free(&p);
		world_end(&w);
	}
	ok(placed > 1000 && refused > 100, "CPUs and memory on any nodes: %u placed, %u refused", placed, refused);
	is_int(wrong, 0, "CPUs and memory on any nodes: none is refused if the machine has both");
}

static double near_of(const struct world *w, const struct idset *cpus, unsigned int node)
{
	double sum = 0;

	idset_foreach(id, cpus)
		sum += w->t->near[w->t->cpus[id].node * w->t->nnodes + node];
	return sum;
}

/* All memory of equal nodes is needed, so all are in the set; the CPU must be on the node nearest to all. */
static void test_middle(void)
{
	struct rnd r = { 10 };
	unsigned int wrong = 0;

	for (unsigned int m = 0; m < 1000; m++) {
		struct made_node node[8];
		unsigned int n = 2 + rnd_below(&r, 6);
		struct topology *t;
		struct world w;
		struct request q;
		struct placement p;
		double least = INFINITY, mine = 0;

		for (unsigned int i = 0; i < n; i++)
			node[i] = (struct made_node){ i, 4, GIB };
		t = made(node, n, 1, 0, NULL);
		for (unsigned int i = 0; i < n; i++)
			for (unsigned int j = 0; j < i; j++)
				t->distance[i * n + j] = t->distance[j * n + i] = (uint16_t)(11 + rnd_below(&r, 30));
		topology_finish(t);
		w = world_of(t);
		q = count(1, n * GIB);
		if (select_in(&w, &q, &p) < 0) {
			wrong++;
			world_end(&w);
			continue;
		}
		for (unsigned int i = 0; i < n; i++) {
			double sum = 0;

			for (unsigned int j = 0; j < n; j++)
				sum += t->near[i * n + j];
			least = sum < least ? sum : least;
			if (nodeset_has(&p.nodes, i))
				mine = sum;
		}
		wrong += mine > least + 1e-9;
		placement_free(&p);
		world_end(&w);
	}
	is_int(wrong, 0, "container with all memory: its CPU is on the node nearest to all, 1000 times");
}

/* Of all sets of nodes added to those of listed CPUs: the fewest with enough memory, and of these the nearest. */
static void test_added(void)
{
	struct rnd r = { 11 };
	unsigned int wrong = 0, added = 0;

	for (unsigned int m = 0; m < 2000; m++) {
		struct topology *t = made_random(&r, 7);
		struct world w = world_of(t);
		struct request q;
		struct placement p;
		unsigned int own = 0, mine = 0, fewest = 99;
		double all = 0, least = INFINITY, far = 0;

		request_init(&q);
		q.given = 1U << KEY_CPU;
		q.cpu_listed = true;
		idset_add(&q.cpu_list, rnd_below(&r, t->ncpus));
		idset_add(&q.cpu_list, rnd_below(&r, t->ncpus));
		q.cpu_count = idset_count(&q.cpu_list);
		idset_foreach(id, &q.cpu_list)
			own |= 1U << t->cpus[id].node;
		for (unsigned int i = 0; i < t->nnodes; i++) {
			w.u->pending[t->nodes[i].id] = t->nodes[i].mem_total / 8 * rnd_below(&r, 9);
			all += avail_of(&w, i);
		}
		q.memory = (uint64_t)(all / 16 * (1 + rnd_below(&r, 15)));
		if (!q.memory || select_in(&w, &q, &p) < 0) {
			wrong += q.memory > 0;
			world_end(&w);
			continue;
		}
		for (unsigned int i = 0; i < t->nnodes; i++)
			if (nodeset_has(&p.mems, t->nodes[i].id) && !(own >> i & 1)) {
				mine++;
				far += near_of(&w, &q.cpu_list, i);
			}
		for (unsigned int mask = 0; mask < 1U << t->nnodes; mask++) {
			double sum = 0, has = 0;
			unsigned int k = (unsigned int)__builtin_popcount(mask);

			for (unsigned int i = 0; i < t->nnodes; i++) {
				has += (own | mask) >> i & 1 ? avail_of(&w, i) : 0;
				sum += mask >> i & 1 ? near_of(&w, &q.cpu_list, i) : 0;
			}
			if (mask & own || has < (double)q.memory || k > fewest || (k == fewest && sum >= least))
				continue;
			fewest = k;
			least = sum;
		}
		added += mine > 0;
		wrong += mine != fewest || (mine && far > least + 1e-9);
		placement_free(&p);
		world_end(&w);
	}
	ok(added > 300, "added memory: %u lists of CPUs need memory of other nodes", added);
	is_int(wrong, 0, "added memory: the fewest nodes that suffice, and of these the nearest");
}

/* Some nodes are full: a container without a memory request can start if there is memory anywhere. */
static void test_floor(void)
{
	struct rnd r = { 12 };
	unsigned int wrong = 0, tight = 0;

	for (unsigned int m = 0; m < 2000; m++) {
		struct topology *t = made_random(&r, 6);
		struct world w = world_of(t);
		struct request q = count(1 + rnd_below(&r, t->ncpus), 0);
		struct placement p;
		double there = 0, mine = 0;

		for (unsigned int i = 0; i < t->nnodes; i++) {
			t->nodes[i].mem_free = rnd_below(&r, 2) ? 0 : t->nodes[i].mem_total / 2;
			there += avail_of(&w, i);
		}
		if (rnd_below(&r, 2)) {
			q.cpu_listed = true;
			idset_add(&q.cpu_list, rnd_below(&r, t->ncpus));
			q.cpu_count = 1;
		}
		if (select_in(&w, &q, &p) == 0)
			for (unsigned int i = 0; i < t->nnodes; i++)
				mine += nodeset_has(&p.mems, t->nodes[i].id) ? avail_of(&w, i) : 0;
		tight += there > 0;
		wrong += (there > 0 && mine <= 0) || (there <= 0 && !(p.warnings >> WARN_STARVED & 1));
		placement_free(&p);
		world_end(&w);
	}
	ok(tight > 1000, "full nodes: %u machines with some full nodes", tight);
	is_int(wrong, 0, "full nodes: each container gets a node with free memory, or a warning");
}

/* Cores whose threads are on two nodes: no core has two owners, and no thread is given twice. */
static void test_crossing(void)
{
	struct rnd r = { 13 };
	unsigned int wrong = 0, placed = 0, refused = 0;

	for (unsigned int m = 0; m < 500; m++) {
		struct made_node node[4];
		unsigned int n = 2 + rnd_below(&r, 3), each = 2 + rnd_below(&r, 6), owner[64] = { 0 };
		struct topology *t;
		struct world w;

		for (unsigned int i = 0; i < n; i++)
			node[i] = (struct made_node){ i, each, 16 * GIB };
		t = made(node, n, 1, 0, NULL);
		for (unsigned int i = 0; i < t->ncpus;
		     i++) /* thread i of each node belongs to core i; with four nodes, cores span pairs of nodes */
			t->cpus[i].core = (uint16_t)(i % each + (n == 4 ? t->cpus[i].node / 2 * each : 0));
		t->ncores = n == 4 ? 2 * each : each;
		topology_finish(t);
		w = world_of(t);
		for (unsigned int k = 1; k <= 6; k++) {
			struct request q = count(1 + rnd_below(&r, 3), 0);
			struct placement p;

			q.exclusive = rnd_below(&r, 2);
			if (select_in(&w, &q, &p) < 0) {
				refused++;
				placement_free(&p);
				continue;
			}
			placed++;
			idset_foreach(id, &p.share.cpus) {
				wrong += owner[t->cpus[id].core] != 0;
				wrong += q.exclusive && !idset_has(&p.share.held, (unsigned int)id);
			}
			for (unsigned int i = 0; q.exclusive && i < t->ncpus; i++)
				for (unsigned int j = 0; j < t->ncpus; j++)
					if (t->cpus[i].core == t->cpus[j].core && idset_has(&p.share.cpus, j)) {
						wrong += !idset_has(&p.share.held, i) || w.u->load[i] > 0;
						owner[t->cpus[i].core] = k;
					}
			usage_add(w.u, &p.share);
			placement_free(&p);
		}
		world_end(&w);
	}
	ok(placed > 500 && refused > 50, "cores that span nodes: %u placed, %u refused", placed, refused);
	is_int(wrong, 0, "cores that span nodes: an exclusive core is held with all its threads, and given once");
}

/*
 * With isolated CPUs: one core that is not isolated is left for others, and only exclusive containers get isolated CPUs
 * without a request.
 */
static void test_isolated(void)
{
	struct rnd r = { 14 };
	unsigned int wrong = 0, exclusive = 0;

	for (unsigned int m = 0; m < 1000; m++) {
		struct topology *t = made_random(&r, 4);
		struct world w = world_of(t);

		for (unsigned int i = 0; i < t->ncpus; i++)
			if (t->cpus[i].core % 3)
				idset_add(&t->isolated, i);
		for (unsigned int k = 0; k < 8; k++) {
			struct request q = count(1 + rnd_below(&r, 4), 0);
			struct idset left = t->online;
			struct placement p;

			q.exclusive = rnd_below(&r, 2);
			if (rnd_below(&r, 4) == 0)
				q.cpu_class = CLASS_ISOLATED;
			if (select_in(&w, &q, &p) == 0) {
				bool some = idset_intersects(&p.share.cpus, &t->isolated);

				exclusive += q.exclusive;
				wrong += some && !q.exclusive && q.cpu_class != CLASS_ISOLATED;
				wrong += some && !idset_subset(&p.share.cpus, &t->isolated);
				wrong += q.cpu_class == CLASS_ISOLATED && !some;
				wrong += (idset_count(&p.share.cpus) > 1 && some) != (p.warnings >> WARN_ISOLATED & 1);
				usage_add(w.u, &p.share);
			}
			idset_andnot(&left, &t->isolated);
			for (unsigned int i = 0; i < t->ncpus; i++)
				if (w.u->exclusive[i])
					idset_del(&left, i);
			wrong += !idset_empty(&t->isolated) && idset_empty(&left);
			placement_free(&p);
		}
		world_end(&w);
	}
	ok(exclusive > 500, "isolated CPUs: %u exclusive containers", exclusive);
	is_int(wrong, 0, "isolated CPUs: the last other core is left, and no container has both kinds");
}

int main(void)
{
	test_noise();
	test_kinds();
	test_kinds_over_nodes();
	test_graph();
	test_middle();
	test_added();
	test_floor();
	test_crossing();
	test_isolated();
	return done();
}
