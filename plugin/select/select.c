/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Balanced selection, from request to placement: determines the candidate CPUs and nodes and what is needed of them.
 * The search is in search.c, the choice of CPUs within nodes in spread.c, explanations in select-why.c.
 */
#include "plugin/select/select-internal.h"

#include "plugin/base/util.h"

#include <errno.h>
#include <string.h>

/* Cost of a fully loaded set, in local distances. */
#ifndef TASTE_CPU
#define TASTE_CPU 0.2
#define TASTE_MEMORY 0.1
#define KEEP 1.8      /* taste.keep with many nodes, all used */
#define KEEP_IDLE 0.6 /* taste.keep with many nodes, none used */
#endif
#ifndef KEEP_MOST
#define KEEP_MOST 20.0
#endif
#define TASTE_CROWDED 20.0 /* when CPUs must be shared, load decides */
#define BIAS_DEVICE 1.0    /* per local distance to the device */
#define BIAS_HOME 0.05     /* of nodes other than the last ones */
#define COST_MIXED 0.1      /* of cores of several kinds: threads wait for the slowest */
#define BIAS_UNKNOWN 1.0   /* of a node with unknown memory size */

void select_policy_init(struct select_policy *p)
{
	memset(p, 0, sizeof(*p));
	p->balance = 50;
}

void placement_free(struct placement *p)
{
	share_free(&p->share);
}

static void all_nodes(const struct topology *t, struct idset *out)
{
	idset_clear(out);
	for (unsigned int i = 0; i < t->nnodes; i++)
		idset_add(out, t->nodes[i].id);
}

/* Refuses named nodes without CPUs; a node may have lost its CPUs because they are offline. */
static int refuse_nodes(const struct choice *c, struct error *err)
{
	unsigned int offline = 0;
	char text[48] = "";

	for (unsigned int i = 0; i < c->t->nnodes; i++)
		offline += idset_has(&c->nodes, c->t->nodes[i].id) ? c->t->nodes[i].offline : 0;
	if (offline)
		snprintf(text, sizeof(text), "; %u CPUs of these nodes are offline", offline);
	return error_set(err, -EINVAL, "limits.cpu.nodes: \"%s\": no node with CPUs among them (CPUs are on %s%s)",
			 list_text(&c->req->nodes).text, list_text(&c->t->cpu_nodes).text, text);
}

/* Determines the nodes that request and policy allow. */
static int allow_nodes(struct choice *c, struct error *err)
{
	const struct topology *t = c->t;
	struct idset there, missing;

	all_nodes(t, &there);
	c->nodes = there;
	if (c->in->whole && c->req->cpu_listed)
		topology_nodes_of(t, &c->req->cpu_list, &c->nodes);
	if (c->req->nodes_mode == NODES_LIST) {
		c->nodes = c->req->nodes;
		if (idset_intersects(&c->nodes, &t->merged))
			idset_or(&c->nodes, &there);
		idset_and(&c->nodes, &there);
		missing = c->req->nodes;
		idset_andnot(&missing, &there);
		idset_andnot(&missing, &t->merged);
		if (!idset_empty(&missing))
			reasons_add(c->why, "limits.cpu.nodes: nodes %s do not exist", list_text(&missing).text);
		if (idset_empty(&c->nodes) || (c->req->all_nodes && !idset_empty(&missing)))
			return error_set(err, -EINVAL, "limits.cpu.nodes: \"%s\": no such node (nodes %s exist)",
					 list_text(&missing).text, list_text(&there).text);
		if (!c->req->cpu_listed && !idset_intersects(&c->nodes, &t->cpu_nodes))
			return refuse_nodes(c, err);
	}
	if (c->in->whole && idset_intersects(&c->nodes, &c->in->policy->reserved_nodes))
		reasons_add(c->why, "of the chosen nodes, nodes %s are reserved: their memory is not used",
			    list_text(&c->in->policy->reserved_nodes).text);
	idset_andnot(&c->nodes, &c->in->policy->reserved_nodes);
	return 0;
}

/* Determines the CPU ids that may be given, held or not. */
static void allow_cpus(struct choice *c)
{
	const struct request *req = c->req;

	c->cpus = c->t->online;
	if (c->limits->limited)
		idset_and(&c->cpus, &c->limits->allowed_cpus);
	if (!idset_empty(&c->limits->pin_cpus))
		idset_and(&c->cpus, &c->limits->pin_cpus);
	if (!c->in->whole)
		idset_andnot(&c->cpus, &c->in->policy->reserved_cpus);
	if (req->cpu_listed)
		idset_and(&c->cpus, &req->cpu_list);
	else if (c->isolated)
		idset_and(&c->cpus, &c->t->isolated);
	else
		idset_andnot(&c->cpus, &c->t->isolated);
}

static bool node_may(const struct choice *c, const struct topo_node *node)
{
	return c->req->cpu_listed || idset_has(&c->nodes, node->id);
}

/* Whether CPU @i (index) may be given if no container holds it; its node is not checked. */
static bool may_be_given(const struct choice *c, unsigned int i)
{
	const struct topo_cpu *cpu = &c->t->cpus[i];

	return idset_has(&c->cpus, cpu->id) && (!c->first_thread || c->first_thread[i]) &&
	       (c->kinds.n == 1 || c->kinds_wanted >> kind_of(&c->kinds, cpu) & 1);
}

static void find_candidates(struct choice *c, unsigned int kinds)
{
	const struct topology *t = c->t;

	c->kinds_wanted = kinds;
	c->ncandidates = 0;
	for (unsigned int k = 0; k < t->nnodes; k++) {
		const struct topo_node *node = &t->nodes[k];
		bool may = node_may(c, node);

		for (unsigned int i = node->first_cpu; i < node->first_cpu + node->ncpus; i++) {
			c->candidate[i] = may && may_be_given(c, i) &&
					  (c->in->whole || !c->in->usage->exclusive[t->cpus[i].id]);
			c->ncandidates += c->candidate[i];
		}
	}
}

/* For requests that count cores: the least loaded thread represents its core. Held cores get a representative, too. */
static int find_first_threads(struct choice *c)
{
	const struct topology *t = c->t;
	cleanup_free unsigned int *first = calloc(t->ncores + 1, sizeof(*first)); /* index + 1 */
	bool *chosen = calloc(t->ncpus, sizeof(*chosen));

	if (!first || !chosen) {
		free(chosen);
		return -ENOMEM;
	}
	find_candidates(c, KINDS_ALL);
	for (unsigned int i = 0; i < t->ncpus; i++) {
		unsigned int *f = &first[t->cpus[i].core], old = *f - 1;
		const uint32_t *load = c->in->usage->load;

		if (!node_may(c, &t->nodes[t->cpus[i].node]) || !may_be_given(c, i))
			continue;
		if (!*f || (c->candidate[i] && (!c->candidate[old] || load[t->cpus[i].id] < load[t->cpus[old].id])))
			*f = i + 1;
	}
	for (unsigned int k = 0; k < t->ncores; k++)
		if (first[k])
			chosen[first[k] - 1] = true;
	c->first_thread = chosen;
	return 0;
}

static uint64_t pending_less(uint64_t there, uint64_t pending)
{
	return there > pending ? there - pending : 0;
}

static void site_memory(const struct choice *c, const struct topo_node *node, struct site *s)
{
	const struct usage *u = c->in->usage;
	unsigned int id = node->id;

	if (!idset_has(&c->mems, id))
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
	if (!node_may(c, node))
		return;
	for (unsigned int i = node->first_cpu; i < node->first_cpu + node->ncpus; i++) {
		uint32_t load;

		s->cpus += c->candidate[i] || may_be_given(c, i);
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

	idset_foreach(id, &c->in->device_nodes) {
		int device = topology_find_node(t, id);

		if (device < 0)
			continue;
		sum += (double)t->near[i * t->nnodes + (unsigned int)device] / 20.0 - 1;
		n++;
	}
	return n ? sum / n : 0;
}

/* Near of node @i to the nearest node of @from; 20 (local) if it is one of them; 0 if @from is empty. */
static unsigned int nearest_of(const struct choice *c, unsigned int i, const struct idset *from)
{
	const struct topology *t = c->t;
	unsigned int nearest = 0;

	if (idset_has(from, t->nodes[i].id))
		return 20;
	for (unsigned int j = 0; j < t->nnodes; j++)
		if (idset_has(from, t->nodes[j].id) && (!nearest || t->near[i * t->nnodes + j] < nearest))
			nearest = t->near[i * t->nnodes + j];
	return nearest;
}

/* Fills the column of node @b in home_near. */
static void find_home(struct choice *c, unsigned int b, const struct idset *from)
{
	const struct topology *t = c->t;
	unsigned int n = t->nnodes, nearest = nearest_of(c, b, from);
	bool own = !nearest || idset_has(from, t->nodes[b].id);

	for (unsigned int a = 0; a < n; a++)
		c->search.home_near[a * n + b] = own ? t->near[a * n + b] : UINT16_MAX;
	for (unsigned int m = 0; !own && m < n; m++) {
		if (!idset_has(from, t->nodes[m].id) || t->near[b * n + m] != nearest)
			continue;
		for (unsigned int a = 0; a < n; a++)
			if (t->near[a * n + m] < c->search.home_near[a * n + b])
				c->search.home_near[a * n + b] = t->near[a * n + m];
	}
}

/* Sets home_near, if the pages of some threads are not on the nodes of a set. */
static int find_homes(struct choice *c, const struct idset *from)
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

/* Sets the cost of each site apart from distances within the set. */
static int add_costs(struct choice *c)
{
	struct search *s = &c->search;
	const struct idset *from = idset_empty(&c->roomy) ? &c->mems : &c->roomy;
	bool no_size = s->need.pages <= 0 && !idset_intersects(&c->t->merged, &c->mems);
	bool home = !idset_empty(&c->limits->last_nodes), device = !idset_empty(&c->in->device_nodes);

	s->bare = false;
	s->pages_named = no_size && c->mems_named;
	for (unsigned int k = 0; k < s->nsites; k++) {
		struct site *x = &s->sites[k];
		const struct topo_node *node = &c->t->nodes[x->node];
		unsigned int nearest = no_size ? nearest_of(c, x->node, from) : 0;
		double bias = 0;

		x->away = nearest > 20 ? nearest - 20 : 0;
		s->bare |= x->away > 0;
		if (device)
			bias += BIAS_DEVICE * device_distance(c, x->node);
		if (home && !idset_has(&c->limits->last_nodes, node->id))
			bias += BIAS_HOME;
		if (s->need.memory && !node->mem_known)
			bias += BIAS_UNKNOWN;
		x->bias = bias > 0 ? (int64_t)(bias * 1e6) : 0;
		x->slow = slowness(c, node);
	}
	return find_homes(c, from);
}

static int find_sites(struct choice *c)
{
	struct search *s = &c->search;

	s->nsites = 0;
	c->emptiness = (struct emptiness){ 0 };
	idset_clear(&c->roomy);
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
			idset_add(&c->roomy, node->id);
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

/*
 * Threads run where CPU is free, up to the request. Pages lie where memory is available; if no size is requested, on
 * the nodes of the threads that are not full.
 */
static void weigh_sites(struct search *s)
{
	for (unsigned int i = 0; i < s->nsites; i++) {
		struct site *x = &s->sites[i];

		x->weight = (x->room < s->need.room ? x->room : s->need.room) >> 10;
		x->mem_weight = s->need.pages > 0 ? pages_of(s, x) : x->away || s->pages_named ? 0 : x->weight;
	}
}

static int huge_index(const struct topology *t, uint64_t size)
{
	for (unsigned int h = 0; h < t->nhuge; h++)
		if (t->huge_size[h] == size)
			return (int)h;
	return -1;
}

static int need_huge(struct choice *c, uint64_t size, uint64_t pages, struct error *err)
{
	int h = huge_index(c->t, size);

	if (h < 0)
		return error_set(err, -ENOSPC, "limits.memory.hugepages: no hugepages of %s on this machine",
				 size ? size_text(size).text : "the default size");
	c->search.need.huge[h] += pages;
	return 0;
}

static void add_up_need(struct choice *c)
{
	struct need *need = &c->search.need;

	need->pages = (double)need->memory;
	for (unsigned int h = 0; h < c->t->nhuge; h++)
		need->pages += (double)need->huge[h] * (double)c->t->huge_size[h];
}

static int find_need(struct choice *c, struct error *err)
{
	const struct request *req = c->req;
	struct need *need = &c->search.need;
	int r;

	memset(need, 0, sizeof(*need));
	need->count = req->cpu_count;
	need->memory = c->limits->memory;
	if (req->huge_memory) {
		uint64_t size = c->t->huge_default ? c->t->huge_default : c->t->huge_size[0];

		r = need_huge(c, size, size ? (c->limits->memory + size - 1) / size : 0, err);
		if (r < 0)
			return r;
		need->memory = 0;
	}
	for (unsigned int i = 0; i < req->nhuge; i++) {
		r = need_huge(c, req->huge[i].size, c->limits->huge_count[i], err);
		if (r < 0)
			return r;
	}
	add_up_need(c);
	c->asked = c->sought = *need;
	return 0;
}

/* Refuses hugepages that are free on nodes but reserved by mappings; the kernel counts reservations machine-wide. */
static int check_reserved_pages(const struct choice *c, struct error *err)
{
	for (unsigned int h = 0; h < c->t->nhuge; h++) {
		uint64_t need = c->search.need.huge[h], left, there = 0;

		if (!need || !c->t->huge_reserved[h])
			continue;
		left = usage_huge_left(c->in->usage, c->t, h);
		for (unsigned int i = 0; i < c->t->nnodes; i++)
			there += c->t->nodes[i].huge_free[h];
		if (left < need && there >= need)
			return error_set(err, -ENOSPC,
					 "limits.memory.hugepages: %llu pages of %s requested, %llu available (%llu free, of which "
					 "%llu are reserved by running programs)",
					 (unsigned long long)need, size_text(c->t->huge_size[h]).text,
					 (unsigned long long)left, (unsigned long long)there,
					 (unsigned long long)c->t->huge_reserved[h]);
	}
	return 0;
}

/* Reduces the count to the candidates, and reports it. */
static void clamp_count(struct choice *c)
{
	struct need *need = &c->search.need;

	if (need->count > c->ncandidates && !c->req->exclusive) {
		struct left_out_text causes = c->why ? left_out(c, true) : (struct left_out_text){ "" };

		reasons_add(c->why, "limits.cpu: %u requested, %u available; using all %u%s%.90s%s", need->count,
			    c->ncandidates, c->ncandidates, causes.text[0] ? " (" : "", causes.text, causes.text[0] ? ")" : "");
		need->count = c->ncandidates;
	}
	need->room = (int64_t)(need->count ? need->count : 1) * LOAD_ONE;
}

/* No set has enough free CPUs for a shared request: counts capacity instead, and load decides. */
static void crowd(struct choice *c)
{
	struct search *s = &c->search;

	s->need.overcommit = true;
	s->taste.cpu = TASTE_CROWDED;
	for (unsigned int i = 0; i < s->nsites; i++)
		s->sites[i].room = (int64_t)s->sites[i].ncpus * LOAD_ONE;
	weigh_sites(s);
}

/*
 * taste.keep: with many nodes, keeping some costs little; with two, much. While most of the machine is free, few
 * later requests need what is kept. @mean: mean of the nodes' free shares.
 */
static double keep_of(double nodes, double mean)
{
	double others = 1 - 1 / nodes;
	double used = (1 - mean) * (1 - mean);

	return others * (KEEP_IDLE + (KEEP * others - KEEP_IDLE) * used);
}

/*
 * Balance 100 is worst fit, where evenness decides regardless of distance; 50 was chosen by benchmark; 0 is best fit,
 * which packs containers. @keep: the value at 50.
 */
static void balance_taste(unsigned int balance, double keep, struct taste *t)
{
	double away = ((double)balance - 50) / 50;
	double steep = away * away * away * away;
	double whole = keep > 1 ? keep : 1; /* up to this keep, evenness has its full weight */

	t->cpu = TASTE_CPU;
	t->memory = TASTE_MEMORY;
	t->keep = keep;
	if (away >= 0) {
		t->keep *= 1 - away;
		t->cpu *= 1 + 1000 * steep;
		t->memory *= 1 + 1000 * steep;
	} else {
		t->keep += (KEEP_MOST - keep) * away * away;
		t->cpu /= t->keep > whole ? t->keep / whole : 1;
	}
}

static void set_taste(struct choice *c)
{
	struct taste *t = &c->search.taste;
	const struct emptiness *e = &c->emptiness;
	double mean = e->nodes > 0 ? e->share / e->nodes : 0;

	t->nodes = e->nodes > 0 ? e->nodes : 1;
	balance_taste(c->in->policy->balance, keep_of(t->nodes, mean), t);
	t->mean = mean - t->keep * mean * mean * mean;
	t->step = e->cpus > 0 ? (double)c->search.need.room / LOAD_ONE * e->nodes / e->cpus : 1;
}

static int search_once(struct choice *c)
{
	search_free(&c->search);
	if (find_sites(c) < 0)
		return -ENOMEM;
	clamp_count(c);
	weigh_sites(&c->search);
	c->search.need.overcommit = false;
	set_taste(c);
	c->search.want_second = c->why != NULL;
	if (!c->ncandidates)
		return -ENOSPC;
	return search_run(&c->search);
}

/* Bit mask of the kinds of cores that the request's class allows. */
static unsigned int wanted_kinds(const struct choice *c)
{
	if (c->kinds.n == 1)
		return KINDS_ALL;
	switch (c->req->cpu_class) {
	case CLASS_PERFORMANCE:
		return 1;
	case CLASS_EFFICIENT:
		return KINDS_ALL & ~1U;
	default:
		return KINDS_ALL;
	}
}

/*
 * Searches each kind of cores alone, fastest first, so that slowdown is weighed against distance. Kinds are mixed if
 * no kind suffices alone, or if mixing takes fewer nodes and costs less by more than COST_MIXED.
 */
static int search_kinds(struct choice *c)
{
	struct search *s = &c->search;
	unsigned int wanted = wanted_kinds(c), best = 0, nodes = 0;
	double cost = 0;
	int r = -ENOSPC;

	for (unsigned int k = 0; c->kinds.n > 1 && c->req->cpu_count && k < c->kinds.n && nodes != 1; k++) {
		if (!(wanted >> k & 1))
			continue;
		find_candidates(c, 1U << k);
		if (s->need.count > c->ncandidates)
			continue;
		r = search_once(c);
		if (r < 0 && r != -ENOSPC)
			return r;
		if (r == 0 && (!best || s->best.cost < cost)) {
			best = 1U << k;
			cost = s->best.cost;
			nodes = s->best.n;
		}
	}
	if (nodes != 1) {
		if (c->kinds_wanted != wanted)
			find_candidates(c, wanted);
		r = search_once(c);
		if (r == 0 && (!best || (s->best.n < nodes && s->best.cost + COST_MIXED < cost)))
			return 0;
	}
	if (!best)
		return r;
	if (c->kinds_wanted == best && s->best.n)
		return 0;
	find_candidates(c, best);
	return search_once(c);
}

/*
 * If all non-isolated cores that no container holds are free, and an exclusive container would take the last of them,
 * excludes one core for other containers and the host.
 */
static int keep_core(struct choice *c)
{
	const struct topology *t = c->t;
	cleanup_free bool *takes = NULL; /* by core: this container could take it */
	cleanup_free unsigned int *threads = NULL; /* by core: CPUs that it could take of it */
	unsigned int nfree = 0;
	int kept = -1; /* the core with the fewest CPUs to take, then the lowest CPU id */

	for (unsigned int i = 0; c->kept_core >= 0 && i < t->ncpus; i++)
		if (t->cpus[i].core == c->kept_core)
			c->free_core[i] = true;
	c->kept_core = -1;
	if (!c->req->exclusive || c->isolated || c->in->whole || !idset_intersects(&t->online, &t->isolated))
		return 0;
	takes = calloc(t->ncores + 1, sizeof(*takes));
	threads = calloc(t->ncores + 1, sizeof(*threads));
	if (!takes || !threads)
		return -ENOMEM;
	for (unsigned int i = 0; i < t->ncpus; i++) {
		takes[t->cpus[i].core] |= c->candidate[i] && c->free_core[i];
		threads[t->cpus[i].core] += c->candidate[i];
	}
	for (unsigned int i = 0; i < t->ncpus; i++) {
		const struct topo_cpu *cpu = &t->cpus[i];

		if (idset_has(&t->isolated, cpu->id) || c->in->usage->exclusive[cpu->id])
			continue;
		if (!takes[cpu->core])
			return 0; /* this core is left to others in any case */
		nfree += c->candidate[i];
		if (kept < 0 || threads[cpu->core] < threads[t->cpus[kept].core] ||
		    (threads[cpu->core] == threads[t->cpus[kept].core] && cpu->id < t->cpus[kept].id))
			kept = (int)i;
	}
	if (kept < 0 || (!c->req->cpu_listed && c->sought.count + threads[t->cpus[kept].core] <= nfree))
		return 0;
	c->kept_core = t->cpus[kept].core;
	for (unsigned int i = 0; i < t->ncpus; i++)
		if (t->cpus[i].core == c->kept_core)
			c->free_core[i] = false;
	return 0;
}

/* Selects the pool of CPUs: the isolated ones, or the others. */
static int enter_pool(struct choice *c, bool isolated)
{
	c->isolated = isolated;
	c->search.need = c->sought;
	allow_cpus(c);
	free(steal_ptr(c->first_thread));
	if (c->req->one_thread && find_first_threads(c) < 0)
		return -ENOMEM;
	find_candidates(c, wanted_kinds(c));
	return keep_core(c);
}

static int search_pools(struct choice *c)
{
	int r = search_kinds(c);

	if (r != -ENOSPC || !c->req->exclusive || c->isolated || c->req->cpu_class != CLASS_ANY ||
	    !idset_intersects(&c->t->online, &c->t->isolated))
		return r;
	r = enter_pool(c, true);
	if (r == 0)
		r = search_kinds(c);
	if (r == 0)
		reasons_add(c->why, "limits.cpu.exclusive: on isolated CPUs, as too few others are free");
	if (r != -ENOSPC)
		return r;
	r = enter_pool(c, false);
	return r < 0 ? r : search_kinds(c);
}

/* Load per CPU before the placement, of the best set or of all sites. */
static double crowding(const struct search *s, bool all)
{
	double load = 0, cpus = 0;

	for (unsigned int i = 0; i < (all ? s->nsites : s->best.n); i++) {
		const struct site *x = &s->sites[all ? i : s->best.site[i]];

		load += (double)x->load / LOAD_ONE;
		cpus += x->ncpus;
	}
	return cpus > 0 ? load / cpus : 0;
}

/* A larger set is taken if a smaller one has this much more load per CPU than the machine. */
#define CROWDED_MORE (1.0 / 3)

/*
 * Searches an overcommitted set: the smallest that has the CPUs, unless other nodes are much less loaded. A node that
 * lost a few CPUs to exclusive containers would otherwise stay idle beside one that is used several times over.
 */
static int search_crowded(struct choice *c)
{
	struct search *s = &c->search;
	int64_t room = s->need.room, all = 0;
	int r = search_run(s);

	for (unsigned int i = 0; i < s->nsites; i++)
		all += s->sites[i].room;
	while (r == 0 && crowding(s, false) > crowding(s, true) + CROWDED_MORE) {
		struct sums sum;

		search_sums(s, s->best.site, s->best.n, &sum);
		if (sum.room >= all)
			break;
		s->need.room = sum.room + LOAD_ONE;
		search_free(s);
		r = search_run(s);
	}
	s->need.room = room;
	return r;
}

static int choose_nodes(struct choice *c, struct error *err)
{
	int r = search_pools(c);

	if (r != -ENOSPC)
		return r < 0 ? error_errno(err, r, "selection") : 0;
	if (!c->ncandidates)
		return no_candidates(c, err);
	if (c->search.need.memory && c->req->policy == POLICY_PREFERRED) {
		uint64_t asked = c->search.need.memory;

		c->search.need.memory = c->asked.memory = 0;
		add_up_need(c);
		r = search_once(c);
		if (r == 0) {
			reasons_add(c->why, "limits.memory: no set of nodes has %s: policy preferred allows it to spill",
				    size_text(asked).text);
			return 0;
		}
	}
	if (c->req->exclusive)
		return refuse(c, err);
	crowd(c);
	r = search_crowded(c);
	if (r == -ENOSPC)
		return refuse(c, err);
	if (r < 0)
		return error_errno(err, r, "selection");
	reasons_add(c->why, "no set of nodes has %u CPUs free: CPUs are shared with others",
		    c->search.need.count ? c->search.need.count : 1);
	return 0;
}

/* Checks that each listed CPU exists and may be given. */
static int check_list(struct choice *c, struct error *err)
{
	const struct request *req = c->req;
	struct idset nodes, missing;

	idset_foreach(id, &req->cpu_list) {
		int i = topology_find_cpu(c->t, id);

		if (i < 0)
			return error_set(err, -EINVAL, "limits.cpu: CPU %d of \"%s\" is %s (CPUs %s)", id,
					 list_text(&req->cpu_list).text,
					 idset_has(&c->t->offline, (unsigned int)id) ? "offline" : "not present",
					 list_text(&c->t->online).text);
		if (!c->candidate[i] || !idset_has(&c->nodes, c->t->nodes[c->t->cpus[i].node].id))
			return refuse_listed(c, (unsigned int)i, err);
		if (req->exclusive && c->t->cpus[i].core == c->kept_core)
			return error_set(err, -ENOSPC,
					 "limits.cpu: CPU %d is on the last core that is not isolated: the host needs it",
					 id);
		if (req->exclusive && !c->free_core[i])
			return refuse_core(c, (unsigned int)i, err);
	}
	topology_nodes_of(c->t, &req->cpu_list, &nodes);
	missing = req->nodes;
	idset_and(&missing, &c->t->cpu_nodes);
	idset_andnot(&missing, &nodes);
	if (req->all_nodes && !idset_empty(&missing))
		return error_set(err, -EINVAL, "limits.cpu: \"%s\": no CPU of nodes %s, limits.cpu.nodes requires all",
				 list_text(&req->cpu_list).text, list_text(&missing).text);
	return 0;
}

/* Sets the best set without a search: sites with candidates, or those of @nodes. */
static int give_sites(struct choice *c, const struct idset *nodes, struct error *err)
{
	struct search *s = &c->search;

	if (find_sites(c) < 0)
		return error_errno(err, -ENOMEM, "selection");
	clamp_count(c);
	weigh_sites(s);
	set_taste(c);
	s->best.site = calloc(s->nsites + 1, sizeof(*s->best.site));
	if (!s->best.site)
		return error_errno(err, -ENOMEM, "selection");
	for (unsigned int i = 0; i < s->nsites; i++)
		if (nodes ? idset_has(nodes, c->t->nodes[s->sites[i].node].id) : s->sites[i].ncpus > 0)
			s->best.site[s->best.n++] = (uint16_t)i;
	return 0;
}

/* Checks that the chosen nodes have the memory; if not and @add, adds the nearest nodes that do. */
static int fit_memory(struct choice *c, bool add, struct error *err)
{
	struct sums sum;
	int r = -ENOSPC;

	search_sums(&c->search, c->search.best.site, c->search.best.n, &sum);
	if (search_fits(&c->search, &sum) || c->req->policy == POLICY_PREFERRED)
		return 0;
	if (add)
		r = add_memory(c);
	return r == -ENOSPC ? refuse(c, err) : r < 0 ? error_errno(err, r, "selection") : 0;
}

/* For listed CPUs: their nodes, plus the nearest memory as needed. */
static int choose_listed(struct choice *c, struct error *err)
{
	int r = check_list(c, err);

	if (r == 0)
		r = give_sites(c, NULL, err);
	if (r < 0)
		return r;
	c->search.need.overcommit = true; /* the request named them, whatever else runs there */
	c->search.need.room = 0;
	return fit_memory(c, true, err);
}

/*
 * Nodes chosen by Incus: reserved ones are left out, but at least one must remain. CPUs that the container lists by
 * number are refused if reserved, as everywhere.
 */
static int check_reserved(const struct choice *c, struct error *err)
{
	const struct select_policy *policy = c->in->policy;

	if (c->req->cpu_listed)
		idset_foreach(id, &c->req->cpu_list) {
			int i = topology_find_cpu(c->t, id);

			if (idset_has(&policy->reserved_cpus, (unsigned int)id))
				return error_set(err, -ENOSPC, "limits.cpu: CPU %d is reserved", id);
			if (i >= 0 && idset_has(&policy->reserved_nodes, c->t->nodes[c->t->cpus[i].node].id))
				return error_set(err, -ENOSPC, "limits.cpu: CPU %d is on node %u, which is reserved", id,
						 c->t->nodes[c->t->cpus[i].node].id);
		}
	if (idset_empty(&c->nodes))
		return error_set(err, -ENOSPC, "limits.cpu.nodes: nodes %s were chosen, but nodes %s are reserved",
				 list_text(&c->req->nodes).text, list_text(&policy->reserved_nodes).text);
	return 0;
}

/* Uses all nodes that the engine chose, if memory and hugepages fit there. */
static int choose_whole(struct choice *c, struct error *err)
{
	int r = check_reserved(c, err);


	if (r < 0)
		return r;
	if (!c->ncandidates)
		return no_candidates(c, err);
	r = give_sites(c, &c->nodes, err);
	if (r < 0)
		return r;
	c->search.need.overcommit = true; /* whatever else runs there */
	c->search.need.room = 0;
	return fit_memory(c, c->mems_elsewhere, err);
}

/* Number of nodes of the set with candidate CPUs; @none: requested nodes that have no candidate. */
static unsigned int count_nodes(const struct choice *c, struct idset *none)
{
	const struct search *s = &c->search;
	unsigned int n = 0;

	*none = c->req->nodes;
	idset_and(none, &c->t->cpu_nodes);
	for (unsigned int i = 0; i < s->best.n; i++)
		if (s->sites[s->best.site[i]].ncpus) {
			idset_del(none, c->t->nodes[s->sites[s->best.site[i]].node].id);
			n++;
		}
	return n;
}

/* Refuses "all:" because nodes @none have no candidate; counts the CPUs of these nodes only. */
static int refuse_all(const struct choice *c, const struct idset *none, struct error *err)
{
	struct request these = *c->req;
	struct choice there = *c;
	struct left_out_text causes;

	these.nodes = *none;
	there.req = &these;
	causes = left_out(&there, false);
	return error_set(err, -ENOSPC, "limits.cpu.nodes: \"all:%s\": no CPU left on nodes %s%s%s",
			 list_text(&c->req->nodes).text, list_text(none).text, causes.text[0] ? ": " : "", causes.text);
}

/* For "all:": CPUs on each of the named nodes. */
static int choose_all(struct choice *c, struct error *err)
{
	struct search *s = &c->search;
	struct idset none;
	unsigned int n;
	bool room = true;
	struct sums sum;
	int r = give_sites(c, &c->req->nodes, err);

	if (r < 0)
		return r;
	n = count_nodes(c, &none);
	if (!idset_empty(&none))
		return refuse_all(c, &none, err);
	if (s->need.count && s->need.count < n)
		return error_set(err, -EINVAL, "limits.cpu: %u %s cannot be on each of %u nodes (limits.cpu.nodes)",
				 s->need.count, c->req->one_thread ? "cores" : "CPUs", n);
	search_sums(s, s->best.site, s->best.n, &sum);
	for (unsigned int i = 0; i < s->best.n; i++)
		room &= !s->sites[s->best.site[i]].ncpus || s->sites[s->best.site[i]].room >= LOAD_ONE;
	if (!room || sum.room < s->need.room) {
		if (c->req->exclusive)
			return refuse(c, err);
		crowd(c);
		reasons_add(c->why, "these nodes do not have %u CPUs free: CPUs are shared with others",
			    s->need.count ? s->need.count : 1);
	}
	return fit_memory(c, c->mems_elsewhere, err);
}

static struct spread_input spread_of(const struct choice *c)
{
	return (struct spread_input){
		.in = c->in,
		.search = &c->search,
		.candidate = c->candidate,
		.free_core = c->free_core,
		.kinds = &c->kinds,
		.one_thread = c->req->one_thread,
		.each = c->req->all_nodes,
	};
}

/* The scheduler does not migrate threads between isolated CPUs, so several threads may share one. */
static void warn_isolated(struct choice *c, const struct placement *out)
{
	struct idset isolated = c->t->isolated;

	idset_and(&isolated, &out->share.cpus);
	if (idset_empty(&isolated) || idset_count(&out->share.cpus) == 1)
		return;
	c->warnings |= 1U << WARN_ISOLATED;
	reasons_add(c->why, "warning: CPUs %.80s are isolated: the kernel does not balance load over these",
		    list_text(&isolated).text);
}

static int settle(struct choice *c, struct placement *out, struct error *err)
{
	struct spread_input in = spread_of(c);
	bool all = c->req->cpu_listed || c->in->whole;
	unsigned int count = c->search.need.count;
	int r;

	out->policy = c->req->policy;
	out->overcommitted = c->search.need.overcommit && !all;
	if (all) {
		/* count 0: spread_cpus() takes all candidates */
		c->search.need.count = 0;
	}
	r = spread_cpus(&in, out);
	if (r < 0)
		return error_errno(err, r, "selection");
	if (all)
		out->share.count = c->req->cpu_listed ? c->req->cpu_count : count ? count : 1;
	topology_nodes_of(c->t, &out->share.cpus, &out->nodes);
	r = settle_mems(c, out, err);
	if (r < 0)
		return r;
	warn_isolated(c, out);
	out->warnings = c->warnings;
	c->search.need.memory = c->asked.memory;
	memcpy(c->search.need.huge, c->asked.huge, sizeof(c->asked.huge));
	r = spread_memory(&in, out);
	return r < 0 ? error_errno(err, r, "selection") : 0;
}

/* Memory on nodes named separately (limits.memory.nodes) must suffice by itself; CPUs are chosen near it. */
static int check_named_memory(struct choice *c, struct error *err)
{
	struct need *need = &c->search.need;
	struct sums sum = { 0 };

	if (!c->mems_named)
		return 0;
	if (find_sites(c) < 0)
		return error_errno(err, -ENOMEM, "selection");
	for (unsigned int i = 0; i < c->search.nsites; i++) {
		sum.avail += c->search.sites[i].avail;
		for (unsigned int h = 0; h < c->t->nhuge; h++)
			sum.huge[h] += c->search.sites[i].huge[h];
	}
	if (!search_fits(&c->search, &sum) && c->req->policy != POLICY_PREFERRED)
		return refuse(c, err);
	need->memory = 0;
	memset(need->huge, 0, sizeof(need->huge));
	add_up_need(c);
	c->sought = *need;
	return 0;
}

/* Isolated CPUs are used only for containers that request them, by class or by a pin to isolated CPUs only. */
static bool wants_isolated(const struct choice *c)
{
	struct idset pin = c->limits->pin_cpus;

	idset_and(&pin, &c->t->online);
	return c->req->cpu_class == CLASS_ISOLATED ||
	       (c->req->cpu_class == CLASS_ANY && !idset_empty(&pin) && idset_subset(&pin, &c->t->isolated));
}

/* Determines everything that does not depend on the search. */
static int prepare(struct choice *c, struct error *err)
{
	int r;

	r = allow_nodes(c, err);
	if (r < 0)
		return r;
	r = choose_mems(c, err);
	if (r < 0)
		return r;
	kinds_find(c->t, &c->kinds);
	r = find_need(c, err);
	if (r == 0 && !c->in->whole)
		r = check_reserved_pages(c, err);
	if (r < 0)
		return r;
	if (c->req->exclusive || c->req->one_thread || c->t->cores_cross) {
		c->free_core = spread_free_cores(c->in);
		if (!c->free_core)
			return error_errno(err, -ENOMEM, "selection");
	}
	r = enter_pool(c, wants_isolated(c));
	if (r < 0)
		return error_errno(err, r, "selection");
	for (unsigned int i = 0; i < c->req->ndevices; i++)
		if (c->in->devices_unknown >> i & 1)
			reasons_add(c->why,
				    "limits.cpu.device: \"%s\": the kernel reports no node for it: ignored",
				    quote(c->req->device[i]).text);
	if (c->kinds.n == 1 && (c->req->cpu_class == CLASS_PERFORMANCE || c->req->cpu_class == CLASS_EFFICIENT))
		reasons_add(c->why, "limits.cpu.class: all cores of this machine are of one kind");
	return check_named_memory(c, err);
}

static int choose(struct choice *c, struct placement *out, struct error *err)
{
	struct placement placed = { 0 };
	int r = prepare(c, err);

	if (r < 0)
		return r;
	if (c->in->whole)
		r = choose_whole(c, err);
	else if (c->req->cpu_listed)
		r = choose_listed(c, err);
	else
		r = c->req->all_nodes ? choose_all(c, err) : choose_nodes(c, err);
	if (r < 0)
		return r;
	if (!c->req->cpu_listed && !c->in->whole)
		explain_choice(c);
	r = settle(c, &placed, err);
	if (r < 0) {
		placement_free(&placed);
		return r;
	}
	*out = placed;
	return 0;
}

void constraints_init(struct constraints *c, const struct request *r)
{
	c->limited = false;
	c->pin_cpus = r->pin_cpus;
	c->pin_mems = r->pin_mems;
	c->last_nodes = r->last_nodes;
	c->last_mems = r->last_mems;
	c->memory = r->memory;
	for (unsigned int i = 0; i < HUGE_REQUEST_MAX; i++)
		c->huge_count[i] = r->huge[i].count;
	c->cut[0] = '\0';
}

/* Without other limits than those of the request. Not inlined, as their sets take some KiB of stack. */
static own_frame int select_unlimited(const struct select_input *in, struct placement *out, struct reasons *why,
				      struct error *err)
{
	struct select_input limited = *in;
	struct constraints limits;

	constraints_init(&limits, in->request);
	limited.limits = &limits;
	return select_placement(&limited, out, why, err);
}

int select_placement(const struct select_input *in, struct placement *out, struct reasons *why, struct error *err)
{
	struct choice c = {
		.in = in, .t = in->topology, .req = in->request, .limits = in->limits, .why = why, .kept_core = -1
	};
	int r = -ENOMEM;

	if (!in->limits)
		return select_unlimited(in, out, why, err);
	if (why)
		for (unsigned int i = 0; i < in->topology->nwarnings; i++)
			reasons_add(why, "%s", in->topology->warnings[i]);
	c.search.topology = in->topology;
	c.candidate = calloc(in->topology->ncpus, sizeof(*c.candidate));
	c.search.sites = calloc(in->topology->nnodes, sizeof(*c.search.sites));
	if (in->usage->cpu_ids < in->topology->cpu_ids)
		r = error_set(err, -ERANGE, "the ledger knows %u CPUs, the machine has %u", in->usage->cpu_ids,
			      in->topology->cpu_ids);
	else if (c.candidate && c.search.sites)
		r = choose(&c, out, err);
	else
		error_errno(err, r, "selection");
	search_free(&c.search);
	free(c.search.home_near);
	free(c.search.sites);
	free(c.candidate);
	free(c.free_core);
	free(c.first_thread);
	return r;
}
