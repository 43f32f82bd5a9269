/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A decision that changes nothing, and the ledger for reading or for repair.
 */
#include "place/place.h"

#include "place/admit.h"
#include "place/decide.h"
#include "place/irq.h"
#include "place/message.h"
#include "place/move-journal.h"
#include "plugin/base/util.h"

#include <errno.h>

/* For a ledger that is only read: every record is shown where its container is. */
static struct ledger_world world_for_reading(struct place_env *env, const struct topology *t, const char *boot_id)
{
	liveness_init(&env->live, env->root, env->mount, env->state, t, boot_id);
	env->live.state = env->state;
	env->live.any_boot = !env->real;
	return liveness_world(&env->live);
}

/* Chooses on an empty ledger. */
static int plan_empty(const struct decision *d, struct placement *out, struct reasons *why, struct error *err)
{
	const struct topology *t = d->topology;
	cleanup_usage struct usage *usage = NULL;

	usage = usage_new(t->cpu_ids, t->nnodes ? t->nodes[t->nnodes - 1].id + 1U : 1U);
	if (!usage)
		return error_errno(err, -ENOMEM, "plan");
	decision_say_cut(d);
	return decision_try(d, usage, out, why, err);
}

/*
 * Chooses on a copy of the ledger: on its sums, or with @living on the live containers alone. *@better: the other way
 * may give more.
 */
static int plan_on_copy(struct decision *d, const struct ledger_world *world, bool living, const char *oci_id,
			struct placement *out, struct reasons *why, bool *better, struct error *err)
{
	cleanup_ledger struct ledger *l = NULL;
	int rc = ledger_look(d->env->state, d->topology, world, d->env->timeout_ms, !living, &l, err);

	if (rc < 0)
		return rc;
	place_say_ledger(d->env, l);
	if (oci_id)
		decision_hint_home(d, l, "oci", oci_id);
	placement_free(out);
	*out = (struct placement){ 0 };
	decision_allow_held(d, ledger_usage(l));
	rc = decision_try(d, ledger_usage(l), out, why, err);
	*better = decision_may_improve(d, ledger_usage(l), rc, out);
	return rc;
}

/* Like decision_make(): dead containers are left out of the second try instead of being dropped. */
static int plan_on_ledger(struct decision *d, const char *boot_id, const char *oci_id, struct placement *out,
			  struct reasons *why, struct error *err)
{
	struct ledger_world world = world_for_reading(d->env, d->topology, boot_id);
	bool better = false;
	int rc = plan_on_copy(d, &world, false, oci_id, out, why, &better, err);

	if (better)
		rc = plan_on_copy(d, &world, true, NULL, out, why, &better, err);
	if (rc == 0)
		decision_say_chosen(d, out, why);
	return rc;
}

int place_plan(struct place_env *env, const struct request *request, const char *oci_id, struct placement *out,
	       struct reasons *why, struct error *err)
{
	cleanup_machine struct machine machine = { 0 };
	struct decision d;
	struct error lost;
	int rc = place_open(env, PLACE_READ, err);

	if (rc == 0)
		rc = admit_claim(&env->conf, request, 0, err);
	if (rc == 0)
		rc = machine_read(&machine, env, true, request->huge_memory || request->nhuge, err);
	if (rc == 0)
		rc = decision_begin(&d, env, machine.topology, request, err);
	if (rc < 0)
		return rc;
	if (env->real && place_need_mount(env, &lost) < 0)
		place_say(env, "%s", lost.text);
	decision_limit_to_root(&d);
	rc = place_need_state(env, &lost);
	if (rc == 0)
		return plan_on_ledger(&d, machine_boot_id(&machine), oci_id, out, why, err);
	if (rc == -EINVAL)
		return error_set(err, rc, "%s", lost.text);
	if (rc != -ENOENT)
		place_say(env, "%s: planned as if no container were placed", lost.text);
	return plan_empty(&d, out, why, err);
}

static int look(struct place_env *env, const struct topology *t, struct ledger **l, struct error *err)
{
	struct ledger_world world = world_for_reading(env, t, NULL);

	return ledger_look(env->state, t, &world, env->timeout_ms, false, l, err);
}

static int open_and_repair(struct place_env *env, const struct topology *t, struct ledger **l, struct error *err)
{
	struct ledger_world world;
	int rc;

	liveness_init(&env->live, env->root, env->mount, env->state, t, NULL);
	world = liveness_world(&env->live);
	rc = ledger_open(env->state, t, &world, env->timeout_ms, l, err);
	if (rc == 0)
		rc = ledger_sweep(*l, true, err);
	if (rc < 0)
		return rc;
	move_journal_mend(env, *l);
	irq_mend(env, *l);
	return 0;
}

/* *@out is NULL if there is no state folder. */
static int open_ledger(struct place_env *env, enum place_access access, const struct topology *t, struct ledger **out,
		       struct error *err)
{
	cleanup_ledger struct ledger *l = NULL;
	int rc = place_open(env, access, err);

	if (rc == 0)
		rc = place_need_state(env, err);
	if (rc == -ENOENT) {
		*out = NULL;
		return 0;
	}
	if (rc == 0)
		rc = access == PLACE_READ ? look(env, t, &l, err) : open_and_repair(env, t, &l, err);
	if (rc < 0)
		return rc;
	place_say_ledger(env, l);
	*out = steal_ptr(l);
	return 0;
}

int place_look(struct place_env *env, const struct topology *t, struct ledger **out, struct error *err)
{
	return open_ledger(env, PLACE_READ, t, out, err);
}

int place_ledger(struct place_env *env, const struct topology *t, struct ledger **out, struct error *err)
{
	return open_ledger(env, PLACE_WRITE, t, out, err);
}
