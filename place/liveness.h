/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The ledger's questions about containers, answered from their cgroups: whether a recorded container is alive, how
 * much memory it has touched, and which cgroups carry a record.
 */
#ifndef NUMAPLACE_PLACE_LIVENESS_H
#define NUMAPLACE_PLACE_LIVENESS_H

#include "plugin/ledger/ledger.h"

struct liveness_ctx {
	int root, folder;         /* descriptors of the root and of the state folder; -1: none */
	int mount;                /* cgroup2 mount, kept open by the caller; -1: none, all are LIFE_UNKNOWN */
	const struct topology *t; /* for the sizes of hugepages */
	char boot_id[64];
	bool any_boot;            /* for reading: the ledger may be of any boot */
	uint64_t now;             /* CLOCK_BOOTTIME seconds at liveness_init() */
	unsigned int looks;       /* containers whose numa_stat may still be read; liveness_init() sets no limit */
	uint64_t search_until;    /* deadline (cgroup_scan_clock) of the search for records; 0: it has not begun */
	bool gave_back;           /* CPUs of a partition were given back: the cgroups allow more than before */
	int state;                /* for reading: interrupted moves noted in this state folder are corrected; -1: not */
};

/* @root and @folder stay open until the ledger is closed. @boot_id NULL: it is read from proc/ below @root. */
void liveness_init(struct liveness_ctx *w, int root, int mount, int folder, const struct topology *t, const char *boot_id);

/* For ledger_open() and ledger_look(). @w must stay until the ledger is closed. */
struct ledger_world liveness_world(struct liveness_ctx *w);

/*
 * Limits how many numa_stat files the next sweep reads (about 40 numbers per node each; at least one container). Others
 * keep their last values.
 */
void liveness_look_at_few(struct liveness_ctx *w);

#endif
