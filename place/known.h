/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the ledger and the cgroup know already about a container that starts.
 */
#ifndef NUMAPLACE_PLACE_KNOWN_H
#define NUMAPLACE_PLACE_KNOWN_H

#include "place/inspect.h"
#include "plugin/ledger/ledger.h"

/*
 * Looks up this container in the ledger, then on its cgroup. 1: @out is its record, and *@marked is whether the cgroup
 * carries it; 0: it has no record. Then a dead container of the same id, or the one whose mark is on the cgroup, is
 * dropped, and the last nodes of the first become hints in @limits. Takes @found->mark if that is the record.
 */
int known_find(struct ledger *l, const struct ledger_world *world, const struct place_job *job,
	       struct inspection *found, struct constraints *limits, struct record *out, bool *marked,
	       struct error *err);

#endif
