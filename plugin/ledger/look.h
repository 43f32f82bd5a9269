/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The read-only copy of a ledger.
 */
#ifndef NUMAPLACE_LEDGER_LOOK_H
#define NUMAPLACE_LEDGER_LOOK_H

#include "plugin/ledger/ledger.h"

/* ledger_each() for a ledger of ledger_look(). */
int kept_each(const struct ledger *l, int (*each)(void *arg, const struct record *r), void *arg, struct error *err);

#endif
