/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the readers of a machine share: topology-read.c reads all of it,
 * topology-memory.c what changes from one moment to the next.  For these alone.
 */
#ifndef NUMAPLACE_TOPOLOGY_INTERNAL_H
#define NUMAPLACE_TOPOLOGY_INTERNAL_H

#include "plugin/topology.h"

struct memory_reading {
	uint64_t nodes_bytes;   /* MemTotal of all nodes together: what the watermark is shared by; 0 unknown */
	uint64_t said_bytes;    /* what /proc/meminfo says; 0 unknown */
	uint64_t low_bytes;     /* the kernel's low watermark, over the machine */
	char text[16384];
};

/* The first number of a file; false: it is not there, or none. */
bool topology_read_u64(int dir, const char *path, uint64_t *out);

/* What is said of the machine as a whole; sets @t's huge_default and nodes_bytes (what /proc/meminfo says). */
void memory_begin(struct memory_reading *m, int root, struct topology *t);

/*
 * When all nodes of @t are known: reads their memory again where its sum is not what /proc/meminfo says (in a
 * container it may be LXCFS's, that shows the container's limit), and adds what belongs to no node. @nodes: the
 * folder of nodes; -1 none.
 */
void memory_end(struct memory_reading *m, int root, int nodes, struct topology *t);

/* A node's meminfo, added to what @node has: several ids may be one node. */
void memory_add_node(struct memory_reading *m, int dir, const char *path, struct topo_node *node);

/* The hugepages in @dir, of @t's sizes, likewise. */
void memory_add_huge(const struct topology *t, int dir, struct topo_node *node);

/* A machine without nodes: all of its memory. */
void memory_add_machine(struct memory_reading *m, int root, struct topo_node *node);

/* Sets every node's memory_kind, from what the kernel says below @root. -ENOMEM. */
int topology_settle_kinds(struct topology *t, int root);

/* The same for the nodes that have none yet, from the nodes alone. */
void topology_fill_kinds(struct topology *t);

#endif
