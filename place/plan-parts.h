/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A choice for several parts that start together, such as the NUMA cells of a virtual machine, each of which is on one
 * node. Writes nothing.
 */
#ifndef NUMAPLACE_PLACE_PLAN_PARTS_H
#define NUMAPLACE_PLACE_PLAN_PARTS_H

#include "place/place.h"

struct plan_parts {
	const char *what;               /* for messages: "cell"; the parts have numbers from 0 */
	unsigned int n;
	const struct request *request;  /* of each part; finished */
	bool one_node;                  /* CPUs and memory of a part are on one node */
	unsigned int nothers;
	const struct share *others;     /* what is not in the ledger and counts as placed */
};

/*
 * Chooses as place_plan() would, for one part after the other, the largest first; each counts for the following ones,
 * which are preferably near. @machine was read with its memory and hugepages. @out: n placements, which the caller
 * zeroes before and frees with placement_free(), also after a failure. @why (may be NULL): for the largest part. Errors
 * as place_plan(); -ENOSPC also: a part fits, but not on one node.
 */
int place_plan_parts(struct place_env *env, const struct machine *machine, const struct plan_parts *parts,
		     struct placement *out, struct reasons *why, struct error *err);

#endif
