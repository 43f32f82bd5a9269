/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The hook of LXC: lxc-hook [OPTION...]. LXC_HOOK_TYPE names the stage, or the arguments "NAME lxc STAGE", which LXC
 * appends with lxc.hook.version = 0.
 *
 * pre-start plans the placement and refuses before LXC builds anything; start-host places the container and checks its
 * first process; post-stop removes it from the ledger. A failure is one line on stderr, in syslog and in the
 * container's log. It stops the start unless numaplace.conf says on-failure = warn. For a container without keys, the
 * hook reads only its config file and the conf.
 */
#include "cgroup/cgroup.h"
#include "place/devices.h"
#include "place/place.h"
#include "plugin/base/file.h"
#include "plugin/base/name.h"
#include "plugin/base/options.h"
#include "plugin/base/number.h"
#include "plugin/base/util.h"
#include "runtime-hooks/common/confine.h"
#include "runtime-hooks/common/hook.h"
#include "runtime-hooks/incus/incus-hook.h"
#include "runtime-hooks/lxc/lxc-config.h"
#include "runtime-hooks/lxc/lxc-keys.h"
#include "runtime-hooks/lxc/lxc-log.h"
#include "runtime-hooks/lxc/lxc-record.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#define READ_LOCK_MS  500  /* reading without the lock is better than a failed start */
#define WRITE_LOCK_MS 1500

enum stage { STAGE_PLAN, STAGE_PLACE, STAGE_RELEASE, STAGE_START, STAGE_OTHER };

struct options {
	const char *conf, *state, *sysroot;
	const char *timeout;
	unsigned int seconds;	/* parsed @timeout; 0: HOOK_SECONDS */
	const char *file;       /* the container's config; NULL: no file */
	const char *name, *stage;
	struct lxc_keys keys;	/* from --set, later also from the file */
	int set_status;         /* of --set: an error in the container's request, not in the command line */
	struct error set_err;
};

/* For messages from any function: the root folder and the container's name. */
static struct {
	int root;
	const char *name;
} subject = { .root = -1 };

static void say(int priority, const char *text)
{
	hook_say(priority, text);
	if (subject.name && subject.root >= 0)
		lxc_log(subject.root, subject.name, getenv("LXC_LOG_LEVEL"), priority, text);
}

static void warn(const char *text)
{
	say(LOG_WARNING, text);
}

static enum stage find_stage(const char *name)
{
	static const struct {
		const char *name;
		enum stage stage;
	} stages[] = {
		{ "pre-start", STAGE_PLAN },
		{ "start-host", STAGE_PLACE },
		{ "post-stop", STAGE_RELEASE },
		{ "start", STAGE_START },
	};

	for (size_t i = 0; i < ARRAY_SIZE(stages); i++)
		if (strcmp(name, stages[i].name) == 0)
			return stages[i].stage;
	return STAGE_OTHER;
}

/*
 * LXC appends "NAME lxc STAGE" to the hook's command and has a shell run the line.  The shell may split or expand a name
 * that is not allowed; then the name is LXC_NAME, and the words after the options are ignored.
 */
static bool name_is_split(const char *name, int argc, char **argv)
{
	return name && name_check_id(name, NULL) < 0 && argc > 2 && strcmp(argv[argc - 2], "lxc") == 0;
}

/* An error in a key is the container's: it is reported later, with the container's name. */
static int set_key(void *options, const char *value, struct error *err)
{
	struct options *o = options;

	(void)err;
	if (o->set_status == 0)
		o->set_status = lxc_keys_set(&o->keys, value, &o->set_err);
	return 0;
}

static int parse_options(int argc, char **argv, struct options *o, struct error *err)
{
	const struct option_rule rules[] = {
		{ .name = "conf", .value = &o->conf },	     { .name = "state", .value = &o->state },
		{ .name = "sysroot", .value = &o->sysroot }, { .name = "timeout", .value = &o->timeout },
		{ .name = "config", .value = &o->file },     { .name = "set", .set = set_key, .arg = o },
	};
	struct option_table table = { .empty_values = true, .rule = rules, .n = ARRAY_SIZE(rules) };
	int words;

	o->name = getenv("LXC_NAME");
	o->stage = getenv("LXC_HOOK_TYPE");
	o->file = getenv("LXC_CONFIG_FILE");
	if (name_is_split(o->name, argc, argv)) {
		/* The words of the name are not options, whatever they look like. */
		table.unknown = OPTIONS_END;
		o->stage = argv[argc - 1];
	} else if (argc > 3 && strcmp(argv[argc - 2], "lxc") == 0) {
		o->name = argv[argc - 3];
		o->stage = argv[argc - 1];
		argc -= 3;
	}
	words = options_parse(&table, argc - 1, argv + 1, err);
	if (words < 0)
		return words;
	if (words)
		return error_set(err, -EINVAL, "%s: no such option", quote(argv[1]).text);
	if (o->timeout && hook_timeout_parse(o->timeout, &o->seconds, err) < 0)
		return err->status;
	if (!o->name || !o->stage)
		return error_set(err, -EINVAL,
				 "usage: lxc-hook [--set KEY=VALUE...] [--conf FILE] [--state DIR] [--sysroot DIR] "
				 "[--timeout SECONDS] [--config FILE] [NAME lxc STAGE], or by LXC with LXC_NAME and LXC_HOOK_TYPE");
	return 0;
}

/*
 * Incus and LXD also start containers through liblxc and include common.conf.d, but they have their own keys and hook.
 * The file that they generate is named lxc.conf; LXC's own is named config.
 */
static bool is_of_a_daemon(const char *file)
{
	static const char *const places[] = { "/incus/", "/lxd/", "/lxd-" };
	const char *slash = file ? strrchr(file, '/') : NULL;

	if (!slash || strcmp(slash, "/lxc.conf") != 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		if (strstr(file, places[i]))
			return true;
	return false;
}

/* Finds out from the daemon's file whether the container is an Incus or LXD instance. */
static bool find_instance(const struct options *o, struct incus_instance *out)
{
	const char *slash = o->file ? strrchr(o->file, '/') : NULL;
	cleanup_free char *text = NULL;

	if (!slash || strcmp(slash, "/lxc.conf") != 0)
		return false;
	return file_read_all(AT_FDCWD, o->file, LXC_CONFIG_MAX, &text) > 0 && incus_detect(text, o->name, out);
}

static int open_root(struct place_env *env, const struct options *o, struct error *err)
{
	env->real = !o->sysroot || strcmp(o->sysroot, "/") == 0;
	env->root = open(env->real ? "/" : o->sysroot, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (env->root < 0)
		return error_errno(err, -errno, "%s", quote(o->sysroot ? o->sysroot : "/").text);
	subject.root = env->root;
	return 0;
}

/* Adds the keys in the file. A pipe, or no file, has none. */
static int read_file(const char *file, struct lxc_keys *keys, struct error *err)
{
	cleanup_close int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	cleanup_free char *text = NULL;
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return errno == ENOENT ? 0 : error_errno(err, -errno, "%.300s", file);
	if (fstat(fd, &st) < 0)
		return error_errno(err, -errno, "%.300s", file);
	if (!S_ISREG(st.st_mode))
		return 0;
	text = malloc(LXC_CONFIG_MAX + 2);
	if (!text)
		return error_set(err, -ENOMEM, "out of memory");
	n = file_read_fd(fd, text, LXC_CONFIG_MAX + 1);
	if (n < 0)
		return error_errno(err, (int)n, "%.300s", file);
	if (n > (ssize_t)LXC_CONFIG_MAX)
		return error_set(err, -EINVAL, "%.300s: more than 1 MiB", file);
	return lxc_keys_parse(text, (size_t)n, file, keys, err);
}

/* Reads the file's keys; those from the command line win. */
static int read_keys(struct options *o, enum conf_record where, struct error *err)
{
	cleanup_lxc_keys struct lxc_keys keys = { 0 };
	cleanup_free char *beside = NULL;
	int r = 0;

	if (o->file)
		r = read_file(o->file, &keys, err);
	if (r == 0 && o->file && where == RECORD_FILE) {
		beside = lxc_record_beside(o->file);
		r = beside ? read_file(beside, &keys, err) : error_set(err, -ENOMEM, "out of memory");
	}
	if (r < 0)
		return r;
	for (int i = 0; i < KEY_COUNT; i++) {
		if (o->keys.value[i])
			continue;
		o->keys.value[i] = steal_ptr(keys.value[i]);
		o->keys.line[i] = keys.line[i];
	}
	for (int i = 0; i < KEY_COUNT; i++) {
		o->keys.variable[i] = steal_ptr(keys.variable[i]);
		o->keys.variable_line[i] = keys.variable_line[i];
	}
	o->keys.unknown = steal_ptr(keys.unknown);
	o->keys.origin = steal_ptr(keys.origin);
	return 0;
}

static void find_origin(int root, const char *name, char out[LXC_ORIGIN_LEN + 1])
{
	char id[64];

	if (file_read(root, "etc/machine-id", id, sizeof(id)) < 0)
		*id = '\0';
	lxc_origin(name, id, out);
}

/* Applies numaplace.conf's default to a container without keys. */
static int apply_default(enum conf_default what, const struct lxc_limits *limits, struct request *r, struct error *err)
{
	int ret;

	if (what == DEFAULT_FOLLOW_PINS) {
		request_follow_pins(r, limits->cpus, limits->mems);
		return 0;
	}
	ret = request_set(r, request_keys[KEY_CPU_NODES], "balanced", err);
	return ret < 0 ? ret : lxc_limits_fallback(limits, r, err);
}

static int make_request(struct place_env *env, struct options *o, struct request *out, struct lxc_limits *limits,
			struct error *err)
{
	bool asked = lxc_keys_ask(&o->keys);
	char origin[LXC_ORIGIN_LEN + 1];
	int r;

	find_origin(env->root, o->name, origin);
	r = lxc_keys_request(&o->keys, origin, env->conf.container_keys, out, err);
	if (r == 0 && o->file && access(o->file, F_OK) == 0)
		r = lxc_config_read(o->name, o->file, limits, err);
	if (r < 0)
		return r;
	r = asked ? lxc_limits_fallback(limits, out, err) : apply_default(env->conf.without_keys, limits, out, err);
	if (r < 0 || !request_asks(out))
		return r;
	place_find_devices(env, &limits->devices, out);
	return request_finish(out, err);
}

/* Parses a field of /proc/PID/status as a set. */
static int read_allowed(const char *status, const char *field, struct ids_out out)
{
	const char *at = strstr(status, field);
	char text[IDSET_TEXT_MAX];

	if (!at)
		return -ENOENT;
	at += strlen(field);
	at += strspn(at, " \t");
	snprintf(text, sizeof(text), "%.*s", (int)strcspn(at, "\n"), at);
	return ids_parse_kernel(text, out, NULL);
}

static int check_allowed(const char *status, const char *field, struct ids wanted, struct error *err)
{
	char want[256], got[256];
	struct idset all;
	struct ids_out set = { all.word, wanted.nwords };
	struct ids found = { all.word, wanted.nwords };

	if (read_allowed(status, field, set) < 0)
		return error_set(err, -EIO, "%s: not found in its status", field);
	if (ids_equal(found, wanted))
		return 0;
	ids_format(wanted, want, sizeof(want));
	ids_format(found, got, sizeof(got));
	return error_set(err, -EXDEV, "%s %s, but %s was chosen", field, got, want);
}

/*
 * Checks the container's first process. It is set up, waits for this hook, and LXC does not write to its cgroup
 * afterwards, so its present CPUs and nodes are those of its first instruction. lxc.hook.start runs before start-host
 * and could not check this.
 */
static int check_inside(const struct place_env *env, pid_t pid, const struct placement *p, struct error *err)
{
	cleanup_free char *status = NULL;
	char path[64];
	ssize_t n;
	int r;

	snprintf(path, sizeof(path), "proc/%d/status", (int)pid);
	n = file_read_all(env->root, path, 65536, &status);
	if (n < 0)
		return error_errno(err, (int)n, "read %s", path);
	r = check_allowed(status, "Cpus_allowed_list:", ids_of(&p->share.cpus), err);
	if (r == 0 && p->policy != POLICY_PREFERRED)
		r = check_allowed(status, "Mems_allowed_list:", ids_of(&p->mems), err);
	return r < 0 ? error_prefix(err, r, "pid %d", (int)pid) : 0;
}

static int write_record(const struct place_env *env, const struct options *o, const struct placement *p,
			struct error *err)
{
	char origin[LXC_ORIGIN_LEN + 1];
	struct lxc_volatile v = { .nodes = &p->nodes, .mems = &p->mems, .origin = origin };
	cleanup_free char *beside = NULL;
	cleanup_close int lock = -1;

	find_origin(env->root, o->name, origin);
	lock = lxc_lock(o->file, o->name, WRITE_LOCK_MS, err);
	if (lock < 0)
		return lock;
	if (env->conf.record == RECORD_CONFIG)
		return lxc_record_write(o->file, false, &v, err);
	beside = lxc_record_beside(o->file);
	return beside ? lxc_record_write(beside, true, &v, err) : error_set(err, -ENOMEM, "out of memory");
}

/* LXC_PID must be a positive number without anything behind it. */
static int find_pid(pid_t *pid, struct error *err)
{
	const char *text = getenv("LXC_PID");
	uint64_t v;

	if (!text || !number_parse(text, INT_MAX, &v) || !v)
		return error_set(err, -EINVAL, "LXC_PID: \"%s\": no process to place", quote(text ? text : "").text);
	*pid = (pid_t)v;
	return 0;
}

static int place(struct place_env *env, const struct options *o, const struct request *request, const char *inner,
		 struct error *err)
{
	struct place_job job = { .runtime = "lxc", .runtime_class = "lxc", .id = o->name, .inner = inner };
	struct placing placing;
	cleanup_record struct record placed = { 0 };
	struct error why;
	int r = find_pid(&job.pid, err);

	job.request = *request;
	if (r < 0)
		return r;
	r = place_container(env, &job, &placed, &placing, err);
	if (r == 0)
		r = check_inside(env, job.pid, &placed.placement, err);
	place_finish(&placing, r);
	if (r < 0)
		return r;
	/* The ledger and the cgroup hold the placement already. The record is for the next start and for people. */
	if (o->file && env->conf.record != RECORD_NONE && write_record(env, o, &placed.placement, &why) < 0)
		warn(why.text);
	return 0;
}

static int plan(struct place_env *env, const struct request *request, struct error *err)
{
	cleanup_placement struct placement p = { 0 };

	/* The place stage reports warnings. */
	env->message = NULL;
	return place_plan(env, request, NULL, &p, NULL, err);
}

/* The result of reading numaplace.conf, beside place_env.conf. */
struct conf_read {
	int status;
	struct error err;
};

static int start(struct place_env *env, struct options *o, const struct conf_read *conf, struct error *err)
{
	cleanup_lxc_limits struct lxc_limits limits = { 0 };
	cleanup_close int lock = -1;
	struct request request;
	struct error name_err;
	int bad_name, r;

	if (o->set_status < 0) {
		*err = o->set_err;
		return o->set_status;
	}
	bad_name = name_check_id(o->name, &name_err);
	if (bad_name < 0)
		error_prefix(&name_err, bad_name, "container name");
	/* Wait a short time for LXC to finish writing. The lock's path contains the name, so the name must be valid. */
	if (o->file && bad_name == 0)
		lock = lxc_lock(o->file, o->name, READ_LOCK_MS, NULL);
	r = read_keys(o, env->conf.record, err);
	if (r < 0)
		return r;
	if (!conf_takes_environment(&env->conf))
		lxc_keys_drop_variables(&o->keys);
	if (!lxc_keys_ask(&o->keys)) {
		/* An error in the conf must not stop containers that request nothing. */
		if (conf->status < 0)
			warn(conf->err.text);
		if (conf->status < 0 || env->conf.without_keys == DEFAULT_NONE)
			return 0;
		if (bad_name < 0) {
			warn(name_err.text);
			return 0;
		}
	}
	if (bad_name < 0 || conf->status < 0) {
		*err = bad_name < 0 ? name_err : conf->err;
		return err->status;
	}
	r = make_request(env, o, &request, &limits, err);
	if (r < 0 || !request_asks(&request))
		return r;
	cleanup_closep(&lock);
	lock = -1;
	if (find_stage(o->stage) == STAGE_PLAN)
		return plan(env, &request, err);
	return place(env, o, &request, limits.inner, err);
}

/* Handles an Incus or LXD instance. */
static int run_instance(struct place_env *env, const struct options *o, const struct incus_instance *instance,
			const struct conf_read *conf, struct error *err)
{
	pid_t pid;
	int r;

	switch (find_stage(o->stage)) {
	case STAGE_PLACE:
		r = find_pid(&pid, err);
		return r < 0 ? r : incus_start(env, instance, pid, conf->status < 0 ? &conf->err : NULL, err);
	case STAGE_RELEASE:
		hook_time_up_status(0);
		env->conf.warn_only = true;
		return incus_stop(env, instance, err);
	default:
		return 0;
	}
}

static int run(struct place_env *env, struct options *o, struct error *err)
{
	struct incus_instance instance;
	struct conf_read conf = { 0 };
	bool of_incus, named = name_check_id(o->name, NULL) == 0;
	int r;

	if (named)
		hook_subject("container %s", o->name);
	subject.name = named ? o->name : "?";
	of_incus = find_instance(o, &instance);
	if (!of_incus && is_of_a_daemon(o->file))
		return 0;
	conf.status = conf_read(AT_FDCWD, o->conf, &env->conf, &conf.err);
	if (env->conf.warn_only)
		hook_time_up_status(0);
	r = open_root(env, o, err);
	if (r < 0)
		return r;
	if (of_incus)
		return run_instance(env, o, &instance, &conf, err);
	switch (find_stage(o->stage)) {
	case STAGE_PLAN:
	case STAGE_PLACE:
		r = start(env, o, &conf, err);
		if (r < 0 && o->file)
			lxc_keys_locate(&o->keys, o->file, err);
		return r;
	case STAGE_RELEASE:
		/* The container has stopped in any case. If its entry stays in the ledger, a later sweep removes it. */
		hook_time_up_status(0);
		env->conf.warn_only = true;
		return named ? place_release(env, "lxc", o->name, err) : 0;
	case STAGE_START:
		return error_set(err, -EINVAL, "lxc.hook.start: LXC runs it before the container is placed, so there "
					       "is nothing to check yet: remove this line, lxc.hook.start-host checks");
	case STAGE_OTHER:
		break;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct options o = { .conf = PLACE_CONF };
	struct place_env env = { .root = -1, .state = -1, .mount = -1, .timeout_ms = HOOK_LOCK_SECONDS * 1000, .message = warn };
	struct error err = { 0 };
	int r;

	hook_begin_place(&env);
	r = parse_options(argc, argv, &o, &err);
	if (r < 0) {
		hook_say(LOG_ERR, err.text);
		return error_exit_status(r);
	}
	hook_time_limit(o.seconds, &env);
	env.real = !o.sysroot || strcmp(o.sysroot, "/") == 0;
	place_name_state(&env, o.state, env.real ? place_usual_state(false) : NULL);
	/* Before reading any config. CONFINE_LOOK: lxc_log() looks for the log among the monitor's descriptors. */
	confine_privileges(CONFINE_LOOK | CONFINE_OWNERS);
	confine_calls(CONFINE_LIBLXC);
	r = run(&env, &o, &err);
	if (r < 0)
		say(env.conf.warn_only ? LOG_WARNING : LOG_ERR, err.text);
	lxc_keys_free(&o.keys);
	return r < 0 && !env.conf.warn_only ? error_exit_status(r) : 0;
}
