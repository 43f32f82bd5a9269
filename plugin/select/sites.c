/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The sites of a search: each node with what it has for the request, and the costs that do not depend on the set.
 */
#include "plugin/base/util.h"
#include "plugin/select/select-internal.h"

#include <errno.h>

#define BIAS_DEVICE 1.0  /* per local distance to the device */
#define BIAS_HOME 0.3    /* of nodes other than the last ones, which still have its page cache */
#define BIAS_UNKNOWN 1.0 /* of a node with unknown memory size */

static uint64_t pending_less(uint64_t there, uint64_t pending)
{
	return there > pending ? there - pending : 0;
}

static void site_memory(const struct choice *c, const struct topo_node *node, struct site *s)
{
	const struct usage *u = c->in->usage;
	unsigned int id = node->id;

	if (!nodeset_has(&c->mems, id))
		return;
	for (unsigned int h = 0; h < c->t->nhuge; h++)
		s->huge[h] = pending_less(node->huge_free[h], u->huge_pending[id * HUGE_SIZES_MAX + h]);
	if (!node->mem_known) {
		s->avail = c->search.need.memory ? c->search.need.memory : 1; /* unknown size: no reason to refuse */
		return;
	}
	s->avail = pending_less(reserved_memory_less(c->in->policy, id, node->mem_free), u->pending[id]);
	s->total = node->mem_total;
	s->level = s->total > s->avail ? (unsigned int)((double)(s->total - s->avail) * LEVELS / (double)s->total) : 0;
}

static void site_cpus(const struct choice *c, const struct topo_node *node, struct site *s)
{
	if (!node_allowed(c, node))
		return;
	for (unsigned int i = node->first_cpu; i < node->first_cpu + node->ncpus; i++) {
		uint32_t load;

		s->cpus += c->candidate[i] || cpu_allowed(c, i);
		if (!c->candidate[i])
			continue;
		load = c->in->usage->load[c->t->cpus[i].id];
		s->ncpus++;
		s->load += load;
		if (c->req->exclusive)
			s->room += c->free_core[i] ? LOAD_ONE : 0;
		else
			s->room += load < LOAD_ONE ? LOAD_ONE - load : 0;
	}
}

/* Mean distance from node @i to the devices, in local distances beyond the first. */
static double device_distance(const struct choice *c, unsigned int i)
{
	const struct topology *t = c->t;
	unsigned int n = 0;
	double sum = 0;

	for (unsigned int k = 0; k < c->in->devices.n; k++) {
		int device = topology_find_node(t, c->in->devices.node[k]);

		if (device < 0)
			continue;
		sum += (double)t->near[i * t->nnodes + (unsigned int)device] / 20.0 - 1;
		n++;
	}
	return n ? sum / n : 0;
}

/* Near of node @i to the nearest node of @from; 20 (local) if it is one of them; 0 if @from is empty. */
static unsigned int nearest_of(const struct choice *c, unsigned int i, const struct nodeset *from)
{
	const struct topology *t = c->t;
	unsigned int nearest = 0;

	if (nodeset_has(from, t->nodes[i].id))
		return 20;
	for (unsigned int j = 0; j < t->nnodes; j++)
		if (nodeset_has(from, t->nodes[j].id) && (!nearest || t->near[i * t->nnodes + j] < nearest))
			nearest = t->near[i * t->nnodes + j];
	return nearest;
}

/* Fills the column of node @b in home_near. */
static void find_home(struct choice *c, unsigned int b, const struct nodeset *from)
{
	const struct topology *t = c->t;
	unsigned int n = t->nnodes, nearest = nearest_of(c, b, from);
	bool own = !nearest || nodeset_has(from, t->nodes[b].id);

	for (unsigned int a = 0; a < n; a++)
		c->search.home_near[a * n + b] = own ? t->near[a * n + b] : UINT16_MAX;
	for (unsigned int m = 0; !own && m < n; m++) {
		if (!nodeset_has(from, t->nodes[m].id) || t->near[b * n + m] != nearest)
			continue;
		for (unsigned int a = 0; a < n; a++)
			if (t->near[a * n + m] < c->search.home_near[a * n + b])
				c->search.home_near[a * n + b] = t->near[a * n + m];
	}
}

/* Sets home_near, if the pages of some threads are not on the nodes of a set. */
static int find_homes(struct choice *c, const struct nodeset *from)
{
	struct search *s = &c->search;
	unsigned int n = c->t->nnodes;

	free(steal_ptr(s->home_near));
	if (!s->bare && !s->pages_named)
		return 0;
	s->home_near = malloc((size_t)n * n * sizeof(*s->home_near));
	if (!s->home_near)
		return -ENOMEM;
	for (unsigned int k = 0; k < s->nsites; k++)
		find_home(c, s->sites[k].node, from);
	return 0;
}

/* Mean slowdown of the fastest CPUs of a node, as many as needed, against the fastest kind; in millionths. */
static int64_t slowness(const struct choice *c, const struct topo_node *node)
{
	unsigned int has[KINDS_MAX] = { 0 }, n = 0, want = c->search.need.count ? c->search.need.count : c->t->ncpus;
	double sum = 0;

	for (unsigned int i = node->first_cpu; c->kinds.n > 1 && i < node->first_cpu + node->ncpus; i++)
		has[kind_of(&c->kinds, &c->t->cpus[i])] += c->candidate[i];
	for (unsigned int k = 0; k < c->kinds.n && n < want; k++) {
		unsigned int here = has[k] < want - n ? has[k] : want - n;

		sum += here * ((double)c->kinds.top[0] / c->kinds.top[k] - 1);
		n += here;
	}
	return n ? (int64_t)(sum / n * 1e6) : 0;
}

/* Marks of cores for shared_part(). */
enum core_mark { CORE_IDLE, CORE_USED, CORE_COUNTED };

static uint8_t *mark_cores(const struct choice *c)
{
	uint8_t *mark = calloc(c->t->ncores + 1U, sizeof(*mark));

	for (unsigned int i = 0; mark && i < c->t->ncpus; i++) {
		const struct topo_cpu *cpu = &c->t->cpus[i];

		if (c->in->usage->load[cpu->id] || c->in->usage->exclusive[cpu->id])
			mark[cpu->core] = CORE_USED;
	}
	return mark;
}

/* Part of the container's threads on @x that would share a core, if it got one thread of each idle core first. */
static double shared_part(const struct choice *c, const struct site *x, uint8_t *mark)
{
	const struct topo_node *node = &c->t->nodes[x->node];
	double count = c->search.need.count ? c->search.need.count : 1, room = (double)x->room / LOAD_ONE;
	double want = room < count ? room : count, idle = 0, part;

	for (unsigned int i = node->first_cpu; i < node->first_cpu + node->ncpus; i++) {
		if (!c->candidate[i] || mark[c->t->cpus[i].core] != CORE_IDLE)
			continue;
		mark[c->t->cpus[i].core] = CORE_COUNTED;
		idle++;
	}
	if (want <= idle)
		return 0;
	part = 2 * (want - idle) / want;
	return part < 1 ? part : 1;
}

/*
 * For a container whose kind of work is known: what slow and shared cores cost it, in local distances. Without that,
 * a slow core has a fixed price, and taste.cpu includes that crowded nodes have shared cores.
 */
static int weigh_computing(struct choice *c)
{
	cleanup_free uint8_t *mark = NULL;
	bool threads = c->t->ncpus > c->t->ncores && !c->req->exclusive && !c->req->one_thread;
	double price;

	if (!choice_work(c).given)
		return 0;
	price = taste_compute(c);
	mark = mark_cores(c);
	if (!mark)
		return -ENOMEM;
	for (unsigned int k = 0; k < c->search.nsites; k++) {
		struct site *x = &c->search.sites[k];
		double shared = threads ? shared_part(c, x, mark) * taste_sharing(c) : 0;

		x->slow = (int64_t)(((double)x->slow + shared * 1e6) * price);
	}
	return 0;
}

/*
 * Of sets that cost the same, the one with more whole cores is better, whatever the numbers of its nodes: each candidate on
 * a core with a thread that is no candidate costs a millionth.
 */
static int weigh_half_cores(struct choice *c)
{
	cleanup_free bool *half = calloc(c->t->ncores + 1U, sizeof(*half));

	if (!half)
		return -ENOMEM;
	for (unsigned int i = 0; i < c->t->ncpus; i++)
		if (!c->candidate[i])
			half[c->t->cpus[i].core] = true;
	for (unsigned int k = 0; k < c->search.nsites; k++) {
		struct site *x = &c->search.sites[k];
		const struct topo_node *node = &c->t->nodes[x->node];

		for (unsigned int i = node->first_cpu; i < node->first_cpu + node->ncpus; i++)
			x->bias += c->candidate[i] && half[c->t->cpus[i].core];
	}
	return 0;
}

/* Nodes that are twins: of one socket or pair, say. */
struct group {
	double room, cpus;
	unsigned int nodes;
};

/*
 * By twin number; @nodes becomes the number of all their nodes. A node that has nothing left for the request is no site,
 * but belongs to its group, which is not free as a whole then.
 */
static struct group *find_groups(const struct choice *c, unsigned int *nodes)
{
	struct group *groups = calloc(c->t->nnodes, sizeof(*groups));
	unsigned int k = 0;

	*nodes = 0;
	for (unsigned int i = 0; groups && i < c->t->nnodes; i++) {
		struct group *g = &groups[c->t->twin[i]];
		struct site full = { .node = i };
		const struct site *x = &full;

		if (k < c->search.nsites && c->search.sites[k].node == i)
			x = &c->search.sites[k++];
		else
			site_cpus(c, &c->t->nodes[i], &full);
		if (x == &full && !x->cpus)
			continue;
		g->room += (double)x->room / LOAD_ONE;
		g->cpus += x->cpus;
		g->nodes++;
		++*nodes;
	}
	return groups;
}

/* Cost of breaking up a group that is free as a whole. A single node, or nodes that are all alike, are no group. */
static double group_bias(const struct group *g, unsigned int nodes, double price)
{
	double free = g->cpus > 0 ? g->room / g->cpus : 0;

	return g->nodes > 1 && g->nodes < nodes ? price * free * free * free : 0;
}

/* Sets the cost of each site apart from distances within the set. */
static int add_costs(struct choice *c)
{
	struct search *s = &c->search;
	const struct nodeset *from = nodeset_empty(&c->roomy) ? &c->mems : &c->roomy;
	bool no_size = s->need.pages <= 0 && !nodeset_intersects(&c->t->merged, &c->mems);
	bool home = !nodeset_empty(&c->limits->last_nodes), device = c->in->devices.n > 0;
	unsigned int nodes;
	cleanup_free struct group *groups = find_groups(c, &nodes);
	double group_price = c->in->policy->prices->group * taste_later(c);
	bool left_out = false;

	if (!groups)
		return -ENOMEM;
	s->bare = false;
	s->pages_named = no_size && c->mems_named;
	s->memory_named = c->req->nodes_mode == NODES_LIST || !nodeset_empty(&c->limits->pin_mems);
	for (unsigned int k = 0; k < s->nsites; k++) {
		struct site *x = &s->sites[k];
		const struct topo_node *node = &c->t->nodes[x->node];
		unsigned int nearest = no_size ? nearest_of(c, x->node, from) : 0;
		double bias = group_bias(&groups[c->t->twin[x->node]], nodes, group_price);

		x->away = nearest > 20 ? nearest - 20 : 0;
		s->bare |= x->away > 0;
		if (device)
			bias += BIAS_DEVICE * device_distance(c, x->node);
		if (home && !nodeset_has(&c->limits->last_nodes, node->id))
			bias += BIAS_HOME;
		if (s->need.memory && !node->mem_known)
			bias += BIAS_UNKNOWN;
		x->bias = bias > 0 ? (int64_t)(bias * 1e6) : 0;
		left_out |= x->ncpus && x->ncpus < node->ncpus;
		x->slow = slowness(c, node);
	}
	if (weigh_computing(c) < 0 || (left_out && weigh_half_cores(c) < 0))
		return -ENOMEM;
	return find_homes(c, from);
}

int sites_find(struct choice *c)
{
	struct search *s = &c->search;

	s->nsites = 0;
	c->emptiness = (struct emptiness){ 0 };
	nodeset_clear(&c->roomy);
	for (unsigned int i = 0; i < c->t->nnodes; i++) {
		const struct topo_node *node = &c->t->nodes[i];
		struct site x = { .node = i };

		site_cpus(c, node, &x);
		site_memory(c, node, &x);
		if (x.cpus) {
			x.share = (unsigned int)(x.room * SHARES / ((int64_t)x.cpus * LOAD_ONE));
			c->emptiness.nodes++;
			c->emptiness.cpus += x.cpus;
			c->emptiness.share += (double)x.share / SHARES;
		}
		if (x.avail && (!node->mem_known || x.avail >= memory_floor(node)))
			nodeset_add(&c->roomy, node->id);
		if (!x.ncpus && !x.avail && !brings_pages(c, &x))
			continue;
		s->sites[s->nsites++] = x;
	}
	return add_costs(c);
}

/* Part of the requested memory that a site has, in 1/PAGES_ONE. */
static int64_t pages_of(const struct search *s, const struct site *x)
{
	const struct need *need = &s->need;
	double has = (double)(x->avail < need->memory ? x->avail : need->memory);

	for (unsigned int h = 0; h < s->topology->nhuge; h++)
		has += (double)(x->huge[h] < need->huge[h] ? x->huge[h] : need->huge[h]) *
		       (double)s->topology->huge_size[h];
	return (int64_t)(has / need->pages * PAGES_ONE);
}

void sites_weigh(struct search *s)
{
	for (unsigned int i = 0; i < s->nsites; i++) {
		struct site *x = &s->sites[i];

		x->weight = (x->room < s->need.room ? x->room : s->need.room) >> 10;
		x->mem_weight = s->need.pages > 0 ? pages_of(s, x) : x->away || s->pages_named ? 0 : x->weight;
	}
}
