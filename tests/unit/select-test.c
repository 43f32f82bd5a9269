/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Selection: cases that other tools get wrong, properties on thousands of random machines, and comparison with the best
 * of all sets of nodes.
 */
#include "plugin/select/select.h"
#include "tests/unit/made.h"
#include "tests/unit/tap.h"
#include "tests/unit/truth.h"

#include <errno.h>
#include <math.h>

#define GIB (1ULL << 30)

/* The request for "key=value key=value". */
static struct request ask(const char *text)
{
	struct request r;
	char copy[256], *save = NULL;

	request_init(&r);
	snprintf(copy, sizeof(copy), "%s", text);
	for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		char *eq = strchr(word, '=');
		struct error err;

		*eq = '\0';
		if (request_set(&r, word, eq + 1, &err) < 0)
			printf("# %s\n", err.text);
	}
	return r;
}

/* Places a request and keeps it in the usage. Returns "nodes|cpus|mems", or the error. */
static const char *place(struct world *w, const char *text)
{
	static char out[1024];
	char nodes[256], cpus[256], mems[256];
	struct request req = ask(text);
	struct placement p;

	if (select_in(w, &req, &p) < 0) {
		snprintf(out, sizeof(out), "%s", w->err.text);
		return out;
	}
	nodeset_format_comma(&p.nodes, nodes, sizeof(nodes));
	idset_format(&p.share.cpus, cpus, sizeof(cpus));
	nodeset_format(&p.mems, mems, sizeof(mems));
	usage_add(w->u, &p.share);
	placement_free(&p);
	snprintf(out, sizeof(out), "%s|%s|%s", nodes, cpus, mems);
	return out;
}

static void fill(struct world *w, unsigned int node, unsigned int cpus)
{
	char text[64];

	snprintf(text, sizeof(text), "limits.cpu=%u limits.cpu.nodes=%u", cpus, node);
	place(w, text);
}

static unsigned int pairs(unsigned int i, unsigned int j)
{
	return i == j ? 10 : i / 2 == j / 2 ? 12 : 21;
}

/* Nodes 0 and 2 are a pair, and 1 and 3. */
static unsigned int crossed_pairs(unsigned int i, unsigned int j)
{
	return i == j ? 10 : i % 2 == j % 2 ? 12 : 21;
}

static unsigned int neighbours(unsigned int i, unsigned int j)
{
	return i == j ? 10 : 11;
}

static unsigned int sockets_of_12(unsigned int i, unsigned int j)
{
	unsigned int in = i % 12 > j % 12 ? i % 12 - j % 12 : j % 12 - i % 12;

	return i == j ? 10 : i / 12 != j / 12 ? 32 : 10 + (in < 5 ? in : 5);
}

static void test_filling(void)
{
	struct made_node nodes[4] = { { 0, 2, GIB }, { 1, 2, GIB }, { 2, 2, GIB }, { 3, 2, GIB } };
	struct world w = world_of(made(nodes, 4, 1, 0, pairs));

	is_str(place(&w, "limits.cpu=2"), "0|0-1|0", "4x2: the first of four takes node 0");
	is_str(place(&w, "limits.cpu=2"), "1|2-3|1", "4x2: the second takes another node");
	is_str(place(&w, "limits.cpu=2"), "2|4-5|2", "4x2: the third takes another node");
	is_str(place(&w, "limits.cpu=2"), "3|6-7|3", "4x2: the fourth takes the last node");
	is_str(place(&w, "limits.cpu=2"), "0|0-1|0", "4x2: the fifth shares node 0");
	is_str(place(&w, "limits.cpu=2"), "1|2-3|1", "4x2: the sixth shares the least loaded node");
	world_end(&w);

	w = world_of(made(nodes, 4, 1, 0, pairs));
	is_str(place(&w, "limits.cpu=1"), "0|0|0", "4x2: one CPU is on node 0");
	is_str(place(&w, "limits.cpu=4 limits.cpu.nodes=balanced"), "2,3|4-7|2-3",
	       "4x2: four CPUs take the free pair of nodes");
	world_end(&w);
}

/* Small containers fill a pair, so that a large one finds a free one, in whatever order the nodes are numbered. */
static void test_groups(void)
{
	struct made_node nodes[4] = { { 0, 2, GIB }, { 1, 2, GIB }, { 2, 2, GIB }, { 3, 2, GIB } };
	struct world w = world_of(made(nodes, 4, 1, 0, crossed_pairs));

	is_str(place(&w, "limits.cpu=2"), "0|0-1|0", "pairs: the first container takes node 0");
	is_str(place(&w, "limits.cpu=2"), "2|4-5|2", "pairs: the second takes the other node of the pair");
	is_str(place(&w, "limits.cpu=4"), "1,3|2-3,6-7|1,3", "pairs: the large one takes the free pair");
	world_end(&w);

	w = world_of(made(nodes, 4, 1, 0, crossed_pairs));
	is_str(place(&w, "limits.cpu=1"), "0|0|0", "pairs: one CPU of node 0");
	is_str(place(&w, "limits.cpu=1"), "0|1|0", "pairs: the other CPU of node 0, as two cores cannot saturate its memory");
	is_str(place(&w, "limits.cpu=2"), "2|4-5|2", "pairs: the third container takes the other node of the pair");
	is_str(place(&w, "limits.cpu=4"), "1,3|2-3,6-7|1,3", "pairs: four CPUs take the free pair after three small ones");
	world_end(&w);

	w = world_of(made(nodes, 4, 1, 0, crossed_pairs));
	w.t->nodes[2].mem_free = w.t->nodes[2].mem_total / 2;
	is_str(place(&w, "limits.cpu=2 limits.cpu.nodes=0"), "0|0-1|0", "pairs: a container on node 0");
	is_str(place(&w, "limits.cpu=2"), "2|4-5|2", "pairs: a free pair is kept, although its nodes have more free memory");
	world_end(&w);
}

/* On large nodes, whose memory can be saturated, containers are spread; threads are, over the cores of a node. */
static void test_crowding(void)
{
	struct made_node nodes[2] = { { 0, 32, GIB }, { 1, 32, GIB } };
	struct world w = world_of(made(nodes, 2, 2, 0, NULL));

	is_str(place(&w, "limits.cpu=8"), "0|0,2,4,6,8,10,12,14|0", "crowding: one thread of each idle core");
	is_str(place(&w, "limits.cpu=8"), "1|32,34,36,38,40,42,44,46|1", "crowding: the second container takes the idle node");
	is_str(place(&w, "limits.cpu=12"), "0|16-24,26,28,30|0",
	       "crowding: idle cores first, then second threads of its own cores");
	world_end(&w);

	w = world_of(made(nodes, 2, 2, 0, NULL));
	is_str(place(&w, "limits.cpu=2 limits.cpu.exclusive=true"), "0|0-1|0", "crowding: an exclusive container takes a core");
	is_str(place(&w, "limits.cpu=4 limits.cpu.nodes=1"), "1|32-35|1",
	       "crowding: whole cores for shared containers, once exclusive ones run here");
	world_end(&w);
}

static void test_incus_cases(void)
{
	struct made_node two[2] = { { 0, 32, GIB }, { 1, 32, GIB } };
	struct made_node three[3] = { { 0, 8, GIB }, { 1, 8, GIB }, { 2, 8, GIB } };
	struct made_node unequal[2] = { { 0, 8, GIB }, { 1, 56, GIB } };
	struct made_node many[24];
	struct world w = world_of(made(two, 2, 1, 0, NULL));

	is_str(place(&w, "limits.cpu=65"), "0,1|0-63|0-1", "2x32: 65 CPUs become all 64");
	ok(w.why.n && strstr(w.why.text[0], "65 requested, 64"), "2x32: the reduction is reported: %s", w.why.text[0]);
	world_end(&w);
	w = world_of(made(two, 2, 1, 0, NULL));
	is_str(place(&w, "limits.cpu=200"), "0,1|0-63|0-1", "2x32: 200 CPUs become all 64");
	world_end(&w);
	w = world_of(made(three, 3, 1, 0, NULL));
	is_str(place(&w, "limits.cpu=25"), "0,1,2|0-23|0-2", "3x8: 25 CPUs become all 24");
	world_end(&w);
	w = world_of(made(unequal, 2, 1, 0, NULL));
	is_str(place(&w, "limits.cpu=32"), "1|8-39|1", "8+56: 32 CPUs are on the large node alone");
	world_end(&w);
	for (unsigned int i = 0; i < 24; i++)
		many[i] = (struct made_node){ i, 16, 8 * GIB };
	w = world_of(made(many, 24, 2, 8, sockets_of_12));
	for (unsigned int i = 0; i < 6; i++)
		fill(&w, i, 16);
	is_str(place(&w, "limits.cpu=48"), "6,7,8|96-143|6-8", "24x16, nodes 0 to 5 in use: three neighbours");
	world_end(&w);
}

/* The last completely free node is kept, but only while there are few. */
static void test_keeping(void)
{
	struct made_node nodes[16];
	struct world w;

	for (unsigned int i = 0; i < 16; i++)
		nodes[i] = (struct made_node){ i, 8, 8 * GIB };
	w = world_of(made(nodes, 8, 1, 0, NULL));
	fill(&w, 0, 4);
	is_str(place(&w, "limits.cpu=2"), "1|8-9|1", "8x8, nearly all free: a free node is used");
	fill(&w, 1, 6);
	for (unsigned int i = 2; i < 7; i++)
		fill(&w, i, 8);
	is_str(place(&w, "limits.cpu=2"), "0|4-5|0", "8x8, one and a half nodes free: the half is used");
	ok(w.why.n > 1 && strstr(w.why.text[1], "node 7, emptier, and kept for larger ones"),
	   "8x8, one and a half nodes free: the reason: %s", w.why.text[1]);
	world_end(&w);
	/* the weight of evenness against the previous node, with little room */
	for (unsigned int i = 0; i < 16; i++)
		nodes[i].cpus = 16;
	for (unsigned int balance = 49; balance <= 51; balance++) {
		w = world_of(made(nodes, 16, 1, 0, NULL));
		w.policy.balance = balance;
		for (unsigned int i = 0; i < 14; i++)
			fill(&w, i, 16);
		fill(&w, 14, 15);
		fill(&w, 15, 7);
		is_str(place(&w, "limits.cpu=1 volatile.cpu.nodes=14"), "15|247|15",
		       "16x16, nearly full: the same result at balance = %u", balance);
		world_end(&w);
	}
}

/*
 * balance = 100: two nodes are left as even as possible; neither is filled because it is near, or to use whole cores.
 * The free part of a node is relative to all its CPUs, including those held exclusively.
 */
static void test_evenness(void)
{
	struct made_node nodes[2] = { { 0, 32, GIB }, { 1, 32, GIB } }, small[2] = { { 0, 8, GIB }, { 1, 8, GIB } };
	struct made_node unequal[2] = { { 0, 24, GIB }, { 1, 8, GIB } };
	struct world w = world_of(made(nodes, 2, 1, 0, NULL));

	w.policy.balance = 100;
	place(&w, "limits.cpu=7 limits.cpu.nodes=0");
	place(&w, "limits.cpu=13 limits.cpu.nodes=1");
	is_str(place(&w, "limits.cpu=32"), "0,1|7-25,45-57|0-1",
	       "evenness: with 25 and 19 free CPUs, 6 and 6 are left");
	world_end(&w);
	w = world_of(made(small, 2, 2, 0, neighbours));
	is_str(place(&w, "limits.cpu=14"), "0,1|0-6,8-14|0-1", "default balance: both nodes give as many CPUs");
	world_end(&w);
	w = world_of(made(small, 2, 2, 0, NULL));
	w.policy.balance = 100;
	is_str(place(&w, "limits.cpu=14"), "0,1|0-6,8-14|0-1",
	       "evenness: one thread is left on each node, not one core");
	world_end(&w);
	w = world_of(made(unequal, 2, 1, 0, NULL));
	w.policy.balance = 100;
	place(&w, "limits.cpu=12 limits.cpu.nodes=0 limits.cpu.exclusive=true");
	is_str(place(&w, "limits.cpu=4 limits.cpu.exclusive=true"), "1|24-27|1",
	       "evenness: a half-held node is fuller than a small empty one");
	ok(w.why.n && strstr(w.why.text[0], "then 50 % of CPUs"), "evenness: the reason has the load: %s",
	   w.why.text[0]);
	is_str(place(&w, "limits.cpu=6 limits.cpu.nodes=0 limits.cpu.exclusive=true"), "0|12-17|0",
	       "evenness: more CPUs of the half-held node");
	ok(w.why.n && strstr(w.why.text[0], "then 75 % of CPUs"),
	   "evenness: the load includes exclusive CPUs of others: %s", w.why.text[0]);
	world_end(&w);
}

/* Incus has chosen and numaplace follows: all of it is used, whatever other containers exist. */
static void test_whole(void)
{
	struct made_node nodes[4] = { { 0, 2, GIB }, { 1, 2, GIB }, { 2, 2, 0 }, { 3, 2, GIB } };
	struct world w = world_of(made(nodes, 4, 1, 0, pairs));

	place(&w, "limits.cpu=2 limits.cpu.nodes=0 limits.cpu.exclusive=true");
	idset_add(&w.policy.reserved_cpus, 2);
	nodeset_add(&w.policy.reserved_nodes, 3);
	w.whole = true;
	is_str(place(&w, "limits.cpu=1 limits.cpu.nodes=0-1"), "0,1|0-3|0-1",
	       "whole: both nodes, including held and reserved CPUs");
	is_str(place(&w, "limits.cpu.nodes=3"), "limits.cpu.nodes: nodes 3 were chosen, but nodes 3 are reserved",
	       "whole: a reserved node alone is refused");
	is_str(place(&w, "limits.cpu.nodes=1,3"), "1|2-3|1", "whole: a reserved node among others is left out");
	ok(w.why.n && strstr(w.why.text[0], "nodes 3 are reserved: their memory is not used"),
	   "whole: a left-out reserved node is reported: %s", w.why.text[0]);
	is_str(place(&w, "limits.cpu=2-3"), "limits.cpu: CPU 2 is reserved",
	       "whole: a list with a reserved CPU is refused");
	is_str(place(&w, "limits.cpu=3,6"), "limits.cpu: CPU 6 is on node 3, which is reserved",
	       "whole: a list with a CPU of a reserved node is refused");
	is_str(place(&w, "limits.cpu=3-3"), "1|3|1", "whole: a list of CPUs uses its nodes");
	is_str(place(&w, "limits.cpu.nodes=2"), "2|4-5|0",
	       "whole: a node without memory gets the nearest memory that is not reserved");
	nodeset_clear(&w.policy.reserved_nodes);
	is_str(place(&w, "limits.cpu.nodes=2"), "2|4-5|3", "whole: a node without memory gets the nearest memory");
	ok(strstr(place(&w, "limits.cpu.nodes=0 limits.memory=2GiB"),
		  "limits.memory: 2GiB requested, 1GiB available (node 0: 1GiB"),
	   "whole: memory must fit on the chosen nodes: %s", w.err.text);
	ok(strstr(place(&w, "limits.cpu.nodes=9"), "no such node"), "whole: a node that does not exist: %s",
	   w.err.text);
	world_end(&w);
}

/* Memory reserved for the host counts as used, and a refusal that it causes names it. */
static void test_reserved_memory(void)
{
	struct made_node nodes[4] = { { 0, 4, 4 * GIB }, { 1, 4, 4 * GIB }, { 2, 4, 4 * GIB }, { 3, 4, 4 * GIB } };
	struct world w = world_of(made(nodes, 4, 1, 0, pairs));

	w.policy.nreserved_memory = 2;
	w.policy.reserved_memory[0] = (struct reserved_memory){ 0, 1, 3 * GIB };
	w.policy.reserved_memory[1] = (struct reserved_memory){ 3, 3, 8 * GIB };
	is_str(place(&w, "limits.cpu=1 limits.memory=2GiB"), "2|8|2",
	       "reserved-memory: 2GiB fit on the only node without a reservation");
	is_str(place(&w, "limits.cpu=1 limits.memory=1GiB limits.cpu.nodes=0"), "0|0|0",
	       "reserved-memory: as much as is left fits");
	is_str(place(&w, "limits.cpu=1 limits.memory=1 limits.cpu.nodes=0"),
	       "limits.memory: 1B requested, 0B available (node 0: 0B); reserved-memory keeps 3GiB of node 0",
	       "reserved-memory: one byte more is refused");
	is_str(place(&w, "limits.cpu=1 limits.memory=4GiB"),
	       "limits.memory: 4GiB requested, 3GiB available (node 0: 0B, 1: 1GiB, 2: 2GiB, 3: 0B); reserved-memory keeps "
	       "3GiB of "
	       "node 0, 3GiB of node 1, 8GiB of node 3",
	       "reserved-memory: a refusal names all reservations");
	is_str(place(&w, "limits.cpu=1 limits.memory=3GiB limits.cpu.nodes=2"),
	       "limits.memory: 3GiB requested, 2GiB available (node 2: 2GiB)",
	       "reserved-memory: a refusal names the reservations of its nodes only");
	w.whole = true;
	is_str(place(&w, "limits.cpu.nodes=3 limits.memory=1GiB"),
	       "limits.memory: 1GiB requested, 0B available (node 3: 0B); reserved-memory keeps 8GiB of node 3",
	       "reserved-memory: also when Incus has chosen");
	world_end(&w);
}

/*
 * Pins of the runtime restrict the choice, and a refusal names them. CPUs apart from memory work with Incus's choice,
 * too.
 */
static void test_pins(void)
{
	struct made_node nodes[3] = { { 0, 4, 4 * GIB }, { 1, 4, 4 * GIB }, { 2, 4, 0 } };
	struct made_node apart[2] = { { 0, 0, 4 * GIB }, { 1, 4, 0 } };
	struct world w = world_of(made(nodes, 3, 1, 0, NULL));
	struct request q = ask("limits.cpu=2 limits.cpu.nodes=0");
	struct placement p;

	nodeset_add(&q.pin_mems, 1);
	is_int(select_in(&w, &q, &p), -ENOSPC, "pins: listed CPUs of node 0 with memory pinned to node 1 are refused");
	is_str(w.err.text,
	       "limits.cpu.nodes: \"0\": memory is pinned to nodes 1 (cpuset.mems), which are not among them",
	       "pins: the message names list and pin");
	q = ask("limits.cpu=2 limits.cpu.nodes=2");
	nodeset_add(&q.pin_mems, 1);
	ok(select_in(&w, &q, &p) == 0 && nodeset_has(&p.mems, 1) && nodeset_count(&p.mems) == 1 &&
		   nodeset_has(&p.nodes, 2),
	   "pins: CPUs of a node without memory use the pinned memory");
	placement_free(&p);
	q = ask("limits.cpu=2");
	nodeset_add(&q.pin_mems, 0);
	w.t->nodes[0].mem_free = 0;
	ok(select_in(&w, &q, &p) == 0 && nodeset_count(&p.mems) == 1 && p.warnings == 1U << WARN_STARVED,
	   "pins: pinned memory that is full is kept, with a warning");
	placement_free(&p);
	w.t->nodes[0].mem_free = 4 * GIB;
	w.t->nodes[0].movable_only = true;
	ok(select_in(&w, &q, &p) == 0 && nodeset_count(&p.mems) == 1 && p.warnings == 1U << WARN_MOVABLE,
	   "pins: pinned memory that is only movable is kept, with a warning");
	placement_free(&p);
	q = ask("limits.cpu=2");
	idset_add_range(&q.pin_cpus, 4, 6);
	idset_add_range(&w.t->isolated, 4, 7);
	ok(select_in(&w, &q, &p) == 0 && idset_subset(&p.share.cpus, &q.pin_cpus) && p.warnings == 1U << WARN_ISOLATED,
	   "pins: pinned isolated CPUs are used like listed ones: %s", w.err.text);
	placement_free(&p);
	world_end(&w);
	w = world_of(made(apart, 2, 1, 0, NULL));
	w.whole = true;
	is_str(place(&w, "limits.cpu.nodes=1"), "1|0-3|0", "whole: all CPUs of a node without memory");
	is_str(place(&w, "limits.cpu=0-1 limits.memory=1GiB"), "1|0-1|0",
	       "whole: listed CPUs with requested memory on another node");
	is_str(place(&w, "limits.cpu.nodes=1 limits.memory=4GiB"),
	       "limits.memory: 4GiB requested, 3GiB available (node 0: 3GiB, 1: 0B)",
	       "whole: refused if memory on the other node is short");
	world_end(&w);
}

static void test_memory(void)
{
	struct made_node nodes[4] = { { 0, 4, 2 * GIB }, { 1, 4, 2 * GIB }, { 2, 4, 2 * GIB }, { 3, 4, 2 * GIB } };
	struct world w = world_of(made(nodes, 4, 1, 0, pairs));

	is_str(place(&w, "limits.cpu=2 limits.memory=3GiB"), "0,1|0,4|0-1",
	       "memory: more than a node has is spread to the neighbour, and so are the CPUs");
	is_str(place(&w, "limits.cpu=2 limits.memory=6GiB"),
	       "limits.memory: 6GiB requested, 5GiB available (node 0: 512MiB, 1: 512MiB, 2: 2GiB, 3: 2GiB)",
	       "memory: more than all nodes have left is refused, with numbers");
	is_str(place(&w, "limits.cpu=1 limits.memory=2GiB"), "2|8|2", "memory: a request goes to a node where it fits");
	is_str(place(&w, "limits.cpu=1 limits.memory=64MiB limits.cpu.nodes=1"), "1|5|1",
	       "memory: a listed node is used");
	is_str(place(&w, "limits.cpu=1 limits.memory=1GiB limits.cpu.nodes=1"),
	       "limits.memory: 1GiB requested, 448MiB available (node 1: 448MiB)", "memory: a full listed node is refused");
	world_end(&w);
}

/* A node without free CPUs is chosen for its memory by distance. */
static void test_memory_is_near(void)
{
	struct made_node nodes[3] = { { 0, 4, 2 * GIB }, { 1, 4, 2 * GIB }, { 2, 4, 2 * GIB } };
	struct world w = world_of(made(nodes, 3, 1, 0, pairs));

	place(&w, "limits.cpu=4 limits.memory=256MiB limits.cpu.nodes=1 limits.cpu.exclusive=true");
	place(&w, "limits.cpu=4 limits.cpu.nodes=2 limits.cpu.exclusive=true");
	is_str(place(&w, "limits.cpu=4 limits.memory=3GiB"), "0|0-3|0-1",
	       "memory: taken from the near node, although a far one has more");
	world_end(&w);
}

/* The previous node is used if it is slightly fuller than others, but not if it is much fuller. */
static void test_home(void)
{
	struct made_node nodes[2] = { { 0, 8, GIB }, { 1, 8, GIB } };
	struct world w = world_of(made(nodes, 2, 1, 0, NULL));

	place(&w, "limits.cpu=1 limits.cpu.nodes=1");
	is_str(place(&w, "limits.cpu=1 volatile.cpu.nodes=1"), "1|9|1",
	       "previous node: used although another is emptier");
	ok(w.why.n > 1 && strstr(w.why.text[1], "node 0, farther from its device or its last place"),
	   "previous node: the reason: %s", w.why.text[1]);
	place(&w, "limits.cpu=4 limits.cpu.nodes=1");
	is_str(place(&w, "limits.cpu=1 volatile.cpu.nodes=1"), "0|0|0", "previous node: not used if it is crowded");
	world_end(&w);
}

static void test_lists(void)
{
	struct made_node nodes[4] = { { 0, 4, GIB }, { 1, 4, GIB }, { 2, 4, 0 }, { 5, 0, 4 * GIB } };
	struct world w = world_of(made(nodes, 4, 1, 0, pairs));

	is_str(place(&w, "limits.cpu=0-3"), "0|0-3|0", "list: exactly these CPUs");
	is_str(place(&w, "limits.cpu=2-2"), "0|2|0", "list: one CPU");
	is_str(place(&w, "limits.cpu=2-5"), "0,1|2-5|0-1", "list: CPUs of two nodes");
	is_str(place(&w, "limits.cpu=3-12"), "limits.cpu: CPU 12 of \"3-12\" is not present (CPUs 0-11)",
	       "list: a CPU that does not exist is refused");
	is_str(place(&w, "limits.cpu=2 limits.cpu.nodes=0-4,^0"), "1|6-7|1", "list: nodes with an exclusion");
	is_str(place(&w, "limits.cpu=2 limits.cpu.nodes=9"), "limits.cpu.nodes: \"9\": no such node (nodes 0-2,5 exist)",
	       "list: a node that does not exist is refused");
	is_str(place(&w, "limits.cpu=2 limits.cpu.nodes=5"),
	       "limits.cpu.nodes: \"5\": no node with CPUs among them (CPUs are on 0-2)",
	       "list: a node without CPUs alone is refused");
	is_str(place(&w, "limits.cpu=2 limits.cpu.nodes=2"),
	       "2|8-9|0", "list: a node without memory gets the lowest of equally near nodes");
	is_str(place(&w, "limits.cpu=2 limits.cpu.nodes=2,5"), "2|10-11|5", "list: memory is on the listed node");
	is_str(place(&w, "limits.cpu=4 limits.memory=3GiB"),
	       "limits.memory: 3GiB requested, 2GiB available (node 0: 1GiB, 1: 1GiB, 2: 0B); node 5 has 4GiB and no CPUs: "
	       "limits.cpu.nodes=0-2,5",
	       "list: a node without CPUs is not used unless listed, as the message says");
	world_end(&w);
}

static void test_exclusive(void)
{
	struct made_node nodes[2] = { { 0, 8, GIB }, { 1, 8, GIB } };
	struct world w = world_of(made(nodes, 2, 2, 0, NULL));

	is_str(place(&w, "limits.cpu=3 limits.cpu.exclusive=true"), "0|0-2|0", "exclusive: three CPUs hold two cores");
	is_str(place(&w, "limits.cpu=5"), "1|8-12|1", "exclusive: a shared container avoids held cores");
	is_str(place(&w, "limits.cpu=4 limits.cpu.exclusive=true"), "0|4-7|0", "exclusive: two more whole cores");
	is_str(place(&w, "limits.cpu=4 limits.cpu.exclusive=true"),
	       "limits.cpu: 4 exclusive CPUs requested, 2 are in free whole cores (node 0: 0, 1: 2; 8 more are held by "
	       "others, 6 "
	       "on cores in use)",
	       "exclusive: refused without whole cores; the message has the numbers");
	is_str(place(&w, "limits.cpu=3-3"), "limits.cpu: CPU 3 is held exclusively by another container",
	       "exclusive: the other thread of a held core is refused");
	is_str(place(&w, "limits.cpu=4"), "1|8,13-15|1", "exclusive: a shared container gets what is left");
	world_end(&w);
}

/* Conditions of every placement. */
static unsigned int check_sound(const struct world *w, const struct request *q, const struct placement *p)
{
	const struct topology *t = w->t;
	struct nodeset nodes;
	unsigned int n = idset_count(&p->share.cpus), bad = 0;
	uint64_t memory = 0;

	topology_nodes_of(t, &p->share.cpus, &nodes);
	if (!idset_subset(&p->share.cpus, &t->online))
		fail_once("a CPU that is not online");
	if (n != (q->cpu_count < t->ncpus ? q->cpu_count : t->ncpus) && !strstr(w->why.text[0], "using all"))
		fail_once("%u CPUs requested, %u given", q->cpu_count, n);
	if (!nodeset_equal(&nodes, &p->nodes))
		fail_once("nodes are not those of the CPUs");
	if (nodeset_empty(&p->mems) || !nodeset_subset(&p->mems, &t->mem_nodes))
		fail_once("no memory nodes, or one without memory");
	nodeset_foreach(id, &p->mems)
		if (t->nodes[t->node_index[id]].memory_kind != MEMORY_ORDINARY)
			fail_once("memory that is not ordinary, without a request");
	idset_foreach(id, &p->share.cpus) {
		if (w->u->exclusive[id])
			fail_once("CPU %d is held by another container", id);
		if (q->exclusive && w->u->load[id])
			fail_once("exclusive CPU %d is in use", id);
	}
	for (unsigned int i = 0; i < p->share.nmem; i++) {
		unsigned int node = t->node_index[p->share.mem[i].id];

		memory += p->share.mem[i].memory;
		if ((double)p->share.mem[i].memory > avail_of(w, node) && p->share.mem[i].memory)
			fail_once("node %u: more memory than it has", p->share.mem[i].id);
	}
	if (memory != q->memory)
		fail_once("memory shares do not add up");
	return bad;
}

static void test_random(void)
{
	struct rnd r = { 12345 };
	unsigned int unsound = 0, untrue = 0, decisions = 0, uneven = 0;

	for (unsigned int m = 0; m < 2000; m++) {
		struct world w = world_of(made_random(&r, 8));
		struct usage *before = usage_new(w.u->cpu_ids, w.u->node_ids);
		unsigned int smt = w.t->ncpus && w.t->ncores ? w.t->ncpus / w.t->ncores : 1, live = 0;
		struct placement p[24];

		for (unsigned int i = 0; i < 40 && live < 24; i++) {
			struct request q = random_request(&r, w.t, smt);
			int ret;

			ret = select_in(&w, &q, &p[live]);
			decisions++;
			if (ret < 0 && ret != -ENOSPC)
				unsound++;
			if (ret == 0)
				unsound += check_sound(&w, &q, &p[live]);
			if (q.cpu_count <= w.t->ncpus)
				untrue += check_truth(&w, &q, ret, &p[live]);
			if (ret == 0)
				usage_add(w.u, &p[live++].share);
		}
		while (live) {
			usage_remove(w.u, &p[--live].share);
			placement_free(&p[live]);
		}
		if (memcmp(before->load, w.u->load, w.u->cpu_ids * sizeof(*w.u->load)) ||
		    memcmp(before->exclusive, w.u->exclusive, w.u->cpu_ids * sizeof(*w.u->exclusive)) ||
		    memcmp(before->pending, w.u->pending, w.u->node_ids * sizeof(*w.u->pending)) ||
		    memcmp(before->huge_pending, w.u->huge_pending,
			   w.u->node_ids * HUGE_SIZES_MAX * sizeof(*w.u->huge_pending)))
			uneven++;
		usage_free(before);
		world_end(&w);
	}
	ok(decisions > 20000, "random: %u decisions on 2,000 machines of up to 8 nodes", decisions);
	is_int(unsound, 0, "random: every placement is valid (candidates, number of CPUs, memory)");
	is_int(untrue, 0, "random: no decision is worse than the best of all sets of nodes");
	is_int(uneven, 0, "random: removing all placements leaves an empty usage");
}

/* Random subsets. */
static struct idset some_cpus(struct rnd *r, const struct idset *all, unsigned int one_in)
{
	struct idset out = { { 0 } };

	idset_foreach(id, all)
		if (rnd_below(r, one_in) == 0)
			idset_add(&out, (unsigned int)id);
	return out;
}

static struct nodeset some_nodes(struct rnd *r, const struct nodeset *all, unsigned int one_in)
{
	struct nodeset out = { { 0 } };

	nodeset_foreach(id, all)
		if (rnd_below(r, one_in) == 0)
			nodeset_add(&out, (unsigned int)id);
	return out;
}

/* Parent, pin, reserved and isolated CPUs, and lists of nodes restrict the choice; a placement must be within all. */
static void test_candidates(void)
{
	struct rnd r = { 31 };
	unsigned int outside = 0, placed = 0;

	for (unsigned int m = 0; m < 3000; m++) {
		struct world w = world_of(made_random(&r, 8));
		struct topology *t = w.t;
		struct idset not_cpus = some_cpus(&r, &t->online, 4), cpus = t->online;
		struct nodeset not_mems = some_nodes(&r, &t->mem_nodes, 4), mems = t->mem_nodes, nodes;
		struct request q = random_request(&r, t, t->ncores ? t->ncpus / t->ncores : 1);
		struct constraints limits;
		struct select_input in = { .topology = t, .usage = w.u, .request = &q, .policy = &w.policy,
					   .limits = &limits };
		struct placement p = { 0 };

		idset_andnot(&cpus, &not_cpus);
		nodeset_andnot(&mems, &not_mems);
		w.policy.reserved_cpus = some_cpus(&r, &t->online, 8);
		w.policy.reserved_nodes = some_nodes(&r, &t->cpu_nodes, 8);
		t->isolated = some_cpus(&r, &t->online, 8);
		if (rnd_below(&r, 2))
			q.pin_cpus = some_cpus(&r, &t->online, 2);
		if (rnd_below(&r, 2)) {
			q.nodes_mode = NODES_LIST;
			q.nodes = some_nodes(&r, &t->cpu_nodes, 2);
		}
		constraints_init(&limits, &q);
		limits.limited = true;
		limits.allowed_cpus = cpus;
		limits.allowed_mems = mems;
		if (select_placement(&in, &p, NULL, &w.err) == 0) {
			placed++;
			topology_nodes_of(t, &p.share.cpus, &nodes);
			outside += !idset_subset(&p.share.cpus, &cpus) || !nodeset_subset(&p.mems, &mems) ||
				   idset_intersects(&p.share.cpus, &w.policy.reserved_cpus) ||
				   nodeset_intersects(&nodes, &w.policy.reserved_nodes) ||
				   (idset_intersects(&p.share.cpus, &t->isolated) &&
				    !((q.exclusive || idset_subset(&q.pin_cpus, &t->isolated)) &&
				      idset_subset(&p.share.cpus, &t->isolated))) ||
				   (!idset_empty(&q.pin_cpus) && !idset_subset(&p.share.cpus, &q.pin_cpus)) ||
				   (q.nodes_mode == NODES_LIST && !nodeset_subset(&nodes, &q.nodes));
		}
		placement_free(&p);
		world_end(&w);
	}
	ok(placed > 1000, "restrictions: %u placements", placed);
	is_int(outside, 0, "restrictions: no placement is outside");
}

/* The same machine with its nodes in a different order: node i was node @order[i]. */
static struct topology *renumbered(const struct topology *t, const unsigned int *order)
{
	struct made_node node[64];
	struct topology *copy;

	for (unsigned int i = 0; i < t->nnodes; i++) {
		const struct topo_node *x = &t->nodes[order[i]];

		node[i] = (struct made_node){ t->nodes[i].id, x->ncpus, x->mem_total };
	}
	copy = made(node, t->nnodes, t->ncpus && t->ncores ? t->ncpus / t->ncores : 1, 0, NULL);
	for (unsigned int i = 0; i < t->nnodes; i++)
		for (unsigned int j = 0; j < t->nnodes; j++)
			copy->distance[i * t->nnodes + j] = t->distance[order[i] * t->nnodes + order[j]];
	for (unsigned int i = 0; i < t->nnodes; i++)
		copy->nodes[i].memory_kind = t->nodes[order[i]].memory_kind;
	topology_finish(copy);
	return copy;
}

/* Puts the same load on corresponding CPUs of both machines. */
static void load_alike(struct rnd *r, const struct world *a, struct world *b, const unsigned int *order)
{
	for (unsigned int i = 0; i < b->t->nnodes; i++) {
		const struct topo_node *to = &b->t->nodes[i], *from = &a->t->nodes[order[i]];

		for (unsigned int k = 0; k < to->ncpus; k++)
			b->u->load[b->t->cpus[to->first_cpu + k].id] =
				a->u->load[a->t->cpus[from->first_cpu + k].id] = rnd_below(r, 3) ? 0 : LOAD_ONE;
		b->u->pending[to->id] = a->u->pending[from->id] = to->mem_total / 64 * rnd_below(r, 64);
	}
}

static void test_renumbering(void)
{
	struct rnd r = { 99 };
	unsigned int differ = 0, compared = 0;

	for (unsigned int m = 0; m < 1500; m++) {
		struct topology *t = made_random(&r, 8);
		unsigned int order[64], n = t->nnodes;
		struct world a, b;
		struct placement pa, pb;
		struct request q;
		int ra, rb;

		for (unsigned int i = 0; i < n; i++) {
			unsigned int j = rnd_below(&r, i + 1);

			order[i] = order[j];
			order[j] = i;
		}
		a = world_of(t);
		b = world_of(renumbered(t, order));
		load_alike(&r, &a, &b, order);
		q = random_request(&r, t, t->ncores ? t->ncpus / t->ncores : 1);
		ra = select_in(&a, &q, &pa);
		rb = select_in(&b, &q, &pb);
		if (ra != rb) {
			differ++;
		} else if (ra == 0 && !pa.overcommitted) {
			unsigned int ma = mask_of(&a, &q, &pa), mb = mask_of(&b, &q, &pb);

			compared++;
			differ += __builtin_popcount(ma) != __builtin_popcount(mb) ||
				  fabs(truth_cost(&a, ma, &q) - truth_cost(&b, mb, &q)) > 1e-6;
		}
		placement_free(&pa);
		placement_free(&pb);
		world_end(&a);
		world_end(&b);
	}
	ok(compared > 500, "renumbering: %u placements compared", compared);
	is_int(differ, 0, "renumbering: as many nodes, at the same cost");
}

static void test_more_nodes(void)
{
	struct rnd r = { 5 };
	unsigned int fits = 0, lost = 0;

	for (unsigned int m = 0; m < 1500; m++) {
		struct topology *t = made_random(&r, 7), *more;
		struct made_node node[64];
		unsigned int n = t->nnodes, order[64];
		struct world a, b;
		struct placement pa, pb;
		struct request q;

		for (unsigned int i = 0; i < n; i++) {
			node[i] = (struct made_node){ t->nodes[i].id, t->nodes[i].ncpus, t->nodes[i].mem_total };
			order[i] = i;
		}
		node[n] = (struct made_node){ t->nodes[n - 1].id + 1U, 8, 8 * GIB };
		more = made(node, n + 1, t->ncpus && t->ncores ? t->ncpus / t->ncores : 1, 0, NULL);
		a = world_of(t);
		b = world_of(more);
		b.t->nnodes = n; /* the same load on the nodes that both machines have */
		load_alike(&r, &a, &b, order);
		b.t->nnodes = n + 1;
		q = random_request(&r, t, t->ncores ? t->ncpus / t->ncores : 1);
		if (select_in(&a, &q, &pa) == 0) {
			fits++;
			lost += select_in(&b, &q, &pb) != 0 || (pb.overcommitted && !pa.overcommitted);
			placement_free(&pb);
		}
		placement_free(&pa);
		world_end(&a);
		world_end(&b);
	}
	ok(fits > 500, "one more free node: %u requests fit without it", fits);
	is_int(lost, 0, "one more free node: the requests still fit");
}

/*
 * Adds nodes, nearest to @start (or least loaded, with @start -1) first, until they suffice. Returns the set as bits; 0
 * if all nodes do not suffice.
 */
static unsigned int greedy(const struct world *w, const struct request *q, int start)
{
	const struct topology *t = w->t;
	unsigned int in = 0;
	double room = 0;

	while (room < q->cpu_count - 1e-4) {
		double best = INFINITY;
		int next = -1;

		for (unsigned int i = 0; i < t->nnodes; i++) {
			double c = start < 0 ? -room_of(w, i, false) : t->near[(unsigned int)start * t->nnodes + i];

			if (!(in >> i & 1) && c < best && room_of(w, i, false) > 0) {
				best = c;
				next = (int)i;
			}
		}
		if (next < 0)
			return 0;
		in |= 1U << next;
		room += room_of(w, (unsigned int)next, false);
	}
	return in;
}

/* Compares the set @mine with all greedy ones: counts if one has fewer nodes, or as many at a lower cost. */
static void against_greedy(const struct world *w, const struct request *q, unsigned int mine, unsigned int *wider,
			   unsigned int *dearer)
{
	int n = __builtin_popcount(mine);
	double cost = truth_cost(w, mine, q);
	bool is_wider = false, is_dearer = false;

	for (int start = -1; start < (int)w->t->nnodes; start++) {
		unsigned int theirs = greedy(w, q, start);

		is_wider |= theirs && __builtin_popcount(theirs) < n;
		is_dearer |= theirs && __builtin_popcount(theirs) == n && truth_cost(w, theirs, q) < cost - 1e-6;
	}
	*wider += is_wider;
	*dearer += is_dearer;
}

/* Machines too large to try all sets, and requests for many nodes. */
static void test_greedy(void)
{
	struct rnd r = { 17 };
	unsigned int wider = 0, dearer = 0, compared = 0;

	for (unsigned int m = 0; m < 300; m++) {
		struct world w = world_of(made_random(&r, 31));
		struct request q;
		struct placement p;

		request_init(&q);
		q.given = 1U << KEY_CPU;
		q.cpu_count = 1 + rnd_below(&r, w.t->ncpus);
		/* Every second machine is idle: its nodes differ in distance only. */
		for (unsigned int i = 0; i < w.t->ncpus && m % 2; i++)
			w.u->load[w.t->cpus[i].id] = rnd_below(&r, 3) ? 0 : LOAD_ONE;
		if (select_in(&w, &q, &p) == 0 && !p.overcommitted) {
			compared++;
			against_greedy(&w, &q, mask_of(&w, &q, &p), &wider, &dearer);
		}
		placement_free(&p);
		world_end(&w);
	}
	ok(compared > 100, "greedy: %u sets on machines of up to 31 nodes", compared);
	is_int(wider, 0, "greedy: no set has more nodes than a greedy one");
	is_int(dearer, 0, "greedy: no set costs more than a greedy one of the same size");
}

int main(void)
{
	test_filling();
	test_groups();
	test_crowding();
	test_incus_cases();
	test_keeping();
	test_whole();
	test_evenness();
	test_pins();
	test_memory();
	test_reserved_memory();
	test_memory_is_near();
	test_home();
	test_lists();
	test_exclusive();
	test_random();
	test_candidates();
	test_renumbering();
	test_more_nodes();
	test_greedy();
	return done();
}
