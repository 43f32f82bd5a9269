/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Changes the placement of a live container: moves it to other nodes, or gives it other resources. First its memory is
 * moved, in steps with progress reports and a time limit, then its CPUs change. Verifies the result, and restores the
 * previous placement if a step fails.
 */
#ifndef NUMAPLACE_MOVE_H
#define NUMAPLACE_MOVE_H

#include "place/place.h"

struct move_job {
	const char *id;
	uint64_t cgroup_inode;    /* of its record: several containers may have the same id */
	struct nodeset nodes;     /* the nodes to choose from; not used with @changes */
	const struct request *changes; /* the keys to replace in its request, before request_finish(); NULL: none */
	/*
	 * With @changes without keys: the memory limit that its runtime has now, which is its request without limits.memory.
	 * The container stays where it is. 0: as before.
	 */
	uint64_t memory_limit;
	unsigned int seconds;     /* time limit for the whole move; 0: none */
	bool dry_run;             /* choose only; move nothing */
	/* Progress callback (may be NULL): bytes on the target nodes, and bytes to move in total. */
	void (*progress)(void *arg, uint64_t done, uint64_t total);
	void *arg;
};

/*
 * Moves or resizes the container; the cpuset is written by @env->writer. A resize stays on the present nodes if they have
 * room, and otherwise takes the nearest ones. @before and @after become its old and new record; the caller zeroes them
 * before and frees them with record_free(). -ENOENT: no such container, or its cgroup has been replaced; -ENOSPC: no
 * room, or a ceiling of the host; -ENOTSUP: its memory policy cannot be moved, or another program assigns what would
 * change; -EINVAL: the keys do not fit together; -ETIMEDOUT, -EBUSY (pages that cannot be moved, or more memory in use
 * than requested). After a failure the container has its previous placement.
 */
int place_move(struct place_env *env, const struct move_job *job, struct record *before, struct record *after,
	       struct error *err);

#endif
