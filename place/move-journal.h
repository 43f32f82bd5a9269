/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Moves in progress. Each has a file in the state folder, locked by the mover. An unlocked file means that the mover
 * was killed.
 */
#ifndef NUMAPLACE_MOVE_JOURNAL_H
#define NUMAPLACE_MOVE_JOURNAL_H

#include "place/state.h"

struct move_journal {
	int fd;          /* the locked file; -1: none */
	bool keep;       /* remove the file only if the move succeeds */
	char name[32];
};
#define MOVE_JOURNAL_NONE ((struct move_journal){ .fd = -1 })

/* Creates and locks the file. Call it under the ledger's lock. -EBUSY: another process is moving the container. */
int move_journal_begin(int state, const char *id, uint64_t cgroup_inode, struct move_journal *out, struct error *err);

/* Whether @name is that of a journal; *@inode: the inode of the cgroup. */
bool move_journal_inode(const char *name, uint64_t *inode);

/* Ends the move: unlocks the file and removes it, unless the move failed (!@done) and .keep is set. */
void move_journal_end(int state, struct move_journal *m, bool done);

/*
 * Repairs interrupted moves: corrects the ledger to where each container really is. If its memory nodes are those of
 * the new record, and the change has begun, the cgroup gets the new CPUs and marks as well; else the ledger gets the old
 * record back from the cgroup, although some memory may be on the new nodes. Call it under the ledger's lock. Failures are reported as warnings.
 */
void move_journal_mend(struct place_env *env, struct ledger *l);

/* Calls @each for every container whose move was interrupted. Needs no lock. */
void move_journal_each(int state, void (*each)(void *arg, const char *id), void *arg);

/*
 * Like move_journal_mend() for the one container @r with the cgroup @c, but changes only @r: true if @r has become the
 * old record. Needs no lock.
 */
bool move_journal_correct(int state, const struct cgroup_dir *c, struct record *r);

/*
 * Whether the move of @r (as move_journal_correct() left it) was interrupted half-way, so that its memory may be on the
 * old and the new nodes.
 */
bool move_journal_left(int state, int mount, const struct record *r);

#endif
