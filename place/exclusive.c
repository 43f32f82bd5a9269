/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The record, then the partition; a record again, if the kernel has refused the partition.
 */
#include "place/exclusive.h"

#include "cgroup/partition.h"
#include "place/irq.h"
#include "place/message.h"
#include "place/place.h"
#include "plugin/base/util.h"

#include <string.h>

enum partition exclusive_wanted(const struct record *r)
{
	if (!r->request.exclusive || strcmp(r->applied, PLACE_MEMS_ONLY) == 0)
		return PARTITION_MEMBER;
	return r->request.isolated ? PARTITION_ISOLATED : PARTITION_ROOT;
}

void exclusive_read_held(const struct ledger *l, struct idset *out)
{
	const struct usage *u = ledger_usage(l);

	*out = (struct idset){ { 0 } };
	for (unsigned int i = 0; i < u->cpu_ids; i++)
		if (u->exclusive[i])
			idset_add(out, i);
}

bool exclusive_asks(const struct record *r)
{
	return exclusive_wanted(r) != PARTITION_MEMBER || r->request.irq != IRQ_NONE;
}

static int enter(struct place_env *env, struct ledger *l, const struct cgroup_dir *c, struct record *r, struct error *err)
{
	struct idset held;
	struct error why;
	int rc;

	rc = ledger_add(l, record_class(r), r, err);
	if (rc < 0)
		return rc;
	exclusive_read_held(l, &held);
	rc = partition_enter(env->mount, c, &r->placement.share.cpus, r->partition, &held, &why);
	if (rc == 0)
		return 0;
	r->partition = PARTITION_MEMBER;
	reasons_add(&r->reasons, EXCLUSIVE_PLACED_ONLY ": %s", why.text);
	place_say(env, EXCLUSIVE_PLACED_ONLY ": %s", why.text);
	return ledger_add(l, record_class(r), r, err);
}

int exclusive_enter(struct place_env *env, struct ledger *l, const struct cgroup_dir *c, struct record *r,
		    struct error *err)
{
	int rc;

	r->partition = exclusive_wanted(r);
	rc = r->partition == PARTITION_MEMBER ? 0 : enter(env, l, c, r, err);
	return rc < 0 ? rc : irq_follow(env, l, r, err);
}

void exclusive_leave(struct place_env *env, const struct record *r)
{
	struct error why;

	if (r->partition != PARTITION_MEMBER &&
	    partition_leave(env->mount, r->cgroup, r->cgroup_inode, &r->placement.share.cpus, &why) < 0)
		place_say(env, "container %s: its exclusive CPUs are not all given back: %s", r->id, why.text);
}

bool exclusive_lost(const struct cgroup_dir *c, const struct record *r)
{
	return r->partition != PARTITION_MEMBER && !partition_is(c, r->partition);
}
