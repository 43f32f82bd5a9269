/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The records of containers that have ended, or whose placement failed.
 */
#include "place/place.h"

#include "place/message.h"
#include "plugin/base/util.h"
#include "plugin/ledger/counters.h"

#include <errno.h>

int place_release(struct place_env *env, const char *runtime_class, const char *id, struct error *err)
{
	cleanup_machine struct machine machine = { 0 };
	cleanup_ledger struct ledger *l = NULL;
	struct ledger_world world;
	unsigned int before;
	int rc = place_open(env, PLACE_WRITE, err);

	if (rc == 0)
		rc = place_need_state(env, err);
	if (rc == -ENOENT)
		return 0;
	if (rc == 0)
		rc = machine_read(&machine, env, false, false, err);
	if (rc < 0)
		return rc;
	/* Without a mount, no container can be found to be dead; but such a host places none. */
	liveness_init(&env->live, env->root, env->mount, machine.topology, machine_boot_id(&machine));
	world = liveness_world(&env->live);
	rc = ledger_open(env->state, machine.topology, &world, env->timeout_ms, &l, err);
	if (rc < 0)
		return rc;
	before = ledger_usage(l)->containers;
	rc = ledger_remove(l, runtime_class, id, err);
	place_say_ledger(env, l);
	if (ledger_usage(l)->containers < before)
		counters_add(env->state, COUNT_RELEASED, 0);
	return rc == -ENOENT ? 0 : rc;
}

void place_forget(struct place_env *env, const struct topology *t, const char *runtime_class, const char *id,
		  uint64_t cgroup_inode)
{
	struct ledger_world world = liveness_world(&env->live);
	cleanup_ledger struct ledger *l = NULL;
	struct error why;
	int rc = ledger_open(env->state, t, &world, env->timeout_ms, &l, &why);

	if (rc == 0)
		rc = ledger_remove_cgroup(l, runtime_class, id, cgroup_inode, &why);
	if (rc < 0 && rc != -ENOENT)
		place_say(env, "%s stays in the ledger for now: %s", id, why.text);
}
