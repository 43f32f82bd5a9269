/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A container's cgroup as a cpuset partition (Linux 6.7): the kernel takes its CPUs from all processes outside of it.
 * Every write of cpuset.cpus.exclusive and cpuset.cpus.partition is made here.
 *
 * The CPUs must be in cpuset.cpus.exclusive of the cgroup and of each cgroup above it, below the root. These lists are
 * shared by all partitions below and may also have CPUs of the administrator. So each cgroup has an attribute with the
 * CPUs that numaplace has added (CGROUP_XATTR_EXCLUSIVE); no others are taken out again. The attribute is set before the
 * list grows and reduced after it has shrunk, so that a process that is killed in between leaves no CPU unaccounted for.
 *
 * Call the functions that write under the lock of the ledger.
 */
#ifndef NUMAPLACE_CGROUP_PARTITION_H
#define NUMAPLACE_CGROUP_PARTITION_H

#include "cgroup/cgroup.h"
#include "plugin/select/request.h"

#define PARTITION_STATE_MAX 160

/*
 * Makes @c, which is .owned and has @cpus in its cpuset.cpus, a partition of @kind, and reads that back. @held: the CPUs
 * that the containers of the ledger hold; others that numaplace has added above are taken out first. On failure the
 * cgroups are as they were. -EOPNOTSUPP: the kernel has no partitions, or none that is safe there; -EXDEV: the kernel
 * refuses it and says why; -EINVAL: another cgroup has some of the CPUs; or another negative errno.
 */
int partition_enter(int mount, const struct cgroup_dir *c, const struct idset *cpus, enum partition kind,
		    const struct idset *held, struct error *err);

/*
 * Ends the partition of the cgroup @path with @inode, and takes @cpus out of the lists up to the root. Without a
 * partition, or if the cgroup is gone, it takes them out of the lists that still have them.
 */
int partition_leave(int mount, const char *path, uint64_t inode, const struct idset *cpus, struct error *err);

/* Reads cpuset.cpus.partition: "root", or "root invalid (REASON)". "": the kernel has no partitions. */
void partition_read(const struct cgroup_dir *c, char state[PARTITION_STATE_MAX]);

/* Whether @c is a valid partition of @kind. */
bool partition_is(const struct cgroup_dir *c, enum partition kind);

#endif
