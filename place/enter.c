/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The steps of these placements: drop the record of an earlier run, which leaves its nodes as a hint; reserve; make or
 * prepare the cgroup; place.
 */
#include "place/enter.h"

#include "cgroup/make.h"
#include "cgroup/open.h"
#include "cgroup/own.h"
#include "cgroup/systemd.h"
#include "place/message.h"
#include "place/unit.h"
#include "plugin/base/util.h"

#include <errno.h>
#include <string.h>

/*
 * systemd handles calls before it runs jobs: if many commands start at once, each waits for the calls of all. The hook of a
 * service has a time limit of its own.
 */
#define ASK_MS 60000
#define START_MS 120000
#define CONTROL ".control"    /* systemd's cgroup of control processes, below a unit's that is delegated */

static int open_env(struct place_env *env, struct error *err)
{
	int rc = place_open(env, PLACE_WRITE, err);

	return rc < 0 ? rc : place_need_mount(env, err);
}

/* Releases the record of an earlier run of this id, and reserves a place in @cgroup. */
static int reserve(struct place_env *env, const struct place_job *job, const char *cgroup, struct record *out,
		   struct error *err)
{
	int rc = place_release(env, job->runtime_class, job->id, err);

	return rc < 0 ? rc : place_reserve(env, job, cgroup, out, err);
}

static void cancel(struct place_env *env, const struct place_job *job)
{
	struct error why;

	if (place_cancel(env, job->runtime_class, job->id, &why) < 0)
		place_say(env, "%s stays reserved for now: %s", job->id, why.text);
}

/* --- a command --- */

/* A name of a unit has no "+", and "@" makes it an instance of another one: both are escaped as systemd does. */
static int unit_name(const char *prefix, const char *id, char *out, size_t size, struct error *err)
{
	size_t n = (size_t)snprintf(out, size, "%s-", prefix);

	for (; *id && n + 16 < size; id++)
		n += (size_t)snprintf(out + n, size - n, *id == '+' || *id == '@' ? "\\x%02x" : "%c", (unsigned char)*id);
	snprintf(out + n, size - n, ".scope");
	return *id ? error_set(err, -EINVAL, "its name is too long for the name of a unit of systemd") : 0;
}

/* Where the cgroup of a command or a machine will be. */
struct site {
	struct place_systemd sd;
	bool scope;                  /* made by systemd */
	const char *slice;
	const char *const *before;   /* as struct systemd_scope */
	char unit[SYSTEMD_UNIT_MAX];
	char path[CGROUP_PATH_MAX], back[CGROUP_PATH_MAX];
};

/* @prefix: of the name of the unit; @slice: NULL: the usual one. */
static int find_site(const struct place_env *env, const char *prefix, const char *slice, const char *id, struct site *s,
		     struct error *err)
{
	char top[CGROUP_PATH_MAX - SYSTEMD_UNIT_MAX - 16] = "";
	int rc;

	place_systemd(&s->sd);
	s->slice = slice ? slice : s->sd.user ? "app.slice" : "system.slice";
	rc = unit_name(prefix, id, s->unit, sizeof(s->unit), err);
	if (rc < 0)
		return rc;
	rc = systemd_cgroup_of(&s->sd.at, NULL, top, sizeof(top), ASK_MS, err);
	s->scope = rc == 0;
	if (rc == -ENOENT || rc == -ECONNREFUSED)
		return cgroup_own_path(env->mount, id, s->path, sizeof(s->path), err);
	if (rc == 0 && s->sd.user)
		rc = cgroup_check_delegated(env->mount, top, err);
	if (rc == 0)
		snprintf(s->path, sizeof(s->path), "%s/%s/%s", strcmp(top, "/") == 0 ? "" : top, s->slice, s->unit);
	return rc;
}

/* systemd sets the cpuset, but not the memory nodes of the policy preferred: those are all that are allowed. */
static int start_scope(const struct site *s, const char *description, const struct place_job *job,
		       const struct placement *p, struct error *err)
{
	static const struct nodeset any_node;
	static const struct idset any_cpu;
	const struct systemd_scope scope = {
		.unit = s->unit, .slice = s->slice, .description = description, .before = s->before, .pid = job->pid,
		.cpus = job->mems_only ? &any_cpu : &p->share.cpus,
		.mems = p->policy == POLICY_PREFERRED ? &any_node : &p->mems,
	};

	return systemd_start_scope(&s->sd.at, &scope, START_MS, err);
}

static int enter_site(const struct place_env *env, struct site *s, const char *command, const struct place_job *job,
		      const struct placement *p, struct error *err)
{
	return s->scope ? start_scope(s, command, job, p, err) : cgroup_enter_own(env->mount, s->path, s->back, err);
}

int place_run(struct place_env *env, const char *id, const char *command, const struct request *request,
	      struct record *out, struct error *err)
{
	cleanup_record struct record reserved = { 0 };
	cleanup_free struct site *site = calloc(1, sizeof(*site));
	struct place_job job = {
		.runtime = ENTER_RUN, .runtime_class = ENTER_RUN, .id = id, .pid = getpid(), .request = *request,
		.applied = request->policy == POLICY_STRICT ? NULL : ENTER_APPLIED,
	};
	bool entered;
	int rc = site ? open_env(env, err) : error_errno(err, -ENOMEM, "run");

	if (rc == 0)
		rc = find_site(env, "numaplace", NULL, id, site, err);
	if (rc == 0)
		rc = reserve(env, &job, site->path, &reserved, err);
	if (rc < 0)
		return rc;
	job.told = site->scope && request->policy != POLICY_PREFERRED;
	rc = enter_site(env, site, command, &job, &reserved.placement, err);
	entered = rc == 0;
	if (rc == 0)
		rc = place_container(env, &job, out, NULL, err);
	if (rc == 0)
		return 0;
	cancel(env, &job);
	if (entered && !site->scope)
		cgroup_leave_own(env->mount, site->path, site->back);
	return rc;
}

/* --- a machine --- */

/* Whether the process is in the scope of an earlier call. */
static int is_there(const struct place_env *env, const struct site *s, pid_t pid, bool *there, struct error *err)
{
	cleanup_cgroup_dir struct cgroup_dir its = CGROUP_DIR_NONE;
	int rc = cgroup_of_pid(env->mount, pid, &its, err);

	if (rc == 0)
		*there = strcmp(its.path, s->path) == 0;
	return rc;
}

int place_adopt(struct place_env *env, const struct place_job *given, const struct enter_scope *scope, struct record *out,
		struct error *err)
{
	cleanup_record struct record reserved = { 0 };
	cleanup_free struct site *site = calloc(1, sizeof(*site));
	struct place_job job = *given;
	bool there = false;
	int rc = site ? open_env(env, err) : error_errno(err, -ENOMEM, "place the machine");

	if (rc == 0)
		rc = find_site(env, scope->prefix, scope->slice, job.id, site, err);
	if (rc < 0)
		return rc;
	if (!site->scope)
		return error_set(err, -ENOTSUP, "its process gets a cgroup of its own from systemd, which does not run here");
	site->before = scope->before;
	job.told = true;
	rc = is_there(env, site, job.pid, &there, err);
	if (rc == 0 && !there)
		rc = reserve(env, &job, site->path, &reserved, err);
	if (rc < 0)
		return rc;
	if (!there)
		rc = start_scope(site, scope->description, &job, &reserved.placement, err);
	if (rc == 0)
		rc = place_container(env, &job, out, NULL, err);
	if (rc < 0 && !there)
		cancel(env, &job);
	return rc;
}

/* --- a service --- */

/* The cgroup of the unit, which is the one of this process or its parent, as systemd says. */
static int open_unit(const struct place_env *env, const struct place_systemd *sd, const char *unit, struct place_job *job,
		     struct cgroup_dir *out, struct error *err)
{
	cleanup_cgroup_dir struct cgroup_dir own = CGROUP_DIR_NONE;
	char of_unit[CGROUP_PATH_MAX];
	const char *last;
	int rc = cgroup_of_pid(env->mount, job->pid, &own, err);

	if (rc == 0)
		rc = systemd_cgroup_of(&sd->at, unit, of_unit, sizeof(of_unit), ASK_MS, err);
	if (rc < 0)
		return rc;
	last = strrchr(own.path, '/') + 1;
	if (strcmp(last, CONTROL) == 0) {
		job->inner = CONTROL;
		rc = cgroup_parent(env->mount, &own, out, err);
	} else {
		*out = own;
		own.fd = -1;
	}
	if (rc == 0 && strcmp(of_unit, out->path) != 0)
		return error_set(err, -EPERM, "the cgroup of the unit is \"%.200s\", and this process is in %.200s: call it in "
				 "ExecStartPre=+ of the unit", quote(of_unit).text, out->path);
	return rc;
}

/* Whether an earlier ExecStartPre= of this start has placed the unit. */
static int is_placed(const struct cgroup_dir *c, const struct place_job *job, bool *placed, struct error *err)
{
	cleanup_own_mark struct record *mark = NULL;
	int rc = own_read_mark(c, &mark, err);

	*placed = rc > 0 && own_mark_of(mark, c->inode, job->runtime_class, job->id) == OWN_MARK_SAME;
	return rc < 0 ? rc : 0;
}

static int read_pins(const struct place_systemd *sd, const char *unit, const struct cgroup_dir *c, struct request *r,
		     struct error *err)
{
	struct cpuset before = { 0 };
	struct error none;
	int rc = cgroup_read_cpuset(c, &before, &none);

	if (rc < 0 && rc != -ENOENT) /* -ENOENT: without the controller there is no pin */
		return error_set(err, rc, "%s", none.text);
	return unit_read_pins(sd, unit, &before, &r->pin_cpus, &r->pin_mems, err);
}

/* CPUQuota= and MemoryMax= of the unit, for absent keys. */
static void add_limits(const struct cgroup_dir *c, struct request *r)
{
	unsigned long long quota, period, memory;
	char text[64];

	if (read_beneath(c->fd, "cpu.max", text, sizeof(text)) > 0 && sscanf(text, "%llu %llu", &quota, &period) == 2)
		request_fallback_cpus(r, (int64_t)quota, period);
	if (read_beneath(c->fd, "memory.max", text, sizeof(text)) > 0 && sscanf(text, "%llu", &memory) == 1)
		request_fallback_memory(r, (int64_t)memory);
}

/*
 * Gives systemd the reserved place. systemd applies it to the cgroup before it reads the next call, which is made here to
 * wait for that.
 */
static int prepare(const struct place_systemd *sd, const char *unit, const struct cgroup_dir *c, const struct record *r,
		   struct error *err)
{
	char path[CGROUP_PATH_MAX];
	int rc = unit_set_cpuset(sd, unit, c->path, &r->placement.share.cpus, &r->placement.mems, &r->request.pin_cpus,
				 &r->request.pin_mems, err);

	return rc < 0 ? rc : systemd_cgroup_of(&sd->at, unit, path, sizeof(path), ASK_MS, err);
}

/* Policies are attributes of processes, which systemd makes. */
static int check_policy(const struct request *r, struct error *err)
{
	const char *name = memory_policy_name(r->policy);

	if (r->policy == POLICY_STRICT)
		return 0;
	if (r->policy == POLICY_WEIGHTED)
		return error_set(err, -ENOTSUP, "limits.memory.policy: \"%s\": not supported for a service", name);
	return error_set(err, -ENOTSUP, "limits.memory.policy: \"%s\": not supported here: set NUMAPolicy=%s and NUMAMask= "
			 "in the unit", name, name);
}

/* The id of a unit: an id has no backslash. */
static int id_of_unit(const char *unit, char id[SYSTEMD_UNIT_MAX], struct error *err)
{
	if ((size_t)snprintf(id, SYSTEMD_UNIT_MAX, "%s", unit) >= SYSTEMD_UNIT_MAX)
		return error_set(err, -EINVAL, "\"%s\": too long for the name of a unit", quote(unit).text);
	for (char *p = id; (p = strchr(p, '\\'));)
		*p = '_';
	return 0;
}

int place_service(struct place_env *env, const char *unit, const struct request *request, struct record *out,
		  struct error *err)
{
	cleanup_cgroup_dir struct cgroup_dir cgroup = CGROUP_DIR_NONE;
	cleanup_record struct record reserved = { 0 };
	char id[SYSTEMD_UNIT_MAX];
	struct place_job job = {
		.runtime = UNIT_CLASS, .runtime_class = UNIT_CLASS, .id = id, .pid = getpid(), .control = true,
		.request = *request, .told = true,
	};
	struct place_systemd sd;
	bool placed = false;
	int rc = id_of_unit(unit, id, err);

	place_systemd(&sd);
	if (rc == 0)
		rc = check_policy(request, err);
	if (rc == 0)
		rc = open_env(env, err);
	if (rc == 0)
		rc = open_unit(env, &sd, unit, &job, &cgroup, err);
	if (rc == 0) {
		add_limits(&cgroup, &job.request);
		rc = request_finish(&job.request, err);
	}
	if (rc == 0)
		rc = is_placed(&cgroup, &job, &placed, err);
	if (rc == 0 && !placed)
		rc = read_pins(&sd, unit, &cgroup, &job.request, err);
	if (rc == 0 && !placed)
		rc = reserve(env, &job, cgroup.path, &reserved, err);
	if (rc < 0)
		return rc;
	rc = placed ? 0 : prepare(&sd, unit, &cgroup, &reserved, err);
	if (rc == 0)
		rc = place_container(env, &job, out, NULL, err);
	if (rc < 0)
		cancel(env, &job);
	return rc;
}
