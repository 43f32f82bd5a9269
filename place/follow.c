/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads the ledger without its lock, compares, and then changes one container after the other.
 */
#include "place/follow.h"

#include "place/message.h"
#include "place/move.h"
#include "plugin/base/util.h"
#include "plugin/base/vec.h"

#include <errno.h>
#include <string.h>

struct changed {
	char id[RECORD_ID_MAX + 1];
	uint64_t inode;
	struct request changes;
};

struct search {
	struct place_env *env;
	bool (*wanted)(const void *arg, const char *id);
	const void *arg;
	struct changed *found;
	size_t n, room;
};

static void search_free(struct search *s)
{
	free(s->found);
}
#define cleanup_search __attribute__((cleanup(search_free)))

/* Requests the CPUs and the memory nodes of @now where they differ from the record. */
static bool compare(const struct record *r, const struct cpuset *now, struct request *changes)
{
	const bool cpus = strcmp(r->applied, PLACE_MEMS_ONLY) != 0 && !idset_empty(&now->cpus) &&
			  !idset_equal(&now->cpus_effective, &r->placement.share.cpus);
	const bool mems = r->placement.policy == POLICY_STRICT && !nodeset_empty(&now->mems) &&
			  !nodeset_equal(&now->mems_effective, &r->placement.mems);

	request_init(changes);
	if (cpus) {
		changes->given = 1U << KEY_CPU | 1U << KEY_CPU_NODES;
		changes->cpu_listed = true;
		changes->cpu_list = now->cpus_effective;
		changes->cpu_count = idset_count(&now->cpus_effective);
		changes->nodes_mode = NODES_BALANCED;
	}
	if (mems) {
		changes->given |= 1U << KEY_MEMORY_NODES;
		changes->mem_nodes = now->mems_effective;
	}
	return cpus || mems;
}

static int look_at(void *arg, const struct record *r)
{
	struct search *s = arg;
	cleanup_cgroup_dir struct cgroup_dir c = CGROUP_DIR_NONE;
	struct changed *found;
	struct request changes;
	struct cpuset now;

	if (!s->wanted(s->arg, r->id) || record_is_reserved(r) || cgroup_open(s->env->mount, r->cgroup, &c, NULL) < 0 ||
	    c.inode != r->cgroup_inode || cgroup_read_cpuset(&c, &now, NULL) < 0 || !compare(r, &now, &changes))
		return 0;
	found = vec_push(s->found, s->n, s->room);
	if (!found)
		return -ENOMEM;
	snprintf(found->id, sizeof(found->id), "%s", r->id);
	found->inode = r->cgroup_inode;
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
	return rc < 0 || !l ? rc : ledger_each(l, look_at, s, err);
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
	idset_format(&after.placement.share.cpus, cpus, sizeof(cpus));
	nodeset_format(&after.placement.mems, mems, sizeof(mems));
	place_say(env, "%s: another program has written its cpuset: it has the CPUs %.200s and the memory nodes %.200s now", c->id,
		  cpus, mems);
}

int place_follow(struct place_env *env, bool (*wanted)(const void *arg, const char *id), const void *arg,
		 struct error *err)
{
	cleanup_search struct search s = { .env = env, .wanted = wanted, .arg = arg };
	int rc = look(&s, err);

	for (size_t i = 0; rc == 0 && i < s.n; i++)
		follow(env, &s.found[i]);
	return rc;
}
