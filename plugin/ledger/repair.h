/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Recounts and rebuilds.
 */
#ifndef NUMAPLACE_LEDGER_REPAIR_H
#define NUMAPLACE_LEDGER_REPAIR_H

#include "plugin/ledger/ledger.h"

/* Makes the next rebuild start at the beginning. Call it before the record to be rebuilt is removed. */
int rebuild_restart(struct ledger *l, struct error *err);

/*
 * Recomputes the sums from the files. If files were @lost, or are found damaged, also restores records from the live
 * containers.
 */
int ledger_recount(struct ledger *l, bool lost, struct error *err);

#endif
