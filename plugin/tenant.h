/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whose a container is: an Incus or LXD project's, or of the cgroup that it was
 * put into beside others: a slice, a pod, a user's.  That is the administrator's or the engine's choice;
 * neither a key nor an annotation of the container has a say in it.
 */
#ifndef NUMAPLACE_TENANT_H
#define NUMAPLACE_TENANT_H

#include "plugin/ledger.h"

#define TENANT_MAX 4200

void tenant_of(const struct record *r, char out[TENANT_MAX]);

/* Whether the tenant of @r, with @r, holds no more than @max CPUs for itself; -ENOSPC: it would. */
int tenant_check(struct ledger *l, const struct record *r, unsigned int max, struct error *err);

#endif
