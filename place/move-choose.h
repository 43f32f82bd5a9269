/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The choice in a move or a resize: from the old record of a live container to the new one.
 */
#ifndef NUMAPLACE_PLACE_MOVE_CHOOSE_H
#define NUMAPLACE_PLACE_MOVE_CHOOSE_H

#include "place/decide.h"
#include "place/move.h"

struct move_choice {
	const struct move_job *job;
	const struct cgroup_dir *cgroup; /* the container's own, open */
	bool mems_only;                  /* another program writes its CPUs */
	struct request request;          /* of the new record */
	struct decision decision;
};

/*
 * Chooses, under the lock of @l, and makes the new record @out. Writes nothing. @t: its nodes' free memory is changed, so
 * that it includes the container's own. Errors: those of place_move() before it writes.
 */
int move_choose(struct move_choice *c, struct place_env *env, struct topology *t, struct ledger *l,
		const struct record *old, struct record *out, struct error *err);

#endif
