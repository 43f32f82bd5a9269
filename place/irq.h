/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * limits.cpu.irq: interrupts that leave the exclusive CPUs of a container (away), or are handled on its CPUs (near), and come
 * back when it ends. What each affinity should be follows from its original one and from the containers with such a key:
 *
 *	its original one without the CPUs of all containers with away; if that has no CPU that is online, the online CPUs
 *	without them and without isolated ones; for the devices of a container with near, the CPUs of that container.
 *
 * The original affinities are in a file of the state folder (place/irq-state.h), so that each call, also one after a kill,
 * computes the same. An affinity that another program has set since then becomes the original one.
 *
 * It is a wish: a failure becomes a message and a reason, and never stops a placement. Call all of it under the lock of the ledger.
 */
#ifndef NUMAPLACE_PLACE_IRQ_H
#define NUMAPLACE_PLACE_IRQ_H

#include "place/state.h"
#include "plugin/ledger/ledger.h"

#define IRQ_REASON "limits.cpu.irq: "

/*
 * Before a placement: -EPERM if the request has away or near, and this process may not write affinities. Other requests cost
 * nothing.
 */
int irq_admit(const struct place_env *env, const struct request *r, struct error *err);

/*
 * Makes the affinities what the containers of @l need, of which @r is one with its CPUs as they are now. Adds a reason to @r,
 * and stores @r in @l then. Without the key in @r and without the file, one system call. Returns 0 or an error of the ledger.
 */
int irq_follow(struct place_env *env, struct ledger *l, struct record *r, struct error *err);

/*
 * Before the record of the cgroup @inode is dropped: the affinities are those that the other containers need. @root, @dir:
 * descriptors of the root and of the state folder. Returns 0, also if nothing was changed for it, or a negative errno.
 */
int irq_release(int root, int dir, const char *boot_id, uint64_t inode, struct error *err);

/*
 * Corrects what a process that was killed, or that could not write affinities, has left: containers that are not in @l, or have
 * other CPUs there. Without the file, one system call.
 */
void irq_mend(struct place_env *env, struct ledger *l);

/* For people; read-only. */
struct irq_drift {
	unsigned int n;  /* interrupts that another program has moved since, to CPUs of the container */
	char list[128];  /* their numbers, with commas; cut off after a whole number */
};

/* @cpus: of a container with away. 0, also without the file; or a negative errno. */
int irq_look(int root, int dir, const struct idset *cpus, struct irq_drift *out, struct error *err);

/* What the state folder has, for `doctor`. @l: the ledger, for reading. */
struct irq_left {
	unsigned int containers; /* with the key */
	unsigned int lost;       /* of these, not in the ledger */
	unsigned int changes;    /* affinities that are not the original ones */
};
/* 0, also without the file; -EBADMSG: it is damaged; or another negative errno. */
int irq_look_left(int dir, struct ledger *l, struct irq_left *out, struct error *err);

#endif
