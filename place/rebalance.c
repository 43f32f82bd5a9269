/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Best-first search over the places of containers. A state is its parent plus one move. The queue is ordered by the
 * level of the most loaded node, then how spread the containers are, then the sum of the squared levels. A move is
 * followed only if it improves in that order (comparing sorted levels instead of squares). So every prefix of the
 * result is valid, too, and its execution may stop anywhere.
 *
 * Long: the steps of the search share its states, its queue and its bounds, which nothing else uses.
 */
#include "place/rebalance.h"

#include "plugin/base/util.h"
#include "plugin/base/vec.h"

#include <errno.h>
#include <string.h>

#define FULL 10000U         /* level of a node with all CPUs used; finer differences are ignored */
#define STATES_MOST 100000U
#define WORK_MOST 3000000UL /* moves tried */
#define MANY 64U            /* with more containers, only the FOLLOWED best moves of a state are followed */
#define FOLLOWED 48U

/* A part of a container on one node (index). */
struct part {
	uint16_t node;
	uint64_t load;   /* 1/LOAD_ONE of a CPU */
	uint64_t memory;
};

/* A set of nodes for a container; its first option is its current place. */
struct option {
	unsigned int first, nparts; /* in plan.part */
	uint64_t spread;
};

struct item {
	unsigned int first, noptions; /* in plan.option */
	uint64_t mark;                /* hash multiplier */
};

struct state {
	unsigned int parent, item, option, depth;
	uint32_t level;     /* of the most loaded node */
	uint64_t spread, squares, bytes, hash;
};

struct seen {
	uint64_t hash, bytes;
};

struct plan {
	const struct rebalance_input *in;
	const struct topology *t;
	unsigned int *cpus;     /* by node index: CPUs available to shared containers */
	uint64_t *room;         /* by node index: bytes available if no item were placed */
	struct item *item;
	struct option *option;
	struct part *part;
	unsigned int noptions, option_room, nparts, part_room;
	struct state *state;
	unsigned int nstates, *heap, nheap;
	struct seen *seen;      /* open addressing */
	unsigned int nseen;
	unsigned long work;
	bool failed;            /* out of memory */
	/* The current state. */
	unsigned int *at;       /* option by item */
	unsigned int *stamp, now; /* by item: stamp of the last walk that met it; stamp of this walk */
	uint64_t *load, *memory; /* by node index: load; bytes of the items */
	uint32_t *changed;      /* levels before and after a move */
	unsigned int *ranked;   /* node indices, most loaded first */
	unsigned long *apart;   /* by node index: sum of distances to the set under construction */
};

#define SEEN_SIZE (4U * 65536U)

/* --- the machine --- */

static bool usable(const struct plan *p, const struct topo_cpu *cpu)
{
	const struct select_policy *policy = p->in->policy;

	return !cpu->isolated && !idset_has(&policy->reserved_cpus, cpu->id) &&
	       !nodeset_has(&policy->reserved_nodes, p->t->nodes[cpu->node].id) && cpu->id < p->in->usage->cpu_ids &&
	       !p->in->usage->exclusive[cpu->id];
}

static void look_at_nodes(struct plan *p)
{
	const struct topology *t = p->t;
	const struct usage *u = p->in->usage;

	for (unsigned int i = 0; i < t->ncpus; i++)
		if (usable(p, &t->cpus[i])) {
			p->cpus[t->cpus[i].node]++;
			p->load[t->cpus[i].node] += u->load[t->cpus[i].id];
		}
	for (unsigned int i = 0; i < t->nnodes; i++) {
		const struct topo_node *n = &t->nodes[i];
		uint64_t pending = n->id < u->node_ids ? u->pending[n->id] : 0;
		uint64_t left = reserved_memory_less(p->in->policy, n->id, n->mem_free);

		p->room[i] = left > pending ? left - pending : 0;
		if (!n->mem_known)
			p->room[i] = UINT64_MAX >> 8;
	}
}

static uint32_t level_of(const struct plan *p, unsigned int node, uint64_t load)
{
	uint64_t full = (uint64_t)p->cpus[node] * LOAD_ONE;

	return full ? (uint32_t)((load * FULL + full / 2) / full) : 0;
}

/* --- options --- */

static struct option *new_option(struct plan *p)
{
	struct option *o = vec_push(p->option, p->noptions, p->option_room);

	if (o)
		o->first = p->nparts;
	else
		p->failed = true;
	return o;
}

static void add_part(struct plan *p, struct part part)
{
	struct part *added = vec_push(p->part, p->nparts, p->part_room);

	if (!added) {
		p->failed = true;
		return;
	}
	*added = part;
	p->option[p->noptions - 1].nparts++;
}

/* Sum of distances between the parts of an option that have CPUs; 0 on one node. */
static uint64_t spread_of(const struct plan *p, const struct option *o)
{
	const struct part *part = &p->part[o->first];
	uint64_t sum = 0;

	for (unsigned int i = 0; i < o->nparts; i++)
		for (unsigned int k = i + 1; k < o->nparts; k++)
			if (part[i].load && part[k].load)
				sum += p->t->near[part[i].node * p->t->nnodes + part[k].node];
	return sum;
}

static uint64_t held_on(const struct rebalance_item *item, const struct topology *t, unsigned int node)
{
	const struct share *s = &item->record->placement.share;
	uint64_t bytes = item->held ? item->held[node] : 0;

	for (unsigned int i = 0; i < s->nmem; i++)
		if (s->mem[i].id == t->nodes[node].id && s->mem[i].memory > bytes)
			bytes = s->mem[i].memory;
	return bytes;
}

/*
 * Adds the current place as an option; false if some of its CPUs are not available to shared containers, so it must
 * stay.
 */
static bool add_present(struct plan *p, const struct rebalance_item *item)
{
	const struct share *s = &item->record->placement.share;
	unsigned int n = idset_count(&s->cpus);
	uint64_t per_cpu = n ? (uint64_t)s->count * LOAD_ONE / n : 0;
	struct option *o = new_option(p);
	bool movable = n > 0;

	if (!o)
		return false;
	for (unsigned int i = 0; i < p->t->nnodes; i++) {
		const struct topo_node *node = &p->t->nodes[i];
		struct part part = { .node = (uint16_t)i, .memory = held_on(item, p->t, i) };

		for (unsigned int k = node->first_cpu; k < node->first_cpu + node->ncpus; k++) {
			if (!idset_has(&s->cpus, p->t->cpus[k].id))
				continue;
			movable &= usable(p, &p->t->cpus[k]);
			part.load += usable(p, &p->t->cpus[k]) ? per_cpu : 0;
		}
		if (part.load || part.memory)
			add_part(p, part);
	}
	p->option[p->noptions - 1].spread = spread_of(p, &p->option[p->noptions - 1]);
	return movable;
}

/* CPUs that the container could get on a node; 0 if it may not go there. */
static unsigned int cpus_for(const struct plan *p, const struct request *r, unsigned int node)
{
	const struct topo_node *n = &p->t->nodes[node];
	unsigned int cpus = 0;

	if (!n->has_memory || !p->cpus[node] || (r->nodes_mode == NODES_LIST && !nodeset_has(&r->nodes, n->id)) ||
	    (!nodeset_empty(&r->pin_mems) && !nodeset_has(&r->pin_mems, n->id)))
		return 0;
	if (idset_empty(&r->pin_cpus))
		return p->cpus[node];
	for (unsigned int i = n->first_cpu; i < n->first_cpu + n->ncpus; i++)
		cpus += usable(p, &p->t->cpus[i]) && idset_has(&r->pin_cpus, p->t->cpus[i].id);
	return cpus;
}

/* The node nearest to all of @in that can be added, @last being the newest member; -1 if none is left. */
static int nearest(struct plan *p, const struct request *r, const bool *in, unsigned int last)
{
	const uint16_t *near = p->t->near + (size_t)last * p->t->nnodes;
	unsigned long least = 0;
	int best = -1;

	for (unsigned int j = 0; j < p->t->nnodes; j++) {
		p->apart[j] += near[j];
		if (in[j] || (best >= 0 && p->apart[j] >= least) || !cpus_for(p, r, j))
			continue;
		least = p->apart[j];
		best = (int)j;
	}
	return best;
}

/*
 * Adds an option: @seed and as many of the nearest nodes as its CPUs need, with @memory bytes divided evenly over
 * them.
 */
static void add_around(struct plan *p, const struct rebalance_item *item, unsigned int seed, uint64_t memory, bool *in)
{
	const struct request *r = &item->record->request;
	unsigned int count = item->record->placement.share.count, have = cpus_for(p, r, seed), n = 1, last = seed, left;

	if (!have)
		return;
	memset(in, 0, p->t->nnodes * sizeof(*in));
	memset(p->apart, 0, p->t->nnodes * sizeof(*p->apart));
	in[seed] = true;
	while (have < count) {
		int more = nearest(p, r, in, last);

		if (more < 0)
			return;
		last = (unsigned int)more;
		in[last] = true;
		have += cpus_for(p, r, last);
		n++;
	}
	if (!new_option(p))
		return;
	left = n;
	for (unsigned int i = 0; left && !p->failed; i++) {
		if (!in[i])
			continue;
		left--;
		add_part(p, (struct part){
				    .node = (uint16_t)i,
				    .load = (uint64_t)count * LOAD_ONE * cpus_for(p, r, i) / have,
				    .memory = memory / n,
			    });
	}
	p->option[p->noptions - 1].spread = spread_of(p, &p->option[p->noptions - 1]);
}

/* Drops options that use more nodes than necessary; keeps the current place. */
static void keep_fewest(struct plan *p, struct item *item)
{
	unsigned int fewest = UINT32_MAX, to = item->first + 1;

	for (unsigned int o = item->first + 1; o < p->noptions; o++)
		if (p->option[o].nparts < fewest)
			fewest = p->option[o].nparts;
	for (unsigned int o = item->first + 1; o < p->noptions; o++)
		if (p->option[o].nparts == fewest)
			p->option[to++] = p->option[o];
	p->noptions = to;
	item->noptions = to - item->first;
}

const char *rebalance_fixed(const struct record *r)
{
	unsigned int near = r->request.devices_mode == DEVICES_AUTO ? r->request.nfound : r->request.ndevices;

	if (record_is_reserved(r))
		return "it has no cgroup yet";
	if (r->request.cpu_listed)
		return "its CPUs were named";
	if (r->request.exclusive)
		return "it holds its cores for itself";
	if (r->request.cpu_class != CLASS_ANY)
		return "its class of CPUs was named";
	if (r->request.one_thread)
		return "it has one thread of each core";
	if (r->request.all_nodes || !nodeset_empty(&r->request.mem_nodes))
		return "its nodes were named";
	if (near)
		return near > 1 ? "it is near its devices" : "it is near its device";
	if (r->request.nhuge || r->request.huge_memory)
		return "its hugepages cannot be moved";
	if (r->placement.policy != POLICY_STRICT)
		return "its memory policy names its nodes";
	if (strcmp(r->applied, "cpuset") != 0)
		return "its runtime chooses its CPUs";
	return NULL;
}

static int find_options(struct plan *p)
{
	cleanup_free bool *in = calloc(p->t->nnodes + 1, sizeof(*in));
	uint64_t mark = 0x9e3779b97f4a7c15ULL;

	if (!in)
		return -ENOMEM;
	for (unsigned int i = 0; i < p->in->n && !p->failed; i++) {
		const struct rebalance_item *item = &p->in->item[i];
		struct item *x = &p->item[i];
		uint64_t memory = 0;

		mark = mark * 6364136223846793005ULL + 1442695040888963407ULL;
		*x = (struct item){ .first = p->noptions, .noptions = 1, .mark = mark | 1 };
		if (!add_present(p, item) || item->fixed || rebalance_fixed(item->record))
			continue;
		for (unsigned int n = 0; n < p->t->nnodes; n++)
			memory += held_on(item, p->t, n);
		for (unsigned int n = 0; n < p->t->nnodes; n++)
			add_around(p, item, n, memory, in);
		if (!p->failed)
			keep_fewest(p, x);
	}
	return p->failed ? -ENOMEM : 0;
}

/* --- states --- */

/* Adds the loads and memory of option @o to the current state, or removes them. */
static void put(struct plan *p, unsigned int o, bool there)
{
	const struct option *option = &p->option[o];

	for (unsigned int k = 0; k < option->nparts; k++) {
		const struct part *part = &p->part[option->first + k];

		p->load[part->node] += there ? part->load : -part->load;
		p->memory[part->node] += there ? part->memory : -part->memory;
	}
}

static void go(struct plan *p, unsigned int item, unsigned int option)
{
	put(p, p->at[item], false);
	p->at[item] = option;
	put(p, option, true);
}

/* Makes @s the current state, starting from the initial one. */
static void go_to(struct plan *p, unsigned int s)
{
	for (unsigned int i = 0; i < p->in->n; i++)
		if (p->at[i] != p->item[i].first)
			go(p, i, p->item[i].first);
	p->now++;
	/* walking up, the first move of an item that is met is its last, and the one that counts */
	for (; s; s = p->state[s].parent) {
		unsigned int item = p->state[s].item;

		if (p->stamp[item] == p->now)
			continue;
		p->stamp[item] = p->now;
		if (p->state[s].option != p->at[item])
			go(p, item, p->state[s].option);
	}
}

static uint64_t hash_with(const struct plan *p, uint64_t hash, unsigned int item, unsigned int option, bool there)
{
	uint64_t part = p->item[item].mark * (2 * (uint64_t)(option - p->item[item].first));

	part ^= part >> 29;
	part *= 0xbf58476d1ce4e5b9ULL;
	return there ? hash + part : hash - part;
}

static bool is_on(const struct plan *p, const struct option *o, unsigned int node)
{
	for (unsigned int i = 0; i < o->nparts; i++)
		if (p->part[o->first + i].node == node)
			return true;
	return false;
}

/* Bytes to move for @item from option @from to option @to: those outside of the nodes of @to. */
static uint64_t cost(const struct plan *p, unsigned int item, unsigned int from, unsigned int to)
{
	const struct option *a = &p->option[from], *b = &p->option[to];
	const struct rebalance_item *x = &p->in->item[item];
	uint64_t bytes = 0;

	for (unsigned int i = 0; i < a->nparts; i++) {
		const struct part *part = &p->part[a->first + i];

		if (is_on(p, b, part->node))
			continue;
		/* at its current place, use the measured bytes if known */
		bytes += from == p->item[item].first && x->held ? x->held[part->node] : part->memory;
	}
	return bytes;
}

static int by_level(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? 1 : x > y ? -1 : 0;
}

/* Computes level and squares of the current state. */
static void measure(const struct plan *p, struct state *s)
{
	s->level = 0;
	s->squares = 0;
	for (unsigned int i = 0; i < p->t->nnodes; i++) {
		uint32_t level = level_of(p, i, p->load[i]);

		s->level = level > s->level ? level : s->level;
		s->squares += (uint64_t)level * level;
	}
}

static int by_rank(const void *a, const void *b, void *arg)
{
	const struct plan *p = arg;
	unsigned int i = *(const unsigned int *)a, k = *(const unsigned int *)b;
	uint32_t x = level_of(p, i, p->load[i]), y = level_of(p, k, p->load[k]);

	return x != y ? (x < y ? 1 : -1) : i < k ? -1 : i > k;
}

/* Ranks the nodes once per state, so that highest_elsewhere() need not visit every node for each move. */
static void rank_nodes(struct plan *p)
{
	for (unsigned int i = 0; i < p->t->nnodes; i++)
		p->ranked[i] = i;
	qsort_r(p->ranked, p->t->nnodes, sizeof(*p->ranked), by_rank, p);
}

/* Highest level among nodes of neither option. */
static uint32_t highest_elsewhere(const struct plan *p, unsigned int a, unsigned int b)
{
	for (unsigned int i = 0; i < p->t->nnodes; i++) {
		unsigned int node = p->ranked[i];

		if (!is_on(p, &p->option[a], node) && !is_on(p, &p->option[b], node))
			return level_of(p, node, p->load[node]);
	}
	return 0;
}

/* Levels of the nodes of both options, descending. */
static unsigned int levels_around(const struct plan *p, unsigned int a, unsigned int b, uint32_t *out)
{
	const struct option *x = &p->option[a], *y = &p->option[b];
	unsigned int n = 0;

	for (unsigned int i = 0; i < x->nparts; i++)
		out[n++] = level_of(p, p->part[x->first + i].node, p->load[p->part[x->first + i].node]);
	for (unsigned int i = 0; i < y->nparts; i++)
		if (!is_on(p, x, p->part[y->first + i].node))
			out[n++] = level_of(p, p->part[y->first + i].node, p->load[p->part[y->first + i].node]);
	qsort(out, n, sizeof(*out), by_level);
	return n;
}

/*
 * After the move: whether memory fits, and every overcommitted node is less loaded than the most loaded of the
 * container's old nodes was.
 */
static bool allowed(const struct plan *p, unsigned int from, unsigned int to, uint32_t left)
{
	const struct option *o = &p->option[to];

	for (unsigned int i = 0; i < o->nparts; i++) {
		unsigned int node = p->part[o->first + i].node;
		uint32_t level = level_of(p, node, p->load[node]);

		if (p->memory[node] > p->room[node] && p->part[o->first + i].memory)
			return false;
		if (level > FULL && level >= left)
			return false;
	}
	return from != to;
}

/* Highest level among the nodes that the container leaves, before the move. */
static uint32_t level_left(const struct plan *p, unsigned int from)
{
	const struct option *o = &p->option[from];
	uint32_t most = 0;

	for (unsigned int i = 0; i < o->nparts; i++) {
		const struct part *part = &p->part[o->first + i];
		uint32_t level = level_of(p, part->node, p->load[part->node]);

		if (part->load && level > most)
			most = level;
	}
	return most;
}

/* Tries a move in the current state and undoes it. True if it is an improvement; @to is the resulting state. */
static bool try_move(struct plan *p, const struct state *s, unsigned int item, unsigned int option, struct state *to)
{
	unsigned int from = p->at[item], n;
	uint32_t left = level_left(p, from), *before = p->changed, *after = p->changed + 2 * p->t->nnodes, rest;
	bool gains;

	n = levels_around(p, from, option, before);
	rest = highest_elsewhere(p, from, option);
	go(p, item, option);
	p->work++;
	*to = (struct state){ .item = item, .option = option, .depth = s->depth + 1 };
	to->spread = s->spread - p->option[from].spread + p->option[option].spread;
	to->bytes = s->bytes + cost(p, item, from, option);
	to->hash = hash_with(p, hash_with(p, s->hash, item, from, false), item, option, true);
	levels_around(p, from, option, after);
	to->level = n && after[0] > rest ? after[0] : rest;
	to->squares = s->squares;
	for (unsigned int i = 0; i < n; i++)
		to->squares += (uint64_t)after[i] * after[i] - (uint64_t)before[i] * before[i];
	gains = to->level != s->level	? to->level < s->level :
		to->spread != s->spread ? to->spread < s->spread :
					  false;
	for (unsigned int i = 0; i < n && to->level == s->level && to->spread == s->spread; i++)
		if (before[i] != after[i]) {
			gains = after[i] < before[i];
			break;
		}
	gains = gains && allowed(p, from, option, left) && to->bytes <= p->in->max_move;
	go(p, item, from);
	return gains;
}

/* --- the queue --- */

static int compare(const struct state *a, const struct state *b)
{
	if (a->level != b->level)
		return a->level < b->level ? -1 : 1;
	if (a->spread != b->spread)
		return a->spread < b->spread ? -1 : 1;
	if (a->squares != b->squares)
		return a->squares < b->squares ? -1 : 1;
	return a->bytes < b->bytes ? -1 : a->bytes > b->bytes;
}

static void heap_push(struct plan *p, unsigned int s)
{
	unsigned int i = p->nheap++;

	while (i && compare(&p->state[s], &p->state[p->heap[(i - 1) / 2]]) < 0) {
		p->heap[i] = p->heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	p->heap[i] = s;
}

static unsigned int heap_pop(struct plan *p)
{
	unsigned int top = p->heap[0], last = p->heap[--p->nheap], i = 0;

	for (;;) {
		unsigned int child = 2 * i + 1;

		if (child >= p->nheap)
			break;
		if (child + 1 < p->nheap && compare(&p->state[p->heap[child + 1]], &p->state[p->heap[child]]) < 0)
			child++;
		if (compare(&p->state[last], &p->state[p->heap[child]]) <= 0)
			break;
		p->heap[i] = p->heap[child];
		i = child;
	}
	p->heap[i] = last;
	return top;
}

/* Whether the state is new, or reached with fewer bytes than before; if so, records it. */
static bool is_new(struct plan *p, const struct state *s)
{
	uint64_t hash = s->hash ? s->hash : 1;
	unsigned int i = (unsigned int)(hash >> 20) % SEEN_SIZE;

	while (p->seen[i].hash && p->seen[i].hash != hash)
		i = (i + 1) % SEEN_SIZE;
	if (p->seen[i].hash && p->seen[i].bytes <= s->bytes)
		return false;
	if (!p->seen[i].hash && ++p->nseen > SEEN_SIZE / 2)
		return false;
	p->seen[i] = (struct seen){ hash, s->bytes };
	return true;
}

static void push(struct plan *p, unsigned int parent, struct state *s)
{
	if (p->nstates == STATES_MOST || !is_new(p, s))
		return;
	s->parent = parent;
	p->state[p->nstates] = *s;
	heap_push(p, p->nstates++);
}

static int by_merit(const void *a, const void *b)
{
	return compare(a, b);
}

/* Queues the improving moves of state @s; with many containers, only the best ones. */
static int expand(struct plan *p, unsigned int s)
{
	cleanup_free struct state *found = NULL;
	unsigned int n = 0, room = 0;

	go_to(p, s);
	rank_nodes(p);
	for (unsigned int i = 0; i < p->in->n; i++)
		/* never back to the first option: other containers may have its exact CPUs by then */
		for (unsigned int o = p->item[i].first + 1; o < p->item[i].first + p->item[i].noptions; o++) {
			struct state to, *added;

			if (o == p->at[i] || !try_move(p, &p->state[s], i, o, &to))
				continue;
			added = vec_push(found, n, room);
			if (!added)
				return -ENOMEM;
			*added = to;
		}
	if (n)
		qsort(found, n, sizeof(*found), by_merit);
	if (p->in->n > MANY && n > FOLLOWED)
		n = FOLLOWED;
	for (unsigned int i = 0; i < n; i++)
		push(p, s, &found[i]);
	return 0;
}

/* Whether @a is the better final state. */
static bool better(const struct state *a, const struct state *b)
{
	if (a->level != b->level)
		return a->level < b->level;
	if (a->spread != b->spread)
		return a->spread < b->spread;
	if (a->bytes != b->bytes)
		return a->bytes < b->bytes;
	return a->depth < b->depth;
}

static int search(struct plan *p, unsigned int *best)
{
	struct state start = { 0 };
	int r = 0;

	for (unsigned int i = 0; i < p->in->n; i++) {
		start.spread += p->option[p->item[i].first].spread;
		start.hash = hash_with(p, start.hash, i, p->item[i].first, true);
	}
	measure(p, &start);
	push(p, 0, &start);
	*best = 0;
	while (r == 0 && p->nheap && p->work < WORK_MOST) {
		unsigned int s = heap_pop(p);

		if (better(&p->state[s], &p->state[*best]))
			*best = s;
		r = expand(p, s);
	}
	/* states that were found but not expanded count, too */
	for (unsigned int s = 0; s < p->nstates; s++)
		if (better(&p->state[s], &p->state[*best]))
			*best = s;
	return r;
}

/* --- the result --- */

/* Ratio of a level to the mean; 1 without load. */
static double over_mean(const struct plan *p, uint32_t level)
{
	double load = 0, cpus = 0;

	for (unsigned int i = 0; i < p->t->nnodes; i++)
		if (p->cpus[i]) {
			load += (double)p->load[i] / LOAD_ONE;
			cpus += p->cpus[i];
		}
	return load > 0 ? (double)level / FULL / (load / cpus) : 1;
}

static void tell_move(struct plan *p, const struct state *before, const struct state *s, struct rebalance_move *m)
{
	const struct option *o = &p->option[s->option];

	m->item = s->item;
	m->bytes = s->bytes - before->bytes;
	m->before = over_mean(p, before->level);
	m->after = over_mean(p, s->level);
	m->joins = s->spread < before->spread;
	for (unsigned int i = 0; i < o->nparts; i++)
		nodeset_add(&m->nodes, p->t->nodes[p->part[o->first + i].node].id);
}

static int tell(struct plan *p, unsigned int best, struct rebalance_plan *out)
{
	unsigned int n = p->state[best].depth, s = best;

	*out = (struct rebalance_plan){
		.before = over_mean(p, p->state[0].level),
		.after = over_mean(p, p->state[best].level),
		.bytes = p->state[best].bytes,
		.whole = !p->nheap && p->nstates < STATES_MOST && p->in->n <= MANY && p->nseen <= SEEN_SIZE / 2,
		.move = calloc(n + 1, sizeof(*out->move)),
	};
	if (!out->move)
		return -ENOMEM;
	out->n = n;
	for (; n; s = p->state[s].parent)
		tell_move(p, &p->state[p->state[s].parent], &p->state[s], &out->move[--n]);
	return 0;
}

static bool plan_start(struct plan *p)
{
	size_t nodes = p->t->nnodes + 1, items = p->in->n + 1U;

	p->cpus = calloc(nodes, sizeof(*p->cpus));
	p->room = calloc(nodes, sizeof(*p->room));
	p->load = calloc(nodes, sizeof(*p->load));
	p->memory = calloc(nodes, sizeof(*p->memory));
	p->changed = calloc(4 * nodes, sizeof(*p->changed));
	p->ranked = calloc(nodes, sizeof(*p->ranked));
	p->apart = calloc(nodes, sizeof(*p->apart));
	p->item = calloc(items, sizeof(*p->item));
	p->at = calloc(items, sizeof(*p->at));
	p->stamp = calloc(items, sizeof(*p->stamp));
	p->state = malloc(STATES_MOST * sizeof(*p->state));
	p->heap = malloc(STATES_MOST * sizeof(*p->heap));
	p->seen = calloc(SEEN_SIZE, sizeof(*p->seen));
	return p->cpus && p->room && p->load && p->memory && p->changed && p->ranked && p->apart && p->item && p->at &&
	       p->stamp && p->state && p->heap && p->seen;
}

static void plan_free(struct plan *p)
{
	free(p->cpus);
	free(p->room);
	free(p->load);
	free(p->memory);
	free(p->changed);
	free(p->ranked);
	free(p->apart);
	free(p->item);
	free(p->at);
	free(p->stamp);
	free(p->option);
	free(p->part);
	free(p->state);
	free(p->heap);
	free(p->seen);
}

int rebalance_plan(const struct rebalance_input *in, struct rebalance_plan *out, struct error *err)
{
	struct plan p = { .in = in, .t = in->topology };
	unsigned int best = 0;
	int r = plan_start(&p) ? 0 : -ENOMEM;

	if (r == 0) {
		look_at_nodes(&p);
		r = find_options(&p);
	}
	if (r == 0) {
		for (unsigned int i = 0; i < in->n; i++) {
			const struct option *o = &p.option[p.item[i].first];

			p.at[i] = p.item[i].first;
			/* room was free memory only; add what the items have */
			for (unsigned int k = 0; k < o->nparts; k++) {
				p.memory[p.part[o->first + k].node] += p.part[o->first + k].memory;
				p.room[p.part[o->first + k].node] += p.part[o->first + k].memory;
			}
		}
		r = search(&p, &best);
	}
	if (r == 0)
		r = tell(&p, best, out);
	plan_free(&p);
	return r < 0 ? error_errno(err, r, "rebalance") : 0;
}

void rebalance_free(struct rebalance_plan *p)
{
	free(p->move);
	*p = (struct rebalance_plan){ 0 };
}
