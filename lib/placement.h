/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A placement of the public API: a copy as text, independent of the context and the ledger that it came from.
 */
#ifndef NUMAPLACE_LIB_PLACEMENT_H
#define NUMAPLACE_LIB_PLACEMENT_H

#include "include/numaplace.h"
#include "plugin/ledger/record.h"

struct numaplace_placement {
	char *id, *runtime, *cgroup;
	char *nodes, *cpus, *mems;
	enum memory_policy policy;
	bool overcommitted;
	struct reasons reasons;
};

/* Copies; NULL if out of memory. The caller frees them with numaplace_placement_free(). */
struct numaplace_placement *placement_of(const char *id, const char *runtime, const char *cgroup,
					 const struct placement *p, const struct reasons *why);
struct numaplace_placement *placement_of_record(const struct record *r);

#endif
