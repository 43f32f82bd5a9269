/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every rule of this host that refuses a request or a placement, in the order in which they are applied. (Whether a
 * request fits is the selection's to say, and whether a runtime applies a policy that of its hook, which reads the
 * runtime's files.)
 */
#ifndef NUMAPLACE_PLACE_ADMIT_H
#define NUMAPLACE_PLACE_ADMIT_H

#include "place/conf.h"
#include "plugin/ledger/ledger.h"

struct place_job;

/*
 * Before anything is read: the id, the ceilings of one container, devices, and whether a memory policy has been
 * applied. -EINVAL, -ENOSPC, -EPERM, -ENOTSUP.
 */
int admit_request(const struct conf *conf, const struct place_job *job, struct error *err);

/*
 * The ceilings and devices alone. @huge_default: default hugepage size in bytes, to whose whole pages the request is
 * rounded up; 0: not known yet. -ENOSPC: a ceiling; -EPERM: devices are not allowed.
 */
int admit_claim(const struct conf *conf, const struct request *r, uint64_t huge_default, struct error *err);

/* For a container that is restored from a checkpoint: CRIU restores no memory policy. -ENOTSUP. */
int admit_restored(const struct place_job *job, struct error *err);

/* Narrows the pins to the planned sets. -ENOSPC: they do not overlap. */
int admit_plan(const struct place_job *job, struct constraints *limits, struct error *err);

/* Checks the ceiling on all exclusive CPUs of the host, with @more added to those of @u. -ENOSPC. */
int admit_exclusive(const struct conf *conf, const struct usage *u, unsigned int more, struct error *err);
unsigned int admit_cpus_asked(const struct request *r);

/*
 * After the choice, under the ledger's lock: the nodes of an applied policy (-EAGAIN), and the sums of the tenant.
 * @r: the new record.
 */
int admit_placement(struct ledger *l, const struct topology *t, const struct conf *conf, const struct place_job *job,
		    const struct record *r, struct error *err);

/*
 * Checks that the tenant of @r, with @r, stays within the max-...-each limits of @conf. @t gives the sizes of
 * hugepages. Returns 0, -ENOSPC if a limit would be exceeded, or another negative errno.
 */
int admit_tenant(struct ledger *l, const struct topology *t, const struct conf *conf, const struct record *r,
		 struct error *err);

#endif
