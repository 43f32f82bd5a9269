/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A container is known by its runtime class, its id and the inode of its cgroup. Containers of different runtime roots
 * share an id.
 */
#include "place/known.h"

#include "cgroup/own.h"
#include "place/place.h"
#include "plugin/base/util.h"

#include <errno.h>
#include <string.h>

/* Whether @mark is of this container and its runtime. */
static bool is_own(const struct inspection *found, const struct place_job *job)
{
	const struct record *mark = found->mark;

	return mark && strcmp(mark->runtime, job->runtime) == 0 &&
	       own_mark_of(mark, found->cgroup.inode, job->runtime_class, job->id) == OWN_MARK_SAME;
}

/* Reads the mark again: another hook of the same container may have set it since. */
static int is_marked(const struct inspection *found, const struct place_job *job, bool *marked, struct error *err)
{
	cleanup_own_mark struct record *mark = NULL;
	int rc = own_read_mark(&found->cgroup, &mark, err);

	*marked = rc > 0 &&
		  own_mark_of(mark, found->cgroup.inode, job->runtime_class, job->id) == OWN_MARK_SAME;
	return rc < 0 ? rc : 0;
}

/*
 * @old has the same id and another cgroup. If that container is dead, drop it, so that its successor may have its
 * place. If it is alive (under another --root), leave it alone.
 */
static own_frame int retire(struct ledger *l, const struct ledger_world *world, const struct place_job *job,
			    struct constraints *limits, struct record *old, struct error *err)
{
	bool changed;
	int rc;

	if (!*old->id || world->liveness->life(world->ctx, old, &changed) != LIFE_GONE)
		return 0;
	if (nodeset_empty(&limits->last_nodes))
		limits->last_nodes = old->placement.nodes;
	if (nodeset_empty(&limits->last_mems))
		limits->last_mems = old->placement.mems;
	rc = ledger_remove_cgroup(l, job->runtime_class, job->id, old->cgroup_inode, err);
	return rc == -ENOENT ? 0 : rc;
}

/* Drops the container whose record is on the cgroup. It is dead: own_at_start() found this container alone there. */
static int retire_other(struct ledger *l, const struct record *other, struct error *err)
{
	int rc;

	if (!other)
		return 0;
	rc = ledger_remove_cgroup(l, record_class(other), other->id, other->cgroup_inode, err);
	return rc == -ENOENT ? 0 : rc;
}

own_frame int known_find(struct ledger *l, const struct ledger_world *world, const struct place_job *job,
			 struct inspection *found, struct constraints *limits, struct record *out, bool *marked,
			 struct error *err)
{
	cleanup_record struct record first;
	int rc;

	record_none(&first);
	rc = ledger_find(l, job->runtime_class, job->id, &first, err);
	if (rc == 0)
		rc = ledger_find_cgroup(l, job->runtime_class, job->id, found->cgroup.inode, out, err);
	if (rc == 0) {
		rc = is_marked(found, job, marked, err);
		return rc < 0 ? rc : 1;
	}
	if (rc != -ENOENT)
		return rc;
	if (!is_own(found, job)) {
		rc = retire_other(l, found->mark, err);
		return rc < 0 ? rc : retire(l, world, job, limits, &first, err);
	}
	*out = *found->mark;
	record_none(found->mark);
	*marked = true;
	rc = ledger_add(l, job->runtime_class, out, err);
	return rc < 0 ? rc : 1;
}
