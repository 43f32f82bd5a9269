/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * lxc-hook for containers that are Incus or LXD instances: recognises them by the file that the daemon wrote for
 * liblxc, and handles their start and stop.
 *
 * This code never talks to the daemon, which waits for the hook.
 */
#ifndef NUMAPLACE_INCUS_HOOK_H
#define NUMAPLACE_INCUS_HOOK_H

#include "place/place.h"

#include <limits.h>

#define INCUS_AGENT_LOCK "incus-agent.lock" /* in the ledger's folder; the agent holds it locked while it runs */

struct incus_instance {
	const char *runtime;       /* "incus" or "lxd"; also the runtime class */
	const char *id;            /* LXC's name: NAME, or PROJECT_NAME outside the default project */
	char folder[PATH_MAX];     /* of the instance; holds backup.yaml */
};

/*
 * Looks for the daemon's hook lines in the text of an lxc.conf. Returns false if Incus or LXD did not write it. Ignores
 * the environment, which an instance can set.
 */
bool incus_detect(const char *lxc_conf, const char *id, struct incus_instance *out);

/*
 * At start-host: reads the instance's configuration and places @pid. @conf_fault: why numaplace.conf could not be read,
 * or NULL. Returns 0 for an instance that requests nothing, whatever the conf.
 */
int incus_start(struct place_env *env, const struct incus_instance *i, pid_t pid, const struct error *conf_fault,
		struct error *err);

/* At post-stop: removes the instance from the ledger. */
int incus_stop(struct place_env *env, const struct incus_instance *i, struct error *err);

#endif
