/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The records of containers that have ended, or whose placement failed.
 */
#include "place/place.h"

#include "place/message.h"
#include "plugin/base/util.h"
#include "plugin/ledger/counters.h"

#include <errno.h>
#include <string.h>

/* Opens the ledger for writing. 0 with *@out NULL: there is no state folder. */
static int open_ledger(struct place_env *env, struct machine *machine, struct ledger **out, struct error *err)
{
	struct ledger_world world;
	int rc = place_open(env, PLACE_WRITE, err);

	*out = NULL;
	if (rc == 0)
		rc = place_need_state(env, err);
	if (rc == -ENOENT)
		return 0;
	if (rc == 0)
		rc = machine_read(machine, env, false, false, err);
	if (rc < 0)
		return rc;
	/* Without a mount, no container can be found to be dead; but such a host places none. */
	liveness_init(&env->live, env->root, env->mount, env->state, machine->topology, machine_boot_id(machine));
	world = liveness_world(&env->live);
	return ledger_open(env->state, machine->topology, &world, env->timeout_ms, out, err);
}

int place_release(struct place_env *env, const char *runtime_class, const char *id, struct error *err)
{
	cleanup_machine struct machine machine = { 0 };
	cleanup_ledger struct ledger *l = NULL;
	unsigned int before;
	int rc = open_ledger(env, &machine, &l, err);

	if (rc < 0 || !l)
		return rc;
	before = ledger_usage(l)->containers;
	rc = ledger_remove(l, runtime_class, id, err);
	if (rc == 0 || rc == -ENOENT)
		rc = ledger_remove_cgroup(l, runtime_class, id, 0, err);
	place_say_ledger(env, l);
	if (ledger_usage(l)->containers < before)
		counters_add(env->state, COUNT_RELEASED, 0);
	return rc == -ENOENT ? 0 : rc;
}

int place_cancel(struct place_env *env, const char *runtime_class, const char *id, struct error *err)
{
	cleanup_machine struct machine machine = { 0 };
	cleanup_ledger struct ledger *l = NULL;
	int rc = open_ledger(env, &machine, &l, err);

	if (rc == 0 && l)
		rc = ledger_remove_cgroup(l, runtime_class, id, 0, err);
	if (l)
		place_say_ledger(env, l);
	return rc == -ENOENT ? 0 : rc;
}

struct lost {
	const char *runtime;
	bool (*keep)(const void *arg, const char *id);
	const void *arg;
	char id[RECORD_ID_MAX + 1]; /* of the first one; "": none */
	char runtime_class[RECORD_CLASS_MAX];
};

static int find_lost(void *arg, const struct record *r)
{
	struct lost *lost = arg;

	if (!record_is_reserved(r) || strcmp(r->runtime, lost->runtime) != 0 || lost->keep(lost->arg, r->id))
		return 0;
	snprintf(lost->id, sizeof(lost->id), "%s", r->id);
	snprintf(lost->runtime_class, sizeof(lost->runtime_class), "%s", record_class(r));
	return 1;
}

int place_cancel_others(struct place_env *env, const char *runtime, bool (*keep)(const void *arg, const char *id),
			const void *arg, struct error *err)
{
	struct lost lost = { .runtime = runtime, .keep = keep, .arg = arg };
	cleanup_machine struct machine machine = { 0 };
	cleanup_ledger struct ledger *l = NULL;
	int rc = open_ledger(env, &machine, &l, err);

	if (rc < 0 || !l)
		return rc;
	/* One at a time: the list of files changes with each removal. */
	while ((rc = ledger_each(l, find_lost, &lost, err)) > 0) {
		rc = ledger_remove_cgroup(l, lost.runtime_class, lost.id, 0, err);
		if (rc < 0)
			break;
		place_say(env, "container %s: reserved, and not known to %s: released", lost.id, runtime);
	}
	place_say_ledger(env, l);
	return rc;
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
