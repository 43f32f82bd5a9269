/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The file `usage`: the sums of all records.
 */
#ifndef NUMAPLACE_LEDGER_SUMS_H
#define NUMAPLACE_LEDGER_SUMS_H

#include "plugin/ledger/ledger.h"

#define USAGE_MAGIC "numause1"

/* Written into `usage` before a file changes; cleared when the new sums are written. */
enum usage_mark {
	MARK_CLEAN = 0x4e41454c,   /* the sums match the files */
	MARK_CHANGING = 0x474e4843, /* recount the files */
	MARK_LOST = 0x54534f4c,    /* files were lost: query the live containers, too */
};

enum usage_state {
	USAGE_GOOD,
	USAGE_CHANGING,   /* a transaction was interrupted; of this boot */
	USAGE_SMALL,      /* the machine has grown */
	USAGE_OTHER_BOOT,
	USAGE_LOST,       /* files were lost, and the live containers not all queried */
	USAGE_TORN,       /* interrupted while the sums were written: boot unknown */
	USAGE_DAMAGED,
	USAGE_MISSING,
};

/* Loads `usage` and classifies it; l->sums are valid only with USAGE_GOOD. */
int usage_load(struct ledger *l, enum usage_state *state, struct error *err);

/* Empties the sums, in memory only, with arrays for this machine's ids. */
int usage_reset(struct ledger *l, struct error *err);

/* As usage_add(), but grows the arrays as needed. */
int usage_add_growing(struct ledger *l, const struct share *s);

/* Writes the sums to a temporary file and renames it to `usage`. */
int usage_create(struct ledger *l, struct error *err);

/* Marks `usage` on disk before files change, or when files were lost. */
int usage_mark(struct ledger *l, enum usage_mark mark, struct error *err);

/* Writes the sums in place and clears the mark. */
int usage_commit(struct ledger *l, struct error *err);

#endif
