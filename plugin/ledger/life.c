/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether the container of a record has ended, and what the ledger does before it drops the record of a dead one.
 */
#include "plugin/ledger/life.h"

#include "plugin/ledger/handle.h"
#include "plugin/ledger/last-place.h"
#include "plugin/ledger/notes.h"

static bool is_dead(const struct ledger *l, enum life life, const struct record *r)
{
	if (life == LIFE_GONE)
		return true;
	return life == LIFE_PENDING && l->world.now > r->started && l->world.now - r->started > l->world.patience;
}

/* May update the share in @r; the sums still hold the values from before. */
bool ask_dead(const struct ledger *l, struct record *r, bool *changed)
{
	return is_dead(l, l->world.liveness->life ? l->world.liveness->life(l->world.ctx, r, changed) : LIFE_UNKNOWN, r);
}

void give_back(struct ledger *l, const struct record *r)
{
	struct error why;

	if ((r->partition != PARTITION_MEMBER || r->request.irq != IRQ_NONE) && l->world.liveness->give_back &&
	    l->world.liveness->give_back(l->world.ctx, r, &why) < 0)
		ledger_note(l, "container %s: its exclusive CPUs are not all given back: %s", r->id, why.text);
}

int part_from(struct ledger *l, const struct record *r, struct error *err)
{
	last_place_save(l, r);
	give_back(l, r);
	return l->world.liveness->ended ? l->world.liveness->ended(l->world.ctx, r, err) : 0;
}
