/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The state folder, the ceilings of numaplace.conf, and the decision; place_plan
 * is that decision alone, place_ledger the ledger alone.
 */
#include "cgroup/choose.h"

#include "cgroup/moving.h"
#include "plugin/util.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#define FEW_CONTAINERS 64 /* all of which can be looked at in a millisecond */

void place_say(const struct place_env *env, const char *fmt, ...)
{
	char line[ERROR_TEXT_MAX];
	va_list ap;

	if (!env->message)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	make_printable(line);
	env->message(line);
}

void place_say_ledger(const struct place_env *env, const struct ledger *l)
{
	const char *line;

	for (unsigned int i = 0; (line = ledger_message(l, i)); i++)
		place_say(env, "%s", line);
}

/* A folder is the ledger's when something of it is there, or nothing at all. */
static bool is_ledgers(int fd)
{
	static const char *const own[] = { "lock", "usage", "containers" };
	int again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_closedir DIR *dir = again < 0 ? NULL : fdopendir(again);
	unsigned int n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(own); i++)
		if (faccessat(fd, own[i], F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			return true;
	if (!dir) {
		cleanup_closep(&again);
		return false;
	}
	while (n <= 2 && readdir(dir))
		n++;
	return n <= 2; /* "." and ".." */
}

/* Ours and nobody else's to write; one that others may read only is made private again. */
static int check_state(int fd, const char *path, struct error *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return error_errno(err, -errno, "stat %s", path);
	if (st.st_uid != own_uid())
		return error_set(err, -EPERM, "%s: owned by uid %u, must be %u", path, st.st_uid, own_uid());
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		return error_set(err, -EPERM, "%s: mode %04o: others may write there, must be 0700", path,
				 st.st_mode & 07777);
	if ((st.st_mode & 07777) != 0700 && !is_ledgers(fd))
		return error_set(err, -EPERM, "%s: mode %04o, must be 0700, and not a ledger's folder: it is left alone", path,
				 st.st_mode & 07777);
	if ((st.st_mode & 07777) != 0700 && fchmod(fd, 0700) < 0)
		return error_errno(err, -errno, "%s: make it 0700", path);
	return 0;
}

int place_find_state(struct place_env *env, struct error *err)
{
	cleanup_close int fd = -1;
	int rc;

	if (env->state >= 0)
		return 0;
	if (!env->state_path)
		return error_set(err, -ENOENT, "no ledger folder is given");
	fd = open(env->state_path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, -errno, "open %s", env->state_path);
	rc = check_state(fd, env->state_path, err);
	if (rc == 0)
		env->state = steal_fd(&fd);
	return rc;
}

int place_open_state(struct place_env *env, struct error *err)
{
	if (env->state >= 0)
		return 0;
	if (env->state_path && mkdir(env->state_path, 0700) < 0 && errno != EEXIST)
		return error_errno(err, -errno, "make %s", env->state_path);
	return place_find_state(env, err);
}

static unsigned int cpus_asked(const struct request *r)
{
	return r->cpu_listed ? idset_count(&r->cpu_list) : r->cpu_count;
}

static int check_ceilings(const struct conf *conf, const struct request *r, struct error *err)
{
	if (conf->max_cpus && cpus_asked(r) > conf->max_cpus)
		return error_set(err, -ENOSPC, "limits.cpu: %u CPUs, this host allows a container %u (max-cpus)",
				 cpus_asked(r), conf->max_cpus);
	if (!conf->devices_allowed && r->ndevices)
		return error_set(err, -EPERM, "limits.cpu.device: not allowed on this host (devices = false)");
	return 0;
}

/* The ceiling of all exclusive CPUs together, with @more to come. */
static int check_exclusive(const struct conf *conf, const struct usage *u, unsigned int more, struct error *err)
{
	unsigned int held = 0;

	if (!conf->max_exclusive_cpus)
		return 0;
	for (unsigned int i = 0; i < u->cpu_ids; i++)
		held += u->exclusive[i] > 0;
	if (held + more <= conf->max_exclusive_cpus)
		return 0;
	return error_set(err, -ENOSPC,
			 "limits.cpu.exclusive: %u more on top of %u held, this host allows %u in all "
			 "(max-exclusive-cpus)",
			 more, held, conf->max_exclusive_cpus);
}

/* --- the machine --- */

/* -ESTALE: it is not what it was. */
static int load_machine(struct machine *m, struct place_env *env, bool memory, bool huge)
{
	cleanup_topology struct topology *t = NULL;
	struct error why;
	int rc = place_find_state(env, &why); /* whether it should be there is the business of who needs it */

	if (rc == 0)
		rc = topology_load(env->state, &m->key, &t);
	if (rc == 0 && memory)
		rc = topology_refresh(env->root, t, huge, &why);
	if (rc < 0)
		return rc;
	m->topology = steal_ptr(t);
	return 0;
}

int machine_read(struct machine *m, struct place_env *env, bool memory, bool huge, struct error *err)
{
	struct topology_key after;
	int rc;

	*m = (struct machine){ 0 };
	m->keyed = env->real && topology_key_read(env->root, &m->key);
	if (m->keyed && load_machine(m, env, memory, huge) == 0)
		return 0;
	rc = topology_read(env->root, &m->topology, err);
	/* A CPU that came or went meanwhile: what was read is neither of before nor of now. */
	m->fresh = rc == 0 && m->keyed && topology_key_read(env->root, &after) &&
		   memcmp(&after, &m->key, sizeof(after)) == 0;
	return rc;
}

void machine_close(struct machine *m)
{
	topology_free(m->topology);
	m->topology = NULL;
}

void machine_keep(const struct machine *m, const struct place_env *env)
{
	if (m->fresh && env->state >= 0)
		topology_keep(env->state, &m->key, m->topology);
}

int choice_open(struct choice *c, struct place_env *env, const struct request *request, struct error *err)
{
	bool huge = !request || request->huge_memory || request->nhuge;
	int rc;

	*c = (struct choice){ .env = env };
	if (request)
		c->request = *request;
	else
		request_init(&c->request);
	rc = check_ceilings(&env->conf, &c->request, err);
	if (rc == 0)
		rc = machine_read(&c->machine, env, true, huge, err);
	c->topology = c->machine.topology;
	for (unsigned int i = 0; rc == 0 && i < c->request.ndevices; i++) {
		int node;

		rc = topology_device_node(env->root, c->request.device[i], &node, err);
		if (rc == 0 && node >= 0)
			idset_add(&c->device_nodes, (unsigned int)node);
		else if (rc == 0)
			c->devices_unknown |= 1U << i;
	}
	return rc;
}

void choice_close(struct choice *c)
{
	machine_close(&c->machine);
	c->topology = NULL;
}

/* @out is for the caller to free, whatever comes of it. */
static int choose(const struct choice *c, const struct usage *usage, struct placement *out, struct reasons *why,
		  struct error *err)
{
	const struct select_input in = {
		.topology = c->topology,
		.usage = usage,
		.request = &c->request,
		.policy = &c->env->conf.select,
		.allowed_cpus = c->limited ? &c->allowed_cpus : NULL,
		.allowed_mems = c->limited ? &c->allowed_mems : NULL,
		.device_nodes = c->device_nodes,
		.devices_unknown = c->devices_unknown,
		.whole = c->whole,
	};
	int rc = 0;

	if (c->request.exclusive)
		rc = check_exclusive(&c->env->conf, usage, cpus_asked(&c->request), err);
	if (rc < 0)
		return rc;
	if (why)
		why->n = 0;
	rc = select_placement(&in, out, why, err);
	/* Whole cores may be more CPUs than were asked for. */
	if (rc == 0 && c->request.exclusive)
		rc = check_exclusive(&c->env->conf, usage, idset_count(&out->share.held), err);
	return rc;
}

/* @u less what the container itself has in it; made anew, as the ledger's is the ledger's. */
static int choose_without(const struct choice *c, const struct usage *u, struct placement *out, struct reasons *why,
			  struct error *err)
{
	cleanup_usage struct usage *rest = usage_copy(u);

	if (!rest)
		return error_errno(err, -ENOMEM, "plan");
	if (usage_remove(rest, c->without) < 0)
		return error_set(err, -ERANGE, "the ledger does not hold what the container has");
	return choose(c, rest, out, why, err);
}

static int choose_on(const struct choice *c, const struct usage *u, struct placement *out, struct reasons *why,
		     struct error *err)
{
	return c->without ? choose_without(c, u, out, why, err) : choose(c, u, out, why, err);
}

int choice_make(struct choice *c, struct ledger *l, struct placement *out, struct reasons *why, struct error *err)
{
	int rc = choose_on(c, ledger_usage(l), out, why, err);

	if (rc == -ENOSPC || (rc == 0 && out->overcommitted && ledger_usage(l)->containers <= FEW_CONTAINERS)) {
		struct error sweep_err;
		int gone;

		c->world.looks = UINT_MAX;
		gone = ledger_sweep(l, true, &sweep_err);
		if (gone < 0)
			return error_set(err, gone, "%s", sweep_err.text);
		placement_free(out);
		*out = (struct placement){ 0 };
		rc = choose_on(c, ledger_usage(l), out, why, err);
	}
	if (rc == 0 && out->overcommitted)
		place_say(c->env, "more CPUs are asked for than are free: they are shared");
	for (unsigned int w = 0; rc == 0 && w < WARNINGS; w++)
		if (out->warnings >> w & 1)
			place_say(c->env, "%s", placement_warning((enum placement_warning)w));
	return rc;
}

/* On an empty ledger: nothing has been placed here yet. */
static int plan_empty(struct choice *c, struct placement *out, struct reasons *why, struct error *err)
{
	const struct topology *t = c->topology;
	cleanup_usage struct usage *usage = NULL;

	usage = usage_new(t->cpu_ids, t->nnodes ? t->nodes[t->nnodes - 1].id + 1U : 1U);
	if (!usage)
		return error_errno(err, -ENOMEM, "plan");
	return choose(c, usage, out, why, err);
}

void choice_hint_home(struct choice *c, const struct ledger *l, const char *runtime_class, const char *id)
{
	if (idset_empty(&c->request.last_nodes))
		ledger_home(l, runtime_class, id, &c->request.last_nodes);
}

static int plan_on_ledger(struct choice *c, const char *oci_id, struct placement *out, struct reasons *why, struct error *err)
{
	struct place_env *env = c->env;
	cleanup_ledger struct ledger *l = NULL;
	int rc = ledger_open(env->state, c->topology, &c->world.ledger, env->timeout_ms, &l, err);

	if (rc < 0)
		return rc;
	machine_keep(&c->machine, env);
	if (oci_id)
		choice_hint_home(c, l, "oci", oci_id);
	rc = choice_make(c, l, out, why, err);
	place_say_ledger(env, l);
	return rc;
}

/* The real machine's whole: what the root cgroup has.  A host without cgroup v2 can plan all the same. */
static void limit_to_root(struct choice *c, int mount)
{
	cleanup_cgroup_dir struct cgroup_dir root = CGROUP_DIR_NONE;

	c->limited = mount >= 0 && cgroup_open(mount, "/", &root, NULL) == 0 &&
		     cgroup_read_effective(&root, &c->allowed_cpus, &c->allowed_mems, NULL) == 0;
}

int place_plan(struct place_env *env, const struct request *request, const char *oci_id, struct placement *out,
	       struct reasons *why, struct error *err)
{
	cleanup_choice struct choice c = { 0 };
	cleanup_close int mount = -1;
	struct error state_err;
	int rc = choice_open(&c, env, request, err);

	if (rc < 0)
		return rc;
	if (env->real && cgroup_mount(&mount, NULL, 0, &state_err) < 0)
		place_say(env, "%s", state_err.text);
	limit_to_root(&c, mount);
	world_init(&c.world, env->root, mount, c.topology, machine_boot_id(&c.machine));
	rc = place_find_state(env, &state_err);
	if (rc == 0)
		return plan_on_ledger(&c, oci_id, out, why, err);
	if (rc != -ENOENT)
		place_say(env, "%s: planned as if nothing were placed", state_err.text);
	return plan_empty(&c, out, why, err);
}

int place_ledger(struct place_env *env, const struct topology *t, struct ledger **out, struct error *err)
{
	/* The ledger keeps pointers to these as long as it is open, and a process has one open at a time. */
	static struct world world = { .mount = -1 };
	cleanup_ledger struct ledger *l = NULL;
	int rc = place_find_state(env, err);

	if (rc == -ENOENT) {
		*out = NULL;
		return 0;
	}
	if (rc < 0)
		return rc;
	if (world.mount < 0 && env->real)
		cgroup_mount(&world.mount, NULL, 0, NULL);
	world_init(&world, env->root, world.mount, t, NULL);
	rc = ledger_open(env->state, t, &world.ledger, env->timeout_ms, &l, err);
	if (rc == 0)
		rc = ledger_sweep(l, true, err);
	if (rc < 0)
		return rc;
	moving_mend(env, l, world.mount);
	place_say_ledger(env, l);
	*out = steal_ptr(l);
	return 0;
}
