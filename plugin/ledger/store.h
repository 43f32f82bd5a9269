/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The record files below containers/.
 */
#ifndef NUMAPLACE_LEDGER_STORE_H
#define NUMAPLACE_LEDGER_STORE_H

#include "plugin/ledger/ledger.h"
#include "plugin/ledger/slots.h"

/* How many slots of @base are used; there are no gaps. */
int slots_used(const struct ledger *l, const char *base, unsigned int *used, struct error *err);

/* -ENOENT, -EBADMSG (damaged, or not a record file of ours), or another negative errno. */
int file_load(struct ledger *l, const char *name, struct record *r, struct error *err);
int file_store(struct ledger *l, const char *name, const char *text, size_t len, struct error *err);
int file_store_record(struct ledger *l, const char *name, const struct record *r, struct error *err);
/* Removes slot @slot of @used, and renames the last slot into the gap. */
int file_drop(struct ledger *l, const char *base, unsigned int slot, unsigned int used, struct error *err);

int files_remove_all(struct ledger *l, struct error *err);

struct names {
	unsigned int n, room;
	char (*name)[LEDGER_NAME_MAX];
};
void names_free(struct names *list);
#define cleanup_names __attribute__((cleanup(names_free)))
/* Names of all records, ascending. */
int files_list(const struct ledger *l, struct names *out, struct error *err);

/*
 * Calls @each with names from *@cursor on until it returns non-zero or @max names are done (0: no limit). *@cursor is
 * then where to continue; 0 at the end of the folder.
 */
int files_some(const struct ledger *l, int64_t *cursor, unsigned int max,
	       int (*each)(void *arg, const char *name), void *arg, struct error *err);

#endif
