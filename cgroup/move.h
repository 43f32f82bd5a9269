/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A live container to other nodes: memory first, in steps that can be watched
 * and stopped, then its CPUs; looked at afterwards, and back to where it was when a step fails.
 */
#ifndef NUMAPLACE_MOVE_H
#define NUMAPLACE_MOVE_H

#include "cgroup/place.h"

struct move_job {
	const char *id;
	struct idset nodes;       /* to choose within */
	unsigned int seconds;     /* for all of it; 0: no limit */
	bool dry_run;             /* chooses, and no more */
	/* Told now and then: bytes of its own that are where they should be by now, of how many; may be NULL. */
	void (*progress)(void *arg, uint64_t done, uint64_t total);
	void *arg;
};

/*
 * Moves it. @before and @after (zeroed before; record_free) are what the ledger held and holds. -ENOENT: no such
 * container; -ENOSPC: it cannot be there; -ETIMEDOUT, -EBUSY (pages that could not be moved): it is where it was.
 */
int place_move(struct place_env *env, const struct move_job *job, struct record *before, struct record *after,
	       struct error *err);

#endif
