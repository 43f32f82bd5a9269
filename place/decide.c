/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The selection and its second try.
 */
#include "place/decide.h"

#include "place/admit.h"
#include "place/claim.h"
#include "place/inspect.h"
#include "place/message.h"
#include "plugin/base/util.h"
#include "plugin/machine/device-node.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#define FEW_CONTAINERS 64 /* all of them can be queried in a millisecond */
#define SHARED "more CPUs are requested than are free: they are shared"

void decision_init(struct decision *d, struct place_env *env, struct topology *t, const struct request *request)
{
	d->env = env;
	d->topology = t;
	d->request = request;
	d->devices = (struct device_nodes){ 0 };
	d->whole = false;
	d->without = NULL;
	d->cgroup = NULL;
	d->near_devices = false;
	d->second = NULL;
	constraints_init(&d->limits, request);
}

int decision_begin(struct decision *d, struct place_env *env, struct topology *t, const struct request *request,
		   struct error *err)
{
	int rc = 0;

	decision_init(d, env, t, request);
	/* Rounded up to whole hugepages, the request may exceed the ceiling. */
	if (request->huge_memory)
		rc = admit_claim(&env->conf, request, t->huge_default, err);
	if (rc == 0)
		claim_cut_known(&d->limits, request);
	for (unsigned int i = 0; rc == 0 && i < request->ndevices; i++) {
		int node;

		rc = device_node(env->root, request->device[i], &node, err);
		if (rc == 0)
			device_nodes_add(&d->devices, i, node);
	}
	device_nodes_add_found(&d->devices, request);
	return rc;
}

void decision_again(struct decision *d)
{
	claim_cut_known(&d->limits, d->request);
	for (unsigned int i = 0; i < d->request->ndevices; i++) {
		int node;

		if (device_node(d->env->root, d->request->device[i], &node, NULL) < 0)
			node = -1;
		device_nodes_add(&d->devices, i, node);
	}
	device_nodes_add_found(&d->devices, d->request);
}

void decision_limit_to_root(struct decision *d)
{
	cleanup_cgroup_dir struct cgroup_dir root = CGROUP_DIR_NONE;

	if (!d->env->real) {
		/* a recorded machine: its files are not a cgroup filesystem */
		topology_allowed(d->env->root, d->topology, &d->limits.allowed_cpus, &d->limits.allowed_mems);
		d->limits.limited = true;
		return;
	}
	d->limits.limited = d->env->mount >= 0 && cgroup_open(d->env->mount, "/", &root, NULL) == 0 &&
		     cgroup_read_effective(&root, &d->limits.allowed_cpus, &d->limits.allowed_mems, NULL) == 0;
}

void decision_hint_home(struct decision *d, const struct ledger *l, const char *runtime_class, const char *id)
{
	if (nodeset_empty(&d->limits.last_nodes))
		ledger_home(l, runtime_class, id, &d->limits.last_nodes);
}

int decision_try(const struct decision *d, const struct usage *usage, struct placement *out, struct reasons *why,
		 struct error *err)
{
	const struct select_input in = {
		.topology = d->topology,
		.usage = usage,
		.request = d->request,
		.policy = &d->env->conf.select,
		.limits = &d->limits,
		.devices = d->devices,
		.whole = d->whole,
	};
	bool exclusive = d->request->exclusive;
	int rc = exclusive ? admit_exclusive(&d->env->conf, usage, admit_cpus_asked(d->request), err) : 0;

	if (rc < 0)
		return rc;
	if (why)
		why->n = 0;
	rc = select_placements(&in, out, d->second, why, err);
	/* Whole cores may have more CPUs than requested. */
	if (rc == 0 && exclusive)
		rc = admit_exclusive(&d->env->conf, usage, idset_count(&out->share.held), err);
	return rc;
}

/* Whether the request would fit this machine with no container placed and all memory free. */
static bool could_ever(const struct decision *d)
{
	struct topology *t = d->topology;
	cleanup_usage struct usage *none = usage_new(t->cpu_ids, t->nnodes ? t->nodes[t->nnodes - 1].id + 1U : 1U);
	cleanup_free struct topo_node *now = malloc(t->nnodes * sizeof(*now) + 1);
	cleanup_placement struct placement p = { 0 };
	struct error why;
	int rc;

	if (!none || !now)
		return true;
	memcpy(now, t->nodes, t->nnodes * sizeof(*now));
	topology_idle(t);
	rc = decision_try(d, none, &p, NULL, &why);
	memcpy(t->nodes, now, t->nnodes * sizeof(*now));
	return rc != -ENOSPC;
}

bool decision_may_improve(const struct decision *d, const struct usage *usage, int rc, const struct placement *out)
{
	if (rc == -ENOSPC)
		return could_ever(d);
	return rc == 0 && out->overcommitted && usage->containers <= FEW_CONTAINERS;
}

void decision_say_cut(const struct decision *d)
{
	if (*d->limits.cut)
		place_say(d->env, "%s", d->limits.cut);
}

/* With .whole, Incus has chosen the nodes and CPUs, and numaplace does not write the CPUs. */
static void say_reserved(const struct decision *d)
{
	struct nodeset both = d->env->conf.select.reserved_nodes;
	char text[120];

	if (!d->whole || d->request->nodes_mode != NODES_LIST || !nodeset_intersects(&both, &d->request->nodes))
		return;
	nodeset_and(&both, &d->request->nodes);
	nodeset_format(&both, text, sizeof(text));
	place_say(d->env, "nodes %s are reserved: the container gets no memory there, but may run on their CPUs", text);
}

void decision_say_chosen(const struct decision *d, const struct placement *p, struct reasons *why)
{
	if (*d->limits.cut)
		reasons_add(why, "%s", d->limits.cut);
	say_reserved(d);
	if (p->overcommitted)
		place_say(d->env, SHARED);
	for (unsigned int w = 0; w < WARNINGS; w++)
		if (p->warnings >> w & 1)
			place_say(d->env, "%s", placement_warning((enum placement_warning)w));
}

void decision_allow_held(struct decision *d, const struct usage *usage)
{
	for (unsigned int i = 0; d->limits.limited && i < usage->cpu_ids; i++)
		if (usage->exclusive[i])
			idset_add(&d->limits.allowed_cpus, i);
}

/* After a sweep: the CPUs of partitions that have ended are allowed again. */
static int see_partitions(struct decision *d, const struct ledger *l, struct error *err)
{
	int rc = 0;

	if (d->env->live.gave_back && d->cgroup)
		rc = inspect_allowed(d->env, d->cgroup, &d->limits, err);
	d->env->live.gave_back = false;
	decision_allow_held(d, ledger_usage(l));
	return rc;
}

/* After a refusal: a partition may have ended since the cgroup was read, which was before the ledger was locked. */
static bool allows_more(struct decision *d, const struct ledger *l)
{
	const struct idset before = d->limits.allowed_cpus;

	d->env->live.gave_back = true;
	return see_partitions(d, l, NULL) == 0 && !idset_subset(&d->limits.allowed_cpus, &before);
}

/* The usage without the container's own share: a copy, as the ledger's is read-only. */
static int usage_without(const struct decision *d, const struct usage *all, struct usage **copy,
			 const struct usage **out, struct error *err)
{
	*out = all;
	if (!d->without)
		return 0;
	usage_free(*copy);
	*copy = usage_copy(all);
	if (!*copy)
		return error_errno(err, -ENOMEM, "plan");
	if (usage_remove(*copy, d->without) < 0)
		return error_set(err, -ERANGE, "the ledger does not match the CPUs and memory nodes of the container");
	*out = *copy;
	return 0;
}

int decision_make(struct decision *d, struct ledger *l, struct placement *out, struct reasons *why, struct error *err)
{
	cleanup_usage struct usage *copy = NULL;
	const struct usage *usage;
	int rc = ledger_ready(l, err);

	if (rc == 0)
		rc = see_partitions(d, l, err);
	if (rc < 0)
		return rc;
	decision_say_cut(d);
	rc = usage_without(d, ledger_usage(l), &copy, &usage, err);
	if (rc == 0)
		rc = decision_try(d, usage, out, why, err);
	if (rc == -ENOSPC && d->cgroup && allows_more(d, l)) {
		placement_free(out);
		*out = (struct placement){ 0 };
		rc = decision_try(d, usage, out, why, err);
	}
	if (decision_may_improve(d, ledger_usage(l), rc, out)) {
		struct error sweep_err;
		int gone;

		d->env->live.looks = UINT_MAX;
		gone = ledger_sweep_more(l, &sweep_err);
		if (gone < 0)
			return error_set(err, gone, "%s", sweep_err.text);
		placement_free(out);
		*out = (struct placement){ 0 };
		rc = see_partitions(d, l, err);
		if (rc == 0)
			rc = usage_without(d, ledger_usage(l), &copy, &usage, err);
		if (rc == 0)
			rc = decision_try(d, usage, out, why, err);
	}
	if (rc == 0)
		decision_say_chosen(d, out, why);
	return rc;
}

/* Narrows the pins (empty: anything) to these nodes; false: they are disjoint. */
static bool narrow_to(struct decision *d, const struct nodeset *nodes, const struct nodeset *mems)
{
	const struct topology *t = d->topology;
	struct idset cpus = { { 0 } };
	struct nodeset both = *mems;

	for (unsigned int i = 0; i < t->nnodes; i++)
		for (unsigned int k = 0; nodeset_has(nodes, t->nodes[i].id) && k < t->nodes[i].ncpus; k++)
			idset_add(&cpus, t->cpus[t->nodes[i].first_cpu + k].id);
	if (!idset_empty(&d->limits.pin_cpus))
		idset_and(&cpus, &d->limits.pin_cpus);
	if (!nodeset_empty(&d->limits.pin_mems))
		nodeset_and(&both, &d->limits.pin_mems);
	d->limits.pin_cpus = cpus;
	d->limits.pin_mems = both;
	return !idset_empty(&cpus) && !nodeset_empty(&both);
}

/* The distance of node @i, an index, from the nearest one of @nodes. */
static unsigned int distance_from(const struct topology *t, const struct nodeset *nodes, unsigned int i)
{
	unsigned int least = UINT_MAX;

	for (unsigned int k = 0; k < t->nnodes; k++)
		if (nodeset_has(nodes, t->nodes[k].id) && t->distance[k * t->nnodes + i] < least)
			least = t->distance[k * t->nnodes + i];
	return least;
}

/* Hints at @nodes and their nearest neighbours. */
static void hint_near(struct decision *d, const struct nodeset *nodes)
{
	const struct topology *t = d->topology;
	unsigned int least = UINT_MAX;

	d->limits.last_nodes = *nodes;
	for (unsigned int i = 0; i < t->nnodes; i++)
		if (t->nodes[i].ncpus && !nodeset_has(nodes, t->nodes[i].id) && distance_from(t, nodes, i) < least)
			least = distance_from(t, nodes, i);
	for (unsigned int i = 0; i < t->nnodes; i++)
		if (t->nodes[i].ncpus && distance_from(t, nodes, i) <= least)
			nodeset_add(&d->limits.last_nodes, t->nodes[i].id);
}

/* Mean distance of the nodes of @p from the devices, in the unit of topology.near. */
static double distance_from_devices(const struct decision *d, const struct placement *p)
{
	const struct topology *t = d->topology;
	unsigned int n = 0;
	double sum = 0;

	for (unsigned int k = 0; k < d->devices.n; k++) {
		int device = topology_find_node(t, d->devices.node[k]);

		for (unsigned int i = 0; device >= 0 && i < t->nnodes; i++) {
			if (!nodeset_has(&p->nodes, t->nodes[i].id))
				continue;
			sum += t->near[i * t->nnodes + (unsigned int)device];
			n++;
		}
	}
	return n ? sum / n : 0;
}

/* Whether a choice among all nodes is nearer to the devices than @there, which is on @nodes alone. */
static bool devices_are_elsewhere(struct decision *d, const struct usage *usage, const struct nodeset *nodes,
				  const struct placement *there)
{
	cleanup_placement struct placement p = { 0 };
	const struct nodeset last = d->limits.last_nodes;
	struct error err;
	bool elsewhere;

	if (!d->near_devices || !d->devices.n)
		return false;
	hint_near(d, nodes);
	elsewhere = decision_try(d, usage, &p, NULL, &err) == 0 && !p.overcommitted &&
		    distance_from_devices(d, &p) < distance_from_devices(d, there);
	d->limits.last_nodes = last;
	return elsewhere;
}

int decision_make_near(struct decision *d, struct ledger *l, const struct nodeset *nodes, const struct nodeset *mems,
		       struct placement *out, struct reasons *why, struct error *err)
{
	cleanup_usage struct usage *copy = NULL;
	struct constraints wide;
	const struct usage *usage;
	int rc = ledger_ready(l, err);

	if (rc == 0)
		rc = see_partitions(d, l, err);
	wide = d->limits;
	if (rc == 0)
		rc = usage_without(d, ledger_usage(l), &copy, &usage, err);
	if (rc < 0)
		return rc;
	rc = narrow_to(d, nodes, mems) ? decision_try(d, usage, out, why, err) : -ENOSPC;
	d->limits = wide;
	/* A request for more CPUs than there are gets all of them: not here, if other nodes have more. */
	if (rc == 0 && !out->overcommitted && idset_count(&out->share.cpus) >= admit_cpus_asked(d->request) &&
	    !devices_are_elsewhere(d, usage, nodes, out)) {
		decision_say_chosen(d, out, why);
		return 0;
	}
	if (rc < 0 && rc != -ENOSPC)
		return rc;
	placement_free(out);
	*out = (struct placement){ 0 };
	hint_near(d, nodes);
	return decision_make(d, l, out, why, err);
}
