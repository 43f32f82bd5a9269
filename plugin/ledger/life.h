/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Queries the liveness of recorded containers.
 */
#ifndef NUMAPLACE_LEDGER_LIFE_H
#define NUMAPLACE_LEDGER_LIFE_H

#include "plugin/ledger/ledger.h"

/* Whether the container of @r is dead. May update its share, as liveness.life(). */
bool ask_dead(const struct ledger *l, struct record *r, bool *changed);

/*
 * Saves the last nodes of a dead container and removes its mark. Called before its record is dropped: if we are killed
 * in between, a later sweep drops the record.
 */
int part_from(struct ledger *l, const struct record *r, struct error *err);

/*
 * Gives back what the kernel withholds from others for the container of @r, before its record is dropped. A failure is a
 * message: it must not keep the record of a dead container.
 */
void give_back(struct ledger *l, const struct record *r);

#endif
