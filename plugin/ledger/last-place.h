/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where ended containers were.
 */
#ifndef NUMAPLACE_LEDGER_LAST_PLACE_H
#define NUMAPLACE_LEDGER_LAST_PLACE_H

#include "plugin/ledger/ledger.h"

/* Saves where the ended container of @r lived. Best effort. */
void last_place_save(struct ledger *l, const struct record *r);

#endif
