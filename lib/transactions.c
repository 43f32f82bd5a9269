/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The transactions of the public API: plan, place, release, move and resize. The internal calls are in the functions run_*().
 */
#include "lib/context.h"

#include "lib/placement.h"
#include "place/move.h"
#include "plugin/base/util.h"

#include <errno.h>
#include <string.h>

#define POLICY_BY "caller" /* record.applied if the caller has set the memory policy */

/* Gives the caller the placement of a record, if it wants one. */
static int give(const struct record *r, struct numaplace_placement **out, struct error *err)
{
	struct numaplace_placement *p;

	if (!out)
		return 0;
	p = placement_of_record(r);
	if (!p)
		return error_set(err, -ENOMEM, "out of memory");
	*out = p;
	return 0;
}

static int run_plan(struct numaplace *np, const struct request *request, const char *id, struct placement *out,
		    struct reasons *why, struct error *err)
{
	cleanup_env struct place_env env = lib_env(np);

	return place_plan(&env, request, id, out, why, err);
}

static int run_place(struct numaplace *np, const struct place_job *job, struct record *out, struct error *err)
{
	cleanup_env struct place_env env = lib_env(np);

	return place_container(&env, job, out, NULL, err);
}

static int run_release(struct numaplace *np, const char *runtime_class, const char *id, struct error *err)
{
	cleanup_env struct place_env env = lib_env(np);

	return place_release(&env, runtime_class, id, err);
}

static int run_move(struct numaplace *np, const struct move_job *job, struct record *after, struct error *err)
{
	cleanup_env struct place_env env = lib_env(np);
	cleanup_record struct record before = { 0 };

	return place_move(&env, job, &before, after, err);
}

static int check_id(const char *id, struct error *err)
{
	if (!id)
		return error_set(err, -EINVAL, "id: NULL");
	return name_check_id(id, err) < 0 ? error_prefix(err, -EINVAL, "id") : 0;
}

static int check_runtime(const char *runtime, struct error *err)
{
	if (name_check_id(runtime, err) < 0)
		return error_prefix(err, -EINVAL, "runtime");
	if (strlen(runtime) >= sizeof(((struct record *)NULL)->runtime))
		return error_set(err, -EINVAL, "runtime: \"%s\": longer than 15 bytes", quote(runtime).text);
	return 0;
}

int numaplace_plan(struct numaplace *np, const struct numaplace_request *r, const char *id,
		   struct numaplace_placement **out)
{
	cleanup_placement struct placement placement = { 0 };
	struct numaplace_placement *p;
	struct reasons why = { 0 };
	struct error err = { 0 };
	struct request request;
	int rc;

	if (!np)
		return -EINVAL;
	if (!r || !out)
		return lib_missing(np, r ? "placement" : "request");
	rc = id ? check_id(id, &err) : 0;
	if (rc == 0)
		rc = lib_request_finish(r, &request, &err);
	if (rc == 0)
		rc = run_plan(np, &request, id, &placement, &why, &err);
	if (rc < 0)
		return lib_keep(np, rc, &err);
	p = placement_of_plan(id ? id : "", &request, &placement, &why);
	if (!p)
		return lib_keep(np, error_set(&err, -ENOMEM, "out of memory"), &err);
	*out = p;
	return 0;
}

/* Fields that a newer caller has set and this version does not know must not be ignored. */
static int check_target(const struct numaplace_target *t, struct error *err)
{
	const unsigned char *byte = (const unsigned char *)t;

	if (t->size < sizeof(*t))
		return error_set(err, -EINVAL, "target: size %zu, must be at least %zu", t->size, sizeof(*t));
	for (size_t i = sizeof(*t); i < t->size; i++)
		if (byte[i])
			return error_set(err, -E2BIG, "target: byte %zu is set: this version knows %zu", i, sizeof(*t));
	if (t->pid <= 0)
		return error_set(err, -EINVAL, "pid: %d: no process", (int)t->pid);
	return check_id(t->id, err);
}

static int make_job(const struct numaplace_request *r, const struct numaplace_target *t, struct place_job *job,
		    struct error *err)
{
	int rc = check_target(t, err);

	if (rc < 0)
		return rc;
	job->runtime = t->runtime ? t->runtime : "oci";
	rc = check_runtime(job->runtime, err);
	if (rc < 0)
		return rc;
	job->runtime_class = record_class_of(job->runtime);
	job->id = t->id;
	job->pid = t->pid;
	if (t->planned) {
		rc = lib_parse_list(t->planned->cpus, "planned CPUs", ids_into(&job->planned_cpus), err);
		if (rc == 0)
			rc = lib_parse_list(t->planned->mems, "planned memory nodes", ids_into(&job->planned_mems), err);
		job->applied = POLICY_BY;
	}
	return rc < 0 ? rc : lib_request_finish(r, &job->request, err);
}

int numaplace_place(struct numaplace *np, const struct numaplace_request *r, const struct numaplace_target *target,
		    struct numaplace_placement **out)
{
	cleanup_record struct record record = { 0 };
	struct place_job job = { 0 };
	struct error err = { 0 };
	int rc;

	if (!np)
		return -EINVAL;
	if (!r || !target)
		return lib_missing(np, r ? "target" : "request");
	rc = make_job(r, target, &job, &err);
	if (rc == 0)
		rc = lib_check_writable(np, &err);
	if (rc == 0)
		rc = run_place(np, &job, &record, &err);
	if (rc == 0)
		rc = give(&record, out, &err);
	return lib_keep(np, rc, &err);
}

int numaplace_release(struct numaplace *np, const char *runtime, const char *id)
{
	struct error err = { 0 };
	int rc;

	if (!np)
		return -EINVAL;
	if (!runtime)
		runtime = "oci";
	rc = check_runtime(runtime, &err);
	if (rc == 0)
		rc = check_id(id, &err);
	if (rc == 0)
		rc = lib_check_writable(np, &err);
	if (rc == 0)
		rc = run_release(np, record_class_of(runtime), id, &err);
	return lib_keep(np, rc, &err);
}

/* Moves or resizes, or only chooses if @job says so. */
static int change(struct numaplace *np, const char *name, struct move_job *job, struct numaplace_placement **out,
		  struct error *err)
{
	cleanup_record struct record after = { 0 };
	struct lib_container container = { 0 };
	int rc = lib_check_writable(np, err);

	if (rc == 0)
		rc = lib_find(np, name, &container, err);
	job->id = container.id;
	job->cgroup_inode = container.inode;
	if (rc == 0)
		rc = run_move(np, job, &after, err);
	return rc < 0 ? rc : give(&after, out, err);
}

static int move_to(struct numaplace *np, const char *name, const char *nodes, struct move_job *job,
		   struct numaplace_placement **out)
{
	struct error err = { 0 };
	int rc;

	if (!np)
		return -EINVAL;
	if (!nodes)
		return lib_missing(np, "nodes");
	rc = nodeset_parse(nodes, &job->nodes, &err);
	if (rc < 0)
		rc = error_prefix(&err, rc, "nodes");
	if (rc == 0)
		rc = change(np, name, job, out, &err);
	return lib_keep(np, rc, &err);
}

int numaplace_move(struct numaplace *np, const char *name, const char *nodes, unsigned int seconds,
		   void (*progress)(void *arg, uint64_t done, uint64_t total), void *arg,
		   struct numaplace_placement **out)
{
	struct move_job job = { .seconds = seconds, .progress = progress, .arg = arg };

	return move_to(np, name, nodes, &job, out);
}

int numaplace_move_plan(struct numaplace *np, const char *name, const char *nodes, struct numaplace_placement **out)
{
	struct move_job job = { .dry_run = true };

	return move_to(np, name, nodes, &job, out);
}

static int resize_to(struct numaplace *np, const char *name, const struct numaplace_request *changes,
		     struct move_job *job, struct numaplace_placement **out)
{
	struct error err = { 0 };
	int rc;

	if (!np)
		return -EINVAL;
	if (!changes)
		return lib_missing(np, "changes");
	rc = lib_request_changes(changes, &job->changes, &err);
	if (rc == 0)
		rc = change(np, name, job, out, &err);
	return lib_keep(np, rc, &err);
}

int numaplace_resize(struct numaplace *np, const char *name, const struct numaplace_request *changes,
		     unsigned int seconds, void (*progress)(void *arg, uint64_t done, uint64_t total), void *arg,
		     struct numaplace_placement **out)
{
	struct move_job job = { .seconds = seconds, .progress = progress, .arg = arg };

	return resize_to(np, name, changes, &job, out);
}

int numaplace_resize_plan(struct numaplace *np, const char *name, const struct numaplace_request *changes,
			  struct numaplace_placement **out)
{
	struct move_job job = { .dry_run = true };

	return resize_to(np, name, changes, &job, out);
}
