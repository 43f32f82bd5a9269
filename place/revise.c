/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A container whose resources change while it runs. It stays on its nodes if they have room, and gets other ones only if
 * they have not. The runtime writes the new cpuset; the record and the mark are changed before that.
 */
#include "place/place.h"

#include "cgroup/own.h"
#include "place/admit.h"
#include "place/decide.h"
#include "place/exclusive.h"
#include "place/irq.h"
#include "place/marks.h"
#include "place/message.h"
#include "plugin/base/util.h"

#include <errno.h>
#include <string.h>

/* Whether @now claims the same as the record. A pin that is not given is not changed. */
static bool is_same(const struct request *old, const struct request *now)
{
	if (old->cpu_count != now->cpu_count || old->cpu_listed != now->cpu_listed || old->memory != now->memory ||
	    old->huge_memory != now->huge_memory || old->nhuge != now->nhuge || old->nodes_mode != now->nodes_mode)
		return false;
	for (unsigned int i = 0; i < now->nhuge; i++)
		if (old->huge[i].size != now->huge[i].size || old->huge[i].count != now->huge[i].count)
			return false;
	return idset_equal(&old->cpu_list, &now->cpu_list) && nodeset_equal(&old->nodes, &now->nodes) &&
	       (idset_empty(&now->pin_cpus) || idset_equal(&old->pin_cpus, &now->pin_cpus)) &&
	       (nodeset_empty(&now->pin_mems) || nodeset_equal(&old->pin_mems, &now->pin_mems));
}

/* The new record has the identity of the old one, and what it can use of the request. */
static int fill_in(const struct decision *d, const struct record *old, struct record *new, struct error *err)
{
	new->request = *d->request;
	new->request.memory = d->limits.memory;
	for (unsigned int i = 0; i < new->request.nhuge; i++)
		new->request.huge[i].count = d->limits.huge_count[i];
	return record_begin(new, old, err);
}

/*
 * A partition has its CPUs whatever the runtime writes, so its CPUs are changed here. It stays as it is if it has the same
 * CPUs.
 */
static int change_partition(struct place_env *env, struct ledger *l, const struct cgroup_dir *c, const struct record *old,
			    struct record *new, struct error *err)
{
	static const struct nodeset none;
	int rc;

	exclusive_leave(env, old);
	rc = cgroup_write_cpuset(&env->writer, c, NULL, &new->placement.share.cpus, &none, err);
	return rc < 0 ? rc : exclusive_enter(env, l, c, new, err);
}

static int mark(struct place_env *env, struct ledger *l, const struct record *old, struct record *new, struct error *err)
{
	cleanup_cgroup_dir struct cgroup_dir c = CGROUP_DIR_NONE;
	int rc;

	if (record_is_reserved(new))
		return 0;
	rc = cgroup_open(env->mount, new->cgroup, &c, err);
	if (rc == 0)
		rc = own_while_placed(env->mount, new, &c, err);
	if (rc == 0 && old->partition != new->partition)
		rc = change_partition(env, l, &c, old, new, err);
	else if (rc == 0)
		rc = irq_follow(env, l, new, err);
	return rc < 0 ? rc : marks_set(env, &c, new, NULL, 0, err);
}

static int change(struct place_env *env, const struct place_job *job, struct decision *d, struct ledger *l,
		  const struct record *old, struct record *new, struct error *err)
{
	struct error lost;
	int rc;

	d->without = &old->placement.share;
	d->cgroup = old->cgroup;
	d->limits.last_mems = old->placement.mems;
	rc = fill_in(d, old, new, err);
	if (rc == 0)
		rc = decision_make_near(d, l, &old->placement.nodes, &old->placement.mems, &new->placement,
					&new->reasons, err);
	if (rc == 0)
		rc = admit_placement(l, d->topology, &env->conf, job, new, err);
	if (rc == 0 && idset_equal(&old->placement.share.cpus, &new->placement.share.cpus))
		new->partition = old->partition;
	if (rc == 0)
		rc = ledger_add(l, job->runtime_class, new, err);
	if (rc < 0)
		return rc;
	rc = mark(env, l, old, new, err);
	if (rc < 0 && ledger_add(l, job->runtime_class, old, &lost) < 0)
		place_say(env, "%s", lost.text);
	return rc;
}

static int revise(struct place_env *env, const struct place_job *job, struct machine *machine, struct decision *d,
		  struct record *out, struct error *err)
{
	cleanup_record struct record old = { 0 }, new = { 0 };
	cleanup_ledger struct ledger *l = NULL;
	struct inspection ahead = { .cgroup = CGROUP_DIR_NONE };
	struct ledger_world world;
	int rc;

	liveness_init(&env->live, env->root, env->mount, env->state, d->topology, machine_boot_id(machine));
	world = liveness_world(&env->live);
	rc = ledger_open(env->state, d->topology, &world, env->timeout_ms, &l, err);
	if (rc == 0)
		rc = ledger_find(l, job->runtime_class, job->id, &old, err);
	if (rc < 0)
		return rc;
	/* The nodes of a memory policy are fixed. */
	if (!is_same(&old.request, &job->request) && old.placement.policy == POLICY_STRICT) {
		rc = inspect_ahead(&ahead, env, job, old.cgroup, d->topology, &d->limits, err);
		if (rc == 0)
			rc = change(env, job, d, l, &old, &new, err);
		place_say_ledger(env, l);
		if (rc < 0)
			return rc;
		*out = new;
		new = (struct record){ 0 };
		return 0;
	}
	*out = old;
	old = (struct record){ 0 };
	return 0;
}

int place_revise(struct place_env *env, const struct place_job *job, struct record *out, struct error *err)
{
	const bool huge = job->request.huge_memory || job->request.nhuge;
	cleanup_machine struct machine machine = { 0 };
	struct decision d;
	int rc = place_open(env, PLACE_WRITE, err);

	if (rc == 0)
		rc = place_need_state(env, err);
	if (rc == 0)
		rc = admit_request(&env->conf, job, err);
	if (rc == 0)
		rc = machine_read(&machine, env, true, huge, err);
	if (rc == 0)
		rc = decision_begin(&d, env, machine.topology, &job->request, err);
	d.whole = job->mems_only;
	return rc < 0 ? rc : revise(env, job, &machine, &d, out, err);
}
