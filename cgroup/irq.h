/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The affinities of interrupts and of the kernel's unbound workqueues: which CPUs may handle them. Each is named by a
 * number: an interrupt by its own, the two others by one below 0. @root: descriptor of the root that holds proc/ and sys/.
 */
#ifndef NUMAPLACE_CGROUP_IRQ_H
#define NUMAPLACE_CGROUP_IRQ_H

#include "plugin/base/error.h"
#include "plugin/base/idset.h"

#define IRQ_DEFAULT (-1)   /* the affinity of interrupts that a driver requests from now on */
#define IRQ_WORKQUEUE (-2) /* unbound workqueues */

/*
 * Reads the affinity that was last set. That of workqueues is without what the kernel leaves out for isolated partitions, if
 * the kernel shows that (Linux 6.8). Returns 0, -ENOENT (there is no such affinity), or another negative errno.
 */
int irq_read(int root, int what, struct idset *out);

/* The CPUs that the kernel has chosen from the affinity of an interrupt. As irq_read(). */
int irq_read_effective(int root, int irq, struct idset *out);

/*
 * Writes it. -EIO or -EPERM: the kernel keeps this interrupt where it is, as it is bound to a CPU or its queue is (a managed
 * interrupt); -EINVAL: no CPU of @cpus is online; or another negative errno.
 */
int irq_write(int root, int what, const struct idset *cpus);

/*
 * Calls @each for each interrupt. Stops at the first non-zero return, and returns that. -ENOENT: the kernel has no /proc/irq;
 * or another negative errno.
 */
int irq_each(int root, int (*each)(void *arg, int irq), void *arg);

/* Whether this process may write affinities: 0, -ENOENT (there are none), -EACCES, -EROFS or another negative errno. */
int irq_may_write(int root);

#endif
