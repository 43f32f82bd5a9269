/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The file `interrupts` of the state folder: which containers have a wish for interrupts, and for each affinity that was
 * changed what it was before. It is written before an affinity is changed. An affinity is numaplace's while it is one of the
 * three of its entry; any other one was set by another program. The file is absent while no container has such a wish.
 *
 * One line for each fact: "hold INODE CLASS ID away|near CPUS IRQS", "seen IRQS", "change NUMBER ORIGINAL BEFORE AFTER"; an
 * empty set is "-".
 */
#ifndef NUMAPLACE_PLACE_IRQ_STATE_H
#define NUMAPLACE_PLACE_IRQ_STATE_H

#include "plugin/ledger/record.h"

#define IRQ_STATE "interrupts"
#define IRQ_STATE_MAX (16U << 20) /* bytes of the file */
#define IRQ_DEVICES_MAX 2048      /* interrupts of the devices of one container */

struct irq_list {
	unsigned int n, room;
	int *irq;
};

/* A container with a wish. */
struct irq_holder {
	uint64_t inode;       /* of its cgroup */
	char class[RECORD_CLASS_MAX];
	char id[RECORD_ID_MAX + 1];
	enum irq_mode mode;
	struct idset cpus;
	struct irq_list near; /* of its devices */
};

/* Lists of CPUs, in the kernel's notation. */
struct irq_change {
	int what;       /* as in cgroup/irq.h */
	char *original; /* to come back to */
	char *before;   /* when the file was written */
	char *after;    /* what is, or was about to be, written */
};

struct irq_state {
	char boot_id[64];
	struct idset seen; /* interrupts that existed at the last change; others may have got the changed default affinity */
	unsigned int nholders, holders_room;
	struct irq_holder *holder;
	unsigned int nchanges, changes_room;
	struct irq_change *change;
};

/* Whether there is a file in the state folder @dir. */
bool irq_state_exists(int dir);

/*
 * Reads it; without a file, or with one of another boot, @out is empty. @boot_id NULL: of any boot. The caller zeroes @out before and frees it with
 * irq_state_free(), also after a failure. -EBADMSG: it is damaged; or another negative errno.
 */
int irq_state_read(int dir, const char *boot_id, struct irq_state *out, struct error *err);

/* Replaces the file, or removes it if @s has no container and no change. Returns 0 or a negative errno. */
int irq_state_write(int dir, const struct irq_state *s, struct error *err);

void irq_state_free(struct irq_state *s);
#define cleanup_irq_state __attribute__((cleanup(irq_state_free)))

/* NULL: not in @s. */
struct irq_change *irq_state_find(const struct irq_state *s, int what);
struct irq_holder *irq_state_holder(const struct irq_state *s, uint64_t inode);

/* Adds an entry of which all three are @original. NULL: out of memory. */
struct irq_change *irq_state_add(struct irq_state *s, int what, const char *original);

/* Removes one, which must be in @s. */
void irq_state_drop(struct irq_state *s, struct irq_change *c);
void irq_state_drop_holder(struct irq_state *s, struct irq_holder *h);

/* Adds one interrupt, once. 0, -E2BIG or -ENOMEM. */
int irq_list_add(struct irq_list *l, int irq);
bool irq_list_has(const struct irq_list *l, int irq);

#endif
