/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Moves a live container to other nodes: first its memory, in steps with progress reports and a time limit, then its
 * CPUs. Verifies the result, and moves the container back if a step fails.
 */
#ifndef NUMAPLACE_MOVE_H
#define NUMAPLACE_MOVE_H

#include "place/place.h"

struct move_job {
	const char *id;
	uint64_t cgroup_inode;    /* of its record: several containers may have the same id */
	struct nodeset nodes;     /* the nodes to choose from */
	unsigned int seconds;     /* time limit for the whole move; 0: none */
	bool dry_run;             /* choose only; move nothing */
	/* Progress callback (may be NULL): bytes on the target nodes, and bytes to move in total. */
	void (*progress)(void *arg, uint64_t done, uint64_t total);
	void *arg;
};

/*
 * Moves the container; the cpuset is written by @env->writer. @before and @after become its old and new record; the
 * caller zeroes them before and frees them with record_free(). -ENOENT: no such container, or its cgroup has been
 * replaced; -ENOSPC: the nodes have no room for it; -ENOTSUP: its memory policy cannot be moved; -ETIMEDOUT, -EBUSY
 * (pages that cannot be moved). After a failure the container is on its previous nodes.
 */
int place_move(struct place_env *env, const struct move_job *job, struct record *before, struct record *after,
	       struct error *err);

#endif
