/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The sums of the ledger are copied, and the share of each part is added to the copy.
 */
#include "place/plan-parts.h"

#include "place/admit.h"
#include "place/decide.h"
#include "place/message.h"
#include "plugin/base/util.h"

#include <errno.h>
#include <string.h>

struct plan {
	struct place_env *env;
	const struct machine *machine;
	const struct plan_parts *parts;
	struct usage *usage;
	struct placement *out;
	struct reasons *why; /* of the largest part */
};

static bool on_one_node(const struct placement *p)
{
	return nodeset_count(&p->mems) == 1 && (nodeset_empty(&p->nodes) || nodeset_equal(&p->nodes, &p->mems));
}

/* Chooses on the node with index @i alone. */
static int choose_on(const struct decision *whole, const struct usage *usage, unsigned int i, struct placement *out,
		     struct error *err)
{
	const struct topo_node *node = &whole->topology->nodes[i];
	struct decision d = *whole;
	struct idset cpus = { { 0 } };
	struct nodeset mems = { { 0 } };

	for (unsigned int k = node->first_cpu; k < node->first_cpu + node->ncpus; k++)
		idset_add(&cpus, whole->topology->cpus[k].id);
	nodeset_add(&mems, node->id);
	if (!idset_empty(&d.limits.pin_cpus))
		idset_and(&cpus, &d.limits.pin_cpus);
	if (idset_empty(&cpus) || !node->has_memory || (!nodeset_empty(&d.limits.pin_mems) &&
							!nodeset_has(&d.limits.pin_mems, node->id)))
		return error_set(err, -ENOSPC, "node %u has no CPUs or memory for it", node->id);
	d.limits.pin_cpus = cpus;
	d.limits.pin_mems = mems;
	return decision_try(&d, usage, out, NULL, err);
}

/* It is on several nodes: finds one that has room, the nearest to those that were chosen. */
static int choose_one_node(const struct decision *d, const struct usage *usage, struct placement *p, struct error *err)
{
	const struct topology *t = d->topology;
	const int first = topology_find_node(t, nodeset_next(&p->mems, 0));
	struct nodeset tried = { { 0 } };
	struct error best = { 0 };

	for (unsigned int n = 0; n < t->nnodes; n++) {
		cleanup_placement struct placement alone = { 0 };
		unsigned int near = t->nnodes;
		struct error why;
		int rc;

		for (unsigned int i = 0; i < t->nnodes; i++)
			if (!nodeset_has(&tried, i) && (near == t->nnodes || topology_distance(t, (unsigned int)first, i) <
						       topology_distance(t, (unsigned int)first, near)))
				near = i;
		nodeset_add(&tried, near);
		rc = choose_on(d, usage, near, &alone, &why);
		if (rc == 0 && on_one_node(&alone) && !alone.overcommitted) {
			placement_free(p);
			*p = alone;
			alone = (struct placement){ 0 };
			return 0;
		}
		if (rc < 0 && rc != -ENOSPC)
			return error_set(err, rc, "%s", why.text);
		if (rc < 0 && !*best.text)
			best = why;
	}
	return error_set(err, -ENOSPC, "no node alone has room for it: %s", *best.text ? best.text : "its CPUs are in use");
}

/* Chooses part @i, near those that have been chosen. */
static int choose_part(struct plan *plan, unsigned int i, const struct nodeset *near, struct error *err)
{
	struct placement *p = &plan->out[i];
	struct reasons *why = nodeset_empty(near) ? plan->why : NULL;
	struct decision d;
	int rc = decision_begin(&d, plan->env, plan->machine->topology, &plan->parts->request[i], err);

	if (rc < 0)
		return rc;
	decision_limit_to_root(&d);
	decision_allow_held(&d, plan->usage);
	nodeset_foreach(id, near)
		if (d.devices.n < DEVICES_FOUND_MAX)
			device_nodes_add(&d.devices, 0, id);
	decision_say_cut(&d);
	rc = decision_try(&d, plan->usage, p, why, err);
	if (rc == 0 && plan->parts->one_node && !on_one_node(p))
		rc = choose_one_node(&d, plan->usage, p, err);
	if (rc == 0 && !p->overcommitted) /* that is for the caller to judge */
		decision_say_chosen(&d, p, why);
	if (rc == 0 && usage_add(plan->usage, &p->share) < 0)
		rc = error_set(err, -ERANGE, "the sums of the ledger would overflow");
	return rc;
}

static uint64_t size_of(const struct request *r)
{
	uint64_t bytes = r->memory;

	for (unsigned int i = 0; i < r->nhuge; i++)
		bytes += r->huge[i].size * r->huge[i].count;
	return bytes;
}

/* The largest part that is not chosen yet. */
static unsigned int next_part(const struct plan_parts *parts, const bool *chosen)
{
	unsigned int best = parts->n;

	for (unsigned int i = 0; i < parts->n; i++)
		if (!chosen[i] && (best == parts->n || size_of(&parts->request[i]) > size_of(&parts->request[best])))
			best = i;
	return best;
}

static int choose(struct plan *plan, struct error *err)
{
	const struct plan_parts *parts = plan->parts;
	cleanup_free bool *chosen = calloc(parts->n + 1UL, sizeof(*chosen));
	struct nodeset near = { { 0 } };
	int rc = 0;

	if (!chosen)
		return error_errno(err, -ENOMEM, "plan");
	for (unsigned int i = 0; i < parts->nothers; i++)
		if (usage_add(plan->usage, &parts->others[i]) < 0)
			place_say(plan->env, "a planned share has CPUs or nodes that this machine has not: it is not counted");
	for (unsigned int n = 0; rc == 0 && n < parts->n; n++) {
		const unsigned int i = next_part(parts, chosen);

		chosen[i] = true;
		rc = choose_part(plan, i, &near, err);
		nodeset_or(&near, &plan->out[i].mems);
		if (rc < 0 && parts->n > 1)
			error_prefix(err, rc, "%s %u", parts->what, i);
	}
	return rc;
}

/* The sums of the live containers; of none if there is no ledger. */
static int copy_usage(struct plan *plan, struct error *err)
{
	const struct topology *t = plan->machine->topology;
	cleanup_ledger struct ledger *l = NULL;
	int rc = place_look(plan->env, t, &l, err);

	if (rc < 0)
		return rc;
	plan->usage = l ? usage_copy(ledger_usage(l)) :
			  usage_new(t->cpu_ids, t->nnodes ? t->nodes[t->nnodes - 1].id + 1U : 1U);
	return plan->usage ? 0 : error_errno(err, -ENOMEM, "plan");
}

int place_plan_parts(struct place_env *env, const struct machine *machine, const struct plan_parts *parts,
		     struct placement *out, struct reasons *why, struct error *err)
{
	struct plan plan = { .env = env, .machine = machine, .parts = parts, .out = out, .why = why };
	struct error lost;
	int rc = 0;

	for (unsigned int i = 0; rc == 0 && i < parts->n; i++)
		rc = admit_claim(&env->conf, &parts->request[i], 0, err);
	if (rc < 0)
		return rc;
	if (env->real && place_need_mount(env, &lost) < 0)
		place_say(env, "%s", lost.text);
	rc = copy_usage(&plan, err);
	if (rc == 0)
		rc = choose(&plan, err);
	usage_free(plan.usage);
	return rc;
}
