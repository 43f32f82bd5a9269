/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The handlers of the plugin. The configuration of the host is read at each event, as a hook does. The runtime holds a
 * lock of all pods while it waits, and drops a plugin that is late: the agent waits for the ledger less long than that,
 * and never kills a process that has it locked.
 */
#include "runtime-hooks/nri/nri-agent.h"

#include "plugin/base/clock.h"
#include "plugin/base/util.h"
#include "plugin/base/vec.h"
#include "runtime-hooks/common/hook.h"
#include "runtime-hooks/kube/refusal.h"
#include "runtime-hooks/nri/nri-patience.h"
#include "runtime-hooks/nri/nri-request.h"
#include "runtime-hooks/nri/nri-state.h"
#include "runtime-hooks/oci/cgroups-path.h"
#include "runtime-hooks/oci/oci-plan.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <time.h>

#define EVENTS                                                                                                \
	(NRI_BIT(NRI_RUN_POD) | NRI_BIT(NRI_REMOVE_POD) | NRI_BIT(NRI_CREATE) | NRI_BIT(NRI_START) |           \
	 NRI_BIT(NRI_UPDATE) | NRI_BIT(NRI_STOP) | NRI_BIT(NRI_REMOVE))
#define REQUEST_MS 2000 /* unless the runtime says otherwise */
#define CLASS "oci"

/* --- one event --- */

struct step {
	struct place_env *env;
	const struct place_job *job;
	const char *cgroup;
	struct record *record;
	const struct request *request; /* of a pod */
	struct placement *plan;
};

static int step_reserve(void *arg, struct error *err)
{
	struct step *s = arg;

	return place_reserve(s->env, s->job, s->cgroup, s->record, err);
}

static int step_place(void *arg, struct error *err)
{
	struct step *s = arg;

	return place_container(s->env, s->job, s->record, NULL, err);
}

static int step_plan(void *arg, struct error *err)
{
	struct step *s = arg;

	return place_plan(s->env, s->request, NULL, s->plan, NULL, err);
}

static int step_revise(void *arg, struct error *err)
{
	struct step *s = arg;

	return place_revise(s->env, s->job, s->record, err);
}

static int step_release(void *arg, struct error *err)
{
	struct step *s = arg;
	int rc = place_cancel(s->env, CLASS, s->job->id, err);

	return rc < 0 ? rc : place_release(s->env, CLASS, s->job->id, err);
}

/* False: this container needs no placement. An error of a container without keys is a warning. */
static bool wants(struct nri_agent *a, const struct nri_event *e, struct place_env *env, struct place_job *job, int *rc,
		  struct error *err)
{
	bool asked = false;
	struct error conf_err;
	int conf = nri_conf(a, env, &conf_err);

	*rc = nri_request(&e->pod, &e->container, &env->conf, &job->request, &asked, err);
	if (conf < 0 && asked)
		*rc = error_set(err, conf, "%s", conf_err.text);
	else if (conf < 0)
		hook_warn(conf_err.text);
	if (*rc == 0 && request_asks(&job->request))
		*rc = name_check_id(e->container.id.text, err) < 0 ? error_prefix(err, -EINVAL, "id") : 0;
	if (*rc == 0 && job->request.policy != POLICY_STRICT && !a->knows_policy)
		*rc = error_set(err, -ENOTSUP,
				"limits.memory.policy: \"%s\": the runtime's NRI is older than 0.12 and cannot set a memory policy",
				memory_policy_name(job->request.policy));
	if (*rc < 0 && !asked) {
		hook_warn(err->text);
		*rc = 0;
		return false;
	}
	if (*rc == 0 && request_asks(&job->request))
		nri_find_devices(env, &e->container, &job->request);
	job->runtime = a->runtime;
	job->runtime_class = CLASS;
	job->id = e->container.id.text;
	job->told = true;
	job->applied = job->request.policy == POLICY_STRICT ? NULL : APPLIED_SPEC;
	return *rc == 0 && request_asks(&job->request);
}

static bool keep_name(char *to, size_t size, const struct nri_text *from)
{
	if (from->len >= size)
		return false;
	memcpy(to, from->text, from->len + 1);
	return true;
}

/* Leaves the refusal to numaplace-kube, if that runs on this node: the runtime must not wait for the network. */
static void report(const struct nri_agent *a, const struct nri_event *e, const struct error *why)
{
	struct refusal r = { .time = clock_ns(CLOCK_REALTIME) / 1000000000 };
	struct error err;

	if (!keep_name(r.namespace, sizeof(r.namespace), &e->pod.namespace) || !keep_name(r.pod, sizeof(r.pod), &e->pod.name) ||
	    !keep_name(r.uid, sizeof(r.uid), &e->pod.uid) ||
	    !keep_name(r.container, sizeof(r.container), &e->container.name))
		return;
	snprintf(r.message, sizeof(r.message), "%s", why->text);
	if (refusal_leave(a->env.state_path, &r, &err) < 0)
		hook_warn(err.text);
}

/* The failure becomes the answer, or with on-failure = warn a message. */
static int conclude(const struct nri_agent *a, const struct place_env *env, const struct nri_event *e, int rc, struct error *err)
{
	if (rc == 0)
		return 0;
	if (e->container.name.len && e->container.name.len < 100)
		error_prefix(err, rc, "container %s", quote(e->container.name.text).text);
	hook_say(env->conf.warn_only ? LOG_WARNING : LOG_ERR, err->text);
	if (!env->conf.warn_only)
		report(a, e, err);
	return env->conf.warn_only ? 0 : rc;
}

static const int policy_modes[] = {
	[POLICY_STRICT] = 0,
	[POLICY_PREFERRED] = 5, /* PREFERRED_MANY */
	[POLICY_INTERLEAVE] = 3,
	[POLICY_WEIGHTED] = 6,
};

static void tell(const struct record *r, struct nri_result *out)
{
	const struct placement *p = &r->placement;

	out->placed = true;
	out->policy = policy_modes[p->policy];
	idset_format(&p->share.cpus, out->cpus, sizeof(out->cpus));
	nodeset_format(&p->mems, out->mems, sizeof(out->mems));
	nodeset_format_comma(&p->nodes, out->cpu_nodes, sizeof(out->cpu_nodes));
	nodeset_format_comma(&p->mems, out->memory_nodes, sizeof(out->memory_nodes));
}

static void add_arg(struct nri_hook *h, const char *option, const char *value)
{
	if (!value || h->nargs + 2 > NRI_HOOK_ARGS_MAX)
		return;
	h->args[h->nargs++] = option;
	h->args[h->nargs++] = value;
}

/*
 * A runtime goes on without a plugin that has died or is late. The hook then applies and verifies what was reserved, and
 * refuses a container whose reservation is lost.
 */
static void add_hook(const struct nri_agent *a, const struct placement *p, struct nri_result *out)
{
	struct nri_hook *h = &out->hook;

	*h = (struct nri_hook){ .path = a->hook, .nargs = 2, .args = { "oci-hook", "--reserved" } };
	add_arg(h, "--state", a->hook_state);
	if (strcmp(a->conf_path, PLACE_CONF) != 0)
		add_arg(h, "--conf", a->conf_path);
	if (p->policy != POLICY_STRICT) {
		add_arg(h, "--applied", APPLIED_SPEC);
		add_arg(h, "--cpus", out->cpus);
		add_arg(h, "--mems", out->mems);
	}
	h->args[h->nargs++] = "createRuntime";
}

/* --- the pod --- */

static void use_home(const struct nri_home *h, struct place_job *job)
{
	if (!h)
		return;
	job->home = h->nodes;
	job->home_mems = h->mems;
}

static void join_home(struct nri_agent *a, const struct nri_event *e, const struct place_job *job, bool whole,
		      const struct placement *p)
{
	const struct nri_home made = { .nodes = whole ? job->home : p->nodes, .mems = whole ? job->home_mems : p->mems,
				       .whole = whole };

	nri_home_join(&a->homes, e->pod.id.text, e->container.name.text, e->container.id.text, &made);
}

/* Chooses for the whole pod. The ceilings of the host are of single containers. */
static int plan_pod(const struct nri_agent *a, const struct conf *conf, const struct request *request,
		    struct placement *out, struct error *err)
{
	cleanup_env struct place_env look = PLACE_ENV_NONE;
	struct step step = { .env = &look, .request = request, .plan = out };

	look = a->env;
	look.conf = *conf;
	look.conf.max_cpus = look.conf.max_cpus_each = look.conf.max_exclusive_each = 0;
	look.conf.max_memory = look.conf.max_memory_each = 0;
	look.conf.max_hugepages = look.conf.max_hugepages_each = 0;
	look.message = NULL; /* the containers get the same warnings */
	return nri_patiently(a, step_plan, &step, err);
}

/*
 * The home of the container's pod. The first container is refused if the pod as a whole does not fit; *@whole: it fits in
 * the home. Resources that are not known to be those of all containers are not checked.
 */
static int take_home(struct nri_agent *a, const struct nri_event *e, const struct conf *conf, struct place_job *job,
		     bool *whole, struct error *err)
{
	const struct nri_home *h = nri_home_for(&a->homes, e->pod.id.text, e->container.name.text);
	cleanup_placement struct placement p = { 0 };
	struct request request;
	struct error why;
	int rc;

	use_home(h, job);
	if (h || !a->homes_known || !nri_homes_have_room(&a->homes) ||
	    nri_pod_request(&e->pod, &e->container, conf, &request, &why) < 0 || !request_asks(&request))
		return 0;
	request.nfound = job->request.nfound;
	memcpy(request.found, job->request.found, sizeof(request.found));
	rc = plan_pod(a, conf, &request, &p, &why);
	if (rc == -ENOSPC)
		return error_set(err, rc, "the containers of its pod together: %.400s", why.text);
	if (rc < 0 || p.overcommitted)
		return 0; /* the container's own placement has the reason */
	job->home = p.nodes;
	job->home_mems = p.mems;
	*whole = true;
	return 0;
}

/* --- the events --- */

static int on_create(struct nri_agent *a, const struct nri_event *e, struct nri_result *out, struct error *err)
{
	cleanup_env struct place_env env = PLACE_ENV_NONE;
	cleanup_record struct record r = { 0 };
	struct place_job job = { .pid = 0 };
	char cgroup[CGROUP_PATH_MAX];
	struct step step = { .env = &env, .job = &job, .cgroup = cgroup, .record = &r };
	bool whole = false;
	int rc;

	if (wants(a, e, &env, &job, &rc, err)) {
		rc = oci_cgroup_path(e->container.cgroups_path.text, cgroup, sizeof(cgroup), err);
		if (rc == 0)
			rc = take_home(a, e, &env.conf, &job, &whole, err);
		if (rc == 0)
			rc = nri_patiently(a, step_reserve, &step, err);
		if (rc == 0) {
			join_home(a, e, &job, whole, &r.placement);
			tell(&r, out);
			add_hook(a, &r.placement, out);
		}
	}
	return conclude(a, &env, e, rc, err);
}

/* Not every runtime tells the pid before the start: the cgroup then holds the first process alone. */
static int find_pid(struct place_env *env, const struct nri_container *c, pid_t *pid, struct error *err)
{
	cleanup_cgroup_pids struct cgroup_pids pids = { 0 };
	char cgroup[CGROUP_PATH_MAX];
	int rc = place_open(env, PLACE_WRITE, err);

	if (c->pid && c->pid <= INT32_MAX) {
		*pid = (pid_t)c->pid;
		return 0;
	}
	if (rc == 0)
		rc = place_need_mount(env, err);
	if (rc == 0)
		rc = oci_cgroup_path(c->cgroups_path.text, cgroup, sizeof(cgroup), err);
	if (rc == 0)
		rc = cgroup_read_pids(env->mount, cgroup, &pids, err);
	if (rc < 0)
		return rc;
	if (pids.n != 1)
		return error_set(err, -ESRCH, "cgroup %.200s has %zu processes before the start, must have one", cgroup,
				 pids.n);
	*pid = pids.pid[0];
	return 0;
}

static int on_start(struct nri_agent *a, const struct nri_event *e, struct error *err)
{
	cleanup_env struct place_env env = PLACE_ENV_NONE;
	cleanup_record struct record r = { 0 };
	struct place_job job = { .pid = 0 };
	struct step step = { .env = &env, .job = &job, .record = &r };
	int rc;

	if (wants(a, e, &env, &job, &rc, err)) {
		use_home(nri_home_for(&a->homes, e->pod.id.text, e->container.name.text), &job);
		rc = find_pid(&env, &e->container, &job.pid, err);
		if (rc == 0)
			rc = nri_patiently(a, step_place, &step, err);
		if (rc == 0)
			join_home(a, e, &job, false, &r.placement);
	}
	return conclude(a, &env, e, rc, err);
}

/* What the update leaves out stays as it is. */
static void merge_resources(struct nri_container *c, const struct nri_resources *more)
{
	struct nri_resources *r = &c->resources;

	if (more->memory_limit)
		r->memory_limit = more->memory_limit;
	if (more->shares)
		r->shares = more->shares;
	if (more->quota)
		r->quota = more->quota;
	if (more->period)
		r->period = more->period;
	if (more->nhuge) {
		r->huge = more->huge;
		r->nhuge = more->nhuge;
	}
	/* The spec has the CPUs that numaplace chose: only the update's own are pins. */
	r->cpus = more->cpus;
	r->mems = more->mems;
}

static int on_update(struct nri_agent *a, const struct nri_event *e, struct nri_result *out, struct error *err)
{
	cleanup_env struct place_env env = PLACE_ENV_NONE;
	cleanup_record struct record r = { 0 };
	struct place_job job = { .pid = 0 };
	struct step step = { .env = &env, .job = &job, .record = &r };
	struct nri_event updated = *e;
	int rc;

	merge_resources(&updated.container, &e->resources);
	if (wants(a, &updated, &env, &job, &rc, err)) {
		rc = nri_patiently(a, step_revise, &step, err);
		if (rc == -ENOENT)
			rc = 0; /* it was started without numaplace */
		else if (rc == 0)
			tell(&r, out);
	}
	return conclude(a, &env, e, rc, err);
}

static int on_gone(struct nri_agent *a, const struct nri_event *e, struct error *err)
{
	cleanup_env struct place_env env = PLACE_ENV_NONE;
	const struct place_job job = { .id = e->container.id.text };
	struct step step = { .env = &env, .job = &job };
	struct error conf_err;
	int rc;

	nri_home_leave(&a->homes, e->pod.id.text, job.id);
	/* A container with such an id is never placed. */
	if (name_check_id(job.id, NULL) < 0)
		return 0;
	if (nri_conf(a, &env, &conf_err) < 0)
		hook_warn(conf_err.text);
	rc = nri_patiently(a, step_release, &step, err);
	if (rc < 0)
		hook_warn(err->text); /* a later sweep finds it */
	return 0;
}

static int handle_event(void *ctx, const struct nri_event *e, struct nri_result *out, struct error *err)
{
	struct nri_agent *a = ctx;

	if (strlen(e->container.id.text) != e->container.id.len || strlen(e->pod.id.text) != e->pod.id.len)
		return error_set(err, -EINVAL, "id: a NUL in it");
	switch (e->kind) {
	case NRI_CREATE:
		return on_create(a, e, out, err);
	case NRI_START:
		return on_start(a, e, err);
	case NRI_UPDATE:
		return on_update(a, e, out, err);
	case NRI_STOP:
	case NRI_REMOVE:
		return on_gone(a, e, err);
	case NRI_REMOVE_POD:
		nri_home_forget(&a->homes, e->pod.id.text);
		break;
	default:
		break;
	}
	return 0;
}

/* --- the connection --- */

/* "v0.12.1" or "0.12": at least 0.12. */
static bool has_policy(const char *version)
{
	unsigned int major, minor;

	return sscanf(*version == 'v' ? version + 1 : version, "%u.%u", &major, &minor) == 2 &&
	       (major > 0 || minor >= 12);
}

static int handle_configure(void *ctx, const struct nri_configuration *c)
{
	struct nri_agent *a = ctx;
	int64_t ms = c->request_ms > 0 && c->request_ms < 60000 ? c->request_ms : REQUEST_MS;

	snprintf(a->runtime, sizeof(a->runtime), "%.15s", name_check_id(c->runtime.text, NULL) == 0 ? c->runtime.text : "oci");
	if (strcmp(record_class_of(a->runtime), "oci") != 0)
		snprintf(a->runtime, sizeof(a->runtime), "oci");
	a->knows_policy = has_policy(c->nri_version.text);
	a->wait_ms = (unsigned int)ms / 2;
	return EVENTS;
}

static void handle_refused(void *ctx, const struct error *why)
{
	(void)ctx;
	hook_warn(why->text);
}

struct nri_handlers nri_agent_handlers(struct nri_agent *a)
{
	return (struct nri_handlers){
		.ctx = a, .configure = handle_configure, .synchronize = nri_state_handle, .event = handle_event,
		.refused = handle_refused,
	};
}

int nri_agent_begin(struct nri_agent *a, struct error *err)
{
	cleanup_env struct place_env env = PLACE_ENV_NONE;
	cleanup_topology struct topology *t = NULL;
	cleanup_ledger struct ledger *ledger = NULL;
	struct error why;
	int rc;

	if (nri_conf(a, &env, &why) < 0)
		hook_warn(why.text);
	env.timeout_ms = HOOK_LOCK_SECONDS * 1000;
	/* A lost folder is made here, because the rebuild of its ledger takes longer than a request may. */
	rc = place_open(&env, PLACE_CREATE, err);
	if (rc == 0)
		rc = topology_read(env.root, &t, err);
	return rc < 0 ? rc : place_ledger(&env, t, &ledger, err);
}

void nri_agent_free(struct nri_agent *a)
{
	nri_homes_free(&a->homes);
	nri_moves_free(&a->moves);
	free(steal_ptr(a->members));
	a->nmembers = a->member_room = 0;
}
