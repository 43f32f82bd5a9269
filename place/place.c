/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One placement from start to end. The ledger's lock covers the decision and the record, but not the write: a record
 * whose cgroup is not marked yet is pending, and the next call for the same container completes it.
 */
#include "place/place.h"

#include "place/admit.h"
#include "place/decide.h"
#include "place/exclusive.h"
#include "place/irq.h"
#include "place/known.h"
#include "place/marks.h"
#include "place/message.h"
#include "plugin/base/clock.h"
#include "plugin/base/util.h"
#include "plugin/ledger/counters.h"

#include <errno.h>
#include <string.h>

/*
 * Fills in all fields but the placement and its reasons. The recorded request has the pins of the cgroup, the hints
 * and the reduced memory, but not the plan, which is for this start alone.
 */
static int fill_record(const struct placing *p, const struct decision *d, struct record *out, struct error *err)
{
	const struct place_job *job = p->job;
	char *path = strdup(p->found.cgroup.path);
	const char *applied = "cpuset";

	if (!path)
		return error_errno(err, -ENOMEM, "record the placement");
	snprintf(out->id, sizeof(out->id), "%s", job->id);
	snprintf(out->runtime, sizeof(out->runtime), "%s", job->runtime);
	if (job->offered)
		applied = job->offered;
	else if (job->mems_only)
		applied = PLACE_MEMS_ONLY;
	else if (job->request.policy != POLICY_STRICT && job->applied)
		applied = job->applied;
	snprintf(out->applied, sizeof(out->applied), "%s", applied);
	out->cgroup = path;
	out->cgroup_inode = p->found.cgroup.inode;
	out->started = p->env->live.now;
	out->request = job->request;
	out->request.pin_cpus = d->limits.pin_cpus;
	out->request.pin_mems = d->limits.pin_mems;
	out->request.last_nodes = d->limits.last_nodes;
	out->request.last_mems = d->limits.last_mems;
	out->request.memory = d->limits.memory;
	for (unsigned int i = 0; i < out->request.nhuge; i++)
		out->request.huge[i].count = d->limits.huge_count[i];
	return 0;
}

/* Under the lock: chooses a placement, and records it. */
static int choose(struct placing *p, struct decision *d, struct ledger *l, struct record *out, struct error *err)
{
	struct place_env *env = p->env;
	const struct place_job *job = p->job;
	int rc;

	d->cgroup = p->found.cgroup.path;
	d->near_devices = true;
	decision_hint_home(d, l, job->runtime_class, job->id);
	liveness_look_at_few(&env->live);
	rc = ledger_sweep(l, false, err);
	irq_mend(env, l);
	*out = (struct record){ 0 };
	if (rc >= 0)
		rc = fill_record(p, d, out, err);
	if (rc == 0)
		rc = p->found.restored ? 0 : admit_plan(job, &d->limits, err);
	if (rc == 0)
		rc = nodeset_empty(&job->home) ?
			     decision_make(d, l, &out->placement, &out->reasons, err) :
			     decision_make_near(d, l, &job->home, &job->home_mems, &out->placement, &out->reasons, err);
	if (rc == 0)
		rc = admit_placement(l, d->topology, &env->conf, job, out, err);
	if (rc == 0)
		rc = record_format(out, &p->text, &p->text_len, err);
	if (rc == 0)
		rc = ledger_add_text(l, job->runtime_class, out, p->text, p->text_len, err);
	return rc;
}

/*
 * Gives a reservation the cgroup that exists now. Returns 1 with it in @out, to be applied; 0 without a reservation. One
 * that expects another cgroup is of another container with the same id.
 */
static int take_reservation(struct placing *p, struct ledger *l, struct record *out, struct error *err)
{
	const struct place_job *job = p->job;
	int rc = ledger_find_cgroup(l, job->runtime_class, job->id, 0, out, err);
	char *path;

	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	if (!record_is_expected_in(out, p->found.cgroup.path)) {
		record_free(out);
		*out = (struct record){ 0 };
		return 0;
	}
	path = strdup(p->found.cgroup.path);
	if (!path)
		return error_errno(err, -ENOMEM, "record the placement");
	free(out->cgroup);
	out->cgroup = path;
	out->cgroup_inode = p->found.cgroup.inode;
	out->started = p->env->live.now;
	rc = record_format(out, &p->text, &p->text_len, err);
	if (rc == 0)
		rc = ledger_add_text(l, job->runtime_class, out, p->text, p->text_len, err);
	return rc < 0 ? rc : 1;
}

/* Opens the ledger and locks it; @world tells the ledger which containers live. */
static int lock_ledger(struct placing *p, const struct decision *d, struct ledger_world *world, struct ledger **out,
		       struct error *err)
{
	struct place_env *env = p->env;

	liveness_init(&env->live, env->root, env->mount, env->state, d->topology, machine_boot_id(&p->machine));
	*world = liveness_world(&env->live);
	return ledger_open(env->state, d->topology, world, env->timeout_ms, out, err);
}

/* Under the lock: finds the record, or chooses and adds one. *@marked: nothing is left to write. */
static int decide(struct placing *p, struct decision *d, struct record *out, bool *marked, struct error *err)
{
	struct place_env *env = p->env;
	const struct place_job *job = p->job;
	cleanup_ledger struct ledger *l = NULL;
	struct ledger_world world;
	int rc = lock_ledger(p, d, &world, &l, err);

	if (rc < 0)
		return rc;
	rc = known_find(l, &world, job, &p->found, &d->limits, out, marked, err);
	if (rc == 0) {
		*marked = false;
		rc = take_reservation(p, l, out, err);
	}
	if (rc == 0)
		rc = choose(p, d, l, out, err);
	place_say_ledger(env, l);
	return rc < 0 ? rc : 0;
}

/* The memory nodes to write. With the policy preferred, processes may allocate on any node that is not reserved. */
static struct nodeset mems_to_write(const struct placing *p, const struct constraints *limits,
				    const struct placement *chosen)
{
	const struct nodeset *reserved = &p->env->conf.select.reserved_nodes;
	struct nodeset mems = limits->allowed_mems;

	if (chosen->policy != POLICY_PREFERRED)
		return chosen->mems;
	if (!nodeset_empty(&p->found.before.mems))
		nodeset_and(&mems, &p->found.before.mems);
	if (!nodeset_intersects(&mems, reserved))
		return (struct nodeset){ { 0 } };
	nodeset_andnot(&mems, reserved);
	return mems;
}

/* Makes the cgroup of an exclusive container a partition, and moves interrupts. The text of its record may change. */
static int enter_partition(struct placing *p, struct record *r, struct error *err)
{
	struct place_env *env = p->env;
	struct ledger_world world = liveness_world(&env->live);
	cleanup_ledger struct ledger *l = NULL;
	int rc;

	if (!exclusive_asks(r))
		return 0;
	free(steal_ptr(p->text));
	rc = ledger_open(env->state, p->machine.topology, &world, env->timeout_ms, &l, err);
	return rc < 0 ? rc : exclusive_enter(env, l, &p->found.cgroup, r, err);
}

/* Writes the cpuset, reads it back and marks the cgroup. */
static int apply(struct placing *p, const struct constraints *limits, struct record *r, struct error *err)
{
	const struct cgroup_dir *cgroup = &p->found.cgroup;
	int rc;

	if (p->job->mems_only)
		idset_clear(&p->cpus);
	else
		p->cpus = r->placement.share.cpus;
	p->mems = mems_to_write(p, limits, &r->placement);
	rc = cgroup_write_cpuset(&p->env->writer, cgroup, &p->found.before, &p->cpus, &p->mems, err);
	if (rc < 0)
		return rc;
	p->written = true;
	rc = enter_partition(p, r, err);
	if (rc == 0)
		rc = marks_set(p->env, cgroup, r, p->text, p->text_len, err);
	if (rc == 0 && !p->job->mems_only)
		cgroup_widen_affinity(p->job->pid);
	return rc;
}

static struct placing placing_begin(struct place_env *env, const struct place_job *job)
{
	struct placing p = { .env = env, .job = job, .began = clock_ns(CLOCK_MONOTONIC) };

	p.found.cgroup = CGROUP_DIR_NONE;
	return p;
}

static void undo(struct placing *p)
{
	struct error why;

	marks_remove(&p->found.cgroup, NULL);
	if (cgroup_restore_cpuset(&p->env->writer, &p->found.cgroup, &p->found.before, &why) < 0)
		place_say(p->env, "%s", why.text);
}

void place_finish(struct placing *p, int status)
{
	struct place_env *env = p->env;

	if (status == 0 && p->written && !p->job->told)
		marks_tell_systemd(env, &p->found.cgroup, NULL, &p->cpus, &p->mems);
	if (status < 0 && p->written)
		undo(p);
	if (status < 0 && p->recorded)
		place_forget(env, p->machine.topology, p->job->runtime_class, p->job->id, p->found.cgroup.inode);
	if (env->state >= 0)
		counters_add(env->state, counters_of(status), (clock_ns(CLOCK_MONOTONIC) - p->began) / 1000);
	machine_close(&p->machine);
	inspection_close(&p->found);
	free(p->text);
}

static int admit(const struct place_env *env, const struct place_job *job, struct error *err)
{
	int rc = admit_request(&env->conf, job, err);

	return rc < 0 ? rc : irq_admit(env, &job->request, err);
}

int place_container(struct place_env *env, const struct place_job *job, struct record *out, struct placing *held,
		    struct error *err)
{
	const bool huge = job->request.huge_memory || job->request.nhuge;
	struct placing own, *p = held ? held : &own;
	cleanup_record struct record r = { 0 };
	struct decision d;
	bool marked = false;
	int rc;

	*p = placing_begin(env, job);
	rc = place_open(env, PLACE_WRITE, err);
	if (rc == 0) /* 1. admit: what the request alone forbids */
		rc = admit(env, job, err);
	if (rc == 0) /* 2. machine: its topology, cached or read */
		rc = machine_read(&p->machine, env, true, huge, err);
	if (rc == 0)
		rc = decision_begin(&d, env, p->machine.topology, &job->request, err);
	d.whole = job->mems_only;
	if (rc == 0) /* 3. inspect: the container's cgroup, and what it allows */
		rc = inspect_cgroup(&p->found, env, job, d.topology, &d.limits, err);
	if (rc == 0) /* not before: a refusal leaves no state folder behind */
		rc = place_open(env, PLACE_CREATE, err);
	if (rc == 0)
		rc = place_need_state(env, err);
	if (rc == 0) { /* 4. decide: under the ledger's lock, the record of an earlier call, or a new one */
		rc = decide(p, &d, &r, &marked, err);
		machine_keep(&p->machine, env);
	}
	if (rc == 0 && !marked) { /* 5. apply: write, read back, mark */
		p->recorded = true;
		rc = apply(p, &d.limits, &r, err);
	}
	if (rc == 0 && out) {
		*out = r;
		r = (struct record){ 0 };
	}
	if (!held) /* 6. done or undone */
		place_finish(p, rc);
	return rc;
}

/* Under the lock: an earlier reservation of this id is replaced. */
static int reserve(struct placing *p, struct decision *d, struct record *out, struct error *err)
{
	struct place_env *env = p->env;
	const struct place_job *job = p->job;
	cleanup_ledger struct ledger *l = NULL;
	struct ledger_world world;
	int rc = lock_ledger(p, d, &world, &l, err);

	if (rc < 0)
		return rc;
	rc = ledger_remove_cgroup(l, job->runtime_class, job->id, 0, err);
	if (rc == 0 || rc == -ENOENT)
		rc = choose(p, d, l, out, err);
	place_say_ledger(env, l);
	return rc;
}

int place_reserve(struct place_env *env, const struct place_job *job, const char *cgroup, struct record *out,
		  struct error *err)
{
	const bool huge = job->request.huge_memory || job->request.nhuge;
	cleanup_record struct record r = { 0 };
	struct placing p;
	struct decision d;
	int rc;

	p = placing_begin(env, job);
	rc = place_open(env, PLACE_WRITE, err);
	if (rc == 0)
		rc = admit(env, job, err);
	if (rc == 0)
		rc = machine_read(&p.machine, env, true, huge, err);
	if (rc == 0)
		rc = decision_begin(&d, env, p.machine.topology, &job->request, err);
	d.whole = job->mems_only;
	if (rc == 0)
		rc = inspect_ahead(&p.found, env, job, cgroup, d.topology, &d.limits, err);
	if (rc == 0)
		rc = place_open(env, PLACE_CREATE, err);
	if (rc == 0)
		rc = place_need_state(env, err);
	if (rc == 0) {
		rc = reserve(&p, &d, &r, err);
		machine_keep(&p.machine, env);
	}
	if (rc == 0) {
		*out = r;
		r = (struct record){ 0 };
	}
	/* A reservation is counted when its container starts. */
	if (rc < 0 && env->state >= 0)
		counters_add(env->state, counters_of(rc), (clock_ns(CLOCK_MONOTONIC) - p.began) / 1000);
	machine_close(&p.machine);
	inspection_close(&p.found);
	free(p.text);
	return rc;
}
