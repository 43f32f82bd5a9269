/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A copy of the machine and of all records, taken from the ledger at once, for `numaplace rebalance`: its plan needs the
 * records, which the library does not show.
 */
#ifndef NUMAPLACE_SNAPSHOT_H
#define NUMAPLACE_SNAPSHOT_H

#include "cli/engine.h"

struct snapshot {
	struct topology *topology;
	struct usage *usage;     /* a copy; empty if there is no ledger */
	unsigned int n, room;
	struct record **record;  /* in the ledger's order */
};

/* Zero @out before; free it after a failure, too. */
int snapshot_take(const struct cli *cli, struct snapshot *out, struct error *err);
void snapshot_free(struct snapshot *s);

#endif
