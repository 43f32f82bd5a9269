/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Exclusive CPUs by the kernel: a container with limits.cpu.exclusive becomes a cpuset partition. Where the kernel cannot
 * do that, the CPUs are kept from other placed containers alone, and the record and a message say so.
 *
 * The record says what the cgroup is before the cgroup is changed, so that a sweep after an interruption gives all CPUs
 * back (liveness.give_back).
 */
#ifndef NUMAPLACE_PLACE_EXCLUSIVE_H
#define NUMAPLACE_PLACE_EXCLUSIVE_H

#include "place/state.h"
#include "plugin/ledger/ledger.h"

/* What a reason or a message begins with, if the kernel does not keep others from the CPUs. */
#define EXCLUSIVE_PLACED_ONLY "limits.cpu.exclusive: the CPUs are kept from other placed containers only"

/* The partition that the request of @r asks for. */
enum partition exclusive_wanted(const struct record *r);

/* Whether exclusive_enter() has something to do for @r: a partition, or interrupts. */
bool exclusive_asks(const struct record *r);

/*
 * These are called under the lock of the ledger, as the lists of the cgroups above a container are shared.
 *
 * Makes the partition that the request of @r asks for, if any, of its cgroup @c, which has the CPUs of @r already. Stores
 * @r, with .partition as it is now, in @l. Returns 0 also without a partition; then a reason in @r says why. Then the
 * interrupts follow (place/irq.h). The caller marks the cgroup afterwards.
 */
int exclusive_enter(struct place_env *env, struct ledger *l, const struct cgroup_dir *c, struct record *r,
		    struct error *err);

/* Ends the partition of @r, if it is one; its record and interrupts are unchanged. A failure is reported as a message. */
void exclusive_leave(struct place_env *env, const struct record *r);

/* The CPUs that the containers of @l hold. */
void exclusive_read_held(const struct ledger *l, struct idset *out);

/* Whether the partition of @r was made invalid, or another program has ended it. @c: its cgroup. */
bool exclusive_lost(const struct cgroup_dir *c, const struct record *r);

#endif
