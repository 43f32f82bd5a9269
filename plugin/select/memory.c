/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Selection of memory. A node may have CPUs, memory, both or neither. This file determines the memory nodes that may
 * be chosen, adds memory nodes to given CPUs, and sets the container's final memory nodes.
 */
#include "plugin/select/select-internal.h"

#include "plugin/base/util.h"

#include <errno.h>
#include <string.h>

/* With less, a process does not even start: its runtime alone needs some ten MiB. */
#define FLOOR_BYTES (64ULL << 20)
#define FLOOR_PART 1000 /* of a node: fluctuation of the kernel's own use */
#define FLOOR_MOST 4    /* upper limit, as a part of a small node */

uint64_t memory_floor(const struct topo_node *node)
{
	uint64_t least = node->mem_total / FLOOR_PART;

	least = least > FLOOR_BYTES ? least : FLOOR_BYTES;
	return least < node->mem_total / FLOOR_MOST ? least : node->mem_total / FLOOR_MOST;
}

/* --- nodes that may be chosen --- */

/* Why nodes with memory may not be used: "reserved: 3; not allowed here: 1-2", each node by its first cause. */
static struct left_out_text mems_left_out(const struct choice *c, const struct nodeset *nodes)
{
	const struct nodeset *pin = nodeset_empty(&c->limits->pin_mems) ? NULL : &c->limits->pin_mems;
	const struct {
		const char *what;
		const struct nodeset *out, *all; /* left out if in @out, or outside of @all */
	} causes[] = {
		{ "reserved", &c->in->policy->reserved_nodes, NULL },
		{ "not allowed here", NULL, c->limits->limited ? &c->limits->allowed_mems : NULL },
		{ "outside of cpuset.mems", NULL, pin },
	};
	struct left_out_text text = { "" };
	struct nodeset left = *nodes;
	size_t used = 0;

	for (size_t i = 0; i < ARRAY_SIZE(causes) && used < sizeof(text.text); i++) {
		struct nodeset these = left;

		if (causes[i].out)
			nodeset_and(&these, causes[i].out);
		else if (causes[i].all)
			nodeset_andnot(&these, causes[i].all);
		else
			continue;
		if (nodeset_empty(&these))
			continue;
		nodeset_andnot(&left, &these);
		used += (size_t)snprintf(text.text + used, sizeof(text.text) - used, "%s%s: %.50s", used ? "; " : "",
					 causes[i].what, list_text(&these).text);
	}
	return text;
}

/* Uses all nodes of limits.memory.nodes that may be used; refuses if none may. */
static int named_mems(struct choice *c, const struct nodeset *may, struct error *err)
{
	const struct nodeset *named = &c->req->mem_nodes;
	struct nodeset missing = *named, barred;

	c->mems = *named;
	nodeset_and(&c->mems, &c->t->mem_nodes);
	if (nodeset_empty(&c->mems))
		return error_set(err, -EINVAL, "limits.memory.nodes: \"%s\": no node with memory among them (memory is on %s)",
				 list_text(named).text, list_text(&c->t->mem_nodes).text);
	barred = c->mems;
	nodeset_andnot(&barred, may);
	nodeset_and(&c->mems, may);
	if (nodeset_empty(&c->mems))
		return error_set(err, -ENOSPC, "limits.memory.nodes: \"%s\": may not be used (%s); left: %s",
				 list_text(named).text, mems_left_out(c, &barred).text, list_text(may).text);
	if (nodeset_intersects(&c->mems, &c->t->merged))
		nodeset_or(&c->mems, &c->t->merged);
	nodeset_andnot(&missing, &c->mems);
	nodeset_andnot(&missing, &barred);
	if (!nodeset_empty(&barred))
		reasons_add(c->why, "limits.memory.nodes: nodes %s may not be used (%s)", list_text(&barred).text,
			    mems_left_out(c, &barred).text);
	if (!nodeset_empty(&missing))
		reasons_add(c->why, "limits.memory.nodes: nodes %s have no memory", list_text(&missing).text);
	c->mems_named = true;
	return 0;
}

/* The nodes of @may that are used without being named; all of @may if there are none. */
static struct nodeset usual_mems(const struct choice *c, const struct nodeset *may)
{
	struct nodeset usual = *may;

	for (unsigned int i = 0; i < c->t->nnodes; i++) {
		const struct topo_node *node = &c->t->nodes[i];

		if (node->memory_kind != MEMORY_ORDINARY && !nodeset_has(&c->limits->pin_mems, node->id) &&
		    !(c->req->nodes_mode == NODES_LIST && nodeset_has(&c->req->nodes, node->id)))
			nodeset_del(&usual, node->id);
	}
	return nodeset_empty(&usual) ? *may : usual;
}

/* Determines c->mems from nodes, parent and pin. If the named nodes have no memory, uses the other nodes. */
int choose_mems(struct choice *c, struct error *err)
{
	struct nodeset may = c->t->mem_nodes, usual;

	if (c->limits->limited)
		nodeset_and(&may, &c->limits->allowed_mems);
	if (!nodeset_empty(&c->limits->pin_mems))
		nodeset_and(&may, &c->limits->pin_mems);
	nodeset_andnot(&may, &c->in->policy->reserved_nodes);
	if (!nodeset_empty(&c->req->mem_nodes))
		return named_mems(c, &may, err);
	usual = usual_mems(c, &may);
	c->mems = usual;
	nodeset_and(&c->mems, &c->nodes);
	if (!nodeset_empty(&c->mems))
		return 0;
	if (!nodeset_empty(&c->limits->pin_mems) && c->req->nodes_mode == NODES_LIST &&
	    nodeset_intersects(&c->nodes, &c->t->mem_nodes))
		return error_set(err, -ENOSPC,
				 "limits.cpu.nodes: \"%s\": memory is pinned to nodes %s (cpuset.mems), which are not among them",
				 list_text(&c->req->nodes).text, list_text(&c->limits->pin_mems).text);
	if (nodeset_empty(&usual))
		return error_set(err, -ENOSPC, "no node with memory may be used for CPUs of nodes %s: memory is on nodes %s",
				 list_text(&c->nodes).text, list_text(&c->t->mem_nodes).text);
	c->mems = usual;
	c->mems_elsewhere = true;
	return 0;
}

bool brings_pages(const struct choice *c, const struct site *s)
{
	for (unsigned int h = 0; h < c->t->nhuge; h++)
		if (c->search.need.huge[h] && s->huge[h])
			return true;
	return false;
}

const struct site *site_of(const struct search *s, unsigned int node)
{
	for (unsigned int i = 0; i < s->nsites; i++)
		if (s->sites[i].node == node)
			return &s->sites[i];
	return NULL;
}

/* --- memory for given CPUs --- */

/* Mean near of a node (index) and the CPUs of a set of sites. */
static double near_to(const struct choice *c, const struct site_set *set, unsigned int node)
{
	double sum = 0, cpus = 0;

	for (unsigned int i = 0; i < set->n; i++) {
		const struct site *x = &c->search.sites[set->site[i]];

		sum += (double)x->ncpus * c->t->near[x->node * c->t->nnodes + node];
		cpus += x->ncpus;
	}
	return cpus > 0 ? sum / cpus : 0;
}

/* Sites outside the best set, for their memory only; they cost their distance from its CPUs. */
static void pages_sites(const struct choice *c, struct search *extra)
{
	const struct search *s = &c->search;
	uint64_t most = 1;

	for (unsigned int i = 0; i < s->nsites; i++)
		most = s->sites[i].avail > most ? s->sites[i].avail : most;
	for (unsigned int i = 0; i < s->nsites; i++) {
		const struct site *x = &s->sites[i];
		struct site *y = &extra->sites[extra->nsites];
		bool in = false;

		for (unsigned int k = 0; k < s->best.n; k++)
			in |= s->best.site[k] == i;
		if (in || (!x->avail && !brings_pages(c, x)))
			continue;
		*y = (struct site){ .node = x->node, .avail = x->avail, .mem_weight = 1 };
		memcpy(y->huge, x->huge, sizeof(y->huge));
		/* among equally near ones, prefer the one with most memory */
		y->bias = (int64_t)(near_to(c, &s->best, x->node) * 1e5) + (int64_t)(1e3 * (1 - (double)x->avail / (double)most));
		extra->nsites++;
	}
}

static uint64_t gap(uint64_t need, uint64_t has)
{
	return need > has ? need - has : 0;
}

/* Adds the fewest nodes whose memory makes the best set suffice; among these sets, the nearest to its CPUs. */
int add_memory(struct choice *c)
{
	struct search *s = &c->search;
	struct search extra = { .topology = c->t, .taste = { .mean = 1, .nodes = 1, .step = 1 } };
	struct sums has;
	int r;

	search_sums(s, s->best.site, s->best.n, &has);
	extra.need.memory = gap(s->need.memory, has.avail);
	for (unsigned int h = 0; h < c->t->nhuge; h++)
		extra.need.huge[h] = gap(s->need.huge[h], has.huge[h]);
	extra.sites = calloc(s->nsites + 1, sizeof(*extra.sites));
	if (!extra.sites)
		return -ENOMEM;
	pages_sites(c, &extra);
	r = search_run(&extra);
	for (unsigned int i = 0; r == 0 && i < extra.best.n; i++) {
		const struct site *x = site_of(s, extra.sites[extra.best.site[i]].node);

		s->best.site[s->best.n++] = (uint16_t)(x - s->sites);
		reasons_add(c->why, "memory: node %u is added, the nearest with room, since the CPUs' own nodes lack it",
			    c->t->nodes[x->node].id);
	}
	search_free(&extra);
	free(extra.sites);
	return r;
}

/* Over the given CPUs: sums of near of a node (index), and of its square, which grows with the farthest CPUs. */
struct away {
	uint64_t sum, square;
};

static struct away away_from(const struct choice *c, const struct idset *cpus, unsigned int node)
{
	struct away away = { 0 };

	idset_foreach(id, cpus) {
		uint64_t near = c->t->near[c->t->cpus[c->t->cpu_index[id]].node * c->t->nnodes + node];

		away.sum += near;
		away.square += near * near;
	}
	return away;
}

/*
 * Index of the node with memory nearest to @cpus and not in @mems; among equally near ones, the one with most memory
 * available, then the one nearest to the farthest of @cpus; -1 if none. @roomy: only nodes of c->roomy. @usable: only memory that the kernel can use for itself.
 */
static int nearest_memory(const struct choice *c, const struct idset *cpus, const struct nodeset *mems, bool roomy,
			  bool usable)
{
	struct away least = { UINT64_MAX, 0 };
	uint64_t most = 0;
	int best = -1;

	for (unsigned int j = 0; j < c->t->nnodes; j++) {
		const struct topo_node *node = &c->t->nodes[j];
		const struct site *x;
		struct away d;
		uint64_t avail;

		if (!nodeset_has(roomy ? &c->roomy : &c->mems, node->id) || nodeset_has(mems, node->id) ||
		    (usable && node->movable_only))
			continue;
		d = away_from(c, cpus, j);
		if (d.sum > least.sum)
			continue;
		x = site_of(&c->search, j);
		avail = x ? x->avail : 0;
		if (d.sum == least.sum && (avail < most || (avail == most && d.square >= least.square)))
			continue;
		least = d;
		most = avail;
		best = (int)j;
	}
	return best;
}

/* --- final memory nodes --- */

/* Adds named memory-only nodes whose nearest node with CPUs was chosen. */
static void add_named_memory(const struct choice *c, const struct nodeset *chosen, struct nodeset *mems)
{
	const struct topology *t = c->t;
	struct nodeset add = { { 0 } };

	for (unsigned int j = 0; j < t->nnodes; j++) {
		unsigned int nearest = UINT16_MAX;
		bool ours = false;

		if (t->nodes[j].ncpus || !nodeset_has(&c->mems, t->nodes[j].id) ||
		    (!nodeset_has(&c->req->nodes, t->nodes[j].id) &&
		     !nodeset_has(&c->limits->pin_mems, t->nodes[j].id)))
			continue;
		for (unsigned int i = 0; i < t->nnodes; i++) {
			unsigned int d = t->near[j * t->nnodes + i];

			if (!t->nodes[i].ncpus || !nodeset_has(&c->nodes, t->nodes[i].id) || d > nearest)
				continue;
			ours = nodeset_has(chosen, t->nodes[i].id) || (d == nearest && ours);
			nearest = d;
		}
		if (ours)
			nodeset_add(&add, t->nodes[j].id);
	}
	nodeset_andnot(&add, mems);
	if (!nodeset_empty(&add))
		reasons_add(c->why, "memory: node %s is added: it is named, and nearest to these", list_text(&add).text);
	nodeset_or(mems, &add);
}

/* Reports nodes whose memory could not be checked. */
static void say_unknown(const struct choice *c, const struct nodeset *mems)
{
	struct nodeset unknown = { { 0 } };

	for (unsigned int i = 0; i < c->t->nnodes; i++)
		if (!c->t->nodes[i].mem_known && nodeset_has(mems, c->t->nodes[i].id))
			nodeset_add(&unknown, c->t->nodes[i].id);
	if (!nodeset_empty(&unknown))
		reasons_add(c->why, "limits.memory: not checked: the kernel does not report the memory of nodes %s",
			    list_text(&unknown).text);
}

static void warn(struct choice *c, enum placement_warning w, const struct nodeset *nodes)
{
	c->warnings |= 1U << w;
	reasons_add(c->why, "warning: %s (nodes %s)", placement_warning(w), list_text(nodes).text);
}

static bool has_room(const struct choice *c, const struct nodeset *mems)
{
	uint64_t sum = 0, least = UINT64_MAX;

	if (nodeset_intersects(&c->roomy, mems))
		return true;
	for (unsigned int i = 0; i < c->search.nsites; i++) {
		const struct topo_node *node = &c->t->nodes[c->search.sites[i].node];

		if (!nodeset_has(mems, node->id))
			continue;
		sum += c->search.sites[i].avail;
		least = memory_floor(node) < least ? memory_floor(node) : least;
	}
	return sum >= least;
}

/*
 * A container without a memory request still needs some: bound to full nodes, it would be killed. Adds a node with
 * room.
 */
static void add_room(struct choice *c, const struct placement *out, struct nodeset *mems)
{
	int near = c->mems_named ? -1 : nearest_memory(c, &out->share.cpus, mems, true, false);

	if (near < 0) {
		char unused[180];

		warn(c, WARN_STARVED, mems);
		unused_memory(c, unused, sizeof(unused));
		if (unused[0])
			reasons_add(c->why, "memory left out: %s", unused + strlen("; "));
		return;
	}
	reasons_add(c->why, "memory: node %u is added, the nearest with room: nodes %s have almost no free memory",
		    c->t->nodes[near].id, list_text(mems).text);
	nodeset_add(mems, c->t->nodes[near].id);
}

static bool all_movable(const struct choice *c, const struct nodeset *mems)
{
	nodeset_foreach(id, mems) {
		int i = topology_find_node(c->t, id);

		if (i < 0 || !c->t->nodes[i].movable_only)
			return false;
	}
	return true;
}

static void add_usable(struct choice *c, const struct placement *out, struct nodeset *mems)
{
	int near = c->mems_named ? -1 : nearest_memory(c, &out->share.cpus, mems, true, true);

	if (near < 0 && !c->mems_named)
		near = nearest_memory(c, &out->share.cpus, mems, false, true);
	if (near < 0) {
		warn(c, WARN_MOVABLE, mems);
		return;
	}
	reasons_add(c->why, "memory: node %u is added: nodes %s have movable memory alone", c->t->nodes[near].id,
		    list_text(mems).text);
	nodeset_add(mems, c->t->nodes[near].id);
}

/* No chosen node has memory: adds the nearest memory of each node with its CPUs. */
static int first_memory(struct choice *c, const struct placement *out, struct nodeset *mems, struct error *err)
{
	const struct topology *t = c->t;

	nodeset_foreach(id, &out->nodes) {
		const struct topo_node *node = &t->nodes[t->node_index[id]];
		struct idset cpus = { { 0 } };
		struct nodeset none = { { 0 } };
		int near;

		for (unsigned int i = node->first_cpu; i < node->first_cpu + node->ncpus; i++)
			if (idset_has(&out->share.cpus, t->cpus[i].id))
				idset_add(&cpus, t->cpus[i].id);
		near = nearest_memory(c, &cpus, &none, true, false);
		if (near < 0)
			near = nearest_memory(c, &cpus, &none, false, false);
		if (near < 0)
			return error_set(err, -ENOSPC, "no node with memory may be used for CPUs of nodes %s",
					 list_text(&out->nodes).text);
		nodeset_add(mems, t->nodes[near].id);
	}
	reasons_add(c->why, "memory: on node %s, the nearest with memory that may be used", list_text(mems).text);
	return 0;
}

/* Sets @out->mems from the chosen set. */
int settle_mems(struct choice *c, struct placement *out, struct error *err)
{
	const struct search *s = &c->search;
	struct nodeset mems = { { 0 } };
	bool spread = c->req->policy == POLICY_INTERLEAVE || c->req->policy == POLICY_WEIGHTED;

	for (unsigned int i = 0; i < s->best.n && !c->mems_named; i++) {
		const struct site *x = &s->sites[s->best.site[i]];

		if (nodeset_has(&c->mems, c->t->nodes[x->node].id))
			nodeset_add(&mems, c->t->nodes[x->node].id);
	}
	if (c->mems_named)
		mems = c->mems;
	if (spread && c->req->nodes_mode == NODES_LIST && !c->mems_elsewhere)
		nodeset_or(&mems, &c->mems);
	if (nodeset_empty(&mems)) {
		int r = first_memory(c, out, &mems, err);

		if (r < 0)
			return r;
	}
	if (!c->mems_named)
		add_named_memory(c, &out->nodes, &mems);
	if (!c->asked.memory && c->req->policy != POLICY_PREFERRED && !has_room(c, &mems))
		add_room(c, out, &mems);
	if (all_movable(c, &mems))
		add_usable(c, out, &mems);
	if (nodeset_intersects(&mems, &c->t->merged))
		nodeset_or(&mems, &c->t->merged);
	nodeset_andnot(&mems, &c->in->policy->reserved_nodes);
	if (c->asked.memory)
		say_unknown(c, &mems);
	out->mems = mems;
	return 0;
}
