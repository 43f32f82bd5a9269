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

/* Claims of one container, or of a tenant; units as in struct conf. */
struct tenant_claim {
	uint64_t cpus, exclusive, memory, huge;
};

/* What @r claims; @t gives the sizes of hugepages. */
struct tenant_claim tenant_claim(const struct topology *t, const struct record *r);

/* Adds claims. Saturates: a node of unknown size may be given out without bound. */
uint64_t tenant_plus(uint64_t a, uint64_t b);

#endif
