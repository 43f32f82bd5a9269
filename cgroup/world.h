/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the ledger asks of the world: whether a recorded container lives, how
 * much of its memory it has touched, and who carries a record.
 */
#ifndef NUMAPLACE_CGROUP_WORLD_H
#define NUMAPLACE_CGROUP_WORLD_H

#include "cgroup/place.h"
#include "plugin/ledger.h"

struct world {
	int mount;                /* cgroup2, kept by the caller; -1: none, so nobody's life can be told */
	const struct topology *t; /* for the sizes of hugepages */
	char boot_id[64];
	unsigned int looks;       /* left at where a container's pages are; without end from world_init */
	uint64_t search_until;    /* cgroup_scan_clock: for live containers that carry a record; 0: it has not begun */
	int state;                /* of world_look: the folder in which cut-off moves are noted; -1: they are not asked for */
	struct ledger_world ledger; /* give this to ledger_open; points into this struct, which must not move */
};

/* @root: where proc/ is, for the boot id; or that itself, where it is known. */
void world_init(struct world *w, int root, int mount, const struct topology *t, const char *boot_id);

/*
 * For ledger_look: a container whose move was cut off is where its cgroup says, and below a sysroot it does not matter of
 * which boot the ledger is.
 */
void world_look(struct world *w, const struct place_env *env);

/*
 * For a sweep of a few in a hook: that file has some forty numbers for every node of the machine, so on many nodes fewer
 * containers are looked at, at least one; the others keep what was seen of them.
 */
void world_look_at_few(struct world *w);

#endif
