/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The containers that the runtime reports when the plugin connects: reservations of others are dropped, the homes of pods
 * are made again, and containers that were moved in the meantime are noted.
 */
#ifndef NUMAPLACE_NRI_STATE_H
#define NUMAPLACE_NRI_STATE_H

#include "runtime-hooks/nri/nri-agent.h"

/* Handles one part of the state; @ctx: the agent. Returns 0 or a negative errno. */
int nri_state_handle(void *ctx, const struct nri_state *s, struct error *err);

/* Notes the containers whose moves have ended, as the watch of the agent tells. */
void nri_state_moved(struct nri_agent *a);

#endif
