/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The ledger's queries about live containers: whether a recorded container is alive, how much memory it has touched,
 * and which cgroups carry a record.
 */
#ifndef NUMAPLACE_CGROUP_WORLD_H
#define NUMAPLACE_CGROUP_WORLD_H

#include "place/place.h"
#include "plugin/ledger/ledger.h"

struct world {
	int mount;                /* cgroup2 mount, kept open by the caller; -1: none, all are LIFE_UNKNOWN */
	const struct topology *t; /* for the sizes of hugepages */
	char boot_id[64];
	unsigned int looks;       /* containers whose numa_stat may still be read; world_init() sets no limit */
	uint64_t search_until;    /* deadline (cgroup_scan_clock) of the search for records; 0: it has not begun */
	int state;                /* state folder, set by world_look(); -1: ignore interrupted moves */
	struct ledger_world ledger; /* for ledger_open(); points into this struct, which must therefore not move */
};

/* Initialises @w. @boot_id NULL: it is read from proc/ below @root. */
void world_init(struct world *w, int root, int mount, const struct topology *t, const char *boot_id);

/*
 * Prepares @w for ledger_look(): containers whose move was interrupted are reported where their cgroup says, and below
 * a sysroot other than / the ledger may be of any boot.
 */
void world_look(struct world *w, const struct place_env *env);

/*
 * Limits how many numa_stat files the next sweep reads (about 40 numbers per node each; at least one container). Others
 * keep their last values.
 */
void world_look_at_few(struct world *w);

#endif
