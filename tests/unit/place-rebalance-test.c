/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rebalancing on mock machines, compared with a simple exhaustive search that follows every sequence of gaining moves.
 * The plan must end as low as the best sequence; each of its moves must gain, and its costs must be right.
 */
#include "place/rebalance.h"
#include "plugin/base/util.h"
#include "tests/unit/made.h"
#include "tests/unit/tap.h"

#define ITEMS 5
#define NODES 4

struct world {
	struct topology *t;
	struct usage *usage;
	struct select_policy policy;
	struct record record[ITEMS];
	struct rebalance_item item[ITEMS];
	unsigned int n;
	/* For the simple search: initial load and bytes of each item on each node. */
	double load[ITEMS][NODES], bytes[ITEMS][NODES];
	bool fixed[ITEMS];
};

static void world_free(struct world *w)
{
	for (unsigned int i = 0; i < w->n; i++)
		record_free(&w->record[i]);
	usage_free(w->usage);
	topology_free(w->t);
}

/* Places @rec with @count CPUs on at most two nodes. */
static void place(struct world *w, struct rnd *r, struct record *rec, unsigned int count)
{
	struct share *s = &rec->placement.share;
	unsigned int first = rnd_below(r, w->t->nnodes), second = rnd_below(r, 3) ? first : rnd_below(r, w->t->nnodes);
	unsigned int want = count, tries = 0;

	while (idset_count(&s->cpus) < want && tries++ < 1000) {
		const struct topo_node *n = &w->t->nodes[tries % 2 ? first : second];

		idset_add(&s->cpus, w->t->cpus[n->first_cpu + rnd_below(r, n->ncpus)].id);
	}
	s->count = count;
	topology_nodes_of(w->t, &s->cpus, &rec->placement.nodes);
	rec->placement.mems = rec->placement.nodes;
	s->mem = calloc(NODES, sizeof(*s->mem));
	nodeset_foreach(id, &rec->placement.nodes)
		s->mem[s->nmem++] =
			(struct share_node){ .id = (uint16_t)id, .memory = (uint64_t)rnd_below(r, 3) << 30 };
	for (unsigned int k = 0; k < s->nmem; k++)
		s->mem[k].seen = s->mem[k].memory;
}

static void make_world(struct world *w, struct rnd *r)
{
	struct made_node node[NODES];
	unsigned int nodes = 2 + rnd_below(r, NODES - 1), size = 2 + rnd_below(r, 7);
	bool even = rnd_below(r, 2);

	memset(w, 0, sizeof(*w));
	for (unsigned int i = 0; i < nodes; i++)
		node[i] = (struct made_node){ i, even ? size : 2 + rnd_below(r, 7),
					      (uint64_t)(2 + rnd_below(r, 6)) << 30 };
	w->t = made(node, nodes, 1, 0, NULL);
	w->usage = usage_new(w->t->cpu_ids, nodes);
	select_policy_init(&w->policy);
	w->n = 1 + rnd_below(r, ITEMS);
	for (unsigned int i = 0; i < w->n; i++) {
		struct record *rec = &w->record[i];

		snprintf(rec->id, sizeof(rec->id), "c%u", i);
		strcpy(rec->applied, "cpuset");
		rec->cgroup_inode = i + 1;
		request_init(&rec->request);
		place(w, r, rec, 1 + rnd_below(r, 4));
		usage_add(w->usage, &rec->placement.share);
		w->fixed[i] = rnd_below(r, 6) == 0;
		w->item[i] = (struct rebalance_item){ .record = rec, .fixed = w->fixed[i] };
		for (unsigned int k = 0; k < w->t->ncpus; k++)
			if (idset_has(&rec->placement.share.cpus, k))
				w->load[i][w->t->cpus[k].node] +=
					(double)rec->placement.share.count / idset_count(&rec->placement.share.cpus);
		for (unsigned int k = 0; k < rec->placement.share.nmem; k++)
			w->bytes[i][rec->placement.share.mem[k].id] = (double)rec->placement.share.mem[k].memory;
	}
	/* memory that has been touched is not free */
	for (unsigned int k = 0; k < nodes; k++)
		for (unsigned int i = 0; i < w->n; i++) {
			uint64_t taken = (uint64_t)w->bytes[i][k];

			w->t->nodes[k].mem_free -= taken < w->t->nodes[k].mem_free ? taken : w->t->nodes[k].mem_free;
		}
}

/* --- the simple search --- */

/* The node of each item; -1: its initial place. */
struct where {
	int at[ITEMS];
};

struct value {
	unsigned long level[NODES]; /* highest first */
	unsigned long spread;
	double bytes; /* moved so far */
};

static double load_on(const struct world *w, const struct where *x, unsigned int item, unsigned int node)
{
	if (x->at[item] < 0)
		return w->load[item][node];
	return x->at[item] == (int)node ? w->record[item].placement.share.count : 0;
}

static unsigned long level_on(const struct world *w, const struct where *x, unsigned int node)
{
	double sum = 0;

	for (unsigned int i = 0; i < w->n; i++)
		sum += load_on(w, x, i, node);
	/* in hundredths of a percent; smaller differences are rounding errors */
	return (unsigned long)(sum * 10000 / w->t->nodes[node].ncpus + 0.5);
}

static int downwards(const void *a, const void *b)
{
	unsigned long x = *(const unsigned long *)a, y = *(const unsigned long *)b;

	return x < y ? 1 : x > y ? -1 : 0;
}

static void judge(const struct world *w, const struct where *x, struct value *v)
{
	memset(v, 0, sizeof(*v));
	for (unsigned int k = 0; k < w->t->nnodes; k++)
		v->level[k] = level_on(w, x, k);
	qsort(v->level, w->t->nnodes, sizeof(v->level[0]), downwards);
	for (unsigned int i = 0; i < w->n; i++)
		for (unsigned int a = 0; a < w->t->nnodes; a++)
			for (unsigned int b = a + 1; b < w->t->nnodes; b++)
				if (load_on(w, x, i, a) > 0 && load_on(w, x, i, b) > 0)
					v->spread += w->t->near[a * w->t->nnodes + b];
}

/* < 0: @a is better. @all: compare the levels below the highest as well. */
static int compare(const struct world *w, const struct value *a, const struct value *b, bool all)
{
	if (a->level[0] != b->level[0])
		return a->level[0] < b->level[0] ? -1 : 1;
	if (a->spread != b->spread)
		return a->spread < b->spread ? -1 : 1;
	for (unsigned int k = 1; all && k < w->t->nnodes; k++)
		if (a->level[k] != b->level[k])
			return a->level[k] < b->level[k] ? -1 : 1;
	return 0;
}

static double bytes_of(const struct world *w, unsigned int item)
{
	double sum = 0;

	for (unsigned int k = 0; k < w->t->nnodes; k++)
		sum += w->bytes[item][k];
	return sum;
}

static bool memory_fits(const struct world *w, const struct where *x, unsigned int node)
{
	double room = (double)w->t->nodes[node].mem_free;

	for (unsigned int i = 0; i < w->n; i++)
		if (x->at[i] >= 0) {
			room += w->bytes[i][node];
			if (x->at[i] == (int)node)
				room -= bytes_of(w, i);
		}
	return room >= 0;
}

static bool gains(const struct world *w, const struct where *x, unsigned int item, int node, struct where *to)
{
	struct value before, after;
	unsigned long left = 0;

	*to = *x;
	to->at[item] = node;
	for (unsigned int k = 0; k < w->t->nnodes; k++)
		if (load_on(w, x, item, k) > 0 && level_on(w, x, k) > left)
			left = level_on(w, x, k);
	if (level_on(w, to, (unsigned int)node) > 10000 && level_on(w, to, (unsigned int)node) >= left)
		return false;
	if (bytes_of(w, item) > 0 && !memory_fits(w, to, (unsigned int)node))
		return false;
	judge(w, x, &before);
	judge(w, to, &after);
	return compare(w, &after, &before, true) < 0;
}

static double cost_of(const struct world *w, const struct where *x, unsigned int item, unsigned int node)
{
	return bytes_of(w, item) - (x->at[item] < 0 ? w->bytes[item][node] : 0);
}

/*
 * Follows all sequences of moves. @cheapest: for each arrangement, the fewest bytes that were moved to reach it, plus
 * 1; 0: not reached yet.
 */
static void follow(const struct world *w, const struct where *x, double bytes, double *cheapest, struct value *best)
{
	unsigned int place = 0;
	struct value v;
	int better;

	for (unsigned int i = 0; i < w->n; i++)
		place = place * (NODES + 1) + (unsigned int)(x->at[i] + 1);
	if (cheapest[place] > 0 && cheapest[place] <= bytes + 1)
		return;
	cheapest[place] = bytes + 1;
	judge(w, x, &v);
	v.bytes = bytes;
	better = compare(w, &v, best, false);
	if (better < 0 || (better == 0 && v.bytes < best->bytes))
		*best = v;
	for (unsigned int i = 0; i < w->n; i++)
		for (unsigned int k = 0; !w->fixed[i] && k < w->t->nnodes; k++) {
			struct where to;

			if (x->at[i] == (int)k || w->t->nodes[k].ncpus < w->record[i].placement.share.count)
				continue;
			if (gains(w, x, i, (int)k, &to))
				follow(w, &to, bytes + cost_of(w, x, i, k), cheapest, best);
		}
}

/* --- comparison of plan and search --- */

static bool fits_somewhere(const struct world *w)
{
	unsigned int largest = 0;

	for (unsigned int k = 0; k < w->t->nnodes; k++)
		largest = w->t->nodes[k].ncpus > largest ? w->t->nodes[k].ncpus : largest;
	for (unsigned int i = 0; i < w->n; i++)
		if (w->record[i].placement.share.count > largest)
			return false;
	return true;
}

static int make_plan(const struct world *w, uint64_t max_move, struct rebalance_plan *out)
{
	const struct rebalance_input in = {
		.topology = w->t,
		.usage = w->usage,
		.policy = &w->policy,
		.n = w->n,
		.item = w->item,
		.max_move = max_move,
	};

	return rebalance_plan(&in, out, NULL);
}

/* Follows the plan; returns "" or what is wrong with it. */
static const char *check_plan(const struct world *w, const struct rebalance_plan *p, struct value *end)
{
	struct where x, to;
	double bytes = 0;

	for (unsigned int i = 0; i < ITEMS; i++)
		x.at[i] = -1;
	for (unsigned int m = 0; m < p->n; m++) {
		const struct rebalance_move *move = &p->move[m];
		int node = nodeset_next(&move->nodes, 0);
		double cost;

		if (nodeset_count(&move->nodes) != 1)
			return "a move has several target nodes";
		if (w->fixed[move->item])
			return "a fixed item is moved";
		cost = cost_of(w, &x, move->item, (unsigned int)node);
		if ((double)move->bytes != cost)
			return "a move reports a wrong cost";
		bytes += cost;
		if (!gains(w, &x, move->item, node, &to))
			return "a move does not gain";
		x = to;
	}
	judge(w, &x, end);
	end->bytes = bytes;
	return (double)p->bytes == bytes ? "" : "the sum of bytes is wrong";
}

static void beside_simple_search(void)
{
	static double cheapest[3125 * 8];
	unsigned int different = 0, dearer = 0, bad = 0, moves = 0, cases = 0, costly = 0;
	struct rnd r = { 7 };

	for (unsigned int k = 0; k < 4000; k++) {
		cleanup_rebalance struct rebalance_plan p = { 0 }, q = { 0 };
		struct value best, got;
		struct where begin;
		const char *fault;
		struct world w;

		make_world(&w, &r);
		if (fits_somewhere(&w)) {
			for (unsigned int i = 0; i < ITEMS; i++)
				begin.at[i] = -1;
			memset(cheapest, 0, sizeof(cheapest));
			judge(&w, &begin, &best);
			follow(&w, &begin, 0, cheapest, &best);
			if (make_plan(&w, UINT64_MAX, &p) < 0)
				ok(false, "case %u: no plan", k);
			fault = check_plan(&w, &p, &got);
			if (*fault && bad++ < 5)
				ok(false, "case %u: %s", k, fault);
			if (compare(&w, &got, &best, false) != 0 && different++ < 5)
				ok(false, "case %u: ends at %lu, spread %lu; the best is %lu, spread %lu", k,
				   got.level[0], got.spread, best.level[0], best.spread);
			else if (got.bytes > best.bytes && dearer++ < 5)
				ok(false, "case %u: moves %.0f bytes, %.0f are enough", k, got.bytes, best.bytes);
			moves += p.n;
			cases++;
			if (p.bytes) {
				make_plan(&w, p.bytes - 1, &q);
				fault = check_plan(&w, &q, &got);
				if ((q.bytes >= p.bytes || *fault) && costly++ < 5)
					ok(false, "case %u: %s", k, *fault ? fault : "--max-move is exceeded");
			}
		}
		world_free(&w);
	}
	is_int(different, 0, "random worlds: %u plans end as low as the best sequence of moves", cases);
	is_int(dearer, 0, "random worlds: no plan moves more bytes than the best sequence");
	is_int(bad, 0, "random worlds: each of %u moves gains, with the right cost", moves);
	is_int(costly, 0, "random worlds: --max-move is respected");
	ok(moves > 500, "random worlds: more than 500 moves");
}

/* --- single cases --- */

static void put(struct world *w, const char *cpus, unsigned int count)
{
	struct record *rec = &w->record[w->n];

	snprintf(rec->id, sizeof(rec->id), "c%u", w->n);
	strcpy(rec->applied, "cpuset");
	rec->cgroup_inode = w->n + 1;
	request_init(&rec->request);
	idset_parse(cpus, &rec->placement.share.cpus, NULL);
	rec->placement.share.count = count;
	rec->placement.share.mem = calloc(1, sizeof(*rec->placement.share.mem));
	topology_nodes_of(w->t, &rec->placement.share.cpus, &rec->placement.nodes);
	usage_add(w->usage, &rec->placement.share);
	w->item[w->n].record = rec;
	w->n++;
}

static void four_nodes(struct world *w)
{
	static const struct made_node node[] = {
		{ 0, 4, 8ULL << 30 }, { 1, 4, 8ULL << 30 }, { 2, 4, 8ULL << 30 }, { 3, 4, 8ULL << 30 }
	};

	*w = (struct world){ .t = made(node, 4, 1, 0, NULL) };
	w->usage = usage_new(w->t->cpu_ids, 4);
	select_policy_init(&w->policy);
}

static void by_hand(void)
{
	cleanup_rebalance struct rebalance_plan p = { 0 }, q = { 0 }, e = { 0 };
	struct world w;

	four_nodes(&w);
	is_int(make_plan(&w, UINT64_MAX, &e), 0, "nothing placed: a plan is made");
	is_int(e.n, 0, "nothing placed: no moves");
	put(&w, "0-3", 2);
	put(&w, "0-3", 2);
	put(&w, "0-3", 2);
	put(&w, "0-3", 2);
	is_int(make_plan(&w, UINT64_MAX, &p), 0, "four containers on one node: a plan is made");
	is_int(p.n, 3, "four containers on one node: three moves");
	ok(p.before > 3.99 && p.after > 0.99 && p.after < 1.01,
	   "four containers on one node: from 4 times the mean to 1 (%.2f, %.2f)", p.before, p.after);
	ok(p.whole, "four containers on one node: the search is complete");
	for (unsigned int i = 0; i < 4; i++)
		w.record[i].request.cpu_listed = true;
	is_int(make_plan(&w, UINT64_MAX, &q), 0, "containers with listed CPUs: a plan is made");
	is_int(q.n, 0, "containers with listed CPUs: no moves");
	world_free(&w);
}

static void joins(void)
{
	cleanup_rebalance struct rebalance_plan p = { 0 }, q = { 0 };
	struct world w;

	four_nodes(&w);
	put(&w, "0-1,12-13", 4);
	is_int(make_plan(&w, UINT64_MAX, &p), 0, "container on two half nodes: a plan is made");
	is_int(p.n, 0, "container on two half nodes: not moved, as one node would have more load");
	put(&w, "4-7", 4);
	is_int(make_plan(&w, UINT64_MAX, &q), 0, "container on two half nodes, beside a full node: a plan is made");
	is_int(q.n, 1, "container on two half nodes, beside a full node: one move");
	ok(q.n == 1 && q.move[0].joins && nodeset_count(&q.move[0].nodes) == 1,
	   "container on two half nodes, beside a full node: joined on one node");
	world_free(&w);
}

/* Hundreds of containers: the time is bounded, and the result never worse than before. */
static void many(void)
{
	cleanup_rebalance struct rebalance_plan p = { 0 };
	static const struct made_node node[] = {
		{ 0, 64, 64ULL << 30 }, { 1, 64, 64ULL << 30 }, { 2, 64, 64ULL << 30 }, { 3, 64, 64ULL << 30 },
		{ 4, 64, 64ULL << 30 }, { 5, 64, 64ULL << 30 }, { 6, 64, 64ULL << 30 }, { 7, 64, 64ULL << 30 },
	};
	struct record *record = calloc(300, sizeof(*record));
	struct rebalance_item *item = calloc(300, sizeof(*item));
	struct topology *t = made(node, 8, 2, 0, NULL);
	struct usage *u = usage_new(t->cpu_ids, 8);
	struct select_policy policy;
	struct rebalance_input in = { t, u, &policy, 300, item, UINT64_MAX };
	struct rnd r = { 3 };

	select_policy_init(&policy);
	for (unsigned int i = 0; i < 300; i++) {
		struct share *s = &record[i].placement.share;
		unsigned int n = rnd_below(&r, 3);

		strcpy(record[i].applied, "cpuset");
		record[i].cgroup_inode = i + 1;
		request_init(&record[i].request);
		idset_add_range(&s->cpus, n * 64, n * 64 + 63);
		s->count = 1 + rnd_below(&r, 2);
		usage_add(u, s);
		item[i].record = &record[i];
	}
	is_int(rebalance_plan(&in, &p, NULL), 0, "300 containers on 3 of 8 nodes: a plan is made");
	ok(p.after < 1.05 && p.before > 2,
	   "300 containers on 3 of 8 nodes: from %.2f times the mean to %.2f in %u moves", p.before, p.after, p.n);
	is_int(rebalance_judge(&in, t, 1, &p, NULL), 0, "300 containers on 3 of 8 nodes: the plan is judged");
	ok(p.n > 100, "300 containers on 3 of 8 nodes: %u moves are worth it", p.n);
	free(record);
	free(item);
	usage_free(u);
	topology_free(t);
}

/* Containers with a request that the plan ignores must not be moved. */
static void test_fixed(void)
{
	static const struct {
		const char *key, *value, *why;
	} cases[] = {
		{ "limits.cpu", "2", NULL },
		{ "limits.cpu.nodes", "0-3", NULL },
		{ "limits.cpu.class", "any", NULL },
		{ "limits.cpu.threads", "all", NULL },
		{ "limits.cpu", "2-3", "its CPUs were named" },
		{ "limits.cpu.nodes", "all:0-3", "its nodes were named" },
		{ "limits.memory.nodes", "2", "its nodes were named" },
		{ "limits.cpu.class", "efficient", "its class of CPUs was named" },
		{ "limits.cpu.threads", "one", "it has one thread of each core" },
		{ "limits.cpu.device", "eth0", "it is near its device" },
		{ "limits.cpu.device", "eth0,sda", "it is near its devices" },
		{ "limits.cpu.device", "auto", NULL },
	};
	struct record found = { .applied = "cpuset", .cgroup_inode = 7 };

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct record r = { .applied = "cpuset", .cgroup_inode = 7 };
		const char *why;

		request_set(&r.request, cases[i].key, cases[i].value, NULL);
		why = rebalance_fixed(&r);
		is_str(why ? why : "", cases[i].why ? cases[i].why : "", "rebalance_fixed: %s=%s", cases[i].key,
		       cases[i].value);
	}
	found.request.nfound = 1;
	is_str(rebalance_fixed(&found), "it is near its device", "rebalance_fixed: a device that was found");
	request_set(&found.request, "limits.cpu.device", "none", NULL);
	ok(!rebalance_fixed(&found), "rebalance_fixed: a device that was found does not count with limits.cpu.device=none");
	is_str(rebalance_fixed(&(struct record){ .applied = "cpuset" }), "it has no cgroup yet",
	       "rebalance_fixed: a reservation");
}

int main(void)
{
	test_fixed();
	beside_simple_search();
	by_hand();
	joins();
	many();
	return done();
}
