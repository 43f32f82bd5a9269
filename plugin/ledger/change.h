/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The steps of a transaction. For the sources of the ledger only.
 */
#ifndef NUMAPLACE_LEDGER_CHANGE_H
#define NUMAPLACE_LEDGER_CHANGE_H

#include "plugin/ledger/ledger.h"

/* Called first in each transaction: completes what an earlier one left unfinished. */
int change_start(struct ledger *l, struct error *err);

/* Loads a record. On a damaged file, recounts without it and restores the record from the live container. */
int change_load(struct ledger *l, const char *name, struct record *r, struct error *err);

/* Stores @r (with text @text) in place of @old, which is empty if its id is, and updates the sums. */
int change_replace(struct ledger *l, const char *name, const struct record *old, const struct record *r,
		   const char *text, size_t len, struct error *err);
int change_replace_record(struct ledger *l, const char *name, const struct record *old, const struct record *r,
			  struct error *err);

/* Drops slot @slot of @used and subtracts its share @s from the sums. */
int change_drop(struct ledger *l, const char *base, unsigned int slot, unsigned int used, const struct share *s,
		struct error *err);

/*
 * The sums could not be written, so the caller gets an error: restores the file. Whether that works or not, the mark
 * remains, and the files are recounted.
 */
void change_undo(struct ledger *l, const char *name, const struct record *old, const struct record *r);

/* Writes the sums, even if a later step of the transaction failed. */
int change_finish(struct ledger *l, int result, struct error *err);

#endif
