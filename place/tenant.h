/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The tenant of a container: its project under Incus and LXD; elsewhere the cgroup above it that numaplace.conf names
 * (tenants). All containers below none of these form one tenant, so that inventing a parent cgroup does not give a
 * container a budget of its own.
 */
#ifndef NUMAPLACE_TENANT_H
#define NUMAPLACE_TENANT_H

#include "place/conf.h"
#include "plugin/ledger/ledger.h"

#define TENANT_MAX 4200

/* Used if numaplace.conf names no tenants: users, and the pods of a kubelet. */
#define TENANTS_DEFAULT                                                                                         \
	"/user.slice/user-* /kubepods.slice/kubepods-pod* /kubepods.slice/kubepods-burstable.slice/* "           \
	"/kubepods.slice/kubepods-besteffort.slice/* /kubepods/pod* /kubepods/burstable/* /kubepods/besteffort/*"

/* Writes the tenant's name to @out. @tenants: as in struct conf; "" means TENANTS_DEFAULT. */
void tenant_of(const char *tenants, const struct record *r, char out[TENANT_MAX]);

/*
 * Checks that the tenant of @r, with @r, stays within the max-...-each limits of @conf. @t gives the sizes of
 * hugepages. Returns 0, -ENOSPC if a limit would be exceeded, or another negative errno.
 */
int tenant_check(struct ledger *l, const struct topology *t, const struct conf *conf, const struct record *r,
		 struct error *err);

#endif
