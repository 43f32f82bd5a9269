/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Moves in progress. Each has a file in the state folder, locked by the mover. An unlocked file means that the mover
 * was killed.
 */
#ifndef NUMAPLACE_MOVING_H
#define NUMAPLACE_MOVING_H

#include "place/place.h"

struct moving {
	int fd;          /* the locked file; -1: none */
	bool keep;       /* remove the file only if the move succeeds */
	char name[32];
};
#define MOVING_NONE ((struct moving){ .fd = -1 })

/* Creates and locks the file. Call it under the ledger's lock. -EBUSY: another process is moving the container. */
int moving_begin(int state, const char *id, uint64_t cgroup_inode, struct moving *out, struct error *err);

/* Ends the move: unlocks the file and removes it, unless the move failed (!@done) and .keep is set. */
void moving_end(int state, struct moving *m, bool done);

/*
 * Repairs interrupted moves: corrects the ledger to where each container really is. If its cpuset is that of the new
 * record, that record is written to the cgroup as well; else the ledger gets the old record back from the cgroup,
 * although some memory may be on the new nodes. Call it under the ledger's lock. Failures are reported as warnings.
 */
void moving_mend(const struct place_env *env, struct ledger *l, int mount);

/* Calls @each for every container whose move was interrupted. Needs no lock. */
void moving_each(int state, void (*each)(void *arg, const char *id), void *arg);

/*
 * Like moving_mend() for the one container @r with the cgroup @c, but changes only @r: true if @r has become the old
 * record. Needs no lock.
 */
bool moving_look(int state, const struct cgroup_dir *c, struct record *r);

/*
 * Whether the move of @r (as moving_look() left it) was interrupted half-way, so that its memory may be on the old and
 * the new nodes.
 */
bool moving_left(int state, int mount, const struct record *r);

#endif
