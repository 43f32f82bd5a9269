/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A copy of the machine and of all placements, taken from the ledger at once, so that slow work (drawing, writing to a
 * pipe, reading cgroups) does not hold the ledger's lock.
 */
#ifndef NUMAPLACE_SNAPSHOT_H
#define NUMAPLACE_SNAPSHOT_H

#include "cli/cli.h"
#include "cli/left-out.h"

#define SNAPSHOT_PREFIX 4 /* minimum length of an abbreviated id */

struct snapshot {
	struct topology *topology;
	struct usage *usage;     /* a copy; empty if there is no ledger */
	unsigned int n, room;
	struct record **record;  /* in the ledger's order */
	uint64_t *load;          /* by node index, in 1/LOAD_ONE of a CPU */
	struct left_out left_out;
	int root;                /* the caller's sysroot */
};

/*
 * Zero @out before, except for a topology that the caller has already read; free it after a failure, too.
 */
int snapshot_take(const struct cli *cli, struct snapshot *out, struct error *err);
void snapshot_free(struct snapshot *s);
#define cleanup_snapshot __attribute__((cleanup(snapshot_free)))

/*
 * Finds the record with this id, with an id that has this unique prefix, or of this cgroup ("/..."); else -EINVAL with
 * the reason. Containers of several runtime roots and namespaces may have the same id: then only the cgroup names one.
 */
int snapshot_find(const struct snapshot *s, const char *verb, const char *id, const struct record **out,
		  struct error *err);

/* The number of containers with CPUs on the node (index). */
unsigned int snapshot_containers_on(const struct snapshot *s, unsigned int node);

#endif
