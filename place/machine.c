/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The cached topology is used only if the boot and the online nodes and CPUs are still those of its key.
 */
#include "place/machine.h"

#include "plugin/base/util.h"

#include <errno.h>
#include <string.h>

/* Loads the topology from the cache. Fails if it is not cached, or if the machine has changed (-ESTALE). */
static int load_machine(struct machine *m, const struct place_env *env, bool memory, bool huge)
{
	cleanup_topology struct topology *t = NULL;
	struct error why;
	int rc = env->state < 0 ? -ENOENT : topology_load(env->state, &m->key, &t);

	if (rc == 0 && memory)
		rc = topology_refresh(env->root, t, huge, &why);
	if (rc < 0)
		return rc;
	m->topology = steal_ptr(t);
	return 0;
}

int machine_read(struct machine *m, const struct place_env *env, bool memory, bool huge, struct error *err)
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
