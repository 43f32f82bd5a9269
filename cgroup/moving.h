/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Moves under way: while one lasts, a file in the ledger's folder says so, locked by
 * who carries it out.  One that nobody locks is of a move that was cut off (killed).
 */
#ifndef NUMAPLACE_MOVING_H
#define NUMAPLACE_MOVING_H

#include "cgroup/place.h"

struct moving {
	int fd;          /* -1: none */
	bool keep;       /* the file stays, whatever becomes of this move, unless it succeeds */
	char name[32];
};
#define MOVING_NONE ((struct moving){ .fd = -1 })

/* Under the ledger's lock, as is moving_mend. -EBUSY: somebody else moves it. */
int moving_begin(int state, const char *id, uint64_t cgroup_inode, struct moving *out, struct error *err);

/* @done: it is at its new place, or at its old one as if nothing had been. */
void moving_end(int state, struct moving *m, bool done);

/*
 * What was cut off: the ledger gets the place where the container is.  That is the new one if its cpuset says so,
 * which then is marked, too; else the old one, as its mark has it, though some of its memory may lie at the new.
 * Best effort: what goes wrong is said.
 */
void moving_mend(const struct place_env *env, struct ledger *l, int mount);

/* The containers whose moves were cut off and are noted still. Needs no lock. */
void moving_each(int state, void (*each)(void *arg, const char *id), void *arg);

/*
 * As moving_mend for one container @r whose cgroup is @c, in memory alone: true: @r is now the record of its old place.
 * Needs no lock.
 */
bool moving_look(int state, const struct cgroup_dir *c, struct record *r);

/* Whether the move of @r, as moving_look has left it, was cut off half-way: its memory may lie at both places. */
bool moving_left(int state, int mount, const struct record *r);

#endif
