/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads the ledger without its lock, compares, and then changes one container after the other.
 */
#include "place/follow.h"

#include "cgroup/own.h"
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
};

struct search {
	struct place_env *env;
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

/* The same for CPUs. A program may have written the parent's as they were before others became partitions. */
static bool are_unplaced_cpus(const struct idset *set, const struct record *r, const struct idset *allowed,
			      const struct idset *held)
{
	struct idset plain = *set, rest = *allowed, recorded = r->placement.share.cpus;

	idset_andnot(&plain, held);
	idset_andnot(&rest, held);
	idset_andnot(&recorded, held);
	return idset_equal(set, &r->request.pin_cpus) ||
	       (!idset_empty(&rest) && is_unplaced(ids_of(&plain), ids_of(&rest), ids_of(&rest), ids_of(&recorded)));
}

/*
 * The change that lets the record follow the cpuset, or without keys the one that restores the cpuset. The configured sets
 * count: the effective ones also change with a CPU that goes offline.
 */
static bool compare(const struct record *r, const struct cpuset *now, const struct idset *cpus_allowed,
		    const struct nodeset *mems_allowed, const struct idset *held, struct request *changes)
{
	const struct idset *cpus = idset_empty(&now->cpus) ? cpus_allowed : &now->cpus;
	const struct nodeset *mems = nodeset_empty(&now->mems) ? mems_allowed : &now->mems;
	const bool cpus_differ = strcmp(r->applied, PLACE_MEMS_ONLY) != 0 && !idset_equal(cpus, &r->placement.share.cpus);
	const bool mems_differ = r->placement.policy == POLICY_STRICT && !nodeset_equal(mems, &r->placement.mems);

	request_init(changes);
	if (cpus_differ && !are_unplaced_cpus(cpus, r, cpus_allowed, held)) {
		changes->given = 1U << KEY_CPU | 1U << KEY_CPU_NODES;
		changes->cpu_listed = true;
		changes->cpu_list = *cpus;
		changes->cpu_count = idset_count(cpus);
		changes->nodes_mode = NODES_BALANCED;
	}
	if (mems_differ && !is_unplaced(ids_of(mems), ids_of(&r->request.pin_mems), ids_of(mems_allowed),
					ids_of(&r->placement.mems))) {
		changes->given |= 1U << KEY_MEMORY_NODES;
		changes->mem_nodes = *mems;
	}
	return cpus_differ || mems_differ;
}

static bool is_considered(const struct search *s, const struct record *r)
{
	return s->wanted(s->arg, r->id) && !record_is_reserved(r) && !note_is_foreign(r) && strcmp(r->runtime, "incus") != 0 &&
	       strcmp(r->runtime, "lxd") != 0;
}

/*
 * Opens the cgroup of a container whose placement is complete, and reads its cpuset, what its parent allows, and whether
 * it has lost its partition.
 */
static bool read_cgroup(const struct search *s, const struct record *r, struct cpuset *now, struct idset *cpus_allowed,
			struct nodeset *mems_allowed, bool *lost)
{
	cleanup_cgroup_dir struct cgroup_dir c = CGROUP_DIR_NONE, parent = CGROUP_DIR_NONE;
	cleanup_own_mark struct record *mark = NULL;

	if (cgroup_open(s->env->mount, r->cgroup, &c, NULL) < 0 || c.inode != r->cgroup_inode)
		return false;
	*lost = exclusive_lost(&c, r);
	return own_read_mark(&c, &mark, NULL) > 0 && record_equal(mark, r) && cgroup_read_cpuset(&c, now, NULL) == 0 &&
	       cgroup_parent(s->env->mount, &c, &parent, NULL) == 0 &&
	       cgroup_read_effective(&parent, cpus_allowed, mems_allowed, NULL) == 0;
}

static int look_at(void *arg, const struct record *r)
{
	struct search *s = arg;
	struct nodeset mems_allowed;
	struct idset cpus_allowed;
	struct changed *found;
	struct request changes;
	struct cpuset now;
	bool lost, differs;

	if (!is_considered(s, r) || !read_cgroup(s, r, &now, &cpus_allowed, &mems_allowed, &lost))
		return 0;
	differs = compare(r, &now, &cpus_allowed, &mems_allowed, &s->held, &changes);
	if (!differs && !lost)
		return 0;
	found = vec_push(s->found, s->n, s->room);
	if (!found)
		return -ENOMEM;
	snprintf(found->id, sizeof(found->id), "%s", r->id);
	found->inode = r->cgroup_inode;
	found->lost = !differs;
	found->changes = changes;
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
	exclusive_read_held(l, &s->held);
	return ledger_each(l, look_at, s, err);
}

static void follow(struct place_env *env, const struct changed *c)
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
