/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The machine and all that is placed on it, copied out of the ledger in one go:
 * what is slow (drawing, writing to a pipe, asking cgroups) happens without its lock.
 */
#ifndef NUMAPLACE_SNAPSHOT_H
#define NUMAPLACE_SNAPSHOT_H

#include "cli/cli.h"
#include "cli/left-out.h"

#define SNAPSHOT_PREFIX 4 /* characters of an id that may stand for all of it */

struct snapshot {
	struct topology *topology;
	struct usage *usage;     /* a copy; of nothing where there is no ledger */
	unsigned int n, room;
	struct record **record;  /* as the ledger orders them */
	uint64_t *load;          /* by node index, in 1/LOAD_ONE of a CPU */
	struct left_out left_out;
	int root;                /* the caller's sysroot */
};

/* Zero @out before; free it also after a failure. */
int snapshot_take(const struct cli *cli, struct snapshot *out, struct error *err);
void snapshot_free(struct snapshot *s);
#define cleanup_snapshot __attribute__((cleanup(snapshot_free)))

/* The record of this id, or the only one whose id begins so; -EINVAL and the reason. */
int snapshot_find(const struct snapshot *s, const char *verb, const char *id, const struct record **out,
		  struct error *err);

/* How many containers have CPUs on the node (index). */
unsigned int snapshot_containers_on(const struct snapshot *s, unsigned int node);

/* The CPUs of a node (index). */
void snapshot_cpus_of(const struct topology *t, unsigned int node, struct idset *cpus);

#endif
