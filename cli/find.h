/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Finds the container that a person names on the command line.
 */
#ifndef NUMAPLACE_FIND_H
#define NUMAPLACE_FIND_H

#include "include/numaplace.h"
#include "plugin/base/error.h"

#define FIND_PREFIX 4 /* minimum length of an abbreviated id */

/*
 * Finds the placement with this id, with an id that has this unique prefix, or of this cgroup ("/..."); else -EINVAL
 * with the reason. Containers of several runtime roots and namespaces may have the same id: then only the cgroup names
 * one. *@out belongs to the snapshot.
 */
int find_container(const struct numaplace_snapshot *s, const char *verb, const char *id,
		   const struct numaplace_placement **out, struct error *err);

#endif
