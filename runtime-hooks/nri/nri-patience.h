/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What each event begins with: the configuration of the host, and a wait for the ledger that is shorter than the runtime's
 * wait for the plugin.
 */
#ifndef NUMAPLACE_NRI_PATIENCE_H
#define NUMAPLACE_NRI_PATIENCE_H

#include "runtime-hooks/nri/nri-agent.h"

#define cleanup_env __attribute__((cleanup(place_close)))

/* Makes the context of an event, with the configuration as it is now. Fails as conf_read(), with the defaults. */
int nri_conf(const struct nri_agent *a, struct place_env *env, struct error *err);

/* Repeats @step while another process has the ledger locked. */
int nri_patiently(const struct nri_agent *a, int (*step)(void *arg, struct error *err), void *arg, struct error *err);

#endif
