/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Balanced selection, from request to placement. The candidates are in candidates.c, the nodes to search in sites.c,
 * what is needed of them in need.c, the search in search.c, the choice of CPUs within nodes in spread.c, memory nodes in
 * memory.c, explanations in explain.c.
 */
#include "plugin/select/select-internal.h"

#include "plugin/base/util.h"

#include <errno.h>
#include <string.h>

#define COST_MIXED 0.1     /* of cores of several kinds: threads wait for the slowest */
#define TASTE_CROWDED 20.0 /* when CPUs must be shared, load decides */

void select_policy_init(struct select_policy *p)
{
	memset(p, 0, sizeof(*p));
	p->balance = 50;
	p->prices = &select_prices;
}

/* No set has enough free CPUs for a shared request: counts capacity instead, and load decides. */
static void crowd(struct choice *c)
{
	struct search *s = &c->search;

	s->need.overcommit = true;
	s->taste.cpu = TASTE_CROWDED;
	for (unsigned int i = 0; i < s->nsites; i++)
		s->sites[i].room = (int64_t)s->sites[i].ncpus * LOAD_ONE;
	sites_weigh(s);
}

static int search_once(struct choice *c)
{
	search_free(&c->search);
	if (sites_find(c) < 0)
		return -ENOMEM;
	need_clamp(c);
	sites_weigh(&c->search);
	c->search.need.overcommit = false;
	taste_set(c);
	c->search.want_second = c->why || c->second;
	if (!c->ncandidates)
		return -ENOSPC;
	return search_run(&c->search);
}

/* Cost of the best set without crowding, which searches of different kinds of cores compute from different CPUs. */
static double cost_of_kinds(struct search *s)
{
	double crowd = s->taste.cpu, cost;
	struct sums sum;

	search_sums(s, s->best.site, s->best.n, &sum);
	s->taste.cpu = 0;
	cost = search_cost(s, &sum);
	s->taste.cpu = crowd;
	return cost;
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
		candidates_find(c, 1U << k);
		if (s->need.count > c->ncandidates)
			continue;
		r = search_once(c);
		if (r < 0 && r != -ENOSPC)
			return r;
		if (r == 0 && (!best || cost_of_kinds(s) < cost)) {
			best = 1U << k;
			cost = cost_of_kinds(s);
			nodes = s->best.n;
		}
	}
	if (nodes != 1) {
		if (c->kinds_wanted != wanted)
			candidates_find(c, wanted);
		r = search_once(c);
		if (r == 0 && (!best || (s->best.n < nodes && cost_of_kinds(s) + COST_MIXED < cost)))
			return 0;
	}
	if (!best)
		return r;
	if (c->kinds_wanted == best && s->best.n)
		return 0;
	candidates_find(c, best);
	return search_once(c);
}

static int search_pools(struct choice *c)
{
	int r = search_kinds(c);

	if (r != -ENOSPC || !c->req->exclusive || c->isolated || c->req->cpu_class != CLASS_ANY ||
	    !idset_intersects(&c->t->online, &c->t->isolated))
		return r;
	r = candidates_enter_pool(c, true);
	if (r == 0)
		r = search_kinds(c);
	if (r == 0)
		reasons_add(c->why, "limits.cpu.exclusive: on isolated CPUs, as too few others are free");
	if (r != -ENOSPC)
		return r;
	r = candidates_enter_pool(c, false);
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
		need_add_up(c);
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
	struct nodeset nodes, missing;

	idset_foreach(id, &req->cpu_list) {
		int i = topology_find_cpu(c->t, id);

		if (i < 0)
			return error_set(err, -EINVAL, "limits.cpu: CPU %d of \"%s\" is %s (CPUs %s)", id,
					 list_text(&req->cpu_list).text,
					 idset_has(&c->t->offline, (unsigned int)id) ? "offline" : "not present",
					 list_text(&c->t->online).text);
		if (!c->candidate[i] || !nodeset_has(&c->nodes, c->t->nodes[c->t->cpus[i].node].id))
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
	nodeset_and(&missing, &c->t->cpu_nodes);
	nodeset_andnot(&missing, &nodes);
	if (req->all_nodes && !nodeset_empty(&missing))
		return error_set(err, -EINVAL, "limits.cpu: \"%s\": no CPU of nodes %s, limits.cpu.nodes requires all",
				 list_text(&req->cpu_list).text, list_text(&missing).text);
	return 0;
}

/* Sets the best set without a search: sites with candidates, or those of @nodes. */
static int give_sites(struct choice *c, const struct nodeset *nodes, struct error *err)
{
	struct search *s = &c->search;

	if (sites_find(c) < 0)
		return error_errno(err, -ENOMEM, "selection");
	need_clamp(c);
	sites_weigh(s);
	taste_set(c);
	s->best.site = calloc(s->nsites + 1, sizeof(*s->best.site));
	if (!s->best.site)
		return error_errno(err, -ENOMEM, "selection");
	for (unsigned int i = 0; i < s->nsites; i++)
		if (nodes ? nodeset_has(nodes, c->t->nodes[s->sites[i].node].id) : s->sites[i].ncpus > 0)
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
			if (i >= 0 && nodeset_has(&policy->reserved_nodes, c->t->nodes[c->t->cpus[i].node].id))
				return error_set(err, -ENOSPC, "limits.cpu: CPU %d is on node %u, which is reserved", id,
						 c->t->nodes[c->t->cpus[i].node].id);
		}
	if (nodeset_empty(&c->nodes))
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
static unsigned int count_nodes(const struct choice *c, struct nodeset *none)
{
	const struct search *s = &c->search;
	unsigned int n = 0;

	*none = c->req->nodes;
	nodeset_and(none, &c->t->cpu_nodes);
	for (unsigned int i = 0; i < s->best.n; i++)
		if (s->sites[s->best.site[i]].ncpus) {
			nodeset_del(none, c->t->nodes[s->sites[s->best.site[i]].node].id);
			n++;
		}
	return n;
}

/* Refuses "all:" because nodes @none have no candidate; counts the CPUs of these nodes only. */
static int refuse_all(const struct choice *c, const struct nodeset *none, struct error *err)
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
	struct nodeset none;
	unsigned int n;
	bool room = true;
	struct sums sum;
	int r = give_sites(c, &c->req->nodes, err);

	if (r < 0)
		return r;
	n = count_nodes(c, &none);
	if (!nodeset_empty(&none))
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

/* Memory on nodes named separately (limits.memory.nodes) must suffice by itself; CPUs are chosen near it. */
static int check_named_memory(struct choice *c, struct error *err)
{
	struct need *need = &c->search.need;
	struct sums sum = { 0 };

	if (!c->mems_named)
		return 0;
	if (sites_find(c) < 0)
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
	need_add_up(c);
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

	r = candidates_allow_nodes(c, err);
	if (r < 0)
		return r;
	r = choose_mems(c, err);
	if (r < 0)
		return r;
	kinds_find(c->t, &c->kinds);
	r = need_find(c, err);
	if (r == 0 && !c->in->whole)
		r = need_check_reserved(c, err);
	if (r < 0)
		return r;
	if (c->req->exclusive || c->req->one_thread || c->t->cores_cross) {
		c->free_core = spread_free_cores(c->in);
		if (!c->free_core)
			return error_errno(err, -ENOMEM, "selection");
	}
	r = candidates_enter_pool(c, wants_isolated(c));
	if (r < 0)
		return error_errno(err, r, "selection");
	for (unsigned int i = 0; i < c->req->ndevices; i++)
		if (c->in->devices.unknown >> i & 1)
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
	if (c->second)
		r = settle_second(c, c->second, err);
	if (r == 0)
		r = settle(c, &placed, err);
	if (r < 0) {
		placement_free(&placed);
		return r;
	}
	explain_devices(c, &placed.nodes);
	*out = placed;
	return 0;
}

void device_nodes_add_found(struct device_nodes *d, const struct request *r)
{
	for (unsigned int i = 0; r->devices_mode == DEVICES_AUTO && i < r->nfound; i++)
		d->node[d->n++] = r->found[i].node;
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

static int select_within(const struct select_input *in, struct placement *out, struct placement *second,
			 struct reasons *why, struct error *err)
{
	struct choice c = { .in = in,
			    .t = in->topology,
			    .req = in->request,
			    .limits = in->limits,
			    .why = why,
			    .second = second,
			    .kept_core = -1 };
	int r = -ENOMEM;

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

/* Without other limits than those of the request. Not inlined, as their sets take some KiB of stack. */
static __attribute__((noinline)) int select_unlimited(const struct select_input *in, struct placement *out,
						       struct placement *second, struct reasons *why, struct error *err)
{
	struct select_input limited = *in;
	struct constraints limits;

	constraints_init(&limits, in->request);
	limited.limits = &limits;
	return select_within(&limited, out, second, why, err);
}

int select_placement(const struct select_input *in, struct placement *out, struct reasons *why, struct error *err)
{
	return select_placements(in, out, NULL, why, err);
}

int select_placements(const struct select_input *in, struct placement *out, struct placement *second,
		      struct reasons *why, struct error *err)
{
	if (!in->limits)
		return select_unlimited(in, out, second, why, err);
	return select_within(in, out, second, why, err);
}
