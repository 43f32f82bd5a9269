/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Containers whose cpuset or memory limit another program has written, such as an engine's update: what was written is
 * the request then.
 */
#ifndef NUMAPLACE_PLACE_FOLLOW_H
#define NUMAPLACE_PLACE_FOLLOW_H

#include "place/place.h"

/*
 * Finds the placed containers whose id @wanted accepts. If cpuset.cpus, or with the policy strict cpuset.mems, is not that
 * of the record:
 * - If the written set is what the container has without numaplace (the pins of its runtime, or all that its parent
 *   allows), an engine has written its own configuration again. Then the recorded request is placed again.
 * - Otherwise the record gets exactly the written CPUs, and the memory moves to their nodes, or to the written ones, as
 *   with place_move().
 * A set that was written to the parent cgroup counts as written to the container.
 *
 * If the request has the memory limit of the runtime, not limits.memory, and memory.max allows another amount now, the
 * record gets that amount if the container's nodes have it; the container stays where it is.
 *
 * The daemons of Incus and LXD assign CPUs themselves (see incus-agent). If they move the CPUs of a container whose nodes
 * they have chosen to other nodes, its memory follows. Containers that are being placed or moved are not considered:
 * their mark is not their record.
 *
 * Reports what it has done, and a failure for each container, as warnings of @env; a container that cannot follow keeps
 * its record. Returns 0, or a negative errno if the ledger cannot be read.
 */
int place_follow(struct place_env *env, bool (*wanted)(const void *arg, const char *id), const void *arg,
		 struct error *err);

#endif
