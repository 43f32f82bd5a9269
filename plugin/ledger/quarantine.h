/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Takes a damaged file out of the ledger.
 */
#ifndef NUMAPLACE_LEDGER_QUARANTINE_H
#define NUMAPLACE_LEDGER_QUARANTINE_H

#include "plugin/ledger/ledger.h"

/* Moves @name below @dir to damaged/, or deletes it if damaged/ is full. */
int set_aside(struct ledger *l, int dir, const char *name, struct error *err);

#endif
