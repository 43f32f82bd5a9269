/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One placement from start to end. The ledger's lock covers the decision and the record, but not the write: a record
 * whose cgroup is not marked yet is pending, and the next call for the same container completes it.
 */
#include "place/place.h"

#include "place/choose.h"
#include "cgroup/own.h"
#include "cgroup/systemd.h"
#include "plugin/ledger/counters.h"
#include "place/tenant.h"
#include "plugin/base/util.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define SYSTEMD_MS 1500 /* of a hook's few seconds, for systemd's answer */

/* The state of one placement. */
struct work {
	struct place_env *env;
	const struct place_job *job;
	struct choice choice;
	int mount;
	struct cgroup_dir cgroup;
	struct record *mark;  /* record found on the cgroup, of any container; NULL: none */
	struct cpuset before; /* the cgroup's cpuset, for the roll-back */
	char *text;           /* new record as text, for ledger and mark; NULL: no new record */
	size_t text_len;
};

static void work_close(struct work *w)
{
	choice_close(&w->choice);
	cgroup_dir_close(&w->cgroup);
	own_mark_free(w->mark);
	free(w->text);
	if (w->mount >= 0)
		close(w->mount);
}
#define cleanup_work __attribute__((cleanup(work_close)))

/* Only strict needs nothing but a cpuset; a hook cannot set a memory policy. */
static int check_policy(const struct place_job *job, struct error *err)
{
	const char *remedy = "needs numaplace-runtime or podman's precreate stage";

	if (job->request.policy == POLICY_STRICT || job->applied)
		return 0;
	if (strcmp(job->runtime_class, "oci") != 0)
		remedy = "not supported under this runtime, only strict is";
	return error_set(err, -ENOTSUP, "limits.memory.policy: \"%s\": %s: a hook cannot set a memory policy",
			 memory_policy_name(job->request.policy), remedy);
}

/* Intersects @pin (empty: anything) with the planned set. */
static int narrow(struct idset *pin, const struct idset *planned, const char *file, struct error *err)
{
	char want[120], have[120];
	struct idset both = *planned;

	if (idset_empty(planned))
		return 0;
	if (!idset_empty(pin))
		idset_and(&both, pin);
	if (idset_empty(&both)) {
		idset_format(planned, want, sizeof(want));
		idset_format(pin, have, sizeof(have));
		return error_set(err, -ENOSPC, "planned %s %s do not overlap the cgroup's %s", file, want, have);
	}
	*pin = both;
	return 0;
}

/* The policy has been set on the planned nodes; on other nodes it would silently have no effect. */
static int check_plan(const struct place_job *job, const struct placement *p, struct error *err)
{
	char want[120], have[120];

	if (p->policy == POLICY_STRICT || idset_empty(&job->planned_mems) || idset_equal(&job->planned_mems, &p->mems))
		return 0;
	idset_format(&job->planned_mems, want, sizeof(want));
	idset_format(&p->mems, have, sizeof(have));
	return error_set(err, -EAGAIN,
			 "limits.memory.policy: was set for nodes %s, but only %s %s available now: restart the container",
			 want, have, idset_count(&p->mems) == 1 ? "is" : "are");
}

/* Intersects @pin with the cgroup's own set. If they are disjoint, the cgroup's set wins: the kernel enforces it. */
static void add_pin(struct idset *pin, const struct idset *set)
{
	struct idset both = *pin;

	if (idset_empty(set))
		return;
	idset_and(&both, set);
	*pin = idset_empty(&both) ? *set : both;
}

/* Reads the cgroup's cpuset, and enables the controller first if necessary. */
static int read_own(struct work *w, struct error *err)
{
	cleanup_close int mount = -1;
	int rc = cgroup_read_cpuset(&w->cgroup, &w->before, err);

	if (rc != -ENOENT)
		return rc;
	rc = cgroup_mount(&mount, NULL, 0, err); /* reports the reason if the host has no cpuset */
	if (rc == 0)
		rc = cgroup_enable_cpuset(w->mount, &w->cgroup, err);
	return rc < 0 ? rc : cgroup_read_cpuset(&w->cgroup, &w->before, err);
}

/*
 * What the parent allows. A cgroup without sets of its own, as nearly all are, has the parent's as its effective ones.
 */
static int read_allowed(struct work *w, struct error *err)
{
	cleanup_cgroup_dir struct cgroup_dir parent = CGROUP_DIR_NONE;
	int rc;

	if (idset_empty(&w->before.cpus) && idset_empty(&w->before.mems)) {
		w->choice.allowed_cpus = w->before.cpus_effective;
		w->choice.allowed_mems = w->before.mems_effective;
		return 0;
	}
	rc = cgroup_parent(w->mount, &w->cgroup, &parent, err);
	return rc < 0 ? rc : cgroup_read_effective(&parent, &w->choice.allowed_cpus, &w->choice.allowed_mems, err);
}

/* Finds the container's cgroup, its cpuset, and the CPUs and nodes to choose from. */
static own_frame int find_cgroup(struct work *w, struct error *err)
{
	struct request *request = &w->choice.request;
	int rc = cgroup_mount_any(&w->mount, err);

	if (rc == 0)
		rc = cgroup_of_pid(w->mount, w->job->pid, &w->cgroup, err);
	if (rc == 0 && w->env->began)
		rc = cgroup_pid_since(w->job->pid, w->env->began, err);
	if (rc == 0)
		rc = own_at_start(w->mount, w->job->pid, w->job->runtime_class, w->job->id, w->job->inner, &w->cgroup,
				  &w->mark, err);
	if (rc == 0)
		rc = read_own(w, err);
	if (rc == 0)
		rc = read_allowed(w, err);
	if (rc == 0)
		rc = claim_cut(&w->choice, w->mount, &w->cgroup, err);
	if (rc < 0)
		return rc;
	w->choice.limited = true;
	/* If Incus writes the CPUs and the nodes are given, the present CPUs are not a pin. */
	if (!w->job->mems_only || request->nodes_mode != NODES_LIST)
		add_pin(&request->pin_cpus, &w->before.cpus);
	add_pin(&request->pin_mems, &w->before.mems);
	return 0;
}

/* Whether @mark is of this container and its runtime. */
static bool is_own(const struct work *w, const struct record *mark)
{
	return mark && strcmp(mark->runtime, w->job->runtime) == 0 &&
	       own_mark_of(mark, w->cgroup.inode, w->job->runtime_class, w->job->id) == OWN_MARK_SAME;
}

/* Reads the mark again: another hook of the same container may have set it since. */
static int is_marked(const struct work *w, bool *marked, struct error *err)
{
	cleanup_own_mark struct record *mark = NULL;
	int rc = own_read_mark(&w->cgroup, &mark, err);

	*marked = rc > 0 && own_mark_of(mark, w->cgroup.inode, w->job->runtime_class, w->job->id) == OWN_MARK_SAME;
	return rc < 0 ? rc : 0;
}

/* Prefer the previous nodes. */
static void hint_from(struct request *request, const struct record *old)
{
	if (idset_empty(&request->last_nodes))
		request->last_nodes = old->placement.nodes;
	if (idset_empty(&request->last_mems))
		request->last_mems = old->placement.mems;
}

/*
 * @old has the same id and another cgroup. If that container is dead, drop it, so that its successor may have its
 * place. If it is alive (under another --root), leave it alone.
 */
static own_frame int retire(struct work *w, struct ledger *l, struct record *old, struct error *err)
{
	bool changed;
	int rc;

	if (!*old->id || w->choice.world.ledger.life(w->choice.world.ledger.arg, old, &changed) != LIFE_GONE)
		return 0;
	hint_from(&w->choice.request, old);
	rc = ledger_remove_cgroup(l, w->job->runtime_class, w->job->id, old->cgroup_inode, err);
	return rc == -ENOENT ? 0 : rc;
}

/* Drops the container whose record is on the cgroup. It is dead: own_at_start() found this container alone there. */
static int retire_other(const struct work *w, struct ledger *l, struct error *err)
{
	const struct record *other = w->mark;
	int rc;

	if (!other)
		return 0;
	rc = ledger_remove_cgroup(l, record_class(other), other->id, other->cgroup_inode, err);
	return rc == -ENOENT ? 0 : rc;
}

/*
 * Looks up this container in the ledger, then on its cgroup. 1: @out is its record, and *@marked is whether the cgroup
 * carries it; 0: it has no record.
 */
static own_frame int known_place(struct work *w, struct ledger *l, struct record *out, bool *marked, struct error *err)
{
	cleanup_record struct record first;
	int rc;

	record_none(&first);
	rc = ledger_find(l, w->job->runtime_class, w->job->id, &first, err);
	if (rc == 0)
		rc = ledger_find_cgroup(l, w->job->runtime_class, w->job->id, w->cgroup.inode, out, err);
	if (rc == 0) {
		rc = is_marked(w, marked, err);
		return rc < 0 ? rc : 1;
	}
	if (rc != -ENOENT)
		return rc;
	if (!is_own(w, w->mark)) {
		rc = retire_other(w, l, err);
		return rc < 0 ? rc : retire(w, l, &first, err);
	}
	*out = *w->mark;
	record_none(w->mark);
	*marked = true;
	rc = ledger_add(l, w->job->runtime_class, out, err);
	return rc < 0 ? rc : 1;
}

/* Fills in all fields but the placement and its reasons. */
static int fill_record(const struct work *w, struct record *out, struct error *err)
{
	char *path = strdup(w->cgroup.path);
	const char *applied = "cpuset";

	if (!path)
		return error_errno(err, -ENOMEM, "record the placement");
	snprintf(out->id, sizeof(out->id), "%s", w->job->id);
	snprintf(out->runtime, sizeof(out->runtime), "%s", w->job->runtime);
	if (w->job->mems_only)
		applied = PLACE_MEMS_ONLY;
	else if (w->choice.request.policy != POLICY_STRICT && w->job->applied)
		applied = w->job->applied;
	snprintf(out->applied, sizeof(out->applied), "%s", applied);
	out->cgroup = path;
	out->cgroup_inode = w->cgroup.inode;
	out->started = w->choice.world.ledger.now;
	out->request = w->choice.request;
	return 0;
}

/* Chooses within the plan, if there is one; the request in the record is without it. */
static int make_choice(struct work *w, struct ledger *l, struct placement *out, struct reasons *why, struct error *err)
{
	struct request *r = &w->choice.request;
	struct idset cpus = r->pin_cpus, mems = r->pin_mems;
	int rc = check_policy(w->job, err);

	if (rc == 0)
		rc = narrow(&r->pin_cpus, &w->job->planned_cpus, "cpuset.cpus", err);
	if (rc == 0)
		rc = narrow(&r->pin_mems, &w->job->planned_mems, "cpuset.mems", err);
	if (rc == 0)
		rc = choice_make(&w->choice, l, out, why, err);
	r->pin_cpus = cpus;
	r->pin_mems = mems;
	return rc < 0 ? rc : check_plan(w->job, out, err);
}

/* Under the lock: finds the record, or chooses and adds one. *@marked: nothing is left to write. */
static int decide(struct work *w, struct ledger *l, struct record *out, bool *marked, struct error *err)
{
	int rc = known_place(w, l, out, marked, err);

	if (rc)
		return rc < 0 ? rc : 0;
	*marked = false;
	choice_hint_home(&w->choice, l, w->job->runtime_class, w->job->id);
	world_look_at_few(&w->choice.world);
	rc = ledger_sweep(l, false, err);
	if (rc < 0)
		return rc;
	record_none(out);
	out->placement = (struct placement){ 0 };
	rc = make_choice(w, l, &out->placement, &out->reasons, err);
	if (rc == 0)
		rc = fill_record(w, out, err);
	if (rc == 0)
		rc = tenant_check(l, w->choice.topology, &w->env->conf, out, err);
	if (rc == 0)
		rc = record_format(out, &w->text, &w->text_len, err);
	return rc < 0 ? rc : ledger_add_text(l, w->job->runtime_class, out, w->text, w->text_len, err);
}

static own_frame int decide_locked(struct work *w, struct record *out, bool *marked, struct error *err)
{
	cleanup_ledger struct ledger *l = NULL;
	int rc = ledger_open(w->env->state, w->choice.topology, &w->choice.world.ledger, w->env->timeout_ms, &l, err);

	if (rc < 0)
		return rc;
	machine_keep(&w->choice.machine, w->env);
	rc = decide(w, l, out, marked, err);
	place_say_ledger(w->env, l);
	return rc;
}

/* Stores the record on the cgroup; without its reasons, if an attribute cannot be that long. */
static int mark_record(const struct cgroup_dir *c, const struct record *r, const char *text, size_t len,
		       struct error *err)
{
	cleanup_free struct record *brief = NULL;
	cleanup_free char *brief_text = NULL;
	int rc = cgroup_set_xattr(c, CGROUP_XATTR_RECORD, text, len, err);

	if (rc != -E2BIG && rc != -ENOSPC && rc != -ERANGE)
		return rc;
	brief = malloc(sizeof(*brief));
	if (!brief)
		return rc;
	*brief = *r; /* a view; @r owns the pointers */
	brief->reasons.n = 0;
	rc = record_format(brief, &brief_text, &len, err);
	return rc < 0 ? rc : cgroup_set_xattr(c, CGROUP_XATTR_RECORD, brief_text, len, err);
}

static void mark_ids(const struct place_env *env, const struct cgroup_dir *c, const char *name,
		     const struct idset *ids)
{
	char text[8192];
	size_t len = idset_format_comma(ids, text, sizeof(text));
	struct error why;

	if (len < sizeof(text) && cgroup_set_xattr(c, name, text, len, &why) < 0)
		place_say(env, "%s", why.text);
}

static void mark_nodes(const struct place_env *env, const struct cgroup_dir *c, const struct placement *p)
{
	mark_ids(env, c, CGROUP_XATTR_NODES, &p->nodes);
	mark_ids(env, c, CGROUP_XATTR_MEMS, &p->mems);
}

int place_mark(const struct place_env *env, const struct cgroup_dir *c, const struct record *r, struct error *err)
{
	cleanup_free char *text = NULL;
	size_t len;
	int rc = record_format(r, &text, &len, err);

	if (rc < 0)
		return rc;
	mark_nodes(env, c, &r->placement);
	return mark_record(c, r, text, len, err);
}

static int mark_placed(const struct work *w, const struct record *r, struct error *err)
{
	if (!w->text)
		return place_mark(w->env, &w->cgroup, r, err);
	mark_nodes(w->env, &w->cgroup, &r->placement);
	return mark_record(&w->cgroup, r, w->text, w->text_len, err);
}

/* Removes all attributes, ignoring errors. */
static void unmark(const struct cgroup_dir *c)
{
	static const char *const names[] = { CGROUP_XATTR_RECORD, CGROUP_XATTR_NODES, CGROUP_XATTR_MEMS };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		cgroup_remove_xattr(c, names[i]);
}

void place_tell_systemd(const struct place_env *env, const struct cgroup_dir *c, const struct idset *cpus,
			const struct idset *mems)
{
	struct error why;

	if (systemd_set_cpuset(SYSTEMD_SOCKET, c->path, cpus, mems, SYSTEMD_MS, &why) < 0)
		place_say(env, "%s: placed, but a daemon-reload may undo it", why.text);
}

/* The memory nodes to write. With the policy preferred, processes may allocate on any node that is not reserved. */
static struct idset mems_to_write(const struct work *w, const struct placement *p)
{
	const struct idset *reserved = &w->env->conf.select.reserved_nodes;
	struct idset mems = w->choice.allowed_mems;

	if (p->policy != POLICY_PREFERRED)
		return p->mems;
	if (!idset_empty(&w->before.mems))
		idset_and(&mems, &w->before.mems);
	if (!idset_intersects(&mems, reserved))
		return (struct idset){ { 0 } };
	idset_andnot(&mems, reserved);
	return mems;
}

/* Writes the cpuset, reads it back and marks the cgroup. On failure the cgroup is restored. */
static own_frame int apply(struct work *w, const struct record *r, struct error *err)
{
	const struct placement *p = &r->placement;
	static const struct idset none;
	const struct idset *cpus = w->job->mems_only ? &none : &p->share.cpus;
	const struct idset mems = mems_to_write(w, p);
	struct error undo;
	int rc = cgroup_write_cpuset(w->mount, &w->cgroup, &w->before, cpus, &mems, err);

	if (rc < 0)
		return rc;
	rc = mark_placed(w, r, err);
	if (rc == 0 && !w->job->mems_only)
		cgroup_widen_affinity(w->job->pid);
	if (rc == 0 && w->job->check)
		rc = w->job->check(w->env, w->job->pid, p, err);
	if (rc < 0) {
		unmark(&w->cgroup);
		if (cgroup_restore_cpuset(w->mount, &w->cgroup, &w->before, &undo) < 0)
			place_say(w->env, "%s", undo.text);
		return rc;
	}
	place_tell_systemd(w->env, &w->cgroup, cpus, &mems);
	return 0;
}

/* Removes the record of a placement that failed. */
static void forget(struct work *w)
{
	cleanup_ledger struct ledger *l = NULL;
	struct error why;
	int rc = ledger_open(w->env->state, w->choice.topology, &w->choice.world.ledger, w->env->timeout_ms, &l, &why);

	if (rc == 0)
		rc = ledger_remove_cgroup(l, w->job->runtime_class, w->job->id, w->cgroup.inode, &why);
	if (rc < 0 && rc != -ENOENT)
		place_say(w->env, "%s stays in the ledger for now: %s", w->job->id, why.text);
}

static own_frame int place(struct place_env *env, const struct place_job *job, struct record *out, struct error *err)
{
	cleanup_work struct work w = { .env = env, .job = job, .mount = -1, .cgroup = CGROUP_DIR_NONE };
	cleanup_record struct record r;
	bool marked = false;
	int rc;

	record_none(&r);
	if (name_check_id(job->id, err) < 0)
		return error_prefix(err, -EINVAL, "id");
	rc = choice_open(&w.choice, env, &job->request, err);
	w.choice.whole = job->mems_only;
	if (rc == 0)
		rc = find_cgroup(&w, err);
	if (rc == 0)
		rc = place_open_state(env, err);
	if (rc < 0)
		return rc;
	world_init(&w.choice.world, env->root, w.mount, w.choice.topology, machine_boot_id(&w.choice.machine));
	rc = decide_locked(&w, &r, &marked, err);
	if (rc < 0)
		return rc;
	if (!marked) {
		rc = apply(&w, &r, err);
		if (rc < 0) {
			forget(&w);
			return rc;
		}
	} else if (job->check) {
		rc = job->check(env, job->pid, &r.placement, err);
		if (rc < 0)
			return rc;
	}
	if (out) {
		*out = r;
		record_none(&r);
	}
	return 0;
}

static uint64_t microseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

int place_container(struct place_env *env, const struct place_job *job, struct record *out, struct error *err)
{
	uint64_t began = microseconds();
	int rc = place(env, job, out, err);

	if (env->state >= 0)
		counters_add(env->state, counters_of(rc), microseconds() - began);
	return rc;
}

int place_release(struct place_env *env, const char *runtime_class, const char *id, struct error *err)
{
	cleanup_machine struct machine machine = { 0 };
	cleanup_ledger struct ledger *l = NULL;
	cleanup_close int mount = -1;
	struct world world;
	unsigned int before;
	int rc = place_find_state(env, err);

	if (rc == -ENOENT)
		return 0;
	if (rc == 0)
		rc = machine_read(&machine, env, false, false, err);
	if (rc < 0)
		return rc;
	/* Without a cgroup2 mount, dead containers cannot be detected, but on such a host no container is placed. */
	if (env->real)
		cgroup_mount_any(&mount, NULL);
	world_init(&world, env->root, mount, machine.topology, machine_boot_id(&machine));
	rc = ledger_open(env->state, machine.topology, &world.ledger, env->timeout_ms, &l, err);
	if (rc < 0)
		return rc;
	before = ledger_usage(l)->containers;
	rc = ledger_remove(l, runtime_class, id, err);
	place_say_ledger(env, l);
	if (ledger_usage(l)->containers < before)
		counters_add(env->state, COUNT_RELEASED, 0);
	return rc == -ENOENT ? 0 : rc;
}
