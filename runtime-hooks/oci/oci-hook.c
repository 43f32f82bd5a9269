/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The hook of OCI runtimes: oci-hook STAGE, with the container's state on stdin.
 *
 * createRuntime (and prestart, its older name) places the container. poststop removes it from the ledger. podman's
 * precreate, with a config on stdin and the changed config on stdout, plans the placement. Other stages do nothing.
 *
 * A failure is one line on stderr and in syslog and stops the container, unless numaplace.conf says on-failure = warn.
 * For a container that requests nothing, the hook reads only the state and the conf. With --reserved, which numaplace-nri
 * writes into a spec, the engine has reserved a place: the hook applies it, and refuses a container without one.
 */
#include "cgroup/cgroup.h"
#include "cgroup/pages.h"
#include "place/devices.h"
#include "place/place.h"
#include "plugin/base/file.h"
#include "plugin/base/name.h"
#include "plugin/base/options.h"
#include "plugin/base/path.h"
#include "plugin/base/util.h"
#include "runtime-hooks/common/confine.h"
#include "runtime-hooks/common/hook.h"
#include "runtime-hooks/oci/oci-config.h"
#include "runtime-hooks/oci/oci-plan.h"
#include "runtime-hooks/oci/oci-state.h"
#include "runtime-hooks/oci/runtime-version.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>

struct options {
	const char *conf, *state, *sysroot, *stage;
	/*
	 * From this hook's own entry in the spec, which a container cannot write: the planned placement, and how the
	 * memory policy takes effect.
	 */
	const char *cpus, *mems, *applied;
	const char *timeout;
	unsigned int seconds; /* parsed @timeout; 0: HOOK_SECONDS */
	bool reserved;        /* the ledger has the request and the place */
	bool environment;     /* the keys may be in the container's environment alone */
	struct request defaults; /* keys of --default, for what the container does not set */
};

enum stage { STAGE_PLACE, STAGE_RELEASE, STAGE_PLAN, STAGE_OTHER };

static enum stage find_stage(const char *name)
{
	if (strcmp(name, "createRuntime") == 0 || strcmp(name, "prestart") == 0)
		return STAGE_PLACE;
	if (strcmp(name, "precreate") == 0)
		return STAGE_PLAN;
	return strcmp(name, "poststop") == 0 ? STAGE_RELEASE : STAGE_OTHER;
}

/* --default KEY=VALUE, in a file of CDI: the container was given the device, so that it asks for a placement. */
static int set_default(void *defaults, const char *value, struct error *err)
{
	const char *equals = strchr(value, '=');
	cleanup_free char *key = equals ? strndup(value, (size_t)(equals - value)) : NULL;
	int k = key ? request_find_key(key) : -1;

	if (k < 0 || request_key_is_hint(k))
		return error_set(err, -EINVAL, "--default: \"%s\": KEY=VALUE with a known key is expected", quote(value).text);
	return request_set(defaults, key, equals + 1, err);
}

static int parse_options(int argc, char **argv, struct options *o, struct error *err)
{
	const struct option_rule rules[] = {
		{ .name = "conf", .value = &o->conf },	     { .name = "state", .value = &o->state },
		{ .name = "sysroot", .value = &o->sysroot }, { .name = "timeout", .value = &o->timeout },
		{ .name = "cpus", .value = &o->cpus },	     { .name = "mems", .value = &o->mems },
		{ .name = "applied", .value = &o->applied }, { .name = "reserved", .flag = &o->reserved },
		{ .name = "environment", .flag = &o->environment },
		{ .name = "default", .set = set_default, .arg = &o->defaults },
	};
	const struct option_table table = { .empty_values = true, .rule = rules, .n = ARRAY_SIZE(rules) };
	int words = options_parse(&table, argc - 1, argv + 1, err);

	if (words < 0)
		return words;
	if (words > 1)
		return error_set(err, -EINVAL, "%s: one stage is enough", quote(argv[2]).text);
	o->stage = words ? argv[1] : NULL;
	if (o->timeout && hook_timeout_parse(o->timeout, &o->seconds, err) < 0)
		return err->status;
	if (!o->stage)
		return error_set(err, -EINVAL,
				 "usage: oci-hook [--conf FILE] [--state DIR] [--sysroot DIR] [--timeout SECONDS] "
				 "[--environment] [--default KEY=VALUE...] STAGE");
	return 0;
}

/* The parent process's name; if it is neither runc nor crun, the spelling of the status distinguishes the two. */
static const char *runtime_name(int root, const char *status)
{
	static const char *const known[] = { "runc", "crun" };
	char comm[32];
	ssize_t n = path_read(root, comm, sizeof(comm), "proc/%d/comm", (int)getppid());

	if (n > 0)
		comm[strcspn(comm, "\n")] = '\0';
	for (size_t i = 0; n > 0 && i < ARRAY_SIZE(known); i++)
		if (strcmp(comm, known[i]) == 0)
			return known[i];
	if (strcmp(status, "creating") == 0)
		return "runc";
	return strcmp(status, "created") == 0 ? "crun" : "oci";
}

static int open_root(struct place_env *env, const struct options *o, struct error *err)
{
	env->real = !o->sysroot || strcmp(o->sysroot, "/") == 0;
	/* A recorded machine uses only a ledger named with --state. */
	place_name_state(env, o->state, env->real ? place_usual_state(find_stage(o->stage) != STAGE_PLACE) : NULL);
	env->root = open(env->real ? "/" : o->sysroot, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return env->root < 0 ? error_errno(err, -errno, "%s", quote(o->sysroot ? o->sysroot : "/").text) : 0;
}

/* Replaces the defaults of --default by what the container sets itself. */
static void add_defaults(const struct request *defaults, struct request *r)
{
	struct request all = *defaults;

	if (!defaults->given)
		return;
	request_change(&all, r);
	*r = all;
}

/*
 * Uses the keys in the state, else those in the config, and those in the environment, else the defaults. The config's
 * annotations count only if the state has none at all. *@asked: there are keys.
 */
static int make_request(const struct options *o, const struct oci_state *s, const struct conf *conf,
			struct oci_config *config, struct request *out, bool *asked, struct error *err)
{
	const struct oci_annotations *keys = s->annotations.any ? &s->annotations : &config->annotations;
	int r;

	*asked = oci_annotations_ask(&s->annotations) || o->defaults.given;
	/* The container's own keys first: an error in the file must not hide an error in them. */
	r = oci_annotations_request(&s->annotations, conf->container_keys, out, err);
	if (r == 0)
		r = oci_config_read(s->bundle, config, err);
	if (r < 0 && config->too_large && !*asked) {
		hook_warn(err->text);
		return 0;
	}
	if (r == 0 && !s->annotations.any)
		r = oci_annotations_request(keys, conf->container_keys, out, err);
	*asked |= oci_annotations_ask(keys) || oci_variables_ask(&config->variables, conf);
	if (r == 0)
		r = oci_variables_request(&config->variables, keys, conf, out, err);
	if (r < 0 || keys->sandbox)
		return r;
	add_defaults(&o->defaults, out);
	r = *asked ? oci_config_fallback(config, out, err) : oci_config_default(config, conf->without_keys, out, err);
	return r < 0 || !request_asks(out) ? r : request_finish(out, err);
}

static int parse_plan(const struct options *o, struct place_job *job, struct error *err)
{
	int r = o->cpus ? idset_parse_kernel(o->cpus, &job->planned_cpus, err) : 0;

	if (r < 0)
		return error_prefix(err, r, "--cpus");
	r = o->mems ? nodeset_parse_kernel(o->mems, &job->planned_mems, err) : 0;
	return r < 0 ? error_prefix(err, r, "--mems") : 0;
}

static int not_applied(const struct place_job *job, const char *why, struct error *err)
{
	return error_set(err, -ENOTSUP, "limits.memory.policy: \"%s\": %s",
			 memory_policy_name(job->request.policy), why);
}

/* Checks with the kernel that the process has the expected memory policy. */
static int check_inherited(int root, const struct place_job *job, struct error *err)
{
	const size_t size = IDSET_TEXT_MAX + 64;
	cleanup_free char *want = malloc(size), *have = malloc(size);
	char text[300];
	int r;

	if (!want || !have)
		return error_set(err, -ENOMEM, "out of memory");
	r = pages_policy_of_pid(root, job->pid, have, size, err);
	if (r < 0)
		return r;
	pages_policy_text(job->request.policy, &job->planned_mems, want, size);
	if (strcmp(want, have) == 0)
		return 0;
	snprintf(text, sizeof(text), "the container's process has \"%s\", not \"%s\"", quote(have).text,
		 quote(want).text);
	return not_applied(job, text, err);
}

/*
 * Checks that the spec which the runtime has read contains the policy: an engine may have dropped the unknown member.
 */
static int check_spec(const struct oci_state *s, const struct place_job *job, struct error *err)
{
	cleanup_oci_config struct oci_config config = { 0 };
	const char *mode = oci_policy_mode(job->request.policy, &job->planned_mems);
	struct nodeset nodes = { { 0 } };
	char cwd[64];
	int r;

	/* crun may give "/" as the bundle; its working folder is the bundle. */
	snprintf(cwd, sizeof(cwd), "/proc/%d/cwd", (int)getppid());
	r = oci_config_read(s->bundle && strcmp(s->bundle, "/") != 0 ? s->bundle : cwd, &config, err);
	if (r < 0)
		return r;
	if (config.policy_nodes && nodeset_parse_kernel(config.policy_nodes, &nodes, NULL) == 0 && config.policy_mode &&
	    mode && strcmp(config.policy_mode, mode) == 0 && nodeset_equal(&nodes, &job->planned_mems))
		return 0;
	return not_applied(job, "its config.json has no such linux.memoryPolicy: the engine has dropped it, "
			   "use numaplace-runtime", err);
}

/* Checks the version of the runtime, the parent process: old ones ignore linux.memoryPolicy silently. */
static int check_runtime(struct place_env *env, const struct place_job *job, struct error *err)
{
	struct runtime_version v;
	char exe[64], text[200];
	int r;

	snprintf(exe, sizeof(exe), "/proc/%d/exe", (int)getppid());
	r = place_open(env, PLACE_CREATE, err);
	if (r == 0)
		r = runtime_version_ask(exe, env->state, &v, err);
	if (r < 0)
		return r;
	if (runtime_knows_memory_policy(&v))
		return 0;
	snprintf(text, sizeof(text), "%s %u.%u does not know linux.memoryPolicy (runc 1.4 and crun 1.24 do): "
		 "use numaplace-runtime", v.name, v.major, v.minor);
	return not_applied(job, text, err);
}

/* Verifies the claim of --applied. A container with strict policy does not need it. */
static int check_applied(struct place_env *env, const struct options *o, const struct oci_state *s,
			 struct place_job *job, struct error *err)
{
	int r;

	if (!o->applied || job->request.policy == POLICY_STRICT)
		return 0;
	if (nodeset_empty(&job->planned_mems))
		return error_set(err, -EINVAL, "--applied: without --mems");
	if (strcmp(o->applied, APPLIED_INHERITED) == 0) {
		r = check_inherited(env->root, job, err);
	} else if (strcmp(o->applied, APPLIED_SPEC) == 0) {
		r = check_spec(s, job, err);
		if (r == 0)
			r = check_runtime(env, job, err);
	} else {
		r = error_set(err, -EINVAL, "--applied: \"%s\": not " APPLIED_SPEC " or " APPLIED_INHERITED,
			      quote(o->applied).text);
	}
	if (r == 0)
		job->applied = o->applied;
	return r;
}

/* check_runtime() runs `RUNTIME --version`, which cannot work under the hook's system call filter. */
static bool runs_a_program(const struct options *o)
{
	return o->applied && strcmp(o->applied, APPLIED_SPEC) == 0;
}

/*
 * Refuses a container with an invalid id only if it requests a placement itself; the host's default skips it with a
 * warning.
 */
static int bad_id(bool asked, struct error *err)
{
	error_prefix(err, -EINVAL, "id");
	if (asked)
		return -EINVAL;
	hook_warn(err->text);
	return 0;
}

/* Adds the hook's options to @job, and places the container. */
static int place_with_options(struct place_env *env, const struct options *o, const struct oci_state *s,
			      struct place_job *job, struct error *err)
{
	int r = parse_plan(o, job, err);

	if (r == 0)
		r = check_applied(env, o, s, job, err);
	if (r < 0)
		return r;
	if (runs_a_program(o))
		confine_calls(0);
	return place_container(env, job, NULL, NULL, err);
}

static int place(struct place_env *env, const struct options *o, const struct oci_state *s, struct error *err)
{
	struct place_job job = { .runtime_class = "oci", .id = s->id, .pid = s->pid };
	cleanup_oci_config struct oci_config config = { 0 };
	bool asked;
	int r;

	if (s->pid <= 0)
		return error_set(err, -EINVAL, "pid: %d: no process to place at stage %s", (int)s->pid,
				 quote(o->stage).text);
	r = make_request(o, s, &env->conf, &config, &job.request, &asked, err);
	if (r < 0 || !request_asks(&job.request))
		return r;
	if (name_check_id(s->id, err) < 0)
		return bad_id(asked, err);
	r = open_root(env, o, err);
	if (r < 0)
		return r;
	place_find_devices(env, &config.devices.refs, &job.request);
	job.runtime = runtime_name(env->root, s->status);
	return place_with_options(env, o, s, &job, err);
}

static int place_reserved(struct place_env *env, const struct options *o, const struct oci_state *s, struct error *err)
{
	cleanup_record struct record reserved = { 0 };
	struct place_job job = { .runtime_class = "oci", .id = s->id, .pid = s->pid, .told = true };
	int r;

	if (s->pid <= 0)
		return error_set(err, -EINVAL, "pid: %d: no process to place at stage %s", (int)s->pid,
				 quote(o->stage).text);
	if (name_check_id(s->id, err) < 0)
		return error_prefix(err, -EINVAL, "id");
	r = open_root(env, o, err);
	if (r == 0)
		r = place_recall(env, "oci", s->id, s->pid, &reserved, err);
	if (r < 0)
		return r;
	job.request = reserved.request;
	job.runtime = reserved.runtime;
	return place_with_options(env, o, s, &job, err);
}

static int release(struct place_env *env, const struct options *o, const struct oci_state *s, struct error *err)
{
	int r;

	/* A container with such an id is never placed. */
	if (name_check_id(s->id, NULL) < 0)
		return 0;
	r = open_root(env, o, err);
	return r < 0 ? r : place_release(env, "oci", s->id, err);
}

/* The result of reading numaplace.conf, beside place_env.conf. */
struct conf_read {
	int status;
	struct error err;
};

static int handle_state(struct place_env *env, const struct options *o, const struct conf_read *conf,
			const struct oci_state *s, struct error *err)
{
	if (s->annotations.sandbox)
		return 0;
	/* Release an ended container even if the conf is invalid. */
	if (conf->status < 0 && find_stage(o->stage) == STAGE_RELEASE) {
		hook_warn(conf->err.text);
		return release(env, o, s, err);
	}
	if (!o->reserved && !o->defaults.given && !oci_annotations_ask(&s->annotations)) {
		/* An error in the conf must not stop containers that request nothing. */
		if (conf->status < 0)
			hook_warn(conf->err.text);
		if (conf->status < 0 || (env->conf.without_keys == DEFAULT_NONE &&
					 !(o->environment && conf_takes_environment(&env->conf))))
			return 0;
	}
	if (conf->status < 0) {
		*err = conf->err;
		return conf->status;
	}
	if (find_stage(o->stage) != STAGE_PLACE)
		return release(env, o, s, err);
	return o->reserved ? place_reserved(env, o, s, err) : place(env, o, s, err);
}

/* --- precreate --- */

static int print(const char *text, size_t len, struct error *err)
{
	if (fwrite(text, 1, len, stdout) != len || fflush(stdout))
		return error_errno(err, errno ? -errno : -EIO, "write the config");
	return 0;
}

/* Makes the changed config; *@out stays NULL if the config needs no change. */
static int plan_config(struct place_env *env, const struct options *o, const char *text, size_t len, char **out,
		       size_t *out_len, struct error *err)
{
	cleanup_oci_config struct oci_config config = { 0 };
	cleanup_oci_plan struct oci_plan plan = { 0 };
	struct spec_edit edit = { 0 };
	struct request request;
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	int r = oci_config_parse(text, len, &config, err);

	if (r < 0)
		error_prefix(err, r, "config");
	if (config.too_large && !oci_config_looks_asking(text, len)) {
		if (env->conf.without_keys != DEFAULT_NONE)
			hook_warn(err->text);
		return 0;
	}
	if (r < 0)
		return r;
	r = oci_config_request(&config, &env->conf, &request, err);
	if (r < 0 || !request_asks(&request))
		return r;
	r = open_root(env, o, err);
	if (r == 0) {
		place_find_devices(env, &config.devices.refs, &request);
		r = oci_plan_make(env, &request, oci_config_id(&config), &plan, err);
	}
	if (r < 0)
		return r;
	self[n < 0 ? 0 : n] = '\0';
	edit.hook = self;
	/* The later stages see no annotation of such a container, and podman calls them for no other reason. */
	edit.poststop = oci_variables_ask(&config.variables, &env->conf);
	if (edit.poststop)
		oci_hook_option(edit.options, "--environment", NULL);
	edit.cpus = plan.cpus;
	edit.mems = request.policy == POLICY_PREFERRED ? NULL : plan.mems;
	edit.cpu_nodes = plan.cpu_nodes;
	edit.memory_nodes = plan.memory_nodes;
	oci_plan_variables(&plan, &edit);
	oci_plan_policy(&plan, &edit);
	oci_plan_options(&plan, edit.policy_mode ? APPLIED_SPEC : NULL, &edit);
	return spec_edit(text, len, &edit, out, out_len, err);
}

/* podman uses stdout as the config even if this program fails: write all of it at the end. */
static int precreate(struct place_env *env, const struct options *o, struct error *err)
{
	cleanup_free char *text = NULL, *changed = NULL;
	size_t len, changed_len = 0;
	struct error conf_err;
	int conf = conf_read(AT_FDCWD, o->conf, &env->conf, &conf_err);
	int r = hook_read(STDIN_FILENO, OCI_CONFIG_HELD_MAX, &text, &len, err);

	if (r < 0)
		return error_prefix(err, r, "config");
	if (conf < 0) {
		/* The later stages refuse the container if necessary. */
		hook_warn(conf_err.text);
		return print(text, len, err);
	}
	r = plan_config(env, o, text, len, &changed, &changed_len, err);
	if (r < 0 && !env->conf.warn_only)
		return r;
	if (r < 0)
		hook_warn(err->text);
	return changed ? print(changed, changed_len, err) : print(text, len, err);
}

static int run(struct place_env *env, const struct options *o, struct error *err)
{
	cleanup_oci_state struct oci_state s = { 0 };
	cleanup_free char *text = NULL;
	struct conf_read conf = { 0 };
	size_t len;
	int r;

	if (find_stage(o->stage) == STAGE_OTHER) {
		hook_drain(STDIN_FILENO);
		return 0;
	}
	if (find_stage(o->stage) == STAGE_PLAN)
		return precreate(env, o, err);
	/* First, because on-failure decides what an error means, including one while reading stdin. */
	conf.status = conf_read(AT_FDCWD, o->conf, &env->conf, &conf.err);
	if (env->conf.warn_only)
		hook_time_up_status(0);
	r = hook_read(STDIN_FILENO, OCI_STATE_MAX, &text, &len, err);
	if (r == 0)
		r = oci_state_parse(text, len, &s, err);
	if (r < 0)
		return error_prefix(err, r, "state");
	if (name_check_id(s.id, NULL) == 0)
		hook_subject("container %s", s.id);
	return handle_state(env, o, &conf, &s, err);
}

int main(int argc, char **argv)
{
	struct options o = { .conf = PLACE_CONF };
	struct place_env env = {
		.root = -1, .state = -1, .mount = -1, .timeout_ms = HOOK_LOCK_SECONDS * 1000, .message = hook_warn
	};
	struct error err = { 0 };
	int r;

	hook_begin_place(&env);
	r = parse_options(argc, argv, &o, &err);
	if (r < 0) {
		hook_drain(STDIN_FILENO);
		hook_say(LOG_ERR, err.text);
		return error_exit_status(r);
	}
	hook_time_limit(o.seconds, &env);
	/* Before reading any byte that a tenant may have written. */
	confine_privileges(o.applied ? CONFINE_LOOK : 0);
	if (!runs_a_program(&o))
		confine_calls(0);
	r = run(&env, &o, &err);
	if (r == 0)
		return 0;
	hook_say(env.conf.warn_only ? LOG_WARNING : LOG_ERR, err.text);
	return env.conf.warn_only ? 0 : error_exit_status(r);
}
