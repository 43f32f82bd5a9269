/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Checks of the state folder, the cached topology, the decision with its second try, and planning.
 */
#include "place/choose.h"

#include "place/moving.h"
#include "plugin/base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#define FEW_CONTAINERS 64 /* all of them can be queried in a millisecond */
#define SHARED "more CPUs are requested than are free: they are shared"

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

void place_name_state(struct place_env *env, const char *given, const char *usual)
{
	env->state_path = given ? given : usual;
	env->state_named = given && strcmp(given, PLACE_STATE) != 0;
}

/*
 * A folder that was given with --state, or whose mode must be changed to 0700, must be empty or a ledger's. Others are
 * not touched.
 */
static int check_content(const struct place_env *env, int fd, unsigned int mode, int *what, struct error *err)
{
	*what = ledger_folder(fd);
	if (*what < 0)
		return error_errno(err, *what, "read the folder %s", env->state_path);
	if (*what != FOLDER_FOREIGN)
		return 0;
	if (env->state_named)
		return error_set(err, -EINVAL, "%s: not a ledger folder: it contains other files, and is left unchanged",
				 env->state_path);
	return error_set(err, -EPERM, "%s: mode %04o, must be 0700, and not a ledger folder: it is left unchanged",
			 env->state_path, mode);
}

/*
 * The folder must belong to this user, and no other user may write to it. If others can only read the default folder,
 * it is made private again.
 */
static int check_state(const struct place_env *env, int fd, struct error *err)
{
	const char *path = env->state_path;
	int wrong = env->state_named && env->looking ? -EINVAL : -EPERM, what = FOLDER_OURS, rc = 0;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return error_errno(err, -errno, "stat %s", path);
	if (st.st_uid != own_uid())
		return error_set(err, wrong, "%s: owned by uid %u, must be %u", path, st.st_uid, own_uid());
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		return error_set(err, wrong, "%s: mode %04o: others may write there, must be 0700", path,
				 st.st_mode & 07777);
	if (env->state_named || (st.st_mode & 07777) != 0700)
		rc = check_content(env, fd, st.st_mode & 07777, &what, err);
	if (rc < 0)
		return rc;
	if (env->looking)
		return 0;
	if ((st.st_mode & 07777) != 0700 && env->state_named)
		return error_set(err, wrong, "%s: mode %04o, must be 0700", path, st.st_mode & 07777);
	if ((st.st_mode & 07777) != 0700 && fchmod(fd, 0700) < 0)
		return error_errno(err, -errno, "%s: change the mode to 0700", path);
	return what == FOLDER_EMPTY ? ledger_folder_mark(fd, err) : 0;
}

int place_find_state(struct place_env *env, struct error *err)
{
	cleanup_close int fd = -1;
	int rc;

	if (env->state >= 0)
		return 0;
	if (!env->state_path)
		return error_set(err, -ENOENT, "no ledger folder is given");
	if (!env->real && !env->looking)
		return error_set(err, -EINVAL, "%s: a ledger below a sysroot is never written", env->state_path);
	fd = open(env->state_path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == EACCES && own_uid() != 0)
		return error_set(err, -EACCES, "%s: Permission denied: the ledger belongs to root, run this as root",
				 env->state_path);
	if (fd < 0)
		return error_errno(err, -errno, "open %s", env->state_path);
	rc = check_state(env, fd, err);
	if (rc == 0)
		env->state = steal_fd(&fd);
	return rc;
}

int place_open_state(struct place_env *env, struct error *err)
{
	bool made;
	int rc;

	if (env->state >= 0)
		return 0;
	made = env->state_path && env->real && mkdir(env->state_path, 0700) == 0;
	if (env->state_path && env->real && !made && errno != EEXIST)
		return error_errno(err, -errno, "make %s", env->state_path);
	rc = place_find_state(env, err);
	return rc == 0 && made ? ledger_folder_mark(env->state, err) : rc;
}

static unsigned int cpus_asked(const struct request *r)
{
	return r->cpu_listed ? idset_count(&r->cpu_list) : r->cpu_count;
}

/* Checks the ceiling on all exclusive CPUs of the host, with @more added. */
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

/* Loads the topology from the cache. Fails if it is not cached, or if the machine has changed (-ESTALE). */
static int load_machine(struct machine *m, struct place_env *env, bool memory, bool huge)
{
	cleanup_topology struct topology *t = NULL;
	struct error why;
	int rc = place_find_state(env, &why); /* optional here; callers that need the folder report its absence */

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
	/*
	 * Do not cache a topology that was read while CPUs came or went: it may match neither the old nor the new
	 * state.
	 */
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
	rc = claim_check(&env->conf, &c->request, 0, err);
	if (rc == 0)
		rc = machine_read(&c->machine, env, true, huge, err);
	c->topology = c->machine.topology;
	/* Rounded up to whole hugepages, the request may exceed the ceiling. */
	if (rc == 0 && c->request.huge_memory)
		rc = claim_check(&env->conf, &c->request, c->topology->huge_default, err);
	if (rc == 0)
		claim_cut_known(c);
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

/* The caller frees @out, also after a failure. */
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
	/* Whole cores may have more CPUs than requested. */
	if (rc == 0 && c->request.exclusive)
		rc = check_exclusive(&c->env->conf, usage, idset_count(&out->share.held), err);
	return rc;
}

/* Chooses on a copy of @u without the container's own share; the ledger's usage is read-only. */
static int choose_without(const struct choice *c, const struct usage *u, struct placement *out, struct reasons *why,
			  struct error *err)
{
	cleanup_usage struct usage *rest = usage_copy(u);

	if (!rest)
		return error_errno(err, -ENOMEM, "plan");
	if (usage_remove(rest, c->without) < 0)
		return error_set(err, -ERANGE, "the ledger does not match the CPUs and memory nodes of the container");
	return choose(c, rest, out, why, err);
}

static int choose_on(const struct choice *c, const struct usage *u, struct placement *out, struct reasons *why,
		     struct error *err)
{
	return c->without ? choose_without(c, u, out, why, err) : choose(c, u, out, why, err);
}

/* Whether the request would fit this machine with no container placed and all memory free. */
static bool could_ever(struct choice *c)
{
	struct topology *t = c->machine.topology;
	cleanup_usage struct usage *none = usage_new(t->cpu_ids, t->nnodes ? t->nodes[t->nnodes - 1].id + 1U : 1U);
	cleanup_free struct topo_node *now = malloc(t->nnodes * sizeof(*now) + 1);
	cleanup_placement struct placement p = { 0 };
	struct error why;
	int rc;

	if (!none || !now)
		return true;
	memcpy(now, t->nodes, t->nnodes * sizeof(*now));
	topology_idle(t);
	rc = choose(c, none, &p, NULL, &why);
	memcpy(t->nodes, now, t->nnodes * sizeof(*now));
	return rc != -ENOSPC;
}

/* With c->whole, Incus has chosen the nodes and CPUs, and numaplace does not write the CPUs. */
static void say_reserved(const struct choice *c)
{
	struct idset both = c->env->conf.select.reserved_nodes;
	char text[120];

	if (!c->whole || c->request.nodes_mode != NODES_LIST || !idset_intersects(&both, &c->request.nodes))
		return;
	idset_and(&both, &c->request.nodes);
	idset_format(&both, text, sizeof(text));
	place_say(c->env, "nodes %s are reserved: the container gets no memory there, but may run on their CPUs", text);
}

/* Reports the warnings about a chosen placement. */
static void say_chosen(const struct choice *c, const struct placement *p, struct reasons *why)
{
	if (*c->cut)
		reasons_add(why, "%s", c->cut);
	say_reserved(c);
	if (p->overcommitted)
		place_say(c->env, SHARED);
	for (unsigned int w = 0; w < WARNINGS; w++)
		if (p->warnings >> w & 1)
			place_say(c->env, "%s", placement_warning((enum placement_warning)w));
}

int choice_make(struct choice *c, struct ledger *l, struct placement *out, struct reasons *why, struct error *err)
{
	int rc = ledger_ready(l, err);

	if (rc < 0)
		return rc;
	if (*c->cut)
		place_say(c->env, "%s", c->cut);
	rc = choose_on(c, ledger_usage(l), out, why, err);
	if (rc == -ENOSPC ? could_ever(c) : rc == 0 && out->overcommitted && ledger_usage(l)->containers <= FEW_CONTAINERS) {
		struct error sweep_err;
		int gone;

		c->world.looks = UINT_MAX;
		gone = ledger_sweep_more(l, &sweep_err);
		if (gone < 0)
			return error_set(err, gone, "%s", sweep_err.text);
		placement_free(out);
		*out = (struct placement){ 0 };
		rc = choose_on(c, ledger_usage(l), out, why, err);
	}
	if (rc == 0)
		say_chosen(c, out, why);
	return rc;
}

/* Chooses on an empty ledger. */
static int plan_empty(struct choice *c, struct placement *out, struct reasons *why, struct error *err)
{
	const struct topology *t = c->topology;
	cleanup_usage struct usage *usage = NULL;

	usage = usage_new(t->cpu_ids, t->nnodes ? t->nodes[t->nnodes - 1].id + 1U : 1U);
	if (!usage)
		return error_errno(err, -ENOMEM, "plan");
	if (*c->cut)
		place_say(c->env, "%s", c->cut);
	return choose(c, usage, out, why, err);
}

void choice_hint_home(struct choice *c, const struct ledger *l, const char *runtime_class, const char *id)
{
	if (idset_empty(&c->request.last_nodes))
		ledger_home(l, runtime_class, id, &c->request.last_nodes);
}

/* Chooses on a copy of the ledger: on its sums, or with @living on the live containers alone. */
static int look_and_choose(struct choice *c, bool living, const char *oci_id, struct placement *out,
			   struct reasons *why, bool *few, struct error *err)
{
	struct place_env *env = c->env;
	cleanup_ledger struct ledger *l = NULL;
	int rc = ledger_look(env->state, c->topology, &c->world.ledger, env->timeout_ms, !living, &l, err);

	if (rc < 0)
		return rc;
	place_say_ledger(env, l);
	if (oci_id)
		choice_hint_home(c, l, "oci", oci_id);
	*few = ledger_usage(l)->containers <= FEW_CONTAINERS;
	placement_free(out);
	*out = (struct placement){ 0 };
	return choose_on(c, ledger_usage(l), out, why, err);
}

/* Like choice_make(), but read-only: dead containers are left out of the second try instead of being dropped. */
static int plan_on_ledger(struct choice *c, const char *oci_id, struct placement *out, struct reasons *why, struct error *err)
{
	bool few = false;
	int rc = look_and_choose(c, false, oci_id, out, why, &few, err);

	if (rc == -ENOSPC ? could_ever(c) : rc == 0 && out->overcommitted && few)
		rc = look_and_choose(c, true, NULL, out, why, &few, err);
	if (rc == 0)
		say_chosen(c, out, why);
	return rc;
}

/*
 * Limits the choice to the root cgroup's effective sets. A host without cgroup v2 can plan, too, without these limits.
 */
static void limit_to_root(struct choice *c, const struct place_env *env, int mount)
{
	cleanup_cgroup_dir struct cgroup_dir root = CGROUP_DIR_NONE;

	if (!env->real) {
		/* a recorded machine: its files are not a cgroup filesystem */
		topology_allowed(env->root, c->topology, &c->allowed_cpus, &c->allowed_mems);
		c->limited = true;
		return;
	}
	c->limited = mount >= 0 && cgroup_open(mount, "/", &root, NULL) == 0 &&
		     cgroup_read_effective(&root, &c->allowed_cpus, &c->allowed_mems, NULL) == 0;
}

static int plan(struct place_env *env, const struct request *request, const char *oci_id, struct placement *out,
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
	limit_to_root(&c, env, mount);
	rc = place_find_state(env, &state_err);
	if (rc == 0) {
		world_init(&c.world, env->root, mount, c.topology, machine_boot_id(&c.machine));
		world_look(&c.world, env);
		return plan_on_ledger(&c, oci_id, out, why, err);
	}
	if (rc == -EINVAL)
		return error_set(err, rc, "%s", state_err.text);
	if (rc != -ENOENT)
		place_say(env, "%s: planned as if no container were placed", state_err.text);
	return plan_empty(&c, out, why, err);
}

int place_plan(struct place_env *env, const struct request *request, const char *oci_id, struct placement *out,
	       struct reasons *why, struct error *err)
{
	struct place_env look = *env;
	int rc;

	/* A descriptor opened read-only must not be used by a later placement. */
	look.looking = true;
	rc = plan(&look, request, oci_id, out, why, err);
	if (env->state < 0 && look.state >= 0)
		close(look.state);
	return rc;
}

/* An open ledger keeps pointers to this struct. A process has at most one ledger open at a time. */
static struct world *the_world(const struct place_env *env, const struct topology *t)
{
	static struct world world = { .mount = -1 };

	if (world.mount < 0 && env->real)
		cgroup_mount(&world.mount, NULL, 0, NULL);
	world_init(&world, env->root, world.mount, t, NULL);
	return &world;
}

int place_look(struct place_env *env, const struct topology *t, struct ledger **out, struct error *err)
{
	cleanup_ledger struct ledger *l = NULL;
	struct world *world;
	int rc;

	env->looking = true;
	rc = place_find_state(env, err);
	if (rc == -ENOENT) {
		*out = NULL;
		return 0;
	}
	if (rc < 0)
		return rc;
	world = the_world(env, t);
	world_look(world, env);
	rc = ledger_look(env->state, t, &world->ledger, env->timeout_ms, false, &l, err);
	if (rc < 0)
		return rc;
	place_say_ledger(env, l);
	*out = steal_ptr(l);
	return 0;
}

int place_ledger(struct place_env *env, const struct topology *t, struct ledger **out, struct error *err)
{
	cleanup_ledger struct ledger *l = NULL;
	struct world *world;
	int rc = place_find_state(env, err);

	if (rc == -ENOENT) {
		*out = NULL;
		return 0;
	}
	if (rc < 0)
		return rc;
	world = the_world(env, t);
	rc = ledger_open(env->state, t, &world->ledger, env->timeout_ms, &l, err);
	if (rc == 0)
		rc = ledger_sweep(l, true, err);
	if (rc < 0)
		return rc;
	moving_mend(env, l, world->mount);
	place_say_ledger(env, l);
	*out = steal_ptr(l);
	return 0;
}
