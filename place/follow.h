/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Containers whose cpuset another program has written, such as an engine's update: the new CPUs are the request then.
 */
#ifndef NUMAPLACE_PLACE_FOLLOW_H
#define NUMAPLACE_PLACE_FOLLOW_H

#include "place/place.h"

/*
 * Finds the placed containers whose id @wanted accepts and whose cpuset.cpus, or with the policy strict cpuset.mems, is not
 * that of their record. For each of them, the record gets exactly these CPUs, and the memory moves to their nodes, or to
 * the nodes that were written, as place_move() does. Reports what it has done, and a failure for each container, as
 * warnings of @env; a container that cannot follow keeps its record. Returns 0, or a negative errno if the ledger cannot
 * be read.
 */
int place_follow(struct place_env *env, bool (*wanted)(const void *arg, const char *id), const void *arg,
		 struct error *err);

#endif
