/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * lxc-hook when the container is an Incus or LXD instance: whose it is, by the file that the
 * daemon wrote for liblxc, and what is done at its start and stop.
 *
 * Nothing here speaks with the daemon, which waits for the hook.
 */
#ifndef NUMAPLACE_INCUS_HOOK_H
#define NUMAPLACE_INCUS_HOOK_H

#include "cgroup/place.h"

#include <limits.h>

#define INCUS_AGENT_LOCK "incus-agent.lock" /* in the ledger folder; the agent holds it as long as it runs */

struct incus_instance {
	const char *runtime;       /* "incus" or "lxd": its class, too */
	const char *id;            /* as LXC has it: NAME, or PROJECT_NAME outside the default project */
	char folder[PATH_MAX];     /* the instance's: holds backup.yaml */
};

/*
 * Reads the daemon's hook lines out of the text of an lxc.conf.  false: it is not one of Incus's or LXD's.  No
 * environment counts here: an instance can set what it likes.
 */
bool incus_detect(const char *lxc_conf, const char *id, struct incus_instance *out);

/*
 * At start-host: reads what the instance asks for and places @pid.  @conf_fault: numaplace.conf could not be read, and why; NULL.
 * An instance that asks for nothing is 0, whatever the conf.
 */
int incus_start(struct place_env *env, const struct incus_instance *i, pid_t pid, const struct error *conf_fault,
		struct error *err);

/* At post-stop. */
int incus_stop(struct place_env *env, const struct incus_instance *i, struct error *err);

#endif
