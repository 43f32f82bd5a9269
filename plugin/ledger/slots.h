/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The name of a record's file: class, id and slot.
 */
#ifndef NUMAPLACE_LEDGER_SLOTS_H
#define NUMAPLACE_LEDGER_SLOTS_H

#include "plugin/base/error.h"

#define LEDGER_NAME_MAX 256 /* of a record's file name, with its NUL */
#define LEDGER_SLOTS 256    /* containers with the same id: of different roots, namespaces or users */

/* Name of the first slot of this id; slot_name() gives the others. */
int file_name(const char *runtime_class, const char *id, char name[LEDGER_NAME_MAX], struct error *err);
void slot_name(const char *base, unsigned int slot, char name[LEDGER_NAME_MAX]);
/* The slot number in @name; @base is the name without it. */
unsigned int slot_of(const char *name, char base[LEDGER_NAME_MAX]);

#endif
