/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The functions of include/numaplace.h over place/. Contexts and requests keep what the internal functions need;
 * placements are in placement.c. The internal calls are in the functions run_*(), which are the only ones that know
 * struct place_env.
 */
#include "lib/placement.h"

#include "place/move.h"
#include "place/place.h"
#include "plugin/base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <syslog.h>

#define CONF_PATH "/etc/numaplace/numaplace.conf"
#define LOCK_TIMEOUT_MS 10000
#define POLICY_BY "caller" /* record.applied if the caller has set the memory policy */
#define KEY_PREFIX "org.numaplace."

struct numaplace {
	int root;
	bool real, read_only;
	char *state;        /* path; NULL: no ledger */
	bool state_given;
	struct conf conf;
	struct error error; /* the last failure */
	void (*log)(void *arg, int priority, const char *line);
	void *log_arg;
};

struct numaplace_request {
	struct numaplace *np;
	struct request keys; /* not finished, and without the limits */
	int64_t quota, memory;
	uint64_t period;
};

/* Keeps @err for numaplace_error() if @status is a failure; returns @status. */
static int keep(struct numaplace *np, int status, const struct error *err)
{
	if (status < 0 && err->text[0])
		np->error = *err;
	else if (status < 0)
		error_set(&np->error, status, "%s", strerror(-status));
	return status;
}

static int missing(struct numaplace *np, const char *what)
{
	struct error err = { 0 };

	return keep(np, error_set(&err, -EINVAL, "%s: NULL", what), &err);
}

const char *numaplace_version(void)
{
	return NUMAPLACE_VERSION;
}

/* --- contexts --- */

static int open_root(struct numaplace *np, const char *root, struct error *err)
{
	np->real = !root || strcmp(root, "/") == 0;
	np->root = open(np->real ? "/" : root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (np->root < 0)
		return error_set(err, -EINVAL, "root %s: %s", quote(root).text, strerror(errno));
	if (!np->real && faccessat(np->root, "sys", F_OK, 0) < 0)
		return error_set(err, -EINVAL, "root %s: it has no sys/: a folder that holds sys/ and proc/ is expected",
				 quote(root).text);
	return 0;
}

static int read_conf(struct numaplace *np, const char *path, struct error *err)
{
	conf_init(&np->conf);
	if (!path)
		return conf_read(np->root, np->real ? CONF_PATH : &CONF_PATH[1], &np->conf, err);
	if (access(path, R_OK) < 0)
		return error_set(err, -EINVAL, "configuration %s: %s", quote(path).text, strerror(errno));
	return conf_read(AT_FDCWD, path, &np->conf, err);
}

static int name_state(struct numaplace *np, const char *state, struct error *err)
{
	np->state_given = state != NULL;
	if (!state && np->real)
		state = PLACE_STATE;
	if (!state)
		return 0;
	if (!*state)
		return error_set(err, -EINVAL, "state folder: \"\": empty");
	np->state = strdup(state);
	return np->state ? 0 : error_set(err, -ENOMEM, "out of memory");
}

int numaplace_open(struct numaplace **out, const char *root, const char *state, const char *conf, unsigned int flags)
{
	struct error err = { 0 };
	struct numaplace *np;
	int rc = 0;

	if (!out)
		return -EINVAL;
	*out = np = calloc(1, sizeof(*np));
	if (!np)
		return -ENOMEM;
	np->root = -1;
	if (flags & ~NUMAPLACE_READ_ONLY)
		rc = error_set(&err, -EINVAL, "flags 0x%x: unknown", flags & ~NUMAPLACE_READ_ONLY);
	if (rc == 0)
		rc = open_root(np, root, &err);
	if (rc == 0)
		rc = read_conf(np, conf, &err);
	if (rc == 0)
		rc = name_state(np, state, &err);
	np->read_only = !np->real || flags & NUMAPLACE_READ_ONLY;
	return keep(np, rc, &err);
}

void numaplace_close(struct numaplace *np)
{
	if (!np)
		return;
	cleanup_closep(&np->root);
	free(np->state);
	free(np);
}

const char *numaplace_error(const struct numaplace *np)
{
	return np ? np->error.text : "out of memory";
}

void numaplace_set_log(struct numaplace *np, void (*log)(void *arg, int priority, const char *line), void *arg)
{
	np->log = log;
	np->log_arg = arg;
}

/* --- requests --- */

int numaplace_request_new(struct numaplace *np, struct numaplace_request **out)
{
	struct error err = { 0 };
	struct numaplace_request *r;

	if (!np)
		return -EINVAL;
	if (!out)
		return missing(np, "request");
	r = calloc(1, sizeof(*r));
	if (!r)
		return keep(np, error_set(&err, -ENOMEM, "out of memory"), &err);
	r->np = np;
	request_init(&r->keys);
	*out = r;
	return 0;
}

int numaplace_request_set(struct numaplace_request *r, const char *key, const char *value)
{
	const size_t prefix = strlen(KEY_PREFIX);
	struct error err = { 0 };

	if (!r)
		return -EINVAL;
	if (!key || !value)
		return missing(r->np, key ? "value" : "key");
	if (strncmp(key, KEY_PREFIX, prefix) == 0)
		key += prefix;
	return keep(r->np, request_set(&r->keys, key, value, &err), &err);
}

static int parse_list(const char *text, const char *what, struct ids_out out, struct error *err)
{
	int rc = text && *text ? ids_parse(text, out, err) : ids_parse_kernel("", out, err);

	return rc < 0 ? error_prefix(err, rc, "%s", what) : 0;
}

int numaplace_request_pin(struct numaplace_request *r, const char *cpus, const char *mems)
{
	struct idset pin_cpus;
	struct nodeset pin_mems;
	struct error err = { 0 };
	int rc;

	if (!r)
		return -EINVAL;
	rc = parse_list(cpus, "pinned CPUs", ids_into(&pin_cpus), &err);
	if (rc == 0)
		rc = parse_list(mems, "pinned memory nodes", ids_into(&pin_mems), &err);
	if (rc < 0)
		return keep(r->np, rc, &err);
	r->keys.pin_cpus = pin_cpus;
	r->keys.pin_mems = pin_mems;
	return 0;
}

void numaplace_request_limit(struct numaplace_request *r, int64_t quota, uint64_t period, int64_t memory)
{
	r->quota = quota;
	r->period = period;
	r->memory = memory;
}

void numaplace_request_free(struct numaplace_request *r)
{
	free(r);
}

/* The request as the internal functions take it. */
static int finish(const struct numaplace_request *r, struct request *out, struct error *err)
{
	if (!request_asks(&r->keys))
		return error_set(err, -EINVAL, "a key is missing, for example limits.cpu=4");
	*out = r->keys;
	request_fallback_cpus(out, r->quota, r->period);
	request_fallback_memory(out, r->memory);
	return request_finish(out, err);
}

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

/* --- the internal calls --- */

/* The context whose call runs in this thread: place_env.message has no argument. */
static __thread struct numaplace *logging;

static void pass_on(const char *line)
{
	if (logging->log)
		logging->log(logging->log_arg, LOG_WARNING, line);
}

#define cleanup_env __attribute__((cleanup(place_close)))

static struct place_env make_env(struct numaplace *np)
{
	struct place_env env = {
		.root = np->root,
		.real = np->real,
		.state = -1,
		.mount = -1,
		.conf = np->conf,
		.timeout_ms = LOCK_TIMEOUT_MS,
		.message = pass_on,
	};

	place_name_state(&env, np->state_given ? np->state : NULL, np->state);
	logging = np;
	return env;
}

static int run_plan(struct numaplace *np, const struct request *request, const char *id, struct placement *out,
		    struct reasons *why, struct error *err)
{
	cleanup_env struct place_env env = make_env(np);

	return place_plan(&env, request, id, out, why, err);
}

static int run_place(struct numaplace *np, const struct place_job *job, struct record *out, struct error *err)
{
	cleanup_env struct place_env env = make_env(np);

	return place_container(&env, job, out, NULL, err);
}

static int run_release(struct numaplace *np, const char *runtime_class, const char *id, struct error *err)
{
	cleanup_env struct place_env env = make_env(np);

	return place_release(&env, runtime_class, id, err);
}

static int run_move(struct numaplace *np, const struct move_job *job, struct record *after, struct error *err)
{
	cleanup_env struct place_env env = make_env(np);
	cleanup_record struct record before = { 0 };

	return place_move(&env, job, &before, after, err);
}

/* Calls @each for the records of live containers. */
static int run_list(struct numaplace *np, int (*each)(void *arg, const struct record *r), void *arg, struct error *err)
{
	cleanup_env struct place_env env = make_env(np);
	cleanup_topology struct topology *t = NULL;
	cleanup_ledger struct ledger *ledger = NULL;
	int rc = topology_read(np->root, &t, err);

	if (rc == 0 && np->state)
		rc = place_look(&env, t, &ledger, err);
	return rc == 0 && ledger ? ledger_each(ledger, each, arg, err) : rc;
}

/* --- transactions --- */

static int check_writable(const struct numaplace *np, struct error *err)
{
	return np->read_only ? error_set(err, -EROFS, "the context is read-only") : 0;
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

static const char *class_of(const char *runtime)
{
	static const char *const classes[] = { "lxc", "incus", "lxd" };

	for (size_t i = 0; i < ARRAY_SIZE(classes); i++)
		if (strcmp(runtime, classes[i]) == 0)
			return classes[i];
	return "oci";
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
		return missing(np, r ? "placement" : "request");
	rc = id ? check_id(id, &err) : 0;
	if (rc == 0)
		rc = finish(r, &request, &err);
	if (rc == 0)
		rc = run_plan(np, &request, id, &placement, &why, &err);
	if (rc < 0)
		return keep(np, rc, &err);
	p = placement_of(id ? id : "", "", "", &placement, &why);
	if (!p)
		return keep(np, error_set(&err, -ENOMEM, "out of memory"), &err);
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
	job->runtime_class = class_of(job->runtime);
	job->id = t->id;
	job->pid = t->pid;
	if (t->planned) {
		rc = parse_list(t->planned->cpus, "planned CPUs", ids_into(&job->planned_cpus), err);
		if (rc == 0)
			rc = parse_list(t->planned->mems, "planned memory nodes", ids_into(&job->planned_mems), err);
		job->applied = POLICY_BY;
	}
	return rc < 0 ? rc : finish(r, &job->request, err);
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
		return missing(np, r ? "target" : "request");
	rc = make_job(r, target, &job, &err);
	if (rc == 0)
		rc = check_writable(np, &err);
	if (rc == 0)
		rc = run_place(np, &job, &record, &err);
	if (rc == 0)
		rc = give(&record, out, &err);
	return keep(np, rc, &err);
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
		rc = check_writable(np, &err);
	if (rc == 0)
		rc = run_release(np, class_of(runtime), id, &err);
	return keep(np, rc, &err);
}

/* --- reading the ledger --- */

struct search {
	const char *name;
	unsigned int matches;
	uint64_t inode;
	char id[RECORD_ID_MAX + 1];
	struct numaplace_placement *found;
};

static int match(void *arg, const struct record *r)
{
	struct search *s = arg;

	if (strcmp(*s->name == '/' ? r->cgroup : r->id, s->name) != 0)
		return 0;
	if (s->matches++)
		return 0;
	s->inode = r->cgroup_inode;
	memcpy(s->id, r->id, sizeof(s->id));
	s->found = placement_of_record(r);
	return s->found ? 0 : -ENOMEM;
}

static int search(struct numaplace *np, struct search *s, struct error *err)
{
	int rc;

	if (!s->name)
		return error_set(err, -EINVAL, "container: NULL");
	rc = run_list(np, match, s, err);
	if (rc < 0)
		return rc;
	if (!s->matches)
		return error_set(err, -ENOENT, "%s: no such container is placed", quote(s->name).text);
	if (s->matches > 1)
		return error_set(err, -ENOTUNIQ, "%s: %u containers have this id: give the cgroup instead",
				 quote(s->name).text, s->matches);
	return 0;
}

int numaplace_find(struct numaplace *np, const char *name, struct numaplace_placement **out)
{
	struct search s = { .name = name };
	struct error err = { 0 };
	int rc;

	if (!np)
		return -EINVAL;
	if (!out)
		return missing(np, "placement");
	rc = search(np, &s, &err);
	if (rc == 0)
		*out = steal_ptr(s.found);
	numaplace_placement_free(s.found);
	return keep(np, rc, &err);
}

int numaplace_move(struct numaplace *np, const char *name, const char *nodes, unsigned int seconds,
		   void (*progress)(void *arg, uint64_t done, uint64_t total), void *arg,
		   struct numaplace_placement **out)
{
	struct move_job job = { .seconds = seconds, .progress = progress, .arg = arg };
	cleanup_record struct record after = { 0 };
	struct search s = { .name = name };
	struct error err = { 0 };
	int rc;

	if (!np)
		return -EINVAL;
	if (!nodes)
		return missing(np, "nodes");
	rc = nodeset_parse(nodes, &job.nodes, &err);
	if (rc < 0)
		rc = error_prefix(&err, rc, "nodes");
	if (rc == 0)
		rc = check_writable(np, &err);
	if (rc == 0)
		rc = search(np, &s, &err);
	numaplace_placement_free(s.found);
	job.id = s.id;
	job.cgroup_inode = s.inode;
	if (rc == 0)
		rc = run_move(np, &job, &after, &err);
	if (rc == 0)
		rc = give(&after, out, &err);
	return keep(np, rc, &err);
}

struct copies {
	size_t n, room;
	struct numaplace_placement **placement;
};

static void copies_free(struct copies *c)
{
	for (size_t i = 0; i < c->n; i++)
		numaplace_placement_free(c->placement[i]);
	free(c->placement);
}

static int copy(void *arg, const struct record *r)
{
	struct copies *c = arg;

	if (c->n == c->room) {
		size_t room = c->room ? c->room * 2 : 16;
		struct numaplace_placement **more = reallocarray(c->placement, room, sizeof(c->placement[0]));

		if (!more)
			return -ENOMEM;
		c->placement = more;
		c->room = room;
	}
	c->placement[c->n] = placement_of_record(r);
	if (!c->placement[c->n])
		return -ENOMEM;
	c->n++;
	return 0;
}

/* The ledger is closed before the first call of @each, which may use the context. */
int numaplace_list(struct numaplace *np, int (*each)(void *arg, const struct numaplace_placement *p), void *arg)
{
	__attribute__((cleanup(copies_free))) struct copies copies = { 0 };
	struct error err = { 0 };
	int rc;

	if (!np)
		return -EINVAL;
	if (!each)
		return missing(np, "each");
	rc = run_list(np, copy, &copies, &err);
	if (rc < 0)
		return keep(np, rc, &err);
	for (size_t i = 0; i < copies.n && rc == 0; i++)
		rc = each(arg, copies.placement[i]);
	return rc;
}
