/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The machine kept in a file, so that a hook need not read thousands of others for it.
 *
 * What is promised: topology_load gives what topology_read would give at that moment.  A
 * file of another boot, of other online nodes or CPUs, of another program's layout,
 * damaged or cut is as good as none.  Memory, hugepages and the kernel's watermark are
 * never taken from it; what it holds (distances, caches, cores, page sizes, the bandwidth of memory) the kernel fixes
 * when a node or CPU comes.  Weights of interleaving, which it does not, are left out (0); CPUs that a partition
 * isolates later are missing from every other cgroup's effective set, and so from every choice.
 * The file lies in the ledger's folder and is trusted as the ledger is: who can write there, is root.
 */
#ifndef NUMAPLACE_TOPOLOGY_CACHE_H
#define NUMAPLACE_TOPOLOGY_CACHE_H

#include "plugin/topology.h"

/* By what a kept machine is known to be this one. */
struct topology_key {
	char boot_id[40];
	uint64_t device, inode;   /* of the folder of nodes: one sysroot is not another */
	struct idset nodes, cpus; /* online, as the kernel says */
};

/* Of the machine below @root, now. False: a kernel that does not tell all of it; nothing is kept then. */
bool topology_key_read(int root, struct topology_key *out);

/* The machine that is kept in @dir for this key, its memory and hugepages 0. -ENOENT: none. */
int topology_load(int dir, const struct topology_key *key, struct topology **out);

/*
 * Keeps @t, that was read after @key was, and before the caller looked and found the key the same.  The file
 * changes in one step; the caller holds a lock against others who keep.  Best effort: the next one reads it all.
 */
void topology_keep(int dir, const struct topology_key *key, const struct topology *t);

#endif
