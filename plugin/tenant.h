/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which tenant a container belongs to: its project under Incus and LXD, elsewhere the cgroup above it that
 * numaplace.conf names (tenants).  Containers below none of them are one tenant together, so that a
 * container whose creator invents a parent cgroup gets no budget of its own.
 */
#ifndef NUMAPLACE_TENANT_H
#define NUMAPLACE_TENANT_H

#include "plugin/conf.h"
#include "plugin/ledger.h"

#define TENANT_MAX 4200

/* The tenants where numaplace.conf names none: users, and the pods of a kubelet. */
#define TENANTS_DEFAULT                                                                                         \
	"/user.slice/user-* /kubepods.slice/kubepods-pod* /kubepods.slice/kubepods-burstable.slice/* "           \
	"/kubepods.slice/kubepods-besteffort.slice/* /kubepods/pod* /kubepods/burstable/* /kubepods/besteffort/*"

/* @tenants: as in struct conf; "" is TENANTS_DEFAULT. */
void tenant_of(const char *tenants, const struct record *r, char out[TENANT_MAX]);

/*
 * Whether the tenant of @r, with @r, stays below the max-...-each of @conf.  -ENOSPC: it would not.  @t: for the
 * sizes of hugepages.
 */
int tenant_check(struct ledger *l, const struct topology *t, const struct conf *conf, const struct record *r,
		 struct error *err);

#endif
