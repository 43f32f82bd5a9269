/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The record of a container that does not say itself what it requests: the engine has reserved its place.
 */
#include "place/place.h"

#include "place/message.h"
#include "plugin/base/util.h"

#include <errno.h>

/* The reservation for @cgroup, else the record of it, which an earlier call has left. */
static int find(struct ledger *l, const char *runtime_class, const char *id, const struct cgroup_dir *cgroup,
		struct record *out, struct error *err)
{
	int rc = ledger_find_cgroup(l, runtime_class, id, 0, out, err);

	if (rc == 0 && !record_is_expected_in(out, cgroup->path)) {
		record_free(out);
		*out = (struct record){ 0 };
		rc = -ENOENT;
	}
	return rc == -ENOENT ? ledger_find_cgroup(l, runtime_class, id, cgroup->inode, out, err) : rc;
}

int place_recall(struct place_env *env, const char *runtime_class, const char *id, pid_t pid, struct record *out,
		 struct error *err)
{
	cleanup_cgroup_dir struct cgroup_dir cgroup = CGROUP_DIR_NONE;
	cleanup_machine struct machine machine = { 0 };
	cleanup_ledger struct ledger *l = NULL;
	struct ledger_world world;
	int rc = place_open(env, PLACE_WRITE, err);

	if (rc == 0)
		rc = place_need_mount(env, err);
	if (rc == 0)
		rc = cgroup_of_pid(env->mount, pid, &cgroup, err);
	if (rc == 0)
		rc = place_need_state(env, err);
	if (rc == 0)
		rc = machine_read(&machine, env, false, false, err);
	if (rc == 0) {
		liveness_init(&env->live, env->root, env->mount, env->state, machine.topology, machine_boot_id(&machine));
		world = liveness_world(&env->live);
		rc = ledger_open(env->state, machine.topology, &world, env->timeout_ms, &l, err);
	}
	if (rc == 0) {
		rc = find(l, runtime_class, id, &cgroup, out, err);
		place_say_ledger(env, l);
	}
	if (rc == -ENOENT)
		return error_set(err, rc, "the ledger has no place that is reserved for it");
	return rc;
}
