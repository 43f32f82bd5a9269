/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An OCI runtime's command line around runc or crun. At create and run it adds numaplace's hook to the bundle's
 * config.json, and the place to the environment of the process. For a memory policy that a hook cannot set, it adds the
 * policy to config.json if the runtime knows linux.memoryPolicy; otherwise it sets the policy on its own process, which
 * then executes the runtime. After an update it looks whether the runtime has written another cpuset, and lets the record
 * and the memory follow. All other commands, and containers that request nothing, are passed on unchanged.
 */
#include "cgroup/pages.h"
#include "runtime-hooks/common/json-write.h"
#include "plugin/base/clock.h"
#include "plugin/base/name.h"
#include "place/devices.h"
#include "place/follow.h"
#include "plugin/base/util.h"
#include "runtime-hooks/oci/bundle.h"
#include "runtime-hooks/oci/cgroups-path.h"
#include "runtime-hooks/oci/command.h"
#include "runtime-hooks/common/hook.h"
#include "runtime-hooks/oci/oci-config.h"
#include "runtime-hooks/oci/oci-plan.h"
#include "runtime-hooks/oci/runtime-version.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#define PATHS "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* The inherited state that hook_begin() changes and the runtime must get back. */
struct inherited {
	mode_t umask;
	struct sigaction on_pipe, on_alarm, on_file_limit, on_fault;
	sigset_t mask;
	struct itimerval timer; /* the inherited timer */
	uint64_t since; /* of clock_ns() */
	bool closed[STDERR_FILENO + 1];
};

/* Global for become_runtime(), which runs in a signal handler. */
static struct inherited was;
static char **runtime_argv;

static void begin(void)
{
	was.umask = umask(0);
	umask(was.umask);
	sigaction(SIGPIPE, NULL, &was.on_pipe);
	sigaction(SIGALRM, NULL, &was.on_alarm);
	sigaction(SIGXFSZ, NULL, &was.on_file_limit);
	sigaction(SIGSEGV, NULL, &was.on_fault);
	sigprocmask(SIG_BLOCK, NULL, &was.mask);
	getitimer(ITIMER_REAL, &was.timer);
	was.since = clock_ns(CLOCK_MONOTONIC);
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		was.closed[fd] = fcntl(fd, F_GETFD) < 0;
	hook_begin();
}

/* Restores the inherited timer with its remaining time; if it has expired, it fires at once. */
static void give_timer_back(void)
{
	const int64_t second = 1000000;
	struct itimerval timer = was.timer;
	int64_t left;

	left = timer.it_value.tv_sec * second + timer.it_value.tv_usec;
	if (left) {
		left -= (int64_t)(clock_ns(CLOCK_MONOTONIC) - was.since) / 1000;
		left = left > 0 ? left : 1;
	}
	timer.it_value = (struct timeval){ .tv_sec = left / second, .tv_usec = left % second };
	setitimer(ITIMER_REAL, &timer, NULL);
}

static void give_back(void)
{
	const struct sigaction ignore = { .sa_handler = SIG_IGN };

	alarm(0);
	/* Setting SIG_IGN discards pending signals, which this process caused. */
	sigaction(SIGPIPE, &ignore, NULL);
	sigaction(SIGXFSZ, &ignore, NULL);
	sigaction(SIGPIPE, &was.on_pipe, NULL);
	sigaction(SIGALRM, &was.on_alarm, NULL);
	sigaction(SIGXFSZ, &was.on_file_limit, NULL);
	sigaction(SIGSEGV, &was.on_fault, NULL);
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		if (was.closed[fd])
			close(fd);
	give_timer_back();
	sigprocmask(SIG_SETMASK, &was.mask, NULL);
	umask(was.umask);
}

/* --- where the runtime is --- */

/* Async-signal-safe. */
static void become_runtime(void)
{
	give_back();
	execv(runtime_argv[0], runtime_argv);
}

/* An executable file that is not this program itself under another name. */
static bool is_program(const char *path)
{
	struct stat st, self;

	if (stat(path, &st) < 0 || !S_ISREG(st.st_mode) || access(path, X_OK) < 0)
		return false;
	return stat("/proc/self/exe", &self) < 0 || st.st_dev != self.st_dev || st.st_ino != self.st_ino;
}

/* Searches PATH, then the folders where distributions install runtimes: an engine may set no PATH. */
static bool find_program(const char *name, char path[PATH_MAX])
{
	const char *env = getenv("PATH");
	const char *lists[] = { env ? env : "", PATHS };

	if (strchr(name, '/'))
		return (size_t)snprintf(path, PATH_MAX, "%s", name) < PATH_MAX && is_program(path);
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		for (const char *p = lists[i]; *p; p += strcspn(p, ":"), p += *p == ':') {
			int n = snprintf(path, PATH_MAX, "%.*s/%s", (int)strcspn(p, ":"), p, name);

			if (*p == '/' && n < PATH_MAX && is_program(path))
				return true;
		}
	}
	return false;
}

/* --runtime, else the name in argv[0] ("numaplace-crun"), else runc, else crun. */
static int find_runtime(const struct command *c, char path[PATH_MAX], struct error *err)
{
	static const char *const usual[] = { "runc", "crun" };
	const char *wanted = c->runtime;

	for (size_t i = 0; i < ARRAY_SIZE(usual) && !wanted; i++)
		if (command_is_called(c, usual[i]))
			wanted = usual[i];
	if (wanted)
		return find_program(wanted, path) ? 0 : error_set(err, -ENOENT, "--runtime %s: no such program",
								   quote(wanted).text);
	for (size_t i = 0; i < ARRAY_SIZE(usual); i++)
		if (find_program(usual[i], path))
			return 0;
	return error_set(err, -ENOENT, "neither runc nor crun is found: give --runtime");
}

/* Finds oci-hook: beside this program in a build folder, else where both are installed. */
static int find_hook(const struct command *c, char path[PATH_MAX], struct error *err)
{
	static const char *const places[] = { "oci-hook", "../libexec/numaplace/oci-hook" };
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (c->hook)
		return snprintf(path, PATH_MAX, "%s", c->hook) < PATH_MAX ? 0 :
									   error_set(err, -EINVAL, "--hook: too long");
	self[n < 0 ? 0 : n] = '\0';
	slash = strrchr(self, '/');
	for (size_t i = 0; i < ARRAY_SIZE(places) && slash; i++) {
		char joined[2 * PATH_MAX];

		snprintf(joined, sizeof(joined), "%.*s/%s", (int)(slash - self), self, places[i]);
		/* Canonical form: spec_edit() compares it with the path that hooks.d has put into the config. */
		if (realpath(joined, path) && access(path, X_OK) == 0)
			return 0;
	}
	snprintf(path, PATH_MAX, "/usr/libexec/numaplace/oci-hook");
	if (access(path, X_OK) == 0)
		return 0;
	return error_set(err, -ENOENT, "oci-hook is not found: give --hook");
}

/* --- what the container needs --- */

struct work {
	const struct command *command;
	struct place_env env;
	struct request request;
	struct oci_plan plan;
	const char *applied;
	char runtime[PATH_MAX], hook[PATH_MAX];
};

static void work_close(struct work *w)
{
	oci_plan_free(&w->plan);
	place_close(&w->env);
}
#define cleanup_work __attribute__((cleanup(work_close)))

static bool is_runtime(const struct runtime_version *v)
{
	return strcmp(v->name, "runc") == 0 || strcmp(v->name, "crun") == 0;
}

/* Plans the nodes first, then decides whether the runtime or this process sets the policy on them. */
static int plan_policy(struct work *w, struct spec_edit *edit, struct error *err)
{
	struct runtime_version v;
	int r = oci_plan_make(&w->env, &w->request, w->command->id, &w->plan, err);

	if (r < 0)
		return r;
	r = place_open(&w->env, PLACE_CREATE, err);
	if (r < 0)
		return r;
	r = runtime_version_ask(w->runtime, w->env.state, &v, err);
	if (r == 0 && !is_runtime(&v))
		r = error_set(err, -ENOTSUP, "limits.memory.policy: \"%s\": it is not known whether %s passes "
			      "a memory policy on", memory_policy_name(w->request.policy), v.name);
	if (r < 0)
		return r;
	w->applied = runtime_knows_memory_policy(&v) ? APPLIED_SPEC : APPLIED_INHERITED;
	if (strcmp(w->applied, APPLIED_SPEC) == 0)
		oci_plan_policy(&w->plan, edit);
	oci_plan_options(&w->plan, w->applied, edit);
	oci_plan_variables(&w->plan, edit);
	return 0;
}

/* The name under which the hook would record the container: it sees the process of the runtime. */
static const char *recorded_runtime(const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

	return strcmp(name, "runc") == 0 || strcmp(name, "crun") == 0 ? name : "oci";
}

/* Where the runtime will make the cgroup. Without cgroupsPath it uses the id. */
static int expected_cgroup(const struct work *w, const struct oci_config *config, char *out, size_t size)
{
	if (config->cgroups_path && *config->cgroups_path)
		return oci_cgroup_path(config->cgroups_path, out, size, NULL);
	return (size_t)snprintf(out, size, "/%s", w->command->id) < size ? 0 : -EINVAL;
}

/*
 * Reserves the place, so that the environment of the process can have it: the hook, which takes the reservation, cannot
 * change the spec. -ENOSPC: the container does not fit. Any other failure leaves the decision to the hook, and the
 * environment without a place.
 */
static int reserve(struct work *w, const struct oci_config *config, struct spec_edit *edit, struct error *err)
{
	struct place_job job = {
		.runtime = recorded_runtime(w->runtime),
		.runtime_class = "oci",
		.id = w->command->id,
		.request = w->request,
	};
	char cgroup[CGROUP_PATH_MAX];
	int r;

	if (!job.id || name_check_id(job.id, NULL) < 0 || expected_cgroup(w, config, cgroup, sizeof(cgroup)) < 0)
		return 0;
	r = oci_plan_reserve(&w->env, &job, cgroup, &w->plan, err);
	if (r == -ENOSPC && oci_config_asks(config, &w->env.conf))
		return r;
	if (r < 0)
		return 0;
	oci_plan_options(&w->plan, NULL, edit);
	oci_hook_option(edit->plan, "--mems", w->plan.mems);
	oci_plan_variables(&w->plan, edit);
	return 0;
}

static int edit_bundle(struct work *w, struct bundle *b, const struct oci_config *config, struct error *err)
{
	struct spec_edit edit = { .hook = w->hook, .poststop = true };
	cleanup_free char *text = NULL;
	size_t len;
	int r = find_hook(w->command, w->hook, err);

	if (r < 0)
		return r;
	if (w->command->conf)
		oci_hook_option(edit.options, "--conf", w->command->conf);
	if (w->command->state)
		oci_hook_option(edit.options, "--state", w->command->state);
	if (w->command->timeout)
		oci_hook_option(edit.options, "--timeout", w->command->timeout);
	if (oci_variables_ask(&config->variables, &w->env.conf))
		oci_hook_option(edit.options, "--environment", NULL);
	if (config->devices.refs.n)
		r = place_open(&w->env, PLACE_READ, err);
	if (r < 0)
		return r;
	place_find_devices(&w->env, &config->devices.refs, &w->request);
	r = w->request.policy == POLICY_STRICT ? reserve(w, config, &edit, err) : plan_policy(w, &edit, err);
	if (r == 0)
		r = spec_edit(b->text, b->len, &edit, &text, &len, err);
	if (r < 0)
		return r;
	return len == b->len && memcmp(text, b->text, len) == 0 ? 0 : bundle_write(b, text, len, err);
}

/* Runs last, so that the policy does not apply to this program's own work. */
static int take_policy(const struct work *w, struct error *err)
{
	if (!w->applied || strcmp(w->applied, APPLIED_INHERITED) != 0)
		return 0;
	return libnuma_set_policy(w->plan.placement.policy, &w->plan.placement.mems, err);
}

/*
 * Without --bundle (or, like runc, with ""), the bundle is the working folder. crun, too, looks for "config.json" in
 * the bundle.
 */
static int open_bundle(const struct command *c, struct bundle *b, struct error *err)
{
	const char *config = c->config && strcmp(c->config, "config.json") != 0 ? c->config : NULL;

	return bundle_open(c->bundle && *c->bundle ? c->bundle : ".", config, b, err);
}

/* The container requests nothing itself: warns that the host's default will not apply to it. */
static void pass_over(const struct work *w, const struct oci_config *config, const struct error *why)
{
	if (config->too_large && w->env.conf.without_keys != DEFAULT_NONE)
		hook_warn(why->text);
}

/* 0: @config is valid; 1: nothing to do, start the container unchanged; else the error. */
static int read_config(const struct work *w, const struct bundle *b, struct oci_config *config, struct error *err)
{
	int r = oci_config_parse(b->text, b->len, config, err);

	if (r == 0)
		return 0;
	error_prefix(err, r, "config.json");
	/* The runtime will report the error, unless the text seems to have keys. */
	if (oci_config_looks_asking(b->text, b->len)) {
		if (!b->partial)
			return r;
		error_set(err, r, "%s: %s: the keys in it have no effect", quote(b->name).text, b->fixed);
		hook_warn(err->text);
	} else {
		pass_over(w, config, err);
	}
	return 1;
}

static int prepare_container(struct work *w, const char *id, struct bundle *b, struct oci_config *config,
			     struct error *err)
{
	int r = oci_config_request(config, &w->env.conf, &w->request, err);

	/* The hook would fail with this error later, with the container half created. */
	if (r == 0 && request_asks(&w->request) && id && oci_config_asks(config, &w->env.conf) &&
	    name_check_id(id, err) < 0)
		return error_prefix(err, -EINVAL, "id");
	if (r == 0 && request_asks(&w->request))
		r = edit_bundle(w, b, config, err);
	if (r == 0)
		r = take_policy(w, err);
	if (r < 0 && !oci_config_asks(config, &w->env.conf)) {
		hook_warn(err->text);
		return 0;
	}
	return r;
}

static int prepare(struct work *w, struct error *err)
{
	cleanup_oci_config struct oci_config config = { 0 };
	cleanup_bundle struct bundle b = BUNDLE_NONE;
	const struct command *c = w->command;
	struct error conf_err;
	int conf, r;

	hook_subject("container %s", c->id ? quote(c->id).text : "?");
	/* First, because on-failure decides what an error means. */
	conf = conf_read(AT_FDCWD, c->conf ? c->conf : PLACE_CONF, &w->env.conf, &conf_err);
	if (w->env.conf.warn_only)
		hook_time_up_call(become_runtime);
	r = open_bundle(c, &b, err);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = read_config(w, &b, &config, err);
	if (r)
		return r < 0 ? r : 0;
	if (conf < 0 && !oci_config_asks(&config, &w->env.conf)) {
		/* An error in the conf must not stop containers that request nothing. */
		hook_warn(conf_err.text);
		return 0;
	}
	if (conf < 0) {
		*err = conf_err;
		return conf;
	}
	return prepare_container(w, c->id, &b, &config, err);
}

/* --- the runtime's log --- */

/* The file of --log; NULL: none. crun also takes file:PATH, journald:ID and syslog:ID. */
static const char *log_file(const struct command *c)
{
	static const char *const elsewhere[] = { "journald:", "syslog:" };

	for (size_t i = 0; c->log && i < ARRAY_SIZE(elsewhere); i++)
		if (strncmp(c->log, elsewhere[i], strlen(elsewhere[i])) == 0)
			return NULL;
	return c->log && strncmp(c->log, "file:", 5) == 0 ? c->log + 5 : c->log;
}

/* A line of runc's log, in JSON or as key="value", where a value is escaped as in JSON. NULL: no memory. */
static char *log_line(bool json, const char *when, const char *text)
{
	cleanup_json struct json_writer w = JSON_IN_MEMORY, msg = JSON_IN_MEMORY;
	char said[ERROR_TEXT_MAX + 32], *line;
	int n;

	snprintf(said, sizeof(said), "numaplace: %s", text);
	json_put_string(&msg, NULL, said);
	json_begin_object(&w, NULL);
	json_put_string(&w, "level", "error");
	json_put_value(&w, "msg", &msg);
	json_put_string(&w, "time", when);
	json_end(&w);
	if (w.out.failed)
		return NULL;
	n = json ? asprintf(&line, "%s\n", w.out.text) :
		   asprintf(&line, "time=\"%s\" level=error msg=%s\n", when, msg.out.text);
	return n < 0 ? NULL : line;
}

/* containerd and podman read errors from the runtime's log, not from stderr. */
static void write_log(const struct command *c, const char *text)
{
	const char *file = log_file(c);
	cleanup_close int fd = file ? open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0644) : -1;
	cleanup_free char *line = NULL;
	time_t now = time(NULL);
	struct tm tm;
	char when[32];

	if (fd < 0 || !gmtime_r(&now, &tm))
		return;
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	line = log_line(c->log_format && strcmp(c->log_format, "json") == 0, when, text);
	if (line && write(fd, line, strlen(line)) < 0)
		return;
}

/* --- update --- */

/* Whether a word of the command line is this id. */
static bool is_named(const void *arg, const char *id)
{
	for (char *const *word = arg; *word; word++)
		if (strcmp(*word, id) == 0)
			return true;
	return false;
}

static void follow(const struct command *c, struct place_env *env)
{
	struct error err = { 0 };

	hook_begin();
	conf_init(&env->conf);
	if (conf_read(AT_FDCWD, c->conf ? c->conf : PLACE_CONF, &env->conf, &err) < 0 ||
	    place_follow(env, is_named, c->rest, &err) < 0)
		hook_warn(err.text);
}

/* Runs the runtime's update as a child. Returns its exit status, or 128 and its signal. */
static int update(const struct command *c, struct place_env *env)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		execv(runtime_argv[0], runtime_argv);
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (!WIFEXITED(status))
		return 128 + WTERMSIG(status);
	if (WEXITSTATUS(status) == 0)
		follow(c, env);
	return WEXITSTATUS(status);
}

/* 0: execute the runtime; else the exit status. */
static int prepared(const struct command *c, struct work *w, unsigned int seconds)
{
	struct error err = { 0 };
	int r;

	begin();
	hook_time_limit(seconds, &w->env);
	conf_init(&w->env.conf);
	r = prepare(w, &err);
	if (r < 0) {
		hook_say(w->env.conf.warn_only ? LOG_WARNING : LOG_ERR, err.text);
		if (w->env.conf.warn_only)
			r = 0;
		else
			write_log(c, err.text);
	}
	give_back();
	return r < 0 ? error_exit_status(r) : 0;
}

int main(int argc, char **argv)
{
	struct command c;
	struct error err = { 0 };
	cleanup_work struct work w = {
		.command = &c,
		.env = { .root = -1, .real = true, .state = -1, .mount = -1, .timeout_ms = HOOK_LOCK_SECONDS * 1000,
			 .message = hook_warn },
	};
	unsigned int seconds = 0;
	int status = command_parse(argc, argv, &c, &err);

	if (status == 0 && c.timeout)
		status = hook_timeout_parse(c.timeout, &seconds, &err);
	if (status == 0)
		status = find_runtime(&c, w.runtime, &err);
	if (status < 0) {
		hook_say(LOG_ERR, err.text);
		write_log(&c, err.text);
		return error_exit_status(status);
	}
	place_name_state(&w.env, c.state, place_usual_state(false));
	runtime_argv = c.argv;
	runtime_argv[0] = w.runtime;
	if (c.creates) {
		status = prepared(&c, &w, seconds);
		if (status)
			return status;
	}
	if (c.updates) {
		status = update(&c, &w.env);
		if (status >= 0)
			return status;
		errno = -status;
	} else {
		execv(w.runtime, runtime_argv);
	}
	error_errno(&err, -errno, "run %.200s", w.runtime);
	hook_say(LOG_ERR, err.text);
	write_log(&c, err.text);
	return 127;
}
