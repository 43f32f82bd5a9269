/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The hook of OCI runtimes: oci-hook STAGE, the container's state on stdin.
 *
 * createRuntime (and prestart, its old name) places the container, poststop
 * forgets it, any other stage is nothing to us. A failure is one line on stderr and in syslog
 * and stops the container, unless numaplace.conf says on-failure = warn.  A
 * container that asks for nothing costs a look at the state and at the conf.
 */
#include "cgroup/place.h"
#include "plugin/file.h"
#include "plugin/util.h"
#include "runtime-hooks/hook.h"
#include "runtime-hooks/oci-config.h"
#include "runtime-hooks/oci-state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>

struct options {
	const char *conf, *state, *sysroot, *stage;
};

enum stage { STAGE_PLACE, STAGE_RELEASE, STAGE_OTHER };

static enum stage find_stage(const char *name)
{
	if (strcmp(name, "createRuntime") == 0 || strcmp(name, "prestart") == 0)
		return STAGE_PLACE;
	return strcmp(name, "poststop") == 0 ? STAGE_RELEASE : STAGE_OTHER;
}

static int parse_options(int argc, char **argv, struct options *o, struct error *err)
{
	struct {
		const char *name;
		const char **value;
	} known[] = { { "--conf", &o->conf }, { "--state", &o->state }, { "--sysroot", &o->sysroot } };

	for (int i = 1; i < argc; i++) {
		const char **value = argv[i][0] == '-' ? NULL : &o->stage;

		if (value && o->stage)
			return error_set(err, -EINVAL, "%s: one stage is enough", quote(argv[i]).text);
		for (size_t k = 0; k < ARRAY_SIZE(known) && !value; k++)
			if (strcmp(argv[i], known[k].name) == 0)
				value = known[k].value;
		if (!value)
			return error_set(err, -EINVAL, "%s: no such option", quote(argv[i]).text);
		if (argv[i][0] == '-' && !argv[++i])
			return error_set(err, -EINVAL, "%s: a value is missing", quote(argv[i - 1]).text);
		*value = argv[i];
	}
	if (!o->stage)
		return error_set(err, -EINVAL, "usage: oci-hook [--conf FILE] [--state DIR] [--sysroot DIR] STAGE");
	return 0;
}

/* Our parent knows best; the spelling of the status tells the two apart where it is something else. */
static const char *runtime_name(int root, const char *status)
{
	static const char *const known[] = { "runc", "crun" };
	char path[64], comm[32];
	ssize_t n;

	snprintf(path, sizeof(path), "proc/%d/comm", (int)getppid());
	n = file_read(root, path, comm, sizeof(comm));
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
	env->root = open(env->real ? "/" : o->sysroot, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return env->root < 0 ? error_errno(err, -errno, "%s", quote(o->sysroot ? o->sysroot : "/").text) : 0;
}

/* What numaplace.conf says for a container that said nothing. */
static int apply_default(enum conf_default what, const struct oci_config *config, struct request *r, struct error *err)
{
	int ret = 0;

	if (what == DEFAULT_FOLLOW_PINS)
		return oci_config_follow_pins(config, r, err);
	if (what == DEFAULT_BALANCED)
		ret = request_set(r, request_keys[KEY_CPU_NODES], "balanced", err);
	return ret < 0 ? ret : oci_config_fallback(config, r, err);
}

/*
 * State, then config, then conf: the first that asks is heard.  The config's annotations
 * count only where the state has none at all, and where it is read anyway.
 */
static int make_request(const struct oci_state *s, const struct conf *conf, struct request *out, struct error *err)
{
	cleanup_oci_config struct oci_config config = { 0 };
	bool asked = oci_annotations_ask(&s->annotations);
	int r;

	/* What it says itself is looked at first: its faults are not hidden by those of a file. */
	r = oci_annotations_request(&s->annotations, conf->container_keys, out, err);
	if (r == 0)
		r = oci_config_read(s->bundle, &config, err);
	if (r == 0 && !s->annotations.any && oci_annotations_ask(&config.annotations)) {
		asked = true;
		r = oci_annotations_request(&config.annotations, conf->container_keys, out, err);
	}
	if (r < 0)
		return r;
	if (config.annotations.sandbox && !s->annotations.any)
		return 0;
	r = asked ? oci_config_fallback(&config, out, err) : apply_default(conf->without_keys, &config, out, err);
	return r < 0 || !request_asks(out) ? r : request_finish(out, err);
}

static int place(struct place_env *env, const struct options *o, const struct oci_state *s, struct error *err)
{
	struct place_job job = { .runtime_class = "oci", .id = s->id, .pid = s->pid };
	cleanup_record struct record placed = { 0 };
	int r;

	if (s->pid <= 0)
		return error_set(err, -EINVAL, "pid: %d: no process to place at stage %s", (int)s->pid,
				 quote(o->stage).text);
	r = make_request(s, &env->conf, &job.request, err);
	if (r < 0 || !request_asks(&job.request))
		return r;
	r = open_root(env, o, err);
	if (r < 0)
		return r;
	job.runtime = runtime_name(env->root, s->status);
	return place_container(env, &job, &placed, err);
}

static int release(struct place_env *env, const struct options *o, const struct oci_state *s, struct error *err)
{
	int r = open_root(env, o, err);

	return r < 0 ? r : place_release(env, "oci", s->id, err);
}

/* What numaplace.conf said, beside place_env.conf. */
struct conf_read {
	int status;
	struct error err;
};

static int handle_state(struct place_env *env, const struct options *o, const struct conf_read *conf,
			const struct oci_state *s, struct error *err)
{
	if (s->annotations.sandbox)
		return 0;
	if (!oci_annotations_ask(&s->annotations)) {
		/* A slip in the conf must not stop containers that want nothing from us. */
		if (conf->status < 0)
			hook_warn(conf->err.text);
		if (conf->status < 0 || env->conf.without_keys == DEFAULT_NONE)
			return 0;
	}
	if (conf->status < 0) {
		*err = conf->err;
		return conf->status;
	}
	return find_stage(o->stage) == STAGE_PLACE ? place(env, o, s, err) : release(env, o, s, err);
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
	/* First, because it says what a failure means, that of reading stdin too. */
	conf.status = conf_read(AT_FDCWD, o->conf, &env->conf, &conf.err);
	if (env->conf.warn_only)
		hook_time_up_status(0);
	r = hook_read(STDIN_FILENO, OCI_STATE_MAX, &text, &len, err);
	if (r == 0)
		r = oci_state_parse(text, len, &s, err);
	if (r < 0) {
		error_prefix(err, "state");
		return r;
	}
	hook_subject("container %s", s.id);
	return handle_state(env, o, &conf, &s, err);
}

int main(int argc, char **argv)
{
	struct options o = { .conf = HOOK_CONF, .state = HOOK_STATE };
	struct place_env env = {
		.root = -1, .state = -1, .timeout_ms = HOOK_LOCK_SECONDS * 1000, .message = hook_warn
	};
	struct error err = { 0 };
	int r;

	hook_begin();
	conf_init(&env.conf);
	r = parse_options(argc, argv, &o, &err);
	if (r < 0) {
		hook_drain(STDIN_FILENO);
		hook_say(LOG_ERR, err.text);
		return error_exit_status(r);
	}
	env.state_path = o.state;
	r = run(&env, &o, &err);
	if (r == 0)
		return 0;
	hook_say(env.conf.warn_only ? LOG_WARNING : LOG_ERR, err.text);
	return env.conf.warn_only ? 0 : error_exit_status(r);
}
