/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads the ledger without its lock, compares, and then changes one container after the other.
 *
 * A cgroup below the scope that systemd knows, as crun makes it, is limited by that scope: a set that was written there
 * counts as written to the container.
 */
#include "place/follow.h"

#include "cgroup/own.h"
#include "place/claim.h"
#include "place/exclusive.h"
#include "place/message.h"
#include "place/move.h"
#include "place/note.h"
#include "plugin/base/util.h"
#include "plugin/base/vec.h"

#include <errno.h>
#include <string.h>

struct changed {
	char id[RECORD_ID_MAX + 1];
	uint64_t inode;
	bool lost;               /* its partition was made invalid; its cpuset is the placement */
	struct request changes;
	bool drift;      /* another program has written the cpuset */
	struct nodeset nodes; /* a daemon has moved its CPUs to these nodes; empty: it has not */
	uint64_t memory; /* the new memory limit; 0: as before */
	uint64_t counted; /* the recorded one */
};

/* What a cgroup has now, and what the parent's own set (empty: none) and the parent allow. */
struct state {
	struct cpuset now, parent;
	uint64_t memory; /* UINT64_MAX: no limit */
	bool lost;       /* its partition was made invalid */
};

struct search {
	struct place_env *env;
	const struct topology *topology;
	bool (*wanted)(const void *arg, const char *id);
	const void *arg;
	struct idset held;       /* the CPUs that containers hold: partitions take them from the other cgroups */
	struct changed *found;
	size_t n, room;
};

static void search_free(struct search *s)
{
	free(s->found);
}
#define cleanup_search __attribute__((cleanup(search_free)))

/*
 * Whether the set that a program has written is the container's without numaplace: its pin, or all that its parent allows.
 * If the parent does not allow the recorded set, the program has written the parent's, too: podman does so with crun.
 */
static bool is_unplaced(struct ids set, struct ids pin, struct ids allowed, struct ids recorded)
{
	return ids_equal(set, pin) || (ids_equal(set, allowed) && ids_subset(recorded, allowed));
}

/* What both allow, or the parent's if that is nothing, as the kernel decides. */
static struct idset allowed_cpus(const struct state *s)
{
	struct idset both = idset_empty(&s->now.cpus) ? s->parent.cpus_effective : s->now.cpus;

	idset_narrow(&both, &s->parent.cpus);
	return both;
}

static struct nodeset allowed_mems(const struct state *s)
{
	struct nodeset both = nodeset_empty(&s->now.mems) ? s->parent.mems_effective : s->now.mems;

	nodeset_narrow(&both, &s->parent.mems);
	return both;
}

/* The same for CPUs. A program may have written the parent's as they were before others became partitions. */
static bool are_unplaced_cpus(const struct idset *set, const struct record *r, const struct idset *allowed,
			      const struct idset *held)
{
	struct idset plain = *set, rest = *allowed, recorded = r->placement.share.cpus;

	idset_andnot(&plain, held);
	idset_andnot(&rest, held);
	idset_andnot(&recorded, held);
	return idset_equal(set, &r->request.pin_cpus) ||
	       (!idset_empty(&rest) && idset_equal(&plain, &rest) && idset_subset(&recorded, &rest));
}

/*
 * The change that lets the record follow the cpuset, or without keys the one that restores the cpuset. The configured sets
 * count: the effective ones also change with a CPU that goes offline.
 */
static bool compare(const struct record *r, const struct state *s, const struct idset *held, struct request *changes)
{
	const struct idset cpus = allowed_cpus(s);
	const struct nodeset mems = allowed_mems(s);
	const bool cpus_differ = strcmp(r->applied, PLACE_MEMS_ONLY) != 0 && !idset_equal(&cpus, &r->placement.share.cpus);
	const bool mems_differ = r->placement.policy == POLICY_STRICT && !nodeset_equal(&mems, &r->placement.mems);

	request_init(changes);
	if (cpus_differ && !are_unplaced_cpus(&cpus, r, &s->parent.cpus_effective, held)) {
		changes->given = 1U << KEY_CPU | 1U << KEY_CPU_NODES;
		changes->cpu_listed = true;
		changes->cpu_list = cpus;
		changes->cpu_count = idset_count(&cpus);
		changes->nodes_mode = NODES_BALANCED;
	}
	if (mems_differ && !is_unplaced(ids_of(&mems), ids_of(&r->request.pin_mems), ids_of(&s->parent.mems_effective),
					ids_of(&r->placement.mems))) {
		changes->given |= 1U << KEY_MEMORY_NODES;
		changes->mem_nodes = mems;
	}
	return cpus_differ || mems_differ;
}

/*
 * The new memory limit of a container whose request has its limit instead of limits.memory; 0: as recorded. The kernel
 * rounds a limit down to whole pages. Without a limit, the recorded one is the best guess.
 */
static uint64_t new_limit(const struct record *r, const struct state *s)
{
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), counted = r->request.memory;

	if (!counted || r->request.given >> KEY_MEMORY & 1 || r->request.huge_memory || s->memory == UINT64_MAX)
		return 0;
	return s->memory / page == counted / page ? 0 : s->memory;
}

static bool is_considered(const struct search *s, const struct record *r)
{
	return s->wanted(s->arg, r->id) && !record_is_reserved(r) && !note_is_foreign(r);
}

/* These daemons assign CPUs themselves: their agent keeps those that numaplace has chosen. */
static bool is_of_a_daemon(const struct record *r)
{
	return strcmp(r->runtime, "incus") == 0 || strcmp(r->runtime, "lxd") == 0;
}

/*
 * The nodes of the CPUs that a daemon has written, if none of them is a recorded one: the nodes of the instance were
 * changed. A person may have moved the memory to nodes of which the CPUs have some.
 */
static struct nodeset nodes_of_daemon(const struct topology *t, const struct record *r, const struct state *s)
{
	struct nodeset nodes = { { 0 } };

	if (strcmp(r->applied, PLACE_MEMS_ONLY) != 0)
		return nodes;
	for (unsigned int i = 0; i < t->nnodes; i++)
		for (unsigned int k = 0; k < t->nodes[i].ncpus; k++)
			if (idset_has(&s->now.cpus, t->cpus[t->nodes[i].first_cpu + k].id))
				nodeset_add(&nodes, t->nodes[i].id);
	if (nodeset_intersects(&nodes, &r->placement.nodes))
		nodeset_clear(&nodes);
	return nodes;
}

/* The root cgroup has effective sets alone. */
static int read_parent(const struct cgroup_dir *c, struct cpuset *out)
{
	if (cgroup_read_cpuset(c, out, NULL) == 0)
		return 0;
	*out = (struct cpuset){ 0 };
	return cgroup_read_effective(c, &out->cpus_effective, &out->mems_effective, NULL);
}

/* Opens the cgroup of a container whose placement is complete, and reads its state. */
static bool read_cgroup(const struct search *s, const struct record *r, struct state *out)
{
	cleanup_cgroup_dir struct cgroup_dir c = CGROUP_DIR_NONE, parent = CGROUP_DIR_NONE;
	cleanup_own_mark struct record *mark = NULL;

	if (cgroup_open(s->env->mount, r->cgroup, &c, NULL) < 0 || c.inode != r->cgroup_inode)
		return false;
	out->lost = exclusive_lost(&c, r);
	return own_read_mark(&c, &mark, NULL) > 0 && record_equal(mark, r) && cgroup_read_cpuset(&c, &out->now, NULL) == 0 &&
	       cgroup_parent(s->env->mount, &c, &parent, NULL) == 0 && read_parent(&parent, &out->parent) == 0 &&
	       claim_memory_limit(s->env->mount, &c, &out->memory, NULL) == 0;
}

static int look_at(void *arg, const struct record *r)
{
	struct search *s = arg;
	struct nodeset nodes = { { 0 } };
	struct changed *found;
	struct request changes;
	struct state state;
	uint64_t memory;
	bool drift;

	if (!is_considered(s, r) || !read_cgroup(s, r, &state))
		return 0;
	drift = compare(r, &state, &s->held, &changes);
	memory = new_limit(r, &state);
	if (is_of_a_daemon(r)) {
		request_init(&changes);
		drift = false;
		nodes = nodes_of_daemon(s->topology, r, &state);
	}
	if (!drift && !state.lost && !memory && nodeset_empty(&nodes))
		return 0;
	found = vec_push(s->found, s->n, s->room);
	if (!found)
		return -ENOMEM;
	snprintf(found->id, sizeof(found->id), "%s", r->id);
	found->inode = r->cgroup_inode;
	found->lost = state.lost && !drift;
	found->changes = changes;
	found->drift = drift;
	found->nodes = nodes;
	found->memory = memory;
	found->counted = r->request.memory;
	return 0;
}

static int look(struct search *s, struct error *err)
{
	cleanup_machine struct machine machine = { 0 };
	cleanup_ledger struct ledger *l = NULL;
	int rc = place_open(s->env, PLACE_READ, err);

	/* Without cgroup2 or a state folder, nothing is placed. */
	if (rc == 0 && (place_need_mount(s->env, NULL) < 0 || place_need_state(s->env, NULL) == -ENOENT))
		return 0;
	if (rc == 0)
		rc = machine_read(&machine, s->env, false, false, err);
	if (rc == 0)
		rc = place_look(s->env, machine.topology, &l, err);
	if (rc < 0 || !l)
		return rc;
	s->topology = machine.topology;
	exclusive_read_held(l, &s->held);
	return ledger_each(l, look_at, s, err);
}

static void follow_limit(struct place_env *env, const struct changed *c)
{
	struct request same;
	const struct move_job job = { .id = c->id, .cgroup_inode = c->inode, .changes = &same, .memory_limit = c->memory };
	cleanup_record struct record before = { 0 }, after = { 0 };
	char limit[32], counted[32];
	struct error err = { 0 };

	request_init(&same);
	size_human(c->memory, limit, sizeof(limit));
	size_human(c->counted, counted, sizeof(counted));
	if (place_move(env, &job, &before, &after, &err) < 0)
		place_say(env, "%s: its memory limit is now %s, its record still counts %s: %s", c->id, limit, counted, err.text);
	else
		place_say(env, "%s: its memory limit is now %s, its record counts that instead of %s", c->id, limit, counted);
}

static void follow_daemon(struct place_env *env, const struct changed *c)
{
	const struct move_job job = { .id = c->id, .cgroup_inode = c->inode, .nodes = c->nodes };
	cleanup_record struct record before = { 0 }, after = { 0 };
	struct error err = { 0 };
	char nodes[256];

	nodeset_format(&c->nodes, nodes, sizeof(nodes));
	if (place_move(env, &job, &before, &after, &err) < 0)
		place_say(env, "%s: its CPUs are on nodes %.200s now, its memory is not: %s", c->id, nodes, err.text);
	else
		place_say(env, "%s: its CPUs are on nodes %.200s now, its memory has followed", c->id, nodes);
}

static void follow_cpuset(struct place_env *env, const struct changed *c)
{
	const struct move_job job = { .id = c->id, .cgroup_inode = c->inode, .changes = &c->changes };
	cleanup_record struct record before = { 0 }, after = { 0 };
	char cpus[256], mems[256];
	struct error err = { 0 };

	if (place_move(env, &job, &before, &after, &err) < 0) {
		place_say(env, "%s: another program has written its cpuset, its record is unchanged: %s", c->id, err.text);
		return;
	}
	if (c->lost) {
		if (after.partition != PARTITION_MEMBER)
			place_say(env, "%s: another program has ended its partition: it is one again", c->id);
		return;
	}
	idset_format(&after.placement.share.cpus, cpus, sizeof(cpus));
	nodeset_format(&after.placement.mems, mems, sizeof(mems));
	place_say(env, "%s: another program has written its cpuset: %s the CPUs %.200s and the memory nodes %.200s", c->id,
		  c->changes.given ? "it has now" : "it gets back", cpus, mems);
}

/* The limit last: it counts on the nodes on which the container is then. */
static void follow(struct place_env *env, const struct changed *c)
{
	if (c->drift || c->lost)
		follow_cpuset(env, c);
	if (!nodeset_empty(&c->nodes))
		follow_daemon(env, c);
	if (c->memory)
		follow_limit(env, c);
}

int place_follow(struct place_env *env, bool (*wanted)(const void *arg, const char *id), const void *arg,
		 struct error *err)
{
	cleanup_search struct search s = { .env = env, .wanted = wanted, .arg = arg };
	int rc = look(&s, err);

	/* A partition that a written cpuset has made invalid can be one again when that cpuset is in order. */
	for (int lost = 0; lost < 2; lost++)
		for (size_t i = 0; rc == 0 && i < s.n; i++)
			if (s.found[i].lost == lost)
				follow(env, &s.found[i]);
	return rc;
}
